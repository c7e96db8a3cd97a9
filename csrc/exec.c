#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "check.h"
#include "error.h"
#include "found.h"
#include "step_ops.h"
#include "sys.h"

/* Room for count strings and the NULL that ends them; the collector's. */
static const char **new_vector(lua_State *L, size_t count)
{
    return lua_newuserdatauv(L, (count + 1) * sizeof(const char *), 0);
}

/* The strings stay in the argument, which stays on the stack: hence no
   lua_geti, which a metatable may answer with others. */
static const char **check_argv(lua_State *L, int arg)
{
    lua_Integer count = userns_check_list(L, arg);
    luaL_argcheck(L, count > 0, arg, "the argument vector is empty");
    const char **argv = new_vector(L, (size_t)count);
    for (lua_Integer i = 0; i < count; i++) {
        lua_rawgeti(L, arg, i + 1);
        luaL_argcheck(L, lua_type(L, -1) == LUA_TSTRING, arg,
                      "the argument vector is a list of strings");
        argv[i] = lua_tostring(L, -1);
        luaL_argcheck(L, strlen(argv[i]) == lua_rawlen(L, -1), arg,
                      "an argument has a NUL byte");
        lua_pop(L, 1);
    }
    argv[count] = NULL;
    return argv;
}

static void check_variable(lua_State *L, int arg)
{
    bool strings =
        lua_type(L, -1) == LUA_TSTRING && lua_type(L, -2) == LUA_TSTRING;
    luaL_argcheck(L, strings, arg, "the environment is a map of strings");
    const char *name = lua_tostring(L, -2);
    luaL_argcheck(L, *name != '\0' && strchr(name, '=') == NULL, arg,
                  "a variable's name is not empty and has no '='");
    luaL_argcheck(L,
                  strlen(name) == lua_rawlen(L, -2) &&
                      strlen(lua_tostring(L, -1)) == lua_rawlen(L, -1),
                  arg, "a variable has a NUL byte");
}

/* "NAME=value" for each entry; the strings are kept alive by a table that is
   left below the vector. */
static const char **check_env(lua_State *L, int arg)
{
    size_t count = 0;
    luaL_checktype(L, arg, LUA_TTABLE);
    for (lua_pushnil(L); lua_next(L, arg) != 0; lua_pop(L, 1)) {
        check_variable(L, arg);
        count++;
    }
    lua_createtable(L, (int)count, 0);
    int kept = lua_gettop(L);
    const char **env = new_vector(L, count);
    count = 0;
    for (lua_pushnil(L); lua_next(L, arg) != 0; lua_pop(L, 1)) {
        lua_pushfstring(L, "%s=%s", lua_tostring(L, -2), lua_tostring(L, -1));
        env[count++] = lua_tostring(L, -1);
        lua_seti(L, kept, (lua_Integer)count);
    }
    env[count] = NULL;
    return env;
}

/* Fails with what can be seen of the program afterwards. */
static int refuse(lua_State *L, int errnum, int fd, const char *path)
{
    char of_fd[FD_PATH_SIZE];
    struct found found = {.item = 1};
    userns_fail(L, "exec", "execveat", errnum, path);
    if (path == NULL)
        step_fd_path(of_fd, fd);
    step_find_program(&found, path != NULL ? path : of_fd);
    userns_set_found(L, &found);
    userns_explain(L);
    lua_pushnil(L);
    lua_setfield(L, -2, "found");
    return 2;
}

/***
 * Replaces the calling process by another program; returns only when that
 * fails.
 * @param program string|integer|file*|userns.Fd a path, or a descriptor that
 *   the program is open on
 * @param argv string[] argv[1] is the program's name for itself
 * @param env table<string, string>? its environment; the caller's when absent
 * @return nil
 * @return userns.Error err ENOENT, EACCES, ENOEXEC, E2BIG ...
 * @source execve(2)
 */
static int sys_exec(lua_State *L)
{
    bool is_path = lua_type(L, 1) == LUA_TSTRING;
    const char *path = is_path ? userns_check_text(L, 1) : "";
    int fd = is_path ? AT_FDCWD : userns_check_fd(L, 1);
    lua_settop(L, 3);
    const char **argv = check_argv(L, 2);
    const void *env =
        lua_isnil(L, 3) ? (const void *)environ : (const void *)check_env(L, 3);
    fflush(NULL);
    (void)syscall(SYS_execveat, fd, path, argv, env,
                  is_path ? 0 : AT_EMPTY_PATH);
    return refuse(L, errno, fd, is_path ? path : NULL);
}

/***
 * Closes a range of descriptors, or has them closed on exec.
 * @param first integer
 * @param last integer? all from first on when absent
 * @param how "close"|"cloexec"|nil "close" when absent
 * @return true|nil ok
 * @return userns.Error? err ENOSYS before Linux 5.9
 * @source close_range(2)
 */
static int sys_close_range(lua_State *L)
{
    static const char *const words[] = {"close", "cloexec", NULL};
    static const int flags[] = {0, CLOSE_RANGE_CLOEXEC};
    lua_Integer first = userns_check_integer(L, 1, 0, INT_MAX);
    lua_Integer last = lua_isnoneornil(L, 2)
                           ? UINT_MAX
                           : userns_check_integer(L, 2, first, INT_MAX);
    int how = luaL_checkoption(L, 3, "close", words);
    return userns_result(L, syscall(SYS_close_range, first, last, flags[how]),
                         "close_range", "close_range", NULL);
}

void userns_open_exec(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"exec", sys_exec},
        {"close_range", sys_close_range},
        {NULL, NULL},
    };
    luaL_setfuncs(L, functions, 0);
}
