-- Many containers at once, each in a coroutine of lua-cqueues: what a coroutine
-- does reads as if there were no other.
--
--     lua5.4 examples/many_cqueues.lua [HOW MANY]
--
-- See many.lua for what each does, and costs.
local cqueues <const> = require "cqueues"
local userns <const> = require "userns"

local how_many <const> = math.tointeger(tonumber(arg[1] or 100))
local box <const> = assert(userns.container { hostname = "one-of-many" })
local loop <const> = cqueues.new()

local started, sum = 0, 0

for i = 1, how_many do
  loop:wrap(function()
    local process <close> = assert(box:spawn {
      "/bin/sh", "-c", "echo $(($1 * $1))", "sh", tostring(i), stdout = "capture",
    })
    started = started + 1
    cqueues.poll(process)
    cqueues.cancel(process:getfd()) -- before its descriptor is closed
    local result <const> = assert(process:wait())
    assert(result.ok)
    sum = sum + math.tointeger(tonumber(result.stdout))
  end)
end

assert(loop:step(0))
print(("%d containers at once"):format(started))
assert(loop:loop())
print(("the sum of their squares is %d"):format(sum))
