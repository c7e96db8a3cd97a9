-- What a host does that is going to be killed: launches(n) starts three containers
-- one after another, of several kinds, and waits for the last; with `waiting` so
-- many more of each wait prepared.
local full = require "spec.support.full"
local userns = require "userns"

local KINDS <const> = {
  { box = assert(userns.container {}), prefix = "" },
  { box = assert(userns.container(full.tmpfs)), prefix = "/host" },
  { box = assert(userns.container { init = true }), prefix = "" },
  { box = assert(userns.container { strict = true, capabilities = { "chown" } }), prefix = "" },
}

return function(n, waiting)
  local kept <const> = {}
  for i = n, n + 2 do
    local kind <const> = KINDS[i % #KINDS + 1]
    assert(kind.box:prepare(waiting or 0))
    assert(kind.box:run { kind.prefix .. "/bin/true" })
    kept[#kept + 1] = assert(kind.box:spawn { kind.prefix .. "/bin/sleep", "1000" })
  end
  return kept[#kept]:wait()
end
