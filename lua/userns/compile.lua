-- A normalised description, a process and the facts of a host become a plan.
-- Pure: what depends on the world is in `host`.
local error_object = require "userns.error"
local ids = require "userns.ids"
local lifetime = require "userns.stages.lifetime"
local mounts = require "userns.mounts"
local network = require "userns.network"
local plan = require "userns.plan"
local program = require "userns.program"
local settings = require "userns.stages.settings"
local stages = require "userns.stages"

local compile = { stages = stages }

--- A plan shares no table with what it was made of.
local function copied(list)
  return table.move(list, 1, #list, 1, {})
end

-- ---- the context that stages add to --------------------------------------

local context = {}
context.__index = context

function context:add(step)
  local steps <const> = self.steps
  steps[#steps + 1] = step
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

--- Has a path opened while the host's tree is in sight; the slot it gets.  One
--- that stays tied to the host's mounts is opened before they are cut off.
function context:open(step, tied)
  local list <const> = tied and self.tied or self.sources
  local slot <const> = self.slots
  step.op, step.slot, self.slots = "open", slot, slot + 1
  list[#list + 1] = step
  return slot
end

--- Has the parent open something for the child, before there is one; its slot.
function context:prepare(step)
  step.slot = self:new_slot()
  table.insert(self.prepared, step)
  return step.slot
end

--- Has names below a mount hidden and protected, unless the description says
--- itself what is to be; the mount's slot, if it needs one.  They are looked up
--- from the mount itself: whoever may rename in the tree around it has no say.
function context:protect(target, masked, readonly, source)
  if self.d.allow_userns then
    return nil -- a masked /proc forbids mounting another one inside
  end
  local masks <const> = not self.d.masked_paths and #masked > 0
  local protects <const> = not self.d.readonly_paths and #readonly > 0
  local base <const> = (masks or protects) and self:new_slot() or nil
  if masks then
    self:cover { op = "mask", base = base, target = target, paths = masked, source = source }
  end
  if protects then
    self:cover { op = "readonly", base = base, target = target, paths = readonly, source = source }
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

--- The host cannot do what the description asks for.
function context:refuse(err)
  table.insert(self.refusals, err)
end

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
      slot = slot or c:open { path = "/dev/null", source = step.source, major = 1, minor = 3 }
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
    for i = 1, #d.mounts do
      mounts.add(c, d.mounts[i], d.places[i])
    end
    for i, path in ipairs(d.devices) do
      mounts.device(c, path, ("devices[%d]"):format(i))
    end
  end)
  cover_given(c)
  open_null(c)
  if d.lock_mounts then
    c.process_slot = c:open { path = "/proc/self", source = "lock_mounts" }
  end
  settings.open(c)
  c.steps = {}
end

--- Whoever is named must be somebody inside.
local function id_problems(d, process, identity)
  local problems <const> = {}
  local function check(kind, id, field, ...)
    local map <const> = identity[kind].map
    if math.type(id) and map and not ids.outside(map, id) then
      problems[#problems + 1] = {
        field = field:format(...), message = ("%d is not mapped by %s_map"):format(id, kind), cause = "id_unmapped",
      }
    end
  end
  for _, kind in ipairs { "uid", "gid" } do
    check(kind, identity[kind].program, "process.%s", kind)
  end
  for i = 1, #d.mounts do
    local mount <const> = d.mounts[i]
    if mount.uid or mount.gid then
      check("uid", mount.uid, "mounts[%d].uid", i)
      check("gid", mount.gid, "mounts[%d].gid", i)
    end
  end
  for i, gid in ipairs(process.groups) do
    check("gid", gid, "process.groups[%d]", i)
  end
  if process.terminal and not d.new_session then
    problems[#problems + 1] = { field = "process.terminal", message = "needs new_session" }
  end
  if #process.groups > 0 and d.setgroups == "deny" then
    problems[#problems + 1] = {
      field = "process.groups", message = "setgroups is \"deny\"", cause = "setgroups_denied",
    }
  end
  return problems
end

--- Who the program is to the caller, nil where it is the caller, or nobody.
local function owner_outside(identity, host)
  local uid <const>, gid <const> = identity.uid.kernel, identity.gid.kernel
  if uid and gid and (uid ~= host.uid or gid ~= host.gid) then
    return { uid = uid, gid = gid }
  end
end

--- Whether the child must not run in the host's memory.
local function is_separate(identity, d)
  return identity.separate -- see ids
    or d.init -- process 1 stays
    or d.namespaces.time -- who enters it may share memory with nobody
    or d.oom_score_adj ~= nil -- the kernel sets it for all that share memory
end

--- The steps that a prepared child gets when it has waited.
---@param process table normalised process spec
---@param what userns.Program
---@return userns.Step[]
function compile.late(process, what)
  local c <const> = setmetatable({ process = process, program = what, steps = {} }, context)
  lifetime.descriptors(c)
  lifetime.exec(c)
  return c.steps
end

--- What can be told before any stage has run.
local function judge_facts(c)
  local problems <const> = id_problems(c.d, c.process, c.identity)
  if #problems > 0 then
    c:refuse(error_object.invalid(problems))
  end
  local lacking <const> = network.lacking(c.d, c.host)
  if lacking then
    c:refuse(lacking)
  end
end

local function judge_degraded(c)
  for _, entry in ipairs(c.d.strict and c.degraded or {}) do
    c:refuse(error_object.degraded { entry })
  end
end

--- The plan of a container's process on a host as far as there can be one, and
--- everything that stands against it.
---@param d table normalised description
---@param process table normalised process spec; without a program the plan ends
---  in a placeholder
---@param host userns.Host
---@param what userns.Program? what program.of says of the two, where it is known
---@param waits boolean? the child is prepared, and waits for its program
---@return userns.Plan plan
---@return userns.Error[] refusals EINVALID: ids that the map does not have; with
---  `strict`, what would be degraded; EUNAVAILABLE: what the host has not got;
---  ENOENT: a program that is not installed
function compile.draft(d, process, host, what, waits)
  local identity <const> = ids.resolve(d, process, host)
  local c <const> = setmetatable({
    d = d, process = process, host = host, identity = identity, separate = waits or is_separate(identity, d),
    program = what or program.of(process, host), waits = waits,
    steps = {}, prepared = {}, tied = {}, sources = {}, slots = 0, covers = {}, last = {}, degraded = {},
    raised = {}, refusals = {},
  }, context)
  judge_facts(c)
  lay_out(c)
  for i = 1, #stages do
    stages[i].emit(c)
  end
  judge_degraded(c)
  return plan.new(c.steps, c.degraded, owner_outside(identity, host)), c.refusals
end

--- The plan of a container's process on a host.
---@param d table normalised description
---@param process table normalised process spec; without a program the plan ends
---  in a placeholder
---@param host userns.Host
---@param what userns.Program? what program.of says of the two, where it is known
---@param waits boolean? the child is prepared, and waits for its program
---@return userns.Plan? plan
---@return userns.Error? err the first of draft's
function compile.compile(d, process, host, what, waits)
  local drafted <const>, refusals <const> = compile.draft(d, process, host, what, waits)
  if refusals[1] then
    return nil, refusals[1]
  end
  return drafted
end

return compile
