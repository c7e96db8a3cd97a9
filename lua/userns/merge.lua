-- Descriptions laid over each other.  What is wrong in a part is passed on as it
-- is, for userns.container to refuse.
local types = require "userns.types"

--- A copy of all plain tables; a handle is what it is.
local function copy(value, copies)
  if not types.is_plain(value) then
    return value
  elseif copies[value] then
    return copies[value]
  end
  local result <const> = {}
  copies[value] = result
  for key, item in next, value do
    result[key] = copy(item, copies)
  end
  return result
end

--- The place that a mount takes, however it is written.
local function place_of(mount)
  local target <const> = types.is_plain(mount) and mount.target
  return type(target) == "string" and types.clean_path(target) or nil
end

--- The first of a list at each place: of mounts, and of changes to mounts.
local function first_places(list)
  local put <const>, changed <const> = {}, {}
  for i, mount in ipairs(list) do
    local place <const> = place_of(mount)
    if place then
      local first <const> = mount.type == "remount" and changed or put
      first[place] = first[place] or i
    end
  end
  return put, changed
end

--- Mounts add up.  Of those above, the first with a target takes the place of
--- all below that have it; a second one was meant to come after it.  A remount
--- takes the place of remounts only: it changes what it finds.
local function mounts(below, above)
  for _, list in ipairs { below, above } do
    if not types.is_list(list) then
      return copy(list, {})
    end
  end
  local result <const>, taken <const> = {}, {}
  local put <const>, changed <const> = first_places(above)
  for _, mount in ipairs(below) do
    local place <const> = place_of(mount)
    local heir <const> = place and (put[place] or mount.type == "remount" and changed[place])
    if not heir then
      result[#result + 1] = copy(mount, {})
    elseif not taken[heir] then
      result[#result + 1] = copy(above[heir], {})
      taken[heir] = true
    end
  end
  for i, mount in ipairs(above) do
    result[#result + 1] = not taken[i] and copy(mount, {}) or nil
  end
  return result
end

local function without_numbers(map)
  local rest <const> = {}
  for key, value in next, map do
    if math.type(key) ~= "integer" then
      rest[key] = value
    end
  end
  return rest
end

local lay

-- How two tables are combined that are the same field, by its name.
local COMBINE <const> = {
  mounts = mounts,
  --- The array part is the argument vector, and a whole.
  process = function(below, above, inside)
    return lay(types.has_numbers(above) and without_numbers(below) or below, above, inside)
  end,
  --- Numbers that are names.
  fds = function(...)
    return lay(...)
  end,
  --- Another type has other fields.
  root = function(below, above, inside)
    local other <const> = below.type ~= nil and above.type ~= nil and below.type ~= above.type
    return other and copy(above, {}) or lay(below, above, inside)
  end,
}

local function combine(below, above, inside)
  if types.has_numbers(below) or types.has_numbers(above) then
    return copy(above, {})
  end
  return lay(below, above, inside)
end

--- Maps merge key by key.  `inside` has the tables above that are being laid: one
--- that holds itself has no end.
function lay(below, above, inside)
  local result <const> = copy(below, {})
  inside[above] = true
  for key, value in next, above do
    local old <const> = result[key]
    if types.is_plain(old) and types.is_plain(value) and not inside[value] then
      result[key] = (COMBINE[key] or combine)(old, value, inside)
    else
      result[key] = copy(value, {})
    end
  end
  inside[above] = nil
  return result
end

local function check_part(part, i)
  local message
  if type(part) ~= "table" then
    message = ("table expected, got %s"):format(type(part))
  elseif not types.is_plain(part) then
    message = "plain table expected, got one with a metatable"
  end
  if message then
    error(("bad argument #%d to 'merge' (%s)"):format(i, message), 3)
  end
end

--- Lays descriptions over each other: maps merge deeply and the later one wins,
--- lists are replaced; but mounts are appended, and one with the target of an
--- earlier one takes its place (a remount that of a remount).  The argument vector of a process is a list, and
--- a root of another type is replaced as a whole.
---@param ... table descriptions, or parts of them; none is changed
---@return table description which shares no table with them; not checked yet
local function merge(...)
  local result = {}
  for i = 1, select("#", ...) do
    local part <const> = select(i, ...)
    check_part(part, i)
    result = lay(result, part, {})
  end
  return result
end

return merge
