-- The description and the process spec, field by field: one place for names,
-- types, defaults and words.  validate checks against it, normalise fills from
-- it, and the reference and the editor's types are rendered from it.
--
-- A field is { name, type, default, doc, needs, errors }; `default` is a value, or
-- words in parentheses where another stage decides; `needs` tells the kernel and
-- the privilege that it takes, where not everybody has them, and `errors` what it
-- is refused with besides EINVALID.
local confinement = require "userns.schema.confinement"
local identity = require "userns.schema.identity"
local mounts = require "userns.schema.mounts"
local network = require "userns.schema.network"
local process = require "userns.schema.process"
local resources = require "userns.schema.resources"
local settings = require "userns.schema.settings"
local types = require "userns.types"

local hooks <const> = types.record({
  { name = "created", type = types.callback, doc = "The namespaces are there, and nothing is in them." },
  { name = "mapped", type = types.callback, doc = "The ids are mapped, and the set-up begins." },
  { name = "before_exec", type = types.callback,
    doc = "Everything is done but the sealing; the program is next." },
  { name = "exited", type = types.callback,
    doc = "The program has ended; called with the result too, unless the handle was closed before." },
}, "hooks")

local schema = {
  hooks = hooks,
  namespaces = identity.namespace_names,
  capabilities = identity.capability_names,
  capability = identity.capability,
  capability_sets = identity.capability_sets,
  mount = mounts.mount,
  mount_words = mounts.words,
  root = mounts.root,
  network = network.network,
  network_veth = network.veth,
  network_peer = network.peer,
  network_interface = network.interface,
  network_route = network.route,
  network_uplink = network.uplink,
  process = process,
  filter = confinement.filter,
  filter_rule = confinement.rule,
  filter_condition = confinement.condition,
  cgroup = resources.cgroup,
  throttle = resources.throttle,
  sysctl_list = settings.sysctl_list,
  sysctl_namespace = settings.sysctl_namespace,
  persona = settings.persona,
  cpus = settings.cpus,
  clocks = settings.clocks,
  time_offsets = settings.time_offsets,
  landlock = confinement.landlock,
  fs_rule = confinement.fs_rule,
  fs_rights = confinement.fs_rights,
  tcp = confinement.tcp,
  limits = resources.limit_names,
  rlimits = resources.rlimits,
}

schema.description = types.record({
  { name = "namespaces", type = identity.namespaces, default = "(all but time, less `share`)",
    doc = "Namespaces to create; `{}`: none.",
    needs = "user namespaces that are allowed, or root; `cgroup` Linux 4.6, `time` 5.6",
    errors = "EPERM; ENOSPC, EUSERS: too many, or too deep; EINVAL: unknown to the kernel" },
  { name = "share", type = identity.namespaces, default = "(none)",
    doc = "Names taken off the default of `namespaces`." },
  { name = "join", type = identity.join, default = "(none)",
    doc = "Namespaces to enter, by name: `{ net = target }`; a target is a pid, a path, what is open, or a handle.",
    needs = "privilege over what is joined: root, or its user namespace joined too",
    errors = "EPERM, EINVAL; ESRCH, ENOENT: there is no such process or path" },
  { name = "uid_map", type = identity.id_map, default = "root",
    doc = "`\"root\"`: an unprivileged id of the caller's is 0 inside; `\"self\"`: it is itself; "
      .. "`\"auto\"`: it is 0, and all subordinate ids follow; or ranges.",
    needs = "for more than the caller's own id: CAP_SETUID, or newuidmap and a range in /etc/subuid",
    errors = "EPERM, EINVAL" },
  { name = "gid_map", type = identity.id_map, default = "root", doc = "The same for groups.",
    needs = "CAP_SETGID, or newgidmap and a range in /etc/subgid", errors = "EPERM, EINVAL" },
  { name = "setgroups", type = types.choice({ "allow", "deny" }, "setgroups"),
    default = "(deny, unless the caller may map groups freely)", doc = "Whether setgroups(2) works inside.",
    needs = "for \"allow\": a caller that may map groups freely", errors = "EPERM" },
  { name = "hostname", type = types.text("host name", 1, 64), doc = "Host name of the new uts namespace.",
    needs = "a new uts namespace" },
  { name = "domainname", type = types.text("domain name", 1, 64), doc = "NIS domain name of the same.",
    needs = "a new uts namespace" },
  { name = "root", type = mounts.root, default = "(the host's tree as it is)",
    doc = "What the program sees as `/`; a string is a directory to bind.",
    needs = "a new mnt namespace", errors = "ENOENT, EACCES, ENOTDIR" },
  { name = "mounts", type = types.list(mounts.mount), default = "(none)",
    doc = "What is mounted and made, in this order; nothing that is not listed.",
    needs = "a new mnt namespace; Linux 5.6" },
  { name = "propagation", type = types.choice(mounts.propagations, "propagation"),
    default = "private", doc = "Whether mounts travel between the host and the container.",
    needs = "a new mnt namespace" },
  { name = "masked_paths", type = types.list(types.target), default = "(the usual set, for each `proc`)",
    doc = "Files and directories to hide, where they exist.", needs = "a new mnt namespace" },
  { name = "readonly_paths", type = types.list(types.target), default = "(the usual set, for each `proc`)",
    doc = "Files and directories to make read-only, where they exist.", needs = "a new mnt namespace" },
  { name = "devices", type = types.list(types.target), default = "(none)",
    doc = "Devices of the host's that are seen under their own names; mostly below a `dev` mount.",
    errors = "ENODEV: no device" },
  { name = "network", type = network.description, default = "(loopback only)",
    doc = "What the new net namespace has besides a loopback interface that is up; a word is an `uplink`." },
  { name = "capabilities", type = identity.capabilities,
    default = "(none; `setfcap` with `allow_userns`)",
    doc = "What the program keeps: permitted, effective, bounding, and ambient unless uid 0; or each set.",
    errors = "EPERM: the caller has not got it, in a container without a user namespace" },
  { name = "securebits", type = identity.securebits, default = "(none)",
    doc = "How the kernel treats uid 0 and changes of it (capabilities(7)).",
    needs = "CAP_SETPCAP: a user namespace, or root", errors = "EPERM" },
  { name = "no_new_privs", type = types.flag, default = true, doc = "Executing a file gains no privilege." },
  { name = "seccomp", type = confinement.seccomp, default = "(none)",
    doc = "A filter of system calls: `\"default\"`: what container runtimes deny; or rules, or a BPF program.",
    needs = "libseccomp when userns was built (not for a program); `no_new_privs`, or `sys_admin` kept",
    errors = "EINVAL: the kernel takes the program for no filter" },
  { name = "cgroup", type = resources.cgroup, default = "(none of its own)",
    doc = "A cgroup of its own, with limits; `{}`: without. Removed when the program has ended, and whoever is "
      .. "left in it killed.",
    needs = "a cgroup that the caller may write to",
    errors = "EUNAVAILABLE, EACCES, EROFS" },
  { name = "landlock", type = confinement.landlock, default = "(none)",
    doc = "What the program is restricted to, whoever it is and wherever it mounts.",
    needs = "`no_new_privs`, or the capability sys_admin; Linux 5.13, less of it is `degraded`",
    errors = "ENOENT: a path does not exist" },
  { name = "sysctl", type = settings.sysctl, default = "(none)",
    doc = "Settings of the new namespaces: `net.*` (net), `kernel.msg* sem shm*` and `fs.mqueue.*` (ipc), "
      .. "`user.max_*` (user). A key has dots or slashes, as with sysctl(8).",
    needs = "Linux 6.9 for those of ipc without privilege",
    errors = "ENOENT: the kernel has none of this name; EACCES: it is not the container's to set; "
      .. "EINVAL: it does not take this value" },
  { name = "time_offsets", type = settings.time_offsets, default = "(none)",
    doc = "Seconds by which the clocks of a new time namespace go ahead; adds `time` to the default of `namespaces`.",
    needs = "Linux 5.6", errors = "ERANGE: a clock would be negative" },
  { name = "personality", type = settings.personality, default = "(the caller's)",
    doc = "Execution domain, `linux` or `linux32`, and flags of personality(2) in lower case." },
  { name = "nice", type = settings.nice, default = "(the caller's)", doc = "Nice value.",
    needs = "CAP_SYS_NICE over the initial user namespace or RLIMIT_NICE, to lower it",
    errors = "EACCES: lower than the caller may go" },
  { name = "affinity", type = settings.affinity, default = "(the caller's)",
    doc = "Processors to run on, as a list or `\"0-3,5\"`.",
    errors = "EINVAL: one is offline, or not in the caller's cpuset" },
  { name = "oom_score_adj", type = settings.oom_score_adj, default = "(the caller's)",
    doc = "How soon the program is ended for want of memory: -1000 (never) to 1000.",
    needs = "CAP_SYS_RESOURCE over the initial user namespace, to go below what it was",
    errors = "EACCES: lower than the caller may go" },
  { name = "rlimits", type = resources.rlimits, default = "(the caller's, but no core dumps)",
    doc = "Resource limits by name; a single value is both, the soft and the hard one.",
    needs = "CAP_SYS_RESOURCE over the initial user namespace, to raise a hard limit",
    errors = "EPERM: the hard limit is above the caller's" },
  { name = "allow_userns", type = types.flag, default = false,
    doc = "Whether the program may create user namespaces of its own; to map uid 0 there it needs `setfcap`.",
    needs = "for `false`: a /proc/sys that can be written, and a new user namespace", errors = "EROFS" },
  { name = "lock_mounts", type = types.flag, default = "(if `sys_admin` is kept)",
    doc = "The program's namespaces do not own the mounts: what is read-only or hidden stays so, whatever it keeps.",
    needs = "a new user and a new mnt namespace" },
  { name = "die_with_parent", type = types.flag, default = true,
    doc = "The container ends with the host program, however that ends; without `init`, a program that means to "
      .. "can undo it." },
  { name = "init", type = types.flag, default = false,
    doc = "Process 1 is a small executable, which reaps what loses its parent, hands signals on to the program and "
      .. "ends with it; else the program is process 1, and of signals that it has no handler for only KILL and STOP "
      .. "reach it." },
  { name = "new_session", type = types.flag, default = true, doc = "A session without the caller's terminal." },
  { name = "hooks", type = hooks, default = "(none)",
    doc = "Functions of the host's that are called on the way; one that raises an error, or returns `nil, err` or "
      .. "`false`, ends the container.", errors = "`ECANCELED`" },
  { name = "strict", type = types.flag, default = false, doc = "What would be degraded is an error." },
  { name = "process", type = process, doc = "Defaults for the process spec." },
}, "description")

return schema
