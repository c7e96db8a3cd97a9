-- Settings of the new namespaces, and how the kernel treats the program.
local sys = require "userns.sys"
local types = require "userns.types"

local settings = {}

-- ---- sysctl ---------------------------------------------------------------

-- What belongs to which namespace, by the path below /proc/sys.  The rest is
-- the whole machine's, or as with kernel.pid_max was so until lately.
local OWNED <const> = {
  { namespace = "net", pattern = "^net/." },
  { namespace = "ipc", pattern = "^fs/mqueue/[%w_]+$" },
  { namespace = "ipc", pattern = "^kernel/msg[%w_]+$" },
  { namespace = "ipc", pattern = "^kernel/sem$" },
  { namespace = "ipc", pattern = "^kernel/sem_next_id$" },
  { namespace = "ipc", pattern = "^kernel/shm[%w_]+$" },
  { namespace = "user", pattern = "^user/max_[%w_]+$" },
}

local FIELDS <const> = { ["kernel/hostname"] = "hostname", ["kernel/domainname"] = "domainname" }

local SWAP <const> = { ["."] = "/", ["/"] = "." }

--- The path below /proc/sys, as sysctl(8) understands a key: what comes first,
--- a dot or a slash, separates, and the other one is a dot in a name.
function settings.sysctl_path(key)
  return key:match("[./]") == "." and key:gsub("[./]", SWAP) or key
end

--- The namespace that a path belongs to, nil where it is no namespace's.
function settings.sysctl_namespace(path)
  for _, row in ipairs(OWNED) do
    if path:find(row.pattern) then
      return row.namespace
    end
  end
end

local function is_name(name)
  return name ~= "" and name ~= "." and name ~= ".." and not name:find("[^%w_.:@-]")
end

local function key_problem(key)
  local path <const> = settings.sysctl_path(key)
  for name in (path .. "/"):gmatch("([^/]*)/") do
    if not is_name(name) then
      return ("'%s' is no name of a setting"):format(key)
    end
  end
  if FIELDS[path] then
    return "has a field of its own: " .. FIELDS[path]
  elseif not settings.sysctl_namespace(path) then
    return "is not a namespace's, but the whole machine's", "not_namespaced"
  end
end

local key <const> = types.with(types.text("name of a setting", 1, 4000), key_problem)

local text <const> = types.text("string", 1, 4000)
local whole <const> = types.integer(math.mininteger, math.maxinteger, "integer")

local value <const> = types.either("string or integer", function(given)
  return type(given) == "string" and text or math.type(given) and whole or nil
end)

local values <const> = types.map(key, value, "map of settings")

local function sorted(map)
  local keys <const> = {}
  for name in next, map do
    keys[#keys + 1] = name
  end
  table.sort(keys)
  return keys
end

settings.sysctl = types.with(values, function(map)
  local seen <const> = {}
  for _, name in ipairs(sorted(map)) do
    local path <const> = settings.sysctl_path(name)
    if seen[path] then
      return ("'%s' and '%s' are the same"):format(seen[path], name)
    end
    seen[path] = name
  end
end)

--- The settings, each with its key and its path, in the order of the keys.
function settings.sysctl_list(map)
  local list <const> = {}
  for _, name in ipairs(sorted(map or {})) do
    list[#list + 1] = { key = name, path = settings.sysctl_path(name), value = tostring(map[name]) }
  end
  return list
end

-- ---- the program ----------------------------------------------------------

local PERSONAS <const> = sys.words "personality"
local PERSONA <const> = types.choice(PERSONAS, "personality")
local DOMAINS <const> = { linux = true, linux32 = true }

--- The OCI's spelling is "LINUX32".
function settings.persona(word)
  return word:lower()
end

local persona <const> = {
  name = "personality",
  check = function(given, report, path)
    return PERSONA.check(type(given) == "string" and settings.persona(given) or given, report, path)
  end,
}

local personas <const> = types.one_or_list(persona, "list of personalities")

settings.personality = types.with(personas, function(list)
  local domains = 0
  for _, word in ipairs(type(list) == "table" and list or {}) do
    domains = domains + (DOMAINS[settings.persona(word)] and 1 or 0)
  end
  return domains > 1 and "one execution domain is all there can be" or nil
end)

settings.nice = types.integer(-20, 19)
settings.oom_score_adj = types.integer(-1000, 1000)

-- As many as any kernel is built for.
local CPUS_MAX <const> = 8192

local function add_cpus(set, first, last)
  if not last or first > last or last >= CPUS_MAX then
    return false
  end
  for cpu = first, last do
    set[cpu] = true
  end
  return true
end

--- "3" and "3-5".
local function ends_of(part)
  local first, last = part:match("^(%d+)%-(%d+)$")
  if not first then
    first = part:match("^%d+$")
    last = first
  end
  return tonumber(first), tonumber(last)
end

local function parse_cpus(given)
  local set <const> = {}
  for part in (given .. ","):gmatch("([^,]*),") do
    if #part > 9 or not add_cpus(set, ends_of(part)) then
      return nil
    end
  end
  return set
end

--- Processors in ascending order, of a list or of "0-3,5".
function settings.cpus(given)
  local set = {}
  if type(given) == "string" then
    set = parse_cpus(given)
  else
    for _, cpu in ipairs(given) do
      set[cpu] = true
    end
  end
  local list <const> = {}
  for cpu in pairs(set) do
    list[#list + 1] = cpu
  end
  table.sort(list)
  return list
end

local cpu_list <const> = types.with(types.list(types.integer(0, CPUS_MAX - 1)), function(list)
  return #list == 0 and "one processor is the least" or nil
end)

local cpu_text <const> = types.with(types.string, function(given)
  return not parse_cpus(given) and ("processors (\"0-3,5\") expected, got %q"):format(given) or nil
end)

settings.affinity = types.either("list of processors, or \"0-3,5\"", function(given)
  return type(given) == "table" and cpu_list or type(given) == "string" and cpu_text or nil
end)

-- ---- clocks ---------------------------------------------------------------

settings.clocks = { "monotonic", "boottime" }

-- The kernel's KTIME_SEC_MAX / 2.
local SECONDS_MAX <const> = 4611686018

local seconds <const> = {
  name = "seconds, also negative",
  check = function(given, report, path)
    local ok <const> = math.type(given) and -SECONDS_MAX <= given and given <= SECONDS_MAX
    if not ok then
      report(path, ("seconds (a number from -%d to %d) expected, got %s"):format(SECONDS_MAX, SECONDS_MAX,
        math.type(given) and tostring(given) or type(given)))
    end
    return ok
  end,
}

settings.time_offsets = types.record({
  { name = "monotonic", type = seconds, default = 0, doc = "Added to CLOCK_MONOTONIC and its kin." },
  { name = "boottime", type = seconds, default = 0,
    doc = "Added to CLOCK_BOOTTIME, and so to the uptime in /proc/uptime." },
}, "table of offsets")

return settings
