-- userns features: what this host allows.
local userns = require "userns"

---@param _ userns.command.Call
---@param report userns.command.Report
---@return integer status
return function(_, report)
  local features <const>, err <const> = userns.features()
  if not features then
    return report:fail(err)
  elseif report.json then
    return report:answer_json(features)
  end
  return report:answer(tostring(features) .. "\n")
end
