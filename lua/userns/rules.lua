-- What fields of a description must not say together.  A rule names the fields
-- it reads, so that it is silent where one of them has a problem of its own;
-- check(normalised, report) reports the path, the message and, where there is a word
-- for it, the cause.
local network = require "userns.network"
local schema = require "userns.schema"
local seccomp = require "userns.seccomp"

local rules = {}

--- Fields that are about a namespace, and mean nothing without a new one.
local NEEDS <const> = {
  { namespace = "uts", fields = { "hostname", "domainname" } },
  { namespace = "mnt", fields = { "root", "propagation", "masked_paths", "readonly_paths", "devices" } },
  { namespace = "net", fields = { "network" } },
  { namespace = "time", fields = { "time_offsets" } },
  { namespace = "user", fields = { "uid_map", "gid_map", "setgroups" } },
}

local MOUNT_NEEDS <const> = { proc = "pid", sysfs = "net", mqueue = "ipc", cgroup = "cgroup" }

local function needs_rule(need, field)
  return {
    reads = { "namespaces", "share", field },
    check = function(d, report)
      if d.given[field] and not d.namespaces[need.namespace] then
        report(field, ("needs a new %s namespace, and this container has none"):format(need.namespace),
          ("no_%sns"):format(need.namespace))
      end
    end,
  }
end

--- Do two ranges of ids, each from first on, have one in common?
local function overlap(first, count, other, other_count)
  return first < other + other_count and other < first + count
end

--- The first of the ranges before one that overlaps it on a side.
local function overlapped(map, j, side)
  for i = 1, j - 1 do
    if overlap(map[i][side], map[i].count, map[j][side], map[j].count) then
      return i
    end
  end
end

local function check_overlap(map, j, name, report)
  for _, side in ipairs { "inside", "outside" } do
    local i <const> = overlapped(map, j, side)
    if i then
      report(("%s[%d].%s"):format(name, j, side), ("overlaps %s[%d].%s"):format(name, i, side), "overlap_" .. side)
    end
  end
end

local function check_range(range, path, report)
  for _, side in ipairs { "inside", "outside" } do
    if range[side] + range.count > 0xFFFFFFFF then
      report(path .. ".count", ("%s ids end beyond 4294967294"):format(side), "range")
    end
  end
end

local function map_text_length(map)
  local length = 0
  for _, range in ipairs(map) do
    length = length + #("%d %d %d\n"):format(range.inside, range.outside, range.count)
  end
  return length
end

local function check_map(map, name, report)
  for j = 1, #map do
    check_range(map[j], ("%s[%d]"):format(name, j), report)
    check_overlap(map, j, name, report)
  end
  local length <const> = map_text_length(map)
  if length > 4095 then
    report(name, ("its text has %d bytes, the kernel takes 4095"):format(length), "too_long")
  end
end

local function map_rule(name)
  return {
    reads = { name },
    check = function(d, report)
      if type(d[name]) == "table" then
        check_map(d[name], name, report)
      end
    end,
  }
end

--- What the fields of an overlay must not say together.
local function check_overlay(m, at, report)
  local path <const> = m.upper ~= nil and m.upper ~= "tmpfs"
  if path and not m.work then
    report(at .. ".work", "missing (an empty directory on the file system of `upper`)", "no_workdir")
  elseif m.work and not path then
    report(at .. ".work", "is for an `upper` that is a directory")
  end
  if not m.upper and #m.lower < 2 then
    report(at .. ".lower", "one layer with nothing above it: use a bind", "one_layer")
  end
  if m.size and m.upper ~= "tmpfs" then
    report(at .. ".size", "is for `upper = \"tmpfs\"`")
  end
end

local function check_below(path, at, report)
  if path == "/" then
    report(at, "'/' is the root's place: see `root`")
  end
end

local function paths_rule(name)
  return {
    reads = { name },
    check = function(d, report)
      for i, path in ipairs(d[name] or {}) do
        check_below(path, ("%s[%d]"):format(name, i), report)
      end
    end,
  }
end

--- Is a capability in any set?
local function keeps(sets, capability)
  for _, set in next, sets do
    if set[capability] then
      return true
    end
  end
  return false
end

--- What one set has, another must.
local function check_part(sets, part, whole, report)
  for _, name in ipairs(sets[part] and schema.capabilities or {}) do
    if sets[part][name] and not sets[whole][name] then
      report("capabilities." .. part, ("%s is not %s"):format(name, whole))
    end
  end
end

--- An error where there is to be none would say nothing, and seem to.
local function check_errno(record, action, path, report)
  if record.errno and action ~= "errno" then
    report(path .. ".errno", ("goes with \"errno\", and this is \"%s\""):format(action))
  end
end

--- Where a setting is in the description.
local function sysctl_field(setting)
  return ("sysctl[%q]"):format(setting.key)
end

rules.description = {
  {
    reads = { "namespaces", "share" },
    check = function(d, report)
      for i, name in ipairs(d.share) do
        if d.given.namespaces and d.namespaces[name] then
          report(("share[%d]"):format(i), ("'%s' is in namespaces too"):format(name))
        end
      end
    end,
  },
  {
    reads = { "namespaces", "share", "join" },
    check = function(d, report)
      local shared <const> = {}
      for _, name in ipairs(d.share) do
        shared[name] = true
      end
      for _, name in ipairs(schema.namespaces) do
        if d.join[name] and (d.namespaces[name] or shared[name]) then
          report("join." .. name, ("'%s' is in %s too"):format(name, shared[name] and "share" or "namespaces"))
        end
      end
    end,
  },
  {
    -- Nothing is written where those who are in a joined namespace may have put
    -- something else.
    reads = { "namespaces", "share", "join", "allow_userns" },
    check = function(d, report)
      if d.join.mnt and d.namespaces.user and not d.allow_userns then
        report("join.mnt", "there is no telling what its /proc/sys is, which forbids nested user namespaces: "
          .. "join its user namespace too, or set allow_userns")
      end
    end,
  },
  map_rule "uid_map",
  map_rule "gid_map",
  {
    reads = { "namespaces", "share", "mounts" },
    check = function(d, report)
      if #d.mounts > 0 and not d.namespaces.mnt then
        report("mounts", "needs a new mnt namespace, and this container has none", "no_mntns")
      end
      for i, mount in ipairs(d.mounts) do
        local namespace <const> = MOUNT_NEEDS[mount.type]
        if namespace and not d.namespaces[namespace] and not d.join[namespace] then
          report(("mounts[%d].type"):format(i),
            ("%s needs a new %s namespace, and this container has none"):format(mount.type, namespace),
            ("no_%sns"):format(namespace))
        elseif namespace and d.join[namespace] and d.namespaces.user then
          -- who mounts it must have a say over what it shows
          report(("mounts[%d].type"):format(i),
            ("%s of a joined %s namespace needs its user namespace joined too"):format(mount.type, namespace))
        end
      end
    end,
  },
  {
    reads = { "mounts" },
    check = function(d, report)
      for i, mount in ipairs(d.mounts) do
        if mount.type ~= "remount" then
          check_below(mount.target, ("mounts[%d].target"):format(i), report)
        end
        for j, path in ipairs(mount.devices or {}) do
          check_below(path, ("mounts[%d].devices[%d]"):format(i, j), report)
        end
      end
    end,
  },
  {
    reads = { "root", "mounts" },
    check = function(d, report)
      if d.root.type == "overlay" then
        check_overlay(d.root, "root", report)
      end
      for i, mount in ipairs(d.mounts) do
        if mount.type == "overlay" then
          check_overlay(mount, ("mounts[%d]"):format(i), report)
        end
      end
    end,
  },
  {
    reads = { "namespaces", "share", "mounts" },
    check = function(d, report)
      for i, mount in ipairs(d.mounts) do
        local at <const> = ("mounts[%d].idmap"):format(i)
        if mount.idmap == true and not d.namespaces.user then
          report(at, "needs a new user namespace, or maps of its own", "no_userns")
        elseif type(mount.idmap) == "table" then
          check_map(mount.idmap.uid, at .. ".uid", report)
          check_map(mount.idmap.gid, at .. ".gid", report)
        end
      end
    end,
  },
  {
    reads = { "init", "namespaces", "share" },
    check = function(d, report)
      if d.init and not d.namespaces.pid then
        report("init", "needs a new pid namespace, and this container has none", "no_pidns")
      end
    end,
  },
  {
    -- Version 1 limits memory and swap together.
    reads = { "cgroup" },
    check = function(d, report)
      if d.cgroup and d.cgroup.swap and not d.cgroup.memory then
        report("cgroup.swap", "needs cgroup.memory")
      end
    end,
  },
  paths_rule "masked_paths",
  paths_rule "readonly_paths",
  paths_rule "devices",
  { reads = { "network", "namespaces", "share", "die_with_parent" }, check = network.check },
  {
    reads = { "sysctl", "namespaces", "share", "join", "allow_userns" },
    check = function(d, report)
      if d.join.mnt and #d.sysctl > 0 then
        report("sysctl", "in a joined mnt namespace /proc/sys may be anything")
      end
      for _, setting in ipairs(d.sysctl) do
        local namespace <const> = schema.sysctl_namespace(setting.path)
        if not d.namespaces[namespace] then
          report(sysctl_field(setting),
            ("needs a new %s namespace, and this container has none"):format(namespace), ("no_%sns"):format(namespace))
        elseif setting.path == "user/max_user_namespaces" and not d.allow_userns then
          report(sysctl_field(setting), "is 0 where allow_userns is false")
        end
      end
    end,
  },
  {
    reads = { "landlock", "no_new_privs", "capabilities" },
    check = function(d, report)
      if d.landlock and not d.no_new_privs and not d.capabilities.effective.sys_admin then
        report("landlock", "needs no_new_privs, or the capability sys_admin", "no_new_privs")
      end
    end,
  },
  {
    -- CAP_SYS_RESOURCE in a user namespace is what raises its limits again; one
    -- that is not the program's own is out of its reach.
    reads = { "capabilities", "allow_userns", "lock_mounts", "namespaces", "share" },
    check = function(d, report)
      if d.namespaces.user and not d.allow_userns and not d.lock_mounts and keeps(d.capabilities, "sys_resource") then
        report("capabilities", "sys_resource would let the program create user namespaces again: "
          .. "leave it out, or set lock_mounts or allow_userns")
      end
    end,
  },
  {
    reads = { "capabilities" },
    check = function(d, report)
      check_part(d.capabilities, "effective", "permitted", report)
      check_part(d.capabilities, "ambient", "permitted", report)
      check_part(d.capabilities, "ambient", "inheritable", report)
    end,
  },
  {
    reads = { "lock_mounts", "namespaces", "share" },
    check = function(d, report)
      for _, name in ipairs { "user", "mnt" } do
        if d.given.lock_mounts and d.lock_mounts and not d.namespaces[name] then
          report("lock_mounts", ("needs a new %s namespace, and this container has none"):format(name),
            ("no_%sns"):format(name))
        end
      end
    end,
  },
  {
    -- Else set-id programs could be made to fail half-way (seccomp(2)).
    reads = { "seccomp", "no_new_privs", "capabilities" },
    check = function(d, report)
      if d.seccomp and not d.no_new_privs and not d.capabilities.effective.sys_admin then
        report("seccomp", "needs no_new_privs, or the capability sys_admin", "no_new_privs")
      end
    end,
  },
  {
    reads = { "seccomp" },
    check = function(d, report)
      if type(d.seccomp) == "table" then
        check_errno(d.seccomp, d.seccomp.default, "seccomp", report)
        for i, rule in ipairs(d.seccomp.rules) do
          check_errno(rule, rule.action, ("seccomp.rules[%d]"):format(i), report)
        end
      end
    end,
  },
  {
    reads = { "seccomp", "capabilities", "allow_userns", "die_with_parent" },
    check = function(d, report)
      local program <const>, err = seccomp.program(d)
      local problem <const> = err and err.message or program and seccomp.obstacle(program)
      if problem then
        report("seccomp", problem)
      end
    end,
  },
}

--- The namespace without which a field means nothing, by the field's name.
rules.needs = {}

for _, need in ipairs(NEEDS) do
  for _, field in ipairs(need.fields) do
    rules.needs[field] = need.namespace
    table.insert(rules.description, needs_rule(need, field))
  end
end

-- What execve(2) takes at most, however large the stack may be.
local ENVIRONMENT_MAX <const> = 6 << 20

rules.process = {
  {
    reads = { "terminal", "stdin", "stdout", "stderr", "input" },
    check = function(process, report)
      for _, field in ipairs(process.terminal and { "stdin", "stdout", "stderr", "input" } or {}) do
        if process[field] ~= nil then
          report(field, "excludes terminal")
        end
      end
    end,
  },
  {
    reads = { "stdin", "input" },
    check = function(process, report)
      if process.input ~= nil and process.stdin ~= nil then
        report("input", "excludes stdin")
      end
    end,
  },
  {
    reads = { "env" },
    check = function(process, report)
      local length = 0
      for name, value in next, process.env or {} do
        length = length + #name + #value + 2
      end
      if length > ENVIRONMENT_MAX then
        report("env", "is larger than any kernel takes (6 MiB)", "args_too_long")
      end
    end,
  },
}

return rules
