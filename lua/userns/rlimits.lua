-- The limits of a process, as /proc/PID/limits tells them.
local rlimits = {}

-- What the file calls them.
local NAMES <const> = {
  as = "address space", core = "core file size", cpu = "cpu time", data = "data size", fsize = "file size",
  locks = "file locks", memlock = "locked memory", msgqueue = "msgqueue size", nice = "nice priority",
  nofile = "open files", nproc = "processes", rss = "resident set", rtprio = "realtime priority",
  rttime = "realtime timeout", sigpending = "pending signals", stack = "stack size",
}

local function figure(word)
  return math.tointeger(tonumber(word)) or word
end

--- One resource's limits.
---@param text string /proc/PID/limits
---@param resource string "nofile"
---@return { soft: integer|"unlimited", hard: integer|"unlimited" }? limits
---@source proc_pid_limits(5)
function rlimits.of(text, resource)
  local soft <const>, hard <const> = text:match(("Max %s%%s+(%%S+)%%s+(%%S+)"):format(NAMES[resource]))
  return soft and { soft = figure(soft), hard = figure(hard) } or nil
end

--- All that the text tells, by resource.
---@param text string /proc/PID/limits
---@return table<string, { soft: integer|"unlimited", hard: integer|"unlimited" }>
---@source proc_pid_limits(5)
function rlimits.parse(text)
  local found <const> = {}
  for resource in pairs(NAMES) do
    found[resource] = rlimits.of(text, resource)
  end
  return found
end

return rlimits
