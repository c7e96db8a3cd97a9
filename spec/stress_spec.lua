local helper <const> = require "spec.helper"

local THREADS <const> = "timeout --signal=ABRT --kill-after=10 300 build/spec/threads"

local PRELUDE <const> = [[
  local userns = require "userns"
  local sys = userns.sys

  local function status(field)
    local file <close> = io.open("/proc/self/status")
    return math.tointeger(file:read("a"):match(field .. ":%s+(%d+)"))
  end

  local function descriptors()
    local open = {}
    for fd = 0, 1023 do
      open[#open + 1] = sys.fileno(fd) and fd
    end
    return table.concat(open, " ")
  end

  local function children()
    local own, count = sys.getpid(), 0
    for _, pid in ipairs(sys.processes()) do
      local file <close> = io.open(("/proc/%d/stat"):format(pid))
      local parent = file and (file:read("a") or ""):match("^.*%) %a (%d+)")
      count = count + (math.tointeger(parent) == own and 1 or 0)
    end
    return count
  end

  local function mappings()
    local count = 0
    for _ in io.lines("/proc/self/maps") do
      count = count + 1
    end
    return count
  end
]]

describe("a host that launches", function()
  local LAUNCHES <const> = helper.rounds(helper.privilege == "userns" and 2000 or 5000)

  it(LAUNCHES .. " containers one after another is in the end what it was after the first hundred", function()
    assert.equal("no growth\n", helper.output(PRELUDE .. ([[
      local box = assert(userns.container { share = { "net" }, hostname = "box" })
      local broken = assert(userns.container { share = { "net" }, process = { cwd = "/nonexistent" } })
      local function launch(count)
        for i = 1, count do
          if i %% 10 == 0 then
            assert(not broken:run { "/bin/true" })
          end
          assert(assert(box:run { "/bin/echo", tostring(i), stdout = "capture" }).stdout == i .. "\n")
        end
        collectgarbage()
        collectgarbage()
      end
      launch(100)
      local before = {
        descriptors = descriptors(), children = children(), threads = status("Threads"), mappings = mappings(),
      }
      local resident = status("VmRSS")
      collectgarbage()
      local count = collectgarbage("count")
      launch(%d)
      local grown = collectgarbage("count") - count
      assert(descriptors() == before.descriptors, descriptors())
      assert(children() == before.children, children())
      assert(status("Threads") == before.threads)
      assert(mappings() <= before.mappings + 16, mappings())
      -- A sanitizer holds back what was freed.
      local allowed = os.getenv "ASAN_OPTIONS" and 512 * 1024 or 1024
      assert(status("VmRSS") < resident + allowed, status("VmRSS") - resident)
      assert(grown < 128, grown)
      print("no growth")
    ]]):format(LAUNCHES)))
  end)

  local LIVE <const> = [[
    local idle = threads and threads.start "threads.await(1)"
    local alive, count = {}, COUNT
    local threads_before, open = status("Threads"), descriptors()
    local box = assert(userns.container { share = { "net" } })
    for i = 1, count do
      alive[i] = assert(box:spawn { "/bin/sh", "-c", "read code; exit $code", stdin = "pipe" })
    end
    assert(children() == count)
    assert(status("Threads") == threads_before + (threads and count or 0))
    local entries, codes = {}, {}
    for i, process in ipairs(alive) do
      process.stdin:write(i % 100, "\n"):close()
      entries[i], codes[process] = { fd = process }, i % 100
    end
    local ended = 0
    while #entries > 0 do
      local ready = assert(sys.poll(entries))
      for i = #entries, 1, -1 do
        if ready[i] then
          local process = table.remove(entries, i).fd
          assert(process:wait(0).exit_code == codes[process])
          process:close()
          ended = ended + 1
        end
      end
    end
    while status("Threads") > threads_before do
      sys.poll({}, 0.01)
    end
    assert(children() == 0 and descriptors() == open)
    print(ended .. " ended")
    if idle then
      threads.post(1)
      idle:join()
    end
  ]]

  local function check_live(count, wrapper)
    assert.equal(count .. " ended\n", helper.output(PRELUDE .. LIVE:gsub("COUNT", count), wrapper))
  end

  -- Each has a descriptor, and here another for its input.
  it("a thousand containers at once waits for all of them in one loop", function()
    check_live(helper.rounds(1000), [[sh -c 'ulimit -S -n 4096; exec "$@"' sh]])
  end)

  it("hundreds of containers at once, in a host with threads, too", function()
    check_live(helper.rounds(300), THREADS)
  end)
end)
