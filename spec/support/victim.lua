-- victim.lua FIFO NAME [PADS]: launches one of full.lua's containers once it is
-- traced, and prints what came of it, as a Lua table.  Every process counts its
-- system calls from where the tracer came upon it: this one makes so many of its
-- own before the launch that an injected fault meets the child's.
local full = require "spec.support.full"
local helper = require "spec.helper"
local sys = require "userns.sys"
local userns = require "userns"

local fifo <const>, name <const>, pads <const> = ...

local function wait_for_tracer()
  local status <close> = assert(io.open("/proc/self/status"))
  status:setvbuf("no")
  io.open(fifo, "w"):close()
  repeat
    sys.poll({}, 0.001)
    status:seek("set")
  until not (status:read("a") or "TracerPid:\t0\n"):find("TracerPid:\t0\n", 1, true)
end

-- What both the child and this process call during a launch.  Their failures
-- mean nothing.
local PADS <const> = {
  calls = function()
    local null <close> = io.open("/dev/null", "w")
    sys.fileno(0)
    return null and null:setvbuf("no") and null:write("x")
  end,
  memory = function()
    return ("x"):rep(1 << 20)
  end,
  clone = function()
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
local program <const> = full[name].process or full.program
local plan <const> = assert(box:plan(program))
helper.count()
local kept <const> = {}
wait_for_tracer()
for pad in (pads or ""):gmatch("%a+") do
  for i = 1, pad == "calls" and 40 or pad == "memory" and 6 or 1 do
    kept[i] = PADS[pad]()
  end
end
local result, err = box:run(program)
local clean <const>, left = pcall(helper.check_count)
print("return " .. serialise {
  plan = plan, result = result, error = err and helper.fields(err), left = not clean and tostring(left) or nil,
})
