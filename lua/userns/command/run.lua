-- userns run: a description's program, to its end.
local file = require "userns.command.file"
local outcome = require "userns.command.outcome"

---@param call userns.command.Call
---@param report userns.command.Report
---@return integer status
return function(call, report)
  local description <const>, wrong <const> = file.open(call)
  if not description then
    return report:fail(wrong)
  end
  local result <const>, err <const> = description.box:run(call.program or {})
  if not result then
    return report:fail(description:place(err))
  end
  return outcome.show(report, result)
end
