local merge <const> = require "userns.merge"
local schema <const> = require "userns.schema"
local userns <const> = require "userns"

local function tables_of(value, found)
  if type(value) == "table" and not found[value] then
    found[value] = true
    for key, item in next, value do
      tables_of(key, found)
      tables_of(item, found)
    end
  end
  return found
end

--- Fails where a table can be reached from both.
local function assert_apart(a, b)
  local reached <const> = tables_of(a, {})
  for other in next, tables_of(b, {}) do
    assert.is_nil(reached[other], "a table is shared")
  end
end

local function tmpfs(target, size)
  return { type = "tmpfs", target = target, size = size }
end

local function full()
  return {
    namespaces = { "user", "mnt" },
    uid_map = { { inside = 0, outside = 1000, count = 1 } },
    root = { type = "tmpfs", size = "1M", options = { "noexec" } },
    mounts = { tmpfs("/a", 1), { type = "bind", source = "/usr", target = "/usr", options = { "dev" } } },
    strict = false,
    process = { "/bin/sh", "-c", env = { A = "a" }, groups = { 0 }, fds = { [3] = 0 } },
  }
end

local function other()
  return {
    namespaces = "user",
    gid_map = { { inside = 0, outside = 1000, count = 1 } },
    root = { readonly = true },
    mounts = { tmpfs("/b"), tmpfs("/a", 2) },
    process = { "/bin/true", env = { B = "b" }, fds = { [4] = 1 } },
  }
end

describe("merge", function()
  it("of nothing is an empty description", function()
    assert.same({}, merge())
    assert.same({}, merge({}, {}))
  end)

  it("of one part is a copy of it", function()
    local part <const> = full()
    local merged <const> = merge(part)
    assert.same(part, merged)
    assert_apart(part, merged)
  end)

  it("lays a description over another, field by field", function()
    assert.same({
      namespaces = "user",
      uid_map = { { inside = 0, outside = 1000, count = 1 } },
      gid_map = { { inside = 0, outside = 1000, count = 1 } },
      root = { type = "tmpfs", size = "1M", options = { "noexec" }, readonly = true },
      mounts = {
        tmpfs("/a", 2), { type = "bind", source = "/usr", target = "/usr", options = { "dev" } }, tmpfs("/b"),
      },
      strict = false,
      process = { "/bin/true", env = { A = "a", B = "b" }, groups = { 0 }, fds = { [3] = 0, [4] = 1 } },
    }, merge(full(), other()))
  end)

  it("changes no part, and shares no table with one", function()
    local parts <const> = { full(), other(), full() }
    local merged <const> = merge(table.unpack(parts))
    assert.same({ full(), other(), full() }, parts)
    assert_apart(parts, merged)
  end)

  it("takes the same part more than once", function()
    local part <const> = full()
    assert.same(full(), merge(part, part, part))
    assert.same(full(), part)
  end)

  -- { what it says, below, above, merged }
  local CASES <const> = {
    { "lets the later value win", { hostname = "a" }, { hostname = "b" }, { hostname = "b" } },
    { "keeps what is said once", { hostname = "a" }, { domainname = "b" }, { hostname = "a", domainname = "b" } },
    { "lays false over true", { strict = true }, { strict = false }, { strict = false } },
    { "keeps false where nothing is said", { strict = false }, {}, { strict = false } },
    { "lays 0 over a number", { process = { uid = 5 } }, { process = { uid = 0 } }, { process = { uid = 0 } } },
    { "lays false over a list", { process = { inherit_env = { "A" } } }, { process = { inherit_env = false } },
      { process = { inherit_env = false } } },
    { "replaces a list", { namespaces = { "user", "mnt", "net" } }, { namespaces = { "user" } },
      { namespaces = { "user" } } },
    { "replaces a list by an empty one", { share = { "net" } }, { share = {} }, { share = {} } },
    { "replaces a list by a word", { namespaces = { "user", "mnt" } }, { namespaces = "user" },
      { namespaces = "user" } },
    { "replaces a word by a list", { capabilities = "all" }, { capabilities = { "chown" } },
      { capabilities = { "chown" } } },
    { "replaces a word by a map", { capabilities = "all" }, { capabilities = { effective = { "chown" } } },
      { capabilities = { effective = { "chown" } } } },
    { "replaces a list by a map", { capabilities = { "kill" } }, { capabilities = { effective = { "chown" } } },
      { capabilities = { effective = { "chown" } } } },
    { "replaces a map by a list", { capabilities = { effective = { "chown" } } }, { capabilities = { "kill" } },
      { capabilities = { "kill" } } },
    { "replaces a list of ranges, whose entries are maps",
      { uid_map = { { inside = 0, outside = 1, count = 1 }, { inside = 1, outside = 2, count = 1 } } },
      { uid_map = { { inside = 5, outside = 5, count = 5 } } },
      { uid_map = { { inside = 5, outside = 5, count = 5 } } } },
    { "replaces ranges by a word", { uid_map = { { inside = 0, outside = 1, count = 1 } } }, { uid_map = "auto" },
      { uid_map = "auto" } },
    { "merges maps within maps", { process = { env = { A = "a", B = "b" } } },
      { process = { env = { B = "B", C = "C" } } }, { process = { env = { A = "a", B = "B", C = "C" } } } },
    { "takes a variable named as a field for a variable", { process = { env = { type = "a", mounts = "x", X = "x" } } },
      { process = { env = { type = "b" } } }, { process = { env = { type = "b", mounts = "x", X = "x" } } } },
    { "replaces an argument vector, and merges the fields beside it",
      { process = { "/bin/sh", "-c", "true", cwd = "/usr", env = { A = "a" } } },
      { process = { "/bin/true", umask = 7, env = { B = "b" } } },
      { process = { "/bin/true", cwd = "/usr", umask = 7, env = { A = "a", B = "b" } } } },
    { "keeps false beside an argument vector that is replaced", { process = { "/bin/sh", inherit_env = false } },
      { process = { "/bin/true" } }, { process = { "/bin/true", inherit_env = false } } },
    { "keeps an argument vector where none is given", { process = { "/bin/sh", "-c" } }, { process = { cwd = "/" } },
      { process = { "/bin/sh", "-c", cwd = "/" } } },
    { "merges descriptors by their numbers", { process = { fds = { [3] = 0, [4] = 1 } } },
      { process = { fds = { [4] = 2 } } }, { process = { fds = { [3] = 0, [4] = 2 } } } },
    { "lays fields over a root of the same type", { root = { type = "bind", source = "/a", readonly = true } },
      { root = { type = "bind", source = "/b" } }, { root = { type = "bind", source = "/b", readonly = true } } },
    { "lays fields over a root where no type is said", { root = { type = "tmpfs", size = 1 } },
      { root = { readonly = true } }, { root = { type = "tmpfs", size = 1, readonly = true } } },
    { "replaces a root of another type as a whole", { root = { type = "tmpfs", size = 1, mode = 0 } },
      { root = { type = "bind", source = "/" } }, { root = { type = "bind", source = "/" } } },
    { "replaces a root that is a directory", { root = "/srv" }, { root = { type = "tmpfs" } },
      { root = { type = "tmpfs" } } },
    { "replaces a root by a directory", { root = { type = "tmpfs", size = 1 } }, { root = "/srv" },
      { root = "/srv" } },
    { "appends mounts", { mounts = { tmpfs "/a", tmpfs "/b" } }, { mounts = { tmpfs "/c" } },
      { mounts = { tmpfs "/a", tmpfs "/b", tmpfs "/c" } } },
    { "puts a mount in the place of an earlier one with its target",
      { mounts = { tmpfs("/a", 1), tmpfs "/b" } }, { mounts = { tmpfs "/c", tmpfs("/a", 2) } },
      { mounts = { tmpfs("/a", 2), tmpfs "/b", tmpfs "/c" } } },
    { "replaces a mount as a whole", { mounts = { { type = "bind", source = "/x", target = "/a", readonly = true } } },
      { mounts = { { type = "bind", source = "/y", target = "/a" } } },
      { mounts = { { type = "bind", source = "/y", target = "/a" } } } },
    { "appends nothing for no mounts", { mounts = { tmpfs "/a" } }, { mounts = {} }, { mounts = { tmpfs "/a" } } },
    { "keeps mounts of one part that lie over each other", { mounts = { tmpfs("/a", 1), tmpfs("/a", 2) } },
      { mounts = { tmpfs "/b" } }, { mounts = { tmpfs("/a", 1), tmpfs("/a", 2), tmpfs "/b" } } },
    { "replaces mounts that lie over each other by one", { mounts = { tmpfs("/a", 1), tmpfs "/b", tmpfs("/a", 2) } },
      { mounts = { tmpfs("/a", 3) } }, { mounts = { tmpfs("/a", 3), tmpfs "/b" } } },
    { "has what comes later in a part come later", { mounts = { tmpfs("/a", 1), tmpfs "/b" } },
      { mounts = { tmpfs("/a", 2), tmpfs "/c", tmpfs("/a", 3) } },
      { mounts = { tmpfs("/a", 2), tmpfs "/b", tmpfs "/c", tmpfs("/a", 3) } } },
  }

  for _, case in ipairs(CASES) do
    local name <const>, below <const>, above <const>, merged <const> = table.unpack(case)

    it(name, function()
      assert.same(merged, merge(below, above))
    end)
  end

  it("takes a target for the same however it is written, as the container does", function()
    for _, target in ipairs { "/a/b", "/a/b/", "//a//b", "/./a/./b/.", "/a/b//." } do
      local merged <const> = merge({ mounts = { tmpfs("/a/b", 1) } }, { mounts = { tmpfs(target, 2) } })
      assert.same({ mounts = { tmpfs(target, 2) } }, merged)
      assert.equal("/a/b", assert(userns.container(merged)):describe().mounts[1].target)
    end
    for _, target in ipairs { "/a", "/a/bb", "/a/b/c", "/a/B", "/a /b", "/a\n/b" } do
      assert.equal(2, #merge({ mounts = { tmpfs "/a/b" } }, { mounts = { tmpfs(target) } }).mounts)
    end
  end)

  it("puts a mount of any type in the place of one of any other", function()
    for type in pairs(schema.mount.variants) do
      local record <const> = { type = type, target = "/a/", source = "/b" }
      assert.same({ mounts = { tmpfs "/a", tmpfs "/c" } },
        merge({ mounts = { record, tmpfs "/c" } }, { mounts = { tmpfs "/a" } }))
      assert.same({ mounts = type == "remount" and { tmpfs "/a", tmpfs "/c", record } or { record, tmpfs "/c" } },
        merge({ mounts = { tmpfs "/a", tmpfs "/c" } }, { mounts = { record } }))
    end
  end)

  it("puts a remount in the place of a remount, which goes with what it changed", function()
    local function remount(readonly)
      return { type = "remount", target = "/a", readonly = readonly }
    end
    local below <const> = { mounts = { tmpfs "/a", tmpfs "/b", remount(true), tmpfs "/c" } }
    assert.same({ mounts = { tmpfs "/a", tmpfs "/b", remount(false), tmpfs "/c" } },
      merge(below, { mounts = { remount(false) } }))
    assert.same({ mounts = { tmpfs("/a", 1), tmpfs "/b", tmpfs "/c" } }, merge(below, { mounts = { tmpfs("/a", 1) } }))
    assert.same({ mounts = { tmpfs("/a", 1), tmpfs "/b", tmpfs "/c", remount(false) } },
      merge(below, { mounts = { tmpfs("/a", 1), remount(false) } }))
  end)

  it("keeps the same mount twice where a part has it twice", function()
    local mount <const> = tmpfs "/a"
    assert.same({ mounts = { tmpfs "/a", tmpfs "/b", tmpfs "/a" } },
      merge({ mounts = { tmpfs("/a", 1) } }, { mounts = { mount, tmpfs "/b", mount } }))
  end)

  -- Apart from a map that something else covers in between: what is under that
  -- is then forgotten, or not.
  it("gives the same wherever the brackets are", function()
    local parts <const> = {
      {}, full(), other(), { namespaces = {}, mounts = {} }, { namespaces = "net", strict = true },
      { process = { "/bin/echo", "a" } }, { process = { env = { A = "A", C = "c" }, inherit_env = { "X" } } },
      { process = { inherit_env = false, fds = { [3] = 2 }, groups = {} } }, { uid_map = "self", root = { size = 0 } },
      { mounts = { tmpfs("/usr/"), tmpfs("/c", 1), tmpfs("/c", 2) } }, { root = { options = {}, type = "tmpfs" } },
    }
    for _, a in ipairs(parts) do
      for _, b in ipairs(parts) do
        for _, c in ipairs(parts) do
          local whole <const> = merge(a, b, c)
          assert.same(whole, merge(merge(a, b), c))
          assert.same(whole, merge(a, merge(b, c)))
        end
      end
    end
  end)

  it("gives the same mounts wherever the brackets are", function()
    math.randomseed(1)
    local function mounts()
      local list <const> = {}
      for i = 1, math.random(0, 4) do
        list[i] = tmpfs("/" .. ("abc"):sub(math.random(3)):sub(1, 1), math.random(1000000))
        list[i].type = math.random(3) == 1 and "remount" or "tmpfs"
      end
      return { mounts = list }
    end
    for _ = 1, 2000 do
      local a <const>, b <const>, c <const> = mounts(), mounts(), mounts()
      assert.same(merge(merge(a, b), c), merge(a, merge(b, c)))
    end
  end)

  it("passes on handles as they are", function()
    local handle <const> = setmetatable({}, { __index = function() error "touched" end })
    local closed <const> = io.tmpfile()
    closed:close()
    local merged <const> = merge(
      { process = { stdin = { 1 }, fds = { [3] = handle } } },
      { process = { stdin = io.stdin, stdout = closed, fds = { [4] = io.stderr } }, join = { net = handle } },
      { join = { net = handle } })
    assert.equal(io.stdin, merged.process.stdin)
    assert.equal(closed, merged.process.stdout)
    assert.equal(io.stderr, merged.process.fds[4])
    assert(rawequal(handle, merged.process.fds[3]))
    assert(rawequal(handle, merged.join.net))
  end)

  it("replaces a handle, and replaces by one", function()
    local handle <const> = setmetatable({ a = 1 }, {})
    assert(rawequal(handle, merge({ join = { net = { fd = 5 } } }, { join = { net = handle } }).join.net))
    assert.same({ join = { net = { fd = 5 } } }, merge({ join = { net = handle } }, { join = { net = { fd = 5 } } }))
    assert.is_nil(handle.fd)
  end)

  it("ends for tables that hold themselves, which stay wrong", function()
    local a <const>, b <const> = { process = { env = {} } }, { hostname = "b" }
    a.process.env.again, a.a = a.process, a
    b.process, b.a = b, { a = b }
    for _, pair in ipairs { { a, a }, { a, b }, { b, a }, { b, b }, { {}, a }, { a, {} } } do
      local merged <const> = merge(pair[1], pair[2], pair[1])
      assert_apart(pair, merged)
      local box <const>, err = userns.container(merged)
      assert.is_nil(box)
      assert.equal("EINVALID", err.code)
    end
  end)

  -- A mistake in one part must not become another meaning of the whole.
  it("passes on what is wrong, for the container to refuse", function()
    for _, case in ipairs {
      { { mounts = { tmpfs "/a" } }, { mounts = tmpfs "/b" }, "mounts" },
      { { mounts = tmpfs "/b" }, { mounts = { tmpfs "/a" } }, "mounts" },
      { { mounts = { tmpfs "/a" } }, { mounts = { tmpfs "/b", nil, tmpfs "/c" } }, "mounts" },
      { { mounts = { tmpfs "/a" } }, { mounts = { "/b" } }, "mounts[2]" },
      { { mounts = { tmpfs "/a" } }, { mounts = { {} } }, "mounts[2].type" },
      { { mounts = { tmpfs "/a" } }, { mounts = { { type = "tmpfs", target = 5 } } }, "mounts[2].target" },
      { { mounts = { tmpfs "/a" } }, { mounts = "/b" }, "mounts" },
      { { namespaces = { "user", "mnt" } }, { namespaces = { nil, "net" } }, "namespaces" },
      { { zebra = 1 }, { hostname = "box" }, "zebra" },
      { { process = { "a" } }, { process = { nil, "b" } }, "process" },
    } do
      local box <const>, err = userns.container(merge(case[1], case[2]))
      assert.is_nil(box)
      assert.equal(case[3], err.field)
    end
  end)

  it("raises for a part that is no table, and names it", function()
    for _, case in ipairs {
      { table.pack(nil), "#1 to 'merge' (table expected, got nil)" },
      { table.pack({}, nil, {}), "#2 to 'merge' (table expected, got nil)" },
      { table.pack({}, {}, "x"), "#3 to 'merge' (table expected, got string)" },
      { table.pack({}, false), "#2 to 'merge' (table expected, got boolean)" },
      { table.pack(io.stdout), "#1 to 'merge' (table expected, got userdata)" },
      { table.pack({}, assert(userns.container {})),
        "#2 to 'merge' (plain table expected, got one with a metatable)" },
    } do
      local ok <const>, message = pcall(function()
        merge(table.unpack(case[1], 1, case[1].n))
      end)
      assert.is_false(ok)
      assert.matches("merge_spec.lua:%d+: bad argument ", message)
      assert.equal(case[2], message:match("bad argument (.*)$"))
    end
  end)

  it("looks at no metatable", function()
    local trap <const> = setmetatable({}, {
      __index = function() error "index" end, __pairs = function() error "pairs" end,
      __len = function() error "len" end, __eq = function() error "eq" end,
    })
    assert(rawequal(trap, merge({ root = {} }, { root = trap }).root))
    assert(rawequal(trap, merge({ mounts = {} }, { mounts = trap }).mounts))
    assert(rawequal(trap, merge({ mounts = {} }, { mounts = { trap } }).mounts[1]))
  end)
end)
