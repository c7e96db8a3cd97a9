local describe_description <const> = require "userns.describe"
local helper <const> = require "spec.helper"
local schema <const> = require "userns.schema"
local userns <const> = require "userns"
local validate <const> = require "userns.validate"

local function box_of(description)
  return assert(userns.container(description))
end

--- Every table that can be reached.
local function tables_of(value, found)
  if type(value) == "table" and not found[value] then
    found[value] = true
    for _, item in next, value do
      tables_of(item, found)
    end
  end
  return found
end

--- A table as Lua text, of nothing but plain data.
local function serialised(value)
  if type(value) ~= "table" then
    assert(({ string = true, number = true, boolean = true })[type(value)], type(value))
    return ("%q"):format(value)
  end
  assert(getmetatable(value) == nil)
  local fields <const> = {}
  for key, item in next, value do
    fields[#fields + 1] = ("[%s] = %s"):format(serialised(key), serialised(item))
  end
  return "{" .. table.concat(fields, ", ") .. "}"
end

-- Values that are not the defaults, by the name of the field of a mount or root.
local OTHER <const> = {
  content = "a\0b\n", devices = { "/dev/null" }, gid = 0, hidepid = "invisible", inodes = 5, lower = "/usr",
  mode = "0700", optional = true, options = "noexec", propagation = "slave", ptmxmode = "0600", readonly = true,
  recursive = false, size = "1M", source = "/usr", subset = "pid", target = "//t//a/", uid = 0, upper = "tmpfs",
  idmap = { uid = { { inside = 0, outside = 0, count = 1 } }, gid = { { inside = 0, outside = 0, count = 1 } } },
}

-- What a type's fields cannot be, and what they are then.
local UNLIKE <const> = {
  move = { source = { fd = 0 } },
}

-- Fields that exclude another of these.
local EXCLUDED <const> = { work = "upper" }

local function record(type, fields)
  local given <const> = { type = type }
  for _, field in ipairs(fields) do
    if field.name ~= "type" then
      given[field.name] = (UNLIKE[type] or OTHER)[field.name] or OTHER[field.name]
    end
  end
  return given
end

local DESCRIPTIONS <const> = {
  nothing = {},
  ["no namespaces"] = { namespaces = {} },
  ["one namespace"] = { namespaces = "user" },
  ["names that are shared"] = { share = { "net", "uts" } },
  ["words for ids"] = { uid_map = "self", gid_map = "auto", setgroups = "deny" },
  ["ranges of ids"] = {
    uid_map = { { inside = 0, outside = 65534, count = 1 }, { inside = 5, outside = 100000, count = 9 } },
    gid_map = { { inside = 0, outside = 65534, count = 1 } },
  },
  ["a root that is a directory"] = { root = "/usr//" },
  ["paths to hide"] = {
    masked_paths = { "/proc//kcore/" }, readonly_paths = {}, mounts = { { type = "proc", target = "/proc" } },
  },
  ["an overlay with a directory for changes"] = {
    mounts = { { type = "overlay", target = "/t", lower = { "/usr", "/bin" }, upper = "/srv/u", work = "/srv/w" } },
  },
  devices = { devices = { "/dev/null" } },
  ["no paths to hide"] = { masked_paths = {}, readonly_paths = {}, mounts = { { type = "proc", target = "/proc" } } },
  ["all capabilities"] = { capabilities = "all", allow_userns = true },
  ["some capabilities"] = { capabilities = { "CAP_NET_RAW", "chown" } },
  ["flags that are not as they would be"] = {
    no_new_privs = false, allow_userns = true, die_with_parent = false, new_session = false,
  },
  names = { hostname = "box", domainname = "a\nb" },
  ["a process"] = {
    process = {
      "/bin/sh", "-c", "true", argv0 = "-sh", env = { A = "a", B = "\n" }, inherit_env = { "X" }, cwd = "/usr",
      uid = 0, gid = 0, umask = "077", stdin = "null", stdout = "capture", stderr = "stdout", max_output = "1K",
      fds = { [3] = 0 }, timeout = 1.5, kill_signal = "SIGTERM", kill_after = 0,
    },
  },
  ["a process with input"] = { process = { "/bin/cat", input = "" } },
  sysctl = { sysctl = { ["net.ipv4.ip_forward"] = 1, ["net/ipv4/conf/a.b/forwarding"] = "0" } },
  settings = {
    time_offsets = { monotonic = -1.5 }, personality = "LINUX32", nice = 5, affinity = "0-2", oom_score_adj = 7,
    rlimits = { nofile = 64, cpu = { soft = 1, hard = "unlimited" }, fsize = "1M" },
  },
  landlock = {
    landlock = {
      fs = { { path = "/", allow = "read", optional = true } }, tcp = { bind = {}, connect = { 80 } }, scope = "signal",
    },
  },
  strict = { strict = true, uid_map = { { inside = 0, outside = 1, count = 1 } } },
}

for _, propagation in ipairs { "private", "slave", "shared", "unbindable" } do
  DESCRIPTIONS["propagation " .. propagation] = { propagation = propagation }
end
for name, preset in pairs(userns.presets) do
  DESCRIPTIONS["the preset " .. name] = preset
end
for type, variant in pairs(schema.mount.variants) do
  DESCRIPTIONS["a mount of type " .. type] = { mounts = { record(type, variant.fields) } }
end
for type, variant in pairs(schema.root.variants) do
  DESCRIPTIONS["a root of type " .. type] = { root = record(type, variant.fields) }
end

describe("a container's description of itself", function()
  it("of nothing has every default that needs no host", function()
    assert.same({
      namespaces = { "user", "mnt", "pid", "net", "ipc", "uts", "cgroup" },
      uid_map = "root",
      gid_map = "root",
      mounts = {},
      propagation = "private",
      devices = {},
      capabilities = {},
      securebits = {},
      sysctl = {},
      rlimits = {},
      no_new_privs = true,
      allow_userns = false,
      lock_mounts = false,
      die_with_parent = true,
      init = false,
      new_session = true,
      strict = false,
      process = {
        env = {}, inherit_env = false, cwd = "/", groups = {}, umask = 18, stdin = "inherit", stdout = "inherit",
        stderr = "inherit", fds = {}, kill_signal = "KILL", kill_after = 1,
      },
    }, box_of({}):describe())
  end)

  it("has what was given, in one form", function()
    local description <const> = box_of({
      share = "net",
      root = "/srv",
      mounts = {
        { type = "tmpfs", target = "//a/./b/", size = "1K", mode = "0700", options = "noexec" },
        { type = "bind", source = "/usr", target = "/usr" },
      },
      masked_paths = { "/a//b/" },
      capabilities = { "CAP_SETUID", "chown" },
      process = { "/bin/cat", input = "x", umask = "077", kill_signal = "SIGTERM", max_output = "1K" },
    }):describe()
    assert.same({ "user", "mnt", "pid", "ipc", "uts", "cgroup" }, description.namespaces)
    assert.is_nil(description.share)
    assert.same({ type = "bind", source = "/srv", readonly = false, options = {} }, description.root)
    assert.same({
      { type = "tmpfs", target = "/a/b", size = 1024, mode = 448, options = { "noexec" }, readonly = false },
      { type = "bind", source = "/usr", target = "/usr", readonly = false, recursive = true, options = {},
        optional = false, propagation = "private" },
    }, description.mounts)
    assert.same({ "/a/b" }, description.masked_paths)
    assert.same({ "chown", "setuid" }, description.capabilities)
    assert.same({
      "/bin/cat", input = "x", env = {}, inherit_env = false, cwd = "/", groups = {}, umask = 63, stdout = "inherit",
      stderr = "inherit", fds = {}, kill_signal = "TERM", kill_after = 1, max_output = 1024,
    }, description.process)
  end)

  it("has no field of a namespace that it has not", function()
    assert.same({ "capabilities", "mounts", "namespaces", "process", "rlimits", "securebits", "sysctl" }, (function()
      local names <const> = {}
      for name, value in pairs(box_of({ namespaces = {} }):describe()) do
        names[#names + 1] = type(value) == "table" and name or nil
      end
      table.sort(names)
      return names
    end)())
    local description <const> = box_of({ namespaces = {} }):describe()
    for _, name in ipairs {
      "uid_map", "gid_map", "setgroups", "root", "propagation", "masked_paths", "readonly_paths", "hostname",
      "domainname", "devices",
    } do
      assert.is_nil(description[name])
    end
  end)

  for name, given in pairs(DESCRIPTIONS) do
    it(("makes the same container again, with %s"):format(name), function()
      local box <const> = box_of(given)
      local description <const> = box:describe()
      local again <const> = box_of(description)
      assert.same(description, again:describe())
      assert.equal(tostring(box), tostring(again))
      local plan <const>, err = box:plan()
      local same <const>, why = again:plan()
      assert.equal(tostring(plan or err), tostring(same or why))
      assert.same(plan, same)
      assert.equal(tostring(box:plan { "/bin/true", input = "x" }), tostring(again:plan { "/bin/true", input = "x" }))
    end)

    it(("is plain data, with %s"):format(name), function()
      local description <const> = box_of(given):describe()
      local text <const> = serialised(description)
      assert.same(description, assert(load("return " .. text, "=description", "t", {}))())
    end)

    it(("leaves out no field that was given, with %s"):format(name), function()
      local description <const> = box_of(given):describe()
      for key in pairs(given) do
        assert(description[key] ~= nil or key == "share", key)
      end
      for key in pairs(given.process or {}) do
        assert(description.process[key] ~= nil, key)
      end
    end)
  end

  it("has a value to describe for each field of each mount and root", function()
    for _, variants in ipairs { schema.mount.variants, schema.root.variants } do
      for type, variant in pairs(variants) do
        for _, field in ipairs(variant.fields) do
          assert(field.name == "type" or EXCLUDED[field.name] or OTHER[field.name] ~= nil,
            ("%s.%s"):format(type, field.name))
        end
      end
    end
  end)

  it("shares nothing with the container", function()
    local given <const> = {
      mounts = { { type = "tmpfs", target = "/tmp", options = { "noexec" } } },
      uid_map = { { inside = 0, outside = 1, count = 1 } },
      masked_paths = { "/a" },
      root = { type = "tmpfs", options = { "noexec" } },
      process = { "/bin/true", env = { A = "a" }, inherit_env = { "X" }, groups = { 0 }, fds = { [3] = 0 } },
    }
    local d <const> = assert(validate.description(given))
    local inner <const> = tables_of(d, tables_of(given, {}))
    for reached in next, tables_of(describe_description(d), {}) do
      assert.is_nil(inner[reached], "a table is shared")
    end
    local box <const> = box_of(given)
    local words <const>, plan <const> = tostring(box), tostring(box:plan())
    for reached in next, tables_of(box:describe(), {}) do
      for key in next, reached do
        reached[key] = nil
      end
    end
    assert.equal(words, tostring(box))
    assert.equal(plan, tostring(box:plan()))
  end)

  it("has the files of a process as they are", function()
    local file <close> = assert(io.open "/dev/null")
    local description <const> = box_of({ process = { "/bin/true", stdin = file, fds = { [5] = file } } }):describe()
    assert.equal(file, description.process.stdin)
    assert.equal(file, description.process.fds[5])
  end)

  it("can be laid over and under others", function()
    local box <const> = box_of { hostname = "box", process = { "/bin/hostname" } }
    local other <const> = box_of(userns.merge(box:describe(), { hostname = "other" }))
    assert.equal("other\n", assert(other:run { stdout = "capture" }).stdout)
    assert.equal("box\n", assert(box:run { stdout = "capture" }).stdout)
  end)

  it("runs as the container does", function()
    local given <const> = helper.tree { { type = "tmpfs", target = "/tmp", size = "64K" } }
    given.hostname = "box"
    local script <const> = "hostname; cat /proc/mounts | sed 's/inode[^ ]*//; s/uid=[^ ]*//'; id -u; umask; pwd"
    assert.equal(helper.inside(given, script), helper.inside(box_of(given):describe(), script))
  end)
end)
