-- The parent's steps that Lua does: sys.launch calls back for them, before the
-- clone (pid 0) and after it.  What they leave behind is undone when the launch
-- fails or the process has ended.
local hooks = require "userns.hooks"
local idmapped = require "userns.idmapped"
local idtools = require "userns.idtools"
local sys = require "userns.sys"

local parent = {}

local DO <const> = {}

local function write_map(step, pid)
  return idtools.run(step.op, step.path, pid, step.map)
end

DO.newuidmap = write_map
DO.newgidmap = write_map

function DO.idmap(step, _, self)
  local mount <const>, err = idmapped.open(step.path, step.recursive, step.uid_map, step.gid_map)
  if not mount then
    return nil, err
  end
  table.insert(self.handed, mount)
  return mount:fileno()
end

function DO.namespace(step, _, self)
  local namespace <const>, err = sys.namespace(step.type, step.target)
  if not namespace then
    return nil, err
  end
  table.insert(self.handed, namespace)
  return namespace:fileno()
end

function DO.take(step)
  return sys.fileno(step.handle)
end

function DO.hook(step, pid, self)
  return hooks.call(self.hooks, step.name, pid)
end

---@class userns.Parent
---@field hooks table<string, function>
---@field undo (fun(result: userns.Result?))[]
---@field handed userns.Fd[] what the child inherits
local methods <const> = {}

local metatable <const> = { __name = "userns.parent", __index = methods }

--- What a parent does for one launch.
---@param given table<string, function> the description's hooks
---@return userns.Parent
function parent.new(given)
  return setmetatable({ hooks = given, undo = {}, handed = {} }, metatable)
end

--- Does a step of a plan that is the parent's and Lua's.
---@param step userns.Step
---@param pid integer the child; 0 before there is one
---@return true|integer|nil ok or the descriptor that the child gets
---@return userns.Error? err
function methods:run(step, pid)
  return DO[step.op](step, pid, self)
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
  return hooks.call(given, "exited", pid, result)
end

--- Undoes what was done, the last first; once.
---@param result userns.Result?
function methods:close(result)
  self:launched()
  while #self.undo > 0 do
    table.remove(self.undo)(result)
  end
end

return parent
