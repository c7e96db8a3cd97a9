#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <linux/sched.h>
#include <stddef.h>
#include <string.h>

#include "nstype.h"

/* The mount namespace came first, as the only one there would ever be: hence
   CLONE_NEWNS.  The order is that of namespaces(7) read by privilege: who owns
   the others comes first. */
const struct nstype userns_nstypes[] = {
    {"user", "ns/user", CLONE_NEWUSER},
    {"mnt", "ns/mnt", CLONE_NEWNS},
    {"pid", "ns/pid", CLONE_NEWPID},
    {"net", "ns/net", CLONE_NEWNET},
    {"ipc", "ns/ipc", CLONE_NEWIPC},
    {"uts", "ns/uts", CLONE_NEWUTS},
    {"cgroup", "ns/cgroup", CLONE_NEWCGROUP},
    {"time", "ns/time", CLONE_NEWTIME},
    {NULL, NULL, 0},
};

const struct nstype *userns_nstype_by_name(const char *name)
{
    for (const struct nstype *t = userns_nstypes; t->name != NULL; t++)
        if (strcmp(t->name, name) == 0)
            return t;
    return NULL;
}

const struct nstype *userns_nstype_by_flag(uint64_t flag)
{
    for (const struct nstype *t = userns_nstypes; t->name != NULL; t++)
        if (t->flag == flag)
            return t;
    return NULL;
}
