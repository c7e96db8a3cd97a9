-- Programs that pass the packets of a net namespace on to the caller's sockets:
-- pasta(1) and slirp4netns(1), told to do the same.  Nothing of the host is
-- reachable through them that is not meant to be, and they take what they do not
-- need off themselves.
local sys = require "userns.sys"
local tool = require "userns.tool"

local uplink = {}

--- Each has the descriptor that it writes to when it is ready, and its arguments.
local PROGRAMS <const> = {
  -- With -P it writes its pid when all is done; -f keeps it where it can be
  -- waited for.  As root it would become nobody, who may not join the child.
  pasta = {
    ready = 1,
    arguments = function(step, pid)
      local list <const> = {
        "pasta", "-f", "-q", "-e", "--config-net", "-I", "tap0", "-a", "10.0.2.100", "-n", "24", "-g", "10.0.2.2",
        "--dns-forward", "10.0.2.3", "-t", "none", "-u", "none", "-T", "none", "-U", "none", "-P", "/proc/self/fd/1",
      }
      if sys.getresuid() == 0 then
        table.move({ "--runas", "0" }, 1, 2, #list + 1, list)
      end
      list[#list + 1] = not step.host_loopback and "--no-map-gw" or nil
      list[#list + 1] = tostring(pid)
      return list
    end,
  },
  slirp4netns = {
    ready = 3,
    arguments = function(step, pid)
      local list <const> = {
        "slirp4netns", "--configure", "--mtu=65520", "--enable-sandbox", "--enable-seccomp", "--ready-fd=3",
      }
      list[#list + 1] = not step.host_loopback and "--disable-host-loopback" or nil
      table.move({ tostring(pid), "tap0" }, 1, 2, #list + 1, list)
      return list
    end,
  },
}

--- One that ended by itself while the container ran left it without a network;
--- that it ends well when the container has ended is its right.
local function note_end(result, step, status)
  if not result or not status or status.exit_code == 0 then
    return
  end
  table.insert(result.degraded, {
    feature = step.source, used = "none",
    reason = ("%s ended before the program: %s"):format(step.type, status.signal or "exit status " .. status.exit_code),
  })
end

--- Starts the program for the child's namespaces and waits until they have an
--- uplink; the program ends with the child.
---@param step userns.Step
---@param pid integer the child
---@param parent userns.Parent
---@return true? ok
---@return userns.Error? err EUPLINK, with what the program said
function uplink.start(step, pid, parent)
  local known <const>, unknown <const> = tool.check_proc "uplink"
  if not known then
    return nil, unknown
  end
  local program <const> = PROGRAMS[step.type]
  local helper <const>, err = tool.start(step.path, program.arguments(step, pid), program.ready)
  if not helper then
    return nil, err
  end
  parent:defer(function(result)
    note_end(result, step, helper:wait(0))
    helper:close()
  end)
  local ok <const>, said = helper:ready()
  if ok then
    return true
  end
  return nil, sys.error { op = "uplink", code = "EUPLINK", path = step.path, message = said }
end

return uplink
