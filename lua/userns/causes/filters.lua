-- Whoever answers a system call before the kernel has looked at it.

-- What answers for each call: the engine makes do with clone(2) where clone3(2) is
-- refused, and with execve(2) for the program.
local PROBES <const> = { clone3 = "clone", execveat = "execve" }

-- What filters answer; that it is something else takes proof.
local USUAL <const> = { EPERM = true, EACCES = true, ENOSYS = true, EINVAL = true }

local LIFT <const> = "allow it where the filter is set: --security-opt seccomp=... of a container runtime, "
  .. "SystemCallFilter= and RestrictNamespaces= of systemd"

local function is_filtered(case)
  local call <const> = case.err.syscall
  if not call or case.err.code == "EOPNOTSUPP" then
    return false -- which the kernel itself answers to what it was not built with
  end
  local name <const> = case.err.op == "image" and call or PROBES[call] or call
  local creates <const> = name == "clone" or name == "unshare"
  local verdict <const> = case.evidence:is_filtered(name, creates and case.step.namespaces or nil, case.err.code)
  if verdict == nil and not USUAL[case.err.code] then
    return false
  end
  return verdict
end

return {
  {
    cause = "seccomp", ops = "any", codes = "any", test = is_filtered,
    about = "a seccomp filter on the host program refuses the system call",
    why = function(case)
      return ("a seccomp filter on the host program refuses %s(2)"):format(case.err.syscall)
    end,
    hint = LIFT,
  },
  {
    cause = "seccomp", ops = "any", codes = "EKILLED",
    test = function(case)
      return case.err.message:find("SIGSYS", 1, true) ~= nil and case.err.op ~= "exec"
    end,
    why = "a seccomp filter on the host program ends who makes a system call of this step",
    hint = LIFT,
  },
  {
    cause = "own_seccomp", ops = "exec", codes = "EPERM EACCES ENOSYS EKILLED",
    test = function(case)
      local killed <const> = case.err.code == "EKILLED"
      if not case:has "seccomp" or killed and not case.err.message:find("SIGSYS", 1, true) then
        return false
      end
      return killed or nil
    end,
    why = "the filter in `seccomp` does not let the program be executed",
    hint = "allow execve in it",
  },
  {
    cause = "apparmor_userns",
    ops = "clone unshare uid_map gid_map setgroups hostname domainname loopback address route link_up sysctl mount "
      .. "bind overlay root_bind root_tmpfs root_overlay propagation pivot_root mask readonly remount lock_mounts time "
      .. "setuid setgid groups bounding open_tree move_mount mount_setattr fsopen fsmount",
    codes = "EPERM EACCES",
    test = function(case)
      local e <const> = case.evidence
      local label <const> = e:label() or ""
      if label:find("^unprivileged_userns") then
        return true
      elseif e:sysctl "kernel/apparmor_restrict_unprivileged_userns" ~= 1 or not case:makes "user"
        or e:is_privileged "sys_admin" then
        return false
      end
      return label == "unconfined" or nil
    end,
    about = "AppArmor gives nothing to the user namespaces of programs that it does not know",
    why = "kernel.apparmor_restrict_unprivileged_userns is 1: AppArmor gives nothing to the user namespaces of "
      .. "programs that have no profile",
    hint = "give the host program an AppArmor profile with `userns,`, or as root: "
      .. "sysctl kernel.apparmor_restrict_unprivileged_userns=0",
  },
}
