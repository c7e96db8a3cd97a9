/*
 * What a child does between clone and execve.
 *
 * It may share the host's memory (CLONE_VM), and the host may have threads, any
 * of which may hold any lock of libc's at the moment of the clone.  Hence: raw
 * system calls only, no allocation, no lock, no errno, no Lua; the build checks
 * the undefined symbols of csrc/step*.c against step.allow.  See
 * signal-safety(7) and, for why not even setresuid(3), nptl(7): libc's would
 * signal threads that do not exist here.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <asm/poll.h>
#include <asm/resource.h>
#include <linux/close_range.h>
#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/futex.h>
#include <linux/keyctl.h>
#include <linux/prctl.h>
#include <linux/time_types.h>
#include <linux/wait.h>

#include "step_ops.h"

/* The strings of a list, ended by NULL. */
char **step_strings(const struct child *c, at offset)
{
    struct list *list = in_arena(c, offset);
    if (!list->ready)
        for (uint32_t i = 0; i < list->count; i++)
            list->items[i] += (uintptr_t)c->arena;
    list->ready = 1;
    return (char **)(void *)list->items;
}

/* A refusal that weakens or lacks something without ending the set-up: the
   parent lists it in the result, or ends what is strict. */
void step_excuse(struct child *c, long error)
{
    struct control *control = c->control;
    if (control->excused_count < EXCUSED)
        control->excused[control->excused_count++] = (struct report){
            control->step, (int32_t)-error, c->syscall, c->item};
}

/* The host's pidfd is readable from the moment it is dead. */
static bool host_is_gone(const struct child *c)
{
    struct pollfd host = {c->arena->host, POLLIN, 0};
    struct __kernel_timespec now = {0, 0};
    return raw_syscall(SYS_ppoll, (long)&host, 1, (long)&now, 0, 0, 0) == 1;
}

/* ---- descriptors ------------------------------------------------------- */

/* close_range is younger than the other calls here (5.9). */
long step_close_range(struct child *c, unsigned first, unsigned last)
{
    if (first > last)
        return 0;
    long error = CALL(c, close_range, first, last, 0);
    if (error != -ENOSYS)
        return error;
    struct limit limit;
    error = CALL(c, prlimit64, 0, RLIMIT_NOFILE, NULL, &limit);
    for (unsigned fd = first; fd <= last && fd < limit.soft; fd++)
        shut(fd);
    return error;
}

long step_close_others(struct child *c)
{
    const int32_t *kept = in_arena(c, c->arena->kept);
    unsigned next = 0;
    long error = 0;
    for (uint32_t i = 0; i < c->arena->kept_count && error == 0; i++) {
        if (kept[i] > 0)
            error = step_close_range(c, next, (unsigned)kept[i] - 1);
        next = (unsigned)kept[i] + 1;
    }
    return error != 0 ? error : step_close_range(c, next, ~0U);
}

/* The table of descriptors is the host's own (CLONE_FILES) until here.  What is
   above all that is kept does not even come into the copy: there may be
   thousands. */
static long leave_table(struct child *c)
{
    const int32_t *kept = in_arena(c, c->arena->kept);
    unsigned above = (unsigned)kept[c->arena->kept_count - 1] + 1;
    long error = CALL(c, close_range, above, ~0U, CLOSE_RANGE_UNSHARE);
    return error == -ENOSYS ? CALL(c, unshare, CLONE_FILES) : error;
}

/* A host may have closed its standard streams; the next descriptors that the
   set-up opens must not become the program's. */
static long fill_stdio(struct child *c, int flags)
{
    long error = 0;
    for (int fd = 0; fd <= 2 && error >= 0; fd++) {
        error = CALL(c, fcntl, fd, F_SETFD, flags);
        if (error == -EBADF)
            error = CALL(c, openat, AT_FDCWD, "/dev/null",
                         O_RDWR | (flags != 0 ? O_CLOEXEC : 0), 0);
    }
    return error < 0 ? error : 0;
}

static long set_flags(struct child *c, int flags)
{
    const int32_t *kept = in_arena(c, c->arena->kept);
    long error = fill_stdio(c, flags);
    for (uint32_t i = 0; i < c->arena->kept_count && error == 0; i++)
        if (kept[i] > 2)
            error = CALL(c, fcntl, kept[i], F_SETFD, flags);
    return error;
}

/* Leaves every descriptor that is not kept behind. */
static long keep_only(struct child *c)
{
    long error = leave_table(c);
    return error != 0 ? error : step_close_others(c);
}

static bool lowers_nofile(const struct child *c)
{
    const union any_step *steps = in_arena(c, c->arena->steps);
    uint32_t number = c->arena->first[OP_rlimit];
    for (; number != 0 && number <= c->arena->count; number++)
        if (steps[number - 1].step.op == OP_rlimit &&
            steps[number - 1].rlimit.resource == RLIMIT_NOFILE)
            return true;
    return false;
}

#define SPARE  64
#define PLENTY 1024

/* A few descriptors are left to execve, which spares their close(2): where
   there may be many more. */
static long find_spare(struct child *c)
{
    struct limit limit;
    long error = CALL(c, prlimit64, 0, RLIMIT_NOFILE, NULL, &limit);
    if (error == 0 && limit.soft >= PLENTY && !lowers_nofile(c))
        c->spare = SPARE;
    return error;
}

/* The table is this process's own from here on. */
long userns_do_close_fds(struct child *c, const struct step_close_fds *s)
{
    (void)s;
    long error = keep_only(c);
    if (error == 0)
        error = set_flags(c, FD_CLOEXEC);
    if (error == 0)
        error = find_spare(c);
    if (error == 0)
        step_look_at_signals(c);
    return error;
}

static bool is_target(const struct descriptors *fds, long fd)
{
    for (uint32_t i = 0; i < fds->count; i++)
        if (fds->fd[i].to == fd)
            return true;
    return false;
}

static long copy_beside(struct child *c, const struct descriptors *fds, int fd)
{
    long copy = 2;
    do {
        long taken = copy;
        copy = CALL(c, fcntl, fd, F_DUPFD_CLOEXEC, taken + 1);
        if (taken > 2)
            shut(taken);
    } while (copy >= 0 && is_target(fds, copy));
    return copy;
}

/* First what is a source and a target moves aside, then all go to their own: no
   source is overwritten. */
long userns_do_descriptors(struct child *c, const struct step_descriptors *s)
{
    struct descriptors *fds = in_arena(c, s->fds);
    for (uint32_t i = 0; i < fds->count; i++) {
        struct descriptor *d = &fds->fd[i];
        c->item = i + 1;
        if (d->from == d->to || !is_target(fds, d->from))
            continue;
        long fd = copy_beside(c, fds, d->from);
        if (fd < 0)
            return fd;
        d->from = (int32_t)fd;
    }
    for (uint32_t i = 0; i < fds->count; i++) {
        const struct descriptor *d = &fds->fd[i];
        c->item = i + 1;
        long error = d->from == d->to ? CALL(c, fcntl, d->to, F_SETFD, 0)
                                      : CALL(c, dup3, d->from, d->to, 0);
        if (error < 0)
            return error;
    }
    return 0;
}

/* ---- life and hand-shake ----------------------------------------------- */

/* A host parts with its children and is dead from then on in one go, holding
   the lock that wait4 takes to look for some: after that it is either dead, or
   still to part with this child.  Of several threads each parts with its own,
   and all must have ended for the host to be dead; hence the keeper's mark. */
static bool host_has_left(const struct child *c)
{
    raw_syscall(SYS_wait4, -1, 0, WNOHANG, 0, 0, 0);
    uint32_t keeper = __atomic_load_n(&c->control->keeper, __ATOMIC_SEQ_CST);
    return (keeper & FUTEX_OWNER_DIED) != 0 || host_is_gone(c);
}

/* The signal is sent when the thread whose child this is ends, from now on. */
long userns_do_pdeathsig(struct child *c, const struct step_pdeathsig *s)
{
    long error = CALL(c, prctl, PR_SET_PDEATHSIG, s->signal);
    if (error == 0 && host_has_left(c))
        error = -ESRCH;
    return error;
}

void step_announce(struct child *c)
{
    uint32_t *awaited = &c->control->awaited;
    __atomic_add_fetch(awaited, 1, __ATOMIC_RELEASE);
    raw_syscall(SYS_futex, (long)awaited, FUTEX_WAKE, 1, 0, 0, 0);
}

long userns_do_await(struct child *c, const struct step_await *s)
{
    uint32_t *released = &c->control->released;
    uint32_t before = c->control->awaited;
    (void)s;
    step_announce(c);
    while (__atomic_load_n(released, __ATOMIC_ACQUIRE) == before) {
        struct __kernel_timespec while_ = {0, 100000000};
        CALL(c, futex, released, FUTEX_WAIT, before, &while_);
        if (host_is_gone(c))
            return -ESRCH;
    }
    return 0;
}

long userns_do_undumpable(struct child *c, const struct step_undumpable *s)
{
    (void)s;
    return CALL(c, prctl, PR_SET_DUMPABLE, 0);
}

long userns_do_setsid(struct child *c, const struct step_setsid *s)
{
    (void)s;
    long session = CALL(c, setsid, 0);
    return session < 0 ? session : 0;
}

/* Keys are a convenience that some kernels, quotas and filters refuse. */
long userns_do_keyring(struct child *c, const struct step_keyring *s)
{
    long serial = CALL(c, keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL);
    if (serial >= 0)
        return 0;
    if (s->required)
        return serial;
    step_excuse(c, serial);
    return 0;
}

/* ---- the loop ---------------------------------------------------------- */

static long run_step(struct child *c, const union any_step *s)
{
    switch ((enum op)s->step.op) {
#define CASE_PARENT(name)
#define CASE_LUA(name)
#define CASE_CHILD(name)                                                       \
    case OP_##name:                                                            \
        return userns_do_##name(c, &s->name);
#define OP(name, side, doc) CASE_##side(name)
#include "ops.def"
    default:
        return -EINVAL;
    }
}

_Noreturn static void leave(int status)
{
    for (;;)
        raw_syscall(SYS_exit_group, status, 0, 0, 0, 0, 0);
}

void userns_clear_tid(struct control *control)
{
    uint32_t *tid = &control->tid;
    __atomic_store_n(tid, 0, __ATOMIC_RELEASE);
    raw_syscall(SYS_futex, (long)tid, FUTEX_WAKE, 1, 0, 0, 0);
}

void userns_report(struct child *c, uint32_t step, long error)
{
    c->control->report =
        (struct report){step, (int32_t)-error, c->syscall, c->item};
}

_Noreturn void userns_give_up(struct child *c, uint32_t step, long error)
{
    userns_report(c, step, error);
    /* Where nobody shares the memory any more, the kernel does not tell. */
    if (c->stack != NULL)
        userns_clear_tid(c->control);
    leave(127);
}

_Noreturn void userns_run_child(void *child)
{
    struct child *c = child;
    CALL(c, umask, 0); /* what the set-up makes has the modes it names */
    userns_run_steps(c);
}

static void do_step(struct child *c, const union any_step *s)
{
    if (s->step.side != CHILD)
        return;
    c->control->step = s->step.number;
    c->item = 0;
    long error = run_step(c, s);
    if (error != 0)
        userns_give_up(c, s->step.number, error);
}

void userns_run_until_clone(struct child *c)
{
    const union any_step *steps = in_arena(c, c->arena->steps);
    while (steps[c->next].step.op != OP_clone)
        do_step(c, &steps[c->next++]);
}

_Noreturn void userns_run_steps(void *child)
{
    struct child *c = child;
    const union any_step *steps = in_arena(c, c->arena->steps);
    while (c->next < c->arena->count)
        do_step(c, &steps[c->next++]);
    leave(0);
}

_Noreturn void userns_run_image(void *arg)
{
    static char *const nothing[] = {NULL};
    const struct image *image = arg;
    struct child *c = image->child;
    long error = keep_only(c);
    /* Who is prepared holds none of the host's streams while it waits. */
    if (error == 0 && c->arena->late != 0)
        error = step_close_range(c, 0, 2);
    if (error == 0)
        error = set_flags(c, 0);
    if (error == 0)
        error = CALL(c, execveat, image->executable, "", image->argv, nothing,
                     AT_EMPTY_PATH);
    userns_give_up(c, image->step, error);
}
