-- How rows are held against a refusal: with evidence that a spec makes up, and what
-- this machine's kernel cannot be made to refuse.
local causes = require "userns.causes"
local diagnose = require "userns.diagnose"
local sys = require "userns.sys"

local INITIAL <const> = { user = 0xEFFFFFFD, pid = 0xEFFFFFFC, mnt = 0xEFFFFFF8 }

--- A machine on which nothing is refused, but for what the spec says of it: files by
--- path, and functions in place of others.
local function machine(files, functions)
  local asked <const> = {}
  local source <const> = {
    read = function(path)
      asked[path] = (asked[path] or 0) + 1
      return files[path]
    end,
    stat = function(path)
      local type <const> = path:match "^/proc/self/ns/(%w+)"
      return type and { inode = INITIAL[type] or 0xF0000010, uid = 1000 } or { inode = 1, uid = 1000 }
    end,
    statfs = function() return { type = "ext4", flags = {} } end,
    mount_of = function() return { id = 26, root = true } end,
    access = function() return true end,
    probe = function() return "EINVAL", "EINVAL", false end,
    capabilities = function() return {} end,
    cgroups = function() return {} end,
    file_caps = function() return false end,
    ids = function() return 1000, 1000 end,
    map = function() return { { inside = 0, outside = 0, count = 0xFFFFFFFF } } end,
    modules = function() return {} end,
    mounts = function() return { { id = 26, parent = 1, target = "/" } } end,
    namespace = function() return nil end,
    path = function() return "" end,
    processes = function() return {} end,
    sets = function() return {} end,
  }
  for name, fn in pairs(functions or {}) do
    source[name] = fn
  end
  return source, asked
end

local STATUS <const> = "Name:\tlua\nTracerPid:\t0\nThreads:\t1\nSeccomp:\t0\n"

local function refusal(op, code, syscall)
  return sys.error { op = op, code = code, syscall = syscall or op, message = "m" }
end

local function list_of(err)
  local words <const> = {}
  for i, one in ipairs(err.causes or {}) do
    words[i] = one.cause
  end
  return err.cause or table.concat(words, " ")
end

--- The cause that unshare(2) has on a machine.
local function unshare(namespaces, code, files, functions)
  files["/proc/self/status"] = files["/proc/self/status"] or STATUS
  local err <const> = refusal("unshare", code)
  diagnose.call(err, { namespaces }, (machine(files, functions)))
  return list_of(err), err
end

describe("a refusal on a machine", function()
  it("whose kernel lets only root make user namespaces", function()
    local switch <const> = { ["/proc/sys/kernel/unprivileged_userns_clone"] = "0\n" }
    local cause <const>, err <const> = unshare("user", "EPERM", switch)
    assert.equal("sysctl_userns_clone", cause)
    assert.equal("as root: sysctl kernel.unprivileged_userns_clone=1", err.hint)
    assert.equal("", (unshare("user", "EPERM", { ["/proc/sys/kernel/unprivileged_userns_clone"] = "1\n" })))
    local root <const> = { capabilities = function() return { "sys_admin" } end }
    assert.equal("", (unshare("user", "EPERM", switch, root)))
  end)

  it("whose AppArmor gives user namespaces nothing", function()
    local function files(switch, label)
      return {
        ["/proc/sys/kernel/apparmor_restrict_unprivileged_userns"] = switch .. "\n",
        ["/proc/self/attr/current"] = label .. "\n",
      }
    end
    local modules <const> = { modules = function() return { "apparmor" } end }
    local cause <const>, err <const> = unshare("user", "EPERM", files(1, "unconfined"), modules)
    assert.equal("apparmor_userns", cause)
    assert.matches("profile with `userns,`", err.hint)
    assert.equal("apparmor_userns lsm", (unshare("user", "EPERM", files(1, "lua (enforce)"), modules)))
    assert.equal("lsm", (unshare("user", "EPERM", files(0, "lua (enforce)"), modules)))
    assert.equal("", (unshare("user", "EPERM", files(0, "unconfined"), modules)))
    -- TOMOYO is in Debian's kernels, and idle without the program that loads its policy
    local tomoyo <const> = { modules = function() return { "tomoyo" } end }
    assert.equal("lsm", (unshare("user", "EPERM", files(0, "unconfined"), tomoyo)))
    tomoyo.access = function() return nil, { code = "ENOENT" } end
    assert.equal("", (unshare("user", "EPERM", files(0, "unconfined"), tomoyo)))
    -- in the profile that it is put into, what comes later is refused
    for _, row in ipairs { { "setgroups", "EACCES", "open" }, { "uid_map", "EPERM", "write" },
      { "hostname", "EPERM", "sethostname" }, { "unshare", "EPERM", "unshare" } } do
      local later <const> = refusal(table.unpack(row))
      diagnose.call(later, { "self" }, (machine(files(1, "unprivileged_userns (enforce)"), modules)))
      assert.equal("apparmor_userns", later.cause, row[1])
    end
    local step <const> = { op = "hostname", side = "child", name = "box" }
    local plan <const> = { { op = "clone", side = "parent", namespaces = { "user", "uts" } }, step }
    local inside <const> = diagnose.step(refusal("hostname", "EPERM", "sethostname"), step, plan,
      (machine(files(1, "unconfined"), modules)))
    assert.equal("apparmor_userns", inside.cause)
  end)

  it("whose kernel has no namespaces of a type", function()
    local lacks <const> = { stat = function(path)
      return path ~= "/proc/self/ns/time" and { inode = INITIAL.pid, uid = 0 } or nil
    end }
    local cause <const>, err <const> = unshare({ "user", "time" }, "EINVAL", {}, lacks)
    assert.equal("unsupported", cause)
    assert.equal("this kernel has no time namespaces", err.why)
    assert.equal("", (unshare("user", "EINVAL", {}, lacks)))
  end)

  it("whose root is a mount below that of the mount namespace", function()
    local function mounted(parent, inode)
      return {
        mounts = function() return { { id = 90, parent = parent, target = "/" } } end,
        stat = function(path)
          return { inode = path:find "mnt$" and inode or INITIAL.user, uid = 0 }
        end,
      }
    end
    assert.equal("chrooted", (unshare("user", "EPERM", {}, mounted(26, INITIAL.mnt))))
    assert.equal("", (unshare("user", "EPERM", {}, mounted(1, INITIAL.mnt))))
    local hidden <const> = { mounts = function() return { { id = 91, parent = 90, target = "/proc" } } end }
    assert.equal("chrooted", (unshare("user", "EPERM", {}, hidden)))
  end)

  it("of which little can be seen", function()
    local function nothing() return nil end
    local blind <const> = {}
    for _, name in ipairs { "read", "stat", "statfs", "mount_of", "access", "probe", "capabilities", "map", "modules",
      "mounts", "namespace", "processes", "sets" } do
      blind[name] = nothing
    end
    local cause <const>, err <const> = unshare("user", "EPERM", {}, blind)
    assert.equal("seccomp chrooted lsm", cause)
    assert.is_nil(err.cause)
    assert.matches("^either .*, or .*, or ", err.hint)
    for name in pairs(blind) do
      blind[name] = function() error "no" end
    end
    assert.is_nil(select(2, unshare("user", "EPERM", {}, blind)).cause)
  end)

  it("that a tracer may have made up", function()
    local files <const> = { ["/proc/self/status"] = STATUS:gsub("TracerPid:\t0", "TracerPid:\t77") }
    local cause <const>, err <const> = unshare("user", "EPERM", files)
    assert.equal("traced", cause)
    assert.matches("process 77", err.why)
  end)

  it("with pids that a limit has used up", function()
    local function full(files)
      files["/proc/self/status"] = STATUS
      local err <const> = refusal("clone", "EAGAIN", "clone3")
      diagnose.call(err, { {} }, (machine(files, {
        cgroups = function() return { { version = 2, target = "/cg", controllers = { "pids" }, own = "/a/b" } } end,
      })))
      return list_of(err), err
    end
    local limits <const> = "Max processes             unlimited            unlimited            processes\n"
    local cause <const>, err <const> = full {
      ["/proc/self/limits"] = limits, ["/cg/a/pids.max"] = "5\n", ["/cg/a/pids.current"] = "5\n",
    }
    assert.equal("pids_cgroup", cause)
    assert.equal("the cgroup /cg/a has as many processes as its pids.max allows, 5", err.why)
    assert.equal("threads_max", (full {
      ["/proc/self/limits"] = limits, ["/proc/loadavg"] = "0 0 0 1/900 7\n", ["/proc/sys/kernel/threads-max"] = "900\n",
    }))
    assert.equal("pid_max", (full {
      ["/proc/self/limits"] = limits, ["/proc/loadavg"] = "0 0 0 1/900 7\n",
      ["/proc/sys/kernel/threads-max"] = "9000\n", ["/proc/sys/kernel/pid_max"] = "1000\n",
    }))
  end)
end)

describe("the search for a cause", function()
  it("reads each file once, and nothing where nothing is refused", function()
    local source <const>, asked <const> = machine({ ["/proc/self/status"] = STATUS })
    diagnose.call(refusal("unshare", "EPERM"), { { "user", "net" } }, source)
    for path, times in pairs(asked) do
      assert.equal(1, times, path)
    end
    assert.is_true(asked["/proc/self/status"] ~= nil)
    assert.equal("nil\n", require "spec.helper".output [[
      local userns = require "userns"
      assert(userns.container {}:run { "/bin/true" })
      print(package.loaded["userns.diagnose"])
    ]])
  end)

  it("leaves what was said already", function()
    local err <const> = refusal("setns", "EINVAL")
    err.cause, err.why, err.hint = "a", "b", "c"
    diagnose.call(err, { "/x" }, (machine {}))
    assert.same({ "a", "b", "c" }, { err.cause, err.why, err.hint })
  end)

  it("claims nothing for what no row is about", function()
    local err <const> = refusal("unshare", "EXDEV")
    diagnose.call(err, { "user" }, (machine {}))
    assert.same({ op = "unshare", code = "EXDEV", syscall = "unshare", message = "m" },
      require "spec.helper".fields(err))
  end)
end)

describe("the rows", function()
  it("each say which cause, why, and what to do", function()
    for i, row in ipairs(causes) do
      local name <const> = ("%d %s"):format(i, row.cause)
      assert.matches("^[%l_]+$", row.cause, name)
      assert.is_true(#(row.about or row.why) >= 15, name)
      assert.is_true(type(row.why) == "function" or #row.why >= 15, name)
      assert.is_true(type(row.hint) == "function" or #row.hint >= 10, name)
      assert.is_true(next(row.ops) ~= nil and next(row.codes) ~= nil, name)
      for code in pairs(row.codes) do
        assert.is_true(code == "any" or code:find "^E[%u%d]+$" ~= nil, name)
      end
    end
  end)
end)
