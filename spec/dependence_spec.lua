-- What of a plan is left when something of it is lost.
local compile = require "userns.compile"
local dependence = require "userns.dependence"
local full = require "spec.support.full"
local host = require "userns.host"
local normalise = require "userns.normalise"
local sys = require "userns.sys"
local validate = require "userns.validate"

-- What a step does to the child alone, or to nothing that anybody else has; and what
-- is undone when a trial ends.
local HARMLESS <const> = {}
for op in ([[
  cgroup image idmap take namespace join clone close_fds pdeathsig raise_limit await enter_cgroup meet hook hold
  release oom_score time undumpable rlimit open setgid groups setuid unshare pty init setsid keyring personality nice
  affinity umask chdir ruleset path_rule port_rule bounding capabilities no_new_privs terminal landlock descriptors
  signals ready serve examine seccomp exec leave
]]):gmatch("%S+") do
  HARMLESS[op] = true
end

local function plan_of(description)
  local d <const> = assert(validate.description(description))
  return (compile.draft(d, normalise.process(d.process), assert(host.facts(d))))
end

local function contains(list, word)
  for _, entry in ipairs(list) do
    if entry == word then
      return true
    end
  end
  return false
end

--- A step's namespaces without one.
local function without(step, type)
  local copy <const> = setmetatable({ namespaces = {} }, { __index = step })
  for _, name in ipairs(step.namespaces) do
    table.insert(copy.namespaces, name ~= type and name or nil)
  end
  return copy
end

--- The steps of a plan that can be done where a step with namespaces lacks one.
local function left_without(plan, type)
  local standing <const>, left <const> = dependence.new(), {}
  for _, step in ipairs(plan) do
    step = step.namespaces and without(step, type) or step
    if standing:allows(step) then
      standing:add(step)
      left[#left + 1] = step
    else
      standing:lose(step)
    end
  end
  return left
end

describe("what depends on what", function()
  it("knows of every step whether it changes a namespace", function()
    for op in pairs(sys.ops()) do
      local changes <const> = dependence.changes { op = op, path = "/proc/sys/kernel/sem" }
      assert.equal(#changes == 0, HARMLESS[op] or false, op)
    end
    assert.same({ "user" }, dependence.changes { op = "sysctl", path = "/proc/sys/user/max_user_namespaces" })
    assert.same({ "net" }, dependence.changes { op = "sysctl", path = "net/ipv4/ip_forward" })
    assert.same({ "unknown" }, dependence.changes { op = "sysctl", path = "/proc/sys/kernel/core_pattern" })
  end)

  it("leaves all of a plan of which nothing is lost", function()
    for name, description in pairs(full) do
      local plan <const> = plan_of(description)
      assert.equal(#plan, #left_without(plan, "none"), name)
    end
  end)

  it("leaves no step that changes a namespace which is not the container's own", function()
    for name, description in pairs(full) do
      for _, type in ipairs { "user", "mnt", "net", "ipc", "uts" } do
        for _, step in ipairs(left_without(plan_of(description), type)) do
          assert.is_false(contains(dependence.changes(step), type), ("%s: %s without %s"):format(name, step.op, type))
        end
      end
    end
  end)

  it("leaves no mount where propagation to the host was not cut off", function()
    local standing <const> = dependence.new()
    for _, step in ipairs(plan_of(full.tmpfs)) do
      if step.op ~= "propagation" and standing:allows(step) then
        standing:add(step)
        assert.is_false(contains(dependence.changes(step), "mnt"), step.op)
      else
        standing:lose(step)
      end
    end
  end)
end)
