-- Plain data as JSON (RFC 8259).  What is no data - functions, files, handles -
-- is a string, and so is told apart but no more; bytes that are no UTF-8 become
-- U+FFFD.  A table without fields is an empty list.
local SHORT <const> = { ["\""] = "\\\"", ["\\"] = "\\\\", ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t" }

local function utf8_only(text)
  local parts <const> = {}
  local at = 1
  while at <= #text do
    local good <const>, bad = utf8.len(text, at)
    parts[#parts + 1] = text:sub(at, good and #text or bad - 1)
    parts[#parts + 1] = not good and "\u{fffd}" or nil
    at = good and #text + 1 or bad + 1
  end
  return table.concat(parts)
end

local function quote(text)
  return '"' .. utf8_only(text):gsub("[%c\"\\]", function(c)
    return SHORT[c] or ("\\u%04x"):format(c:byte())
  end) .. '"'
end

local function number(value)
  if math.type(value) == "integer" then
    return ("%d"):format(value)
  elseif value ~= value or value == math.huge or value == -math.huge then
    return "null"
  end
  local short <const> = ("%.15g"):format(value)
  return tonumber(short) == value and short or ("%.17g"):format(value)
end

--- Whether a table is data; a handle hides its state under a key of no word.
local function is_data(value)
  for key in next, value do
    if type(key) ~= "string" and math.type(key) ~= "integer" then
      return false
    end
  end
  return true
end

local function is_list(value)
  local count = 0
  for _ in next, value do
    count = count + 1
  end
  return count == #value
end

local encode

local function list(value)
  local items <const> = {}
  for i, item in ipairs(value) do
    items[i] = encode(item)
  end
  return "[" .. table.concat(items, ",") .. "]"
end

local function object(value)
  local members <const> = {}
  for key, item in next, value do
    members[#members + 1] = quote(tostring(key)) .. ":" .. encode(item)
  end
  table.sort(members)
  return "{" .. table.concat(members, ",") .. "}"
end

local FORMS <const> = {
  ["nil"] = function() return "null" end,
  boolean = tostring,
  number = number,
  string = quote,
  table = function(value)
    return is_data(value) and (is_list(value) and list or object)(value) or quote(tostring(value))
  end,
}

--- A value as JSON, on one line; keys are sorted.
---@param value any without cycles
---@return string
function encode(value)
  local form <const> = FORMS[type(value)]
  return form and form(value) or quote(tostring(value))
end

return encode
