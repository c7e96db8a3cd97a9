-- Why a mount is not copied, attached, changed or taken away.
local is_within <const> = require("userns.path").is_within
local tried = require "userns.evidence.tried"

local COPIES <const> = "mount open_tree open idmap mask readonly"
local CHANGES <const> = "mount mount_setattr remount bind root_bind readonly"
local SHIFTS <const> = "mount_setattr idmap"

local function made(case)
  return tried.of(case)
end

local function is_kind(case, kind)
  return made(case).kind == kind
end

local is_mount <const> = tried.is_mount

--- The mounts below what was to be copied or moved.
local function below(case)
  local source <const> = made(case).source
  return source and case.evidence:mounts_below(source) or {}
end

local function names(mounts)
  local list <const> = {}
  for i, mount in ipairs(mounts) do
    list[i] = i <= 3 and mount.target or nil
  end
  return table.concat(list, ", ") .. (#mounts > 3 and (" and %d more"):format(#mounts - 3) or "")
end

local function is_locked_tree(case)
  local a <const> = made(case)
  if not a.copies or a.recursive or not tried.is_nested(case) then
    return false
  end
  return #below(case) > 0
end

local function is_unbindable(case)
  local a <const> = made(case)
  if not a.copies then
    return false
  end
  local mount <const> = a.source and case.evidence:mount_holding(a.source)
  return mount ~= nil and mount.unbindable
end

--- Whether a path leads into another mount namespace, as below /proc/PID/root.
local function is_foreign(case)
  local a <const> = made(case)
  local on <const> = a.source and case.evidence:mount_of(a.source)
  if not a.copies or not on then
    return false
  end
  return case.evidence:mount_holding(a.source) == nil
end

--- The mount that the one at a path lies on.
local function parent_of(case, path)
  local mount <const> = path and case.evidence:mount_holding(path)
  return mount and case.evidence:parent_of(mount)
end

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

-- Whose owners' ids can be shifted, as of Linux 6.18; and some whose cannot.
local SHIFTED <const> = { ext4 = true, xfs = true, btrfs = true, tmpfs = true, squashfs = true }
local UNSHIFTED <const> = { proc = true, sysfs = true, cgroup = true, cgroup2 = true, devpts = true, nfs = true,
  overlay = true, ramfs = true, nsfs = true }

local function place_of(case)
  return made(case).place
end

local function type_at(case)
  local place <const> = place_of(case)
  local fs <const> = place and case.evidence.source.statfs(place)
  return fs and fs.type
end

-- Of which every mount(2) makes another one.
local MADE_ANEW <const> = { tmpfs = true, ramfs = true, devpts = true, overlay = true, fuse = true }

--- The mount on a place of what is to be mounted there anew.
local function same_there(case)
  local a <const> = made(case)
  local there <const> = a.kind == "new" and case.arguments and case.evidence:mount_at(a.target)
  return there and there.type == a.type and not MADE_ANEW[a.type] and there or nil
end

--- The user namespace whose maps are to be used.
local function userns_of(case)
  local userns <const> = is_kind(case, "idmap") and case.step.changes and case.step.changes.userns
  return userns and case.evidence:namespace("user", userns)
end

--- Whether a user namespace lacks a map, as one of its processes has it; nil where
--- none is in sight.
local function is_unwritten(case, userns)
  local pid <const> = case.evidence:inhabitant(userns)
  local uids <const>, gids <const> = pid and case.evidence:map_of("uid", pid), pid and case.evidence:map_of("gid", pid)
  if not uids or not gids then
    return nil
  end
  return #uids == 0 or #gids == 0
end

local function count(case)
  local limit <const>, mounts <const> = case.evidence:sysctl "fs/mount-max", case.evidence:mounts()
  return limit, mounts and #mounts
end

return {
  -- copies
  {
    cause = "unbindable", ops = COPIES, codes = "EINVAL", test = is_unbindable,
    about = "the source lies on a mount that is unbindable",
    why = function(case)
      return ("'%s' lies on a mount that is unbindable"):format(made(case).source)
    end,
    hint = "make it private first, or bind something else",
  },
  {
    cause = "other_mntns", ops = COPIES, codes = "EINVAL", test = is_foreign,
    about = "the source belongs to another mount namespace",
    why = function(case)
      return ("'%s' is on a mount of another mount namespace, and only the caller's own are bound"):format(
        made(case).source)
    end,
    hint = "enter that namespace, take a copy there (open_tree with clone), and attach its descriptor here",
  },
  {
    cause = "locked_children", ops = COPIES, codes = "EINVAL", test = is_locked_tree,
    about = "a tree with mounts of a more privileged namespace in it is bound without them",
    why = function(case)
      return ("'%s' has mounts below it that a user namespace may not uncover: %s"):format(
        made(case).source, names(below(case)))
    end,
    hint = function(case)
      return case.arguments and "bind recursively, with all that is mounted there"
        or "set recursive = true, to bind all that is mounted there"
    end,
  },
  -- places
  {
    cause = "into_itself", ops = "mount move_mount", codes = "ELOOP",
    test = function(case)
      local a <const> = made(case)
      return a.kind == "move" and a.source ~= nil and a.target ~= nil and is_within(a.target, a.source)
    end,
    about = "a mount is moved to a place below itself",
    why = function(case)
      return ("'%s' lies below '%s', which is to be moved there"):format(made(case).target, made(case).source)
    end,
    hint = "bind it there instead",
  },
  {
    cause = "not_mount_point", ops = "mount move_mount", codes = "EINVAL",
    test = function(case)
      return is_kind(case, "move") and is_mount(case, made(case).source) == false
    end,
    about = "only the root of a mount is moved",
    why = function(case)
      return ("'%s' is no mount point, and only mounts are moved"):format(made(case).source)
    end,
    hint = "bind it, or bind it onto itself first and move that",
  },
  {
    cause = "shared_parent", ops = "mount move_mount", codes = "EINVAL",
    test = function(case)
      local parent <const> = is_kind(case, "move") and parent_of(case, made(case).source)
      return parent and parent.shared ~= nil or false
    end,
    about = "a mount that lies on a shared one is not moved",
    why = function(case)
      return ("'%s' lies on '%s', which is shared: nothing is moved away from it"):format(
        made(case).source, parent_of(case, made(case).source).target)
    end,
    hint = function(case)
      return ("make '%s' private first"):format(parent_of(case, made(case).source).target)
    end,
  },
  {
    cause = "locked", ops = "mount move_mount", codes = "EINVAL",
    test = function(case)
      return is_kind(case, "move") and tried.is_nested(case) and is_mount(case, made(case).source) or false
    end,
    about = "a mount that came from a more privileged namespace stays where it is",
    why = function(case)
      return ("'%s' came from a more privileged mount namespace, and is locked in its place"):format(made(case).source)
    end,
    hint = "bind it recursively where it is wanted",
  },
  {
    cause = "already_mounted", ops = "mount", codes = "EBUSY",
    test = function(case)
      return same_there(case) ~= nil
    end,
    about = "the same file system is mounted on this place already",
    why = function(case)
      return ("the same file system is mounted on '%s' already"):format(made(case).target)
    end,
    hint = "leave the second mount out, or unmount the first",
  },
  {
    cause = "used_up", ops = "bind take", codes = "EINVAL", syscalls = "move_mount",
    test = function(case)
      return not case.arguments
    end,
    why = "the mount is attached somewhere, or is none",
    hint = "a prepared mount is attached nowhere, and is used up by one launch",
  },
  {
    cause = "mount_max", ops = "any", codes = "ENOSPC", syscalls = "mount move_mount open_tree fsmount clone3 unshare",
    test = function(case)
      local limit <const>, now <const> = count(case)
      return limit ~= nil and now ~= nil and now + #below(case) + 1 > limit
    end,
    about = "the mount namespace has as many mounts as fs.mount-max allows",
    why = function(case)
      local limit <const>, now <const> = count(case)
      return ("a mount namespace has at most fs.mount-max mounts, %d here, and this one has %d"):format(limit, now)
    end,
    hint = "bind without recursive, unmount what is not needed, or as root: sysctl fs.mount-max",
  },
  {
    cause = "limit_mnt", ops = "any", codes = "ENOSPC", syscalls = "fsmount open_tree",
    about = "a mount that is attached nowhere counts as a mount namespace, and user.max_mnt_namespaces allows no more",
    why = function(case)
      local limit <const> = case.evidence:sysctl "user/max_mnt_namespaces"
      return ("a mount that is attached nowhere counts as a mount namespace, of which user.max_mnt_namespaces allows "
        .. "no more%s"):format(limit and (", %d here"):format(limit) or "")
    end,
    hint = "close mounts that are not attached, or as root: sysctl user.max_mnt_namespaces",
  },
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
        return not case.evidence:is_traced() or nil
      end
      return false
    end,
    why = "a file on it is open for writing, and it is to become read-only",
    hint = "have it closed first (fuser -m, lsof)",
  },
  -- shifted ids
  {
    cause = "idmap_attached", ops = "mount_setattr", codes = "EINVAL",
    test = function(case)
      if not is_kind(case, "idmap") or type(place_of(case)) ~= "string" then
        return false
      end
      return case.evidence:mount_holding(place_of(case)) ~= nil
    end,
    why = "the mount is attached: ids are shifted before anybody sees it",
    hint = "take a copy (open_tree with clone), shift that, then attach it with move_mount",
  },
  {
    cause = "idmap_unsupported", ops = SHIFTS, codes = "EINVAL",
    test = function(case)
      local type <const> = is_kind(case, "idmap") and type_at(case)
      if not type or SHIFTED[type] then
        return false
      end
      return UNSHIFTED[type] or nil
    end,
    about = "the file system cannot have the ids of its owners shifted",
    why = function(case)
      return ("this kernel cannot shift the ids of owners on %s"):format(type_at(case) or "this file system")
    end,
    hint = "bind it without idmap, or take files from ext4, xfs, btrfs or tmpfs",
  },
  {
    cause = "idmap_empty", ops = "mount_setattr", codes = "EINVAL",
    test = function(case)
      local userns <close> = userns_of(case)
      if not userns then
        return false
      end
      return is_unwritten(case, userns)
    end,
    why = "the user namespace whose maps are to be used has none yet, or one alone",
    hint = "write its uid_map and gid_map first",
  },
  {
    cause = "idmap_same_userns", ops = SHIFTS, codes = "EINVAL",
    test = function(case)
      return is_kind(case, "idmap") and tried.is_nested(case) and type_at(case) == "tmpfs" and nil
    end,
    why = "the file system was mounted in that user namespace, whose ids it has already",
    hint = "hand over a user namespace with other maps",
  },
  {
    cause = "idmap_init_userns", ops = "mount_setattr", codes = "EPERM",
    test = function(case)
      local ns <close> = userns_of(case)
      if not ns then
        return false
      end
      local st <const> = ns and case.evidence.source.stat(ns)
      return st ~= nil and st.inode == 0xEFFFFFFD
    end,
    why = "the user namespace is the first one, which shifts nothing",
    hint = "hand over one that has maps of its own",
  },
  {
    cause = "idmap_not_owner", ops = SHIFTS, codes = "EPERM",
    test = function(case)
      if case.err.op == "mount_setattr" and not is_kind(case, "idmap") then
        return false
      end
      local power <const> = case.evidence:is_privileged "sys_admin" -- a plan's step is the host's own, too
      if power == nil then
        return nil
      end
      return not power
    end,
    about = "ids are shifted by who has CAP_SYS_ADMIN over the user namespace that the file system was mounted in",
    why = function(case)
      return ("ids of owners are shifted by who may administer the file system%s, and the caller may not"):format(
        type_at(case) and (" (%s)"):format(type_at(case)) or "")
    end,
    hint = "ids of a mount are shifted by who may administer its file system: root of the host, or of the user "
      .. "namespace it was mounted in",
  },
  {
    cause = "idmap_again", ops = SHIFTS, codes = "EPERM",
    test = function(case)
      return is_kind(case, "idmap")
    end,
    why = "the ids on this mount are shifted already, and that is for good",
    hint = "shift them on a copy of the original",
  },
  -- unmounting
  {
    cause = "not_mount_point", ops = "umount", codes = "EINVAL",
    test = function(case)
      return is_mount(case, made(case).target) == false
    end,
    about = "nothing is mounted there",
    why = function(case)
      return ("'%s' is no mount point"):format(made(case).target)
    end,
    hint = "name the place as /proc/self/mountinfo has it",
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
      return #inside > 0 and ("there are mounts below it: %s"):format(names(inside))
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
