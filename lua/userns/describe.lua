-- A normalised description back as a description: every default written out.
local schema = require "userns.schema"

local function plain(record)
  local copy <const> = {}
  for key, value in next, record do
    copy[key] = type(value) == "table" and plain(value) or value
  end
  return copy
end

local function listed(set, order)
  local list <const> = {}
  for _, name in ipairs(order) do
    list[#list + 1] = set[name] and name or nil
  end
  return list
end

-- Fields that a container without the namespace must not have.
local NEEDS <const> = {
  uid_map = "user", gid_map = "user", setgroups = "user", root = "mnt", mounts = "mnt", propagation = "mnt",
  masked_paths = "mnt", readonly_paths = "mnt", devices = "mnt", hostname = "uts", domainname = "uts",
}

local SPECIAL <const> = {
  namespaces = function(d)
    return listed(d.namespaces, schema.namespaces)
  end,
  share = function()
    return nil -- taken off already
  end,
  capabilities = function(d)
    return listed(d.capabilities, schema.capabilities)
  end,
  root = function(d)
    return d.root.type ~= "host" and plain(d.root) or nil
  end,
}

--- A description that means what a normalised one says, with every default
--- written out; userns.container takes it.
---@param d table normalised description
---@return table description
local function describe(d)
  local description <const> = {}
  for _, field in ipairs(schema.description.fields) do
    local name <const> = field.name
    local value = d[name]
    if SPECIAL[name] then
      value = SPECIAL[name](d)
    end
    if not NEEDS[name] or d.namespaces[NEEDS[name]] then
      description[name] = type(value) == "table" and plain(value) or value
    end
  end
  return description
end

return describe
