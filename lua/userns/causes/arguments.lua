-- Why a program is not given its arguments and its environment: execve(2).
local PAGE <const> = 4096
local LONGEST <const> = 32 * PAGE -- of one argument, MAX_ARG_STRLEN
local LEAST <const> = 32 * PAGE -- of all of them, whatever the stack's limit
local MOST <const> = 6 << 20 -- three quarters of the kernel's own stack limit

--- The parts of the argument list: strings.
local function strings(case)
  local step <const>, list <const> = case.step, {}
  for i, argument in ipairs(step.argv or {}) do
    list[#list + 1] = { ("argument %d"):format(i - 1), argument }
  end
  for key, value in pairs(step.env or {}) do
    local name <const> = type(key) == "string" and key or value:match("^[^=]*")
    list[#list + 1] = { "the environment variable " .. name, type(key) == "string" and key .. "=" .. value or value }
  end
  return list
end

local function longest(case)
  local found
  for _, one in ipairs(strings(case)) do
    found = #one[2] + 1 > LONGEST and (not found or #one[2] > #found[2]) and one or found
  end
  return found
end

local function total(case)
  local bytes = 0
  for _, one in ipairs(strings(case)) do
    bytes = bytes + #one[2] + 1 + 8
  end
  return bytes
end

--- The stack's soft limit that the program is given.
local function stack_limit(case)
  local stack = (case.evidence:limit "stack" or {}).soft
  for _, step in ipairs(case.plan) do
    if step.op == "rlimit" and step.resource == "stack" then
      stack = step.soft
    end
  end
  return math.type(stack) == "integer" and stack or math.maxinteger
end

--- What all arguments may have together: they lie on the stack, too.
---@return integer bytes
---@return string bound in words
local function most(case)
  local stack <const> = stack_limit(case)
  if stack < LEAST then
    return stack, "the stack's limit"
  end
  return math.max(LEAST, math.min(MOST, stack // 4)), "a quarter of the stack's limit"
end

return {
  {
    cause = "args_too_long", ops = "exec examine", codes = "E2BIG",
    test = function(case)
      return longest(case) ~= nil
    end,
    about = "one argument or variable has more than 128 KiB",
    why = function(case)
      local what <const>, text <const> = table.unpack(longest(case))
      return ("%s has %d bytes, and the kernel takes %d for one"):format(what, #text, LONGEST - 1)
    end,
    hint = "hand it over in a file or on the standard input",
  },
  {
    cause = "args_too_long", ops = "exec examine", codes = "E2BIG",
    about = "all arguments and variables together do not fit in a quarter of the stack's limit, or in the stack",
    why = function(case)
      local bytes <const>, limit <const>, bound <const> = total(case), most(case)
      local counted <const> = bytes > limit and ("have %d bytes together"):format(bytes) or "have more together"
      return ("arguments and environment %s, and %s lets %d through"):format(counted, bound, limit)
    end,
    hint = "hand over less, as in a file; or raise the limit of the stack (rlimits.stack), up to 24 MiB",
  },
}
