-- Settings of the new namespaces and of the process.
local identity = require "userns.stages.identity"

local settings = {}

function settings.loopback(c)
  if c.d.namespaces.net and not identity.nested(c.d).net then
    c:add { op = "loopback", source = "namespaces" }
  end
end

--- The limit counts what is made below; with locked mounts that is the one
--- namespace the program is in.
function settings.limit_userns(c)
  if c.d.namespaces.user and not c.d.allow_userns then
    c:add {
      op = "sysctl", path = "/proc/sys/user/max_user_namespaces", value = c.d.lock_mounts and "1" or "0",
      source = "allow_userns",
    }
  end
end

function settings.uts(c)
  for _, field in ipairs { "hostname", "domainname" } do
    if c.d[field] then
      c:add { op = field, name = c.d[field], source = field }
    end
  end
end

function settings.limits(c)
  local nofile <const> = c.host.nofile
  if c.restore_nofile then
    c:add { op = "rlimit", resource = "nofile", soft = nofile.soft, hard = nofile.hard, source = "mounts" }
  end
  c:add { op = "rlimit", resource = "core", soft = 0, hard = 0 }
  c:add { op = "umask", mask = c.process.umask, source = "process.umask" }
end

return settings
