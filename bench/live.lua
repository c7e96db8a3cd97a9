-- live.lua COUNT WHAT...: a host that keeps COUNT containers at once, and meanwhile
--   resident             prints the bytes of private memory that each costs it
--   descriptors          prints how many of its descriptors each costs
--   launch RUNS JOB...   launches a job and prints the nanoseconds of each launch
--   beside COMMAND...    runs a command
package.path = (arg[0]:match("^(.*)/") or ".") .. "/../?.lua;" .. package.path

local command = require "bench.command"
local job = require "bench.job"
local sys = require "userns.sys"
local userns = require "userns"

local function private_memory()
  collectgarbage()
  collectgarbage()
  local bytes = 0
  for line in io.lines "/proc/self/smaps_rollup" do
    bytes = bytes + 1024 * tonumber(line:match("^Private_%a+:%s+(%d+) kB") or 0)
  end
  return bytes
end

local function open_descriptors()
  local count = 0
  for _ in command.must({ "ls", ("/proc/%d/fd"):format(sys.getpid()) }):gmatch "%d+" do
    count = count + 1
  end
  return count
end

local box <const> = assert(userns.container { hostname = "bench" })

local function launch()
  return assert(box:spawn { "sleep", "1000" })
end

-- The first one costs what a host will not give back.
local function keep(count)
  launch():close()
  local before <const>, live <const> = { private_memory(), open_descriptors() }, {}
  for i = 1, count do
    live[i] = launch()
  end
  return live, before
end

local what <const> = {}

function what.resident(count, before)
  print(("%.0f"):format((private_memory() - before[1]) / count))
end

function what.descriptors(count, before)
  print(("%.0f"):format((open_descriptors() - before[2]) / count))
end

function what.launch(_, _, runs, ...)
  job.launch(tonumber(runs), { ... })
end

function what.beside(_, _, ...)
  io.write(command.must { ... }, "\n")
end

local count <const> = math.tointeger(tonumber(arg[1]))
local live <const>, before <const> = keep(count)
what[arg[2]](count, before, table.unpack(arg, 3))
for i = 1, count do
  live[i]:close()
end
