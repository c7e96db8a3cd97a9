-- A description file: its container, and where in it a field stands.
local position = require "userns.command.position"
local userns = require "userns"

---@class userns.command.File
---@field path string
---@field program string[]? what is run instead of the description's own
---@field box userns.Container
---@field private description table
---@field private text string of the file
---@field private line_of (fun(field: string): integer?)? once it is needed
local file <const> = {}
file.__index = file

local STDIN <const> = "/dev/stdin"

--- The line of what Lua itself says of a text: "PATH:3: message".
local function line_of(message, path)
  local chunk <const>, line, rest = message:match("^(.-):(%d+): (.*)$")
  local tail <const> = chunk and (chunk:match("^%.%.%.(.*)$") or chunk)
  if tail and path:sub(-#tail) == tail then
    return math.tointeger(tonumber(line)), rest
  end
  return nil, message
end

--- What the file's text, and not the description, is refused for.
local function place_load(err, path)
  if err.message:find("interrupted!$") then
    error(err.message, 0) -- it is not the file that was wrong
  end
  local line
  line, err.message = line_of(err.message, path)
  err.where = line and { file = path, line = line }
  return err
end

local function argument_of(field)
  return math.tointeger(tonumber(field:match("^process%[(%d+)%]")))
end

--- Where a field comes from: the command line or a line of the file.
local function where(self, field)
  local argument <const> = self.program and argument_of(field)
  if argument then
    return { argument = argument }
  end
  self.line_of = self.line_of or position.of(self.text, self.description)
  return { file = self.path, line = self.line_of(field) }
end

--- Writes into an error, and its problems, where their fields stand: `where`.
---@param err userns.Error
---@return userns.Error the same
function file:place(err)
  for _, problem in ipairs(err.problems or {}) do
    self:place(problem)
  end
  err.where = err.field and where(self, err.field) or { file = self.path }
  if err.field == "process[1]" and self.box and not self.program and not self:has_program() then
    err.hint = "name the program in `process`, or after --"
  end
  return err
end

--- Whether the description says itself what is to be run.
---@return boolean
function file:has_program()
  local process <const> = self.description.process
  return process ~= nil and process[1] ~= nil
end

--- The container of the file that a call names.
---@param call userns.command.Call
---@return userns.command.File?
---@return userns.Error? err with `where`
function file.open(call)
  local path <const> = call.operands[1] == "-" and STDIN or call.operands[1]
  local description <const>, unreadable <const>, text <const> = userns.load(path)
  if not description then
    return nil, place_load(unreadable, path)
  end
  local self <const> = setmetatable({ path = path, description = description, text = text }, file)
  local box <const>, err <const> = userns.container(description)
  if not box then
    return nil, self:place(err)
  end
  self.box, self.program = box, call.program
  return self
end

return file
