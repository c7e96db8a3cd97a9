-- The reference: a page with marks, {{kind argument}}, and what stands for each.
local causes <const> = require "userns.causes"
local features <const> = require "userns.features"
local schema <const> = require "userns.schema"
local sources <const> = require "doc.render.sources"
local sys <const> = require "userns.sys"

local WIDTH <const> = 80

-- ---- text -----------------------------------------------------------------

-- Words that would mean something to Markdown at the start of a line.
local function starts_a_block(word)
  return word:find("^[-+*>#]+$") or word:find("^%d+[.)]$")
end

local function words_of(text)
  local words <const> = {}
  for word in text:gmatch("%g+") do
    if #words > 0 and starts_a_block(word) then
      words[#words] = words[#words] .. " " .. word
    else
      words[#words + 1] = word
    end
  end
  return words
end

--- A paragraph in lines of no more than WIDTH, indented but for the first.
local function wrap(text, indent)
  indent = indent or ""
  local lines <const>, line = {}, nil
  for _, word in ipairs(words_of(text)) do
    if not line then
      line = word
    elseif #line + #word + 1 > WIDTH - (#lines == 0 and 0 or #indent) then
      lines[#lines + 1] = line
      line = word
    else
      line = line .. " " .. word
    end
  end
  lines[#lines + 1] = line
  return table.concat(lines, "\n" .. indent)
end

--- Prose, outside of `code`, has nothing that Markdown would take for markup.
local function escape(text)
  local pieces <const>, in_code = {}, false
  for piece in (text .. "`"):gmatch("(.-)`") do
    pieces[#pieces + 1] = in_code and piece or piece:gsub("[*<]", "\\%0")
    in_code = not in_code
  end
  return table.concat(pieces, "`")
end

local function paragraphs(text)
  local list <const> = {}
  for paragraph in (text .. "\n\n"):gmatch("(.-)\n\n+") do
    list[#list + 1] = paragraph:find("%S") and wrap(escape(paragraph)) or nil
  end
  return table.concat(list, "\n\n")
end

local function code(text)
  return "`" .. text .. "`"
end

-- ---- types ----------------------------------------------------------------

local RECORDS <const> = {
  description = "userns.Description", hooks = "userns.Hooks", network = "userns.Network",
  process = "userns.ProcessSpec",
  filter = "userns.Filter", filter_rule = "userns.FilterRule", filter_condition = "userns.FilterCondition",
}

--- Where a class is described: "#result" for userns.Result.
local anchors

local function read_anchors(page)
  anchors = {}
  local heading
  for line in page:gmatch("[^\n]+") do
    heading = line:match("^#+ (.*)$") or heading
    local class <const> = line:match("^{{class (%g+)") or RECORDS[line:match("^{{fields (%w+)")]
    if class then
      anchors[class] = "#" .. heading:lower():gsub("[^%w -]", ""):gsub(" ", "-")
    end
  end
end

--- A type as code, linked where it is about one class.
local function type_text(type)
  local classes <const> = {}
  for class in type:gmatch("userns[%w_.]*") do
    classes[#classes + 1] = class
  end
  local anchor <const> = #classes == 1 and anchors[classes[1]]
  return anchor and ("[%s](%s)"):format(code(type), anchor) or code(type)
end

local function optional_type(field)
  local absent <const> = field.type:find("|", 1, true) and "|nil" or "?"
  return field.type .. (field.optional and absent or "")
end

-- ---- tables ---------------------------------------------------------------

local function row_of(texts)
  local cells <const> = {}
  for i, text in ipairs(texts) do
    cells[i] = text:gsub("|", "\\|")
  end
  return "| " .. table.concat(cells, " | ") .. " |"
end

local function table_of(header, rows)
  local lines <const> = { row_of(header), "|" .. (" --- |"):rep(#header) }
  for _, row in ipairs(rows) do
    lines[#lines + 1] = row_of(row)
  end
  return table.concat(lines, "\n")
end

local function default_text(field)
  local value <const> = field.default
  if field.required then
    return "required"
  elseif value == nil then
    return ""
  elseif type(value) == "string" and value:find("^%(") then
    return value:sub(2, -2)
  end
  return code(type(value) == "string" and ("%q"):format(value) or tostring(value))
end

local COLUMNS <const> = {
  { "Field", function(field) return code(field.name) end },
  { "Type", function(field) return escape(field.type.name) end },
  { "Default", default_text },
  { "Meaning", function(field) return escape(field.doc) end },
  { "Needs", function(field) return escape(field.needs or "") end },
  { "Errors", function(field) return escape(field.errors or "") end },
}

--- A table without the columns that have nothing to say.
local function schema_table(fields)
  local header <const>, rows <const> = {}, {}
  for _, column in ipairs(COLUMNS) do
    local title <const>, show <const> = table.unpack(column)
    local cells <const>, said = {}, false
    for _, field in ipairs(fields) do
      if field.name ~= "type" then
        cells[#cells + 1] = show(field)
        said = said or cells[#cells] ~= ""
      end
    end
    if said then
      header[#header + 1] = title
      for i, cell in ipairs(cells) do
        rows[i] = rows[i] or {}
        table.insert(rows[i], cell)
      end
    end
  end
  return table_of(header, rows)
end

local function class_table(fields)
  local rows <const> = {}
  for _, field in ipairs(fields) do
    rows[#rows + 1] = { code(field.name), type_text(optional_type(field)), escape(field.doc) }
  end
  return table_of({ "Field", "Type", "Meaning" }, rows)
end

-- ---- functions ------------------------------------------------------------

--- "clone(namespaces, fn [, options])"
local function signature(name, params)
  local text, open = "", 0
  for i, param in ipairs(params) do
    local before <const> = i > 1 and ", " or ""
    if param.optional then
      text = text .. (i > 1 and " [" or "[") .. before .. param.name
      open = open + 1
    else
      text = text .. before .. param.name
    end
  end
  return ("%s(%s%s)"):format(name, text, ("]"):rep(open))
end

local function item(head, value)
  local name <const> = value.name and " " .. code(value.name) or ""
  local doc <const> = value.doc ~= "" and ": " .. escape(value.doc) or ""
  return wrap(("*%s%s (%s)%s"):format(head, name, type_text(value.type), doc), "  ")
end

local function also(aliases)
  local names <const> = {}
  for i, alias in ipairs(aliases) do
    names[i] = code(alias.alias) .. (alias.doc ~= "" and " (" .. alias.doc .. ")" or "")
  end
  return "The same under other names: " .. table.concat(names, ", ") .. "."
end

local function values_text(block)
  local items <const> = {}
  for _, param in ipairs(block.params) do
    items[#items + 1] = item("", param)
  end
  for _, value in ipairs(block.returns) do
    items[#items + 1] = item(" returns", value)
  end
  return #items > 0 and table.concat(items, "\n") or nil
end

local function function_text(block, level, prefix)
  local pieces <const> = {
    ("#"):rep(level) .. " " .. signature(prefix .. block.name, block.params),
    paragraphs(block.doc),
  }
  pieces[#pieces + 1] = block.aliases and wrap(also(block.aliases))
  pieces[#pieces + 1] = values_text(block)
  pieces[#pieces + 1] = block.source and ("See %s."):format(block.source)
  return table.concat(pieces, "\n\n")
end

local function functions_text(blocks, level, prefix)
  local texts <const> = {}
  for i, block in ipairs(blocks) do
    texts[i] = function_text(block, level, prefix)
  end
  return table.concat(texts, "\n\n")
end

-- ---- marks ----------------------------------------------------------------

local MARKS <const> = {}

function MARKS.functions(c, level, module)
  if module == "userns" then
    return functions_text(c.userns, level + 1, "userns.")
  end
  local texts <const> = {}
  for _, part in ipairs(c.sys) do
    if #part.functions > 0 then
      texts[#texts + 1] = ("#"):rep(level + 1) .. " " .. part.title:gsub("^%l", string.upper)
      texts[#texts + 1] = functions_text(part.functions, level + 2, "sys.")
    end
  end
  return table.concat(texts, "\n\n")
end

function MARKS.presets(c)
  local items <const> = {}
  for i, preset in ipairs(c.presets) do
    items[i] = wrap(("* %s: %s"):format(code(preset.name), escape(preset.doc)), "  ")
  end
  return table.concat(items, "\n")
end

function MARKS.features()
  local rows <const> = {}
  for i, feature in ipairs(features.list()) do
    rows[i] = { code(feature.name), escape(feature.doc) }
  end
  return table_of({ "Feature", "What it is" }, rows)
end

function MARKS.fields(_, _, record)
  return schema_table(schema[record].fields)
end

function MARKS.variants(_, level, record)
  local words <const>, texts <const> = {}, {}
  for word in pairs(schema[record].variants) do
    words[#words + 1] = word
  end
  table.sort(words)
  for _, word in ipairs(words) do
    local fields <const> = schema[record].variants[word].fields
    texts[#texts + 1] = ("%s type = %q"):format(("#"):rep(level + 1), word)
    texts[#texts + 1] = wrap(escape(fields[1].doc))
    texts[#texts + 1] = schema_table(fields)
  end
  return table.concat(texts, "\n\n")
end

function MARKS.steps()
  local ops <const>, rows <const> = sys.ops(), {}
  for name in sources.read("csrc/ops.def"):gmatch("\nOP%(([%w_]+),") do
    local operands <const> = {}
    for i, operand in ipairs(ops[name].operands) do
      operands[i] = code(operand)
    end
    rows[#rows + 1] = { code(name), ops[name].side, table.concat(operands, " "), ops[name].doc }
  end
  return table_of({ "Op", "Side", "Operands", "What it does" }, rows)
end

local function sorted_codes(set)
  local words <const> = {}
  for word in pairs(set) do
    words[#words + 1] = code(word)
  end
  table.sort(words)
  return table.concat(words, " ")
end

function MARKS.causes()
  local rows <const> = {}
  for i, row in ipairs(causes) do
    local ops <const> = row.ops.any and "any" or sorted_codes(row.ops)
    rows[i] = { code(row.cause), ops, sorted_codes(row.codes), escape(row.about or row.why) }
  end
  return table_of({ "Cause", "Of", "Code", "Why" }, rows)
end

function MARKS.class(c, level, argument)
  local name <const>, variable <const> = argument:match("^(%g+) (%g+)$")
  local class <const> = c.classes[name] or error("no class " .. name)
  local pieces <const> = { paragraphs(class.doc) }
  pieces[1] = pieces[1] ~= "" and pieces[1] or nil
  if class.parent then
    pieces[#pieces + 1] = "A list of " .. type_text((class.parent:gsub("%[%]$", ""))) .. "."
  end
  if #class.fields > 0 then
    pieces[#pieces + 1] = class_table(class.fields)
  end
  if class.tostring then
    pieces[#pieces + 1] = paragraphs(("`tostring(%s)`: %s"):format(variable, class.tostring))
  end
  if #class.methods > 0 then
    pieces[#pieces + 1] = functions_text(class.methods, level + 1, variable .. ":")
  end
  return table.concat(pieces, "\n\n")
end

--- The page with its marks replaced.
---@param page string
---@param c userns.doc.Catalogue
---@return string
return function(page, c)
  read_anchors(page)
  local lines <const>, level = {}, 0
  for line in page:gmatch("([^\n]*)\n") do
    level = #(line:match("^(#+) ") or ("#"):rep(level))
    local kind <const>, argument <const> = line:match("^{{(%w+) ?(.-)}}$")
    lines[#lines + 1] = kind and MARKS[kind](c, level, argument) or line
  end
  return table.concat(lines, "\n") .. "\n"
end
