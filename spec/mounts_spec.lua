local helper = require "spec.helper"
local userns = require "userns"

local errno <const>, inside <const>, tree <const> = helper.errno, helper.inside, helper.tree

local is_root <const> = helper.privilege == "root"
local wrapper <const> = helper.own_mounts

local TRUE <const> = { "/bin/true" }
local HINT <const> = "the target does not exist, and making it here would leave traces outside the container; "
  .. "create it, or use a tmpfs above it"

--- The options of what is mounted at a path, and its type.
local function mounted(path)
  return ([[sed -nE 's|^([^ ]+ ){4}%s ([^ ]+) .*- ([^ ]+) .*|\2 \3|p' /proc/self/mountinfo; ]]):format(path)
end

--- How writing to a file ends.
local function write_to(path)
  return ("(echo mark >%s) 2>&1 | sed 's/.*: //'; "):format(path)
end

local ODD_NAMES <const> = {
  space = "a b", newline = "a\nb", ["trailing newline"] = "a\n", backslash = "a\\040b", ["non-UTF-8"] = "\xff\xc0\x80",
  quotes = "'\"`$x", dots = "...", dash = "-rf", longest = ("n"):rep(255),
}

describe("mounts", function()
  local dir

  before_each(function()
    dir = helper.set_up()
  end)

  after_each(helper.tear_down)

  --- Runs shell commands in the directory.
  local function on_host(commands)
    assert(os.execute(("cd %s && umask 0 && %s"):format(dir, commands)))
  end

  describe("of type bind", function()
    it("show a directory", function()
      on_host "mkdir d && echo content >d/file"
      local mounts <const> = { { type = "bind", source = dir .. "/d", target = "/a/b" } }
      assert.equal("content\n", inside(tree(mounts), "cat /a/b/file"))
    end)

    it("are the directory itself, not a copy", function()
      on_host "mkdir d"
      inside(tree { { type = "bind", source = dir .. "/d", target = "/a" } }, "echo mark >/a/file")
      assert.equal("mark\n", helper.read(dir .. "/d/file"))
    end)

    it("show a file", function()
      on_host "echo content >file"
      local mounts <const> = { { type = "bind", source = dir .. "/file", target = "/a/b/file" } }
      assert.equal("content\n", inside(tree(mounts), "cat /a/b/file; echo mark >/a/b/file"))
      assert.equal("mark\n", helper.read(dir .. "/file"))
    end)

    it("show a FIFO", function()
      on_host "mkfifo fifo"
      local mounts <const> = { { type = "bind", source = dir .. "/fifo", target = "/p" } }
      assert.equal("fifo\n", inside(tree(mounts), "stat -c %F /p"))
    end)

    it("show a device, that can be used", function()
      local mounts <const> = { { type = "bind", source = "/dev/zero", target = "/a/zero" } }
      assert.equal("3\ncharacter special file 1:5\n",
        inside(tree(mounts), "head -c 3 /a/zero | wc -c; stat -c '%F %Hr:%Lr' /a/zero"))
    end)

    it("allow neither set-user-id programs nor devices", function()
      on_host "mkdir d"
      local mounts <const> = { { type = "bind", source = dir .. "/d", target = "/a" } }
      assert.truthy(inside(tree(mounts), mounted "/a"):find("^rw,nosuid,nodev,relatime "))
    end)

    it("can be told with words what they allow", function()
      on_host "mkdir d && cp /bin/true d"
      local mounts <const> = { {
        type = "bind", source = dir .. "/d", target = "/a", options = { "suid", "dev", "noexec" },
      } }
      assert.truthy(inside(tree(mounts), mounted "/a"):find("^rw,noexec,relatime "))
      assert.equal("Permission denied\n", inside(tree(mounts), "/a/true 2>&1 | sed 's/.*: //'"))
    end)

    it("cannot have another atime in a user namespace, where that is locked", function()
      for _, word in ipairs { "noatime", "nodiratime" } do
        local mounts <const> = { { type = "bind", source = "/usr", target = "/a", options = word } }
        local fields <const> = helper.refusal(tree(mounts), TRUE)
        assert.same({ "bind", "mount_setattr", "EPERM" }, { fields.op, fields.syscall, fields.code })
      end
    end)

    it("can be read-only", function()
      on_host "mkdir d && echo content >file"
      local mounts <const> = {
        { type = "bind", source = dir .. "/d", target = "/d", readonly = true },
        { type = "bind", source = dir .. "/file", target = "/file", readonly = true },
      }
      assert.equal("Read-only file system\nRead-only file system\n",
        inside(tree(mounts), write_to "/d/new" .. write_to "/file"))
      assert.equal("content\n", helper.read(dir .. "/file"))
    end)

    it("show one place both writable and read-only", function()
      on_host "mkdir d"
      local mounts <const> = {
        { type = "bind", source = dir .. "/d", target = "/rw" },
        { type = "bind", source = dir .. "/d", target = "/ro", readonly = true },
      }
      assert.equal("Read-only file system\nmark\n", inside(tree(mounts), "echo mark >/rw/f; "
        .. write_to "/ro/f" .. "cat /ro/f"))
    end)

    it("bring the mounts below along, read-only with them", function()
      local script <const> = [[
        local helper = require "spec.helper"
        local dir = %q
        assert(os.execute("mkdir " .. dir .. "/sub && mount -t tmpfs -o mode=777 sub " .. dir .. "/sub"))
        for _, readonly in ipairs { false, true } do
          io.write(helper.inside(helper.tree { { type = "bind", source = dir, target = "/a", readonly = readonly } },
            "stat -f -c %%T /a/sub; for f in /a/f /a/sub/f; do (echo mark >$f) 2>&1 | sed 's/.*: //'; done"))
        end
      ]]
      assert.equal("tmpfs\ntmpfs\nRead-only file system\nRead-only file system\n",
        helper.output(script:format(dir), wrapper))
    end)

    it("can leave the mounts below behind, but not uncover what they hide", function()
      local script <const> = [[
        local helper = require "spec.helper"
        local dir, namespaces = %q, %s
        assert(os.execute("cd " .. dir .. " && mkdir sub && mount -t tmpfs sub sub && touch sub/f"))
        local description = helper.tree { { type = "bind", source = dir, target = "/a", recursive = false } }
        description.namespaces = namespaces
        local result, err = require "userns".container(description):run {
          "/bin/ls", "/a/sub", stdout = "capture",
        }
        if result then
          print(result.exit_code, result.stdout)
        else
          print(err.op, err.syscall, err.code, err.field, err.path == dir)
        end
      ]]
      assert.equal("open\topen_tree\tEINVAL\tmounts[1].source\ttrue\n",
        helper.output(script:format(dir, "nil"), wrapper))
      if helper.privilege ~= "user" then
        -- in the user namespace that made the mount it is not locked
        helper.shell("rmdir " .. dir .. "/sub")
        assert.equal("0\t\n", helper.output(script:format(dir, '{ "mnt", "pid" }'), wrapper))
      end
    end)

    it("follow a source's symbolic links as the host does", function()
      on_host "mkdir d && echo content >d/file && ln -s d link && ln -s link/file chain"
      local mounts <const> = {
        { type = "bind", source = dir .. "/link", target = "/d" },
        { type = "bind", source = dir .. "/chain", target = "/f" },
      }
      assert.equal("content\ncontent\n", inside(tree(mounts), "cat /d/file /f"))
    end)

    it("need a source that exists", function()
      assert.same(errno("ENOENT", {
        op = "open", syscall = "open_tree", path = dir .. "/none", field = "mounts[1].source",
      }), (helper.refusal(tree { { type = "bind", source = dir .. "/none", target = "/a" } }, TRUE)))
    end)

    it("can be optional", function()
      on_host "mkdir d"
      local mounts <const> = {
        { type = "bind", source = dir .. "/none", target = "/none", optional = true },
        { type = "bind", source = dir .. "/d", target = "/d", optional = true },
      }
      assert.equal("/d\n", inside(tree(mounts), "ls -d /d /none 2>&1 | grep -v cannot"))
    end)

    it("can have a source that an earlier target hides", function()
      on_host "mkdir d && echo content >d/file"
      local mounts <const> = {
        { type = "tmpfs", target = dir },
        { type = "bind", source = dir .. "/d", target = dir .. "/shown" },
      }
      assert.equal("shown\ncontent\n", inside({ mounts = mounts }, ("ls %s; cat %s/shown/file"):format(dir, dir)))
    end)

    it("can have a source that the container's root may not reach", function()
      on_host "mkdir -p closed/d && echo content >closed/d/file && chmod 700 closed"
      local mounts <const> = { { type = "bind", source = dir .. "/closed/d", target = "/a" } }
      assert.equal("content\n", inside(tree(mounts), "cat /a/file"))
    end)

    it("can show the host's whole tree", function()
      local mounts <const> = { { type = "bind", source = "/", target = "/host", readonly = true } }
      assert.equal(helper.shell("ls /").out, inside(tree(mounts), "ls /host"))
    end)

    it("can be two hundred", function()
      local mounts <const> = {}
      for i = 1, 200 do
        local file <const> = ("%s/%d"):format(dir, i)
        helper.write(file, i .. "\n")
        mounts[i] = { type = "bind", source = file, target = "/many/" .. i }
      end
      local expected <const> = {}
      for i = 1, 200 do
        expected[i] = i .. "\n"
      end
      assert.equal(table.concat(expected), inside(tree(mounts), "cat $(ls -v /many/*)"))
    end)

    it("can be two thousand", function()
      on_host "mkdir d && echo content >d/file"
      local mounts <const> = {}
      for i = 1, 2000 do
        mounts[i] = { type = "bind", source = dir .. "/d", target = "/many/" .. i, readonly = i % 2 == 0 }
      end
      assert.equal("2000\n1000\n2000\n", inside(tree(mounts), [[
        cat /many/*/file | wc -l; grep -c ' /many/[0-9]* ro,' /proc/self/mountinfo
        grep -c ' /many/' /proc/self/mountinfo
      ]]))
    end)

    it("can be more than the limit of open files, which the program gets as it was", function()
      local script <const> = [[
        local helper = require "spec.helper"
        local mounts = {}
        for i = 1, 100 do
          mounts[i] = { type = "bind", source = "/usr", target = "/many/" .. i }
        end
      ]]
      local enough <const> = [[
        io.write(helper.inside(helper.tree(mounts), "ls /many | wc -l; ulimit -Sn; ulimit -Hn"))
      ]]
      local too_few <const> = [[
        local fields = helper.refusal(helper.tree(mounts), { "/bin/true" })
        print(fields.op, fields.syscall, fields.code, fields.path, fields.field:match("^mounts"))
      ]]
      assert.equal("100\n64\n256\n", helper.output(script .. enough, "prlimit --nofile=64:256"))
      assert.equal("open\topen_tree\tEMFILE\t/usr\tmounts\n",
        helper.output(script .. too_few, "prlimit --nofile=64:64"))
    end)
  end)

  describe("of type tmpfs", function()
    local function tmpfs(fields, script)
      fields.type, fields.target = "tmpfs", "/a"
      return inside(tree { fields }, script)
    end

    it("are empty and writable", function()
      assert.equal("mark\n", tmpfs({}, "ls -A /a; echo mark >/a/file; cat /a/file"))
    end)

    it("have mode 1777 and belong to the container's root", function()
      assert.equal("1777 0 0\n", tmpfs({}, "stat -c '%a %u %g' /a"))
    end)

    it("can have a mode", function()
      assert.equal("1777\n", tmpfs({ mode = "1777" }, "stat -c %a /a"))
      assert.equal("700\n", tmpfs({ mode = 448 }, "stat -c %a /a"))
    end)

    it("can have a size", function()
      assert.equal("16\nNo space left on device\n", tmpfs({ size = "64K" }, [[
        stat -f -c %b /a
        dd if=/proc/self/exe of=/a/file bs=128K count=1 2>&1 | sed -n 's/.*: //p' | head -1
      ]]))
    end)

    it("can belong to any id that is mapped", function()
      if is_root then
        local description <const> = tree { { type = "tmpfs", target = "/a", uid = 5, gid = 6 } }
        description.uid_map = { { inside = 0, outside = 100000, count = 65536 } }
        description.gid_map = description.uid_map
        assert.equal("5 6\n", inside(description, "stat -c '%u %g' /a"))
      else
        assert.equal("0 0\n", tmpfs({ uid = 0, gid = 0 }, "stat -c '%u %g' /a"))
      end
    end)

    it("cannot belong to an id that is not", function()
      for _, name in ipairs { "uid", "gid" } do
        local fields <const>, advice <const> = helper.refusal(
          tree { { type = "tmpfs", target = "/a", [name] = 4000000 } }, TRUE)
        assert.same(helper.invalid("mounts[1]." .. name, "4000000 is not mapped by " .. name .. "_map", advice), fields)
        assert.equal("id_unmapped", advice.cause)
      end
    end)

    it("can be read-only, with what was made and mounted in them", function()
      on_host "mkdir d"
      local mounts <const> = {
        { type = "tmpfs", target = "/a", readonly = true },
        { type = "file", target = "/a/file", content = "content\n" },
        { type = "bind", source = dir .. "/d", target = "/a/d" },
      }
      assert.equal("content\nRead-only file system\nRead-only file system\n",
        inside(tree(mounts), "cat /a/file; echo mark >/a/d/f; " .. write_to "/a/file" .. write_to "/a/new"))
    end)

    it("can have a number of files", function()
      -- its own directory counts
      assert.equal("No space left on device\n1\n2\n",
        tmpfs({ inodes = 3 }, "cd /a; for i in 1 2 3; do (: >$i) 2>&1 | sed 's/.*: //'; done; ls"))
    end)

    it("can be told with words what they allow", function()
      assert.equal("rw,noexec,noatime tmpfs\n",
        tmpfs({ options = { "noexec", "noatime", "dev", "suid" } }, mounted "/a"))
      assert.equal("rw,nosuid,nodev,relatime tmpfs\n", tmpfs({}, mounted "/a"))
    end)

    it("are each one of its own", function()
      local mounts <const> = { { type = "tmpfs", target = "/a" }, { type = "tmpfs", target = "/b" } }
      assert.equal("", inside(tree(mounts), "touch /a/file; ls /b"))
    end)
  end)

  describe("of type proc", function()
    local function proc(fields)
      local description <const> = { mounts = { { type = "proc", target = "/proc" } } }
      for name, value in pairs(fields or {}) do
        description[name] = value
      end
      return description
    end

    it("show the new pid namespace", function()
      assert.equal("/proc/1\n", inside(proc(), "for p in /proc/[0-9]*; do echo $p; done"))
    end)

    it("allow nothing but to be read and written", function()
      assert.equal("rw,nosuid,nodev,noexec,relatime proc\n",
        inside(tree { { type = "proc", target = "/p" } }, mounted "/p"))
    end)

    it("can be read-only", function()
      local description <const> = tree { { type = "proc", target = "/p", readonly = true } }
      assert.equal("Read-only file system\n", inside(description, write_to "/p/self/oom_score_adj"))
    end)

    it("can be of processes alone", function()
      local description <const> = tree { { type = "proc", target = "/p", subset = "pid" } }
      assert.equal("/p/1\n", inside(description, "ls -d /p/1 /p/cpuinfo /p/sys 2>/dev/null || :"))
    end)

    it("can hide the processes of others", function()
      for _, word in ipairs { "noaccess", "invisible", "ptraceable" } do
        local description <const> = tree { { type = "proc", target = "/p", hidepid = word } }
        assert.equal(word .. "\n", inside(description,
          "sed -n 's/.* \\/p .*hidepid=\\([a-z]*\\).*/\\1/p' /proc/self/mountinfo"))
      end
      assert.equal("", inside(tree { { type = "proc", target = "/p", hidepid = "off" } },
        "grep hidepid= /proc/self/mountinfo || :"))
    end)

    it("are masked and protected where that is usual", function()
      local text <const> = inside(proc(), [[
        cd /proc
        for f in acpi asound kcore keys latency_stats sched_debug scsi timer_list timer_stats; do
          [ -d $f ] && ls -A $f
          [ -f $f ] && cat $f
        done
        for f in bus fs irq sys sysrq-trigger; do
          [ ! -e $f ] || grep -q " /proc/$f ro," self/mountinfo || echo $f
        done
      ]])
      assert.equal("", text)
    end)

    it("are masked wherever they are", function()
      local description <const> = tree { { type = "proc", target = "/p/q" } }
      assert.equal("", inside(description, "cat /p/q/keys /p/q/timer_list"))
    end)

    it("are masked as the description says, if it does", function()
      local result <const> = inside(proc { masked_paths = {}, readonly_paths = {} },
        "[ -s /proc/cpuinfo ]; cat /proc/keys | wc -l; " .. mounted "/proc/sys")
      assert.truthy(tonumber(result) > 0)
      assert.equal("", inside(proc { masked_paths = { "/proc/cpuinfo" } }, "cat /proc/cpuinfo"))
    end)

    it("are not masked where user namespaces are allowed, which a mask would break", function()
      assert.equal("", inside(proc { allow_userns = true }, "! grep '/null /proc/' /proc/self/mountinfo"))
    end)
  end)

  describe("that mask and protect", function()
    it("hide files and directories of any tree", function()
      on_host "mkdir d && echo secret >d/file && echo secret >file"
      local description <const> = tree { { type = "bind", source = dir, target = "/a" } }
      description.masked_paths = { "/a/d", "/a/file", "/a/none", "/a/file/below" }
      assert.equal("", inside(description, "cat /a/file; ls -A /a/d"))
      assert.equal("Read-only file system\n", inside(description, write_to "/a/d/new"))
    end)

    it("protect files and directories of any tree", function()
      on_host "mkdir d && echo content >d/file && echo content >file"
      local description <const> = tree { { type = "bind", source = dir, target = "/a" } }
      description.readonly_paths = { "/a/d", "/a/file", "/a/none" }
      assert.equal("content\ncontent\nRead-only file system\nRead-only file system\n",
        inside(description, "cat /a/file /a/d/file; echo x >/a/new; " .. write_to "/a/file" .. write_to "/a/d/file"))
    end)

    it("do so in the host's tree too", function()
      helper.write(dir .. "/file", "secret")
      local description <const> = { masked_paths = { dir }, readonly_paths = { "/usr" } }
      assert.equal("Read-only file system\n", inside(description, "ls -A " .. dir .. "; " .. write_to "/usr/new"))
    end)

    it("do not follow symbolic links out", function()
      on_host "mkdir inner outer && echo content >outer/file && ln -s ../outer inner/link"
      local description <const> = tree {
        { type = "bind", source = dir .. "/inner", target = "/a" },
        { type = "bind", source = dir .. "/outer", target = "/outer" },
      }
      description.masked_paths = { "/a/link" }
      assert.equal("", inside(description, "ls -A /outer")) -- the root's own /outer
      assert.equal("content\n", helper.read(dir .. "/outer/file"))
    end)
  end)

  describe("of type sysfs", function()
    it("show the new net namespace, read-only", function()
      local description <const> = tree { { type = "sysfs", target = "/sys" } }
      assert.equal("lo\nro,nosuid,nodev,noexec,relatime sysfs\n",
        inside(description, "ls /sys/class/net; " .. mounted "/sys"))
    end)

    it("hide the firmware's tables", function()
      assert.equal("", inside(tree { { type = "sysfs", target = "/sys" } }, "ls -A /sys/firmware"))
    end)

    it("can be writable", function()
      local description <const> = tree { { type = "sysfs", target = "/sys", readonly = false } }
      assert.equal("rw,nosuid,nodev,noexec,relatime sysfs\n", inside(description, mounted "/sys"))
    end)
  end)

  describe("of type cgroup", function()
    it("show the cgroup and those below, read-only", function()
      assert.equal("ro,nosuid,nodev,noexec,relatime cgroup2\n",
        inside(tree { { type = "cgroup", target = "/c" } }, mounted "/c"))
      assert.equal("cgroup.procs\n", inside(tree { { type = "cgroup", target = "/c" } }, "cd /c; ls cgroup.procs"))
    end)

    it("can be writable", function()
      assert.equal("rw,nosuid,nodev,noexec,relatime cgroup2\n",
        inside(tree { { type = "cgroup", target = "/c", readonly = false } }, mounted "/c"))
    end)
  end)

  describe("of type remount", function()
    it("change what a mount allows, and nothing else", function()
      local mounts <const> = {
        { type = "tmpfs", target = "/a", options = "noexec" },
        { type = "remount", target = "/a", readonly = true, options = { "suid" } },
      }
      assert.equal("ro,nodev,noexec,relatime tmpfs\n", inside(tree(mounts), mounted "/a"))
      mounts[3] = { type = "remount", target = "/a", readonly = false, options = { "exec", "noatime" } }
      assert.equal("rw,nodev,noatime tmpfs\n", inside(tree(mounts), mounted "/a"))
    end)

    it("change the mounts below too, if they are told", function()
      for recursive, expected in pairs { [true] = "ro", [false] = "rw" } do
        local mounts <const> = {
          { type = "tmpfs", target = "/a" }, { type = "tmpfs", target = "/a/b" },
          { type = "remount", target = "/a", readonly = true, recursive = recursive },
        }
        assert.equal(("ro,nosuid,nodev,relatime tmpfs\n%s,nosuid,nodev,relatime tmpfs\n"):format(expected),
          inside(tree(mounts), mounted "/a" .. mounted "/a/b"))
      end
    end)

    it("do not change what is locked", function()
      local mounts <const> = {
        { type = "bind", source = "/usr", target = "/a" },
        { type = "remount", target = "/a", options = "noatime" },
      }
      assert.same(errno("EPERM", { op = "remount", syscall = "mount_setattr", path = "/a", field = "mounts[2]" }),
        (helper.refusal(tree(mounts), TRUE)))
    end)

    it("are about a mount, not a directory in one", function()
      local mounts <const> = {
        { type = "dir", target = "/a/b" }, { type = "remount", target = "/a/b", readonly = true },
      }
      assert.same(errno("EINVAL", { op = "remount", syscall = "mount_setattr", path = "/a/b", field = "mounts[2]" }),
        (helper.refusal(tree(mounts), TRUE)))
    end)

    it("are about one that is there", function()
      assert.same(errno("ENOENT", { op = "remount", syscall = "openat2", path = "/no", field = "mounts[1]" }),
        (helper.refusal(tree { { type = "remount", target = "/no", readonly = true } }, TRUE)))
    end)
  end)

  describe("of type devpts", function()
    it("have terminals of their own, from 0 on", function()
      assert.equal("0\nptmx\n", inside(tree { { type = "devpts", target = "/pts" } }, "exec 3<>/pts/ptmx; ls /pts"))
    end)

    it("give terminals to the group tty where it is mapped", function()
      local description <const> = tree { { type = "devpts", target = "/pts" } }
      local group = 0
      if is_root then
        description.uid_map = { { inside = 0, outside = 100000, count = 65536 } }
        description.gid_map = description.uid_map
        group = 5
      end
      assert.equal(("620 0 %d\n"):format(group), inside(description, "exec 3<>/pts/ptmx; stat -c '%a %u %g' /pts/0"))
    end)
  end)

  describe("of type mqueue", function()
    it("show the queues of the new ipc namespace", function()
      assert.equal("q\nQSIZE:0 \n", inside(tree { { type = "mqueue", target = "/mq" } },
        "ls /mq; touch /mq/q; ls /mq; cut -c1-8 /mq/q"))
    end)
  end)

  describe("of type dev", function()
    local description <const> = tree { { type = "dev", target = "/dev" } }
    table.remove(description.mounts, #description.mounts - 1) -- the tree's own /dev/null

    it("have what programs need and nothing else", function()
      assert.equal("fd full null ptmx pts random shm stderr stdin stdout tty urandom zero\n",
        inside(description, "echo $(ls /dev)"))
    end)

    it("have devices that work", function()
      assert.equal("0\n3\n3\n3\nNo space left on device\n", inside(description, [[
        cd /dev; echo x >null; wc -c <null
        for f in zero random urandom; do head -c 3 $f | wc -c; done
        (/bin/echo x >full) 2>&1 | sed 's/.*: //'
      ]]))
    end)

    it("have links to the program's descriptors", function()
      on_host "echo word >file; chmod 666 file"
      local file <close> = assert(io.open(dir .. "/file"))
      local links <const> = "/proc/self/fd /proc/self/fd/0 /proc/self/fd/1 /proc/self/fd/2\n"
      assert.equal(links .. "word\n0\n1\n2\n3\n",
        inside(description, "cd /dev; echo $(readlink fd stdin stdout stderr); cat stdin; ls fd/", { stdin = file }))
    end)

    it("have terminals", function()
      assert.equal("0\nptmx\n", inside(description, "exec 3<>/dev/ptmx; ls /dev/pts"))
    end)

    it("have shared memory that everybody may write to", function()
      assert.equal("1777\n", inside(description, "stat -c %a /dev/shm; touch /dev/shm/file"))
    end)

    it("do not change the host's devices", function()
      local function devices()
        return helper.shell("stat -c '%n %a %t:%T' /dev/full /dev/zero /dev/tty /dev/urandom").out
      end
      local before <const> = devices()
      inside(description, "chmod 0 /dev/zero 2>/dev/null; rm -f /dev/full 2>/dev/null; true")
      assert.equal(before, devices())
    end)
  end)

  describe("of type dir", function()
    local function stat(mounts, path)
      return inside(tree(mounts), "stat -c '%n %F %a %u:%g' " .. path)
    end

    it("make a directory, and those on the way", function()
      assert.equal("/a directory 755 0:0\n/a/b directory 755 0:0\n/a/b/c directory 700 0:0\n",
        stat({ { type = "dir", target = "/a/b/c", mode = "0700" } }, "/a /a/b /a/b/c"))
    end)

    it("have every bit of their mode, whatever the caller's umask", function()
      assert.equal("/a directory 2775 0:0\n/b directory 1777 0:0\n/c directory 0 0:0\n", stat({
        { type = "dir", target = "/a", mode = "2775" }, { type = "dir", target = "/b", mode = "1777" },
        { type = "dir", target = "/c", mode = 0 },
      }, "/a /b /c"))
    end)

    it("may have been made on the way to another", function()
      assert.equal("/a directory 711 0:0\n",
        stat({ { type = "dir", target = "/a/b" }, { type = "dir", target = "/a", mode = "0711" } }, "/a"))
    end)

    it("are content with a directory of the host's, which stays as it is", function()
      on_host "mkdir d && chmod 751 d"
      local before <const> = helper.listing(dir)
      inside({ mounts = { { type = "dir", target = dir .. "/d", mode = "0700" } } }, "true")
      assert.equal(before, helper.listing(dir))
    end)

    it("are not content with a file", function()
      helper.write(dir .. "/file", "content")
      local target <const> = dir .. "/file"
      assert.same(errno("ENOTDIR", { op = "dir", syscall = "openat2", path = target, field = "mounts[1].target" }),
        (helper.refusal({ mounts = { { type = "dir", target = target } } }, TRUE)))
    end)

    if is_root then
      it("can belong to any id that is mapped", function()
        local description <const> = tree { { type = "dir", target = "/a", uid = 5, gid = 6, mode = "2770" } }
        description.uid_map = { { inside = 0, outside = 100000, count = 65536 } }
        description.gid_map = description.uid_map
        assert.equal("2770 5 6\n", inside(description, "stat -c '%a %u %g' /a"))
      end)
    end

    it("cannot belong to an id that is not", function()
      local fields <const>, advice <const> = helper.refusal(
        tree { { type = "dir", target = "/a", uid = 4000000 } }, TRUE)
      assert.same(helper.invalid("mounts[1].uid", "4000000 is not mapped by uid_map", advice), fields)
      assert.equal("id_unmapped", advice.cause)
    end)
  end)

  describe("of type file", function()
    local function content(text)
      return helper.run(tree { { type = "file", target = "/a/file", content = text } },
        { "/bin/cat", "/a/file", stdout = "capture" }).stdout
    end

    it("have their content", function()
      assert.equal("content\n", content "content\n")
      assert.equal("", content "")
      assert.equal("", content(nil))
    end)

    it("can have any bytes", function()
      local bytes <const> = {}
      for byte = 0, 255 do
        bytes[byte + 1] = string.char(byte)
      end
      local all <const> = table.concat(bytes)
      assert.equal(all, content(all))
    end)

    it("can be big", function()
      local big <const> = ("0123456789abcde\n"):rep(1 << 19) -- 8 MiB
      assert.truthy(big == content(big))
    end)

    it("have a mode, whatever the caller's umask", function()
      local mounts <const> = {
        { type = "file", target = "/a" }, { type = "file", target = "/b", mode = "0400" },
        { type = "file", target = "/c", mode = "4755", uid = 0, content = "x" },
      }
      assert.equal("644 400 4755\n", inside(tree(mounts), "echo $(stat -c %a /a /b /c)"))
    end)

    it("can be replaced where the tree is the container's own", function()
      local mounts <const> = {
        { type = "file", target = "/a", content = "long content" }, { type = "file", target = "/a", content = "short" },
      }
      assert.equal("short", inside(tree(mounts), "cat /a"))
    end)

    it("do not touch a file of the host's", function()
      on_host "echo content >file"
      local before <const> = helper.listing(dir)
      local fields <const>, advice <const> = helper.refusal(
        { mounts = { { type = "file", target = dir .. "/file", content = "evil", mode = "0777" } } }, TRUE)
      assert.equal("the file exists in a tree that is not the container's own", advice.hint)
      assert.same({ "file", "EEXIST", dir .. "/file", "mounts[1].target" },
        { fields.op, fields.code, fields.path, fields.field })
      assert.equal("content\n", helper.read(dir .. "/file"))
      assert.equal(before, helper.listing(dir))
    end)

    it("do not write through a symbolic link that leads nowhere", function()
      on_host "mkdir d && ln -s ../new d/link"
      local target <const> = dir .. "/d/link"
      helper.refusal({ mounts = { { type = "file", target = target, content = "evil" } } }, TRUE)
      assert.equal(nil, (io.open(dir .. "/new")))
    end)

    it("do not wait for the reader of a FIFO", function()
      on_host "mkfifo fifo"
      local fields <const> = helper.refusal({ mounts = { { type = "file", target = dir .. "/fifo" } } }, TRUE)
      assert.equal("file", fields.op)
    end)

    it("do not fit into a file system that is full", function()
      local description <const> = tree { { type = "file", target = "/a", content = ("x"):rep(200000) } }
      description.root.size = "64K"
      local fields <const> = helper.refusal(description, TRUE)
      assert.same({ "file", "write", "ENOSPC", "/a" }, { fields.op, fields.syscall, fields.code, fields.path })
    end)
  end)

  describe("of type symlink", function()
    it("say what they are told to, which need not exist", function()
      for _, text in ipairs { "/nowhere", "../..", "a b\n\xff", ("x/"):rep(2047) } do
        local mounts <const> = { { type = "symlink", target = "/a/b/link", source = text } }
        assert.equal(text, inside(tree(mounts), "readlink -n /a/b/link"))
      end
    end)

    it("can be on the way to later targets", function()
      local mounts <const> = {
        { type = "dir", target = "/real" }, { type = "symlink", target = "/link", source = "/real" },
        { type = "file", target = "/link/file", content = "content" },
      }
      assert.equal("content", inside(tree(mounts), "cat /real/file"))
    end)

    it("do not replace what is there", function()
      local mounts <const> = { { type = "dir", target = "/a" }, { type = "symlink", target = "/a", source = "b" } }
      assert.same(errno("EEXIST", { op = "symlink", syscall = "symlinkat", path = "/a", field = "mounts[2].target" }),
        (helper.refusal(tree(mounts), TRUE)))
    end)

    it("are not made in the host's tree", function()
      local fields <const>, advice <const> = helper.refusal(
        { mounts = { { type = "symlink", target = dir .. "/link", source = "x" } } }, TRUE)
      assert.same({ "symlink", "EROFS", "mounts[1].target" }, { fields.op, fields.code, fields.field })
      assert.equal("a link here would leave traces outside the container; use a tmpfs above it", advice.hint)
      assert.equal(". d 777  4096\n", helper.listing(dir))
    end)
  end)

  describe("without a place to be", function()
    it("get one in a tmpfs, below the host's tree too", function()
      on_host "mkdir d"
      local mounts <const> = {
        { type = "tmpfs", target = dir .. "/d" },
        { type = "bind", source = "/usr", target = dir .. "/d/a/b/usr" },
        { type = "bind", source = "/etc/passwd", target = dir .. "/d/a/passwd" },
        { type = "proc", target = dir .. "/d/c/proc" },
        { type = "file", target = dir .. "/d/e/f", content = "x" },
        { type = "symlink", target = dir .. "/d/g/h", source = "x" },
      }
      assert.equal("a\nc\ne\ng\n", inside({ mounts = mounts }, ("ls %s/d"):format(dir)))
      assert.equal(". d 777  4096\n./d d 777  4096\n", helper.listing(dir))
    end)

    -- each where it would have to be made on the host
    local MOUNTS <const> = {
      bind = { type = "bind", source = "/usr" }, tmpfs = { type = "tmpfs" }, proc = { type = "proc" },
      dir = { type = "dir" }, file = { type = "file", content = "x" },
    }

    for op, mount in pairs(MOUNTS) do
      it(("are refused elsewhere: " .. op), function()
        mount.target = dir .. "/a/b"
        local words <const> = { tmpfs = "mount", proc = "mount" }
        local before <const> = helper.listing(dir)
        local fields <const>, advice <const> = helper.refusal({ mounts = { mount } }, TRUE)
        fields.syscall = nil
        assert.same(errno("ENOENT", { op = words[op] or op, path = mount.target, field = "mounts[1].target" }), fields)
        assert.equal(HINT, advice.hint)
        assert.equal(before, helper.listing(dir))
      end)
    end

    it("are refused below a bind, and leave nothing there", function()
      on_host "mkdir d"
      local mounts <const> = {
        { type = "bind", source = dir .. "/d", target = "/a" }, { type = "tmpfs", target = "/a/b/c" },
      }
      local fields <const>, advice <const> = helper.refusal(tree(mounts), TRUE)
      fields.syscall = nil
      assert.same(errno("ENOENT", { op = "mount", path = "/a/b/c", field = "mounts[2].target" }), fields)
      assert.equal(HINT, advice.hint)
      assert.equal(". d 777  4096\n./d d 777  4096\n", helper.listing(dir))
    end)

    it("are refused where a file is in the way", function()
      local mounts <const> = { { type = "file", target = "/a" }, { type = "tmpfs", target = "/a/b" } }
      assert.same(errno("ENOTDIR", { op = "mount", syscall = "openat2", path = "/a/b", field = "mounts[2].target" }),
        (helper.refusal(tree(mounts), TRUE)))
    end)
  end)

  describe("of one kind on a place of another", function()
    it("are refused: a directory on a file", function()
      local mounts <const> = { { type = "file", target = "/a" }, { type = "bind", source = "/usr", target = "/a" } }
      assert.same(errno("ENOTDIR", { op = "bind", syscall = "openat2", path = "/a", field = "mounts[2].target" }),
        (helper.refusal(tree(mounts), TRUE)))
      mounts[2] = { type = "tmpfs", target = "/a" }
      assert.same(errno("ENOTDIR", { op = "mount", syscall = "openat2", path = "/a", field = "mounts[2].target" }),
        (helper.refusal(tree(mounts), TRUE)))
    end)

    it("are refused: a file on a directory", function()
      local mounts <const> = {
        { type = "dir", target = "/a" }, { type = "bind", source = "/etc/passwd", target = "/a" },
      }
      assert.same(errno("EISDIR", { op = "bind", syscall = "move_mount", path = "/a", field = "mounts[2].target" }),
        (helper.refusal(tree(mounts), TRUE)))
    end)
  end)

  describe("with odd paths", function()
    for what, name in pairs(ODD_NAMES) do
      it(("take them as they are: %s"):format(what), function()
        on_host("mkdir -- " .. helper.quote(name) .. " && echo content >./" .. helper.quote(name) .. "/file")
        local target <const> = "/t/" .. name
        local mounts <const> = {
          { type = "bind", source = dir .. "/" .. name, target = target },
          { type = "tmpfs", target = "/t2/" .. name },
          { type = "file", target = "/t3/" .. name, content = "file\n" },
          { type = "dir", target = "/t4/" .. name },
          { type = "symlink", target = "/t5/" .. name, source = name },
        }
        local quoted <const> = helper.quote(name)
        assert.equal("content\nfile\ntmpfs\n" .. name .. "\n", inside(tree(mounts), ([[
          cd /t && cat ./%s/file; cd /t3 && cat ./%s; cd /t2 && stat -f -c %%T ./%s; cd /t4 && cd ./%s
          cd /t5 && readlink ./%s
        ]]):format(quoted, quoted, quoted, quoted, quoted)))
      end)
    end

    it("name them in errors as they are", function()
      local source <const> = dir .. "/a\nb"
      local box <const> = assert(userns.container(tree { { type = "bind", source = source, target = "/a" } }))
      local result <const>, err <const> = box:run(TRUE)
      assert.is_nil(result)
      assert.equal(source, err.path)
      assert.falsy(tostring(err):find("\n"))
    end)

    it("take the longest there are", function()
      local long <const> = ("/" .. ("n"):rep(99)):rep(40) -- 4000 bytes
      on_host("mkdir -p ." .. long)
      local description <const> = tree { { type = "bind", source = "/usr", target = long .. "/usr" } }
      assert.equal("0\n", inside(description, ("cd %s/usr && ls >/dev/null; echo $?"):format(long)))
    end)

    it("take doubled slashes and dots for what they mean", function()
      local mounts <const> = {
        { type = "dir", target = "//a/./b//" }, { type = "bind", source = "//usr/./", target = "/./u" },
      }
      assert.equal("/a/b\n/u/bin\n", inside(tree(mounts), "ls -d /a/b /u/bin"))
    end)
  end)

  describe("below symbolic links of the root's", function()
    --- A root in which links lead out, beside a directory that they lead to.
    local function root_with(link)
      on_host("mkdir outside root && cd root && mkdir bin dev lib lib64 proc usr && touch dev/null && ln -s "
        .. helper.quote(link) .. " link")
      local description <const> = tree()
      description.root = dir .. "/root"
      return description
    end

    local LINKS <const> = {
      relative = "../outside", absolute = "/outside", ["far up"] = ("../"):rep(40) .. "outside",
    }

    for what, link in pairs(LINKS) do
      it(("stay inside: %s"):format(what), function()
        local description <const> = root_with(link)
        local before <const> = helper.listing(dir)
        table.insert(description.mounts, 1, { type = "tmpfs", target = "/link" })
        local fields <const> = helper.refusal(description, TRUE)
        assert.same({ "mount", "ENOENT", "/link" }, { fields.op, fields.code, fields.path })
        on_host "mkdir root/outside"
        assert.equal("tmpfs\n", inside(description, "stat -f -c %T /outside"))
        on_host "rmdir root/outside"
        assert.equal(before, helper.listing(dir))
      end)
    end

    it("stay inside: the host's own path", function()
      local description <const> = root_with(dir .. "/outside")
      table.insert(description.mounts, 1, { type = "file", target = "/link/file", content = "evil" })
      local before <const> = helper.listing(dir)
      assert.equal("ENOENT", helper.refusal(description, TRUE).code)
      assert.equal(before, helper.listing(dir))
    end)

    it("refuse magic links", function()
      local description <const> = tree()
      table.insert(description.mounts, { type = "dir", target = "/proc/self/root/a" })
      local at <const> = #description.mounts
      assert.same(errno("ELOOP", {
        op = "dir", syscall = "openat2", path = "/proc/self/root/a", field = ("mounts[%d].target"):format(at),
      }), (helper.refusal(description, TRUE)))
    end)

    it("stay inside: links that an earlier mount brought", function()
      on_host "mkdir outside brought && ln -s ../../../outside brought/link"
      local mounts <const> = {
        { type = "bind", source = dir .. "/brought", target = "/a" },
        { type = "file", target = "/a/link/file", content = "inside" },
      }
      -- "/outside" is the container's own, and is made there
      local fields <const> = helper.refusal(tree(mounts), TRUE)
      assert.equal("file", fields.op)
      table.insert(mounts, 1, { type = "dir", target = "/outside" })
      assert.equal("inside", inside(tree(mounts), "cat /outside/file"))
      assert.equal("", helper.shell("ls -A " .. dir .. "/outside").out)
    end)
  end)

  describe("in their order", function()
    it("cover what came before", function()
      local mounts <const> = {
        { type = "file", target = "/a/file", content = "below" },
        { type = "tmpfs", target = "/a" },
        { type = "file", target = "/a/other", content = "above" },
      }
      assert.equal("other\n", inside(tree(mounts), "ls /a"))
    end)

    it("lie on one another", function()
      local mounts <const> = {
        { type = "tmpfs", target = "/a" }, { type = "bind", source = "/usr", target = "/a/usr" },
        { type = "tmpfs", target = "/a/usr", readonly = true }, { type = "dir", target = "/a/usr/mine" },
      }
      assert.equal("mine\n", inside(tree(mounts), "ls /a/usr"))
    end)

    it("lie on one place twice", function()
      on_host "echo one >one && echo two >two"
      local mounts <const> = {
        { type = "bind", source = dir .. "/one", target = "/a" },
        { type = "bind", source = dir .. "/two", target = "/a" },
      }
      assert.equal("two\n", inside(tree(mounts), "cat /a"))
    end)
  end)

  describe("in the caller's own user namespace", function()
    it("need privilege there", function()
      local description <const> = tree { { type = "tmpfs", target = "/a" } }
      description.share = "user"
      if helper.privilege == "user" then
        assert.same(errno("EPERM", { op = "clone", syscall = "clone3", field = "namespaces" }),
          (helper.refusal(description, TRUE)))
      else
        assert.equal("1777 0\n", inside(description, "stat -c '%a %u' /a"))
      end
    end)
  end)
end)
