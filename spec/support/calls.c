/*
 * calls NAME [ARGUMENT...]: makes a system call in one of the ways that a
 * machine has, and prints what came of it: its result, or the name of the
 * errno.
 *
 *   native NUMBER ARGUMENT...   as the machine does
 *   int80 NUMBER ARGUMENT...    as 32-bit programs of x86 do
 *   x32 NUMBER ARGUMENT...      as x32 programs do
 *   threads                     makes threads and a child, which all end well
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define X32_BIT 0x40000000

static int tell(long result)
{
    if (result >= 0)
        printf("%ld\n", result);
    else
        puts(strerrorname_np((int)-result));
    return 0;
}

static long native(long number, const long *a)
{
    long result = syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
    return result < 0 ? -errno : result;
}

#if defined(__x86_64__)
static long int80(long number, const long *a)
{
    long result;
    __asm__ volatile("int $0x80"
                     : "=a"(result)
                     : "a"(number), "b"(a[0]), "c"(a[1]), "d"(a[2]), "S"(a[3]),
                       "D"(a[4])
                     : "memory", "r8", "r9", "r10", "r11");
    return (int)result;
}
#endif

static void *nothing(void *arg)
{
    return arg;
}

static int threads(void)
{
    int status = 0;
    for (int i = 0; i < 3; i++) {
        pthread_t thread;
        int error = pthread_create(&thread, NULL, nothing, NULL);
        if (error != 0)
            return tell(-error);
        pthread_join(thread, NULL);
    }
    pid_t pid = fork();
    if (pid == 0)
        _exit(7);
    if (pid < 0 || waitpid(pid, &status, 0) < 0)
        return tell(-errno);
    return tell(WEXITSTATUS(status));
}

int main(int argc, char **argv)
{
    long a[6] = {0};
    const char *way = argc > 1 ? argv[1] : "";
    long number = argc > 2 ? strtol(argv[2], NULL, 0) : 0;
    for (int i = 3; i < argc && i < 9; i++)
        a[i - 3] = (long)strtoul(argv[i], NULL, 0);
    if (strcmp(way, "native") == 0)
        return tell(native(number, a));
#if defined(__x86_64__)
    if (strcmp(way, "int80") == 0) {
        /* where there is no such way it ends by SIGSEGV, which a sanitizer
           would make an exit of */
        signal(SIGSEGV, SIG_DFL);
        return tell(int80(number, a));
    }
    if (strcmp(way, "x32") == 0)
        return tell(native(number | X32_BIT, a));
#endif
    if (strcmp(way, "threads") == 0)
        return threads();
    fprintf(stderr, "calls: unknown way '%s'\n", way);
    return 2;
}
