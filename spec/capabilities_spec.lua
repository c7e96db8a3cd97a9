-- Capability sets, secure bits, and what execve(2) makes of them.
local helper = require "spec.helper"
local userns = require "userns"

local is_root <const> = helper.privilege == "root"

local BITS <const> = { chown = 1 << 0, setuid = 1 << 7, net_raw = 1 << 13, setfcap = 1 << 31 }

--- The lines of /proc/self/status for five sets, each a list of names.
local function sets(inheritable, permitted, effective, bounding, ambient)
  local lines <const> = {}
  for i, list in ipairs { inheritable, permitted, effective, bounding, ambient } do
    local bits = 0
    for _, name in ipairs(list) do
      bits = bits | BITS[name]
    end
    lines[i] = ("Cap%s:%016x\n"):format(({ "Inh", "Prm", "Eff", "Bnd", "Amb" })[i], bits)
  end
  return table.concat(lines)
end

local SHOW <const> = "grep ^Cap /proc/self/status | tr -d '\\t'"

local function as(uid)
  return { { inside = uid, outside = helper.uid, count = 1 } }
end

local function description(capabilities, uid, more)
  return userns.merge({ capabilities = capabilities, uid_map = uid and as(uid) or nil }, more or {})
end

describe("capability sets", function()
  before_each(helper.count)
  after_each(helper.check_count)

  -- As uid 0, execve gives all of the bounding set; as another uid, the ambient
  -- set and nothing else.
  local CASES <const> = {
    { what = "permitted alone", given = { permitted = { "chown" } },
      [0] = { {}, { "chown" }, { "chown" }, { "chown" }, {} },
      [1000] = { {}, {}, {}, { "chown" }, {} } },
    { what = "less effective than permitted", given = { permitted = { "chown", "net_raw" }, effective = { "chown" } },
      [0] = { {}, { "chown", "net_raw" }, { "chown", "net_raw" }, { "chown", "net_raw" }, {} },
      [1000] = { {}, {}, {}, { "chown", "net_raw" }, {} } },
    { what = "an empty bounding set", given = { permitted = { "chown" }, bounding = "none" },
      [0] = { {}, {}, {}, {}, {} },
      [1000] = { {}, {}, {}, {}, {} } },
    { what = "a bounding set alone", given = { bounding = { "chown", "setuid" } },
      [0] = { {}, { "chown", "setuid" }, { "chown", "setuid" }, { "chown", "setuid" }, {} },
      [1000] = { {}, {}, {}, { "chown", "setuid" }, {} } },
    { what = "ambient ones", given = { ambient = { "net_raw" } },
      [0] = { { "net_raw" }, { "net_raw" }, { "net_raw" }, { "net_raw" }, { "net_raw" } },
      [1000] = { { "net_raw" }, { "net_raw" }, { "net_raw" }, { "net_raw" }, { "net_raw" } } },
    { what = "inheritable ones", given = { inheritable = { "net_raw" } },
      [0] = { { "net_raw" }, { "net_raw" }, { "net_raw" }, { "net_raw" }, {} },
      [1000] = { { "net_raw" }, {}, {}, { "net_raw" }, {} } },
  }

  for _, case in ipairs(CASES) do
    for _, uid in ipairs { 0, 1000 } do
      it(("give uid %d what execve makes of %s"):format(uid, case.what), function()
        assert.equal(sets(table.unpack(case[uid])),
          helper.inside(description(case.given, uid, { no_new_privs = false }), SHOW))
      end)
    end
  end

  it("give uid 0 no more than is permitted under no_new_privs", function()
    assert.equal(sets({}, {}, {}, { "chown", "setuid" }, {}),
      helper.inside(description({ bounding = { "chown", "setuid" } }, 0), SHOW))
    assert.equal(sets({ "net_raw" }, {}, {}, { "net_raw" }, {}),
      helper.inside(description({ inheritable = { "net_raw" } }, 0), SHOW))
  end)

  if is_root then
    it("are the same where the uid is taken late", function()
      local range <const> = { { inside = 0, outside = 100000, count = 65536 } }
      local given <const> = { capabilities = { ambient = { "net_raw" }, bounding = { "net_raw", "chown" } },
        uid_map = range, gid_map = range }
      assert.equal(sets({ "net_raw" }, { "net_raw" }, { "net_raw" }, { "chown", "net_raw" }, { "net_raw" }),
        helper.inside(given, SHOW, { uid = 1000, gid = 1000 }))
    end)
  end

  it("must agree with each other", function()
    for _, case in ipairs {
      { { permitted = "none", effective = { "chown" } }, "effective", "chown is not permitted" },
      { { permitted = "none", inheritable = { "chown" }, ambient = { "chown" } }, "ambient", "chown is not permitted" },
      { { permitted = { "chown" }, inheritable = "none", ambient = { "chown" } }, "ambient",
        "chown is not inheritable" },
    } do
      local _, err <const> = userns.container { capabilities = case[1] }
      assert.same(helper.invalid("capabilities." .. case[2], case[3]), helper.fields(err))
    end
    local _, err <const> = userns.container { capabilities = { permited = "all" } }
    assert.same(helper.invalid("capabilities.permited", "unknown field 'permited' (did you mean 'permitted'?)"),
      helper.fields(err))
  end)

  it("cannot bring user namespaces back by any of them", function()
    for _, set in ipairs { "permitted", "inheritable", "bounding" } do
      local _, err <const> = userns.container { capabilities = { [set] = { "sys_resource" } } }
      assert.equal("capabilities", err.field)
    end
    assert(userns.container { capabilities = { bounding = { "sys_resource" } }, allow_userns = true })
  end)

  -- ---- file capabilities -------------------------------------------------------

  local RANGE <const> = { { inside = 0, outside = 100000, count = 65536 } }

  --- What a program with a file capability has, when a shell executes it.  A file
  --- has capabilities for a namespace whose uid 0 is mapped: several ids are
  --- root's to map.
  local function executed(uid, no_new_privs, options)
    local box <const> = userns.merge(is_root and { uid_map = RANGE, gid_map = RANGE } or { uid_map = as(uid) }, {
      capabilities = { ambient = { "setfcap" }, bounding = { "setfcap", "chown" } },
      process = { uid = uid },
      no_new_privs = no_new_privs,
      mounts = {
        { type = "proc", target = "/proc" },
        { type = "tmpfs", target = "/mnt", options = options },
      },
    })
    return helper.inside(box, "cp /bin/grep /mnt/show && /sbin/setcap cap_chown=ep /mnt/show"
      .. " && /mnt/show ^Cap /proc/self/status | tr -d '\\t'")
  end

  it("gain what a file has, where new privileges are allowed and its mount is not nosuid", function()
    local expected <const> = is_root and sets({ "setfcap" }, { "chown" }, { "chown" }, { "chown", "setfcap" }, {})
      or sets({ "setfcap" }, { "setfcap" }, { "setfcap" }, { "chown", "setfcap" }, { "setfcap" })
    assert.equal(expected, executed(1000, false, { "suid" }))
  end)

  it("gain nothing by a file from a nosuid mount, as all are by default", function()
    assert.equal(sets({ "setfcap" }, { "setfcap" }, { "setfcap" }, { "chown", "setfcap" }, { "setfcap" }),
      executed(1000, false, {}))
  end)

  it("gain nothing by a file under no_new_privs", function()
    local expected <const> = is_root and sets({ "setfcap" }, {}, {}, { "chown", "setfcap" }, {})
      or sets({ "setfcap" }, { "setfcap" }, { "setfcap" }, { "chown", "setfcap" }, { "setfcap" })
    assert.equal(expected, executed(1000, nil, { "suid" }))
  end)

  it("are those of uid 0 whatever a file has", function()
    assert.equal(sets({ "setfcap" }, { "chown", "setfcap" }, { "chown", "setfcap" }, { "chown", "setfcap" }, {}),
      executed(0, false, { "suid" }))
  end)
end)

describe("securebits", function()
  before_each(helper.count)
  after_each(helper.check_count)

  local NOROOT <const> = { "noroot", "noroot_locked" }

  it("make uid 0 a uid like any other", function()
    assert.equal(sets({}, {}, {}, { "chown" }, {}),
      helper.inside(description({ "chown" }, 0, { securebits = NOROOT }), SHOW))
    assert.equal(sets({ "chown" }, { "chown" }, { "chown" }, { "chown" }, { "chown" }),
      helper.inside(description({ ambient = { "chown" } }, 0, { securebits = NOROOT }), SHOW))
  end)

  it("are there for the program to read, and no others", function()
    local given <const> = { "noroot", "no_setuid_fixup_locked", "no_cap_ambient_raise" }
    local script <const> = [[
      package.path, package.cpath = %q, %q
      print(table.concat(require "userns".sys.get_securebits(), " "))
    ]]
    local result <const> = helper.run({ securebits = given },
      { "lua5.4", "-e", script:format(package.path, package.cpath), cwd = helper.shell("pwd").out:match("[^\n]+"),
        stdout = "capture" })
    assert.equal("noroot no_setuid_fixup_locked no_cap_ambient_raise\n", result.stdout)
  end)

  it("can forbid ambient capabilities after those that are given", function()
    assert.equal(sets({ "chown" }, { "chown" }, { "chown" }, { "chown" }, { "chown" }),
      helper.inside(description({ "chown" }, 1000, { securebits = "no_cap_ambient_raise" }), SHOW))
  end)

  it("leave nothing of the capability that setting them takes", function()
    assert.equal(sets({}, {}, {}, {}, {}), helper.inside({ securebits = NOROOT }, SHOW))
  end)

  it("need privilege where there is no new user namespace", function()
    local box <const> = { namespaces = {}, securebits = "noroot" }
    if helper.privilege == "user" then
      assert.same(helper.errno("EPERM", { op = "capabilities", syscall = "capset", field = "capabilities" }),
        (helper.refusal(box, { "/bin/true" })))
    else
      assert.equal(sets({}, {}, {}, {}, {}), helper.inside(box, SHOW))
    end
  end)

  it("are words that exist", function()
    local _, err <const> = userns.container { securebits = "norot" }
    assert.same(helper.invalid("securebits", "unknown secure bit 'norot' (did you mean 'noroot'?)"),
      helper.fields(err))
  end)
end)
