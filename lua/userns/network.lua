-- What a description says of the network: its complete form, what its parts must
-- not say together, and what a host lacks for it.
local sys = require "userns.sys"
local types = require "userns.types"

local network = {}

local PACKAGES <const> = { pasta = "passt", slirp4netns = "slirp4netns" }

--- The interface that an uplink makes inside.
network.TAP = "tap0"

-- ---- the complete form ----------------------------------------------------

local function list_of(value)
  return type(value) == "table" and table.move(value, 1, #value, 1, {}) or { value }
end

local function routes_of(list)
  local routes <const> = {}
  for i, route in ipairs(list or {}) do
    routes[i] = { to = route.to or "default", via = route.via }
  end
  return routes
end

--- A handle is the same in every form; a table that names a descriptor is not.
local function target(given)
  return types.is_plain(given) and { fd = given.fd } or given
end

local function veth(given)
  local peer <const> = given.peer or {}
  return {
    name = given.name, mac = given.mac, mtu = given.mtu,
    address = list_of(given.address), gateway = list_of(given.gateway), routes = routes_of(given.routes),
    peer = { name = peer.name, netns = target(peer.netns), bridge = peer.bridge, address = list_of(peer.address) },
  }
end

local function interface(given)
  return {
    name = given.name, as = given.as or given.name,
    address = list_of(given.address), gateway = list_of(given.gateway), routes = routes_of(given.routes),
  }
end

local function each(list, form)
  local complete <const> = {}
  for i, item in ipairs(list or {}) do
    complete[i] = form(item)
  end
  return complete
end

local function uplink(given)
  local record <const> = type(given) == "table" and given or { type = given }
  return record.type and { type = record.type, host_loopback = record.host_loopback or false } or nil
end

--- The complete form of a valid `network`; a word is an uplink.
---@param given string|table|nil
---@return table?
function network.form(given)
  if given == nil then
    return nil
  elseif type(given) == "string" then
    given = { uplink = given }
  end
  return {
    veth = each(given.veth, veth),
    interfaces = each(given.interfaces, interface),
    uplink = uplink(given.uplink),
  }
end

--- The interfaces inside that have a record, each with the field that it is.
---@param complete table
---@return { name: string, field: string, record: table, key: string }[]
function network.inside(complete)
  local list <const> = {}
  for i, record in ipairs(complete.veth) do
    list[#list + 1] = { name = record.name, field = ("network.veth[%d]"):format(i), record = record, key = ".name" }
  end
  for i, record in ipairs(complete.interfaces) do
    local key <const> = record.as ~= record.name and ".as" or ".name"
    list[#list + 1] = { name = record.as, field = ("network.interfaces[%d]"):format(i), record = record, key = key }
  end
  return list
end

-- ---- what must not be said together ---------------------------------------

local function family(address)
  return sys.parse_address(address).family
end

local function check_route(route, field, report)
  if route.to == "default" and not route.via then
    report(field .. ".via", "missing: the default route needs a router")
  elseif route.to ~= "default" and route.via and family(route.to) ~= family(route.via) then
    report(field .. ".via", "is not of the network's family")
  end
end

local function check_names(complete, report)
  local taken <const> = { lo = "the loopback interface's" }
  if complete.uplink then
    taken[network.TAP] = "network.uplink's"
  end
  for _, one in ipairs(network.inside(complete)) do
    if taken[one.name] then
      report(one.field .. one.key, ("'%s' is %s name inside"):format(one.name, taken[one.name]))
    end
    taken[one.name] = taken[one.name] or one.field .. "'s"
  end
end

--- A port of a bridge receives nothing itself.
local function check_peers(complete, report)
  for i, record in ipairs(complete.veth) do
    if record.peer.bridge and #record.peer.address > 0 then
      report(("network.veth[%d].peer.address"):format(i), "belongs to the bridge, and not to a port of it")
    end
  end
end

--- Without a user namespace to enter, pasta would keep its caller's CAP_SYS_ADMIN.
local function check_uplink(d, report)
  if not d.die_with_parent then
    report("network.uplink", "ends with the host program, and die_with_parent = false says the container does not")
  end
  if d.network.uplink.type == "pasta" and not d.namespaces.user then
    report("network.uplink", "pasta needs a new user namespace, and this container has none; slirp4netns needs none")
  end
end

--- Reports what a complete form's parts must not say together.
---@param d table normalised description
---@param report fun(path: string, message: string)
function network.check(d, report)
  local complete <const> = d.network
  if not complete then
    return
  end
  check_names(complete, report)
  check_peers(complete, report)
  for _, one in ipairs(network.inside(complete)) do
    for i, route in ipairs(one.record.routes) do
      check_route(route, ("%s.routes[%d]"):format(one.field, i), report)
    end
  end
  if complete.uplink then
    check_uplink(d, report)
  end
end

--- The error of an uplink whose program is not installed.
---@param type "pasta"|"slirp4netns"
---@return userns.Error
function network.not_installed(type)
  return sys.error {
    op = "uplink", code = "ENOENT", path = type, field = "network.uplink", message = "not found in PATH",
    cause = "not_installed", hint = ("Debian's package %s has it"):format(PACKAGES[type]),
  }
end

--- The error of a host that lacks the uplink's program.
---@param d table normalised description
---@param host userns.Host
---@return userns.Error?
function network.lacking(d, host)
  local type <const> = d.network and d.network.uplink and d.network.uplink.type
  return type and not host.uplinks[type] and network.not_installed(type) or nil
end

return network
