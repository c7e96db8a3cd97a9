-- The tree that the program sees: what is tied, opened, mounted, hidden, and made
-- the only one.
local files = {}

-- Descriptors that a set-up needs besides those in its slots.
local SPARE_FILES <const> = 32

function files.prepare(c)
  table.move(c.prepared, 1, #c.prepared, #c.steps + 1, c.steps)
end

function files.tied(c)
  table.move(c.tied, 1, #c.tied, #c.steps + 1, c.steps)
end

--- Slaves must never have been cut off; whatever else is wanted starts private,
--- so that nothing of the set-up travels to the host.
function files.propagation(c)
  if c.d.namespaces.mnt then
    c:add {
      op = "propagation", kind = c.d.propagation == "slave" and "slave" or "private", source = "propagation",
    }
  end
end

function files.sources(c)
  local needed <const>, hard <const> = c.slots + SPARE_FILES, c.raised.nofile or c.host.limits.nofile.hard
  if needed > c.host.limits.nofile.soft then
    c:add { op = "rlimit", resource = "nofile", soft = hard, hard = hard, source = "mounts" }
    c.restore_nofile = true
  end
  table.move(c.sources, 1, #c.sources, #c.steps + 1, c.steps)
end

function files.root(c)
  local nothing <const> = c.d.root.type == "host" and #c.mount_steps + #c.covers == 0
  if c.d.namespaces.mnt and not nothing then
    table.move(c.root_steps, 1, #c.root_steps, #c.steps + 1, c.steps)
  end
end

function files.mounts(c)
  table.move(c.mount_steps, 1, #c.mount_steps, #c.steps + 1, c.steps)
end

function files.protect(c)
  table.move(c.covers, 1, #c.covers, #c.steps + 1, c.steps)
  table.move(c.last, 1, #c.last, #c.steps + 1, c.steps)
end

function files.pivot(c)
  if c.d.namespaces.mnt and c.d.root.type ~= "host" and c.d.root.source ~= "/" then
    c:add { op = "pivot_root", required = c.d.strict or nil, source = "root" }
  end
end

--- What is tied again is tied to nothing of the set-up.
function files.share(c)
  if c.d.namespaces.mnt and (c.d.propagation == "shared" or c.d.propagation == "unbindable") then
    c:add { op = "propagation", kind = c.d.propagation, source = "propagation" }
  end
end

function files.chdir(c)
  c:add { op = "chdir", path = c.process.cwd, source = "process.cwd" }
end

return files
