-- What the program may use up: resource limits, and those of a cgroup.
local sys = require "userns.sys"
local types = require "userns.types"

local resources = {}

-- ---- cgroup ---------------------------------------------------------------

-- A name that no controller's file has and that needs no quoting anywhere.
local cgroup_name <const> = types.with(types.text("cgroup name", 1, 200), function(name)
  return not name:find("^[%w_][%w_.:@-]*$") and "letters, digits and _ . : @ - make up a cgroup's name" or nil
end)

local device <const> = types.with(types.text("device number", 3, 20), function(number)
  return not number:find("^%d+:%d+$") and "a device is its number, as in \"8:0\" (see lsblk)" or nil
end)

local COUNT <const> = types.integer(1, math.maxinteger, "integer, 1 or more")

local throttle <const> = types.record({
  { name = "device", type = device, required = true, doc = "Number of a whole disk, as in `\"8:0\"`." },
  { name = "rbps", type = types.size, doc = "Bytes read in a second." },
  { name = "wbps", type = types.size, doc = "Bytes written in a second." },
  { name = "riops", type = COUNT, doc = "Reads in a second." },
  { name = "wiops", type = COUNT, doc = "Writes in a second." },
}, "limit of a device")

resources.cgroup = types.record({
  { name = "parent", type = types.target, default = "(the caller's own cgroup; on v2, with limits, the one above it)",
    doc = "Cgroup to make it in: a path below the hierarchy's mount.",
    needs = "the right to write there: root, or a cgroup that was delegated to the caller",
    errors = "ENOENT: it does not exist; EACCES, EPERM, EROFS; EBUSY: it has processes of its own (v2)" },
  { name = "name", type = cgroup_name, default = "(made up, unlike any other)", doc = "What it is called.",
    errors = "EEXIST: there is one" },
  { name = "memory", type = types.size, default = "(no limit)", doc = "Bytes of memory at most, caches included.",
    needs = "the controller memory", errors = "EUNAVAILABLE" },
  { name = "swap", type = types.size, default = "(no limit)", doc = "Bytes of it swapped out at most.",
    needs = "`memory`; a kernel that accounts for swap, else it is degraded", errors = "EUNAVAILABLE" },
  -- the kernel's PID_MAX_LIMIT
  { name = "pids", type = types.integer(1, 4194304), default = "(no limit)",
    doc = "Processes and threads at most.", needs = "the controller pids", errors = "EUNAVAILABLE" },
  -- the kernel's smallest quota is a millisecond
  { name = "cpu", type = types.number(0.01, 10000, "CPUs (0.01 to 10000)"), default = "(no limit)",
    doc = "Processors it may keep busy at most; `0.5` is half of one.",
    needs = "the controller cpu", errors = "EUNAVAILABLE" },
  { name = "cpu_weight", type = types.integer(1, 10000), default = "(the kernel's, 100)",
    doc = "Its share of processors that others want too.", needs = "the controller cpu", errors = "EUNAVAILABLE" },
  { name = "io", type = types.list(throttle), default = "(no limits)",
    doc = "Limits for devices: `{ device = \"8:0\", rbps = \"1M\" }`.",
    needs = "the controller io (v1: blkio)", errors = "EUNAVAILABLE; ENODEV: no such disk" },
}, "cgroup")

resources.throttle = throttle

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
local AMOUNT <const> = types.integer(0, math.maxinteger, "integer, 0 or more")

local function amount(size)
  local name <const> = size and types.size.name or "integer"
  return types.either(name .. " or \"unlimited\"", function(value)
    if type(value) == "string" then
      return size and value ~= "unlimited" and types.size or UNLIMITED
    end
    return math.type(value) and AMOUNT or nil
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
    if number(limit.soft) > number(limit.hard) then
      return "the soft limit is above the hard one", "soft_above_hard"
    end
    return nil
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
