#include "sys.h"

#if defined(__GNUC__)
__attribute__((visibility("default")))
#endif
int luaopen_userns_sys(lua_State *L);

/* One table, filled part by part. */
int luaopen_userns_sys(lua_State *L)
{
    luaL_checkversion(L);
    lua_newtable(L);
    userns_open_error(L);
    userns_open_fd(L);
    userns_open_process(L);
    userns_open_clone(L);
    userns_open_exec(L);
    userns_open_pack(L);
    userns_open_launch(L);
    userns_open_namespace(L);
    userns_open_uts(L);
    userns_open_idmap(L);
    userns_open_mount(L);
    userns_open_mountfd(L);
    userns_open_identity(L);
    userns_open_prctl(L);
    userns_open_caps(L);
    return 1;
}
