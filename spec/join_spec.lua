-- Containers that enter namespaces which exist: whose they are, who the program
-- is in there, and what those who are in there already get to see of it.
local compile = require "userns.compile"
local helper = require "spec.helper"
local sys = require "userns.sys"
local userns = require "userns"
local validate = require "userns.validate"

local way <const> = helper.privilege
local is_root <const> = way == "root"

-- Time needs an offset to be told apart, and is joined below.
local TYPES <const> = { "mnt", "pid", "net", "ipc", "uts", "cgroup" }

local NEEDS_MORE <const> = "no_cap_in_own"

--- A process in a container, which lives until the handle is closed.
local function start(description)
  return assert(assert(userns.container(description)):spawn { "/bin/cat", stdin = "pipe", stdout = "null" })
end

local function id(type, target)
  local handle <close> = assert(target.namespace and target:namespace(type) or sys.namespace(type, target.pid))
  return handle:id()
end

--- The fields of why a container with such a `join` is not to be had.
local function refusal(join, more)
  return helper.refusal(userns.merge({ join = join }, more or {}), { "/bin/true" })
end

local function eperm(field)
  return helper.errno("EPERM", { op = "join", syscall = "setns", field = field })
end

describe("join", function()
  local first

  before_each(function()
    helper.count()
    first = start { hostname = "first", mounts = { { type = "proc", target = "/proc" } } }
  end)

  after_each(function()
    first:close()
    helper.check_count()
  end)

  --- Joins of the first container's namespaces.
  local function of_first(...)
    local join <const> = {}
    for _, name in ipairs { ... } do
      join[name] = first
    end
    return join
  end

  -- ---- what is joined -----------------------------------------------------

  describe("takes", function()
    local function name_in(target)
      return helper.inside({ join = { user = first, uts = target } }, "uname -n")
    end

    it("a pid, a path and the handle of a process", function()
      assert.equal("first\n", name_in(first.pid))
      assert.equal("first\n", name_in(("/proc/%d/ns/uts"):format(first.pid)))
      assert.equal("first\n", name_in(first))
    end)

    it("what is open", function()
      local path <const> = ("/proc/%d/ns/uts"):format(first.pid)
      local file <close> = assert(io.open(path))
      local fd <close> = assert(sys.open(path))
      local pidfd <close> = assert(sys.pidfd_open(first.pid))
      local handle <close> = assert(first:namespace "uts")
      for _, target in ipairs { file, { fd = sys.fileno(file) }, fd, pidfd, handle } do
        assert.equal("first\n", name_in(target))
      end
    end)

    it("what is mounted on a file", function()
      local handle <close> = assert(first:namespace "uts")
      local directory <const> = helper.directory()
      helper.write(directory .. "/uts", "")
      local pinned <const>, err = handle:pin(directory .. "/uts")
      if not is_root then
        assert.same({ nil, "EPERM" }, { pinned, err.code })
      else
        assert(pinned, err)
        assert.equal("first\n", name_in(directory .. "/uts"))
        assert(handle:unpin(directory .. "/uts"))
      end
      helper.remove(directory)
    end)

    it("the caller's own, where the caller has a say over them", function()
      local description <const> = { namespaces = {}, join = { uts = "self" } }
      if is_root then
        assert.equal(sys.uname().nodename .. "\n", helper.inside(description, "uname -n"))
      else
        local fields <const>, advice <const> = helper.refusal(description, { "/bin/true" })
        -- inside another user namespace, what is the caller's is not that one's
        local cause <const> = way == "userns" and "no_cap_in_target" or NEEDS_MORE
        assert.same({ eperm "join.uts", cause }, { fields, advice.cause })
      end
    end)

    it("with `init` the program's, not those of process 1", function()
      local box <const> = assert(userns.container { init = true, hostname = "kept" })
      local kept <close> = assert(box:spawn { "/bin/cat", stdin = "pipe", stdout = "null" })
      assert.equal("kept\n", helper.inside({ join = { user = kept, uts = kept } }, "uname -n"))
    end)
  end)

  describe("is refused", function()
    local function invalid(join, field, message)
      local box <const>, err <const> = userns.container { join = join }
      assert.is_nil(box)
      assert.same(helper.invalid(field, message), helper.fields(err))
    end

    it("for what is no target", function()
      invalid({ net = true }, "join.net", "pid, path, file or handle expected, got boolean")
      invalid({ net = 0 }, "join.net", "0 is out of range (1 to 2147483647)")
      invalid({ net = 1.5 }, "join.net", "pid, path, file or handle expected, got number with a fraction")
      invalid({ net = "net" }, "join.net", "an absolute path is needed")
      invalid({ net = {} }, "join.net.fd", "missing (integer 0 to 2147483646)")
      invalid({ net = { fd = -1 } }, "join.net.fd", "-1 is out of range (0 to 2147483646)")
      invalid("net", "join", "table expected, got string")
      invalid({ network = 1 }, "join.network", "unknown namespace 'network' (did you mean 'net'?)")
    end)

    it("for what is closed", function()
      local handles <const> = {
        assert(first:namespace "net"), assert(sys.pidfd_open(first.pid)), assert(sys.open "/dev/null"), start {},
      }
      for _, handle in ipairs(handles) do
        handle:close()
        invalid({ net = handle }, "join.net", "the handle is closed")
      end
      local file <const> = assert(io.open "/dev/null")
      file:close()
      invalid({ net = file }, "join.net", "the file is closed")
    end)

    it("for what was closed since the container was described", function()
      local closed <const> = {
        op = "namespace", code = "EBADF", message = "the handle is closed", field = "join.net", side = "parent",
      }
      for _, handle in ipairs { assert(first:namespace "net"), start {} } do
        local box <const> = assert(userns.container { join = { user = first, net = handle } })
        handle:close()
        local result <const>, err <const> = box:run { "/bin/true" }
        assert.is_nil(result)
        closed.step, closed.path = err.step, err.path
        assert.same(closed, helper.fields(err))
      end
    end)

    it("for a process that has ended, whoever got its number", function()
      local ended <close> = start {}
      local path <const> = ("/proc/%d/ns/net"):format(ended.pid)
      ended.stdin:close()
      assert(ended:wait())
      assert.same(helper.errno("ENOENT", { op = "namespace", syscall = "open", path = path, field = "join.net" }),
        (refusal { user = first, net = ended }))
    end)

    it("for what is no namespace, or another", function()
      local fields <const>, advice <const> = refusal { net = "/dev/null" }
      assert.same({
        op = "namespace", syscall = "ioctl", code = "ENOTTY", errno = 25, message = "not a namespace",
        path = "/dev/null", field = "join.net",
      }, fields)
      assert.equal("not_ns_fd", advice.cause)
      local handle <close> = assert(first:namespace "uts")
      local other <const>, cause <const> = refusal { net = handle }
      assert.same({
        op = "namespace", syscall = "ioctl", code = "EINVAL", errno = 22, message = "a uts namespace, not net",
        field = "join.net",
      }, other)
      assert.equal("type_mismatch", cause.cause)
      assert.same(helper.errno("ENOENT", { op = "namespace", syscall = "open", path = "/nowhere", field = "join.net" }),
        (refusal { net = "/nowhere" }))
      assert.same(helper.errno("EBADF", { op = "namespace", syscall = "fcntl", field = "join.net" }),
        (refusal { net = { fd = 999 } }))
    end)

    it("for the user namespace that the caller is in", function()
      local fields <const>, advice <const> = refusal { user = "self" }
      assert.same(helper.errno("EINVAL", { op = "join", syscall = "setns", field = "join.user" }), fields)
      assert.equal("same_userns", advice.cause)
    end)

    it("for a name that is created or shared too", function()
      local _, err = userns.container { namespaces = { "net" }, join = { net = first } }
      assert.same(helper.invalid("join.net", "'net' is in namespaces too"), helper.fields(err))
      _, err = userns.container { share = "net", join = { net = first } }
      assert.same(helper.invalid("join.net", "'net' is in share too"), helper.fields(err))
    end)

    it("for fields that need a namespace of one's own", function()
      local function needs(field, namespace, more)
        local _, err <const> = userns.container(userns.merge({ join = of_first("user", namespace) }, more))
        local fields <const>, advice <const> = helper.fields(err)
        assert.same(helper.invalid(field, ("needs a new %s namespace, and this container has none"):format(namespace),
          advice), fields)
        assert.equal(("no_%sns"):format(namespace), advice.cause)
      end
      needs("root", "mnt", { root = "/" })
      needs("mounts", "mnt", { mounts = { { type = "tmpfs", target = "/tmp" } } })
      needs("hostname", "uts", { hostname = "second" })
      needs("init", "pid", { init = true })
      needs("uid_map", "user", { uid_map = "self" })
      needs("lock_mounts", "user", { lock_mounts = true })
    end)

    it("for a new user namespace among mounts that may be anything", function()
      local _, err <const> = userns.container { join = { mnt = first } }
      assert.same(helper.invalid("join.mnt", "there is no telling what its /proc/sys is, which forbids nested user "
        .. "namespaces: join its user namespace too, or set allow_userns"), helper.fields(err))
    end)

    it("for a mount that shows what the new user namespace has no say over", function()
      local _, err <const> = userns.container {
        join = { pid = first }, mounts = { { type = "proc", target = "/proc" } },
      }
      assert.same(helper.invalid("mounts[1].type",
        "proc of a joined pid namespace needs its user namespace joined too"), helper.fields(err))
    end)
  end)

  -- ---- each, alone and together ---------------------------------------------

  --- Whether a process is in exactly these namespaces of the first's.
  local function check_shared(process, names)
    for _, type in ipairs { "user", table.unpack(TYPES) } do
      assert.equal(names[type] ~= nil, id(type, process) == id(type, first), type)
    end
  end

  for _, type in ipairs(TYPES) do
    it(("enters %s with its user namespace"):format(type), function()
      local join <const> = of_first("user", type)
      for _, namespaces in ipairs { false, {} } do
        local second <close> = start { join = join, namespaces = namespaces or nil }
        check_shared(second, join)
      end
    end)

    it(("enters %s alone where the caller has a say over it"):format(type), function()
      local join <const> = of_first(type)
      if way == "user" then
        for _, namespaces in ipairs { false, {} } do
          local fields <const>, advice <const> = refusal(join, {
            namespaces = namespaces or nil, allow_userns = not namespaces,
          })
          assert.same({ eperm("join." .. type), NEEDS_MORE }, { fields, advice.cause })
        end
        return
      end
      for _, namespaces in ipairs { false, {} } do
        local second <close> = start {
          join = join, namespaces = namespaces or nil, allow_userns = not namespaces or nil,
        }
        check_shared(second, join)
      end
    end)
  end

  it("enters all of a container", function()
    local join <const> = of_first("user", table.unpack(TYPES))
    local second <close> = start { join = join }
    check_shared(second, join)
    assert.equal("first\n", helper.inside({ join = join }, "uname -n"))
  end)

  it("leaves the rest of the default new", function()
    local own <const> = { "mnt", "pid", "ipc", "uts", "cgroup" }
    local second <close> = start { join = of_first("user", "net") }
    for _, type in ipairs(own) do
      assert.not_equal(id(type, first), id(type, second))
      assert.not_equal(id(type, { pid = "self" }), id(type, second))
    end
  end)

  it("enters a time namespace, in which clocks read the same", function()
    local parent <const> = assert(userns.container {
      namespaces = {}, capabilities = way == "user" and "none" or { "setfcap" }, -- to map uid 0
    })
    local clock <close> = assert(parent:spawn {
      "/usr/bin/unshare", "--user", "--map-root-user", "--time", "--boottime", "1000000", "--fork", "--kill-child",
      "/bin/sh", "-c", "echo $$; exec cat", stdin = "pipe", stdout = "pipe",
    })
    local pid <const> = math.tointeger(tonumber(clock.stdout:read()))
    local join <const> = { user = pid, time = pid }
    local uptime <const> = "cut -d. -f1 /proc/uptime"
    assert(tonumber(helper.inside({ namespaces = {}, join = join }, uptime)) >= 1000000)
    assert(tonumber(helper.inside({ join = join }, uptime)) >= 1000000)
    assert(tonumber(helper.shell(uptime).out) < 1000000)
  end)

  it("sees the processes of a joined pid namespace, one of which it is", function()
    local seen <const> = helper.inside({
      join = of_first("user", "pid"), mounts = { { type = "proc", target = "/proc" } },
    }, "cat /proc/1/comm; echo $$")
    assert.matches("^cat\n[2-9]%d*\n$", seen)
    assert.matches("^cat\n[2-9]%d*\n$", helper.inside({ join = of_first("user", "pid", "mnt") },
      "cat /proc/1/comm; echo $$"))
  end)

  it("goes with `init`", function()
    assert.matches("^2\nlo:\n", helper.inside({ join = of_first("user", "net"), init = true },
      "echo $$; sed -n 's/^ *\\(lo:\\).*/\\1/p' /proc/self/net/dev"))
  end)

  it("enters what is nested in a container whose mounts are locked", function()
    local locked <close> = start {
      capabilities = { "sys_admin" }, lock_mounts = true, hostname = "locked",
    }
    local inner <const> = { user = locked, net = locked, uts = locked, mnt = locked }
    assert.equal("locked\n", helper.inside({ join = inner }, "uname -n"))
    if way == "user" then
      local fields <const>, advice <const> = refusal { user = locked, pid = locked }
      assert.same({ eperm "join.pid", "no_cap_in_target" }, { fields, advice.cause })
    end
    local own <close> = assert(locked:namespace "user")
    local outer <close> = assert(own:parent())
    local second <close> = start { join = { user = outer, pid = locked } }
    assert.equal(id("pid", locked), id("pid", second))
  end)

  if way ~= "user" then
    it("goes with mounts that are locked", function()
      local second <close> = start { join = of_first "net", capabilities = "all" }
      assert.equal(id("net", first), id("net", second))
      assert.equal("no\n", helper.inside({ join = of_first "net", capabilities = "all" },
        "umount /proc 2>/dev/null || echo no"))
    end)
  end

  -- ---- who the program is ---------------------------------------------------

  --- A line of a process's status, as the host has it.
  local function status(process, name)
    return helper.read(("/proc/%d/status"):format(process.pid)):match("\n" .. name .. ":[ \t]*([^\n]*)")
  end

  it("makes the program the joined user namespace's root, which is nobody's outside", function()
    local second <close> = start { join = of_first("user", "net") }
    assert.equal("0 0\n", helper.inside({ join = of_first "user" }, "echo $(id -u) $(id -g)"))
    for _, name in ipairs { "Uid", "Gid" } do
      assert.equal(status(first, name), status(second, name))
    end
    if is_root then
      assert.not_equal("0", status(second, "Uid"):match "%d+")
      assert.not_equal("0", status(second, "Gid"):match "%d+")
      assert.equal("", (status(second, "Groups"):gsub("%s", "")))
    end
  end)

  it("gives the program no capability, and none to gain", function()
    local second <close> = start { join = of_first("user", "net") }
    for _, set in ipairs { "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb" } do
      assert.equal(("0"):rep(16), status(second, set))
    end
    assert.equal("1", status(second, "NoNewPrivs"))
  end)

  it("keeps capabilities that are asked for, over what the joined user namespace owns", function()
    assert.equal("second\n", helper.inside({
      join = of_first("user", "uts"), capabilities = { "sys_admin" },
    }, "hostname second && uname -n"))
    assert.equal("second\n", helper.inside({ join = of_first("user", "uts") }, "uname -n"))
  end)

  it("makes the program whom the process spec says, if there is one of that id", function()
    local hint <const> =
      "the joined user namespace does not map the id: name one that it does as process.uid and process.gid"
    for kind, op in pairs { uid = "setuid", gid = "setgid" } do
      local fields <const>, advice <const> = refusal(of_first "user", { process = { [kind] = 5 } })
      assert.same(helper.errno("EINVAL", { op = op, syscall = "setres" .. kind, field = "process." .. kind }), fields)
      assert.same({ "id_unmapped", hint }, { advice.cause, advice.why .. ": " .. advice.hint })
    end
    if is_root then
      local range <const> = { { inside = 0, outside = 100000, count = 10 } }
      local many <close> = start { uid_map = range, gid_map = range }
      assert.equal("5 6 6 7 8\n", helper.inside({
        join = { user = many }, process = { uid = 5, gid = 6, groups = { 7, 8 } },
      }, "echo $(id -u) $(id -g) $(id -G)"))
    end
  end)

  it("needs no root in there where no files are made", function()
    local own <close> = start { uid_map = "self", gid_map = "self" }
    local uid <const>, gid <const> = sys.read_uid_map(own.pid)[1].inside, sys.read_gid_map(own.pid)[1].inside
    local description <const> = {
      namespaces = {}, join = { user = own, uts = own }, process = { uid = uid, gid = gid },
    }
    assert.equal(("%d %d\n"):format(uid, gid), helper.inside(description, "echo $(id -u) $(id -g)"))
    description.capabilities = { "sys_admin" }
    assert.equal("second\n", helper.inside(description, "hostname second && uname -n"))
    for kind, op in pairs { uid = "setuid", gid = "setgid" } do
      assert.same(helper.errno("EINVAL", { op = op, syscall = "setres" .. kind, field = "process." .. kind }),
        (refusal({ user = own }, { namespaces = {}, process = { uid = uid, gid = gid, [kind] = 77 } })))
    end
  end)

  it("says where groups cannot be taken", function()
    if is_root then
      local fields <const>, advice <const> = refusal(of_first "user", { process = { groups = { 5 } } })
      assert.same(helper.errno("EINVAL", { op = "groups", syscall = "setgroups", field = "process.groups" }), fields)
      assert.same({ "id_unmapped", "the joined user namespace does not map the id" }, { advice.cause, advice.why })
    else
      local fields <const>, advice <const> = refusal(of_first "user", { process = { groups = { 0 } } })
      assert.same(helper.errno("EPERM", { op = "groups", syscall = "setgroups", field = "process.groups" }), fields)
      assert.same({ "setgroups_denied", "the joined user namespace denies setgroups(2)" },
        { advice.cause, advice.why })
    end
  end)

  it("is not degraded, and may be strict, where there are no groups to drop", function()
    for _, strict in ipairs { false, true } do
      local result <const> = helper.run({ join = of_first "user", strict = strict }, { "/bin/true" })
      assert.same({ true, {} }, { result.ok, result.degraded })
    end
  end)

  if is_root then
    it("tells of groups that could not be dropped", function()
      local result <const> = helper.shell(("LUA_PATH=%s LUA_CPATH=%s setpriv %s lua5.4 -e %s"):format(
        helper.quote(package.path), helper.quote(package.cpath), "--reuid 65534 --regid 65534 --groups 65534,27",
        helper.quote [[
          local userns = require "userns"
          local first <close> = assert(userns.container {}:spawn { "/bin/cat", stdin = "pipe" })
          local result = assert(userns.container { join = { user = first } }:run { "/bin/true" })
          for _, entry in ipairs(result.degraded) do
            print(entry.feature, entry.used, entry.reason)
          end
          local _, err = userns.container { join = { user = first }, strict = true }:run { "/bin/true" }
          print(err.code, err.op)
        ]]))
      assert.same({
        code = 0, err = "",
        out = "groups\tthe caller's supplementary groups\tsetgroups: Operation not permitted\nEPERM\tgroups\n",
      }, result)
    end)
  end

  -- ---- the rest ---------------------------------------------------------------

  it("is told in words", function()
    local said <const> = tostring(assert(userns.container {
      join = of_first("user", "mnt", "net"), capabilities = { "net_admin" },
    }))
    assert.matches("\njoined:          user mnt net\n", said, 1, true)
    assert.matches("\nids:             those of the joined user namespace\n", said, 1, true)
    assert.matches("\nfiles:           those of the joined mnt namespace\n", said, 1, true)
    assert.matches("\nnetwork:         joined\n", said, 1, true)
    assert.matches("\ncapabilities:    net_admin, over the joined user namespace\n", said, 1, true)
  end)

  it("is described as it was given", function()
    local join <const> = of_first("user", "net")
    assert.same(join, assert(userns.container { join = join }):describe().join)
    assert.is_nil(assert(userns.container {}):describe().join)
  end)

  it("is planned with what is opened first, and entered by a process that nobody may look into", function()
    local d <const> = assert(validate.description { join = { user = 7, net = "/run/net" } })
    local spec <const> = assert(validate.process({ "/bin/true" }, d.process))
    assert.equal([[
  1  parent  image         path=/lib/userns-init
  2  parent  namespace     slot=0 type=user path=/proc/7/ns/user
  3  parent  namespace     slot=1 type=net path=/run/net
  4  child   undumpable
  5  child   join          namespaces=user,net slots=0,1
  6  parent  clone         namespaces=mnt,pid,ipc,uts,cgroup
  7  child   close_fds
  8  child   pdeathsig     signal=KILL
  9  child   await
 10  parent  release
 11  child   undumpable
 12  child   propagation   kind=private
 13  child   setgid        gid=0
 14  child   groups        groups=none optional
 15  child   setuid        uid=0
 16  child   pdeathsig     signal=KILL
 17  child   setsid
 18  child   keyring
 19  child   rlimit        resource=core soft=0 hard=0
 20  child   umask         mask=022
 21  child   chdir         path=/
 22  child   bounding      keep=none
 23  child   capabilities  effective=none permitted=none inheritable=none ambient=none
 24  child   no_new_privs
 25  child   descriptors   fds=0:inherit,1:inherit,2:inherit
 26  child   signals
 27  child   exec          /bin/true]], tostring(assert(compile.compile(d, spec, {
      uid = 1000, gid = 100, groups = { 100 }, subids = { uid = {}, gid = {} }, helpers = {}, setgroups = "allow",
      capabilities = {}, limits = { nofile = { soft = 1024, hard = 4096 } }, image = "/lib/userns-init",
      env = { PATH = "/bin" }, environ = {},
      uid_map = { { inside = 0, outside = 0, count = 4294967295 } },
      gid_map = { { inside = 0, outside = 0, count = 4294967295 } },
    }))))
  end)

  it("ends with the host", function()
    local input <const> = helper.directory()
    assert(os.execute("mkfifo " .. input .. "/fifo"))
    local path <const> = os.tmpname()
    helper.write(path, ([[
      local userns = require "userns"
      local box = assert(userns.container { join = { user = %d, pid = %d } })
      local second = assert(box:spawn { "/bin/sleep", "1000", stdout = "null" })
      print(second.pid)
      io.stdout:flush()
      io.read()
      userns.sys.kill(userns.sys.getpid(), "KILL")
    ]]):format(first.pid, first.pid))
    local pipe <const> = assert(io.popen(("LUA_PATH=%s LUA_CPATH=%s lua5.4 %s <%s/fifo"):format(
      helper.quote(package.path), helper.quote(package.cpath), path, input)))
    local writer <const> = assert(io.open(input .. "/fifo", "w"))
    local second <close> = assert(sys.pidfd_open(math.tointeger(tonumber(pipe:read()))))
    writer:close()
    assert.same({ true }, assert(sys.poll({ { fd = second } }, 60)))
    pipe:close()
    os.remove(path)
    helper.remove(input)
  end)

  it("leaves nothing behind when a step fails", function()
    for _, more in ipairs { { process = { cwd = "/nowhere" } }, { process = { uid = 77 } } } do
      for _ = 1, 5 do
        local box <const> = assert(userns.container(userns.merge({ join = of_first("user", "pid", "net") }, more)))
        assert.is_nil((box:run { "/bin/true" }))
      end
    end
  end)

  it("lets two containers talk over the loopback of one net namespace", function()
    local SERVER <const> = [[
      local socket = require "socket"
      local server = assert(socket.bind("127.0.0.1", 0))
      print((select(2, server:getsockname())))
      io.stdout:flush()
      local client = server:accept()
      client:send(client:receive() .. " and fro\n")
    ]]
    local server <close> = assert(assert(userns.container {}):spawn {
      "lua5.4", "-e", SERVER, stdout = "pipe", inherit_env = { "LUA_PATH", "LUA_CPATH" },
    })
    local port <const> = server.stdout:read()
    local client <const> = ("exec 2>/dev/null 5<>/dev/tcp/127.0.0.1/%s && echo to >&5 && cat <&5"):format(port)
    local result <const> = helper.run({}, { "/bin/bash", "-c", client, stdout = "capture" })
    assert.same({ 1, "" }, { result.exit_code, result.stdout })
    assert.equal("to and fro\n", helper.run({ join = { user = server, net = server } }, {
      "/bin/bash", "-c", client, stdout = "capture",
    }).stdout)
  end)
end)

-- ---- those who are in there already -----------------------------------------

describe("a hostile container", function()
  local ATTACKS <const> = helper.shell("pwd").out:match("[^\n]+") .. "/build/spec"

  before_each(helper.count)
  after_each(helper.check_count)

  -- A host with a secret in its environment, its heap and a file that it has
  -- open, and a container that may do there what it likes.
  local HOST <const> = [[
    local helper = require "spec.helper"
    local userns = require "userns"
    local names, secret, path = %q, os.getenv "SECRET", os.getenv "SECRETS_FILE"
    local held, heap = assert(io.open(path)), secret:rep(1000)
    local trap = helper.tree { { type = "bind", source = %q, target = "/attacks", readonly = true } }
    trap.capabilities, trap.lock_mounts, trap.allow_userns = "all", false, true
    local ambush <close> = assert(assert(userns.container(trap)):spawn {
      "/attacks/ambush", "/bin/true", secret, path, stdout = "pipe",
    })
    assert(ambush.stdout:read() == "ready")
    local visitor = { join = {}, allow_userns = true }
    for name in names:gmatch "%%a+" do
      visitor.join[name] = ambush
    end
    if not visitor.join.mnt then
      visitor.root, visitor.mounts = { type = "tmpfs" }, helper.tree().mounts
      table.remove(visitor.mounts)
    end
    local box = assert(userns.container(visitor))
    for _ = 1, tonumber(os.getenv "ROUNDS") do
      assert(assert(box:run { "/bin/true" }).ok)
    end
    assert(ambush:kill "TERM")
    io.write(ambush.stdout:read "a")
    assert(held:read() and #heap > 0)
  ]]

  local function ambush(names)
    local directory <const> = helper.directory()
    helper.write(directory .. "/file", "open sesame\n")
    local out <const> = helper.output(HOST:format(names, ATTACKS),
      ("env SECRET=sesame-4711 SECRETS_FILE=%s/file ROUNDS=%d"):format(directory, helper.rounds(300)))
    helper.remove(directory)
    local met <const>, got <const> = out:match("met (%d+), (got 0)\n$")
    assert(got, out)
    assert(tonumber(met) > 0, "no process was met before it executed its program")
  end

  it("gets nothing of who joins all that it is in", function()
    ambush "user pid mnt net ipc uts cgroup"
  end)

  it("gets nothing of who joins its users and processes, with files of its own", function()
    ambush "user pid"
  end)

  if way ~= "user" then
    it("gets nothing of who joins its processes as somebody else", function()
      ambush "pid"
    end)
  end
end)
