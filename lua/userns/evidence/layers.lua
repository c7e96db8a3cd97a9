-- What an overlay was to be made of: its layers as a plan's step or a mount's options
-- have them, and what is wrong with which.
local tried = require "userns.evidence.tried"

local layers = {}

--- The path that a step has opened into a slot.
local function opened(case, slot)
  for _, step in ipairs(case.plan) do
    if step.op == "open" and step.slot == slot then
      return step.path
    end
  end
end

local function split_layers(text)
  local list <const> = {}
  for path in (text or ""):gsub("\\:", "\0"):gmatch("[^:]+") do
    list[#list + 1] = (path:gsub("%z", ":"))
  end
  return list
end

local function of_step(case)
  local step <const>, lower <const> = case.step, {}
  for i, slot in ipairs(step.lower or {}) do
    lower[i] = opened(case, slot)
  end
  local upper <const>, work <const> = step.upper, step.work
  return { lower = lower, upper = upper and opened(case, upper), work = work and opened(case, work) }
end

local function of_options(options)
  local given <const> = {}
  for _, option in ipairs(options or {}) do
    local key <const>, value <const> = option:match("^([^=]*)=(.*)$")
    if key then
      given[key] = value
    end
  end
  return { lower = split_layers(given.lowerdir), upper = given.upperdir, work = given.workdir, given = given }
end

--- The layers' paths; nil for what is no overlay, or whose layers are not known.
---@param case userns.Case
---@return { lower: string[], upper: string?, work: string?, given: table<string, string>? }?
function layers.of(case)
  if case.layers == nil then
    local made <const> = tried.of(case)
    local known <const> = made.type == "overlay" and case.err.op ~= "fsconfig"
    case.layers = known and (case.step.lower and of_step(case) or of_options(made.options)) or false
  end
  return case.layers or nil
end

--- Upper, work and the lower ones, with what each is.
local function each(case)
  local l <const> = layers.of(case) or { lower = {} }
  local list <const> = {}
  list[#list + 1] = l.upper and { role = "upper", path = l.upper }
  list[#list + 1] = l.work and { role = "work", path = l.work }
  for _, path in ipairs(l.lower) do
    list[#list + 1] = { role = "lower", path = path }
  end
  return list
end

--- The first layer that something is wrong with.
---@param case userns.Case
---@param wrong fun(path: string, role: "upper"|"work"|"lower"): boolean?
---@return string? path
---@return string? role
function layers.first(case, wrong)
  for _, layer in ipairs(each(case)) do
    if wrong(layer.path, layer.role) then
      return layer.path, layer.role
    end
  end
end

--- The first layer that is not there.
function layers.missing(case)
  return layers.first(case, function(path)
    return case.evidence:stat(path) == nil
  end)
end

--- The first layer whose path leads round in a circle.
function layers.looping(case)
  return (layers.first(case, function(path)
    local found <const> = case.evidence:obstacle(path)
    return found ~= nil and found.code == "ELOOP"
  end))
end

--- The first layer that is something else.
function layers.no_directory(case)
  return layers.first(case, function(path)
    local st <const> = case.evidence:stat(path)
    return st ~= nil and st.type ~= "directory"
  end)
end

--- Whether two results of stat are of one file.
function layers.is_same(a, b)
  return a.device == b.device and a.inode == b.inode
end

--- Whether a directory is another or lies below it, by whatever names they go.
local function lies_within(case, inner, outer)
  local path, st = inner, case.evidence:stat(inner)
  local goal <const> = case.evidence:stat(outer)
  while st and goal and not layers.is_same(st, goal) do
    path = path .. "/.."
    local up <const> = case.evidence:stat(path)
    st = up and not layers.is_same(up, st) and up or nil
  end
  return st ~= nil and goal ~= nil
end

--- Layers that the kernel does not stack on each other, by what it says: the first
--- lies in the second. Upper and work are EINVAL; a lower layer in any other is
--- ELOOP; an upper one in a lower one is no matter.
local CONFLICTS <const> = {
  EINVAL = function(inner, outer)
    return inner.role ~= "lower" and outer.role ~= "lower"
  end,
  ELOOP = function(inner)
    return inner.role == "lower"
  end,
}

--- Two layers of which the first lies in the second, where it must not.
function layers.overlapping(case)
  local list <const>, conflict <const> = each(case), CONFLICTS[case.err.code]
  for i, inner in ipairs(list) do
    for j, outer in ipairs(list) do
      if i ~= j and conflict(inner, outer) and lies_within(case, inner.path, outer.path) then
        return inner.path, outer.path
      end
    end
  end
end

--- How many overlays lie under a path.
function layers.depth(case, path, seen)
  local mount <const> = case.evidence:mount_holding(path)
  if not mount or mount.type ~= "overlay" or seen > 3 then
    return 0
  end
  local below = 0
  for _, lower in ipairs(of_options(mount.super_options).lower) do
    below = math.max(below, layers.depth(case, lower, seen + 1))
  end
  return below + 1
end

--- The layer which would show what is covered on it.
function layers.uncovering(case)
  if not tried.is_nested(case) then
    return nil
  end
  local path <const> = layers.first(case, function(layer)
    return #(case.evidence:mounts_below(layer) or {}) > 0
  end)
  return path
end

--- The layer that lies on a mount which is none of this mount namespace's.
function layers.outside(case)
  return layers.first(case, function(layer)
    return case.evidence:mount_of(layer) ~= nil and case.evidence:mount_holding(layer) == nil
  end)
end

--- Upper or work, where the caller may not write it.
function layers.unwritable(case)
  return (layers.first(case, function(layer, role)
    return role ~= "lower" and not case.evidence:may(layer, "write")
  end))
end

--- Whether the work directory is that of an overlay that was never to be used again.
function layers.is_spent(case)
  local l <const> = layers.of(case)
  return l ~= nil and l.work ~= nil and case.evidence:stat(l.work .. "/work/incompat") ~= nil
end

return layers
