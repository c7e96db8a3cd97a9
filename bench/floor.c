/*
 * floor RUNS JOB...: launches a job RUNS times and prints the nanoseconds of
 * each launch.  JOB is PROGRAM DIRECTORY [BINDS], the standard job with the
 * directory bound BINDS times below /tmp besides, or PROGRAM NAMESPACE...: new
 * namespaces and nothing made in them.  It makes by hand the system calls that
 * the library's plan for the job comes down to, and none that can be spared, so
 * that the difference between the two is what the library itself costs.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <linux/futex.h>
#include <linux/keyctl.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "floor.h"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80
#endif

enum {
    STANDARD = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUTS |
               CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWCGROUP,
    /* The host id that root of the initial namespace hands inside. */
    NOBODY = 65534,
};

/* In memory that parent and child share. */
struct job {
    char *program;
    const char *directory; /* NULL: nothing is made in the namespaces */
    struct sources sources;
    int namespaces;
    bool privileged;
    int host; /* pidfd of the parent */
    uint32_t released;
};

static const struct {
    const char *name;
    int flag;
} kinds[] = {
    {"user", CLONE_NEWUSER},     {"mnt", CLONE_NEWNS},    {"pid", CLONE_NEWPID},
    {"uts", CLONE_NEWUTS},       {"ipc", CLONE_NEWIPC},   {"net", CLONE_NEWNET},
    {"cgroup", CLONE_NEWCGROUP}, {"time", CLONE_NEWTIME},
};

int must(long result, const char *what)
{
    if (result >= 0)
        return (int)result;
    dprintf(STDERR_FILENO, "floor: %s: %s\n", what, strerror(errno));
    _exit(127);
}

static void write_file(const char *path, const char *text)
{
    int file = must(open(path, O_WRONLY | O_CLOEXEC), path);
    must(write(file, text, strlen(text)), path);
    close(file);
}

/* The stages of the child, in their order. */

static void die_with(int host)
{
    struct pollfd end = {.fd = host, .events = POLLIN};
    must(prctl(PR_SET_PDEATHSIG, SIGKILL), "PR_SET_PDEATHSIG");
    if (must(poll(&end, 1, 0), "poll") != 0)
        _exit(127);
}

static void await(struct job *job)
{
    while (__atomic_load_n(&job->released, __ATOMIC_ACQUIRE) == 0)
        syscall(SYS_futex, &job->released, FUTEX_WAIT, 0, NULL);
}

static void raise_loopback(void)
{
    struct ifreq interface = {.ifr_name = "lo", .ifr_flags = IFF_UP};
    int control = must(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), "socket");
    must(ioctl(control, SIOCSIFFLAGS, &interface), "SIOCSIFFLAGS");
}

static void become_root_inside(int host)
{
    must(setresgid(0, 0, 0), "setresgid");
    must(syscall(SYS_setgroups, 0, NULL), "setgroups");
    must(setresuid(0, 0, 0), "setresuid");
    die_with(host);
}

static void own_the_session(void)
{
    const struct rlimit none = {0, 0};
    must(setsid(), "setsid");
    must(syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL), "keyctl");
    must(setrlimit(RLIMIT_CORE, &none), "RLIMIT_CORE");
    umask(022);
}

static void drop_capabilities(void)
{
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    const struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {{0}};
    unsigned long cap = 0;
    while (prctl(PR_CAPBSET_DROP, cap) == 0)
        cap++;
    must(errno == EINVAL ? 0 : -1, "PR_CAPBSET_DROP");
    must(syscall(SYS_capset, &header, none), "capset");
    must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "PR_SET_NO_NEW_PRIVS");
}

static void execute(char *program)
{
    char *const argv[] = {program, NULL};
    char *const environment[] = {"PATH=/usr/local/bin:/usr/bin:/bin", "HOME=/",
                                 NULL};
    must(close_range(3, ~0U, 0), "close_range");
    must(execve(program, argv, environment), program);
}

/* Sources are opened while root is still root of the machine. */
static void set_up(struct job *job)
{
    open_sources(&job->sources, job->directory);
    if (job->privileged)
        become_root_inside(job->host);
    make_tree(&job->sources, job->directory);
    must(sethostname("bench", strlen("bench")), "sethostname");
}

static void fill_namespaces(struct job *job)
{
    if (job->namespaces & CLONE_NEWNET)
        raise_loopback();
    write_file("/proc/sys/user/max_user_namespaces", "0");
    if (job->namespaces & CLONE_NEWNS)
        must(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), "MS_PRIVATE");
    if (job->directory != NULL)
        set_up(job);
    else if (job->privileged)
        become_root_inside(job->host);
    /* clone(2) has no room for this one; exec enters it. */
    if (job->namespaces & CLONE_NEWTIME)
        must(unshare(CLONE_NEWTIME), "CLONE_NEWTIME");
}

static int child(void *argument)
{
    struct job *job = argument;
    die_with(job->host);
    await(job);
    umask(0);
    must(chdir("/"), "/");
    fill_namespaces(job);
    own_the_session();
    drop_capabilities();
    execute(job->program);
    return 127;
}

/* The parent. */

static void write_map(pid_t pid, const char *file, const char *text)
{
    char path[sizeof("/proc/2147483647/setgroups")];
    snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
    write_file(path, text);
}

static void write_maps(pid_t pid, bool privileged)
{
    char uid_map[sizeof("0 4294967295 1")];
    char gid_map[sizeof("0 4294967295 1")];
    snprintf(uid_map, sizeof(uid_map), "0 %u 1",
             privileged ? NOBODY : geteuid());
    snprintf(gid_map, sizeof(gid_map), "0 %u 1",
             privileged ? NOBODY : getegid());
    if (!privileged)
        write_map(pid, "setgroups", "deny");
    write_map(pid, "gid_map", gid_map);
    write_map(pid, "uid_map", uid_map);
}

static void release(struct job *job)
{
    __atomic_store_n(&job->released, 1, __ATOMIC_RELEASE);
    must(syscall(SYS_futex, &job->released, FUTEX_WAKE, 1), "futex");
}

static void await_end(int process)
{
    siginfo_t end;
    must(waitid(P_PIDFD, (id_t)process, &end, WEXITED), "waitid");
    if (end.si_code != CLD_EXITED || end.si_status != 0)
        exit(1);
    close(process);
}

/* A child that changes its user makes undumpable whatever memory it runs in,
   and until exec others of that user may reach it: root's has a copy of its
   own, which for a program of this size is cheaper than anything else. */
static void launch(struct job *job)
{
    static _Alignas(16) char stack[64 * 1024];
    int process = -1;
    int flags = (job->namespaces & ~CLONE_NEWTIME) | CLONE_PIDFD | SIGCHLD |
                (job->privileged ? 0 : CLONE_VM);
    job->released = 0;
    pid_t pid = must(clone(child, stack + sizeof(stack), flags, job, &process),
                     "clone");
    write_maps(pid, job->privileged);
    release(job);
    await_end(process);
}

/* Once, for all children: a program knows its own handlers, it has none.  The C
   library would leave out the two signals that it keeps for itself. */
static void clear_signals(void)
{
    const unsigned long standard[4] = {0};
    sigset_t none;
    for (int number = 1; number <= 64; number++)
        if (number != SIGKILL && number != SIGSTOP)
            must(syscall(SYS_rt_sigaction, number, standard, NULL, 8),
                 "rt_sigaction");
    sigemptyset(&none);
    must(sigprocmask(SIG_SETMASK, &none, NULL), "sigprocmask");
}

static int flag_of(const char *name)
{
    for (size_t i = 0; i < COUNT(kinds); i++)
        if (strcmp(name, kinds[i].name) == 0)
            return kinds[i].flag;
    dprintf(STDERR_FILENO, "floor: no namespace is called %s\n", name);
    exit(2);
}

static void read_standard_job(struct job *job, char *words[])
{
    struct sources *sources = &job->sources;
    job->namespaces = STANDARD;
    job->directory = words[0];
    sources->count = words[1] != NULL ? strtol(words[1], NULL, 10) : 0;
    sources->binds = calloc((size_t)sources->count + 1, sizeof(int));
    must(sources->binds != NULL ? 0 : -1, "calloc");
}

static void read_job(struct job *job, char *words[])
{
    job->program = words[0];
    if (words[1][0] == '/') {
        read_standard_job(job, &words[1]);
        return;
    }
    for (char **name = &words[1]; *name != NULL; name++)
        job->namespaces |= flag_of(*name);
}

int main(int argc, char *argv[])
{
    if (argc < 4) {
        dprintf(STDERR_FILENO, "usage: floor RUNS PROGRAM DIRECTORY [BINDS]\n"
                               "       floor RUNS PROGRAM NAMESPACE...\n");
        return 2;
    }
    struct job *job = mmap(NULL, sizeof(*job), PROT_READ | PROT_WRITE,
                           MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    must(job != MAP_FAILED ? 0 : -1, "mmap");
    read_job(job, &argv[2]);
    job->privileged = geteuid() == 0;
    job->host = must((long)syscall(SYS_pidfd_open, getpid(), 0), "pidfd_open");
    clear_signals();
    for (long runs = strtol(argv[1], NULL, 10); runs > 0; runs--) {
        int64_t start = nanoseconds();
        launch(job);
        printf("%" PRId64 "\n", nanoseconds() - start);
    }
    return 0;
}
