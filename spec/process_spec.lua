local helper = require "spec.helper"
local sys = require "userns.sys"
local userns = require "userns"

local errno <const>, refusal <const> = helper.errno, helper.refusal
local is_root <const> = helper.privilege == "root"

-- In a pid namespace of its own a program is process 1, whom most signals do
-- not reach.
local ORDINARY <const> = { share = "pid" }

local box <const> = assert(userns.container {})
local ordinary <const> = assert(userns.container(ORDINARY))

local function capture(process)
  process.stdout = "capture"
  return assert(box:run(process)).stdout
end

--- What a shell script prints.
local function shell(script, fields)
  return helper.inside({}, script, fields)
end

--- Waits until something is so; a spec that it never becomes hangs not for ever.
local function eventually(test)
  for _ = 1, 200 do
    if test() then
      return true
    end
    os.execute("sleep 0.05")
  end
  return false
end

local function runs(pid)
  local file <close> = io.open(("/proc/%d/stat"):format(pid))
  local state <const> = file and file:read("a"):match("%) (%a)")
  return state ~= nil and state ~= "Z"
end

local function kill(pid)
  local process <close> = assert(sys.pidfd_open(pid))
  assert(process:kill())
end

describe("a process", function()
  local dir

  before_each(function()
    dir = helper.set_up()
  end)

  after_each(helper.tear_down)

  local function put(name, content, mode)
    local path <const> = dir .. "/" .. name
    helper.write(path, content)
    assert(os.execute(("chmod %s %s"):format(mode or "644", path)))
    return path
  end

  describe("has arguments", function()
    it("as they were given", function()
      assert.equal("[a b][][c\nd][\xff\xfe\x80][*$x'\"\\]", capture {
        "/usr/bin/printf", "[%s]", "a b", "", "c\nd", "\xff\xfe\x80", "*$x'\"\\",
      })
    end)

    it("by the thousand", function()
      local process <const> = { "/bin/echo" }
      for i = 1, 10000 do
        process[i + 1] = tostring(i)
      end
      assert.equal(table.concat(process, " ", 2) .. "\n", capture(process))
    end)

    it("that are not larger than the kernel takes", function()
      assert.equal(131071 - 1, #capture { "/usr/bin/printf", "%s", ("x"):rep(131070) })
      assert.same({
        op = "exec", syscall = "execve", code = "E2BIG", errno = 7, message = "Argument list too long",
        path = "/bin/true", field = "process[1]",
      }, (refusal({}, { "/bin/true", ("x"):rep(131072) })))
    end)

    it("and a name of its own", function()
      assert.equal("/bin/cat\n", capture { "/bin/cat", "/proc/self/cmdline" }:match("^[^\0]*") .. "\n")
      assert.equal("other name", capture { "/bin/cat", "/proc/self/cmdline", argv0 = "other name" }:match("^[^\0]*"))
    end)
  end)

  describe("has an environment", function()
    local function environment(fields)
      fields[1] = "/usr/bin/env"
      local list <const> = {}
      for line in capture(fields):gmatch("[^\n]+") do
        list[#list + 1] = line:match("^[^=]+")
      end
      table.sort(list)
      return table.concat(list, " ")
    end

    -- What a program has from a host whose environment is known.
    local function of_host(process)
      return helper.output(([[
        local box = require "userns".container {}
        local process = %s
        process[1], process.stdout = "/usr/bin/env", "capture"
        local list = {}
        for line in box:run(process).stdout:gmatch("[^\n]+") do
          list[#list + 1] = line
        end
        table.sort(list)
        io.write(table.concat(list, " "))
      ]]):format(process), "env TERM=dumb LANG=C TZ=UTC HOME=/somewhere SECRET=1 OTHER=2")
    end

    local PATH <const> = os.getenv("PATH")

    it("of five variables of the host's", function()
      assert.equal(("HOME=/somewhere LANG=C PATH=%s TERM=dumb TZ=UTC"):format(PATH), of_host "{}")
    end)

    it("that has more of the host's where it is told", function()
      assert.equal(("HOME=/somewhere LANG=C OTHER=2 PATH=%s TERM=dumb TZ=UTC"):format(PATH),
        of_host [[{ inherit_env = { "OTHER", "NONE" } }]])
      local all <const> = of_host "{ inherit_env = true }"
      assert.truthy(all:find(" OTHER=2 ", 1, true))
      assert.truthy(all:find(" SECRET=1 ", 1, true))
    end)

    it("over which variables are laid", function()
      assert.equal(("HOME=/somewhere LANG=de PATH=%s TERM=dumb TZ=UTC X="):format(PATH),
        of_host [[{ env = { LANG = "de", X = "" } }]])
    end)

    it("that always has a PATH", function()
      assert.truthy(environment {}:find("PATH", 1, true))
    end)

    it("of any bytes", function()
      local value <const> = "a b\nc\xff=d"
      assert.equal("V=" .. value, capture { "/bin/cat", "/proc/self/environ", env = { V = value } }:match("V=[^\0]*"))
    end)

    it("from the description, variable by variable", function()
      local other <const> = assert(userns.container { process = { env = { A = "1", B = "2" }, cwd = "/usr" } })
      local result <const> = assert(other:run {
        "/bin/sh", "-c", "echo $A $B $C; pwd", env = { B = "3", C = "4" }, stdout = "capture",
      })
      assert.equal("1 3 4\n/usr\n", result.stdout)
    end)
  end)

  describe("is looked for in PATH", function()
    it("inside the container", function()
      put("prog", "#!/bin/sh\necho found\n", "755")
      local description <const> = helper.tree { { type = "bind", source = dir, target = "/opt/bin" } }
      local process <const> = { "prog", env = { PATH = "/opt/bin" }, stdout = "capture" }
      assert.equal("found\n", helper.run(description, process).stdout)
    end)

    it("past directories that lack it or are none", function()
      put("file", "")
      local path <const> = ("/none:%s/file:%s:/bin/"):format(dir, dir)
      assert.equal("found\n", capture { "echo", "found", env = { PATH = path } })
    end)

    it("past a file that may not be executed", function()
      put("echo", "no program")
      assert.equal("found\n", capture { "echo", "found", env = { PATH = dir .. ":/bin" } })
    end)

    it("which names that file if there is no other", function()
      put("prog", "no program")
      assert.same(errno("EACCES", { op = "exec", syscall = "execve", path = dir .. "/prog", field = "process[1]" }),
        (refusal({}, { "prog", env = { PATH = dir .. ":/bin" } })))
    end)

    it("but not past one that the kernel does not understand", function()
      put("echo", "no program", "755")
      assert.same(errno("ENOEXEC", { op = "exec", syscall = "execve", path = dir .. "/echo", field = "process[1]" }),
        (refusal({}, { "echo", env = { PATH = "/none:" .. dir .. ":/bin" } })))
    end)

    it("and named as it was asked for, if it is not there", function()
      for _, path in ipairs { "/none:/bin", "" } do
        assert.same(errno("ENOENT", { op = "exec", syscall = "execve", path = "nonesuch", field = "process[1]" }),
          (refusal({}, { "nonesuch", env = { PATH = path } })))
      end
    end)

    it("unless its name has a slash", function()
      put("prog", "#!/bin/sh\necho found\n", "755")
      assert.equal("found\n", capture { "./prog", cwd = dir, env = { PATH = "/bin" } })
    end)
  end)

  describe("is not started, says the error,", function()
    local function exec_error(code, path)
      return errno(code, { op = "exec", syscall = "execve", path = path, field = "process[1]" })
    end

    local function chdir_error(code, path)
      return errno(code, { op = "chdir", syscall = "openat2", path = path, field = "process.cwd" })
    end

    it("if there is no such program", function()
      assert.same(exec_error("ENOENT", "/none"), (refusal({}, { "/none" })))
      assert.same(exec_error("ENOENT", "/bin/true/none"), (refusal({}, { "/bin/true/none" })))
    end)

    it("if its interpreter is missing", function()
      local path <const> = put("script", "#!/none/such\n", "755")
      assert.same(exec_error("ENOENT", path), (refusal({}, { path })))
    end)

    it("if it may not be executed", function()
      local path <const> = put("file", "#!/bin/sh\n")
      assert.same(exec_error("EACCES", path), (refusal({}, { path })))
      assert.same(exec_error("EACCES", dir), (refusal({}, { dir })))
    end)

    it("if the kernel does not know its format", function()
      local path <const> = put("file", "no program", "755")
      assert.same(exec_error("ENOEXEC", path), (refusal({}, { path })))
    end)

    it("if symbolic links lead to it in a circle", function()
      assert(os.execute(("ln -s b %s/a && ln -s a %s/b"):format(dir, dir)))
      assert.same(exec_error("ELOOP", dir .. "/a"), (refusal({}, { dir .. "/a" })))
    end)

    it("if its working directory is missing or none", function()
      assert.same(chdir_error("ENOENT", "/none"), (refusal({}, { "/bin/true", cwd = "/none" })))
      assert.same(chdir_error("ENOTDIR", put("file", "")), (refusal({}, { "/bin/true", cwd = dir .. "/file" })))
    end)

    it("if its working directory is reached through a magic link, which can lead out", function()
      for _, path in ipairs { "/proc/self/fd/0", "/proc/self/root/usr", "/proc/thread-self/cwd" } do
        assert.same(chdir_error("ELOOP", path), (refusal({}, { "/bin/true", cwd = path })))
      end
    end)

    it("if its working directory is outside the root", function()
      assert.same(chdir_error("ENOENT", dir), (refusal(helper.tree(), { "/bin/true", cwd = dir })))
    end)

    it("if one of its descriptors is closed", function()
      for _, name in ipairs { "stdin", "stdout", "stderr" } do
        assert.same(errno("EBADF", { op = "descriptors", syscall = "fcntl", field = "process." .. name }),
          (refusal({}, { "/bin/true", [name] = 250 })))
      end
      assert.same(errno("EBADF", { op = "descriptors", syscall = "fcntl", field = "process.fds[7]" }),
        (refusal({}, { "/bin/true", fds = { [7] = 250 } })))
    end)

    it("if it has more processes than the limit allows", function()
      local script <const> = [[
        local helper = require "spec.helper"
        local description, uid = %s, %s
        local p <close> = require "userns".container(description):spawn { "/bin/cat", stdin = "pipe", uid = uid }
        assert(os.execute "prlimit --pid $PPID --nproc=0")
        local fields = helper.refusal(description, { "/bin/true", uid = uid })
        print(fields.op, fields.syscall, fields.code, fields.errno)
      ]]
      if is_root then -- whom no limit binds, but any other that it becomes
        assert.equal("exec\texecve\tEAGAIN\t11\n", helper.output(script:format("{ namespaces = {} }", 12345)))
      else
        assert.equal("clone\tclone3\tEAGAIN\t11\n", helper.output(script:format("{}", "nil")))
      end
    end)

    it("if descriptors run out, at whatever step", function()
      local script <const> = [[
        local box = require "userns".container {
          root = { type = "tmpfs" }, mounts = { { type = "bind", source = "/usr", target = "/usr" } },
        }
        local sys = require "userns.sys"
        local function count()
          local open = 0
          for fd = 0, 31 do
            open = open + (sys.fileno(fd) and 1 or 0)
          end
          return open
        end
        local files, ops, file = {}, {}, nil
        repeat
          file = io.open("/dev/null")
          files[#files + 1] = file
        until not file
        local process, err = { "/none", stdin = "pipe", stdout = "capture", stderr = "pipe" }, nil
        repeat
          local before = count()
          err = select(2, box:spawn(process))
          assert(count() == before)
          ops[err.op] = true
          assert(err.code == "EMFILE" and err.errno == 24 and err.syscall or err.code == "ENOENT", tostring(err))
          table.remove(files):close()
        until err.code == "ENOENT"
        print(ops.clone, ops.descriptors, err.op)
      ]]
      assert.equal("true\ttrue\texec\n", helper.output(script, "prlimit --nofile=32:32"))
    end)

    it("twenty times over, and nothing is left behind", function()
      for _ = 1, 20 do
        local p <const>, err <const> = box:spawn {
          "/none", stdin = "pipe", stdout = "capture", stderr = "pipe", fds = { [9] = 1 },
        }
        assert.is_nil(p)
        assert.equal("ENOENT", err.code)
      end
    end)
  end)

  describe("has a working directory", function()
    it("that is / where none is given", function()
      assert.equal("/\n", shell "pwd -P")
    end)

    it("that can be any", function()
      local path <const> = dir .. "/a b\n\xff"
      assert(os.execute("mkdir " .. helper.quote(path)))
      assert.equal(path .. "\n", shell("pwd -P", { cwd = path }))
    end)

    it("that symbolic links may lead to", function()
      assert(os.execute("ln -s /usr/bin " .. dir .. "/link"))
      assert.equal(helper.shell("cd /usr/bin; pwd -P").out, shell("pwd -P", { cwd = dir .. "/link" }))
    end)
  end)

  describe("has ids", function()
    local function ids(description, fields)
      return helper.inside(description, "sed -n 's/^[UG][ri][do]*[ups]*:\\t//p' /proc/self/status", fields)
    end

    it("of the container's root, in every set", function()
      assert.equal("0\t0\t0\t0\n0\t0\t0\t0\n", ids({}, {}):match("^[^\n]*\n[^\n]*\n"))
    end)

    it("that must be mapped", function()
      for _, kind in ipairs { "uid", "gid" } do
        local fields <const>, advice <const> = refusal({}, { "/bin/true", [kind] = 5 })
        assert.same(helper.invalid("process." .. kind, "5 is not mapped by " .. kind .. "_map", advice), fields)
        assert.equal("id_unmapped", advice.cause)
      end
    end)

    if is_root then
      local RANGE <const> = { { inside = 0, outside = 100000, count = 65536 } }
      local description <const> = { uid_map = RANGE, gid_map = RANGE }

      it("of its own, with groups", function()
        assert.equal("5\t5\t5\t5\n6\t6\t6\t6\n7 8 \n", ids(description, { uid = 5, gid = 6, groups = { 8, 7 } }))
        assert.equal("5\t5\t5\t5\n0\t0\t0\t0\n \n", ids(description, { uid = 5 }):gsub("\n\n", "\n \n"))
      end)

      it("of its own in the host's user namespace", function()
        assert.equal("5\t5\t5\t5\n6\t6\t6\t6\n7 8 \n",
          ids({ namespaces = {} }, { uid = 5, gid = 6, groups = { 7, 8 } }))
      end)
    else
      it("but no groups, which the caller may not give", function()
        local fields <const> = refusal({}, { "/bin/true", groups = { 0 } })
        fields.message, fields.problems = nil, nil
        assert.equal("process.groups", fields.field)
      end)

      it("that are the caller's in the host's user namespace", function()
        local uid <const>, gid <const> = helper.uid, helper.gid
        assert.equal(("%d\t%d\t%d\t%d\n%d\t%d\t%d\t%d\n"):format(uid, uid, uid, uid, gid, gid, gid, gid),
          ids({ namespaces = {} }, {}):match("^[^\n]*\n[^\n]*\n"))
      end)
    end
  end)

  describe("has a umask", function()
    it("that is 022 where none is given", function()
      assert.equal("0022\n", shell "umask")
    end)

    it("as a number or an octal string", function()
      assert.equal("0077\n", shell("umask", { umask = "077" }))
      assert.equal("0007\n", shell("umask", { umask = 7 }))
    end)
  end)

  describe("reads", function()
    it("the host's standard input", function()
      local script <const> = [[
        require "userns".container {}:run { "/bin/cat" }
      ]]
      assert.equal("word\n", helper.output(script, [[sh -c 'echo word | "$@"' sh]]))
    end)

    it("nothing", function()
      assert.equal("", shell("cat", { stdin = "null" }))
    end)

    it("nothing where the host's standard input is closed", function()
      local script <const> = [[
        require "userns".container {}:run { "/bin/sh", "-c", "readlink /proc/self/fd/0; ls /proc/self/fd" }
      ]]
      assert.equal("/dev/null\n0\n1\n2\n3\n", helper.output(script, [[sh -c '"$@" <&-' sh]]))
    end)

    it("a string", function()
      assert.equal("a\0b\xff\n", shell("cat", { input = "a\0b\xff\n" }))
      assert.equal("", shell("cat", { input = "" }))
    end)

    it("a string as far as it wants", function()
      assert.equal("x\n", shell("head -c 1; echo", { input = ("x"):rep(1 << 20) }))
      assert.equal("", shell("true", { input = ("x"):rep(1 << 20) }))
      assert.equal("done\n", shell("exec <&-; echo done", { input = ("x"):rep(1 << 20) }))
    end)

    it("an io file, from where the host has read to", function()
      local file <close> = assert(io.open(put("file", "first\nsecond\n")))
      assert.equal("first", file:read())
      assert.equal("second\n", shell("cat", { stdin = file }))
    end)

    it("a descriptor, by its number or handle", function()
      put("file", "content\n")
      for _, form in ipairs { function(fd) return fd:fileno() end, function(fd) return fd end } do
        local fd <close> = assert(sys.open(dir .. "/file"))
        assert.equal("content\n", shell("cat", { stdin = form(fd) }))
      end
    end)

    it("a pipe, as soon as the host writes", function()
      local p <close> = assert(box:spawn { "/bin/cat", stdin = "pipe", stdout = "pipe" })
      assert.equal("file", io.type(p.stdin))
      for _, word in ipairs { "one", "two" } do
        p.stdin:write(word, "\n")
        assert.equal(word, p.stdout:read())
      end
      p.stdin:close()
      assert.equal(0, assert(p:wait()).exit_code)
    end)
  end)

  describe("writes", function()
    it("to the host's standard output and error, after what the host has written", function()
      local script <const> = [[
        io.write("before\n")
        require "userns".container {}:run { "/bin/sh", "-c", "echo out; echo err >&2" }
        io.write("after\n")
      ]]
      local result <const> = helper.lua(script)
      assert.same({ out = "before\nout\nafter\n", err = "err\n", code = 0 }, result)
    end)

    it("nowhere", function()
      local result <const> = assert(box:run { "/bin/sh", "-c", "echo x; echo y >&2", stdout = "null", stderr = "null" })
      assert.same({ 0, nil, nil }, { result.exit_code, result.stdout, result.stderr })
    end)

    it("into the result", function()
      local result <const> = assert(box:run {
        "/bin/sh", "-c", "printf 'o\\0\\377'; printf e >&2", stdout = "capture", stderr = "capture",
      })
      assert.same({ "o\0\xff", "e" }, { result.stdout, result.stderr })
    end)

    it("into the result, which is empty then and not nil", function()
      assert.equal("", capture { "/bin/true" })
    end)

    it("into a pipe", function()
      local p <close> = assert(box:spawn {
        "/bin/sh", "-c", "echo out; echo err >&2", stdout = "pipe", stderr = "pipe",
      })
      assert.same({ "out\n", "err\n" }, { p.stdout:read("a"), p.stderr:read("a") })
      local result <const> = assert(p:wait())
      assert.same({ 0, nil, nil }, { result.exit_code, result.stdout, result.stderr })
    end)

    it("into an io file, after what the host has written and before what it writes then", function()
      local file <close> = assert(io.open(dir .. "/file", "w"))
      file:write("before\n")
      assert(box:run { "/bin/echo", "inside", stdout = file })
      file:write("after\n")
      file:flush()
      assert.equal("before\ninside\nafter\n", helper.read(dir .. "/file"))
    end)

    it("to a descriptor, by its number or handle", function()
      for _, form in ipairs { function(fd) return fd:fileno() end, function(fd) return fd end } do
        local fd <close> = assert(sys.open(dir .. "/file", { "write", "create", "truncate" }))
        assert(box:run { "/bin/sh", "-c", "echo err >&2", stderr = form(fd) })
        assert.equal("err\n", helper.read(dir .. "/file"))
      end
    end)

    it("standard error where standard output goes, wherever that is", function()
      local both <const> = { "/bin/sh", "-c", "echo out; echo err >&2", stderr = "stdout" }
      both.stdout = "capture"
      local result <const> = assert(box:run(both))
      assert.same({ "out\nerr\n", nil }, { result.stdout, result.stderr })

      both.stdout = "pipe"
      local p <close> = assert(box:spawn(both))
      assert.equal("out\nerr\n", p.stdout:read("a"))
      assert.is_nil(p.stderr)

      local file <close> = assert(io.open(dir .. "/file", "w"))
      both.stdout = file
      assert(box:run(both))
      assert.equal("out\nerr\n", helper.read(dir .. "/file"))

      both.stdout = "null"
      assert.is_nil(assert(box:run(both)).stdout)

      assert.same({ out = "out\nerr\n", err = "", code = 0 }, helper.lua [[
        require "userns".container {}:run { "/bin/sh", "-c", "echo out; echo err >&2", stderr = "stdout" }
      ]])
    end)

    it("ten MiB while it reads ten, and nobody waits for the other", function()
      local input <const> = ("0123456789abcde\n"):rep(10 << 16)
      local result <const> = assert(box:run { "/bin/cat", input = input, stdout = "capture" })
      assert.truthy(input == result.stdout)
    end)

    it("ten MiB to each of two streams at once", function()
      local result <const> = assert(box:run {
        "/bin/sh", "-c", "head -c 10485760 /dev/zero & head -c 10485760 /dev/zero >&2; wait",
        stdout = "capture", stderr = "capture",
      })
      assert.same({ 10485760, 10485760 }, { #result.stdout, #result.stderr })
    end)

    it("no more than max_output into the result; the rest is dropped and does not stop it", function()
      local result <const> = assert(box:run {
        "/bin/sh", "-c", "head -c 1048576 /dev/zero; printf abc >&2; exit 3", stdout = "capture", stderr = "capture",
        max_output = "1K",
      })
      assert.same({ 3, 1024, "abc", true }, { result.exit_code, #result.stdout, result.stderr, result.truncated })
    end)

    it("as much as max_output without loss", function()
      for size, truncated in pairs { [3] = false, [2] = true, [0] = true } do
        local result <const> = assert(box:run { "/usr/bin/printf", "abc", stdout = "capture", max_output = size })
        assert.same({ ("abc"):sub(1, size), truncated }, { result.stdout, result.truncated })
      end
    end)

    it("into the result until it ends, whoever else still writes", function()
      local result <const> = assert(ordinary:run {
        "/bin/sh", "-c", "echo before; sleep 1000 & echo $!", stdout = "capture",
      })
      local pid <const> = math.tointeger(tonumber(result.stdout:match("^before\n(%d+)\n$")))
      assert.truthy(runs(pid))
      kill(pid)
    end)

    it("into the result until it ends, even if another never stops writing", function()
      local result <const> = assert(ordinary:run { "/bin/sh", "-c", "yes & echo", stdout = "capture", max_output = 1 })
      assert.equal(0, result.exit_code)
    end)
  end)

  describe("has descriptors", function()
    it("0 to 2 and no others", function()
      local leak <close> = assert(io.open("/dev/null")) -- fopen(3) knows no O_CLOEXEC
      assert.equal("file", io.type(leak))
      assert.equal("0\n1\n2\n3\n", shell "ls /proc/self/fd")
    end)

    it("besides, by number, file and handle", function()
      local a <close> = assert(io.open(put("a", "aaa\n")))
      local b <close> = assert(sys.open(put("b", "bbb\n")))
      local c <close> = assert(sys.open(put("c", "ccc\n")))
      assert.equal("aaa\nbbb\nccc\n0\n1\n2\n3\n9\n20\n",
        capture {
          "/bin/bash", "-c", "cat <&3; cat <&9; cat <&20; ls /proc/self/fd | sort -n | grep -v ^4",
          stdin = "null", fds = { [3] = a, [9] = b:fileno(), [20] = c },
        })
    end)

    it("that change places", function()
      local a <close> = assert(sys.open(put("a", "aaa\n")))
      local b <close> = assert(sys.open(put("b", "bbb\n")))
      local x <const>, y <const> = a:fileno(), b:fileno()
      assert.equal("bbb\naaa\n", capture {
        "/bin/bash", "-c", ("cat <&%d; cat <&%d"):format(x, y), fds = { [x] = y, [y] = x },
      })
    end)

    it("that are several times the same", function()
      local a <close> = assert(sys.open(put("a", "one\ntwo\n")))
      local n <const> = a:fileno()
      assert.equal("one\ntwo\n", capture {
        "/bin/bash", "-c", ("read x <&%d; echo $x; cat <&%d"):format(n, n + 1),
        stdin = "null", fds = { [n] = n, [n + 1] = n, [n + 2] = n },
      })
    end)

    it("of standard streams that change places", function()
      local script <const> = [[
        require "userns".container {}:run { "/bin/sh", "-c", "echo out; echo err >&2", stdout = 2, stderr = 1 }
      ]]
      assert.same({ out = "err\n", err = "out\n", code = 0 }, helper.lua(script))
    end)

    it("up to the last that its limit allows", function()
      local script <const> = [[
        local file = io.open("/dev/null")
        local function last(n)
          local _, err = require "userns".container {}:run {
            "/bin/bash", "-c", "ls /proc/self/fd | sort -n | tail -1", fds = { [n] = file },
          }
          return err and err.code
        end
        print(last(99))
        print(last(100))
      ]]
      assert.equal("99\nnil\nEBADF\n", helper.output(script, "prlimit --nofile=100"))
    end)
  end)

  describe("ends", function()
    it("with a code", function()
      for _, code in ipairs { 0, 1, 126, 127, 255 } do
        local result <const> = assert(box:run { "/bin/sh", "-c", "exit " .. code })
        assert.same({ code, nil, code == 0 }, { result.exit_code, result.signal, result.ok })
      end
    end)

    it("by a signal", function()
      for _, name in ipairs { "SIGTERM", "SIGSEGV", "SIGKILL", "SIGABRT" } do
        local result <const> = assert(ordinary:run { "/bin/sh", "-c", "kill -" .. name:sub(4) .. " $$" })
        assert.same({ nil, name, false, false }, { result.exit_code, result.signal, result.ok, result.core_dumped })
      end
    end)

    it("with a result that is complete", function()
      local result <const> = helper.fields(assert(box:run { "/bin/true" }))
      assert.equal("float", math.type(result.duration))
      assert.truthy(result.duration > 0)
      assert.truthy(result.usage.user_time >= 0 and result.usage.system_time >= 0)
      result.duration, result.usage.user_time, result.usage.system_time = nil, nil, nil
      if helper.privilege ~= "user" or #sys.getgroups() <= 1 then
        assert.same({}, result.degraded)
      end
      result.degraded = nil
      assert.same({
        ok = true, exit_code = 0, core_dumped = false, timed_out = false, oom_killed = false, truncated = false,
        usage = {},
      }, result)
    end)

    it("having used time, which is counted", function()
      local result <const> = assert(box:run { "/bin/sh", "-c", "i=0; while [ $i -lt 50000 ]; do i=$((i+1)); done" })
      assert.truthy(result.usage.user_time + result.usage.system_time > 0)
      assert.truthy(result.duration >= result.usage.user_time / 8)
    end)

    it("with all it started, in its pid namespace", function()
      local p <close> = assert(box:spawn {
        "/bin/sh", "-c", "sleep 1000 & echo; read x", stdin = "pipe", stdout = "pipe",
      })
      p.stdout:read()
      local children <const> = {}
      for _, pid in ipairs(sys.processes()) do
        local file <close> = io.open(("/proc/%d/stat"):format(pid))
        local parent <const> = file and file:read("a"):match("%) %a (%d+)")
        children[#children + 1] = tonumber(parent) == p.pid and pid or nil
      end
      assert.equal(1, #children)
      p.stdin:close()
      assert(p:wait())
      assert.falsy(runs(children[1]))
    end)
  end)

  describe("runs out of time", function()
    it("and is killed, which is a result and no error", function()
      local result <const> = assert(box:run { "/bin/sleep", "1000", timeout = 0.05 })
      assert.same({ true, nil, "SIGKILL", false }, { result.timed_out, result.exit_code, result.signal, result.ok })
    end)

    it("and is told so by the signal of its spec", function()
      local result <const> = assert(box:run {
        "/bin/sh", "-c", "trap 'echo told; exit 5' TERM; echo ready; while :; do sleep 0.02; done",
        stdout = "capture", timeout = 0.2, kill_signal = "SIGTERM", kill_after = 100,
      })
      assert.same({ true, 5, "ready\ntold\n" }, { result.timed_out, result.exit_code, result.stdout })
    end)

    it("and is killed if it does not mind", function()
      for _, signal in ipairs { "TERM", 15 } do
        local result <const> = assert(box:run {
          "/bin/sh", "-c", "trap '' TERM; while :; do sleep 0.02; done", timeout = 0.05, kill_signal = signal,
          kill_after = 0.05,
        })
        assert.same({ true, "SIGKILL" }, { result.timed_out, result.signal })
      end
    end)

    it("with what it has written so far", function()
      local result <const> = assert(box:run {
        "/bin/sh", "-c", "echo partial; sleep 1000", stdout = "capture", timeout = 0.2,
      })
      assert.same({ true, "partial\n" }, { result.timed_out, result.stdout })
    end)

    it("not if it ended in time and was asked late", function()
      local p <close> = assert(box:spawn { "/bin/true", timeout = 0.5 })
      assert(eventually(function() return not runs(p.pid) end))
      os.execute("sleep 0.6")
      assert.same({ false, 0 }, { p:wait().timed_out, p:wait().exit_code })
    end)

    it("not if it has none to run out of", function()
      local result <const> = assert(box:run { "/bin/true", timeout = 1000 })
      assert.same({ false, 0 }, { result.timed_out, result.exit_code })
    end)
  end)

  describe("is waited for", function()
    it("for ever, and its result does not change", function()
      local p <close> = assert(box:spawn { "/bin/sh", "-c", "exit 4" })
      local result <const> = assert(p:wait())
      assert.equal(4, result.exit_code)
      assert.equal(result, p:wait())
      assert.equal(result, p:wait(0))
    end)

    it("for some time, after which it still runs", function()
      local p <close> = assert(box:spawn { "/bin/cat", stdin = "pipe" })
      for _, seconds in ipairs { 0, 0.01, 1e-9 } do
        local result <const>, err <const> = p:wait(seconds)
        assert.is_nil(result)
        assert.same({ op = "wait", code = "ETIMEDOUT", message = "the process has not ended" }, helper.fields(err))
      end
      p.stdin:close()
      assert.equal(0, assert(p:wait(1000)).exit_code)
    end)

    it("and its output is read meanwhile", function()
      local p <close> = assert(box:spawn { "/bin/sh", "-c", "head -c 1048576 /dev/zero", stdout = "capture" })
      local result
      repeat
        result = p:wait(0.01)
      until result
      assert.equal(1048576, #result.stdout)
    end)

    it("with a number of seconds", function()
      local p <close> = assert(box:spawn { "/bin/true" })
      for _, wrong in ipairs { -1, 0 / 0, "1", {} } do
        assert.error_matches(function() p:wait(wrong) end, "bad argument #1 to 'wait' %(seconds, 0 or more%)")
      end
      assert.equal(0, assert(p:wait(math.huge)).exit_code)
    end)

    it("in a coroutine", function()
      local result <const> = coroutine.wrap(function()
        return box:run { "/bin/cat", input = "word", stdout = "capture" }
      end)()
      assert.equal("word", result.stdout)
    end)

    it("by two at once", function()
      local a <close> = assert(box:spawn { "/bin/cat", stdin = "pipe", stdout = "capture" })
      local b <close> = assert(box:spawn { "/bin/cat", stdin = "pipe", stdout = "capture" })
      a.stdin:write("a")
      a.stdin:close()
      assert.equal("a", assert(a:wait()).stdout) -- b has not got a's end of the pipe
      b.stdin:write("b")
      b.stdin:close()
      assert.equal("b", assert(b:wait()).stdout)
    end)
  end)

  describe("is sent a signal", function()
    it("and dies of it", function()
      local p <close> = assert(box:spawn { "/bin/cat", stdin = "pipe" })
      assert.is_true(p:kill())
      assert.equal("SIGKILL", assert(p:wait()).signal)
    end)

    it("by name or number", function()
      for _, signal in ipairs { "TERM", "SIGTERM", 15 } do
        local p <close> = assert(ordinary:spawn { "/bin/cat", stdin = "pipe" })
        assert.is_true(p:kill(signal))
        assert.equal("SIGTERM", assert(p:wait()).signal)
      end
    end)

    it("that it handles, as process 1 too", function()
      local p <close> = assert(box:spawn {
        "/bin/sh", "-c", "trap 'exit 7' TERM; echo ready; while :; do sleep 0.02; done", stdout = "pipe",
      })
      p.stdout:read()
      assert.is_true(p:kill("TERM"))
      assert.equal(7, assert(p:wait()).exit_code)
    end)

    it("that it does not handle, which process 1 never notices", function()
      local p <close> = assert(box:spawn { "/bin/cat", stdin = "pipe", stdout = "pipe" })
      assert.is_true(p:kill("TERM"))
      p.stdin:write("alive\n")
      assert.equal("alive", p.stdout:read())
    end)

    it("but not once it has been waited for", function()
      local p <close> = assert(box:spawn { "/bin/true" })
      assert(p:wait())
      local ok <const>, err <const> = p:kill()
      assert.is_nil(ok)
      assert.same({ op = "kill", code = "ESRCH", message = "the process has ended" }, helper.fields(err))
    end)

    it("that there is", function()
      local p <close> = assert(box:spawn { "/bin/cat", stdin = "pipe" })
      assert.error_matches(function() p:kill("NONE") end, "unknown signal 'NONE'")
      assert.error_matches(function() p:kill(0) end, "bad argument #1")
    end)
  end)

  describe("is let go", function()
    it("by closing the handle, which kills and reaps it", function()
      local p <const> = assert(box:spawn { "/bin/cat", stdin = "pipe", stdout = "capture" })
      assert.truthy(runs(p.pid))
      p:close()
      assert.falsy(runs(p.pid))
      p:close()
      assert.equal("closed file", io.type(p.stdin))
      assert.error_matches(function() p:wait() end, "the process handle is closed")
      assert.error_matches(function() p:kill() end, "the process handle is closed")
      assert.error_matches(function() p:fileno() end, "the process handle is closed")
    end)

    it("by leaving the block", function()
      local pid
      do
        local p <close> = assert(box:spawn { "/bin/sleep", "1000" })
        pid = p.pid
      end
      assert.falsy(runs(pid))
    end)

    it("by an error", function()
      local pid
      pcall(function()
        local p <close> = assert(box:spawn { "/bin/sleep", "1000" })
        pid = p.pid
        error("any")
      end)
      assert.falsy(runs(pid))
    end)

    it("by the collector", function()
      local pid <const> = assert(box:spawn { "/bin/sleep", "1000", stdin = "pipe", stdout = "capture" }).pid
      collectgarbage()
      collectgarbage()
      assert.falsy(runs(pid))
    end)

    it("with its result, when it has been waited for", function()
      local p <const> = assert(box:spawn { "/bin/true" })
      local result <const> = assert(p:wait())
      p:close()
      assert.equal(result, p:wait())
    end)

    it("while what the host has written to it is on its way", function()
      local script <const> = [[
        local p = require "userns".container {}:spawn { "/bin/sleep", "1000", stdin = "pipe" }
        p.stdin:write("never read")
        p:close()
        print "survived"
      ]]
      assert.equal("survived\n", helper.output(script))
    end)

    it("and says what it is all along", function()
      local p <const> = assert(box:spawn { "/bin/true" })
      assert.equal(("userns.process (%d)"):format(p.pid), tostring(p))
      assert(p:wait())
      assert.equal(("userns.process (%d, ended)"):format(p.pid), tostring(p))
      p:close()
      local q <const> = assert(box:spawn { "/bin/true" })
      q:close()
      assert.equal(("userns.process (%d, closed)"):format(q.pid), tostring(q))
    end)

    it("for good, where it need not die with its parent", function()
      local script <const> = [[
        local p = require "userns".container { die_with_parent = false }:spawn {
          "/bin/sleep", "1000", stdin = "null", stdout = "null", stderr = "null",
        }
        p:detach()
        print(p.pid, (pcall(p.wait, p)))
      ]]
      local pid <const>, waited <const> = helper.output(script):match("(%d+)\t(%a+)")
      assert.equal("false", waited)
      assert.truthy(runs(tonumber(pid)))
      kill(tonumber(pid))
    end)

    it("for good nowhere else", function()
      local p <close> = assert(box:spawn { "/bin/cat", stdin = "pipe" })
      assert.error_matches(function() p:detach() end, "detach needs a description with die_with_parent = false")
    end)

    it("by the death of its host", function()
      local script <const> = [[
        local p = require "userns".container {}:spawn {
          "/bin/sleep", "1000", stdin = "null", stdout = "null", stderr = "null",
        }
        print(p.pid)
        io.stdout:flush()
        os.execute("kill -KILL $PPID")
      ]]
      local result <const> = helper.lua(script)
      local pid <const> = math.tointeger(tonumber(result.out))
      assert.equal(137, result.code)
      assert.truthy(eventually(function() return not runs(pid) end))
    end)
  end)

  describe("has namespaces", function()
    it("that the host can look at", function()
      local p <close> = assert(box:spawn {
        "/bin/sh", "-c", "readlink /proc/self/ns/uts; readlink /proc/self/ns/net; cat", stdin = "pipe", stdout = "pipe",
      })
      for _, name in ipairs { "uts", "net" } do
        local namespace <close> = assert(p:namespace(name))
        assert.equal(p.stdout:read(), ("%s:[%d]"):format(namespace:type(), namespace:id()))
      end
      local own <close> = assert(sys.namespace("time", "self"))
      local shared <close> = assert(p:namespace("time"))
      assert.equal(own:id(), shared:id())
    end)
  end)

  describe("in an event loop", function()
    local function cat()
      return assert(box:spawn { "/bin/cat", stdin = "pipe", stdout = "capture" })
    end

    it("has one descriptor for all", function()
      local p <close> = cat()
      assert.equal("integer", math.type(p:fileno()))
      assert.same({ p:fileno(), p:fileno(), "r", false }, { p:getfd(), p:pollfd(), p:events(), p:dirty() })
      assert.same({ false }, sys.poll({ { fd = p:fileno() } }, 0))
      p.stdin:close()
      assert.same({ true }, sys.poll({ { fd = p } }, 100))
      assert.equal(0, assert(p:wait(0)).exit_code)
    end)

    it("of LuaSocket", function()
      assert.equal("timeout\ntrue\n0\n", helper.output [[
        local socket = require "socket"
        local p <close> = require "userns".container {}:spawn { "/bin/cat", stdin = "pipe" }
        print((select(3, socket.select({ p }, nil, 0))))
        p.stdin:close()
        print(socket.select({ p }, nil, 100)[1] == p)
        print(p:wait(0).exit_code)
      ]])
    end)

    it("of cqueues", function()
      assert.equal("meanwhile\ntrue\n0\n", helper.output [[
        local cqueues = require "cqueues"
        local p <close> = require "userns".container {}:spawn { "/bin/cat", stdin = "pipe" }
        local loop = cqueues.new()
        loop:wrap(function()
          print(cqueues.poll(p, 100) == p)
          print(p:wait(0).exit_code)
        end)
        loop:wrap(function()
          print("meanwhile")
          p.stdin:close()
        end)
        assert(loop:loop())
      ]])
    end)

    it("of libuv", function()
      assert.equal("meanwhile\n0\n", helper.output [[
        local uv = require "luv"
        local p <close> = require "userns".container {}:spawn { "/bin/cat", stdin = "pipe" }
        local poll = uv.new_poll(p:fileno())
        poll:start("r", function()
          print(p:wait(0).exit_code)
          poll:close()
        end)
        print("meanwhile")
        p.stdin:close()
        uv.run()
      ]])
    end)
  end)

  describe("with a wrong spec", function()
    it("is refused with all problems", function()
      local result <const>, err <const> = box:run { "/bin/true", cwd = "usr", stdin = "capture", timeout = -1 }
      assert.is_nil(result)
      assert.equal("EINVALID", err.code)
      assert.equal(3, #err.problems)
    end)

    it("is refused a pipe that nobody would hold", function()
      for _, name in ipairs { "stdin", "stdout", "stderr" } do
        assert.same(helper.invalid("process." .. name, "run hands no pipe out: use spawn, or `input` and \"capture\""),
          (refusal({}, { "/bin/true", [name] = "pipe" })))
      end
    end)

    it("is refused what is no descriptor", function()
      for _, wrong in ipairs { {}, 1.5, -1, print, "none" } do
        local result <const>, err <const> = box:run { "/bin/true", stdin = wrong }
        assert.is_nil(result)
        assert.same({ "EINVALID", "process.stdin" }, { err.code, err.field })
      end
    end)

    it("raises what is no table", function()
      for _, name in ipairs { "run", "spawn", "plan" } do
        assert.error_matches(function() box[name](box, "/bin/true") end,
          ("bad argument #1 to '%s' %%(table expected, got string%%)"):format(name))
      end
    end)
  end)
end)
