-- victim.lua FIFO NAME [SYSCALL COUNT]: launches one of full.lua's containers once
-- it is traced, and prints what came of it, as a Lua table.  Every process counts
-- its system calls from where the tracer came upon it: this one makes COUNT of its
-- own before the launch, so that an injected fault meets the child's.
local full = require "spec.support.full"
local helper = require "spec.helper"
local sys = require "userns.sys"
local userns = require "userns"

local fifo <const>, name <const>, syscall <const>, count <const> = ...

local status <const> = assert(io.open("/proc/self/status"))
status:setvbuf("no")

local function tracer()
  status:seek("set")
  return math.tointeger((status:read("a") or "TracerPid: 0"):match("TracerPid:%s+(%d+)"))
end

local function wait_for_tracer()
  io.open(fifo, "w"):close()
  while tracer() == 0 do
    sys.poll({}, 0.001)
  end
end

local function send_tracer_away()
  local strace <close> = assert(sys.pidfd_open(tracer()))
  strace:kill("INT")
  while tracer() ~= 0 do
    sys.poll({}, 0.001)
  end
end

local null <const> = assert(io.open("/dev/null", "w"))
null:setvbuf("no")
local held <const> = {}

-- What both the child and this process call during a launch.  That one of these
-- fails means nothing.
local PADS <const> = {
  openat = function()
    local file <close> = io.open("/dev/null")
    return file ~= nil
  end,
  read = function()
    status:seek("set")
    return status:read("a") ~= nil
  end,
  write = function()
    return null:write("x")
  end,
  fcntl = function()
    return sys.fileno(0)
  end,
  mmap = function()
    held[#held + 1] = ("x"):rep(1 << 20)
  end,
  clone3 = function()
    return os.execute("exit")
  end,
}

local function serialise(value)
  if type(value) ~= "table" then
    return type(value) == "userdata" and "false" or ("%q"):format(value)
  end
  local words <const> = {}
  for key, entry in pairs(value) do
    words[#words + 1] = ("[%q]=%s"):format(key, serialise(entry))
  end
  return "{" .. table.concat(words, ",") .. "}"
end

local box <const> = assert(userns.container(full[name]))
local program <const> = full[name].process
local plan <const> = assert(box:plan(program))
local kept <const> = {} -- until the end
helper.count()
wait_for_tracer()
-- A tracer that has come may not count yet: what tells of its refusal is called
-- until it was refused.
local TELLS <const> = { openat = true, read = true, write = true, fcntl = true }
local most <const> = PADS[syscall] and (TELLS[syscall] and 10000 or count) or 0
for i = 1, most do
  kept[i] = PADS[syscall]() or false
  if TELLS[syscall] and not kept[i] then
    break
  end
end
local result, err = box:run(program)
send_tracer_away()
local clean <const>, left = pcall(helper.check_count)
print("return " .. serialise {
  pads = #kept, plan = plan, result = result, error = err and helper.fields(err),
  left = not clean and tostring(left) or nil,
})
