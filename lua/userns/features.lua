-- What this host allows its caller, found by trial and not by version.
local schema = require "userns.schema"
local tries = require "userns.features.tries"

local features = {}

---@class userns.Feature
---@field available boolean
---@field value string|integer|nil what there is of it
---@field note string? under what condition it is available
---@field error userns.Error? why it is not

-- ---- the list -------------------------------------------------------------

-- In the order of the listing, and of the trials: the field, what it is, and how it
-- is tried.
local ROWS <const> = {}

local function row(name, doc, try)
  ROWS[#ROWS + 1] = { name = name, doc = doc, try = try }
end

row("kernel", "Its release; for information, and nothing is concluded from it.", tries.release)

-- before others, whose namespaces would count
row("userns.levels", "How many more user namespaces can be nested.", tries.levels)
row("userns.unprivileged", "User namespaces for who has no capability.", tries.unprivileged)

for _, type in ipairs(schema.namespaces) do
  row("namespaces." .. type, ("New %s namespaces."):format(type),
    type == "time" and tries.time_namespace or tries.namespace(type))
end

row("process.clone3", "clone3(2); else clone(2) is used.", tries.system_call "clone3")
row("process.pidfd_open", "pidfd_open(2).", tries.pidfd_open)
row("process.clone_pidfd", "A child with a pidfd from its first moment.", tries.child)
row("process.pidfd_info", "What a pidfd tells of a process that somebody else has reaped.", tries.pidfd_info)
row("process.terminal", "Terminals from /dev/ptmx.", tries.terminal)

row("ids.newuidmap", "newuidmap(1), as it maps a subordinate id.", tries.id_helper("newuidmap", "uid"))
row("ids.newgidmap", "newgidmap(1), the same.", tries.id_helper("newgidmap", "gid"))
row("ids.subuid", "The caller's subordinate user ids, `start:count`.", tries.subordinate "uid")
row("ids.subgid", "The caller's subordinate group ids.", tries.subordinate "gid")

row("mounts.fsopen", "The new system calls for mounts, in a user namespace.", tries.mount)
row("mounts.mount_setattr", "mount_setattr(2); else mounts are changed one by one.", tries.system_call "mount_setattr")
row("mounts.overlay", "Overlays in a user namespace.", tries.overlay)
row("mounts.idmap", "Mounts that show their owners under other ids.", tries.shift)

row("confinement.landlock", "Landlock, and the ABI that says how much of it.", tries.landlock)
row("confinement.seccomp", "Filters of system calls.", tries.filter)
row("confinement.libseccomp", "Rules for filters: whether userns was built with libseccomp.", tries.libseccomp)

row("cgroup.v2", "A cgroup of version 2 below the caller's own; its controllers.", tries.delegation(2))
row("cgroup.v1", "Cgroups of version 1, and the controllers of those that can be had.", tries.delegation(1))

row("network.pasta", "pasta(1), where it is.", tries.uplink "pasta")
row("network.slirp4netns", "slirp4netns(1), where it is.", tries.uplink "slirp4netns")

for _, type in ipairs(schema.namespaces) do
  row("limits." .. type, ("/proc/sys/user/max_%s_namespaces."):format(type), tries.namespace_limit(type))
end
row("limits.processes", "RLIMIT_NPROC, of all processes of the user's.", tries.processes)
row("limits.mounts", "/proc/sys/fs/mount-max, for each mnt namespace.", tries.mount_limit)

-- ---- the result -----------------------------------------------------------

---@class userns.Features
---@field kernel userns.Feature
---@field userns table<string, userns.Feature> of user namespaces
---@field namespaces table<string, userns.Feature> by type
---@field process table<string, userns.Feature>
---@field ids table<string, userns.Feature>
---@field mounts table<string, userns.Feature>
---@field confinement table<string, userns.Feature>
---@field cgroup table<string, userns.Feature>
---@field network table<string, userns.Feature>
---@field limits table<string, userns.Feature> of namespaces by type, and others
local metatable <const> = { __name = "userns.features" }

local function feature(entry)
  local value <const>, remark <const> = entry.try()
  if value and value ~= 0 then
    return { available = true, value = value ~= true and value or nil, note = remark }
  end
  return { available = false, value = value or nil, error = remark }
end

--- A feature by its name in the list.
local function find(result, name)
  local found = result
  for key in name:gmatch("[^.]+") do
    found = found[key]
  end
  return found
end

local function put(result, name, one)
  local group <const>, key <const> = name:match("^(.*)%.(.*)$")
  if group then
    result[group] = result[group] or {}
    result[group][key] = one
  else
    result[name] = one
  end
end

local function why(err)
  return err and ("%s: %s"):format(err.syscall or err.op, err.message) or ""
end

--- The listing: a line for each feature.
function metatable:__tostring()
  local lines <const> = {}
  for i, entry in ipairs(ROWS) do
    local one <const> = find(self, entry.name)
    local what <const> = tostring(one.value or one.note or why(one.error))
    lines[i] = (("%-24s%-5s%s"):format(entry.name, one.available and "yes" or "no", what):gsub("%s+$", ""))
  end
  return table.concat(lines, "\n")
end

--- What there is to know, in the order of the listing.
---@return { name: string, doc: string }[]
function features.list()
  local list <const> = {}
  for i, entry in ipairs(ROWS) do
    list[i] = { name = entry.name, doc = entry.doc }
  end
  return list
end

--- What this host allows the caller: each feature is tried, in throw-away
--- children, and nothing is changed. Plain tables, by the names of the list:
--- `features.namespaces.net.available`; `tostring` makes a listing of it.
---@return userns.Features
function features.read()
  local result <const> = setmetatable({}, metatable)
  for _, entry in ipairs(ROWS) do
    put(result, entry.name, feature(entry))
  end
  return result
end

return features
