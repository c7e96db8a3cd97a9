/* What becomes of signals. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <linux/fcntl.h>
#include <string.h>

#include "step_ops.h"

#define SIGNALS 64

static bool begins_with(const char *text, const char *name)
{
    while (*name != '\0' && *text == *name) {
        text++;
        name++;
    }
    return *name == '\0';
}

/* What follows this name at the beginning of a line; NULL where there is none.
 */
static const char *find_line(const char *text, const char *name)
{
    for (const char *p = text; *p != '\0'; p++)
        if ((p == text || p[-1] == '\n') && begins_with(p, name))
            return p + strlen(name);
    return NULL;
}

/* A set of signals, as proc_pid_status(5) has it: 16 digits; every one of them
   where it is not told. */
static uint64_t read_set(const char *text, const char *name)
{
    const char *digit = find_line(text, name);
    uint64_t set = 0;
    for (int i = 0; i < 16; i++, digit++) {
        if (digit != NULL && '0' <= *digit && *digit <= '9')
            set = set << 4 | (uint64_t)(*digit - '0');
        else if (digit != NULL && 'a' <= *digit && *digit <= 'f')
            set = set << 4 | (uint64_t)(*digit - 'a' + 10);
        else
            return EVERY_SIGNAL;
    }
    return set;
}

/* The text is longer than this only by the names of many groups. */
void step_look_at_signals(struct child *c)
{
    char text[2048];
    long n = -1;
    long fd = raw_syscall(SYS_openat, AT_FDCWD, (long)"/proc/self/status",
                          O_RDONLY | O_CLOEXEC, 0, 0, 0);
    if (fd >= 0)
        n = raw_syscall(SYS_read, fd, (long)text, sizeof text - 1, 0, 0, 0);
    shut(fd);
    text[n > 0 ? n : 0] = '\0';
    c->usual = ~(read_set(text, "SigIgn:\t") | read_set(text, "SigCgt:\t"));
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
