/*
 * spawn [-x] RUNS PROGRAM [ARGUMENT...]: runs the program RUNS times, one after
 * the other, and prints the nanoseconds from posix_spawn to the end of each
 * run; with -x to where posix_spawn returns, when the program executes.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <err.h>
#include <errno.h>
#include <inttypes.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"

/* When the program executes. */
static int64_t run(char *argv[])
{
    pid_t pid;
    errno = posix_spawnp(&pid, argv[0], NULL, NULL, argv, environ);
    if (errno != 0)
        err(1, "%s", argv[0]);
    int64_t executes = nanoseconds();
    siginfo_t end;
    if (waitid(P_PID, (id_t)pid, &end, WEXITED) != 0)
        err(1, "waitid");
    if (end.si_code != CLD_EXITED || end.si_status != 0)
        errx(1, "%s: %s %d", argv[0],
             end.si_code == CLD_EXITED ? "exit status" : "signal",
             end.si_status);
    return executes;
}

/* Some runtimes give their standard streams away to the container's root: that
   must not be the machine's /dev/null. */
static void replace_null(int fd)
{
    struct stat stream, null;
    if (fstat(fd, &stream) != 0 || stat("/dev/null", &null) != 0 ||
        stream.st_rdev != null.st_rdev)
        return;
    int empty = memfd_create("empty", MFD_CLOEXEC);
    if (empty < 0 || dup2(empty, fd) < 0)
        err(1, "memfd_create");
}

int main(int argc, char *argv[])
{
    bool executing = argc > 1 && strcmp(argv[1], "-x") == 0;
    if (executing) {
        argc--;
        argv++;
    }
    if (argc < 3)
        errx(2, "usage: spawn [-x] RUNS PROGRAM [ARGUMENT...]");
    for (int fd = 0; fd <= 2; fd++)
        replace_null(fd);
    for (long runs = strtol(argv[1], NULL, 10); runs > 0; runs--) {
        int64_t start = nanoseconds();
        int64_t executes = run(&argv[2]);
        printf("%" PRId64 "\n", (executing ? executes : nanoseconds()) - start);
    }
    return 0;
}
