-- The caller's terminal, joined to that of a program: what is typed goes in, what
-- is shown comes out, and the size follows.
local sys = require "userns.sys"

local attach = {}

---@class userns.Attachment
---@field terminal userns.Fd the host's side of the program's terminal
---@field input userns.Fd? nil once it has ended
---@field output userns.Fd
---@field raw userns.sys.RawMode? where the input is a terminal
---@field typed string what the program's terminal has not taken yet
---@field holds table<string, userns.sys.SignalHold> what is to find the terminal as it was
---@field signal string? the one that has come: there is nothing to wait for any more
local methods <const> = {}

local metatable <const> = { __name = "userns.attachment", __index = methods }

local END_OF_FILE <const> = "\4" -- what a terminal takes for it

-- Signals that end a host which expects none.
local FINAL <const> = { "HUP", "QUIT", "TERM" }

local function show(self)
  local data <const>, err = self.terminal:read()
  local first = 1
  while first <= #(data or "") do
    first = first + (self.output:write(data, first) or #data)
  end
  return data, err
end

local function take(self)
  local data <const> = self.input:read()
  if data == "" then
    self.input:close()
    self.input = nil
  end
  self.typed = data == "" and END_OF_FILE or data or ""
end

local function type_in(self)
  local count <const> = self.terminal:write(self.typed)
  self.typed = self.typed:sub((count or 0) + 1)
end

--- Adds what there is to wait for, and what each is good for.
function methods:interests(entries, actions)
  local function add(fd, events, action)
    entries[#entries + 1] = { fd = fd, events = events }
    actions[#actions + 1] = function()
      action(self)
    end
  end
  if not self.hung_up then
    add(self.terminal, "r", function()
      local data <const>, err = show(self)
      self.hung_up = not data and err.code == "EIO"
    end)
  end
  if self.typed ~= "" then
    add(self.terminal, "w", type_in)
  elseif self.input then
    add(self.input, "r", take)
  end
  for signal, hold in pairs(self.holds) do
    add(hold, "r", function()
      self.signal = hold:take() and "SIG" .. signal or self.signal
    end)
  end
end

--- Gives the program's terminal the size of the caller's.
function methods:resize()
  local rows <const>, cols = sys.terminal_size(self.output)
  if rows and (rows ~= self.rows or cols ~= self.cols) then
    sys.set_terminal_size(self.terminal, rows, cols)
    self.rows, self.cols = rows, cols
  end
end

--- Shows what is left when the program has ended.
function methods:drain()
  repeat
    local data <const> = show(self)
  until not data or data == ""
end

--- The caller's terminal becomes what it was; signals that came come then.
function methods:close()
  if self.raw then
    self.raw:close()
  end
  self.terminal:nonblock(false)
  for _, name in ipairs { "terminal", "input", "output" } do
    if self[name] then
      self[name]:close()
    end
  end
  for _, hold in pairs(self.holds) do
    hold:close()
  end
end

metatable.__close = methods.close

--- Joins standard input and output to the host's side of a terminal.
---@param terminal file*
---@return userns.Attachment? attachment
---@return userns.Error? err EMFILE
function attach.open(terminal)
  local copies <const> = {}
  for name, fd in pairs { terminal = terminal, input = 0, output = 1 } do
    local copy <const>, err = sys.dup(fd)
    if not copy then
      return nil, err
    end
    copies[name] = copy
  end
  io.stdout:flush()
  copies.typed, copies.holds = "", {}
  for _, signal in ipairs(FINAL) do
    copies.holds[signal] = sys.hold_signal(signal) or nil
  end
  copies.terminal:nonblock()
  copies.raw = sys.raw_mode(copies.input) or nil
  local self <const> = setmetatable(copies, metatable)
  self:resize()
  return self
end

return attach
