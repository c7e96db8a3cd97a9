-- Namespaces, ids and capabilities, as a description tells them.
local handles = require "userns.schema.handles"
local types = require "userns.types"

local identity = {}

identity.namespace_names = { "user", "mnt", "pid", "net", "ipc", "uts", "cgroup", "time" }

-- People say mount, network, hostname: the kernel says mnt, net, uts.
local SPOKEN <const> = {
  mount = "mnt", network = "net", hostname = "uts", process = "pid", userns = "user", ns = "mnt",
}

local namespace = types.choice(identity.namespace_names, "namespace")
local check_namespace <const> = namespace.check
function namespace.check(value, report, path)
  if SPOKEN[value] then
    report(path, ("unknown namespace '%s' (did you mean '%s'?)"):format(value, SPOKEN[value]))
    return false
  end
  return check_namespace(value, report, path)
end

namespace.is_word = true

identity.join = types.map(namespace, handles.target, "map of namespaces")

identity.namespaces = types.one_or_list(namespace, "list of namespace names")

identity.range = types.record({
  { name = "inside", type = types.id, required = true, doc = "First id as the program sees it." },
  { name = "outside", type = types.id, required = true, doc = "First id as the caller sees it." },
  { name = "count", type = types.integer(1, 0xFFFFFFFF), required = true, doc = "How many ids." },
}, "range")

local MAP_WORDS <const> = types.choice({ "root", "self", "auto" }, "map")

identity.ranges = types.with(types.list(identity.range), function(list)
  if #list == 0 then
    return "a map has one range at least"
  elseif #list > 340 then
    return "a map has 340 ranges at most", "too_many_lines"
  end
end)

local MAP_FORMS <const> = "\"root\", \"self\", \"auto\" or a list of { inside, outside, count }"

identity.id_map = types.either(MAP_FORMS, function(value)
  return type(value) == "string" and MAP_WORDS or type(value) == "table" and identity.ranges or nil
end)

-- The kernel's own names, 0 to 40, in order; what a kernel does not know is
-- refused by it.
identity.capability_names = {
  "chown", "dac_override", "dac_read_search", "fowner", "fsetid", "kill", "setgid", "setuid", "setpcap",
  "linux_immutable", "net_bind_service", "net_broadcast", "net_admin", "net_raw", "ipc_lock", "ipc_owner",
  "sys_module", "sys_rawio", "sys_chroot", "sys_ptrace", "sys_pacct", "sys_admin", "sys_boot", "sys_nice",
  "sys_resource", "sys_time", "sys_tty_config", "mknod", "lease", "audit_write", "audit_control", "setfcap",
  "mac_override", "mac_admin", "syslog", "wake_alarm", "block_suspend", "audit_read", "perfmon", "bpf",
  "checkpoint_restore",
}

--- "net_raw" for "net_raw", "cap_net_raw" and "CAP_NET_RAW".
function identity.capability(word)
  return (word:lower():gsub("^cap_", ""))
end

local CAPABILITY <const> = types.choice(identity.capability_names, "capability")

local capability <const> = {
  name = "capability name",
  check = function(value, report, path)
    return CAPABILITY.check(type(value) == "string" and identity.capability(value) or value, report, path)
  end,
}

local NONE_OR_ALL <const> = types.choice({ "none", "all" }, "capabilities")

local one_set <const> = types.either("\"none\", \"all\" or a list of names", function(value)
  return type(value) == "string" and NONE_OR_ALL or type(value) == "table" and types.list(capability) or nil
end)

--- The five sets, each from what follows when it is not named.
identity.capability_sets = types.record({
  { name = "effective", type = one_set, default = "(as permitted)", doc = "What the kernel looks at." },
  { name = "permitted", type = one_set, default = "(effective and ambient)", doc = "What may become effective." },
  { name = "inheritable", type = one_set, default = "(as ambient)", doc = "What a file may pass on." },
  { name = "bounding", type = one_set, default = "(permitted and inheritable)",
    doc = "What execve(2) can give at most; uid 0 gets all of it." },
  { name = "ambient", type = one_set, default = "(none)", doc = "What stays through execve(2) without uid 0." },
}, "capability sets")

identity.capabilities = types.either("\"none\", \"all\", a list of names, or the five sets", function(value)
  if type(value) ~= "table" then
    return type(value) == "string" and NONE_OR_ALL or nil
  end
  return types.looks_like_list(value) and types.list(capability) or identity.capability_sets
end)

identity.securebits = types.one_or_list(types.choice({
  "noroot", "noroot_locked", "no_setuid_fixup", "no_setuid_fixup_locked", "keep_caps", "keep_caps_locked",
  "no_cap_ambient_raise", "no_cap_ambient_raise_locked", "exec_restrict_file", "exec_restrict_file_locked",
  "exec_deny_interactive", "exec_deny_interactive_locked",
}, "secure bit"), "list of secure bits")

-- What could be meant as a number is none: "0" is neither an id nor a name.
local name <const> = types.with(types.text("name", 1, 256), function(word)
  return word:find("[:\n/%s]") and "a name has no ':', '/' or space"
    or tonumber(word) and "an id is an integer, not a string" or nil
end)

--- An id, or a name that the container's own files have.
identity.id_or_name = types.either("id (0 to 4294967294) or name", function(value)
  return type(value) == "string" and name or types.id
end)

return identity
