-- Descriptions whose plans have, together, every step that a plan can have, and
-- a program that runs in each.
local full <const> = {}

full.program = { "/host/bin/true", stdout = "capture" }

local mounts <const> = {
  { type = "bind", source = "/usr", target = "/host", readonly = true },
  { type = "symlink", source = "host/lib", target = "/lib" },
  { type = "symlink", source = "host/lib64", target = "/lib64" },
  { type = "proc", target = "/proc" },
  { type = "sysfs", target = "/sys" },
  { type = "devpts", target = "/pts" },
  { type = "tmpfs", target = "/tmp", size = "1M", readonly = true },
  { type = "dir", target = "/etc", mode = "0750", uid = 0, gid = 0 },
  { type = "file", target = "/etc/motd", content = "hello\n", uid = 0, gid = 0 },
}

local tmpfs <const> = {
  root = { type = "tmpfs", size = "1M" },
  mounts = mounts,
  masked_paths = { "/etc", "/nowhere", "/proc/filesystems" },
  readonly_paths = { "/proc/sys" },
  hostname = "box",
  domainname = "home",
}

full.tmpfs = tmpfs

--- The same, with nothing that would make the child leave the host's memory.
full.shared = {
  share = { "user" },
  root = tmpfs.root, mounts = mounts,
  masked_paths = tmpfs.masked_paths, readonly_paths = tmpfs.readonly_paths,
  hostname = "box", domainname = "home",
}

full.bind = {
  root = { type = "bind", source = "/usr", readonly = true },
  setgroups = "deny",
  process = { "/bin/true" },
}

full.host = {
  mounts = { { type = "tmpfs", target = "/tmp" } },
  process = { "/bin/true" },
}

return full
