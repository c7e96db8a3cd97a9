-- The functions of a description's `hooks`: what they get, and what they may say.
local sys = require "userns.sys"

local hooks = {}

---@class userns.HookProcess
---@field pid integer of the container's first process, as the host sees it
local methods <const> = {}

local metatable <const> = { __name = "userns.hook_process", __index = methods }

--- A handle of one of the process's namespaces.
---@param type string a namespace name
---@return userns.Namespace? namespace
---@return userns.Error? err EACCES in `before_exec`, for an ordinary user whose
---  container has `init` or other ids than one's own: take them in `mapped`
function methods:namespace(type)
  return sys.namespace(type, self.pid)
end

local function cancelled(name, reason)
  return nil, sys.error { op = "hook", code = "ECANCELED", field = "hooks." .. name, message = tostring(reason) }
end

--- Calls a hook, if there is one: nil and an error if it fails or says no.
---@param given table<string, function>
---@param name string
---@param pid integer
---@param ... any what it gets besides the process
---@return true? ok
---@return userns.Error? err ECANCELED
function hooks.call(given, name, pid, ...)
  if not given[name] then
    return true
  end
  local ok <const>, answer <const>, reason <const> = pcall(given[name], setmetatable({ pid = pid }, metatable), ...)
  if not ok then
    return cancelled(name, answer)
  elseif answer == false or answer == nil and reason ~= nil then
    return cancelled(name, reason or "the hook said no")
  end
  return true
end

return hooks
