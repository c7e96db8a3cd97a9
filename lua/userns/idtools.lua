-- newuidmap(1) and newgidmap(1), which write what /etc/subuid and /etc/subgid
-- grant into the maps of a process's user namespace.
local sys = require "userns.sys"
local tool = require "userns.tool"

local idtools = {}

local function arguments(name, pid, map)
  local argv <const> = { name, tostring(pid) }
  for _, range in ipairs(map) do
    for _, side in ipairs { "inside", "outside", "count" } do
      argv[#argv + 1] = tostring(range[side])
    end
  end
  return argv
end

--- They say in a line what they did not like, if they live to.
local function complaint(result, name)
  local said <const> = result.stderr:gsub("^" .. name .. ": ", ""):gsub("%s+$", ""):gsub("%s*\n%s*", "; ")
  if said ~= "" then
    return said
  end
  return result.signal and "ended by " .. result.signal or ("exit status %s"):format(result.exit_code)
end

--- An error of theirs, with its cause where that can be told.
local function refuse(fields, pid, map)
  return nil, require "userns.diagnose".refusal(sys.error(fields), pid, map)
end

--- Runs one of the two.
---@param name "newuidmap"|"newgidmap"
---@param path string where it is
---@param pid integer
---@param map { inside: integer, outside: integer, count: integer }[]
---@return true? ok
---@return userns.Error? err EPERM, with what it said; ESRCH: no such process in /proc
function idtools.run(name, path, pid, map)
  local known <const>, unknown <const> = tool.check_proc(name)
  if not known then
    return refuse(unknown, pid, map)
  end
  local result <const>, err = tool.run(path, arguments(name, pid, map))
  if not result then
    err.op, err.path, err.step = name, path, nil -- of the tool's plan
    return refuse(err, pid, map)
  elseif result.ok then
    return true
  end
  return refuse({ op = name, code = "EPERM", path = path, message = complaint(result, name) }, pid, map)
end

local function check(pid, map, name)
  if math.type(pid) ~= "integer" or pid < 1 then
    error(("bad argument #1 to '%s' (pid expected, an integer of 1 or more)"):format(name), 3)
  end
  if type(map) ~= "table" or #map == 0 then
    error(("bad argument #2 to '%s' (list of ranges expected)"):format(name), 3)
  end
  for i, range in ipairs(map) do
    for _, side in ipairs { "inside", "outside", "count" } do
      if type(range) ~= "table" or math.type(range[side]) ~= "integer" or range[side] < 0 then
        error(("bad argument #2 to '%s' ([%d].%s is no integer of 0 or more)"):format(name, i, side), 3)
      end
    end
  end
end

--- Where one of the two is.
---@param name "newuidmap"|"newgidmap"
---@return string? path
---@return userns.Error? err ENOENT
function idtools.find(name)
  local path <const> = tool.find(name)
  if path then
    return path
  end
  return refuse { op = name, code = "ENOENT", path = name, message = "not found in PATH" }
end

local function find_and_run(name, pid, map)
  check(pid, map, name)
  local path <const>, err = idtools.find(name)
  if not path then
    return nil, err
  end
  return idtools.run(name, path, pid, map)
end

--- Has newuidmap, found in PATH, write the map of user ids of a process.
---@param pid integer 1 or more
---@param map { inside: integer, outside: integer, count: integer }[]
---@return true? ok
---@return userns.Error? err EPERM, with what it said; ENOENT: not installed
---@source newuidmap(1)
function idtools.newuidmap(pid, map)
  return find_and_run("newuidmap", pid, map)
end

--- Has newgidmap, found in PATH, write the map of group ids of a process.
---@param pid integer 1 or more
---@param map { inside: integer, outside: integer, count: integer }[]
---@return true? ok
---@return userns.Error? err EPERM, with what it said; ENOENT: not installed
---@source newgidmap(1)
function idtools.newgidmap(pid, map)
  return find_and_run("newgidmap", pid, map)
end

return idtools
