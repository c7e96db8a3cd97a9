/*
 * What a child does between clone and execve.
 *
 * It may share the host's memory (CLONE_VM), and the host may have threads, any
 * of which may hold any lock of libc's at the moment of the clone.  Hence: raw
 * system calls only, no allocation, no lock, no errno, no Lua; the build checks
 * the undefined symbols of this file against step.allow.  See signal-safety(7)
 * and, for why not even setresuid(3), nptl(7): libc's would signal threads that
 * do not exist here.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <asm/poll.h>
#include <asm/resource.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/futex.h>
#include <linux/if.h>
#include <linux/keyctl.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <linux/prctl.h>
#include <linux/sockios.h>
#include <linux/time_types.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>

#include "raw.h"
#include "step.h"

/* Makes a system call and notes which, for the report. */
#define CALL(c, name, ...) CALL6(c, SYS_##name, __VA_ARGS__, 0, 0, 0, 0, 0)
#define CALL6(c, nr, a1, a2, a3, a4, a5, a6, ...)                              \
    ((c)->syscall = (nr),                                                      \
     raw_syscall((nr), (long)(a1), (long)(a2), (long)(a3), (long)(a4),         \
                 (long)(a5), (long)(a6)))

#define MNT_DETACH 2

/* The kernel's struct rlimit64, whose header does not go with libc's. */
struct limit {
    uint64_t soft;
    uint64_t hard;
};

static void shut(long fd)
{
    if (fd >= 0)
        raw_syscall(SYS_close, fd, 0, 0, 0, 0, 0);
}

static void *in_arena(const struct child *c, at offset)
{
    return offset == 0 ? NULL : (char *)c->arena + offset;
}

static char *text(const struct child *c, at offset)
{
    return in_arena(c, offset);
}

/* The strings of a list, ended by NULL. */
static char **strings(const struct child *c, at offset)
{
    struct list *list = in_arena(c, offset);
    if (!list->ready)
        for (uint32_t i = 0; i < list->count; i++)
            list->items[i] += (uintptr_t)c->arena;
    list->ready = 1;
    return (char **)(void *)list->items;
}

static int32_t *slot(const struct child *c, int64_t number)
{
    return (int32_t *)in_arena(c, c->arena->slots) + number;
}

/* A refusal that weakens or lacks something without ending the set-up: the
   parent lists it in the result, or ends what is strict. */
static void excuse(struct child *c, long error)
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
static long close_gap(struct child *c, unsigned first, unsigned last)
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

static long close_others(struct child *c)
{
    const int32_t *kept = in_arena(c, c->arena->kept);
    unsigned next = 0;
    long error = 0;
    for (uint32_t i = 0; i < c->arena->kept_count && error == 0; i++) {
        if (kept[i] > 0)
            error = close_gap(c, next, (unsigned)kept[i] - 1);
        next = (unsigned)kept[i] + 1;
    }
    return error != 0 ? error : close_gap(c, next, ~0U);
}

/* A host may have closed its standard streams; the next descriptors that the
   set-up opens must not become the program's. */
static long fill_stdio(struct child *c)
{
    for (int fd = 0; fd <= 2; fd++) {
        if (CALL(c, fcntl, fd, F_GETFD) == -EBADF) {
            long null = CALL(c, openat, AT_FDCWD, "/dev/null", O_RDWR);
            if (null < 0)
                return null;
        }
    }
    return 0;
}

static long set_cloexec(struct child *c, int flags)
{
    const int32_t *kept = in_arena(c, c->arena->kept);
    for (uint32_t i = 0; i < c->arena->kept_count; i++) {
        long error = CALL(c, fcntl, kept[i], F_SETFD, flags);
        /* 0 to 2 are listed even where the host has closed them. */
        if (error < 0 && kept[i] > 2)
            return error;
    }
    return 0;
}

static long do_close_fds(struct child *c, const struct step_close_fds *s)
{
    (void)s;
    long error = close_others(c);
    if (error == 0)
        error = fill_stdio(c);
    return error != 0 ? error : set_cloexec(c, FD_CLOEXEC);
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
static long do_descriptors(struct child *c, const struct step_descriptors *s)
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

/* The signal is sent when the thread that cloned ends, from now on; what ended
   before now is seen on the pidfd. */
static long do_pdeathsig(struct child *c, const struct step_pdeathsig *s)
{
    long error = CALL(c, prctl, PR_SET_PDEATHSIG, s->signal);
    if (error == 0 && host_is_gone(c))
        error = -ESRCH;
    return error;
}

static long do_await(struct child *c, const struct step_await *s)
{
    uint32_t *released = &c->control->released;
    (void)s;
    while (__atomic_load_n(released, __ATOMIC_ACQUIRE) == 0) {
        struct __kernel_timespec while_ = {0, 100000000};
        CALL(c, futex, released, FUTEX_WAIT, 0, &while_);
        if (host_is_gone(c))
            return -ESRCH;
    }
    return 0;
}

static long do_undumpable(struct child *c, const struct step_undumpable *s)
{
    (void)s;
    return CALL(c, prctl, PR_SET_DUMPABLE, 0);
}

static long do_setsid(struct child *c, const struct step_setsid *s)
{
    (void)s;
    long session = CALL(c, setsid, 0);
    return session < 0 ? session : 0;
}

/* Keys are a convenience that some kernels, quotas and filters refuse. */
static long do_keyring(struct child *c, const struct step_keyring *s)
{
    long serial = CALL(c, keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL);
    if (serial >= 0)
        return 0;
    if (s->required)
        return serial;
    excuse(c, serial);
    return 0;
}

static long do_signals(struct child *c, const struct step_signals *s)
{
    static const uint64_t zero[4]; /* the kernel's struct sigaction: SIG_DFL */
    (void)s;
    for (int signum = 1; signum <= 64; signum++)
        raw_syscall(SYS_rt_sigaction, signum, (long)zero, 0, 8, 0, 0);
    return CALL(c, rt_sigprocmask, 2 /* SIG_SETMASK */, zero, NULL, 8);
}

/* ---- settings ---------------------------------------------------------- */

static long write_all(struct child *c, long fd, const char *data, size_t size)
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

static long do_sysctl(struct child *c, const struct step_sysctl *s)
{
    const char *value = text(c, s->value);
    long fd =
        CALL(c, openat, AT_FDCWD, text(c, s->path), O_WRONLY | O_CLOEXEC, 0);
    if (fd < 0)
        return fd;
    long error = write_all(c, fd, value, strlen(value));
    shut(fd);
    return error;
}

static long do_rlimit(struct child *c, const struct step_rlimit *s)
{
    struct limit limit = {(uint64_t)s->soft, (uint64_t)s->hard};
    return CALL(c, prlimit64, 0, s->resource, &limit, NULL);
}

/* The kernel gives lo its addresses when it comes up. */
static long do_loopback(struct child *c, const struct step_loopback *s)
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

static long do_hostname(struct child *c, const struct step_hostname *s)
{
    const char *name = text(c, s->name);
    return CALL(c, sethostname, name, strlen(name));
}

static long do_domainname(struct child *c, const struct step_domainname *s)
{
    const char *name = text(c, s->name);
    return CALL(c, setdomainname, name, strlen(name));
}

static long do_umask(struct child *c, const struct step_umask *s)
{
    CALL(c, umask, s->mask);
    return 0;
}

/* ---- identity ---------------------------------------------------------- */

static long do_setgid(struct child *c, const struct step_setgid *s)
{
    return CALL(c, setresgid, s->gid, s->gid, s->gid);
}

static long do_groups(struct child *c, const struct step_groups *s)
{
    const struct ids *ids = in_arena(c, s->groups);
    return CALL(c, setgroups, ids->count, ids->id);
}

static long do_setuid(struct child *c, const struct step_setuid *s)
{
    long error = 0;
    if (s->keep_caps)
        error = CALL(c, prctl, PR_SET_KEEPCAPS, 1);
    return error != 0 ? error : CALL(c, setresuid, s->uid, s->uid, s->uid);
}

static long do_bounding(struct child *c, const struct step_bounding *s)
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

static long do_capabilities(struct child *c, const struct step_capabilities *s)
{
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct sets[2];
    for (int half = 0; half < 2; half++)
        sets[half] = (struct __user_cap_data_struct){
            (uint32_t)(s->effective >> 32 * half),
            (uint32_t)(s->permitted >> 32 * half),
            (uint32_t)(s->inheritable >> 32 * half)};
    long error = CALL(c, capset, &header, sets);
    return error != 0 ? error : set_ambient(c, s->ambient);
}

static long do_no_new_privs(struct child *c, const struct step_no_new_privs *s)
{
    (void)s;
    return CALL(c, prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

/* ---- paths inside the root --------------------------------------------- */

static long stat_fd(struct child *c, long fd, struct statx *st)
{
    return CALL(c, statx, fd, "", AT_EMPTY_PATH, STATX_TYPE | STATX_INO, st);
}

static uint64_t device(uint32_t major, uint32_t minor)
{
    return (uint64_t)major << 32 | minor;
}

/* A file system that this set-up has mounted itself belongs to the container:
   what is made there leaves no trace outside. */
static long own(struct child *c, long fd)
{
    struct statx st;
    uint64_t *owned = in_arena(c, c->arena->owned);
    long error = stat_fd(c, fd, &st);
    if (error == 0)
        owned[c->arena->owned_count++] =
            device(st.stx_dev_major, st.stx_dev_minor);
    return error;
}

/* What is reported of a place that must not be made is the call that missed it,
   not this look. */
static bool is_owned(struct child *c, long fd)
{
    struct statx st;
    const uint64_t *owned = in_arena(c, c->arena->owned);
    uint32_t noted = c->syscall;
    long error = stat_fd(c, fd, &st);
    c->syscall = noted;
    if (error != 0)
        return false;
    for (uint32_t i = 0; i < c->arena->owned_count; i++)
        if (owned[i] == device(st.stx_dev_major, st.stx_dev_minor))
            return true;
    return false;
}

/* No path of the container's is looked up in any other way: symlinks lead
   nowhere but inside, and what was found is acted on by its descriptor. */
static long resolve(struct child *c, const char *path, uint64_t flags)
{
    struct open_how how = {
        .flags = flags | O_CLOEXEC,
        .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
    };
    long fd = -EAGAIN;
    /* EAGAIN: somebody renames on the way while ".." is being resolved. */
    for (int tries = 0; fd == -EAGAIN && tries < 1000; tries++)
        fd = CALL(c, openat2, c->root, path, &how, sizeof how);
    return fd;
}

/* Cuts the last name off a path that starts with a slash; the slash is returned
   for the caller to mend. */
static char *cut_name(char *path)
{
    char *slash = path + strlen(path);
    while (*slash != '/')
        slash--;
    *slash = '\0';
    return slash;
}

static long make_in(struct child *c, long parent, const char *name,
                    unsigned mode)
{
    long error;
    if (!is_owned(c, parent))
        return -ENOENT;
    if ((mode & S_IFMT) == S_IFDIR)
        error = CALL(c, mkdirat, parent, name, mode & 07777U);
    else
        error = CALL(c, mknodat, parent, name, mode, 0);
    if (error != 0)
        return error;
    return CALL(c, openat, parent, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
}

static long make_last(struct child *c, char *path, unsigned mode)
{
    char *slash = cut_name(path);
    long parent = resolve(c, slash == path ? "/" : path, O_PATH | O_DIRECTORY);
    long fd = parent < 0 ? parent : make_in(c, parent, slash + 1, mode);
    *slash = '/';
    shut(parent);
    return fd;
}

/* Opens the path as far as end, whose last name is made if it is missing. */
static long make_up_to(struct child *c, char *path, char *end, unsigned mode)
{
    char cut = *end;
    *end = '\0';
    long fd = resolve(c, path, O_PATH);
    if (fd == -ENOENT)
        fd = make_last(c, path, cut == '\0' ? mode : S_IFDIR | 0755U);
    *end = cut;
    return fd;
}

static char *next_end(char *p)
{
    do
        p++;
    while (*p != '/' && *p != '\0');
    return p;
}

/* Opens a path inside the root (O_PATH); what is missing of it is made where
   the tree is the container's own, directories on the way with mode 0755. */
static long make(struct child *c, char *path, unsigned mode)
{
    long fd = resolve(c, path, O_PATH | (S_ISDIR(mode) ? O_DIRECTORY : 0U));
    if (fd == -ENOENT)
        fd = make_last(c, path, mode); /* mostly its directory is there */
    if (fd != -ENOENT)
        return fd;
    for (char *end = next_end(path);; end = next_end(end)) {
        fd = make_up_to(c, path, end, mode);
        if (fd < 0 || *end == '\0')
            return fd;
        shut(fd);
    }
}

/* In this order: a change of owner takes set-id bits away. */
static long give(struct child *c, long fd, int64_t uid, int64_t gid,
                 int64_t mode)
{
    long error = 0;
    if (uid >= 0 || gid >= 0)
        error = CALL(c, fchownat, fd, "", uid, gid, AT_EMPTY_PATH);
    return error != 0 ? error : CALL(c, fchmod, fd, mode);
}

/* mkdirat takes no set-id bits, and the directory may have been there. */
static long do_dir(struct child *c, const struct step_dir *s)
{
    long place = make(c, text(c, s->target), S_IFDIR | (unsigned)s->mode);
    if (place < 0)
        return place;
    long error = 0;
    if (is_owned(c, place)) {
        long fd =
            CALL(c, openat, place, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
        error = fd < 0 ? fd : give(c, fd, s->uid, s->gid, s->mode);
        shut(fd);
    }
    shut(place);
    return error;
}

/* Nothing is cut short before it is known to be the container's. */
static long fill_file(struct child *c, long fd, const struct step_file *s)
{
    const struct bytes *content = in_arena(c, s->content);
    if (!is_owned(c, fd))
        return -EEXIST;
    long error = CALL(c, ftruncate, fd, 0);
    if (error == 0)
        error = write_all(c, fd, content->data, content->length);
    return error != 0 ? error : give(c, fd, s->uid, s->gid, s->mode);
}

static long do_file(struct child *c, const struct step_file *s)
{
    char *path = text(c, s->target);
    long made = make(c, path, S_IFREG | (unsigned)s->mode);
    if (made < 0)
        return made;
    shut(made);
    /* Not to wait for a FIFO's reader. */
    long fd = resolve(c, path, O_WRONLY | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return fd;
    long error = fill_file(c, fd, s);
    shut(fd);
    return error;
}

static long do_symlink(struct child *c, const struct step_symlink *s)
{
    char *path = text(c, s->target);
    char *slash = cut_name(path);
    long parent = slash == path ? resolve(c, "/", O_PATH)
                                : make(c, path, S_IFDIR | 0755U);
    *slash = '/';
    if (parent < 0)
        return parent;
    long error = is_owned(c, parent)
                     ? CALL(c, symlinkat, text(c, s->to), parent, slash + 1)
                     : -EROFS;
    shut(parent);
    return error;
}

/* ---- mounts ------------------------------------------------------------ */

static long do_propagation(struct child *c, const struct step_propagation *s)
{
    return CALL(c, mount, NULL, "/", NULL, MS_REC | s->kind, NULL);
}

static long do_open(struct child *c, const struct step_open *s)
{
    struct statx st;
    long fd =
        CALL(c, openat, AT_FDCWD, text(c, s->path), O_PATH | O_CLOEXEC, 0);
    *slot(c, s->slot) = fd < 0 ? -1 : (int32_t)fd;
    if (fd == -ENOENT && s->optional)
        return 0;
    if (fd < 0 || s->major < 0)
        return fd < 0 ? fd : 0;
    /* A device is what its number says, not what its name promises. */
    long error = stat_fd(c, fd, &st);
    if (error == 0 && (!S_ISCHR(st.stx_mode) || st.stx_rdev_major != s->major ||
                       st.stx_rdev_minor != s->minor))
        error = -ENODEV;
    return error;
}

static long copy_tree(struct child *c, long fd, bool recursive)
{
    return CALL(c, open_tree, fd, "",
                AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC |
                    (recursive ? AT_RECURSIVE : 0));
}

static long set_attrs(struct child *c, long fd, uint64_t attrs, bool recursive)
{
    uint64_t atime = attrs & MOUNT_ATTR__ATIME;
    struct mount_attr attr = {
        .attr_set = attrs,
        .attr_clr = atime != 0 ? MOUNT_ATTR__ATIME : 0,
    };
    if (attrs == 0)
        return 0;
    return CALL(c, mount_setattr, fd, "",
                AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0), &attr,
                sizeof attr);
}

static long move_to(struct child *c, long mount, long target)
{
    return CALL(c, move_mount, mount, "", target, "",
                MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
}

static long configure(struct child *c, long fs, char **options)
{
    long error = 0;
    for (; options != NULL && *options != NULL && error == 0; options++) {
        char *value = *options;
        c->item++;
        while (*value != '=' && *value != '\0')
            value++;
        if (*value == '\0') {
            error = CALL(c, fsconfig, fs, FSCONFIG_SET_FLAG, *options, NULL, 0);
        } else {
            *value = '\0';
            error = CALL(c, fsconfig, fs, FSCONFIG_SET_STRING, *options,
                         value + 1, 0);
            *value = '=';
        }
    }
    if (error == 0) {
        c->item = 0;
        error = CALL(c, fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0);
    }
    return error;
}

/* A mount of a new file system, that is not attached yet. */
static long detached(struct child *c, const char *type, char **options,
                     uint64_t attrs)
{
    long fs = CALL(c, fsopen, type, FSOPEN_CLOEXEC);
    if (fs < 0)
        return fs;
    long error = configure(c, fs, options);
    long fd = error != 0 ? error : CALL(c, fsmount, fs, FSMOUNT_CLOEXEC, attrs);
    shut(fs);
    return fd;
}

/* The same, and its file system is the container's own. */
static long new_mount(struct child *c, const char *type, char **options,
                      uint64_t attrs)
{
    long fd = detached(c, type, options, attrs);
    long error = fd < 0 ? fd : own(c, fd);
    if (error == 0)
        return fd;
    shut(fd);
    return error;
}

static bool is_directory(struct child *c, long fd)
{
    struct statx st;
    return stat_fd(c, fd, &st) == 0 && S_ISDIR(st.stx_mode);
}

/* A file cannot cover a directory, of which move_mount says EINVAL; the other
   way round make has refused. */
static long put(struct child *c, long mount, long target, unsigned mode)
{
    bool mismatch = !S_ISDIR(mode) && is_directory(c, target);
    c->syscall = SYS_move_mount;
    return mismatch ? -EISDIR : move_to(c, mount, target);
}

/* Attaches a mount inside the root and closes it. */
static long attach(struct child *c, long mount, char *path, unsigned mode)
{
    long target = make(c, path, mode);
    long error = target < 0 ? target : put(c, mount, target, mode);
    shut(target);
    shut(mount);
    return error;
}

static long do_mount(struct child *c, const struct step_mount *s)
{
    long fd = new_mount(c, text(c, s->type), strings(c, s->options), s->attrs);
    return fd < 0 ? fd : attach(c, fd, text(c, s->target), S_IFDIR | 0755U);
}

static long do_bind(struct child *c, const struct step_bind *s)
{
    struct statx st;
    int source = *slot(c, s->slot);
    if (source < 0)
        return 0; /* optional, and not there */
    long fd = copy_tree(c, source, s->recursive);
    shut(source);
    if (fd < 0)
        return fd;
    long error = stat_fd(c, fd, &st);
    uint64_t attrs = s->attrs;
    /* A device that is bound by name is meant to be used. */
    if (S_ISCHR(st.stx_mode) || S_ISBLK(st.stx_mode))
        attrs &= ~(uint64_t)MOUNT_ATTR_NODEV;
    if (error == 0)
        error = set_attrs(c, fd, attrs, s->recursive);
    if (error == 0)
        return attach(c, fd, text(c, s->target),
                      S_ISDIR(st.stx_mode) ? S_IFDIR | 0755U : S_IFREG | 0644U);
    shut(fd);
    return error;
}

static long make_unbindable(struct child *c, long fd)
{
    struct mount_attr attr = {.propagation = MS_UNBINDABLE};
    return CALL(c, mount_setattr, fd, "", AT_EMPTY_PATH, &attr, sizeof attr);
}

/* Over the host's root, where the host's tree stays in sight: a path's lookup
   begins below what is mounted on "/".  Between the two lies what no recursive
   bind of "/" crosses, or the container's root would come along with it. */
static long attach_root(struct child *c, long fd)
{
    c->root = (int)fd;
    long between = detached(c, "tmpfs", NULL, MOUNT_ATTR_RDONLY);
    if (between < 0)
        return between;
    long error = make_unbindable(c, between);
    if (error == 0)
        error = CALL(c, move_mount, between, "", AT_FDCWD, "/",
                     MOVE_MOUNT_F_EMPTY_PATH);
    if (error == 0)
        error = move_to(c, fd, between);
    shut(between);
    return error;
}

static long do_root_host(struct child *c, const struct step_root_host *s)
{
    (void)s;
    long fd = CALL(c, openat, AT_FDCWD, "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    c->root = (int)fd;
    return fd < 0 ? fd : 0;
}

static long do_root_bind(struct child *c, const struct step_root_bind *s)
{
    struct statx st;
    long fd = copy_tree(c, *slot(c, s->slot), true);
    if (fd < 0)
        return fd;
    long error = stat_fd(c, fd, &st);
    if (error == 0 && !S_ISDIR(st.stx_mode))
        error = -ENOTDIR;
    if (error == 0)
        error = set_attrs(c, fd, s->attrs, true);
    if (error == 0)
        error = set_attrs(c, fd, s->top_attrs, false);
    return error != 0 ? error : attach_root(c, fd);
}

static long do_root_tmpfs(struct child *c, const struct step_root_tmpfs *s)
{
    long fd = new_mount(c, "tmpfs", strings(c, s->options), s->attrs);
    return fd < 0 ? fd : attach_root(c, fd);
}

/* One empty tmpfs hides every directory. */
static long empty_tree(struct child *c)
{
    if (c->empty >= 0)
        return copy_tree(c, c->empty, false);
    long fd = new_mount(c, "tmpfs", NULL,
                        MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID |
                            MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
    if (fd >= 0)
        c->empty = (int)fd;
    return fd;
}

static long mask_path(struct child *c, long target, long null)
{
    struct statx st;
    long error = stat_fd(c, target, &st);
    if (error != 0)
        return error;
    long fd = S_ISDIR(st.stx_mode) ? empty_tree(c) : copy_tree(c, null, false);
    if (fd < 0)
        return fd;
    error = move_to(c, fd, target);
    if (fd != c->empty)
        shut(fd);
    return error;
}

static long readonly_path(struct child *c, long target, long unused)
{
    (void)unused;
    long fd = copy_tree(c, target, true);
    if (fd < 0)
        return fd;
    long error = set_attrs(c, fd, MOUNT_ATTR_RDONLY, true);
    if (error == 0)
        error = move_to(c, fd, target);
    shut(fd);
    return error;
}

/* Covers each path that exists; kernels differ in what /proc has. */
static long cover(struct child *c, char **paths,
                  long (*with)(struct child *, long, long), long operand)
{
    long error = 0;
    for (uint32_t i = 0; paths[i] != NULL && error == 0; i++) {
        c->item = i + 1;
        long target = resolve(c, paths[i], O_PATH);
        if (target == -ENOENT || target == -ENOTDIR)
            continue;
        error = target < 0 ? target : with(c, target, operand);
        shut(target);
    }
    return error;
}

static long do_mask(struct child *c, const struct step_mask *s)
{
    return cover(c, strings(c, s->paths), mask_path, *slot(c, s->slot));
}

static long do_readonly(struct child *c, const struct step_readonly *s)
{
    return cover(c, strings(c, s->paths), readonly_path, 0);
}

static long do_remount(struct child *c, const struct step_remount *s)
{
    long fd = resolve(c, text(c, s->target), O_PATH);
    if (fd < 0)
        return fd;
    long error = set_attrs(c, fd, s->attrs, s->recursive);
    shut(fd);
    return error;
}

/* Where the working directory is inside the root; the kernel calls the path of
   one that is not unreachable. */
static long is_inside(struct child *c)
{
    char path[4096];
    long error = CALL(c, getcwd, path, sizeof path);
    return error < 0 ? error : path[0] == '/';
}

/* Unmounts what lies on a mount's root, from the top, then the mount with all
   that is below.  EINVAL: it is gone, or what lies on it is locked. */
static long unmount_stack(struct child *c, long root)
{
    long error = CALL(c, fchdir, root);
    while (error == 0)
        error = CALL(c, umount2, ".", MNT_DETACH);
    if (error == -EINVAL)
        error = is_inside(c);
    return error > 0 ? -EBUSY : error;
}

/* The old root ends up on top of the new one, without a directory for it, and
   goes: nothing leads back. */
static long do_pivot_root(struct child *c, const struct step_pivot_root *s)
{
    (void)s;
    long old = CALL(c, openat, AT_FDCWD, "/", O_PATH | O_CLOEXEC, 0);
    long error = old < 0 ? old : CALL(c, fchdir, c->root);
    if (error == 0)
        error = CALL(c, pivot_root, ".", ".");
    if (error == 0)
        error = unmount_stack(c, old);
    shut(old);
    return error != 0 ? error : CALL(c, chdir, "/");
}

/* ---- the program ------------------------------------------------------- */

/* A directory that a magic link leads to, or that a descriptor kept open, can
   be outside (CVE-2024-21626). */
static long do_chdir(struct child *c, const struct step_chdir *s)
{
    struct open_how how = {
        .flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
        .resolve = RESOLVE_NO_MAGICLINKS,
    };
    long fd = CALL(c, openat2, AT_FDCWD, text(c, s->path), &how, sizeof how);
    if (fd < 0)
        return fd;
    long error = CALL(c, fchdir, fd);
    shut(fd);
    if (error == 0)
        error = is_inside(c);
    return error < 0 ? error : error > 0 ? 0 : -ENOENT;
}

/* The candidates are the program's name in each directory of PATH; one that
   exists but may not be executed is a better answer than one that does not. */
static long do_exec(struct child *c, const struct step_exec *s)
{
    char **paths = strings(c, s->paths);
    char **argv = strings(c, s->argv);
    char **env = strings(c, s->env);
    long refusal = -ENOENT;
    uint32_t item = 1;
    c->control->state = EXECUTING;
    c->syscall = SYS_execve; /* even where there is nothing to try */
    for (uint32_t i = 0; paths[i] != NULL; i++) {
        long error = CALL(c, execve, paths[i], argv, env);
        if (error == -ENOENT || error == -ENOTDIR ||
            (error == -EACCES && refusal == -EACCES))
            continue;
        refusal = error;
        item = i + 1;
        if (error != -EACCES)
            break;
    }
    c->control->state = SETTING_UP;
    c->item = item;
    return refusal;
}

/* ---- the loop ---------------------------------------------------------- */

static long run_step(struct child *c, const union any_step *s)
{
    switch ((enum op)s->step.op) {
#define CASE_PARENT(name)
#define CASE_CHILD(name)                                                       \
    case OP_##name:                                                            \
        return do_##name(c, &s->name);
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

_Noreturn void userns_give_up(struct child *c, uint32_t step, long error)
{
    c->control->report =
        (struct report){step, (int32_t)-error, c->syscall, c->item};
    leave(127);
}

_Noreturn void userns_run_child(void *child)
{
    struct child *c = child;
    const union any_step *steps = in_arena(c, c->arena->steps);
    CALL(c, umask, 0); /* what the set-up makes has the modes it names */
    for (uint32_t i = 0; i < c->arena->count; i++) {
        const union any_step *s = &steps[i];
        if (s->step.side != CHILD)
            continue;
        c->control->step = s->step.number;
        c->item = 0;
        long error = run_step(c, s);
        if (error != 0)
            userns_give_up(c, s->step.number, error);
    }
    leave(0);
}

_Noreturn void userns_run_image(void *arg)
{
    static char *const nothing[] = {NULL};
    const struct image *image = arg;
    struct child *c = image->child;
    long error = close_others(c);
    if (error == 0)
        error = fill_stdio(c);
    if (error == 0)
        error = set_cloexec(c, 0);
    if (error == 0)
        error = CALL(c, execveat, image->executable, "", image->argv, nothing,
                     AT_EMPTY_PATH);
    userns_give_up(c, image->step, error);
}
