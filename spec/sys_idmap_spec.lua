local helper <const> = require "spec.helper"
local sys <const> = require "userns.sys"

local refusal <const>, failure <const> = helper.bad_argument, helper.failure
local unprivileged <const>, NO_PID <const> = helper.unprivileged, helper.no_pid

local MAPS <const> = {
  { file = "uid_map", write = sys.write_uid_map, read = sys.read_uid_map, id = helper.uid },
  { file = "gid_map", write = sys.write_gid_map, read = sys.read_gid_map, id = helper.gid },
}

-- A user namespace starts with what its parent says of setgroups(2).
local denied <const> = helper.read("/proc/self/setgroups") == "deny\n"

local function eperm(op, call, path)
  return {
    op = op,
    syscall = call,
    code = "EPERM",
    errno = 1,
    message = "Operation not permitted",
    path = path,
  }
end

-- A process that sleeps in a namespace without maps.
local function unmapped()
  local pipe <const> = assert(io.popen("exec unshare --user sh -c 'echo $$; exec sleep 60'"))
  return setmetatable({ pid = pipe:read("n") }, {
    __close = function(process)
      os.execute("kill " .. process.pid)
      pipe:close()
    end,
  })
end

-- The lines as the kernel has them, with single blanks.
local function kernel_map(pid, file)
  local text <const> = helper.read(("/proc/%s/%s"):format(pid, file))
  return (text:gsub("\n +", "\n"):gsub("^ +", ""):gsub(" +", " "))
end

-- In a new user namespace of its own; prints what each call came to.
local function in_new_userns(calls)
  return helper.output(([[
    local sys = require "userns.sys"
    local uid, gid = %d, %d
    local function show(done, err)
      print(done, err and err.syscall, err and err.code, err and err.path)
    end
    local function maps()
      for _, file in ipairs { "uid_map", "gid_map", "setgroups" } do
        print((io.open("/proc/self/" .. file):read("a"):gsub(" +", " ")))
      end
    end
    assert(sys.unshare("user"))
  ]]):format(helper.uid, helper.gid) .. calls)
end

describe("userns.sys", function()
  for _, map in ipairs(MAPS) do
    describe("write_" .. map.file, function()
      it("raises for what is no map, before anything is opened", function()
        local range <const> = { inside = 0, outside = 0, count = 1 }
        local function with(field, value)
          local entry <const> = { inside = 0, outside = 0, count = 1 }
          entry[field] = value
          return { range, entry }
        end
        local list <const> = "list of { inside=, outside=, count= } expected"
        local id_range <const> = " is out of range (0 to 4294967294)"
        local count_range <const> = " is out of range (1 to 4294967295)"
        local wrong <const> = {
          { nil, "table expected, got nil" },
          { "0 0 1", "table expected, got string" },
          { {}, list },
          { range, list },
          { { range, nil, range }, list },
          { { range, note = "x" }, list },
          { { range, 7 }, "[2]: table expected, got number" },
          { { range, { 0, 0, 1 } }, "[2]: unknown field '1'" },
          { with("size", 1), "[2]: unknown field 'size'" },
          { { { inside = 0, outside = 0 } }, "[1].count is missing" },
          { { { inside = 0, count = 1 } }, "[1].outside is missing" },
          { { { outside = 0, count = 1 } }, "[1].inside is missing" },
          { with("inside", "0"), "[2].inside: integer expected, got string" },
          { with("inside", 1000.0), "[2].inside: integer expected, got a number with a fraction" },
          { with("inside", -1), "[2].inside: -1" .. id_range },
          { with("outside", 4294967295), "[2].outside: 4294967295" .. id_range },
          { with("outside", 1 << 32), "[2].outside: 4294967296" .. id_range },
          { with("count", 0), "[2].count: 0" .. count_range },
          { with("count", 1 << 32), "[2].count: 4294967296" .. count_range },
          { { { inside = 1, outside = 0, count = 4294967295 } }, "[1]: ids end at 4294967294" },
          { { { inside = 0, outside = 4294967294, count = 2 } }, "[1]: ids end at 4294967294" },
        }
        for _, case in ipairs(wrong) do
          assert.same({ "2", case[2] }, { refusal(map.write, NO_PID, case[1]) })
        end
      end)

      it("raises for ranges that overlap, and names both", function()
        local low <const> = { inside = 0, outside = 100, count = 10 }
        local high <const> = { inside = 20, outside = 200, count = 10 }
        local function refused(inside, outside, count)
          local entry <const> = { inside = inside, outside = outside, count = count }
          return select(2, refusal(map.write, NO_PID, { low, high, entry }))
        end
        assert.equal("[1] and [3] overlap inside", refused(9, 0, 1))
        assert.equal("[2] and [3] overlap inside", refused(10, 0, 11))
        assert.equal("[2] and [3] overlap outside", refused(50, 205, 1))
        assert.equal("[1] and [3] overlap inside", refused(0, 0, 4294967295))
      end)

      it("raises for more lines or a longer text than the kernel takes", function()
        local short <const>, long <const> = {}, {}
        for i = 1, 341 do
          short[i] = { inside = i, outside = i, count = 1 }
          long[i] = { inside = 4000000000 + i, outside = 1000 + i, count = 1 }
        end
        assert.same({ "2", "more than 340 entries" }, { refusal(map.write, NO_PID, short) })
        long[341] = nil
        assert.same({ "2", "its text is longer than 4095 bytes" },
          { refusal(map.write, NO_PID, long) })
      end)

      it("raises for what is no process", function()
        local range <const> = { { inside = 0, outside = 0, count = 1 } }
        local expected <const> = 'process expected (a pid, "self" or a process handle)'
        for _, target in ipairs { "/proc/self", { fd = 0 }, io.stdout } do
          assert.same({ "1", expected }, { refusal(map.write, target, range) })
        end
        assert.same({ "1", "0 is out of range (1 to 2147483647)" },
          { refusal(map.write, 0, range) })
        assert.same({ "1", "its pid is no process id" },
          { refusal(map.write, { pid = "1" }, range) })
        assert.same({ "1", "process, namespace, path or descriptor expected, got nil" },
          { refusal(map.write, nil, range) })
      end)

      it("tells that there is no such process", function()
        assert.same({
          op = map.file,
          syscall = "open",
          code = "ENOENT",
          errno = 2,
          message = "No such file or directory",
          path = ("/proc/%d/%s"):format(NO_PID, map.file),
        }, failure(map.write(NO_PID, { { inside = 0, outside = 0, count = 1 } })))
      end)

      it("gives another process its ids", function()
        local process <close> = unmapped()
        assert.is_true(sys.write_setgroups(process, "deny"))
        assert.is_true(map.write(process.pid, { { inside = 7, outside = map.id, count = 1 } }))
        assert.equal(("7 %d 1\n"):format(map.id), kernel_map(process.pid, map.file))
      end)

      it("is refused a second time", function()
        local process <close> = unmapped()
        local range <const> = { { inside = 0, outside = map.id, count = 1 } }
        assert(sys.write_setgroups(process, "deny"))
        assert(map.write(process, range))
        assert.same(eperm(map.file, "write", ("/proc/%d/%s"):format(process.pid, map.file)),
          failure(map.write(process, range)))
        assert.equal(("0 %d 1\n"):format(map.id), kernel_map(process.pid, map.file))
      end)

      it("gives ranges to the privileged only", function()
        local process <close> = unmapped()
        local done <const>, err <const> = map.write(process, {
          { inside = 0, outside = 100000, count = 1000 },
          { inside = 4294967294, outside = 4294967294, count = 1 },
          { inside = 1000, outside = 200000, count = 65536 },
        })
        if helper.privilege == "root" then
          assert.is_true(done)
          assert.equal("0 100000 1000\n4294967294 4294967294 1\n1000 200000 65536\n",
            kernel_map(process.pid, map.file))
        else
          assert.same(eperm(map.file, "write", ("/proc/%d/%s"):format(process.pid, map.file)),
            failure(done, err))
          assert.equal("", kernel_map(process.pid, map.file))
        end
      end)

      it("writes 340 lines at once", function()
        local process <close> = unmapped()
        local ranges <const> = {}
        for i = 1, 340 do
          ranges[i] = { inside = 2 * i, outside = 1000 + 2 * i, count = 1 }
        end
        local done <const>, err <const> = map.write(process, ranges)
        if helper.privilege == "root" then
          assert.is_true(done)
          assert.same(ranges, map.read(process))
        else
          assert.same(eperm(map.file, "write", ("/proc/%d/%s"):format(process.pid, map.file)),
            failure(done, err))
          assert.same({}, map.read(process))
        end
      end)

      it("leaves the ids of those alone who are not one's own", function()
        local path <const> = "/proc/1/" .. map.file
        local output <const> = helper.output(([[
          local map = { { inside = 0, outside = 0, count = 1 } }
          local _, err = require "userns.sys".write_%s(1, map)
          print(err.op, err.syscall, err.code, err.path)
        ]]):format(map.file), unprivileged)
        local refused <const> = helper.privilege == "root" and "write\tEPERM" or "open\tEACCES"
        assert.equal(("%s\t%s\t%s\n"):format(map.file, refused, path), output)
      end)
    end)

    describe("read_" .. map.file, function()
      it("tells what the kernel has of the caller", function()
        local lines <const> = {}
        for _, range in ipairs(map.read("self")) do
          lines[#lines + 1] = ("%d %d %d\n"):format(range.inside, range.outside, range.count)
        end
        assert.equal(kernel_map("self", map.file), table.concat(lines))
        assert.not_equal("", table.concat(lines))
      end)

      it("is empty before the map was written", function()
        local process <close> = unmapped()
        assert.same({}, map.read(process))
        assert.same({}, map.read(process.pid))
      end)

      it("tells that there is no such process", function()
        assert.same({
          op = map.file,
          syscall = "open",
          code = "ENOENT",
          errno = 2,
          message = "No such file or directory",
          path = ("/proc/%d/%s"):format(NO_PID, map.file),
        }, failure(map.read(NO_PID)))
      end)
    end)
  end

  it("maps the caller's own namespace", function()
    assert.equal(table.concat({
      "true\tnil\tnil\tnil",
      "true\tnil\tnil\tnil",
      "true\tnil\tnil\tnil",
      (" 0 %d 1\n"):format(helper.uid),
      (" 5 %d 1\n"):format(helper.gid),
      "deny\n",
      "",
    }, "\n"), in_new_userns [[
      show(sys.write_setgroups("self", "deny"))
      show(sys.write_gid_map("self", { { inside = 5, outside = gid, count = 1 } }))
      show(sys.write_uid_map("self", { { inside = 0, outside = uid, count = 1 } }))
      maps()
    ]])
  end)

  it("cannot map the caller's groups while setgroups is allowed", function()
    local expected <const> = denied and "true\tnil\tnil\tnil\n"
      or "nil\twrite\tEPERM\t/proc/self/gid_map\n"
    assert.equal(expected, in_new_userns [[
      show(sys.write_gid_map("self", { { inside = 0, outside = gid, count = 1 } }))
    ]])
  end)

  describe("write_setgroups", function()
    it("can be denied once and for all", function()
      assert.equal(table.concat({
        "true\tnil\tnil\tnil",
        "nil\twrite\tEPERM\t/proc/self/setgroups",
        "\n\ndeny\n",
        "",
      }, "\n"), in_new_userns [[
        show(sys.write_setgroups("self", "deny"))
        show(sys.write_setgroups("self", "allow"))
        maps()
      ]])
    end)

    it("comes too late after the group map", function()
      local process <close> = unmapped()
      local done <const>, err <const> = sys.write_gid_map(process, {
        { inside = 0, outside = helper.gid, count = 1 },
      })
      if helper.privilege == "user" and not denied then
        assert.same(eperm("gid_map", "write", ("/proc/%d/gid_map"):format(process.pid)),
          failure(done, err))
      else
        assert.is_true(done)
        assert.same(eperm("setgroups", "write", ("/proc/%d/setgroups"):format(process.pid)),
          failure(sys.write_setgroups(process, "deny")))
      end
    end)

    it("raises for another word", function()
      local function refused(...)
        return { refusal(sys.write_setgroups, "self", ...) }
      end
      assert.same({ "2", "invalid option 'Deny'" }, refused("Deny"))
      assert.same({ "2", "the string has a NUL byte" }, refused("deny\0"))
      assert.same({ "2", "string expected, got boolean" }, refused(false))
      assert.same({ "2", "string expected, got no value" }, refused())
    end)
  end)

  it("never takes another process of the same number for the one of a handle", function()
    local process <close> = unmapped()
    local handle
    do
      local dead <close> = unmapped()
      handle = assert(sys.pidfd_open(dead.pid))
      assert.same({}, sys.read_uid_map(handle))
    end
    assert.same({
      op = "uid_map",
      syscall = "pidfd_send_signal",
      code = "ESRCH",
      errno = 3,
      message = "No such process",
      path = ("/proc/%d/uid_map"):format(process.pid),
    }, failure(sys.write_uid_map({ pid = process.pid, fd = handle:fileno() }, {
      { inside = 0, outside = helper.uid, count = 1 },
    })))
    assert.equal("", kernel_map(process.pid, "uid_map"))
  end)
end)

describe("sys.newuidmap and newgidmap", function()
  it("write what the files grant, and say what they do not", function()
    local said <const> = helper.output [[
      local sys = require "userns.sys"
      local child <close> = assert(sys.clone({ "user" }, function() sys.poll({}, 1000) end))
      for _, kind in ipairs { "uid", "gid" } do
        local write <const> = sys["new" .. kind .. "map"]
        local range <const> = sys.subids((select(2, sys.getresuid())))[kind][1]
        local _, err = write(child.pid, { { inside = 0, outside = 7, count = 1 } })
        print(err.op, err.code, err.message ~= "")
        print(range and write(child.pid, { { inside = 0, outside = range.start, count = 2 } }))
        print(range and sys["read_" .. kind .. "_map"](child)[1].outside == range.start)
      end
    ]]
    if helper.privilege == "user" then
      assert.equal("newuidmap\tEPERM\ttrue\ntrue\ntrue\nnewgidmap\tEPERM\ttrue\ntrue\ntrue\n", said)
    else
      assert.matches("^newuidmap\tEPERM\ttrue\n", said)
    end
  end)

  it("must be in PATH", function()
    local said <const> = helper.output([[
      local _, err = require "userns.sys".newuidmap(1, { { inside = 0, outside = 0, count = 1 } })
      print(err.op, err.code, err.path)
    ]], [[sh -c 'lua=$(command -v "$1"); shift; PATH=/nonexistent exec "$lua" "$@"' sh]])
    assert.equal("newuidmap\tENOENT\tnewuidmap\n", said)
  end)

  it("take a pid and a list of ranges", function()
    assert.error_matches(function() sys.newuidmap("1", {}) end, "bad argument #1 to 'newuidmap'")
    assert.error_matches(function() sys.newgidmap(1, {}) end, "bad argument #2 to 'newgidmap'")
    assert.error_matches(function() sys.newgidmap(1, { { inside = 0, outside = 1.5, count = 1 } }) end,
      "%[1%]%.outside")
  end)
end)
