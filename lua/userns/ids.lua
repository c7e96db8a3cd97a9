-- Maps and ids: what the words of a description mean for a caller, and whether
-- the child has to change its ids as the kernel sees them.
local ids = {}

-- The kernel's "nobody", where root has no subordinate ids.
local NOBODY <const> = 65534

--- The range of a map that has an id on one side.
local function find(map, id, side)
  for _, range in ipairs(map) do
    if range[side] <= id and id < range[side] + range.count then
      return range
    end
  end
end

--- The id outside that an inside id stands for, nil when it is not mapped.
function ids.outside(map, id)
  local range <const> = find(map, id, "inside")
  return range and range.outside + (id - range.inside)
end

--- The inside id that stands for one outside, nil when it is not mapped.
function ids.inside(map, id)
  local range <const> = find(map, id, "outside")
  return range and range.inside + (id - range.outside)
end

--- An id of the caller's that gives nothing: root's own, which owns the files
--- of /proc/sys and much else, is never handed inside by a word (CVE-2019-5736
--- and its kin), unless there is no other.
local function harmless(host, kind)
  local own <const>, caller_map <const> = host[kind], host[kind .. "_map"]
  if host.uid ~= 0 then
    return own
  end
  for _, range in ipairs(host.subids[kind]) do
    if ids.outside(caller_map, range.start) then
      return range.start
    end
  end
  return ids.outside(caller_map, NOBODY) and NOBODY or own
end

--- A map of its own.
function ids.copied(map)
  local copy <const> = {}
  for i, range in ipairs(map) do
    copy[i] = { inside = range.inside, outside = range.outside, count = range.count }
  end
  return copy
end

--- Ranges one after the other, from an inside id on.
local function stacked(inside, ranges, map)
  for _, range in ipairs(ranges) do
    map[#map + 1] = { inside = inside, outside = range.start, count = range.count }
    inside = inside + range.count
  end
  return map
end

local function may_map(host, kind)
  return host.capabilities["set" .. kind] == true
end

local HELPERS <const> = { uid = "newuidmap", gid = "newgidmap" }

local function overlaps(range, list)
  for _, other in ipairs(list) do
    if range.start < other.start + other.count and other.start < range.start + range.count then
      return true
    end
  end
  return false
end

-- The kernel takes 340 lines, of which one is the caller's own id.
local RANGES_MAX <const> = 339

--- The subordinate ranges that the caller's own namespace has, each once: the
--- kernel maps a range from within one of that namespace's.
local function granted(host, kind)
  local list <const> = {}
  for _, range in ipairs(host.subids[kind]) do
    local around <const> = find(host[kind .. "_map"], range.start, "inside")
    local within <const> = around and range.start + range.count <= around.inside + around.count
    local own <const> = range.start <= host[kind] and host[kind] < range.start + range.count
    if within and not own and not overlaps(range, list) and #list < RANGES_MAX then
      list[#list + 1] = range
    end
  end
  return list
end

--- Why there is no more than one id to be had, nil when there is.
local function obstacle(host, kind, subordinate)
  if #subordinate == 0 then
    return ("the caller has no subordinate ids in /etc/sub%s"):format(kind)
  elseif not may_map(host, kind) and not host.helpers[kind] then
    return HELPERS[kind] .. " is not installed"
  end
end

--- "auto": one's own id as 0 and all subordinate ones after it; root of the
--- host has but these.
local function all_ids(host, kind)
  local own <const> = { { inside = 0, outside = harmless(host, kind), count = 1 } }
  local subordinate <const> = granted(host, kind)
  local reason <const> = obstacle(host, kind, subordinate)
  if reason then
    return own, { feature = kind .. "_map", used = "one id", reason = reason }
  elseif host.uid == 0 then
    return stacked(0, subordinate, {})
  end
  return stacked(1, subordinate, own)
end

--- A map as ranges, and what is degraded with it.
local function resolve(map, host, kind)
  if type(map) == "table" then
    return ids.copied(map)
  elseif map == "auto" then
    return all_ids(host, kind)
  end
  local outside <const> = harmless(host, kind)
  return { { inside = map == "root" and 0 or outside, outside = outside, count = 1 } }
end

--- Without privilege the kernel takes one's own id and no other; newuidmap and
--- newgidmap, where there are any, write what /etc/subuid and /etc/subgid grant.
local function helper_for(map, host, kind)
  local alone <const> = #map == 1 and map[1].count == 1 and map[1].outside == host[kind]
  return not alone and not may_map(host, kind) and host.helpers[kind] or nil
end

--- Root of the container as far as there is one, else whoever the program is:
--- the id that makes files and mounts.
local function builder(map, wanted)
  return ids.outside(map, 0) and 0 or wanted
end

--- Who a name stands for is known where the container's files are in sight.
local function is_name(id)
  return type(id) == "string"
end

--- The group of a user that is named, unless there is another.
local function wanted(process, kind)
  return process[kind] or kind == "gid" and is_name(process.uid) and "" or nil
end

local function one_kind(d, process, host, kind)
  local asked <const> = wanted(process, kind)
  if d.join.user then
    -- whose maps are not ours to read: the caller's own id may be none in there, nor
    -- need there be a root where no files are made
    local alone <const> = math.type(asked) and not d.namespaces.mnt
    return {
      program = asked or 0, builder = alone and asked or 0, kernel = host[kind],
      source = alone and "process." .. kind or nil,
    }
  end
  if not d.namespaces.user then
    local own <const> = host[kind]
    return { program = asked or own, builder = own, now = own, kernel = not is_name(asked) and asked or own }
  end
  local map <const>, degraded = resolve(d[kind .. "_map"], host, kind)
  local first <const> = ids.outside(map, 0) and 0 or map[1].inside
  local program <const> = asked or first
  return {
    map = map,
    degraded = degraded,
    helper = helper_for(map, host, kind),
    program = program,
    builder = builder(map, is_name(program) and first or program),
    now = ids.inside(map, host[kind]),
    kernel = ids.outside(map, is_name(program) and first or program),
  }
end

--- Whether setgroups(2) will work inside, and what to write to make it so.
local function setgroups(d, host, gid)
  if d.join.user then
    return { works = true, optional = true }
  end
  if not d.namespaces.user then
    return { works = host.capabilities.setgid == true and host.setgroups == "allow" }
  end
  local possible <const> = host.setgroups == "allow" and (may_map(host, "gid") or gid.helper)
  local word <const> = d.setgroups or possible and "allow" or "deny"
  return {
    -- what the host denies, the kernel refuses to allow
    write = word ~= host.setgroups and word or nil,
    works = word == "allow" and host.setgroups == "allow",
  }
end

--- Everything about ids that a plan needs.  For each kind, "uid" and "gid": its
--- map, the program that must write it (`helper`, nil: the caller may itself),
--- the id of the program (or its name; "" for the group of a user that is named),
--- of the builder, the caller's own as it is inside
--- (`now`, nil: unmapped), and the program's outside (`kernel`, nil: unmapped).
---@param d table normalised description
---@param process table normalised process spec
---@param host userns.Host
---@return table identity
function ids.resolve(d, process, host)
  local uid <const> = one_kind(d, process, host, "uid")
  local gid <const> = one_kind(d, process, host, "gid")
  local function changes(kind)
    return kind.now ~= kind.builder or kind.builder ~= kind.program
  end
  return {
    uid = uid,
    gid = gid,
    setgroups = setgroups(d, host, gid),
    -- setting another kernel id clears the dumpable flag of the memory that
    -- the process runs in, which must not be the host's
    -- and who locks its mounts must be alone in its memory
    separate = changes(uid) or changes(gid) or d.lock_mounts or next(d.join) ~= nil,
  }
end

return ids
