-- A normalised description, a process and the facts of a host become a plan.
-- Pure: what depends on the world is in `host`.
--
-- The stages stand in the order in which they run.  `before` names stages that
-- must come later, and why; a spec holds every one of them against this list.
local error_object = require "userns.error"
local ids = require "userns.ids"
local mounts = require "userns.mounts"
local plan = require "userns.plan"
local program = require "userns.program"
local schema = require "userns.schema"
local sys = require "userns.sys"

local compile = {}

--- A plan shares no table with what it was made of.
local function copied(list)
  return table.move(list, 1, #list, 1, {})
end

-- ---- the context that stages add to --------------------------------------

local context = {}
context.__index = context

function context:add(step)
  self.steps[#self.steps + 1] = step
end

--- A step for when everything has been put in place.
function context:later(step)
  self.last[#self.last + 1] = step
end

--- A slot for a descriptor that one step leaves to another.
function context:new_slot()
  self.slots = self.slots + 1
  return self.slots - 1
end

--- Has a path opened while the host's tree is in sight; the slot it gets.
function context:open(path, source, how)
  local slot <const> = self:new_slot()
  self.sources[#self.sources + 1] = {
    op = "open", slot = slot, path = path, source = source, copy = how.copy, recursive = how.recursive,
    major = how.major, minor = how.minor, optional = how.optional,
  }
  return slot
end

--- Has names below a mount hidden and protected, unless the description says
--- itself what is to be; the mount's slot, if it needs one.  They are looked up
--- from the mount itself: whoever may rename in the tree around it has no say.
function context:protect(target, masked, readonly, source)
  if self.d.allow_userns then
    return nil -- a masked /proc forbids mounting another one inside
  end
  local base
  for _, what in ipairs { { "mask", self.d.masked_paths, masked }, { "readonly", self.d.readonly_paths, readonly } } do
    local op <const>, given <const>, names <const> = table.unpack(what)
    if not given and #names > 0 then
      base = base or self:new_slot()
      self:cover { op = op, base = base, target = target, paths = names, source = source }
    end
  end
  return base
end

--- A step that covers paths, for when all mounts are there.
function context:cover(step)
  step.paths = copied(step.paths)
  table.insert(self.covers, step)
end

--- Has the gid an outside one?
function context:maps_gid(gid)
  return not self.identity.gid.map or ids.outside(self.identity.gid.map, gid) ~= nil
end

function context:degrade(feature, used, reason)
  table.insert(self.degraded, { feature = feature, used = used, reason = reason })
end

-- ---- stages ---------------------------------------------------------------

local stages = {}

local function stage(name, emit, before)
  stages[#stages + 1] = { name = name, emit = emit, before = before or {} }
end

compile.stages = stages

local function namespace_list(set)
  local list <const> = {}
  for _, name in ipairs(schema.namespaces) do
    list[#list + 1] = set[name] and name or nil
  end
  return list
end

stage("clone", function(c)
  if c.identity.separate then
    c:add { op = "image", path = c.host.image }
  end
  c:add { op = "clone", namespaces = namespace_list(c.d.namespaces), source = "namespaces" }
  c:add { op = "close_fds", source = "process.fds" }
end, { pdeathsig = "there is no child before" })

stage("pdeathsig", function(c)
  if c.d.die_with_parent then
    c:add { op = "pdeathsig", signal = "KILL", source = "die_with_parent" }
  end
end, { maps = "a host that dies while the child waits must take it along" })

stage("maps", function(c)
  c:add { op = "await" }
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
  c:add { op = "release" }
end, {
  loopback = "capabilities over the new namespaces are the mapped root's",
  identity = "an unmapped id cannot be set",
  mounts = "making a file with an unmapped id is EOVERFLOW",
})

stage("undumpable", function(c)
  if c.identity.separate then
    c:add { op = "undumpable" }
  end
end, { mounts = "nobody inside may look into the set-up" })

stage("loopback", function(c)
  if c.d.namespaces.net then
    c:add { op = "loopback", source = "namespaces" }
  end
end, { capabilities = "needs CAP_NET_ADMIN" })

stage("limit_userns", function(c)
  if c.d.namespaces.user and not c.d.allow_userns then
    c:add {
      op = "sysctl", path = "/proc/sys/user/max_user_namespaces", value = "0", source = "allow_userns",
    }
  end
end, {
  root = "the host's /proc is in sight",
  capabilities = "needs CAP_SYS_RESOURCE, and lasts because nobody inside has it afterwards",
})

--- Slaves must never have been cut off; whatever else is wanted starts private,
--- so that nothing of the set-up travels to the host.
stage("propagation", function(c)
  if c.d.namespaces.mnt then
    c:add {
      op = "propagation", kind = c.d.propagation == "slave" and "slave" or "private", source = "propagation",
    }
  end
end, { root = "pivot_root refuses shared parents, and no mount may travel to the host" })

-- Descriptors that a set-up needs besides those in its slots.
local SPARE_FILES <const> = 32

stage("sources", function(c)
  local needed <const>, limit <const> = c.slots + SPARE_FILES, c.host.nofile
  if needed > limit.soft then
    c:add { op = "rlimit", resource = "nofile", soft = limit.hard, hard = limit.hard, source = "mounts" }
    c.restore_nofile = true
  end
  table.move(c.sources, 1, #c.sources, #c.steps + 1, c.steps)
end, {
  identity = "the caller may see what the container's root may not",
  root = "a path means what it means on the host",
})

stage("identity", function(c)
  local uid <const>, gid <const> = c.identity.uid, c.identity.gid
  if gid.now ~= gid.builder then
    c:add { op = "setgid", gid = gid.builder, source = "gid_map" }
  end
  if c.identity.setgroups.works or #c.process.groups > 0 then
    c:add { op = "groups", groups = copied(c.process.groups), source = "process.groups" }
  elseif #c.host.groups > (c.host.groups[1] == c.host.gid and 1 or 0) then
    c:degrade("groups", "the caller's supplementary groups",
      "setgroups(2) is denied where the caller may not map groups freely")
  end
  if uid.now ~= uid.builder then
    c:add { op = "setuid", uid = uid.builder, keep_caps = uid.builder ~= 0 or nil, source = "uid_map" }
    c:rearm()
  end
end, {
  root = "making a file with an unmapped id is EOVERFLOW",
  program_identity = "the builder's ids come first",
})

--- Another uid clears the death signal (prctl(2)).
function context:rearm()
  if self.d.die_with_parent then
    self:add { op = "pdeathsig", signal = "KILL", source = "die_with_parent" }
  end
end

stage("root", function(c)
  local nothing <const> = c.d.root.type == "host" and #c.mount_steps + #c.covers == 0
  if c.d.namespaces.mnt and not nothing then
    table.move(c.root_steps, 1, #c.root_steps, #c.steps + 1, c.steps)
  end
end, { mounts = "they are put into it" })

stage("mounts", function(c)
  table.move(c.mount_steps, 1, #c.mount_steps, #c.steps + 1, c.steps)
end, {
  protect = "what is not there cannot be hidden",
  pivot = "a new proc is allowed while the host's is in sight",
})

stage("protect", function(c)
  table.move(c.covers, 1, #c.covers, #c.steps + 1, c.steps)
  table.move(c.last, 1, #c.last, #c.steps + 1, c.steps)
end, { pivot = "the host's /dev/null hides files, not one that the root may have" })

stage("pivot", function(c)
  if c.d.namespaces.mnt and c.d.root.type ~= "host" and c.d.root.source ~= "/" then
    c:add { op = "pivot_root", source = "root" }
  end
  if c.d.namespaces.mnt and (c.d.propagation == "shared" or c.d.propagation == "unbindable") then
    c:add { op = "propagation", kind = c.d.propagation, source = "propagation" }
  end
end, { chdir = "the working directory is inside", capabilities = "needs CAP_SYS_ADMIN" })

stage("uts", function(c)
  for _, field in ipairs { "hostname", "domainname" } do
    if c.d[field] then
      c:add { op = field, name = c.d[field], source = field }
    end
  end
end, { capabilities = "needs CAP_SYS_ADMIN over the uts namespace" })

stage("session", function(c)
  if c.d.new_session then
    c:add { op = "setsid", source = "new_session" }
  end
  c:add { op = "keyring", required = c.d.strict or nil }
end, { seal = "a filter may deny it" })

stage("limits", function(c)
  local nofile <const> = c.host.nofile
  if c.restore_nofile then
    c:add { op = "rlimit", resource = "nofile", soft = nofile.soft, hard = nofile.hard, source = "mounts" }
  end
  c:add { op = "rlimit", resource = "core", soft = 0, hard = 0 }
  c:add { op = "umask", mask = c.process.umask, source = "process.umask" }
end)

stage("chdir", function(c)
  c:add { op = "chdir", path = c.process.cwd, source = "process.cwd" }
end, { program_identity = "as the container's root one may enter what others may not" })

--- Who may drop capabilities for good; an ordinary user in the host's user
--- namespace has none to drop, and with no_new_privs gains none.
stage("bounding", function(c)
  if c.d.namespaces.user or c.host.capabilities.setpcap then
    c:add { op = "bounding", keep = copied(c.kept), source = "capabilities" }
  end
end, {
  program_identity = "needs CAP_SETPCAP, and else an exec as uid 0 regains everything",
  capabilities = "needs CAP_SETPCAP",
})

stage("program_identity", function(c)
  local uid <const>, gid <const> = c.identity.uid, c.identity.gid
  if gid.builder ~= gid.program then
    c:add { op = "setgid", gid = gid.program, source = "process.gid" }
  end
  if uid.builder ~= uid.program then
    c:add { op = "setuid", uid = uid.program, keep_caps = #c.kept > 0 or nil, source = "process.uid" }
    c:rearm()
  end
end, { capabilities = "needs CAP_SETUID and CAP_SETGID" })

stage("capabilities", function(c)
  if c.d.capabilities.sys_admin and c.d.namespaces.user and c.d.namespaces.mnt then
    c:degrade("lock_mounts", "mounts that the program can change",
      "it keeps sys_admin over the namespace that owns them")
  end
  local ambient <const> = c.identity.uid.program ~= 0 and c.kept or {}
  c:add {
    op = "capabilities", effective = copied(c.kept), permitted = copied(c.kept),
    inheritable = copied(ambient), ambient = copied(ambient), source = "capabilities",
  }
end, { exec = "execve computes from these" })

stage("seal", function(c)
  if c.d.no_new_privs then
    c:add { op = "no_new_privs", source = "no_new_privs" }
  end
end, { exec = "holds for what is executed" })

--- Where a descriptor comes from, in words.
function compile.from_words(from)
  return type(from) == "string" and from or io.type(from) and "file"
    or math.type(from) == "integer" and ("fd %d"):format(from) or "file"
end

stage("descriptors", function(c)
  local fds <const> = {}
  for target, field in ipairs { "stdin", "stdout", "stderr" } do
    fds[target] = { target = target - 1, from = compile.from_words(c.process[field]), source = "process." .. field }
  end
  local further <const> = {}
  for target in next, c.process.fds do
    further[#further + 1] = target
  end
  table.sort(further)
  for _, target in ipairs(further) do
    fds[#fds + 1] = {
      target = target, from = compile.from_words(c.process.fds[target]), source = ("process.fds[%d]"):format(target),
    }
  end
  c:add { op = "descriptors", fds = fds, source = "process.fds" }
end, { exec = "the program inherits them" })

stage("signals", function(c)
  c:add { op = "signals" }
end, { exec = "what the host ignores or blocks, the program would" })

stage("exec", function(c)
  local what <const> = c.program
  c:add {
    op = "exec", program = what.name, paths = what.paths, argv = what.argv, env = what.env,
    source = "process[1]",
  }
end)

-- ---- compiling ------------------------------------------------------------

--- What the description itself says is to be hidden and protected.
local function cover_given(c)
  for _, row in ipairs { { "mask", "masked_paths" }, { "readonly", "readonly_paths" } } do
    local op <const>, field <const> = table.unpack(row)
    if #(c.d[field] or {}) > 0 then
      c:cover { op = op, paths = c.d[field], source = field }
    end
  end
end

--- What hides files.
local function open_null(c)
  local slot
  for _, step in ipairs(c.covers) do
    if step.op == "mask" then
      slot = slot or c:open("/dev/null", step.source, { major = 1, minor = 3 })
      step.slot = slot
    end
  end
end

--- Collects, before any stage runs, what mounts need: sources are opened long
--- before they are put in place.
local function lay_out(c)
  local d <const> = c.d
  local function collect(build)
    c.steps = {}
    build()
    return c.steps
  end
  c.root_steps = collect(function()
    mounts.root(c, d.root)
  end)
  c.mount_steps = collect(function()
    for i, mount in ipairs(d.mounts) do
      mounts.add(c, mount, ("mounts[%d]"):format(i))
    end
  end)
  cover_given(c)
  open_null(c)
  c.steps = {}
end

--- Whoever is named must be somebody inside.
local function id_problems(d, process, identity)
  local problems <const> = {}
  local function check(kind, id, field)
    local map <const> = identity[kind].map
    if id and map and not ids.outside(map, id) then
      problems[#problems + 1] = { field = field, message = ("%d is not mapped by %s_map"):format(id, kind) }
    end
  end
  for _, kind in ipairs { "uid", "gid" } do
    check(kind, identity[kind].program, "process." .. kind)
    for i, mount in ipairs(d.mounts) do
      check(kind, mount[kind], ("mounts[%d].%s"):format(i, kind))
    end
  end
  for i, gid in ipairs(process.groups) do
    check("gid", gid, ("process.groups[%d]"):format(i))
  end
  if #process.groups > 0 and d.setgroups == "deny" then
    problems[#problems + 1] = { field = "process.groups", message = "setgroups is \"deny\"" }
  end
  return problems
end

local function sorted(set)
  local list <const> = {}
  for _, name in ipairs(schema.capabilities) do
    list[#list + 1] = set[name] and name or nil
  end
  return list
end

--- Who the program is to the caller, nil where it is the caller.
local function owner_outside(identity, host)
  local uid <const>, gid <const> = identity.uid.kernel, identity.gid.kernel
  if uid ~= host.uid or gid ~= host.gid then
    return { uid = uid, gid = gid }
  end
end

local SIDES <const> = {}
for name, op in pairs(sys.ops()) do
  SIDES[name] = op.side
end

--- The plan of a container's process on a host.
---@param d table normalised description
---@param process table normalised process spec; without a program the plan ends
---  in a placeholder
---@param host userns.Host
---@param what userns.Program? what program.of says of the two, where it is known
---@return userns.Plan? plan
---@return userns.Error? err EINVALID: ids that the map does not have; with
---  `strict`, what would be degraded
function compile.compile(d, process, host, what)
  local identity <const> = ids.resolve(d, process, host)
  local problems <const> = id_problems(d, process, identity)
  if #problems > 0 then
    return nil, error_object.invalid(problems)
  end
  local c <const> = setmetatable({
    d = d, process = process, host = host, identity = identity, kept = sorted(d.capabilities),
    program = what or program.of(process, host),
    steps = {}, sources = {}, slots = 0, covers = {}, last = {}, degraded = {},
  }, context)
  lay_out(c)
  for _, s in ipairs(stages) do
    s.emit(c)
  end
  for _, step in ipairs(c.steps) do
    step.side = SIDES[step.op]
  end
  if d.strict and #c.degraded > 0 then
    return nil, error_object.degraded(c.degraded)
  end
  return plan.new(c.steps, c.degraded, owner_outside(identity, host))
end

return compile
