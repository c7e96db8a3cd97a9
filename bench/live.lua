-- live.lua PROGRAM COUNT...: a host that keeps COUNT containers at once, and for
-- each COUNT prints what one more costs it: private memory, what of that is Lua's,
-- descriptors and the time of its launch.
local sys = require "userns.sys"
local userns = require "userns"

local program <const> = arg[1]

local function private_memory()
  local file <close> = assert(io.open "/proc/self/smaps_rollup")
  local kibibytes = 0
  for size in file:read("a"):gmatch("Private_%a+:%s+(%d+) kB") do
    kibibytes = kibibytes + tonumber(size)
  end
  return kibibytes
end

local function descriptors()
  local count = 0
  for fd = 0, 65535 do
    count = count + (sys.fileno(fd) and 1 or 0)
  end
  return count
end

--- What a host has, once it has what it will not give back.
local function belongings()
  collectgarbage()
  collectgarbage()
  return { private_memory(), collectgarbage "count", descriptors() }
end

local box <const> = assert(userns.container { hostname = "bench" })

local function launch()
  return assert(box:spawn { program, "1000" })
end

local function report(count)
  local before <const>, live <const>, start <const> = belongings(), {}, sys.clock()
  for i = 1, count do
    live[i] = launch()
  end
  local duration <const> = sys.clock() - start
  local after <const> = belongings()
  print(("  %-21d %12.1f %12.1f %12.1f %12.2f"):format(count, (after[1] - before[1]) / count,
    (after[2] - before[2]) / count, (after[3] - before[3]) / count, duration / count * 1000))
  for i = 1, count do
    live[i]:close()
  end
end

launch():close()
belongings()
print(("  %-21s %12s %12s %12s %12s"):format("live containers", "private KiB", "Lua KiB", "descriptors", "ms/launch"))
for i = 2, #arg do
  report(math.tointeger(tonumber(arg[i])))
end
