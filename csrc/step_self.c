/* Steps that set what the program is and may do, and the program itself. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <linux/capability.h>
#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/filter.h>
#include <linux/if.h>
#include <linux/openat2.h>
#include <linux/prctl.h>
#include <linux/seccomp.h>
#include <linux/sockios.h>
#include <string.h>

#include "step_ops.h"

/* ---- settings ---------------------------------------------------------- */

long step_write(struct child *c, long fd, const char *data, size_t size)
{
    while (size > 0) {
        long n = CALL(c, write, fd, data, size);
        if (n < 0)
            return n;
        data += n;
        size -= (size_t)n;
    }
    return 0;
}

long step_write_file(struct child *c, long dir, const char *path,
                     const char *value)
{
    long fd = CALL(c, openat, dir, path, O_WRONLY | O_CLOEXEC, 0);
    if (fd < 0)
        return fd;
    long error = step_write(c, fd, value, strlen(value));
    shut(fd);
    return error;
}

long userns_do_sysctl(struct child *c, const struct step_sysctl *s)
{
    long dir = s->slot < 0 ? AT_FDCWD : *slot(c, s->slot);
    return step_write_file(c, dir, text(c, s->path), text(c, s->value));
}

long userns_do_rlimit(struct child *c, const struct step_rlimit *s)
{
    struct limit limit = {(uint64_t)s->soft, (uint64_t)s->hard};
    return CALL(c, prlimit64, 0, s->resource, &limit, NULL);
}

/* The kernel gives lo its addresses when it comes up. */
long userns_do_loopback(struct child *c, const struct step_loopback *s)
{
    struct ifreq lo = {.ifr_name = "lo", .ifr_flags = IFF_UP};
    (void)s;
    long fd = CALL(c, socket, 1 /* AF_UNIX */, 2 | O_CLOEXEC /* SOCK_DGRAM */);
    if (fd < 0)
        return fd;
    long error = CALL(c, ioctl, fd, SIOCSIFFLAGS, &lo);
    shut(fd);
    return error;
}

long userns_do_hostname(struct child *c, const struct step_hostname *s)
{
    const char *name = text(c, s->name);
    return CALL(c, sethostname, name, strlen(name));
}

long userns_do_domainname(struct child *c, const struct step_domainname *s)
{
    const char *name = text(c, s->name);
    return CALL(c, setdomainname, name, strlen(name));
}

/* A cgroup namespace shows as its root what the process is in now. */
long userns_do_unshare(struct child *c, const struct step_unshare *s)
{
    return CALL(c, unshare, s->namespaces);
}

long userns_do_umask(struct child *c, const struct step_umask *s)
{
    CALL(c, umask, s->mask);
    return 0;
}

/* ---- identity ---------------------------------------------------------- */

static const char passwd[] = "/etc/passwd";
static const char group[] = "/etc/group";

long userns_do_setgid(struct child *c, const struct step_setgid *s)
{
    uint32_t gid = (uint32_t)s->gid;
    long error = 0;
    if (s->group != 0)
        error = step_find_id(c, group, text(c, s->group), GROUP_GID, &gid);
    else if (s->user != 0)
        error = step_find_id(c, passwd, text(c, s->user), PASSWD_GID, &gid);
    return error != 0 ? error : CALL(c, setresgid, gid, gid, gid);
}

#define GROUPS_MAX 1024 /* where some have names */

/* Others than the group id itself. */
static bool has_groups(void)
{
    uint32_t all[GROUPS_MAX];
    long gid = raw_syscall(SYS_getgid, 0, 0, 0, 0, 0, 0);
    long count = raw_syscall(SYS_getgroups, GROUPS_MAX, (long)all, 0, 0, 0, 0);
    for (long i = 0; i < count; i++)
        if (all[i] != (uint32_t)gid)
            return true;
    return count < 0;
}

/* A user namespace that is joined may deny setgroups(2), which nobody minds who
   has none. */
static long drop_groups(struct child *c, const struct step_groups *s)
{
    long error = CALL(c, setgroups, 0, NULL);
    if (error != -EPERM || !s->optional)
        return error;
    if (!has_groups())
        return 0;
    if (s->required)
        return error;
    step_excuse(c, error);
    return 0;
}

static long find_groups(struct child *c, char **names, uint32_t *ret_ids,
                        uint32_t room)
{
    long error = 0;
    for (uint32_t i = 0; names[i] != NULL && error == 0; i++) {
        c->item = i + 1;
        error = i == room
                    ? -EINVAL
                    : step_find_id(c, group, names[i], GROUP_GID, &ret_ids[i]);
    }
    return error;
}

long userns_do_groups(struct child *c, const struct step_groups *s)
{
    uint32_t all[GROUPS_MAX];
    const struct ids *ids = in_arena(c, s->groups);
    const struct list *names = in_arena(c, s->names);
    if (names->count == 0 && ids->count == 0)
        return drop_groups(c, s);
    if (names->count == 0)
        return CALL(c, setgroups, ids->count, ids->id);
    uint32_t count = 0;
    for (; count < ids->count && count < GROUPS_MAX; count++)
        all[count] = ids->id[count];
    long error = find_groups(c, step_strings(c, s->names), all + count,
                             GROUPS_MAX - count);
    if (error != 0)
        return error;
    c->item = 0;
    return CALL(c, setgroups, count + names->count, all);
}

long userns_do_setuid(struct child *c, const struct step_setuid *s)
{
    uint32_t uid = (uint32_t)s->uid;
    long error = 0;
    if (s->user != 0)
        error = step_find_id(c, passwd, text(c, s->user), PASSWD_UID, &uid);
    if (error == 0 && s->keep_caps)
        error = CALL(c, prctl, PR_SET_KEEPCAPS, 1);
    return error != 0 ? error : CALL(c, setresuid, uid, uid, uid);
}

long userns_do_bounding(struct child *c, const struct step_bounding *s)
{
    for (int cap = 0; cap < 64; cap++) {
        if ((s->keep >> cap & 1) != 0)
            continue;
        long error = CALL(c, prctl, PR_CAPBSET_DROP, cap);
        if (error == -EINVAL)
            break; /* the kernel knows no more of them */
        if (error != 0)
            return error;
    }
    return 0;
}

static long set_ambient(struct child *c, uint64_t caps)
{
    long error = CALL(c, prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0);
    for (int cap = 0; cap < 64 && error == 0; cap++)
        if ((caps >> cap & 1) != 0)
            error =
                CALL(c, prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0);
    return error;
}

static long set_caps(struct child *c, uint64_t effective, uint64_t permitted,
                     uint64_t inheritable)
{
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct sets[2];
    for (int half = 0; half < 2; half++)
        sets[half] = (struct __user_cap_data_struct){
            (uint32_t)(effective >> 32 * half),
            (uint32_t)(permitted >> 32 * half),
            (uint32_t)(inheritable >> 32 * half)};
    return CALL(c, capset, &header, sets);
}

/* Secure bits come after the ambient set, which one of them locks, and take a
   capability that the program may not be to have. */
long userns_do_capabilities(struct child *c, const struct step_capabilities *s)
{
    uint64_t needed = s->securebits == 0 ? 0 : UINT64_C(1) << CAP_SETPCAP;
    long error = set_caps(c, s->effective | needed, s->permitted | needed,
                          s->inheritable);
    if (error == 0)
        error = set_ambient(c, s->ambient);
    if (error != 0 || s->securebits == 0)
        return error;
    error = CALL(c, prctl, PR_SET_SECUREBITS, s->securebits);
    return error != 0 ? error
                      : set_caps(c, s->effective, s->permitted, s->inheritable);
}

long userns_do_no_new_privs(struct child *c, const struct step_no_new_privs *s)
{
    (void)s;
    return CALL(c, prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

/* The filter holds from here on: what comes after may be denied. */
long userns_do_seccomp(struct child *c, const struct step_seccomp *s)
{
    struct bytes *filter = in_arena(c, s->filter);
    struct sock_fprog program = {
        (unsigned short)(filter->length / sizeof(struct sock_filter)),
        (struct sock_filter *)(void *)filter->data};
    return CALL(c, seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
}

/* ---- the program ------------------------------------------------------- */

/* A directory that a magic link leads to, or that a descriptor kept open, can
   be outside (CVE-2024-21626). */
long userns_do_chdir(struct child *c, const struct step_chdir *s)
{
    const char *path = text(c, s->path);
    if (path[0] == '/' && path[1] == '\0')
        return CALL(c, chdir, path); /* the root itself */
    struct open_how how = {
        .flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
        .resolve = RESOLVE_NO_MAGICLINKS,
    };
    long fd = CALL(c, openat2, AT_FDCWD, path, &how, sizeof how);
    long error = fd < 0 ? fd : CALL(c, fchdir, fd);
    if (error < 0)
        step_find_place(c, AT_FDCWD, path);
    shut(fd);
    if (error == 0)
        error = step_is_inside(c);
    return error < 0 ? error : error > 0 ? 0 : -ENOENT;
}

/* A directory that may not be searched tells nothing of what is in it. */
static bool is_hidden(const char *path)
{
    struct statx st;
    return raw_syscall(SYS_statx, AT_FDCWD, (long)path, 0, STATX_TYPE,
                       (long)&st, 0) == -EACCES;
}

/* The candidates are the program's name in each directory of PATH; one that
   exists but may not be executed is a better answer than one that does not. */
long step_try_paths(struct child *c, const struct command *p, step_attempt *try)
{
    long refusal = -ENOENT;
    uint32_t item = 0;       /* none */
    c->syscall = SYS_execve; /* even where there is nothing to try */
    for (uint32_t i = 0; p->paths[i] != NULL; i++) {
        long error = try(c, p->paths[i], p);
        if (error == 0)
            return 0;
        if (error == -EACCES && p->paths[1] != NULL && is_hidden(p->paths[i]))
            continue;
        if (error == -ENOENT || error == -ENOTDIR ||
            (error == -EACCES && refusal == -EACCES))
            continue;
        refusal = error;
        item = i + 1;
        if (error != -EACCES)
            break;
    }
    c->item = item;
    /* first the report: the filter may end who looks */
    userns_report(c, c->control->step, refusal);
    step_find_candidate(c, p->paths);
    return refusal;
}

static long execute(struct child *c, const char *path, const struct command *p)
{
    return CALL(c, execve, path, p->argv, p->env);
}

long userns_do_exec(struct child *c, const struct step_exec *s)
{
    const struct command command = {step_strings(c, s->paths),
                                    step_strings(c, s->argv),
                                    step_strings(c, s->env)};
    c->control->state = EXECUTING;
    long refusal = step_try_paths(c, &command, execute);
    c->control->state = SETTING_UP;
    return refusal;
}
