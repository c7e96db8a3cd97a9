-- Paths as text: absolute ones, without a slash at their end.
local path = {}

--- Whether a path lies below another.
---@param inner string
---@param outer string
---@return boolean
function path.is_below(inner, outer)
  local top <const> = outer == "/" and outer or outer .. "/"
  return #inner > #top and inner:sub(1, #top) == top
end

--- Whether a path is another, or lies below it.
---@param inner string
---@param outer string
---@return boolean
function path.is_within(inner, outer)
  return inner == outer or path.is_below(inner, outer)
end

return path
