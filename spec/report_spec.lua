-- An error as a person meets it.
local report = require "userns.command.report"
local sys = require "userns.sys"

local plain <const> = setmetatable({ colours = false }, report)

local function text(fields)
  return plain:text(sys.error(fields))
end

describe("a report", function()
  it("has what failed, where, why, and what to do", function()
    assert.equal([[
userns: chdir '/nowhere': No such file or directory
  where: box.lua:5, process.cwd, step 21 of the plan, the child's
  why:   the container has no such directory
  hint:  make it, or name another
]], text {
      op = "chdir", code = "ENOENT", message = "No such file or directory", path = "/nowhere", field = "process.cwd",
      step = 21, side = "child", where = { file = "box.lua", line = 5 }, cause = "missing",
      why = "the container has no such directory", hint = "make it, or name another",
    })
  end)

  it("leaves out what is not known", function()
    assert.equal("userns: clone: No space left on device\n", text { op = "clone", message = "No space left on device" })
    assert.equal("userns: clone: No\n  where: namespaces\n",
      text { op = "clone", message = "No", field = "namespaces" })
    assert.equal("userns: clone: No\n  where: box.lua, namespaces\n",
      text { op = "clone", message = "No", field = "namespaces", where = { file = "box.lua" } })
    assert.equal("userns: clone: No\n  hint:  be root\n", text { op = "clone", message = "No", hint = "be root" })
  end)

  it("lists causes that remain, each with what to do", function()
    assert.equal([[
userns: clone: Operation not permitted
  where: namespaces
  why:   one of these:
         - a filter denies it; ask who runs this container
         - a security module denies it
]], text {
      op = "clone", message = "Operation not permitted", field = "namespaces", hint = "not this", why = "not this",
      causes = {
        { cause = "seccomp", why = "a filter denies it", hint = "ask who runs this container" },
        { cause = "lsm", why = "a security module denies it" },
      },
    })
  end)

  it("has every problem of a description", function()
    assert.equal([[
userns: mounts[1].target is wrong
  where: box.lua:2
  why:   an absolute path is needed
userns: process.env["A B"] is wrong
  where: box.lua
  why:   string expected, got number
userns: process[2] is wrong
  where: word 2 after --
  why:   the string has a NUL byte
]], text {
      op = "validate", field = "mounts[1].target", message = "first", problems = {
        { op = "validate", field = "mounts[1].target", message = "an absolute path is needed",
          where = { file = "box.lua", line = 2 } },
        { op = "validate", field = 'process.env["A B"]', message = "string expected, got number",
          where = { file = "box.lua" } },
        { op = "validate", field = "process[2]", message = "the string has a NUL byte", where = { argument = 2 } },
      },
    })
  end)

  it("keeps every part on its line, and terminals unharmed", function()
    assert.equal([[
userns: load 'a\nb\x1b[2J.lua': \x9b\xff\n
  where: a\nb\x1b[2J.lua:1
  why:   ü
  hint:  \xc2\x9b
]], text {
      op = "load", path = "a\nb\27[2J.lua", message = "\x9b\xff\n", where = { file = "a\nb\27[2J.lua", line = 1 },
      why = "ü", hint = "\u{9b}",
    })
  end)

  it("keeps within the columns of a terminal", function()
    local narrow <const> = setmetatable({ columns = 29 }, report)
    assert.equal([[
userns: clone: a message is not broken, whatever its length
  where: a  b.lua, namespaces
  why:   one of these:
         - a filter denies
         it; ask who runs
         this container
         -
         a-word-that-is-longer-than-a-line
]], narrow:text(sys.error {
      op = "clone", message = "a message is not broken, whatever its length", field = "namespaces",
      where = { file = "a  b.lua" },
      causes = {
        { cause = "seccomp", why = "a filter denies it", hint = "ask who runs this container" },
        { cause = "lsm", why = "a-word-that-is-longer-than-a-line" },
      },
    }))
  end)

  it("has colours where they are wanted", function()
    assert.equal("\27[1;31muserns:\27[0m \27[1mclone: No\27[0m\n\27[2m  hint:  \27[0mbe root\n",
      setmetatable({ colours = true }, report):text(sys.error { op = "clone", message = "No", hint = "be root" }))
  end)
end)
