-- Functions of the host's that a launch calls on its way.
local helper = require "spec.helper"
local sys = require "userns.sys"
local userns = require "userns"

local way <const> = helper.privilege

local POINTS <const> = { "created", "mapped", "before_exec", "exited" }

--- Hooks that all do the same.
local function each(fn)
  local hooks <const> = {}
  for _, name in ipairs(POINTS) do
    hooks[name] = function(...)
      return fn(name, ...)
    end
  end
  return hooks
end

local function ops(plan)
  local words <const> = {}
  for i, step in ipairs(plan) do
    words[i] = step.op == "hook" and "hook:" .. step.name or step.op
  end
  return table.concat(words, " ")
end

describe("hooks", function()
  before_each(helper.count)
  after_each(helper.check_count)

  it("leave a set-up that is stopped to the timeout", function()
    local function stop(process)
      assert(sys.kill(process.pid, "STOP"))
    end
    for _, init in ipairs { false, true } do
      local description <const> = { init = init, hooks = { created = stop } }
      local fields <const>, advice <const> = helper.refusal(description, { "/bin/true", timeout = 0.1 })
      assert.same({ code = "ETIMEDOUT", cause = "set_up_blocks" }, {
        code = fields.code, syscall = fields.syscall, cause = advice.cause,
      })
    end
  end)

  it("are called in order, with the process, and the last with the result too", function()
    for _, init in ipairs { false, true } do
      local calls <const> = {}
      local box <const> = assert(userns.container { init = init, hooks = each(function(name, process, result)
        calls[#calls + 1] = { name, process.pid, result and result.exit_code }
      end) })
      local process <close> = assert(box:spawn { "/bin/sh", "-c", "exit 3" })
      assert.equal(3, #calls)
      local result <const> = assert(process:wait())
      assert.same({ { "created", process.pid }, { "mapped", process.pid }, { "before_exec", process.pid },
        { "exited", process.pid, 3 } }, calls)
      assert.equal(result, process:wait())
      process:close()
      assert.equal(4, #calls)
    end
  end)

  it("are called at the moment that they are named for", function()
    local seen <const> = {}
    local function look(name, process)
      local map <const> = helper.read(("/proc/%d/uid_map"):format(process.pid))
      local ran <const> = helper.read(("/proc/%d/stat"):format(process.pid)):find("(true)", 1, true) ~= nil
      seen[#seen + 1] = ("%s %s%s"):format(name, map == "" and "unmapped" or "mapped", ran and " running" or "")
    end
    local hooks <const> = each(look)
    hooks.exited = nil
    assert.is_true(helper.run({ hooks = hooks }, { "/bin/true" }).ok)
    assert.same({ "created unmapped", "mapped mapped", "before_exec mapped" }, seen)
  end)

  it("hold the set-up up until they return", function()
    for _, init in ipairs { false, true } do
      local reader <const>, writer <const> = assert(sys.pipe())
      local early
      local result <const> = helper.run({ init = init, hooks = {
        before_exec = function()
          early = sys.poll({ { fd = reader } }, 0.05)[1]
        end,
      } }, { "/bin/echo", stdout = writer })
      assert.same({ false, true, "\n" }, { early, result.ok, (reader:read()) })
      reader:close()
      writer:close()
    end
  end)

  it("can look into the namespaces", function()
    local ids <const> = {}
    local function note(name, process)
      local namespace <close> = assert(process:namespace("net"))
      ids[name] = namespace:id()
    end
    local hooks <const> = each(note)
    hooks.exited = nil
    local inside <const> = helper.inside({ hooks = hooks }, "readlink /proc/self/ns/net")
    local id <const> = math.tointeger(inside:match("%d+"))
    assert.same({ created = id, mapped = id, before_exec = id }, ids)
  end)

  if way == "user" then
    it("cannot look into what is undumpable by then", function()
      local err
      helper.run({ init = true, hooks = {
        before_exec = function(process)
          err = select(2, process:namespace("net"))
        end,
      } }, { "/bin/true" })
      assert.same({ "namespace", "EACCES" }, { err.op, err.code })
    end)
  end

  it("may launch containers themselves", function()
    local inner <const> = assert(userns.container {})
    local output
    assert.is_true(helper.run({ hooks = {
      mapped = function()
        output = assert(inner:run { "/bin/echo", "inner", stdout = "capture" }).stdout
      end,
    } }, { "/bin/true" }).ok)
    assert.equal("inner\n", output)
  end)

  local REFUSALS <const> = {
    { function() error("boom", 0) end, "boom" },
    { function() return nil, "not now" end, "not now" },
    { function() return false, "not now" end, "not now" },
    { function() return false end, "the hook said no" },
    { function() return userns.container { x = 1 } end, "userns: validate: unknown field 'x' (x)" },
    { function() coroutine.yield() end, "attempt to yield" },
  }

  it("end a launch that they do not want", function()
    for _, name in ipairs { "created", "mapped", "before_exec" } do
      for _, init in ipairs { false, true } do
        for _, refusal in ipairs(REFUSALS) do
          local box <const> = assert(userns.container { init = init, hooks = { [name] = refusal[1] } })
          local plan <const> = assert(box:plan { "/bin/true" })
          local process <const>, err <const> = box:spawn { "/bin/true" }
          assert.is_nil(process)
          assert.same({ "hook", "ECANCELED", "hooks." .. name, "parent", "hook", name, "hook" }, {
            err.op, err.code, err.field, err.side, plan[err.step].op, plan[err.step].name, err.cause,
          })
          assert.is_nil(err.errno)
          assert.is_truthy(err.message:find(refusal[2], 1, true), err.message)
        end
      end
    end
  end)

  it("take anything else for consent", function()
    for _, answer in ipairs { 0, "", true } do
      assert.is_true(helper.run({ hooks = { mapped = function() return answer end } }, { "/bin/true" }).ok)
    end
    assert.is_true(helper.run({ hooks = { mapped = function() return nil end } }, { "/bin/true" }).ok)
  end)

  it("complain of the end in the result's place, once", function()
    local box <const> = assert(userns.container { hooks = { exited = function() error("boom", 0) end } })
    local process <close> = assert(box:spawn { "/bin/true" })
    local result <const>, err <const> = process:wait()
    assert.is_nil(result)
    assert.same({ op = "hook", code = "ECANCELED", field = "hooks.exited", message = "boom" }, helper.fields(err))
    assert.is_true(process:wait().ok)
    assert.same({ err.message }, { select(2, box:run { "/bin/true" }).message })
  end)

  it("hear of the end without a result, where nobody waited for it", function()
    local calls <const> = {}
    local box <const> = assert(userns.container { hooks = {
      exited = function(_, result)
        calls[#calls + 1] = tostring(result)
        error("boom", 0)
      end,
    } })
    local process <const> = assert(box:spawn { "/bin/sleep", "1000" })
    local ok <const>, err <const> = process:close()
    assert.same({ "hook", "boom" }, { err.op, err.message })
    assert.is_nil(ok)
    assert.is_true(process:close())
    assert.same({ "nil" }, calls)
  end)

  it("are not called for what never comes to be", function()
    local calls <const> = {}
    local box <const> = assert(userns.container { hooks = each(function(name)
      calls[#calls + 1] = name
    end) })
    local _, err = box:run { "/bin/true", cwd = "/nonexistent" }
    assert.same({ "chdir", "ENOENT" }, { err.op, err.code })
    _, err = box:run { "/nonexistent" }
    assert.same({ "exec", "ENOENT" }, { err.op, err.code })
    assert.same({ "created", "mapped", "created", "mapped", "before_exec" }, calls)
  end)

  it("stand in the plan", function()
    local d <const> = { namespaces = { "user", "mnt" }, hooks = each(function() end) }
    local plan <const> = assert(assert(userns.container(d)):plan())
    local words <const> = ops(plan)
    assert.is_truthy(words:find("await hook:created .*gid_map hook:mapped release"))
    assert.is_truthy(words:find("capabilities await meet hook:before_exec release no_new_privs"))
    assert.is_truthy(tostring(plan):find("parent  hook          name=created\n", 1, true))
    assert.is_nil(ops(assert(assert(userns.container {}):plan())):find("hook"))
  end)

  it("belong to the description", function()
    local function own() end
    local merged <const> = userns.merge({ hooks = { created = own } }, { hooks = { mapped = own } })
    local box <const> = assert(userns.container(merged))
    assert.same({ created = own, mapped = own }, box:describe().hooks)
    assert.is_nil(assert(userns.container {}):describe().hooks)
    assert.is_truthy(tostring(box):find("hooks: +the host's functions at created, mapped\n"))
  end)

  it("are functions at points that there are", function()
    local function refusal(hooks)
      return helper.fields(select(2, userns.container { hooks = hooks }))
    end
    assert.same(helper.invalid("hooks.creatd", "unknown field 'creatd' (did you mean 'created'?)"),
      refusal { creatd = print })
    assert.same(helper.invalid("hooks.created", "function expected, got string"), refusal { created = "true" })
    assert.same(helper.invalid("hooks", "table expected, got function"), refusal(print))
  end)
end)
