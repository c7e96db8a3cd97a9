local helper <const> = require "spec.helper"
local load_description <const> = require "userns.load"
local userns <const> = require "userns"

local directory

--- A file with a content; its path.
local function file(content, name)
  local path <const> = directory .. "/" .. (name or "box.lua")
  helper.write(path, content)
  return path
end

--- What a file returns.
local function loaded(content, env)
  return assert(load_description(file(content), env))
end

--- The error of a file, as fields.
local function refused(path, ...)
  local description <const>, err = load_description(path, ...)
  assert.is_nil(description)
  assert.equal("userns.error", getmetatable(err).__name)
  return helper.fields(err)
end

local function wrong(path, message)
  return { op = "load", code = "EINVALID", path = path, message = message }
end

describe("load", function()
  before_each(function()
    directory = helper.directory()
    helper.count()
  end)
  after_each(function()
    helper.check_count()
    helper.remove(directory)
  end)

  it("gives the description that a file returns", function()
    assert.same({ hostname = "box", mounts = { { type = "proc", target = "/proc" } } },
      loaded [[return { hostname = "box", mounts = { { type = "proc", target = "/proc" } } }]])
    assert.same({}, loaded "return {}, 5")
  end)

  it("gives the text that was read, besides", function()
    local text <const> = ("-- "):rep(3000) .. "\nreturn {}"
    local _, err <const>, read <const> = load_description(file("#!/bin/lua\n" .. text))
    assert.same({ nil, "\n" .. text }, { err, read })
    assert.same({ n = 2, nil, "EINVALID" }, (function(...)
      return { n = select("#", ...), (...), (select(2, ...)).code }
    end)(load_description(file "return 5")))
  end)

  it("gives it unchecked, for the container to check", function()
    local box <const>, err = userns.container(loaded [[return { hostnam = "box" }]])
    assert.is_nil(box)
    assert.same(helper.invalid("hostnam", "unknown field 'hostnam' (did you mean 'hostname'?)"),
      helper.fields(err))
  end)

  it("takes a path from the working directory", function()
    file [[return { hostname = "near" }]]
    assert.equal("near", helper.output([[io.write(assert(require "userns".load "box.lua").hostname)]],
      "env -C " .. directory))
  end)

  it("lets a file compute", function()
    assert.same({ hostname = "BOX-3", mounts = { { type = "dir", target = "/a" }, { type = "dir", target = "/b" } } },
      loaded [[
        local mounts = {}
        for _, name in ipairs { "b", "a" } do
          mounts[#mounts + 1] = { type = "dir", target = "/" .. name }
        end
        table.sort(mounts, function(x, y) return x.target < y.target end)
        local ok, name = pcall(string.upper, "box")
        assert(ok and select("#", next { 1 }) == 2 and utf8.len "ü" == 1 and tonumber "3" == math.max(1, 3))
        return { hostname = ("%s-%d"):format(name, math.tointeger(3.0)), mounts = mounts }
      ]])
  end)

  it("lets a file merge, and begin with a preset", function()
    assert.same(userns.merge(userns.presets.minimal, { hostname = "box" }),
      loaded [[return userns.merge(userns.presets.minimal, { hostname = "box" })]])
  end)

  it("shows a file these names and no others", function()
    local seen <const> = loaded [[
      local names = {}
      for name, value in pairs(_ENV) do
        names[#names + 1] = name
        if type(value) == "table" then
          for key in pairs(value) do
            names[#names + 1] = name .. "." .. key
          end
        end
      end
      table.sort(names)
      return names
    ]]
    assert.equal("assert error ipairs math math.abs math.acos math.asin math.atan math.ceil math.cos math.deg math.exp "
      .. "math.floor math.fmod math.huge math.log math.max math.maxinteger math.min math.mininteger math.modf math.pi "
      .. "math.rad math.sin math.sqrt math.tan math.tointeger math.type math.ult next pairs pcall select string "
      .. "string.byte string.char string.find string.format string.gmatch string.gsub string.len string.lower "
      .. "string.match string.pack string.packsize string.rep string.reverse string.sub string.unpack string.upper "
      .. "table table.concat table.insert table.move table.pack table.remove table.sort table.unpack tonumber tostring "
      .. "type userns userns.merge userns.presets utf8 utf8.char utf8.charpattern utf8.codepoint utf8.codes utf8.len "
      .. "utf8.offset", table.concat(seen, " "))
  end)

  for _, name in ipairs {
    "_G", "collectgarbage", "coroutine", "debug", "dofile", "getmetatable", "io", "load", "loadfile", "os", "package",
    "print", "rawequal", "rawget", "rawlen", "rawset", "require", "setmetatable", "warn", "xpcall",
  } do
    it(("shows a file no %s"):format(name), function()
      assert.same({ absent = true }, loaded(("return { absent = %s == nil }"):format(name)))
    end)
  end

  it("shows a file nothing that the host has added to Lua's libraries", function()
    assert.equal("nil nil", helper.output(([[
      function table.execute() end
      execute = os.execute
      local seen = assert(require "userns".load(%q))
      io.write(seen[1], " ", seen[2])
    ]]):format(file [[return { tostring(table.execute), tostring(execute) }]])))
  end)

  it("lets a file change its own copies only", function()
    local before <const> = userns.merge(userns.presets)
    for _ = 1, 2 do
      assert.same({ was = "bind" }, loaded [[
        local was = userns.presets.host_readonly.root.type
        userns.presets.host_readonly.root.type = "tmpfs"
        userns.presets.minimal.mounts[1].source = "/etc"
        userns.presets.private_home = nil
        userns.merge, string.format, table.insert, math.max, utf8.len, pairs = nil
        box = "global"
        return { was = was }
      ]])
    end
    assert.same(before, userns.presets)
    assert.equal("function function function function function function", table.concat({
      type(userns.merge), type(string.format), type(table.insert), type(math.max), type(utf8.len), type(pairs),
    }, " "))
    assert.is_nil(rawget(_G, "box"))
  end)

  -- The methods of a string are the host's own functions, which a file may call.
  it("lets no file change the methods of strings", function()
    local methods <const> = {}
    for name, method in pairs(string) do
      methods[name] = method
    end
    for _, attempt in ipairs {
      [[("").format = error]], [[("x").new = error]], [[next("")]], [[pairs("")("")]], [[table.insert("", error)]],
      [[table.move({ error }, 1, 1, 1, "")]], [[table.sort("")]], [[userns.merge("", {})]],
    } do
      assert.same({ ok = false }, loaded(("return { ok = pcall(function() %s end) }"):format(attempt)))
    end
    assert.same(methods, string)
    assert.same({ "xx" }, loaded [[string.rep = nil return { ("x"):rep(2) }]])
  end)

  it("leaves a file no way to run what it puts together", function()
    assert.same({ "string", "nil", "nil" }, loaded [[
      return { type(("").dump(function() end)), tostring(load), tostring(string.dump) }
    ]])
  end)

  it("leaves the host's random numbers alone", function()
    math.randomseed(7)
    local numbers <const> = { math.random(0), math.random(0) }
    math.randomseed(7)
    assert.equal(numbers[1], math.random(0))
    loaded [[return { pcall(function() math.randomseed(1) return math.random() end) }]]
    assert.equal(numbers[2], math.random(0))
  end)

  it("runs a file in another environment where one is given", function()
    local env <const> = { name = "box" }
    assert.same({ hostname = "box" }, loaded("seen = string == nil return { hostname = name }", env))
    assert.same({ name = "box", seen = true }, env)
    assert.same({ pid = 5 }, loaded("return { pid = os.five() }", { os = { five = function() return 5 end } }))
    assert.same({ helper }, loaded("return { require 'spec.helper' }", _G))
  end)

  it("compiles what loadfile does", function()
    for _, start in ipairs { "", "\u{feff}", "#!/usr/bin/lua5.4", "\u{feff}#!/usr/bin/lua5.4", "#", "-- text" } do
      assert.same({ a = 2 }, loaded(start .. "\nreturn { a = 2 }\r\n"))
      assert.same(wrong(directory .. "/box.lua", directory .. "/box.lua:3: no"),
        refused(file(start .. "\n\nerror('no')")))
    end
    assert.same({ a = 1 }, loaded "\u{feff}return { a = 1 }")
    assert.same({ a = ("x"):rep(200000) }, loaded(("return { a = %q }"):format(("x"):rep(200000))))
  end)

  it("refuses what is no Lua text, with the line", function()
    local path <const> = file("return {\n  hostname = \"box\",\n  a b\n}")
    assert.same(wrong(path, path .. ":3: '}' expected (to close '{' at line 1) near 'b'"), refused(path))
    assert.equal(("userns: load '%s': %s:3: '}' expected (to close '{' at line 1) near 'b'; correct the file's Lua")
      :format(path, path), tostring(select(2, load_description(path))))
    assert.same(wrong(path, path .. ":1: unexpected symbol near '<\\1>'"), refused(file("\1")))
    assert.same(wrong(path, path .. ":1: unexpected symbol near '#'"), refused(file(" #!/bin/sh")))
  end)

  it("refuses compiled Lua", function()
    local binary <const> = string.dump(function() return {} end)
    for _, content in ipairs { binary, "#!/usr/bin/lua5.4\n" .. binary, "\u{feff}" .. binary } do
      local fields <const> = refused(file(content))
      fields.message = fields.message:match("^attempt to load a binary chunk") or fields.message:match(":2: .*$")
        or fields.message
      assert.same(content:sub(1, 1) == "#"
        and wrong(directory .. "/box.lua", ":2: unexpected symbol near '<\\27>'")
        or wrong(directory .. "/box.lua", "attempt to load a binary chunk"), fields)
    end
  end)

  it("refuses a file that raises, with what it says", function()
    local path <const> = file "\n\nerror 'no such box'"
    assert.same(wrong(path, path .. ":3: no such box"), refused(path))
    for content, message in pairs {
      ["error('plain', 0)"] = "plain",
      ["error()"] = "the file raises nil, not a message",
      ["error(nil)"] = "the file raises nil, not a message",
      ["error {}"] = "the file raises table, not a message",
      ["error(5)"] = "the file raises number, not a message",
      ["error(false)"] = "the file raises boolean, not a message",
      ["error('')"] = path .. ":1: ",
      ["local x = nil + 1"] = path .. ":1: attempt to perform arithmetic on a nil value",
      ["io.open '/etc/passwd'"] = path .. ":1: attempt to index a nil value (global 'io')",
      ["return ('x'):rep(1 << 60)"] = path .. ":1: resulting string too large",
    } do
      assert.same(wrong(path, message), refused(file(content)))
    end
  end)

  it("refuses a file that raises an object, with what that says of itself", function()
    local function raise(metatable)
      return { raise = function() error(setmetatable({}, metatable)) end }
    end
    local path <const> = file "raise()"
    assert.same(wrong(path, "spoken"), refused(path, raise { __tostring = function() return "spoken" end }))
    assert.same(wrong(path, "table"), refused(path, raise { __tostring = error }))
    assert.same(wrong(path, "userns: wait: it runs"), refused(path, { raise = function()
      error(userns.sys.error { op = "wait", message = "it runs" })
    end }))
  end)

  it("refuses a file that goes too deep", function()
    local path <const> = file "local function f() return 1 + f() end return f()"
    local fields <const> = refused(path)
    fields.message = fields.message:match("stack overflow")
    assert.same(wrong(path, "stack overflow"), fields)
  end)

  it("refuses a file that returns no table", function()
    for content, kind in pairs {
      [""] = "nil", ["return"] = "nil", ["#!/bin/sh"] = "nil", ["hostname = 'box'"] = "nil", ["return nil, {}"] = "nil",
      ["return 'box'"] = "string", ["return false"] = "boolean", ["return 5"] = "number", ["return pairs"] = "function",
    } do
      local path <const> = file(content)
      assert.same(wrong(path, ("the file returns %s, not a description"):format(kind)), refused(path))
    end
  end)

  it("says what the kernel says to a file that cannot be read", function()
    local missing <const> = directory .. "/missing.lua"
    assert.same(helper.errno("ENOENT", { op = "load", syscall = "open", path = missing }), refused(missing))
    assert.same(helper.errno("ENOENT", { op = "load", syscall = "open", path = "" }), refused "")
    assert.same(helper.errno("EISDIR", { op = "load", syscall = "read", path = directory }), refused(directory))
    local below <const> = file "" .. "/below"
    assert.same(helper.errno("ENOTDIR", { op = "load", syscall = "open", path = below }), refused(below))
    assert.equal(("userns: load '%s': No such file or directory; name a Lua file that returns a description"):format(
      missing),
      tostring(select(2, load_description(missing))))
  end)

  it("cannot read what its caller may not", function()
    local path <const> = file "return { hostname = 'box' }"
    assert(os.execute("chmod 0 " .. path))
    if helper.privilege == "user" then
      assert.same(helper.errno("EACCES", { op = "load", syscall = "open", path = path }), refused(path))
    else
      assert.same({ hostname = "box" }, load_description(path))
    end
  end)

  it("takes any path, and prints it on one line", function()
    for _, name in ipairs { "new\nline.lua", "sp ace", "-", "@x", "=x", "%d", ("n"):rep(255) } do
      local path <const> = file("return {}", name)
      assert.same({}, load_description(path))
      file("error {}", name)
      assert.same(wrong(path, "the file raises table, not a message"), refused(path))
      assert.is_nil(tostring(select(2, load_description(path))):find("\n"))
    end
    local path <const> = file("\nerror 'no'", "new\nline.lua")
    assert.same(wrong(path, path .. ":2: no"), refused(path))
    assert.equal(([[userns: load '%s/new\nline.lua': %s/new\nline.lua:2: no]]):format(directory, directory),
      tostring(select(2, load_description(path))))
  end)

  it("has the line where the path is too long to be repeated", function()
    local path <const> = file("\n\nerror 'no'", ("n"):rep(255))
    local fields <const> = refused(path)
    assert.equal(path, fields.path)
    assert.matches(":3: no$", fields.message)
  end)

  it("raises for what is no path and no environment", function()
    for _, case in ipairs {
      { table.pack(), "#1 to 'load' (string expected, got nil)" },
      { table.pack(5), "#1 to 'load' (string expected, got number)" },
      { table.pack("/etc/pass\0wd"), "#1 to 'load' (the string has a NUL byte)" },
      { table.pack("/box.lua", "_G"), "#2 to 'load' (table expected, got string)" },
      { table.pack("/box.lua", false), "#2 to 'load' (table expected, got boolean)" },
    } do
      local ok <const>, message = pcall(function()
        load_description(table.unpack(case[1], 1, case[1].n))
      end)
      assert.is_false(ok)
      assert.matches("load_spec.lua:%d+: bad argument ", message)
      assert.equal(case[2], message:match("bad argument (.*)$"))
    end
  end)
end)
