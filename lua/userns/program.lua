-- The program of a process spec: its argument vector, its environment, and
-- where it is looked for.
local stdio = require "userns.stdio"

local program = {}

--- The variables: those it starts with, then the spec's own.
local function environment(process, host, first)
  local env <const> = {}
  for name, value in next, first do
    env[name] = value
  end
  local inherited <const> = process.inherit_env
  for _, name in ipairs(type(inherited) == "table" and inherited or {}) do
    env[name] = host.environ[name]
  end
  for name, value in next, process.env do
    env[name] = value
  end
  return env
end

local function assignments(env)
  local list <const> = {}
  for name, value in next, env do
    list[#list + 1] = name .. "=" .. value
  end
  table.sort(list)
  return list
end

--- A name without a slash is looked for in PATH, inside the container.
local function candidates(name, path)
  if name:find("/", 1, true) then
    return { name }
  end
  local list <const> = {}
  for directory in (path or ""):gmatch("[^:]+") do
    list[#list + 1] = directory:gsub("/*$", "") .. "/" .. name
  end
  return list
end

---@class userns.Program
---@field name string as the spec has it, or a placeholder
---@field paths string[] what to try to execute, in order
---@field argv string[]
---@field env string[] NAME=value, sorted
---@field process table the process spec
---@field first table<string, string> the variables it started from
---@field private key string? once somebody has asked for it

local function key_of(what)
  local process <const> = what.process
  local parts <const> = {
    #what.argv, #what.env, #process.groups, process.cwd, process.umask, tostring(process.uid), tostring(process.gid),
    stdio.source_words(process.stdin), stdio.source_words(process.stdout), stdio.source_words(process.stderr),
    process.terminal and process.terminal.rows or "", process.terminal and process.terminal.cols or "",
  }
  for _, list in ipairs { what.argv, what.env, process.groups, what.paths } do
    table.move(list, 1, #list, #parts + 1, parts)
  end
  local fds <const> = {}
  for target, from in next, process.fds do
    fds[#fds + 1] = ("%d %s"):format(target, stdio.source_words(from))
  end
  table.sort(fds)
  return table.concat(parts, "\0") .. "\0" .. table.concat(fds, "\0")
end

local function make(process, host, first)
  local env <const> = environment(process, host, first)
  local argv <const> = table.move(process.argv, 1, #process.argv, 1, {})
  local name <const> = argv[1] or "<program>"
  argv[1] = process.argv0 or name
  return {
    name = name, paths = candidates(name, env.PATH), argv = argv, env = assignments(env),
    process = process, first = first,
  }
end

--- What is executed, and with what.
---@param process table normalised process spec
---@param host userns.Host
---@param last userns.Program? what was said before: the same again, where it is of the same two
---@return userns.Program
function program.of(process, host, last)
  local inherited <const> = process.inherit_env
  local first <const> = inherited == true and host.environ or host.env
  -- variables that are inherited one by one come from elsewhere
  if last and last.process == process and last.first == first and type(inherited) ~= "table" then
    return last
  end
  return make(process, host, first)
end

--- All that a plan depends on besides the description and the host's facts: equal
--- keys, equal plans.
---@param what userns.Program
---@return string key
function program.key(what)
  what.key = what.key or key_of(what)
  return what.key
end

return program
