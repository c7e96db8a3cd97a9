-- The userns command.
local help = require "userns.command.help"
local options = require "userns.command.options"
local report = require "userns.command.report"
local status = require "userns.command.status"
local sys = require "userns.sys"
local userns = require "userns"

local COMMANDS <const> = {
  run = require "userns.command.run",
  plan = require "userns.command.plan",
  check = require "userns.command.check",
  features = require "userns.command.features",
  list = require "userns.command.list",
  enter = require "userns.command.enter",
  completion = require "userns.command.completion",
}

local function main(argv)
  local call <const>, err <const> = options.parse(argv)
  local says <const> = report.new(call and call.options or { json = options.asks_for_json(argv) })
  if not call then
    return says:fail(err)
  elseif call.options.help then
    return says:answer(help.text(call.command))
  elseif call.options.version then
    return says:answer(("userns %s\n"):format(userns._VERSION))
  end
  return COMMANDS[call.command.name](call, says)
end

--- An interruption that nobody dealt with ends the process the way it ends any:
--- the shell that started it stops its script.  The interpreter has turned it
--- into an error, and does so once.
local function die_interrupted()
  sys.kill(sys.getpid(), "INT")
  return status.SIGNAL + sys.signal_number "INT"
end

--- Runs the command.
---@param argv string[]
---@return integer status the exit status
return function(argv)
  local ok <const>, result = xpcall(main, function(raised)
    return type(raised) == "string" and raised:find("interrupted!$") and raised or debug.traceback(raised)
  end, argv)
  if ok then
    return result
  elseif result:find("interrupted!$") then
    return die_interrupted()
  end
  io.stderr:write("userns: ", result, "\n")
  return status.FAILURE
end
