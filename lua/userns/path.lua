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

-- What leads from a process's directory to what the process has: a link, or a
-- directory of links.
local LINKS <const> = { root = true, cwd = true, exe = true }
local DIRECTORIES <const> = { fd = true, map_files = true, ns = true }

--- Whether a path ends at what leads to what another process has.
---@param at string
---@return boolean
function path.leads_into_process(at)
  local within <const> = at:gsub("/task/%d+/", "/"):match "^/proc/[^/]+/(.+)$" or ""
  return (LINKS[within] or DIRECTORIES[within:match "^([^/]+)/?[^/]*$"]) ~= nil
end

return path
