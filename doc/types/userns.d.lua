---@meta userns
-- Rendered by make doc; for an editor's language server.
-- luacheck: ignore

---A directory of the host's becomes the root.
---@class userns.Root.bind
---@field type "bind"
---@field source string A directory; `/` for the host's whole tree.
---@field readonly? boolean Nothing can be written below. Default: false.
---@field options? string|string[] Words: `nosuid nodev noexec noatime nodiratime`; `suid dev exec` take a default back.

---Directories laid over each other become the root; mounts below them are not seen.
---@class userns.Root.overlay
---@field type "overlay"
---@field lower string|string[] Directories to see, the topmost first.
---@field upper? string Where changes go; `"tmpfs"`: to memory, and away with the container. Default: none: read-only.
---@field work? string An empty directory beside `upper`, for the kernel.
---@field size? integer|string Bytes it can hold at most (`"64M"`).
---@field mode? integer|string Permission bits. Default: "0755".
---@field readonly? boolean Nothing can be written below. Default: false.
---@field options? string|string[] Words: `nosuid nodev noexec noatime nodiratime`; `suid dev exec` take a default back.

---An empty root that holds only what is mounted in it.
---@class userns.Root.tmpfs
---@field type "tmpfs"
---@field size? integer|string Bytes it can hold at most (`"64M"`).
---@field mode? integer|string Permission bits. Default: "0755".
---@field readonly? boolean Nothing can be written below. Default: false.
---@field options? string|string[] Words: `nosuid nodev noexec noatime nodiratime`; `suid dev exec` take a default back.

---@alias userns.Root userns.Root.bind|userns.Root.overlay|userns.Root.tmpfs

---The source is seen at the target too.
---@class userns.MountEntry.bind
---@field type "bind"
---@field source string|file*|userns.Fd|{ fd: integer } A directory, file or device of the host's tree, by its path or as it is open.
---@field target string Where, in the program's view. Made where the tree is the container's own; must exist elsewhere.
---@field readonly? boolean Nothing can be written below. Default: false.
---@field recursive? boolean With the mounts below it. Default: true.
---@field options? string|string[] Words: `nosuid nodev noexec noatime nodiratime`; `suid dev exec` take a default back.
---@field optional? boolean A source that does not exist is passed over. Default: false.
---@field propagation? "private"|"slave"|"shared"|"unbindable" Whether mounts travel between here and where the source was. Default: "private".
---@field idmap? true|{ uid: userns.IdRange[], gid: userns.IdRange[] } `true`: the ids on disk are those inside, by the container's own maps; or maps of its own.

---The cgroup v2 hierarchy from the new cgroup namespace's root on.
---@class userns.MountEntry.cgroup
---@field type "cgroup"
---@field target string Where, in the program's view. Made where the tree is the container's own; must exist elsewhere.
---@field readonly? boolean Nothing can be written below. Default: true.
---@field options? string|string[] Words: `nosuid nodev noexec noatime nodiratime`; `suid dev exec` take a default back.

---A minimal /dev: null zero full random urandom tty, pts, ptmx, shm, fd, stdin, stdout, stderr.
---@class userns.MountEntry.dev
---@field type "dev"
---@field target string Where, in the program's view. Made where the tree is the container's own; must exist elsewhere.
---@field devices? string[] Further devices of the host's to have here, as `/dev/fuse`. Default: none.

---Pseudo-terminals of its own.
---@class userns.MountEntry.devpts
---@field type "devpts"
---@field target string Where, in the program's view. Made where the tree is the container's own; must exist elsewhere.
---@field mode? integer|string Permission bits. Default: "0620".
---@field ptmxmode? integer|string Permission bits of its `ptmx`. Default: "0666".
---@field gid? integer The group of new terminals. Default: 5, if mapped.
---@field options? string|string[] Words: `nosuid nodev noexec noatime nodiratime`; `suid dev exec` take a default back.

---A directory.
---@class userns.MountEntry.dir
---@field type "dir"
---@field target string Where, in the program's view. Made where the tree is the container's own; must exist elsewhere.
---@field mode? integer|string Permission bits. Default: "0755".
---@field uid? integer Its uid inside.
---@field gid? integer Its gid inside.

---A file with a given content.
---@class userns.MountEntry.file
---@field type "file"
---@field target string Where, in the program's view. Made where the tree is the container's own; must exist elsewhere.
---@field content? string What is in it. Default: "".
---@field mode? integer|string Permission bits. Default: "0644".
---@field uid? integer Its uid inside.
---@field gid? integer Its gid inside.

---Attaches a mount that the caller has prepared.
---@class userns.MountEntry.move
---@field type "move"
---@field source file*|userns.Fd|{ fd: integer } A mount that is attached nowhere, as `sys.open_tree` and `sys.fsmount` return; used up by one launch.
---@field target string Where, in the program's view. Made where the tree is the container's own; must exist elsewhere.

---The POSIX message queues of the new ipc namespace.
---@class userns.MountEntry.mqueue
---@field type "mqueue"
---@field target string Where, in the program's view. Made where the tree is the container's own; must exist elsewhere.
---@field options? string|string[] Words: `nosuid nodev noexec noatime nodiratime`; `suid dev exec` take a default back.

---Directories laid over each other (kernel's overlayfs).
---@class userns.MountEntry.overlay
---@field type "overlay"
---@field lower string|string[] Directories to see, the topmost first.
---@field upper? string Where changes go; `"tmpfs"`: to memory, and away with the container. Default: none: read-only.
---@field work? string An empty directory beside `upper`, for the kernel.
---@field size? integer|string Bytes it can hold at most (`"64M"`).
---@field mode? integer|string Permission bits. Default: "0755".
---@field target string Where, in the program's view. Made where the tree is the container's own; must exist elsewhere.
---@field readonly? boolean Nothing can be written below. Default: false.
---@field options? string|string[] Words: `nosuid nodev noexec noatime nodiratime`; `suid dev exec` take a default back.

---The processes of the new pid namespace; dangerous parts are masked (`masked_paths`).
---@class userns.MountEntry.proc
---@field type "proc"
---@field target string Where, in the program's view. Made where the tree is the container's own; must exist elsewhere.
---@field subset? "pid" `"pid"`: processes and nothing else. Default: everything.
---@field hidepid? "off"|"noaccess"|"invisible"|"ptraceable" What is seen of other users' processes. Default: "off".
---@field readonly? boolean Nothing can be written below. Default: false.
---@field options? string|string[] Words: `nosuid nodev noexec noatime nodiratime`; `suid dev exec` take a default back.

---Changes what a mount allows.
---@class userns.MountEntry.remount
---@field type "remount"
---@field target string A mount, in the program's view.
---@field readonly? boolean Nothing can be written below, or it can. Default: as it is.
---@field recursive? boolean With the mounts below it. Default: false.
---@field options? string|string[] Words: `nosuid nodev noexec noatime nodiratime`; `suid dev exec` take a default back.
---@field propagation? "private"|"slave"|"shared"|"unbindable" Whether mounts travel. Default: as it is.

---A symbolic link.
---@class userns.MountEntry.symlink
---@field type "symlink"
---@field target string Where, in the program's view. Made where the tree is the container's own; must exist elsewhere.
---@field source string What the link says.

---The devices of the new net namespace.
---@class userns.MountEntry.sysfs
---@field type "sysfs"
---@field target string Where, in the program's view. Made where the tree is the container's own; must exist elsewhere.
---@field readonly? boolean Nothing can be written below. Default: true.
---@field options? string|string[] Words: `nosuid nodev noexec noatime nodiratime`; `suid dev exec` take a default back.

---An empty file system in memory, gone with the container.
---@class userns.MountEntry.tmpfs
---@field type "tmpfs"
---@field target string Where, in the program's view. Made where the tree is the container's own; must exist elsewhere.
---@field size? integer|string Bytes it can hold at most (`"64M"`).
---@field inodes? integer Files it can hold at most.
---@field mode? integer|string Permission bits. Default: "1777".
---@field uid? integer Its uid inside.
---@field gid? integer Its gid inside.
---@field readonly? boolean Nothing can be written below. Default: false.
---@field options? string|string[] Words: `nosuid nodev noexec noatime nodiratime`; `suid dev exec` take a default back.

---@alias userns.MountEntry userns.MountEntry.bind|userns.MountEntry.cgroup|userns.MountEntry.dev|userns.MountEntry.devpts|userns.MountEntry.dir|userns.MountEntry.file|userns.MountEntry.move|userns.MountEntry.mqueue|userns.MountEntry.overlay|userns.MountEntry.proc|userns.MountEntry.remount|userns.MountEntry.symlink|userns.MountEntry.sysfs|userns.MountEntry.tmpfs

---@class userns.Filter
---@field default "allow"|"errno"|"kill"|"log"|"trap" What happens with a system call that no rule matches.
---@field errno? string|integer The error, for `"errno"`. Default: EPERM; always ENOSYS for clone3.
---@field rules? userns.FilterRule[] The first rule that matches has the say. Where a rule is about clone and none about clone3, that fails with ENOSYS: its flags are not to be seen. Default: none.
---@field architectures? string|string[] Whose system calls are let near the rules; any other, as any of x32, ends the process. Default: the native one and its 32-bit one.

---@class userns.FilterRule
---@field names string|string[] System calls that it is about.
---@field action? "allow"|"errno"|"kill"|"log"|"trap" What happens: `"errno"`: it fails; `"kill"`: the process ends with SIGSYS; `"trap"`: it gets SIGSYS; `"log"`: allowed, and in the audit log. Default: allow, or errno where `default` is allow.
---@field errno? string|integer The error, for `"errno"`. Default: EPERM; always ENOSYS for clone3.
---@field args? userns.FilterCondition[] Conditions on arguments, all of which must hold. On 32-bit x86 those of sockets and System V IPC are not to be seen: there such a rule does not allow, and denies all. Default: none.

---@class userns.FilterCondition
---@field index integer Which argument, from 0.
---@field op "eq"|"ne"|"lt"|"le"|"ge"|"gt"|"masked_eq" How it compares to `value`, as an unsigned 64-bit number; `"masked_eq"`: the bits of `mask` alone, which is how to compare what the kernel takes for 32 bits (0xffffffff).
---@field value integer What it is compared to.
---@field mask? integer The bits that count, for `"masked_eq"`.

---@class userns.CgroupLimits
---@field parent? string Cgroup to make it in: a path below the hierarchy's mount. Default: the caller's own cgroup; on v2, with limits, the one above it.
---@field name? string What it is called. Default: made up, unlike any other.
---@field memory? integer|string Bytes of memory at most, caches included. Default: no limit.
---@field swap? integer|string Bytes of it swapped out at most. Default: no limit.
---@field pids? integer Processes and threads at most. Default: no limit.
---@field cpu? number Processors it may keep busy at most; `0.5` is half of one. Default: no limit.
---@field cpu_weight? integer Its share of processors that others want too. Default: the kernel's, 100.
---@field io? userns.Throttle[] Limits for devices: `{ device = "8:0", rbps = "1M" }`. Default: no limits.

---@class userns.Throttle
---@field device string Number of a whole disk, as in `"8:0"`.
---@field rbps? integer|string Bytes read in a second.
---@field wbps? integer|string Bytes written in a second.
---@field riops? integer Reads in a second.
---@field wiops? integer Writes in a second.

---@class userns.NetworkRoute
---@field to? string The network that it leads to. Default: "default".
---@field via? string The router; none for a network that is on the link. Default: none.

---@class userns.NetworkPeer
---@field name? string Its name there. Default: made of the container's pid.
---@field netns? integer|string|file*|userns.Fd|userns.Process|userns.Namespace|{ fd: integer } Whose net namespace it is put into: another container's process, a pid, a namespace. Default: the caller's.
---@field bridge? string The bridge there that it becomes a port of. Default: none.
---@field address? string|string[] Addresses there. Default: none.

---@class userns.NetworkVeth
---@field name string Its name inside.
---@field peer? userns.NetworkPeer The other end of the pair. Default: in the caller's namespace.
---@field mac? string Its hardware address inside. Default: the kernel's choice.
---@field mtu? integer Bytes in a packet at most, of both ends. Default: the kernel's choice.
---@field address? string|string[] Addresses inside, each with its prefix. Default: none.
---@field gateway? string|string[] Routers of default routes, one for each family. Default: none.
---@field routes? userns.NetworkRoute[] Further routes. Default: none.

---@class userns.NetworkInterface
---@field name string Its name in the caller's namespace.
---@field as? string Its name inside. Default: the same.
---@field address? string|string[] Addresses inside, each with its prefix. Default: none.
---@field gateway? string|string[] Routers of default routes, one for each family. Default: none.
---@field routes? userns.NetworkRoute[] Further routes. Default: none.

---passt(1)'s program for namespaces, of Debian's package passt; for IPv6 too, where the caller has it. Needs a default route of the caller's to learn from, and a new user namespace.
---@class userns.NetworkUplink.pasta
---@field type "pasta"
---@field host_loopback? boolean 10.0.2.2 inside is 127.0.0.1 of the caller: its local services can be reached. Default: false.

---A TCP/IP stack in a process, of Debian's package slirp4netns; for IPv4.
---@class userns.NetworkUplink.slirp4netns
---@field type "slirp4netns"
---@field host_loopback? boolean 10.0.2.2 inside is 127.0.0.1 of the caller: its local services can be reached. Default: false.

---@alias userns.NetworkUplink userns.NetworkUplink.pasta|userns.NetworkUplink.slirp4netns

---@class userns.Network
---@field veth? userns.NetworkVeth[] Pairs of interfaces, one of each inside. They go with the container. Default: none.
---@field interfaces? userns.NetworkInterface[] Interfaces of the caller's namespace that are moved inside, and back again, down, when the container's end has been waited for. Where the host program dies first hardware goes back to the initial namespace, and anything else is gone. Default: none.
---@field uplink? "pasta"|"slirp4netns"|userns.NetworkUplink A way out without privilege: `tap0` is 10.0.2.100, 10.0.2.2 the router, 10.0.2.3 the name server. The program runs as the caller, as long as the container. Nothing is forwarded to the container. Default: none.

---@class userns.ProcessSpec
---@field argv0? string What the program is told its name is. Default: the program.
---@field env? table<string, string> Variables, laid over the short environment. Default: PATH TERM LANG TZ HOME.
---@field inherit_env? boolean|string[] The host's whole environment, or the named variables of it. Default: false.
---@field cwd? string Working directory, which must be inside the root. Default: "/".
---@field uid? integer|string User inside: an id, or a name of the container's own /etc/passwd. Default: 0 if mapped, else the first inside id.
---@field gid? integer|string Group inside: an id, or a name of the container's own /etc/group. Default: that of the user, where it is named; 0 if mapped, else the first inside id.
---@field groups? (integer|string)[] Supplementary groups inside. Default: none.
---@field umask? integer|string File mode creation mask. Default: "0022".
---@field stdin? "inherit"|"null"|"pipe"|file*|userns.Fd|integer Standard input. Default: "inherit".
---@field stdout? "inherit"|"null"|"pipe"|"capture"|file*|userns.Fd|integer Standard output. Default: "inherit".
---@field stderr? "inherit"|"null"|"pipe"|"capture"|"stdout"|file*|userns.Fd|integer Standard error; `"stdout"`: where standard output goes. Default: "inherit".
---@field input? string What the program reads on standard input (instead of `stdin`).
---@field max_output? integer|string Bytes captured of each stream at most; the rest is read and dropped. Default: no limit.
---@field fds? table<integer, file*|userns.Fd|integer> Further descriptors: the number inside to a file or number of the host's.
---@field terminal? boolean|{ rows: integer?, cols: integer? } A terminal of its own as standard input, output and error, which is its session's: the container's own where it has a `dev` or `devpts`, else one of the host's. The handle's `terminal` is the other side. `{ rows = 24, cols = 80 }` is its size. Default: none.
---@field timeout? number Seconds until `kill_signal` is sent. A set-up that blocks is ended then, too, or after 5 seconds if that is later. Default: none.
---@field kill_signal? string|integer What a timeout sends. Default: "KILL".
---@field kill_after? number Seconds from `kill_signal`, or from the SIGINT that `run` hands on, to SIGKILL. Default: 1.
---@field [integer] string The argument vector.

---@class userns.Hooks
---@field created? function The namespaces are there, and nothing is in them.
---@field mapped? function The ids are mapped, and the set-up begins.
---@field before_exec? function Everything is done but the sealing; the program is next.
---@field exited? function The program has ended; called with the result too, unless the handle was closed before.

---@alias userns.Rlimit { soft: integer|string, hard: integer|string }

---@class userns.LandlockRule
---@field path string A file, or a directory with all below it, as the program would find it; symbolic links are followed.
---@field allow string|string[] `read` (files and the names in directories), `write` (also truncate), `execute`, `create` and `remove` (names in directories), `refer` (link and rename between directories), `ioctl` (of devices).
---@field optional? boolean A path that does not exist is passed over. Default: false.

---@class userns.LandlockPorts
---@field bind? integer[] Ports that may be bound; 0 is one of the kernel's choice. Default: any.
---@field connect? integer[] Ports that may be connected to. Default: any.

---@class userns.Landlock
---@field fs? userns.LandlockRule[] What is allowed with files; nothing that is not listed. Default: not restricted.
---@field tcp? userns.LandlockPorts What is allowed with TCP. Default: not restricted.
---@field scope? string|string[] What is not to reach out of the container: abstract Unix sockets, signals. Default: not restricted.

---@class userns.TimeOffsets
---@field monotonic? number Added to CLOCK_MONOTONIC and its kin. Default: 0.
---@field boottime? number Added to CLOCK_BOOTTIME, and so to the uptime in /proc/uptime. Default: 0.

---@class userns.Rlimits
---@field as? integer|string|userns.Rlimit Address space.
---@field core? integer|string|userns.Rlimit Core dumps; `0` unless it is given.
---@field cpu? integer|"unlimited"|userns.Rlimit Seconds of processor time, then SIGXCPU, at the hard limit SIGKILL.
---@field data? integer|string|userns.Rlimit Heap and other private memory that can be written.
---@field fsize? integer|string|userns.Rlimit A file that is written, then SIGXFSZ.
---@field locks? integer|"unlimited"|userns.Rlimit File locks; no kernel since 2.4 looks at it.
---@field memlock? integer|string|userns.Rlimit Memory locked against swapping.
---@field msgqueue? integer|string|userns.Rlimit POSIX message queues of the user.
---@field nice? integer|"unlimited"|userns.Rlimit 20 less the lowest nice value that can be taken.
---@field nofile? integer|"unlimited"|userns.Rlimit Descriptors, counted as the highest number and one.
---@field nproc? integer|"unlimited"|userns.Rlimit Processes of the user, counted for each user namespace and in those around it too.
---@field rss? integer|string|userns.Rlimit Resident memory; no kernel since 2.6 looks at it.
---@field rtprio? integer|"unlimited"|userns.Rlimit The highest real-time priority that can be taken.
---@field rttime? integer|"unlimited"|userns.Rlimit Microseconds without a blocking call under real-time scheduling.
---@field sigpending? integer|"unlimited"|userns.Rlimit Queued signals of the user.
---@field stack? integer|string|userns.Rlimit Stack of the main thread.

---@class userns.Description
---@field namespaces? string|string[] Namespaces to create; `{}`: none. Default: all but time, less `share`.
---@field share? string|string[] Names taken off the default of `namespaces`. Default: none.
---@field join? table<string, integer|string|file*|userns.Fd|userns.Namespace|userns.Process> Namespaces to enter, by name: `{ net = target }`; a target is a pid, a path, what is open, or a handle. Default: none.
---@field uid_map? "root"|"self"|"auto"|userns.IdRange[] `"root"`: an unprivileged id of the caller's is 0 inside; `"self"`: it is itself; `"auto"`: it is 0, and all subordinate ids follow; or ranges. Default: "root".
---@field gid_map? "root"|"self"|"auto"|userns.IdRange[] The same for groups. Default: "root".
---@field setgroups? "allow"|"deny" Whether setgroups(2) works inside. Default: deny, unless the caller may map groups freely.
---@field hostname? string Host name of the new uts namespace.
---@field domainname? string NIS domain name of the same.
---@field root? string|userns.Root What the program sees as `/`; a string is a directory to bind. Default: the host's tree as it is.
---@field mounts? userns.MountEntry[] What is mounted and made, in this order; nothing that is not listed. Default: none.
---@field propagation? "private"|"slave"|"shared"|"unbindable" Whether mounts travel between the host and the container. Default: "private".
---@field masked_paths? string[] Files and directories to hide, where they exist. Default: the usual set, for each `proc`.
---@field readonly_paths? string[] Files and directories to make read-only, where they exist. Default: the usual set, for each `proc`.
---@field devices? string[] Devices of the host's that are seen under their own names; mostly below a `dev` mount. Default: none.
---@field network? "pasta"|"slirp4netns"|userns.Network What the new net namespace has besides a loopback interface that is up; a word is an `uplink`. Default: loopback only.
---@field capabilities? "none"|"all"|string[]|table<string, string|string[]> What the program keeps: permitted, effective, bounding, and ambient unless uid 0; or each set. Default: none; `setfcap` with `allow_userns`.
---@field securebits? string|string[] How the kernel treats uid 0 and changes of it (capabilities(7)). Default: none.
---@field no_new_privs? boolean Executing a file gains no privilege. Default: true.
---@field seccomp? "default"|string|userns.Filter A filter of system calls: `"default"`: what container runtimes deny; or rules, or a BPF program. Default: none.
---@field cgroup? userns.CgroupLimits A cgroup of its own, with limits; `{}`: without. Removed when the program has ended, and whoever is left in it killed. Default: none of its own.
---@field landlock? userns.Landlock What the program is restricted to, whoever it is and wherever it mounts. Default: none.
---@field sysctl? table<string, string|integer> Settings of the new namespaces: `net.*` (net), `kernel.msg* sem shm*` and `fs.mqueue.*` (ipc), `user.max_*` (user). A key has dots or slashes, as with sysctl(8). Default: none.
---@field time_offsets? userns.TimeOffsets Seconds by which the clocks of a new time namespace go ahead; adds `time` to the default of `namespaces`. Default: none.
---@field personality? string|string[] Execution domain, `linux` or `linux32`, and flags of personality(2) in lower case. Default: the caller's.
---@field nice? integer Nice value. Default: the caller's.
---@field affinity? integer[]|string Processors to run on, as a list or `"0-3,5"`. Default: the caller's.
---@field oom_score_adj? integer How soon the program is ended for want of memory: -1000 (never) to 1000. Default: the caller's.
---@field rlimits? userns.Rlimits Resource limits by name; a single value is both, the soft and the hard one. Default: the caller's, but no core dumps.
---@field allow_userns? boolean Whether the program may create user namespaces of its own; to map uid 0 there it needs `setfcap`. Default: false.
---@field lock_mounts? boolean The program's namespaces do not own the mounts: what is read-only or hidden stays so, whatever it keeps. Default: if `sys_admin` is kept.
---@field die_with_parent? boolean The container ends with the host program, however that ends; without `init`, a program that means to can undo it. Default: true.
---@field init? boolean Process 1 is a small executable, which reaps what loses its parent, hands signals on to the program and ends with it; else the program is process 1, and of signals that it has no handler for only KILL and STOP reach it. Default: false.
---@field new_session? boolean A session without the caller's terminal. Default: true.
---@field hooks? userns.Hooks Functions of the host's that are called on the way; one that raises an error, or returns `nil, err` or `false`, ends the container. Default: none.
---@field strict? boolean What would be degraded is an error. Default: false.
---@field process? userns.ProcessSpec Defaults for the process spec.

---count ids from inside on, and what they are called outside.
---@class userns.IdRange
---@field inside integer 0 to 4294967294
---@field outside integer 0 to 4294967294, in the caller's user namespace
---@field count integer 1 or more

---Why something was not done. Made in one place, the same for both floors, and
---good in `assert` and in `"could not start: " .. err`.
---@class userns.Error
---@field op string what was attempted, the same word as in the plan: "clone", "uid_map", "mount", "chdir", "exec"; "validate" for a wrong description or process spec, "load" for a file without one
---@field code string "EPERM", "ENOENT" and the like; "EINVALID" for a wrong description or process spec, "EDEGRADED" where `strict` forbids what is left
---@field message string the kernel's sentence for the code, or one of ours
---@field errno? integer the code's number, where the kernel spoke
---@field syscall? string the call that was refused: "openat2", "write", "clone3"
---@field path? string what it was about: a path, or the key, word or name that was refused
---@field field? string where the description or process spec asks for it: "mounts[2].target", "process.cwd", "process[1]"
---@field step? integer the line of the plan
---@field side "parent"|"child"|nil who was at it
---@field cause? string a word for the reason where the code has several, to compare with: "multithreaded"
---@field why? string why the kernel refuses it, on this machine: a clause
---@field hint? string what to do about it
---@field causes? { cause: string, why: string, hint: string? }[] all that it may be, where several reasons remain
---@field detail? string the kernel's own explanation, from a file system context or of rtnetlink(7)
---@field problems? userns.Error[] everything that is wrong with a description or process spec; the error itself has the first

---@class userns.Container
local container = {}

---The sequence that parent and child would go through, as data that prints
---itself.
---@param spec? userns.ProcessSpec without one the plan ends in a placeholder
---@return userns.Plan? plan
---@return userns.Error? err EINVALID
function container:plan(spec) end

---Keeps children that have done everything up to the program, and wait for it:
---`spawn` and `run` take one where the process spec has what `process` has here,
---but for the arguments, the environment and the descriptors, which a child gets
---when it is taken; any other starts as ever, and so does what has more than
---64 KiB of arguments and environment. A child that has been taken is replaced
---when the caller waits for the process or closes it, so that a burst is served
---at once.
---What waits has found the host as it was when it was prepared: sources of mounts,
---joined namespaces, limits. It holds nothing of the caller's memory or
---descriptors, cannot be traced, serves once and dies with the caller. Each costs
---the caller two descriptors, and the kernel what a container costs. Who forgets
---the container lets go of them.
---@param n integer how many; 0 lets them go
---@param spec? userns.ProcessSpec fields of a process spec, laid over the description's `process`; it needs no program
---@return true? ok
---@return userns.Error? err EINVALID: `hooks` and `terminal` leave nothing to prepare; or of the step that failed, and none waits
---See clone(2).
function container:prepare(n, spec) end

---Starts a program in a new container, and returns when it executes.
---@param spec userns.ProcessSpec the argument vector and its fields
---@return userns.Process? process
---@return userns.Error? err of the spec (EINVALID), or of the step that failed; nothing is left behind
---See clone(2).
function container:spawn(spec) end

---Runs a program in a new container to its end; one that has a terminal is
---attached to the caller's. A SIGINT that comes to the calling thread is for
---the program, which is killed at a second one or where it still runs
---`kill_after` later. A program that handles it and exits has dealt with it: run
---returns. After one that a signal ended, or that exits with 130, it comes to the
---host. Where the host ignores or blocks SIGINT, and in hooks, it is the host's.
---@param spec userns.ProcessSpec
---@return userns.Result? result
---@return userns.Error? err as spawn's
---See signal(7).
function container:run(spec) end

---Tries the description, and a process in it, in throw-away children: what would
---be refused here, all of it, and not only what comes first. The program is not
---executed, no hook is called, and nothing is left. What depends on something that
---is refused is not judged, nor is what a hook would have prepared. A mount that is
---moved, and an interface of the caller's, stay where they are; whether they are
---there is told.
---@param spec? userns.ProcessSpec without one the description's own
---@return userns.Check
function container:check(spec) end

---The description as it is in force: every default written out.
---@return table description
function container:describe() end

---@class userns.Step
---@field op string what is done: the same word as in errors
---@field side "parent"|"child" who does it
---@field source? string the field of the description that asks for it

---@class userns.Plan: userns.Step[]
---@field degraded { feature: string, used: string, reason: string }[]
---@field owner? { uid: integer, gid: integer } who the program is to the caller, where that is somebody else
local plan = {}

---The listing with a sentence for each step, on what it does and which field
---of the description asks for it.
---@return string
function plan:explain() end

---@class userns.Process
---@field pid integer as the host sees it: of the program, or with `init` of process 1
---@field program? userns.sys.Process with `init`, the program
---@field stdin? file* where the spec says "pipe"
---@field stdout? file*
---@field stderr? file*
---@field terminal? file* the host's side of the program's terminal, to read and write; without a buffer
local process = {}

---Waits until the program has ended, serving its captured streams and its
---input meanwhile.
---@param seconds? number how long at most; for ever when absent
---@return userns.Result? result the same one when called again
---@return userns.Error? err ETIMEDOUT
---See waitid(2).
function process:wait(seconds) end

---Joins the caller's standard input and output to the program's terminal until
---the program has ended: a terminal there passes on every key, and its size is
---the program's; afterwards, whatever happened, it is as it was: a SIGTERM, SIGHUP
---or SIGQUIT that comes meanwhile ends the attachment before it comes to the host.
---@return userns.Result? result as wait's
---@return userns.Error? err EINTR: a signal came, and the host lives
---See signal(7).
function process:attach() end

---Sends a signal to the program; never to another process that got its number.
---@param signal? string|integer "TERM", "SIGTERM" or 15; KILL when absent
---@return true? ok
---@return userns.Error? err ESRCH when it has ended
---See pidfd_send_signal(2).
function process:kill(signal) end

---Stops the program and every process below it: with a pid namespace of its own
---that is everybody inside. A timeout goes on meanwhile.
---@return true? ok
---@return userns.Error? err ESRCH when it has ended; EPERM; ETIMEDOUT: not every one has stopped
---See signal(7).
function process:pause() end

---Has everything that `pause` stopped go on.
---@return true? ok
---@return userns.Error? err ESRCH when it has ended; EPERM
---See signal(7).
function process:resume() end

---A handle of one of the program's namespaces.
---@param type string a namespace name
---@return userns.Namespace? namespace
---@return userns.Error? err EACCES: the program is not dumpable, or has capabilities that the caller has not
---See namespaces(7).
function process:namespace(type) end

---The pidfd: readable when the program has ended.
---@return integer fd
---See pidfd_open(2).
function process:fileno() end

---The pidfd: readable when the program has ended.
---@return integer fd
---See pidfd_open(2).
function process:getfd() end

---The pidfd: readable when the program has ended.
---@return integer fd
---See pidfd_open(2).
function process:pollfd() end

---What to poll the descriptor for.
---@return "r"
function process:events() end

---Nothing is buffered that a poll would not see.
---@return false
function process:dirty() end

---Lets the process go: it runs on, and its end is the host's reaper's affair.
---Needs a description with `die_with_parent = false`.
function process:detach() end

---Kills the program if it still runs, reaps it, and closes its streams.
---@return true? ok
---@return userns.Error? err of the hook `exited`; all is closed nevertheless
function process:close() end

---@class userns.HookProcess
---@field pid integer of the container's first process, as the host sees it
local hookProcess = {}

---A handle of one of the process's namespaces.
---@param type string a namespace name
---@return userns.Namespace? namespace
---@return userns.Error? err EACCES in `before_exec`, for an ordinary user whose container has `init` or other ids than one's own: take them in `mapped`
function hookProcess:namespace(type) end

---@class userns.Result
---@field ok boolean the exit code is 0
---@field exit_code? integer what the program returned
---@field signal? string or the signal that ended it: "SIGKILL"
---@field core_dumped boolean
---@field timed_out boolean the spec's timeout was over
---@field oom_killed boolean somebody in its cgroup was, or in one below
---@field stdout? string where captured
---@field stderr? string where captured
---@field truncated boolean more was written than max_output
---@field duration number seconds from launch to end, the set-up included
---@field usage { user_time: number, system_time: number, max_rss: integer? }
---@field degraded { feature: string, used: string, reason: string }[]

---@class userns.Check
---@field ok boolean nothing would be refused
---@field errors userns.Error[] what would be, in the order of the plan
---@field degraded { feature: string, used: string, reason: string }[] what the program would go without

---@class userns.Feature
---@field available boolean
---@field value string|integer|nil what there is of it
---@field note? string under what condition it is available
---@field error? userns.Error why it is not

---@class userns.Features
---@field kernel userns.Feature
---@field userns table<string, userns.Feature> of user namespaces
---@field namespaces table<string, userns.Feature> by type
---@field process table<string, userns.Feature>
---@field ids table<string, userns.Feature>
---@field mounts table<string, userns.Feature>
---@field confinement table<string, userns.Feature>
---@field cgroup table<string, userns.Feature>
---@field network table<string, userns.Feature>
---@field limits table<string, userns.Feature> of namespaces by type, and others

---An existing namespace, held by a descriptor: it lives on while the handle is
---open. Handles of the same namespace are equal. A variable can be `<close>`.
---@class userns.Namespace
local namespace = {}

---The inode number: what /proc/PID/ns and lsns(8) show.
---@return integer id
---See namespaces(7).
function namespace:id() end

---The kernel's word for the kind of namespace.
---@return string type
---See namespaces(7).
function namespace:type() end

---The user who made the user namespace, or the one that this namespace belongs
---to; the overflow id (65534) where the caller's namespace does not map it.
---@return integer|nil uid
---@return userns.Error? err EPERM where the user namespace is out of sight
---See ioctl_ns(2).
function namespace:owner() end

---The namespace that a user or pid namespace was made in; the other types have
---none (EINVAL).
---@return userns.Namespace|nil parent
---@return userns.Error? err EPERM for one that is out of sight, or the first
---See ioctl_ns(2).
function namespace:parent() end

---The user namespace that has a say over this one.
---@return userns.Namespace|nil userns
---@return userns.Error? err EPERM where it is out of sight
---See ioctl_ns(2).
function namespace:userns() end

---How deep a user or pid namespace is nested, as far as the caller can see: 0
---for the initial one, the caller's own, and those that it cannot look above.
---@return integer|nil level
---@return userns.Error? err EINVAL for the other types
---See ioctl_ns(2).
function namespace:level() end

---Keeps the namespace alive without a process: mounts its file on a path, which
---is created when missing and removed again when that fails.  A mount namespace
---can only be pinned from an older one (else EINVAL).
---@param path string
---@return true|nil ok
---@return userns.Error? err EBUSY where a namespace is pinned already
---See namespaces(7).
function namespace:pin(path) end

---Undoes pin: unmounts this namespace from a path and removes the empty file
---below.
---@param path string
---@return true|nil ok
---@return userns.Error? err EINVAL where this namespace is not pinned
---See namespaces(7).
function namespace:unpin(path) end

---The descriptor, which the handle goes on owning.
---@return integer fd
---See namespaces(7).
function namespace:fileno() end

---Closes the handle; the namespace lives on while anything else holds it.
---@return true
---See namespaces(7).
function namespace:close() end

---@class userns.NamespaceInfo
---@field type string as in /proc/PID/ns
---@field id integer the inode number
---@field owner? integer uid of who owns its user namespace, where that is in sight
---@field processes integer how many are in it
---@field pid integer the lowest of them
---@field command? string the command line of that process

local userns = {
  ---@type string
  _VERSION = "",
  ---@type table<string, userns.Description>
  presets = {},
  sys = require "userns.sys",
}

---Checks a description; nothing is created yet.
---@param description userns.Description
---@return userns.Container? container can be run any number of times
---@return userns.Error? err EINVALID, with every problem in `problems`
function userns.container(description) end

---What this host allows the caller: each feature is tried, in throw-away
---children, and nothing is changed. Plain tables, by the names of the list:
---`features.namespaces.net.available`; `tostring` makes a listing of it.
---@return userns.Features
function userns.features() end

---Runs a Lua file that returns a description.  It sees math, string, table and
---utf8, the functions of the basic library that have no effect outside, and
---userns.merge and userns.presets.  Its time and memory are the caller's: a
---file that never ends is not ended.
---@param path string
---@param env? table another environment to run it in
---@return table? description not checked yet
---@return userns.Error? err EINVALID: it does not compile, or raises, or returns no table, and the message has the line; else what the kernel says to reading it
---@return string? text the file's, as it was read: what may be a pipe is read once
function userns.load(path, env) end

---Lays descriptions over each other: maps merge deeply and the later one wins,
---lists are replaced; but mounts are appended, and one with the target of an
---earlier one takes its place (a remount that of a remount).  The argument vector of a process is a list, and
---a root of another type is replaced as a whole.
---@param ... table descriptions, or parts of them; none is changed
---@return table description which shares no table with them; not checked yet
function userns.merge(...) end

---A handle on an existing namespace.
---@param type string as in /proc/PID/ns
---@param target integer|string|file*|table|userns.Process|userns.Namespace
---@return userns.Namespace|nil namespace
---@return userns.Error? err EACCES for a process that may not be traced
---See namespaces(7).
function userns.namespace(type, target) end

---The namespaces that exist, in the order of their ids. Processes that the
---caller may not look into do not count.
---@return userns.NamespaceInfo[]|nil list
---@return userns.Error? err
---See lsns(8).
function userns.namespaces() end

return userns
