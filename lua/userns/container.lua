-- A container: a description that has been checked, and what is made of it.
local compile = require "userns.compile"
local error_object = require "userns.error"
local host = require "userns.host"
local normalise = require "userns.normalise"
local process = require "userns.process"
local stdio = require "userns.stdio"
local sys = require "userns.sys"
local validate = require "userns.validate"

local container = {}

local PRIVATE <const> = {}

---@class userns.Container
local methods <const> = {}

local metatable <const> = { __name = "userns.container", __index = methods }

local function check_table(value, name)
  if type(value) ~= "table" then
    error(("bad argument #1 to '%s' (table expected, got %s)"):format(name, type(value)), 3)
  end
end

--- Checks a description; nothing is created yet.
---@param description table the reference lists its fields
---@return userns.Container? container can be run any number of times
---@return userns.Error? err EINVALID, with every problem in `problems`
function container.new(description)
  check_table(description, "container")
  local d <const>, err = validate.description(description)
  if not d then
    return nil, err
  end
  return setmetatable({ [PRIVATE] = d }, metatable)
end

local function plan_for(d, spec)
  return compile.compile(d, spec, host.facts())
end

--- The sequence that parent and child would go through, as data that prints
--- itself.
---@param spec table? process spec; without one the plan ends in a placeholder
---@return userns.Plan? plan
---@return userns.Error? err EINVALID
function methods:plan(spec)
  local d <const> = self[PRIVATE]
  if spec == nil then
    return plan_for(d, normalise.process(d.process))
  end
  check_table(spec, "plan")
  local checked <const>, err = validate.process(spec, d.process)
  if not checked then
    return nil, err
  end
  return plan_for(d, checked)
end

local function launch(d, spec)
  local plan <const>, err = plan_for(d, spec)
  if not plan then
    return nil, err
  end
  local descriptors
  for _, step in ipairs(plan) do
    descriptors = step.op == "descriptors" and step or descriptors
  end
  local set <const>, why = stdio.open(spec, descriptors.fds)
  if not set then
    return nil, why
  end
  local child <const>, report = sys.launch(sys.pack(plan), set.from)
  if not child then
    set:close()
    return nil, error_object.locate(report, plan)
  end
  set:launched()
  return process.new(child, spec, set, plan, report, not d.die_with_parent)
end

--- Starts a program in a new container, and returns when it executes.
---@param spec table process spec: the argument vector and its fields
---@return userns.Process? process
---@return userns.Error? err of the spec (EINVALID), or of the step that failed; nothing
---  is left behind
---@source clone(2)
function methods:spawn(spec)
  check_table(spec, "spawn")
  local d <const> = self[PRIVATE]
  local checked <const>, err = validate.process(spec, d.process)
  if not checked then
    return nil, err
  end
  return launch(d, checked)
end

-- A pipe's other end would be in nobody's hands.
local function refuse_pipes(spec)
  local problems <const> = {}
  for _, name in ipairs { "stdin", "stdout", "stderr" } do
    if spec[name] == "pipe" then
      problems[#problems + 1] = {
        field = "process." .. name,
        message = "run hands no pipe out: use spawn, or `input` and \"capture\"",
      }
    end
  end
  return #problems > 0 and error_object.invalid(problems) or nil
end

--- Runs a program in a new container to its end.
---@param spec table process spec
---@return userns.Result? result
---@return userns.Error? err as spawn's
function methods:run(spec)
  check_table(spec, "run")
  local d <const> = self[PRIVATE]
  local checked, err = validate.process(spec, d.process)
  err = err or refuse_pipes(checked)
  if err then
    return nil, err
  end
  local p <close>, why = launch(d, checked)
  if not p then
    return nil, why
  end
  return p:wait()
end

return container
