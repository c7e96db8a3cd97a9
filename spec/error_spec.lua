local error_object <const> = require "userns.error"
local helper <const> = require "spec.helper"
local plan <const> = require "userns.plan"
local sys <const> = require "userns.sys"

describe("an error", function()
  it("prints what was attempted, on what, what was said, where, and what to do", function()
    local full <const> = {
      op = "bind", path = "/srv", message = "No such file or directory", field = "mounts[2].source", step = 7,
      side = "child", hint = "create it",
    }
    assert.equal("userns: bind '/srv': No such file or directory (mounts[2].source) (step 7, child); create it",
      tostring(sys.error(full)))
    for _, row in ipairs {
      { {}, "userns: " },
      { { op = "wait" }, "userns: wait" },
      { { op = "wait", message = "it runs" }, "userns: wait: it runs" },
      { { op = "chdir", path = "/srv" }, "userns: chdir '/srv'" },
      { { op = "chdir", path = "", message = "m" }, "userns: chdir '': m" },
      { { op = "validate", message = "unknown field", field = "zebra" }, "userns: validate: unknown field (zebra)" },
      { { op = "exec", message = "m", step = 3, side = "child" }, "userns: exec: m (step 3, child)" },
      { { op = "clone", message = "m", hint = "h" }, "userns: clone: m; h" },
    } do
      assert.equal(row[2], tostring(sys.error(row[1])))
    end
  end)

  it("prints one line, whatever its fields have in them", function()
    assert.equal([[userns: chdir '/a\nb\x0d\x1b[31m\\\x7f': x\x00y (process.env["\n"]); a\x09b]],
      tostring(sys.error {
        op = "chdir", path = "/a\nb\r\27[31m\\\127", message = "x\0y", field = 'process.env["\n"]', hint = "a\tb",
      }))
  end)

  it("keeps text that is not ASCII", function()
    assert.equal("userns: chdir '/ü\xff'", tostring(sys.error { op = "chdir", path = "/ü\xff" }))
  end)

  it("joins with strings, numbers and other errors", function()
    local err <const> = sys.error { op = "wait", message = "it runs" }
    assert.equal("failed: userns: wait: it runs", "failed: " .. err)
    assert.equal("userns: wait: it runs\n", err .. "\n")
    assert.equal("5userns: wait: it runs", 5 .. err)
    assert.equal("userns: wait: it runsuserns: wait: it runs", err .. err)
    assert.equal("a userns: wait: it runs!", "a " .. err .. "!")
  end)

  it("is recognised by its name", function()
    assert.equal("userns.error", getmetatable(sys.error { op = "wait" }).__name)
  end)

  it("is made of a table, of nothing else", function()
    local fields <const> = { op = "wait" }
    assert.equal(fields, sys.error(fields))
    assert.has_error(function()
      sys.error "wait"
    end, "bad argument #1 to 'error' (table expected, got string)")
  end)

  it("raised by assert ends the stand-alone interpreter with its one line", function()
    local result <const> = helper.lua [[
      assert(require "userns".container { hostnam = "box" })
    ]]
    assert.equal(1, result.code)
    assert.equal("userns: validate: unknown field 'hostnam' (did you mean 'hostname'?) (hostnam)",
      result.err:match("userns: [^\n]*"))
  end)
end)

describe("the error of a wrong description", function()
  local function problems(count)
    local list <const> = {}
    for i = 1, count do
      list[i] = { field = "f" .. i, message = "m" .. i }
    end
    return list
  end

  it("is its first problem, and has them all", function()
    for count, message in pairs { "m1", "m1, and 1 more problem", "m1, and 2 more problems" } do
      local err <const> = error_object.invalid(problems(count))
      assert.equal("userns.error", getmetatable(err).__name)
      assert.equal(count, #err.problems)
      assert.same({ op = "validate", code = "EINVALID", field = "f1", message = message, problems = err.problems },
        helper.fields(err))
      for i, problem in ipairs(err.problems) do
        assert.same({ op = "validate", code = "EINVALID", field = "f" .. i, message = "m" .. i },
          helper.fields(problem))
        assert.equal(("userns: validate: m%d (f%d)"):format(i, i), tostring(problem))
      end
      assert.equal(("userns: validate: %s (f1)"):format(message), tostring(err))
    end
  end)

  it("may be about the whole of it", function()
    local err <const> = error_object.invalid { { message = "plain table expected" } }
    assert.equal("userns: validate: plain table expected", tostring(err))
  end)
end)

describe("the error of a strict description", function()
  it("names what would be degraded", function()
    local err <const> = error_object.degraded {
      { feature = "groups", used = "the caller's", reason = "denied" },
      { feature = "keyring", used = "none", reason = "refused" },
    }
    assert.same({
      op = "compile", code = "EDEGRADED", field = "strict",
      message = "groups: only the caller's is to be had (denied)",
    }, helper.fields(err))
    assert.equal("userns.error", getmetatable(err).__name)
  end)
end)

describe("the error of a failed step", function()
  local STEPS <const> = {
    bind = {
      op = "bind", side = "child", slot = 0, path = "/srv", target = "/mnt", attrs = {}, source = "mounts[1]",
    },
    tmpfs = {
      op = "mount", side = "child", type = "tmpfs", target = "/tmp", options = { "size=1", "mode=755" }, attrs = {},
      source = "mounts[2]",
    },
    proc = { op = "mount", side = "child", type = "proc", target = "/proc", attrs = {}, source = "mounts[3]" },
    dir = { op = "dir", side = "child", target = "/d", mode = 493, source = "mounts[4]" },
    file = { op = "file", side = "child", target = "/f", content = "", mode = 420, source = "mounts[5]" },
    symlink = { op = "symlink", side = "child", target = "/l", to = "x", source = "mounts[6]" },
    open = { op = "open", side = "child", slot = 0, path = "/srv", source = "mounts[1].source" },
    mask = { op = "mask", side = "child", slot = 1, paths = { "/proc/kcore", "/proc/keys" }, source = "mounts[3]" },
    readonly = { op = "readonly", side = "child", paths = { "/proc/bus", "/proc/sys" }, source = "readonly_paths" },
    root = { op = "root_bind", side = "child", slot = 0, path = "/srv", attrs = {}, source = "root" },
    hostname = { op = "hostname", side = "child", name = "box", source = "hostname" },
    chdir = { op = "chdir", side = "child", path = "/srv", source = "process.cwd" },
    exec = {
      op = "exec", side = "child", program = "sh", paths = { "/bin/sh", "/usr/bin/sh" }, argv = { "sh" }, env = {},
      source = "process[1]",
    },
    uid_map = { op = "uid_map", side = "parent", map = {}, source = "uid_map" },
    keyring = { op = "keyring", side = "child" },
    await = { op = "await", side = "child" },
    pdeathsig = { op = "pdeathsig", side = "child", signal = "KILL", source = "die_with_parent" },
  }

  local TRACES <const> = "the target does not exist, and making it here would leave traces outside the container; "
    .. "create it, or use a tmpfs above it"

  --- What is made of the engine's report that the second step of a plan failed.
  local function located(step, syscall, code, item)
    local err <const> = sys.error {
      op = "launch", syscall = syscall, code = code, errno = 1, message = "m", step = 2, item = item,
    }
    local list <const> = plan.new({ STEPS.await, STEPS[step] }, {})
    assert.equal(err, error_object.locate(err, list))
    assert.equal("userns.error", getmetatable(err).__name)
    local fields <const>, advice <const> = helper.fields(err)
    for key, value in pairs { op = STEPS[step].op, side = STEPS[step].side, syscall = syscall, code = code, errno = 1,
      message = "m", step = 2 } do
      assert.equal(value, fields[key], key)
      fields[key] = nil
    end
    return fields, advice
  end

  it("names the field and the operand that it is about", function()
    for i, row in ipairs {
      { { "bind", "move_mount", "EISDIR" }, "mounts[1].target", "/mnt" },
      { { "bind", "mkdirat", "EROFS" }, "mounts[1].target", "/mnt" },
      { { "bind", "mknodat", "EPERM" }, "mounts[1].target", "/mnt" },
      { { "bind", "openat", "EACCES" }, "mounts[1].target", "/mnt" },
      { { "bind", "open_tree", "EINVAL" }, "mounts[1].source", "/srv" },
      { { "bind", "mount_setattr", "EPERM" }, "mounts[1].source", "/srv" },
      { { "tmpfs", "fsconfig", "EINVAL", 1 }, "mounts[2].size", "/tmp" },
      { { "tmpfs", "fsconfig", "EINVAL", 2 }, "mounts[2].mode", "/tmp" },
      { { "tmpfs", "fsconfig", "EPERM" }, "mounts[2]", "/tmp" },
      { { "tmpfs", "fsopen", "ENODEV" }, "mounts[2]", "/tmp" },
      { { "tmpfs", "move_mount", "EINVAL" }, "mounts[2].target", "/tmp" },
      { { "proc", "fsconfig", "EPERM" }, "mounts[3]", "/proc" },
      { { "proc", "fsmount", "EPERM" }, "mounts[3]", "/proc" },
      { { "dir", "mkdirat", "EPERM" }, "mounts[4].target", "/d" },
      { { "file", "write", "ENOSPC" }, "mounts[5].target", "/f" },
      { { "symlink", "symlinkat", "EEXIST" }, "mounts[6].target", "/l" },
      { { "open", "openat", "ENOENT" }, "mounts[1].source", "/srv" },
      { { "mask", "move_mount", "EPERM", 2 }, "mounts[3]", "/proc/keys" },
      { { "mask", "fsopen", "EPERM" }, "mounts[3]", "/proc/kcore" },
      { { "readonly", "open_tree", "EPERM", 1 }, "readonly_paths", "/proc/bus" },
      { { "root", "statx", "ENOTDIR" }, "root", "/srv" },
      { { "hostname", "sethostname", "EPERM" }, "hostname", nil },
      { { "chdir", "openat2", "EACCES" }, "process.cwd", "/srv" },
      { { "exec", "execve", "EACCES", 2 }, "process[1]", "/usr/bin/sh" },
      { { "exec", "execve", "ENOENT" }, "process[1]", "sh" },
      { { "uid_map", "write", "EPERM" }, "uid_map", nil },
      { { "keyring", "keyctl", "EDQUOT" }, nil, nil },
    } do
      local fields <const> = helper.fields(located(table.unpack(row[1])))
      assert.same({ field = row[2], path = row[3] }, fields, i)
    end
  end)

  it("says what to do where the kernel's words do not", function()
    for i, row in ipairs {
      { { "bind", "openat2", "ENOENT" }, TRACES },
      { { "proc", "openat2", "ENOENT" }, TRACES },
      { { "dir", "openat2", "ENOENT" }, TRACES },
      { { "file", "openat2", "ENOENT" }, TRACES },
      { { "symlink", "openat2", "ENOENT" }, TRACES },
      { { "bind", "open_tree", "ENOENT" }, nil },
      { { "open", "openat", "ENOENT" }, nil }, -- nobody has found what is missing
      { { "file", "openat", "EEXIST" }, "the file exists in a tree that is not the container's own" },
      { { "dir", "mkdirat", "EEXIST" }, "choose another target, or leave it out" },
      { { "symlink", "openat2", "EROFS" },
        "a link here would leave traces outside the container; use a tmpfs above it" },
      { { "chdir", "getcwd", "ENOENT" }, "the directory is outside the container's root" },
      { { "chdir", "openat2", "ENOENT" }, nil },
      { { "pdeathsig", "prctl", "ESRCH" }, "the host program has ended" },
      { { "await", "futex", "ESRCH" }, "the host program has ended" },
    } do
      assert.equal(row[2], select(2, located(table.unpack(row[1]))).hint, i)
    end
  end)

  it("is left as it is where no step failed", function()
    for _, step in ipairs { false, 0, 9 } do
      local err <const> = sys.error { op = "launch", syscall = "mmap", code = "ENOMEM", step = step or nil }
      assert.equal(err, error_object.locate(err, plan.new({ STEPS.await }, {})))
      assert.same({ op = "launch", syscall = "mmap", code = "ENOMEM", step = step or nil }, helper.fields(err))
    end
  end)
end)
