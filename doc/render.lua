-- Renders the reference and the editor's definitions from the sources.
--
--     make doc
local pages <const> = require "doc.render.pages"

for path, text in pairs(pages()) do
  local file <close> = assert(io.open(path, "w"))
  assert(file:write(text))
end
