-- The benchmark: what of it needs no launch - quantiles, tables, axes, the picture -
-- and that its floor does all of the job.
local chart = require "bench.chart"
local experiments = require "bench.experiments"
local helper = require "spec.helper"
local report = require "bench.report"
local scale = require "bench.scale"
local statistics = require "bench.statistics"
local svg = require "bench.svg"

--- Results of every experiment, as of a contender that takes `median` and of
--- others that take ever longer.
local function results_with(median)
  local results <const> = {}
  for index, experiment in ipairs(experiments.of(2)) do
    local rows <const> = {}
    for _, value in ipairs(experiment.values or { false }) do
      for factor, name in ipairs(experiment.contenders) do
        local own <const> = median * factor
        rows[#rows + 1] = {
          name = name, title = name, value = value or nil, label = experiment.label and experiment.label(value),
          summary = { median = own, low = own * 0.9, high = own * 1.1 },
        }
      end
    end
    results[index] = { experiment = experiment, rows = rows }
  end
  return results
end

local function draw(results)
  return chart.draw({ { name = "user", title = "as a user", results = results } }, { "a <machine> & more" })
end

--- The names of a document's elements, after checking that it is well-formed as
--- far as such documents go: elements nest, attributes are quoted and not repeated,
--- text has no stray character.
local function elements_of(document)
  local open <const>, names <const> = {}, {}
  local rest <const> = document:gsub("<(/?)(%a+)([^<>]-)(/?)>", function(closing, name, attributes, empty)
    if closing == "/" then
      assert.equal(name, table.remove(open))
      return ""
    end
    names[#names + 1] = name
    local seen <const> = {}
    local left <const> = attributes:gsub('%s+([%w:-]+)="([^"]*)"', function(key)
      assert.is_nil(seen[key])
      seen[key] = true
      return ""
    end)
    assert.equal("", left)
    if empty == "" then
      open[#open + 1] = name
    end
    return ""
  end)
  assert.same({}, open)
  assert.is_nil(rest:find "[<>]")
  assert.is_nil(rest:gsub("&%a+;", ""):find "&")
  return names
end

describe("the benchmark's statistics", function()
  it("take quantiles of samples and leave these as they are", function()
    local samples <const> = { 5, 1, 4, 2, 3, 10, 9, 8, 7, 6 }
    assert.same({ median = 5, low = 1, high = 9 }, statistics.summary(samples))
    assert.equal(10, statistics.quantile(samples, 1))
    assert.same({ 5, 1, 4, 2, 3, 10, 9, 8, 7, 6 }, samples)
  end)

  it("take what there is of a single sample", function()
    assert.same({ median = 7, low = 7, high = 7 }, statistics.summary { 7 })
  end)
end)

describe("the benchmark's report", function()
  local experiment <const> = {
    name = "some", title = "Some", unit = { name = "ms", per = 1 }, contenders = { "floor", "userns", "crun" },
    bases = { "floor", "userns" },
  }

  local function row(name, median)
    return { name = name, title = name, summary = { median = median, low = median / 2, high = median * 2 } }
  end

  local result <const> = {
    experiment = experiment,
    rows = {
      row("floor", 2), row("userns", 3),
      { name = "crun", title = "crun", failure = "no such file" },
    },
  }

  it("sets out medians, spread and ratios, and who could not launch", function()
    local lines <const> = report.table(result)
    assert.equal("some: Some", lines[1])
    assert.same({ "ms", "median", "p10 .. p90", "/ floor", "/ userns" },
      { lines[2]:match "^%s+(%S+)%s+(%S+)%s+(p10 .. p90)%s+(/ %a+)%s+(/ %a+)$" })
    assert.same({ "userns", "3.00", "1.50 .. 6.00", "1.50", "1.00" },
      { lines[4]:match "^%s+(%S+)%s+(%S+)%s+(%S+ .. %S+)%s+(%S+)%s+(%S+)$" })
    assert.truthy(lines[5]:find "^  crun%s+cannot run here: no such file$")
    assert.equal(5, #lines)
  end)

  it("says which targets are met, and nothing of rows that are not there", function()
    local targets <const> = {
      { experiment = "some", row = { "userns" }, base = { "floor" }, atmost = 1.5 },
      { experiment = "some", row = { "userns" }, base = { "floor" }, atleast = 2 },
      { experiment = "some", row = { "userns" }, atmost = 2.5 },
      { experiment = "some", row = { "crun" }, base = { "userns" }, atleast = 2 },
      { experiment = "other", row = { "userns" }, atmost = 1 },
    }
    assert.same({
      "  met    userns / floor at most 1.5: 1.50",
      "  missed userns / floor at least 2: 1.50",
      "  missed userns ms at most 2.5: 3.00",
    }, report.targets(targets, { result }))
  end)

  it("divides by nothing that is nothing", function()
    assert.is_nil(report.ratio(row("userns", 1), row("floor", 0)))
  end)

  it("has a row for every target", function()
    local results <const> = results_with(1)
    for _, way in ipairs { "user", "root" } do
      local targets <const> = experiments.targets(2, way)
      assert.equal(#targets, #report.targets(targets, results))
    end
  end)
end)

describe("the benchmark's axes", function()
  it("are marked at round numbers", function()
    assert.same({ 0, 0.5, 1, 1.5 }, scale.linear(1.8).ticks)
    assert.same({ 1, 2, 5, 10, 20, 50 }, scale.logarithmic(1.5, 71).ticks)
    assert.same({ 1, 10, 100, 1000 }, scale.logarithmic(1.5, 3000).ticks)
  end)

  it("run from 0 to 1", function()
    for _, axis in ipairs { scale.linear(3), scale.logarithmic(1, 3) } do
      assert.equal(1, axis.at(3))
      assert.equal(0, axis.at(0))
    end
  end)
end)

describe("the benchmark's picture", function()
  it("is well-formed, with a bar for every row, however small or large", function()
    for _, median in ipairs { 1e-6, 1.5, 1e9 } do
      local results <const> = results_with(median)
      local rows = 0
      for _, result in ipairs(results) do
        rows = rows + #result.rows
      end
      local document, bars = draw(results), 0
      for _, name in ipairs(elements_of(document)) do
        bars = bars + (name == "rect" and 1 or 0)
      end
      -- besides: the paper and the legend
      assert.equal(rows + 1 + 7, bars)
      assert.is_nil(document:find "nan")
      assert.is_nil(document:find "inf")
    end
  end)

  it("does without the rows that could not launch", function()
    local results <const> = results_with(1)
    for _, row in ipairs(results[1].rows) do
      row.summary, row.failure = nil, "no such file"
    end
    elements_of(draw(results))
  end)

  it("escapes text and takes no number that is none", function()
    assert.equal('<text class="c" x="1" y="2.5">a &lt; b &amp; &quot;c&quot;</text>',
      svg.text(1, 2.5, 'a < b & "c"', "c"))
    assert.has_error(function()
      svg.line("c", 0 / 0, 0, 0, 0)
    end)
  end)
end)

-- What a program can tell of the container it is in, on standard error.
local look <const> = [[#!/bin/sh
exec >&2
cut -d " " -f 4- /proc/self/mountinfo | sort
grep -E "^(Uid|Gid|Groups|Cap|NoNewPrivs|Sig(Blk|Ign|Cgt))" /proc/self/status
readlink /proc/self/ns/* | sed "s/:.*//"
ls -l /dev | sed "s/ [A-Z][a-z][a-z] .*:.. / /"
hostname
pwd
umask
ulimit -c
cut -d " " -f 4-6 /proc/self/stat
cat /proc/self/uid_map /proc/self/gid_map /proc/self/setgroups /proc/sys/user/max_user_namespaces
cat /sys/class/net/lo/flags
ls /proc/self/fd
]]

-- Like the benchmark, it is run as root and as an ordinary user.
if helper.privilege ~= "userns" then
  describe("the benchmark's floor", function()
    local directory

    setup(function()
      directory = helper.shell("mktemp -d /var/tmp/userns-spec.XXXXXX").out:gsub("%s+$", "")
      helper.write(directory .. "/look", look)
      assert.equal(0, helper.shell(("mkdir %s/share && chmod -R 755 %s"):format(directory, directory)).code)
    end)

    teardown(function()
      helper.remove(directory)
    end)

    local function seen(launcher)
      local result <const> = helper.shell(("%s %s/look %s/share 3"):format(launcher, directory, directory))
      assert.equal(0, result.code)
      assert.truthy(result.err:find("/proc/keys", 1, true))
      return result.err
    end

    it("makes the container that the library makes", function()
      local library <const> = ("LUA_PATH=%s LUA_CPATH=%s lua5.4 bench/host.lua 1 0"):format(
        helper.quote(package.path), helper.quote(package.cpath))
      assert.equal(seen(library), seen("build/spec/floor 1"))
    end)
  end)
end
