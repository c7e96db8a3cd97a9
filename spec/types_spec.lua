local types <const> = require "userns.types"

local NAN <const> = 0 / 0

--- The problems that a type has with a value, each as "path: message"; and
--- that the verdict agrees with them.
local function problems(kind, value, path)
  local list <const> = {}
  local verdict <const> = kind.check(value, function(at, message)
    list[#list + 1] = ("%s: %s"):format(at, message)
  end, path or "x")
  assert.equal(#list == 0, verdict and true or false)
  return list
end

local function accepts(kind, ...)
  for _, value in ipairs { ... } do
    assert.same({}, problems(kind, value))
  end
end

local function refuses(kind, value, ...)
  assert.same({ ... }, problems(kind, value))
end

describe("a number", function()
  it("is an integer of the range, and nothing that looks like one", function()
    local kind <const> = types.integer(-3, 7)
    accepts(kind, -3, 0, 7)
    refuses(kind, -4, "x: -4 is out of range (-3 to 7)")
    refuses(kind, 8, "x: 8 is out of range (-3 to 7)")
    refuses(kind, math.mininteger, "x: -9223372036854775808 is out of range (-3 to 7)")
    refuses(kind, 1.0, "x: integer expected, got number with a fraction")
    refuses(kind, 1.5, "x: integer expected, got number with a fraction")
    refuses(kind, NAN, "x: integer expected, got not a number (NaN)")
    refuses(kind, math.huge, "x: integer expected, got number with a fraction")
    refuses(kind, "1", "x: integer expected, got string")
    refuses(kind, true, "x: integer expected, got boolean")
  end)

  it("is an id up to the kernel's last, not the one that means 'unchanged'", function()
    accepts(types.id, 0, 65536, 4294967294)
    refuses(types.id, 4294967295, "x: 4294967295 is out of range (0 to 4294967294)")
    refuses(types.id, 1 << 32, "x: 4294967296 is out of range (0 to 4294967294)")
    refuses(types.id, 2 ^ 32, "x: integer expected, got number with a fraction")
    refuses(types.id, -1, "x: -1 is out of range (0 to 4294967294)")
  end)

  it("of seconds may have a fraction, but has an end", function()
    accepts(types.seconds, 0, 1, 0.25, 1e9)
    refuses(types.seconds, -0.5, "x: seconds (a number, 0 or more) expected, got -0.5")
    refuses(types.seconds, math.huge, "x: seconds (a number, 0 or more) expected, got inf")
    refuses(types.seconds, "1", "x: seconds (a number, 0 or more) expected, got string")
    assert.equal(1, #problems(types.seconds, NAN))
  end)

  it("of permission bits may be octal text", function()
    accepts(types.mode, 0, 4095, "0", "755", "0755", "07777")
    refuses(types.mode, -1, "x: -1 is out of range (0 to 07777)")
    refuses(types.mode, 4096, "x: 4096 is out of range (0 to 07777)")
    refuses(types.mode, "10000", "x: '10000' is out of range (0 to 07777)")
    refuses(types.mode, "17777", "x: '17777' is out of range (0 to 07777)")
    for _, text in ipairs { "0o755", "789", "708", "", "-1", " 755", "u+x", "000755" } do
      refuses(types.mode, text, ('x: mode (an integer, or an octal string as "0755") expected, got "%s"'):format(text))
    end
    refuses(types.mode, 7.0,
      'x: mode (an integer, or an octal string as "0755") expected, got number with a fraction')
  end)

  it("of bytes may have a unit", function()
    for text, bytes in pairs {
      ["0"] = 0, ["4095"] = 4095, ["1K"] = 1024, ["64M"] = 64 << 20, ["2G"] = 2 << 30, ["8T"] = 8 << 40,
      ["8388607T"] = 8388607 << 40, ["999999999999999"] = 999999999999999,
    } do
      accepts(types.size, text)
      assert.equal(bytes, types.to_bytes(text))
    end
    assert.equal(0, types.to_bytes(0))
    assert.equal(math.maxinteger, types.to_bytes(math.maxinteger))
    for _, text in ipairs { "", "M", "-1", "1.5M", "64m", "64MB", "64 M", "0x10", "8388608T", "9999999999999999" } do
      assert.is_nil(types.to_bytes(text))
      refuses(types.size, text, ('x: size (bytes, or "64M") expected, got %q'):format(text))
    end
    refuses(types.size, -1, 'x: size (bytes, or "64M") expected, got -1')
    refuses(types.size, 1.5, 'x: size (bytes, or "64M") expected, got 1.5')
    refuses(types.size, {}, 'x: size (bytes, or "64M") expected, got table')
  end)
end)

describe("a string", function()
  it("has no NUL byte and a length", function()
    local kind <const> = types.text("host name", 1, 4)
    accepts(kind, "a", "abcd", "\xff\n")
    refuses(kind, "", "x: 0 bytes are not 1 to 4")
    refuses(kind, "abcde", "x: 5 bytes are not 1 to 4")
    refuses(kind, "a\0b", "x: the string has a NUL byte")
    refuses(kind, "\0", "x: the string has a NUL byte")
    refuses(kind, 5, "x: string expected, got integer")
    refuses(kind, io.stdout, "x: string expected, got file")
    refuses(types.text("name", 1), "", "x: 0 bytes are not 1 or more")
  end)

  it("of bytes may have any", function()
    accepts(types.bytes, "", "a\0b")
    refuses(types.bytes, 5, "x: string expected, got integer")
  end)

  it("that is a path is absolute and no longer than the kernel takes", function()
    local long <const> = "/" .. ("n"):rep(255)
    accepts(types.path, "/", "//a/", "/a/../b", long, long:rep(15) .. "/" .. ("n"):rep(254))
    refuses(types.path, "", "x: 0 bytes are not 1 to 4095")
    refuses(types.path, "a/b", "x: an absolute path is needed")
    refuses(types.path, long .. "n", "x: a name of the path is longer than 255 bytes")
    refuses(types.path, long:rep(16), "x: 4096 bytes are not 1 to 4095")
    refuses(types.path, "/safe\0/../..", "x: the string has a NUL byte")
  end)

  it("that is a target has no '..'", function()
    accepts(types.target, "/", "/a/b", "/..a", "/a..", "/a/...", "/a/./b")
    for _, path in ipairs { "/..", "/../a", "/a/..", "/a/../b", "/a//../b/" } do
      refuses(types.target, path, "x: '..' has no place in a target")
    end
    refuses(types.target, "..", "x: an absolute path is needed")
  end)

  it("that is a path has a shortest form", function()
    for path, clean in pairs {
      ["/"] = "/", ["//"] = "/", ["/."] = "/", ["/a/b"] = "/a/b", ["//a/./b/"] = "/a/b", ["/a//."] = "/a",
      ["/..a/.b/..."] = "/..a/.b/...", ["/a \n/b"] = "/a \n/b",
    } do
      assert.equal(clean, types.clean_path(path))
    end
  end)
end)

describe("a word", function()
  local kind <const> = types.choice({ "private", "slave", "shared" }, "propagation")

  it("is one of some", function()
    accepts(kind, "private", "slave", "shared")
    refuses(kind, "Private", "x: unknown propagation 'Private' (did you mean 'private'?)")
    refuses(kind, "zzz", "x: unknown propagation 'zzz'")
    refuses(kind, "", "x: unknown propagation ''")
    refuses(kind, 1, "x: propagation expected, got integer")
    refuses(kind, NAN, "x: propagation expected, got not a number (NaN)")
  end)

  it("is answered with the nearest, when one is near", function()
    for word, near in pairs {
      hostnam = "hostname", hsotname = "hostname", hostname_ = "hostname", mount = "mounts", uidmap = "uid_map",
    } do
      assert.equal(near, types.nearest(word, { "hostname", "domainname", "mounts", "uid_map" }))
    end
    assert.is_nil(types.nearest("entirely", { "hostname", "mounts" }))
    assert.is_nil(types.nearest("", { "hostname" }))
    -- a third of the word may be wrong, and one byte of any
    for word, near in pairs {
      uix = "uid", uxx = false, hoxxname = "hostname", hoxxxame = false, hoxxxname = "hostname",
    } do
      assert.equal(near or nil, types.nearest(word, { "hostname", "uid" }))
    end
  end)

  it("is compared only with what can be near, however long it is", function()
    assert.is_nil(types.nearest(("x"):rep(1 << 24), { "hostname", "mounts" }))
  end)

  it("has a distance from another", function()
    for _, row in ipairs {
      { 0, "", "" }, { 3, "", "abc" }, { 3, "abc", "" }, { 0, "abc", "abc" }, { 1, "abc", "abd" },
      { 1, "abc", "acb" }, { 1, "ab", "ba" }, { 2, "aab", "bba" }, { 1, "abc", "abcd" }, { 2, "abc", "c" },
      { 3, "kitten", "sitting" }, { 2, "ab", "cd" },
    } do
      assert.equal(row[1], types.distance(row[2], row[3]))
      assert.equal(row[1], types.distance(row[3], row[2]))
    end
  end)
end)

describe("a list", function()
  local kind <const> = types.list(types.id)

  it("has entries of one type, each with its path", function()
    accepts(kind, {}, { 1 }, { 1, 2, 3 })
    refuses(kind, { 1, "2", 3, -1 },
      "x[2]: integer expected, got string", "x[4]: -1 is out of range (0 to 4294967294)")
    refuses(kind, 1, "x: list expected, got integer")
    refuses(kind, io.stdout, "x: list expected, got file")
  end)

  it("has no holes and no other keys, however the two are combined", function()
    local REFUSAL <const> = "x: a list has the keys 1, 2, 3 ... and no others"
    refuses(kind, { 1, nil, 3 }, REFUSAL)
    refuses(kind, { [2] = 2 }, REFUSAL)
    refuses(kind, { [0] = 0 }, REFUSAL)
    refuses(kind, { [1.5] = 0 }, REFUSAL)
    refuses(kind, { 1, name = 2 }, REFUSAL)
    -- as many keys as the length operator says, and yet not these
    refuses(kind, { 1, nil, 3, name = 4 }, REFUSAL)
    refuses(kind, { 1, 2, nil, 4, [-1] = 5 }, REFUSAL)
  end)

  it("of one may be its entry", function()
    local words <const> = types.one_or_list(types.choice({ "a", "b" }, "word"))
    accepts(words, "a", { "a" }, { "a", "b" }, {})
    refuses(words, "c", "x: unknown word 'c' (did you mean 'a'?)")
    refuses(words, 1, "x: word expected, got integer")
    refuses(words, { "a", 1 }, "x[2]: word expected, got integer")
  end)
end)

describe("a map", function()
  local kind <const> = types.map(types.text("name", 1), types.id, "map of ids")

  it("has keys and values of one type, each with its path", function()
    accepts(kind, {}, { a = 1, ["b c"] = 2 })
    refuses(kind, { a = "1" }, 'x["a"]: integer expected, got string')
    refuses(kind, { [""] = 1 }, 'x[""]: 0 bytes are not 1 or more')
    refuses(kind, { [7] = 1 }, "x[7]: string expected, got integer")
    refuses(kind, { [7] = "1" }, "x[7]: string expected, got integer", "x[7]: integer expected, got string")
    refuses(kind, "a=1", "x: table expected, got string")
  end)

  it("names its problems in the same order every time", function()
    local expected, value <const> = {}, {}
    for i = 1, 50 do
      value[("key%02d"):format(i)] = true
      expected[i] = ('x["key%02d"]: integer expected, got boolean'):format(i)
    end
    assert.same(expected, problems(kind, value))
  end)
end)

describe("a record", function()
  local fields <const> = {
    { name = "size", type = types.size, required = true },
    { name = "mode", type = types.mode },
  }
  local kind <const> = types.record(fields, "thing")

  it("has known fields, and those that are required", function()
    accepts(kind, { size = 1 }, { size = "1K", mode = 7 })
    refuses(kind, {}, 'x.size: missing (size (bytes, or "64M"))')
    refuses(kind, { size = 1, moed = 7 }, "x.moed: unknown field 'moed' (did you mean 'mode'?)")
    refuses(kind, { size = 1, [1] = 7, [true] = 8 }, "x[1]: unknown field", "x[true]: unknown field")
    refuses(kind, 1, "x: table expected, got integer")
    refuses(kind, false, "x: table expected, got boolean")
  end)

  it("has paths from the top when it is the top", function()
    assert.same({ "moed: unknown field 'moed' (did you mean 'mode'?)", 'size: missing (size (bytes, or "64M"))' },
      problems(kind, { moed = 7 }, ""))
  end)

  it("may have an array part that is looked at elsewhere", function()
    local vector <const> = types.record(fields, "vector", true)
    accepts(vector, { "a", "b", size = 1 })
    refuses(vector, { "a", size = 1, [1.5] = 2 }, "x[1.5]: unknown field")
  end)

  it("has the fields that its type says", function()
    local any <const> = types.variants({
      a = types.record({ { name = "type", type = types.string }, { name = "one", type = types.id } }, "a"),
      b = types.record({ { name = "type", type = types.string }, { name = "two", type = types.id } }, "b"),
    }, "any")
    accepts(any, { type = "a", one = 1 }, { type = "b", two = 1 })
    refuses(any, { type = "a", two = 1 }, "x.two: unknown field 'two'")
    refuses(any, { two = 1 }, 'x.type: missing ("a", "b")')
    refuses(any, { type = "c" }, "x.type: unknown type 'c' (did you mean 'a'?)")
    refuses(any, { type = {} }, "x.type: type expected, got table")
    refuses(any, "a", "x: table expected, got string")
  end)
end)

describe("a table", function()
  -- What is checked must be what is used: nothing may answer for a field.
  it("with a metatable is refused, and none of its metamethods is called", function()
    local function called()
      error "a metamethod was called"
    end
    local trap <const> = { __index = called, __len = called, __pairs = called, __tostring = called, __eq = called }
    local hidden <const> = { __index = called, __metatable = false }
    for what, kind in pairs {
      list = types.list(types.id),
      table = types.map(types.string, types.id, "map"),
    } do
      for _, metatable in ipairs { trap, hidden, {} } do
        refuses(kind, setmetatable({}, metatable), ("x: plain %s expected, got one with a metatable"):format(what))
      end
    end
    for _, kind in ipairs { types.record({}, "record"), types.variants({}, "variants") } do
      refuses(kind, setmetatable({}, trap), "x: plain table expected, got one with a metatable")
    end
  end)

  it("as a key is named without asking it", function()
    local key <const> = setmetatable({}, { __tostring = error })
    refuses(types.record({}, "record"), { [key] = 1 }, "x[table]: unknown field")
    refuses(types.map(types.id, types.id, "map"), { [key] = 1 }, "x[table]: integer expected, got table")
  end)
end)

describe("a type of several", function()
  it("is picked by what the value is", function()
    local kind <const> = types.either("flag or id", function(value)
      return type(value) == "boolean" and types.flag or math.type(value) and types.id or nil
    end)
    accepts(kind, true, 5)
    assert.same({}, problems(kind, false))
    refuses(kind, -1, "x: -1 is out of range (0 to 4294967294)")
    refuses(kind, "a", "x: flag or id expected, got string")
  end)

  it("may have another test after its own", function()
    local even <const> = types.with(types.id, function(value)
      return value % 2 == 1 and "is odd" or nil
    end)
    accepts(even, 4)
    refuses(even, 3, "x: is odd")
    refuses(even, "3", "x: integer expected, got string")
  end)
end)
