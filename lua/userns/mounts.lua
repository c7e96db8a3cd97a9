-- What each type of mount becomes: sources to open while the host's tree is in
-- sight, and steps that put them in place inside the root.
local mounts = {}

-- The name of a device is a promise, its number a fact.
local DEVICES <const> = {
  { "null", 1, 3 }, { "zero", 1, 5 }, { "full", 1, 7 }, { "random", 1, 8 }, { "urandom", 1, 9 }, { "tty", 5, 0 },
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

--- Attributes: the defaults less what words take back, plus what they add.
local function attrs(defaults, words, readonly)
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

--- "key=value" for each field that has a value.
local function fs_options(pairs_of)
  local list <const> = {}
  for _, pair in ipairs(pairs_of) do
    if pair[2] ~= nil then
      list[#list + 1] = ("%s=%s"):format(pair[1], pair[2])
    end
  end
  return list
end

-- Each emitter gets the plan's context, the mount, and the path of its field.
local EMIT <const> = {}

function EMIT.bind(c, m, source)
  local slot <const> = c:open(m.source, source .. ".source", {
    copy = true, recursive = m.recursive or nil, optional = m.optional or nil,
  })
  c:add {
    op = "bind", slot = slot, path = m.source, target = m.target,
    attrs = attrs({ "nosuid", "nodev" }, m.options, m.readonly), source = source,
  }
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
    { "size", m.size }, { "mode", octal(m.mode) }, { "uid", m.uid }, { "gid", m.gid },
  }, attrs({ "nosuid", "nodev" }, m.options), source, slot)
  if m.readonly then
    c:later {
      op = "remount", slot = slot, target = m.target, attrs = { "readonly" }, source = source .. ".readonly",
    }
  end
end

function EMIT.proc(c, m, source)
  local slot <const> = c:protect(m.target, MASKED, READONLY, source)
  new_fs(c, "proc", m, nil, attrs({ "nosuid", "nodev", "noexec" }, m.options, m.readonly), source, slot)
end

function EMIT.sysfs(c, m, source)
  local slot <const> = c:protect(m.target, { "firmware" }, {}, source)
  new_fs(c, "sysfs", m, nil, attrs({ "nosuid", "nodev", "noexec" }, m.options, m.readonly), source, slot)
end

function EMIT.mqueue(c, m, source)
  new_fs(c, "mqueue", m, nil, attrs({ "nosuid", "nodev", "noexec" }, m.options), source)
end

-- Group 5 is "tty", where it is mapped; else the kernel refuses the option.
function EMIT.devpts(c, m, source)
  new_fs(c, "devpts", m, fs_options {
    { "ptmxmode", "666" }, { "mode", "620" }, { "gid", c:maps_gid(5) and 5 or nil },
  }, attrs({ "nosuid", "noexec" }, m.options), source)
end

local function device(c, m, row, source)
  local name <const>, major <const>, minor <const> = table.unpack(row)
  local path <const> = "/dev/" .. name
  local slot <const> = c:open(path, source, { copy = true, major = major, minor = minor })
  c:add { op = "bind", slot = slot, path = path, target = m.target .. "/" .. name, source = source }
end

function EMIT.dev(c, m, source)
  new_fs(c, "tmpfs", m, fs_options { { "size", 64 << 20 }, { "mode", "755" } },
    { "nosuid", "nodev", "noexec" }, source)
  for _, row in ipairs(DEVICES) do
    device(c, m, row, source)
  end
  for _, row in ipairs(DEVICE_LINKS) do
    c:add { op = "symlink", target = m.target .. "/" .. row[1], to = row[2], source = source }
  end
  c:add { op = "dir", target = m.target .. "/shm", mode = 1023, source = source }
  EMIT.devpts(c, { target = m.target .. "/pts", options = {} }, source)
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
  local slot <const> = c:open(root.source, "root.source", { copy = true, recursive = true })
  c:add {
    op = "root_bind", slot = slot, path = root.source, attrs = attrs({ "nosuid" }, root.options, root.readonly),
    top_attrs = attrs({ "nodev" }, root.options), source = "root",
  }
end

function ROOT.tmpfs(c, root)
  c:add {
    op = "root_tmpfs", options = fs_options { { "size", root.size }, { "mode", octal(root.mode) } },
    attrs = attrs({ "nosuid", "nodev" }, root.options), source = "root",
  }
  if root.readonly then
    c:later { op = "remount", target = "/", attrs = { "readonly" }, source = "root.readonly" }
  end
end

--- Adds the steps of the root.
function mounts.root(c, root)
  ROOT[root.type](c, root)
end

--- Adds the steps of one mount; `source` is its field.
function mounts.add(c, mount, source)
  EMIT[mount.type](c, mount, source)
end

return mounts
