-- Elements of SVG as strings.
local svg = {}

local entities <const> = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;" }

---@param text string
---@return string
function svg.escape(text)
  return (text:gsub('[&<>"]', entities))
end

local function value(v)
  if math.type(v) == "float" then
    assert(v == v and math.abs(v) < math.huge, "no place in a picture for " .. v)
    return (("%.2f"):format(v):gsub("%.?0+$", ""))
  end
  return svg.escape(tostring(v))
end

--- An element; children are elements or escaped text.
---@param name string
---@param attributes table<string, string|number>
---@param ... string
---@return string
function svg.element(name, attributes, ...)
  local words <const> = {}
  for key, v in pairs(attributes) do
    words[#words + 1] = (' %s="%s"'):format(key, value(v))
  end
  table.sort(words)
  local head <const>, children <const> = name .. table.concat(words), { ... }
  if #children == 0 then
    return ("<%s/>"):format(head)
  end
  return ("<%s>%s</%s>"):format(head, table.concat(children, "\n"), name)
end

--- A line of text.
---@param x number
---@param y number of its base line
---@param text string
---@param class string
---@return string
function svg.text(x, y, text, class)
  return svg.element("text", { x = x, y = y, class = class }, svg.escape(text))
end

---@param class string
---@param x1 number
---@param y1 number
---@param x2 number
---@param y2 number
---@return string
function svg.line(class, x1, y1, x2, y2)
  return svg.element("line", { class = class, x1 = x1, y1 = y1, x2 = x2, y2 = y2 })
end

--- A whole picture.
---@param width number
---@param height number
---@param title string for who cannot see it
---@param style string
---@param ... string
---@return string
function svg.document(width, height, title, style, ...)
  return svg.element("svg", {
    xmlns = "http://www.w3.org/2000/svg", width = width, height = height,
    viewBox = ("0 0 %d %d"):format(width, height), role = "img",
  }, svg.element("title", {}, svg.escape(title)), svg.element("style", {}, style), ...) .. "\n"
end

return svg
