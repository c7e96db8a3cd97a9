-- The default profile's system calls.  What is in none of these lists - and a
-- kernel newer than this page may have any number - is answered with ENOSYS, as
-- by a kernel that has it not: programs know what to do then.
--
-- Names that the installed libseccomp does not know are passed over.
local syscalls = {}

-- What ordinary programs do to themselves, to their files and to each other.
-- 32-bit architectures have names of their own for some.
syscalls.allowed = {
  files = [[
    access chdir chmod chown chown32 close close_range copy_file_range creat dup dup2 dup3 faccessat faccessat2
    fadvise64 fadvise64_64 fallocate fchdir fchmod fchmodat fchmodat2 fchown fchown32 fchownat fcntl fcntl64 fdatasync
    fgetxattr file_getattr file_setattr flistxattr flock fremovexattr fsetxattr fstat fstat64 fstatat64 fstatfs
    fstatfs64 fsync ftruncate ftruncate64 futimesat getcwd getdents getdents64 getxattr getxattrat ioctl lchown
    lchown32 lgetxattr link linkat listxattr listxattrat llistxattr _llseek lremovexattr lseek lsetxattr lstat
    lstat64 mkdir mkdirat mknod mknodat name_to_handle_at newfstatat open openat openat2 pread64 preadv preadv2
    pwrite64 pwritev pwritev2 read readahead readlink readlinkat readv removexattr removexattrat rename renameat
    renameat2 rmdir sendfile sendfile64 setxattr setxattrat splice stat stat64 statfs statfs64 statx symlink
    symlinkat sync sync_file_range syncfs tee truncate truncate64 umask unlink unlinkat utime utimensat
    utimensat_time64 utimes vmsplice write writev arm_fadvise64_64 arm_sync_file_range sync_file_range2
  ]],
  waiting = [[
    epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait epoll_wait_old eventfd
    eventfd2 fanotify_mark inotify_add_watch inotify_init inotify_init1 inotify_rm_watch io_cancel io_destroy
    io_getevents io_pgetevents io_pgetevents_time64 io_setup io_submit _newselect pause poll ppoll ppoll_time64
    pselect6 pselect6_time64 select signalfd signalfd4
  ]],
  memory = [[
    brk cachestat get_mempolicy madvise map_shadow_stack membarrier memfd_create memfd_secret mincore mlock mlock2
    mlockall mmap mmap2 mprotect mremap mseal msync munlock munlockall munmap pkey_alloc pkey_free pkey_mprotect
    remap_file_pages
  ]],
  processes = [[
    arch_prctl capget capset execve execveat exit exit_group fork get_robust_list get_thread_area getcpu getegid
    getegid32 geteuid geteuid32 getgid getgid32 getgroups getgroups32 getpgid getpgrp getpid getppid getpriority
    getresgid getresgid32 getresuid getresuid32 getrlimit getrusage getsid gettid getuid getuid32 ioprio_get
    ioprio_set kill landlock_add_rule landlock_create_ruleset landlock_restrict_self modify_ldt pidfd_open
    pidfd_send_signal prctl prlimit64 process_mrelease process_vm_readv process_vm_writev ptrace restart_syscall
    rseq rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait
    rt_sigtimedwait_time64 rt_tgsigqueueinfo sched_get_priority_max sched_get_priority_min sched_getaffinity
    sched_getattr sched_getparam sched_getscheduler sched_rr_get_interval sched_rr_get_interval_time64
    sched_setaffinity sched_setattr sched_setparam sched_setscheduler sched_yield seccomp set_robust_list
    set_thread_area set_tid_address setfsgid setfsgid32 setfsuid setfsuid32 setgid setgid32 setgroups setgroups32
    setpgid setpriority setregid setregid32 setresgid setresgid32 setresuid setresuid32 setreuid setreuid32
    setrlimit setsid setuid setuid32 sigaltstack sigprocmask sigreturn sysinfo tgkill tkill ugetrlimit uname
    uretprobe vfork wait4 waitid waitpid breakpoint cacheflush set_tls
  ]],
  time = [[
    adjtimex alarm clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 clock_gettime clock_gettime64
    clock_nanosleep clock_nanosleep_time64 getitimer gettimeofday nanosleep setitimer time timer_create timer_delete
    timer_getoverrun timer_gettime timer_gettime64 timer_settime timer_settime64 timerfd_create timerfd_gettime
    timerfd_gettime64 timerfd_settime timerfd_settime64 times
  ]],
  talking = [[
    accept accept4 bind connect futex futex_requeue futex_time64 futex_wait futex_waitv futex_wake getpeername
    getrandom getsockname getsockopt ipc listen mq_getsetattr mq_notify mq_open mq_timedreceive
    mq_timedreceive_time64 mq_timedsend mq_timedsend_time64 mq_unlink msgctl msgget msgrcv msgsnd pipe pipe2 recv
    recvfrom recvmmsg recvmmsg_time64 recvmsg semctl semget semop semtimedop semtimedop_time64 send sendmmsg
    sendmsg sendto setsockopt shmat shmctl shmdt shmget shutdown socket socketcall socketpair
  ]],
}

-- What a program may do that keeps the capability.  With `nested` also one that
-- may create user namespaces: there it has them all.
syscalls.privileged = {
  { capability = "sys_admin", nested = true, names = [[
    fsconfig fsmount fsopen fspick mount mount_setattr move_mount open_tree pivot_root setdomainname sethostname
    umount umount2
  ]] },
  { capability = "sys_admin", names = "bpf fanotify_init lookup_dcookie perf_event_open quotactl quotactl_fd" },
  { capability = "sys_chroot", nested = true, names = "chroot" },
  { capability = "dac_read_search", names = "open_by_handle_at" },
  { capability = "sys_boot", names = "reboot" },
  { capability = "sys_module", names = "delete_module finit_module init_module" },
  { capability = "sys_nice", names = "mbind migrate_pages move_pages set_mempolicy set_mempolicy_home_node" },
  { capability = "sys_pacct", names = "acct" },
  { capability = "sys_ptrace", names = "kcmp pidfd_getfd process_madvise" },
  { capability = "sys_rawio", names = "ioperm iopl" },
  { capability = "sys_time", names = "clock_settime clock_settime64 settimeofday stime" },
  { capability = "sys_tty_config", names = "vhangup" },
  { capability = "syslog", names = "syslog" },
}

-- Never: what is the whole system's, what no namespace parts, and what has been
-- good for little but breaking kernels.
syscalls.denied = [[
  add_key keyctl request_key
  io_uring_enter io_uring_register io_uring_setup
  create_module get_kernel_syms kexec_file_load kexec_load nfsservctl query_module swapoff swapon sysfs _sysctl
  uselib userfaultfd ustat vm86 vm86old
]]

return syscalls
