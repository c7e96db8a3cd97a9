-- Every system call of a launch is refused in turn: each refusal comes back as
-- the step it belongs to, and nothing is left.  strace(1) injects the faults.
--
-- First a launch is recorded, so that no list of system calls has to be kept
-- here.  Then each of its calls is made to fail: the steps that the errors name
-- must come in the plan's order, none may be missing, and what an error says
-- must be what the plan says.
local full = require "spec.support.full"
local helper = require "spec.helper"
local sys = require "userns.sys"
local userns = require "userns"

local way <const> = helper.privilege
local is_root <const> = way == "root"

local INTERPRETER <const> = ("LUA_PATH=%s LUA_CPATH=%s lua5.4"):format(
  helper.quote(package.path), helper.quote(package.cpath))

local directory

-- The tracer is an ancestor of what it traces, which Yama insists on.
local TRACE <const> = [[
  rm -f %s/fifo && mkfifo %s/fifo
  timeout %d sh -c '"$@" & read -r _ <%s/fifo; exec strace -f -qqq %s -p $!' sh \
    env %s spec/support/victim.lua %s/fifo %s
]]

--- Launches a container of full.lua's under strace: what victim.lua tells.
local function traced(strace, arguments)
  local command <const> = TRACE:gsub("%%s/", directory .. "/"):format(helper.limit(30), strace, INTERPRETER, arguments)
  local result <const> = helper.shell(command)
  local outcome <const> = load(result.out)
  assert(outcome and result.out ~= "", ("%s: exit %d: %s%s"):format(command, result.code, result.out, result.err))
  return outcome()
end

-- ---- what a launch is made of ---------------------------------------------

-- Of what the child finds out about its signals, without which it resets all.
local LOOKS <const> = { '^openat%(AT_FDCWD, "/proc/self/status"', '^read%(%d+, "Name:' }

--- The names of a process's system calls, as far as its program's execution; which
--- of them such looks are.
local function calls_in(path)
  local names <const> = { looks = {} }
  for line in io.lines(path) do
    names[#names + 1] = line:match("^([%w_]+)%(")
    for _, look in ipairs(LOOKS) do
      names.looks[#names] = names.looks[#names] or line:find(look) ~= nil
    end
    if line:find("^execve%(.*= 0$") then
      break
    end
  end
  return names
end

local function contains(list, word)
  for _, entry in ipairs(list) do
    if entry == word then
      return true
    end
  end
  return false
end

--- Records a launch: the calls of the host, of the small executable if there is
--- one, and of the child.
local function record(name)
  local prefix <const> = directory .. "/trace"
  local outcome <const> = traced("-ff -o " .. prefix, name)
  assert.same({ true }, { outcome.result and outcome.result.ok, outcome.error, outcome.left })
  local trace <const> = { plan = outcome.plan }
  for path in helper.shell("ls " .. prefix .. ".*").out:gmatch("%S+") do
    local names <const> = calls_in(path)
    trace[contains(names, "execveat") and "image" or contains(names, "execve") and "child" or "host"] = names
    os.remove(path)
  end
  return trace
end

--- A word for each call: its name, and the how manieth of that name it is.
local function numbered(names)
  local seen <const>, list <const> = {}, {}
  for i, name in ipairs(names) do
    seen[name] = (seen[name] or 0) + 1
    list[i] = { name = name, nth = seen[name] }
  end
  return list, seen
end

--- The bounding set is dropped bit by bit: the first and the last will do.
local function is_inner(names, i)
  return table.concat(names, " ", math.max(i - 3, 1), math.min(i + 3, #names)) == ("prctl "):rep(6) .. "prctl"
end

-- ---- what an error must say -----------------------------------------------

-- What may be refused without ending the set-up: the closing of what is not
-- needed, a look at whether the host is there, a handler that is reset, and the like.
local SURVIVED <const> = {}
for word in ("fcntl fgetxattr futex keyctl ppoll rt_sigaction statx umask wait4"):gmatch("%S+") do
  SURVIVED[word] = true
end

-- The system calls that look up and fill the place where something is put.
local PLACE <const> = {}
for word in ("openat2 mkdirat mknodat openat move_mount symlinkat"):gmatch("%S+") do
  PLACE[word] = true
end

-- When the look at a place is refused it is not the container's own: that is what
-- a step reports, of the call that found the place.
local NOT_OWN <const> = { bind = "ENOENT", mount = "ENOENT", dir = "ENOENT", file = "ENOENT", symlink = "EROFS" }

local function as_reported(call, err)
  if call.name ~= "statx" or err.syscall ~= "openat2" then
    return call
  end
  local is_there <const> = err.op == "file" and err.code == "EEXIST"
  return { name = "openat2", code = is_there and "EEXIST" or NOT_OWN[err.op] }
end

-- The part of its field that a step's error is about, and the path.
local ABOUT <const> = {}

function ABOUT.bind(step, call)
  return table.unpack(PLACE[call.name] and { ".target", step.target } or { ".source", step.path })
end

function ABOUT.mount(step, call, count)
  -- the options of a tmpfs are fields of the mount
  if step.type == "tmpfs" and call.name == "fsconfig" and step.options[count.fsconfig] then
    return "." .. step.options[count.fsconfig]:match("^[^=]*"), step.target
  end
  return PLACE[call.name] and ".target" or "", step.target
end

function ABOUT.dir(step)
  return ".target", step.target
end

function ABOUT.mask(step, _, count)
  return "", step.paths[count.openat2]
end

function ABOUT.exec(step)
  return "", step.paths[1]
end

-- the items of an overlay: its layers, upper and work
function ABOUT.overlay(step, call, count)
  if call.name == "fsconfig" then
    -- first those of what is written to memory, and what makes it
    local of_scratch <const> = count.fsconfig <= #step.scratch
    local beyond <const> = count.fsconfig - #step.scratch - 2 -- joined, the lower ones are one call
    return of_scratch and "." .. step.scratch[count.fsconfig]:match("^[^=]*")
      or beyond == 1 and ".upper" or beyond == 2 and ".work" or "", step.target
  end
  return PLACE[call.name] and ".target" or "", step.target
end

function ABOUT.root_overlay()
  return ""
end

ABOUT.file, ABOUT.symlink, ABOUT.readonly = ABOUT.dir, ABOUT.dir, ABOUT.mask

--- The error of a refused call of a step's.
local function expected(plan, number, call, count)
  local step <const> = plan[number]
  local about <const> = ABOUT[step.op] or function()
    return "", step.target or step.path
  end
  local part <const>, path <const> = about(step, call, count)
  return helper.errno(call.code or "EPERM", {
    op = step.op, side = step.side, step = number, syscall = call.name, path = path,
    field = step.source and step.source .. part,
  })
end

local function told(err)
  local fields <const> = {}
  for _, name in ipairs { "op", "syscall", "code", "errno", "message", "field", "step", "side", "path" } do
    fields[name] = err[name]
  end
  return fields
end

-- ---- the walk --------------------------------------------------------------

--- Refuses a call of the child's, or with `host` one of the host's own.
local function inject(name, call, host)
  local outcome <const> = traced(("-o /dev/null -e trace=%s -e inject=%s:error=EPERM:when=%d"):format(
    call.name, call.name, call.nth), host and name or ("%s %s %d"):format(name, call.name, call.nth))
  assert.is_nil(outcome.left)
  return outcome
end

-- Calls whose result nobody looks at: once each is enough.
local IDLE <const> = { futex = true, ppoll = true, rt_sigaction = true, wait4 = true }

--- A descriptor that was not closed would be missed in the host, which closes
--- too.
local function is_worth_it(call)
  return call.name ~= "close" and (not IDLE[call.name] or call.nth == 1)
end

--- Refuses one call after another of a launch's child.
---@return table steps which steps failed, by number
local function walk(name, trace)
  local _, shadowed <const> = numbered(trace.image or {})
  shadowed.ftruncate = trace.image and 1 or 0 -- the host's, of the control words
  local steps <const>, at, count = {}, 1, {}
  for i, call in ipairs(numbered(trace.child)) do
    if is_worth_it(call) and not is_inner(trace.child, i) and call.nth > (shadowed[call.name] or 0) then
      local err <const> = inject(name, call).error
      assert.is_true(err ~= nil or SURVIVED[call.name] or trace.child.looks[i],
        call.name .. " was refused and nobody noticed")
      if err then
        assert.is_true(err.step >= at, ("%s %d: step %d after step %d"):format(call.name, call.nth, err.step, at))
        count = err.step == at and count or {}
        at = err.step
        count[call.name] = (count[call.name] or 0) + 1
        assert.same(expected(trace.plan, at, as_reported(call, err), count), told(err))
        steps[at] = true
      end
    end
  end
  return steps
end

-- Steps that nothing can refuse, or that a refusal does not end; and those that
-- call what the small executable calls as often: it is refused first.
local NEVER_FAIL <const> = { await = true, keyring = true, umask = true }
local SHADOWED <const> = { close_fds = true, descriptors = true, oom_score = true }

local function missing(trace, steps)
  local list <const> = {}
  for number, step in ipairs(trace.plan) do
    if step.side == "child" and not steps[number] and not NEVER_FAIL[step.op]
      and not (trace.image and SHADOWED[step.op]) then
      list[#list + 1] = ("%d %s"):format(number, step.op)
    end
  end
  return list
end

-- ---- the host's own calls --------------------------------------------------

-- What the host asks for between the launch's first call and its wait for the
-- small executable, or else for the program.
local REQUESTS <const> = {}
for word in ("fcntl ftruncate memfd_create mmap openat pidfd_open write"):gmatch("%S+") do
  REQUESTS[word] = true
end

--- The part of the host's calls that a launch consists of.
local function launch_calls(trace)
  local calls <const>, list = numbered(trace.host), {}
  for i, call in ipairs(calls) do
    if call.name == "pidfd_open" and call.nth == 1 then
      list = {}
    elseif call.name == "waitid" and #list > 0 then
      break
    end
    list[#list + 1] = REQUESTS[call.name] and calls[i] or nil
  end
  return list
end

--- Refuses one after another of the host's requests: "op:syscall" of each.
local function refuse_host(name)
  local trace <const>, list <const> = record(name), {}
  for i, call in ipairs(launch_calls(trace)) do
    local err <const> = inject(name, call, true).error
    assert.same(expected(trace.plan, err.step, call, {}), told(err))
    list[i] = err.op .. ":" .. call.name
  end
  return table.concat(list, " ")
end

-- What no plan of a way's has; root of a namespace with one id goes without much.
-- `hold` is in those that make a user namespace for the map of a mount, `ready` and
-- `serve` are in those of prepared children (prepare_spec.lua).
local NOT_PLANNED <const> = {
  root = { "examine", "hold", "leave", "newgidmap", "newuidmap", "raise_limit", "ready", "serve" },
  user = { "examine", "hold", "leave", "raise_limit", "ready", "serve" },
  userns = {
    "examine", "groups", "hold", "leave", "newgidmap", "newuidmap", "raise_limit", "ready", "serve", "setgid",
    "setgroups", "setuid",
  },
}

describe("a launch", function()
  before_each(function()
    helper.count()
    directory = helper.directory()
  end)

  after_each(function()
    helper.remove(directory)
    helper.check_count()
  end)

  -- Only root of the initial namespace goes through the separate image without
  -- newuidmap, which is no use where it is traced.
  local shared <const> = is_root and "shared" or "tmpfs"

  local function check(name)
    local trace <const> = record(name)
    assert.equal(name == "separate" or is_root and name ~= "shared", trace.image ~= nil)
    assert.same({}, missing(trace, walk(name, trace)))
  end

  it("names the step and the call that was refused, and leaves nothing", function()
    check "host"
    check "overlay"
  end)

  -- Hundreds of launches each.
  if not helper.is_guest then
    it("does so with each kind of root", function()
      check(shared)
      check "bind"
    end)

    it("does so with a filter of system calls", function()
      check "filtered"
    end)

    it("does so from the separate image, where the host's memory will not do", function()
      check "separate"
    end)
  end

  if is_root and not helper.is_guest then
    it("does so in a cgroup", function()
      check "limited"
    end)

    it("does so from the separate image, where the kernel ids change", function()
      check "tmpfs"
    end)
  end

  it("names the host's own step that was refused", function()
    local words = "clone:pidfd_open setgroups:openat setgroups:write "
      .. "uid_map:openat uid_map:write gid_map:openat gid_map:write"
    if is_root then
      words = "image:pidfd_open image:openat image:memfd_create image:memfd_create image:write image:fcntl "
        .. "image:ftruncate image:mmap " .. words
    elseif way == "userns" then
      words = words:gsub("setgroups:%a+ ", "")
    end
    assert.equal(words, refuse_host("bind"))
  end)

  it("has every step there is in one of these plans", function()
    local never <const> = {}
    for op in pairs(sys.ops()) do
      never[op] = true
    end
    for name, description in pairs(full) do
      if name ~= "auto" or way == "user" then
        for _, step in ipairs(assert(assert(userns.container(description)):plan())) do
          never[step.op] = nil
        end
      end
    end
    local list <const> = {}
    for op in pairs(never) do
      list[#list + 1] = op
    end
    table.sort(list)
    local unplanned <const> = { table.unpack(NOT_PLANNED[way]) }
    if sys.landlock_abi() < 4 then
      unplanned[#unplanned + 1] = "port_rule"
      table.sort(unplanned)
    end
    assert.same(unplanned, list)
  end)

  -- ---- processes -------------------------------------------------------------

  it("makes do without clone3, as in containers that refuse it", function()
    for _, code in ipairs { "ENOSYS", "EPERM" } do
      for _, name in ipairs { "tmpfs", is_root and "limited" or nil } do
        local outcome <const> = traced("-o /dev/null -e trace=clone3 -e inject=clone3:error=" .. code, name)
        assert.same({ true }, { outcome.result and outcome.result.ok, outcome.error, outcome.left })
      end
    end
  end)

  it("says that it may not clone", function()
    local refuse <const> = "-o /dev/null -e trace=clone3,clone -e inject=clone3,clone:error=EPERM:when=1"
    local refusal <const> = helper.errno("EPERM", {
      op = "clone", syscall = "clone3", field = "namespaces", step = is_root and 2 or 1, side = "parent",
    })
    local of_host <const> = traced(refuse, "tmpfs")
    assert.same({ refusal }, { told(of_host.error), of_host.left })
    -- after one of its own the host's is not the first any more: the executable's is
    local of_image <const> = traced(refuse, "tmpfs clone3 1")
    assert.same({ is_root and refusal or nil }, { of_image.error and told(of_image.error), of_image.left })
  end)

  --- Ends whoever first makes a system call.
  local function killed(syscall)
    local outcome <const> = traced(("-o /dev/null -e trace=%s -e inject=%s:signal=KILL:when=1"):format(
      syscall, syscall), "tmpfs " .. syscall .. " 1")
    assert.is_nil(outcome.left)
    return outcome
  end

  local function death_in(plan, op)
    for number, step in ipairs(plan) do
      if step.op == op then
        return {
          op = op, side = step.side, step = number, field = step.source, path = step.path, code = "EKILLED",
          message = "the child was ended by SIGKILL while it was set up",
        }
      end
    end
  end

  it("tells of a child that was killed while it was set up", function()
    for op, syscall in pairs {
      loopback = "socket", root_tmpfs = "move_mount", pivot_root = "pivot_root", hostname = "sethostname",
      capabilities = "capset", descriptors = "dup3",
    } do
      local outcome <const> = killed(syscall)
      assert.same(death_in(outcome.plan, op), told(outcome.error))
    end
  end)

  --- The plan of a container with init, and the step of it.
  local function init_step()
    local plan <const> = assert(assert(userns.container(full.init)):plan())
    for number, step in ipairs(plan) do
      if step.op == "init" then
        return plan, number
      end
    end
  end

  it("names a call that was refused to process 1, or to its child before that has a program", function()
    local plan <const>, number <const> = init_step()
    for name, nth in pairs { sendmsg = 1, rt_sigprocmask = 1 } do
      local err <const> = inject("init", { name = name, nth = nth }).error
      assert.same(expected(plan, number, { name = name }, {}), told(err))
    end
  end)

  it("tells of a process 1 that was killed, and of its child", function()
    for op, syscall in pairs { setsid = "setsid", capabilities = "capset", descriptors = "dup3" } do
      local outcome <const> = traced(("-o /dev/null -e trace=%s -e inject=%s:signal=KILL:when=1"):format(
        syscall, syscall), "init " .. syscall .. " 1")
      assert.same({ death_in(outcome.plan, op) }, { told(outcome.error), outcome.left })
    end
  end)

  it("tells of a program that was killed as it began", function()
    local outcome <const> = killed "execve"
    assert.same({ "SIGKILL", false }, { outcome.result.signal, outcome.result.ok, outcome.error })
  end)

  if is_root then
    it("tells of an executable that was killed before it made the child", function()
      local outcome <const> = killed "execveat"
      assert.same(death_in(outcome.plan, "image"), told(outcome.error))
    end)
  end

  -- ---- programs of the set-up --------------------------------------------------

  --- Launches a container of full.lua's with a module of one's own place: the
  --- words of the error.
  local function launch(name, wrapper)
    return helper.output(([[
      package.cpath = %q .. package.cpath
      local full = require "spec.support.full"
      local helper = require "spec.helper"
      local box = assert(require "userns".container(full.%s))
      helper.count()
      local result, err = box:run(full.%s.process)
      helper.check_count()
      local words = { result and "ok" or nil }
      for _, field in ipairs { "op", "syscall", "code", "field", "step", "side", "path" } do
        words[#words + 1] = err and err[field]
      end
      io.write(table.concat(words, " "))
    ]]):format(directory .. "/?.so;", name, name), wrapper):gsub(directory, "HERE"), nil
  end

  for what, case in pairs {
    ["is missing"] = { ":", "openat ENOENT" },
    ["cannot be executed"] = { "cp /bin/true userns-init && chmod 644 userns-init", "execveat EACCES" },
    ["is no program"] = { "echo hello >userns-init && chmod 755 userns-init", "execveat ENOEXEC" },
    ["is a directory"] = { "mkdir userns-init", "execveat EACCES" },
    ["is another program"] = { "cp /bin/true userns-init", "EKILLED" },
  } do
    it("says so where its executable " .. what .. ", if it needs one", function()
      helper.shell(("cd %s && mkdir userns && cp %s userns && cd userns && %s"):format(
        directory, helper.shell("realpath " .. package.searchpath("userns.sys", package.cpath)).out:match("[^\n]+"),
        case[1]))
      local refusal <const> = ("image %s 1 parent HERE/userns/userns-init"):format(case[2])
      assert.equal(is_root and refusal or "ok", (launch("bind")))
      if way == "user" then
        assert.equal(refusal, (launch("auto")))
      end
    end)
  end

  if way == "user" then
    for what, case in pairs {
      ["refuses"] = { "echo 'newuidmap: no' >&2; exit 1", "EPERM" },
      ["is killed"] = { "kill -KILL $$", "EPERM" },
      ["cannot be executed"] = { "chmod 644 $0", "execve EACCES" },
    } do
      it("says so where newuidmap " .. what, function()
        helper.write(directory .. "/newuidmap", "#!/bin/sh\n" .. case[1] .. "\n")
        assert(os.execute(("chmod %s %s/newuidmap"):format(what == "cannot be executed" and 644 or 755, directory)))
        assert.equal(("newuidmap %s uid_map 6 parent HERE/newuidmap"):format(case[2]),
          (launch("auto", "env PATH=" .. directory .. ":$PATH")))
      end)
    end
  end

  -- ---- limits -------------------------------------------------------------------

  --- Launches once for each value of a limit that the host has set itself: the
  --- outcomes, in order.  No host may have a child left.
  local function sweep(name, limit, values, redirections)
    local script <const> = { "pids=" }
    for _, value in ipairs(values) do
      script[#script + 1] = ('%s spec/support/limited.lua %s/%d %s %s %d %s & pids="$pids $!"'):format(
        INTERPRETER, directory, value, name, limit, value, redirections or "")
    end
    script[#script + 1] = ([[
      for i in $(seq 600); do
        [ $(cat %s/[0-9]* | wc -l) -lt %d ] || break
        sleep 0.05
      done
      for pid in $pids; do
        sed -n "s/^[0-9]* .*) \(.\) $pid .*/&/p" /proc/[0-9]*/stat 2>/dev/null
      done
      kill -KILL $pids]]):format(directory, #values)
    assert.equal("", helper.shell(table.concat(script, "\n")).out)
    local outcomes <const> = {}
    for i, value in ipairs(values) do
      outcomes[i] = helper.read(("%s/%d"):format(directory, value)):match("^(.-)\n?$")
      os.remove(("%s/%d"):format(directory, value))
    end
    return outcomes
  end

  local function range(first, last, by)
    local list <const> = {}
    for value = first, last, by do
      list[#list + 1] = value
    end
    return list
  end

  local function matches(outcome, patterns)
    for _, pattern in ipairs(patterns) do
      if outcome:find(pattern) then
        return true
      end
    end
    return false, outcome
  end

  --- First refusals that match one of the patterns, then successes, some of each.
  local function check_outcomes(outcomes, ...)
    local count = { refused = 0, ok = 0 }
    for _, outcome in ipairs(outcomes) do
      local kind <const> = outcome == "ok" and "ok" or "refused"
      count[kind] = count[kind] + 1
      assert.is_true(kind == "ok" or count.ok == 0 and matches(outcome, { ... }), outcome)
    end
    assert.is_true(count.refused > 0 and count.ok > 0)
  end

  it("fails cleanly or goes well, however few descriptors the host may have", function()
    local TOO_FEW <const> = "^%l%S+ %l%S+ EMFILE$"
    for _, name in ipairs { "host", way == "user" and "auto" or nil } do
      check_outcomes(sweep(name, "nofile", range(3, 30, 1)), TOO_FEW)
      check_outcomes(sweep(name, "nofile", range(3, 30, 1), "<&- 2>&-"), TOO_FEW)
    end
  end)

  it("fails cleanly or goes well, however little memory the host may have", function()
    check_outcomes(sweep("host", "as", range(0, 4 << 20, 128 << 10)), "^launch mmap ENOMEM$", "not enough memory")
  end)

  it("says that the host may have no more processes", function()
    assert.same({ is_root and "ok" or "clone clone3 EAGAIN" }, sweep("host", "nproc", { 1 }))
  end)
end)
