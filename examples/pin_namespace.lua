-- A namespace lasts as long as a process is in it, or as long as its file is
-- mounted somewhere: here a process makes a uts namespace, sets a host name and
-- ends; then another one joins what has been left.
--
--     lua5.4 examples/pin_namespace.lua
--
-- Run it as root or as anybody. The mount is made in a mount namespace of its
-- own, out of the host's sight; who may not make one makes a user namespace with
-- it, and is privileged there.
local sys <const> = require "userns.sys"

local path <const> = os.tmpname()

local function make(gate)
  assert(sys.sethostname("bizarro"))
  gate:ready()
  gate:await()
end

local function look()
  assert(sys.setns(path))
  print("A process that joined it finds the host name " .. sys.gethostname())
end

local function main()
  assert(sys.mount { target = "/", options = "rprivate" })

  local maker <close> = assert(sys.clone("uts", make, { handshake = true }))
  assert(maker:ready())
  do
    local namespace <close> = assert(sys.namespace("uts", maker))
    assert(namespace:pin(path))
  end
  maker:release()
  maker:wait()
  print(("Process %d has ended. Its namespace is mounted on %s"):format(maker.pid, path))

  assert(sys.clone({}, look)):wait()

  print("Press Enter to unmount it. Meanwhile, in another terminal:")
  print(("  lua5.4 examples/ns_exec.lua /proc/%d/root%s uname -n"):format(sys.getpid(), path))
  io.read()
  local namespace <close> = assert(sys.namespace("uts", path))
  assert(namespace:unpin(path))
end

-- Several processes write, each a line at a time.
io.stdout:setvbuf("line")

local child, err = sys.clone("mnt", main)
if not child and err.code == "EPERM" then
  child, err = sys.clone({ "user", "mnt" }, main)
end
assert(child, err)
os.exit(child:wait().exit_code == 0)
