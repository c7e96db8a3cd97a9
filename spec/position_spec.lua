-- Where a field stands in a description's text: never on a wrong line.
local helper = require "spec.helper"
local load_description = require "userns.load"
local position = require "userns.command.position"

--- The line of each field that a text's comments name: "--: FIELD..." on the line
--- where it is to be found, "--? FIELD..." for one that has none.
local function expected(text)
  local wanted <const>, number = {}, 0
  for line in (text .. "\n"):gmatch("([^\n]*)\n") do
    number = number + 1
    local mark <const>, fields <const> = line:match("%-%-([:?]) (.*)$")
    for field in (fields or ""):gmatch("%S+") do
      wanted[field] = mark == ":" and number or "none"
    end
  end
  return wanted
end

--- Checks the lines of all fields that a text's comments name.
local function check(text)
  local path <const> = os.tmpname()
  helper.write(path, text)
  local description <const>, err = load_description(path)
  os.remove(path)
  assert(description, err)
  local wanted <const>, found <const> = expected(text), {}
  assert(next(wanted), "nothing is looked for")
  local line_of <const> = position.of(text, description)
  for field in pairs(wanted) do
    found[field] = line_of(field) or "none"
  end
  assert.same(wanted, found)
end

-- ---- texts that nobody wrote ----------------------------------------------

local SPACE <const> = { " ", "\n", "\n\n", " --[[ } { \n ]] ", " -- } return { \n", " --[==[ ]] ]==] " }
local VALUES <const> = {
  '"}"', "'{'", "[[ ]\n} ]]", "-1.5e3", '"\\"}"', "function() return { a = {1} } end", "#'x'", "not nil", "1 <= 2",
  "'a' .. [=[}]]]=]", "(function() if 1 then return 1 else return {} end end)()", "'\\z\n  }'", "('x'):rep(2)",
}

--- A text that returns a table, and the lines that its fields were written on.
local function random_text()
  local parts <const>, lines <const> = { "return " }, {}
  local number = 1
  local function write(text)
    parts[#parts + 1] = text
    number = number + select(2, text:gsub("\n", ""))
  end
  local function space()
    for _ = 1, math.random(0, 2) do
      write(SPACE[math.random(#SPACE)])
    end
  end
  local write_table
  local function write_entry(path, key, depth)
    lines[path] = number
    if key then
      write(math.random(2) == 1 and key or ("[%q]"):format(key))
      space()
      write "="
      space()
    end
    if depth > 0 and math.random(2) == 1 then
      write_table(path, depth - 1)
    else
      write(VALUES[math.random(#VALUES)])
    end
  end
  function write_table(path, depth)
    write "{"
    space()
    local count = 0
    for i = 1, math.random(0, 5) do
      if math.random(2) == 1 then
        count = count + 1
        write_entry(("%s[%d]"):format(path, count), nil, depth)
      else
        write_entry(("%s%sk%d"):format(path, path == "" and "" or ".", i), "k" .. i, depth)
      end
      space()
      write(math.random(2) == 1 and "," or ";")
      space()
    end
    write "}"
  end
  write_table("", 3)
  return table.concat(parts), lines
end

describe("position", function()
  it("finds every field of texts that nobody wrote", function()
    local fields = 0
    for seed = 1, 300 do
      math.randomseed(seed)
      local text <const>, lines <const> = random_text()
      local line_of <const>, found <const> = position.of(text, {}), {}
      for field in pairs(lines) do
        found[field] = line_of(field)
        fields = fields + 1
      end
      assert.same(lines, found, text)
    end
    assert(fields > 1000)
  end)

  it("finds fields, list entries and what is in them", function()
    check [[
      return {
        hostname = "box", --: hostname
        mounts = { --: mounts
          { type = "proc", target = "/proc" }, --: mounts[1] mounts[1].type mounts[1].target
          { --: mounts[2]
            type = "bind", source = "/usr",
            target = "/usr", --: mounts[2].target
          },
        },
      }
    ]]
  end)

  it("finds the array part of a process among its fields", function()
    check [[
      return { process = { --: process
        "/bin/sh", --: process[1]
        cwd = "/", --: process.cwd
        "-c", --: process[2]
        "id" } } --: process[3]
    ]]
  end)

  it("finds keys in brackets, and those that have dots", function()
    check [[
      return {
        process = { env = { --: process process.env process.env["NO"]
            ["PATH"] = 5, --: process.env.PATH process.env["PATH"]
            ['a.b'] = 1, --: process.env["a.b"]
            ["q\"q"] = 1, --: process.env["q\"q"]
          },
          ["cwd"] = "x", --: process.cwd
          fds = { [3] = 1, --: process.fds process.fds[3] process.fds[4]
            [0x10] = 2 } }, --: process.fds[16]
        sysctl = {
          ["net.ipv4"] = 1, --: sysctl.net.ipv4
          ["net.ipv4.ip_forward"] = 1, --: sysctl.net.ipv4.ip_forward
        },
      }
    ]]
  end)

  it("finds the field around one that is not written", function()
    check [[
      return { --? hostname join.net
        process = {}, --: process.cwd process[1]
        mounts = { --: mounts[7].target
          {}, --: mounts[1].target
        },
        root = "/x", --: root.source
      }
    ]]
  end)

  it("is not fooled by brackets and words in strings and comments", function()
    check [==========[
#!/usr/bin/env userns
      -- } return { hostname = 1 }
      --[[ }
      ]]
      --[=[ ]] } return {
      ]=]
      return {
        domainname = "}, hostname = {", --[[
          hostname = 1,
        ]]
        hostname = "}" .. '\'}' .. "\"}\
        }" .. [[ }
        ]] .. [=[ ]] }
        ]=], -- returned
        --- hostname = 5,
        mounts = { --[[ { target = 1 } ]] { content = "\z
            hostname = {",
          -- }
          }, --? nothing.here
          { ["target"] = "/x" }, --: mounts[2].target
        },
        strict = true, --: strict
      }
    ]==========]
  end)

  it("knows all ends of lines", function()
    for _, ending in ipairs { "\n", "\r\n", "\r", "\n\r" } do
      local text <const> = ("return {|  -- one|  hostname = [[||]],|  a = '\\|',|  b = 1 }"):gsub("|", ending)
      local line_of <const> = position.of(text, {})
      assert.same({ 3, 6, 8 }, { line_of "hostname", line_of "a", line_of "b" })
    end
    assert.equal(2, position.of("\u{feff}return {\n a = 1 }", {}) "a")
  end)

  it("takes semicolons, a comma at the end, several values", function()
    check "return { a = 1; --: a\n b = 2, --: b\n c = { { d = 1; }; }; }, 5; --: c[1].d"
    check "return { a = 1 } --: a\n;"
    check "return {}; --? a"
  end)

  it("steps over what is computed, and tells its place and no more", function()
    check [[
      local function f(t) return t end
      return {
        a = f { b = 1, c = { 2 } }, --: a a.b a.c[1]
        mounts = {
          f({ target = "/a" }), --: mounts[1] mounts[1].target
          f(function() if f then return { 1, { 2 } } end for _ = 1, 2 do repeat until true end end) and
          nil or { target = "/b" },
          { target = --: mounts[3] mounts[3].target
              ("x"):rep(3) .. "}" },
        },
        b = #"a" == 1 and not (2 ~= 3) or {}, c = 1 // 2 << 3, d = 1 <= 2, --: b c d
        e = { 1 } or { 2 }, --: e[1]
        hooks = { created = function(...) --: hooks.created hooks.created.x
            local x = { y = 1 }
            return { x, z = 2, ... }
          end,
          mapped = print }, --: hooks.mapped
        hostname = "x", --: hostname
      }
    ]]
  end)

  it("tells nothing of a table with keys that are computed, or written twice", function()
    check [[
      local name = "ho" .. "stname"
      return { --? hostname
        hostname = 1,
        [name] = 2,
      }
    ]]
    check [[
      return {
        process = { --: process.cwd process[1]
          cwd = "/",
          cwd = "/x",
          "a", [1] = "b",
        },
        mounts = { --: mounts mounts[1] mounts[1].target
          [1 + 0] = { target = "/" },
        },
      }
    ]]
  end)

  it("tells nothing of what is not a table that is written out", function()
    check "return pairs({ a = 1 }) and { a = 2 } --? a"
    check "return ({ a = 1 }) --? a"
    check "return true and { a = 1 } --? a"
    check "return { a = 1 } or { a = 2 } --? a"
    check "local t = {} t.a = 1 return t --? a"
    check "return (function() return { a = 1 } end)() --? a"
  end)

  it("tells nothing where it is not to be seen which table is returned", function()
    check [[
      if userns.presets then
        return { a = 1 } --? a
      end
      return { a = 2 }
    ]]
    check [[
      do return { a = 1 } end --? a
    ]]
    check [[
      while true do return { a = 1 } end --? a
    ]]
    check [[
      local function f() return { a = 0 } end
      return { a = f, --: a
        b = 1 } --: b
    ]]
  end)

  it("finds what a local was made as that is mentioned nowhere else", function()
    check [[
      local mounts <const> = {
        { type = "proc", target = "/proc" }, --: mounts[1].target
      }
      local name = "box"
      local process = { cwd = "x", --: process.cwd
        "sh" } --: process[1]
      local box = { mounts = mounts, --: mounts
        process = process, --: process
        hostname = name } --: hostname
      return box
    ]]
  end)

  it("tells nothing of a local that may be changed, or another", function()
    for _, between in ipairs {
      "box.a = 5", "local other = box other.a = 5", "box = { a = 5 }", "table.insert(box, 1)", "local x = { box }",
      "local x, y = 1, 2 box, x = { a = 5 }, 3", "do local box = 5 end", "for _, box in pairs {} do end",
    } do
      check("local box = { a = 1 }\n" .. between .. "\nreturn box --? a")
      check("local box = { a = 1 }\n" .. between .. "\nreturn { b = box } --: b b.a")
    end
    check "local box = { a = 1 } or {} return box --? a"
    check "local x, box = 1, { a = 1 } return box --? a"
    check "do local box = { a = 1 } end return box or {} --? a"
    check "box = { a = 1 } return box --? a"
  end)

  describe("in a merge", function()
    it("finds a field where it was given last", function()
      check [[
        local base = { hostname = "a", --? nothing
          domainname = "d", --: domainname
          process = { umask = 5, cwd = "b" } } --: process.umask
        return userns.merge(userns.presets.minimal, base, {
          hostname = "b", --: hostname
          devices = { "/dev/a" }, --: devices[1] devices[2]
          process = { --: process process.gid process[2]
            cwd = "x", --: process.cwd
            "sh" }, --: process[1]
        })
      ]]
    end)

    it("tells nothing of what a later part may have changed", function()
      check [[
        return userns.merge({ a = 1, c = { d = 1 } }, userns.presets.minimal, { --? a
          b = 2, --: b
          c = 5 }) --: c.d
      ]]
      check [[
        local t = { a = 1 } t.a = 2
        return userns.merge({ a = 1 }, t) --? a
      ]]
    end)

    it("knows mounts by their targets", function()
      check [[
        return userns.merge(userns.presets.minimal, {
          mounts = {
            { type = "tmpfs", target = "/tmp", size = 1 },
            { type = "dir", target = "/a" }, --: mounts[12].target mounts[12].mode
          } }, { mounts = { --: mounts mounts[99].target
            { type = "bind", source = "/b", target = "/b" }, --: mounts[13].source
            { type = "tmpfs", target = "/tmp", size = 2 }, --: mounts[11].size
        } })
      ]]
    end)

    it("tells of mounts that cannot be told apart only that there are some", function()
      check [[
        return userns.merge({
          mounts = { --: mounts[1].type mounts[2].type mounts[3].target
            { type = "dir", target = "/a" },
            { type = "dir", target = "/" .. "b" },
            { type = "dir", target = 5 },
            { type = "dir", target = "/a" },
          },
        })
      ]]
    end)

    it("does not take one mount for another whose target is computed", function()
      check [[
        return userns.merge({ mounts = {
            { type = "dir", target = "/a" },
          },
        }, { mounts = { --: mounts[1].target
          { type = "dir", target = "/" .. "a" } } })
      ]]
    end)

    it("tells nothing where userns may be something else", function()
      check "local userns = { merge = function(t) return { a = t.b } end } return userns.merge({ a = 1, b = 2 }) --? a"
      check "userns.merge = function() return {} end return userns.merge({ a = 1 }) --? a"
      check "local u = userns u.merge = function() return {} end return userns.merge({ a = 1 }) --? a"
      check "_ENV.userns = { merge = function() return {} end } return userns.merge({ a = 1 }) --? a"
      check "return userns.merge({ a = 1 }, {}), 5 --: a"
      check "return userns.merge({ a = 1 }).x or {} --? a"
    end)
  end)
end)
