-- userns list: the namespaces that processes of the machine are in.
local userns = require "userns"

local COLUMNS <const> = {
  { "NAMESPACE", "id" }, { "TYPE", "type" }, { "PROCESSES", "processes" }, { "PID", "pid" }, { "OWNER", "owner" },
  { "COMMAND", "command" },
}

--- The namespaces of some types; of all where none is named.
local function chosen(list, types)
  local wanted <const>, found <const> = {}, {}
  for _, type in ipairs(types) do
    wanted[type] = true
  end
  for _, namespace in ipairs(list) do
    found[#found + 1] = (#types == 0 or wanted[namespace.type]) and namespace or nil
  end
  return found
end

--- Rows of words, the first of them the columns' names.
local function rows(list, report)
  local table <const> = { {} }
  for i, column in ipairs(COLUMNS) do
    table[1][i] = column[1]
  end
  for _, namespace in ipairs(list) do
    local row <const> = {}
    for i, column in ipairs(COLUMNS) do
      local value <const> = namespace[column[2]]
      row[i] = value == nil and "-" or report.printable(tostring(value))
    end
    table[#table + 1] = row
  end
  return table
end

local function widths(list)
  local widest <const> = {}
  for i = 1, #COLUMNS - 1 do
    widest[i] = 0
    for _, row in ipairs(list) do
      widest[i] = math.max(widest[i], #row[i])
    end
  end
  return widest
end

local function listing(list)
  local widest <const>, lines <const> = widths(list), {}
  for n, row in ipairs(list) do
    local line <const> = {}
    for i, word in ipairs(row) do
      line[i] = word .. (" "):rep((widest[i] or 0) - #word)
    end
    lines[n] = table.concat(line, "  ")
  end
  return table.concat(lines, "\n") .. "\n"
end

---@param call userns.command.Call
---@param report userns.command.Report
---@return integer status
return function(call, report)
  local all <const>, err <const> = userns.namespaces()
  if not all then
    return report:fail(err)
  end
  local list <const> = chosen(all, call.operands)
  if report.json then
    return report:answer_json(list)
  end
  return report:answer(listing(rows(list, report)))
end
