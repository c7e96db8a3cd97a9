local helper = require "spec.helper"

-- A mount namespace of one's own, where mounting is allowed; and one that is
-- less privileged than the one it was copied from, whose mounts are locked.
local less <const> = helper.rootless .. " --mount"
local fresh <const> = helper.privilege == "root" and "unshare --mount" or less

-- Without CAP_SYS_ADMIN and CAP_SYS_CHROOT, which an ordinary user has not got.
local powerless <const> = helper.privilege == "user" and ""
  or "setpriv --bounding-set=-sys_admin,-sys_chroot,-sys_ptrace"
    .. " --inh-caps=-sys_admin,-sys_chroot,-sys_ptrace"

-- What every child starts with. `dir` is an empty directory of the host.
local prelude <const> = [[
local sys = require "userns.sys"
local mountinfo = require "userns.mountinfo"
local dir = %q

local function print(...)
  local words = table.pack(...)
  for i = 1, words.n do
    words[i] = tostring(words[i])
  end
  io.write(table.concat(words, " "), "\n")
end

local function show(ok, err)
  if ok then
    print("ok")
  else
    print(err.op, err.syscall, err.code, err.errno, err.path, err.detail)
  end
  return ok
end

local function raises(f, ...)
  local message = select(2, pcall(f, ...)):gsub("^%%S+:%%d+: ", "")
  print((message:gsub("^bad argument (#%%d) to '.-'", "%%1")))
end

local function mkdir(path)
  assert(os.execute("mkdir -p '" .. path .. "'"))
  return path
end

local function tmpfs(path, options, data)
  assert(sys.mount {
    source = "none", target = path, type = "tmpfs", options = options, data = data,
  })
end

local function try(path, mode)
  local file, err, errno = io.open(path, mode or "w")
  print(file and "ok" or err:match("[^:]*$"):sub(2))
  return file
end

-- What is in sight at a path.
local function mounted(path)
  local here, covered = {}, {}
  for _, mount in ipairs(mountinfo.read()) do
    if mount.target == path then
      here[#here + 1], covered[mount.parent] = mount, true
    end
  end
  for _, mount in ipairs(here) do
    if not covered[mount.id] then
      return mount
    end
  end
end

local function options(path)
  local mount = mounted(path)
  return mount and table.concat(mount.options, ",") or "nothing"
end
]]

local dir

-- Runs a script after the prelude in a process of its own; its output, with the
-- host's directory as DIR.
local function run(script, wrapper)
  return (helper.output(prelude:format(dir) .. script, wrapper or fresh):gsub(dir, "DIR"))
end

local function in_directory()
  before_each(function()
    dir = helper.shell("mktemp -d").out:match("[^\n]+")
  end)

  -- It is empty still: nothing of what the children did reached the host.
  after_each(function()
    assert.same({ out = "", err = "", code = 0 }, helper.shell("rmdir " .. dir))
  end)
end

describe("sys.mount", function()
  in_directory()

  it("mounts a file system with its source, options and data", function()
    assert.equal([[
ok
tmpfs a source rw,nosuid,noexec,relatime
size=64k,mode=750
]], run [[
      show(sys.mount { source = "a source", target = dir, type = "tmpfs",
        options = { "nosuid", "noexec" }, data = "size=64k,mode=0750" })
      local mount = mounted(dir)
      print(mount.type, mount.source, options(dir))
      print(table.concat(mount.super_options, ","):match("size=64k,mode=750"))
    ]])
  end)

  local words <const> = {
    { "readonly", "ro,relatime" },
    { "ro", "ro,relatime" },
    { "nosuid", "rw,nosuid,relatime" },
    { "nodev", "rw,nodev,relatime" },
    { "noexec", "rw,noexec,relatime" },
    { "nosymfollow", "rw,relatime,nosymfollow" },
    { "noatime", "rw,noatime" },
    { "nodiratime", "rw,nodiratime,relatime" },
    { "relatime", "rw,relatime" },
    { "strictatime", "rw" },
    { "silent", "rw,relatime" },
  }

  it("knows the words for options of a mount", function()
    local script <const>, expected <const> = {}, {}
    for i, row in ipairs(words) do
      script[i] = ("tmpfs(dir, %q) print(options(dir)) sys.umount(dir)"):format(row[1])
      expected[i] = row[2] .. "\n"
    end
    assert.equal(table.concat(expected), run(table.concat(script, "\n")))
  end)

  it("knows the words for options of a file system", function()
    assert.equal("sync true\ndirsync true\nlazytime true\n", run [[
      for _, word in ipairs { "sync", "dirsync", "lazytime" } do
        tmpfs(dir, word)
        local super_options = table.concat(mounted(dir).super_options, ",") .. ","
        print(word, super_options:find("," .. word .. ",", 1, true) ~= nil)
      end
    ]])
  end)

  it("makes readonly, noexec and nosymfollow hold", function()
    assert.equal([[
Read-only file system
126
Too many levels of symbolic links
]], run [[
      tmpfs(dir)
      assert(io.open(dir .. "/f", "w")):write("exit 0\n"):close()
      assert(os.execute("cd " .. dir .. " && chmod +x f && ln -s f l"))
      sys.mount { target = dir, options = { "remount", "bind", "ro", "noexec", "nosymfollow" } }
      try(dir .. "/f")
      print((select(3, os.execute(dir .. "/f 2>/dev/null"))))
      try(dir .. "/l", "r")
    ]])
  end)

  it("binds a tree, with recursive all that is mounted in it", function()
    assert.equal([[
ok nothing
ok rw,relatime
ok rw,relatime
]], run [[
      tmpfs(dir)
      tmpfs(mkdir(dir .. "/a/sub"))
      for i, words in ipairs { "bind", { "bind", "recursive" }, "rbind" } do
        local to = mkdir(dir .. "/" .. i)
        print(sys.mount { source = dir .. "/a", target = to, options = words } and "ok",
          options(to .. "/sub"))
      end
    ]])
  end)

  it("makes a bind read-only by a remount, and leaves the original writable", function()
    assert.equal([[
ok
ok
Read-only file system
ok
]], run [[
      tmpfs(dir)
      mkdir(dir .. "/a") mkdir(dir .. "/b")
      show(sys.mount { source = dir .. "/a", target = dir .. "/b", options = "bind" })
      show(sys.mount { target = dir .. "/b", options = { "remount", "bind", "readonly" } })
      try(dir .. "/b/f")
      try(dir .. "/a/f")
    ]])
  end)

  it("gives a file system new data", function()
    assert.equal("ok\nsize=128k\n", run [[
      tmpfs(dir, nil, "size=64k")
      show(sys.mount { target = dir, options = "remount", data = "size=128k" })
      print(table.concat(mounted(dir).super_options, ","):match("size=%w+"))
    ]])
  end)

  it("moves a mount", function()
    assert.equal("ok\nnothing\nrw,nodev,relatime\n", run [[
      tmpfs(dir)
      tmpfs(mkdir(dir .. "/a"), "nodev")
      show(sys.mount { source = dir .. "/a", target = mkdir(dir .. "/b"), options = "move" })
      print(options(dir .. "/a"))
      print(options(dir .. "/b"))
    ]])
  end)

  it("sets what a mount shares", function()
    assert.equal([[
shared true master false unbindable false
shared false master true unbindable false
shared true master true unbindable false
shared false master false unbindable false
shared false master false unbindable true
mount mount EINVAL 22 DIR/c nil
]], run [[
      tmpfs(dir)
      local a, b, c = mkdir(dir .. "/a"), mkdir(dir .. "/b"), mkdir(dir .. "/c")
      local function set(target, words)
        assert(sys.mount { target = target, options = words })
        local mount = mounted(target)
        print("shared", mount.shared ~= nil, "master", mount.master ~= nil,
          "unbindable", mount.unbindable)
      end
      tmpfs(a)
      set(a, "shared")
      assert(sys.mount { source = a, target = b, options = "bind" })
      set(b, "slave")
      set(b, { "shared", "recursive" })
      set(b, "rprivate")
      set(b, "unbindable")
      show(sys.mount { source = b, target = c, options = "bind" })
    ]])
  end)

  it("sets what a whole tree shares in one word", function()
    assert.equal([[
rshared true false false
rslave false true false
runbindable false false true
rprivate false false false
]], run [[
      tmpfs(dir)
      local a = mkdir(dir .. "/a")
      tmpfs(a)
      tmpfs(mkdir(a .. "/sub"))
      sys.mount { target = a, options = "rshared" }
      sys.mount { source = a, target = mkdir(dir .. "/peer"), options = "rbind" }
      for _, word in ipairs { "rshared", "rslave", "runbindable", "rprivate" } do
        assert(sys.mount { target = a, options = word })
        local sub = mounted(a .. "/sub")
        print(word, sub.shared ~= nil, sub.master ~= nil, sub.unbindable)
      end
    ]])
  end)

  it("passes a mount on to peers and slaves only", function()
    assert.equal([[
peer rw,nodev,relatime
slave rw,nodev,relatime
private nothing
back to the peer nothing
]], run [[
      tmpfs(dir)
      local a = mkdir(dir .. "/a")
      tmpfs(a)
      mkdir(a .. "/sub")
      sys.mount { target = a, options = "shared" }
      for _, copy in ipairs { "peer", "slave", "private" } do
        sys.mount { source = a, target = mkdir(dir .. "/" .. copy), options = "bind" }
      end
      sys.mount { target = dir .. "/slave", options = "slave" }
      sys.mount { target = dir .. "/private", options = "private" }
      tmpfs(a .. "/sub", "nodev")
      for _, copy in ipairs { "peer", "slave", "private" } do
        print(copy, options(dir .. "/" .. copy .. "/sub"))
      end
      sys.umount(dir .. "/peer/sub")
      tmpfs(dir .. "/slave/sub")
      print("back to the peer", options(dir .. "/peer/sub"))
    ]])
  end)

  it("mounts on paths of any bytes, which mountinfo gives back", function()
    assert.equal("true\n" .. ("true true\n"):rep(8), run [[
      tmpfs(dir)
      local names = { "a b", "a\tb", "a\nb", "a\\040b", "#", "\xff\xfe\xa0", "\r\v\f", "-" }
      print(#names == 8)
      for _, name in ipairs(names) do
        local path = mkdir(dir .. "/" .. name)
        assert(sys.mount { source = name, target = path, type = "tmpfs" })
        print(mounted(path) ~= nil, mounted(path).source == name)
      end
    ]])
  end)

  it("takes an empty source", function()
    assert.equal("ok\ntrue\n", run [[
      show(sys.mount { source = "", target = dir, type = "tmpfs" })
      print(mounted(dir).source == "")
    ]])
  end)

  it("names in an error the one of two paths that failed", function()
    assert.equal([[
mount mount ENOENT 2 DIR/target nil
mount mount ENOENT 2 DIR/source nil
mount mount ENOTDIR 20 DIR/file/source nil
mount mount ENOENT 2 DIR/target nil
mount mount ENOENT 2 DIR/source nil
]], run [[
      tmpfs(dir)
      assert(io.open(dir .. "/file", "w")):close()
      mkdir(dir .. "/there")
      local function attempt(source, target, option)
        show(sys.mount { source = dir .. source, target = dir .. target, options = option })
      end
      attempt("/source", "/target", "bind")
      attempt("/source", "/there", "bind")
      attempt("/file/source", "/there", "bind")
      attempt("/there", "/target", "move")
      attempt("/source", "/there", "move")
    ]])
  end)

  it("tells why the kernel refused", function()
    assert.equal([[
mount mount ENODEV 19 DIR nil
mount mount EINVAL 22 DIR nil
mount mount EINVAL 22 DIR/file nil
mount mount ENOTDIR 20 DIR/file nil
mount mount EINVAL 22 DIR/dir nil
mount mount EINVAL 22 DIR/dir nil
mount mount ELOOP 40 DIR/dir/sub nil
]], run [[
      tmpfs(dir)
      assert(io.open(dir .. "/file", "w")):close()
      mkdir(dir .. "/dir/sub")
      show(sys.mount { source = "none", target = dir, type = "nosuchfs" })
      show(sys.mount { source = "none", target = dir, type = "tmpfs", data = "size=banana" })
      show(sys.mount { source = "none", target = dir .. "/file", options = "private" })
      show(sys.mount { source = dir .. "/dir", target = dir .. "/file", options = "bind" })
      show(sys.mount { target = dir .. "/dir", options = { "remount", "bind", "ro" } })
      show(sys.mount { source = dir .. "/file", target = dir .. "/dir", options = "move" })
      tmpfs(dir .. "/dir")
      mkdir(dir .. "/dir/sub")
      show(sys.mount { source = dir .. "/dir", target = dir .. "/dir/sub", options = "move" })
    ]])
  end)

  it("is EPERM without CAP_SYS_ADMIN over the mount namespace", function()
    local script <const> = [[
      show(sys.mount { source = "none", target = dir, type = "tmpfs" })
      show(sys.mount { source = dir .. "/no", target = dir, options = "bind" })
      show(sys.mount { target = "/", options = "rprivate" })
    ]]
    local refused <const> = [[
mount mount EPERM 1 DIR nil
mount mount EPERM 1 DIR nil
mount mount EPERM 1 / nil
]]
    assert.equal(refused, run(script, powerless))
    assert.equal(refused, run(script, helper.rootless))
  end)

  it("cannot take off what a more privileged namespace put on", function()
    local wrapper <const> = ([[%s sh -c '
      mount -t tmpfs -o ro,nosuid,nodev,noexec,noatime none %s && exec %s "$@"' sh]])
      :format(fresh, dir, less)
    assert.equal([[
mount mount EPERM 1 DIR nil
mount mount EPERM 1 DIR nil
mount mount EPERM 1 DIR nil
mount mount EPERM 1 DIR nil
mount mount EPERM 1 DIR nil
ok
mount mount EPERM 1 DIR nil
]], run([[
      local locked = { "ro", "nosuid", "nodev", "noexec", "noatime" }
      for i = 1, #locked do
        local words = { "remount", "bind", table.unpack(locked) }
        words[i + 2] = "relatime"
        show(sys.mount { target = dir, options = words })
      end
      show(sys.mount { target = dir, options = { "remount", "bind", table.unpack(locked) } })
      show(sys.mount { target = dir, options = "remount" })
    ]], wrapper))
  end)

  it("refuses options and data that the kernel would pass over in silence", function()
    assert.equal([[
#1 (a bind takes no option 'readonly')
#1 (a bind takes no option 'private')
#1 (a bind takes no data)
#1 (a remount takes no option 'recursive')
#1 (a remount with 'bind' takes no option 'recursive')
#1 (a remount with 'bind' takes no option 'sync')
#1 (a change of propagation takes no option 'private')
#1 (a change of propagation takes no option 'nosuid')
#1 (a move takes no option 'noexec')
#1 (a new mount takes no option 'recursive')
]], run [[
      local function refused(words, data)
        raises(sys.mount, { source = "/", target = dir, options = words, data = data })
      end
      refused { "bind", "ro" }
      refused { "rbind", "private" }
      refused("bind", "size=1m")
      refused { "remount", "rec" }
      refused { "remount", "rbind", "ro" }
      refused { "remount", "bind", "sync" }
      refused { "shared", "private" }
      refused { "shared", "nosuid" }
      refused { "move", "noexec" }
      refused { "nodev", "rec" }
    ]])
  end)

  it("raises for a wrong call", function()
    assert.equal([[
#1 (table expected, got nil)
#1 (table expected, got string)
#1 (field 'target' is missing)
#1 (field 'target': string expected, got number)
#1 (field 'source': the string has a NUL byte)
#1 (field 'type': string expected, got boolean)
#1 (unknown field 'fstype')
#1 (unknown field '1')
#1 (unknown mount option 'rw')
#1 (unknown mount option 'RO')
#1 (mount option expected, got number)
#1 (mount option expected, got boolean)
#1 (field 'data' does not fit in a page of memory)
]], run [[
      raises(sys.mount)
      raises(sys.mount, "/")
      raises(sys.mount, {})
      raises(sys.mount, { target = 5 })
      raises(sys.mount, { target = dir, source = "/\0/x" })
      raises(sys.mount, { target = dir, type = true })
      raises(sys.mount, { target = dir, fstype = "tmpfs" })
      raises(sys.mount, { dir })
      raises(sys.mount, { target = dir, options = "rw" })
      raises(sys.mount, { target = dir, options = { "nosuid", "RO" } })
      raises(sys.mount, { target = dir, options = 4096 })
      raises(sys.mount, { target = dir, options = { "bind", false } })
      raises(sys.mount, { target = dir, type = "tmpfs", data = ("x"):rep(65536) })
    ]])
  end)
end)

describe("sys.umount", function()
  in_directory()

  it("takes away what was mounted last", function()
    assert.equal("ok\nrw,relatime\nok\nnothing\n", run [[
      tmpfs(dir)
      tmpfs(dir, "ro")
      show(sys.umount(dir))
      print(options(dir))
      show(sys.umount(dir, {}))
      print(options(dir))
    ]])
  end)

  it("tells that a mount is in use, and detaches it", function()
    assert.equal([[
umount umount2 EBUSY 16 DIR nil
ok
nothing
written
]], run [[
      tmpfs(dir)
      local file = assert(io.open(dir .. "/f", "w+"))
      show(sys.umount(dir))
      show(sys.umount(dir, "detach"))
      print(options(dir))
      assert(file:write("written")):seek("set")
      print(file:read("a"))
    ]])
  end)

  it("expires a mount that was not used since", function()
    assert.equal([[
umount umount2 EAGAIN 11 DIR nil
ok
umount umount2 EINVAL 22 DIR nil
]], run [[
      tmpfs(dir)
      show(sys.umount(dir, "expire"))
      show(sys.umount(dir, { "expire", "nofollow" }))
      show(sys.umount(dir, { "expire", "detach" }))
    ]])
  end)

  it("follows a symbolic link unless told not to", function()
    assert.equal([[
umount umount2 EINVAL 22 DIR/link nil
ok
nothing
]], run [[
      tmpfs(dir)
      tmpfs(mkdir(dir .. "/a"))
      assert(os.execute("ln -s a " .. dir .. "/link"))
      show(sys.umount(dir .. "/link", "nofollow"))
      show(sys.umount(dir .. "/link"))
      print(options(dir .. "/a"))
    ]])
  end)

  it("is EINVAL for what is no mount point", function()
    assert.equal("umount umount2 EINVAL 22 DIR nil\numount umount2 ENOENT 2 DIR/no nil\n", run [[
      show(sys.umount(dir))
      show(sys.umount(dir .. "/no"))
    ]])
  end)

  it("is EINVAL for a mount that came from a more privileged namespace", function()
    assert.equal([[
umount umount2 EINVAL 22 /proc nil
umount umount2 EINVAL 22 /proc nil
]], run([[
      show(sys.umount("/proc"))
      show(sys.umount("/proc", "detach"))
    ]], less))
  end)

  it("is EPERM without CAP_SYS_ADMIN over the mount namespace", function()
    local refused <const> = "umount umount2 EPERM 1 /proc nil\n"
    assert.equal(refused, run("show(sys.umount('/proc', 'detach'))", powerless))
    assert.equal(refused, run("show(sys.umount('/proc', 'detach'))", helper.rootless))
  end)

  it("forces only with CAP_SYS_ADMIN over the file system", function()
    local forced <const> = helper.privilege == "root" and "ok\n"
      or "umount umount2 EPERM 1 DIR nil\n"
    assert.equal(forced, run [[
      sys.mount { source = dir, target = dir, options = "bind" }
      show(sys.umount(dir, "force"))
    ]])
  end)

  it("raises for a wrong call", function()
    assert.equal([[
#1 (string expected, got no value)
#1 (the string has a NUL byte)
#2 (unknown umount flag 'lazy')
#2 (umount flag expected, got number)
]], run [[
      raises(sys.umount)
      raises(sys.umount, "/\0")
      raises(sys.umount, dir, "lazy")
      raises(sys.umount, dir, 2)
    ]])
  end)
end)

describe("sys.pivot_root", function()
  in_directory()

  it("makes a mount the root and puts the old one below it", function()
    assert.equal([[
ok
true true
ok
true false
]], run [[
      tmpfs(dir)
      assert(io.open(dir .. "/here", "w")):close()
      mkdir(dir .. "/old")
      show(sys.pivot_root(dir, dir .. "/old"))
      print(io.open("/here") ~= nil, io.open("/old/etc/passwd") ~= nil)
      show(sys.umount("/old", "detach"))
      print(io.open("/here") ~= nil, io.open("/old/etc/passwd") ~= nil)
    ]])
  end)

  it("stacks the old root on the new one where both are the working directory", function()
    local wrapper <const> = ([[%s sh -c '
      mount -t tmpfs none %s && cd %s && touch here && exec "$@"' sh]]):format(fresh, dir, dir)
    assert.equal("ok\nok\ntrue false\n", run([[
      show(sys.pivot_root(".", "."))
      show(sys.umount(".", "detach"))
      print(io.open("/here") ~= nil, io.open("/etc/passwd") ~= nil)
    ]], wrapper))
  end)

  local einval <const> = {
    {
      "a new root that is no mount point",
      [[
        mkdir(dir .. "/new/old")
        show(sys.pivot_root(dir .. "/new", dir .. "/new/old"))
      ]],
    },
    {
      "an old root that is not below the new one",
      [[
        tmpfs(mkdir(dir .. "/new"))
        show(sys.pivot_root(dir .. "/new", mkdir(dir .. "/old")))
      ]],
    },
    {
      "a new root on a shared mount",
      [[
        sys.mount { target = dir, options = "shared" }
        tmpfs(mkdir(dir .. "/new"))
        show(sys.pivot_root(dir .. "/new", mkdir(dir .. "/new/old")))
      ]],
    },
    {
      "a present root that is no mount point",
      [[
        tmpfs(mkdir(dir .. "/jail" .. dir .. "/new"))
        mkdir(dir .. "/jail" .. dir .. "/new/old")
        sys.chroot(dir .. "/jail")
        show(sys.pivot_root(dir .. "/new", dir .. "/new/old"))
      ]],
    },
  }
  for _, row in ipairs(einval) do
    it("is EINVAL for " .. row[1], function()
      assert.equal("pivot_root pivot_root EINVAL 22 DIR/new nil\n", run("tmpfs(dir)\n" .. row[2]))
    end)
  end

  it("is EINVAL for a new root of a more privileged namespace, until it is bound", function()
    assert.equal([[
pivot_root pivot_root EINVAL 22 /proc nil
ok
]], run([[
      show(sys.pivot_root("/proc", "/proc/fs"))
      sys.mount { source = "/proc", target = "/proc", options = "rbind" }
      show(sys.pivot_root("/proc", "/proc/fs"))
    ]], less))
  end)

  it("names in an error the one of two paths that failed", function()
    assert.equal([[
pivot_root pivot_root ENOENT 2 DIR/new nil
pivot_root pivot_root ENOENT 2 DIR/old nil
pivot_root pivot_root ENOTDIR 20 DIR/file nil
]], run [[
      tmpfs(dir)
      assert(io.open(dir .. "/file", "w")):close()
      show(sys.pivot_root(dir .. "/new", dir .. "/old"))
      show(sys.pivot_root(dir, dir .. "/old"))
      show(sys.pivot_root(dir .. "/file", dir))
    ]])
  end)

  it("is EPERM without CAP_SYS_ADMIN over the mount namespace", function()
    assert.equal("pivot_root pivot_root EPERM 1 DIR nil\n",
      run("show(sys.pivot_root(dir, dir))", powerless))
    assert.equal("pivot_root pivot_root EPERM 1 DIR nil\n",
      run("show(sys.pivot_root(dir, dir))", helper.rootless))
  end)

  it("raises for a wrong call", function()
    assert.equal("#1 (string expected, got no value)\n#2 (string expected, got no value)\n", run [[
      raises(sys.pivot_root)
      raises(sys.pivot_root, dir)
    ]])
  end)
end)

describe("sys.chroot", function()
  in_directory()

  it("changes where absolute paths start, and nothing else: it is no boundary", function()
    assert.equal("ok\ntrue\nfalse\ntrue\n", run [[
      tmpfs(dir)
      assert(io.open(dir .. "/here", "w")):close()
      local outside = assert(io.open("/"))
      show(sys.chroot(dir))
      print(io.open("/here") ~= nil)
      print(io.open("/etc/passwd") ~= nil)
      print(io.open("spec/helper.lua") ~= nil)
      outside:close()
    ]])
  end)

  it("tells why the kernel refused", function()
    assert.equal([[
chroot chroot ENOENT 2 DIR/no nil
chroot chroot ENOTDIR 20 /dev/null nil
]], run [[
      show(sys.chroot(dir .. "/no"))
      show(sys.chroot("/dev/null"))
    ]])
  end)

  it("is EPERM without CAP_SYS_CHROOT", function()
    assert.equal("chroot chroot EPERM 1 DIR nil\n", run("show(sys.chroot(dir))", powerless))
  end)

  it("raises for a wrong call", function()
    assert.equal("#1 (string expected, got nil)\n#1 (the string has a NUL byte)\n", run [[
      raises(sys.chroot, nil)
      raises(sys.chroot, "/\0")
    ]])
  end)
end)

describe("sys.read_mountinfo", function()
  in_directory()

  it("gives the kernel's text, whole", function()
    assert.equal("true true\n", run [[
      tmpfs(dir)
      local path = mkdir(dir .. "/" .. ("x"):rep(200))
      for _ = 1, 1000 do
        tmpfs(path)
      end
      local text = sys.read_mountinfo("self")
      print(#text > 200000, text == io.open("/proc/self/mountinfo"):read("a"))
    ]])
  end)

  it("needs no privilege over the process", function()
    assert.equal("ok\n", run("show(sys.read_mountinfo(1))", powerless))
  end)

  it("is EINVAL for a process that has ended", function()
    assert.equal("mountinfo open EINVAL 22 zombie nil\n", run([[
      local pipe = io.popen("echo $$; exec cat >/dev/null <&-", "r")
      local pid = pipe:read("n")
      repeat
        local state = io.open("/proc/" .. pid .. "/stat"):read("a"):match("%) (%a)")
      until state == "Z"
      local text, err = sys.read_mountinfo(pid)
      err.path = err.path == "/proc/" .. pid .. "/mountinfo" and "zombie" or err.path
      show(text, err)
    ]]))
  end)
end)

describe("sys.open_tree", function()
  in_directory()

  it("takes a copy of a mount that nobody sees until it is attached", function()
    assert.equal([[
nothing
ok
rw,nodev,relatime
the same file
]], run [[
      tmpfs(dir)
      tmpfs(mkdir(dir .. "/a"), "nodev")
      mkdir(dir .. "/b")
      local copy <close> = assert(sys.open_tree(dir .. "/a", { clone = true }))
      print(options(dir .. "/b"))
      show(sys.move_mount(copy, dir .. "/b"))
      print(options(dir .. "/b"))
      assert(io.open(dir .. "/a/f", "w")):write("the same file"):close()
      print(io.open(dir .. "/b/f"):read("a"))
    ]])
  end)

  it("takes what is mounted below only with recursive", function()
    assert.equal("nothing\nrw,relatime\n", run [[
      tmpfs(dir)
      tmpfs(mkdir(dir .. "/a/sub"))
      for _, recursive in ipairs { false, true } do
        local to = mkdir(dir .. "/" .. tostring(recursive))
        local copy <close> = assert(
          sys.open_tree(dir .. "/a", { clone = true, recursive = recursive }))
        assert(sys.move_mount(copy, to))
        print(options(to .. "/sub"))
      end
    ]])
  end)

  it("ends a copy that was never attached with its descriptor", function()
    assert.equal([[
umount umount2 EBUSY 16 DIR/sub nil
ok
]], run [[
      tmpfs(dir)
      tmpfs(mkdir(dir .. "/sub"))
      local file = assert(sys.open_tree(dir .. "/sub"))
      show(sys.umount(dir .. "/sub"))
      file:close()
      show(sys.umount(dir .. "/sub"))
    ]])
  end)

  it("opens without privilege what it does not copy", function()
    assert.equal([[
ok
ok
open_tree open_tree EPERM 1 / nil
open_tree open_tree EPERM 1 nil nil
]], run([[
      local place = show(sys.open_tree("/"))
      show(sys.open_tree(place))
      show(sys.open_tree("/", { clone = true }))
      show(sys.open_tree(place, { clone = true }))
    ]], powerless))
  end)

  it("follows a symbolic link unless told not to", function()
    assert.equal("open_tree open_tree ENOENT 2 DIR/link nil\nok\n", run [[
      tmpfs(dir)
      assert(os.execute("ln -s nowhere " .. dir .. "/link"))
      show(sys.open_tree(dir .. "/link"))
      show(sys.open_tree(dir .. "/link", { nofollow = true, no_automount = true }))
    ]])
  end)

  it("is EINVAL for a copy that would uncover what a locked mount hides", function()
    assert.equal("open_tree open_tree EINVAL 22 / nil\nok\n", run([[
      show(sys.open_tree("/", { clone = true }))
      show(sys.open_tree("/", { clone = true, recursive = true }))
    ]], less))
  end)

  it("raises for a wrong call", function()
    assert.equal([[
#1 (path or descriptor expected, got no value)
#1 (path or descriptor expected, got boolean)
#1 (the string has a NUL byte)
#1 (descriptor number out of range)
#2 (table expected, got string)
#2 (unknown field 'detached')
#2 (field 'clone': boolean expected, got number)
]], run [[
      raises(sys.open_tree)
      raises(sys.open_tree, true)
      raises(sys.open_tree, "/\0")
      raises(sys.open_tree, -1)
      raises(sys.open_tree, "/", "clone")
      raises(sys.open_tree, "/", { detached = true })
      raises(sys.open_tree, "/", { clone = 1 })
    ]])
  end)
end)

describe("sys.move_mount", function()
  in_directory()

  it("moves a mount from path to path, or by descriptors of either", function()
    assert.equal([[
ok
rw,nodev,relatime nothing nothing
ok
nothing rw,nodev,relatime nothing
ok
nothing nothing rw,nodev,relatime
]], run [[
      tmpfs(dir)
      local a, b, c = mkdir(dir .. "/a"), mkdir(dir .. "/b"), mkdir(dir .. "/c")
      tmpfs(mkdir(dir .. "/first"), "nodev")
      local function move(from, to)
        show(sys.move_mount(from, to))
        print(options(a), options(b), options(c))
      end
      move(dir .. "/first", a)
      move(sys.open_tree(a), b)
      move(sys.open_tree(b), { fd = sys.open_tree(c):fileno() })
    ]])
  end)

  it("means a symbolic link itself unless told to follow it", function()
    assert.equal([[
move_mount move_mount EINVAL 22 DIR/to nil
move_mount move_mount EINVAL 22 DIR/b nil
ok
nothing rw,nodev,relatime
]], run [[
      tmpfs(dir)
      local a, b = mkdir(dir .. "/a"), mkdir(dir .. "/b")
      tmpfs(a, "nodev")
      assert(os.execute("cd " .. dir .. " && ln -s a from && ln -s b to"))
      show(sys.move_mount(a, dir .. "/to"))
      show(sys.move_mount(dir .. "/from", b))
      show(sys.move_mount(dir .. "/from", dir .. "/to", { follow_from = true, follow_to = true }))
      print(options(a), options(b))
    ]])
  end)

  it("mounts beneath what is in sight, where the kernel can", function()
    assert.equal("rw,nodev,relatime\ntrue\n", run [[
      tmpfs(dir)
      local a, b = mkdir(dir .. "/a"), mkdir(dir .. "/b")
      tmpfs(a, "nodev")
      tmpfs(b, "noexec")
      local ok, err = sys.move_mount(b, a, { beneath = true })
      print(options(a))
      sys.umount(a)
      print(options(a) == (ok and "rw,noexec,relatime" or err.code == "EINVAL" and "nothing"))
    ]])
  end)

  it("gives a mount what another one shares", function()
    assert.equal("ok\ntrue\n", run [[
      tmpfs(dir)
      local a, b = mkdir(dir .. "/a"), mkdir(dir .. "/b")
      tmpfs(a)
      sys.mount { source = a, target = b, options = "bind" }
      sys.mount { target = a, options = "shared" }
      show(sys.move_mount(a, b, { set_group = true }))
      print(mounted(a).shared == mounted(b).shared)
    ]])
  end)

  it("is EINVAL out of a shared mount and for a mount of a more privileged namespace", function()
    assert.equal([[
move_mount move_mount EINVAL 22 DIR/b nil
move_mount move_mount EINVAL 22 DIR/b nil
]], run([[
      tmpfs(dir)
      mkdir(dir .. "/b")
      show(sys.move_mount("/proc", dir .. "/b"))
      tmpfs(mkdir(dir .. "/a"))
      sys.mount { target = dir, options = "shared" }
      show(sys.move_mount(dir .. "/a", dir .. "/b"))
    ]], less))
  end)

  it("is EPERM without CAP_SYS_ADMIN over the mount namespace", function()
    assert.equal("move_mount move_mount EPERM 1 DIR nil\n",
      run("show(sys.move_mount('/proc', dir))", powerless))
  end)

  it("raises for a wrong call", function()
    assert.equal([[
#1 (path or descriptor expected, got nil)
#2 (path or descriptor expected, got no value)
#3 (unknown field 'clone')
#3 (field 'beneath': boolean expected, got string)
#1 (closed file)
]], run [[
      raises(sys.move_mount, nil, dir)
      raises(sys.move_mount, dir)
      raises(sys.move_mount, dir, dir, { clone = true })
      raises(sys.move_mount, dir, dir, { beneath = "true" })
      local file = io.open("/")
      file:close()
      raises(sys.move_mount, file, dir)
    ]])
  end)
end)

describe("sys.mount_setattr", function()
  in_directory()

  it("puts words on and takes them off", function()
    assert.equal([[
ok
ro,nosuid,nodev,noexec,nodiratime,relatime,nosymfollow
ok
rw,nosuid,relatime
ok
rw,nodev,relatime
ok
ro,nosuid,nodev,noexec,nodiratime,relatime,nosymfollow
]], run [[
      tmpfs(dir)
      local all = { "ro", "nosuid", "nodev", "noexec", "nodiratime", "nosymfollow" }
      local function change(changes)
        show(sys.mount_setattr(dir, changes))
        print(options(dir))
      end
      change { set = all }
      change { clear = { "readonly", "nodev", "noexec", "nodiratime", "nosymfollow" } }
      change { set = "nodev", clear = "nosuid" }
      change { set = all, clear = all }
    ]])
  end)

  it("replaces one way to keep access times by another", function()
    assert.equal("rw,noatime\nrw\nrw,relatime\nrw,noatime\nrw,relatime\n", run [[
      tmpfs(dir)
      local function change(changes)
        assert(sys.mount_setattr(dir, changes))
        print(options(dir))
      end
      change { set = "noatime" }
      change { set = "strictatime" }
      change { set = { "relatime" } }
      change { set = "noatime", clear = "strictatime" }
      change { clear = "noatime" }
    ]])
  end)

  local tree <const> = [[
    tmpfs(dir)
    local top = mkdir(dir .. "/top")
    tmpfs(top)
    tmpfs(mkdir(top .. "/sub"))
  ]]

  it("makes a whole tree read-only with recursive, else only its top", function()
    assert.equal([[
ok
Read-only file system
ok
ok
Read-only file system
]], run(tree .. [[
      show(sys.mount_setattr(top, { set = "readonly" }))
      try(top .. "/f")
      try(top .. "/sub/f"):close()
      show(sys.mount_setattr(top, { set = "readonly", recursive = true }))
      try(top .. "/sub/f")
    ]]))
  end)

  it("changes all of a tree or nothing", function()
    assert.equal([[
mount_setattr mount_setattr EBUSY 16 DIR/top nil
rw,relatime rw,relatime
]], run(tree .. [[
      local writer <close> = assert(io.open(top .. "/sub/f", "w"))
      show(sys.mount_setattr(top, { set = { "readonly", "nodev" }, recursive = true }))
      print(options(top), options(top .. "/sub"))
    ]]))
  end)

  it("acts on a copy before anybody sees it, by its descriptor", function()
    assert.equal("ok\nok\nro,relatime ro,relatime rw,relatime\n", run(tree .. [[
      local to = mkdir(dir .. "/to")
      local copy <close> = assert(sys.open_tree(top, { clone = true, recursive = true }))
      show(sys.mount_setattr(copy, { set = "readonly", recursive = true }))
      show(sys.move_mount(copy, to))
      print(options(to), options(to .. "/sub"), options(top))
    ]]))
  end)

  it("sets what a mount shares", function()
    assert.equal("true\nfalse\ntrue\n", run [[
      tmpfs(dir)
      assert(sys.mount_setattr(dir, { propagation = "shared" }))
      print(mounted(dir).shared ~= nil)
      assert(sys.mount_setattr(dir, { propagation = "private" }))
      print(mounted(dir).shared ~= nil)
      assert(sys.mount_setattr(dir, { propagation = "unbindable" }))
      print(mounted(dir).unbindable)
    ]])
  end)

  it("follows a symbolic link unless told not to", function()
    assert.equal([[
mount_setattr mount_setattr EINVAL 22 DIR/link nil
ok
ro,relatime
]], run [[
      tmpfs(dir)
      tmpfs(mkdir(dir .. "/a"))
      assert(os.execute("ln -s a " .. dir .. "/link"))
      show(sys.mount_setattr(dir .. "/link", { set = "ro", nofollow = true }))
      show(sys.mount_setattr(dir .. "/link", { set = "ro" }))
      print(options(dir .. "/a"))
    ]])
  end)

  -- A tmpfs can show its owners so from Linux 6.3, and knows the parameter from 6.4.
  local function tmpfs_maps_owners()
    return not run([[
      local context <close> = assert(sys.fsopen("tmpfs"))
      show(context:flag("noswap"))
    ]]):find("Unknown parameter", 1, true)
  end

  it("shows the owners of a detached mount through a user namespace", function()
    local owner <const> = helper.privilege == "root" and 1000 or 0
    local shown <const> = tmpfs_maps_owners() and "ok\nok\nrw,relatime,idmapped " .. owner
      or "mount_setattr mount_setattr EINVAL 22 nil nil\nok\nrw,relatime 0"
    assert.equal("mount_setattr mount_setattr EINVAL 22 DIR/a nil\n" .. shown .. "\n", run(([[
      tmpfs(dir)
      local a, to = mkdir(dir .. "/a"), mkdir(dir .. "/to")
      tmpfs(a)
      local holder = io.popen("exec unshare --user sh -c 'echo $$; exec sleep 60'")
      local pid = holder:read("n")
      for _, map in ipairs { "uid_map", "gid_map" } do
        assert(io.open("/proc/" .. pid .. "/" .. map, "w")):write("0 %d 1"):close()
      end
      local userns <close> = assert(io.open("/proc/" .. pid .. "/ns/user"))
      os.execute("kill " .. pid)
      show(sys.mount_setattr(a, { userns = userns }))
      local copy <close> = assert(sys.open_tree(a, { clone = true }))
      show(sys.mount_setattr(copy, { userns = userns }))
      show(sys.move_mount(copy, to))
      print(options(to), io.popen("stat -c %%u " .. to):read("n"))
    ]]):format(owner)))
  end)

  it("cannot take off what a more privileged namespace put on", function()
    local wrapper <const> = ([[%s sh -c '
      mount -t tmpfs -o ro,nosuid,nodev,noexec,noatime none %s && exec %s "$@"' sh]])
      :format(fresh, dir, less)
    assert.equal(("mount_setattr mount_setattr EPERM 1 DIR nil\n"):rep(5) .. "ok\n", run([[
      for _, word in ipairs { "ro", "nosuid", "nodev", "noexec", "noatime" } do
        show(sys.mount_setattr(dir, { clear = word }))
      end
      show(sys.mount_setattr(dir, { set = { "ro", "nosymfollow" } }))
    ]], wrapper))
  end)

  it("tells why the kernel refused", function()
    assert.equal([[
mount_setattr mount_setattr EINVAL 22 DIR nil
mount_setattr mount_setattr ENOENT 2 DIR/no nil
mount_setattr mount_setattr EINVAL 22 / nil
]], run [[
      show(sys.mount_setattr(dir, { set = "ro" }))
      show(sys.mount_setattr(dir .. "/no", { set = "ro" }))
      show(sys.mount_setattr("/", { propagation = { "private", "slave" } }))
    ]])
    assert.equal("mount_setattr mount_setattr EPERM 1 / nil\n",
      run("show(sys.mount_setattr('/', { set = 'ro' }))", powerless))
  end)

  it("raises for a wrong call", function()
    assert.equal([[
#2 (table expected, got nil)
#2 (unknown field 'attributes')
#2 (unknown mount attribute 'bind')
#2 (unknown mount attribute 'rw')
#2 (unknown propagation 'rshared')
#2 (user namespace as handle or descriptor expected, got string)
#2 (field 'recursive': boolean expected, got string)
]], run [[
      raises(sys.mount_setattr, dir)
      raises(sys.mount_setattr, dir, { attributes = { "ro" } })
      raises(sys.mount_setattr, dir, { set = "bind" })
      raises(sys.mount_setattr, dir, { clear = { "nodev", "rw" } })
      raises(sys.mount_setattr, dir, { propagation = "rshared" })
      raises(sys.mount_setattr, dir, { userns = "/proc/self/ns/user" })
      raises(sys.mount_setattr, dir, { recursive = "yes" })
    ]])
  end)
end)

describe("sys.fsopen", function()
  in_directory()

  it("makes and mounts a file system parameter by parameter", function()
    assert.equal([[
ok
ok
ok
nothing
ok
ro,nosuid,noatime tmpfs src rw,size=64k
]], run [[
      local context <close> = assert(sys.fsopen("tmpfs"))
      show(context:set("source", "src"))
      show(context:set("size", "64k"))
      show(context:create())
      local mount <close> = assert(context:mount { "readonly", "nosuid", "noatime" })
      print(options(dir))
      show(sys.move_mount(mount, dir))
      local record = mounted(dir)
      print(options(dir), record.type, record.source,
        (table.concat(record.super_options, ","):match("^rw,size=64k")))
    ]])
  end)

  it("makes a read-only file system with a flag", function()
    assert.equal("ok\nro rw,relatime\nRead-only file system\n", run [[
      local context <close> = assert(sys.fsopen("tmpfs"))
      show(context:flag("ro"))
      assert(context:create())
      assert(sys.move_mount(assert(context:mount()), dir))
      print(mounted(dir).super_options[1], options(dir))
      try(dir .. "/f")
    ]])
  end)

  it("gives a mounted file system new parameters, or one that is picked up again", function()
    assert.equal("size=64k\nok\nsize=128k\nok\nsize=256k\n", run [[
      local function size()
        print(table.concat(mounted(dir).super_options, ","):match("size=%w+"))
      end
      local context <close> = assert(sys.fsopen("tmpfs"))
      assert(context:set("size", "64k"))
      assert(context:create())
      assert(sys.move_mount(assert(context:mount()), dir))
      size()
      assert(context:set("size", "128k"))
      show(context:reconfigure())
      size()
      local picked <close> = assert(sys.fspick(dir))
      assert(picked:set("size", "256k"))
      show(picked:reconfigure())
      size()
    ]])
  end)

  it("picks by a symbolic link unless told not to, or by a descriptor", function()
    assert.equal("fspick fspick EINVAL 22 DIR/link nil\nok\nok\n", run [[
      tmpfs(dir)
      tmpfs(mkdir(dir .. "/a"))
      assert(os.execute("ln -s a " .. dir .. "/link"))
      show(sys.fspick(dir .. "/link", { nofollow = true }))
      show(sys.fspick(dir .. "/link"))
      show(sys.fspick(sys.open_tree(dir .. "/a")))
    ]])
  end)

  it("tells what the kernel wrote about a parameter", function()
    assert.equal([[
fsconfig fsconfig EINVAL 22 size tmpfs: Bad value for 'size'
fsconfig fsconfig EINVAL 22 colour tmpfs: Unknown parameter 'colour'
fsconfig fsconfig EINVAL 22 colour tmpfs: Unknown parameter 'colour'
fsconfig fsconfig EBUSY 16 nil nil
fsconfig fsconfig EINVAL 22 size tmpfs: Bad value for 'size'
]], run [[
      local context <close> = assert(sys.fsopen("tmpfs"))
      show(context:set("size", "banana"))
      show(context:set("colour", "blue"))
      show(context:flag("colour"))
      assert(context:create())
      show(context:create())
      assert(context:mount())
      show(context:set("size", "banana"))
    ]])
  end)

  it("hands a descriptor on as a descriptor, which a size is not", function()
    assert.equal(("fsconfig fsconfig EINVAL 22 size tmpfs: Bad value for 'size'\n"):rep(3), run [[
      local context <close> = assert(sys.fsopen("tmpfs"))
      local file = assert(io.open("/"))
      show(context:set("size", file))
      show(context:set("size", { fd = 0 }))
      show(context:set("size", (sys.pipe())))
    ]])
  end)

  it("tells why the kernel refused", function()
    assert.equal([[
fsopen fsopen ENODEV 19 nosuchfs nil
ok
fsmount fsmount EINVAL 22 nil nil
]], run [[
      show(sys.fsopen("nosuchfs"))
      local context <close> = show(sys.fsopen("tmpfs"))
      show(context:mount())
    ]])
    assert.equal("fsopen fsopen EPERM 1 tmpfs nil\nfspick fspick EPERM 1 / nil\n",
      run("show(sys.fsopen('tmpfs')) show(sys.fspick('/'))", powerless))
  end)

  it("closes its context once, and refuses it afterwards", function()
    assert.equal([[
userns.fscontext (3)
userns.fscontext (closed)
calling 'create' on bad self (closed file system context)
calling 'fileno' on bad self (closed file system context)
]], run [[
      local context = assert(sys.fsopen("tmpfs"))
      print((tostring(context):gsub("%d+", "3")))
      context:close()
      context:close()
      print(context)
      raises(function() context:create() end)
      raises(function() context:fileno() end)
    ]])
  end)

  it("raises for a wrong call", function()
    assert.equal([[
#1 (string expected, got no value)
#1 (the string has a NUL byte)
#2 (unknown field 'clone')
#1 (string expected, got no value)
#1 (the string has a NUL byte)
#2 (string, io file, { fd = } or handle expected, got number)
#2 (string, io file, { fd = } or handle expected, got no value)
#2 (the string has a NUL byte)
#1 (string expected, got number)
#1 (unknown mount attribute 'rw')
]], run [[
      local context <close> = assert(sys.fsopen("tmpfs"))
      raises(sys.fsopen)
      raises(sys.fsopen, "tmp\0fs")
      raises(sys.fspick, dir, { clone = true })
      raises(function() context:set() end)
      raises(function() context:set("si\0ze", "1") end)
      raises(function() context:set("size", 4096) end)
      raises(function() context:set("size") end)
      raises(function() context:set("size", "1\0m") end)
      raises(function() context:flag(5) end)
      raises(function() context:mount("rw") end)
    ]])
  end)
end)

describe("a descriptor of the mount interface", function()
  in_directory()

  local all <const> = [[
    local function all()
      local context = assert(sys.fsopen("tmpfs"))
      assert(context:create())
      return {
        context,
        assert(context:mount()),
        assert(sys.fspick("/proc")),
        assert(sys.open_tree("/")),
      }
    end
  ]]

  it("is closed on exec", function()
    assert.equal(("true\n"):rep(4), run(all .. [[
      for _, handle in ipairs(all()) do
        local info = io.open("/proc/self/fdinfo/" .. handle:fileno()):read("a")
        print(tonumber(info:match("flags:%s*(%d+)"), 8) & tonumber("2000000", 8) ~= 0)
      end
    ]]))
  end)

  it("is none of the first three, which the host may have closed", function()
    assert.equal(("true\n"):rep(4), run(all .. [[
      for _, handle in ipairs(all()) do
        print(handle:fileno() > 2)
      end
    ]], fresh .. [[ sh -c 'exec "$@" <&- 2>&-' sh]]))
  end)

  -- A descriptor that was left open takes the lowest number that was free.
  local lowest <const> = [[
    local function lowest()
      local place <close> = sys.open_tree("/")
      return place:fileno()
    end
    local before = lowest()
  ]]

  it("is not left open by a refusal, nor by a handle that was dropped", function()
    assert.equal("true\n", run(all .. lowest .. [[
      for _ = 1, 50 do
        all()
        sys.open_tree("/no")
        sys.fsopen("nosuchfs")
        sys.fspick("/no")
        local context <close> = sys.fsopen("tmpfs")
        context:set("size", "banana")
        context:mount()
      end
      collectgarbage()
      print(lowest() == before)
    ]]))
  end)

  it("does not outlive a call that only reads", function()
    assert.equal("true\n", run(lowest .. [[
      collectgarbage("stop")
      for _ = 1, 10 do
        sys.read_mountinfo("self")
        sys.read_mountinfo(2147483647)
      end
      print(lowest() == before)
    ]]))
  end)
end)
