/*
 * Rules about system calls, and the filter that libseccomp compiles them to.
 * Without libseccomp there is none of this.  No Lua here.
 */
#ifndef USERNS_BPF_H
#define USERNS_BPF_H

#include <linux/filter.h>
#include <seccomp.h>
#include <stddef.h>
#include <stdint.h>

#define ARGUMENTS     6
#define ARCHITECTURES 8

/* One system call of a rule; the name is a string of the caller's table. */
struct rule {
    const char *name;
    int call;
    uint32_t action;
    unsigned count;
    struct scmp_arg_cmp args[ARGUMENTS];
};

struct rules {
    struct rule *list;
    size_t count;
    uint32_t otherwise;
    uint32_t architectures[ARCHITECTURES];
    size_t architecture_count;
};

struct program {
    size_t count;
    struct sock_filter code[BPF_MAXINSNS];
};

/* 0 or -errno.  What belongs to no architecture listed is the end of the
   process. */
int userns_compile_rules(struct program *p, const struct rules *rules);

#endif
