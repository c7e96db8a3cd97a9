-- Time namespaces: what the program's own clocks say.
local helper <const> = require "spec.helper"
local sys <const> = require "userns.sys"
local userns <const> = require "userns"

local inside <const> = helper.inside

local DAY <const> = 86400

--- The seconds since the boot, as the program sees them, less those of the host.
local function uptime_ahead(description)
  local host <const> = tonumber(helper.read("/proc/uptime"):match("^%S+"))
  return tonumber(inside(description, "cat /proc/uptime"):match("^%S+")) - host
end

--- CLOCK_MONOTONIC of the program, less the host's.
local function monotonic_ahead(description)
  local script <const> = ("package.cpath = %q print(require 'userns.sys'.clock())"):format(package.cpath)
  local before <const> = sys.clock()
  local result <const> = helper.run(description, { "lua5.4", "-e", script, stdout = "capture" })
  return tonumber(result.stdout) - before
end

--- The time namespace of the program, and the one that its children would have.
local function namespaces(description)
  return inside(description, "readlink /proc/self/ns/time /proc/self/ns/time_for_children"):match("(%S+)\n(%S+)\n")
end

local function near(expected, actual)
  assert(expected <= actual and actual < expected + 60, actual)
end

before_each(helper.count)
after_each(helper.check_count)

describe("time_offsets", function()
  it("are what the program's clocks go ahead by", function()
    near(10 * DAY, uptime_ahead { time_offsets = { boottime = 10 * DAY } })
    near(10 * DAY, monotonic_ahead { time_offsets = { monotonic = 10 * DAY } })
  end)

  it("are of each clock alone", function()
    near(0, uptime_ahead { time_offsets = { monotonic = 10 * DAY } })
    near(0, monotonic_ahead { time_offsets = { boottime = 10 * DAY } })
  end)

  it("may be negative and have fractions", function()
    local ahead <const> = monotonic_ahead { time_offsets = { monotonic = -1.5 } }
    assert(-1.5 <= ahead and ahead < 30, ahead)
  end)

  it("leave the host's clocks and namespace alone", function()
    local before <const>, own <const> = sys.clock(), helper.shell("readlink /proc/self/ns/time").out
    assert.is_true(helper.run({ time_offsets = { monotonic = DAY } }, { "/bin/true" }).ok)
    near(0, sys.clock() - before)
    assert.equal(own, helper.shell("readlink /proc/self/ns/time").out)
  end)

  it("go with a root and a /proc of the container's own", function()
    local tree <const> = helper.tree()
    tree.time_offsets = { boottime = DAY }
    near(DAY, uptime_ahead(tree))
  end)

  it("add the namespace to the default, and need it", function()
    local function problem(description)
      return select(2, userns.container(description)).problems
    end
    local own <const> = assert(userns.container { time_offsets = {} }):describe().namespaces
    assert.equal("time", own[#own])
    for _, description in ipairs { { namespaces = "user" }, { share = "time" } } do
      description.time_offsets = { monotonic = 1 }
      local problems <const> = problem(description)
      assert.same({ 1, "time_offsets", "needs a new time namespace, and this container has none" },
        { #problems, problems[1].field, problems[1].message })
    end
  end)

  it("make no clock negative", function()
    local fields <const>, advice <const> = helper.refusal({ time_offsets = { boottime = -4e9 } }, { "/bin/true" })
    assert.same({
      op = "time", code = "ERANGE", errno = 34, message = "Numerical result out of range", syscall = "write",
      field = "time_offsets",
    }, fields)
    assert.matches("negative", advice.why)
  end)

  it("are seconds", function()
    local _, err <const> = userns.container {
      time_offsets = { monotonic = 0 / 0, boottime = 4611686019, boottme = 1 },
    }
    local lines <const> = {}
    for i, problem in ipairs(err.problems) do
      lines[i] = ("%s: %s"):format(problem.field, problem.message)
    end
    assert.same({
      "time_offsets.boottme: unknown field 'boottme' (did you mean 'boottime'?)",
      ("time_offsets.monotonic: seconds (a number from -4611686018 to 4611686018) expected, got %s"):format(0 / 0),
      "time_offsets.boottime: seconds (a number from -4611686018 to 4611686018) expected, got 4611686019",
    }, lines)
  end)

  it("are in the plan as the kernel reads them, in words and in the description in force", function()
    local box <const> = assert(userns.container { time_offsets = { monotonic = -1.5, boottime = 3 } })
    assert.truthy(tostring(box:plan()):find('time          offsets="monotonic -2 500000000\\nboottime 3 0"\n', 1, true))
    assert.matches("clocks: +monotonic %-1.5 s, boottime %+3 s\n", tostring(box))
    assert.same({ monotonic = -1.5, boottime = 3 }, box:describe().time_offsets)
  end)
end)

describe("a time namespace", function()
  local own <const> = helper.shell("readlink /proc/self/ns/time").out:match("%S+")

  it("is the program's and its children's, also without offsets", function()
    local first <const>, for_children <const> = namespaces { namespaces = { "user", "mnt", "time" } }
    assert.equal(first, for_children)
    assert.not_equal(own, first)
    near(0, uptime_ahead { namespaces = { "user", "time" } })
  end)

  it("is the host's where none is asked for", function()
    assert.equal(own, (namespaces {}))
  end)

  it("is in sight of the process's handle", function()
    local box <const> = assert(userns.container { time_offsets = { monotonic = DAY } })
    local p <close> = assert(box:spawn { "/bin/cat", stdin = "pipe" })
    local handle <close> = assert(p:namespace "time")
    assert.not_equal(math.tointeger(own:match "%d+"), handle:id())
  end)

  it("is left by programs however short they are", function()
    local box <const> = assert(userns.container { namespaces = { "user", "time" } })
    for _ = 1, 100 do
      assert.is_true(assert(box:run { "/bin/true" }).ok)
    end
  end)

  it("needs privilege over the user namespace", function()
    local shared <const> = { namespaces = "time" }
    if helper.privilege == "user" then
      assert.same(helper.errno("EPERM", { op = "time", syscall = "unshare", field = "namespaces" }),
        (helper.refusal(shared, { "/bin/true" })))
    else
      assert.not_equal(own, (namespaces(shared)))
    end
  end)
end)
