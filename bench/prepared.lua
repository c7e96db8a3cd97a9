-- prepared.lua RUNS KIND PROGRAM [end]: launches the program RUNS times and prints the
-- nanoseconds of each until it executes, or with "end" until it has ended and the host
-- can go on. KIND is "fresh"; "prepared", of which two wait; or "joined", with one net
-- namespace for all.
local sys = require "userns.sys"
local userns = require "userns"

local runs <const>, kind <const>, program <const>, whole <const> = tonumber(arg[1]), arg[2], arg[3], arg[4] == "end"

--- A net namespace without a process, and the user namespace that owns it.
local function network()
  local box <const> = assert(userns.container { namespaces = { "user", "net" } })
  local process <close> = assert(box:spawn { "/bin/sleep", "1000" })
  return { user = assert(process:namespace "user"), net = assert(process:namespace "net") }
end

local box <const> = assert(userns.container { hostname = "bench", join = kind == "joined" and network() or nil })
local waiting <const> = kind == "prepared" and 2 or 0

for _ = 1, runs do
  assert(box:prepare(waiting))
  local start <const> = sys.clock()
  local process <close> = assert(box:spawn { program })
  local executes <const> = sys.clock()
  assert(process:wait().ok, "the program failed")
  print(("%.0f"):format(((whole and sys.clock() or executes) - start) * 1e9))
end
