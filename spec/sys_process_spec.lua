local helper <const> = require "spec.helper"
local sys <const> = require "userns.sys"

local refusal <const>, failure <const>, NO_PID <const> = helper.bad_argument, helper.failure, helper.no_pid

local HOST <const> = "timeout --signal=ABRT --kill-after=10 120 build/spec/host"
local THREADS <const> = "timeout --signal=ABRT --kill-after=10 120 build/spec/threads"

local ERRNO <const> = {
  EPERM = { 1, "Operation not permitted" },
  ESRCH = { 3, "No such process" },
  ECHILD = { 10, "No child processes" },
  ETIMEDOUT = { 110, "Connection timed out" },
}

local function refused(op, syscall, code)
  local errno <const>, message <const> = table.unpack(ERRNO[code])
  return { op = op, syscall = syscall, code = code, errno = errno, message = message }
end

local TIMED_OUT <const> = refused("wait", "poll", "ETIMEDOUT")
local ENDED <const> = refused("kill", "pidfd_send_signal", "ESRCH")

local function sleep()
  sys.poll({}, 100)
end

local function start(fn)
  return assert(sys.clone({}, fn or sleep))
end

local function await_end(process)
  assert.same({ true }, sys.poll { { fd = process } })
end

-- How the process ended, without what it used.
local function ending(process, seconds)
  local status <const> = assert(process:wait(seconds))
  status.usage = nil
  return status
end

local function state(pid)
  local file <close> = io.open(("/proc/%d/stat"):format(pid))
  return file and file:read("a"):match("^.*%) (%a)") or "gone"
end

local function output(script, wrapper)
  return helper.output('local sys = require "userns.sys"\n' .. script, wrapper)
end

describe("waiting for a process", function()
  before_each(helper.count)
  after_each(helper.check_count)

  it("tells its exit code", function()
    for _, code in ipairs { 0, 7, 255 } do
      local process <close> = start(function() return code end)
      assert.same({ exit_code = code, core_dumped = false }, ending(process))
    end
  end)

  it("tells the signal that ended it", function()
    local names <const> = { TERM = "SIGTERM", SIGHUP = "SIGHUP", [9] = "SIGKILL", [40] = "SIG40" }
    for word, name in pairs(names) do
      local process <close> = start()
      assert.is_true(process:kill(word))
      assert.same({ signal = name, core_dumped = false }, ending(process))
    end
  end)

  it("tells whether core was dumped", function()
    -- Where the limit is none, or a handler takes it, the kernel says so.
    local process <close> = assert(sys.clone({}, function()
      sys.exec("/bin/sh", { "sh", "-c", "ulimit -c 0; kill -SEGV $$" })
    end))
    local status <const> = ending(process)
    assert.equal("SIGSEGV", status.signal)
    assert.equal("boolean", type(status.core_dumped))
  end)

  it("tells what it used", function()
    local process <close> = start(function()
      local deadline <const> = os.clock() + 0.05
      repeat
      until os.clock() > deadline
    end)
    local usage <const> = assert(process:wait()).usage
    assert.is_true(usage.user_time + usage.system_time >= 0.04)
  end)

  it("takes as long as that takes", function()
    local process <close> = start(function() sys.poll({}, 0.05) end)
    assert.same({ exit_code = 0, core_dumped = false }, ending(process))
  end)

  it("comes to an end when the time is over, and can go on", function()
    local process <close> = assert(sys.clone({}, function(gate)
      gate:await()
      return 7
    end, { handshake = true }))
    assert.same(TIMED_OUT, failure(process:wait(0)))
    assert.same(TIMED_OUT, failure(process:wait(0.001)))
    process:release()
    assert.same({ exit_code = 7, core_dumped = false }, ending(process, 1000))
  end)

  it("asks no time of a process that has ended", function()
    local process <close> = start(function() return 7 end)
    await_end(process)
    assert.same({ exit_code = 7, core_dumped = false }, ending(process, 0))
  end)

  it("is done once", function()
    local process <close> = start(function() end)
    assert(process:wait())
    assert.same(refused("wait", "waitid", "ECHILD"), failure(process:wait()))
    assert.same(refused("wait", "waitid", "ECHILD"), failure(process:wait(0)))
  end)

  it("leaves other children to others", function()
    local first <close> = start(function() return 1 end)
    local second <close> = start(function() return 2 end)
    await_end(first)
    assert.same({ exit_code = 2, core_dumped = false }, ending(second))
    assert.same({ exit_code = 1, core_dumped = false }, ending(first))
    local pipe <const> = assert(io.popen("exit 3"))
    local third <close> = start(function() return 4 end)
    assert.same({ exit_code = 4, core_dumped = false }, ending(third))
    assert.same({ nil, "exit", 3 }, { pipe:close() })
  end)

  it("raises for seconds that are none", function()
    local process <close> = start()
    assert.same({ "2", "seconds, 0 or more" }, { refusal(process.wait, process, -0.1) })
    assert.same({ "2", "seconds, 0 or more" }, { refusal(process.wait, process, 0 / 0) })
    assert.same({ "2", "number expected, got string" }, { refusal(process.wait, process, "1") })
  end)
end)

describe("killing a process", function()
  before_each(helper.count)
  after_each(helper.check_count)

  it("is SIGKILL when no signal is named", function()
    local process <close> = start()
    assert.is_true(process:kill())
    assert.same({ signal = "SIGKILL", core_dumped = false }, ending(process))
  end)

  it("may be a signal that it goes on after", function()
    local process <close> = start()
    assert.is_true(process:kill("STOP"))
    repeat
    until state(process.pid) == "T"
    assert.is_true(process:kill("SIGCONT"))
    repeat
    until state(process.pid) == "S"
    assert.same(TIMED_OUT, failure(process:wait(0)))
  end)

  it("does nothing to one that has ended, until that was waited for", function()
    local process <close> = start(function() return 7 end)
    await_end(process)
    assert.is_true(process:kill())
    assert.same({ exit_code = 7, core_dumped = false }, ending(process))
    assert.same(ENDED, failure(process:kill()))
    assert.same(ENDED, failure(process:kill("TERM")))
  end)

  it("raises for what is no signal", function()
    local process <close> = start()
    local cases <const> = {
      { "unknown signal 'term'", "term" },
      { "unknown signal 'SIG'", "SIG" },
      { "unknown signal '9'", "9" },
      { "the string has a NUL byte", "TERM\0" },
      { "0 is out of range (1 to 64)", 0 },
      { "65 is out of range (1 to 64)", 65 },
      { "integer expected, got a number with a fraction", 9.0 },
      { "integer expected, got boolean", true },
    }
    for _, case in ipairs(cases) do
      assert.same({ "2", case[1] }, { refusal(process.kill, process, case[2]) })
      assert.same({ "2", case[1] }, { refusal(sys.kill, process.pid, case[2]) })
    end
    assert.same(TIMED_OUT, failure(process:wait(0)))
  end)
end)

describe("a child's handle", function()
  before_each(helper.count)
  after_each(helper.check_count)

  it("knows its number", function()
    local process <close> = start()
    assert.equal(process.pid, math.tointeger(process.pid))
    assert.equal(("userns.process (%d)"):format(process.pid), tostring(process))
    assert.is_nil(process.name)
    assert.is_nil(process[1])
  end)

  it("has a descriptor of its own, which exec closes", function()
    local process <close> = start()
    assert.equal(process:fileno(), sys.fileno(process))
    local info <const> = helper.read("/proc/self/fdinfo/" .. process:fileno())
    assert.matches("\nPid:%s+" .. process.pid .. "\n", info)
    assert.matches("\nflags:%s+02%d+\n", info)
  end)

  it("takes it along when it is closed", function()
    local process <const> = start()
    process:close()
    assert.equal("gone", state(process.pid))
    assert.equal("userns.process (closed)", tostring(process))
    process:close()
  end)

  it("takes it along when it leaves its scope, by whatever way", function()
    local pid
    pcall(function()
      local process <close> = start()
      pid = process.pid
      error("oh")
    end)
    assert.equal("gone", state(pid))
  end)

  it("takes it along when it is collected", function()
    local pid <const> = start().pid
    collectgarbage()
    assert.equal("gone", state(pid))
  end)

  it("takes it along when the state is closed", function()
    local pid <const> = output [[
      process = sys.clone({}, function() sys.poll({}, 100) end)
      print(process.pid)
    ]]
    assert.equal("gone", state(tonumber(pid)))
  end)

  it("takes one along that heeds no other signal and is stopped", function()
    local stubborn <const> = start(function()
      sys.exec("/bin/sh", { "sh", "-c", "trap '' TERM; kill -STOP $$" })
    end)
    repeat
    until state(stubborn.pid) == "T"
    stubborn:kill("TERM")
    stubborn:close()
    assert.equal("gone", state(stubborn.pid))
  end)

  it("reaps one that has ended", function()
    local process <const> = start(function() end)
    await_end(process)
    assert.equal("Z", state(process.pid))
    process:close()
    assert.equal("gone", state(process.pid))
  end)

  it("lets it go", function()
    assert.equal("userns.process (closed)\nruns on\n", output [[
      io.stdout:setvbuf("line")
      local reader, writer = sys.pipe()
      local process = sys.clone({}, function()
        reader:read()
        print("runs on")
      end)
      process:detach()
      print(process)
      process:close()
      process = nil
      collectgarbage()
      writer:write("x")
    ]])
  end)

  it("raises when it is closed", function()
    local process <const> = assert(sys.clone({}, sleep, { handshake = true }))
    process:close()
    for _, method in ipairs { "wait", "kill", "ready", "release", "fileno", "detach" } do
      assert.same({ "1", "the process handle is closed" }, { refusal(process[method], process) })
    end
    assert.is_true(process.pid > 0)
  end)

  it("raises for what is no handle", function()
    local process <close> = start()
    for _, method in ipairs { "wait", "kill", "ready", "release", "fileno", "close", "detach" } do
      local call <const> = process[method]
      assert.same({ "1", "userns.process expected, got FILE*" }, { refusal(call, io.stdout) })
      assert.same({ "1", "userns.process expected, got no value" }, { refusal(call) })
    end
  end)

  it("cannot be given other fields", function()
    local process <close> = start()
    assert.has_error(function() process.pid = 1 end)
  end)
end)

describe("userns.sys.pidfd_open", function()
  before_each(helper.count)
  after_each(helper.check_count)

  it("is a handle on a process that does not end with it", function()
    local process <close> = start()
    for _, go in ipairs { "close", "detach" } do
      local other <const> = assert(sys.pidfd_open(process.pid))
      assert.equal(process.pid, other.pid)
      assert.is_true(other:fileno() ~= process:fileno())
      other[go](other)
    end
    do
      local _ <close> = assert(sys.pidfd_open(process.pid))
    end
    assert(sys.pidfd_open(process.pid))
    collectgarbage()
    assert.same(TIMED_OUT, failure(process:wait(0)))
  end)

  it("signals it", function()
    local process <close> = start()
    local other <close> = assert(sys.pidfd_open(process.pid))
    assert.is_true(other:kill("TERM"))
    assert.equal("SIGTERM", ending(process).signal)
    assert.same(ENDED, failure(other:kill()))
  end)

  it("waits for a child that the host has no handle of", function()
    local pipe <const> = assert(io.popen("echo $$; exit 7"))
    local process <close> = assert(sys.pidfd_open(pipe:read("n")))
    assert.same({ exit_code = 7, core_dumped = false }, ending(process))
    assert.same({ nil, "No child processes", 10 }, { pipe:close() })
  end)

  it("waits for another's child, of which the kernel may tell nothing", function()
    local reader <close>, writer <const> = sys.pipe()
    local parent <close> = assert(sys.clone({}, function(gate)
      local child <close> = assert(sys.clone({}, function() return 7 end))
      await_end(child)
      writer:write(tostring(child.pid))
      gate:await()
    end, { handshake = true }))
    writer:close()
    local process <close> = assert(sys.pidfd_open(math.tointeger(reader:read())))
    assert.same({ core_dumped = false }, assert(process:wait()))
    parent:release()
    assert(parent:wait())
  end)

  it("says that there is no such process", function()
    assert.same(refused("pidfd_open", "pidfd_open", "ESRCH"), failure(sys.pidfd_open(NO_PID)))
  end)

  it("raises for what is no process id", function()
    local range <const> = "is out of range (1 to 2147483647)"
    assert.same({ "1", "0 " .. range }, { refusal(sys.pidfd_open, 0) })
    assert.same({ "1", "-1 " .. range }, { refusal(sys.pidfd_open, -1) })
    assert.same({ "1", "4294967297 " .. range }, { refusal(sys.pidfd_open, 1 << 32 | 1) })
    assert.same({ "1", "integer expected, got string" }, { refusal(sys.pidfd_open, "self") })
    assert.same({ "1", "integer expected, got no value" }, { refusal(sys.pidfd_open) })
  end)

  it("keeps out of the standard streams' way", function()
    assert.equal("true\n", output([[
      host.close(0)
      print(sys.pidfd_open(sys.getpid()):fileno() > 2 and sys.fileno(0) == nil)
    ]], HOST))
  end)
end)

describe("userns.sys.kill", function()
  before_each(helper.count)
  after_each(helper.check_count)

  it("signals a process by its number", function()
    local process <close> = start()
    assert.is_true(sys.kill(process.pid, "USR1"))
    assert.equal("SIGUSR1", ending(process).signal)
  end)

  it("says that there is no such process", function()
    assert.same(refused("kill", "pidfd_open", "ESRCH"), failure(sys.kill(NO_PID, "TERM")))
  end)

  it("is refused for the process of another user", function()
    -- Who is root of the host becomes another.  URG does nothing to process 1,
    -- should it be let through.
    local become <const> = helper.privilege == "root"
      and "assert(sys.setresuid(65534, 65534, 65534))\n" or ""
    assert.equal(("kill pidfd_send_signal EPERM 1 Operation not permitted\n"):rep(2),
      output(become .. [[
        local function show(_, err)
          print(("%s %s %s %d %s"):format(err.op, err.syscall, err.code, err.errno, err.message))
        end
        show(sys.kill(1, "URG"))
        show(sys.pidfd_open(1):kill("URG"))
      ]]))
  end)

  it("raises for what is no process", function()
    assert.same({ "1", "0 is out of range (1 to 2147483647)" }, { refusal(sys.kill, 0, "TERM") })
    assert.same({ "1", "-1 is out of range (1 to 2147483647)" }, { refusal(sys.kill, -1, "TERM") })
    assert.same({ "1", "integer expected, got string" }, { refusal(sys.kill, "1", "TERM") })
    assert.same({ "2", "integer expected, got no value" }, { refusal(sys.kill, NO_PID) })
  end)
end)

describe("the caller's", function()
  it("number is that of its process and its only thread", function()
    local pid <const> = math.tointeger(helper.read("/proc/self/stat"):match("^%d+"))
    assert.equal(pid, sys.getpid())
    assert.equal(pid, sys.gettid())
  end)

  it("number is another in a child", function()
    local pid <const> = sys.getpid()
    local process <close> = start(function()
      return sys.getpid() ~= pid and sys.getpid() == sys.gettid()
    end)
    assert.same({ exit_code = 0, core_dumped = false }, ending(process))
  end)

  it("threads have numbers of their own", function()
    assert.equal("true\n", output([[
      local reader, writer = sys.pipe()
      threads.start(([=[
        local sys = require "userns.sys"
        local file <close> = io.open("/proc/self/fd/%d", "w")
        file:write(sys.gettid(), " ", sys.getpid())
      ]=]):format(writer:fileno())):join()
      local tid, pid = reader:read():match("(%d+) (%d+)")
      print(tid ~= pid and math.tointeger(pid) == sys.getpid())
    ]], THREADS))
  end)

  it("environment is a map", function()
    assert.equal("1 two words x=y  nil\n", output([[
      local env = sys.environ()
      print(("%s %s %s %s %s"):format(env.A, env.B, env.C, env.D, env.E))
    ]], "env --unset=E A=1 'B=two words' C=x=y D="))
  end)
end)

describe("waiting by number", function()
  before_each(helper.count)
  after_each(helper.check_count)

  it("reaps a child", function()
    local child <close> = start(function() return 5 end)
    local status <const> = assert(sys.wait(child.pid))
    assert.equal(5, status.exit_code)
  end)

  it("takes a handle too, and a time", function()
    local child <close> = start()
    local _, err = sys.wait(child, 0)
    assert.same({ "wait", "ETIMEDOUT" }, { err.op, err.code })
    _, err = sys.wait(child.pid, 0)
    assert.same({ "wait", "ETIMEDOUT" }, { err.op, err.code })
    assert(child:kill())
    assert.equal("SIGKILL", assert(sys.wait(child)).signal)
  end)

  it("finds no process that there is not", function()
    local _, err <const> = sys.wait(NO_PID)
    assert.same({ "wait", "pidfd_open", "ESRCH" }, { err.op, err.syscall, err.code })
    assert.error_matches(function() sys.wait(0) end, "bad argument #1")
    assert.error_matches(function() sys.wait("1") end, "bad argument #1")
  end)
end)
