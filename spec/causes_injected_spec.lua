-- Where a refusal has no reason on this host nothing wrong is claimed: strace(1)
-- answers system calls that would be done.  The tracer itself is what is left, and
-- what cannot be ruled out beside it.
local helper = require "spec.helper"
local told = require "spec.support.told"

local way <const> = helper.privilege

-- Each is done where nobody answers in the kernel's place.
local CALLS <const> = [[
  local OWN = assert(sys.namespace("uts", "self"))
  local ALLOW = string.pack("<I2BBI4", 6, 0, 0, 0x7fff0000)
  tell(sys.mount { target = "/mnt", type = "tmpfs" })
  tell(sys.mount { source = "/usr", target = "/mnt", options = "rbind" })
  tell(sys.mount { target = "/", options = "rprivate" })
  tell(sys.mount_setattr("/", { set = "nosuid" }))
  tell(sys.open_tree("/usr", { clone = true, recursive = true }))
  tell(sys.fsopen "tmpfs")
  tell(sys.sethostname "box")
  tell(sys.setns(OWN, "uts"))
  tell(sys.pidfd_open(1))
  tell(sys.setresuid(UID, UID, UID))
  tell(sys.setresgid(GID, GID, GID))
  tell(sys.chroot "/")
  tell(sys.seccomp(ALLOW))
  tell(sys.unshare { "uts", "ipc" })
  tell(sys.clone({}, function() end))
]]

local INJECTED <const> = "mount,mount_setattr,open_tree,fsopen,sethostname,setns,pidfd_open,setresuid,setresgid,chroot,"
  .. "seccomp,unshare,clone,clone3"

local CODES <const> = "EPERM EACCES EINVAL ENOENT ENOTDIR ELOOP EBUSY ENOSPC ENODEV ENOSYS EAGAIN ENOMEM E2BIG EBADF "
  .. "ESRCH EMFILE ENFILE EOPNOTSUPP EROFS"

--- A wrapper in which a tracer answers some system calls.
local function injecting(calls, code, nth)
  return ("strace -f -qqq -o /dev/null -e trace=%s -e inject=%s:error=%s%s"):format(calls, calls, code,
    nth and ":when=" .. nth or "")
end

--- Nothing is claimed but that the tracer may be behind it.
local function check(list, name)
  for i, one in ipairs(list) do
    local text <const> = ("%s: %d %s %s: %s; %s; %s"):format(name, i, one.op, one.code, one.cause, one.why, one.hint)
    assert.is_true(one.code ~= "", text)
    assert.is_true(one.cause == "traced" or one.cause:find "^either .*traced$" ~= nil, text)
  end
end

describe("where a refusal has no reason on this host nothing wrong is claimed", function()
  it("by the lower floor", function()
    local apart <const> = helper.own_mounts .. " --uts "
    local done <const> = told(CALLS, apart)
    for i, one in ipairs(done) do
      assert.equal("", one.code, ("%d: %s %s"):format(i, one.op, one.cause))
    end
    for code in CODES:gmatch "%S+" do
      local list <const> = told(CALLS, apart .. injecting(INJECTED, code))
      assert.equal(#done, #list)
      check(list, code)
    end
  end)

  -- Hundreds of launches are failure_spec.lua's; here are the calls that have causes.
  it("by the upper floor", function()
    local script <const> = [[
      tell(run {
        hostname = "box", nice = 5, rlimits = { nofile = 64 }, oom_score_adj = 500, time_offsets = { boottime = 5 },
        root = { type = "bind", source = "/" },
        mounts = {
          { type = "proc", target = "/proc" }, { type = "tmpfs", target = "/tmp" },
          { type = "bind", source = "/usr", target = "/usr", readonly = true },
        },
      })
    ]]
    assert.equal("true", told(script)[1].op)
    for call in ("clone,clone3 unshare mount pivot_root open_tree fsopen fsconfig fsmount move_mount mount_setattr "
      .. "sethostname setresuid setresgid setgroups setpriority prlimit64 capset prctl setsid"):gmatch "%S+" do
      for _, code in ipairs { "EPERM", "EINVAL" } do
        local list <const> = told(script, injecting(call, code))
        if list[1].code ~= "" then -- what is refused is made up for, or is not called here
          check(list, call)
        end
      end
    end
  end)

  if way == "root" then
    it("and the child's refusal is told, not what its end is to the host", function()
      local list <const> = told([[
        tell(run { network = { veth = { { name = "eth0", address = "10.99.1.2/24" } } } })
      ]], "unshare --net " .. injecting("prctl", "EPERM"))
      assert.same({ "pdeathsig", "EPERM", "traced" }, { list[1].op, list[1].code, list[1].cause })
    end)
  end
end)
