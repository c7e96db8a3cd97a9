-- A cgroup that is a container's: made before the clone, entered by the child,
-- read when the program has ended, and removed.  All of it by descriptor.
local sys = require "userns.sys"

local cgroup = {}

---@class userns.Cgroup
---@field version 1|2
---@field step userns.Step
---@field path string
---@field name string in its parent
---@field parent userns.Fd
---@field made boolean? it is there, and ours to remove
---@field host integer pid of who made it
---@field directory userns.Fd? until the child is in it
local methods <const> = {}

local metatable <const> = { __name = "userns.cgroup", __index = methods }

-- ---- files ----------------------------------------------------------------

local function read(directory, name)
  local fd <close>, err = sys.openat(directory, name)
  if not fd then
    return nil, err
  end
  local file <close> = assert(fd:file("r"))
  return file:read("a")
end

local function write(directory, name, text)
  local fd <close>, err = sys.openat(directory, name, "write")
  if not fd then
    return nil, err
  end
  local count <const>, why = fd:write(text)
  return count and true, why
end

--- The pids of the processes in a cgroup; 0 is one that this pid namespace lacks.
local function members(directory)
  local pids <const> = {}
  for word in (read(directory, "cgroup.procs") or ""):gmatch("%d+") do
    pids[#pids + 1] = math.tointeger(tonumber(word))
  end
  return pids
end

--- An error with the path of what it is about, and the limit of the step's that
--- it is about.
local function about(err, path, item)
  err.path, err.item = path, item
  return nil, err
end

-- ---- making ---------------------------------------------------------------

local count = 0

--- A name that this state has not used yet; others may have.
local function new_name()
  count = count + 1
  return ("userns-%d-%d"):format(sys.getpid(), count)
end

local function make(self, given)
  local err
  repeat
    self.name = given or new_name()
    self.made, err = sys.mkdirat(self.parent, self.name)
  until self.made or given or err.code ~= "EEXIST"
  return self.made, err
end

local function open(self)
  return sys.openat(self.parent, self.name, { "read", "directory" })
end

--- The first limit that a controller has to do with.
local function item_of(step, controller)
  for i, limit in ipairs(step.limits or {}) do
    if limit:find(controller .. ".", 1, true) == 1 then
      return i
    end
  end
end

local function word_set(text)
  local set <const> = {}
  for word in (text or ""):gmatch("%S+") do
    set[word] = true
  end
  return set
end

--- Whether a cgroup other than the root has processes: the kernel refuses to have
--- it hand controllers down, or (pids, cpu) lets it, and then refuses whoever is to
--- enter one below.
local function is_inhabited(directory)
  return read(directory, "cgroup.type") ~= nil and #members(directory) > 0
end

--- Has a version 2 cgroup hand controllers to those below it.
local function enable(self, step)
  local available <const> = word_set(read(self.parent, "cgroup.controllers"))
  local enabled <const> = word_set(read(self.parent, "cgroup.subtree_control"))
  local words <const> = {}
  local item
  for _, controller in ipairs(step.controllers or {}) do
    if not available[controller] then
      return about(sys.error {
        op = "cgroup", code = "EUNAVAILABLE", message = ("the cgroup has not got the controller %s"):format(controller),
      }, step.path, item_of(step, controller))
    elseif not enabled[controller] then
      item = item or item_of(step, controller)
      words[#words + 1] = "+" .. controller
    end
  end
  if #words == 0 then
    return true
  elseif is_inhabited(self.parent) then
    return about(sys.error {
      op = "cgroup", code = "EBUSY", message = "the cgroup has processes of its own",
    }, step.path, item)
  end
  local ok <const>, err = write(self.parent, "cgroup.subtree_control", table.concat(words, " "))
  if not ok then
    return about(err, step.path .. "/cgroup.subtree_control", item)
  end
  return true
end

-- Where these are missing, the kernel does not account for swap.
local SWAP <const> = { ["memory.memsw.limit_in_bytes"] = true, ["memory.swap.max"] = true }

--- Writes a cgroup's limits; which could not be had is added to `degraded`.
local function limit(self, step, degraded)
  for i, entry in ipairs(step.limits or {}) do
    local file <const>, value <const> = entry:match("^([^=]+)=(.*)$")
    local ok <const>, err = write(self.directory, file, value)
    if not ok and SWAP[file] and err.code == "ENOENT" and not step.required then
      table.insert(degraded, {
        feature = "cgroup.swap", used = "no limit", reason = "the kernel does not account for swap",
      })
    elseif not ok then
      return about(err, self.path .. "/" .. file, i)
    end
  end
  return true
end

local function create(self, step, degraded)
  local first <const> = step.limits and 1
  if step.controllers then
    local ok <const>, err = enable(self, step)
    if not ok then
      return nil, err
    end
  end
  local ok <const>, err = make(self, step.name)
  if not ok then
    return about(err, step.name and step.path .. "/" .. step.name or step.path, first)
  end
  self.path = step.path .. "/" .. self.name
  self.directory, err = open(self)
  if not self.directory then
    return about(err, self.path, first)
  end
  return limit(self, step, degraded)
end

--- Makes the cgroup of a step, with its limits.
---@param step userns.Step
---@param degraded table[] what could not be had is added here
---@return userns.Cgroup? cgroup is removed when it is collected
---@return userns.Error? err
function cgroup.create(step, degraded)
  local parent <const>, err = sys.open(step.path, { "read", "directory" })
  if not parent then
    return about(err, step.path, step.limits and 1)
  end
  -- What is collected together is finalised in reverse: the parent's descriptor
  -- is older, and so still open then.
  local self <const> = setmetatable({
    version = step.version, step = step, parent = parent, host = sys.getpid(),
  }, metatable)
  local ok <const>, why = create(self, step, degraded)
  if not ok then
    self:close()
    return nil, why
  end
  return self
end

-- ---- members --------------------------------------------------------------

--- Puts a process into the cgroup, unless it was created there.
---@param pid integer
---@return true? ok
---@return userns.Error? err
function methods:enter(pid)
  local directory <close> = self.directory
  self.directory = nil
  if #members(directory) > 0 then
    return true
  end
  local ok <const>, err = write(directory, "cgroup.procs", tostring(pid))
  if not ok then
    return about(err, self.path .. "/cgroup.procs")
  end
  return true
end

--- Kills whom a cgroup has now.  A number may pass to another process at any
--- time, but not while that is looked at through a pidfd.
local function kill_members(directory)
  local handles <const> = {}
  for _, pid in ipairs(members(directory)) do
    handles[pid] = pid > 0 and sys.pidfd_open(pid) or nil
  end
  for _, pid in ipairs(members(directory)) do
    if handles[pid] then
      handles[pid]:kill("KILL")
    end
  end
  for _, handle in pairs(handles) do
    handle:close()
  end
end

--- Kills everybody in it and, with version 2, below it.
local function kill(self, directory)
  -- from Linux 5.14
  if not (self.version == 2 and write(directory, "cgroup.kill", "1")) then
    kill_members(directory)
  end
end

-- ---- what it tells --------------------------------------------------------

local function peak(text, result)
  result.usage.max_rss = math.tointeger(tonumber(text))
end

local function oom_kills(text, result)
  result.oom_killed = tonumber(text:match("oom_kill (%d+)") or 0) > 0
end

--- A time that is given in parts of a second.
local function seconds(field, parts)
  return function(text, result)
    result.usage[field] = tonumber(text) / parts
  end
end

local function times(text, result)
  for field, file in pairs { user_time = "user_usec", system_time = "system_usec" } do
    local value <const> = text:match(file .. " (%d+)")
    result.usage[field] = value and tonumber(value) / 1e6 or result.usage[field]
  end
end

local TOLD <const> = {
  {
    ["memory.max_usage_in_bytes"] = peak,
    ["memory.oom_control"] = oom_kills,
    ["cpuacct.usage_user"] = seconds("user_time", 1e9),
    ["cpuacct.usage_sys"] = seconds("system_time", 1e9),
  },
  { ["memory.peak"] = peak, ["memory.events"] = oom_kills, ["cpu.stat"] = times },
}

--- Adds to a result what the cgroup counted.
local function tell(self, directory, result)
  for file, add in pairs(TOLD[self.version]) do
    local text <const> = read(directory, file)
    if text then
      add(text, result)
    end
  end
end

-- ---- the end --------------------------------------------------------------

-- A program that may make cgroups below its own is not to hold us up for ever.
local DEPTH_MAX <const> = 16

local function remove_below(directory, depth)
  for _, name in ipairs(depth > 0 and sys.directories(directory) or {}) do
    local below <close> = sys.openat(directory, name, { "read", "directory" })
    if below then
      remove_below(below, depth - 1)
      sys.rmdirat(directory, name)
    end
  end
end

--- Lets go of the cgroup: it stays.
function methods:detach()
  self.made = nil
  self.parent:close()
  if self.directory then
    self.directory:close()
  end
end

-- Who has been killed is a member until it has ended.
local PATIENCE <const> = 2 -- seconds
local PAUSE <const>, PAUSE_MAX <const> = 0.001, 0.05

local function remove(self, result)
  local directory <close>, unseen = open(self)
  if not directory then
    return unseen.code == "ENOENT", unseen
  end
  local deadline <const> = sys.clock() + PATIENCE
  local pause = PAUSE
  while true do
    kill(self, directory)
    if result then
      tell(self, directory, result)
    end
    remove_below(directory, DEPTH_MAX)
    local ok <const>, err = sys.rmdirat(self.parent, self.name)
    if ok or err.code ~= "EBUSY" or sys.clock() >= deadline then
      return ok, err
    end
    sys.poll({}, pause)
    pause = math.min(2 * pause, PAUSE_MAX)
  end
end

--- Kills whoever is in the cgroup, reads what it tells, and removes it.
---@param result userns.Result? gets what it tells
function methods:close(result)
  -- a copy of the host that somebody forked has no part in it
  if self.made and self.host == sys.getpid() then
    local ok <const>, err = remove(self, result)
    if not ok and result then
      table.insert(result.degraded, {
        feature = "cgroup", used = self.path .. ", left behind", reason = ("%s: %s"):format(err.syscall, err.message),
      })
    end
  end
  self:detach()
end

metatable.__gc = function(self)
  self:close()
end

return cgroup
