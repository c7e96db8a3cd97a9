local helper = require "spec.helper"
local userns = require "userns"

local errno <const>, inside <const>, tree <const> = helper.errno, helper.inside, helper.tree

local is_root <const> = helper.privilege == "root"

local TRUE <const> = { "/bin/true" }
local POINTS <const> = "cut -d' ' -f5 /proc/self/mountinfo | sort"

local ODD_NAMES <const> = {
  comma = "a,b", colon = "a:b", space = "a b", newline = "a\nb", backslash = "a\\:b", ["octal"] = "a\\040b",
  ["equals sign"] = "upperdir=a", ["non-UTF-8"] = "\xff\xc0", longest = ("n"):rep(255),
}

describe("an overlay", function()
  local dir

  before_each(function()
    dir = helper.set_up()
  end)

  after_each(helper.tear_down)

  --- Runs shell commands in the directory as who the container's root is: what
  --- an id owns that is not mapped, nobody may copy up.
  local function make(commands)
    inside({}, ("cd %s && umask 0 && %s"):format(dir, commands))
  end

  --- The names given, in the directory.
  local function at(...)
    local list <const> = {}
    for i, name in ipairs { ... } do
      list[i] = dir .. "/" .. name
    end
    return list
  end

  --- An overlay with fields, at /o unless they say otherwise.
  local function overlay(fields)
    fields.type, fields.target = "overlay", fields.target or "/o"
    return tree { fields }
  end

  --- The fields of an overlay that keeps what is written.
  local function kept(fields)
    fields.upper, fields.work = dir .. "/upper", dir .. "/work"
    return fields
  end

  describe("of directories alone", function()
    it("shows them as one, the topmost first", function()
      make "mkdir a b c && echo a >a/a && echo b >b/b && for d in a b c; do echo $d >$d/top; done; echo c >c/b"
      assert.equal("a\nb\ntop\na\nb\na\n", inside(overlay { lower = at("a", "b", "c") }, "ls /o; cd /o; cat a b top"))
    end)

    it("is read-only", function()
      make "mkdir a b"
      assert.equal("Read-only file system\n",
        inside(overlay { lower = at("a", "b") }, "(echo x >/o/x) 2>&1 | sed 's/.*: //'"))
    end)

    -- One parameter for each is new in Linux 6.8; before 6.5 any name is taken.
    local function takes_them_one_by_one()
      return helper.output([[
        local context <close> = assert(require "userns.sys".fsopen("overlay"))
        print(context:set("lowerdir+", "/usr") and not context:set("nonsense", "/usr"))
      ]], helper.rootless .. " --mount") == "true\n"
    end

    it("takes a hundred of them, as far as the kernel does", function()
      make "for i in $(seq 100); do mkdir $i; echo $i >$i/$i; echo $i >$i/top; done"
      local lower <const> = {}
      for i = 1, 100 do
        lower[i] = dir .. "/" .. i
      end
      if takes_them_one_by_one() then
        assert.equal("101\n1\n77\n", inside(overlay { lower = lower }, "cd /o; ls | wc -l; cat top 77"))
      else
        local fields <const> = helper.refusal(overlay { lower = lower }, { "/bin/true" })
        assert.same({ "overlay", "EINVAL", "mounts[1]" }, { fields.op, fields.code, fields.field })
      end
    end)

    it("allows neither set-user-id programs nor devices, unless words say so", function()
      make "mkdir a b"
      local options <const> = "sed -n 's|^[^ ]* [^ ]* [^ ]* [^ ]* /o \\([^ ]*\\) .*|\\1|p' /proc/self/mountinfo"
      assert.equal("rw,nosuid,nodev,relatime\n", inside(overlay { lower = at("a", "b") }, options))
      assert.equal("rw,noexec,relatime\n",
        inside(overlay { lower = at("a", "b"), options = { "suid", "dev", "noexec" } }, options))
    end)
  end)

  describe("with changes in memory", function()
    local function in_memory(fields)
      fields.lower, fields.upper = fields.lower or dir .. "/low", "tmpfs"
      return overlay(fields)
    end

    it("can be written to, and forgets", function()
      make "mkdir low && echo one >low/file"
      local before <const> = helper.listing(dir)
      for _ = 1, 2 do
        assert.equal("one\ntwo\nfile\nnew\n",
          inside(in_memory {}, "cd /o; cat file; echo two >file; mkdir new; cat file; ls"))
      end
      assert.equal(before, helper.listing(dir))
    end)

    it("lets directories of a lower layer be removed and made again", function()
      make "mkdir -p low/d/e && echo one >low/d/e/file && echo two >low/file"
      -- before Linux 6.6 that is what cannot be had, and is told
      local degraded <const> = helper.run(in_memory {}, { "/bin/true" }).degraded
      if #degraded > 0 then
        assert.same({ "overlay", "fgetxattr: Operation not supported" }, { degraded[1].feature, degraded[1].reason })
        return
      end
      assert.equal("file\nd\nfile\nend\n", inside(in_memory {}, "cd /o; rm -r d; ls; mkdir d; ls; ls -A d; echo end"))
    end)

    it("is as large as it may be", function()
      make "mkdir low"
      local description <const> = in_memory { size = "1M" }
      table.insert(description.mounts, { type = "bind", source = "/dev/zero", target = "/dev/zero" })
      assert.equal("No space left on device\n",
        inside(description, "(head -c 2M /dev/zero >/o/file) 2>&1 | sed 's/.*: //'"))
    end)

    it("has the permission bits it is told", function()
      make "mkdir low"
      assert.equal("755\n", inside(in_memory {}, "stat -c %a /o"))
      assert.equal("2711\n", inside(in_memory { mode = "2711" }, "stat -c %a /o"))
    end)

    it("can be read-only nevertheless", function()
      make "mkdir low"
      assert.equal("Read-only file system\n",
        inside(in_memory { readonly = true }, "(echo x >/o/x) 2>&1 | sed 's/.*: //'"))
    end)

    it("can be filled by the description before it is read-only", function()
      make "mkdir low"
      local description <const> = in_memory { readonly = true }
      table.insert(description.mounts, 2, { type = "file", target = "/o/a/file", content = "content" })
      assert.equal("content", inside(description, "cat /o/a/file"))
      assert.equal("./low d 777  4096\n", helper.listing(dir):match("%./low.*"))
    end)

    it("shows its memory nowhere else", function()
      make "mkdir low"
      local without <const> = tree { { type = "dir", target = "/o" } }
      local sorted <const> = inside(without, "{ echo /o; " .. POINTS .. "; } | sort")
      assert.equal(sorted, inside(in_memory {}, POINTS))
      assert.equal("", inside(in_memory {}, [[
        for fd in /proc/self/fd/*; do readlink $fd; done | grep -E 'upper|work'; ls -d /upper /work 2>/dev/null; :
      ]]))
    end)

    it("needs no place of its own on the host", function()
      make "mkdir low place"
      local description <const> = { mounts = {
        { type = "overlay", lower = dir .. "/low", upper = "tmpfs", target = dir .. "/place" },
      } }
      assert.equal("file\n", inside(description, ("cd %s/place && : >file && ls"):format(dir)))
      assert.equal("", helper.shell(("ls -A %s/place %s/low | grep file"):format(dir, dir)).out)
    end)
  end)

  describe("with changes in a directory", function()
    it("keeps them", function()
      make "mkdir low upper work && echo one >low/file && echo other >low/other"
      inside(overlay(kept { lower = dir .. "/low" }), "cd /o; echo two >file; echo new >new; rm other")
      assert.equal("file\nnew\ntwo\nnew\n",
        inside(overlay(kept { lower = dir .. "/low" }), "cd /o; ls; cat file new"))
      assert.equal("one\n", helper.read(dir .. "/low/file"))
      assert.equal("other\n", helper.read(dir .. "/low/other"))
      assert.equal("two\n", helper.read(dir .. "/upper/file"))
      assert.equal("character special file 0:0\n",
        helper.shell(("stat -c '%%F %%Hr:%%Lr' %s/upper/other"):format(dir)).out)
    end)

    it("keeps a directory replaced", function()
      make "mkdir -p low/d upper work && echo one >low/d/file"
      inside(overlay(kept { lower = dir .. "/low" }), "cd /o; rm -r d; mkdir d; echo two >d/new")
      assert.equal("new\n", inside(overlay(kept { lower = dir .. "/low" }), "ls /o/d"))
      assert.equal("one\n", helper.read(dir .. "/low/d/file"))
    end)

    it("can be read-only, and shows them still", function()
      make "mkdir low upper work && echo old >upper/file"
      assert.equal("old\nRead-only file system\n", inside(overlay(kept { lower = dir .. "/low", readonly = true }),
        "cat /o/file; (echo x >/o/file) 2>&1 | sed 's/.*: //'"))
      assert.equal("old\n", helper.read(dir .. "/upper/file"))
    end)
  end)

  describe("of paths", function()
    for what, name in pairs(ODD_NAMES) do
      it(("takes them as they are: %s"):format(what), function()
        local quoted <const> = helper.quote("./" .. name)
        make(("mkdir %s && cd %s && mkdir low other upper work && echo one >low/file"):format(quoted, quoted))
        local place <const> = dir .. "/" .. name
        assert.equal("one\n", inside(overlay {
          lower = { place .. "/low", place .. "/other" }, upper = place .. "/upper", work = place .. "/work",
          target = "/" .. name,
        }, ("cd /%s; cat file; echo two >new"):format(quoted)))
        assert.equal("two\n", helper.read(place .. "/upper/new"))
      end)
    end
  end)

  describe("as the root", function()
    local function rooted(fields)
      local description <const> = tree()
      fields.type = "overlay"
      description.root = fields
      return description
    end

    it("is all there is, and forgets", function()
      make "mkdir low && echo one >low/file"
      local before <const> = helper.listing(dir)
      assert.equal("bin\ndev\nfile\nlib\nlib64\nproc\nusr\n1\n",
        inside(rooted { lower = dir .. "/low", upper = "tmpfs" },
          "ls /; echo two >/file; mkdir /new; grep -c ' / / ' /proc/self/mountinfo"))
      assert.equal(before, helper.listing(dir))
    end)

    it("keeps what is written, where it is told to", function()
      make "mkdir low upper work && echo one >low/file"
      inside(rooted(kept { lower = dir .. "/low" }), "echo two >/file; echo new >/new")
      assert.equal("one\ntwo\nnew\n", helper.read(dir .. "/low/file") .. helper.read(dir .. "/upper/file")
        .. helper.read(dir .. "/upper/new"))
    end)

    it("can be read-only, once everything has its place", function()
      make "mkdir low"
      assert.equal("Read-only file system\n", inside(
        rooted { lower = dir .. "/low", upper = "tmpfs", readonly = true }, "(echo x >/x) 2>&1 | sed 's/.*: //'"))
    end)

    it("of directories alone has a place for what is there already", function()
      make "mkdir low other && cd low && mkdir bin lib lib64 usr proc dev && : >dev/null && cd ../other && mkdir more"
      assert.equal("bin\ndev\nlib\nlib64\nmore\nproc\nusr\n",
        inside(rooted { lower = at("low", "other") }, "ls /"))
    end)

    it("of directories alone has none for anything else", function()
      make "mkdir low other"
      local description <const> = rooted { lower = at("low", "other") }
      description.mounts = { { type = "tmpfs", target = "/t" } }
      assert.same(errno("EROFS", { op = "mount", syscall = "mkdirat", path = "/t", field = "mounts[1].target" }),
        (helper.refusal(description, TRUE)))
    end)

    it("shows the host's mounts and its memory nowhere", function()
      make "mkdir low"
      assert.equal(inside(tree(), POINTS), inside(rooted { lower = dir .. "/low", upper = "tmpfs" }, POINTS))
    end)

    it("can be the host's own tree only where nothing has to be uncovered", function()
      local description <const> = rooted { lower = "/", upper = "tmpfs" }
      description.mounts = nil
      local fields <const>, advice <const> = helper.refusal(description, TRUE)
      assert.same(errno("EINVAL", { op = "root_overlay", syscall = "fsconfig", field = "root" }), fields)
      assert.equal("locked_children", advice.cause)
      if is_root then
        description.share = "user"
        assert.is_true(helper.run(description, { "/bin/sh", "-c", ": >/etc/mark" }).ok)
        assert.is_nil((io.open("/etc/mark")))
      end
    end)
  end)

  describe("that cannot be", function()
    before_each(function()
      make "mkdir low upper work && : >file"
    end)

    local function refused(fields, cause, expected)
      local got <const>, advice <const> = helper.refusal(overlay(fields), TRUE)
      assert.same({ expected, cause }, { got, advice.cause })
    end

    it("has layers that do not exist", function()
      local function missing(name, field)
        return errno("ENOENT", {
          op = "open", syscall = "openat", path = dir .. "/" .. name, field = "mounts[1]." .. field,
        })
      end
      refused({ lower = at("no"), upper = "tmpfs" }, "not_found", missing("no", "lower"))
      refused({ lower = at("low", "no") }, "not_found", missing("no", "lower[2]"))
      refused({ lower = dir .. "/low", upper = dir .. "/no", work = dir .. "/work" }, "not_found",
        missing("no", "upper"))
      refused({ lower = dir .. "/low", upper = dir .. "/upper", work = dir .. "/no" }, "not_found",
        missing("no", "work"))
    end)

    it("has layers that are no directories", function()
      for _, fields in ipairs {
        { lower = dir .. "/file", upper = "tmpfs" }, kept { lower = at("low", "file") },
        { lower = dir .. "/low", upper = dir .. "/file", work = dir .. "/work" },
        { lower = dir .. "/low", upper = dir .. "/upper", work = dir .. "/file" },
      } do
        local got <const> = helper.refusal(overlay(fields), TRUE)
        assert.same({ "overlay", "fsconfig" }, { got.op, got.syscall })
        assert.matches("^mounts%[1%]", got.field)
      end
    end)

    it("has a layer inside another", function()
      make "mkdir low/upper low/work"
      refused({ lower = at("low", "low") }, "layers_overlap",
        errno("ELOOP", { op = "overlay", syscall = "fsconfig", path = "/o", field = "mounts[1]" }))
    end)

    it("has its work on another file system than its changes", function()
      local work <const> = helper.shell("mktemp -d -p /dev/shm").out:match("[^\n]+")
      assert(os.execute("chmod 777 " .. work))
      refused({ lower = dir .. "/low", upper = dir .. "/upper", work = work }, "work_elsewhere",
        errno("EINVAL", { op = "overlay", syscall = "fsconfig", path = "/o", field = "mounts[1]" }))
      helper.remove(work)
    end)

    it("has no place", function()
      local got <const> = helper.refusal({ mounts = {
        { type = "overlay", lower = at("low", "work"), target = dir .. "/no" },
      } }, TRUE)
      got.syscall = nil
      assert.same(errno("ENOENT", { op = "overlay", path = dir .. "/no", field = "mounts[1].target" }), got)
    end)

    it("has a file for its place", function()
      local got <const> = helper.refusal({ mounts = {
        { type = "overlay", lower = at("low", "work"), target = dir .. "/file" },
      } }, TRUE)
      assert.same(errno("ENOTDIR", { op = "overlay", syscall = "openat2", path = dir .. "/file",
        field = "mounts[1].target" }), got)
    end)
  end)

  it("is told of in words", function()
    make "mkdir low upper work"
    local box <const> = assert(userns.container {
      root = { type = "overlay", lower = dir .. "/low", upper = "tmpfs" },
      mounts = { kept { type = "overlay", lower = at("low", "work"), target = "/o", readonly = true } },
    })
    local words <const> = tostring(box)
    assert.truthy(words:find(dir .. "/low of the host's, laid over each other, changes in memory", 1, true))
    assert.truthy(words:find(("%s/low %s/work of the host's, laid over each other, read-only"):format(dir, dir),
      1, true))
  end)
end)
