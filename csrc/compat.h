/*
 * The Lua C API, as far as 5.3, 5.4 and 5.5 have it in common.  Every other C
 * file that talks to Lua includes this header and nothing else of Lua's.
 */
#ifndef USERNS_COMPAT_H
#define USERNS_COMPAT_H

#include <lauxlib.h>
#include <lua.h>

#if LUA_VERSION_NUM < 504
#define lua_newuserdatauv(L, size, values) lua_newuserdata(L, size)
#define luaL_argexpected(L, cond, arg, name)                                   \
    luaL_argcheck(L, cond, arg, name " expected")
#endif

#endif
