-- What is made of evidence that this kernel does not produce, and that the rows of
-- causes can be relied on.
local causes <const> = require "userns.causes"
local diagnose <const> = require "userns.diagnose"
local sys <const> = require "userns.sys"

--- The host as a spec has it: nothing can be looked at but what is given.
local function source(given)
  return setmetatable(given or {}, { __index = function()
    return function() end
  end })
end

local function refused(op, code, syscall, more)
  local err <const> = sys.error { op = op, code = code, syscall = syscall, message = "m" }
  for key, value in pairs(more or {}) do
    err[key] = value
  end
  return err
end

local ROOTED <const> = { id = 1, parent = 0, target = "/", root = "/", type = "ext4", options = {}, super_options = {},
  unbindable = false }

describe("the cause of what this kernel does not refuse is told:", function()
  local function of_call(err, arguments, given)
    return diagnose.call(err, arguments, source(given))
  end

  it("the root of an initramfs", function()
    local err <const> = of_call(refused("pivot_root", "EINVAL", "pivot_root"), { "/new", "/new" }, {
      mounts = function()
        return { setmetatable({ type = "rootfs", parent = 1 }, { __index = ROOTED }) }
      end,
      mount_of = function(path)
        return { id = path == "/" and 1 or 2, root = true }
      end,
    })
    assert.equal("initramfs_root", err.cause)
  end)

  it("too many mounts", function()
    local err <const> = of_call(refused("mount", "ENOSPC", "mount"),
      { { source = "/a", target = "/b", options = "rbind" } }, {
        read = function(path)
          return path == "/proc/sys/fs/mount-max" and "2\n" or nil
        end,
        mounts = function()
          return { ROOTED, setmetatable({ id = 2, target = "/a" }, { __index = ROOTED }) }
        end,
      })
    assert.same({ "mount_max" }, { err.cause })
    assert.matches("2 here, and this one has 2", err.why)
  end)

  --- A link or file of user 1000's in a directory, as user 1001 meets it.
  local function kept(sysctl, switch, directory)
    return {
      access = function(path)
        local stops <const> = sysctl == "protected_symlinks" and path == "/all/x"
        return not stops or nil, stops and { code = "EACCES" } or nil
      end,
      ids = function()
        return 1001, 1001
      end,
      read = function(path)
        return path == "/proc/sys/fs/" .. sysctl and switch or nil
      end,
      stat = function(path, how)
        local type <const> = (how or sysctl == "protected_regular") and (how and "symlink" or "file")
        return path == "/all/x" and type and { type = type, mode = 511, uid = 1000, gid = 1000 }
          or path ~= "/all/x" and { type = "directory", mode = directory, uid = 0, gid = 0 } or nil
      end,
    }
  end

  it("links and files of others in directories for all", function()
    local function told(sysctl, switch, directory)
      local err <const> = of_call(refused("open", "EACCES", "open"), { "/all/x", { "write", "create" } },
        kept(sysctl, switch, directory))
      return err.cause or err.causes[1].cause, err.why
    end
    local sticky <const>, open <const> = 1023, 511 -- 01777, 0777
    local cause <const>, why <const> = told("protected_symlinks", "1\n", sticky)
    assert.equal("protected_symlinks", cause)
    assert.matches("'/all/x' is a link of another user's in '/all'", why, 1, true)
    assert.not_equal("protected_symlinks", (told("protected_symlinks", "0\n", sticky)))
    assert.not_equal("protected_symlinks", (told("protected_symlinks", "1\n", open)))
    assert.is_nil(select(2, told("protected_symlinks", nil, sticky)))
    assert.equal("protected_regular", (told("protected_regular", "2\n", sticky)))
    assert.not_equal("protected_regular", (told("protected_regular", "0\n", sticky)))
  end)

  it("what is in use elsewhere", function()
    local given <const> = {
      mounts = function()
        return { ROOTED, setmetatable({ id = 2, target = "/cg", type = "cgroup" }, { __index = ROOTED }) }
      end,
      read = function(path)
        return path == "/proc/filesystems" and "nodev\tcgroup\n\text4\n" or nil
      end,
    }
    local function told(mount)
      return of_call(refused("mount", "EBUSY", "mount"), { mount }, given).cause
    end
    assert.equal("cgroup_in_use", told { target = "/cg", options = "remount", data = "cpu" })
    assert.equal("cgroup_in_use", told { target = "/new", type = "cgroup", data = "cpu" })
    assert.is_nil(told { target = "/cg", options = { "remount", "ro" } })
    assert.equal("busy", told { target = "/", options = { "remount", "ro" } })
    assert.equal("device_in_use", told { source = "/dev/sda", target = "/new", type = "ext4", options = "ro" })
  end)

  it("a procfs that has no number for the caller, and none at all", function()
    local function of(given)
      return of_call(refused("namespace", "ENOENT", "readlink", { path = "/proc/7/ns/net" }), { "net", 7 }, given)
    end
    assert.equal("foreign_proc", of({ statfs = function() return { type = "proc" } end }).cause)
    assert.equal("no_proc", of({ statfs = function() return { type = "tmpfs" } end }).cause)
    assert.equal("no_proc", of({ access = function() return nil, { code = "ENOENT" } end }).cause)
    assert.is_nil(of({}).cause)
  end)

  it("a read-only proc in sight", function()
    local proc <const> = setmetatable({ id = 2, target = "/proc", type = "proc", options = { "ro" } },
      { __index = ROOTED })
    local err <const> = of_call(refused("mount", "EPERM", "mount"), { { target = "/mnt", type = "proc" } }, {
      mounts = function()
        return { ROOTED, proc }
      end,
      stat = function(path)
        return path == "/proc/self/ns/user" and { inode = 7, type = "file" } or nil
      end,
      namespace = function()
        local same = {}
        function same.id() return 7 end
        function same.type() return "mnt" end
        function same.userns() return setmetatable({}, { __index = same, __close = function() end }) end
        return setmetatable({}, { __index = same, __close = function() end })
      end,
      capabilities = function()
        return { "sys_admin" }
      end,
      landlock_abi = function()
        return 0
      end,
    })
    assert.equal("too_revealing", err.cause)
    assert.matches("read%-only", err.why)
  end)

  it("more descriptors than the machine gives anybody", function()
    local plan <const> = { { op = "raise_limit", side = "parent", resource = "nofile", hard = 2000 } }
    local err <const> = diagnose.step(refused("raise_limit", "EPERM", "prlimit64"), plan[1], plan, source {
      read = function(path)
        return path == "/proc/sys/fs/nr_open" and "1000\n" or nil
      end,
      stat = function()
        return { inode = 0xEFFFFFFD, type = "file" }
      end,
      capabilities = function()
        return { "sys_resource" }
      end,
    })
    assert.equal("nr_open", err.cause)
    assert.matches("1000 here", err.why)
  end)

  it("32 bits on a kernel that may have none", function()
    local found <const> = { item = 1, depth = 0, path = "/p", type = "file", format = "elf", bits = 32,
      machine = sys.uname().machine == "x86_64" and 3 or 40, elf_type = 2, caps = 0, noexec = false }
    local err <const> = of_call(refused("exec", "ENOEXEC", "execveat", { path = "/p", found = found }),
      { "/p", { "p" } })
    assert.is_nil(err.found)
    assert.same({ nil, "wrong_architecture", "bad_elf" }, { err.cause, err.causes[1].cause, err.causes[2].cause })
  end)
end)

--- The answer of a host of which nothing is known but that it has no filter.
local function unfiltered(path)
  return path == "/proc/self/status" and "Seccomp:\t0\n" or nil
end

describe("the cause is told of what takes another kernel, or the whole machine:", function()
  -- A step of a plan is refused: what it is, the kernel's answer, the cause, words of why.
  for _, row in ipairs {
    { { op = "ruleset", side = "child" }, "ENOSYS", "landlock_create_ruleset", "landlock_unsupported", "not built" },
    { { op = "ruleset", side = "child" }, "EOPNOTSUPP", "landlock_create_ruleset", "landlock_disabled", "booted" },
    { { op = "clone", side = "parent", namespaces = { "net" } }, "ENOSYS", "clone", "old_kernel", "system call" },
    { { op = "mount", side = "child", type = "tmpfs", target = "/t" }, "ENOMEM", "fsmount", "memory", "not enough" },
    { { op = "overlay", side = "child", lower = {} }, "EOPNOTSUPP", "fgetxattr", "no_userxattr", "before Linux 6.6" },
    { { op = "cgroup", side = "parent", path = "/c" }, "ENOENT", "openat", "no_such_limit", "no such limit" },
    { { op = "cgroup", side = "parent", path = "/c" }, "EAGAIN", "mkdirat", "cgroup_max", "cgroup.max.descendants" },
    { { op = "open", side = "child", path = "/a" }, "ENFILE", "openat2", "file_max", "fs.file-max" },
    { { op = "chdir", side = "child", path = "/a" }, "ENOENT", "getcwd", "outside", "leads out" },
    { { op = "pdeathsig", side = "child", signal = "KILL" }, "ESRCH", "prctl", "host_gone", "has ended" },
    { { op = "await", side = "child" }, "ESRCH", "futex", "host_gone", "has ended" },
  } do
    it(("%s %s"):format(row[1].op, row[2]), function()
      local err <const> = diagnose.step(refused(row[1].op, row[2], row[3]), row[1], { row[1] },
        source { read = unfiltered })
      assert.equal(row[4], err.cause)
      assert.is_truthy(err.why:find(row[5], 1, true), err.why)
      assert.is_true(#err.hint > 10)
    end)
  end

  it("less processor time above", function()
    local step <const> = { op = "cgroup", side = "parent", path = "/c", limits = { "cpu.cfs_quota_us=200000" } }
    local err <const> = diagnose.step(refused("cgroup", "EINVAL", "write", { path = "/c/box/cpu.cfs_quota_us" }), step,
      { step }, source { read = unfiltered })
    assert.equal("limit_above_parent", err.cause)
  end)
end)

describe("the cause is told of a map that Linux 4.14 refuses:", function()
  it("too many lines", function()
    local map <const> = {}
    for i = 0, 5 do
      map[#map + 1] = { inside = i, outside = 2 * i, count = 1 }
    end
    local function cause()
      return diagnose.call(refused("uid_map", "EINVAL", "write"), { 7, map }, source { read = unfiltered }).cause
    end
    assert.equal("too_many_lines", cause())
    map[#map] = nil
    assert.is_nil(cause())
  end)
end)

describe("no cause is claimed", function()
  it("where nothing can be looked at", function()
    for _, row in ipairs {
      { "mount", "EPERM", "mount", { { target = "/a", type = "tmpfs" } } },
      { "mount", "EINVAL", "mount", { { source = "/a", target = "/b", options = "bind" } } },
      { "umount", "EINVAL", "umount2", { "/a" } }, { "pivot_root", "EINVAL", "pivot_root", { "/a", "/a" } },
      { "mount", "ENOENT", "mount", { { target = "/a", type = "tmpfs" } } },
    } do
      local err <const> = diagnose.call(refused(row[1], row[2], row[3]), row[4], source())
      assert.is_nil(err.cause, ("%s %s: %s"):format(row[1], row[2], err.cause))
      assert.is_true(err.causes == nil or #err.causes > 1)
    end
  end)
end)

describe("a row of causes", function()
  it("has a word, and says why and what to do", function()
    for _, row in ipairs(causes) do
      local name <const> = ("%s of %s"):format(row.cause, row.subject)
      assert.matches("^[%l%d_]+$", row.cause)
      for _, field in ipairs { "why", "hint" } do
        local text <const> = row[field]
        assert.is_true(type(text) == "function" or type(text) == "string" and #text >= 10, name .. ": " .. field)
      end
      assert.is_true(type(row.why) == "string" or type(row.about) == "string" and #row.about >= 10, name .. ": about")
    end
  end)
end)
