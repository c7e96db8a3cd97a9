/* An existing namespace that Lua holds: userdata "userns.namespace". */
#ifndef USERNS_NAMESPACE_H
#define USERNS_NAMESPACE_H

#include <sys/types.h>

#include "compat.h"

struct nstype;

/* Two descriptors are of one namespace when device and inode are the same. */
struct nshandle {
    int fd; /* -1 when closed */
    const struct nstype *type;
    dev_t dev;
    ino_t ino;
};

/* The handle at arg, which must be open. */
struct nshandle *userns_check_namespace(lua_State *L, int arg);

/* The descriptor of a namespace handle, which must be open; -1 for a value that
   is no namespace handle. */
int userns_namespace_fd(lua_State *L, int arg);

/* Pushes a handle on the namespace of a type that the target at arg is of, and
   returns 1; else nil and an error, and returns 2. */
int userns_push_namespace(lua_State *L, const char *type, int arg);

/* The methods that pin one to a path (nspin.c). */
extern const luaL_Reg userns_namespace_pins[];

#endif
