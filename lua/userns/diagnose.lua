-- Why something was refused: the rows of causes.lua, held against what can be
-- looked at afterwards.
local causes = require "userns.causes"
local evidence = require "userns.evidence"
local sys = require "userns.sys"

local diagnose = {}

---@class userns.Found what stops whoever follows a path, or a program that is not executed
---@field path string? as far as it could be followed
---@field code string? what stops there; nil: the path leads to something
---@field type string? of what is there
---@field mode integer?
---@field uid integer?
---@field gid integer?
---@field magic integer? of its file system, as statfs(2) numbers them
---@field noexec boolean? of its mount, as the next
---@field nosymfollow boolean?
---@field item integer? which candidate for the program, from 1; nil: it is about no program
---@field depth integer? 0: it is the program itself; else what that needs
---@field needed_by "script"|"elf"|nil
---@field needed string? where what is needed is to be
---@field by string? who needs it, where it is not the program itself
---@field access string? "EACCES": its mode does not let it be executed
---@field format "empty"|"other"|"script"|"long_script"|"elf"|nil "long_script": its first line does not fit
---@field bits integer? of ELF
---@field machine integer? of ELF
---@field elf_type integer?
---@field caps integer? capabilities that the file must get

---@class userns.Case
---@field err userns.Error
---@field step table the operands of what was refused
---@field plan userns.Step[] the steps around it; empty on the lower floor
---@field evidence userns.Evidence
---@field found userns.Found what who was refused has seen of it
---@field arguments any[]? of the function of the lower floor
local methods <const> = {}
methods.__index = methods

--- Whether the plan has a step of this kind.
---@param op string
---@return userns.Step?
function methods:has(op)
  for _, step in ipairs(self.plan) do
    if step.op == op then
      return step
    end
  end
end

--- Whether a namespace of this type is made by what was refused, or by the plan.
---@param type string
---@return boolean
function methods:makes(type)
  local clone <const> = self.step.namespaces and self.step or self:has("clone") or {}
  for _, name in ipairs(clone.namespaces or {}) do
    if name == type then
      return true
    end
  end
  return false
end

--- Whether who was refused lacks a capability over its own user namespace.
---@param name string "sys_admin"
---@return boolean?
function methods:lacks(name)
  if #self.plan == 0 or self.step.side == "parent" then
    local has <const> = self.evidence:capable(name)
    if has == nil then
      return nil
    end
    return not has
  elseif not self.found.caps then
    return nil
  end
  return self.found.caps >> sys.cap_number(name) & 1 == 0
end

--- Whether a row is about this: everything that it names must be so.
local function fits(row, err)
  return (row.ops[err.op] or row.ops.any) and (row.codes[err.code] or row.codes.any)
    and (not row.syscalls or row.syscalls[err.syscall])
end

--- true: this is it; false: it is not; nil: it may be.
local function judge(row, case)
  if not row.test then
    -- all that speaks for it is the code, which may be a tracer's
    return not (case.err.syscall and case.evidence:is_traced()) or nil
  end
  local done <const>, verdict <const> = pcall(row.test, case)
  if done then
    return verdict
  end
  return nil -- what could not be looked at rules nothing out
end

local function say(text, case)
  if type(text) ~= "function" then
    return text
  end
  local done <const>, said <const> = pcall(text, case)
  return done and said or nil
end

local function finding(row, case)
  return { cause = row.cause, why = say(row.why, case), hint = say(row.hint, case) }
end

--- The rows that remain: one where it is certain, or nothing else is left.
local function remaining(case)
  local left <const> = {}
  for _, row in ipairs(causes) do
    if fits(row, case.err) then
      local verdict <const> = judge(row, case)
      if verdict then
        return { row }
      end
      left[#left + 1] = verdict == nil and row or nil
    end
  end
  return left
end

-- So many causes can be read with what to do about each.
local FEW <const> = 3

local function sentence(findings)
  local words <const> = {}
  for i, one in ipairs(findings) do
    local hint <const> = #findings <= FEW and one.hint and " (" .. one.hint .. ")" or ""
    words[i] = (one.why or one.cause) .. hint
  end
  return "either " .. table.concat(words, ", or ")
end

-- What C says of by their code alone.
local OF_CODE <const> = { EMFILE = true, ENFILE = true }

--- Whether what was said already is not certain.
local function is_doubtful(case)
  return OF_CODE[case.err.code] and case.err.syscall and case.evidence:is_traced()
end

--- Fills in cause, why and hint of a refusal, or all that it may be in causes.
--- What the lower floor's function said already, as for a step of Lua's, stays.
local function explain(case)
  local err <const> = case.err
  if is_doubtful(case) then
    err.cause, err.why, err.hint = nil, nil, nil
  end
  local findings <const> = {}
  for i, row in ipairs(err.why and {} or remaining(case)) do
    findings[i] = finding(row, case)
  end
  if #findings == 1 then
    local one <const> = findings[1]
    err.cause, err.why, err.hint, err.causes = err.cause or one.cause, one.why, one.hint, nil
  elseif #findings > 1 then
    err.causes, err.hint = findings, sentence(findings)
  end
end

local function new_case(err, step, plan, source)
  local found <const> = err.found
  err.found = nil -- for the rows alone
  return setmetatable({ err = err, found = found or {}, step = step, plan = plan, evidence = evidence.new(source) },
    methods)
end

--- Explains the refusal of a plan's step.
---@param err userns.Error whose op, code and syscall are the step's
---@param step userns.Step
---@param plan userns.Plan
---@param source userns.Source? of the evidence; the host when absent
---@return userns.Error err the same
function diagnose.step(err, step, plan, source)
  explain(new_case(err, step, plan, source))
  return err
end

-- What the arguments of the lower floor's functions are to a step.
local OPERANDS <const> = {
  bounding = { "capabilities" },
  chroot = { "path" },
  clone = { "namespaces" },
  exec = { "program", "argv", "env" },
  fsconfig = { "context", "key", "value" },
  fsmount = { "context", "attrs" },
  fsopen = { "type" },
  fspick = { "target" },
  gid_map = { "target", "map" },
  groups = { "groups" },
  kill = { "target" },
  mkdirat = { "directory", "name" },
  mount_setattr = { "target", "changes" },
  move_mount = { "from", "to", "options" },
  namespace = { "type", "target" },
  newgidmap = { "target", "map" },
  newuidmap = { "target", "map" },
  open = { "path", "how" },
  open_tree = { "source", "options" },
  pidfd_open = { "target" },
  pin = { "namespace", "target" },
  pivot_root = { "new", "old" },
  setgid = { "real", "effective", "saved" },
  setgroups = { "target", "value" },
  setns = { "target", "namespaces" },
  setuid = { "real", "effective", "saved" },
  uid_map = { "target", "map" },
  umount = { "target", "flags" },
  unpin = { "namespace", "target" },
  unshare = { "namespaces" },
}

local LISTS <const> = { namespaces = true, groups = true }

local function step_of(op, arguments)
  if op == "mount" then
    return arguments[1]
  end
  local step <const> = {}
  for i, name in ipairs(OPERANDS[op] or {}) do
    local value <const> = arguments[i]
    step[name] = LISTS[name] and type(value) == "string" and { value } or value
  end
  return step
end

--- Explains the refusal of a function of userns.sys.
---@param err userns.Error
---@param arguments any[] the first ones of the function
---@param source userns.Source? of the evidence; the host when absent
---@return userns.Error err the same
function diagnose.call(err, arguments, source)
  local case <const> = new_case(err, step_of(err.op, arguments) or {}, {}, source)
  case.arguments = arguments
  explain(case)
  return err
end

--- As call, of the host: what C knows it by.
---@param err userns.Error
---@param ... any
---@return userns.Error err the same
function diagnose.refusal(err, ...)
  return diagnose.call(err, { ... })
end

return diagnose
