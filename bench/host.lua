-- host.lua RUNS MEBIBYTES PROGRAM DIRECTORY [BINDS]: a program that embeds the
-- library.  With BINDS the directory is bound that often below /tmp, too.
-- It takes at least MEBIBYTES of resident memory, launches the standard job RUNS
-- times from one container and prints the nanoseconds of each launch.
local sys = require "userns.sys"
local userns = require "userns"

local runs <const> = tonumber(arg[1])
local mebibytes <const> = tonumber(arg[2])
local program <const>, directory <const> = arg[3], arg[4]

local function resident()
  local file <close> = assert(io.open("/proc/self/status"))
  return tonumber(file:read("a"):match("VmRSS:%s+(%d+) kB")) / 1024
end

local ballast <const>, page <const> = {}, ("x"):rep(4096)
while resident() < mebibytes do
  for _ = 1, 16 do
    ballast[#ballast + 1] = page:rep(16)
  end
end

local mounts <const> = {
  { type = "proc", target = "/proc" },
  { type = "dev", target = "/dev" },
  { type = "tmpfs", target = "/tmp" },
  { type = "bind", source = directory, target = directory },
}
for i = 1, tonumber(arg[5] or 0) do
  mounts[#mounts + 1] = { type = "bind", source = directory, target = "/tmp/" .. i }
end

local box <const> = assert(userns.container {
  hostname = "bench", root = { type = "bind", source = "/", readonly = true }, mounts = mounts,
})

for _ = 1, runs do
  local start <const> = sys.clock()
  local result <const> = assert(box:run { program })
  local duration <const> = sys.clock() - start
  assert(result.ok, "the program of the standard job failed")
  print(("%.0f"):format(duration * 1e9))
end
