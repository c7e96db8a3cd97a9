-- The cgroup hierarchies that the caller has: where they are mounted, which
-- controllers they have, and where in each the caller is.
local is_below <const> = require("userns.path").is_below
local mountinfo = require "userns.mountinfo"
local sys = require "userns.sys"

local cgroups = {}

---@class userns.Hierarchy
---@field version 1|2
---@field target string where it is mounted
---@field controllers string[]
---@field own string? the caller's cgroup below the mount, nil where it is not in sight

local function words(text, pattern)
  local list <const> = {}
  for word in text:gmatch(pattern) do
    list[#list + 1] = word
  end
  return list
end

local function contains(list, word)
  for _, entry in ipairs(list) do
    if entry == word then
      return true
    end
  end
  return false
end

cgroups.contains = contains

--- A cgroup's path below a mount that shows the hierarchy from `root` on; both
--- as the caller's cgroup namespace has them, so that ".." is beyond it.
local function below(root, path)
  if root:find("^/%.%.") or path:find("^/%.%.") then
    return nil
  elseif root == "/" or path == root then
    return root == "/" and path or "/"
  end
  return is_below(path, root) and path:sub(#root + 1) or nil
end

--- Whether a mount shows the hierarchy that has these controllers; version 2
--- has no list of them here.
local function shows(mount, controllers)
  if #controllers == 0 then
    return mount.type == "cgroup2"
  end
  return mount.type == "cgroup" and contains(mount.super_options, controllers[1])
end

--- The mount of a hierarchy that shows the caller's cgroup, else any.
local function find_mount(mounts, controllers, path)
  local found
  for _, mount in ipairs(mounts) do
    if shows(mount, controllers) and (not found or not below(found.root, path)) then
      found = mount
    end
  end
  return found
end

--- The hierarchies that are mounted and have controllers, version 2 first.  Pure.
---@param membership string as /proc/self/cgroup has it
---@param mounts userns.Mount[]
---@param list_controllers fun(target: string): string of the version 2 hierarchy, as its cgroup.controllers
---@return userns.Hierarchy[]
---@source cgroups(7)
function cgroups.parse(membership, mounts, list_controllers)
  local hierarchies <const> = {}
  for names, path in membership:gmatch("%d+:([^:\n]*):([^\n]*)") do
    local controllers <const> = words(names, "[^,]+")
    local mount <const> = not names:find("=", 1, true) and find_mount(mounts, controllers, path)
    local version <const> = names == "" and 2 or 1
    if mount then
      table.insert(hierarchies, version == 2 and 1 or #hierarchies + 1, {
        version = version,
        target = mount.target,
        controllers = version == 2 and words(list_controllers(mount.target), "%S+") or controllers,
        own = below(mount.root, path),
      })
    end
  end
  return hierarchies
end

local function read(path)
  local fd <close>, err = sys.open(path)
  if not fd then
    return nil, err
  end
  local file <close> = assert(fd:file("r"))
  return file:read("a")
end

--- The caller's hierarchies, as they are now.
---@return userns.Hierarchy[]? hierarchies
---@return userns.Error? err EMFILE, ENFILE, ENOMEM
function cgroups.read()
  local membership <const>, err = read "/proc/self/cgroup"
  if not membership then
    return err.code == "ENOENT" and {} or nil, err
  end
  local mounts <const>, why = mountinfo.read()
  if not mounts then
    return nil, why
  end
  return cgroups.parse(membership, mounts, function(target)
    return read(target .. "/cgroup.controllers") or ""
  end)
end

return cgroups
