/*
 * floor RUNS PROGRAM DIRECTORY: launches the standard job RUNS times and prints
 * the nanoseconds of each launch.  It makes by hand the system calls that the
 * library's plan for this job comes down to, and none that can be spared, so
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
#include <linux/openat2.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

enum {
    NAMESPACES = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUTS |
                 CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWCGROUP,
    /* The host id that root of the initial namespace hands inside. */
    NOBODY = 65534,
    NOSUID = MOUNT_ATTR_NOSUID,
    NODEV = MOUNT_ATTR_NODEV,
    NOEXEC = MOUNT_ATTR_NOEXEC,
    RDONLY = MOUNT_ATTR_RDONLY,
};

struct job {
    char *program;
    const char *directory;
    long binds; /* of the directory, besides the job's own */
    bool privileged;
    uint32_t released;
};

struct parameter {
    const char *key;
    const char *value;
};

static const char *const devices[] = {"null",   "zero",    "full",
                                      "random", "urandom", "tty"};

static const struct {
    const char *name;
    const char *target;
} links[] = {
    {"fd", "/proc/self/fd"},       {"stdin", "/proc/self/fd/0"},
    {"stdout", "/proc/self/fd/1"}, {"stderr", "/proc/self/fd/2"},
    {"ptmx", "pts/ptmx"},
};

static const char *const masked_paths[] = {
    "/proc/acpi",          "/proc/asound",      "/proc/kcore",
    "/proc/keys",          "/proc/timer_list",  "/proc/timer_stats",
    "/proc/latency_stats", "/proc/sched_debug", "/proc/scsi",
};

static const char *const readonly_paths[] = {
    "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"};

/* In the child too this ends no more than the process that calls it. */
static int must(long result, const char *what)
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

/* Mounts: descriptors of detached trees, attached to resolved targets. */

static int resolve(int root, const char *path)
{
    struct open_how how = {
        .flags = O_PATH | O_CLOEXEC,
        .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
    };
    return (int)syscall(SYS_openat2, root, path, &how, sizeof(how));
}

static int copy(int directory, const char *path, unsigned int recursive)
{
    unsigned int flags =
        OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | recursive;
    return must(open_tree(directory, path, flags), path);
}

static void restrict_tree(int tree, uint64_t attributes, unsigned int recursive)
{
    struct mount_attr set = {.attr_set = attributes};
    must(mount_setattr(tree, "", AT_EMPTY_PATH | recursive, &set, sizeof(set)),
         "mount_setattr");
}

static int make(const char *type, const struct parameter parameters[],
                unsigned int attributes)
{
    int context = must(fsopen(type, FSOPEN_CLOEXEC), type);
    for (; parameters->key != NULL; parameters++)
        must(fsconfig(context, FSCONFIG_SET_STRING, parameters->key,
                      parameters->value, 0),
             parameters->key);
    must(fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0), type);
    return must(fsmount(context, FSMOUNT_CLOEXEC, attributes), type);
}

static void attach_at(int tree, int target)
{
    must(move_mount(tree, "", target, "",
                    MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH),
         "move_mount");
}

static void attach(int tree, int root, const char *target)
{
    attach_at(tree, must(resolve(root, target), target));
}

/* The stages of the child, in their order. */

static void await(struct job *job)
{
    while (__atomic_load_n(&job->released, __ATOMIC_ACQUIRE) == 0)
        syscall(SYS_futex, &job->released, FUTEX_WAIT_PRIVATE, 0, NULL);
}

static void raise_loopback(void)
{
    struct ifreq interface = {.ifr_name = "lo", .ifr_flags = IFF_UP};
    int control = must(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), "socket");
    must(ioctl(control, SIOCSIFFLAGS, &interface), "SIOCSIFFLAGS");
}

static void become_root_inside(void)
{
    must(setresgid(0, 0, 0), "setresgid");
    must(syscall(SYS_setgroups, 0, NULL), "setgroups");
    must(setresuid(0, 0, 0), "setresuid");
    must(prctl(PR_SET_PDEATHSIG, SIGKILL), "PR_SET_PDEATHSIG");
}

static void populate_dev(int dev, const int sources[])
{
    for (size_t i = 0; i < COUNT(devices); i++) {
        must(mknodat(dev, devices[i], S_IFREG | 0644, 0), devices[i]);
        attach(sources[i], dev, devices[i]);
    }
    for (size_t i = 0; i < COUNT(links); i++)
        must(symlinkat(links[i].target, dev, links[i].name), links[i].name);
    must(mkdirat(dev, "shm", 01777), "shm");
    must(mkdirat(dev, "pts", 0755), "pts");
    const struct parameter pts[] = {{"ptmxmode", "666"}, {"mode", "620"}, {0}};
    attach(make("devpts", pts, NOSUID | NOEXEC), dev, "pts");
}

static void bind_often(int tmp, int source, long count)
{
    char name[24];
    for (long i = 1; i <= count; i++) {
        snprintf(name, sizeof name, "%ld", i);
        must(mkdirat(tmp, name, 0755), name);
        int tree = copy(source, "", AT_RECURSIVE);
        restrict_tree(tree, NOSUID | NODEV, AT_RECURSIVE);
        int target = must(resolve(tmp, name), name);
        attach_at(tree, target);
        close(target);
        close(tree);
    }
}

static void mount_all(int root, const int sources[], int directory,
                      const char *target, int source, long binds)
{
    const struct parameter none[] = {{0}};
    const struct parameter small[] = {
        {"size", "67108864"}, {"mode", "755"}, {0}};
    const struct parameter sticky[] = {{"mode", "1777"}, {0}};
    attach(make("proc", none, NOSUID | NODEV | NOEXEC), root, "/proc");
    int dev = make("tmpfs", small, NOSUID | NODEV | NOEXEC);
    attach(dev, root, "/dev");
    populate_dev(dev, sources);
    int tmp = make("tmpfs", sticky, NOSUID | NODEV);
    attach(tmp, root, "/tmp");
    bind_often(tmp, source, binds);
    restrict_tree(directory, NOSUID | NODEV, AT_RECURSIVE);
    attach(directory, root, target);
}

/* One empty tmpfs hides every directory. */
static int empty_tree(int *empty)
{
    const struct parameter none[] = {{0}};
    if (*empty >= 0)
        return copy(*empty, "", 0);
    *empty = make("tmpfs", none, RDONLY | NOSUID | NODEV | NOEXEC);
    return *empty;
}

static void mask(const char *path, int *empty)
{
    struct stat file;
    int target = resolve(AT_FDCWD, path);
    if (target < 0 && errno == ENOENT)
        return;
    must(fstat(must(target, path), &file), path);
    attach_at(S_ISDIR(file.st_mode) ? empty_tree(empty)
                                    : copy(AT_FDCWD, "/dev/null", 0),
              target);
}

static void make_readonly(const char *path)
{
    int target = resolve(AT_FDCWD, path);
    if (target < 0 && errno == ENOENT)
        return;
    int tree = copy(must(target, path), "", AT_RECURSIVE);
    restrict_tree(tree, RDONLY, AT_RECURSIVE);
    attach_at(tree, target);
}

static void protect_proc(void)
{
    int empty = -1;
    for (size_t i = 0; i < COUNT(masked_paths); i++)
        mask(masked_paths[i], &empty);
    for (size_t i = 0; i < COUNT(readonly_paths); i++)
        make_readonly(readonly_paths[i]);
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

static void clear_descriptors_and_signals(void)
{
    const struct sigaction standard = {.sa_handler = SIG_DFL};
    sigset_t none;
    must(close_range(3, ~0U, 0), "close_range");
    /* EINVAL for KILL, STOP and the two that the C library keeps. */
    for (int number = 1; number <= SIGRTMAX; number++)
        if (sigaction(number, &standard, NULL) != 0 && errno != EINVAL)
            must(-1, "sigaction");
    sigemptyset(&none);
    must(sigprocmask(SIG_SETMASK, &none, NULL), "sigprocmask");
}

static void execute(char *program)
{
    char *const argv[] = {program, NULL};
    char *const environment[] = {"PATH=/usr/local/bin:/usr/bin:/bin", "HOME=/",
                                 NULL};
    must(execve(program, argv, environment), program);
}

static void enter_tree(const struct job *job)
{
    int sources[COUNT(devices)];
    int root = must(open("/", O_PATH | O_DIRECTORY | O_CLOEXEC), "/");
    int directory = copy(AT_FDCWD, job->directory, AT_RECURSIVE);
    int source = must(open(job->directory, O_PATH | O_CLOEXEC), job->directory);
    int dev = must(open("/dev", O_PATH | O_DIRECTORY | O_CLOEXEC), "/dev");
    for (size_t i = 0; i < COUNT(devices); i++)
        sources[i] = copy(dev, devices[i], 0);
    if (job->privileged)
        become_root_inside();
    restrict_tree(root, RDONLY | NOSUID, AT_RECURSIVE);
    restrict_tree(root, NODEV, 0);
    mount_all(root, sources, directory, job->directory, source, job->binds);
    must(chdir("/"), "/");
}

static int child(void *argument)
{
    struct job *job = argument;
    must(prctl(PR_SET_PDEATHSIG, SIGKILL), "PR_SET_PDEATHSIG");
    await(job);
    raise_loopback();
    write_file("/proc/sys/user/max_user_namespaces", "0");
    must(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), "MS_PRIVATE");
    umask(0);
    enter_tree(job);
    protect_proc();
    must(sethostname("bench", strlen("bench")), "sethostname");
    own_the_session();
    drop_capabilities();
    clear_descriptors_and_signals();
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
    must(syscall(SYS_futex, &job->released, FUTEX_WAKE_PRIVATE, 1), "futex");
}

static void await_end(int process)
{
    siginfo_t end;
    must(waitid(P_PIDFD, (id_t)process, &end, WEXITED), "waitid");
    if (end.si_code != CLD_EXITED || end.si_status != 0)
        exit(1);
    close(process);
}

static void launch(struct job job)
{
    static _Alignas(16) char stack[64 * 1024];
    int process = -1;
    pid_t pid = must(clone(child, stack + sizeof(stack),
                           NAMESPACES | CLONE_VM | CLONE_PIDFD | SIGCHLD, &job,
                           &process),
                     "clone");
    write_maps(pid, job.privileged);
    release(&job);
    await_end(process);
}

int main(int argc, char *argv[])
{
    if (argc != 4 && argc != 5) {
        dprintf(STDERR_FILENO, "usage: floor RUNS PROGRAM DIRECTORY [BINDS]\n");
        return 2;
    }
    long binds = argc == 5 ? strtol(argv[4], NULL, 10) : 0;
    struct job job = {argv[2], argv[3], binds, geteuid() == 0, 0};
    for (long runs = strtol(argv[1], NULL, 10); runs > 0; runs--) {
        int64_t start = nanoseconds();
        launch(job);
        printf("%" PRId64 "\n", nanoseconds() - start);
    }
    return 0;
}
