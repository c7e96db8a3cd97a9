local helper <const> = require "spec.helper"
local sys <const> = require "userns.sys"

-- The host calls a function again and again, with another allocation refused
-- each time, and ends with an error when a call leaves anything behind.
local HOST <const> = "timeout --signal=ABRT --kill-after=10 300 build/spec/memerr"

-- Where what functions change is nobody else's.
local APART <const> = helper.rootless .. " --mount --uts --ipc " .. HOST
local NET <const> = helper.rootless .. " --net " .. HOST

--- How often Lua was refused an allocation, at least.
local function refusals(script, wrapper)
  local out <const> = helper.output(script, wrapper)
  return math.tointeger(out:match("^refused once: (%d+)\n"))
end

-- A plan that waits for its program, and what that program is.
local WAITS <const> = [[
  local box = require "userns".container {}
  assert(box:prepare(1))
  local plan = box:plan { "/bin/true" }
  box:prepare(0)
  local late = {}
  for _, step in ipairs(plan) do
    late[#late + 1] = (step.op == "descriptors" or step.op == "exec") and step or nil
  end
  late = sys.pack(late)
  local program = sys.pack(plan)
]]

-- What is called, by what goes before it. The functions that return nothing
-- but a number, or none, allocate nothing.
local CALLS <const> = {
  -- descriptors
  { [[ assert(sys.pipe()) ]] },
  { [[ assert(sys.open("/dev/null", { "read", "nonblock" })) ]] },
  { [[ assert(sys.open("/nonexistent") == nil) ]] },
  { [[ assert(assert(sys.open("/dev/null")):file("r")):close() ]] },
  { [[ assert(assert(sys.open("/proc/self/status")):read()) ]] },
  { [[ reader:nonblock(); assert(not reader:read()); writer:write("x"); tostring(reader); reader:close() ]],
    before = [[ local reader, writer = sys.pipe() ]] },
  { [[ reader:close(); assert(select(2, writer:write("x")).code == "EPIPE") ]],
    before = [[ local reader, writer = sys.pipe() ]] },
  { [[ assert(sys.dup(reader)) ]], before = [[ local reader, writer = sys.pipe() ]] },
  { [[ assert(select(2, sys.terminal_size(reader)).code == "ENOTTY") ]],
    before = [[ local reader, writer = sys.pipe() ]] },
  { [[ assert(select(2, sys.set_terminal_size(reader, 1, 1)).code == "ENOTTY") ]],
    before = [[ local reader, writer = sys.pipe() ]] },
  { [[ assert(select(2, sys.raw_mode(reader)).code == "ENOTTY") ]],
    before = [[ local reader, writer = sys.pipe() ]] },
  { [[ assert(sys.poll({ { fd = reader }, { fd = writer, events = "w" }, { fd = io.stdout } }, 0)) ]],
    before = [[ local reader, writer = sys.pipe() ]] },
  { [[ assert(sys.fileno(io.stdin) == 0 and not sys.fileno(255)); assert(sys.clock() > 0) ]] },
  { [[ assert(sys.stat("/") and sys.stat(io.stdin)); assert(not sys.stat("/nonexistent", "nofollow")) ]] },
  { [[ assert(sys.access("/", { "read", "execute" })); assert(not sys.access("/nonexistent")) ]] },
  { [[ assert(sys.mount_of("/") and sys.statfs("/")); assert(not sys.mount_of("/nonexistent")) ]] },
  { [[ assert(not sys.statfs("/nonexistent")) ]] },
  { [[ assert(sys.readlink("/proc/self/exe")); assert(not sys.readlink("/")) ]] },
  { [[ sys.close_range(254, 255, "cloexec") ]] },
  { [[ assert(sys.openat(proc, "status")); assert(not sys.openat(proc, "nonexistent")) ]],
    before = [[ local proc = sys.open("/proc/self", "directory") ]] },
  { [[ assert(#sys.directories(proc) > 0); assert(not sys.mkdirat(proc, "a")); assert(not sys.rmdirat(proc, "a")) ]],
    before = [[ local proc = sys.open("/proc/self", "directory") ]] },

  -- processes
  { [[ assert(sys.environ().PATH) ]] },
  { [[ assert(sys.pidfd_open(sys.getpid()):wait(0) == nil); sys.gettid() ]] },
  { [[ local process = sys.pidfd_open(sys.getpid()); tostring(process); process:kill("CONT"); process:detach() ]] },
  { [[ assert(not sys.pidfd_open(4194305)) ]] },
  { [[ sys.pidfd_info("self"); assert(not sys.pidfd_info(4194305)) ]] },
  { [[
    local hold <close> = sys.hold_signal("USR1")
    assert(not sys.hold_signal("USR1") and not hold:take())
    sys.kill(sys.getpid(), "USR1")
    assert(hold:take() == "process")
    hold:settle()
  ]] },
  { [[ assert(not sys.kill(4194305, "SIGTERM")); assert(sys.signal_number("TERM") == 15) ]] },
  { [[ assert(not sys.wait(4194305)); assert(not sys.wait(sys.getpid(), 0)) ]] },
  { [[ assert(not sys.exec("/nonexistent", { "a", "b" }, { C = "d" })) ]] },
  { [[ assert(assert(sys.clone({}, function() return 3 end)):wait()) ]] },
  { [[
    local process = assert(sys.clone({}, function(gate) gate:ready() gate:await() end, { handshake = true }))
    process:ready()
    process:release()
    process:wait()
  ]] },
  { [[ assert(sys.clone({}, function(gate) gate:await() end, { handshake = true })) ]] },

  -- namespaces
  { [[ assert(sys.namespace("user", "self")) ]] },
  { [[ assert(not sys.namespace("user", "/dev/null")); assert(not sys.namespace("user", 4194305)) ]] },
  { [[ assert(not sys.namespace("user", "/proc/self/ns/uts")) ]] },
  { [[ tostring(ns); ns:id(); ns:type(); ns:owner(); ns:userns(); ns:parent(); ns:level(); return ns == ns ]],
    before = [[ local ns = sys.namespace("user", "self") ]] },
  { [[ assert(not ns:parent()); ns:userns(); assert(not ns:level()) ]],
    before = [[ local ns = sys.namespace("uts", "self") ]] },
  { [[ assert(not ns:pin("/nonexistent/pin")); assert(not ns:unpin("/nonexistent/pin")) ]],
    before = [[ local ns = sys.namespace("uts", "self") ]] },
  { [[ assert(#sys.namespace_types() == 8) ]] },
  { [[ assert(#sys.processes() > 0) ]] },
  { [[ assert(sys.unshare { "uts", "ipc" }) ]], wrapper = APART },
  { [[ assert(sys.setns(sys.namespace("uts", "self"))); assert(not sys.setns("/nonexistent")) ]], wrapper = APART },
  { [[ assert(sys.sethostname("a") and sys.setdomainname("b")) ]], wrapper = APART },
  { [[ assert(sys.gethostname() and sys.getdomainname() and sys.uname()) ]] },

  -- interfaces
  { [[ assert(sys.parse_address("fd00::1/64")); assert(not sys.parse_address("x")) ]] },
  { [[ tostring(assert(sys.netlink())); assert(not sys.netlink("/dev/null")) ]] },
  { [[ assert(net:links()); assert(not net:link_del("none")); net:close() ]],
    before = [[ local net = sys.netlink() ]], wrapper = APART },
  { [[
    local net = assert(sys.netlink("self"))
    net:link_del("a") -- of the call before
    assert(net:link_add { type = "veth", name = "a", peer = { name = "b", mac = "02:00:00:00:00:01" } })
    assert(net:link_set("b", { netns = "self", mtu = 1400, up = true }))
    assert(net:address_add("b", "10.0.0.1/24"))
    assert(not net:route_add { to = "default", via = "192.0.2.1", dev = "b" })
  ]], before = [[ sys.netlink():link_set("lo", { up = true }) ]], wrapper = NET },

  -- ids and capabilities
  { [[ assert(sys.read_uid_map("self") and sys.read_gid_map(sys.getpid())) ]] },
  { [[ assert(not sys.write_uid_map("self", map)); assert(not sys.write_gid_map(4194305, map)) ]],
    before = [[ local map = { { inside = 0, outside = 0, count = 1 }, { inside = 2, outside = 5, count = 3 } } ]] },
  { [[ assert(not sys.write_setgroups(4194305, "deny")) ]] },
  { [[ sys.getresuid(); sys.getresgid(); assert(sys.getgroups() and sys.credentials()) ]] },
  { [[ assert(sys.setresuid(uid, uid) and sys.setresgid(nil, gid)); sys.umask("0022") ]],
    before = [[ local uid, gid = sys.getresuid(), sys.getresgid() ]] },
  { [[ assert(not sys.setgroups { 1, 2, 3 }) ]], wrapper = APART },
  { [[ assert(sys.getcaps()) ]] },
  { [[ assert(sys.getcaps(sys.getpid())); assert(not sys.getcaps(4194305)) ]] },
  { [[ assert(sys.setcaps { inheritable = "none" }) ]] },
  { [[ assert(sys.set_ambient "none"); assert(sys.drop_bounding "none") ]] },
  { [[ assert(not sys.set_ambient { "net_raw", "chown" }) ]] },
  { [[ assert(sys.caps_text() and sys.caps_text { effective = { "chown" } }); assert(not sys.caps_text(4194305)) ]] },
  { [[ assert(sys.caps_from_text("cap_net_raw,cap_chown=ep")) ]] },
  { [[ assert(sys.get_file_caps("/bin/true") == false); assert(not sys.get_file_caps("/nonexistent")) ]] },
  { [[ assert(not sys.set_file_caps("/nonexistent", "cap_net_raw=ep")) ]] },
  { [[ assert(sys.cap_name(sys.last_cap()) and sys.cap_number("CAP_CHOWN") == 0) ]] },
  { [[ assert(sys.set_securebits(sys.get_securebits())) ]], wrapper = APART },
  { [[ assert(type(sys.prctl("name")) == "string" and not sys.prctl("pdeathsig")); sys.prctl("name", "memerr") ]] },

  -- filters of system calls
  -- (libseccomp 2.5 crashes where it is refused memory for the program it writes)
  { [[ assert(sys.seccomp_filter { default = "allow", rules = rules, architectures = { "x86_64", "x86" } }) ]],
    before = [[
      spare_libc()
      local rules = {
        { names = { "mkdir" }, action = "errno", errno = "EROFS" },
        { names = { "mkdir" }, action = "kill", args = { { index = 1, op = "eq", value = 0 } } },
      }
    ]] },
  { [[ assert(sys.syscall_number("read") and sys.syscall_name(0) and not sys.syscall_name(1023)) ]] },
  { [[ assert(sys.seccomp(("<I2BBI4"):pack(6, 0, 0, 0x7FFF0000))) ]], wrapper = APART },
  { [[ assert(sys.errno_name(1) == "EPERM"); sys.security_modules() ]] },
  { [[ assert(sys.probe("unshare") == "EINVAL") ]] },

  -- mounts
  { [[ assert(sys.read_mountinfo("self")); assert(not sys.read_mountinfo(4194305)) ]] },
  { [[ assert(sys.mount { type = "tmpfs", target = "/mnt", options = { "nosuid" }, data = "size=64k" }) ]],
    wrapper = APART },
  { [[ assert(not sys.mount { source = "/nonexistent", target = "/mnt", options = "rbind" }) ]], wrapper = APART },
  { [[ assert(not sys.umount("/nonexistent", { "detach" })) ]] },
  { [[ assert(not sys.pivot_root("/nonexistent", "/")); assert(sys.chroot("/")) ]], wrapper = APART },
  { [[ assert(sys.open_tree("/", { clone = true, recursive = true })) ]], wrapper = APART },
  { [[
    local context = assert(sys.fsopen("tmpfs"))
    assert(context:set("size", "64k") and not context:set("mode", "z") and context:flag("ro"))
    local mount = assert(context:create() and context:mount { "nosuid" })
    assert(sys.mount_setattr(mount, { set = { "readonly", "noexec" } }))
    assert(not sys.mount_setattr("/nonexistent", { clear = "noatime", propagation = "private" }))
    assert(sys.move_mount(mount, "/mnt"))
    tostring(context)
  ]], wrapper = APART },
  { [[ assert(not sys.fspick("/nonexistent")); assert(not sys.fsopen("nonexistent")) ]], wrapper = APART },

  -- plans: a program, packed and not
  { [[ assert(sys.ops().exec and sys.image_path() and #sys.words "limit" > 9 and sys.landlock_abi()) ]] },
  { [[ assert(sys.pack(plan)) ]], program = "/bin/true" },
  { [[ assert(sys.launch(program, { -1, -1, -1 })):wait() ]], program = "/bin/true" },
  { [[ assert(sys.launch(program, { -1, -1, -1 })) ]], program = "/bin/true" },
  { [[ assert(sys.launch(program, { -1, -1, -1 })):close() ]], program = "/bin/true", before = "thread()" },
  { [[ assert(not sys.launch(program, { -1, -1, -1 })) ]], program = "/nonexistent" },
  { [[ assert(not sys.launch(program, { -1, -1, -1 })) ]], program = "/nonexistent", before = "thread()" },

  -- children that wait for their program
  { [[ assert(sys.prepare(program)) ]], before = WAITS },
  { [[ assert(assert(sys.prepare(program)):lead()) ]], before = WAITS },
  { [[
    local waiting <close> = assert(sys.prepare(program))
    waiting:fileno()
    assert(waiting:lead() and waiting:ready())
    local process, refusals = assert(waiting:serve(late, { -1, -1, -1 }))
    assert(#refusals == 0 and process:wait())
    assert(not waiting:ready() and waiting:serve(late, { -1, -1, -1 }) == false)
  ]], before = WAITS },

  -- errors
  { [[ local err = sys.error { op = "a", path = "\nb", message = "c", step = 1 }; return tostring(err) .. err ]] },
}

-- As root only the second one's set-up needs the small executable.
local DESCRIPTIONS <const> = { "{ namespaces = {} }", "{}" }

local PLAN <const> = [[
  local plan = require "userns".container(%s):plan { "%s" }
  local program = sys.pack(plan)
]]

-- Why something was refused is looked for in Lua, among the longer ones below.
local SCRIPT <const> = [[
  local sys = require "userns.sys"
  package.loaded["userns.diagnose"] = { refusal = function() end }
  %s
  return function() %s end
]]

--- The scripts that a call is tried in: one for each kind of plan.
local function scripts(call)
  local list <const> = {}
  for i, description in ipairs(call.program and DESCRIPTIONS or { "" }) do
    local plan <const> = call.program and PLAN:format(description, call.program) or ""
    list[i] = SCRIPT:format(plan .. (call.before or ""), call[1])
  end
  return list
end

local function one_line(text)
  return (text:gsub("^%s+", ""):gsub("%s+$", ""):gsub("\n%s+", "; "))
end

describe("without memory for the n-th allocation, whatever n, nothing is left behind", function()
  for _, call in ipairs(CALLS) do
    local set_up <const> = (call.program or "") .. " " .. (call.before or "")
    it(("by %s (%s)"):format(one_line(call[1]), one_line(set_up)), function()
      for _, script in ipairs(scripts(call)) do
        assert.is_number(refusals(script, call.wrapper or HOST))
      end
    end)
  end

  it("by any function of userns.sys: all are among these", function()
    local named <const> = {}
    for _, call in ipairs(CALLS) do
      for name in call[1]:gmatch("sys%.([%w_]+)") do
        named[name] = true
      end
    end
    for name in pairs(sys) do
      assert(named[name], "memerr_spec.lua does not call " .. name)
    end
  end)
end)

-- Longer ones, each tried so often, or as it says itself, with allocations refused
-- at even distances.
local TRIES <const> = 60

local LONG <const> = {
  ["requiring the module"] = { [[ ]], [[ require "userns" ]] },
  ["a refusal, found out why"] = { [[ local sys = require "userns.sys" ]], [[
    local done, err = sys.umount "/nonexistent"
    assert(not done and err.cause == "not_found")
  ]] },
  ["a refusal, found out once more"] = { [[ local sys = require "userns.sys"; sys.umount "/nonexistent" ]], [[
    assert(not sys.pidfd_open(4194305))
    assert(not sys.mount { type = "tmpfs", target = "/nonexistent" })
  ]] },
  ["a description that is wrong"] = { [[ local userns = require "userns" ]], [[
    local box, err = userns.container { hostnmae = "box", mounts = { { type = "tmpfs", targt = "/" } }, uid_map = {} }
    assert(not box and #err.problems > 2)
  ]] },
  ["a plan"] = { [[ local userns = require "userns" ]], [[
    local box = assert(userns.container {
      root = { type = "tmpfs" }, mounts = { { type = "proc", target = "/proc" } }, masked_paths = { "/proc/keys" },
    })
    assert(#tostring(box:plan { "/bin/true" }) > 0)
  ]] },
  ["a run"] = { [[ local box = require "userns".container { hostname = "box" } ]], [[
    local process = { "/bin/cat", input = "in", stdout = "capture", stderr = "stdout", fds = { [5] = 0 } }
    assert(assert(box:run(process)).stdout == "in")
  ]] },
  ["a run among threads"] = { [[ thread() local box = require "userns".container { hostname = "box" } ]], [[
    assert(box:run({ "/bin/cat", input = "in", stdout = "capture" }).stdout == "in")
  ]] },
  ["a run by a prepared child"] = { [[ local box = require "userns".container { hostname = "box" } ]], [[
    assert(box:prepare(1))
    local process = { "/bin/cat", input = "in", stdout = "capture", fds = { [5] = 0 } }
    assert(assert(box:run(process)).stdout == "in")
    box:prepare(0)
  ]] },
  ["a process"] = { [[ local box = require "userns".container { hostname = "box" } ]], [[
    local process <close> = assert(box:spawn { "/bin/cat", stdin = "pipe", stdout = "pipe", stderr = "null" })
    assert(process:namespace("uts"):id())
    process.stdin:write("in"):close()
    assert(process.stdout:read("a") == "in" and process:wait(100).ok)
    tostring(process)
  ]] },
  ["a check"] = { [[ local box = require "userns".container { hostname = "box", root = "/nonexistent" } ]], [[
    local checked = box:check { "/bin/true", stdin = "pipe", stderr = "capture" }
    assert(#checked.errors == 1 and #tostring(checked.errors[1]) > 0)
  ]] },
  ["a look at features"] = { [[ local userns = require "userns" ]], [[
    assert(#tostring(userns.features()) > 0)
  ]], 20 },
  ["a set-up that fails"] = { [[ local box = require "userns".container { hostname = "box" } ]], [[
    local process, err = box:spawn { "/bin/true", cwd = "/nonexistent", stdin = "pipe", stderr = "capture" }
    assert(not process and #tostring(err) > 0)
  ]] },
}

describe("without memory for one allocation of many, nothing is left behind by", function()
  for what, call in pairs(LONG) do
    it(what, function()
      local script <const> = "%s\nreturn function()\n%s\nend, %d"
      assert.is_true(refusals(script:format(call[1], call[2], call[3] or TRIES), HOST) > 10)
    end)
  end
end)
