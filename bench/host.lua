-- host.lua RUNS MEBIBYTES JOB...: a program that embeds the library.  It takes at
-- least MEBIBYTES of resident memory, launches the job RUNS times from one
-- container and prints the nanoseconds of each launch.
package.path = (arg[0]:match("^(.*)/") or ".") .. "/../?.lua;" .. package.path

local job = require "bench.job"

local runs <const>, mebibytes <const> = tonumber(arg[1]), tonumber(arg[2])

local function figure(path, name)
  local file <close> = assert(io.open(path))
  return tonumber(file:read("a"):match(name .. ":%s+(%d+) kB")) / 1024
end

local function resident()
  return figure("/proc/self/status", "VmRSS")
end

-- Left over for everything else, on a machine that has not much more.
local spare <const> = 512

local function fill()
  if mebibytes == 0 then
    return {}
  end
  assert(figure("/proc/meminfo", "MemAvailable") > mebibytes + spare,
    ("the machine has no %d MiB to spare"):format(mebibytes))
  local ballast <const>, page <const> = {}, ("x"):rep(4096)
  while resident() < mebibytes do
    for _ = 1, 16 do
      ballast[#ballast + 1] = page:rep(16)
    end
  end
  return ballast
end

local _ <const> = fill()
job.launch(runs, table.move(arg, 3, #arg, 1, {}))
