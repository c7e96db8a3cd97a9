-- Descriptors that a description or a process spec is given.
local sys = require "userns.sys"
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

--- A process as the upper floor has it.
local function is_process(value)
  local metatable <const> = type(value) == "table" and getmetatable(value)
  return type(metatable) == "table" and rawget(metatable, "__name") == "userns.process"
end

--- Is what was once open no longer so?
function handles.is_closed(value)
  return io.type(value) == "closed file"
    or (is_handle(value) or is_process(value)) and not pcall(value.fileno, value)
end

local open_handle <const> = types.with({ name = "handle", check = function() return true end }, function(handle)
  return handles.is_closed(handle) and "the handle is closed" or nil
end)

--- Who or what has a namespace: a pid or "self", a path, what is open, or the
--- handle of a process or namespace.
handles.target = types.either("pid, path, file or handle", function(value)
  if type(value) == "string" then
    return value == "self" and types.string or types.path
  elseif math.type(value) == "integer" then
    return PID
  elseif is_handle(value) or is_process(value) then
    return open_handle
  end
  return io.type(value) and open_file or type(value) == "table" and fd_record or nil
end)

--- The namespace of a type that a target has.
---@return userns.Namespace? namespace
---@return userns.Error? err
function handles.namespace(type, target)
  if handles.is_closed(target) then
    return nil, sys.error { op = "namespace", code = "EBADF", message = "the handle is closed" }
  elseif is_process(target) then
    return target:namespace(type) -- never that of another which got its number
  end
  return sys.namespace(type, target)
end

--- Where a target's namespace is found, if it has a path.
---@return string? path
function handles.path_of(type, target)
  local pid <const> = is_process(target) and target.pid or target
  if math.type(pid) == "integer" or pid == "self" then
    return ("/proc/%s/ns/%s"):format(pid, type)
  end
  return not handles.is_file(target) and target or nil
end

--- Whether a value is one of those, and not a path.
function handles.is_file(value)
  return type(value) ~= "string"
end

return handles
