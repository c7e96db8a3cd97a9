-- A trial: a set-up that is gone through in a throw-away child and ends where a
-- program would begin, with everything undone that was done for it.
local links = require "userns.links"
local parent = require "userns.parent"
local patience = require "userns.patience"
local sys = require "userns.sys"

local trial = {}

---@class userns.Trial
---@field excused userns.Error[] refusals that did not end it
---@field degraded { feature: string, used: string, reason: string }[]

--- Goes through the steps, of which the last is `leave`, once.
---@param steps userns.Step[]
---@param from integer[]? where the descriptors come from, for a `descriptors` step
---@return userns.Trial? trial
---@return userns.Error? err with the step that was refused, and its item
function trial.once(steps, from)
  local helper <close> = parent.new({})
  local child <close>, report, terminal = sys.launch(sys.pack(steps), from or {}, function(number, pid)
    local step <const> = steps[number]
    if step.op == "interface" then
      return links.look(step) -- it would come back without its addresses
    end
    return helper:run(step, pid)
  end)
  if terminal then
    terminal:close()
  end
  if not child then
    return nil, report
  end
  return { excused = report, degraded = helper.degraded }
end

local function is_zero(type)
  local fd <close> = sys.open(("/proc/sys/user/max_%s_namespaces"):format(type))
  return fd ~= nil and (fd:read() or ""):match("^%d+") == "0"
end

--- Whether namespaces may be refused for those of a trial before, which the kernel
--- counts for a moment after their end.
local function may_pass(err, steps)
  local step <const> = err.code == "ENOSPC" and steps[err.step] or {}
  for _, type in ipairs(step.op == "time" and { "time" } or step.namespaces or {}) do
    if is_zero(type) then
      return false
    end
  end
  return step.namespaces ~= nil or step.op == "time"
end

-- In seconds: how long that may take.
local PAUSES <const> = { 0.01, 0.03, 0.1 }

--- The same, with patience where that may help.
---@param steps userns.Step[]
---@param from integer[]?
---@return userns.Trial? trial
---@return userns.Error? err
function trial.run(steps, from)
  return patience.have(PAUSES, function()
    return trial.once(steps, from)
  end, function(err)
    return may_pass(err, steps)
  end)
end

return trial
