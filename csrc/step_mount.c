/* Steps that build the tree which the program will see. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/mount.h>

#include "step_ops.h"

long userns_do_propagation(struct child *c, const struct step_propagation *s)
{
    return CALL(c, mount, NULL, "/", NULL, MS_REC | s->kind, NULL);
}

static long copy_tree(struct child *c, long fd, bool recursive)
{
    return CALL(c, open_tree, fd, "",
                AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC |
                    (recursive ? AT_RECURSIVE : 0));
}

/* The tree as it is now, whatever is put over it later; or just the way to it.
 */
static long open_source(struct child *c, const struct step_open *s)
{
    const char *path = text(c, s->path);
    if (!s->copy)
        return CALL(c, openat, AT_FDCWD, path, O_PATH | O_CLOEXEC, 0);
    return CALL(c, open_tree, AT_FDCWD, path,
                OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC |
                    (s->recursive ? AT_RECURSIVE : 0));
}

static bool is_node(unsigned mode)
{
    return S_ISCHR(mode) || S_ISBLK(mode);
}

/* A device is what its number says, not what its name promises; and what the
   caller has open must be what is found under its name. */
static long check_source(const struct step_open *s, const struct statx *st)
{
    if (s->major >= 0 &&
        (!S_ISCHR(st->stx_mode) || st->stx_rdev_major != s->major ||
         st->stx_rdev_minor != s->minor))
        return -ENODEV;
    if (s->node && !is_node(st->stx_mode))
        return -ENODEV;
    if (s->inode >= 0 &&
        (st->stx_ino != (uint64_t)s->inode || step_device(st) != s->device))
        return -ESTALE;
    return 0;
}

long userns_do_open(struct child *c, const struct step_open *s)
{
    struct statx st;
    long fd = open_source(c, s);
    *slot(c, s->slot) = fd < 0 ? -1 : (int32_t)fd;
    if (fd == -ENOENT && s->optional)
        return 0;
    if (fd < 0)
        step_find_place(c, AT_FDCWD, text(c, s->path));
    if (fd < 0 || (s->major < 0 && !s->node && s->inode < 0))
        return fd < 0 ? fd : 0;
    long error = step_stat(c, fd, &st);
    if (error == 0)
        *mode_of(c, s->slot) = st.stx_mode;
    return error != 0 ? error : check_source(s, &st);
}

static long move_to(struct child *c, long mount, long target)
{
    return CALL(c, move_mount, mount, "", target, "",
                MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
}

/* What is remembered may be covered now. */
long step_move_to(struct child *c, long mount, long target)
{
    step_forget_place(c);
    return move_to(c, mount, target);
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

static long new_mount(struct child *c, const char *type, char **options,
                      uint64_t attrs)
{
    long fs = CALL(c, fsopen, type, FSOPEN_CLOEXEC);
    if (fs < 0)
        return fs;
    long error = configure(c, fs, options);
    long fd = error != 0 ? error : CALL(c, fsmount, fs, FSMOUNT_CLOEXEC, attrs);
    if (fd < 0)
        step_find_log(c, fs);
    part_with(c, fs);
    return fd;
}

/* A mount that is not attached yet; its file system is the container's own. */
long step_new_mount(struct child *c, const char *type, char **options,
                    uint64_t attrs)
{
    long fd = new_mount(c, type, options, attrs);
    long error = fd < 0 ? fd : step_own(c, fd);
    if (error == 0)
        return fd;
    shut(fd);
    return error;
}

static bool is_directory(struct child *c, long fd)
{
    struct statx st;
    return step_stat(c, fd, &st) == 0 && S_ISDIR(st.stx_mode);
}

/* A file cannot cover a directory, of which move_mount says EINVAL; the other
   way round make has refused. */
static long put(struct child *c, long mount, long target, unsigned mode)
{
    long error = move_to(c, mount, target);
    bool mismatch =
        error == -EINVAL && !S_ISDIR(mode) && is_directory(c, target);
    c->syscall = SYS_move_mount;
    return mismatch ? -EISDIR : error;
}

/* By the name that has just been made, which spares opening it; a symlink in
   its place would not be followed. */
static long put_here(struct child *c, long mount, long place, const char *name)
{
    return CALL(c, move_mount, mount, "", place, name, MOVE_MOUNT_F_EMPTY_PATH);
}

/* Attaches a mount inside the root.  In a place that is new it covers nothing
   on the way to the directory that this was made in. */
long step_attach(struct child *c, long mount, char *path, unsigned mode)
{
    bool made;
    const char *name;
    long place = step_make_here(c, path, mode, &name);
    if (place != -EEXIST)
        return place < 0 ? place : put_here(c, mount, place, name);
    long target = step_reach(c, path, mode, &made);
    long error = target < 0 ? target : put(c, mount, target, mode);
    if (!made)
        step_forget_place(c);
    part_with(c, target);
    return error;
}

long userns_do_mount(struct child *c, const struct step_mount *s)
{
    long fd = step_new_mount(c, text(c, s->type), step_strings(c, s->options),
                             s->attrs);
    if (fd < 0)
        return fd;
    char *target = text(c, s->target);
    long error = step_attach(c, fd, target, S_IFDIR | 0755U);
    if (error != 0)
        part_with(c, fd);
    else if (s->slot >= 0)
        *slot(c, s->slot) = (int32_t)fd;
    else
        step_remember_place(c, fd, target); /* for what is made in it next */
    return error;
}

static long learn_mode(struct child *c, long fd, uint32_t *mode)
{
    struct statx st;
    if (*mode != 0)
        return 0;
    long error = step_stat(c, fd, &st);
    *mode = error == 0 ? st.stx_mode : 0;
    return error;
}

static long bind_tree(struct child *c, const struct step_bind *s, long tree)
{
    struct mount_attr attr = step_attr(s->attrs);
    uint32_t *mode = mode_of(c, s->slot);
    long error = learn_mode(c, tree, mode);
    if (error != 0)
        return error;
    /* A device that is bound by name is meant to be used. */
    if (is_node(*mode))
        attr.attr_set &= ~(uint64_t)MOUNT_ATTR_NODEV;
    bool late = false;
    error = step_set_attrs_early(c, tree, attr, true, &late);
    if (error == 0)
        error = step_attach(c, tree, text(c, s->target),
                            S_ISDIR(*mode) ? S_IFDIR | 0755U : S_IFREG | 0644U);
    return error == 0 && late ? step_set_attrs(c, tree, attr, true) : error;
}

/* The descriptor goes when the program is executed, with all others. */
long userns_do_bind(struct child *c, const struct step_bind *s)
{
    int tree = *slot(c, s->slot);
    return tree < 0 ? 0 /* optional, and not there */ : bind_tree(c, s, tree);
}

/* Over the host's root, where the host's tree stays in sight: a path's lookup
   begins below what is mounted on "/". */
long step_attach_root(struct child *c, long fd)
{
    c->root = (int)fd;
    return CALL(c, move_mount, fd, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH);
}

long userns_do_root_host(struct child *c, const struct step_root_host *s)
{
    (void)s;
    long fd = CALL(c, openat, AT_FDCWD, "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    c->root = (int)fd;
    return fd < 0 ? fd : 0;
}

long userns_do_root_bind(struct child *c, const struct step_root_bind *s)
{
    struct statx st;
    long fd = *slot(c, s->slot);
    long error = step_stat(c, fd, &st);
    if (error == 0 && !S_ISDIR(st.stx_mode))
        error = -ENOTDIR;
    bool late = false;
    if (error == 0)
        error = step_set_attrs_early(c, fd, step_attr(s->attrs), true, &late);
    if (error == 0 && !late)
        error = step_set_attrs(c, fd, step_attr(s->top_attrs), false);
    if (error == 0)
        error = step_attach_root(c, fd);
    if (error == 0 && late)
        error = step_set_attrs(c, fd, step_attr(s->attrs), true);
    if (error == 0 && late)
        error = step_set_attrs(c, fd, step_attr(s->top_attrs), false);
    return error;
}

long userns_do_root_tmpfs(struct child *c, const struct step_root_tmpfs *s)
{
    long fd = step_new_mount(c, "tmpfs", step_strings(c, s->options), s->attrs);
    return fd < 0 ? fd : step_attach_root(c, fd);
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
    long error = step_stat(c, target, &st);
    if (error != 0)
        return error;
    long fd = S_ISDIR(st.stx_mode) ? empty_tree(c) : copy_tree(c, null, false);
    if (fd < 0)
        return fd;
    error = step_move_to(c, fd, target);
    if (fd != c->empty)
        part_with(c, fd);
    return error;
}

static long readonly_path(struct child *c, long target, long unused)
{
    (void)unused;
    long fd = copy_tree(c, target, true);
    if (fd < 0)
        return fd;
    struct mount_attr attr = step_attr(MOUNT_ATTR_RDONLY);
    bool late = false;
    long error = step_set_attrs_early(c, fd, attr, true, &late);
    if (error == 0)
        error = step_move_to(c, fd, target);
    if (error == 0 && late)
        error = step_set_attrs(c, fd, attr, true);
    part_with(c, fd);
    return error;
}

/* Covers each path that exists below a mount that this set-up has made, or
   below the root; kernels differ in what /proc has. */
static long cover(struct child *c, int64_t base, char **paths,
                  long (*with)(struct child *, long, long), long operand)
{
    long error = 0;
    int root = base < 0 ? c->root : *slot(c, base);
    for (uint32_t i = 0; paths[i] != NULL && error == 0; i++) {
        c->item = i + 1;
        long target = step_resolve_in(c, root, paths[i], O_PATH);
        if (target == -ENOENT || target == -ENOTDIR)
            continue;
        error = target < 0 ? target : with(c, target, operand);
        part_with(c, target);
    }
    return error;
}

long userns_do_mask(struct child *c, const struct step_mask *s)
{
    return cover(c, s->base, step_strings(c, s->paths), mask_path,
                 *slot(c, s->slot));
}

long userns_do_readonly(struct child *c, const struct step_readonly *s)
{
    return cover(c, s->base, step_strings(c, s->paths), readonly_path, 0);
}

long userns_do_remount(struct child *c, const struct step_remount *s)
{
    const char *path = text(c, s->target);
    bool root = path != NULL && path[0] == '/' && path[1] == '\0';
    long fd = s->slot >= 0 ? *slot(c, s->slot)
              : root       ? c->root
                           : step_resolve(c, path, O_PATH);
    if (fd < 0) {
        step_find_place(c, c->root, path);
        return fd;
    }
    struct mount_attr attr = step_attr(s->attrs);
    attr.attr_clr |= s->clear;
    attr.propagation = s->propagation;
    long error = step_set_attrs(c, fd, attr, s->recursive);
    if (s->slot < 0 && !root)
        shut(fd);
    return error;
}

/* Unmounts what lies on a mount's root, from the top, then the mount with all
   that is below.  EINVAL: it is gone, or what lies on it is locked. */
static long unmount_stack(struct child *c, long root)
{
    long error = CALL(c, fchdir, root);
    while (error == 0)
        error = CALL(c, umount2, ".", MNT_DETACH);
    if (error == -EINVAL)
        error = step_is_inside(c);
    return error > 0 ? -EBUSY : error;
}

/* An initramfs, or the root of a caller that is chrooted, cannot be pivoted
   away: it stays, covered by the new root and out of reach of its processes. */
static long confine(struct child *c, long refusal)
{
    step_excuse(c, refusal);
    long error = CALL(c, fchdir, c->root);
    if (error == 0)
        error = CALL(c, chroot, ".");
    return error != 0 ? error : CALL(c, chdir, "/");
}

/* The old root ends up on top of the new one, without a directory for it, and
   goes: nothing leads back. */
long userns_do_pivot_root(struct child *c, const struct step_pivot_root *s)
{
    long old = CALL(c, openat, AT_FDCWD, "/", O_PATH | O_CLOEXEC, 0);
    long error = old < 0 ? old : CALL(c, fchdir, c->root);
    if (error == 0)
        error = CALL(c, pivot_root, ".", ".");
    if (error == -EINVAL && !s->required) {
        shut(old);
        return confine(c, error);
    }
    if (error == 0)
        error = unmount_stack(c, old);
    shut(old);
    return error != 0 ? error : CALL(c, chdir, "/");
}
