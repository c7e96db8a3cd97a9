-- What has been launched ends with the host, at whatever moment and in whatever
-- way that ends; and the container with its program.
local helper = require "spec.helper"
local sys = require "userns.sys"
local userns = require "userns"

local way <const> = helper.privilege

-- A pid namespace of its own, so that whatever is left is ours; its first process
-- is a shell, which reaps it.
local OWN <const> = (way == "user" and "unshare --user --map-current-user" or "unshare")
  .. " --pid --fork --mount-proc"

--- Kills so many hosts in the midst of launches, each at a moment of its own;
--- three ways to run this make two thousand and more.
local function kill_hosts(host, kind, count)
  local command <const> = "LUA_PATH=%s LUA_CPATH=%s %s sh -c 'lua5.4 spec/support/killer.lua %s %s %d; exit $?'"
  local result <const> = helper.shell(command
    :format(helper.quote(package.path), helper.quote(package.cpath), OWN, host, kind, count))
  return result.out .. result.err
end

describe("what was launched", function()
  for kind, words in pairs { plain = "", init = ", with init", prepared = ", where children wait prepared" } do
    it("ends with a host that is killed in the midst of launches" .. words, function()
      local count <const> = helper.rounds(250)
      assert.equal(count .. " met, 0 left\n", kill_hosts("single", kind, count))
    end)

    it("ends with a host that is killed and has threads" .. words, function()
      local count <const> = helper.rounds(100)
      assert.equal(count .. " met, 0 left\n", kill_hosts("threaded", kind, count))
    end)
  end
end)

describe("a container whose time is over", function()
  for _, init in ipairs { false, true } do
    it("ends with all that is in it" .. (init and ", with init" or ""), function()
      local reader <const>, writer <const> = assert(sys.pipe())
      local result <const> = helper.run({ init = init }, {
        "/bin/sh", "-c", "sleep 1000 & (sleep 1000 &) ; setsid sleep 1000 & echo started >&3; exec sleep 1000",
        fds = { [3] = writer }, timeout = helper.is_guest and 10 or 1,
      })
      writer:close()
      assert.same({ true, "SIGKILL" }, { result.timed_out, result.signal })
      assert.equal("started\n", reader:read())
      assert.equal("", (reader:read())) -- nobody has the other end
      reader:close()
    end)
  end
end)

describe("a container with init", function()
  local INIT <const> = { init = true, mounts = { { type = "proc", target = "/proc" } } }

  before_each(helper.count)
  after_each(helper.check_count)

  local function run(script, process)
    local spec <const> = { "/bin/sh", "-c", script, stdout = "capture" }
    for key, value in pairs(process or {}) do
      spec[key] = value
    end
    return helper.run(INIT, spec)
  end

  local function ending(result)
    return { result.exit_code or result.signal, result.ok, result.core_dumped }
  end

  it("has its program as process 2", function()
    assert.equal("2 1\n", run("echo $$ $PPID").stdout)
  end)

  it("ends as its program does", function()
    assert.same({ 0, true, false }, ending(run "exit 0"))
    assert.same({ 143, false, false }, ending(run "exit 143"))
    for _, signal in ipairs { "TERM", "KILL", "SEGV", "ABRT" } do
      assert.same({ "SIG" .. signal, false, false }, ending(run("kill -" .. signal .. " $$")))
    end
  end)

  it("takes along what the program leaves, whoever its parent was", function()
    local reader <const>, writer <const> = assert(sys.pipe())
    local result <const> = run("sleep 1000 & (sleep 1000 &) ; setsid sleep 1000 & exit 4", { fds = { [3] = writer } })
    writer:close()
    assert.same({ 4, "" }, { result.exit_code, (reader:read()) })
    reader:close()
  end)

  it("reaps what has lost its parent", function()
    assert.equal("done\n", run([[
      (sh -c "exit 1" &) ; (sh -c 'kill -KILL $$' &) ; (sleep 0.01 &)
      while :; do
        grep -s "^Name:" /proc/[0-9]*/status | grep -vqE "userns-init|sh$|grep" || break
      done
      while grep -sq "^State:.Z" /proc/[0-9]*/status; do :; done
      echo done
    ]], { timeout = 30 }).stdout)
  end)

  it("counts the time of what it has reaped", function()
    local usage <const> = run("i=0; while [ $i -lt 20000 ]; do i=$((i + 1)); done").usage
    assert.is_true(usage.user_time + usage.system_time > 0.001)
  end)

  --- Starts a program and waits until it has said so.
  local function started(script)
    local box <const> = assert(userns.container(INIT))
    local process <const> = assert(box:spawn { "/bin/sh", "-c", script, stdout = "pipe" })
    assert.equal("ready", process.stdout:read("l"))
    return process
  end

  it("hands signals on to its program", function()
    for _, signal in ipairs { "TERM", "INT", "HUP", "USR1", "WINCH" } do
      local process <close> = started(("trap 'exit 7' %s; echo ready; while :; do sleep 0.01; done"):format(signal))
      assert.is_true(process:kill(signal))
      assert.same({ 7, false, false }, ending(process:wait()))
    end
  end)

  it("ends by a signal that its program has no handler for", function()
    for _, signal in ipairs { "TERM", "QUIT", "KILL" } do
      local process <close> = started("echo ready; exec sleep 1000")
      assert.is_true(process:kill(signal))
      assert.same({ "SIG" .. signal, false, false }, ending(process:wait()))
    end
  end)

  it("ends in time by the timeout's signal", function()
    local result <const> = run("exec sleep 1000", { timeout = 0.05, kill_signal = "TERM", kill_after = 1000 })
    assert.same({ "SIGTERM", true }, { result.signal, result.timed_out })
  end)

  it("is not to be meddled with from inside", function()
    assert.equal("still here\n", run([[
      for signal in TERM KILL STOP HUP CHLD; do kill -$signal 1; done
      sleep 0.02; echo still here
    ]]).stdout)
  end)

  it("does not get between its program and the host where the set-up fails", function()
    local box <const> = assert(userns.container(INIT))
    local function refusal(process)
      local result <const>, err <const> = box:run(process)
      assert.is_nil(result)
      return { err.op, err.syscall, err.code, err.field, err.side, err.path, box:plan(process)[err.step].op }
    end
    assert.same({ "exec", "execve", "ENOENT", "process[1]", "child", "/nonexistent", "exec" },
      refusal { "/nonexistent" })
    assert.same({ "exec", "execve", "EACCES", "process[1]", "child", "/etc", "exec" }, refusal { "/etc" })
    assert.same({ "chdir", "openat2", "ENOENT", "process.cwd", "child", "/nonexistent", "chdir" },
      refusal { "/bin/true", cwd = "/nonexistent" })
  end)

  it("has the namespaces of its program to show", function()
    local process <close> = started("echo ready; exec sleep 1000")
    local own <close> = assert(userns.namespace("pid", "self"))
    local theirs <close> = assert(process:namespace("pid"))
    local by_target <close> = assert(userns.namespace("pid", process))
    local of_program <close> = assert(userns.namespace("pid", process.program.pid))
    assert.is_true(own:id() ~= theirs:id())
    assert.same({ theirs:id(), theirs:id() }, { by_target:id(), of_program:id() })
    assert.is_true(process.program.pid ~= process.pid)
  end)

  it("leaves nothing in the host, however often", function()
    assert.equal("no growth\n", helper.output [[
      local sys = require "userns.sys"
      local box = assert(require "userns".container { init = true })
      local function count()
        collectgarbage()
        collectgarbage()
        local mappings, descriptors = 0, 0
        for _ in io.lines("/proc/self/maps") do
          mappings = mappings + 1
        end
        for fd = 0, 255 do
          descriptors = descriptors + (sys.fileno(fd) and 1 or 0)
        end
        return mappings, descriptors
      end
      local function launch()
        assert(box:run { "/bin/true" }.ok)
        assert(not box:run { "/nonexistent" })
        box:spawn { "/bin/sleep", "1000" }
      end
      launch()
      local mappings, descriptors = count()
      for _ = 1, 50 do
        launch()
      end
      local mappings_after, descriptors_after = count()
      assert(mappings_after <= mappings + 8 and descriptors_after == descriptors)
      print("no growth")
    ]])
  end)

  -- ---- what process 1 holds ------------------------------------------------

  --- Runs a script in a host with a secret in its environment, which the program
  --- gets in its arguments and environment too.
  local function with_secret(script)
    return helper.output(([[
      local userns = require "userns"
      local box = assert(userns.container {
        init = true, capabilities = "all", allow_userns = true, mounts = { { type = "proc", target = "/proc" } },
      })
      local function spec(command)
        return { "/bin/sh", "-c", command, "s3cret", env = { PLAN = "s3cret" }, stdout = "capture", stderr = "stdout" }
      end
      local function outside(pid, file)
        local handle = io.open(("/proc/%%d/%%s"):format(pid, file), "rb")
        local text = handle and handle:read("a") or nil
        return text, handle and handle:close()
      end
      %s
    ]]):format(script), "env SECRET=s3cret")
  end

  it("shows nothing of process 1 but its name, whatever the program may do", function()
    assert.equal([[
userns-init
userns-init
maps: denied
mem: denied
environ: denied
auxv: denied
exe: denied
cwd: denied
root: denied
fd: nothing
]], (with_secret [[
      local result = assert(box:run(spec [=[
        tr -d "\\0" </proc/1/cmdline; echo; cat /proc/1/comm
        for file in maps mem environ auxv; do
          cat /proc/1/$file >/dev/null 2>&1 && echo $file: readable || echo $file: denied
        done
        for link in exe cwd root; do
          readlink /proc/1/$link >/dev/null && echo $link: readable || echo $link: denied
        done
        [ "$(ls /proc/1/fd 2>/dev/null)" ] && echo fd: some || echo fd: nothing
      ]=]))
      io.write(result.stdout)
    ]]))
  end)

  if way ~= "user" then
    -- A user may not look into what is undumpable, wherever it is.
    it("has nothing of the host's in process 1", function()
      assert.equal("nothing\n", with_secret [[
        local p <close> = assert(box:spawn(spec "exec sleep 1000"))
        -- it lets go of the plan once the program is executed
        while outside(p.pid, "maps"):find("userns-plan", 1, true) do
          userns.sys.poll({}, 0.001)
        end
        local known = {
          ["userns-init"] = true, ["memfd:userns-control (deleted)"] = true, ["[stack]"] = true, ["[vdso]"] = true,
          ["[vvar]"] = true, ["[vvar_vclock]"] = true, ["[vsyscall]"] = true, [""] = true,
        }
        local memory = assert(io.open(("/proc/%d/mem"):format(p.pid), "rb"))
        local bytes = 0
        for line in outside(p.pid, "maps"):gmatch("[^\n]+") do
          local from, to, access, name = line:match("^(%x+)%-(%x+) (%S+) %x+ %S+ %d+ *(.*)$")
          assert(known[name:match("[^/]*$")], line)
          if access:find("^rw") then
            assert(memory:seek("set", tonumber(from, 16)))
            local content = memory:read(tonumber(to, 16) - tonumber(from, 16)) or ""
            assert(not content:find("s3cret", 1, true) and not content:find("/bin", 1, true), line)
            bytes = bytes + #content
          end
        end
        assert(bytes >= 65536)
        assert(outside(p.pid, "environ") == "")
        assert(outside(p.pid, "cmdline"):match("^userns%-init%z+$"))
        -- a program that is being executed has none yet
        while outside(p.program.pid, "environ") == "" do
          userns.sys.poll({}, 0.001)
        end
        assert(outside(p.program.pid, "environ"):find("s3cret"))
        local list = io.popen(("ls /proc/%d/fd"):format(p.pid))
        print(list:read("a") == "" and "nothing" or "descriptors")
        list:close()
      ]])
    end)
  end

  it("has no more power in process 1 than the program has", function()
    local status <const> = run "for i in 1 2; do grep -E '^(Uid|Gid|Groups|Cap)' /proc/$i/status; done"
    local lines <const> = {}
    for line in status.stdout:gmatch("[^\n]+") do
      lines[#lines + 1] = line
    end
    assert.equal(16, #lines)
    assert.same({ table.unpack(lines, 1, 8) }, { table.unpack(lines, 9) })
  end)
end)
