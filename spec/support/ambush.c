/*
 * ambush PROGRAM SECRET FILE: waits in a pid namespace for processes that come
 * into it and, as fast as it can, tries every way into each until it executes
 * PROGRAM.  Prints what it got before: the bytes SECRET, FILE by way of a root
 * or working directory, a descriptor, memory, an executable.  Ends on SIGTERM.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define DESCRIPTORS 32
#define IMAGE                                                                  \
    0x400000 /* where a program is that is linked to no place else             \
              */

struct prey {
    pid_t pid;
    int proc;  /* its directory, which is of this process and no later one */
    int pidfd; /* -1: not to be had */
};

static const char *program, *secret, *file;
static long met, got;
static volatile sig_atomic_t over;

static void stop(int signum)
{
    (void)signum;
    over = 1;
}

static void take(const struct prey *p, const char *what, const char *how)
{
    got++;
    printf("%d: %s by way of %s\n", (int)p->pid, what, how);
}

static const char *base(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? path : slash + 1;
}

/* What a link of a process leads to; false: refused. */
static bool link_of(int directory, const char *name, char ret_text[256])
{
    ssize_t n = readlinkat(directory, name, ret_text, 255);
    ret_text[n < 0 ? 0 : n] = '\0';
    return n >= 0;
}

static bool is_program(const char *path)
{
    return strcmp(base(path), base(program)) == 0;
}

static bool has_executed(const struct prey *p)
{
    char exe[256];
    return link_of(p->proc, "exe", exe) && is_program(exe);
}

/* ---- files of the process ---------------------------------------------- */

static int open_of(const struct prey *p, const char *name, int flags)
{
    return openat(p->proc, name, flags | O_CLOEXEC | O_NONBLOCK);
}

/* These stay with the memory that the process had when they were opened.  The
   library's name is in the maps of the host and of the separate image alike. */
static void read_text(const struct prey *p, const char *name)
{
    static char text[1 << 16];
    int fd = open_of(p, name, O_RDONLY);
    if (fd < 0)
        return;
    ssize_t n = read(fd, text, sizeof text);
    close(fd);
    if (n > 0 && memmem(text, (size_t)n, secret, strlen(secret)) != NULL)
        take(p, "the secret", name);
    if (n > 0 && strcmp(name, "maps") == 0 &&
        memmem(text, (size_t)n, "userns", strlen("userns")) != NULL)
        take(p, "another program's memory", name);
}

static void read_memory(const struct prey *p)
{
    char byte;
    int fd = open_of(p, "mem", O_RDWR);
    if (fd < 0)
        return;
    if (pread(fd, &byte, 1, IMAGE) == 1)
        take(p, "another program's memory", "mem");
    close(fd);
}

static void read_remotely(const struct prey *p)
{
    char byte;
    struct iovec here = {&byte, 1}, there = {(void *)IMAGE, 1};
    if (process_vm_readv(p->pid, &here, 1, &there, 1, 0) == 1)
        take(p, "another program's memory", "process_vm_readv");
}

static void open_executable(const struct prey *p)
{
    char name[64], path[256];
    int fd = open_of(p, "exe", O_RDONLY);
    if (fd < 0)
        return;
    (void)snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    if (link_of(AT_FDCWD, name, path) && !is_program(path))
        take(p, path, "exe");
    close(fd);
}

static void open_directory(const struct prey *p, const char *name)
{
    struct stat found;
    int fd = open_of(p, name, O_PATH);
    if (fd < 0)
        return;
    if (fstatat(fd, file + strspn(file, "/"), &found, 0) == 0)
        take(p, "the host's files", name);
    close(fd);
}

/* ---- its descriptors --------------------------------------------------- */

/* The program opens files by their names, and no others. */
static bool is_harmless(const char *path, int fd)
{
    struct stat found;
    if (strncmp(path, "pipe:", 5) == 0)
        return true;
    return *path == '/' && strcmp(base(path), base(file)) != 0 &&
           strstr(path, "userns-init") == NULL && fstat(fd, &found) == 0 &&
           !S_ISDIR(found.st_mode);
}

static void judge_descriptor(const struct prey *p, int fd, const char *how)
{
    char name[64], path[256];
    if (fd < 0)
        return;
    (void)snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    if (link_of(AT_FDCWD, name, path) && !is_harmless(path, fd))
        take(p, path, how);
    close(fd);
}

static void open_descriptors(const struct prey *p)
{
    for (int i = 0; i < DESCRIPTORS; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "fd/%d", i);
        judge_descriptor(p, open_of(p, name, O_RDONLY), "fd");
    }
}

static void take_descriptors(const struct prey *p)
{
    for (int i = 0; p->pidfd >= 0 && i < DESCRIPTORS; i++)
        judge_descriptor(p, (int)syscall(SYS_pidfd_getfd, p->pidfd, i, 0),
                         "pidfd_getfd");
}

/* ---- tracing it -------------------------------------------------------- */

/* Whoever holds a process before it is the program stops it there, as often as
   not. */
static void trace(const struct prey *p)
{
    int status;
    char exe[256];
    if (ptrace(PTRACE_SEIZE, p->pid, NULL, NULL) != 0)
        return;
    (void)ptrace(PTRACE_INTERRUPT, p->pid, NULL, NULL);
    if (waitpid(p->pid, &status, __WALL) != p->pid || !WIFSTOPPED(status))
        return;
    if (link_of(p->proc, "exe", exe) && !is_program(exe))
        take(p, "control", "ptrace");
    (void)ptrace(PTRACE_DETACH, p->pid, NULL, NULL);
}

/* ---- the ambush -------------------------------------------------------- */

static void assail(const struct prey *p)
{
    read_memory(p);
    trace(p);
    open_executable(p);
    read_text(p, "environ");
    read_text(p, "maps");
    open_directory(p, "root");
    open_directory(p, "cwd");
    open_descriptors(p);
    take_descriptors(p);
    read_remotely(p);
}

static bool is_alive(const struct prey *p)
{
    return faccessat(p->proc, "stat", F_OK, 0) == 0;
}

static void hunt(const struct prey *p)
{
    bool waited = false;
    while (!over && is_alive(p) && !has_executed(p)) {
        waited = true;
        assail(p);
    }
    met += waited;
    assail(p);
}

/* The number that was given last is at the end of loadavg. */
static pid_t last_pid(int loadavg)
{
    char text[128];
    ssize_t n = pread(loadavg, text, sizeof text - 1, 0);
    text[n < 0 ? 0 : n] = '\0';
    const char *space = strrchr(text, ' ');
    return space == NULL ? 0 : atoi(space);
}

static void meet(pid_t pid)
{
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/%d", (int)pid);
    struct prey prey = {pid, open(path, O_PATH | O_DIRECTORY | O_CLOEXEC), -1};
    if (prey.proc < 0)
        return;
    prey.pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    hunt(&prey);
    close(prey.pidfd);
    close(prey.proc);
}

static void wait_for_prey(void)
{
    int loadavg = open("/proc/loadavg", O_RDONLY | O_CLOEXEC);
    pid_t known = last_pid(loadavg);
    while (!over) {
        pid_t pid = last_pid(loadavg);
        if (pid != known)
            meet(pid);
        known = pid;
    }
}

int main(int argc, char **argv)
{
    struct sigaction action = {.sa_handler = stop};
    if (argc != 4 || sigaction(SIGTERM, &action, NULL) != 0) {
        (void)fprintf(stderr, "usage: ambush PROGRAM SECRET FILE\n");
        return 2;
    }
    program = argv[1];
    secret = argv[2];
    file = argv[3];
    puts("ready");
    (void)fflush(stdout);
    wait_for_prey();
    printf("met %ld, got %ld\n", met, got);
    (void)fflush(stdout);
    _exit(0);
}
