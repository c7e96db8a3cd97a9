-- What the kernel holds the program to besides its ids and namespaces.
local seccomp = require "userns.seccomp"

local confinement = {}

function confinement.seccomp(c)
  if c.d.seccomp then
    c:add { op = "seccomp", filter = assert(seccomp.program(c.d)), source = "seccomp" }
  end
end

return confinement
