-- The parent's steps that Lua does: sys.launch calls back for them.
local sys = require "userns.sys"
local tool = require "userns.tool"

local parent = {}

local DO <const> = {}

local function arguments(step, pid)
  local argv <const> = { step.op, tostring(pid) }
  for _, range in ipairs(step.map) do
    for _, side in ipairs { "inside", "outside", "count" } do
      argv[#argv + 1] = tostring(range[side])
    end
  end
  return argv
end

--- newuidmap and newgidmap say in a line what they did not like, if they live to.
local function complaint(result, name)
  local said <const> = result.stderr:gsub("^" .. name .. ": ", ""):gsub("%s+$", ""):gsub("%s*\n%s*", "; ")
  if said ~= "" then
    return said
  end
  return result.signal and "ended by " .. result.signal or ("exit status %s"):format(result.exit_code)
end

local function write_map(step, pid)
  local result <const>, err = tool.run(step.path, arguments(step, pid))
  if not result then
    return nil, err
  elseif result.ok then
    return true
  end
  return nil, sys.error {
    code = "EPERM",
    message = complaint(result, step.op),
  }
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
