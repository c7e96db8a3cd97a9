-- A container: a description that has been checked, and what is made of it.
local check = require "userns.check"
local compile = require "userns.compile"
local describe = require "userns.describe"
local error_object = require "userns.error"
local host = require "userns.host"
local lookup = require "userns.lookup"
local normalise = require "userns.normalise"
local parent = require "userns.parent"
local prepared = require "userns.prepared"
local process = require "userns.process"
local program = require "userns.program"
local stdio = require "userns.stdio"
local sys = require "userns.sys"
local validate = require "userns.validate"
local words = require "userns.words"

local container = {}

local PRIVATE <const> = {}

---@class userns.Container
local methods <const> = {}

local metatable <const> = { __name = "userns.container", __index = methods }

local function check_table(value, name, arg)
  if type(value) ~= "table" then
    error(("bad argument #%d to '%s' (table expected, got %s)"):format(arg or 1, name, type(value)), 3)
  end
end

--- Checks a description; nothing is created yet.
---@param description userns.Description
---@return userns.Container? container can be run any number of times
---@return userns.Error? err EINVALID, with every problem in `problems`
function container.new(description)
  check_table(description, "container")
  local d <const>, err = validate.description(description)
  if not d then
    return nil, err
  end
  for _, look in ipairs { lookup.places, lookup.readonly_targets } do
    local problems <const> = look(d)
    if #problems > 0 then
      return nil, error_object.invalid(problems)
    end
  end
  return setmetatable({ [PRIVATE] = { description = d, kept = {} } }, metatable)
end

--- The sequence that parent and child would go through, as data that prints
--- itself.
---@param spec userns.ProcessSpec? without one the plan ends in a placeholder
---@return userns.Plan? plan
---@return userns.Error? err EINVALID
function methods:plan(spec)
  local d <const> = self[PRIVATE].description
  local checked, err
  if spec == nil then
    checked = normalise.process(d.process)
  else
    check_table(spec, "plan")
    checked, err = validate.process(spec, d.process)
  end
  local facts <const>, why = host.facts(d)
  if not checked or not facts then
    return nil, err or why
  end
  local pool <const> = self[PRIVATE].pool
  return compile.compile(d, checked, facts, nil, pool and pool:waits_for(checked))
end

-- Programs that take turns find their plans packed; each keeps the memory of its
-- launches.
local KEPT <const> = 4

--- The packed plan of a process: one of the last again, when nothing it was made
--- of has changed.
local function pack(box, spec, what, known)
  local facts <const>, err = host.among_cgroups(known, box.description)
  if not facts then
    return nil, err
  end
  local kept <const>, key <const> = box.kept, program.key(what)
  for i, packed in ipairs(kept) do
    if packed.key == key and packed.facts == facts then
      table.insert(kept, table.remove(kept, i))
      return packed
    end
  end
  local plan <const>, why = compile.compile(box.description, spec, facts, what)
  if not plan then
    return nil, why
  end
  if #kept == KEPT then
    table.remove(kept, 1)
  end
  kept[#kept + 1] = {
    key = key, facts = facts, plan = plan, program = sys.pack(plan), entries = stdio.entries(plan),
    has_parent = parent.is_needed(plan, box.description.hooks),
  }
  return kept[#kept]
end

-- Seconds that a set-up is given, however short the program's timeout: it takes so
-- long only where something in it blocks.
local PATIENCE <const> = 5

-- Whether there is nothing to do for a program between its start and its end.
local function runs_alone(spec)
  return not spec.timeout and not spec.terminal and not spec.input
    and spec.stdout ~= "capture" and spec.stderr ~= "capture"
end

---@class userns.Caller what run has of its caller; spawn has nothing
---@field hold userns.sys.SignalHold? of its SIGINT

--- Whether, and until what besides, whoever launches would sleep through the program.
local function may_linger(box, spec, caller)
  return caller and not box.pool and runs_alone(spec) and (caller.hold or true)
end

--- What Lua does of a plan's steps: nobody, where that is nothing.
local function new_helper(box, packed, caller)
  return packed.has_parent and parent.new(box.description.hooks, caller and caller.hold) or nil
end

--- The launch of a plan with these descriptors: the child, and what is known of it;
--- or why there is none, and nothing is left.
local function start(packed, set, helper, spec, linger)
  local plan <const> = packed.plan
  local step <const> = helper and function(number, pid)
    return helper:run(plan[number], pid)
  end
  local patience <const> = spec.timeout and math.max(spec.timeout, PATIENCE)
  local child <const>, report, terminal, ended = sys.launch(packed.program, set.from, step, patience, linger)
  if not child then
    if helper then
      helper:close()
    end
    set:close()
    return nil, error_object.locate(report, plan)
  end
  set:launched(terminal)
  if helper then
    helper:launched()
  end
  return child, { set = set, plan = plan, excused = report, parent = helper, ended = ended }
end

--- In a child of its own, from the start.
local function launch_fresh(box, spec, what, facts, caller)
  local packed <const>, err = pack(box, spec, what, facts)
  if not packed then
    return nil, err
  end
  local set <const>, why = stdio.open(spec, packed.entries, packed.plan.owner)
  if not set then
    return nil, why
  end
  return start(packed, set, new_helper(box, packed, caller), spec, may_linger(box, spec, caller))
end

--- What a spec executes, remembered where the spec is.
local function program_of(box, spec, facts)
  local last <const> = box.last
  if not last or last.spec ~= spec then
    return program.of(spec, facts)
  end
  last.program = program.of(spec, facts, last.program)
  return last.program
end

local function launch(box, spec, caller)
  local began <const> = sys.clock()
  local facts <const>, err = host.facts()
  if not facts then
    return nil, err
  end
  local what <const> = program_of(box, spec, facts)
  local pool <const> = box.pool and box.pool:suits(spec, facts) and box.pool or nil
  local child, started = false, nil
  if pool then
    child, started = pool:launch(spec, what)
  end
  if child == false then
    child, started = launch_fresh(box, spec, what, facts, caller)
  end
  if not child then
    return nil, started
  end
  started.at, started.pool, started.hold = began, pool, caller and caller.hold
  started.detachable, started.shares_keys = not box.description.die_with_parent, not box.description.new_session
  return process.new(child, spec, started)
end

-- Whether a process spec is this argument vector, and nothing else.
local function is_vector(spec, argv)
  local count = 0
  for key, value in next, spec do
    if argv[key] ~= value then
      return false
    end
    count = count + 1
  end
  return count == #argv and getmetatable(spec) == nil
end

--- A spec for this container, checked: the last one again, where both are the same
--- argument vector and nothing else.
local function check_spec(box, spec)
  local last <const> = box.last
  if last and is_vector(spec, last.spec.argv) then
    return last.spec
  end
  local checked <const>, err = validate.process(spec, box.description.process)
  box.last = checked and is_vector(spec, checked.argv) and { spec = checked } or nil
  return checked, err
end

--- Keeps children that have done everything up to the program, and wait for it:
--- `spawn` and `run` take one where the process spec has what `process` has here,
--- but for the arguments, the environment and the descriptors, which a child gets
--- when it is taken; any other starts as ever, and so does what has more than
--- 64 KiB of arguments and environment. A child that has been taken is replaced
--- when the caller waits for the process or closes it, so that a burst is served
--- at once.
---
--- What waits has found the host as it was when it was prepared: sources of mounts,
--- joined namespaces, limits. It holds nothing of the caller's memory or
--- descriptors, cannot be traced, serves once and dies with the caller. Each costs
--- the caller two descriptors, and the kernel what a container costs. Who forgets
--- the container lets go of them.
---@param n integer how many; 0 lets them go
---@param spec userns.ProcessSpec? fields of a process spec, laid over the description's
---  `process`; it needs no program
---@return true? ok
---@return userns.Error? err EINVALID: `hooks` and `terminal` leave nothing to prepare; or
---  of the step that failed, and none waits
---@source clone(2)
function methods:prepare(n, spec)
  if math.type(n) ~= "integer" or n < 0 then
    error("bad argument #1 to 'prepare' (integer, 0 or more)", 2)
  end
  check_table(spec or {}, "prepare", 2)
  local box <const> = self[PRIVATE]
  local d <const> = box.description
  local checked, err = validate.process(spec or {}, d.process, true)
  err = err or prepared.obstacle(d, checked)
  if err then
    return nil, err
  end
  local pool = box.pool
  if not pool or not pool:suits(checked) then
    pool, err = prepared.new(d, checked)
  end
  if not pool then
    return nil, err
  end
  if box.pool and box.pool ~= pool then
    box.pool:resize(0)
  end
  box.pool = pool
  return pool:resize(n)
end

--- Starts a program in a new container, and returns when it executes.
---@param spec userns.ProcessSpec the argument vector and its fields
---@return userns.Process? process
---@return userns.Error? err of the spec (EINVALID), or of the step that failed; nothing
---  is left behind
---@source clone(2)
function methods:spawn(spec)
  check_table(spec, "spawn")
  local box <const> = self[PRIVATE]
  local checked <const>, err = check_spec(box, spec)
  if not checked then
    return nil, err
  end
  return launch(box, checked)
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

--- Runs a program in a new container to its end; one that has a terminal is
--- attached to the caller's. A SIGINT that comes to the calling thread is for
--- the program, which is killed at a second one or where it still runs
--- `kill_after` later. A program that handles it and exits has dealt with it: run
--- returns. After one that a signal ended, or that exits with 130, it comes to the
--- host. Where the host ignores or blocks SIGINT, and in hooks, it is the host's.
---@param spec userns.ProcessSpec
---@return userns.Result? result
---@return userns.Error? err as spawn's
---@source signal(7)
function methods:run(spec)
  check_table(spec, "run")
  local box <const> = self[PRIVATE]
  local checked <const>, why = check_spec(box, spec)
  local err <const> = why or refuse_pipes(checked)
  if err then
    return nil, err
  end
  -- without it, as where the kernel has no descriptor left, SIGINT comes as ever
  local hold <close> = sys.hold_signal("INT") or nil
  local p <close>, refusal = launch(box, checked, { hold = hold })
  if not p then
    return nil, refusal
  end
  if checked.terminal then
    return p:attach()
  end
  return p:wait()
end

--- Tries the description, and a process in it, in throw-away children: what would
--- be refused here, all of it, and not only what comes first. The program is not
--- executed, no hook is called, and nothing is left. What depends on something that
--- is refused is not judged, nor is what a hook would have prepared. A mount that is
--- moved, and an interface of the caller's, stay where they are; whether they are
--- there is told.
---@param spec userns.ProcessSpec? without one the description's own
---@return userns.Check
function methods:check(spec)
  if spec ~= nil then
    check_table(spec, "check")
  end
  return check.run(self[PRIVATE].description, spec)
end

--- The description as it is in force: every default written out.
---@return table description
function methods:describe()
  return describe(self[PRIVATE].description)
end

--- In words, what the program will see and may do.
function metatable:__tostring()
  return words(self[PRIVATE].description)
end

return container
