-- What features says of the host is what comes of trying.
local features = require "userns.features"
local helper = require "spec.helper"
local sys = require "userns.sys"
local userns = require "userns"

local way <const> = helper.privilege

--- A feature by its name in the list.
local function find(found, name)
  for key in name:gmatch("[^.]+") do
    found = found[key]
  end
  return found
end

--- What a script prints that looks at features, run by a wrapper.
local function output(script, wrapper)
  return helper.output([[
    local userns = require "userns"
    local function show(found, ...)
      for _, name in ipairs { ... } do
        local one = found
        for key in name:gmatch("[^.]+") do
          one = one[key]
        end
        print(name, one.available, one.error and one.error.code or one.value or one.note)
      end
    end
  ]] .. script, wrapper)
end

describe("features", function()
  before_each(helper.count)
  after_each(helper.check_count)

  it("has each feature of the list, and a word of why where it is not available", function()
    local found <const> = userns.features()
    for _, entry in ipairs(features.list()) do
      local one <const> = find(found, entry.name)
      assert.is_boolean(one.available, entry.name)
      if one.available then
        assert.is_nil(one.error, entry.name)
      elseif one.value ~= 0 then
        assert.is_string(one.error.code, entry.name)
        assert.same({}, { one.error.step, one.error.side, one.error.field ~= "network.uplink" and one.error.field })
      end
      assert.matches("^%u?.*%.$", entry.doc)
    end
  end)

  it("is plain data", function()
    local function check(value)
      for key, inner in pairs(value) do
        assert.is_string(key)
        assert.truthy(({ table = true, string = true, number = true, boolean = true })[type(inner)], key)
        if type(inner) == "table" and key ~= "error" then
          check(inner)
        end
      end
    end
    check(userns.features())
  end)

  it("prints as a listing in the order of the list", function()
    local names <const>, listed <const> = {}, {}
    for i, entry in ipairs(features.list()) do
      names[i] = entry.name
    end
    for line in (tostring(userns.features()) .. "\n"):gmatch("([^\n]*)\n") do
      local name <const>, word <const> = line:match("^(%g+) +(%l+)")
      listed[#listed + 1] = name
      assert.truthy(word == "yes" or word == "no", line)
      assert.is_nil(line:find("%s$"))
    end
    assert.same(names, listed)
  end)

  it("says what the caller may", function()
    local found <const> = userns.features()
    local note <const> = way == "user" and "with a user namespace" or nil
    assert.same({ available = true }, found.namespaces.user)
    assert.same({ available = true, note = note }, found.namespaces.net)
    assert.same({ available = true, note = note }, found.namespaces.time)
    assert.is_true(found.userns.unprivileged.available)
    assert.is_true(found.process.terminal.available)
    assert.equal(sys.uname().release, found.kernel.value)
    assert.equal(sys.landlock_abi() > 0, found.confinement.landlock.available)
    assert.equal(sys.syscall_number "read" ~= nil, found.confinement.libseccomp.available)
    assert.equal(sys.pidfd_info "self" ~= nil, found.process.pidfd_info.available)
    if way ~= "root" then
      assert.same({ false, "EPERM" }, { found.mounts.idmap.available, found.mounts.idmap.error.code })
    end
    if way == "user" then
      local ranges <const> = sys.subids(helper.uid)
      assert.equal(("%d:%d"):format(ranges.uid[1].start, ranges.uid[1].count), found.ids.subuid.value)
      assert.is_true(found.ids.newuidmap.available)
    end
  end)

  it("counts how many user namespaces can be nested", function()
    local deep <const> = userns.features().userns.levels.value
    assert.equal(("userns.levels\ttrue\t%d\n"):format(deep - 1),
      output([[ show(userns.features(), "userns.levels") ]], "unshare --user --map-root-user"))
    assert.equal("userns.levels\ttrue\t3\n", output([[
      local file = assert(io.open("/proc/sys/user/max_user_namespaces", "w"))
      file:write("3")
      file:close()
      show(userns.features(), "userns.levels")
    ]], "unshare --user --map-root-user"))
  end)

  it("says what limits forbid", function()
    assert.equal([[
namespaces.user	false	ENOSPC
namespaces.mnt	true	nil
namespaces.uts	false	ENOSPC
namespaces.time	false	ENOSPC
userns.unprivileged	false	ENOSPC
userns.levels	false	ENOSPC
limits.user	false	0
limits.uts	false	0
mounts.overlay	false	ENOSPC
confinement.seccomp	true	nil
]], output([[
      for _, type in ipairs { "user", "uts", "time" } do
        local file = assert(io.open(("/proc/sys/user/max_%s_namespaces"):format(type), "w"))
        file:write("0")
        file:close()
      end
      show(userns.features(), "namespaces.user", "namespaces.mnt", "namespaces.uts", "namespaces.time",
        "userns.unprivileged", "userns.levels", "limits.user", "limits.uts", "mounts.overlay", "confinement.seccomp")
    ]], "unshare --user --map-root-user"))
  end)

  it("says which programs are not there", function()
    assert.equal([[
ids.newuidmap	false	ENOENT
ids.newgidmap	false	ENOENT
network.pasta	false	ENOENT
network.slirp4netns	false	ENOENT
]], output([[
      show(userns.features(), "ids.newuidmap", "ids.newgidmap", "network.pasta", "network.slirp4netns")
    ]], [[sh -c 'lua=$(command -v $1) && PATH=/nowhere exec $lua $2' sh]]))
  end)

  it("says what a filter of system calls denies", function()
    assert.equal([[
process.clone3	false	ENOSYS
namespaces.net	true	nil
process.pidfd_open	true	nil
mounts.fsopen	false	ENOSYS
mounts.mount_setattr	false	EPERM
userns.unprivileged	false	EPERM
]], output([[
      show(userns.features(), "process.clone3", "namespaces.net", "process.pidfd_open", "mounts.fsopen",
        "mounts.mount_setattr", "userns.unprivileged")
    ]], "unshare --user --map-root-user build/spec/deny "
      .. "clone3 ENOSYS fsopen ENOSYS mount_setattr EPERM unshare EPERM --"))
  end)

  it("changes nothing of the host", function()
    local name <const> = sys.gethostname()
    local groups <const> = helper.shell("find /sys/fs/cgroup -name 'userns-*' 2>/dev/null").out
    userns.features()
    assert.equal(name, sys.gethostname())
    assert.equal(groups, helper.shell("find /sys/fs/cgroup -name 'userns-*' 2>/dev/null").out)
  end)

  it("works in a host with threads", function()
    assert.equal("namespaces.net\ttrue\tnil\nmounts.overlay\ttrue\tnil\n", output([[
      local other = threads.start("threads.await(1)")
      show(userns.features(), "namespaces.net", "mounts.overlay")
      threads.post(1)
      other:join()
    ]], "unshare --user --map-root-user timeout 60 build/spec/threads"))
  end)
end)

describe("pidfd_info", function()
  it("tells of a process by its pidfd", function()
    local info <const>, err = sys.pidfd_info "self"
    if not info then
      assert.is_false(helper.is_linux(6, 13))
      assert.truthy(err.code == "ENOTTY" or err.code == "EINVAL") -- EINVAL from 6.9 on
      return
    end
    assert.equal(sys.getpid(), info.pid)
    assert.same({ helper.uid, helper.gid }, { info.uid, info.gid })
    local handle <close> = assert(sys.pidfd_open(info.parent))
    assert.equal(info.parent, sys.pidfd_info(handle).pid)
    local none <const>, why <const> = sys.pidfd_info(1 << 30)
    assert.same({ nil, "ESRCH" }, { none, why.code })
  end)
end)
