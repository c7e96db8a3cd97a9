-- Why nobody is found in /proc, where a process is known by its number.
local FINDS <const> = "namespace setns uid_map gid_map setgroups newuidmap newgidmap mountinfo capabilities processes"

local CALLS <const> = "readlink readlinkat open openat"

--- Whether the caller does not find itself by its own number.
local function is_lost(case)
  return case.err.syscall:find "^readlink" ~= nil
    or (case.err.path or ""):find "^/proc/" ~= nil and case.evidence:stat "/proc/self" == nil
end

local function is_foreign(case)
  return is_lost(case) and case.evidence:has_foreign_proc()
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
}
