/* Steps that set how the kernel treats the program: the scheduler, the memory
   killer, the clocks, the execution domain. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/sched.h>
#include <stdbool.h>
#include <string.h>

#include "step_ops.h"

long userns_do_personality(struct child *c, const struct step_personality *s)
{
    long before = CALL(c, personality, s->persona);
    return before < 0 ? before : 0;
}

long userns_do_nice(struct child *c, const struct step_nice *s)
{
    return CALL(c, setpriority, 0 /* PRIO_PROCESS */, 0, s->value);
}

/* ---- affinity ---------------------------------------------------------- */

#define CPUS_MAX  8192 /* as many as any kernel is built for */
#define WORD_BITS 64

struct cpus {
    uint64_t word[CPUS_MAX / WORD_BITS];
};

static bool add_cpu(struct cpus *cpus, uint32_t cpu)
{
    if (cpu >= CPUS_MAX)
        return false;
    cpus->word[cpu / WORD_BITS] |= (uint64_t)1 << cpu % WORD_BITS;
    return true;
}

static bool has_cpu(const struct cpus *cpus, uint32_t cpu)
{
    return (cpus->word[cpu / WORD_BITS] >> cpu % WORD_BITS & 1) != 0;
}

/* The kernel passes over those that are offline or not in the cpuset, as long
   as one is left. */
long userns_do_affinity(struct child *c, const struct step_affinity *s)
{
    const struct ids *list = in_arena(c, s->cpus);
    struct cpus wanted = {{0}}, given = {{0}};
    for (uint32_t i = 0; i < list->count; i++)
        if (!add_cpu(&wanted, list->id[i]))
            return -EINVAL;
    long n = CALL(c, sched_setaffinity, 0, sizeof wanted, &wanted);
    if (n == 0)
        n = CALL(c, sched_getaffinity, 0, sizeof given, &given);
    for (uint32_t i = 0; i < list->count && n >= 0; i++)
        if (!has_cpu(&given, list->id[i]))
            n = -EINVAL;
    return n < 0 ? n : 0;
}

/* ---- what /proc/self has ----------------------------------------------- */

/* The kernel gives the same to every process that shares the memory: never done
   in the host's. */
long userns_do_oom_score(struct child *c, const struct step_oom_score *s)
{
    return step_write_file(c, AT_FDCWD, "/proc/self/oom_score_adj",
                           text(c, s->value));
}

/* A new time namespace is for children; who sets its clocks may enter it with
   setns(2) where it shares its memory with nobody, on every kernel, while
   execve(2) enters it on newer ones only. */
static long enter_time(struct child *c)
{
    long fd = CALL(c, openat, AT_FDCWD, "/proc/self/ns/time_for_children",
                   O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0)
        return fd;
    long error = CALL(c, setns, fd, CLONE_NEWTIME);
    shut(fd);
    return error;
}

/* The offsets hold for good once somebody has entered, and the kernel takes
   them in one write only. */
long userns_do_time(struct child *c, const struct step_time *s)
{
    long error = CALL(c, unshare, CLONE_NEWTIME);
    if (error == 0 && s->offsets != 0)
        error = step_write_file(c, AT_FDCWD, "/proc/self/timens_offsets",
                                text(c, s->offsets));
    return error != 0 ? error : enter_time(c);
}
