-- Descriptions from files.
local merge = require "userns.merge"
local presets = require "userns.presets"
local sys = require "userns.sys"

-- What a description may compute with: by name, since a host may have put more
-- into these tables, and nothing that changes the host, as the state of its
-- random numbers.
local BASIC <const> = "assert error ipairs next pairs pcall select tonumber tostring type"
local LIBRARIES <const> = {
  math = "abs acos asin atan ceil cos deg exp floor fmod huge log max maxinteger min mininteger modf pi rad sin sqrt "
    .. "tan tointeger type ult",
  string = "byte char find format gmatch gsub len lower match pack packsize rep reverse sub unpack upper",
  table = "concat insert move pack remove sort unpack",
  utf8 = "char charpattern codepoint codes len offset",
}

local function named(library, names)
  local chosen <const> = {}
  for name in names:gmatch("%w+") do
    chosen[name] = library[name]
  end
  return chosen
end

--- Nothing in it reaches outside, and nothing put into it stays.
local function pure_environment()
  local env <const> = named(_G, BASIC)
  for name, names in next, LIBRARIES do
    env[name] = named(_G[name], names)
  end
  env.userns = { merge = merge, presets = merge(presets) }
  return env
end

--- What a file raised, in words: it need not be a message.
local function raised(value)
  if type(value) == "string" or getmetatable(value) then
    local ok <const>, text = pcall(tostring, value)
    return ok and text or type(value)
  end
  return ("the file raises %s, not a message"):format(type(value))
end

local function fail(path, message, cause, hint)
  return nil, sys.error { op = "load", code = "EINVALID", path = path, message = message, cause = cause, hint = hint }
end

-- What the message says already.
local CAUSES <const> = {
  EISDIR = "is_directory", ELOOP = "symlink_loop", ENOENT = "not_found", ENOTDIR = "not_directory",
}

--- The kernel's refusal, as one of the file's.
local function refusal(err, path)
  err.op, err.path, err.cause = "load", path, err.cause or CAUSES[err.code]
  err.hint = err.hint or "name a Lua file that returns a description"
  return err
end

--- The file, compiled as loadfile does, and its text: a byte order mark and a first
--- line that starts with "#" are none of that.
local function compile(path, env)
  local fd <close>, refused = sys.open(path)
  if not fd then
    return nil, refusal(refused, path)
  end
  local parts <const> = {}
  local chunk <const>, message = load(function()
    local part, err = fd:read()
    refused = refused or err
    if part and #parts == 0 then
      part = part:gsub("^\u{feff}", ""):gsub("^#[^\n]*", "")
    end
    parts[#parts + 1] = part
    return part
  end, "@" .. path, "t", env)
  if refused then
    return nil, refusal(refused, path)
  elseif not chunk then
    return fail(path, message, "bad_syntax", "correct the file's Lua")
  end
  return chunk, nil, table.concat(parts)
end

local function check_arguments(path, env)
  local function refuse(number, message)
    error(("bad argument #%d to 'load' (%s)"):format(number, message), 4)
  end
  if type(path) ~= "string" then
    refuse(1, ("string expected, got %s"):format(type(path)))
  elseif path:find("\0", 1, true) then
    refuse(1, "the string has a NUL byte")
  elseif env ~= nil and type(env) ~= "table" then
    refuse(2, ("table expected, got %s"):format(type(env)))
  end
end

--- Runs a Lua file that returns a description.  It sees math, string, table and
--- utf8, the functions of the basic library that have no effect outside, and
--- userns.merge and userns.presets.  Its time and memory are the caller's: a
--- file that never ends is not ended.
---@param path string
---@param env table? another environment to run it in
---@return table? description not checked yet
---@return userns.Error? err EINVALID: it does not compile, or raises, or returns no
---  table, and the message has the line; else what the kernel says to reading it
---@return string? text the file's, as it was read: what may be a pipe is read once
local function load_description(path, env)
  check_arguments(path, env)
  local chunk <const>, err, text = compile(path, env or pure_environment())
  if not chunk then
    return nil, err
  end
  local ok <const>, result = pcall(chunk)
  if not ok then
    return fail(path, raised(result), "raised")
  elseif type(result) ~= "table" then
    return fail(path, ("the file returns %s, not a description"):format(type(result)), "no_description",
      "end it with: return { ... }")
  end
  return result, nil, text
end

return load_description
