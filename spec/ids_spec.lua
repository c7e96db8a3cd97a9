local ids <const> = require "userns.ids"
local normalise <const> = require "userns.normalise"

local WHOLE <const> = { { inside = 0, outside = 0, count = 4294967295 } }

--- Facts of an ordinary user's host, with others laid over.
local function host(other)
  local facts <const> = {
    uid = 1000,
    gid = 100,
    groups = { 100, 27 },
    uid_map = WHOLE,
    gid_map = WHOLE,
    subids = { uid = {}, gid = {} },
    helpers = {},
    setgroups = "allow",
    capabilities = {},
  }
  for key, value in pairs(other or {}) do
    facts[key] = value
  end
  return facts
end

local ALL <const> = { setuid = true, setgid = true, setpcap = true }

local function root(other)
  local facts <const> = host { uid = 0, gid = 0, groups = { 0 }, capabilities = ALL }
  for key, value in pairs(other or {}) do
    facts[key] = value
  end
  return facts
end

-- As under unshare -Ur.
local function single()
  return root {
    uid_map = { { inside = 0, outside = 1000, count = 1 } },
    gid_map = { { inside = 0, outside = 100, count = 1 } },
    groups = { 65534, 0 },
    setgroups = "deny",
  }
end

local function resolve(description, process, facts)
  return ids.resolve(normalise.description(description or {}), process or {}, facts)
end

local function one(inside, outside)
  return { { inside = inside, outside = outside, count = 1 } }
end

describe("a map", function()
  local map <const> = {
    { inside = 0, outside = 100000, count = 1000 },
    { inside = 5000, outside = 1000, count = 1 },
    { inside = 4294967294, outside = 4294967294, count = 1 },
  }

  it("says what an inside id is outside, and the other way round", function()
    for inside, outside in pairs { [0] = 100000, [999] = 100999, [5000] = 1000, [4294967294] = 4294967294 } do
      assert.equal(outside, ids.outside(map, inside))
      assert.equal(inside, ids.inside(map, outside))
    end
  end)

  it("says nothing of ids that it does not have", function()
    for _, id in ipairs { 1001, 4999, 5001, 4294967293 } do
      assert.is_nil(ids.outside(map, id))
    end
    for _, id in ipairs { 0, 999, 1001, 99999, 101000 } do
      assert.is_nil(ids.inside(map, id))
    end
    assert.is_nil(ids.outside({}, 0))
  end)
end)

describe("the ids of a container", function()
  it("of an ordinary user are 0 inside and the user's own outside", function()
    assert.same({
      uid = { map = one(0, 1000), program = 0, builder = 0, now = 0, kernel = 1000 },
      gid = { map = one(0, 100), program = 0, builder = 0, now = 0, kernel = 100 },
      setgroups = { write = "deny", works = false },
      separate = false,
    }, resolve({}, {}, host()))
  end)

  it("of an ordinary user as himself are the same on both sides", function()
    assert.same({
      uid = { map = one(1000, 1000), program = 1000, builder = 1000, now = 1000, kernel = 1000 },
      gid = { map = one(100, 100), program = 100, builder = 100, now = 100, kernel = 100 },
      setgroups = { write = "deny", works = false },
      separate = false,
    }, resolve({ uid_map = "self", gid_map = "self" }, {}, host()))
  end)

  it("of root are nobody's", function()
    assert.same({
      uid = { map = one(0, 65534), program = 0, builder = 0, kernel = 65534 },
      gid = { map = one(0, 65534), program = 0, builder = 0, kernel = 65534 },
      setgroups = { works = true },
      separate = true,
    }, resolve({}, {}, root()))
  end)

  it("of root with subordinate ids are the first of these", function()
    local subids <const> = {
      uid = { { start = 100000, count = 65536 }, { start = 300000, count = 65536 } },
      gid = { { start = 200000, count = 65536 } },
    }
    assert.same({
      uid = { map = one(100000, 100000), program = 100000, builder = 100000, kernel = 100000 },
      gid = { map = one(0, 200000), program = 0, builder = 0, kernel = 200000 },
      setgroups = { works = true },
      separate = true,
    }, resolve({ uid_map = "self" }, {}, root { subids = subids }))
  end)

  it("of root in a namespace with a single id are that one", function()
    for _, word in ipairs { "root", "self" } do
      assert.same({
        uid = { map = one(0, 0), program = 0, builder = 0, now = 0, kernel = 0 },
        gid = { map = one(0, 0), program = 0, builder = 0, now = 0, kernel = 0 },
        setgroups = { works = false },
        separate = false,
      }, resolve({ uid_map = word, gid_map = word }, {}, single()))
    end
  end)

  it("of root pass over subordinate ids that its namespace does not have", function()
    local facts <const> = root {
      uid_map = { { inside = 0, outside = 100000, count = 65536 } },
      subids = { uid = { { start = 100000, count = 65536 }, { start = 5000, count = 10 } }, gid = {} },
    }
    assert.equal(5000, resolve({}, {}, facts).uid.kernel)
    local alone <const> = single()
    alone.subids.uid[1] = { start = 100000, count = 65536 }
    assert.equal(0, resolve({}, {}, alone).uid.kernel)
  end)

  it("are never root's own by a word, where there is another", function()
    for _, word in ipairs { "root", "self" } do
      for _, facts in ipairs { root(), root { capabilities = {} }, root { gid = 5 } } do
        local identity <const> = resolve({ uid_map = word, gid_map = word }, {}, facts)
        assert.same({ 65534, 65534 }, { identity.uid.kernel, identity.gid.kernel })
      end
    end
    assert.equal(0, resolve({ uid_map = one(0, 0) }, {}, root()).uid.kernel)
  end)

  it("of ranges are 0 where that is mapped, else the first", function()
    local map <const> = { { inside = 7, outside = 1000, count = 1 }, { inside = 0, outside = 100000, count = 1 } }
    assert.same({ map = map, program = 0, builder = 0, now = 7, kernel = 100000 },
      resolve({ uid_map = map }, {}, host()).uid)
    assert.same({ map = map, program = 7, builder = 0, now = 7, kernel = 1000 },
      resolve({ uid_map = map }, { uid = 7 }, host()).uid)
    assert.same({ map = { map[1] }, program = 7, builder = 7, now = 7, kernel = 1000 },
      resolve({ uid_map = { map[1] } }, {}, host()).uid)
  end)

  it("are the process spec's, though the container's root builds", function()
    local map <const> = { { inside = 0, outside = 100000, count = 65536 } }
    local identity <const> = resolve({ uid_map = map, gid_map = map }, { uid = 33, gid = 44 }, root())
    assert.same({ map = map, program = 33, builder = 0, kernel = 100033 }, identity.uid)
    assert.same({ map = map, program = 44, builder = 0, kernel = 100044 }, identity.gid)
    assert.is_true(identity.separate)
  end)

  it("that are not mapped have no outside id", function()
    assert.is_nil(resolve({}, { uid = 5 }, host()).uid.kernel)
    assert.is_nil(resolve({}, { gid = 5 }, host()).gid.kernel)
  end)

  it("without a user namespace are the caller's, or the process spec's as they are", function()
    local own <const> = { program = 1000, builder = 1000, now = 1000, kernel = 1000 }
    assert.same({
      uid = own,
      gid = { program = 100, builder = 100, now = 100, kernel = 100 },
      setgroups = { works = false },
      separate = false,
    }, resolve({ share = "user" }, {}, host()))
    assert.same({
      uid = { program = 33, builder = 0, now = 0, kernel = 33 },
      gid = { program = 0, builder = 0, now = 0, kernel = 0 },
      setgroups = { works = true },
      separate = true,
    }, resolve({ share = "user" }, { uid = 33 }, root()))
  end)

  it("share no table with the description or the host", function()
    local d <const> = normalise.description { uid_map = one(0, 5), gid_map = one(0, 6) }
    local identity <const> = ids.resolve(d, {}, root())
    assert.same(d.uid_map, identity.uid.map)
    assert.are_not.equal(d.uid_map, identity.uid.map)
    assert.are_not.equal(d.uid_map[1], identity.uid.map[1])
  end)
end)

describe("all ids", function()
  local SUBIDS <const> = {
    uid = { { start = 100000, count = 1000 }, { start = 300000, count = 5 } },
    gid = { { start = 200000, count = 1000 } },
  }
  local HELPERS <const> = { uid = "/bin/newuidmap", gid = "/bin/newgidmap" }
  local AUTO <const> = { uid_map = "auto", gid_map = "auto" }

  local function degraded(kind, reason)
    return { feature = kind .. "_map", used = "one id", reason = reason }
  end

  it("of an ordinary user are his own and, by other programs, the subordinate ones after it", function()
    local identity <const> = resolve(AUTO, {}, host { subids = SUBIDS, helpers = HELPERS })
    assert.same({
      uid = {
        map = {
          { inside = 0, outside = 1000, count = 1 },
          { inside = 1, outside = 100000, count = 1000 },
          { inside = 1001, outside = 300000, count = 5 },
        },
        helper = "/bin/newuidmap", program = 0, builder = 0, now = 0, kernel = 1000,
      },
      gid = {
        map = { { inside = 0, outside = 100, count = 1 }, { inside = 1, outside = 200000, count = 1000 } },
        helper = "/bin/newgidmap", program = 0, builder = 0, now = 0, kernel = 100,
      },
      setgroups = { works = true },
      separate = false,
    }, identity)
  end)

  it("of root are the subordinate ones, which root writes", function()
    local identity <const> = resolve(AUTO, {}, root { subids = SUBIDS, helpers = HELPERS })
    assert.same({
      map = { { inside = 0, outside = 100000, count = 1000 }, { inside = 1000, outside = 300000, count = 5 } },
      program = 0, builder = 0, kernel = 100000,
    }, identity.uid)
    assert.same({ map = { { inside = 0, outside = 200000, count = 1000 } }, program = 0, builder = 0, kernel = 200000 },
      identity.gid)
  end)

  it("are one where there are no others, or nobody to write them", function()
    local none <const> = resolve(AUTO, {}, host { helpers = HELPERS })
    assert.same(one(0, 1000), none.uid.map)
    assert.same(degraded("uid", "the caller has no subordinate ids in /etc/subuid"), none.uid.degraded)
    assert.same(degraded("gid", "the caller has no subordinate ids in /etc/subgid"), none.gid.degraded)
    assert.is_nil(none.uid.helper)
    local nobody <const> = resolve(AUTO, {}, host { subids = SUBIDS })
    assert.same(one(0, 100), nobody.gid.map)
    assert.same(degraded("uid", "newuidmap is not installed"), nobody.uid.degraded)
    assert.same(degraded("gid", "newgidmap is not installed"), nobody.gid.degraded)
    assert.same({ "deny", false }, { nobody.setgroups.write, nobody.setgroups.works })
    assert.same(one(0, 65534), resolve(AUTO, {}, root()).uid.map)
  end)

  it("are those that the caller's own namespace has", function()
    local facts <const> = single()
    facts.subids, facts.helpers = SUBIDS, HELPERS
    local identity <const> = resolve(AUTO, {}, facts)
    assert.same(one(0, 0), identity.uid.map)
    assert.same(degraded("uid", "the caller has no subordinate ids in /etc/subuid"), identity.uid.degraded)
    -- the kernel maps a range only from within one of the caller's
    local part <const> = root {
      subids = SUBIDS,
      uid_map = { { inside = 0, outside = 500000, count = 100999 }, { inside = 100999, outside = 0, count = 400000 } },
    }
    assert.same({ { inside = 0, outside = 300000, count = 5 } }, resolve(AUTO, {}, part).uid.map)
    part.uid_map[1].count = 101000
    assert.same({ inside = 0, outside = 100000, count = 1000 }, resolve(AUTO, {}, part).uid.map[1])
  end)

  it("of explicit ranges are written by other programs too, unless it is one's own id", function()
    local facts <const> = host { helpers = HELPERS }
    assert.equal("/bin/newuidmap", resolve({ uid_map = { { inside = 0, outside = 100000, count = 9 } } }, {}, facts)
      .uid.helper)
    assert.equal("/bin/newuidmap", resolve({ uid_map = { { inside = 0, outside = 1000, count = 2 } } }, {}, facts)
      .uid.helper)
    assert.equal("/bin/newuidmap", resolve({ uid_map = one(0, 1001) }, {}, facts).uid.helper)
    assert.is_nil(resolve({ uid_map = one(5, 1000) }, {}, facts).uid.helper)
    assert.is_nil(resolve({ uid_map = one(0, 1001) }, {}, host()).uid.helper)
    assert.is_nil(resolve({ uid_map = one(0, 1001) }, {}, root { helpers = HELPERS }).uid.helper)
  end)
end)

describe("a separate image", function()
  it("is needed where the ids that the kernel sees change, and only there", function()
    local range <const> = { { inside = 0, outside = 100000, count = 65536 } }
    local own <const> = one(0, 1000)
    for i, row in ipairs {
      { false, {}, {}, host() },
      { false, { uid_map = "self" }, {}, host() },
      { false, { uid_map = one(5, 1000) }, {}, host() },
      { false, {}, { uid = 0, gid = 0 }, host() },
      { false, {}, {}, single() },
      { false, { share = "user" }, {}, root() },
      { false, { share = "user" }, { uid = 0 }, root() },
      { false, { uid_map = one(0, 0), gid_map = one(0, 0) }, {}, root() },
      { true, {}, {}, root() },
      { true, { uid_map = one(0, 0) }, {}, root() },
      { true, { gid_map = one(0, 0) }, {}, root() },
      { true, { uid_map = range }, {}, host() },
      { true, { gid_map = range }, {}, host() },
      { true, { uid_map = { own[1], { inside = 1, outside = 100000, count = 9 } } }, { uid = 1 }, host() },
      { true, { share = "user" }, { uid = 33 }, root() },
      { true, { share = "user" }, { gid = 33 }, root() },
    } do
      local expected <const>, description <const>, process <const>, facts <const> = table.unpack(row)
      assert.equal(expected, resolve(description, process, facts).separate, i)
    end
  end)
end)

describe("setgroups", function()
  local function setgroups(description, facts)
    return resolve(description, {}, facts).setgroups
  end

  it("is denied, and that written, where the caller may not map groups freely", function()
    assert.same({ write = "deny", works = false }, setgroups({}, host()))
    assert.same({ write = "deny", works = false }, setgroups({}, root { capabilities = { setuid = true } }))
  end)

  it("is not written where the caller's namespace denies it already", function()
    assert.same({ works = false }, setgroups({}, single()))
    assert.same({ works = false }, setgroups({}, host { setgroups = "deny" }))
  end)

  it("works where the caller may map groups freely", function()
    assert.same({ works = true }, setgroups({}, root()))
    assert.same({ works = true }, setgroups({}, host { capabilities = { setgid = true } }))
  end)

  it("is what the description says", function()
    assert.same({ write = "deny", works = false }, setgroups({ setgroups = "deny" }, root()))
    assert.same({ works = true }, setgroups({ setgroups = "allow" }, root()))
    -- the kernel will refuse the map
    assert.same({ works = true }, setgroups({ setgroups = "allow" }, host()))
  end)

  it("without a user namespace is the caller's privilege, where his namespace allows it", function()
    assert.same({ works = false }, setgroups({ share = "user" }, host()))
    assert.same({ works = true }, setgroups({ share = "user" }, root()))
    assert.same({ works = false }, setgroups({ share = "user" }, single()))
  end)
end)
