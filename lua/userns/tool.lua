-- Programs of the host's that help: run as the caller, found in PATH.
local process = require "userns.process"
local stdio = require "userns.stdio"
local sys = require "userns.sys"

local tool = {}

--- The path of a program in the caller's PATH, nil if it is in none of its
--- directories.
---@param name string
---@param note fun(err: userns.Error)? told why it is not in one of them
---@return string?
function tool.find(name, note)
  for directory in (os.getenv "PATH" or ""):gmatch("[^:]+") do
    local path <const> = directory .. "/" .. name
    local there <const>, err = sys.stat(path)
    if there then
      return path
    elseif note then
      note(err)
    end
  end
end

--- Whether a program that looks for a process in /proc by its number finds the one that
--- is meant: in one of another pid namespace it would take a stranger for that.
---@param op string what the program is for
---@return true? ok
---@return userns.Error? err
function tool.check_proc(op)
  if sys.readlink "/proc/self" == tostring(sys.getpid()) then
    return true
  end
  return nil, sys.error {
    op = op, code = "ESRCH", syscall = "readlink", path = "/proc/self",
    message = "the process is not found by its number",
  }
end

local DESCRIPTORS <const> = {
  { target = 0, source = "stdin" }, { target = 1, source = "stdout" }, { target = 2, source = "stderr" },
}

--- As a container's plan, without the container.
---@param namespaces userns.Namespace[] new ones; with "mnt", what is unmounted there stays in the caller's
local function plan_of(path, argv, fds, namespaces)
  local plan <const> = {
    { op = "clone", namespaces = namespaces },
    { op = "close_fds" },
    { op = "pdeathsig", signal = "KILL" },
    { op = "await" },
    { op = "release" },
    { op = "descriptors", fds = fds },
    { op = "signals" },
    { op = "exec", paths = { path }, argv = argv, env = {} },
    degraded = {},
  }
  if namespaces[1] == "mnt" then
    table.insert(plan, 6, { op = "propagation", kind = "slave" })
  end
  return plan
end

--- Runs a program of the host's to its end, with nothing but its arguments.
---@param path string
---@param argv string[]
---@return userns.Result? result with stderr
---@return userns.Error? err it could not be started
function tool.run(path, argv)
  local spec <const> = { stdin = "null", stdout = "null", stderr = "capture" }
  local set <const>, err = stdio.open(spec, DESCRIPTORS)
  if not set then
    return nil, err
  end
  local plan <const> = plan_of(path, argv, DESCRIPTORS, {})
  local began <const> = sys.clock()
  local child <const>, report = sys.launch(sys.pack(plan), set.from)
  if not child then
    set:close()
    return nil, report
  end
  set:launched()
  local p <close> = process.new(child, spec, { at = began, set = set, plan = plan, excused = report })
  return p:wait()
end

-- ---- programs that stay ---------------------------------------------------

--- New namespaces for a program that stays.  slirp4netns, when root runs it,
--- unmounts the host's mounts in a copy that still shares them: all but / would be
--- gone from the host too.  Without privilege a copy shares nothing.
local function own_mounts()
  for _, name in ipairs((sys.getcaps() or { effective = {} }).effective) do
    if name == "sys_admin" then
      return { "mnt" }
    end
  end
  return {}
end

---@class userns.Tool
---@field child userns.sys.Process
---@field signal userns.Fd where it says that it is ready
---@field log userns.Fd its standard error
local methods <const> = {}

local metatable <const> = { __name = "userns.tool", __index = methods }

--- What it said on its standard error, in a line.
local function complaint(self, status)
  local said <const> = (self.log:read() or ""):gsub("%s+$", ""):gsub("%s*\n%s*", "; ")
  if said ~= "" then
    return said
  end
  return status and status.signal and "ended by " .. status.signal
    or ("exit status %s"):format(status and status.exit_code)
end

--- Waits until the program is ready.
---@return true? ok
---@return string? said what it said instead
function methods:ready()
  local ready
  repeat
    ready = sys.poll { { fd = self.signal }, { fd = self.child } }
  until ready and (ready[1] or ready[2])
  if ready[1] and (self.signal:read() or "") ~= "" then
    return true
  end
  self.child:kill("KILL")
  return nil, complaint(self, (self.child:wait()))
end

--- How it ended, if it has.
function methods:wait(seconds)
  return self.child:wait(seconds)
end

--- Ends it, and reaps it.
function methods:close()
  self.child:close()
  self.signal:close()
  self.log:close()
end

--- The two pipes: what it writes when it is ready, and what it complains.  That
--- nobody reads on is no reason to wait, nor to die of.
local function pipes()
  local signal <const>, ready <const> = sys.pipe()
  if not signal then
    return nil, ready
  end
  local log <const>, complaints <const> = sys.pipe()
  if not log then
    signal:close()
    ready:close()
    return nil, complaints
  end
  complaints:nonblock()
  log:nonblock()
  return { signal = signal, log = log }, { ready = ready, complaints = complaints }
end

local function launch(path, argv, number, theirs)
  local spec <const> = { stdin = "null", stdout = "null", stderr = theirs.complaints, fds = {} }
  local fds <const> = table.move(DESCRIPTORS, 1, #DESCRIPTORS, 1, {})
  if number == 1 then
    spec.stdout = theirs.ready
  else
    fds[#fds + 1] = { target = number, source = "ready" }
    spec.fds[number] = theirs.ready
  end
  local set <close>, err = stdio.open(spec, fds)
  if not set then
    return nil, err
  end
  return sys.launch(sys.pack(plan_of(path, argv, fds, own_mounts())), set.from)
end

--- Starts a program of the host's that stays, with nothing but its arguments; it
--- ends with the host program.
---@param path string
---@param argv string[]
---@param number integer the descriptor that it writes to when it is ready
---@return userns.Tool? tool
---@return userns.Error? err it could not be started
function tool.start(path, argv, number)
  local mine <const>, theirs = pipes()
  if not mine then
    return nil, theirs
  end
  local child <const>, err = launch(path, argv, number, theirs)
  theirs.ready:close()
  theirs.complaints:close()
  if not child then
    mine.signal:close()
    mine.log:close()
    return nil, err
  end
  mine.child = child
  return setmetatable(mine, metatable)
end

return tool
