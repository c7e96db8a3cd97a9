#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "check.h"
#include "error.h"
#include "fd.h"
#include "nstype.h"
#include "proc.h"
#include "sys.h"
#include "target.h"

#define METATABLE "userns.namespace"
#define DIRECTORY "userns.directory"

/* Two descriptors are of one namespace when device and inode are the same. */
struct handle {
    int fd; /* -1 when closed */
    const struct nstype *type;
    dev_t dev;
    ino_t ino;
};

static int check_flags(lua_State *L, int arg)
{
    uint64_t flags = userns_check_namespaces(L, arg);
    luaL_argcheck(L, flags != 0, arg, "at least one namespace expected");
    return (int)flags;
}

/***
 * Puts the caller's thread into new namespaces.
 * @param namespaces string|string[] as in /proc/PID/ns; not empty
 * @return true|nil ok
 * @return userns.Error? err
 * @source unshare(2)
 */
static int sys_unshare(lua_State *L)
{
    int flags = check_flags(L, 1);
    return userns_result(L, unshare(flags), "unshare", "unshare",
                         /* path= */ NULL);
}

/* O_NONBLOCK: opening a FIFO would wait for a writer. */
static int open_path(const char *path)
{
    return open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
}

/* A descriptor that setns takes: the target's own, or a new one. */
static int join_fd(struct target target, const char **ret_syscall)
{
    if (target.fd >= 0)
        return target.fd;
    if (target.kind == TARGET_PATH) {
        *ret_syscall = "open";
        return open_path(target.path);
    }
    *ret_syscall = "pidfd_open";
    pid_t pid = target.pid == 0 ? getpid() : target.pid;
    return (int)syscall(SYS_pidfd_open, pid, 0);
}

/***
 * Joins existing namespaces: the one that a handle, descriptor or path is of,
 * or several of a process at once.  A pid or time namespace is for children.
 * @param target integer|string|file*|table|userns.Process|userns.Namespace
 * @param namespaces? string|string[] which; must be given for a process
 * @return true|nil ok
 * @return userns.Error? err
 * @source setns(2)
 */
static int sys_setns(lua_State *L)
{
    struct target target = userns_check_target(L, 1);
    int flags = lua_isnoneornil(L, 2) ? 0 : check_flags(L, 2);
    luaL_argcheck(L, flags != 0 || target.kind != TARGET_PROCESS, 2,
                  "a process has several namespaces: which to join?");
    const char *call = NULL;
    int fd = join_fd(target, &call);
    if (fd < 0)
        return userns_refuse(L, "setns", call, errno, target.path);
    int result = setns(fd, flags);
    if (fd != target.fd)
        userns_close_fd(&fd);
    return userns_result(L, result, "setns", "setns", target.path);
}

static struct handle *push_closed(lua_State *L)
{
    struct handle *ns = lua_newuserdatauv(L, sizeof *ns, 0);
    *ns = (struct handle){.fd = -1};
    luaL_setmetatable(L, METATABLE);
    return ns;
}

static struct handle *check_namespace(lua_State *L, int arg)
{
    struct handle *ns = luaL_checkudata(L, arg, METATABLE);
    luaL_argcheck(L, ns->fd >= 0, arg, "closed namespace handle");
    return ns;
}

int userns_namespace_fd(lua_State *L, int arg)
{
    const struct handle *ns = luaL_testudata(L, arg, METATABLE);
    return ns == NULL ? -1 : check_namespace(L, arg)->fd;
}

/* Fills in what the descriptor is of.  -1 with errno: ENOTTY for what is none
   of the namespaces there are. */
static int identify(struct handle *ns)
{
    struct stat file;
    int flag = ioctl(ns->fd, NS_GET_NSTYPE);
    if (flag < 0 || fstat(ns->fd, &file) < 0)
        return -1;
    ns->type = userns_nstype_by_flag((uint64_t)flag);
    ns->dev = file.st_dev;
    ns->ino = file.st_ino;
    errno = ENOTTY;
    return ns->type == NULL ? -1 : 0;
}

/* Takes fd over, if it is a namespace's.  -1 with errno, as for fd -1. */
static int adopt(struct handle *ns, int fd)
{
    ns->fd = userns_above_stdio(fd);
    if (ns->fd < 0)
        return -1;
    int result = identify(ns);
    if (result < 0)
        userns_close_fd(&ns->fd);
    return result;
}

static const struct nstype *check_type(lua_State *L, int arg)
{
    const char *name = userns_check_text(L, arg);
    const struct nstype *type = userns_nstype_by_name(name);
    if (type == NULL)
        luaL_argerror(L, arg,
                      lua_pushfstring(L, "unknown namespace '%s'", name));
    return type;
}

static int open_target(struct target target, const char *path,
                       const char **ret_syscall)
{
    switch (target.kind) {
    case TARGET_PROCESS:
        return userns_open_process_file(target, path, O_RDONLY, ret_syscall);
    case TARGET_DESCRIPTOR:
        *ret_syscall = "fcntl";
        return fcntl(target.fd, F_DUPFD_CLOEXEC, 3);
    case TARGET_PATH:
    default:
        *ret_syscall = "open";
        return open_path(path);
    }
}

/* What the target is instead of a namespace of the type asked for. */
static int fail_type(lua_State *L, int errnum, const char *path,
                     const char *cause, const char *message)
{
    userns_refuse(L, "namespace", "ioctl", errnum, path);
    lua_pushstring(L, cause);
    lua_setfield(L, -2, "cause");
    lua_pushstring(L, message);
    lua_setfield(L, -2, "message");
    return 2;
}

static int fail_mismatch(lua_State *L, struct handle *ns,
                         const struct nstype *type, const char *path)
{
    const char *message = lua_pushfstring(L, "a %s namespace, not %s",
                                          ns->type->name, type->name);
    userns_close_fd(&ns->fd);
    return fail_type(L, EINVAL, path, "type_mismatch", message);
}

static int push_namespace(lua_State *L, const struct nstype *type, int arg)
{
    struct target target = userns_check_target(L, arg);
    char process_path[USERNS_PROC_PATH];
    const char *path = target.path;
    const char *call;
    if (target.kind == TARGET_PROCESS) {
        userns_process_path(target, "thread-self", type->file, process_path);
        path = process_path;
    }
    struct handle *ns = push_closed(L);
    int fd = open_target(target, path, &call);
    if (fd < 0)
        return userns_refuse(L, "namespace", call, errno, path);
    if (adopt(ns, fd) < 0)
        return errno == ENOTTY
                   ? fail_type(L, ENOTTY, path, "not_ns_fd", "not a namespace")
                   : userns_fail(L, "namespace", "ioctl", errno, path);
    return ns->type == type ? 1 : fail_mismatch(L, ns, type, path);
}

int userns_push_namespace(lua_State *L, const char *type, int arg)
{
    return push_namespace(L, userns_nstype_by_name(type), arg);
}

/***
 * A handle on an existing namespace.
 * @param type string as in /proc/PID/ns
 * @param target integer|string|file*|table|userns.Process|userns.Namespace
 * @return userns.Namespace|nil namespace
 * @return userns.Error? err EACCES for a process that may not be traced
 * @source namespaces(7)
 */
static int sys_namespace(lua_State *L)
{
    return push_namespace(L, check_type(L, 1), 2);
}

/***
 * The inode number: what /proc/PID/ns and lsns(8) show.
 * @return integer id
 * @source namespaces(7)
 */
static int namespace_id(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)check_namespace(L, 1)->ino);
    return 1;
}

/***
 * The kernel's word for the kind of namespace.
 * @return string type
 * @source namespaces(7)
 */
static int namespace_type(lua_State *L)
{
    lua_pushstring(L, check_namespace(L, 1)->type->name);
    return 1;
}

/***
 * The user who made the user namespace, or the one that this namespace belongs
 * to; the overflow id (65534) where the caller's namespace does not map it.
 * @return integer|nil uid
 * @return userns.Error? err EPERM where the user namespace is out of sight
 * @source ioctl_ns(2)
 */
static int namespace_owner(lua_State *L)
{
    const struct handle *ns = check_namespace(L, 1);
    uid_t uid;
    int owner = -1;
    int fd = ns->fd;
    if (ns->type->flag != CLONE_NEWUSER)
        fd = owner = ioctl(ns->fd, NS_GET_USERNS);
    int result = fd < 0 ? fd : ioctl(fd, NS_GET_OWNER_UID, &uid);
    userns_close_fd(&owner);
    if (result < 0)
        return userns_fail(L, "owner", "ioctl", errno, /* path= */ NULL);
    lua_pushinteger(L, uid);
    return 1;
}

static int push_related(lua_State *L, unsigned long request, const char *op)
{
    const struct handle *ns = check_namespace(L, 1);
    struct handle *related = push_closed(L);
    if (adopt(related, ioctl(ns->fd, request)) < 0)
        return userns_fail(L, op, "ioctl", errno, /* path= */ NULL);
    return 1;
}

/***
 * The namespace that a user or pid namespace was made in; the other types have
 * none (EINVAL).
 * @return userns.Namespace|nil parent
 * @return userns.Error? err EPERM for one that is out of sight, or the first
 * @source ioctl_ns(2)
 */
static int namespace_parent(lua_State *L)
{
    return push_related(L, NS_GET_PARENT, "parent");
}

/***
 * The user namespace that has a say over this one.
 * @return userns.Namespace|nil userns
 * @return userns.Error? err EPERM where it is out of sight
 * @source ioctl_ns(2)
 */
static int namespace_userns(lua_State *L)
{
    return push_related(L, NS_GET_USERNS, "userns");
}

/* The number of ancestors in sight, or -1.  The kernel nests user and pid
   namespaces no deeper than 33, and so no more descriptors are open at once. */
static int count_ancestors(int fd)
{
    int parent = ioctl(fd, NS_GET_PARENT);
    if (parent < 0)
        return errno == EPERM ? 0 : -1;
    int above = count_ancestors(parent);
    userns_close_fd(&parent);
    return above < 0 ? above : above + 1;
}

/***
 * How deep a user or pid namespace is nested, as far as the caller can see: 0
 * for the initial one, the caller's own, and those that it cannot look above.
 * @return integer|nil level
 * @return userns.Error? err EINVAL for the other types
 * @source ioctl_ns(2)
 */
static int namespace_level(lua_State *L)
{
    int level = count_ancestors(check_namespace(L, 1)->fd);
    if (level < 0)
        return userns_fail(L, "level", "ioctl", errno, /* path= */ NULL);
    lua_pushinteger(L, level);
    return 1;
}

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
    const struct handle *ns = check_namespace(L, 1);
    const char *path = userns_check_text(L, 2);
    bool created;
    int place = open_place(path, &created);
    if (place < 0)
        return userns_fail(L, "pin", "open", errno, path);
    int errnum = attach(ns->fd, place) < 0 ? errno : 0;
    userns_close_fd(&place);
    if (errnum != 0 && created)
        (void)unlink(path);
    if (errnum != 0)
        return userns_refuse(L, "pin", "mount", errnum, path);
    lua_pushboolean(L, true);
    return 1;
}

static int detach(const struct handle *ns, int place)
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
    const struct handle *ns = check_namespace(L, 1);
    const char *path = userns_check_text(L, 2);
    int place = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (place < 0)
        return userns_fail(L, "unpin", "open", errno, path);
    int result = detach(ns, place);
    userns_close_fd(&place);
    if (result < 0)
        return userns_fail(L, "unpin", "umount2", errno, path);
    return userns_result(L, remove_empty(path), "unpin", "unlink", path);
}

/***
 * The descriptor, which the handle goes on owning.
 * @return integer fd
 * @source namespaces(7)
 */
static int namespace_fileno(lua_State *L)
{
    lua_pushinteger(L, check_namespace(L, 1)->fd);
    return 1;
}

/***
 * Closes the handle; the namespace lives on while anything else holds it.
 * @return true
 * @source namespaces(7)
 */
static int namespace_close(lua_State *L)
{
    struct handle *ns = luaL_checkudata(L, 1, METATABLE);
    userns_close_fd(&ns->fd);
    lua_pushboolean(L, true);
    return 1;
}

static int namespace_tostring(lua_State *L)
{
    const struct handle *ns = luaL_checkudata(L, 1, METATABLE);
    if (ns->fd < 0)
        lua_pushliteral(L, METATABLE " (closed)");
    else
        lua_pushfstring(L, METATABLE " (%s %I)", ns->type->name,
                        (LUAI_UACINT)ns->ino);
    return 1;
}

/* A closed handle equals only itself: its inode may be another's by now. */
static int namespace_eq(lua_State *L)
{
    const struct handle *a = luaL_testudata(L, 1, METATABLE);
    const struct handle *b = luaL_testudata(L, 2, METATABLE);
    lua_pushboolean(L, a != NULL && b != NULL && a->fd >= 0 && b->fd >= 0 &&
                           a->dev == b->dev && a->ino == b->ino);
    return 1;
}

static void close_directory(DIR **directory)
{
    if (*directory != NULL)
        (void)closedir(*directory);
    *directory = NULL;
}

static int directory_gc(lua_State *L)
{
    close_directory(luaL_checkudata(L, 1, DIRECTORY));
    return 0;
}

static DIR **push_directory(lua_State *L)
{
    DIR **directory = lua_newuserdatauv(L, sizeof(DIR *), 0);
    *directory = NULL;
    luaL_setmetatable(L, DIRECTORY);
    return directory;
}

/***
 * The kinds of namespace there are; what makes others comes first.
 * @return string[] types as in /proc/PID/ns
 * @source namespaces(7)
 */
static int sys_namespace_types(lua_State *L)
{
    lua_newtable(L);
    for (lua_Integer i = 0; userns_nstypes[i].name != NULL; i++) {
        lua_pushstring(L, userns_nstypes[i].name);
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}

/***
 * The pids of the processes that /proc shows, in ascending order.
 * @return integer[]|nil pids
 * @return userns.Error? err ESRCH where /proc is of another pid namespace
 * @source proc(5)
 */
static int sys_processes(lua_State *L)
{
    const struct dirent *entry;
    lua_Integer count = 0;
    if (userns_check_proc() != 0)
        return userns_refuse(L, "processes", "readlink", errno, "/proc/self");
    lua_newtable(L);
    DIR **directory = push_directory(L);
    *directory = opendir("/proc");
    if (*directory == NULL)
        return userns_fail(L, "processes", "open", errno, "/proc");
    while ((entry = readdir(*directory)) != NULL) {
        long pid = strtol(entry->d_name, /* end= */ NULL, 10);
        if (pid > 0) {
            lua_pushinteger(L, pid);
            lua_rawseti(L, -3, ++count);
        }
    }
    close_directory(directory);
    lua_pop(L, 1);
    return 1;
}

static void new_metatable(lua_State *L)
{
    static const luaL_Reg methods[] = {
        {"id", namespace_id},
        {"type", namespace_type},
        {"owner", namespace_owner},
        {"parent", namespace_parent},
        {"userns", namespace_userns},
        {"level", namespace_level},
        {"pin", namespace_pin},
        {"unpin", namespace_unpin},
        {"fileno", namespace_fileno},
        {"close", namespace_close},
        {NULL, NULL},
    };
    static const luaL_Reg metamethods[] = {
        {"__gc", namespace_close},
        {"__close", namespace_close},
        {"__tostring", namespace_tostring},
        {"__eq", namespace_eq},
        {NULL, NULL},
    };
    userns_new_type(L, METATABLE, metamethods, methods);
}

void userns_open_namespace(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"unshare", sys_unshare},     {"setns", sys_setns},
        {"namespace", sys_namespace}, {"namespace_types", sys_namespace_types},
        {"processes", sys_processes}, {NULL, NULL},
    };
    new_metatable(L);
    luaL_newmetatable(L, DIRECTORY);
    lua_pushcfunction(L, directory_gc);
    lua_setfield(L, -2, "__gc");
    lua_pop(L, 1);
    luaL_setfuncs(L, functions, 0);
}
