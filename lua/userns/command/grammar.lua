-- What the command understands, as data: it is parsed, told by --help, completed
-- by shells, and compared with the manual page from here.
local sys = require "userns.sys"

local JSON <const> = { name = "json", doc = "Print JSON, for machines." }
local QUIET <const> = { name = "quiet", short = "q", doc = "Say nothing of what is weaker than asked for." }
local EXPLAIN <const> = { name = "explain", doc = "Say what each step does, and which field asks for it." }
local HELP <const> = { name = "help", short = "h", doc = "Print help." }
local VERSION <const> = { name = "version", short = "V", doc = "Print the version." }

local FILE <const> = { name = "FILE", kind = "file" }
local TARGET <const> = { name = "PID|PATH", kind = "target" }
local TYPE <const> = { name = "TYPE", words = sys.namespace_types(), optional = true, many = true }
local SHELL <const> = { name = "SHELL", words = { "bash", "zsh", "fish" } }

return {
  name = "userns",
  doc = "Runs programs in Linux namespaces. FILE is a Lua file that returns a description.",
  options = { HELP, VERSION },
  commands = {
    { name = "run", doc = "Run the program of a description, or another one.", operands = { FILE }, program = true,
      options = { JSON, QUIET, HELP } },
    { name = "plan", doc = "Print the steps that run would take.", operands = { FILE }, program = true,
      options = { EXPLAIN, JSON, QUIET, HELP } },
    { name = "check", doc = "Try a description, and tell all that would fail here.", operands = { FILE },
      program = true, options = { JSON, QUIET, HELP } },
    { name = "features", doc = "Print what this host allows.", operands = {}, options = { JSON, HELP } },
    { name = "list", doc = "Print the namespaces of the machine.", operands = { TYPE }, options = { JSON, HELP } },
    { name = "enter", doc = "Run a shell, or a program, in the namespaces of a process, or the one of a file.",
      operands = { TARGET }, program = true, options = { JSON, QUIET, HELP } },
    { name = "completion", doc = "Print the completion of a shell.", operands = { SHELL }, options = { HELP } },
  },
}
