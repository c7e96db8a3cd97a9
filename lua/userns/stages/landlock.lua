-- Landlock: what the description allows, in the rights that this kernel has.
local schema = require "userns.schema"

local landlock = {}

--- Rights in the kernel's names, of words or of all there are.
local function fs_rights(abi, words)
  local wanted <const>, list <const> = {}, {}
  for _, word in ipairs(words or {}) do
    wanted[word] = true
  end
  for _, row in ipairs(schema.fs_rights) do
    for right, since in pairs(row.rights) do
      list[#list + 1] = (not words or wanted[row.word]) and since <= abi and right or nil
    end
  end
  table.sort(list)
  return list
end

local function net_rights(tcp)
  local list <const> = {}
  for _, name in ipairs { "bind", "connect" } do
    list[#list + 1] = tcp[name] and name .. "_tcp" or nil
  end
  return list
end

local function allows(rules, word)
  for _, rule in ipairs(rules) do
    for _, allowed in ipairs(rule.allow) do
      if allowed == word then
        return true
      end
    end
  end
  return false
end

-- What kernels lack that have Landlock of an ABI below the one named.
local LACKING <const> = {
  { abi = 2, used = "no link or rename between directories", concerns = function(given)
    return given.fs and allows(given.fs, "refer")
  end },
  { abi = 3, used = "truncation is not restricted", concerns = function(given)
    return given.fs
  end },
  { abi = 4, used = "TCP is not restricted", concerns = function(given)
    return given.tcp.bind or given.tcp.connect
  end },
  { abi = 5, used = "ioctl(2) of devices is not restricted", concerns = function(given)
    return given.fs
  end },
  { abi = 6, used = "scopes are not restricted", concerns = function(given)
    return given.scope
  end },
}

local function note_lacking(c, given, abi)
  if abi == 0 then
    c:degrade("landlock", "nothing is restricted by it", "this kernel has no Landlock")
    return
  end
  for _, row in ipairs(LACKING) do
    if abi < row.abi and row.concerns(given) then
      c:degrade("landlock", row.used, ("this kernel's Landlock has ABI %d, and that takes %d"):format(abi, row.abi))
    end
  end
end

local function add_paths(c, rules, abi)
  for i, rule in ipairs(rules) do
    local allow <const> = fs_rights(abi, rule.allow)
    if #allow > 0 then
      c:add {
        op = "path_rule", slot = c.ruleset, path = rule.path, allow = allow, optional = rule.optional,
        source = ("landlock.fs[%d]"):format(i),
      }
    end
  end
end

local function add_ports(c, tcp)
  for _, name in ipairs { "bind", "connect" } do
    for i, port in ipairs(tcp[name] or {}) do
      c:add {
        op = "port_rule", slot = c.ruleset, port = port, allow = { name .. "_tcp" },
        source = ("landlock.tcp.%s[%d]"):format(name, i),
      }
    end
  end
end

local function some(list)
  return #list > 0 and list or nil
end

--- What is restricted, as far as the kernel can.
local function handled(given, abi)
  return {
    fs = given.fs and some(fs_rights(abi)),
    net = abi >= 4 and some(net_rights(given.tcp)) or nil,
    scope = abi >= 6 and given.scope and table.move(given.scope, 1, #given.scope, 1, {}) or nil,
  }
end

function landlock.ruleset(c)
  local given <const>, abi <const> = c.d.landlock, c.host.landlock
  if not given then
    return
  end
  note_lacking(c, given, abi)
  local step <const> = abi > 0 and handled(given, abi) or {}
  if next(step) == nil then
    return
  end
  c.ruleset = c:new_slot()
  step.op, step.slot, step.source = "ruleset", c.ruleset, "landlock"
  c:add(step)
  add_paths(c, given.fs or {}, abi)
  if step.net then
    add_ports(c, given.tcp)
  end
end

function landlock.restrict(c)
  if c.ruleset then
    c:add { op = "landlock", slot = c.ruleset, source = "landlock" }
  end
end

return landlock
