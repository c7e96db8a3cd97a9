-- The table of mounts that the kernel shows of a process, as records.
local sys <const> = require "userns.sys"

---@class userns.Mount
---@field id integer unique among the mounts that are there at the same time
---@field parent integer the id of the mount it lies on
---@field major integer
---@field minor integer device number of the file system
---@field root string the directory of the file system that is mounted
---@field target string the mount point, as the process sees it
---@field options string[] of the mount: "rw", "nosuid", "relatime"
---@field shared integer? the peer group it passes mounts on to
---@field master integer? the peer group it takes mounts from
---@field propagate_from integer? the nearest group above `master` that the process can see
---@field unbindable boolean
---@field type string of the file system: "ext4", "fuse.sshfs"
---@field source string what the file system was made of; may be empty
---@field super_options string[] of the file system: "rw", "size=1024k"

local numbers <const> = { shared = true, master = true, propagate_from = true }

-- Only a space ends a field: of white space the kernel escapes space, tab and
-- newline, so that a path may have any other in it as it is.
local pattern <const> = "^(%d+) (%d+) (%d+):(%d+) ([^ ]+) ([^ ]+) ([^ ]+) (.-)"
  .. "%- ([^ ]+) ([^ ]*) (.*)$"

local bytes <const> = {}
for byte = 0, 255 do
  bytes[("%03o"):format(byte)] = string.char(byte)
end

local function decode(text)
  return text:find("\\", 1, true) and text:gsub("\\(%d%d%d)", bytes) or text
end

-- A comma inside an option's value is escaped: split first, then decode.
local function split(options)
  local list <const> = {}
  for option in options:gmatch("[^,]+") do
    list[#list + 1] = decode(option)
  end
  return list
end

-- The fields that only some mounts have; those of later kernels are passed over.
local function add_optional(record, fields)
  for name, value in fields:gmatch("([^ :]+):?([^ ]*)") do
    if numbers[name] then
      record[name] = tonumber(value)
    elseif name == "unbindable" then
      record.unbindable = true
    end
  end
end

local function parse_line(line)
  local id <const>, parent <const>, major <const>, minor <const>, root <const>, target <const>,
    options <const>, optional <const>, type <const>, source <const>, super_options <const> =
    line:match(pattern)
  if not id then
    return nil
  end
  local record <const> = {
    id = tonumber(id),
    parent = tonumber(parent),
    major = tonumber(major),
    minor = tonumber(minor),
    root = decode(root),
    target = decode(target),
    options = split(options),
    unbindable = false,
    type = decode(type),
    source = decode(source),
    super_options = split(super_options),
  }
  add_optional(record, optional)
  return record
end

local mountinfo = {}

--- Parses the text of a table of mounts. Pure; raises for text that is none.
---@param text string
---@return userns.Mount[] mounts in the order of the text
---@source proc_pid_mountinfo(5)
function mountinfo.parse(text)
  if type(text) ~= "string" then
    error(("bad argument #1 to 'parse' (string expected, got %s)"):format(type(text)), 2)
  end
  local mounts <const> = {}
  for line in text:gmatch("[^\n]+") do
    mounts[#mounts + 1] = parse_line(line)
      or error(("no line of a mountinfo file: %q"):format(line), 2)
  end
  return mounts
end

--- The mounts that a process sees.
---@param process? integer|"self"|userns.Process "self", the calling thread, when absent
---@return userns.Mount[]? mounts of two on one target, the one in sight is no other's parent
---@return userns.Error? err as of `sys.read_mountinfo`
---@source proc_pid_mountinfo(5)
function mountinfo.read(process)
  local text <const>, err <const> = sys.read_mountinfo(process == nil and "self" or process)
  if not text then
    return nil, err
  end
  return mountinfo.parse(text)
end

return mountinfo
