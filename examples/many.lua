-- Many containers at once from one Lua process, waited for in one loop around
-- poll(2): each works out a square, and the squares are added up.
--
--     lua5.4 examples/many.lua [HOW MANY]
--
-- A live container costs the host one descriptor, and one more for each stream
-- that is captured: `ulimit -n` says how many there are.
local userns <const> = require "userns"

local how_many <const> = math.tointeger(tonumber(arg[1] or 100))
local box <const> = assert(userns.container { hostname = "one-of-many" })

local processes <const>, entries <const> = {}, {}
for i = 1, how_many do
  processes[i] = assert(box:spawn {
    "/bin/sh", "-c", "echo $(($1 * $1))", "sh", tostring(i), stdout = "capture",
  })
  entries[i] = { fd = processes[i] }
end
print(("%d containers at once"):format(#processes))

local sum = 0
while #entries > 0 do
  local ready <const> = assert(userns.sys.poll(entries))
  for i = #entries, 1, -1 do
    if ready[i] then
      local result <const> = assert(processes[i]:wait())
      assert(result.ok)
      sum = sum + math.tointeger(tonumber(result.stdout))
      table.remove(processes, i)
      table.remove(entries, i)
    end
  end
end
print(("the sum of their squares is %d"):format(sum))
