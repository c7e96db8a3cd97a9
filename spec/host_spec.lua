local helper <const> = require "spec.helper"

local lines <const> = helper.lines

local HOST <const> = "timeout --signal=ABRT --kill-after=10 300 build/spec/host"

-- A kernel that does not tell the status of a process that was reaped.
local OLD_KERNEL <const> = "env ASAN_OPTIONS=detect_leaks=0 strace -f -qq -o /dev/null"
  .. " -e trace=ioctl -e inject=ioctl:error=ENOTTY build/spec/host"

local PRELUDE <const> = [[
  local userns = require "userns"
  local sys = userns.sys

  local function descriptors()
    local open = {}
    for fd = 0, 255 do
      open[#open + 1] = sys.fileno(fd) and fd
    end
    return table.concat(open, " ")
  end

  local function run(process, description)
    process.stdout = process.stdout or "capture"
    return assert(assert(userns.container(description or { share = { "net" } })):run(process))
  end
]]

local function output(script, wrapper)
  return helper.output(PRELUDE .. script, wrapper or HOST)
end

-- How a program may end.
local ENDS <const> = [[
  local before = descriptors()
  local exited = run { "/bin/sh", "-c", "echo out; exit 7" }
  print(exited.ok, exited.exit_code, exited.signal, exited.stdout == "out\n")
  local killed = run { "/bin/sleep", "1000", timeout = 0.01 }
  print(killed.ok, killed.exit_code, killed.signal, killed.timed_out)
  for _, result in ipairs { exited, killed } do
    for _, d in ipairs(result.degraded) do
      print(d.feature == "status" and ("%s: %s, %s"):format(d.feature, d.used, d.reason) or nil)
    end
  end
  local box = assert(userns.container { share = { "net" }, process = { cwd = "/nonexistent" } })
  local process, err = box:spawn { "/bin/true" }
  print(process, err.op, err.code)
  assert(descriptors() == before, descriptors())
  assert(not host.has_children())
]]

local UNKNOWN <const> = "status: none, the host reaped the process, and this kernel does not tell how it ended\n"

-- What is said of the two that ended, where their statuses are known or not.
local function told(first, second)
  return lines("false\t" .. (first and "7" or "nil") .. "\tnil\ttrue",
    "false\tnil\t" .. (second and "SIGKILL" or "nil") .. "\ttrue")
    .. UNKNOWN:rep((first and 0 or 1) + (second and 0 or 1)) .. "nil\tchdir\tENOENT\n"
end

local WHOLE <const> = told(true, true)

-- Whether the kernel tells how a process ended that the host has reaped.
local TELLS <const> = helper.output("print(host.tells())", HOST) == "true\n"

local function is_one_of(value, ...)
  for _, allowed in ipairs { ... } do
    if value == allowed then
      return true
    end
  end
end

describe("a host that", function()
  for what, effect in pairs {
    ["ignores SIGCHLD"] = "host.sigchld 'ignore'",
    ["blocks SIGCHLD"] = "host.sigchld 'block'",
    ["reaps every child when SIGCHLD comes"] = "host.sigchld 'reap'",
    ["has a thread that waits for any child, and large thread-local variables"] = "host.reaper()",
  } do
    describe(what, function()
      it("learns how its programs ended", function()
        local said <const> = output(effect .. ENDS)
        if TELLS or what == "blocks SIGCHLD" then
          assert.equal(WHOLE, said)
        else -- what the host has reaped first is lost
          assert.is_true(is_one_of(said, WHOLE, told(true), told(false, true), told()), said)
        end
      end)

      it("hands neither dispositions nor mask on", function()
        local signals <const> = output(effect .. [[
          io.write(run({ "/bin/grep", "Sig[BI]", "/proc/self/status" }, { share = { "net", "pid" } }).stdout)
        ]])
        assert.equal("SigBlk:0 SigIgn:0 ", (signals:gsub("%s*0+%s", "0 ")))
      end)
    end)
  end

  it("reaps while the library does learns every status that the kernel tells, and no other", function()
    local rounds <const> = helper.rounds(1000)
    assert.equal(rounds .. " ended\n", output(([[
      local tells = host.tells()
      host.reaper()
      local box = assert(userns.container { namespaces = {} })
      for i = 1, %d do
        local result = assert(box:run { "/bin/sh", "-c", "exit " .. i %% 100 })
        assert(result.exit_code == i %% 100 or not (tells or result.exit_code or result.signal))
      end
      print("%d ended")
    ]]):format(rounds, rounds)))
  end)

  it("reaps every child sees the container's too", function()
    assert.equal("true\n", output [[
      host.sigchld "reap"
      run { "/bin/true" }
      print(host.reaped() > 0)
    ]])
  end)

  for what, effect in pairs {
    ["ignores SIGCHLD"] = "host.sigchld 'ignore'",
    ["reaps every child when SIGCHLD comes"] = "host.sigchld 'reap'",
  } do
    it(what .. " is not told a status that an older kernel keeps to itself", function()
      assert.equal(told(), output(effect .. ENDS, OLD_KERNEL))
    end)
  end
end)

describe("a host without standard streams", function()
  -- Which of 0, 1 and 2 are closed; what is said goes to descriptor 9.
  for closed = 1, 7 do
    local script, names = "", {}
    for fd = 0, 2 do
      if closed >> fd & 1 == 1 then
        script = script .. ("host.close(%d)\n"):format(fd)
        names[#names + 1] = fd
      end
    end

    it("launches with " .. table.concat(names, ", ") .. " closed", function()
      local said <const> = output("local closed = " .. closed .. "\n" .. script .. [[
        local before = descriptors()
        local description = { share = { "net", "pid" } }
        local said = sys.open("/dev/fd/9", "write")
        for _, stream in ipairs { 1, 2 } do
          local name = stream == 1 and "stdout" or "stderr"
          local script = "links=$(readlink /proc/$$/fd/0 /proc/$$/fd/1 /proc/$$/fd/2); echo \"$links\" >&" .. stream
          local links = run({ "/bin/sh", "-c", script, stdout = "inherit", [name] = "capture" }, description)[name]
          local fd = 0
          for link in links:gmatch("[^\n]+") do
            assert(link:find(fd == stream and "^pipe:" or closed >> fd & 1 == 1 and "^/dev/null$" or "."), link)
            fd = fd + 1
          end
          assert(fd == 3, links)
        end
        assert(run({ "/bin/ls", "/proc/self/fd" }, description).stdout == "0\n1\n2\n3\n")
        assert(run({ "/bin/cat", input = "in" }).stdout == "in")
        local process = assert(assert(userns.container {}):spawn { "/bin/cat", stdin = "pipe", stdout = "pipe" })
        process.stdin:write("piped")
        process.stdin:close()
        assert(process.stdout:read("a") == "piped")
        assert(process:fileno() > 2)
        assert(process:wait().exit_code == 0)
        process:close()
        said:write("launched")
        said:close()
        assert(descriptors() == before, descriptors())
      ]], "9>&1 " .. HOST)
      assert.equal("launched", said)
    end)
  end
end)

describe("a host that is interrupted", function()
  it("raises it in run, and has killed and reaped the program", function()
    local directory <const> = helper.directory()
    local result <const> = helper.lua(PRELUDE .. ([[
      local directory = %q
      local done, message = pcall(run, {
        "/bin/sh", "-c", "echo $$ >" .. directory .. "/pid; echo up >" .. directory .. "/up; exec sleep 1000",
      }, { share = { "net", "pid" } })
      print(done, message:match("interrupted!"))
      collectgarbage() -- on the way from launch to run, nothing else held it
      local pid = io.open(directory .. "/pid"):read("n")
      print(io.open("/proc/" .. pid .. "/stat"))
      error("and ends", 0)
    ]]):format(directory), ([[sh -c '
      cd %s && mkfifo up && touch pid && chmod 666 up pid || exit
      setsid "$@" &
      host=$!
      read up <%s/up
      kill -INT -$host
      wait $host
    ' sh]]):format(directory, directory))
    helper.remove(directory)
    assert.equal("false\tinterrupted!\n", result.out:match("^.-\n"))
    assert.is_truthy(result.out:find("^.-\nnil\t/proc/%d+/stat: No such file or directory\t2\n$"), result.out)
    assert.same({ "and ends", 1 }, { result.err:match("^[^\n]*lua5.4: ([^\n]*)"), result.code })
  end)
end)

describe("a host with a GiB of memory", function()
  it("is not copied to launch", function()
    assert.equal(lines("forked: true", "launched: true"), output [[
      local pages = 1 << 18
      host.grow(1 << 30)
      host.fork "exit"
      print("forked:", host.touch() > pages / 2)
      for i = 1, 10 do
        assert(run { "/bin/true" }.exit_code == 0)
        assert(run({ "/bin/true" }, { namespaces = {} }).exit_code == 0)
        assert(run({ "/bin/true" }, { init = true }).exit_code == 0)
      end
      print("launched:", host.touch() < pages / 100)
    ]]:gsub("\t", " "))
  end)
end)

describe("a copy of a host", function()
  it("takes no container along when it ends: they are the host's", function()
    assert.equal("runs on\n", output [[
      local process <close> = assert(assert(userns.container {}):spawn { "/bin/cat", stdin = "pipe", stdout = "pipe" })
      host.fork "close"
      process.stdin:write("runs on\n"):close()
      print(process.stdout:read())
      assert(process:wait().ok)
    ]])
  end)
end)

describe("several Lua states of a host", function()
  it("do not meet", function()
    assert.equal("runs on\n", output [[
      local process <close> = assert(assert(userns.container {}):spawn { "/bin/sleep", "1000" })
      host.state [=[
        local userns = require "userns"
        local box = assert(userns.container { hostname = "other" })
        assert(box:run { "/bin/hostname", stdout = "capture" }.stdout == "other\n")
        process = assert(box:spawn { "/bin/sleep", "1000" })
      ]=]
      print(select(2, process:wait(0)).code == "ETIMEDOUT" and "runs on")
      process:close()
      assert(not host.has_children())
    ]])
  end)
end)

describe("an interpreter", function()
  it("launches chunk by chunk", function()
    local result <const> = helper.lua([[
userns = require "userns"
box = userns.container { hostname = "box" }
process = box:spawn { "/bin/hostname", stdout = "capture" }
name = process:wait().stdout
process:close()
code = box:run { "/bin/sh", "-c", "exit 3" }.exit_code
print(code, name)
]], [[sh -c '"$1" -i <"$2"' sh]])
    assert.same({ "3\tbox\n", "", 0 }, { result.out:match("3\tbox\n"), result.err, result.code })
  end)

  it("launches in coroutines, which take their containers along when they are closed", function()
    assert.equal(lines("a 1", "b 1", "a 2", "b 2", "true"), output [[
      local box = assert(userns.container {})
      local function launcher(name)
        return coroutine.create(function()
          for i = 1, 2 do
            local process <close> = assert(box:spawn { "/bin/cat", input = name .. " " .. i, stdout = "capture" })
            coroutine.yield(process:wait().stdout)
          end
          local process <close> = assert(box:spawn { "/bin/sleep", "1000" })
          coroutine.yield(process)
        end)
      end
      local a, b = launcher "a", launcher "b"
      for _ = 1, 2 do
        print(select(2, assert(coroutine.resume(a))))
        print(select(2, assert(coroutine.resume(b))))
      end
      coroutine.resume(a)
      coroutine.resume(b)
      print(coroutine.close(a) and coroutine.close(b))
      assert(not host.has_children())
    ]])
  end)
end)
