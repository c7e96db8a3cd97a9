-- Sources that are more than a path: what is open, what is prepared, whose ids
-- are shifted, what stays tied to the host's mounts; and devices.
local helper = require "spec.helper"
local sys = require "userns.sys"
local userns = require "userns"

local errno <const>, inside <const>, tree <const> = helper.errno, helper.inside, helper.tree

local is_root <const> = helper.privilege == "root"
local wrapper <const> = helper.own_mounts
-- Another that shares them, and with nobody outside.
local sharing <const> = wrapper .. " unshare --mount --propagation shared"

local TRUE <const> = { "/bin/true" }
local IDMAP_HINT <const> = "ids of a mount are shifted by who may administer its file system: root of the host, or of "
  .. "the user namespace it was mounted in"

describe("a source", function()
  local dir

  before_each(function()
    dir = helper.set_up()
  end)

  after_each(helper.tear_down)

  --- Runs shell commands in the directory.
  local function on_host(commands)
    assert(os.execute(("cd %s && umask 0 && %s"):format(dir, commands)))
  end

  local function bound(source)
    return tree { { type = "bind", source = source, target = "/s" } }
  end

  describe("by descriptor", function()
    it("is a file that is open", function()
      on_host "echo content >file"
      local file <close> = assert(io.open(dir .. "/file"))
      assert.equal("content\n", inside(bound(file), "cat /s; echo mark >/s"))
      assert.equal("mark\n", helper.read(dir .. "/file"))
    end)

    it("is a directory, a handle, or a number", function()
      on_host "mkdir d && echo content >d/file"
      local directory <close> = assert(io.open(dir .. "/d"))
      local handle <close> = assert(sys.open(dir .. "/d", "read"))
      for _, source in ipairs { directory, handle, { fd = handle:fileno() } } do
        assert.equal("content\n", inside(bound(source), "cat /s/file"))
      end
    end)

    it("is found again wherever it was opened", function()
      on_host "mkdir d && echo content >d/file && ln -s d link && printf x >'odd (deleted)'"
      local file <close> = assert(io.open(dir .. "/link/file"))
      local odd <close> = assert(io.open(dir .. "/odd (deleted)"))
      assert.equal("content\n", inside(bound(file), "cat /s"))
      assert.equal("x", inside(bound(odd), "cat /s"))
    end)

    it("is refused once another has its name", function()
      on_host "echo one >file"
      local file <close> = assert(io.open(dir .. "/file"))
      local box <const> = assert(userns.container(bound(file)))
      assert.is_true(assert(box:run(TRUE)).ok)
      on_host "mv file other && echo two >file"
      local result <const>, err = box:run(TRUE)
      assert.is_nil(result)
      assert.same({
        "open", "ESTALE", "mounts[1].source", dir .. "/file",
        "what the caller has open is not what is found under its name now",
      }, { err.op, err.code, err.field, err.path, err.hint })
      on_host "mv other file"
      assert.is_true(assert(box:run(TRUE)).ok)
    end)

    it("is refused once its name is gone", function()
      on_host "echo one >file"
      local file <close> = assert(io.open(dir .. "/file"))
      local box <const> = assert(userns.container(bound(file)))
      on_host "rm file"
      local result <const>, err = box:run(TRUE)
      assert.is_nil(result)
      assert.same({ "open", "open_tree", "ENOENT", "mounts[1].source" }, { err.op, err.syscall, err.code, err.field })
    end)

    it("must have a path", function()
      on_host ": >gone"
      local gone <close> = assert(io.open(dir .. "/gone"))
      on_host "rm gone"
      local pipe <close> = assert(io.popen("sleep 0"))
      local number
      do
        local closed <close> = assert(io.open "/dev/null")
        number = sys.fileno(closed)
      end
      for message, source in pairs {
        [("it has no path ('%s/gone (deleted)')"):format(dir)] = gone,
        [("it has no path ('%s')"):format(sys.readlink("/proc/self/fd/" .. sys.fileno(pipe)))] = pipe,
        ["Bad file descriptor"] = { fd = number },
      } do
        local box <const>, err = userns.container(bound(source))
        assert.is_nil(box)
        assert.same(helper.invalid("mounts[1].source", message), helper.fields(err))
      end
    end)

    it("must be open, and no bare number", function()
      local file <const>, handle <const> = assert(io.open "/dev/null"), assert(sys.open "/dev/null")
      file:close()
      handle:close()
      for source, message in pairs {
        [file] = "the file is closed", [handle] = "the file is closed",
        [0] = "file or { fd = number } expected, got integer",
      } do
        local box <const>, err = userns.container(bound(source))
        assert.is_nil(box)
        assert.same(helper.invalid("mounts[1].source", message), helper.fields(err))
      end
    end)
  end)

  describe("that is prepared", function()
    --- Runs a script on a host with mounts of its own, where `prepared` makes a
    --- mount that is attached nowhere.
    local function prepare(script)
      return helper.output(([[
        local helper = require "spec.helper"
        local sys = require "userns.sys"
        local userns = require "userns"
        local dir = %q
        local function prepared()
          local context <close> = assert(sys.fsopen "tmpfs")
          assert(context:set("mode", "777") and context:create())
          return assert(context:mount { "nosuid", "nodev", "noexec" })
        end
        local function moved(source)
          return helper.tree { { type = "move", source = source, target = "/a/b" } }
        end
      ]]):format(dir) .. script, wrapper)
    end

    it("is moved to its place as it is", function()
      assert.equal("rw,nosuid,nodev,noexec,relatime\n", prepare [[
        local mount <close> = prepared()
        io.write(helper.inside(moved(mount), ": >/a/b/file; "
          .. "sed -n 's|.* /a/b \\([^ ]*\\) .*|\\1|p' /proc/self/mountinfo"))
      ]])
    end)

    it("can be given by its number", function()
      assert.equal("tmpfs\n", prepare [[
        local mount <close> = prepared()
        io.write(helper.inside(moved { fd = mount:fileno() }, "stat -f -c %T /a/b"))
      ]])
    end)

    it("is used up by one launch, and stays what it is to others", function()
      assert.equal("0\nnil\tbind\tmove_mount\tEINVAL\tmounts[1].source\t"
        .. "a prepared mount is attached nowhere, and is used up by one launch\n", prepare [[
        local mount <close> = prepared()
        local box = assert(userns.container(moved(mount)))
        helper.count()
        print(assert(box:run { "/bin/true" }).exit_code)
        local result, err = box:run { "/bin/true" }
        print(result, err.op, err.syscall, err.code, err.field, err.hint)
        helper.check_count()
      ]])
    end)

    it("must be no file of the host's", function()
      on_host ": >file"
      assert.equal("nil\tbind\tmove_mount\tEINVAL\tmounts[1].source\n", prepare [[
        local file <close> = assert(io.open(dir .. "/file"))
        local result, err = assert(userns.container(moved(file))):run { "/bin/true" }
        print(result, err.op, err.syscall, err.code, err.field)
      ]])
    end)

    it("must be open when it is launched", function()
      assert.equal("nil\ttake\tEBADF\tmounts[1].source\n", prepare [[
        local mount = prepared()
        local box = assert(userns.container(moved(mount)))
        mount:close()
        local result, err = box:run { "/bin/true" }
        print(result, err.op, err.code, err.field)
      ]])
    end)
  end)

  describe("whose ids are shifted", function()
    local MAP <const> = { { inside = 0, outside = 100000, count = 65536 } }

    if is_root then
      it("shows on disk whom it shows inside, by the container's own maps", function()
        on_host "mkdir d && : >d/root && : >d/user && chown 1000:1001 d/user"
        local description <const> = tree { { type = "bind", source = dir .. "/d", target = "/s", idmap = true } }
        description.uid_map, description.gid_map = MAP, MAP
        assert.equal("0 0\n1000 1001\n", inside(description, "cd /s; stat -c '%u %g' root user; : >new"))
        assert.equal("0 0\n", helper.shell(("stat -c '%%u %%g' %s/d/new"):format(dir)).out)
        description.mounts[1].idmap = nil
        assert.equal("65534 65534\n65534 65534\n", inside(description, "cd /s; stat -c '%u %g' root user"))
      end)

      it("is shown by maps of its own", function()
        on_host "mkdir d && : >d/user && : >d/other && chown 1000:1001 d/user && chown 7 d/other"
        local description <const> = tree { {
          type = "bind", source = dir .. "/d", target = "/s",
          idmap = {
            uid = { { inside = 1000, outside = 100005, count = 1 } },
            gid = { { inside = 1001, outside = 100006, count = 1 } },
          },
        } }
        description.uid_map, description.gid_map = MAP, MAP
        assert.equal("5 6\n65534 65534\n", inside(description, "cd /s; stat -c '%u %g' user other"))
      end)

      it("can be read-only, and of a descriptor", function()
        on_host "mkdir d && : >d/root"
        local file <close> = assert(io.open(dir .. "/d"))
        local description <const> = tree {
          { type = "bind", source = file, target = "/s", idmap = true, readonly = true },
        }
        description.uid_map, description.gid_map = MAP, MAP
        assert.equal("0\nRead-only file system\n",
          inside(description, "stat -c %u /s/root; (: >/s/new) 2>&1 | sed 's/.*: //'"))
      end)

      it("is on a file system that can", function()
        local fields <const>, advice <const> = helper.refusal(
          tree { { type = "bind", source = "/proc/1", target = "/s", idmap = true } }, TRUE)
        assert.same(errno("EINVAL", {
          op = "idmap", syscall = "mount_setattr", path = "/proc/1", field = "mounts[1].idmap",
        }), fields)
        assert.equal("idmap_unsupported", advice.cause)
      end)
    else
      it("is for whoever administers its file system", function()
        on_host "mkdir d"
        local fields <const>, advice <const> = helper.refusal(
          tree { { type = "bind", source = dir .. "/d", target = "/s", idmap = true } }, TRUE)
        assert.same(errno("EPERM", {
          op = "idmap", syscall = "open_tree", path = dir .. "/d", field = "mounts[1].idmap",
        }), fields)
        assert.same({ "idmap_not_owner", IDMAP_HINT }, { advice.cause, advice.hint })
      end)
    end

    it("may be of a file system that was mounted in the caller's user namespace", function()
      local shifted <const> = "0\n0\n"
      local refused <const> = "idmap\tmount_setattr\tEINVAL\tmounts[1].idmap\n"
      assert.equal(helper.is_linux(6, 3) and shifted or refused, helper.output(([[
        local helper = require "spec.helper"
        local dir = %q
        assert(os.execute("mount -t tmpfs -o mode=777 own " .. dir .. " && : >" .. dir .. "/file"))
        local description = helper.tree { { type = "bind", source = dir, target = "/s", idmap = true } }
        helper.count()
        local box = assert(require "userns".container(description))
        local result, err = box:run { "/bin/sh", "-c", "stat -c %%u /s/file; : >/s/new", stdout = "capture" }
        helper.check_count()
        if result then
          io.write(result.stdout)
          os.execute("stat -c %%u " .. dir .. "/new")
        else -- a tmpfs that cannot yet
          print(err.op, err.syscall, err.code, err.field)
        end
      ]]):format(dir), "unshare -Ur --mount"))
    end)

    it("must exist", function()
      local fields <const> = helper.refusal(
        tree { { type = "bind", source = dir .. "/no", target = "/s", idmap = true } }, TRUE)
      -- who may not copy it is told so first
      fields.syscall = nil
      assert.same({ "idmap", dir .. "/no", "mounts[1].idmap" }, { fields.op, fields.path, fields.field })
    end)
  end)

  describe("that stays tied to the host's mounts", function()
    local SCRIPT <const> = [[
      local helper = require "spec.helper"
      local userns = require "userns"
      local dir, propagation = %q, %q
      assert(os.execute("cd " .. dir .. " && mkdir source && mount -t tmpfs -o mode=777 source source && cd source "
        .. "&& mkdir inner outer"))
      local description = helper.tree { {
        type = "bind", source = dir .. "/source", target = "/s", propagation = propagation,
      } }
      description.capabilities = { "sys_admin" }
      local p <close> = assert(assert(userns.container(description)):spawn {
        "/bin/sh", "-c", "echo ready; read line; cat /proc/self/mountinfo; mount -t tmpfs inner /s/inner && echo done",
        stdin = "pipe", stdout = "pipe",
      })
      assert(p.stdout:read() == "ready")
      assert(os.execute("mount -t tmpfs outer " .. dir .. "/source/outer"))
      p.stdin:close()
      local seen = p.stdout:read("a")
      local outside = helper.read "/proc/self/mountinfo"
      local function has(text, what)
        return text:find(what, 1, true) and "yes" or "no"
      end
      print(has(seen, "done"), has(seen, "- tmpfs outer"), has(outside, "- tmpfs inner"))
    ]]

    -- The program's mount, whether it sees one of the host's that is younger
    -- than itself, and whether the host sees its.
    for kind, expected in pairs {
      private = "yes\tno\tno\n", slave = "yes\tyes\tno\n", unbindable = "yes\tno\tno\n",
    } do
      it(("is told how: %s"):format(kind), function()
        assert.equal(expected, helper.output(SCRIPT:format(dir, kind), sharing))
      end)
    end

    it("is shared only by who may mount for the host", function()
      local script <const> = SCRIPT:gsub("description.capabilities =", "description.share = %%q\n%0")
      assert.equal("yes\tyes\tno\n", helper.output(SCRIPT:format(dir, "shared"), sharing))
      helper.shell("rm -rf " .. dir .. "/source")
      assert.equal("yes\tyes\tyes\n", helper.output(script:format(dir, "shared", "user"), sharing))
    end)
  end)

  describe("for what is put where nothing can be made", function()
    local function refused(...)
      local mounts <const> = { { type = "bind", source = dir, target = "/s", readonly = true }, ... }
      local box <const>, err = userns.container(tree(mounts))
      assert.is_nil(box)
      assert.same(helper.invalid(("mounts[%d].target"):format(#mounts),
        "nothing can be made below '/s', which is read-only"), helper.fields(err))
    end

    it("is refused before anything is made", function()
      refused { type = "tmpfs", target = "/s/a" }
      refused { type = "bind", source = "/usr", target = "/s/a/b" }
      refused { type = "dir", target = "/s/a" }
      refused { type = "file", target = "/s/a" }
      refused { type = "symlink", target = "/s/a", source = "x" }
      refused({ type = "tmpfs", target = "/other" }, { type = "proc", target = "/s/a" })
    end)

    it("is taken where there is a place, or may be", function()
      on_host "mkdir -p d/e && ln -s d link && : >d/file"
      for _, target in ipairs { "/s/d", "/s/d/e", "/s/link/e" } do
        local description <const> = tree {
          { type = "bind", source = dir, target = "/s", readonly = true }, { type = "tmpfs", target = target },
        }
        assert.equal("tmpfs\n", inside(description, "stat -f -c %T " .. target))
      end
      assert.equal("tmpfs\n", inside(tree {
        { type = "bind", source = dir, target = "/s", readonly = true }, { type = "tmpfs", target = "/s/d" },
        { type = "tmpfs", target = "/s/d/more" }, { type = "remount", target = "/s/d", readonly = true },
      }, "stat -f -c %T /s/d/more"))
    end)
  end)
end)

describe("devices", function()
  local NULL_AND_ZERO <const> = "stat -c '%F %Hr:%Lr' /dev/null /dev/zero"
  local HINT <const> = "a device is what its number says, not what its name promises"

  before_each(helper.count)
  after_each(helper.check_count)

  it("are seen under their own names, and can be used", function()
    local description <const> = tree()
    description.devices = { "/dev/zero" }
    assert.equal("character special file 1:3\ncharacter special file 1:5\n1\n",
      inside(description, NULL_AND_ZERO .. "; head -c 1 /dev/zero | wc -c"))
  end)

  it("are put into a minimal /dev", function()
    local extra <const> = helper.shell("ls -d /dev/fuse /dev/kmsg /dev/autofs 2>/dev/null | head -1").out:match("%S+")
    local description <const> = { mounts = { { type = "dev", target = "/d", devices = { extra, "/dev//zero" } } } }
    description.root = { type = "tmpfs" }
    table.move(tree().mounts, 1, #tree().mounts, 2, description.mounts)
    local name <const> = extra:match("[^/]+$")
    assert.equal(helper.shell("stat -c %t:%T " .. extra).out, inside(description, "stat -c %t:%T /d/" .. name))
  end)

  it("must be devices", function()
    local given <const> = tree()
    given.devices = { "/dev/null", "/etc/passwd" }
    local in_dev <const> = tree { { type = "dev", target = "/d", devices = { "/usr" } } }
    for description, expected in pairs {
      [given] = { "open", "ENODEV", "/etc/passwd", "devices[2]", HINT },
      [in_dev] = { "open", "ENODEV", "/usr", "mounts[1].devices[1]", HINT },
    } do
      local fields <const>, advice <const> = helper.refusal(description, TRUE)
      assert.same(expected, { fields.op, fields.code, fields.path, fields.field, advice.hint })
    end
  end)

  it("are what their names promise, in a minimal /dev", function()
    assert.equal("nil\topen\tENODEV\t/dev/null\tmounts[1]\n", helper.output([[
      local helper = require "spec.helper"
      assert(os.execute("mount --bind /dev/zero /dev/null"))
      local description = { mounts = { { type = "dev", target = "/mnt" } } }
      local result, err = assert(require "userns".container(description)):run { "/bin/true", stdin = 0 }
      print(result, err.op, err.code, err.path, err.field)
    ]], wrapper))
  end)

  it("need a place, like any mount", function()
    local fields <const> = helper.refusal({ devices = { "/dev/null" }, root = "/usr" }, TRUE)
    fields.syscall = nil
    assert.same(errno("ENOENT", { op = "bind", path = "/dev/null", field = "devices[1].target" }), fields)
  end)
end)
