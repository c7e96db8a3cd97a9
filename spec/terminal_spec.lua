-- A terminal for the program, and the caller's joined to it.
local helper = require "spec.helper"
local sys = require "userns.sys"
local userns = require "userns"

local way <const> = helper.privilege

local DEV <const> = { { type = "dev", target = "/dev" }, { type = "proc", target = "/proc" } }

--- The next line that a program shows, nil when it has hung up.
local function next_line(process)
  assert(sys.poll({ { fd = process.terminal } }, 20)[1], "nothing is shown any more")
  local line <const> = process.terminal:read("l")
  return line and line:gsub("\r", "") or nil
end

--- Everything that a program shows.
local function shown(process)
  local lines <const> = {}
  for line in next_line, process do
    lines[#lines + 1] = line
  end
  return table.concat(lines, "\n")
end

--- Reads until a line is shown.
local function await(process, wanted)
  for line in next_line, process do
    if line:find("^" .. wanted .. "$") then
      return
    end
  end
  error("not shown: " .. wanted)
end

local function spawn(description, script, terminal)
  local box <const> = assert(userns.container(description))
  return assert(box:spawn { "/bin/sh", "-c", script, terminal = terminal or true, timeout = 60 })
end

describe("a terminal", function()
  before_each(helper.count)
  after_each(helper.check_count)

  local KINDS <const> = {
    ["of the host's"] = {},
    ["of the host's, with init"] = { init = true },
    ["of the host's, without namespaces"] = { namespaces = {} },
    ["of the container's /dev"] = { mounts = DEV },
    ["of the container's /dev, with init"] = { init = true, mounts = DEV },
    ["of the container's own tree"] = helper.tree { { type = "devpts", target = "/dev/pts" } },
  }
  -- ttyname(3) looks in /dev/pts
  table.insert(KINDS["of the container's own tree"].mounts, 1, { type = "dir", target = "/dev" })

  for name, description in pairs(KINDS) do
    it(name .. " is standard input, output and error, and the session's", function()
      local process <close> = spawn(description, [[
        [ -t 0 ] && [ -t 1 ] && [ -t 2 ] && echo three
        stty size
        read line && echo "got $line"
        trap 'echo interrupted; exit 4' INT
        echo ready
        while :; do sleep 0.01; done
      ]], { rows = 10, cols = 132 })
      await(process, "three")
      await(process, "10 132")
      assert(process.terminal:write("hello\n"))
      await(process, "got hello")
      await(process, "ready")
      assert(process.terminal:write("\3"))
      await(process, ".*interrupted")
      assert.equal(4, process:wait().exit_code)
    end)
  end

  it("is made by default with 24 lines of 80", function()
    local process <close> = spawn({}, "stty size")
    assert.equal("24 80", shown(process))
    process:close()
    local wide <close> = spawn({}, "stty size", { cols = 100 })
    assert.equal("24 100", shown(wide))
  end)

  it("is the container's own where that has any", function()
    local process <close> = spawn({ mounts = DEV }, "tty; echo $(ls /dev/pts); ls -l /proc/self/fd | grep -c ' -> '")
    assert.equal("/dev/pts/0\n0 ptmx\n4", shown(process))
  end)

  it("is at nobody's disposal but the program's and the host's", function()
    for _, init in ipairs { false, true } do
      local process <close> = spawn({ init = init, mounts = DEV },
        "for fd in /proc/[0-9]*/fd/*; do readlink $fd; done 2>/dev/null | grep -c ptmx; exit 0")
      assert.equal("0", shown(process))
    end
    local out <const> = helper.output [[
      local box = assert(require "userns".container {})
      local process <close> = assert(box:spawn { "/bin/sleep", "1000", terminal = true })
      os.execute "ls -l /proc/self/fd | grep -c ptmx"
    ]]
    assert.equal("0\n", out)
  end)

  if way == "root" then
    it("belongs to the program's user", function()
      local map <const> = { { inside = 0, outside = 100000, count = 1000 } }
      for _, mounts in ipairs { {}, DEV } do
        local box <const> = assert(userns.container { uid_map = map, gid_map = map, mounts = mounts })
        local process <close> = assert(box:spawn {
          "/bin/sh", "-c", "stat -c %u $(tty) && echo written >/dev/tty", uid = 5, gid = 5, terminal = true,
        })
        assert.equal("5\nwritten", shown(process))
      end
    end)
  end

  it("lets a shell control its jobs", function()
    for _, init in ipairs { false, true } do
      local box <const> = assert(userns.container { init = init, mounts = DEV })
      local process <close> = assert(box:spawn {
        "/bin/sh", "-i", terminal = true, env = { PS1 = "", ENV = "" }, timeout = 60,
      })
      local function type_in(text)
        assert(process.terminal:write(text))
      end
      type_in "sh -c 'echo re''ady; exec sleep 1000'\n"
      await(process, "ready")
      type_in "\26"
      type_in "jobs\n"
      await(process, ".*Stopped.*")
      type_in "sh -c 'echo re''ady; exec sleep 1000'\n"
      await(process, "ready")
      type_in "\3"
      type_in "echo st''ill here\n"
      await(process, "still here")
      type_in "exit 7\nexit 7\n" -- the first is told of the stopped job
      shown(process)
      assert.equal(7, process:wait().exit_code)
    end
  end)

  it("can be given another size", function()
    local process <close> = spawn({ mounts = DEV },
      "trap 'stty size; exit 0' WINCH; echo ready; while :; do sleep 0.01; done")
    await(process, "ready")
    assert.is_true(sys.set_terminal_size(process.terminal, 50, 60))
    assert.same({ 50, 60 }, { sys.terminal_size(process.terminal) })
    await(process, "50 60")
    assert.is_true(process:wait().ok)
  end)

  it("stands in the plan", function()
    local function steps(description)
      local words <const> = {}
      local box <const> = assert(userns.container(description))
      for _, step in ipairs(assert(box:plan { "/bin/true", terminal = { rows = 5 } })) do
        words[#words + 1] = step.op == "pty" and ("pty:%s:%d:%d"):format(step.path, step.rows, step.cols) or step.op
      end
      return table.concat(words, " ")
    end
    assert.is_truthy(steps({ init = true, mounts = DEV })
      :find("capabilities pty:/dev/ptmx:5:80 init setsid terminal no_new_privs descriptors", 1, true))
    assert.is_truthy(steps({}):find("pty:/dev/ptmx:5:80 .*setsid .*terminal no_new_privs descriptors"))
  end)

  it("is all of a program's streams, and its session's", function()
    local old <const>, box <const> = assert(userns.container { new_session = false }), assert(userns.container {})
    assert.same(helper.invalid("process.terminal", "needs new_session"),
      helper.fields(select(2, old:spawn { "/bin/true", terminal = true })))
    for field, value in pairs { stdin = "null", stdout = "capture", stderr = "stdout", input = "x" } do
      assert.same(helper.invalid("process." .. field, "excludes terminal"),
        helper.fields(select(2, box:spawn { "/bin/true", terminal = true, [field] = value })))
    end
    assert.same(helper.invalid("process.terminal.rows", "0 is out of range (1 to 65535)"),
      helper.fields(select(2, box:spawn { "/bin/true", terminal = { rows = 0 } })))
    assert.same(helper.invalid("process.terminal", "boolean or terminal size expected, got integer"),
      helper.fields(select(2, box:spawn { "/bin/true", terminal = 1 })))
    assert.is_true(helper.run({ process = { terminal = true } }, { "/bin/true", terminal = false }).ok)
  end)

  it("says where there is none to be had", function()
    local fields <const>, advice <const> = helper.refusal(
      { mounts = { { type = "tmpfs", target = "/dev" }, { type = "devpts", target = "/dev/pts" },
        { type = "tmpfs", target = "/dev" } } }, { "/bin/true", terminal = true })
    assert.same(helper.errno("ENOENT",
      { op = "pty", syscall = "openat2", field = "process.terminal", path = "/dev/pts/ptmx" }), fields)
    assert.same({
      cause = "no_ptmx", why = "there is no /dev/ptmx here", hint = "give the container a `dev` or `devpts` mount",
    }, advice)
  end)

  it("is no other file of that name", function()
    local fields <const> = helper.refusal({ root = { type = "tmpfs" }, mounts = {
      { type = "devpts", target = "/dev/pts" }, { type = "tmpfs", target = "/dev/pts" },
      { type = "file", target = "/dev/pts/ptmx", content = "", mode = "0666" },
    } }, { "/bin/true", terminal = true })
    assert.same({ "pty", "ENODEV" }, { fields.op, fields.code })
  end)
end)

describe("attach", function()
  before_each(helper.count)
  after_each(helper.check_count)

  --- Runs a Lua script on a terminal; the shell says how the terminal was left.
  local function on_terminal(script)
    local path <const> = os.tmpname()
    helper.write(path, [[
      local userns = require "userns"
      local function box(description)
        return assert(userns.container(description))
      end
    ]] .. script)
    local host <const> = assert(userns.container {
      namespaces = {}, capabilities = sys.getcaps().permitted, no_new_privs = false,
    })
    local process <const> = assert(host:spawn {
      "/bin/sh", "-c", [[
        before=$(stty -g)
        lua5.4 ]] .. path .. [[ 2>&1
        [ "$before" = "$(stty -g)" ] && echo restored
      ]],
      env = { LUA_PATH = package.path, LUA_CPATH = package.cpath }, terminal = { rows = 30, cols = 90 }, timeout = 60,
    })
    return process, function()
      local rest <const> = shown(process)
      os.remove(path)
      return rest
    end
  end

  it("joins the caller's terminal to the program's, and leaves it as it was", function()
    local process <close>, rest <const> = on_terminal [==[
      local process <close> = assert(box {}:spawn {
        "/bin/sh", "-c", [=[
          stty -echo
          until [ "$(stty size)" = "30 90" ]; do sleep 0.01; done
          echo ready; read line; echo got $line; exit 5
        ]=], terminal = true,
      })
      local result = assert(process:attach())
      print("exit code", result.exit_code, result == process:attach())
    ]==]
    await(process, "ready")
    assert(process.terminal:write("hello\r"))
    assert.equal("got hello\nexit code\t5\ttrue\nrestored", (rest():gsub("\t+", "\t"):gsub(" +", " ")))
    assert.is_true(process:wait().ok)
  end)

  it("is what run does for a program with a terminal", function()
    local process <close>, rest <const> = on_terminal [[
      local result = assert(box {}:run { "/bin/sh", "-c", "tty >/dev/null && echo here; exit 6", terminal = true })
      print(result.exit_code)
    ]]
    assert.equal("here\n6\nrestored", rest())
    process:close()
  end)

  it("passes on the keys that mean signals", function()
    local process <close>, rest <const> = on_terminal [[
      local result = assert(box { init = true }:run {
        "/bin/sh", "-c", "echo ready; exec sleep 1000", terminal = true,
      })
      print(result.signal)
    ]]
    await(process, "ready")
    assert(process.terminal:write("\3"))
    assert.equal("^CSIGINT\nrestored", rest())
    process:close()
  end)

  it("has the size follow the caller's", function()
    local process <close>, rest <const> = on_terminal [[
      box {}:run {
        "/bin/sh", "-c", "echo ready; until [ \"$(stty size)\" = '11 22' ]; do sleep 0.01; done; echo sized",
        terminal = true,
      }
    ]]
    await(process, "ready")
    assert.is_true(sys.set_terminal_size(process.terminal, 11, 22))
    assert.equal("sized\nrestored", rest())
    process:close()
  end)

  it("leaves the terminal as it was when the caller is interrupted", function()
    local process <close>, rest <const> = on_terminal [[
      local process <close> = assert(box { namespaces = {} }:spawn {
        "/bin/sh", "-c", "stty -echo; echo ready; read line; kill -INT $PPID; exec sleep 1000", terminal = true,
      })
      print(select(2, pcall(process.attach, process)):match("interrupted!"))
    ]]
    await(process, "ready")
    assert(process.terminal:write("\r"))
    assert.equal("interrupted!\nrestored", rest())
    process:close()
  end)

  it("leaves the terminal as it was when run is interrupted", function()
    local process <close>, rest <const> = on_terminal [[
      local program = { "/bin/sh", "-c", "stty -echo; kill -INT $PPID; exec sleep 1000", terminal = true }
      local container = box { namespaces = {} }
      print(select(2, pcall(container.run, container, program)):match("interrupted!"))
    ]]
    assert.equal("interrupted!\nrestored", rest())
    process:close()
  end)

  it("leaves the terminal as it was when the caller is ended", function()
    for signal, said in pairs { TERM = "Terminated", HUP = "Hangup", QUIT = "Quit" } do
      local process <close>, rest <const> = on_terminal(([[
        box { namespaces = {} }:run {
          "/bin/sh", "-c", "stty -echo; kill -%s $PPID; exec sleep 1000", terminal = true,
        }
        print "not reached"
      ]]):format(signal))
      assert.matches(("^%s[^\n]*\nrestored$"):format(said), rest())
      process:close()
    end
  end)

  it("leaves an interruption of run to a program that has a handler for it", function()
    local process <close>, rest <const> = on_terminal [[
      local program = {
        "/bin/sh", "-c", "trap 'echo handled; exit 7' INT; stty -echo; kill -INT $PPID; while :; do sleep 0.01; done",
        terminal = true,
      }
      print(box { namespaces = {} }:run(program).exit_code)
    ]]
    assert.equal("handled\n7\nrestored", rest())
    process:close()
  end)

  it("goes without a terminal on the caller's side", function()
    assert.equal("hello\r\ngot hello\r\n3\n", helper.shell(([[
      echo hello | LUA_PATH=%s LUA_CPATH=%s lua5.4 -e '
        local box = assert(require "userns".container {})
        local result = assert(box:run { "/bin/sh", "-c", "read line; echo got $line; exit 3", terminal = true })
        print(result.exit_code)'
    ]]):format(helper.quote(package.path), helper.quote(package.cpath))).out)
  end)

  it("is for programs with a terminal", function()
    local box <const> = assert(userns.container {})
    local process <close> = assert(box:spawn { "/bin/true" })
    assert.error_matches(function() process:attach() end, "attach needs a process spec with terminal")
  end)
end)

describe("functions of terminals", function()
  it("say that something is none", function()
    local null <close> = assert(sys.open("/dev/null", "readwrite"))
    for name, call in pairs {
      terminal_size = sys.terminal_size, raw_mode = sys.raw_mode,
      set_terminal_size = function(fd) return sys.set_terminal_size(fd, 1, 1) end,
    } do
      local result <const>, err <const> = call(null)
      assert.is_nil(result)
      assert.same({ name, "ENOTTY" }, { err.op, err.code })
    end
  end)
end)
