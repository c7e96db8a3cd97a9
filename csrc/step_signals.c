/* What becomes of signals. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <linux/fcntl.h>

#include "step_ops.h"

#define SIGNALS 64

/* A set of signals as proc_pid_status(5) has it, of 16 digits; every one of
   them where it is none. */
static uint64_t read_set(const char *digit)
{
    uint64_t set = 0;
    for (int i = 0; i < 16; i++, digit++) {
        if ('0' <= *digit && *digit <= '9')
            set = set << 4 | (uint64_t)(*digit - '0');
        else if ('a' <= *digit && *digit <= 'f')
            set = set << 4 | (uint64_t)(*digit - 'a' + 10);
        else
            return EVERY_SIGNAL;
    }
    return set;
}

/* Not known until the status has told of both sets. */
void step_look_at_signals(struct child *c)
{
    static const char *const names[] = {"SigIgn:\t", "SigCgt:\t"};
    struct lines status; /* its room for lines is left as it is */
    uint64_t unusual = 0;
    char *line;
    unsigned told = 0;
    status.fd =
        CALL(c, openat, AT_FDCWD, "/proc/self/status", O_RDONLY | O_CLOEXEC);
    status.filled = status.next = 0;
    while (status.fd >= 0 && told < 2 &&
           step_next_line(c, &status, &line) > 0) {
        const char *set = step_after(line, names[told]);
        if (set != NULL)
            unusual |= read_set(set);
        told += set != NULL;
    }
    shut(status.fd);
    c->usual = told == 2 ? ~unusual : 0;
}

long step_signals(struct child *c, uint64_t blocked)
{
    static const uint64_t zero[4]; /* the kernel's struct sigaction: SIG_DFL */
    for (int signum = 1; signum <= SIGNALS; signum++)
        if ((c->usual >> (signum - 1) & 1) == 0)
            raw_syscall(SYS_rt_sigaction, signum, (long)zero, 0, 8, 0, 0);
    return CALL(c, rt_sigprocmask, 2 /* SIG_SETMASK */, &blocked, NULL, 8);
}

long userns_do_signals(struct child *c, const struct step_signals *s)
{
    (void)s;
    return step_signals(c, 0);
}
