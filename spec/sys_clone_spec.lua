local helper <const> = require "spec.helper"
local sys <const> = require "userns.sys"

local refusal <const>, failure <const> = helper.bad_argument, helper.failure
local lines <const>, unprivileged <const> = helper.lines, helper.unprivileged

local HOST <const> = "timeout --signal=ABRT --kill-after=10 120 build/spec/host"
local THREADS <const> = "timeout --signal=ABRT --kill-after=10 120 build/spec/threads"

-- No more than this many descriptors.
local LIMIT <const> = 16
local LIMITED <const> = ([[sh -c 'ulimit -n %d; exec "$@"' sh ]]):format(LIMIT)

-- For scripts too, which print what they see.
local PRELUDE <const> = [[
  local sys = require "userns.sys"

  local function sleep()
    sys.poll({}, 100)
  end

  local function show(value, err)
    if err then
      print(err.op, err.syscall, err.code, err.errno, err.message, err.path, err.cause)
    else
      print(value)
    end
  end

  -- Opens as many descriptors as there may be.
  local function exhaust()
    local list, fd = {}, sys.open("/dev/null")
    while fd do
      list[#list + 1], fd = fd, sys.open("/dev/null")
    end
    return list
  end
]]

local sleep <const> = load(PRELUDE .. " return sleep")()

local function output(script, wrapper)
  return helper.output(PRELUDE .. script, wrapper)
end

local function words(...)
  local list <const> = table.pack(...)
  for i = 1, list.n do
    list[i] = tostring(list[i])
  end
  return table.concat(list, " ")
end

-- The namespaces, and where it takes privilege to make them a user namespace.
local function with_user(...)
  return helper.privilege == "user" and { "user", ... } or { ... }
end

local function await(process)
  return assert(process:wait())
end

local function exit_code(fn, ...)
  local process <close> = assert(sys.clone({}, fn, ...))
  return await(process).exit_code
end

local function read_all(reader)
  local list <const> = {}
  repeat
    assert(sys.poll({ { fd = reader } }, 60)[1], "nothing came")
    list[#list + 1] = assert(reader:read())
  until list[#list] == ""
  return table.concat(list)
end

-- What the function, run in a child with new namespaces, says; it gets a
-- function to say it with, in words.
local function said(namespaces, fn)
  local reader <close>, writer <const> = sys.pipe()
  local process <close> = assert(sys.clone(namespaces, function()
    fn(function(...)
      writer:write(words(...) .. "\n")
    end)
  end))
  writer:close()
  local text <const> = read_all(reader)
  assert.equal(0, await(process).exit_code)
  return text
end

local function timed_out(op)
  return {
    op = op,
    syscall = "poll",
    code = "ETIMEDOUT",
    errno = 110,
    message = "Connection timed out",
  }
end

local function map_root(process)
  assert(sys.write_setgroups(process, "deny"))
  assert(sys.write_uid_map(process, { { inside = 0, outside = helper.uid, count = 1 } }))
  assert(sys.write_gid_map(process, { { inside = 0, outside = helper.gid, count = 1 } }))
end

-- As `said`, as uid 0 of a new user namespace.
local function said_by_root(fn)
  local reader <close>, writer <const> = sys.pipe()
  local process <close> = assert(sys.clone("user", function(gate)
    assert(gate:await())
    fn(function(...)
      writer:write(words(...) .. "\n")
    end)
  end, { handshake = true }))
  writer:close()
  map_root(process)
  assert(process:release())
  local text <const> = read_all(reader)
  assert.equal(0, await(process).exit_code)
  return text
end

local function namespace_ids()
  local ids <const> = {}
  for _, type in ipairs(sys.namespace_types()) do
    local namespace <close> = assert(sys.namespace(type, "self"))
    ids[type] = namespace:id()
  end
  return ids
end

-- The kinds of the child's namespaces that are not ours, in words.
local function new_kinds(namespaces)
  local mine <const> = namespace_ids()
  return (said(namespaces, function(say)
    local kinds <const>, theirs <const> = {}, namespace_ids()
    for _, type in ipairs(sys.namespace_types()) do
      kinds[#kinds + 1] = theirs[type] ~= mine[type] and type or nil
    end
    say(table.unpack(kinds))
  end))
end

describe("userns.sys.clone", function()
  before_each(helper.count)
  after_each(helper.check_count)

  describe("runs a function whose result", function()
    local cases <const> = {
      { "nil", nil, 0 },
      { "true", true, 0 },
      { "false", false, 1 },
      { "0", 0, 0 },
      { "7", 7, 7 },
      { "255", 255, 255 },
    }
    for _, case in ipairs(cases) do
      it(("%s is exit code %d"):format(case[1], case[3]), function()
        assert.equal(case[3], exit_code(function() return case[2] end))
      end)
    end

    it("is nothing at all is exit code 0", function()
      assert.equal(0, exit_code(function() end))
    end)

    it("is no exit code is an error that it prints", function()
      for _, value in ipairs { "256", "-1", "1.0", "'0'", "{}", "1 << 32" } do
        assert.same({
          out = "1\n",
          err = "an exit code is nil, a boolean or 0 to 255\n",
          code = 0,
        }, helper.lua(PRELUDE .. ([[
          print(sys.clone({}, function() return %s end):wait().exit_code)
        ]]):format(value)))
      end
    end)
  end)

  it("prints an error of the function's with its traceback to standard error", function()
    local result <const> = helper.lua(PRELUDE .. [[
      local function fail()
        error("what went wrong")
      end
      local process = sys.clone({}, function()
        fail()
      end)
      print(process:wait().exit_code)
    ]])
    assert.equal("1\n", result.out)
    assert.matches("^[^\n]*: what went wrong\nstack traceback:\n", result.err)
    assert.matches("in upvalue 'fail'", result.err, 1, true)
  end)

  it("prints an error that is no string", function()
    local result <const> = helper.lua(PRELUDE .. [[
      local function print_code(fn)
        print(sys.clone({}, fn):wait().exit_code)
      end
      local object = setmetatable({}, { __tostring = function() return "an object" end })
      print_code(function() error(object) end)
      print_code(function() assert(sys.open("/nowhere")) end)
      print_code(function() error() end)
    ]])
    assert.equal("1\n1\n1\n", result.out)
    local messages <const> = {}
    for message in ("\n" .. result.err):gmatch("\n([^\n\t]+)\nstack traceback:") do
      messages[#messages + 1] = message
    end
    assert.same({
      "an object",
      "userns: open '/nowhere': No such file or directory",
      "nil",
    }, messages)
  end)

  it("gives the child a copy of what the host knows", function()
    local count = 1
    assert.equal(2, exit_code(function()
      count = count + 1
      return count
    end))
    assert.equal(1, count)
  end)

  it("clones in a clone", function()
    assert.equal(9, exit_code(function()
      return exit_code(function()
        return exit_code(function() return 7 end) + 1
      end) + 1
    end))
  end)

  it("gives the function no gate without a hand-shake", function()
    for _, options in ipairs { {}, { handshake = false } } do
      assert.equal(0, exit_code(function(gate) return gate == nil end, options))
    end
  end)

  describe("makes a new", function()
    for _, type in ipairs(sys.namespace_types()) do
      it(type .. " namespace, and no other", function()
        local kinds <const> = type == "user" and { "user" } or with_user(type)
        assert.equal(table.concat(kinds, " ") .. "\n", new_kinds(kinds))
      end)
    end

    it("namespace of every kind at once", function()
      local kinds <const> = sys.namespace_types()
      assert.equal(table.concat(kinds, " ") .. "\n", new_kinds(kinds))
    end)

    it("namespace of a kind named alone", function()
      assert.equal("user\n", new_kinds("user"))
    end)

    it("namespace of no kind", function()
      assert.equal("\n", new_kinds {})
    end)
  end)

  describe("in a new", function()
    it("user namespace has every capability and no id", function()
      assert.equal(("%d 65534 65534\n"):format(sys.last_cap() + 1), said("user", function(say)
        local uid <const>, gid <const> = sys.getresuid(), sys.getresgid()
        say(#sys.getcaps().effective, uid, gid)
      end))
    end)

    it("mnt namespace mounts what the host does not see", function()
      local dir <const> = helper.directory()
      assert.equal("true\n", said(with_user("mnt"), function(say)
        assert(sys.mount { target = "/", options = "rprivate" })
        assert(sys.mount { source = "none", target = dir, type = "tmpfs" })
        say(helper.read("/proc/self/mountinfo"):find(dir, 1, true) ~= nil)
      end))
      assert.is_nil(helper.read("/proc/self/mountinfo"):find(dir, 1, true))
      helper.remove(dir)
    end)

    it("pid namespace is process 1, which the host knows otherwise", function()
      assert.equal("1 1\n", said(with_user("pid"), function(say)
        say(sys.getpid(), sys.gettid())
      end))
    end)

    it("net namespace has a loopback device only", function()
      assert.equal("lo\n", said(with_user("net"), function(say)
        local names <const> = {}
        for name in helper.read("/proc/self/net/dev"):gmatch("([^%s:]+):") do
          names[#names + 1] = name
        end
        say(table.unpack(names))
      end))
    end)

    it("ipc namespace has shared memory of its own", function()
      local before <const> = helper.read("/proc/sysvipc/shm")
      assert.equal("1 2\n", said(with_user("ipc"), function(say)
        local function count_lines()
          return select(2, helper.read("/proc/sysvipc/shm"):gsub("\n", ""))
        end
        local empty <const> = count_lines()
        assert(os.execute("ipcmk --shmem 4096 >/dev/null"))
        say(empty, count_lines())
      end))
      assert.equal(before, helper.read("/proc/sysvipc/shm"))
    end)

    it("uts namespace sets host and domain name of its own", function()
      local before <const> = sys.uname()
      assert.equal("bizarro land\n", said(with_user("uts"), function(say)
        assert(sys.sethostname("bizarro"))
        assert(sys.setdomainname("land"))
        say(sys.gethostname(), sys.getdomainname())
      end))
      assert.same(before, sys.uname())
    end)

    it("cgroup namespace is at the root of what it sees", function()
      assert.equal("0::/\n", said(with_user("cgroup"), function(say)
        say((helper.read("/proc/self/cgroup"):match("0::[^\n]*")))
      end))
    end)

    it("time namespace is in it, not only its children", function()
      assert.equal("true\n", said(with_user("time"), function(say)
        local own <close> = sys.namespace("time", "self")
        local for_children <close> = sys.namespace("time", "/proc/self/ns/time_for_children")
        say(own == for_children)
      end))
    end)
  end)

  describe("is refused", function()
    local function emfile(call)
      return ("clone\t%s\tEMFILE\t24\tToo many open files\tnil\trlimit_nofile"):format(call)
    end

    for _, type in ipairs(sys.namespace_types()) do
      if type ~= "user" then
        it(("a new %s namespace without privilege"):format(type), function()
          assert.equal("clone\tclone3\tEPERM\t1\tOperation not permitted\tnil\tno_cap_sys_admin\n", output(([[
            show(sys.clone(%q, sleep))
          ]]):format(type), unprivileged))
        end)
      end

      it(("a new %s namespace above the limit"):format(type), function()
        assert.equal("clone clone3 ENOSPC 28 No space left on device\n", said_by_root(function(say)
          helper.write(("/proc/sys/user/max_%s_namespaces"):format(type), "0")
          local process <const>, err <const> = sys.clone(type, sleep)
          say(process or err.op, err.syscall, err.code, err.errno, err.message)
        end))
      end)
    end

    it("no user namespace, whoever asks", function()
      assert.equal("true\n", output([[
        show(sys.clone("user", sleep) ~= nil)
      ]], unprivileged))
    end)

    it("in a host with other threads", function()
      assert.equal(lines(
        "clone\tnil\tEBUSY\t16\tanother thread of the host may hold a lock"
          .. " that the child would wait for\tnil\tmultithreaded",
        "userns: clone: another thread of the host may hold a lock"
          .. " that the child would wait for; a copy of a process that has threads finds locks that nobody will open; "
          .. "call sys.clone before there are threads, or use userns.container, whose child runs no Lua",
        "false",
        "5"
      ), output([[
        local thread = threads.start "threads.post(1) threads.await(2)"
        threads.await(1)
        local process, err = sys.clone({}, sleep, { handshake = true })
        show(process, err)
        print(err)
        print(threads.has_children())
        threads.post(2)
        thread:join()
        -- The kernel counts it until a little later.
        repeat
          process, err = sys.clone({}, function() return 5 end)
        until process or err.code ~= "EBUSY"
        print(process:wait().exit_code)
      ]], THREADS))
    end)

    it("for want of descriptors, and keeps none", function()
      assert.equal(lines(
        emfile "clone3",
        emfile "socketpair",
        emfile "socketpair",
        emfile "pidfd_open",
        emfile "clone3",
        "a process"
      ), output([[
        collectgarbage("stop")
        local list = exhaust()
        local function try(count)
          for _ = 1, count do
            table.remove(list):close()
          end
          local process, err = sys.clone({}, sleep, { handshake = true })
          show(process and "a process", err)
        end
        show(sys.clone({}, sleep))
        try(0)
        try(1)
        try(1)
        try(1)
        try(1)
      ]], LIMITED))
    end)

    it("where only a standard stream's number is left, and leaves no child", function()
      assert.equal(lines(emfile "fcntl", "false"), output([[
        local list = exhaust()
        host.close(0)
        show(sys.clone({}, sleep))
        print(host.has_children())
      ]], LIMITED .. HOST))
    end)
  end)

  for _, code in ipairs { "ENOSYS", "EPERM" } do
    it("gets by without clone3, which others may answer with " .. code, function()
      assert.equal(lines("7", "true", "clone\tclone3\t" .. code), output(([[
        local mine <close> = sys.namespace("uts", "self")
        local process <close> = assert(sys.clone(%s, function(gate)
          gate:ready()
          gate:await()
          return 7
        end, { handshake = true }))
        assert(process:ready())
        local theirs <close> = assert(sys.namespace("uts", process))
        process:release()
        print(process:wait().exit_code)
        print(mine ~= theirs)
        -- Its flag is none of clone's.
        local _, err = sys.clone("time", sleep)
        print(err.op, err.syscall, err.code)
      ]]):format(helper.privilege == "user" and '{ "user", "uts" }' or '"uts"'),
        "strace -f -qq -o /dev/null -e trace=clone3 -e inject=clone3:error=" .. code))
    end)
  end

  it("keeps out of the standard streams' way", function()
    assert.equal("true\n", output([[
      host.close(0)
      host.close(2)
      local function closed()
        return not sys.fileno(0) and not sys.fileno(2)
      end
      local process <close> = assert(sys.clone({}, function(gate)
        return gate:await() and closed()
      end, { handshake = true }))
      process:release()
      print(process:fileno() > 2 and process:wait().exit_code == 0 and closed())
    ]], HOST))
  end)

  it("raises for a wrong call", function()
    local expected <const> = "namespace expected, got "
    assert.same({ "1", "unknown namespace 'mount'" }, { refusal(sys.clone, "mount", sleep) })
    assert.same({ "1", "unknown namespace 'UTS'" }, { refusal(sys.clone, { "uts", "UTS" }, sleep) })
    assert.same({ "1", expected .. "nil" }, { refusal(sys.clone, nil, sleep) })
    assert.same({ "1", expected .. "number" }, { refusal(sys.clone, 0x4000000, sleep) })
    assert.same({ "1", expected .. "boolean" }, { refusal(sys.clone, { true }, sleep) })
    assert.same({ "1", "a list without holes expected" }, {
      refusal(sys.clone, { uts = true }, sleep),
    })
    assert.same({ "2", "function expected, got no value" }, { refusal(sys.clone, "uts") })
    assert.same({ "2", "function expected, got string" }, { refusal(sys.clone, "uts", "return") })
    local options <const> = {
      { true, "table expected, got boolean" },
      { { handshakes = true }, "unknown field 'handshakes'" },
      { { handshake = "yes" }, "handshake is a boolean" },
    }
    for _, case in ipairs(options) do
      assert.same({ "3", case[2] }, { refusal(sys.clone, {}, sleep, case[1]) })
    end
  end)
end)

describe("a clone's hand-shake", function()
  before_each(helper.count)
  after_each(helper.check_count)

  local HANDSHAKE <const> = { handshake = true }

  local ENDED <const> = {
    op = "ready",
    syscall = "poll",
    code = "ESRCH",
    errno = 3,
    message = "No such process",
  }

  it("holds the child until the parent has mapped its ids", function()
    assert.equal("0 0 0 0 0 0\n", said_by_root(function(say)
      local function three(a, b, c)
        return words(a, b, c)
      end
      say(three(sys.getresuid()), three(sys.getresgid()))
    end))
  end)

  it("tells the parent when the child is ready, as often as it says so", function()
    local process <close> = assert(sys.clone({}, function(gate)
      for _ = 1, 3 do
        assert(gate:await())
        assert(gate:ready())
      end
      return 7
    end, HANDSHAKE))
    for _ = 1, 3 do
      assert.same(timed_out("ready"), failure(process:ready(0)))
      assert.is_true(process:release())
      assert.is_true(process:ready())
    end
    assert.equal(7, await(process).exit_code)
  end)

  it("counts what was said before anybody waited", function()
    local process <close> = assert(sys.clone({}, function(gate)
      return gate:ready() and gate:ready() and gate:await() and gate:await()
    end, HANDSHAKE))
    assert(process:release())
    assert(process:release())
    assert.equal(0, await(process).exit_code)
    assert.is_true(process:ready())
    assert.is_true(process:ready(1))
    assert.same(ENDED, failure(process:ready()))
  end)

  it("tells the parent that the child has ended", function()
    local process <close> = assert(sys.clone({}, function() end, HANDSHAKE))
    assert.same(ENDED, failure(process:ready()))
    assert.same({
      op = "release",
      syscall = "send",
      code = "EPIPE",
      errno = 32,
      message = "Broken pipe",
    }, failure(process:release()))
  end)

  it("tells the parent so while a child of the child's lives on", function()
    local reader <close>, writer <const> = sys.pipe()
    local process <close> = assert(sys.clone({}, function()
      assert(sys.clone({}, function()
        writer:close()
        reader:read()
      end))
    end, HANDSHAKE))
    assert.same(ENDED, failure(process:ready()))
    writer:close()
  end)

  -- The child waits while its parent, a clone itself, comes to its end.
  for how, finish in pairs { ["ended"] = function() end, ["been killed"] = sleep } do
    it("tells the child that its parent has " .. how, function()
      local reader <close>, writer <const> = sys.pipe()
      local parent <close> = assert(sys.clone({}, function(gate)
        assert(sys.clone({}, function(own)
          local ok <const>, err <const> = own:await()
          writer:write(words(ok, err.op, err.syscall, err.code, err.errno, err.message))
        end, HANDSHAKE))
        gate:ready()
        finish()
      end, HANDSHAKE))
      writer:close()
      assert(parent:ready())
      parent:kill()
      assert.equal("nil await poll ESRCH 3 No such process", read_all(reader))
    end)
  end

  it("tells the child that the parent has let go of it, whoever holds copies", function()
    assert.equal(lines(
      "true",
      "await\trecv\tEPIPE\t32\tBroken pipe\tnil\tnil",
      "ready\tsend\tEPIPE\t32\tBroken pipe\tnil\tnil"
    ), output([[
      io.stdout:setvbuf("line")
      local reader, writer = sys.pipe()
      local process = sys.clone({}, function(gate)
        gate:ready()
        show(gate:await())
        show(gate:await())
        show(gate:ready())
      end, { handshake = true })
      local sibling <close> = sys.clone({}, function()
        writer:close()
        sleep()
      end)
      writer:close()
      process:ready()
      process:release()
      process:detach()
      reader:read()
    ]], "timeout 60"))
  end)

  it("is not disturbed by a copy of the handle that goes", function()
    local process <close> = assert(sys.clone({}, function(gate)
      return gate:await() and gate:ready() and gate:await() and 7
    end, HANDSHAKE))
    for _, go in ipairs { "close", "detach" } do
      assert.equal(0, exit_code(function() process[go](process) end))
      assert(process:release())
      assert(go == "detach" or process:ready())
    end
    assert.equal(7, await(process).exit_code)
  end)

  it("raises where there is none", function()
    local process <close> = assert(sys.clone({}, function() end))
    assert.same({ "1", "the process has no hand-shake" }, { refusal(process.ready, process) })
    assert.same({ "1", "the process has no hand-shake" }, { refusal(process.release, process) })
  end)

  it("raises for seconds that are none, and for what is no gate", function()
    local process <close> = assert(sys.clone({}, function(gate)
      local first <const>, reason <const> = refusal(gate.await, io.stdout)
      return first == "1" and reason == "userns.gate expected, got FILE*"
    end, HANDSHAKE))
    assert.same({ "2", "seconds, 0 or more" }, { refusal(process.ready, process, -1) })
    assert.same({ "2", "number expected, got string" }, { refusal(process.ready, process, "1") })
    assert.equal(0, await(process).exit_code)
  end)
end)

describe("what belongs to the host", function()
  before_each(helper.count)
  after_each(helper.check_count)

  -- How a child may leave.
  local WAYS <const> = {
    ["returns"] = "return 3",
    ["calls os.exit"] = "os.exit(3)",
    ["asks os.exit to close the state"] = "os.exit(3, true)",
    ["leaves below pcall"] = "pcall(os.exit, 3)",
  }

  for how, way in pairs(WAYS) do
    it("is not finished by a child that " .. how, function()
      assert.equal(lines("in the child", "3", "closed", "collected", "farewell"), output(([[
        local collected = setmetatable({}, { __gc = function() print("collected") end })
        local closed <close> = setmetatable({}, { __close = function() print("closed") end })
        local process <close> = sys.clone({}, function()
          print("in the child")
          for i = 1, 10000 do
            collected = { i }
          end
          %s
        end)
        print(process:wait().exit_code)
      ]]):format(way), "build/spec/farewell"))
    end)

    it("is not written or read twice when a child " .. how, function()
      local input <const> = os.tmpname()
      helper.write(input, "one\ntwo\nthree\n")
      assert.equal("first one\nchild two\n3 two three\n", output(([[
        io.stdout:setvbuf("full")
        io.write("first ", io.read(), "\n")
        local process <close> = sys.clone({}, function()
          io.write("child ", io.read(), "\n")
          %s
        end)
        io.write(process:wait().exit_code, " ", io.read(), " ", io.read(), "\n")
      ]]):format(way), ([[sh -c 'exec "$@" <%s' sh]]):format(input)))
      os.remove(input)
    end)
  end

  it("is not finished by a child that fails", function()
    local result <const> = helper.lua(PRELUDE .. [[
      local closed <close> = setmetatable({}, { __close = function() print("closed") end })
      print(sys.clone({}, function() error("oh") end):wait().exit_code)
    ]], "build/spec/farewell")
    assert.equal("1\nclosed\nfarewell\n", result.out)
  end)

  it("takes its own os.exit further", function()
    assert.equal(4, helper.lua(PRELUDE .. [[
      sys.clone({}, function() os.exit(3) end):wait()
      os.exit(4, true)
    ]]).code)
  end)

  it("leaves the child an os.exit that knows exit codes", function()
    assert.equal(lines(
      "0", "1", "0", "9",
      "bad argument #1 to 'exit' (an exit code is nil, a boolean or 0 to 255)",
      "0"
    ), output [[
      io.stdout:setvbuf("line")
      local function print_code(...)
        local arguments = table.pack(...)
        local process <close> = sys.clone({}, function()
          os.exit(table.unpack(arguments, 1, arguments.n))
        end)
        print(process:wait().exit_code)
      end
      print_code(true)
      print_code(false)
      print_code()
      print_code(9)
      print(sys.clone({}, function()
        local _, message = pcall(function() os.exit("9") end)
        print((message:gsub("^.*: ", "")))
      end):wait().exit_code)
    ]])
  end)

  it("closes the child's own variables", function()
    assert.equal("closed\n", said({}, function(say)
      local _ <close> = setmetatable({}, { __close = function() say("closed") end })
    end))
  end)

  it("is not collected in the child", function()
    assert.equal(0, exit_code(function() return not collectgarbage("isrunning") end))
    assert.is_true(collectgarbage("isrunning"))
  end)

  for how, go in pairs {
    ["are closed"] = function(copy) copy:close() end,
    ["are collected"] = function(copy) getmetatable(copy).__gc(copy) end,
    ["are detached"] = function(copy) copy:detach() end,
    ["leave their scope"] = function(copy) local _ <close> = copy end,
  } do
    it("lives on when copies of its handles " .. how .. " in a child", function()
      local sibling <close> = assert(sys.clone({}, sleep))
      assert.equal(0, exit_code(function()
        go(sibling)
        return tostring(sibling) == "userns.process (closed)"
      end))
      assert.same(timed_out("wait"), failure(sibling:wait(0)))
    end)
  end

  it("can be killed by a child that means to", function()
    local sibling <close> = assert(sys.clone({}, sleep))
    assert.equal(0, exit_code(function() return sibling:kill("TERM") end))
    assert.equal("SIGTERM", await(sibling).signal)
  end)

  it("is waited for by the host alone", function()
    local sibling <close> = assert(sys.clone({}, function() return 7 end))
    assert.equal(0, exit_code(function()
      local status <const> = sibling:wait()
      return status.exit_code == nil and status.signal == nil
    end))
    assert.equal(7, await(sibling).exit_code)
  end)
end)

describe("a clone is made", function()
  it("in a coroutine", function()
    local thread <const> = coroutine.wrap(function()
      for code = 1, 3 do
        local process <close> = assert(sys.clone({}, function() return code end))
        coroutine.yield(process:wait().exit_code)
      end
    end)
    assert.same({ 1, 2, 3 }, { thread(), thread(), thread() })
    thread()
  end)

  it("in a coroutine, from which the child does not return", function()
    local result <const> = helper.lua(PRELUDE .. [[
      coroutine.wrap(function()
        local process = sys.clone({}, function()
          coroutine.yield()
        end)
        print(process:wait().exit_code)
        coroutine.yield()
      end)()
      print("once")
    ]])
    assert.equal("1\nonce\n", result.out)
    assert.matches("^attempt to yield across a C%-call boundary\nstack traceback:", result.err)
  end)

  it("with coroutines of the child's own", function()
    assert.equal("1 2 3\n", said({}, function(say)
      local list <const> = {}
      for i in coroutine.wrap(function()
        for i = 1, 3 do
          coroutine.yield(i)
        end
      end) do
        list[#list + 1] = i
      end
      say(table.unpack(list))
    end))
  end)

  it("deep in a recursion", function()
    local function deep(levels)
      return levels == 0 and exit_code(function() return 7 end) or deep(levels - 1) + 0
    end
    assert.equal(7, deep(10000))
  end)

  it("chunk by chunk in a REPL", function()
    local result <const> = helper.lua([[
sys = require "userns.sys"
name = "kept"
fn = function(gate) gate:ready() gate:await() print("<" .. name .. ">") os.exit(7) end
p = sys.clone({}, fn, { handshake = true })
p:ready()
collectgarbage()
print("<" .. tostring(p):gsub("%d+", "PID") .. ">")
p:release()
print("<" .. p:wait().exit_code .. ">")
q = sys.clone({}, function() sys.poll({}, 100) end)
path = "/proc/" .. q.pid .. "/stat"
q = nil; collectgarbage()
print("<" .. tostring(io.open(path)) .. ">")
p:wait()
]], [[sh -c 'exec "$1" -i <"$2"' sh]])
    local seen <const> = {}
    for text in result.out:gmatch("<([^%s\"<>][^\"<>]*)>") do
      seen[#seen + 1] = text
    end
    assert.same({ "userns.process (PID)", "kept", "7", "nil" }, seen)
    assert.matches("nil\tuserns: wait: No child processes", result.out, 1, true)
    assert.equal(0, result.code)
  end)

  it("by two Lua states of a process that do not meet", function()
    assert.equal(lines("7", "other closed", "ETIMEDOUT", "8"), output([[
      io.stdout:setvbuf("line")
      local mine <close> = assert(sys.clone({}, sleep))
      host.state [=[
        local sys = require "userns.sys"
        lost = assert(sys.clone({}, function() sys.poll({}, 100) end, { handshake = true }))
        print(sys.clone({}, function() return 7 end):wait().exit_code)
        setmetatable({}, { __gc = function() print("other closed") end })
      ]=]
      print(select(2, mine:wait(0)).code)
      print(sys.clone({}, function() return 8 end):wait().exit_code)
      mine:close()
      assert(not host.has_children())
    ]], HOST))
  end)

  for what, effect in pairs {
    ["ignores SIGCHLD"] = "ignore",
    ["blocks SIGCHLD"] = "block",
    ["reaps every child when SIGCHLD comes"] = "reap",
  } do
    it("by a host that " .. what, function()
      local seen <const> = output(([[
        host.sigchld %q
        local process <close> = assert(sys.clone({}, function() return 7 end))
        local status = assert(process:wait())
        print(status.exit_code, status.signal)
        local killed <close> = assert(sys.clone({}, sleep))
        killed:kill("TERM")
        status = assert(killed:wait())
        print(status.exit_code, status.signal)
        do
          local closed <close> = assert(sys.clone({}, sleep))
        end
        assert(not host.has_children())
      ]]):format(effect), HOST)
      -- A status that was taken is known where the kernel still tells it, and
      -- never invented.
      assert.is_true(seen == lines("7\tnil", "nil\tSIGTERM")
        or effect ~= "block" and seen == lines("nil\tnil", "nil\tnil"), seen)
    end)
  end
end)
