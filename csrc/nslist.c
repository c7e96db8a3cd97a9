#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>

#include "error.h"
#include "nstype.h"
#include "proc.h"
#include "sys.h"

#define DIRECTORY "userns.directory"

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

void userns_open_nslist(lua_State *L)
{
    static const luaL_Reg metamethods[] = {
        {"__gc", directory_gc},
        {NULL, NULL},
    };
    static const luaL_Reg functions[] = {
        {"namespace_types", sys_namespace_types},
        {"processes", sys_processes},
        {NULL, NULL},
    };
    userns_new_type(L, DIRECTORY, metamethods, /* methods= */ NULL);
    luaL_setfuncs(L, functions, 0);
}
