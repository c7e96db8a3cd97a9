-- The command line: what is understood, and that help, completions and the manual
-- page tell the same.
local complete = require "userns.command.complete"
local grammar = require "userns.command.grammar"
local help = require "userns.command.help"
local helper = require "spec.helper"
local options = require "userns.command.options"

local function parsed(...)
  local call <const> = assert(options.parse { ... })
  return { call.command and call.command.name, call.options, call.operands, call.program }
end

local function refused(...)
  local call <const>, err <const> = options.parse { ... }
  assert.is_nil(call)
  assert.same({ "usage", "EINVAL" }, { err.op, err.code })
  return { err.message, err.hint }
end

describe("the command line", function()
  it("has a command, options, operands, and a program after --", function()
    assert.same({ "run", {}, { "box.lua" } }, parsed("run", "box.lua"))
    assert.same({ "run", { json = true, quiet = true }, { "box.lua" }, { "ls", "--json", "--", "-q" } },
      parsed("run", "--json", "box.lua", "-q", "--", "ls", "--json", "--", "-q"))
    assert.same({ "plan", { explain = true, quiet = true }, { "-" } }, parsed("plan", "--explain", "--quiet", "-"))
    assert.same({ "list", {}, { "net", "user" } }, parsed("list", "net", "user"))
    assert.same({ "features", {}, {} }, parsed "features")
    assert.same({ "enter", {}, { "/run/netns/x y" } }, parsed("enter", "/run/netns/x y"))
  end)

  it("asks for help whatever else is missing", function()
    assert.same({ nil, { help = true }, {} }, parsed "-h")
    assert.same({ "run", { help = true }, {} }, parsed("run", "--help"))
    assert.same({ nil, { version = true }, {} }, parsed "--version")
    assert.same({ nil, { version = true, help = true }, {} }, parsed "-Vh")
  end)

  it("is refused with a suggestion", function()
    assert.same({ "unknown command 'rum'", "did you mean 'run'?" }, refused "rum")
    assert.same({ "unknown command 'xxxxx'", "one of: run, plan, check, features, list, enter, completion" },
      refused "xxxxx")
    assert.same({ "unknown option '--jsom'", "did you mean '--json'?" }, refused("run", "--jsom", "box.lua"))
    assert.same({ "unknown option '-x'", "--help lists them" }, refused("run", "-qx", "box.lua"))
    assert.same({ "unknown option '--explain'", "one of: --json, --quiet, --help" },
      refused("run", "--explain", "box.lua"))
    assert.same({ "unknown option '--json'", "one of: --help, --version" }, refused("--json", "run", "box.lua"))
    assert.same({ "unknown TYPE 'nett'", "did you mean 'net'?" }, refused("list", "nett"))
    assert.same({ "unknown SHELL 'tcsh'", "one of: bash, zsh, fish" }, refused("completion", "tcsh"))
  end)

  it("is refused for too much or too little", function()
    assert.same({ "no command is named", "one of: run, plan, check, features, list, enter, completion" }, refused())
    assert.same({ "no command is named", "one of: run, plan, check, features, list, enter, completion" },
      refused("--", "run"))
    assert.same({ "run needs FILE", "`userns run --help` tells more" }, refused "run")
    assert.same({ "enter needs PID|PATH", "`userns enter --help` tells more" }, refused("enter", "--", "ls"))
    assert.same({ "'ls' is one word too many for run", "a program and its arguments come after --" },
      refused("run", "box.lua", "ls"))
    assert.same({ "'x' is one word too many for features" }, refused("features", "x"))
    assert.same({ "no program after --" }, refused("run", "box.lua", "--"))
    assert.same({ "list runs no program, and takes nothing after --" }, refused("list", "--", "ls"))
  end)
end)

describe("the grammar", function()
  local page <const> = helper.read "doc/userns.1"

  --- The lines of the manual page that belong to a list's item, with the macros.
  local function has_item(macro, name)
    return page:find(("\n.It %s %s\n"):format(macro, name), 1, true) ~= nil
  end

  it("has a command of the same name for each command", function()
    for _, command in ipairs(grammar.commands) do
      assert.is_function(require("userns.command." .. command.name))
    end
  end)

  it("is told by --help", function()
    for _, command in ipairs(grammar.commands) do
      assert.matches(command.name .. " +" .. command.doc, help.text(), 1, false)
      local text <const> = help.text(command)
      assert.matches("^usage: userns " .. command.name, text)
      for _, option in ipairs(command.options) do
        assert.matches(("--%s "):format(option.name), text, 1, true)
      end
    end
    assert.matches("TYPE +one of: user, mnt, pid, net, ipc, uts, cgroup, time\n", help.text(grammar.commands[5]))
    for line in help.text():gmatch("[^\n]+") do
      assert(#line <= 100, line)
    end
  end)

  it("is what the manual page has", function()
    local synopsis <const> = page:match("\n.Sh SYNOPSIS\n(.-)\n.Sh ")
    local options_of <const> = {}
    for name, rest in (synopsis:gsub("\n%.Nm\n", "\0") .. "\0"):gmatch("%.Cm (%a+)\n?(%Z*)") do
      local words <const> = {}
      for option in rest:gmatch("%.Op Fl %-(%a+)") do
        words[#words + 1] = option
      end
      options_of[name] = table.concat(words, " ")
    end
    for _, command in ipairs(grammar.commands) do
      local words <const> = {}
      for _, option in ipairs(command.options) do
        words[#words + 1] = option.name ~= "help" and option.name or nil
      end
      table.sort(words)
      assert.equal(table.concat(words, " "), options_of[command.name], command.name)
      assert(has_item("Cm", command.name), command.name)
    end
  end)

  it("has no option or command that the manual page has not, nor the other way round", function()
    local known <const> = {}
    for _, list in ipairs { grammar, table.unpack(grammar.commands) } do
      for _, option in ipairs(list.options) do
        known[(option.short and ("Fl %s , -"):format(option.short) or "Fl -") .. option.name] = true
      end
    end
    for _, command in ipairs(grammar.commands) do
      known["Cm " .. command.name] = true
    end
    local told <const> = {}
    for item in page:gmatch("\n%.It ([FC][lm] [^\n]+)") do
      told[item] = true
    end
    assert.same(known, told)
  end)
end)

describe("the completion", function()
  --- What bash would offer for the last of some words.
  local function offered(...)
    local words <const> = { "userns", ... }
    local quoted <const> = {}
    for i, word in ipairs(words) do
      quoted[i] = helper.quote(word)
    end
    local script <const> = complete.bash() .. ("COMP_WORDS=(%s) COMP_CWORD=%d; _userns; echo ${COMPREPLY[*]}"):format(
      table.concat(quoted, " "), #words - 1)
    local result <const> = helper.shell("bash -uec " .. helper.quote(script))
    assert.same({ "", 0 }, { result.err, result.code })
    return (result.out:gsub("\n$", ""))
  end

  it("of bash offers commands, then what belongs to the command", function()
    assert.equal("run plan check features list enter completion", offered "")
    assert.equal("check completion", offered "c")
    assert.equal("--help --version", offered "-")
    assert.equal("--explain --json --quiet --help", offered("plan", "-"))
    assert.equal("--json", offered("list", "--j"))
    assert.equal("user mnt pid net ipc uts cgroup time", offered("list", "net", ""))
    assert.equal("bash zsh fish", offered("completion", ""))
  end)

  it("of bash leaves files to bash, and the program's words to the program", function()
    assert.equal("", offered("run", ""))
    assert.equal("", offered("run", "box.lua", "--", "ls", "-"))
    assert.matches("%f[%w]env%f[%W]", offered("run", "box.lua", "--", "env"))
  end)

  it("of zsh and fish has every command and option", function()
    for _, command in ipairs(grammar.commands) do
      assert.matches(("\n    '%s:%s'\n"):format(command.name, command.doc), complete.zsh(), 1, true)
      assert.matches(("-n __fish_use_subcommand -a %s -d '%s'\n"):format(command.name, command.doc), complete.fish(), 1,
        true)
      local zsh <const> = complete.zsh():match("\n        " .. command.name .. "%) ([^\n]+) ;;\n")
      for _, option in ipairs(command.options) do
        assert.matches(("--%s%s[%s]"):format(option.name, option.short and "}'" or "", option.doc), zsh, 1, true)
        assert.matches(("-n '__fish_seen_subcommand_from %s'%s -l %s -d '%s'\n"):format(command.name,
          option.short and " -s " .. option.short or "", option.name, option.doc), complete.fish(), 1, true)
      end
    end
  end)
end)
