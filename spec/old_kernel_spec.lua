-- What a kernel lacks, a seccomp filter takes away: containers are the same
-- without mount_setattr(2), and other calls are missed by their name.
local helper = require "spec.helper"

local errno <const> = helper.errno

local wrapper <const> = helper.own_mounts

--- A wrapper that takes system calls away.
local function without(...)
  local words <const> = {}
  for _, name in ipairs { ... } do
    words[#words + 1] = name .. " ENOSYS"
  end
  return ("build/spec/deny %s --"):format(table.concat(words, " "))
end

-- Mounts below mounts, one of them with flags that a new user namespace locks,
-- one hidden under another, one with a name that mountinfo escapes.
local HOST <const> = [[
  local helper = require "spec.helper"
  local dir = %q
  assert(os.execute("cd " .. dir .. " && " .. [=[
    umask 0; mkdir -p tree/locked tree/odd tree/hidden tree/other root; : >tree/file
    mount -t tmpfs -o nosuid,nodev,noexec,mode=777 locked tree/locked
    mkdir tree/locked/deep && mount -t tmpfs -o mode=777,noatime deep tree/locked/deep
    mount -t tmpfs -o mode=777 odd tree/odd
    name=$(printf 'a b\\c\n\td') && mkdir "tree/odd/$name" && mount -t tmpfs -o mode=777 odder "tree/odd/$name"
    mkdir tree/hidden/below && mount -t tmpfs below tree/hidden/below && mount -t tmpfs -o mode=777 above tree/hidden
    mount -t tmpfs -o ro other tree/other
    cd root && mkdir bin lib lib64 usr proc dev below && : >dev/null && mount -t tmpfs -o mode=777,nosuid below below
  ]=]))
]]

-- What a container sees of its mounts: those that are covered nobody reaches.
local SEE <const> = [[
  local function see(description, also)
    local out = helper.inside(description, "cut -d' ' -f5,6 /proc/self/mountinfo; echo; " .. (also or ""))
    local points, options = {}, {}
    for point, words in out:match("^(.-)\n\n"):gmatch("(%S+) (%S+)") do
      points[#points + 1] = not options[point] and point or nil
      options[point] = words
    end
    for _, point in ipairs(points) do
      if not point:find("/hidden/below", 1, true) then
        print(point, options[point])
      end
    end
    io.write(out:match("\n\n(.*)"))
  end
]]

describe("without mount_setattr", function()
  local dir

  before_each(function()
    dir = helper.set_up()
  end)

  after_each(helper.tear_down)

  --- What a script prints on a host with mounts, with and without the call.
  local function both(script)
    local text <const> = HOST:format(dir) .. SEE .. script
    local new <const> = helper.output(text, wrapper)
    helper.shell(("rm -rf %s/*"):format(dir))
    return new, helper.output(text, ("%s %s"):format(wrapper, without "mount_setattr"))
  end

  --- The script prints the same; what it prints.
  local function same(script)
    local new <const>, old <const> = both(script)
    assert.equal(new, old)
    return old
  end

  --- The options of a place.
  local function options_of(text, place)
    return ("\n" .. text):match("\n" .. place:gsub("%p", "%%%0") .. "\t(%S+)\n")
  end

  it("binds are read-only with all that is below, and keep what is locked", function()
    local seen <const> = same [[
      local mounts = { { type = "bind", source = dir .. "/tree", target = "/t", readonly = true } }
      see(helper.tree(mounts), "for d in /t /t/locked /t/locked/deep /t/odd /t/hidden /t/other; do "
        .. "(: >\"$d/x\") 2>&1 | sed 's/.*: //'; done")
    ]]
    assert.equal("ro,nosuid,nodev,relatime", options_of(seen, "/t"))
    assert.equal("ro,nosuid,nodev,noexec,relatime", options_of(seen, "/t/locked"))
    assert.equal("ro,nosuid,nodev,noatime", options_of(seen, "/t/locked/deep"))
    assert.equal("ro,nosuid,nodev,relatime", options_of(seen, "/t/odd/a\\040b\\134c\\012\\011d"))
    assert.equal(6, select(2, seen:gsub("Read%-only file system\n", "")))
  end)

  if helper.privilege ~= "user" then
    it("binds are read-only in the user namespace that made the mounts, too", function()
      same [[
        local description = helper.tree { { type = "bind", source = dir .. "/tree", target = "/t", readonly = true } }
        description.share = "user"
        see(description)
      ]]
    end)
  end

  it("binds allow what words say", function()
    same [[
      see(helper.tree { { type = "bind", source = dir .. "/tree/odd", target = "/t", options = { "noexec", "suid" } } })
    ]]
  end)

  it("files and devices are bound as they are meant to be", function()
    local seen <const> = same [[
      see(helper.tree {
        { type = "bind", source = dir .. "/tree/file", target = "/f", readonly = true },
        { type = "bind", source = "/dev/zero", target = "/zero" },
      }, "head -c 1 /zero | wc -c; (: >/f) 2>&1 | sed 's/.*: //'")
    ]]
    assert.matches("1\nRead%-only file system\n$", seen)
  end)

  it("a tmpfs and an overlay are read-only once they are filled", function()
    local seen <const> = same [[
      see(helper.tree {
        { type = "tmpfs", target = "/t", readonly = true, options = { "noexec" } },
        { type = "file", target = "/t/file", content = "content" },
        { type = "overlay", lower = { dir .. "/root/usr", dir .. "/root/bin" }, target = "/o", readonly = true },
      }, "cat /t/file")
    ]]
    assert.equal("ro,nosuid,nodev,noexec,relatime", options_of(seen, "/t"))
    assert.equal("ro,nosuid,nodev,relatime", options_of(seen, "/o"))
  end)

  it("a directory becomes a root that is read-only with all below", function()
    local seen <const> = same [[
      local description = helper.tree()
      description.root = { type = "bind", source = dir .. "/root", readonly = true, options = "noexec" }
      for _, mount in ipairs(description.mounts) do
        mount.options = mount.type == "bind" and { "exec" } or nil
      end
      see(description, "(: >/below/x) 2>&1 | sed 's/.*: //'")
    ]]
    assert.equal("ro,nosuid,nodev,noexec,relatime", options_of(seen, "/"))
    assert.equal("ro,nosuid,noexec,relatime", options_of(seen, "/below"))
  end)

  it("the host's whole tree is read-only", function()
    local seen <const> = same [[
      see { root = { type = "bind", source = "/", readonly = true } }
    ]]
    for options in seen:gmatch("\t(%S+)\n") do
      assert.matches("^ro,.*nosuid", options)
    end
  end)

  it("what is protected is read-only, and what is hidden hidden", function()
    local seen <const> = same [[
      local description = helper.tree { { type = "bind", source = dir .. "/tree", target = "/t" } }
      description.masked_paths, description.readonly_paths = { "/t/odd", "/t/file" }, { "/t/locked", "/proc/sys" }
      see(description, "ls -A /t/odd; wc -c </t/file; (: >/t/locked/deep/x) 2>&1 | sed 's/.*: //'; : >/t/x")
    ]]
    assert.equal("ro,nosuid,nodev,noatime", options_of(seen, "/t/locked/deep"))
  end)

  it("mounts are changed by a remount", function()
    local seen <const> = same [[
      see(helper.tree {
        { type = "bind", source = dir .. "/tree", target = "/t" },
        { type = "tmpfs", target = "/u", options = { "noexec" } },
        { type = "tmpfs", target = "/u/v", readonly = true },
        { type = "remount", target = "/t", readonly = true, recursive = true, options = { "noexec" } },
        { type = "remount", target = "/u", options = { "exec", "suid" } },
        { type = "remount", target = "/t/odd", readonly = false },
      })
    ]]
    assert.equal("ro,nosuid,nodev,noexec,relatime", options_of(seen, "/t"))
    assert.equal("rw,nosuid,nodev,noexec,relatime", options_of(seen, "/t/odd"))
    assert.equal("rw,nodev,relatime", options_of(seen, "/u"))
  end)

  it("mounts travel as they are told", function()
    same [[
      print(helper.inside(helper.tree {
        { type = "bind", source = dir .. "/tree", target = "/t", propagation = "unbindable" },
      }, "sed -n 's/^[^ ]* [^ ]* [^ ]* [^ ]* \\([^ ]*\\) [^ ]* \\([^-]*\\)- .*/\\1 \\2/p' "
        .. "/proc/self/mountinfo | grep -v hidden/below"))
    ]]
  end)

  it("says what it could not do", function()
    local script <const> = HOST:format(dir) .. [[
      local box = assert(require "userns".container(helper.tree {
        { type = "bind", source = dir .. "/tree/locked", target = "/t" },
        { type = "remount", target = "/t", options = { "exec" } },
      }))
      local result, err = box:run { "/bin/true" }
      print(result, err.op, err.syscall, err.code, err.field, err.path)
    ]]
    assert.equal("nil\tremount\tmount\tEPERM\tmounts[2]\t/t\n",
      helper.output(script, ("%s %s"):format(wrapper, without "mount_setattr")))
  end)
end)

describe("a kernel without", function()
  before_each(helper.count)
  after_each(helper.check_count)

  --- The error of a container where calls are missing: its fields, and the part
  --- of the plan that it names.
  local function refusal(description, ...)
    local out <const> = helper.output(([[
      local helper = require "spec.helper"
      local fields = helper.refusal(%s, { "/bin/true" })
      local words = {}
      for name, value in pairs(fields) do
        words[#words + 1] = ("[%%q]=%%q"):format(name, value)
      end
      print("return {" .. table.concat(words, ",") .. "}")
    ]]):format(description), without(...))
    return load(out)()
  end

  it("open_tree is missed where something is bound", function()
    assert.same(errno("ENOSYS", { op = "open", syscall = "open_tree", path = "/usr", field = "mounts[1].source" }),
      refusal([[{ mounts = { { type = "bind", source = "/usr", target = "/mnt" } } }]], "open_tree"))
  end)

  it("fsopen is missed where something is mounted", function()
    assert.same(errno("ENOSYS", { op = "root_tmpfs", syscall = "fsopen", field = "root" }),
      refusal([[{ root = { type = "tmpfs" } }]], "fsopen"))
    assert.same(errno("ENOSYS", { op = "mount", syscall = "fsopen", path = "/mnt", field = "mounts[1]" }),
      refusal([[{ mounts = { { type = "tmpfs", target = "/mnt" } } }]], "fsopen"))
  end)

  it("openat2 is missed where a path inside is meant", function()
    assert.same(errno("ENOSYS", { op = "mount", syscall = "openat2", path = "/mnt", field = "mounts[1].target" }),
      refusal([[{ mounts = { { type = "tmpfs", target = "/mnt" } } }]], "openat2"))
  end)

  it("move_mount is missed where a root is attached", function()
    assert.same(errno("ENOSYS", { op = "root_tmpfs", syscall = "move_mount", field = "root" }),
      refusal([[{ root = { type = "tmpfs" } }]], "move_mount"))
  end)

  it("any of these needs none of them, where nothing is mounted", function()
    assert.equal("0\n", helper.output([[
      local helper = require "spec.helper"
      io.write(helper.inside({}, "id -u"))
    ]], without("open_tree", "fsopen", "fsconfig", "fsmount", "move_mount", "mount_setattr")))
  end)
end)
