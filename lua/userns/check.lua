-- What of a description would be refused here, all of it.
local attempt = require "userns.attempt"
local compile = require "userns.compile"
local dependence = require "userns.dependence"
local host = require "userns.host"
local normalise = require "userns.normalise"
local process = require "userns.process"
local stdio = require "userns.stdio"
local validate = require "userns.validate"

local check = {}

---@class userns.Check
---@field ok boolean nothing would be refused
---@field errors userns.Error[] what would be, in the order of the plan
---@field degraded { feature: string, used: string, reason: string }[] what the program would go without

-- ---- what has been found --------------------------------------------------

local findings = {}
findings.__index = findings

--- Notes a refusal; each once, also where two steps are for one field.
function findings:add(err)
  local what <const> = err.field and err.cause or err.op
  local key <const> = table.concat({ what, err.code, err.field or "", err.path or "" }, "\0")
  if not self.seen[key] then
    self.errors[#self.errors + 1] = err
    self.seen[key] = #self.errors
    self.place[err] = #self.errors
  end
end

--- Notes what is wrong without trying: the fields in question are not tried.
function findings:add_judged(err)
  for _, problem in ipairs(err.problems or { err }) do
    self:add(problem)
    table.insert(self.judged, problem.code ~= "EUNAVAILABLE" and problem.field or nil)
  end
end

--- Whether a field has been judged, as a whole or in a part.
function findings:has_judged(field)
  for _, judged in ipairs(field and self.judged or {}) do
    if dependence.is_part(field, judged) or dependence.is_part(judged, field) then
      return true
    end
  end
end

function findings:result(degraded)
  table.sort(self.errors, function(a, b)
    local step_a <const>, step_b <const> = a.step or 0, b.step or 0
    return step_a < step_b or step_a == step_b and self.place[a] < self.place[b]
  end)
  return { ok = #self.errors == 0, errors = self.errors, degraded = degraded }
end

-- ---- the process ----------------------------------------------------------

--- The process spec, or where it is wrong the description's defaults, of which
--- nothing is judged.
local function process_of(d, spec, found)
  if spec == nil then
    return normalise.process(d.process)
  end
  local checked <const>, err = validate.process(spec, d.process)
  if checked then
    return checked
  end
  found:add_judged(err)
  table.insert(found.judged, "process")
  return normalise.process(d.process)
end

local STREAMS <const> = { "stdin", "stdout", "stderr" }

--- Puts /dev/null in the place of what could not be opened; whether it was
--- something else.
local function replace(spec, fds, field)
  for i, fd in ipairs(fds) do
    if fd.source == field then
      local set <const>, key <const> = STREAMS[i] and spec or spec.fds, STREAMS[i] or fd.target
      local before <const> = set[key]
      set[key] = "null"
      return before ~= "null"
    end
  end
end

local function copied(map)
  local copy <const> = {}
  for key, value in next, map do
    copy[key] = value
  end
  return copy
end

--- Opens the streams that a process would have; nil where not even /dev/null is
--- to be had.
local function open_streams(spec, plan, found)
  local given <const>, fds <const> = copied(spec), stdio.entries(plan)
  given.fds = copied(spec.fds)
  local set, err
  repeat
    set, err = stdio.open(given, fds, plan.owner)
    if not set then
      found:add(err)
    end
  until set or not replace(given, fds, err.field)
  return set
end

--- Tries a description, and a process in it.
---@param d table normalised description
---@param spec table? a process spec; without one the description's own
---@return userns.Check
function check.run(d, spec)
  local found <const> = setmetatable({ errors = {}, seen = {}, place = {}, judged = {} }, findings)
  local checked <const> = process_of(d, spec, found)
  local facts <const>, err = host.facts(d)
  if not facts then
    found:add(err)
    return found:result {}
  end
  local plan <const>, refusals <const> = compile.draft(d, checked, facts)
  for _, refusal in ipairs(refusals) do
    found:add_judged(refusal)
  end
  if not checked.argv[1] then
    table.insert(found.judged, "process[1]")
  end
  local set <close> = open_streams(checked, plan, found)
  if not set then
    return found:result(plan.degraded)
  end
  local tried <const> = attempt.new(plan, function(step)
    return step.op ~= "close_fds" and found:has_judged(step.source) -- which is about what there is besides
  end)
  local excused <const>, lacking <const> = tried:run(set.from, function(refusal)
    found:add(refusal)
  end)
  return found:result(process.degraded(plan, excused, lacking))
end

return check
