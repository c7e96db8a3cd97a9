/* The eight kinds of namespace, once. */
#ifndef USERNS_NSTYPE_H
#define USERNS_NSTYPE_H

#include <stdint.h>

struct nstype {
    const char *name; /* the kernel's word, as in /proc/PID/ns */
    const char *file; /* below /proc/PID: "ns/user" */
    uint64_t flag;    /* CLONE_NEW* */
};

/* Ends with a row whose name is NULL. */
extern const struct nstype userns_nstypes[];

const struct nstype *userns_nstype_by_name(const char *name);
const struct nstype *userns_nstype_by_flag(uint64_t flag);

#endif
