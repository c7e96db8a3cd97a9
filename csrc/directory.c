#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "check.h"
#include "error.h"
#include "fd.h"
#include "sys.h"

/***
 * Makes a directory in one that is open, whatever became of that one's path.
 * @param directory integer|file*|userns.Fd
 * @param name string of one component
 * @param mode integer|string? permission bits less the umask; 0755 when absent
 * @return true|nil ok
 * @return userns.Error? err EEXIST, EACCES, EROFS ...
 * @source mkdirat(2)
 */
static int sys_mkdirat(lua_State *L)
{
    int directory = userns_check_fd(L, 1);
    const char *name = userns_check_name(L, 2);
    mode_t mode = lua_isnoneornil(L, 3) ? 0755 : userns_check_mode(L, 3);
    return userns_result(L, mkdirat(directory, name, mode), "mkdirat",
                         "mkdirat", name);
}

/***
 * Removes a directory from one that is open.
 * @param directory integer|file*|userns.Fd
 * @param name string of one component
 * @return true|nil ok
 * @return userns.Error? err ENOENT, ENOTEMPTY; EBUSY for a cgroup in use
 * @source unlinkat(2)
 */
static int sys_rmdirat(lua_State *L)
{
    int directory = userns_check_fd(L, 1);
    const char *name = userns_check_name(L, 2);
    return userns_result(L, unlinkat(directory, name, AT_REMOVEDIR), "rmdirat",
                         "unlinkat", name);
}

static bool is_below(const struct dirent64 *entry)
{
    return entry->d_type == DT_DIR && strcmp(entry->d_name, ".") != 0 &&
           strcmp(entry->d_name, "..") != 0;
}

/***
 * The names of the directories in one that is open.
 * @param directory integer|file*|userns.Fd
 * @return string[]? names
 * @return userns.Error? err
 * @source getdents(2)
 */
static int sys_directories(lua_State *L)
{
    char buffer[16384] __attribute__((aligned(8)));
    int directory = userns_check_fd(L, 1);
    lua_Integer count = 0;
    long size;
    lua_settop(L, 1);
    int *own = userns_push_fd(L); /* with an offset of its own */
    *own = userns_above_stdio(
        openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (*own < 0)
        return userns_fail(L, "directories", "openat", errno, NULL);
    lua_newtable(L);
    while ((size = syscall(SYS_getdents64, *own, buffer, sizeof buffer)) > 0) {
        const struct dirent64 *entry;
        for (long at = 0; at < size; at += entry->d_reclen) {
            entry = (const struct dirent64 *)(const void *)(buffer + at);
            if (!is_below(entry))
                continue;
            lua_pushstring(L, entry->d_name);
            lua_rawseti(L, -2, ++count);
        }
    }
    userns_close_fd(own);
    if (size < 0)
        return userns_fail(L, "directories", "getdents64", errno, NULL);
    return 1;
}

void userns_open_directory(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"directories", sys_directories},
        {"mkdirat", sys_mkdirat},
        {"rmdirat", sys_rmdirat},
        {NULL, NULL},
    };
    luaL_setfuncs(L, functions, 0);
}
