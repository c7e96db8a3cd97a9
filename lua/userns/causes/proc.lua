-- Why nobody is found in /proc, where a process is known by its number.
local FINDS <const> = "namespace setns uid_map gid_map setgroups newuidmap newgidmap uplink mountinfo capabilities "
  .. "processes"

local CALLS <const> = "readlink readlinkat open openat"

--- Whether the caller does not find itself by its own number.
local function is_lost(case)
  return case.err.syscall:find "^readlink" ~= nil
    or (case.err.path or ""):find "^/proc/" ~= nil and case.evidence:stat "/proc/self" == nil
end

local function is_foreign(case)
  return is_lost(case) and case.evidence:has_foreign_proc()
end

--- The process that was looked for.
local function pid_of(case)
  local word <const> = (case.err.path or ""):match "^/proc/(%d+)/"
  return math.tointeger(tonumber(word)) or case.evidence:pid_of(case.step.target)
end

return {
  {
    cause = "foreign_proc", ops = FINDS, codes = "ENOENT ESRCH", syscalls = CALLS, test = is_foreign,
    why = "the procfs at /proc is of another pid namespace than the caller's, and its numbers are other processes'",
    hint = "in a mnt namespace of its own: mount -t proc proc /proc (unshare has --mount-proc for that)",
  },
  {
    cause = "no_proc", ops = FINDS, codes = "ENOENT ESRCH", syscalls = CALLS,
    test = function(case)
      local foreign <const> = is_foreign(case)
      if foreign == nil then
        return nil
      end
      return is_lost(case) and not foreign
    end,
    why = "there is no procfs at /proc, which has the files of processes",
    hint = "mount one: mount -t proc proc /proc",
  },
  {
    cause = "hidden_process", ops = FINDS, codes = "ENOENT", syscalls = "open openat",
    test = function(case)
      local pid <const> = pid_of(case)
      if not pid then
        return false
      end
      return case.evidence:is_hidden(pid)
    end,
    about = "the procfs at /proc shows only processes of the caller's own (hidepid)",
    why = function(case)
      return ("there is a process %d, which the procfs at /proc does not show to the caller (hidepid)"):format(
        pid_of(case))
    end,
    hint = "do it in the group that the mount's gid= names, or as root: mount -o remount,hidepid=0 /proc",
  },
  {
    cause = "thread_id", ops = "kill pidfd_open setns", codes = "ENOENT EINVAL", syscalls = "pidfd_open",
    test = function(case)
      local pid <const> = pid_of(case)
      return pid ~= nil and case.evidence:process_of(pid) ~= nil
    end,
    about = "the number is a thread's, not its process's",
    why = function(case)
      return ("%d is the number of a thread of process %d"):format(pid_of(case), case.evidence:process_of(pid_of(case)))
    end,
    hint = function(case)
      return ("name process %d"):format(case.evidence:process_of(pid_of(case)))
    end,
  },
}
