/*
 * Steps of a trial: a set-up that is gone through to see what would be refused,
 * and ends where the program would begin.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <linux/errno.h>
#include <linux/fcntl.h>

#include "step_ops.h"

/* Younger than the headers: linux/fcntl.h of Linux 6.14. */
#ifndef AT_EXECVE_CHECK
#define AT_EXECVE_CHECK 0x10000
#endif

#define EXECUTE 1 /* X_OK */

/* Before Linux 5.8 by the real ids, which in a set-up are the effective ones.
 */
static long may_execute(struct child *c, const char *path)
{
    long error = CALL(c, faccessat2, AT_FDCWD, path, EXECUTE, AT_EACCESS);
    return error == -ENOSYS ? CALL(c, faccessat, AT_FDCWD, path, EXECUTE)
                            : error;
}

/* What can be told where the kernel does not tell whether it would execute. */
static long look_at(struct child *c, const char *path)
{
    struct statx st;
    long error = may_execute(c, path);
    if (error == 0)
        error = CALL(c, statx, AT_FDCWD, path, 0, STATX_TYPE, &st);
    if (error == 0 && !S_ISREG(st.stx_mode))
        error = -EACCES;
    return error;
}

/* What execve(2) would answer.  An older kernel does not know the flag, and a
   filter may deny this call though not that one. */
static long examine(struct child *c, const char *path, const struct command *p)
{
    long error =
        CALL(c, execveat, AT_FDCWD, path, p->argv, p->env, AT_EXECVE_CHECK);
    if (error == -EINVAL || error == -ENOSYS || error == -EPERM)
        error = look_at(c, path);
    if (error == 0)
        error = step_judge_needed(c, path);
    c->syscall = SYS_execve;
    return error;
}

long userns_do_examine(struct child *c, const struct step_examine *s)
{
    const struct command command = {step_strings(c, s->paths),
                                    step_strings(c, s->argv),
                                    step_strings(c, s->env)};
    return step_try_paths(c, &command, examine);
}

/* No filter may keep a trial from its end: what is left then is a fault. */
_Noreturn static void end(void)
{
    raw_syscall(SYS_exit_group, 0, 0, 0, 0, 0, 0);
    for (;;)
        __builtin_trap();
}

/* The kernel finds no program at an empty path (ENOENT): any other answer is
   that of a filter, which the program's own execution would get.  Who is killed
   for it has come as far as a program would have. */
long userns_do_leave(struct child *c, const struct step_leave *s)
{
    char *const nothing[] = {NULL};
    (void)s;
    c->control->state = EXECUTING;
    long answer = CALL(c, execve, "", nothing, nothing);
    if (answer == -ENOENT)
        end();
    c->control->state = SETTING_UP;
    return answer;
}
