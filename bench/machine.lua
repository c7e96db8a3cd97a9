-- The machine, without which no number means anything.
local command = require "bench.command"

local function find(path, pattern)
  local file <close> = assert(io.open(path))
  return file:read("a"):match(pattern)
end

-- The cores that this process may run on, from a list such as "0-1,4".
local function allowed_cores()
  local cores <const> = {}
  local list <const> = find("/proc/self/status", "Cpus_allowed_list:%s*(%S+)")
  for first, last in list:gmatch("(%d+)%-?(%d*)") do
    for core = tonumber(first), tonumber(last) or tonumber(first) do
      cores[#cores + 1] = core
    end
  end
  return cores
end

local machine = {}

---@class Machine
---@field processor string
---@field cores integer[]
---@field gibibytes number
---@field kernel string

---@return Machine
function machine.look()
  return {
    processor = find("/proc/cpuinfo", "model name%s*: ([^\n]+)") or "unknown processor",
    cores = allowed_cores(),
    gibibytes = tonumber(find("/proc/meminfo", "MemTotal:%s+(%d+)")) / 2 ^ 20,
    kernel = find("/proc/sys/kernel/osrelease", "[^\n]+"),
  }
end

--- In one line.
---@param m Machine
---@return string
function machine.describe(m)
  return ("%s, %d %s, %.0f GiB, Linux %s"):format(
    m.processor, #m.cores, #m.cores == 1 and "core" or "cores", m.gibibytes, m.kernel)
end

--- Which versions of the contenders are here, in one line.
---@param contenders table<string, Contender>
---@return string
function machine.versions(contenders)
  local list <const> = {}
  for _, contender in pairs(contenders) do
    local output <const> = contender.version and command.run(contender.version)
    local version <const> = output and output:match("%d+%.[%d.]*%d")
    list[#list + 1] = version and ("%s %s"):format(contender.name, version)
  end
  table.sort(list)
  return table.concat(list, ", ")
end

return machine
