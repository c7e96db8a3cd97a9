-- The facts of this host that a plan depends on.  compile gets them as a table,
-- so that specs can hand it any host.
local subids = require "userns.subids"
local sys = require "userns.sys"

local host = {}

local function read(path)
  local file <close> = io.open(path)
  return file and file:read("a") or ""
end

local function ranges(map)
  return map or { { inside = 0, outside = 0, count = 0xFFFFFFFF } }
end

local function set_of(list)
  local set <const> = {}
  for _, name in ipairs(list) do
    set[name] = true
  end
  return set
end

local function open_files()
  local soft, hard = read("/proc/self/limits"):match("Max open files%s+(%S+)%s+(%S+)")
  return { soft = math.tointeger(tonumber(soft)) or 1024, hard = math.tointeger(tonumber(hard)) or 1024 }
end

local ENVIRONMENT <const> = { "PATH", "TERM", "LANG", "TZ", "HOME" }
local DEFAULT_PATH <const> = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

local function environment(get)
  local short <const> = {}
  for _, name in ipairs(ENVIRONMENT) do
    short[name] = get(name)
  end
  short.PATH = short.PATH or DEFAULT_PATH
  return short
end

---@class userns.Host
---@field uid integer effective user id
---@field gid integer effective group id
---@field groups integer[] supplementary groups
---@field uid_map { inside: integer, outside: integer, count: integer }[] of the caller's user namespace
---@field gid_map { inside: integer, outside: integer, count: integer }[]
---@field subids { uid: table[], gid: table[] } subordinate ranges
---@field setgroups "allow"|"deny" in the caller's user namespace
---@field capabilities table<string, boolean> effective
---@field nofile { soft: integer, hard: integer } limit of open files
---@field image string path of the separate image's executable
---@field environ table<string, string> the host's environment
---@field env table<string, string> the short environment

-- The environment is read anew each time, and the whole of it only on demand.
local LAZY <const> = {
  env = function()
    return environment(os.getenv)
  end,
  environ = sys.environ,
}

local metatable <const> = {
  __index = function(_, name)
    return LAZY[name] and LAZY[name]()
  end,
}

local function read_facts()
  local _, uid = sys.getresuid()
  local _, gid = sys.getresgid()
  return setmetatable({
    uid = uid,
    gid = gid,
    groups = sys.getgroups() or {},
    uid_map = ranges(sys.read_uid_map("self")),
    gid_map = ranges(sys.read_gid_map("self")),
    subids = uid == 0 and subids.of(uid) or { uid = {}, gid = {} },
    setgroups = read("/proc/self/setgroups"):match("%a+") or "allow",
    capabilities = set_of((sys.getcaps() or { effective = {} }).effective),
    nofile = open_files(),
    image = sys.image_path(),
  }, metatable)
end

local known, known_for

--- What this process is and may do, as it is now.  Read again only when its
--- credentials have changed.
---@return userns.Host
function host.facts()
  local credentials <const> = sys.credentials()
  if credentials ~= known_for then
    known, known_for = read_facts(), credentials
  end
  return known
end

return host
