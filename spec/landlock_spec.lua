-- Landlock: what a kernel of any ABI is asked for, and what this one's program
-- may do then.
local compile <const> = require "userns.compile"
local helper <const> = require "spec.helper"
local host <const> = require "userns.host"
local sys <const> = require "userns.sys"
local userns <const> = require "userns"
local validate <const> = require "userns.validate"

local ABI <const> = assert(sys.landlock_abi())

-- What any program needs, to begin with.
local PROGRAMS <const> = {
  { path = "/usr", allow = { "read", "execute" } },
  { path = "/bin", allow = { "read", "execute" } },
  { path = "/lib", allow = { "read", "execute" } },
  { path = "/lib64", allow = { "read", "execute" }, optional = true },
  { path = "/dev/null", allow = { "read", "write" } },
}

--- Rules for these and those programs need.
local function rules(...)
  return { fs = table.move(PROGRAMS, 1, #PROGRAMS, select("#", ...) + 1, { ... }) }
end

--- A tree with two writable directories that each have a file.
local function tree(landlock)
  local description <const> = helper.tree {
    { type = "tmpfs", target = "/a" }, { type = "file", target = "/a/file", content = "a\n", mode = "0666" },
    { type = "tmpfs", target = "/b" }, { type = "file", target = "/b/file", content = "b\n", mode = "0666" },
    { type = "dir", target = "/a/sub", mode = "0777" },
    { type = "symlink", target = "/link", source = "a" },
  }
  description.landlock = landlock
  return description
end

--- What comes of each of several commands: "ok" or "no".
local function outcomes(description, ...)
  local script <const> = {}
  for i, command in ipairs { ... } do
    script[i] = ("if (%s) >/dev/null 2>&1; then echo ok; else echo no; fi"):format(command)
  end
  return (helper.inside(description, table.concat(script, "\n")):gsub("\n$", ""):gsub("\n", " "))
end

--- The plan that a kernel with Landlock of an ABI would get, or nil and the error.
local function plan_on(abi, landlock, strict)
  local facts <const> = setmetatable({ landlock = abi }, { __index = assert(host.facts()) })
  local d <const> = assert(validate.description { landlock = landlock, strict = strict })
  return compile.compile(d, assert(validate.process { "/bin/true" }), facts)
end

local function steps(plan)
  local list <const> = {}
  for _, step in ipairs(plan) do
    if step.slot and step.op ~= "open" then
      step.side, step.slot = nil, nil
      list[#list + 1] = step
    end
  end
  return list
end

local function lacking(plan)
  local list <const> = {}
  for _, entry in ipairs(plan.degraded) do
    list[#list + 1] = entry.feature == "landlock" and entry.used .. ": " .. entry.reason or nil
  end
  return list
end

before_each(helper.count)
after_each(helper.check_count)

describe("the plan of Landlock rules", function()
  local RULES <const> = {
    fs = {
      { path = "/", allow = { "read", "execute" } },
      { path = "/tmp", allow = { "write", "create", "remove", "refer" }, optional = true },
      { path = "/dev", allow = "ioctl" },
    },
    tcp = { bind = { 80, 0 }, connect = {} },
    scope = { "signal", "abstract_unix_socket" },
  }

  it("has the kernel's rights that the words stand for", function()
    local plan <const> = assert(plan_on(7, RULES))
    assert.same({}, lacking(plan))
    local makes <const> = {
      "make_block", "make_char", "make_dir", "make_fifo", "make_reg", "make_sock", "make_sym",
    }
    assert.same({
      {
        op = "ruleset", source = "landlock",
        fs = {
          "execute", "ioctl_dev", makes[1], makes[2], makes[3], makes[4], makes[5], makes[6], makes[7], "read_dir",
          "read_file", "refer", "remove_dir", "remove_file", "truncate", "write_file",
        },
        net = { "bind_tcp", "connect_tcp" },
        scope = { "signal", "abstract_unix_socket" },
      },
      {
        op = "path_rule", source = "landlock.fs[1]", path = "/", allow = { "execute", "read_dir", "read_file" },
        optional = false,
      },
      {
        op = "path_rule", source = "landlock.fs[2]", path = "/tmp", optional = true,
        allow = {
          makes[1], makes[2], makes[3], makes[4], makes[5], makes[6], makes[7], "refer", "remove_dir", "remove_file",
          "truncate", "write_file",
        },
      },
      { op = "path_rule", source = "landlock.fs[3]", path = "/dev", allow = { "ioctl_dev" }, optional = false },
      { op = "port_rule", source = "landlock.tcp.bind[1]", port = 80, allow = { "bind_tcp" } },
      { op = "port_rule", source = "landlock.tcp.bind[2]", port = 0, allow = { "bind_tcp" } },
      { op = "landlock", source = "landlock" },
    }, steps(plan))
  end)

  it("asks an older kernel for what it has, and says what is missing", function()
    local plan <const> = assert(plan_on(1, RULES))
    local found <const> = steps(plan)
    assert.is_nil(table.concat(found[1].fs, " "):find("[rt][er][fu][en][rc]"))
    assert.same({ nil, nil, 13 }, { found[1].net, found[1].scope, #found[1].fs })
    assert.same({ "ruleset", "path_rule", "path_rule", "landlock" },
      { found[1].op, found[2].op, found[3].op, found[4].op })
    assert.same({
      "no link or rename between directories: this kernel's Landlock has ABI 1, and that takes 2",
      "truncation is not restricted: this kernel's Landlock has ABI 1, and that takes 3",
      "TCP is not restricted: this kernel's Landlock has ABI 1, and that takes 4",
      "ioctl(2) of devices is not restricted: this kernel's Landlock has ABI 1, and that takes 5",
      "scopes are not restricted: this kernel's Landlock has ABI 1, and that takes 6",
    }, lacking(plan))
    assert.same({ "scopes are not restricted: this kernel's Landlock has ABI 5, and that takes 6" },
      lacking(assert(plan_on(5, RULES))))
  end)

  it("is empty where there is nothing to ask for", function()
    for abi, rule in pairs { [0] = { fs = {} }, [3] = { tcp = { bind = {} } }, [5] = { scope = "signal" } } do
      local plan <const> = assert(plan_on(abi, rule))
      assert.same({ 0, 1 }, { #steps(plan), #lacking(plan) })
    end
    assert.same({ "nothing is restricted by it: this kernel has no Landlock" },
      lacking(assert(plan_on(0, { fs = {} }))))
  end)

  it("misses only what was asked for", function()
    assert.same({}, lacking(assert(plan_on(4, { tcp = { connect = { 443 } } }))))
    assert.same({}, lacking(assert(plan_on(6, { scope = "signal" }))))
  end)

  it("is none in a strict description, where something is missing", function()
    local plan <const>, err <const> = plan_on(3, { tcp = { bind = {} } }, true)
    assert.is_nil(plan)
    -- what else is degraded here may come first
    assert.same({ "EDEGRADED", "strict" }, { err.code, err.field })
  end)
end)

describe("landlock", function()
  if ABI == 0 then
    it("is told to be missing", function()
      local result <const> = helper.run({ landlock = { fs = {} } }, { "/bin/true" })
      assert.equal("landlock", result.degraded[1].feature)
    end)
    return
  end

  it("lets the program read and execute what is listed, and no more", function()
    assert.equal("ok no ok no no no", outcomes(tree(rules { path = "/a", allow = "read" }),
      "cat /a/file", "cat /b/file", "ls /a", "ls /b", "echo x >/a/file", "cat /proc/self/status"))
  end)

  it("has a word for each kind of access", function()
    local commands <const> = { "echo x >>/a/file", "echo x >/a/new", "mkdir /a/dir", "rm /a/file" }
    local function with(...)
      return outcomes(tree(rules { path = "/a", allow = { ... } }), table.unpack(commands))
    end
    assert.equal("ok no no no", with "write")
    assert.equal("no no ok no", with "create")
    assert.equal("ok ok ok no", with("write", "create"))
    assert.equal("no no no ok", with "remove")
  end)

  it("restricts renames between directories, where they are not listed", function()
    local function with(...)
      return outcomes(tree(rules { path = "/a", allow = { "write", "create", "remove", ... } }),
        "perl -e 'exit !rename q(/a/file), q(/a/renamed)'", "perl -e 'exit !rename q(/a/renamed), q(/a/sub/file)'")
    end
    assert.equal("ok no", with())
    assert.equal(ABI >= 2 and "ok ok" or "ok no", with "refer")
  end)

  it("restricts truncation with writing", function()
    assert.equal(ABI >= 3 and "no" or "ok", outcomes(tree(rules { path = "/a", allow = { "read", "create" } }),
      "perl -e 'exit !truncate q(/a/file), 0'"))
    assert.equal("ok", outcomes(tree(rules { path = "/a", allow = "write" }), "perl -e 'exit !truncate q(/a/file), 0'"))
  end)

  it("takes a file, and a symbolic link that is followed inside", function()
    assert.equal("ok no", outcomes(tree(rules { path = "/a/file", allow = { "read", "create" } }),
      "cat /a/file", "ls /a"))
    assert.equal("ok no", outcomes(tree(rules { path = "/link", allow = "read" }), "cat /a/file", "cat /b/file"))
  end)

  it("holds for what the program executes, and not for the host", function()
    assert.equal("no", outcomes(tree(rules()), "sh -c 'sh -c \"cat /a/file\"'"))
    assert.truthy(helper.read "/proc/self/status")
  end)

  it("passes over a path that does not exist where it may, and else names it", function()
    assert.equal("ok", outcomes(tree(rules { path = "/nowhere", allow = "read", optional = true }), "true"))
    assert.same(helper.errno("ENOENT", {
      op = "path_rule", syscall = "openat2", path = "/nowhere", field = "landlock.fs[1]",
    }), (helper.refusal(tree(rules { path = "/nowhere", allow = "read" }), { "/bin/true" })))
    -- of the host's tree there is nothing to be found
    local directory <const> = helper.directory()
    assert.equal("ENOENT", helper.refusal(tree(rules { path = directory, allow = "read" }), { "/bin/true" }).code)
    helper.remove(directory)
  end)

  it("says what a program that cannot begin would have needed", function()
    local fields <const>, advice <const> = helper.refusal({ landlock = { fs = {} } }, { "/bin/true" })
    assert.same(helper.errno("EACCES", { op = "exec", syscall = "execve", path = "/bin/true", field = "process[1]" }),
      fields)
    assert.matches("^Landlock must allow", advice.hint)
    -- without rules it is something else
    local other <const>, silent <const> = helper.refusal({}, { "/etc/passwd" })
    assert.same({ "EACCES", "not_executable" }, { other.code, silent.cause })
  end)

  it("is made as the container's root, whoever the program is", function()
    if helper.privilege ~= "root" then
      return assert.equal("ok", outcomes(tree(rules { path = "/a", allow = "read" }), "cat /a/file"))
    end
    local description <const> = helper.tree {
      { type = "dir", target = "/closed", mode = "0700" }, { type = "dir", target = "/closed/open", mode = "0755" },
    }
    local ranges <const> = { { inside = 0, outside = 100000, count = 1000 } }
    description.uid_map, description.gid_map = ranges, ranges
    description.landlock = rules { path = "/closed/open", allow = "read" }
    assert.equal("1\n", helper.inside(description, "id -u", { uid = 1, gid = 1 }))
  end)

  -- ---- TCP -------------------------------------------------------------------

  local CONNECT <const> = [[use Socket; socket(S, PF_INET, SOCK_STREAM, 0);
    print connect(S, sockaddr_in(%d, INADDR_LOOPBACK)) ? "ok" : $!{EACCES} ? "EACCES" : $!{ECONNREFUSED} ? "free" : $!]]
  local BIND <const> = [[use Socket; socket(S, PF_INET, SOCK_STREAM, 0);
    print bind(S, sockaddr_in(%d, INADDR_ANY)) ? "free" : $!{EACCES} ? "EACCES" : $!]]

  local function perl(landlock, program, port)
    return helper.run({ landlock = landlock }, {
      "/usr/bin/perl", "-MErrno", "-e", program:format(port), stdout = "capture",
    }).stdout
  end

  it("restricts the TCP ports that are bound and connected to, each where it is told to", function()
    local refused <const> = ABI >= 4 and "EACCES" or "free"
    local ports <const> = { tcp = { bind = { 2000 }, connect = { 3000 } } }
    assert.same({ "free", refused, "free", refused },
      { perl(ports, BIND, 2000), perl(ports, BIND, 3000), perl(ports, CONNECT, 3000), perl(ports, CONNECT, 2000) })
    local none <const> = { tcp = { bind = {} } }
    assert.same({ refused, "free" }, { perl(none, BIND, 2000), perl(none, CONNECT, 2000) })
  end)

  it("tells of ports and scopes that this kernel's does not know, which is an error where all must be", function()
    for needed, rule in pairs { [4] = { tcp = { connect = {} } }, [6] = { scope = "signal" } } do
      local result <const> = helper.run({ landlock = rule }, { "/bin/true" })
      assert.is_true(result.ok)
      assert.equal(ABI < needed and 1 or 0, #lacking(result))
      local strict <const> = assert(userns.container { landlock = rule, strict = true, share = "user" })
      local _, err <const> = strict:plan { "/bin/true" }
      assert.equal(ABI < needed and "EDEGRADED" or nil, err and err.message:find("Landlock", 1, true) and err.code)
    end
  end)

  -- ---- scopes ----------------------------------------------------------------

  it("keeps signals inside", function()
    local refused <const> = ABI >= 6 and "no" or "ok"
    assert.equal("ok ok", outcomes({ namespaces = {} }, "kill -0 $PPID", "kill -0 $$"))
    assert.equal(refused .. " ok",
      outcomes({ namespaces = {}, landlock = { scope = "signal" } }, "kill -0 $PPID", "kill -0 $$"))
  end)

  it("keeps abstract sockets inside", function()
    local name <const> = "userns-spec-" .. os.time() .. "-" .. helper.privilege
    -- the interpreter that starts the container listens
    local listen <const> = ([[perl -e 'use Socket; $^F = 255; socket(S, PF_UNIX, SOCK_STREAM, 0);
      bind(S, pack_sockaddr_un("\0%s")); listen(S, 1); exec @ARGV']]):format(name)
    local script <const> = ([[
      for _, landlock in ipairs { false, { scope = "abstract_unix_socket" } } do
        local box = assert(require "userns".container { namespaces = {}, landlock = landlock or nil })
        local result = assert(box:run {
          "/usr/bin/perl", "-MErrno", "-e", 'use Socket; socket(S, PF_UNIX, SOCK_STREAM, 0);'
          .. 'print connect(S, pack_sockaddr_un("\\0%s")) ? "ok" : $!{EPERM} ? "EPERM" : $!', stdout = "capture",
        })
        print(result.stdout)
      end
    ]]):format(name)
    assert.equal(ABI >= 6 and "ok\nEPERM\n" or "ok\nok\n", helper.output(script, listen))
  end)

  -- ---- the description -------------------------------------------------------

  it("is refused where it cannot be meant", function()
    local function problems(landlock, more)
      local description <const> = { landlock = landlock, no_new_privs = more }
      local lines <const> = {}
      local _, err <const> = userns.container(description)
      for i, problem in ipairs(err.problems) do
        lines[i] = ("%s: %s"):format(problem.field, problem.message)
      end
      return lines
    end
    local NOTHING <const> = { "landlock: restricts nothing: fs, tcp or scope is missing" }
    assert.same(NOTHING, problems {})
    assert.same(NOTHING, problems { tcp = {} })
    assert.same({
      "landlock.fs[1].path: an absolute path is needed",
      "landlock.fs[1].allow: one word is the least",
      "landlock.fs[2].allow: unknown right 'exec'",
      "landlock.fs[3].path: missing (absolute path)",
      "landlock.tcp.bind[1]: 65536 is out of range (0 to 65535)",
      "landlock.scope[1]: unknown scope 'signals' (did you mean 'signal'?)",
    }, problems {
      fs = { { path = "a", allow = {} }, { path = "/b", allow = "exec" }, { allow = "read" } },
      tcp = { bind = { 65536 } }, scope = { "signals" },
    })
    assert.same({ "landlock: needs no_new_privs, or the capability sys_admin" }, problems({ fs = {} }, false))
  end)

  it("is in words and in the description in force", function()
    local box <const> = assert(userns.container {
      landlock = {
        fs = { { path = "/usr", allow = "read" } }, tcp = { bind = {}, connect = { 80, 443 } }, scope = "signal",
      },
    })
    assert.matches("allowed: +read at /usr\nallowed: +nothing else with files\nTCP bind: +none\n"
      .. "TCP connect: +80 443\nkept inside: +signal\n", tostring(box))
    assert.same({
      fs = { { path = "/usr", allow = { "read" }, optional = false } },
      tcp = { bind = {}, connect = { 80, 443 } }, scope = { "signal" },
    }, box:describe().landlock)
  end)
end)
