-- What can be looked at after a refusal, to tell its causes apart: read when it is
-- asked for, once, without any effect on what is looked at.  An answer is nil
-- where nothing can be said.
local sys = require "userns.sys"

local evidence = {}

---@class userns.Source where evidence comes from; specs have their own
---@field read fun(path: string): string? text of a file
---@field stat fun(path: string): table?
---@field statfs fun(path: string): table?
---@field mount_of fun(path: string): table?
---@field access fun(path: string, how: string?): true?, userns.Error?
---@field probe fun(name: string, namespaces: string[]?): string?, string?, boolean?
---@field capabilities fun(): string[]? effective ones
---@field ids fun(): integer, integer effective user and group id
---@field map fun(kind: "uid"|"gid"): table?
---@field mounts fun(): userns.Mount[]?
---@field namespace fun(type: string, target: any): userns.Namespace?

local function read(path)
  local fd <close> = sys.open(path)
  if not fd then
    return nil
  end
  local file <close> = assert(fd:file("r"))
  return file:read("a")
end

local HOST <const> = {
  read = read,
  stat = sys.stat,
  statfs = sys.statfs,
  mount_of = sys.mount_of,
  access = sys.access,
  probe = sys.probe,
  capabilities = function()
    local sets <const> = sys.getcaps()
    return sets and sets.effective
  end,
  ids = function()
    local _, uid <const> = sys.getresuid()
    local _, gid <const> = sys.getresgid()
    return uid, gid
  end,
  map = function(kind)
    return (sys["read_" .. kind .. "_map"]("self"))
  end,
  mounts = function()
    return (sys.read_mountinfo("self"))
  end,
  namespace = sys.namespace,
}

---@class userns.Evidence
---@field source userns.Source
local methods <const> = {}
methods.__index = methods

--- Evidence about the calling process.
---@param source userns.Source? where it comes from; the host when absent
---@return userns.Evidence
function evidence.new(source)
  return setmetatable({ source = source or HOST, known = {} }, methods)
end

--- What a function of the source says, asked once; nil for nil.
local function ask(self, name, ...)
  local key <const> = table.concat({ name, ... }, "\0")
  local answer = self.known[key]
  if answer == nil then
    answer = table.pack(self.source[name](...))
    self.known[key] = answer
  end
  return table.unpack(answer, 1, answer.n)
end

--- The text of a file.
---@param path string
---@return string?
function methods:read(path)
  return (ask(self, "read", path))
end

--- The integer that a file of the kernel's begins with.
---@param path string
---@return integer?
function methods:number(path)
  return math.tointeger(tonumber((self:read(path) or ""):match("^%s*(%-?%d+)")))
end

--- A kernel setting that is a number.
---@param name string "user/max_user_namespaces"
---@return integer?
function methods:sysctl(name)
  return self:number("/proc/sys/" .. name)
end

--- A field of /proc/self/status.
---@param name string
---@return string?
function methods:status(name)
  return (self:read("/proc/self/status") or ""):match("%f[^\0\n]" .. name .. ":%s*([^\n]*)")
end

--- How many threads the process has.
---@return integer?
function methods:threads()
  return math.tointeger(tonumber(self:status("Threads")))
end

--- Has the process other threads?
---@return boolean?
function methods:has_threads()
  local count <const> = self:threads()
  return count and count > 1
end

--- Whether the caller has a capability, over its own user namespace.
---@param name string "sys_admin"
---@return boolean?
function methods:capable(name)
  if self.known.capabilities == nil then
    local list <const> = self.source.capabilities()
    local set <const> = {}
    for _, word in ipairs(list or {}) do
      set[word] = true
    end
    self.known.capabilities = list and set or false
  end
  local set <const> = self.known.capabilities
  return set and (set[name] or false) or nil
end

--- The effective user id and group id.
---@return integer uid
---@return integer gid
function methods:ids()
  return ask(self, "ids")
end

--- Whether an id is one of those inside the caller's user namespace.
---@param kind "uid"|"gid"
---@param id integer
---@return boolean?
function methods:is_mapped(kind, id)
  local map <const> = ask(self, "map", kind)
  for _, range in ipairs(map or {}) do
    if id >= range.inside and id - range.inside < range.count then
      return true
    end
  end
  return map and false
end

--- Whether the caller is in the initial user namespace, as far as its map tells.
---@return boolean?
function methods:is_initial()
  local map <const> = ask(self, "map", "uid")
  return map and #map == 1 and map[1].count == 0xFFFFFFFF
end

--- Whether a filter answers a system call before the kernel does: certain where
--- the answer is none that the kernel gives.
---@param name string "unshare"
---@param namespaces string[]? with the flags of these
---@return boolean?
function methods:is_filtered(name, namespaces)
  if self:status("Seccomp") == "0" then
    return false
  end
  local answer <const>, expected <const>, privileged <const> = self.source.probe(name, namespaces)
  local may <const> = not privileged or self:is_initial() and self:capable("sys_admin")
  if type(answer) ~= "string" or answer == "EPERM" and not may then
    return nil
  end
  return answer ~= expected
end

--- Whether the caller's root is not the root of its mount namespace. A chroot onto
--- a mount cannot be told from none.
---@return boolean? true where it certainly is not
function methods:is_chrooted()
  local mount <const> = ask(self, "mount_of", "/")
  if mount and mount.root == false then
    return true
  end
  for _, entry in ipairs(ask(self, "mounts") or {}) do
    if entry.target == "/" then
      return nil
    end
  end
  return ask(self, "mounts") and true
end

--- The mounts that the caller sees.
---@return userns.Mount[]?
function methods:mounts()
  return (ask(self, "mounts"))
end

--- The mount that lies topmost on a path.
---@param path string as it stands in mountinfo
---@return userns.Mount?
function methods:mount_at(path)
  local found
  for _, mount in ipairs(self:mounts() or {}) do
    found = mount.target == path and mount or found
  end
  return found
end

--- What a file is.
---@param path string
---@return table? as sys.stat's
function methods:stat(path)
  return (ask(self, "stat", path))
end

--- What file system a file is on.
---@param path string
---@return table? as sys.statfs's
function methods:statfs(path)
  return (ask(self, "statfs", path))
end

--- Which mount a file is on.
---@param path string
---@return table? as sys.mount_of's
function methods:mount_of(path)
  return (ask(self, "mount_of", path))
end

--- The first part of a path that stops whoever follows it.
---@param path string
---@return string? part the path as far as that
---@return string? code ENOENT: it is not there; ENOTDIR; EACCES: it may not be
---  searched; ELOOP
function methods:obstacle(path)
  local part = path:sub(1, 1) == "/" and "/" or "."
  for name in path:gmatch("[^/]+") do
    local ok, err = ask(self, "access", part, "execute")
    if not ok then
      return part, err and err.code
    end
    part = (part == "/" and "/" or part .. "/") .. name
    ok, err = ask(self, "access", part)
    if not ok then
      return part, err and err.code
    end
  end
  return nil
end

--- The names of the security modules that the kernel has, which may refuse what
--- it allows.
---@return string[]? modules those that decide by labels; nil where it is not told
function methods:modules()
  local text <const> = self:read("/sys/kernel/security/lsm")
  if not text then
    return nil
  end
  local found <const> = {}
  for _, name in ipairs { "selinux", "apparmor", "smack", "tomoyo", "bpf" } do
    found[#found + 1] = ("," .. text:gsub("%s", "") .. ","):find("," .. name .. ",", 1, true) and name or nil
  end
  return found
end

--- How deep a namespace of the caller's lies, as far as it can be seen from here.
---@param type "user"|"pid"
---@return integer? level
function methods:level(type)
  local ns <close> = self.source.namespace(type, "self")
  return ns and (ns:level()) or nil
end

--- Whether two processes are in one namespace.
---@param type string
---@param target any
---@return boolean?
function methods:is_own(type, target)
  local own <close> = self.source.namespace(type, "self")
  local other <close> = self.source.namespace(type, target)
  return own and other and own:id() == other:id()
end

return evidence
