-- The jobs, as the library is asked to do them.  In words, for the command line:
-- PROGRAM DIRECTORY [BINDS] is the standard job, the directory bound BINDS times
-- below /tmp besides; PROGRAM NAMESPACE... new namespaces and nothing made in them.
-- A last word "init" asks for a process 1 before the program.
local sys = require "userns.sys"
local userns = require "userns"

local job = {}

--- The description of the standard job.
---@param directory string bound read-write
---@param binds integer how often besides
---@return userns.Description
function job.standard(directory, binds)
  local mounts <const> = {
    { type = "proc", target = "/proc" },
    { type = "dev", target = "/dev" },
    { type = "tmpfs", target = "/tmp" },
    { type = "bind", source = directory, target = directory },
  }
  for i = 1, binds do
    mounts[#mounts + 1] = { type = "bind", source = directory, target = "/tmp/" .. i }
  end
  return { hostname = "bench", root = { type = "bind", source = "/", readonly = true }, mounts = mounts }
end

local function description(words)
  if words[#words] == "init" then
    return userns.merge(description(table.move(words, 1, #words - 1, 1, {})), { init = true })
  end
  local first <const> = words[2]
  if first:match("^/") then
    return job.standard(first, math.tointeger(tonumber(words[3] or 0)))
  end
  return { namespaces = table.move(words, 2, #words, 1, {}) }
end

--- The line of a sample.
---@param seconds number
function job.print_nanoseconds(seconds)
  print(("%.0f"):format(seconds * 1e9))
end

--- Launches a job some times from one container and prints the nanoseconds of
--- each launch.
---@param runs integer
---@param words string[]
function job.launch(runs, words)
  local program <const> = words[1]
  local box <const> = assert(userns.container(description(words)))
  for _ = 1, runs do
    local start <const> = sys.clock()
    local result <const> = assert(box:run { program })
    local duration <const> = sys.clock() - start
    assert(result.ok, "the program of the job failed")
    job.print_nanoseconds(duration)
  end
end

return job
