-- Why interfaces, addresses and routes are not made.

local LEAST_MTU <const> = 1280 -- of IPv6

--- The address that was to be given to an interface.
local function address(case)
  return case.step.address or (case.err.field or ""):find "%.address%[%d+%]$" and case.err.path or nil
end

local function is_ipv6(case)
  return (address(case) or ""):find(":", 1, true) ~= nil
end

--- The MTU of the interface that was to get the address, as far as the plan says.
local function mtu(case)
  if case.err.op == "veth" then
    return case.step.mtu
  end
  for _, step in ipairs(case.plan) do
    if step.op == "veth" and step.name == case.step.dev then
      return step.mtu
    end
  end
end

return {
  {
    cause = "no_cap_net_admin", ops = "veth interface", codes = "EPERM",
    test = function(case)
      local net <close> = case.evidence:namespace("net", "self")
      return case.evidence:capable "net_admin" == false or net ~= nil and case.evidence:has_power(net) == false
    end,
    why = "interfaces of the caller's namespace need CAP_NET_ADMIN over it",
    hint = "do it as root, or take `uplink`, which needs no privilege",
  },
  {
    cause = "no_cap_net_admin", ops = "loopback address route link_up", codes = "EPERM",
    test = function(case)
      return case:lacks "net_admin"
    end,
    why = "it takes CAP_NET_ADMIN over the net namespace, which the child has not",
    hint = "create the net namespace together with a user namespace",
  },
  {
    cause = "no_such_interface", ops = "interface link_up address route veth", codes = "ENODEV",
    why = "there is no interface of this name",
    hint = "look at the names that `ip link` tells, on the side that it is about",
  },
  {
    cause = "no_bridge", ops = "veth", codes = "EOPNOTSUPP",
    test = function(case)
      return case.step.bridge ~= nil
    end,
    about = "the interface that `peer.bridge` names is no bridge",
    why = function(case)
      return ("the interface '%s' is no bridge, and has no ports"):format(case.step.bridge)
    end,
    hint = "name a bridge (ip link add NAME type bridge), or leave `peer.bridge` out",
  },
  {
    cause = "interface_fixed", ops = "interface", codes = "EINVAL",
    why = "the kernel moves some interfaces to no other namespace: lo, and those that belong to theirs",
    hint = "make a veth pair instead",
  },
  {
    cause = "address_exists", ops = "address veth", codes = "EEXIST",
    test = function(case)
      return address(case) ~= nil
    end,
    why = "the interface has the address already",
    hint = "name each address once",
  },
  {
    cause = "interface_exists", ops = "veth interface", codes = "EEXIST",
    why = "there is an interface of this name",
    hint = "take another name, or leave it out",
  },
  {
    cause = "mtu_too_small", ops = "address veth", codes = "EINVAL",
    test = function(case)
      return is_ipv6(case) and (mtu(case) or LEAST_MTU) < LEAST_MTU
    end,
    about = "IPv6 takes an MTU of 1280 or more",
    why = function(case)
      return ("IPv6 takes an MTU of %d or more, and the interface has %d"):format(LEAST_MTU, mtu(case))
    end,
    hint = "raise `mtu`, or take an IPv4 address",
  },
  {
    cause = "protocol_disabled", ops = "address veth", codes = "EACCES",
    test = function(case)
      return is_ipv6(case) and nil
    end,
    why = "IPv6 is disabled for the interface (disable_ipv6 in net.ipv6.conf)",
    hint = "enable it (sysctl net.ipv6.conf.default.disable_ipv6=0, and conf.NAME of an interface that is there)",
  },
  {
    cause = "address_unusable", ops = "address veth", codes = "EADDRNOTAVAIL",
    test = function(case)
      return is_ipv6(case) and nil
    end,
    why = "no interface but lo has such an address: it is a group's (ff00::/8), ::, or ::1",
    hint = "take an address that one host has",
  },
  {
    cause = "no_route_to_router", ops = "route", codes = "ENETUNREACH EHOSTUNREACH",
    why = "no address of the interface's is in a network with the router",
    hint = "give the interface an address in the router's network",
  },
  {
    cause = "route_exists", ops = "route", codes = "EEXIST",
    about = "there is such a route already",
    why = function(case)
      return case.step.to == "default" and "there is a default route already"
        or ("there is a route to %s already: each address brings one to its own network"):format(case.step.to)
    end,
    hint = "name each network once, and one gateway for each family",
  },
  {
    cause = "router_unusable", ops = "route", codes = "EINVAL",
    test = function(case)
      return case.step.via ~= nil and nil
    end,
    about = "the router's address is none of another host's",
    why = function(case)
      return ("%s is no other host's address: it is a broadcast address, a group's, or the container's own"):format(
        case.step.via)
    end,
    hint = "name the router's own address",
  },
  {
    cause = "uplink_failed", ops = "uplink", codes = "EUPLINK",
    why = "the program that passes packets on did not start",
    hint = "look at what it said, and whether it runs by itself",
  },
}
