-- userns enter: into containers of the caller's, and what is refused.
local helper = require "spec.helper"
local sys = require "userns.sys"
local userns = require "userns"

local way <const> = helper.privilege

local PROC <const> = { { type = "proc", target = "/proc" } }

local function start(description)
  return assert(assert(userns.container(description)):spawn { "/bin/cat", stdin = "pipe", stdout = "null" })
end

--- The command line, with variables before it.
local function line(environment, target, ...)
  local words <const> = { ... }
  for i, word in ipairs(words) do
    words[i] = helper.quote(tostring(word))
  end
  return ("env LUA_PATH=%s LUA_CPATH=%s SHELL=/bin/sh %s bin/userns enter %s %s"):format(helper.quote(package.path),
    helper.quote(package.cpath), environment, target, table.concat(words, " "))
end

local function enter(target, ...)
  return helper.shell(line("", target, "--", ...))
end

--- What a shell script prints in there, without complaint.
local function inside(target, script)
  local result <const> = enter(target, "/bin/sh", "-c", script)
  assert.same({ "", 0 }, { result.err, result.code })
  return result.out
end

--- The namespaces of a process, by type.
local function namespaces(pid)
  local ids <const> = {}
  for _, type in ipairs(sys.namespace_types()) do
    local namespace <close> = assert(sys.namespace(type, pid))
    ids[type] = namespace:id()
  end
  return ids
end

--- The same, as a program in there sees its own.
local function namespaces_inside(target)
  local ids <const> = {}
  for type, id in inside(target, "readlink /proc/self/ns/*"):gmatch("(%a+):%[(%d+)%]\n") do
    ids[type] = math.tointeger(tonumber(id))
  end
  return ids
end

describe("userns enter", function()
  before_each(helper.count)
  after_each(helper.check_count)

  it("joins everything that a container of the caller's has of its own", function()
    local first <close> = start { hostname = "first", mounts = PROC }
    assert.same(namespaces(first.pid), namespaces_inside(first.pid))
    assert.equal("first\ncat\n0 0\n", inside(first.pid, "uname -n; cat /proc/1/comm; echo $(id -u) $(id -g)"))
  end)

  it("joins what differs, and nothing else", function()
    local first <close> = start { namespaces = { "user", "uts" }, hostname = "first" }
    local wanted <const> = namespaces "self"
    local own <const> = namespaces(first.pid)
    wanted.user, wanted.uts = own.user, own.uts
    assert.same(wanted, namespaces_inside(first.pid))
  end)

  it("joins a time namespace, in which it reads the same clocks", function()
    local first <close> = start { time_offsets = { boottime = 1000000 }, mounts = PROC }
    assert(tonumber(inside(first.pid, "cut -d. -f1 /proc/uptime")) >= 1000000)
  end)

  it("joins a container with `init`", function()
    local first <close> = start { init = true, hostname = "first", mounts = PROC }
    assert.equal("first\n", inside(first.program.pid, "uname -n"))
  end)

  it("joins a container whose mounts are locked, which has two user namespaces", function()
    local first <close> = start {
      capabilities = { "sys_admin" }, lock_mounts = true, hostname = "first", mounts = PROC,
    }
    local seen <const>, own <const> = namespaces_inside(first.pid), namespaces(first.pid)
    own.user, seen.user = nil, nil
    assert.same(own, seen)
    assert.equal("first\n", inside(first.pid, "uname -n"))
  end)

  it("is whoever there is where there is no root", function()
    local first <close> = start { uid_map = "self", gid_map = "self", mounts = PROC }
    local map <const> = assert(sys.read_uid_map(first.pid))
    assert.equal(("%d\n"):format(map[1].inside), inside(first.pid, "id -u"))
    if way == "root" then
      local many <close> = start {
        uid_map = { { inside = 5, outside = 100000, count = 10 } },
        gid_map = { { inside = 7, outside = 100000, count = 10 } }, mounts = PROC,
      }
      assert.equal("5 7\n", inside(many.pid, "echo $(id -u) $(id -g)"))
    end
  end)

  it("gives the program no capability, and takes its privileges outside", function()
    local first <close> = start { mounts = PROC }
    assert.equal("CapEff:\t0000000000000000\n", inside(first.pid, "grep CapEff /proc/self/status"))
    local second <const> = inside(first.pid, "cat /proc/self/uid_map")
    assert.equal(helper.read(("/proc/%d/uid_map"):format(first.pid)):gsub("%s+", " "), (second:gsub("%s+", " ")))
  end)

  it("joins the namespace that a path stands for", function()
    local first <close> = start { hostname = "first" }
    local path <const> = ("/proc/%d/ns/uts"):format(first.pid)
    assert.equal("first\n", inside(path, "uname -n"))
    local wanted <const> = namespaces "self"
    local own <const> = namespaces(first.pid)
    wanted.uts = own.uts
    wanted.user = way == "user" and own.user or wanted.user
    assert.same(wanted, namespaces_inside(path))
    wanted.uts, wanted.user = namespaces("self").uts, own.user
    assert.same(wanted, namespaces_inside(("/proc/%d/ns/user"):format(first.pid)))
  end)

  if way == "root" then
    it("joins a namespace that is mounted on a file", function()
      local first <close> = start { namespaces = { "uts" }, hostname = "first" }
      local handle <close> = assert(first:namespace "uts")
      local directory <const> = helper.directory()
      helper.write(directory .. "/uts", "")
      assert(handle:pin(directory .. "/uts"))
      assert.equal("first\n", inside(directory .. "/uts", "uname -n"))
      assert(handle:unpin(directory .. "/uts"))
      helper.remove(directory)
    end)

    it("joins a container without a user namespace, as the caller", function()
      local first <close> = start { namespaces = { "uts", "net" }, hostname = "first" }
      assert.equal("first\n0\n", inside(first.pid, "uname -n; id -u"))
    end)
  end

  it("exits as the program", function()
    local first <close> = start { mounts = PROC }
    assert.equal(7, enter(first.pid, "/bin/sh", "-c", "exit 7").code)
    assert.equal(128 + 15, enter(first.pid, "/bin/sh", "-c", "kill -TERM $$").code)
    assert.equal(127, enter(first.pid, "/nowhere").code)
    assert.equal(126, enter(first.pid, "/dev/null").code)
  end)

  it("tells machines the result", function()
    local first <close> = start {}
    local result <const> = helper.shell(line("", "--json", first.pid, "--", "true"))
    assert.same({ "", 0 }, { result.out, result.code })
    assert.matches('"exit_code":0', result.err, 1, true)
  end)

  it("runs a shell, and another where there is none of the name", function()
    local first <close> = start { hostname = "first" }
    for _, shell in ipairs { "/bin/sh", "/bin/bash", "/no/such/shell", "" } do
      assert.same({ out = "first\n", err = "", code = 3 },
        helper.shell("echo 'uname -n; exit 3' | " .. line("SHELL=" .. shell, first.pid)))
    end
  end)

  describe("on a terminal", function()
    --- What is shown on a terminal on which some lines are typed.
    local function typed(target, lines)
      local words <const> = ("script -qec %s /dev/null"):format(helper.quote(line("", target)))
      local result <const> = helper.shell(("{ sleep 1; printf %s; sleep 1; } | %s"):format(helper.quote(lines), words))
      return result.out, result.code
    end

    it("has one of its own", function()
      local first <close> = start { hostname = "first", mounts = { { type = "dev", target = "/dev" } } }
      local shown <const>, code = typed(first.pid, "tty; uname -n; exit 3\n")
      assert.matches("\n/dev/pts/%d+\r\nfirst\r\n", shown)
      assert.equal(3, code)
    end)

    it("has the caller's descriptors where there are no terminals in there", function()
      local first <close> = start(userns.merge(helper.tree(), { hostname = "first" }))
      local shown <const>, code = typed(first.pid, "test -t 0 && uname -n; exit 3\n")
      assert.matches("[\n ]first\r\n", shown)
      assert.equal(3, code)
    end)
  end)

  describe("is refused", function()
    local function refused(target, message, hint)
      local result <const> = enter(target, "true")
      local text <const> = result.err:gsub("\n  why: [^\n]*", "")
      assert.same({ ("userns: enter '%s\n%s"):format(message, hint and "  hint:  " .. hint .. "\n" or ""), "", 125 },
        { text, result.out, result.code })
    end

    it("for what the caller is in already", function()
      local here <const> = helper.shell("echo $PPID").out:match("%d+")
      local already <const> = "run the program as it is: there is nothing to enter"
      refused(here, here .. "': the process is in no namespace that the caller is not in", already)
      refused("/proc/self/ns/net", "/proc/self/ns/net': it is the caller's own namespace", already)
    end)

    it("for what is no process or namespace", function()
      local list <const> = "`userns list` shows what there is to enter"
      refused("0", "0': no process has this number", list)
      refused("99999999999999999999", "99999999999999999999': no process has this number", list)
      refused("2147483647", "2147483647': No such process", list)
      refused("/dev/null", "/dev/null': not a namespace",
        "name a file of /proc/PID/ns, where a namespace was pinned, or a process")
      local file <const> = "name a file of /proc/PID/ns, or where a namespace was pinned"
      refused("/nowhere", "/nowhere': No such file or directory", file)
      refused("self", "self': No such file or directory", file)
    end)

    if way ~= "root" then
      it("for processes that the caller may not look into", function()
        refused("1", "1': Permission denied",
          "be its user, in its user namespace or above, with all capabilities that it has; "
            .. "of a container with `init`, name a process below process 1")
      end)
    end
  end)
end)
