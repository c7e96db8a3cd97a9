-- What samples come down to.
local statistics = {}

--- The smallest sample that at least this share of them does not exceed.
---@param samples number[]
---@param share number between 0 and 1
---@return number
function statistics.quantile(samples, share)
  local sorted <const> = table.move(samples, 1, #samples, 1, {})
  table.sort(sorted)
  return sorted[math.max(1, math.ceil(share * #sorted))]
end

---@class Summary
---@field median number
---@field low number the tenth percentile
---@field high number the ninetieth

---@param samples number[]
---@return Summary
function statistics.summary(samples)
  local quantile <const> = statistics.quantile
  return { median = quantile(samples, 0.5), low = quantile(samples, 0.1), high = quantile(samples, 0.9) }
end

return statistics
