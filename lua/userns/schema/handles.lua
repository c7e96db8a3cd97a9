-- Descriptors that a description or a process spec is given.
local types = require "userns.types"

local handles = {}

local open_file <const> = types.with({ name = "file", check = function() return true end }, function(file)
  local ok = io.type(file) == "file"
  if not io.type(file) then
    ok = pcall(file.fileno, file)
  end
  return not ok and "the file is closed" or nil
end)

local fd_record <const> = types.record({
  { name = "fd", type = types.integer(0, 0x7FFFFFFE), required = true, doc = "Its number." },
}, "descriptor")

--- A handle that tells its descriptor's number, as userns.sys's do.
local function is_handle(value)
  if type(value) ~= "userdata" then
    return false
  end
  local ok <const>, method = pcall(function()
    return value.fileno
  end)
  return ok and type(method) == "function"
end

--- An open file, or the number of one.
handles.descriptor = types.either("file or descriptor number", function(value)
  return (io.type(value) or is_handle(value)) and open_file
    or math.type(value) == "integer" and types.integer(0, 0x7FFFFFFE) or nil
end)

--- An open file as the source of something: no bare number, which a path's
--- place does not have.
handles.file = types.either("file or { fd = number }", function(value)
  return (io.type(value) or is_handle(value)) and open_file or type(value) == "table" and fd_record or nil
end)

local PID <const> = types.integer(1, 0x7FFFFFFF)

local anything <const> = { name = "handle", check = function() return true end }

--- Who or what has a namespace: a pid or "self", a path, what is open, or the
--- handle of a process or namespace.
handles.target = types.either("pid, path, file or handle", function(value)
  if type(value) == "string" then
    return value == "self" and types.string or types.path
  elseif math.type(value) == "integer" then
    return PID
  elseif type(value) == "table" and math.type(rawget(value, "pid")) == "integer" then
    return anything
  end
  return (io.type(value) or is_handle(value)) and open_file or type(value) == "table" and fd_record or nil
end)

--- Whether a value is one of those, and not a path.
function handles.is_file(value)
  return type(value) ~= "string"
end

return handles
