-- Samples in, lines out.
local command = require "bench.command"

local report = {}

local function quantile(samples, share)
  table.sort(samples)
  return samples[math.max(1, math.ceil(share * #samples))]
end

local function ratio(samples, base)
  return quantile(samples, 0.5) / quantile(base, 0.5)
end

local function milliseconds(nanoseconds)
  return ("%.2f"):format(nanoseconds / 1e6)
end

local row <const> = "  %-21s %8s %16s %8s %9s"

--- The table of the contenders; whatever a contender leaves out of the job is
--- said below it.
---@param contenders Contender[]
---@param samples table<string, number[]>
function report.durations(contenders, samples)
  print(row:format("milliseconds", "median", "p10 .. p90", "/ floor", "/ userns"))
  for _, contender in ipairs(contenders) do
    local own <const> = samples[contender.name]
    local function times(name)
      return samples[name] and ("%.2f"):format(ratio(own, samples[name])) or "-"
    end
    print(row:format(contender.name, milliseconds(quantile(own, 0.5)),
      milliseconds(quantile(own, 0.1)) .. " .. " .. milliseconds(quantile(own, 0.9)),
      times "C floor", times "userns"))
  end
  for _, contender in ipairs(contenders) do
    if contender.lacks then
      print(("  %s: %s"):format(command.must(contender.version):match("[^\n]+"), contender.lacks))
    end
  end
end

--- What the samples should show, beside what they show.
---@param targets { [1]: string, [2]: string, atmost: number?, atleast: number? }[]
---@param samples table<string, number[]>
function report.targets(targets, samples)
  for _, target in ipairs(targets) do
    local own <const>, base <const> = samples[target[1]], samples[target[2]]
    if own and base then
      local shown <const> = ratio(own, base)
      local met <const> = shown <= (target.atmost or math.huge) and shown >= (target.atleast or 0)
      print(("  target: %s / %s at %s %.2f: %.2f, %s"):format(target[1], target[2],
        target.atmost and "most" or "least", target.atmost or target.atleast,
        shown, met and "met" or "missed"))
    end
  end
end

local function find(path, pattern)
  local file <close> = assert(io.open(path))
  return file:read("a"):match(pattern)
end

--- The line without which no number means anything.
---@param cores integer
function report.machine(cores)
  local processor <const> = find("/proc/cpuinfo", "model name%s*: ([^\n]+)") or "unknown processor"
  local kernel <const> = find("/proc/sys/kernel/osrelease", "[^\n]+")
  print(("%s, %d cores, Linux %s"):format(processor, cores, kernel))
end

return report
