local plan <const> = require "userns.plan"
local sys <const> = require "userns.sys"

local OPS <const> = sys.ops()

local function plan_of(...)
  return plan.new({ ... }, {})
end

--- What the listing says of one step's operands.
local function shown(step)
  return (tostring(plan_of(step)):match("^  1  %l+%s+[%l_]+%s*(.-)$"))
end

describe("a plan", function()
  it("is an array that knows what is degraded, and who the program is to the caller", function()
    local degraded <const> = { { feature = "groups", used = "some", reason = "none" } }
    local owner <const> = { uid = 100000, gid = 100000 }
    local list <const> = plan.new({ { op = "await" }, { op = "release" } }, degraded, owner)
    assert.equal(2, #list)
    assert.equal("release", list[2].op)
    assert.equal("child parent", list[1].side .. " " .. list[2].side)
    assert.same(degraded, list.degraded)
    assert.same(owner, list.owner)
    assert.equal("userns.plan", getmetatable(list).__name)
  end)

  it("prints a numbered line for each step, without spaces at the end", function()
    assert.equal([[
  1  parent  clone         namespaces=user,uts
  2  child   await
  3  parent  uid_map       map=0:1000:1,5:100005:10
  4  parent  release
  5  child   hostname      name=box
  6  child   exec          /bin/hostname -f]], tostring(plan_of(
      { op = "clone", namespaces = { "user", "uts" } },
      { op = "await" },
      { op = "uid_map", map = {
        { inside = 0, outside = 1000, count = 1 }, { inside = 5, outside = 100005, count = 10 },
      } },
      { op = "release" },
      { op = "hostname", name = "box" },
      { op = "exec", program = "/bin/hostname", argv = { "/bin/hostname", "-f" } })))
  end)

  it("of nothing prints nothing", function()
    assert.equal("", tostring(plan_of()))
  end)

  it("keeps its columns beyond a hundred steps", function()
    local steps <const> = {}
    for i = 1, 1000 do
      steps[i] = { op = "await" }
    end
    local listing <const> = tostring(plan_of(table.unpack(steps)))
    assert.matches("\n 99  child   await\n100  child   await\n", listing)
    assert.matches("\n1000  child   await$", listing)
  end)

  it("shows what is set, and nothing of what is not", function()
    assert.equal("slot=0 path=/a", shown { op = "open", slot = 0, path = "/a", optional = false })
    assert.equal("slot=1 path=/a optional", shown { op = "open", slot = 1, path = "/a", optional = true })
    assert.equal("slot=1 path=/a major=1 minor=3", shown { op = "open", slot = 1, path = "/a", major = 1, minor = 3 })
    assert.equal("", shown { op = "groups" })
    assert.equal("groups=none", shown { op = "groups", groups = {} })
    assert.equal("groups=0,5", shown { op = "groups", groups = { 0, 5 } })
    assert.equal("fds=0:null,5:fd7", shown { op = "descriptors", fds = {
      { target = 0, from = "null" }, { target = 5, from = "fd 7" },
    } })
  end)

  it("shows permission bits in octal", function()
    assert.equal("mask=022", shown { op = "umask", mask = 18 })
    assert.equal("mask=00", shown { op = "umask", mask = 0 })
    assert.equal("target=/a mode=01777", shown { op = "dir", target = "/a", mode = 1023 })
  end)

  it("shows a file's size, not what is in it", function()
    assert.equal("target=/a bytes=3 mode=0600", shown { op = "file", target = "/a", content = "x\0\n", mode = 384 })
    assert.equal("target=/a bytes=0 mode=0644 uid=5 gid=6",
      shown { op = "file", target = "/a", content = "", mode = 420, uid = 5, gid = 6 })
  end)

  it("shows the program as it is called, not what it is told", function()
    assert.equal("sh -c true", shown {
      op = "exec", program = "sh", argv = { "-sh", "-c", "true" }, paths = { "/bin/sh" }, env = { "A=secret" },
    })
  end)

  it("quotes whatever could be taken for something else, in one line", function()
    for text, expected in pairs {
      ["a b"] = '"a b"',
      [""] = '""',
      ["a\nb"] = [["a\nb"]],
      ["a\tb"] = [["a\x09b"]],
      ["a\27[31m"] = [["a\x1b[31m"]],
      ["a\127"] = [["a\x7f"]],
      ['a"b'] = [["a\"b"]],
      ["a\\b"] = [["a\\b"]],
      ["\xff"] = [["\xff"]],
      ["\x80"] = [["\x80"]],
      ["a'b$*;"] = "a'b$*;",
    } do
      assert.equal("path=" .. expected, shown { op = "chdir", path = text })
      assert.equal("/a " .. expected, shown { op = "exec", program = "/a", argv = { "/a", text } })
    end
    assert.equal("path=a,b", shown { op = "chdir", path = "a,b" })
    assert.equal('options=mode=755,"a b","c,d"', shown { op = "root_tmpfs", options = { "mode=755", "a b", "c,d" } })
  end)

  it("explains each step, and names the field that asks for it", function()
    assert.equal([[
  1  child   await
       wait until the parent lets it go on
  2  child   hostname      name=box
       set the host name (hostname)]], plan_of(
      { op = "await" },
      { op = "hostname", name = "box", source = "hostname" }):explain())
  end)
end)

describe("a plan made by hand", function()
  local refused <const> = {
    ["unknown step 'fly'"] = { op = "fly" },
    ["a step's op is a string"] = { source = "root" },
    ["table expected, got string"] = "await",
    ["number expected, got string"] = { op = "open", slot = "first" },
    ["the string has a NUL byte"] = { op = "hostname", name = "a\0b" },
    ["unknown mount attribute 'soft'"] = { op = "remount", target = "/", attrs = { "soft" } },
    ["string expected, got table"] = { op = "exec", argv = { "b", {} }, paths = { "/bin/true" }, env = {} },
  }
  for message, step in pairs(refused) do
    it("is refused: " .. message, function()
      local ok <const>, err = pcall(sys.pack, { { op = "await" }, step })
      assert.is_false(ok)
      assert(tostring(err):find(message, 1, true), err)
    end)
  end

  it("has operands that are absent", function()
    assert.equal("userdata", type(sys.pack { { op = "open" }, { op = "groups" }, { op = "file" }, { op = "exec" } }))
  end)
end)

describe("every op", function()
  it("has a side, operands and a sentence, and can be shown without any operand", function()
    for name, op in pairs(OPS) do
      assert(op.side == "child" or op.side == "parent", name)
      assert.matches("^%l.*%l$", op.doc)
      if name ~= "exec" and name ~= "file" then
        assert.equal("", shown { op = name }, name)
      end
      for _, operand in ipairs(op.operands) do
        assert.matches("^%l[%l_]*$", operand)
      end
    end
  end)

  it("fits into the listing's columns", function()
    for name in pairs(OPS) do
      assert(#name <= 12, name)
    end
  end)
end)
