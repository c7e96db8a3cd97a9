-- The root and the mounts, type by type.
local handles = require "userns.schema.handles"
local identity = require "userns.schema.identity"
local types = require "userns.types"

local mounts = {}

-- What a mount can be told with words; "suid", "dev" and "exec" take a default
-- back.
mounts.words = { "nosuid", "nodev", "noexec", "noatime", "nodiratime", "suid", "dev", "exec" }

mounts.propagations = { "private", "slave", "shared", "unbindable" }

local mount_words <const> = types.one_or_list(types.choice(mounts.words, "option"), "list of mount options")
local size <const> = { name = "size", type = types.size, doc = "Bytes it can hold at most (`\"64M\"`)." }
local target <const> = {
  name = "target", type = types.target, required = true,
  doc = "Where, in the program's view. Made where the tree is the container's own; must exist elsewhere.",
  errors = "ENOENT: making it would leave traces; ENOTDIR, EISDIR",
}
local options <const> = {
  name = "options", type = mount_words,
  doc = "Words: `nosuid nodev noexec noatime nodiratime`; `suid dev exec` take a default back.",
}

local function mode(default)
  return { name = "mode", type = types.mode, default = default, doc = "Permission bits." }
end

local function owner(name)
  return { name = name, type = types.id, doc = ("Its %s inside."):format(name), errors = "EINVAL: not mapped" }
end

local function readonly(default)
  return { name = "readonly", type = types.flag, default = default, doc = "Nothing can be written below." }
end

local function mount(fields, doc)
  table.insert(fields, 1, { name = "type", type = types.string, required = true, doc = doc })
  return types.record(fields, "mount")
end

local function path_or_file(value)
  return type(value) == "string" and types.path or handles.file
end

local source <const> = types.either("absolute path, file or { fd = number }", path_or_file)

local recursive <const> = { name = "recursive", type = types.flag, default = true, doc = "With the mounts below it." }

local propagation <const> = {
  name = "propagation", type = types.choice(mounts.propagations, "propagation"), default = "private",
  doc = "Whether mounts travel between here and where the source was.",
}

local shifted <const> = types.record({
  { name = "uid", type = identity.ranges, required = true, doc = "User ids: `inside` is the one on disk." },
  { name = "gid", type = identity.ranges, required = true, doc = "Group ids." },
}, "id maps")

local idmap <const> = {
  name = "idmap",
  type = types.either("true or { uid, gid }", function(value)
    return value == true and types.flag or type(value) == "table" and shifted or nil
  end),
  doc = "`true`: the ids on disk are those inside, by the container's own maps; or maps of its own.",
  needs = "Linux 5.12, a file system that can, and CAP_SYS_ADMIN where that was mounted: root of the host",
  errors = "EPERM, EINVAL",
}

local layers <const> = types.with(types.one_or_list(types.path, "absolute path or list of them"), function(list)
  if type(list) == "table" and #list == 0 then
    return "no layer", "no_lowerdir"
  elseif type(list) == "table" and #list > 500 then
    return "500 layers at most", "too_many_layers"
  end
end)

local UPPER_WORD <const> = types.choice({ "tmpfs" }, "upper layer")

--- What an overlay has, as a mount and as the root.
local function overlay_fields(...)
  return {
    { name = "lower", type = layers, required = true, doc = "Directories to see, the topmost first." },
    { name = "upper", type = types.either("absolute path or \"tmpfs\"", function(value)
        return type(value) == "string" and (value:sub(1, 1) == "/" and types.path or UPPER_WORD) or nil
      end), default = "(none: read-only)",
      doc = "Where changes go; `\"tmpfs\"`: to memory, and away with the container.",
      needs = "Linux 5.11, without privilege; 6.6 for everything that \"tmpfs\" can; "
        .. "a file system that can be an upper one",
      errors = "EINVAL, EPERM, ESTALE, EBUSY" },
    { name = "work", type = types.path, doc = "An empty directory beside `upper`, for the kernel." },
    size, mode("0755"), ...,
  }
end

mounts.mount = types.variants({
  bind = mount({
    { name = "source", type = source, required = true,
      doc = "A directory, file or device of the host's tree, by its path or as it is open.",
      errors = "ENOENT, EACCES; ESTALE: what is open is not found under its name" },
    target, readonly(false), recursive, options,
    { name = "optional", type = types.flag, default = false, doc = "A source that does not exist is passed over." },
    propagation, idmap,
  }, "The source is seen at the target too."),
  overlay = mount(overlay_fields(target, readonly(false), options),
    "Directories laid over each other (kernel's overlayfs)."),
  tmpfs = mount({
    target, size,
    { name = "inodes", type = types.integer(1, 0x7FFFFFFF), doc = "Files it can hold at most.",
      errors = "ENOSPC, for the program" },
    mode("1777"), owner "uid", owner "gid", readonly(false), options,
  }, "An empty file system in memory, gone with the container."),
  proc = mount({
    target,
    { name = "subset", type = types.choice({ "pid" }, "subset"), default = "(everything)",
      doc = "`\"pid\"`: processes and nothing else.", needs = "Linux 5.8" },
    { name = "hidepid", type = types.choice({ "off", "noaccess", "invisible", "ptraceable" }, "hidepid"),
      default = "off", doc = "What is seen of other users' processes.", needs = "Linux 5.8" },
    readonly(false), options,
  }, "The processes of the new pid namespace; dangerous parts are masked (`masked_paths`)."),
  sysfs = mount({ target, readonly(true), options }, "The devices of the new net namespace."),
  cgroup = mount({ target, readonly(true), options },
    "The cgroup v2 hierarchy from the new cgroup namespace's root on."),
  devpts = mount({
    target, mode("0620"),
    { name = "ptmxmode", type = types.mode, default = "0666", doc = "Permission bits of its `ptmx`." },
    { name = "gid", type = types.id, default = "(5, if mapped)", doc = "The group of new terminals." },
    options,
  }, "Pseudo-terminals of its own."),
  mqueue = mount({ target, options }, "The POSIX message queues of the new ipc namespace."),
  dev = mount({
    target,
    { name = "devices", type = types.list(types.target), default = "(none)",
      doc = "Further devices of the host's to have here, as `/dev/fuse`.", errors = "ENODEV: no device" },
  }, "A minimal /dev: null zero full random urandom tty, pts, ptmx, shm, fd, stdin, stdout, stderr."),
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
  remount = mount({
    { name = "target", type = types.target, required = true, doc = "A mount, in the program's view." },
    { name = "readonly", type = types.flag, default = "(as it is)", doc = "Nothing can be written below, or it can." },
    { name = "recursive", type = types.flag, default = false, doc = "With the mounts below it." },
    options,
    { name = "propagation", type = propagation.type, default = "(as it is)", doc = "Whether mounts travel." },
  }, "Changes what a mount allows."),
  move = mount({
    { name = "source", type = handles.file, required = true,
      doc = "A mount that is attached nowhere, as `sys.open_tree` and `sys.fsmount` return; used up by one launch.",
      needs = "Linux 5.2", errors = "EINVAL: it is attached, or used up" },
    target,
  }, "Attaches a mount that the caller has prepared."),
}, "mount")

local root_records <const> = types.variants({
  bind = mount({
    { name = "source", type = types.path, required = true, doc = "A directory; `/` for the host's whole tree.",
      errors = "ENOENT, EACCES, ENOTDIR" },
    readonly(false), options,
  }, "A directory of the host's becomes the root."),
  tmpfs = mount({ size, mode("0755"), readonly(false), options },
    "An empty root that holds only what is mounted in it."),
  overlay = mount(overlay_fields(readonly(false), options),
    "Directories laid over each other become the root; mounts below them are not seen."),
}, "root")

mounts.root = types.either("absolute path or table", function(value)
  return type(value) == "string" and types.path or type(value) == "table" and root_records or nil
end)
mounts.root.variants = root_records.variants

return mounts
