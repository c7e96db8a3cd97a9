-- A container in words: what its program will see and may do.  Names are quoted
-- as in plans, so that none can pass for a line.
local bpf = require "userns.bpf"
local plan = require "userns.plan"
local schema = require "userns.schema"
local types = require "userns.types"

local quote <const> = plan.word

local function join(list)
  return #list > 0 and table.concat(list, " ") or "nothing"
end

local function split(d)
  local own <const>, joined <const>, hosts <const> = {}, {}, {}
  for _, name in ipairs(schema.namespaces) do
    table.insert(d.namespaces[name] and own or d.join[name] and joined or hosts, name)
  end
  return own, joined, hosts
end

local function access(record)
  return record.readonly and "read-only" or "writable"
end

local function options(record)
  local words <const> = {}
  for _, word in ipairs(record.options or {}) do
    words[#words + 1] = ", " .. word
  end
  return table.concat(words)
end

local function paths(list)
  local quoted <const> = {}
  for i, path in ipairs(list or {}) do
    quoted[i] = quote(path)
  end
  return #quoted > 0 and table.concat(quoted, " ") or nil
end

local function overlay(record)
  local changes <const> = not record.upper and "read-only"
    or "changes in " .. (record.upper == "tmpfs" and "memory" or quote(record.upper))
  return ("%s of the host's, laid over each other, %s%s"):format(paths(record.lower),
    record.readonly and "read-only" or changes, options(record))
end

--- A path, or what a descriptor is.
local function name_of(source)
  return type(source) == "string" and quote(source) or "an open file"
end

local ROOT <const> = {
  host = function()
    return "the host's tree as it is"
  end,
  bind = function(root)
    return ("%s, %s%s"):format(root.source == "/" and "the host's whole tree" or quote(root.source) .. " of the host's",
      access(root), options(root))
  end,
  overlay = overlay,
  tmpfs = function(root)
    return ("an empty tree in memory, %s%s"):format(access(root), options(root))
  end,
}

local function bytes(count)
  return ("%d byte%s"):format(count, count == 1 and "" or "s")
end

local HIDEPID <const> = {
  noaccess = ", other users' closed", invisible = ", other users' hidden", ptraceable = ", only those it may trace",
}

--- Of what a /proc usually has hidden and protected, what this one has not.
local function left_out(d)
  return ((d.allow_userns or d.masked_paths) and ", without the usual masks" or "")
    .. ((d.allow_userns or d.readonly_paths) and ", without the usual read-only parts" or "")
end

local function whose(d, namespace)
  return d.join[namespace] and "the joined" or "its own"
end

-- What does not go without saying.
local BIND_PROPAGATION <const> = {
  slave = ", mounts of the host's appear", shared = ", mounts travel to the host's and back",
  unbindable = ", not to be bound elsewhere",
}

local MOUNT <const> = {
  overlay = overlay,
  cgroup = function(m)
    return ("its own cgroup and those below, %s%s"):format(access(m), options(m))
  end,
  remount = function(m)
    local said <const> = m.readonly ~= nil and { access(m) } or {}
    table.move(m.options, 1, #m.options, #said + 1, said)
    said[#said + 1] = m.propagation
    return ("changed: %s%s"):format(join(said), m.recursive and ", with the mounts below it" or "")
  end,
  move = function()
    return "a mount that the caller has prepared"
  end,
  bind = function(m)
    return name_of(m.source) .. " of the host's" .. (m.recursive and "" or " without the mounts below it")
      .. ", " .. access(m) .. options(m) .. (BIND_PROPAGATION[m.propagation] or "")
      .. (m.idmap and ", owned by ids inside" or "") .. (m.optional and ", if it exists" or "")
  end,
  tmpfs = function(m)
    local limited <const> = m.size and m.size > 0 -- 0: no limit, tmpfs(5)
    return ("empty, in memory%s%s, %s%s"):format(limited and ", up to " .. bytes(m.size) or "",
      m.inodes and (", up to %d files"):format(m.inodes) or "", access(m), options(m))
  end,
  proc = function(m, d)
    return ("the processes of %s pid namespace%s%s%s%s%s"):format(
      whose(d, "pid"), m.subset and " and nothing else" or "",
      HIDEPID[m.hidepid] or "", m.readonly and ", read-only" or "", options(m), left_out(d))
  end,
  sysfs = function(m, d)
    return ("the devices of %s net namespace, %s%s"):format(whose(d, "net"), access(m), options(m))
  end,
  devpts = function(m)
    return "terminals of its own" .. options(m)
  end,
  mqueue = function(m)
    return "message queues of its own" .. options(m)
  end,
  dev = function(m)
    return "a minimal /dev" .. (#m.devices > 0 and " with " .. paths(m.devices) or "")
  end,
  dir = function()
    return "a directory"
  end,
  file = function(m)
    return "a file of " .. bytes(#m.content)
  end,
  symlink = function(m)
    return "a link to " .. quote(m.source)
  end,
}

local PROPAGATION <const> = {
  slave = "the host's appear inside",
  shared = "travel between namespaces made inside",
  unbindable = "cannot be bound elsewhere",
}

local function files(d, add)
  if not d.namespaces.mnt then
    add("files", d.join.mnt and "those of the joined mnt namespace" or "the host's mounts, shared with it")
    return
  end
  add("/", ROOT[d.root.type](d.root))
  for _, mount in ipairs(d.mounts) do
    add(quote(mount.target), MOUNT[mount.type](mount, d))
  end
  add("devices", paths(d.devices))
  add("hidden", paths(d.masked_paths))
  add("read-only", paths(d.readonly_paths))
  add("new mounts", PROPAGATION[d.propagation])
end

local MAP_WORDS <const> = {
  root = "0 inside is an unprivileged id of the caller's outside",
  self = "the caller's, under its own number",
  auto = "0 inside is an unprivileged id of the caller's outside; its subordinate ids follow",
}

local function map(value)
  if type(value) == "string" then
    return MAP_WORDS[value]
  end
  local ranges <const> = {}
  for i, range in ipairs(value) do
    ranges[i] = range.count == 1 and ("%d is %d outside"):format(range.inside, range.outside)
      or ("%d-%d are %d-%d outside"):format(range.inside, range.inside + range.count - 1, range.outside,
        range.outside + range.count - 1)
  end
  return table.concat(ranges, "; ")
end

local function identity(d, add)
  if d.join.user then
    add("ids", "those of the joined user namespace")
    return
  end
  if not d.namespaces.user then
    add("ids", "the caller's own, in the host's user namespace")
    return
  end
  add("user ids", map(d.uid_map))
  add("group ids", map(d.gid_map))
end

local function with_addresses(text, addresses)
  return #addresses > 0 and text .. " " .. table.concat(addresses, " ") or text
end

local function peer_words(peer)
  local where <const> = peer.netns and "another namespace" or "the host"
  return peer.bridge and ("to the bridge %s of %s"):format(peer.bridge, where) or "to " .. where
end

local function network(d, add)
  if not d.namespaces.net then
    add("network", d.join.net and "joined" or "the host's")
    return
  end
  local list <const> = {}
  for _, veth in ipairs(d.network and d.network.veth or {}) do
    list[#list + 1] = ("%s, %s"):format(with_addresses(veth.name, veth.address), peer_words(veth.peer))
  end
  for _, interface in ipairs(d.network and d.network.interfaces or {}) do
    list[#list + 1] = ("%s, the host's %s"):format(with_addresses(interface.as, interface.address), interface.name)
  end
  local uplink <const> = d.network and d.network.uplink
  if uplink then
    list[#list + 1] = ("out by %s%s"):format(uplink.type, uplink.host_loopback and ", to the host's loopback too" or "")
  end
  add("network", #list > 0 and "loopback; " .. table.concat(list, "; ") or "loopback only")
end

local function set_words(set)
  local kept <const> = types.listed(set, schema.capabilities)
  return #kept == 0 and "none" or #kept == #schema.capabilities and "all" or join(kept)
end

local SETS <const> = { "effective", "permitted", "inheritable", "bounding", "ambient" }

local function all_sets(sets)
  if not sets.ambient then
    return set_words(sets.permitted)
  end
  local parts <const> = {}
  for i, name in ipairs(SETS) do
    parts[i] = ("%s %s"):format(name, set_words(sets[name]))
  end
  return table.concat(parts, "; ")
end

--- In no user namespace of its own, what is kept is held over somebody else's.
local function capabilities(d)
  local words <const> = all_sets(d.capabilities)
  local over <const> = d.join.user and "the joined user namespace" or not d.namespaces.user and "the host"
  return words .. (words ~= "none" and over and ", over " .. over or "")
end

local function powers(d, add)
  add("capabilities", capabilities(d))
  add("secure bits", #d.securebits > 0 and join(d.securebits) or nil)
  add("mounts", d.lock_mounts and "locked: what is read-only or hidden stays so" or nil)
  add("privileges", d.no_new_privs and "none gained by executing a file" or "gained by set-id programs")
  add("user namespaces", d.allow_userns and "may be created inside" or d.namespaces.user and "cannot be created inside"
    or "may be created as on the host")
end

local ANSWERS <const> = {
  allow = "are allowed", errno = "fail", kill = "end the process", log = "are allowed, and logged",
  trap = "get SIGSYS",
}

local function calls(filter)
  if filter == "default" then
    return "those that containers need"
  elseif type(filter) == "string" then
    return ("as a program of %d instructions has it"):format(#filter // bpf.SIZE)
  end
  return ("%s, but for %d rule%s"):format(ANSWERS[filter.default], #filter.rules, #filter.rules == 1 and "" or "s")
end

local CGROUP <const> = {
  { "memory", "%d bytes of memory" }, { "swap", "%d bytes of swap" }, { "pids", "%d processes" }, { "cpu", "%s CPUs" },
  { "cpu_weight", "a CPU weight of %d" },
}

local function cgroup(given, add)
  local limits <const> = {}
  for _, row in ipairs(CGROUP) do
    limits[#limits + 1] = given[row[1]] and row[2]:format(given[row[1]])
  end
  for _, entry in ipairs(given.io or {}) do
    limits[#limits + 1] = "limited i/o on device " .. entry.device
  end
  add("cgroup", #limits > 0 and "its own, with " .. table.concat(limits, ", ") or "its own, without limits")
end

local function hooks(given)
  local points <const> = {}
  for _, field in ipairs(schema.hooks.fields) do
    points[#points + 1] = given[field.name] and field.name or nil
  end
  return #points > 0 and "the host's functions at " .. table.concat(points, ", ") or nil
end

local function clocks(offsets)
  local texts <const> = {}
  for i, clock in ipairs(schema.clocks) do
    texts[i] = ("%s %+g s"):format(clock, offsets[clock])
  end
  return table.concat(texts, ", ")
end

local function settings(d, add)
  if d.time_offsets then
    add("clocks", clocks(d.time_offsets))
  end
  for _, field in ipairs { "personality", "affinity" } do
    if d[field] then
      add(field, join(d[field]))
    end
  end
  for _, field in ipairs { "nice", "oom_score_adj" } do
    if d[field] then
      add(field, ("%d"):format(d[field]))
    end
  end
end

local function ports(list)
  return #list > 0 and table.concat(list, " ") or "none"
end

local function landlock(rules, add)
  for _, rule in ipairs(rules.fs or {}) do
    add("allowed", ("%s at %s"):format(join(rule.allow), rule.path))
  end
  if rules.fs then
    add("allowed", "nothing else with files")
  end
  for _, name in ipairs { "bind", "connect" } do
    if rules.tcp[name] then
      add("TCP " .. name, ports(rules.tcp[name]))
    end
  end
  if rules.scope then
    add("kept inside", join(rules.scope))
  end
end

local function limits(d, add)
  local texts <const> = {}
  for _, name in ipairs(schema.limits) do
    local limit <const> = d.rlimits[name]
    if limit then
      local soft <const>, hard <const> = tostring(limit.soft), tostring(limit.hard)
      texts[#texts + 1] = ("%s %s"):format(name, soft == hard and soft or ("%s, up to %s"):format(soft, hard))
    end
  end
  if #texts > 0 then
    add("limits", table.concat(texts, "; "))
  end
end

--- A line for each thing that the program will see or may do.
---@param d table normalised description
---@return string
local function words(d)
  local lines <const> = {}
  local function add(what, text)
    lines[#lines + 1] = text and ("%-16s %s"):format(what .. ":", text)
  end
  local own <const>, joined <const>, hosts <const> = split(d)
  add("own namespaces", join(own))
  add("joined", #joined > 0 and join(joined) or nil)
  add("the host's", join(hosts))
  identity(d, add)
  files(d, add)
  network(d, add)
  for _, field in ipairs { "hostname", "domainname" } do
    add(field, d[field] and quote(d[field]))
  end
  powers(d, add)
  add("system calls", d.seccomp and calls(d.seccomp))
  add("session", not d.new_session and "the caller's, with its terminal" or nil)
  add("process 1", d.init and "reaps, and hands signals on to the program" or nil)
  if d.cgroup then
    cgroup(d.cgroup, add)
  end
  add("hooks", hooks(d.hooks))
  if d.landlock then
    landlock(d.landlock, add)
  end
  settings(d, add)
  for _, setting in ipairs(d.sysctl) do
    add(setting.key, setting.value)
  end
  limits(d, add)
  add("ends", d.die_with_parent and "with the host program at the latest" or "on its own")
  return table.concat(lines, "\n")
end

return words
