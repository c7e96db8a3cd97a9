local helper <const> = require "spec.helper"
local presets <const> = require "userns.presets"
local userns <const> = require "userns"

local function tables_of(value, found)
  if type(value) == "table" then
    assert(not found[value], "a table is shared")
    found[value] = true
    for key, item in next, value do
      assert(type(key) ~= "table")
      tables_of(item, found)
    end
  end
  return found
end

local NAMES <const> = {}
for name in pairs(presets) do
  NAMES[#NAMES + 1] = name
end
table.sort(NAMES)

--- Every choice of presets, in the order of their names.
local function combinations()
  local list <const> = {}
  for set = 1, (1 << #NAMES) - 1 do
    local chosen <const> = {}
    for i, name in ipairs(NAMES) do
      chosen[#chosen + 1] = set >> (i - 1) & 1 == 1 and name or nil
    end
    list[#list + 1] = chosen
  end
  return list
end

local function merged(names, ...)
  local parts <const> = {}
  for i, name in ipairs(names) do
    parts[i] = presets[name]
  end
  for _, part in ipairs { ... } do
    parts[#parts + 1] = part
  end
  return userns.merge(table.unpack(parts))
end

--- The words of what a script prints, which may fail at what it tries.
local function words_inside(description, script)
  return (helper.inside(description, script):gsub("%s+", " "):gsub(" $", ""))
end

--- Which of some places a program can make a file in.
local function writable(description, places)
  return words_inside(description, ("for d in %s; do touch $d/.userns-spec 2>/dev/null && echo $d; done; true"):format(
    table.concat(places, " ")))
end

--- Why a program can make no file in some places, each reason once.
local function refusals(description, places)
  local script <const> = "for d in %s; do touch $d/.userns-spec 2>&1; done | sed 's/.*: //' | sort -u"
  return words_inside(description, script:format(table.concat(places, " ")))
end

--- The lines of the mounts that a program sees at a place: its type and whether
--- it can be written to.
local function mounted(description, place)
  return words_inside(description, ("sed -n 's|^[^ ]* %s \\([^ ]*\\) \\(r[ow]\\),.*|\\1 \\2|p' /proc/mounts"):format(
    place))
end

local function listing(path)
  return (helper.shell("ls -A " .. path).out:gsub("%s+", " "):gsub(" $", ""))
end

describe("the presets", function()
  local before
  before_each(function()
    before = userns.merge(presets)
    helper.count()
  end)
  after_each(function()
    helper.check_count()
    assert.same(before, presets)
  end)

  it("are these", function()
    assert.same({ "host_network", "host_readonly", "minimal", "private_home" }, NAMES)
    assert.equal(presets, userns.presets)
  end)

  it("are plain tables that share nothing with each other", function()
    for table in next, tables_of(presets, {}) do
      assert.is_nil(getmetatable(table))
    end
  end)

  for _, names in ipairs(combinations()) do
    it(("run a program, with %s"):format(table.concat(names, " and ")), function()
      local result <const> = helper.run(merged(names), { "/bin/true" })
      assert.equal(0, result.exit_code)
    end)
  end

  it("run a program that other presets are laid over, in any order", function()
    for i = #NAMES, 1, -1 do
      for j = 1, #NAMES do
        assert.equal(0, helper.run(merged { NAMES[i], NAMES[j] }, { "/bin/true" }).exit_code)
      end
    end
  end)

  it("run a program with fields of one's own", function()
    for _, name in ipairs(NAMES) do
      local description <const> = merged({ name }, { hostname = "box", process = { env = { A = name } } })
      assert.equal("box " .. name, words_inside(description, "hostname; echo $A"))
    end
  end)

  describe("host_readonly", function()
    local DESCRIPTION <const> = merged { "host_readonly" }

    it("shows the host's tree", function()
      assert.equal(listing "/", words_inside(DESCRIPTION, "ls -A /"))
      assert.equal(helper.read "/etc/passwd", helper.inside(DESCRIPTION, "cat /etc/passwd"))
    end)

    it("lets nothing of it be written to, whoever may outside", function()
      local places <const> = { "/", "/usr", "/etc", "/var/tmp", "/home" }
      assert.equal("Read-only file system", refusals(DESCRIPTION, places))
      assert.equal("", writable(DESCRIPTION, places))
      assert.equal("/tmp", writable(DESCRIPTION, { "/tmp" }))
    end)

    it("has a /proc, a /dev and a /tmp of its own", function()
      assert.equal("1", words_inside(DESCRIPTION, "cd /proc; ls -d [0-9]* | head -n 1"))
      assert.equal("fd full null ptmx pts random shm stderr stdin stdout tty urandom zero",
        words_inside(DESCRIPTION, "ls -A /dev"))
      assert.equal("", words_inside(DESCRIPTION, "ls -A /tmp"))
      assert.equal("a", words_inside(DESCRIPTION, "echo a > /tmp/a; cat /tmp/a; echo b > /dev/null"))
    end)

    it("starts with an empty /tmp each time, and leaves nothing behind", function()
      local own <const> = helper.directory()
      helper.remove(own)
      for _ = 1, 2 do
        assert.equal(own, words_inside(DESCRIPTION, ("mkdir %s; echo /tmp/*"):format(own)))
      end
      assert.is_nil(io.open(own))
    end)
  end)

  describe("minimal", function()
    local DESCRIPTION <const> = merged { "minimal" }

    it("shows the system's programs and libraries, and nothing of a user's", function()
      local expected <const> = {}
      for name in ("bin dev etc lib lib32 lib64 proc sbin tmp usr"):gmatch("%w+") do
        local made <const> = name == "dev" or name == "etc" or name == "proc" or name == "tmp"
        expected[#expected + 1] = (made or os.rename("/" .. name, "/" .. name)) and name or nil
      end
      assert.equal(table.concat(expected, " "), words_inside(DESCRIPTION, "ls -A /"))
      assert.equal(listing "/usr", words_inside(DESCRIPTION, "ls -A /usr"))
      assert.equal(helper.shell("cd /etc && ls -d alternatives ld.so.cache").out,
        helper.inside(DESCRIPTION, "ls -A /etc"))
    end)

    it("lets nothing be written to but /tmp and /dev", function()
      assert.equal("/dev /dev/shm /tmp", writable(DESCRIPTION,
        { "/", "/usr", "/bin", "/lib", "/etc", "/etc/alternatives", "/proc", "/dev", "/dev/shm", "/tmp" }))
      assert.equal("Read-only file system", refusals(DESCRIPTION, { "/", "/usr", "/bin", "/lib", "/etc" }))
      assert.equal("tmpfs ro", mounted(DESCRIPTION, "/"))
    end)

    it("has room for mounts of one's own", function()
      local description <const> = merged({ "minimal" }, { mounts = {
        { type = "file", target = "/etc/passwd", content = "root:x:0:0::/:/bin/sh\n" },
        { type = "tmpfs", target = "/work/mine" },
      } })
      assert.equal("root", words_inside(description, "id -un"))
      assert.equal("/work/mine", writable(description, { "/work/mine", "/work" }))
    end)

    it("lets a mount of one's own take the place of one that it has", function()
      local description <const> = merged({ "minimal" }, { mounts = {
        { type = "tmpfs", target = "/tmp/", readonly = true }, { type = "dir", target = "/etc/alternatives" },
      } })
      assert.equal(#presets.minimal.mounts, #description.mounts)
      assert.equal("tmpfs ro", mounted(description, "/tmp"))
      assert.equal("", words_inside(description, "ls -A /etc/alternatives"))
    end)
  end)

  describe("private_home", function()
    it("has empty homes in place of the host's", function()
      for _, names in ipairs { {}, { "host_readonly" }, { "minimal" } } do
        local description <const> = merged(names, presets.private_home)
        assert.equal("/home drwxr-xr-x /root drwx------",
          words_inside(description, "stat -c '%n %A' /home /root; ls -A /home /root | grep -v : || true"))
        assert.equal("/home /root", writable(description, { "/home", "/root" }))
      end
    end)

    it("leaves the host's as they were", function()
      local here <const> = listing "/home"
      helper.inside(merged { "private_home" }, "touch /home/mine")
      assert.equal(here, listing "/home")
    end)
  end)

  describe("host_network", function()
    it("is in the host's net namespace, and in no other", function()
      local kinds <const> = "for n in user mnt pid net ipc uts; do readlink /proc/self/ns/$n; done"
      local here <const> = helper.shell(kinds).out:gmatch("%g+")
      local shared <const> = {}
      for id in helper.inside(merged { "host_network" }, kinds):gmatch("%g+") do
        shared[#shared + 1] = id == here() and id:match("%a+") or nil
      end
      assert.same({ "net" }, shared)
    end)

    it("has the host's interfaces, and cannot change them", function()
      local interfaces <const> = "sed -n 's/^ *\\([^: ]*\\):.*/\\1/p' /proc/net/dev"
      assert.equal(helper.shell(interfaces).out, helper.inside(merged { "minimal", "host_network" }, interfaces))
      assert.equal("0000000000000000",
        words_inside(merged { "minimal", "host_network" }, "sed -n 's/^CapEff:\\s*//p' /proc/self/status"))
    end)

    it("has of /etc what names are looked up with, read-only", function()
      local description <const> = merged { "minimal", "host_network" }
      local compared = 0
      for _, mount in ipairs(presets.host_network.mounts) do
        if helper.shell("test -f " .. mount.target).code == 0 then
          assert.equal(helper.read(mount.target), helper.inside(description, "cat " .. mount.target))
          assert.matches("^%w+ ro$", mounted(description, mount.target))
          compared = compared + 1
        end
      end
      assert(compared > 0)
    end)

    it("has no secret keys", function()
      assert.equal("", words_inside(merged { "minimal", "host_network" },
        "find /etc -name private -o -name '*.key' -o -name shadow"))
    end)
  end)
end)
