-- Attacks, by the rule that each is held off by: the program, the tree it is put
-- into, or another process is hostile.  What is tried is in support/attack.c.
-- That a race or a watch took place is asserted too, else it proves nothing.
local helper = require "spec.helper"
local schema = require "userns.schema"
local sys = require "userns.sys"
local userns = require "userns"

local way <const> = helper.privilege
local is_root <const> = way == "root"

local ATTACKS <const> = helper.shell("pwd").out:match("[^\n]+") .. "/build/spec"
local ATTACK <const> = ATTACKS .. "/attack"

-- Races take time, and go the same way for uid 0 of a user namespace.
local ROUNDS <const> = helper.rounds(way == "user" and 2000 or 300)

--- A description with an empty root but for a shell and the means to attack.
local function fortress(mounts)
  local list <const> = { { type = "bind", source = ATTACKS, target = "/attacks", readonly = true } }
  return helper.tree(table.move(mounts or {}, 1, #(mounts or {}), 2, list))
end

--- What an attack comes to: in the host's tree, or from within a fortress.
local function attack(description, words)
  return (helper.inside(description, ATTACK .. " " .. words):gsub("\n$", ""))
end

local function siege(words, mounts)
  return (helper.inside(fortress(mounts), "/attacks/attack " .. words):gsub("\n$", ""))
end

local function is_one_of(word, ...)
  for _, candidate in ipairs { ... } do
    if word == candidate then
      return true
    end
  end
  return false, word
end

local directory

--- A path below this test's directory, which a container's root may enter.
local function path(name)
  return directory .. "/" .. name
end

--- A shell command there.
local function shell(command)
  local result <const> = helper.shell(("cd %s\n%s"):format(directory, command))
  assert(result.code == 0, result.err)
  return result.out
end

--- Starts an attack outside, which runs on; its handle.
local function outside(words, wrapper)
  shell(("%s %s %s >out 2>&1 & echo $! >pid"):format(wrapper or "", ATTACK, words))
  return assert(sys.pidfd_open(math.tointeger(helper.read(path("pid")))))
end

--- A fortress whose root is a directory that `command` fills with traps. Without
--- the mounts that some of them are meant for.
local function trap(command, ...)
  shell("rm -rf root && mkdir -m 755 root && cd root && mkdir bin lib lib64 usr attacks dev proc && touch dev/null")
  shell("cd root\n" .. command)
  local description <const> = fortress()
  description.root = path("root")
  for i = #description.mounts, 1, -1 do
    if is_one_of(description.mounts[i].target, ...) then
      table.remove(description.mounts, i)
    end
  end
  return description
end

describe("security", function()
  before_each(function()
    helper.count()
    directory = helper.directory()
  end)

  after_each(function()
    helper.remove(directory)
    helper.check_count()
  end)

  -- ---- the set-up is not to be got at ---------------------------------------

  describe("R1: the program finds nothing of the host's", function()
    it("in its environment, executable, memory and descriptors", function()
      local out <const> = helper.output(([[
        local helper = require "spec.helper"
        io.write(helper.inside(helper.tree(), %q))
      ]]):format([[
        tr "\0" "\n" </proc/1/environ | grep -c SECRET
        grep -c -e lua -e userns /proc/1/maps
        readlink /proc/1/exe | xargs -n 1 basename
        ls -x /proc/1/fd
      ]]), "env SECRET=x")
      local name <const> = helper.shell("readlink -f /bin/sh | xargs -n 1 basename").out
      assert.equal("0\n0\n" .. name .. "0 1 2\n", (out:gsub("  ", " ")))
    end)

    it("that it could write to through its executable", function()
      assert.is_true(is_one_of(siege("write /proc/1/exe"), "EACCES", "EROFS", "ETXTBSY"))
    end)

    it("in the host and in what that launches, where it sees their processes", function()
      local spy <close> = assert(assert(userns.container { share = "pid" }):spawn {
        ATTACK, "watch", "lua5.4", stdout = "pipe",
      })
      local box <const> = assert(userns.container {})
      for _ = 1, helper.rounds(200) do
        assert(box:run { "/bin/true" })
      end
      assert(spy:kill("TERM"))
      assert.equal("met 0 ways in\n", spy.stdout:read("a"))
    end)
  end)

  -- Only root becomes somebody else, and goes through the separate image for it.
  if is_root then
    it("R16: the separate image is closed to those whose uid the program gets", function()
      local spy <close> = outside("watch userns-init", "setpriv --reuid 65534 --regid 65534 --clear-groups")
      local box <const> = assert(userns.container { share = "user", process = { uid = 65534, gid = 65534 } })
      for _ = 1, helper.rounds(200) do
        assert(box:run { "/bin/true" })
      end
      assert(spy:kill("TERM"))
      shell("tail --sleep-interval=0.05 --follow --pid=$(cat pid) /dev/null")
      assert.equal("met 0 ways in\n", helper.read(path("out")))
    end)
  end

  describe("R3: no descriptor leads out", function()
    it("of those that the host has open", function()
      assert.equal("", helper.output(([[
        local helper = require "spec.helper"
        io.write(helper.inside({ mounts = { { type = "proc", target = "/proc" } } }, %q))
      ]]):format("for i in $(seq 3 40); do [ ! -e /proc/$$/fd/$i ] || echo $i; done"),
        [[sh -c 'exec 7</etc/passwd 8</ 9>/dev/null; exec "$@"' sh]]))
    end)

    it("by way of the working directory", function()
      local slash <close> = assert(io.open("/"))
      local number <const> = sys.fileno(slash)
      shell(("ln -s /proc/self/fd/%d link"):format(number))
      for _, cwd in ipairs {
        "/proc/self/fd/" .. number, path("link"), path("link/etc"), "/proc/self/cwd", "/proc/self/root/etc",
      } do
        assert.same(helper.errno("ELOOP", { op = "chdir", syscall = "openat2", field = "process.cwd", path = cwd }),
          (helper.refusal({}, { "/bin/true", cwd = cwd, fds = { [9] = slash } })))
      end
    end)
  end)

  it("R4: standard streams that the host has closed are /dev/null, not a part of the set-up", function()
    shell("chmod 777 .")
    helper.lua(([[
      local box = assert(require "userns".container { mounts = { { type = "proc", target = "/proc" } } })
      assert(box:run { "/bin/sh", "-c", %q })
    ]]):format("exec 5>" .. path("out") .. "; for i in 0 1 2; do l=$(readlink /proc/$$/fd/$i); echo $l >&5; done"),
      [[sh -c 'exec "$@" <&- >&- 2>&-' sh]])
    assert.equal(("/dev/null\n"):rep(3), helper.read(path("out")))
  end)

  it("R5: nothing but an integer is an id", function()
    for _, id in ipairs { "0", "root", -1, 4294967295, 4294967296, 1 << 40, 0.0, 1.5, 0 / 0, true, {} } do
      for field, description in pairs {
        ["uid_map[1].outside"] = { uid_map = { { inside = 0, outside = id, count = 1 } } },
        ["gid_map[1].inside"] = { gid_map = { { inside = id, outside = 0, count = 1 } } },
        ["process.uid"] = { process = { uid = id } },
        ["process.groups[1]"] = { process = { groups = { id } } },
      } do
        -- "root" may name a user, in the container's own files
        if id ~= "root" or field:find("_map", 1, true) then
          local box <const>, err = userns.container(description)
          assert.same({ nil, "EINVALID", field }, { box, err and err.code, err and err.field })
        end
      end
    end
  end)

  -- ---- hostile trees ----------------------------------------------------------

  describe("R6: what is made and mounted stays inside", function()
    local KINDS <const> = {
      { type = "tmpfs" }, { type = "proc" }, { type = "dev" }, { type = "dir" }, { type = "file", content = "x" },
      { type = "symlink", source = "x" }, { type = "bind", source = "/etc/passwd" }, { type = "bind", source = "/usr" },
    }

    --- The hostile tree below /app, and a mount of a kind into it.
    local function box_with(kind, target)
      local mount <const> = { target = target }
      for key, value in pairs(kind) do
        mount[key] = value
      end
      return assert(userns.container(fortress { { type = "bind", source = path("app"), target = "/app" }, mount }))
    end

    it("whatever symbolic links the tree has", function()
      shell([[
        mkdir victim app && touch victim/file && chmod 777 victim
        ln -s "$PWD/victim" app/absolute
        ln -s ../../../../../../../../../../../../"$PWD/victim" app/relative
        ln -s /proc/self/root/"$PWD/victim" app/root
        ln -s /proc/1/cwd/ app/cwd
        ln -s absolute app/chain
      ]])
      local before <const> = helper.listing(path("victim"))
      for link in ("absolute relative root cwd chain"):gmatch("%a+") do
        for _, name in ipairs { "", "/new", "/new/newer", "/file" } do
          for _, kind in ipairs(KINDS) do
            local result <const>, err = box_with(kind, "/app/" .. link .. name):run { "/bin/true" }
            assert(result or is_one_of(err.code, "ENOENT", "ELOOP", "ENOTDIR", "EROFS", "EEXIST"), err)
            assert.equal(before, helper.listing(path("victim")))
          end
        end
      end
    end)

    it("while somebody swaps a directory on the way for a link to the host", function()
      shell([[
        mkdir -p victim/inner app/place/inner && touch victim/file app/place/file && chmod 777 victim app
        ln -s "$PWD/victim" app/link
      ]])
      local before <const> = helper.listing(path("victim"))
      local boxes <const> = {
        box_with({ type = "tmpfs" }, "/app/place/inner"),
        box_with({ type = "dir" }, "/app/place/new"),
        box_with({ type = "file", content = "x" }, "/app/place/file"),
        box_with({ type = "symlink", source = "x" }, "/app/place/new"),
        box_with({ type = "bind", source = "/etc/passwd" }, "/app/place/file"),
        box_with({ type = "bind", source = "/usr" }, "/app/place/inner"),
      }
      local swapper <close> = outside("swap app/place app/link")
      local codes <const> = {}
      for i = 1, ROUNDS do
        local result <const>, err = boxes[i % #boxes + 1]:run { "/bin/true" }
        codes[result and "ok" or err.code] = true
      end
      assert(swapper:kill())
      assert.equal(before, helper.listing(path("victim")))
      -- through the link there is an empty place of the container's own
      assert.same({ true, true }, { codes.ok, codes.ENOENT })
      for code in pairs(codes) do
        assert.is_true(is_one_of(code, "ok", "ENOENT", "EEXIST", "EACCES", "EROFS", "EAGAIN"))
      end
    end)
  end)

  describe("R7: masks hide", function()
    it("whatever the tree has for a /dev/null", function()
      for _, command in ipairs {
        "ln -sf /proc/sys/kernel/core_pattern dev/null", "rm dev/null && mkfifo dev/null", "echo secret >dev/null",
      } do
        assert.equal("1:3\n0\n",
          helper.inside(trap(command, "/dev/null"), "stat -c %t:%T /proc/keys; wc -c </proc/keys"))
      end
    end)

    it("what is mounted, while somebody swaps the directory that it lies on", function()
      shell "mkdir -p tree/usr tree/bin tree/lib tree/lib64 tree/proc tree/other"
      local mounts <const> = { { type = "proc", target = "/proc" } }
      for _, name in ipairs { "/usr", "/bin", "/lib", "/lib64" } do
        mounts[#mounts + 1] = { type = "bind", source = name, target = name, readonly = true, optional = true }
      end
      local box <const> = assert(userns.container { root = path("tree"), mounts = mounts })
      local swapper <close> = outside("swap tree/proc tree/other")
      for _ = 1, ROUNDS do
        -- a proc whose keys are a file has lost its mask
        local result <const>, err = box:run { "/bin/sh", "-c", "[ ! -f /proc/keys ] && [ ! -f /other/keys ]" }
        assert.is_true(result and result.ok or is_one_of(err.code, "ENOENT", "EAGAIN"))
      end
      assert(swapper:kill())
    end)

    it("and cannot be taken off", function()
      assert.equal("EPERM", siege("umount /proc/keys"))
      assert.equal("EPERM", siege("bind /proc/sys /proc/sys"))
      assert.equal("EPERM", siege("remount /proc/sys"))
    end)
  end)

  it("R8: a /dev of the tree's own is covered or refused, and not filled", function()
    shell("mkdir -m 777 victim")
    local inner <const> = trap("rm dev/null && ln -s ../../victim dev/pts && ln -s ../../victim dev/shm", "/dev/null")
    table.insert(inner.mounts, { type = "dev", target = "/dev" })
    assert.equal("directory\ndirectory\n1:3\n",
      helper.inside(inner, "stat -c %F /dev/pts /dev/shm; stat -c %t:%T /dev/null"))
    local outer <const> = trap("rm -r dev && ln -s ../victim dev", "/dev/null")
    table.insert(outer.mounts, { type = "dev", target = "/dev" })
    assert.equal("ENOENT", helper.refusal(outer, { "/bin/true" }).code)
    assert.equal("", shell("ls victim"))
  end)

  it("R9: settings are written to the host's own /proc, whatever the tree has there", function()
    local description <const> = trap([[
      mkdir -p proc/sys/user proc/self
      echo keep | tee proc/sys/user/max_user_namespaces proc/self/uid_map proc/self/setgroups
    ]], "/proc")
    assert.equal("ENOSPC\n", helper.inside(description, "/attacks/attack userns 2>/dev/null"))
    assert.equal("keep\n", shell("sort -u root/proc/sys/user/* root/proc/self/*"))
  end)

  it("R11: what is given as data is not read as options, and NUL is refused", function()
    local description <const> = fortress { { type = "dir", target = "/--help" }, { type = "dir", target = "/a\nb" } }
    description.hostname = "-v"
    local result <const> = helper.run(description, {
      "/usr/bin/printf", "%s|", "--", "-n", "", "a\nb", "$(id)", stdout = "capture", cwd = "/--help", argv0 = "-sh",
    })
    assert.equal("--|-n||a\nb|$(id)|", result.stdout)
    for field, process in pairs {
      ["process[2]"] = { "/bin/true", "a\0b" },
      ["process.cwd"] = { "/bin/true", cwd = "/tmp\0/.." },
      ['process.env["A"]'] = { "/bin/true", env = { A = "b\0" } },
    } do
      local _, err = assert(userns.container {}):run(process)
      assert.same({ "EINVALID", field }, { err and err.code, err and err.field })
    end
  end)

  it("R12: the root cannot be left by way of another", function()
    shell("touch secret")
    local description <const> = fortress()
    description.capabilities = { "sys_chroot" }
    assert.equal("ENOENT\n", helper.inside(description, "/attacks/attack chroot " .. path("secret")))
  end)

  -- ---- ids and privileges -------------------------------------------------------

  it("R13: groups cannot be dropped by the program", function()
    assert.equal("EPERM", attack({}, "setgroups"))
    assert.is_true(is_one_of(attack({}, "put /proc/self/setgroups allow"), "EACCES", "EPERM"))
    assert.equal(is_root and "allow\n" or "deny\n", helper.inside({}, "cat /proc/self/setgroups"))
  end)

  it("R14: the caller's further groups are dropped, or named where that is not allowed", function()
    shell("echo secret >file && chmod 640 file" .. (is_root and " && chgrp 4242 file" or ""))
    local out <const> = helper.output(([[
      local helper = require "spec.helper"
      local result = helper.run({}, { %q, "read", %q, stdout = "capture" })
      io.write(result.stdout, (result.degraded[1] or {}).feature or "dropped")
    ]]):format(ATTACK, path("file")), is_root and "setpriv --groups 4242" or "")
    local groups <const> = sys.getgroups()
    local has_more <const> = #groups > (groups[1] == helper.gid and 1 or 0)
    assert.equal(is_root and "EACCES\ndropped" or has_more and "done\ngroups" or "done\ndropped", out)
  end)

  it("R15: the program has no capability, of any set, whoever it is", function()
    local descriptions <const> = { {}, { uid_map = "self", gid_map = "self" } }
    if is_root then
      table.insert(descriptions, { share = "user" })
      table.insert(descriptions, { share = "user", process = { uid = 65534 } })
      table.insert(descriptions, { uid_map = { { inside = 0, outside = 0, count = 65536 } } })
    end
    for _, description in ipairs(descriptions) do
      assert.equal(("0000000000000000\n"):rep(5),
        helper.inside(description, "sed -n 's/^Cap.*:\t//p' /proc/self/status"))
    end
  end)

  describe("R18: the host's root", function()
    it("is not inside, by its kernel id", function()
      local p <close> = assert(assert(userns.container {}):spawn { "/bin/sleep", "60" })
      local uid <const> = math.tointeger(helper.read(("/proc/%d/status"):format(p.pid)):match("Uid:%s+(%d+)"))
      -- where there is one id only, that is what there is
      assert.is_true(is_root and uid ~= 0 or not is_root and uid == helper.uid)
    end)

    it("and what belongs to it is not written to", function()
      assert.equal("EACCES", attack({}, "write /proc/sys/kernel/core_pattern"))
      assert.equal("EACCES", siege("write /proc/sys/kernel/core_pattern"))
      if is_root then
        local description <const> = fortress()
        description.share = "user"
        assert.equal("EROFS\n", helper.inside(description, "/attacks/attack write /proc/sys/kernel/core_pattern"))
      end
    end)
  end)

  describe("R19: no privilege is gained", function()
    it("by executing", function()
      assert.equal("1\n", helper.inside({}, "sed -n 's/^NoNewPrivs:\t//p' /proc/self/status"))
    end)

    if is_root then
      it("by executing a set-user-id program, which works outside", function()
        shell(("cp %s suid && chmod 4755 suid"):format(ATTACK))
        assert.equal("65534 0\n", shell("setpriv --reuid 65534 ./suid ids"))
        assert.equal("65534 65534\n",
          helper.inside({ share = "user", process = { uid = 65534 } }, path("suid") .. " ids"))
      end)

      it("with a device that the tree has", function()
        shell("mknod node c 1 5 && chmod 666 node")
        assert.equal("EACCES", siege("read /mnt/node", { { type = "bind", source = directory, target = "/mnt" } }))
      end)
    end

    it("with a device that the program makes", function()
      assert.equal("EPERM", siege("mknod /zero"))
    end)

    it("from what is mounted: all is nosuid and, but for devices, nodev", function()
      local out <const> = helper.inside(fortress {
        { type = "bind", source = directory, target = "/mnt" }, { type = "tmpfs", target = "/tmp" },
        { type = "sysfs", target = "/sys" }, { type = "mqueue", target = "/mq" },
      }, "cut -d' ' -f5,6 /proc/self/mountinfo")
      assert.is_truthy(out:find("/mnt ", 1, true))
      for line in out:gmatch("[^\n]+") do
        local is_mask <const> = line:find("^/proc/[%l_]+ ") ~= nil
        assert.is_truthy(is_mask or line:find("nosuid", 1, true), line)
        assert.is_truthy(is_mask or line:find("^/dev/") or line:find("nodev", 1, true), line)
      end
    end)
  end)

  it("R20: what is read-only stays so", function()
    shell("mkdir -m 777 open")
    local mounts <const> = { { type = "bind", source = path("open"), target = "/mnt", readonly = true } }
    assert.equal("EPERM", siege("remount /mnt", mounts))
    assert.equal("EPERM", siege("umount /mnt", mounts))
    assert.equal("EPERM", siege("bind /mnt /mnt", mounts))
    assert.equal("1\n", helper.inside(fortress(mounts), "mkdir /mnt/x 2>/dev/null; echo $?"))
  end)

  -- ---- terminals, signals, lifetime ---------------------------------------------

  describe("R21: the caller's terminal", function()
    -- Since Linux 6.2 there is a setting that takes the means away.
    local possible <const> = helper.shell("cat /proc/sys/dev/tty/legacy_tiocsti").out ~= "0\n"

    local function on_terminal(description)
      helper.write(path("script.lua"), ([[
        local box = assert(require "userns".container %s)
        assert(box:run { %q, "inject", "0" })
        assert(box:run { %q, "read", "/dev/tty" })
      ]]):format(description, ATTACK, ATTACK))
      return helper.shell(("LUA_PATH=%s LUA_CPATH=%s %s on-terminal lua5.4 %s"):format(
        helper.quote(package.path), helper.quote(package.cpath), ATTACK, path("script.lua"))).out
    end

    it("gets no input from the program", function()
      assert.equal((possible and "EPERM" or "EIO") .. "\nENXIO\n0 injected\n", on_terminal("{}"))
    end)

    it("would, where the session is shared and the kernel allows it", function()
      assert.equal(possible and "done\ndone\n1 injected\n" or "EIO\ndone\n0 injected\n",
        on_terminal("{ new_session = false }"))
    end)
  end)

  it("R25: the host's ways with SIGCHLD do not matter", function()
    for _, wrapper in ipairs { "env --ignore-signal=CHLD", "env --block-signal=CHLD" } do
      assert.equal("7", helper.output([[
        local box = assert(require "userns".container {})
        local result = assert(box:run { "/bin/sh", "-c", "exit 7" })
        local unknown = (result.degraded[1] or {}).feature == "status"
        io.write(unknown and "7" or result.exit_code)
      ]], wrapper))
    end
  end)

  it("R26: no signal is ignored, blocked or handled that the host does", function()
    assert.equal(("0000000000000000\n"):rep(3), helper.output([[
      local helper = require "spec.helper"
      io.write(helper.run({}, {
        "/bin/sed", "-n", "s/^Sig\\(Blk\\|Ign\\|Cgt\\):\t//p", "/proc/self/status", stdout = "capture",
      }).stdout)
    ]], "env --ignore-signal --block-signal"))
  end)

  it("R27: nothing outlives the program", function()
    local seconds <const> = "86399." .. helper.read("/proc/self/stat"):match("%d+")
    local result <const> = helper.run({}, {
      "/bin/sh", "-c", ("setsid sleep %s & sleep %s & exit 3"):format(seconds, seconds),
    })
    assert.equal(3, result.exit_code)
    for _, pid in ipairs(sys.processes()) do
      local file <close> = io.open(("/proc/%d/cmdline"):format(pid))
      assert.not_equal("sleep\0" .. seconds .. "\0", file and file:read("a"))
    end
  end)

  it("R28: no signal meets another process that got the number", function()
    local p <close> = assert(assert(userns.container {}):spawn { "/bin/true" })
    assert(p:wait())
    local ok <const>, err = p:kill("KILL")
    assert.same({ nil, "ESRCH" }, { ok, err.code })
  end)

  -- ---- what no namespace isolates -----------------------------------------------

  it("R29: the caller's keys cannot be found", function()
    assert.equal("done\n", helper.shell(("%s with-key %s find-key"):format(ATTACK, ATTACK)).out)
    assert.equal("ENOKEY\n", helper.output(([[
      local helper = require "spec.helper"
      io.write(helper.inside({}, %q))
    ]]):format(ATTACK .. " find-key"), ATTACK .. " with-key"))
  end)

  it("R30: abstract sockets cannot be reached, but where the network is shared", function()
    local name <const> = "userns-" .. directory:match("[^/]+$")
    local connect <const> = ATTACK .. " connect " .. name
    assert.equal("ECONNREFUSED\ndone\n", helper.output(([[
      local helper = require "spec.helper"
      io.write(helper.inside({}, %q), helper.inside({ share = "net" }, %q))
    ]]):format(connect, connect), ATTACK .. " with-socket " .. name))
  end)

  -- A mount namespace to do harm to, for scripts.
  local MOUNTS <const> = (way == "user" and helper.rootless or "unshare") .. " --mount"

  describe("R33: mounts", function()
    --- How many mounts the host has more after a launch, and how many of the
    --- host's later ones the program sees.
    local function travellers(propagation)
      return helper.output(([[
        local directory, propagation = %q, %q
        local helper = require "spec.helper"
        local userns = require "userns"
        local function count()
          return select(2, helper.read("/proc/self/mountinfo"):gsub("\n", ""))
        end
        assert(userns.sys.mount { type = "tmpfs", source = "none", target = directory })
        assert(os.execute("mkdir " .. directory .. "/late " .. directory .. "/inside"))
        local before = count()
        local box = assert(userns.container {
          propagation = propagation, mounts = { { type = "tmpfs", target = directory .. "/inside" } },
        })
        local p <close> = assert(box:spawn {
          "/bin/sh", "-c", "echo; read line; grep -c /late /proc/self/mountinfo", stdin = "pipe", stdout = "pipe",
        })
        p.stdout:read()
        local more = count() - before
        assert(userns.sys.mount { type = "tmpfs", source = "none", target = directory .. "/late" })
        p.stdin:write("\n"):close()
        io.write(more, " ", p.stdout:read())
        assert(p:wait())
      ]]):format(directory, propagation), MOUNTS .. (is_root and " unshare --mount" or "") .. " --propagation shared")
    end

    it("travel neither way", function()
      assert.equal("0 0", travellers("private"))
    end)

    it("travel from the host to a slave, and not back", function()
      assert.equal("0 1", travellers("slave"))
    end)
  end)

  it("R34: read-only means the mounts below, too", function()
    shell("mkdir -m 777 -p tree/below")
    assert.equal("EROFS\nEROFS\n", helper.output(([[
      local tree, attacks = %q, %q
      local helper = require "spec.helper"
      local userns = require "userns"
      assert(userns.sys.mount { type = "tmpfs", source = "none", target = tree .. "/below", data = "mode=777" })
      assert(os.execute(("cd %%s && touch file below/file && chmod 666 file below/file"):format(tree)))
      io.write(helper.inside(helper.tree {
        { type = "bind", source = attacks, target = "/attacks" },
        { type = "bind", source = tree, target = "/tree", readonly = true },
      }, "/attacks/attack write /tree/file; /attacks/attack write /tree/below/file"))
    ]]):format(path("tree"), ATTACKS), MOUNTS))
  end)

  it("R35: control groups cannot be written to", function()
    assert.equal("", helper.inside(fortress { { type = "sysfs", target = "/sys" } },
      "find /sys/fs/cgroup -mindepth 1 -writable"))
  end)

  describe("R36: user namespaces inside", function()
    it("are not to be had", function()
      assert.equal("ENOSPC", attack({}, "userns"))
      assert.equal("ENOSPC", siege("userns"))
    end)

    it("cannot be allowed again by the program, whatever capabilities it may keep", function()
      local kept <const> = {}
      for _, name in ipairs(schema.capabilities) do
        kept[#kept + 1] = name ~= "sys_resource" and name or nil
      end
      for _, capabilities in ipairs { {}, kept } do
        local description <const> = { capabilities = capabilities }
        assert.is_true(is_one_of(attack(description, "put /proc/sys/user/max_user_namespaces 9"), "EACCES", "EPERM"))
        assert.equal("ENOSPC", attack(description, "userns"))
      end
    end)

    it("can be allowed by the description", function()
      assert.equal("done", attack({ allow_userns = true }, "userns"))
    end)
  end)

  it("R37: the caller's umask decides nothing", function()
    for _, umask in ipairs { "000", "077" } do
      assert.equal("0022\n755\n644\n", helper.output([[
        local helper = require "spec.helper"
        io.write(helper.inside(helper.tree { { type = "dir", target = "/d" }, { type = "file", target = "/f" } },
          "umask; stat -c %a /d /f"))
      ]], ("sh -c 'umask %s; exec \"$@\"' sh"):format(umask)))
    end
  end)

  it("R38: the caller's environment does not come along", function()
    assert.equal("HOME LANG PATH TERM TZ ", helper.output([[
      local helper = require "spec.helper"
      io.write(helper.inside({ mounts = { { type = "proc", target = "/proc" } } },
        "tr '\\0' '\\n' </proc/1/environ | cut -d= -f1 | LC_ALL=C sort | tr '\\n' ' '"))
    ]], "env HOME=/ LANG=C TERM=dumb TZ=UTC SECRET=x LD_LIBRARY_PATH=/nowhere BASH_ENV=/nowhere"))
  end)

  it("leaves no core file, nor can the program allow one", function()
    assert.equal("0 0\nEPERM", attack({}, "core"))
  end)
end)
