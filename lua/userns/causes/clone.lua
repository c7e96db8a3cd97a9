-- Why no namespace, or no process, is created: clone(2), clone3(2), unshare(2).
local TYPES <const> = { "user", "mnt", "pid", "net", "ipc", "uts", "cgroup", "time" }

local CREATES <const> = "clone unshare"

local function makes_user(case)
  return case:makes "user"
end

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
    if case.evidence:stat("/proc/self/ns") and not case.evidence:stat("/proc/self/ns/" .. type) then
      return type
    end
  end
end

local function call_of(case)
  return case.err.op == "unshare" and "unshare" or "clone"
end

local ROWS <const> = {
  {
    cause = "sysctl_userns_clone", ops = CREATES, codes = "EPERM",
    test = function(case)
      return makes_user(case) and case.evidence:sysctl "kernel/unprivileged_userns_clone" == 0
        and not case.evidence:capable "sys_admin"
    end,
    why = "kernel.unprivileged_userns_clone is 0: here only root makes user namespaces",
    hint = "as root: sysctl kernel.unprivileged_userns_clone=1",
  },
  {
    cause = "seccomp", ops = CREATES, codes = "EPERM ENOSYS EACCES",
    test = function(case)
      return case.evidence:is_filtered(call_of(case), asked(case))
    end,
    why = "a seccomp filter on the host program refuses to create these namespaces",
    hint = "container runtimes lift it with --security-opt seccomp=unconfined, systemd with RestrictNamespaces=no",
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
    cause = "pidns_pending", ops = "unshare", codes = "EINVAL",
    test = function(case)
      if not case:makes "pid" then
        return false
      end
      local own <const>, children <const> = case.evidence:stat "/proc/self/ns/pid",
        case.evidence:stat "/proc/self/ns/pid_for_children"
      -- the link of a namespace that has no process 1 yet leads nowhere
      return own and (not children or children.inode ~= own.inode)
    end,
    why = "the caller's children are already to go into another pid namespace",
    hint = "unshare(\"pid\") once, then start the children",
  },
  {
    cause = "unsupported", ops = CREATES, codes = "EINVAL",
    test = function(case)
      return unsupported(case) ~= nil
    end,
    why = function(case)
      return ("this kernel has no %s namespaces"):format(unsupported(case))
    end,
    hint = function(case)
      return ("take %s out of namespaces, or boot a kernel that is built with them"):format(unsupported(case))
    end,
  },
  {
    cause = "euid_unmapped", ops = CREATES, codes = "EPERM",
    test = function(case)
      local mapped <const> = case.evidence:is_mapped("uid", (case.evidence:ids()))
      return makes_user(case) and mapped == false
    end,
    why = "the caller's user id is not mapped in its own user namespace",
    hint = "write the uid_map of the namespace that the host program is in first",
  },
  {
    cause = "egid_unmapped", ops = CREATES, codes = "EPERM",
    test = function(case)
      local _, gid <const> = case.evidence:ids()
      return makes_user(case) and case.evidence:is_mapped("gid", gid) == false
    end,
    why = "the caller's group id is not mapped in its own user namespace",
    hint = "write the gid_map of the namespace that the host program is in first",
  },
}

return ROWS
