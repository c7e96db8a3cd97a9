-- The description and the process spec, field by field: one place for names,
-- types, defaults and words.  validate checks against it, normalise fills from
-- it, and the reference and the editor's types are rendered from it.
--
-- A field is { name, type, default, doc }; `default` is a value, or words in
-- parentheses where another stage decides.
local types = require "userns.types"

local schema = {}

schema.namespaces = { "user", "mnt", "pid", "net", "ipc", "uts", "cgroup", "time" }

-- People say mount, network, hostname: the kernel says mnt, net, uts.
local SPOKEN <const> = {
  mount = "mnt", network = "net", hostname = "uts", process = "pid", userns = "user", ns = "mnt",
}

local namespace = types.choice(schema.namespaces, "namespace")
local check_namespace <const> = namespace.check
function namespace.check(value, report, path)
  if SPOKEN[value] then
    report(path, ("unknown namespace '%s' (did you mean '%s'?)"):format(value, SPOKEN[value]))
    return false
  end
  return check_namespace(value, report, path)
end

local namespaces <const> = types.one_or_list(namespace, "list of namespace names")

-- ---- identity -------------------------------------------------------------

local range <const> = types.record({
  { name = "inside", type = types.id, required = true, doc = "First id as the program sees it." },
  { name = "outside", type = types.id, required = true, doc = "First id as the caller sees it." },
  { name = "count", type = types.integer(1, 0xFFFFFFFF), required = true, doc = "How many ids." },
}, "range")

local MAP_WORDS <const> = types.choice({ "root", "self", "auto" }, "map")

local ranges <const> = types.with(types.list(range), function(list)
  return #list == 0 and "a map has one range at least" or #list > 340 and "a map has 340 ranges at most" or nil
end)

local MAP_FORMS <const> = "\"root\", \"self\", \"auto\" or a list of { inside, outside, count }"

local id_map <const> = types.either(MAP_FORMS, function(value)
  return type(value) == "string" and MAP_WORDS or type(value) == "table" and ranges or nil
end)

-- The kernel's own names, 0 to 40, in order; what a kernel does not know is
-- refused by it.
schema.capabilities = {
  "chown", "dac_override", "dac_read_search", "fowner", "fsetid", "kill", "setgid", "setuid", "setpcap",
  "linux_immutable", "net_bind_service", "net_broadcast", "net_admin", "net_raw", "ipc_lock", "ipc_owner",
  "sys_module", "sys_rawio", "sys_chroot", "sys_ptrace", "sys_pacct", "sys_admin", "sys_boot", "sys_nice",
  "sys_resource", "sys_time", "sys_tty_config", "mknod", "lease", "audit_write", "audit_control", "setfcap",
  "mac_override", "mac_admin", "syslog", "wake_alarm", "block_suspend", "audit_read", "perfmon", "bpf",
  "checkpoint_restore",
}

--- "net_raw" for "net_raw", "cap_net_raw" and "CAP_NET_RAW".
function schema.capability(word)
  return (word:lower():gsub("^cap_", ""))
end

local CAPABILITY <const> = types.choice(schema.capabilities, "capability")

local capability <const> = {
  name = "capability name",
  check = function(value, report, path)
    return CAPABILITY.check(type(value) == "string" and schema.capability(value) or value, report, path)
  end,
}

local NONE_OR_ALL <const> = types.choice({ "none", "all" }, "capabilities")

local capabilities <const> = types.either("\"none\", \"all\" or a list of names", function(value)
  return type(value) == "string" and NONE_OR_ALL or type(value) == "table" and types.list(capability) or nil
end)

-- ---- mounts ---------------------------------------------------------------

-- What a mount can be told with words; "suid", "dev" and "exec" take a default
-- back.
schema.mount_words = { "nosuid", "nodev", "noexec", "noatime", "nodiratime", "suid", "dev", "exec" }

local mount_words <const> = types.one_or_list(types.choice(schema.mount_words, "option"), "list of mount options")
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

schema.mount = types.variants({
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

schema.root = types.either("absolute path or table", function(value)
  return type(value) == "string" and types.path or type(value) == "table" and root_records or nil
end)
schema.root.variants = root_records.variants

-- ---- the process ----------------------------------------------------------

local variable <const> = types.with(types.text("variable name", 1), function(name)
  return name:find("=", 1, true) and "a variable's name has no '='" or nil
end)

local inherit_env <const> = types.either("boolean or list of variable names", function(value)
  return type(value) == "boolean" and types.flag or type(value) == "table" and types.list(variable) or nil
end)

local open_file <const> = types.with({ name = "file", check = function() return true end }, function(file)
  return io.type(file) == "closed file" and "the file is closed" or nil
end)

--- A handle that tells its descriptor's number, as userns.sys's do.
local function is_handle(value)
  local ok <const>, method = pcall(function()
    return value.fileno
  end)
  return type(value) == "userdata" and ok and type(method) == "function"
end

local descriptor <const> = types.either("file or descriptor number", function(value)
  return (io.type(value) or is_handle(value)) and open_file
    or math.type(value) == "integer" and types.integer(0, 0x7FFFFFFE) or nil
end)

local function stdio(words)
  local choice <const> = types.choice(words, "redirection")
  return types.either(choice.name .. ", file or descriptor number", function(value)
    return type(value) == "string" and choice or descriptor
  end)
end

local signal_names <const> = {
  "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM",
  "TERM", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH",
  "IO", "PWR", "SYS",
}
local SIGNAL <const> = types.choice(signal_names, "signal")
local SIGNAL_NUMBER <const> = types.integer(1, 64)

local signal <const> = {
  name = "signal name or number",
  check = function(value, report, path)
    if type(value) == "string" then
      return SIGNAL.check((value:gsub("^SIG", "")), report, path)
    end
    return SIGNAL_NUMBER.check(value, report, path)
  end,
}

schema.process = types.record({
  { name = "argv0", type = types.string, default = "(the program)", doc = "What the program is told its name is." },
  { name = "env", type = types.map(variable, types.string, "map of variables"), default = "(PATH TERM LANG TZ HOME)",
    doc = "Variables, laid over the short environment." },
  { name = "inherit_env", type = inherit_env, default = false,
    doc = "The host's whole environment, or the named variables of it." },
  { name = "cwd", type = types.path, default = "/", doc = "Working directory, which must be inside the root." },
  { name = "uid", type = types.id, default = "(0 if mapped, else the first inside id)", doc = "User id inside." },
  { name = "gid", type = types.id, default = "(0 if mapped, else the first inside id)", doc = "Group id inside." },
  { name = "groups", type = types.list(types.id, "list of ids"), default = "(none)",
    doc = "Supplementary groups inside." },
  { name = "umask", type = types.mode, default = "0022", doc = "File mode creation mask." },
  { name = "stdin", type = stdio { "inherit", "null", "pipe" }, default = "inherit", doc = "Standard input." },
  { name = "stdout", type = stdio { "inherit", "null", "pipe", "capture" }, default = "inherit",
    doc = "Standard output." },
  { name = "stderr", type = stdio { "inherit", "null", "pipe", "capture", "stdout" }, default = "inherit",
    doc = "Standard error; `\"stdout\"`: where standard output goes." },
  { name = "input", type = types.bytes, doc = "What the program reads on standard input (instead of `stdin`)." },
  { name = "max_output", type = types.size, default = "(no limit)",
    doc = "Bytes captured of each stream at most; the rest is read and dropped." },
  { name = "fds", type = types.map(types.integer(3, 65535), descriptor, "map of descriptors"),
    doc = "Further descriptors: the number inside to a file or number of the host's." },
  { name = "timeout", type = types.seconds, default = "(none)", doc = "Seconds until `kill_signal` is sent." },
  { name = "kill_signal", type = signal, default = "KILL", doc = "What a timeout sends." },
  { name = "kill_after", type = types.seconds, default = 1, doc = "Seconds from `kill_signal` to SIGKILL." },
}, "process", true)

--- What each entry of the array part is.
schema.process.argument = types.string

-- ---- the description ------------------------------------------------------

schema.description = types.record({
  { name = "namespaces", type = namespaces, default = "(all but time, less `share`)",
    doc = "Namespaces to create; `{}`: none." },
  { name = "share", type = namespaces, default = "(none)", doc = "Names taken off the default of `namespaces`." },
  { name = "uid_map", type = id_map, default = "root",
    doc = "`\"root\"`: an unprivileged id of the caller's is 0 inside; `\"self\"`: it is itself; "
      .. "`\"auto\"`: it is 0, and all subordinate ids follow; or ranges." },
  { name = "gid_map", type = id_map, default = "root", doc = "The same for groups." },
  { name = "setgroups", type = types.choice({ "allow", "deny" }, "setgroups"),
    default = "(deny, unless the caller may map groups freely)", doc = "Whether setgroups(2) works inside." },
  { name = "hostname", type = types.text("host name", 1, 64), doc = "Host name of the new uts namespace." },
  { name = "domainname", type = types.text("domain name", 1, 64), doc = "NIS domain name of the same." },
  { name = "root", type = schema.root, default = "(the host's tree as it is)",
    doc = "What the program sees as `/`; a string is a directory to bind." },
  { name = "mounts", type = types.list(schema.mount), default = "(none)",
    doc = "What is mounted and made, in this order; nothing that is not listed." },
  { name = "propagation", type = types.choice({ "private", "slave", "shared", "unbindable" }, "propagation"),
    default = "private", doc = "Whether mounts travel between the host and the container." },
  { name = "masked_paths", type = types.list(types.target), default = "(the usual set, for each `proc`)",
    doc = "Files and directories to hide, where they exist." },
  { name = "readonly_paths", type = types.list(types.target), default = "(the usual set, for each `proc`)",
    doc = "Files and directories to make read-only, where they exist." },
  { name = "capabilities", type = capabilities, default = "none",
    doc = "What the program keeps: permitted, effective, bounding, and ambient unless uid 0." },
  { name = "no_new_privs", type = types.flag, default = true, doc = "Executing a file gains no privilege." },
  { name = "allow_userns", type = types.flag, default = false,
    doc = "Whether the program may create user namespaces of its own." },
  { name = "die_with_parent", type = types.flag, default = true,
    doc = "The container ends with the host program, however that ends; a program that means to can undo it." },
  { name = "new_session", type = types.flag, default = true, doc = "A session without the caller's terminal." },
  { name = "strict", type = types.flag, default = false, doc = "What would be degraded is an error." },
  { name = "process", type = schema.process, doc = "Defaults for the process spec." },
}, "description")

return schema
