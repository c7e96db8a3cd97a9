-- Commands as lists of words, started through a shell that only starts them.
local command = {}

local function quote(word)
  return "'" .. tostring(word):gsub("'", "'\\''") .. "'"
end

--- The words of several lists, one after the other.
---@param ... string[]
---@return string[] words
function command.join(...)
  local words <const> = {}
  for _, list in ipairs { ... } do
    table.move(list, 1, #list, #words + 1, words)
  end
  return words
end

--- Starts a command and returns a function that awaits it: its standard output,
--- or nil and the first line of its standard error.
---@param words string[]
---@return fun(): string?, string?
function command.start(words)
  local quoted <const> = {}
  for index, word in ipairs(words) do
    quoted[index] = quote(word)
  end
  local complaint <const> = os.tmpname()
  local pipe <const> = assert(io.popen(("%s 2>%s"):format(table.concat(quoted, " "), complaint)))
  return function()
    local output <const> = pipe:read("a")
    local ok <const>, _, status <const> = pipe:close()
    local file <close> = assert(io.open(complaint))
    local reason <const> = file:read("l")
    os.remove(complaint)
    if ok then
      return output
    end
    return nil, reason or ("exit status %d"):format(status)
  end
end

--- Runs a command to its end.
---@param words string[]
---@return string? output
---@return string? reason
function command.run(words)
  return command.start(words)()
end

--- Runs a command that has to succeed.
---@param words string[]
---@return string output without the newline at its end
function command.must(words)
  local output <const>, reason <const> = command.run(words)
  return (assert(output, reason):gsub("\n$", ""))
end

return command
