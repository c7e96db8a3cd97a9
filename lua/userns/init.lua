--- Processes in Linux namespaces, from one declarative description.
---
---     local userns = require "userns"
---     local box = assert(userns.container { hostname = "box" })
---     print(box:plan { "/bin/hostname" })
---     print(box:run { "/bin/hostname", stdout = "capture" }.stdout)
local container = require "userns.container"
local namespaces = require "userns.namespaces"
local sys = require "userns.sys"

local userns <const> = {
  _VERSION = "scm",
  container = container.new,
  namespace = sys.namespace,
  namespaces = namespaces,
  sys = sys,
}

return userns
