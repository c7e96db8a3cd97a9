/* Paths inside the container's root, and steps that make what is there. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/openat2.h>
#include <string.h>

#include "step_ops.h"

long step_stat(struct child *c, long fd, struct statx *st)
{
    return CALL(c, statx, fd, "", AT_EMPTY_PATH,
                STATX_TYPE | STATX_INO | STATX_MNT_ID, st);
}

/* The device that a file lies on, as one number. */
int64_t step_device(const struct statx *st)
{
    return (int64_t)((uint64_t)st->stx_dev_major << 32 | st->stx_dev_minor);
}

/* The mount that a file is seen through, told from devices; no device, where
   the kernel (before Linux 5.8) does not say. */
static int64_t mount_of(const struct statx *st)
{
    return (st->stx_mask & STATX_MNT_ID) != 0
               ? (int64_t)(st->stx_mnt_id | 1ULL << 63)
               : 0;
}

static void own(struct child *c, int64_t number)
{
    int64_t *owned = in_arena(c, c->arena->owned);
    owned[c->arena->owned_count++] = number;
}

/* A file system that this set-up has mounted itself belongs to the container:
   what is made there leaves no trace outside. */
long step_own(struct child *c, long fd)
{
    struct statx st;
    long error = step_stat(c, fd, &st);
    if (error == 0)
        own(c, step_device(&st));
    return error;
}

/* Files of an overlay have devices of their layers', not the overlay's.  For a
   mount that stays: numbers of mounts are used again. */
long step_own_overlay(struct child *c, long fd)
{
    struct statx st;
    long error = step_stat(c, fd, &st);
    if (error != 0)
        return error;
    own(c, step_device(&st));
    own(c, mount_of(&st));
    return 0;
}

/* What is reported of a place that must not be made is the call that missed it,
   not this look. */
bool step_is_owned(struct child *c, long fd)
{
    struct statx st;
    const int64_t *owned = in_arena(c, c->arena->owned);
    uint32_t noted = c->syscall;
    long error = step_stat(c, fd, &st);
    c->syscall = noted;
    if (error != 0)
        return false;
    for (uint32_t i = 0; i < c->arena->owned_count; i++)
        if (owned[i] == step_device(&st) ||
            (owned[i] != 0 && owned[i] == mount_of(&st)))
            return true;
    return false;
}

/* No path of the container's is looked up in any other way: symlinks lead
   nowhere but inside, and what was found is acted on by its descriptor. */
long step_resolve_in(struct child *c, long root, const char *path,
                     uint64_t flags)
{
    struct open_how how = {
        .flags = flags | O_CLOEXEC,
        .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
    };
    long fd = -EAGAIN;
    /* EAGAIN: somebody renames on the way while ".." is being resolved. */
    for (int tries = 0; fd == -EAGAIN && tries < 1000; tries++)
        fd = CALL(c, openat2, root, path, &how, sizeof how);
    return fd;
}

long step_resolve(struct child *c, const char *path, uint64_t flags)
{
    return step_resolve_in(c, c->root, path, flags);
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

void step_forget_place(struct child *c)
{
    if (c->place != 0)
        part_with(c, c->place);
    c->place = 0;
}

/* The path is a string of the arena that begins with the directory's. */
void step_remember_place(struct child *c, long fd, const char *path)
{
    step_forget_place(c);
    c->place = (int)fd;
    c->place_path = path;
    c->place_length = strlen(path);
}

static bool is_place(const struct child *c, const char *path)
{
    if (c->place == 0)
        return false;
    for (size_t i = 0; i < c->place_length; i++)
        if (path[i] == '\0' || path[i] != c->place_path[i])
            return false;
    return path[c->place_length] == '\0';
}

/* The directory at this path, if it is the container's own; it stays open for
   what is made in it next. */
static long open_place(struct child *c, const char *path)
{
    if (is_place(c, path))
        return c->place;
    long fd = step_resolve(c, *path == '\0' ? "/" : path, O_PATH | O_DIRECTORY);
    if (fd < 0)
        return fd;
    if (!step_is_owned(c, fd)) {
        shut(fd);
        return -ENOENT;
    }
    step_remember_place(c, fd, path);
    return fd;
}

static long make_name(struct child *c, long parent, const char *name,
                      unsigned mode)
{
    if ((mode & S_IFMT) == S_IFDIR)
        return CALL(c, mkdirat, parent, name, mode & 07777U);
    return CALL(c, mknodat, parent, name, mode, 0);
}

static long open_name(struct child *c, long parent, const char *name)
{
    return CALL(c, openat, parent, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
}

static long make_last(struct child *c, char *path, unsigned mode)
{
    char *slash = cut_name(path);
    long parent = open_place(c, path);
    *slash = '/';
    long error = parent < 0 ? parent : make_name(c, parent, slash + 1, mode);
    return error != 0 ? error : open_name(c, parent, slash + 1);
}

/* Makes what the path names in the place that is remembered: mostly several
   things are made in one directory.  The directory, and the name in it;
   -EEXIST, also where the path leads elsewhere, is for who looks further. */
long step_make_here(struct child *c, char *path, unsigned mode,
                    const char **ret_name)
{
    char *slash = cut_name(path);
    bool here = is_place(c, path);
    *slash = '/';
    *ret_name = slash + 1;
    long error = here ? make_name(c, c->place, slash + 1, mode) : -EEXIST;
    if (error == 0)
        return c->place;
    if (error != -EEXIST)
        step_find_place(c, c->root, path);
    return error;
}

/* Opens the path as far as end, whose last name is made if it is missing. */
static long make_up_to(struct child *c, char *path, char *end, unsigned mode)
{
    char cut = *end;
    *end = '\0';
    long fd = step_resolve(c, path, O_PATH);
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

static long reach(struct child *c, char *path, unsigned mode, bool *ret_made)
{
    long fd =
        step_resolve(c, path, O_PATH | (S_ISDIR(mode) ? O_DIRECTORY : 0U));
    *ret_made = fd == -ENOENT;
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

/* Opens a path inside the root (O_PATH); what is missing of it is made where
   the tree is the container's own, directories on the way with mode 0755.  What
   is mounted there may lie over the place that is remembered unless it was made
   now. */
long step_reach(struct child *c, char *path, unsigned mode, bool *ret_made)
{
    long fd = reach(c, path, mode, ret_made);
    if (fd < 0)
        step_find_place(c, c->root, path);
    return fd;
}

/* The same, by the shorter way where there is one. */
long step_make(struct child *c, char *path, unsigned mode, bool *ret_made)
{
    const char *name;
    long place = step_make_here(c, path, mode, &name);
    *ret_made = true;
    if (place == -EEXIST)
        return step_reach(c, path, mode, ret_made);
    if (place < 0)
        return place;
    long fd = open_name(c, place, name);
    if (fd < 0)
        step_find_place(c, c->root, path);
    return fd;
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

/* In the place that is remembered, with nothing to change but the mode: nobody
   else is there to put another thing under its name. */
static long make_dir_here(struct child *c, const struct step_dir *s)
{
    const char *name;
    if (s->uid >= 0 || s->gid >= 0)
        return -EEXIST;
    long place = step_make_here(c, text(c, s->target),
                                S_IFDIR | (unsigned)s->mode, &name);
    return place < 0 ? place : CALL(c, fchmodat, place, name, s->mode);
}

static long make_dir(struct child *c, const struct step_dir *s)
{
    bool made;
    long place =
        step_make(c, text(c, s->target), S_IFDIR | (unsigned)s->mode, &made);
    if (place < 0)
        return place;
    long error = 0;
    if (made || step_is_owned(c, place)) {
        long fd =
            CALL(c, openat, place, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
        error = fd < 0 ? fd : give(c, fd, s->uid, s->gid, s->mode);
        shut(fd);
    }
    shut(place);
    return error;
}

/* mkdirat takes no set-id bits, and the directory may have been there. */
long userns_do_dir(struct child *c, const struct step_dir *s)
{
    long error = make_dir_here(c, s);
    return error == -EEXIST ? make_dir(c, s) : error;
}

/* Nothing is cut short before it is known to be the container's. */
static long fill_file(struct child *c, long fd, const struct step_file *s)
{
    const struct bytes *content = in_arena(c, s->content);
    if (!step_is_owned(c, fd))
        return -EEXIST;
    long error = CALL(c, ftruncate, fd, 0);
    if (error == 0)
        error = step_write(c, fd, content->data, content->length);
    return error != 0 ? error : give(c, fd, s->uid, s->gid, s->mode);
}

long userns_do_file(struct child *c, const struct step_file *s)
{
    bool made;
    char *path = text(c, s->target);
    long place = step_make(c, path, S_IFREG | (unsigned)s->mode, &made);
    if (place < 0)
        return place;
    shut(place);
    /* Not to wait for a FIFO's reader. */
    long fd = step_resolve(c, path, O_WRONLY | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        step_find_place(c, c->root, path);
        return fd;
    }
    long error = fill_file(c, fd, s);
    shut(fd);
    return error;
}

/* The directories on the way to a name are made as for anything else. */
static long make_place(struct child *c, char *path)
{
    bool made;
    if (is_place(c, path))
        return c->place;
    long fd = *path == '\0' ? step_resolve(c, "/", O_PATH)
                            : step_make(c, path, S_IFDIR | 0755U, &made);
    if (fd < 0)
        return fd;
    if (!step_is_owned(c, fd)) {
        shut(fd);
        return -EROFS;
    }
    step_remember_place(c, fd, path);
    return fd;
}

long userns_do_symlink(struct child *c, const struct step_symlink *s)
{
    char *slash = cut_name(text(c, s->target));
    long parent = make_place(c, text(c, s->target));
    *slash = '/';
    return parent < 0 ? parent
                      : CALL(c, symlinkat, text(c, s->to), parent, slash + 1);
}

/* Where the working directory is inside the root; the kernel calls the path of
   one that is not unreachable. */
long step_is_inside(struct child *c)
{
    char path[4096];
    long error = CALL(c, getcwd, path, sizeof path);
    return error < 0 ? error : path[0] == '/';
}
