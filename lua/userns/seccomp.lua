-- The filter of system calls: what `seccomp` says, as rules for userns.sys, and
-- the program that these make.
local bpf = require "userns.bpf"
local sys = require "userns.sys"
local syscalls = require "userns.syscalls"

local seccomp = {}

-- Per machine: the architectures whose calls its kernel takes, the native one
-- first; and how a filter sees the native one's execve.  userns is built for
-- these two; a 32-bit personality renames them.
local MACHINES <const> = {
  x86_64 = { architectures = { "x86_64", "x86" }, execve = { arch = 0xC000003E, nr = 59 } },
  aarch64 = { architectures = { "aarch64", "arm" }, execve = { arch = 0xC00000B7, nr = 221 } },
}
MACHINES.i686, MACHINES.armv8l = MACHINES.x86_64, MACHINES.aarch64

--- What a filter may be made for.  Not x32, whose numbers are its own and
--- x86-64's in one: its calls end the process.
seccomp.architectures = { "x86_64", "x86", "aarch64", "arm" }

local function machine()
  return MACHINES[sys.uname().machine]
end

-- ---- the default profile --------------------------------------------------

local NEWUSER <const> = 0x10000000
-- CLONE_NEW*; the byte that clone(2) has the signal in has also NEWTIME's bit.
local NAMESPACES <const> = { clone = 0x7E020000, unshare = 0x7E020080 }
local AF_VSOCK <const> = 40
local PR_SET_PDEATHSIG <const> = 1
local TIOCSTI <const>, TIOCLINUX <const> = 0x5412, 0x541C
local INT <const> = 0xFFFFFFFF

--- A condition on what the kernel takes for an int: it cuts off the upper half,
--- and so must a filter (CVE-2019-10063).
local function int(index, value, mask)
  return { { index = index, op = "masked_eq", mask = mask or INT, value = value } }
end

local function rule(names, action, errno, args)
  return { names = type(names) == "table" and names or { names }, action = action, errno = errno, args = args }
end

--- The words of a text that libseccomp knows.
local function known(text)
  local names <const> = {}
  for name in text:gmatch("%S+") do
    names[#names + 1] = sys.syscall_number(name) and name or nil
  end
  return names
end

--- New namespaces take CAP_SYS_ADMIN, but for user, which takes nothing.
local function add_namespaces(d, add)
  if d.allow_userns then
    add(rule({ "clone", "clone3", "setns", "unshare" }, "allow"))
    return
  end
  add(rule("clone3", "errno", "ENOSYS")) -- no filter sees its flags
  for _, name in ipairs { "clone", "unshare" } do
    add(rule(name, "allow", nil, int(0, 0, d.capabilities.permitted.sys_admin and NEWUSER or NAMESPACES[name])))
  end
  if d.capabilities.permitted.sys_admin then
    add(rule("setns", "errno", "EPERM", int(1, NEWUSER, NEWUSER)))
  end
end

--- What depends on arguments.  A layer of the program has one rule for a call:
--- second ones come after all first ones.
local function add_conditions(d, add)
  add(rule("ioctl", "errno", "EPERM", int(1, TIOCSTI)))
  if d.die_with_parent then
    add(rule("prctl", "errno", "EPERM", int(0, PR_SET_PDEATHSIG)))
  end
  add(rule("socket", "errno", "EAFNOSUPPORT", int(0, AF_VSOCK)))
  -- PER_LINUX, PER_LINUX32 and UNAME26; what it is now
  add(rule("personality", "allow", nil, int(0, 0, INT & ~0x20008)))
  add_namespaces(d, add)
  add(rule("ioctl", "errno", "EPERM", int(1, TIOCLINUX)))
  add(rule("personality", "allow", nil, int(0, INT)))
  if d.capabilities.permitted.sys_admin and not d.allow_userns then
    add(rule("setns", "errno", "EPERM", int(1, 0))) -- a namespace of any type
  end
end

--- What does not; with what is left of the calls above.
local function add_lists(d, add)
  local held <const> = d.capabilities.permitted
  local allowed <const>, denied <const> = {}, { syscalls.denied, "clone personality unshare" }
  for _, text in pairs(syscalls.allowed) do
    allowed[#allowed + 1] = text
  end
  table.sort(allowed)
  for _, row in ipairs(syscalls.privileged) do
    local passes <const> = held[row.capability] or row.nested and d.allow_userns
    table.insert(passes and allowed or denied, row.names)
  end
  table.insert(held.sys_admin and allowed or denied, "setns")
  add(rule(known(table.concat(denied, " ")), "errno", "EPERM"))
  add(rule(known(table.concat(allowed, " ")), "allow"))
end

local function default_rules(d)
  local rules <const> = {}
  local function add(one)
    rules[#rules + 1] = one
  end
  add_conditions(d, add)
  add_lists(d, add)
  return { default = "errno", errno = "ENOSYS", rules = rules }
end

-- ---- the author's rules ---------------------------------------------------

local function has(names, name)
  for _, other in ipairs(names) do
    if other == name then
      return true
    end
  end
  return false
end

local function without(names, name)
  local others <const> = {}
  for _, other in ipairs(names) do
    others[#others + 1] = other ~= name and other or nil
  end
  return others
end

--- libc falls back on clone where clone3 is ENOSYS, and gives up on any other
--- error; and no filter sees the flags of clone3, which would be a way round
--- every rule on clone's.
local function own_rules(filter)
  local rules <const> = {}
  local clone, clone3
  for _, one in ipairs(filter.rules) do
    clone, clone3 = clone or has(one.names, "clone"), clone3 or has(one.names, "clone3")
    if one.action == "errno" and has(one.names, "clone3") then
      rules[#rules + 1] = rule("clone3", "errno", "ENOSYS", one.args)
      rules[#rules + 1] = rule(without(one.names, "clone3"), "errno", one.errno, one.args)
    else
      rules[#rules + 1] = one
    end
  end
  if not clone3 and (clone or filter.default == "errno") then
    rules[#rules + 1] = rule("clone3", "errno", "ENOSYS")
  end
  return {
    default = filter.default, errno = filter.errno, rules = rules, architectures = filter.architectures,
  }
end

-- ---- the program ----------------------------------------------------------

local function make(d)
  if type(d.seccomp) == "string" and d.seccomp ~= "default" then
    return d.seccomp
  end
  local filter <const> = d.seccomp == "default" and default_rules(d) or own_rules(d.seccomp)
  filter.architectures = filter.architectures or (machine() or {}).architectures
  return sys.seccomp_filter(filter)
end

-- A filter belongs to its description: made once, whatever is run with it.
local made <const> = setmetatable({}, { __mode = "k" })

--- The program of a description's filter.
---@param d table normalised description
---@return string? program nil where there is to be none
---@return userns.Error? err E2BIG
function seccomp.program(d)
  if d.seccomp == nil then
    return nil
  end
  local err
  if not made[d] then
    made[d], err = make(d)
  end
  return made[d], err
end

-- Answers that let a call be made: allow, log.
local PASSES <const> = { [0x7FFF0000] = true, [0x7FFC0000] = true }

--- Why no program could be started behind a filter; nil where one could.
---@param program string
---@return string? why
function seccomp.obstacle(program)
  local execve <const> = (machine() or {}).execve
  if not execve then
    return nil
  end
  local answer <const>, instruction = bpf.answer(program, execve)
  if not answer then
    return ("instruction %d is none that a filter may have"):format(instruction)
  end
  return not PASSES[answer & 0xFFFF0000] and "execve is not allowed, and so the program could not start" or nil
end

return seccomp
