-- What became of a program that was run.
local status = require "userns.command.status"

local outcome = {}

local function notes(report, result)
  report:degraded(result.degraded)
  if result.timed_out then
    report:note(("the time of the program was over after %.1f s"):format(result.duration))
  end
  if result.oom_killed then
    report:note("somebody in the container was killed for want of memory")
  end
  if result.truncated then
    report:note("the program wrote more than max_output, which was dropped")
  end
  if not result.exit_code and not result.signal then
    report:note("how the program ended is not known")
  end
end

--- What was captured, to where it would have gone.
local function hand_on(report, result)
  io.stderr:write(result.stderr or "")
  return report:answer(result.stdout or "")
end

--- Prints what was captured of a program, and tells how it was; for machines, as
--- an object on standard error, since standard output is the program's.
---@param report userns.command.Report
---@param result userns.Result
---@return integer status
function outcome.show(report, result)
  local code <const> = status.of_result(result)
  if report.json then
    result.usage = next(result.usage) and result.usage
    report:object(result)
    return code
  end
  local written <const> = hand_on(report, result)
  notes(report, result)
  return written ~= status.OK and written or code
end

return outcome
