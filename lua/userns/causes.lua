-- The causes of refusals: rows of data, a file for each subject, in the order in
-- which the kernel looks.  diagnose.lua tells how they are used.
---@class userns.Cause
---@field cause string the stable word
---@field ops string what was attempted: words, any of which; "any"
---@field codes string what the kernel said: words, any of which; "any"
---@field syscalls string? words, any of which
---@field about string? why, in the reference, where that is a function
---@field test (fun(case: userns.Case): boolean?)? true: this is certainly it; false:
---  certainly not; nil: it may be. Absent: what comes before is enough
---@field why string|fun(case: userns.Case): string? why the kernel refuses it, a clause
---@field hint string|(fun(case: userns.Case): string?)|nil what to do, on this machine

-- Rows of any operation come first where the kernel asks first, and last where
-- nothing else is left.
local SUBJECTS <const> = {
  "filters", "proc", "clone", "setns", "idmap", "idtools", "identity", "confinement", "settings", "cgroup", "network",
  "lifetime", "arguments", "program", "power", "paths", "mounts", "changes", "shifts", "filesystems", "overlay", "root",
  "leftover",
}

local function set_of(words)
  local set <const> = {}
  for word in words:gmatch("%S+") do
    set[word] = true
  end
  return set
end

local causes <const> = {}

for _, subject in ipairs(SUBJECTS) do
  for _, row in ipairs(require("userns.causes." .. subject)) do
    row.ops, row.codes, row.syscalls = set_of(row.ops), set_of(row.codes), row.syscalls and set_of(row.syscalls)
    row.subject = subject
    causes[#causes + 1] = row
  end
end

return causes
