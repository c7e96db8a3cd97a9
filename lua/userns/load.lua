-- Descriptions from files.
local merge = require "userns.merge"
local presets = require "userns.presets"
local sys = require "userns.sys"

local function copies(libraries)
  local env <const> = {}
  for name, library in pairs(libraries) do
    env[name] = {}
    for key, value in pairs(library) do
      env[name][key] = value
    end
  end
  return env
end

--- What a description may compute with: nothing that reaches outside of it.
local function pure_environment()
  local env <const> = copies { math = math, string = string, table = table, utf8 = utf8 }
  env.string.dump = nil
  for _, name in ipairs {
    "assert", "error", "ipairs", "next", "pairs", "pcall", "select", "tonumber", "tostring", "type",
  } do
    env[name] = _G[name]
  end
  env.userns = { merge = merge, presets = merge(presets) }
  return env
end

local function fail(path, message)
  return nil, sys.error { op = "load", code = "EINVALID", path = path, message = tostring(message) }
end

--- Runs a Lua file that returns a description.  It sees math, string, table,
--- utf8, the functions of the basic library that have no effect outside, and
--- userns.merge and userns.presets.
---@param path string
---@param env table? another environment to run it in
---@return table? description not checked yet
---@return userns.Error? err EINVALID: it does not load, or raises, or returns no
---  table; the message has the line
local function load_description(path, env)
  if type(path) ~= "string" then
    error(("bad argument #1 to 'load' (string expected, got %s)"):format(type(path)), 2)
  end
  local chunk <const>, syntax = loadfile(path, "t", env or pure_environment())
  if not chunk then
    return fail(path, syntax)
  end
  local ok, result = pcall(chunk)
  if not ok then
    return fail(path, result)
  elseif type(result) ~= "table" then
    return fail(path, ("the file returns %s, not a description"):format(type(result)))
  end
  return result
end

return load_description
