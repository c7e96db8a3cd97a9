/*
 * attack WHAT [ARGUMENT...]: tries what a hostile program would try, and prints
 * what came of it: "done" or the name of the errno.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#ifndef RENAME_EXCHANGE
#define RENAME_EXCHANGE 2
#endif

static int tell(long result)
{
    puts(result >= 0 ? "done" : strerrorname_np(errno));
    return 0;
}

static void expect(long result, const char *what)
{
    if (result < 0) {
        perror(what);
        exit(1);
    }
}

/* Runs a command to its end. */
static int run(char **argv)
{
    int status;
    pid_t pid = fork();
    expect(pid, "fork");
    if (pid == 0) {
        execvp(argv[0], argv);
        perror(argv[0]);
        _exit(127);
    }
    expect(waitpid(pid, &status, 0), "waitpid");
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* ---- files and mounts -------------------------------------------------- */

static int attack_read(char **argv)
{
    return tell(open(argv[0], O_RDONLY | O_NONBLOCK));
}

static int attack_write(char **argv)
{
    return tell(open(argv[0], O_WRONLY | O_NONBLOCK));
}

static int attack_put(char **argv)
{
    int fd = open(argv[0], O_WRONLY);
    return tell(fd < 0 ? fd : write(fd, argv[1], strlen(argv[1])));
}

static int attack_remount(char **argv)
{
    return tell(mount(NULL, argv[0], NULL, MS_REMOUNT | MS_BIND, NULL));
}

static int attack_bind(char **argv)
{
    return tell(mount(argv[0], argv[1], NULL, MS_BIND, NULL));
}

static int attack_umount(char **argv)
{
    return tell(umount2(argv[0], MNT_DETACH));
}

static int attack_mknod(char **argv)
{
    return tell(mknod(argv[0], S_IFCHR | 0666, (dev_t)(1 << 8 | 5)));
}

/* Out of a changed root, the classic way: a root below the working directory
   does not stop "..". */
static int attack_chroot(char **argv)
{
    if (mkdir("/below", 0700) != 0 || chroot("/below") != 0)
        return tell(-1);
    for (int i = 0; i < 64; i++)
        expect(chdir(".."), "chdir");
    expect(chroot("."), "chroot");
    return tell(access(argv[0], F_OK));
}

/* Swaps two names until it is killed, or the directory is gone. */
static int attack_swap(char **argv)
{
    while (syscall(SYS_renameat2, AT_FDCWD, argv[0], AT_FDCWD, argv[1],
                   RENAME_EXCHANGE) == 0) {
    }
    return tell(-1);
}

/* ---- ids and namespaces ------------------------------------------------ */

static int attack_userns(char **argv)
{
    (void)argv;
    return tell(unshare(CLONE_NEWUSER));
}

static int attack_setgroups(char **argv)
{
    (void)argv;
    return tell(syscall(SYS_setgroups, 0, NULL));
}

static int attack_ids(char **argv)
{
    (void)argv;
    printf("%d %d\n", (int)getuid(), (int)geteuid());
    return 0;
}

static int attack_core(char **argv)
{
    struct rlimit limit;
    (void)argv;
    expect(getrlimit(RLIMIT_CORE, &limit), "getrlimit");
    printf("%ld %ld\n", (long)limit.rlim_cur, (long)limit.rlim_max);
    limit.rlim_cur = limit.rlim_max = RLIM_INFINITY;
    return tell(setrlimit(RLIMIT_CORE, &limit));
}

static int attack_ptrace(char **argv)
{
    return tell(ptrace(PTRACE_SEIZE, atoi(argv[0]), NULL, NULL));
}

/* ---- keys, sockets, terminals ------------------------------------------ */

#define KEY "userns-secret"

/* Runs a command with a key in its session's keyring. */
static int attack_with_key(char **argv)
{
    expect(syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL), "keyctl");
    expect(syscall(SYS_add_key, "user", KEY, "x", 1, KEY_SPEC_SESSION_KEYRING),
           "add_key");
    return run(argv);
}

static int attack_find_key(char **argv)
{
    (void)argv;
    return tell(syscall(SYS_keyctl, KEYCTL_SEARCH, KEY_SPEC_SESSION_KEYRING,
                        "user", KEY, 0));
}

static socklen_t abstract(struct sockaddr_un *address, const char *name)
{
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    strncpy(address->sun_path + 1, name, sizeof address->sun_path - 2);
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
                       strlen(name));
}

/* Runs a command while somebody listens to an abstract socket. */
static int attack_with_socket(char **argv)
{
    struct sockaddr_un address;
    socklen_t size = abstract(&address, argv[0]);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    expect(bind(fd, (struct sockaddr *)&address, size), "bind");
    expect(listen(fd, 1), "listen");
    return run(argv + 1);
}

static int attack_connect(char **argv)
{
    struct sockaddr_un address;
    socklen_t size = abstract(&address, argv[0]);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    return tell(connect(fd, (struct sockaddr *)&address, size));
}

static int attack_inject(char **argv)
{
    return tell(ioctl(atoi(argv[0]), TIOCSTI, "x"));
}

/* What waits to be read from a terminal, in whatever mode it is. */
static int pending(int tty)
{
    struct termios raw;
    int count = 0;
    expect(tcgetattr(tty, &raw), "tcgetattr");
    cfmakeraw(&raw);
    expect(tcsetattr(tty, TCSANOW, &raw), "tcsetattr");
    expect(ioctl(tty, FIONREAD, &count), "FIONREAD");
    return count;
}

/* Runs a command on a terminal of its own, then prints how many characters
   somebody has put into that. */
static int attack_on_terminal(char **argv)
{
    int main_end = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    expect(main_end, "posix_openpt");
    expect(grantpt(main_end), "grantpt");
    expect(unlockpt(main_end), "unlockpt");
    pid_t pid = fork();
    expect(pid, "fork");
    if (pid != 0) {
        int status;
        expect(waitpid(pid, &status, 0), "waitpid");
        return WEXITSTATUS(status);
    }
    expect(setsid(), "setsid");
    int tty = open(ptsname(main_end), O_RDWR | O_CLOEXEC);
    expect(tty, "open");
    expect(dup2(tty, STDIN_FILENO), "dup2");
    int status = run(argv);
    printf("%d injected\n", pending(tty));
    return status;
}

/* ---- other processes --------------------------------------------------- */

/* The first argument of a process, which everybody may see. */
static bool is_named(const char *pid, const char *name)
{
    char path[64], text[64] = "";
    (void)snprintf(path, sizeof path, "/proc/%.20s/cmdline", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    return n > 0 && strcmp(text, name) == 0;
}

/* The descriptor or process that a look into a process gave; -1: refused. */
static int open_of(const char *pid, const char *file, int flags)
{
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/%.20s/%s", pid, file);
    return open(path, flags | O_CLOEXEC | O_NONBLOCK);
}

static const struct {
    const char *file;
    int flags;
} doors[] = {
    {"mem", O_RDWR},    {"mem", O_RDONLY},    {"environ", O_RDONLY},
    {"maps", O_RDONLY}, {"exe", O_RDONLY},    {"exe", O_WRONLY},
    {"fd/0", O_PATH},   {"cwd", O_PATH},      {"root", O_PATH},
    {"auxv", O_RDONLY}, {"ns/mnt", O_RDONLY},
};

/* Tries every way into a process; a way that opened after the process had
   become another program proves nothing. */
static int look_into(const char *pid, const char *name)
{
    int opened = 0;
    for (size_t i = 0; i < sizeof doors / sizeof *doors; i++) {
        int fd = open_of(pid, doors[i].file, doors[i].flags);
        if (fd < 0)
            continue;
        close(fd);
        if (is_named(pid, name)) {
            printf("%s of %s %s\n", doors[i].file, name, pid);
            opened++;
        }
    }
    if (ptrace(PTRACE_SEIZE, atoi(pid), NULL, NULL) == 0) {
        if (is_named(pid, name)) {
            printf("ptrace of %s %s\n", name, pid);
            opened++;
        }
        (void)ptrace(PTRACE_INTERRUPT, atoi(pid), NULL, NULL);
        (void)waitpid(atoi(pid), NULL, __WALL);
        (void)ptrace(PTRACE_DETACH, atoi(pid), NULL, NULL);
    }
    return opened;
}

static volatile sig_atomic_t over;

static void stop(int signum)
{
    (void)signum;
    over = 1;
}

/* Until a SIGTERM comes looks into every process of the given name, then prints
   how often it met one and how many ways in it has found. */
static int attack_watch(char **argv)
{
    long met = 0, opened = 0;
    struct sigaction action = {.sa_handler = stop};
    sigset_t none;
    sigemptyset(&none);
    expect(sigaction(SIGTERM, &action, NULL), "sigaction");
    expect(sigprocmask(SIG_SETMASK, &none, NULL), "sigprocmask");
    DIR *proc = opendir("/proc");
    while (!over) {
        const struct dirent *entry = readdir(proc);
        if (entry == NULL) {
            rewinddir(proc);
        } else if (*entry->d_name >= '1' && *entry->d_name <= '9' &&
                   atoi(entry->d_name) != getpid() &&
                   is_named(entry->d_name, argv[0])) {
            met++;
            opened += look_into(entry->d_name, argv[0]);
        }
    }
    closedir(proc);
    printf("%s %ld ways in\n", met > 0 ? "met" : "did not meet", opened);
    return 0;
}

/* ---- the command line -------------------------------------------------- */

static const struct {
    const char *name;
    int (*run)(char **argv);
    int arguments;
} attacks[] = {
    {"bind", attack_bind, 2},
    {"chroot", attack_chroot, 1},
    {"connect", attack_connect, 1},
    {"core", attack_core, 0},
    {"find-key", attack_find_key, 0},
    {"ids", attack_ids, 0},
    {"inject", attack_inject, 1},
    {"mknod", attack_mknod, 1},
    {"on-terminal", attack_on_terminal, 1},
    {"ptrace", attack_ptrace, 1},
    {"put", attack_put, 2},
    {"read", attack_read, 1},
    {"remount", attack_remount, 1},
    {"setgroups", attack_setgroups, 0},
    {"swap", attack_swap, 2},
    {"umount", attack_umount, 1},
    {"userns", attack_userns, 0},
    {"watch", attack_watch, 1},
    {"with-key", attack_with_key, 1},
    {"with-socket", attack_with_socket, 2},
    {"write", attack_write, 1},
};

static int attack(int argc, char **argv)
{
    for (size_t i = 0; argc > 1 && i < sizeof attacks / sizeof *attacks; i++)
        if (strcmp(argv[1], attacks[i].name) == 0 &&
            argc - 2 >= attacks[i].arguments)
            return attacks[i].run(argv + 2);
    (void)fprintf(stderr, "usage: attack WHAT [ARGUMENT...]\n");
    return 2;
}

/* LeakSanitizer, which would look around at the end, needs a /proc that a
   container need not have. */
int main(int argc, char **argv)
{
    int status = attack(argc, argv);
    (void)fflush(stdout);
    _exit(status);
}
