-- Why a namespace is not opened or not joined: setns(2), /proc/PID/ns.
local sys = require "userns.sys"

local JOINS <const> = "setns join"
local OPENS <const> = "namespace setns"

--- What was to be joined: types, and the target that has them.
local function wanted(case)
  if case.err.op == "join" then
    local type <const> = sys.namespace_types()[case.err.item]
    for _, step in ipairs(case.plan) do
      if step.op == "namespace" and step.type == type then
        return { type }, step.handle
      end
    end
    return { type }, nil
  end
  local types <const> = case.step.namespaces or case.step.type and { case.step.type }
  return types or case.evidence:types_of(case.step.target), case.step.target
end

local function has(list, word)
  for _, entry in ipairs(list) do
    if entry == word then
      return true
    end
  end
  return false
end

local function wants(case, type)
  local types <const> = wanted(case)
  return has(types, type)
end

local function pid_of(case)
  local _, target <const> = wanted(case)
  return case.evidence:pid_of(target)
end

-- ---- whose it is -------------------------------------------------------------

--- Calls a function with a handle on each of what was to be joined, but user
--- namespaces, until it says something.
local function each(case, fn)
  local types <const>, target <const> = wanted(case)
  for _, type in ipairs(types) do
    local ns <close> = case.evidence:namespace(type, target)
    local said <const> = ns and fn(ns, type)
    if said ~= nil and said ~= false then
      return said
    end
  end
end

--- The step that opens the user namespace that is joined too.
local function joined_user(case)
  for _, step in ipairs(case.plan) do
    if step.op == "namespace" and step.type == "user" then
      return step
    end
  end
end

--- The user namespace that the caller was in when it was refused, if it was to be
--- joined first.
local function entered(case)
  local types <const>, target <const> = wanted(case)
  local step <const> = joined_user(case)
  if step and not has(types, "user") then
    return case.evidence:namespace("user", step.handle)
  elseif not step and #types > 1 and has(types, "user") then
    return case.evidence:namespace("user", target)
  end
end

--- Whether a user namespace is another one, or lies in it.
local function is_within(user, other)
  if user:id() == other:id() then
    return true
  end
  local parent <close> = user:parent()
  return parent ~= nil and is_within(parent, other)
end

--- The type whose namespace does not belong to the user namespace that is joined
--- first, nor to one below; and whether it belongs to one beside that.
local function foreign(case)
  local user <close> = entered(case)
  return user and each(case, function(ns, type)
    local owner <close> = type ~= "user" and ns:userns() or nil
    if type == "user" or owner and is_within(owner, user) then
      return nil
    end
    return { type = type, beside = owner ~= nil and not is_within(user, owner) }
  end)
end

--- The type that is another's to have a say over, in the kernel's order.
local function beyond(case)
  local user <close> = entered(case)
  return not user and each(case, function(ns, type)
    local power <const>, relation <const> = case.evidence:has_power(ns)
    return power == false and relation ~= "own" and { type = type, relation = relation }
  end) or nil
end

local OWNER_FIRST <const> = "join the user namespace that owns it first, in one call or one `join`"

--- Whether it belongs to a user namespace that the caller could join first.
local function is_below(case)
  return each(case, function(ns)
    local _, relation <const> = case.evidence:has_power(ns)
    return relation == "below"
  end)
end

--- Whether joining does not make the caller root of another user namespace first.
local function stays(case)
  return not wants(case, "user") and not joined_user(case)
end

--- The capability that the caller lacks over its own user namespace.
local function lacking(case)
  if not stays(case) then
    return nil
  elseif case.evidence:capable "sys_admin" == false then
    return "CAP_SYS_ADMIN"
  elseif wants(case, "mnt") and case.evidence:capable "sys_chroot" == false then
    return "CAP_SYS_CHROOT"
  end
end

-- ---- what it is --------------------------------------------------------------

--- The type of what the target is, where that is none that was asked for.
local function other_type(case)
  local types <const>, target <const> = wanted(case)
  if case.evidence:pid_of(target) then
    return nil
  end
  local there <const> = case.evidence:types_of(target)
  return #there == 1 and (#types ~= 1 or types[1] ~= there[1]) and there[1] or nil
end

local function is_open_elsewhere(case)
  local target <const> = case.step.target
  return math.type(target) ~= "integer" and case.evidence:pid_of(target) == nil
end

--- Whether a pid namespace is neither the caller's nor below it.
local function is_above(case)
  local _, target <const> = wanted(case)
  local ns <close> = wants(case, "pid") and case.evidence:namespace("pid", target)
  if not ns or case.evidence:is_own("pid", target) then
    return false
  end
  local parent <close>, err = ns:parent()
  return parent == nil and err.code == "EPERM"
end

-- ---- /proc/PID/ns ------------------------------------------------------------

--- Whether the file's path is one of a process.
local function is_of_process(case)
  return (case.err.path or ""):find "^/proc/[^/]+/ns/" ~= nil
end

local function path_pid(case)
  local word <const> = (case.err.path or ""):match "^/proc/([^/]+)/ns/"
  return word and (math.tointeger(tonumber(word)) or "self")
end

local function obstacle(case)
  local found <const> = case.evidence:obstacle(case.err.path or "")
  return found and found.path
end

return {
  {
    cause = "zombie", ops = OPENS, codes = "ENOENT ESRCH EACCES",
    test = function(case)
      local pid <const> = path_pid(case) or pid_of(case)
      return pid ~= nil and case.evidence:is_zombie(pid)
    end,
    about = "the process has ended, and only waits to be reaped",
    why = function(case)
      return ("process %s has ended, and only waits to be reaped"):format(path_pid(case) or pid_of(case))
    end,
    hint = "take the namespace while a process is in it, or keep it with namespace:pin",
  },
  {
    cause = "no_such_process", ops = "namespace setns pidfd_open kill", codes = "ENOENT ESRCH",
    test = function(case)
      if case.err.code == "ESRCH" then
        return not case.evidence:is_traced() or nil
      end
      local there <const> = not is_of_process(case) or case.evidence:is_there(path_pid(case))
      if there == nil then
        return nil
      end
      return not there
    end,
    why = "there is no such process here (any more)",
    hint = "hold a process by the handle that spawn or sys.pidfd_open returns, not by its number",
  },
  {
    cause = "unsupported", ops = "namespace", codes = "ENOENT", syscalls = "open",
    test = function(case)
      local type <const> = case.step.type
      return is_of_process(case) and type ~= nil and case.evidence:stat("/proc/self/ns/" .. type) == nil
    end,
    about = "this kernel has no namespaces of the type",
    why = function(case)
      return ("this kernel has no %s namespaces"):format(case.step.type)
    end,
    hint = "boot a kernel that is built with them",
  },
  {
    cause = "not_ptraceable", ops = OPENS, codes = "EACCES", syscalls = "open",
    test = is_of_process,
    why = "one looks only into processes of one's own user that are dumpable, and that have no more capabilities",
    hint = "do it as the process's user or as root, or take the namespace before the process changes its ids",
  },
  {
    cause = "no_such_file", ops = OPENS, codes = "ENOENT ENOTDIR", syscalls = "open",
    test = function(case)
      return not is_of_process(case)
    end,
    about = "there is no such file",
    why = function(case)
      return ("there is no %s"):format(obstacle(case) or case.err.path)
    end,
    hint = "name a file of /proc/PID/ns, or where a namespace was pinned",
  },
  {
    cause = "no_access", ops = OPENS, codes = "EACCES", syscalls = "open",
    test = function(case)
      return not is_of_process(case)
    end,
    about = "the caller may not open the file",
    why = function(case)
      return ("the caller may not go beyond, or read, %s"):format(obstacle(case) or case.err.path)
    end,
    hint = "change its mode or owner, or do it as another user",
  },
  {
    cause = "not_ns_fd", ops = "namespace", codes = "ENOTTY", syscalls = "ioctl",
    why = "what is open there is no namespace",
    hint = "name a file of /proc/PID/ns, where a namespace was pinned, or a process",
  },
  {
    cause = "not_ns_fd", ops = JOINS, codes = "EBADF EINVAL", syscalls = "setns",
    test = function(case)
      local _, target <const> = wanted(case)
      if case.err.code == "EBADF" then
        return target == nil or #case.evidence:types_of(target) == 0 or nil
      end
      return target ~= nil and is_open_elsewhere(case) and #case.evidence:types_of(target) == 0
    end,
    why = "what is open there is no namespace, nor a process's pidfd",
    hint = "name a file of /proc/PID/ns, where a namespace was pinned, or a process",
  },
  {
    cause = "type_mismatch", ops = "namespace", codes = "EINVAL", syscalls = "ioctl",
    why = "it is a namespace of another type",
    hint = "ask for the type that it has",
  },
  {
    cause = "type_mismatch", ops = JOINS, codes = "EINVAL", syscalls = "setns",
    test = function(case)
      return other_type(case) ~= nil
    end,
    about = "it is a namespace of another type",
    why = function(case)
      return ("it is a %s namespace"):format(other_type(case))
    end,
    hint = "name the type that it has, or none",
  },
  {
    cause = "multithreaded_time", ops = JOINS, codes = "EUSERS", syscalls = "setns",
    why = "a process that has threads cannot enter a time namespace",
    hint = "enter it with a child: a container's join, or sys.clone before there are threads",
  },
  {
    cause = "multithreaded", ops = JOINS, codes = "EINVAL", syscalls = "setns",
    test = function(case)
      return (wants(case, "user") or wants(case, "mnt")) and case.evidence:has_threads()
    end,
    why = "a process that has threads cannot enter a user or a mount namespace",
    hint = "enter it with a child: a container's join, or sys.clone before there are threads",
  },
  {
    cause = "same_userns", ops = JOINS, codes = "EINVAL", syscalls = "setns",
    test = function(case)
      local _, target <const> = wanted(case)
      return wants(case, "user") and case.evidence:is_own("user", target)
    end,
    why = "the caller is in this user namespace already, and the kernel lets nobody enter it again",
    hint = "take user out of what is joined",
  },
  {
    cause = "pidns_not_descendant", ops = JOINS, codes = "EINVAL", syscalls = "setns", test = is_above,
    why = "one enters a pid namespace only from that one or from one above",
    hint = "start it from a process in a pid namespace above the target",
  },
  {
    cause = "fs_shared", ops = JOINS, codes = "EINVAL", syscalls = "setns",
    test = function(case)
      if wants(case, "user") or wants(case, "mnt") then
        return nil
      end
      return false
    end,
    why = "the caller shares its root and working directory with another process (CLONE_FS)",
    hint = "enter it with a child: a container's join",
  },
  {
    cause = "not_ptraceable", ops = "setns", codes = "EPERM EACCES", syscalls = "setns",
    test = function(case)
      local types <const>, target <const> = wanted(case)
      if not case.evidence:pid_of(target) then
        return false
      end
      local ns <close>, err = case.evidence:namespace(types[1], target)
      return ns == nil and err ~= nil and err.code == "EACCES"
    end,
    why = "one enters the namespaces only of processes of one's own user that are dumpable, and that have no more "
      .. "capabilities",
    hint = "do it as the process's user or as root, or take its namespaces before it changes its ids",
  },
  {
    cause = "sibling_userns", ops = JOINS, codes = "EPERM", syscalls = "setns",
    test = function(case)
      local found <const> = foreign(case)
      return found ~= nil and found.beside
    end,
    about = "it does not belong to the user namespace that is joined with it",
    why = function(case)
      local type <const> = foreign(case).type
      return ("the %s namespace does not belong to the user namespace that is joined with it"):format(type)
    end,
    hint = "join namespaces of one container, with that container's user namespace",
  },
  {
    cause = "no_cap_in_target", ops = JOINS, codes = "EPERM", syscalls = "setns",
    test = function(case)
      return (foreign(case) or beyond(case)) ~= nil
    end,
    about = "it belongs to a user namespace over which the caller has no CAP_SYS_ADMIN",
    why = function(case)
      local found <const> = foreign(case) or beyond(case)
      if found.beside ~= nil then
        return ("the %s namespace belongs to a user namespace above the one that is joined with it"):format(found.type)
      end
      local whose <const> = found.relation == "elsewhere" and "a user namespace outside of the caller's"
        or "a user namespace below the caller's, of another user"
      return ("the %s namespace %s %s, over which the caller has no CAP_SYS_ADMIN"):format(found.type,
        found.type == "user" and "is" or "belongs to", whose)
    end,
    hint = OWNER_FIRST .. ", or do it as root",
  },
  {
    cause = "no_cap_in_own", ops = JOINS, codes = "EPERM", syscalls = "setns",
    test = function(case)
      return lacking(case) ~= nil
    end,
    about = "it takes CAP_SYS_ADMIN (and, for mnt, CAP_SYS_CHROOT) over the caller's own user namespace",
    why = function(case)
      return ("it takes %s over the caller's own user namespace, which the caller has not"):format(lacking(case))
    end,
    hint = function(case)
      return is_below(case) and OWNER_FIRST or "do it as root of the user namespace that the caller is in"
    end,
  },
}
