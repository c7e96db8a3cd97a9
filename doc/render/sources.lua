-- The docstrings of the sources: blocks of `---` lines in Lua, /*** comments in
-- C, with LuaCATS tags in both.
local sources <const> = {}

-- ---- types ----------------------------------------------------------------

local OPEN <const> = { ["("] = true, ["{"] = true, ["<"] = true, ["["] = true }
local CLOSE <const> = { [")"] = true, ["}"] = true, [">"] = true, ["]"] = true }

--- Where the type at the start of a text ends: at the first space outside of
--- brackets and quotes that does not follow a colon, as in "fun(): any".
local function type_end(text)
  local depth, quoted = 0, false
  for i = 1, #text do
    local c <const> = text:sub(i, i)
    if c == '"' then
      quoted = not quoted
    elseif c == " " and depth == 0 and not quoted and text:sub(i - 2, i - 1) ~= "):" then
      return i - 1
    elseif not quoted then
      depth = depth + (OPEN[c] and 1 or CLOSE[c] and -1 or 0)
    end
  end
  return #text
end

local function split_type(text)
  local last <const> = type_end(text)
  return (text:sub(1, last):gsub(":$", "")), text:sub(last + 2)
end

local function optional(name, type)
  local bare_name <const>, bare_type <const> = name:gsub("%?$", ""), type:gsub("%?$", "")
  return bare_name, bare_type, bare_name ~= name or bare_type ~= type
end

-- ---- tags -----------------------------------------------------------------

local TAGS <const> = {}

local function named(list, text)
  local name <const>, rest <const> = text:match("^(%g+) (.*)$")
  local written <const>, doc <const> = split_type(rest)
  local bare <const>, type <const>, is_optional <const> = optional(name, written)
  list[#list + 1] = { name = bare, type = type, optional = is_optional, doc = doc }
end

function TAGS.param(block, text)
  named(block.params, text)
end

function TAGS.field(block, text)
  named(block.fields, text)
end

TAGS["return"] = function(block, text)
  local type <const>, rest <const> = split_type(text)
  local name <const>, doc <const> = rest:match("^([%a_][%w_]*) ?(.*)$")
  table.insert(block.returns, { type = type, name = name, doc = doc or rest })
end

function TAGS.class(block, text)
  block.class, block.parent = text:match("^([%w_.]+):? ?(.*)$")
  block.parent = block.parent ~= "" and block.parent or nil
end

function TAGS.source(block, text)
  block.source = text
end

--- The lines of a docstring as a block: what stands before the first tag is
--- prose, a line that starts no tag goes on with the one before.
local function parse(lines)
  local block <const> = { params = {}, fields = {}, returns = {} }
  local prose <const>, tags <const> = {}, {}
  for _, line in ipairs(lines) do
    local tag <const>, text <const> = line:match("^@(%a+) ?(.*)$")
    if tag then
      tags[#tags + 1] = { tag, text }
    elseif #tags > 0 then
      tags[#tags][2] = tags[#tags][2] .. " " .. line:gsub("^%s+", "")
    else
      prose[#prose + 1] = line
    end
  end
  block.doc = table.concat(prose, "\n")
  for _, tag in ipairs(tags) do
    local put <const> = TAGS[tag[1]] or error("no such tag in docstrings: @" .. tag[1])
    put(block, tag[2])
  end
  return block
end

-- ---- files ----------------------------------------------------------------

local function read(path)
  local file <close> = assert(io.open(path))
  return file:read("a")
end

sources.read = read

--- The files below a directory whose name ends in a suffix, sorted.
function sources.files(directory, suffix)
  local command <const> = ("find %s -name '*%s' | LC_ALL=C sort"):format(directory, suffix)
  local pipe <close> = assert(io.popen(command))
  local paths <const> = {}
  for path in pipe:lines() do
    paths[#paths + 1] = path
  end
  return paths
end

--- The docstrings of a C file, each with the name of the function below it.
function sources.c(path)
  local blocks <const> = {}
  for comment, below in read(path):gmatch("/%*%*%*\n(.-)%*/(\n[^\n]*)") do
    local lines <const> = {}
    for line in comment:gmatch("[^\n]+") do
      lines[#lines + 1] = line:match("^%s*%*? ?(.-)%s*$")
    end
    lines[#lines] = lines[#lines] ~= "" and lines[#lines] or nil
    local block <const> = parse(lines)
    block.name = below:match("^\nstatic int ([%w_]+)%(")
    blocks[#blocks + 1] = block
  end
  return blocks
end

local STATEMENTS <const> = {
  "^function ([%w_.]+[.:][%w_]+)%(",
  "^local function ([%w_]+)%(",
  "^local ([%w_]+)",
  "^([%w_]+%.[%w_]+) =",
}

local function statement_name(line)
  for _, pattern in ipairs(STATEMENTS) do
    local name <const> = line:match(pattern)
    if name then
      return name
    end
  end
end

--- The docstrings of a Lua file, each with the number of the line below it and
--- the name that is defined there.
function sources.lua(path)
  local blocks <const>, lines = {}, {}
  local number = 0
  for line in read(path):gmatch("([^\n]*)\n") do
    number = number + 1
    local text <const> = line:match("^%-%-%- ?(.*)$")
    if text then
      lines[#lines + 1] = text
    elseif #lines > 0 then
      local block <const> = parse(lines)
      block.line, block.name = number, statement_name(line)
      blocks[#blocks + 1] = block
      lines = {}
    end
  end
  return blocks
end

--- Other names of methods: "methods.getfd = methods.fileno".
function sources.aliases(path)
  local aliases <const> = {}
  for alias, name, comment in read(path):gmatch("\nmethods%.(%w+) = methods%.(%w+)([^\n]*)") do
    local doc <const> = comment:match("^ %-%- (.*)$") or ""
    aliases[#aliases + 1] = { alias = alias, name = name, doc = doc }
  end
  return aliases
end

return sources
