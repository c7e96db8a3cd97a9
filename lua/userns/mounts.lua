-- What each type of mount becomes: sources to open while the host's tree is in
-- sight, and steps that put them in place inside the root.
local ids = require "userns.ids"

local mounts = {}

-- The name of a device is a promise, its number a fact.
local DEVICES <const> = {
  { name = "null", major = 1, minor = 3 }, { name = "zero", major = 1, minor = 5 },
  { name = "full", major = 1, minor = 7 }, { name = "random", major = 1, minor = 8 },
  { name = "urandom", major = 1, minor = 9 }, { name = "tty", major = 5, minor = 0 },
}

local DEVICE_LINKS <const> = {
  { "fd", "/proc/self/fd" }, { "stdin", "/proc/self/fd/0" }, { "stdout", "/proc/self/fd/1" },
  { "stderr", "/proc/self/fd/2" }, { "ptmx", "pts/ptmx" },
}

-- What container runtimes hide and protect below a /proc, as the OCI's examples
-- have it.
local MASKED <const> = {
  "acpi", "asound", "kcore", "keys", "latency_stats", "sched_debug", "scsi", "timer_list", "timer_stats",
}
local READONLY <const> = { "bus", "fs", "irq", "sys", "sysrq-trigger" }

-- A word that takes back the default it contradicts.
local CONTRARY <const> = { suid = "nosuid", dev = "nodev", exec = "noexec" }

--- Attributes: the defaults, a list of the caller's own, less what words take
--- back, plus what they add.
local function attrs(defaults, words, readonly)
  if #words == 0 and not readonly then
    return defaults
  end
  local set <const>, list <const> = {}, {}
  local function put(word)
    if not set[word] then
      set[word] = true
      list[#list + 1] = word
    end
  end
  local lifted <const> = {}
  for _, word in ipairs(words) do
    lifted[CONTRARY[word] or ""] = true
  end
  if readonly then
    put "readonly"
  end
  for _, word in ipairs(defaults) do
    if not lifted[word] then
      put(word)
    end
  end
  for _, word in ipairs(words) do
    if not CONTRARY[word] then
      put(word)
    end
  end
  return list
end

local function octal(mode)
  return mode and ("%o"):format(mode)
end

-- Options of file systems, in the order in which a plan shows them.
local OPTIONS <const> = { "size", "nr_inodes", "subset", "hidepid", "ptmxmode", "mode", "uid", "gid" }

--- "name=value" for each option that has a value.
local function fs_options(values)
  local list <const> = {}
  for i = 1, #OPTIONS do
    local name <const> = OPTIONS[i]
    if values[name] ~= nil then
      list[#list + 1] = name .. "=" .. values[name]
    end
  end
  return list
end

-- Each emitter gets the plan's context, the mount, the path of its field, and its
-- place (normalise).
local EMIT <const> = {}

--- How a source gets into a slot: found by the child, or shifted and handed on
--- by the parent.
local function source_slot(c, m, source, place)
  if m.idmap then
    local own <const> = { uid = c.identity.uid.map, gid = c.identity.gid.map }
    local map <const> = m.idmap == true and own or m.idmap
    return c:prepare({
      op = "idmap", path = place.path, recursive = m.recursive or nil, uid_map = ids.copied(map.uid),
      gid_map = ids.copied(map.gid), source = source .. ".idmap",
    })
  end
  return c:open({
    path = place.path, source = place.source, copy = true, recursive = m.recursive or nil, optional = m.optional or nil,
    device = place.device, inode = place.inode,
  }, m.propagation ~= "private")
end

function EMIT.bind(c, m, source, place)
  c:add {
    op = "bind", slot = source_slot(c, m, source, place), path = place.path, target = m.target,
    attrs = attrs({ "nosuid", "nodev" }, m.options, m.readonly), source = source,
  }
  if m.propagation ~= "private" then
    c:add {
      op = "remount", target = m.target, propagation = m.propagation, recursive = m.recursive or nil,
      source = source .. ".propagation",
    }
  end
end

local function new_fs(c, type, m, options, attributes, source, slot)
  c:add {
    op = "mount", type = type, target = m.target, options = options, attrs = attributes, slot = slot,
    source = source,
  }
end

function EMIT.tmpfs(c, m, source)
  local slot <const> = m.readonly and c:new_slot() or nil
  new_fs(c, "tmpfs", m, fs_options {
    size = m.size, nr_inodes = m.inodes, mode = octal(m.mode), uid = m.uid, gid = m.gid,
  }, attrs({ "nosuid", "nodev" }, m.options), source, slot)
  if m.readonly then
    c:later {
      op = "remount", slot = slot, target = m.target, attrs = { "readonly" }, source = source .. ".readonly",
    }
  end
end

function EMIT.proc(c, m, source)
  local slot <const> = c:protect(m.target, MASKED, READONLY, source)
  local options <const> = fs_options { subset = m.subset, hidepid = m.hidepid ~= "off" and m.hidepid or nil }
  new_fs(c, "proc", m, #options > 0 and options or nil,
    attrs({ "nosuid", "nodev", "noexec" }, m.options, m.readonly), source, slot)
end

function EMIT.sysfs(c, m, source)
  local slot <const> = c:protect(m.target, { "firmware" }, {}, source)
  new_fs(c, "sysfs", m, nil, attrs({ "nosuid", "nodev", "noexec" }, m.options, m.readonly), source, slot)
end

function EMIT.cgroup(c, m, source)
  new_fs(c, "cgroup2", m, nil, attrs({ "nosuid", "nodev", "noexec" }, m.options, m.readonly), source)
end

function EMIT.mqueue(c, m, source)
  new_fs(c, "mqueue", m, nil, attrs({ "nosuid", "nodev", "noexec" }, m.options), source)
end

-- Group 5 is "tty", where it is mapped; else the kernel refuses the option.
function EMIT.devpts(c, m, source)
  new_fs(c, "devpts", m, fs_options {
    ptmxmode = octal(m.ptmxmode), mode = octal(m.mode), gid = m.gid or c:maps_gid(5) and 5 or nil,
  }, attrs({ "nosuid", "noexec" }, m.options), source)
end

local function device(c, path, target, source, numbers)
  local slot <const> = c:open {
    path = path, source = source, copy = true, major = numbers and numbers.major, minor = numbers and numbers.minor,
    node = not numbers or nil,
  }
  c:add { op = "bind", slot = slot, path = path, target = target, source = source }
end

--- Where a device of the host's is put in a /dev: by its path below the host's.
local function device_name(path)
  return path:match("^/dev/(.+)$") or path:match("[^/]+$")
end

local PTS <const> = { mode = 400, ptmxmode = 438, options = {} } -- 0620, 0666

function EMIT.dev(c, m, source)
  new_fs(c, "tmpfs", m, fs_options { size = 64 << 20, mode = "755" }, { "nosuid", "nodev", "noexec" }, source)
  for _, node in ipairs(DEVICES) do
    device(c, "/dev/" .. node.name, m.target .. "/" .. node.name, source, node)
  end
  for _, row in ipairs(DEVICE_LINKS) do
    c:add { op = "symlink", target = m.target .. "/" .. row[1], to = row[2], source = source }
  end
  c:add { op = "dir", target = m.target .. "/shm", mode = 1023, source = source }
  local pts <const> = { target = m.target .. "/pts" }
  EMIT.devpts(c, setmetatable(pts, { __index = PTS }), source)
  for i, path in ipairs(m.devices) do
    device(c, path, m.target .. "/" .. device_name(path), ("%s.devices[%d]"):format(source, i))
  end
end

function EMIT.dir(c, m, source)
  c:add { op = "dir", target = m.target, mode = m.mode, uid = m.uid, gid = m.gid, source = source }
end

function EMIT.file(c, m, source)
  c:add {
    op = "file", target = m.target, content = m.content, mode = m.mode, uid = m.uid, gid = m.gid, source = source,
  }
end

function EMIT.symlink(c, m, source)
  c:add { op = "symlink", target = m.target, to = m.source, source = source }
end

function EMIT.remount(c, m, source)
  local set <const>, clear <const> = {}, {}
  for _, word in ipairs(m.options) do
    table.insert(CONTRARY[word] and clear or set, CONTRARY[word] or word)
  end
  if m.readonly ~= nil then
    table.insert(m.readonly and set or clear, "readonly")
  end
  c:add {
    op = "remount", target = m.target, attrs = set, clear = #clear > 0 and clear or nil,
    propagation = m.propagation, recursive = m.recursive or nil, source = source,
  }
end

function EMIT.move(c, m, source)
  local handle <const> = type(m.source) == "table" and { fd = m.source.fd } or m.source
  local slot <const> = c:prepare { op = "take", handle = handle, source = source .. ".source" }
  c:add { op = "bind", slot = slot, target = m.target, source = source }
end

--- The operands of an overlay: its layers as descriptors, and a file system in
--- memory for what is written, where nothing else is named.
local function layers(c, m, source)
  local lower <const> = {}
  for i, path in ipairs(m.lower) do
    lower[i] = c:open {
      path = path, source = #m.lower > 1 and ("%s.lower[%d]"):format(source, i) or source .. ".lower",
    }
  end
  local scratch <const> = m.upper == "tmpfs"
  local upper <const> = not scratch and m.upper or nil
  return {
    lower = lower,
    upper = upper and c:open { path = upper, source = source .. ".upper" },
    work = upper and c:open { path = m.work, source = source .. ".work" },
    scratch = scratch and fs_options { size = m.size, mode = "700" } or nil,
    mode = scratch and m.mode or nil,
    required = scratch and c.d.strict or nil,
    -- without privilege over the host the kernel's own attributes cannot be written
    options = c.d.namespaces.user and { "userxattr" } or nil,
    source = source,
  }
end

function EMIT.overlay(c, m, source)
  local step <const> = layers(c, m, source)
  step.op, step.target = "overlay", m.target
  step.attrs = attrs({ "nosuid", "nodev" }, m.options)
  step.slot = m.readonly and c:new_slot() or nil
  c:add(step)
  if m.readonly then
    c:later {
      op = "remount", slot = step.slot, target = m.target, attrs = { "readonly" }, source = source .. ".readonly",
    }
  end
end

local ROOT <const> = {}

function ROOT.host(c)
  c:add { op = "root_host", source = "root" }
end

-- Devices are used through a mount of their own (`dev`), not through nodes that
-- lie in the tree: nodev, though not for what the host has mounted below.

--- The host's whole tree: the new mount namespace has a copy of it already, to
--- which nothing is tied; a second copy to pivot into would be the same again.
local function whole_tree(c, root)
  local top <const> = attrs({ "nodev" }, root.options)
  c:add { op = "root_host", source = "root" }
  c:add {
    op = "remount", target = "/", attrs = attrs({ "nosuid" }, root.options, root.readonly), recursive = true,
    source = "root",
  }
  c:add { op = "remount", target = "/", attrs = top, source = "root" }
end

function ROOT.bind(c, root)
  if root.source == "/" then
    return whole_tree(c, root)
  end
  local slot <const> = c:open { path = root.source, source = "root.source", copy = true, recursive = true }
  c:add {
    op = "root_bind", slot = slot, path = root.source, attrs = attrs({ "nosuid" }, root.options, root.readonly),
    top_attrs = attrs({ "nodev" }, root.options), source = "root",
  }
end

function ROOT.tmpfs(c, root)
  c:add {
    op = "root_tmpfs", options = fs_options { size = root.size, mode = octal(root.mode) },
    attrs = attrs({ "nosuid", "nodev" }, root.options), source = "root",
  }
  if root.readonly then
    c:later { op = "remount", target = "/", attrs = { "readonly" }, source = "root.readonly" }
  end
end

function ROOT.overlay(c, root)
  local step <const> = layers(c, root, "root")
  step.op = "root_overlay"
  step.attrs = attrs({ "nosuid", "nodev" }, root.options)
  c:add(step)
  if root.readonly then
    c:later { op = "remount", target = "/", attrs = { "readonly" }, source = "root.readonly" }
  end
end

--- Adds the steps of the root.
function mounts.root(c, root)
  ROOT[root.type](c, root)
end

--- Adds the steps of one mount.
function mounts.add(c, mount, place)
  EMIT[mount.type](c, mount, place.field, place)
end

--- Adds the steps of a device under its own name.
function mounts.device(c, path, source)
  device(c, path, path, source)
end

return mounts
