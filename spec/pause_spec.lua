-- Containers that stand still for a while.
local helper = require "spec.helper"
local userns = require "userns"

-- Counts in a file that the host reads, in three processes: the program, one of
-- its children, and an orphan.
local COUNT <const> = [[
  count() { i=0; while :; do i=$((i + 1)); echo $i >"$1"; done; }
  (count $0/orphan &)
  count $0/child &
  echo ready
  count $0/program
]]

describe("a container that is paused", function()
  local dir

  before_each(function()
    -- in memory: a disk may take seconds for a file that is cut short and filled
    dir = helper.shell("d=$(mktemp -d -p /dev/shm) && chmod 777 $d && printf %s $d").out
    helper.count()
  end)

  after_each(function()
    helper.check_count()
    helper.remove(dir)
  end)

  local NAMES <const> = { "program", "child", "orphan" }

  local function counts()
    local list <const> = {}
    for i, name in ipairs(NAMES) do
      local file <close> = io.open(dir .. "/" .. name)
      list[i] = file and file:read("a") or ""
    end
    return list
  end

  --- The states of a process and its children, as letters.
  local function states(pid)
    local letters <const> = {}
    for _, one in ipairs(userns.sys.processes()) do
      local file <close> = io.open(("/proc/%d/stat"):format(one))
      local state <const>, parent <const> = (file and file:read("a") or ""):match("^.*%) (%a) (%d+)")
      letters[#letters + 1] = (one == pid or parent == tostring(pid)) and state or nil
    end
    return table.concat(letters)
  end

  --- Waits until each of the three has gone on.
  local function moved(before)
    for _ = 1, 10000 do
      local now <const> = counts()
      local all = true
      for i in ipairs(NAMES) do
        all = all and now[i] ~= before[i] and now[i] ~= ""
      end
      if all then
        return true
      end
      userns.sys.poll({}, 0.001)
    end
    return false
  end

  for _, init in ipairs { false, true } do
    it(("has nobody inside go on, until it is resumed%s"):format(init and ", with init" or ""), function()
      local box <const> = assert(userns.container { init = init })
      local p <close> = assert(box:spawn { "/bin/sh", "-c", COUNT, dir, stdout = "pipe" })
      assert.equal("ready", p.stdout:read())
      assert.is_true(moved(counts()))
      for _ = 1, 3 do
        assert.is_true(p:pause())
        local before <const> = counts()
        assert.truthy(states(p.pid):find("^[TZ]+$"))
        userns.sys.poll({}, 0.05)
        assert.same(before, counts())
        assert.is_true(p:resume())
        assert.is_true(moved(before))
      end
    end)
  end

  local BIRTHS <const> = {
    { "many at once", "while :; do (:) & (:); done", "^[TZ]+$" },
    -- D: waits in vfork(2) for a child that is stopped
    { "one after another, each the last one's heir", [["$0"/heir; while :; do sleep 1; done]], "^[TZD]+$" },
  }
  for _, row in ipairs(BIRTHS) do
    it("stops who is born meanwhile, " .. row[1], function()
      helper.write(dir .. "/heir", '#!/bin/sh\n"$0" &\n')
      helper.shell("chmod 755 " .. dir .. "/heir")
      local p <close> = assert(assert(userns.container {}):spawn {
        "/bin/sh", "-c", "echo ready; " .. row[2], dir, stdout = "pipe",
      })
      assert.equal("ready", p.stdout:read())
      for _ = 1, 50 do
        assert.is_true(p:pause())
        assert.truthy(states(p.pid):find(row[3]))
        assert.is_true(p:resume())
      end
    end)
  end

  it("can be killed, by a timeout too", function()
    local box <const> = assert(userns.container {})
    local p <close> = assert(box:spawn { "/bin/sleep", "60", timeout = 0.05 })
    assert.is_true(p:pause())
    local result <const> = assert(p:wait())
    assert.same({ "SIGKILL", true }, { result.signal, result.timed_out })
    local q <close> = assert(box:spawn { "/bin/sleep", "60" })
    assert.is_true(q:pause())
    q:kill()
    assert.equal("SIGKILL", q:wait().signal)
  end)

  it("is not one that has ended", function()
    local p <close> = assert(assert(userns.container {}):spawn { "/bin/true" })
    p:wait()
    for _, op in ipairs { "pause", "resume" } do
      local ok <const>, err <const> = p[op](p)
      assert.is_nil(ok)
      assert.same({ op = op, code = "ESRCH", message = "the process has ended" }, helper.fields(err))
    end
  end)

  it("leaves others alone", function()
    local other <close> = assert(assert(userns.container {}):spawn { "/bin/sleep", "60" })
    local p <close> = assert(assert(userns.container {}):spawn { "/bin/sleep", "60" })
    assert.is_true(p:pause())
    assert.not_equal("T", states(other.pid))
    assert.equal("T", states(p.pid))
  end)
end)
