-- Patience with what the kernel refuses for a moment only.
local sys = require "userns.sys"

local patience = {}

--- Calls a function, and again after each pause as long as its refusal may pass.
---@param pauses number[] in seconds
---@param attempt fun(): any, userns.Error?
---@param may_pass fun(err: userns.Error): boolean
---@return any result the last call's
---@return userns.Error? err
function patience.have(pauses, attempt, may_pass)
  local result, err = attempt()
  for _, pause in ipairs(pauses) do
    if result or not may_pass(err) then
      break
    end
    sys.poll({}, pause)
    result, err = attempt()
  end
  return result, err
end

return patience
