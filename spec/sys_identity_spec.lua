local helper <const> = require "spec.helper"
local sys <const> = require "userns.sys"

-- What scripts in throw-away processes start with.
local prelude <const> = [[
local assert <const> = require "luassert"
local helper <const> = require "spec.helper"
local sys <const> = require "userns.sys"

local function status(label)
  return (helper.read("/proc/self/status"):match("\n" .. label .. ":[ \t]*([^\n]-)[ \t]*\n"))
end

local function refused(expected, ok, err)
  assert.is_nil(ok)
  assert.same(expected, helper.fields(err))
end

local function failure(code, errno, message)
  return function(op, syscall)
    return { op = op, syscall = syscall, code = code, errno = errno, message = message }
  end
end

local eperm <const> = failure("EPERM", 1, "Operation not permitted")
local einval <const> = failure("EINVAL", 22, "Invalid argument")
]]

local function alone(script, wrapper)
  return helper.output(prelude .. script, wrapper)
end

local function wrong(reason, name, ...)
  local ok <const>, message <const> = pcall(sys[name], ...)
  assert.is_false(ok)
  assert.matches(reason, message, 1, true)
end

local function status_ids(label)
  local real, effective, saved =
    helper.read("/proc/self/status"):match("\n" .. label .. ":%s+(%d+)%s+(%d+)%s+(%d+)")
  return { math.tointeger(real), math.tointeger(effective), math.tointeger(saved) }
end

local function status_groups()
  local groups <const> = {}
  for gid in helper.read("/proc/self/status"):match("\nGroups:([^\n]*)"):gmatch("%d+") do
    groups[#groups + 1] = math.tointeger(gid)
  end
  return groups
end

describe("user and group ids", function()
  it("are those of /proc/self/status: real, effective, saved", function()
    assert.same(status_ids("Uid"), { sys.getresuid() })
    assert.same(status_ids("Gid"), { sys.getresgid() })
  end)

  it("are changed one by one; nil leaves one unchanged", function()
    if helper.privilege == "root" then
      alone [[
        assert.is_true(sys.setresgid(2001, 2002, 2003))
        assert.equal("2001\t2002\t2003\t2002", status "Gid")
        assert.same({ 2001, 2002, 2003 }, { sys.getresgid() })
        assert.is_true(sys.setresgid(nil, 2001, nil))
        assert.equal("2001\t2001\t2003\t2001", status "Gid")
        assert.is_true(sys.setresuid(0, 1002, 1003))
        assert.equal("0\t1002\t1003\t1002", status "Uid")
        assert.same({ 0, 1002, 1003 }, { sys.getresuid() })
        assert.is_true(sys.setresuid(nil, 1003))
        assert.equal("0\t1003\t1003\t1003", status "Uid")
      ]]
    else
      alone [[
        local uid <const>, gid <const> = helper.uid, helper.gid
        assert.is_true(sys.setresuid(uid, nil, uid))
        assert.same({ uid, uid, uid }, { sys.getresuid() })
        assert.is_true(sys.setresgid(gid, nil, gid))
        assert.same({ gid, gid, gid }, { sys.getresgid() })
      ]]
    end
  end)

  it("stay where nothing is given", function()
    assert.is_true(sys.setresuid())
    assert.is_true(sys.setresgid(nil, nil, nil))
  end)

  it("cannot be another's without CAP_SETUID and CAP_SETGID", function()
    if helper.privilege == "userns" then
      alone [[
        refused(einval("setuid", "setresuid"), sys.setresuid(1, 1, 1))
        refused(einval("setgid", "setresgid"), sys.setresgid(1, 1, 1))
      ]]
      return
    end
    alone [[
      if helper.uid == 0 then
        assert.is_true(sys.setresgid(1000, 1000, 1000))
        assert.is_true(sys.setresuid(1000, 1000, 1000))
      end
      refused(eperm("setuid", "setresuid"), sys.setresuid(0, 0, 0))
      refused(eperm("setgid", "setresgid"), sys.setresgid(0, 0, 0))
    ]]
  end)

  it("must be mapped in the user namespace", function()
    alone([[
      assert.same({ 0, 0, 0 }, { sys.getresuid() })
      refused(einval("setuid", "setresuid"), sys.setresuid(1000, 1000, 1000))
      refused(einval("setgid", "setresgid"), sys.setresgid(nil, 1000))
      assert.same({ 0, 0, 0 }, { sys.getresgid() })
    ]], helper.rootless)
  end)

  it("show as the overflow id where they are not mapped", function()
    alone([[
      local overflow <const> = math.tointeger(helper.read("/proc/sys/kernel/overflowuid"))
      assert.same({ overflow, overflow, overflow }, { sys.getresuid() })
    ]], "unshare --user")
  end)

  it("are integers from 0 to 4294967294", function()
    for _, name in ipairs { "setresuid", "setresgid" } do
      wrong("bad argument #1", name, "0")
      wrong("integer expected, got string", name, "0")
      wrong("bad argument #2", name, nil, 0.5)
      wrong("a number with a fraction", name, nil, 1000.0)
      wrong("bad argument #3", name, nil, nil, -1)
      wrong("-1 is out of range (0 to 4294967294)", name, -1)
      wrong("4294967295 is out of range", name, 4294967295)
      wrong("4294967296 is out of range", name, 1 << 32)
    end
  end)
end)

describe("supplementary groups", function()
  it("are those of /proc/self/status", function()
    assert.same(status_groups(), sys.getgroups())
  end)

  it("are set, and dropped with an empty list, where the kernel lets us", function()
    if helper.privilege ~= "root" then
      alone [[
        refused(eperm("groups", "setgroups"), sys.setgroups { helper.gid })
        refused(eperm("groups", "setgroups"), sys.setgroups {})
      ]]
      return
    end
    alone [[
      assert.is_true(sys.setgroups { 27, 4, 4294967294 })
      assert.equal("4 27 4294967294", status "Groups")
      assert.same({ 4, 27, 4294967294 }, sys.getgroups())
      assert.is_true(sys.setgroups {})
      assert.equal("", status "Groups")
      assert.same({}, sys.getgroups())
    ]]
  end)

  it("can be as many as NGROUPS_MAX", function()
    local many <const> = {}
    for i = 1, 65536 do
      many[i] = i
    end
    if helper.privilege == "root" then
      alone [[
        local many <const> = {}
        for i = 1, 65536 do
          many[i] = i
        end
        assert.is_true(sys.setgroups(many))
        assert.same(many, sys.getgroups())
      ]]
    else
      local ok <const>, err <const> = sys.setgroups(many)
      assert.is_nil(ok)
      assert.equal("EPERM", err.code)
    end
    many[65537] = 65537
    wrong("bad argument #1", "setgroups", many)
    wrong("too many groups", "setgroups", many)
  end)

  it("cannot be set where setgroups is denied, not even by uid 0", function()
    alone([[
      refused(eperm("groups", "setgroups"), sys.setgroups { 0 })
      refused(eperm("groups", "setgroups"), sys.setgroups {})
    ]], helper.rootless)
  end)

  it("are a list of ids and nothing else", function()
    wrong("bad argument #1", "setgroups")
    wrong("table expected", "setgroups", 5)
    wrong("table expected", "setgroups", "5")
    wrong("item 1 is no integer from 0 to 4294967294", "setgroups", { "5" })
    wrong("item 2 is no integer", "setgroups", { 5, 6.0 })
    wrong("item 3 is no integer", "setgroups", { 5, 6, -1 })
    wrong("item 1 is no integer", "setgroups", { 4294967295 })
    wrong("item 1 is no integer", "setgroups", { 1 << 32 })
    wrong("a list without holes expected", "setgroups", { gid = 5 })
    wrong("a list without holes expected", "setgroups", { 5, nil, 7 })
  end)
end)

describe("umask", function()
  it("tells the mask and leaves it as it is", function()
    alone [[
      local mask <const> = status "Umask"
      assert.equal(math.tointeger(tonumber(mask, 8)), sys.umask())
      assert.equal(mask, status "Umask")
    ]]
  end)

  it("sets the mask and returns the old one", function()
    alone [[
      sys.umask(tonumber("022", 8))
      assert.equal(18, sys.umask("0777"))
      assert.equal("0777", status "Umask")
      assert.equal(511, sys.umask(0))
      assert.equal("0000", status "Umask")
      assert.equal(0, sys.umask())
      assert.equal(0, sys.umask("27"))
      assert.equal(23, sys.umask())
    ]]
  end)

  it("cannot tell without /proc, and does not guess", function()
    alone([[
      assert(os.execute("mount -t tmpfs none /proc"))
      refused({
        op = "umask",
        syscall = "openat",
        path = "/proc/thread-self/status",
        code = "ENOENT",
        errno = 2,
        message = "No such file or directory",
      }, sys.umask())
      assert.equal("integer", math.type(sys.umask("077")))
    ]], helper.rootless .. " --mount")
  end)

  it("is nine permission bits", function()
    wrong("bad argument #1", "umask", "0888")
    wrong("octal digits expected", "umask", "0888")
    wrong("octal digits expected", "umask", "")
    wrong("a mask ends at 0777", "umask", "1000")
    wrong("a mask ends at 0777", "umask", 512)
    wrong("out of range", "umask", -1)
    wrong("a number with a fraction", "umask", 18.0)
    wrong("integer expected, got boolean", "umask", true)
  end)
end)
