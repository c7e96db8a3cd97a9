-- killer.lua KIND ROUNDS: kills host after host at some moment of its launches and
-- tells what was left of them.  To be run in a pid namespace of its own, whose
-- first process reaps what has lost its parent.
local launches = require "spec.support.launches"
local sys = require "userns.sys"

local kind <const>, rounds <const> = ...

-- A host is a copy of this process, or a program with threads.
local START <const> = {}

function START.single(i)
  return assert(sys.clone({}, function()
    return launches(i)
  end))
end

function START.prepared(i)
  return assert(sys.clone({}, function()
    return launches(i, 2)
  end))
end

function START.threaded()
  local pipe <close> = assert(io.popen("build/spec/threads lua5.4 spec/support/threaded.lua >/dev/null & echo $!"))
  return assert(sys.pidfd_open(pipe:read("n")))
end

local own <const> = io.open("/proc/self/stat"):read("n")

--- The processes that are neither this one nor its parent, the first.
local function others()
  local list <const> = {}
  for _, pid in ipairs(sys.processes()) do
    list[#list + 1] = pid ~= 1 and pid ~= own and pid or nil
  end
  return list
end

--- Gives what is to end with the host a while to do so.
local function count_left()
  local deadline <const> = sys.clock() + 10
  while #others() > 0 and sys.clock() < deadline do
    sys.poll({}, 0.001)
  end
  return #others()
end

--- Starts a host, waits and kills it: what the waiting gave, whether the host had
--- launched something by then, and how many were left.
local function kill_after(wait, i)
  local host <close> = START[kind](i)
  local lasted <const> = wait()
  local met <const> = #others() > 1
  host:kill("KILL")
  if kind ~= "threaded" then
    host:wait()
  end
  return lasted, met, count_left()
end

-- Who is there when a host has launched all: itself, its containers, and those that
-- wait.
local ALL <const> = { single = 4, threaded = 4, prepared = 10 }

-- Seconds in which a host starts and launches, three times.
local span <const> = kill_after(function()
  local began <const> = sys.clock()
  while #others() < ALL[kind] and sys.clock() < began + 60 do
    sys.poll({}, 0.001)
  end
  return sys.clock() - began
end, 0)

local met, left = 0, 0
for i = 1, rounds do
  local _, has_met <const>, are_left <const> = kill_after(function()
    sys.poll({}, math.random() * span)
  end, i)
  met, left = met + (has_met and 1 or 0), are_left
  if left > 0 then
    break
  end
end
print(("%s, %d left"):format(met > rounds / 20 and "met" or "met only " .. met, left))
