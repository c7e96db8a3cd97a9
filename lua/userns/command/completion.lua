-- userns completion: a script for the shell that is to complete the command.
local complete = require "userns.command.complete"

---@param call userns.command.Call
---@param report userns.command.Report
---@return integer status
return function(call, report)
  return report:answer(complete[call.operands[1]]())
end
