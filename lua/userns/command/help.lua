-- What --help prints.
local grammar = require "userns.command.grammar"

local help = {}

--- How a command is called.
---@param command table of the grammar
---@return string
function help.usage(command)
  local words <const> = { grammar.name, command.name }
  for _, option in ipairs(command.options) do
    words[#words + 1] = option.name ~= "help" and ("[--%s]"):format(option.name) or nil
  end
  for _, operand in ipairs(command.operands) do
    local word <const> = operand.name .. (operand.many and "..." or "")
    words[#words + 1] = operand.optional and ("[%s]"):format(word) or word
  end
  words[#words + 1] = command.program and "[-- PROGRAM [ARGUMENT...]]" or nil
  return table.concat(words, " ")
end

local function rows(lines, list)
  local width = 0
  for _, row in ipairs(list) do
    width = math.max(width, #row[1])
  end
  for _, row in ipairs(list) do
    lines[#lines + 1] = ("  %s%s  %s"):format(row[1], (" "):rep(width - #row[1]), row[2])
  end
end

local function options(list)
  local found <const> = {}
  for i, option in ipairs(list) do
    found[i] = { ("%s --%s"):format(option.short and ("-%s,"):format(option.short) or "   ", option.name), option.doc }
  end
  return found
end

local function words(operands)
  local found <const> = {}
  for _, operand in ipairs(operands) do
    found[#found + 1] = operand.words and { operand.name, "one of: " .. table.concat(operand.words, ", ") } or nil
  end
  return found
end

local function of_command(command)
  local lines <const> = { "usage: " .. help.usage(command), "", command.doc, "" }
  rows(lines, words(command.operands))
  rows(lines, options(command.options))
  return lines
end

local function of_all()
  local lines <const> = { ("usage: %s COMMAND [OPTION...] [OPERAND...]"):format(grammar.name), "", grammar.doc, "" }
  local list <const> = {}
  for i, command in ipairs(grammar.commands) do
    list[i] = { command.name, command.doc }
  end
  rows(lines, list)
  lines[#lines + 1] = ""
  rows(lines, options(grammar.options))
  lines[#lines + 1] = ""
  lines[#lines + 1] = ("`%s COMMAND --help` tells how a command is called; see %s(1)."):format(
    grammar.name, grammar.name)
  return lines
end

--- Help on a command, or on all.
---@param command table?
---@return string
function help.text(command)
  return table.concat(command and of_command(command) or of_all(), "\n") .. "\n"
end

return help
