-- How each feature of a host is tried: in a throw-away child, with nothing of the
-- host changed. A trial returns a value or true, and perhaps a note; or nil and why
-- not.
local cgroups = require "userns.cgroups"
local error_object = require "userns.error"
local idmapped = require "userns.idmapped"
local idtools = require "userns.idtools"
local network = require "userns.network"
local rlimits = require "userns.rlimits"
local subids = require "userns.subids"
local sys = require "userns.sys"
local tool = require "userns.tool"
local trial = require "userns.trial"

local tries = {}

-- ---- trying ---------------------------------------------------------------

--- Why a plan was refused: its steps are nobody else's.
local function reason(err, steps)
  error_object.locate(err, steps)
  err.step, err.side, err.field = nil, nil, nil
  return err
end

--- What a plan of trial steps comes to: true, or nil and why not.
local function attempt(...)
  local steps <const> = {}
  for _, part in ipairs { ... } do
    table.move(part, 1, #part, #steps + 1, steps)
  end
  steps[#steps + 1] = { op = "leave" }
  local done <const>, err = trial.run(steps)
  if done then
    return true
  end
  return nil, reason(err, steps)
end

local function clone(...)
  return { { op = "clone", namespaces = { ... } }, { op = "close_fds" } }
end

--- With what maps the caller to root of the new user namespace.
local function mapped(...)
  local _, uid <const> = sys.getresuid()
  local _, gid <const> = sys.getresgid()
  return {
    { op = "clone", namespaces = { "user", ... } },
    { op = "close_fds" },
    { op = "await" },
    { op = "setgroups", value = "deny" },
    { op = "uid_map", map = { { inside = 0, outside = uid, count = 1 } } },
    { op = "gid_map", map = { { inside = 0, outside = gid, count = 1 } } },
  }
end

local RELEASE <const> = { { op = "release" } }
local IMAGE <const> = { { op = "image", path = sys.image_path() } }

local function unavailable(op, message)
  return nil, sys.error { op = op, code = "EUNAVAILABLE", message = message }
end

local function first_number(path)
  local fd <close>, err = sys.open(path)
  if not fd then
    return nil, err
  end
  local file <close> = assert(fd:file("r"))
  return file:read("n") or nil
end

-- ---- namespaces -----------------------------------------------------------

local WITH_USER <const> = "with a user namespace"

--- What is available has a note in place of the error.
local function noted(done, err)
  return done, done and WITH_USER or err
end

function tries.namespace(type)
  return function()
    local done <const>, err = attempt(clone(type))
    if done or type == "user" then
      return done, err
    end
    return noted(attempt(clone("user", type)))
  end
end

--- Who is alone in its memory may enter one, on every kernel.
function tries.time_namespace()
  local time <const> = { { op = "time" } }
  if attempt(IMAGE, clone(), time) then
    return true
  end
  return noted(attempt(IMAGE, clone("user"), time))
end

function tries.unprivileged()
  return attempt(clone(), {
    { op = "capabilities" },
    { op = "unshare", namespaces = { "user" } },
  })
end

-- As deep as the kernel goes.
local LEVELS <const> = 33

--- Writes what a user namespace in a user namespace in ... needs to have ids.
local function nested()
  local _, uid = sys.getresuid()
  local _, gid = sys.getresgid()
  local steps <const>, level_of <const> = clone(), {}
  for level = 1, LEVELS do
    steps[#steps + 1] = { op = "unshare", namespaces = { "user" } }
    level_of[#steps] = level
    for _, file in ipairs { { "setgroups", "deny" }, { "uid_map", "0 %d 1", uid }, { "gid_map", "0 %d 1", gid } } do
      steps[#steps + 1] = { op = "sysctl", path = "/proc/self/" .. file[1], value = file[2]:format(file[3]) }
    end
    uid, gid = 0, 0
  end
  steps[#steps + 1] = { op = "leave" }
  return steps, level_of
end

-- In seconds: how long the namespaces of trials before may count.
local PAUSES <const> = { 0, 0.03, 0.1 }

--- How deep one gets: the deepest, as trials before can only take away from it.
function tries.levels()
  local steps <const>, level_of <const> = nested()
  local deepest, refusal = 0, nil
  for _, pause in ipairs(PAUSES) do
    sys.poll({}, pause)
    local done <const>, err = trial.once(steps)
    local left <const> = done and LEVELS or (level_of[err.step] or 1) - 1
    refusal = err and reason(err, steps)
    if left <= deepest then
      break
    end
    deepest = left
  end
  if deepest > 0 then
    return deepest
  end
  return nil, refusal
end

-- ---- processes ------------------------------------------------------------

--- A system call that is answered by the kernel, and not for want of it or by a
--- filter.
function tries.system_call(name)
  return function()
    local answer <const>, expected <const>, privileged <const> = sys.probe(name)
    if not answer then
      return nil, expected
    elseif answer == expected or privileged and answer == "EPERM" then
      return true
    end
    return nil, sys.error {
      op = name, syscall = name, code = answer,
      message = answer == "ENOSYS" and "Function not implemented" or "a filter of system calls denies it",
    }
  end
end

function tries.child()
  return attempt(clone())
end

function tries.pidfd_open()
  local handle <close>, err = sys.pidfd_open(sys.getpid())
  return handle and true, err
end

function tries.pidfd_info()
  local info <const>, err = sys.pidfd_info "self"
  return info and true, err
end

function tries.terminal()
  return attempt(clone(), { { op = "setsid" }, { op = "pty", path = "/dev/ptmx", rows = 24, cols = 80 } })
end

-- ---- ids ------------------------------------------------------------------

local function ranges_of(kind)
  local _, uid <const> = sys.getresuid()
  return subids.of(uid)[kind]
end

function tries.subordinate(kind)
  return function()
    local words <const> = {}
    for i, range in ipairs(ranges_of(kind)) do
      words[i] = ("%d:%d"):format(range.start, range.count)
    end
    if words[1] then
      return table.concat(words, " ")
    end
    return unavailable("sub" .. kind, ("the caller has no range in /etc/sub%s"):format(kind))
  end
end

--- Has it map the caller's own id and the first subordinate one.
function tries.id_helper(name, kind)
  return function()
    local path <const>, err = idtools.find(name)
    if not path then
      return nil, err
    end
    local _, own <const> = sys["getres" .. kind]()
    local map <const>, range <const> = { { inside = 0, outside = own, count = 1 } }, ranges_of(kind)[1]
    map[2] = range and { inside = 1, outside = range.start, count = 1 }
    local done <const>, why = attempt(clone("user"), { { op = "await" }, { op = name, path = path, map = map } },
      RELEASE)
    return done and path, why
  end
end

-- ---- mounts ---------------------------------------------------------------

local PRIVATE <const> = { { op = "propagation", kind = "private" }, { op = "root_tmpfs", options = { "mode=755" } } }

function tries.mount()
  return attempt(mapped("mnt"), RELEASE, PRIVATE)
end

function tries.overlay()
  return attempt(mapped("mnt"), RELEASE, PRIVATE, {
    { op = "mount", type = "tmpfs", target = "/lower", options = {}, slot = 0 },
    { op = "overlay", target = "/merged", lower = { 0 }, scratch = { "mode=700" }, mode = 493, -- 0755
      options = { "userxattr" } },
  })
end

--- A tmpfs that is attached nowhere.
local function detached()
  local context <close>, err = sys.fsopen "tmpfs"
  if not context then
    return nil, err
  end
  local ok <const>, why = context:create()
  if not ok then
    return nil, why
  end
  return context:mount()
end

function tries.shift()
  local tmpfs <close>, err = detached()
  if not tmpfs then
    return nil, err
  end
  local map <const> = { { inside = 0, outside = 1, count = 1 } }
  return idmapped.shift(tmpfs, false, map, map)
end

-- ---- confinement ----------------------------------------------------------

function tries.landlock()
  local abi <const>, err = sys.landlock_abi()
  if abi == 0 then
    return unavailable("landlock", "this kernel has no Landlock, or it is switched off")
  end
  return abi and "ABI " .. abi, err
end

-- BPF_RET | BPF_K, SECCOMP_RET_ALLOW
local ALLOW_ALL <const> = ("<I2BBI4"):pack(6, 0, 0, 0x7FFF0000)

function tries.filter()
  return attempt(clone(), { { op = "no_new_privs" }, { op = "seccomp", filter = ALLOW_ALL } })
end

function tries.libseccomp()
  local number <const>, err = sys.syscall_number "read"
  return number and true, err
end

-- ---- resources ------------------------------------------------------------

local function in_cgroup(hierarchy, path)
  local enter <const> = { { op = "await" }, { op = "enter_cgroup" }, { op = "release" } }
  return attempt({ { op = "cgroup", version = hierarchy.version, path = path, fields = {} } }, clone(), enter)
end

--- Makes a cgroup in each hierarchy of a version; the controllers of those where
--- the caller may.
function tries.delegation(version)
  return function()
    local hierarchies <const>, err = cgroups.read()
    local words <const>, found, refusal = {}, false, err
    for _, hierarchy in ipairs(hierarchies or {}) do
      if hierarchy.version == version and hierarchy.own then
        local path <const> = (hierarchy.target .. hierarchy.own):gsub("/$", "")
        local done <const>, why = in_cgroup(hierarchy, path)
        found, refusal = found or done, refusal or why
        table.move(done and hierarchy.controllers or {}, 1, #hierarchy.controllers, #words + 1, words)
      end
    end
    if found then
      return table.concat(words, " ")
    elseif refusal then
      return nil, refusal
    end
    return unavailable("cgroup", ("no cgroup of version %d is in sight"):format(version))
  end
end

function tries.namespace_limit(type)
  return function()
    return first_number(("/proc/sys/user/max_%s_namespaces"):format(type))
  end
end

function tries.processes()
  local fd <close>, err = sys.open("/proc/self/limits")
  if not fd then
    return nil, err
  end
  local file <close> = assert(fd:file("r"))
  return (rlimits.of(file:read("a"), "nproc") or {}).soft
end

function tries.mount_limit()
  return first_number "/proc/sys/fs/mount-max"
end

-- ---- the network ----------------------------------------------------------

--- Whether it runs: it takes longer than all the rest to serve a namespace.
function tries.uplink(type)
  return function()
    local path <const> = tool.find(type)
    if not path then
      return nil, network.not_installed(type)
    end
    local result <const>, err = tool.run(path, { type, "--version" })
    if result and not result.ok then
      return unavailable("uplink", "it does not run: exit status " .. tostring(result.exit_code or result.signal))
    end
    return result and path, err
  end
end

function tries.release()
  return sys.uname().release
end

return tries
