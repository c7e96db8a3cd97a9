-- Who may change mounts at all: the kernel asks first of all.
local tried = require "userns.evidence.tried"

local CHANGES <const> = "mount bind overlay open root_host root_bind root_tmpfs root_overlay propagation mask readonly "
  .. "remount pivot_root lock_mounts open_tree move_mount mount_setattr fsopen fsconfig fsmount fspick umount take "
  .. "dir file symlink"

-- The calls that ask; the others find their files like any program.
local CALLS <const> = "mount umount2 open_tree move_mount mount_setattr fsopen fsconfig fsmount fspick pivot_root"

-- That ask a security module before the kernel says anything of its own.
local HOOKED <const> = "mount umount2 move_mount pivot_root"

local function is_apart(case)
  return tried.owns(case, "mnt") == false
end

return {
  {
    cause = "no_cap", ops = CHANGES, codes = "EPERM", syscalls = CALLS,
    test = function(case)
      local made <const> = tried.of(case)
      if case.err.syscall == "open_tree" and not made.copies then
        return false
      end
      local may <const> = tried.may_mount(case)
      if may == nil then
        return nil
      end
      return not may
    end,
    about = "the caller lacks CAP_SYS_ADMIN over the mount namespace, which may belong to another user namespace",
    why = function(case)
      return is_apart(case) and "the mount namespace belongs to another user namespace than the caller's"
        or "the caller has no CAP_SYS_ADMIN over its mount namespace"
    end,
    hint = function(case)
      return is_apart(case) and "make a mnt namespace together with the user namespace, or after it"
        or "make a user and a mnt namespace first, or be root"
    end,
  },
  {
    cause = "no_cap", ops = "chroot", codes = "EPERM",
    test = function(case)
      local has <const> = case.evidence:capable "sys_chroot"
      if has == nil then
        return nil
      end
      return not has
    end,
    why = "the caller has no CAP_SYS_CHROOT", hint = "make a user namespace first, or be root",
  },
  {
    cause = "landlock", ops = CHANGES, codes = "EPERM", syscalls = HOOKED,
    test = function(case)
      return case.evidence:is_landlocked()
    end,
    why = "the host program is restricted by Landlock: who is may change no mounts, even in namespaces of its own",
    hint = "start the host program without the ruleset, or describe its files with `landlock` instead of mounts",
  },
}
