-- Users and groups by the names that the container's own files have.
local helper = require "spec.helper"
local userns = require "userns"

local is_root <const> = helper.privilege == "root"

local PASSWD <const> = "root:x:0:0::/:/bin/sh\nwww:x:33:34::/:/bin/sh\nbroken:x:y:0::/:\nhuge:x:4294967295:0::/:\n"
local GROUP <const> = "root:x:0:\nwww:x:34:\nextra:x:40:www\nother:x:41:\n"

local RANGE <const> = { { inside = 0, outside = 100000, count = 65536 } }

--- A container with files of names; several ids are root's to map.
local function named(passwd, group, more)
  local files <const> = {
    { type = "file", target = "/etc/passwd", content = passwd or PASSWD },
    { type = "file", target = "/etc/group", content = group or GROUP },
  }
  return userns.merge(helper.tree(files), is_root and { uid_map = RANGE, gid_map = RANGE } or {}, more or {})
end

local ID <const> = "id -u; id -g; id -G"

describe("names of users and groups", function()
  before_each(helper.count)
  after_each(helper.check_count)

  it("are found in the container's files, not in the host's", function()
    local passwd <const> = "inside:x:0:0::/:/bin/sh\n"
    local box <const> = named(passwd, "inside:x:0:\n", { uid_map = "root", gid_map = "root" })
    assert.equal("0\n0\n", helper.inside(box, "id -u; id -g", { uid = "inside", gid = "inside" }))
    local fields <const>, advice <const> = helper.refusal(box, { "/bin/true", uid = "daemon", gid = 0 })
    assert.same(helper.errno("ENOENT", { op = "setuid", syscall = "read", field = "process.uid", path = "daemon" }),
      fields)
    assert.equal("no_such_name", advice.cause)
    assert.equal("the container's own /etc/passwd or /etc/group has no line with this name and a number", advice.why)
  end)

  if is_root then
    it("are the user's with its group, or with another", function()
      assert.equal("33\n34\n34\n", helper.inside(named(), ID, { uid = "www" }))
      assert.equal("33\n41\n41\n", helper.inside(named(), ID, { uid = "www", gid = "other" }))
      assert.equal("33\n7\n7\n", helper.inside(named(), ID, { uid = "www", gid = 7 }))
      assert.equal("5\n34\n34\n", helper.inside(named(), ID, { uid = 5, gid = "www" }))
    end)

    it("can be supplementary groups among numbers", function()
      assert.equal("33\n34\n34 7 40 41\n",
        helper.inside(named(), ID, { uid = "www", groups = { "extra", 7, "other" } }))
      local fields <const> = helper.refusal(named(), { "/bin/true", groups = { "extra", "nope" } })
      assert.same(helper.errno("ENOENT", { op = "groups", syscall = "read", field = "process.groups", path = "nope" }),
        fields)
    end)

    it("keep capabilities as a number does", function()
      local box <const> = named(nil, nil, { capabilities = { "net_raw" } })
      assert.equal("0000000000002000\n",
        helper.inside(box, "sed -n 's/^CapEff:\\t//p' /proc/self/status", { uid = "www" }))
    end)
  else
    it("stand for ids that must be mapped", function()
      local fields <const>, advice <const> = helper.refusal(named(), { "/bin/true", uid = "www", gid = 0 })
      assert.same(helper.errno("EINVAL", { op = "setuid", syscall = "setresuid", field = "process.uid", path = "www" }),
        fields)
      assert.same({ "id_unmapped", "the id that the name stands for is not mapped by uid_map or gid_map" },
        { advice.cause, advice.why })
    end)
  end

  it("are none where a line has no id", function()
    for _, name in ipairs { "broken", "huge", "ww", "wwww" } do
      local fields <const>, advice <const> = helper.refusal(named(), { "/bin/true", uid = name, gid = 0 })
      assert.same(helper.errno("ENOENT", { op = "setuid", syscall = "read", field = "process.uid", path = name }),
        fields)
      assert.matches("no line with this name and a number$", advice.why)
    end
  end)

  it("are read from long files, but for lines that nobody writes", function()
    local filler <const> = {}
    for i = 1, 3000 do
      filler[i] = ("user%d:x:%d:0:%s:/:/bin/sh\n"):format(i, i, ("x"):rep(i % 200))
    end
    local box <const> = named(table.concat(filler) .. "late:x:0:0::/:/bin/sh\n", nil, {})
    assert.equal("0\n", helper.inside(box, "id -u", { uid = "late", gid = 0 }))
    local endless <const> = named(("x"):rep(100000) .. "\nlate:x:0:0::/:/bin/sh\n", nil, {})
    assert.equal("ENOENT", (helper.refusal(endless, { "/bin/true", uid = "late", gid = 0 })).code)
  end)

  it("need files that are files", function()
    local box <const> = helper.tree { { type = "dir", target = "/etc/passwd" } }
    local wrong <const>, told <const> = helper.refusal(box, { "/bin/true", uid = "x", gid = 0 })
    assert.same(helper.errno("EINVAL", { op = "setuid", syscall = "statx", field = "process.uid", path = "x" }), wrong)
    assert.same({ "no_access", "put a file into the container that may be read, or name a number" },
      { told.cause, told.hint })
    local fields <const>, advice <const> = helper.refusal(helper.tree(), { "/bin/true", uid = "x", gid = 0 })
    assert.same(helper.errno("ENOENT", { op = "setuid", syscall = "openat2", field = "process.uid", path = "x" }),
      fields)
    assert.same({
      "no_passwd", "names are looked up in the container's own /etc/passwd and /etc/group, of which it has none",
    }, { advice.cause, advice.why })
  end)

  it("do not lead out of the root by a link", function()
    local box <const> = helper.tree { { type = "symlink", target = "/etc/passwd", source = "../../../../etc/passwd" } }
    assert.equal("ELOOP", (helper.refusal(box, { "/bin/true", uid = "root", gid = 0 })).code)
  end)

  it("are shown in the plan as they are", function()
    local box <const> = assert(userns.container {})
    local text <const> = tostring(assert(box:plan { "/bin/true", uid = "www", groups = { "a", 0 } }))
    assert.truthy(text:find("groups%s+groups=0 names=a\n"))
    assert.truthy(text:find("setgid%s+user=www\n"))
    assert.truthy(text:find("setuid%s+user=www\n"))
  end)

  it("have no colon, slash or space", function()
    for _, name in ipairs { "a:b", "a/b", "a b", "a\nb", "", "0", "1000.0", "0x10" } do
      local _, err <const> = userns.container({}):plan { "/bin/true", uid = name }
      assert.equal("process.uid", err.field)
    end
  end)
end)
