-- Measures how long containers take to launch, beside a bare program in C that
-- makes the same ones and beside other launchers.  The standard job: seven new
-- namespaces, the host's tree read-only, /proc, a minimal /dev, a tmpfs on /tmp,
-- one read-write bind, a host name, no_new_privs, exec of a static program that
-- does nothing, wait.  Run by root everything is measured twice, as the ordinary
-- user `userns-test` and as root.
--
-- From the environment: BENCH_ROUNDS interleaved rounds (15) of BENCH_RUNS launches
-- (10) each; a row that would take longer than BENCH_SECONDS (4), or hosts of much
-- memory than 15 times that, has fewer.
-- BENCH_ONLY, experiments to run instead of all; BENCH_WAY, "user" or "root";
-- BENCH_DOC, the directory that bench.md and bench.svg are written to: doc, and
-- with BENCH_ONLY or BENCH_WAY nowhere.
local sources <const> = arg[0]:match("^(.*)/[^/]*$") or "."
package.path = sources .. "/../?.lua;" .. package.path

local chart = require "bench.chart"
local command = require "bench.command"
local contenders = require "bench.contenders"
local experiments = require "bench.experiments"
local machine = require "bench.machine"
local measure = require "bench.measure"
local place = require "bench.place"
local report = require "bench.report"

local rounds <const> = tonumber(os.getenv "BENCH_ROUNDS" or 15)
local runs <const> = tonumber(os.getenv "BENCH_RUNS" or 10)
local seconds <const> = tonumber(os.getenv "BENCH_SECONDS" or 4)
local only <const>, way <const> = os.getenv "BENCH_ONLY", os.getenv "BENCH_WAY"
local document <const> = os.getenv "BENCH_DOC" or not only and not way and sources .. "/../doc"

local test_user <const> = "userns-test"

---@class Way
---@field name string
---@field title string
---@field privilege string[]
---@field results Result[]

local function ways(is_root)
  local list <const> = { { name = "user", title = "as an ordinary user", privilege = {} } }
  if is_root then
    list[1].privilege = { "setpriv", "--reuid", test_user, "--regid", test_user, "--init-groups" }
    list[2] = { name = "root", title = "as root", privilege = {} }
  end
  return list
end

local function chosen(list, words)
  if not words then
    return list
  end
  local some <const> = {}
  for _, item in ipairs(list) do
    if ("," .. words .. ","):find("," .. item.name .. ",", 1, true) then
      some[#some + 1] = item
    end
  end
  assert(#some > 0, "nothing is called " .. words)
  return some
end

-- Prints lines as they come, and keeps them.
local function new_log()
  local kept <const> = {}
  return kept, function(lines)
    for _, line in ipairs(lines) do
      print(line)
      kept[#kept + 1] = line
    end
    io.stdout:flush()
  end
end

local function half(here, list, cores, name, say)
  local results <const> = {}
  for index, experiment in ipairs(list) do
    results[index] = measure.run(experiment, {
      here = here, contenders = contenders, cores = cores, rounds = rounds, runs = runs, seconds = seconds,
    })
    say(report.table(results[index]))
    say { "" }
  end
  say(report.targets(experiments.targets(#cores, name), results))
  return results
end

local function write(path, text)
  local file <close> = assert(io.open(path, "w"))
  assert(file:write(text))
end

local page <const> = [[
# Benchmarks

Written by `make bench`. What the rows are is said in [bench/run.lua](../bench/run.lua)
and [bench/experiments.lua](../bench/experiments.lua).

![Times of launches](bench.svg)

```text
%s
```
]]

local function main()
  local here <const> = machine.look()
  local list <const> = chosen(experiments.of(#here.cores), only)
  local work <const>, _ <close> = place.work(sources)
  local is_root <const> = command.must { "id", "-u" } == "0"
  local _ <close> = is_root and place.user(test_user) or nil
  local kept <const>, say = new_log()
  local about <const> = { machine.describe(here), machine.versions(contenders) }
  say(about)
  say { ("medians of %d interleaved rounds of %d launches, fewer of what takes long"):format(rounds, runs) }
  local measured <const> = chosen(ways(is_root), way)
  for _, each in ipairs(measured) do
    say { "", each.title, "" }
    each.results = half(place.prepare(work, each.privilege), list, here.cores, each.name, say)
  end
  say { "", "what the others leave out" }
  say(report.omissions(contenders, list))
  if document then
    write(document .. "/bench.md", page:format(table.concat(kept, "\n")))
    write(document .. "/bench.svg", chart.draw(measured, about))
  end
end

main()
