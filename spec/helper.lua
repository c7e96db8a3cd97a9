-- What several specs need: where they run, throw-away children, and counts of
-- what a library could leave behind.
local assert = require "luassert"

local helper = {}

local function read(path)
  local file <close> = assert(io.open(path))
  return file:read("a")
end

local function ids()
  local status <const> = read("/proc/self/status")
  return math.tointeger(status:match("Uid:%s+%d+%s+(%d+)")), math.tointeger(status:match("Gid:%s+%d+%s+(%d+)"))
end

local function whole_map()
  local inside, outside, count = read("/proc/self/uid_map"):match("^%s*(%d+)%s+(%d+)%s+(%d+)")
  return inside == "0" and outside == "0" and count == "4294967295"
end

helper.read = read
helper.uid, helper.gid = ids()

--- Where the specs run: "root" of the initial user namespace, an ordinary
--- "user", or "userns": that user as uid 0 of a namespace with a single id.
helper.privilege = helper.uid ~= 0 and "user" or whole_map() and "root" or "userns"

--- A word of a shell command.
local function quote(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

local function write(path, text)
  local file <close> = assert(io.open(path, "w"))
  assert(file:write(text))
end

helper.quote = quote
helper.write = write

--- Runs a shell command; its standard output, error and exit status.
--- The status of a process that a signal ended is 128 + the signal.
---@param command string
---@return { out: string, err: string, code: integer }
function helper.shell(command)
  local err <const> = os.tmpname()
  local pipe <const> = assert(io.popen("{ " .. command .. "\n} 2>" .. err))
  local out <const> = pipe:read("a")
  local _, why, code = pipe:close()
  local result <const> = { out = out, err = read(err), code = why == "signal" and 128 + code or code }
  os.remove(err)
  return result
end

--- Runs a Lua script in a fresh interpreter, so that what it changes ends with
--- it. `wrapper` is a command put before it, such as "unshare -Ur".
---@param script string
---@param wrapper? string
---@return { out: string, err: string, code: integer }
function helper.lua(script, wrapper)
  local path <const> = os.tmpname()
  write(path, script)
  local result <const> = helper.shell(("LUA_PATH=%s LUA_CPATH=%s %s lua5.4 %s"):format(
    quote(package.path), quote(package.cpath), wrapper or "", path))
  os.remove(path)
  return result
end

--- The script's output, after checking that it ended well.
---@param script string
---@param wrapper? string
---@return string
function helper.output(script, wrapper)
  local result <const> = helper.lua(script, wrapper)
  assert(result.code == 0, ("exit %d: %s%s"):format(result.code, result.out, result.err))
  return result.out
end

local ADVICE <const> = { cause = true, why = true, hint = true, causes = true }

--- The fields of an error object (or any table) as a plain table, and apart from them
--- what it says of the reason.
---@return table fields
---@return table advice cause, why, hint, causes
function helper.fields(object)
  local plain <const>, advice <const> = {}, {}
  for key, value in pairs(object) do
    local part <const> = ADVICE[key] and advice or plain
    part[key] = value
  end
  return plain, advice
end

--- A wrapper that gives a script its own user namespace, and with it the
--- privilege over the namespaces made together with it.
helper.rootless = "unshare --user --map-root-user"

--- One that gives it mounts of its own, for the container to find.
helper.own_mounts = (helper.privilege == "root" and "unshare" or helper.rootless) .. " --mount"

--- One that takes its capabilities, where it has any.
helper.unprivileged = helper.privilege == "user" and "" or "setpriv --inh-caps=-all --bounding-set=-all"

--- Whether the machine is emulated, on which everything takes ten times as long.
helper.is_guest = os.getenv("GUEST") ~= nil

--- Whether the kernel is of a release or a later one.
---@param major integer
---@param minor integer
---@return boolean
function helper.is_linux(major, minor)
  local own_major <const>, own_minor <const> = read("/proc/sys/kernel/osrelease"):match("^(%d+)%.(%d+)")
  return tonumber(own_major) * 1000 + tonumber(own_minor) >= major * 1000 + minor
end

--- How often to do what has to be done often to meet something rare.
---@param count integer
---@return integer
function helper.rounds(count)
  return helper.is_guest and math.max(count // 20, math.min(count, 5)) or count
end

--- After how many seconds to give up what stands still.
---@param seconds integer
---@return integer
function helper.limit(seconds)
  return helper.is_guest and 10 * seconds or seconds
end

-- ---- calls ----------------------------------------------------------------

--- Above the largest pid that Linux gives.
helper.no_pid = 4194305

--- What is raised by a call that is wrong: the argument's number, and what is said
--- of it.
function helper.bad_argument(fn, ...)
  local ok <const>, message <const> = pcall(fn, ...)
  assert(not ok, "nothing was raised")
  return message:match("bad argument #(%d+) to '[^']*' %((.*)%)")
end

--- The fields of the error that a call returned, without the advice.
function helper.failure(done, err)
  assert.is_nil(done)
  return (helper.fields(err))
end

--- What a script prints that printed each of these.
function helper.lines(...)
  return table.concat({ ... }, "\n") .. "\n"
end

-- ---- the host's side ------------------------------------------------------

--- An empty directory, which whoever a container's root is may enter.
---@return string path
function helper.directory()
  return (assert(helper.shell("d=$(mktemp -d) && chmod 755 $d && printf %s $d")).out)
end

function helper.remove(path)
  assert(os.execute("rm -rf --one-file-system " .. quote(path)))
end

--- Everything below a directory with its type, mode and content, for "nothing
--- has changed".
---@return string
function helper.listing(directory)
  return helper.shell(("cd %s && find . -printf '%%p %%y %%m %%l %%s\n' | sort"):format(quote(directory))).out
end

local function add_descriptors(list)
  local sys <const> = require "userns.sys"
  for fd = 0, 255 do
    list[#list + 1] = sys.fileno(fd) and "descriptor " .. fd
  end
end

--- Zombies too.
local function add_children(list)
  local sys <const> = require "userns.sys"
  local own <const> = read("/proc/self/stat"):match("^%d+")
  for _, pid in ipairs(sys.processes()) do
    local file <close> = io.open(("/proc/%d/stat"):format(pid))
    local name <const>, parent <const> = (file and file:read("a") or ""):match("^(.*%) %a) (%d+)")
    list[#list + 1] = parent == own and "child " .. name or nil
  end
end

local function add_mounts(list)
  for line in read("/proc/self/mountinfo"):gmatch("[^\n]+") do
    list[#list + 1] = "mount " .. line
  end
end

local function belongings()
  local list <const> = {}
  add_descriptors(list)
  add_children(list)
  add_mounts(list)
  return list
end

--- The entries of one list that another lacks.
local function missing(list, other)
  local known <const>, lacking <const> = {}, {}
  for _, entry in ipairs(other) do
    known[entry] = true
  end
  for _, entry in ipairs(list) do
    lacking[#lacking + 1] = not known[entry] and entry or nil
  end
  return lacking
end

local before, directory

--- For before_each and after_each: a test leaves no descriptor, child or mount
--- behind, whatever has not been collected yet.
function helper.count()
  collectgarbage() -- what earlier tests have dropped is not to go in this one
  before = belongings()
end

function helper.check_count()
  local after <const> = belongings()
  assert.same({ left = {}, lost = {} }, { left = missing(after, before), lost = missing(before, after) })
end

--- The same where a test has a directory, too, which the container's root may
--- write to, whoever that is.
---@return string path
function helper.set_up()
  directory = helper.directory()
  assert(os.execute("chmod 777 " .. directory))
  helper.count()
  return directory
end

function helper.tear_down()
  helper.check_count()
  helper.remove(directory)
end

-- ---- the container's side -------------------------------------------------

--- A description whose root is an empty tmpfs with the given mounts, and after
--- them what a shell needs: programs, libraries, /dev/null and /proc.
function helper.tree(mounts)
  local list <const> = { table.unpack(mounts or {}) }
  for _, path in ipairs { "/bin", "/lib", "/lib64", "/usr" } do
    list[#list + 1] = { type = "bind", source = path, target = path, readonly = true, optional = true }
  end
  list[#list + 1] = { type = "bind", source = "/dev/null", target = "/dev/null" }
  list[#list + 1] = { type = "proc", target = "/proc" }
  return { root = { type = "tmpfs" }, mounts = list }
end

--- Runs a program in a new container to its end.
---@return userns.Result
function helper.run(description, process)
  local box <const> = assert(require "userns".container(description))
  return assert(box:run(process))
end

--- What a shell script prints in a new container, without complaint. `process`
--- has further fields of the process spec.
---@return string
function helper.inside(description, script, process)
  local spec <const> = { "/bin/sh", "-c", script, stdout = "capture", stderr = "capture" }
  for key, value in pairs(process or {}) do
    spec[key] = value
  end
  local result <const> = helper.run(description, spec)
  assert(result.ok and (result.stderr or "") == "",
    ("%s: %s%s"):format(result.exit_code or result.signal, result.stdout, result.stderr))
  return result.stdout
end

local ERRNO <const> = {
  EPERM = { 1, "Operation not permitted" },
  ENOENT = { 2, "No such file or directory" },
  ESRCH = { 3, "No such process" },
  ENOEXEC = { 8, "Exec format error" },
  EBADF = { 9, "Bad file descriptor" },
  EAGAIN = { 11, "Resource temporarily unavailable" },
  EACCES = { 13, "Permission denied" },
  EEXIST = { 17, "File exists" },
  ENODEV = { 19, "No such device" },
  ENOTDIR = { 20, "Not a directory" },
  EISDIR = { 21, "Is a directory" },
  EINVAL = { 22, "Invalid argument" },
  EMFILE = { 24, "Too many open files" },
  ENOSPC = { 28, "No space left on device" },
  EROFS = { 30, "Read-only file system" },
  ENOSYS = { 38, "Function not implemented" },
  ELOOP = { 40, "Too many levels of symbolic links" },
  ESTALE = { 116, "Stale file handle" },
}

--- The fields of an error of the kernel's, with what the code implies.
function helper.errno(code, fields)
  fields.code, fields.errno, fields.message = code, table.unpack(ERRNO[code])
  return fields
end

--- Why a container does not run: the fields of the error, and apart from them
--- the advice that goes with it. The step must be the plan's, and is left out;
--- where there is no plan, it must have failed for the same reason.
---@return table fields
---@return table advice cause, why, hint, causes
function helper.refusal(description, process)
  local box <const> = assert(require "userns".container(description))
  local plan <const>, unplanned <const> = box:plan(process)
  local result <const>, err <const> = box:run(process)
  assert.is_nil(result)
  if not plan then
    assert.same(unplanned, err)
  end
  local fields <const>, advice <const> = helper.fields(err)
  if fields.step then
    local step <const> = plan[fields.step]
    assert.same({ op = step.op, side = step.side }, { op = fields.op, side = fields.side })
    fields.step, fields.side = nil, nil
  end
  return fields, advice
end

--- The fields of the error of a description or process spec with one problem, and in
--- that what the error says of the reason.
function helper.invalid(field, message, advice)
  local fields <const> = { op = "validate", code = "EINVALID", field = field, message = message }
  local cause <const> = message:find "^unknown field" and "unknown_field"
    or message:find "^missing %(" and "missing_field" or "invalid_value"
  local problem <const> = { op = "validate", code = "EINVALID", field = field, message = message, cause = cause }
  for key, value in pairs(advice or {}) do
    problem[key] = value
  end
  fields.problems = { problem }
  return fields
end

return helper
