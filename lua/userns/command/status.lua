-- Exit statuses, as shells, env(1) and timeout(1) have them.
local sys = require "userns.sys"

local status <const> = {
  OK = 0,
  FAILURE = 125,
  NOT_EXECUTABLE = 126,
  NOT_FOUND = 127,
  SIGNAL = 128,
}

--- Of what did not come to run a program.
---@param err userns.Error
---@return integer
function status.of_error(err)
  if err.op ~= "exec" then
    return status.FAILURE
  end
  return err.code == "ENOENT" and status.NOT_FOUND or status.NOT_EXECUTABLE
end

--- A signal without a name of its own, as those for real time, is called "SIG35".
local function number_of(signal)
  return math.tointeger(tonumber(signal:match("^SIG(%d+)$"))) or sys.signal_number(signal)
end

--- Of a program's end, in so far as that is known.
---@param result userns.Result
---@return integer
function status.of_result(result)
  return result.exit_code or result.signal and status.SIGNAL + number_of(result.signal) or status.FAILURE
end

return status
