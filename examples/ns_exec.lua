-- Joins a namespace that another program made, by its path, and runs a command
-- there: setns(2), then exec.
--
--     lua5.4 examples/ns_exec.lua /proc/PID/ns/uts uname -n
--
-- Run it as root, or as the user who made the namespace: in the user namespace
-- that it belongs to, that user has the privilege to join it. The path may also
-- be one that the namespace is mounted on (see pin_namespace.lua).
local sys <const> = require "userns.sys"

local path <const> = arg[1]
if #arg < 2 then
  io.stderr:write("usage: ns_exec.lua PATH COMMAND [ARGUMENT ...]\n")
  os.exit(2)
end

--- The user namespace that a namespace of whatever type belongs to.
local function owner()
  for _, type in ipairs(sys.namespace_types()) do
    local namespace <close> = sys.namespace(type, path)
    if namespace then
      return assert(namespace:userns())
    end
  end
end

local joined, err = sys.setns(path)
if not joined and err.code == "EPERM" then
  assert(sys.setns(owner()))
  joined, err = sys.setns(path)
end
assert(joined, err)

-- env(1) looks for the command in PATH.
assert(sys.exec("/usr/bin/env", { "env", table.unpack(arg, 2) }))
