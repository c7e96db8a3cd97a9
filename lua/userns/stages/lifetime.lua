-- The child's life, from the clone to the program.
local handles = require "userns.schema.handles"
local identity = require "userns.stages.identity"
local schema = require "userns.schema"
local stdio = require "userns.stdio"
local types = require "userns.types"

local lifetime = {}

local function namespace_list(set)
  return types.listed(set, schema.namespaces)
end

--- Who is in a user or pid namespace could look into what enters it.
local function join(c)
  if c.d.join.user or c.d.join.pid then
    c:add { op = "undumpable", source = "join" }
  end
  local list <const> = namespace_list(c.d.join)
  c:add { op = "join", namespaces = list, slots = c.joined, source = "join" }
end

function lifetime.join(c)
  c.joined = {}
  for _, name in ipairs(namespace_list(c.d.join)) do
    local target <const> = c.d.join[name]
    table.insert(c.joined, c:prepare {
      op = "namespace", type = name, path = handles.path_of(name, target), handle = target, source = "join." .. name,
    })
  end
end

--- The namespaces that the clone makes: that of the cgroup waits until the child
--- is in all of its cgroups, that of time until its clocks are set.
local function at_once(d)
  local later <const>, now <const> = identity.nested(d), {}
  for name in next, d.namespaces do
    now[name] = not later[name] and not (name == "cgroup" and d.cgroup) and name ~= "time"
  end
  return now
end

function lifetime.image(c)
  if c.separate then
    c:add { op = "image", path = c.host.image, source = c.d.init and "init" or nil }
  end
end

function lifetime.clone(c)
  if #c.joined > 0 then
    join(c)
  end
  c:add { op = "clone", namespaces = namespace_list(at_once(c.d)), source = "namespaces" }
  c:add { op = "close_fds", source = "process.fds" }
end

function lifetime.pdeathsig(c)
  if c.d.die_with_parent then
    c:add { op = "pdeathsig", signal = "KILL", source = "die_with_parent" }
  end
end

local function hook(c, name)
  if c.d.hooks[name] then
    c:add { op = "hook", name = name, source = "hooks." .. name }
  end
end

function lifetime.maps(c)
  c:add { op = "await" }
  if c.d.cgroup then
    c:add { op = "enter_cgroup", source = "cgroup" }
  end
  hook(c, "created")
  if c.d.namespaces.user then
    if c.identity.setgroups.write then
      c:add { op = "setgroups", value = c.identity.setgroups.write, source = "setgroups" }
    end
    for _, kind in ipairs { "uid", "gid" } do
      local ids_of <const>, field <const> = c.identity[kind], kind .. "_map"
      table.insert(c.degraded, ids_of.degraded)
      c:add { op = ids_of.helper and "new" .. kind .. "map" or field, path = ids_of.helper, map = ids_of.map,
        source = field }
    end
  end
  hook(c, "mapped")
end

function lifetime.release(c)
  c:add { op = "release" }
end

function lifetime.undumpable(c)
  if c.separate then
    c:add { op = "undumpable", source = c.d.init and "init" or nil }
  end
end

local function new_session(c)
  if c.d.new_session then
    c:add { op = "setsid", source = "new_session" }
  end
end

function lifetime.session(c)
  if not c.d.init then
    new_session(c)
  end
  c:add { op = "keyring", required = c.d.strict or nil }
end

--- Where the container's own terminals are made, nil where there are none.
local function own_ptmx(c)
  local path
  for _, mount in ipairs(c.d.namespaces.mnt and c.d.mounts or {}) do
    path = (mount.type == "dev" or mount.type == "devpts") and mount.target .. "/ptmx" or path
  end
  return path
end

--- A terminal belongs to whom it is made by, and is to be the program's.
local function pty(c, path, owner)
  local size <const> = c.process.terminal
  c:add { op = "pty", path = path, rows = size.rows, cols = size.cols, uid = owner, source = "process.terminal" }
end

function lifetime.host_terminal(c)
  if c.process.terminal and not own_ptmx(c) then
    local uid <const> = c.identity.uid
    pty(c, "/dev/ptmx", uid.builder ~= uid.program and uid.program or nil)
  end
end

function lifetime.own_terminal(c)
  if c.process.terminal and own_ptmx(c) then
    pty(c, own_ptmx(c))
  end
end

function lifetime.terminal(c)
  if c.process.terminal then
    c:add { op = "terminal", source = "process.terminal" }
  end
end

--- Process 1 is no part of the program's session.
function lifetime.init(c)
  if c.d.init then
    c:add { op = "init", source = "init" }
    new_session(c)
  end
end

function lifetime.before_exec(c)
  if c.d.hooks.before_exec then
    c:add { op = "await", source = "hooks.before_exec" }
    c:add { op = "meet", source = "hooks.before_exec" }
    hook(c, "before_exec")
    c:add { op = "release", source = "hooks.before_exec" }
  end
end

--- From here on a prepared child needs its program.
function lifetime.ready(c)
  if c.waits then
    c:add { op = "signals" } -- one that comes while it waits is not for the program
    c:add { op = "ready" }
    c:add { op = "meet" }
    c:add { op = "serve" }
  end
end

function lifetime.descriptors(c)
  local fds <const> = {}
  for target, field in ipairs { "stdin", "stdout", "stderr" } do
    fds[target] = { target = target - 1, from = stdio.source_words(c.process[field]), source = "process." .. field }
  end
  local further <const> = {}
  for target in next, c.process.fds do
    further[#further + 1] = target
  end
  table.sort(further)
  for _, target in ipairs(further) do
    fds[#fds + 1] = {
      target = target, from = stdio.source_words(c.process.fds[target]), source = ("process.fds[%d]"):format(target),
    }
  end
  c:add { op = "descriptors", fds = fds, source = "process.fds" }
end

function lifetime.signals(c)
  if not c.waits then
    c:add { op = "signals" }
  end
end

function lifetime.exec(c)
  local what <const> = c.program
  c:add {
    op = "exec", program = what.name, paths = what.paths, argv = what.argv, env = what.env,
    source = "process[1]",
  }
end

return lifetime
