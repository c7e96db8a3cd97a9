local json = require "userns.command.json"
local sys = require "userns.sys"
local userns = require "userns"

describe("json", function()
  it("has the words and numbers of JSON", function()
    for value, text in pairs {
      [true] = "true", [false] = "false", [5] = "5", [-1] = "-1", [math.mininteger] = "-9223372036854775808",
      [0.5] = "0.5", [1e300] = "1e+300",
      [0.1] = "0.1", [0.1 + 0.2] = "0.30000000000000004", [math.huge] = "null", [-math.huge] = "null", [""] = '""',
    } do
      assert.equal(text, json(value))
    end
    assert.equal("null", json(nil))
    assert.equal("null", json(0 / 0))
  end)

  it("escapes what is not allowed in a string", function()
    assert.equal([["a\"b\\c\nd\te\r\u0000\u001b\u007fü/"]], json("a\"b\\c\nd\te\r\0\27\127ü/"))
  end)

  it("makes bytes that are no UTF-8 visible", function()
    assert.equal('"a\u{fffd}b\u{fffd}\u{fffd}ü"', json("a\xffb\xc3\xc0ü"))
    assert.equal('"\u{fffd}\u{fffd}\u{fffd}"', json("\u{d800}"))
    assert.equal('"\u{fffd}"', json("\xff"))
  end)

  it("tells lists from objects, and sorts keys", function()
    assert.equal('[1,[2,"x"],{"a":[],"b":{"c":null}}]', json { 1, { 2, "x" }, { b = { c = 0 / 0 }, a = {} } })
    assert.equal('{"1":"sh","cwd":"/"}', json { "sh", cwd = "/" })
    assert.equal('{"1":1,"3":3}', json { 1, nil, 3 })
    assert.equal('{"3":true}', json { [3] = true })
  end)

  it("has strings for what is no data", function()
    assert.equal(("%q"):format(tostring(print)), json(print))
    assert.equal('"file (closed)"', json((function()
      local file <const> = assert(io.open "/dev/null")
      file:close()
      return file
    end)()))
    for _, handle in ipairs { assert(userns.container {}), assert(sys.namespace("user", "self")) } do
      assert.matches('^{"handle":".+"}$', json { handle = handle })
    end
  end)

  it("has the fields of an error", function()
    local err <const> = sys.error {
      op = "validate", code = "EINVALID", field = "a", message = "m", problems = { sys.error { field = "a" } },
    }
    assert.equal('{"code":"EINVALID","field":"a","message":"m","op":"validate","problems":[{"field":"a"}]}', json(err))
  end)

  it("has a description as it is in force", function()
    local text <const> = json(assert(userns.container { hostname = "box", hooks = { created = print } }):describe())
    assert.matches('"hostname":"box"', text, 1, true)
    assert.matches('"hooks":{"created":"function: [^"]+"}', text)
    assert.matches('"namespaces":["user","mnt"', text, 1, true)
  end)
end)
