---@meta userns.sys
-- Rendered by make doc; for an editor's language server.
-- luacheck: ignore

---A process held by its pidfd, so that no signal or wait ever meets another that
---got its number: made by `sys.clone` and `sys.pidfd_open`. A variable can be
---`<close>`; a child that `sys.clone` made is killed and reaped with its handle.
---@class userns.sys.Process
---@field pid integer as the host sees it
---@field program? userns.sys.Process the program, where process 1 only serves it
local sysProcess = {}

---Waits until the process has ended, and reaps it.
---@param seconds? number how long at most; for ever when absent
---@return table? status exit_code or signal (neither where the host's own reaper took the status and the kernel is too old to tell it), core_dumped, and usage (user_time, system_time in seconds) where it is known
---@return userns.Error? err ETIMEDOUT; EINTR when a signal came: call again; ECHILD when the status has been fetched before
---See waitid(2).
function sysProcess:wait(seconds) end

---Sends a signal to the process; never to another that got its number.
---@param signal? string|integer "TERM", "SIGTERM" or 15; SIGKILL when absent
---@return true|nil ok
---@return userns.Error? err ESRCH when it has ended; EPERM
---See pidfd_send_signal(2).
function sysProcess:kill(signal) end

---Waits until the child's gate says that it is ready.
---@param seconds? number how long at most; for ever when absent
---@return true|nil ok
---@return userns.Error? err ETIMEDOUT; ESRCH when the child has ended; EINTR when a signal came: call again
function sysProcess:ready(seconds) end

---Lets the child go on that waits at its gate.
---@return true|nil ok
---@return userns.Error? err EPIPE when the child has ended
function sysProcess:release() end

---The pidfd, readable once the process has ended.
---@return integer fd
---See pidfd_open(2).
function sysProcess:fileno() end

---Kills the process if it is a child that still runs, reaps it and closes the
---handle.  Closing twice does nothing.
function sysProcess:close() end

---Lets the process go: the handle is closed and the process runs on.
function sysProcess:detach() end

---A child that waits prepared for its program, or is on its way there: made by
---`sys.prepare`. A variable can be `<close>`; the child ends with its handle, as long
---as it has no program.
---@class userns.sys.Prepared
local sysPrepared = {}

---A descriptor that is readable from when the child has been made, so that lead
---need not wait; for one that has not been led.
---@return integer fd
function sysPrepared:fileno() end

---Does the parent's steps, waiting for the child to be made; once.
---@param parent_step? (fun(step: integer, pid: integer): true|integer|nil, userns.Error?) as launch's
---@return true|nil ok
---@return userns.Error? err of the step that failed, or ESRCH: the child is gone
function sysPrepared:lead(parent_step) end

---Waits until the child, which has been led, waits.
---@return true|nil ok
---@return userns.Error? err of its step that failed, or ESRCH: it is gone
function sysPrepared:ready() end

---Gives the child, which has been led, its program: returns as soon as it
---executes that. A child takes one program only, and is gone for this handle
---afterwards.
---@param program userdata what pack returned, of the steps descriptors and exec
---@param descriptors integer[] as launch's
---@return userns.sys.Process|nil|false process false: it was not given; without an error the child is gone, else it waits on
---@return userns.Error|userns.Error[] err as launch's
---See unix(7).
function sysPrepared:serve(program, descriptors) end

---Ends a child that has no program. Closing twice does nothing.
function sysPrepared:close() end

---@class userns.sys.Gate
local sysGate = {}

---Tells the parent that the child is ready.
---@return true|nil ok
---@return userns.Error? err EPIPE when the parent has let go of the child
function sysGate:ready() end

---Waits until the parent releases the child.
---@return true|nil ok
---@return userns.Error? err ESRCH when the parent has ended; EPIPE when it has let go of the child
function sysGate:await() end

---A terminal in raw mode: made by `sys.raw_mode`. A variable can be `<close>`.
---@class userns.sys.RawMode
local sysRawMode = {}

---Sets the terminal as it was.  Closing twice does nothing.
function sysRawMode:close() end

---A signal that the calling thread does not get: made by `sys.hold_signal`. A
---variable can be `<close>`; methods other than `close` are for an open handle.
---@class userns.sys.SignalHold
local sysSignalHold = {}

---The signalfd: readable when the signal has come.
---@return integer fd
---See signalfd(2).
function sysSignalHold:fileno() end

---Takes the signal, if it has come.
---@return "kernel"|"process"|false from who sent it: the kernel does for a key of the terminal's
function sysSignalHold:take() end

---What was taken is done with: it does not come again when the handle is
---closed.
function sysSignalHold:settle() end

---Lets the signal come as before, until it is held again.
function sysSignalHold:release() end

---Holds the signal again.
function sysSignalHold:hold() end

---Lets the signal come as before; first what is owed.  Closing twice does
---nothing.
function sysSignalHold:close() end

---An open descriptor, closed on exec and with its handle: by `close`, at the
---end of a `<close>` variable, or when it is collected. A function that takes a
---descriptor takes its number, a file of the io library, `{ fd = number }` or
---such a handle.
---@class userns.Fd
local fd = {}

---The descriptor's number; the handle goes on owning it.
---@return integer fd
function fd:fileno() end

---Closes the descriptor.  Closing twice does nothing.
function fd:close() end

---Reads what there is, up to 64 KiB.
---@return string? data empty at the end of the file
---@return userns.Error? err EAGAIN where a read would wait; EINTR
---See read(2).
function fd:read() end

---Writes a string, from a position on; a broken pipe is an error, not a signal.
---@param data string
---@param first? integer position of the first byte to write, 1 when absent
---@return integer? count of bytes written, at most those given
---@return userns.Error? err EAGAIN, EPIPE, EINTR ...
---See write(2).
function fd:write(data, first) end

---Makes the descriptor a file of the io library, which owns it from then on.
---@param mode "r"|"w"|"r+"|"a"
---@return file*? file
---@return userns.Error? err
---See fdopen(3).
function fd:file(mode) end

---Makes reads and writes of the descriptor's open file give EAGAIN rather than
---wait, for every descriptor that shares it; or wait again.
---@param on? boolean true when absent
---@return true|nil ok
---@return userns.Error? err
---See fcntl(2).
function fd:nonblock(on) end

---Gives the file that the descriptor is open on to another owner.
---@param uid integer
---@param gid integer
---@return true|nil ok
---@return userns.Error? err EPERM
---See fchown(2).
function fd:chown(uid, gid) end

---A file system that is being set up or changed, parameter by parameter: made by
---`sys.fsopen` and `sys.fspick`. A variable can be `<close>`.
---@class userns.FsContext
local fsContext = {}

---Sets a parameter, one the kernel checks at once.
---@param key string as in the options of mount(8): "size"
---@param value string|file*|table|userns.Fd text of at most 255 bytes, or a descriptor: no plain integer, which would look like a value
---@return true|nil ok
---@return userns.Error? err its path is the key, its detail the kernel's reason
---See fsconfig(2).
function fsContext:set(key, value) end

---Sets a parameter that has no value.
---@param key string as in the options of mount(8): "ro"
---@return true|nil ok
---@return userns.Error? err its path is the key, its detail the kernel's reason
---See fsconfig(2).
function fsContext:flag(key) end

---Makes the file system that the parameters describe.
---@return true|nil ok
---@return userns.Error? err its detail is the kernel's reason; EPERM where the type is not for user namespaces; EBUSY when it is made already
---See fsconfig(2).
function fsContext:create() end

---Gives the mounted file system the parameters set since.
---@return true|nil ok
---@return userns.Error? err its detail is the kernel's reason; EPERM where the file system belongs to another user namespace
---See fsconfig(2).
function fsContext:reconfigure() end

---Makes a detached mount of the file system, for move_mount.
---@param attributes? string|string[] the words of mount_setattr
---@return userns.Fd|nil mount
---@return userns.Error? err EPERM where mounts of this type in sight show less (proc and sysfs in a container), EINVAL before create
---See fsmount(2).
function fsContext:mount(attributes) end

---The number of the context's descriptor, which the context goes on owning.
---@return integer fd
---See fsopen(2).
function fsContext:fileno() end

---The type of the file system that fsopen was given.
---@return string|nil type nil for a context of fspick
---See fsopen(2).
function fsContext:type() end

---Lets go of the context; its mounts stay.  A second call does nothing.
---See close(2).
function fsContext:close() end

---The interfaces, addresses and routes of a net namespace, over a socket that
---stays in it: made by `sys.netlink`. Whoever changes something needs
---CAP_NET_ADMIN over it; what the kernel says of a refusal is the error's
---`detail`. A variable can be `<close>`.
---@class userns.Netlink
local netlink = {}

---Makes an interface.  A pair of them is made at once: what peer says is about
---the other end.
---@param link { type: string, name: string?, mtu: integer?, mac: string?, master: string?, netns: any, up: boolean?, peer: table? } type as "veth" or "bridge"; master the bridge that it is a port of; netns the target whose net namespace it is put into
---@return true|nil ok
---@return userns.Error? err EPERM without CAP_NET_ADMIN over each namespace that takes part
---See rtnetlink(7).
function netlink:link_add(link) end

---Changes an interface: its name, mtu and mac, whether it is up, the bridge
---that it is a port of, and the namespace it is in.
---@param interface string|integer its name or its index
---@param link { name: string?, mtu: integer?, mac: string?, master: string?, netns: any, up: boolean? }
---@return true|nil ok
---@return userns.Error? err ENODEV where there is none of the name; EPERM
---See rtnetlink(7).
function netlink:link_set(interface, link) end

---Removes an interface, and with it the other end of a pair.
---@param interface string|integer its name or its index
---@return true|nil ok
---@return userns.Error? err ENODEV, EPERM; EOPNOTSUPP for hardware
---See rtnetlink(7).
function netlink:link_del(interface) end

---Gives an interface an address.
---@param interface string|integer its name or its index
---@param address string with the bits that name its network: "10.0.0.1/24"
---@return true|nil ok
---@return userns.Error? err ENODEV, EEXIST, EPERM
---See rtnetlink(7).
function netlink:address_add(interface, address) end

---Adds a route.
---@param route { to: string, dev: string, via: string? } to a network or "default"; without via what it leads to is on the link
---@return true|nil ok
---@return userns.Error? err ENODEV, EEXIST, EPERM; ENETUNREACH for a via that no address of the interface's leads to
---See rtnetlink(7).
function netlink:route_add(route) end

---The index of an interface, which no other gets when it is gone.
---@param name string
---@return integer|nil index
---@return userns.Error? err ENODEV
---See netdevice(7).
function netlink:link_index(name) end

---The interfaces that there are. master is the index of the bridge that one is
---a port of.
---@return { index: integer, name: string, type: string?, up: boolean, mtu: integer, mac: string?, master: integer? }[]|nil list
---@return userns.Error? err
---See rtnetlink(7).
function netlink:links() end

---Closes the handle.
---@return true
---See close(2).
function netlink:close() end

---@class userns.Mount
---@field id integer unique among the mounts that are there at the same time
---@field parent integer the id of the mount it lies on
---@field major integer
---@field minor integer device number of the file system
---@field root string the directory of the file system that is mounted
---@field target string the mount point, as the process sees it
---@field options string[] of the mount: "rw", "nosuid", "relatime"
---@field shared? integer the peer group it passes mounts on to
---@field master? integer the peer group it takes mounts from
---@field propagate_from? integer the nearest group above `master` that the process can see
---@field unbindable boolean
---@field type string of the file system: "ext4", "fuse.sshfs"
---@field source string what the file system was made of; may be empty
---@field super_options string[] of the file system: "rw", "size=1024k"

---@class userns.SubidRange
---@field start integer the first id
---@field count integer 1 or more

local sys = {}

---Runs a Lua function in a child that has new namespaces and a copy of the
---host, as fork(2) makes it.  Only for a host without other threads.  The
---child's collector is stopped, and it leaves by _exit(2), also by os.exit:
---nothing that the host would run at its end runs in it.
---@param namespaces string|string[] the namespaces to create; may be empty
---@param fn fun(gate: userns.sys.Gate?): any nil or true is exit code 0, false 1, an integer itself; an error is printed with its traceback, exit code 1
---@param options? { handshake: boolean? } with handshake the function gets a gate (ready, await), and the process has ready and release
---@return userns.sys.Process? process
---@return userns.Error? err EPERM, ENOSPC, EAGAIN ...; EBUSY where the host has other threads
---See clone(2).
function sys.clone(namespaces, fn, options) end

---Puts the caller's thread into new namespaces.
---@param namespaces string|string[] as in /proc/PID/ns; not empty
---@return true|nil ok
---@return userns.Error? err
---See unshare(2).
function sys.unshare(namespaces) end

---Joins existing namespaces: the one that a handle, descriptor or path is of,
---or several of a process at once.  A pid or time namespace is for children.
---@param target integer|string|file*|table|userns.Process|userns.Namespace
---@param namespaces? string|string[] which; must be given for a process
---@return true|nil ok
---@return userns.Error? err
---See setns(2).
function sys.setns(target, namespaces) end

---A handle on an existing namespace.
---@param type string as in /proc/PID/ns
---@param target integer|string|file*|table|userns.Process|userns.Namespace
---@return userns.Namespace|nil namespace
---@return userns.Error? err EACCES for a process that may not be traced
---See namespaces(7).
function sys.namespace(type, target) end

---The kinds of namespace there are; what makes others comes first.
---@return string[] types as in /proc/PID/ns
---See namespaces(7).
function sys.namespace_types() end

---The pids of the processes that /proc shows, in ascending order.
---@return integer[]|nil pids
---@return userns.Error? err ESRCH where /proc is of another pid namespace
---See proc(5).
function sys.processes() end

---Maps the user ids of a process's user namespace, once and for all.
---@param target integer|"self"|userns.Process
---@param map userns.IdRange[] at most 340, without overlap
---@return true|nil ok
---@return userns.Error? err EPERM for a second map and for ids of others
---See user_namespaces(7).
function sys.write_uid_map(target, map) end

---Maps the group ids of a process's user namespace, once and for all.
---@param target integer|"self"|userns.Process
---@param map userns.IdRange[] at most 340, without overlap
---@return true|nil ok
---@return userns.Error? err EPERM too where setgroups should be denied first
---See user_namespaces(7).
function sys.write_gid_map(target, map) end

---Says whether setgroups(2) will be possible in a process's user namespace.
---@param target integer|"self"|userns.Process
---@param word "deny"|"allow"
---@return true|nil ok
---@return userns.Error? err EPERM for "deny" after the gid_map, and for "allow" after "deny"
---See user_namespaces(7).
function sys.write_setgroups(target, word) end

---The map of a process's user ids; empty before it was written.  The outside
---ids are those of the caller's user namespace, or of its parent where the
---process is in the same; 4294967295 is one that has no name there.
---@param target integer|"self"|userns.Process
---@return userns.IdRange[]|nil map
---@return userns.Error? err
---See user_namespaces(7).
function sys.read_uid_map(target) end

---The map of a process's group ids; empty before it was written.  The outside
---ids are those of the caller's user namespace, or of its parent where the
---process is in the same; 4294967295 is one that has no name there.
---@param target integer|"self"|userns.Process
---@return userns.IdRange[]|nil map
---@return userns.Error? err
---See user_namespaces(7).
function sys.read_gid_map(target) end

---Sets the host name of the caller's uts namespace.
---@param name string 0 to 64 bytes, any but NUL
---@return true|nil ok
---@return userns.Error? err EPERM without CAP_SYS_ADMIN in the namespace's owner
---See sethostname(2).
function sys.sethostname(name) end

---Sets the NIS domain name of the caller's uts namespace.
---@param name string 0 to 64 bytes, any but NUL
---@return true|nil ok
---@return userns.Error? err EPERM without CAP_SYS_ADMIN in the namespace's owner
---See setdomainname(2).
function sys.setdomainname(name) end

---The host name of the caller's uts namespace.
---@return string|nil name
---@return userns.Error? err
---See gethostname(2).
function sys.gethostname() end

---The NIS domain name of the caller's uts namespace.
---@return string|nil name "(none)" where nobody set it
---@return userns.Error? err
---See getdomainname(2).
function sys.getdomainname() end

---All that the kernel and the caller's uts namespace say of themselves:
---sysname, nodename, release, version, machine and domainname.
---@return table<string, string>|nil names
---@return userns.Error? err
---See uname(2).
function sys.uname() end

---The caller's user ids, as its user namespace numbers them.
---@return integer|nil real 65534 (the overflow id) where it is not mapped
---@return integer|userns.Error effective
---@return integer? saved
---See getresuid(2).
function sys.getresuid() end

---The caller's group ids, as its user namespace numbers them.
---@return integer|nil real 65534 (the overflow id) where it is not mapped
---@return integer|userns.Error effective
---@return integer? saved
---See getresgid(2).
function sys.getresgid() end

---Sets the user ids of the whole process: libc carries the call out in every
---thread.  A change of the effective id clears "dumpable" and "pdeathsig", and
---leaving uid 0 clears capabilities (see "keep_caps").
---@param real? integer 0 to 4294967294; nil leaves it unchanged
---@param effective? integer
---@param saved? integer
---@return true|nil ok
---@return userns.Error? err EPERM without CAP_SETUID in the user namespace, EINVAL for an id that is not mapped there
---See setresuid(2).
function sys.setresuid(real, effective, saved) end

---Sets the group ids of the whole process: libc carries the call out in every
---thread.
---@param real? integer 0 to 4294967294; nil leaves it unchanged
---@param effective? integer
---@param saved? integer
---@return true|nil ok
---@return userns.Error? err EPERM without CAP_SETGID in the user namespace, EINVAL for an id that is not mapped there
---See setresgid(2).
function sys.setresgid(real, effective, saved) end

---The caller's supplementary groups.
---@return integer[]|nil groups 65534 stands for each that is not mapped
---@return userns.Error? err
---See getgroups(2).
function sys.getgroups() end

---Sets the supplementary groups of the whole process: libc carries the call
---out in every thread.
---@param groups integer[] up to 65536 group ids; an empty list drops all
---@return true|nil ok
---@return userns.Error? err EPERM without CAP_SETGID, or in a user namespace where setgroups is denied or gid_map not yet written; EINVAL for an id that is not mapped
---See setgroups(2).
function sys.setgroups(groups) end

---Sets the file mode creation mask, or reads it without ever changing it.
---@param mask? integer|string permission bits to withhold, up to 0777: an integer, or octal digits ("022")
---@return integer|nil old the mask so far
---@return userns.Error? err ENOENT where the mask is only read and no /proc is mounted
---See umask(2).
function sys.umask(mask) end

---What a plan's host facts depend on, as a string to compare: it changes with
---the ids, the groups, the capabilities, the user namespace and the limit of
---open files of the calling thread.
---@return string credentials
---See credentials(7).
function sys.credentials() end

---The capability sets of the calling thread or of another process.
---@param pid? integer|"self" a process or thread; the calling thread if absent
---@return table|nil sets effective, permitted, inheritable, bounding, ambient: a list of names each ("net_raw")
---@return userns.Error? err ENOENT where there is no such process in /proc
---See capabilities(7).
function sys.getcaps(pid) end

---Sets capability sets of the calling thread; those not given stay as they are.
---@param sets table effective, permitted, inheritable: a list of names ("net_raw", "cap_net_raw" or "CAP_NET_RAW"), "all" or "none"
---@return true|nil ok
---@return userns.Error? err EPERM for more than is permitted; nothing is changed then
---See capset(2).
function sys.setcaps(sets) end

---Takes capabilities out of the calling thread's bounding set, for good: no
---execve will give them to it or its descendants in this user namespace.
---@param caps string|string[] names, "all" or "none"
---@return true|nil ok
---@return userns.Error? err EPERM without CAP_SETPCAP; its path names the capability that was refused
---See capabilities(7).
function sys.drop_bounding(caps) end

---Makes these the calling thread's ambient set: what survives the execve of an
---ordinary program by a uid other than 0.
---@param caps string|string[] names, "all" or "none"
---@return true|nil ok
---@return userns.Error? err EPERM for one that is not both permitted and inheritable (its path names it); nothing is changed then
---See capabilities(7).
function sys.set_ambient(caps) end

---The secure bits of the calling thread.
---@return string[]|nil words of noroot, no_setuid_fixup, keep_caps, no_cap_ambient_raise, exec_restrict_file, exec_deny_interactive, and the same with _locked
---@return userns.Error? err
---See capabilities(7).
function sys.get_securebits() end

---Makes these the secure bits of the calling thread, and no others.
---@param words string|string[] as get_securebits returns them
---@return true|nil ok
---@return userns.Error? err EPERM without CAP_SETPCAP, or against a lock
---See capabilities(7).
function sys.set_securebits(words) end

---Capability sets as libcap writes them: "cap_net_raw=ep".
---@param whose? integer|"self"|table a process or thread (the calling thread if absent), or sets: effective, permitted, inheritable
---@return string|nil text
---@return userns.Error? err ESRCH where there is no such process
---See cap_to_text(3).
function sys.caps_text(whose) end

---The sets that a text of capabilities describes.
---@param text string as libcap reads it: "cap_net_raw=ep"
---@return table sets effective, permitted, inheritable: a list of names each
---See cap_from_text(3).
function sys.caps_from_text(text) end

---The capabilities that executing a file gives.
---@param file string|integer|file* a path or a descriptor
---@return string|false|nil text as in "cap_net_raw=ep"; false where it has none
---@return integer|userns.Error? rootid the uid that must be the root of a user namespace for the file to mean anything there, where it names one
---See cap_get_file(3).
function sys.get_file_caps(file) end

---Sets the capabilities that executing a file gives, or takes them away.
---@param file string|integer|file* a path or a descriptor of a regular file
---@param text string|false|nil as in "cap_net_raw=ep"; false or nil for none
---@param rootid? integer makes them count only in user namespaces whose root this uid is
---@return true|nil ok
---@return userns.Error? err EPERM without CAP_SETFCAP
---See cap_set_file(3).
function sys.set_file_caps(file, text, rootid) end

---The name of a capability.
---@param number integer 0 to last_cap()
---@return string name as in "net_raw"
---See cap_to_name(3).
function sys.cap_name(number) end

---The number of a capability.
---@param name string "net_raw", "cap_net_raw" or "CAP_NET_RAW"
---@return integer number
---See cap_from_name(3).
function sys.cap_number(name) end

---The number of the last capability that the running kernel knows.
---@return integer number
---See cap_max_bits(3).
function sys.last_cap() end

---Reads an attribute of the caller, or sets it where a value is given.
---"no_new_privs" (true; never to be undone), "pdeathsig" (a signal, or false:
---sent when the thread that created the caller ends; cleared by a change of
---ids and by executing a file that gives privilege), "keep_caps" (a boolean:
---the permitted set outlasts leaving uid 0; cleared by exec), "name" (up to 15
---bytes) and "seccomp" (only to be read: whether filters hold it) are the
---calling thread's own.  "dumpable" (a boolean: false closes
---the process to tracing, core dumps and its own user's eyes in /proc) and
---"child_subreaper" (a boolean: orphaned descendants become its children)
---belong to the whole process.
---@param attribute string one of these seven words
---@param value? boolean|string|integer
---@return boolean|string|nil value the present one, a signal as "SIGTERM"; true where one was set
---@return userns.Error? err EPERM for "keep_caps" where a secure bit locks it
---See prctl(2).
function sys.prctl(attribute, value) end

---Has a filter answer the system calls that the calling thread makes from now
---on, and what it starts; there is no way back.
---@param program string instructions of struct sock_filter, 1 to 4096, as seccomp_filter makes them
---@return true|nil ok
---@return userns.Error? err EACCES without no_new_privs and without CAP_SYS_ADMIN, EINVAL for a program that is no filter
---See seccomp(2).
function sys.seccomp(program) end

---Compiles rules to a filter of system calls.  The first rule that names a call
---and whose conditions all hold has the answer: "allow", "errno" (that error,
---EPERM if none is named), "kill" (the process), "trap" (SIGSYS) or "log"; what
---no rule matches gets the default.  A call of any other architecture than
---those listed ends the process, and so does any of x32.
---A rule is { names = { "ioctl" }, action = "errno", errno = "ENOTTY", args = {
---{ index = 1, op = "masked_eq", mask = 0xffffffff, value = 0x5412 } } }; the
---ops are eq, ne, lt, le, ge, gt and masked_eq, all of unsigned 64-bit numbers.
---32-bit x86 has sockets and System V IPC behind one call each, whose arguments
---no filter sees: there a rule with conditions on them does not allow, and
---denies all.
---@param rules table default (a word), errno, rules and architectures (names as "x86_64" and "x86"; the native one alone when absent)
---@return string|nil program instructions of struct sock_filter
---@return userns.Error? err ENOSYS where userns was built without libseccomp; E2BIG for more than the 4096 instructions that a kernel takes
---See seccomp_rule_add(3).
function sys.seccomp_filter(rules) end

---The name of a system call of this architecture.
---@param number integer
---@return string|nil name nil for a number that libseccomp does not know
---@return userns.Error? err ENOSYS where userns was built without libseccomp
---See seccomp_syscall_resolve_num_arch(3).
function sys.syscall_name(number) end

---The number of a system call.
---@param name string
---@return integer|nil number negative for one that only other architectures have; nil for a name that libseccomp does not know
---@return userns.Error? err ENOSYS where userns was built without libseccomp
---See seccomp_syscall_resolve_name(3).
function sys.syscall_number(name) end

---Makes a mount, or changes one: binds, moves, remounts it, or says what it
---shares with its copies in other namespaces.
---The options are words: readonly (ro), nosuid, nodev, noexec, nosymfollow,
---noatime, nodiratime, relatime, strictatime; sync, dirsync, lazytime; silent;
---remount, bind, move, private, slave, shared, unbindable, and with these
---recursive (rec), or in one word rbind, rprivate, rslave, rshared,
---runbindable.  Options that the kernel would pass over in silence are refused:
---to make a bind read-only, bind first, then remount with bind and readonly, or
---use mount_setattr, which can do it to a whole tree.
---@param mount table target, and by operation source, type, options, data
---@return true|nil ok
---@return userns.Error? err EPERM without CAP_SYS_ADMIN over the mount namespace, or where a remount drops an option that a more privileged namespace locked; its path is that of source and target which failed
---See mount(2).
function sys.mount(mount) end

---Takes away what is mounted last on a path.
---@param target string the mount point
---@param flags? string|string[] force, detach, expire, nofollow
---@return true|nil ok
---@return userns.Error? err EINVAL where nothing is mounted or the mount is locked (it came from a more privileged namespace), EBUSY while it is in use (detach takes it out of sight at once), EAGAIN when expire first marks it
---See umount2(2).
function sys.umount(target, flags) end

---Makes a mount the root of the mount namespace and puts the old root below it.
---With "." twice the old root lies on top of the new one, to be unmounted with
---umount(".", "detach").  The caller's working directory does not change.
---@param new string the new root: a mount point, neither locked nor below a shared mount
---@param old string a directory below the new root
---@return true|nil ok
---@return userns.Error? err EINVAL where one of these does not hold, or the present root is no mount point (as after chroot)
---See pivot_root(2).
function sys.pivot_root(new, old) end

---Changes the directory that the caller's absolute paths start from.  This is
---not a boundary: open descriptors, the working directory and CAP_SYS_CHROOT
---lead out again, and mounts stay what they are.  To shut the old tree out, use
---pivot_root and unmount it.
---@param path string the directory
---@return true|nil ok
---@return userns.Error? err EPERM without CAP_SYS_CHROOT
---See chroot(2).
function sys.chroot(path) end

---The text of a process's table of mounts, which userns.mountinfo parses.
---@param process integer|"self"|userns.Process self is the calling thread
---@return string|nil text
---@return userns.Error? err ENOENT where there is no such process, EINVAL where it has ended
---See proc_pid_mountinfo(5).
function sys.read_mountinfo(process) end

---Opens a mount, or takes a detached copy of it (clone) that nobody sees until
---move_mount attaches it and that ends with its last descriptor if none does.
---@param place string|integer|file*|table|userns.Fd a path, or a descriptor itself
---@param options? table of booleans: clone, recursive (with clone: the mounts below too), nofollow, no_automount
---@return userns.Fd|nil mount
---@return userns.Error? err EPERM for a clone without CAP_SYS_ADMIN over the mount namespace, EINVAL for a clone without recursive of what has locked mounts below it
---See open_tree(2).
function sys.open_tree(place, options) end

---Attaches a detached mount, or moves an attached one.
---@param from string|integer|file*|table|userns.Fd the mount: a handle of open_tree or of a file system context, or a path
---@param to string|integer|file*|table|userns.Fd the place to mount it on
---@param options? table of booleans: follow_from, follow_to (where a path ends in a symbolic link, else the link itself is meant), beneath (below what is mounted there), set_group (move nothing, give `to` what `from` shares)
---@return true|nil ok
---@return userns.Error? err EINVAL for a locked mount, for one out of a shared mount, and for a file on a directory or the reverse
---See move_mount(2).
function sys.move_mount(from, to, options) end

---Changes a mount, or with recursive a whole tree of mounts, at once or not at
---all: first the words in clear are taken off, then those in set are put on.
---The words are readonly (ro), nosuid, nodev, noexec, nosymfollow, nodiratime,
---and of noatime, relatime, strictatime one (cleared, they fall back to
---relatime).  A user namespace makes the mount show its owners through that
---namespace's maps: only for a detached mount, and for good.
---@param place string|integer|file*|table|userns.Fd a mount
---@param changes table set, clear (words), propagation (private, slave, shared, unbindable), userns (a descriptor), recursive, nofollow, no_automount (booleans)
---@return true|nil ok
---@return userns.Error? err EPERM where a word to clear is locked by a more privileged namespace, EINVAL where nothing is mounted there, EBUSY for readonly while a file is open for writing
---See mount_setattr(2).
function sys.mount_setattr(place, changes) end

---Starts the set-up of a new file system: a context that takes its parameters
---one by one, says of each what is wrong with it, makes the file system and
---mounts it.
---@param type string as in /proc/filesystems
---@return userns.FsContext|nil context
---@return userns.Error? err ENODEV for a type this kernel has not, EPERM without CAP_SYS_ADMIN over the mount namespace
---See fsopen(2).
function sys.fsopen(type) end

---Starts the change of a mounted file system: a context that takes the new
---parameters and is ended by reconfigure.
---@param place string|integer|file*|table|userns.Fd a mount
---@param options? table of booleans: nofollow, no_automount
---@return userns.FsContext|nil context
---@return userns.Error? err EPERM without CAP_SYS_ADMIN over the mount namespace, EINVAL where nothing is mounted there
---See fspick(2).
function sys.fspick(place, options) end

---A handle on the interfaces, addresses and routes of a net namespace, the
---caller's own or another, which lives on while the handle is open.
---@param target? integer|string|file*|table|userns.Process|userns.Namespace
---@return userns.Netlink|nil netlink
---@return userns.Error? err EPERM for a namespace that the caller may not join
---See rtnetlink(7).
function sys.netlink(target) end

---What the text of an internet address says: family is "inet" or "inet6",
---prefix the bits that name the network (all, where none are told), network
---whether the others are 0.
---@param text string "10.0.0.2/24", "fd00::2"
---@return { family: string, address: string, prefix: integer, network: boolean }? address nil for what is none
---See inet_pton(3).
function sys.parse_address(text) end

---A handle for a process by its number; it is not killed with the handle.
---@param pid integer 1 or more
---@return userns.sys.Process? process
---@return userns.Error? err ESRCH; ENOSYS before Linux 5.3
---See pidfd_open(2).
function sys.pidfd_open(pid) end

---The environment as a map; of a variable given twice, the first value.
---@return table<string, string> environment
---See environ(7).
function sys.environ() end

---Sends a signal to a process by its number, through a pidfd.
---@param pid integer 1 or more
---@param signal string|integer "TERM", "SIGTERM" or 15
---@return true|nil ok
---@return userns.Error? err ESRCH, EPERM
---See pidfd_send_signal(2).
function sys.kill(pid, signal) end

---Waits until a process has ended, and reaps it if it is a child.
---@param process integer|userns.sys.Process a pid, or a handle
---@param seconds? number how long at most; for ever when absent
---@return table? status as a handle's wait gives it
---@return userns.Error? err ESRCH where there is no such process; ETIMEDOUT; EINTR when a signal came: call again
---See waitid(2).
function sys.wait(process, seconds) end

---The number of the calling process, in its pid namespace.
---@return integer pid
---See getpid(2).
function sys.getpid() end

---The number of the calling thread.
---@return integer tid
---See gettid(2).
function sys.gettid() end

---Replaces the calling process by another program; returns only when that
---fails.
---@param program string|integer|file*|userns.Fd a path, or a descriptor that the program is open on
---@param argv string[] argv[1] is the program's name for itself
---@param env? table<string, string> its environment; the caller's when absent
---@return nil
---@return userns.Error err ENOENT, EACCES, ENOEXEC, E2BIG ...
---See execve(2).
function sys.exec(program, argv, env) end

---Closes a range of descriptors, or has them closed on exec.
---@param first integer
---@param last? integer all from first on when absent
---@param how "close"|"cloexec"|nil "close" when absent
---@return true|nil ok
---@return userns.Error? err ENOSYS before Linux 5.9
---See close_range(2).
function sys.close_range(first, last, how) end

---A pipe.  Both ends are closed on exec and lie above the standard streams.
---@return userns.Fd? read
---@return userns.Fd|userns.Error write the error when the first is nil
---See pipe(2).
function sys.pipe() end

---Opens a file; the descriptor is closed on exec and lies above the standard
---streams.
---@param path string
---@param how? string|string[] words: read (when absent), write, readwrite (or both), create, excl, truncate, append, path, directory, nofollow, nonblock
---@return userns.Fd? fd
---@return userns.Error? err
---See open(2).
function sys.open(path, how) end

---Opens what a directory has under a name, whatever became of the directory's
---path; closed on exec and above the standard streams.
---@param directory integer|file*|userns.Fd
---@param name string of one component: no symbolic link is followed
---@param how? string|string[] words as open takes
---@return userns.Fd? fd
---@return userns.Error? err
---See openat(2).
function sys.openat(directory, name, how) end

---Waits until one of several descriptors is ready, hung up or in error.
---@param list { fd: integer|file*|userns.Fd, events: string|string[]? }[] events is "r" (when absent), "w" or both
---@param seconds? number how long at most; for ever when absent
---@return boolean[]? ready for each entry; all false when the time is over
---@return userns.Error? err EINTR when a signal came: call again
---See poll(2).
function sys.poll(list, seconds) end

---The number of a descriptor that is open, given in any form.
---@param fd integer|file*|userns.Fd|{ fd: integer }
---@return integer? number
---@return userns.Error? err EBADF
---See fcntl(2).
function sys.fileno(fd) end

---Another descriptor of the same open file, closed on exec and above the
---standard streams.
---@param fd integer|file*|userns.Fd|{ fd: integer }
---@return userns.Fd? copy
---@return userns.Error? err EBADF, EMFILE
---See fcntl(2).
function sys.dup(fd) end

---Seconds on a clock that nobody sets.
---@return number seconds
---See clock_gettime(2).
function sys.clock() end

---Makes an error object of a table of fields.
---@param fields table op, code, message and the other fields of an error
---@return userns.Error err the same table
function sys.error(fields) end

---The name of an error number.
---@param number integer 1 to 4095
---@return string|nil name "EPERM" for 1; nil for a number without a name here
---See errno(3).
function sys.errno_name(number) end

---Packs a plan into one block of memory that launch can execute, any number of
---times.
---@param plan userns.Step[] as container:plan() returns it
---@return userdata program
function sys.pack(plan) end

---The steps that a plan can have: by name, what each does (doc), who runs it
---(side) and its operands in order.
---@return table<string, { doc: string, side: string, operands: string[] }> ops
function sys.ops() end

---Runs a packed plan: returns as soon as the child executes its program, or
---with the step that failed and nothing left behind.
---@param program userdata what pack returned
---@param descriptors integer[] for each entry of the plan's descriptors step the number of the descriptor it comes from, -1 for the host's own
---@param parent_step? (fun(step: integer, pid: integer): true|integer|nil, userns.Error?) does the parent's steps that are not C's; of one that opens something for the child, or a v2 cgroup for it to be created in, it is the descriptor's number that is returned
---@param seconds? number how long the set-up may take; for ever when absent
---@param linger userns.sys.SignalHold|true|nil the caller would wait for the program's end, or a signal here, anyway: launch may return only then
---@return userns.sys.Process? process
---@return userns.Error|userns.Error[] err step, syscall, errno and item, or ETIMEDOUT; beside a process the refusals that did not end the set-up
---@return userns.Fd? terminal the host's side of the program's
---@return true? ended with linger: the program has, and no signal came
---See clone(2).
function sys.launch(program, descriptors, parent_step, seconds, linger) end

---The path of the small executable that a separate image runs, as it was when
---the module was loaded.
---@return string path
function sys.image_path() end

---Starts a child that does all of a plan up to its step ready, and there waits
---for its program. Returns at once; what is the parent's to do is done by lead.
---@param program userdata what pack returned, of a plan with the step ready
---@param parent_step? (fun(step: integer, pid: integer): true|integer|nil, userns.Error?) as launch's
---@return userns.sys.Prepared? prepared
---@return userns.Error? err step, syscall, errno and item
---See clone(2).
function sys.prepare(program, parent_step) end

---Makes a directory in one that is open, whatever became of that one's path.
---@param directory integer|file*|userns.Fd
---@param name string of one component
---@param mode? integer|string permission bits less the umask; 0755 when absent
---@return true|nil ok
---@return userns.Error? err EEXIST, EACCES, EROFS ...
---See mkdirat(2).
function sys.mkdirat(directory, name, mode) end

---Removes a directory from one that is open.
---@param directory integer|file*|userns.Fd
---@param name string of one component
---@return true|nil ok
---@return userns.Error? err ENOENT, ENOTEMPTY; EBUSY for a cgroup in use
---See unlinkat(2).
function sys.rmdirat(directory, name) end

---The names of the directories in one that is open.
---@param directory integer|file*|userns.Fd
---@return string[]? names
---@return userns.Error? err
---See getdents(2).
function sys.directories(directory) end

---What a file is: its type (file, directory, symlink, char, block, fifo,
---socket), mode, owner, size in bytes, and the two numbers that tell it from
---all others.
---@param file string|integer|file*|userns.Fd|{ fd: integer } a path, or what is open
---@param how? string|string[] words: nofollow (a symbolic link itself)
---@return { type: string, mode: integer, uid: integer, gid: integer, size: integer, device: integer, inode: integer }? stat
---@return userns.Error? err ENOENT, EACCES, EBADF
---See stat(2).
function sys.stat(file, how) end

---Which mount a file is on, and whether it is that mount's own root.
---@param file string|integer|file*|userns.Fd|{ fd: integer } a path, or what is open
---@return { id: integer, root: boolean? }? mount root is nil before Linux 5.8
---@return userns.Error? err ENOENT, EACCES, EBADF
---See statx(2).
function sys.mount_of(file) end

---What file system a file is on, and the flags of its mount.
---@param file string|integer|file*|userns.Fd|{ fd: integer } a path, or what is open
---@return { type: string, flags: table<string, boolean> }? file_system its name, or the magic number in hexadecimal ("0x1021997"); ro, nosuid, nodev, noexec, noatime, nodiratime, relatime, nosymfollow
---@return userns.Error? err ENOENT, EACCES, EBADF
---See statfs(2).
function sys.statfs(file) end

---Whether the caller may use a file, by its effective ids and capabilities.
---@param path string
---@param how? string|string[] words: read, write, execute (of a directory: search); whether it is there when absent
---@return true|nil ok
---@return userns.Error? err ENOENT, EACCES, EROFS, ENOTDIR
---See access(2).
function sys.access(path, how) end

---What a symbolic link says.
---@param path string
---@return string? text
---@return userns.Error? err EINVAL: it is no symbolic link
---See readlink(2).
function sys.readlink(path) end

---What the kernel's Landlock can do, as the number of its ABI; 0 where there is
---none.
---@return integer abi or nil
---@return userns.Error err
---See landlock(7).
function sys.landlock_abi() end

---What the kernel tells of a process by its pidfd: its number and its parent's
---(0 for one of another pid namespace), and its effective ids, as the caller
---sees them.
---@param process integer|"self"|userns.Process a pid, or a handle
---@return { pid: integer, parent: integer, uid: integer, gid: integer }? info
---@return userns.Error? err ESRCH; ENOTTY before Linux 6.13
---See pidfd_open(2).
function sys.pidfd_info(process) end

---How a system call is answered that is made with arguments nobody could mean,
---or has no effect on the caller.
---@param name string "unshare", "mount" ...; "create": namespaces are created, and are gone again
---@param namespaces string|string[]|nil for clone, unshare and create: with the flags of these
---@return string|nil answer the errno's name, "EINVAL", or "OK"; the name of the signal that ended who made it, "SIGSYS"
---@return string|userns.Error expected what the kernel answers where no filter does; EAGAIN, ENOMEM: it could not be tried
---See seccomp(2).
function sys.probe(name, namespaces) end

---The security modules of the kernel that decide by rules which may be
---anything: selinux, smack, tomoyo, apparmor, bpf, ipe.
---@return string[]? names
---@return userns.Error? err ENOSYS before Linux 6.8
---See lsm_list_modules(2).
function sys.security_modules() end

---Keeps a signal from the calling thread, to be taken from a handle; other
---threads get it as before.  Closing the handle, or losing it, ends that: what
---has come and was not taken, or not settled, comes then.
---@param signal string|integer "INT", "SIGINT" or 2
---@return userns.sys.SignalHold|false|nil hold false where the host ignores the signal or the thread has it blocked already
---@return userns.Error? err EMFILE
---See signalfd(2).
function sys.hold_signal(signal) end

---The number of a signal, which differs between architectures.
---@param signal string|integer "TERM", "SIGTERM" or 15
---@return integer number
---See signal(7).
function sys.signal_number(signal) end

---The size of a terminal.
---@param fd integer|file*|userns.Fd either side of it
---@return integer? rows
---@return integer|userns.Error cols the error when the first is nil: ENOTTY
---See ioctl_tty(2).
function sys.terminal_size(fd) end

---Sets the size of a terminal; its foreground programs get SIGWINCH.
---@param fd integer|file*|userns.Fd either side of it
---@param rows integer 0 to 65535
---@param cols integer 0 to 65535
---@return true|nil ok
---@return userns.Error? err ENOTTY
---See ioctl_tty(2).
function sys.set_terminal_size(fd, rows, cols) end

---Makes a terminal pass everything on as it is typed: no echo, no lines, no
---signals.  Closing the handle, or losing it, sets the terminal as it was.
---@param fd integer|file*|userns.Fd
---@return userns.sys.RawMode? mode
---@return userns.Error? err ENOTTY
---See cfmakeraw(3).
function sys.raw_mode(fd) end

---The words that there are for a setting of the kernel's, in order.
---@param kind "limit"|"personality"|"scope"
---@return string[] words
function sys.words(kind) end

---The mounts that a process sees.
---@param process? integer|"self"|userns.Process "self", the calling thread, when absent
---@return userns.Mount[]? mounts of two on one target, the one in sight is no other's parent
---@return userns.Error? err as of `sys.read_mountinfo`
---See proc_pid_mountinfo(5).
function sys.mountinfo(process) end

---The namespaces that exist, in the order of their ids. Processes that the
---caller may not look into do not count.
---@return userns.NamespaceInfo[]|nil list
---@return userns.Error? err
---See lsns(8).
function sys.namespaces() end

---Has newgidmap, found in PATH, write the map of group ids of a process.
---@param pid integer 1 or more
---@param map { inside: integer, outside: integer, count: integer }[]
---@return true? ok
---@return userns.Error? err EPERM, with what it said; ENOENT: not installed
---See newgidmap(1).
function sys.newgidmap(pid, map) end

---Has newuidmap, found in PATH, write the map of user ids of a process.
---@param pid integer 1 or more
---@param map { inside: integer, outside: integer, count: integer }[]
---@return true? ok
---@return userns.Error? err EPERM, with what it said; ENOENT: not installed
---See newuidmap(1).
function sys.newuidmap(pid, map) end

---The subordinate ids of a user, in the order of the files. A file that is
---missing or cannot be read grants nothing. The group ids too stand under the
---user's name, not a group's.
---@param user string|integer name or uid
---@param read? fun(path: string): string in place of reading the file
---@return { uid: userns.SubidRange[], gid: userns.SubidRange[] }
---See subuid(5).
function sys.subids(user, read) end

return sys
