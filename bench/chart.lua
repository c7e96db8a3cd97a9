-- The picture of the results: one panel for each experiment, a bar for each row
-- from nothing to the median, a line from the tenth to the ninetieth percentile.
local report = require "bench.report"
local scale = require "bench.scale"
local svg = require "bench.svg"

local width <const>, margin <const>, gap <const> = 900, 24, 36
local column <const> = (width - 2 * margin - gap) // 2
local bar <const>, pitch <const>, group_gap <const> = 11, 16, 8
local label_width <const>, figure_width <const> = 106, 108
local title_height <const>, axis_height <const> = 30, 40

local colours <const> = {
  floor = "#8c959f",
  userns = "#2f81f7",
  unshare = "#2aa198",
  bubblewrap = "#d9822b",
  crun = "#3fa45b",
  runc = "#9a6dd7",
  firejail = "#d1495b",
  prepared = "#2f81f7",
  joined = "#2f81f7",
  fresh = "#2f81f7",
}
local other_colour <const> = "#6e7781"

-- In the order in which a reader meets them.
local legend <const> = { "floor", "userns", "unshare", "bubblewrap", "crun", "runc", "firejail" }

local style <const> = [[
text { font: 11px -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; fill: #1f2328 }
.heading { font-size: 17px; font-weight: 600 }
.title { font-size: 13px; font-weight: 600 }
.quiet { fill: #656d76 }
.right { text-anchor: end }
.middle { text-anchor: middle; fill: #656d76; font-size: 10px }
.paper { fill: #ffffff }
.grid { stroke: #d8dee4 }
.spread { stroke: #1f2328; stroke-width: 1.5 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  .quiet, .middle { fill: #8d96a0 }
  .paper { fill: #0d1117 }
  .grid { stroke: #30363d }
  .spread { stroke: #e6edf3 }
}]]

local function present(rows)
  local some <const> = {}
  for _, row in ipairs(rows) do
    some[#some + 1] = row.summary and row or nil
  end
  return some
end

local function scale_for(experiment, rows)
  local low, high = math.huge, 0
  for _, row in ipairs(rows) do
    low, high = math.min(low, row.summary.median), math.max(high, row.summary.high)
  end
  if experiment.logarithmic then
    return scale.logarithmic(low, high)
  end
  return scale.linear(high)
end

-- Where the plot of a panel begins, and how wide it is.
local plot <const> = { x = label_width, width = column - label_width - figure_width }

local function across(axis, value)
  return plot.x + plot.width * axis.at(value)
end

local function draw_grid(axis, bottom)
  local elements <const> = {}
  for _, tick in ipairs(axis.ticks) do
    local x <const> = across(axis, tick)
    elements[#elements + 1] = svg.line("grid", x, title_height - 6, x, bottom)
    elements[#elements + 1] = svg.text(x, bottom + 14, ("%g"):format(tick), "middle")
  end
  return table.concat(elements, "\n")
end

local function draw_bar(axis, row, y)
  local s <const>, middle <const> = row.summary, y + bar / 2
  return svg.element("rect", {
    x = plot.x, y = y, width = math.max(1, across(axis, s.median) - plot.x), height = bar, rx = 2,
    fill = colours[row.name] or other_colour,
  }) .. "\n" .. svg.line("spread", across(axis, s.low), middle, across(axis, s.high), middle)
end

-- The median, and beside it how many times that is what it is compared with.
local function draw_figures(row, ratio, y)
  local base_line <const> = y + bar - 2
  local text <const> = svg.text(column - 54, base_line, report.number(row.summary.median), "right")
  return ratio and text .. "\n" .. svg.text(column, base_line, report.number(ratio) .. " ×", "right quiet") or text
end

-- What a bar is called: the value, once for its contenders, or the contender.
local function name_of(row, previous)
  if not row.label then
    return row.title
  end
  return (not previous or previous.label ~= row.label) and row.label or ""
end

local function draw_rows(result, rows, axis)
  local elements <const> = {}
  local experiment <const> = result.experiment
  local grouped <const> = experiment.values and #experiment.contenders > 1
  local base <const>, y = report.bases(experiment)[1], title_height
  for index, row in ipairs(rows) do
    local previous <const> = rows[index - 1]
    if grouped and previous and previous.label ~= row.label then
      y = y + group_gap
    end
    local ratio <const> = base and report.ratio(row, base.of(result.rows, row))
    elements[#elements + 1] = svg.text(0, y + bar - 2, name_of(row, previous), "name")
    elements[#elements + 1] = draw_bar(axis, row, y)
    elements[#elements + 1] = draw_figures(row, ratio, y)
    y = y + pitch
  end
  return table.concat(elements, "\n"), y
end

--- One panel, drawn from its own corner: the picture and its height.
local function draw_panel(result, rows, title)
  local experiment <const> = result.experiment
  local axis <const> = scale_for(experiment, rows)
  local bars <const>, bottom <const> = draw_rows(result, rows, axis)
  local heading <const> = ("%s, %s"):format(title or experiment.title, experiment.unit.name)
  return svg.text(0, 12, heading, "title") .. "\n" .. draw_grid(axis, bottom - 2) .. "\n" .. bars,
    bottom + axis_height
end

-- The first experiment of each way side by side, then all others of the first way.
local function panels_of(ways)
  local panels <const> = {}
  local function add(result, title)
    local rows <const> = present(result.rows)
    if #rows > 0 then
      local picture <const>, height <const> = draw_panel(result, rows, title)
      panels[#panels + 1] = { picture = picture, height = height }
    end
  end
  for _, way in ipairs(ways) do
    local first <const> = way.results[1]
    add(first, ("%s %s"):format(first.experiment.title, way.title))
  end
  for index = 2, #ways[1].results do
    add(ways[1].results[index])
  end
  return panels
end

-- Each panel in the column that has grown less.
local function arrange(panels, top)
  local elements <const>, y <const> = {}, { top, top }
  for index, panel in ipairs(panels) do
    local side <const> = y[2] < y[1] and 2 or 1
    local x <const> = side == 1 and margin or margin + column + gap
    elements[index] = svg.element("g", { transform = ("translate(%d %d)"):format(x, y[side]) }, panel.picture)
    y[side] = y[side] + panel.height
  end
  return table.concat(elements, "\n"), math.max(y[1], y[2])
end

local function contender_titles(ways)
  local titles <const> = {}
  for _, way in ipairs(ways) do
    for _, result in ipairs(way.results) do
      for _, row in ipairs(present(result.rows)) do
        titles[row.name] = row.title
      end
    end
  end
  return titles
end

local function draw_legend(titles, y)
  local elements <const>, x = {}, margin
  for _, name in ipairs(legend) do
    if titles[name] then
      elements[#elements + 1] = svg.element("rect",
        { x = x, y = y - 9, width = 10, height = 10, rx = 2, fill = colours[name] })
      elements[#elements + 1] = svg.text(x + 15, y, titles[name], "name")
      x = x + 34 + 7 * #titles[name]
    end
  end
  return table.concat(elements, "\n")
end

local caption <const> = "Bars: medians; lines: tenth to ninetieth percentile; ×: times the C floor or the first row."
  .. " %s where nothing else is said."

local function draw_header(ways, about)
  local elements <const> = { svg.text(margin, 38, "userns: what a container costs", "heading") }
  for index, line in ipairs(about) do
    elements[#elements + 1] = svg.text(margin, 42 + 16 * index, line, "quiet")
  end
  local y <const> = 42 + 16 * #about
  elements[#elements + 1] = svg.text(margin, y + 22, caption:format((ways[1].title:gsub("^%l", string.upper))), "quiet")
  elements[#elements + 1] = draw_legend(contender_titles(ways), y + 46)
  return table.concat(elements, "\n"), y + 76
end

local chart = {}

--- The picture of what was measured.
---@param ways Way[]
---@param about string[] lines that name the machine
---@return string
function chart.draw(ways, about)
  local header <const>, top <const> = draw_header(ways, about)
  local body <const>, bottom <const> = arrange(panels_of(ways), top)
  local paper <const> = svg.element("rect", { class = "paper", width = width, height = bottom, rx = 6 })
  return svg.document(width, bottom, "Times of launches", style, paper, header, body)
end

return chart
