/* The parts of userns.sys.  Each adds its functions to the table on top of the
   stack and leaves it there. */
#ifndef USERNS_SYS_H
#define USERNS_SYS_H

#include "compat.h"

void userns_open_caps(lua_State *L);      /* names of capabilities */
void userns_open_capsets(lua_State *L);   /* capabilities, through libcap */
void userns_open_captext(lua_State *L);   /* capabilities as text, of files */
void userns_open_clone(lua_State *L);     /* clone with a Lua function */
void userns_open_directory(lua_State *L); /* directories by descriptor */
void userns_open_error(lua_State *L);     /* the error object */
void userns_open_exec(lua_State *L);      /* exec, close_range */
void userns_open_fd(lua_State *L);        /* descriptors, pipes, poll */
void userns_open_file(lua_State *L);      /* what files are */
void userns_open_filter(lua_State *L);    /* filters, through libseccomp */
void userns_open_identity(lua_State *L);  /* ids, groups, umask */
void userns_open_idmap(lua_State *L);     /* uid_map, gid_map, setgroups */
void userns_open_ip(lua_State *L);        /* internet addresses */
void userns_open_landlock(lua_State *L);  /* Landlock */
void userns_open_launch(lua_State *L);    /* an arena becomes a child */
void userns_open_mount(lua_State *L);     /* mount, umount, pivot_root */
void userns_open_mountfd(lua_State *L);   /* mounts as descriptors */
void userns_open_namespace(lua_State *L); /* unshare, setns, handles */
void userns_open_netlink(lua_State *L);   /* interfaces, addresses, routes */
void userns_open_nslist(lua_State *L);    /* types of namespace, processes */
void userns_open_pack(lua_State *L);      /* a plan becomes an arena */
void userns_open_pidfd(lua_State *L);     /* what a pidfd tells */
void userns_open_prctl(lua_State *L);     /* prctl in words */
void userns_open_prepared(lua_State *L);  /* children that wait */
void userns_open_probe(lua_State *L);     /* calls that a filter may answer */
void userns_open_process(lua_State *L);   /* processes by pidfd */
void userns_open_seccomp(lua_State *L);   /* filters of system calls */
void userns_open_signals(lua_State *L);   /* signals held back */
void userns_open_terminal(lua_State *L);  /* terminals */
void userns_open_uts(lua_State *L);       /* host and domain name, uname */
void userns_open_words(lua_State *L);     /* the words of settings */

/* Adds a metatable to the registry; methods may be NULL: it has none. */
void userns_new_type(lua_State *L, const char *name,
                     const luaL_Reg *metamethods, const luaL_Reg *methods);

/* Gives a type that has methods more of them. */
void userns_add_methods(lua_State *L, const char *name,
                        const luaL_Reg *methods);

#endif
