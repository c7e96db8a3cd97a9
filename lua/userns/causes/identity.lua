-- Why names, ids and capabilities are not set.

local function lacks(name)
  return function(case)
    return case:lacks(name)
  end
end

--- The ids that were to be set.
local function asked(case)
  if case.err.op == "groups" then
    return type(case.step.groups) == "table" and case.step.groups or {}
  end
  local step <const> = case.step
  return { step.real or false, step.effective or false, step.saved or false, step.uid or step.gid or false }
end

--- The map of the user namespace that the plan makes.
local function new_map(case, kind)
  local step <const> = case:has(kind .. "_map") or case:has("new" .. kind .. "map")
  return case:makes "user" and step and type(step.map) == "table" and step.map or nil
end

local function is_mapped(case, id)
  local kind <const> = case.err.op == "setuid" and "uid" or "gid"
  local map <const> = new_map(case, kind)
  for _, range in ipairs(map or {}) do
    if id >= range.inside and id - range.inside < range.count then
      return true
    end
  end
  if map then
    return false
  end
  return case.evidence:is_mapped(kind, id)
end

local function unmapped(case)
  for _, id in ipairs(asked(case)) do
    if math.type(id) == "integer" and id >= 0 and is_mapped(case, id) == false then
      return id
    end
  end
end

--- On the upper floor, where the ids are those of another user namespace.
local function is_inside(case)
  return #case.plan > 0 and (case:makes "user" or case:has "join" ~= nil)
end

--- Whether the user namespace that is joined maps nobody, as far as it is a process's.
local function joins_nobody(case, kind)
  for _, step in ipairs(case.plan) do
    local pid <const> = step.op == "namespace" and step.type == "user" and case.evidence:pid_of(step.handle)
    if pid then
      return #(case.evidence:map_of(kind, step.handle) or { "unknown" }) == 0
    end
  end
end

local function setgroups(case)
  return (case.evidence:read "/proc/self/setgroups" or ""):match "%a+"
end

local function is_named(case)
  return (case.step.user or case.step.group or case.step.names) ~= nil
end

local SETS <const> = { "effective", "permitted" }

--- A capability that was asked for and is not permitted.
local function beyond(case)
  local sets <const> = case.arguments and case.arguments[1] or case.step
  for _, set in ipairs(SETS) do
    local words <const> = sets[set] == "all" and { "all" } or type(sets[set]) == "table" and sets[set] or {}
    for _, word in ipairs(words) do
      local name <const> = word:lower():gsub("^cap_", "")
      if name ~= "all" and case.evidence:has_capability("permitted", name) == false then
        return name
      end
    end
  end
end

--- Whether a file belongs to somebody whom the caller's user namespace has not got.
local function is_foreign(case)
  local file <const> = case.err.path and case.evidence:stat(case.err.path)
  return file ~= nil and (case.evidence:is_mapped("uid", file.uid) == false
    or case.evidence:is_mapped("gid", file.gid) == false)
end

local SETID <const> = "setuid setgid groups"

return {
  {
    cause = "no_cap_sys_admin", ops = "hostname domainname", codes = "EPERM", test = lacks "sys_admin",
    why = "it takes CAP_SYS_ADMIN over the uts namespace, which the caller has not",
    hint = "do it in a new uts namespace together with a new user namespace, or as root",
  },
  {
    cause = "no_cap_in_target", ops = "hostname domainname", codes = "EPERM",
    test = function(case)
      if #case.plan > 0 then
        return false
      end
      local uts <close> = case.evidence:namespace("uts", "self")
      local power <const> = uts and case.evidence:has_power(uts)
      if power == nil then
        return nil
      end
      return not power
    end,
    why = "the uts namespace belongs to a user namespace above, over which the caller has no CAP_SYS_ADMIN",
    hint = "create a uts namespace together with the user namespace",
  },
  {
    cause = "no_such_name", ops = SETID, codes = "ENOENT", syscalls = "read",
    why = "the container's own /etc/passwd or /etc/group has no line with this name and a number",
    hint = "add it there, or name a number",
  },
  {
    cause = "no_passwd", ops = SETID, codes = "ENOENT", syscalls = "openat2",
    why = "names are looked up in the container's own /etc/passwd and /etc/group, of which it has none",
    hint = "put one into the container, or name a number",
  },
  {
    cause = "no_access", ops = SETID, codes = "EACCES EINVAL", syscalls = "openat2 statx",
    test = function(case)
      return case.err.syscall == "statx" or nil
    end,
    about = "the container's own /etc/passwd or /etc/group cannot be read",
    why = "the container's own /etc/passwd or /etc/group, where names are looked up, is no file or may not be read",
    hint = "put a file into the container that may be read, or name a number",
  },
  {
    cause = "id_unmapped", ops = SETID, codes = "EINVAL", syscalls = "setresuid setresgid setgroups",
    test = function(case)
      if case:has "join" then
        return not case.evidence:is_traced() or nil
      elseif is_named(case) then
        return nil
      end
      return unmapped(case) ~= nil
    end,
    about = "the id is not mapped in the user namespace",
    why = function(case)
      if is_named(case) then
        return "the id that the name stands for is not mapped by uid_map or gid_map"
      elseif case:has "join" then
        return "the joined user namespace does not map the id"
      end
      return ("%d is not mapped in the user namespace"):format(unmapped(case))
    end,
    hint = function(case)
      if joins_nobody(case, case.err.op == "setuid" and "uid" or "gid") then
        return "write its uid_map and gid_map first: it maps nobody yet"
      end
      return case:has "join" and "name one that it does as process.uid and process.gid"
        or "take an id that the maps have inside, or map this one too"
    end,
  },
  {
    cause = "setgroups_denied", ops = "groups", codes = "EPERM",
    test = function(case)
      if case:has "join" then
        return not case:lacks "setgid"
      end
      local step <const> = case:makes "user" and case:has "setgroups"
      local word <const> = step and step.value or setgroups(case)
      return word and word == "deny"
    end,
    about = "the user namespace denies setgroups(2)",
    why = function(case)
      return case:has "join" and "the joined user namespace denies setgroups(2)"
        or "the user namespace denies setgroups(2), since its gid_map was written without privilege"
    end,
    hint = "leave groups out, or have the gid_map written by newgidmap(1) or root",
  },
  {
    cause = "gid_map_unset", ops = "groups", codes = "EPERM",
    test = function(case)
      if is_inside(case) then
        return false
      end
      local map <const> = case.evidence:map_of("gid", "self")
      return map and #map == 0
    end,
    why = "the user namespace has no gid_map yet",
    hint = "write its gid_map first",
  },
  {
    cause = "no_cap_setgid", ops = "groups setgid", codes = "EPERM", test = lacks "setgid",
    why = "it takes CAP_SETGID, which the caller has not",
    hint = "do it in a user namespace of one's own that maps the id, or as root",
  },
  {
    cause = "no_cap_setuid", ops = "setuid", codes = "EPERM", test = lacks "setuid",
    why = "it takes CAP_SETUID, which the caller has not",
    hint = "do it in a user namespace of one's own that maps the id, or as root",
  },
  {
    cause = "cap_not_permitted", ops = "capabilities", codes = "EPERM", syscalls = "capset",
    test = function(case)
      return not is_inside(case) and beyond(case) ~= nil or nil
    end,
    about = "no capability is gained that is not permitted already",
    why = function(case)
      local name <const> = not is_inside(case) and beyond(case)
      return name and ("%s is not in the permitted set, and nothing is gained that is not there"):format(name)
        or "no capability is gained that is not permitted already"
    end,
    hint = "ask for none that the caller has lost or never had",
  },
  {
    cause = "no_cap_setpcap", ops = "bounding securebits", codes = "EPERM", test = lacks "setpcap",
    why = "it takes CAP_SETPCAP, which the caller has not",
    hint = "do it before setpcap is dropped, or in a user namespace of one's own",
  },
  {
    cause = "securebit_locked", ops = "securebits keep_caps", codes = "EPERM",
    test = function()
      return nil
    end,
    why = "a secure bit is locked, and stays as it is",
    hint = "set it before it is locked, or leave it",
  },
  {
    cause = "ambient_not_permitted", ops = "ambient", codes = "EPERM",
    test = function(case)
      local e <const>, name <const> = case.evidence, case.err.path or ""
      return e:has_capability("permitted", name) == false or e:has_capability("inheritable", name) == false
    end,
    about = "an ambient capability is one that is permitted and inheritable",
    why = function(case)
      return ("%s is not both permitted and inheritable, as an ambient one has to be"):format(case.err.path)
    end,
    hint = "add it to the inheritable set first",
  },
  {
    cause = "ambient_locked", ops = "ambient", codes = "EPERM",
    test = function()
      return nil
    end,
    why = "the secure bit no_cap_ambient_raise is set",
    hint = "clear the bit, where it is not locked, or make the capability one of the program's file",
  },
  {
    cause = "no_cap_setfcap", ops = "file_caps", codes = "EPERM",
    test = function(case)
      return case:lacks "setfcap" or is_foreign(case)
    end,
    about = "it takes CAP_SETFCAP over the file, whose owner and group a user namespace may not have",
    why = function(case)
      return is_foreign(case) and "it takes CAP_SETFCAP over the file, whose owner or group is not mapped in the "
        .. "caller's user namespace" or "it takes CAP_SETFCAP over the file, which the caller has not"
    end,
    hint = "do it as root, or as root of the user namespace that has the file's owner",
  },
}
