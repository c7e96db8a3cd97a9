local helper <const> = require "spec.helper"

-- The script runs in the main thread of a host that starts further ones, and
-- all of it is aborted when it hangs.
local HOST <const> = ("timeout --signal=ABRT --kill-after=10 %d build/spec/threads"):format(helper.limit(120))

-- What the script and every thread begin with.
local PRELUDE <const> = [[
  local userns = require "userns"
  local sys = userns.sys

  local function count_threads()
    local file <close> = io.open("/proc/self/status")
    return math.tointeger(file:read("a"):match("Threads:%s+(%d+)"))
  end
  local alone = count_threads()

  local function eventually(holds)
    local deadline = sys.clock() + 60
    while not holds() and sys.clock() < deadline do
      sys.poll({}, 0.005)
    end
    assert(holds(), "it did not come to pass")
  end

  local function descriptors()
    local open = {}
    for fd = 0, 255 do
      open[#open + 1] = sys.fileno(fd) and fd
    end
    return table.concat(open, " ")
  end
]]

local function main(script, ...)
  return helper.lua(PRELUDE .. script:format(...), HOST)
end

local function output(script, ...)
  return helper.output(PRELUDE .. script:format(...), HOST)
end

--- A script as a literal in another.
local function thread(script)
  return ("threads.start(%q)"):format(PRELUDE .. script)
end

describe("a host with threads", function()
  it("launches from many of them, whatever locks the others hold", function()
    assert.equal("240 launched\n", output([[
      local open = descriptors()
      local list = {}
      threads.noise()
      for i = 1, 8, 2 do
        list[i] = %s
        list[i + 1] = %s
      end
      for i = 1, 8 do
        list[i]:join()
      end
      threads.quiet()
      eventually(function() return count_threads() == alone end)
      assert(descriptors() == open, descriptors())
      assert(not threads.has_children())
      print(#list * 30 .. " launched")
    ]], thread [[
      local box = assert(userns.container { hostname = "box" })
      for i = 1, 30 do
        local result = assert(box:run { "/bin/sh", "-c", "hostname; echo " .. i, stdout = "capture" })
        assert(result.ok and result.stdout == "box\n" .. i .. "\n", result.stdout)
      end
    ]], thread [[
      local box = assert(userns.container { namespaces = {} })
      for i = 1, 30 do
        local result = assert(box:run { "/bin/sh", "-c", "cat; exit 3", input = tostring(i), stdout = "capture" })
        assert(result.exit_code == 3 and result.stdout == tostring(i), result.stdout)
      end
    ]]))
  end)

  it("launches while a container of another thread runs on", function()
    assert.equal("the other still runs\n", output([[
      local long = %s
      local short = %s
      short:join()
      threads.post(2)
      long:join()
      print("the other still runs")
    ]], thread [[
      local box = assert(userns.container {})
      local process <close> = assert(box:spawn { "/bin/sleep", "1000" })
      threads.post(1)
      threads.await(2)
      assert(select(2, process:wait(0)).code == "ETIMEDOUT")
    ]], thread [[
      threads.await(1)
      local box = assert(userns.container {})
      for i = 1, 20 do
        assert(box:run { "/bin/cat", input = "x", stdout = "capture" }.stdout == "x")
      end
    ]]))
  end)

  it("launches while another thread's launch is held up", function()
    local directory <const> = helper.directory()
    assert(os.execute("cp /bin/true " .. directory))
    assert.equal("held up\nanother\nlet go\n", output([[
      local program = %q
      local lease = threads.lease(program)
      local held = %s
      threads.await_opener()
      print("held up")
      local box = assert(userns.container {})
      for i = 1, 20 do
        assert(box:run { "/bin/cat", input = "x", stdout = "capture" }.stdout == "x")
      end
      print("another")
      threads.release(lease)
      held:join()
      print("let go")
    ]], directory .. "/true", thread(([[
      local box = assert(userns.container {})
      assert(box:run { %q }.exit_code == 0)
    ]]):format(directory .. "/true"))))
    helper.remove(directory)
  end)

  for init, words in pairs { [false] = "", [true] = ", with init" } do
    it("keeps a container whose thread has ended, and takes it along when it dies" .. words, function()
      local host <const> = main([[
        local input, mine = sys.pipe()
        local theirs, output = sys.pipe()
        local source = ("local stdin, stdout, init = %%d, %%d, %s\n"):format(input:fileno(), output:fileno())
        local launcher = threads.start(source .. %q)
        launcher:join()
        eventually(function() return count_threads() == alone + 1 end)
        mine:write("alive")
        print(theirs:read())
        io.stdout:flush()
        sys.pidfd_open(math.tointeger(io.open("/proc/self/stat"):read("n"))):kill("KILL")
      ]], init, PRELUDE .. [[
        local box = assert(userns.container { init = init })
        process = assert(box:spawn { "/bin/cat", stdin = stdin, stdout = stdout })
        print(process.pid)
      ]])
      assert.equal(128 + 9, host.code)
      local pid <const> = host.out:match("^(%d+)\nalive\n$")
      assert.is_truthy(pid, host.out .. host.err)
      helper.shell(("timeout 60 sh -c 'while [ -e /proc/%s ]; do sleep 0.01; done'"):format(pid))
      assert.is_nil(io.open(("/proc/%s/stat"):format(pid)))
    end)
  end

  it("has a thread more for each container, and no longer than that lives", function()
    assert.equal("5 4 0 0\n", output([[
      local idle = %s
      threads.await(2)
      alone = count_threads()
      local box = assert(userns.container {})
      local list = {}
      for i = 1, 5 do
        list[i] = assert(box:spawn { "/bin/cat", stdin = "pipe" })
      end
      local function more(at_most)
        eventually(function() return count_threads() <= alone + at_most end)
        return count_threads() - alone
      end
      io.write(more(5))
      list[1].stdin:close()
      assert(list[1]:wait().ok)
      io.write(" ", more(4))
      for i = 2, 5 do
        list[i]:close()
      end
      io.write(" ", more(0))
      assert(not box:run { "/nonexistent" })
      print(" " .. more(0))
      threads.post(1)
      idle:join()
    ]], thread [[
      threads.post(2)
      threads.await(1)
    ]]))
  end)

  it("changes its ids while containers live", function()
    assert.equal("sleeping\n", output [[
      local box = assert(userns.container {})
      threads.noise()
      local process <close> = assert(box:spawn { "/bin/sleep", "1000" })
      threads.quiet()
      threads.noise()
      threads.quiet()
      assert(select(2, process:wait(0)).code == "ETIMEDOUT")
      print("sleeping")
    ]])
  end)

  it("kills the containers of a state that it closes, and no others", function()
    local sleeper <const> = thread [[
      process = assert(assert(userns.container {}):spawn { "/bin/sleep", "1000" })
      threads.post(1)
    ]]
    assert.equal("one of two\n", output([[
      local list = { %s, %s }
      threads.await(1)
      threads.await(1)
      list[1]:join()
      list[2]:join()
      assert(threads.has_children())
      list[1]:close()
      eventually(function() return count_threads() == alone + 1 end)
      assert(threads.has_children())
      list[2]:close()
      assert(not threads.has_children())
      print("one of two")
    ]], sleeper, sleeper))
  end)
end)

describe("a signal that comes while threads launch", function()
  local LAUNCHES <const> = thread [[
    local box = assert(userns.container {})
    for i = 1, 50 do
      assert(box:run { "/bin/true" }.exit_code == 0)
    end
  ]]

  it("is handled by the host, once and nowhere else", function()
    assert.equal("1000 handled, 0 by a child\n", output([[
      local list = { %s, %s, threads.start "threads.kill(500)", threads.start "threads.kill(500)" }
      for _, thread in ipairs(list) do
        thread:join()
      end
      print(("%%d handled, %%d by a child"):format(threads.signals()))
    ]], LAUNCHES, LAUNCHES))
  end)

  it("is not handled by a child of the host's group", function()
    assert.equal("0 by a child\n", output([[
      local list = { %s, threads.start "threads.kill_group(200)" }
      for _, thread in ipairs(list) do
        thread:join()
      end
      print(("%%d by a child"):format(select(2, threads.signals())))
    ]], thread [[
      local box = assert(userns.container {})
      for i = 1, 50 do
        local result, err = box:run { "/bin/true" }
        assert(result and result.ok or err.message == "the child was ended by SIGUSR1 while it was set up", err)
      end
    ]]))
  end)
end)
