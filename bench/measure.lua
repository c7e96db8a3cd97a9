-- Runs contenders and collects their samples.
local command = require "bench.command"

local join <const> = command.join

local function launch(words)
  local output <const>, reason <const> = command.run(words)
  if not output then
    return nil, reason
  end
  local samples <const> = {}
  for line in output:gmatch("%d+") do
    samples[#samples + 1] = tonumber(line)
  end
  return samples
end

local function shuffle(list)
  for last = #list, 2, -1 do
    local other <const> = math.random(last)
    list[last], list[other] = list[other], list[last]
  end
end

local measure = {}

--- Why a contender cannot launch here, or nil: one launch decides.
---@param contender Contender
---@return string? reason
function measure.obstacle(contender)
  local _, reason <const> = launch(contender.command(1))
  return reason
end

--- Every contender launches in every round, in an order that differs from round
--- to round.  The first launch of each is its warm-up and does not count.
---@param contenders Contender[]
---@param rounds integer
---@param runs integer
---@return table<string, number[]> samples nanoseconds, by the contender's name
function measure.interleaved(contenders, rounds, runs)
  local samples <const> = {}
  for _, contender in ipairs(contenders) do
    samples[contender.name] = {}
  end
  local order <const> = table.move(contenders, 1, #contenders, 1, {})
  for _ = 1, rounds do
    shuffle(order)
    for _, contender in ipairs(order) do
      local own <const> = samples[contender.name]
      local taken <const> = assert(launch(contender.command(runs + 1)))
      table.move(taken, 2, #taken, #own + 1, own)
    end
  end
  return samples
end

--- Launches a second of one process on each of these cores, pinned to it.
---@param contender Contender
---@param cores integer[]
---@param runs integer launches of each process
---@return number rate
function measure.rate(contender, cores, runs)
  local awaits <const> = {}
  for index, core in ipairs(cores) do
    awaits[index] = command.start(join({ "taskset", "--cpu-list", core }, contender.command(runs)))
  end
  local rate = 0
  for _, await in ipairs(awaits) do
    local duration = 0
    for line in assert(await()):gmatch("%d+") do
      duration = duration + tonumber(line)
    end
    rate = rate + runs / duration * 1e9
  end
  return rate
end

return measure
