-- The parent's steps that Lua does: sys.launch calls back for them.
local idtools = require "userns.idtools"

local parent = {}

local DO <const> = {}

local function write_map(step, pid)
  return idtools.run(step.op, step.path, pid, step.map)
end

DO.newuidmap = write_map
DO.newgidmap = write_map

--- Does a step of a plan that is the parent's and Lua's.
---@param step userns.Step
---@param pid integer the child
---@return true? ok
---@return userns.Error? err
function parent.run(step, pid)
  return DO[step.op](step, pid)
end

return parent
