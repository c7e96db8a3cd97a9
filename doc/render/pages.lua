-- What is rendered: the text of each page, by its path.
local catalogue <const> = require "doc.render.catalogue"
local luacats <const> = require "doc.render.luacats"
local markdown <const> = require "doc.render.markdown"
local sources <const> = require "doc.render.sources"

---@return table<string, string>
return function()
  local c <const> = catalogue.read()
  return {
    ["doc/reference.md"] = markdown(sources.read("doc/reference.in.md"), c),
    ["doc/types/sys.d.lua"] = luacats.sys(c),
    ["doc/types/userns.d.lua"] = luacats.userns(c),
  }
end
