local helper <const> = require "spec.helper"
local sys <const> = require "userns.sys"

-- The command that runs an example, as the specs run.
local function command(name, ...)
  local words <const> = { "lua5.4", ("examples/%s.lua"):format(name), ... }
  for i, word in ipairs(words) do
    words[i] = helper.quote(word)
  end
  return ("LUA_PATH=%s LUA_CPATH=%s timeout 60 %s"):format(
    helper.quote(package.path), helper.quote(package.cpath), table.concat(words, " "))
end

-- Its output, from a standard input with the given text.
local function output(input, ...)
  local result <const> =
    helper.shell(("printf %%s %s | %s"):format(helper.quote(input), command(...)))
  assert.same({ "", 0 }, { result.err, result.code }, result.err)
  return result.out
end

local function lines(text)
  local list <const> = {}
  for line in text:gmatch("[^\n]*") do
    list[#list + 1] = line
  end
  return list
end

-- An example that runs until Enter is pressed.
local function start(name, ...)
  local dir <const> = helper.directory()
  local input <const> = dir .. "/input"
  assert(os.execute("mkfifo " .. input))
  local reader <const> = assert(io.popen(("%s <%s"):format(command(name, ...), input)))
  local writer <const> = assert(io.open(input, "w"))
  return {
    read = function() return reader:read() end,
    press_enter = function()
      assert(writer:write("\n"))
      writer:close()
      local rest <const> = reader:read("a")
      helper.remove(dir)
      assert.same({ true, "exit", 0 }, { reader:close() })
      return rest
    end,
  }
end

-- The path that the example tells to join, and what is found there.
local function join(example)
  local line <const> = example.read()
  local path <const> = line:match("^  lua5%.4 examples/ns_exec%.lua (%S+) uname %-n$")
  assert.is_truthy(path, line)
  return path, output("", "ns_exec", path, "uname", "-n")
end

describe("the examples", function()
  before_each(helper.count)
  after_each(helper.check_count)

  it("are all run here", function()
    assert.equal([[
capabilities.lua
container.lua
demo_uts_namespaces.lua
many.lua
many_cqueues.lua
many_luv.lua
ns_exec.lua
pin_namespace.lua
sandbox.lua
shared_network.lua
shell.lua
]], helper.shell("ls examples").out)
  end)

  describe("demo_uts_namespaces", function()
    it("shows parent and child with a host name each", function()
      local seen <const> = lines(output("", "demo_uts_namespaces", "bizarro"))
      assert.matches("^PID of child created by clone%(%) is %d+$", seen[1])
      assert.equal("uts.nodename in child:  bizarro", seen[2])
      assert.equal("uts.nodename in parent: " .. sys.uname().nodename, seen[3])
    end)

    it("keeps the child for ns_exec to join, until Enter is pressed", function()
      local before <const> = sys.uname()
      local example <const> = start("demo_uts_namespaces", "antero")
      local pid <const> = example.read():match("%d+$")
      assert.equal("uts.nodename in child:  antero", example.read())
      assert.equal("uts.nodename in parent: " .. before.nodename, example.read())
      assert.matches("^Press Enter", example.read())
      local path <const>, name <const> = join(example)
      assert.equal(("/proc/%s/ns/uts"):format(pid), path)
      assert.equal("antero\n", name)
      assert.equal("", example.press_enter())
      assert.is_nil(io.open(path))
      assert.same(before, sys.uname())
    end)

    it("says why a name is none", function()
      local result <const> = helper.shell(command("demo_uts_namespaces", ("x"):rep(65)))
      assert.equal(1, result.code)
      assert.matches("longer than 64 bytes", result.err, 1, true)
    end)
  end)

  describe("ns_exec", function()
    it("hands the command's arguments and exit status on", function()
      local example <const> = start("demo_uts_namespaces", "bizarro")
      for _ = 1, 4 do
        example.read()
      end
      local path <const> = join(example)
      local script <const> = [[echo "$(uname -n) $1"; exit 7]]
      assert.same({ out = "bizarro two words\n", err = "", code = 7 },
        helper.shell(command("ns_exec", path, "sh", "-c", script, "sh", "two words")))
      example.press_enter()
    end)

    it("says what it could not join", function()
      for path, message in pairs {
        ["/nowhere"] = "No such file or directory; ",
        ["/dev/null"] = "Invalid argument; what is open there is no namespace",
      } do
        local result <const> = helper.shell(command("ns_exec", path, "true"))
        assert.same({ "", 1 }, { result.out, result.code })
        local told <const> = ("userns: setns '%s': %s"):format(path, message)
        assert.equal(told, result.err:match("^%S+: (.*)$"):sub(1, #told))
      end
    end)

    it("tells how it is used", function()
      local usage <const> = "usage: ns_exec.lua PATH COMMAND [ARGUMENT ...]\n"
      assert.same({ out = "", err = usage, code = 2 }, helper.shell(command("ns_exec")))
      assert.same({ out = "", err = usage, code = 2 }, helper.shell(command("ns_exec", "/")))
    end)
  end)

  describe("pin_namespace", function()
    it("keeps a namespace that has lost its process, for another to join", function()
      local mounts <const> = helper.read("/proc/self/mountinfo")
      local example <const> = start("pin_namespace")
      local pid <const>, file <const> =
        example.read():match("^Process (%d+) has ended%. Its namespace is mounted on (%S+)$")
      assert.is_nil(io.open("/proc/" .. pid .. "/stat"))
      assert.equal("A process that joined it finds the host name bizarro", example.read())
      assert.matches("^Press Enter", example.read())
      local path <const>, name <const> = join(example)
      assert.equal(file, path:match("^/proc/%d+/root(/.*)$"))
      assert.equal("bizarro\n", name)
      assert.equal(mounts, helper.read("/proc/self/mountinfo"))
      assert.equal("", example.press_enter())
      assert.is_nil(io.open(file))
    end)
  end)

  describe("capabilities", function()
    it("shows the sets before and after exec, by uid", function()
      assert.equal([[
uid 0
               before exec   after exec
  permitted    all           all
  effective    all           all
  inheritable  none          none
  bounding     all           all
  ambient      none          none

uid 1000
               before exec   after exec
  permitted    all           none
  effective    all           none
  inheritable  none          none
  bounding     all           all
  ambient      none          none

uid 1000, with an ambient capability
               before exec   after exec
  permitted    all           net_raw
  effective    all           net_raw
  inheritable  net_raw       net_raw
  bounding     all           all
  ambient      net_raw       net_raw

]], output("", "capabilities"))
    end)
  end)

  describe("container", function()
    it("shows the description, the plan, and the process from both sides", function()
      local seen <const> = output("", "container")
      assert.matches("clone", seen, 1, true)
      local outside <const>, inside <const> = seen:match("\n  host name +(%S+) +(%S+)\n")
      assert.same({ sys.gethostname(), "bizarro" }, { outside, inside })
      assert.matches("\n  user id     %d+ +0\n", seen)
      assert.matches("\n  process id  %d+ +1\n", seen)
      assert.matches("\nIt ended with exit code 0%.\n$", seen)
    end)
  end)

  for _, name in ipairs { "many", "many_cqueues", "many_luv" } do
    it(name .. " waits for a thousand containers in one loop", function()
      local count <const> = helper.rounds(1000)
      local sum <const> = count * (count + 1) * (2 * count + 1) // 6
      local limit <const> = "ulimit -S -n 4096 && "
      local result <const> = helper.shell(limit .. command(name, tostring(count)))
      assert.same({
        code = 0, err = "", out = ("%d containers at once\nthe sum of their squares is %d\n"):format(count, sum),
      }, result)
    end)
  end

  it("shared_network makes one network for all", function()
    local seen <const> = output("", "shared_network", "5")
    assert.matches("^a network for each of 5: %d+%.%d ms a launch\n"
      .. "5 with the same network: %d+%.%d ms a launch, 1 seen\n$", seen)
  end)

  describe("sandbox", function()
    it("runs a program and tells how it ended", function()
      local seen <const> = output("", "sandbox", "/bin/echo", "hello", "world")
      assert.matches("\nexit_code +0\n", seen)
      assert.matches('\nstdout +"hello world\\\n"\n', seen)
    end)

    it("hands its input on", function()
      assert.matches('\nstdout +"from outside"\n', output("from outside", "sandbox", "/bin/cat"))
    end)

    it("tells how it is used", function()
      local result <const> = helper.shell(command("sandbox"))
      assert.same({ "", 2 }, { result.out, result.code })
      assert.matches("^usage: ", result.err)
    end)
  end)

  describe("shell", function()
    it("is root of a host of its own", function()
      assert.equal("0 1 container\n", output("echo $(id -u) $$ $(hostname)\n", "shell"))
    end)

    it("hands the exit status on", function()
      assert.equal(7, helper.shell("echo exit 7 | " .. command("shell")).code)
    end)
  end)
end)
