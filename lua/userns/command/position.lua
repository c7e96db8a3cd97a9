-- Where a field of a description stands in the text that it was made by.  Lua
-- keeps no lines of table constructors, so the text is read here: the table that
-- it returns, as far as that is written out.  What is computed has no line, and
-- where there could be two answers none is given.
local lexer = require "userns.command.lexer"

local position = {}

---@class userns.command.Text
---@field tokens userns.command.Token[]
---@field partner table<integer, integer> of each bracket or block that opens, where it closes
---@field locals table<string, integer> where the values of the chunk's own locals begin
---@field uses table<string, integer> how often a variable is mentioned
---@field returned integer? where the value that the chunk returns begins
---@field merges boolean "userns" is the library throughout

local OPENS <const> = {
  ["("] = true, ["["] = true, ["{"] = true, ["function"] = true, ["do"] = true, ["if"] = true, ["repeat"] = true,
}
local CLOSES <const> = { [")"] = true, ["]"] = true, ["}"] = true, ["end"] = true, ["until"] = true }
local SEPARATES <const> = { [","] = true, [";"] = true }

-- ---- the text as a whole --------------------------------------------------

local function type_at(tokens, i)
  return tokens[i] and tokens[i].type
end

--- Whether a name is a variable's, and not a key or a label.
local function is_variable(tokens, i, around)
  local before <const>, after <const> = type_at(tokens, i - 1), type_at(tokens, i + 1)
  local key <const> = around == "{" and after == "=" and (before == "{" or SEPARATES[before])
  return not key and before ~= "." and before ~= ":" and before ~= "goto" and before ~= "::"
end

--- `local name = value`, with or without an attribute: where the value begins.
local function value_of_local(tokens, i)
  local at <const> = type_at(tokens, i + 2) == "<" and i + 5 or i + 2
  return type_at(tokens, i + 1) == "name" and type_at(tokens, at) == "=" and at + 1 or nil
end

local function is_library(tokens, i)
  return type_at(tokens, i - 1) ~= "function" and type_at(tokens, i + 1) == "." and type_at(tokens, i + 3) ~= "="
end

local function note_name(text, i, around)
  local tokens <const> = text.tokens
  local name <const> = tokens[i].text
  if is_variable(tokens, i, around) then
    text.uses[name] = (text.uses[name] or 0) + 1
    text.merges = text.merges and name ~= "_ENV" and (name ~= "userns" or is_library(tokens, i))
  end
end

--- The text with all that is found by going through it once.
local function read(tokens)
  local text <const> = { tokens = tokens, partner = {}, locals = {}, uses = {}, merges = true }
  local open <const>, functions, returns = {}, 0, 0
  for i, token in ipairs(tokens) do
    local type <const> = token.type
    if OPENS[type] then
      open[#open + 1] = i
      functions = functions + (type == "function" and 1 or 0)
    elseif CLOSES[type] then
      local start <const> = table.remove(open)
      text.partner[start] = i
      functions = functions - (tokens[start].type == "function" and 1 or 0)
    elseif type == "name" then
      note_name(text, i, type_at(tokens, open[#open]))
    elseif type == "local" and #open == 0 and type_at(tokens, i + 1) == "name" then
      text.locals[tokens[i + 1].text] = value_of_local(tokens, i)
    elseif type == "return" and functions == 0 then
      returns = returns + 1
      text.returned = #open == 0 and i + 1 or nil
    end
  end
  if returns > 1 then
    text.returned = nil -- which one it was is not to be seen
  end
  return text
end

--- Where an expression ends: at what separates it from the next, or closes what
--- is around it.
local function expression_end(text, i)
  local tokens <const> = text.tokens
  while tokens[i] and not SEPARATES[tokens[i].type] and not CLOSES[tokens[i].type] do
    i = (text.partner[i] or i) + 1
  end
  return i
end

-- ---- tables that are written out ------------------------------------------

local node

---@class userns.command.Entry
---@field line integer
---@field node table what its value is

--- The key of an entry that has one in brackets: nil for one that is computed.
local function bracketed_key(text, i)
  local token <const> = text.tokens[i + 1]
  if text.partner[i] ~= i + 2 then
    return nil
  end
  return token.type == "string" and lexer.value(token)
    or token.type == "number" and math.tointeger(tonumber(token.text))
end

--- Key and value of an entry; without a key it is the next of the list.
local function split_entry(text, i)
  local tokens <const> = text.tokens
  if tokens[i].type == "name" and type_at(tokens, i + 1) == "=" then
    return tokens[i].text, i + 2
  elseif tokens[i].type == "[" then
    return bracketed_key(text, i) or false, text.partner[i] + 2
  end
  return nil, i
end

--- What a constructor holds, by key; sure only where every key is written once.
local function entries(text, first, last)
  local found <const> = { sure = true, count = 0 }
  local list <const> = {}
  local i = first + 1
  while i < last do
    local key, value = split_entry(text, i)
    local stop <const> = expression_end(text, value)
    if key == nil then
      found.count = found.count + 1
      key = found.count
    end
    found.sure = found.sure and key ~= false and not list[key]
    list[key] = { line = text.tokens[i].line, node = node(text, value, stop) }
    i = stop + 1
  end
  found.list = list
  return found
end

-- ---- expressions ----------------------------------------------------------

local function is_merge(text, i, stop)
  local tokens <const> = text.tokens
  return text.merges and tokens[i].text == "userns" and type_at(tokens, i + 2) == "name"
    and tokens[i + 2].text == "merge" and type_at(tokens, i + 3) == "(" and text.partner[i + 3] == stop - 1
end

local function arguments(text, first, last)
  local list <const> = {}
  local i = first + 1
  while i < last do
    local stop <const> = expression_end(text, i)
    list[#list + 1] = node(text, i, stop)
    i = stop + 1
  end
  return list
end

-- What may follow an expression that ends a statement.
local FOLLOWS <const> = {}
for word in ("; :: name break do for function goto if local repeat return while"):gmatch("%S+") do
  FOLLOWS[word] = true
end

--- Where the value of a local ends, if that is a table or a call by itself.
local function local_end(text, i)
  local open <const> = text.tokens[i].type == "{" and i or i + 3
  local stop <const> = text.partner[open] and text.partner[open] + 1
  return stop and FOLLOWS[type_at(text.tokens, stop)] and stop or nil
end

--- Where the value of a local begins and ends: one that is mentioned nowhere else
--- is what it was made as.
local function known_local(text, i, stop)
  local token <const> = text.tokens[i]
  local value <const> = text.locals[token.text]
  if stop == i + 1 and token.type == "name" and text.uses[token.text] == 2 and value and value < i then
    return value, local_end(text, value)
  end
end

--- What an expression is: a table that is written out, a merge of several, or
--- something else.
function node(text, i, stop)
  local first <const> = text.tokens[i]
  if i >= stop then
    return {}
  elseif first.type == "{" and text.partner[i] == stop - 1 then
    return { table = entries(text, i, stop - 1) }
  elseif is_merge(text, i, stop) then
    return { merge = arguments(text, i + 3, stop - 1) }
  end
  local value <const>, value_stop = known_local(text, i, stop)
  if value_stop then
    return node(text, value, value_stop)
  end
  return { literal = first.type == "string" and stop == i + 1 and lexer.value(first) or nil }
end

-- ---- looking up -----------------------------------------------------------

local find

--- What is left of a path after a key, nil where it does not begin with it.
local function after(path, key)
  local forms <const> = math.type(key) and { ("[%d]"):format(key) } or { key, ("[%q]"):format(key) }
  for _, form in ipairs(forms) do
    local rest <const> = path:sub(#form + 1)
    if path:sub(1, #form) == form and rest:find("^[.[]") or path == form then
      return (rest:gsub("^%.", ""))
    end
  end
end

--- The entry with the longest key that a path begins with: some keys have dots.
local function entry_of(list, path)
  local entry, rest
  for key, candidate in pairs(list) do
    local left <const> = key and after(path, key)
    if left and (not rest or #left < #rest) then
      entry, rest = candidate, left
    end
  end
  return entry, rest
end

local function find_in_table(table, path, line, wanted)
  local entry <const>, rest = entry_of(table.list, path)
  if not table.sure then
    return line, "unsure"
  elseif entry then
    return find(entry.node, rest, entry.line, wanted)
  end
  return line, table.count > 0 and path:find("^%[") and "unsure" or "missing" -- a list is replaced as a whole
end

--- Type and target of a mount that is written out; nothing for one that is not.
local function identity_of(mount)
  local list <const> = mount.node.table and mount.node.table.list or {}
  local type <const>, target <const> = list.type and list.type.node.literal, list.target and list.target.node.literal
  if type and target then
    return type, target
  end
end

--- The mount of a list that is known by its type and target, where all are.
local function find_mount(mounts, path, wanted)
  local found
  for i = 1, mounts.count do
    local type <const>, target <const> = identity_of(mounts.list[i])
    local same <const> = type == wanted.type and target == wanted.target
    if not type or same and found then
      return nil, "unsure"
    end
    found = same and mounts.list[i] or found
  end
  if not found then
    return nil, "missing"
  end
  local line <const>, how = find(found.node, path, found.line, wanted)
  return line, how == "found" and how or "unsure" -- it takes the place of an earlier one as a whole
end

--- In a merge mounts have other numbers than where they are written, and are
--- known by their targets.
local function find_in_argument(argument, path, wanted)
  local number <const>, rest = path:match("^mounts%[(%d+)%]%.?(.*)$")
  local mount <const> = number and wanted[math.tointeger(tonumber(number))]
  local entry <const> = argument.table and argument.table.list.mounts
  if not number or not entry then
    return find(argument, path, nil, wanted)
  elseif not argument.table.sure or not entry.node.table or not entry.node.table.sure or not mount then
    return entry.line, "unsure"
  end
  local line <const>, how = find_mount(entry.node.table, rest, mount)
  return line or how == "unsure" and entry.line or nil, how
end

--- The later one wins; in which a field is missing, it may be an earlier one's.
local function find_in_merge(list, path, line, wanted)
  local nearest
  for i = #list, 1, -1 do
    local at <const>, how = find_in_argument(list[i], path, wanted)
    nearest = nearest or at
    if how ~= "missing" then
      return at or nearest or line, how
    end
  end
  return nearest or line, "missing"
end

--- The line of a path below a value, or of what is nearest around it; and whether
--- it was "found", is "missing", or there is no telling.
function find(value, path, line, wanted)
  if path == "" then
    return line, "found"
  elseif value.table then
    return find_in_table(value.table, path, line, wanted)
  elseif value.merge then
    return find_in_merge(value.merge, path, line, wanted)
  end
  return line, "unsure"
end

--- What tells mounts apart, by their numbers in the description.
local function mounts_of(description)
  local wanted <const> = {}
  for i, mount in ipairs(type(description.mounts) == "table" and description.mounts or {}) do
    wanted[i] = type(mount) == "table" and type(mount.target) == "string" and mount or nil
  end
  return wanted
end

--- A function that tells on which line of a text a field of the description
--- stands that it returned, or else the nearest field around it; nil where that
--- cannot be told.
---@param source string a Lua text that compiles
---@param description table
---@return fun(field: string): integer? line of a field as errors have it: "mounts[2].target"
function position.of(source, description)
  local text <const> = read(lexer.tokens(source))
  local start <const> = text.returned
  local value <const> = start and node(text, start, expression_end(text, start)) or {}
  local wanted <const> = mounts_of(description)
  return function(field)
    return (find(value, field, nil, wanted))
  end
end

return position
