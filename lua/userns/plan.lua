-- A plan: the steps of parent and child in order, as plain data that prints
-- itself.  What is printed is what runs; an error's `step` counts these lines.
local bpf = require "userns.bpf"
local sys = require "userns.sys"

local plan = {}

local OPS <const> = sys.ops()

--- A value as it is, or quoted if it could be taken for something else.
---@param value any
---@param separator string? a character between words
---@return string
function plan.word(value, separator)
  local text <const> = tostring(value)
  if text ~= "" and not text:find("[%s%c\"\\\128-\255" .. (separator or "") .. "]") then
    return text
  end
  return '"' .. text:gsub("[%c\"\\\127-\255]", function(c)
    return c == "\n" and "\\n" or (c == '"' or c == "\\") and "\\" .. c or ("\\x%02x"):format(c:byte())
  end) .. '"'
end

local word <const> = plan.word

local function entry(item)
  if type(item) ~= "table" then
    return word(item, ",")
  elseif item.target then
    return ("%d:%s"):format(item.target, (item.from:gsub(" ", "")))
  end
  return ("%d:%d:%d"):format(item.inside, item.outside, item.count)
end

local function list(items)
  if #items == 0 then
    return "none"
  end
  local words <const> = {}
  for i, item in ipairs(items) do
    words[i] = entry(item)
  end
  return table.concat(words, ",")
end

local function octal(name, value)
  return ("%s=0%o"):format(name, value)
end

-- Operands that are not shown as they are.
local FORMS <const> = {
  mode = octal,
  mask = octal,
  device = function(_, value)
    return ("device=%d:%d"):format(value >> 32, value & 0xFFFFFFFF)
  end,
  content = function(_, value)
    return ("bytes=%d"):format(#value)
  end,
  filter = function(_, value)
    return ("instructions=%d"):format(#value // bpf.SIZE)
  end,
}

local function operand(step, name)
  local value <const> = step[name]
  if value == nil or value == false then
    return nil
  elseif value == true then
    return name
  elseif FORMS[name] then
    return FORMS[name](name, value)
  end
  return name .. "=" .. (type(value) == "table" and list(value) or word(value))
end

local function operands(step)
  local words <const> = {}
  for _, name in ipairs(OPS[step.op].operands) do
    words[#words + 1] = operand(step, name)
  end
  return table.concat(words, " ")
end

--- A program is shown as it is called, not as execve(2) has it.
local function command(step)
  local words <const> = { word(step.program) }
  for i = 2, #step.argv do
    words[i] = word(step.argv[i])
  end
  return table.concat(words, " ")
end

local function line(i, step)
  local show <const> = step.op == "exec" and command or operands
  return (("%3d  %-6s  %-12s  %s"):format(i, step.side, step.op, show(step)):gsub("%s+$", ""))
end

local metatable <const> = { __name = "userns.plan", __index = {} }

--- The listing: a numbered line for each step.
function metatable:__tostring()
  local lines <const> = {}
  for i, step in ipairs(self) do
    lines[i] = line(i, step)
  end
  return table.concat(lines, "\n")
end

--- The listing with a sentence for each step, on what it does and which field
--- of the description asks for it.
---@return string
function metatable.__index:explain()
  local lines <const> = {}
  for i, step in ipairs(self) do
    lines[#lines + 1] = line(i, step)
    lines[#lines + 1] = ("       %s%s"):format(OPS[step.op].doc, step.source and " (" .. step.source .. ")" or "")
  end
  return table.concat(lines, "\n")
end

---@class userns.Step
---@field op string what is done: the same word as in errors
---@field side "parent"|"child" who does it
---@field source string? the field of the description that asks for it

---@class userns.Plan: userns.Step[]
---@field degraded { feature: string, used: string, reason: string }[]
---@field owner { uid: integer, gid: integer }? who the program is to the caller, where that is somebody else

--- Makes a plan of a list of steps, and says whose each is.
---@param steps userns.Step[] without `side`
---@param degraded table[]
---@param owner table?
---@return userns.Plan
function plan.new(steps, degraded, owner)
  for i = 1, #steps do
    local step <const> = steps[i]
    step.side = OPS[step.op].side
  end
  steps.degraded = degraded
  steps.owner = owner
  return setmetatable(steps, metatable)
end

return plan
