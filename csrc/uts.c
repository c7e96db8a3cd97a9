#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "check.h"
#include "error.h"
#include "sys.h"

/* __NEW_UTS_LEN: struct utsname has a byte more, for the NUL. */
enum { NAME_LENGTH = 64 };

static const char *check_name(lua_State *L, int arg)
{
    const char *name = userns_check_text(L, arg);
    luaL_argcheck(L, strlen(name) <= NAME_LENGTH, arg, "longer than 64 bytes");
    return name;
}

/***
 * Sets the host name of the caller's uts namespace.
 * @param name string 0 to 64 bytes, any but NUL
 * @return true|nil ok
 * @return userns.Error? err EPERM without CAP_SYS_ADMIN in the namespace's
 * owner
 * @source sethostname(2)
 */
static int sys_sethostname(lua_State *L)
{
    const char *name = check_name(L, 1);
    return userns_result(L, sethostname(name, strlen(name)), "hostname",
                         "sethostname", /* path= */ NULL);
}

/***
 * Sets the NIS domain name of the caller's uts namespace.
 * @param name string 0 to 64 bytes, any but NUL
 * @return true|nil ok
 * @return userns.Error? err EPERM without CAP_SYS_ADMIN in the namespace's
 * owner
 * @source setdomainname(2)
 */
static int sys_setdomainname(lua_State *L)
{
    const char *name = check_name(L, 1);
    return userns_result(L, setdomainname(name, strlen(name)), "domainname",
                         "setdomainname", /* path= */ NULL);
}

/***
 * The host name of the caller's uts namespace.
 * @return string|nil name
 * @return userns.Error? err
 * @source gethostname(2)
 */
static int sys_gethostname(lua_State *L)
{
    struct utsname names;
    if (uname(&names) < 0)
        return userns_fail(L, "hostname", "uname", errno, /* path= */ NULL);
    lua_pushstring(L, names.nodename);
    return 1;
}

/***
 * The NIS domain name of the caller's uts namespace.
 * @return string|nil name "(none)" where nobody set it
 * @return userns.Error? err
 * @source getdomainname(2)
 */
static int sys_getdomainname(lua_State *L)
{
    struct utsname names;
    if (uname(&names) < 0)
        return userns_fail(L, "domainname", "uname", errno, /* path= */ NULL);
    lua_pushstring(L, names.domainname);
    return 1;
}

/***
 * All that the kernel and the caller's uts namespace say of themselves:
 * sysname, nodename, release, version, machine and domainname.
 * @return table<string, string>|nil names
 * @return userns.Error? err
 * @source uname(2)
 */
static int sys_uname(lua_State *L)
{
    struct utsname names;
    if (uname(&names) < 0)
        return userns_fail(L, "uname", "uname", errno, /* path= */ NULL);
    const struct {
        const char *field;
        const char *value;
    } fields[] = {
        {"sysname", names.sysname}, {"nodename", names.nodename},
        {"release", names.release}, {"version", names.version},
        {"machine", names.machine}, {"domainname", names.domainname},
    };
    size_t count = sizeof fields / sizeof fields[0];
    lua_createtable(L, 0, (int)count);
    for (size_t i = 0; i < count; i++) {
        lua_pushstring(L, fields[i].value);
        lua_setfield(L, -2, fields[i].field);
    }
    return 1;
}

void userns_open_uts(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"sethostname", sys_sethostname},
        {"gethostname", sys_gethostname},
        {"setdomainname", sys_setdomainname},
        {"getdomainname", sys_getdomainname},
        {"uname", sys_uname},
        {NULL, NULL},
    };
    luaL_setfuncs(L, functions, 0);
}
