-- What the steps of a plan depend on.  With one that is refused goes what cannot
-- do without it: that must not be done where the container's own is missing, nor
-- be blamed for what it lacks.
local is_within <const> = require("userns.path").is_within
local settings = require "userns.schema.settings"

local dependence = {}

local function each_word(words)
  return words:gmatch("%S+")
end

local ROOTS <const> = "root_host root_bind root_tmpfs root_overlay"
local PLACED <const> = "mount bind overlay dir file symlink mask readonly remount pivot_root"
local MAPS <const> = "setgroups uid_map gid_map newuidmap newgidmap"

-- What is done to a namespace of the container's: never to another.
local OWN <const> = {}

-- What is done only after something else, where the plan has that.
local AFTER <const> = {}

local function add(map, ops, word)
  for op in each_word(ops) do
    map[op] = map[op] or {}
    table.insert(map[op], word)
  end
end

for type, ops in pairs {
  user = MAPS .. " lock_mounts",
  mnt = "propagation lock_mounts " .. ROOTS .. " " .. PLACED,
  net = "loopback link_up address route veth interface uplink",
  uts = "hostname domainname",
} do
  add(OWN, ops, type)
end

for before, ops in pairs {
  ["propagation"] = "lock_mounts " .. ROOTS, -- nothing may travel to the host
  [ROOTS] = PLACED .. " chdir path_rule examine", -- another tree is in sight
  ["pivot_root"] = "chdir path_rule examine",
  [MAPS] = "uplink", -- its program needs ids there
  ["setsid"] = "terminal",
  ["pty"] = "terminal descriptors",
  ["terminal"] = "descriptors",
  ["no_new_privs"] = "landlock seccomp",
} do
  for op in each_word(before) do
    add(AFTER, ops, op)
  end
end

-- File systems that show a namespace, and may be mounted by whom it belongs to.
local SHOWS <const> = { proc = "pid", sysfs = "net", mqueue = "ipc", cgroup2 = "cgroup" }

-- What leaves a descriptor in its slot, for others.
local FILLS <const> = {}
for op in each_word("open idmap take namespace ruleset mount overlay") do
  FILLS[op] = true
end

-- What others are put into or looked up in.
local MAKES <const> = {}
for op in each_word("mount bind overlay dir file symlink") do
  MAKES[op] = true
end

-- Without these nothing of what comes later can be judged; without the maps
-- nothing that the child does once it is let go.
local ENDS <const>, ENDS_AT_RELEASE <const> = {}, {}
for op in each_word("image join clone close_fds await") do
  ENDS[op] = true
end
for op in each_word(MAPS) do
  ENDS_AT_RELEASE[op] = true
end

-- ---- paths ----------------------------------------------------------------

--- A path without "." and "..", as far as names tell.
local function plain(path)
  local names <const> = {}
  for name in path:gmatch("[^/]+") do
    if name == ".." then
      table.remove(names)
    elseif name ~= "." then
      names[#names + 1] = name
    end
  end
  return "/" .. table.concat(names, "/")
end

-- As many symbolic links as the kernel follows.
local LINKS_MAX <const> = 40

--- Whether a path leads through a place that has been lost, also by way of the
--- links that the plan itself makes.
local function leads_through(path, lost, links)
  path = plain(path)
  for _ = 1, LINKS_MAX do
    for _, place in ipairs(lost) do
      if is_within(path, place) then
        return true
      end
    end
    local name
    for link in pairs(links) do
      name = is_within(path, link) and link or name
    end
    if not name then
      return false
    end
    local to <const> = links[name]
    path = plain((to:sub(1, 1) == "/" and to or name:match("^(.*/)") .. to) .. path:sub(#name + 1))
  end
  return true
end

local LOOKS_UP <const> = { chdir = true, path_rule = true, pty = true }

--- What a step looks up inside the container's root.
local function lookups(step)
  if step.user then
    return { "/etc/passwd" }
  elseif step.group or step.names then
    return { "/etc/group" }
  elseif step.op == "examine" then
    return step.paths
  end
  return { step.target or LOOKS_UP[step.op] and step.path or nil }
end

-- ---- what is left ---------------------------------------------------------

---@class userns.Standing what is there when the next step is to be done
---@field provided table<string, boolean> namespaces of the container's own
---@field joined table<string, boolean>
---@field ops table<string, boolean> of which one has been lost
---@field slots table<integer, boolean> that are empty
---@field sources string[] parts of lists that have been lost
---@field places string[] that are not what they should be
---@field links table<string, string>
---@field devices table<string, boolean> interfaces that lack an address
---@field ended boolean nothing more can be judged
---@field until_release boolean
local methods <const> = {}
methods.__index = methods

--- Before the first step.
---@return userns.Standing
function dependence.new()
  return setmetatable({
    provided = {}, joined = {}, ops = {}, slots = {}, sources = {}, places = {}, links = {}, devices = {},
    ended = false, until_release = false,
  }, methods)
end

--- The types of namespaces that a step changes: never to be done in others' than
--- the container's own.
---@param step userns.Step
---@return string[]
function dependence.changes(step)
  if step.op == "sysctl" then
    return { settings.sysctl_namespace((step.path:gsub("^/proc/sys/", ""))) or "unknown" }
  end
  return OWN[step.op] or {}
end

local function has_own(self, step)
  for _, type in ipairs(dependence.changes(step)) do
    if not self.provided[type] then
      return false
    end
  end
  local shown <const> = step.op == "mount" and SHOWS[step.type]
  return not shown or self.provided[shown] or self.joined[shown]
end

--- Names stand in files of the container's, as what is entered does.
local function comes_after_lost(self, step)
  local named <const> = step.user or step.group or step.names
  for _, op in ipairs(AFTER[named and "chdir" or step.op] or {}) do
    if self.ops[op] then
      return true
    end
  end
  return step.op == "route" and self.devices[step.dev]
end

local function needs_empty_slot(self, step)
  local slots <const> = { table.unpack(step.lower or step.slots or {}) }
  for _, name in ipairs { "base", "upper", "work", not FILLS[step.op] and "slot" or nil } do
    slots[#slots + 1] = step[name]
  end
  for _, slot in ipairs(slots) do
    if self.slots[slot] then
      return true
    end
  end
  return false
end

local function belongs_to_lost(self, step)
  for _, source in ipairs(self.sources) do
    if step.source and dependence.is_part(step.source, source) then
      return true
    end
  end
  return false
end

local function looks_into_lost(self, step)
  for _, path in ipairs(lookups(step)) do
    if leads_through(path, self.places, self.links) then
      return true
    end
  end
  return false
end

--- Whether a field is another or a part of it.
---@param field string
---@param whole string
---@return boolean
function dependence.is_part(field, whole)
  local rest <const> = field:sub(#whole + 1)
  return field:sub(1, #whole) == whole and (rest == "" or rest:find("^[.%[]") ~= nil)
end

--- Whether a step can be done, and would say something of itself.
---@param step userns.Step
---@return boolean
function methods:allows(step)
  return has_own(self, step) and not comes_after_lost(self, step) and not needs_empty_slot(self, step)
    and not belongs_to_lost(self, step) and not looks_into_lost(self, step)
end

--- The step is done.
---@param step userns.Step
function methods:add(step)
  local made <const> = step.op == "join" and self.joined or self.provided
  for _, type in ipairs(step.op == "time" and { "time" } or step.namespaces or {}) do
    made[type] = true
  end
  if step.op == "symlink" then
    self.links[step.target] = step.to
  end
  self.ended = self.ended or self.until_release and step.op == "release"
end

--- The step is not done, or must not be relied upon.
---@param step userns.Step
function methods:lose(step)
  self.ops[step.op] = true
  if FILLS[step.op] and step.slot then
    self.slots[step.slot] = true
  end
  if step.source and step.source:find("%[") then
    table.insert(self.sources, step.source)
  end
  if MAKES[step.op] then
    table.insert(self.places, step.target)
  end
  if step.op == "address" then
    self.devices[step.dev] = true
  end
  local builds <const> = step.source == "uid_map" or step.source == "gid_map"
  if ENDS_AT_RELEASE[step.op] then
    self.until_release = true
  elseif ENDS[step.op] or builds then
    self.ended = true
  end
end

-- What the program may lack that has lost one of these.
local GIVES_ACCESS <const> = "path_rule setuid setgid groups capabilities"

--- Whether a refusal may come of what has been lost.
---@param step userns.Step
---@param err userns.Error
---@return boolean
function methods:is_doubtful(step, err)
  if step.op ~= "examine" or err.code ~= "EACCES" then
    return false
  end
  for op in each_word(GIVES_ACCESS) do
    if self.ops[op] then
      return true
    end
  end
  return false
end

return dependence
