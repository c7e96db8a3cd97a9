-- What a host does that is going to be killed: launches(kind, n) starts three
-- containers one after another, of several shapes, "plain", with "init", or
-- "prepared", where one more of each waits then, and waits for the last.
local full = require "spec.support.full"
local userns = require "userns"

local SHAPES <const> = {
  { {}, prefix = "" },
  { full.tmpfs, prefix = "/host" },
  { { strict = true, capabilities = { "chown" } }, prefix = "" },
}

return function(kind, n)
  local kept <const> = {}
  for i = n, n + 2 do
    local shape <const> = SHAPES[i % #SHAPES + 1]
    local box <const> = assert(userns.container(userns.merge(shape[1], { init = kind == "init" })))
    assert(box:prepare(kind == "prepared" and 2 or 0))
    assert(box:run { shape.prefix .. "/bin/true" })
    kept[#kept + 1] = assert(box:spawn { shape.prefix .. "/bin/sleep", "1000" })
  end
  return kept[#kept]:wait()
end
