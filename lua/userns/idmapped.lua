-- Mounts that show their owners under other ids.
local sys = require "userns.sys"

local idmapped = {}

--- A user namespace with these maps and nobody in it: it takes a process to
--- make one.
local function namespace(uid_map, gid_map)
  local program <const> = sys.pack {
    { op = "clone", namespaces = { "user" } },
    { op = "close_fds" },
    { op = "pdeathsig", signal = "KILL" },
    { op = "await" },
    { op = "uid_map", map = uid_map },
    { op = "gid_map", map = gid_map },
    { op = "hold" },
  }
  local held
  local _, err = sys.launch(program, {}, function(_, pid)
    held = sys.namespace("user", pid)
    return nil, {} -- the process has done its part
  end)
  return held, not held and err or nil
end

--- Has a mount that is attached nowhere yet show its owners under other ids.
---@param mount userns.Fd
---@param recursive boolean? with the mounts below it
---@param uid_map userns.IdRange[] `inside` is the id on disk
---@param gid_map userns.IdRange[]
---@return true? ok
---@return userns.Error? err EPERM: root of the host may; EINVAL: the file system cannot
---@source mount_setattr(2)
function idmapped.shift(mount, recursive, uid_map, gid_map)
  local owner <close>, err = namespace(uid_map, gid_map)
  if not owner then
    return nil, err
  end
  return sys.mount_setattr(mount, { userns = owner, recursive = recursive })
end

--- A copy of a source, attached nowhere, whose owners' ids are shifted.
---@param path string
---@param recursive boolean? with the mounts below it
---@param uid_map userns.IdRange[] `inside` is the id on disk
---@param gid_map userns.IdRange[]
---@return userns.Fd? mount
---@return userns.Error? err EPERM: root of the host may; EINVAL: the file system cannot
---@source open_tree(2)
function idmapped.open(path, recursive, uid_map, gid_map)
  local tree <const>, err = sys.open_tree(path, { clone = true, recursive = recursive })
  if not tree then
    return nil, err
  end
  local ok <const>, why = idmapped.shift(tree, recursive, uid_map, gid_map)
  if ok then
    return tree
  end
  tree:close()
  return nil, why
end

return idmapped
