-- killer.lua HOST KIND COUNT: kills COUNT hosts, "single" or "threaded", in the
-- midst of launches "plain", with "init" or "prepared", and tells what was left of them.  To
-- be run in a pid namespace of its own, whose first process reaps what has lost
-- its parent.
local launches = require "spec.support.launches"
local sys = require "userns.sys"

local host <const>, kind <const> = ...
local count <const> = math.tointeger(tonumber((select(3, ...))))
local PATIENCE <const> = 60 -- seconds, for a machine that has other things to do

-- A host is a copy of this process, or a program with threads.
local START <const> = {}

function START.single(i)
  return assert(sys.clone({}, function()
    return launches(kind, i)
  end))
end

function START.threaded()
  local pipe <close> = assert(io.popen(
    ("LAUNCH=%s build/spec/threads lua5.4 spec/support/threaded.lua >/dev/null & echo $!"):format(kind)))
  return assert(sys.pidfd_open(pipe:read("n")))
end

local own <const> = io.open("/proc/self/stat"):read("n")

--- How many processes there are that are neither this one nor its parent, the
--- first.
local function others()
  local found = 0
  for _, pid in ipairs(sys.processes()) do
    found = found + ((pid ~= 1 and pid ~= own) and 1 or 0)
  end
  return found
end

--- Waits until a condition holds; the seconds that took.
local function wait_until(holds)
  local began <const> = sys.clock()
  while not holds() and sys.clock() < began + PATIENCE do
    sys.poll({}, 0.001)
  end
  return sys.clock() - began
end

--- Starts a host, waits and kills it: what the waiting gave, how many processes
--- it had launched by then, and how many were left.
local function kill_after(wait, i)
  local victim <close> = START[host](i)
  local lasted <const> = wait()
  local launched <const> = others() - 1
  victim:kill("KILL")
  if host == "single" then
    victim:wait()
  end
  wait_until(function() return others() == 0 end)
  return lasted, launched, others()
end

-- The processes of three containers, and those that wait.
local ALL <const> = kind == "plain" and 3 or 6

-- Seconds in which a host starts and launches, three times.  As the machine is
-- now faster and now slower, it is made longer by every host that was killed
-- before it had launched anything, and shorter by those that had launched all.
local span = kill_after(function()
  return wait_until(function() return others() > ALL end)
end, 0)

local met, left, tries = 0, 0, 0
while met < count and left == 0 and tries < 20 * count do
  local _, launched <const>, are_left <const> = kill_after(function()
    sys.poll({}, math.random() * span)
  end, met)
  if launched < 1 then
    span = span * 1.1
  elseif launched >= ALL then
    span = span / 1.1
  end
  met, left, tries = met + (launched > 0 and 1 or 0), are_left, tries + 1
end
print(("%d met, %d left"):format(met, left))
