-- What the program may use up.
local limits = require "userns.limits"

local resources = {}

function resources.cgroup(c)
  if not c.d.cgroup then
    return
  end
  local steps <const>, refusals <const> = limits.lay_out(c.d.cgroup, c.host.cgroups, c.d.strict)
  table.move(steps, 1, #steps, #c.steps + 1, c.steps)
  for _, err in ipairs(refusals) do
    c:refuse(err)
  end
end

--- A cgroup namespace has as its root what the child is in when it is made.
function resources.cgroup_namespace(c)
  if c.d.cgroup and c.d.namespaces.cgroup then
    c:add { op = "unshare", namespaces = { "cgroup" }, source = "namespaces" }
  end
end

return resources
