-- A plan that is gone through in throw-away children, up to where the program
-- would begin: what is refused is taken away, with what depends on it, and the
-- rest is tried again.
local dependence = require "userns.dependence"
local error_object = require "userns.error"
local sys = require "userns.sys"
local trial = require "userns.trial"

local attempt = {}

-- ---- what a trial has instead of a step -----------------------------------

local function copy_of(step, changes)
  local copy <const> = {}
  for name, value in pairs(step) do
    copy[name] = value
  end
  for name, value in pairs(changes) do
    copy[name] = value
  end
  return copy
end

local function without(list, i)
  local copy <const> = table.move(list, 1, #list, 1, {})
  table.remove(copy, i)
  return copy
end

-- The step without the part that was refused, where the rest of it can be done.
local LESS <const> = {}

function LESS.mount(step, err)
  if err.syscall == "fsconfig" and err.item and step.options[err.item] then
    return copy_of(step, { options = without(step.options, err.item) })
  end
end

--- A limit whose own file refuses it; else it is the cgroup that is refused.
function LESS.cgroup(step, err)
  local file <const> = err.item and step.limits and step.limits[err.item]:match("^[^=]+")
  if file and (err.path or ""):match("[^/]+$") == file then
    return copy_of(step, { limits = without(step.limits, err.item), fields = without(step.fields, err.item) })
  end
end

--- An upper layer on a disk is one of the lower ones: nothing is written to it.
local function covered(step)
  if not step.upper then
    return step
  end
  local lower <const> = table.move(step.lower, 1, #step.lower, 2, { step.upper })
  local copy <const> = copy_of(step, { lower = lower, scratch = { "mode=700" }, mode = 493 }) -- 0755
  copy.upper, copy.work = nil, nil
  return copy
end

local INSTEAD <const> = { overlay = covered, root_overlay = covered }

--- Whether a step writes to a layer on a disk, and is covered.
local function has_upper(step)
  return INSTEAD[step.op] ~= nil and step.upper ~= nil
end

--- Which of its items the plan's own step would have reported.
local function own_item(own, tried, item)
  if not item or not has_upper(own) or tried.upper then
    return item
  end
  return item == 1 and #own.lower + 1 or item <= #own.lower + 1 and item - 1 or nil
end

-- What would be used up, or taken from the host, is only looked at: what depends
-- on it cannot be judged.
local SPARED <const> = { take = true, interface = true }

-- ---- the steps of a trial -------------------------------------------------

---@class userns.Attempt
---@field plan userns.Plan
---@field lost table<integer, boolean> steps of the plan that are not to be done
---@field less table<integer, userns.Step> what is done in a step's place
local methods <const> = {}

local metatable <const> = { __index = methods }

--- An attempt at a plan.
---@param plan userns.Plan
---@param is_judged fun(step: userns.Step): boolean? of steps that are not to be done
---@return userns.Attempt
function attempt.new(plan, is_judged)
  local lost <const> = {}
  for number, step in ipairs(plan) do
    lost[number] = is_judged(step) or nil
  end
  return setmetatable({ plan = plan, lost = lost, less = {} }, metatable)
end

--- Adds a step to a trial, unless it is lost; `number` is its line in the plan.
local function add(self, steps, step, number)
  local standing <const> = steps.standing
  if self.lost[number] or not standing:allows(step) then
    standing:lose(step)
    return
  end
  steps[#steps + 1] = INSTEAD[step.op] and INSTEAD[step.op](step) or step
  steps.numbers[#steps] = number
  standing:add(step)
  if SPARED[step.op] then
    standing:lose(step)
  end
end

--- Looks at the program before a filter binds the child.
local function add_examination(self, steps)
  local number <const> = #self.plan
  local exec <const> = self.plan[number]
  if not steps.examined then
    steps.examined = true
    add(self, steps, { op = "examine", paths = exec.paths, argv = exec.argv, env = exec.env, source = exec.source },
      number)
  end
end

--- Whatever has to come before it may be lost: a clone there is, if only so that
--- the parent's own steps are gone through.
local function add_end(self, steps)
  if not steps.clone then
    for number, step in ipairs(self.plan) do
      if step.op == "clone" then
        steps[#steps + 1] = copy_of(step, { namespaces = {} })
        steps.numbers[#steps] = number
      end
    end
  end
  steps[#steps + 1] = { op = "leave" }
  steps.numbers[#steps] = #self.plan
end

--- The steps that are left, each with its line in the plan, and how things stand
--- after them.  A hook is not called: it is the host's.
local function steps_of(self)
  local steps <const> = { numbers = {}, standing = dependence.new() }
  for number, step in ipairs(self.plan) do
    if steps.standing.ended then
      break
    elseif step.op == "seccomp" or step.op == "exec" then
      add_examination(self, steps)
    end
    if step.op ~= "exec" and step.op ~= "hook" then
      add(self, steps, self.less[number] or step, number)
    end
    steps.clone = steps.clone or step.op == "clone"
  end
  add_end(self, steps)
  return steps
end

-- ---- namespaces -----------------------------------------------------------

--- What the clone is refused with these namespaces only; nil where it is not.
local function clone_refusal(steps, at, namespaces)
  local list <const> = table.move(steps, 1, at - 1, 1, {})
  list[at] = copy_of(steps[at], { namespaces = namespaces })
  table.move({ { op = "close_fds" }, { op = "leave" } }, 1, 2, at + 1, list)
  local done <const>, err = trial.run(list)
  return not done and error_object.locate(err, list) or nil
end

--- What the clone is refused for each type by itself, or with the user namespace
--- that gives the privilege for it; empty where it is something else.
local function refused_types(steps, at)
  local refused <const> = {}
  if clone_refusal(steps, at, {}) then
    return refused
  end
  local user
  for _, type in ipairs(steps[at].namespaces) do
    refused[type] = clone_refusal(steps, at, user and { user, type } or { type })
    user = type == "user" and type or user
    if refused.user then
      break -- nobody knows of the others
    end
  end
  return refused
end

--- Notes a refusal for each type of namespace, and takes these away; whether
--- there is more to try.  Without the user or the mnt namespace nothing is as it
--- would be.
local function note_clone(self, steps, at, whole)
  local number <const>, step <const> = steps.numbers[at], steps[at]
  local refused <const>, left <const> = refused_types(steps, at), {}
  for _, type in ipairs(step.namespaces) do
    local err <const> = refused[type]
    if err then
      err.step, err.path = number, type
      self.report(err)
    else
      left[#left + 1] = type
    end
  end
  if not next(refused) then
    whole.step = number
    self.report(error_object.locate(whole, self.plan))
  end
  self.less[number] = copy_of(step, { namespaces = left })
  return next(refused) and not refused.user and not refused.mnt
end

-- ---- trying ---------------------------------------------------------------

--- The plan, with what was tried in a step's place.
local function as_tried(plan, number, step)
  if step.op ~= plan[number].op or has_upper(plan[number]) then
    return plan
  end
  return setmetatable({ [number] = step }, { __index = plan })
end

--- Notes what was refused, and takes it away; whether there is more to try.
local function note(self, steps, err)
  local at <const> = err.step
  local step <const>, number <const> = steps[at], steps.numbers[at]
  if not step then
    self.report(err)
    return false
  elseif step.op == "clone" then
    return note_clone(self, steps, at, err)
  end
  local less <const> = LESS[step.op] and LESS[step.op](step, err)
  err.step, err.item = number, own_item(self.plan[number], step, err.item)
  error_object.locate(err, as_tried(self.plan, number, step))
  if not steps.standing:is_doubtful(step, err) then
    self.report(err)
  end
  self.less[number] = less
  self.lost[number] = not less or nil
  return step.op ~= "leave"
end

-- What the kernel makes in the directory for its work, and leaves there.
local LEFTOVERS <const> = { "work", "index" }

--- Calls a function, and removes what the kernel has made in a directory
--- meanwhile.
local function cleanly(path, fn)
  local directory <close> = sys.open(path, { "read", "directory" })
  local made <const> = {}
  for _, name in ipairs(directory and LEFTOVERS or {}) do
    made[#made + 1] = not sys.stat(path .. "/" .. name, "nofollow") and name or nil
  end
  fn()
  for _, name in ipairs(made) do
    sys.rmdirat(directory, name)
  end
end

--- The path of what is in a slot.
local function path_in(plan, slot)
  for _, step in ipairs(plan) do
    if step.op == "open" and step.slot == slot then
      return step.path
    end
  end
end

--- Has a layer on a disk mounted once as what it is, with nothing after it.
local function try_upper(self, steps, at, from)
  local list <const> = { numbers = steps.numbers, standing = steps.standing }
  table.move(steps, 1, at - 1, 1, list)
  list[at], list[at + 1] = self.plan[steps.numbers[at]], { op = "leave" }
  cleanly(path_in(self.plan, list[at].work), function()
    local done <const>, err = trial.run(list, from)
    if not done then
      note(self, list, err)
    end
  end)
end

--- What was degraded, in the words of the plan's steps.
local function excused_of(self, steps, done)
  local list <const> = {}
  for _, err in ipairs(done and done.excused or {}) do
    err.step = steps.numbers[err.step]
    list[#list + 1] = not has_upper(self.plan[err.step]) and err or nil
  end
  return list
end

--- Tries until nothing more is refused, or nothing more can be judged.
---@param from integer[] where the descriptors come from
---@param report fun(err: userns.Error) gets each refusal, as spawn would return it
---@return userns.Error[] excused of the last trial: refusals that did not end it
---@return { feature: string, used: string, reason: string }[] degraded by the parent
function methods:run(from, report)
  self.report = report
  local steps, done, err
  repeat
    steps = steps_of(self)
    done, err = trial.run(steps, from)
  until done or not note(self, steps, err)
  for at, number in ipairs(done and steps.numbers or {}) do
    if has_upper(self.plan[number]) then
      try_upper(self, steps, at, from)
    end
  end
  return excused_of(self, steps, done), done and done.degraded or {}
end

return attempt
