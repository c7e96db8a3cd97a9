-- What can be looked at after a refusal, to tell its causes apart: read when it is
-- asked for, once, without any effect on what is looked at.  An answer is nil
-- where nothing can be said.
local cgroups = require "userns.cgroups"
local files = require "userns.evidence.files"
local handles = require "userns.schema.handles"
local mountinfo = require "userns.mountinfo"
local namespaces = require "userns.evidence.namespaces"
local sys = require "userns.sys"

local evidence = {}

---@class userns.Source where evidence comes from; specs have their own
---@field read fun(path: string): string? text of a file
---@field stat fun(path: string, how: "nofollow"?): table?
---@field statfs fun(path: string): table?
---@field mount_of fun(path: string): table?
---@field access fun(path: string, how: string?): true?, userns.Error?
---@field path fun(): string? where programs are
---@field probe fun(name: string, namespaces: string[]?): string?, string?, boolean?
---@field capabilities fun(): string[]? effective ones
---@field cgroups fun(): userns.Hierarchy[]? as cgroups.read has them
---@field file_caps fun(path: string): string|false|nil
---@field fsopen fun(type: string): userns.FsContext?
---@field ids fun(): integer, integer effective user and group id
---@field landlock_abi fun(): integer?
---@field lives fun(pid: integer): boolean? whether a process or a thread has the number
---@field map fun(kind: "uid"|"gid", target: any): table?
---@field modules fun(): string[]?
---@field mounts fun(): userns.Mount[]?
---@field namespace fun(type: string, target: any): userns.Namespace?, userns.Error?
---@field processes fun(): integer[]?
---@field seccomp fun(): boolean? whether filters hold the caller
---@field sets fun(): table? of capabilities, by name

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
  cgroups = cgroups.read,
  file_caps = sys.get_file_caps,
  fsopen = sys.fsopen,
  ids = function()
    local _, uid <const> = sys.getresuid()
    local _, gid <const> = sys.getresgid()
    return uid, gid
  end,
  landlock_abi = sys.landlock_abi,
  lives = function(pid)
    local process <close>, err = sys.pidfd_open(pid)
    if process then
      return true
    elseif err.code == "ESRCH" then
      return false
    end
  end,
  map = function(kind, target)
    return (sys["read_" .. kind .. "_map"](target))
  end,
  modules = sys.security_modules,
  mounts = mountinfo.read,
  namespace = handles.namespace,
  path = function()
    return os.getenv "PATH"
  end,
  processes = sys.processes,
  seccomp = function()
    return (sys.prctl "seccomp")
  end,
  sets = sys.getcaps,
}

---@class userns.Evidence
---@field source userns.Source
local methods <const> = {}
methods.__index = methods

for _, room in ipairs { files, namespaces } do
  for name, method in pairs(room) do
    methods[name] = method
  end
end

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
  if not set then
    return nil
  end
  return set[name] or false
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
  local map <const> = ask(self, "map", kind, "self")
  for _, range in ipairs(map or {}) do
    if id >= range.inside and id - range.inside < range.count then
      return true
    end
  end
  return map and false
end

--- An id outside of a map that has no name in the caller's user namespace.
---@param kind "uid"|"gid"
---@param map userns.IdRange[]
---@return integer?
function methods:unmapped(kind, map)
  for _, range in ipairs(map) do
    for _, id in ipairs { range.outside, range.outside + range.count - 1 } do
      if self:is_mapped(kind, id) == false then
        return id
      end
    end
  end
end

-- What the kernel answers who wants a child that shares nothing.
local NO_CHILD <const> = { EAGAIN = true, ENOMEM = true }

--- Whether there are filters at all, or no telling: /proc may be covered.
---@return boolean
function methods:may_be_filtered()
  return self:status "Seccomp" ~= "0" and ask(self, "seccomp") ~= false
end

--- Whether a filter answers a system call before the kernel does: certain where
--- the answer is that, and none that the kernel gives.
---@param name string "unshare"
---@param types string[]? of namespaces: with the flags of these
---@param code string what was answered: a filter's may be the kernel's too
---@return boolean?
function methods:is_filtered(name, types, code)
  if not self:may_be_filtered() then
    return false
  end
  local known <const>, answer, expected <const>, privileged <const> = pcall(self.source.probe, name, types)
  if not known then
    return false -- one that nobody can try
  elseif type(answer) ~= "string" then
    -- it takes a child to try, and the kernel refuses none for such a reason
    return type(expected) == "table" and not NO_CHILD[expected.code] and expected.code == code or nil
  elseif answer == expected then
    return answer == code and nil
  elseif answer == "EPERM" and privileged and not self:is_privileged "sys_admin" then
    return nil
  end
  return answer == code or nil
end

--- Whether namespaces of these types cannot be created, which is tried in a child.
---@param types string[]
---@param code string what that is answered with
---@return boolean? nil: it could not be tried, or is answered with something else
function methods:is_refused(types, code)
  if self:is_traced() then
    return nil
  end
  local known <const>, answer <const> = pcall(self.source.probe, "create", types)
  if known and answer == "OK" then
    return false
  end
  return known and answer == code or nil
end

--- Whether a tracer of the process's may answer in the kernel's place.
---@return boolean
function methods:is_traced()
  return (self:status "TracerPid" or "0") ~= "0"
end

-- Where the first mount namespace's inode lies, which older kernels number as it
-- comes.
local FIRST_MNT <const> = { [0xEFFFFFF8] = true, [0xF0000000] = true, [0xF0000001] = true }

-- The file system that the kernel begins with, on which the first root lies, is
-- among the first to get a number.
local ROOTFS_ID <const> = 2

--- Whether what lies under the caller's root is hidden from it, in the first mount
--- namespace; nil in another.
local function is_under_another(self, root)
  local ns <const> = self:stat "/proc/self/ns/mnt"
  if not ns or not FIRST_MNT[ns.inode] then
    return nil
  end
  for _, mount in ipairs(self:mounts()) do
    if mount.id == root.parent then
      return nil -- something was mounted over the root
    end
  end
  return root.parent > ROOTFS_ID
end

--- Whether process 1 is in the same mount namespace with another root.
local function differs_from_init(self)
  local own <const>, first <const> = self:stat "/proc/self/ns/mnt", self:stat "/proc/1/ns/mnt"
  if not own or not first or own.inode ~= first.inode then
    return nil
  end
  local root <const>, other <const> = self:mount_of "/", self:mount_of "/proc/1/root/"
  return root and other and root.id ~= other.id
end

--- Whether the caller's root is not the root of its mount namespace.
---@return boolean? nil: a mount may be the root of either
function methods:is_chrooted()
  local mount <const> = self:mount_of "/"
  if mount and mount.root == false then
    return true
  elseif not self:mounts() then
    return nil
  end
  local entry <const> = self:mount_at "/"
  if not entry then
    return true
  end
  local hidden <const> = is_under_another(self, entry)
  if hidden ~= nil then
    return hidden
  end
  return differs_from_init(self) -- where that may be looked at
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
---@param how "nofollow"? a link itself
---@return table? as sys.stat's
function methods:stat(path, how)
  return (ask(self, "stat", path, how))
end

--- What file system a file is on.
---@param path string
---@return table? as sys.statfs's
function methods:statfs(path)
  return (ask(self, "statfs", path))
end

--- Which mount a file is on.
---@param file any a path, or what is open
---@return table? as sys.mount_of's
function methods:mount_of(file)
  if type(file) ~= "string" then
    return (self.source.mount_of(file))
  end
  return (ask(self, "mount_of", file))
end

--- The path of a program in the caller's PATH.
---@param name string
---@return string?
function methods:program(name)
  for directory in (self.source.path() or ""):gmatch "[^:]+" do
    if ask(self, "access", directory .. "/" .. name) then
      return directory .. "/" .. name
    end
  end
end

--- Whether a program's file gives capabilities.
---@param path string
---@return boolean?
function methods:has_file_caps(path)
  local text <const> = ask(self, "file_caps", path)
  return text and true or text
end

--- Whether a capability is in one of the caller's sets.
---@param set "permitted"|"inheritable"|"bounding"
---@param name string "net_raw"
---@return boolean?
function methods:has_capability(set, name)
  local sets <const> = ask(self, "sets")
  for _, word in ipairs(sets and sets[set] or {}) do
    if word == name then
      return true
    end
  end
  return sets and false
end

--- The names of the security modules that may refuse what the kernel allows, by
--- rules that may be anything.
---@return string[]? modules nil where it is not told
function methods:modules()
  local list <const> = ask(self, "modules")
  if list then
    return list
  end
  local text <const> = self:read "/sys/kernel/security/lsm" -- before Linux 6.8
  local found <const> = {}
  for _, name in ipairs { "selinux", "apparmor", "smack", "tomoyo", "bpf" } do
    found[#found + 1] = ("," .. (text or ""):gsub("%s", "") .. ","):find("," .. name .. ",", 1, true) and name or nil
  end
  return text and found
end

-- Whether a module that is there has nothing to refuse: one that runs programs of
-- others is not thought of, nor IPE, which has no policy but where somebody deploys
-- one; TOMOYO does nothing until its policy is loaded.
local IDLE <const> = {
  apparmor = function(self)
    return self:label() == "unconfined"
  end,
  bpf = function()
    return true
  end,
  ipe = function()
    return true
  end,
  tomoyo = function(self)
    return not self:may "/sbin/tomoyo-init"
  end,
}

--- Whether a security module may have refused something.
---@return boolean? false: none can; nil: one may
function methods:may_be_refused()
  for _, name in ipairs(self:modules() or { "any" }) do
    if not (IDLE[name] and IDLE[name](self)) then
      return nil
    end
  end
  return false
end

--- What AppArmor calls the process: "unconfined", or the name of a profile.
---@return string?
function methods:label()
  local text <const> = self:read "/proc/self/attr/apparmor/current" or self:read "/proc/self/attr/current"
  return text and text:match("^[^\n]+")
end

return evidence
