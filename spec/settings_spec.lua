-- Settings of the program and of its namespaces: each is read back by the
-- program itself.
local helper <const> = require "spec.helper"
local userns <const> = require "userns"

local inside <const> = helper.inside

--- The problems of a description, as "field: message".
local function problems(description)
  local lines <const> = {}
  local _, err <const> = userns.container(description)
  for i, problem in ipairs(err.problems) do
    lines[i] = ("%s: %s"):format(problem.field, problem.message)
  end
  return lines
end

local function line_of(description, word)
  return (tostring(assert(userns.container(description))):match("%f[^\0\n]" .. word .. ":%s+([^\n]+)"))
end

before_each(helper.count)
after_each(helper.check_count)

describe("rlimits", function()
  --- The soft and the hard limit of each resource that the program has.
  local function limits(description)
    local found <const> = {}
    for line in inside(description, "cat /proc/self/limits"):gmatch("[^\n]+") do
      local name <const>, soft <const>, hard <const> = line:match("^Max (.-)  +(%S+) +(%S+)")
      if name then
        found[name] = soft .. " " .. hard
      end
    end
    return found
  end

  it("are what the program has", function()
    local of <const> = limits {
      rlimits = {
        nofile = 100, cpu = { soft = 10, hard = "unlimited" }, fsize = "1M", stack = { soft = "1M", hard = "2M" },
      },
    }
    assert.same({ "100 100", "10 unlimited", "1048576 1048576", "1048576 2097152" },
      { of["open files"], of["cpu time"], of["file size"], of["stack size"] })
  end)

  it("allow a core dump where they say so, and none otherwise", function()
    assert.equal("0 0", limits {}["core file size"])
    assert.equal("4096 8192", limits { rlimits = { core = { soft = 4096, hard = 8192 } } }["core file size"])
  end)

  it("are held by the kernel", function()
    local tree <const> = helper.tree { { type = "tmpfs", target = "/tmp" } }
    tree.rlimits = { fsize = 512 }
    local result <const> = helper.run(tree, { "/bin/sh", "-c", "head -c 4096 /dev/zero >/tmp/f", stderr = "null" })
    assert.is_false(result.ok)
  end)

  it("count the processes of the container's user apart from the host's", function()
    assert.equal("ok\n", inside({ rlimits = { nproc = 3 } }, "(true); (true) && echo ok"))
    local result <const> = helper.run({ rlimits = { nproc = 1 } }, { "/bin/sh", "-c", "(:)", stderr = "null" })
    assert.is_false(result.ok)
  end)

  it("come after the set-up, which needs more descriptors than the program", function()
    local mounts <const> = {}
    for i = 1, 40 do
      mounts[i] = { type = "bind", source = "/usr", target = "/d" .. i, readonly = true }
    end
    local tree <const> = helper.tree(mounts)
    tree.rlimits = { nofile = { soft = 10, hard = 12 } }
    assert.equal("10 12\n", inside(tree, "echo $(ulimit -Sn) $(ulimit -Hn)"))
  end)

  it("leave alone what they do not name", function()
    local host <const> = helper.read("/proc/self/limits"):match("Max open files +(%S+ +%S+)"):gsub(" +", " ")
    assert.equal(host, limits { rlimits = { cpu = 10 } }["open files"])
  end)

  it("are raised by the caller where it may, and else are refused by name", function()
    local hard <const> = math.tointeger(tonumber(helper.read("/proc/self/limits"):match("Max open files +%S+ +(%d+)")))
    local description <const> = { rlimits = { nofile = hard + 1 } }
    if helper.shell(("prlimit --nofile=%d true"):format(hard + 1)).code == 0 then
      assert.equal(("%d %d"):format(hard + 1, hard + 1), limits(description)["open files"])
    else
      assert.same(helper.errno("EPERM", { op = "raise_limit", syscall = "prlimit64", field = "rlimits.nofile" }),
        (helper.refusal(description, { "/bin/true" })))
    end
  end)

  it("are refused where they cannot be meant", function()
    assert.same({
      "rlimits.nofil: unknown field 'nofil' (did you mean 'nofile'?)",
      "rlimits.as: size (bytes, or \"64M\") expected, got \"3X\"",
      "rlimits.cpu: the soft limit is above the hard one",
      "rlimits.data: the soft limit is above the hard one",
      "rlimits.locks: unknown limit 'none'",
      "rlimits.nice.hard: missing (integer or \"unlimited\")",
      "rlimits.nproc: -1 is out of range (0 to 9223372036854775807)",
      "rlimits.rss: integer expected, got number with a fraction",
      "rlimits.rtprio: integer or \"unlimited\" or { soft, hard } expected, got boolean",
    }, problems {
      rlimits = {
        nofil = 3, as = "3X", cpu = { soft = 3, hard = 2 }, data = { soft = "unlimited", hard = "1G" }, locks = "none",
        nice = { soft = 1 }, nproc = -1, rss = 1.5, rtprio = true,
      },
    })
  end)

  it("are in the plan, in words and in the description in force", function()
    local box <const> = assert(userns.container {
      rlimits = { nproc = { soft = 10, hard = "unlimited" }, fsize = "1K" },
    })
    local listing <const> = tostring(box:plan())
    assert.truthy(listing:find("rlimit        resource=fsize soft=1024 hard=1024\n", 1, true))
    assert.truthy(listing:find("rlimit        resource=nproc soft=10 hard=unlimited\n", 1, true))
    assert.equal("fsize 1024; nproc 10, up to unlimited", line_of(box:describe(), "limits"))
    assert.same({ fsize = { soft = 1024, hard = 1024 }, nproc = { soft = 10, hard = "unlimited" } },
      box:describe().rlimits)
  end)
end)

describe("sysctl", function()
  local TRY <const> = "unshare --user --map-root-user --ipc sh -c 'echo 1 >/proc/sys/kernel/shm_rmid_forced'"

  --- Whether an ipc namespace's root may change its settings, which is so since Linux 6.9.
  local function ipc_is_open()
    return helper.shell(TRY).code == 0
  end

  --- What the program reads below /proc/sys.
  local function values(description, ...)
    return inside(description, "cd /proc/sys && cat " .. table.concat({ ... }, " ")):gsub("\t", " "), nil
  end

  it("sets what is the new namespaces' own", function()
    assert.equal("1\n0 0\n1\n7\n", (values({
      sysctl = {
        ["net.ipv4.ip_forward"] = 1, ["net/ipv4/ping_group_range"] = "0 0", ["net.ipv4.conf.lo.forwarding"] = "1",
        ["user.max_net_namespaces"] = 7,
      },
    }, "net/ipv4/ip_forward", "net/ipv4/ping_group_range", "net/ipv4/conf/lo/forwarding", "user/max_net_namespaces")))
  end)

  it("leaves the host's alone", function()
    local before <const> = helper.read "/proc/sys/net/ipv4/ip_default_ttl"
    assert.equal("77\n", (values({ sysctl = { ["net.ipv4.ip_default_ttl"] = 77 } }, "net/ipv4/ip_default_ttl")))
    assert.equal(before, helper.read "/proc/sys/net/ipv4/ip_default_ttl")
  end)

  it("sets those of ipc where the kernel lets the container's root", function()
    local description <const> = { sysctl = { ["kernel.shm_rmid_forced"] = 1 } }
    if ipc_is_open() then
      description.sysctl["kernel.sem"], description.sysctl["fs.mqueue.msg_max"] = "100 200 300 400", "20"
      assert.equal("1\n100 200 300 400\n20\n",
        (values(description, "kernel/shm_rmid_forced", "kernel/sem", "fs/mqueue/msg_max")))
    else
      assert.same(helper.errno("EACCES", {
        op = "sysctl", syscall = "openat", path = "/proc/sys/kernel/shm_rmid_forced",
        field = "sysctl[\"kernel.shm_rmid_forced\"]",
      }), (helper.refusal(description, { "/bin/true" })))
    end
  end)

  it("sets those of the program's own namespaces where mounts are locked", function()
    local tree <const> = helper.tree()
    tree.lock_mounts, tree.sysctl = true, { ["net.ipv4.ip_default_ttl"] = 77 }
    assert.equal("77\n", (values(tree, "net/ipv4/ip_default_ttl")))
  end)

  it("is done while the host's /proc is in sight, whatever the container has", function()
    local tree <const> = helper.tree()
    tree.sysctl = { ["net.ipv4.ip_forward"] = 1 }
    assert.equal("1\n", (values(tree, "net/ipv4/ip_forward")))
    tree.mounts[#tree.mounts] = nil -- its /proc
    assert.is_true(helper.run(tree, { "/bin/true" }).ok)
  end)

  it("names the setting that the kernel has not, or that does not take the value", function()
    local function refusal(key, value)
      return helper.refusal({ sysctl = { [key] = value } }, { "/bin/true" })
    end
    local fields <const>, advice <const> = refusal("net.nowhere", 1)
    assert.same(helper.errno("ENOENT", {
      op = "sysctl", syscall = "openat", path = "/proc/sys/net/nowhere", field = "sysctl[\"net.nowhere\"]",
    }), fields)
    assert.matches("no such setting as net.nowhere", advice.why)
    assert.same(helper.errno("EINVAL", {
      op = "sysctl", syscall = "write", path = "/proc/sys/net/ipv4/ip_default_ttl",
      field = "sysctl[\"net.ipv4.ip_default_ttl\"]",
    }), (refusal("net.ipv4.ip_default_ttl", "many")))
  end)

  it("reads keys as sysctl(8) does, with a slash for a dot in a name", function()
    local function path(key)
      local plan <const> = assert(userns.container { sysctl = { [key] = 1 } }):plan()
      for _, step in ipairs(plan) do
        if step.op == "sysctl" and step.source ~= "allow_userns" then
          assert.equal(("sysctl[%q]"):format(key), step.source)
          return step.path
        end
      end
    end
    assert.equal("/proc/sys/net/ipv4/conf/eth0.1/forwarding", path "net.ipv4.conf.eth0/1.forwarding")
    assert.equal("/proc/sys/net/ipv4/conf/eth0.1/forwarding", path "net/ipv4/conf/eth0.1/forwarding")
  end)

  it("refuses what is not a namespace's, and what cannot be meant", function()
    assert.same({
      "sysctl[1]: string expected, got integer",
      "sysctl[\"kernel.core_pattern\"]: is not a namespace's, but the whole machine's",
      "sysctl[\"kernel.hostname\"]: has a field of its own: hostname",
      "sysctl[\"kernel.pid_max\"]: is not a namespace's, but the whole machine's",
      "sysctl[\"net.ipv4..ip_forward\"]: 'net.ipv4..ip_forward' is no name of a setting",
      "sysctl[\"net.ipv4.ip_forward\"]: integer expected, got number with a fraction",
      "sysctl[\"net/../kernel/core_pattern\"]: 'net/../kernel/core_pattern' is no name of a setting",
      "sysctl[\"net/core/somaxconn\"]: string or integer expected, got boolean",
      "sysctl[\"vm.swappiness\"]: is not a namespace's, but the whole machine's",
    }, problems {
      sysctl = {
        ["kernel.core_pattern"] = "|/bin/sh", ["kernel.hostname"] = "box", ["kernel.pid_max"] = 1000,
        ["net.ipv4..ip_forward"] = 1, ["net.ipv4.ip_forward"] = 0.5, ["net/../kernel/core_pattern"] = "x",
        ["net/core/somaxconn"] = true, ["vm.swappiness"] = 1, "net",
      },
    })
    assert.same({ "sysctl: 'net.ipv4.ip_forward' and 'net/ipv4/ip_forward' are the same" },
      problems { sysctl = { ["net.ipv4.ip_forward"] = 1, ["net/ipv4/ip_forward"] = 0 } })
  end)

  it("needs the namespace that a setting belongs to", function()
    assert.same({
      "sysctl[\"fs.mqueue.msg_max\"]: needs a new ipc namespace, and this container has none",
      "sysctl[\"net.ipv4.ip_forward\"]: needs a new net namespace, and this container has none",
      "sysctl[\"user.max_user_namespaces\"]: is 0 where allow_userns is false",
    }, problems {
      share = { "ipc", "net" },
      sysctl = { ["fs.mqueue.msg_max"] = 1, ["net.ipv4.ip_forward"] = 1, ["user.max_user_namespaces"] = 3 },
    })
    assert.equal("3\n", (values({ allow_userns = true, sysctl = { ["user.max_user_namespaces"] = 3 } },
      "user/max_user_namespaces")))
  end)

  it("is in words and in the description in force", function()
    local box <const> = assert(userns.container { sysctl = { ["net.ipv4.ip_forward"] = 1 } })
    assert.equal("1", line_of(box:describe(), "net.ipv4.ip_forward"))
    assert.same({ ["net.ipv4.ip_forward"] = "1" }, box:describe().sysctl)
  end)
end)

describe("personality", function()
  it("is what the program runs under", function()
    assert.equal("i686\n", inside({ personality = "linux32" }, "uname -m"))
    assert.equal("00000008\n", inside({ personality = "LINUX32" }, "cat /proc/self/personality", { uid = 0 }))
    assert.equal("00040000\n", inside({ personality = { "linux", "addr_no_randomize" } }, "cat /proc/self/personality"))
  end)

  it("is in the plan, in words and in the description in force", function()
    local box <const> = assert(userns.container { personality = { "LINUX32", "uname26" } })
    assert.truthy(tostring(box:plan()):find("personality   persona=linux32,uname26\n", 1, true))
    assert.equal("linux32 uname26", line_of(box:describe(), "personality"))
    assert.same({ "linux32", "uname26" }, box:describe().personality)
  end)

  it("is of known words, and of one domain", function()
    assert.same({ "personality: unknown personality 'linx' (did you mean 'linux'?)" },
      problems { personality = "linx" })
    assert.same({ "personality: one execution domain is all there can be" },
      problems { personality = { "linux", "linux32" } })
    assert.same({ "personality[1]: personality expected, got integer" }, problems { personality = { 8 } })
  end)
end)

describe("nice", function()
  local own <const> = math.tointeger(tonumber(helper.shell("nice").out))

  it("is the program's nice value", function()
    assert.equal(("%d\n"):format(own + 3), inside({ nice = own + 3 }, "nice"))
  end)

  it("is lowered by who may, over the host's namespace alone", function()
    local refused <const> = helper.errno("EACCES", { op = "nice", syscall = "setpriority", field = "nice" })
    local fields <const>, advice <const> = helper.refusal({ nice = -5 }, { "/bin/true" })
    assert.same(refused, fields)
    assert.matches("privilege over the host", advice.why)
    local shared <const> = { namespaces = {}, nice = -5 }
    if helper.shell("nice -n -5 true 2>&1 | grep .").code == 1 then
      assert.equal("-5\n", inside(shared, "nice"))
    else
      assert.same(refused, (helper.refusal(shared, { "/bin/true" })))
    end
  end)

  it("has a range", function()
    assert.same({ "nice: 20 is out of range (-20 to 19)" }, problems { nice = 20 })
  end)
end)

describe("affinity", function()
  local own <const> = helper.read("/proc/self/status"):match("Cpus_allowed_list:%s+(%S+)")
  local first <const>, last <const> = math.tointeger(own:match("^%d+")), math.tointeger(own:match("%d+$"))

  local function allowed(affinity)
    return inside({ affinity = affinity }, "grep Cpus_allowed_list /proc/self/status"):match("%s(%S+)\n")
  end

  it("is the set of processors that the program may use", function()
    assert.equal(tostring(first), allowed { first })
    assert.equal(tostring(last), allowed(tostring(last)))
    assert.equal(own, allowed(own))
  end)

  it("is refused with a processor that is not there, which the kernel would pass over", function()
    local fields <const>, advice <const> = helper.refusal({ affinity = { first, 8191 } }, { "/bin/true" })
    assert.same(helper.errno("EINVAL", { op = "affinity", syscall = "sched_getaffinity", field = "affinity" }), fields)
    assert.matches("offline", advice.why)
    assert.same(helper.errno("EINVAL", { op = "affinity", syscall = "sched_setaffinity", field = "affinity" }),
      (helper.refusal({ affinity = "8190-8191" }, { "/bin/true" })))
  end)

  it("is in the plan in ascending order, in words and in the description in force", function()
    local box <const> = assert(userns.container { affinity = "5,0-2,1" })
    assert.truthy(tostring(box:plan()):find("affinity      cpus=0,1,2,5\n", 1, true))
    assert.equal("0 1 2 5", line_of(box:describe(), "affinity"))
    assert.same({ 0, 1, 2, 5 }, box:describe().affinity)
  end)

  it("names processors", function()
    for _, text in ipairs { "", "a", "1-", "-1", "3-1", "1,,2", "0-8192", "1 2", "99999999999999999999" } do
      assert.same({ ("affinity: processors (\"0-3,5\") expected, got %q"):format(text) }, problems { affinity = text })
    end
    assert.same({ "affinity: one processor is the least" }, problems { affinity = {} })
    assert.same({ "affinity[2]: 8192 is out of range (0 to 8191)" }, problems { affinity = { 0, 8192 } })
    assert.same({ "affinity: list of processors, or \"0-3,5\" expected, got integer" }, problems { affinity = 1 })
  end)
end)

describe("oom_score_adj", function()
  local path <const> = "/proc/self/oom_score_adj"
  local own <const> = math.tointeger(tonumber(helper.read(path)))

  it("is the program's and not the host's", function()
    assert.equal("900\n", inside({ oom_score_adj = 900 }, "cat " .. path))
    assert.equal(own, math.tointeger(tonumber(helper.read(path))))
  end)

  --- The kernel asks for the capability over the initial user namespace.
  local function may_go_lower()
    for _, name in ipairs(helper.privilege == "root" and userns.sys.getcaps().effective or {}) do
      if name == "sys_resource" then
        return true
      end
    end
    return false
  end

  it("is refused below what the caller may have", function()
    if may_go_lower() then
      assert.equal("-1000\n", inside({ oom_score_adj = -1000 }, "cat " .. path))
      return
    end
    local fields <const>, advice <const> = helper.refusal({ oom_score_adj = -1000 }, { "/bin/true" })
    assert.same(helper.errno("EACCES", { op = "oom_score", syscall = "write", field = "oom_score_adj" }), fields)
    assert.matches("privilege over the host", advice.why)
  end)

  it("has a range", function()
    assert.same({ "oom_score_adj: 1001 is out of range (-1000 to 1000)" }, problems { oom_score_adj = 1001 })
  end)

  it("is in the plan, in words and in the description in force", function()
    local box <const> = assert(userns.container { oom_score_adj = 100 })
    local plan <const> = assert(box:plan())
    assert.equal("image", plan[1].op)
    assert.truthy(tostring(plan):find("oom_score     value=100\n", 1, true))
    assert.equal("100", line_of(box:describe(), "oom_score_adj"))
    assert.equal(100, box:describe().oom_score_adj)
  end)
end)
