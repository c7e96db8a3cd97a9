-- A container described in one table: what it gives its program, how parent and
-- child make it, and what the process looks like from both sides.
local userns <const> = require "userns"

local box <const> = assert(userns.container {
  hostname = "bizarro",
  mounts = { { type = "proc", target = "/proc" } },
})

-- Tells what it sees, and stays until its input ends.
local program <const> = {
  "/bin/sh", "-c", "id -u; id -g; echo $$; hostname; set -- /proc/[0-9]*; echo $#; exec cat",
  stdin = "pipe",
  stdout = "pipe",
}

local function status(pid, field)
  local file <close> = assert(io.open(("/proc/%d/status"):format(pid)))
  return file:read("a"):match(field .. ":%s+(%g+)")
end

local function row(what, outside, inside)
  print(("  %-10s  %-10s  %s"):format(what, outside, inside))
end

local function compare(process)
  local pid <const>, inside <const> = process.pid, process.stdout:lines()
  row("", "outside", "inside")
  row("user id", status(pid, "Uid"), inside())
  row("group id", status(pid, "Gid"), inside())
  row("process id", pid, inside())
  row("host name", userns.sys.gethostname(), inside())
  row("processes", #userns.sys.processes(), inside())
end

print "The container:\n"
print(box)

print "\nWhat parent and child do to make it:\n"
print(box:plan(program))

print "\nThe process in it:\n"
local process <close> = assert(box:spawn(program))
compare(process)

process.stdin:close()
local result <const> = assert(process:wait())
print(("\nIt ended with exit code %d."):format(result.exit_code))
