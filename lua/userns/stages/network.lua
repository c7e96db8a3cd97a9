-- The network: what the parent makes and moves, and what the child gives it.
local network = require "userns.network"

local stage = {}

--- A target as the plan shows it.
local function target_words(target)
  if type(target) == "table" and math.type(target.pid) == "integer" then
    return tostring(target.pid)
  elseif type(target) == "table" and getmetatable(target) == nil then
    return ("fd %d"):format(target.fd or -1)
  end
  return target ~= nil and tostring(target) or nil
end

--- A veth step's namespace is beside its operands: the handle itself, which may
--- have become another's number by the time that the step is done.
local function veth_step(record, source)
  local peer <const> = record.peer
  return {
    op = "veth", name = record.name, mac = record.mac, mtu = record.mtu, peer = peer.name,
    netns = target_words(peer.netns), namespace = peer.netns, bridge = peer.bridge,
    addresses = table.move(peer.address, 1, #peer.address, 1, {}), source = source,
  }
end

function stage.links(c)
  local wanted <const> = c.d.network
  if not wanted then
    return
  end
  for i, record in ipairs(wanted.veth) do
    c:add(veth_step(record, ("network.veth[%d]"):format(i)))
  end
  for i, record in ipairs(wanted.interfaces) do
    c:add { op = "interface", name = record.name, as = record.as, source = ("network.interfaces[%d]"):format(i) }
  end
  if wanted.uplink then
    c:add {
      op = "uplink", type = wanted.uplink.type, path = c.host.uplinks[wanted.uplink.type],
      host_loopback = wanted.uplink.host_loopback, source = "network.uplink",
    }
  end
end

local function add_addresses(c, one)
  for i, address in ipairs(one.record.address) do
    c:add { op = "address", address = address, dev = one.name, source = ("%s.address[%d]"):format(one.field, i) }
  end
end

local function add_routes(c, one)
  for i, via in ipairs(one.record.gateway) do
    c:add { op = "route", to = "default", via = via, dev = one.name, source = ("%s.gateway[%d]"):format(one.field, i) }
  end
  for i, route in ipairs(one.record.routes) do
    c:add {
      op = "route", to = route.to, via = route.via, dev = one.name, source = ("%s.routes[%d]"):format(one.field, i),
    }
  end
end

function stage.addresses(c)
  for _, one in ipairs(c.d.network and network.inside(c.d.network) or {}) do
    c:add { op = "link_up", name = one.name, source = one.field }
    add_addresses(c, one)
    add_routes(c, one)
  end
end

return stage
