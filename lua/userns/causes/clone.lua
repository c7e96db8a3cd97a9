-- Why no namespace, or no process, is created: clone(2), clone3(2), unshare(2).
local TYPES <const> = { "user", "mnt", "uts", "ipc", "pid", "cgroup", "net", "time" } -- as the kernel goes

local CREATES <const> = "clone unshare"
local NESTS <const> = "clone unshare lock_mounts"

-- The kernel makes a user namespace below one at level 32, and none below that; a
-- pid namespace is at level 32 at most.
local USER_LEVELS <const>, PID_LEVELS <const> = 33, 32

local function makes(type)
  return function(case)
    return case:makes(type)
  end
end

local makes_user <const> = makes "user"

--- The types that are asked for.
local function asked(case)
  local list <const> = {}
  for _, type in ipairs(TYPES) do
    list[#list + 1] = case:makes(type) and type or nil
  end
  return list
end

local function unsupported(case)
  for _, type in ipairs(asked(case)) do
    if case.evidence:stat "/proc/self/ns" and not case.evidence:stat("/proc/self/ns/" .. type) then
      return type
    end
  end
end

-- ---- limits of namespaces ---------------------------------------------------

--- Whether the step is taken in the new user namespace: the host's own limits are
--- not those that count first.
local function is_inside(case)
  return case.step.side == "child"
end

local function limit_of(case, type)
  return case.evidence:sysctl(("user/max_%s_namespaces"):format(type))
end

local function is_used_up(case, type)
  local limit <const> = limit_of(case, type)
  return limit ~= nil and (limit == 0 or case.evidence:count(type) >= limit)
end

--- The type that is refused with ENOSPC wherever it is asked for, where it is not
--- the user namespace: each is tried by itself, with that of a user where it gives
--- the privilege.  What was tried counts for a moment after its end, so that in the
--- end the user namespace has to be had as before.
local function refused_alone(case)
  local user <const> = case:makes "user"
  local found
  for _, type in ipairs(asked(case)) do
    local together <const> = user and type ~= "user" and { "user", type } or { type }
    local refused <const> = case.evidence:is_refused(together, "ENOSPC")
    if refused == nil then
      return nil
    elseif refused then
      found = type
      break
    end
  end
  if found and found ~= "user" and user and case.evidence:is_refused({ "user" }, "ENOSPC") ~= false then
    return nil
  end
  return found
end

--- The same, tried once.
local function tried_alone(case)
  if case.refused_alone == nil then
    case.refused_alone = refused_alone(case) or false
  end
  return case.refused_alone or nil
end

--- Whether there is no room for the second one, in the first that the clone made.
local function leaves_no_room(case, type)
  local limit <const> = limit_of(case, type)
  for _, name in ipairs(limit and (case:has("clone") or {}).namespaces or {}) do
    if name == type and case.evidence:count(type) + 1 >= limit then
      return true
    end
  end
  return nil
end

local function check_limit(case, type)
  if not case:makes(type) then
    return false
  elseif is_inside(case) then
    return leaves_no_room(case, type)
  elseif is_used_up(case, type) then
    return true
  elseif case.evidence:is_initial "user" and #asked(case) == 1 and not case.evidence:is_traced() then
    return true -- there is nothing above, and nothing else that could be
  end
  local refused <const> = tried_alone(case)
  if refused ~= type then
    return not refused and nil
  end
  return type ~= "user" and type ~= "pid" or nil -- which may lie too deep
end

local function limit_row(type)
  local function why(case)
    local limit <const> = limit_of(case, type)
    if is_inside(case) or limit == nil then
      return ("user.max_%s_namespaces is used up, in the new user namespace or in one above"):format(type)
    elseif limit == 0 then
      return ("user.max_%s_namespaces is 0 here"):format(type)
    elseif case.evidence:is_initial "user" or case.evidence:count(type) >= limit then
      return ("the caller has as many %s namespaces as user.max_%s_namespaces allows, %d"):format(type, type, limit)
    end
    -- one that only a descriptor or a mount holds is not seen
    return ("user.max_%s_namespaces is used up, here (%d) or in a namespace above"):format(type, limit)
  end
  local function hint(case)
    local here <const> = is_used_up(case, type) or case.evidence:is_initial "user"
    return ("end what holds %s namespaces, or as root%s: sysctl user.max_%s_namespaces=N"):format(
      type, here and "" or " here or of the namespaces above", type)
  end
  return {
    cause = "limit_" .. type, ops = NESTS, codes = "ENOSPC", syscalls = "clone3 clone unshare", why = why, hint = hint,
    about = ("user.max_%s_namespaces is 0 or used up, here or in a namespace above"):format(type),
    test = function(case)
      return check_limit(case, type)
    end,
  }
end

local function is_too_deep(case, type, deepest)
  if not case:makes(type) then
    return false
  end
  local level <const>, whole <const> = case.evidence:level(type)
  if level and level >= deepest then
    return true
  elseif whole and not is_inside(case) then
    return false
  end
  local refused <const> = not is_inside(case) and tried_alone(case)
  return not (refused and refused ~= type) and nil
end

-- ---- limits of processes ----------------------------------------------------

--- RLIMIT_NPROC, and whether as many processes are in sight.
local function process_limit(case)
  local limit <const> = (case.evidence:limit "nproc" or {}).soft
  return limit, math.type(limit) == "integer" and case.evidence:tasks((case.evidence:ids())) >= limit
end

--- The pids controller's files of the caller's cgroup and those above, as far as
--- they are in sight.
local function pids_groups(case)
  local list <const> = {}
  for _, hierarchy in ipairs(case.evidence.source.cgroups() or {}) do
    local path = hierarchy.own
    while path do
      list[#list + 1] = hierarchy.target .. path:gsub("/$", "") .. "/pids."
      path = path ~= "/" and (path:match "^(.+)/[^/]*$" or "/") or nil
    end
  end
  return list
end

--- The cgroup that has as many processes as it may have: its path and how many.
local function full_cgroup(case)
  for _, file in ipairs(pids_groups(case)) do
    local most <const>, now <const> = case.evidence:number(file .. "max"), case.evidence:number(file .. "current")
    if most and now and now >= most then
      return file:match "^(.*)/pids%.$", most
    end
  end
end

--- The limit of the description's own cgroup.
local function own_limit(case)
  for _, step in ipairs(case.plan) do
    for _, limit in ipairs(step.op == "cgroup" and step.limits or {}) do
      local most <const> = limit:match "^pids%.max=(%d+)$"
      if most then
        return math.tointeger(tonumber(most))
      end
    end
  end
end

local function threads(case)
  return math.tointeger(tonumber((case.evidence:read "/proc/loadavg" or ""):match "^%S+ %S+ %S+ %d+/(%d+)"))
end

local RESERVED_PIDS <const> = 300

-- ---- pid namespaces ---------------------------------------------------------

local function has_pending_pid(case)
  local own <const>, children <const> = case.evidence:stat "/proc/self/ns/pid",
    case.evidence:stat "/proc/self/ns/pid_for_children"
  -- the link of a namespace that has no process 1 yet leads nowhere
  return own and (not children or children.inode ~= own.inode)
end

--- The pid namespace that the child was to be in, if it is not the caller's own.
local function pid_namespace(case)
  for _, step in ipairs(case.plan) do
    if step.op == "namespace" and step.type == "pid" then
      return case.evidence:namespace("pid", step.handle)
    end
  end
  return case.evidence:namespace("pid", "/proc/self/ns/pid_for_children")
end

local function is_dead(case)
  local ns <close> = pid_namespace(case)
  if not ns then
    return has_pending_pid(case) and nil
  end
  local joined <const> = case:has "join" ~= nil
  if not joined and not has_pending_pid(case) then
    return false
  end
  return not case.evidence:is_inhabited(ns)
end

-- ---- the rows ----------------------------------------------------------------

-- What the kernel calls an id that has no name.
local OVERFLOW <const> = 65534

local function is_unmapped(kind)
  return function(case)
    local uid <const>, gid <const> = case.evidence:ids()
    local id <const> = kind == "uid" and uid or gid
    local mapped <const> = case.evidence:is_mapped(kind, id)
    if mapped == nil then
      return id == OVERFLOW and nil -- any other is a name
    end
    return makes_user(case) and not mapped
  end
end

local ROWS <const> = {
  {
    cause = "sysctl_userns_clone", ops = CREATES, codes = "EPERM",
    test = function(case)
      return makes_user(case) and case.evidence:sysctl "kernel/unprivileged_userns_clone" == 0
        and not case.evidence:is_privileged "sys_admin"
    end,
    why = "kernel.unprivileged_userns_clone is 0: here only root makes user namespaces",
    hint = "as root: sysctl kernel.unprivileged_userns_clone=1",
  },
  {
    cause = "multithreaded", ops = "unshare", codes = "EINVAL",
    test = function(case)
      return makes_user(case) and case.evidence:has_threads()
    end,
    why = "a process that has threads cannot put itself into a new user namespace",
    hint = "create the namespace with a child: userns.container, or sys.clone before there are threads",
  },
  {
    cause = "no_proc", ops = "clone", codes = "EBUSY",
    test = function(case)
      return case.err.syscall == nil and case.evidence:threads() == nil
    end,
    why = "nothing at /proc tells whether the process has threads, whose locks nobody opens in a copy of it",
    hint = "mount a procfs: mount -t proc proc /proc",
  },
  {
    cause = "multithreaded", ops = "clone", codes = "EBUSY",
    test = function(case)
      return case.err.syscall == nil
    end,
    why = "a copy of a process that has threads finds locks that nobody will open",
    hint = "call sys.clone before there are threads, or use userns.container, whose child runs no Lua",
  },
  {
    cause = "pidns_pending", ops = CREATES, codes = "EINVAL",
    test = function(case)
      return case:makes "pid" and has_pending_pid(case)
    end,
    why = "the caller's children are already to go into another pid namespace",
    hint = "call unshare or setns for \"pid\" once, then start the children",
  },
  {
    cause = "pidns_owner", ops = CREATES, codes = "EINVAL",
    test = function(case)
      local own <close> = case:makes "pid" and case.evidence:namespace("pid", "self") or nil
      if not own then
        return case:makes "pid" and nil
      end
      local _, relation <const> = case.evidence:has_power(own)
      return relation == "below"
    end,
    why = "the caller's pid namespace belongs to a user namespace below the caller's, and the kernel makes none in it",
    hint = "join the user namespace that owns the pid namespace too, before the child is made",
  },
  {
    cause = "unsupported", ops = CREATES, codes = "EINVAL ENOSYS",
    test = function(case)
      return unsupported(case) ~= nil
    end,
    about = "this kernel has no namespaces of the type",
    why = function(case)
      return ("this kernel has no %s namespaces"):format(unsupported(case))
    end,
    hint = function(case)
      return ("take %s out of namespaces, or boot a kernel that is built with them"):format(unsupported(case))
    end,
  },
  {
    cause = "old_kernel", ops = CREATES, codes = "ENOSYS",
    test = function(case)
      return unsupported(case) == nil and nil
    end,
    why = "this kernel has no such system call",
    hint = "boot a kernel that is built with namespaces, Linux 3.8 or newer",
  },
  {
    cause = "chrooted", ops = CREATES, codes = "EPERM",
    test = function(case)
      return makes_user(case) and case.evidence:is_chrooted()
    end,
    why = "the caller is chrooted, and the kernel makes no user namespace below a changed root",
    hint = "start the host program outside of the chroot, or enter the tree with pivot_root instead of chroot",
  },
  {
    cause = "euid_unmapped", ops = CREATES, codes = "EPERM",
    test = is_unmapped "uid",
    why = "the caller's user id is not mapped in its own user namespace",
    hint = "write the uid_map of the namespace that the host program is in first",
  },
  {
    cause = "egid_unmapped", ops = CREATES, codes = "EPERM",
    test = is_unmapped "gid",
    why = "the caller's group id is not mapped in its own user namespace",
    hint = "write the gid_map of the namespace that the host program is in first",
  },
  {
    cause = "no_cap_sys_admin", ops = CREATES, codes = "EPERM",
    test = function(case)
      return not makes_user(case) and #asked(case) > 0 and case.evidence:capable "sys_admin" == false
    end,
    about = "without a new user namespace it takes CAP_SYS_ADMIN, which the caller has not",
    why = function(case)
      return ("without a new user namespace, %s take%s CAP_SYS_ADMIN, which the caller has not"):format(
        table.concat(asked(case), ", "), #asked(case) == 1 and "s" or "")
    end,
    hint = "add \"user\" to the namespaces",
  },
  {
    cause = "userns_depth", ops = NESTS, codes = "ENOSPC EUSERS",
    test = function(case)
      if case.err.op == "lock_mounts" then
        return nil
      end
      return is_too_deep(case, "user", USER_LEVELS)
    end,
    why = "user namespaces nest 33 levels deep and no deeper",
    hint = "start the host program in fewer containers inside one another",
  },
  {
    cause = "pidns_depth", ops = NESTS, codes = "ENOSPC",
    test = function(case)
      return is_too_deep(case, "pid", PID_LEVELS)
    end,
    why = "pid namespaces nest 32 levels deep and no deeper",
    hint = "start the host program in fewer containers inside one another, or share the pid namespace",
  },
  {
    cause = "pids_cgroup", ops = "clone init lock_mounts image", codes = "EAGAIN",
    test = function(case)
      local own <const> = own_limit(case)
      if own and own <= 1 or full_cgroup(case) then
        return true
      elseif own and own <= 2 then
        return nil
      end
      return false
    end,
    about = "the cgroup has as many processes as pids.max allows",
    why = function(case)
      local path <const>, most <const> = full_cgroup(case)
      return path and ("the cgroup %s has as many processes as its pids.max allows, %d"):format(path, most)
        or ("cgroup.pids is %d, too few for the container itself"):format(own_limit(case))
    end,
    hint = "raise pids.max, or end processes of the cgroup",
  },
  {
    cause = "rlimit_nproc", ops = "clone init lock_mounts image", codes = "EAGAIN",
    test = function(case)
      local e <const> = case.evidence
      local limit <const>, is_reached <const> = process_limit(case)
      if e:is_privileged "sys_admin" or e:is_privileged "sys_resource" then
        return false
      elseif is_reached then
        return true
      elseif limit == "unlimited" and e:is_initial "user" then
        return false
      end
      return nil
    end,
    about = "the caller has as many processes as RLIMIT_NPROC allows",
    why = function(case)
      local limit <const>, is_reached <const> = process_limit(case)
      local words <const> = "the caller's user has as many processes as RLIMIT_NPROC allows"
      if is_reached then
        return ("%s, %d here"):format(words, limit)
      elseif limit == "unlimited" then
        return words .. " in a user namespace above"
      end
      return words .. ", here or in a user namespace above"
    end,
    hint = "end some of the user's processes, or raise the limit (ulimit -u)",
  },
  {
    cause = "threads_max", ops = "clone init lock_mounts image", codes = "EAGAIN",
    test = function(case)
      local most <const>, now <const> = case.evidence:sysctl "kernel/threads-max", threads(case)
      if most and now then
        return now >= most
      end
      return nil
    end,
    why = "the machine has as many threads as kernel.threads-max allows",
    hint = "end processes, or as root: sysctl kernel.threads-max",
  },
  {
    cause = "pid_max", ops = "clone init lock_mounts image", codes = "EAGAIN",
    test = function(case)
      local most <const>, now <const> = case.evidence:sysctl "kernel/pid_max", threads(case)
      if most and now and now + RESERVED_PIDS < most then
        return false
      end
      return nil
    end,
    why = "every number below kernel.pid_max is taken",
    hint = "end processes, or as root: sysctl kernel.pid_max",
  },
  {
    cause = "pidns_dead", ops = "clone init", codes = "ENOMEM", test = is_dead,
    why = "process 1 of the pid namespace that the child was to be in has ended, and the kernel starts no other there",
    hint = "make or join another pid namespace",
  },
}

for _, type in ipairs(TYPES) do
  table.insert(ROWS, limit_row(type))
end

table.insert(ROWS, {
  cause = "limit_time", ops = "time", codes = "ENOSPC", syscalls = "unshare",
  why = "user.max_time_namespaces is 0 or used up, here or in a namespace above",
  hint = "end what holds time namespaces, or as root there: sysctl user.max_time_namespaces=N",
})

return ROWS
