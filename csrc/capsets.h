/* Capability sets: those of a process, and the three of libcap's objects. */
#ifndef USERNS_CAPSETS_H
#define USERNS_CAPSETS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/capability.h>
#include <sys/types.h>

#include "compat.h"

/* The first ones are capset(2)'s, and numbered as in libcap. */
enum {
    EFFECTIVE = CAP_EFFECTIVE,
    PERMITTED = CAP_PERMITTED,
    INHERITABLE = CAP_INHERITABLE,
    SETTABLE,
    BOUNDING = SETTABLE,
    AMBIENT,
    SETS,
};

/* What is to be laid over sets: those that are not given stay. */
struct change {
    bool given[SETTABLE];
    uint64_t bits[SETTABLE];
};

/* A table with any of effective, permitted and inheritable. */
struct change userns_check_capsets(lua_State *L, int arg);

/* Pushes a table with so many sets, the first ones: a list of names each. */
void userns_push_capsets(lua_State *L, const uint64_t *bits, int count);

/* The number of a process or thread; 0, the calling one, for nil or "self". */
pid_t userns_opt_thread(lua_State *L, int arg);

/*
 * Plain C around libcap's objects: from a cap_get_ to its cap_free nothing
 * touches Lua.
 */

/* What an object has in its sets; lays a change over them. */
void userns_get_cap_flags(cap_t caps, uint64_t ret_bits[SETTABLE]);
void userns_set_cap_flags(cap_t caps, const struct change *change);

/* Frees what libcap allocated, or NULL, and keeps errno. */
void userns_free_cap(void *object);

#endif
