-- What was tried with mounts and paths, in one form for a plan's step and for a
-- function of userns.sys: what a cause is told from does not depend on the floor.
local tried = {}

---@class userns.Tried
---@field kind "new"|"copy"|"attach"|"move"|"change"|"reconfigure"|"tie"|"group"|"idmap"|"unmount"|"root"|"look"
---@field type string? of a file system
---@field source string? what is attached or copied
---@field moved any its path, or what is open
---@field target string? where
---@field recursive boolean?
---@field clear string[]? attributes that are taken away
---@field options string[]? of a new file system: "size=1m"
---@field flags table<string, true>? words of the lower floor's

local function text(value)
  return type(value) == "string" and value or nil
end

local function set_of(words)
  local set <const> = {}
  for _, word in ipairs(type(words) == "table" and words or { words }) do
    set[word] = true
  end
  return set
end

--- "key=value" for each option of a mount's data: a comma that belongs to a path is
--- escaped.
local function split(data)
  local list <const> = {}
  for option in (data or ""):gsub("\\,", "\0"):gmatch("[^,]+") do
    list[#list + 1] = (option:gsub("%z", "\\,"))
  end
  return list
end

-- ---- the lower floor ------------------------------------------------------

-- mount(2)'s operations, in the order in which the kernel goes by its flags.
local OPERATIONS <const> = {
  { "remount bind", "change" }, { "remount", "reconfigure" }, { "bind", "attach" }, { "rbind", "attach" },
  { "shared", "tie" }, { "private", "tie" }, { "slave", "tie" }, { "unbindable", "tie" },
  { "rshared", "tie" }, { "rprivate", "tie" }, { "rslave", "tie" }, { "runbindable", "tie" }, { "move", "move" },
}

local function has_all(flags, words)
  for word in words:gmatch("%S+") do
    if not flags[word] then
      return false
    end
  end
  return true
end

local function operation(flags)
  for _, row in ipairs(OPERATIONS) do
    if has_all(flags, row[1]) then
      return row[2]
    end
  end
  return "new"
end

-- Attributes as statfs(2) shows them.
local SHOWN <const> = { "nosuid", "nodev", "noexec", "noatime", "nodiratime" }

--- The attributes that a mount has and a remount does not repeat.
local function dropped(case, path, flags)
  local fs <const> = path and case.evidence:statfs(path)
  local list <const> = {}
  if fs and fs.flags.ro and not (flags.ro or flags.readonly) then
    list[1] = "readonly"
  end
  for _, word in ipairs(SHOWN) do
    list[#list + 1] = fs and fs.flags[word] and not flags[word] and word or nil
  end
  return list
end

local LOWER <const> = {}

function LOWER.mount(step, case)
  local flags <const> = set_of(step.options)
  local kind <const> = operation(flags)
  local binds <const> = flags.bind or flags.rbind
  return {
    kind = kind, type = kind == "new" and step.type or nil, source = step.source, target = step.target, flags = flags,
    moved = kind == "move" and step.source or nil, copies = kind == "attach",
    recursive = flags.rbind or flags.recursive or flags.rec or not binds and nil,
    clear = kind == "change" and dropped(case, step.target, flags) or nil, options = split(step.data),
  }
end

function LOWER.open_tree(step)
  local how <const> = step.options or {}
  return { kind = how.clone and "copy" or "look", copies = how.clone, source = text(step.source),
    recursive = how.recursive }
end

function LOWER.move_mount(step)
  local how <const> = step.options or {}
  return { kind = how.set_group and "group" or "move", source = text(step.from), moved = step.from,
    target = text(step.to), beneath = how.beneath }
end

function LOWER.mount_setattr(step)
  local changes <const> = step.changes or {}
  local clear <const> = type(changes.clear) == "table" and changes.clear or { changes.clear }
  return { kind = changes.userns and "idmap" or "change", target = text(step.target), clear = clear,
    set = set_of(changes.set), tie = changes.propagation, place = step.target }
end

function LOWER.fsopen(step)
  return { kind = "new", type = step.type }
end

-- A context of fspick knows no type: it changes what is mounted.
function LOWER.fsconfig(step)
  local type <const> = step.context:type()
  return { kind = type and "new" or "reconfigure", type = type, option = text(step.key) }
end

LOWER.fsmount = LOWER.fsconfig

function LOWER.fspick(step)
  return { kind = "reconfigure", target = text(step.target) }
end

function LOWER.umount(step)
  return { kind = "unmount", target = step.target, flags = set_of(step.flags) }
end

function LOWER.pivot_root(step)
  return { kind = "root", source = step.new, target = step.old }
end

function LOWER.pin(step)
  return { kind = "attach", moved = step.namespace, target = step.target }
end

function LOWER.chroot(step)
  return { kind = "look", target = step.path }
end

function LOWER.open(step)
  return { kind = "look", target = step.path, flags = set_of(step.how or "read") }
end

-- ---- plans ----------------------------------------------------------------

local UPPER <const> = {}

function UPPER.open(step)
  return { kind = step.copy and "copy" or "look", copies = step.copy, source = step.path, recursive = step.recursive }
end

function UPPER.idmap(step, case)
  local copies <const> = case.err.syscall == "open_tree"
  return { kind = copies and "copy" or "idmap", copies = copies, source = step.path, place = step.path,
    recursive = step.recursive }
end

function UPPER.mount(step)
  return { kind = "new", type = step.type, target = step.target, options = step.options or {} }
end

function UPPER.root_tmpfs(step)
  return { kind = "new", type = "tmpfs", target = "/", options = step.options or {} }
end

function UPPER.overlay(step)
  return { kind = "new", type = "overlay", target = step.target or "/" }
end

UPPER.root_overlay = UPPER.overlay

local ATIMES <const> = { noatime = true, relatime = true, strictatime = true, nodiratime = true }

--- What is said of access times replaces what was.
local function cleared(step)
  local list <const> = table.move(step.clear or {}, 1, #(step.clear or {}), 1, {})
  for _, word in ipairs(step.attrs or {}) do
    list[#list + 1] = ATIMES[word] and word or nil
  end
  return list
end

function UPPER.bind(step, case)
  local changes <const> = case.err.syscall == "mount_setattr" or case.err.syscall == "mount"
  return { kind = changes and "change" or "attach", source = step.path, target = step.target, clear = cleared(step) }
end

UPPER.root_bind = UPPER.bind
UPPER.remount = UPPER.bind

function UPPER.propagation(step)
  return { kind = "tie", target = "/", flags = { [step.kind] = true } }
end

function UPPER.pivot_root()
  return { kind = "root" }
end

--- What was tried, as far as it has to do with mounts.
---@param case userns.Case
---@return userns.Tried attempt of kind "look" where nothing is known
function tried.of(case)
  if not case.tried then
    local describe <const> = (case.arguments and LOWER or UPPER)[case.err.op]
    case.tried = describe and describe(case.step, case) or { kind = "look", target = text(case.step.target) }
  end
  return case.tried
end

--- Whether what was tried is of a kind.
---@param case userns.Case
---@param kind string
---@return boolean
function tried.is_kind(case, kind)
  return tried.of(case).kind == kind
end

--- The mounts below what was to be copied or moved.
---@param case userns.Case
---@return userns.Mount[]
function tried.below(case)
  local source <const> = tried.of(case).source
  return source and case.evidence:mounts_below(source) or {}
end

--- Whether a file is the root of a mount; raises where that cannot be looked at.
---@param case userns.Case
---@param file any a path, or what is open
---@return boolean? verdict nil where there is none, or before Linux 5.8
function tried.is_mount(case, file)
  if not file then
    return nil
  end
  local on <const> = case.evidence:mount_of(file) or error "no telling what it is on"
  return on.root
end

--- Whether a mount, or its file system, is to become read-only.
---@param case userns.Case
---@return boolean
function tried.asks_readonly(case)
  local a <const> = tried.of(case)
  for _, word in ipairs(case.step.attrs or a.options or {}) do
    if word == "readonly" or word == "ro" then
      return true
    end
  end
  local flags <const> = a.flags or a.set or {}
  return flags.readonly or flags.ro or false
end

--- Whether it is about a hierarchy of cgroups, of version 1, as a whole.
---@param case userns.Case
---@return boolean
function tried.is_hierarchy(case)
  local a <const> = tried.of(case)
  local mount <const> = a.kind == "reconfigure" and case.evidence:mount_at(a.target)
  return (a.kind == "new" and a.type or mount and mount.type) == "cgroup"
end

--- Whether a new file system is one on a block device, which is found by its path.
---@param case userns.Case
---@return boolean
function tried.is_on_device(case)
  local made <const>, known <const> = tried.of(case), case.evidence:read "/proc/filesystems" or ""
  return made.kind == "new" and made.type ~= nil and ("\n" .. known):find("\n\t" .. made.type .. "\n", 1, true) ~= nil
end

--- What the kernel itself says is wrong with a new file system: it wrote so, or can
--- be asked again.
---@param case userns.Case
---@return string? words
---@return string? option that they are about
function tried.complaint(case)
  local made <const> = tried.of(case)
  if case.err.detail then
    return case.err.detail, case.err.item and (made.options or {})[case.err.item] or made.option
  elseif case.complaint == nil then
    local asks <const> = case.arguments and case.err.op == "mount" and made.kind == "new" and made.type
    case.complaint = asks and table.pack(case.evidence:complaint(made.type, made.options)) or {}
  end
  return table.unpack(case.complaint, 1, 2)
end

--- Whether the plan or the caller is in another user namespace than the first; raises
--- where that is not known.
---@param case userns.Case
---@return boolean
function tried.is_nested(case)
  if case:makes "user" then
    return true
  end
  local initial <const> = case.evidence:is_initial "user"
  if initial == nil then
    error "no telling where the caller is"
  end
  return not initial
end

--- Whether the namespace of a type that the attempt is made in belongs to the user
--- namespace that it is made in.
---@param case userns.Case
---@param type string
---@return boolean?
function tried.owns(case, type)
  if case.arguments == nil then
    if case:has "join" then
      return nil
    elseif case:makes(type) then
      return true
    elseif case:makes "user" then
      return false
    end
  end
  return case.evidence:owns(type)
end

--- Whether whoever tries has power over the mount namespace that it tries it in.
---@param case userns.Case
---@return boolean?
function tried.may_mount(case)
  if case.arguments == nil and case:makes "user" then
    return tried.owns(case, "mnt")
  elseif case.arguments == nil and case:has "join" then
    return nil
  end
  local ns <close> = case.evidence:namespace("mnt", "self")
  return ns and (case.evidence:has_power(ns))
end

return tried
