-- What can be looked at of files and mounts.
local is_below <const> = require("userns.path").is_below
local rlimits = require "userns.rlimits"

local methods = {}

--- Whether the caller may do something with a file.
---@param path string
---@param how string? as sys.access has it
---@return boolean ok
---@return string? code
function methods:may(path, how)
  local ok <const>, err <const> = self.source.access(path, how)
  return ok == true, err and err.code
end

--- What is found on the way to a path that cannot be followed to its end.
---@param path string
---@return userns.Found? found what stops whoever follows it; nil: nothing does
function methods:obstacle(path)
  local part = path:sub(1, 1) == "/" and "/" or "."
  local function stop(code, at)
    local st <const> = self.source.stat(at, "nofollow") or {}
    return { path = at, code = code, type = st.type, mode = st.mode, uid = st.uid, gid = st.gid }
  end
  for name in path:gsub("^%./+", ""):gmatch("[^/]+") do
    local st <const> = self:stat(part)
    if st and st.type ~= "directory" then
      return stop("ENOTDIR", part)
    elseif st and not self:may(part, "execute") then
      return stop("EACCES", part)
    end
    part = (part == "/" and "/" or part .. "/") .. name
    local ok <const>, code <const> = self:may(part)
    if not ok then
      return stop(code, part)
    end
  end
  return nil
end

--- The mounts that the caller sees; raises where they are not known, as a test that
--- cannot be made does.
local function known_mounts(self)
  return self:mounts() or error "no telling what is mounted"
end

--- The mounts that lie below a path.
---@param path string
---@return userns.Mount[] mounts
function methods:mounts_below(path)
  local list <const> = {}
  for _, mount in ipairs(known_mounts(self)) do
    list[#list + 1] = is_below(mount.target, path) and mount or nil
  end
  return list
end

--- The mount that a file is on.
---@param file any a path, or what is open
---@return userns.Mount? mount nil: it is none that the caller sees
function methods:mount_holding(file)
  local on <const> = self:mount_of(file) or error "no telling what it is on"
  for _, mount in ipairs(known_mounts(self)) do
    if mount.id == on.id then
      return mount
    end
  end
end

--- The type of the file system that a file is on, as the table of mounts has it where
--- it does: to statfs(2) devtmpfs is a tmpfs.
---@param file any a path, or what is open
---@return string?
function methods:fs_type(file)
  local st <const> = self.source.stat(file)
  for _, mount in ipairs(st and st.device and self:mounts() or {}) do
    if mount.major << 32 | mount.minor == st.device then
      return mount.type
    end
  end
  local fs <const> = self.source.statfs(file)
  return fs and fs.type
end

--- Of whom a FUSE is that lets nobody else see it.
---@param path string where it is mounted
---@return string? user "user id 1000"; nil: it is another file system, or none that is known
function methods:fuse_user(path)
  local mount <const> = self:mount_at(path)
  local options <const> = mount and mount.type:find "^fuse" and table.concat(mount.super_options, ",") or "allow_other"
  local uid <const> = not options:find("allow_other", 1, true) and options:match "user_id=(%d+)"
  return uid and "user id " .. uid or nil
end

--- The mount that another lies on.
---@param mount userns.Mount
---@return userns.Mount? parent
function methods:parent_of(mount)
  for _, other in ipairs(known_mounts(self)) do
    if other.id == mount.parent then
      return other
    end
  end
end

--- Whether a user namespace of the caller's owns the namespace of a type that it is
--- in.
---@param type string
---@return boolean?
function methods:owns(type)
  local ns <close> = self:namespace(type, "self")
  local user <close> = self:namespace("user", "self")
  if not ns or not user then
    return nil
  end
  local owner <close> = ns:userns()
  return owner ~= nil and owner:id() == user:id()
end

--- Whether the caller is restricted by Landlock, which the kernel does not show: who
--- is may change no mount, not even as root of namespaces of its own.
---@return boolean?
function methods:is_landlocked()
  if (self.source.landlock_abi() or 0) == 0 then
    return false
  elseif self:is_traced() then
    return nil -- the tracer may answer what is tried, too
  end
  local answer <const> = self.source.probe "make_private"
  if answer == "EPERM" then
    return not self:is_filtered "mount"
  elseif answer == "OK" then
    return false
  end
  return nil
end

--- What the kernel says of the options of a new file system, which it can be asked
--- without making one.
---@param type string
---@param options string[] "size=1m"
---@return string? complaint
---@return string? option that it is about
function methods:complaint(type, options)
  local context <close> = self.source.fsopen(type)
  for _, option in ipairs(context and options or {}) do
    local key <const>, value <const> = option:match("^([^=]*)=(.*)$")
    local ok, err
    if key then
      ok, err = context:set(key, value)
    else
      ok, err = context:flag(option)
    end
    if not ok then
      return err.detail, option
    end
  end
end

--- A limit of the caller's.
---@param resource string "nofile"
---@return { soft: integer|"unlimited", hard: integer|"unlimited" }? limit nil: not told
function methods:limit(resource)
  return rlimits.of(self:read "/proc/self/limits" or "", resource)
end

return methods
