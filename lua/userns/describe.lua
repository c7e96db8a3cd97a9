-- A normalised description back as a description: every default written out.
local merge = require "userns.merge"
local normalise = require "userns.normalise"
local rules = require "userns.rules"
local schema = require "userns.schema"
local types = require "userns.types"

local SPECIAL <const> = {
  namespaces = function(d)
    return types.listed(d.namespaces, schema.namespaces)
  end,
  share = function()
    return nil -- taken off already
  end,
  join = function(d)
    return next(d.join) and d.join or nil
  end,
  hooks = function(d)
    return next(d.hooks) and d.hooks or nil
  end,
  sysctl = function(d)
    local map <const> = {}
    for _, setting in ipairs(d.sysctl) do
      map[setting.key] = setting.value
    end
    return map
  end,
  capabilities = function(d)
    local sets <const> = {}
    for name, set in next, d.capabilities do
      sets[name] = types.listed(set, schema.capabilities)
    end
    return sets.ambient and sets or sets.permitted
  end,
  root = function(d)
    return d.root.type ~= "host" and d.root or nil
  end,
  process = function(d)
    local process <const> = normalise.process(d.process)
    local spec <const> = table.move(process.argv, 1, #process.argv, 1, {})
    for _, field in ipairs(schema.process.fields) do
      spec[field.name] = process[field.name]
    end
    if spec.input ~= nil then
      spec.stdin = nil -- which it is instead of
    end
    return spec
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
    local needed <const> = rules.needs[name]
    if not needed or d.namespaces[needed] then
      local form <const> = SPECIAL[name]
      if form then
        description[name] = form(d)
      else
        description[name] = d[name]
      end
    end
  end
  return merge(description)
end

return describe
