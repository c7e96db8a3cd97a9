local helper <const> = require "spec.helper"
local sys <const> = require "userns.sys"

local SETS <const> = {
  effective = "CapEff",
  permitted = "CapPrm",
  inheritable = "CapInh",
  bounding = "CapBnd",
  ambient = "CapAmb",
}

-- What scripts in throw-away processes start with. `after` is the line of
-- another program's /proc/self/status that this process executes; `bits` makes
-- such a number of names.
local prelude <const> = [[
local assert <const> = require "luassert"
local helper <const> = require "spec.helper"
local sys <const> = require "userns.sys"

local function line(text, label)
  return math.tointeger(tonumber(text:match("\n" .. label .. ":%s*(%x+)"), 16))
end

local function status(label)
  return line(helper.read("/proc/self/status"), label)
end

local function after(label, program)
  local pipe <const> = assert(io.popen((program or "cat") .. " /proc/self/status"))
  local text <const> = pipe:read("a")
  pipe:close()
  return line(text, label)
end

local function bits(names)
  local sum = 0
  for _, name in ipairs(names) do
    sum = sum | 1 << sys.cap_number(name)
  end
  return sum
end

local function eperm(op, syscall, path)
  return {
    op = op,
    syscall = syscall,
    path = path,
    code = "EPERM",
    errno = 1,
    message = "Operation not permitted",
  }
end

local function refused(expected, ok, err)
  assert.is_nil(ok)
  assert.same(expected, helper.fields(err))
end
]]

-- Uid 0 of a namespace, and a uid other than 0 that has its capabilities still.
local as_root <const> = helper.rootless
local as_other <const> = "unshare --user --map-user=1000 --keep-caps"

local function alone(script, wrapper)
  return helper.output(prelude .. script, wrapper)
end

local function wrong(reason, name, ...)
  local ok <const>, message <const> = pcall(sys[name], ...)
  assert.is_false(ok)
  assert.matches(reason, message, 1, true)
end

local function kernel_bits(pid, label)
  local status <const> = helper.read(("/proc/%s/status"):format(pid))
  return math.tointeger(tonumber(status:match("\n" .. label .. ":%s*(%x+)"), 16))
end

local function bits(names)
  local sum = 0
  for _, name in ipairs(names) do
    sum = sum | 1 << sys.cap_number(name)
  end
  return sum
end

describe("names of capabilities", function()
  it("go as far as the running kernel's", function()
    assert.equal(math.tointeger(helper.read("/proc/sys/kernel/cap_last_cap")), sys.last_cap())
  end)

  it("are the kernel's, in lower case and without cap_", function()
    assert.equal("chown", sys.cap_name(0))
    assert.equal("net_raw", sys.cap_name(13))
    assert.equal("sys_admin", sys.cap_name(21))
  end)

  it("lead back to the number, in each of three spellings", function()
    for number = 0, sys.last_cap() do
      local name <const> = sys.cap_name(number)
      assert.equal(number, sys.cap_number(name))
      assert.equal(number, sys.cap_number("cap_" .. name))
      assert.equal(number, sys.cap_number("CAP_" .. name:upper()))
    end
  end)

  it("are refused in any other spelling", function()
    local others <const> = {
      "net_rawx", "Net_Raw", "NET_RAW", "Cap_net_raw", "net-raw", "", "13", "net_raw\0",
    }
    for _, name in ipairs(others) do
      wrong("bad argument #1", "cap_number", name)
      wrong("unknown capability '", "cap_number", name)
    end
    wrong("a single capability expected", "cap_number", "all")
    wrong("capability expected, got number", "cap_number", 13)
    wrong("capability expected, got table", "cap_number", { "net_raw" })
    wrong("capability expected, got no value", "cap_number")
  end)

  it("end where the kernel's do", function()
    wrong("bad argument #1", "cap_name", sys.last_cap() + 1)
    wrong("out of range", "cap_name", sys.last_cap() + 1)
    wrong("out of range", "cap_name", -1)
    wrong("integer expected, got string", "cap_name", "13")
    wrong("a number with a fraction", "cap_name", 13.0)
  end)
end)

describe("getcaps", function()
  it("gives the five sets of the caller as the kernel has them", function()
    local caps <const> = sys.getcaps()
    for name, label in pairs(SETS) do
      assert.equal(kernel_bits("thread-self", label), bits(caps[name]))
    end
    assert.same(caps, sys.getcaps("self"))
  end)

  it("has no other fields, and orders names by their numbers", function()
    local caps <const> = sys.getcaps()
    for name in pairs(caps) do
      assert.is_string(SETS[name])
    end
    local last = -1
    for _, name in ipairs(caps.bounding) do
      assert.is_true(sys.cap_number(name) > last)
      last = sys.cap_number(name)
    end
  end)

  it("gives the five sets of another process", function()
    local caps <const> = sys.getcaps(1)
    for name, label in pairs(SETS) do
      assert.equal(kernel_bits(1, label), bits(caps[name]))
    end
  end)

  it("finds no process that is not there", function()
    local caps <const>, err <const> = sys.getcaps(2147483647)
    assert.is_nil(caps)
    assert.same({
      op = "capabilities",
      syscall = "openat",
      path = "/proc/2147483647/status",
      code = "ENOENT",
      errno = 2,
      message = "No such file or directory",
    }, helper.fields(err))
  end)

  it("takes a process id and nothing else", function()
    for _, name in ipairs { "getcaps", "caps_text" } do
      wrong("bad argument #1", name, 0)
      wrong("0 is out of range", name, 0)
      wrong("-1 is out of range", name, -1)
      wrong("out of range", name, 1 << 31)
      wrong("integer expected, got string", name, "1")
      wrong("a number with a fraction", name, 1.0)
    end
    wrong("integer expected, got table", "getcaps", {})
  end)
end)

describe("setcaps", function()
  it("changes the sets that are given and leaves the others", function()
    alone([[
      local before <const> = sys.getcaps()
      assert.is_true(sys.setcaps { effective = { "net_raw", "CAP_CHOWN" } })
      assert.equal(bits { "chown", "net_raw" }, status "CapEff")
      assert.equal(bits(before.permitted), status "CapPrm")
      assert.is_true(sys.setcaps { inheritable = "cap_net_raw" })
      assert.equal(bits { "net_raw" }, status "CapInh")
      assert.equal(bits { "chown", "net_raw" }, status "CapEff")
      assert.is_true(sys.setcaps {})
      assert.equal(bits { "chown", "net_raw" }, status "CapEff")
      assert.is_true(sys.setcaps { effective = before.permitted })
      assert.equal(bits(before.permitted), status "CapEff")
    ]], as_root)
  end)

  it("sets all and none by a word", function()
    alone([[
      assert.is_true(sys.setcaps { effective = "none", permitted = "all", inheritable = "all" })
      assert.equal(0, status "CapEff")
      assert.equal((1 << sys.last_cap() + 1) - 1, status "CapPrm")
      assert.equal(status "CapPrm", status "CapInh")
      assert.is_true(sys.setcaps { permitted = {}, inheritable = "none" })
      assert.equal(0, status "CapPrm")
      assert.equal(0, status "CapInh")
    ]], as_root)
  end)

  it("never gives what is not permitted, and then changes nothing", function()
    local script <const> = [[
      assert.is_true(sys.setcaps { effective = "none", permitted = "none", inheritable = "none" })
      refused(eperm("capabilities", "capset"), sys.setcaps { effective = { "net_raw" } })
      refused(eperm("capabilities", "capset"), sys.setcaps { permitted = "all" })
      assert.same({ 0, 0, 0 }, { status "CapEff", status "CapPrm", status "CapInh" })
    ]]
    alone(script)
    alone(script, as_root)
    alone(script, as_other)
  end)

  it("takes three sets of known names and nothing else", function()
    wrong("bad argument #1", "setcaps")
    wrong("table expected", "setcaps", "all")
    wrong("unknown field 'bounding'", "setcaps", { bounding = {} })
    wrong("unknown field '1'", "setcaps", { "net_raw" })
    wrong("effective: unknown capability 'net_rew'", "setcaps", { effective = { "net_rew" } })
    wrong("permitted: unknown capability '13'", "setcaps", { permitted = "13" })
    wrong("inheritable: capability expected, got number", "setcaps", { inheritable = { 13 } })
    wrong("effective: capability expected, got boolean", "setcaps", { effective = true })
    for _, list in ipairs { { net_raw = true }, { "chown", nil, "bpf" } } do
      wrong("effective: a list without holes expected", "setcaps", { effective = list })
    end
  end)
end)

describe("drop_bounding", function()
  it("takes capabilities out of the bounding set", function()
    alone([[
      local before <const> = status "CapBnd"
      assert.is_true(sys.drop_bounding { "net_raw", "CAP_CHOWN" })
      assert.equal(before & ~bits { "net_raw", "chown" }, status "CapBnd")
      assert.is_true(sys.drop_bounding "bpf")
      assert.equal(before & ~bits { "net_raw", "chown", "bpf" }, status "CapBnd")
      assert.is_true(sys.drop_bounding {})
      assert.is_true(sys.drop_bounding "all")
      assert.equal(0, status "CapBnd")
      assert.same({}, sys.getcaps().bounding)
    ]], as_root)
  end)

  it("needs CAP_SETPCAP, and names the capability that was refused", function()
    local script <const> = [[
      local before <const> = status "CapBnd"
      assert.is_true(sys.setcaps { effective = "none" })
      refused(eperm("bounding", "prctl", "net_raw"), sys.drop_bounding { "sys_admin", "net_raw" })
      assert.equal(before, status "CapBnd")
    ]]
    alone(script)
    alone(script, as_root)
  end)

  it("takes known names and nothing else", function()
    wrong("bad argument #1", "drop_bounding")
    wrong("capability expected, got no value", "drop_bounding")
    wrong("unknown capability 'none_such'", "drop_bounding", { "net_raw", "none_such" })
    wrong("a list without holes expected", "drop_bounding", { net_raw = true })
  end)
end)

describe("set_ambient", function()
  it("makes the ambient set what is given, no more and no less", function()
    alone([[
      assert.is_true(sys.setcaps { inheritable = { "chown", "net_raw", "bpf" } })
      assert.is_true(sys.set_ambient { "chown", "net_raw" })
      assert.equal(bits { "chown", "net_raw" }, status "CapAmb")
      assert.is_true(sys.set_ambient { "net_raw", "bpf" })
      assert.equal(bits { "net_raw", "bpf" }, status "CapAmb")
      assert.same({ "net_raw", "bpf" }, sys.getcaps().ambient)
      assert.is_true(sys.set_ambient "none")
      assert.equal(0, status "CapAmb")
    ]], as_root)
  end)

  it("refuses what is not inheritable, names it and changes nothing", function()
    alone([[
      assert.is_true(sys.setcaps { inheritable = { "chown", "net_raw" } })
      assert.is_true(sys.set_ambient { "chown" })
      refused(eperm("ambient", "prctl", "sys_admin"),
        sys.set_ambient { "net_raw", "sys_admin" })
      assert.equal(bits { "chown" }, status "CapAmb")
    ]], as_root)
    alone [[
      assert.is_true(sys.set_ambient "none")
      assert.is_true(sys.setcaps { effective = "none", permitted = "none", inheritable = "none" })
      refused(eperm("ambient", "prctl", "net_raw"), sys.set_ambient "net_raw")
      assert.equal(0, status "CapAmb")
    ]]
  end)

  it("takes known names and nothing else", function()
    wrong("bad argument #1", "set_ambient", false)
    wrong("unknown capability 'ambient'", "set_ambient", "ambient")
    wrong("a list without holes expected", "set_ambient", { net_raw = true })
  end)
end)

-- What execve does with the sets: capabilities(7), "Transformation of
-- capabilities during execve()".
describe("capabilities before and after execve", function()
  it("of uid 0 come back up to the bounding set", function()
    alone([[
      local full <const> = status "CapBnd"
      assert.is_true(sys.drop_bounding { "bpf" })
      assert.is_true(sys.setcaps { effective = { "net_raw" }, permitted = { "net_raw", "chown" } })
      assert.equal(bits { "net_raw" }, status "CapEff")
      assert.equal(bits { "net_raw", "chown" }, status "CapPrm")
      assert.equal(full & ~bits { "bpf" }, after "CapEff")
      assert.equal(full & ~bits { "bpf" }, after "CapPrm")
    ]], as_root)
  end)

  it("of uid 0 do not come back under the secure bit noroot", function()
    alone([[
      assert.is_true(sys.set_securebits { "noroot", "noroot_locked" })
      assert.is_true(status "CapEff" ~= 0)
      assert.equal(0, after "CapEff")
      assert.equal(0, after "CapPrm")
      refused(eperm("securebits", "prctl"), sys.set_securebits {})
    ]], as_root)
  end)

  it("of another uid end with it", function()
    alone([[
      assert.same({ 1000, 1000, 1000 }, { sys.getresuid() })
      assert.is_true(sys.set_ambient "none")
      assert.equal((1 << sys.last_cap() + 1) - 1, status "CapEff")
      assert.equal(status "CapEff", status "CapPrm")
      assert.equal(0, after "CapEff")
      assert.equal(0, after "CapPrm")
    ]], as_other)
  end)

  it("of another uid last as far as they are ambient", function()
    alone([[
      assert.is_true(sys.set_ambient { "net_raw", "chown" })
      assert.equal(bits { "net_raw", "chown" }, after "CapEff")
      assert.equal(bits { "net_raw", "chown" }, after "CapPrm")
      assert.equal(bits { "net_raw", "chown" }, after "CapAmb")
    ]], as_other)
  end)

  it("leave the ambient set with the inheritable one", function()
    alone([[
      assert.is_true(sys.set_ambient { "net_raw", "chown" })
      assert.is_true(sys.setcaps { inheritable = { "chown" } })
      assert.equal(bits { "chown" }, status "CapAmb")
      assert.equal(bits { "chown" }, after "CapEff")
    ]], as_other)
  end)
end)

describe("capabilities as text", function()
  it("are the caller's, as libcap writes them", function()
    alone([[
      assert.is_true(sys.setcaps {
        effective = { "net_raw" },
        permitted = { "net_raw", "chown" },
        inheritable = "none",
      })
      assert.equal("cap_net_raw=ep cap_chown+p", sys.caps_text())
      assert.equal(sys.caps_text(), sys.caps_text "self")
      assert.is_true(sys.setcaps(sys.caps_from_text "cap_chown=ep"))
      assert.equal(bits { "chown" }, status "CapEff")
      assert.equal(bits { "chown" }, status "CapPrm")
      assert.equal("cap_chown=ep", sys.caps_text())
    ]], as_root)
  end)

  it("are another process's", function()
    local caps <const> = sys.getcaps(1)
    caps.ambient, caps.bounding = nil, nil
    assert.same(caps, sys.caps_from_text(sys.caps_text(1)))
  end)

  it("are those of a table", function()
    local one <const> = { effective = "net_raw", permitted = { "CAP_NET_RAW" } }
    assert.equal("cap_net_raw=ep", sys.caps_text(one))
    assert.equal("=", sys.caps_text {})
    assert.equal("=ep", sys.caps_text { effective = "all", permitted = "all" })
  end)

  it("become a table of three sets", function()
    assert.same({
      effective = { "net_raw" },
      permitted = { "chown", "net_raw" },
      inheritable = {},
    }, sys.caps_from_text "cap_net_raw=ep cap_chown+p")
    assert.equal(sys.last_cap() + 1, #sys.caps_from_text("=p").permitted)
    assert.same({ effective = {}, permitted = {}, inheritable = {} }, sys.caps_from_text "")
  end)

  it("of a process that is not there are refused", function()
    local text <const>, err <const> = sys.caps_text(2147483647)
    assert.is_nil(text)
    assert.same({
      op = "capabilities",
      syscall = "capget",
      code = "ESRCH",
      errno = 3,
      message = "No such process",
    }, helper.fields(err))
  end)

  it("are refused when libcap or the kernel does not know them", function()
    for _, text in ipairs { "net_raw=ep", "cap_net_raw=z", "cap_none_such=p", "63=p", "64=p" } do
      wrong("bad argument #1", "caps_from_text", text)
      wrong("not a text of capabilities", "caps_from_text", text)
    end
    wrong("the string has a NUL byte", "caps_from_text", "cap_chown=p\0")
    wrong("string expected", "caps_from_text", 13)
    wrong("unknown field 'ambient'", "caps_text", { ambient = {} })
  end)
end)

describe("capabilities of files", function()
  local path

  before_each(function()
    path = os.tmpname()
    assert(os.execute(("cp /bin/cat %s && chmod 755 %s"):format(path, path)))
  end)

  after_each(function()
    os.remove(path)
  end)

  it("are false where there are none", function()
    assert.is_false(sys.get_file_caps(path))
    local file <close> = assert(io.open(path))
    assert.is_false(sys.get_file_caps(file))
  end)

  it("are set, read and taken away, by path and by descriptor", function()
    alone(([[
      local path <const> = %q
      assert.is_true(sys.set_file_caps(path, "cap_net_raw,cap_chown=ep"))
      local file <close> = assert(io.open(path))
      local sets <const> = { "chown", "net_raw" }
      assert.same({ effective = sets, permitted = sets, inheritable = {} },
        sys.caps_from_text(sys.get_file_caps(file)))
      assert.is_true(sys.set_file_caps(file, "cap_bpf=p"))
      assert.equal("cap_bpf=p", sys.get_file_caps(path))
      assert.is_true(sys.set_file_caps(path, nil))
      assert.is_false(sys.get_file_caps(path))
      assert.is_true(sys.set_file_caps(file, "cap_bpf=p"))
      assert.is_true(sys.set_file_caps(file, false))
      assert.is_true(sys.set_file_caps(file, false))
      assert.is_false(sys.get_file_caps(path))
    ]]):format(path), as_root)
  end)

  it("are what the executed program gets", function()
    alone(([[
      local path <const> = %q
      assert.is_true(sys.set_file_caps(path, "cap_net_raw,cap_chown=ep"))
      assert.is_true(sys.set_securebits "noroot")
      assert.equal(0, after "CapEff")
      assert.equal(bits { "net_raw", "chown" }, after("CapEff", path))
      assert.equal(bits { "net_raw", "chown" }, after("CapPrm", path))
    ]]):format(path), as_root)
  end)

  it("name the root of the namespace they were set in, when seen from outside", function()
    alone(([[assert.is_true(sys.set_file_caps(%q, "cap_net_raw=p"))]]):format(path), as_root)
    local rootid <const> = helper.uid ~= 0 and helper.uid or nil
    assert.same({ "cap_net_raw=p", rootid }, { sys.get_file_caps(path) })
  end)

  it("are given for the namespaces of another uid", function()
    if helper.privilege == "root" then
      assert.is_true(sys.set_file_caps(path, "cap_net_raw=p", 100000))
      assert.same({ "cap_net_raw=p", 100000 }, { sys.get_file_caps(path) })
    else
      local ok <const>, err <const> = sys.set_file_caps(path, "cap_net_raw=p", 100000)
      assert.is_nil(ok)
      assert.equal(helper.privilege == "user" and "EPERM" or "EINVAL", err.code)
    end
  end)

  it("need CAP_SETFCAP", function()
    alone(([[
      local path <const> = %q
      assert.is_true(sys.setcaps { effective = "none" })
      refused(eperm("file_caps", "setxattr", path), sys.set_file_caps(path, "cap_net_raw=p"))
      if %s then -- before Linux 6.10, with the BPF LSM, nobody is asked
        refused(eperm("file_caps", "removexattr", path), sys.set_file_caps(path, nil))
      end
      local file <close> = assert(io.open(path))
      refused(eperm("file_caps", "setxattr"), sys.set_file_caps(file, "cap_net_raw=p"))
      assert.is_false(sys.get_file_caps(path))
    ]]):format(path, helper.is_linux(6, 10)))
  end)

  it("need a file", function()
    local caps <const>, err <const> = sys.get_file_caps(path .. ".none")
    assert.is_nil(caps)
    assert.same({
      op = "file_caps",
      syscall = "getxattr",
      path = path .. ".none",
      code = "ENOENT",
      errno = 2,
      message = "No such file or directory",
    }, helper.fields(err))
    local file <const> = assert(io.open(path))
    file:close()
    wrong("closed file", "get_file_caps", file)
  end)

  it("are text, false or nil, and never left out", function()
    wrong("bad argument #2", "set_file_caps", path)
    wrong("string expected, got boolean", "set_file_caps", path, true)
    wrong("not a text of capabilities", "set_file_caps", path, "net_raw")
    wrong("the string has a NUL byte", "set_file_caps", path .. "\0", "cap_bpf=p")
    wrong("bad argument #3", "set_file_caps", path, "cap_bpf=p", 1 << 32)
    wrong("bad argument #1", "set_file_caps", nil, "cap_bpf=p")
  end)
end)

describe("secure bits", function()
  it("are none to begin with", function()
    assert.same({}, sys.get_securebits())
  end)

  it("become exactly those that are given", function()
    alone([[
      assert.is_true(sys.set_securebits { "keep_caps", "no_setuid_fixup", "no_cap_ambient_raise" })
      assert.same({ "no_setuid_fixup", "keep_caps", "no_cap_ambient_raise" }, sys.get_securebits())
      assert.is_true(sys.prctl "keep_caps")
      assert.is_true(sys.setcaps { inheritable = "net_raw" })
      refused(eperm("ambient", "prctl", "net_raw"), sys.set_ambient "net_raw")
      assert.is_true(sys.set_securebits "noroot")
      assert.same({ "noroot" }, sys.get_securebits())
      assert.is_true(sys.set_ambient "net_raw")
      assert.is_true(sys.set_securebits {})
      assert.same({}, sys.get_securebits())
    ]], as_root)
  end)

  it("stay once they are locked", function()
    alone([[
      local locked <const> = { "noroot", "noroot_locked", "keep_caps_locked" }
      assert.is_true(sys.set_securebits(locked))
      assert.same(locked, sys.get_securebits())
      refused(eperm("securebits", "prctl"),
        sys.set_securebits { "noroot_locked", "keep_caps_locked" })
      refused(eperm("keep_caps", "prctl"), sys.prctl("keep_caps", true))
      assert.same(locked, sys.get_securebits())
    ]], as_root)
  end)

  it("that restrict interpreters need no privilege, where the kernel has them", function()
    alone [[
      assert.is_true(sys.setcaps { effective = "none" })
      local ok <const>, err <const> = sys.set_securebits "exec_restrict_file"
      if not ok then
        return refused(eperm("securebits", "prctl"), ok, err)
      end
      local words <const> =
        { "exec_restrict_file", "exec_deny_interactive", "exec_deny_interactive_locked" }
      assert.is_true(sys.set_securebits(words))
      assert.same(words, sys.get_securebits())
      refused(eperm("securebits", "prctl"), sys.set_securebits "exec_restrict_file")
    ]]
  end)

  it("need CAP_SETPCAP", function()
    alone [[
      assert.is_true(sys.setcaps { effective = "none" })
      refused(eperm("securebits", "prctl"), sys.set_securebits { "noroot" })
      assert.same({}, sys.get_securebits())
    ]]
  end)

  it("are known words and nothing else", function()
    wrong("bad argument #1", "set_securebits")
    wrong("unknown secure bit 'root'", "set_securebits", "root")
    wrong("unknown secure bit 'keep-caps'", "set_securebits", { "noroot", "keep-caps" })
    wrong("secure bit expected, got number", "set_securebits", { 1 })
    wrong("a list without holes expected", "set_securebits", { noroot = true })
  end)
end)
