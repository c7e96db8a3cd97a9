local helper <const> = require "spec.helper"
local sys <const> = require "userns.sys"

local lines <const> = helper.lines

-- A net namespace of one's own, with nothing but a loopback interface.
local own_net <const> = helper.rootless .. " --net"

local PRELUDE <const> = [[
  local sys = require "userns.sys"
  local net = assert(sys.netlink())
  local function show(value, err)
    if err then
      print(err.op, err.syscall, err.code, err.path)
    else
      print(value)
    end
  end
  -- An interface by its name.
  local function link(handle, name)
    for _, link in ipairs(assert(handle:links())) do
      if link.name == name then
        return link
      end
    end
    return nil
  end
  -- A process in a net namespace of its own.
  local function elsewhere()
    local process = assert(sys.clone("net", function(gate)
      gate:ready()
      gate:await()
    end, { handshake = true }))
    assert(process:ready())
    return process
  end
  local function shell(command)
    local pipe <close> = io.popen(command)
    return (pipe:read("a"):gsub("%s+$", ""))
  end
]]

local function output(script, wrapper)
  return helper.output(PRELUDE .. script, wrapper or own_net)
end

describe("userns.sys", function()
  before_each(helper.count)
  after_each(helper.check_count)

  describe("netlink", function()
    it("tells the interfaces that there are", function()
      assert.equal(lines("1", "1\tlo\tfalse\t65536\t00:00:00:00:00:00\tnil\tnil"), output [[
        local list = net:links()
        local lo = list[1]
        print(#list)
        print(lo.index, lo.name, lo.up, lo.mtu, lo.mac, lo.type, lo.master)
      ]])
    end)

    it("makes interfaces, changes and removes them", function()
      assert.equal(lines("true", "bridge\ttrue\t1400", "true", "nil\tnil", "br1\tfalse\t1300", "true", "nil"), output [[
        show(net:link_add { type = "bridge", name = "br0", up = true, mtu = 1400 })
        local made = link(net, "br0")
        print(made.type, made.up, made.mtu)
        assert(net:link_set("br0", { up = false })) -- as before Linux 6.2 it must be to get a name
        show(net:link_set("br0", { name = "br1", mtu = 1300 }))
        local changed = link(net, "br1")
        print(link(net, "br0"), changed.master)
        print(changed.name, changed.up, changed.mtu)
        show(net:link_del("br1"))
        print(link(net, "br1"))
      ]])
    end)

    it("makes a pair at once, and each end as it is told", function()
      assert.equal(lines("true", "veth\ttrue\t02:00:00:00:00:01\ttrue", "veth\tfalse\t1280\tnil"), output [[
        assert(net:link_add { type = "bridge", name = "br0" })
        show(net:link_add {
          type = "veth", name = "a", mac = "02:00:00:00:00:01", master = "br0", up = true,
          peer = { name = "b", mtu = 1280 },
        })
        local a, b = link(net, "a"), link(net, "b")
        print(a.type, a.up, a.mac, a.master == link(net, "br0").index)
        print(b.type, b.up, b.mtu, b.master)
      ]])
    end)

    it("puts interfaces into the namespace of any target", function()
      assert.equal(lines("true", "veth\tnil", "true", "eth1\ttrue", "nil"), output [[
        local process = elsewhere()
        local there = assert(sys.netlink(process))
        show(net:link_add { type = "veth", name = "a", peer = { name = "b", netns = process } })
        print(link(there, "b").type, link(net, "b"))
        show(net:link_set("a", { netns = sys.namespace("net", process), name = "eth1", up = true }))
        local moved = link(there, "eth1")
        print(moved.name, moved.up)
        print(link(net, "a"))
      ]])
    end)

    it("acts in the namespace of its target, and leaves the caller where it is", function()
      assert.equal(lines("true", "true", "nil", "br0", "true", "br0"), output [[
        local process = elsewhere()
        local before = sys.namespace("net", "self")
        local there = assert(sys.netlink(process.pid))
        show(there:link_add { type = "bridge", name = "br0" })
        print(before == sys.namespace("net", "self"))
        print(link(net, "br0"))
        print(link(there, "br0").name)
        process:release()
        show(process:wait() ~= nil)
        print(link(there, "br0").name)
      ]])
    end)

    it("gives addresses of both families, and routes", function()
      assert.equal(lines("true", "true", "true", "true", "true", "true",
        "10.0.0.1/24 fd00::1/64",
        "default via 10.0.0.9 dev a proto static ",
        "10.0.0.0/24 dev a proto kernel scope link src 10.0.0.1 ",
        "192.0.2.0/24 dev a proto static scope link",
        "fd00:1::/32 via fd00::9"), output [[
        assert(net:link_add { type = "veth", name = "a", up = true, peer = { name = "b" } })
        assert(net:link_set("b", { up = true }))
        show(net:address_add("a", "10.0.0.1/24"))
        show(net:address_add("a", "fd00::1/64"))
        show(net:route_add { to = "192.0.2.0/24", dev = "a" })
        show(net:route_add { to = "fd00:1::/32", via = "fd00::9", dev = "a" })
        show(net:route_add { to = "default", via = "10.0.0.9", dev = "a" })
        show(net:route_add { to = "default", via = "fd00::9", dev = "a" })
        print(shell "ip -o addr show dev a scope global | awk '{ print $4 }' | paste -sd' '")
        print(shell "ip -4 route")
        print(shell "ip -6 route show fd00:1::/32 | awk '{ print $1, $2, $3 }'")
      ]])
    end)

    it("gives an address that can be used at once", function()
      assert.equal("0\n", output [[
        assert(net:link_add { type = "veth", name = "a", up = true, peer = { name = "b" } })
        assert(net:link_set("b", { up = true }))
        assert(net:address_add("a", "fd00::1/64"))
        print(shell "ip -6 addr show dev a scope global | grep -c tentative")
      ]])
    end)

    it("says what the kernel refuses, and in its words", function()
      assert.equal(lines(
        "link_set\tioctl\tENODEV\tnone",
        "link_del\tioctl\tENODEV\tnone",
        "link_add\tsendto\tEEXIST\tlo",
        "link_add\tsendto\tEOPNOTSUPP\ta",
        "link_add\tioctl\tENODEV\tnone",
        "address_add\tioctl\tENODEV\tnone",
        "address_add\tsendto\tEEXIST\t10.0.0.1/24",
        "route_add\tioctl\tENODEV\tnone",
        "route_add\tsendto\tENETUNREACH\tdefault",
        "Nexthop has invalid gateway"), output [[
        assert(net:link_set("lo", { up = true }))
        show(net:link_set("none", { up = true }))
        show(net:link_del("none"))
        show(net:link_add { type = "bridge", name = "lo" })
        show(net:link_add { type = "nonexistent", name = "a" })
        show(net:link_add { type = "veth", name = "a", master = "none" })
        show(net:address_add("none", "10.0.0.1/24"))
        assert(net:address_add("lo", "10.0.0.1/24"))
        show(net:address_add("lo", "10.0.0.1/24"))
        show(net:route_add { to = "default", via = "10.0.0.9", dev = "none" })
        local _, err = net:route_add { to = "default", via = "192.0.2.1", dev = "lo" }
        show(nil, err)
        print(err.detail)
      ]])
    end)

    it("is refused without privilege over the namespace", function()
      assert.equal(lines(
        "link_add\tsendto\tEPERM\ta",
        "link_set\tsendto\tEPERM\tlo",
        "address_add\tsendto\tEPERM\t127.0.0.9/8",
        "netlink\tsetns\tEPERM\tnil"), output([[
        show(net:link_add { type = "veth", name = "a" })
        show(net:link_set("lo", { mtu = 65535 }))
        show(net:address_add("lo", "127.0.0.9/8"))
        show(sys.netlink("self"))
      ]], helper.rootless))
    end)

    it("takes no target that has no net namespace", function()
      local handle <const>, err <const> = sys.netlink("/dev/null")
      assert.is_nil(handle)
      assert.same({ op = "namespace", syscall = "ioctl", code = "ENOTTY", errno = 25, path = "/dev/null",
        message = "not a namespace" }, (helper.fields(err)))
      assert.equal("not_ns_fd", err.cause)
      local _, other <const> = sys.netlink("/proc/self/ns/uts")
      assert.equal("type_mismatch", other.cause)
    end)

    it("can be closed, and is good for nothing then", function()
      local net <const> = assert(sys.netlink())
      assert.equal("userns.netlink", tostring(net))
      assert.is_true(net:close())
      assert.is_true(net:close())
      assert.equal("userns.netlink (closed)", tostring(net))
      assert.matches("closed netlink handle", select(2, pcall(net.links, net)))
    end)

    it("raises what is wrong in the call itself", function()
      local net <const> = assert(sys.netlink())
      for message, call in pairs {
        ["1 to 15 bytes"] = function() net:link_del(("x"):rep(16)) end,
        ["hardware address"] = function() net:link_set("lo", { mac = "02:00:00:00:00" }) end,
        ["unknown field"] = function() net:link_set("lo", { type = "veth" }) end,
        ["up is no boolean"] = function() net:link_set("lo", { up = 1 }) end,
        ["no internet address"] = function() net:address_add("lo", "10.0.0.256/8") end,
        ["needs via"] = function() net:route_add { to = "default", dev = "lo" } end,
        ["two families"] = function() net:route_add { to = "10.0.0.0/8", via = "fd00::1", dev = "lo" } end,
        ["out of range"] = function() net:link_set("lo", { mtu = 65536 }) end,
      } do
        assert.matches(message, select(2, pcall(call)))
      end
      net:close()
    end)
  end)

  describe("parse_address", function()
    it("reads addresses of both families, with a prefix and without", function()
      for text, expected in pairs {
        ["10.0.0.2/24"] = { family = "inet", address = "10.0.0.2", prefix = 24, network = false },
        ["10.0.0.0/24"] = { family = "inet", address = "10.0.0.0", prefix = 24, network = true },
        ["10.0.0.2"] = { family = "inet", address = "10.0.0.2", prefix = 32, network = true },
        ["0.0.0.0/0"] = { family = "inet", address = "0.0.0.0", prefix = 0, network = true },
        ["FD00:0::2/64"] = { family = "inet6", address = "fd00::2", prefix = 64, network = false },
        ["::/0"] = { family = "inet6", address = "::", prefix = 0, network = true },
      } do
        assert.same(expected, sys.parse_address(text))
      end
    end)

    it("takes nothing else for one", function()
      for _, text in ipairs {
        "", "/", "10.0.0", "10.0.0.2/", "10.0.0.2/33", "10.0.0.2/-1", "10.0.0.2/ 8", "10.0.0.2/8 ", "10.0.0.256",
        "010.0.0.1x", "fd00::2/129", "fd00:::2", "fd00::2%eth0", "localhost", ("1"):rep(100), "10.0.0.2/24/24",
      } do
        assert.is_nil(sys.parse_address(text))
      end
    end)
  end)
end)
