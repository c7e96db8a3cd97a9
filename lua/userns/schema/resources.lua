-- What the program may use up.
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

return resources
