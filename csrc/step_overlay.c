/* Steps that stack directories. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/mount.h>
#include <string.h>

#include "step_ops.h"

/* The layers, as descriptors: no path is looked up again, and none has to be
   escaped for overlayfs.  The items of a report are the lower ones, upper,
   work, and the options of a scratch. */
struct layers {
    const struct ids *lower; /* slots, the topmost first */
    long upper;
    long work;
    char **options;
    uint64_t attrs;
    int64_t mode;  /* of an upper directory to be made */
    bool required; /* everything that an overlay can */
};

static long set(struct child *c, long fs, const char *key, long fd)
{
    char path[FD_PATH_SIZE];
    step_fd_path(path, fd);
    return CALL(c, fsconfig, fs, FSCONFIG_SET_STRING, key, path, 0);
}

/* fsconfig(2) takes values of 255 bytes; what goes beyond needs a key for each
   layer (Linux 6.8). */
static long set_lower(struct child *c, long fs, const struct ids *lower)
{
    char joined[256];
    char *end = joined;
    for (uint32_t i = 0; i < lower->count; i++) {
        if (end + FD_PATH_SIZE + 1 >= joined + sizeof joined)
            return -E2BIG;
        if (i > 0)
            *end++ = ':';
        step_fd_path(end, *slot(c, lower->id[i]));
        end += strlen(end);
    }
    return CALL(c, fsconfig, fs, FSCONFIG_SET_STRING, "lowerdir", joined, 0);
}

static long set_each_lower(struct child *c, long fs, const struct ids *lower)
{
    long error = 0;
    for (uint32_t i = 0; i < lower->count && error == 0; i++) {
        c->item = i + 1;
        error = set(c, fs, "lowerdir+", *slot(c, lower->id[i]));
    }
    return error;
}

static long set_upper(struct child *c, long fs, const struct layers *l)
{
    c->item = l->lower->count + 1;
    long error = set(c, fs, "upperdir", l->upper);
    if (error != 0)
        return error;
    c->item++;
    return set(c, fs, "workdir", l->work);
}

static long configure(struct child *c, long fs, const struct layers *l)
{
    long error = set_lower(c, fs, l->lower);
    if (error == -E2BIG)
        error = set_each_lower(c, fs, l->lower);
    if (error == 0 && l->upper >= 0)
        error = set_upper(c, fs, l);
    if (error != 0)
        return error;
    c->item = 0;
    for (char **o = l->options; error == 0 && *o != NULL; o++)
        error = CALL(c, fsconfig, fs, FSCONFIG_SET_FLAG, *o, NULL, 0);
    return error != 0
               ? error
               : CALL(c, fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0);
}

static long stack(struct child *c, const struct layers *l)
{
    long fs = CALL(c, fsopen, "overlay", FSOPEN_CLOEXEC);
    if (fs < 0)
        return fs;
    long error = configure(c, fs, l);
    long fd =
        error != 0 ? error : CALL(c, fsmount, fs, FSMOUNT_CLOEXEC, l->attrs);
    if (fd < 0)
        step_find_log(c, fs);
    shut(fs);
    error = fd < 0 ? fd : step_own_overlay(c, fd);
    if (error == 0)
        return fd;
    shut(fd);
    return error;
}

/* mkdirat takes no set-id bits. */
static long make_dir(struct child *c, long fd, const char *name, int64_t mode)
{
    long error = CALL(c, mkdirat, fd, name, 0700);
    if (error != 0)
        return error;
    long made =
        CALL(c, openat, fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    error = made < 0 ? made : CALL(c, fchmod, made, mode);
    if (error == 0)
        return made;
    shut(made);
    return error;
}

/* Without privilege over the host it is user.* attributes that mark a directory
   which hides what is below it; tmpfs has them since Linux 6.6. */
static long check_attributes(struct child *c, const struct layers *l)
{
    if (*l->options == NULL)
        return 0;
    long error = CALL(c, fgetxattr, l->upper, "user.overlay.opaque", NULL, 0);
    if (error != -EOPNOTSUPP)
        return 0;
    if (l->required)
        return error;
    step_excuse(c, error);
    return 0;
}

/* Before Linux 6.15 a layer must be attached somewhere, if only meanwhile. */
static long stack_attached(struct child *c, const struct layers *l,
                           long scratch, long place)
{
    long error = step_move_to(c, scratch, place);
    if (error != 0)
        return error;
    long fd = stack(c, l);
    uint32_t noted = c->syscall;
    error = CALL(c, fchdir, scratch);
    if (error == 0)
        error = CALL(c, umount2, ".", MNT_DETACH);
    if (error == 0)
        c->syscall = noted;
    if (error == 0 || fd < 0)
        return fd;
    shut(fd);
    return error;
}

/* What is written goes to a file system in memory that nobody sees. */
static long stack_on_scratch(struct child *c, struct layers *l, char **options,
                             long place)
{
    long scratch = step_new_mount(c, "tmpfs", options,
                                  MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
    if (scratch < 0) {
        c->item += c->item > 0 ? l->lower->count + 2 : 0;
        return scratch;
    }
    l->upper = make_dir(c, scratch, "upper", l->mode);
    l->work = l->upper < 0 ? l->upper : make_dir(c, scratch, "work", 0700);
    long error = l->work < 0 ? l->work : check_attributes(c, l);
    long fd = error != 0 ? error : stack(c, l);
    if (fd == -EINVAL)
        fd = stack_attached(c, l, scratch, place);
    shut(l->work);
    shut(l->upper);
    shut(scratch);
    return fd;
}

static long build(struct child *c, struct layers *l, at scratch, long place)
{
    char **options = step_strings(c, scratch);
    return *options != NULL ? stack_on_scratch(c, l, options, place)
                            : stack(c, l);
}

static long in_slot(struct child *c, int64_t number)
{
    return number < 0 ? -1 : *slot(c, number);
}

/* Of either step: they have these operands in common. */
#define LAYERS(c, s)                                                           \
    {                                                                          \
        .lower = in_arena(c, (s)->lower), .upper = in_slot(c, (s)->upper),     \
        .work = in_slot(c, (s)->work),                                         \
        .options = step_strings(c, (s)->options), .attrs = (s)->attrs,         \
        .mode = (s)->mode, .required = (s)->required != 0,                     \
    }

long userns_do_overlay(struct child *c, const struct step_overlay *s)
{
    struct layers l = LAYERS(c, s);
    bool made;
    long place = step_make(c, text(c, s->target), S_IFDIR | 0755U, &made);
    if (place < 0)
        return place;
    long fd = build(c, &l, s->scratch, place);
    long error = fd < 0 ? fd : step_move_to(c, fd, place);
    shut(place);
    if (error == 0 && s->slot >= 0)
        *slot(c, s->slot) = (int32_t)fd;
    else
        shut(fd);
    return error;
}

long userns_do_root_overlay(struct child *c, const struct step_root_overlay *s)
{
    struct layers l = LAYERS(c, s);
    long place =
        CALL(c, openat, AT_FDCWD, "/", O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
    if (place < 0)
        return place;
    long fd = build(c, &l, s->scratch, place);
    shut(place);
    return fd < 0 ? fd : step_attach_root(c, fd);
}
