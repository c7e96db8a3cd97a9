-- The first process of a user namespace has every capability there, whoever it
-- is. What is left when it executes a program depends on its uid inside: to uid
-- 0 execve(2) gives all, from any other it takes all, but for those that were
-- made ambient.
--
--     lua5.4 examples/capabilities.lua
--
-- Run it as root or as anybody.
local sys <const> = require "userns.sys"

local SETS <const> = { "permitted", "effective", "inheritable", "bounding", "ambient" }

--- In words: all, none, or the names.
local function describe(set)
  if #set == 0 or #set == sys.last_cap() + 1 then
    return #set == 0 and "none" or "all"
  end
  return table.concat(set, ",")
end

local function print_sets(before, after)
  print(("  %-13s%-14s%s"):format("", "before exec", "after exec"))
  for _, name in ipairs(SETS) do
    print(("  %-13s%-14s%s"):format(name, describe(before[name]), describe(after[name])))
  end
  print()
end

--- A child in a new user namespace, where it has the given uid and prepares
--- itself before it executes a program.
local function show(title, uid, prepare)
  local child <close> = assert(sys.clone("user", function(gate)
    gate:await()
    prepare()
    gate:ready()
    gate:await()
    assert(sys.exec("/bin/true", { "true" }))
  end, { handshake = true }))

  local _, own_uid <const> = sys.getresuid()
  local _, own_gid <const> = sys.getresgid()
  assert(sys.write_setgroups(child, "deny"))
  assert(sys.write_uid_map(child, { { inside = uid, outside = own_uid, count = 1 } }))
  assert(sys.write_gid_map(child, { { inside = uid, outside = own_gid, count = 1 } }))
  child:release()
  assert(child:ready())
  local before <const> = assert(sys.getcaps(child.pid))
  child:release()

  -- A process that has ended keeps its sets until somebody waits for it.
  assert(sys.poll { { fd = child } })
  local after <const> = assert(sys.getcaps(child.pid))
  assert(child:wait().exit_code == 0)

  print(title)
  print_sets(before, after)
end

local function nothing()
end

show("uid 0", 0, nothing)

show("uid 1000", 1000, nothing)

show("uid 1000, with an ambient capability", 1000, function()
  assert(sys.setcaps { inheritable = { "net_raw" } })
  assert(sys.set_ambient { "net_raw" })
end)
