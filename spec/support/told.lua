-- What is told of refusals that a script meets, in an interpreter of its own.
local helper = require "spec.helper"

-- The script's words: tell prints a refusal, run launches a container, idle keeps a
-- child.
local PRELUDE <const> = [[
  local sys, userns = require "userns.sys", require "userns"
  local _, UID = sys.getresuid()
  local _, GID = sys.getresgid()

  -- Security modules are suspected besides where the kernel has some.
  local function cause_of(err)
    local words = {}
    for _, one in ipairs(err.causes or {}) do
      words[#words + 1] = one.cause ~= "lsm" and one.cause or nil
    end
    return err.cause or #words > 1 and "either " .. table.concat(words, " ") or words[1] or "none"
  end

  local function tell(value, err)
    if not err then
      print(tostring(value), "", "", "", "")
    else
      local line = table.concat({ err.op, err.code, cause_of(err), err.why or "", err.hint or "" }, "\t")
      print((line:gsub("\n", " ")))
    end
  end

  local function run(description, process)
    local box, err = userns.container(description)
    if not box then
      return nil, err
    end
    local result, why = box:run(process or { "/bin/true" })
    return result and result.ok, why
  end

  -- A child that stays until the interpreter ends.
  local function idle(namespaces)
    return assert(sys.clone(namespaces, function(gate)
      gate:ready()
      gate:await()
    end, { handshake = true }))
  end

  -- One that has its namespaces, and ids in them.
  local function mapped(namespaces)
    local child = idle(namespaces)
    assert(child:ready())
    if UID ~= 0 then
      assert(sys.write_setgroups(child, "deny"))
    end
    assert(sys.write_uid_map(child, { { inside = 0, outside = UID, count = 1 } }))
    return child
  end

  -- Puts the interpreter itself into a user namespace, as its root.
  local function enter(...)
    local _, uid = sys.getresuid()
    local _, gid = sys.getresgid()
    assert(sys.unshare { "user", ... })
    assert(sys.write_setgroups("self", "deny"))
    assert(sys.write_uid_map("self", { { inside = 0, outside = uid, count = 1 } }))
    assert(sys.write_gid_map("self", { { inside = 0, outside = gid, count = 1 } }))
  end

  -- A filter on the interpreter, which answers some calls with an error or ends it.
  local function filter(names, errno, args)
    local rule = { names = names, action = errno and "errno" or "kill", errno = errno, args = args }
    local box = assert(userns.container { seccomp = { default = "allow", rules = { rule } } })
    for _, step in ipairs(assert(box:plan { "/bin/true" })) do
      if step.op == "seccomp" then
        assert(sys.prctl("no_new_privs", true))
        assert(sys.seccomp(step.filter))
      end
    end
  end
]]

local FIELDS <const> = { "op", "code", "cause", "why", "hint" }

--- What a script tells of one refusal after the other.
---@param script string
---@param wrapper string? a command put before the interpreter
---@return table[] told op, code, cause ("either a b" where several remain), why, hint
return function(script, wrapper)
  local told <const> = {}
  for line in helper.output(PRELUDE .. script, wrapper):gmatch "[^\n]+" do
    local one <const>, i = {}, 0
    for word in (line .. "\t"):gmatch "([^\t]*)\t" do
      i = i + 1
      one[FIELDS[i]] = word
    end
    told[#told + 1] = one
  end
  return told
end
