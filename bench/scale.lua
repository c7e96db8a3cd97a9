-- Axes: where a value lies on one, and which values are marked.
local scale = {}

local function power(value)
  return 10.0 ^ math.floor(math.log(value, 10))
end

-- The largest of 1, 2, 5, 10, 20 … that is not greater.
local function round_down(value)
  local unit <const> = power(value)
  return (value >= 5 * unit and 5 or value >= 2 * unit and 2 or 1) * unit
end

---@class Scale
---@field at fun(value: number): number from 0 to 1
---@field ticks number[]

--- From 0; about four marks.
---@param high number
---@return Scale
function scale.linear(high)
  local step <const>, ticks <const> = round_down(high / 3), {}
  for index = 0, math.floor(high / step) do
    ticks[index + 1] = index * step
  end
  return {
    ticks = ticks,
    at = function(value)
      return value / high
    end,
  }
end

--- From a round number well below the lowest value; marks at 1, 2 and 5 of each
--- power of ten, or where these are many at the powers alone.
---@param low number
---@param high number
---@return Scale
function scale.logarithmic(low, high)
  local first <const> = round_down(low * 0.7)
  local decades <const> = math.log(high / first, 10)
  local steps <const> = decades > 2.5 and { 1 } or { 1, 2, 5 }
  local ticks <const> = {}
  local unit = power(first)
  while unit <= high do
    for _, step in ipairs(steps) do
      if step * unit >= first and step * unit <= high then
        ticks[#ticks + 1] = step * unit
      end
    end
    unit = unit * 10
  end
  return {
    ticks = ticks,
    at = function(value)
      return math.log(math.max(value, first) / first, 10) / decades
    end,
  }
end

return scale
