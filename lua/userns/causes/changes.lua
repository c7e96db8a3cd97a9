-- Why a mount is not changed or taken away.
local shared = require "userns.causes.shared"
local tried = require "userns.evidence.tried"

local CHANGES <const> = "mount mount_setattr remount bind root_bind readonly"

local made <const>, is_kind <const>, is_mount <const> = tried.of, tried.is_kind, tried.is_mount

local WORDS <const> = { readonly = "ro", ro = "ro" }

--- The attributes that are taken away, as the mount has them.
local function taken(case)
  local list <const> = {}
  for _, word in ipairs(made(case).clear or {}) do
    list[#list + 1] = WORDS[word] or word
  end
  return list
end

local function is_locked_flag(case)
  if not is_kind(case, "change") or not tried.is_nested(case) then
    return false
  end
  return #taken(case) > 0 or nil
end

--- Whether what is to be unmounted is the link itself.
local function is_unfollowed(case)
  local a <const> = made(case)
  return (a.flags or {}).nofollow and (case.evidence:stat(a.target, "nofollow") or {}).type == "symlink"
end

return {
  -- changes
  {
    cause = "locked_flags", ops = CHANGES, codes = "EPERM", test = is_locked_flag,
    about = "attributes of a mount that came from a more privileged namespace are taken away",
    why = function(case)
      local words <const> = taken(case)
      return ("the mount came from a more privileged mount namespace, which locks its attributes%s"):format(
        #words > 0 and ": " .. table.concat(words, ", ") or "")
    end,
    hint = function(case)
      local words <const> = taken(case)
      return ("%s; or bind from a place that does not have them"):format(
        case.arguments and case.err.op == "mount" and #words > 0
          and ("repeat them in the options (%s)"):format(table.concat(words, ", ")) or "leave them as they are")
    end,
  },
  {
    cause = "not_mount_point", ops = "mount mount_setattr fspick", codes = "EINVAL",
    test = function(case)
      local a <const> = made(case)
      local changes <const> = a.kind == "change" or a.kind == "reconfigure" or a.kind == "tie"
      return changes and is_mount(case, a.target) == false
    end,
    about = "only the root of a mount has attributes",
    why = function(case)
      return ("'%s' is no mount point: what is mounted there cannot be changed"):format(made(case).target)
    end,
    hint = "bind it onto itself first",
  },
  {
    cause = "not_mount_point", ops = "remount", codes = "EINVAL", syscalls = "mount_setattr mount",
    test = function(case)
      return case.step.slot == nil and nil
    end,
    about = "only the root of a mount has attributes",
    why = function(case)
      return ("'%s' is no mount point in the container"):format(case.step.target)
    end,
    hint = "bind it onto itself first",
  },
  {
    cause = "bad_option", ops = "mount", codes = "EINVAL",
    test = function(case)
      return is_kind(case, "reconfigure") and #made(case).options > 0 and nil
    end,
    about = "the file system refuses an option of a remount",
    why = function(case)
      return ("the file system refuses one of its new options: %s"):format(table.concat(made(case).options, ","))
    end,
    hint = "drop it; fspick and its context say of each what is wrong with it",
  },
  {
    cause = "other_userns", ops = "mount fsconfig", codes = "EPERM",
    test = function(case)
      return is_kind(case, "reconfigure") and tried.is_nested(case) and nil
    end,
    about = "a file system is changed only by who has power over the user namespace that it was mounted in",
    why = "the file system itself belongs to another user namespace: only its mounts here can be changed",
    hint = "remount with \"bind\", which changes this mount alone",
  },
  {
    cause = "busy", ops = CHANGES .. " fsconfig", codes = "EBUSY",
    test = function(case)
      if case.err.op == "fsconfig" then
        return is_kind(case, "reconfigure") and made(case).option == nil and nil
      end
      if is_kind(case, "change") or is_kind(case, "reconfigure") then
        return tried.asks_readonly(case) and (not tried.is_hierarchy(case) and not case.evidence:is_traced() or nil)
      end
      return false
    end,
    why = "a file on it is open for writing, and it is to become read-only",
    hint = "have it closed first (fuser -m, lsof)",
  },
  -- unmounting
  {
    cause = "not_mount_point", ops = "umount", codes = "EINVAL",
    test = function(case)
      return is_unfollowed(case) or is_mount(case, made(case).target) == false
    end,
    about = "nothing is mounted there",
    why = function(case)
      return ("'%s' is no mount point%s"):format(made(case).target,
        is_unfollowed(case) and ", but a symbolic link, where nofollow stops" or "")
    end,
    hint = "name the place as /proc/self/mountinfo has it",
  },
  {
    cause = "not_mount_point", ops = "unpin", codes = "EINVAL",
    about = "this namespace is not pinned there",
    why = function(case)
      return ("this namespace is not pinned to '%s'"):format(case.step.target)
    end,
    hint = "name the path that it was pinned to",
  },
  {
    cause = "flag_conflict", ops = "umount", codes = "EINVAL",
    test = function(case)
      local flags <const> = made(case).flags or {}
      return flags.expire == true and (flags.force or flags.detach or false)
    end,
    why = "expire goes with neither force nor detach", hint = "leave one of them out",
  },
  {
    cause = "root_mount", ops = "umount", codes = "EINVAL EBUSY",
    test = function(case)
      return made(case).target == "/"
    end,
    why = "it is the root of the mount namespace", hint = "pivot_root to another root first",
  },
  {
    cause = "locked", ops = "umount", codes = "EINVAL",
    test = function(case)
      return is_mount(case, made(case).target) and tried.is_nested(case) or false
    end,
    about = "a mount that came from a more privileged namespace is not taken away alone",
    why = function(case)
      return ("'%s' came from a more privileged mount namespace, and is locked in its place"):format(made(case).target)
    end,
    hint = "unmount it where it was mounted, or take away the whole tree that it lies in (pivot_root)",
  },
  {
    cause = "busy", ops = "umount", codes = "EBUSY",
    about = "files on it are in use, or something is mounted below it",
    why = function(case)
      local inside <const> = case.evidence:mounts_below(made(case).target) or {}
      return #inside > 0 and ("there are mounts below it: %s"):format(shared.mounts(inside))
        or "somebody has a file open on it, or is in a directory of it"
    end,
    hint = "unmount what is below first, or use \"detach\", which takes it out of sight at once",
  },
  {
    cause = "not_expired", ops = "umount", codes = "EAGAIN",
    why = "a mount expires at the second try, when nobody has used it since the first",
    hint = "try again later",
  },
}
