local helper <const> = require "spec.helper"
local sys <const> = require "userns.sys"

local refusal <const>, failure <const> = helper.bad_argument, helper.failure

local ERRNO <const> = {
  ENOENT = { 2, "No such file or directory" },
  E2BIG = { 7, "Argument list too long" },
  ENOEXEC = { 8, "Exec format error" },
  EBADF = { 9, "Bad file descriptor" },
  EACCES = { 13, "Permission denied" },
  ENOTDIR = { 20, "Not a directory" },
  ELOOP = { 40, "Too many levels of symbolic links" },
}

local function refused(code, path)
  local errno <const>, message <const> = table.unpack(ERRNO[code])
  return {
    op = "exec",
    syscall = "execveat",
    code = code,
    errno = errno,
    message = message,
    path = path,
  }
end

-- What a function prints that ends in an exec, in a process of its own.
local function output(script, wrapper)
  return helper.output('local sys = require "userns.sys"\n' .. script, wrapper)
end

local function exit_code(fn)
  local process <close> = assert(sys.clone({}, fn))
  return assert(process:wait()).exit_code
end

-- A file with this text and mode, in a directory that goes with it.
local function file(text, mode)
  local dir <const> = helper.directory()
  local path <const> = dir .. "/file"
  helper.write(path, text)
  assert(os.execute(("chmod %s %s"):format(mode, path)))
  return setmetatable({ path = path }, { __close = function() helper.remove(dir) end })
end

local function sorted_lines(text)
  local list <const> = {}
  for line in text:gmatch("[^\n]+") do
    list[#list + 1] = line
  end
  table.sort(list)
  return list
end

describe("userns.sys.exec", function()
  before_each(helper.count)
  after_each(helper.check_count)

  it("puts the program in the caller's place", function()
    local process <close> = assert(sys.clone({}, function()
      local env <const> = { PID = tostring(sys.getpid()) }
      sys.exec("/bin/sh", { "sh", "-c", "exit $(($$ == PID ? 7 : 8))" }, env)
      return 9
    end))
    assert.equal(7, assert(process:wait()).exit_code)
  end)

  it("hands the argument vector on as it is", function()
    assert.equal("alias;/proc/self/cmdline;", (output [[
      sys.exec("/bin/cat", { "alias", "/proc/self/cmdline" })
    ]]:gsub("\0", ";")))
    assert.equal("sh;-c;cat /proc/$$/cmdline; :;;two words;\u{e9};", (output [[
      sys.exec("/bin/sh", { "sh", "-c", "cat /proc/$$/cmdline; :", "", "two words", "\u{e9}" })
    ]]:gsub("\0", ";")))
  end)

  it("looks for the path as it is, not in PATH", function()
    assert.equal("here\n", output([[
      sys.exec("bin/echo", { "echo", "here" })
    ]], "env --chdir=/"))
    assert.same(refused("ENOENT", "echo"), failure(sys.exec("echo", { "echo" })))
  end)

  describe("takes the program by descriptor:", function()
    for form, target in pairs {
      ["a handle"] = "fd",
      ["its number"] = "fd:fileno()",
      ["a table"] = "{ fd = fd:fileno() }",
      ["an io file"] = "io.open('/bin/echo')",
    } do
      it(form, function()
        assert.equal("by descriptor\n", output(([[
          local fd = sys.open("/bin/echo")
          sys.exec(%s, { "echo", "by descriptor" })
        ]]):format(target)))
      end)
    end

    it("one that is open for its path only", function()
      assert.equal("by descriptor\n", output [[
        sys.exec(sys.open("/bin/echo", "path"), { "echo", "by descriptor" })
      ]])
    end)

    it("not a script, whose interpreter could not read it any more", function()
      local script <close> = file("#!/bin/sh\nexit 7\n", "755")
      local fd <close> = assert(sys.open(script.path))
      assert.same(refused("ENOENT"), failure(sys.exec(fd, { "file" })))
      assert.equal(7, exit_code(function() return sys.exec(script.path, { "file" }) end))
    end)
  end)

  describe("gives the program", function()
    it("the caller's environment", function()
      local before <const>, after <const> = output([[
        io.write(io.open("/proc/self/environ"):read("a"), "\n")
        sys.exec("/bin/cat", { "cat", "/proc/self/environ" })
      ]], "env A=1 'B=two words'"):gsub("\0", ";"):match("^([^\n]*)\n(.*)$")
      assert.matches(";B=two words;", before)
      assert.equal(before, after)
    end)

    it("no environment", function()
      assert.equal("", output [[
        sys.exec("/usr/bin/env", { "env" }, {})
      ]])
    end)

    it("the environment that is given, and no other", function()
      assert.same({ "A=", "B=two words", "C=x=y" }, sorted_lines(output [[
        sys.exec("/usr/bin/env", { "env" }, { A = "", B = "two words", C = "x=y" })
      ]]))
    end)

    it("many variables", function()
      local expected <const> = {}
      for i = 1, 1000 do
        expected[i] = ("NAME%d=%s"):format(i, ("x"):rep(100))
      end
      table.sort(expected)
      assert.same(expected, sorted_lines(output [[
        local env = {}
        for i = 1, 1000 do
          env["NAME" .. i] = ("x"):rep(100)
        end
        collectgarbage("incremental", 1, 1000)
        sys.exec("/usr/bin/env", { "env" }, env)
      ]]))
    end)

    it("no descriptor but the standard streams", function()
      assert.equal("0\n1\n2\n3\n", output [[
        sys.close_range(3)
        local fd = sys.open("/dev/null")
        local reader, writer = sys.pipe()
        local process = sys.clone({}, function() sys.poll({}, 100) end, { handshake = true })
        local namespace = sys.namespace("uts", "self")
        process:kill()
        sys.exec("/bin/ls", { "ls", "/proc/self/fd" })
      ]])
    end)
  end)

  it("writes first what the host has buffered", function()
    assert.equal("before after\n", output [[
      io.stdout:setvbuf("full")
      io.write("before ")
      sys.exec("/bin/echo", { "echo", "after" })
    ]])
  end)

  it("says why there is no program to run, and returns", function()
    local plain <close> = file("exit 7\n", "644")
    local garbage <close> = file("\1\2\3", "755")
    local orphan <close> = file("#!/nowhere/sh\n", "755")
    local own <close> = assert(sys.open("/"))
    local cases <const> = {
      { "/nowhere", "ENOENT", "/nowhere" },
      { "", "ENOENT", "" },
      { "/dev/null/program", "ENOTDIR", "/dev/null/program" },
      { "/proc", "EACCES", "/proc" },
      { plain.path, "EACCES", plain.path },
      { garbage.path, "ENOEXEC", garbage.path },
      { orphan.path, "ENOENT", orphan.path },
      { 12345, "EBADF" },
      { own, "EACCES" },
    }
    for _, case in ipairs(cases) do
      assert.same(refused(case[2], case[3]), failure(sys.exec(case[1], { "program" })))
    end
    -- One argument may have 32 pages.
    local argument <const> = ("x"):rep(32 * 65536)
    assert.same(refused("E2BIG", "/bin/true"), failure(sys.exec("/bin/true", { "true", argument })))
    assert.same(refused("E2BIG", "/bin/true"),
      failure(sys.exec("/bin/true", { "true" }, { NAME = argument })))
  end)

  it("tells the refusal in a clone, where it is an error like others", function()
    local result <const> = helper.lua [[
      local sys = require "userns.sys"
      local process = sys.clone({}, function()
        assert(sys.exec("/nowhere", { "program" }))
      end)
      print(process:wait().exit_code)
    ]]
    assert.equal("1\n", result.out)
    assert.matches("^userns: exec '/nowhere': No such file or directory; [^\n]*\nstack traceback:",
      result.err)
  end)

  it("raises for a wrong call", function()
    local closed <const> = assert(sys.open("/bin/true"))
    closed:close()
    local list <const> = "the argument vector is a list of strings"
    local map <const> = "the environment is a map of strings"
    local name <const> = "a variable's name is not empty and has no '='"
    local descriptor <const> = "descriptor (integer, io file, { fd = } or handle) expected, got "
    local cases <const> = {
      { "1", descriptor .. "nil", nil, { "true" } },
      { "1", descriptor .. "boolean", true, { "true" } },
      { "1", descriptor .. "table", {}, { "true" } },
      { "1", descriptor .. "number", 3.5, { "true" } },
      { "1", "descriptor number out of range", -1, { "true" } },
      { "1", "the string has a NUL byte", "/bin/true\0", { "true" } },
      { "1", "the descriptor is closed", closed, { "true" } },
      { "2", "table expected, got nil", "/bin/true" },
      { "2", "table expected, got string", "/bin/true", "true" },
      { "2", "the argument vector is empty", "/bin/true", {} },
      { "2", list, "/bin/true", { "true", 1 } },
      { "2", list, "/bin/true", { false } },
      { "2", "a list without holes expected", "/bin/true", { "true", nil, "x" } },
      { "2", "a list without holes expected", "/bin/true", { "true", env = {} } },
      { "2", "an argument has a NUL byte", "/bin/true", { "true", "a\0b" } },
      { "3", "table expected, got string", "/bin/true", { "true" }, "A=1" },
      { "3", map, "/bin/true", { "true" }, { "A=1" } },
      { "3", map, "/bin/true", { "true" }, { A = 1 } },
      { "3", map, "/bin/true", { "true" }, { A = true } },
      { "3", name, "/bin/true", { "true" }, { [""] = "1" } },
      { "3", name, "/bin/true", { "true" }, { ["A=B"] = "1" } },
      { "3", "a variable has a NUL byte", "/bin/true", { "true" }, { A = "a\0b" } },
      { "3", "a variable has a NUL byte", "/bin/true", { "true" }, { ["A\0B"] = "" } },
    }
    for _, case in ipairs(cases) do
      assert.same({ case[1], case[2] }, { refusal(sys.exec, table.unpack(case, 3, 5)) })
    end
  end)

  it("takes no argument from a metatable", function()
    assert.equal(0, exit_code(function()
      local argv <const> = setmetatable({ "true", x = "x" }, {
        __index = function() return "made up" end,
        __len = function() return 2 end,
      })
      local arg <const>, reason <const> = refusal(sys.exec, "/bin/false", argv)
      return arg == "2" and reason == "the argument vector is a list of strings"
    end))
  end)
end)

describe("userns.sys.close_range", function()
  before_each(helper.count)
  after_each(helper.check_count)

  -- Opens five descriptors in a row, and says which are open still.
  local ROW <const> = [[
    collectgarbage("stop")
    local row = {}
    for i = 1, 5 do
      row[i] = sys.open("/dev/null"):fileno()
      assert(row[i] == row[1] + i - 1)
    end
    local function still_open()
      local list = {}
      for i, fd in ipairs(row) do
        list[#list + 1] = sys.fileno(fd) and i
      end
      return table.concat(list, " ")
    end
  ]]

  it("closes the descriptors from one to another", function()
    assert.equal("true\t1 5\n", output(ROW .. [[
      print(sys.close_range(row[2], row[4]), still_open())
    ]]))
    assert.equal("true\t1 2 4 5\n", output(ROW .. [[
      print(sys.close_range(row[3], row[3], "close"), still_open())
    ]]))
  end)

  it("closes all from one on", function()
    assert.equal("true\t1 2\n", output(ROW .. [[
      print(sys.close_range(row[3]), still_open())
    ]]))
    assert.equal("true\t\n", output(ROW .. [[
      print(sys.close_range(3, nil, "close"), still_open())
    ]]))
  end)

  it("is content where nothing is open", function()
    assert.is_true(sys.close_range(100000))
    assert.is_true(sys.close_range(2147483647, 2147483647, "cloexec"))
  end)

  it("has them closed by an exec", function()
    -- What the io library opens is inherited.
    assert.equal("0\n1\n2\n3\n4\n", output [[
      sys.close_range(3)
      local file = io.open("/dev/null")
      sys.exec("/bin/ls", { "ls", "/proc/self/fd" })
    ]])
    assert.equal("true\t3\n0\n1\n2\n3\n", output [[
      sys.close_range(3)
      local file = io.open("/dev/null")
      print(sys.close_range(3, nil, "cloexec"), sys.fileno(file))
      sys.exec("/bin/ls", { "ls", "/proc/self/fd" })
    ]])
  end)

  it("raises for a wrong call", function()
    local cases <const> = {
      { "1", "integer expected, got no value" },
      { "1", "integer expected, got string", "3" },
      { "1", "integer expected, got a number with a fraction", 3.5 },
      { "1", "-1 is out of range (0 to 2147483647)", -1 },
      { "1", "4294967296 is out of range (0 to 2147483647)", 1 << 32 },
      { "2", "4 is out of range (5 to 2147483647)", 5, 4 },
      { "2", "integer expected, got boolean", 5, true },
      { "3", "invalid option 'keep'", 100000, 100000, "keep" },
    }
    for _, case in ipairs(cases) do
      assert.same({ case[1], case[2] }, { refusal(sys.close_range, table.unpack(case, 3)) })
    end
  end)
end)
