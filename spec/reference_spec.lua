local catalogue = require "doc.render.catalogue"
local helper = require "spec.helper"
local pages = require "doc.render.pages"
local sys = require "userns.sys"
local userns = require "userns"

local reference <const> = helper.read "doc/reference.md"
local public <const> = catalogue.read()

local function each_function(visit)
  for _, block in ipairs(public.userns) do
    visit("userns." .. block.name, block)
  end
  for _, part in ipairs(public.sys) do
    for _, block in ipairs(part.functions) do
      visit("sys." .. block.name, block)
    end
  end
end

local function each_method(visit)
  for name, class in pairs(public.classes) do
    for _, method in ipairs(class.methods) do
      visit(name .. ":" .. method.name, method)
    end
  end
end

local function set_of(list)
  local set <const> = {}
  for _, name in ipairs(list) do
    set[name] = true
  end
  return set
end

-- What no manual page describes: it is ours.
local OURS <const> = set_of {
  "userns.container", "userns.features", "userns.load", "userns.merge",
  "sys.error", "sys.image_path", "sys.ops", "sys.pack", "sys.words",
}

local C_OBJECTS <const> = {
  ["userns.fd"] = "userns.Fd",
  ["userns.fscontext"] = "userns.FsContext",
  ["userns.gate"] = "userns.sys.Gate",
  ["userns.namespace"] = "userns.Namespace",
  ["userns.prepared"] = "userns.sys.Prepared",
  ["userns.process"] = "userns.sys.Process",
}

describe("the rendered documentation", function()
  for path, text in pairs(pages()) do
    it(("is up to date: %s"):format(path), function()
      assert(text == helper.read(path), path .. " is not what make doc would write")
    end)
  end

  it("is Lua where it is for editors", function()
    assert(loadfile "doc/types/userns.d.lua")
    assert(loadfile "doc/types/sys.d.lua")
  end)

  it("declares every class that it names", function()
    local text <const> = helper.read "doc/types/userns.d.lua" .. helper.read "doc/types/sys.d.lua"
    local declared <const> = {}
    for _, tag in ipairs { "class", "alias" } do
      for name in text:gmatch("%-%-%-@" .. tag .. " ([%w_.]+)") do
        declared[name] = true
      end
    end
    for line in text:gmatch("%-%-%-@[^\n]+") do
      for name in line:gmatch("%f[%w]userns%.%u[%w_.]*%w") do
        assert.truthy(declared[name], line)
      end
      for name in line:gmatch("%f[%w]userns%.sys%.%u%w*") do
        assert.truthy(declared[name], line)
      end
    end
  end)

  it("links to headings that are there", function()
    local anchors <const> = {}
    for heading in reference:gmatch("\n#+ ([^\n]+)") do
      anchors[heading:lower():gsub("[^%w -]", ""):gsub(" ", "-")] = true
    end
    for anchor in reference:gmatch("%]%(#([^)]+)%)") do
      assert.truthy(anchors[anchor], anchor)
    end
  end)

  it("names what is hidden and protected below /proc and /sys", function()
    local box <const> = assert(userns.container {
      mounts = { { type = "proc", target = "/proc" }, { type = "sysfs", target = "/sys" } },
    })
    for _, step in ipairs(assert(box:plan())) do
      for _, path in ipairs((step.op == "mask" or step.op == "readonly") and step.paths or {}) do
        local name <const> = path:match("[^/]+$"):gsub("%p", "%%%0")
        assert.truthy(reference:find("%f[%w]" .. name .. "%f[%W]"), path)
      end
    end
  end)
end)

describe("the docstrings", function()
  it("are there for every function of userns.sys", function()
    assert.same({}, public.undocumented)
  end)

  it("are there for no function that does not exist", function()
    each_function(function(name)
      local module <const>, key <const> = name:match("^(%w+)%.(.*)$")
      assert.is_function((module == "sys" and sys or userns)[key], name)
    end)
  end)

  it("say what each function and method does", function()
    each_function(function(name, block)
      assert.truthy(block.doc:find("%w+ %w+"), name)
    end)
    each_method(function(name, block)
      assert.truthy(block.doc:find("%w+ %w+"), name)
    end)
  end)

  it("have a type for everything that is taken and returned", function()
    local function check(name, block)
      for _, value in ipairs { table.unpack(block.params), table.unpack(block.returns) } do
        assert.truthy(value.type and value.type:find("^[%w_.|<>%[%]{}()?*:, \"+-]+$"), name)
      end
    end
    each_function(check)
    each_method(check)
  end)

  it("say what each function returns", function()
    each_function(function(name, block)
      assert.truthy(#block.returns > 0, name)
    end)
  end)

  it("name the page of the manual, or are of something that has none", function()
    each_function(function(name, block)
      local page <const> = block.source ~= nil and block.source:find("^[%w_]+%(%d%)$") ~= nil
      assert.equal(not OURS[name], page, name)
    end)
  end)

  it("name the arguments of each function that is written in Lua", function()
    for _, block in ipairs(public.userns) do
      local info <const> = debug.getinfo(userns[block.name], "u")
      if debug.getinfo(userns[block.name], "S").what == "Lua" then
        assert.equal(info.nparams + (info.isvararg and 1 or 0), #block.params, block.name)
      end
    end
  end)

  it("name all methods of the objects in C, and no others", function()
    for metatable, class in pairs(C_OBJECTS) do
      local index <const> = debug.getregistry()[metatable].__index
      local methods <const>, documented <const> = {}, {}
      local held <const> = type(index) == "table" and index or select(2, debug.getupvalue(index, 1))
      for name in pairs(held) do
        methods[name] = true
      end
      for _, method in ipairs(public.classes[class].methods) do
        documented[method.name] = true
      end
      assert.same(methods, documented, class)
    end
  end)

  it("name all fields of an error", function()
    local known <const> = {}
    for _, field in ipairs(public.classes["userns.Error"].fields) do
      known[field.name] = true
    end
    local box <const> = assert(userns.container {})
    local errors <const> = {
      select(2, userns.container { hostnam = "", root = "" }),
      select(2, box:run { "/nowhere" }),
      select(2, box:run { "/bin/true", cwd = "/nowhere" }),
      select(2, sys.namespace("user", "/nowhere")),
    }
    assert.equal(4, #errors)
    for _, err in ipairs(errors) do
      for name in pairs(err) do
        assert.truthy(known[name], name)
      end
    end
  end)
end)
