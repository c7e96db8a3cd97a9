#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "check.h"
#include "error.h"
#include "fd.h"
#include "namespace.h"
#include "target.h"

/* A path that leads to an open file without looking its name up again. */
static void magic_path(int fd, char ret_path[USERNS_PROC_PATH])
{
    (void)snprintf(ret_path, USERNS_PROC_PATH, "/proc/thread-self/fd/%d", fd);
}

/* The file to mount on: a new one, or the one there is. */
static int open_place(const char *path, bool *ret_created)
{
    int fd = open(path, O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, /* mode= */ 0);
    *ret_created = fd >= 0;
    if (fd < 0 && errno == EEXIST)
        fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    return fd;
}

/* A pin is not put over a symbolic link, nor over another pin, which it would
   hide.  0 or an errno. */
static int place_error(int place)
{
    struct stat file;
    struct statfs fs;
    if (fstat(place, &file) < 0 || fstatfs(place, &fs) < 0)
        return errno;
    if (S_ISLNK(file.st_mode))
        return ELOOP;
    return fs.f_type == NSFS_MAGIC ? EBUSY : 0;
}

static int attach(int fd, int place)
{
    char source[USERNS_PROC_PATH];
    char target[USERNS_PROC_PATH];
    magic_path(fd, source);
    magic_path(place, target);
    errno = place_error(place);
    return errno != 0 ? -1
                      : mount(source, target, /* type= */ NULL, MS_BIND,
                              /* data= */ NULL);
}

/***
 * Keeps the namespace alive without a process: mounts its file on a path, which
 * is created when missing and removed again when that fails.  A mount namespace
 * can only be pinned from an older one (else EINVAL).
 * @param path string
 * @return true|nil ok
 * @return userns.Error? err EBUSY where a namespace is pinned already
 * @source namespaces(7)
 */
static int namespace_pin(lua_State *L)
{
    const struct nshandle *ns = userns_check_namespace(L, 1);
    const char *path = userns_check_text(L, 2);
    bool created;
    int place = open_place(path, &created);
    if (place < 0)
        return userns_refuse(L, "pin", "open", errno, path);
    int errnum = attach(ns->fd, place) < 0 ? errno : 0;
    userns_close_fd(&place);
    if (errnum != 0 && created)
        (void)unlink(path);
    if (errnum != 0)
        return userns_refuse(L, "pin", "mount", errnum, path);
    lua_pushboolean(L, true);
    return 1;
}

static int detach(const struct nshandle *ns, int place)
{
    struct stat file;
    char target[USERNS_PROC_PATH];
    if (fstat(place, &file) < 0)
        return -1;
    if (file.st_dev != ns->dev || file.st_ino != ns->ino) {
        errno = EINVAL;
        return -1;
    }
    magic_path(place, target);
    /* Without MNT_DETACH our own descriptor would keep the mount busy. */
    return umount2(target, MNT_DETACH);
}

/* Removes nothing but what pin could have created. */
static int remove_empty(const char *path)
{
    struct stat file;
    if (lstat(path, &file) < 0)
        return -1;
    return S_ISREG(file.st_mode) && file.st_size == 0 ? unlink(path) : 0;
}

/***
 * Undoes pin: unmounts this namespace from a path and removes the empty file
 * below.
 * @param path string
 * @return true|nil ok
 * @return userns.Error? err EINVAL where this namespace is not pinned
 * @source namespaces(7)
 */
static int namespace_unpin(lua_State *L)
{
    const struct nshandle *ns = userns_check_namespace(L, 1);
    const char *path = userns_check_text(L, 2);
    int place = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (place < 0)
        return userns_refuse(L, "unpin", "open", errno, path);
    int result = detach(ns, place);
    userns_close_fd(&place);
    if (result < 0)
        return userns_refuse(L, "unpin", "umount2", errno, path);
    return userns_result(L, remove_empty(path), "unpin", "unlink", path);
}

const luaL_Reg userns_namespace_pins[] = {
    {"pin", namespace_pin},
    {"unpin", namespace_unpin},
    {NULL, NULL},
};
