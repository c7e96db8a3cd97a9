-- What may be behind any refusal, where nothing before it is certain.
return {
  {
    cause = "lsm", ops = "any", codes = "EPERM EACCES",
    test = function(case)
      if not case.err.syscall then
        return false
      end
      return case.evidence:may_be_refused()
    end,
    about = "a security module refuses it by its own rules",
    why = function(case)
      local modules <const> = case.evidence:modules()
      return modules and ("a security module of the kernel refuses it by its own rules (%s)"):format(
        table.concat(modules, ", ")) or "a security module of the kernel refuses it by its own rules"
    end,
    hint = "look at the kernel's log (dmesg, the audit log)",
  },
  {
    cause = "memory", ops = "any", codes = "ENOMEM",
    test = function(case)
      if not case.err.syscall then
        return false
      end
      return nil
    end,
    why = "there is not enough memory for it: on the machine, or under the caller's cgroup or RLIMIT_AS",
    hint = "end something that uses memory, or raise the limit",
  },
  {
    cause = "rlimit_nofile", ops = "any", codes = "EMFILE",
    why = "the process has as many descriptors open as its RLIMIT_NOFILE allows",
    hint = "close some, or raise the soft limit (ulimit -n)",
  },
  {
    cause = "rlimit_fsize", ops = "any", codes = "EFBIG", syscalls = "write ftruncate",
    test = function(case)
      local limit <const> = case.evidence:limit "fsize"
      if not limit then
        return nil
      end
      return limit.soft ~= "unlimited"
    end,
    why = "the process may write no file of that length, not even in memory: its RLIMIT_FSIZE",
    hint = "raise the soft limit (ulimit -f)",
  },
  {
    cause = "file_max", ops = "any", codes = "ENFILE",
    why = "the machine has as many files open as fs.file-max",
    hint = "end what holds them, or as root: sysctl fs.file-max",
  },
  {
    cause = "oom", ops = "any", codes = "EKILLED",
    test = function(case)
      if not case.err.message:find("SIGKILL", 1, true) then
        return false
      end
      return nil
    end,
    why = "the kernel ended it for want of memory, on the machine or in its cgroup",
    hint = "raise cgroup.memory, or look at the kernel's log (dmesg)",
  },
  {
    cause = "killed", ops = "any", codes = "EKILLED",
    test = function(case)
      if not case.err.message:find("ended by SIG", 1, true) or case.err.message:find("SIGSYS", 1, true) then
        return false
      end
      return nil
    end,
    why = "somebody else on the machine sent the signal",
    hint = "look at who ends processes here",
  },
  {
    cause = "traced", ops = "any", codes = "any",
    test = function(case)
      if case.err.syscall and case.evidence:is_traced() then
        return nil
      end
      return false
    end,
    about = "who traces the host program answers in the kernel's place",
    why = function(case)
      return ("process %s, which traces the host program, answers in the kernel's place"):format(
        case.evidence:status "TracerPid")
    end,
    hint = "try it without the tracer",
  },
}
