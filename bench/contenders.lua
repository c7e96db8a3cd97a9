-- Who launches a job: each contender is the command that launches it a given
-- number of times and prints the nanoseconds of every launch.
local bundle = require "bench.bundle"
local command = require "bench.command"

local join <const> = command.join

-- The runtimes take no host tree as root directory: it is bound to the bundle's
-- beforehand, in a mount namespace that the measured launches share.  There too
-- a hybrid cgroup tree, which they refuse, gives way to the unified one.  Each
-- command has its own name for the container, as some run at once.
local bind_root <const> = [[
test -e /sys/fs/cgroup/cgroup.controllers ||
  { umount -R /sys/fs/cgroup && mount -t cgroup2 none /sys/fs/cgroup; } &&
mount --rbind / "$1" && shift && exec "$@" "$0-$$"]]

--- What a job asks for beyond the standard one; all absent: nothing.
---@class Ask
---@field binds integer? how often the directory is bound besides
---@field namespaces string[]? these alone, and nothing made in them
---@field mebibytes integer? the memory of the host
---@field live integer? how many containers are there already
---@field cores integer? on how many cores at once
---@field stage string? of what the library itself does

---@class Contender
---@field name string
---@field command fun(here: Place, ask: Ask, runs: integer): string[]
---@field version string[]? the command that prints its version
---@field lacks string? what the job asks for and this contender does not do

local function words_of(here, ask)
  if ask.namespaces then
    return join({ here.noop }, ask.namespaces)
  end
  return { here.noop, here.share, ask.binds or 0 }
end

local function floor(here, ask, runs)
  local words <const> = join({ here.floor, runs }, words_of(here, ask))
  if ask.live then
    return here.script("live", join({ ask.live, "beside" }, words))
  end
  return join(here.privilege, here.wide, words)
end

local function library(here, ask, runs)
  if ask.live then
    return here.script("live", join({ ask.live, "launch", runs }, words_of(here, ask)))
  end
  return here.script("host", join({ runs, ask.mebibytes or 0 }, words_of(here, ask)))
end

--- With a process 1 before the program.
local function with_init(here, ask, runs)
  return join(library(here, ask, runs), { "init" })
end

local function program(here, runs, words)
  return join(here.privilege, { here.spawn, runs }, words, { here.noop })
end

local function bubblewrap(here, ask, runs)
  local words <const> = {
    "bwrap", "--unshare-all", "--unshare-user", "--uid", "0", "--gid", "0", "--as-pid-1",
    "--new-session", "--die-with-parent", "--cap-drop", "ALL", "--clearenv",
    "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp",
    "--bind", here.share, here.share, "--hostname", "bench",
  }
  for i = 1, ask.binds or 0 do
    table.move({ "--bind", here.share, "/tmp/" .. i }, 1, 3, #words + 1, words)
  end
  return program(here, runs, words)
end

-- Until the program executes.
local function posix_spawn(here, _, runs)
  return join(here.privilege, { here.spawn, "-x", runs, here.noop })
end

local function launched(kind)
  return function(here, _, runs)
    return here.script("prepared", { runs, kind, here.noop })
  end
end

local function unshare(here, _, runs)
  return program(here, runs, {
    "unshare", "--user", "--map-root-user", "--mount", "--mount-proc", "--pid", "--fork",
    "--kill-child", "--uts", "--ipc", "--net", "--cgroup",
  })
end

-- Without --writable-etc and -var these were mounted again, and nothing there
-- could be executed; with --read-only=/ its --noroot makes no user namespace.
local function firejail(here, _, runs)
  return program(here, runs, {
    "firejail", "--quiet", "--noprofile", "--net=none", "--ipc-namespace", "--hostname=bench",
    "--read-only=/", "--writable-etc", "--writable-var", "--keep-var-tmp", "--private-dev",
    "--private-tmp", "--read-write=" .. here.share, "--private-cwd=/", "--nogroups",
    "--caps.drop=all", "--nonewprivs", "--deterministic-exit-code",
  })
end

local function runtime(...)
  local words <const> = { ... }
  return function(here, ask, runs)
    local path <const> = bundle.write(here.bundles, ask.binds or 0, {
      program = here.noop, directory = here.share, root = here.root, uid = here.inside_uid, gid = here.inside_gid,
    })
    return join({ "unshare", "--mount", "sh", "-c", bind_root, here.id, here.root }, here.privilege,
      { here.spawn, runs }, words, { "--root", here.state, "run", "--bundle", path })
  end
end

---@type table<string, Contender>
local contenders <const> = {
  floor = { name = "C floor", command = floor },
  userns = { name = "userns", command = library },
  init = { name = "userns, init", command = with_init },
  posix_spawn = { name = "posix_spawn", command = posix_spawn, lacks = "no container: the program alone" },
  prepared = { name = "userns, prepared", command = launched "prepared" },
  joined = { name = "userns, net joined", command = launched "joined" },
  fresh = { name = "userns, fresh", command = launched "fresh" },
  unshare = {
    name = "unshare",
    command = unshare,
    version = { "unshare", "--version" },
    lacks = "namespaces and /proc only, nothing else of the job",
  },
  bubblewrap = {
    name = "bubblewrap",
    command = bubblewrap,
    version = { "bwrap", "--version" },
    lacks = "masks no path of /proc and lets user namespaces nest",
  },
  crun = {
    name = "crun",
    command = runtime("crun", "--cgroup-manager=disabled"),
    version = { "crun", "--version" },
    lacks = "makes only the topmost mount of the tree read-only and lets user namespaces nest",
  },
  runc = {
    name = "runc",
    command = runtime "runc",
    version = { "runc", "--version" },
    lacks = "as crun; makes a cgroup where it may",
  },
  firejail = {
    name = "firejail",
    command = firejail,
    version = { "firejail", "--version" },
    lacks = "set-uid root; no user and no cgroup namespace, only the topmost mount read-only,"
      .. " a process of its own stays inside",
  },
}

return contenders
