-- Every block of the README is run here. What it shows is what an ordinary user
-- gets whose uid and gid are 1000.
local helper = require "spec.helper"

local README <const> = helper.read "README.md"
local AUTHOR <const> = 1000

-- ---- reading --------------------------------------------------------------

--- The chapters: title, text, and the fenced blocks in order, each with its
--- language and text.
local function chapters()
  local list <const>, block = { { title = "first screen", text = "", blocks = {} } }, nil
  for line in README:gmatch("([^\n]*)\n") do
    local chapter = list[#list]
    local fence <const> = line:match("^```(%a*)")
    if block and fence then
      block = nil
    elseif block then
      block.text = block.text .. line .. "\n"
    elseif fence then
      block = { language = fence, text = "" }
      table.insert(chapter.blocks, block)
    else
      local title <const> = line:match("^## (.*)$")
      if title then
        chapter = { title = title, text = "", blocks = {} }
        list[#list + 1] = chapter
      end
      chapter.text = chapter.text .. line .. "\n"
    end
  end
  return list
end

--- The output that is shown below a block.
local function shown_below(chapter, i)
  local below <const> = chapter.blocks[i + 1]
  return below and below.language == "text" and below.text or ""
end

--- A block that is a file of its own, for the commands below it.
local function is_file(block)
  return block.language == "lua" and block.text:find("^return ") ~= nil
end

--- The Lua of a chapter in order, each piece with the output shown below it.
local function lua_of(chapter)
  local pieces <const> = {}
  for i, block in ipairs(chapter.blocks) do
    if block.language == "lua" and not is_file(block) then
      pieces[#pieces + 1] = { code = block.text, shown = shown_below(chapter, i) }
    end
  end
  return pieces
end

-- ---- running --------------------------------------------------------------

local MARK <const> = "-- 8< --\n"

-- Who is no ordinary user gets other plans: those that are printed are made for
-- one.
local AS_AUTHOR <const> = ([[
do
  local host <const> = require "userns.host"
  local facts <const> = host.facts()
  local everything <const> = { { inside = 0, outside = 0, count = 4294967295 } }
  local author <const> = setmetatable({
    uid = %d, gid = %d, groups = {}, capabilities = {}, setgroups = "allow",
    uid_map = everything, gid_map = everything, subids = { uid = {}, gid = {} },
  }, { __index = facts })
  local methods <const> = getmetatable(require "userns".container {}).__index
  local plan <const> = methods.plan
  function methods.plan(...)
    host.facts = function() return author end
    local results <const> = table.pack(plan(...))
    host.facts = function() return facts end
    return table.unpack(results, 1, results.n)
  end
end
]]):format(AUTHOR, AUTHOR)

--- The pieces as one program, for they share their locals; what each printed.
local function run(pieces)
  local program <const> = { helper.privilege == "user" and "" or AS_AUTHOR }
  for _, piece in ipairs(pieces) do
    program[#program + 1] = piece.code
    program[#program + 1] = ("io.write %q\n"):format(MARK)
  end
  local outputs <const> = {}
  for output in helper.output(table.concat(program)):gmatch("(.-)" .. MARK:gsub("%p", "%%%0")) do
    outputs[#outputs + 1] = output
  end
  return outputs
end

local IDS <const> = { uid_map = helper.uid, gid_map = helper.gid }

--- What this caller gets instead of what is shown: a user's own ids; for others
--- the failed step has another number in the plan that is theirs.
local function for_caller(text)
  if helper.privilege ~= "user" then
    return (text:gsub("step %d+", "step N"))
  end
  return (text:gsub("([ug]id_map) +map=0:%d+:1", function(op)
    return ("%s       map=0:%d:1"):format(op, IDS[op])
  end))
end

-- ---- commands -------------------------------------------------------------

local function words(line)
  local list <const> = {}
  for word in line:gsub("#.*", ""):gmatch("%g+") do
    list[#list + 1] = word
  end
  return list
end

local function sorted(list)
  table.sort(list)
  return list
end

--- The packages of need.sh's groups.
local function packages(...)
  local found <const>, rows <const> = {}, helper.read "spec/support/need.sh"
  for _, group in ipairs { ... } do
    for package in rows:gmatch("\n" .. group .. " +%g+ +%g+ +(%g+)") do
      found[#found + 1] = package
    end
  end
  return found
end

local function succeeds(command)
  local result <const> = helper.shell(command)
  assert(result.code == 0, ("%s: exit %d: %s"):format(command, result.code, result.err))
end

local with_library <const> = ("LUA_PATH=%s LUA_CPATH=%s "):format(
  helper.quote(package.path), helper.quote(package.cpath))

-- What makes a command line right: the word that it begins with tells.
local COMMANDS <const> = {
  ["make"] = function(line)
    succeeds(line:gsub("^make", "make --dry-run"))
  end,
  ["apt-get"] = function(line)
    local named <const> = { table.unpack(words(line), 3) }
    local needed <const> = packages("build", "optional", "run")
    table.move({ "make", "luarocks" }, 1, 2, #needed + 1, needed)
    assert.same(sorted(needed), sorted(named))
  end,
  -- carried out in rockspec_spec
  ["luarocks"] = function(line)
    assert.equal("luarocks --lua-version 5.4 make rockspec/userns-scm-1.rockspec", line)
    assert(io.open "rockspec/userns-scm-1.rockspec"):close()
  end,
  ["echo"] = function(line)
    succeeds((line:gsub("lua5.4", with_library .. "%0")))
  end,
}

--- What the command prints, called in a directory with the chapter's file.
local function command_output(line, chapter)
  local directory <const> = helper.directory()
  for _, block in ipairs(chapter.blocks) do
    if is_file(block) then
      helper.write(directory .. "/box.lua", block.text)
    end
  end
  local command <const> = line:gsub("^userns", ("%slua5.4 $OLDPWD/bin/userns"):format(with_library))
  local result <const> = helper.shell(("cd %s && %s"):format(directory, command))
  helper.remove(directory)
  return result.out .. result.err
end

-- ---- specs ----------------------------------------------------------------

describe("the README", function()
  for _, chapter in ipairs(chapters()) do
    local pieces <const> = lua_of(chapter)

    if #pieces > 0 then
      it(("shows what its Lua prints: %s"):format(chapter.title), function()
        local outputs <const> = run(pieces)
        assert.equal(#pieces, #outputs)
        for i, piece in ipairs(pieces) do
          assert.equal(for_caller(piece.shown), for_caller(outputs[i]))
        end
      end)
    end

    for i, block in ipairs(chapter.blocks) do
      if block.language == "sh" and block.text:find("^userns ") then
        it(("shows what its command prints: %s"):format(chapter.title), function()
          assert.equal(for_caller(shown_below(chapter, i)), for_caller(command_output(block.text, chapter)))
        end)
      elseif block.language == "sh" then
        it(("has commands that work: %s"):format(chapter.title), function()
          for line in block.text:gmatch("[^\n]+") do
            local check <const> = COMMANDS[line:match("^%g+")] or error("nobody checks: " .. line)
            check((line:gsub("%s*#.*", "")))
          end
        end)
      end
    end
  end

  it("has no block that is not run", function()
    for _, chapter in ipairs(chapters()) do
      for i, block in ipairs(chapter.blocks) do
        local above <const> = chapter.blocks[i - 1]
        local shows <const> = block.language == "text" and above
          and (above.language == "lua" or above.text:find("^userns "))
        assert.truthy(block.language == "lua" or block.language == "sh" or shows, block.text)
      end
    end
  end)

  it("links to files that are there", function()
    for path in README:gmatch("%]%(([^)#]+)") do
      assert(io.open(path)):close()
    end
  end)

  it("names every field of a description", function()
    local schema <const> = require "userns.schema"
    local said <const> = {}
    for _, chapter in ipairs(chapters()) do
      if chapter.title == "What a description can say" then
        for name in chapter.text:gmatch("`([%l_]+)`") do
          said[name] = true
        end
      end
    end
    for _, field in ipairs(schema.description.fields) do
      assert.truthy(said[field.name], field.name)
    end
  end)

  it("names real fields among the safe defaults", function()
    local names <const> = {}
    local schema <const> = require "userns.schema"
    for _, record in ipairs { schema.description, schema.process, schema.mount.variants.bind } do
      for _, field in ipairs(record.fields) do
        names[field.name] = true
      end
    end
    for _, chapter in ipairs(chapters()) do
      if chapter.title == "What is safe by default" then
        for cell in chapter.text:gmatch("| ([^|]*) |\n") do
          for name in cell:gmatch("`([%l_]+)`") do
            assert.truthy(names[name], name)
          end
        end
      end
    end
  end)
end)

describe("the example", function()
  before_each(helper.count)
  after_each(helper.check_count)

  local function example(command, input)
    return helper.shell(("printf %%s %s | %slua5.4 examples/%s"):format(
      helper.quote(input or ""), with_library, command))
  end

  --- An id that gives nothing, as ids.lua chooses it.
  local function harmless(kind)
    local ranges <const> = helper.privilege == "root" and require "userns.subids".of(0)[kind] or {}
    return ranges[1] and ranges[1].start or helper.privilege == "root" and 65534 or helper[kind]
  end

  it("container shows one process from both sides", function()
    local sides <const> = {}
    local result <const> = example "container.lua"
    for what, outside, inside in result.out:gmatch("\n  (%l+ ?%l*) +(%g+) +(%g+)") do
      sides[what:gsub(" $", "")] = { outside = outside, inside = inside }
    end
    assert.same({ "", 0 }, { result.err, result.code })
    assert.same({ outside = tostring(harmless "uid"), inside = "0" }, sides["user id"])
    assert.same({ outside = tostring(harmless "gid"), inside = "0" }, sides["group id"])
    assert.equal("1", sides["process id"].inside)
    assert.equal("bizarro", sides["host name"].inside)
    assert.equal(require "userns.sys".gethostname(), sides["host name"].outside)
    assert.equal("1", sides["processes"].inside)
    assert.truthy(result.out:find("parent  clone  +namespaces=user,mnt,pid,net,ipc,uts,cgroup\n"))
    assert.truthy(result.out:find("child   hostname  +name=bizarro\n"))
  end)

  it("shell is root in a place of its own, and ends as the shell does", function()
    assert.same({ out = "0 0 container 1\n/proc/1\n", err = "", code = 3 },
      example("shell.lua", "echo $(id -u) $(id -g) $(hostname) $$; echo /proc/[0-9]*; exit 3"))
  end)

  it("shell says why a program does not start", function()
    local result <const> = example "shell.lua /nowhere"
    assert.same({ "", 126 }, { result.out, result.code })
    assert.truthy(result.err:find("userns: exec '/nowhere': No such file or directory (process[1])", 1, true))
  end)

  it("sandbox runs a program that sees little and gets a result", function()
    local script <const> = "cat; echo / /*; touch /usr/mine; exit 7"
    local result <const> = example("sandbox.lua /bin/sh -c " .. helper.quote(script), "given\n")
    assert.same({ "", 0 }, { result.err, result.code })
    for _, line in ipairs {
      "ok         false\n", "exit_code  7\n", "signal     nil\n", "timed_out  false\n",
      "truncated  false\n", 'stdout     "given\\\n/ /bin /dev ', ' /proc /program /sbin /tmp /usr\\\n"\n',
      "stderr     \"touch: cannot touch '/usr/mine': Read-only file system\\\n\"\n",
    } do
      assert.truthy(result.out:find(line, 1, true), line)
    end
  end)

  it("sandbox says what is wrong with its arguments", function()
    assert.same({ out = "", err = "usage: sandbox.lua /path/to/program [ARGUMENT...]\n", code = 2 },
      example "sandbox.lua")
    local result <const> = example "sandbox.lua true"
    assert.same({ "", 2 }, { result.out, result.code })
    assert.truthy(result.err:find("^userns: validate: an absolute path is needed %(mounts%[%d+%]%.source%)"))
  end)
end)
