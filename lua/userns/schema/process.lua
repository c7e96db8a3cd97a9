-- The process spec.
local handles = require "userns.schema.handles"
local identity = require "userns.schema.identity"
local types = require "userns.types"

local descriptor <const> = handles.descriptor

local variable <const> = types.with(types.text("variable name", 1), function(name)
  return name:find("=", 1, true) and "a variable's name has no '='" or nil
end)

local inherit_env <const> = types.either("boolean or list of variable names", function(value)
  return type(value) == "boolean" and types.flag or type(value) == "table" and types.list(variable) or nil
end)

local function stdio(words)
  local choice <const> = types.choice(words, "redirection")
  return types.either(choice.name .. ", file or descriptor number", function(value)
    return type(value) == "string" and choice or descriptor
  end)
end

local signal_names <const> = {
  "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM",
  "TERM", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH",
  "IO", "PWR", "SYS",
}
local SIGNAL <const> = types.choice(signal_names, "signal")
local SIGNAL_NUMBER <const> = types.integer(1, 64)

local signal <const> = {
  name = "signal name or number",
  check = function(value, report, path)
    if type(value) == "string" then
      return SIGNAL.check((value:gsub("^SIG", "")), report, path)
    end
    return SIGNAL_NUMBER.check(value, report, path)
  end,
}

local size <const> = types.record({
  { name = "rows", type = types.integer(1, 65535), default = 24, doc = "Lines of text." },
  { name = "cols", type = types.integer(1, 65535), default = 80, doc = "Characters in a line." },
}, "terminal size")

local terminal <const> = types.either("boolean or terminal size", function(value)
  return type(value) == "boolean" and types.flag or type(value) == "table" and size or nil
end)

local process <const> = types.record({
  { name = "argv0", type = types.string, default = "(the program)", doc = "What the program is told its name is." },
  { name = "env", type = types.map(variable, types.string, "map of variables"), default = "(PATH TERM LANG TZ HOME)",
    doc = "Variables, laid over the short environment." },
  { name = "inherit_env", type = inherit_env, default = false,
    doc = "The host's whole environment, or the named variables of it." },
  { name = "cwd", type = types.path, default = "/", doc = "Working directory, which must be inside the root.",
    errors = "ENOENT, EACCES, ENOTDIR" },
  { name = "uid", type = identity.id_or_name, default = "(0 if mapped, else the first inside id)",
    doc = "User inside: an id, or a name of the container's own /etc/passwd.",
    errors = "EINVAL: not mapped; ENOENT: no such name" },
  { name = "gid", type = identity.id_or_name,
    default = "(that of the user, where it is named; 0 if mapped, else the first inside id)",
    doc = "Group inside: an id, or a name of the container's own /etc/group.",
    errors = "EINVAL: not mapped; ENOENT: no such name" },
  { name = "groups", type = types.list(identity.id_or_name, "list of ids and names"), default = "(none)",
    doc = "Supplementary groups inside.", needs = "a map of more than one group id, or privilege" },
  { name = "umask", type = types.mode, default = "0022", doc = "File mode creation mask." },
  { name = "stdin", type = stdio { "inherit", "null", "pipe" }, default = "inherit", doc = "Standard input." },
  { name = "stdout", type = stdio { "inherit", "null", "pipe", "capture" }, default = "inherit",
    doc = "Standard output." },
  { name = "stderr", type = stdio { "inherit", "null", "pipe", "capture", "stdout" }, default = "inherit",
    doc = "Standard error; `\"stdout\"`: where standard output goes." },
  { name = "input", type = types.bytes, doc = "What the program reads on standard input (instead of `stdin`)." },
  { name = "max_output", type = types.size, default = "(no limit)",
    doc = "Bytes captured of each stream at most; the rest is read and dropped." },
  { name = "fds", type = types.map(types.integer(3, 65535), descriptor, "map of descriptors"),
    doc = "Further descriptors: the number inside to a file or number of the host's." },
  { name = "terminal", type = terminal, default = "(none)",
    doc = "A terminal of its own as standard input, output and error, which is its session's: the container's own "
      .. "where it has a `dev` or `devpts`, else one of the host's. The handle's `terminal` is the other side. "
      .. "`{ rows = 24, cols = 80 }` is its size.",
    needs = "`new_session`" },
  { name = "timeout", type = types.seconds, default = "(none)", doc = "Seconds until `kill_signal` is sent. "
      .. "A set-up that blocks is ended then, too, or after 5 seconds if that is later.",
    errors = "ETIMEDOUT: the set-up was not done" },
  { name = "kill_signal", type = signal, default = "KILL", doc = "What a timeout sends." },
  { name = "kill_after", type = types.seconds, default = 1,
    doc = "Seconds from `kill_signal`, or from the SIGINT that `run` hands on, to SIGKILL." },
}, "process", true)

--- What each entry of the array part is.
process.argument = types.string

return process
