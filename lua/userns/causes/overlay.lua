-- Why directories are not stacked: what overlayfs asks of its layers.
local tried = require "userns.evidence.tried"

local OVERLAYS <const> = "mount overlay root_overlay fsconfig"

local MOST <const> = 500 -- lower layers

local function quote(path)
  return "'" .. path .. "'"
end

--- The path that a step has opened into a slot.
local function opened(case, slot)
  for _, step in ipairs(case.plan) do
    if step.op == "open" and step.slot == slot then
      return step.path
    end
  end
end

local function split_layers(text)
  local list <const> = {}
  for path in (text or ""):gsub("\\:", "\0"):gmatch("[^:]+") do
    list[#list + 1] = (path:gsub("%z", ":"))
  end
  return list
end

local function of_step(case)
  local step <const>, lower <const> = case.step, {}
  for i, slot in ipairs(step.lower or {}) do
    lower[i] = opened(case, slot)
  end
  local upper <const>, work <const> = step.upper, step.work
  return { lower = lower, upper = upper and opened(case, upper), work = work and opened(case, work) }
end

local function of_options(options)
  local given <const> = {}
  for _, option in ipairs(options or {}) do
    local key <const>, value <const> = option:match("^([^=]*)=(.*)$")
    if key then
      given[key] = value
    end
  end
  return { lower = split_layers(given.lowerdir), upper = given.upperdir, work = given.workdir, given = given }
end

--- The layers' paths; nil for what is no overlay, or whose layers are not known.
local function layers(case)
  if case.layers == nil then
    local made <const> = tried.of(case)
    local known <const> = made.type == "overlay" and case.err.op ~= "fsconfig"
    case.layers = known and (case.step.lower and of_step(case) or of_options(made.options)) or false
  end
  return case.layers or nil
end

local function is_overlay(case)
  return tried.of(case).type == "overlay"
end

local function says(case, pattern)
  local words <const> = is_overlay(case) and tried.complaint(case)
  return words and words:find(pattern) ~= nil or false
end

--- Upper, work and the lower ones, with what each is.
local function each(case)
  local l <const> = layers(case) or { lower = {} }
  local list <const> = {}
  list[#list + 1] = l.upper and { role = "upper", path = l.upper }
  list[#list + 1] = l.work and { role = "work", path = l.work }
  for _, path in ipairs(l.lower) do
    list[#list + 1] = { role = "lower", path = path }
  end
  return list
end

local function first(case, wrong)
  for _, layer in ipairs(each(case)) do
    if wrong(layer.path, layer.role) then
      return layer.path, layer.role
    end
  end
end

local function missing(case)
  return first(case, function(path)
    return case.evidence:stat(path) == nil
  end)
end

local function looping(case)
  return (first(case, function(path)
    local found <const> = case.evidence:obstacle(path)
    return found ~= nil and found.code == "ELOOP"
  end))
end

local function no_directory(case)
  return first(case, function(path)
    local st <const> = case.evidence:stat(path)
    return st ~= nil and st.type ~= "directory"
  end)
end

local function is_same(a, b)
  return a.device == b.device and a.inode == b.inode
end

--- Whether a directory is another or lies below it, by whatever names they go.
local function lies_within(case, inner, outer)
  local path, st = inner, case.evidence:stat(inner)
  local goal <const> = case.evidence:stat(outer)
  while st and goal and not is_same(st, goal) do
    path = path .. "/.."
    local up <const> = case.evidence:stat(path)
    st = up and not is_same(up, st) and up or nil
  end
  return st ~= nil and goal ~= nil
end

--- Layers that the kernel does not stack on each other, by what it says: the first
--- lies in the second. Upper and work are EINVAL; a lower layer in any other is
--- ELOOP; an upper one in a lower one is no matter.
local CONFLICTS <const> = {
  EINVAL = function(inner, outer)
    return inner.role ~= "lower" and outer.role ~= "lower"
  end,
  ELOOP = function(inner)
    return inner.role == "lower"
  end,
}

local function overlapping(case)
  local list <const>, conflict <const> = each(case), CONFLICTS[case.err.code]
  for i, inner in ipairs(list) do
    for j, outer in ipairs(list) do
      if i ~= j and conflict(inner, outer) and lies_within(case, inner.path, outer.path) then
        return inner.path, outer.path
      end
    end
  end
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

--- How many overlays lie under a path.
local function depth(case, path, seen)
  local mount <const> = case.evidence:mount_holding(path)
  if not mount or mount.type ~= "overlay" or seen > 3 then
    return 0
  end
  local below = 0
  for _, lower in ipairs(of_options(mount.super_options).lower) do
    below = math.max(below, depth(case, lower, seen + 1))
  end
  return below + 1
end

local function uncovering(case)
  if not tried.is_nested(case) then
    return nil
  end
  local path <const> = first(case, function(layer)
    return #(case.evidence:mounts_below(layer) or {}) > 0
  end)
  return path
end

--- The layer that lies on a mount which is none of this mount namespace's.
local function outside(case)
  return first(case, function(layer)
    return case.evidence:mount_of(layer) ~= nil and case.evidence:mount_holding(layer) == nil
  end)
end

--- Upper or work, where the caller may not write it.
local function unwritable(case)
  return (first(case, function(layer, role)
    return role ~= "lower" and not case.evidence:may(layer, "write")
  end))
end

--- Whether the work directory is that of an overlay that was never to be used again.
local function is_spent(case)
  local l <const> = layers(case)
  return l ~= nil and l.work ~= nil and case.evidence:stat(l.work .. "/work/incompat") ~= nil
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
      return is_overlay(case) and missing(case) ~= nil
    end,
    about = "a layer does not exist",
    why = function(case)
      local path <const>, role <const> = missing(case)
      return ("%s, the %s directory, does not exist"):format(quote(path), role)
    end,
    hint = "create it, or correct the path",
  },
  {
    cause = "not_directory", ops = OVERLAYS, codes = "ENOTDIR EINVAL",
    test = function(case)
      return is_overlay(case) and no_directory(case) ~= nil
    end,
    about = "a layer is no directory",
    why = function(case)
      local path <const>, role <const> = no_directory(case)
      return ("%s, as %s, is no directory"):format(quote(path), role)
    end,
    hint = "layers are directories",
  },
  {
    cause = "too_many_layers", ops = OVERLAYS, codes = "EINVAL E2BIG",
    test = function(case)
      return says(case, "too many lower") or #((layers(case) or { lower = {} }).lower) > MOST
    end,
    about = "there are more than 500 lower layers",
    why = function(case)
      local l <const> = layers(case)
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
      local l <const> = layers(case)
      local alone <const> = l ~= nil and l.upper ~= nil and l.work == nil and not case.step.scratch
      return alone or says(case, "missing 'workdir'")
    end,
    why = "an upper directory needs a work directory on the same file system", hint = "give workdir too",
  },
  {
    cause = "no_lowerdir", ops = OVERLAYS, codes = "EINVAL",
    test = function(case)
      local l <const> = layers(case)
      return says(case, "missing 'lowerdir'") or l ~= nil and case.arguments ~= nil and #l.lower == 0
    end,
    why = "there is nothing to stack on: no lower directory", hint = "give lowerdir",
  },
  {
    cause = "one_layer", ops = OVERLAYS, codes = "EINVAL",
    test = function(case)
      local l <const> = layers(case)
      local alone <const> = l ~= nil and #l.lower == 1 and l.upper == nil and not case.step.scratch
      return alone or says(case, "at least 2 lowerdir")
    end,
    why = "one lower directory alone is nothing to stack", hint = "give a second one or an upper one, or bind it",
  },
  {
    cause = "upper_unsupported", ops = OVERLAYS, codes = "EINVAL",
    test = function(case)
      local l <const> = layers(case)
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
      local upper <const> = (layers(case) or {}).upper
      local type <const> = type_of(case, upper)
      return type and ("%s lies on %s, which cannot be an upper layer"):format(quote(upper), type)
        or "the upper directory lies on a file system that cannot be an upper layer"
    end,
    hint = UPPER,
  },
  {
    cause = "upper_read_only", ops = OVERLAYS, codes = "EROFS EINVAL",
    test = function(case)
      local l <const> = layers(case)
      local _, flags <const> = type_of(case, l and l.upper)
      return flags ~= nil and flags.ro == true
    end,
    about = "the file system of `upper` is read-only",
    why = function(case)
      return ("%s lies on a mount that is read-only"):format(quote(layers(case).upper))
    end,
    hint = "take a directory that can be written to, or none: an overlay without upper is read-only",
  },
  {
    cause = "work_elsewhere", ops = OVERLAYS, codes = "EINVAL EXDEV",
    test = function(case)
      local l <const> = layers(case)
      local upper <const>, work <const> = mount_id(case, l and l.upper), mount_id(case, l and l.work)
      return says(case, "under the same mount") or upper ~= nil and work ~= nil and upper ~= work
    end,
    about = "`upper` and `work` lie on two mounts",
    why = function(case)
      local l <const> = layers(case)
      return l and ("%s and %s lie on two mounts"):format(quote(l.upper), quote(l.work))
        or "upper and work lie on two mounts"
    end,
    hint = "put work beside upper, on the same mount",
  },
  {
    cause = "symlink_loop", ops = "mount", codes = "ELOOP",
    test = function(case)
      return is_overlay(case) and looping(case) ~= nil
    end,
    about = "a layer is a symbolic link that leads back to itself",
    why = function(case)
      return ("%s is a symbolic link that leads back to itself, or to one that may not be followed"):format(
        quote(looping(case)))
    end,
    hint = "name the directory without the link",
  },
  {
    cause = "layers_overlap", ops = OVERLAYS, codes = "EINVAL ELOOP",
    test = function(case)
      if not is_overlay(case) then
        return false
      end
      if says(case, "separate subtrees") or overlapping(case) ~= nil then
        return true
      end
      return case.err.code == "ELOOP" and (not case.evidence:is_traced() or nil)
    end,
    about = "a lower layer lies in another, or upper and work in each other, or one is given twice",
    why = function(case)
      local inner <const>, outer <const> = overlapping(case)
      if not inner then
        return "one layer lies in another"
      elseif inner == outer then
        return ("%s is given twice"):format(quote(inner))
      end
      local is_one <const> = is_same(case.evidence:stat(inner), case.evidence:stat(outer))
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
      return first(case, function(layer)
        return type_of(case, layer) == "proc"
      end) ~= nil
    end,
    about = "nothing is stacked on proc",
    why = function(case)
      local path <const> = first(case, function(layer)
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
      local path <const> = first(case, function(layer)
        return type_of(case, layer) == "overlay"
      end)
      if not path then
        return false
      end
      return first(case, function(layer)
        return depth(case, layer, 0) > 1
      end) ~= nil or nil
    end,
    about = "overlays are stacked on overlays twice at most",
    why = function(case)
      local path <const> = first(case, function(layer)
        return type_of(case, layer) == "overlay"
      end)
      return ("%s is on an overlay of overlays already, and the kernel stacks two"):format(quote(path or "a layer"))
    end,
    hint = "list the lower layers of those overlays instead, in one",
  },
  {
    cause = "locked_children", ops = OVERLAYS, codes = "EINVAL",
    test = function(case)
      return is_overlay(case) and uncovering(case) ~= nil
    end,
    about = "a layer has mounts below it, which a new user namespace may not uncover",
    why = function(case)
      local path <const> = uncovering(case)
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
      local l <const> = layers(case)
      if not l or not l.upper then
        return false
      end
      return unwritable(case) ~= nil or nil
    end,
    about = "upper or work may not be written by who stacks the layers",
    why = function(case)
      local path <const> = unwritable(case)
      return (path and quote(path) or "upper or work") .. " may not be written by who stacks the layers"
    end,
    hint = "let them belong to who starts the container",
  },
  {
    cause = "needs_userxattr", ops = OVERLAYS, codes = "EPERM",
    test = function(case)
      local given <const> = (layers(case) or {}).given or {}
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
      local l <const> = layers(case)
      if not l or not l.work then
        return false
      end
      return is_spent(case) or nil
    end,
    about = "the work directory cannot be made ready",
    why = function(case)
      return (is_spent(case) and "the work directory %s is of a volatile overlay, after which it is not used again"
        or "the work directory %s cannot be made ready: it is not empty, or its file system has no such attributes")
        :format(quote(layers(case).work))
    end,
    hint = "take an empty one, writable by who starts the container",
  },
  {
    cause = "unattached_layer", ops = "overlay root_overlay mount", codes = "EINVAL",
    test = function(case)
      if not is_overlay(case) then
        return false
      end
      return outside(case) ~= nil or nil
    end,
    about = "a layer lies on a file system that cannot be stacked, or on a mount of another namespace",
    why = function(case)
      local layer <const> = outside(case)
      return layer and ("%s lies on a mount of another namespace"):format(quote(layer))
        or "a layer lies on a file system that cannot be stacked, or on a mount of another namespace"
    end,
    hint = "take directories of this mount namespace, of ext4, xfs, btrfs or tmpfs",
  },
}
