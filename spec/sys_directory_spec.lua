local helper <const> = require "spec.helper"
local sys <const> = require "userns.sys"

describe("A directory that is open", function()
  local path, directory

  before_each(function()
    helper.count()
    path = helper.directory()
    directory = assert(sys.open(path, "directory"))
  end)

  after_each(function()
    directory:close()
    helper.remove(path)
    helper.check_count()
  end)

  local function refused(code, syscall, op, name, fn, ...)
    local ok <const>, err = fn(...)
    assert.is_nil(ok)
    assert.same(helper.errno(code, { op = op, syscall = syscall, path = name }), helper.fields(err))
  end

  it("has directories made, listed and removed in it", function()
    assert.same({}, sys.directories(directory))
    assert.is_true(sys.mkdirat(directory, "a"))
    assert.is_true(sys.mkdirat(directory, "b", "0700"))
    helper.write(path .. "/file", "")
    local names <const> = assert(sys.directories(directory))
    table.sort(names)
    assert.same({ "a", "b" }, names)
    assert.equal("700\n", helper.shell("stat -c %a " .. path .. "/b").out)
    assert.is_true(sys.rmdirat(directory, "a"))
    assert.same({ "b" }, sys.directories(directory))
    assert.same({ "b" }, sys.directories(directory:fileno()))
  end)

  it("is the same one, whatever became of its path", function()
    assert(os.rename(path, path .. "-moved"))
    assert(sys.mkdirat(directory, "a"))
    assert.equal("a\n", helper.shell("ls " .. path .. "-moved").out)
    path = path .. "-moved"
  end)

  it("has files opened in it, and no link followed", function()
    local file <close> = assert(sys.openat(directory, "file", { "write", "create" }))
    assert.equal(2, file:write("hi"))
    local again <close> = assert(sys.openat(directory, "file"))
    assert.equal("hi", again:read())
    assert(os.execute("ln -s file " .. path .. "/link"))
    refused("ELOOP", "openat", "openat", "link", sys.openat, directory, "link")
  end)

  it("says what was refused", function()
    assert(sys.mkdirat(directory, "a"))
    refused("EEXIST", "mkdirat", "mkdirat", "a", sys.mkdirat, directory, "a")
    refused("ENOENT", "unlinkat", "rmdirat", "b", sys.rmdirat, directory, "b")
    refused("ENOENT", "openat", "openat", "b", sys.openat, directory, "b")
    refused("EBADF", "openat", "directories", nil, sys.directories, 255)
  end)

  it("has names of one component", function()
    for _, fn in ipairs { sys.openat, sys.mkdirat, sys.rmdirat } do
      for _, name in ipairs { "", ".", "..", "a/b", "/a" } do
        assert.error_matches(function() fn(directory, name) end, "a name of one component expected")
      end
      assert.error_matches(function() fn(directory, "a\0b") end, "the string has a NUL byte")
      assert.error_matches(function() fn(nil, "a") end, "descriptor %(integer")
    end
  end)
end)
