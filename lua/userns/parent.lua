-- The parent's steps that Lua does: sys.launch calls back for them, before the
-- clone (pid 0) and after it.  What they leave behind is undone when the launch
-- fails or the process has ended.
local cgroup = require "userns.cgroup"
local hooks = require "userns.hooks"
local idmapped = require "userns.idmapped"
local idtools = require "userns.idtools"
local links = require "userns.links"
local handles = require "userns.schema.handles"
local sys = require "userns.sys"
local uplink = require "userns.uplink"

local parent = {}

local DO <const> = {}

local function write_map(step, pid)
  return idtools.run(step.op, step.path, pid, step.map)
end

DO.newuidmap = write_map
DO.newgidmap = write_map
DO.veth = links.veth
DO.interface = links.interface
DO.uplink = uplink.start

function DO.idmap(step, _, self)
  local mount <const>, err = idmapped.open(step.path, step.recursive, step.uid_map, step.gid_map)
  if not mount then
    err.cause, err.why, err.hint = nil, nil, nil -- told anew, from the description
    return nil, err
  end
  table.insert(self.handed, mount)
  return mount:fileno()
end

function DO.namespace(step, _, self)
  local namespace <const>, err = handles.namespace(step.type, step.handle)
  if not namespace then
    return nil, err
  end
  table.insert(self.handed, namespace)
  return namespace:fileno()
end

--- What was open when the description was made may be closed by now.
function DO.take(step)
  if handles.is_closed(step.handle) then
    return nil, sys.error { op = "take", code = "EBADF", message = "the file is closed" }
  end
  return sys.fileno(step.handle)
end

--- Whether the parent that the description names is one of other hierarchies.
local function is_elsewhere(err)
  return err.code == "ENOENT" and err.syscall == "open"
end

--- Does without a cgroup that no limit needs, where that may be.
local function pass_over(self, step, err)
  if not step.optional or step.required and not is_elsewhere(err) then
    return nil, err
  elseif not is_elsewhere(err) then
    table.insert(self.degraded, {
      feature = "cgroup", used = "none in " .. step.path, reason = ("%s: %s"):format(err.syscall, err.message),
    })
  end
  return true
end

--- Makes a cgroup; one of version 2 is what the child is created in.
function DO.cgroup(step, _, self)
  local group <const>, err = cgroup.create(step, self.degraded)
  if not group then
    return pass_over(self, step, err)
  end
  table.insert(self.cgroups, group)
  return group.version == 2 and group.directory:fileno() or true
end

function DO.enter_cgroup(_, pid, self)
  for i = #self.cgroups, 1, -1 do
    local group <const> = self.cgroups[i]
    local ok, err = group:enter(pid)
    if not ok then
      ok, err = pass_over(self, group.step, err)
      table.remove(self.cgroups, i):close()
    end
    if not ok then
      return nil, err
    end
  end
  return true
end

--- A hook is the host's: what interrupts the host comes to it as ever.
local function call_hook(self, given, name, pid, result)
  local hold <const> = given[name] and self.hold
  if hold then
    hold:release()
  end
  local ok <const>, err <const> = hooks.call(given, name, pid, result)
  if hold then
    hold:hold()
  end
  return ok, err
end

function DO.hook(step, pid, self)
  return call_hook(self, self.hooks, step.name, pid)
end

---@class userns.Parent
---@field cgroups userns.Cgroup[] that the child is in
---@field degraded { feature: string, used: string, reason: string }[]
---@field hold userns.sys.SignalHold? of the launch and what follows it
---@field hooks table<string, function>
---@field undo (fun(result: userns.Result?))[]
---@field handed userns.Fd[] what the child inherits
local methods <const> = {}

local metatable <const> = { __name = "userns.parent", __index = methods }

--- Whether there is anything for a parent to do.
---@param plan userns.Plan
---@param given table<string, function> the description's hooks
---@return boolean
function parent.is_needed(plan, given)
  for _, step in ipairs(plan) do
    if DO[step.op] then
      return true
    end
  end
  return next(given) ~= nil
end

--- What a parent does for one launch.
---@param given table<string, function> the description's hooks
---@param hold userns.sys.SignalHold|nil while a signal is held, but in hooks
---@return userns.Parent
function parent.new(given, hold)
  return setmetatable({ cgroups = {}, degraded = {}, handed = {}, hold = hold, hooks = given, undo = {} }, metatable)
end

--- Does a step of a plan that is the parent's and Lua's.  One that raises an
--- error, as for want of memory, ends the launch: nobody else would undo the rest.
---@param step userns.Step
---@param pid integer the child; 0 before there is one
---@return true|integer|nil ok or the descriptor that the child gets, or is created in
---@return userns.Error? err
function methods:run(step, pid)
  local done <const>, value, err = pcall(DO[step.op], step, pid, self)
  if not done then
    self:close()
    error(value, 0)
  end
  return value, err
end

--- The child has what was opened for it.
function methods:launched()
  for _, fd in ipairs(self.handed) do
    fd:close()
  end
  self.handed = {}
end

--- Has something done when the launch has failed or the process has ended.
---@param undo fun(result: userns.Result?) gets the result, where there is one, to add to
function methods:defer(undo)
  table.insert(self.undo, undo)
end

--- Calls the hook for the process's end; once.
---@param pid integer
---@param result userns.Result?
---@return true? ok
---@return userns.Error? err
function methods:exited(pid, result)
  local given <const> = self.hooks
  self.hooks = {}
  return call_hook(self, given, "exited", pid, result)
end

--- Undoes what was done, the last first; once.
---@param result userns.Result?
function methods:close(result)
  self:launched()
  while #self.undo > 0 do
    table.remove(self.undo)(result)
  end
  for _, group in ipairs(self.cgroups) do
    group:close(result)
  end
  self.cgroups = {}
end

metatable.__close = function(self)
  self:close()
end

--- Lets go of everything that was done: it stays.
function methods:detach()
  for _, group in ipairs(self.cgroups) do
    group:detach()
  end
  self.cgroups, self.undo = {}, {}
end

return parent
