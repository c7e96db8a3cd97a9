-- The root and the mounts, type by type.
local types = require "userns.types"

local mounts = {}

-- What a mount can be told with words; "suid", "dev" and "exec" take a default
-- back.
mounts.words = { "nosuid", "nodev", "noexec", "noatime", "nodiratime", "suid", "dev", "exec" }

local mount_words <const> = types.one_or_list(types.choice(mounts.words, "option"), "list of mount options")
local size <const> = { name = "size", type = types.size, doc = "Bytes it can hold at most (`\"64M\"`)." }
local target <const> = {
  name = "target", type = types.target, required = true,
  doc = "Where, in the program's view. Made where the tree is the container's own; must exist elsewhere.",
}
local options <const> = {
  name = "options", type = mount_words,
  doc = "Words: `nosuid nodev noexec noatime nodiratime`; `suid dev exec` take a default back.",
}

local function mode(default)
  return { name = "mode", type = types.mode, default = default, doc = "Permission bits." }
end

local function owner(name)
  return { name = name, type = types.id, doc = ("Its %s inside."):format(name) }
end

local function readonly(default)
  return { name = "readonly", type = types.flag, default = default, doc = "Nothing can be written below." }
end

local function mount(fields, doc)
  table.insert(fields, 1, { name = "type", type = types.string, required = true, doc = doc })
  return types.record(fields, "mount")
end

mounts.mount = types.variants({
  bind = mount({
    { name = "source", type = types.path, required = true, doc = "A directory, file or device of the host's tree." },
    target, readonly(false),
    { name = "recursive", type = types.flag, default = true, doc = "With the mounts below it." },
    options,
    { name = "optional", type = types.flag, default = false, doc = "A source that does not exist is passed over." },
  }, "The source is seen at the target too."),
  tmpfs = mount({ target, size, mode("1777"), owner "uid", owner "gid", readonly(false), options },
    "An empty file system in memory, gone with the container."),
  proc = mount({ target, readonly(false), options },
    "The processes of the new pid namespace; dangerous parts are masked (`masked_paths`)."),
  sysfs = mount({ target, readonly(true), options }, "The devices of the new net namespace."),
  devpts = mount({ target, options }, "Pseudo-terminals of its own."),
  mqueue = mount({ target, options }, "The POSIX message queues of the new ipc namespace."),
  dev = mount({ target },
    "A minimal /dev: null zero full random urandom tty, pts, ptmx, shm, fd, stdin, stdout, stderr."),
  dir = mount({ target, mode("0755"), owner "uid", owner "gid" }, "A directory."),
  file = mount({
    target,
    { name = "content", type = types.bytes, default = "", doc = "What is in it." },
    mode("0644"), owner "uid", owner "gid",
  }, "A file with a given content."),
  symlink = mount({
    target,
    { name = "source", type = types.text("string", 1, 4095), required = true, doc = "What the link says." },
  }, "A symbolic link."),
}, "mount")

local root_records <const> = types.variants({
  bind = mount({
    { name = "source", type = types.path, required = true, doc = "A directory; `/` for the host's whole tree." },
    readonly(false), options,
  }, "A directory of the host's becomes the root."),
  tmpfs = mount({ size, mode("0755"), readonly(false), options },
    "An empty root that holds only what is mounted in it."),
}, "root")

mounts.root = types.either("absolute path or table", function(value)
  return type(value) == "string" and types.path or type(value) == "table" and root_records or nil
end)
mounts.root.variants = root_records.variants

return mounts
