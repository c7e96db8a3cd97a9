-- Why a filter, a Landlock ruleset or a session keyring is not set.

--- The kernel takes 32768 instructions of a process's filters together, as it has
--- translated them: of the longest filters, three fit.
local FULL_FILTERS <const> = 3

local function lacks_no_new_privs(case)
  if #case.plan == 0 then
    return case.evidence:status "NoNewPrivs" == "0" and case:lacks "sys_admin"
  end
  return not case:has "no_new_privs"
end

return {
  {
    cause = "no_new_privs", ops = "seccomp landlock", codes = "EACCES EPERM",
    syscalls = "seccomp landlock_restrict_self",
    test = lacks_no_new_privs,
    why = "it takes no_new_privs or CAP_SYS_ADMIN, and the caller has neither",
    hint = "set no_new_privs first: sys.prctl(\"no_new_privs\", true), or no_new_privs = true in the description",
  },
  {
    cause = "filter_invalid", ops = "seccomp", codes = "EINVAL", syscalls = "seccomp",
    why = "the kernel takes this program for no filter",
    hint = "an instruction is unknown or jumps beyond the end, or the last one does not return",
  },
  {
    cause = "filters_too_long", ops = "seccomp", codes = "ENOMEM", syscalls = "seccomp",
    test = function(case)
      local filters <const> = math.tointeger(tonumber(case.evidence:status "Seccomp_filters"))
      if filters == 0 then
        return false
      end
      return filters and filters >= FULL_FILTERS or nil
    end,
    why = "the filters of a process have at most 32768 instructions together, and it has inherited too many",
    hint = "set fewer or shorter filters",
  },
  {
    cause = "landlock_unsupported", ops = "ruleset landlock", codes = "ENOSYS", syscalls = "landlock_create_ruleset",
    test = function(case)
      local filtered <const> = case.evidence:is_filtered("landlock_create_ruleset", nil, "ENOSYS")
      if filtered == nil then
        return nil
      end
      return not filtered
    end,
    why = "this kernel is not built with Landlock",
    hint = "leave landlock out, or boot Linux 5.13 or newer",
  },
  {
    cause = "landlock_disabled", ops = "ruleset landlock", codes = "EOPNOTSUPP", syscalls = "landlock_create_ruleset",
    why = "Landlock was not switched on when the kernel was booted",
    hint = "add landlock to the kernel's lsm= parameter",
  },
  {
    cause = "landlock_layers", ops = "landlock", codes = "E2BIG", syscalls = "landlock_restrict_self",
    why = "a process is held to 16 Landlock rulesets at most, and the host program to that many already",
    hint = "start the host program under fewer of them",
  },
  {
    cause = "nothing_allowed", ops = "path_rule", codes = "ENOMSG",
    about = "what is allowed of a file is what directories alone have",
    why = function(case)
      return ("'%s' is no directory, and nothing is allowed of it but what directories have"):format(case.err.path)
    end,
    hint = "allow it for the directory that the file lies in, or leave the rule out",
  },
  {
    cause = "key_quota", ops = "keyring", codes = "EDQUOT", syscalls = "keyctl",
    why = "the user has as many keys as kernel.keys.maxkeys allows, or as many bytes of them as maxbytes does",
    hint = "leave strict out, or as root: sysctl kernel.keys.maxkeys=N (maxbytes=N)",
  },
}
