-- A busted output handler: plainTerminal, with the file a row of dots belongs to
-- and the seconds it took, ending with "N passed, N failed" alone on a line.  A
-- pending spec failed.
local busted = require "busted"
local plain_terminal = require "busted.outputHandlers.plainTerminal"

local function pid()
  local stat <close> = assert(io.open("/proc/self/stat"))
  return stat:read("n")
end

local function summary(passed, failed)
  io.write(("%d passed, %d failed\n"):format(passed, failed))
  io.flush()
end

-- A child that returns into busted would run the remaining specs a second time,
-- unseen by its parent: it ends here, and its summary spoils the parent's.
local function only_in(parent)
  return function(element)
    if pid() ~= parent then
      io.stderr:write("\na child process left its spec: ", tostring(element.name), "\n")
      summary(0, 1)
      os.exit(1)
    end
    return nil, true
  end
end

return function(options)
  local guard <const> = only_in(pid())
  for _, event in ipairs { { "test", "end" }, { "failure" }, { "error" }, { "suite", "end" } } do
    busted.subscribe(event, guard, { priority = 1 })
  end

  busted.subscribe({ "file", "start" }, function(file)
    io.write("\n", file.name, " ")
    io.flush()
    return nil, true
  end)

  busted.subscribe({ "file", "end" }, function(file)
    io.write((" %.1f s"):format(file.duration))
    io.flush()
    return nil, true
  end)

  local handler <const> = plain_terminal(options)

  busted.subscribe({ "suite", "end" }, function()
    local failed <const> = handler.failuresCount + handler.errorsCount + handler.pendingsCount
    summary(handler.successesCount, failed)
    return nil, true
  end)

  return handler
end
