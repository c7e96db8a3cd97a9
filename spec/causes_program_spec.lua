-- Why a program is not executed: each refusal is produced, on both floors.
local helper = require "spec.helper"
local sys = require "userns.sys"
local told = require "spec.support.told"
local userns = require "userns"

local way <const> = helper.privilege

local directory

--- A file in the directory of the test.
local function file(name, text, mode)
  local path <const> = directory .. "/" .. name
  helper.write(path, text)
  assert(os.execute(("chmod %s %s"):format(mode or "755", path)))
  return path
end

-- e_machine lies at byte 18, e_type at 16.
local function elf(name, changes)
  local text = helper.read("/bin/true")
  for at, bytes in pairs(changes) do
    text = text:sub(1, at) .. bytes .. text:sub(at + #bytes + 1)
  end
  return file(name, text)
end

--- /bin/true, its loader, and where it says so.
local function true_loader()
  local text <const> = helper.read("/bin/true")
  local own <const> = text:match("/lib[%w/_.-]*ld%-[%w_.-]+")
  return text, own, text:find(own, 1, true)
end

--- /bin/true with another loader of the same length.
local function with_loader(name, loader)
  local text <const>, own <const>, first <const>, last <const> = true_loader()
  assert(#loader <= #own)
  return file(name, text:sub(1, first - 1) .. loader .. ("\0"):rep(#own - #loader) .. text:sub(last + 1))
end

--- /bin/true whose loader's name has no end.
local function with_endless_loader(name)
  local text <const>, _, _, last <const> = true_loader()
  return file(name, text:sub(1, last) .. "x" .. text:sub(last + 2))
end

local function link(name, to)
  assert(os.execute(("ln -s %s %s/%s"):format(to, directory, name)))
  return directory .. "/" .. name
end

-- What is executed, what the kernel says, the cause, and words of why and hint.
-- The code of the upper floor is the second, where it is another.
local CASES <const> = {
  { "a name that nothing has", function() return directory .. "/none" end, "ENOENT", "not_found",
    "none' does not exist" },
  { "a link that leads nowhere", function() return link("dangling", "nowhere") end, "ENOENT", "not_found",
    "leads nowhere" },
  { "a name below a file", function() return file("plain", "x") .. "/x" end, "ENOTDIR", "not_directory",
    "plain' is no directory", upper = "ENOENT" },
  { "a link to itself", function() return link("loop", "loop") end, "ELOOP", "symlink_loop", "leads back to itself" },
  { "a name that is too long", function() return directory .. "/" .. ("x"):rep(300) end, "ENAMETOOLONG",
    "name_too_long", "255" },
  { "a script whose interpreter is missing", function() return file("script", "#!/nowhere/sh\n") end, "ENOENT",
    "no_interpreter", "'/nowhere/sh', the interpreter of the script '", "first line" },
  { "a script with the line ends of DOS", function() return file("dos", "#!/bin/sh\r\n") end, "ENOENT",
    "no_interpreter", "carriage return", "sed" },
  { "a script whose interpreter may not be executed", function()
    return file("script", "#!" .. file("interpreter", "x", "644") .. "\n")
  end, "EACCES", "not_executable", "the interpreter of the script", "chmod a+x" },
  { "a script whose first line the kernel does not read to its end", function()
    return file("script", ("#!/%s\n"):format(("x"):rep(254)))
  end, "ENOEXEC", "interpreter_too_long", "within the first 256 bytes", "shorter path" },
  { "a script whose first line just fits", function() return file("script", ("#!/%s\n"):format(("x"):rep(252))) end,
    "ENOENT", "no_interpreter", ("x"):rep(252) .. "', the interpreter of" },
  { "scripts that interpret scripts", function()
    for i = 1, 5 do
      file("s" .. i, ("#!%s/s%d\n"):format(directory, i + 1))
    end
    file("s6", "#!/bin/sh\n")
    return directory .. "/s1"
  end, "ELOOP", "interpreter_loop", "more than four" },
  { "a program whose loader is missing", function() return with_loader("musl", "/lib/ld-musl-x.so.1") end, "ENOENT",
    "no_loader", "'/lib/ld-musl-x.so.1', the ELF loader of '", "musl" },
  { "a script whose interpreter lacks its loader", function()
    return file("script", "#!" .. with_loader("inner", "/lib/ld-other.so") .. "\n")
  end, "ENOENT", "no_loader", "'/lib/ld-other.so', the ELF loader of '", "/inner'" },
  { "a program for another machine", function() return elf("other", { [18] = "\x16\0" }) end, "ENOEXEC",
    "wrong_architecture", "built for s390x", sys.uname().machine },
  { "a program that is damaged, and whose loader is not", function() return elf("damaged", { [54] = "\0\0" }) end,
    "ENOEXEC", "bad_elf", "damaged' is a damaged ELF file" },
  { "a program that does not end its loader's name", function() return with_endless_loader("endless") end, "ENOEXEC",
    "bad_elf", "endless' is a damaged ELF file" },
  { "a script whose interpreter is damaged", function()
    return file("script", "#!" .. elf("damaged", { [54] = "\0\0" }) .. "\n")
  end, "ENOEXEC", "bad_elf", "/damaged' is a damaged ELF file" },
  { "the beginning of a program", function() return file("cut", helper.read("/bin/true"):sub(1, 12)) end, "ENOEXEC",
    "bad_elf", "cut' is a damaged ELF file" },
  { "a program whose loader is a text", function()
    return with_loader("program", file("text", ("x"):rep(300)))
  end, "ELIBBAD", "bad_loader", "/text', the ELF loader of '", "is no ELF file" },
  { "a program whose loader is a short text", function() return with_loader("program", file("text", "x")) end, "EIO",
    "bad_loader", "/text', the ELF loader of '", "is no ELF file" },
  { "an object file", function() return elf("object", { [16] = "\1\0" }) end, "ENOEXEC", "bad_elf", "not linked" },
  { "a script that names no interpreter", function() return file("script", "echo hello\n") end, "ENOEXEC",
    "unknown_format", "neither #! nor ELF", "#!/bin/sh" },
  { "an empty file", function() return file("empty", "") end, "ENOEXEC", "unknown_format", "is empty" },
  { "a file that is not executable", function() return file("plain", "#!/bin/sh\n", "644") end, "EACCES",
    "not_executable", "mode 0644", "chmod a+x" },
  { "a directory", function() return directory end, "EACCES", "is_directory", "is a directory" },
  { "a named pipe", function()
    assert(os.execute("mkfifo -m 755 " .. directory .. "/fifo"))
    return directory .. "/fifo"
  end, "EACCES", "no_file", "fifo" },
  { "too long an argument", function() return "/bin/true", ("x"):rep(200000) end, "E2BIG", "args_too_long",
    "argument 1 has 200000 bytes", "131071" },
}

local function check(err, case, code)
  assert.same({ code, case[4], nil }, { err.code, err.cause, err.found })
  local text <const> = (err.why or "") .. " " .. (err.hint or "")
  for i = 5, #case do
    assert.is_truthy(text:find(case[i], 1, true), text)
  end
end

describe("the cause of a program's refusal is told of", function()
  before_each(function()
    helper.count()
    directory = helper.directory()
  end)

  after_each(function()
    helper.remove(directory)
    helper.check_count()
  end)

  for _, case in ipairs(CASES) do
    it(case[1], function()
      local path <const>, argument <const> = case[2]()
      local _, lower <const> = sys.exec(path, { "program", argument })
      check(lower, case, case[3])
      local _, upper <const> = assert(userns.container {}):run { path, argument }
      check(upper, case, case.upper or case[3])
    end)
  end

  it("a program that PATH does not lead to", function()
    local _, err <const> = assert(userns.container {}):run { "no-such-program", env = { PATH = "/usr/bin:/bin" } }
    assert.same({ "ENOENT", "not_in_path" }, { err.code, err.cause })
    assert.is_truthy(err.why:find("'no-such-program': /usr/bin:/bin", 1, true), err.why)
  end)

  it("arguments that are too long together", function()
    local argv <const> = { "/bin/true" }
    for i = 2, 4000 do
      argv[i] = ("x"):rep(2000)
    end
    local _, err <const> = assert(userns.container {}):run(argv)
    assert.same({ "E2BIG", "args_too_long" }, { err.code, err.cause })
    assert.matches("%d+ bytes together", err.why)
  end)

  it("arguments that a small stack has no room for", function()
    local argv <const> = { "/bin/true" }
    for i = 2, 21 do
      argv[i] = ("x"):rep(5000)
    end
    local _, err <const> = assert(userns.container { rlimits = { stack = "64K" } }):run(argv)
    assert.same({ "E2BIG", "args_too_long" }, { err.code, err.cause })
    assert.matches("10%d%d%d%d bytes together, and the stack's limit lets 65536 through", err.why)
  end)

  it("a variable that is too long", function()
    local _, err <const> = assert(userns.container {}):run { "/bin/true", env = { BIG = ("x"):rep(200000) } }
    assert.same({ "args_too_long" }, { err.cause })
    assert.matches("variable BIG", err.why)
  end)

  it("a script that is open, and no path", function()
    local fd <close> = assert(sys.open(file("script", "#!/bin/sh\n")))
    local _, err <const> = sys.exec(fd, { "script" })
    assert.same({ "ENOENT", "script_by_fd" }, { err.code, err.cause })
  end)

  it("a program that somebody writes", function()
    local path <const> = file("busy", helper.read("/bin/true"))
    local writer <close> = assert(io.open(path, "a"))
    for _, err in ipairs {
      select(2, sys.exec(path, { "busy" })), (select(2, assert(userns.container {}):run { path })),
    } do
      assert.same({ "ETXTBSY", "text_busy" }, { err.code, err.cause })
    end
    assert(writer)
  end)

  it("a mount with noexec", function()
    local box <const> = assert(userns.container {
      mounts = { { type = "bind", source = "/usr/bin", target = "/usr/bin", options = { "noexec" } } },
    })
    local _, err <const> = box:run { "/usr/bin/env" }
    assert.same({ "EACCES", "noexec" }, { err.code, err.cause })
    assert.is_truthy(err.why:find("'/usr/bin/env' lies on a mount with noexec", 1, true))
    assert.matches('^leave "noexec" out of that mount', err.hint)
  end)

  it("a source with noexec", function()
    local mount <const> = "mount -t tmpfs -o noexec none %s && cp /bin/true %s"
    local output <const> = helper.output(([[
      local userns <const> = require "userns"
      local box <const> = assert(userns.container {
        mounts = { { type = "bind", source = %q, target = "/opt", options = { "exec" } } },
      })
      local _, err <const> = box:run { "/opt/true" }
      print(err.cause, err.hint)
    ]]):format(directory), ("unshare -Ur -m sh -c '%s && exec \"$@\"' sh"):format(mount:format(directory, directory)))
    assert.matches("^noexec\tbind a copy that lies on a mount without noexec", output)
  end)

  it("links on a mount with nosymfollow", function()
    local list <const> = told(([[
      tell(sys.exec("%s/link", { "link" }))
      tell(run({}, { "%s/link" }))
    ]]):format(directory, directory), ("unshare -Ur -m sh -c 'mount -t tmpfs -o nosymfollow none %s && ln -s /bin/true "
      .. "%s/link && exec \"$@\"' sh"):format(directory, directory))
    assert.equal(2, #list)
    for _, one in ipairs(list) do
      assert.same({ "ELOOP", "nosymfollow" }, { one.code, one.cause })
      assert.is_truthy(one.why:find(directory .. "/link' is a symbolic link on a mount with nosymfollow", 1, true))
    end
  end)

  it("a file system that executes nothing", function()
    local box <const> = assert(userns.container { root = { type = "bind", source = "/" }, mounts = {
      { type = "mqueue", target = "/mnt" }, { type = "file", target = "/mnt/queue", content = "", mode = "0755" },
    } })
    local _, err <const> = box:run { "/mnt/queue" }
    assert.same({ "EACCES", "inert_fs" }, { err.code, err.cause })
    assert.matches("executes nothing %(mqueue%)$", err.why)
    local _, other <const> = sys.exec("/proc/self/status", { "status" })
    assert.same({ "EACCES", "inert_fs" }, { other.code, other.cause })
  end)

  it("what leads into another process", function()
    local list <const> = told((way == "root" and "" or [[ tell(sys.exec("/proc/1/exe", { "program" })) ]])
      .. [[ tell(run({}, { "/proc/1/root/bin/true" })) ]])
    assert.equal(way == "root" and 1 or 2, #list)
    for _, one in ipairs(list) do
      assert.same({ "EACCES", "not_ptraceable" }, { one.code, one.cause })
    end
  end)

  it("a root without the loader", function()
    local box <const> = assert(userns.container {
      root = { type = "tmpfs" },
      mounts = { { type = "bind", source = file("own", helper.read("/bin/true")), target = "/own" } },
    })
    local _, err <const> = box:run { "/own" }
    assert.same({ "ENOENT", "no_loader" }, { err.code, err.cause })
    assert.matches("^'/lib[%w/_.-]+', the ELF loader of '/own', does not exist$", err.why)
  end)

  it("the description's own Landlock rules", function()
    local _, err <const> = assert(userns.container { landlock = { fs = {} } }):run { "/bin/true" }
    assert.same({ "EACCES", "landlock" }, { err.code, err.cause })
    local _, other <const> = assert(userns.container { landlock = { fs = {} } }):run { "/etc/passwd" }
    assert.same({ "EACCES", "not_executable" }, { other.code, other.cause })
  end)

  it("the description's own filter", function()
    for _, code in ipairs { "EPERM", "EACCES", "ENOSYS" } do
      -- one that denied every execve would not be taken
      local args <const> = { { index = 2, op = "ne", value = 0 } }
      local rule <const> = { names = "execve", action = "errno", errno = code, args = args }
      local box <const> = assert(userns.container { seccomp = { default = "allow", rules = { rule } } })
      local _, err <const> = box:run { "/bin/true" }
      assert.same({ code, "own_seccomp" }, { err.code, err.cause })
    end
  end)

  it("nothing that is not certain, where the description's own filter ends who looks", function()
    local rules <const> = { { names = { "openat2", "openat", "statx" }, action = "kill" } }
    for init = 0, 1 do
      local box <const> = assert(userns.container { init = init == 1, seccomp = { default = "allow", rules = rules } })
      local _, err <const> = box:run { directory .. "/none" }
      assert.same({ "exec", "ENOENT", nil }, { err.op, err.code, err.cause })
    end
  end)

  if way == "user" then
    it("what cannot be read, and needs what is not there", function()
      local path <const> = file("script", "#!/nowhere/sh\n", "111")
      local _, err <const> = sys.exec(path, { "script" })
      assert.same({ "ENOENT", nil, "no_interpreter", "no_loader" },
        { err.code, err.cause, err.causes[1].cause, err.causes[2].cause })
      assert.matches("script' is there and cannot be read: where it is a script", err.hint)
    end)
  end

  if way == "root" then
    it("capabilities of the file that the bounding set lacks", function()
      local path <const> = file("ping", helper.read("/bin/true"))
      assert(sys.set_file_caps(path, "cap_net_raw=ep"))
      local box <const> = assert(userns.container { namespaces = { "mnt" }, no_new_privs = false })
      local _, err <const> = box:run { path }
      assert.same({ "EPERM", "file_caps" }, { err.code, err.cause })
      assert.is_truthy(err.why:find("net_raw", 1, true), err.why)
    end)

    it("a directory that the program's user may not search", function()
      assert(os.execute(("mkdir -m 700 %s/own && cp /bin/true %s/own"):format(directory, directory)))
      local _, err <const> = assert(userns.container {}):run { directory .. "/own/true" }
      assert.same({ "EACCES", "not_searchable" }, { err.code, err.cause })
      assert.is_truthy(err.why:find(directory .. "/own' (mode 0700", 1, true), err.why)
    end)
  end
end)
