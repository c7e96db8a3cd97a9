-- The upper floor's side of the one error object: what is wrong with a
-- description, and what a failed step means in the words of its author.
local schema = require "userns.schema"
local sys = require "userns.sys"

local error_object = {}

-- What to do about what a description asks for and cannot have.
local HINTS <const> = {
  no_new_privs = "leave no_new_privs as it is, or keep sys_admin in capabilities",
  id_unmapped = "take an id that the maps have inside, or map this one too",
  setgroups_denied = "leave the groups out, or set setgroups = \"allow\" where the maps are made with privilege",
  not_namespaced = "leave it out, or set it on the host (sysctl)",
  too_many_lines = "join ranges that follow one another",
  too_many_layers = "merge some of them into one",
}

for _, name in ipairs(schema.namespaces) do
  HINTS[("no_%sns"):format(name)] = ("add %q to namespaces, or take it out of share"):format(name)
end

--- One problem of a wrong description: what its message says needs no hint.
local function problem_object(problem, message, problems)
  local cause <const> = problem.cause or "invalid_value"
  return sys.error {
    op = "validate", code = "EINVALID", field = problem.field, message = message, cause = cause, hint = HINTS[cause],
    problems = problems,
  }
end

--- The error of a wrong description or process spec: the first problem's field
--- and message, and all of them in `problems`.
---@param problems { field: string, message: string, cause: string? }[]
---@return userns.Error
function error_object.invalid(problems)
  local objects <const> = {}
  for i, problem in ipairs(problems) do
    objects[i] = problem_object(problem, problem.message)
  end
  local first <const> = problems[1]
  local message <const> = #problems == 1 and first.message
    or ("%s, and %d more problem%s"):format(first.message, #problems - 1, #problems > 2 and "s" or "")
  return problem_object(first, message, objects)
end

--- The error of what `strict` does not allow to be degraded.
---@param degraded { feature: string, used: string, reason: string }[]
---@return userns.Error
function error_object.degraded(degraded)
  local first <const> = degraded[1]
  return sys.error {
    op = "compile", code = "EDEGRADED", field = "strict",
    message = ("%s: only %s is to be had (%s)"):format(first.feature, first.used, first.reason),
  }
end

-- The system calls that look up and fill the place where something is put.
local PLACE <const> = {
  openat2 = true, mkdirat = true, mknodat = true, openat = true, move_mount = true, symlinkat = true,
}

--- Which part of an overlay a failure is about, where it is one: its items are
--- the lower layers, upper, work, and the options of what is written to memory.
local function layer(step, err)
  local beyond <const> = (err.item or 0) - #step.lower
  if beyond > 2 then
    return { "." .. step.scratch[beyond - 2]:match("^[^=]*") }
  end
  return { beyond == 1 and ".upper" or beyond == 2 and ".work"
    or err.item and (".lower[%d]"):format(err.item) or "" }
end

-- Per op: which part of its field a failure is about, where it is not the whole.
local REFINE <const> = {
  overlay = function(step, err)
    return PLACE[err.syscall] and { ".target", step.target } or layer(step, err)
  end,
  root_overlay = layer,
  bind = function(step, err)
    if err.syscall == "move_mount" and err.code == "EINVAL" then
      return { ".source", step.path } -- it can be attached nowhere
    end
    return PLACE[err.syscall] and { ".target", step.target } or { ".source", step.path }
  end,
  mount = function(step, err)
    local option <const> = step.type == "tmpfs" and err.syscall == "fsconfig" and err.item
      and step.options[err.item]
    return option and { "." .. option:match("^[^=]*"), nil } or PLACE[err.syscall] and { ".target", step.target }
  end,
  exec = function(step, err)
    return { "", err.item and step.paths[err.item] or step.program }
  end,
  mask = function(step, err)
    local path <const> = step.paths[err.item or 1]
    return { "", step.target and step.target .. "/" .. path or path }
  end,
}
REFINE.readonly = REFINE.mask

function REFINE.join(_, err)
  return { err.item and "." .. schema.namespaces[err.item], nil }
end

function REFINE.groups(step, err)
  return { "", step.names and err.item and step.names[err.item] }
end

-- What is about no limit in particular is about the first; what is opened by its
-- path is the parent.
function REFINE.cgroup(step, err)
  if err.syscall == "open" then
    return { ".parent", err.path }
  end
  local field <const> = step.fields[err.item or 1]
  return { field and "." .. field or "", err.path }
end

function REFINE.enter_cgroup(_, err)
  return { "", err.path }
end

-- What a parent's step was at when it failed, by the lower floor's word for it.
function REFINE.veth(step, err)
  if err.op == "address_add" then
    return { (".peer.address[%d]"):format(err.item), err.path }
  elseif err.op == "namespace" or err.op == "netlink" then
    return { ".peer.netns", err.path }
  end
  return { step.bridge and err.path == step.bridge and ".peer.bridge" or "", err.path }
end

function REFINE.interface(_, err)
  return { err.code == "ENODEV" and ".name" or "", err.path }
end

local PLACE_OPS <const> = { dir = true, file = true, symlink = true }

-- What a step is about.
local SUBJECT <const> = {
  address = "address",
  link_up = "name",
  route = "to",
}

local function path_of(step)
  return SUBJECT[step.op] and step[SUBJECT[step.op]] or step.target or step.path or step.user or step.group
end

--- Says why a step was refused, where that can be told.  Only now is loaded what
--- tells it: no host pays for it that is refused nothing.
---@param err userns.Error
---@param step userns.Step
---@param plan userns.Plan
---@return userns.Error the same
function error_object.explain(err, step, plan)
  local loaded <const>, diagnose <const> = pcall(require, "userns.diagnose")
  return loaded and diagnose.step(err, step, plan) or err
end

--- Fills in, from the plan, what the engine's report of a failed step means.
---@param err userns.Error with step, and item where the step has several
---@param plan userns.Plan
---@return userns.Error the same
function error_object.locate(err, plan)
  local step <const> = plan[err.step]
  if not step then
    return err
  end
  local part <const> = REFINE[step.op] and REFINE[step.op](step, err)
    or PLACE_OPS[step.op] and { ".target", step.target } or {}
  err.op = step.op
  err.side = step.side
  err.path = part[2] or path_of(step)
  err.field = step.source and step.source .. (part[1] or "")
  error_object.explain(err, step, plan)
  err.item, err.found = nil, nil
  return err
end

return error_object
