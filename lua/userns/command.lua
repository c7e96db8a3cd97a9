-- The userns command, from its first moment on: the rest is loaded in here, where
-- an interruption is dealt with.

--- An interruption that nobody dealt with ends the process the way it ends any:
--- the shell that started it stops its script.  The interpreter has turned it
--- into an error, and does so once.
local function die_interrupted()
  local status <const>, sys <const> = require "userns.command.status", require "userns.sys"
  sys.kill(sys.getpid(), "INT")
  return status.SIGNAL + sys.signal_number "INT"
end

local function is_interruption(raised)
  return type(raised) == "string" and raised:find("interrupted!", 1, true) ~= nil
end

--- Runs the command.
---@param argv string[]
---@return integer status the exit status
return function(argv)
  local ok <const>, result = xpcall(function()
    return require "userns.command.main"(argv)
  end, function(raised)
    return is_interruption(raised) and raised or debug.traceback(raised)
  end)
  if ok then
    return result
  elseif is_interruption(result) then
    return die_interrupted()
  end
  io.stderr:write("userns: ", result, "\n")
  return require("userns.command.status").FAILURE
end
