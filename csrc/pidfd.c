#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <unistd.h>

#include "error.h"
#include "fd.h"
#include "pidfd.h"
#include "process.h"
#include "sys.h"
#include "target.h"

static void set_integer(lua_State *L, const char *field, lua_Integer value)
{
    lua_pushinteger(L, value);
    lua_setfield(L, -2, field);
}

/***
 * What the kernel tells of a process by its pidfd: its number and its parent's
 * (0 for one of another pid namespace), and its effective ids, as the caller
 * sees them.
 * @param process integer|"self"|userns.Process a pid, or a handle
 * @return { pid: integer, parent: integer, uid: integer, gid: integer }? info
 * @return userns.Error? err ESRCH; ENOTTY before Linux 6.13
 * @source pidfd_open(2)
 */
static int sys_pidfd_info(lua_State *L)
{
    struct target target = userns_check_process(L, 1);
    struct pidfd_info info = {0};
    int own = -1;
    if (target.fd < 0) {
        own = userns_pidfd_open(target.pid == 0 ? getpid() : target.pid);
        if (own < 0)
            return userns_fail(L, "pidfd_info", "pidfd_open", errno, NULL);
    }
    int result = ioctl(own >= 0 ? own : target.fd, PIDFD_GET_INFO, &info);
    int errnum = errno;
    userns_close_fd(&own);
    if (result != 0)
        return userns_fail(L, "pidfd_info", "ioctl", errnum, NULL);
    lua_createtable(L, 0, 4);
    set_integer(L, "pid", info.pid);
    set_integer(L, "parent", info.ppid);
    set_integer(L, "uid", info.euid);
    set_integer(L, "gid", info.egid);
    return 1;
}

void userns_open_pidfd(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"pidfd_info", sys_pidfd_info},
        {NULL, NULL},
    };
    luaL_setfuncs(L, functions, 0);
}
