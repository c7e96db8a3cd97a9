-- userns enter: a program in the namespaces of a process, or in the one that a
-- file stands for.
local outcome = require "userns.command.outcome"
local sys = require "userns.sys"
local userns = require "userns"

-- What to do about it where the cause's own hint is for programs.
local HINTS <const> = {
  no_such_process = "`userns list` shows what there is to enter",
  not_ptraceable = "be its user, in its user namespace or above, with all capabilities that it has; of a container "
    .. "with `init`, name a process below process 1",
}

local ALREADY <const> = "run the program as it is: there is nothing to enter"

--- What a system call was refused, as this command's.
local function fail(word, err)
  err.op, err.path, err.hint = "enter", word, HINTS[err.cause] or err.hint
  return nil, err
end

local function refuse(word, message, hint)
  return fail(word, sys.error { code = "EINVAL", message = message, hint = hint })
end

--- Whether a namespace is the caller's own; nil where this kernel has no such.
local function is_own(namespace)
  local own <close> = sys.namespace(namespace:type(), "self")
  return own and own:id() == namespace:id()
end

-- ---- of a process ---------------------------------------------------------

--- The namespaces of a process that are not the caller's, by type.
local function namespaces_of(pid, word)
  local process <close>, gone <const> = sys.pidfd_open(pid)
  if not process then
    return fail(word, gone)
  end
  local found <const> = {}
  for _, type in ipairs(sys.namespace_types()) do
    local namespace <const>, err <const> = sys.namespace(type, process)
    if namespace and not is_own(namespace) then
      found[type] = namespace
    elseif err and (err.code == "EACCES" or err.code == "EPERM" or err.code == "ESRCH") then
      return fail(word, err)
    end
  end
  return found
end

local function owners(found)
  local ids <const> = {}
  for _, namespace in pairs(found) do
    local owner <close> = namespace:userns()
    ids[owner and owner:id() or 0] = true
  end
  return ids
end

--- Of the process's own user namespace and those around it, below the caller's,
--- the outermost that has a say over what is to be entered: a container with
--- locked mounts has two, and its pid namespace is the outer one's.
local function user_of(found)
  local wanted <const> = owners(found)
  local chosen <const>, around = found.user, found.user:parent()
  local best = chosen
  while around and not is_own(around) do
    best = wanted[around:id()] and around or best
    around = around:parent()
  end
  return best
end

--- Root, where there is one, else the first id there is.
local function id_in(map)
  for _, range in ipairs(map or {}) do
    if range.inside == 0 then
      return 0
    end
  end
  return map and map[1] and map[1].inside
end

local function join_process(word)
  local pid <const> = math.tointeger(tonumber(word))
  if not pid or pid < 1 or pid > 0x7FFFFFFF then
    return refuse(word, "no process has this number", HINTS.no_such_process)
  end
  local found <const>, err <const> = namespaces_of(pid, word)
  if not found then
    return nil, err
  elseif not next(found) then
    return refuse(word, "the process is in no namespace that the caller is not in", ALREADY)
  end
  local process <const> = {}
  local own <const> = found.user
  if own then
    found.user = user_of(found)
    process.uid = found.user == own and id_in(sys.read_uid_map(pid)) or nil
    process.gid = found.user == own and id_in(sys.read_gid_map(pid)) or nil
  end
  return { join = found, process = process }
end

-- ---- of a file ------------------------------------------------------------

--- The namespace that a file stands for, whatever its type.
local function namespace_at(path)
  local at <const> = path:find("/", 1, true) and path or "./" .. path
  local err
  for _, type in ipairs(sys.namespace_types()) do
    local namespace
    namespace, err = sys.namespace(type, at)
    if namespace or err.cause ~= "type_mismatch" then
      return namespace, err
    end
  end
  return nil, err
end

local function is_privileged()
  for _, name in ipairs((sys.getcaps() or { effective = {} }).effective) do
    if name == "sys_admin" then
      return true
    end
  end
  return false
end

--- One namespace takes a say over the user namespace that it belongs to: who has
--- none joins that too.
local function join_file(path)
  local namespace <const>, err <const> = namespace_at(path)
  if not namespace then
    return fail(path, err)
  elseif is_own(namespace) then
    return refuse(path, "it is the caller's own namespace", ALREADY)
  end
  local join <const> = { [namespace:type()] = namespace }
  if not join.user and not is_privileged() then
    join.user = namespace:userns()
  end
  return { join = join, process = {} }
end

-- ---- running --------------------------------------------------------------

--- A terminal of its own has the program's keys and no others; where there is
--- none to be had in there, the program has the caller's descriptors.
local function run(description, argv)
  local result, err = assert(userns.container(description)):run(argv)
  if not result and err.op == "pty" then
    description.process.terminal = nil
    result, err = assert(userns.container(description)):run(argv)
  end
  return result, err
end

--- The first program that exists in there.
local function run_first(description, programs)
  local result, err
  for _, argv in ipairs(programs) do
    result, err = run(description, argv)
    if result or err.op ~= "exec" or err.code ~= "ENOENT" then
      break
    end
  end
  return result, err
end

local function programs(call)
  local shell <const> = os.getenv "SHELL" or ""
  return call.program and { call.program } or { { shell ~= "" and shell or "/bin/sh" }, { "/bin/sh" } }
end

---@param call userns.command.Call
---@param report userns.command.Report
---@return integer status
return function(call, report)
  local word <const> = call.operands[1]
  local description <const>, err <const> = (word:find("^%d+$") and join_process or join_file)(word)
  if not description then
    return report:fail(err)
  end
  description.namespaces = {}
  description.process.terminal = sys.terminal_size(0) ~= nil and sys.terminal_size(1) ~= nil or nil
  local result <const>, why <const> = run_first(description, programs(call))
  if not result then
    why.where = call.program and why.field == "process[1]" and { argument = 1 } or nil
    return report:fail(why)
  end
  return outcome.show(report, result)
end
