-- Subordinate ids: what /etc/subuid and /etc/subgid let a user map with the help
-- of newuidmap(1) and newgidmap(1).
local subids <const> = {}

local ID_END <const> = 4294967295

local function read_file(path)
  local file <close> = io.open(path)
  return file and file:read("a")
end

-- Ranges stand under the user's name or the uid in decimal.
local function owners(user, passwd)
  local names <const> = { [tostring(user)] = true }
  for line in passwd:gmatch("[^\n]+") do
    local name <const>, uid <const> = line:match("^([^:]+):[^:]*:(%d+):")
    if name == user then
      names[uid] = true
    elseif uid == tostring(user) then
      names[name] = true
    end
  end
  return names
end

-- nil for what is no range: newuidmap would not grant it either.
local function range(start, count)
  start, count = math.tointeger(tonumber(start)), math.tointeger(tonumber(count))
  if start and count and count >= 1 and count <= ID_END - start then
    return { start = start, count = count }
  end
end

local function ranges(text, names)
  local list <const> = {}
  for line in text:gmatch("[^\n]+") do
    local name <const>, start <const>, count <const> = line:match("^([^:]+):(%d+):(%d+)%s*$")
    list[#list + 1] = names[name] and range(start, count)
  end
  return list
end

---@class userns.SubidRange
---@field start integer the first id
---@field count integer 1 or more

--- The subordinate ids of a user, in the order of the files. A file that is
--- missing or cannot be read grants nothing. The group ids too stand under the
--- user's name, not a group's.
---@param user string|integer name or uid
---@param read? fun(path: string): string? in place of reading the file
---@return { uid: userns.SubidRange[], gid: userns.SubidRange[] }
---@source subuid(5)
function subids.of(user, read)
  if type(user) ~= "string" and math.type(user) ~= "integer" then
    error(("bad argument #1 to 'of' (user name or uid expected, got %s)"):format(type(user)), 2)
  end
  read = read or read_file
  local names <const> = owners(user, read("/etc/passwd") or "")
  return {
    uid = ranges(read("/etc/subuid") or "", names),
    gid = ranges(read("/etc/subgid") or "", names),
  }
end

return subids
