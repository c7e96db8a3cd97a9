-- Descriptions whose plans have, together, every step that a plan can have, and a
-- program that runs in each.
local full <const> = {}

local MOUNTS <const> = {
  { type = "bind", source = "/usr", target = "/host", readonly = true },
  { type = "symlink", source = "host/lib", target = "/lib" },
  { type = "symlink", source = "host/lib64", target = "/lib64" },
  { type = "proc", target = "/proc" },
  { type = "sysfs", target = "/sys" },
  { type = "devpts", target = "/pts" },
  { type = "tmpfs", target = "/tmp", size = "1M", readonly = true },
  { type = "dir", target = "/etc", mode = "0750", uid = 0, gid = 0 },
  { type = "file", target = "/etc/motd", content = "hello\n", uid = 0, gid = 0 },
  { type = "overlay", target = "/stack", lower = { "/usr/lib", "/usr/share" }, upper = "tmpfs", size = "1M" },
}

local function with_everything(share)
  return {
    share = share,
    root = { type = "tmpfs", size = "1M" },
    mounts = MOUNTS,
    masked_paths = { "/etc", "/nowhere", "/proc/filesystems" },
    readonly_paths = { "/proc/sys" },
    hostname = "box",
    domainname = "home",
    sysctl = { ["net.ipv4.ip_forward"] = 1 },
    personality = "addr_no_randomize",
    nice = 1,
    affinity = { 0 },
    rlimits = { nofile = 64 },
    landlock = { fs = { { path = "/", allow = { "read", "execute" } } }, tcp = { connect = { 80 } } },
    process = { "/host/bin/true", stdout = "capture" },
  }
end

full.tmpfs = with_everything()

--- The same, with nothing that would make the child leave the host's memory.
full.shared = with_everything { "user" }

--- With what has the child leave the host's memory, whoever the caller is.
full.separate = {
  time_offsets = { monotonic = 1, boottime = 1 },
  oom_score_adj = 1000,
  process = { "/bin/true" },
}

full.bind = {
  root = { type = "bind", source = "/usr", readonly = true },
  setgroups = "deny",
  process = { "/bin/true" },
}

full.host = {
  mounts = { { type = "tmpfs", target = "/tmp" } },
  process = { "/bin/true", stdin = "null", stdout = "capture" },
}

full.init = {
  init = true,
  hooks = { before_exec = function() end },
  process = { "/bin/true", stdout = "capture" },
}

full.terminal = {
  process = { "/bin/true", terminal = true },
}

full.overlay = {
  root = { type = "overlay", lower = { "/usr", "/srv" }, readonly = true },
  setgroups = "deny",
  process = { "/bin/true" },
}

--- Mounts that the program, which keeps sys_admin, cannot change.
full.locked = {
  capabilities = { "sys_admin" },
  mounts = { { type = "tmpfs", target = "/tmp", readonly = true } },
  process = { "/bin/true", stdout = "capture" },
}

--- For plans alone: what is moved is no mount, and only root may shift ids.
full.prepared = {
  mounts = {
    { type = "bind", source = "/usr", target = "/usr", idmap = true },
    { type = "move", source = { fd = 0 }, target = "/mnt" },
  },
  join = { net = "self" },
}

--- For who may make cgroups.
full.limited = {
  cgroup = { pids = 16 },
  process = { "/bin/true", stdout = "capture" },
}

--- For who has subordinate ids: another of them than that of the caller.
full.auto = {
  uid_map = "auto", gid_map = "auto",
  process = { "/bin/true", uid = 1, gid = 1, stdout = "capture" },
}

--- With a filter that lets all pass: BPF_RET | BPF_K, SECCOMP_RET_ALLOW.
full.filtered = {
  root = { type = "bind", source = "/usr" },
  seccomp = ("<I2BBI4"):pack(6, 0, 0, 0x7FFF0000),
  process = { "/bin/true" },
}

--- For who may change the caller's net namespace.
full.network = {
  network = {
    veth = { { name = "eth0", address = "10.0.0.2/24", gateway = "10.0.0.1", peer = { address = "10.0.0.1/24" } } },
    interfaces = { { name = "wlan0" } },
    uplink = "slirp4netns",
  },
  process = { "/bin/true", stdout = "capture" },
}

return full
