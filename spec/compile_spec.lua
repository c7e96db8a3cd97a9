local compile <const> = require "userns.compile"
local handles <const> = require "userns.schema.handles"
local helper <const> = require "spec.helper"
local lookup <const> = require "userns.lookup"
local schema <const> = require "userns.schema"
local sys <const> = require "userns.sys"
local userns <const> = require "userns"
local validate <const> = require "userns.validate"

local WHOLE <const> = { { inside = 0, outside = 0, count = 4294967295 } }

local function laid_over(facts, other)
  for key, value in pairs(other or {}) do
    facts[key] = value
  end
  return facts
end

--- Facts of an ordinary user's host, with others laid over.
local function user(other)
  return laid_over({
    uid = 1000,
    gid = 100,
    groups = { 100 },
    uid_map = WHOLE,
    gid_map = WHOLE,
    subids = { uid = {}, gid = {} },
    helpers = {},
    setgroups = "allow",
    capabilities = {},
    limits = { nofile = { soft = 1024, hard = 4096 } },
    image = "/lib/userns-init",
    uplinks = { pasta = "/usr/bin/pasta" },
    landlock = 7,
    env = { PATH = "/usr/bin:/bin", TERM = "dumb" },
    environ = { PATH = "/usr/bin:/bin", TERM = "dumb", SECRET = "s" },
  }, other)
end

local function root(other)
  return laid_over(user {
    uid = 0, gid = 0, groups = { 0 }, capabilities = { setuid = true, setgid = true, setpcap = true },
  }, other)
end

-- As under unshare -Ur.
local function single()
  return root {
    uid_map = { { inside = 0, outside = 1000, count = 1 } },
    gid_map = { { inside = 0, outside = 100, count = 1 } },
    groups = { 65534, 0 },
    setgroups = "deny",
  }
end

local RANGES <const> = { { inside = 0, outside = 100000, count = 65536 } }

--- The plan, or nil and the error.
local function try(description, process, host)
  local d <const> = assert(validate.description(description or {}))
  local spec <const> = assert(validate.process(process or { "/bin/true" }, d.process))
  return compile.compile(d, spec, host or user())
end

local function plan_of(description, process, host)
  return assert(try(description, process, host))
end

local function steps_of(plan)
  return { table.unpack(plan) }
end

local function ops(plan)
  local list <const> = {}
  for i, step in ipairs(plan) do
    list[i] = step.op
  end
  return table.concat(list, " ")
end

--- The steps of an op.
local function all(plan, op)
  local list <const> = {}
  for _, step in ipairs(plan) do
    list[#list + 1] = step.op == op and step or nil
  end
  return list
end

local function only(plan, op)
  local list <const> = all(plan, op)
  assert.equal(1, #list, op)
  return list[1]
end

local function refuses(err, ...)
  assert.equal("EINVALID", err.code)
  local lines <const> = {}
  for i, problem in ipairs(err.problems) do
    lines[i] = ("%s: %s"):format(problem.field, problem.message)
  end
  assert.same({ ... }, lines)
end

describe("the stages", function()
  it("run in an order that every reason for it agrees with", function()
    local place <const> = {}
    for i, stage in ipairs(compile.stages) do
      assert.is_nil(place[stage.name], stage.name)
      place[stage.name] = i
    end
    for i, stage in ipairs(compile.stages) do
      for later, why in pairs(stage.before) do
        assert(place[later], ("%s: there is no stage '%s'"):format(stage.name, later))
        assert(i < place[later], ("%s before %s: %s"):format(stage.name, later, why))
        assert.matches("^%l.*[%w%)]$", why)
      end
    end
  end)

  it("end with the program", function()
    assert.equal("exec", compile.stages[#compile.stages].name)
  end)
end)

describe("the plan of an ordinary user", function()
  it("needs no privilege and changes no id that the kernel sees", function()
    assert.same({
      {
        op = "clone", side = "parent", source = "namespaces",
        namespaces = { "user", "mnt", "pid", "net", "ipc", "uts", "cgroup" },
      },
      { op = "close_fds", side = "child", source = "process.fds" },
      { op = "pdeathsig", side = "child", source = "die_with_parent", signal = "KILL" },
      { op = "await", side = "child" },
      { op = "setgroups", side = "parent", source = "setgroups", value = "deny" },
      { op = "uid_map", side = "parent", source = "uid_map", map = { { inside = 0, outside = 1000, count = 1 } } },
      { op = "gid_map", side = "parent", source = "gid_map", map = { { inside = 0, outside = 100, count = 1 } } },
      { op = "release", side = "parent" },
      { op = "loopback", side = "child", source = "namespaces" },
      {
        op = "sysctl", side = "child", source = "allow_userns", path = "/proc/sys/user/max_user_namespaces",
        value = "0",
      },
      { op = "propagation", side = "child", source = "propagation", kind = "private" },
      { op = "setsid", side = "child", source = "new_session" },
      { op = "keyring", side = "child" },
      { op = "rlimit", side = "child", resource = "core", soft = 0, hard = 0 },
      { op = "umask", side = "child", source = "process.umask", mask = 18 },
      { op = "chdir", side = "child", source = "process.cwd", path = "/" },
      { op = "bounding", side = "child", source = "capabilities", keep = {} },
      {
        op = "capabilities", side = "child", source = "capabilities", effective = {}, permitted = {},
        inheritable = {}, ambient = {},
      },
      { op = "no_new_privs", side = "child", source = "no_new_privs" },
      {
        op = "descriptors", side = "child", source = "process.fds",
        fds = {
          { target = 0, from = "inherit", source = "process.stdin" },
          { target = 1, from = "inherit", source = "process.stdout" },
          { target = 2, from = "inherit", source = "process.stderr" },
        },
      },
      { op = "signals", side = "child" },
      {
        op = "exec", side = "child", source = "process[1]", program = "/bin/true", paths = { "/bin/true" },
        argv = { "/bin/true" }, env = { "PATH=/usr/bin:/bin", "TERM=dumb" },
      },
    }, steps_of(plan_of()))
    assert.same({}, plan_of().degraded)
  end)

  it("is the same as himself, but for the maps", function()
    local plan <const> = plan_of { uid_map = "self", gid_map = "self" }
    assert.same({ { inside = 1000, outside = 1000, count = 1 } }, only(plan, "uid_map").map)
    assert.same({ { inside = 100, outside = 100, count = 1 } }, only(plan, "gid_map").map)
    assert.equal(ops(plan_of()), ops(plan))
  end)

  it("keeps the groups that he may not drop, and says so", function()
    assert.same({
      {
        feature = "groups", used = "the caller's supplementary groups",
        reason = "setgroups(2) is denied where the caller may not map groups freely",
      },
    }, plan_of({}, nil, user { groups = { 100, 27 } }).degraded)
    assert.same({}, plan_of({}, nil, user { groups = {} }).degraded)
  end)

  it("asks for the groups that he says, though the kernel will refuse", function()
    assert.same({ 0 }, only(plan_of({}, { "/bin/true", groups = { 0 } }), "groups").groups)
  end)

  it("is refused where it is strict and he has groups", function()
    local plan <const>, err = try({ strict = true }, nil, user { groups = { 27 } })
    assert.is_nil(plan)
    assert.same({
      op = "compile", code = "EDEGRADED", field = "strict",
      message = "groups: only the caller's supplementary groups is to be had "
        .. "(setgroups(2) is denied where the caller may not map groups freely)",
    }, helper.fields(err))
    assert.is_true(only(plan_of { strict = true }, "keyring").required)
  end)

  it("has no user namespace only if he says so, and then changes nothing", function()
    local plan <const> = plan_of { namespaces = {} }
    assert.equal("clone close_fds pdeathsig await release setsid keyring rlimit umask chdir capabilities no_new_privs"
      .. " descriptors signals exec", ops(plan))
    assert.same({}, only(plan, "clone").namespaces)
  end)
end)

describe("a map that the caller may not write", function()
  local SUBIDS <const> = {
    uid = { { start = 100000, count = 65536 } }, gid = { { start = 200000, count = 1000 } },
  }
  local HELPERS <const> = { uid = "/usr/bin/newuidmap", gid = "/usr/bin/newgidmap" }
  local AUTO <const> = { uid_map = "auto", gid_map = "auto" }

  it("is written by newuidmap and newgidmap, with all that he has", function()
    local plan <const> = plan_of(AUTO, nil, user { subids = SUBIDS, helpers = HELPERS })
    assert.matches("await newuidmap newgidmap release", ops(plan))
    assert.same({
      op = "newuidmap", side = "parent", source = "uid_map", path = "/usr/bin/newuidmap",
      map = { { inside = 0, outside = 1000, count = 1 }, { inside = 1, outside = 100000, count = 65536 } },
    }, only(plan, "newuidmap"))
    assert.same({
      op = "newgidmap", side = "parent", source = "gid_map", path = "/usr/bin/newgidmap",
      map = { { inside = 0, outside = 100, count = 1 }, { inside = 1, outside = 200000, count = 1000 } },
    }, only(plan, "newgidmap"))
    assert.same({}, plan.degraded)
    assert.is_nil(plan.owner)
  end)

  it("is his own id where there is no more to be had, and he is told why", function()
    for _, row in ipairs {
      { "the caller has no subordinate ids in /etc/subuid", user { helpers = HELPERS } },
      { "newuidmap is not installed", user { subids = SUBIDS, helpers = { gid = "/usr/bin/newgidmap" } } },
    } do
      local plan <const> = plan_of(AUTO, nil, row[2])
      assert.same({ { inside = 0, outside = 1000, count = 1 } }, only(plan, "uid_map").map)
      assert.same({ feature = "uid_map", used = "one id", reason = row[1] }, plan.degraded[1])
    end
  end)
end)

describe("the plan of root", function()
  local MADE <const> = "setgid groups setuid pdeathsig"

  it("gives the program nobody's ids, in a separate image", function()
    local plan <const> = plan_of({}, nil, root())
    assert.same({ op = "image", side = "parent", path = "/lib/userns-init" }, plan[1])
    for _, kind in ipairs { "uid", "gid" } do
      assert.same({
        op = kind .. "_map", side = "parent", source = kind .. "_map",
        map = { { inside = 0, outside = 65534, count = 1 } },
      }, only(plan, kind .. "_map"))
    end
    assert.equal("image clone close_fds pdeathsig await uid_map gid_map release undumpable loopback sysctl propagation "
      .. MADE .. " setsid keyring rlimit umask chdir bounding capabilities no_new_privs descriptors signals exec",
      ops(plan))
    assert.same({ op = "setgid", side = "child", source = "gid_map", gid = 0 }, only(plan, "setgid"))
    assert.same({ op = "groups", side = "child", source = "process.groups", groups = {} }, only(plan, "groups"))
    assert.same({ op = "setuid", side = "child", source = "uid_map", uid = 0 }, only(plan, "setuid"))
    assert.same({}, plan.degraded)
    assert.same({ uid = 65534, gid = 65534 }, plan.owner)
  end)

  it("with subordinate ids gives it the first of these", function()
    local plan <const> = plan_of({}, nil, root {
      subids = { uid = { { start = 100000, count = 65536 } }, gid = { { start = 200000, count = 65536 } } },
    })
    assert.same({ { inside = 0, outside = 100000, count = 1 } }, only(plan, "uid_map").map)
    assert.same({ { inside = 0, outside = 200000, count = 1 } }, only(plan, "gid_map").map)
  end)

  it("in a namespace with a single id gives it that one, and stays in one image", function()
    local plan <const> = plan_of({}, nil, single())
    assert.same({ { inside = 0, outside = 0, count = 1 } }, only(plan, "uid_map").map)
    assert.equal((ops(plan_of()):gsub(" setgroups", "")), ops(plan))
    assert.equal("groups", plan.degraded[1].feature)
  end)

  it("without CAP_SETGID denies setgroups before the map of groups", function()
    local plan <const> = plan_of({}, nil, root { capabilities = { setuid = true }, groups = { 0, 4 } })
    assert.matches("await setgroups uid_map gid_map release", ops(plan))
    assert.same({}, all(plan, "groups"))
    assert.equal("groups", plan.degraded[1].feature)
  end)

  it("gives the program what an explicit range says, even root's own", function()
    local own <const> = { { inside = 0, outside = 0, count = 1 } }
    local plan <const> = plan_of({ uid_map = own, gid_map = own }, nil, root())
    assert.same(own, only(plan, "uid_map").map)
    assert.equal("clone", plan[1].op)
    assert.same({}, all(plan, "setuid"))
  end)

  it("never gives it root's own by a word, on any host that has another", function()
    for _, word in ipairs { "root", "self" } do
      for _, facts in ipairs { {}, { gid = 5 }, { capabilities = {} }, { uid_map = RANGES, gid_map = RANGES } } do
        local plan <const> = plan_of({ uid_map = word, gid_map = word }, nil, root(facts))
        assert.equal(65534, only(plan, "uid_map").map[1].outside)
        assert.equal(65534, only(plan, "gid_map").map[1].outside)
      end
    end
  end)

  it("knows who the program is to him", function()
    local map <const> = { { inside = 0, outside = 0, count = 9 } }
    local function owner(process)
      return plan_of({ uid_map = map, gid_map = map }, process, root()).owner
    end
    assert.is_nil(owner { "/bin/true" })
    assert.same({ uid = 5, gid = 0 }, owner { "/bin/true", uid = 5 })
    assert.same({ uid = 0, gid = 6 }, owner { "/bin/true", gid = 6 })
  end)

  it("without a user namespace drops his groups and, with the program's uid, his own", function()
    local plan <const> = plan_of({ namespaces = "pid" }, { "/bin/true", uid = 33, gid = 34, groups = { 35 } }, root())
    assert.equal("image clone close_fds pdeathsig await release undumpable groups setsid keyring rlimit umask chdir"
      .. " bounding setgid setuid pdeathsig capabilities no_new_privs descriptors signals exec", ops(plan))
    assert.same({ 35 }, only(plan, "groups").groups)
    assert.equal(34, only(plan, "setgid").gid)
    assert.equal(33, only(plan, "setuid").uid)
  end)

  it("drops from the bounding set only where he may", function()
    local share <const> = { share = "user" }
    assert.equal(1, #all(plan_of(share, nil, root()), "bounding"))
    assert.equal(0, #all(plan_of(share, nil, root { capabilities = {} }), "bounding"))
    assert.equal(1, #all(plan_of({}, nil, root { capabilities = {} }), "bounding"))
  end)
end)

describe("the namespaces of a plan", function()
  local function created(description)
    return table.concat(only(plan_of(description), "clone").namespaces, " ")
  end

  it("are in the kernel's order, whatever the description's", function()
    assert.equal("user mnt pid net ipc uts cgroup", created {})
    assert.equal("user net uts", created { namespaces = { "uts", "net", "user" } })
    assert.equal("user mnt pid uts", created { share = { "net", "cgroup", "ipc" } })
    assert.equal("uts", created { namespaces = "uts" })
  end)

  it("decide which steps there are", function()
    for name, gone in pairs {
      net = { "loopback" }, mnt = { "propagation" }, user = { "uid_map", "gid_map", "sysctl" },
    } do
      for _, op in ipairs(gone) do
        assert.equal(1, #all(plan_of {}, op))
        assert.equal(0, #all(plan_of { share = name }, op), op)
        assert.equal(1, #all(plan_of { namespaces = name }, op))
      end
    end
  end)
end)

describe("the ids of a plan", function()
  local description <const> = { uid_map = RANGES, gid_map = RANGES }

  it("are the container's root's first, the program's last", function()
    local plan <const> = plan_of(description, { "/bin/true", uid = 33, gid = 44, groups = { 45, 46 } }, root())
    assert.equal("image clone close_fds pdeathsig await uid_map gid_map release undumpable loopback sysctl propagation"
      .. " setgid groups setuid pdeathsig setsid keyring rlimit umask chdir"
      .. " bounding setgid setuid pdeathsig capabilities no_new_privs descriptors signals exec", ops(plan))
    assert.same({
      { op = "setgid", side = "child", source = "gid_map", gid = 0 },
      { op = "setgid", side = "child", source = "process.gid", gid = 44 },
    }, all(plan, "setgid"))
    assert.same({
      { op = "setuid", side = "child", source = "uid_map", uid = 0 },
      { op = "setuid", side = "child", source = "process.uid", uid = 33 },
    }, all(plan, "setuid"))
    assert.same({ 45, 46 }, only(plan, "groups").groups)
  end)

  it("keep their capabilities where a uid of a nonzero program is to have some", function()
    local plan <const> = plan_of({ uid_map = RANGES, gid_map = RANGES, capabilities = { "net_raw" } },
      { "/bin/true", uid = 33 }, root())
    assert.is_nil(all(plan, "setuid")[1].keep_caps)
    assert.is_true(all(plan, "setuid")[2].keep_caps)
    local map <const> = { { inside = 7, outside = 100000, count = 9 } }
    assert.is_true(only(plan_of({ uid_map = map }, nil, root()), "setuid").keep_caps)
  end)

  it("set the death signal again after each uid", function()
    for _, process in ipairs { { "/bin/true" }, { "/bin/true", uid = 33 } } do
      for _, facts in ipairs { user(), root(), single() } do
        local plan <const> = plan_of(description, process, facts)
        for i, step in ipairs(plan) do
          assert(step.op ~= "setuid" or plan[i + 1].op == "pdeathsig")
        end
        local alone <const> = plan_of({ uid_map = RANGES, gid_map = RANGES, die_with_parent = false }, process, facts)
        assert.same({}, all(alone, "pdeathsig"))
      end
    end
  end)

  it("must be mapped", function()
    local _, err = try({}, { "/bin/true", uid = 5, gid = 6, groups = { 0, 7 } })
    refuses(err, "process.uid: 5 is not mapped by uid_map", "process.gid: 6 is not mapped by gid_map",
      "process.groups[2]: 7 is not mapped by gid_map")
    _, err = try(description, { "/bin/true", uid = 65536, gid = 65535 }, root())
    refuses(err, "process.uid: 65536 is not mapped by uid_map")
    plan_of(description, { "/bin/true", uid = 65535, gid = 65535, groups = { 65535 } }, root())
    plan_of({ share = "user" }, { "/bin/true", uid = 5 }, root())
  end)

  it("must be mapped where something is made with them", function()
    local _, err = try {
      uid_map = RANGES,
      mounts = {
        { type = "dir", target = "/a", uid = 5, gid = 5 },
        { type = "tmpfs", target = "/b", uid = 65536 },
        { type = "file", target = "/c", uid = 0, gid = 0 },
      },
    }
    refuses(err, "mounts[1].gid: 5 is not mapped by gid_map", "mounts[2].uid: 65536 is not mapped by uid_map")
  end)

  it("have no groups where the description denies them", function()
    local _, err = try({ gid_map = RANGES, setgroups = "deny" }, { "/bin/true", groups = { 5 } }, root())
    refuses(err, "process.groups: setgroups is \"deny\"")
    assert.same({}, all(plan_of({ setgroups = "deny" }, nil, root()), "groups"))
    assert.equal("deny", only(plan_of({ setgroups = "deny" }, nil, root()), "setgroups").value)
  end)
end)

describe("the plan of a whole container", function()
  it("goes in this order", function()
    local plan <const> = plan_of({
      uid_map = RANGES,
      gid_map = RANGES,
      root = { type = "tmpfs", readonly = true },
      mounts = {
        { type = "bind", source = "/usr", target = "/usr", readonly = true },
        { type = "proc", target = "/proc" },
        { type = "sysfs", target = "/sys" },
        { type = "dev", target = "/dev" },
        { type = "mqueue", target = "/dev/mqueue" },
        { type = "tmpfs", target = "/tmp", size = "64M", mode = "1777" },
        { type = "dir", target = "/home/box", uid = 1000, gid = 1000 },
        { type = "file", target = "/etc/hostname", content = "box\n" },
        { type = "symlink", target = "/bin", source = "usr/bin" },
      },
      propagation = "unbindable",
      hostname = "box",
      domainname = "example",
      capabilities = { "net_raw" },
    }, {
      "sh", "-c", "id -u; hostname", uid = 1000, gid = 1000, groups = { 10, 20 }, cwd = "/home/box", stdin = "null",
      stdout = "capture", stderr = "stdout", fds = { [5] = 7 },
    }, root { limits = { nofile = { soft = 32, hard = 64 } } })
    assert.equal([[
  1  parent  image         path=/lib/userns-init
  2  parent  clone         namespaces=user,mnt,pid,net,ipc,uts,cgroup
  3  child   close_fds
  4  child   pdeathsig     signal=KILL
  5  child   await
  6  parent  uid_map       map=0:100000:65536
  7  parent  gid_map       map=0:100000:65536
  8  parent  release
  9  child   undumpable
 10  child   loopback
 11  child   sysctl        path=/proc/sys/user/max_user_namespaces value=0
 12  child   propagation   kind=private
 13  child   rlimit        resource=nofile soft=64 hard=64
 14  child   open          slot=0 path=/usr copy recursive
 15  child   open          slot=3 path=/dev/null copy major=1 minor=3
 16  child   open          slot=4 path=/dev/zero copy major=1 minor=5
 17  child   open          slot=5 path=/dev/full copy major=1 minor=7
 18  child   open          slot=6 path=/dev/random copy major=1 minor=8
 19  child   open          slot=7 path=/dev/urandom copy major=1 minor=9
 20  child   open          slot=8 path=/dev/tty copy major=5 minor=0
 21  child   open          slot=9 path=/dev/null major=1 minor=3
 22  child   setgid        gid=0
 23  child   groups        groups=10,20
 24  child   setuid        uid=0
 25  child   pdeathsig     signal=KILL
 26  child   root_tmpfs    options=mode=755 attrs=nosuid,nodev
 27  child   bind          slot=0 path=/usr target=/usr attrs=readonly,nosuid,nodev
 28  child   mount         type=proc target=/proc attrs=nosuid,nodev,noexec slot=1
 29  child   mount         type=sysfs target=/sys attrs=readonly,nosuid,nodev,noexec slot=2
 30  child   mount         type=tmpfs target=/dev options=size=67108864,mode=755 attrs=nosuid,nodev,noexec
 31  child   bind          slot=3 path=/dev/null target=/dev/null
 32  child   bind          slot=4 path=/dev/zero target=/dev/zero
 33  child   bind          slot=5 path=/dev/full target=/dev/full
 34  child   bind          slot=6 path=/dev/random target=/dev/random
 35  child   bind          slot=7 path=/dev/urandom target=/dev/urandom
 36  child   bind          slot=8 path=/dev/tty target=/dev/tty
 37  child   symlink       target=/dev/fd to=/proc/self/fd
 38  child   symlink       target=/dev/stdin to=/proc/self/fd/0
 39  child   symlink       target=/dev/stdout to=/proc/self/fd/1
 40  child   symlink       target=/dev/stderr to=/proc/self/fd/2
 41  child   symlink       target=/dev/ptmx to=pts/ptmx
 42  child   dir           target=/dev/shm mode=01777
 43  child   mount         type=devpts target=/dev/pts options=ptmxmode=666,mode=620,gid=5 attrs=nosuid,noexec
 44  child   mount         type=mqueue target=/dev/mqueue attrs=nosuid,nodev,noexec
 45  child   mount         type=tmpfs target=/tmp options=size=67108864,mode=1777 attrs=nosuid,nodev
 46  child   dir           target=/home/box mode=0755 uid=1000 gid=1000
 47  child   file          target=/etc/hostname bytes=4 mode=0644
 48  child   symlink       target=/bin to=usr/bin
 49  child   mask          slot=9 base=1 target=/proc paths=]]
      .. "acpi,asound,kcore,keys,latency_stats,sched_debug,scsi,timer_list,timer_stats" .. [[

 50  child   readonly      base=1 target=/proc paths=bus,fs,irq,sys,sysrq-trigger
 51  child   mask          slot=9 base=2 target=/sys paths=firmware
 52  child   remount       target=/ attrs=readonly
 53  child   pivot_root
 54  child   propagation   kind=unbindable
 55  child   hostname      name=box
 56  child   domainname    name=example
 57  child   setsid
 58  child   keyring
 59  child   rlimit        resource=nofile soft=32 hard=64
 60  child   rlimit        resource=core soft=0 hard=0
 61  child   umask         mask=022
 62  child   chdir         path=/home/box
 63  child   bounding      keep=net_raw
 64  child   setgid        gid=1000
 65  child   setuid        uid=1000 keep_caps
 66  child   pdeathsig     signal=KILL
 67  child   capabilities  effective=net_raw permitted=net_raw inheritable=net_raw ambient=net_raw
 68  child   no_new_privs
 69  child   descriptors   fds=0:null,1:capture,2:stdout,5:fd7
 70  child   signals
 71  child   exec          sh -c "id -u; hostname"]], tostring(plan))
  end)
end)

describe("the settings of a plan", function()
  it("each have a step, where it may be done and as late as that", function()
    local plan <const> = plan_of({
      sysctl = { ["net.ipv4.ip_forward"] = 1, ["kernel.sem"] = "1 2 3 4" },
      time_offsets = { monotonic = -1.5, boottime = 60 },
      personality = "linux32", nice = 5, affinity = "0-2", oom_score_adj = 500,
      rlimits = { nofile = 64, cpu = { soft = 1, hard = "unlimited" }, core = "unlimited" },
      hostname = "box",
    }, { "/bin/true" })
    assert.equal([[
  1  parent  image         path=/lib/userns-init
  2  child   oom_score     value=500
  3  parent  clone         namespaces=user,mnt,pid,net,ipc,uts,cgroup
  4  child   close_fds
  5  child   pdeathsig     signal=KILL
  6  child   await
  7  parent  setgroups     value=deny
  8  parent  uid_map       map=0:1000:1
  9  parent  gid_map       map=0:100:1
 10  parent  release
 11  child   time          offsets="monotonic -2 500000000\nboottime 60 0"
 12  child   undumpable
 13  child   loopback
 14  child   sysctl        path=/proc/sys/user/max_user_namespaces value=0
 15  child   propagation   kind=private
 16  child   sysctl        path=/proc/sys/kernel/sem value="1 2 3 4"
 17  child   sysctl        path=/proc/sys/net/ipv4/ip_forward value=1
 18  child   hostname      name=box
 19  child   setsid
 20  child   keyring
 21  child   personality   persona=linux32
 22  child   nice          value=5
 23  child   affinity      cpus=0,1,2
 24  child   umask         mask=022
 25  child   chdir         path=/
 26  child   bounding      keep=none
 27  child   capabilities  effective=none permitted=none inheritable=none ambient=none
 28  child   no_new_privs
 29  child   descriptors   fds=0:inherit,1:inherit,2:inherit
 30  child   rlimit        resource=core soft=unlimited hard=unlimited
 31  child   rlimit        resource=cpu soft=1 hard=unlimited
 32  child   rlimit        resource=nofile soft=64 hard=64
 33  child   signals
 34  child   exec          /bin/true]], tostring(plan))
  end)

  it("take the child out of the host's memory where that would take part in them", function()
    assert.equal("clone", plan_of({ nice = 1 })[1].op)
    assert.same({ op = "image", side = "parent", path = "/lib/userns-init" }, plan_of({ oom_score_adj = 1 })[1])
    assert.equal("image", plan_of({ namespaces = { "user", "time" } })[1].op)
  end)
end)

describe("the limits of a plan", function()
  local function binds(count)
    local mounts <const> = { { type = "tmpfs", target = "/t" } }
    for i = 1, count do
      mounts[i + 1] = { type = "bind", source = "/s" .. i, target = "/t/" .. i, optional = i == 2 }
    end
    return { mounts = mounts }
  end

  it("are lifted for many sources, and put back", function()
    local plan <const> = plan_of(binds(1000))
    assert.same({
      { op = "rlimit", side = "child", source = "mounts", resource = "nofile", soft = 4096, hard = 4096 },
      { op = "rlimit", side = "child", source = "mounts", resource = "nofile", soft = 1024, hard = 4096 },
      { op = "rlimit", side = "child", resource = "core", soft = 0, hard = 0 },
    }, all(plan, "rlimit"))
    local opens <const> = all(plan, "open")
    assert.equal(1000, #opens)
    assert.same({
      op = "open", side = "child", source = "mounts[3].source", slot = 1, path = "/s2", copy = true, recursive = true,
      optional = true,
    }, opens[2])
    assert.same({
      op = "open", side = "child", source = "mounts[1001].source", slot = 999, path = "/s1000", copy = true,
      recursive = true,
    }, opens[1000])
  end)

  it("are lifted for the set-up, and in the end what the description names", function()
    local description <const> = binds(1000)
    description.rlimits = { nofile = { soft = 8, hard = 16 } }
    assert.same({
      { op = "rlimit", side = "child", source = "mounts", resource = "nofile", soft = 4096, hard = 4096 },
      { op = "rlimit", side = "child", resource = "core", soft = 0, hard = 0 },
      { op = "rlimit", side = "child", source = "rlimits.nofile", resource = "nofile", soft = 8, hard = 16 },
    }, all(plan_of(description), "rlimit"))
  end)

  it("are raised by the parent where the child could not, before anything depends on them", function()
    local description <const> = binds(1000)
    description.rlimits = { nofile = 8192, cpu = "unlimited" }
    local facts <const> = user {
      limits = { nofile = { soft = 1024, hard = 4096 }, cpu = { soft = "unlimited", hard = "unlimited" } },
    }
    local plan <const> = plan_of(description, nil, facts)
    assert.same({
      { op = "raise_limit", side = "parent", source = "rlimits.nofile", resource = "nofile", hard = 8192 },
    }, all(plan, "raise_limit"))
    assert.same({
      { op = "rlimit", side = "child", source = "mounts", resource = "nofile", soft = 8192, hard = 8192 },
      { op = "rlimit", side = "child", resource = "core", soft = 0, hard = 0 },
      {
        op = "rlimit", side = "child", source = "rlimits.cpu", resource = "cpu", soft = "unlimited", hard = "unlimited",
      },
      { op = "rlimit", side = "child", source = "rlimits.nofile", resource = "nofile", soft = 8192, hard = 8192 },
    }, all(plan, "rlimit"))
  end)

  it("are left alone for few", function()
    assert.equal(1, #all(plan_of(binds(1024 - 32)), "rlimit"))
    assert.equal(3, #all(plan_of(binds(1024 - 31)), "rlimit"))
  end)

  it("count what is kept open from one step to another", function()
    local mounts <const> = {}
    for i = 1, 1024 - 31 do
      mounts[i] = { type = "tmpfs", target = "/t" .. i, readonly = true }
    end
    assert.equal(3, #all(plan_of { mounts = mounts }, "rlimit"))
  end)
end)

describe("the root of a plan", function()
  it("is the host's tree as it is, until something is put into it", function()
    assert.equal(0, #all(plan_of {}, "root_host"))
    for _, description in ipairs {
      { mounts = { { type = "tmpfs", target = "/t" } } },
      { masked_paths = { "/a" } },
      { readonly_paths = { "/a" } },
      { mounts = { { type = "tmpfs", target = "/t" } }, masked_paths = { "/a" } },
      { mounts = { { type = "tmpfs", target = "/t" } }, readonly_paths = { "/a" } },
    } do
      local plan <const> = plan_of(description)
      assert.same({ op = "root_host", side = "child", source = "root" }, only(plan, "root_host"))
      assert.equal(0, #all(plan, "pivot_root"))
    end
  end)

  it("is a directory", function()
    local plan <const> = plan_of { root = { type = "bind", source = "/srv", readonly = true, options = "noexec" } }
    assert.same({
      op = "open", side = "child", source = "root.source", slot = 0, path = "/srv", copy = true, recursive = true,
    }, only(plan, "open"))
    assert.same({
      op = "root_bind", side = "child", source = "root", slot = 0, path = "/srv",
      attrs = { "readonly", "nosuid", "noexec" }, top_attrs = { "nodev", "noexec" },
    }, only(plan, "root_bind"))
    assert.matches("root_bind pivot_root setsid", ops(plan))
  end)

  it("is the host's whole tree, in place", function()
    local plan <const> = plan_of { root = { type = "bind", source = "/", readonly = true } }
    assert.same({}, all(plan, "open"))
    assert.same({}, all(plan, "pivot_root"))
    assert.same({
      {
        op = "remount", side = "child", source = "root", target = "/", attrs = { "readonly", "nosuid" },
        recursive = true,
      },
      { op = "remount", side = "child", source = "root", target = "/", attrs = { "nodev" } },
    }, all(plan, "remount"))
    assert.matches("propagation root_host remount remount setsid", ops(plan))
  end)

  it("is empty", function()
    local plan <const> = plan_of { root = { type = "tmpfs", size = "1M", mode = "0700", readonly = true } }
    assert.same({
      op = "root_tmpfs", side = "child", source = "root", options = { "size=1048576", "mode=700" },
      attrs = { "nosuid", "nodev" },
    }, only(plan, "root_tmpfs"))
    assert.same({ op = "remount", side = "child", source = "root.readonly", target = "/", attrs = { "readonly" } },
      only(plan, "remount"))
    assert.matches("root_tmpfs remount pivot_root", ops(plan))
  end)
end)

describe("the propagation of a plan", function()
  local function kinds(kind)
    local list <const> = {}
    for i, step in ipairs(all(plan_of { propagation = kind, root = "/srv" }, "propagation")) do
      list[i] = step.kind
    end
    return list
  end

  it("is cut before anything is mounted, and given as asked afterwards", function()
    assert.same({ "private" }, kinds(nil))
    assert.same({ "private" }, kinds "private")
    assert.same({ "slave" }, kinds "slave")
    assert.same({ "private", "shared" }, kinds "shared")
    assert.same({ "private", "unbindable" }, kinds "unbindable")
    local plan <const> = plan_of { propagation = "shared", root = "/srv" }
    assert.matches("propagation open root_bind pivot_root propagation setsid", ops(plan))
  end)
end)

describe("a mount of a plan", function()
  --- The steps of one mount, without what they have in common.
  local function steps(mount, description)
    local list <const> = {}
    for _, step in ipairs(plan_of(laid_over({ mounts = { mount } }, description))) do
      if (step.source or ""):find("^mounts%[1%]") and step.op ~= "open" then
        assert.equal("child", step.side)
        step.side = nil
        list[#list + 1] = step
      end
    end
    return list
  end

  local function only_step(mount)
    local list <const> = steps(mount, { masked_paths = {}, readonly_paths = {} })
    assert.equal(1, #list)
    assert.equal("mounts[1]", list[1].source)
    list[1].source = nil
    return list[1]
  end

  it("of each type is a step", function()
    for _, row in ipairs {
      {
        { type = "bind", source = "/s", target = "/t" },
        { op = "bind", slot = 0, path = "/s", target = "/t", attrs = { "nosuid", "nodev" } },
      },
      {
        { type = "bind", source = "/s", target = "/t", readonly = true, recursive = false, options = "noexec" },
        {
          op = "bind", slot = 0, path = "/s", target = "/t", attrs = { "readonly", "nosuid", "nodev", "noexec" },
        },
      },
      {
        { type = "tmpfs", target = "/t" },
        { op = "mount", type = "tmpfs", target = "/t", options = { "mode=1777" }, attrs = { "nosuid", "nodev" } },
      },
      {
        { type = "tmpfs", target = "/t", size = "1K", mode = 448, uid = 0, gid = 0, options = { "noexec", "dev" } },
        {
          op = "mount", type = "tmpfs", target = "/t", attrs = { "nosuid", "noexec" },
          options = { "size=1024", "mode=700", "uid=0", "gid=0" },
        },
      },
      {
        { type = "proc", target = "/t", readonly = true, options = { "nodev", "noatime", "noatime" } },
        {
          op = "mount", type = "proc", target = "/t",
          attrs = { "readonly", "nosuid", "nodev", "noexec", "noatime" },
        },
      },
      {
        { type = "sysfs", target = "/t" },
        { op = "mount", type = "sysfs", target = "/t", attrs = { "readonly", "nosuid", "nodev", "noexec" } },
      },
      {
        { type = "sysfs", target = "/t", readonly = false, options = { "exec", "noatime" } },
        { op = "mount", type = "sysfs", target = "/t", attrs = { "nosuid", "nodev", "noatime" } },
      },
      {
        { type = "mqueue", target = "/t" },
        { op = "mount", type = "mqueue", target = "/t", attrs = { "nosuid", "nodev", "noexec" } },
      },
      {
        { type = "devpts", target = "/t" },
        {
          op = "mount", type = "devpts", target = "/t", options = { "ptmxmode=666", "mode=620" },
          attrs = { "nosuid", "noexec" },
        },
      },
      { { type = "dir", target = "/t", mode = "1777", uid = 0 }, { op = "dir", target = "/t", mode = 1023, uid = 0 } },
      {
        { type = "file", target = "/t", content = "a\0b" },
        { op = "file", target = "/t", mode = 420, content = "a\0b" },
      },
      { { type = "symlink", target = "/t", source = "../x" }, { op = "symlink", target = "/t", to = "../x" } },
    } do
      assert.same(row[2], only_step(row[1]))
    end
  end)

  it("that is a tmpfs becomes read-only when everything is in it", function()
    local plan <const> = plan_of { mounts = {
      { type = "tmpfs", target = "/t", readonly = true },
      { type = "file", target = "/t/x" },
    } }
    assert.matches("root_host mount file remount setsid", ops(plan))
    assert.equal(0, only(plan, "mount").slot)
    assert.same({
      op = "remount", side = "child", source = "mounts[1].readonly", slot = 0, target = "/t", attrs = { "readonly" },
    }, only(plan, "remount"))
  end)

  it("that is a bind is a copy of the source, with the mounts below it or without", function()
    local bind <const> = { type = "bind", source = "/s", target = "/t" }
    local open <const> = {
      op = "open", side = "child", source = "mounts[1].source", slot = 0, path = "/s", copy = true, recursive = true,
    }
    assert.same(open, only(plan_of { mounts = { bind } }, "open"))
    bind.recursive, open.recursive = false, nil
    assert.same(open, only(plan_of { mounts = { bind } }, "open"))
    bind.optional, open.optional = true, true
    assert.same(open, only(plan_of { mounts = { bind } }, "open"))
  end)

  it("that is a devpts belongs to the group of terminals, where that is mapped", function()
    local plan = plan_of({ gid_map = RANGES, mounts = { { type = "devpts", target = "/p" } } }, nil, root())
    assert.same({ "ptmxmode=666", "mode=620", "gid=5" }, only(plan, "mount").options)
    for count, gid in pairs { [5] = false, [6] = "gid=5" } do
      plan = plan_of({
        gid_map = { { inside = 0, outside = 100000, count = count } },
        mounts = { { type = "devpts", target = "/p" } },
      }, nil, root())
      assert.equal(gid or nil, only(plan, "mount").options[3])
    end
    plan = plan_of({ share = "user", mounts = { { type = "devpts", target = "/p" } } }, nil, root())
    assert.equal("gid=5", only(plan, "mount").options[3])
  end)

  it("that is a /dev is a tmpfs with the host's harmless devices", function()
    local expected <const> = {
      {
        op = "mount", type = "tmpfs", target = "/dev", options = { "size=67108864", "mode=755" },
        attrs = { "nosuid", "nodev", "noexec" },
      },
    }
    for slot, name in ipairs { "null", "zero", "full", "random", "urandom", "tty" } do
      expected[#expected + 1] = {
        op = "bind", slot = slot - 1, path = "/dev/" .. name, target = "/dev/" .. name,
      }
    end
    for _, link in ipairs {
      { "fd", "/proc/self/fd" }, { "stdin", "/proc/self/fd/0" }, { "stdout", "/proc/self/fd/1" },
      { "stderr", "/proc/self/fd/2" }, { "ptmx", "pts/ptmx" },
    } do
      expected[#expected + 1] = { op = "symlink", target = "/dev/" .. link[1], to = link[2] }
    end
    expected[#expected + 1] = { op = "dir", target = "/dev/shm", mode = 1023 }
    expected[#expected + 1] = {
      op = "mount", type = "devpts", target = "/dev/pts", options = { "ptmxmode=666", "mode=620" },
      attrs = { "nosuid", "noexec" },
    }
    for _, step in ipairs(expected) do
      step.source = "mounts[1]"
    end
    assert.same(expected, steps { type = "dev", target = "/dev" })
  end)

  it("of a device asks for the device that its name promises", function()
    local numbers <const> = {}
    for i, step in ipairs(all(plan_of { mounts = { { type = "dev", target = "/dev" } } }, "open")) do
      assert.equal(i - 1, step.slot)
      numbers[i] = ("%s %d:%d"):format(step.path, step.major, step.minor)
    end
    assert.same({
      "/dev/null 1:3", "/dev/zero 1:5", "/dev/full 1:7", "/dev/random 1:8", "/dev/urandom 1:9", "/dev/tty 5:0",
    }, numbers)
  end)
end)

describe("what is hidden in a plan", function()
  local MASKED <const> = {
    "acpi", "asound", "kcore", "keys", "latency_stats", "sched_debug", "scsi", "timer_list", "timer_stats",
  }
  local READONLY <const> = { "bus", "fs", "irq", "sys", "sysrq-trigger" }
  local proc <const> = { type = "proc", target = "/proc" }

  it("is the usual set for a proc", function()
    local plan <const> = plan_of { mounts = { proc } }
    assert.same({
      op = "open", side = "child", source = "mounts[1]", slot = 1, path = "/dev/null", major = 1, minor = 3,
    }, only(plan, "open"))
    assert.same({
      op = "mask", side = "child", source = "mounts[1]", slot = 1, base = 0, target = "/proc", paths = MASKED,
    }, only(plan, "mask"))
    assert.same({
      op = "readonly", side = "child", source = "mounts[1]", base = 0, target = "/proc", paths = READONLY,
    }, only(plan, "readonly"))
  end)

  it("is looked up from each mount itself", function()
    local plan <const> = plan_of { mounts = { { type = "proc", target = "/p" }, { type = "sysfs", target = "/s" } } }
    local proc_mount <const>, sysfs_mount <const> = table.unpack(all(plan, "mount"))
    local proc_mask <const>, sysfs_mask <const> = table.unpack(all(plan, "mask"))
    assert.same({ proc_mount.slot, "/p", MASKED }, { proc_mask.base, proc_mask.target, proc_mask.paths })
    assert.same({ sysfs_mount.slot, "/s", { "firmware" } }, { sysfs_mask.base, sysfs_mask.target, sysfs_mask.paths })
    assert.equal(proc_mask.slot, sysfs_mask.slot)
    assert.not_equal(proc_mask.base, sysfs_mask.base)
  end)

  it("is what the description says, and only that", function()
    local plan = plan_of { mounts = { proc }, masked_paths = { "/a", "/b" } }
    assert.same({ op = "mask", side = "child", source = "masked_paths", slot = 1, paths = { "/a", "/b" } },
      only(plan, "mask"))
    assert.same(READONLY, only(plan, "readonly").paths)
    plan = plan_of { mounts = { proc }, readonly_paths = { "/c" } }
    assert.same(MASKED, only(plan, "mask").paths)
    assert.same({ op = "readonly", side = "child", source = "readonly_paths", paths = { "/c" } },
      only(plan, "readonly"))
    plan = plan_of { mounts = { proc }, masked_paths = {}, readonly_paths = {} }
    assert.same({}, all(plan, "mask"))
    assert.same({}, all(plan, "readonly"))
    assert.same({}, all(plan, "open"))
  end)

  it("is nothing by default where a new proc must be mountable inside", function()
    local plan = plan_of { mounts = { proc, { type = "sysfs", target = "/sys" } }, allow_userns = true }
    assert.same({}, all(plan, "mask"))
    assert.same({}, all(plan, "readonly"))
    plan = plan_of { mounts = { proc }, allow_userns = true, masked_paths = { "/a" } }
    assert.same({ "/a" }, only(plan, "mask").paths)
    assert.equal(only(plan, "open").slot, only(plan, "mask").slot)
  end)
end)

describe("what a program may do in a plan", function()
  local function sets(description, process, facts)
    local step <const> = only(plan_of(description, process, facts), "capabilities")
    assert.same(step.effective, step.permitted)
    assert.same(step.ambient, step.inheritable)
    return table.concat(step.effective, " "), table.concat(step.ambient, " ")
  end

  it("is nothing", function()
    assert.same({ "", "" }, { sets {} })
    assert.same({}, only(plan_of {}, "bounding").keep)
  end)

  it("is what is kept: ambient too where it is not uid 0, whose exec keeps it", function()
    local kept <const> = { capabilities = { "CAP_NET_RAW", "chown" } }
    assert.same({ "chown net_raw", "" }, { sets(kept) })
    assert.same({ "chown net_raw", "chown net_raw" },
      { sets { capabilities = kept.capabilities, uid_map = "self" } })
    assert.same({ "chown", "chown" },
      { sets({ capabilities = { "chown" }, uid_map = RANGES }, { "/bin/true", uid = 5 }, root()) })
    assert.same({ "chown", "net_raw" }, only(plan_of(kept), "bounding").keep)
  end)

  it("is everything, if said so", function()
    local plan <const> = plan_of { capabilities = "all", allow_userns = true }
    assert.same(schema.capabilities, only(plan, "capabilities").effective)
    assert.same(schema.capabilities, only(plan, "bounding").keep)
  end)

  it("may include changing the mounts, and then that is told", function()
    local description <const> = { capabilities = { "sys_admin" }, lock_mounts = false }
    assert.same({
      {
        feature = "lock_mounts", used = "mounts that the program can change",
        reason = "it keeps sys_admin over the namespace that owns them",
      },
    }, plan_of(description).degraded)
    assert.same({}, plan_of({ capabilities = { "sys_admin" } }).degraded)
    assert.same({}, plan_of({ capabilities = { "sys_admin" }, share = "mnt" }).degraded)
    assert.same({}, plan_of({ capabilities = { "sys_admin" }, share = "user" }).degraded)
    assert.same({}, plan_of({ capabilities = { "net_admin" } }).degraded)
  end)

  it("does not include user namespaces of its own, unless said so", function()
    assert.equal(1, #all(plan_of { allow_userns = false }, "sysctl"))
    assert.equal(0, #all(plan_of { allow_userns = true }, "sysctl"))
  end)

  it("has the defaults taken back one by one", function()
    for field, op in pairs { no_new_privs = "no_new_privs", new_session = "setsid", die_with_parent = "pdeathsig" } do
      local plan <const> = plan_of { [field] = false }
      assert.equal(0, #all(plan, op))
      assert.equal((ops(plan_of()):gsub(" " .. op, "")), ops(plan))
    end
  end)
end)

describe("init in a plan", function()
  it("is an executable of its own, which stays when nothing is left to do but the program's own affairs", function()
    local plain <const>, init <const> = ops(plan_of()), ops(plan_of { init = true })
    assert.is_nil(plain:find("image", 1, true) or plain:find("undumpable", 1, true) or plain:find("init", 1, true))
    assert.is_truthy(init:find("^image clone .* release undumpable "))
    assert.is_truthy(init:find(" capabilities init setsid no_new_privs descriptors signals exec$"))
    assert.is_truthy(ops(plan_of { init = true, new_session = false }):find(" init no_new_privs "))
  end)

  it("is what these steps are there for", function()
    for _, step in ipairs(plan_of { init = true }) do
      if step.op == "image" or step.op == "undumpable" or step.op == "init" then
        assert.equal("init", step.source)
      end
    end
  end)
end)

describe("the program of a plan", function()
  local function exec(process, description, facts)
    return only(plan_of(description, process, facts), "exec")
  end

  it("is looked for in the PATH it is given, where its name has no slash", function()
    assert.same({ "/usr/bin/sh", "/bin/sh" }, exec({ "sh" }).paths)
    assert.same({ "/a/sh", "b/sh", "/sh" }, exec({ "sh", env = { PATH = "/a//:b::/" } }).paths)
    assert.same({}, exec({ "sh", env = { PATH = "" } }).paths)
    assert.same({ "./sh" }, exec({ "./sh" }).paths)
    assert.same({ "/sh" }, exec({ "/sh" }).paths)
  end)

  it("is called what argv0 says", function()
    assert.same({ "-sh", "-c", "x" }, exec({ "/bin/sh", "-c", "x", argv0 = "-sh" }).argv)
    assert.equal("/bin/sh", exec({ "/bin/sh", argv0 = "-sh" }).program)
    assert.same({ "sh" }, exec({ "sh" }).argv)
  end)

  it("has the short environment, the host's or parts of it, under its own", function()
    assert.same({ "A=", "PATH=/usr/bin:/bin", "TERM=vt100" }, exec({ "a", env = { TERM = "vt100", A = "" } }).env)
    assert.same({ "PATH=/usr/bin:/bin", "SECRET=s", "TERM=dumb" }, exec({ "a", inherit_env = true }).env)
    assert.same({ "PATH=/usr/bin:/bin", "SECRET=s", "TERM=dumb" },
      exec({ "a", inherit_env = { "SECRET", "NOTHING" } }).env)
    assert.same({ "PATH=/usr/bin:/bin", "TERM=dumb" }, exec({ "a", inherit_env = {} }).env)
  end)

  it("takes any number of arguments", function()
    local process <const> = {}
    for i = 1, 1 << 20 do
      process[i] = "x"
    end
    assert.equal(1 << 20, #exec(process).argv)
  end)

  it("is a placeholder until there is one", function()
    local box <const> = assert(userns.container { process = { cwd = "/srv" } })
    local plan <const> = assert(box:plan())
    assert.equal("<program>", plan[#plan].program)
    assert.equal("/srv", only(plan, "chdir").path)
    assert.matches("exec          <program>$", tostring(plan))
  end)

  it("is the description's, if that has one", function()
    local box <const> = assert(userns.container { process = { "/bin/echo", "a" } })
    assert.matches("exec          /bin/echo a$", tostring(box:plan()))
    assert.matches("exec          /bin/echo a$", tostring(box:plan {}))
    assert.matches("exec          /bin/true$", tostring(box:plan { "/bin/true" }))
  end)

  it("gets its descriptors in order", function()
    local step <const> = only(plan_of({}, {
      "a", stdin = io.stdin, stdout = "capture", stderr = 7, fds = { [9] = 4, [3] = io.stdout, [100] = io.stderr },
    }), "descriptors")
    assert.same({
      { target = 0, from = "file", source = "process.stdin" },
      { target = 1, from = "capture", source = "process.stdout" },
      { target = 2, from = "fd 7", source = "process.stderr" },
      { target = 3, from = "file", source = "process.fds[3]" },
      { target = 9, from = "fd 4", source = "process.fds[9]" },
      { target = 100, from = "file", source = "process.fds[100]" },
    }, step.fds)
  end)
end)

-- ---- any description ------------------------------------------------------

local random <const> = math.random

local function chance(probability)
  return random() < probability
end

local function pick(list)
  return list[random(#list)]
end

local function list_of(make, most)
  local list <const> = {}
  for i = 1, random(0, most) do
    list[i] = make()
  end
  return list
end

local function called()
  error(debug.traceback("a metamethod was called"))
end

local TRAP <const> = {
  __index = called, __newindex = called, __len = called, __pairs = called, __eq = called, __lt = called,
  __concat = called, __call = called, __tostring = called, __name = "trap",
}

local closed <const> = assert(io.tmpfile())
closed:close()

local WORDS <const> = {
  "", "/", "/a", "/../a", "a", "root", "self", "none", "all", "private", "user", "mnt", "CAP_CHOWN", "0755", "64M",
  "inherit", "TERM", "\0", "\n", "a=b", "%s%d", ("x"):rep(5000), "/" .. ("x"):rep(300), "\xff\xfe", "type", "target",
}

local JUNK <const> = {
  function() return nil end,
  function() return chance(0.5) end,
  function() return random(-2, 5) end,
  function() return pick { 1 << 32, 4294967295, 4294967294, math.maxinteger, math.mininteger, 65534, 100000 } end,
  function() return pick { 0.5, 1.0, -0.0, 2 ^ 32, 2 ^ 63, 0 / 0, math.huge, -math.huge } end,
  function() return pick(WORDS) end,
  function() return string.char(random(0, 255), random(0, 255), random(0, 255)) end,
  function() return pick { print, io.stdout, closed, coroutine.running() } end,
  function() return setmetatable({}, TRAP) end,
  function() local cycle = {} cycle[1], cycle.a = cycle, cycle return cycle end,
}

local function junk(depth)
  if chance(0.3) and (depth or 0) < 3 then
    local value <const> = {}
    for _ = 1, random(0, 4) do
      local key = chance(0.5) and random(4) or pick(JUNK)()
      if key == nil or key ~= key then
        key = pick(WORDS)
      end
      value[key] = junk((depth or 0) + 1)
    end
    return value
  end
  return pick(JUNK)()
end

local NULL <const> = assert(io.open("/dev/null"))

local function path()
  return "/" .. table.concat(list_of(function()
    return pick { "a", "b", "proc", "dev", "..a", ".", "x y", "n\n" }
  end, 4), "/")
end

local function below()
  return "/" .. pick { "t", "u" } .. path()
end

local function id()
  return pick { 0, 0, 1, 5, 1000, 65534, 100000, 4294967294 }
end

local function flag()
  return chance(0.5)
end

local function ranges()
  local map <const> = {}
  for i = 1, random(3) do
    map[i] = { inside = (i - 1) * 1000, outside = pick { 0, 1000, 100000 } + i * 10000, count = random(1000) }
  end
  return map
end

local function id_map()
  return pick { "root", "self", "auto", ranges() }
end

local function namespaces()
  return chance(0.2) and pick(schema.namespaces) or list_of(function()
    return pick(schema.namespaces)
  end, 4)
end

local function stdio()
  return pick { "inherit", "null", "pipe", 0, 1, io.stderr }
end

local fill

-- Good values by the name of the field; a field that is not here gets none.
local GOOD
GOOD = {
  namespaces = namespaces,
  share = namespaces,
  uid_map = id_map,
  gid_map = id_map,
  setgroups = function() return pick { "allow", "deny" } end,
  hostname = function() return pick { "box", "x.y", "\n" } end,
  domainname = function() return "example" end,
  root = function() return pick { path(), GOOD.record(schema.root.variants) } end,
  mounts = function() return list_of(function() return GOOD.record(schema.mount.variants) end, 6) end,
  propagation = function() return pick { "private", "slave", "shared", "unbindable" } end,
  masked_paths = function() return list_of(below, 3) end,
  readonly_paths = function() return list_of(below, 3) end,
  capabilities = function()
    return pick { "none", "all", list_of(function() return pick(schema.capabilities) end, 4) }
  end,
  seccomp = function()
    return pick { ("<I2BBI4"):pack(6, 0, 0, 0x7FFF0000), {
      default = pick { "allow", "log" },
      rules = list_of(function()
        return {
          names = pick { "mkdir", { "clone", "clone3" }, { "ioctl", "read" } }, action = pick { "errno", "kill" },
          args = list_of(function() return { index = 1, op = pick { "eq", "lt" }, value = 1 } end, 1),
        }
      end, 3),
    } }
  end,
  source = function(field) return field.type == handles.file and pick { NULL, { fd = 0 } } or path() end,
  lower = function() return chance(0.3) and path() or list_of(path, 4) end,
  upper = function() return pick { "tmpfs", path() } end,
  work = path,
  idmap = function() return pick { true, { uid = ranges(), gid = ranges() } } end,
  inodes = function() return random(9) end,
  subset = function() return "pid" end,
  hidepid = function() return pick { "off", "invisible" } end,
  ptmxmode = function() return pick { 438, "0600" } end,
  devices = function() return list_of(function() return pick { "/dev/fuse", "//dev/net/tun/", "/a", "/." } end, 2) end,
  landlock = function() return fill({}, schema.landlock.fields, 0.6) end,
  fs = function()
    return list_of(function()
      return { path = path(), allow = pick { "read", { "write", "refer" }, "ioctl" }, optional = chance(0.5) }
    end, 3)
  end,
  tcp = function()
    return { [pick { "bind", "connect" }] = list_of(function() return random(0, 65535) end, 3) }
  end,
  scope = function() return pick { "signal", { "abstract_unix_socket", "signal" } } end,
  sysctl = function()
    local key <const> = pick { "net.ipv4.ip_forward", "net/a.b/c", "kernel.sem", "user.max_mnt_namespaces" }
    return { [key] = pick { 0, "1 2", "\n" } }
  end,
  time_offsets = function() return { [pick(schema.clocks)] = pick { 0, -1.5, 1 << 31, 0.999999999999 } } end,
  personality = function() return pick { "linux32", "LINUX", { "linux", "uname26" }, {} } end,
  nice = function() return pick { -20, 0, 19 } end,
  affinity = function() return pick { { 0 }, { 3, 1, 3 }, "0-3,8191" } end,
  oom_score_adj = function() return pick { -1000, 0, 1000 } end,
  rlimits = function()
    return { [pick(schema.limits)] = pick { 0, "unlimited", 5000, { soft = 1, hard = "unlimited" }, math.maxinteger } }
  end,
  target = below,
  size = function() return pick { 0, "64M", 4096 } end,
  mode = function() return pick { 0, 493, "0755", "7777" } end,
  options = function()
    return chance(0.3) and "noexec" or list_of(function() return pick(schema.mount_words) end, 3)
  end,
  content = function() return pick { "", "a\0b" } end,
  uid = id,
  gid = id,
  groups = function() return list_of(id, 3) end,
  umask = function() return pick { 0, "077" } end,
  env = function() return { [pick { "A", "PATH", "x y" }] = pick { "", "/bin", "\n" } } end,
  inherit_env = function() return pick { true, false, list_of(function() return pick { "A", "SECRET" } end, 2) } end,
  cwd = path,
  argv0 = function() return pick { "", "-sh" } end,
  stdin = stdio,
  stdout = stdio,
  stderr = stdio,
  network = function()
    return pick {
      "pasta", "slirp4netns", { uplink = { type = "pasta", host_loopback = true } },
      { veth = { { name = "eth0", address = "10.0.0.2/24", gateway = "10.0.0.1", peer = { bridge = "br0" } } } },
      { interfaces = { { name = "wlan0", as = "eth0", routes = { { to = "fd00::/8" } } } } },
    }
  end,
  input = function() return "\0" end,
  fds = function() return { [random(3, 9)] = pick { 0, io.stdout } } end,
  timeout = function() return pick { 0, 0.5, 3 } end,
  kill_after = function() return 1 end,
  kill_signal = function() return pick { "TERM", "SIGINT", 9 } end,
  max_output = function() return "1K" end,
}
for _, name in ipairs {
  "readonly", "recursive", "optional", "no_new_privs", "allow_userns", "die_with_parent", "new_session", "strict",
  "init",
} do
  GOOD[name] = flag
end

function fill(value, fields, probability)
  for _, field in ipairs(fields) do
    if GOOD[field.name] and (field.required or chance(probability)) then
      value[field.name] = GOOD[field.name](field)
    end
  end
  return value
end

function GOOD.record(variants)
  local types <const> = {}
  for type in pairs(variants) do
    types[#types + 1] = type
  end
  table.sort(types)
  local type <const> = pick(types)
  local record <const> = fill({}, variants[type].fields, 0.4)
  record.type = type
  return record
end

function GOOD.process()
  local process <const> = fill({}, schema.process.fields, 0.2)
  for i, word in ipairs(list_of(function() return pick { "/bin/sh", "sh", "-c", "\n" } end, 3)) do
    process[i] = word
  end
  return process
end

--- Puts junk somewhere into a table.
local function spoil(value)
  local names <const> = {}
  for key in next, value do
    names[#names + 1] = (type(key) == "string" or math.type(key) == "integer") and key or nil
  end
  table.sort(names, function(a, b)
    return tostring(a) < tostring(b)
  end)
  local key <const> = #names > 0 and pick(names)
  if key and type(rawget(value, key)) == "table" and chance(0.7) then
    return spoil(rawget(value, key))
  end
  rawset(value, key and chance(0.7) and key or pick(WORDS), junk())
end

local function description()
  local value <const> = fill({}, schema.description.fields, 0.25)
  for _ = 1, pick { 0, 0, 0, 1, 1, 3 } do
    spoil(value)
  end
  return value
end

--- A value as text, tables entered once: equal for equal values.
local function fingerprint(value, seen)
  if type(value) ~= "table" then
    return type(value) .. ":" .. (type(value) == "string" and value or ("%p"):format(value) == "(null)"
      and tostring(value) or ("%p"):format(value))
  end
  if seen[value] then
    return "again:" .. seen[value]
  end
  seen[value] = #seen + 1
  seen[#seen + 1] = value
  local lines <const> = {}
  for key, item in next, value do
    local name <const> = type(key) == "table" and ("%p"):format(key) or fingerprint(key, seen)
    lines[#lines + 1] = { name, item }
  end
  table.sort(lines, function(a, b)
    return a[1] < b[1]
  end)
  for i, line in ipairs(lines) do
    lines[i] = line[1] .. "=" .. fingerprint(line[2], seen)
  end
  return "{" .. table.concat(lines, ",") .. "}"
end

local function print_of(value)
  return fingerprint(value, {})
end

local function add_tables(found, value)
  if type(value) == "table" then
    assert(not found[value], "a table is shared")
    found[value] = true
    for _, item in next, value do
      add_tables(found, item)
    end
  end
end

--- Calls, and says with which value it raised if it did.
local function quietly(what, f, ...)
  local results <const> = table.pack(pcall(f, ...))
  assert(results[1], ("%s raised: %s"):format(what, tostring(results[2])))
  return table.unpack(results, 2, results.n)
end

local function check_error(err)
  assert.equal("userns.error", getmetatable(err).__name)
  -- of a good description for another host: a controller that is not there, a tool
  -- that is not installed
  local CODES <const> = { EINVALID = true, EDEGRADED = true, EUNAVAILABLE = true, ENOENT = true }
  assert(CODES[err.code], err.code)
  assert.is_nil(tostring(err):find("%c"))
  for _, problem in ipairs(err.problems or {}) do
    assert.equal("EINVALID", problem.code)
    assert.is_string(problem.message)
    assert.is_nil(tostring(problem):find("%c"))
  end
end

-- Every plan has these once, in this order.
local SPINE <const> = {
  "clone", "close_fds", "await", "release", "keyring", "umask", "chdir", "capabilities", "descriptors", "signals",
  "exec",
}

-- Where both are in a plan, all of the first come before all of the second.
local ORDER <const> = {
  { "image", "clone" }, { "idmap", "clone" }, { "take", "clone" }, { "await", "uid_map" },
  { "setgroups", "gid_map" }, { "uid_map", "gid_map" },
  { "gid_map", "release" }, { "await", "newuidmap" }, { "setgroups", "newgidmap" },
  { "newgidmap", "release" }, { "release", "loopback" }, { "release", "open" }, { "undumpable", "mount" },
  { "image", "oom_score" }, { "oom_score", "clone" }, { "time", "undumpable" }, { "sysctl", "capabilities" },
  { "affinity", "capabilities" }, { "raise_limit", "await" },
  { "pivot_root", "ruleset" }, { "ruleset", "path_rule" }, { "ruleset", "port_rule" }, { "path_rule", "landlock" },
  { "port_rule", "landlock" }, { "no_new_privs", "landlock" }, { "landlock", "descriptors" },
  { "open", "setgid" }, { "open", "setuid" }, { "open", "root_bind" },
  { "open", "root_tmpfs" }, { "open", "root_overlay" }, { "open", "overlay" }, { "root_overlay", "mount" },
  { "overlay", "mask" }, { "open", "root_host" }, { "open", "bind" }, { "root_bind", "bind" },
  { "root_bind", "mount" }, { "root_tmpfs", "mount" }, { "root_host", "mount" }, { "root_host", "mask" },
  { "mount", "mask" }, { "bind", "mask" }, { "mask", "pivot_root" }, { "readonly", "pivot_root" },
  { "remount", "pivot_root" }, { "pivot_root", "hostname" }, { "pivot_root", "chdir" },
  { "hostname", "capabilities" }, { "domainname", "capabilities" }, { "groups", "setuid" },
  { "chdir", "bounding" }, { "bounding", "capabilities" }, { "setuid", "capabilities" },
  { "setgid", "capabilities" }, { "capabilities", "no_new_privs" }, { "no_new_privs", "descriptors" },
  { "descriptors", "seccomp" }, { "signals", "seccomp" }, { "seccomp", "exec" },
}

local function places(plan)
  local first <const>, last <const>, count <const> = {}, {}, {}
  for i, step in ipairs(plan) do
    -- with locked mounts, those of inner namespaces come when these are there
    local op <const> = step.op == "sysctl" and step.slot and "late_sysctl" or step.op
    first[op] = first[op] or i
    last[op] = i
    count[op] = (count[op] or 0) + 1
  end
  return first, last, count
end

local function check_order(plan)
  local first <const>, last <const>, count <const> = places(plan)
  for i, op in ipairs(SPINE) do
    assert(count[op] == 1, op)
    assert(i == 1 or first[SPINE[i - 1]] < first[op], op)
  end
  for _, pair in ipairs(ORDER) do
    local before <const>, after <const> = last[pair[1]], first[pair[2]]
    assert(not before or not after or before < after, ("%s before %s"):format(pair[1], pair[2]))
  end
  assert(plan[#plan].op == "exec")
end

-- What leaves a descriptor to a later step.
local FILLS <const> = { idmap = true, mount = true, open = true, ruleset = true, overlay = true, take = true }

--- The slots that an overlay takes its layers from.
local function layers_of(step)
  local list <const> = { table.unpack(step.lower or {}) }
  list[#list + 1] = step.upper
  list[#list + 1] = step.work
  return list
end

local function check_slots(plan)
  local filled <const> = {}
  local count = 0
  for _, step in ipairs(plan) do
    for _, layer in ipairs(layers_of(step)) do
      assert(filled[layer])
    end
    if step.slot and FILLS[step.op] then
      assert(not filled[step.slot])
      filled[step.slot], count = true, count + 1
    elseif step.slot then
      assert(filled[step.slot])
    end
  end
  assert(count == #filled + (filled[0] and 1 or 0), "a slot is left out")
end

local OPS <const> = sys.ops()
-- what every step may have, and what is for Lua alone
local COMMON <const> = { op = true, side = true, source = true, program = true, handle = true }

local function check_steps(plan)
  for _, step in ipairs(plan) do
    local known <const> = laid_over({}, COMMON)
    for _, name in ipairs(OPS[step.op].operands) do
      known[name] = true
    end
    for name in pairs(step) do
      assert(known[name], ("%s has no operand '%s'"):format(step.op, name))
    end
    assert(step.side == OPS[step.op].side)
  end
end

--- Words never give the program an id that is root's own.
local function check_ids(plan, d, facts)
  for _, kind in ipairs { "uid", "gid" } do
    for _, step in ipairs(all(plan, kind .. "_map")) do
      if type(d[kind .. "_map"]) == "string" and facts.uid_map == WHOLE then
        assert(step.map[1].outside ~= 0)
      end
    end
  end
end

local function check_plan(plan, d, spec, facts)
  check_order(plan)
  check_slots(plan)
  check_steps(plan)
  check_ids(plan, d, facts)
  local found <const> = {}
  add_tables(found, steps_of(plan))
  for _, origin in ipairs { d, spec, facts } do
    for _, item in next, origin do
      assert(not found[item], "a table is shared")
    end
  end
  local _, newlines = tostring(plan):gsub("\n", "")
  assert(newlines == #plan - 1)
  quietly("packing", sys.pack, plan)
end

local HOSTS <const> = {
  user, root, single,
  function()
    return user {
      groups = { 100, 27 },
      subids = { uid = { { start = 100000, count = 9 } }, gid = {} },
      helpers = { uid = "/bin/newuidmap" },
    }
  end,
  function() return root { capabilities = {}, landlock = 0 } end,
  function() return user { landlock = random(6) } end,
  function()
    return root { subids = { uid = { { start = 100000, count = 9 } }, gid = { { start = 5, count = 1 } } } }
  end,
  function() return user { limits = { nofile = { soft = 33, hard = 40 } }, env = {}, environ = {} } end,
}

local function check_compiled(d, process, facts)
  local spec <const>, err = quietly("validating a process", validate.process, process, d.process)
  if not spec then
    return check_error(err)
  end
  local before <const> = print_of { d, spec, facts }
  local plan <const>, why = quietly("compiling", compile.compile, d, spec, facts)
  assert(before == print_of { d, spec, facts }, "compiling changed its input")
  if not plan then
    check_error(why)
    return false
  end
  check_plan(plan, d, spec, facts)
  assert(print_of(plan) == print_of(compile.compile(d, spec, facts)), "the same input gave another plan")
  return true
end

--- One turn; whether a description was good, and whether a plan was made of it.
local function turn()
  local given <const> = description()
  local before <const> = print_of(given)
  local box <const>, err = quietly("userns.container", userns.container, given)
  assert((box == nil) == (err ~= nil))
  local d <const>, same = validate.description(given)
  assert(before == print_of(given), "validating changed its input")
  if not box then
    check_error(err)
    assert(d or tostring(err) == tostring(same)) -- else it is the host that says no
    return false, false
  end
  lookup.places(d)
  local process <const> = GOOD.process()
  if chance(0.3) then
    spoil(process)
  end
  local plan <const>, why = quietly("container:plan", box.plan, box, process)
  assert((plan == nil) == (why ~= nil))
  return true, check_compiled(d, process, pick(HOSTS)()) or false
end

describe("any description", function()
  it("makes a container or an error, and a plan that holds, and never raises", function()
    local good, planned = 0, 0
    for seed = 1, 4000 do
      math.randomseed(seed)
      local ok <const>, accepted, compiled = pcall(turn)
      assert(ok, ("seed %d: %s"):format(seed, tostring(accepted)))
      good = good + (accepted and 1 or 0)
      planned = planned + (compiled and 1 or 0)
    end
    -- else the generator has lost its way, and nothing was tried
    assert(good > 500, good)
    assert(good < 3500, good)
    assert(planned > 200, planned)
  end)
end)
