-- Where the benchmark runs: a work directory with the compiled programs, and in
-- it, for each user who launches, the directories that the contenders ask for.
local command = require "bench.command"

local join <const>, must <const> = command.join, command.must

-- The host id that root of the initial namespace hands inside.
local nobody <const> = 65534

local function on_close(action)
  return setmetatable({}, { __close = action })
end

local function compile(sources, work)
  local function build(program, ...)
    local words <const> = { os.getenv "CC" or "cc", "-std=c11", "-O2", "-o", work .. "/" .. program }
    for _, word in ipairs { ... } do
      words[#words + 1] = word:match("%.c$") and sources .. "/" .. word or word
    end
    must(words)
  end
  build("floor", "floor.c", "floor_tree.c")
  build("spawn", "spawn.c")
  build("noop", "-static", "-nostartfiles", "noop.c")
end

-- The checkout may lie below a directory that only its owner enters.
local function copy_library(sources, work)
  must { "mkdir", work .. "/lua", work .. "/lib" }
  must { "cp", "-r", sources, work .. "/bench" }
  local init <const> = package.searchpath("userns", package.path)
  local module <const> = package.searchpath("userns.sys", package.cpath)
  if init and module then
    must { "cp", "-r", init:match("^(.*)/"), work .. "/lua" }
    must { "cp", "-r", module:match("^(.*)/"), work .. "/lib" }
  end
  must { "chmod", "-R", "a+rX", work }
end

local place = {}

--- A new work directory with the compiled programs and the library; not in /tmp,
--- which the standard job covers.
---@param sources string the directory of the C files
---@return string work
---@return table guard removes the directory when it is closed
function place.work(sources)
  local work <const> = must { "mktemp", "-d", "/var/tmp/userns-bench.XXXXXX" }
  local guard <const> = on_close(function()
    must { "rm", "-r", "-f", "--one-file-system", work }
  end)
  compile(sources, work)
  copy_library(sources, work)
  return work, guard
end

--- Makes the user if there is none of this name.
---@param name string
---@return table guard removes the user, if made here, when it is closed
function place.user(name)
  if command.run { "id", name } then
    return on_close(function() end)
  end
  must { "useradd", "--no-create-home", name }
  return on_close(function()
    must { "userdel", name }
  end)
end

---@class Place
---@field privilege string[] the words that take the launching user's privilege
---@field script fun(name: string, words: any[]): string[] the command that runs a Lua program of the benchmark
---@field wide string[] the words that allow as many descriptors as the machine does
---@field floor string
---@field spawn string
---@field noop string
---@field share string the directory bound read-write
---@field root string the directory that the OCI runtimes take as root
---@field bundles string their bundles
---@field state string where they keep their state
---@field id string what they call a container
---@field inside_uid integer the host's id of the container's root
---@field inside_gid integer

-- Many containers and many binds take many descriptors.
local wide <const> = { "sh", "-c", 'ulimit -n "$(ulimit -H -n)" && exec "$@"', "sh" }

local function script_in(work, privilege)
  local environment <const> = {
    "env",
    ("LUA_PATH=%s/lua/?.lua;%s/lua/?/init.lua"):format(work, work),
    ("LUA_CPATH=%s/lib/?.so"):format(work),
  }
  return function(name, words)
    return join(privilege, wide, environment, { arg[-1], ("%s/bench/%s.lua"):format(work, name) }, words)
  end
end

--- Prepares the directories of one user.
---@param work string
---@param privilege string[]
---@return Place
function place.prepare(work, privilege)
  local uid <const> = tonumber(must(join(privilege, { "id", "-u" })))
  local gid <const> = tonumber(must(join(privilege, { "id", "-g" })))
  local own <const> = ("%s/%d"):format(work, uid)
  local here <const> = {
    privilege = privilege,
    script = script_in(work, privilege),
    wide = wide,
    floor = work .. "/floor",
    spawn = work .. "/spawn",
    noop = work .. "/noop",
    share = own .. "/share",
    root = own .. "/root",
    bundles = own .. "/bundles",
    state = own .. "/state",
    id = work:match("[^/]+$"),
    inside_uid = uid == 0 and nobody or uid,
    inside_gid = uid == 0 and nobody or gid,
  }
  must { "mkdir", "-p", here.share, here.root, here.bundles, here.state }
  must { "chown", "-R", uid .. ":" .. gid, own }
  return here
end

return place
