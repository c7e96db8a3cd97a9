local helper = require "spec.helper"
local userns = require "userns"

local wrapper <const> = helper.own_mounts

-- The mount points in sight, and the first options of each.
local POINTS <const> = "cut -d' ' -f5 /proc/self/mountinfo"
local OPTIONS <const> = "cut -d' ' -f5,6 /proc/self/mountinfo"

local PLACES <const> = { "bin", "dev", "lib", "lib64", "proc", "usr" }
local LISTING <const> = table.concat(PLACES, "\n") .. "\n"

describe("root", function()
  local dir

  before_each(function()
    dir = helper.set_up()
  end)

  after_each(helper.tear_down)

  --- A directory that can be a root: with places for what a shell needs.
  local function make_root(path)
    for _, name in ipairs(PLACES) do
      assert(os.execute("mkdir -p " .. helper.quote(path .. "/" .. name)))
    end
    helper.write(path .. "/dev/null", "")
    assert(os.execute("chmod 777 " .. helper.quote(path)))
    return path
  end

  --- A description with such a root.
  local function bound(root, mounts)
    local description <const> = helper.tree(mounts)
    description.root = root
    return description
  end

  describe("that is absent", function()
    it("is the host's tree as it is", function()
      helper.write(dir .. "/file", "content")
      assert.equal(helper.shell("stat -c %d:%i / " .. dir).out .. "content",
        helper.inside({}, ("stat -c %%d:%%i / %s; cat %s/file"):format(dir, dir)))
    end)

    it("can be written to where the host's permissions allow it", function()
      helper.inside({}, ("echo mark >%s/file"):format(dir))
      assert.equal("mark\n", helper.read(dir .. "/file"))
    end)

    it("lets mounts be put into it that the host does not see", function()
      assert(os.execute("mkdir " .. dir .. "/place"))
      local mounts <const> = { { type = "tmpfs", target = dir .. "/place" } }
      assert.equal("tmpfs\n", helper.inside({ mounts = mounts },
        ("touch %s/place/file; stat -f -c %%T %s/place"):format(dir, dir)))
      assert.equal(". d 777  4096\n./place d 755  4096\n", helper.listing(dir))
    end)

    it("is not pivoted away from", function()
      for _, step in ipairs(assert(userns.container({}):plan { "/bin/true" })) do
        assert.is_nil(step.op:match("^root") or step.op:match("pivot"))
      end
    end)
  end)

  describe("that is a directory", function()
    it("is all there is", function()
      make_root(dir)
      helper.write(dir .. "/file", "content")
      local inode <const> = helper.shell("stat -c %d:%i " .. dir).out
      assert.equal(inode .. "bin\ndev\nfile\nlib\nlib64\nproc\nusr\n/\ncontent",
        helper.inside(bound(dir), "stat -c %d:%i /; ls /; pwd -P; cat /file"))
    end)

    it("can be given as a table", function()
      make_root(dir)
      assert.equal(LISTING, helper.inside(bound { type = "bind", source = dir }, "ls /"))
    end)

    it("is written to where permissions allow it", function()
      helper.inside(bound(make_root(dir)), "echo mark >/file")
      assert.equal("mark\n", helper.read(dir .. "/file"))
    end)

    it("can be read-only", function()
      make_root(dir)
      local description <const> = bound({ type = "bind", source = dir, readonly = true })
      assert.equal("read-only\n", helper.inside(description, [[
        (echo mark >/file) 2>&1 | grep -q 'Read-only file system' && echo read-only
      ]]))
    end)

    it("has neither set-user-id programs nor devices of its own", function()
      make_root(dir)
      assert.equal("/ rw,nosuid,nodev,relatime\n", helper.inside(bound(dir), OPTIONS .. " | head -1"))
    end)

    it("can be told with words what it allows", function()
      make_root(dir)
      local root <const> = { type = "bind", source = dir, options = { "dev", "suid", "noexec" } }
      assert.equal("/ rw,noexec,relatime\n", helper.inside(bound(root), OPTIONS .. " | head -1"))
    end)

    it("can have any name", function()
      for _, name in ipairs { "a b", "a\nb", "a\\040b", "\xff\xfe", "'\"$x`", ("n"):rep(255) } do
        local root <const> = dir .. "/" .. name
        assert(os.execute("mkdir " .. helper.quote(root)))
        assert.equal(LISTING, helper.inside(bound(make_root(root)), "ls /"))
      end
    end)

    it("can be as deep as a path is long", function()
      local deep <const> = dir .. ("/" .. ("d"):rep(200)):rep(20)
      make_root(deep)
      assert.equal(LISTING, helper.inside(bound(deep), "ls /"))
    end)

    it("can be a symbolic link to one", function()
      make_root(dir .. "/real")
      assert(os.execute(("ln -s real %s/link"):format(dir)))
      assert.equal(LISTING, helper.inside(bound(dir .. "/link"), "ls /"))
    end)

    it("has its own ..", function()
      make_root(dir)
      assert.equal("1\n",
        helper.inside(bound(dir), "stat -L -c %d:%i / /.. /../../.. /proc/self/root | sort -u | wc -l"))
    end)

    it("brings the mounts below it along, read-only with it", function()
      local script <const> = ([[
        local helper = require "spec.helper"
        local dir = %q
        assert(os.execute("mkdir " .. dir .. "/sub && mount -t tmpfs -o mode=777 sub " .. dir .. "/sub"))
        local tree = helper.tree()
        for _, readonly in ipairs { false, true } do
          tree.root = { type = "bind", source = dir, readonly = readonly }
          io.write(helper.inside(tree, "stat -f -c %%T /sub; (echo x >/sub/file) 2>/dev/null && echo written; true"))
        end
      ]]):format(make_root(dir))
      assert.equal("tmpfs\nwritten\ntmpfs\n", helper.output(script, wrapper))
    end)

    it("must exist", function()
      assert.same(helper.errno("ENOENT", {
        op = "open", syscall = "open_tree", path = dir .. "/none", field = "root.source",
      }), (helper.refusal({ root = { type = "bind", source = dir .. "/none" } }, { "/bin/true" })))
    end)

    it("must be a directory", function()
      helper.write(dir .. "/file", "")
      local root <const> = { type = "bind", source = dir .. "/file" }
      local fields <const> = helper.refusal({ root = root }, { "/bin/true" })
      fields.syscall = nil -- none says so
      assert.same(helper.errno("ENOTDIR", { op = "root_bind", path = dir .. "/file", field = "root" }), fields)
    end)

    it("may be one that the container's root could not reach by its path", function()
      make_root(dir .. "/closed/root")
      assert(os.execute(("chmod 700 %s/closed"):format(dir)))
      assert.equal(LISTING, helper.inside(bound(dir .. "/closed/root"), "ls /"))
    end)
  end)

  describe("that is the host's whole tree", function()
    local READONLY <const> = { type = "bind", source = "/", readonly = true }

    it("looks like it", function()
      assert.equal(helper.shell("stat -c %d:%i / /usr; ls /").out,
        helper.inside({ root = "/" }, "stat -c %d:%i / /usr; ls /"))
    end)

    it("has the mounts of the host", function()
      local host <const> = helper.shell(POINTS .. " | sort").out
      assert.equal(host, helper.inside({ root = "/" }, POINTS .. " | sort"))
    end)

    it("can be read-only, with all mounts below", function()
      for options in helper.inside({ root = READONLY }, "cut -d' ' -f6 /proc/self/mountinfo"):gmatch("%g+") do
        assert.equal("ro,", options:sub(1, 3))
      end
      assert.equal("read-only\n", helper.inside({ root = READONLY },
        ("(echo mark >%s/file) 2>&1 | grep -q 'Read-only file system' && echo read-only"):format(dir)))
    end)

    it("can be read-only with places that are not", function()
      local description <const> = {
        root = READONLY,
        mounts = { { type = "bind", source = dir, target = dir }, { type = "tmpfs", target = "/tmp" } },
      }
      -- what is mounted later covers what was mounted before
      assert.equal("tmpfs\n", helper.inside(description, "touch /tmp/file; stat -f -c %T /tmp"))
      description.mounts[2] = nil
      helper.inside(description, ("echo mark >%s/file"):format(dir))
      assert.equal("mark\n", helper.read(dir .. "/file"))
    end)
  end)

  describe("that is a tmpfs", function()
    it("holds what is mounted and made in it and nothing else", function()
      local mounts <const> = { { type = "dir", target = "/a/b" }, { type = "file", target = "/c", content = "x" } }
      assert.equal(
        "/\n/a\n/a/b\n/bin\n/c\n/dev\n/dev/null\n/lib\n/lib64\n/proc\n/usr\n",
        helper.inside(helper.tree(mounts), "find / -xdev | sort"))
    end)

    it("has a size and a mode", function()
      local description <const> = helper.tree()
      description.root = { type = "tmpfs", size = "64K", mode = "0711" }
      assert.equal("711 root tmpfs 16\n", helper.inside(description,
        "echo $(stat -c %a /) root $(stat -f -c '%T %b' /)"))
      assert.equal("No space left on device\n", helper.inside(description,
        "dd if=/proc/self/exe of=/file bs=128K count=1 2>&1 | sed -n 's/.*: //p' | head -1; true"))
    end)

    it("can be read-only, with writable mounts in it", function()
      local description <const> = helper.tree { { type = "tmpfs", target = "/tmp/inner" } }
      description.root = { type = "tmpfs", readonly = true }
      assert.equal("", helper.inside(description, "touch /tmp/inner/file; ! touch /file /tmp/file 2>/dev/null"))
    end)

    it("belongs to the container's root", function()
      assert.equal("0:0\n", helper.inside(helper.tree(), "stat -c %u:%g /"))
    end)

    it("is new for each run", function()
      local box <const> = assert(userns.container(helper.tree()))
      for _ = 1, 2 do
        local result <const> = assert(box:run { "/bin/mkdir", "/once" })
        assert.equal(0, result.exit_code)
      end
    end)
  end)

  describe("of the host", function()
    it("is gone from the mounts", function()
      local text <const> = helper.inside(helper.tree(), POINTS)
      for point in text:gmatch("%g+") do
        local name <const> = point:match("^/(%w*)")
        assert.truthy(name == "" or (" bin dev lib lib64 usr proc "):find(" " .. name .. " ", 1, true), point)
      end
    end)

    it("is gone from the process: directory, root, descriptors", function()
      assert.equal("/\n/\n0\n1\n2\n3\n", helper.inside(helper.tree(),
        "readlink /proc/1/cwd /proc/1/root; ls /proc/self/fd", { stdin = "null" }))
    end)

    it("cannot be reached through a descriptor that the caller has open", function()
      local leak <close> = assert(io.open("/")) -- fopen(3) knows no O_CLOEXEC
      assert.equal("file", io.type(leak))
      assert.equal("0\n1\n2\n3\n", helper.inside(helper.tree(), "ls /proc/self/fd", { stdin = "null" }))
    end)

    it("cannot be reached through ..", function()
      local up <const> = ("../"):rep(64)
      assert.equal("1\n", helper.inside(helper.tree(),
        ("stat -c %%d:%%i / /.. /%s /proc/self/cwd/%s /proc/1/root/%s | sort -u | wc -l"):format(up, up, up)))
    end)

    it("cannot be reached through another process, as there is none in sight", function()
      assert.equal("1\n", helper.inside(helper.tree(), "cd /proc; for p in [0-9]*; do echo $p; done | head -1"))
      assert.equal("", helper.inside(helper.tree(), "! ls /proc/0 2>/dev/null"))
    end)

    it("is not uncovered by who may unmount", function()
      local description <const> = helper.tree { { type = "dir", target = "/mark" } }
      description.capabilities = { "sys_admin", "sys_chroot" }
      assert.equal("mark\n", helper.inside(description, [[
        umount -l / 2>/dev/null
        [ -d /mark ] && echo mark
        for d in /work /home /root /etc; do [ -e $d ] && echo $d; done; true
      ]]))
    end)
  end)

  describe("on a host that is chrooted", function()
    -- where no user namespace may be made
    local CHROOT <const> = [[
      cd %s && mkdir host && %s && cd host && for d in /*; do
        if [ -L $d ]; then ln -s $(readlink $d) .$d; elif [ -d $d ]; then mkdir .$d && mount --rbind $d .$d; fi
      done
      exec chroot . "$@"
    ]]

    local function chrooted(first, script)
      return helper.output([[
        local helper = require "spec.helper"
        local userns = require "userns"
        local description = helper.tree()
        description.share = "user"
      ]] .. script, ("%s sh -c %s sh"):format(wrapper, helper.quote(CHROOT:format(dir, first))))
    end

    it("is all there is, where the host's is a mount", function()
      assert.equal("bin\ndev\nlib\nlib64\nproc\nusr\n..\n", chrooted("mount --bind host host", [[
        io.write(helper.inside(description, "ls /; cd ../..; ls -d .. ../../home ../../etc ../../tmp 2>/dev/null || :"))
        for _, entry in ipairs(helper.run(description, { "/bin/true" }).degraded) do
          assert(entry.feature ~= "pivot_root")
        end
      ]]))
    end)

    it("is refused where the host's is none", function()
      assert.equal("nil\tpropagation\tmount\tEINVAL\tpropagation\tthe caller is chrooted into a directory that is no "
        .. "mount; bind that onto itself first\n", chrooted("true", [[
        local result, err = assert(userns.container(description)):run { "/bin/true" }
        print(result, err.op, err.syscall, err.code, err.field, err.hint)
      ]]))
    end)
  end)

  describe("where the host's cannot be pivoted away from, as an initramfs", function()
    local function on_initramfs(script)
      return helper.output([[
        local helper = require "spec.helper"
        local userns = require "userns"
        local LOOK = "ls /; cut -d' ' -f5 /proc/self/mountinfo | sort; readlink /proc/1/cwd /proc/1/root; "
          .. "cd ../../..; ls -d .. ../../home ../../etc ../../tmp 2>/dev/null || :; ls /proc/self/fd"
      ]] .. script, "build/spec/deny pivot_root EINVAL --")
    end

    it("covers it and keeps the program inside, and says so", function()
      assert.equal("chroot, with the old root covered by the new one\tpivot_root: Invalid argument\n", on_initramfs [[
        helper.count()
        local result = helper.run(helper.tree(), { "/bin/true" })
        helper.check_count()
        for _, entry in ipairs(result.degraded) do
          if entry.feature == "pivot_root" then
            print(entry.used, entry.reason)
          end
        end
      ]])
    end)

    it("shows nothing of it", function()
      local seen <const> = on_initramfs [[
        io.write(helper.inside(helper.tree(), LOOK, { stdin = "null" }))
      ]]
      local points <const> = seen:match("^" .. LISTING .. "/\n(/bin\n.*)/\n/\n%.%.\n0\n1\n2\n3\n$")
      assert.is_string(points, seen)
      for point in points:gmatch("/(%w+)[^\n]*\n") do
        assert.truthy((" bin dev lib lib64 usr proc "):find(" " .. point .. " ", 1, true), point)
      end
    end)

    it("does so for a directory and an overlay too", function()
      make_root(dir)
      assert.equal(LISTING .. LISTING, on_initramfs(([[
        local description = helper.tree()
        description.root = %q
        io.write(helper.inside(description, "ls /"))
        description.root = { type = "overlay", lower = %q, upper = "tmpfs" }
        io.write(helper.inside(description, "ls /"))
      ]]):format(dir, dir)))
    end)

    it("is an error where nothing may be less than it should be", function()
      assert.equal("nil\tpivot_root\tpivot_root\tEINVAL\troot\n", on_initramfs [[
        local description = helper.tree()
        description.strict = true
        local result, err = assert(userns.container(description)):run { "/bin/true" }
        print(result, err.op, err.syscall, err.code, err.field)
      ]])
    end)
  end)
end)
