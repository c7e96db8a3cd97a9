-- The command as it is called: its output, its errors and its exit status.
local helper = require "spec.helper"
local sys = require "userns.sys"
local userns = require "userns"

local directory

local ENVIRONMENT <const> = ("env --default-signal=INT,PIPE LUA_PATH=%s LUA_CPATH=%s"):format(
  helper.quote(package.path), helper.quote(package.cpath))

local function file(content, name)
  local path <const> = directory .. "/" .. (name or "box.lua")
  helper.write(path, content)
  return path
end

--- The command line of the command, in words or one string of a shell's.
local function line(...)
  local words <const> = { ... }
  for i, word in ipairs(words) do
    words[i] = helper.quote(word)
  end
  return ("%s bin/userns %s"):format(ENVIRONMENT, table.concat(words, " "))
end

local function command(...)
  return helper.shell(line(...))
end

--- Runs a program in the container of a description; the description is a text.
local function run(description, ...)
  return command("run", file("return " .. description), "--", ...)
end

--- What comes of an interruption of a command, once it has said something.
local function interrupt(words, said)
  local pipe <const> = assert(io.popen(("echo $$; exec %s 2>&1"):format(words)))
  local pid <const> = math.tointeger(pipe:read("n", "l"))
  assert.equal(said, pipe:read("l"))
  assert(sys.kill(pid, "INT"))
  local rest <const> = pipe:read("a")
  local _, why <const>, code = pipe:close()
  return { rest, why, code }
end

--- What comes of a module whose functions are others.
local function stubbed(stub, ...)
  local words <const> = line(...):gsub("bin/userns", function()
    return ("lua5.4 -e %s bin/userns"):format(helper.quote(stub))
  end)
  return helper.shell(words)
end

local function said(out, code)
  return { out = out, err = "", code = code or 0 }
end

local function complained(err, code)
  return { out = "", err = err, code = code or 125 }
end

describe("userns", function()
  before_each(function()
    directory = helper.directory()
    helper.count()
  end)
  after_each(function()
    helper.check_count()
    helper.remove(directory)
  end)

  it("says how it is called", function()
    assert.same(said(("userns %s\n"):format(userns._VERSION)), command "--version")
    assert.matches("^usage: userns COMMAND", command("--help").out)
    assert.matches("^usage: userns run %[%-%-json%]", command("run", "--help").out)
    assert.same(complained("userns: unknown command 'rum'\n  hint:  did you mean 'run'?\n"), command "rum")
    assert.same(complained("userns: no command is named\n"
      .. "  hint:  one of: run, plan, check, features, list, enter, completion\n"), command())
    assert.same(complained('{"code":"EINVAL","hint":"`userns run --help` tells more","message":"run needs FILE",'
      .. '"op":"usage"}\n'), command("run", "--json"))
  end)

  describe("run", function()
    it("runs the description's program, or another, with its arguments", function()
      local path <const> = file [[return { hostname = "box", process = { "/bin/sh", "-c", "uname -n; id -u" } }]]
      assert.same(said "box\n0\n", command("run", path))
      assert.same(said "two words|*\n", command("run", path, "--", "sh", "-c", "echo \"$0|$1\"", "two words", "*"))
      assert.same(said "--json\n", command("run", path, "--", "echo", "--json"))
      assert.same(said "in\n", helper.shell("echo in | " .. line("run", path, "--", "cat")))
    end)

    it("exits as the program", function()
      assert.same(said("", 7), run("{}", "/bin/sh", "-c", "exit 7"))
      assert.same(said("", 125), run("{}", "/bin/sh", "-c", "exit 125"))
      assert.same(said("", 128 + 9), run("{ namespaces = {} }", "/bin/sh", "-c", "kill -KILL $$"))
      assert.same(said("", 128 + 15), run("{ init = true }", "/bin/sh", "-c", "kill -TERM $$"))
      assert.same(said("", 128 + 35), run("{ namespaces = {} }", "/bin/bash", "-c", "kill -35 $$"))
    end)

    it("exits as shells do where the program is not to be had", function()
      local script <const> = file("#!/nowhere/sh\n", "script")
      assert(os.execute("chmod 755 " .. helper.quote(script)))
      assert.equal(127, run("{}", "/nowhere").code)
      assert.equal(127, run("{}", "no-such-program").code)
      assert.equal(127, run("{}", script).code)
      assert.equal(126, run("{}", "/dev/null").code)
      assert.equal(126, run("{}", "/").code)
      assert.equal(126, run("{}", file("no program", "text")).code)
      assert.matches("^userns: exec '/nowhere': No such file or directory\n  where: word 1 after %-%-, step %d+ of the "
        .. "plan, the child's\n", run("{}", "/nowhere").err)
      local own <const> = file "return {\n  process = {\n    '/nowhere' } }"
      local result <const> = command("run", own)
      assert.equal(127, result.code)
      assert.matches(("\n  where: %s:3, process[1], step "):format(own), result.err, 1, true)
    end)

    it("ends a program whose time is over", function()
      local result <const> = run("{ process = { timeout = 0.2 } }", "/bin/sleep", "1000")
      assert.equal(128 + 9, result.code)
      assert.matches("^userns: note: the time of the program was over after 0%.%d s\n$", result.err)
    end)

    it("prints what is captured", function()
      local both <const> = "echo out; echo err >&2; exit 3"
      assert.same({ out = "out\n", err = "err\n", code = 3 },
        run("{ process = { stdout = 'capture', stderr = 'capture' } }", "/bin/sh", "-c", both))
      assert.same({ out = "0123", err = "userns: note: the program wrote more than max_output, which was dropped\n",
        code = 0 }, run("{ process = { stdout = 'capture', max_output = 4 } }", "printf", "0123456789"))
    end)

    it("tells machines the result on standard error", function()
      local path <const> = file "return { process = { stdout = 'capture' } }"
      local result <const> = command("run", "--json", path, "--", "/bin/sh", "-c", "printf '\"'; exit 3")
      assert.same({ "", 3 }, { result.out, result.code })
      assert.matches('"exit_code":3,.*"stdout":"\\""', result.err)
      assert.matches('^{[^\n]*"degraded":%[.*}\n$', result.err)
      assert.matches('"usage":{"', result.err, 1, true)
    end)

    it("tells what is weaker than asked for, unless that is not wanted", function()
      local path <const> = file [[return {
        capabilities = { "sys_admin" }, lock_mounts = false, process = { "/bin/true" } }]]
      local note <const> = "userns: note: lock_mounts: mounts that the program can change instead "
        .. "(it keeps sys_admin over the namespace that owns them)\n"
      assert.same({ out = "", err = note, code = 0 }, command("run", path))
      assert.same(said "", command("run", "-q", path))
      assert.same(said "", command("run", path, "--quiet"))
      local plan <const> = command("plan", path)
      assert.same({ note, 0 }, { plan.err, plan.code })
    end)

    it("ends by a SIGINT that the program did not deal with, after the program", function()
      local function interrupted(script)
        local path <const> = file "return { process = { kill_after = 1000 } }"
        return interrupt(line("run", path, "--", "sh", "-c", script), "ready")
      end
      assert.same({ "", "signal", 2 }, interrupted "trap 'exit 130' INT; echo ready; while :; do sleep 0.01; done")
      assert.same({ "", "exit", 5 }, interrupted "trap 'exit 5' INT; echo ready; while :; do sleep 0.01; done")
    end)

    it("ends by a SIGINT while it reads the file", function()
      local path <const> = file "print 'ready' while true do end"
      local words <const> = line("run", path):gsub("bin/userns", function()
        return "lua5.4 -e " .. helper.quote [[
          io.stdout:setvbuf "no"
          local userns = require "userns"
          local load = userns.load
          function userns.load(path) return load(path, { print = print }) end
        ]] .. " bin/userns"
      end)
      assert.same({ "", "signal", 2 }, interrupt(words, "ready"))
    end)

    it("joins a terminal to the program's own", function()
      local path <const> = file [[return { process = { terminal = true } }]]
      local result <const> = helper.shell(("script -qec %s /dev/null </dev/null"):format(
        helper.quote(line("run", path, "--", "sh", "-c", "test -t 0 && test -t 1 && tty; exit 3"))))
      assert.matches("/dev/pts/%d+\r\n", result.out)
      assert.equal(3, result.code)
    end)
  end)

  describe("plan", function()
    local function planned(description, process)
      return tostring(assert(userns.container(description):plan(process))) .. "\n"
    end

    it("prints what the library does", function()
      local path <const> = file [[return { hostname = "box", process = { "/bin/true" } }]]
      local box <const> = { hostname = "box", process = { "/bin/true" } }
      assert.same(said(planned(box, {})), command("plan", path))
      assert.same(said(planned(box, { "/bin/echo", "a b" })), command("plan", path, "--", "/bin/echo", "a b"))
      assert.same(said(assert(userns.container(box)):plan({}):explain() .. "\n"), command("plan", "--explain", path))
      assert.same(said(planned { hostname = "box" }), command("plan", file [[return { hostname = "box" }]]))
    end)

    it("prints JSON", function()
      local path <const> = file [[
        return { hostname = "box", seccomp = "\6\0\0\0\0\0\255\127", process = { "/bin/true" } }
      ]]
      local result <const> = command("plan", "--json", path)
      assert.same({ "", 0 }, { result.err, result.code })
      assert.matches('^{"degraded":%[.*%],"steps":%[{.*}%]}\n$', result.out)
      assert.matches('{"name":"box","op":"hostname","side":"child","source":"hostname"}', result.out, 1, true)
      assert.matches('"filter":"060000000000ff7f"', result.out, 1, true)
    end)
  end)

  describe("of a file", function()
    it("tells everything that is wrong with the description, and where", function()
      local path <const> = file [[
return {
  hostnam = "box",
  mounts = {
    { type = "proc", target = "/proc" },
    {
      type = "tmpfs",
      target = "tmp",
    },
  },
  process = { cwd = "x" },
}]]
      local errors <const> = ([[
userns: hostnam is wrong
  where: FILE:2
  why:   unknown field 'hostnam' (did you mean 'hostname'?)
userns: mounts[2].target is wrong
  where: FILE:7
  why:   an absolute path is needed
userns: process.cwd is wrong
  where: FILE:10
  why:   an absolute path is needed
]]):gsub("FILE", path)
      for _, name in ipairs { "run", "plan", "check" } do
        assert.same(complained(errors), command(name, path))
      end
      local result <const> = command("run", "--json", path)
      assert.equal(125, result.code)
      assert.matches('"field":"mounts[2].target","message":"an absolute path is needed","op":"validate",'
        .. ('"where":{"file":"%s","line":7}'):format(path), result.err, 1, true)
    end)

    it("tells where a step was refused", function()
      local path <const> = file "return {\n  process = {\n    '/bin/true',\n    cwd = '/nowhere' } }"
      local result <const> = command("run", path)
      assert.equal(125, result.code)
      assert.matches("^userns: chdir '/nowhere': No such file or directory\n  where: " .. path:gsub("%p", "%%%0")
        .. ":4, process%.cwd, step %d+ of the plan, the child's\n", result.err)
      local machine <const> = command("run", path, "--json")
      assert.same({ "", 125 }, { machine.out, machine.code })
      assert.matches(('"where":{"file":"%s","line":4}'):format(path), machine.err, 1, true)
      assert.matches('"code":"ENOENT","errno":2,"field":"process.cwd"', machine.err, 1, true)
    end)

    it("tells that a program is missing", function()
      local path <const> = file "return {}"
      assert.same(complained(("userns: process[1] is wrong\n  where: %s\n  why:   missing (the program)\n"
        .. "  hint:  name the program in `process`, or after --\n"):format(path)), command("run", path))
    end)

    it("tells a word of the command line from a field of the file", function()
      local path <const> = file "return { process = {\n '/bin/true' } }"
      assert.same(complained("userns: process[1] is wrong\n  where: word 1 after --\n"
        .. "  why:   the program's name is empty\n"), command("run", path, "--", ""))
      file "return { process = {\n '' } }"
      local empty <const> = "userns: process[1] is wrong\n  where: %s:2\n  why:   the program's name is empty\n"
      assert.same(complained(empty:format(path)), command("run", path, "--", "/bin/true"))
    end)

    it("tells of a file that is none, or no description", function()
      local missing <const> = directory .. "/missing.lua"
      local name <const> = "  hint:  name a Lua file that returns a description\n"
      assert.same(complained(("userns: load '%s': No such file or directory\n%s"):format(missing, name)),
        command("run", missing))
      local path <const> = file "return {\n  a b\n}"
      local syntax <const> = "userns: load '%s': '}' expected (to close '{' at line 1) near 'b'\n  where: %s:2\n"
        .. "  hint:  correct the file's Lua\n"
      assert.same(complained(syntax:format(path, path)), command("check", path))
      assert.same(complained(("userns: load '%s': no such box\n  where: %s:3\n"):format(path, path)),
        command("plan", file "\n\nerror 'no such box'"))
      assert.same(complained(("userns: load '%s': the file returns number, not a description\n"
        .. "  hint:  end it with: return { ... }\n"):format(path)),
        command("plan", file "return 5"))
      assert.same(complained(("userns: load '%s': Is a directory\n%s"):format(directory, name)),
        command("plan", directory))
    end)

    it("takes any name", function()
      for _, name in ipairs { "sp ace.lua", "new\nline.lua", "--json", "'$(x)'", "\27[2J" } do
        local path <const> = file("return { hostname = 'any' }", name)
        assert.same(said "any\n", command("run", path, "--", "uname", "-n"))
        file("return { hostname = 5 }", name)
        local shown <const> = path:gsub("\n", "\\n"):gsub("\27", "\\x1b")
        local wrong <const> = "userns: hostname is wrong\n  where: %s:1\n  why:   string expected, got integer\n"
        assert.same(complained(wrong:format(shown)), command("run", path))
      end
    end)

    it("reads standard input for -", function()
      assert.same(said "piped\n",
        helper.shell("echo 'return { hostname = \"piped\" }' | " .. line("run", "-", "--", "uname", "-n")))
      local wrong <const> = "userns: hostname is wrong\n  where: /dev/stdin:1\n  why:   string expected, got integer\n"
      assert.same(complained(wrong), helper.shell("echo 'return { hostname = 5 }' | " .. line("run", "-")))
    end)
  end)

  describe("check", function()
    local STUB <const> = [[
      local userns = require "userns"
      local container = userns.container
      function userns.container(description)
        local box = assert(container(description))
        getmetatable(box).__index.check = function()
          return { ok = #ERRORS == 0, errors = ERRORS, degraded = DEGRADED }
        end
        return box
      end
      local error = userns.sys.error
      ERRORS, DEGRADED = {}, {}
    ]]

    local function checked(found, ...)
      return stubbed(STUB .. found, "check", ...)
    end

    it("says that all is well", function()
      local path <const> = file "return { hostname = 'box' }"
      assert.same(said(path .. ": can be run here\n"), command("check", path))
      assert.same(said(path .. ": can be run here\n"), command("check", path, "--", "true"))
      assert.same(said '{"degraded":[],"errors":[],"ok":true}\n', command("check", "--json", path))
    end)

    it("tries the description here, with its program or another", function()
      local path <const> = file [[
return {
  mounts = {
    { type = "bind", source = "/nowhere",
      target = "/mnt" },
  },
  process = { "/bin/true",
    cwd = "/nix" },
}]]
      local result <const> = command("check", path, "--", "/no/program")
      assert.same({ "", 125 }, { result.out, result.code })
      local found <const> = {}
      for what, at in result.err:gmatch "userns: (%a+ '[^']*'): No such file or directory\n  where: ([^,\n]*)" do
        found[#found + 1] = what .. " " .. at
      end
      assert.same({
        "open '/nowhere' " .. path .. ":3", "chdir '/nix' " .. path .. ":7", "exec '/no/program' word 1 after --",
      }, found)
      assert.equal(127, command("check", file "return {}", "--", "/no/program").code)
    end)

    it("tells what is weaker than asked for", function()
      local path <const> = file "return {}"
      local weaker <const> = "DEGRADED = { { feature = 'groups', used = \"the caller's\", reason = 'denied' } }"
      assert.same({
        out = path .. ": can be run here\n", err = "userns: note: groups: the caller's instead (denied)\n", code = 0,
      }, checked(weaker, path))
      assert.same(said(path .. ": can be run here\n"), checked(weaker, "-q", path))
    end)

    it("tells all that would fail, and exits as run would", function()
      local path <const> = file "return {\n  hostname = 'box',\n  process = { 'x', cwd = '/x' } }"
      local errors <const> = [[ERRORS = {
        error { op = "clone", message = "Operation not permitted", code = "EPERM", field = "namespaces",
          cause = "seccomp", why = "a filter denies it", hint = "ask for another" },
        error { op = "chdir", message = "No such file or directory", code = "ENOENT", path = "/x",
          field = "process.cwd" },
      }]]
      assert.same(complained(([[
userns: clone: Operation not permitted
  where: FILE, namespaces
  why:   a filter denies it
  hint:  ask for another
userns: chdir '/x': No such file or directory
  where: FILE:3, process.cwd
]]):gsub("FILE", path), 125), checked(errors, path))
      local result <const> = checked(errors, path, "--json")
      assert.same({ "", 125 }, { result.err, result.code })
      assert.matches('^{"degraded":%[%],"errors":%[{.*"cause":"seccomp".*"why":"a filter denies it"', result.out)
      assert.matches('"ok":false}\n$', result.out)
      assert.equal(127, checked([[
        ERRORS = { error { op = "exec", message = "No such file or directory", code = "ENOENT", field = "process[1]" } }
      ]], path).code)
    end)

    it("tells machines of a wrong description in the same form", function()
      local path <const> = file "return {\n  hostname = 5 }"
      local wrong <const> = '{"degraded":[],"errors":[{"cause":"invalid_value","code":"EINVALID","field":"hostname",'
        .. '"message":"string expected, got integer","op":"validate","where":{"file":"%s","line":2}}],"ok":false}\n'
      assert.same(said(wrong:format(path), 125), command("check", "--json", path))
    end)
  end)

  describe("features", function()
    it("are printed as the library has them", function()
      local names <const>, printed <const> = {}, {}
      for i, feature in ipairs(require "userns.features".list()) do
        names[i] = feature.name
      end
      local result <const> = command "features"
      assert.same({ "", 0 }, { result.err, result.code })
      for name in result.out:gmatch("(%S+)[^\n]*\n") do
        printed[#printed + 1] = name
      end
      assert.same(names, printed)
    end)

    it("are plain data for machines", function()
      local result <const> = command("features", "--json")
      assert.same({ "", 0 }, { result.err, result.code })
      assert.matches('"namespaces":{"cgroup":{"available":true', result.out, 1, true)
    end)
  end)

  describe("list", function()
    it("has the namespaces of the machine in columns", function()
      local own <close> = assert(sys.namespace("uts", "self"))
      local result <const> = command("list", "uts")
      assert.same({ "", 0 }, { result.err, result.code })
      assert.matches("^NAMESPACE  +TYPE  PROCESSES  +PID  +OWNER  +COMMAND\n", result.out)
      assert.matches(("\n%d  uts   %%d+ +%%d+ +[%%d-]+ +%%S"):format(own:id()), result.out)
      for row in result.out:gmatch("\n(%d[^\n]*)") do
        assert.matches("^%d+ +uts ", row)
      end
      local all <const> = command("list").out
      for _, type in ipairs { "net", "user" } do
        assert.matches("\n%d+ +" .. type .. " ", all)
      end
    end)

    it("keeps other people's command lines from the terminal", function()
      local box <const> = assert(userns.container {})
      local process <close> = assert(box:spawn { "/bin/cat", argv0 = "\27[2J\nuser", stdin = "pipe" })
      local result <const> = command("list", "uts")
      assert.matches(("  %d +%%d+ +\\x1b%%[2J\\nuser\n"):format(process.pid), result.out)
    end)

    it("prints JSON", function()
      local box <const> = assert(userns.container {})
      local process <close> = assert(box:spawn { "/bin/cat", "--", "-", stdin = "pipe" })
      local namespace <close> = assert(process:namespace "net")
      assert.matches(('{"command":"/bin/cat -- -","id":%d,"owner":%d,"pid":%d,"processes":1,"type":"net"}'):format(
        namespace:id(), namespace:owner(), process.pid), command("list", "--json").out, 1, true)
      assert.equal("[]\n", stubbed("require('userns').namespaces = function() return {} end", "list", "--json").out)
    end)
  end)

  describe("with standard output that takes nothing", function()
    local function long()
      return file [[
        local mounts = {}
        for i = 1, 5000 do
          mounts[i] = { type = "tmpfs", target = "/tmp" }
        end
        return { mounts = mounts, process = { "/bin/true" } }
      ]]
    end

    local function into_head(words)
      return helper.shell("exec bash -c " .. helper.quote(words .. " | head -n 1 >/dev/null; exit ${PIPESTATUS[0]}"))
    end

    it("ends as programs do whose reader has gone", function()
      assert.same(said("", 128 + 13), into_head(line("plan", long())))
    end)

    it("says so where it can", function()
      local deaf <const> = line("plan", long()):gsub("=INT,PIPE", "=INT --ignore-signal=PIPE")
      assert.same(complained "userns: write 'standard output': Broken pipe\n", into_head(deaf))
      assert.same(complained "userns: write 'standard output': No space left on device\n",
        helper.shell(line "--version" .. " >/dev/full"))
      assert.same(complained "userns: write 'standard output': Bad file descriptor\n",
        helper.shell(line "--version" .. " >&-"))
    end)
  end)

  it("has colours on a terminal only, and only where they are wanted", function()
    local path <const> = file "return { hostname = 5 }"
    local function shown(environment)
      return helper.shell(("env -u NO_COLOR TERM=xterm %s script -qec %s /dev/null </dev/null"):format(environment,
        helper.quote(line("run", path)))).out
    end
    assert.matches("^\27%[1;31muserns:\27%[0m \27%[1mhostname is wrong\27%[0m\r\n\27%[2m  where: \27%[0m", shown "")
    assert.matches("\27[", shown "NO_COLOR=", 1, true)
    assert.is_nil(shown("NO_COLOR=1"):find("\27", 1, true))
    assert.is_nil(shown("TERM=dumb"):find("\27", 1, true))
    assert.is_nil(command("run", path).err:find("\27", 1, true))
  end)

  it("prints completions that shells take", function()
    for _, shell in ipairs { "bash", "zsh", "fish" } do
      local complete <const> = require "userns.command.complete"
      assert.same(said(complete[shell]()), command("completion", shell))
    end
  end)

  it("completes in bash", function()
    local function completed(...)
      return helper.shell(([[bash -s userns %s <<'END'
        eval "$(%s)"
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
        _userns
        printf '%%s\n' "${COMPREPLY[@]}"
END]]):format(table.concat({ ... }, " "), line("completion", "bash"))).out
    end
    assert.equal("completion\n", completed "com")
    assert.equal("bash\nzsh\nfish\n", completed("completion", "''"))
    assert.equal("--json\n", completed("check", "--j"))
    assert.matches("\n1\n", "\n" .. completed("enter", "1"))
    assert.equal("\n", completed("enter", "/"), "names of files are bash's own")
    local programs <const> = completed("run", "box.lua", "--", "un")
    assert.matches("\nuname\n", "\n" .. programs)
    assert.is_nil(("\n" .. programs):find "\nuntil\n", "a word of the shell's")
  end)
end)
