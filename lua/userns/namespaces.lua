-- The namespaces of the machine, as lsns(8) lists them: those that the processes
-- in /proc are in, as far as the caller may look at these.
local sys <const> = require "userns.sys"

local namespaces <const> = {}

local function read(path)
  local file <close> = io.open(path)
  return file and file:read("a")
end

-- A kernel thread has no command line, only a name.
local function command(pid)
  local line <const> = read(("/proc/%d/cmdline"):format(pid))
  if line and line:find("[^\0]") then
    return (line:gsub("\0+$", ""):gsub("\0", " "))
  end
  local name <const> = read(("/proc/%d/comm"):format(pid))
  return name and name:gsub("\n$", "")
end

local function describe(handle, pid)
  return {
    type = handle:type(),
    id = handle:id(),
    owner = handle:owner(),
    processes = 0,
    pid = pid,
    command = command(pid),
  }
end

local function count(found, handle, pid)
  local id <const> = handle:id()
  local entry <const> = found[id] or describe(handle, pid)
  entry.processes = entry.processes + 1
  found[id] = entry
end

local function by_id(found)
  local list <const> = {}
  for _, entry in pairs(found) do
    list[#list + 1] = entry
  end
  table.sort(list, function(a, b) return a.id < b.id end)
  return list
end

---@class userns.NamespaceInfo
---@field type string as in /proc/PID/ns
---@field id integer the inode number
---@field owner integer? uid of who owns its user namespace, where that is in sight
---@field processes integer how many are in it
---@field pid integer the lowest of them
---@field command string? the command line of that process

--- The namespaces that exist, in the order of their ids. Processes that the
--- caller may not look into do not count.
---@return userns.NamespaceInfo[]|nil list
---@return userns.Error? err
---@source lsns(8)
function namespaces.list()
  local pids <const>, err <const> = sys.processes()
  if not pids then
    return nil, err
  end
  local found <const> = {}
  for _, pid in ipairs(pids) do
    for _, type in ipairs(sys.namespace_types()) do
      local handle <close> = sys.namespace(type, pid)
      if handle then
        count(found, handle, pid)
      end
    end
  end
  return by_id(found)
end

return namespaces
