-- The standard job as an OCI bundle, for the runtimes that take nothing else.
local command = require "bench.command"

local function encode(value)
  if type(value) == "string" then
    return '"' .. value:gsub('[%c"\\]', function(character)
      return ("\\u%04x"):format(character:byte())
    end) .. '"'
  elseif type(value) ~= "table" then
    return tostring(value)
  end
  local items <const> = {}
  if value[1] ~= nil or next(value) == nil then
    for index, item in ipairs(value) do
      items[index] = encode(item)
    end
    return "[" .. table.concat(items, ",") .. "]"
  end
  for key, item in pairs(value) do
    items[#items + 1] = encode(key) .. ":" .. encode(item)
  end
  return "{" .. table.concat(items, ",") .. "}"
end

local function namespaces(...)
  local list <const> = {}
  for index, name in ipairs { ... } do
    list[index] = { type = name }
  end
  return list
end

local function mount(type, target, ...)
  return { destination = target, type = type, source = type, options = { ... } }
end

local function process(program)
  return {
    user = { uid = 0, gid = 0 },
    args = { program },
    cwd = "/",
    env = { "PATH=/usr/local/bin:/usr/bin:/bin", "HOME=/" },
    noNewPrivileges = true,
    capabilities = {
      bounding = {},
      effective = {},
      permitted = {},
      inheritable = {},
      ambient = {},
    },
  }
end

local function mounts(job, binds)
  local function bind(target)
    return { destination = target, type = "bind", source = job.directory, options = { "rbind", "rw" } }
  end
  local list <const> = {
    mount("proc", "/proc", "nosuid", "nodev", "noexec"),
    mount("tmpfs", "/dev", "nosuid", "mode=0755"),
    mount("devpts", "/dev/pts", "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"),
    mount("tmpfs", "/tmp", "nosuid", "nodev", "mode=1777"),
    bind(job.directory),
  }
  for i = 1, binds do
    list[#list + 1] = bind("/tmp/" .. i)
  end
  return list
end

local function configuration(job, binds)
  return {
    ociVersion = "1.0.0",
    root = { path = job.root, readonly = true },
    hostname = "bench",
    process = process(job.program),
    mounts = mounts(job, binds),
    linux = {
      namespaces = namespaces("user", "mount", "pid", "uts", "ipc", "network", "cgroup"),
      uidMappings = { { containerID = 0, hostID = job.uid, size = 1 } },
      gidMappings = { { containerID = 0, hostID = job.gid, size = 1 } },
      maskedPaths = {
        "/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
        "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi",
      },
      readonlyPaths = { "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger" },
    },
  }
end

local bundle = {}

--- Writes a bundle: the job with the directory bound some times besides.
---@param parent string the directory of the bundles
---@param binds integer
---@param job { program: string, directory: string, root: string, uid: integer, gid: integer }
---@return string path
function bundle.write(parent, binds, job)
  local path <const> = ("%s/%d"):format(parent, binds)
  command.must { "mkdir", "-p", path }
  local file <close> = assert(io.open(path .. "/config.json", "w"))
  assert(file:write(encode(configuration(job, binds))))
  return path
end

return bundle
