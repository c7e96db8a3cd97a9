-- What ends a launch that is not the kernel's refusal.

--- The cgroup around that of the child, where it is frozen.
local function frozen_cgroup(case)
  for _, step in ipairs(case.plan) do
    local events <const> = step.op == "cgroup" and case.evidence:read(step.path .. "/cgroup.events") or ""
    local state <const> = step.op == "cgroup" and case.evidence:read(step.path .. "/freezer.state") or ""
    if events:find "frozen 1" or state:find "^FR" then
      return step.path
    end
  end
end

return {
  {
    cause = "other_owner", ops = "kill", codes = "EPERM",
    test = function(case)
      if case.evidence:is_privileged "kill" then
        return false
      end
      local pid <const> = case.evidence:pid_of(case.step.target)
      local uid <const> = pid and case.evidence:uid_of(pid)
      return uid and uid ~= (case.evidence:ids())
    end,
    about = "the process is another user's",
    why = function(case)
      local pid <const> = case.evidence:pid_of(case.step.target)
      local uid <const> = pid and case.evidence:uid_of(pid)
      return uid and ("process %s is uid %d's, and the caller is uid %d"):format(pid, uid, (case.evidence:ids()))
        or "the process is another user's"
    end,
    hint = "send it as that user, or as root",
  },
  {
    cause = "host_gone", ops = "await", codes = "ESRCH", syscalls = "poll",
    why = "the process that was to release the child has ended",
    hint = "end the child too: nobody else releases it",
  },
  {
    cause = "host_gone", ops = "pdeathsig await", codes = "ESRCH", syscalls = "prctl futex",
    why = "the host program has ended",
    hint = "set die_with_parent = false, if the container is to outlast it",
  },
  {
    cause = "image_missing", ops = "image", codes = "ENOENT EACCES", syscalls = "openat execveat",
    about = "the small executable that makes the child elsewhere is not beside the module",
    why = function(case)
      return ("%s is not there, or may not be executed"):format(case.step.path)
    end,
    hint = "install userns-init beside the module (make install, luarocks)",
  },
  {
    cause = "cgroup_frozen", ops = "any", codes = "ETIMEDOUT",
    test = function(case)
      return case.err.syscall == nil and frozen_cgroup(case) ~= nil
    end,
    about = "the cgroup that the child is to be in is frozen, with all that are below it",
    why = function(case)
      return ("the cgroup %s is frozen, with all that are below it"):format(frozen_cgroup(case))
    end,
    hint = "write 0 to its cgroup.freeze (v1: THAWED to its freezer.state), or name another parent",
  },
  {
    cause = "set_up_blocks", ops = "any", codes = "ETIMEDOUT",
    test = function(case)
      return case.err.syscall == nil and case.err.step ~= nil
    end,
    why = "this step was not done in the time that the process spec's `timeout` gives",
    hint = "look for what makes it wait: a network file system whose server is gone, a FUSE mount, a lease on a file",
  },
  {
    cause = "hook", ops = "hook", codes = "ECANCELED",
    why = "a function of the description's `hooks` said no, or raised an error",
    hint = "the message is what it said",
  },
}
