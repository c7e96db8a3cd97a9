-- A process in a container: its handle, and what became of it.
local attach = require "userns.attach"
local patience = require "userns.patience"
local sys = require "userns.sys"
local tree = require "userns.tree"

local process = {}

-- What only this file touches stands under a key that nobody else has.
local PRIVATE <const> = {}

---@class userns.Process
---@field pid integer as the host sees it: of the program, or with `init` of process 1
---@field program userns.sys.Process? with `init`, the program
---@field stdin file*? where the spec says "pipe"
---@field stdout file*?
---@field stderr file*?
---@field terminal file*? the host's side of the program's terminal, to read and write; without a buffer
local methods <const> = {}

local metatable <const> = { __name = "userns.process", __index = methods }

-- What a refusal that did not end the set-up leaves the program with.
local OPAQUE <const> = "an upper layer on which a directory that was removed cannot be made again"

local USED_INSTEAD <const> = {
  keyring = "the caller's session keyring",
  groups = "the caller's supplementary groups",
  overlay = OPAQUE,
  root_overlay = OPAQUE,
  pivot_root = "chroot, with the old root covered by the new one",
}

--- What the program goes without: by the plan, by what the parent could not do,
--- and by what the child was refused.
---@param plan userns.Plan
---@param excused userns.Error[]
---@param lacking { feature: string, used: string, reason: string }[]
---@return { feature: string, used: string, reason: string }[]
function process.degraded(plan, excused, lacking)
  local list <const> = { table.unpack(plan.degraded) }
  table.move(lacking, 1, #lacking, #list + 1, list)
  for _, err in ipairs(excused) do
    local op <const> = plan[err.step].op
    list[#list + 1] = { feature = op, used = USED_INSTEAD[op], reason = ("%s: %s"):format(err.syscall, err.message) }
  end
  return list
end

---@class userns.Launch
---@field set userns.Stdio
---@field at number the moment it began
---@field plan userns.Plan
---@field excused userns.Error[]
---@field parent userns.Parent? what the parent did for it
---@field ended boolean? it has already, and nothing came meanwhile
---@field detachable boolean?
---@field hold userns.sys.SignalHold? of the host's SIGINT, which is for the program
---@field pool userns.Pool? of prepared children, in which one may be missing now
---@field shares_keys boolean? a key of the host's terminal means a signal to the program too

--- A handle of a process that has just been launched.
---@param child userns.sys.Process
---@param spec table normalised process spec
---@param launch userns.Launch
---@return userns.Process
function process.new(child, spec, launch)
  return setmetatable({
    pid = child.pid,
    program = child.program,
    stdin = launch.set.files.stdin,
    stdout = launch.set.files.stdout,
    stderr = launch.set.files.stderr,
    terminal = launch.set.files.terminal,
    [PRIVATE] = {
      child = child,
      spec = spec,
      set = launch.set,
      parent = launch.parent,
      ended = launch.ended,
      detachable = launch.detachable,
      hold = launch.hold,
      pool = launch.pool,
      shares_keys = launch.shares_keys,
      started = launch.at,
      alarm = spec.timeout and sys.clock() + spec.timeout,
      written = 0,
      captured = {},
      truncated = false,
      timed_out = false,
      degraded = process.degraded(launch.plan, launch.excused, launch.parent and launch.parent.degraded or {}),
    },
  }, metatable)
end

-- ---- streams --------------------------------------------------------------

local function store(state, name, data)
  local stream = state.captured[name]
  if not stream then
    stream = { size = 0 }
    state.captured[name] = stream
  end
  local room <const> = (state.spec.max_output or math.maxinteger) - stream.size
  if #data > room then
    state.truncated = true
    data = data:sub(1, room)
  end
  stream.size = stream.size + #data
  stream[#stream + 1] = data ~= "" and data or nil
end

--- Reads once from a captured stream; how much, 0 when there is nothing to read
--- now.
local function read_some(state, name)
  local fd <const> = state.set.captured[name]
  local data <const> = fd and fd:read()
  if not data then
    return 0
  elseif data == "" then
    fd:close()
    state.set.captured[name] = nil
    return 0
  end
  store(state, name, data)
  return #data
end

-- What a pipe can hold (/proc/sys/fs/pipe-max-size).
local PIPE_MAX <const> = 1 << 20

--- Reads what a stream holds; not what others who have it go on writing.
local function drain(state, name)
  local left = PIPE_MAX
  while left > 0 do
    local count <const> = read_some(state, name)
    left = count > 0 and left - count or 0
  end
end

--- Writes what the program takes of its input; closes when that is all, or the
--- program wants no more.
local function write_some(state)
  local input <const>, set <const> = state.spec.input, state.set
  local count, err
  if state.written < #input then
    count, err = set.input:write(input, state.written + 1)
  end
  state.written = state.written + (count or 0)
  if state.written == #input or err and err.code ~= "EAGAIN" and err.code ~= "EINTR" then
    set.input:close()
    set.input = nil
  end
end

--- The host's SIGINT goes to the program, unless the terminal sent it there too;
--- the program's time to end begins, or is over.
local function hand_on(state)
  local from <const> = state.hold:take()
  if not from then
    return
  end
  local again <const> = state.mercy ~= nil
  state.mercy = sys.clock() + (again and 0 or state.spec.kill_after)
  if not again and not (from == "kernel" and state.shares_keys) then
    state.child:kill("INT")
  end
end

--- What there is to wait for, and what each is good for.
local function interests(state)
  local entries <const>, actions <const> = { { fd = state.child } }, { false }
  for name, fd in pairs(state.set.captured) do
    entries[#entries + 1] = { fd = fd }
    actions[#actions + 1] = function()
      read_some(state, name)
    end
  end
  if state.set.input then
    entries[#entries + 1] = { fd = state.set.input, events = "w" }
    actions[#actions + 1] = function()
      write_some(state)
    end
  end
  if state.hold then
    entries[#entries + 1] = { fd = state.hold }
    actions[#actions + 1] = function()
      hand_on(state)
    end
  end
  if state.attachment then
    state.attachment:interests(entries, actions)
  end
  if state.pool then
    state.pool:interests(entries, actions)
  end
  return entries, actions
end

--- The caller has time now for the prepared child that takes this one's place.
local function replace(state)
  if state.pool and not state.replaced then
    state.replaced = true
    state.pool:replace()
  end
end

--- What is being prepared goes on without the caller.
local function settle_pool(state)
  replace(state)
  if state.pool then
    state.pool:settle()
  end
end

-- ---- the end --------------------------------------------------------------

local function text(state, name)
  if state.spec[name] ~= "capture" then
    return nil
  end
  return table.concat(state.captured[name] or {})
end

---@class userns.Result
---@field ok boolean the exit code is 0
---@field exit_code integer? what the program returned
---@field signal string? or the signal that ended it: "SIGKILL"
---@field core_dumped boolean
---@field timed_out boolean the spec's timeout was over
---@field oom_killed boolean somebody in its cgroup was, or in one below
---@field stdout string? where captured
---@field stderr string? where captured
---@field truncated boolean more was written than max_output
---@field duration number seconds from launch to end, the set-up included
---@field usage { user_time: number, system_time: number, max_rss: integer? }
---@field degraded { feature: string, used: string, reason: string }[]

local function result_of(state, status)
  if not status.exit_code and not status.signal then
    table.insert(state.degraded, {
      feature = "status",
      used = "none",
      reason = "the host reaped the process, and this kernel does not tell how it ended",
    })
  end
  return {
    ok = status.exit_code == 0,
    exit_code = status.exit_code,
    signal = status.signal,
    core_dumped = status.core_dumped,
    timed_out = state.timed_out,
    oom_killed = false,
    stdout = text(state, "stdout"),
    stderr = text(state, "stderr"),
    truncated = state.truncated,
    duration = sys.clock() - state.started,
    usage = status.usage or {},
    degraded = state.degraded,
  }
end

--- What the parent did for the process is over with it.
local function undo(state, result)
  if state.parent then
    state.parent:close(result)
    return state.parent:exited(state.child.pid, result)
  end
  return true
end

-- What ends itself by SIGINT, as shells do, cannot as process 1: it exits so.
local INTERRUPTED <const> = 128 + 2

--- A program that was interrupted, and exits as it wishes, has dealt with that.
local function settle(state)
  local code <const> = state.result.exit_code
  if state.mercy and code and code ~= INTERRUPTED then
    state.hold:settle()
  end
end

--- The program has ended: its streams end with it, whoever else holds them.
local function conclude(state)
  local status <const>, err = state.child:wait(0)
  if not status then
    return nil, err
  end
  for name in pairs(state.set.captured) do
    drain(state, name)
  end
  for _, fd in pairs(state.set.captured) do
    fd:close()
  end
  if state.set.input then
    state.set.input:close()
  end
  state.set.captured, state.set.input = {}, nil
  state.result = result_of(state, status)
  settle(state)
  local ok <const>, why <const> = undo(state, state.result)
  if not ok then
    return nil, why
  end
  return state.result
end

--- The spec's timeout: first its signal, then the one that nobody ignores.
local function ring(state, now)
  if not state.alarm or now < state.alarm then
    return
  end
  local signal <const> = state.timed_out and "KILL" or state.spec.kill_signal
  state.child:kill(signal)
  state.alarm = signal ~= "KILL" and now + state.spec.kill_after or nil
  state.timed_out = true
end

--- Ends what goes on after an interruption.
local function end_mercy(state, now)
  if state.mercy and now >= state.mercy then
    state.child:kill("KILL")
    state.mercy = math.huge
  end
end

local function until_next(state, deadline, now)
  local next_event <const> = math.min(deadline or math.huge, state.alarm or math.huge, state.mercy or math.huge)
  return next_event < math.huge and math.max(0, next_event - now) or nil
end

--- One wait for whatever comes first; true when the program has ended.
local function turn(state, deadline)
  local entries <const>, actions <const> = interests(state)
  local ready <const> = sys.poll(entries, until_next(state, deadline, sys.clock()))
  -- a signal came: back in Lua its handlers run, then this is called again
  for i = 2, ready and #entries or 0 do
    if ready[i] then
      actions[i]()
    end
  end
  local ended <const> = ready and ready[1] or false
  if not ended then
    local now <const> = sys.clock()
    ring(state, now)
    end_mercy(state, now)
  end
  return ended
end

local function open(self)
  local state <const> = self[PRIVATE]
  if state.closed then
    error("the process handle is closed", 3)
  end
  return state
end

--- Waits until the program has ended, serving its captured streams and its
--- input meanwhile.
---@param seconds number? how long at most; for ever when absent
---@return userns.Result? result the same one when called again
---@return userns.Error? err ETIMEDOUT
---@source waitid(2)
function methods:wait(seconds)
  local state <const> = self[PRIVATE]
  if seconds ~= nil and (type(seconds) ~= "number" or seconds ~= seconds or seconds < 0) then
    error("bad argument #1 to 'wait' (seconds, 0 or more)", 2)
  end
  if state.result then
    return state.result
  end
  replace(open(self))
  local deadline <const> = seconds and sys.clock() + seconds
  while not state.ended and not turn(state, deadline) do
    if deadline and sys.clock() >= deadline then
      return nil, sys.error { op = "wait", code = "ETIMEDOUT", message = "the process has not ended" }
    end
  end
  local result <const>, err = conclude(state)
  settle_pool(state)
  return result, err
end

-- How often an attached terminal's size is looked at.
local GLANCE <const> = 0.1

--- Joins the caller's standard input and output to the program's terminal until
--- the program has ended: a terminal there passes on every key, and its size is
--- the program's; afterwards, whatever happened, it is as it was: a SIGTERM, SIGHUP
--- or SIGQUIT that comes meanwhile ends the attachment before it comes to the host.
---@return userns.Result? result as wait's
---@return userns.Error? err EINTR: a signal came, and the host lives
---@source signal(7)
function methods:attach()
  local state <const> = self[PRIVATE]
  if state.result then
    return state.result
  elseif not open(self).set.files.terminal then
    error("attach needs a process spec with terminal", 2)
  end
  local attachment <close>, err = attach.open(self.terminal)
  if not attachment then
    return nil, err
  end
  state.attachment = attachment
  local ended
  repeat
    ended = turn(state, sys.clock() + GLANCE)
    attachment:resize()
  until ended or attachment.signal
  state.attachment = nil
  attachment:drain()
  if ended then
    return conclude(state)
  end
  return nil, sys.error { op = "attach", code = "EINTR", message = attachment.signal .. " came" }
end

--- Sends a signal to the program; never to another process that got its number.
---@param signal string|integer? "TERM", "SIGTERM" or 15; KILL when absent
---@return true? ok
---@return userns.Error? err ESRCH when it has ended
---@source pidfd_send_signal(2)
function methods:kill(signal)
  local state <const> = self[PRIVATE]
  if state.result then
    return nil, sys.error { op = "kill", code = "ESRCH", message = "the process has ended" }
  end
  return open(self).child:kill(signal)
end

--- Does something with the program and all below it, while there is one.
local function with_tree(self, op, act)
  if self[PRIVATE].result then
    return nil, sys.error { op = op, code = "ESRCH", message = "the process has ended" }
  end
  open(self)
  return act(self.pid)
end

--- Stops the program and every process below it: with a pid namespace of its own
--- that is everybody inside. A timeout goes on meanwhile.
---@return true? ok
---@return userns.Error? err ESRCH when it has ended; EPERM; ETIMEDOUT: not every one has stopped
---@source signal(7)
function methods:pause()
  return with_tree(self, "pause", tree.stop)
end

--- Has everything that `pause` stopped go on.
---@return true? ok
---@return userns.Error? err ESRCH when it has ended; EPERM
---@source signal(7)
function methods:resume()
  return with_tree(self, "resume", tree.continue)
end

-- In seconds. execve(2) closes what tells `spawn` of it a moment before the program
-- may be looked into: whoever is that quick looks again.
local MOMENTS <const> = { 0.001, 0.005, 0.02 }

local function may_pass(err)
  return err.code == "EACCES"
end

--- A handle of one of the program's namespaces.
---@param type string a namespace name
---@return userns.Namespace? namespace
---@return userns.Error? err EACCES: the program is not dumpable, or has capabilities that the caller has not
---@source namespaces(7)
function methods:namespace(type)
  local child <const> = open(self).child -- of the program, where that is another
  return patience.have(MOMENTS, function()
    return sys.namespace(type, child)
  end, may_pass)
end

--- The pidfd: readable when the program has ended.
---@return integer fd
---@source pidfd_open(2)
function methods:fileno()
  return open(self).child:fileno()
end

methods.getfd = methods.fileno -- LuaSocket, copas, luv
methods.pollfd = methods.fileno -- cqueues

--- What to poll the descriptor for.
---@return "r"
function methods.events()
  return "r"
end

--- Nothing is buffered that a poll would not see.
---@return false
function methods.dirty()
  return false
end

--- Lets the process go: it runs on, and its end is the host's reaper's affair.
--- Needs a description with `die_with_parent = false`.
function methods:detach()
  local state <const> = open(self)
  if not state.detachable then
    error("detach needs a description with die_with_parent = false", 2)
  end
  state.child:detach()
  if state.parent then
    state.parent:detach()
  end
  state.set:close()
  state.closed = true
  settle_pool(state)
end

--- Kills the program if it still runs, reaps it, and closes its streams.
---@return true? ok
---@return userns.Error? err of the hook `exited`; all is closed nevertheless
function methods:close()
  local state <const> = self[PRIVATE]
  state.child:close()
  state.set:close()
  state.closed = true
  local ok <const>, err = undo(state)
  settle_pool(state)
  return ok, err
end

metatable.__close = methods.close

function metatable:__tostring()
  local state <const> = self[PRIVATE]
  return ("userns.process (%d%s)"):format(self.pid, state.result and ", ended" or state.closed and ", closed" or "")
end

return process
