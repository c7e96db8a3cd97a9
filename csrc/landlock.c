#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "error.h"
#include "landlock.h"
#include "sys.h"

/***
 * What the kernel's Landlock can do, as the number of its ABI; 0 where there is
 * none.
 * @return integer abi or nil
 * @return userns.Error err
 * @source landlock(7)
 */
static int sys_landlock_abi(lua_State *L)
{
    long abi =
        syscall(SYS_landlock_create_ruleset, NULL, (size_t)0, LANDLOCK_VERSION);
    if (abi < 0 && errno != ENOSYS && errno != EOPNOTSUPP)
        return userns_fail(L, "landlock_abi", "landlock_create_ruleset", errno,
                           NULL);
    lua_pushinteger(L, abi < 0 ? 0 : abi);
    return 1;
}

void userns_open_landlock(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"landlock_abi", sys_landlock_abi},
        {NULL, NULL},
    };
    luaL_setfuncs(L, functions, 0);
}
