-- What the objects are whose methods are written in C, and the one error object:
-- docstrings only, for the reference and the editor's definitions.

--- Why something was not done. Made in one place, the same for both floors, and
--- good in `assert` and in `"could not start: " .. err`.
---@class userns.Error
---@field op string what was attempted, the same word as in the plan: "clone", "uid_map", "mount",
---  "chdir", "exec"; "validate" for a wrong description or process spec, "load" for a file without
---  one
---@field code string "EPERM", "ENOENT" and the like; "EINVALID" for a wrong description or process
---  spec, "EDEGRADED" where `strict` forbids what is left
---@field message string the kernel's sentence for the code, or one of ours
---@field errno integer? the code's number, where the kernel spoke
---@field syscall string? the call that was refused: "openat2", "write", "clone3"
---@field path string? what it was about: a path, or the key, word or name that was refused
---@field field string? where the description or process spec asks for it: "mounts[2].target",
---  "process.cwd", "process[1]"
---@field step integer? the line of the plan
---@field side "parent"|"child"|nil who was at it
---@field cause string? a word for the reason where the code has several, to compare with:
---  "multithreaded"
---@field why string? why the kernel refuses it, on this machine: a clause
---@field hint string? what to do about it
---@field causes { cause: string, why: string, hint: string? }[]? all that it may be, where several
---  reasons remain
---@field detail string? the kernel's own explanation, from a file system context or of rtnetlink(7)
---@field problems userns.Error[]? everything that is wrong with a description or process spec; the
---  error itself has the first

--- An open descriptor, closed on exec and with its handle: by `close`, at the
--- end of a `<close>` variable, or when it is collected. A function that takes a
--- descriptor takes its number, a file of the io library, `{ fd = number }` or
--- such a handle.
---@class userns.Fd

--- A file system that is being set up or changed, parameter by parameter: made by
--- `sys.fsopen` and `sys.fspick`. A variable can be `<close>`.
---@class userns.FsContext

--- An existing namespace, held by a descriptor: it lives on while the handle is
--- open. Handles of the same namespace are equal. A variable can be `<close>`.
---@class userns.Namespace

--- The interfaces, addresses and routes of a net namespace, over a socket that
--- stays in it: made by `sys.netlink`. Whoever changes something needs
--- CAP_NET_ADMIN over it; what the kernel says of a refusal is the error's
--- `detail`. A variable can be `<close>`.
---@class userns.Netlink

--- A child that waits prepared for its program, or is on its way there: made by
--- `sys.prepare`. A variable can be `<close>`; the child ends with its handle, as long
--- as it has no program.
---@class userns.sys.Prepared

--- A process held by its pidfd, so that no signal or wait ever meets another that
--- got its number: made by `sys.clone` and `sys.pidfd_open`. A variable can be
--- `<close>`; a child that `sys.clone` made is killed and reaped with its handle.
---@class userns.sys.Process
---@field pid integer as the host sees it
---@field program userns.sys.Process? the program, where process 1 only serves it

--- A terminal in raw mode: made by `sys.raw_mode`. A variable can be `<close>`.
---@class userns.sys.RawMode

--- A signal that the calling thread does not get: made by `sys.hold_signal`. A
--- variable can be `<close>`; methods other than `close` are for an open handle.
---@class userns.sys.SignalHold

--- The child's end of the handshake of `sys.clone`.
---@class userns.sys.Gate
