-- Children that wait prepared: what they run is run as by a fresh one, and what
-- waits is as closed as what is being set up.
local full = require "spec.support.full"
local helper = require "spec.helper"
local sys = require "userns.sys"
local userns = require "userns"

local way <const> = helper.privilege
local is_root <const> = way == "root"

local HOST <const> = "timeout --signal=ABRT --kill-after=10 120 build/spec/host"
local THREADS <const> = ("timeout --signal=ABRT --kill-after=10 %d build/spec/threads"):format(helper.limit(120))

local own <const> = sys.getpid()

--- The children of this process, by number.
local function children()
  local set <const> = {}
  for _, pid in ipairs(sys.processes()) do
    local file <close> = io.open(("/proc/%d/stat"):format(pid))
    local parent <const> = (file and file:read("a") or ""):match("^.*%) %a (%d+)")
    set[pid] = parent == tostring(own) or nil
  end
  return set
end

local function count(set)
  local n = 0
  for _ in pairs(set) do
    n = n + 1
  end
  return n
end

--- A container of which so many children wait, and their numbers.
local function waiting(n, description, process)
  local before <const> = children()
  local box <const> = assert(userns.container(description or {}))
  assert(box:prepare(n, process))
  local set <const> = children()
  for pid in pairs(before) do
    set[pid] = nil
  end
  assert.equal(n, count(set))
  return box, set
end

--- Has a child that is or was in the set been taken for this process?
local function is_prepared(set, process)
  return set[process.pid] == true
end

local function read(pid, file)
  local handle <close>, reason = io.open(("/proc/%d/%s"):format(pid, file), "rb")
  if not handle then
    return nil, reason
  end
  return handle:read("a")
end

describe("a prepared child", function()
  before_each(helper.count)

  after_each(function()
    collectgarbage()
    helper.check_count()
  end)

  -- ---- the program -----------------------------------------------------------

  -- What a program can tell of itself.
  local LOOK <const> = [[
    printf '%s\n' "$0" "$@"; env | sort; pwd; umask; id -u; id -g; id -G; hostname
    ulimit -a | grep -v 'pending signals'; cat /proc/self/personality 2>/dev/null
    grep -E '^(Name|Groups|SigP|SigB|SigI|SigC|Shd|Cap|NoNewPrivs|Seccomp:|Cpus_allowed_list)' /proc/self/status
    read -r pid _ _ _ _ session _ </proc/self/stat; [ $pid = $session ] && echo of its own session
    ls -l /proc/self/fd | sed 's/.*[0-9][0-9]:[0-9][0-9] //; s/\[.*//; s/\/[0-9]*\/fd$//'
    cat /proc/self/mountinfo | cut -d ' ' -f 4-7 | sort; cat
  ]]

  local FULL <const> = {
    personality = "addr_no_randomize",
    nice = 1,
    affinity = { 0 },
    rlimits = { nofile = 64 },
    landlock = { fs = { { path = "/", allow = { "read", "execute", "write" } } } },
    seccomp = { default = "allow", rules = { { names = "sethostname" } } },
    hostname = "box",
    domainname = "home",
    mounts = { { type = "proc", target = "/proc" }, { type = "dev", target = "/dev" } },
    process = { env = { A = "1" }, umask = "0027", cwd = "/usr" },
  }

  for what, description in pairs {
    ["by default"] = {},
    ["with much that holds it"] = FULL,
    ["under process 1"] = { init = true, mounts = { { type = "proc", target = "/proc" } } },
    ["in a tree of its own"] = helper.tree(),
    ["with mounts that it cannot change"] = {
      capabilities = { "sys_admin" }, mounts = { { type = "tmpfs", target = "/tmp" } },
    },
    ["without namespaces"] = { namespaces = {} },
    ["with clocks of its own"] = { time_offsets = { monotonic = 100 } },
    ["that outlives the host"] = { die_with_parent = false, new_session = false },
  } do
    it("runs a program as a fresh one does, " .. what, function()
      local spec <const> = {
        "/bin/sh", "-c", LOOK, "a", "b c", "", argv0 = "shell", env = { B = "2", C = "" }, fds = { [7] = io.stderr },
        input = "in\n", stdout = "capture", stderr = "stdout",
      }
      local box <const> = assert(userns.container(description))
      local fresh <const> = assert(box:run(spec))
      assert.is_true(fresh.ok)
      assert.is_truthy(fresh.stdout:find("b c\n", 1, true) and fresh.stdout:find("in\n$"))
      local ready <const>, set = waiting(1, description)
      local process <close> = assert(ready:spawn(spec))
      assert.is_true(is_prepared(set, process))
      local result <const> = assert(process:wait())
      fresh.duration, fresh.usage, result.duration, result.usage = nil, nil, nil, nil
      assert.same(fresh, result)
      ready:prepare(0)
    end)
  end

  it("has its streams and descriptors as the spec says, however they lie", function()
    local box <const>, set = waiting(3)
    local null <const> = assert(io.open("/dev/null", "r"))
    local reader <const>, writer <const> = sys.pipe()
    for stdout, answer in pairs { capture = "0 8 9\n", pipe = "0 8 9\n", null = "" } do
      local process <close> = assert(box:spawn {
        "/bin/sh", "-c", "echo 0 8 9; echo x >&9; read -r word <&8; exit ${word:-4}",
        stdin = null, stdout = stdout, stderr = "null", fds = { [9] = writer, [8] = null, [200] = reader, [5] = 0 },
      })
      assert.is_true(is_prepared(set, process))
      assert.equal("x\n", reader:read())
      local said <const> = process.stdout and process.stdout:read("a")
      local result <const> = assert(process:wait())
      assert.same({ 4, answer }, { result.exit_code, said or result.stdout or "" })
    end
    null:close()
    reader:close()
    writer:close()
    box:prepare(0)
  end)

  it("does without streams that the host has closed", function()
    assert.equal("/dev/null /dev/null\n", helper.output([[
      local box = assert(require "userns".container {})
      assert(box:prepare(1))
      host.close(0)
      host.close(2)
      local result = assert(box:run { "/bin/sh", "-c", "echo $(readlink /proc/self/fd/0 /proc/self/fd/2)",
        stdout = "capture" })
      io.write(result.stdout)
    ]], HOST))
  end)

  it("serves once", function()
    local box <const>, set = waiting(3)
    local processes <const>, seen <const> = {}, {}
    for i = 1, 5 do
      processes[i] = assert(box:spawn { "/bin/sh", "-c", "cat; exit " .. i, input = "x", stdout = "capture" })
      assert.equal(i <= 3, is_prepared(set, processes[i]))
      seen[processes[i].pid] = true
    end
    assert.equal(5, count(seen))
    for i, process in ipairs(processes) do
      local result <const> = process:wait()
      assert.same({ i, "x" }, { result.exit_code, result.stdout })
      process:close()
    end
    box:prepare(0)
  end)

  it("is replaced when the process is waited for, or closed", function()
    local box <const>, set = waiting(2)
    for i = 1, 20 do
      local process <close> = assert(box:spawn { "/bin/sh", "-c", "exit " .. i })
      if i % 2 == 0 then
        assert.equal(i, process:wait().exit_code)
      end
      process:close()
      assert.equal(i <= 2, is_prepared(set, process))
    end
    assert(box:prepare(2))
    assert.equal(2, count(children()))
    box:prepare(0)
    assert.equal(0, count(children()))
  end)

  it("is shown in the plan, where it would be taken", function()
    local box <const> = waiting(1, { hostname = "box" }, { cwd = "/usr" })
    local function ops(spec)
      local list <const> = {}
      for i, step in ipairs(assert(box:plan(spec))) do
        list[i] = step.op
      end
      return table.concat(list, " ")
    end
    local prepared <const>, fresh <const> = ops { "/bin/true", cwd = "/usr" }, ops { "/bin/true" }
    assert.is_truthy(prepared:find "^image clone .* signals ready meet serve no_new_privs descriptors exec$")
    assert.is_nil(fresh:find("ready", 1, true))
    assert.is_truthy(fresh:find("capabilities no_new_privs descriptors signals exec$"))
    box:prepare(0)
    assert.is_truthy(tostring(box:plan { "/bin/true", cwd = "/usr" }):find("exec", 1, true))
  end)

  it("says as the fresh one does why a program is not executed", function()
    local box <const>, set = waiting(3)
    local fresh <const> = assert(userns.container {})
    for _, spec in ipairs {
      { "/nonexistent" }, { "/etc" }, { "nonexistent" }, { "/bin/true", env = { A = ("x"):rep(1 << 17) } },
    } do
      local _, theirs <const> = fresh:spawn(spec)
      local plan <const> = spec.env and fresh:plan(spec) or box:plan(spec)
      local process <const>, err = box:spawn(spec)
      assert.is_nil(process)
      assert.equal("exec", plan[err.step].op)
      local fields <const>, expected <const> = helper.fields(err), helper.fields(theirs)
      fields.step, expected.step = nil, nil
      assert.same(expected, fields)
    end
    assert.is_true(count(children()) < count(set))
    box:prepare(0)
  end)

  -- ---- when none is taken ----------------------------------------------------

  it("waits on while what is not prepared starts afresh", function()
    local box <const>, set = waiting(2, nil, { cwd = "/usr", umask = "0077" })
    for _, spec in ipairs {
      { "/bin/true" }, { "/bin/true", cwd = "/usr" }, { "/bin/true", cwd = "/usr", umask = "0077", terminal = true },
      { "/bin/sh", "-c", ":", ("x"):rep(70000), cwd = "/usr", umask = "0077" },
    } do
      local process <close> = assert(box:spawn(spec))
      assert.is_false(is_prepared(set, process))
      assert.is_true(process:wait().ok)
    end
    local process <close> = assert(box:spawn { "/bin/pwd", cwd = "/usr", umask = "0077", stdout = "capture" })
    assert.is_true(is_prepared(set, process))
    assert.equal("/usr\n", process:wait().stdout)
    box:prepare(0)
  end)

  it("is passed over and reaped when somebody has killed it", function()
    local box <const>, set = waiting(3)
    local killed = 0
    for pid in pairs(set) do
      if killed < 2 then
        assert(sys.kill(pid, "KILL"))
        set[pid], killed = nil, killed + 1
      end
    end
    local process <close> = assert(box:spawn { "/bin/true" })
    assert.is_true(is_prepared(set, process))
    assert.is_true(process:wait().ok)
    for pid in pairs(children()) do
      sys.kill(pid, "KILL")
    end
    assert.is_true(box:run { "/bin/true" }.ok)
    assert(box:prepare(3))
    assert.equal(3, count(children()))
    box:prepare(0)
  end)

  it("is passed over where the kernel refuses it its program, and nothing is left", function()
    local script <const> = [[
      local helper = require "spec.helper"
      helper.count()
      local box = assert(require "userns".container {})
      local ok, err = box:prepare(2)
      print(ok or err.op .. " " .. err.syscall .. " " .. err.code .. " " .. err.side)
      print(box:run { "/bin/sh", "-c", "exit 7" }.exit_code)
      box:prepare(0)
      helper.check_count()
    ]]
    local function refused(calls)
      return helper.output(script,
        ("strace -f -qqq -o /dev/null -e trace=%s -e inject=%s:error=ENOMEM"):format(calls, calls))
    end
    assert.equal("ready set_robust_list ENOMEM child\n7\n", refused "set_robust_list")
    assert.equal("true\n7\n", refused "recvmsg")
    assert.equal("true\n7\n", refused "sendmsg")
    assert.equal("ready socketpair ENOMEM child\n7\n", refused "socketpair")
  end)

  it("is not what a container with hooks or a terminal has", function()
    local function invalid(description, process)
      local ok <const>, err <const> = assert(userns.container(description)):prepare(1, process)
      assert.is_nil(ok)
      return helper.fields(err)
    end
    assert.same(helper.invalid("hooks", "they are about one launch: none can be prepared"),
      invalid { hooks = { created = function() end } })
    assert.same(helper.invalid("process.terminal", "is the program's own: none can be prepared"),
      invalid({}, { terminal = true }))
    assert.equal("process.cwd", invalid({}, { cwd = "relative" }).field)
    local box <const> = assert(userns.container {})
    for _, n in ipairs { -1, 1.5, "1" } do
      assert.is_false(pcall(box.prepare, box, n))
    end
    assert.is_false(pcall(box.prepare, box, 1, "x"))
  end)

  it("leaves nothing where it cannot be prepared", function()
    local box <const> = assert(userns.container { process = { cwd = "/nonexistent" } })
    local ok <const>, err <const> = box:prepare(3)
    assert.same({ nil, "chdir", "ENOENT", "process.cwd", "child" }, { ok, err.op, err.code, err.field, err.side })
    assert.equal(0, count(children()))
    local source <const> = assert(userns.container {
      mounts = { { type = "bind", source = "/none", target = "/tmp" } },
    })
    assert.equal("mounts[1].source", select(2, source:prepare(1)).field)
    assert.is_true(box:run { "/bin/true", cwd = "/" }.ok)
  end)

  it("leaves nothing where there are no descriptors left", function()
    assert.equal("no growth\n", helper.output [[
      local sys = require "userns.sys"
      local helper = require "spec.helper"
      local box = assert(require "userns".container {})
      local held = {}
      local function take()
        local fd = sys.open("/dev/null")
        held[#held + 1] = fd
        return fd
      end
      -- facts of the host are read once, and modules loaded
      assert(box:prepare(1) and not box:run { "/nonexistent" } and box:prepare(0))
      helper.count()
      local refused = 0
      for free = 0, 24 do
        while take() do end
        for _ = 1, free do
          table.remove(held):close()
        end
        local ok, err = box:prepare(2)
        refused = refused + (ok and 0 or 1)
        assert(ok or err.code == "EMFILE", err)
        box:prepare(0)
        while #held > 0 do
          table.remove(held):close()
        end
        helper.check_count()
      end
      assert(refused > 3 and refused < 25, refused)
      print("no growth")
    ]], "sh -c 'ulimit -n 40; exec \"$@\"' sh")
  end)

  -- ---- the result ------------------------------------------------------------

  it("has its time counted from the moment that it gets its program", function()
    local box <const> = waiting(1, { strict = true })
    sys.poll({}, 0.3)
    local began <const> = sys.clock()
    local result <const> = assert(box:run { "/bin/true" })
    assert.is_true(result.duration <= sys.clock() - began)
    assert.same({}, result.degraded)
    local late <const> = assert(box:run { "/bin/sleep", "1000", timeout = 0.05 })
    assert.same({ true, "SIGKILL" }, { late.timed_out, late.signal })
    box:prepare(0)
  end)

  if is_root then
    it("has a cgroup of its own, which goes with it", function()
      local description <const> = { cgroup = { pids = 16, memory = "64M" } }
      local box <const>, set = waiting(2, description)
      local pid <const> = next(set)
      assert.is_truthy(read(pid, "cgroup"):find("userns", 1, true), read(pid, "cgroup"))
      local process <close> = assert(box:spawn { "/bin/cat", "/proc/self/cgroup", stdout = "capture" })
      assert.is_true(is_prepared(set, process))
      local result <const> = assert(process:wait())
      assert.is_true(result.ok)
      assert.is_number(result.usage.max_rss)
      assert.is_true(box:run { "/bin/true" }.ok)
      box:prepare(0)
      assert.equal("", helper.shell("find /sys/fs/cgroup -name 'userns-*' -path '*" .. own .. "*'").out)
    end)

    it("has the ids that the spec asks for", function()
      local map <const> = { { inside = 0, outside = 100000, count = 100 } }
      local box <const>, set = waiting(1, { uid_map = map, gid_map = map }, { uid = 7, gid = 8, groups = { 9 } })
      local process <close> = assert(box:spawn {
        "/bin/sh", "-c", "id -u; id -g; id -G; echo x >/proc/self/fd/1", uid = 7, gid = 8, groups = { 9 },
        stdout = "capture",
      })
      assert.is_true(is_prepared(set, process))
      assert.equal("7\n8\n8 9\nx\n", process:wait().stdout)
      box:prepare(0)
    end)
  end

  -- ---- what waits ------------------------------------------------------------

  --- Runs a script in a host with a secret in its memory and environment, and many
  --- open descriptors; it has the number of the one child that waits.
  local function with_secret(script)
    return helper.output(([[
      local userns = require "userns"
      local sys = userns.sys
      local kept = { io.open("/proc/self/status"), sys.pipe(), sys.pidfd_open(sys.getpid()) }
      local box = assert(userns.container { mounts = { { type = "bind", source = "/usr", target = "/srv" } } })
      assert(box:prepare(1, { "/bin/cat", "s3cret", env = { A = "s3cret" } }))
      local waiting
      for _, pid in ipairs(sys.processes()) do
        local file = io.open(("/proc/%%d/stat"):format(pid))
        local parent = (file and file:read("a") or ""):match("^.*%%) %%a (%%d+)")
        waiting = parent == tostring(sys.getpid()) and pid or waiting
      end
      local function outside(file)
        local handle, reason = io.open(("/proc/%%d/%%s"):format(waiting, file), "rb")
        return handle and handle:read("a"), reason
      end
      %s
    ]]):format(script), "env SECRET=s3cret sh -c 'exec \"$@\" 11</dev/null 12</dev/null' sh")
  end

  it("cannot be looked into by others of the same user", function()
    assert.equal("", with_secret [[
      for _, file in ipairs { "maps", "environ", "mem" } do
        local stat = io.popen(("stat -c %u /proc/" .. waiting .. "/" .. file))
        local owner = stat:read("n")
        stat:close()
        -- of somebody whom the program is not: root of the host
        assert(owner == 0 or owner == 65534, owner)
      end
    ]])
    if way == "user" then
      assert.equal("Permission denied\n", with_secret [[
        print((select(2, outside "maps"):match("[^:]+$"):gsub("^ ", "")))
      ]])
    end
  end)

  if way ~= "user" then
    it("has nothing of the host's memory, environment or descriptors", function()
      assert.equal([[
/dev/null
/dev/null
/dev/null
anon_inode:[pidfd]
socket:
]], with_secret [[
        local known = {
          ["userns-init"] = true, ["memfd:userns-control (deleted)"] = true, ["memfd:userns-plan (deleted)"] = true,
          ["[stack]"] = true, ["[vdso]"] = true, ["[vvar]"] = true, ["[vvar_vclock]"] = true, ["[vsyscall]"] = true,
          [""] = true,
        }
        local memory = assert(io.open(("/proc/%d/mem"):format(waiting), "rb"))
        local bytes = 0
        for line in outside("maps"):gmatch("[^\n]+") do
          local from, to, access, name = line:match("^(%x+)%-(%x+) (%S+) %x+ %S+ %d+ *(.*)$")
          assert(known[name:match("[^/]*$")], line)
          if access:find("^rw") then
            assert(memory:seek("set", tonumber(from, 16)))
            local content = memory:read(tonumber(to, 16) - tonumber(from, 16)) or ""
            assert(not content:find("SECRET", 1, true), line)
            bytes = bytes + #content
          end
        end
        assert(bytes >= 65536)
        assert(outside("environ") == "")
        assert(outside("cmdline"):match("^userns%-init%z+$"), outside("cmdline"))
        local list = io.popen(("for fd in /proc/%d/fd/*; do readlink $fd; done | sed 's/socket:.*/socket:/' | sort")
          :format(waiting))
        io.write(list:read("a"))
        list:close()
      ]])
    end)
  end

  it("costs the host two descriptors, and no memory of its set-up", function()
    local function descriptors()
      local n = 0
      for fd = 0, 255 do
        n = n + (sys.fileno(fd) and 1 or 0)
      end
      return n
    end
    local before <const> = descriptors()
    local box <const> = waiting(5)
    assert.equal(before + 10, descriptors())
    for line in io.lines("/proc/self/maps") do
      assert.is_nil(line:find("userns-plan", 1, true))
    end
    box:prepare(0)
  end)

  it("is no load for the machine", function()
    for _, init in ipairs { false, true } do
      local box <const>, set = waiting(1, { init = init })
      local pid <const> = next(set)
      sys.poll({}, 0.05)
      assert.equal("S", read(pid, "stat"):match("^.*%) (%a)"))
      box:prepare(0)
    end
  end)

  it("is out of reach for who is of the same user in another container", function()
    local ATTACK <const> = helper.shell("pwd").out:match("[^\n]+") .. "/build/spec/attack"
    local box <const> = waiting(2)
    local spy <close> = assert(assert(userns.container { share = "pid" }):spawn {
      ATTACK, "watch", "userns-init", stdout = "pipe",
    })
    for _ = 1, helper.rounds(50) do
      assert(box:run { "/bin/true" })
    end
    assert(spy:kill("TERM"))
    assert.equal("met 0 ways in\n", spy.stdout:read("a"))
    box:prepare(0)
  end)

  it("ends by a signal that comes while it waits, and its program by none", function()
    local box <const>, set = waiting(2, { namespaces = {}, new_session = false })
    local pid <const> = next(set)
    assert(sys.kill(pid, "INT"))
    set[pid] = nil
    local process <close> = assert(box:spawn { "/bin/sh", "-c", "exit 3" })
    assert.equal(3, process:wait().exit_code)
    box:prepare(0)
  end)

  -- ---- its end ---------------------------------------------------------------

  it("is let go of with its container", function()
    waiting(2)
    collectgarbage()
    assert.equal(0, count(children()))
    local box <const> = waiting(3)
    box:prepare(1)
    assert.equal(1, count(children()))
    box:prepare(1, { cwd = "/usr" })
    assert.equal(1, count(children()))
    box:prepare(0)
    assert.equal(0, count(children()))
  end)

  it("ends with the host also where its program would not", function()
    local host <const> = helper.lua([[
      local sys = require "userns.sys"
      local box = assert(require "userns".container { die_with_parent = false })
      assert(box:prepare(1))
      for _, pid in ipairs(sys.processes()) do
        local file = io.open(("/proc/%d/stat"):format(pid))
        local parent = (file and file:read("a") or ""):match("^.*%) %a (%d+)")
        if parent == tostring(sys.getpid()) then
          print(pid)
        end
      end
      io.stdout:flush()
      sys.kill(sys.getpid(), "KILL")
    ]])
    local pid <const> = host.out:match("^(%d+)\n$")
    assert.is_truthy(pid, host.out .. host.err)
    helper.shell(("timeout 60 sh -c 'while [ -e /proc/%s ]; do sleep 0.01; done'"):format(pid))
    assert.is_nil(io.open(("/proc/%s/stat"):format(pid)))
  end)

  it("ends with a host that becomes another program", function()
    assert.equal("0 left\n", helper.output [[
      local box = assert(require "userns".container {})
      assert(box:prepare(2))
      require "userns.sys".exec("/bin/sh", { "sh", "-c", [=[
        for i in 1 2 3 4 5 6 7 8 9; do
          left=$(grep -l '^State:.[^Z]' $(grep -l "^PPid:.$$\$" /proc/[0-9]*/status) 2>/dev/null |
            xargs -r grep -h '^Name:.userns-init' | wc -l)
          [ "$left" = 0 ] && break
          sleep 0.1
        done
        echo $left left
      ]=] })
    ]])
  end)

  it("is the host's alone, where that has been forked", function()
    local box <const>, set = waiting(1)
    local copy <close> = assert(sys.clone({}, function()
      local result <const> = assert(box:run { "/bin/sh", "-c", "exit 5" })
      assert(box:prepare(1))
      local again <const> = assert(box:run { "/bin/sh", "-c", "exit 6" })
      collectgarbage()
      return result.exit_code * 10 + again.exit_code
    end))
    assert.equal(56, copy:wait().exit_code)
    local process <close> = assert(box:spawn { "/bin/sh", "-c", "exit 7" })
    assert.is_true(is_prepared(set, process))
    assert.equal(7, process:wait().exit_code)
    box:prepare(0)
  end)

  for what, effect in pairs {
    ["ignores SIGCHLD"] = "host.sigchld 'ignore'",
    ["reaps every child when SIGCHLD comes"] = "host.sigchld 'reap'",
    ["has a thread that waits for any child"] = "host.reaper()",
  } do
    it("serves a host that " .. what, function()
      assert.equal("10 served\n", helper.output(effect .. [[

        local userns = require "userns"
        local sys = userns.sys
        local box = assert(userns.container {})
        assert(box:prepare(2))
        for i = 1, 10 do
          local result = assert(box:run { "/bin/sh", "-c", "echo x; exit " .. i, stdout = "capture" })
          assert(result.stdout == "x\n" and (result.exit_code or i) == i)
          if i % 3 == 0 then
            for _, pid in ipairs(sys.processes()) do
              local file = io.open(("/proc/%d/stat"):format(pid))
              local parent = (file and file:read("a") or ""):match("^.*%) %a (%d+)")
              if parent == tostring(sys.getpid()) then
                sys.kill(pid, "KILL")
              end
            end
          end
        end
        box:prepare(0)
        print("10 served")
      ]], HOST))
    end)
  end

  it("serves threads that prepare and launch at once", function()
    local thread <const> = ("threads.start(%q)"):format [[
      local box = assert(require "userns".container { hostname = "box" })
      assert(box:prepare(2))
      for i = 1, 20 do
        local result = assert(box:run { "/bin/sh", "-c", "hostname; echo " .. i, stdout = "capture" })
        assert(result.ok and result.stdout == "box\n" .. i .. "\n", result.stdout)
      end
      assert(box:prepare(0))
    ]]
    assert.equal("served\n", helper.output(([[
      local list = {}
      threads.noise()
      for i = 1, 4 do
        list[i] = %s
      end
      for i = 1, 4 do
        list[i]:join()
        list[i]:close()
      end
      threads.quiet()
      assert(not threads.has_children())
      print("served")
    ]]):format(thread), THREADS))
  end)

  it("waits on when the thread that prepared it has ended, and dies with the host", function()
    local host <const> = helper.lua([[
      local sys = require "userns.sys"
      local thread = threads.start [=[
        box = assert(require "userns".container {})
        assert(box:prepare(1))
      ]=]
      thread:join()
      sys.poll({}, 0.05)
      for _, pid in ipairs(sys.processes()) do
        local file = io.open(("/proc/%d/stat"):format(pid))
        local parent = (file and file:read("a") or ""):match("^.*%) %a (%d+)")
        if parent == tostring(sys.getpid()) then
          print(pid)
        end
      end
      io.stdout:flush()
      sys.kill(sys.getpid(), "KILL")
    ]], THREADS)
    assert.equal(128 + 9, host.code)
    local pid <const> = host.out:match("^(%d+)\n$")
    assert.is_truthy(pid, host.out .. host.err)
    helper.shell(("timeout 60 sh -c 'while [ -e /proc/%s ]; do sleep 0.01; done'"):format(pid))
    assert.is_nil(io.open(("/proc/%s/stat"):format(pid)))
  end)

  it("can be had of every kind of container that the other specs know", function()
    local names <const> = { "tmpfs", "separate", "bind", "host", "overlay", "locked", "filtered" }
    table.move({ "shared", "limited" }, 1, is_root and 2 or 0, #names + 1, names)
    for _, name in ipairs(names) do
      local box <const>, set = waiting(1, full[name])
      local process <close> = assert(box:spawn {})
      assert.is_true(is_prepared(set, process), name)
      assert.is_true(process:wait().ok, name)
      box:prepare(0)
    end
  end)
end)
