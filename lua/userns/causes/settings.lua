-- Why settings of the new namespaces and of the process are not made.

local WRITABLE <const> = 146 -- 0222, of a file's mode

local function from(field)
  return function(case)
    return case.step.source == field
  end
end

--- Whether there is a /proc/sys, by what is in each: a procfs may be mounted with
--- subset=pid, and another file system lie over it.
local function has_settings(case)
  local ok <const>, code <const> = case.evidence:may "/proc/sys/kernel/ostype"
  if ok or code == "ENOENT" then
    return ok
  end
end

local function is_settingless(case)
  local has <const> = has_settings(case)
  return has ~= nil and not has
end

local function setting(case)
  return (case.step.path or ""):gsub("^/proc/sys/", ""):gsub("/", ".")
end

-- Settings that each interface has, and what has them all.
local OF_INTERFACES <const> = { conf = "all", neigh = "default" }

--- Whether what an interface has is set, and there is no such interface.
local function lacks_interface(case)
  local path <const> = (case.step.path or ""):gsub("^/proc/sys/", "")
  local family <const>, kind <const>, key <const> = path:match "^net/(ipv[46])/(%l+)/[^/]+/([^/]+)$"
  local any <const> = OF_INTERFACES[kind]
  if not any then
    return false
  elseif not case.evidence:stat "/proc/sys/net" then
    return nil
  end
  return case.evidence:stat(("/proc/sys/net/%s/%s/%s/%s"):format(family, kind, any, key)) ~= nil
end

--- Whether nobody may write a setting: one of a net namespace's may be one that is
--- written in the first alone, unless it tells what there is.
local function is_fixed(case)
  local name <const> = (case.step.path or ""):gsub("^/proc/sys/", "")
  local st <const> = case.evidence:stat("/proc/sys/" .. name)
  if not st or st.mode & WRITABLE ~= 0 then
    return false
  end
  return not name:find "^net/" or name:find "available_" ~= nil or nil
end

local function lacks(name)
  return function(case)
    return case:lacks(name)
  end
end

--- Whether a hard limit is no higher than the one that there is.
local function is_lower(case)
  local resource <const>, hard <const> = case.step.resource, case.step.hard
  local now <const> = resource and case.evidence:limit(resource)
  if not now or hard == nil then
    return false
  end
  return now.hard == "unlimited" or math.type(hard) == "integer" and hard <= now.hard
end

--- Whether a nice value is no lower than the caller's.
local function is_nicer(case)
  local fields <const> = (case.evidence:read "/proc/self/stat" or ""):match "%)(.*)" or ""
  local now <const> = tonumber(fields:match("^" .. ("%s+%S+"):rep(16) .. "%s+(%-?%d+)"))
  return now ~= nil and math.type(case.step.value) == "integer" and case.step.value >= now
end

--- Certain for whoever has not got the capability over the host.
local function lacks_on_host(name)
  return function(case)
    if case:makes "user" and case.step.side == "child" then
      return true -- whatever the host program has, it has none of it there
    end
    local power <const> = case.evidence:is_privileged(name)
    if power == nil then
      return case.evidence:is_initial "user" == false or nil
    end
    return not power
  end
end

local function is_above_nr_open(case)
  local most <const> = case.step.resource == "nofile" and case.evidence:sysctl "fs/nr_open"
  local hard <const> = math.tointeger(case.step.hard)
  return most and (case.step.hard == "unlimited" or hard and (hard > most or hard < 0)) or false
end

--- The mode that the plan gives to /dev/ptmx, where it gives any.
local function ptmx_mode(case)
  local mode
  for _, step in ipairs(case.plan) do
    for _, option in ipairs(step.op == "mount" and step.type == "devpts" and step.options or {}) do
      mode = math.tointeger(tonumber(option:match "^ptmxmode=(%d+)$" or "", 8)) or mode
    end
  end
  return mode
end

--- The highest number that a descriptor of the program's was to have.
local function highest(case)
  local number = 0
  for _, fd in ipairs(case.step.fds or {}) do
    number = math.max(number, fd.target)
  end
  return number
end

return {
  {
    cause = "proc_ro", ops = "sysctl", codes = "EROFS", test = from "allow_userns",
    why = "/proc/sys is read-only here, as it is in many containers",
    hint = "set allow_userns = true to go without",
  },
  {
    cause = "proc_ro", ops = "sysctl", codes = "EROFS",
    why = "/proc/sys is read-only here, as it is in many containers",
    hint = "remount it read-write on the host, or leave the setting out",
  },
  {
    cause = "no_proc_sys", ops = "sysctl", codes = "ENOENT", test = is_settingless,
    why = "there is no /proc/sys here: /proc is mounted with subset=pid, or something lies over it",
    hint = function(case)
      local without <const> = from "allow_userns"(case) and "set allow_userns = true to go without, or "
        or "leave the setting out, or "
      return without .. "mount a whole procfs: mount -t proc proc /proc"
    end,
  },
  {
    cause = "setting_invalid", ops = "sysctl", codes = "ENOENT", syscalls = "write",
    about = "what the value names is not there",
    why = function(case)
      return ("the kernel has not got what %q names for %s, or has not loaded it"):format(case.step.value,
        setting(case))
    end,
    hint = "name one that is there (for net.ipv4.tcp_congestion_control: net.ipv4.tcp_available_congestion_control)",
  },
  {
    cause = "no_such_interface", ops = "sysctl", codes = "ENOENT", syscalls = "openat", test = lacks_interface,
    about = "the container has no interface of the name that the setting has in it",
    why = function(case)
      return ("the container has no interface '%s'"):format(case.step.path:match "([^/]+)/[^/]+$")
    end,
    hint = "name one that `network` gives it, lo, or `default` for those to come",
  },
  {
    cause = "no_such_setting", ops = "sysctl", codes = "ENOENT", syscalls = "openat",
    about = "this kernel has no such setting, or not for a namespace that is not the first",
    why = function(case)
      return ("this kernel has no such setting as %s, or not for a namespace that is not the first"):format(
        setting(case))
    end,
    hint = "look at its name in /proc/sys, or leave it out",
  },
  {
    cause = "is_directory", ops = "sysctl", codes = "EISDIR",
    about = "it is a directory of settings",
    why = function(case)
      return ("%s is a directory of settings"):format(setting(case))
    end,
    hint = "name a setting in it",
  },
  {
    cause = "setting_fixed", ops = "sysctl", codes = "EACCES EPERM", syscalls = "openat", test = is_fixed,
    about = "the setting only tells something: nobody may set it",
    why = function(case)
      return ("%s only tells something: nobody may set it"):format(setting(case))
    end,
    hint = "leave it out",
  },
  {
    cause = "setting_privileged", ops = "sysctl", codes = "EACCES EPERM",
    test = function()
      return nil
    end,
    about = "this kernel lets only privileged callers set it, or nobody outside the first namespace",
    why = function(case)
      return ("this kernel lets only privileged callers set %s, or nobody outside the first namespace"):format(
        setting(case))
    end,
    hint = "leave it out, or set it on the host",
  },
  {
    cause = "setting_invalid", ops = "sysctl", codes = "EINVAL ERANGE", syscalls = "write",
    about = "the kernel does not take the value for the setting",
    why = function(case)
      return ("the kernel does not take %q for %s"):format(case.step.value, setting(case))
    end,
    hint = "look at the values that it takes in the kernel's documentation",
  },
  {
    cause = "unsupported", ops = "time", codes = "EINVAL ENOSYS", syscalls = "unshare",
    test = function(case)
      return case.evidence:stat "/proc/self/ns" ~= nil and case.evidence:stat "/proc/self/ns/time" == nil
    end,
    why = "this kernel has no time namespaces",
    hint = "take time out of namespaces, or boot Linux 5.6 or newer",
  },
  {
    cause = "clock_negative", ops = "time", codes = "ERANGE",
    why = "a clock of the program's would be negative, or beyond what the kernel counts",
    hint = "take an offset off that is no larger than the clock itself",
  },
  {
    cause = "time_entered", ops = "time", codes = "EACCES",
    test = function(case)
      return case:has "join" ~= nil or nil
    end,
    why = "the child hides from the processes of the user namespace that it joins (it is not dumpable), and so may not "
      .. "open the file that sets its clocks",
    hint = "leave time_offsets out, join no user namespace, or do it as root",
  },
  {
    cause = "no_cap_sys_time", ops = "time", codes = "EPERM", syscalls = "write openat", test = lacks "sys_time",
    why = "setting the clocks takes CAP_SYS_TIME, which the child has not",
    hint = "create a user namespace together with time",
  },
  {
    cause = "no_cap_sys_admin", ops = "time", codes = "EPERM", syscalls = "unshare setns", test = lacks "sys_admin",
    why = "a time namespace takes CAP_SYS_ADMIN, which the child has not",
    hint = "create a user namespace together with time",
  },
  {
    cause = "nr_open", ops = "rlimit raise_limit", codes = "EPERM", syscalls = "prlimit64",
    test = is_above_nr_open,
    about = "no limit of descriptors is above fs.nr_open",
    why = function(case)
      return ("no limit of descriptors is above fs.nr_open, %d here"):format(case.evidence:sysctl "fs/nr_open")
    end,
    hint = "ask for no more than that, or as root: sysctl fs.nr_open=N",
  },
  {
    cause = "no_cap_sys_resource", ops = "rlimit raise_limit", codes = "EPERM", syscalls = "prlimit64",
    test = function(case)
      if is_lower(case) then
        return false
      end
      return lacks_on_host "sys_resource"(case)
    end,
    about = "a hard limit is raised only with CAP_SYS_RESOURCE over the host",
    why = function(case)
      return ("a hard limit, here of %s, is raised only with CAP_SYS_RESOURCE over the host"):format(
        case.step.resource)
    end,
    hint = "ask for no more than the host program's own hard limit (ulimit -H)",
  },
  {
    cause = "no_cap_sys_nice", ops = "nice", codes = "EACCES EPERM", syscalls = "setpriority",
    test = function(case)
      if is_nicer(case) then
        return false
      end
      return lacks_on_host "sys_nice"(case)
    end,
    why = "going lower needs privilege over the host, which no user namespace gives",
    hint = "take a nice value no lower than the host program's, or raise RLIMIT_NICE",
  },
  {
    cause = "no_proc", ops = "oom_score", codes = "ENOENT",
    why = "the score is written in /proc, of which there is none here",
    hint = "mount a proc at /proc for the host program, or leave oom_score_adj out",
  },
  {
    cause = "no_cap_sys_resource", ops = "oom_score", codes = "EACCES EPERM",
    test = lacks_on_host "sys_resource",
    why = "going lower needs privilege over the host, which no user namespace gives",
    hint = "take an oom_score_adj no lower than the host program's",
  },
  {
    cause = "cpu_offline", ops = "affinity", codes = "EINVAL",
    why = "one of the processors is offline, does not exist, or is not in the caller's cpuset",
    hint = "take some of Cpus_allowed_list in /proc/self/status",
  },
  {
    cause = "rlimit_nofile", ops = "descriptors", codes = "EBADF", syscalls = "dup3",
    test = function(case)
      local limit <const> = case.evidence:limit "nofile"
      return limit and math.type(limit.hard) == "integer" and highest(case) >= limit.hard or nil
    end,
    about = "a descriptor's number is below RLIMIT_NOFILE",
    why = function(case)
      return ("no descriptor has a number above the host program's hard RLIMIT_NOFILE, and %d was asked for"):format(
        highest(case))
    end,
    hint = "take a lower number, or raise the hard limit (ulimit -Hn)",
  },
  {
    cause = "not_open", ops = "descriptors take", codes = "EBADF",
    test = function(case)
      return case.err.syscall ~= "dup3" and nil
    end,
    why = "what the program was to inherit is not open, or has been closed since",
    hint = "keep it open until the program has been started",
  },
  {
    cause = "not_found", ops = "descriptors", codes = "ENOENT", syscalls = "open",
    why = "there is no /dev/null here, which the program was to have",
    hint = "as root: mknod -m 666 /dev/null c 1 3; or give the program a file in its place",
  },
  {
    cause = "no_ptmx", ops = "pty", codes = "ENOENT", syscalls = "openat2",
    why = "there is no /dev/ptmx here",
    hint = "give the container a `dev` or `devpts` mount",
  },
  {
    cause = "ptmx_mode", ops = "pty", codes = "EACCES",
    test = function(case)
      local mode <const> = ptmx_mode(case)
      return mode ~= nil and mode & 6 ~= 6
    end,
    about = "the option `ptmxmode` of that devpts lets nobody open /dev/ptmx",
    why = function(case)
      return ("the devpts here was mounted with ptmxmode=%04o, which does not let /dev/ptmx be opened"):format(
        ptmx_mode(case))
    end,
    hint = "leave ptmxmode out, or let it be 0666",
  },
  {
    cause = "ptmx_other", ops = "pty", codes = "ENODEV",
    why = "what lies at /dev/ptmx makes no terminals",
    hint = "give the container a `dev` or `devpts` mount",
  },
  {
    cause = "pty_max", ops = "pty", codes = "ENOSPC",
    why = "there are as many terminals as kernel.pty.max allows, or `max` among the options of that devpts",
    hint = "end what holds terminals, or as root: sysctl kernel.pty.max=N",
  },
}
