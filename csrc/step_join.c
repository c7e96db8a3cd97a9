/* The step that enters namespaces of others, before there is a child. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <linux/errno.h>
#include <linux/sched.h>

#include "step_ops.h"

#define KINDS 8

/* As the operands have them: in this order, those that are to be joined. */
static const uint64_t kinds[KINDS] = {
    CLONE_NEWUSER, CLONE_NEWNS,  CLONE_NEWPID,    CLONE_NEWNET,
    CLONE_NEWIPC,  CLONE_NEWUTS, CLONE_NEWCGROUP, CLONE_NEWTIME,
};

struct joining {
    int fd[KINDS]; /* -1: not to be joined, or joined already */
};

static struct joining collect(struct child *c, const struct step_join *s)
{
    const struct ids *slots = in_arena(c, s->slots);
    struct joining joining;
    uint32_t used = 0;
    for (int kind = 0; kind < KINDS; kind++) {
        bool wanted = (s->namespaces & kinds[kind]) != 0;
        wanted = wanted && used < slots->count;
        joining.fd[kind] = wanted ? *slot(c, slots->id[used++]) : -1;
    }
    return joining;
}

static long enter(struct child *c, struct joining *joining, int kind)
{
    int fd = joining->fd[kind];
    if (fd < 0)
        return 0;
    long error = CALL(c, setns, fd, kinds[kind]);
    if (error == 0)
        joining->fd[kind] = -1;
    return error;
}

/* What belongs to the caller's user namespace takes the privileges there, which
   end with entering another; what belongs to that one takes those in it. */
long userns_do_join(struct child *c, const struct step_join *s)
{
    struct joining joining = collect(c, s);
    bool changes_user = joining.fd[0] >= 0;
    for (int kind = 1; changes_user && kind < KINDS; kind++)
        (void)enter(c, &joining, kind);
    long error = 0;
    for (int kind = 0; kind < KINDS && error == 0; kind++) {
        c->item = (uint32_t)kind + 1;
        error = enter(c, &joining, kind);
    }
    return error;
}
