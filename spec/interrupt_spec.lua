-- What a SIGINT to the host means for a program that it runs, and for the host.
local helper = require "spec.helper"
local sys = require "userns.sys"
local userns = require "userns"

-- The host says who it is, and shows what comes of its runs.
local PRELUDE <const> = [[
  local helper = require "spec.helper"
  local sys = require "userns.sys"
  local userns = require "userns"
  io.stdout:setvbuf "no"
  print(sys.getpid())

  local function holds()
    local mask = helper.read("/proc/thread-self/status"):match("SigBlk:%s+(%x+)")
    return tonumber(mask, 16) >> 1 & 1 == 1
  end

  local function box(description)
    description.hooks = description.hooks or {
      exited = function(_, result) print(result.exit_code or result.signal, result.timed_out) end,
    }
    return assert(userns.container(description))
  end

  local function shell(script, kill_after)
    return { "/bin/sh", "-c", script, kill_after = kill_after or 1000 }
  end

  -- Without a handler: a shell that is given its script by -c has one.
  local function stubborn(kill_after)
    return { "/bin/sh", input = "echo ready; exec sleep 1000\n", kill_after = kill_after or 1000 }
  end

  local function try(fn, ...)
    helper.count()
    local ok, message = pcall(fn, ...)
    print(ok, ok or message:match("interrupted!"), holds())
    collectgarbage()
    helper.check_count()
  end
]]

---@class Host
---@field pid integer
---@field pipe file*
---@field path string
local Host <const> = {}
Host.__index = Host

--- Starts a host that is interrupted as usual, or another interpreter's.
local function host(script, interpreter)
  local path <const> = os.tmpname()
  helper.write(path, PRELUDE .. script)
  local pipe <const> = assert(io.popen(("LUA_PATH=%s LUA_CPATH=%s exec env %s %s 2>&1"):format(
    helper.quote(package.path), helper.quote(package.cpath), interpreter or "--default-signal=INT lua5.4", path)))
  return setmetatable({ pid = math.tointeger(pipe:read("n", "l")), pipe = pipe, path = path }, Host)
end

--- Interrupts the host once it, or its program, has said something.
function Host:interrupt_after(said)
  assert.equal(said, self.pipe:read("l"))
  assert(sys.kill(self.pid, "INT"))
end

--- What else is said, and the host's exit status.
function Host:rest()
  local text <const> = self.pipe:read("a")
  local _, why, code = self.pipe:close()
  os.remove(self.path)
  return { text, why == "signal" and 128 + code or code }
end

describe("an interruption during run", function()
  it("is for the program: one that handles it and exits ends nothing else", function()
    for _, description in ipairs { "{}", "{ init = true }", "{ namespaces = {} }" } do
      local process <const> = host(([[
        try(function()
          box(%s):run(shell "trap 'exit 5' INT; echo ready; while :; do sleep 0.01; done")
          print "goes on"
        end)
      ]]):format(description))
      process:interrupt_after "ready"
      assert.same({ "5\tfalse\ngoes on\ntrue\ttrue\tfalse\n", 0 }, process:rest())
    end
  end)

  it("comes to the host after a program that it has ended", function()
    local process <const> = host [[
      try(function() box { init = true }:run(stubborn()) end)
      try(function() box { init = true }:run { "/bin/true" } end)
    ]]
    process:interrupt_after "ready"
    assert.same({ "SIGINT\tfalse\nfalse\tinterrupted!\tfalse\n0\tfalse\ntrue\ttrue\tfalse\n", 0 }, process:rest())
  end)

  it("comes to the host after a process 1 that ends as if it had ended it", function()
    local process <const> = host [[
      try(function() box {}:run(shell "trap 'exit 130' INT; echo ready; while :; do sleep 0.01; done") end)
    ]]
    process:interrupt_after "ready"
    assert.same({ "130\tfalse\nfalse\tinterrupted!\tfalse\n", 0 }, process:rest())
  end)

  it("ends a host that does not catch it", function()
    local process <const> = host [[ box { init = true }:run(stubborn()) print "never" ]]
    process:interrupt_after "ready"
    local text <const>, code <const> = table.unpack(process:rest())
    assert.same({ "SIGINT\tfalse", 1 }, { text:match("^[^\n]*"), code })
    assert.truthy(text:find("^[^\n]*\n[^\n]*lua5.4: [^\n]*interrupted!\n"), text)
  end)

  it("ends a host that has no handler, after the program", function()
    local process <const> = host([[ box { init = true }:run(stubborn()) print "never" ]],
      "--default-signal=INT build/spec/host lua5.4")
    process:interrupt_after "ready"
    assert.same({ "SIGINT\tfalse\n", 128 + 2 }, process:rest())
  end)

  it("kills a program that cannot get it, or makes nothing of it, when its time is over", function()
    for _, run in ipairs {
      "box {}:run(stubborn(0.05))",
      [[box { init = true }:run(shell("trap '' INT; echo ready; exec sleep 1000", 0.05))]],
    } do
      local process <const> = host(("try(function() %s end)"):format(run))
      process:interrupt_after "ready"
      assert.same({ "SIGKILL\tfalse\nfalse\tinterrupted!\tfalse\n", 0 }, process:rest())
    end
  end)

  it("kills it the second time", function()
    for _, description in ipairs { "{}", "{ init = true }" } do
      local process <const> = host(([[
        try(function()
          box(%s):run(shell "trap 'echo handled' INT; echo ready; while :; do sleep 0.01; done")
        end)
      ]]):format(description))
      process:interrupt_after "ready"
      process:interrupt_after "handled"
      assert.same({ "SIGKILL\tfalse\nfalse\tinterrupted!\tfalse\n", 0 }, process:rest())
    end
  end)

  it("leaves alone what the host ignores or blocks", function()
    -- lua5.4 would catch it
    for interpreter, held in pairs {
      ["--ignore-signal=INT build/spec/host lua5.4"] = false,
      ["--block-signal=INT lua5.4"] = true,
    } do
      local directory <const> = helper.directory()
      local process <const> = host(([[
        try(function()
          box { init = true }:run(shell "echo ready; until [ -e %s/go ]; do sleep 0.01; done; exit 3")
        end)
      ]]):format(directory), interpreter)
      process:interrupt_after "ready"
      helper.write(directory .. "/go", "")
      assert.same({ ("3\tfalse\ntrue\ttrue\t%s\n"):format(held), 0 }, process:rest())
      helper.remove(directory)
    end
  end)

  it("is the host's as ever in hooks", function()
    local process <const> = host [[
      local hooks = {}
      for _, name in ipairs { "created", "mapped", "before_exec", "exited" } do
        hooks[name] = function() print(name, holds()) end
      end
      try(function() box { hooks = hooks }:run(shell "grep SigBlk: /proc/self/status") end)
      hooks.created = function()
        print "ready"
        sys.poll({}, 1000)
        print(pcall(sys.poll, {}, 1000))
      end
      local result, err = box { hooks = hooks }:run(shell "echo never")
      print(result, err.code, err.field, err.message:match("interrupted!"), holds())
    ]]
    for _, line in ipairs {
      "created\tfalse", "mapped\tfalse", "before_exec\tfalse", "SigBlk:\t0000000000000000", "exited\tfalse",
      "true\ttrue\tfalse",
    } do
      assert.equal(line, process.pipe:read("l"))
    end
    process:interrupt_after "ready"
    assert.same({ "nil\tECANCELED\thooks.created\tinterrupted!\tfalse\n", 0 }, process:rest())
  end)

  it("is the host's as ever after a launch that fails", function()
    assert.same({ "nil\tENOENT\ntrue\ttrue\tfalse\n", 0 }, host([[
      try(function()
        local result, err = box {}:run { "/nonexistent" }
        print(result, err.code)
      end)
    ]]):rest())
  end)
end)

describe("a terminal's key for it", function()
  before_each(helper.count)
  after_each(helper.check_count)

  --- What a host on a terminal shows after the key.
  local function shown(run)
    local path <const> = os.tmpname()
    helper.write(path, PRELUDE .. ([[
      local process = shell "trap 'exit 5' INT; echo ready; while :; do sleep 0.01; done"
      try(function() %s end)
    ]]):format(run))
    local outer <const> = assert(userns.container {
      namespaces = {}, capabilities = sys.getcaps().permitted, no_new_privs = false,
    })
    local process <close> = assert(outer:spawn {
      "/usr/bin/env", "lua5.4", path,
      env = { LUA_PATH = package.path, LUA_CPATH = package.cpath }, terminal = true, timeout = 60,
    })
    local lines = {}
    repeat
      local line <const> = process.terminal:read("l")
      lines[#lines + 1] = line and line:gsub("\r", ""):gsub("^%^C", "")
      if lines[#lines] == "ready" then
        lines = {}
        process.terminal:write("\3")
      end
    until not line
    os.remove(path)
    return lines
  end

  it("is handed on to a program with a session of its own", function()
    assert.same({ "5\tfalse", "true\ttrue\tfalse" }, shown "box {}:run(process)")
  end)

  it("is not for a second time to a program that it reaches itself", function()
    assert.same({ "5\tfalse", "true\ttrue\tfalse" }, shown "box { new_session = false }:run(process)")
    -- from a session of its own making it would be told by the host alone
    assert.same({ "SIGKILL\tfalse", "false\tinterrupted!\tfalse" }, shown [[
      table.insert(process, 1, "/usr/bin/setsid")
      process.kill_after = 0.05
      box { new_session = false }:run(process)
    ]])
  end)
end)

describe("an interruption during wait", function()
  it("is the host's", function()
    local process <const> = host [[
      try(function()
        local process <close> = assert(box {}:spawn(stubborn()))
        process:wait()
      end)
    ]]
    process:interrupt_after "ready"
    assert.same({ "false\tinterrupted!\tfalse\n", 0 }, process:rest())
  end)
end)
