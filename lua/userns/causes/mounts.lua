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

--- Whether a path leads into another mount namespace, as below /proc/PID/root; a
--- namespace's own file lies in none.
local function is_foreign(case, path)
  return case.evidence:mount_holding(path) == nil and (case.evidence:statfs(path) or {}).type ~= "nsfs"
end

--- The path that leads into another mount namespace. That of a plan's target is known
--- to the container alone.
local function foreign(case)
  local a <const> = made(case)
  local source <const>, target <const> = (a.copies or a.kind == "move") and a.source, case.arguments and a.target
  for _, path in ipairs { source or false, target or false } do
    if path and is_foreign(case, path) then
      return path
    end
  end
end

--- The mount that the one at a path lies on.
local function parent_of(case, path)
  local mount <const> = path and case.evidence:mount_holding(path)
  return mount and case.evidence:parent_of(mount)
end

--- The mount of what is moved that is not to be copied, which a shared place would
--- have done.
local function kept_single(case)
  local a <const> = made(case)
  local place <const> = a.beneath and parent_of(case, a.target) or case.evidence:mount_holding(a.target)
  local top <const> = case.evidence:mount_holding(a.moved)
  if not top or not place.shared then
    return nil -- a tree that is attached nowhere is a copy already
  end
  for _, mount in ipairs { top, table.unpack(case.evidence:mounts_below(top.target)) } do
    if mount.unbindable then
      return mount.target
    end
  end
end

--- The file of a namespace that is to be mounted.
local function mntns_file(case)
  local source <const> = made(case).copies and made(case).source or case.step.namespace
  local fs <const> = source and case.evidence.source.statfs(source)
  return fs and fs.type == "nsfs" and source or nil
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
  overlay = true, ramfs = true, nsfs = true, devtmpfs = true, mqueue = true, debugfs = true, tracefs = true,
  securityfs = true, bpf = true }

local function place_of(case)
  return made(case).place
end

local function type_at(case)
  local place <const> = place_of(case)
  return place and case.evidence:fs_type(place)
end

--- The first file system of the tree whose owners' ids are to be shifted that is one
--- of these, and where it is.
local function first_of(case, is_one)
  local top <const> = { type = type_at(case), target = place_of(case) }
  for _, mount in ipairs { top, table.unpack(made(case).recursive and below(case) or {}) } do
    if is_one(mount.type) then
      return mount.type, mount.target
    end
  end
end

local function unshifted(case)
  return first_of(case, function(type)
    return UNSHIFTED[type]
  end)
end

local function maybe_unshifted(case)
  return first_of(case, function(type)
    return not SHIFTED[type]
  end)
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
  if userns then
    return case.evidence:namespace("user", userns)
  end
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

--- Whether a mount, or its file system, is to become read-only.
local function asks_readonly(case)
  local a <const> = made(case)
  for _, word in ipairs(case.step.attrs or a.options or {}) do
    if word == "readonly" or word == "ro" then
      return true
    end
  end
  local flags <const> = a.flags or a.set or {}
  return flags.readonly or flags.ro or false
end

--- Whether it is about a hierarchy of cgroups, of version 1, as a whole.
local function is_hierarchy(case)
  local a <const> = made(case)
  local mount <const> = a.kind == "reconfigure" and case.evidence:mount_at(a.target)
  return (a.kind == "new" and a.type or mount and mount.type) == "cgroup"
end

--- Whether what is to be unmounted is the link itself.
local function is_unfollowed(case)
  local a <const> = made(case)
  return (a.flags or {}).nofollow and (case.evidence:stat(a.target, "nofollow") or {}).type == "symlink"
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
    cause = "mntns_loop", ops = "mount open_tree open pin", codes = "EINVAL",
    test = function(case)
      local file <const> = mntns_file(case)
      if not file then
        return false
      end
      local ns <close> = case.evidence:namespace("mnt", file)
      return ns ~= nil and (case.evidence:is_own("mnt", file) or nil)
    end,
    about = "what a mount namespace has mounted would keep itself alive",
    why = "a mount namespace is mounted only in one that is older: in itself, or in a younger one, it would never end",
    hint = "keep an open file of it, or mount it from an older mount namespace",
  },
  {
    cause = "other_mntns", ops = COPIES .. " umount move_mount mount_setattr", codes = "EINVAL",
    test = function(case)
      return foreign(case) ~= nil
    end,
    about = "it lies on a mount of another mount namespace",
    why = function(case)
      return ("'%s' is on a mount of another mount namespace, and only the caller's own are bound, moved or changed")
        :format(foreign(case))
    end,
    hint = function(case)
      return made(case).kind == "unmount" and "enter that namespace (setns with mnt), and unmount it there"
        or made(case).source == foreign(case)
          and "enter that namespace, take a copy there (open_tree with clone), and attach its descriptor here"
        or "enter that namespace (setns with mnt), and do it there"
    end,
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
      return is_kind(case, "move") and is_mount(case, made(case).moved) == false
    end,
    about = "only the root of a mount is moved",
    why = function(case)
      return ("%s is no mount point, and only mounts are moved"):format(
        made(case).source and ("'%s'"):format(made(case).source) or "what is open there")
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
    cause = "not_mount_point", ops = "move_mount", codes = "EINVAL",
    test = function(case)
      return made(case).beneath and is_mount(case, made(case).target) == false or false
    end,
    about = "nothing is mounted where something is to be put beneath",
    why = function(case)
      return ("'%s' is no mount point, and there is nothing to put something beneath"):format(made(case).target)
    end,
    hint = "attach it without beneath",
  },
  {
    cause = "root_mount", ops = "move_mount", codes = "EINVAL",
    test = function(case)
      return made(case).beneath and made(case).target == "/" or false
    end,
    why = "nothing is put beneath the root of the mount namespace", hint = "attach it below, and pivot_root to it",
  },
  {
    cause = "not_shared", ops = "move_mount", codes = "EINVAL",
    test = function(case)
      local a <const> = made(case)
      local mount <const> = is_kind(case, "group") and case.evidence:mount_holding(a.source)
      return mount and not mount.shared and not mount.master or false
    end,
    about = "a mount that is in no group has none to give",
    why = function(case)
      return ("'%s' is shared with no other mount, and has no group to give"):format(made(case).source)
    end,
    hint = "make it shared first",
  },
  {
    cause = "unbindable", ops = "mount move_mount", codes = "EINVAL",
    test = function(case)
      return is_kind(case, "move") and kept_single(case) ~= nil
    end,
    about = "what is moved is unbindable, and the place is shared, which would copy it",
    why = function(case)
      return ("'%s' is unbindable, and '%s' is shared, which would have copies of it"):format(
        kept_single(case), made(case).target)
    end,
    hint = "make the place private first, or what is moved private instead of unbindable",
  },
  {
    cause = "locked", ops = "mount move_mount", codes = "EINVAL",
    test = function(case)
      local a <const> = made(case)
      return is_kind(case, "move") and not a.beneath and tried.is_nested(case) and is_mount(case, a.source) or false
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
    cause = "cgroup_in_use", ops = "mount", codes = "EBUSY",
    test = function(case)
      if not is_hierarchy(case) then
        return false
      end
      return not asks_readonly(case) and not case.evidence:is_traced() or nil
    end,
    about = "a hierarchy of cgroups is not changed while it has any, nor a controller taken from another",
    why = function(case)
      return is_kind(case, "new") and "a controller that it names is used by another hierarchy already"
        or ("the hierarchy of cgroups that is mounted on '%s' is not changed while it has cgroups"):format(
          made(case).target)
    end,
    hint = function(case)
      return is_kind(case, "new") and "name all the controllers of that hierarchy (/proc/self/cgroup), or others"
        or "remount with \"bind\", which changes this mount alone"
    end,
  },
  {
    cause = "device_in_use", ops = "mount", codes = "EBUSY",
    test = function(case)
      return tried.is_on_device(case) and (not case.evidence:is_traced() or nil)
    end,
    about = "a device that is mounted already, but not with the same readonly, or that something else has",
    why = function(case)
      return ("'%s' is mounted already, writable where this would be read-only or the other way round, or is in use "
        .. "for something else (swap, RAID, LVM)"):format(made(case).source)
    end,
    hint = "look at it with lsblk; bind what is mounted, and make the bind readonly",
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
        return asks_readonly(case) and (not is_hierarchy(case) and not case.evidence:is_traced() or nil)
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
      if not is_kind(case, "idmap") or not type_at(case) or not maybe_unshifted(case) then
        return false
      end
      return unshifted(case) ~= nil or nil
    end,
    about = "the file system cannot have the ids of its owners shifted",
    why = function(case)
      local fs, place = unshifted(case)
      if not fs then
        fs, place = maybe_unshifted(case)
      end
      return ("this kernel cannot shift the ids of owners on %s%s"):format(fs,
        type(place) == "string" and (", which '%s' is on"):format(place) or "")
    end,
    hint = "bind it without idmap, or take files from ext4, xfs, btrfs or tmpfs",
  },
  {
    cause = "not_userns", ops = "mount_setattr", codes = "EINVAL",
    test = function(case)
      local userns <close>, err <const> = userns_of(case)
      return not userns and err ~= nil and (err.code == "EINVAL" or err.code == "ENOTTY")
    end,
    about = "what is open as `userns` is no user namespace",
    why = "what is open as userns is no user namespace",
    hint = "open /proc/PID/ns/user of a process in the one whose maps are to be used, or take its userns.Namespace",
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
      -- a plan's is one that the container makes, and nothing has been mounted in
      local is_known <const> = case.arguments ~= nil or case:has "join" ~= nil
      return is_known and is_kind(case, "idmap") and tried.is_nested(case) and type_at(case) == "tmpfs" and nil
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
