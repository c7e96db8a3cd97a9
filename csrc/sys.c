#include <string.h>

#include "sys.h"

#if defined(__GNUC__)
__attribute__((visibility("default")))
#endif
int luaopen_userns_sys(lua_State *L);

/* What is read from text files is better said in Lua; it is found here by its
   name all the same, and loaded when it is asked for. */
static const struct {
    const char *name;
    const char *module;
    const char *function;
} in_lua[] = {
    {"mountinfo", "userns.mountinfo", "read"},
    {"namespaces", "userns.namespaces", "list"},
    {"newgidmap", "userns.idtools", "newgidmap"},
    {"newuidmap", "userns.idtools", "newuidmap"},
    {"subids", "userns.subids", "of"},
};

static int sys_index(lua_State *L)
{
    const char *name = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "";
    for (size_t i = 0; i < sizeof in_lua / sizeof in_lua[0]; i++) {
        if (strcmp(in_lua[i].name, name) != 0)
            continue;
        lua_getglobal(L, "require");
        lua_pushstring(L, in_lua[i].module);
        lua_call(L, 1, 1);
        lua_getfield(L, -1, in_lua[i].function);
        lua_pushvalue(L, -1);
        lua_setfield(L, 1, name);
        return 1;
    }
    return 0;
}

void userns_new_type(lua_State *L, const char *name,
                     const luaL_Reg *metamethods, const luaL_Reg *methods)
{
    luaL_newmetatable(L, name);
    luaL_setfuncs(L, metamethods, 0);
    if (methods != NULL) {
        lua_newtable(L);
        luaL_setfuncs(L, methods, 0);
        lua_setfield(L, -2, "__index");
    }
    lua_pop(L, 1);
}

void userns_add_methods(lua_State *L, const char *name, const luaL_Reg *methods)
{
    luaL_getmetatable(L, name);
    lua_getfield(L, -1, "__index");
    luaL_setfuncs(L, methods, 0);
    lua_pop(L, 2);
}

/* One table, filled part by part. */
int luaopen_userns_sys(lua_State *L)
{
    luaL_checkversion(L);
    lua_newtable(L);
    userns_open_error(L);
    userns_open_fd(L);
    userns_open_file(L);
    userns_open_process(L);
    userns_open_clone(L);
    userns_open_directory(L);
    userns_open_exec(L);
    userns_open_pack(L);
    userns_open_pidfd(L);
    userns_open_launch(L);
    userns_open_prepared(L);
    userns_open_namespace(L);
    userns_open_nslist(L);
    userns_open_netlink(L);
    userns_open_ip(L);
    userns_open_uts(L);
    userns_open_idmap(L);
    userns_open_mount(L);
    userns_open_mountfd(L);
    userns_open_identity(L);
    userns_open_prctl(L);
    userns_open_probe(L);
    userns_open_caps(L);
    userns_open_capsets(L);
    userns_open_captext(L);
    userns_open_seccomp(L);
    userns_open_filter(L);
    userns_open_landlock(L);
    userns_open_words(L);
    userns_open_signals(L);
    userns_open_terminal(L);
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, sys_index);
    lua_setfield(L, -2, "__index");
    lua_setmetatable(L, -2);
    return 1;
}
