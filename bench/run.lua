-- Measures the launch of the standard job: seven new namespaces, the host's tree
-- read-only, /proc, a minimal /dev, a tmpfs on /tmp, one read-write bind, a host
-- name, no_new_privs, exec of a static program that does nothing, wait.  Run by
-- root it measures twice, as root and as the ordinary user `userns-test`.
--
-- BENCH_ROUNDS interleaved rounds (15) of BENCH_RUNS launches (10) each.  Then the
-- job with BENCH_BINDS bind mounts more (2000), a few times.
local sources <const> = arg[0]:match("^(.*)/[^/]*$") or "."
package.path = sources .. "/../?.lua;" .. package.path

local command = require "bench.command"
local contenders = require "bench.contenders"
local measure = require "bench.measure"
local place = require "bench.place"
local report = require "bench.report"

local rounds <const> = tonumber(os.getenv "BENCH_ROUNDS" or 15)
local runs <const> = tonumber(os.getenv "BENCH_RUNS" or 10)

local binds <const> = math.tointeger(os.getenv "BENCH_BINDS" or 2000)

local test_user <const> = "userns-test"
local test_privilege <const> = {
  "setpriv", "--reuid", test_user, "--regid", test_user, "--init-groups",
}

local hosts <const> = { "userns, 1 GiB host", "userns, 10 MiB host", atmost = 1.2 }
local targets <const> = {
  root = { { "userns", "C floor", atmost = 1.6 }, hosts },
  user = {
    { "userns", "C floor", atmost = 1.25 },
    { "bubblewrap", "userns", atleast = 3 },
    { "crun", "userns", atleast = 3 },
    hosts,
  },
}

local function present(list)
  local able <const> = {}
  for _, contender in ipairs(list) do
    local obstacle <const> = measure.obstacle(contender)
    if obstacle then
      print(("  %s cannot run here: %s"):format(contender.name, obstacle))
    else
      able[#able + 1] = contender
    end
  end
  return able
end

local function print_rates(list, cores)
  for _, contender in ipairs(list) do
    if contender.rated then
      local one <const> = measure.rate(contender, { cores[1] }, rounds * runs)
      local all <const> = measure.rate(contender, cores, rounds * runs)
      print(("  %s: %.0f launches a second on one core, %.0f on %d"):format(
        contender.name, one, all, #cores))
    end
  end
end

-- What it costs a host to have many containers at once.
local function print_live(here)
  print(command.must(command.join(here.privilege, here.environment,
    { here.lua, here.live, "sleep", 1, 10, 100, 1000 })))
end

local function half(name, work, privilege, cores)
  print(("\nas %s"):format(name))
  local here <const> = place.prepare(work, privilege)
  local list <const> = present(contenders(here, 0))
  local samples <const> = measure.interleaved(list, rounds, runs)
  report.durations(list, samples)
  print_rates(list, cores)
  report.targets(targets[name], samples)
  if binds > 0 then
    print(("  with %d bind mounts"):format(binds))
    local few <const> = present(contenders(here, binds))
    report.durations(few, measure.interleaved(few, 2, 1))
  end
  print_live(here)
end

-- The cores that this process may run on, from a list such as "0-1,4".
local function allowed_cores()
  local cores <const>, status <close> = {}, assert(io.open("/proc/self/status"))
  for first, last in status:read("a"):match("Cpus_allowed_list:%s*(%S+)"):gmatch("(%d+)%-?(%d*)") do
    for core = tonumber(first), tonumber(last) or tonumber(first) do
      cores[#cores + 1] = core
    end
  end
  return cores
end

local function main()
  local cores <const> = allowed_cores()
  local work <const>, _ <close> = place.work(sources)
  report.machine(#cores)
  print(("%d interleaved rounds of %d launches each"):format(rounds, runs))
  if command.must { "id", "-u" } ~= "0" then
    return half("user", work, {}, cores)
  end
  half("root", work, {}, cores)
  local _ <close> = place.user(test_user)
  half("user", work, test_privilege, cores)
end

main()
