-- The command line against the grammar.  Everything after "--" is the program's.
local grammar = require "userns.command.grammar"
local sys = require "userns.sys"
local types = require "userns.types"

local options = {}

---@class userns.command.Call
---@field command table? of the grammar; nil where none is named
---@field options table<string, boolean> by their long names
---@field operands string[]
---@field program string[]? what is after "--"

local function fail(message, hint)
  return nil, sys.error { op = "usage", code = "EINVAL", message = message, hint = hint }
end

local function by(list, key, value)
  for _, entry in ipairs(list) do
    if entry[key] == value then
      return entry
    end
  end
end

local function names(list, before)
  local found <const> = {}
  for i, entry in ipairs(list) do
    found[i] = (before or "") .. entry.name
  end
  return found
end

--- What to do instead of a word that is none of some.
local function advice(word, words)
  local near <const> = types.nearest(word, words)
  return near and ("did you mean '%s'?"):format(near) or "one of: " .. table.concat(words, ", ")
end

local function unknown(what, word, words)
  return fail(("unknown %s '%s'"):format(what, word), advice(word, words))
end

local function split(argv)
  for i, word in ipairs(argv) do
    if word == "--" then
      return table.move(argv, 1, i - 1, 1, {}), table.move(argv, i + 1, #argv, 1, {})
    end
  end
  return argv, nil
end

--- The options that a word stands for: "--json", or "-q", or several in one.
local function options_of(word, known)
  local long <const> = word:match("^%-%-(.*)$")
  if long then
    local option <const> = by(known, "name", long)
    if not option then
      return unknown("option", word, names(known, "--"))
    end
    return { option }
  end
  local list <const> = {}
  for letter in word:sub(2):gmatch(".") do
    local option <const> = by(known, "short", letter)
    if not option then
      return fail(("unknown option '-%s'"):format(letter), "--help lists them")
    end
    list[#list + 1] = option
  end
  return list
end

--- The operand that a word would be, nil for one too many.
local function operand_at(command, i)
  local list <const> = command.operands
  return list[i] or list[#list] and list[#list].many and list[#list] or nil
end

local function take_operand(call, word)
  local command <const> = call.command
  local operand <const> = operand_at(command, #call.operands + 1)
  if not operand then
    return fail(("'%s' is one word too many for %s"):format(word, command.name),
      command.program and "a program and its arguments come after --" or nil)
  elseif operand.words and types.nearest(word, operand.words) ~= word then
    return unknown(operand.name, word, operand.words)
  end
  call.operands[#call.operands + 1] = word
  return true
end

local function take_command(call, word)
  local command <const> = by(grammar.commands, "name", word)
  if not command then
    return unknown("command", word, names(grammar.commands))
  end
  call.command = command
  return true
end

local function take(call, word)
  if word:find("^%-.") then
    local list <const>, err = options_of(word, (call.command or grammar).options)
    for _, option in ipairs(list or {}) do
      call.options[option.name] = true
    end
    return list and true, err
  end
  return (call.command and take_operand or take_command)(call, word)
end

--- Whether everything that must be there is.
local function complete(call)
  local command <const> = call.command
  if not command then
    return fail("no command is named", "one of: " .. table.concat(names(grammar.commands), ", "))
  end
  local missing <const> = command.operands[#call.operands + 1]
  if missing and not missing.optional then
    return fail(("%s needs %s"):format(command.name, missing.name),
      ("`userns %s --help` tells more"):format(command.name))
  elseif call.program and not command.program then
    return fail(command.name .. " runs no program, and takes nothing after --")
  elseif call.program and #call.program == 0 then
    return fail("no program after --")
  end
  return call
end

--- A command line, taken apart.
---@param argv string[]
---@return userns.command.Call? call
---@return userns.Error? err
function options.parse(argv)
  local words <const>, program = split(argv)
  local call <const> = { options = {}, operands = {}, program = program }
  for _, word in ipairs(words) do
    local ok <const>, err = take(call, word)
    if not ok then
      return nil, err
    end
  end
  if call.options.help or call.options.version then
    return call
  end
  return complete(call)
end

--- Whether a command line that cannot be parsed asks for JSON nevertheless.
function options.asks_for_json(argv)
  for _, word in ipairs((split(argv))) do
    if word == "--json" then
      return true
    end
  end
  return false
end

return options
