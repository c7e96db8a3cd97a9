-- Children that wait prepared: they have done everything that does not depend on
-- the program, and get its arguments, environment and descriptors when there is
-- one to run.  The rest of a process spec is theirs from the start.
local compile = require "userns.compile"
local error_object = require "userns.error"
local host = require "userns.host"
local parent = require "userns.parent"
local program = require "userns.program"
local stdio = require "userns.stdio"
local sys = require "userns.sys"

local prepared = {}

--- A child that waits, or is on its way there.
---@class userns.Waiting
---@field handle userns.sys.Prepared
---@field parent userns.Parent what was done for it
---@field plan userns.Plan
---@field step function? does the parent's steps, as long as there are some

local function let_go(child)
  child.handle:close()
  child.parent:close()
end

---@class userns.Pool
---@field description table
---@field spec table normalised process spec, of which the late fields mean nothing
---@field shape string
---@field facts userns.Host what the host was
---@field size integer how many are to wait
---@field waiting userns.Waiting[] the one that has waited longest first
---@field late { key: string, program: userdata, fds: table[] }? the last program that was given
local methods <const> = {}

local metatable <const> = { __name = "userns.pool", __index = methods }

--- What a prepared child has of its process spec, as a string to compare.
local function shape_of(spec)
  local parts <const> = { spec.cwd, spec.umask }
  for _, ids in ipairs { { spec.uid or false }, { spec.gid or false }, spec.groups } do
    parts[#parts + 1] = #ids
    for _, id in ipairs(ids) do
      parts[#parts + 1] = type(id) .. tostring(id)
    end
  end
  return table.concat(parts, "\0")
end

--- Why no child can wait prepared.
---@param description table normalised
---@param spec table normalised process spec
---@return userns.Error? err
function prepared.obstacle(description, spec)
  local problems <const> = {}
  if next(description.hooks) then
    problems[#problems + 1] = { field = "hooks", message = "they are about one launch: none can be prepared" }
  end
  if spec.terminal then
    problems[#problems + 1] = { field = "process.terminal", message = "is the program's own: none can be prepared" }
  end
  return #problems > 0 and error_object.invalid(problems) or nil
end

--- A pool without children.
---@param description table normalised
---@param spec table normalised process spec
---@return userns.Pool? pool
---@return userns.Error? err
function prepared.new(description, spec)
  local facts <const>, err = host.facts()
  if not facts then
    return nil, err
  end
  return setmetatable({
    description = description, spec = spec, shape = shape_of(spec), facts = facts, size = 0, waiting = {},
  }, metatable)
end

--- Would its children be what this one is to be?
---@param spec table normalised process spec
---@param facts userns.Host? where they are known
---@return boolean
function methods:suits(spec, facts)
  return not spec.terminal and self.shape == shape_of(spec) and self.facts == (facts or host.facts())
end

--- Would one of them be taken for it?
---@param spec table normalised process spec
---@return boolean
function methods:waits_for(spec)
  return #self.waiting > 0 and self:suits(spec)
end

--- The plan that its children follow, packed. Where the caller is among cgroups
--- counts anew for each.
local function packed(self)
  local facts <const>, err = host.facts(self.description)
  if not facts then
    return nil, err
  end
  if not self.plan or self.description.cgroup then
    local plan <const>, why = compile.compile(self.description, self.spec, facts, nil, true)
    if not plan then
      return nil, why
    end
    self.plan, self.program = plan, sys.pack(plan)
  end
  return self.plan, self.program
end

local function start(self)
  local plan <const>, code = packed(self)
  if not plan then
    return nil, code
  end
  local helper <const> = parent.new({})
  local function step(number, pid)
    return helper:run(plan[number], pid)
  end
  local handle <const>, err = sys.prepare(code, step)
  if not handle then
    helper:close()
    return nil, error_object.locate(err, plan)
  end
  helper:launched()
  return { handle = handle, parent = helper, plan = plan, step = step }
end

--- Does the parent's part, which takes the child to be made already.
local function lead(child)
  local step <const> = child.step
  child.step = nil
  if step then
    return child.handle:lead(step)
  end
  return true
end

--- The same, but waits for nothing.
local function go_on(child)
  local made <const> = child.step and sys.poll({ { fd = child.handle:fileno() } }, 0)
  if made and made[1] then
    return lead(child)
  end
  return true
end

local function ready(child)
  return child.handle:ready()
end

--- Whoever does not come through is gone; why, if somebody is.
local function each(self, act)
  local reason
  for i = #self.waiting, 1, -1 do
    local child <const> = self.waiting[i]
    local ok <const>, err = act(child)
    if not ok then
      let_go(table.remove(self.waiting, i))
      reason = error_object.locate(err, child.plan)
    end
  end
  return reason
end

--- Has all of them wait.
local function meet(self)
  return each(self, lead) or each(self, ready)
end

--- Starts what is missing, and waits for none of them.
local function fill(self)
  while #self.waiting < self.size do
    local child <const>, err = start(self)
    if not child then
      return nil, err
    end
    table.insert(self.waiting, child)
  end
  return true
end

--- Has this many children wait, or one error and none.
---@param size integer
---@return true? ok
---@return userns.Error? err
function methods:resize(size)
  self.size = size
  while #self.waiting > size do
    let_go(table.remove(self.waiting))
  end
  meet(self)
  local _, err = fill(self)
  err = meet(self) or err
  if err then
    self:resize(0)
    return nil, err
  end
  return true
end

--- Starts one child, if one is missing; the rest is done while it is being made.
--- One that cannot be started is tried again the next time.
function methods:replace()
  if #self.waiting < self.size and self.facts == host.facts() then
    table.insert(self.waiting, (start(self)))
  end
end

--- What there is to wait for while children are being made, and what is to be done
--- then.
---@param entries table[] as sys.poll takes them
---@param actions function[]
function methods:interests(entries, actions)
  for _, child in ipairs(self.waiting) do
    if child.step then
      entries[#entries + 1] = { fd = child.handle:fileno() }
      actions[#actions + 1] = function()
        each(self, go_on)
      end
    end
  end
end

--- Lets those that are being made go on alone: now where nobody else waits, else
--- when they have been made and the caller comes by.
function methods:settle()
  each(self, go_on)
  local first <const> = self.waiting[1]
  if first and first.step then
    each(self, lead)
  end
end

--- The program as it is sent, and the entries for its descriptors: the last one
--- again where it is the same.
local function late(self, spec, what)
  local key <const> = program.key(what)
  if not self.late or self.late.key ~= key then
    local steps <const> = compile.late(spec, what)
    self.late = { key = key, program = sys.pack(steps), fds = steps[1].fds }
  end
  return self.late
end

--- Gives the program to the first child that is alive: false where there is none,
--- or it cannot be given to any.
local function serve(self, code, from)
  while #self.waiting > 0 do
    local child <const> = table.remove(self.waiting, 1)
    local served, report = false, nil
    if lead(child) then
      served, report = child.handle:serve(code, from)
    end
    if served == false and report then
      table.insert(self.waiting, 1, child)
      return false
    elseif served or report and child.plan[report.step].op ~= "ready" then
      return served, report, child
    end
    let_go(child)
  end
  return false
end

--- The error as the plan with this program has it.
local function locate(self, report, spec, what, child)
  local facts <const> = host.facts(self.description)
  local plan <const> = facts and compile.compile(self.description, spec, facts, what, true)
  return error_object.locate(report, plan or child.plan)
end

--- Has a child that waits execute a program: false where there is none to do so.
---@param spec table normalised process spec that suits
---@param what userns.Program
---@return userns.sys.Process|nil|false child
---@return userns.Launch|userns.Error|nil launch
function methods:launch(spec, what)
  if #self.waiting == 0 then
    return false
  end
  local given <const> = late(self, spec, what)
  local set <const>, err = stdio.open(spec, given.fds, self.plan.owner)
  if not set then
    return nil, err
  end
  local served <const>, report, child = serve(self, given.program, set.from)
  if served then
    set:launched()
    return served, { set = set, plan = child.plan, excused = report, parent = child.parent }
  end
  set:close()
  if served == false then
    return false
  end
  child.parent:close()
  return nil, locate(self, report, spec, what, child)
end

return prepared
