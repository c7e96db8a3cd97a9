-- Switches that this machine's kernel has not got, thrown in guests: see
-- spec/support/guest.sh.  Elsewhere there is nothing to run.
local helper = require "spec.helper"
local told = require "spec.support.told"

if not helper.is_guest or helper.privilege ~= "root" then
  return
end

local BECOME <const> = [[
  assert(sys.setgroups {})
  assert(sys.setresgid(65533, 65533, 65533))
  assert(sys.setresuid(65533, 65533, 65533))
  assert(sys.prctl("dumpable", true))
]]

--- What an ordinary user is told while a switch is thrown.
local function with(switch, value, script)
  local path <const> = "/proc/sys/kernel/" .. switch
  local before <const> = helper.read(path)
  helper.write(path, value)
  local ok <const>, list <const> = pcall(told, BECOME .. script)
  helper.write(path, before)
  assert(ok, list)
  return list
end

describe("a user namespace of an ordinary user's", function()
  it("is refused where kernel.unprivileged_userns_clone is 0", function()
    local list <const> = with("unprivileged_userns_clone", "0", [[ tell(sys.unshare "user") tell(run {}) ]])
    assert.equal(2, #list)
    for _, one in ipairs(list) do
      assert.same({ "EPERM", "sysctl_userns_clone" }, { one.code, one.cause })
      assert.matches("unprivileged_userns_clone=1", one.hint)
    end
  end)
end)
