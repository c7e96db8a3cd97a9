-- Mounts that stay as they are, whatever capabilities the program keeps.
local helper = require "spec.helper"
local userns = require "userns"

local is_root <const> = helper.privilege == "root"
local RANGE <const> = { { inside = 0, outside = 100000, count = 65536 } }

-- Several ids are root's to map.
local MAPS <const> = { { uid_map = "root", gid_map = "root" } }
MAPS[2] = is_root and { uid_map = RANGE, gid_map = RANGE } or nil

describe("locked mounts", function()
  local dir

  before_each(function()
    dir = helper.directory()
    helper.write(dir .. "/file", "host's\n")
    helper.count()
  end)

  after_each(function()
    helper.check_count()
    helper.remove(dir)
  end)

  local function box(more)
    local tree <const> = helper.tree {
      { type = "bind", source = dir, target = "/ro", readonly = true },
      { type = "tmpfs", target = "/over" },
    }
    return userns.merge(tree, { capabilities = "all" }, more or {})
  end

  --- Which of some commands succeed inside.
  local function tried(description, commands)
    local script <const> = {}
    for _, command in ipairs(commands) do
      script[#script + 1] = ("if (%s) >/dev/null 2>&1; then echo 'did: %s'; fi"):format(command, command)
    end
    return helper.inside(description, table.concat(script, "\n"))
  end

  local ATTACKS <const> = {
    "umount /ro", "umount -l /ro", "mount -o remount,rw,bind /ro", "mount -o remount,rw /ro", "touch /ro/x",
    "mount --bind /ro /over && mount -o remount,rw,bind /over", "umount /proc", "umount /proc/kcore",
    "umount /proc/sys", "mount -o remount,rw,bind /proc/sys", "mount -o remount,suid,dev,bind /ro",
    "mkdir /over/new && unshare -m sh -c \"umount /ro\"", "unshare -Ur true",
  }

  for i, maps in ipairs(MAPS) do
    local ids <const> = i == 1 and "one id" or "a range of ids"

    it("cannot be changed by a program that has every capability, with " .. ids, function()
      assert.equal("", tried(box(maps), ATTACKS))
      assert.equal("host's\n", helper.read(dir .. "/file"))
    end)

    it("leave capabilities what they are for, with " .. ids, function()
      assert.equal("did: mount -t tmpfs x /over\ndid: hostname other\ndid: ip link set lo down\n",
        tried(box(maps), { "mount -t tmpfs x /over", "hostname other", "ip link set lo down" }))
    end)

    it("leave the ids what they were, with " .. ids, function()
      local map <const> = i == 1 and "0 0 1" or "0 0 65536"
      assert.equal(map .. "\n", helper.inside(box(maps), "cat /proc/self/uid_map | tr -s ' ' | sed 's/^ //'"))
    end)
  end

  it("could be changed without them, and that is told", function()
    local description <const> = box { lock_mounts = false, capabilities = { "sys_admin" } }
    assert.equal("did: mount -o remount,rw,bind /over\n",
      tried(userns.merge(description, { mounts = { { type = "remount", target = "/over", readonly = true } } }),
        { "mount -o remount,rw,bind /over" }))
    local result <const> = helper.run(description, { "/bin/true" })
    assert.same({ "lock_mounts" }, { result.degraded[1] and result.degraded[1].feature })
  end)

  it("are the default where sys_admin is kept, in any set that it could come back from", function()
    local function locks(description)
      return tostring(assert(assert(userns.container(description)):plan())):find("lock_mounts", 1, true) ~= nil
    end
    assert.is_true(locks { capabilities = { "sys_admin" } })
    assert.is_true(locks { capabilities = { bounding = { "sys_admin" } } })
    assert.is_false(locks { capabilities = { "net_admin" } })
    assert.is_false(locks { capabilities = { "sys_admin" }, share = "mnt" })
    assert.is_false(locks { capabilities = { "sys_admin" }, share = "user" })
    assert.is_true(locks { lock_mounts = true })
  end)

  it("keep the program process 1, the host's child, and dead with the host", function()
    local p <close> = assert(assert(userns.container(box())):spawn {
      "/bin/sh", "-c", "echo $$; cat", stdin = "pipe", stdout = "pipe",
    })
    assert.equal("1", p.stdout:read())
    assert.truthy(helper.read(("/proc/%d/stat"):format(p.pid)):find(
      "^%d+ %(sh%) %a " .. helper.read("/proc/self/stat"):match("^%d+") .. " "))
    p.stdin:close()
    assert.equal(0, p:wait().exit_code)
  end)

  it("leave nothing dumpable or traceable", function()
    assert.equal("0\n", helper.inside(box { capabilities = { "sys_admin" } },
      "ls /proc | grep -c '^[2-9]$' | sed 's/^[0-9]*$/0/'"))
  end)

  it("show the network of a sysfs that is mounted, which is then not the program's to change", function()
    local description <const> = box { mounts = { { type = "sysfs", target = "/sys" } } }
    assert.equal("lo\n", helper.inside(description, "ls /sys/class/net"))
    assert.equal("", tried(description, { "ip link set lo down" }))
  end)

  it("say which step failed, and leave nothing behind", function()
    local description <const> = box { process = { cwd = "/nowhere" } }
    assert.same(helper.errno("ENOENT", { op = "chdir", syscall = "openat2", path = "/nowhere", field = "process.cwd" }),
      (helper.refusal(description, { "/bin/true" })))
  end)

  it("need both namespaces", function()
    for _, name in ipairs { "user", "mnt" } do
      local _, err <const> = userns.container { share = name, lock_mounts = true }
      local fields <const>, advice <const> = helper.fields(err)
      assert.same(helper.invalid("lock_mounts",
        ("needs a new %s namespace, and this container has none"):format(name), advice), fields)
      assert.equal(("no_%sns"):format(name), advice.cause)
    end
  end)
end)

describe("nested containers", function()
  local LEVELS <const> = [[
    local userns = require "userns"
    local function go(level)
      local box = assert(userns.container { namespaces = { "user" }, allow_userns = true, die_with_parent = true })
      local result, err = box:run { "lua5.4", %q, tostring(level + 1), inherit_env = true }
      if not result then
        print(level, err.op, err.code, err.hint)
        os.exit(9)
      end
      os.exit(result.exit_code)
    end
    go(math.tointeger(tonumber(arg[1] or 0)))
  ]]

  --- How deep a process is already.
  local DEPTH <const> = { root = 0, user = 0, userns = 1 }

  it("go as deep as the kernel lets them, and then say so", function()
    local path <const> = helper.directory() .. "/level.lua"
    helper.write(path, LEVELS:format(path))
    local result <const> = helper.shell(("LUA_PATH=%s LUA_CPATH=%s lua5.4 %s"):format(
      helper.quote(package.path), helper.quote(package.cpath), path))
    helper.remove(path:match("^(.*)/"))
    local told <const> = ("%d\tclone\tENOSPC\t"):format(33 - DEPTH[helper.privilege])
    assert.equal(told, result.out:sub(1, #told))
    -- the levels above are out of sight: it may be another limit
    assert.is_truthy(result.out:find("user namespaces nest 33 levels deep and no deeper", 1, true), result.out)
    assert.equal(9, result.code)
  end)
end)
