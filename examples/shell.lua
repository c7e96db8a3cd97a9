-- The well-known container program in C - a process that is nobody special
-- outside and uid 0 inside, with a host name, processes and mounts of its own -
-- as one description.
--
--     lua5.4 examples/shell.lua [PROGRAM [ARGUMENT...]]
--
-- A shell where no program is named; it reads its commands from standard input
-- where that is no terminal.
local userns <const> = require "userns"

local on_terminal <const> = os.execute "test -t 0"

local box <const> = assert(userns.container {
  namespaces = { "user", "mnt", "pid", "uts" },
  uid_map = "root",
  gid_map = "root",
  hostname = "container",
  mounts = { { type = "proc", target = "/proc" } },
  -- Job control needs the caller's session and terminal.  The price: what runs
  -- inside can type at that terminal as if it were the user, where the kernel
  -- allows it (TIOCSTI, see dev.tty.legacy_tiocsti).
  new_session = not on_terminal,
  process = { "/bin/bash", env = { HOME = "/" } },
})

local result <const>, err <const> = box:run(table.move(arg, 1, #arg, 1, {}))
if not result then
  io.stderr:write(err .. "\n")
  os.exit(126)
end
os.exit(result.exit_code or 1)
