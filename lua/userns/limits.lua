-- The limits of a description become cgroups: one in each hierarchy that has a
-- controller for them.
local cgroups = require "userns.cgroups"
local sys = require "userns.sys"

local limits = {}

local PERIOD <const> = 100000 -- microseconds, the kernel's own

local function quota(cpu)
  return math.floor(cpu * PERIOD + 0.5)
end

local THROTTLES <const> = {
  { field = "rbps", v1 = "read_bps" }, { field = "wbps", v1 = "write_bps" },
  { field = "riops", v1 = "read_iops" }, { field = "wiops", v1 = "write_iops" },
}

local function io_max(io)
  local entries <const> = {}
  for _, entry in ipairs(io) do
    local words <const> = { entry.device }
    for _, throttle in ipairs(THROTTLES) do
      local value <const> = entry[throttle.field]
      words[#words + 1] = value and ("%s=%d"):format(throttle.field, value)
    end
    entries[#entries + 1] = "io.max=" .. table.concat(words, " ")
  end
  return entries
end

local function blkio_throttles(io)
  local entries <const> = {}
  for _, entry in ipairs(io) do
    for _, throttle in ipairs(THROTTLES) do
      local value <const> = entry[throttle.field]
      entries[#entries + 1] = value
        and ("blkio.throttle.%s_device=%s %d"):format(throttle.v1, entry.device, value)
    end
  end
  return entries
end

-- Per field: the controller, and what is written to which of its files, in each
-- version.  The order is that of the writes: version 1 wants the limit of memory
-- before the one of memory and swap together.
local LIMITS <const> = {
  { field = "memory",
    { "memory", function(g) return { ("memory.limit_in_bytes=%d"):format(g.memory) } end },
    { "memory", function(g) return { ("memory.max=%d"):format(g.memory) } end } },
  { field = "swap",
    { "memory", function(g) return { ("memory.memsw.limit_in_bytes=%d"):format(g.memory + g.swap) } end },
    { "memory", function(g) return { ("memory.swap.max=%d"):format(g.swap) } end } },
  { field = "pids",
    { "pids", function(g) return { ("pids.max=%d"):format(g.pids) } end },
    { "pids", function(g) return { ("pids.max=%d"):format(g.pids) } end } },
  { field = "cpu",
    { "cpu", function(g)
      return { ("cpu.cfs_period_us=%d"):format(PERIOD), ("cpu.cfs_quota_us=%d"):format(quota(g.cpu)) }
    end },
    { "cpu", function(g) return { ("cpu.max=%d %d"):format(quota(g.cpu), PERIOD) } end } },
  { field = "cpu_weight",
    -- 1024 shares are what a weight of 100 is
    { "cpu", function(g) return { ("cpu.shares=%d"):format(math.max(2, g.cpu_weight * 1024 // 100)) } end },
    { "cpu", function(g) return { ("cpu.weight=%d"):format(g.cpu_weight) } end } },
  { field = "io",
    { "blkio", function(g) return blkio_throttles(g.io) end },
    { "io", function(g) return io_max(g.io) end } },
}

-- What tells of a container's memory and processor time where no limit asks for
-- these controllers; version 2 counts the time without one.
local ACCOUNTS <const> = { "memory", "cpuacct" }

--- The hierarchy that has a limit's controller: by version, what it has of it.
local function hierarchy_of(hierarchies, limit)
  for _, hierarchy in ipairs(hierarchies) do
    local controller <const> = limit[hierarchy.version][1]
    if cgroups.contains(hierarchy.controllers, controller) then
      return hierarchy, controller
    end
  end
end

-- ---- the layout: which cgroups, with which limits --------------------------

local layout = {}
layout.__index = layout

function layout:refuse(field, message, hint)
  table.insert(self.refusals, sys.error {
    op = "cgroup", code = "EUNAVAILABLE", field = field, message = message, hint = hint,
  })
end

--- The step that makes the cgroup in a hierarchy; at first it is an optional one.
function layout:step(hierarchy)
  local step = self.by_target[hierarchy.target]
  if not step then
    step = {
      op = "cgroup", version = hierarchy.version, name = self.given.name, limits = {}, fields = {}, optional = true,
      required = self.strict or nil, source = "cgroup",
    }
    -- version 2 hands them out one by one
    step.controllers = step.version == 2 and {} or nil
    self.by_target[hierarchy.target] = step
    self.steps[#self.steps + 1] = step
    self.hierarchies[#self.steps] = hierarchy
  end
  return step
end

function layout:limit(limit, hierarchy, controller)
  local step <const> = self:step(hierarchy)
  step.optional = nil
  self.limited = true
  if step.controllers and not cgroups.contains(step.controllers, controller) then
    table.insert(step.controllers, controller)
  end
  for _, text in ipairs(limit[hierarchy.version][2](self.given)) do
    table.insert(step.limits, text)
    table.insert(step.fields, limit.field)
  end
end

--- Version 2 has kill and the processor time; version 1 has what else is told of
--- a container.
function layout:account(hierarchies)
  for _, hierarchy in ipairs(hierarchies) do
    for _, controller in ipairs(ACCOUNTS) do
      local told <const> = controller == "cpuacct" and hierarchies[1].version == 2
      if hierarchy.version == 1 and cgroups.contains(hierarchy.controllers, controller) and not told then
        self:step(hierarchy)
      end
    end
  end
end

--- Where a cgroup is made.  A version 2 cgroup that has processes of its own, as
--- the caller's has, can limit no other: the one above it does.
local function parent_of(given, step, hierarchy)
  local own = given or hierarchy.own
  if not given and own and step.version == 2 and #step.limits > 0 then
    own = own:match("^(/.*)/[^/]*$") or "/"
  end
  return own and (hierarchy.target .. own):gsub("/$", "")
end

local function unless_empty(list)
  return list and #list > 0 and list or nil
end

--- Says where each cgroup is made.  An optional one whose place is not in sight is
--- left out; one there must be.
function layout:place()
  local placed <const> = {}
  for i, step in ipairs(self.steps) do
    local hierarchy <const> = self.hierarchies[i]
    step.path = parent_of(self.given.parent, step, hierarchy)
    step.controllers, step.limits = unless_empty(step.controllers), unless_empty(step.limits)
    if step.path then
      placed[#placed + 1] = step
    elseif not step.optional then
      self:refuse("cgroup.parent", "the caller's own cgroup is not in sight",
        ("name a cgroup that is, by its path below %s"):format(hierarchy.target))
    end
  end
  if placed[1] and not self.limited then
    placed[1].optional = nil
  end
  return placed
end

local HINT <const> = "see /proc/cgroups; a container sees the controllers that were handed to it"

--- The steps that make a container's cgroups, version 2 first, and what stands
--- against it.
---@param given table normalised `cgroup`
---@param hierarchies userns.Hierarchy[]
---@param strict boolean
---@return userns.Step[] steps
---@return userns.Error[] refusals EUNAVAILABLE
function limits.lay_out(given, hierarchies, strict)
  local l <const> = setmetatable({
    given = given, strict = strict, by_target = {}, steps = {}, hierarchies = {}, limited = false, refusals = {},
  }, layout)
  if hierarchies[1] and hierarchies[1].version == 2 then
    l:step(hierarchies[1])
  end
  for _, limit in ipairs(LIMITS) do
    if given[limit.field] then
      local hierarchy <const>, controller <const> = hierarchy_of(hierarchies, limit)
      if hierarchy then
        l:limit(limit, hierarchy, controller)
      else
        l:refuse("cgroup." .. limit.field, ("no cgroup hierarchy has the controller %s"):format(limit[2][1]), HINT)
      end
    end
  end
  l:account(hierarchies)
  local steps <const> = l:place()
  if not steps[1] and not l.refusals[1] then
    l:refuse("cgroup", "no cgroup of the caller's is in sight", HINT)
  end
  return steps, l.refusals
end

return limits
