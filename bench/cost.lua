-- cost.lua RUNS STAGE MOUNTS PROGRAM DIRECTORY: prints the nanoseconds that the
-- library itself takes for the standard job with that many mounts:
--   description   to check it and make a container of it
--   plan          to compile its plan and pack it
--   first         from `run` to the launch: the plan, and what else comes before
--   again         the same, when the container has run before
package.path = (arg[0]:match("^(.*)/") or ".") .. "/../?.lua;" .. package.path

local sys = require "userns.sys"

-- The moment at which the library hands over to the kernel.
local handed_over
local launch <const> = sys.launch
function sys.launch(...)
  handed_over = sys.clock()
  return launch(...)
end

local job = require "bench.job"
local userns = require "userns"

local runs <const>, stage <const>, mounts <const> = tonumber(arg[1]), arg[2], tonumber(arg[3])
local program <const>, directory <const> = arg[4], arg[5]

-- Four mounts are the job's own.
local description <const> = job.standard(directory, mounts - 4)

local function new()
  return assert(userns.container(description))
end

local function time_to_launch(box)
  local start <const> = sys.clock()
  assert(box:run { program })
  return handed_over - start
end

local stages <const> = {}

function stages.description()
  local start <const> = sys.clock()
  new()
  return sys.clock() - start
end

function stages.plan()
  local box <const> = new()
  local start <const> = sys.clock()
  sys.pack(assert(box:plan { program }))
  return sys.clock() - start
end

function stages.first()
  return time_to_launch(new())
end

local box <const> = new()
function stages.again()
  return time_to_launch(box)
end

for _ = 1, runs do
  job.print_nanoseconds(stages[stage]())
end
