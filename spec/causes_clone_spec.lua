-- Why no namespace and no process is created: each refusal is produced for real, on
-- both floors where both have it.
local helper = require "spec.helper"
local told = require "spec.support.told"

local way <const> = helper.privilege
local THREADS <const> = "timeout --signal=ABRT --kill-after=10 60 build/spec/threads"

--- In a user namespace whose limits are the script's to set.
local function limited(settings)
  local words <const> = {}
  for name, value in pairs(settings) do
    words[#words + 1] = ("echo %d >/proc/sys/user/max_%s_namespaces"):format(value, name)
  end
  return ("unshare -Ur sh -c %s sh"):format(helper.quote(table.concat(words, "; ") .. '; exec "$@"'))
end

--- "op code cause" of each refusal.
local function causes(script, wrapper)
  local list <const> = {}
  for i, one in ipairs(told(script, wrapper)) do
    assert.is_true(one.cause == "none" or #one.hint > 10, one.op)
    list[i] = ("%s %s %s"):format(one.op, one.code, one.cause)
  end
  return list
end

--- Both floors refuse it for one reason.
local function both(code, cause, script, wrapper, lower)
  assert.same({ ("%s %s %s"):format(lower or "unshare", code, cause), ("clone %s %s"):format(code, cause) },
    causes(script, wrapper))
end

describe("a namespace is not created", function()
  it("without privilege and without a user namespace", function()
    local wrapper <const> = way ~= "user" and "setpriv --inh-caps=-all --bounding-set=-sys_admin" or nil
    both("EPERM", "no_cap_sys_admin", [[ tell(sys.unshare "net") tell(run { namespaces = { "net" } }) ]], wrapper)
    local one <const> = told([[ tell(sys.unshare { "uts", "net" }) ]], wrapper)[1]
    assert.matches("^without a new user namespace, uts, net take CAP_SYS_ADMIN", one.why)
    assert.matches('"user"', one.hint)
  end)

  it("for a caller whose ids are not mapped", function()
    local script <const> = [[
      assert(sys.unshare "user")
      %s
      tell(sys.unshare "user")
      tell(run {})
    ]]
    assert.same("euid_unmapped", told(script:format "")[2].cause)
    both("EPERM", "egid_unmapped",
      script:format [[ assert(sys.write_uid_map("self", { { inside = 0, outside = UID, count = 1 } })) ]])
  end)

  it("for a caller that is chrooted", function()
    local directory <const> = helper.directory()
    local wrapper = ([[%s sh -c '
      mount -t tmpfs none %s && cd %s && mkdir root && cd root &&
      for d in bin lib lib64 usr proc dev tmp etc work; do
        test -e /$d && mkdir -p $d && mount --rbind /$d $d; done;
      mkdir -p .%s && mount --rbind %s .%s; exec chroot . env -C %s "$@"' sh]]):format(
      way == "root" and "unshare -m" or "unshare -Urm", directory, directory, "$PWD_", "$PWD_", "$PWD_", "$PWD_")
    wrapper = wrapper:gsub("%$PWD_", (helper.shell("pwd").out:gsub("\n", "")))
    both("EPERM", "chrooted", [[ tell(sys.unshare "user") tell(run {}) ]], wrapper)
    helper.remove(directory)
  end)

  it("where a limit is 0", function()
    for _, cause in ipairs {
      "limit_user", "limit_mnt", "limit_pid", "limit_net", "limit_ipc", "limit_uts", "limit_cgroup", "limit_time",
    } do
      local type <const> = cause:match "limit_(.*)"
      local lower <const> = ("tell(sys.unshare %q)"):format(type)
      local upper <const> = type == "time" and "" or " tell(run {})"
      local expected <const> = { "unshare ENOSPC " .. cause }
      expected[2] = type ~= "time" and "clone ENOSPC " .. cause or nil
      assert.same(expected, causes(lower .. upper, limited { [type] = 0 }))
    end
    local one <const> = told([[ tell(sys.unshare "net") ]], limited { net = 0 })[1]
    assert.equal("user.max_net_namespaces is 0 here", one.why)
    assert.matches("sysctl user.max_net_namespaces=N", one.hint)
  end)

  it("where a limit is used up", function()
    both("ENOSPC", "limit_net", [[
      local first <close> = idle "net"
      assert(first:ready())
      tell(sys.unshare "net")
      tell(run {})
    ]], limited { net = 1 })
    both("ENOSPC", "limit_user", [[
      local first <close> = mapped "user"
      tell(sys.unshare "user")
      tell(run {})
    ]], limited { user = 1 })
  end)

  it("where a limit of a namespace above is used up", function()
    local list <const> = causes([[ tell(sys.unshare { "user", "net" }) tell(run {}) ]],
      limited { net = 0 } .. " unshare -Ur")
    assert.same({ "unshare ENOSPC limit_net", "clone ENOSPC limit_net" }, list)
    -- whether it is that or the depth is not seen from below
    assert.same({ "unshare ENOSPC either userns_depth limit_user" },
      causes([[ tell(sys.unshare { "user", "net" }) ]], limited { user = 1 } .. " unshare -Ur"))
  end)

  it("by the child, where a limit leaves no room", function()
    assert.same({ "time ENOSPC limit_time" },
      causes([[ tell(run { time_offsets = { monotonic = 5 } }) ]], limited { time = 0 }))
    assert.same({ "lock_mounts ENOSPC limit_user" },
      causes([[ tell(run { capabilities = { "sys_admin" } }) ]], limited { user = 1 }))
  end)

  it("more than 33 levels deep", function()
    local levels <const> = helper.privilege == "userns" and 32 or 33
    local list <const> = causes(([[
      for _ = 1, %d do
        enter()
      end
      tell(sys.unshare "user")
      tell(run { namespaces = { "user" } })
    ]]):format(levels))
    -- from in there the levels above are not in sight
    assert.same({
      "unshare ENOSPC either userns_depth limit_user", "clone ENOSPC either userns_depth limit_user",
    }, list)
  end)

  it("more than 32 pid namespaces deep", function()
    both("ENOSPC", "pidns_depth", [[
      enter()
      local function descend()
        local child, err = sys.clone("pid", descend)
        if child then
          return child:wait()
        end
        tell(child, err)
        tell(run { namespaces = { "user", "pid" } })
      end
      descend()
    ]], nil, "clone")
  end)

  it("for a caller that has threads", function()
    assert.same({ "unshare EINVAL multithreaded", "clone EBUSY multithreaded" }, causes([[
      local thread = threads.start "threads.post(1) threads.await(2)"
      threads.await(1)
      tell(sys.unshare "user")
      tell(sys.clone({}, idle))
      assert(run {})
      threads.post(2)
      thread:join()
    ]], THREADS))
  end)

  it("for a caller whose children go elsewhere already", function()
    both("EINVAL", "pidns_pending", [[
      enter "pid"
      tell(sys.unshare "pid")
      tell(run {})
    ]])
  end)

  if way == "root" then
    it("in a pid namespace that a user namespace below owns", function()
      assert.same({ "clone EINVAL pidns_owner", "unshare EINVAL pidns_owner" }, causes [[
        local child <close> = mapped { "user", "pid" }
        assert(sys.setns(child, "pid"))
        assert(sys.clone({}, function()
          tell(sys.clone("pid", function() end))
          tell(sys.unshare "pid")
        end)):wait()
      ]])
    end)
  end

  it("in a pid namespace whose process 1 has ended", function()
    both("ENOMEM", "pidns_dead", [[
      enter "pid"
      sys.clone({}, function() end):wait()
      tell(sys.clone({}, function() end))
      tell(run { namespaces = { "user" } })
    ]], nil, "clone")
    assert.same({ "clone ENOMEM pidns_dead" }, causes [[
      local box = assert(userns.container { namespaces = { "user", "pid" } })
      local first = assert(box:spawn { "/bin/sleep", "60" })
      local user, pid = assert(first:namespace "user"), assert(first:namespace "pid")
      first:close()
      tell(run { namespaces = {}, join = { user = user, pid = pid } })
    ]])
  end)

  describe("where a filter", function()
    local BOTH <const> = [[ tell(sys.unshare { "user", "net" }) tell(run {}) ]]

    it("denies unshare or clone3 and clone for new namespaces", function()
      local clones <const> = [[
        filter({ "unshare" }, "EPERM")
        filter({ "clone3" }, "ENOSYS")
        filter({ "clone" }, "EPERM", { { index = 0, op = "masked_eq", mask = 0x7E020000, value = 0x10000000 | %s } })
      ]]
      both("EPERM", "seccomp", clones:format "0x6E020000" .. BOTH)
      both("EPERM", "seccomp", [[
        filter({ "unshare", "clone3", "clone" }, "EPERM")
      ]] .. BOTH)
      both("EACCES", "seccomp", [[ filter({ "unshare", "clone3", "clone" }, "EACCES") ]] .. BOTH)
    end)

    it("denies it with what the kernel itself would say", function()
      assert.same({ "unshare EINVAL seccomp" },
        causes [[ filter({ "unshare" }, "EINVAL") tell(sys.unshare { "user", "net" }) ]])
    end)

    it("denies it with what the kernel says for other reasons", function()
      for _, code in ipairs { "ENOSPC", "E2BIG", "ENOENT" } do
        both(code, "seccomp", ([[ filter({ "unshare", "clone3", "clone" }, %q) ]]):format(code) .. BOTH)
      end
    end)

    it("denies what the set-up calls", function()
      for call, op in pairs {
        setsid = "setsid", prctl = "pdeathsig", fsmount = "mount", capset = "capabilities", seccomp = "seccomp",
      } do
        assert.same({ op .. " EPERM seccomp" }, causes(([[
          local box = assert(userns.container {
            seccomp = "default", mounts = { { type = "tmpfs", target = "/mnt" } },
          })
          filter({ %q }, "EPERM")
          tell(box:run { "/bin/true" })
        ]]):format(call)))
      end
      assert.same({ "image EPERM seccomp" },
        causes [[ filter({ "execveat" }, "EPERM") tell(run { init = true }) ]])
    end)

    it("denies something else: none is suspected", function()
      assert.same({ "unshare EINVAL pidns_pending", "umount EINVAL not_mount_point" }, causes [[
        enter("pid", "mnt")
        filter({ "reboot", "swapon" }, "EPERM")
        tell(sys.unshare "pid")
        tell(sys.umount "/mnt")
      ]])
    end)

    it("ends who is set up", function()
      assert.same({ "hostname EKILLED seccomp" },
        causes [[ filter { "sethostname" } tell(run { hostname = "box" }) ]])
    end)

    it("allows it: another cause is told", function()
      assert.same({ "unshare EINVAL multithreaded" }, causes([[
        local thread = threads.start "threads.post(1) threads.await(2)"
        threads.await(1)
        filter({ "reboot" }, "EPERM")
        tell(sys.unshare "user")
        threads.post(2)
        thread:join()
      ]], THREADS))
    end)
  end)

  it("for want of processes", function()
    local become <const> = way ~= "root" and "" or [[
      assert(sys.setgroups {})
      assert(sys.setresgid(65533, 65533, 65533))
      assert(sys.setresuid(65533, 65533, 65533))
    ]]
    both("EAGAIN", "rlimit_nproc", become .. [[ tell(sys.clone({}, idle)) tell(run {}) ]], "prlimit --nproc=1", "clone")
  end)

  if way == "root" then
    it("for want of processes in the cgroup", function()
      assert.same({ "init EAGAIN pids_cgroup" },
        causes [[ tell(run { cgroup = { pids = 1 }, init = true }) ]])
    end)
  end
end)

describe("a refusal that nothing explains", function()
  it("gets no cause, but that a tracer may be behind it", function()
    local list <const> = causes([[ tell(sys.unshare { "user", "net" }) ]],
      "strace -f -o /dev/null -e trace=unshare -e inject=unshare:error=EPERM")
    assert.same({ "unshare EPERM traced" }, list)
  end)
end)
