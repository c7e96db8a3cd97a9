-- What the kernel holds the program to besides its ids and namespaces.
local bpf = require "userns.bpf"
local seccomp = require "userns.seccomp"
local sys = require "userns.sys"
local types = require "userns.types"

local confinement = {}

-- ---- seccomp ----------------------------------------------------------------

local ACTIONS <const> = { "allow", "errno", "kill", "log", "trap" }
local OPS <const> = { "eq", "ne", "lt", "le", "ge", "gt", "masked_eq" }

--- The names that one function of userns.sys has for numbers.
local function names(name_of, first, last)
  local list <const> = {}
  for number = first, last do
    list[#list + 1] = name_of(number)
  end
  return list
end

local errno_word <const> = types.choice(names(sys.errno_name, 1, 133), "error")
local errno <const> = types.either("error name or number", function(value)
  return type(value) == "string" and errno_word or math.type(value) == "integer" and types.integer(1, 4095) or nil
end)

local syscall_text <const> = types.text("system call", 1)
local syscall <const> = {
  name = "system call",
  check = function(value, report, path)
    if not syscall_text.check(value, report, path) then
      return false
    end
    return sys.syscall_number(value) ~= nil
      or types.choice(names(sys.syscall_name, 0, 1023), "system call").check(value, report, path)
  end,
}

local any_integer <const> = types.integer(math.mininteger, math.maxinteger, "integer")

confinement.condition = types.record({
  { name = "index", type = types.integer(0, 5), required = true, doc = "Which argument, from 0." },
  { name = "op", type = types.choice(OPS, "comparison"), required = true,
    doc = "How it compares to `value`, as an unsigned 64-bit number; `\"masked_eq\"`: the bits of `mask` alone, "
      .. "which is how to compare what the kernel takes for 32 bits (0xffffffff)." },
  { name = "value", type = any_integer, required = true, doc = "What it is compared to." },
  { name = "mask", type = any_integer, doc = "The bits that count, for `\"masked_eq\"`." },
}, "condition")

local condition <const> = types.with(confinement.condition, function(c)
  return c.op == "masked_eq" and not c.mask and "masked_eq needs a mask"
    or c.op ~= "masked_eq" and c.mask and "only masked_eq has a mask" or nil
end)

local conditions <const> = types.list(condition, "list of conditions")

--- libseccomp takes no more.
local function once(value, report, path)
  local seen <const> = {}
  for i, c in ipairs(value) do
    if seen[c.index] then
      report(("%s[%d].index"):format(path, i), ("argument %d has a condition already: use two rules"):format(c.index))
      return false
    end
    seen[c.index] = true
  end
  return true
end

local args <const> = {
  name = conditions.name, entry = condition,
  check = function(value, report, path)
    return conditions.check(value, report, path) and once(value, report, path)
  end,
}

local syscalls <const> = types.with(types.one_or_list(syscall, "list of system calls"), function(value)
  return #value == 0 and "no system call is named" or nil
end)

confinement.rule = types.record({
  { name = "names", type = syscalls, required = true,
    doc = "System calls that it is about." },
  { name = "action", type = types.choice(ACTIONS, "action"), default = "(allow, or errno where `default` is allow)",
    doc = "What happens: `\"errno\"`: it fails; `\"kill\"`: the process ends with SIGSYS; `\"trap\"`: it gets SIGSYS; "
      .. "`\"log\"`: allowed, and in the audit log." },
  { name = "errno", type = errno, default = "(EPERM; always ENOSYS for clone3)", doc = "The error, for `\"errno\"`." },
  { name = "args", type = args, default = "(none)",
    doc = "Conditions on arguments, all of which must hold. On 32-bit x86 those of sockets and System V IPC are not "
      .. "to be seen: there such a rule does not allow, and denies all." },
}, "rule")

confinement.filter = types.record({
  { name = "default", type = types.choice(ACTIONS, "action"), required = true,
    doc = "What happens with a system call that no rule matches." },
  { name = "errno", type = errno, default = "(EPERM; always ENOSYS for clone3)", doc = "The error, for `\"errno\"`." },
  { name = "rules", type = types.list(confinement.rule), default = "(none)",
    doc = "The first rule that matches has the say. Where a rule is about clone and none about clone3, that fails "
      .. "with ENOSYS: its flags are not to be seen." },
  { name = "architectures", type = types.one_or_list(types.choice(seccomp.architectures, "architecture"),
      "list of architectures"),
    default = "(the native one and its 32-bit one)",
    doc = "Whose system calls are let near the rules; any other, as any of x32, ends the process." },
}, "filter")

--- A table's rules, by libseccomp.
local compiled <const> = {
  name = confinement.filter.name,
  check = function(value, report, path)
    local _, missing = sys.syscall_number("read")
    if missing then
      report(path, ("%s: %s"):format(missing.message, missing.hint))
      return false
    end
    return type(value) == "string" or confinement.filter.check(value, report, path)
  end,
}

local profile <const> = types.choice({ "default" }, "profile")

local program <const> = types.with(types.bytes, function(code)
  if #code == 0 or #code % bpf.SIZE ~= 0 then
    return ("%d bytes are no BPF program: an instruction has %d"):format(#code, bpf.SIZE)
  end
  return #code > bpf.MAX * bpf.SIZE
    and ("%d instructions are more than a kernel takes (%d)"):format(#code // bpf.SIZE, bpf.MAX) or nil
end)

--- Every program has NUL bytes, and no word has.
local function is_word(value)
  return value ~= "" and not value:find("\0", 1, true)
end

confinement.seccomp = types.either("\"default\", BPF program or table", function(value)
  if value == "default" or type(value) == "table" then
    return compiled
  end
  return type(value) == "string" and (is_word(value) and profile or program) or nil
end)
-- ---- landlock -------------------------------------------------------------

-- The kernel's rights by the words for them, and the ABI that each came with.
confinement.fs_rights = {
  { word = "read", rights = { read_file = 1, read_dir = 1 } },
  { word = "write", rights = { write_file = 1, truncate = 3 } },
  { word = "execute", rights = { execute = 1 } },
  { word = "create", rights = {
    make_reg = 1, make_dir = 1, make_sym = 1, make_fifo = 1, make_sock = 1, make_char = 1, make_block = 1,
  } },
  { word = "remove", rights = { remove_file = 1, remove_dir = 1 } },
  { word = "refer", rights = { refer = 2 } },
  { word = "ioctl", rights = { ioctl_dev = 5 } },
}

local fs_words <const> = {}
for i, row in ipairs(confinement.fs_rights) do
  fs_words[i] = row.word
end

local function not_empty(list)
  return type(list) == "table" and #list == 0 and "one word is the least" or nil
end

local function some_of(words, what)
  return types.with(types.one_or_list(types.choice(words, what), ("list of %ss"):format(what)), not_empty)
end

local ports <const> = types.list(types.integer(0, 65535), "list of ports")

confinement.fs_rule = types.record({
  { name = "path", type = types.path, required = true,
    doc = "A file, or a directory with all below it, as the program would find it; symbolic links are followed." },
  { name = "allow", type = some_of(fs_words, "right"), required = true,
    doc = "`read` (files and the names in directories), `write` (also truncate), `execute`, "
      .. "`create` and `remove` (names in directories), `refer` (link and rename between directories), "
      .. "`ioctl` (of devices)." },
  { name = "optional", type = types.flag, default = false, doc = "A path that does not exist is passed over." },
}, "Landlock rule")

confinement.tcp = types.record({
  { name = "bind", type = ports, default = "(any)",
    doc = "Ports that may be bound; 0 is one of the kernel's choice." },
  { name = "connect", type = ports, default = "(any)", doc = "Ports that may be connected to." },
}, "table of ports")

local landlock <const> = types.record({
  { name = "fs", type = types.list(confinement.fs_rule), default = "(not restricted)",
    doc = "What is allowed with files; nothing that is not listed." },
  { name = "tcp", type = confinement.tcp, default = "(not restricted)", doc = "What is allowed with TCP.",
    needs = "Linux 6.7 (ABI 4)" },
  { name = "scope", type = some_of(sys.words "scope", "scope"), default = "(not restricted)",
    doc = "What is not to reach out of the container: abstract Unix sockets, signals.", needs = "Linux 6.12 (ABI 6)" },
}, "Landlock rules")

confinement.landlock = types.with(landlock, function(given)
  local tcp <const> = given.tcp or {}
  return not (given.fs or given.scope or tcp.bind or tcp.connect) and "restricts nothing: fs, tcp or scope is missing"
    or nil
end)
confinement.landlock.fields = landlock.fields

return confinement
