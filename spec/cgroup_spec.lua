local cgroup <const> = require "userns.cgroup"
local cgroups <const> = require "userns.cgroups"
local compile <const> = require "userns.compile"
local helper <const> = require "spec.helper"
local host <const> = require "userns.host"
local mountinfo <const> = require "userns.mountinfo"
local sys <const> = require "userns.sys"
local userns <const> = require "userns"
local validate <const> = require "userns.validate"

local way <const> = helper.privilege
local is_root <const> = way == "root"

-- ---- hosts ----------------------------------------------------------------

--- A mount of a cgroup file system: { target, type, options, root }.
local function mounts(list)
  local lines <const> = {}
  for i, mount in ipairs(list) do
    local target <const>, type <const>, options <const>, root <const> = table.unpack(mount)
    lines[i] = ("%d 1 0:%d %s %s rw,nosuid - %s %s rw%s\n"):format(i + 30, i + 20, root or "/", target, type, type,
      options and "," .. options or "")
  end
  return mountinfo.parse(table.concat(lines))
end

local function hierarchies(membership, list, controllers)
  return cgroups.parse(membership, mounts(list), function(target)
    return controllers and target .. " " .. controllers or ""
  end)
end

local SERVICE <const> = "/user.slice/user-1000.slice/user@1000.service/app.slice"

local HOSTS <const> = {
  v2 = hierarchies("0::" .. SERVICE .. "/run-r1.scope\n",
    { { "/sys/fs/cgroup", "cgroup2", "nsdelegate" } }, "cpuset cpu io memory pids"),
  hybrid = hierarchies("3:cpu,cpuacct:/\n2:memory:/user/1000\n1:name=systemd:/user\n0::/user\n", {
    { "/sys/fs/cgroup", "tmpfs" }, { "/sys/fs/cgroup/unified", "cgroup2" },
    { "/sys/fs/cgroup/systemd", "cgroup", "xattr,name=systemd" },
    { "/sys/fs/cgroup/cpu,cpuacct", "cgroup", "cpu,cpuacct" }, { "/sys/fs/cgroup/memory", "cgroup", "memory" },
  }),
  v1 = hierarchies("4:pids:/a\n3:blkio:/\n2:cpuacct,cpu:/a/b\n1:memory:/a/b\n", {
    { "/cg/pids", "cgroup", "pids" }, { "/cg/blkio", "cgroup", "blkio" }, { "/cg/cpu", "cgroup", "cpu,cpuacct" },
    { "/cg/memory", "cgroup", "memory" },
  }),
  -- version 1, without a cgroup namespace
  docker = hierarchies("2:memory:/docker/f00\n1:pids:/docker/f00/sub\n", {
    { "/sys/fs/cgroup/memory", "cgroup", "memory", "/docker/f00" },
    { "/sys/fs/cgroup/pids", "cgroup", "pids", "/docker/f00" },
  }),
  -- version 2, with one
  namespaced = hierarchies("0::/\n", { { "/sys/fs/cgroup", "cgroup2" } }, "cpu memory pids"),
  outside = hierarchies("0::/../elsewhere\n", { { "/sys/fs/cgroup", "cgroup2" } }, "memory"),
  foreign_mount = hierarchies("0::/\n", { { "/sys/fs/cgroup", "cgroup2", nil, "/../.." } }, "memory"),
  none = {},
}

local FACTS <const> = {
  uid = 1000, gid = 100, groups = { 100 }, uid_map = {}, gid_map = {}, subids = { uid = {}, gid = {} }, helpers = {},
  setgroups = "allow", capabilities = {}, limits = { nofile = { soft = 1024, hard = 4096 } },
  image = "/lib/userns-init",
  env = {}, environ = {},
}

--- The plan on one of the hosts, or nil and the error.
local function try(description, where)
  local d <const> = assert(validate.description(description))
  return compile.compile(d, assert(validate.process({ "/bin/true" }, d.process)),
    setmetatable({ cgroups = HOSTS[where] }, { __index = FACTS }))
end

--- The cgroup steps of a plan, as they are listed.
local function made(given, where, other)
  local description <const> = { cgroup = given }
  for key, value in pairs(other or {}) do
    description[key] = value
  end
  local list <const> = {}
  for line in (tostring(assert(try(description, where))) .. "\n"):gmatch("parent  cgroup +(%C*)\n") do
    list[#list + 1] = line
  end
  return list
end

local function unavailable(field, message, hint)
  return { op = "cgroup", code = "EUNAVAILABLE", field = field, message = message, hint = hint }
end

local HANDED <const> = "see /proc/cgroups; a container sees the controllers that were handed to it"

describe("The hierarchies of", function()
  it("a host with version 2 alone are one", function()
    assert.same({ {
      version = 2, target = "/sys/fs/cgroup", own = SERVICE .. "/run-r1.scope",
      controllers = { "/sys/fs/cgroup", "cpuset", "cpu", "io", "memory", "pids" },
    } }, HOSTS.v2)
  end)

  it("a host with both have version 2 first, and those without controllers are left out", function()
    assert.same({
      { version = 2, target = "/sys/fs/cgroup/unified", own = "/user", controllers = {} },
      { version = 1, target = "/sys/fs/cgroup/cpu,cpuacct", own = "/", controllers = { "cpu", "cpuacct" } },
      { version = 1, target = "/sys/fs/cgroup/memory", own = "/user/1000", controllers = { "memory" } },
    }, HOSTS.hybrid)
  end)

  it("a container that sees a part are relative to it", function()
    assert.same({ "/", "/sub" }, { HOSTS.docker[1].own, HOSTS.docker[2].own })
    assert.equal("/", HOSTS.namespaced[1].own)
  end)

  it("who is not in sight do not say where it is", function()
    for _, where in ipairs { "outside", "foreign_mount" } do
      assert.is_nil(HOSTS[where][1].own)
    end
  end)

  it("mounts one over the other are taken from the one that shows the caller", function()
    local list <const> = hierarchies("1:memory:/a/b\n", {
      { "/one", "cgroup", "memory", "/other" }, { "/two", "cgroup", "memory", "/a" },
      { "/three", "cgroup", "memory" },
    })
    assert.same({ "/two", "/b" }, { list[1].target, list[1].own })
  end)

  it("this host are those of the kernel", function()
    for _, hierarchy in ipairs(assert(cgroups.read())) do
      local path <const> = hierarchy.target .. (hierarchy.own or "") .. "/cgroup.procs"
      assert(io.open(path)):close()
    end
  end)
end)

describe("A cgroup in a description", function()
  local function problem(given)
    local box <const>, err <const> = userns.container { cgroup = given }
    assert.is_nil(box)
    return helper.fields(err)
  end

  it("is checked field by field", function()
    for field, case in pairs {
      ["cgroup.memory"] = { { memory = "64 MB" }, "size (bytes, or \"64M\") expected, got \"64 MB\"" },
      ["cgroup.pids"] = { { pids = 0 }, "0 is out of range (1 to 4194304)" },
      ["cgroup.cpu"] = { { cpu = 0 }, "0 is out of range (0.01 to 10000)" },
      ["cgroup.cpu_weight"] = { { cpu_weight = 10001 }, "10001 is out of range (1 to 10000)" },
      ["cgroup.io[1].device"] = { { io = { { device = "/dev/sda" } } },
        "a device is its number, as in \"8:0\" (see lsblk)" },
      ["cgroup.io[1].riops"] = { { io = { { device = "8:0", riops = "1M" } } }, "integer expected, got string" },
      ["cgroup.parent"] = { { parent = "a/b" }, "an absolute path is needed" },
      ["cgroup.swap"] = { { swap = "1M" }, "needs cgroup.memory" },
      ["cgroup.memroy"] = { { memroy = 1 }, "unknown field 'memroy' (did you mean 'memory'?)" },
    } do
      assert.same(helper.invalid(field, case[2]), problem(case[1]))
    end
    assert.same(helper.invalid("cgroup.cpu", "number expected, got not a number (NaN)"), problem { cpu = 0 / 0 })
    assert.same(helper.invalid("cgroup.parent", "'..' has no place in a target"), problem { parent = "/a/../b" })
  end)

  it("has a name that is one component and no file of a controller's", function()
    for _, name in ipairs { "a/b", ".", "..", ".a", "a b", "a\nb", "-a", "é" } do
      assert.same(helper.invalid("cgroup.name", "letters, digits and _ . : @ - make up a cgroup's name"),
        problem { name = name })
    end
    assert.same(helper.invalid("cgroup.name", "0 bytes are not 1 to 200"), problem { name = "" })
  end)

  it("needs no namespace", function()
    assert(userns.container { namespaces = {}, cgroup = { memory = "1G" } })
  end)

  it("is described in full and in words", function()
    local box <const> = assert(userns.container {
      cgroup = { memory = "64M", swap = 0, cpu = 0.5, io = { { device = "8:0", rbps = "1M" } }, parent = "/a//b/" },
    })
    local given <const> = {
      memory = 64 << 20, swap = 0, cpu = 0.5, io = { { device = "8:0", rbps = 1 << 20 } }, parent = "/a/b",
    }
    assert.same(given, box:describe().cgroup)
    assert.same(given, assert(userns.container(box:describe())):describe().cgroup)
    assert.truthy(tostring(box):find("cgroup:          its own, with 67108864 bytes of memory, 0 bytes of swap, "
      .. "0.5 CPUs, limited i/o on device 8:0\n", 1, true))
    local bare <const> = tostring(userns.container { cgroup = {} })
    assert.truthy(bare:find("cgroup:          its own, without limits\n", 1, true))
    assert.is_nil(tostring(userns.container {}):find("\ncgroup:"))
  end)
end)

describe("The plan of a cgroup", function()
  local EVERYTHING <const> = {
    memory = "64M", swap = "1M", pids = 32, cpu = 0.5, cpu_weight = 200,
    io = { { device = "8:0", rbps = "1M", wiops = 10 }, { device = "8:16", wbps = 512 } },
  }

  it("has one of version 2, above the caller's own: that one has processes", function()
    assert.same({
      ("version=2 path=/sys/fs/cgroup%s name=box controllers=memory,pids,cpu,io "
        .. "limits=memory.max=67108864,memory.swap.max=1048576,pids.max=32,\"cpu.max=50000 100000\",cpu.weight=200,"
        .. "\"io.max=8:0 rbps=1048576 wiops=10\",\"io.max=8:16 wbps=512\""):format(SERVICE),
    }, made(userns.merge(EVERYTHING, { name = "box" }), "v2"))
  end)

  it("has one for each controller of version 1, in the caller's own", function()
    assert.same({
      "version=1 path=/cg/memory/a/b limits=memory.limit_in_bytes=67108864,memory.memsw.limit_in_bytes=68157440",
      "version=1 path=/cg/pids/a limits=pids.max=32",
      "version=1 path=/cg/cpu/a/b limits=cpu.cfs_period_us=100000,cpu.cfs_quota_us=50000,cpu.shares=2048",
      "version=1 path=/cg/blkio limits=\"blkio.throttle.read_bps_device=8:0 1048576\","
        .. "\"blkio.throttle.write_iops_device=8:0 10\",\"blkio.throttle.write_bps_device=8:16 512\"",
    }, made(EVERYTHING, "v1"))
  end)

  it("takes of both what each has", function()
    assert.same({
      "version=2 path=/sys/fs/cgroup/unified/user optional",
      "version=1 path=/sys/fs/cgroup/cpu,cpuacct limits=cpu.shares=10",
      "version=1 path=/sys/fs/cgroup/memory/user/1000 optional",
    }, made({ cpu_weight = 1 }, "hybrid"))
  end)

  it("adds where memory and time are told, and insists on none of these but the first", function()
    assert.same({ "version=2 path=/sys/fs/cgroup" .. SERVICE .. "/run-r1.scope" }, made({}, "v2"))
    assert.same({ "version=1 path=/cg/cpu/a/b", "version=1 path=/cg/memory/a/b optional" }, made({}, "v1"))
    assert.same({
      "version=2 path=/sys/fs/cgroup/unified/user required",
      "version=1 path=/sys/fs/cgroup/memory/user/1000 optional required",
    }, made({}, "hybrid", { strict = true, setgroups = "deny", cgroup = {} }))
  end)

  it("is made below the parent that is named", function()
    assert.same({ "version=2 path=/sys/fs/cgroup/a/b controllers=pids limits=pids.max=1" },
      made({ parent = "/a/b", pids = 1 }, "v2"))
    assert.same({ "version=2 path=/sys/fs/cgroup" }, made({ parent = "/" }, "outside"))
    assert.same({ "version=2 path=/sys/fs/cgroup controllers=pids limits=pids.max=1" },
      made({ pids = 1 }, "namespaced"))
    assert.same({
      "version=1 path=/sys/fs/cgroup/pids/sub limits=pids.max=1", "version=1 path=/sys/fs/cgroup/memory optional",
    }, made({ pids = 1 }, "docker"))
  end)

  it("enters before the child goes on, and makes the cgroup namespace afterwards", function()
    local order <const> = {}
    for _, step in ipairs(assert(try({ cgroup = {}, hostname = "box" }, "v2"))) do
      order[#order + 1] = step.op
    end
    assert.truthy(table.concat(order, " "):find(
      "^cgroup clone close_fds pdeathsig await enter_cgroup .* release .* hostname unshare setsid "))
    local plan <const> = try({ cgroup = {} }, "v2")
    assert.same({ "user", "mnt", "pid", "net", "ipc", "uts" }, plan[2].namespaces)
    local shared <const> = tostring(try({ cgroup = {}, share = { "cgroup" } }, "v2"))
    assert.is_nil(shared:find("unshare", 1, true))
    assert.same({ "user", "mnt", "pid", "net", "ipc", "uts", "cgroup" }, try({}, "v2")[1].namespaces)
  end)

  it("is refused where no hierarchy has the controller", function()
    local plan <const>, err <const> = try({ cgroup = { memory = "1M", pids = 5 } }, "hybrid")
    assert.is_nil(plan)
    assert.same(unavailable("cgroup.pids", "no cgroup hierarchy has the controller pids", HANDED), err)
    local _, other <const> = try({ cgroup = { io = { { device = "8:0", rbps = 1 } } } }, "docker")
    assert.same(unavailable("cgroup.io", "no cgroup hierarchy has the controller io", HANDED), other)
  end)

  it("is refused where there is no hierarchy, or the caller is out of sight", function()
    for where, expected in pairs {
      none = unavailable("cgroup", "no cgroup of the caller's is in sight", HANDED),
      outside = unavailable("cgroup", "no cgroup of the caller's is in sight", HANDED),
    } do
      local _, err <const> = try({ cgroup = {} }, where)
      assert.same(expected, err)
    end
    local _, err <const> = try({ cgroup = { memory = "1M" } }, "outside")
    assert.same(unavailable("cgroup.parent", "the caller's own cgroup is not in sight",
      "name a cgroup that is, by its path below /sys/fs/cgroup"), err)
  end)
end)

-- ---- a cgroup by itself ----------------------------------------------------

describe("A cgroup where the kernel does not account for swap", function()
  -- A directory without the files of one.
  local directory
  local STEP <const> = { version = 1, limits = { "memory.memsw.limit_in_bytes=4096" }, fields = { "swap" } }

  local function create(required)
    local degraded <const> = {}
    local step <const> = setmetatable({ path = directory, required = required }, { __index = STEP })
    local group <const>, err <const> = cgroup.create(step, degraded)
    return group, err, degraded
  end

  before_each(function()
    directory = helper.directory()
  end)

  after_each(function()
    assert.equal("", helper.shell("ls -A " .. directory).out)
    helper.remove(directory)
  end)

  it("says so", function()
    local group <const>, _, degraded <const> = create()
    assert.same({
      { feature = "cgroup.swap", used = "no limit", reason = "the kernel does not account for swap" },
    }, degraded)
    group:close()
    group:close()
  end)

  it("is not to be had if that was required", function()
    local group <const>, err <const> = create(true)
    assert.is_nil(group)
    local name <const> = err.path:match("^" .. directory .. "/(userns%-%d+%-%d+)/memory.memsw.limit_in_bytes$")
    assert.is_string(name)
    assert.same(helper.errno("ENOENT", { op = "openat", syscall = "openat", path = err.path, item = 1 }),
      helper.fields(err))
  end)

  it("is gone when it is collected, and stays when it is let go", function()
    coroutine.wrap(function() create() end)()
    collectgarbage()
    assert.equal("", helper.shell("ls -A " .. directory).out)
    local group <const> = create()
    group:detach()
    group:close()
    assert.equal(group.name .. "\n", helper.shell("ls -A " .. directory).out)
    assert(os.remove(group.path))
  end)

  it("is not a copy of the host's to remove", function()
    local group <const> = create()
    assert(assert(sys.clone({}, function() group:close() end)):wait())
    assert.equal(group.name .. "\n", helper.shell("ls -A " .. directory).out)
    group:close()
  end)
end)

-- ---- live ------------------------------------------------------------------

--- Cgroups that this process has made and not removed.
local function left()
  local pattern <const> = ("userns-%d-*"):format(sys.getpid())
  local found <const> = {}
  for _, hierarchy in ipairs(assert(cgroups.read())) do
    found[#found + 1] = helper.shell(("find %s -name '%s'"):format(hierarchy.target, pattern)).out
  end
  return table.concat(found)
end

--- The directory of a process's cgroup in the hierarchy that has a controller.
local function directory_of(pid, controller)
  for _, hierarchy in ipairs(assert(cgroups.read())) do
    if cgroups.contains(hierarchy.controllers, controller) then
      local names <const> = hierarchy.version == 2 and "" or table.concat(hierarchy.controllers, ",")
      local path <const> = helper.read(("/proc/%d/cgroup"):format(pid)):match("%d+:" .. names .. ":([^\n]*)")
      return hierarchy.target .. path, hierarchy.version
    end
  end
end

--- What a file says of a process's cgroup; its name in version 1 and in version 2.
local function limit_of(pid, controller, ...)
  local directory <const>, version <const> = directory_of(pid, controller)
  return (helper.read(directory .. "/" .. select(version, ...)):gsub("\n$", ""))
end

local function alive(pid)
  local stat <close> = io.open(("/proc/%d/stat"):format(pid))
  return stat ~= nil and not stat:read("a"):find("%) [ZX] ")
end

describe("A container in a cgroup of its own", function()
  before_each(helper.count)

  after_each(function()
    collectgarbage()
    helper.check_count()
    assert.equal("", left())
  end)

  if not is_root then
    it("is refused where the caller may not write, and the error says what would help", function()
      for field, given in pairs { ["cgroup"] = {}, ["cgroup.memory"] = { memory = "64M" } } do
        local fields <const>, advice <const> = helper.refusal({ cgroup = given, share = { "net" } }, { "/bin/true" })
        local refused <const> = { fields.op, fields.code, fields.field }
        assert.same({ { "cgroup", "EACCES", field }, "cgroup_not_delegated" }, { refused, advice.cause })
        assert.equal(fields.syscall == "openat", fields.path:find("/cgroup.subtree_control", 1, true) ~= nil)
      end
    end)
    return
  end

  -- A program in no other namespaces but these starts without the separate image.
  local BARE <const> = { "user", "cgroup" }

  local function run(given, process, namespaces)
    return helper.run({ cgroup = given, namespaces = namespaces or BARE }, process)
  end

  it("is ended for want of memory, which the result tells", function()
    local result <const> = run({ memory = "32M", swap = 0 },
      { "lua5.4", "-e", "local t = {} for i = 1, 100 do t[i] = ('x'):rep(1 << 20) end" })
    assert.same({ "SIGKILL", true }, { result.signal, result.oom_killed })
    assert.is_true(result.usage.max_rss > 16 << 20 and result.usage.max_rss <= 32 << 20)
  end)

  it("tells its own memory and time", function()
    local result <const> = run({ memory = "256M" },
      { "lua5.4", "-e", "local s = ('x'):rep(20 << 20) for i = 1, 3000000 do s = s end" })
    assert.same({ 0, false }, { result.exit_code, result.oom_killed })
    assert.is_true(result.usage.max_rss > 20 << 20 and result.usage.max_rss <= 256 << 20)
    assert.is_true(result.usage.user_time > 0 and result.usage.system_time >= 0)
  end)

  it("has so many processes and no more", function()
    local script <const> = "for i in 1 2 3 4; do sleep 100 & done; wait"
    local result <const> = run({ pids = 4 }, { "/bin/sh", "-c", script, stderr = "capture" })
    assert.truthy(result.stderr:find("Cannot fork", 1, true) or result.stderr:find("Resource temporarily", 1, true))
    assert.is_false(result.oom_killed)
  end)

  it("can have a single process, whichever memory it starts from", function()
    for _, namespaces in ipairs { BARE, {}, { "user", "mnt", "pid", "net", "ipc", "uts", "cgroup" } } do
      assert.is_true(run({ pids = 1 }, { "/bin/true" }, namespaces).ok)
    end
  end)

  it("has the limits that are asked for", function()
    local box <const> = assert(userns.container {
      cgroup = { memory = "64M", pids = 7, cpu = 0.25, cpu_weight = 50 }, namespaces = BARE,
    })
    local p <close> = assert(box:spawn { "/bin/sleep", "1000" })
    assert.equal("67108864", limit_of(p.pid, "memory", "memory.limit_in_bytes", "memory.max"))
    assert.equal("7", limit_of(p.pid, "pids", "pids.max", "pids.max"))
    local _, version <const> = directory_of(p.pid, "cpu")
    assert.equal(version == 1 and "25000" or "25000 100000", limit_of(p.pid, "cpu", "cpu.cfs_quota_us", "cpu.max"))
    assert.equal(version == 1 and "512" or "50", limit_of(p.pid, "cpu", "cpu.shares", "cpu.weight"))
  end)

  it("has the swap that is asked for besides, where the kernel accounts for it", function()
    local box <const> = assert(userns.container { cgroup = { memory = "64M", swap = "1M" }, namespaces = BARE })
    local p <close> = assert(box:spawn { "/bin/cat", stdin = "pipe" })
    local directory <const>, version <const> = directory_of(p.pid, "memory")
    local path <const> = directory .. (version == 1 and "/memory.memsw.limit_in_bytes" or "/memory.swap.max")
    local file <close> = io.open(path)
    local limit <const> = file and file:read("n")
    p.stdin:close()
    local missed <const> = {}
    for _, entry in ipairs(assert(p:wait()).degraded) do
      missed[#missed + 1] = entry.feature == "cgroup.swap" and entry.used or nil
    end
    if limit then
      assert.same({ version == 1 and 65 << 20 or 1 << 20, {} }, { limit, missed })
    else
      assert.same({ "no limit" }, missed)
    end
  end)

  it("reads and writes a device so fast and no faster", function()
    local device <const> = helper.shell("cat /sys/block/*/dev").out:match("%S+")
    local box <const> = assert(userns.container {
      cgroup = { io = { { device = device, rbps = "1M", wiops = 10 } } }, namespaces = BARE,
    })
    local p <close> = assert(box:spawn { "/bin/sleep", "1000" })
    if directory_of(p.pid, "blkio") then -- as version 1 calls it
      assert.equal(device .. " 1048576", limit_of(p.pid, "blkio", "blkio.throttle.read_bps_device"))
      assert.equal(device .. " 10", limit_of(p.pid, "blkio", "blkio.throttle.write_iops_device"))
    else
      assert.equal(device .. " rbps=1048576 wbps=max riops=max wiops=10", limit_of(p.pid, "io", nil, "io.max"))
    end
  end)

  it("is held to its share of a processor", function()
    local result <const> = run({ cpu = 0.2 }, { "lua5.4", "-e", "while os.clock() < 0.3 do end" })
    -- in the first tenth of a second all of its fifth is spent at once
    assert.is_true(result.ok and result.duration > 1, result.duration)
  end)

  it("sees it as the root of its cgroup namespace, and else as the host does", function()
    local process <const> = { "/bin/cat", "/proc/self/cgroup", stdout = "capture" }
    for line in run({ pids = 5 }, process).stdout:gmatch("[^\n]+") do
      assert.truthy(line:find(":/$"), line)
    end
    assert.truthy(run({ pids = 5 }, process, { "user" }).stdout:find("/userns-", 1, true))
  end)

  it("leaves nobody behind, though it has no pid namespace", function()
    local script <const> = "setsid sleep 1000 & echo $!; sleep 1000 & echo $!; %s"
    for _, last in ipairs { "exit 3", "sleep 1000" } do
      local result <const> = run({ pids = 10 }, { "/bin/sh", "-c", script:format(last), stdout = "capture",
        timeout = 0.3 })
      assert.equal(last == "exit 3", not result.timed_out)
      local count = 0
      for pid in result.stdout:gmatch("%d+") do
        count = count + 1
        assert.is_false(alive(pid))
      end
      assert.equal(2, count)
    end
  end)

  it("leaves no cgroup when it is closed, dropped or never started", function()
    local box <const> = assert(userns.container { cgroup = { pids = 5 }, namespaces = BARE })
    local p <const> = assert(box:spawn { "/bin/sleep", "1000" })
    assert.not_equal("", left())
    p:close()
    assert.equal("", left())
    coroutine.wrap(function() assert(box:spawn { "/bin/sleep", "1000" }) end)()
    collectgarbage()
    assert.equal("", left())
    assert.equal("exec", helper.refusal({ cgroup = { pids = 5 } }, { "/nonexistent" }).op)
  end)

  it("keeps it when it is let go", function()
    local box <const> = assert(userns.container {
      cgroup = { pids = 5 }, namespaces = { "user" }, die_with_parent = false,
    })
    local p <const> = assert(box:spawn { "/bin/sleep", "1000" })
    local pid <const>, directory <const> = p.pid, directory_of(p.pid, "pids")
    p:detach()
    collectgarbage()
    assert.equal(tostring(pid) .. "\n", helper.read(directory .. "/cgroup.procs"))
    local handle <close> = assert(sys.pidfd_open(pid))
    handle:kill()
    handle:wait()
    for path in left():gmatch("[^\n]+") do
      assert.equal(0, helper.shell("rmdir " .. path).code)
    end
  end)

  it("shares it with no other, however many there are", function()
    local box <const> = assert(userns.container { cgroup = {}, namespaces = { "user" } })
    local processes <const>, seen <const> = {}, {}
    for i = 1, 50 do
      processes[i] = assert(box:spawn { "/bin/sleep", "1000" })
      local membership <const> = helper.read(("/proc/%d/cgroup"):format(processes[i].pid)):match("0::(%C*)")
      assert.is_nil(seen[membership or i])
      seen[membership or i] = true
    end
    for _, p in ipairs(processes) do
      p:close()
    end
  end)

  it("passes over a name that somebody has", function()
    assert.equal("true\n", helper.output [[
      local cgroups, sys, userns = require "userns.cgroups", require "userns.sys", require "userns"
      local taken = {}
      for i, h in ipairs(cgroups.read()) do
        taken[i] = ("%s%s/userns-%d-1"):format(h.target, h.own, sys.getpid())
        assert(os.execute("mkdir " .. taken[i]))
      end
      local result, err = userns.container { cgroup = { pids = 5 }, namespaces = {} }:run { "/bin/true" }
      assert(os.execute("rmdir " .. table.concat(taken, " ")))
      print(assert(result, err).ok)
    ]])
  end)

  it("removes what was made below", function()
    local box <const> = assert(userns.container { cgroup = { pids = 5 }, namespaces = { "user" } })
    local p <close> = assert(box:spawn { "/bin/sleep", "1000" })
    assert(os.execute("mkdir -p " .. directory_of(p.pid, "pids") .. "/a/b"))
    p:kill()
    assert.same({}, p:wait().degraded)
  end)

  -- The one that has the controller pids.
  local function hierarchy_of_pids()
    for _, hierarchy in ipairs(assert(cgroups.read())) do
      if cgroups.contains(hierarchy.controllers, "pids") then
        return hierarchy
      end
    end
  end

  -- A cgroup for the specs in each hierarchy, whose owner somebody else may be.
  local function with_parent(owner, run_there)
    local name <const> = ("userns-spec-%d"):format(sys.getpid())
    local made_here <const> = {}
    for _, hierarchy in ipairs(assert(cgroups.read())) do
      if hierarchy.version == 2 or cgroups.contains(hierarchy.controllers, "pids") then
        local path <const> = ("%s/%s"):format(hierarchy.target, name)
        made_here[#made_here + 1] = path
        assert(os.execute("mkdir " .. path))
        if cgroups.contains(hierarchy.controllers, "pids") and hierarchy.version == 2 then
          helper.write(hierarchy.target .. "/cgroup.subtree_control", "+pids")
        end
        assert(os.execute(("chown -R %d %s"):format(owner, path)))
      end
    end
    local ok <const>, message <const> = pcall(run_there, "/" .. name)
    assert(os.execute("rmdir " .. table.concat(made_here, " ")))
    assert(ok, message)
  end

  it("is made below a given parent, under a given name, once at a time", function()
    with_parent(0, function(parent)
      local description <const> = { cgroup = { parent = parent, name = "box", pids = 5 }, namespaces = { "user" } }
      local box <const> = assert(userns.container(description))
      local p <close> = assert(box:spawn { "/bin/sleep", "1000" })
      local directory <const> = directory_of(p.pid, "pids")
      assert.truthy(directory:find(parent .. "/box", 1, true))
      local fields <const>, advice <const> = helper.refusal(description, { "/bin/true" })
      assert.same({ op = "cgroup", syscall = "mkdirat", code = "EEXIST" },
        { op = fields.op, syscall = fields.syscall, code = fields.code })
      assert.equal(parent .. "/box", fields.path:sub(-#parent - 4))
      assert.same({ "cgroup_exists", "leave cgroup.name out for one of its own" }, { advice.cause, advice.hint })
    end)
  end)

  it("is refused below a parent that is not there", function()
    local given <const> = { parent = "/nowhere", pids = 5 }
    local fields <const>, advice <const> = helper.refusal({ cgroup = given }, { "/bin/true" })
    assert.same(helper.errno("ENOENT", {
      op = "cgroup", syscall = "open", field = "cgroup.parent", path = hierarchy_of_pids().target .. "/nowhere",
    }), fields)
    assert.same({ "no_such_cgroup", "cgroup.parent does not exist below the hierarchy's mount" },
      { advice.cause, advice.why })
  end)

  it("is refused below a parent that is a file", function()
    local fields <const>, advice <const> = helper.refusal({ cgroup = { parent = "/cgroup.procs", pids = 5 } },
      { "/bin/true" })
    assert.same({ "ENOTDIR", "cgroup.parent" }, { fields.code, fields.field })
    assert.same({ "not_directory", ("'%s/cgroup.procs' is a file, and no cgroup"):format(hierarchy_of_pids().target) },
      { advice.cause, advice.why })
  end)

  it("is refused with a value that the kernel does not take", function()
    local fields <const> = helper.refusal({ cgroup = { io = { { device = "9999:9999", rbps = 1 } } } }, { "/bin/true" })
    assert.same({ "cgroup", "write", "ENODEV", "cgroup.io" }, { fields.op, fields.syscall, fields.code, fields.field })
  end)

  it("is refused where the hierarchies are read-only", function()
    local script <const> = [[
      local userns = require "userns"
      local result, err = userns.container { cgroup = { pids = 5 }, namespaces = {} }:run { "/bin/true" }
      print(result, err.op, err.code, err.field, err.why)
    ]]
    local wrapper <const> = "unshare -m sh -c 'for m in $(sed -n \"s/^[^/]*[^ ]* \\([^ ]*\\) .* - cgroup2* .*/\\1/p\" "
      .. "/proc/self/mountinfo); do mount -o remount,bind,ro $m || exit; done; exec \"$@\"' sh"
    assert.equal("nil\tcgroup\tEROFS\tcgroup.pids\tthe cgroup hierarchy is mounted read-only here, as it is in many "
      .. "containers\n", helper.output(script, wrapper))
  end)

  it("is had by an ordinary user below a cgroup that was delegated", function()
    with_parent(65534, function(parent)
      local script <const> = ([[
        local userns = require "userns"
        local box = assert(userns.container { cgroup = { parent = %q, pids = 5 }, namespaces = { "user", "cgroup" } })
        local result, err = box:run { "/bin/cat", "/proc/self/cgroup", stdout = "capture" }
        print(result and result.ok, err)
      ]]):format(parent)
      -- who moves a process must be allowed to take it from where it is, in version 2
      local enter <const> = ("sh -c 'for c in $(find /sys/fs/cgroup -maxdepth 3 -name %s); do "
        .. "mkdir -p $c/host && echo $$ >$c/host/cgroup.procs || exit; done; chown -R 65534 $c/host; "
        .. "chmod a+r $2; setpriv --reuid=65534 --regid=65534 --clear-groups \"$@\"; status=$?; "
        .. "for c in $(find /sys/fs/cgroup -maxdepth 3 -name %s); do echo $$ >$c/../cgroup.procs; rmdir $c/host; done; "
        .. "exit $status' sh"):format(parent:sub(2), parent:sub(2))
      assert.equal("true\tnil\n", helper.output(script, enter))
    end)
  end)

  local AS_USER <const> = "sh -c 'chmod a+r $2; exec setpriv --reuid=65534 --regid=65534 --clear-groups \"$@\"' sh"

  it("is not entered from where the caller may take nobody out", function()
    with_parent(65534, function(parent)
      local script <const> = [[
        local userns = require "userns"
        local box = userns.container {
          cgroup = { parent = %q, name = "box", pids = 5 }, namespaces = { "user" }, strict = %s,
        }
        local result, err = box:run { "/bin/true" }
        for _, d in ipairs(result and result.degraded or {}) do
          print(d.feature, d.used, d.reason)
        end
        local words = err and { err.op, err.syscall, err.code, err.path, err.field, err.why, err.hint }
        print(result and result.ok or table.concat(words, "\n"))
      ]]
      local v2 <const> = cgroups.read()[1].target .. parent
      local refused <const> = "enter_cgroup\nwrite\nEACCES\n" .. v2 .. "/box/cgroup.procs\ncgroup\na process is moved "
        .. "only within what was delegated\nstart the host program below the same cgroup\n"
      local passed <const> = "cgroup\tnone in " .. v2 .. "\twrite: Permission denied\ntrue\n"
      assert.equal(hierarchy_of_pids().version == 2 and refused or passed,
        helper.output(script:format(parent, false), AS_USER))
      assert.equal(refused, helper.output(script:format(parent, true), AS_USER))
    end)
  end)

  if hierarchy_of_pids().version == 2 then
    local target <const> = hierarchy_of_pids().target

    it("is refused below one that has processes of its own", function()
      with_parent(0, function(parent)
        local script <const> = ([[
          local userns = require "userns"
          local function run(parent)
            local box = userns.container { cgroup = { parent = parent, pids = 5 }, namespaces = {} }
            local result, err = box:run { "/bin/true" }
            local words = err and { err.op, err.code, err.message, err.path, err.field, err.cause }
            print(result and result.ok or table.concat(words, "\n"))
          end
          run(%q)
          run()
        ]]):format(parent)
        local there <const> = ("sh -c 'echo $$ >%s/cgroup.procs; \"$@\"; echo $$ >%s/cgroup.procs' sh"):format(
          target .. parent, target)
        assert.equal(("cgroup\nEBUSY\nthe cgroup has processes of its own\n%s\ncgroup.pids\n"
          .. "cgroup_inhabited\ntrue\n"):format(
          target .. parent), helper.output(script, there))
      end)
    end)

    it("is refused where the controller was not handed down", function()
      with_parent(0, function(parent)
        assert(os.execute("mkdir " .. target .. parent .. "/sub"))
        local fields <const>, advice <const> = helper.refusal({ cgroup = { parent = parent .. "/sub", pids = 5 } },
          { "/bin/true" })
        assert(os.execute("rmdir " .. target .. parent .. "/sub"))
        assert.same({
          op = "cgroup", code = "EUNAVAILABLE", message = "the cgroup has not got the controller pids",
          field = "cgroup.pids", path = target .. parent .. "/sub",
        }, fields)
        assert.same({ "controller_missing", "what is above it does not hand the controller down" },
          { advice.cause, advice.why })
      end)
    end)
  end

  it("leaves the host's facts to be read anew", function()
    local box <const> = assert(userns.container { cgroup = { pids = 5 } })
    assert.same(host.facts({ cgroup = {} }).cgroups, assert(cgroups.read()))
    assert.is_nil(host.facts().cgroups)
    assert.is_true(#box:plan() > 0)
  end)
end)
