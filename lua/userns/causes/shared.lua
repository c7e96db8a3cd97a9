-- What two subjects have: rows, each with operations, codes and a test of its own,
-- and words.
local shared = {}

--- Where mounts are, the first three of many.
---@param mounts { target: string }[]
---@return string words
function shared.mounts(mounts)
  local list <const> = {}
  for i, mount in ipairs(mounts) do
    list[i] = i <= 3 and mount.target or nil
  end
  return table.concat(list, ", ") .. (#mounts > 3 and (" and %d more"):format(#mounts - 3) or "")
end

--- The namespace above has not got an id that was to be mapped.
---@param row table ops, codes, syscalls, test
---@param kind_of fun(case: userns.Case): "uid"|"gid"
---@param id_of fun(case: userns.Case): integer the id
---@return userns.Cause
function shared.outer_unmapped(row, kind_of, id_of)
  row.cause = "outer_unmapped"
  row.about = "the namespace above has not got the id that is to be mapped"
  row.hint = "map ids that /proc/self/uid_map and gid_map of the host program have inside"
  function row.why(case)
    return ("%s %d is not mapped in the caller's own user namespace, and so cannot be handed on"):format(
      kind_of(case), id_of(case))
  end
  return row
end

--- A path leads through what another process has.
---@param row table ops, codes, test
---@param path_of fun(case: userns.Case): string where who follows it is stopped
---@return userns.Cause
function shared.not_ptraceable(row, path_of)
  row.cause = "not_ptraceable"
  row.about = "the path leads through what another process has"
  row.hint = "name the path itself, or do it as the process's user or as root of the host"
  function row.why(case)
    return ("'%s' is for who may look into that process: its user, while it is dumpable and has no more capabilities")
      :format(path_of(case))
  end
  return row
end

return shared
