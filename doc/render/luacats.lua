-- The editor's definitions (LuaCATS): the same catalogue, and the schema's
-- records as classes.
local schema <const> = require "userns.schema"

local luacats <const> = {}

local HEADER <const> = [[
---@meta %s
-- Rendered by make doc; for an editor's language server.
-- luacheck: ignore
]]

-- ---- types of the schema --------------------------------------------------

-- What a type's own words say, for those that are not made of others.
local TYPES <const> = {
  ["absolute path"] = "string",
  ["absolute path without '..'"] = "string",
  ["absolute path or \"tmpfs\""] = "string",
  ["absolute path or list of them"] = "string|string[]",
  ["absolute path, file or { fd = number }"] = "string|file*|userns.Fd|{ fd: integer }",
  ["absolute path or table"] = "string|userns.Root",
  ["a list of names, or the five sets"] = "string[]|table<string, string|string[]>",
  ["id (0 to 4294967294) or name"] = "integer|string",
  ["list of ids and names"] = "(integer|string)[]",
  ["list of secure bits"] = "string|string[]",
  ["BPF program or table"] = "string|userns.Filter",
  ["an uplink table"] = "userns.NetworkUplink",
  ["boolean"] = "boolean",
  ["boolean or list of variable names"] = "boolean|string[]",
  ["CPUs (0.01 to 10000)"] = "number",
  ["a network table"] = "userns.Network",
  ["address"] = "string",
  ["address with a prefix"] = "string",
  ["boolean or terminal size"] = "boolean|{ rows: integer?, cols: integer? }",
  ["capability name"] = "string",
  ["cgroup"] = "userns.CgroupLimits",
  ["cgroup name"] = "string",
  ["condition"] = "userns.FilterCondition",
  ["device number"] = "string",
  ["error name or number"] = "string|integer",
  ["hardware address"] = "string",
  ["interface"] = "userns.NetworkInterface",
  ["interface name"] = "string",
  ["network or \"default\""] = "string",
  ["peer"] = "userns.NetworkPeer",
  ["pid, path, file or handle"] =
    "integer|string|file*|userns.Fd|userns.Process|userns.Namespace|{ fd: integer }",
  ["list of addresses"] = "string|string[]",
  ["list of addresses with prefixes"] = "string|string[]",
  ["route"] = "userns.NetworkRoute",
  ["veth"] = "userns.NetworkVeth",
  ["file or descriptor number"] = "file*|userns.Fd|integer",
  ["file or { fd = number }"] = "file*|userns.Fd|{ fd: integer }",
  ["true or { uid, gid }"] = "true|{ uid: userns.IdRange[], gid: userns.IdRange[] }",
  ["a list of names"] = "string[]",
  ["a list of { inside, outside, count }"] = "userns.IdRange[]",
  ["limit of a device"] = "userns.Throttle",
  ["list of architectures"] = "string|string[]",
  ["list of ids"] = "integer[]",
  ["list of mount options"] = "string|string[]",
  ["list of namespace names"] = "string|string[]",
  ["list of system calls"] = "string|string[]",
  ["map of namespaces"] = "table<string, integer|string|file*|userns.Fd|userns.Namespace|userns.Process>",
  ["map of descriptors"] = "table<integer, file*|userns.Fd|integer>",
  ["map of variables"] = "table<string, string>",
  ["domain name"] = "string",
  ["function"] = "function",
  ["hooks"] = "userns.Hooks",
  ["host name"] = "string",
  ["mode (0 to 07777, or an octal string)"] = "integer|string",
  ["Landlock rules"] = "userns.Landlock",
  ["Landlock rule"] = "userns.LandlockRule",
  ["table of ports"] = "userns.LandlockPorts",
  ["list of ports"] = "integer[]",
  ["list of rights"] = "string|string[]",
  ["list of scopes"] = "string|string[]",
  ["list of personalities"] = "string|string[]",
  ["list of processors, or \"0-3,5\""] = "integer[]|string",
  ["map of settings"] = "table<string, string|integer>",
  ["mount"] = "userns.MountEntry",
  ["process"] = "userns.ProcessSpec",
  ["rule"] = "userns.FilterRule",
  ["seconds"] = "number",
  ["signal name or number"] = "string|integer",
  ["size (bytes, or \"64M\")"] = "integer|string",
  ["string"] = "string",
  ["seconds, also negative"] = "number",
  ["table of offsets"] = "userns.TimeOffsets",
  ["table of limits"] = "userns.Rlimits",
  ["integer or \"unlimited\" or { soft, hard }"] = "integer|\"unlimited\"|userns.Rlimit",
  ["size (bytes, or \"64M\") or \"unlimited\" or { soft, hard }"] = "integer|string|userns.Rlimit",
}

local function lookup(name)
  return TYPES[name] or name:find("^integer") and "integer" or name:find("^id %(") and "integer"
    or error(("doc/render/luacats.lua has no type for %q"):format(name))
end

--- '"a", "b", file or number' and '"a", "b" or a list': quoted words, and what
--- else may stand for them.
local function with_words(name)
  local list <const>, rest = {}, name
  while rest:find('^"') do
    local word, after = rest:match('^("[^"]*")(.*)$')
    list[#list + 1] = word
    rest = after:gsub("^, ", ""):gsub("^ or ", "")
  end
  list[#list + 1] = rest ~= "" and lookup(rest) or nil
  return table.concat(list, "|")
end

local function schema_type(type)
  if type.entry and not TYPES[type.name] then
    local entry <const> = schema_type(type.entry)
    return (entry:find("|", 1, true) and "(" .. entry .. ")" or entry) .. "[]"
  end
  return type.name:find('^"') and with_words(type.name) or lookup(type.name)
end

-- ---- text -----------------------------------------------------------------

local function writer()
  local lines <const> = {}
  return {
    add = function(...)
      lines[#lines + 1] = string.format(...)
    end,
    text = function()
      return table.concat(lines, "\n") .. "\n"
    end,
  }
end

local function add_doc(out, doc)
  for line in doc:gmatch("[^\n]+") do
    out.add("---%s", line)
  end
end

local function one_line(doc)
  return doc ~= "" and " " .. doc:gsub("%s+", " ") or ""
end

-- ---- the schema's records -------------------------------------------------

local function default_text(field)
  local value <const> = field.default
  if value == nil then
    return ""
  elseif type(value) == "string" and value:find("^%(") then
    return " Default: " .. value:sub(2, -2) .. "."
  end
  local format <const> = type(value) == "string" and " Default: %q." or " Default: %s."
  return format:format(value)
end

local function add_field(out, field, type, doc)
  out.add("---@field %s %s%s", field, type, doc)
end

local function add_record(out, name, fields, word)
  out.add("")
  if word then
    add_doc(out, fields[1].doc)
  end
  out.add("---@class %s", name)
  for _, field in ipairs(fields) do
    if word and field.name == "type" then
      add_field(out, "type", ("%q"):format(word), "")
    else
      add_field(out, field.name .. (field.required and "" or "?"), schema_type(field.type),
        one_line(field.doc) .. default_text(field))
    end
  end
end

local function add_variants(out, name, variants)
  local words <const>, names <const> = {}, {}
  for word in pairs(variants) do
    words[#words + 1] = word
  end
  table.sort(words)
  for i, word in ipairs(words) do
    names[i] = ("%s.%s"):format(name, word)
    add_record(out, names[i], variants[word].fields, word)
  end
  out.add("")
  out.add("---@alias %s %s", name, table.concat(names, "|"))
end

-- ---- classes and functions ------------------------------------------------

local function written_name(value)
  return value.name .. (value.optional and "?" or "")
end

--- A "#" keeps the first word of a description from being taken for a name.
local function return_text(value)
  local doc <const> = one_line(value.doc)
  return value.type .. (value.name and " " .. value.name or doc ~= "" and " #" or "") .. doc
end

local function add_function(out, block, name)
  out.add("")
  add_doc(out, block.doc)
  local params <const> = {}
  for i, param in ipairs(block.params) do
    params[i] = param.name
    out.add("---@param %s %s%s", written_name(param), param.type, one_line(param.doc))
  end
  for _, value in ipairs(block.returns) do
    out.add("---@return %s", return_text(value))
  end
  if block.source then
    out.add("---See %s.", block.source)
  end
  out.add("function %s(%s) end", name, table.concat(params, ", "))
end

local function add_class(out, class)
  out.add("")
  add_doc(out, class.doc)
  out.add("---@class %s%s", class.name, class.parent and ": " .. class.parent or "")
  for _, field in ipairs(class.fields) do
    add_field(out, written_name(field), field.type, one_line(field.doc))
  end
  if #class.methods == 0 then
    return
  end
  local receiver <const> = class.name:gsub("^userns%.", ""):gsub("%.", ""):gsub("^%u", string.lower)
  out.add("local %s = {}", receiver)
  for _, method in ipairs(class.methods) do
    add_function(out, method, ("%s:%s"):format(receiver, method.name))
    for _, alias in ipairs(method.aliases or {}) do
      add_function(out, method, ("%s:%s"):format(receiver, alias.alias))
    end
  end
end

local function add_classes(out, c, names)
  for _, name in ipairs(names) do
    add_class(out, c.classes[name])
  end
end

-- ---- the pages ------------------------------------------------------------

local CLASSES <const> = {
  "userns.IdRange", "userns.Error", "userns.Container", "userns.Step", "userns.Plan",
  "userns.Process", "userns.HookProcess", "userns.Result", "userns.Check", "userns.Feature", "userns.Features",
  "userns.Namespace", "userns.NamespaceInfo",
}

local SYS_CLASSES <const> = {
  "userns.sys.Process", "userns.sys.Prepared", "userns.sys.Gate", "userns.sys.RawMode", "userns.sys.SignalHold",
  "userns.Fd", "userns.FsContext", "userns.Netlink", "userns.Mount", "userns.SubidRange",
}

--- The definitions of the module userns.
---@param c userns.doc.Catalogue
---@return string
function luacats.userns(c)
  local out <const> = writer()
  add_variants(out, "userns.Root", schema.root.variants)
  add_variants(out, "userns.MountEntry", schema.mount.variants)
  add_record(out, "userns.Filter", schema.filter.fields)
  add_record(out, "userns.FilterRule", schema.filter_rule.fields)
  add_record(out, "userns.FilterCondition", schema.filter_condition.fields)
  add_record(out, "userns.CgroupLimits", schema.cgroup.fields)
  add_record(out, "userns.Throttle", schema.throttle.fields)
  for _, name in ipairs { "Route", "Peer", "Veth", "Interface" } do
    add_record(out, "userns.Network" .. name, schema["network_" .. name:lower()].fields)
  end
  add_variants(out, "userns.NetworkUplink", schema.network_uplink.variants)
  add_record(out, "userns.Network", schema.network.fields)
  add_record(out, "userns.ProcessSpec", schema.process.fields)
  out.add("---@field [integer] string The argument vector.")
  add_record(out, "userns.Hooks", schema.hooks.fields)
  out.add("")
  out.add("---@alias userns.Rlimit { soft: integer|string, hard: integer|string }")
  add_record(out, "userns.LandlockRule", schema.fs_rule.fields)
  add_record(out, "userns.LandlockPorts", schema.tcp.fields)
  add_record(out, "userns.Landlock", schema.landlock.fields)
  add_record(out, "userns.TimeOffsets", schema.time_offsets.fields)
  add_record(out, "userns.Rlimits", schema.rlimits.fields)
  add_record(out, "userns.Description", schema.description.fields)
  add_classes(out, c, CLASSES)
  out.add("")
  out.add("local userns = {")
  out.add("  ---@type string")
  out.add("  _VERSION = \"\",")
  out.add("  ---@type table<string, userns.Description>")
  out.add("  presets = {},")
  out.add("  sys = require \"userns.sys\",")
  out.add("}")
  for _, block in ipairs(c.userns) do
    add_function(out, block, "userns." .. block.name)
  end
  out.add("")
  out.add("return userns")
  return HEADER:format("userns") .. out.text()
end

--- The definitions of the module userns.sys.
---@param c userns.doc.Catalogue
---@return string
function luacats.sys(c)
  local out <const> = writer()
  add_classes(out, c, SYS_CLASSES)
  out.add("")
  out.add("local sys = {}")
  for _, part in ipairs(c.sys) do
    for _, block in ipairs(part.functions) do
      add_function(out, block, "sys." .. block.name)
    end
  end
  out.add("")
  out.add("return sys")
  return HEADER:format("userns.sys") .. out.text()
end

return luacats
