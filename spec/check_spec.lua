-- What check tells of a description is what spawn would be refused, all of it; and
-- nothing is left of it, nor done to the host.
local helper = require "spec.helper"
local sys = require "userns.sys"
local userns = require "userns"

local way <const> = helper.privilege

-- AT_EXECVE_CHECK: what the program's file and arguments would meet, without running it.
local CAN_ASK_EXECVE <const> = helper.is_linux(6, 14)

-- Before Linux 6.9 execveat(2) took the arguments before it looked at its flags.
local IS_TOLD <const> = CAN_ASK_EXECVE or not helper.is_linux(6, 9)

local function check(description, process)
  return assert(userns.container(description)):check(process)
end

--- "field code" of each refusal.
local function refusals(checked)
  local list <const> = {}
  for i, err in ipairs(checked.errors) do
    list[i] = ("%s %s"):format(err.field, err.code)
  end
  assert.equal(#list == 0, checked.ok)
  return list
end

local function interfaces_of_host()
  local net <close> = assert(sys.netlink())
  local list <const> = {}
  for i, link in ipairs(assert(net:links())) do
    list[i] = ("%s %s"):format(link.name, link.up)
  end
  return list
end

local function cgroups()
  return helper.shell("find /sys/fs/cgroup -name 'userns-*' 2>/dev/null").out
end

describe("a container's check", function()
  before_each(helper.count)
  after_each(helper.check_count)

  it("is good where all is, and says so", function()
    assert.same({ ok = true, errors = {}, degraded = {} }, check({}, { "/bin/true" }))
    assert.same({ ok = true, errors = {}, degraded = {} }, check(helper.tree(), { "sh", stdout = "capture" }))
    assert.same({ ok = true, errors = {}, degraded = {} }, check({ process = { "/bin/true", input = "x" } }))
  end)

  it("goes without a program", function()
    assert.is_true(check({ hostname = "box" }).ok)
    assert.same({ "process.cwd ENOENT" }, refusals(check { process = { cwd = "/nowhere" } }))
  end)

  it("tells of everything that is refused, in the order of the plan", function()
    local list <const> = refusals(check({
      root = { type = "tmpfs" },
      mounts = {
        { type = "bind", source = "/nowhere", target = "/data" },
        { type = "tmpfs", target = "/tmp" },
        { type = "overlay", target = "/stack", lower = { "/nowhere/a", "/nowhere/b" }, upper = "tmpfs" },
        { type = "bind", source = "/usr", target = "/tmp/usr" },
        { type = "dir", target = "/tmp/dir", uid = 77 },
      },
      sysctl = { ["net.ipv4.none"] = 1, ["net.ipv4.ip_forward"] = 1, ["user.max_none"] = 1 },
      network = { veth = {}, interfaces = { { name = "none0", address = "10.0.0.2/24" } } },
      affinity = { 0, 4000 },
      landlock = { fs = { { path = "/none", allow = { "read" } }, { path = "/tmp", allow = { "read", "execute" } } } },
    }, { "/tmp/program", cwd = "/cwd", uid = 78, stdin = 97, fds = { [9] = 98 } }))
    assert.same({
      "process.uid EINVALID", "mounts[5].uid EINVALID", "process.stdin EBADF", "process.fds[9] EBADF",
      "network.interfaces[1].name ENODEV", "mounts[1].source ENOENT", "mounts[3].lower[1] ENOENT",
      "mounts[3].lower[2] ENOENT", 'sysctl["net.ipv4.none"] ENOENT', 'sysctl["user.max_none"] ENOENT',
      "affinity EINVAL", "process.cwd ENOENT", "landlock.fs[1] ENOENT", "process[1] ENOENT",
    }, list)
  end)

  it("tells of each what spawn would return", function()
    for _, case in ipairs {
      { {}, { "/nowhere" } },
      { {}, { "/etc/passwd" } },
      { {}, { "/etc" } },
      { {}, { "/etc/passwd/x" } },
      { {}, { "nowhere", env = { PATH = "/usr/bin:/bin" } } },
      { {}, { "passwd", env = { PATH = "/nowhere:/etc:/bin/x" } } },
      { {}, { "/bin/true", ("x"):rep(1 << 20) }, is_told_by_execve = true },
      { {}, { "/bin/true", cwd = "/etc/passwd" } },
      { {}, { "/bin/true", stdout = 99 } },
      { { root = "/nowhere" }, { "/bin/true" } },
      { { root = { type = "tmpfs" }, mounts = { { type = "bind", source = "/etc/passwd", target = "/a/b" },
        { type = "tmpfs", target = "/a/b" } } }, { "/bin/true" } },
      { { mounts = { { type = "tmpfs", target = "/nowhere/x" } } }, { "/bin/true" } },
      { { root = { type = "tmpfs" }, mounts = { { type = "file", target = "/a", content = "" },
        { type = "dir", target = "/a/b" } } }, nil },
      { { mounts = { { type = "file", target = "/etc/passwd", content = "" } } }, { "/bin/true" } },
      { { mounts = { { type = "remount", target = "/etc", readonly = true } } }, { "/bin/true" } },
      { { devices = { "/etc/passwd" }, root = { type = "tmpfs" } }, { "/bin/true" } },
      { { sysctl = { ["net.ipv4.ip_forward"] = "x" } }, { "/bin/true" } },
      { { time_offsets = { monotonic = -4e9 } }, { "/bin/true" } },
      { { join = { net = "/nowhere" } }, { "/bin/true" } },
      { { init = true, personality = "linux" }, { "/nowhere" } },
    } do
      local description <const>, process <const> = table.unpack(case, 1, 2)
      local box <const> = assert(userns.container(description))
      local p, err = box:spawn(process or { "/bin/true" })
      if p then
        p:close()
      end
      local checked <const> = box:check(process)
      if case.is_told_by_execve and not IS_TOLD then
        assert.same({}, checked.errors)
      elseif err or process then
        assert.same({ err }, { checked.errors[1] })
      end
    end
  end)

  it("asks no more of Landlock than a program would need", function()
    if sys.landlock_abi() == 0 then
      return
    end
    local fs <const> = { { path = "/", allow = { "read" } } }
    local box <const> = assert(userns.container { landlock = { fs = fs } })
    local p <const>, err = box:spawn { "/bin/true" }
    assert.is_nil(p)
    assert.same({ CAN_ASK_EXECVE and err or nil }, box:check({ "/bin/true" }).errors)
    fs[1].allow = { "read", "execute" }
    assert.is_true(check({ landlock = { fs = fs } }, { "/bin/true" }).ok)
  end)

  it("does not blame what depends on something that is refused", function()
    assert.same({ "mounts[1].source ENOENT" }, refusals(check({
      root = { type = "tmpfs" },
      mounts = {
        { type = "bind", source = "/nowhere", target = "/usr", propagation = "slave" },
        { type = "tmpfs", target = "/usr/tmp" },
        { type = "remount", target = "/usr", readonly = true },
        { type = "symlink", source = "usr/bin", target = "/bin" },
        { type = "symlink", source = "../bin/../usr/srv", target = "/srv" },
        { type = "file", target = "/usr/file", content = "x" },
      },
    }, { "/bin/true", cwd = "/srv" })))
    assert.same({ "root.source ENOENT" }, refusals(check({ root = "/nowhere", hostname = "box" },
      { "/bin/true", cwd = "/nowhere" })))
  end)

  it("tells both of a wrong process spec and of a description that is refused", function()
    assert.same({ "process.cwd EINVALID", "process.stdin EINVALID", "root.source ENOENT" },
      refusals(check({ root = "/nowhere" }, { "/bin/true", cwd = 5, stdin = true })))
    assert.same({ "process[1] EINVALID" }, refusals(check({}, {})))
  end)

  it("refuses an argument that is no table", function()
    local box <const> = assert(userns.container {})
    assert.has_error(function() box:check("/bin/true") end,
      "bad argument #1 to 'check' (table expected, got string)")
  end)

  it("executes no program", function()
    local directory <const> = helper.directory()
    assert(os.execute("chmod 777 " .. directory))
    local process <const> = { "/bin/sh", "-c", ("echo x >%s/file"):format(directory) }
    assert.is_true(check({}, process).ok)
    assert.is_true(check({ init = true }, process).ok)
    assert.equal(".", helper.listing(directory):match("^%S+"))
    assert.is_nil(io.open(directory .. "/file"))
    assert.is_true(helper.run({}, process).ok)
    assert.equal("x\n", helper.read(directory .. "/file"))
    helper.remove(directory)
  end)

  it("calls no hook", function()
    local hooks <const>, called = {}, 0
    for _, name in ipairs { "created", "mapped", "before_exec", "exited" } do
      hooks[name] = function()
        called = called + 1
      end
    end
    local box <const> = assert(userns.container { hooks = hooks })
    assert.is_true(box:check({ "/bin/true" }).ok)
    assert.is_false(box:check({ "/nowhere" }).ok)
    assert.equal(0, called)
    assert(box:run { "/bin/true" })
    assert.equal(4, called)
  end)

  it("leaves nothing, however often", function()
    local interfaces <const>, groups <const>, name <const> = interfaces_of_host(), cgroups(), sys.gethostname()
    local box <const> = assert(userns.container {
      hostname = "other",
      root = { type = "tmpfs" },
      mounts = { { type = "bind", source = "/nowhere", target = "/x" }, { type = "proc", target = "/proc" } },
    })
    for _ = 1, helper.rounds(100) do
      assert.same({ "mounts[1].source ENOENT", "process[1] ENOENT" },
        refusals(box:check { "/nowhere", stdout = "capture", terminal = false }))
    end
    assert.same({ interfaces, groups, name }, { interfaces_of_host(), cgroups(), sys.gethostname() })
  end)

  it("looks for what a program needs, as the launch would", function()
    local directory <const> = helper.directory()
    local script <const> = directory .. "/script"
    helper.write(script, "#!/nowhere/interpreter\n")
    helper.shell("chmod 755 " .. helper.quote(script))
    for _, row in ipairs {
      { {}, script, "/nowhere/interpreter" },
      -- a program, and neither its loader nor anything else
      { { root = { type = "tmpfs" }, mounts = { { type = "bind", source = "/bin", target = "/bin" } } }, "/bin/true" },
    } do
      local box <const> = assert(userns.container(row[1]))
      local checked <const> = box:check { row[2] }
      assert.same({ "process[1] ENOENT" }, refusals(checked))
      assert.same(select(2, box:run { row[2] }), checked.errors[1])
      assert.is_truthy(checked.errors[1].why:find(row[3] or "ld%-", 1))
    end
    helper.remove(directory)
  end)

  it("judges terminals, process 1 and locked mounts", function()
    assert.is_true(check({}, { "/bin/true", terminal = true }).ok)
    assert.is_true(check({ init = true, time_offsets = { boottime = 1 } }, { "/bin/true", terminal = true }).ok)
    assert.is_true(check({ capabilities = { "sys_admin" } }, { "/bin/true" }).ok)
    assert.same({ "process[1] ENOENT" }, refusals(check({ init = true }, { "/nowhere" })))
    assert.same({ "process[1] ENOENT" }, refusals(check({ capabilities = { "sys_admin" } }, { "/nowhere" })))
  end)

  it("tells what would be degraded, or with `strict` refused", function()
    local description <const> = { capabilities = { "sys_admin" }, lock_mounts = false, root = "/nowhere" }
    local checked <const> = check(description)
    assert.same({ "root.source ENOENT" }, refusals(checked))
    assert.equal("lock_mounts", checked.degraded[1].feature)
    description.strict = true
    assert.same({ "strict EDEGRADED", "root.source ENOENT" }, refusals(check(description)))
  end)

  it("survives a filter that ends whoever makes a call that it does not know", function()
    local filter <const> = {
      default = "kill", rules = { { names = { "execve" }, action = "allow" } },
    }
    if sys.syscall_number "read" then
      assert.is_true(check({ seccomp = filter }, { "/bin/true" }).ok)
      filter.default = "errno"
      assert.is_true(check({ seccomp = filter, init = true }, { "/bin/true" }).ok)
    end
  end)

  -- ---- what is not the container's ------------------------------------------

  local PRELUDE <const> = [[
    local userns = require "userns"
    local function limit(type, count)
      local file <close> = assert(io.open(("/proc/sys/user/max_%s_namespaces"):format(type), "w"))
      file:write(count)
    end
    local function check(description, process)
      for _, err in ipairs(assert(userns.container(description)):check(process).errors) do
        print(err.field, err.path, err.code)
      end
    end
  ]]

  --- Runs a script in a user namespace of its own with a limit on others.
  local function limited(script, flags)
    return helper.output(PRELUDE .. script, ("unshare --user --map-root-user %s"):format(flags or ""))
  end

  it("tells each type of namespace that is refused, and does to the host's nothing that was for it", function()
    assert.equal([[
namespaces	net	ENOSPC
namespaces	uts	ENOSPC
process[1]	/nowhere	ENOENT
before
0
]], limited([[
      userns.sys.sethostname "before"
      limit("uts", 0)
      limit("net", 0)
      check({
        share = "user", hostname = "after", domainname = "after",
        sysctl = { ["net.ipv4.ip_forward"] = 1 }, network = { veth = { { name = "eth0" } } },
        mounts = { { type = "sysfs", target = "/sys" } },
      }, { "/nowhere" })
      print(userns.sys.gethostname())
      print(io.open "/proc/sys/net/ipv4/ip_forward":read "l")
    ]], "--uts --net"))
  end)

  it("tells no more where there is no mnt or no user namespace", function()
    assert.equal("namespaces\tmnt\tENOSPC\nnamespaces\tipc\tENOSPC\n", limited [[
      limit("mnt", 0)
      limit("ipc", 0)
      check({ hostname = "box" }, { "/nowhere", cwd = "/nowhere" })
    ]])
    assert.equal("namespaces\tuser\tENOSPC\n", limited [[
      limit("user", 0)
      check({ hostname = "box" }, { "/nowhere", cwd = "/nowhere" })
    ]])
  end)

  it("does not take the namespaces of its own trials for those of others", function()
    assert.equal("process.cwd\t/nowhere\tENOENT\nprocess[1]\t/nowhere\tENOENT\n", limited [[
      limit("user", 1)
      limit("uts", 1)
      check({ hostname = "box" }, { "/nowhere", cwd = "/nowhere" })
    ]])
  end)

  it("tells of both maps where neither may be written, and of nothing after them", function()
    assert.equal([[
uid_map	nil	EPERM
gid_map	nil	EPERM
network.veth[1].peer.bridge	none	ENODEV
]], limited [[
      check({
        uid_map = { { inside = 0, outside = 5, count = 1 } }, gid_map = { { inside = 0, outside = 5, count = 1 } },
        network = { veth = { { name = "eth0", peer = { bridge = "none" } } } },
      }, { "/nowhere", cwd = "/nowhere" })
    ]])
  end)

  it("goes on with a mount without the option that is refused, as where maps are somebody else's", function()
    assert.equal("mounts[1].uid\t/a\tEINVAL\nmounts[1].gid\t/a\tEINVAL\nmounts[3].target\t/a/b/c\tENOTDIR\n",
      helper.output(PRELUDE .. [[
        local sys = userns.sys
        local other <close> = assert(sys.launch(sys.pack {
          { op = "clone", namespaces = { "user" } }, { op = "close_fds" }, { op = "await" },
          { op = "setgroups", value = "deny" },
          { op = "uid_map", map = { { inside = 0, outside = sys.getresuid(), count = 1 } } },
          { op = "gid_map", map = { { inside = 0, outside = sys.getresgid(), count = 1 } } },
          { op = "release" },
          { op = "exec", paths = { "/bin/sleep" }, argv = { "sleep", "100" }, env = {} },
        }, {}))
        check({
          join = { user = other.pid }, root = { type = "tmpfs" },
          mounts = {
            { type = "tmpfs", target = "/a", uid = 55, gid = 66 },
            { type = "file", target = "/a/b", content = "" },
            { type = "dir", target = "/a/b/c" },
          },
        })
      ]]))
  end)

  it("leaves an interface of the caller's where it is", function()
    assert.equal([[
network.interfaces[2].name	none	ENODEV
process[1]	/nowhere	ENOENT
true
]], limited([[
      local net <close> = assert(userns.sys.netlink())
      assert(net:link_add { type = "veth", name = "a", peer = { name = "b" } })
      assert(net:link_set("a", { up = true }))
      local function look()
        local words = {}
        for i, link in ipairs(net:links()) do
          words[i] = ("%s %d %s"):format(link.name, link.index, link.up)
        end
        return table.concat(words, " ")
      end
      local before = look()
      check({
        network = { interfaces = { { name = "a", address = "10.0.0.1/24" }, { name = "none" } } },
      }, { "/nowhere" })
      print(look() == before)
    ]], "--net"))
  end)

  it("does not use up a prepared mount", function()
    assert.equal("true\tnil\n0\n", limited([[
      local tree = assert(userns.sys.open_tree("/usr", { clone = true, recursive = true }))
      local box = assert(userns.container {
        root = { type = "tmpfs" },
        mounts = {
          { type = "move", source = tree, target = "/usr" },
          { type = "symlink", source = "usr/bin", target = "/bin" },
          { type = "symlink", source = "usr/lib", target = "/lib" },
          { type = "symlink", source = "usr/lib64", target = "/lib64" },
        },
      })
      print(box:check({ "/bin/true" }).ok, box:check({ "/bin/true" }).errors[1])
      print(assert(box:run { "/bin/true" }).exit_code)
    ]], "--mount"))
  end)

  it("writes nothing to an upper layer, and tells of one that cannot be", function()
    local directory <const> = helper.directory()
    assert(os.execute(("cd %s && mkdir -m 777 lower upper work"):format(directory)))
    local mounts <const> = {
      { type = "overlay", target = "/mnt", lower = directory .. "/lower", upper = directory .. "/upper",
        work = directory .. "/work" },
      { type = "dir", target = "/mnt/made" },
      { type = "file", target = "/mnt/made/file", content = "x" },
    }
    local before <const> = helper.listing(directory)
    assert.same({}, refusals(check({ mounts = mounts }, { "/bin/true" })))
    assert.equal(before, helper.listing(directory))
    mounts[1].work = "/proc"
    local box <const> = assert(userns.container { mounts = mounts })
    local p <const>, err = box:spawn { "/bin/true" }
    assert.is_nil(p)
    assert.same({ err }, box:check({ "/bin/true" }).errors)
    assert.equal(before, helper.listing(directory))
    helper.remove(directory)
  end)

  it("makes do with an older kernel's word on programs", function()
    assert.equal([[
process[1]	/etc/passwd	EACCES
process[1]	/etc	EACCES
process[1]	/nowhere	ENOENT
]], helper.output(PRELUDE .. [[
      check({}, { "/bin/true" })
      check({}, { "/etc/passwd" })
      check({}, { "/etc" })
      check({}, { "/nowhere" })
    ]], "unshare --user --map-root-user build/spec/deny execveat ENOSYS --"))
  end)

  it("works in a host with threads", function()
    assert.equal("process[1]\t/nowhere\tENOENT\n", helper.output([[
      local other = threads.start("threads.await(1)")
    ]] .. PRELUDE .. [[
      check({ root = { type = "bind", source = "/" } }, { "/nowhere" })
      threads.post(1)
      other:join()
    ]], "timeout 60 build/spec/threads"))
  end)

  if way == "root" then
    it("makes cgroups and a pair of interfaces, and removes them", function()
      local interfaces <const>, groups <const> = interfaces_of_host(), cgroups()
      assert.same({ "cgroup.io ENODEV", "network.veth[1].gateway[1] ENETUNREACH" }, refusals(check({
        cgroup = { pids = 100, io = { { device = "999:999", rbps = 1 } } },
        network = { veth = { { name = "eth0", address = "10.9.0.2/24", gateway = "10.8.0.1" } } },
      }, { "/bin/true" })))
      assert.same({ interfaces, groups }, { interfaces_of_host(), cgroups() })
    end)
  end
end)
