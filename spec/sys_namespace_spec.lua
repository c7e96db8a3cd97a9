local helper <const> = require "spec.helper"
local sys <const> = require "userns.sys"

local refusal <const>, failure <const>, lines <const> = helper.bad_argument, helper.failure, helper.lines
local unprivileged <const>, NO_PID <const> = helper.unprivileged, helper.no_pid

-- What follows is for scripts too, which print what they see.
local PRELUDE <const> = [[
  local sys = require "userns.sys"
  local function show(value, err)
    if err then
      print(err.op, err.syscall, err.code, err.path, err.cause)
    else
      print(value)
    end
  end
  local function shell(command)
    local pipe <close> = io.popen(command)
    return (pipe:read("a"):gsub("\n$", ""))
  end
  local function link(type, pid)
    return shell(("readlink /proc/%s/ns/%s"):format(pid or "self", type))
  end
  -- A process that sleeps where the wrapper puts it; closing kills it.
  local function sleeper(wrapper)
    local pipe = io.popen(("exec %s sh -c 'echo $$; exec sleep 60'"):format(wrapper))
    return setmetatable({ pid = pipe:read("n") }, {
      __close = function(process)
        os.execute("kill " .. process.pid)
        pipe:close()
      end,
    })
  end
]]

local link <const>, sleeper <const> = load(PRELUDE .. " return link, sleeper")()

local function output(script, wrapper)
  return helper.output(PRELUDE .. script, wrapper)
end

local function named(handle)
  return ("%s:[%d]"):format(handle:type(), handle:id())
end

describe("userns.sys.unshare", function()
  it("puts the caller into new namespaces of the kinds named", function()
    assert.equal(lines("true", "true", "true", "false", "false", "true"), output([[
      local types = { "uts", "ipc", "net" }
      local before = {}
      for _, type in ipairs(types) do
        before[type] = link(type)
      end
      print(sys.unshare("uts"))
      print(before.uts ~= link "uts")
      print(sys.unshare { "ipc", "net" })
      print(before.ipc == link "ipc")
      print(before.net == link "net")
      print(link("user") == link("user", "$PPID"))
    ]], helper.rootless))
  end)

  it("needs no privilege for a user namespace", function()
    assert.equal(lines("true", "true"), output([[
      local before = link "user"
      print(sys.unshare("user"))
      print(before ~= link "user")
    ]], unprivileged))
  end)

  it("needs privilege for the others, and tells the refusal", function()
    assert.equal(lines("unshare\tunshare\tEPERM\tnil\tno_cap_sys_admin", "true"), output([[
      local before = link "uts"
      show(sys.unshare { "uts" })
      print(before == link "uts")
    ]], unprivileged))
  end)

  it("gets no user namespace in a chroot", function()
    local chroot <const> = helper.rootless
      .. [[ --mount sh -c 'mount --rbind / /mnt && exec chroot /mnt env --chdir="$PWD" "$@"' sh]]
    assert.equal(lines("unshare\tunshare\tEPERM\tnil\tchrooted", "true"), output([[
      show(sys.unshare("user"))
      show(sys.unshare("uts"))
    ]], chroot))
  end)

  it("gives a whole error object", function()
    assert.equal("1 Operation not permitted\n", output([[
      local _, err = sys.unshare("uts")
      print(err.errno .. " " .. err.message)
    ]], unprivileged))
  end)

  it("raises for anything but namespaces", function()
    assert.same({ "1", "at least one namespace expected" }, { refusal(sys.unshare, {}) })
    assert.same({ "1", "unknown namespace 'mount'" }, { refusal(sys.unshare, "mount") })
    assert.same({ "1", "unknown namespace 'NEWNS'" }, { refusal(sys.unshare, { "uts", "NEWNS" }) })
    assert.same({ "1", "namespace expected, got number" }, { refusal(sys.unshare, 0x20000) })
    assert.same({ "1", "namespace expected, got nil" }, { refusal(sys.unshare, nil) })
  end)
end)

describe("userns.sys.setns", function()
  it("joins by path, descriptor, io file and handle", function()
    local ways <const> = {
      "path",
      "{ fd = sys.namespace('uts', path):fileno() }",
      "io.open(path)",
      "sys.namespace('uts', path)",
    }
    for _, way in ipairs(ways) do
      assert.equal(lines("false", "true", "true"), output(([[
        local other <close> = sleeper "unshare --uts"
        local path = "/proc/" .. other.pid .. "/ns/uts"
        local target = %s
        print(link "uts" == link("uts", other.pid))
        show(sys.setns(target))
        print(link "uts" == link("uts", other.pid))
      ]]):format(way), helper.rootless))
    end
  end)

  it("joins several namespaces of a process in one call", function()
    for _, process in ipairs { "other.pid", "other", "sys.pidfd_open(other.pid)" } do
      assert.equal(lines("true", "true", "true", "false"), output(([[
        local other <close> = sleeper "unshare --uts --ipc --net"
        show(sys.setns(%s, { "uts", "ipc" }))
        print(link "uts" == link("uts", other.pid))
        print(link "ipc" == link("ipc", other.pid))
        print(link "net" == link("net", other.pid))
      ]]):format(process), helper.rootless))
    end
  end)

  it("joins a user namespace and what it owns without privilege", function()
    assert.equal(lines("true", "true", "true"), output([[
      local other <close> = sleeper "unshare --user --uts"
      show(sys.setns(other.pid, { "user", "uts" }))
      print(link "user" == link("user", other.pid))
      print(link "uts" == link("uts", other.pid))
    ]], unprivileged))
  end)

  it("joins a pid namespace for the children", function()
    assert.equal(lines("true", "true"), output([[
      local before = link "pid"
      assert(sys.unshare("pid"))
      show(sys.setns("/proc/self/ns/pid", "pid"))
      print(link "pid" == before)
    ]], helper.rootless .. " --pid --fork --mount-proc"))
  end)

  it("tells which call refused what", function()
    local refused <const> = {
      {
        call = function() return sys.setns(NO_PID, "uts") end,
        syscall = "pidfd_open", code = "ESRCH", errno = 3, message = "No such process",
      },
      {
        call = function() return sys.setns("/nowhere") end,
        syscall = "open", code = "ENOENT", errno = 2, message = "No such file or directory",
        path = "/nowhere",
      },
      {
        call = function() return sys.setns("/etc/passwd") end,
        syscall = "setns", code = "EINVAL", errno = 22, message = "Invalid argument",
        path = "/etc/passwd",
      },
      {
        call = function() return sys.setns({ fd = 12345 }, "net") end,
        syscall = "setns", code = "EBADF", errno = 9, message = "Bad file descriptor",
      },
      {
        call = function() return sys.setns("/proc/self/ns/net", { "net", "uts" }) end,
        syscall = "setns", code = "EINVAL", errno = 22, message = "Invalid argument",
        path = "/proc/self/ns/net",
      },
      {
        call = function() return sys.setns("self", "user") end,
        syscall = "setns", code = "EINVAL", errno = 22, message = "Invalid argument",
      },
    }
    for _, case in ipairs(refused) do
      assert.same({
        op = "setns",
        syscall = case.syscall,
        code = case.code,
        errno = case.errno,
        message = case.message,
        path = case.path,
      }, failure(case.call()))
    end
  end)

  it("does not wait for a writer of a FIFO", function()
    assert.equal(lines("setns\tsetns\tEINVAL\ttrue"), output([[
      local path = os.tmpname()
      shell(("rm %s; mkfifo %s"):format(path, path))
      local _, err = sys.setns(path)
      print(err.op, err.syscall, err.code, err.path == path)
      os.remove(path)
    ]]))
  end)

  it("is refused without privilege over the namespace", function()
    local cause <const> = helper.privilege == "userns" and "no_cap_in_target" or "no_cap_in_own"
    assert.equal(lines("setns\tsetns\tEPERM\t/proc/self/ns/uts\t" .. cause), output([[
      show(sys.setns("/proc/self/ns/uts"))
    ]], unprivileged))
  end)

  it("raises for a process without a list", function()
    local which <const> = "a process has several namespaces: which to join?"
    for _, process in ipairs { "self", 1, { pid = 1 } } do
      assert.same({ "2", which }, { refusal(sys.setns, process) })
    end
    assert.same({ "2", "at least one namespace expected" }, { refusal(sys.setns, "self", {}) })
    assert.same({ "2", "unknown namespace 'x'" }, { refusal(sys.setns, "self", "x") })
  end)

  it("raises for what is no target", function()
    local kinds <const> = "process, namespace, path or descriptor expected, got "
    local closed <const> = io.tmpfile()
    closed:close()
    local handle <const> = sys.namespace("uts", "self")
    handle:close()
    local wrong <const> = {
      { 0, "0 is out of range (1 to 2147483647)" },
      { 2 ^ 32 | 1, "4294967297 is out of range (1 to 2147483647)" },
      { 1.0, "integer expected, got a number with a fraction" },
      { "/proc/self/ns/uts\0", "the string has a NUL byte" },
      { true, kinds .. "boolean" },
      { {}, kinds .. "table" },
      { print, kinds .. "function" },
      { closed, "closed file" },
      { handle, "closed namespace handle" },
      { { fd = -1 }, "descriptor number out of range" },
      { { pid = "1" }, "its pid is no process id" },
      { { pid = 0 }, "its pid is no process id" },
    }
    for _, case in ipairs(wrong) do
      assert.same({ "1", case[2] }, { refusal(sys.setns, case[1], "uts") })
    end
  end)
end)

describe("userns.sys.namespace", function()
  it("is a handle on a namespace of a process", function()
    for _, type in ipairs(sys.namespace_types()) do
      local handle <close> = assert(sys.namespace(type, "self"))
      assert.equal(link(type), named(handle))
    end
    local other <close> = sleeper "unshare --user --map-root-user --uts"
    local by_pid <close> = assert(sys.namespace("uts", other.pid))
    local by_process <close> = assert(sys.namespace("uts", other))
    assert.equal(link("uts", other.pid), named(by_pid))
    assert.equal(by_pid, by_process)
  end)

  it("takes a path, an io file, a descriptor and another handle", function()
    local file <close> = assert(io.open("/proc/self/ns/ipc"))
    local handle <close> = assert(sys.namespace("ipc", "self"))
    for _, target in ipairs { "/proc/self/ns/ipc", file, { fd = handle:fileno() }, handle } do
      local again <close> = assert(sys.namespace("ipc", target))
      assert.equal(link("ipc"), named(again))
      assert.not_equal(handle:fileno(), again:fileno())
    end
  end)

  it("keeps a namespace alive that has lost its processes", function()
    assert.equal(lines("false", "true", "true"), output([[
      local handle, name
      do
        local other <close> = sleeper "unshare --uts"
        handle, name = sys.namespace("uts", other.pid), link("uts", other.pid)
      end
      print(link "uts" == name)
      show(sys.setns(handle))
      print(link "uts" == name)
    ]], helper.rootless))
  end)

  it("equals a handle on the same namespace", function()
    local own <close> = sys.namespace("uts", "self")
    local again <close> = sys.namespace("uts", "/proc/self/ns/uts")
    local other <close> = sys.namespace("ipc", "self")
    local closed <const>, shut <const> = sys.namespace("uts", "self"), sys.namespace("uts", "self")
    closed:close()
    shut:close()
    assert.is_true(own == again)
    assert.is_false(own == other)
    assert.is_false(own == closed)
    assert.is_false(closed == shut)
    assert.is_true(closed == closed)
    assert.is_false(own == io.stdout)
  end)

  it("says what it is", function()
    local handle <const> = sys.namespace("uts", "self")
    local expected <const> = ("userns.namespace (uts %s)"):format(link("uts"):match("%d+"))
    assert.equal(expected, tostring(handle))
    assert.is_true(handle:close())
    assert.is_true(handle:close())
    assert.equal("userns.namespace (closed)", tostring(handle))
  end)

  it("closes its descriptor by close, <close> and collection", function()
    assert.equal(lines("true"), output([[
      local function lowest_free()
        local handle <close> = sys.namespace("uts", "self")
        return handle:fileno()
      end
      local before = lowest_free()
      for _ = 1, 50 do
        local scoped <close> = sys.namespace("uts", "self")
        sys.namespace("uts", "self"):close()
        sys.namespace("user", "self"):parent()
        sys.namespace("uts", "/etc/passwd")
        sys.namespace("uts", "/proc/self/ns/ipc")
        sys.namespace("uts", "self"):owner()
        sys.namespace("user", "self"):level()
        sys.setns("/etc/passwd")
        sys.processes()
      end
      collectgarbage()
      print(lowest_free() == before)
    ]]))
  end)

  it("is not inherited by programs", function()
    assert.equal(lines("true"), output([[
      local before = shell "ls /proc/self/fd"
      local handle <close> = sys.namespace("uts", "self")
      print(before == shell "ls /proc/self/fd")
    ]]))
  end)

  it("has no methods left after it is closed", function()
    local handle <const> = sys.namespace("uts", "self")
    handle:close()
    for _, method in ipairs {
      "id", "type", "owner", "parent", "userns", "level", "pin", "unpin", "fileno",
    } do
      assert.same({ "1", "closed namespace handle" }, { refusal(handle[method], handle, "/tmp/x") })
    end
  end)

  it("tells what a target is instead", function()
    assert.same({
      op = "namespace",
      syscall = "ioctl",
      code = "EINVAL",
      errno = 22,
      message = "a net namespace, not uts",
      path = "/proc/self/ns/net",
    }, failure(sys.namespace("uts", "/proc/self/ns/net")))
    assert.same({
      op = "namespace",
      syscall = "ioctl",
      code = "ENOTTY",
      errno = 25,
      message = "not a namespace",
      path = "/etc/passwd",
    }, failure(sys.namespace("uts", "/etc/passwd")))
    assert.same({
      op = "namespace",
      syscall = "fcntl",
      code = "EBADF",
      errno = 9,
      message = "Bad file descriptor",
    }, failure(sys.namespace("uts", { fd = 12345 })))
    assert.same({
      op = "namespace",
      syscall = "open",
      code = "ENOENT",
      errno = 2,
      message = "No such file or directory",
      path = ("/proc/%d/ns/uts"):format(NO_PID),
    }, failure(sys.namespace("uts", NO_PID)))
  end)

  it("never takes another process of the same number for the one of a handle", function()
    local other <close> = sleeper ""
    local handle, pid
    do
      local dead <close> = sleeper ""
      pid = dead.pid
      handle = assert(sys.pidfd_open(pid))
      local alive <close> = assert(sys.namespace("uts", handle))
      assert.equal(link("uts", pid), named(alive))
    end
    assert.same({
      op = "namespace",
      syscall = "open",
      code = "ENOENT",
      errno = 2,
      message = "No such file or directory",
      path = ("/proc/%d/ns/uts"):format(pid),
    }, failure(sys.namespace("uts", handle)))
    assert.same({
      op = "namespace",
      syscall = "pidfd_send_signal",
      code = "ESRCH",
      errno = 3,
      message = "No such process",
      path = ("/proc/%d/ns/uts"):format(other.pid),
    }, failure(sys.namespace("uts", { pid = other.pid, fd = handle:fileno() })))
  end)

  it("is refused for a process that may not be traced", function()
    assert.equal(lines("namespace\topen\tEACCES\t/proc/1/ns/uts\tnot_ptraceable"), output([[
      show(sys.namespace("uts", 1))
    ]], unprivileged))
  end)

  it("raises for another type", function()
    assert.same({ "1", "unknown namespace 'pid_for_children'" },
      { refusal(sys.namespace, "pid_for_children", "self") })
    assert.same({ "1", "the string has a NUL byte" }, { refusal(sys.namespace, "uts\0", "self") })
    assert.same({ "1", "string expected, got table" },
      { refusal(sys.namespace, { "uts" }, "self") })
    assert.same({ "2", "process, namespace, path or descriptor expected, got no value" },
      { refusal(sys.namespace, "uts") })
  end)
end)

describe("A namespace handle", function()
  local function eperm(op)
    return {
      op = op,
      syscall = "ioctl",
      code = "EPERM",
      errno = 1,
      message = "Operation not permitted",
    }
  end

  local function einval(op)
    return {
      op = op,
      syscall = "ioctl",
      code = "EINVAL",
      errno = 22,
      message = "Invalid argument",
    }
  end

  it("knows its user namespace, and who owns that", function()
    local other <close> = sleeper "unshare --user --map-root-user --uts"
    local uts <close> = assert(sys.namespace("uts", other.pid))
    local user <close> = assert(sys.namespace("user", other.pid))
    local owner <close> = assert(uts:userns())
    assert.equal(user, owner)
    assert.equal(helper.uid, uts:owner())
    assert.equal(helper.uid, user:owner())
  end)

  it("knows the parents of a user namespace, down from the caller's own", function()
    local other <close> = sleeper "unshare --user --map-root-user unshare --user --map-root-user"
    local own <close> = assert(sys.namespace("user", "self"))
    local inner <close> = assert(sys.namespace("user", other.pid))
    local outer <close> = assert(inner:parent())
    local top <close> = assert(outer:parent())
    assert.equal(own, top)
    assert.equal(outer, (inner:userns()))
    assert.same({ 2, 1, 0 }, { inner:level(), outer:level(), own:level() })
    assert.same(eperm("parent"), failure(own:parent()))
    assert.same(eperm("userns"), failure(own:userns()))
  end)

  it("knows the parents of a pid namespace", function()
    assert.equal(lines("true", "1", "0", "parent\tioctl\tEPERM\tnil\tnil"), output([[
      local own = sys.namespace("pid", "self")
      assert(sys.unshare("pid"))
      local init <close> = io.popen("exec cat", "w")
      local inner = sys.namespace("pid", "/proc/self/ns/pid_for_children")
      print(inner:parent() == own)
      print(inner:level())
      print(own:level())
      show(own:parent())
    ]], helper.rootless))
  end)

  it("has no parent or level when its kind does not nest", function()
    local uts <close> = assert(sys.namespace("uts", "self"))
    assert.same(einval("parent"), failure(uts:parent()))
    assert.same(einval("level"), failure(uts:level()))
  end)

  it("cannot see the owner of what the caller's namespace does not reach", function()
    assert.equal(lines("owner\tioctl\tEPERM\tnil\tnil", "userns\tioctl\tEPERM\tnil\tnil"), output([[
      local outer = sys.namespace("uts", "self")
      show(outer:owner())
      show(outer:userns())
    ]], helper.rootless))
  end)
end)

describe("A pinned namespace", function()
  local private <const> = helper.rootless .. " --mount"

  local PATHS <const> = [[
    local path = os.tmpname()
    os.remove(path)
    local function mounted()
      local _, count = io.open("/proc/self/mountinfo"):read("a"):gsub(" " .. path .. " ", "")
      return count
    end
    local function exists()
      return io.open(path) ~= nil or shell("ls -d " .. path .. " 2>&1") == path
    end
    local function try(done, err)
      if done then
        print("done")
      else
        print(err.op, err.syscall, err.code, err.path == path)
      end
    end
    local uts = sys.namespace("uts", "self")
  ]]

  it("outlives its processes, and is gone after unpin", function()
    assert.equal(lines("done", "1", "true", "true", "done", "0", "false"), output(PATHS .. [[
      local name
      do
        local other <close> = sleeper "unshare --uts"
        local handle <close> = sys.namespace("uts", other.pid)
        name = link("uts", other.pid)
        try(handle:pin(path))
      end
      print(mounted())
      show(sys.setns(path, "uts"))
      print(link "uts" == name)
      try(sys.namespace("uts", path):unpin(path))
      print(mounted())
      print(exists())
    ]], private))
  end)

  it("is removed while somebody has it open", function()
    assert.equal(lines("done", "done", "0", "false"), output(PATHS .. [[
      try(uts:pin(path))
      local file <close> = io.open(path)
      try(uts:unpin(path))
      print(mounted())
      print(exists())
    ]], private))
  end)

  it("may be put on a file, whose content is spared", function()
    assert.equal(lines("done", "done", "kept"), output(PATHS .. [[
      local file = io.open(path, "w")
      file:write("kept")
      file:close()
      try(uts:pin(path))
      try(uts:unpin(path))
      print(io.open(path):read("a"))
      os.remove(path)
    ]], private))
  end)

  it("leaves nothing behind where it is refused", function()
    -- The kernel ties no knot of mount namespaces.
    assert.equal(lines("pin\tmount\tEINVAL\ttrue", "0", "false"), output(PATHS .. [[
      try(sys.namespace("mnt", "self"):pin(path))
      print(mounted())
      print(exists())
    ]], private))
    assert.equal(lines("pin\tmount\tEPERM\ttrue", "0", "false"), output(PATHS .. [[
      try(uts:pin(path))
      print(mounted())
      print(exists())
    ]], unprivileged))
  end)

  it("leaves a file that was there where it is refused", function()
    assert.equal(lines("pin\tmount\tEPERM\ttrue", "true"), output(PATHS .. [[
      io.open(path, "w"):close()
      try(uts:pin(path))
      print(exists())
      os.remove(path)
    ]], unprivileged))
  end)

  it("hides no other, and is not put on a link or a directory", function()
    assert.equal(lines(
      "done", "pin\tmount\tEBUSY\ttrue", "1", "done",
      "pin\tmount\tELOOP\ttrue", "0",
      "pin\tmount\tENOTDIR\ttrue", "0",
      "pin\topen\tENOENT\ttrue"
    ), output(PATHS .. [[
      try(uts:pin(path))
      try(sys.namespace("ipc", "self"):pin(path))
      print(mounted())
      try(uts:unpin(path))
      os.execute("ln -s /etc/passwd " .. path)
      try(uts:pin(path))
      print(mounted())
      os.execute(("rm %s; mkdir %s"):format(path, path))
      try(uts:pin(path))
      print(mounted())
      os.execute("rmdir " .. path)
      path = path .. "/file"
      try(uts:pin(path))
    ]], private))
  end)

  it("is unpinned by a handle on it only", function()
    assert.equal(lines(
      "done", "unpin\tumount2\tEINVAL\ttrue", "1", "done",
      "unpin\topen\tENOENT\ttrue",
      "unpin\tumount2\tEINVAL\ttrue", "true"
    ), output(PATHS .. [[
      try(uts:pin(path))
      try(sys.namespace("ipc", "self"):unpin(path))
      print(mounted())
      try(uts:unpin(path))
      try(uts:unpin(path))
      io.open(path, "w"):close()
      try(uts:unpin(path))
      print(exists())
      os.remove(path)
    ]], private))
  end)

  it("raises for what is no path", function()
    local handle <close> = sys.namespace("uts", "self")
    for _, method in ipairs { "pin", "unpin" } do
      assert.same({ "2", "string expected, got no value" }, { refusal(handle[method], handle) })
      assert.same({ "2", "the string has a NUL byte" }, { refusal(handle[method], handle, "a\0") })
    end
  end)
end)

describe("userns.sys", function()
  it("names the kinds of namespace as the kernel does", function()
    local types <const> = sys.namespace_types()
    assert.same({ "user", "mnt", "pid", "net", "ipc", "uts", "cgroup", "time" }, types)
    for _, type in ipairs(types) do
      assert.equal(type, link(type):match("%a+"))
    end
  end)

  it("lists the processes in ascending order", function()
    local other <close> = sleeper ""
    local found, last = false, 0
    for _, pid in ipairs(sys.processes()) do
      assert(pid > last)
      found, last = found or pid == other.pid, pid
    end
    assert.is_true(found)
  end)
end)
