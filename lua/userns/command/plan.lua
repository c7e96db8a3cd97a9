-- userns plan: what run would do, step by step.
local file = require "userns.command.file"

--- A plan as plain data.  A filter's instructions are bytes, which JSON has none of.
local function data(plan)
  local steps <const> = {}
  for i, step in ipairs(plan) do
    local copy <const> = {}
    for name, value in next, step do
      copy[name] = value
    end
    copy.filter = step.filter and step.filter:gsub(".", function(c)
      return ("%02x"):format(c:byte())
    end)
    steps[i] = copy
  end
  return { steps = steps, degraded = plan.degraded }
end

--- The plan with the description's program, with another, or without one.
local function planned(description, call)
  if call.program or description:has_program() then
    return description.box:plan(call.program or {})
  end
  return description.box:plan()
end

---@param call userns.command.Call
---@param report userns.command.Report
---@return integer status
return function(call, report)
  local description <const>, wrong <const> = file.open(call)
  if not description then
    return report:fail(wrong)
  end
  local plan <const>, err <const> = planned(description, call)
  if not plan then
    return report:fail(description:place(err))
  elseif report.json then
    return report:answer_json(data(plan))
  end
  report:degraded(plan.degraded)
  return report:answer((call.options.explain and plan:explain() or tostring(plan)) .. "\n")
end
