-- The field `seccomp`: what may be said, what is made of it, and what programs get
-- to see of it.
local bpf = require "userns.bpf"
local helper = require "spec.helper"
local seccomp = require "userns.seccomp"
local sys = require "userns.sys"
local syscalls = require "userns.syscalls"
local userns = require "userns"
local validate = require "userns.validate"

local CALLS <const> = helper.shell("pwd").out:match("[^\n]+") .. "/build/spec/calls"
local is_x86 <const> = sys.uname().machine == "x86_64"
local ARCH <const> = is_x86 and 0xC000003E or 0xC00000B7
local I386 <const> = 0x40000003

local ALLOW <const>, KILL <const> = 0x7FFF0000, 0x80000000
local ERRNO <const> = { EPERM = 1, ENOTTY = 25, EROFS = 30, ENOSYS = 38, EAFNOSUPPORT = 97 }

local function errno(name)
  return 0x50000 | ERRNO[name]
end

local function instruction(code, k, jt, jf)
  return ("<I2BBI4"):pack(code, jt or 0, jf or 0, k or 0)
end

local ALL <const> = instruction(6, ALLOW)

local function problems_of(filter, fields)
  local description <const> = { seccomp = filter }
  for key, value in pairs(fields or {}) do
    description[key] = value
  end
  local box <const>, err = userns.container(description)
  assert.is_nil(box)
  local list <const> = {}
  for i, problem in ipairs(err.problems) do
    list[i] = problem.field .. ": " .. problem.message
  end
  return list
end

describe("the field seccomp", function()
  it("is a profile, a program or rules", function()
    for _, filter in ipairs { "default", ALL, { default = "allow" }, { default = "log", rules = {} } } do
      assert(userns.container { seccomp = filter })
    end
    assert.same({ 'seccomp: "default", BPF program or table expected, got integer' }, problems_of(1))
    assert.same({ "seccomp: unknown profile 'defualt' (did you mean 'default'?)" }, problems_of "defualt")
  end)

  it("takes a program of 1 to 4096 whole instructions", function()
    assert(userns.container { seccomp = ALL:rep(4096) })
    assert.same({ "seccomp: 0 bytes are no BPF program: an instruction has 8" }, problems_of "")
    assert.same({ "seccomp: 7 bytes are no BPF program: an instruction has 8" }, problems_of(ALL:sub(1, 7)))
    assert.same({ "seccomp: 4097 instructions are more than a kernel takes (4096)" }, problems_of(ALL:rep(4097)))
  end)

  it("takes no program that is no filter, as far as execve would go through it", function()
    assert.same({ "seccomp: instruction 1 is none that a filter may have" }, problems_of(instruction(0x20, 2) .. ALL))
    assert.same({ "seccomp: instruction 2 is none that a filter may have" }, problems_of(instruction(0x00, 5)))
    assert.same({ "seccomp: instruction 8 is none that a filter may have" }, problems_of(instruction(0x05, 6) .. ALL))
  end)

  it("takes no filter that the program could not start behind", function()
    local message <const> = { "seccomp: execve is not allowed, and so the program could not start" }
    assert.same(message, problems_of(instruction(6, KILL)))
    assert.same(message, problems_of { default = "kill", rules = { { names = "read" } } })
    assert.same(message, problems_of { default = "allow", rules = { { names = "execve" } } })
    assert.same(message, problems_of { default = "allow", architectures = is_x86 and "x86" or "arm" })
    assert(userns.container { seccomp = { default = "kill", rules = { { names = { "execve" } } } } })
  end)

  it("has all its problems told at once, each with its path", function()
    assert.same({
      "seccomp.default: missing (\"allow\", \"errno\", \"kill\", \"log\", \"trap\")",
      "seccomp.rules[1].names[1]: unknown system call 'mkdri' (did you mean 'mkdir'?)",
      "seccomp.rules[1].args[1].index: 6 is out of range (0 to 5)",
      "seccomp.rules[1].args[1].op: unknown comparison 'equal'",
      "seccomp.rules[1].args[1].value: integer expected, got number with a fraction",
      "seccomp.rules[1].args[2]: masked_eq needs a mask",
      "seccomp.rules[2].names: no system call is named",
      "seccomp.rules[2].action: unknown action 'deny'",
      "seccomp.rules[2].errno: unknown error 'EPREM' (did you mean 'EPERM'?)",
      "seccomp.rules[3].name: unknown field 'name' (did you mean 'names'?)",
      "seccomp.rules[3].names: missing (list of system calls)",
      "seccomp.rules[3].errno: 4096 is out of range (1 to 4095)",
      "seccomp.rules[4].args[1]: only masked_eq has a mask",
      "seccomp.rules[5].args[2].index: argument 1 has a condition already: use two rules",
      "seccomp.architectures[2]: unknown architecture 'x32'",
    }, problems_of {
      rules = {
        { names = { "mkdri", "read" }, args = {
          { index = 6, op = "equal", value = 1.0 }, { index = 1, op = "masked_eq", value = 2 },
        } },
        { names = {}, action = "deny", errno = "EPREM" },
        { name = "read", errno = 4096 },
        { names = "read", args = { { index = 0, op = "eq", value = 1, mask = 1 } } },
        { names = "read", args = { { index = 1, op = "ge", value = 1 }, { index = 1, op = "le", value = 2 } } },
      },
      architectures = { "x86_64", "x32" },
    })
  end)

  it("has errors only where something fails", function()
    assert.same({
      'seccomp.errno: goes with "errno", and this is "log"',
      'seccomp.rules[1].errno: goes with "errno", and this is "allow"',
      'seccomp.rules[2].errno: goes with "errno", and this is "kill"',
    }, problems_of {
      default = "log", errno = "EIO",
      rules = { { names = "read", errno = 5 }, { names = "read", action = "kill", errno = "EIO" } },
    })
    assert(userns.container { seccomp = { default = "allow", rules = { { names = "rmdir", errno = 5 } } } })
  end)

  it("is for programs that gain no privilege, or have sys_admin", function()
    local message <const> = { "seccomp: needs no_new_privs, or the capability sys_admin" }
    for _, filter in ipairs { "default", ALL } do
      assert.same(message, problems_of(filter, { no_new_privs = false }))
      assert(userns.container { seccomp = filter, no_new_privs = false, capabilities = { "sys_admin" } })
    end
  end)

  it("is refused where the program is too long", function()
    local rules <const> = {}
    for i = 1, 600 do
      rules[i] = { names = "ioctl", args = { { index = 1, op = "eq", value = i } } }
    end
    assert.same({ "seccomp: Argument list too long" }, problems_of { default = "allow", rules = rules })
  end)

  it("is described with every default, so that it means the same again", function()
    local box <const> = assert(userns.container {
      seccomp = { default = "errno", rules = { { names = "execve" }, { names = "read", action = "errno" } } },
    })
    local description <const> = box:describe()
    assert.same({
      default = "errno", errno = "EPERM", rules = {
        { names = { "execve" }, action = "allow", args = {} },
        { names = { "read" }, action = "errno", errno = "EPERM", args = {} },
      },
    }, description.seccomp)
    assert.same(tostring(box), tostring(assert(userns.container(description))))
    for _, word in ipairs { "default", ALL } do
      assert.equal(word, assert(userns.container { seccomp = word }):describe().seccomp)
    end
  end)

  it("is told in words", function()
    local function line(filter)
      return (tostring(assert(userns.container { seccomp = filter })):match("system calls:%s+([^\n]+)"))
    end
    assert.equal("those that containers need", line "default")
    assert.equal("as a program of 1 instructions has it", line(ALL))
    assert.equal("are allowed, but for 1 rule", line { default = "allow", rules = { { names = "mkdir" } } })
    assert.is_nil(line(nil))
  end)

  it("is the last step before the program, and printed by its length", function()
    local plan <const> = assert(assert(userns.container { seccomp = ALL:rep(2) }):plan { "/bin/true" })
    local step <const> = plan[#plan - 1]
    assert.same({ op = "seccomp", side = "child", filter = ALL:rep(2), source = "seccomp" }, step)
    assert.truthy(tostring(plan):find("child   seccomp       instructions=2\n", 1, true))
  end)

  it("is made once, whatever is run", function()
    local d <const> = assert(validate.description { seccomp = "default" })
    assert.equal(("%p"):format(seccomp.program(d)), ("%p"):format(seccomp.program(d)))
  end)
end)

describe("what a filter answers", function()
  it("is computed as the kernel does", function()
    local program <const> = instruction(0x20, 16) .. instruction(0x04, 3) .. instruction(0x02, 1) -- M[1] = args[0] + 3
      .. instruction(0x61, 1) .. instruction(0x00, 2) .. instruction(0x2c) -- A = 2 * M[1]
      .. instruction(0x35, 20, 0, 1) .. instruction(0x06, 7) -- 20 or more: 7
      .. instruction(0x87) .. instruction(0x16) -- else M[1]
    assert.equal(7, bpf.answer(program, { arch = ARCH, nr = 0, args = { 7 } }))
    assert.equal(9, bpf.answer(program, { arch = ARCH, nr = 0, args = { 6 } }))
  end)

  it("is nothing where a program divides by zero, ends early or has no such instruction", function()
    local call <const> = { arch = ARCH, nr = 0 }
    assert.same({ nil, 1 }, { bpf.answer(instruction(0x34, 0) .. ALL, call) })
    assert.same({ nil, 1 }, { bpf.answer("", call) })
    assert.same({ nil, 1 }, { bpf.answer(instruction(0x28, 0) .. ALL, call) })
    assert.same({ nil, 1 }, { bpf.answer(instruction(0x21, 0) .. ALL, call) })
    assert.same({ nil, 1 }, { bpf.answer(instruction(0x02, 16) .. ALL, call) })
    assert.same({ nil, 1 }, { bpf.answer(instruction(0xf4, 0) .. ALL, call) })
  end)
end)

-- ---- sys.seccomp_filter ---------------------------------------------------

--- What a filter of the lower floor's answers to a native call by its name.
local function answer(filter, name, ...)
  local program <const> = assert(sys.seccomp_filter(filter))
  return (bpf.answer(program, { arch = ARCH, nr = sys.syscall_number(name), args = { ... } }))
end

local function is(index, value)
  return { { index = index, op = "eq", value = value } }
end

describe("sys.seccomp_filter", function()
  it("lets the first rule that matches decide", function()
    local filter <const> = { default = "kill", rules = {
      { names = { "ioctl" }, action = "errno", errno = "ENOTTY", args = is(1, 5) },
      { names = { "ioctl", "fcntl" }, action = "allow" },
      { names = { "ioctl" }, action = "kill" },
      { names = { "fcntl" }, action = "errno", args = is(1, 5) },
    } }
    assert.equal(errno "ENOTTY", answer(filter, "ioctl", 0, 5))
    assert.equal(ALLOW, answer(filter, "ioctl", 0, 6))
    assert.equal(ALLOW, answer(filter, "fcntl", 0, 5))
    assert.equal(KILL, answer(filter, "read"))
  end)

  it("has each action and each default", function()
    local answers <const> = {
      allow = ALLOW, errno = errno "EPERM", kill = KILL, log = 0x7FFC0000, trap = 0x30000,
    }
    for action, value in pairs(answers) do
      assert.equal(value, answer({ default = "kill", rules = { { names = { "read" }, action = action } } }, "read"))
      assert.equal(value, answer({ default = action }, "read"))
    end
    assert.equal(0x50000 | 4095, answer({ default = "errno", errno = 4095 }, "read"))
  end)

  it("compares as unsigned numbers of 64 bits", function()
    local function matches(op, value, argument, mask)
      local args <const> = { { index = 2, op = op, value = value, mask = mask } }
      return KILL == answer({ default = "allow", rules = { { names = { "read" }, action = "kill", args = args } } },
        "read", 0, 0, argument)
    end
    local values <const> = { 0, 1, 2, 0x7FFFFFFF, 0xFFFFFFFF, 1 << 32, 1 << 32 | 1, math.maxinteger, -1 }
    for _, value in ipairs(values) do
      for _, argument in ipairs(values) do
        assert.equal(argument == value, matches("eq", value, argument))
        assert.equal(argument ~= value, matches("ne", value, argument))
        assert.equal(math.ult(argument, value), matches("lt", value, argument))
        assert.equal(not math.ult(value, argument), matches("le", value, argument))
        assert.equal(not math.ult(argument, value), matches("ge", value, argument))
        assert.equal(math.ult(value, argument), matches("gt", value, argument))
        assert.equal(argument & 0xFFFFFFFF == value & 0xFFFFFFFF, matches("masked_eq", value, argument, 0xFFFFFFFF))
      end
    end
  end)

  it("says what rules by hand would, whatever they are", function()
    local NAMES <const> = { "read", "ioctl", "clone", "mkdirat", "close" }
    local ACTIONS <const> = { "allow", "errno", "kill", "trap" }
    local VALUES <const> = { allow = ALLOW, errno = errno "EROFS", kill = KILL, trap = 0x30000 }
    local TESTS <const> = {
      eq = function(a, b) return a == b end, ne = function(a, b) return a ~= b end,
      lt = math.ult, ge = function(a, b) return not math.ult(a, b) end,
    }
    local OPS <const> = { "eq", "ne", "lt", "ge" }
    math.randomseed(1)
    local function pick(list)
      return list[math.random(#list)]
    end
    local function conditions()
      local list <const> = {}
      for index = 0, math.random(0, 2) - 1 do
        list[index + 1] = { index = index, op = pick(OPS), value = math.random(0, 3) }
      end
      return list
    end
    local function by_hand(filter, name, args)
      for _, rule in ipairs(filter.rules) do
        local holds = rule.names[1] == name or rule.names[2] == name
        for _, c in ipairs(rule.args) do
          holds = holds and TESTS[c.op](args[c.index + 1], c.value)
        end
        if holds then
          return VALUES[rule.action]
        end
      end
      return VALUES[filter.default]
    end
    for _ = 1, 150 do
      local filter <const> = { default = pick(ACTIONS), errno = "EROFS", rules = {} }
      for i = 1, math.random(0, 6) do
        filter.rules[i] = { names = { pick(NAMES), pick(NAMES) }, action = pick(ACTIONS), errno = "EROFS",
          args = conditions() }
      end
      local program <const> = assert(sys.seccomp_filter(filter))
      for _, name in ipairs(NAMES) do
        for a = 0, 3 do
          for b = 0, 3 do
            assert.equal(by_hand(filter, name, { a, b }),
              bpf.answer(program, { arch = ARCH, nr = sys.syscall_number(name), args = { a, b } }))
          end
        end
      end
    end
  end)

  it("ends what calls in the way of another architecture", function()
    for _, filter in ipairs { { default = "allow" }, { default = "allow", rules = {
      { names = { "mkdirat" }, action = "errno" } } } } do
      local program <const> = assert(sys.seccomp_filter(filter))
      assert.equal(KILL, bpf.answer(program, { arch = I386, nr = 20 }))
      assert.equal(ALLOW, bpf.answer(program, { arch = ARCH, nr = 39 }))
    end
  end)

  it("refuses a call that is wrong", function()
    local function refused(message, filter)
      local ok <const>, why = pcall(sys.seccomp_filter, filter)
      assert.is_false(ok)
      assert(why:find(message, 1, true), why)
    end
    local function args(condition)
      return { default = "allow", rules = { { names = { "read" }, action = "kill", args = { condition } } } }
    end
    refused("table expected", 1)
    refused("default: missing", {})
    refused("default: unknown word 'deny'", { default = "deny" })
    refused("unknown field 'rule'", { default = "allow", rule = {} })
    refused("errno: out of range", { default = "errno", errno = 0 })
    refused("errno: unknown error 'E'", { default = "errno", errno = "E" })
    refused("rules: a list expected", { default = "allow", rules = 1 })
    refused("rules: a list without holes expected", { default = "allow", rules = { a = 1 } })
    refused("rules as tables", { default = "allow", rules = { 1 } })
    refused("action: missing", { default = "allow", rules = { {} } })
    refused("names: unknown system call 'rad'",
      { default = "allow", rules = { { names = { "rad" }, action = "kill" } } })
    refused("names: a list of names expected", { default = "allow", rules = { { names = { 1 }, action = "kill" } } })
    refused("index: missing", args { op = "eq", value = 1 })
    refused("index: out of range", args { index = 6, op = "eq", value = 1 })
    refused("op: unknown word '='", args { index = 0, op = "=", value = 1 })
    refused("value: missing", args { index = 0, op = "eq" })
    refused("value: an integer expected", args { index = 0, op = "eq", value = 0.5 })
    refused("architectures: no filter can be made for 'pdp11'", { default = "allow", architectures = { "pdp11" } })
    refused("architectures: no filter can be made for 'x32'", { default = "allow", architectures = { "x32" } })
    refused("architectures: too many", { default = "allow", architectures = {
      "x86", "x86", "x86", "x86", "x86", "x86", "x86", "x86", "x86" } })
  end)

  it("is no filter where it has more instructions than a kernel takes", function()
    local rules <const> = {}
    for i = 1, 600 do
      rules[i] = { names = { "ioctl" }, action = "kill", args = is(1, i) }
    end
    local program <const>, err = sys.seccomp_filter { default = "allow", rules = rules }
    assert.is_nil(program)
    assert.same({ op = "seccomp", syscall = "seccomp_export_bpf", code = "E2BIG", errno = 7,
      message = "Argument list too long" }, helper.fields(err))
  end)
end)

describe("the names of system calls", function()
  it("go to numbers and back", function()
    for _, name in ipairs { "read", "execve", "clone3", "seccomp" } do
      assert.equal(name, sys.syscall_name(sys.syscall_number(name)))
    end
    assert.equal(is_x86 and 0 or 63, sys.syscall_number "read")
    assert.is_nil(sys.syscall_name(1023))
    assert.is_nil(sys.syscall_number "rad")
    assert.is_true(sys.syscall_number "socketcall" < 0)
  end)

  it("are in one list of the default profile at most", function()
    local seen <const> = {}
    local function look(text)
      for name in text:gmatch("%S+") do
        assert(not seen[name], name)
        seen[name] = true
      end
    end
    look(syscalls.denied)
    for _, text in pairs(syscalls.allowed) do
      look(text)
    end
    for _, row in ipairs(syscalls.privileged) do
      look(row.names)
    end
    look "clone clone3 personality setns unshare" -- those have rules of their own
  end)

  it("leave out none of the default profile's that libseccomp knows, so that an error says what it means", function()
    local named <const> = { clone = true, clone3 = true, personality = true, setns = true, unshare = true }
    local function note(text)
      for name in text:gmatch("%S+") do
        named[name] = true
      end
    end
    note(syscalls.denied)
    for _, text in pairs(syscalls.allowed) do
      note(text)
    end
    for _, row in ipairs(syscalls.privileged) do
      note(row.names)
    end
    -- never in a kernel, or gone from all of them
    note "afs_syscall getpmsg putpmsg security tuxcall vserver"
    for number = 0, 456 do
      local name <const> = sys.syscall_name(number)
      assert(not name or named[name], name)
    end
  end)
end)

-- ---- on 32-bit x86 --------------------------------------------------------

if is_x86 then
  describe("a filter for 32-bit x86 too", function()
    local function program(filter)
      filter.architectures = { "x86_64", "x86" }
      return assert(sys.seccomp_filter(filter))
    end

    local function on_i386(filter, nr, ...)
      return (bpf.answer(program(filter), { arch = I386, nr = nr, args = { ... } }))
    end

    it("has the same rules under its numbers", function()
      local filter <const> = { default = "allow", rules = { { names = { "mkdir" }, action = "errno" } } }
      assert.equal(errno "EPERM", on_i386(filter, 39))
      assert.equal(ALLOW, on_i386(filter, 83))
      assert.equal(ALLOW, on_i386(filter, 20))
      assert.equal(KILL, (bpf.answer(program(filter), { arch = 0xC00000B7, nr = 20 })))
    end)

    it("has each name, also one that x86-64 has not", function()
      local filter <const> = { default = "allow", rules = {
        { names = { "stat64", "waitpid" }, action = "kill" },
        { names = { "send" }, action = "errno" },
      } }
      assert.equal(KILL, on_i386(filter, 195))
      assert.equal(KILL, on_i386(filter, 7))
      assert.equal(errno "EPERM", on_i386(filter, 102, 9))
    end)

    it("does not allow by arguments that it cannot see, and denies all", function()
      local inet <const> = { { index = 0, op = "eq", value = 2 } }
      local deny <const> = { default = "allow", rules = { { names = { "socket" }, action = "errno", args = inet } } }
      assert.equal(errno "EPERM", on_i386(deny, 102, 1))
      assert.equal(ALLOW, on_i386(deny, 102, 2))
      assert.equal(errno "EPERM", on_i386(deny, 359, 2))
      assert.equal(ALLOW, on_i386(deny, 359, 1))
      local allow <const> = { default = "kill", rules = { { names = { "socket" }, action = "allow", args = inet } } }
      assert.equal(KILL, on_i386(allow, 102, 1))
      assert.equal(KILL, on_i386(allow, 359, 2))
    end)

    it("is not led astray by the many behind one number, in any order", function()
      local one <const> = { names = { "socket" }, action = "errno" }
      local all <const> = { names = { "socketcall" }, action = "allow" }
      assert.equal(errno "EPERM", on_i386({ default = "kill", rules = { one, all } }, 102, 1))
      assert.equal(ALLOW, on_i386({ default = "kill", rules = { one, all } }, 102, 3))
      assert.equal(ALLOW, on_i386({ default = "kill", rules = { all, one } }, 102, 1))
    end)

    it("ends what calls as x32 does, whatever is allowed", function()
      for _, filter in ipairs { { default = "allow" }, { default = "kill", rules = {
        { names = { "read", "execve" }, action = "allow" } } } } do
        for _, nr in ipairs { 0, 39, 59, 83, 520 } do
          assert.equal(KILL, bpf.answer(program(filter), { arch = ARCH, nr = 0x40000000 | nr }))
        end
      end
      -- but for what a tracer has made of a call that is not to be done
      assert.equal(ALLOW, bpf.answer(program { default = "allow" }, { arch = ARCH, nr = -1 }))
    end)
  end)
end

-- ---- what is made of a description ----------------------------------------

--- What a description's filter answers to a native call.
local function judged(description, name, ...)
  local d <const> = assert(validate.description(description))
  return (bpf.answer(assert(seccomp.program(d)), { arch = ARCH, nr = sys.syscall_number(name), args = { ... } }))
end

local NEWUSER <const>, NEWNET <const> = 0x10000000, 0x40000000

describe("clone3", function()
  local function with(filter, ...)
    return judged({ seccomp = filter }, "clone3", ...)
  end

  it("fails with ENOSYS, so that libc falls back on clone", function()
    local execve <const> = { names = "execve" }
    local flags <const> = { { index = 0, op = "masked_eq", mask = NEWUSER, value = NEWUSER } }
    assert.equal(errno "ENOSYS", with { default = "allow", rules = { { names = "clone3" } } })
    assert.equal(errno "ENOSYS", with { default = "allow", rules = { { names = { "clone", "clone3" }, errno = 1 } } })
    assert.equal(errno "ENOSYS", with { default = "allow", rules = { { names = "clone", args = flags } } })
    assert.equal(errno "ENOSYS", with { default = "errno", rules = { execve } })
    assert.equal(errno "ENOSYS", with { default = "kill", rules = { execve, { names = "clone" } } })
  end)

  it("is what the author says where that is something else", function()
    local execve <const> = { names = "execve" }
    assert.equal(ALLOW, with { default = "allow" })
    assert.equal(ALLOW, with { default = "errno", rules = { execve, { names = "clone3" } } })
    assert.equal(KILL, with { default = "allow", rules = { { names = "clone3", action = "kill" } } })
    assert.equal(KILL, with { default = "kill", rules = { execve } })
  end)

  it("does not change what is said of others", function()
    local filter <const> = { default = "allow", rules = { { names = { "clone", "clone3" }, errno = "EROFS" } } }
    assert.equal(errno "EROFS", judged({ seccomp = filter }, "clone"))
  end)
end)

describe("the default profile", function()
  local function default(name, ...)
    return judged({ seccomp = "default" }, name, ...)
  end

  it("allows what programs need", function()
    for name in ("read openat execve exit_group mmap futex rt_sigreturn wait4 clone socket connect prctl ioctl "
      .. "personality unshare seccomp"):gmatch("%S+") do
      assert.equal(ALLOW, default(name, 0), name)
    end
  end)

  it("denies what is not a container's business", function()
    for name in ("add_key keyctl request_key io_uring_setup io_uring_enter io_uring_register bpf mount umount2 "
      .. "pivot_root setns init_module kexec_load reboot swapon userfaultfd open_by_handle_at perf_event_open "
      .. "settimeofday chroot syslog"):gmatch("%S+") do
      assert.equal(errno "EPERM", default(name), name)
    end
  end)

  it("takes what it does not know for what the kernel does not know", function()
    local program <const> = seccomp.program(assert(validate.description { seccomp = "default" }))
    for _, nr in ipairs { 600, 1023, 100000 } do
      assert.equal(errno "ENOSYS", bpf.answer(program, { arch = ARCH, nr = nr }))
    end
  end)

  it("denies typing into a terminal, also by a number that the kernel cuts off", function()
    for _, request in ipairs { 0x5412, 0x541C } do
      assert.equal(errno "EPERM", default("ioctl", 0, request))
      assert.equal(errno "EPERM", default("ioctl", 0, request | 1 << 32))
      assert.equal(errno "EPERM", default("ioctl", 0, request | ~0 << 32))
    end
    assert.equal(ALLOW, default("ioctl", 0, 0x5401))
    assert.equal(ALLOW, default("ioctl", 0, 0x541B))
  end)

  it("denies sockets to the hypervisor", function()
    assert.equal(errno "EAFNOSUPPORT", default("socket", 40))
    assert.equal(errno "EAFNOSUPPORT", default("socket", 40 | 1 << 32))
    assert.equal(ALLOW, default("socket", 2))
  end)

  it("denies new namespaces, and lets processes and threads be made", function()
    for _, name in ipairs { "clone", "unshare" } do
      assert.equal(errno "EPERM", default(name, NEWUSER))
      assert.equal(errno "EPERM", default(name, NEWNET))
      assert.equal(errno "EPERM", default(name, NEWUSER | 1 << 32))
      assert.equal(ALLOW, default(name, 0x3d0f00 & ~0xff))
    end
    assert.equal(errno "ENOSYS", default("clone3"))
    assert.equal(errno "EPERM", default("setns", 3, 0))
  end)

  it("denies user namespaces to a program that keeps sys_admin, and no others", function()
    local d <const> = { seccomp = "default", capabilities = { "sys_admin" } }
    for _, name in ipairs { "clone", "unshare" } do
      assert.equal(errno "EPERM", judged(d, name, NEWUSER | NEWNET))
      assert.equal(ALLOW, judged(d, name, NEWNET))
    end
    assert.equal(errno "ENOSYS", judged(d, "clone3"))
    assert.equal(errno "EPERM", judged(d, "setns", 3, NEWUSER))
    assert.equal(errno "EPERM", judged(d, "setns", 3, 0))
    assert.equal(ALLOW, judged(d, "setns", 3, NEWNET))
    assert.equal(ALLOW, judged(d, "mount"))
  end)

  it("lets a program that may create user namespaces do so, and work in them", function()
    local d <const> = { seccomp = "default", allow_userns = true }
    for _, name in ipairs { "clone", "unshare" } do
      assert.equal(ALLOW, judged(d, name, NEWUSER | NEWNET))
    end
    for _, name in ipairs { "clone3", "setns", "mount", "chroot", "sethostname" } do
      assert.equal(ALLOW, judged(d, name), name)
    end
    assert.equal(errno "EPERM", judged(d, "bpf"))
  end)

  it("allows what goes with a capability that is kept", function()
    for capability, name in pairs {
      sys_boot = "reboot", sys_time = "settimeofday", sys_chroot = "chroot", sys_module = "init_module",
      dac_read_search = "open_by_handle_at", syslog = "syslog", sys_admin = "bpf",
    } do
      assert.equal(ALLOW, judged({ seccomp = "default", capabilities = { capability } }, name), name)
    end
  end)

  it("holds a program to its end with the host, where that is wanted", function()
    assert.equal(errno "EPERM", default("prctl", 1, 0))
    assert.equal(errno "EPERM", default("prctl", 1 | 1 << 32, 0))
    assert.equal(ALLOW, default("prctl", 2))
    assert.equal(ALLOW, judged({ seccomp = "default", die_with_parent = false }, "prctl", 1, 0))
  end)

  it("allows only harmless personalities", function()
    for _, allowed in ipairs { 0, 8, 0x20000, 0x20008, 0xFFFFFFFF } do
      assert.equal(ALLOW, default("personality", allowed))
    end
    for _, denied in ipairs { 0x40000, 0x400000, 0xFFFFFFFE } do
      assert.equal(errno "EPERM", default("personality", denied))
    end
  end)

  if is_x86 then
    it("holds for 32-bit calls, and ends what makes x32's", function()
      local program <const> = seccomp.program(assert(validate.description { seccomp = "default" }))
      local function on_i386(nr, ...)
        return (bpf.answer(program, { arch = I386, nr = nr, args = { ... } }))
      end
      assert.equal(ALLOW, on_i386(11))
      assert.equal(errno "EPERM", on_i386(288))
      assert.equal(errno "EPERM", on_i386(54, 0, 0x5412))
      assert.equal(errno "EPERM", on_i386(310, NEWUSER))
      assert.equal(errno "EPERM", on_i386(120, NEWUSER))
      assert.equal(errno "ENOSYS", on_i386(435))
      assert.equal(KILL, (bpf.answer(program, { arch = ARCH, nr = 0x40000000 | 39 })))
    end)
  end
end)

-- ---- in containers --------------------------------------------------------

describe("a container with a filter", function()
  before_each(helper.count)
  after_each(helper.check_count)

  --- What a call comes to inside: its result, errno or the signal that ended it.
  local function call(description, ...)
    local result <const> = helper.run(description, { CALLS, stdout = "capture", ... })
    return result.signal or (result.stdout:gsub("\n$", ""))
  end

  local function native(description, name, ...)
    return call(description, "native", tostring(sys.syscall_number(name)), ...)
  end

  it("answers its program's calls", function()
    local d <const> = { seccomp = { default = "allow", rules = {
      { names = "getpriority", errno = "EROFS" },
      { names = "getpgid", action = "kill" },
      { names = "getsid", action = "trap" },
      { names = "umask", errno = 2, args = { { index = 0, op = "eq", value = 7 } } },
    } } }
    assert.equal("EROFS", native(d, "getpriority"))
    assert.equal("SIGSYS", native(d, "getpgid"))
    assert.equal("SIGSYS", native(d, "getsid"))
    assert.equal("ENOENT", native(d, "umask", "7"))
    assert.equal("18", native(d, "umask", "8"))
  end)

  it("takes a program of one's own", function()
    local code <const> = assert(sys.seccomp_filter {
      default = "allow", rules = { { names = { "getpriority" }, action = "errno", errno = "ENOTTY" } },
    })
    assert.equal("ENOTTY", native({ seccomp = code }, "getpriority"))
  end)

  it("lets nothing but the program start where nothing else is allowed", function()
    local d <const> = { seccomp = { default = "kill", rules = { { names = "execve" } } } }
    assert.equal("SIGSYS", call(d, "native", "0"))
  end)

  it("runs again and again, also beside one without", function()
    local filter <const> = { default = "allow", rules = { { names = "getpriority" } } }
    local box <const> = assert(userns.container { seccomp = filter })
    local free <const> = assert(userns.container {})
    for _ = 1, 2 do
      local nr <const> = tostring(sys.syscall_number "getpriority")
      assert.equal("EPERM\n", box:run({ CALLS, "native", nr, stdout = "capture" }).stdout)
      assert.equal("20\n", free:run({ CALLS, "native", nr, stdout = "capture" }).stdout)
    end
    assert.equal(0, sys.prctl("no_new_privs") and 1 or 0)
  end)

  it("gives nothing up, so that strict makes no difference", function()
    local function outcome(filter)
      local result <const>, err = userns.container({ strict = true, seccomp = filter }):run { "/bin/true" }
      return result and result.ok or err.code
    end
    assert.equal(outcome(nil), outcome "default")
  end)

  it("says so where the kernel takes a program for no filter", function()
    -- in a part that execve does not come to
    local code <const> = instruction(0x05, 1) .. instruction(0x28) .. ALL
    local fields <const>, advice <const> = helper.refusal({ seccomp = code }, { "/bin/true" })
    assert.same({ { op = "seccomp", syscall = "seccomp", field = "seccomp", code = "EINVAL", errno = 22,
      message = "Invalid argument" }, "the kernel takes this program for no filter",
    }, { fields, advice.why })
  end)

  it("runs ordinary programs under the default profile", function()
    local d <const> = { seccomp = "default" }
    assert.equal("7", call(d, "threads"))
    assert.equal("a\nb\n3\n", helper.inside(d, [[
      (echo b; echo a) | sort
      lua5.4 -e 'print(1 + 2)'
      ls -l / >/dev/null
    ]]))
    assert.equal("2", helper.inside(d, "grep Seccomp: /proc/self/status"):match("%d"))
  end)

  it("denies under the default profile what may be a way out", function()
    local d <const> = { seccomp = "default" }
    local expected <const> = {
      { "EPERM", "keyctl", "0" }, { "EPERM", "add_key" }, { "EPERM", "request_key" },
      { "EPERM", "io_uring_setup", "1", "0" }, { "EPERM", "unshare", "0x10000000" },
      { "EPERM", "clone", "0x10000011" }, { "EPERM", "setns", "0", "0" }, { "ENOSYS", "clone3", "0", "0" },
      { "EPERM", "ioctl", "0", "0x5412", "0" }, { "EPERM", "ioctl", "0", "0x100005412", "0" },
      { "EPERM", "ioctl", "0", "0x541c", "0" }, { "EPERM", "prctl", "1", "0" },
      { "EPERM", "prctl", "0x100000001", "0" }, { "EAFNOSUPPORT", "socket", "40", "1", "0" },
    }
    for _, row in ipairs(expected) do
      assert.equal(row[1], native(d, table.unpack(row, 2)), table.concat(row, " "))
    end
    assert.equal("0", native(d, "unshare", "0x400"))
  end)

  if is_x86 then
    -- A kernel need not have these ways at all.
    it("is not gone round by 32-bit or x32 calls", function()
      local d <const> = { seccomp = "default" }
      local has_int80 <const> = call({}, "int80", "20") == "1"
      local function int80(...)
        local denied <const>, free <const> = call(d, "int80", ...), call({}, "int80", ...)
        return has_int80 and denied or free == "SIGSEGV" and "none"
      end
      local function expect(word)
        return has_int80 and word or "none"
      end
      assert.equal(expect "1", int80 "20")
      assert.equal(expect "EPERM", int80("310", "0x10000000"))
      assert.equal(expect "EPERM", int80("54", "0", "0x5412", "0"))
      assert.equal(expect "EPERM", int80("288", "0"))
      assert.equal(expect "ENOSYS", int80("435", "0", "0"))
      assert.equal("SIGSYS", call(d, "x32", "39"))
      assert.equal("SIGSYS", call({ seccomp = { default = "allow" } }, "x32", "39"))
      assert.equal(has_int80 and "SIGSYS" or "SIGSEGV",
        call({ seccomp = { default = "allow", architectures = "x86_64" } }, "int80", "20"))
    end)
  end
end)

describe("sys.seccomp", function()
  it("holds for the caller and what it starts", function()
    assert.equal("EROFS\nEROFS\n", helper.output(([[
      local sys = require "userns.sys"
      assert(sys.prctl("no_new_privs", true))
      assert(sys.seccomp(assert(sys.seccomp_filter {
        default = "allow", rules = { { names = { "sethostname" }, action = "errno", errno = "EROFS" } },
      })))
      print(select(2, sys.sethostname("x")).code)
      io.stdout:flush()
      os.execute("%s native %d")
    ]]):format(CALLS, sys.syscall_number "sethostname")))
  end)

  it("says what the kernel refuses", function()
    local out <const> = helper.output([[
      local sys = require "userns.sys"
      sys.setcaps { effective = "none", permitted = "none", inheritable = "none" }
      local ok, err = sys.seccomp(("<I2BBI4"):pack(6, 0, 0, 0x7FFF0000))
      print(ok, err.op, err.syscall, err.code)
      sys.prctl("no_new_privs", true)
      print(select(2, sys.seccomp(("<I2BBI4"):pack(0, 0, 0, 0))).code)
    ]])
    assert.equal("nil\tseccomp\tseccomp\tEACCES\nEINVAL\n", out)
  end)

  it("refuses a call that is wrong", function()
    for message, program in pairs {
      ["string expected"] = false,
      ["an instruction has 8 bytes"] = "1234567",
      ["a filter has 1 to 4096 instructions"] = "",
      ["4096 instructions"] = ("\0"):rep(8 * 4097),
    } do
      local ok <const>, why = pcall(sys.seccomp, program)
      assert.is_false(ok)
      assert(why:find(message, 1, true), why)
    end
  end)
end)

describe("sys.errno_name", function()
  it("tells the name of an error", function()
    assert.equal("EPERM", sys.errno_name(1))
    assert.equal("ENOSYS", sys.errno_name(38))
    assert.is_nil(sys.errno_name(4095))
    assert.is_false(pcall(sys.errno_name, 0))
  end)
end)

-- ---- without libseccomp ---------------------------------------------------

-- Where there is a compiler, which a guest has not.
local describe_build <const> = helper.is_guest and function() end or describe

describe_build("userns built without libseccomp", function()
  local directory

  lazy_setup(function()
    directory = helper.directory()
    local made <const> = helper.shell(("make -j2 BUILD=%s/build CFLAGS=-O0 HARDENING= LIBSECCOMP=no all"):format(
      directory))
    assert(made.code == 0, made.err)
  end)

  lazy_teardown(function()
    helper.remove(directory)
  end)

  --- What a script prints there.
  local function output(script)
    return helper.output(script, ("env LUA_CPATH=%s/build/?.so"):format(directory))
  end

  it("needs no such library", function()
    local result <const> = helper.shell(("readelf -dW %s/build/userns/sys.so"):format(directory))
    assert.truthy(result.out:find("libcap", 1, true))
    assert.is_nil(result.out:find("libseccomp", 1, true))
  end)

  it("says so where rules are to be compiled, and runs programs of one's own", function()
    local wanted <const> = "seccomp\tuserns was built without libseccomp: install its header "
      .. "(Debian: libseccomp-dev), and build userns again\n"
    assert.equal(wanted .. wanted .. "true\n", output [[
      local userns = require "userns"
      for _, filter in ipairs { "default", { default = "allow", rules = { { names = "rad" } } } } do
        local box, err = userns.container { seccomp = filter }
        assert(not box and #err.problems == 1 and err.code == "EINVALID")
        print(err.field, err.message)
      end
      local box = assert(userns.container { seccomp = ("<I2BBI4"):pack(6, 0, 0, 0x7FFF0000) })
      print(box:run({ "/bin/true" }).ok)
    ]])
  end)

  it("has the functions, which refuse", function()
    assert.equal("seccomp\tENOSYS\t38\tuserns was built without libseccomp\n", output [[
      local sys = require "userns.sys"
      local _, err = sys.seccomp_filter { default = "allow" }
      print(err.op, err.code, err.errno, err.message)
      assert(select(2, sys.syscall_name(0)).code == "ENOSYS")
      assert(select(2, sys.syscall_number("read")).hint == err.hint)
    ]])
  end)
end)
