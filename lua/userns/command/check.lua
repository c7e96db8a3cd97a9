-- userns check: all that a description would fail of here.
local file = require "userns.command.file"
local status = require "userns.command.status"

--- The status that run would fail with.
local function code_of(errors)
  return #errors > 0 and status.of_error(errors[1]) or status.OK
end

local function answer(report, path, found)
  local code <const> = code_of(found.errors)
  if report.json then
    return report:answer_json(found, code)
  end
  for _, err in ipairs(found.errors) do
    report:fail(err)
  end
  report:degraded(found.degraded)
  return found.ok and report:answer(report.printable(path) .. ": can be run here\n") or code
end

---@param call userns.command.Call
---@param report userns.command.Report
---@return integer status
return function(call, report)
  local description <const>, wrong <const> = file.open(call)
  if not description then
    return answer(report, call.operands[1], { ok = false, errors = wrong.problems or { wrong }, degraded = {} })
  end
  local found <const>, err <const> = description.box:check(call.program)
  if not found then
    return report:fail(description:place(err))
  end
  for _, problem in ipairs(found.errors) do
    description:place(problem)
  end
  return answer(report, call.operands[1], found)
end
