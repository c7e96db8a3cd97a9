-- What can be looked at of namespaces: how deep they lie, whose they are, how many
-- there are.
local methods = {}

-- The inodes that the kernel gives the first namespaces (linux/nsfs.h), and from
-- where on it numbers the others.
local INITIAL <const> = { user = 0xEFFFFFFD, pid = 0xEFFFFFFC }
local OTHERS <const> = 0xF0000000

--- Whether the caller is in the first namespace of its type.
---@param type "user"|"pid"
---@return boolean?
function methods:is_initial(type)
  local file <const> = self:stat("/proc/self/ns/" .. type)
  return file and file.inode == INITIAL[type]
end

--- Whether the caller has a capability over the first user namespace.
---@param name string "sys_admin"
---@return boolean?
function methods:is_privileged(name)
  local initial <const> = self:is_initial "user"
  return initial and self:capable(name)
end

--- The namespace of a type that a target has: the caller's to close.
---@param type string
---@param target any
---@return userns.Namespace?
---@return userns.Error?
function methods:namespace(type, target)
  return self.source.namespace(type, target)
end

--- Whether two processes are in one namespace.
---@param type string
---@param target any
---@return boolean?
function methods:is_own(type, target)
  local own <close> = self:namespace(type, "self")
  local other <close> = self:namespace(type, target)
  return own and other and own:id() == other:id()
end

--- Which types of namespace a target may stand for: one for a descriptor or a path.
---@param target any
---@return string[]
function methods:types_of(target)
  local list <const> = {}
  for _, type in ipairs { "user", "mnt", "pid", "net", "ipc", "uts", "cgroup", "time" } do
    local ns <close> = self:namespace(type, target)
    list[#list + 1] = ns and type
  end
  return list
end

--- How deep a user namespace lies below the caller's; 0 for its own.
---@param user userns.Namespace
---@return integer? depth nil: it is elsewhere, or above
---@return boolean? made the caller made it, or one that it lies in
local function below(self, user)
  local own <close> = self:namespace("user", "self")
  if not own then
    error "no telling where the caller is"
  elseif user:id() == own:id() then
    return 0, false
  end
  local parent <close> = user:parent()
  if not parent then
    return nil
  end
  local depth <const>, made <const> = below(self, parent)
  return depth and depth + 1, made or depth == 0 and user:owner() == (self:ids())
end

--- Whether the caller has CAP_SYS_ADMIN over a namespace, in whatever user namespace
--- that belongs to.
---@param ns userns.Namespace
---@return boolean? verdict
---@return "own"|"below"|"elsewhere"? relation of that user namespace to the caller's
function methods:has_power(ns)
  local owner <close> = ns:type() ~= "user" and ns:userns() or nil
  if ns:type() ~= "user" and not owner then
    return false, "elsewhere"
  end
  local depth <const>, made <const> = below(self, owner or ns)
  if not depth then
    return false, "elsewhere"
  end
  return made or self:capable "sys_admin", depth == 0 and "own" or "below"
end

--- Whether a namespace counts against what the caller may make.
local function counts(self, ns)
  local owner <close> = ns:type() ~= "user" and ns:userns() or nil
  local user <const> = ns:type() == "user" and ns or owner
  if not user then
    return false
  end
  local depth <const>, made <const> = below(self, user)
  return made or depth == 0 and ns:type() ~= "user" and ns:id() >= OTHERS and self:capable "sys_admin"
end

--- How many namespaces of a type the caller has made here or below, as far as they
--- are in sight: there may be more.
---@param type string
---@return integer
function methods:count(type)
  local seen <const>, total = {}, 0
  for _, pid in ipairs(self.source.processes() or {}) do
    local ns <close> = self:namespace(type, pid)
    if ns and not seen[ns:id()] then
      seen[ns:id()] = true
      total = total + (counts(self, ns) and 1 or 0)
    end
  end
  return total
end

--- A process that is in a namespace.
---@param ns userns.Namespace
---@return integer? pid
function methods:inhabitant(ns)
  for _, pid in ipairs(self.source.processes() or {}) do
    local other <close> = self:namespace(ns:type(), pid)
    if other and other:id() == ns:id() then
      return pid
    end
  end
end

--- Whether any process is in a namespace.
---@param ns userns.Namespace
---@return boolean
function methods:is_inhabited(ns)
  return self:inhabitant(ns) ~= nil
end

--- How deep a namespace of the caller's lies, as far as it can be seen from here.
---@param type "user"|"pid"
---@return integer? level
---@return boolean? whole that is all of it
function methods:level(type)
  local ns <close> = self:namespace(type, "self")
  local seen <const> = ns and ns:level()
  if self:is_initial(type) then
    return 0, true
  elseif type == "user" then
    return seen, false
  end
  -- a pid for each namespace, from that of the procfs on
  local _, pids <const> = (self:status "NSpid" or "0"):gsub("%d+", "")
  return math.max(seen or 0, pids - 1), self:read "/proc/2/comm" == "kthreadd\n"
end

-- ---- processes -------------------------------------------------------------

--- Whether the procfs at /proc has the numbers of another pid namespace.
---@return boolean? nil where there is no telling what is at /proc
function methods:has_foreign_proc()
  local numbers <const> = self:status "NSpid" or self:status "Pid"
  if numbers then
    return numbers:find "%s" ~= nil -- from that of the procfs on, one for each namespace
  end
  local fs <const> = self:statfs "/proc"
  local _, code <const> = self:may "/proc"
  if fs or code == "ENOENT" then
    return fs ~= nil and fs.type == "proc"
  end
end

--- Whether a number in /proc is not that of the process which the caller means.
local function is_strangers(self, pid)
  return pid ~= "self" and self:has_foreign_proc()
end

--- The pid of a target that is a process.
---@param target any
---@return integer|"self"|nil
function methods.pid_of(_, target)
  if math.type(target) == "integer" or target == "self" then
    return target
  elseif type(target) == "table" or type(target) == "userdata" then
    local known <const>, pid <const> = pcall(function() return target.pid end)
    return known and math.type(pid) == "integer" and pid or nil
  end
end

--- A field of a process's status.
---@param pid integer|"self"
---@param name string
---@return string?
function methods:status_of(pid, name)
  if is_strangers(self, pid) then
    return nil
  end
  return (self:read(("/proc/%s/status"):format(pid)) or ""):match("%f[^\0\n]" .. name .. ":%s*([^\n]*)")
end

--- Whether there is such a process.
---@param pid integer|"self"
---@return boolean? nil where neither /proc nor the kernel tells
function methods:is_there(pid)
  if not is_strangers(self, pid) and self:stat(("/proc/%s"):format(pid)) then
    return true
  end
  if pid ~= "self" then
    return self.source.lives(pid)
  end
end

--- Whether /proc does not show a process that there is.
---@param pid integer|"self"
---@return boolean?
function methods:is_hidden(pid)
  if pid == "self" or is_strangers(self, pid) or not self:stat "/proc/self" then
    return nil
  end
  return not self:stat(("/proc/%d"):format(pid)) and self.source.lives(pid)
end

--- The process that a number belongs to which is only a thread's.
---@param pid integer|"self"
---@return integer? process nil: it is a process's, or nobody's
function methods:process_of(pid)
  local process <const> = math.tointeger(tonumber(self:status_of(pid, "Tgid")))
  return process ~= pid and process or nil
end

--- Has it ended, and was not waited for?
---@param pid integer|"self"
---@return boolean
function methods:is_zombie(pid)
  return (self:status_of(pid, "State") or ""):sub(1, 1) == "Z"
end

--- The user id that a process has.
---@param pid integer|"self"
---@return integer?
function methods:uid_of(pid)
  return math.tointeger(tonumber((self:status_of(pid, "Uid") or ""):match("^%d+%s+(%d+)")))
end

--- How many threads the processes of a user have, as far as they are in sight.
---@param uid integer
---@return integer
function methods:tasks(uid)
  local total = 0
  for _, pid in ipairs(self.source.processes() or {}) do
    local real <const> = (self:status_of(pid, "Uid") or ""):match("^%d+")
    if real and math.tointeger(tonumber(real)) == uid then
      total = total + (math.tointeger(tonumber(self:status_of(pid, "Threads"))) or 1)
    end
  end
  return total
end

--- The map of a process's user namespace.
---@param kind "uid"|"gid"
---@param target any
---@return table?
function methods:map_of(kind, target)
  return (self.source.map(kind, target))
end

return methods
