local schema <const> = require "userns.schema"
local userns <const> = require "userns"

local function words_of(description)
  return tostring(assert(userns.container(description)))
end

--- The lines that describe a container further than one of nothing.
local function added(description)
  local plain <const> = {}
  for line in words_of({}):gmatch("[^\n]+") do
    plain[line] = true
  end
  local lines <const> = {}
  for line in words_of(description):gmatch("[^\n]+") do
    lines[#lines + 1] = not plain[line] and line:gsub(":%s+", ": ", 1) or nil
  end
  return lines
end

--- What the words say of one mount of a container.
local function of_mount(mount, description)
  description = userns.merge({ mounts = { mount } }, description or {})
  return words_of(description):match("\n/t: +([^\n]*)")
end

local function of_root(root)
  return words_of({ root = root }):match("\n/: +([^\n]*)")
end

-- Every type of mount, and every field that changes what there is to say.
local MOUNTS <const> = {
  bind = {
    { { source = "/usr" }, "/usr of the host's, writable" },
    { { source = "/usr", readonly = true }, "/usr of the host's, read-only" },
    { { source = "/usr", recursive = false }, "/usr of the host's without the mounts below it, writable" },
    { { source = "/usr", options = { "noexec", "dev" }, optional = true },
      "/usr of the host's, writable, noexec, dev, if it exists" },
    { { source = "/usr", propagation = "slave" }, "/usr of the host's, writable, mounts of the host's appear" },
    { { source = "/usr", propagation = "shared" },
      "/usr of the host's, writable, mounts travel to the host's and back" },
    { { source = "/usr", propagation = "unbindable" }, "/usr of the host's, writable, not to be bound elsewhere" },
    { { source = "/usr", idmap = true }, "/usr of the host's, writable, owned by ids inside" },
    { { source = { fd = 0 } }, "an open file of the host's, writable" },
  },
  cgroup = {
    { {}, "its own cgroup and those below, read-only" },
    { { readonly = false, options = "exec" }, "its own cgroup and those below, writable, exec" },
  },
  move = { { { source = { fd = 0 } }, "a mount that the caller has prepared" } },
  overlay = {
    { { lower = { "/a", "/b c" } }, [[/a "/b c" of the host's, laid over each other, read-only]] },
    { { lower = "/a", upper = "tmpfs", options = "noexec" },
      "/a of the host's, laid over each other, changes in memory, noexec" },
    { { lower = "/a", upper = "/u\n", work = "/w" }, [[/a of the host's, laid over each other, changes in "/u\n"]] },
    { { lower = "/a", upper = "/u", work = "/w", readonly = true },
      "/a of the host's, laid over each other, read-only" },
  },
  remount = {
    { {}, "changed: nothing" },
    { { readonly = true, options = "noexec", propagation = "slave", recursive = true },
      "changed: read-only noexec slave, with the mounts below it" },
    { { readonly = false }, "changed: writable" },
  },
  tmpfs = {
    { {}, "empty, in memory, writable" },
    { { size = "64M", readonly = true, options = "noexec" },
      "empty, in memory, up to 67108864 bytes, read-only, noexec" },
    { { size = 1 }, "empty, in memory, up to 1 byte, writable" },
    { { size = 0, inodes = 9 }, "empty, in memory, up to 9 files, writable" },
  },
  proc = {
    { {}, "the processes of its own pid namespace" },
    { { readonly = true, options = "noatime" }, "the processes of its own pid namespace, read-only, noatime" },
    { { subset = "pid", hidepid = "noaccess" },
      "the processes of its own pid namespace and nothing else, other users' closed" },
    { { hidepid = "invisible" }, "the processes of its own pid namespace, other users' hidden" },
    { { hidepid = "ptraceable" }, "the processes of its own pid namespace, only those it may trace" },
  },
  sysfs = {
    { {}, "the devices of its own net namespace, read-only" },
    { { readonly = false, options = "exec" }, "the devices of its own net namespace, writable, exec" },
  },
  devpts = {
    { {}, "terminals of its own" },
    { { options = "exec" }, "terminals of its own, exec" },
  },
  mqueue = {
    { {}, "message queues of its own" },
    { { options = { "dev" } }, "message queues of its own, dev" },
  },
  dev = {
    { {}, "a minimal /dev" },
    { { devices = { "/dev/fuse", "/dev/a b" } }, [[a minimal /dev with /dev/fuse "/dev/a b"]] },
  },
  dir = { { {}, "a directory" } },
  file = {
    { {}, "a file of 0 bytes" },
    { { content = "x" }, "a file of 1 byte" },
    { { content = "\0\n" }, "a file of 2 bytes" },
  },
  symlink = { { { source = "../x" }, "a link to ../x" } },
}

local ROOTS <const> = {
  bind = {
    { { source = "/" }, "the host's whole tree, writable" },
    { { source = "/", readonly = true }, "the host's whole tree, read-only" },
    { { source = "/srv", readonly = true, options = "noexec" }, "/srv of the host's, read-only, noexec" },
  },
  overlay = {
    { { lower = { "/a", "/b" }, upper = "tmpfs" }, "/a /b of the host's, laid over each other, changes in memory" },
    { { lower = { "/a", "/b" }, options = "exec" }, "/a /b of the host's, laid over each other, read-only, exec" },
  },
  tmpfs = {
    { {}, "an empty tree in memory, writable" },
    { { readonly = true, options = { "exec" } }, "an empty tree in memory, read-only, exec" },
  },
}

describe("a container in words", function()
  it("of nothing says what is so where nothing is said", function()
    assert.equal([[
own namespaces:  user mnt pid net ipc uts cgroup
the host's:      time
user ids:        0 inside is an unprivileged id of the caller's outside
group ids:       0 inside is an unprivileged id of the caller's outside
/:               the host's tree as it is
network:         loopback only
capabilities:    none
privileges:      none gained by executing a file
user namespaces: cannot be created inside
ends:            with the host program at the latest]], words_of {})
  end)

  it("without namespaces says that all is the host's", function()
    assert.equal([[
own namespaces:  nothing
the host's:      user mnt pid net ipc uts cgroup time
ids:             the caller's own, in the host's user namespace
files:           the host's mounts, shared with it
network:         the host's
capabilities:    none
privileges:      none gained by executing a file
user namespaces: may be created as on the host
ends:            with the host program at the latest]], words_of { namespaces = {} })
  end)

  it("with everything says everything", function()
    assert.equal([[
own namespaces:  user mnt pid net ipc uts cgroup time
the host's:      nothing
user ids:        0 is 100000 outside; 1-9 are 200000-200008 outside
group ids:       the caller's, under its own number
/:               an empty tree in memory, writable
/usr:            /usr of the host's, read-only
/proc:           the processes of its own pid namespace, without the usual masks, without the usual read-only parts
devices:         /dev/kvm
hidden:          /proc/kcore /usr/games
read-only:       /proc/sys
new mounts:      the host's appear inside
network:         loopback only
hostname:        box
domainname:      example
capabilities:    chown net_raw sys_admin
secure bits:     noroot
mounts:          locked: what is read-only or hidden stays so
privileges:      gained by set-id programs
user namespaces: may be created inside
session:         the caller's, with its terminal
process 1:       reaps, and hands signals on to the program
ends:            on its own]], words_of {
      namespaces = { "user", "mnt", "pid", "net", "ipc", "uts", "cgroup", "time" },
      uid_map = {
        { inside = 0, outside = 100000, count = 1 }, { inside = 1, outside = 200000, count = 9 },
      },
      gid_map = "self",
      root = { type = "tmpfs" },
      mounts = {
        { type = "bind", source = "/usr", target = "/usr", readonly = true }, { type = "proc", target = "/proc" },
      },
      devices = { "/dev/kvm" },
      masked_paths = { "/proc/kcore", "/usr/games" },
      readonly_paths = { "/proc/sys" },
      propagation = "slave",
      hostname = "box",
      domainname = "example",
      capabilities = { "CAP_NET_RAW", "chown", "sys_admin" },
      securebits = "noroot",
      init = true,
      no_new_privs = false,
      allow_userns = true,
      new_session = false,
      die_with_parent = false,
    })
  end)

  it("with joined namespaces says which", function()
    assert.equal([[
own namespaces:  mnt pid ipc uts cgroup
joined:          user net
the host's:      time
ids:             those of the joined user namespace
/:               the host's tree as it is
network:         joined
capabilities:    none
privileges:      none gained by executing a file
user namespaces: may be created as on the host
ends:            with the host program at the latest]], words_of { join = { user = "self", net = "self" } })
  end)

  it("of a preset says what that has", function()
    assert.same({
      "/: the host's whole tree, read-only",
      "/proc: the processes of its own pid namespace",
      "/dev: a minimal /dev",
      "/tmp: empty, in memory, writable",
    }, added(userns.presets.host_readonly))
  end)

  it("says who is who outside, for each word of a map", function()
    local WORDS <const> = {
      root = "0 inside is an unprivileged id of the caller's outside",
      self = "the caller's, under its own number",
      auto = "0 inside is an unprivileged id of the caller's outside; its subordinate ids follow",
    }
    for word, text in pairs(WORDS) do
      assert.equal(text, words_of({ uid_map = word }):match("user ids: +([^\n]*)"))
      assert.equal(text, words_of({ gid_map = word }):match("group ids: +([^\n]*)"))
    end
  end)

  it("names capabilities, and says where they are held over the host", function()
    for _, case in ipairs {
      { { capabilities = "none" }, "none" },
      { { capabilities = {} }, "none" },
      { { capabilities = { "setuid", "CAP_CHOWN" } }, "chown setuid" },
      { { capabilities = "all", allow_userns = true }, "all" },
      { { capabilities = "all", share = "user" }, "all, over the host" },
      { { capabilities = { "kill" }, namespaces = {} }, "kill, over the host" },
      { { namespaces = {} }, "none" },
    } do
      assert.equal(case[2], words_of(case[1]):match("capabilities: +([^\n]*)"))
    end
  end)

  it("says whose network it is", function()
    assert.equal("the host's", words_of({ share = "net" }):match("network: +([^\n]*)"))
  end)

  it("says of each propagation but private what new mounts do", function()
    assert.same({}, added { propagation = "private" })
    assert.same({ "new mounts: the host's appear inside" }, added { propagation = "slave" })
    assert.same({ "new mounts: travel between namespaces made inside" }, added { propagation = "shared" })
    assert.same({ "new mounts: cannot be bound elsewhere" }, added { propagation = "unbindable" })
  end)

  it("says of a /proc what it lacks of the usual protection", function()
    for _, case in ipairs {
      { {}, "" },
      { { masked_paths = {} }, ", without the usual masks" },
      { { readonly_paths = { "/proc/sys" } }, ", without the usual read-only parts" },
      { { allow_userns = true }, ", without the usual masks, without the usual read-only parts" },
    } do
      assert.equal("the processes of its own pid namespace" .. case[2],
        of_mount({ type = "proc", target = "/t" }, case[1]))
    end
  end)

  it("has a line for each mount, in their order", function()
    assert.same({ "/b: a directory", "/a: a directory", "/b: empty, in memory, writable" }, added {
      mounts = {
        { type = "dir", target = "//b/" }, { type = "dir", target = "/a" }, { type = "tmpfs", target = "/b" },
      },
    })
  end)

  for type in pairs(schema.mount.variants) do
    it(("says what a mount of type %s is"):format(type), function()
      for _, case in ipairs(assert(MOUNTS[type], "no words are expected")) do
        assert.equal(case[2], of_mount(userns.merge({ type = type, target = "/t" }, case[1])))
      end
    end)
  end

  for type in pairs(schema.root.variants) do
    it(("says what a root of type %s is"):format(type), function()
      for _, case in ipairs(assert(ROOTS[type], "no words are expected")) do
        assert.equal(case[2], of_root(userns.merge({ type = type }, case[1])))
      end
    end)
  end

  it("takes a directory for the root that it is", function()
    assert.equal("/srv of the host's, writable", of_root "/srv")
    assert.equal("the host's whole tree, writable", of_root "/")
  end)

  it("quotes names as plans do, so that none passes for a line or a word", function()
    assert.same({
      [["/a\nnetwork:the host's": a directory]],
      [["/b, read-only": "/c\x1b[2K\xc3\xbc" of the host's, writable]],
      [[/l: a link to "\"\x09\\"]],
      [[hidden: "/x y" "/\x7f"]],
      [[read-only: "/\x0d"]],
      [[hostname: "box\nends:"]],
      [[domainname: "\x01"]],
    }, added {
      mounts = {
        { type = "dir", target = "/a\nnetwork:the host's" },
        { type = "bind", source = "/c\27[2Kü", target = "/b, read-only" },
        { type = "symlink", source = "\"\t\\", target = "/l" },
      },
      masked_paths = { "/x y", "/\127" },
      readonly_paths = { "/\r" },
      hostname = "box\nends:",
      domainname = "\1",
    })
    assert.equal([["/a b" of the host's, writable]], of_root "/a b")
  end)

  it("stays as many lines, whatever bytes the names have", function()
    local _, lines = words_of({
      hostname = "a", domainname = "a", root = "/a", mounts = { { type = "bind", source = "/a", target = "/a" } },
      masked_paths = { "/a" }, readonly_paths = { "/a" },
    }):gsub("\n", "")
    for byte = 1, 255 do
      local name <const> = string.char(byte) .. "a"
      local text <const> = words_of {
        hostname = name, domainname = name, root = "/" .. name,
        mounts = { { type = "bind", source = "/" .. name, target = "/" .. name } },
        masked_paths = { "/" .. name }, readonly_paths = { "/" .. name },
      }
      assert.equal(lines, select(2, text:gsub("\n", "")))
      assert.is_nil(text:find("[^ -~\n]"))
    end
  end)

  it("is the same each time", function()
    local box <const> = assert(userns.container(userns.presets.minimal))
    assert.equal(tostring(box), tostring(box))
    assert.equal(tostring(box), words_of(userns.presets.minimal))
  end)
end)
