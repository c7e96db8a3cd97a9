-- What is measured: groups of rows, one row for each contender and each value of
-- what varies; and what the rows should show.
local millisecond <const> = { name = "ms", per = 1e6 }
local microsecond <const> = { name = "µs", per = 1e3 }
local kibibyte <const> = { name = "KiB", per = 1024 }
local rate <const> = { name = "launches/s", per = 1 }

-- What most are compared with.
local common <const> = { "floor", "userns" }

---@class Experiment
---@field name string
---@field title string
---@field unit { name: string, per: number }
---@field contenders string[]
---@field bases string[]? the contenders that all are compared with
---@field varies string? the field of the ask that varies, or a word for it
---@field values any[]? what it takes, one row for each
---@field label (fun(value: any): string)? a value in words
---@field command (fun(here: Place, ask: Ask, runs: integer): string[])? instead of the contender's
---@field take string? how samples are taken: "launches" (default), "rate", "figures"
---@field pace { rounds: number?, runs: number?, seconds: number? }? factors of how often, and of the time for a row
---@field flat boolean? whether what varies should make no difference
---@field logarithmic boolean? the scale of its picture

local function counted(singular, plural)
  return function(value)
    return ("%d %s"):format(value, value == 1 and singular or plural)
  end
end

local function alive(count)
  return ("%d live"):format(count)
end

local function memory(mebibytes)
  return mebibytes < 1024 and ("%d MiB"):format(mebibytes) or ("%d GiB"):format(mebibytes // 1024)
end

local function kinds(namespaces)
  local others <const> = #namespaces - 1
  return others == 0 and "user" or others == 1 and "+ " .. namespaces[2] or "all but time"
end

local stages <const> = {
  description = "container{…}",
  plan = "compile, pack",
  first = "to first launch",
  again = "to next launch",
}

local function cost(here, ask, runs)
  return here.script("cost", { runs, ask.stage, 50, here.noop, here.share })
end

--- Figures of a host with live containers.
local function of_host(what)
  return function(here, ask)
    return here.script("live", { ask.live, what })
  end
end

--- The experiments on a machine.
---@param cores integer
---@return Experiment[]
local function experiments(cores)
  return {
    {
      name = "standard",
      title = "The standard job",
      unit = millisecond,
      contenders = { "floor", "userns", "unshare", "bubblewrap", "crun", "runc", "firejail" },
      bases = common,
      logarithmic = true,
    },
    {
      name = "mounts",
      title = "The standard job and more bind mounts",
      unit = millisecond,
      contenders = { "floor", "userns", "bubblewrap", "crun" },
      bases = common,
      varies = "binds",
      values = { 0, 10, 100, 2000 },
      label = counted("bind", "binds"),
      logarithmic = true,
    },
    {
      name = "namespaces",
      title = "Namespaces alone, nothing made in them",
      unit = millisecond,
      contenders = { "floor", "userns" },
      bases = common,
      varies = "namespaces",
      values = {
        { "user" },
        { "user", "mnt" },
        { "user", "pid" },
        { "user", "uts" },
        { "user", "ipc" },
        { "user", "net" },
        { "user", "cgroup" },
        { "user", "time" },
        { "user", "mnt", "pid", "uts", "ipc", "net", "cgroup" },
      },
      label = kinds,
    },
    {
      name = "memory",
      title = "The standard job, by memory of the host",
      unit = millisecond,
      contenders = { "userns", "init" },
      varies = "mebibytes",
      values = { 10, 256, 1024, 4096 },
      label = memory,
      flat = true,
      -- a large host takes seconds to start, and one process says little
      pace = { seconds = 15 },
    },
    {
      name = "live",
      title = "The standard job, beside live containers",
      unit = millisecond,
      contenders = { "floor", "userns" },
      bases = common,
      varies = "live",
      values = { 1, 10, 100, 1000, 2000 },
      label = alive,
    },
    {
      name = "rate",
      title = "The standard job on one core and on all",
      unit = rate,
      contenders = { "floor", "userns", "bubblewrap", "crun" },
      bases = common,
      varies = "cores",
      values = cores > 1 and { 1, cores } or { 1 },
      label = counted("core", "cores"),
      take = "rate",
      pace = { rounds = 0.5, runs = 5 },
    },
    {
      name = "prepared",
      title = "Seven namespaces, until the program executes",
      unit = millisecond,
      contenders = { "posix_spawn", "prepared", "joined", "fresh" },
      bases = { "posix_spawn" },
    },
    {
      name = "cost",
      title = "The library itself, with 50 mounts",
      unit = microsecond,
      contenders = { "userns" },
      varies = "stage",
      values = { "description", "plan", "first", "again" },
      label = function(stage)
        return stages[stage]
      end,
      command = cost,
      pace = { runs = 20 },
    },
    {
      name = "resident",
      title = "Private memory of the host for each live container",
      unit = kibibyte,
      contenders = { "userns" },
      varies = "live",
      values = { 1, 10, 100, 1000 },
      label = alive,
      command = of_host "resident",
      take = "figures",
      pace = { rounds = 0.2 },
    },
    {
      name = "descriptors",
      title = "Descriptors of the host for each live container",
      unit = { name = "count", per = 1 },
      contenders = { "userns" },
      varies = "live",
      values = { 1, 1000 },
      label = alive,
      command = of_host "descriptors",
      take = "figures",
      pace = { rounds = 0.2 },
    },
  }
end

--- A row by its experiment, contender and value, against another of the same
--- experiment, or against a number in the experiment's unit.
---@class Target
---@field experiment string
---@field row { [1]: string, [2]: any }
---@field base { [1]: string, [2]: any }?
---@field atmost number?
---@field atleast number?

--- What is expected of those who launch in a way. Root's children have memory of
--- their own, and so have the bare program's: that is most of what they take, and
--- what they are to bubblewrap says little of the library.
---@param cores integer
---@param way string "user" or "root"
---@return Target[]
local function targets(cores, way)
  local list <const> = {
    { experiment = "standard", row = { "userns" }, base = { "floor" }, atmost = 1.10 },
    { experiment = "standard", row = { "crun" }, base = { "userns" }, atleast = 3.5 },
    { experiment = "standard", row = { "runc" }, base = { "userns" }, atleast = 12 },
    { experiment = "mounts", row = { "userns", 2000 }, base = { "floor", 2000 }, atmost = 1.2 },
    { experiment = "memory", row = { "userns", 4096 }, base = { "userns", 10 }, atmost = 1.1 },
    { experiment = "rate", row = { "userns", cores }, base = { "floor", cores }, atleast = 0.9 },
    { experiment = "cost", row = { "userns", "plan" }, atmost = 200 },
    { experiment = "prepared", row = { "prepared" }, base = { "posix_spawn" }, atmost = 2 },
    { experiment = "resident", row = { "userns", 1000 }, atmost = 100 },
  }
  if way ~= "root" then
    table.insert(list, 2, { experiment = "standard", row = { "bubblewrap" }, base = { "userns" }, atleast = 3.5 })
  end
  return list
end

return { of = experiments, targets = targets }
