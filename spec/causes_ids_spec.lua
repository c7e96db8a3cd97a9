-- Why namespaces are not joined, ids not mapped or taken, and who runs a program not
-- confined: each refusal is produced for real.
local helper = require "spec.helper"
local told = require "spec.support.told"

local way <const> = helper.privilege
local THREADS <const> = "timeout --signal=ABRT --kill-after=10 60 build/spec/threads"

-- The interpreter is still found, and nothing else.
local NO_PATH <const> = [[sh -c 'program=$(command -v "$1"); shift; PATH=/nowhere exec "$program" "$@"' sh]]

local function causes(script, wrapper)
  local list <const> = {}
  for i, one in ipairs(told(script, wrapper)) do
    assert.is_true(one.cause == "" or one.cause == "none" or #one.hint > 10, one.op)
    list[i] = one.cause == "" and one.op or ("%s %s %s"):format(one.op, one.code, one.cause)
  end
  return list
end

--- Puts the interpreter into namespaces in which it may mount, tied to nothing.
local ENTER <const> = [[
  enter "mnt"
  assert(sys.mount { target = "/", options = "rprivate" })
]]

--- A script of which each line tells of a refusal: the causes expected.
local function check(expected, script, wrapper)
  assert.same(expected, causes(script, wrapper))
end

local function without(capability)
  return ("setpriv --inh-caps=-all --bounding-set=-%s"):format(capability)
end

describe("a namespace is not joined", function()
  it("where it is none, or another", function()
    check({
      "setns EINVAL not_ns_fd", "namespace ENOTTY not_ns_fd", "setns EINVAL type_mismatch",
      "namespace EINVAL type_mismatch", "namespace ENOENT no_such_file",
    }, [[
      tell(sys.setns("/dev/null", "net"))
      tell(sys.namespace("net", "/dev/null"))
      tell(sys.setns("/proc/self/ns/uts", "net"))
      tell(sys.namespace("net", "/proc/self/ns/uts"))
      tell(sys.namespace("net", "/nowhere/net"))
    ]])
    local one <const> = told [[ tell(sys.setns("/proc/self/ns/uts", "net")) ]][1]
    assert.equal("it is a uts namespace", one.why)
  end)

  it("that the caller is in already", function()
    check({ "setns EINVAL same_userns", "join EINVAL same_userns" }, [[
      tell(sys.setns("/proc/self/ns/user", "user"))
      tell(run { join = { user = "self" } })
    ]])
  end)

  it("by a caller that has threads", function()
    local mnt <const> = ({
      root = "setns EINVAL multithreaded", user = "setns EPERM no_cap_in_own", userns = "setns EPERM no_cap_in_target",
    })[way]
    check({ "setns EINVAL multithreaded", mnt }, [[
      local child <close> = mapped { "user" }
      local thread = threads.start "threads.post(1) threads.await(2)"
      threads.await(1)
      tell(sys.setns(child, "user"))
      tell(sys.setns("/proc/self/ns/mnt", "mnt"))
      threads.post(2)
      thread:join()
    ]], THREADS)
    if way == "root" then
      check({ "setns EUSERS multithreaded_time" }, [[
        local thread = threads.start "threads.post(1) threads.await(2)"
        threads.await(1)
        tell(sys.setns("/proc/self/ns/time", "time"))
        threads.post(2)
        thread:join()
      ]], THREADS)
    end
  end)

  it("by a caller that shares its root with another process", function()
    check({ "setns EINVAL fs_shared" }, [[
      local child <close> = mapped "user"
      tell(sys.setns(assert(sys.namespace("user", child))))
    ]], [[perl -e 'use POSIX; my ($clone, $prctl) = (POSIX::uname())[4] eq "x86_64" ? (56, 157) : (220, 167);
      if (syscall($clone, 0x200 | 17, 0, 0, 0, 0) == 0) {
        syscall($prctl, 1, 9, 0, 0, 0); close STDOUT; close STDERR; sleep 60; exit
      }
      exec @ARGV']])
  end)

  it("before the user namespace that it belongs to, where that takes privilege", function()
    local script <const> = [[
      local child <close> = mapped { "user", "net" }
      local net <close> = assert(sys.namespace("net", child))
      local user <close> = assert(sys.namespace("user", child))
      tell(sys.setns(net))
      tell(run { namespaces = {}, join = { net = child } })
      tell(sys.setns(user))
      tell(sys.setns(net))
    ]]
    if way == "user" then
      check({ "setns EPERM no_cap_in_own", "join EPERM no_cap_in_own", "true", "true" }, script)
      assert.matches("^join the user namespace that owns it first", told(script)[1].hint)
    else
      check({ "true", "true", "true", "true" }, script)
      local cause <const> = way == "root" and "no_cap_in_own" or "no_cap_in_target"
      check({ "setns EPERM " .. cause, "join EPERM " .. cause },
        [[ tell(sys.setns("/proc/self/ns/net")) tell(run { namespaces = {}, join = { net = "self" } }) ]],
        without "sys_admin")
    end
    if way == "root" then
      assert.matches("CAP_SYS_CHROOT", told([[ tell(sys.setns("/proc/self/ns/mnt")) ]], without "sys_chroot")[1].why)
    end
  end)

  it("of a user namespace above or beside the one that is joined", function()
    check({ "setns EPERM no_cap_in_target", "setns EPERM no_cap_in_target" }, [[
      local other <close> = mapped { "user", "net" }
      local first, second = assert(sys.namespace("net", "self")), assert(sys.namespace("net", other))
      enter()
      tell(sys.setns(first))
      tell(sys.setns(second))
    ]])
    if way == "user" then
      check({ "join EPERM sibling_userns", "join EPERM no_cap_in_target" }, [[
        local first <close> = mapped { "user", "net" }
        local second <close> = mapped { "user", "net" }
        tell(run { namespaces = {}, join = { user = first, net = second } })
        tell(run { namespaces = {}, join = { user = first, net = "self" } })
      ]])
    end
  end)

  it("of a process that may not be looked into", function()
    if way == "root" then
      return check({ "true" }, [[ tell(sys.setns(sys.getpid(), "net")) ]])
    end
    check({ "namespace EACCES not_ptraceable", "setns EPERM not_ptraceable" },
      [[ tell(sys.namespace("net", 1)) tell(sys.setns(1, "net")) ]])
  end)

  it("of a process that is not there, or has ended", function()
    check({
      "namespace ENOENT no_such_process", "setns ESRCH no_such_process", "pidfd_open ESRCH no_such_process",
      "namespace ENOENT zombie", "setns ESRCH zombie",
    }, [[
      tell(sys.namespace("net", 4194303))
      tell(sys.setns(4194303, "net"))
      tell(sys.pidfd_open(4194303))
      local child <close> = assert(sys.clone({}, function() end))
      sys.poll({ { fd = child } }, 5)
      tell(sys.namespace("net", child.pid))
      tell(sys.setns(child.pid, "net"))
    ]])
  end)

  it("whose file may not be opened", function()
    check({ "namespace EACCES no_access", "setns EACCES no_access" }, [[
      local path = os.tmpname()
      assert(os.execute("chmod 000 " .. path))
      enter()
      assert(sys.setcaps { effective = "none", permitted = "none", inheritable = "none" })
      tell(sys.namespace("net", path))
      tell(sys.setns(path, "net"))
      os.remove(path)
    ]])
  end)

  it("where there is no procfs", function()
    check({ "true", "setns ENOENT no_proc", "namespace ENOENT no_proc", "uid_map ENOENT no_proc",
      "setgroups ENOENT no_proc", "uid_map ENOENT no_proc" }, ENTER .. [[
      tell(sys.mount { target = "/proc", type = "tmpfs" })
      tell(sys.setns("/proc/self/ns/net", "net"))
      tell(sys.namespace("net", 1))
      tell(sys.write_uid_map("self", { { inside = 0, outside = UID, count = 1 } }))
      tell(sys.write_setgroups("self", "deny"))
      tell(run {})
    ]])
  end)

  it("nor is the last cause that is left the one, where it is /proc that would tell of the others", function()
    check({
      "clone EBUSY no_proc", "hostname EPERM no_cap_in_target", "groups EPERM either setgroups_denied gid_map_unset",
      "true", "clone EPERM either chrooted euid_unmapped egid_unmapped",
    }, ENTER .. [[
      assert(sys.mount { target = "/proc", type = "tmpfs" })
      tell(sys.clone({}, function() end))
      tell(sys.sethostname "box")
      tell(sys.setgroups { 0 })
      tell(sys.unshare "user")
      tell(run {})
    ]])
  end)

  it("nor anything else of a process that goes by another number in /proc", function()
    check({ "namespace ESRCH foreign_proc", "true", "mountinfo ESRCH foreign_proc", "processes ESRCH foreign_proc",
      "capabilities ESRCH foreign_proc", "setgroups ESRCH foreign_proc", "uid_map ESRCH foreign_proc",
      "newuidmap ESRCH foreign_proc", "namespace ESRCH foreign_proc", "uid_map ESRCH foreign_proc" }, [[
      local child <close> = idle "user"
      assert(child:ready())
      tell(sys.namespace("net", child))
      tell((sys.namespace("net", "self") ~= nil))
      tell(sys.read_mountinfo(1))
      tell(sys.processes())
      tell(sys.getcaps(1))
      tell(sys.write_setgroups(child, "deny"))
      tell(sys.write_uid_map(child, { { inside = 0, outside = 0, count = 1 } }))
      tell(require "userns.idtools".newuidmap(child.pid, { { inside = 0, outside = 0, count = 1 } }))
      tell(run { join = { net = 1 } })
      tell(run {})
    ]], helper.own_mounts .. " --pid --fork")
  end)

  if way == "root" then
    it("nor is a program for the network, nor a pause, had for a stranger", function()
      check({ "uplink ESRCH foreign_proc", "processes ESRCH foreign_proc", "true" }, [[
        tell(run { namespaces = { "net" }, network = "slirp4netns" })
        local box = assert(userns.container { namespaces = { "pid" } })
        local sleeper <close> = assert(box:spawn { "/bin/sleep", "60" })
        tell(sleeper:pause())
        tell(sleeper:kill "KILL")
      ]], "unshare --pid --fork")
    end)
  end

  it("of a process that is known by a thread's number, nor is it killed", function()
    local list <const> = told([[
      local thread = threads.start "threads.post(1) threads.await(2)"
      threads.await(1)
      local tid
      for name in io.popen("ls /proc/" .. sys.getpid() .. "/task"):lines() do
        tid = name ~= tostring(sys.getpid()) and math.tointeger(tonumber(name)) or tid
      end
      tell(sys.pidfd_open(tid))
      tell(sys.kill(tid, "URG"))
      tell(sys.setns(tid, "net"))
      threads.post(2)
      thread:join()
    ]], THREADS)
    assert.equal(3, #list)
    for _, one in ipairs(list) do -- EINVAL of older kernels, ENOENT of others
      assert.equal("thread_id", one.cause)
      assert.matches("^name process %d+$", one.hint)
    end
  end)

  if way == "root" then
    it("of a process that /proc does not show, though it is there", function()
      check({ "namespace ENOENT hidden_process", "namespace ENOENT hidden_process", "uid_map ENOENT hidden_process",
        "kill EPERM other_owner", "namespace ENOENT no_such_process" }, [[
        assert(sys.setgroups {})
        assert(sys.setresgid(65531, 65531, 65531))
        assert(sys.setresuid(65531, 65531, 65531))
        tell(sys.namespace("net", 1))
        tell(run { namespaces = {}, join = { net = 1 } })
        tell(sys.write_uid_map(1, { { inside = 0, outside = UID, count = 1 } }))
        tell(sys.kill(1, "URG"))
        tell(sys.namespace("net", 4194303))
      ]], [[unshare -m sh -c 'mount -t proc -o hidepid=2 proc /proc; exec "$@"' sh]])
    end)
  end

  if way ~= "user" then
    it("where it is a pid namespace above", function()
      check({ way == "root" and "setns EINVAL pidns_not_descendant" or "setns EPERM no_cap_in_target" }, [[
        local first = assert(sys.namespace("pid", "self"))
        assert(sys.clone("pid", function() tell(sys.setns(first)) end)):wait()
      ]])
    end)
  end
end)

describe("ids are not mapped", function()
  it("a second time, or where there is no new namespace", function()
    check({ "uid_map EPERM already_mapped", "gid_map EPERM already_mapped", "setgroups EPERM deny_after_gid_map",
      "setgroups EPERM allow_after_deny" }, [[
      enter()
      tell(sys.write_uid_map("self", { { inside = 0, outside = UID, count = 1 } }))
      tell(sys.write_gid_map("self", { { inside = 0, outside = GID, count = 1 } }))
      tell(sys.write_setgroups("self", "deny"))
      tell(sys.write_setgroups("self", "allow"))
    ]])
    if way ~= "userns" then
      check({ "uid_map EPERM wrong_ns" }, [[
        tell(sys.write_uid_map("self", { { inside = 0, outside = UID, count = 1 } }))
      ]])
    end
  end)

  it("in the wrong order", function()
    -- in a namespace that denies setgroups, the new one does from the start
    local first <const> = way ~= "userns" and "gid_map EPERM setgroups_allow" or nil
    check({ first or "true", first and "true" or "setgroups EPERM deny_after_gid_map",
      first and "true" or "gid_map EPERM already_mapped",
      "setgroups EPERM deny_after_gid_map" }, [[
      assert(sys.unshare "user")
      tell(sys.write_gid_map("self", { { inside = 0, outside = GID, count = 1 } }))
      tell(sys.write_setgroups("self", "deny"))
      tell(sys.write_gid_map("self", { { inside = 0, outside = GID, count = 1 } }))
      tell(sys.write_setgroups("self", "deny"))
    ]])
  end)

  it("that are others'", function()
    check({ "uid_map EPERM single_id_rule", "uid_map EPERM single_id_rule", "true",
      "gid_map EPERM single_id_rule" }, [[
      assert(sys.unshare "user")
      tell(sys.write_uid_map("self", { { inside = 0, outside = 54321, count = 1 } }))
      local own, other = { inside = 0, outside = UID, count = 1 }, { inside = 1, outside = 7, count = 2 }
      tell(sys.write_uid_map("self", { own, other }))
      tell(sys.write_setgroups("self", "deny"))
      tell(sys.write_gid_map("self", { { inside = 0, outside = 54321, count = 1 } }))
    ]])
    local expected <const> = {
      root = "true", user = "uid_map EPERM single_id_rule", userns = "uid_map EPERM outer_unmapped",
    }
    check({ expected[way] }, [[
      local child <close> = idle "user"
      assert(child:ready())
      tell(sys.write_uid_map(child, { { inside = 0, outside = 54321, count = 1 } }))
    ]])
    check({ way == "user" and "newuidmap EPERM subid_range" or expected[way] }, [[
      tell(run { uid_map = { { inside = 0, outside = 54321, count = 1 } } })
    ]], way == "userns" and NO_PATH or nil)
  end)

  if way == "user" then
    it("without the program that may", function()
      local one <const> = told([[
        local own, other = { inside = 0, outside = UID, count = 1 }, { inside = 1, outside = 100000, count = 9 }
        tell(run { uid_map = { own, other } })
      ]], NO_PATH)[1]
      assert.same({ "uid_map", "EPERM", "not_installed" }, { one.op, one.code, one.cause })
      assert.matches("uidmap", one.hint)
    end)
  end

  it("with uid 0 of the namespace above, without CAP_SETFCAP there", function()
    local script <const> = [[
      tell(run { uid_map = { { inside = 0, outside = 0, count = 1 } } })
      local child <close> = idle "user"
      assert(child:ready())
      tell(sys.write_uid_map(child, { { inside = 0, outside = 0, count = 1 } }))
    ]]
    if way == "user" then
      return check({ "uid_map EPERM not_installed", "uid_map EPERM single_id_rule" }, script, NO_PATH)
    end
    check({ "uid_map EPERM needs_setfcap", "uid_map EPERM needs_setfcap" }, script, without "setfcap")
  end)

  if way == "root" then
    it("of others without CAP_SETUID", function()
      check({ "uid_map EPERM needs_cap_setid" }, [[
        tell(run { uid_map = { { inside = 0, outside = 54321, count = 2 } } })
      ]], without "setuid" .. " " .. NO_PATH)
    end)

    it("of a namespace that another user made, without CAP_SYS_ADMIN", function()
      check({ "uid_map EPERM opener_caps", "gid_map EPERM opener_caps" }, [[
        local child <close> = assert(sys.clone({}, function(gate)
          assert(sys.setgroups {})
          assert(sys.setresgid(65531, 65531, 65531))
          assert(sys.setresuid(65531, 65531, 65531))
          assert(sys.unshare "user")
          assert(sys.prctl("dumpable", true))
          gate:ready()
          gate:await()
        end, { handshake = true }))
        assert(child:ready())
        tell(sys.write_uid_map(child, { { inside = 0, outside = 65531, count = 1 } }))
        tell(sys.write_gid_map(child, { { inside = 0, outside = 65531, count = 1 } }))
      ]], without "sys_admin")
    end)

    it("through a read-only /proc", function()
      check({ "uid_map EROFS proc_ro", "setgroups EROFS proc_ro" }, [[
        tell(run {})
        tell(sys.write_setgroups("self", "deny"))
      ]], [[unshare -m sh -c 'mount -o remount,bind,ro /proc; exec "$@"' sh]])
    end)
  end

  it("of a process that is another's, is gone, or hides itself", function()
    check({ "uid_map ENOENT no_such_process" },
      [[ tell(sys.write_uid_map(4194303, { { inside = 0, outside = UID, count = 1 } })) ]])
    if way == "root" then
      return
    end
    check({ "uid_map EACCES other_owner" },
      [[ tell(sys.write_uid_map(1, { { inside = 0, outside = UID, count = 1 } })) ]])
    check({ "uid_map EACCES zombie" }, [[
      local child <close> = assert(sys.clone({}, function() end))
      sys.poll({ { fd = child } }, 5)
      tell(sys.write_uid_map(child.pid, { { inside = 0, outside = UID, count = 1 } }))
    ]])
    if way == "user" then
      local list <const> = causes [[ sys.prctl("dumpable", false) tell(run {}) ]]
      assert.matches("EACCES non_dumpable$", list[1])
    end
  end)
end)

-- ---- newuidmap and newgidmap --------------------------------------------------

if way == "user" then
  describe("newuidmap does not map", function()
    local CHILD <const> = [[
      local idtools = require "userns.idtools"
      local child <close> = idle "user"
      assert(child:ready())
      local function map(outside, count)
        tell(idtools.newuidmap(child.pid, { { inside = 0, outside = outside, count = count } }))
      end
    ]]

    it("where it is not there", function()
      check({ "newuidmap ENOENT not_installed" }, CHILD .. " map(100000, 10)", NO_PATH)
    end)

    it("where it is not set-uid", function()
      local directory <const> = helper.directory()
      assert(os.execute(("cp /usr/bin/newuidmap /usr/bin/newgidmap %s && chmod 755 %s/*"):format(directory, directory)))
      local start <const> = helper.shell("sed -n 's/^userns-test:\\([0-9]*\\):.*/\\1/p' /etc/subuid").out:match "%d+"
      local wrapper <const> = ("env PATH=%s:/usr/bin:/bin"):format(directory)
      check({ "newuidmap EPERM not_setuid" }, CHILD .. ("map(%s, 10)"):format(start), wrapper)
      check({ "newuidmap EPERM not_setuid" },
        ([[ tell(run { uid_map = { { inside = 0, outside = %s, count = 10 } } }) ]]):format(start), wrapper)
      helper.remove(directory)
    end)

    it("where the caller may gain no privilege", function()
      local start <const> = helper.shell("sed -n 's/^userns-test:\\([0-9]*\\):.*/\\1/p' /etc/subuid").out:match "%d+"
      check({ "newuidmap EPERM no_new_privs" }, CHILD .. ("map(%s, 10)"):format(start), "setpriv --no-new-privs")
    end)

    it("what /etc/subuid does not grant", function()
      check({ "newuidmap EPERM subid_range" }, CHILD .. "map(1, 10)")
      local list <const> = told [[ tell(run { uid_map = { { inside = 0, outside = 7, count = 10 } } }) ]]
      assert.same({ "newuidmap", "EPERM", "subid_range" }, { list[1].op, list[1].code, list[1].cause })
      assert.matches("/etc/subuid grants the caller %d+ to %d+, and 7 to 16 is not all in there", list[1].why)
    end)

    it("beyond the last id", function()
      check({ "newuidmap EPERM subid_overflow" }, CHILD .. "map(4294967290, 10)")
    end)

    it("twice", function()
      local start <const> = helper.shell("sed -n 's/^userns-test:\\([0-9]*\\):.*/\\1/p' /etc/subuid").out:match "%d+"
      check({ "true", "newuidmap EPERM already_mapped" }, CHILD .. ("map(%s, 10) map(%s, 10)"):format(start, start))
    end)
  end)
end

if way == "root" then
  describe("newuidmap does not map for an ordinary user", function()
    local MAP <const> = [[
      assert(sys.setgroups {})
      assert(sys.setresgid(ID, ID, ID))
      assert(sys.setresuid(ID, ID, ID))
      assert(sys.prctl("dumpable", true))
      local child <close> = idle "user"
      assert(child:ready())
      tell(require "userns.idtools".newuidmap(child.pid, { { inside = 0, outside = 100000, count = 10 } }))
    ]]

    --- `words`: what root changes in a mount namespace of its own before.
    local function check_of(id, cause, words)
      check({ "newuidmap EPERM " .. cause }, (MAP:gsub("ID", id)),
        "unshare -m sh -c " .. helper.quote(words .. ' exec "$@"') .. " sh")
    end

    it("who gets no capability by a program's mode", function()
      check({ "newuidmap EPERM no_cap_setuid" }, [[
        tell(run { uid_map = { { inside = 0, outside = 0, count = 1 }, { inside = 1, outside = 100000, count = 9 } } })
      ]], without "setuid")
    end)

    local own <const> = helper.shell("id -u userns-test").out:match "%d+"

    it("who has no range", function()
      check_of(own, "subid_missing", "mount --bind /dev/null /etc/subuid;")
    end)

    it("who may not read what the file grants", function()
      check_of(own, "subid_range",
        "mount -t tmpfs none /mnt; touch /mnt/subuid; chmod 600 /mnt/subuid; mount --bind /mnt/subuid /etc/subuid;")
    end)

    it("who has no name", function()
      check_of("65531", "no_passwd_entry", "")
    end)

    it("where the program is on a mount that takes its privilege", function()
      check_of(own, "nosuid_mount", "mount -t tmpfs -o nosuid,mode=755 none /mnt; cp -p $(command -v newuidmap) /mnt;"
        .. " PATH=/mnt:$PATH;")
    end)
  end)
end

if way == "userns" then
  it("newuidmap does not map what the caller's own user namespace has not got", function()
    check({ "newuidmap EPERM outer_unmapped" }, [[
      local child <close> = idle "user"
      assert(child:ready())
      tell(require "userns.idtools".newuidmap(child.pid, { { inside = 0, outside = 100000, count = 10 } }))
    ]])
  end)
end

-- ---- names, ids, capabilities ---------------------------------------------------

describe("who runs the program is not set", function()
  it("for want of a capability", function()
    local wrapper <const> = way ~= "user" and "setpriv --inh-caps=-all --bounding-set=-all" or nil
    local one_id <const> = way == "userns" and "true"
    check({
      "hostname EPERM no_cap_sys_admin", "domainname EPERM no_cap_sys_admin", one_id or "setuid EPERM no_cap_setuid",
      one_id or "setgid EPERM no_cap_setgid", "bounding EPERM no_cap_setpcap", "securebits EPERM no_cap_setpcap",
    }, ([[
      local other = %s
      tell(sys.sethostname "box")
      tell(sys.setdomainname "box")
      tell(sys.setresuid(other, other, other))
      tell(sys.setresgid(other, other, other))
      tell(sys.drop_bounding "net_raw")
      tell(sys.set_securebits "noroot")
    ]]):format(way == "userns" and "0" or "4711"), wrapper)
  end)

  it("where the uts namespace belongs to another user namespace", function()
    check({ "hostname EPERM no_cap_in_target" }, [[ enter() tell(sys.sethostname "box") ]])
  end)

  it("to ids of a joined namespace that maps nobody yet", function()
    local one <const> = told([[
      local child <close> = idle "user"
      assert(child:ready())
      tell(run { namespaces = {}, join = { user = child } })
    ]])[1]
    assert.same({ "EINVAL", "id_unmapped" }, { one.code, one.cause })
    assert.matches("maps nobody yet", one.hint)
  end)

  it("to ids that are not mapped", function()
    check({ "setuid EINVAL id_unmapped", "setgid EINVAL id_unmapped", "groups EPERM setgroups_denied" }, [[
      enter()
      tell(sys.setresuid(4711, 4711, 4711))
      tell(sys.setresgid(4711, 4711, 4711))
      tell(sys.setgroups { 0 })
    ]])
  end)

  if way ~= "userns" then -- where setgroups is denied from the start
    it("before groups are mapped", function()
      check({ "groups EPERM gid_map_unset" }, [[
        assert(sys.unshare "user")
        tell(sys.setgroups { 0 })
      ]])
    end)
  end

  it("where secure bits are locked", function()
    check({ "ambient EPERM ambient_locked", "securebits EPERM securebit_locked", "true",
      "keep_caps EPERM securebit_locked" }, [[
      enter()
      assert(sys.setcaps { effective = "all", permitted = "all", inheritable = "all" })
      local locked = { "no_cap_ambient_raise", "no_cap_ambient_raise_locked" }
      assert(sys.set_securebits(locked))
      tell(sys.set_ambient "net_raw")
      tell(sys.set_securebits {})
      tell(sys.set_securebits { "keep_caps_locked", table.unpack(locked) })
      tell(sys.prctl("keep_caps", true))
    ]])
  end)

  it("to what a file would give", function()
    local list <const> = told([[
      local path = os.tmpname()
      enter()
      assert(sys.setcaps { effective = "none", permitted = "none", inheritable = "none" })
      tell(sys.set_file_caps(path, "cap_net_raw=ep"))
      assert(sys.unshare "user")
      tell(sys.set_file_caps(path, "cap_net_raw=ep"))
      os.remove(path)
    ]])
    for i, why in ipairs { "which the caller has not$", "whose owner or group is not mapped" } do
      assert.same({ "file_caps", "EPERM", "no_cap_setfcap" }, { list[i].op, list[i].code, list[i].cause })
      assert.matches(why, list[i].why)
    end
  end)

  if way ~= "root" then
    it("and no process of another user's is killed", function()
      check({ "kill EPERM other_owner" }, [[ tell(sys.kill(1, "URG")) ]]) -- CONT may go to one's session
    end)
  end

  if way == "user" then
    it("to groups that the container's namespace denies", function()
      check({ "groups EPERM setgroups_denied" }, [[ tell(run { process = { groups = { 0 } } }) ]])
    end)

    it("to capabilities that the caller has not got, where no user namespace gives them", function()
      local list <const> = told [[ tell(run { namespaces = {}, capabilities = { "net_admin" } }) ]]
      assert.equal("cap_not_permitted", list[1].cause)
      assert.matches("^net_admin is not in the permitted set", list[1].why)
    end)
  end

  it("to capabilities that are lost", function()
    check({ "capabilities EPERM cap_not_permitted", "ambient EPERM ambient_not_permitted" }, [[
      assert(sys.setcaps { effective = "none", permitted = "none", inheritable = "none" })
      tell(sys.setcaps { permitted = { "net_raw" } })
      tell(sys.set_ambient "net_raw")
    ]])
  end)
end)

describe("a filter or a ruleset does not hold", function()
  local ALLOW <const> = [[ local ALLOW = string.pack("<I2BBI4", 6, 0, 0, 0x7fff0000) ]]

  it("without no_new_privs", function()
    local wrapper <const> = way ~= "user" and "setpriv --inh-caps=-all --bounding-set=-all" or nil
    check({ "seccomp EACCES no_new_privs" }, ALLOW .. "tell(sys.seccomp(ALLOW))", wrapper)
  end)

  it("that is no filter, or one too many", function()
    check({ "seccomp EINVAL filter_invalid", "seccomp ENOMEM filters_too_long" }, ALLOW .. [[
      assert(sys.prctl("no_new_privs", true))
      tell(sys.seccomp(string.pack("<I2BBI4", 0x28, 0, 0, 1)))
      local long = ALLOW:rep(4096)
      local ok, err
      repeat
        ok, err = sys.seccomp(long)
      until not ok
      tell(ok, err)
    ]])
  end)
end)

describe("what is set once for each process is refused", function()
  it("to who has had 16 Landlock rulesets", function()
    -- each denies what nobody here does: to make block devices
    check({ "landlock E2BIG landlock_layers" },
      [[ tell(run { namespaces = {}, landlock = { fs = { { path = "/", allow = { "read", "execute" } } } } }) ]],
      [[setpriv --no-new-privs perl -e 'my $attr = pack("Q", 1 << 11); for (1 .. 16) {
        my $fd = syscall(444, $attr, 8, 0); syscall(446, $fd, 0) == 0 or die $! } exec @ARGV']])
  end)

  if way == "root" then
    it("to a user who has too many keys", function()
      -- add_key(2) of one whom nobody else is here, to a session keyring that nobody else has
      check({ "keyring EDQUOT key_quota" }, [[
        assert(sys.setgroups {})
        assert(sys.setresgid(65531, 65531, 65531))
        assert(sys.setresuid(65531, 65531, 65531))
        assert(sys.prctl("dumpable", true))
        tell(run { namespaces = {}, strict = true })
      ]], [[perl -e 'use POSIX; my ($type, $key) = ("user", "x");
        my ($add, $keyctl) = (POSIX::uname())[4] eq "x86_64" ? (248, 250) : (217, 219);
        $> = 65531; syscall($keyctl, 1, 0);
        for (1 .. 200) { my $name = "key$_"; syscall($add, $type, $name, $key, 1, -3) } $> = 0;
        exec @ARGV']])
    end)
  end
end)

describe("what a description cannot have", function()
  it("has its cause, and what to do", function()
    local userns <const> = require "userns"
    local long <const> = ("x"):rep(300)
    for cause, description in pairs {
      no_utsns = { share = "uts", hostname = "box" }, no_mntns = { share = "mnt", root = "/" },
      no_pidns = { share = "pid", init = true }, no_netns = { share = "net", sysctl = { ["net.ipv4.ip_forward"] = 1 } },
      no_new_privs = { no_new_privs = false, seccomp = "default" },
      not_namespaced = { sysctl = { ["vm.swappiness"] = 1 } },
      soft_above_hard = { rlimits = { nofile = { soft = 2, hard = 1 } } }, name_too_long = { root = "/" .. long },
      too_long = { hostname = long }, no_workdir = { root = { type = "overlay", lower = "/", upper = "/tmp" } },
      one_layer = { root = { type = "overlay", lower = "/" } },
    } do
      local box <const>, err <const> = userns.container(description)
      assert.is_nil(box)
      assert.same({ "EINVALID", cause }, { err.code, err.cause })
    end
    local box <const> = assert(userns.container {})
    local _, err = box:plan { "/bin/true", uid = 4711 }
    assert.same({ "id_unmapped", "process.uid" }, { err.cause, err.field })
    assert.matches("map this one too", err.hint)
  end)
end)

-- ---- limits of the host -----------------------------------------------------------

describe("of what the machine has", function()
  it("more descriptors than fs.nr_open are refused to everybody", function()
    check({ "raise_limit EPERM nr_open" }, [[ tell(run { rlimits = { nofile = 1 << 30 } }) ]])
  end)

  if way == "root" then
    it("an interface that is no bridge gets no ports", function()
      check({ "veth EOPNOTSUPP no_bridge" }, [[
        assert(os.execute "ip link add name port0 type veth")
        tell(run { network = { veth = { { name = "eth0", peer = { bridge = "port0" } } } } })
      ]], "unshare --net")
    end)
  end

  if way == "user" then
    it("a program for the network is not there", function()
      check({ "uplink ENOENT not_installed" }, [[ tell(run { network = "pasta" }) ]], NO_PATH)
    end)
  end
end)

describe("for want of descriptors", function()
  it("of the machine's, as a filter says in the kernel's place", function()
    check({ "open ENFILE file_max", "namespace ENFILE file_max" }, [[
      filter({ "openat", "openat2" }, "ENFILE")
      tell(sys.open "/dev/null")
      tell(sys.namespace("net", "self"))
    ]])
  end)

  it("both floors say so, though not even a file of their own can be opened", function()
    local list <const> = causes([[
      local box = assert(userns.container {})
      local list, fd = {}, sys.open "/dev/null"
      while fd do
        list[#list + 1], fd = fd, sys.open "/dev/null"
      end
      tell(sys.open "/dev/null")
      tell(box:run { "/bin/true" })
      tell(sys.namespace("net", "self"))
    ]], [[sh -c 'ulimit -n 24; exec "$@"' sh]])
    assert.matches(" EMFILE rlimit_nofile$", table.remove(list, 2))
    assert.same({ "open EMFILE rlimit_nofile", "namespace EMFILE rlimit_nofile" }, list)
  end)
end)
