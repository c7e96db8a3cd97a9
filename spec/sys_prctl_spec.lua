local helper <const> = require "spec.helper"
local sys <const> = require "userns.sys"

-- What scripts in throw-away processes start with. `owner` is the uid that the
-- kernel shows as the owner of what /proc tells about this process.
local prelude <const> = [[
local assert <const> = require "luassert"
local helper <const> = require "spec.helper"
local sys <const> = require "userns.sys"

local function output(command)
  local pipe <const> = assert(io.popen(command))
  local text <const> = pipe:read("a")
  pipe:close()
  return text
end

local function status(label)
  return (helper.read("/proc/self/status"):match("\n" .. label .. ":[ \t]*([^\n]*)"))
end

local function owner()
  return math.tointeger(output("stat -c %u /proc/" .. status "Pid" .. "/environ"))
end
]]

local function alone(script, wrapper)
  return helper.output(prelude .. script, wrapper)
end

local function wrong(reason, ...)
  local ok <const>, message <const> = pcall(sys.prctl, ...)
  assert.is_false(ok)
  assert.matches(reason, message, 1, true)
end

describe("prctl", function()
  it("knows six words and no others", function()
    for _, word in ipairs { "no_new_privs", "dumpable", "child_subreaper", "keep_caps" } do
      assert.is_boolean(sys.prctl(word))
    end
    assert.is_false(sys.prctl "pdeathsig")
    assert.is_string(sys.prctl "name")
    wrong("bad argument #1")
    wrong("unknown process attribute 'no_new_priv'", "no_new_priv")
    wrong("unknown process attribute ''", "")
    wrong("the string has a NUL byte", "name\0")
    wrong("string expected, got number", 38)
  end)

  it("takes a boolean for a switch, not what Lua takes for one", function()
    for _, word in ipairs { "no_new_privs", "dumpable", "child_subreaper", "keep_caps" } do
      wrong("bad argument #2", word, 1)
      wrong("boolean expected, got number", word, 1)
      wrong("boolean expected, got string", word, "false")
    end
  end)
end)

describe("seccomp", function()
  it("tells of filters, and sets none", function()
    assert.equal("false\ttrue\n", alone [[
      local before = sys.prctl "seccomp"
      assert(sys.prctl("no_new_privs", true))
      assert(sys.seccomp(string.pack("<I2BBI4", 6, 0, 0, 0x7fff0000)))
      print(before, (sys.prctl "seccomp"))
    ]])
    assert.same({ "2", "it can only be read" }, { helper.bad_argument(sys.prctl, "seccomp", true) })
  end)
end)

describe("no_new_privs", function()
  it("is set for good, also for what is executed", function()
    alone [[
      assert.is_true(sys.prctl("no_new_privs", true))
      assert.equal("1", status "NoNewPrivs")
      assert.is_true(sys.prctl "no_new_privs")
      assert.is_true(sys.prctl("no_new_privs", true))
      assert.matches("NoNewPrivs:%s*1", output "cat /proc/self/status")
    ]]
  end)

  it("is off in a process that did not ask", function()
    alone [[
      assert.equal(status "NoNewPrivs" == "1", sys.prctl "no_new_privs")
    ]]
  end)

  it("is never taken back", function()
    wrong("bad argument #2", "no_new_privs", false)
    wrong("only true can be set", "no_new_privs", false)
  end)
end)

describe("dumpable", function()
  it("false gives what /proc tells about the process to root", function()
    alone [[
      assert.is_true(sys.prctl "dumpable")
      assert.equal(helper.uid, owner())
      assert.is_true(sys.prctl("dumpable", false))
      assert.is_false(sys.prctl "dumpable")
      assert.equal(0, owner())
      assert.is_true(sys.prctl("dumpable", true))
      assert.is_true(sys.prctl "dumpable")
      assert.equal(helper.uid, owner())
    ]]
  end)

  it("is lost with a change of the user id", function()
    if helper.privilege ~= "root" then
      return alone [[
        assert.is_true(sys.setresuid(helper.uid, helper.uid, helper.uid))
        assert.is_true(sys.prctl "dumpable")
      ]]
    end
    alone [[
      assert.is_true(sys.setresuid(1000, 1000, 1000))
      assert.is_false(sys.prctl "dumpable")
    ]]
  end)
end)

describe("pdeathsig", function()
  it("is a signal by any of its names, or false", function()
    alone [[
      for _, signal in ipairs { "TERM", "SIGTERM", 15 } do
        assert.is_true(sys.prctl("pdeathsig", signal))
        assert.equal("SIGTERM", sys.prctl "pdeathsig")
      end
      assert.is_true(sys.prctl("pdeathsig", false))
      assert.is_false(sys.prctl "pdeathsig")
    ]]
  end)

  it("is sent when the parent is gone", function()
    local folder <const> = os.tmpname()
    os.remove(folder)
    assert(os.execute(("mkdir -m 700 %s && cd %s && mkfifo ready gate out"):format(folder, folder)))
    local child <const> = ([[
      require "userns.sys".prctl("pdeathsig", "KILL")
      io.open("%s/ready", "w"):write("ready\n"):close()
      io.open("%s/gate"):read()
    ]]):format(folder, folder)
    -- The end of file on `out` is the child's end; a child that lives on is
    -- let go after a while, for the spec to fail and not to hang.
    local program <const> = folder .. "/child.lua"
    local file <const> = assert(io.open(program, "w"))
    file:write(child)
    file:close()
    local result <const> = helper.shell(([[
      cd %s
      export LUA_PATH='%s' LUA_CPATH='%s'
      sh -c 'lua5.4 child.lua > out & timeout 30 head -n 1 ready > head' &
      timeout 30 cat out
      code=$?
      [ $code -eq 0 ] || echo > gate
      exit $code]]):format(folder, package.path, package.cpath))
    os.execute("rm -r " .. folder)
    assert.same({ out = "", err = "", code = 0 }, result)
  end)

  it("is lost with a change of the user id", function()
    if helper.privilege ~= "root" then
      return alone [[
        assert.is_true(sys.prctl("pdeathsig", "KILL"))
        assert.is_true(sys.setresuid(helper.uid, helper.uid, helper.uid))
        assert.equal("SIGKILL", sys.prctl "pdeathsig")
      ]]
    end
    alone [[
      assert.is_true(sys.prctl("pdeathsig", "KILL"))
      assert.is_true(sys.setresuid(1000, 1000, 1000))
      assert.is_false(sys.prctl "pdeathsig")
    ]]
  end)

  it("is nothing but a signal or false", function()
    wrong("bad argument #2", "pdeathsig", "NONE")
    wrong("unknown signal 'NONE'", "pdeathsig", "NONE")
    wrong("0 is out of range", "pdeathsig", 0)
    wrong("integer expected, got boolean", "pdeathsig", true)
  end)
end)

describe("child_subreaper", function()
  it("makes orphaned descendants children of the process", function()
    -- The orphan waits until its parent, the shell between, is gone; then it
    -- says who its parent is (the fourth field of stat).
    alone [==[
      local orphan <const> = [[
        while read -r _ _ _ parent _ < /proc/$$/stat && [ $parent = $0 ]; do :; done
        echo $parent]]
      local start <const> = "sh -c '" .. orphan .. "' $$ &"
      local pid <const> = status "Pid"
      assert.is_false(sys.prctl "child_subreaper")
      assert.not_equal(pid .. "\n", output(start))
      assert.is_true(sys.prctl("child_subreaper", true))
      assert.is_true(sys.prctl "child_subreaper")
      assert.equal(pid .. "\n", output(start))
      assert.is_true(sys.prctl("child_subreaper", false))
      assert.is_false(sys.prctl "child_subreaper")
    ]==]
  end)
end)

describe("keep_caps", function()
  it("is switched on and off", function()
    alone [[
      assert.is_false(sys.prctl "keep_caps")
      assert.is_true(sys.prctl("keep_caps", true))
      assert.is_true(sys.prctl "keep_caps")
      assert.same({ "keep_caps" }, sys.get_securebits())
      assert.is_true(sys.prctl("keep_caps", false))
      assert.is_false(sys.prctl "keep_caps")
    ]]
  end)

  it("keeps the permitted set through a change from uid 0 to another", function()
    if helper.privilege ~= "root" then
      return alone [[
        assert.is_true(sys.prctl("keep_caps", true))
        local permitted <const> = status "CapPrm"
        assert.is_true(sys.setresuid(helper.uid, helper.uid, helper.uid))
        assert.equal(permitted, status "CapPrm")
      ]]
    end
    alone [[
      assert.is_true(sys.setcaps { permitted = { "setuid", "net_raw" }, effective = { "setuid" } })
      assert.is_true(sys.prctl("keep_caps", true))
      assert.is_true(sys.setresuid(1000, 1000, 1000))
      assert.same({ "setuid", "net_raw" }, sys.getcaps().permitted)
      assert.same({}, sys.getcaps().effective)
    ]]
    alone [[
      assert.is_true(sys.setresuid(1000, 1000, 1000))
      assert.same({}, sys.getcaps().permitted)
    ]]
  end)

  it("is refused where a secure bit locks it", function()
    alone([[
      assert.is_true(sys.set_securebits "keep_caps_locked")
      local ok <const>, err <const> = sys.prctl("keep_caps", true)
      assert.is_nil(ok)
      assert.same({
        op = "keep_caps",
        syscall = "prctl",
        code = "EPERM",
        errno = 1,
        message = "Operation not permitted",
      }, helper.fields(err))
    ]], helper.rootless)
  end)
end)

describe("name", function()
  it("is what the kernel calls the thread, up to 15 bytes", function()
    alone [[
      assert.equal(helper.read "/proc/self/comm", sys.prctl "name" .. "\n")
      assert.is_true(sys.prctl("name", "fifteen bytes !"))
      assert.equal("fifteen bytes !\n", helper.read "/proc/self/comm")
      assert.equal("fifteen bytes !", sys.prctl "name")
      assert.is_true(sys.prctl("name", ""))
      assert.equal("", sys.prctl "name")
    ]]
  end)

  it("is refused rather than cut", function()
    wrong("bad argument #2", "name", "sixteen bytes !!")
    wrong("longer than 15 bytes", "name", "sixteen bytes !!")
    wrong("the string has a NUL byte", "name", "a\0b")
    wrong("string expected, got number", "name", 15)
  end)
end)
