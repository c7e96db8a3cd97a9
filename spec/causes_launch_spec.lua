-- Why what is around the program is not made: settings, limits, terminals, cgroups,
-- interfaces, and the child itself.  Each refusal is produced for real.
local helper = require "spec.helper"
local sys = require "userns.sys"
local told = require "spec.support.told"

local way <const> = helper.privilege

--- A script of which each line tells of a refusal: the causes expected, each with
--- words of why or hint.
local function check(expected, script, wrapper)
  local list <const> = told(script, wrapper)
  assert.equal(#expected, #list)
  for i, row in ipairs(expected) do
    local one <const> = list[i]
    assert.same(row[1], ("%s %s %s"):format(one.op, one.code, one.cause), one.why .. one.hint)
    local text <const> = one.why .. "; " .. one.hint
    assert.is_truthy(text:find(row[2] or "", 1, true), text)
  end
end

local function without(capability)
  return ("setpriv --inh-caps=-all --bounding-set=-%s"):format(capability)
end

--- A wrapper in which a shell's words have been run.
local function after(words, wrapper)
  return ("%s sh -c %s sh"):format(wrapper, helper.quote(words .. '; exec "$@"'))
end

describe("a setting is not made", function()
  it("that there is none of, or with no such value", function()
    check({
      { "sysctl ENOENT no_such_setting", "such setting as net.zebra" },
      { "sysctl EINVAL setting_invalid", 'take "0" for net.ipv4.ip_default_ttl' },
      { "sysctl EINVAL setting_invalid", "fs.mqueue.msg_max" },
    }, [[
      tell(run { sysctl = { ["net.zebra"] = 1 } })
      tell(run { sysctl = { ["net.ipv4.ip_default_ttl"] = 0 } })
      tell(run { sysctl = { ["fs.mqueue.msg_max"] = 1000000 } })
    ]])
  end)

  it("of what is not there, or only tells something", function()
    check({
      { "sysctl ENOENT setting_invalid", '"nosuch" names for net.ipv4.tcp_congestion_control' },
      { "sysctl ENOENT no_such_interface", "no interface 'eth9'" },
      { "sysctl ENOENT no_such_interface", "no interface 'eth9'" },
      { "sysctl ENOENT no_such_setting", "such setting as net.ipv4.conf.eth9.zebra" },
      { "sysctl EACCES setting_fixed", "net.ipv4.tcp_available_congestion_control only tells" },
      { "sysctl EISDIR is_directory", "net.ipv4 is a directory" },
      { "true  " },
    }, [[
      tell(run { sysctl = { ["net.ipv4.tcp_congestion_control"] = "nosuch" } })
      tell(run { sysctl = { ["net.ipv4.conf.eth9.forwarding"] = 1 } })
      tell(run { sysctl = { ["net.ipv4.neigh.eth9.gc_stale_time"] = 60 } })
      tell(run { sysctl = { ["net.ipv4.conf.eth9.zebra"] = 1 } })
      tell(run { sysctl = { ["net.ipv4.tcp_available_congestion_control"] = "reno" } })
      tell(run { sysctl = { ["net.ipv4"] = 1 } })
      tell(run { sysctl = { ["net.ipv4.tcp_congestion_control"] = "reno", ["net.ipv4.conf.lo.forwarding"] = 1 } })
    ]])
  end)

  it("where there is no /proc", function()
    check({ { "oom_score ENOENT no_proc", "leave oom_score_adj out" } }, [[
      tell(run { namespaces = { "uts" }, allow_userns = true, oom_score_adj = 500 })
    ]], after("mount -t tmpfs none /proc", way == "root" and helper.own_mounts or helper.rootless .. " --mount"))
  end)

  if helper.is_linux(6, 18) then -- older ones may hide it from new namespaces
    it("that is not for other namespaces than the first", function()
      check({ { "sysctl EACCES setting_privileged", "net.core.rmem_max" } },
        [[ tell(run { sysctl = { ["net.core.rmem_max"] = 1000000 } }) ]])
    end)
  end

  it("where /proc has no settings", function()
    check({
      { "sysctl ENOENT no_proc_sys", "set allow_userns = true to go without" },
      { "sysctl ENOENT no_proc_sys", "leave the setting out" },
      { "true  ", "" },
    }, [[
      tell(run {})
      tell(run { allow_userns = true, sysctl = { ["net.ipv4.ip_forward"] = 1 } })
      tell(run { allow_userns = true })
    ]], after("mount -t tmpfs none /proc/sys", helper.own_mounts))
  end)

  it("of clocks that would be negative", function()
    check({ { "time ERANGE clock_negative" } },
      [[ tell(run { namespaces = { "user", "time" }, time_offsets = { boottime = -1000000000 } }) ]])
  end)

  if way == "user" then
    it("of clocks by who has joined a user namespace", function()
      check({ { "time EACCES time_entered", "join no user namespace" } }, [[
        local child <close> = mapped "user"
        tell(run { namespaces = { "time" }, join = { user = child }, time_offsets = { monotonic = 9 } })
      ]])
    end)
  else
    it("of clocks without CAP_SYS_TIME", function()
      check({ { "time EPERM no_cap_sys_time" } },
        [[ tell(run { namespaces = { "time" }, time_offsets = { monotonic = 9 } }) ]], without "sys_time")
    end)
  end

  it("that takes privilege over the host", function()
    check({
      { "nice EACCES no_cap_sys_nice", "RLIMIT_NICE" }, { "oom_score EACCES no_cap_sys_resource" },
      { "raise_limit EPERM no_cap_sys_resource", "here of sigpending" },
    }, [[
      tell(run { nice = -5 })
      tell(run { oom_score_adj = -500 })
      tell(run { rlimits = { sigpending = 200 } })
    ]], "prlimit --sigpending=100 " .. (way == "user" and "" or without "sys_resource,-sys_nice"))
  end)

  it("that no machine has, or not this one", function()
    check({ { "raise_limit EPERM nr_open", "fs.nr_open" }, { "affinity EINVAL cpu_offline", "Cpus_allowed_list" } }, [[
      tell(run { rlimits = { nofile = 1 << 31 } })
      tell(run { affinity = { 8191 } })
    ]])
  end)
end)

describe("a terminal is not made", function()
  it("where the mode of /dev/ptmx lets nobody open it", function()
    check({ { "pty EACCES ptmx_mode", "ptmxmode=0000" } }, [[
      tell(run({ mounts = {
        { type = "tmpfs", target = "/dev" }, { type = "symlink", target = "/dev/ptmx", source = "pts/ptmx" },
        { type = "devpts", target = "/dev/pts", ptmxmode = "0000" },
      } }, { "/bin/true", terminal = true }))
    ]])
  end)

  it("of what is another file", function()
    check({ { "pty ENODEV ptmx_other" } }, [[
      tell(run({ root = { type = "tmpfs" }, mounts = {
        { type = "devpts", target = "/dev/pts" }, { type = "tmpfs", target = "/dev/pts" },
        { type = "file", target = "/dev/pts/ptmx", content = "", mode = "0666" },
      } }, { "/bin/true", terminal = true }))
    ]])
  end)

  it("where there are as many as may be", function()
    check({ { "pty ENOSPC pty_max", "kernel.pty.max" }, { "true  " } }, [[
      local terminal = assert(sys.open "/dev/pts/ptmx")
      tell(run({}, { "/bin/true", terminal = true }))
      terminal:close()
      tell(run({}, { "/bin/true", terminal = true }))
    ]], after("mount -t devpts -o max=1,ptmxmode=666 none /dev/pts", helper.own_mounts))
  end)
end)

describe("a descriptor is not handed over", function()
  it("that is not open, or beyond what may be", function()
    check({
      { "descriptors EBADF not_open", "keep it open" }, { "descriptors EBADF not_open" },
      { "take EBADF not_open" }, { "descriptors EBADF rlimit_nofile", "60000 was asked for" },
    }, [[
      tell(run({}, { "/bin/true", fds = { [3] = 999 } }))
      tell(run({}, { "/bin/true", stdin = 999 }))
      tell(run { mounts = { { type = "move", source = { fd = 999 }, target = "/mnt" } } })
      tell(run({}, { "/bin/true", fds = { [60000] = 0 } }))
    ]], "prlimit --nofile=1024:4096")
  end)

  it("where there is no /dev/null", function()
    check({ { "descriptors ENOENT not_found", "no /dev/null here" } },
      [[ tell(run({}, { "/bin/true", stdin = "null" })) ]], after("mount -t tmpfs none /dev", helper.own_mounts))
  end)
end)

if sys.landlock_abi() > 0 then
  describe("a Landlock rule is not made", function()
    it("that allows nothing, nor for a link of the kernel's own", function()
      check({
        { "path_rule ENOMSG nothing_allowed", "'/etc/passwd' is no directory" },
        { "path_rule ELOOP symlink_loop", "link of the kernel's own" },
      }, [[
        tell(run { landlock = { fs = { { path = "/etc/passwd", allow = { "create" } } } } })
        tell(run { landlock = { fs = { { path = "/proc/self/ns/net", allow = { "read" } } } } })
      ]])
    end)
  end)
end

describe("a cgroup is not made", function()
  it("where the hierarchies are read-only", function()
    check({ { "cgroup EROFS cgroup_ro" } }, [[ tell(run { cgroup = {} }) ]], after(
      [[sed -n 's/^[^ ]* \([^ ]*\) cgroup.*/\1/p' /proc/mounts | xargs -n 1 mount -o remount,bind,ro]],
      helper.own_mounts))
  end)

  if way == "root" and not helper.is_guest then
    it("by a name that a file has, nor for a disk that is not there", function()
      check({
        { "cgroup EEXIST cgroup_file", "/cgroup.procs' is a file of the kernel's" },
        { "cgroup ENODEV no_such_disk", "lsblk" },
      }, [[
        tell(run { cgroup = { parent = "/", name = "cgroup.procs", pids = 5 } })
        tell(run { cgroup = { parent = "/", io = { { device = "9:99", rbps = "1M" } } } })
      ]])
    end)

    it("below one that has threads for members", function()
      local hierarchy <const> = assert(helper.read "/proc/mounts":match "\n%S+ (%S+) cgroup2 ")
      local parent <const> = "/userns-spec-" .. sys.getpid()
      local path <const> = hierarchy .. parent
      local ok <const>, err <const> = pcall(function()
        assert(os.execute(("mkdir %s && echo threaded >%s/cgroup.type"):format(path, path)))
        check({ { "enter_cgroup EOPNOTSUPP into_cgroup", "threaded" } },
          ([[ tell(run { cgroup = { parent = %q } }) ]]):format(parent))
      end)
      os.remove(path)
      assert(ok, err)
    end)

    it("below one that is frozen", function()
      local hierarchy <const> = assert(helper.read "/proc/mounts":match "\n%S+ (%S+) cgroup2 ")
      local parent <const> = "/userns-spec-" .. sys.getpid()
      local path <const> = hierarchy .. parent
      local ok <const>, err <const> = pcall(function()
        assert(os.execute(("mkdir %s && echo 1 >%s/cgroup.freeze"):format(path, path)))
        local one <const> = told(([[
          tell(run({ cgroup = { parent = %q } }, { "/bin/true", timeout = 1 }))
        ]]):format(parent))[1]
        assert.same({ "ETIMEDOUT", "cgroup_frozen" }, { one.code, one.cause })
        assert.matches(path .. " is frozen", one.why, 1, true)
      end)
      os.execute(("echo 0 >%s/cgroup.freeze"):format(path))
      os.remove(path)
      assert(ok, err)
    end)

    it("without the memory that it takes to be set up", function()
      local one <const> = told [[ tell(run { init = true, cgroup = { memory = "16K" } }) ]][1]
      assert.same({ "EKILLED", "either oom killed" }, { one.code, one.cause })
      assert.matches("want of memory.*raise cgroup.memory", one.hint)
    end)
  end
end)

describe("a network is not made", function()
  local NET <const> = (way == "root" and "unshare" or helper.rootless) .. " --net"

  it("of interfaces that are not there, are already, or stay", function()
    check({
      { "interface ENODEV no_such_interface" }, { "veth ENODEV no_such_interface" },
      { "veth EEXIST interface_exists" }, { "interface EINVAL interface_fixed", "veth pair" },
    }, [[
      assert(sys.netlink()):link_add { type = "veth", name = "a", peer = { name = "b" } }
      tell(run { network = { interfaces = { { name = "none" } } } })
      tell(run { network = { veth = { { name = "eth0", peer = { bridge = "none" } } } } })
      tell(run { network = { veth = { { name = "eth0", peer = { name = "a" } } } } })
      tell(run { network = { interfaces = { { name = "lo", as = "eth0" } } } })
    ]], NET)
  end)

  -- A pair of interfaces, the words of which are those that matter.
  local VETH <const> = [[
    local function veth(fields)
      fields.name, fields.peer = fields.name or "eth0", fields.peer or {}
      return run { network = { veth = { fields } } }
    end
  ]]

  it("of addresses that are there, and routes that lead nowhere", function()
    check({
      { "address EEXIST address_exists" }, { "veth EEXIST address_exists" },
      { "route ENETUNREACH no_route_to_router" }, { "route EINVAL router_unusable", "10.0.0.255 is no other host's" },
    }, VETH .. [[
      tell(veth { address = { "10.0.0.2/24", "10.0.0.2/24" } })
      tell(veth { peer = { address = { "10.0.0.1/24", "10.0.0.1/24" } } })
      tell(veth { address = "10.0.0.2/24", gateway = "10.1.0.1" })
      tell(veth { address = "10.0.0.2/24", gateway = "10.0.0.255" })
    ]], NET)
  end)

  it("of routes that there are", function()
    check({
      { "route EEXIST route_exists", "default route already" }, { "route EEXIST route_exists", "to 10.2.0.0/24" },
      { "route EEXIST route_exists", "its own network" },
    }, VETH .. [[
      local function pair(name, n)
        return { name = name, address = ("10.%d.0.2/24"):format(n), gateway = ("10.%d.0.1"):format(n) }
      end
      tell(run { network = { veth = { pair("eth0", 1), pair("eth1", 2) } } })
      local route = { to = "10.2.0.0/24", via = "10.1.0.1" }
      tell(veth { address = "10.1.0.2/24", routes = { route, route } })
      tell(veth { address = "10.1.0.2/24", routes = { { to = "10.1.0.0/24" } } })
    ]], NET)
  end)

  if helper.shell("test -e /proc/net/if_inet6").code == 0 then
    it("of IPv6, where it cannot be", function()
      local disabled <const> = "for i in all default; do echo 1 >/proc/sys/net/ipv6/conf/$i/disable_ipv6; done"
      check({
        { "route EHOSTUNREACH no_route_to_router" }, { "address EINVAL mtu_too_small", "the interface has 1000" },
        { "veth EINVAL mtu_too_small" }, { "address EADDRNOTAVAIL address_unusable", "ff00::/8" },
        { "veth EACCES protocol_disabled", "disable_ipv6=0" },
      }, VETH .. [[
        tell(veth { address = "fd00::2/64", gateway = "fd01::1" })
        tell(veth { address = "fd00::2/64", mtu = 1000 })
        tell(veth { mtu = 1000, peer = { address = "fd00::1/64" } })
        tell(veth { address = "ff02::1/64" })
        tell(veth { peer = { address = "fd00::1/64" } })
      ]], after(disabled, NET))
    end)
  end

  it("by a program that does not start", function()
    local directory <const> = helper.directory()
    helper.write(directory .. "/slirp4netns", "#!/bin/sh\nexit 3\n")
    assert(os.execute(("chmod 755 %s/slirp4netns"):format(directory)))
    check({ { "uplink EUPLINK uplink_failed", "runs by itself" } }, [[ tell(run { network = "slirp4netns" }) ]],
      after(("PATH=%s:$PATH"):format(directory), ""))
    helper.remove(directory)
  end)
end)

describe("a child does not begin", function()
  it("without the executable that it is made of", function()
    local directory <const> = helper.directory()
    local module <const> = assert(package.searchpath("userns.sys", package.cpath))
    assert(os.execute(("mkdir %s/userns && cp %s %s/userns"):format(directory, module, directory)))
    local wrapper <const> = ("env LUA_CPATH=%s/?.so"):format(directory)
    check({ { "image ENOENT image_missing", directory .. "/userns/userns-init is not there" } },
      "tell(run { init = true })", wrapper)
    helper.write(directory .. "/userns/userns-init", "")
    check({ { "image EACCES image_missing", "may not be executed" } }, "tell(run { init = true })", wrapper)
    helper.remove(directory)
  end)

  it("whose host may write no files, which does not end the host", function()
    local limited <const> = "prlimit --fsize=100"
    check({ { "image EFBIG rlimit_fsize", "ulimit -f" } }, "tell(run { init = true })", limited)
    local one <const> = told([[
      tell(run { seccomp = { default = "allow", rules = { { names = "mount", action = "errno" } } } })
    ]], "prlimit --fsize=0")[1]
    assert.equal("validate EINVALID", one.op .. " " .. one.code)
  end)

  it("whose parent has ended", function()
    check({ { "await ESRCH host_gone", "end the child too" } }, [[
      local reader <close>, writer <const> = sys.pipe()
      local parent <close> = assert(sys.clone({}, function()
        local child = assert(sys.clone({}, function(gate)
          gate:ready()
          tell(gate:await())
          io.stdout:flush()
          writer:write "."
        end, { handshake = true }))
        assert(child:ready())
      end))
      parent:wait()
      assert(reader:read())
    ]])
  end)
end)
