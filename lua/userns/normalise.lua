-- Fills in every default of a valid description or process spec.  What comes
-- out is complete and shares no table with what came in; nobody checks or
-- defaults it again.
local network = require "userns.network"
local schema = require "userns.schema"
local types = require "userns.types"

local normalise = {}

--- A list or map of plain values of its own; anything else as it is.
local function copy(value)
  if type(value) ~= "table" then
    return value
  end
  local own <const> = {}
  for key, item in next, value do
    own[key] = item
  end
  return own
end

local function as_list(value)
  if value == nil then
    return {}
  end
  return type(value) == "table" and copy(value) or { value }
end

--- Permission bits as an integer; nil stays nil.
local function to_mode(value)
  return type(value) == "string" and tonumber(value, 8) or value
end

local function paths(list)
  if list == nil then
    return nil
  end
  local cleaned <const> = {}
  for i, path in ipairs(list) do
    cleaned[i] = types.clean_path(path)
  end
  return cleaned
end

local function list_of_paths(list)
  return paths(list or {})
end

local function set_of(list)
  local set <const> = {}
  for _, name in ipairs(list) do
    set[name] = true
  end
  return set
end

local function namespaces(description)
  if description.namespaces ~= nil then
    return set_of(as_list(description.namespaces))
  end
  local set <const> = set_of(schema.namespaces)
  set.time = description.time_offsets and true or nil
  for _, name in ipairs(as_list(description.share)) do
    set[name] = nil
  end
  for name in next, description.join or {} do
    set[name] = nil
  end
  return set
end

local function ranges(map)
  local complete <const> = {}
  for i, range in ipairs(map) do
    complete[i] = copy(range)
  end
  return complete
end

local function id_map(map)
  return type(map) == "table" and ranges(map) or map or "root"
end

--- Maps of an id-mapped mount's own; true stays true.
local function idmap(value)
  return type(value) == "table" and { uid = ranges(value.uid), gid = ranges(value.gid) } or value
end

local function capability_set(value)
  local list <const> = value == "all" and schema.capabilities or value
  local set <const> = {}
  for _, name in ipairs(type(list) == "table" and list or {}) do
    set[schema.capability(name)] = true
  end
  return set
end

local function union(a, b)
  local set <const> = copy(a)
  for name in next, b do
    set[name] = true
  end
  return set
end

--- The five sets.  Of the short form, inheritable and ambient are absent: they
--- depend on the program's uid.
local function capabilities(value)
  if type(value) ~= "table" or types.looks_like_list(value) then
    return { effective = capability_set(value), permitted = capability_set(value), bounding = capability_set(value) }
  end
  local function named(name, otherwise)
    return value[name] ~= nil and capability_set(value[name]) or otherwise
  end
  local ambient <const> = named("ambient", {})
  local inheritable <const> = named("inheritable", copy(ambient))
  local permitted <const> = named("permitted", union(named("effective", {}), ambient))
  return {
    effective = named("effective", copy(permitted)),
    permitted = permitted,
    inheritable = inheritable,
    bounding = named("bounding", union(permitted, inheritable)),
    ambient = ambient,
  }
end

--- A default that the schema names; words in parentheses are another stage's.
local function named_default(field)
  local value <const> = field.default
  if type(value) ~= "string" or not value:find("^%(") then
    return value
  end
end

-- Fields whose form is made uniform, by name; the rest is copied.
local FORMS <const> = {
  mode = to_mode,
  size = types.to_bytes,
  target = types.clean_path,
  options = as_list,
  lower = as_list,
  ptmxmode = to_mode,
  devices = list_of_paths,
  idmap = idmap,
  source = copy, -- a descriptor by number
  memory = types.to_bytes,
  swap = types.to_bytes,
  parent = types.clean_path,
  rbps = types.to_bytes,
  wbps = types.to_bytes,
}

-- Forms of what is an empty list when it is absent.
local EMPTY <const> = { [as_list] = true, [list_of_paths] = true }

local function record(value, fields)
  local complete <const> = {}
  for _, field in ipairs(fields) do
    local given = value[field.name]
    if given == nil then
      given = named_default(field)
    end
    local form <const> = FORMS[field.name]
    if form and (given ~= nil or EMPTY[form]) then
      given = form(given)
    end
    complete[field.name] = given
  end
  return complete
end

local function mounts(list)
  local complete <const> = {}
  for i, mount in ipairs(list or {}) do
    complete[i] = record(mount, schema.mount.variants[mount.type].fields)
  end
  return complete
end

local function root(value)
  if value == nil then
    return { type = "host" }
  end
  local given <const> = type(value) == "string" and { type = "bind", source = value } or value
  return record(given, schema.root.variants[given.type].fields)
end

local function conditions(list)
  local complete <const> = {}
  for i, condition in ipairs(list or {}) do
    complete[i] = copy(condition)
  end
  return complete
end

--- What `errno` means without one.
local function errno(action, value)
  return value or action == "errno" and "EPERM" or nil
end

local function seccomp(value)
  if type(value) ~= "table" then
    return value
  end
  local rules <const> = {}
  for i, rule in ipairs(value.rules or {}) do
    local action <const> = rule.action or value.default == "allow" and "errno" or "allow"
    rules[i] = {
      names = as_list(rule.names), action = action, errno = errno(action, rule.errno), args = conditions(rule.args),
    }
  end
  return {
    default = value.default, errno = errno(value.default, value.errno), rules = rules,
    architectures = value.architectures and as_list(value.architectures),
  }
end

local function landlock(given)
  if not given then
    return nil
  end
  local rules <const>, tcp <const> = given.fs and {}, given.tcp or {}
  for i, rule in ipairs(given.fs or {}) do
    rules[i] = record(rule, schema.fs_rule.fields)
    rules[i].allow = as_list(rule.allow)
  end
  return {
    fs = rules,
    tcp = { bind = copy(tcp.bind), connect = copy(tcp.connect) },
    scope = given.scope and as_list(given.scope),
  }
end

local function time_offsets(offsets)
  return offsets and record(offsets, schema.time_offsets.fields)
end

local function personality(words)
  local list <const> = words and as_list(words)
  for i, word in ipairs(list or {}) do
    list[i] = schema.persona(word)
  end
  return list
end

local function affinity(cpus)
  return cpus and schema.cpus(cpus)
end

local function amount(value)
  return value == "unlimited" and value or types.to_bytes(value)
end

local function rlimits(value)
  local complete <const> = {}
  for name, limit in next, value or {} do
    local pair <const> = type(limit) == "table" and limit or { soft = limit, hard = limit }
    complete[name] = { soft = amount(pair.soft), hard = amount(pair.hard) }
  end
  return complete
end

local function throttles(list)
  local complete <const> = {}
  for i, throttle in ipairs(list) do
    complete[i] = record(throttle, schema.throttle.fields)
  end
  return complete
end

FORMS.io = throttles

local function cgroup(value)
  return value and record(value, schema.cgroup.fields)
end

local function default(value, otherwise)
  if value == nil then
    return otherwise
  end
  return value
end

--- Who administers the mounts can undo what they keep from it.
local function locks_mounts(d)
  local owns <const> = d.namespaces.user and d.namespaces.mnt
  return owns and (d.capabilities.permitted.sys_admin or d.capabilities.bounding.sys_admin) or false
end

-- Fields of the description whose form is made uniform, by name: form(value,
-- description); the others are taken as they are.
local DESCRIPTION <const> = {
  namespaces = function(_, description)
    return namespaces(description)
  end,
  share = as_list,
  join = function(join)
    local own <const> = {}
    for name, target in next, join or {} do
      own[name] = types.is_plain(target) and copy(target) or target
    end
    return own
  end,
  uid_map = id_map,
  gid_map = id_map,
  root = root,
  mounts = mounts,
  masked_paths = paths,
  readonly_paths = paths,
  devices = list_of_paths,
  network = network.form,
  capabilities = capabilities,
  securebits = as_list,
  seccomp = seccomp,
  cgroup = cgroup,
  hooks = function(hooks)
    return copy(hooks or {})
  end,
  sysctl = schema.sysctl_list,
  landlock = landlock,
  time_offsets = time_offsets,
  personality = personality,
  affinity = affinity,
  rlimits = rlimits,
  process = function(process)
    return normalise.over(process, {})
  end,
}

---@class userns.Place where a mount is described, and where its source lies
---@field field string of the mount
---@field source string field of its source
---@field path string? of the source; lookup finds that of a descriptor
---@field device integer? of a descriptor's file, the file system's number
---@field inode integer?

--- What every plan tells of the mounts, one for each.
local function places(list)
  local all <const> = {}
  for i, mount in ipairs(list) do
    local field <const> = ("mounts[%d]"):format(i)
    all[i] = {
      field = field, source = field .. ".source", path = type(mount.source) == "string" and mount.source or nil,
    }
  end
  return all
end

--- The complete form of a valid description.  Who has uid 0 and may create user
--- namespaces gets what the kernel asks for to map it again.  `given` tells which fields its
--- author wrote, `places` where its mounts come from; maps stay words where they are,
--- since what those mean depends on the host.
---@param description table
---@return table normalised
function normalise.description(description)
  local normalised <const> = { given = {} }
  for key in next, description do
    normalised.given[key] = true
  end
  for _, field in ipairs(schema.description.fields) do
    local value <const> = description[field.name]
    local form <const> = DESCRIPTION[field.name]
    if form then
      normalised[field.name] = form(value, description)
    else
      normalised[field.name] = default(value, named_default(field))
    end
  end
  normalised.places = places(normalised.mounts)
  if description.capabilities == nil and normalised.allow_userns then
    normalised.capabilities = capabilities { "setfcap" }
  end
  if normalised.lock_mounts == nil then
    normalised.lock_mounts = locks_mounts(normalised)
  end
  return normalised
end

--- A process spec laid over defaults: fields one by one, `env` variable by
--- variable, the argument vector as a whole.
---@param defaults table?
---@param process table
---@return table merged
function normalise.over(defaults, process)
  local merged <const> = {}
  local own_argv <const> = types.has_numbers(process)
  for key, value in next, defaults or {} do
    if math.type(key) ~= "integer" or not own_argv then
      merged[key] = copy(value)
    end
  end
  -- what is read on standard input is one thing
  if process.input ~= nil or process.stdin ~= nil then
    merged.input, merged.stdin = nil, nil
  end
  for key, value in next, process do
    merged[key] = copy(value)
  end
  if defaults and type(defaults.env) == "table" and type(process.env) == "table" then
    merged.env = {}
    for _, source in ipairs { defaults.env, process.env } do
      for name, value in next, source do
        merged.env[name] = value
      end
    end
  end
  return merged
end

-- What a terminal has that nobody has measured.
local ROWS <const>, COLS <const> = 24, 80

local function terminal(value)
  if not value then
    return nil
  end
  local size <const> = type(value) == "table" and value or {}
  return { rows = size.rows or ROWS, cols = size.cols or COLS }
end

local function signal(value)
  return type(value) == "string" and value:gsub("^SIG", "") or value
end

--- The complete form of a valid process spec; ids stay nil where the map
--- decides.
---@param process table
---@return table normalised
function normalise.process(process)
  local stream <const> = process.terminal and "terminal" or "inherit"
  local kill_signal <const> = signal(process.kill_signal or "KILL")
  return {
    argv = table.move(process, 1, #process, 1, {}),
    argv0 = process.argv0,
    env = copy(process.env or {}),
    inherit_env = copy(default(process.inherit_env, false)),
    cwd = process.cwd or "/",
    uid = process.uid,
    gid = process.gid,
    groups = copy(process.groups or {}),
    umask = to_mode(process.umask or "0022"),
    stdin = process.input ~= nil and "input" or process.stdin or stream,
    stdout = process.stdout or stream,
    stderr = process.stderr or stream,
    input = process.input,
    max_output = types.to_bytes(process.max_output),
    fds = copy(process.fds or {}),
    timeout = process.timeout,
    kill_signal = kill_signal,
    kill_after = process.kill_after or 1,
    terminal = terminal(process.terminal),
  }
end

return normalise
