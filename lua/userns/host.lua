-- The facts of this host that a plan depends on.  compile gets them as a table,
-- so that specs can hand it any host.
local cgroups = require "userns.cgroups"
local rlimits = require "userns.rlimits"
local subids = require "userns.subids"
local sys = require "userns.sys"
local tool = require "userns.tool"

local host = {}

local WHOLE_MAP <const> = { { inside = 0, outside = 0, count = 0xFFFFFFFF } }

-- What a kernel or a host has not got is a fact; what could not be read is none.
local UNKNOWN <const> = { EMFILE = true, ENFILE = true, ENOMEM = true }

--- Functions that look, and one that tells the first error for want of anything
--- but the file.
local function reader()
  local failure
  local function note(err)
    failure = failure or UNKNOWN[err.code] and err or nil
  end
  local function read(path)
    local fd <close>, err = sys.open(path)
    if not fd then
      note(err)
      return nil
    end
    local file <close> = assert(fd:file("r"))
    return file:read("a")
  end
  local function read_map(kind)
    local map <const>, err = sys["read_" .. kind .. "_map"]("self")
    if not map then
      note(err)
    end
    return map or WHOLE_MAP
  end
  return { file = read, map = read_map, note = note, failure = function() return failure end }
end

local function set_of(list)
  local set <const> = {}
  for _, name in ipairs(list) do
    set[name] = true
  end
  return set
end

local function limits(read)
  local found <const> = rlimits.parse(read("/proc/self/limits") or "")
  found.nofile = found.nofile or { soft = 1024, hard = 1024 }
  return found
end

local ENVIRONMENT <const> = { "PATH", "TERM", "LANG", "TZ", "HOME" }
local DEFAULT_PATH <const> = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

local short = {}

--- The short environment; the same table while nothing in it changes.
local function environment()
  local now <const>, same = {}, true
  for _, name in ipairs(ENVIRONMENT) do
    now[name] = os.getenv(name) or name == "PATH" and DEFAULT_PATH or nil
    same = same and now[name] == short[name]
  end
  short = same and short or now
  return short
end

---@class userns.Host
---@field uid integer effective user id
---@field gid integer effective group id
---@field groups integer[] supplementary groups
---@field uid_map { inside: integer, outside: integer, count: integer }[] of the caller's user namespace
---@field gid_map { inside: integer, outside: integer, count: integer }[]
---@field subids { uid: table[], gid: table[] } subordinate ranges
---@field helpers { uid: string?, gid: string? } paths of newuidmap and newgidmap
---@field setgroups "allow"|"deny" in the caller's user namespace
---@field capabilities table<string, boolean> effective
---@field limits table<string, { soft: integer|"unlimited", hard: integer|"unlimited" }> by resource
---@field landlock integer ABI of the kernel's Landlock; 0 without one
---@field image string path of the separate image's executable
---@field cgroups userns.Hierarchy[]? where the description has a cgroup
---@field environ table<string, string> the host's environment
---@field env table<string, string> the short environment
---@field uplinks table<string, string> paths of pasta and slirp4netns, where there are

-- What is read anew each time, and only on demand.
local LAZY <const> = {
  env = environment,
  environ = sys.environ,
  uplinks = function()
    local look <const>, paths <const> = reader(), {}
    for _, name in ipairs { "pasta", "slirp4netns" } do
      paths[name] = tool.find(name, look.note)
    end
    return paths
  end,
}

local metatable <const> = {
  __index = function(_, name)
    return LAZY[name] and LAZY[name]()
  end,
}

local function read_facts()
  local look <const> = reader()
  local read <const> = look.file
  local _, uid = sys.getresuid()
  local _, gid = sys.getresgid()
  local facts <const> = {
    uid = uid,
    gid = gid,
    groups = sys.getgroups() or {},
    uid_map = look.map "uid",
    gid_map = look.map "gid",
    subids = subids.of(uid, read),
    setgroups = (read("/proc/self/setgroups") or "allow"):match("%a+"),
    capabilities = set_of((sys.getcaps() or { effective = {} }).effective),
    limits = limits(read),
    landlock = sys.landlock_abi() or 0,
    helpers = { uid = tool.find("newuidmap", look.note), gid = tool.find("newgidmap", look.note) },
    image = sys.image_path(),
  }
  if look.failure() then
    return nil, look.failure()
  end
  return setmetatable(facts, metatable)
end

local known, known_for

--- With where the caller is among cgroups, if the description has one: it may be
--- moved at any time.
---@param facts userns.Host
---@param d table normalised description
---@return userns.Host? host
---@return userns.Error? err EMFILE, ENFILE or ENOMEM
function host.among_cgroups(facts, d)
  if not d.cgroup then
    return facts
  end
  local hierarchies <const>, err = cgroups.read()
  if not hierarchies then
    return nil, err
  end
  return setmetatable({ cgroups = hierarchies }, { __index = facts })
end

--- What this process is and may do, as it is now, as far as a description needs
--- it.  Read again only when its credentials have changed.
---@param d table? normalised description
---@return userns.Host? host
---@return userns.Error? err EMFILE, ENFILE or ENOMEM
function host.facts(d)
  local credentials <const> = sys.credentials()
  if credentials ~= known_for then
    local facts <const>, err = read_facts()
    if not facts then
      return nil, err
    end
    known, known_for = facts, credentials
  end
  if d then
    return host.among_cgroups(known, d)
  end
  return known
end

return host
