-- Who the program is and what it may do: ids, capabilities.
local identity = {}

--- A plan shares no table with what it was made of.
local function copied(list)
  return table.move(list, 1, #list, 1, {})
end

--- Another uid clears the death signal (prctl(2)).
local function rearm(c)
  if c.d.die_with_parent then
    c:add { op = "pdeathsig", signal = "KILL", source = "die_with_parent" }
  end
end

function identity.identity(c)
  local uid <const>, gid <const> = c.identity.uid, c.identity.gid
  if gid.now ~= gid.builder then
    c:add { op = "setgid", gid = gid.builder, source = "gid_map" }
  end
  if c.identity.setgroups.works or #c.process.groups > 0 then
    c:add { op = "groups", groups = copied(c.process.groups), source = "process.groups" }
  elseif #c.host.groups > (c.host.groups[1] == c.host.gid and 1 or 0) then
    c:degrade("groups", "the caller's supplementary groups",
      "setgroups(2) is denied where the caller may not map groups freely")
  end
  if uid.now ~= uid.builder then
    c:add { op = "setuid", uid = uid.builder, keep_caps = uid.builder ~= 0 or nil, source = "uid_map" }
    rearm(c)
  end
end

--- Who may drop capabilities for good; an ordinary user in the host's user
--- namespace has none to drop, and with no_new_privs gains none.
function identity.bounding(c)
  if c.d.namespaces.user or c.host.capabilities.setpcap then
    c:add { op = "bounding", keep = copied(c.kept), source = "capabilities" }
  end
end

function identity.program_identity(c)
  local uid <const>, gid <const> = c.identity.uid, c.identity.gid
  if gid.builder ~= gid.program then
    c:add { op = "setgid", gid = gid.program, source = "process.gid" }
  end
  if uid.builder ~= uid.program then
    c:add { op = "setuid", uid = uid.program, keep_caps = #c.kept > 0 or nil, source = "process.uid" }
    rearm(c)
  end
end

function identity.capabilities(c)
  if c.d.capabilities.sys_admin and c.d.namespaces.user and c.d.namespaces.mnt then
    c:degrade("lock_mounts", "mounts that the program can change",
      "it keeps sys_admin over the namespace that owns them")
  end
  local ambient <const> = c.identity.uid.program ~= 0 and c.kept or {}
  c:add {
    op = "capabilities", effective = copied(c.kept), permitted = copied(c.kept),
    inheritable = copied(ambient), ambient = copied(ambient), source = "capabilities",
  }
end

function identity.seal(c)
  if c.d.no_new_privs then
    c:add { op = "no_new_privs", source = "no_new_privs" }
  end
end

return identity
