-- Why a mount is not copied or attached.
local is_within <const> = require("userns.path").is_within
local shared = require "userns.causes.shared"
local tried = require "userns.evidence.tried"

local COPIES <const> = "mount open_tree open idmap mask readonly"

local made <const>, is_kind <const>, is_mount <const> = tried.of, tried.is_kind, tried.is_mount
local below <const> = tried.below

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

-- Of which every mount(2) makes another one.
local MADE_ANEW <const> = { tmpfs = true, ramfs = true, devpts = true, overlay = true, fuse = true }

--- The mount on a place of what is to be mounted there anew.
local function same_there(case)
  local a <const> = made(case)
  local there <const> = a.kind == "new" and case.arguments and case.evidence:mount_at(a.target)
  return there and there.type == a.type and not MADE_ANEW[a.type] and there or nil
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
      return is_kind(case, "unmount") and "enter that namespace (setns with mnt), and unmount it there"
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
        made(case).source, shared.mounts(below(case)))
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
      if not tried.is_hierarchy(case) then
        return false
      end
      return not tried.asks_readonly(case) and not case.evidence:is_traced() or nil
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
}
