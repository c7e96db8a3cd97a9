-- Why a map of ids, or setgroups, is not opened or not written: /proc/PID/uid_map,
-- gid_map and setgroups, in the order of the kernel's map_write.
local shared = require "userns.causes.shared"

local MAPS <const> = "uid_map gid_map"
local FILES <const> = "uid_map gid_map setgroups"
local OPENS <const> = "open openat"

local function kind_of(case)
  return case.err.op == "uid_map" and "uid" or "gid"
end

--- On the upper floor the file is a child's of the caller's, which is gone by now.
local function is_of_child(case)
  return #case.plan > 0
end

local function pid_of(case)
  return not is_of_child(case) and case.evidence:pid_of(case.step.target) or nil
end

local function path_of(case, file)
  return ("/proc/%s/%s"):format(pid_of(case) or "self", file or case.err.op)
end

local function map_of(case)
  return type(case.step.map) == "table" and case.step.map or {}
end

--- The one id of a map of a single id.
local function single(case)
  local map <const> = map_of(case)
  return #map == 1 and map[1].count == 1 and map[1].outside or nil
end

-- ---- where the writer is -----------------------------------------------------

--- Whether the caller writes the map of the namespace that it is in, which leaves it
--- nothing to say in the one above.
local function is_inside(case)
  local pid <const> = pid_of(case)
  return pid ~= nil and case.evidence:is_own("user", pid)
end

--- Whether the caller is in the namespace above the one that gets the map.
local function is_outside(case)
  if is_of_child(case) then
    return true
  end
  local user <close> = case.evidence:namespace("user", pid_of(case))
  local above <close> = user and user:parent()
  if above then
    return case.evidence:is_own("user", above)
  end
  return user and false
end

--- Whether the caller may map ids of others: only who is outside can be.
local function may_map(case)
  local outside <const> = is_outside(case)
  return outside and case.evidence:capable("set" .. kind_of(case))
end

--- The first range with the uid 0 of the namespace above.
local function maps_root(case)
  for _, range in ipairs(map_of(case)) do
    if range.outside == 0 then
      return range
    end
  end
end

local function unmapped(case)
  return case.evidence:unmapped(kind_of(case), map_of(case))
end

--- Whether the one id is the caller's own: nil where it has no name for that.
local function is_own_id(case)
  local uid <const>, gid <const> = case.evidence:ids()
  local own <const> = kind_of(case) == "uid" and uid or gid
  if is_inside(case) then
    return nil
  end
  return single(case) == own
end

local function setgroups_of(case)
  return (case.evidence:read(path_of(case, "setgroups")) or ""):match "%a+"
end

local function whose(case)
  return is_of_child(case) and "the child" or "process " .. tostring(pid_of(case))
end

local function no_helper(case)
  local kind <const> = kind_of(case)
  return is_of_child(case) and not case.evidence:program("new" .. kind .. "map")
end

return {
  {
    cause = "no_such_process", ops = FILES, codes = "ENOENT ESRCH",
    test = function(case)
      local pid <const> = pid_of(case)
      if not pid then
        return nil
      end
      local there <const> = case.err.code ~= "ESRCH" and case.evidence:is_there(pid)
      if there == nil then
        return nil
      end
      return not there
    end,
    why = "there is no such process here (any more)",
    hint = "write the map while the process lives, as between ready and release of sys.clone",
  },
  {
    cause = "proc_ro", ops = FILES, codes = "EROFS", syscalls = OPENS,
    why = "/proc is mounted read-only here, as it is in many containers",
    hint = "remount it read-write: mount -o remount,rw /proc",
  },
  {
    cause = "zombie", ops = FILES, codes = "EACCES EPERM",
    test = function(case)
      local pid <const> = pid_of(case)
      return pid ~= nil and case.evidence:is_zombie(pid)
    end,
    about = "the process has ended, and only waits to be reaped",
    why = function(case)
      return ("%s has ended, and only waits to be reaped"):format(whose(case))
    end,
    hint = "write the map while the process lives, as between ready and release of sys.clone",
  },
  {
    cause = "other_owner", ops = FILES, codes = "EACCES", syscalls = OPENS,
    test = function(case)
      local pid <const> = pid_of(case)
      local uid <const> = pid and case.evidence:uid_of(pid)
      return uid ~= nil and uid ~= (case.evidence:ids())
    end,
    about = "the process is another user's",
    why = function(case)
      return ("%s is uid %d's, and the caller is uid %d"):format(whose(case), case.evidence:uid_of(pid_of(case)),
        (case.evidence:ids()))
    end,
    hint = "write the map as that user, or as root",
  },
  {
    cause = "non_dumpable", ops = FILES, codes = "EACCES", syscalls = OPENS,
    test = function(case)
      local file <const> = case.evidence:stat(path_of(case))
      return file and file.uid ~= (case.evidence:ids())
    end,
    about = "the process is not dumpable, so that root owns its files in /proc",
    why = function(case)
      return ("%s is not dumpable, so that root owns its files in /proc"):format(
        is_of_child(case) and "the host program" or whose(case))
    end,
    hint = "sys.prctl(\"dumpable\", true) in it; what changed its ids, gained capabilities by exec or cannot be read "
      .. "lost that",
  },
  {
    cause = "no_cap_in_target", ops = "setgroups", codes = "EACCES", syscalls = OPENS,
    test = function(case)
      if is_inside(case) then
        return case.evidence:capable "sys_admin" == false
      end
      return nil
    end,
    why = "it takes CAP_SYS_ADMIN over the process's user namespace",
    hint = "write it as who made the namespace, or as root",
  },
  {
    cause = "too_many_lines", ops = MAPS, codes = "EINVAL", syscalls = "write",
    test = function(case)
      return #map_of(case) > 5 -- since Linux 4.15 the kernel takes as many as are let through
    end,
    why = "this kernel takes no more than 5 lines",
    hint = "join ranges that follow one another, or boot Linux 4.15 or newer",
  },

  -- who may write: EPERM of write(2)
  {
    cause = "allow_after_deny", ops = "setgroups", codes = "EPERM", syscalls = "write",
    test = function(case)
      return case.step.value == "allow" and setgroups_of(case) == "deny"
    end,
    why = "setgroups is denied already, there or in a namespace above, and that is for good",
    hint = "leave setgroups out, and let the caller's own namespace allow it first",
  },
  {
    cause = "deny_after_gid_map", ops = "setgroups", codes = "EPERM", syscalls = "write",
    test = function(case)
      if case.step.value ~= "deny" then
        return false
      end
      local pid <const> = pid_of(case)
      local map <const> = pid and case.evidence:map_of("gid", pid)
      return map and #map > 0 or nil
    end,
    why = "the gid_map is written already, and setgroups is denied before that or never",
    hint = "write setgroups first, then the gid_map",
  },
  {
    cause = "wrong_ns", ops = MAPS, codes = "EPERM", syscalls = "write",
    test = function(case)
      if is_of_child(case) then
        return false
      elseif is_inside(case) then
        return case.evidence:is_initial "user"
      end
      return is_outside(case) == false or nil
    end,
    about = "a map is written from inside of the namespace or from the one right above, and the first has none",
    why = function(case)
      if case.evidence:is_initial "user" and is_inside(case) then
        return "the first user namespace has every id, and no map that could be written"
      end
      return ("the caller is neither in the user namespace of %s nor in the one right above"):format(whose(case))
    end,
    hint = "make a user namespace first, and write its map from where it was made",
  },
  {
    cause = "already_mapped", ops = MAPS, codes = "EPERM", syscalls = "write",
    test = function(case)
      local pid <const> = pid_of(case)
      local map <const> = pid and case.evidence:map_of(kind_of(case), pid)
      if not map then
        local hook <const> = case:has "hook"
        if hook and hook.name == "created" then
          return nil
        end
        return false
      end
      return #map > 0
    end,
    why = "the map is written already, and a namespace gets its map once",
    hint = "write all ranges at once, and no second time",
  },
  {
    cause = "opener_caps", ops = MAPS, codes = "EPERM", syscalls = "write",
    test = function(case)
      local pid <const> = pid_of(case)
      local user <close> = pid and case.evidence:namespace("user", pid)
      return user ~= nil and case.evidence:has_power(user) == false
    end,
    why = "the caller has no CAP_SYS_ADMIN over the user namespace that gets the map",
    hint = "write it as who made the namespace, before capabilities are dropped",
  },
  {
    cause = "needs_setfcap", ops = "uid_map", codes = "EPERM", syscalls = "write",
    test = function(case)
      if not maps_root(case) then
        return false
      elseif is_outside(case) then
        return case.evidence:capable "setfcap" == false and (may_map(case) or is_own_id(case))
      end
      return nil -- who made the namespace may have had it then
    end,
    why = "the map has uid 0 of the namespace above, which takes CAP_SETFCAP there since Linux 5.12",
    hint = "map another uid, or give the host program setfcap (setpriv, the container that it runs in)",
  },
  {
    cause = "setgroups_allow", ops = "gid_map", codes = "EPERM", syscalls = "write",
    test = function(case)
      if not single(case) or may_map(case) or is_own_id(case) == false then
        return false
      elseif is_of_child(case) then
        local denied <const> = case:has "setgroups"
        return not (denied and denied.value == "deny") and setgroups_of(case) == "allow"
      end
      return setgroups_of(case) == "allow"
    end,
    why = "without CAP_SETGID in the namespace above, setgroups has to be denied before the gid_map is written",
    hint = "write \"deny\" to setgroups first (sys.write_setgroups; setgroups = \"deny\")",
  },
  {
    cause = "needs_cap_setid", ops = MAPS, codes = "EPERM", syscalls = "write",
    test = function(case)
      return is_outside(case) and case.evidence:capable "sys_admin" and may_map(case) == false
        and is_own_id(case) == false
    end,
    about = "ids of others take CAP_SETUID or CAP_SETGID in the namespace above",
    why = function(case)
      return ("ids of others take CAP_SET%s in the namespace above, which the caller has not"):format(
        kind_of(case):upper())
    end,
    hint = function(case)
      return ("give the host program set%s, or map its own id alone"):format(kind_of(case))
    end,
  },
  {
    cause = "not_installed", ops = MAPS, codes = "EPERM", syscalls = "write",
    test = function(case)
      return no_helper(case) and may_map(case) == false and is_own_id(case) == false
    end,
    about = "without privilege the kernel maps one's own id and no other, and newuidmap or newgidmap is not in PATH",
    why = function(case)
      return ("without privilege the kernel maps one's own id and no other, and new%smap, which maps what /etc/sub%s "
        .. "grants, is not in PATH"):format(kind_of(case), kind_of(case))
    end,
    hint = function(case)
      return ("install it (Debian's package uidmap), or leave %s out"):format(case.err.op)
    end,
  },
  {
    cause = "single_id_rule", ops = MAPS, codes = "EPERM", syscalls = "write",
    test = function(case)
      if may_map(case) then
        return false
      elseif is_inside(case) and single(case) then
        local known <const> = case.err.op == "uid_map" and not maps_root(case)
          or case.err.op == "gid_map" and setgroups_of(case) == "deny"
        return known or nil
      end
      return is_own_id(case) == false or not single(case)
    end,
    about = "without privilege in the namespace above, a map has one's own id and no other",
    why = function(case)
      local kind <const> = kind_of(case)
      local uid <const>, gid <const> = case.evidence:ids()
      local own <const> = is_inside(case) and "" or (", %d"):format(kind == "uid" and uid or gid)
      return ("without CAP_SET%s in the namespace above, a map has the caller's own %s there%s, and no other"):format(
        kind:upper(), kind, own)
    end,
    hint = function(case)
      local kind <const> = kind_of(case)
      return ("have newuidmap(1) and newgidmap(1) map what /etc/sub%s grants, or map that one id"):format(kind)
    end,
  },
  shared.outer_unmapped({
    ops = MAPS, codes = "EPERM", syscalls = "write",
    test = function(case)
      return may_map(case) and unmapped(case) ~= nil
    end,
  }, kind_of, unmapped),
}
