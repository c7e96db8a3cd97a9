local subids <const> = require "userns.subids"

local FILES <const> = {
  ["/etc/passwd"] = [[
root:x:0:0:root:/root:/bin/bash
alice:x:1000:1000:Alice:/home/alice:/bin/bash
bob:x:1001:1001::/home/bob:/bin/sh
]],
  ["/etc/subuid"] = [[
alice:100000:65536
bob:165536:65536
1000:500000:1000
alice:700000:5
]],
  ["/etc/subgid"] = "1000:300000:65536",
}

local function reader(files)
  return function(path)
    return files[path]
  end
end

local ALICE <const> = {
  uid = {
    { start = 100000, count = 65536 },
    { start = 500000, count = 1000 },
    { start = 700000, count = 5 },
  },
  gid = {
    { start = 300000, count = 65536 },
  },
}

describe("userns.subids", function()
  it("finds the ranges under the user's name and uid, by either", function()
    assert.same(ALICE, subids.of("alice", reader(FILES)))
    assert.same(ALICE, subids.of(1000, reader(FILES)))
  end)

  it("gives nobody the ranges of others", function()
    assert.same({ uid = {}, gid = {} }, subids.of("root", reader(FILES)))
    assert.same({ uid = {}, gid = {} }, subids.of("ali", reader(FILES)))
    assert.same({ uid = {}, gid = {} }, subids.of(100, reader(FILES)))
  end)

  it("knows users that have no entry in the passwd file", function()
    local files <const> = {
      ["/etc/subuid"] = "carol:1000:10\n2000:2000:20\n",
    }
    assert.same({ uid = { { start = 1000, count = 10 } }, gid = {} },
      subids.of("carol", reader(files)))
    assert.same({ uid = { { start = 2000, count = 20 } }, gid = {} },
      subids.of(2000, reader(files)))
  end)

  it("finds nothing where there are no files", function()
    assert.same({ uid = {}, gid = {} }, subids.of("alice", reader {}))
  end)

  it("passes over what is no range of ids", function()
    local files <const> = {
      ["/etc/subuid"] = table.concat({
        "# alice:1:1",
        "",
        "alice",
        "alice:100",
        "alice:100:",
        "alice:-1:5",
        "alice:0x10:5",
        "alice:1.5:5",
        "alice:100:0",
        "alice:100:5:6",
        "alice:4294967294:2",
        "alice:4294967296:1",
        "alice:99999999999999999999:1",
        "alice:1:99999999999999999999",
        "alice:4294967294:1",
        "alice:0:4294967295",
      }, "\n"),
    }
    assert.same({
      { start = 4294967294, count = 1 },
      { start = 0, count = 4294967295 },
    }, subids.of("alice", reader(files)).uid)
  end)

  it("reads the files of the machine", function()
    local found <const> = subids.of("root")
    assert.equal("table", type(found.uid))
    assert.equal("table", type(found.gid))
  end)

  it("raises for what is no user", function()
    local expected <const> = "bad argument #1 to 'of' (user name or uid expected, got %s)"
    for _, user in ipairs { 1.5, {}, true } do
      local ok <const>, message <const> = pcall(subids.of, user)
      assert.is_false(ok)
      assert.equal(expected:format(type(user)), message)
    end
  end)
end)
