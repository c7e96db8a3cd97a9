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

local LUA <const> = "lua5.4 spec/support/victim.lua"

local directory

--- Launches a container of full.lua's, traced: what victim.lua has to tell.
local function traced(name, strace, pad)
  local result <const> = helper.shell(([[cd %s && rm -f fifo && mkfifo fifo && cd "$OLDPWD" &&
    LUA_PATH=%s LUA_CPATH=%s timeout 30 sh -c '%s "$1/fifo" %s %s & read -r _ <"$1/fifo"
      exec strace -f -qqq %s -p $!' sh %s]]):format(directory, helper.quote(package.path), helper.quote(package.cpath),
    LUA, name, pad or "", strace, directory))
  local outcome <const> = load(result.out)
  assert(outcome and result.out ~= "", ("%s, %s: exit %d: %s%s"):format(name, strace, result.code, result.out, result.err))
  return outcome()
end

-- ---- what a launch is made of ---------------------------------------------

--- The names of a process's system calls, as far as its program's execution,
--- and the whole lines.
local function calls_in(path)
  local names <const>, lines <const> = {}, {}
  for line in io.lines(path) do
    local name <const> = line:match("^([%w_]+)%(")
    names[#names + 1], lines[#lines + 1] = name, name and line
    if name == "execve" and line:find("= 0", 1, true) then
      break
    end
  end
  return names, lines
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
  local outcome <const> = traced(name, "-ff -o " .. prefix)
  local trace <const> = { plan = outcome.plan, outcome = outcome }
  for path in helper.shell("ls " .. prefix .. ".*").out:gmatch("%S+") do
    local names <const>, lines <const> = calls_in(path)
    local who <const> = contains(names, "execveat") and "image" or contains(names, "execve") and "child" or "host"
    trace[who], trace[who .. "_lines"] = names, lines
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
-- needed, a look at the host's pidfd, a handler that is reset, and the like.
local SURVIVED <const> = {}
for word in ("fcntl futex keyctl ppoll rt_sigaction statx umask"):gmatch("%S+") do
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
  if call.name == "fsconfig" and step.options and step.options[count.fsconfig] then
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
  local outcome <const> = traced(name, ("-o /dev/null -e trace=%s -e inject=%s:error=EPERM:when=%d"):format(
    call.name, call.name, call.nth), not host and ("%s %d"):format(call.name, call.nth) or nil)
  assert.is_nil(outcome.left)
  return outcome
end

-- Calls whose result nobody looks at: once each is enough.
local IDLE <const> = { futex = true, ppoll = true, rt_sigaction = true }

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
      assert.is_true(err ~= nil or SURVIVED[call.name], call.name .. " was refused and nobody noticed")
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
local SHADOWED <const> = { close_fds = true, descriptors = true }

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

-- What the host asks for between the launch's first call and its last.
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
    elseif call.name == "munmap" and #list > 0 then
      break
    end
    list[#list + 1] = REQUESTS[call.name] and calls[i] or nil
  end
  return list
end

--- Refuses one after another of the host's requests: "op syscall" of each.
local function refuse_host(name)
  local trace <const>, list = record(name), {}
  for i, call in ipairs(launch_calls(trace)) do
    local err <const> = inject(name, call, true).error
    assert.same(expected(trace.plan, err.step, call, {}), told(err))
    list[i] = err.op .. " " .. call.name
  end
  return list
end

-- What a way's plans have no use for.
local NOT_PLANNED <const> = {
  root = { "newgidmap", "newuidmap" },
  user = { "groups", "image", "newgidmap", "newuidmap", "setgid", "setuid", "undumpable" },
  userns = { "groups", "image", "newgidmap", "newuidmap", "setgid", "setgroups", "setuid", "undumpable" },
}

describe("a launch", function()
  before_each(function()
    directory = helper.directory()
  end)

  after_each(function()
    helper.remove(directory)
  end)

  local way <const> = helper.privilege
  -- Only root of the initial namespace launches through the separate image, and
  -- can do without a user namespace.
  local is_root <const> = way == "root"
  local shared <const> = is_root and "shared" or "tmpfs"

  --- Walks through a launch that would go well.
  local function check(name, is_separate)
    local trace <const> = record(name)
    assert.same({ true, is_separate }, { trace.outcome.result.ok, trace.image ~= nil })
    assert.same({}, missing(trace, walk(name, trace)))
  end

  it("names the step and the call that was refused, and leaves nothing", function()
    check(shared, false)
  end)

  it("does so with each kind of root", function()
    check("bind", is_root)
    check("host", is_root)
  end)

  it("does so from the separate image, where the kernel ids change", function()
    check("tmpfs", is_root)
  end)

  it("names the host's own step that was refused", function()
    local maps <const> = way ~= "userns" and { "setgroups openat", "setgroups write" } or {}
    for _, word in ipairs { "uid_map openat", "uid_map write", "gid_map openat", "gid_map write" } do
      maps[#maps + 1] = word
    end
    local list <const> = is_root and {
      "image pidfd_open", "image openat", "image memfd_create", "image memfd_create", "image write", "image fcntl",
      "image ftruncate", "image mmap", "clone pidfd_open",
    } or { "clone pidfd_open" }
    table.move(maps, 1, #maps, #list + 1, list)
    assert.same(list, refuse_host("bind"))
  end)

  -- ---- processes -----------------------------------------------------------

  it("makes do without clone3, as in containers that refuse it", function()
    for _, code in ipairs { "ENOSYS", "EPERM" } do
      local outcome <const> = traced("tmpfs", "-o /dev/null -e trace=clone3 -e inject=clone3:error=" .. code)
      assert.same({ true }, { outcome.result.ok, outcome.error, outcome.left })
    end
  end)

  --- With one clone3 of its own before, the host's is not the first any more:
  --- the executable's is.
  local function without_clone(pad)
    local outcome <const> = traced("tmpfs", "-o /dev/null -e trace=clone3,clone -e inject=clone3,clone:error=EPERM:when=1", pad)
    assert.is_nil(outcome.left)
    return outcome.error and told(outcome.error), outcome.plan
  end

  it("says that it may not clone", function()
    local number <const> = is_root and 2 or 1
    local refusal <const> = helper.errno("EPERM", {
      op = "clone", syscall = "clone3", field = "namespaces", step = number, side = "parent",
    })
    assert.same(refusal, (without_clone()))
    assert.same(is_root and refusal or nil, (without_clone("clone3 1")))
  end)

  --- A signal that ends the child, or the executable, at its nth such call.
  local function killed(name, syscall, nth, signal)
    local outcome <const> = traced(name, ("-o /dev/null -e trace=%s -e inject=%s:signal=%s:when=%d"):format(
      syscall, syscall, signal, nth), ("%s %d"):format(syscall, nth))
    assert.is_nil(outcome.left)
    return outcome.error and told(outcome.error), outcome
  end

  local function death(op, fields)
    fields.op, fields.code = op, "EKILLED"
    fields.message = "the child was ended by SIGKILL while it was set up"
    return fields
  end

  local function number_of(plan, op)
    for number, step in ipairs(plan) do
      if step.op == op then
        return number
      end
    end
  end

  it("tells of a child that was killed while it was set up", function()
    for op, call in pairs {
      loopback = { "socket", 1 }, root_tmpfs = { "move_mount", 1 }, pivot_root = { "pivot_root", 1 },
      hostname = { "sethostname", 1 }, capabilities = { "capset", 1 }, descriptors = { "dup3", 1 },
    } do
      local err <const>, outcome = killed("tmpfs", call[1], call[2], "KILL")
      local number <const> = number_of(outcome.plan, op)
      assert.same(death(op, { step = number, side = "child", field = outcome.plan[number].source }), err)
    end
  end)

  it("tells of a program that was killed as it began", function()
    local err <const>, outcome = killed("tmpfs", "execve", 1, "KILL")
    assert.is_nil(err)
    assert.same({ false, "SIGKILL" }, { outcome.result.ok, outcome.result.signal, outcome.result.exit_code })
  end)

  it("tells of an executable that was killed before it made the child", function()
    local err <const>, outcome = killed("tmpfs", "execveat", 1, "KILL")
    assert.same(is_root and death("image", { step = 1, side = "parent", path = outcome.plan[1].path }) or nil, err)
    assert.equal(not is_root, outcome.result ~= nil)
  end)

  it("has every step there is in one of these plans", function()
    local steps <const> = {}
    for _, name in ipairs { "tmpfs", "shared", "bind", "host" } do
      local box <const> = assert(userns.container(full[name]))
      for _, step in ipairs(assert(box:plan())) do
        steps[step.op] = true
      end
    end
    local never <const> = {}
    for op in pairs(sys.ops()) do
      never[#never + 1] = not steps[op] and op or nil
    end
    table.sort(never)
    assert.same(NOT_PLANNED[way], never)
  end)

  -- ---- the small executable ------------------------------------------------

  --- Launches with a module that has another executable, or none, beside it.
  local function with_executable(prepare)
    local module <const> = assert(package.searchpath("userns.sys", package.cpath))
    assert(os.execute(("mkdir %s/userns && cp %s %s/userns && cd %s/userns && %s"):format(
      directory, module, directory, directory, prepare)))
    local text <const> = helper.output(([[
      package.cpath = %q
      local helper = require "spec.helper"
      local box = assert(require "userns".container { share = "net" })
      helper.count()
      local result, err = box:run { "/bin/true" }
      helper.check_count()
      for _, name in ipairs { "op", "syscall", "code", "step", "side", "path" } do
        io.write(tostring((err or {})[name]), " ")
      end
    ]]):format(directory .. "/?.so"))
    assert(os.execute("rm -r " .. directory .. "/userns"))
    return (text:gsub(directory, "DIR"))
  end

  for what, case in pairs {
    ["is missing"] = { ":", "openat ENOENT" },
    ["cannot be executed"] = { "cp /bin/true userns-init && chmod 644 userns-init", "execveat EACCES" },
    ["is no program"] = { "echo hello >userns-init && chmod 755 userns-init", "execveat ENOEXEC" },
    ["is a directory"] = { "mkdir userns-init", "execveat EACCES" },
    ["is another program"] = { "cp /bin/true userns-init", nil },
  } do
    it("says so where the executable " .. what .. ", if it is needed", function()
      local refusal <const> = case[2] and ("image %s 1 parent DIR/userns/userns-init "):format(case[2])
        or "image nil EKILLED 1 parent DIR/userns/userns-init "
      assert.equal(is_root and refusal or ("nil "):rep(6), with_executable(case[1]))
    end)
  end

  -- ---- limits ---------------------------------------------------------------

  --- Launches once for each value of a limit that the host has set itself: the
  --- outcomes, by value.
  local function sweep(limit, values, redirections)
    local script <const> = { "pids=" }
    for _, value in ipairs(values) do
      script[#script + 1] = ("LUA_PATH=%s LUA_CPATH=%s lua5.4 spec/support/limited.lua %s/%d %s %d %s & pids=\"$pids $!\"")
        :format(helper.quote(package.path), helper.quote(package.cpath), directory, value, limit, value, redirections or "")
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

  --- First refusals that match one of the patterns, then successes, and some of
  --- each.
  local function check_outcomes(outcomes, ...)
    local first_ok
    for i, outcome in ipairs(outcomes) do
      first_ok = first_ok or outcome == "ok" and i or nil
      local known = first_ok and outcome == "ok"
      for _, pattern in ipairs(first_ok and {} or { ... }) do
        known = known or outcome:find(pattern) ~= nil
      end
      assert(known, ("%d: %s"):format(i, outcome))
    end
    assert.is_true(first_ok and first_ok > 1)
  end

  it("fails cleanly or goes well, however few descriptors the host may have", function()
    check_outcomes(sweep("nofile", range(3, 24, 1)), "^%l%S+ %l%S+ EMFILE$")
    check_outcomes(sweep("nofile", range(3, 24, 1), "<&- 2>&-"), "^%l%S+ %l%S+ EMFILE$", "^descriptors open EINVAL$")
  end)

  it("fails cleanly or goes well, however little memory the host may have", function()
    check_outcomes(sweep("as", range(0, 4 << 20, 128 << 10)), "^launch mmap ENOMEM$", "not enough memory")
  end)

  it("says that the host may have no more processes", function()
    assert.same({ is_root and "ok" or "clone clone3 EAGAIN" }, sweep("nproc", { 1 }))
  end)
end)
