/*
 * The file system of the standard job: what is bound is opened first, while the
 * caller's privilege lasts; then the tree is made from it.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "floor.h"

enum {
    NOSUID = MOUNT_ATTR_NOSUID,
    NODEV = MOUNT_ATTR_NODEV,
    NOEXEC = MOUNT_ATTR_NOEXEC,
    RDONLY = MOUNT_ATTR_RDONLY,
};

struct parameter {
    const char *key;
    const char *value;
};

static const char *const devices[DEVICES] = {"null",   "zero",    "full",
                                             "random", "urandom", "tty"};

static const struct {
    const char *name;
    const char *target;
} links[] = {
    {"fd", "/proc/self/fd"},       {"stdin", "/proc/self/fd/0"},
    {"stdout", "/proc/self/fd/1"}, {"stderr", "/proc/self/fd/2"},
    {"ptmx", "pts/ptmx"},
};

static const char *const masked_paths[] = {
    "/proc/acpi",          "/proc/asound",      "/proc/kcore",
    "/proc/keys",          "/proc/timer_list",  "/proc/timer_stats",
    "/proc/latency_stats", "/proc/sched_debug", "/proc/scsi",
};

static const char *const readonly_paths[] = {
    "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"};

/* Mounts: descriptors of detached trees, attached to resolved targets. */

static int resolve(const char *path)
{
    struct open_how how = {
        .flags = O_PATH | O_CLOEXEC,
        .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
    };
    return (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));
}

static int copy(int directory, const char *path, unsigned int recursive)
{
    unsigned int flags =
        OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | recursive;
    return must(open_tree(directory, path, flags), path);
}

static void restrict_tree(int tree, uint64_t attributes, unsigned int recursive)
{
    struct mount_attr set = {.attr_set = attributes};
    must(mount_setattr(tree, "", AT_EMPTY_PATH | recursive, &set, sizeof(set)),
         "mount_setattr");
}

static int make(const char *type, const struct parameter parameters[],
                unsigned int attributes)
{
    int context = must(fsopen(type, FSOPEN_CLOEXEC), type);
    for (; parameters->key != NULL; parameters++)
        must(fsconfig(context, FSCONFIG_SET_STRING, parameters->key,
                      parameters->value, 0),
             parameters->key);
    must(fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0), type);
    return must(fsmount(context, FSMOUNT_CLOEXEC, attributes), type);
}

static void attach_at(int tree, int target)
{
    must(move_mount(tree, "", target, "",
                    MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH),
         "move_mount");
}

static void attach(int tree, int directory, const char *name)
{
    must(move_mount(tree, "", directory, name, MOVE_MOUNT_F_EMPTY_PATH), name);
}

static void populate_dev(int dev, const int sources[DEVICES])
{
    for (size_t i = 0; i < DEVICES; i++) {
        must(mknodat(dev, devices[i], S_IFREG | 0644, 0), devices[i]);
        attach(sources[i], dev, devices[i]);
    }
    for (size_t i = 0; i < COUNT(links); i++)
        must(symlinkat(links[i].target, dev, links[i].name), links[i].name);
    must(mkdirat(dev, "shm", 01777), "shm");
    must(mkdirat(dev, "pts", 0755), "pts");
    const struct parameter pts[] = {{"ptmxmode", "666"}, {"mode", "620"}, {0}};
    attach(make("devpts", pts, NOSUID | NOEXEC), dev, "pts");
}

static void bind_often(int tmp, const int trees[], long count)
{
    char name[24];
    for (long i = 0; i < count; i++) {
        snprintf(name, sizeof name, "%ld", i + 1);
        must(mkdirat(tmp, name, 0755), name);
        restrict_tree(trees[i], NOSUID | NODEV, AT_RECURSIVE);
        attach(trees[i], tmp, name);
        close(trees[i]);
    }
}

/* One empty tmpfs hides every directory. */
static int empty_tree(int *empty)
{
    const struct parameter none[] = {{0}};
    if (*empty >= 0)
        return copy(*empty, "", 0);
    *empty = make("tmpfs", none, RDONLY | NOSUID | NODEV | NOEXEC);
    return *empty;
}

static void mask(const char *path, int null, int *empty)
{
    struct stat file;
    int target = resolve(path);
    if (target < 0 && errno == ENOENT)
        return;
    must(fstat(must(target, path), &file), path);
    attach_at(S_ISDIR(file.st_mode) ? empty_tree(empty) : copy(null, "", 0),
              target);
}

static void make_readonly(const char *path)
{
    int target = resolve(path);
    if (target < 0 && errno == ENOENT)
        return;
    int tree = copy(must(target, path), "", AT_RECURSIVE);
    restrict_tree(tree, RDONLY, AT_RECURSIVE);
    attach_at(tree, target);
}

static void protect_proc(int null)
{
    int empty = -1;
    for (size_t i = 0; i < COUNT(masked_paths); i++)
        mask(masked_paths[i], null, &empty);
    for (size_t i = 0; i < COUNT(readonly_paths); i++)
        make_readonly(readonly_paths[i]);
}

void open_sources(struct sources *sources, const char *directory)
{
    int dev = must(open("/dev", O_PATH | O_DIRECTORY | O_CLOEXEC), "/dev");
    for (size_t i = 0; i < DEVICES; i++)
        sources->devices[i] = copy(dev, devices[i], 0);
    sources->root = must(open("/", O_PATH | O_DIRECTORY | O_CLOEXEC), "/");
    sources->null = must(open("/dev/null", O_PATH | O_CLOEXEC), "/dev/null");
    sources->directory = copy(AT_FDCWD, directory, AT_RECURSIVE);
    for (long i = 0; i < sources->count; i++)
        sources->binds[i] = copy(AT_FDCWD, directory, AT_RECURSIVE);
}

void make_tree(const struct sources *sources, const char *directory)
{
    const struct parameter none[] = {{0}};
    const struct parameter small[] = {
        {"size", "67108864"}, {"mode", "755"}, {0}};
    const struct parameter sticky[] = {{"mode", "1777"}, {0}};
    restrict_tree(sources->root, RDONLY | NOSUID, AT_RECURSIVE);
    restrict_tree(sources->root, NODEV, 0);
    attach(make("proc", none, NOSUID | NODEV | NOEXEC), AT_FDCWD, "/proc");
    int dev = make("tmpfs", small, NOSUID | NODEV | NOEXEC);
    attach(dev, AT_FDCWD, "/dev");
    populate_dev(dev, sources->devices);
    int tmp = make("tmpfs", sticky, NOSUID | NODEV);
    attach(tmp, AT_FDCWD, "/tmp");
    bind_often(tmp, sources->binds, sources->count);
    restrict_tree(sources->directory, NOSUID | NODEV, AT_RECURSIVE);
    attach(sources->directory, AT_FDCWD, directory);
    protect_proc(sources->null);
}
