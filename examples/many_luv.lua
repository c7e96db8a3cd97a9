-- Many containers at once in the loop of lua-luv, which calls back as each ends.
--
--     lua5.4 examples/many_luv.lua [HOW MANY]
--
-- See many.lua for what each does, and costs.
local userns <const> = require "userns"
local uv <const> = require "luv"

local how_many <const> = math.tointeger(tonumber(arg[1] or 100))
local box <const> = assert(userns.container { hostname = "one-of-many" })

local sum = 0
for i = 1, how_many do
  local process <const> = assert(box:spawn {
    "/bin/sh", "-c", "echo $(($1 * $1))", "sh", tostring(i), stdout = "capture",
  })
  local poll <const> = uv.new_poll(process:fileno())
  poll:start("r", function(err)
    assert(not err, err)
    poll:close() -- before its descriptor is
    local result <const> = assert(process:wait())
    process:close()
    assert(result.ok)
    sum = sum + math.tointeger(tonumber(result.stdout))
  end)
end
print(("%d containers at once"):format(how_many))

uv.run()
print(("the sum of their squares is %d"):format(sum))
