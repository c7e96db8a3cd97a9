-- Containers of a host whose root is an initramfs, which pivot_root(2) never
-- leaves.  spec/support/guest.sh runs this in such a guest, and nothing else does.
local helper = require "spec.helper"
local userns = require "userns"

local SYSTEM <const> = { "/bin", "/lib", "/lib64", "/usr" }

-- An empty tree with the system's programs in it.
local function tmpfs(strict)
  local mounts <const> = {}
  for i, path in ipairs(SYSTEM) do
    mounts[i] = { type = "bind", source = path, target = path, readonly = true, optional = true }
  end
  return { root = { type = "tmpfs" }, mounts = mounts, strict = strict }
end

local function of_pivot_root(degraded)
  local list <const> = {}
  for _, entry in ipairs(degraded) do
    list[#list + 1] = entry.feature == "pivot_root" and entry.feature or nil
  end
  return list
end

describe("a host whose root is an initramfs", function()
  before_each(helper.count)
  after_each(helper.check_count)

  it("is this one", function()
    assert.matches("^%S+ %S+ 0:%d+ / / .- %- rootfs rootfs ", helper.read("/proc/self/mountinfo"))
  end)

  it("has its tree in a container without a root", function()
    assert.equal("0\n", helper.inside({}, "id -u"))
  end)

  it("has its tree in a container that binds it", function()
    local box <const> = { root = { type = "bind", source = "/", readonly = true } }
    assert.equal("0\nread-only\n", helper.inside(box, "id -u; touch /mine 2>/dev/null || echo read-only"))
  end)

  it("is not in sight of a container with a root of its own", function()
    assert.equal("bin lib lib64 usr\n", helper.inside(tmpfs(), "cd /; echo *"))
    assert.equal("bin lib lib64 usr\n", helper.inside(tmpfs(), "cd /../..; echo *"))
  end)

  it("is told of in the result, for a root that it could not pivot to", function()
    assert.same({ "pivot_root" }, of_pivot_root(helper.run(tmpfs(), { "/bin/true" }).degraded))
    assert.same({}, of_pivot_root(helper.run({}, { "/bin/true" }).degraded))
  end)

  it("refuses such a root where the description is strict", function()
    local box <const> = assert(userns.container(tmpfs(true)))
    local result <const>, err <const> = box:run { "/bin/true" }
    assert.is_nil(result)
    assert.same({ "pivot_root", "initramfs_root" }, { err.op, err.cause })
  end)
end)
