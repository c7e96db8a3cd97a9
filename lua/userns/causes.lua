-- The causes of refusals: rows of data, a file for each subject, in the order in
-- which the kernel looks.  diagnose.lua tells how they are used.
local causes = {} -- by what was attempted

---@class userns.Cause
---@field cause string the stable word
---@field ops string what was attempted: words, any of which
---@field codes string what the kernel said: words, any of which
---@field syscalls string? words, any of which
---@field test (fun(case: userns.Case): boolean?)? true: this is certainly it; false:
---  certainly not; nil: it may be. Absent: what comes before is enough
---@field why string|fun(case: userns.Case): string? why the kernel refuses it, a clause
---@field hint string|(fun(case: userns.Case): string?)|nil what to do, on this machine

local SUBJECTS <const> = { "clone" }

local function set_of(words)
  local set <const> = {}
  for word in words:gmatch("%S+") do
    set[word] = true
  end
  return set
end

local function add(op, row)
  causes[op] = causes[op] or {}
  table.insert(causes[op], row)
end

for _, subject in ipairs(SUBJECTS) do
  for _, row in ipairs(require("userns.causes." .. subject)) do
    local compiled <const> = {
      cause = row.cause, codes = set_of(row.codes), syscalls = row.syscalls and set_of(row.syscalls),
      test = row.test, why = row.why, hint = row.hint,
    }
    for op in row.ops:gmatch("%S+") do
      add(op, compiled)
    end
  end
end

return causes
