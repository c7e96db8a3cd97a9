local helper <const> = require "spec.helper"

local PATH <const> = "rockspec/userns-scm-1.rockspec"

local function output(command)
  local result <const> = helper.shell(command)
  assert(result.code == 0, ("%s: exit %d: %s"):format(command, result.code, result.err))
  return result.out
end

local function files(directory)
  return output(("cd %s && find . -type f | LC_ALL=C sort"):format(directory))
end

local function load_rockspec()
  local rockspec <const> = {}
  assert(loadfile(PATH, "t", rockspec))()
  return rockspec
end

-- Runs the install pass as LuaRocks does, with its directories below `scratch`.
local function install(rockspec, scratch)
  local directories <const> = {
    BINDIR = scratch .. "/bin",
    LIBDIR = scratch .. "/lib",
    LUADIR = scratch .. "/lua",
    PREFIX = scratch .. "/rock",
  }
  local command <const> = { "make" }
  command[2] = rockspec.build.install_target or "install"
  for name, value in pairs(rockspec.build.install_variables) do
    command[#command + 1] = name .. "=" .. value:gsub("%$%((%w+)%)", directories)
  end
  output(table.concat(command, " "))
end

-- What a program sees that finds userns in these directories only.
local function loaded_from(lua_directory, lib_directory)
  return output(([[
    cd / &&
    LUA_PATH='%s/?.lua;%s/?/init.lua' LUA_CPATH='%s/?.so' \
    lua5.4 -e 'print(require("userns")._VERSION, require("userns").sys == require("userns.sys"))'
  ]]):format(lua_directory, lua_directory, lib_directory))
end

describe("the rockspec", function()
  local rockspec <const> = load_rockspec()
  local version <const> = rockspec.version:match("^(.+)%-%d+$")
  local seen <const> = require("userns")._VERSION .. "\ttrue\n"
  local scratch

  lazy_setup(function()
    scratch = output("mktemp -d"):gsub("\n", "")
    install(rockspec, scratch)
  end)

  lazy_teardown(function()
    output("rm -rf " .. scratch)
  end)

  it("is named after its package and version", function()
    assert.equal(("rockspec/%s-%s.rockspec"):format(rockspec.package, rockspec.version), PATH)
  end)

  it("has the version of the library", function()
    assert.equal(version, require("userns")._VERSION:match("%S+$"))
  end)

  it("installs every Lua file, under the name it has below lua/", function()
    assert.equal(files("lua"), files(scratch .. "/lua"))
  end)

  it("installs userns-init beside the module", function()
    assert.equal("./userns/sys.so\n./userns/userns-init\n", files(scratch .. "/lib"))
    output(("test -x %s/lib/userns/userns-init"):format(scratch))
  end)

  it("installs the command and its page, of which LuaRocks puts none outside the rock", function()
    assert.equal("./userns\n", files(scratch .. "/bin"))
    output(("cmp doc/userns.1 %s/rock/man/man1/userns.1"):format(scratch))
    local where <const> = ("LUA_PATH='%s/lua/?.lua;%s/lua/?/init.lua' LUA_CPATH='%s/lib/?.so'"):format(
      scratch, scratch, scratch)
    assert.equal(("userns %s\n"):format(version), output(("cd / && %s %s/bin/userns --version"):format(where, scratch)))
  end)

  it("installs a library that needs nothing of the checkout", function()
    assert.equal(seen, loaded_from(scratch .. "/lua", scratch .. "/lib"))
  end)

  it("is what luarocks make builds the library from", function()
    local tree <const> = scratch .. "/tree"
    output(([[
      mkdir %s/source &&
      find . -mindepth 1 -maxdepth 1 ! -name .git ! -name build ! -name 'build-*' \
        -exec cp -r -t %s/source {} + &&
      cd %s/source &&
      luarocks --lua-version 5.4 make --tree %s %s
    ]]):format(scratch, scratch, scratch, tree, PATH))
    assert.equal(seen, loaded_from(tree .. "/share/lua/5.4", tree .. "/lib/lua/5.4"))
    output(("test -x %s/lib/lua/5.4/userns/userns-init"):format(tree))
    local box <const> = scratch .. "/box.lua"
    helper.write(box, "return { hostname = 'rock' }")
    local command <const> = ("cd / && env -u LUA_PATH -u LUA_CPATH %s/bin/userns run %s -- uname -n"):format(tree, box)
    assert.equal("rock\n", output(command))
  end)
end)

describe("the module", function()
  it("exports its opener and nothing else", function()
    local exports <const> = output("nm -D --defined-only build/userns/sys.so")
    assert.equal("luaopen_userns_sys", exports:match("^%x+ T (%g+)\n$"))
  end)

  it("links no Lua of its own, stays mapped and binds at load time", function()
    local dynamic <const> = output("readelf -dW build/userns/sys.so")
    assert.is_nil(dynamic:find("liblua", 1, true))
    assert.truthy(dynamic:find("Flags: NOW NODELETE", 1, true))
  end)
end)

describe("userns-init", function()
  it("is static and asks for no interpreter", function()
    local program <const> = output("readelf -hlW build/userns/userns-init")
    assert.truthy(program:find("Type:%s+EXEC"))
    assert.is_nil(program:find("INTERP", 1, true))
  end)

  it("has a stack that is not executable", function()
    assert.truthy(output("readelf -lW build/userns/userns-init"):find("GNU_STACK[^\n]+RW  "))
  end)
end)
