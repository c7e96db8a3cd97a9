-- What has been launched ends with the host, at whatever moment and in whatever
-- way that ends.
local helper = require "spec.helper"

local way <const> = helper.privilege

-- A pid namespace of its own, so that whatever is left is ours; its first process
-- is a shell, which reaps it.
local OWN <const> = (way == "user" and "unshare --user --map-current-user" or "unshare")
  .. " --pid --fork --mount-proc"

--- Kills so many hosts of a kind, each at a moment of its own.
local function kill_hosts(kind, rounds)
  local command <const> = "LUA_PATH=%s LUA_CPATH=%s %s sh -c 'lua5.4 spec/support/killer.lua %s %d; exit $?'"
  local result <const> = helper.shell(command
    :format(helper.quote(package.path), helper.quote(package.cpath), OWN, kind, rounds))
  return result.out .. result.err
end

describe("what was launched", function()
  it("ends with a host that is killed in the midst of launches", function()
    -- uid 0 of a user namespace launches as the user who made that does
    assert.equal("met, 0 left\n", kill_hosts("single", helper.rounds(way == "userns" and 100 or 400)))
  end)

  it("ends with a host that is killed and has threads", function()
    assert.equal("met, 0 left\n", kill_hosts("threaded", helper.rounds(way == "userns" and 20 or 100)))
  end)
end)
