local helper <const> = require "spec.helper"
local namespaces <const> = require "userns.namespaces"
local sys <const> = require "userns.sys"

-- A process that stops itself where the wrapper puts it; closing kills it.
local STOP <const> = "echo $$; kill -STOP $$"

local function stopped(command)
  local pipe <const> = assert(io.popen("exec " .. command))
  return setmetatable({ pid = pipe:read("n") }, {
    __close = function(process)
      os.execute("kill -KILL " .. process.pid)
      pipe:close()
    end,
  })
end

local function shell(wrapper)
  return stopped(("%s sh -c '%s'"):format(wrapper, STOP))
end

local function find(type, target)
  local handle <close> = assert(sys.namespace(type, target))
  for _, entry in ipairs(assert(namespaces.list())) do
    if entry.id == handle:id() then
      return entry
    end
  end
end

describe("userns.namespaces", function()
  it("lists a namespace with the processes in it", function()
    local first <close> = shell "unshare --user --map-root-user --uts"
    local second <close> = shell(
      ("nsenter --user --uts --preserve-credentials --target %d"):format(first.pid))
    for _, type in ipairs { "user", "uts" } do
      local handle <close> = assert(sys.namespace(type, first.pid))
      assert.same({
        type = type,
        id = handle:id(),
        owner = helper.uid,
        processes = 2,
        pid = math.min(first.pid, second.pid),
        command = "sh -c " .. STOP,
      }, find(type, first.pid))
    end
  end)

  it("lists the namespaces of the caller", function()
    for _, type in ipairs(sys.namespace_types()) do
      local entry <const> = find(type, "self")
      assert.equal(type, entry.type)
      assert(entry.processes >= 1)
      assert(entry.pid >= 1)
    end
  end)

  it("lists each once, in the order of their ids", function()
    local last = 0
    for _, entry in ipairs(assert(namespaces.list())) do
      assert(entry.id > last)
      last = entry.id
    end
  end)

  it("agrees with lsns", function()
    -- lsns gives up when a process ends under its eyes.
    local lsns <const> = "for try in 1 2 3 4 5 6 7 8 9; do"
      .. " list=$(lsns --raw --noheadings --output NS,TYPE,NPROCS,PID) && break; done;"
      .. " echo \"$list\" | grep '^%d '"
    local process <close> = shell "unshare --user --map-root-user --uts"
    for _, type in ipairs { "user", "uts" } do
      local entry <const> = find(type, process.pid)
      assert.equal(("%d %s %d %d\n"):format(entry.id, type, entry.processes, entry.pid),
        helper.shell(lsns:format(entry.id)).out)
    end
  end)

  it("leaves out the owner where that is out of sight", function()
    assert.equal("uts\tnil\n", helper.output([[
      local sys = require "userns.sys"
      local own = sys.namespace("uts", "self"):id()
      for _, entry in ipairs(require "userns.namespaces".list()) do
        if entry.id == own then
          print(entry.type, entry.owner)
        end
      end
    ]], helper.rootless))
  end)

  it("gives the name of a process that has no command line", function()
    local path <const> = os.tmpname()
    local script <close> = assert(io.open(path, "w"))
    script:write(STOP, "\n")
    script:flush()
    local process <close> = stopped(
      ([[unshare --user --uts bash -c 'exec -a "" sh <%s']]):format(path))
    os.remove(path)
    assert.equal("sh", find("uts", process.pid).command)
  end)
end)
