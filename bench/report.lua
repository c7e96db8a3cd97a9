-- Results in, lines out.
local report = {}

--- Three digits that count.
---@param number number
---@return string
function report.number(number)
  return (number >= 100 and "%.0f" or number >= 10 and "%.1f" or "%.2f"):format(number)
end

local number <const> = report.number

--- The row of a contender and a value.
---@param rows Row[]
---@param name string
---@param value any
---@return Row?
function report.find(rows, name, value)
  for _, row in ipairs(rows) do
    if row.name == name and row.value == value then
      return row
    end
  end
end

--- What a row is divided by: the first row where the experiment should be flat,
--- and those of its bases for the same value.
---@param experiment Experiment
---@return { heading: string, of: fun(rows: Row[], row: Row): Row? }[]
function report.bases(experiment)
  local bases <const> = {}
  if experiment.flat then
    bases[1] = { heading = "/ first", of = function(rows) return rows[1] end }
  end
  for _, name in ipairs(experiment.bases or {}) do
    bases[#bases + 1] = {
      heading = "/ " .. name,
      of = function(rows, row)
        return report.find(rows, name, row.value)
      end,
    }
  end
  return bases
end

--- How many times a row is its base, if both could launch.
---@param row Row?
---@param base Row?
---@return number?
function report.ratio(row, base)
  if row and base and row.summary and base.summary and base.summary.median > 0 then
    return row.summary.median / base.summary.median
  end
end

-- Pads by characters, where string.format counts bytes.
local function left(text, width)
  return text .. (" "):rep(width - utf8.len(text))
end

local function line(first, second, ...)
  local text = "  " .. left(first, 19) .. left(second, 12)
  for index, cell in ipairs { ... } do
    text = text .. (index == 2 and "%18s" or index == 1 and "%9s" or "%15s"):format(cell)
  end
  return text
end

local function row_line(rows, row, bases)
  local first <const>, second <const> = row.label or row.title, row.label and row.title or ""
  if row.failure then
    return ("  %s%s cannot run here: %s"):format(left(first, 19), second, row.failure)
  end
  local s <const>, ratios <const> = row.summary, {}
  for index, base in ipairs(bases) do
    local ratio <const> = report.ratio(row, base.of(rows, row))
    ratios[index] = ratio and ("%.2f"):format(ratio) or "-"
  end
  return line(first, second, number(s.median), number(s.low) .. " .. " .. number(s.high), table.unpack(ratios))
end

--- The table of one experiment.
---@param result Result
---@return string[] lines
function report.table(result)
  local experiment <const> = result.experiment
  local bases <const>, headings <const> = report.bases(experiment), {}
  for index, base in ipairs(bases) do
    headings[index] = base.heading
  end
  local lines <const> = {
    ("%s: %s"):format(experiment.name, experiment.title),
    line(experiment.unit.name, "", "median", "p10 .. p90", table.unpack(headings)),
  }
  for _, row in ipairs(result.rows) do
    lines[#lines + 1] = row_line(result.rows, row, bases)
  end
  return lines
end

--- Whatever the contenders of some experiments leave out of the job.
---@param contenders table<string, Contender>
---@param experiments Experiment[]
---@return string[] lines
function report.omissions(contenders, experiments)
  local lines <const>, said <const> = {}, {}
  for _, experiment in ipairs(experiments) do
    for _, name in ipairs(experiment.contenders) do
      local contender <const> = contenders[name]
      if contender.lacks and not said[name] then
        lines[#lines + 1] = ("  %s: %s"):format(contender.name, contender.lacks)
      end
      said[name] = true
    end
  end
  return lines
end

local function row_name(row)
  return row.label and ("%s, %s"):format(row.title, row.label) or row.title
end

local function target_line(target, result)
  local row <const> = report.find(result.rows, table.unpack(target.row, 1, 2))
  local base <const> = target.base and report.find(result.rows, table.unpack(target.base, 1, 2))
  local shown
  if target.base then
    shown = report.ratio(row, base)
  else
    shown = row and row.summary and row.summary.median
  end
  if not shown then
    return nil
  end
  local met <const> = shown <= (target.atmost or math.huge) and shown >= (target.atleast or 0)
  return ("  %-7s%s %s at %s %s: %s"):format(met and "met" or "missed", row_name(row),
    base and "/ " .. row_name(base) or result.experiment.unit.name,
    target.atmost and "most" or "least", target.atmost or target.atleast, number(shown))
end

--- What the rows should show, beside what they show.
---@param targets Target[]
---@param results Result[]
---@return string[] lines
function report.targets(targets, results)
  local by_name <const>, lines <const> = {}, {}
  for _, result in ipairs(results) do
    by_name[result.experiment.name] = result
  end
  for _, target in ipairs(targets) do
    local result <const> = by_name[target.experiment]
    lines[#lines + 1] = result and target_line(target, result)
  end
  return lines
end

return report
