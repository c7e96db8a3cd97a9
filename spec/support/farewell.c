/*
 * A host that has something to do at its end, and says so when it does it.  Put
 * before the command line of an interpreter it takes that one's place: farewell
 * lua5.4 SCRIPT.
 */
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>

static void say(void)
{
    puts("farewell");
}

int main(int argc, char **argv)
{
    if (argc != 3 || atexit(say) != 0)
        return 2;
    lua_State *L = luaL_newstate();
    luaL_openlibs(L);
    int failed = luaL_dofile(L, argv[2]);
    if (failed)
        (void)fprintf(stderr, "%s\n", lua_tostring(L, -1));
    lua_close(L);
    return failed;
}
