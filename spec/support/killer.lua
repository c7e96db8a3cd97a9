-- killer.lua KIND ROUNDS: kills host after host at some moment of its launches and
-- tells what was left of them.  To be run in a pid namespace of its own, whose
-- first process reaps what has lost its parent.
local helper = require "spec.helper"
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

function START.threaded()
  local pipe <close> = assert(io.popen("build/spec/threads lua5.4 spec/support/threaded.lua >/dev/null & echo $!"))
  return assert(sys.pidfd_open(pipe:read("n")))
end

-- Seconds in which a host has started and launched.
local SLOWNESS <const> = helper.is_guest and 10 or 1
local SPAN <const> = { single = 0.015 * SLOWNESS, threaded = 0.050 * SLOWNESS }

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

local met, left = 0, 0
for i = 1, rounds do
  local host <close> = START[kind](i)
  sys.poll({}, math.random() * SPAN[kind])
  met = met + (#others() > 1 and 1 or 0)
  host:kill("KILL")
  if kind == "single" then
    host:wait()
  end
  left = count_left()
  if left > 0 then
    break
  end
end
print(("%s, %d left"):format(met > rounds / 4 and "met" or "met only " .. met, left))
