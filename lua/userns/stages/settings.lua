-- Settings of the new namespaces and of the process.
local identity = require "userns.stages.identity"
local schema = require "userns.schema"
local types = require "userns.types"

local settings = {}

--- A plan shares no table with what it was made of.
local function copied(list)
  return table.move(list, 1, #list, 1, {})
end

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

--- The settings of the namespaces that are made late, or those of the others.
local function sysctls(d, late)
  local nested <const>, list <const> = identity.nested(d), {}
  for _, setting in ipairs(d.sysctl) do
    local is_late <const> = nested[schema.sysctl_namespace(setting.path)] or false
    list[#list + 1] = is_late == late and setting or nil
  end
  return list
end

local function add_sysctls(c, list, slot)
  for _, setting in ipairs(list) do
    c:add {
      op = "sysctl", slot = slot, path = (slot and "" or "/proc/sys/") .. setting.path, value = setting.value,
      source = ("sysctl[%q]"):format(setting.key),
    }
  end
end

--- What shows the settings of whatever namespaces the child is in, also when the
--- host's tree is out of sight.
function settings.open(c)
  if #sysctls(c.d, true) > 0 then
    c.sysctl_slot = c:open { path = "/proc/sys", source = "sysctl" }
  end
end

function settings.sysctl(c)
  add_sysctls(c, sysctls(c.d, false))
end

function settings.late_sysctl(c)
  add_sysctls(c, sysctls(c.d, true), c.sysctl_slot)
end

function settings.uts(c)
  for _, field in ipairs { "hostname", "domainname" } do
    if c.d[field] then
      c:add { op = field, name = c.d[field], source = field }
    end
  end
end

function settings.limits(c)
  local nofile <const>, given <const> = c.host.limits.nofile, c.d.rlimits
  if c.restore_nofile and not given.nofile then
    c:add { op = "rlimit", resource = "nofile", soft = nofile.soft, hard = nofile.hard, source = "mounts" }
  end
  if not given.core then
    c:add { op = "rlimit", resource = "core", soft = 0, hard = 0 }
  end
  c:add { op = "umask", mask = c.process.umask, source = "process.umask" }
end

function settings.oom_score_adj(c)
  if c.d.oom_score_adj then
    c:add { op = "oom_score", value = tostring(c.d.oom_score_adj), source = "oom_score_adj" }
  end
end

--- As the kernel reads them: nanoseconds are never negative.
local function offset(clock, seconds)
  local whole <const> = math.floor(seconds)
  local nanoseconds <const> = math.min((seconds - whole) * 1e9 // 1, 999999999)
  return ("%s %d %d"):format(clock, whole, math.tointeger(nanoseconds))
end

function settings.time(c)
  if not c.d.namespaces.time then
    return
  end
  local lines <const> = {}
  for i, clock in ipairs(c.d.time_offsets and schema.clocks or {}) do
    lines[i] = offset(clock, c.d.time_offsets[clock])
  end
  c:add {
    op = "time", offsets = #lines > 0 and table.concat(lines, "\n") or nil,
    source = c.d.time_offsets and "time_offsets" or "namespaces",
  }
end

function settings.scheduling(c)
  if c.d.personality then
    c:add { op = "personality", persona = copied(c.d.personality), source = "personality" }
  end
  if c.d.nice then
    c:add { op = "nice", value = c.d.nice, source = "nice" }
  end
  if c.d.affinity then
    c:add { op = "affinity", cpus = copied(c.d.affinity), source = "affinity" }
  end
end

local function is_above(limit, other)
  return other ~= "unlimited" and (limit == "unlimited" or limit > other)
end

--- In a user namespace of its own the child can raise none, whoever the caller is.
function settings.raise_limits(c)
  for _, name in ipairs(types.listed(c.d.rlimits, schema.limits)) do
    local limit <const>, own <const> = c.d.rlimits[name], c.host.limits[name]
    if own and is_above(limit.hard, own.hard) then
      c:add { op = "raise_limit", resource = name, hard = limit.hard, source = "rlimits." .. name }
      c.raised[name] = limit.hard
    end
  end
end

function settings.rlimits(c)
  for _, name in ipairs(types.listed(c.d.rlimits, schema.limits)) do
    local limit <const> = c.d.rlimits[name]
    c:add { op = "rlimit", resource = name, soft = limit.soft, hard = limit.hard, source = "rlimits." .. name }
  end
end

return settings
