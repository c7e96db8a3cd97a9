/*
 * Filters of system calls, compiled by libseccomp.
 *
 * What libseccomp does with several rules for one system call depends on their
 * order and their conditions; here the first rule that matches has the say.  So
 * the rules of each architecture are cut into layers which have one rule for a
 * system call at most, each layer is compiled by itself, and the layers are put
 * behind each other: what a layer has no answer for falls through to the next.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bpf.h"
#include "signals.h"

/* Answers that no rule can give: on to what comes next. */
#define NEXT_LAYER        SCMP_ACT_TRACE(1)
#define NEXT_ARCHITECTURE SCMP_ACT_TRACE(2)

/* ---- architectures ------------------------------------------------------- */

/* Several system calls behind one number, with arguments that a filter cannot
   see: 32-bit x86 has sockets (-101 to -120) and System V IPC (-201 to -224)
   so, and libseccomp these numbers for it. */
static bool is_multiplexed(int call)
{
    return (-120 <= call && call <= -101) || (-224 <= call && call <= -201);
}

static bool is_multiplexer(const struct rule *r)
{
    return strcmp(r->name, "socketcall") == 0 || strcmp(r->name, "ipc") == 0;
}

/* Whether an architecture has the system call at all. */
static bool has_call(uint32_t architecture, const struct rule *r)
{
    int call = seccomp_syscall_resolve_name_arch(architecture, r->name);
    return call >= 0 || (architecture == SCMP_ARCH_X86 && is_multiplexed(call));
}

/* ---- layers -------------------------------------------------------------- */

/* Could both match one system call? */
static bool overlap(const struct rule *a, const struct rule *b)
{
    return a->call == b->call || is_multiplexer(a) || is_multiplexer(b);
}

static size_t layer_end(const struct rules *rules, size_t start)
{
    size_t end = start;
    for (; end < rules->count; end++)
        for (size_t i = start; i < end; i++)
            if (overlap(&rules->list[i], &rules->list[end]))
                return end;
    return end;
}

/* Where the arguments cannot be seen libseccomp leaves the conditions out.
   Allowing would then be for all, and so is not done; denying is. */
static int add_unseen(scmp_filter_ctx filter, const struct rule *r)
{
    if (r->action == SCMP_ACT_ALLOW || r->action == SCMP_ACT_LOG)
        return 0;
    return seccomp_rule_add_array(filter, r->action, r->call, r->count,
                                  r->args);
}

static int add_rule(scmp_filter_ctx filter, uint32_t architecture,
                    const struct rule *r)
{
    if (!has_call(architecture, r))
        return 0;
    int error = seccomp_rule_add_exact_array(filter, r->action, r->call,
                                             r->count, r->args);
    if (error == -EINVAL && r->count > 0)
        error = add_unseen(filter, r);
    return error;
}

/* A filter for a single architecture. */
static int set_up(scmp_filter_ctx filter, uint32_t architecture)
{
    int error =
        seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, NEXT_ARCHITECTURE);
    if (error != 0 || architecture == seccomp_arch_native())
        return error;
    error = seccomp_arch_add(filter, architecture);
    return error != 0 ? error : seccomp_arch_remove(filter, SCMP_ARCH_NATIVE);
}

static scmp_filter_ctx new_layer(const struct rules *rules, size_t start,
                                 size_t end, uint32_t architecture,
                                 int *ret_error)
{
    scmp_filter_ctx filter = seccomp_init(NEXT_LAYER);
    *ret_error = filter == NULL ? -ENOMEM : set_up(filter, architecture);
    for (size_t i = start; i < end && *ret_error == 0; i++)
        *ret_error = add_rule(filter, architecture, &rules->list[i]);
    return filter;
}

/* ---- the program --------------------------------------------------------- */

static int add_code(struct program *p, struct sock_filter instruction)
{
    if (p->count == BPF_MAXINSNS)
        return -E2BIG;
    p->code[p->count++] = instruction;
    return 0;
}

static int add_answer(struct program *p, uint32_t action)
{
    return add_code(p, (struct sock_filter){BPF_RET | BPF_K, 0, 0, action});
}

/* An answer since some instruction becomes a jump to what comes next. */
static void resolve(struct program *p, size_t start, uint32_t action)
{
    for (size_t i = start; i < p->count; i++)
        if (p->code[i].code == (BPF_RET | BPF_K) && p->code[i].k == action)
            p->code[i] = (struct sock_filter){BPF_JMP | BPF_JA, 0, 0,
                                              (uint32_t)(p->count - i - 1)};
}

/* libseccomp writes to descriptors. */
static int read_code(struct program *p, int fd)
{
    off_t size = lseek(fd, 0, SEEK_END);
    size_t room = (BPF_MAXINSNS - p->count) * sizeof p->code[0];
    if (size < 0)
        return -errno;
    if ((size_t)size > room)
        return -E2BIG;
    ssize_t n = pread(fd, &p->code[p->count], (size_t)size, 0);
    if (n != size)
        return n < 0 ? -errno : -EIO;
    p->count += (size_t)n / sizeof p->code[0];
    return 0;
}

static int export_code(struct program *p, scmp_filter_ctx filter)
{
    int fd = memfd_create("userns seccomp", MFD_CLOEXEC);
    if (fd < 0)
        return -errno;
    bool held = userns_hold_xfsz();
    int error = seccomp_export_bpf(filter, fd);
    userns_drop_xfsz(held);
    if (error == -ECANCELED) /* what libseccomp calls errno */
        error = -errno;
    if (error == 0)
        error = read_code(p, fd);
    close(fd);
    return error;
}

/* Not left to libseccomp, which looks at the architecture only where it has a
   rule.  x32 has the architecture of x86-64, and a bit in its numbers; -1 is
   what a tracer has made of a call that is not to be done. */
static int add_prelude(struct program *p, uint32_t architecture)
{
    const struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, architecture, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, NEXT_ARCHITECTURE),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x40000000, 0, 2),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0xffffffff, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, NEXT_ARCHITECTURE),
    };
    size_t count = architecture == SCMP_ARCH_X86_64 ? 7 : 3;
    int error = 0;
    for (size_t i = 0; i < count && error == 0; i++)
        error = add_code(p, code[i]);
    return error;
}

static int add_layer(struct program *p, const struct rules *rules, size_t start,
                     size_t end, uint32_t architecture)
{
    int error;
    size_t first = p->count;
    scmp_filter_ctx filter = new_layer(rules, start, end, architecture, &error);
    if (error == 0)
        error = export_code(p, filter);
    if (filter != NULL)
        seccomp_release(filter);
    resolve(p, first, NEXT_LAYER);
    return error;
}

static int add_architecture(struct program *p, const struct rules *rules,
                            uint32_t architecture)
{
    size_t first = p->count;
    int error = add_prelude(p, architecture);
    for (size_t start = 0; start < rules->count && error == 0;) {
        size_t end = layer_end(rules, start);
        error = add_layer(p, rules, start, end, architecture);
        start = end;
    }
    if (error == 0)
        error = add_answer(p, rules->otherwise);
    resolve(p, first, NEXT_ARCHITECTURE);
    return error;
}

int userns_compile_rules(struct program *p, const struct rules *rules)
{
    int error = 0;
    p->count = 0;
    for (size_t i = 0; i < rules->architecture_count && error == 0; i++)
        error = add_architecture(p, rules, rules->architectures[i]);
    return error != 0 ? error : add_answer(p, SCMP_ACT_KILL_PROCESS);
}
