-- Descriptions laid over each other.

local function is_list(value)
  return value[1] ~= nil
end

--- A copy of all plain tables; one that holds itself does so in the copy too,
--- for userns.container to refuse.
local function copy(value, copies)
  copies = copies or {}
  if type(value) ~= "table" or io.type(value) or getmetatable(value) then
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

--- Mounts add up; one with the target of an earlier one takes its place.
local function mounts(below, above)
  local result <const>, places <const> = {}, {}
  for _, list in ipairs { below, above } do
    for _, mount in ipairs(list) do
      local target <const> = type(mount) == "table" and mount.target or nil
      local place <const> = target and places[target] or #result + 1
      result[place] = copy(mount)
      if target then
        places[target] = place
      end
    end
  end
  return result
end

local lay

local function value_of(key, below, above)
  if type(below) ~= "table" or type(above) ~= "table" then
    return copy(above)
  elseif key == "mounts" then
    return mounts(below, above)
  elseif is_list(above) and key ~= "process" or is_list(below) and next(above) == nil then
    return copy(above)
  end
  return lay(below, above)
end

--- Maps merge key by key; a list, the argument vector of a process among them,
--- is replaced as a whole.
function lay(below, above)
  local result <const> = copy(below)
  if is_list(above) then
    for i = #result, 1, -1 do
      result[i] = nil
    end
  end
  for key, value in next, above do
    result[key] = value_of(key, result[key], value)
  end
  return result
end

--- Lays descriptions over each other: maps merge deeply and the later one wins,
--- lists are replaced; but mounts are appended, and one with the target of an
--- earlier one takes its place.
---@param ... table descriptions, or parts of them; none is changed
---@return table description
local function merge(...)
  local result = {}
  for i = 1, select("#", ...) do
    local part <const> = select(i, ...)
    if type(part) ~= "table" then
      error(("bad argument #%d to 'merge' (table expected, got %s)"):format(i, type(part)), 2)
    end
    result = lay(result, part)
  end
  return result
end

return merge
