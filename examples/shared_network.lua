-- Containers that share one net namespace, which is the dearest to make: the first
-- one makes it, and what holds it afterwards is a descriptor, no process.
--
--     lua5.4 examples/shared_network.lua [HOW MANY]
--
-- They share what is in it, too: ports, 127.0.0.1 and abstract sockets.
local userns <const> = require "userns"

local how_many <const> = math.tointeger(tonumber(arg[1] or 50))

--- A net namespace whose loopback interface is up, and the user namespace that owns
--- it, without which an ordinary user may not join it.
local function new_network()
  local box <const> = assert(userns.container { namespaces = { "user", "net" } })
  local process <close> = assert(box:spawn { "/bin/sleep", "1000" })
  return { user = assert(process:namespace "user"), net = assert(process:namespace "net") }
end

--- How long a launch takes, and in which net namespaces the programs were.
local function launch(description)
  local box <const> = assert(userns.container(description))
  local seen <const>, networks = {}, 0
  local began <const> = userns.sys.clock()
  for _ = 1, how_many do
    local network <const> = assert(box:run { "/bin/readlink", "/proc/self/ns/net", stdout = "capture" }).stdout
    networks, seen[network] = networks + (seen[network] and 0 or 1), true
  end
  return (userns.sys.clock() - began) / how_many * 1e3, networks
end

print(("a network for each of %d: %.1f ms a launch"):format(how_many, (launch {})))
print(("%d with the same network: %.1f ms a launch, %d seen"):format(how_many, launch { join = new_network() }))
