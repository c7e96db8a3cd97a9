local helper <const> = require "spec.helper"
local sys <const> = require "userns.sys"

-- For throw-away processes, which USR1 would end.
local PRELUDE <const> = [[
  local assert = require "luassert"
  local helper = require "spec.helper"
  local sys = require "userns.sys"

  local function send()
    assert(sys.kill(sys.getpid(), "USR1"))
  end

  -- whether the thread has USR1, 10, blocked
  local function blocked()
    local mask = helper.read("/proc/thread-self/status"):match("SigBlk:%s+(%x+)")
    return tonumber(mask, 16) >> 9 & 1 == 1
  end
]]

local function alone(script, wrapper)
  return helper.lua(PRELUDE .. script, wrapper or "env --default-signal=USR1")
end

local function done(script, wrapper)
  assert.same({ out = "", err = "", code = 0 }, alone(script, wrapper))
end

describe("userns.sys.hold_signal", function()
  before_each(helper.count)
  after_each(helper.check_count)

  it("keeps a signal from coming until the handle is closed", function()
    done [[
      local hold = assert(sys.hold_signal "USR1")
      assert.is_true(blocked())
      assert.is_false(sys.poll({ { fd = hold } }, 0)[1])
      assert.is_false(hold:take())
      hold:close()
      hold:close()
      assert.is_false(blocked())
    ]]
    local result <const> = alone [[
      local hold = assert(sys.hold_signal "SIGUSR1")
      send()
      io.write("held\n"):flush()
      hold:close()
      print "never"
    ]]
    assert.same({ "held\n", 128 + 10 }, { result.out, result.code })
  end)

  it("tells that it has come, and from whom", function()
    done [[
      local hold <close> = assert(sys.hold_signal(10))
      send()
      assert.is_true(sys.poll({ { fd = hold } })[1])
      assert.equal("process", hold:take())
      assert.is_false(hold:take())
      hold:settle()
    ]]
  end)

  it("gives back what was taken and not settled", function()
    for _, last in ipairs {
      "hold:close()", "hold = nil collectgarbage()", "hold:settle() send() hold:take() hold:close()",
    } do
      assert.equal(128 + 10, alone(([[
        local hold = assert(sys.hold_signal "USR1")
        send()
        hold:take()
        %s
      ]]):format(last)).code)
    end
  end)

  it("lets it come for a while", function()
    done [[
      local hold = assert(sys.hold_signal "USR1")
      hold:release()
      assert.is_false(blocked())
      hold:hold()
      assert.is_true(blocked())
      hold:release()
      hold:close()
      assert.is_false(blocked())
    ]]
  end)

  it("holds nothing that the host ignores or blocks", function()
    for _, word in ipairs { "ignore", "block" } do
      done([[
        assert.is_false(sys.hold_signal "USR1")
        collectgarbage()
        send()
      ]] .. ("assert.equal(%s, blocked())"):format(word == "block"), ("env --%s-signal=USR1"):format(word))
    end
  end)

  it("fails where there is no descriptor left", function()
    done([[
      local limit = {}
      repeat
        local fd, err = sys.dup(0)
        limit[#limit + 1] = fd
      until err
      local hold, err = sys.hold_signal "USR1"
      limit = nil
      collectgarbage()
      assert.is_nil(hold)
      assert.same(helper.errno("EMFILE", { op = "hold_signal", syscall = "signalfd" }), helper.fields(err))
      assert.is_false(blocked())
    ]], "sh -c 'ulimit -n 32; exec \"$@\"' sh")
  end)

  it("raises what is wrong with the call", function()
    local function refusal(...)
      return select(2, pcall(sys.hold_signal, ...)):match("bad argument #1 to '[^']*' %((.*)%)")
    end
    assert.equal("unknown signal 'NONE'", refusal "NONE")
    for _, signal in ipairs { "KILL", "STOP", 32 } do
      assert.equal("the signal cannot be held", refusal(signal))
    end
    assert.is_string(refusal(0))
    local hold <const> = assert(sys.hold_signal "USR1")
    hold:close()
    for _, name in ipairs { "fileno", "take", "settle", "release", "hold" } do
      assert.truthy(select(2, pcall(hold[name], hold)):find("the hold is closed", 1, true), name)
    end
  end)
end)

describe("userns.sys.signal_number", function()
  it("is the kernel's number of a signal", function()
    assert.equal(9, sys.signal_number "KILL")
    assert.equal(15, sys.signal_number "SIGTERM")
    assert.equal(35, sys.signal_number(35))
  end)

  it("raises for what is no signal", function()
    for value, message in pairs { NOPE = "unknown signal 'NOPE'", [0] = "out of range", [true] = "integer expected" } do
      local ok <const>, raised = pcall(sys.signal_number, value)
      assert.is_false(ok)
      assert.matches(message, raised, 1, true)
    end
  end)
end)
