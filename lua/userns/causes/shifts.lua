-- Why the ids of owners are not shifted on a mount.
local tried = require "userns.evidence.tried"

local SHIFTS <const> = "mount_setattr idmap"

local made <const>, is_kind <const>, below <const> = tried.of, tried.is_kind, tried.below

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

return {
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
}
