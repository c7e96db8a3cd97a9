-- What a command line asks for.
local help = require "userns.command.help"
local options = require "userns.command.options"
local report = require "userns.command.report"
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

---@param argv string[]
---@return integer status the exit status
return function(argv)
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
