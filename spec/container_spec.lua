local helper = require "spec.helper"
local sys = require "userns.sys"
local userns = require "userns"
local subids = require "userns.subids"
local validate = require "userns.validate"

local NAMESPACES <const> = { "user", "mnt", "pid", "net", "ipc", "uts", "cgroup", "time" }
local IDS <const> = "for n in " .. table.concat(NAMESPACES, " ") .. "; do readlink /proc/self/ns/$n; done"

-- Root may give the container any ids; nobody else may without newuidmap.
local is_root <const> = helper.privilege == "root"

local function status(description, fields, process)
  local script <const> = ("grep -E '^(%s):' /proc/self/status | tr -d '\\t'"):format(fields)
  return helper.inside(description, script, process)
end

--- The names of the namespaces in which a container is not where its caller is.
local function new_namespaces(description)
  local here <const> = helper.shell(IDS).out:gmatch("%g+")
  local list <const> = {}
  for id in helper.inside(description, IDS):gmatch("%g+") do
    list[#list + 1] = id ~= here() and id:match("%a+") or nil
  end
  return list
end

describe("container", function()
  before_each(helper.count)
  after_each(helper.check_count)

  it("can be run many times", function()
    local box <const> = assert(userns.container { hostname = "box" })
    for i = 1, 3 do
      local result <const> = assert(box:run { "/bin/echo", tostring(i), stdout = "capture" })
      assert.equal(i .. "\n", result.stdout)
    end
  end)

  it("runs each time what it is told then", function()
    local box <const> = assert(userns.container {})
    local script <const> = "pwd; umask; echo $A $1; cat; [ -e /proc/self/fd/7 ] && echo 7; true"
    local first <const> = { "/bin/sh", "-c", script, "sh", "x", env = { A = "a" }, input = "in\n", stdout = "capture" }
    local FIRST <const> = "/\n0022\na x\nin\n"
    local VARIANTS <const> = {
      { { cwd = "/usr" }, "/usr\n0022\na x\nin\n" },
      { { umask = 7 }, "/\n0007\na x\nin\n" },
      { { env = { A = "b" } }, "/\n0022\nb x\nin\n" },
      { { [5] = "y" }, "/\n0022\na y\nin\n" },
      { { input = "other\n" }, "/\n0022\na x\nother\n" },
      { { fds = { [7] = 0 } }, "/\n0022\na x\nin\n7\n" },
      { { argv0 = "other" }, FIRST },
    }
    for _, variant in ipairs(VARIANTS) do
      local other <const> = {}
      for _, fields in ipairs { first, variant[1] } do
        for key, value in pairs(fields) do
          other[key] = value
        end
      end
      assert.equal(FIRST, assert(box:run(first)).stdout)
      assert.equal(variant[2], assert(box:run(other)).stdout)
    end
  end)

  it("makes a program's plan once, also where programs take turns", function()
    local box <const> = assert(userns.container {})
    local pack <const>, count = sys.pack, 0
    finally(function()
      sys.pack = pack
    end)
    sys.pack = function(plan)
      count = count + 1
      return pack(plan)
    end
    for _ = 1, 3 do
      for i = 1, 4 do
        assert.equal(i .. "\n", assert(box:run { "/bin/echo", tostring(i), stdout = "capture" }).stdout)
      end
    end
    assert.equal(4, count)
  end)

  it("checks the same words once, and whatever else there is to a spec each time", function()
    local box <const> = assert(userns.container { process = { stdout = "capture", env = { A = "a" } } })
    local check <const>, count = validate.process, 0
    finally(function()
      validate.process = check
    end)
    validate.process = function(...)
      count = count + 1
      return check(...)
    end
    local words <const> = { "/bin/sh", "-c", "echo $A" }
    local function with(fields)
      return table.move(words, 1, #words, 1, fields)
    end
    for _ = 1, 3 do
      assert.equal("a\n", assert(box:run(words)).stdout)
    end
    assert.equal(1, count)
    assert.equal("b\n", assert(box:run(with { env = { A = "b" } })).stdout)
    assert.equal("a\n", assert(box:run(with {})).stdout)
    assert.equal("a\n", assert(box:run(words)).stdout)
    assert.equal(3, count)
    local WRONG <const> = {
      { with { [4] = 7 }, "process[4]" }, { with { [5] = "x" }, "process" }, { { "", "x" }, "process[1]" },
      { with { timeout = 0 / 0 }, "process.timeout" },
      { setmetatable(with {}, { __index = { cwd = "/usr" } }), "process" },
    }
    for i, row in ipairs(WRONG) do
      local result <const>, err = box:run(row[1])
      assert.is_nil(result)
      assert.equal(row[2], err.field, i)
      assert.equal("a\n", assert(box:run(words)).stdout)
    end
  end)

  it("has the host's environment as it is when it runs", function()
    local box <const> = assert(userns.container { process = { stdout = "capture" } })
    local getenv <const>, term = os.getenv, "vt100"
    finally(function()
      os.getenv = getenv -- luacheck: ignore 122
    end)
    os.getenv = function(name) -- luacheck: ignore 122
      if name == "TERM" then
        return term
      end
      return getenv(name)
    end
    for _, name in ipairs { "vt100", "vt100", "vt220" } do
      term = name
      assert.equal(name .. "\n", assert(box:run { "/bin/sh", "-c", "echo $TERM" }).stdout)
    end
    term = nil
    assert.equal("dumb\n", assert(box:run { "/bin/sh", "-c", "echo ${TERM-dumb}" }).stdout)
  end)

  it("is not changed by what becomes of the description", function()
    local description <const> = { hostname = "before", namespaces = { "user", "uts" } }
    local box <const> = assert(userns.container(description))
    description.hostname, description.namespaces[2] = "after", nil
    assert.equal("before\n", assert(box:run { "/bin/hostname", stdout = "capture" }).stdout)
  end)

  describe("namespaces", function()
    for _, name in ipairs(NAMESPACES) do
      local both <const> = name == "user" and { "user" } or { "user", name }

      it(("can be a user namespace and %s"):format(name), function()
        assert.same(both, new_namespaces { namespaces = both })
      end)
    end

    for i = 2, #NAMESPACES do
      local name <const> = NAMESPACES[i]

      it(("can be %s alone, with privilege over the caller's user namespace"):format(name), function()
        if helper.privilege ~= "user" then
          assert.same({ name }, new_namespaces { namespaces = name })
        else
          -- which the child enters itself
          local op <const> = name == "time" and { "time", "unshare" } or { "clone", "clone3" }
          assert.same(helper.errno("EPERM", { op = op[1], syscall = op[2], field = "namespaces" }),
            (helper.refusal({ namespaces = name }, { "/bin/true" })))
        end
      end)
    end

    it("are all but time where nothing is said", function()
      assert.same({ "user", "mnt", "pid", "net", "ipc", "uts", "cgroup" }, new_namespaces {})
    end)

    it("can be all eight", function()
      assert.same(NAMESPACES, new_namespaces { namespaces = NAMESPACES })
    end)

    it("are left out where they are shared", function()
      assert.same({ "user", "mnt", "pid", "uts", "cgroup" }, new_namespaces { share = { "ipc", "net" } })
    end)

    it("can be none", function()
      assert.same({}, new_namespaces { namespaces = {} })
    end)

    it("of the kind pid have the program as process 1", function()
      assert.equal("1\n", helper.inside({}, "echo $$"))
    end)

    it("of the kind net have nothing but a loopback interface, which is up", function()
      assert.equal("lo\n127.0.0.1\n", helper.inside(
        { mounts = { { type = "proc", target = "/proc" } } },
        [[sed -n 's/^ *\([^:]*\):.*/\1/p' /proc/net/dev
          sed -n 's/^.*|-- \(127.0.0.1\)$/\1/p' /proc/net/fib_trie | sort -u]]))
    end)

    it("of the kind cgroup have the caller's own groups as their roots", function()
      assert.equal("/\n", helper.inside({}, "cut -d: -f3 /proc/self/cgroup | sort -u"))
    end)
  end)

  describe("maps", function()
    local function maps(description)
      return helper.inside(description, "cat /proc/self/uid_map /proc/self/gid_map"):gsub(" +", " ")
    end

    local function ids(description, process)
      return helper.inside(description, "id -u; id -g", process)
    end

    --- The caller's own id, or for root, whose id is not given away, another.
    local function harmless(kind)
      local own <const> = helper[kind]
      if not is_root then
        return own
      end
      local ranges <const> = require "userns.subids".of(0)[kind]
      return ranges[1] and ranges[1].start or 65534
    end

    local function one(inside, outside)
      return { { inside = inside, outside = outside, count = 1 } }
    end

    it("have one id that gives nothing for 'root', which is the default", function()
      local expected <const> = (" 0 %d 1\n 0 %d 1\n"):format(harmless "uid", harmless "gid")
      assert.equal(expected, maps {})
      assert.equal(expected, maps { uid_map = "root", gid_map = "root" })
      assert.equal("0\n0\n", ids {})
    end)

    it("have the same id inside and outside for 'self'", function()
      local uid <const>, gid <const> = harmless "uid", harmless "gid"
      local description <const> = { uid_map = "self", gid_map = "self" }
      assert.equal((" %d %d 1\n %d %d 1\n"):format(uid, uid, gid, gid), maps(description))
      assert.equal(("%d\n%d\n"):format(uid, gid), ids(description))
    end)

    it("can give the caller's own id another number", function()
      local description <const> = { uid_map = one(1000, helper.uid), gid_map = one(2000, helper.gid) }
      assert.equal((" 1000 %d 1\n 2000 %d 1\n"):format(helper.uid, helper.gid), maps(description))
      assert.equal("1000\n2000\n", ids(description))
    end)

    -- An ordinary user has newuidmap ask /etc/subuid; with privilege over a
    -- namespace that lacks the ids the kernel itself refuses.
    local function refuses(description, field)
      local fields <const> = helper.refusal(description, { "/bin/true" })
      local op <const> = helper.privilege == "user" and field:gsub("(.*)_map", "new%1map") or field
      assert.same({ op, "EPERM", field }, { fields.op, fields.code, fields.field })
    end

    it("can have ranges, with privilege", function()
      local ranges <const> = {
        { inside = 0, outside = 100000, count = 1000 },
        { inside = 5000, outside = 300000, count = 10 },
      }
      local description <const> = { uid_map = ranges, gid_map = ranges }
      if is_root then
        assert.equal((" 0 100000 1000\n 5000 300000 10\n"):rep(2), maps(description))
        assert.equal("0\n0\n", ids(description))
        assert.equal("5009\n999\n", ids(description, { uid = 5009, gid = 999 }))
      else
        refuses(description, "uid_map")
      end
    end)

    it("can have every id there is, with privilege", function()
      local all <const> = { { inside = 0, outside = 0, count = 4294967295 } }
      if is_root then
        assert.equal(" 0 0 4294967295\n 0 65534 1\n", maps { uid_map = all })
      else
        refuses({ uid_map = all }, "uid_map")
      end
    end)

    it("tell why newuidmap did not write them", function()
      local script <const> = [[
        local helper = require "spec.helper"
        local box = require "userns".container { uid_map = { { inside = 0, outside = 7, count = 2 } } }
        local _, err = box:run { "/bin/true" }
        print(err and err.op, err and err.code, err and err.message, err and err.path)
      ]]
      local directory <const> = helper.directory()
      for complaint, text in pairs {
        ["two; lines"] = "echo newuidmap: two >&2; echo lines >&2; exit 1",
        ["ended by SIGKILL"] = "kill -9 $$",
        ["exit status 3"] = "exit 3",
      } do
        helper.write(directory .. "/newuidmap", "#!/bin/sh\n" .. text .. "\n")
        assert(os.execute("chmod 755 " .. directory .. "/newuidmap"))
        local said <const> = helper.output(script, ("env PATH=%s:$PATH"):format(directory))
        if helper.privilege == "user" then
          assert.equal(("newuidmap\tEPERM\t%s\t%s/newuidmap\n"):format(complaint, directory), said)
        else
          assert.no_match("newuidmap", said)
        end
      end
      helper.remove(directory)
    end)

    it("can have 340 ranges, with privilege", function()
      local ranges <const>, text <const> = {}, {}
      for i = 0, 339 do
        ranges[i + 1] = { inside = 2 * i, outside = i, count = 1 }
        text[i + 1] = (" %d %d 1\n"):format(2 * i, i)
      end
      if is_root then
        assert.equal(table.concat(text) .. " 0 65534 1\n", maps { uid_map = ranges })
      else
        refuses({ uid_map = ranges }, "uid_map")
      end
    end)

    it("of two ids, the caller's own and the next, need privilege too", function()
      local function pair(id)
        return { { inside = 0, outside = id, count = 2 } }
      end
      if is_root then
        assert.equal(" 0 0 2\n 0 0 2\n", maps { uid_map = pair(0), gid_map = pair(0) })
        return
      end
      refuses({ uid_map = pair(helper.uid) }, "uid_map")
      refuses({ gid_map = pair(helper.gid) }, "gid_map")
    end)

    it("of an id that is not the caller's need privilege", function()
      if is_root then
        assert.equal(" 0 12345 1\n 0 65534 1\n", maps { uid_map = one(0, 12345) })
      else
        refuses({ uid_map = one(0, 12345) }, "uid_map")
      end
    end)

    it("auto are one's own id and all subordinate ones, or the one and say so", function()
      local box <const> = assert(userns.container { uid_map = "auto", gid_map = "auto" })
      local result <const> = assert(box:run { "cat", "/proc/self/uid_map", stdout = "capture" })
      local subordinate <const> = subids.of(helper.uid).uid[1]
      local map <const> = result.stdout:gsub(" +", " ")
      if helper.privilege == "user" then
        assert.equal((" 0 %d 1\n 1 %d %d\n"):format(helper.uid, subordinate.start, subordinate.count), map)
        assert.same({}, result.degraded)
        local ids_inside <const> = helper.inside({ uid_map = "auto", gid_map = "auto" },
          "id -u; id -g; id -G", { uid = 33, gid = 34, groups = { 5, 6 } })
        assert.equal("33\n34\n34 5 6\n", ids_inside)
      elseif helper.privilege == "userns" then
        assert.equal(" 0 0 1\n", map)
        assert.equal("uid_map", result.degraded[1].feature)
        assert.equal("one id", result.degraded[1].used)
      else
        local expected <const> = subordinate and (" 0 %d %d\n"):format(subordinate.start, subordinate.count)
        assert.equal(expected or " 0 65534 1\n", map)
      end
    end)

    it("decide what the program's ids are outside", function()
      local box <const> = assert(userns.container {})
      local p <close> = assert(box:spawn { "/bin/cat", stdin = "pipe", stdout = "null" })
      local uid <const> = helper.read(("/proc/%d/status"):format(p.pid)):match("Uid:%s+(%d+)")
      assert.equal(harmless "uid", math.tointeger(uid))
    end)
  end)

  describe("setgroups", function()
    local function setgroups(word)
      return helper.inside({ setgroups = word }, "cat /proc/self/setgroups")
    end

    it("is denied unless the caller may map groups freely", function()
      assert.equal(is_root and "allow\n" or "deny\n", setgroups(nil))
    end)

    it("can be denied", function()
      assert.equal("deny\n", setgroups "deny")
    end)

    it("can be allowed with privilege only", function()
      if is_root then
        assert.equal("allow\n", setgroups "allow")
        return
      end
      local op <const> = helper.privilege == "user" and "gid_map" or "setgroups"
      assert.same(helper.errno("EPERM", { op = op, syscall = "write", field = op }),
        (helper.refusal({ setgroups = "allow" }, { "/bin/true" })))
    end)

    it("lets the program start without the caller's groups, where it is allowed", function()
      assert.equal(is_root and "\n" or "0\n",
        helper.inside({ gid_map = "root" }, "sed -n 's/^Groups:[[:blank:]]*//p' /proc/self/status | sed 's/ $//'"))
    end)
  end)

  describe("names", function()
    local DOMAIN <const> = "cat /proc/sys/kernel/domainname"

    it("are the host's where none is given", function()
      local host <const> = helper.shell("hostname; " .. DOMAIN).out
      assert.equal(host, helper.inside({}, "hostname; " .. DOMAIN))
    end)

    it("are set in the container and nowhere else", function()
      local script <const> = "hostname; " .. DOMAIN
      local host <const> = helper.shell(script).out
      assert.equal("bizarro\nexample.org\n",
        helper.inside({ hostname = "bizarro", domainname = "example.org" }, script))
      assert.equal(host, helper.shell(script).out)
    end)

    it("may be as long as the kernel's, and of any bytes", function()
      local long <const> = ("x"):rep(64)
      local odd <const> = "a b\n\xff'\"$\\"
      local script <const> = "cat /proc/sys/kernel/hostname; " .. DOMAIN
      assert.equal(long .. "\n" .. odd .. "\n", helper.inside({ hostname = long, domainname = odd }, script))
    end)

    it("need privilege in a shared user namespace", function()
      local description <const> = { namespaces = "uts", hostname = "bizarro" }
      if helper.privilege ~= "user" then
        assert.equal("bizarro\n", helper.inside(description, "hostname"))
      else
        assert.equal("clone", helper.refusal(description, { "/bin/true" }).op)
      end
    end)
  end)

  -- A host whose mounts are shared, as systemd makes them, to be a container's
  -- host and to go away.
  describe("propagation", function()
    local dir

    before_each(function()
      dir = helper.directory()
    end)

    after_each(function()
      helper.remove(dir)
    end)

    local wrapper <const> = (is_root and "unshare --mount unshare" or "unshare -Ur") .. " --mount --propagation shared"

    local SCRIPT <const> = [[
      local userns = require "userns"
      local dir, propagation, root = %q, %q, %s
      local box = assert(userns.container {
        root = root, propagation = propagation, capabilities = { "sys_admin" },
      })
      local p <close> = assert(box:spawn {
        "/bin/sh", "-c", "echo ready; read line; cat /proc/self/mountinfo; mount -t tmpfs inner %s/inner && echo done",
        stdin = "pipe", stdout = "pipe",
      })
      assert(p.stdout:read() == "ready")
      assert(os.execute("mount -t tmpfs outer %s/outer"))
      p.stdin:close()
      local inside = p.stdout:read("a")
      local host <close> = io.open "/proc/self/mountinfo"
      local outside = host:read("a")
      local function has(text, what)
        return text:find(what, 1, true) and "yes" or "no"
      end
      local tags = {}
      for line in inside:gmatch("[^\n]+") do
        local point, fields = line:match("^%%S+ %%S+ %%S+ %%S+ (%%S+) %%S+ (.-) ?%%- ")
        tags[point or line] = fields and fields:gsub("%%d+", "N")
      end
      print(has(inside, "done"), has(inside, "- tmpfs outer"), has(outside, "- tmpfs inner"), tags["/"])
    ]]

    local function propagation(kind, root)
      assert(os.execute(("mkdir %s/inner %s/outer && chmod 777 %s/*"):format(dir, dir, dir)))
      return helper.output(SCRIPT:format(dir, kind, root, dir, dir), wrapper)
    end

    -- The program's mount, whether it sees one of the host's that is younger
    -- than itself, whether the host sees its, and the tags of its root.
    local EXPECTED <const> = {
      private = "yes\tno\tno\t\n",
      slave = "yes\tyes\tno\tmaster:N\n",
      shared = "yes\tno\tno\tshared:N\n",
      unbindable = "yes\tno\tno\tunbindable\n",
    }

    for kind, expected in pairs(EXPECTED) do
      it(("is %s in the host's tree"):format(kind), function()
        assert.equal(expected, propagation(kind, "nil"))
      end)

      it(("is %s where a directory is bound as the root"):format(kind), function()
        assert.equal(expected, propagation(kind, [["/"]]))
      end)
    end
  end)

  describe("capabilities", function()
    local SETS <const> = "Cap(Inh|Prm|Eff|Bnd|Amb)"
    local CHOWN_AND_SYS_ADMIN <const> = "0000000000200001"
    local NONE <const> = ("0"):rep(16)

    local function sets(inheritable, kept, ambient)
      return ("CapInh:%s\nCapPrm:%s\nCapEff:%s\nCapBnd:%s\nCapAmb:%s\n"):format(
        inheritable, kept, kept, kept, ambient)
    end

    local function as(uid)
      return { { inside = uid, outside = helper.uid, count = 1 } }
    end

    it("are none for any uid", function()
      assert.equal(sets(NONE, NONE, NONE), status({}, SETS))
      assert.equal(sets(NONE, NONE, NONE), status({ capabilities = "none", uid_map = as(1000) }, SETS))
    end)

    it("are kept as listed, ambient unless the program is uid 0", function()
      local list <const> = { "CAP_CHOWN", "sys_admin" }
      assert.equal(sets(NONE, CHOWN_AND_SYS_ADMIN, NONE), status({ capabilities = list }, SETS))
      assert.equal(sets(CHOWN_AND_SYS_ADMIN, CHOWN_AND_SYS_ADMIN, CHOWN_AND_SYS_ADMIN),
        status({ capabilities = list, uid_map = as(1000) }, SETS))
    end)

    if is_root then
      it("are kept by a program that is not the map's root", function()
        local range <const> = { { inside = 0, outside = 100000, count = 65536 } }
        local description <const> = { capabilities = { "chown", "sys_admin" }, uid_map = range, gid_map = range }
        assert.equal(sets(CHOWN_AND_SYS_ADMIN, CHOWN_AND_SYS_ADMIN, CHOWN_AND_SYS_ADMIN),
          status(description, SETS, { uid = 1000, gid = 1000 }))
      end)
    end

    it("can be all that the kernel has", function()
      local last <const> = math.tointeger(tonumber(helper.read("/proc/sys/kernel/cap_last_cap")))
      local all <const> = ("%016x"):format((1 << last + 1) - 1)
      assert.equal(sets(NONE, all, NONE), status({ capabilities = "all", allow_userns = true }, SETS))
    end)

    it("let the program do what they are for, and only that", function()
      local with <const> = { capabilities = { "sys_admin" } }
      assert.equal("renamed\n", helper.inside(with, "hostname renamed && hostname"))
      local result <const> = helper.run({}, { "/bin/hostname", "renamed", stderr = "null" })
      assert.equal(1, result.exit_code)
    end)

    it("are dropped in the caller's own user namespace too, and kept of those there are", function()
      local list <const> = { "chown", "sys_admin" }
      local nothing <const> = status({ namespaces = {} }, SETS)
      if helper.privilege ~= "user" then
        assert.equal(sets(NONE, NONE, NONE), nothing)
        assert.equal(sets(NONE, CHOWN_AND_SYS_ADMIN, NONE), status({ namespaces = {}, capabilities = list }, SETS))
        return
      end
      local bounding <const> = helper.read("/proc/self/status"):match("CapBnd:%s+(%x+)")
      assert.equal(sets(NONE, NONE, NONE):gsub("CapBnd:%x+", "CapBnd:" .. bounding), nothing)
      assert.same(helper.errno("EPERM", { op = "capabilities", syscall = "capset", field = "capabilities" }),
        (helper.refusal({ namespaces = {}, capabilities = list }, { "/bin/true" })))
    end)
  end)

  describe("no_new_privs", function()
    it("is set unless it is taken back", function()
      assert.equal("NoNewPrivs:1\n", status({}, "NoNewPrivs"))
      assert.equal("NoNewPrivs:0\n", status({ no_new_privs = false }, "NoNewPrivs"))
    end)
  end)

  describe("allow_userns", function()
    local UNSHARE <const> = "unshare --user true 2>&1; true"
    local REFUSED <const> = "unshare: unshare failed: No space left on device\n"

    it("is needed for user namespaces inside", function()
      assert.equal(REFUSED, helper.inside({}, UNSHARE))
      assert.equal("", helper.inside({ allow_userns = true }, UNSHARE))
    end)

    it("cannot be taken by writing to the limit", function()
      local description <const> = { mounts = { { type = "proc", target = "/proc" } }, readonly_paths = {} }
      local script <const> = "(echo 9 >/proc/sys/user/max_user_namespaces) 2>/dev/null; " .. UNSHARE
      assert.equal(REFUSED, helper.inside(description, script))
      description.capabilities = { "sys_admin", "setuid", "dac_override" }
      assert.equal(REFUSED, helper.inside(description, script))
    end)

    it("changes nothing in a user namespace that is shared", function()
      local limit <const> = "/proc/sys/user/max_user_namespaces"
      local before <const> = helper.read(limit)
      local description <const> = { namespaces = helper.privilege == "user" and {} or { "mnt", "pid" } }
      assert.equal(before, helper.inside(description, "cat " .. limit))
      assert.equal(before, helper.read(limit))
    end)
  end)

  describe("new_session", function()
    local SESSION <const> = "cut -d' ' -f1,5,6 /proc/$$/stat"
    local description <const> = { mounts = { { type = "proc", target = "/proc" } } }

    it("makes the program the leader of a session and a process group", function()
      assert.equal("1 1 1\n", helper.inside(description, SESSION))
    end)

    it("can be left out: the session and the group are the caller's", function()
      description.new_session = false
      assert.equal("1 0 0\n", helper.inside(description, SESSION))
    end)
  end)

  describe("what nobody asked for", function()
    it("is decided: umask, core size, descriptors, signals", function()
      local zero <const> = ("0"):rep(16)
      local text <const> = helper.inside({}, "umask; ulimit -c; ls /proc/self/fd; cat /proc/self/status")
      -- the fourth descriptor is the directory that ls reads
      assert.equal("0022\n0\n0\n1\n2\n3\n", text:match("^[%d\n]+"))
      for _, set in ipairs { "SigPnd", "ShdPnd", "SigBlk", "SigIgn", "SigCgt" } do
        assert.equal(set .. zero, set .. text:match(set .. ":%s+(%x+)"))
      end
    end)

    it("is not the caller's: keys", function()
      assert.truthy(helper.inside({}, "cat /proc/keys"):find("keyring   _ses: empty", 1, true))
    end)

    -- a host of many groups has a status that is longer than what is looked at
    local IGNORING <const> = { nohup = "nohup", all = "env --ignore-signal" }
    if is_root then
      IGNORING["all, in many groups"] = "setpriv --groups $(seq -s , 1000000001 1000000400) env --ignore-signal"
    end

    for name, wrapper in pairs(IGNORING) do
      it("is not the caller's: what the host ignores, " .. name, function()
        local script <const> = [[
          local userns = require "userns"
          local result = userns.container {}:run { "/bin/cat", "/proc/self/status", stdout = "capture" }
          print((result.stdout:match("SigIgn:%s+(%x+)")))
          print((io.open "/proc/self/status":read("a"):match("SigIgn:%s+(%x+)")))
        ]]
        local inside <const>, host <const> = helper.output(script, wrapper):match("(%x+)\n(%x+)")
        assert.equal("0000000000000000", inside)
        assert.equal(1, tonumber(host, 16) & 1)
      end)
    end
  end)
end)
