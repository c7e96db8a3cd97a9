-- The program of a process spec: its argument vector, its environment, and
-- where it is looked for.
local program = {}

--- The variables: the short environment or the host's, then the spec's own.
local function environment(process, host)
  local env <const> = {}
  local inherited <const> = process.inherit_env
  for name, value in next, inherited == true and host.environ or host.env do
    env[name] = value
  end
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

--- What is executed, and with what.
---@param process table normalised process spec
---@param host userns.Host
---@return userns.Program
function program.of(process, host)
  local env <const> = environment(process, host)
  local argv <const> = table.move(process.argv, 1, #process.argv, 1, {})
  local name <const> = argv[1] or "<program>"
  argv[1] = process.argv0 or name
  return { name = name, paths = candidates(name, env.PATH), argv = argv, env = assignments(env) }
end

return program
