/* The step that takes the mounts out of the program's power. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/futex.h>
#include <linux/prctl.h>
#include <linux/time_types.h>
#include <string.h>

#include "step_ops.h"

enum { WAITING, NESTED };

static long write_map(struct child *c, long process, const char *name,
                      const char *map)
{
    long fd = CALL(c, openat, process, name, O_WRONLY | O_CLOEXEC, 0);
    long error = fd < 0 ? fd : step_write(c, fd, map, strlen(map));
    shut(fd);
    return error;
}

/* Who maps ids must be outside of the namespace: a copy of this process that
   stays behind until that is done.  Its exit status is the errno. */
_Noreturn static void map_from_outside(struct child *c,
                                       const struct step_lock_mounts *s)
{
    uint32_t *nested = &c->control->nested;
    CALL(c, prctl, PR_SET_PDEATHSIG, 9 /* SIGKILL */);
    while (__atomic_load_n(nested, __ATOMIC_ACQUIRE) == WAITING) {
        struct __kernel_timespec while_ = {0, 100000000};
        CALL(c, futex, nested, FUTEX_WAIT, WAITING, &while_);
    }
    long process = *slot(c, s->slot);
    long error = write_map(c, process, "uid_map", text(c, s->uid_map));
    if (error == 0)
        error = write_map(c, process, "gid_map", text(c, s->gid_map));
    for (;;)
        raw_syscall(SYS_exit_group, -error, 0, 0, 0, 0, 0);
}

static long await_helper(struct child *c, long helper)
{
    int status = 0;
    long pid = CALL(c, wait4, helper, &status, 0, NULL);
    if (pid < 0)
        return pid;
    c->syscall = SYS_write;
    /* exited with a status, or was killed */
    return (status & 0x7f) != 0 ? -EINTR : -(status >> 8 & 0xff);
}

/* The maps of one's own process are writable while it is dumpable; nobody else
   is in these namespaces yet. */
static long enter(struct child *c, const struct step_lock_mounts *s,
                  long helper)
{
    uint32_t *nested = &c->control->nested;
    long error = CALL(c, prctl, PR_SET_DUMPABLE, 1);
    if (error == 0)
        error = CALL(c, unshare, s->namespaces);
    uint32_t noted = c->syscall;
    if (error != 0)
        raw_syscall(SYS_kill, helper, 9 /* SIGKILL */, 0, 0, 0, 0);
    __atomic_store_n(nested, NESTED, __ATOMIC_RELEASE);
    raw_syscall(SYS_futex, (long)nested, FUTEX_WAKE, 1, 0, 0, 0);
    long mapped = await_helper(c, helper);
    if (error != 0)
        c->syscall = noted;
    else
        error = mapped;
    return error != 0 ? error : CALL(c, prctl, PR_SET_DUMPABLE, 0);
}

/* The mounts of a more privileged user namespace are locked in a copy of its
   mount namespace: what is read-only stays so, what is hidden stays hidden. */
long userns_do_lock_mounts(struct child *c, const struct step_lock_mounts *s)
{
    long helper = CALL(c, clone, 17 /* SIGCHLD */, 0, 0, 0, 0);
    if (helper < 0)
        return helper;
    if (helper == 0)
        map_from_outside(c, s);
    return enter(c, s, helper);
}
