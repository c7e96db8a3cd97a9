-- A container in words: what its program will see and may do.
local schema = require "userns.schema"

local function join(list)
  return #list > 0 and table.concat(list, " ") or "nothing"
end

local function split(set)
  local own <const>, hosts <const> = {}, {}
  for _, name in ipairs(schema.namespaces) do
    table.insert(set[name] and own or hosts, name)
  end
  return own, hosts
end

local function access(record)
  return record.readonly and "read-only" or "writable"
end

local function options(record)
  local words <const> = {}
  for _, word in ipairs(record.options or {}) do
    words[#words + 1] = ", " .. word
  end
  return table.concat(words)
end

local ROOT <const> = {
  host = function()
    return "the host's tree as it is"
  end,
  bind = function(root)
    return ("%s, %s%s"):format(root.source == "/" and "the host's whole tree" or root.source .. " of the host's",
      access(root), options(root))
  end,
  tmpfs = function(root)
    return ("an empty tree in memory, %s%s"):format(access(root), options(root))
  end,
}

local MOUNT <const> = {
  bind = function(m)
    return ("%s of the host's, %s%s%s"):format(m.source, access(m), options(m), m.optional and ", if it exists" or "")
  end,
  tmpfs = function(m)
    local limit <const> = m.size and (", up to %d bytes"):format(m.size) or ""
    return ("empty, in memory%s, %s%s"):format(limit, access(m), options(m))
  end,
  proc = function()
    return "the processes of its own pid namespace"
  end,
  sysfs = function(m)
    return ("the devices of its own net namespace, %s"):format(access(m))
  end,
  devpts = function()
    return "terminals of its own"
  end,
  mqueue = function()
    return "message queues of its own"
  end,
  dev = function()
    return "a minimal /dev"
  end,
  dir = function()
    return "a directory"
  end,
  file = function(m)
    return ("a file of %d bytes"):format(#m.content)
  end,
  symlink = function(m)
    return "a link to " .. m.source
  end,
}

local function files(d, add)
  if not d.namespaces.mnt then
    add("files", "the host's mounts, shared with it")
    return
  end
  add("/", ROOT[d.root.type](d.root))
  for _, mount in ipairs(d.mounts) do
    add(mount.target, MOUNT[mount.type](mount))
  end
end

local MAP_WORDS <const> = {
  root = "0 inside is an unprivileged id of the caller's outside",
  self = "the caller's, under its own number",
  auto = "0 inside is an unprivileged id of the caller's outside; its subordinate ids follow",
}

local function map(value)
  if type(value) == "string" then
    return MAP_WORDS[value]
  end
  local ranges <const> = {}
  for i, range in ipairs(value) do
    ranges[i] = range.count == 1 and ("%d is %d outside"):format(range.inside, range.outside)
      or ("%d-%d are %d-%d outside"):format(range.inside, range.inside + range.count - 1, range.outside,
        range.outside + range.count - 1)
  end
  return table.concat(ranges, "; ")
end

local function identity(d, add)
  if not d.namespaces.user then
    add("ids", "the caller's own, in the host's user namespace")
    return
  end
  add("user ids", map(d.uid_map))
  add("group ids", map(d.gid_map))
end

local function powers(d, add)
  local kept <const> = {}
  for _, name in ipairs(schema.capabilities) do
    kept[#kept + 1] = d.capabilities[name] and name or nil
  end
  add("capabilities", #kept == 0 and "none" or #kept == #schema.capabilities and "all" or join(kept))
  add("privileges", d.no_new_privs and "none gained by executing a file" or "gained by set-id programs")
  add("user namespaces", d.allow_userns and "may be created inside" or "cannot be created inside")
end

--- A line for each thing that the program will see or may do.
---@param d table normalised description
---@return string
local function words(d)
  local lines <const> = {}
  local function add(what, text)
    lines[#lines + 1] = ("%-16s %s"):format(what .. ":", text)
  end
  local own <const>, hosts <const> = split(d.namespaces)
  add("own namespaces", join(own))
  add("the host's", join(hosts))
  identity(d, add)
  files(d, add)
  add("network", d.namespaces.net and "loopback only" or "the host's")
  for _, field in ipairs { "hostname", "domainname" } do
    if d[field] then
      add(field, d[field])
    end
  end
  powers(d, add)
  if d.namespaces.pid then
    add("process 1", d.init and "reaps, and hands signals on to the program" or "the program itself")
  end
  add("ends", d.die_with_parent and "with the host program at the latest" or "on its own")
  return table.concat(lines, "\n")
end

return words
