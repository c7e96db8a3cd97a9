-- Everything that is public, with its documentation: what the modules hold at
-- run time, put together with the docstrings of their sources.
local sources <const> = require "doc.render.sources"
local sys <const> = require "userns.sys"
local userns <const> = require "userns"

-- A method in C is called after its type: fd_read, context_mount.
local C_TYPES <const> = {
  context = "userns.FsContext",
  error = "userns.Error",
  fd = "userns.Fd",
  gate = "userns.sys.Gate",
  namespace = "userns.Namespace",
  netlink = "userns.Netlink",
  prepared = "userns.sys.Prepared",
  process = "userns.sys.Process",
  rawmode = "userns.sys.RawMode",
  signalhold = "userns.sys.SignalHold",
}

local catalogue <const> = {}

local function class_of(classes, name)
  classes[name] = classes[name] or { name = name, doc = "", fields = {}, methods = {} }
  return classes[name]
end

local function add_class(classes, block)
  local class <const> = class_of(classes, block.class)
  class.doc, class.parent, class.fields = block.doc, block.parent, block.fields
  return class
end

local function add_method(class, name, block)
  if name == "tostring" or name == "__tostring" then
    class.tostring = block.doc
    return
  end
  block.name = name
  class.methods[#class.methods + 1] = block
end

-- ---- C --------------------------------------------------------------------

-- The order in which a reader meets the parts of userns.sys; others follow.
local ORDER <const> = {
  "clone", "namespace", "nslist", "idmap", "uts", "identity", "capsets", "captext", "caps", "prctl", "seccomp",
  "filter", "mount", "mountfd", "netlink", "ip", "process", "exec", "fd", "error", "pack", "launch", "prepared",
}

local function place(name)
  for i, other in ipairs(ORDER) do
    if other == name then
      return i
    end
  end
  return #ORDER + 1
end

local OPENER <const> = "void userns_open_(%w+)%(lua_State %*L%);%s+/%* (.-) %*/"

--- The parts, each with the words that sys.h has for it.
local function parts()
  local list <const>, by_name <const> = {}, {}
  for name, title in sources.read("csrc/sys.h"):gmatch(OPENER) do
    list[#list + 1] = { name = name, title = title, functions = {} }
    by_name[name] = list[#list]
  end
  table.sort(list, function(a, b)
    local at_a <const>, at_b <const> = place(a.name), place(b.name)
    return at_a < at_b or at_a == at_b and a.name < b.name
  end)
  return list, by_name
end

local function add_c_file(path, part, classes)
  for _, block in ipairs(sources.c(path)) do
    if block.class then
      add_class(classes, block)
    else
      local type <const>, name <const> = (block.name or ""):match("^(%a+)_([%w_]+)$")
      if type == "sys" then
        block.name = name
        table.insert(part.functions, block)
      else
        local class <const> = C_TYPES[type]
          or error(("%s: of what type is %s?"):format(path, block.name))
        add_method(class_of(classes, class), name, block)
      end
    end
  end
end

-- ---- Lua ------------------------------------------------------------------

local function method_name(name)
  return name and (name:match("^methods[.:]([%w_]+)$") or name:match("^metatable.-:([%w_]+)$"))
end

--- The methods of a file belong to the class that its table of methods has, or
--- else to the last that it declares.
local function add_lua_file(path, classes)
  local owner
  local blocks <const> = sources.lua(path)
  for _, block in ipairs(blocks) do
    if block.class then
      local class <const> = add_class(classes, block)
      owner = owner and owner.bound and owner or { class = class, bound = block.name == "methods" }
    end
  end
  for _, block in ipairs(blocks) do
    local name <const> = method_name(block.name)
    if owner and name then
      add_method(owner.class, name, block)
    end
  end
  for _, alias in ipairs(owner and sources.aliases(path) or {}) do
    for _, method in ipairs(owner.class.methods) do
      if method.name == alias.name then
        method.aliases = method.aliases or {}
        table.insert(method.aliases, alias)
      end
    end
  end
  return blocks
end

--- The docstring of a function that was defined in Lua.
local function block_of(fn, lua)
  local info <const> = debug.getinfo(fn, "S")
  local path <const> = info.source:match("lua/userns/[%w_/]+%.lua$")
  for _, block in ipairs(path and lua[path] or {}) do
    if block.line == info.linedefined then
      return block
    end
  end
end

local function renamed(block, name)
  local copy <const> = {}
  for key, value in pairs(block or { doc = "", params = {}, returns = {} }) do
    copy[key] = value
  end
  copy.name = name
  return copy
end

local function sorted_functions(module)
  local names <const> = {}
  for name, value in pairs(module) do
    names[#names + 1] = type(value) == "function" and name or nil
  end
  table.sort(names)
  return names
end

--- What userns.sys finds in Lua when it is asked for.
local function load_lazy()
  local names <const> = {}
  for name in sources.read("csrc/sys.c"):gmatch("{\"([%w_]+)\", \"userns%.[%w_]+\", \"[%w_]+\"}") do
    names[#names + 1] = name
    assert(sys[name], name)
  end
  return names
end

--- Functions of userns: defined in Lua, or one of userns.sys under the same name.
local function functions_of_userns(lua, c)
  local list <const> = {}
  for _, name in ipairs(sorted_functions(userns)) do
    local in_c <const> = sys[name] == userns[name] and c[name] or nil
    list[#list + 1] = renamed(block_of(userns[name], lua) or in_c, name)
  end
  return list
end

local function functions_by_name(list)
  local by_name <const> = {}
  for _, part in ipairs(list) do
    for _, block in ipairs(part.functions) do
      by_name[block.name] = block
    end
  end
  return by_name
end

local function presets(lua)
  local list <const> = {}
  for _, block in ipairs(lua["lua/userns/presets.lua"]) do
    list[#list + 1] = { name = block.name:match("^presets%.(.*)$"), doc = block.doc }
  end
  return list
end

---@class userns.doc.Catalogue
---@field userns table[] its functions
---@field sys { name: string, title: string, functions: table[] }[] its parts
---@field presets { name: string, doc: string }[]
---@field classes table<string, table> by name
---@field undocumented string[] what userns.sys holds without a docstring

--- Reads the sources below the current directory.
---@return userns.doc.Catalogue
function catalogue.read()
  local classes <const>, lua <const> = {}, {}
  local list <const>, part_of <const> = parts()
  for _, path in ipairs(sources.files("lua", ".lua")) do
    lua[path] = add_lua_file(path, classes)
  end
  for _, path in ipairs(sources.files("csrc", ".c")) do
    local part <const> = sources.read(path):match("\nvoid userns_open_(%w+)%(lua_State %*L%)\n{")
    add_c_file(path, part_of[part], classes)
  end
  local in_lua <const> = { title = "what is read from text files, in Lua", functions = {} }
  for _, name in ipairs(load_lazy()) do
    table.insert(in_lua.functions, renamed(block_of(sys[name], lua), name))
  end
  list[#list + 1] = in_lua
  add_lua_file("doc/render/classes.lua", classes)

  local c <const> = functions_by_name(list)
  local undocumented <const> = {}
  for _, name in ipairs(sorted_functions(sys)) do
    undocumented[#undocumented + 1] = not c[name] and name or nil
  end
  return {
    userns = functions_of_userns(lua, c),
    sys = list,
    presets = presets(lua),
    classes = classes,
    undocumented = undocumented,
  }
end

return catalogue
