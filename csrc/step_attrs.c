/* Attributes of mounts: by mount_setattr(2) or, before Linux 5.12, by a remount
   of each mount. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <asm/statfs.h>
#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/mount.h>

#include "step_ops.h"

/* What is said of access times replaces what was. */
struct mount_attr step_attr(uint64_t attrs)
{
    return (struct mount_attr){
        .attr_set = attrs,
        .attr_clr = (attrs & MOUNT_ATTR__ATIME) != 0 ? MOUNT_ATTR__ATIME : 0,
    };
}

static bool says_nothing(const struct mount_attr *attr)
{
    return (attr->attr_set | attr->attr_clr | attr->propagation) == 0;
}

static long set_attrs(struct child *c, long fd, struct mount_attr *attr,
                      bool recursive)
{
    if (says_nothing(attr))
        return 0;
    return CALL(c, mount_setattr, fd, "",
                AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0), attr,
                sizeof *attr);
}

/* Before a mount is attached, only the new call can; else it is due later. */
long step_set_attrs_early(struct child *c, long fd, struct mount_attr attr,
                          bool recursive, bool *ret_late)
{
    long error = set_attrs(c, fd, &attr, recursive);
    *ret_late = error == -ENOSYS;
    return *ret_late ? 0 : error;
}

/* ---- the old way ------------------------------------------------------- */

static const struct {
    uint64_t attr;
    long flag; /* of mount(2) */
    long seen; /* in statfs(2) */
} flags[] = {
    {MOUNT_ATTR_RDONLY, MS_RDONLY, 0x0001},
    {MOUNT_ATTR_NOSUID, MS_NOSUID, 0x0002},
    {MOUNT_ATTR_NODEV, MS_NODEV, 0x0004},
    {MOUNT_ATTR_NOEXEC, MS_NOEXEC, 0x0008},
    {MOUNT_ATTR_NOSYMFOLLOW, MS_NOSYMFOLLOW, 0x2000},
};

static const struct {
    uint64_t attr;
    long flag;
} atimes[] = {
    {MOUNT_ATTR_NOATIME, MS_NOATIME},
    {MOUNT_ATTR_STRICTATIME, MS_STRICTATIME},
    {MOUNT_ATTR_NODIRATIME, MS_NODIRATIME},
};

/* A remount states all flags: what is not repeated would be taken away, and is
   EPERM where it is locked.  Of access times, none means those that are. */
static long all_flags(const struct mount_attr *attr, long seen)
{
    long all = 0;
    for (unsigned i = 0; i < sizeof flags / sizeof flags[0]; i++) {
        bool was = (seen & flags[i].seen) != 0;
        bool stays = was && (attr->attr_clr & flags[i].attr) == 0;
        if (stays || (attr->attr_set & flags[i].attr) != 0)
            all |= flags[i].flag;
    }
    for (unsigned i = 0; i < sizeof atimes / sizeof atimes[0]; i++)
        if ((attr->attr_set & atimes[i].attr) != 0)
            all |= atimes[i].flag;
    return all;
}

static char *put_number(char *end, uint64_t number)
{
    char digits[20];
    int count = 0;
    do
        digits[count++] = (char)('0' + number % 10);
    while ((number /= 10) != 0);
    while (count > 0)
        *end++ = digits[--count];
    *end = '\0';
    return end;
}

/* "/proc/self/fd/N": the way to a descriptor for what takes only paths. */
void step_fd_path(char *path, long fd)
{
    static const char directory[] = "/proc/self/fd/";
    for (const char *p = directory; *p != '\0'; p++)
        *path++ = *p;
    put_number(path, (uint64_t)fd);
}

static long remount_one(struct child *c, long fd, const struct mount_attr *attr)
{
    char path[FD_PATH_SIZE];
    struct statfs st;
    long error = CALL(c, fstatfs, fd, &st);
    step_fd_path(path, fd);
    if (error == 0 && (attr->attr_set | attr->attr_clr) != 0)
        error = CALL(c, mount, NULL, path, NULL,
                     MS_REMOUNT | MS_BIND | all_flags(attr, st.f_flags), NULL);
    if (error == 0 && attr->propagation != 0)
        error = CALL(c, mount, NULL, path, NULL, attr->propagation, NULL);
    return error;
}

/* ---- the mounts below one ---------------------------------------------- */

static long open_mountinfo(struct child *c)
{
    return CALL(c, openat, AT_FDCWD, "/proc/self/mountinfo",
                O_RDONLY | O_CLOEXEC, 0);
}

static uint64_t number_of(const char *text)
{
    uint64_t number = 0;
    while (*text >= '0' && *text <= '9')
        number = number * 10 + (uint64_t)(*text++ - '0');
    return number;
}

/* The fifth field, its \ooo undone. */
static char *mount_point(char *line)
{
    char *from = line;
    for (int spaces = 0; spaces < 4 && *from != '\0'; from++)
        spaces += *from == ' ';
    char *point = from, *to = from;
    while (*from != ' ' && *from != '\0') {
        if (*from == '\\') {
            *to++ = (char)((from[1] - '0') * 64 + (from[2] - '0') * 8 +
                           (from[3] - '0'));
            from += 4;
        } else {
            *to++ = *from++;
        }
    }
    *to = '\0';
    return point;
}

static bool is_below(const char *path, const char *top)
{
    const char *rest = step_after(path, top);
    return rest != NULL && *rest == '/';
}

static long mount_id(struct child *c, long fd, uint64_t *ret_id)
{
    struct statx st;
    long error = CALL(c, statx, fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &st);
    *ret_id = st.stx_mnt_id;
    return error;
}

/* One that is covered, or that lies outside the new root, is not found under
   its path: another is, or none. */
static long remount_point(struct child *c, const char *point, uint64_t id,
                          const struct mount_attr *attr)
{
    uint64_t found;
    long fd = step_resolve(c, point, O_PATH);
    if (fd == -ENOENT || fd == -ENOTDIR)
        return 0;
    long error = fd < 0 ? fd : mount_id(c, fd, &found);
    if (error == 0 && found == id)
        error = remount_one(c, fd, attr);
    shut(fd);
    return error;
}

static long each_below(struct child *c, const char *top,
                       const struct mount_attr *attr)
{
    struct lines mounts = {.fd = open_mountinfo(c)};
    char *line;
    long error = mounts.fd < 0 ? mounts.fd : 0, more = 0;
    while (error == 0 && (more = step_next_line(c, &mounts, &line)) > 0) {
        const char *point = mount_point(line);
        if (is_below(point, top))
            error = remount_point(c, point, number_of(line), attr);
    }
    shut(mounts.fd);
    return error != 0 ? error : more;
}

static long find_point(struct child *c, uint64_t id, char *ret_path)
{
    struct lines mounts = {.fd = open_mountinfo(c)};
    char *line;
    long more = mounts.fd;
    while (more >= 0 && (more = step_next_line(c, &mounts, &line)) > 0) {
        if (number_of(line) != id)
            continue;
        const char *point = mount_point(line);
        /* the root's own is "/", of which all others are below "" */
        for (more = point[1] == '\0'; point[more] != '\0'; more++)
            *ret_path++ = point[more];
        *ret_path = '\0';
        shut(mounts.fd);
        return 0;
    }
    shut(mounts.fd);
    return more < 0 ? more : -ENOENT;
}

static long remount_below(struct child *c, long fd,
                          const struct mount_attr *attr)
{
    char top[4096];
    uint64_t id;
    long error = mount_id(c, fd, &id);
    if (error == 0)
        error = find_point(c, id, top);
    return error != 0 ? error : each_below(c, top, attr);
}

/* Sets attributes of a mount that is attached, and of all below it. */
long step_set_attrs(struct child *c, long fd, struct mount_attr attr,
                    bool recursive)
{
    long error = set_attrs(c, fd, &attr, recursive);
    if (error != -ENOSYS)
        return error;
    error = remount_one(c, fd, &attr);
    return error == 0 && recursive ? remount_below(c, fd, &attr) : error;
}
