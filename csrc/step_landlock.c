/* Steps that make a Landlock ruleset, while the container's root may still look
   up what it is about, and enter it. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/openat2.h>
#include <linux/stat.h>

#include "landlock.h"
#include "step_ops.h"

/* The kernel makes the descriptor close-on-exec. */
long userns_do_ruleset(struct child *c, const struct step_ruleset *s)
{
    struct landlock_ruleset ruleset = {s->fs, s->net, s->scope};
    long fd = CALL(c, landlock_create_ruleset, &ruleset, sizeof ruleset, 0);
    if (fd < 0)
        return fd;
    *slot(c, s->slot) = (int32_t)fd;
    return 0;
}

/* The kernel refuses rights of directories for a file. */
static long add_path(struct child *c, const struct step_path_rule *s, long fd)
{
    struct landlock_path rule = {s->allow, (int32_t)fd};
    struct statx st;
    long error = step_stat(c, fd, &st);
    if (error != 0)
        return error;
    if ((st.stx_mode & S_IFMT) != S_IFDIR)
        rule.allow &= FS_OF_FILES;
    return CALL(c, landlock_add_rule, *slot(c, s->slot), LANDLOCK_PATH_BENEATH,
                &rule, 0);
}

long userns_do_path_rule(struct child *c, const struct step_path_rule *s)
{
    struct open_how how = {
        .flags = O_PATH | O_CLOEXEC,
        .resolve = RESOLVE_NO_MAGICLINKS,
    };
    long fd = CALL(c, openat2, AT_FDCWD, text(c, s->path), &how, sizeof how);
    if (s->optional && (fd == -ENOENT || fd == -ENOTDIR))
        return 0;
    if (fd < 0) {
        step_find_place(c, AT_FDCWD, text(c, s->path));
        return fd;
    }
    long error = add_path(c, s, fd);
    shut(fd);
    return error;
}

long userns_do_port_rule(struct child *c, const struct step_port_rule *s)
{
    struct landlock_port rule = {s->allow, (uint64_t)s->port};
    return CALL(c, landlock_add_rule, *slot(c, s->slot), LANDLOCK_NET_PORT,
                &rule, 0);
}

long userns_do_landlock(struct child *c, const struct step_landlock *s)
{
    return CALL(c, landlock_restrict_self, *slot(c, s->slot), 0);
}
