-- Why directories are not stacked: what overlayfs asks of its layers.
local layers = require "userns.evidence.layers"
local tried = require "userns.evidence.tried"

local OVERLAYS <const> = "mount overlay root_overlay fsconfig"

local MOST <const> = 500 -- lower layers

local function quote(path)
  return "'" .. path .. "'"
end

local function is_overlay(case)
  return tried.of(case).type == "overlay"
end

local function says(case, pattern)
  local words <const> = is_overlay(case) and tried.complaint(case)
  return words and words:find(pattern) ~= nil or false
end

local function mount_id(case, path)
  local on <const> = path and case.evidence:mount_of(path)
  return on and on.id
end

-- What has no directories that could be written to in this way.
local UNFIT <const> = { overlay = true, proc = true, sysfs = true, cgroup = true, cgroup2 = true, nfs = true,
  squashfs = true, fuse = true, devpts = true }

local function type_of(case, path)
  local fs <const> = path and case.evidence:statfs(path)
  return fs and fs.type, fs and fs.flags
end

-- Options that exclude each other where both are given.
local EXCLUSIVE <const> = {
  { "userxattr", "metacopy=on" }, { "userxattr", "redirect_dir=on" }, { "userxattr", "redirect_dir=follow" },
  { "userxattr", "verity=on" }, { "userxattr", "verity=require" }, { "metacopy=on", "nfs_export=on" },
  { "metacopy=on", "redirect_dir=nofollow" }, { "metacopy=on", "redirect_dir=off" },
  { "metacopy=off", "verity=on" }, { "index=off", "nfs_export=on" },
}

--- Two of the options that exclude each other.
local function exclusive(case)
  local given <const> = {}
  for _, option in ipairs(is_overlay(case) and tried.of(case).options or {}) do
    given[option] = true
  end
  for _, pair in ipairs(EXCLUSIVE) do
    if given[pair[1]] and given[pair[2]] then
      return table.concat(pair, " and ")
    end
  end
end

local OPTIONS <const> = {}
for name in ("lowerdir lowerdir+ datadir+ upperdir workdir default_permissions redirect_dir index uuid nfs_export "
  .. "userxattr xino metacopy verity volatile override_creds"):gmatch "%S+" do
  OPTIONS[name] = true
end

--- An option that no overlay has: before Linux 6.5 the kernel does not say which.
local function strange_option(case)
  for _, option in ipairs(is_overlay(case) and case.arguments and tried.of(case).options or {}) do
    if not OPTIONS[option:match "^[^=]*"] then
      return option
    end
  end
end

local UPPER <const> = "take a directory of ext4, xfs, btrfs or tmpfs as upper and work; or upper = \"tmpfs\""

return {
  {
    cause = "not_found", ops = "mount", codes = "ENOENT",
    test = function(case)
      return is_overlay(case) and layers.missing(case) ~= nil
    end,
    about = "a layer does not exist",
    why = function(case)
      local path <const>, role <const> = layers.missing(case)
      return ("%s, the %s directory, does not exist"):format(quote(path), role)
    end,
    hint = "create it, or correct the path",
  },
  {
    cause = "not_directory", ops = OVERLAYS, codes = "ENOTDIR EINVAL",
    test = function(case)
      return is_overlay(case) and layers.no_directory(case) ~= nil
    end,
    about = "a layer is no directory",
    why = function(case)
      local path <const>, role <const> = layers.no_directory(case)
      return ("%s, as %s, is no directory"):format(quote(path), role)
    end,
    hint = "layers are directories",
  },
  {
    cause = "too_many_layers", ops = OVERLAYS, codes = "EINVAL E2BIG",
    test = function(case)
      return says(case, "too many lower") or #((layers.of(case) or { lower = {} }).lower) > MOST
    end,
    about = "there are more than 500 lower layers",
    why = function(case)
      local l <const> = layers.of(case)
      return ("overlayfs takes %d lower layers%s"):format(MOST, l and (", and there are %d"):format(#l.lower) or "")
    end,
    hint = "merge some of them into one",
  },
  {
    cause = "too_many_layers", ops = "overlay root_overlay fsconfig", codes = "EINVAL",
    test = function(case)
      return case.err.item == 1 and says(case, "Unknown parameter 'lowerdir%+'")
    end,
    about = "before Linux 6.8 the names of all lower layers have 255 bytes together",
    why = "before Linux 6.8 the names of all lower layers have 255 bytes together",
    hint = "merge some of them into one",
  },
  {
    cause = "no_workdir", ops = OVERLAYS, codes = "EINVAL",
    test = function(case)
      local l <const> = layers.of(case)
      local alone <const> = l ~= nil and l.upper ~= nil and l.work == nil and not case.step.scratch
      return alone or says(case, "missing 'workdir'")
    end,
    why = "an upper directory needs a work directory on the same file system", hint = "give workdir too",
  },
  {
    cause = "no_lowerdir", ops = OVERLAYS, codes = "EINVAL",
    test = function(case)
      local l <const> = layers.of(case)
      return says(case, "missing 'lowerdir'") or l ~= nil and case.arguments ~= nil and #l.lower == 0
    end,
    why = "there is nothing to stack on: no lower directory", hint = "give lowerdir",
  },
  {
    cause = "one_layer", ops = OVERLAYS, codes = "EINVAL",
    test = function(case)
      local l <const> = layers.of(case)
      local alone <const> = l ~= nil and #l.lower == 1 and l.upper == nil and not case.step.scratch
      return alone or says(case, "at least 2 lowerdir")
    end,
    why = "one lower directory alone is nothing to stack", hint = "give a second one or an upper one, or bind it",
  },
  {
    cause = "upper_unsupported", ops = OVERLAYS, codes = "EINVAL",
    test = function(case)
      local l <const> = layers.of(case)
      local type <const> = type_of(case, l and l.upper)
      if says(case, "as upperdir") then
        return true
      elseif not type or type == "tmpfs" or type == "ext4" or type == "xfs" or type == "btrfs" then
        return false
      end
      return UNFIT[type] or nil
    end,
    about = "the file system of `upper` cannot be written to as a layer",
    why = function(case)
      local upper <const> = (layers.of(case) or {}).upper
      local type <const> = type_of(case, upper)
      return type and ("%s lies on %s, which cannot be an upper layer"):format(quote(upper), type)
        or "the upper directory lies on a file system that cannot be an upper layer"
    end,
    hint = UPPER,
  },
  {
    cause = "upper_read_only", ops = OVERLAYS, codes = "EROFS EINVAL",
    test = function(case)
      local l <const> = layers.of(case)
      local _, flags <const> = type_of(case, l and l.upper)
      return flags ~= nil and flags.ro == true
    end,
    about = "the file system of `upper` is read-only",
    why = function(case)
      return ("%s lies on a mount that is read-only"):format(quote(layers.of(case).upper))
    end,
    hint = "take a directory that can be written to, or none: an overlay without upper is read-only",
  },
  {
    cause = "work_elsewhere", ops = OVERLAYS, codes = "EINVAL EXDEV",
    test = function(case)
      local l <const> = layers.of(case)
      local upper <const>, work <const> = mount_id(case, l and l.upper), mount_id(case, l and l.work)
      return says(case, "under the same mount") or upper ~= nil and work ~= nil and upper ~= work
    end,
    about = "`upper` and `work` lie on two mounts",
    why = function(case)
      local l <const> = layers.of(case)
      return l and ("%s and %s lie on two mounts"):format(quote(l.upper), quote(l.work))
        or "upper and work lie on two mounts"
    end,
    hint = "put work beside upper, on the same mount",
  },
  {
    cause = "symlink_loop", ops = "mount", codes = "ELOOP",
    test = function(case)
      return is_overlay(case) and layers.looping(case) ~= nil
    end,
    about = "a layer is a symbolic link that leads back to itself",
    why = function(case)
      return ("%s is a symbolic link that leads back to itself, or to one that may not be followed"):format(
        quote(layers.looping(case)))
    end,
    hint = "name the directory without the link",
  },
  {
    cause = "layers_overlap", ops = OVERLAYS, codes = "EINVAL ELOOP",
    test = function(case)
      if not is_overlay(case) then
        return false
      end
      if says(case, "separate subtrees") or layers.overlapping(case) ~= nil then
        return true
      end
      return case.err.code == "ELOOP" and (not case.evidence:is_traced() or nil)
    end,
    about = "a lower layer lies in another, or upper and work in each other, or one is given twice",
    why = function(case)
      local inner <const>, outer <const> = layers.overlapping(case)
      if not inner then
        return "one layer lies in another"
      elseif inner == outer then
        return ("%s is given twice"):format(quote(inner))
      end
      local is_one <const> = layers.is_same(case.evidence:stat(inner), case.evidence:stat(outer))
      return (is_one and "%s and %s are one directory" or "%s lies in %s, another layer"):format(
        quote(inner), quote(outer))
    end,
    hint = "take a lower layer that lies in no other layer, and upper and work beside each other",
  },
  {
    cause = "option_conflict", ops = OVERLAYS, codes = "EINVAL",
    test = function(case)
      return exclusive(case) ~= nil
    end,
    about = "two options exclude each other",
    why = function(case)
      return ("%s exclude each other"):format(exclusive(case))
    end,
    hint = "leave one of them out",
  },
  {
    cause = "bad_option", ops = "mount", codes = "EINVAL",
    test = function(case)
      return strange_option(case) ~= nil
    end,
    about = "an overlay has no such option",
    why = function(case)
      return ("an overlay has no option '%s'"):format(strange_option(case))
    end,
    hint = "correct or drop it",
  },
  {
    cause = "stale_layers", ops = OVERLAYS, codes = "ESTALE",
    test = function(case)
      return is_overlay(case) and (not case.evidence:is_traced() or nil)
    end,
    why = "the upper or work directory was made with other layers, which index=on remembers",
    hint = "stack it on the layers that it had at first, or take new directories as upper and work",
  },
  {
    cause = "layer_unsupported", ops = OVERLAYS, codes = "EINVAL",
    test = function(case)
      return layers.first(case, function(layer)
        return type_of(case, layer) == "proc"
      end) ~= nil
    end,
    about = "nothing is stacked on proc",
    why = function(case)
      local path <const> = layers.first(case, function(layer)
        return type_of(case, layer) == "proc"
      end)
      return ("%s lies on proc, which nothing is stacked on"):format(quote(path))
    end,
    hint = "leave it out, and mount a proc of the container's own over the overlay",
  },
  {
    cause = "stacking_depth", ops = OVERLAYS, codes = "EINVAL",
    test = function(case)
      if says(case, "stacking depth") then
        return true
      end
      local path <const> = layers.first(case, function(layer)
        return type_of(case, layer) == "overlay"
      end)
      if not path then
        return false
      end
      return layers.first(case, function(layer)
        return layers.depth(case, layer, 0) > 1
      end) ~= nil or nil
    end,
    about = "overlays are stacked on overlays twice at most",
    why = function(case)
      local path <const> = layers.first(case, function(layer)
        return type_of(case, layer) == "overlay"
      end)
      return ("%s is on an overlay of overlays already, and the kernel stacks two"):format(quote(path or "a layer"))
    end,
    hint = "list the lower layers of those overlays instead, in one",
  },
  {
    cause = "locked_children", ops = OVERLAYS, codes = "EINVAL",
    test = function(case)
      return is_overlay(case) and layers.uncovering(case) ~= nil
    end,
    about = "a layer has mounts below it, which a new user namespace may not uncover",
    why = function(case)
      local path <const> = layers.uncovering(case)
      return ("%s has mounts below it, which a user namespace may not uncover: %s"):format(quote(path),
        case.evidence:mounts_below(path)[1].target)
    end,
    hint = "take directories that have no mounts in them as layers",
  },
  {
    cause = "fs_log", ops = OVERLAYS, codes = "EINVAL EPERM ENOENT ENOTDIR EBUSY EOPNOTSUPP",
    test = function(case)
      return is_overlay(case) and tried.complaint(case) ~= nil
    end,
    about = "the kernel says itself what is wrong with an option",
    why = function(case)
      return "the kernel says: " .. tried.complaint(case)
    end,
    hint = "correct or drop that layer or option",
  },
  {
    cause = "ids_unmapped", ops = OVERLAYS, codes = "EACCES EOVERFLOW",
    test = function(case)
      if not is_overlay(case) or not case.arguments then
        return false
      end
      local uid <const>, gid <const> = case.evidence:ids()
      return case.evidence:is_mapped("uid", uid) == false or case.evidence:is_mapped("gid", gid) == false
    end,
    why = "the caller's ids are not mapped in its user namespace, and it makes directories in `work`",
    hint = "write uid_map and gid_map first",
  },
  {
    cause = "no_access", ops = OVERLAYS, codes = "EACCES EPERM",
    test = function(case)
      local l <const> = layers.of(case)
      if not l or not l.upper then
        return false
      end
      return layers.unwritable(case) ~= nil or nil
    end,
    about = "upper or work may not be written by who stacks the layers",
    why = function(case)
      local path <const> = layers.unwritable(case)
      return (path and quote(path) or "upper or work") .. " may not be written by who stacks the layers"
    end,
    hint = "let them belong to who starts the container",
  },
  {
    cause = "needs_userxattr", ops = OVERLAYS, codes = "EPERM",
    test = function(case)
      local given <const> = (layers.of(case) or {}).given or {}
      return (given.metacopy or given.redirect_dir or given.verity or given.nfs_export) ~= nil
        and tried.is_nested(case)
    end,
    about = "options that store attributes only root of the first user namespace may write",
    why = "metacopy, redirect_dir and verity store attributes that only root of the first user namespace may write",
    hint = "drop these options; userxattr does without them",
  },
  {
    cause = "upper_in_use", ops = OVERLAYS, codes = "EBUSY",
    test = function(case)
      if not is_overlay(case) then
        return false
      end
      return not case.evidence:is_traced() or nil
    end,
    why = "another overlay has this upper or work directory", hint = "give each overlay directories of its own",
  },
  {
    cause = "work_not_empty", ops = OVERLAYS, codes = "EINVAL",
    test = function(case)
      local l <const> = layers.of(case)
      if not l or not l.work then
        return false
      end
      return layers.is_spent(case) or nil
    end,
    about = "the work directory cannot be made ready",
    why = function(case)
      return ("the work directory %s %s"):format(quote(layers.of(case).work),
        layers.is_spent(case) and "is of a volatile overlay, after which it is not used again"
          or "cannot be made ready: it is not empty, or its file system has no such attributes")
    end,
    hint = "take an empty one, writable by who starts the container",
  },
  {
    cause = "unattached_layer", ops = "overlay root_overlay mount", codes = "EINVAL",
    test = function(case)
      if not is_overlay(case) then
        return false
      end
      return layers.outside(case) ~= nil or nil
    end,
    about = "a layer lies on a file system that cannot be stacked, or on a mount of another namespace",
    why = function(case)
      local layer <const> = layers.outside(case)
      return layer and ("%s lies on a mount of another namespace"):format(quote(layer))
        or "a layer lies on a file system that cannot be stacked, or on a mount of another namespace"
    end,
    hint = "take directories of this mount namespace, of ext4, xfs, btrfs or tmpfs",
  },
}
