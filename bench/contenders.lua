-- Who launches the standard job: each contender is the command that launches it
-- a given number of times and prints the nanoseconds of every launch.
local command = require "bench.command"

local join <const> = command.join

-- The runtimes take no host tree as root directory: it is bound to the bundle's
-- beforehand, in a mount namespace that the measured launches share.  There too
-- a hybrid cgroup tree, which they refuse, gives way to the unified one.
local bind_root <const> = [[
test -e /sys/fs/cgroup/cgroup.controllers ||
  { umount -R /sys/fs/cgroup && mount -t cgroup2 none /sys/fs/cgroup; } &&
mount --rbind / "$1" && shift && exec "$@"]]

---@class Contender
---@field name string
---@field command fun(runs: integer): string[]
---@field rated boolean? whether its launches a second are measured
---@field version string[]? the command that prints its version
---@field lacks string? what the job asks for and this contender does not do

---@param place Place
---@param binds integer how often the directory is bound besides
---@return Contender[]
local function contenders(place, binds)
  local job <const> = { place.noop, place.share, binds }
  local bound <const> = {}
  for i = 1, binds do
    table.move({ "--bind", place.share, "/tmp/" .. i }, 1, 3, #bound + 1, bound)
  end

  local function floor()
    return function(runs)
      return join(place.privilege, { place.floor, runs }, job)
    end
  end

  local function library(mebibytes)
    return function(runs)
      return join(place.privilege, place.environment,
        { place.lua, place.host, runs, mebibytes }, job)
    end
  end

  local function program(...)
    local words <const> = { ... }
    return function(runs)
      return join(place.privilege, { place.spawn, runs }, words)
    end
  end

  local function bubblewrap(...)
    local words <const> = { ... }
    return function(runs)
      return join(place.privilege, { place.spawn, runs }, words, bound, { place.noop })
    end
  end

  local function runtime(...)
    local words <const> = { ... }
    local root <const> = place.bundle .. "/rootfs"
    return function(runs)
      return join({ "unshare", "--mount", "sh", "-c", bind_root, "sh", root },
        place.privilege, { place.spawn, runs }, words, { "run", "--bundle", place.bundle, "bench" })
    end
  end

  local list <const> = {
    { name = "C floor", command = floor(), rated = true },
    { name = "userns", command = library(0), rated = true },
    { name = "userns, 10 MiB host", command = library(10) },
    { name = "userns, 256 MiB host", command = library(256) },
    { name = "userns, 1 GiB host", command = library(1024) },
    {
      name = "bubblewrap",
      command = bubblewrap("bwrap", "--unshare-all", "--unshare-user", "--uid", "0", "--gid", "0",
        "--as-pid-1", "--new-session", "--die-with-parent", "--cap-drop", "ALL", "--clearenv",
        "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp",
        "--bind", place.share, place.share, "--hostname", "bench"),
      version = { "bwrap", "--version" },
      lacks = "masks no path of /proc and lets user namespaces nest",
    },
    {
      name = "unshare",
      command = program("unshare", "--user", "--map-root-user", "--mount", "--mount-proc",
        "--pid", "--fork", "--kill-child", "--uts", "--ipc", "--net", "--cgroup", place.noop),
      version = { "unshare", "--version" },
      lacks = "namespaces and /proc only, nothing else of the job",
    },
    {
      name = "crun",
      command = runtime("crun", "--root", place.state, "--cgroup-manager=disabled"),
      version = { "crun", "--version" },
      lacks = "makes only the topmost mount of the tree read-only and lets user namespaces nest",
    },
    {
      name = "runc",
      command = runtime("runc", "--root", place.state),
      version = { "runc", "--version" },
      lacks = "as crun; makes a cgroup where it may",
    },
  }
  return binds == 0 and list or { list[1], list[2], list[6] }
end

return contenders
