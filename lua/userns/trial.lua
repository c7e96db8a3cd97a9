-- A trial: a set-up that is gone through in a throw-away child and ends where a
-- program would begin, with everything undone that was done for it.
local links = require "userns.links"
local parent = require "userns.parent"
local sys = require "userns.sys"

local trial = {}

---@class userns.Trial
---@field excused userns.Error[] refusals that did not end it
---@field degraded { feature: string, used: string, reason: string }[]

--- Goes through the steps, of which the last is `leave`.
---@param steps userns.Step[]
---@param from integer[]? where the descriptors come from, for a `descriptors` step
---@return userns.Trial? trial
---@return userns.Error? err with the step that was refused, and its item
function trial.run(steps, from)
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

return trial
