local helper = require "spec.helper"
local mountinfo = require "userns.mountinfo"

local root <const> = "27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard\n"

describe("mountinfo.parse", function()
  it("makes a record of every field of a line", function()
    assert.same({
      {
        id = 36,
        parent = 35,
        major = 98,
        minor = 0,
        root = "/mnt1",
        target = "/mnt2",
        options = { "rw", "noatime" },
        shared = 7,
        master = 1,
        propagate_from = 2,
        unbindable = false,
        type = "ext3",
        source = "/dev/root",
        super_options = { "rw", "errors=continue" },
      },
    }, mountinfo.parse("36 35 98:0 /mnt1 /mnt2 rw,noatime shared:7 master:1 propagate_from:2"
      .. " - ext3 /dev/root rw,errors=continue\n"))
  end)

  it("leaves out the optional fields that a line has not", function()
    local mount <const> = mountinfo.parse(root)[1]
    assert.is_nil(mount.shared)
    assert.is_nil(mount.master)
    assert.is_nil(mount.propagate_from)
    assert.is_false(mount.unbindable)
  end)

  it("knows an unbindable mount and passes over optional fields of later kernels", function()
    local mount <const> = mountinfo.parse(
      "36 35 98:0 / /m rw later:9 unbindable newest not-shared:4 - tmpfs none rw\n")[1]
    assert.is_true(mount.unbindable)
    assert.is_nil(mount.later)
    assert.is_nil(mount.shared)
    assert.equal("tmpfs", mount.type)
  end)

  it("keeps the order of the lines", function()
    local targets <const> = {}
    local two <const> = "28 27 0:1 / /b rw - a a rw\n29 27 0:2 / /a rw - a a rw\n"
    for _, mount in ipairs(mountinfo.parse(root .. two)) do
      targets[#targets + 1] = mount.target
    end
    assert.same({ "/", "/b", "/a" }, targets)
  end)

  it("decodes octal escapes in every text", function()
    local mount <const> = mountinfo.parse("36 35 0:40 /a\\040b /c\\011d\\012e\\134040 rw"
      .. " - fuse.x\\043y \\043\\040s rw,lowerdir=/x\\054y:/z\\0751\n")[1]
    assert.equal("/a b", mount.root)
    assert.equal("/c\td\ne\\040", mount.target)
    assert.equal("fuse.x#y", mount.type)
    assert.equal("# s", mount.source)
    assert.same({ "rw", "lowerdir=/x,y:/z=1" }, mount.super_options)
  end)

  it("takes bytes that are neither ASCII nor UTF-8, and other white space, as they are", function()
    local paths <const> = {
      "/\xff\xfe", "/a\rb", "/a\vb\fc", "/\xc2\xa0", "/\xa0\x85", "/-", "/a\\", "/\x7f\x01",
    }
    for _, path in ipairs(paths) do
      local escaped <const> = path:gsub("\\", "\\134")
      local mounts <const> = mountinfo.parse("36 35 0:40 / " .. escaped .. " rw - tmpfs none rw\n")
      assert.equal(path, mounts[1].target)
    end
  end)

  it("takes a source that is empty and a separator that looks like a field", function()
    local mounts <const> = mountinfo.parse(
      "36 35 0:40 - - rw - - - rw\n37 36 0:41 / /m rw - tmpfs  rw,size=4k\n")
    assert.equal("-", mounts[1].target)
    assert.equal("-", mounts[1].type)
    assert.equal("-", mounts[1].source)
    assert.same({ "rw" }, mounts[1].super_options)
    assert.equal("", mounts[2].source)
    assert.same({ "rw", "size=4k" }, mounts[2].super_options)
  end)

  it("takes a root that is no path", function()
    assert.equal("net:[4026531833]",
      mountinfo.parse("36 35 0:4 net:[4026531833] /run/netns/a rw - nsfs nsfs rw\n")[1].root)
  end)

  it("makes an empty list of an empty text", function()
    assert.same({}, mountinfo.parse(""))
  end)

  it("raises for what is no such text", function()
    assert.has_error(function() mountinfo.parse(root .. "tmpfs /tmp tmpfs rw 0 0\n") end,
      "no line of a mountinfo file: \"tmpfs /tmp tmpfs rw 0 0\"")
    assert.has_error(function() mountinfo.parse() end,
      "bad argument #1 to 'parse' (string expected, got nil)")
  end)
end)

describe("mountinfo.read", function()
  it("reads one's own mounts as the kernel shows them", function()
    local mounts <const> = assert(mountinfo.read())
    assert.same(mountinfo.parse(helper.read("/proc/self/mountinfo")), mounts)
    assert.same(mounts, mountinfo.read("self"))
  end)

  it("reads the mounts of another process by its pid", function()
    local pid <const> = math.tointeger(helper.read("/proc/self/stat"):match("^%d+"))
    assert.same(mountinfo.read(), mountinfo.read(pid))
  end)

  it("tells a process that is not there", function()
    local mounts <const>, err <const> = mountinfo.read(2147483647)
    assert.is_nil(mounts)
    assert.same({
      op = "mountinfo",
      syscall = "open",
      code = "ENOENT",
      errno = 2,
      message = "No such file or directory",
      path = "/proc/2147483647/mountinfo",
    }, helper.fields(err))
  end)

  it("raises for what is no process", function()
    for _, wrong in ipairs { 0, -1, 1.0, "/proc", true } do
      assert.error_matches(function() mountinfo.read(wrong) end,
        "bad argument #1 to 'read_mountinfo'", 1, true)
    end
  end)
end)
