--- Processes in Linux namespaces, from one declarative description.
---
---     local userns = require "userns"
---     local box = assert(userns.container { hostname = "box" })
---     print(box:plan { "/bin/hostname" })
---     print(box:run { "/bin/hostname", stdout = "capture" }.stdout)
local container = require "userns.container"
local features = require "userns.features"
local load_description = require "userns.load"
local merge = require "userns.merge"
local presets = require "userns.presets"
local sys = require "userns.sys"

local userns <const> = {
  _VERSION = "scm",
  container = container.new,
  features = features.read,
  load = load_description,
  merge = merge,
  namespace = sys.namespace,
  namespaces = sys.namespaces,
  presets = presets,
  sys = sys,
}

return userns
