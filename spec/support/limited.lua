-- limited.lua FILE NAME LIMIT VALUE: sets itself a resource limit, launches one of
-- full.lua's containers and writes to a file what came of it: "ok" or "op syscall
-- code".  Then it waits, so that one can look at what it has left.
local full = require "spec.support.full"
local sys = require "userns.sys"
local userns = require "userns"

local path <const>, name <const>, limit <const>, value = ...

local function open_descriptors()
  local list <const> = {}
  for fd = 0, 40 do
    list[#list + 1] = sys.fileno(fd)
  end
  return table.concat(list, " ")
end

--- Of the address space the value is what may be added to it.
local function address_space()
  local status <close> = assert(io.open("/proc/self/status"))
  return math.tointeger(status:read("a"):match("VmSize:%s+(%d+)")) * 1024
end

local box <const> = assert(userns.container(full[name]))
local program <const> = full[name].process
local file <const> = assert(io.open(path, "w"))
local before <const> = open_descriptors()

value = math.tointeger(value) + (limit == "as" and address_space() or 0)
assert(os.execute(("prlimit --pid $PPID --%s=%d:"):format(limit, value)))
local _, result, err = pcall(box.run, box, program)
collectgarbage()
file:write(type(result) == "string" and result or err and ("%s %s %s"):format(err.op, err.syscall, err.code) or "ok",
  open_descriptors() == before and "" or ", descriptors left", "\n")
file:close()
sys.poll({}, 30)
