#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "check.h"
#include "error.h"
#include "fd.h"
#include "namespace.h"
#include "nstype.h"
#include "sys.h"
#include "target.h"

#define METATABLE "userns.namespace"

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

static struct nshandle *push_closed(lua_State *L)
{
    struct nshandle *ns = lua_newuserdatauv(L, sizeof *ns, 0);
    *ns = (struct nshandle){.fd = -1};
    luaL_setmetatable(L, METATABLE);
    return ns;
}

struct nshandle *userns_check_namespace(lua_State *L, int arg)
{
    struct nshandle *ns = luaL_checkudata(L, arg, METATABLE);
    luaL_argcheck(L, ns->fd >= 0, arg, "closed namespace handle");
    return ns;
}

int userns_namespace_fd(lua_State *L, int arg)
{
    const struct nshandle *ns = luaL_testudata(L, arg, METATABLE);
    return ns == NULL ? -1 : userns_check_namespace(L, arg)->fd;
}

/* Fills in what the descriptor is of.  -1 with errno: ENOTTY for what is none
   of the namespaces there are. */
static int identify(struct nshandle *ns)
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
static int adopt(struct nshandle *ns, int fd)
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

static int fail_mismatch(lua_State *L, struct nshandle *ns,
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
    struct nshandle *ns = push_closed(L);
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
    lua_pushinteger(L, (lua_Integer)userns_check_namespace(L, 1)->ino);
    return 1;
}

/***
 * The kernel's word for the kind of namespace.
 * @return string type
 * @source namespaces(7)
 */
static int namespace_type(lua_State *L)
{
    lua_pushstring(L, userns_check_namespace(L, 1)->type->name);
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
    const struct nshandle *ns = userns_check_namespace(L, 1);
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
    const struct nshandle *ns = userns_check_namespace(L, 1);
    struct nshandle *related = push_closed(L);
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
    int level = count_ancestors(userns_check_namespace(L, 1)->fd);
    if (level < 0)
        return userns_fail(L, "level", "ioctl", errno, /* path= */ NULL);
    lua_pushinteger(L, level);
    return 1;
}

/***
 * The descriptor, which the handle goes on owning.
 * @return integer fd
 * @source namespaces(7)
 */
static int namespace_fileno(lua_State *L)
{
    lua_pushinteger(L, userns_check_namespace(L, 1)->fd);
    return 1;
}

/***
 * Closes the handle; the namespace lives on while anything else holds it.
 * @return true
 * @source namespaces(7)
 */
static int namespace_close(lua_State *L)
{
    struct nshandle *ns = luaL_checkudata(L, 1, METATABLE);
    userns_close_fd(&ns->fd);
    lua_pushboolean(L, true);
    return 1;
}

static int namespace_tostring(lua_State *L)
{
    const struct nshandle *ns = luaL_checkudata(L, 1, METATABLE);
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
    const struct nshandle *a = luaL_testudata(L, 1, METATABLE);
    const struct nshandle *b = luaL_testudata(L, 2, METATABLE);
    lua_pushboolean(L, a != NULL && b != NULL && a->fd >= 0 && b->fd >= 0 &&
                           a->dev == b->dev && a->ino == b->ino);
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
    userns_add_methods(L, METATABLE, userns_namespace_pins);
}

void userns_open_namespace(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"unshare", sys_unshare},
        {"setns", sys_setns},
        {"namespace", sys_namespace},
        {NULL, NULL},
    };
    new_metatable(L);
    luaL_setfuncs(L, functions, 0);
}
