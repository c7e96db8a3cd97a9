-- The program of "Namespaces in operation, part 2": clone(2) makes a child with
-- a uts namespace of its own. The child sets the host name there and prints what
-- uname(2) says; the parent prints its own, which has not changed.
--
--     lua5.4 examples/demo_uts_namespaces.lua bizarro
--
-- Run it as root or as anybody: who may not make a uts namespace makes a user
-- namespace with it, and is privileged there. The child lives until you press
-- Enter, so that its namespace can be looked at and joined (see ns_exec.lua).
local sys <const> = require "userns.sys"

local name <const> = arg[1] or "bizarro"

local function child_main(gate)
  gate:await()
  assert(sys.sethostname(name))
  print("uts.nodename in child:  " .. sys.uname().nodename)
  gate:ready()
  gate:await()
end

-- Parent and child write in turn, each a line at a time.
io.stdout:setvbuf("line")

local child, err = sys.clone("uts", child_main, { handshake = true })
if not child and err.code == "EPERM" then
  child, err = sys.clone({ "user", "uts" }, child_main, { handshake = true })
end
assert(child, err)

print("PID of child created by clone() is " .. child.pid)
assert(child:release())
assert(child:ready())
print("uts.nodename in parent: " .. sys.uname().nodename)

print("Press Enter to end the child. Meanwhile, in another terminal:")
print(("  lua5.4 examples/ns_exec.lua /proc/%d/ns/uts uname -n"):format(child.pid))
io.read()
child:release()
child:wait()
