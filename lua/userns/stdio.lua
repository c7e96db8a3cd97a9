-- The descriptors that a program gets, and the host's ends of its pipes.
local error_object = require "userns.error"
local sys = require "userns.sys"

local stdio = {}

local STREAMS <const> = { "stdin", "stdout", "stderr" }

-- A stream's direction, as the program has it, and its host's end.
local MODES <const> = { stdin = { "r", "w" }, stdout = { "w", "r" }, stderr = { "w", "r" } }

---@class userns.Stdio
---@field from integer[] for each entry of the plan's descriptors its number here
---@field closing userns.Fd[] what only the program needs: closed after the launch
---@field files table<string, file*> the host's ends of "pipe", and of the terminal
---@field captured table<string, userns.Fd> the host's ends of "capture", not blocking
---@field input userns.Fd? the host's end of `input`, not blocking

local methods <const> = {}

--- Closes what only the program needed, and takes the host's side of its
--- terminal.
---@param terminal userns.Fd?
function methods:launched(terminal)
  for _, fd in ipairs(self.closing) do
    fd:close()
  end
  self.closing = {}
  if terminal then
    local file <const> = assert(terminal:file("r+"))
    -- one descriptor both ways: nothing may wait in a buffer
    file:setvbuf("no")
    self.files.terminal = file
  end
end

--- Closes everything: the launch failed, or the process is gone.
function methods:close()
  self:launched()
  for _, file in pairs(self.files) do
    if io.type(file) == "file" then
      file:close()
    end
  end
  for _, fd in pairs(self.captured) do
    fd:close()
  end
  if self.input then
    self.input:close()
  end
end

local metatable <const> = { __name = "userns.stdio", __index = methods, __close = methods.close }

--- A pipe: the program's end is closed after the launch, the host's is returned.
local function pipe(set, name)
  local reader, writer = sys.pipe()
  if not reader then
    return nil, writer
  end
  local theirs <const> = MODES[name][1] == "r" and reader or writer
  if set.owner then
    -- or the program could not open /dev/stdout again
    theirs:chown(set.owner.uid, set.owner.gid)
  end
  set.closing[#set.closing + 1] = theirs
  return theirs == reader and writer or reader, theirs:fileno()
end

local OPEN <const> = {}

--- What the host has written so far comes before what the program writes.
function OPEN.inherit(_, name)
  if name ~= "stdin" and io.type(io[name]) == "file" then
    io[name]:flush()
  end
  return -1
end

--- The child has it, once it has made it.
function OPEN.terminal()
  return -2
end

function OPEN.null(set)
  local null <const>, err = sys.open("/dev/null", "readwrite")
  if not null then
    return nil, err
  end
  set.closing[#set.closing + 1] = null
  return null:fileno()
end

function OPEN.pipe(set, name)
  local mine <const>, number = pipe(set, name)
  if not mine then
    return nil, number
  end
  local file <const>, err = mine:file(MODES[name][2])
  if not file then
    return nil, err
  end
  -- what is written is on its way at once: no close writes to a broken pipe
  file:setvbuf("no")
  set.files[name] = file
  return number
end

function OPEN.capture(set, name)
  local mine <const>, number = pipe(set, name)
  if not mine then
    return nil, number
  end
  mine:nonblock()
  set.captured[name] = mine
  return number
end

function OPEN.input(set, name)
  local mine <const>, number = pipe(set, name)
  if not mine then
    return nil, number
  end
  mine:nonblock()
  set.input = mine
  return number
end

--- The number behind one entry of the spec.
local function open_one(set, name, how)
  if type(how) == "string" then
    return OPEN[how](set, name)
  end
  if io.type(how) == "file" then
    how:flush()
  end
  return sys.fileno(how)
end

--- Where the program's standard error goes when that is where its output goes.
local function number_of(set, process, name, numbers)
  if name == "stderr" and process.stderr == "stdout" then
    return numbers[2] == -1 and 1 or numbers[2]
  end
  return open_one(set, name, process[name])
end

local function fail(set, err, field)
  set:close()
  err.op, err.field = "descriptors", field
  return nil, error_object.explain(err, { op = "descriptors" }, {})
end

--- Where a descriptor comes from, in words.
function stdio.source_words(from)
  return type(from) == "string" and from or io.type(from) and "file"
    or math.type(from) == "integer" and ("fd %d"):format(from) or "file"
end

--- What a plan has the program inherit.
---@param plan userns.Plan
---@return { target: integer, source: string }[]
function stdio.entries(plan)
  for _, step in ipairs(plan) do
    if step.op == "descriptors" then
      return step.fds
    end
  end
end

--- Opens what a process spec asks for, in the order of the plan's entries.
---@param process table normalised process spec
---@param fds { target: integer, source: string }[] the plan's entries
---@param owner { uid: integer, gid: integer }? who the program is to the caller
---@return userns.Stdio?
---@return userns.Error? err with the field; nothing is left open
function stdio.open(process, fds, owner)
  local set <const> = setmetatable({ owner = owner, from = {}, closing = {}, files = {}, captured = {} }, metatable)
  for i, name in ipairs(STREAMS) do
    local number <const>, err = number_of(set, process, name, set.from)
    if not number then
      return fail(set, err, fds[i].source)
    end
    set.from[i] = number
  end
  for i = #STREAMS + 1, #fds do
    local number <const>, err = open_one(set, nil, process.fds[fds[i].target])
    if not number then
      return fail(set, err, fds[i].source)
    end
    set.from[i] = number
  end
  return set
end

return stdio
