-- The description's `network`, in throw-away net namespaces that stand for the
-- host's.  Nothing here goes beyond them but to the caller's own loopback.
local compile <const> = require "userns.compile"
local helper <const> = require "spec.helper"
local userns <const> = require "userns"
local validate <const> = require "userns.validate"

local lines <const> = helper.lines

local way <const> = helper.privilege

-- Where the caller may do what it likes with the network.
local own_net <const> = (way == "root" and "unshare" or helper.rootless) .. " --net"

local PRELUDE <const> = [[
  local helper = require "spec.helper"
  local socket = require "socket"
  local sys = require "userns.sys"
  local userns = require "userns"
  local net = assert(sys.netlink())

  -- What a shell script says inside, errors and all.
  local function inside(description, script)
    local box = assert(userns.container(description))
    local result = assert(box:run { "/bin/bash", "-c", script, stdout = "capture", stderr = "stdout" })
    io.write(result.stdout)
    for _, entry in ipairs(result.degraded) do
      if entry.feature ~= "groups" then
        print("degraded", entry.feature, entry.used, entry.reason)
      end
    end
    return result
  end

  local function refused(description)
    local result, err = assert(userns.container(description)):run { "/bin/true" }
    print(result, err.op, err.syscall, err.code, err.path, err.field, err.side)
    return err
  end

  -- The interfaces there are, but the loopback one.
  local function names()
    local list = {}
    for _, link in ipairs(assert(net:links())) do
      list[#list + 1] = link.name ~= "lo" and not link.name:find "^ifb" and link.name or nil
    end
    table.sort(list)
    return table.concat(list, " ")
  end

  -- A shell's words for connecting to a port where nobody listens: a refusal
  -- has come back from there.
  local function knock(address)
    return ("timeout 60 bash -c ': </dev/tcp/%s/9' 2>&1 | grep -om1 'Connection refused' || echo unreachable"):format(
      address)
  end

  -- A way out that leads nowhere: what pasta looks for.
  local function pretend_uplink()
    assert(net:link_set("lo", { up = true }))
    assert(net:link_add { type = "veth", name = "out", up = true, peer = { name = "nowhere" } })
    assert(net:link_set("nowhere", { up = true }))
    assert(net:address_add("out", "192.0.2.1/24"))
    assert(net:route_add { to = "default", via = "192.0.2.2", dev = "out" })
  end
]]

-- For scripts: who has which children, but one.
local FAMILY <const> = [[
  local own = io.open("/proc/self/stat"):read("n")
  local function children(parent, but)
    local list = {}
    for _, pid in ipairs(sys.processes()) do
      local file <close> = io.open(("/proc/%d/stat"):format(pid))
      local its = (file and file:read("a") or ""):match("%) %a (%d+)")
      list[#list + 1] = math.tointeger(its) == parent and pid ~= but and pid or nil
    end
    return list
  end
]]

local function output(script, wrapper)
  return helper.output(PRELUDE .. script, wrapper or own_net)
end

local function problems(description)
  local box <const>, err <const> = userns.container(description)
  assert.is_nil(box)
  local list <const> = {}
  for i, problem in ipairs(err.problems) do
    list[i] = ("%s: %s"):format(problem.field, problem.message)
  end
  return table.concat(list, "\n")
end

describe("a network", function()
  before_each(helper.count)
  after_each(helper.check_count)

  -- ---- what is checked ------------------------------------------------------

  it("is wrong in each of these ways", function()
    local ADDRESS <const> = "is no internet address with its prefix (\"10.0.0.2/24\", \"fd00::2/64\")"
    for _, case in ipairs {
      { "paste", "network: unknown uplink 'paste' (did you mean 'pasta'?)" },
      { 5, "network: \"pasta\", \"slirp4netns\" or a network table expected, got integer" },
      { { uplink = { type = "tor" } }, "network.uplink.type: unknown type 'tor'" },
      { { veth = { { address = "10.0.0.2/24" } } }, "network.veth[1].name: missing (interface name)" },
      { { veth = { { name = "a/b" } } },
        "network.veth[1].name: an interface's name has no space, '/', ':' or '%', and is neither '.' nor '..'" },
      { { veth = { { name = "sixteen-bytes-xx" } } }, "network.veth[1].name: 16 bytes are not 1 to 15" },
      { { veth = { { name = "a", address = "10.0.0.2" } } }, "network.veth[1].address: '10.0.0.2' " .. ADDRESS },
      { { veth = { { name = "a", address = { "10.0.0.2/24", "10.0.0.3/33" } } } },
        "network.veth[1].address[2]: '10.0.0.3/33' " .. ADDRESS },
      { { veth = { { name = "a", gateway = "10.0.0.1/24" } } },
        "network.veth[1].gateway: '10.0.0.1/24' is no internet address (\"10.0.0.1\", \"fd00::1\")" },
      { { veth = { { name = "a", routes = { { to = "10.0.0.1/8", via = "10.0.0.1" } } } } },
        "network.veth[1].routes[1].to: '10.0.0.1/8' is neither \"default\" nor a network (\"192.0.2.0/24\")" },
      { { veth = { { name = "a", routes = { {} } } } },
        "network.veth[1].routes[1].via: missing: the default route needs a router" },
      { { veth = { { name = "a", routes = { { to = "10.0.0.0/8", via = "fd00::1" } } } } },
        "network.veth[1].routes[1].via: is not of the network's family" },
      { { veth = { { name = "a", mac = "01:00:00:00:00:01" } } },
        "network.veth[1].mac: '01:00:00:00:00:01' is no hardware address of an interface (\"02:00:00:00:00:01\")" },
      { { veth = { { name = "a", mtu = 67 } } }, "network.veth[1].mtu: 67 is out of range (68 to 65535)" },
      { { veth = { { name = "a", peer = { netns = true } } } },
        "network.veth[1].peer.netns: pid, path, file or handle expected, got boolean" },
      { { veth = { { name = "a", peer = { bridge = "br0", address = "10.0.0.1/24" } } } },
        "network.veth[1].peer.address: belongs to the bridge, and not to a port of it" },
      { { veth = { { name = "lo" } } }, "network.veth[1].name: 'lo' is the loopback interface's name inside" },
      { { veth = { { name = "tap0" } }, uplink = "pasta" },
        "network.veth[1].name: 'tap0' is network.uplink's name inside" },
      { { veth = { { name = "a" }, { name = "a" } }, interfaces = { { name = "b", as = "a" } } },
        "network.veth[2].name: 'a' is network.veth[1]'s name inside\n"
          .. "network.interfaces[1].as: 'a' is network.veth[1]'s name inside" },
      { { interfaces = { { name = "a", mtu = 1400 } } }, "network.interfaces[1].mtu: unknown field 'mtu'" },
    } do
      local given <const>, expected <const> = table.unpack(case)
      assert.equal(expected, problems { network = given })
    end
  end)

  it("needs a net namespace, and an uplink a container that ends with the host program", function()
    assert.equal("network: needs a new net namespace, and this container has none",
      problems { share = "net", network = "pasta" })
    assert.equal("network.uplink: ends with the host program, and die_with_parent = false says the container does not",
      problems { network = "pasta", die_with_parent = false })
    assert.equal("network.uplink: pasta needs a new user namespace, and this container has none; "
      .. "slirp4netns needs none", problems { network = "pasta", share = "user" })
  end)

  it("is described, and in words", function()
    local process <close> = assert(assert(userns.container {}):spawn { "/bin/sleep", "60" })
    local box <const> = assert(userns.container {
      network = {
        veth = {
          { name = "eth0", address = "10.0.0.2/24", gateway = "10.0.0.1", peer = { bridge = "br0" } },
          { name = "eth1", peer = { netns = process } },
        },
        interfaces = { { name = "wlan0", routes = { { via = "10.0.0.9" } } } },
        uplink = { type = "slirp4netns", host_loopback = true },
      },
    })
    local described <const> = box:describe().network
    assert.same({
      veth = {
        { name = "eth0", address = { "10.0.0.2/24" }, gateway = { "10.0.0.1" }, routes = {},
          peer = { bridge = "br0", address = {} } },
        { name = "eth1", address = {}, gateway = {}, routes = {}, peer = { netns = process, address = {} } },
      },
      interfaces = {
        { name = "wlan0", as = "wlan0", address = {}, gateway = {}, routes = { { to = "default", via = "10.0.0.9" } } },
      },
      uplink = { type = "slirp4netns", host_loopback = true },
    }, described)
    assert.equal(process, described.veth[2].peer.netns)
    assert.equal(tostring(box), tostring(assert(userns.container(box:describe()))))
    assert.equal("network:         loopback; eth0 10.0.0.2/24, to the bridge br0 of the host; "
      .. "eth1, to another namespace; wlan0, the host's wlan0; out by slirp4netns, to the host's loopback too",
      tostring(box):match("network:[^\n]*"))
  end)

  -- ---- the plan -------------------------------------------------------------

  it("is made by the parent before the child goes on, and configured by the child", function()
    local d <const> = assert(validate.description {
      network = {
        veth = { { name = "eth0", address = { "10.0.0.2/24", "fd00::2/64" }, gateway = { "10.0.0.1", "fd00::1" },
          routes = { { to = "192.0.2.0/24" } }, mtu = 1400, peer = { name = "ve0", address = "10.0.0.1/24" } } },
        interfaces = { { name = "wlan0", as = "eth1", address = "10.1.0.2/24" } },
        uplink = "pasta",
      },
    })
    local process <const> = assert(validate.process({ "/bin/true" }, d.process))
    local host <const> = setmetatable({ uplinks = { pasta = "/usr/bin/pasta" } }, {
      __index = assert(require "userns.host".facts()),
    })
    local listing <const> = tostring(assert(compile.compile(d, process, host)))
    local steps <const> = {}
    for line in listing:gmatch("[^\n]+") do
      local step <const> = line:gsub("^ *%d+  ", ""):gsub("%s+", " ")
      local op <const> = step:match("^%a+ ([%w_]+)")
      steps[#steps + 1] = ("veth interface uplink release link_up address route loopback"):find(op, 1, true) and step
        or nil
    end
    assert.same({
      "parent veth name=eth0 mtu=1400 peer=ve0 addresses=10.0.0.1/24",
      "parent interface name=wlan0 as=eth1",
      "parent uplink type=pasta path=/usr/bin/pasta",
      "parent release",
      "child loopback",
      "child link_up name=eth0",
      "child address address=10.0.0.2/24 dev=eth0",
      "child address address=fd00::2/64 dev=eth0",
      "child route to=default via=10.0.0.1 dev=eth0",
      "child route to=default via=fd00::1 dev=eth0",
      "child route to=192.0.2.0/24 dev=eth0",
      "child link_up name=eth1",
      "child address address=10.1.0.2/24 dev=eth1",
    }, steps)
  end)

  it("is the outer user namespace's where mounts are locked, and works as ever", function()
    assert.equal("10.0.2.100/24\n", helper.inside({ network = "slirp4netns", lock_mounts = true },
      "ip -4 -o addr show dev tap0 | awk '{ print $4 }'"))
  end)

  -- ---- pairs ----------------------------------------------------------------

  it("has a pair to the host, which goes with the container", function()
    assert.equal(lines("10.0.0.2/24", "fd00::2/64", "default via 10.0.0.1 dev eth0 proto static ", "mtu 1400",
      "02:00:00:00:00:09", "Connection refused", "Connection refused", ""), output([[
      assert(net:link_set("lo", { up = true }))
      local description = { network = { veth = { {
        name = "eth0", address = { "10.0.0.2/24", "fd00::2/64" }, gateway = "10.0.0.1", mtu = 1400,
        mac = "02:00:00:00:00:09", peer = { name = "ve0", address = { "10.0.0.1/24", "fd00::1/64" } },
      } } } }
      inside(description, "ip -o addr show dev eth0 scope global | awk '{ print $4 }'; ip route show default;"
        .. "ip link show eth0 | grep -o 'mtu [0-9]*';"
        .. "ip -br link show eth0 | awk '{ print $3 }';" .. knock "10.0.0.1" .. ";" .. knock "fd00::1")
      print(names())
    ]]))
  end)

  it("can have the same names again at once", function()
    assert.equal("1\n2\n3\n4\n5\n", output [[
      for i = 1, 5 do
        inside({ network = { veth = { { name = "eth0", peer = { name = "ve0" } } } } }, "echo " .. i)
      end
    ]])
  end)

  it("has names for pairs that nobody named", function()
    assert.equal(lines("3", ""), output [[
      local box = assert(userns.container { network = { veth = { { name = "a" }, { name = "b" } } } })
      local other = assert(userns.container { network = { veth = { { name = "a" } } } })
      do
        local first <close> = assert(box:spawn { "/bin/sleep", "60" })
        local second <close> = assert(other:spawn { "/bin/sleep", "60" })
        print((select(2, names():gsub("ve%d+%.[12]", ""))))
      end
      print(names())
    ]])
  end)

  it("has pairs to a bridge, and two containers talk to each other over it", function()
    assert.equal(lines("Connection refused", "Connection refused", "br0"), output [[
      assert(net:link_add { type = "bridge", name = "br0", up = true })
      assert(net:address_add("br0", "10.0.0.1/24"))
      local function description(n)
        return { network = { veth = {
          { name = "eth0", address = ("10.0.0.%d/24"):format(n), peer = { bridge = "br0" } },
        } } }
      end
      local first <close> = assert(assert(userns.container(description(2))):spawn { "/bin/sleep", "60" })
      inside(description(3), knock "10.0.0.2" .. ";" .. knock "10.0.0.1")
      first:close()
      print(names())
    ]])
  end)

  it("has a pair to another container, by its handle, pid or namespace", function()
    assert.equal(("Connection refused\nlo\n"):rep(3), output [[
      local first <close> = assert(assert(userns.container {}):spawn { "/bin/sleep", "60" })
      local namespace <close> = assert(first:namespace "net")
      local there <close> = assert(sys.netlink(first))
      for _, target in ipairs { first, first.pid, namespace } do
        inside({ network = { veth = { {
          name = "eth0", address = "10.0.0.2/24", peer = { name = "eth1", netns = target, address = "10.0.0.1/24" },
        } } } }, knock "10.0.0.1")
        -- the other end has gone from there with the container
        for _, link in ipairs(there:links()) do
          print(link.name)
        end
      end
    ]])
  end)

  it("leaves nothing behind when the set-up fails after a pair was made", function()
    assert.equal(lines("nil\tchdir\topenat2\tENOENT\t/nowhere\tprocess.cwd\tchild", ""), output [[
      local box = assert(userns.container { network = { veth = { { name = "eth0", peer = { name = "ve0" } } } } })
      local result, err = box:run { "/bin/true", cwd = "/nowhere" }
      print(result, err.op, err.syscall, err.code, err.path, err.field, err.side)
      print(names())
    ]])
  end)

  it("leaves nothing behind when a later pair's target is no handle any more", function()
    assert.equal(lines("nil\tveth\tEBADF\tnetwork.veth[2].peer.netns\tthe handle is closed", ""), output([[
      local first = assert(assert(userns.container {}):spawn { "/bin/sleep", "60" })
      local box = assert(userns.container { network = { veth = {
        { name = "a", peer = { name = "ve0" } }, { name = "b", peer = { netns = first } },
      } } })
      first:close()
      local result, err = box:run { "/bin/true" }
      print(result, err.op, err.code, err.field, err.message)
      print(names())
    ]]))
  end)

  it("says what of a pair the kernel refuses", function()
    assert.equal(lines(
      "nil\tveth\tioctl\tENODEV\tbr9\tnetwork.veth[1].peer.bridge\tparent",
      "nil\tveth\tsendto\tEEXIST\tve0\tnetwork.veth[2]\tparent",
      "nil\tveth\tsendto\tEEXIST\t10.0.0.1/24\tnetwork.veth[1].peer.address[2]\tparent",
      "nil\tveth\topen\tENOENT\t/nowhere\tnetwork.veth[1].peer.netns\tparent",
      "nil\taddress\tsendto\tEEXIST\t10.0.0.2/24\tnetwork.veth[1].address[2]\tchild",
      "nil\troute\tsendto\tENETUNREACH\tdefault\tnetwork.veth[1].gateway[1]\tchild",
      "no address of the interface's is in a network with the router",
      ""), output [[
      local function veth(...)
        return { network = { veth = { ... } } }
      end
      refused(veth { name = "a", peer = { bridge = "br9" } })
      refused(veth({ name = "a", peer = { name = "ve0" } }, { name = "b", peer = { name = "ve0" } }))
      refused(veth { name = "a", peer = { address = { "10.0.0.1/24", "10.0.0.1/24" } } })
      refused(veth { name = "a", peer = { netns = "/nowhere" } })
      refused(veth { name = "a", address = { "10.0.0.2/24", "10.0.0.2/24" } })
      print(refused(veth { name = "a", address = "10.0.0.2/24", gateway = "10.1.0.1" }).why)
      print(names())
    ]])
  end)

  it("is refused where the caller has no privilege over the host's", function()
    -- In the user namespace of one's own the net namespace is still the host's.
    local wrapper <const> = way == "user" and "" or helper.rootless
    assert.equal(lines(
      "nil\tveth\tsendto\tEPERM\t%s\tnetwork.veth[1]\tparent",
      "nil\tinterface\tsendto\tEPERM\tlo\tnetwork.interfaces[1]\tparent",
      "no_cap_net_admin"), (output([[
      refused { network = { veth = { { name = "eth0" } } } }
      print(refused { network = { interfaces = { { name = "lo", as = "eth0" } } } }.cause)
    ]], wrapper):gsub("ve%d+%.1", "%%s")))
  end)

  -- ---- interfaces -----------------------------------------------------------

  it("has interfaces moved in, and gives them back under their old names", function()
    assert.equal(lines("eth0 10.0.0.2/24", "a b", "eth0 10.0.0.2/24", "a b"), output [[
      assert(net:link_add { type = "veth", name = "a", peer = { name = "b" } })
      for _ = 1, 2 do
        inside({ network = { interfaces = { { name = "a", as = "eth0", address = "10.0.0.2/24" } } } },
          "ip -o addr show dev eth0 scope global | awk '{ print $2, $4 }'")
        print(names())
      end
    ]])
  end)

  it("gives them back when the set-up fails", function()
    assert.equal(lines("nil\taddress\tsendto\tEEXIST\t10.0.0.2/24\tnetwork.interfaces[1].address[2]\tchild", "a b"),
      output [[
      assert(net:link_add { type = "veth", name = "a", peer = { name = "b" } })
      refused { network = { interfaces = { { name = "a", address = { "10.0.0.2/24", "10.0.0.2/24" } } } } }
      print(names())
    ]])
  end)

  it("says which it has not got, and that one did not come back", function()
    assert.equal(lines(
      "nil\tinterface\tioctl\tENODEV\tnone\tnetwork.interfaces[1].name\tparent",
      "network.interfaces[1]\tnone\tuserns: link_set 'N': File exists"), (output([[
      refused { network = { interfaces = { { name = "none" } } } }
      assert(net:link_add { type = "veth", name = "a", peer = { name = "b" } })
      local box = assert(userns.container { network = { interfaces = { { name = "a" } } } })
      local process = assert(box:spawn { "/bin/true" })
      assert(net:link_add { type = "bridge", name = "a" })
      for _, entry in ipairs(process:wait().degraded) do
        if entry.feature ~= "groups" then
          print(entry.feature, entry.used, entry.reason)
        end
      end
    ]]):gsub("link_set '%d+'", "link_set 'N'")))
  end)

  -- ---- uplinks --------------------------------------------------------------

  for _, program in ipairs { "pasta", "slirp4netns" } do
    it("has an uplink through " .. program .. ", with the same addresses as any", function()
      assert.equal(lines("10.0.2.100/24", "default via 10.0.2.2 dev tap0 "), output(([[
        pretend_uplink()
        inside({ network = %q }, "ip -4 -o addr show dev tap0 | awk '{ print $4 }'; ip route show default")
      ]]):format(program)))
    end)

    it("reaches the caller's loopback through " .. program .. " only if that is meant", function()
      assert.equal(lines("hello", "true\ttimeout"), output(([[
        pretend_uplink()
        local server = assert(socket.bind("127.0.0.1", 0))
        local _, port = server:getsockname()
        local function box(host_loopback)
          return assert(userns.container { network = { uplink = { type = %q, host_loopback = host_loopback } } })
        end
        local process = assert(box(true):spawn {
          "/bin/bash", "-c", "read -r line </dev/tcp/10.0.2.2/" .. port .. "; echo $line", stdout = "capture",
        })
        server:settimeout(10)
        local client = assert(server:accept())
        client:send("hello\n")
        io.write(process:wait().stdout)
        client:close()
        local result = assert(box(false):run {
          "/usr/bin/timeout", "2", "/bin/bash", "-c", ": </dev/tcp/10.0.2.2/" .. port, stderr = "null",
        })
        server:settimeout(0)
        print(not result.ok, select(2, server:accept()))
      ]]):format(program)))
    end)

    it("keeps the caller's mounts, whatever " .. program .. " does with its own", function()
      local shared <const> = (way == "root" and "unshare" or helper.rootless) .. " --net --mount"
      assert.equal("all there\n", output(([[
        local before = helper.read "/proc/self/mountinfo"
        pretend_uplink()
        assert(os.execute "mount -t tmpfs extra /mnt")
        helper.inside({ network = %q }, "true")
        assert(os.execute "umount /mnt")
        print(helper.read "/proc/self/mountinfo" == before and "all there" or before)
      ]]):format(program), shared .. " unshare --mount --propagation shared"))
    end)

    it("ends " .. program .. " with the container, and tells of one that ended before", function()
      assert.equal(lines("1", "0", "0", "network.uplink\tnone\tPROGRAM ended before the program: SIGKILL"),
        (output(FAMILY .. ([[
        pretend_uplink()
        local container = assert(userns.container { network = %q })
        local process = assert(container:spawn { "/bin/sleep", "60" })
        print(#children(own, process.pid))
        process:close()
        print(#children(own))
        assert(not container:run { "/bin/true", cwd = "/nowhere" })
        print(#children(own))
        process = assert(container:spawn { "/bin/cat", stdin = "pipe" })
        local helper <close> = assert(sys.pidfd_open(children(own, process.pid)[1]))
        helper:kill("KILL")
        sys.poll { { fd = helper } }
        process.stdin:close()
        for _, entry in ipairs(process:wait().degraded) do
          if entry.feature ~= "groups" then
            print(entry.feature, entry.used, entry.reason)
          end
        end
      ]]):format(program)):gsub(program .. " ended", "PROGRAM ended")))
    end)

    it("ends " .. program .. " with the host program, too", function()
      assert.equal(lines("2", "true", "true"), output(FAMILY .. ([[
        pretend_uplink()
        local reader, writer = sys.pipe()
        local host <close> = assert(sys.clone({}, function()
          local process = assert(userns.container({ network = %q }):spawn { "/bin/sleep", "60" })
          writer:write("x")
          process:wait()
        end))
        writer:close()
        assert(reader:read() == "x")
        local handles = {}
        for i, pid in ipairs(children(host.pid)) do
          handles[i] = assert(sys.pidfd_open(pid))
        end
        print(#handles)
        host:kill("KILL")
        for _, handle in ipairs(handles) do
          print(sys.poll({ { fd = handle } }, 20)[1])
        end
      ]]):format(program)))
    end)
  end

  -- ---- a namespace for two ---------------------------------------------------

  it("is another container's for who joins that, and both talk to each other", function()
    local first <close> = assert(assert(userns.container { network = "slirp4netns" }):spawn {
      "/usr/bin/env", "lua5.4", "-e", [[
        local server = assert(require "socket".bind("127.0.0.1", 5000))
        print "ready"
        io.stdout:flush()
        server:accept():send "hello\n"
      ]], stdin = "null", stdout = "pipe",
    })
    assert.equal("ready", first.stdout:read())
    assert.equal("10.0.2.100/24\nhello\n", helper.inside({ join = { user = first, net = first } }, [[
      ip -4 -o addr show dev tap0 | awk '{ print $4 }'
      exec /bin/bash -c 'read -r line </dev/tcp/127.0.0.1/5000; echo $line']]))
  end)

  it("has an uplink for any caller, without privilege", function()
    assert.equal("10.0.2.100/24\n", helper.inside({ network = "slirp4netns" },
      "ip -4 -o addr show dev tap0 | awk '{ print $4 }'"))
  end)

  it("says which program it has not found", function()
    assert.equal(lines("nil\tuplink\tnil\tENOENT\tpasta\tnetwork.uplink\tnil", "not found in PATH",
      "Debian's package passt has it"), output [[
      function os.getenv()
        return "/nowhere"
      end
      local err = refused { network = "pasta" }
      print(err.message)
      print(err.hint)
    ]])
  end)

  it("says what the program said", function()
    local refusal <const> = "nil\tuplink\tnil\tEUPLINK\tHERE/slirp4netns\tnetwork.uplink\tparent"
    local directory <const> = helper.directory()
    for script, message in pairs {
      ["echo no >&2; echo not today >&2"] = "no; not today",
      ["exit 3"] = "exit status 3",
      ["kill -TERM $$"] = "ended by SIGTERM",
    } do
      helper.write(directory .. "/slirp4netns", "#!/bin/sh\n" .. script .. "\n")
      assert(os.execute(("chmod 755 %s/slirp4netns"):format(directory)))
      assert.equal(lines(refusal, message), (output(([[
        function os.getenv()
          return %q
        end
        print(refused { network = "slirp4netns" }.message)
      ]]):format(directory)):gsub(directory, "HERE")))
    end
    helper.remove(directory)
  end)
end)
