-- Why mounts are refused: each refusal is produced, on both floors, in interpreters
-- of their own.
local helper = require "spec.helper"
local told = require "spec.support.told"

local way <const> = helper.privilege
local is_root <const> = way == "root"

local directory

--- Puts the caller into namespaces in which it may mount, and ties nothing to the
--- host.
local ENTER <const> = (is_root and 'assert(sys.unshare "mnt")' or 'enter "mnt"')
  .. ' assert(sys.mount { target = "/", options = "rprivate" })\n'

--- The same, in a user namespace even for root.
local NESTED <const> = 'enter "mnt" assert(sys.mount { target = "/", options = "rprivate" })\n'

--- For each refusal of a script that has D for the test's directory: its cause, after
--- a look at words of why and hint.
local function check(script, expected, wrapper)
  local list <const> = told(("local D = %q\n"):format(directory) .. script, wrapper)
  assert.equal(#expected, #list)
  for i, row in ipairs(expected) do
    local one <const> = list[i]
    assert.same({ row[1], row[2] }, { one.code, one.cause }, ("%d: %s; %s"):format(i, one.why, one.hint))
    for j = 3, #row do
      local text <const> = one.why .. "; " .. one.hint
      assert.is_truthy(text:find((row[j]:gsub("%f[%w]D/", directory .. "/")), 1, true), text)
    end
  end
end

describe("the cause of a mount's refusal is told:", function()
  before_each(function()
    helper.count()
    directory = helper.directory()
    assert(os.execute(("cd %s && mkdir -m 777 a a/b up up/w work low mid && : >file && ln -s loop loop")
      :format(directory)))
  end)

  after_each(function()
    helper.remove(directory)
    helper.check_count()
  end)

  -- ---- power ----------------------------------------------------------------

  it("who may not mount", function()
    check([[
      assert(sys.unshare "user")
      tell(sys.mount { target = D .. "/a", type = "tmpfs" })
      tell(sys.fsopen "tmpfs")
      tell(sys.open_tree(D, { clone = true }))
      tell(sys.umount "/proc")
      tell(sys.pivot_root(D, D))
    ]], {
      { "EPERM", "no_cap", "belongs to another user namespace", "mnt namespace" },
      { "EPERM", "no_cap" }, { "EPERM", "no_cap" }, { "EPERM", "no_cap" }, { "EPERM", "no_cap" },
    })
    if way == "user" then
      check([[
        tell(sys.mount { target = D .. "/a", type = "tmpfs" })
        tell(sys.chroot(D))
      ]], { { "EPERM", "no_cap", "no CAP_SYS_ADMIN" }, { "EPERM", "no_cap", "CAP_SYS_CHROOT" } })
    end
  end)

  it("who may not mount, and has no /proc", function()
    check(NESTED .. [[
      assert(sys.mount { target = "/proc", type = "tmpfs" })
      assert(sys.unshare "user")
      tell(sys.mount { target = D .. "/a", type = "tmpfs" })
      tell(sys.mount { target = D .. "/a", type = "ext4" })
    ]], { { "EPERM", "no_cap" }, { "EPERM", "either no_cap fs_not_userns" } })
  end)

  it("Landlock on the host program", function()
    helper.write(directory .. "/inner.lua", [[
      local sys = require "userns.sys"
      assert(sys.unshare { "user", "mnt" })
      local tied, pivoted = { sys.mount { target = "/", options = "rprivate" } }, { sys.pivot_root("/tmp", "/tmp") }
      for _, refused in ipairs { tied, pivoted } do
        local err = refused[2]
        print(table.concat({ err.op, err.code, err.cause, err.why, err.hint }, "\t"))
      end
    ]])
    check([[
      local box = assert(userns.container {
        namespaces = {}, landlock = { fs = { { path = "/", allow = { "read", "execute", "write" } } } },
      })
      assert(box:run { "lua5.4", D .. "/inner.lua", inherit_env = true })
    ]], { { "EPERM", "landlock", "restricted by Landlock" }, { "EPERM", "landlock" } })
  end)

  it("a filter on the host program", function()
    for _, call in ipairs { "mount", "fsopen", "fsconfig", "fsmount", "move_mount", "open_tree", "mount_setattr" } do
      check(([[
        filter({ %q }, "EPERM")
        tell(run { root = { type = "tmpfs" }, mounts = {
          { type = "bind", source = "/usr", target = "/usr" }, { type = "tmpfs", target = "/t" },
        } })
      ]]):format(call), { { "EPERM", "seccomp", call .. "(2)" } })
    end
  end)

  -- ---- paths ----------------------------------------------------------------

  it("paths that lead nowhere", function()
    local names <const> = {
      { "/none/x", "ENOENT", "not_found", "D/none' does not exist" },
      { "/file/x", "ENOTDIR", "not_directory", "D/file' is a file" },
      { "/loop", "ELOOP", "symlink_loop", "D/loop'" },
    }
    local script <const>, expected <const> = { ENTER }, {}
    for _, row in ipairs(names) do
      script[#script + 1] = ([[
        tell(sys.mount { source = D .. %q, target = D .. "/a", options = "bind" })
        tell(sys.mount { target = D .. %q, type = "tmpfs" })
        tell(sys.umount(D .. %q))
        tell(sys.open_tree(D .. %q))
        tell(run { mounts = { { type = "bind", source = D .. %q, target = "/mnt" } } })
      ]]):gsub("%%q", ("%q"):format(row[1]))
      for _ = 1, 5 do
        expected[#expected + 1] = { row[2], row[3], row[4] }
      end
    end
    check(table.concat(script, "\n"), expected)
  end)

  it("links that are not followed", function()
    check(NESTED .. [[
      assert(sys.mount { target = D .. "/a", type = "tmpfs", options = "nosymfollow" })
      assert(os.execute("ln -s /usr " .. D .. "/a/link"))
      local link = D .. "/a/link"
      tell(sys.open(link))
      tell(sys.mount { source = link, target = D .. "/low", options = "bind" })
      tell(run { mounts = { { type = "bind", source = link, target = "/mnt" } } })
      tell(run({}, { "/bin/true", cwd = link }))
    ]], {
      { "ELOOP", "nosymfollow", "D/a/link' is a symbolic link on a mount with nosymfollow" },
      { "ELOOP", "nosymfollow" }, { "ELOOP", "nosymfollow" }, { "ELOOP", "nosymfollow" },
    })
    check([[
      tell(run({}, { "/bin/true", cwd = "/proc/self/cwd" }))
      tell(run { mounts = { { type = "tmpfs", target = "/proc/self/cwd" } } })
    ]], { { "ELOOP", "symlink_loop", "'/proc/self/cwd'" }, { "ELOOP", "symlink_loop", "'/proc/self/cwd'" } })
  end)

  it("paths of rules, and of descriptions", function()
    check([[
      tell(run { landlock = { fs = { { path = D .. "/none", allow = { "read" } } } } })
      tell(userns.load(D .. "/none"))
      tell(userns.load(D))
    ]], {
      { "ENOENT", "not_found", "D/none' does not exist" }, { "ENOENT", "not_found" }, { "EISDIR", "is_directory" },
    })
  end)

  it("a source that the caller may not reach", function()
    if is_root then
      assert(os.execute(("cd %s && mkdir -p o/x && chown 12345 o && chmod 700 o"):format(directory)))
    else
      directory = directory .. "/../../root"
    end
    local name <const> = is_root and "/o/x" or "/x"
    local script <const> = [[
      tell(run { root = { type = "tmpfs" }, mounts = { { type = "bind", source = D .. NAME, target = "/x" } } })
    ]]
    check(script:gsub("NAME", ("%q"):format(name)), { { "EACCES", "not_searchable", "(mode 0700, owner " } })
    if not is_root then
      check([[ tell(run { root = "/root" }) ]], { { "EACCES", "not_searchable", "that is to be the root" } })
    end
    directory = directory:gsub("/%.%./%.%./root$", "")
  end)

  local fuse <const> = is_root and io.open "/dev/fuse"
  if fuse then
    fuse:close()
    it("a FUSE of somebody else's, whom nobody serves yet", function()
      check(ENTER .. [[
        local fuse = assert(sys.open("/dev/fuse", "readwrite"))
        local data = ("fd=%d,rootmode=40000,user_id=12345,group_id=12345"):format(fuse:fileno())
        assert(sys.mount { target = D .. "/a", type = "fuse", data = data })
        tell(sys.open(D .. "/a"))
        tell(sys.mount { source = D .. "/a/x", target = D .. "/low", options = "bind" })
        tell(run { mounts = { { type = "bind", source = D .. "/a", target = "/mnt" } } })
        tell(run { mounts = { { type = "bind", source = D .. "/a/x", target = "/mnt" } } })
        tell(run { root = D .. "/a" })
        tell(run({}, { "/bin/true", cwd = D .. "/a" }))
      ]], {
        { "EACCES", "fuse_private", "D/a' is a FUSE file system for user id 12345 alone", "allow_other" },
        { "EACCES", "fuse_private" }, { "EACCES", "fuse_private" }, { "EACCES", "fuse_private", "D/a'" },
        { "EACCES", "fuse_private" }, { "EACCES", "fuse_private" },
      })
    end)
  end

  it("what a process has that may not be looked into", function()
    check([[
      for _, name in ipairs { "root/etc", "cwd", "exe", "fd/0", "task/1/root" } do
        tell(run { mounts = { { type = "bind", source = "/proc/1/" .. name, target = "/mnt" } } })
      end
    ]], {
      { "EACCES", "not_ptraceable", "'/proc/1/root'" }, { "EACCES", "not_ptraceable", "'/proc/1/cwd'" },
      { "EACCES", "not_ptraceable", "'/proc/1/exe'" }, { "EACCES", "not_ptraceable", "'/proc/1/fd" },
      { "EACCES", "not_ptraceable", "'/proc/1/task/1/root'" },
    })
  end)

  it("files on directories, and directories on files", function()
    check(ENTER .. [[
      tell(sys.mount { source = D .. "/a", target = D .. "/file", options = "bind" })
      tell(sys.mount { source = D .. "/file", target = D .. "/a", options = "bind" })
      tell(sys.mount { target = D .. "/file", type = "tmpfs" })
      local function inside(mount)
        return run { root = { type = "tmpfs" }, mounts = {
          { type = "file", target = "/f" }, { type = "dir", target = "/d" }, mount,
        } }
      end
      tell(inside { type = "bind", source = D .. "/a", target = "/f" })
      tell(inside { type = "bind", source = D .. "/file", target = "/d" })
      tell(inside { type = "tmpfs", target = "/f" })
    ]], {
      { "ENOTDIR", "type_mismatch", "D/a' is a directory", "D/file' is a file" },
      { "ENOTDIR", "type_mismatch" }, { "ENOTDIR", "not_directory", "D/file' is no directory" },
      { "ENOTDIR", "type_mismatch", "'/f' in the container is none" },
      { "EISDIR", "type_mismatch", "'/d' in the container is one" },
      { "ENOTDIR", "not_directory", "'/f' is no directory" },
    })
  end)

  it("places that would be made outside", function()
    check([[
      local root = { type = "bind", source = "/" }
      tell(run { root = root, mounts = { { type = "tmpfs", target = D .. "/none/x" } } })
      tell(run { root = root, mounts = { { type = "symlink", target = D .. "/l", source = "x" } } })
      tell(run { root = root, mounts = { { type = "remount", target = D .. "/none", readonly = true } } })
      tell(run({}, { "/bin/true", cwd = D .. "/none/x" }))
      tell(run({}, { "/bin/true", cwd = D .. "/file" }))
    ]], {
      { "ENOENT", "target_missing", "D/none' does not exist in the container" }, { "EROFS", "not_own" },
      { "ENOENT", "target_missing", "D/none'" }, { "ENOENT", "not_found", "D/none' does not exist" },
      { "ENOTDIR", "not_directory", "D/file'" },
    })
  end)

  it("places in a tree that is read-only", function()
    local script <const>, expected <const> = { [[
      local function inside(...)
        tell(run { root = { type = "tmpfs" }, mounts = { ... } })
      end
    ]] }, {}
    for _, mount in ipairs { 'type = "dir"', 'type = "file"', 'type = "symlink", source = "y"', 'type = "tmpfs"' } do
      script[#script + 1] = ([[
        inside({ type = "tmpfs", target = "/t" }, { type = "remount", target = "/t", readonly = true },
          { target = "/t/x", %s })
      ]]):format(mount)
      expected[#expected + 1] = { "EROFS", "read_only", "'/t/x' lies in a tree that is mounted read-only" }
    end
    check(table.concat(script, "\n"), expected)
  end)

  it("files that may not be opened", function()
    check([[
      assert(os.execute("chmod 000 " .. D .. "/file"))
      enter()
      assert(sys.setcaps { effective = "none", permitted = "none", inheritable = "none" })
      tell(sys.open(D .. "/file"))
    ]], { { "EACCES", "no_access", "D/file' has mode 0000" } })
  end)

  it("devices", function()
    check([[
      tell(run { devices = { "/dev/none" } })
      tell(run { devices = { D .. "/file" } })
    ]], { { "ENOENT", "not_found", "'/dev/none'" }, { "ENODEV", "not_a_device", "D/file' is no device" } })
    if is_root then
      check(ENTER .. [[
        assert(sys.mount { target = D .. "/a", type = "tmpfs", options = "nodev" })
        assert(os.execute("mknod " .. D .. "/a/null c 1 3"))
        tell(sys.open(D .. "/a/null"))
      ]], { { "EACCES", "nodev", "D/a/null' lies on a mount with nodev" } })
    end
  end)

  it("files made before ids are mapped", function()
    check([[
      assert(sys.unshare { "user", "mnt" })
      assert(sys.mount { target = D .. "/a", type = "tmpfs", data = "mode=777" })
      tell(sys.open(D .. "/a/x", { "write", "create" }))
      tell(sys.mkdirat(assert(sys.open(D .. "/a", "directory")), "x"))
    ]], { { "EOVERFLOW", "ids_unmapped", "uid_map" }, { "EOVERFLOW", "ids_unmapped" } })
  end)

  -- ---- copies and places -----------------------------------------------------

  it("mounts that a user namespace may not uncover", function()
    check(NESTED .. [[
      tell(sys.mount { source = "/", target = D .. "/a", options = "bind" })
      tell(sys.open_tree("/", { clone = true }))
      tell(run { mounts = { { type = "bind", source = "/", target = "/mnt", recursive = false } } })
    ]], {
      { "EINVAL", "locked_children", "/proc", "recursively" }, { "EINVAL", "locked_children" },
      { "EINVAL", "locked_children", "/proc", "recursive = true" },
    })
  end)

  it("what is unbindable, locked, shared, or no mount", function()
    check(NESTED .. [[
      assert(sys.mount { source = D .. "/a", target = D .. "/a", options = "bind" })
      tell(sys.mount { source = D .. "/a", target = D .. "/a/b", options = "move" })
      assert(sys.mount { target = D .. "/a", options = "unbindable" })
      tell(sys.mount { source = D .. "/a", target = D .. "/low", options = "bind" })
      tell(sys.mount { source = D .. "/up", target = D .. "/low", options = "move" })
      tell(sys.mount { source = "/proc", target = D .. "/low", options = "move" })
      tell(sys.move_mount("/proc", D .. "/low"))
      tell(sys.umount "/proc")
      tell(sys.umount(D .. "/low"))
      tell(sys.umount("/proc", { "expire", "detach" }))
      tell(sys.mount { target = D .. "/low", options = { "remount", "bind", "readonly" } })
      tell(sys.mount_setattr(D .. "/low", { set = "readonly" }))
      assert(sys.mount { source = D .. "/up", target = D .. "/up", options = "bind" })
      assert(sys.mount { target = "/", options = "rshared" })
      tell(sys.mount { source = D .. "/up", target = D .. "/low", options = "move" })
    ]], {
      { "ELOOP", "into_itself", "D/a/b' lies below" }, { "EINVAL", "unbindable" }, { "EINVAL", "not_mount_point" },
      { "EINVAL", "locked", "'/proc' came from" }, { "EINVAL", "locked" }, { "EINVAL", "locked" },
      { "EINVAL", "not_mount_point", "D/low' is no mount point" }, { "EINVAL", "flag_conflict" },
      { "EINVAL", "not_mount_point" }, { "EINVAL", "not_mount_point" }, { "EINVAL", "shared_parent" },
    })
  end)

  it("mounts of another namespace", function()
    check(ENTER .. [[
      local child = idle "mnt"
      assert(child:ready())
      assert(sys.unshare "mnt")
      tell(sys.mount { source = ("/proc/%d/root"):format(child.pid) .. D, target = D .. "/low", options = "bind" })
    ]], { { "EINVAL", "other_mntns", "another mount namespace" } })
    check(NESTED .. [[
      assert(sys.mount { target = D .. "/a", type = "tmpfs" })
      assert(sys.mount { target = D .. "/up", type = "tmpfs" })
      local child = idle "mnt"
      assert(child:ready())
      local there = ("/proc/%d/root"):format(child.pid) .. D
      tell(sys.umount(there .. "/a"))
      tell(sys.move_mount(D .. "/up", there .. "/low"))
      tell(sys.move_mount(there .. "/up", D .. "/low"))
      tell(sys.mount_setattr(there .. "/a", { set = "noexec" }))
      tell(sys.mount { target = there .. "/a", options = { "remount", "bind", "noexec" } })
      tell(sys.mount { target = there .. "/low", type = "tmpfs" })
    ]], {
      { "EINVAL", "other_mntns", "D/a' is on", "unmount it there" }, { "EINVAL", "other_mntns", "D/low' is on" },
      { "EINVAL", "other_mntns", "D/up' is on", "open_tree" }, { "EINVAL", "other_mntns" }, { "EINVAL", "other_mntns" },
      { "EINVAL", "other_mntns", "do it there" },
    })
  end)

  it("a mount namespace in itself, and pins", function()
    check(ENTER .. [[
      tell(sys.mount { source = "/proc/self/ns/mnt", target = D .. "/file", options = "bind" })
      assert(sys.mount { source = "/proc/self/ns/net", target = D .. "/file", options = "bind" })
      tell(assert(sys.namespace("mnt", "self")):pin(D .. "/a/pin"))
      local net = assert(sys.namespace("net", "self"))
      tell(net:pin(D .. "/none/pin"))
      tell(net:pin(D .. "/a"))
      tell(net:unpin(D .. "/none"))
      tell(net:unpin(D .. "/a"))
    ]], {
      { "EINVAL", "mntns_loop", "older" }, { "EINVAL", "mntns_loop" }, { "ENOENT", "not_found", "D/none'" },
      { "ENOTDIR", "type_mismatch", "D/a' is a directory" }, { "ENOENT", "not_found" },
      { "EINVAL", "not_mount_point", "not pinned to 'D/a'" },
    })
  end)

  it("moves that a place or an option forbids", function()
    check(NESTED .. [[
      assert(sys.mount { target = D .. "/a", type = "tmpfs" })
      assert(sys.mount { target = D .. "/a", options = "unbindable" })
      assert(sys.mount { target = D .. "/low", type = "tmpfs" })
      assert(sys.mount { target = D .. "/low", options = "shared" })
      assert(os.execute(("mkdir %s/low/x && ln -s a %s/link"):format(D, D)))
      tell(sys.mount { source = D .. "/a", target = D .. "/low/x", options = "move" })
      tell(sys.move_mount(assert(sys.open_tree(D .. "/file", { clone = true })), D .. "/mid"))
      tell(sys.move_mount(assert(sys.open_tree(D .. "/mid")), D .. "/work"))
      tell(sys.move_mount(D .. "/a", D .. "/low", { set_group = true }))
      tell(sys.umount(D .. "/link", "nofollow"))
    ]], {
      { "EINVAL", "unbindable", "D/a' is unbindable", "D/low/x' is shared" }, { "EINVAL", "type_mismatch" },
      { "EINVAL", "not_mount_point" }, { "EINVAL", "not_shared" },
      { "EINVAL", "not_mount_point", "D/link' is no mount point, but a symbolic link" },
    })
    if helper.is_linux(6, 5) then
      check(NESTED .. [[
        local function beneath(place)
          tell(sys.move_mount(assert(sys.open_tree(D .. "/up", { clone = true })), place, { beneath = true }))
        end
        beneath(D .. "/low")
        beneath "/"
      ]], { { "EINVAL", "not_mount_point", "put something beneath" }, { "EINVAL", "root_mount" } })
    end
  end)

  it("files that are there already, are others by now, or do not fit", function()
    check([[
      local function inside(...)
        local mounts = { { type = "tmpfs", target = "/t", size = "4K" }, ... }
        return userns.container { root = { type = "tmpfs" }, mounts = mounts }
      end
      tell(inside({ type = "symlink", target = "/t", source = "x" }):run { "/bin/true" })
      tell(inside({ type = "file", target = "/t/x", content = ("x"):rep(5000) }):run { "/bin/true" })
      local file <close> = assert(io.open(D .. "/file"))
      local box = inside { type = "bind", source = file, target = "/x" }
      assert(os.execute(("cd %s && mv file other && : >file"):format(D)))
      tell(box:run { "/bin/true" })
    ]], { { "EEXIST", "exists", "'/t' is there" }, { "ENOSPC", "full", "size" }, { "ESTALE", "changed" } })
  end)

  it("what is there already, or used up", function()
    check(ENTER .. [[
      assert(sys.unshare "ipc")
      assert(sys.mount { target = D .. "/a", type = "mqueue" })
      tell(sys.mount { target = D .. "/a", type = "mqueue" })
      local tree = assert(sys.open_tree(D .. "/up", { clone = true }))
      local box = assert(userns.container { mounts = { { type = "move", source = tree, target = D .. "/low" } } })
      assert(box:run { "/bin/true" })
      tell(box:run { "/bin/true" })
    ]], { { "EBUSY", "already_mounted", "D/a' already" }, { "EINVAL", "used_up", "one launch" } })
  end)

  it("file systems that are not changed, and the root, which stays", function()
    check(NESTED .. [[
      assert(sys.mount { target = D .. "/low", type = "tmpfs" })
      tell(sys.mount { target = D .. "/low", options = "remount", data = "zebra=1" })
      local file = assert(io.open(D .. "/low/file", "w"))
      tell(sys.mount { target = D .. "/low", options = { "remount", "readonly" } })
      local context = assert(sys.fspick(D .. "/low"))
      assert(context:flag "ro")
      tell(context:reconfigure())
      tell(sys.mount { target = "/", options = { "remount", "readonly" } })
      tell(assert(sys.fspick "/"):reconfigure())
      tell(sys.umount "/")
    ]], {
      { "EINVAL", "bad_option", "zebra=1" }, { "EBUSY", "busy", "open for writing" },
      { "EBUSY", "either busy wrong_phase" }, { "EPERM", "other_userns", "remount with \"bind\"" },
      { "EPERM", "other_userns" }, { "EINVAL", "root_mount" },
    })
  end)

  it("attributes that are locked", function()
    check(NESTED .. [[
      assert(sys.mount { target = D .. "/a", type = "tmpfs", options = { "nosuid", "noexec" } })
      enter "mnt"
      tell(sys.mount { target = D .. "/a", options = { "remount", "bind", "nosuid" } })
      tell(sys.mount_setattr(D .. "/a", { clear = "noexec" }))
      tell(run { root = { type = "bind", source = "/" }, mounts = { {
        type = "remount", target = D .. "/a", options = "exec",
      } } })
    ]], {
      { "EPERM", "locked_flags", "noexec", "repeat them in the options (noexec)" },
      { "EPERM", "locked_flags", "noexec" }, { "EPERM", "locked_flags" },
    })
    -- no ruleset is suspected beside it
    check(NESTED .. [[
      assert(sys.mount { target = D .. "/a", type = "tmpfs", options = { "nosuid", "nodev" } })
      enter "mnt"
      tell(sys.mount { target = D .. "/a", options = { "remount", "bind", "nosuid", "nodev", "noatime" } })
      tell(sys.mount { target = D .. "/a", options = "remount", data = "size=1m" })
    ]], { { "EPERM", "locked_flags" }, { "EPERM", "other_userns", "\"bind\"" } })
  end)

  it("what is in use", function()
    check(ENTER .. [[
      assert(sys.mount { target = D .. "/a", type = "tmpfs" })
      local file = assert(io.open(D .. "/a/f", "w"))
      tell(sys.umount(D .. "/a"))
      tell(sys.mount { target = D .. "/a", options = { "remount", "bind", "readonly" } })
      file:close()
      tell(sys.umount(D .. "/a", "expire"))
      assert(sys.mkdirat(assert(sys.open(D .. "/a", "directory")), "b"))
      assert(sys.mount { target = D .. "/a/b", type = "tmpfs" })
      collectgarbage()
      tell(sys.umount(D .. "/a"))
    ]], {
      { "EBUSY", "busy", "has a file open", "detach" }, { "EBUSY", "busy", "open for writing" },
      { "EAGAIN", "not_expired" }, { "EBUSY", "busy", "D/a/b" },
    })
  end)

  it("too many mounts", function()
    check(NESTED .. [[
      local file = assert(io.open("/proc/sys/user/max_mnt_namespaces", "w"))
      assert(file:write("0"))
      file:close()
      tell(sys.open_tree(D, { clone = true }))
      local context = assert(sys.fsopen "tmpfs")
      assert(context:create())
      tell(context:mount())
    ]], { { "ENOSPC", "limit_mnt", "0 here" }, { "ENOSPC", "limit_mnt" } })
  end)

  -- ---- file systems ----------------------------------------------------------

  it("file systems that are not there, or not for user namespaces", function()
    check(NESTED .. [[
      tell(sys.mount { target = D .. "/a", type = "zebrafs" })
      tell(sys.fsopen "zebrafs")
      tell(sys.mount { target = D .. "/a" })
      tell(sys.mount { target = D .. "/a", type = "ext4", source = D .. "/file" })
      tell(assert(sys.fsopen "debugfs"):create())
      tell(sys.mount { target = D .. "/a", type = "proc" })
      tell(sys.mount { target = D .. "/a", type = "sysfs" })
      tell(sys.mount { target = D .. "/a", type = "mqueue" })
      tell(sys.mount { target = D .. "/a", type = "cgroup2" })
      tell(assert(sys.fsopen "proc"):create())
      assert(sys.unshare "pid")
      tell(sys.mount { target = D .. "/a", type = "proc" })
    ]], {
      { "ENODEV", "unknown_fs", "'zebrafs'", "modprobe zebrafs" }, { "ENODEV", "unknown_fs" }, { "EINVAL", "no_type" },
      { "EPERM", "fs_not_userns", "ext4" }, { "EPERM", "fs_not_userns", "debugfs" }, { "EPERM", "no_pidns" },
      { "EPERM", "no_netns" }, { "EPERM", "no_ipcns", "an ipc namespace" }, { "EPERM", "no_cgroupns" },
      { "EPERM", "no_pidns" }, { "EPERM", "no_pidns", "mount it in a child" },
    })
  end)

  it("contexts that are not at that point", function()
    check(NESTED .. [[
      local context = assert(sys.fsopen "tmpfs")
      tell(context:mount())
      assert(context:create())
      tell(context:create())
      tell(context:set("size", "1m"))
      assert(context:mount())
      tell(context:mount())
    ]], {
      { "EINVAL", "wrong_phase", "set, then create, then mount" }, { "EBUSY", "wrong_phase" },
      { "EBUSY", "wrong_phase" }, { "EBUSY", "wrong_phase" },
    })
  end)

  if is_root then
    it("file systems of devices that are none, or have none", function()
      check(ENTER .. [[
        tell(sys.mount { target = D .. "/a", type = "ext4", source = D .. "/file" })
        tell(sys.mount { target = D .. "/a", type = "ext4", source = D .. "/none" })
        tell(sys.mount { target = D .. "/a", type = "hugetlbfs", data = "pagesize=3" })
      ]], {
        { "ENOTBLK", "not_block_device", "D/file' is no block device", "losetup" },
        { "ENOENT", "not_found", "D/none'" },
        { "EINVAL", "bad_superblock", "hugetlbfs refuses one of its options" },
      })
    end)
  end

  it("what the kernel says of options", function()
    check(NESTED .. [[
      tell(sys.mount { target = D .. "/a", type = "tmpfs", data = "mode=700,size=zebra" })
      tell(sys.mount { target = D .. "/a", type = "tmpfs", data = "uid=123456" })
      tell(sys.mount { target = D .. "/a", type = "devpts", data = "gid=5" })
      local context = assert(sys.fsopen "tmpfs")
      tell(context:set("size", "zebra"))
      tell(context:set("zebra", "1"))
    ]], {
      { "EINVAL", "fs_log", "Bad value for 'size'", "'size=zebra'" },
      helper.is_linux(6, 12) and { "EINVAL", "fs_log", "Invalid uid '123456'", "map that id" }
        or { "EINVAL", "fs_log", "Bad value for 'uid'" },
      helper.is_linux(6, 13) and { "EINVAL", "fs_log", "Invalid gid '5'" } -- 6.12's devpts says nothing
        or { "EINVAL", "bad_superblock", "devpts refuses one of its options" },
      { "EINVAL", "fs_log", "Bad value for 'size'" }, { "EINVAL", "fs_log", "Unknown parameter 'zebra'" },
    })
  end)

  it("a fuse that nobody serves", function()
    check(NESTED .. [[ tell(sys.mount { target = D .. "/a", type = "fuse" }) ]], { { "EINVAL", "no_fuse_server" } })
  end)

  it("what a new proc or sysfs would show", function()
    local wrapper <const> = (is_root and "unshare -m" or "unshare -Ur -m")
      .. " --propagation private sh -c 'mount -t tmpfs none /proc/fs && mount -t tmpfs none /sys/kernel/mm"
      .. " && exec \"$@\"' sh "
    check([[
      tell(run { mounts = { { type = "proc", target = "/proc" } } })
      tell(run { mounts = { { type = "sysfs", target = "/sys" } } })
    ]], {
      { "EPERM", "too_revealing", "covered on the one here: /proc/fs", "systempaths=unconfined", "procMount" },
      { "EPERM", "too_revealing", "/sys/kernel/mm" },
    }, wrapper)
    check([[
      assert(sys.mount { target = "/mnt", type = "proc" })
    ]], {}, "unshare -Ur -m -p -f")
    check([[
      tell(sys.mount { target = "/mnt", type = "proc" })
      local context = assert(sys.fsopen "proc")
      assert(context:create())
      tell(context:mount())
    ]], { { "EPERM", "too_revealing", "/proc/fs" }, { "EPERM", "too_revealing" } },
      wrapper .. "unshare -Ur -m -p -f")
  end)

  -- ---- overlays ---------------------------------------------------------------

  it("layers that cannot be stacked", function()
    assert(os.execute(("ln -s up %s/link"):format(directory)))
    check(NESTED .. [[
      local function overlay(data)
        tell(sys.mount { target = D .. "/mid", type = "overlay", data = (data:gsub("@", D)) })
      end
      overlay "lowerdir=@/none,upperdir=@/up,workdir=@/work,userxattr"
      overlay "lowerdir=@/file,upperdir=@/up,workdir=@/work,userxattr"
      overlay "lowerdir=@/low,upperdir=@/up,userxattr"
      overlay "upperdir=@/up,workdir=@/work,userxattr"
      overlay "lowerdir=@/low"
      overlay "lowerdir=@/a:@/a/b"
      overlay "lowerdir=@/loop:@/a"
      overlay "lowerdir=@/low,upperdir=@/up,workdir=@/link,userxattr"
      overlay "lowerdir=@/low,upperdir=@/up,workdir=@/work,userxattr,metacopy=on"
      overlay "lowerdir=@/low,upperdir=@/up,workdir=@/up/w,userxattr"
      overlay "lowerdir=@/low,upperdir=/proc/fs,workdir=/proc/driver,userxattr"
      overlay "lowerdir=/sys:@/low"
      overlay "lowerdir=@/low:@/a,zebra=on"
      overlay "lowerdir=@/low:@/a,metacopy=on"
      assert(sys.mount { target = D .. "/work", type = "tmpfs" })
      overlay "lowerdir=@/low,upperdir=@/up,workdir=@/work,userxattr"
      assert(sys.mount { target = D .. "/work", type = "overlay", data = ("lowerdir=@/low:@/a"):gsub("@", D) })
      overlay "lowerdir=@/low,upperdir=@/work,workdir=@/work,userxattr"
      assert(sys.mount { target = D .. "/up", type = "overlay", data = ("lowerdir=@/work:@/up"):gsub("@", D) })
      overlay "lowerdir=@/up:@/a"
    ]], {
      { "ENOENT", "not_found", "D/none', the lower directory" }, { "EINVAL", "not_directory", "D/file" },
      { "EINVAL", "no_workdir" }, { "EINVAL", "no_lowerdir" }, { "EINVAL", "one_layer" },
      { "ELOOP", "layers_overlap", "D/a/b' lies in" }, { "ELOOP", "symlink_loop", "D/loop'" },
      { "EINVAL", "layers_overlap", "D/up' and 'D/link' are one directory" },
      { "EINVAL", "option_conflict", "userxattr and metacopy=on" }, { "EINVAL", "layers_overlap", "D/up/w' lies in" },
      { "EINVAL", "upper_unsupported", "'/proc/fs' lies on proc" }, { "EINVAL", "locked_children", "/sys" },
      { "EINVAL", "bad_option", "no option 'zebra=on'" },
      helper.is_linux(6, 12) and { "EPERM", "needs_userxattr" } or { "", "" }, -- 6.1 lets it pass without an upper
      { "EINVAL", "work_elsewhere" }, { "EINVAL", "upper_unsupported", "lies on overlay" },
      { "EINVAL", "stacking_depth", "D/up'" },
    })
    check([[
      local function overlay(fields)
        fields.type, fields.target = "overlay", "/mnt"
        tell(run { mounts = { fields } })
      end
      overlay { lower = D .. "/none", upper = "tmpfs" }
      overlay { lower = D .. "/file", upper = "tmpfs" }
      overlay { lower = { D .. "/a", D .. "/a/b" } }
      overlay { lower = D .. "/low", upper = D .. "/up", work = D .. "/up/w" }
      overlay { lower = D .. "/low", upper = D .. "/up", work = D .. "/link" }
      overlay { lower = D .. "/low", upper = D .. "/up", work = "/dev/shm" }
      overlay { lower = D .. "/low", upper = "/proc/fs", work = "/proc/driver" }
      overlay { lower = "/sys", upper = "tmpfs" }
      overlay { lower = "/proc", upper = "tmpfs" }
      overlay { lower = { "/proc", D .. "/a", D .. "/a/b" }, upper = "tmpfs" }
      overlay { lower = "/", upper = D .. "/up", work = D .. "/work" }
    ]], {
      { "ENOENT", "not_found", "D/none'" }, { "EINVAL", "not_directory", "D/file'" },
      { "ELOOP", "layers_overlap", "D/a/b' lies in" }, { "EINVAL", "layers_overlap" },
      { "EINVAL", "layers_overlap", "are one directory" }, { "EINVAL", "work_elsewhere" },
      { "EINVAL", "upper_unsupported", "proc" }, { "EINVAL", "locked_children" }, { "EINVAL", "layer_unsupported" },
      { "EINVAL", "layer_unsupported" }, { "EINVAL", "locked_children", "'/'" },
    })
  end)

  it("layers that are too many, in use, read-only, of others", function()
    check(NESTED .. [[
      local function overlay(data)
        tell(sys.mount { target = D .. "/mid", type = "overlay", data = (data:gsub("@", D)) })
      end
      overlay("lowerdir=" .. ("/usr:"):rep(500) .. "/usr")
      assert(sys.mount { target = D .. "/a", type = "tmpfs" })
      assert(os.execute(("cd %s/a && mkdir -p up work new/work/incompat/volatile"):format(D)))
      overlay "lowerdir=@/low,upperdir=@/a/up,workdir=@/a/new,userxattr"
      assert(sys.mount { target = D .. "/a", options = { "remount", "bind", "readonly" } })
      overlay "lowerdir=@/low,upperdir=@/a/up,workdir=@/a/work,userxattr"
      tell(run { mounts = { {
        type = "overlay", lower = D .. "/low", upper = D .. "/a/up", work = D .. "/a/work", target = "/mnt",
      } } })
      local child = idle "mnt"
      assert(child:ready())
      assert(sys.unshare "mnt")
      overlay(("lowerdir=/proc/%d/root@/low:@/up"):format(child.pid))
    ]], {
      { "EINVAL", "too_many_layers", "takes 500 lower layers, and there are 501" },
      { "EINVAL", "work_not_empty", "D/a/new' is of a volatile overlay" },
      { "EINVAL", "upper_read_only", "D/a/up' lies on a mount that is read-only" }, { "EINVAL", "upper_read_only" },
      { "EINVAL", "unattached_layer", "D/low' lies on a mount of another namespace" },
    })
    check(NESTED .. [[
      assert(os.execute(("cd %s && chmod 555 up && mkdir work/new"):format(D)))
      assert(sys.setcaps { effective = "sys_admin", permitted = "sys_admin", inheritable = "none" })
      tell(sys.mount { target = D .. "/mid", type = "overlay",
        data = ("lowerdir=@/low,upperdir=@/up,workdir=@/work/new,userxattr"):gsub("@", D) })
      os.execute(("chmod 755 %s/up"):format(D))
    ]], { { "EACCES", "no_access", "D/up' may not be written" } })
  end)

  if helper.is_linux(6, 6) then -- attributes that say so, on a tmpfs of a user namespace's
    it("layers of another overlay", function()
      check(NESTED .. [[
        assert(sys.mount { target = D .. "/a", type = "tmpfs" })
        assert(os.execute(("cd %s/a && mkdir up work other"):format(D)))
        local data = ("index=on,lowerdir=@/low,upperdir=@/a/up,workdir=@/a/work,userxattr"):gsub("@", D)
        assert(sys.mount { target = D .. "/mid", type = "overlay", data = data })
        tell(sys.mount { target = D .. "/mid", type = "overlay", data = (data:gsub("a/work", "a/other")) })
      ]], { { "EBUSY", "upper_in_use", "another overlay" } })
    end)
  end

  if is_root then
    it("layers that an overlay did not have at first", function()
      check(ENTER .. [[
        assert(sys.mount { target = D .. "/a", type = "tmpfs" })
        assert(os.execute(("cd %s/a && mkdir up work"):format(D)))
        local data = ("index=on,lowerdir=@/low,upperdir=@/a/up,workdir=@/a/work"):gsub("@", D)
        assert(sys.mount { target = D .. "/mid", type = "overlay", data = data })
        assert(sys.umount(D .. "/mid"))
        tell(sys.mount { target = D .. "/mid", type = "overlay", data = (data:gsub("/low", "/up", 1)) })
      ]], { { "ESTALE", "stale_layers", "index=on" } })
    end)
  end

  -- ---- ids and roots ------------------------------------------------------------

  it("ids that are not shifted", function()
    check(ENTER .. [[
      tell(run { mounts = { { type = "bind", source = "/proc", target = "/mnt", idmap = true } } })
    ]], { { "EINVAL", "idmap_unsupported", "on proc" } })
    check(NESTED .. [[
      tell(run { mounts = { { type = "bind", source = D, target = "/mnt", idmap = true } } })
    ]], { { "EPERM", "idmap_not_owner", "may administer the file system" } })
    check(NESTED .. [[
      assert(sys.mount { target = D .. "/mid", type = "tmpfs" })
      local tree = assert(sys.open_tree(D .. "/mid", { clone = true }))
      tell(sys.mount_setattr(tree, { userns = sys.namespace("user", "self") }))
      tell(sys.mount_setattr(tree, { userns = assert(sys.open "/proc/self/ns/net") }))
      tell(sys.mount_setattr(tree, { userns = assert(sys.open(D .. "/file")) }))
    ]], { { "EINVAL", "idmap_same_userns" }, { "EINVAL", "not_userns" }, { "EINVAL", "not_userns" } })
    if is_root then
      check(ENTER .. [[
        local function shifted(source, recursive)
          local mount = { type = "bind", source = source, target = "/mnt", idmap = true, recursive = recursive }
          tell(run { mounts = { mount } })
        end
        assert(sys.mount { target = D .. "/a", type = "devtmpfs" })
        shifted(D .. "/a", false)
        shifted(D .. "/none")
        assert(sys.mount { target = D .. "/mid", type = "tmpfs" })
        assert(sys.mkdirat(assert(sys.open(D .. "/mid", "directory")), "x"))
        assert(sys.mount { target = D .. "/mid/x", type = "mqueue" })
        shifted(D .. "/mid", true)
      ]], {
        { "EINVAL", "idmap_unsupported", "on devtmpfs" }, { "ENOENT", "not_found", "D/none'" },
        { "EINVAL", "idmap_unsupported", "on mqueue, which 'D/mid/x' is on" },
      })
      check(ENTER .. [[
        local child = mapped "user"
        local tree = assert(sys.open_tree(D, { clone = true }))
        tell(sys.mount_setattr(tree, { userns = sys.namespace("user", "self") }))
        assert(sys.write_gid_map(child, { { inside = 0, outside = 0, count = 1 } }))
        assert(sys.mount_setattr(tree, { userns = sys.namespace("user", child) }))
        tell(sys.mount_setattr(tree, { userns = sys.namespace("user", child) }))
        tell(sys.mount_setattr(D, { userns = sys.namespace("user", child) }))
      ]], { { "EPERM", "idmap_init_userns" }, { "EPERM", "idmap_again" }, { "EINVAL", "idmap_attached" } })
    end
  end)

  if helper.is_linux(6, 3) then -- tmpfs, the one that user namespaces mount
    it("maps that shift nothing", function()
      check(NESTED .. [[
        assert(sys.mount { target = D .. "/a", type = "tmpfs" })
        local child = idle "user"
        assert(child:ready())
        local tree = assert(sys.open_tree(D .. "/a", { clone = true }))
        local userns = sys.namespace("user", child)
        tell(sys.mount_setattr(tree, { userns = userns }))
        assert(sys.write_uid_map(child, { { inside = 0, outside = 0, count = 1 } }))
        tell(sys.mount_setattr(tree, { userns = userns }))
        tell(sys.mount_setattr(tree, { userns = sys.namespace("user", "self") }))
      ]], {
        { "EINVAL", "idmap_empty", "has none yet" }, { "EINVAL", "idmap_empty" },
        { "EINVAL", "idmap_same_userns", "mounted in that user" },
      })
    end)
  end

  it("roots that are not taken", function()
    check(NESTED .. [[
      tell(sys.pivot_root(D .. "/up", D .. "/up"))
      tell(sys.pivot_root(D .. "/none", D .. "/none"))
      assert(sys.mount { source = D .. "/up", target = D .. "/up", options = "bind" })
      tell(sys.pivot_root(D .. "/up", D .. "/work"))
      assert(sys.mount { target = D .. "/work", type = "tmpfs" })
      tell(sys.pivot_root(D .. "/up", D .. "/work"))
      assert(os.execute(": >" .. D .. "/up/file"))
      assert(sys.mount { target = "/", options = "rshared" })
      tell(sys.pivot_root(D .. "/up", D .. "/up"))
      assert(sys.mount { target = "/", options = "rprivate" })
      tell(sys.pivot_root(D .. "/up", D .. "/up/file"))
      tell(sys.pivot_root("/proc", "/proc/fs"))
      tell(sys.chroot(D .. "/file"))
      assert(sys.chroot(D .. "/a"))
      tell(sys.pivot_root("/b", "/b"))
    ]], {
      { "EINVAL", "not_mount_point", "D/up' is no mount point" }, { "ENOENT", "not_found" },
      { "EBUSY", "same_root" }, { "EINVAL", "old_outside", "D/work' is not below" }, { "EINVAL", "shared_parent" },
      { "ENOTDIR", "not_directory", "D/up/file' is no directory" }, { "EINVAL", "locked", "'/proc' came from" },
      { "ENOTDIR", "not_directory" }, { "EINVAL", "not_mount_point" },
    })
    check(NESTED .. [[
      assert(sys.mount { source = D .. "/a", target = D .. "/a", options = "bind" })
      assert(os.execute("mkdir -p " .. D .. "/a/b/c/d"))
      assert(sys.mount { target = D .. "/a/b/c/d", type = "tmpfs" })
      assert(sys.chroot(D .. "/a/b"))
      tell(sys.pivot_root("/c/d", "/c/d"))
    ]], { { "EINVAL", "chrooted" } })
    check(NESTED .. [[
      assert(sys.mount { target = D .. "/up", type = "tmpfs" })
      assert(sys.mount { target = D .. "/low", type = "tmpfs" })
      assert(os.execute("mkdir " .. D .. "/low/proc"))
      assert(sys.mount { source = "/proc", target = D .. "/low/proc", options = "rbind" })
      local up = assert(sys.open(D .. "/up", { "path", "directory" }))
      assert(sys.chroot(D .. "/low"))
      local path = "/proc/self/fd/" .. up:fileno()
      tell(sys.pivot_root(path, path))
    ]], { { "EINVAL", "unreachable", "below the present root" } })
  end)
end)

describe("a file system without the namespace that it shows", function()
  it("is refused with its cause before anything is tried", function()
    local userns <const> = require "userns"
    for type, row in pairs {
      proc = { "pid", "no_pidns" }, sysfs = { "net", "no_netns" }, mqueue = { "ipc", "no_ipcns" },
      cgroup = { "cgroup", "no_cgroupns" },
    } do
      local mounts <const> = { { type = type, target = "/mnt" } }
      local box <const>, err <const> = userns.container { share = row[1], mounts = mounts }
      assert.is_nil(box)
      assert.same({ "EINVALID", row[2], "mounts[1].type" }, { err.code, err.cause, err.field })
      assert.matches('"' .. row[1] .. '" to namespaces', err.hint)
    end
  end)
end)
