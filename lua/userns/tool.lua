-- Programs of the host's that help: run as the caller, found in PATH.
local process = require "userns.process"
local stdio = require "userns.stdio"
local sys = require "userns.sys"

local tool = {}

--- The path of a program in the caller's PATH, nil if it is in none of its
--- directories.
---@param name string
---@param exists fun(path: string): boolean
---@return string?
function tool.find(name, exists)
  for directory in (os.getenv "PATH" or ""):gmatch("[^:]+") do
    local file <const> = directory .. "/" .. name
    if exists(file) then
      return file
    end
  end
end

local DESCRIPTORS <const> = {
  { target = 0, source = "stdin" }, { target = 1, source = "stdout" }, { target = 2, source = "stderr" },
}

-- As a container's plan, without the container.
local function plan_of(path, argv)
  return {
    { op = "clone", namespaces = {} },
    { op = "close_fds" },
    { op = "pdeathsig", signal = "KILL" },
    { op = "await" },
    { op = "release" },
    { op = "descriptors", fds = DESCRIPTORS },
    { op = "signals" },
    { op = "exec", paths = { path }, argv = argv, env = {} },
    degraded = {},
  }
end

--- Runs a program of the host's to its end, with nothing but its arguments.
---@param path string
---@param argv string[]
---@return userns.Result? result with stderr
---@return userns.Error? err it could not be started
function tool.run(path, argv)
  local spec <const> = { stdin = "null", stdout = "null", stderr = "capture" }
  local set <const>, err = stdio.open(spec, DESCRIPTORS)
  if not set then
    return nil, err
  end
  local plan <const> = plan_of(path, argv)
  local child <const>, report = sys.launch(sys.pack(plan), set.from)
  if not child then
    set:close()
    return nil, report
  end
  set:launched()
  local p <close> = process.new(child, spec, { set = set, plan = plan, excused = report })
  return p:wait()
end

return tool
