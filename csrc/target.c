#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "check.h"
#include "fd.h"
#include "namespace.h"
#include "proc.h"
#include "target.h"

static bool is_object(lua_State *L, int arg)
{
    if (lua_istable(L, arg))
        return true;
    if (!lua_isuserdata(L, arg) ||
        luaL_getmetafield(L, arg, "__index") == LUA_TNIL)
        return false;
    lua_pop(L, 1);
    return true;
}

/* The pid of an object that has one, else 0. */
static pid_t check_pid_field(lua_State *L, int arg)
{
    if (!is_object(L, arg))
        return 0;
    bool absent = lua_getfield(L, arg, "pid") == LUA_TNIL;
    lua_Integer pid = lua_isinteger(L, -1) ? lua_tointeger(L, -1) : 0;
    lua_pop(L, 1);
    luaL_argcheck(L, absent || (1 <= pid && pid <= INT_MAX), arg,
                  "its pid is no process id");
    return (pid_t)pid;
}

static struct target process(pid_t pid, int pidfd)
{
    return (struct target){.kind = TARGET_PROCESS, .pid = pid, .fd = pidfd};
}

static struct target descriptor(int fd)
{
    return (struct target){.kind = TARGET_DESCRIPTOR, .fd = fd};
}

static struct target check_text(lua_State *L, int arg)
{
    const char *text = userns_check_text(L, arg);
    if (strcmp(text, "self") == 0)
        return process(0, -1);
    return (struct target){.kind = TARGET_PATH, .fd = -1, .path = text};
}

/* Nobody may look into a process 1 that stays: its program stands for it. */
static void take_program(lua_State *L, int arg)
{
    if (!is_object(L, arg))
        return;
    if (lua_getfield(L, arg, "program") == LUA_TUSERDATA)
        lua_replace(L, arg);
    else
        lua_pop(L, 1);
}

static struct target check_object(lua_State *L, int arg)
{
    int fd = userns_namespace_fd(L, arg);
    if (fd >= 0)
        return descriptor(fd);
    take_program(L, arg);
    pid_t pid = check_pid_field(L, arg);
    if (pid > 0)
        return process(pid,
                       userns_is_fd(L, arg) ? userns_check_fd(L, arg) : -1);
    luaL_argexpected(L, userns_is_fd(L, arg), arg,
                     "process, namespace, path or descriptor");
    return descriptor(userns_check_fd(L, arg));
}

struct target userns_check_target(lua_State *L, int arg)
{
    switch (lua_type(L, arg)) {
    case LUA_TNUMBER:
        return process((pid_t)userns_check_integer(L, arg, 1, INT_MAX), -1);
    case LUA_TSTRING:
        return check_text(L, arg);
    default:
        return check_object(L, arg);
    }
}

struct target userns_check_process(lua_State *L, int arg)
{
    struct target target = userns_check_target(L, arg);
    luaL_argcheck(L, target.kind == TARGET_PROCESS, arg,
                  "process expected (a pid, \"self\" or a process handle)");
    return target;
}

void userns_process_path(struct target process, const char *self,
                         const char *file, char ret_path[USERNS_PROC_PATH])
{
    if (process.pid == 0)
        (void)snprintf(ret_path, USERNS_PROC_PATH, "/proc/%s/%s", self, file);
    else
        (void)snprintf(ret_path, USERNS_PROC_PATH, "/proc/%d/%s",
                       (int)process.pid, file);
}

/* A process that was not reaped yet keeps its number. */
static bool has_its_pid(int pidfd)
{
    return syscall(SYS_pidfd_send_signal, pidfd, 0, NULL, 0) == 0 ||
           errno == EPERM;
}

int userns_open_process_file(struct target process, const char *path, int flags,
                             const char **ret_syscall)
{
    *ret_syscall = "readlink";
    if (process.pid != 0 && userns_check_proc() != 0)
        return -1;
    *ret_syscall = "open";
    int fd = open(path, flags | O_CLOEXEC);
    if (fd >= 0 && process.fd >= 0 && !has_its_pid(process.fd)) {
        *ret_syscall = "pidfd_send_signal";
        userns_close_fd(&fd);
    }
    return fd;
}
