/* The wait of a prepared child for its program, which comes as one message: an
   arena with the steps descriptors and exec, and the descriptors themselves. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <asm/poll.h>
#include <linux/errno.h>
#include <linux/time_types.h>
#include <string.h>
#include <sys/socket.h>

#include "step_ops.h"

enum { LATE_DESCRIPTORS, LATE_EXEC, LATE_STEPS };

/* ---- before the wait --------------------------------------------------- */

/* For memory that nobody shares the kernel clears no tid.  But what its holder
   has locked it frees, when that one executes as when it ends, and wakes who
   waits (set_robust_list(2)): the tid is made such a lock. */
static long lock_tid(struct child *c)
{
    uint32_t *tid = &c->control->tid;
    long own = raw_syscall(SYS_gettid, 0, 0, 0, 0, 0, 0);
    c->locks.head = (struct robust_list_head){
        .list = {&c->locks.tid},
        .futex_offset = (char *)tid - (char *)&c->locks.tid,
    };
    c->locks.tid.next = &c->locks.head.list;
    __atomic_store_n(tid, (uint32_t)own | FUTEX_WAITERS, __ATOMIC_RELEASE);
    return CALL(c, set_robust_list, &c->locks.head, sizeof c->locks.head);
}

static union any_step *remaining(const struct child *c, enum op op)
{
    union any_step *steps = in_arena(c, c->arena->steps);
    for (uint32_t i = c->next; i < c->arena->count; i++)
        if (steps[i].step.op == op)
            return &steps[i];
    return NULL;
}

bool step_is_prepared(const struct child *c)
{
    return remaining(c, OP_ready) != NULL;
}

/* The tid is freed for one sleeper, who may be the host: hence the second look.
 */
void step_sleep_beside(struct child *c)
{
    uint32_t *tid = &c->control->tid, seen;
    while (((seen = __atomic_load_n(tid, __ATOMIC_ACQUIRE)) & FUTEX_TID_MASK) !=
           0) {
        struct __kernel_timespec while_ = {0, 100000000};
        raw_syscall(SYS_futex, (long)tid, FUTEX_WAIT, seen, (long)&while_, 0,
                    0);
    }
}

static void keep(struct child *c, int32_t fd)
{
    int32_t *kept = in_arena(c, c->arena->kept);
    uint32_t i = c->arena->kept_count++;
    for (; i > 0 && kept[i - 1] > fd; i--)
        kept[i] = kept[i - 1];
    kept[i] = fd;
}

/* The wait may be long: what the set-up has opened is let go of now. */
static long let_go(struct child *c)
{
    const union any_step *landlock = remaining(c, OP_landlock);
    c->arena->kept_count = 0;
    for (int fd = 0; fd <= 2; fd++)
        keep(c, fd);
    keep(c, c->arena->hand);
    keep(c, c->arena->host);
    if (landlock != NULL)
        keep(c, *slot(c, landlock->landlock.slot));
    return step_close_others(c);
}

/* ---- the message ------------------------------------------------------- */

/* Until there is a message, or the host is dead. */
static long await_message(struct child *c)
{
    struct pollfd fds[] = {{c->arena->hand, POLLIN, 0},
                           {c->arena->host, POLLIN, 0}};
    long count;
    do
        count = CALL(c, ppoll, fds, 2, NULL, NULL, 0);
    while (count == -EINTR);
    return count < 0 ? count : fds[1].revents != 0 ? -ESRCH : 0;
}

struct rights {
    uint32_t count;
    int32_t fd[LATE_FDS];
};

/* Its size; where the host has let go there is none. */
static long receive(struct child *c, struct rights *ret)
{
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(sizeof ret->fd)];
    } control;
    struct iovec data = {in_arena(c, c->arena->late), LATE_SIZE};
    struct msghdr message = {.msg_iov = &data,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof control};
    long size = CALL(c, recvmsg, c->arena->hand, &message, MSG_CMSG_CLOEXEC);
    if (size <= 0)
        return size < 0 ? size : -ESRCH;
    if ((message.msg_flags & MSG_TRUNC) != 0)
        return -EMSGSIZE;
    if ((message.msg_flags & MSG_CTRUNC) != 0)
        return -EMFILE;
    ret->count = 0;
    if (message.msg_controllen < sizeof control.head)
        return size;
    size_t length = control.head.cmsg_len - CMSG_LEN(0);
    memcpy(ret->fd, CMSG_DATA(&control.head), length);
    ret->count = (uint32_t)(length / sizeof *ret->fd);
    return size;
}

/* ---- what is in it ----------------------------------------------------- */

static bool is_inside(const struct arena *late, at offset, size_t size)
{
    return offset % 8 == 0 && offset >= sizeof *late && offset <= late->size &&
           size <= late->size - offset;
}

/* Its last byte is 0: what begins inside as a string ends inside. */
static bool is_whole(const struct arena *late, size_t size)
{
    if (size < sizeof *late || late->size != size ||
        ((const char *)late)[size - 1] != '\0' || late->count != LATE_STEPS ||
        !is_inside(late, late->steps, LATE_STEPS * sizeof(union any_step)))
        return false;
    const union any_step *s = (const void *)((const char *)late + late->steps);
    return s[LATE_DESCRIPTORS].step.op == OP_descriptors &&
           s[LATE_EXEC].step.op == OP_exec;
}

/* The offset of a list as the arena has it before it; 0: it is none. */
static at take_list(struct arena *late, at base, at offset)
{
    struct list *list = (void *)((char *)late + offset);
    if (!is_inside(late, offset, sizeof *list) || list->ready ||
        !is_inside(late, offset,
                   sizeof *list +
                       ((size_t)list->count + 1) * sizeof *list->items) ||
        list->items[list->count] != 0)
        return 0;
    for (uint32_t i = 0; i < list->count; i++) {
        if (list->items[i] >= late->size)
            return 0;
        list->items[i] += base;
    }
    return base + offset;
}

/* Each comes from one that was sent, or is /dev/null as it is here. */
static at take_descriptors(struct arena *late, at base, at offset,
                           const struct rights *rights)
{
    struct descriptors *fds = (void *)((char *)late + offset);
    if (!is_inside(late, offset, sizeof *fds) ||
        !is_inside(late, offset,
                   sizeof *fds + (size_t)fds->count * sizeof *fds->fd))
        return 0;
    for (uint32_t i = 0; i < fds->count; i++) {
        struct descriptor *d = &fds->fd[i];
        bool null = d->from < 0 && 0 <= d->to && d->to <= 2;
        if (d->to < 0 || (!null && (uint32_t)d->from >= rights->count))
            return 0;
        d->from = null ? d->to : rights->fd[d->from];
    }
    return base + offset;
}

/* The steps that remain get what has come as their operands. */
static long take(struct child *c, size_t size, const struct rights *rights)
{
    at base = c->arena->late;
    struct arena *late = in_arena(c, base);
    union any_step *fds = remaining(c, OP_descriptors);
    union any_step *exec = remaining(c, OP_exec);
    if (!is_whole(late, size) || fds == NULL || exec == NULL)
        return -EBADMSG;
    const union any_step *given =
        (const void *)((const char *)late + late->steps);
    const struct step_exec *program = &given[LATE_EXEC].exec;
    fds->descriptors.fds = take_descriptors(
        late, base, given[LATE_DESCRIPTORS].descriptors.fds, rights);
    exec->exec.paths = take_list(late, base, program->paths);
    exec->exec.argv = take_list(late, base, program->argv);
    exec->exec.env = take_list(late, base, program->env);
    bool all = fds->descriptors.fds != 0 && exec->exec.paths != 0 &&
               exec->exec.argv != 0 && exec->exec.env != 0;
    return all ? 0 : -EBADMSG;
}

long userns_do_ready(struct child *c, const struct step_ready *s)
{
    struct rights rights;
    (void)s;
    long error = let_go(c);
    if (error == 0)
        error = lock_tid(c);
    if (error != 0)
        return error;
    step_announce(c);
    error = await_message(c);
    long size = error == 0 ? receive(c, &rights) : error;
    shut(c->arena->hand);
    return size < 0 ? size : take(c, (size_t)size, &rights);
}
