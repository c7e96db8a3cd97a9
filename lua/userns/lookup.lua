-- What a description means by things of this host: looked up once, when the
-- container is made.
local is_below <const> = require("userns.path").is_below
local handles = require "userns.schema.handles"
local sys = require "userns.sys"

local lookup = {}

--- Finds where a file lies that somebody has open; the child finds it again by its
--- path, and knows it by its numbers.
---@param place userns.Place gets the path and the numbers
---@param file any descriptor
---@return string? problem
local function find(place, file)
  local number <const>, err = sys.fileno(file)
  if not number then
    return err.message
  end
  local st <const>, why = sys.stat(file)
  local path <const> = sys.readlink(("/proc/self/fd/%d"):format(number))
  if not st or not path then
    return why and why.message or "/proc does not tell where it is"
  elseif path:sub(1, 1) ~= "/" or path:find(" %(deleted%)$") and not sys.stat(path) then
    return ("it has no path ('%s')"):format(path)
  end
  place.path, place.device, place.inode = path, st.device, st.inode
end

--- Fills in where the descriptors that a description has as sources lead.
---@param d table normalised description; with `places`
---@return { field: string, message: string }[] problems
function lookup.places(d)
  local problems <const> = {}
  for i, mount in ipairs(d.mounts) do
    if mount.type == "bind" and handles.is_file(mount.source) then
      local place <const> = d.places[i]
      local message <const> = find(place, mount.source)
      problems[#problems + 1] = message and { field = place.source, message = message } or nil
    end
  end
  return problems
end

-- Mounts that bring their place along, or whose place a set-up cannot make
-- anywhere else than where it may write.
local MAKES <const> = { dir = true, file = true, symlink = true }

--- The mount before one that its target is put into: the last of those with the
--- longest path.
local function enclosing(mounts, index)
  local found
  for i = 1, index - 1 do
    local mount <const> = mounts[i]
    if not MAKES[mount.type] and mount.type ~= "remount" and is_below(mounts[index].target, mount.target)
      and (not found or #mount.target >= #found.target) then
      found = mount
    end
  end
  return found
end

--- Whether a read-only bind lacks what a mount's target names: symlinks on the
--- way may lead elsewhere inside, so only a name that is not there counts.
local function is_missing(d, bind, index, target)
  local path = d.places[index].path
  for name in target:sub(#bind.target + 2):gmatch("[^/]+") do
    path = path .. "/" .. name
    local st <const>, err = sys.stat(path, "nofollow")
    if not st then
      return err.code == "ENOENT"
    elseif st.type == "symlink" then
      return false
    end
  end
  return false
end

local function index_of(list, value)
  for i, item in ipairs(list) do
    if item == value then
      return i
    end
  end
end

--- What cannot be put where nothing can be made.
---@param d table normalised description with `places`
---@return { field: string, message: string }[] problems
function lookup.readonly_targets(d)
  local problems <const> = {}
  for i, mount in ipairs(d.mounts) do
    local around <const> = enclosing(d.mounts, i)
    local sealed <const> = around and around.type == "bind" and around.readonly
    if sealed and mount.type ~= "remount"
      and (MAKES[mount.type] or is_missing(d, around, index_of(d.mounts, around), mount.target)) then
      problems[#problems + 1] = {
        field = d.places[i].field .. ".target",
        message = ("nothing can be made below '%s', which is read-only"):format(around.target),
      }
    end
  end
  return problems
end

return lookup
