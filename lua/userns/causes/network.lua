-- Why interfaces, addresses and routes are not made.
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
    cause = "interface_exists", ops = "veth interface", codes = "EEXIST",
    why = "there is an interface of this name",
    hint = "take another name, or leave it out",
  },
  {
    cause = "no_route_to_router", ops = "route", codes = "ENETUNREACH",
    why = "no address of the interface's is in a network with the router",
    hint = "give the interface an address in the router's network",
  },
  {
    cause = "address_exists", ops = "address", codes = "EEXIST",
    why = "the interface has the address already",
    hint = "name each address once",
  },
  {
    cause = "uplink_failed", ops = "uplink", codes = "EUPLINK",
    why = "the program that passes packets on did not start",
    hint = "look at what it said, and whether it runs by itself",
  },
}
