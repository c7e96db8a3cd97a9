-- Runs experiments and collects their samples.
local command = require "bench.command"
local statistics = require "bench.statistics"

local join <const> = command.join

--- Starts a command and returns a function that awaits the numbers it prints.
local function start(words)
  local await <const> = command.start(words)
  return function()
    local output <const>, reason <const> = await()
    if not output then
      return nil, reason
    end
    local samples <const> = {}
    for line in output:gmatch("%d+") do
      samples[#samples + 1] = tonumber(line)
    end
    return samples
  end
end

--- Starts a command that launches; the first launch is its warm-up and does not
--- count.
local function start_launching(cell, words)
  local await <const> = start(join(words, cell.command(cell.runs + 1)))
  return function()
    local samples <const>, reason <const> = await()
    return samples and table.move(samples, 2, #samples, 1, {}), reason
  end
end

-- How samples are taken: nil and the reason where the command fails.
local takes <const> = {}

function takes.launches(cell)
  return start_launching(cell, {})()
end

function takes.figures(cell)
  return start(cell.command(cell.runs))()
end

local function sum(numbers)
  local total = 0
  for _, number in ipairs(numbers) do
    total = total + number
  end
  return total
end

--- One sample: launches a second of one process on each core, pinned to it.
function takes.rate(cell)
  local awaits <const>, rate, failure = {}, 0, nil
  for index = 1, cell.ask.cores do
    awaits[index] = start_launching(cell, { "taskset", "--cpu-list", cell.cores[index] })
  end
  for _, await in ipairs(awaits) do
    local samples <const>, reason <const> = await()
    if samples then
      rate = rate + #samples / sum(samples) * 1e9
    else
      failure = reason
    end
  end
  return not failure and { rate } or nil, failure
end

local function shuffle(list)
  for last = #list, 2, -1 do
    local other <const> = math.random(last)
    list[last], list[other] = list[other], list[last]
  end
end

---@class Cell a row to be
---@field name string of the contender
---@field value any what the experiment's `varies` is
---@field ask Ask
---@field command fun(runs: integer): string[]
---@field cores integer[]
---@field samples number[]
---@field rounds integer in how many rounds it takes part
---@field runs integer launches in each
---@field failure string? why there will be no more

local function new_cell(experiment, setting, name, value)
  local ask <const> = experiment.varies and { [experiment.varies] = value } or {}
  local make <const> = experiment.command or setting.contenders[name].command
  return {
    name = name, value = value, ask = ask, cores = setting.cores, samples = {},
    command = function(runs)
      return make(setting.here, ask, runs)
    end,
  }
end

local function cells_of(experiment, setting)
  local cells <const> = {}
  for _, value in ipairs(experiment.values or { false }) do
    for _, name in ipairs(experiment.contenders) do
      cells[#cells + 1] = new_cell(experiment, setting, name, value or nil)
    end
  end
  return cells
end

local function seconds()
  local file <close> = assert(io.open "/proc/uptime")
  return tonumber(file:read("a"):match("^%S+"))
end

-- A count of at least one.
local function within(most, affordable)
  return math.max(1, math.floor(math.min(most, affordable)))
end

-- What takes long is launched less often: where launching does, in a round; where
-- starting does, in fewer rounds.
local function pace(cell, experiment, setting, starting, launching)
  local factors <const> = experiment.pace or {}
  local rounds <const>, runs <const> = setting.rounds * (factors.rounds or 1), setting.runs * (factors.runs or 1)
  local time <const> = setting.seconds * (factors.seconds or 1)
  cell.runs = within(runs, time / rounds / launching)
  cell.rounds = within(rounds, time / (starting + cell.runs * launching))
end

-- One launch decides whether a cell can launch here, and how often it will.
local function try(cell, experiment, setting)
  local before <const> = seconds()
  local samples <const>, reason <const> = start(cell.command(1))()
  cell.failure = reason
  if samples then
    local all <const> = math.max(seconds() - before, 0.01)
    local launching <const> = experiment.take == "figures" and all or samples[1] / 1e9
    pace(cell, experiment, setting, math.max(all - launching, 0), launching)
  end
end

local function sample(cell, take)
  local samples <const>, reason <const> = take(cell)
  cell.failure = reason
  table.move(samples or {}, 1, samples and #samples or 0, #cell.samples + 1, cell.samples)
end

-- Spread evenly over the rounds.
local function takes_part(cell, round, rounds)
  return not cell.failure and round * cell.rounds // rounds > (round - 1) * cell.rounds // rounds
end

---@class Row
---@field name string of the contender
---@field title string
---@field value any
---@field label string? the value in words
---@field summary Summary? in the experiment's unit
---@field failure string?

local function row_of(cell, experiment, setting)
  local row <const> = {
    name = cell.name, title = setting.contenders[cell.name].name, value = cell.value, failure = cell.failure,
    label = experiment.label and experiment.label(cell.value),
  }
  if not cell.failure then
    local samples <const> = {}
    for index, number in ipairs(cell.samples) do
      samples[index] = number / experiment.unit.per
    end
    row.summary = statistics.summary(samples)
  end
  return row
end

local measure = {}

---@class Setting
---@field here Place
---@field contenders table<string, Contender>
---@field cores integer[]
---@field rounds integer
---@field runs integer launches of a contender in a round
---@field seconds number that a row may take, about

---@class Result
---@field experiment Experiment
---@field rows Row[]

--- Every contender launches in every round, in an order that differs from round
--- to round.
---@param experiment Experiment
---@param setting Setting
---@return Result
function measure.run(experiment, setting)
  local take <const> = takes[experiment.take or "launches"]
  local cells <const>, rows <const> = cells_of(experiment, setting), {}
  for _, cell in ipairs(cells) do
    try(cell, experiment, setting)
  end
  local order <const> = table.move(cells, 1, #cells, 1, {})
  for round = 1, setting.rounds do
    shuffle(order)
    for _, cell in ipairs(order) do
      if takes_part(cell, round, setting.rounds) then
        sample(cell, take)
      end
    end
  end
  for index, cell in ipairs(cells) do
    rows[index] = row_of(cell, experiment, setting)
  end
  return { experiment = experiment, rows = rows }
end

return measure
