-- Who the program is and what it may do: ids, capabilities.
local schema = require "userns.schema"
local types = require "userns.types"

local identity = {}

--- Another uid clears the death signal (prctl(2)).
local function rearm(c)
  if c.d.die_with_parent then
    c:add { op = "pdeathsig", signal = "KILL", source = "die_with_parent" }
  end
end

--- Ids and names apart.
local function split(list)
  local numbers <const>, names <const> = {}, {}
  for _, id in ipairs(list) do
    table.insert(math.type(id) and numbers or names, id)
  end
  return numbers, #names > 0 and names or nil
end

--- Has the caller groups besides the one that the program has anyway?
local function has_groups(c)
  for _, gid in ipairs(c.host.groups) do
    if gid ~= c.identity.gid.kernel then
      return true
    end
  end
  return false
end

local function drop_groups(c)
  local setgroups <const> = c.identity.setgroups
  if setgroups.works then
    c:add {
      op = "groups", groups = {}, optional = setgroups.optional, required = setgroups.optional and c.d.strict or nil,
      source = "process.groups",
    }
  elseif has_groups(c) then
    c:degrade("groups", "the caller's supplementary groups",
      "setgroups(2) is denied where the caller may not map groups freely")
  end
end

local function take_groups(c)
  local numbers <const>, names <const> = split(c.process.groups)
  c:add { op = "groups", groups = numbers, names = names, source = "process.groups" }
end

function identity.identity(c)
  local uid <const>, gid <const> = c.identity.uid, c.identity.gid
  if gid.now ~= gid.builder then
    c:add { op = "setgid", gid = gid.builder, source = gid.source or "gid_map" }
  end
  local _, names <const> = split(c.process.groups)
  if #c.process.groups > 0 and not names then
    take_groups(c)
  else
    drop_groups(c)
  end
  if uid.now ~= uid.builder then
    c:add {
      op = "setuid", uid = uid.builder, keep_caps = uid.builder ~= 0 or nil, source = uid.source or "uid_map",
    }
    rearm(c)
  end
end

local function listed(set)
  return types.listed(set, schema.capabilities)
end

--- Who may drop capabilities for good; an ordinary user in the host's user
--- namespace has none to drop, and with no_new_privs gains none.
function identity.bounding(c)
  if c.d.namespaces.user or c.d.join.user or c.host.capabilities.setpcap then
    c:add { op = "bounding", keep = listed(c.d.capabilities.bounding), source = "capabilities" }
  end
end

--- The step that takes an id: by its number, or by the name that the
--- container's own files have for it.
local function take_gid(c, gid)
  local name <const> = type(gid) == "string"
  c:add {
    op = "setgid", gid = not name and gid or nil, group = name and gid ~= "" and gid or nil,
    user = gid == "" and c.process.uid or nil, source = gid == "" and "process.uid" or "process.gid",
  }
end

local function take_uid(c, uid)
  local name <const> = type(uid) == "string"
  local keeps <const> = next(c.d.capabilities.permitted) or #c.d.securebits > 0
  c:add {
    op = "setuid", uid = not name and uid or nil, user = name and uid or nil, keep_caps = keeps and true or nil,
    source = "process.uid",
  }
  rearm(c)
end

function identity.program_identity(c)
  local uid <const>, gid <const> = c.identity.uid, c.identity.gid
  local _, names <const> = split(c.process.groups)
  if names then
    take_groups(c)
  end
  if gid.builder ~= gid.program then
    take_gid(c, gid.program)
  end
  if uid.builder ~= uid.program then
    take_uid(c, uid.program)
  end
end

function identity.capabilities(c)
  local sets <const> = c.d.capabilities
  local owns <const> = (c.d.namespaces.user or c.d.join.user) and c.d.namespaces.mnt
  if sets.permitted.sys_admin and owns and not c.d.lock_mounts then
    c:degrade("lock_mounts", "mounts that the program can change",
      "it keeps sys_admin over the namespace that owns them")
  end
  local through_exec <const> = c.identity.uid.program ~= 0 and sets.permitted or {}
  c:add {
    op = "capabilities", effective = listed(sets.effective), permitted = listed(sets.permitted),
    inheritable = listed(sets.inheritable or through_exec), ambient = listed(sets.ambient or through_exec),
    securebits = #c.d.securebits > 0 and table.move(c.d.securebits, 1, #c.d.securebits, 1, {}) or nil,
    source = "capabilities",
  }
end

function identity.seal(c)
  if c.d.no_new_privs then
    c:add { op = "no_new_privs", source = "no_new_privs" }
  end
end

-- ---- locked mounts --------------------------------------------------------

-- Namespaces whose capabilities are worth something only where the program's own
-- user namespace owns them; the mounts that show the ones they were made in, and
-- the field whose parts are put there while the child waits.
local NESTED <const> = { { "uts" }, { "net", "sysfs", "network" }, { "ipc", "mqueue" } }

local function has_mount(d, type)
  for _, mount in ipairs(d.mounts) do
    if mount.type == type then
      return true
    end
  end
  return false
end

--- The namespaces that are made with the second user namespace, and not before.
local function nested(d)
  local list <const>, set <const> = { "user", "mnt" }, {}
  for _, row in ipairs(d.lock_mounts and NESTED or {}) do
    local name <const>, type <const>, field <const> = table.unpack(row)
    if d.namespaces[name] and not (type and has_mount(d, type)) and not (field and d[field]) then
      list[#list + 1] = name
      set[name] = true
    end
  end
  return list, set
end

--- Which namespaces the clone need not make.
function identity.nested(d)
  local _, set <const> = nested(d)
  return set
end

--- Every id, as it is.
local function same(map)
  local copy <const> = {}
  for i, range in ipairs(map) do
    copy[i] = { inside = range.inside, outside = range.inside, count = range.count }
  end
  return copy
end

function identity.lock_mounts(c)
  if not c.d.lock_mounts then
    return
  end
  local list <const>, set <const> = nested(c.d)
  c:add {
    op = "lock_mounts", namespaces = list, slot = c.process_slot, uid_map = same(c.identity.uid.map),
    gid_map = same(c.identity.gid.map), source = "lock_mounts",
  }
  if set.net then
    c:add { op = "loopback", source = "namespaces" }
  end
end

return identity
