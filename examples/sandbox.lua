-- Runs a program that nobody vouches for: it sees the system's programs and
-- libraries read-only, a /tmp of its own and nothing else of the host's files,
-- has no network, and five seconds.
--
--     lua5.4 examples/sandbox.lua /path/to/program [ARGUMENT...]
--
-- Standard input is handed on to it.
local userns <const> = require "userns"

local path <const> = arg[1]
if not path then
  io.stderr:write("usage: sandbox.lua /path/to/program [ARGUMENT...]\n")
  os.exit(2)
end

local box <const>, wrong <const> = userns.container(userns.merge(userns.presets.minimal, {
  hostname = "sandbox",
  mounts = {
    { type = "bind", source = path, target = "/program", readonly = true },
    { type = "tmpfs", target = "/tmp", size = "64M", mode = "1777" },
  },
}))
if not box then
  io.stderr:write(wrong .. "\n")
  os.exit(2)
end

local result <const>, err <const> = box:run {
  argv0 = path,
  cwd = "/tmp",
  input = io.read("a"),
  stdout = "capture",
  stderr = "capture",
  max_output = "1M",
  timeout = 5,
  "/program", table.unpack(arg, 2),
}
if not result then
  io.stderr:write(err .. "\n")
  os.exit(126)
end

for _, name in ipairs { "ok", "exit_code", "signal", "timed_out", "truncated", "duration" } do
  print(("%-10s %s"):format(name, result[name]))
end
for _, name in ipairs { "stdout", "stderr" } do
  print(("%-10s %q"):format(name, result[name]))
end
for _, weaker in ipairs(result.degraded) do
  print(("degraded   %s: %s (%s)"):format(weaker.feature, weaker.used, weaker.reason))
end
