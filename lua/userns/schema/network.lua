-- The network: pairs of interfaces, interfaces moved in, an uplink.
local handles = require "userns.schema.handles"
local sys = require "userns.sys"
local types = require "userns.types"

local network = {}

--- The kernel's rule for names (dev_valid_name); "%" would be a pattern.
local interface_name <const> = types.with(types.text("interface name", 1, 15), function(name)
  if name == "." or name == ".." or name:find("[%s%c/:%%]") then
    return "an interface's name has no space, '/', ':' or '%', and is neither '.' nor '..'"
  end
  return nil
end)

local address <const> = types.with(types.text("address with a prefix", 1, 49), function(text)
  if not sys.parse_address(text) or not text:find("/", 1, true) then
    return ("'%s' is no internet address with its prefix (\"10.0.0.2/24\", \"fd00::2/64\")"):format(text)
  end
  return nil
end)

local gateway <const> = types.with(types.text("address", 1, 45), function(text)
  if not sys.parse_address(text) or text:find("/", 1, true) then
    return ("'%s' is no internet address (\"10.0.0.1\", \"fd00::1\")"):format(text)
  end
  return nil
end)

local destination <const> = types.with(types.text("network or \"default\"", 1, 49), function(text)
  local parsed <const> = sys.parse_address(text)
  if text ~= "default" and not (parsed and parsed.network and text:find("/", 1, true)) then
    return ("'%s' is neither \"default\" nor a network (\"192.0.2.0/24\")"):format(text)
  end
  return nil
end)

--- The low bit of the first byte would make it a group's, and all zero none's.
local mac <const> = types.with(types.text("hardware address", 17, 17), function(text)
  local first <const> = tonumber(text:match("^(%x%x):%x%x:%x%x:%x%x:%x%x:%x%x$"), 16)
  if not first or first % 2 == 1 or not text:find("[1-9a-fA-F]") then
    return ("'%s' is no hardware address of an interface (\"02:00:00:00:00:01\")"):format(text)
  end
  return nil
end)

local addresses <const> = types.one_or_list(address, "list of addresses with prefixes")

network.route = types.record({
  { name = "to", type = destination, default = "default", doc = "The network that it leads to." },
  { name = "via", type = gateway, default = "(none)", doc = "The router; none for a network that is on the link." },
}, "route")

local function inside(fields)
  for _, field in ipairs {
    { name = "address", type = addresses, default = "(none)", doc = "Addresses inside, each with its prefix." },
    { name = "gateway", type = types.one_or_list(gateway, "list of addresses"), default = "(none)",
      doc = "Routers of default routes, one for each family." },
    { name = "routes", type = types.list(network.route), default = "(none)", doc = "Further routes." },
  } do
    table.insert(fields, field)
  end
  return fields
end

network.peer = types.record({
  { name = "name", type = interface_name, default = "(made of the container's pid)", doc = "Its name there." },
  { name = "netns", type = handles.target, default = "(the caller's)",
    doc = "Whose net namespace it is put into: another container's process, a pid, a namespace." },
  { name = "bridge", type = interface_name, default = "(none)", doc = "The bridge there that it becomes a port of." },
  { name = "address", type = addresses, default = "(none)", doc = "Addresses there." },
}, "peer")

network.veth = types.record(inside {
  { name = "name", type = interface_name, required = true, doc = "Its name inside." },
  { name = "peer", type = network.peer, default = "(in the caller's namespace)", doc = "The other end of the pair." },
  { name = "mac", type = mac, default = "(the kernel's choice)", doc = "Its hardware address inside." },
  { name = "mtu", type = types.integer(68, 65535), default = "(the kernel's choice)",
    doc = "Bytes in a packet at most, of both ends." },
}, "veth")

network.interface = types.record(inside {
  { name = "name", type = interface_name, required = true, doc = "Its name in the caller's namespace." },
  { name = "as", type = interface_name, default = "(the same)", doc = "Its name inside." },
}, "interface")

local function uplink(doc)
  return types.record({
    { name = "type", type = types.string, required = true, doc = doc },
    { name = "host_loopback", type = types.flag, default = false,
      doc = "10.0.2.2 inside is 127.0.0.1 of the caller: its local services can be reached." },
  }, "uplink")
end

network.uplink = types.variants({
  pasta = uplink("passt(1)'s program for namespaces, of Debian's package passt; for IPv6 too, where the caller has it. "
    .. "Needs a default route of the caller's to learn from, and a new user namespace."),
  slirp4netns = uplink "A TCP/IP stack in a process, of Debian's package slirp4netns; for IPv4.",
}, "uplink")

local uplink_word <const> = types.choice({ "pasta", "slirp4netns" }, "uplink")

local function word_or(name, record)
  return types.either(uplink_word.name .. " or " .. name, function(value)
    return type(value) == "string" and uplink_word or type(value) == "table" and record or nil
  end)
end

network.network = types.record({
  { name = "veth", type = types.list(network.veth), default = "(none)",
    doc = "Pairs of interfaces, one of each inside. They go with the container.",
    needs = "`CAP_NET_ADMIN` over the caller's net namespace, and for `peer.netns` `CAP_SYS_ADMIN` over that one",
    errors = "EPERM, EEXIST, ENODEV" },
  { name = "interfaces", type = types.list(network.interface), default = "(none)",
    doc = "Interfaces of the caller's namespace that are moved inside, and back again, down, when the container's "
      .. "end has been waited for. Where the host program dies first hardware goes back to the initial namespace, "
      .. "and anything else is gone.",
    needs = "`CAP_NET_ADMIN` over the caller's net namespace, `CAP_SYS_ADMIN` to bring them back",
    errors = "EPERM, ENODEV" },
  { name = "uplink", type = word_or("an uplink table", network.uplink), default = "(none)",
    doc = "A way out without privilege: `tap0` is 10.0.2.100, 10.0.2.2 the router, 10.0.2.3 the name server. The "
      .. "program runs as the caller, as long as the container. Nothing is forwarded to the container.",
    needs = "the program, found in the caller's `PATH`, and /dev/net/tun",
    errors = "ENOENT where the program is not installed, EUPLINK with what it said" },
}, "network")

network.description = word_or("a network table", network.network)

return network
