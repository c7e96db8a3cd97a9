-- The processes below one.  In a pid namespace that is everybody: who loses a
-- parent gets its process 1 as a new one.
local sys = require "userns.sys"

local tree = {}

--- What proc(5) says of a process; nil when it is gone.
local function look(pid)
  local file <close> = io.open(("/proc/%d/stat"):format(pid))
  local state, parent = (file and file:read("a") or ""):match("^.*%) (%a) (%d+)")
  return state and { state = state, parent = math.tointeger(parent) }
end

--- A process and all below it, as they are now, in one order.
---@return { pid: integer, parent: integer, state: string }[]? list
---@return boolean|userns.Error is_whole false where somebody went away while it was read:
---  whose parent, nobody can tell
local function members(root)
  local seen <const>, is_whole = {}, true
  local pids <const>, err <const> = sys.processes()
  if not pids then
    return nil, err
  end
  for i = #pids, 1, -1 do -- the youngest live shortest
    seen[pids[i]] = look(pids[i])
    is_whole = is_whole and seen[pids[i]] ~= nil
  end
  local below <const> = { [root] = true }
  local function is_below(pid)
    if below[pid] == nil then
      below[pid] = false -- for who is its own ancestor while the list is read
      below[pid] = seen[pid] ~= nil and is_below(seen[pid].parent)
    end
    return below[pid]
  end
  local list <const> = {}
  for _, pid in ipairs(pids) do
    if seen[pid] and is_below(pid) then
      seen[pid].pid = pid
      list[#list + 1] = seen[pid]
    end
  end
  return list, is_whole
end

--- Sends a signal to a process that is still the one that was seen.
local function send(what, signal)
  local process <close> = sys.pidfd_open(what.pid)
  local now <const> = process and look(what.pid)
  if now and now.parent == what.parent then
    return process:kill(signal)
  end
  return true -- gone, or found under another parent the next time
end

-- Who runs no code of its own: stopped, traced or dead.
local QUIET <const> = { T = true, t = true, Z = true, X = true }

local PATIENCE <const> = 1 -- seconds
local NAP <const> = 0.001

-- After so many seconds it is somebody else's processes that come and go, and who is
-- still in an uninterruptible call is quiet as well: a parent in vfork(2) stays there
-- as long as its child is stopped.
local DOUBT <const> = 0.3

local function is_quiet(what, is_late)
  return QUIET[what.state] or what.state == "D" and is_late
end

--- Stops those of a list that are not quiet.
---@return string|false|nil stood who was quiet, as a word; false when somebody had to be stopped
---@return userns.Error? err
local function stop_all(list, is_late)
  local pids <const>, running = {}, false
  for i, what in ipairs(list) do
    pids[i] = what.pid
    if not is_quiet(what, is_late) then
      running = true
      local ok <const>, err <const> = send(what, "STOP")
      if not ok and err.code ~= "ESRCH" then
        return nil, err
      end
    end
  end
  return not running and table.concat(pids, " ")
end

--- Stops a process and all below it; whoever is born meanwhile too.
---@param root integer its pid
---@return true? ok
---@return userns.Error? err EPERM; ETIMEDOUT: some go on being born, and those that were stopped stay so
---@source signal(7)
function tree.stop(root)
  local began <const>, last = sys.clock(), false
  repeat
    local is_late <const> = sys.clock() >= began + DOUBT
    local list <const>, is_whole <const> = members(root)
    if not list then
      return nil, is_whole
    end
    local stood <const>, err <const> = stop_all(list, is_late)
    if stood == nil then
      return nil, err
    end
    -- A list is not taken in one moment: who was born while it was read is in the next.
    local is_all <const> = is_whole or is_late
    if is_all and stood and stood == last then
      return true
    end
    last = is_all and stood
    sys.poll({}, NAP)
  until sys.clock() >= began + PATIENCE
  return nil, sys.error { op = "pause", code = "ETIMEDOUT", message = "not every process has stopped" }
end

--- Has a process and all below it go on.
---@param root integer its pid
---@return true? ok
---@return userns.Error? err EPERM
---@source signal(7)
function tree.continue(root)
  local list <const>, unseen <const> = members(root)
  if not list then
    return nil, unseen
  end
  for _, what in ipairs(list) do
    local ok <const>, err <const> = send(what, "CONT")
    if not ok and err.code ~= "ESRCH" then
      return nil, err
    end
  end
  return true
end

return tree
