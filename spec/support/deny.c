/*
 * deny SYSCALL ERRNO [SYSCALL ERRNO]... -- PROGRAM [ARGUMENT]...
 *
 * Runs a program to which the kernel lacks system calls, or refuses them: a
 * seccomp(2) filter answers each of those named with an errno.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#else
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#endif

#define CALLS  32
#define FAILED 125

struct word {
    const char *name;
    long number;
};

#define WORD(name)                                                             \
    {                                                                          \
#name, SYS_##name                                                      \
    }

static const struct word calls[] = {
    WORD(chroot),       WORD(clone3),  WORD(close_range),   WORD(execveat),
    WORD(fsconfig),     WORD(fsmount), WORD(fsopen),        WORD(keyctl),
    WORD(memfd_create), WORD(mount),   WORD(mount_setattr), WORD(move_mount),
    WORD(open_tree),    WORD(openat2), WORD(pidfd_open),    WORD(pivot_root),
    WORD(setns),        WORD(statx),   WORD(unshare),       WORD(write),
    {NULL, 0},
};

static const struct word errnos[] = {
    {"EACCES", EACCES}, {"EINVAL", EINVAL}, {"ENOSPC", ENOSPC},
    {"ENOSYS", ENOSYS}, {"EPERM", EPERM},   {NULL, 0},
};

static long find(const struct word *words, const char *name)
{
    for (; words->name != NULL; words++)
        if (strcmp(words->name, name) == 0)
            return words->number;
    fprintf(stderr, "deny: unknown word '%s'\n", name);
    return -1;
}

struct filter {
    unsigned short count;
    struct sock_filter code[4 + 2 * CALLS];
};

static void add(struct filter *f, struct sock_filter instruction)
{
    f->code[f->count++] = instruction;
}

#define STATEMENT(code, k) ((struct sock_filter)BPF_STMT(code, k))
#define JUMP(k, yes, no)                                                       \
    ((struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, k, yes, no))

static void begin(struct filter *f)
{
    add(f, STATEMENT(BPF_LD | BPF_W | BPF_ABS,
                     offsetof(struct seccomp_data, arch)));
    add(f, JUMP(ARCHITECTURE, 1, 0));
    add(f, STATEMENT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
    add(f,
        STATEMENT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)));
}

static void answer(struct filter *f, long call, long errnum)
{
    add(f, JUMP((unsigned)call, 0, 1));
    add(f, STATEMENT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)errnum));
}

static int install(struct filter *f)
{
    struct sock_fprog program = {f->count, f->code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
        perror("deny");
        return -1;
    }
    return 0;
}

/* Adds what comes before "--"; the argument after it. */
static char **add_all(struct filter *f, char **argv)
{
    for (int i = 0; argv[0] != NULL && strcmp(argv[0], "--") != 0; i++) {
        long call = find(calls, argv[0]);
        long errnum = argv[1] == NULL ? -1 : find(errnos, argv[1]);
        if (call < 0 || errnum < 0 || i == CALLS)
            return NULL;
        answer(f, call, errnum);
        argv += 2;
    }
    return argv[0] == NULL || argv[1] == NULL ? NULL : argv + 1;
}

int main(int argc, char **argv)
{
    struct filter filter = {0};
    begin(&filter);
    char **program = argc < 2 ? NULL : add_all(&filter, argv + 1);
    if (program == NULL) {
        fputs("usage: deny SYSCALL ERRNO... -- PROGRAM ARGUMENT...\n", stderr);
        return FAILED;
    }
    add(&filter, STATEMENT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
    if (install(&filter) != 0)
        return FAILED;
    execvp(program[0], program);
    perror(program[0]);
    return FAILED;
}
