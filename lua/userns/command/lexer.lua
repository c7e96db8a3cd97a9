-- The tokens of a Lua text that compiles, each with its line.
local lexer = {}

local KEYWORDS <const> = {}
for word in ("and break do else elseif end false for function goto if in local nil not or repeat return then true "
  .. "until while"):gmatch("%a+") do
  KEYWORDS[word] = true
end

---@class userns.command.Token
---@field type string "name", "string", "number", or the keyword or operator itself
---@field text string as it is written
---@field line integer where it begins

--- The position after a long bracket that opens at one, nil where none does.
local function after_long(text, at)
  local level <const> = text:match("^%[(=*)%[", at)
  if level then
    return select(2, text:find("]" .. level .. "]", at, true)) + 1
  end
end

local function after_comment(text, at)
  return after_long(text, at + 2) or text:find("[\r\n]", at) or #text + 1
end

--- A backslash takes the next byte along, and \z all white space.
local function after_quoted(text, at)
  local quote <const> = text:sub(at, at)
  at = at + 1
  while text:sub(at, at) ~= quote do
    local skipped <const> = text:match("^\\z%s*()", at) or text:match("^\\\r\n()", at) or text:match("^\\.()", at)
    at = skipped or at + 1
  end
  return at + 1
end

-- What a token may begin with, and where it ends; the first row that fits.
local FORMS <const> = {
  { "^%-%-", after_comment, "comment" },
  { "^%[=*%[", after_long, "string" },
  { "^[\"']", after_quoted, "string" },
  { "^[%a_][%w_]*()", nil, "name" },
  { "^%.?%d[%w.]*()", nil, "number" },
  { "^[=~<>]=()" }, { "^%.%.%.?()" }, { "^::()" }, { "^.()" },
}

local function scan(text, at)
  for _, form in ipairs(FORMS) do
    local stop = text:match(form[1], at)
    if stop then
      stop = form[2] and form[2](text, at) or stop
      return form[3], stop
    end
  end
end

--- As Lua counts them: the two bytes of a line's end are one.
local function count_lines(text)
  local _, count <const> = text:gsub("\r\n", "\n"):gsub("\n\r", "\n"):gsub("[\r\n]", "")
  return count
end

--- Without what does not belong to the text: a byte order mark, and a first line
--- that starts with "#".
local function strip(text)
  return (text:gsub("^\u{feff}", ""):gsub("^#[^\n]*", ""))
end

--- All tokens in order, without comments.
---@param text string
---@return userns.command.Token[]
function lexer.tokens(text)
  text = strip(text)
  local tokens <const>, line = {}, 1
  local at = 1
  while at <= #text do
    local blank <const> = text:match("^%s*", at)
    line, at = line + count_lines(blank), at + #blank
    local kind <const>, stop = scan(text, at)
    if stop then
      local word <const> = text:sub(at, stop - 1)
      local type <const> = (kind == "name" and KEYWORDS[word] or not kind) and word or kind
      tokens[#tokens + 1] = type ~= "comment" and { type = type, text = word, line = line } or nil
      line, at = line + count_lines(word), stop
    end
  end
  return tokens
end

--- What a literal string stands for.
---@param token userns.command.Token
---@return string
function lexer.value(token)
  return load("return " .. token.text, "=literal", "t", {})()
end

return lexer
