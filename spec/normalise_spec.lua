local normalise <const> = require "userns.normalise"
local schema <const> = require "userns.schema"

--- Every table that can be reached from one, with itself.
local function tables_of(value, found)
  found = found or {}
  if type(value) == "table" and not found[value] then
    found[value] = true
    for key, item in next, value do
      tables_of(key, found)
      tables_of(item, found)
    end
  end
  return found
end

local function share_nothing(...)
  local owner <const> = {}
  for i, value in ipairs { ... } do
    for reached in next, tables_of(value) do
      assert.is_nil(owner[reached], "a table is shared")
      owner[reached] = i
    end
  end
end

local function ignore()
end

local function full_description()
  return {
    namespaces = { "user", "mnt", "pid", "uts", "time" },
    share = { "net" },
    join = { ipc = "/run/ipc", uts = { fd = 5 } },
    uid_map = { { inside = 0, outside = 100000, count = 65536 } },
    gid_map = { { inside = 0, outside = 100000, count = 65536 } },
    setgroups = "allow",
    hostname = "box",
    domainname = "example",
    root = { type = "bind", source = "/srv/root", readonly = true, options = { "noexec" } },
    mounts = {
      { type = "tmpfs", target = "//tmp/./a/", size = "64M", mode = "1777", uid = 1, gid = 2, options = "suid" },
      { type = "file", target = "/etc/x", content = "x", mode = 384 },
    },
    propagation = "slave",
    masked_paths = { "/proc//kcore/", "/./a" },
    readonly_paths = { "/proc/sys" },
    devices = { "/dev//fuse" },
    network = {
      veth = { { name = "eth0", address = "10.0.0.2/24", routes = { { via = "10.0.0.1" } }, peer = { netns = 5 } } },
      interfaces = { { name = "wlan0" } },
      uplink = "pasta",
    },
    capabilities = { "CAP_NET_RAW", "chown" },
    securebits = "noroot",
    sysctl = { ["net.ipv4.ip_forward"] = 1, ["net/ipv4/conf/eth0.1/forwarding"] = "0", ["net.b/c.d"] = "x" },
    landlock = {
      fs = { { path = "/usr", allow = "read" }, { path = "/x", allow = { "write", "ioctl" }, optional = true } },
      tcp = { bind = { 80 } }, scope = "signal",
    },
    time_offsets = { monotonic = -1.5 },
    personality = "LINUX32",
    nice = 5,
    affinity = "4,0-2",
    oom_score_adj = 500,
    rlimits = { nofile = 64, as = "1G", cpu = { soft = 1, hard = "unlimited" } },
    no_new_privs = false,
    seccomp = {
      default = "allow", architectures = "x86_64",
      rules = {
        { names = "mkdir" },
        { names = { "read" }, action = "kill", args = { { index = 0, op = "eq", value = 1 } } },
      },
    },
    cgroup = { parent = "//a/./b/", memory = "1M", pids = 5, io = { { device = "/dev/vda", rbps = "1K" } } },
    allow_userns = true,
    lock_mounts = true,
    die_with_parent = false,
    init = true,
    hooks = { created = ignore },
    new_session = false,
    strict = true,
    process = { "/bin/sh", "-c", env = { A = "b" }, groups = { 5 }, fds = { [3] = 4 }, inherit_env = { "X" } },
  }
end

describe("a normalised description", function()
  local NONE <const> = {
    given = {},
    places = {},
    namespaces = { user = true, mnt = true, pid = true, net = true, ipc = true, uts = true, cgroup = true },
    share = {},
    join = {},
    uid_map = "root",
    gid_map = "root",
    root = { type = "host" },
    mounts = {},
    propagation = "private",
    devices = {},
    capabilities = { effective = {}, permitted = {}, bounding = {} },
    securebits = {},
    sysctl = {},
    rlimits = {},
    no_new_privs = true,
    allow_userns = false,
    lock_mounts = false,
    die_with_parent = true,
    init = false,
    hooks = {},
    new_session = true,
    strict = false,
    process = {},
  }

  it("of nothing has every default", function()
    assert.same(NONE, normalise.description {})
  end)

  it("of everything is in one form", function()
    local given <const> = {}
    for _, field in ipairs(schema.description.fields) do
      given[field.name] = true
    end
    assert.same({
      given = given,
      places = {
        { field = "mounts[1]", source = "mounts[1].source" }, { field = "mounts[2]", source = "mounts[2].source" },
      },
      namespaces = { user = true, mnt = true, pid = true, uts = true, time = true },
      share = { "net" },
      join = { ipc = "/run/ipc", uts = { fd = 5 } },
      uid_map = { { inside = 0, outside = 100000, count = 65536 } },
      gid_map = { { inside = 0, outside = 100000, count = 65536 } },
      setgroups = "allow",
      hostname = "box",
      domainname = "example",
      root = { type = "bind", source = "/srv/root", readonly = true, options = { "noexec" } },
      mounts = {
        {
          type = "tmpfs", target = "/tmp/a", size = 64 << 20, mode = 1023, uid = 1, gid = 2, readonly = false,
          options = { "suid" },
        },
        { type = "file", target = "/etc/x", content = "x", mode = 384 },
      },
      propagation = "slave",
      masked_paths = { "/proc/kcore", "/a" },
      readonly_paths = { "/proc/sys" },
      devices = { "/dev/fuse" },
      network = {
        veth = { {
          name = "eth0", address = { "10.0.0.2/24" }, gateway = {}, routes = { { to = "default", via = "10.0.0.1" } },
          peer = { netns = 5, address = {} },
        } },
        interfaces = { { name = "wlan0", as = "wlan0", address = {}, gateway = {}, routes = {} } },
        uplink = { type = "pasta", host_loopback = false },
      },
      capabilities = {
        effective = { net_raw = true, chown = true }, permitted = { net_raw = true, chown = true },
        bounding = { net_raw = true, chown = true },
      },
      securebits = { "noroot" },
      sysctl = {
        { key = "net.b/c.d", path = "net/b.c/d", value = "x" },
        { key = "net.ipv4.ip_forward", path = "net/ipv4/ip_forward", value = "1" },
        { key = "net/ipv4/conf/eth0.1/forwarding", path = "net/ipv4/conf/eth0.1/forwarding", value = "0" },
      },
      landlock = {
        fs = {
          { path = "/usr", allow = { "read" }, optional = false },
          { path = "/x", allow = { "write", "ioctl" }, optional = true },
        },
        tcp = { bind = { 80 } },
        scope = { "signal" },
      },
      time_offsets = { monotonic = -1.5, boottime = 0 },
      personality = { "linux32" },
      nice = 5,
      affinity = { 0, 1, 2, 4 },
      oom_score_adj = 500,
      rlimits = {
        nofile = { soft = 64, hard = 64 }, as = { soft = 1 << 30, hard = 1 << 30 },
        cpu = { soft = 1, hard = "unlimited" },
      },
      no_new_privs = false,
      seccomp = {
        default = "allow", architectures = { "x86_64" },
        rules = {
          { names = { "mkdir" }, action = "errno", errno = "EPERM", args = {} },
          { names = { "read" }, action = "kill", args = { { index = 0, op = "eq", value = 1 } } },
        },
      },
      cgroup = { parent = "/a/b", memory = 1 << 20, pids = 5, io = { { device = "/dev/vda", rbps = 1024 } } },
      allow_userns = true,
      lock_mounts = true,
      die_with_parent = false,
      init = true,
      hooks = { created = ignore },
      new_session = false,
      strict = true,
      process = { "/bin/sh", "-c", env = { A = "b" }, groups = { 5 }, fds = { [3] = 4 }, inherit_env = { "X" } },
    }, normalise.description(full_description()))
  end)

  it("has the defaults that the schema tells of", function()
    -- words in parentheses: another stage decides
    for _, field in ipairs(schema.description.fields) do
      local told <const> = field.default
      if told ~= nil and not tostring(told):find "^%(" then
        local found = NONE[field.name]
        assert.equal(told, found, field.name)
      end
    end
  end)

  it("takes the shared namespaces off the default, and one word for a list of one", function()
    local function names(description)
      local list <const> = {}
      for name in pairs(normalise.description(description).namespaces) do
        list[#list + 1] = name
      end
      table.sort(list)
      return table.concat(list, " ")
    end
    assert.equal("cgroup ipc mnt net pid user uts", names {})
    assert.equal("cgroup ipc mnt pid user uts", names { share = "net" })
    assert.equal("cgroup mnt pid uts", names { share = { "net", "user", "ipc", "time" } })
    assert.equal("time", names { namespaces = "time" })
    assert.equal("", names { namespaces = {} })
    assert.equal("net user", names { namespaces = { "net", "user", "net" }, share = "uts" })
  end)

  it("gives each type of mount its own defaults", function()
    local rows <const> = {
      {
        { type = "bind", source = "/s", target = "/t" },
        { readonly = false, recursive = true, optional = false, options = {}, propagation = "private" },
      },
      { { type = "tmpfs", target = "/t" }, { mode = 1023, readonly = false, options = {} } },
      {
        { type = "overlay", lower = { "/l" }, target = "/t" },
        { lower = { "/l" }, mode = 493, readonly = false, options = {} },
      },
      { { type = "proc", target = "/t" }, { hidepid = "off", readonly = false, options = {} } },
      { { type = "sysfs", target = "/t" }, { readonly = true, options = {} } },
      { { type = "cgroup", target = "/t" }, { readonly = true, options = {} } },
      { { type = "devpts", target = "/t" }, { mode = 400, ptmxmode = 438, options = {} } },
      { { type = "mqueue", target = "/t" }, { options = {} } },
      { { type = "dev", target = "/t" }, { devices = {} } },
      { { type = "dir", target = "/t" }, { mode = 493 } },
      { { type = "file", target = "/t" }, { mode = 420, content = "" } },
      { { type = "symlink", source = "s", target = "/t" }, {} },
      { { type = "remount", target = "/t" }, { recursive = false, options = {} } },
      { { type = "move", source = io.stdout, target = "/t" }, {} },
    }
    local types <const> = {}
    for i, row in ipairs(rows) do
      local mount <const>, defaults <const> = table.unpack(row)
      local expected <const> = {}
      for _, fields in ipairs { defaults, mount } do
        for name, value in pairs(fields) do
          expected[name] = value
        end
      end
      types[mount.type] = true
      assert.same({ expected }, normalise.description { mounts = { mount } }.mounts, i)
    end
    for type in pairs(schema.mount.variants) do
      assert(types[type], type)
    end
  end)

  it("has a directory for its root, however that is written", function()
    local root <const> = { type = "bind", source = "/srv", readonly = false, options = {} }
    assert.same(root, normalise.description { root = "/srv" }.root)
    assert.same(root, normalise.description { root = { type = "bind", source = "/srv" } }.root)
    assert.same({ type = "tmpfs", mode = 493, readonly = true, size = 1024, options = { "noexec" } },
      normalise.description { root = { type = "tmpfs", readonly = true, size = "1K", options = "noexec" } }.root)
  end)

  it("has layers in a list, and devices by their plain names", function()
    assert.same({
      { type = "overlay", lower = { "/l" }, upper = "tmpfs", size = 1024, mode = 448, target = "/t", readonly = false,
        options = {} },
      { type = "dev", target = "/dev", devices = { "/dev/fuse" } },
    }, normalise.description { mounts = {
      { type = "overlay", lower = "/l", upper = "tmpfs", size = "1K", mode = "0700", target = "/t" },
      { type = "dev", target = "/dev", devices = { "//dev/./fuse/" } },
    } }.mounts)
  end)

  it("knows a capability by any of its names", function()
    for _, name in ipairs { "net_raw", "CAP_NET_RAW", "cap_net_raw", "NET_RAW" } do
      assert.same({ net_raw = true }, normalise.description { capabilities = { name } }.capabilities.permitted)
    end
    assert.same({}, normalise.description { capabilities = "none" }.capabilities.permitted)
    local all <const> = normalise.description { capabilities = "all" }.capabilities.permitted
    for _, name in ipairs(schema.capabilities) do
      assert(all[name], name)
      all[name] = nil
    end
    assert.same({}, all)
  end)

  it("has the sets that follow from those that are named", function()
    local function sets(given)
      local lists <const> = {}
      for name, set in pairs(normalise.description({ capabilities = given }).capabilities) do
        local list <const> = {}
        for capability in pairs(set) do
          list[#list + 1] = capability
        end
        table.sort(list)
        lists[name] = table.concat(list, " ")
      end
      return lists
    end
    assert.same({ effective = "chown", permitted = "chown", inheritable = "", bounding = "chown", ambient = "" },
      sets { permitted = { "chown" } })
    assert.same({ effective = "chown", permitted = "chown", inheritable = "", bounding = "chown", ambient = "" },
      sets { effective = { "chown" } })
    assert.same({ effective = "kill", permitted = "kill", inheritable = "kill", bounding = "kill", ambient = "kill" },
      sets { ambient = { "kill" } })
    assert.same({ effective = "", permitted = "", inheritable = "kill", bounding = "kill", ambient = "" },
      sets { inheritable = { "kill" } })
    assert.same({ effective = "", permitted = "kill", inheritable = "", bounding = "", ambient = "" },
      sets { permitted = { "kill" }, effective = "none", bounding = "none" })
  end)

  it("locks mounts where the program could change them, and keeps setfcap where it may nest", function()
    assert.is_true(normalise.description({ capabilities = { "sys_admin" } }).lock_mounts)
    assert.is_false(normalise.description({ capabilities = { "sys_admin" }, share = "mnt" }).lock_mounts)
    assert.is_false(normalise.description({ capabilities = { "sys_admin" }, lock_mounts = false }).lock_mounts)
    assert.same({ setfcap = true }, normalise.description({ allow_userns = true }).capabilities.permitted)
    assert.same({}, normalise.description({ allow_userns = true, capabilities = "none" }).capabilities.permitted)
  end)

  it("tells lists that are empty from lists that are absent", function()
    local empty <const> = normalise.description { masked_paths = {}, readonly_paths = {} }
    assert.same({}, empty.masked_paths)
    assert.same({}, empty.readonly_paths)
    assert.is_nil(normalise.description {}.masked_paths)
  end)

  it("shares no table with what it was made of, and changes nothing in it", function()
    local given <const> = full_description()
    given.mounts[3] = {
      type = "bind", source = { fd = 0 }, target = "/t",
      idmap = { uid = { { inside = 0, outside = 1, count = 1 } }, gid = { { inside = 1, outside = 0, count = 1 } } },
    }
    share_nothing(given, normalise.description(given), normalise.description(given))
    given.mounts[3] = nil
    assert.same(full_description(), given)
  end)
end)

describe("a normalised process spec", function()
  it("of nothing but a program has every default", function()
    assert.same({
      argv = { "/bin/true" },
      env = {},
      inherit_env = false,
      cwd = "/",
      groups = {},
      umask = 18,
      stdin = "inherit",
      stdout = "inherit",
      stderr = "inherit",
      fds = {},
      kill_signal = "KILL",
      kill_after = 1,
    }, normalise.process { "/bin/true" })
  end)

  it("of everything is in one form", function()
    assert.same({
      argv = { "sh", "-c", "" },
      argv0 = "-sh",
      env = { A = "b" },
      inherit_env = { "HOME" },
      cwd = "/srv/../x",
      uid = 5,
      gid = 6,
      groups = { 7, 8 },
      umask = 63,
      stdin = "null",
      stdout = "capture",
      stderr = io.stderr,
      max_output = 1 << 20,
      fds = { [3] = 0 },
      timeout = 1.5,
      kill_signal = "TERM",
      kill_after = 0,
    }, normalise.process {
      "sh", "-c", "", argv0 = "-sh", env = { A = "b" }, inherit_env = { "HOME" }, cwd = "/srv/../x", uid = 5, gid = 6,
      groups = { 7, 8 }, umask = "077", stdin = "null", stdout = "capture", stderr = io.stderr, max_output = "1M",
      fds = { [3] = 0 }, timeout = 1.5, kill_signal = "SIGTERM", kill_after = 0,
    })
  end)

  it("has the defaults that the schema tells of", function()
    local normalised <const> = normalise.process { "/bin/true" }
    for _, field in ipairs(schema.process.fields) do
      local told = field.default
      if told ~= nil and not tostring(told):find "^%(" then
        told = field.name == "umask" and tonumber(told, 8) or told
        assert.equal(told, normalised[field.name], field.name)
      end
    end
  end)

  it("reads its input from where it is given, even when that is empty", function()
    assert.equal("input", normalise.process({ "a", input = "" }).stdin)
    assert.equal("", normalise.process({ "a", input = "" }).input)
  end)

  it("keeps the number of a signal", function()
    assert.equal(9, normalise.process({ "a", kill_signal = 9 }).kill_signal)
  end)

  it("shares no table with what it was made of, and changes nothing in it", function()
    local function spec()
      return { "a", env = { A = "b" }, groups = { 1 }, fds = { [3] = 1 }, inherit_env = { "B" } }
    end
    local given <const> = spec()
    share_nothing(given, normalise.process(given), normalise.process(given))
    assert.same(spec(), given)
  end)
end)

describe("a process spec over defaults", function()
  it("replaces them field by field", function()
    assert.same({ "/bin/true", cwd = "/b", umask = 1, uid = 5 },
      normalise.over({ cwd = "/a", uid = 5 }, { "/bin/true", cwd = "/b", umask = 1 }))
    assert.same({ cwd = "/b" }, normalise.over(nil, { cwd = "/b" }))
    assert.same({ new = false }, normalise.over({ new = true }, { new = false }))
  end)

  it("replaces the argument vector as a whole", function()
    assert.same({ "a" }, normalise.over({ "x", "y", "z" }, { "a" }))
    assert.same({ "x", "y", cwd = "/" }, normalise.over({ "x", "y" }, { cwd = "/" }))
    assert.same({ [2] = "a" }, normalise.over({ "x", "y" }, { nil, "a" }))
  end)

  it("replaces variables one by one, and other tables as a whole", function()
    assert.same({ env = { A = "1", B = "3", C = "4" }, groups = { 9 }, fds = { [4] = 1 } },
      normalise.over({ env = { A = "1", B = "2" }, groups = { 7, 8 }, fds = { [3] = 0 } },
        { env = { B = "3", C = "4" }, groups = { 9 }, fds = { [4] = 1 } }))
    assert.same({ env = { A = "1" } }, normalise.over({ env = { A = "1" } }, {}))
  end)

  it("replaces what is read on standard input, whichever way either has it", function()
    assert.same({ input = "text" }, normalise.over({ stdin = "null" }, { input = "text" }))
    assert.same({ stdin = "null" }, normalise.over({ input = "text" }, { stdin = "null" }))
    assert.same({ input = "text" }, normalise.over({ input = "text" }, {}))
  end)

  it("shares no table with either", function()
    local defaults <const> = { env = { A = "1" }, groups = { 1 }, fds = { [3] = 1 }, inherit_env = { "X" } }
    local process <const> = { env = { B = "1" }, inherit_env = { "Y" } }
    share_nothing(defaults, process, normalise.over(defaults, process), normalise.over(defaults, {}),
      normalise.over({}, process))
    assert.same({ env = { A = "1" }, groups = { 1 }, fds = { [3] = 1 }, inherit_env = { "X" } }, defaults)
    assert.same({ env = { B = "1" }, inherit_env = { "Y" } }, process)
  end)
end)
