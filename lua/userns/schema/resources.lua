-- What the program may use up: resource limits.
local sys = require "userns.sys"
local types = require "userns.types"

local resources = {}

-- ---- rlimits --------------------------------------------------------------

-- What each limit is of; in bytes where `size` is set.
local LIMITS <const> = {
  as = { doc = "Address space.", size = true },
  core = { doc = "Core dumps; `0` unless it is given.", size = true },
  cpu = { doc = "Seconds of processor time, then SIGXCPU, at the hard limit SIGKILL." },
  data = { doc = "Heap and other private memory that can be written.", size = true },
  fsize = { doc = "A file that is written, then SIGXFSZ.", size = true },
  locks = { doc = "File locks; no kernel since 2.4 looks at it." },
  memlock = { doc = "Memory locked against swapping.", size = true },
  msgqueue = { doc = "POSIX message queues of the user.", size = true },
  nice = { doc = "20 less the lowest nice value that can be taken." },
  nofile = { doc = "Descriptors, counted as the highest number and one." },
  nproc = { doc = "Processes of the user, counted for each user namespace and in those around it too." },
  rss = { doc = "Resident memory; no kernel since 2.6 looks at it.", size = true },
  rtprio = { doc = "The highest real-time priority that can be taken." },
  rttime = { doc = "Microseconds without a blocking call under real-time scheduling." },
  sigpending = { doc = "Queued signals of the user." },
  stack = { doc = "Stack of the main thread.", size = true },
}

local UNLIMITED <const> = types.choice({ "unlimited" }, "limit")
local COUNT <const> = types.integer(0, math.maxinteger, "integer, 0 or more")

local function amount(size)
  local name <const> = size and types.size.name or "integer"
  return types.either(name .. " or \"unlimited\"", function(value)
    if type(value) == "string" then
      return size and value ~= "unlimited" and types.size or UNLIMITED
    end
    return math.type(value) and COUNT or nil
  end)
end

local function number(value)
  return value == "unlimited" and math.huge or types.to_bytes(value)
end

local function soft_and_hard(size)
  local pair <const> = types.record({
    { name = "soft", type = amount(size), required = true, doc = "What holds; the program may raise it to the other." },
    { name = "hard", type = amount(size), required = true, doc = "What it cannot raise." },
  }, "limit")
  return types.with(pair, function(limit)
    return number(limit.soft) > number(limit.hard) and "the soft limit is above the hard one" or nil
  end)
end

local function limit(size)
  local one <const>, pair <const> = amount(size), soft_and_hard(size)
  return types.either(one.name .. " or { soft, hard }", function(value)
    return type(value) == "table" and pair or (math.type(value) or type(value) == "string") and one or nil
  end)
end

resources.limit_names = sys.words "limit"

local limits <const> = {}
for i, name in ipairs(resources.limit_names) do
  limits[i] = { name = name, type = limit(LIMITS[name].size), doc = LIMITS[name].doc }
end

resources.rlimits = types.record(limits, "table of limits")

return resources
