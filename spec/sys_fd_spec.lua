local helper <const> = require "spec.helper"
local sys <const> = require "userns.sys"

local refusal <const>, failure <const> = helper.bad_argument, helper.failure

local HOST <const> = "timeout --signal=ABRT --kill-after=10 120 build/spec/host"

local ERRNO <const> = {
  ENOENT = { 2, "No such file or directory" },
  EBADF = { 9, "Bad file descriptor" },
  EAGAIN = { 11, "Resource temporarily unavailable" },
  EACCES = { 13, "Permission denied" },
  EEXIST = { 17, "File exists" },
  ENOTDIR = { 20, "Not a directory" },
  EISDIR = { 21, "Is a directory" },
  EINVAL = { 22, "Invalid argument" },
  EMFILE = { 24, "Too many open files" },
  EPIPE = { 32, "Broken pipe" },
  ELOOP = { 40, "Too many levels of symbolic links" },
}

local DESCRIPTOR <const> = "descriptor (integer, io file, { fd = } or handle) expected, got "

local function refused(op, syscall, code, path)
  local errno <const>, message <const> = table.unpack(ERRNO[code])
  return { op = op, syscall = syscall, code = code, errno = errno, message = message, path = path }
end

local function output(script, wrapper)
  return helper.output('local sys = require "userns.sys"\n' .. script, wrapper)
end

local function read_all(reader)
  local list <const> = {}
  repeat
    list[#list + 1] = assert(reader:read())
  until list[#list] == ""
  return table.concat(list)
end

local function write_all(writer, data)
  local first = 1
  while first <= #data do
    first = first + assert(writer:write(data, first))
  end
end

-- A pipe whose ends close together.
local function pipe()
  local reader <const>, writer <const> = sys.pipe()
  return setmetatable({ reader = reader, writer = writer }, {
    __close = function()
      reader:close()
      writer:close()
    end,
  })
end

local dir

setup(function() dir = helper.directory() end)
teardown(function() helper.remove(dir) end)

describe("a descriptor's handle", function()
  before_each(helper.count)
  after_each(helper.check_count)

  it("tells its number and goes on owning it", function()
    local fd <close> = assert(sys.open("/dev/null"))
    assert.equal("integer", math.type(fd:fileno()))
    assert.equal(fd:fileno(), fd:fileno())
    assert.equal(("userns.fd (%d)"):format(fd:fileno()), tostring(fd))
  end)

  it("is closed once, by close, <close> and collection", function()
    local number
    do
      local fd <close> = assert(sys.open("/dev/null"))
      number = fd:fileno()
      fd:close()
      assert.is_nil((sys.fileno(number)))
      -- The number is another's by now.
      local other <close> = assert(sys.open("/dev/null"))
      assert.equal(number, other:fileno())
      fd:close()
      assert.equal(number, sys.fileno(number))
      assert.equal("userns.fd (closed)", tostring(fd))
    end
    assert.is_nil((sys.fileno(number)))
    do
      local _ <const> = assert(sys.open("/dev/null"))
    end
    assert.equal(number, sys.fileno(number))
    collectgarbage()
    assert.is_nil((sys.fileno(number)))
  end)

  it("raises when it is closed", function()
    local fd <const> = assert(sys.open("/dev/null"))
    fd:close()
    for _, method in ipairs { "fileno", "read", "write", "file", "nonblock" } do
      assert.same({ "1", "the descriptor is closed" }, { refusal(fd[method], fd, "r") })
    end
  end)

  it("raises for what is no handle", function()
    local fd <close> = assert(sys.open("/dev/null"))
    for _, method in ipairs { "fileno", "read", "write", "file", "nonblock", "close" } do
      assert.same({ "1", "userns.fd expected, got FILE*" }, { refusal(fd[method], io.stdout) })
      assert.same({ "1", "userns.fd expected, got number" }, { refusal(fd[method], 1) })
    end
  end)
end)

describe("userns.sys.pipe", function()
  before_each(helper.count)
  after_each(helper.check_count)

  it("carries bytes, any of them, to the end", function()
    local ends <close> = pipe()
    assert.equal(7, ends.writer:write("a\0b\r\nc\255"))
    assert.equal("a\0b\r\nc\255", ends.reader:read())
    ends.writer:write("last")
    ends.writer:close()
    assert.equal("last", ends.reader:read())
    assert.equal("", ends.reader:read())
    assert.equal("", ends.reader:read())
  end)

  it("carries ten mebibytes", function()
    local chunk <const> = {}
    for i = 1, 1 << 16 do
      chunk[i] = string.pack("<I4", i * 2654435761 & 0xffffffff)
    end
    local data <const> = table.concat(chunk):rep(40)
    assert.equal(10 << 20, #data)
    local ends <close> = pipe()
    local child <close> = assert(sys.clone({}, function()
      ends.reader:close()
      write_all(ends.writer, data)
    end))
    ends.writer:close()
    assert.is_true(read_all(ends.reader) == data)
    assert.equal(0, assert(child:wait()).exit_code)
  end)

  it("is written to from a position on, and the count of bytes told", function()
    local ends <close> = pipe()
    assert.equal(5, ends.writer:write("written", 3))
    assert.equal("itten", ends.reader:read())
    assert.equal(1, ends.writer:write("written", 7))
    assert.equal("n", ends.reader:read())
    assert.equal(0, ends.writer:write("written", 8))
    assert.equal(0, ends.writer:write(""))
    local write <const>, writer <const> = ends.writer.write, ends.writer
    assert.same({ "3", "0 is out of range (1 to 8)" }, { refusal(write, writer, "written", 0) })
    assert.same({ "3", "9 is out of range (1 to 8)" }, { refusal(write, writer, "written", 9) })
    assert.same({ "3", "integer expected, got string" }, { refusal(write, writer, "x", "1") })
    assert.same({ "2", "string expected, got nil" }, { refusal(write, writer, nil) })
  end)

  it("takes what fits and then asks to be written to again, where it does not wait", function()
    local ends <close> = pipe()
    assert.is_true(ends.writer:nonblock())
    assert.is_true(ends.reader:nonblock())
    assert.same(refused("read", "read", "EAGAIN"), failure(ends.reader:read()))
    local data <const> = ("x"):rep(1 << 20)
    local count <const> = ends.writer:write(data)
    assert.is_true(0 < count and count < #data)
    assert.same(refused("write", "write", "EAGAIN"), failure(ends.writer:write("x")))
    local size = 0
    repeat
      local text <const>, err <const> = ends.reader:read()
      size = size + #(text or "")
    until err
    assert.equal(count, size)
    ends.writer:close()
    assert.equal("", ends.reader:read())
  end)

  it("is an error to write to when nobody reads, not a signal", function()
    assert.equal(("write write EPIPE 32 Broken pipe\n"):rep(3) .. "alive\n", output [[
      local reader, writer = sys.pipe()
      reader:close()
      for _ = 1, 3 do
        local _, err = writer:write("x")
        print(("%s %s %s %d %s"):format(err.op, err.syscall, err.code, err.errno, err.message))
      end
      print("alive")
    ]])
  end)

  it("leaves SIGPIPE to what the host writes itself", function()
    local result <const> = helper.lua [[
      local sys = require "userns.sys"
      local reader, writer = sys.pipe()
      reader:close()
      assert(not writer:write("x"))
      local file = writer:file("w")
      file:setvbuf("no")
      print(pcall(file.write, file, "x"))
    ]]
    assert.same({ "", 128 + 13 }, { result.out, result.code })
  end)

  it("has ends that are read or written only", function()
    local ends <close> = pipe()
    assert.same(refused("read", "read", "EBADF"), failure(ends.writer:read()))
    assert.same(refused("write", "write", "EBADF"), failure(ends.reader:write("x")))
  end)

  it("is refused when there are no descriptors left, and keeps none", function()
    assert.equal(("pipe pipe2 EMFILE\n"):rep(2) .. "true\n", output([[
      collectgarbage("stop")
      local list, fd = {}, sys.open("/dev/null")
      while fd do
        list[#list + 1], fd = fd, sys.open("/dev/null")
      end
      local function try()
        local reader, err = sys.pipe()
        print(reader and true or ("%s %s %s"):format(err.op, err.syscall, err.code))
      end
      try()
      table.remove(list):close()
      try()
      table.remove(list):close()
      try()
    ]], [[sh -c 'ulimit -n 16; exec "$@"' sh]]))
  end)

  it("keeps out of the standard streams' way, which stay closed", function()
    assert.equal("true\n", output([[
      host.close(0)
      host.close(2)
      local reader, writer = sys.pipe()
      local fd = sys.open("/dev/null")
      print(reader:fileno() > 2 and writer:fileno() > 2 and fd:fileno() > 2
        and sys.fileno(0) == nil and sys.fileno(2) == nil)
    ]], HOST))
  end)

  it("is not inherited by a program", function()
    assert.equal("closed closed closed\n", output [[
      local reader, writer = sys.pipe()
      local fd = sys.open("/dev/null")
      for i, handle in ipairs { reader, writer, fd } do
        local here = os.execute(("test -e /proc/self/fd/%d"):format(handle:fileno()))
        io.write(here and "open" or "closed", i < 3 and " " or "\n")
      end
    ]])
  end)
end)

describe("a descriptor as a file of the io library", function()
  before_each(helper.count)
  after_each(helper.check_count)

  it("is read and written as files are", function()
    local ends <close> = pipe()
    local writer <const>, reader <const> = ends.writer:file("w"), ends.reader:file("r")
    assert.equal("file", io.type(writer))
    assert(writer:write("one\n", 2, "\n", "three"))
    assert.is_true(writer:close())
    assert.equal("one", reader:read())
    assert.equal(2, reader:read("n"))
    assert.equal("\nthree", reader:read("a"))
    assert.is_true(reader:close())
    assert.equal("closed file", io.type(reader))
  end)

  it("belongs to the file", function()
    local ends <close> = pipe()
    local number <const> = ends.reader:fileno()
    local file <const> = assert(ends.reader:file("r"))
    assert.equal("userns.fd (closed)", tostring(ends.reader))
    assert.same({ "1", "the descriptor is closed" }, { refusal(ends.reader.fileno, ends.reader) })
    ends.reader:close()
    assert.equal(number, sys.fileno(file))
    file:close()
    assert.is_nil((sys.fileno(number)))
  end)

  it("is closed with the file's scope, and by collection", function()
    local ends <close> = pipe()
    local number <const> = ends.reader:fileno()
    do
      local _ <close> = ends.reader:file("r")
    end
    assert.is_nil((sys.fileno(number)))
    local other <const> = ends.writer:fileno()
    ends.writer:file("w")
    collectgarbage()
    assert.is_nil((sys.fileno(other)))
  end)

  it("says why it cannot be closed well", function()
    local full <const> = assert(sys.open("/dev/full", "write")):file("w")
    assert(full:write("x"))
    assert.same({ n = 3, nil, "No space left on device", 28 }, table.pack(full:close()))
  end)

  it("is read from the start and written at the end as the mode says", function()
    local path <const> = dir .. "/modes"
    helper.write(path, "first\n")
    do
      local file <close> = assert(sys.open(path, "readwrite")):file("r+")
      assert.equal("first", file:read())
      file:seek("set", 0)
      file:write("FIRST")
    end
    do
      local file <close> = assert(sys.open(path, "write")):file("a")
      file:write("second\n")
    end
    assert.equal("FIRST\nsecond\n", helper.read(path))
  end)

  it("stays the handle's where the mode does not fit", function()
    local ends <close> = pipe()
    assert.same(refused("fdopen", "fcntl", "EINVAL"), failure(ends.reader:file("w")))
    assert.same(refused("fdopen", "fcntl", "EINVAL"), failure(ends.writer:file("r")))
    assert.equal(2, ends.writer:write("ok"))
    assert.equal("ok", ends.reader:read())
  end)

  it("raises for a mode that there is not", function()
    local fd <close> = assert(sys.open("/dev/null"))
    assert.same({ "2", "invalid option 'rw'" }, { refusal(fd.file, fd, "rw") })
    assert.same({ "2", "string expected, got no value" }, { refusal(fd.file, fd) })
  end)
end)

describe("userns.sys.open", function()
  before_each(helper.count)
  after_each(helper.check_count)

  local path

  before_each(function()
    path = dir .. "/file"
    helper.write(path, "text")
  end)

  it("reads when no word is given", function()
    local fd <close> = assert(sys.open(path))
    assert.equal("text", fd:read())
    assert.same(refused("write", "write", "EBADF"), failure(fd:write("x")))
  end)

  -- What is in the file after "new" was written to it, and what is read back.
  local cases <const> = {
    { words = "read", read = "text", write = "EBADF", text = "text" },
    { words = { "read" }, read = "text", write = "EBADF", text = "text" },
    { words = {}, read = "text", write = "EBADF", text = "text" },
    { words = "write", read = "EBADF", text = "newt" },
    { words = "readwrite", read = "text", text = "textnew" },
    { words = { "read", "write" }, read = "text", text = "textnew" },
    { words = { "write", "readwrite" }, read = "text", text = "textnew" },
    { words = { "write", "truncate" }, read = "EBADF", text = "new" },
    { words = { "write", "append" }, read = "EBADF", text = "textnew" },
    { words = { "readwrite", "create" }, read = "text", text = "textnew" },
    { words = "path", read = "EBADF", write = "EBADF", text = "text" },
  }
  for _, case in ipairs(cases) do
    local words <const> = type(case.words) == "table" and case.words or { case.words }
    it("opens a file to: " .. table.concat(words, ", "), function()
      local fd <close> = assert(sys.open(path, case.words))
      local text <const>, unread <const> = fd:read()
      assert.equal(case.read, text or unread.code)
      local count <const>, unwritten <const> = fd:write("new")
      assert.equal(case.write or 3, count or unwritten.code)
      assert.equal(case.text, helper.read(path))
    end)
  end

  it("creates a file that is there only once, with the umask's mode", function()
    local new <const> = dir .. "/new"
    do
      local fd <close> = assert(sys.open(new, { "write", "create", "excl" }))
      assert.equal(3, fd:write("new"))
    end
    assert.equal("new", helper.read(new))
    local mask <const> = tonumber(helper.shell("umask").out, 8)
    local mode <const> = tonumber(helper.shell("stat -c %a " .. new).out, 8)
    assert.equal(tonumber("666", 8) & ~mask, mode)
    assert.same(refused("open", "open", "EEXIST", new),
      failure(sys.open(new, { "write", "create", "excl" })))
    os.remove(new)
  end)

  it("does not follow a symbolic link that it is told not to", function()
    local link <const> = dir .. "/link"
    assert(os.execute(("ln -s file %s"):format(link)))
    local fd <close> = assert(sys.open(link))
    assert.equal("text", fd:read())
    assert.same(refused("open", "open", "ELOOP", link), failure(sys.open(link, "nofollow")))
    local own <close> = assert(sys.open(link, { "path", "nofollow" }))
    local name <const> = ("/proc/%d/fd/%d"):format(sys.getpid(), own:fileno())
    assert.equal(link .. "\n", helper.shell("readlink " .. name).out)
    os.remove(link)
  end)

  it("opens a FIFO without waiting for its other end", function()
    local fifo <const> = dir .. "/fifo"
    assert(os.execute("mkfifo " .. fifo))
    local reader <close> = assert(sys.open(fifo, { "read", "nonblock" }))
    assert.equal("", reader:read())
    local writer <close> = assert(sys.open(fifo, { "write", "nonblock" }))
    assert.equal(1, writer:write("x"))
    assert.equal("x", reader:read())
    os.remove(fifo)
  end)

  it("says what it could not open", function()
    assert.same(refused("open", "open", "ENOENT", "/nowhere"), failure(sys.open("/nowhere")))
    assert.same(refused("open", "open", "ENOENT", ""), failure(sys.open("")))
    assert.same(refused("open", "open", "EISDIR", dir), failure(sys.open(dir, "write")))
    assert.same(refused("open", "open", "ENOTDIR", path), failure(sys.open(path, "directory")))
    local directory <close> = assert(sys.open(dir, "directory"))
    assert.same(refused("read", "read", "EISDIR"), failure(directory:read()))
  end)

  it("is refused what the caller may not read", function()
    assert(os.execute("chmod 000 " .. path))
    local fd <close>, err <const> = sys.open(path)
    if helper.privilege == "user" then
      assert.same(refused("open", "open", "EACCES", path), helper.fields(err))
    else
      assert.equal("text", fd:read())
    end
    os.remove(path)
  end)

  it("raises for a wrong call", function()
    assert.same({ "1", "string expected, got no value" }, { refusal(sys.open) })
    assert.same({ "1", "string expected, got number" }, { refusal(sys.open, 3) })
    assert.same({ "1", "the string has a NUL byte" }, { refusal(sys.open, "/dev/null\0") })
    assert.same({ "2", "unknown open word 'rw'" }, { refusal(sys.open, path, "rw") })
    assert.same({ "2", "unknown open word 'x'" }, { refusal(sys.open, path, { "read", "x" }) })
    assert.same({ "2", "open word expected, got number" }, { refusal(sys.open, path, 2) })
    assert.same({ "2", "a list without holes expected" }, {
      refusal(sys.open, path, { read = true }),
    })
  end)
end)

describe("userns.sys.poll", function()
  before_each(helper.count)
  after_each(helper.check_count)

  it("tells for each descriptor whether it is ready", function()
    local full <close> = pipe()
    local empty <close> = pipe()
    full.writer:write("x")
    assert.same({ true, false, true, true }, sys.poll {
      { fd = full.reader },
      { fd = empty.reader, events = "r" },
      { fd = empty.writer, events = "w" },
      { fd = full.writer, events = { "r", "w" } },
    })
  end)

  it("takes a descriptor in every form", function()
    local ends <close> = pipe()
    ends.writer:write("x")
    local number <const> = ends.reader:fileno()
    local file <close> = assert(io.open("/dev/null"))
    local methods <const> = { fileno = function() return number end }
    local object <const> = setmetatable({}, { __index = methods })
    for _, fd in ipairs { ends.reader, number, { fd = number }, file, object } do
      assert.same({ true }, sys.poll({ { fd = fd } }, 0))
    end
  end)

  it("takes a process, which is ready when it has ended", function()
    local process <close> = assert(sys.clone({}, function(gate)
      gate:await()
    end, { handshake = true }))
    assert.same({ false }, sys.poll({ { fd = process } }, 0))
    process:release()
    assert.same({ true }, sys.poll { { fd = process } })
    assert.same({ true }, sys.poll({ { fd = process:fileno() } }, 0))
    assert(process:wait())
  end)

  it("takes a namespace", function()
    local namespace <close> = assert(sys.namespace("uts", "self"))
    assert.equal(1, #sys.poll({ { fd = namespace } }, 0))
  end)

  it("waits for what another process does", function()
    local ends <close> = pipe()
    local child <close> = assert(sys.clone({}, function()
      ends.writer:write("x")
    end))
    assert.same({ true }, sys.poll { { fd = ends.reader } })
    assert.equal("x", ends.reader:read())
    assert(child:wait())
  end)

  it("is ready at the end of the file, and where there is nobody to write to", function()
    local ends <close> = pipe()
    ends.writer:close()
    assert.same({ true }, sys.poll({ { fd = ends.reader } }, 0))
    local others <close> = pipe()
    others.reader:close()
    assert.same({ true }, sys.poll({ { fd = others.writer, events = "r" } }, 0))
  end)

  it("is ready where there is no such descriptor: to use it will say so", function()
    assert.same({ true }, sys.poll({ { fd = 100000 } }, 0))
  end)

  it("comes to an end when the time is over", function()
    local ends <close> = pipe()
    assert.same({ false }, sys.poll({ { fd = ends.reader } }, 0))
    assert.same({ false }, sys.poll({ { fd = ends.reader } }, 0.001))
    assert.same({}, sys.poll({}, 0))
    assert.same({}, sys.poll({}, 0.001))
  end)

  it("raises for a wrong call", function()
    local closed <const> = assert(sys.open("/dev/null"))
    closed:close()
    local shut <const> = io.tmpfile()
    shut:close()
    local cases <const> = {
      { "1", "table expected, got no value" },
      { "1", "table expected, got number", 3 },
      { "1", "a list without holes expected", { fd = 3 } },
      { "1", "table expected, got number", { 3 } },
      { "1", DESCRIPTOR .. "nil", { {} } },
      { "1", DESCRIPTOR .. "string", { { fd = "3" } } },
      { "1", DESCRIPTOR .. "number", { { fd = 3.5 } } },
      { "1", "descriptor number out of range", { { fd = -1 } } },
      { "1", "descriptor number out of range", { { fd = 1 << 32 } } },
      { "1", "the descriptor is closed", { { fd = closed } } },
      { "1", "closed file", { { fd = shut } } },
      { "1", "unknown event 'x'", { { fd = 0, events = "x" } } },
      { "1", "unknown event 'rw'", { { fd = 0, events = "rw" } } },
      { "1", "event expected, got boolean", { { fd = 0, events = true } } },
      { "1", "unknown field 'event'", { { fd = 0, event = "w" } } },
      { "2", "seconds, 0 or more", {}, -1 },
      { "2", "seconds, 0 or more", {}, math.huge },
      { "2", "seconds, 0 or more", {}, 0 / 0 },
      { "2", "number expected, got string", {}, "1" },
    }
    for _, case in ipairs(cases) do
      assert.same({ case[1], case[2] }, { refusal(sys.poll, table.unpack(case, 3, #case)) })
    end
  end)
end)

describe("userns.sys.fileno", function()
  before_each(helper.count)
  after_each(helper.check_count)

  it("is the number of an open descriptor in any form", function()
    local fd <close> = assert(sys.open("/dev/null"))
    local file <close> = assert(io.open("/dev/null"))
    local number <const> = fd:fileno()
    assert.equal(number, sys.fileno(fd))
    assert.equal(number, sys.fileno(number))
    assert.equal(number, sys.fileno { fd = number })
    assert.equal(number + 1, sys.fileno(file))
    assert.equal(1, sys.fileno(io.stdout))
  end)

  it("is an error for one that is not open", function()
    assert.same(refused("fileno", "fcntl", "EBADF"), failure(sys.fileno(100000)))
  end)

  it("raises for what is no descriptor", function()
    assert.same({ "1", DESCRIPTOR .. "no value" }, { refusal(sys.fileno) })
    assert.same({ "1", DESCRIPTOR .. "string" }, { refusal(sys.fileno, "1") })
    assert.same({ "1", DESCRIPTOR .. "number" }, { refusal(sys.fileno, 1.0) })
    assert.same({ "1", "a descriptor's number is an integer" }, {
      refusal(sys.fileno, { fd = "1" }),
    })
    assert.same({ "1", "descriptor number out of range" }, { refusal(sys.fileno, -1) })
  end)
end)

describe("userns.sys.clock", function()
  it("never goes back", function()
    local before <const> = sys.clock()
    assert.equal("float", math.type(before))
    assert.is_true(before <= sys.clock())
  end)
end)
