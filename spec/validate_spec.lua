local helper <const> = require "spec.helper"
local schema <const> = require "userns.schema"
local userns <const> = require "userns"
local validate <const> = require "userns.validate"

local NAN <const> = 0 / 0

--- The problems of an error as "field: message"; and that it is a whole one.
local function problems_of(err)
  assert.equal("userns.error", getmetatable(err).__name)
  local lines <const> = {}
  for i, problem in ipairs(err.problems) do
    assert.equal("userns.error", getmetatable(problem).__name)
    assert.same({ op = "validate", code = "EINVALID", field = problem.field, message = problem.message },
      helper.fields(problem))
    lines[i] = ("%s: %s"):format(problem.field or "", problem.message)
  end
  local more <const> = #lines - 1
  assert.same({
    op = "validate",
    code = "EINVALID",
    field = err.problems[1].field,
    message = err.problems[1].message
      .. (more > 0 and (", and %d more problem%s"):format(more, more > 1 and "s" or "") or ""),
    problems = err.problems,
  }, helper.fields(err))
  return lines
end

local function refuses(description, ...)
  local box <const>, err = userns.container(description)
  assert.is_nil(box)
  assert.same({ ... }, problems_of(err))
end

local function accepts(description)
  local box <const>, err = userns.container(description)
  assert(box, tostring(err))
end

local function refuses_process(process, ...)
  local normalised <const>, err = validate.process(process)
  assert.is_nil(normalised)
  assert.same({ ... }, problems_of(err))
end

--- The one field that an error is about.
local function only_field(err)
  assert(err, "it was accepted")
  assert.equal(1, #problems_of(err))
  return err.field
end

local function ranges(count, range)
  local map <const> = {}
  for i = 1, count do
    map[i] = range(i - 1)
  end
  return map
end

local function single(i)
  return { inside = i, outside = i, count = 1 }
end

describe("an argument that is no table", function()
  it("is the caller's mistake, and raised where the caller is", function()
    for _, row in ipairs {
      { "nil" }, { "boolean", true }, { "number", 5 }, { "string", "box" }, { "function", print },
      { "userdata", io.stdout },
    } do
      local ok <const>, message = pcall(function()
        local box <const> = userns.container(row[2])
        return box
      end)
      assert.is_false(ok)
      assert.matches(("^%%S*validate_spec%%.lua:%%d+: bad argument #1 to 'container' %%(table expected, got %s%%)$")
        :format(row[1]), message)
    end
  end)

  it("is so for a process too", function()
    local box <const> = assert(userns.container {})
    for _, method in ipairs { "plan", "spawn", "run" } do
      local ok <const>, message = pcall(function()
        return box[method](box, "/bin/true"), nil
      end)
      assert.is_false(ok)
      assert.matches(("^%%S*validate_spec%%.lua:%%d+: bad argument #1 to '%s' %%(table expected, got string%%)$")
        :format(method), message)
    end
  end)
end)

describe("every field of the schema", function()
  -- No field takes any of these.
  local WRONG <const> = {
    ["a function"] = print, ["a thread"] = coroutine.create(print), ["not a number"] = NAN, ["a negative"] = -1001,
  }

  local REQUIRED <const> = { target = "/t", source = "/s", lower = { "/l", "/m" } }
  local MOVED <const> = setmetatable({ source = io.stdout }, { __index = REQUIRED })

  local function sample(fields, type, name, value)
    local record <const> = { type = type }
    local required <const> = type == "move" and MOVED or REQUIRED
    for _, field in ipairs(fields) do
      record[field.name] = record[field.name] or field.required and required[field.name] or nil
    end
    record[name] = value
    return record
  end

  local function each(fields, test)
    for _, field in ipairs(fields) do
      for what, wrong in pairs(WRONG) do
        test(field, wrong, ("%s for %s"):format(what, field.name))
      end
    end
  end

  local function variants(of, test)
    for type, record in pairs(of.variants) do
      each(record.fields, function(field, wrong, what)
        test(sample(record.fields, type, field.name, wrong), field, ("%s of %s"):format(what, type))
      end)
    end
  end

  it("is refused a wrong value, by its name", function()
    each(schema.description.fields, function(field, wrong, what)
      local _, err = userns.container { [field.name] = wrong }
      assert.equal(field.name, only_field(err), what)
    end)
  end)

  it("of a process is", function()
    each(schema.process.fields, function(field, wrong, what)
      local _, err = userns.container { process = { "/bin/true", [field.name] = wrong } }
      assert.equal("process." .. field.name, only_field(err), what)
      _, err = validate.process { "/bin/true", [field.name] = wrong }
      assert.equal("process." .. field.name, only_field(err), what)
    end)
  end)

  it("of each type of mount is", function()
    variants(schema.mount, function(mount, field, what)
      local first <const> = { type = "tmpfs", target = "/first" }
      local _, err = userns.container { mounts = { first, mount } }
      assert.equal("mounts[2]." .. field.name, only_field(err), what)
    end)
  end)

  it("of each type of root is", function()
    variants(schema.root, function(root, field, what)
      local _, err = userns.container { root = root }
      assert.equal("root." .. field.name, only_field(err), what)
    end)
  end)

  it("of a range is", function()
    for _, map in ipairs { "uid_map", "gid_map" } do
      for _, name in ipairs { "inside", "outside", "count" } do
        for what, wrong in pairs(WRONG) do
          local range <const> = { inside = 0, outside = 1000, count = 1 }
          range[name] = wrong
          local _, err = userns.container { [map] = { range } }
          assert.equal(("%s[1].%s"):format(map, name), only_field(err), what)
        end
      end
    end
  end)

  it("that is required is missed, by its name", function()
    local function missing(fields, type, prefix, describe_it)
      for _, field in ipairs(fields) do
        if field.required then
          local record <const> = sample(fields, type, field.name, nil)
          local _, err = userns.container(describe_it(record))
          assert.equal(("%s.%s"):format(prefix, field.name), only_field(err))
          assert.matches("^missing %(.+%)$", err.message)
        end
      end
    end
    for type, record in pairs(schema.mount.variants) do
      missing(record.fields, type, "mounts[1]", function(mount)
        return { mounts = { mount } }
      end)
    end
    for type, record in pairs(schema.root.variants) do
      missing(record.fields, type, "root", function(root)
        return { root = root }
      end)
    end
  end)
end)

describe("a wrong description", function()
  it("has integers that are none, or are out of range", function()
    refuses({ uid_map = { { inside = 2 ^ 32, outside = 0, count = 1 } } },
      "uid_map[1].inside: integer expected, got number with a fraction")
    refuses({ uid_map = { { inside = 1 << 32, outside = 0, count = 1 } } },
      "uid_map[1].inside: 4294967296 is out of range (0 to 4294967294)")
    refuses({ gid_map = { { inside = 0, outside = 4294967295, count = 1 } } },
      "gid_map[1].outside: 4294967295 is out of range (0 to 4294967294)")
    refuses({ gid_map = { { inside = 0, outside = -1, count = 1 } } },
      "gid_map[1].outside: -1 is out of range (0 to 4294967294)")
    refuses({ gid_map = { { inside = 0, outside = 0, count = 0 } } },
      "gid_map[1].count: 0 is out of range (1 to 4294967295)")
    refuses({ gid_map = { { inside = 0, outside = 0, count = "1" } } },
      "gid_map[1].count: integer expected, got string")
    refuses({ process = { uid = 1000.0 } }, "process.uid: integer expected, got number with a fraction")
    refuses({ process = { uid = 1 << 32 } }, "process.uid: 4294967296 is out of range (0 to 4294967294)")
    refuses({ process = { gid = NAN } }, "process.gid: integer expected, got not a number (NaN)")
    refuses({ process = { groups = { 1, -1 } } }, "process.groups[2]: -1 is out of range (0 to 4294967294)")
    refuses({ process = { umask = 512 * 8 } }, "process.umask: 4096 is out of range (0 to 07777)")
    refuses({ process = { timeout = NAN } },
      ("process.timeout: seconds (a number, 0 or more) expected, got %s"):format(NAN))
    refuses({ process = { stdin = 1 << 31 } }, "process.stdin: 2147483648 is out of range (0 to 2147483646)")
    refuses({ process = { fds = { [2] = 1 } } }, "process.fds[2]: 2 is out of range (3 to 65535)")
    refuses({ process = { kill_signal = 65 } }, "process.kill_signal: 65 is out of range (1 to 64)")
    refuses({ mounts = { { type = "tmpfs", target = "/t", size = "64Q" } } },
      'mounts[1].size: size (bytes, or "64M") expected, got "64Q"')
    refuses({ mounts = { { type = "dir", target = "/t", uid = 2 ^ 53 } } },
      "mounts[1].uid: integer expected, got number with a fraction")
  end)

  it("has strings with a NUL byte, wherever they stand", function()
    local NUL <const> = "the string has a NUL byte"
    for field, description in pairs {
      hostname = { hostname = "a\0b" },
      domainname = { domainname = "a\0b" },
      root = { root = "/srv\0/../.." },
      ["root.source"] = { root = { type = "bind", source = "/srv\0" } },
      ["mounts[1].source"] = { mounts = { { type = "bind", source = "/\0", target = "/t" } } },
      ["mounts[1].target"] = { mounts = { { type = "bind", source = "/s", target = "/t\0" } } },
      ["masked_paths[1]"] = { masked_paths = { "/a\0" } },
      ["readonly_paths[2]"] = { readonly_paths = { "/a", "/b\0" } },
      ["process[2]"] = { process = { "/bin/echo", "a\0b" } },
      ["process.argv0"] = { process = { argv0 = "a\0b" } },
      ["process.cwd"] = { process = { cwd = "/a\0b" } },
      ['process.env["A"]'] = { process = { env = { A = "b\0c" } } },
      ['process.env["A\\0"]'] = { process = { env = { ["A\0"] = "b" } } },
      ["process.inherit_env[1]"] = { process = { inherit_env = { "PATH\0" } } },
    } do
      refuses(description, ("%s: %s"):format(field, NUL))
    end
    refuses({ mounts = { { type = "symlink", source = "a\0", target = "/t" } } }, "mounts[1].source: " .. NUL)
    accepts { mounts = { { type = "file", target = "/t", content = "a\0b" } }, process = { input = "a\0b" } }
  end)

  it("has names that nobody knows, and hears what may be meant", function()
    refuses({ hostnam = "box" }, "hostnam: unknown field 'hostnam' (did you mean 'hostname'?)")
    refuses({ uidmap = "root" }, "uidmap: unknown field 'uidmap' (did you mean 'uid_map'?)")
    refuses({ Hostname = "box" }, "Hostname: unknown field 'Hostname' (did you mean 'hostname'?)")
    refuses({ frobnicate = 1 }, "frobnicate: unknown field 'frobnicate'")
    refuses({ [1] = "/bin/sh" }, "[1]: unknown field")
    refuses({ process = { cdw = "/" } }, "process.cdw: unknown field 'cdw' (did you mean 'cwd'?)")
    refuses({ mounts = { { type = "proc", targt = "/proc", target = "/proc" } } },
      "mounts[1].targt: unknown field 'targt' (did you mean 'target'?)")
    refuses({ mounts = { { type = "proc", target = "/proc", source = "proc" } } },
      "mounts[1].source: unknown field 'source'")
    refuses({ mounts = { { type = "bnd", source = "/a", target = "/a" } } },
      "mounts[1].type: unknown type 'bnd' (did you mean 'bind'?)")
    refuses({ root = { type = "bind", source = "/", readonyl = true } },
      "root.readonyl: unknown field 'readonyl' (did you mean 'readonly'?)")
    refuses({ uid_map = { { inside = 0, outside = 0, size = 1, count = 1 } } }, "uid_map[1].size: unknown field 'size'")
    refuses({ uid_map = "rot" }, "uid_map: unknown map 'rot' (did you mean 'root'?)")
    refuses({ namespaces = { "usr" } }, "namespaces[1]: unknown namespace 'usr' (did you mean 'user'?)")
    refuses({ capabilities = { "net_rwa" } }, "capabilities[1]: unknown capability 'net_rwa' (did you mean 'net_raw'?)")
    refuses({ capabilities = { "CAP_NET_RWA" } },
      "capabilities[1]: unknown capability 'net_rwa' (did you mean 'net_raw'?)")
    refuses({ capabilities = "nome" }, "capabilities: unknown capabilities 'nome' (did you mean 'none'?)")
    refuses({ propagation = "privat" }, "propagation: unknown propagation 'privat' (did you mean 'private'?)")
    refuses({ process = { kill_signal = "TREM" } },
      "process.kill_signal: unknown signal 'TREM' (did you mean 'TERM'?)")
    refuses({ process = { stdout = "captured" } },
      "process.stdout: unknown redirection 'captured' (did you mean 'capture'?)")
  end)

  it("has a type that nobody knows, or none", function()
    local TYPES <const> = '"bind", "cgroup", "dev", "devpts", "dir", "file", "move", "mqueue", "overlay", "proc", '
      .. '"remount", "symlink", "sysfs", "tmpfs"'
    refuses({ mounts = { { target = "/t" } } }, ("mounts[1].type: missing (%s)"):format(TYPES))
    refuses({ root = { source = "/" } }, 'root.type: missing ("bind", "overlay", "tmpfs")')
    refuses({ root = { type = "overlaid" } }, "root.type: unknown type 'overlaid' (did you mean 'overlay'?)")
  end)

  it("says mount and network where the kernel says mnt and net", function()
    for spoken, name in pairs {
      mount = "mnt", network = "net", hostname = "uts", process = "pid", userns = "user", ns = "mnt",
    } do
      refuses({ namespaces = { "user", spoken } },
        ("namespaces[2]: unknown namespace '%s' (did you mean '%s'?)"):format(spoken, name))
      refuses({ share = spoken }, ("share: unknown namespace '%s' (did you mean '%s'?)"):format(spoken, name))
    end
  end)

  it("has tables that contain themselves", function()
    local cyclic <const> = {}
    cyclic[1] = cyclic
    refuses({ namespaces = cyclic }, "namespaces[1]: namespace expected, got table")
    refuses({ uid_map = cyclic }, "uid_map[1][1]: unknown field", "uid_map[1].inside: missing (id (0 to 4294967294))",
      "uid_map[1].outside: missing (id (0 to 4294967294))", "uid_map[1].count: missing (integer 1 to 4294967295)")
    refuses({ masked_paths = cyclic }, "masked_paths[1]: string expected, got table")
    refuses({ capabilities = cyclic }, "capabilities[1]: capability expected, got table")
    refuses({ process = cyclic }, "process[1]: string expected, got table")
    refuses({ process = { env = cyclic } },
      "process.env[1]: string expected, got integer", "process.env[1]: string expected, got table")
    local _, err = userns.container { mounts = cyclic }
    assert.equal("mounts[1].type", only_field(err))
    _, err = userns.container { root = cyclic }
    assert.equal("root.type", only_field(err))
    cyclic.process, cyclic[1] = cyclic, nil
    refuses(cyclic, "process.process: unknown field 'process'")
  end)

  it("has lists that are none", function()
    local HOLES <const> = "a list has the keys 1, 2, 3 ... and no others"
    refuses({ namespaces = { "user", nil, "mnt", name = "net" } }, "namespaces: " .. HOLES)
    refuses({ mounts = { type = "proc", target = "/proc" } }, "mounts: " .. HOLES)
    refuses({ process = { groups = { [0] = 5 } } }, "process.groups: " .. HOLES)
  end)

  it("has a metatable, which could show other fields than are checked", function()
    local MESSAGE <const> = "plain table expected, got one with a metatable"
    local inherits <const> = { __index = { hostname = "box" } }
    refuses(setmetatable({}, inherits), ": " .. MESSAGE)
    refuses(setmetatable({ namespaces = 5, mounts = 5, hostname = {} }, {}), ": " .. MESSAGE)
    refuses({ mounts = { setmetatable({ type = "proc", target = "/proc" }, {}) } }, "mounts[1]: " .. MESSAGE)
    refuses({ process = setmetatable({ "/bin/true" }, inherits) }, "process: " .. MESSAGE)
    refuses({ process = { env = setmetatable({}, inherits) } }, "process.env: " .. MESSAGE)
    refuses_process(setmetatable({ "/bin/true" }, inherits), "process: " .. MESSAGE)
    refuses_process(setmetatable({ env = { A = 5 } }, { __index = error }), "process: " .. MESSAGE)
  end)

  it("has all its problems named at once, in the order of the schema", function()
    refuses({
      zebra = 1,
      anna = 2,
      namespaces = { "user", "ner" },
      uid_map = { { inside = 0, outside = 2 ^ 32 }, "x" },
      hostname = ("h"):rep(65),
      mounts = { { type = "proc" }, 5, { type = "tmpfs", target = "/a/../b", size = -1 } },
      capabilities = { "chown", "chwn" },
      process = { "", 5, cwd = "tmp", umask = "9" },
    },
      "anna: unknown field 'anna'",
      "zebra: unknown field 'zebra'",
      "namespaces[2]: unknown namespace 'ner' (did you mean 'net'?)",
      "uid_map[1].outside: integer expected, got number with a fraction",
      "uid_map[1].count: missing (integer 1 to 4294967295)",
      "uid_map[2]: table expected, got string",
      "hostname: 65 bytes are not 1 to 64",
      "mounts[1].target: missing (absolute path without '..')",
      "mounts[2]: table expected, got integer",
      "mounts[3].target: '..' has no place in a target",
      'mounts[3].size: size (bytes, or "64M") expected, got -1',
      "capabilities[2]: unknown capability 'chwn' (did you mean 'chown'?)",
      "process.cwd: an absolute path is needed",
      'process.umask: mode (an integer, or an octal string as "0755") expected, got "9"',
      "process[2]: string expected, got integer",
      "process[1]: the program's name is empty")
  end)

  it("says one thing of a field, not what follows from it", function()
    refuses({ namespaces = { "usr" }, hostname = "box", mounts = { { type = "proc", target = "/proc" } } },
      "namespaces[1]: unknown namespace 'usr' (did you mean 'user'?)")
    refuses({ uid_map = { { inside = 0, outside = -1, count = 5 }, { inside = 0, outside = 9, count = 5 } } },
      "uid_map[1].outside: -1 is out of range (0 to 4294967294)")
  end)
end)

describe("fields that contradict each other", function()
  local function none(what)
    return ("needs a new %s namespace, and this container has none"):format(what)
  end

  it("are about a namespace that is not created", function()
    for field, row in pairs {
      hostname = { "uts", "box" },
      domainname = { "uts", "box" },
      root = { "mnt", "/srv" },
      propagation = { "mnt", "slave" },
      masked_paths = { "mnt", { "/proc/kcore" } },
      readonly_paths = { "mnt", { "/proc/sys" } },
      devices = { "mnt", { "/dev/null" } },
      uid_map = { "user", "root" },
      gid_map = { "user", { { inside = 0, outside = 0, count = 1 } } },
      setgroups = { "user", "deny" },
    } do
      local name <const>, value <const> = table.unpack(row)
      refuses({ namespaces = {}, [field] = value }, ("%s: %s"):format(field, none(name)))
      refuses({ share = name, [field] = value }, ("%s: %s"):format(field, none(name)))
      refuses({ share = { "ipc", name }, [field] = value }, ("%s: %s"):format(field, none(name)))
      accepts { namespaces = { name }, [field] = value }
      accepts { [field] = value }
    end
  end)

  it("are init without pid", function()
    refuses({ namespaces = "user", init = true }, "init: " .. none "pid")
    accepts { namespaces = "user", init = false }
    accepts { namespaces = "pid", init = true }
  end)

  it("are mounts without mnt", function()
    refuses({ namespaces = "user", mounts = { { type = "tmpfs", target = "/t" } } }, "mounts: " .. none "mnt")
    accepts { namespaces = "user", mounts = {} }
  end)

  it("are a file system of a namespace that is not new", function()
    for type, name in pairs { proc = "pid", sysfs = "net", mqueue = "ipc", cgroup = "cgroup" } do
      refuses({ share = name, mounts = { { type = "tmpfs", target = "/t" }, { type = type, target = "/x" } } },
        ("mounts[2].type: %s %s"):format(type, none(name)))
    end
  end)

  it("are a namespace that is both new and shared", function()
    refuses({ namespaces = { "user", "net" }, share = { "uts", "net" } }, "share[2]: 'net' is in namespaces too")
    accepts { namespaces = { "user" }, share = { "net" } }
  end)

  it("are a path that is the root's own", function()
    local ROOT <const> = "'/' is the root's place: see `root`"
    for _, path in ipairs { "/", "//", "/.", "/./" } do
      refuses({ mounts = { { type = "tmpfs", target = path } } }, "mounts[1].target: " .. ROOT)
      refuses({ masked_paths = { "/a", path } }, "masked_paths[2]: " .. ROOT)
      refuses({ readonly_paths = { path } }, "readonly_paths[1]: " .. ROOT)
      refuses({ devices = { path } }, "devices[1]: " .. ROOT)
      refuses({ mounts = { { type = "dev", target = "/dev", devices = { "/dev/fuse", path } } } },
        "mounts[1].devices[2]: " .. ROOT)
    end
  end)

  it("are an overlay's that do not go together", function()
    local function refuses_overlay(fields, ...)
      local problems <const> = { ... }
      fields.type = "overlay"
      for i, problem in ipairs(problems) do
        problems[i] = "root." .. problem
      end
      refuses({ root = fields }, table.unpack(problems))
      for i, problem in ipairs(problems) do
        problems[i] = problem:gsub("^root", "mounts[1]")
      end
      fields.target = "/t"
      refuses({ mounts = { fields } }, table.unpack(problems))
    end
    local ONE <const> = "lower: one layer with nothing above it: use a bind"
    local NO_UPPER <const> = "work: is for an `upper` that is a directory"
    refuses_overlay({ lower = "/l" }, ONE)
    refuses_overlay({ lower = { "/l" } }, ONE)
    refuses_overlay({ lower = { "/l", "/m" }, size = "1M" }, 'size: is for `upper = "tmpfs"`')
    refuses_overlay({ lower = { "/l", "/m" }, work = "/w" }, NO_UPPER)
    refuses_overlay({ lower = "/l", upper = "tmpfs", work = "/w" }, NO_UPPER)
    refuses_overlay({ lower = "/l", upper = "/u" },
      "work: missing (an empty directory on the file system of `upper`)")
    refuses_overlay({ lower = "/l", upper = "/u", work = "/w", size = 0 }, 'size: is for `upper = "tmpfs"`')
    for _, fields in ipairs {
      { lower = { "/l", "/m" } }, { lower = "/l", upper = "tmpfs", size = "1M" },
      { lower = "/l", upper = "/u", work = "/w", readonly = true },
    } do
      fields.type = "overlay"
      accepts { root = fields }
      fields.target = "/t"
      accepts { mounts = { fields } }
    end
  end)

  it("are ids of a mount shifted by maps that the container does not have", function()
    local mount <const> = { type = "bind", source = "/s", target = "/t", idmap = true }
    refuses({ share = "user", mounts = { mount } }, "mounts[1].idmap: needs a new user namespace, or maps of its own")
    mount.idmap = { uid = { single(0) }, gid = { single(0) } }
    accepts { share = "user", mounts = { mount } }
  end)

  it("are a capability that lifts the limit of user namespaces", function()
    local MESSAGE <const> = "capabilities: sys_resource would let the program create user namespaces again: "
      .. "leave it out, or set lock_mounts or allow_userns"
    refuses({ capabilities = { "chown", "CAP_SYS_RESOURCE" } }, MESSAGE)
    refuses({ capabilities = "all", lock_mounts = false }, MESSAGE)
    accepts { capabilities = "all", allow_userns = true }
    accepts { capabilities = "all" } -- with sys_admin in it, the mounts are locked
    accepts { capabilities = "all", share = "user" }
  end)

  it("are settings written where others have the say", function()
    refuses({ join = { mnt = "/m" }, allow_userns = true, sysctl = { ["net.ipv4.ip_forward"] = 1 } },
      "sysctl: in a joined mnt namespace /proc/sys may be anything")
  end)

  it("are two things on standard input", function()
    refuses({ process = { stdin = "null", input = "text" } }, "process.input: excludes stdin")
    refuses_process({ "/bin/cat", stdin = 0, input = "" }, "process.input: excludes stdin")
  end)
end)

describe("a map", function()
  it("has one range at least", function()
    refuses({ uid_map = {} }, "uid_map: a map has one range at least")
  end)

  it("has 340 lines at most", function()
    accepts { uid_map = ranges(340, single) }
    refuses({ gid_map = ranges(341, single) }, "gid_map: a map has 340 ranges at most")
  end)

  it("has 4095 bytes of text at most", function()
    local map <const> = ranges(170, function(i)
      return { inside = 1000000000 + i, outside = 2000000000 + i, count = 1 }
    end)
    assert.equal(24 * 170, 4095 - #"1000 1000 1000\n")
    map[171] = { inside = 1000, outside = 1000, count = 1000 }
    accepts { uid_map = map, gid_map = map }
    map[171].count = 10000
    refuses({ uid_map = map, gid_map = map },
      "uid_map: its text has 4096 bytes, the kernel takes 4095",
      "gid_map: its text has 4096 bytes, the kernel takes 4095")
  end)

  it("has ranges that end before the id that means 'unchanged'", function()
    local END <const> = "ids end beyond 4294967294"
    accepts { uid_map = { { inside = 0, outside = 0, count = 4294967295 } } }
    accepts { uid_map = { { inside = 4294967294, outside = 4294967294, count = 1 } } }
    refuses({ uid_map = { { inside = 1, outside = 0, count = 4294967295 } } }, "uid_map[1].count: inside " .. END)
    refuses({ gid_map = { { inside = 0, outside = 4294967294, count = 2 } } }, "gid_map[1].count: outside " .. END)
  end)

  it("has ranges that do not overlap, on either side", function()
    accepts { uid_map = {
      { inside = 0, outside = 100000, count = 1000 },
      { inside = 1000, outside = 1000, count = 1 },
      { inside = 1001, outside = 101000, count = 64535 },
    } }
    accepts { uid_map = { { inside = 10, outside = 20, count = 10 }, { inside = 0, outside = 10, count = 10 } } }
    refuses({ uid_map = {
      { inside = 0, outside = 100000, count = 1000 },
      { inside = 999, outside = 1000, count = 1 },
      { inside = 1000, outside = 99990, count = 11 },
    } }, "uid_map[2].inside: overlaps uid_map[1].inside", "uid_map[3].outside: overlaps uid_map[1].outside")
    refuses({ gid_map = {
      { inside = 5, outside = 5, count = 1 },
      { inside = 0, outside = 0, count = 10 },
    } }, "gid_map[2].inside: overlaps gid_map[1].inside", "gid_map[2].outside: overlaps gid_map[1].outside")
  end)

  it("names each range that overlaps once for a side", function()
    local _, err = userns.container { uid_map = ranges(340, function()
      return { inside = 7, outside = 7, count = 1 }
    end) }
    assert.equal(339 * 2, #err.problems)
  end)
end)

describe("a mount's own map", function()
  local function refuses_map(idmap, ...)
    refuses({ mounts = { { type = "bind", source = "/s", target = "/t", idmap = idmap } } }, ...)
  end

  it("is held to what holds for the container's", function()
    local good <const> = { single(0) }
    refuses_map({ uid = {}, gid = good }, "mounts[1].idmap.uid: a map has one range at least")
    refuses_map({ uid = good, gid = ranges(341, single) }, "mounts[1].idmap.gid: a map has 340 ranges at most")
    refuses_map({ uid = good, gid = { single(5), single(5) } },
      "mounts[1].idmap.gid[2].inside: overlaps mounts[1].idmap.gid[1].inside",
      "mounts[1].idmap.gid[2].outside: overlaps mounts[1].idmap.gid[1].outside")
    refuses_map({ uid = { { inside = 1, outside = 0, count = 4294967295 } }, gid = good },
      "mounts[1].idmap.uid[1].count: inside ids end beyond 4294967294")
  end)

  it("has both kinds of ids, or is the word for the container's", function()
    refuses_map({ uid = { single(0) } },
      "mounts[1].idmap.gid: missing (list of range)")
    refuses_map(false, "mounts[1].idmap: true or { uid, gid } expected, got boolean")
    refuses_map("auto", "mounts[1].idmap: true or { uid, gid } expected, got string")
  end)
end)

describe("a process spec", function()
  it("has a program", function()
    refuses_process({}, "process[1]: missing (the program)")
    refuses_process({ "" }, "process[1]: the program's name is empty")
    refuses_process({ "a", 5, "b\0" }, "process[2]: string expected, got integer",
      "process[3]: the string has a NUL byte")
    accepts { process = {} }
    assert(validate.process({}, { "/bin/true" }))
  end)

  it("has an argument vector without holes", function()
    local HOLES <const> = "process: the argument vector has holes"
    refuses_process({ "a", nil, "c" }, HOLES)
    refuses_process({ "a", [0] = "b" }, HOLES)
    refuses_process({ "a", "b", nil, "d", [-1] = "e" }, HOLES)
    refuses({ process = { "a", "b", nil, "d", [-1] = "e" } }, HOLES)
    local _, err = validate.process({ [2] = "x" }, { "/bin/sh", "-c" })
    assert.same({ HOLES }, problems_of(err))
  end)

  it("takes files and numbers for its descriptors, if they are open", function()
    local closed <const> = assert(io.tmpfile())
    closed:close()
    assert(validate.process {
      "a", stdin = 0, stdout = io.stdout, stderr = "stdout", fds = { [3] = io.stderr, [9] = 0 },
    })
    refuses_process({ "a", stdin = closed, stdout = "stderr", stderr = {}, fds = { [3] = closed, x = 4, [4] = "4" } },
      "process.stdin: the file is closed",
      "process.stdout: unknown redirection 'stderr'",
      "process.stderr: file or descriptor number expected, got table",
      "process.fds[3]: the file is closed",
      "process.fds[4]: file or descriptor number expected, got string",
      'process.fds["x"]: integer expected, got string')
  end)

  it("has variables whose names can be told from their values", function()
    refuses_process({ "a", env = { ["A=B"] = "c", [""] = "d", E = 5 }, inherit_env = { "A=B", 5 } },
      'process.env[""]: 0 bytes are not 1 or more',
      "process.env[\"A=B\"]: a variable's name has no '='",
      'process.env["E"]: string expected, got integer',
      "process.inherit_env[1]: a variable's name has no '='",
      "process.inherit_env[2]: string expected, got integer")
    -- with the '=' and the NUL byte that ends it
    assert(validate.process { "a", env = { NAME = ("x"):rep((6 << 20) - #"NAME" - 2) } })
    refuses_process({ "a", env = { NAME = ("x"):rep((6 << 20) - #"NAME" - 1) } },
      "process.env: is larger than any kernel takes (6 MiB)")
  end)

  it("takes signals with and without SIG, and by number", function()
    for _, signal in ipairs { "TERM", "SIGTERM", 15, 64 } do
      assert(validate.process { "a", kill_signal = signal })
    end
    for signal, message in pairs {
      term = "unknown signal 'term'",
      [0] = "0 is out of range (1 to 64)",
      [15.0 + 0.5] = "integer expected, got number with a fraction",
    } do
      refuses_process({ "a", kill_signal = signal }, "process.kill_signal: " .. message)
    end
  end)

  it("is checked as it is after the defaults are laid under it", function()
    assert(validate.process({ input = "text" }, { "/bin/cat", stdin = "null" }))
    local _, err = validate.process({ env = { B = ("x"):rep(4 << 20) } }, { "a", env = { A = ("x"):rep(3 << 20) } })
    assert.same({ "process.env: is larger than any kernel takes (6 MiB)" }, problems_of(err))
  end)
end)

describe("validating", function()
  local function description()
    return {
      namespaces = { "user", "mnt", "pid" },
      uid_map = { { inside = 0, outside = 100000, count = 65536 } },
      gid_map = { { inside = 0, outside = 200000, count = 65536 } },
      root = { type = "bind", source = "/srv//root/", options = "noexec" },
      mounts = { { type = "tmpfs", target = "/t/", size = "1M", mode = "1777", options = { "dev" } } },
      masked_paths = { "/proc/./kcore" },
      capabilities = { "CAP_CHOWN" },
      process = { "/bin/sh", env = { A = "b" }, groups = { 5 }, fds = { [5] = 1 }, umask = "077" },
    }
  end

  it("changes nothing in what it is given", function()
    local given <const> = description()
    assert(validate.description(given))
    assert.same(description(), given)
    local process <const>, defaults <const> = description().process, { env = { B = "c" }, input = "text" }
    assert(validate.process(process, defaults))
    assert.same(description().process, process)
    assert.same({ env = { B = "c" }, input = "text" }, defaults)
  end)

  it("gives the same every time, also of what is wrong", function()
    assert.same(validate.description(description()), validate.description(description()))
    local wrong <const> = {}
    for i = 1, 100 do
      wrong["field" .. i] = i
    end
    local _, first = validate.description(wrong)
    for _ = 1, 5 do
      local again <const> = {}
      for i = 100, 1, -1 do
        again["field" .. i] = i
      end
      local _, err = validate.description(again)
      assert.same(problems_of(first), problems_of(err))
    end
  end)

  it("takes lists of any length", function()
    local namespaces <const>, argv <const> = {}, {}
    for i = 1, 1 << 20 do
      namespaces[i], argv[i] = "user", "x"
    end
    local d <const> = assert(validate.description { namespaces = namespaces })
    assert.same({ user = true }, d.namespaces)
    assert.equal(1 << 20, #assert(validate.process(argv)).argv)
  end)

  it("leaves a container as it was when the description changes afterwards", function()
    local given <const> = description()
    local box <const> = assert(userns.container(given))
    local before <const> = tostring(assert(box:plan { "/bin/true" }))
    given.process.env.A, given.process.groups[1], given.process.fds[5] = nil, nil, nil
    given.uid_map[1].count, given.mounts[1].target, given.capabilities[1] = 1, "/elsewhere", "chown"
    given.namespaces[1], given.masked_paths[1], given.mounts[1].options[1] = "net", "/a", "exec"
    assert.equal(before, tostring(assert(box:plan { "/bin/true" })))
  end)
end)
