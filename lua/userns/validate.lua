-- A description against the schema and the rules between its fields: all
-- problems at once, each with its path, before anything is created.
local error_object = require "userns.error"
local normalise = require "userns.normalise"
local rules = require "userns.rules"
local schema = require "userns.schema"
local types = require "userns.types"

local validate = {}

--- What the schema says of a value: problems, the top fields that have one, and
--- whether it is the value as a whole that has.
local function check(record, value, name)
  local problems <const>, bad <const> = {}, {}
  local whole = false
  record.check(value, function(path, message, cause)
    local inner <const> = path:sub(#name + 1)
    bad[inner:match("^%.?([^.%[]*)")] = true
    whole = whole or inner == ""
    problems[#problems + 1] = { field = path ~= "" and path or nil, message = message, cause = cause }
  end, name)
  return problems, bad, whole
end

local function without(value, bad)
  local good <const> = {}
  for key, field in next, value do
    if not bad[key] then
      good[key] = field
    end
  end
  return good
end

--- The argument vector: the process spec's array part.
local function check_argv(process, prefix, report, needed)
  local count, inside = 0, true
  for key in next, process do
    if math.type(key) == "integer" then
      count = count + 1
      inside = inside and 1 <= key and key <= #process
    end
  end
  if count ~= #process or not inside then
    report(prefix, "the argument vector has holes")
  elseif count == 0 and needed then
    report(prefix .. "[1]", "missing (the program)", "missing_field")
  end
  for i, argument in ipairs(process) do
    schema.process.argument.check(argument, report, ("%s[%d]"):format(prefix, i))
  end
  if process[1] == "" then
    report(prefix .. "[1]", "the program's name is empty")
  end
end

--- What adds a problem of a field below `prefix`.
local function add_to(problems, prefix)
  return function(path, message, cause)
    problems[#problems + 1] = { field = prefix .. path, message = message, cause = cause }
  end
end

local function add_rules(problems, table_of_rules, value, bad, prefix)
  local report <const> = add_to(problems, prefix)
  for _, rule in ipairs(table_of_rules) do
    local judged = true
    for _, field in ipairs(rule.reads) do
      judged = judged and not bad[field]
    end
    if judged then
      rule.check(value, report)
    end
  end
end

--- A description, checked and normalised.
---@param description table
---@return table? normalised
---@return userns.Error? err EINVALID, with all problems
function validate.description(description)
  local problems <const>, bad <const>, whole <const> = check(schema.description, description, "")
  if whole then
    return nil, error_object.invalid(problems)
  end
  local normalised <const> = normalise.description(without(description, bad))
  if types.is_plain(description.process) then
    check_argv(description.process, "process", add_to(problems, ""), false)
  end
  if description.process ~= nil and not bad.process then
    add_rules(problems, rules.process, description.process, {}, "process.")
  end
  add_rules(problems, rules.description, normalised, bad, "")
  if #problems > 0 then
    return nil, error_object.invalid(problems)
  end
  return normalised
end

--- A process spec, checked, laid over the defaults and normalised.
---@param process table
---@param defaults table? the description's `process`
---@param partial boolean? it needs no program
---@return table? normalised
---@return userns.Error? err EINVALID, with all problems
function validate.process(process, defaults, partial)
  local problems <const>, bad <const>, whole <const> = check(schema.process, process, "process")
  if whole then
    return nil, error_object.invalid(problems)
  end
  local merged <const> = normalise.over(defaults, process)
  check_argv(merged, "process", add_to(problems, ""), not partial)
  add_rules(problems, rules.process, merged, bad, "process.")
  if #problems > 0 then
    return nil, error_object.invalid(problems)
  end
  return normalise.process(merged)
end

return validate
