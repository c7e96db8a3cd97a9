-- What several specs need: where they run, throw-away children, and counts of
-- what a library could leave behind.
local helper = {}

local function read(path)
  local file <close> = assert(io.open(path))
  return file:read("a")
end

local function ids()
  local status <const> = read("/proc/self/status")
  return math.tointeger(status:match("Uid:%s+%d+%s+(%d+)")), math.tointeger(status:match("Gid:%s+%d+%s+(%d+)"))
end

local function whole_map()
  local inside, outside, count = read("/proc/self/uid_map"):match("^%s*(%d+)%s+(%d+)%s+(%d+)")
  return inside == "0" and outside == "0" and count == "4294967295"
end

helper.read = read
helper.uid, helper.gid = ids()

--- Where the specs run: "root" of the initial user namespace, an ordinary
--- "user", or "userns": that user as uid 0 of a namespace with a single id.
helper.privilege = helper.uid ~= 0 and "user" or whole_map() and "root" or "userns"

local function quote(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

local function write(path, text)
  local file <close> = assert(io.open(path, "w"))
  assert(file:write(text))
end

--- Runs a shell command; its standard output, error and exit status.
--- The status of a process that a signal ended is 128 + the signal.
---@param command string
---@return { out: string, err: string, code: integer }
function helper.shell(command)
  local err <const> = os.tmpname()
  local pipe <const> = assert(io.popen("{ " .. command .. "\n} 2>" .. err))
  local out <const> = pipe:read("a")
  local _, why, code = pipe:close()
  local result <const> = { out = out, err = read(err), code = why == "signal" and 128 + code or code }
  os.remove(err)
  return result
end

--- Runs a Lua script in a fresh interpreter, so that what it changes ends with
--- it. `wrapper` is a command put before it, such as "unshare -Ur".
---@param script string
---@param wrapper? string
---@return { out: string, err: string, code: integer }
function helper.lua(script, wrapper)
  local path <const> = os.tmpname()
  write(path, script)
  local result <const> = helper.shell(("LUA_PATH=%s LUA_CPATH=%s %s lua5.4 %s"):format(
    quote(package.path), quote(package.cpath), wrapper or "", path))
  os.remove(path)
  return result
end

--- The script's output, after checking that it ended well.
---@param script string
---@param wrapper? string
---@return string
function helper.output(script, wrapper)
  local result <const> = helper.lua(script, wrapper)
  assert(result.code == 0, ("exit %d: %s%s"):format(result.code, result.out, result.err))
  return result.out
end

--- The fields of an error object (or any table) as a plain table.
function helper.fields(object)
  local plain <const> = {}
  for key, value in pairs(object) do
    plain[key] = value
  end
  return plain
end

--- A wrapper that gives a script its own user namespace, and with it the
--- privilege over the namespaces made together with it.
helper.rootless = "unshare --user --map-root-user"

return helper
