#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <linux/securebits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/capability.h>

#include "caps.h"
#include "check.h"
#include "sys.h"

/* In the registry, made once: under every accepted word its bits, and under
   every number the name that the library gives it. */
#define NAMES "userns.capabilities"

int userns_last_cap(void)
{
    return cap_max_bits() - 1;
}

static void add_word(lua_State *L, const char *word, uint64_t bits)
{
    lua_pushinteger(L, (lua_Integer)bits);
    lua_setfield(L, -2, word);
}

/* In ASCII: toupper depends on the locale, and some change "i" otherwise. */
static void make_upper(char *text)
{
    for (; *text != '\0'; text++)
        if ('a' <= *text && *text <= 'z')
            *text = (char)(*text - 'a' + 'A');
}

/* A capability that is younger than libcap has its number for a name. */
static void add_capability(lua_State *L, int cap)
{
    char full[64];
    char *text = cap_to_name(cap);
    if (text == NULL)
        luaL_error(L, "no name for capability %d", cap);
    (void)snprintf(full, sizeof full, "%s", text);
    (void)cap_free(text);
    const char *name = strncmp(full, "cap_", 4) == 0 ? full + 4 : full;
    lua_pushstring(L, name);
    lua_rawseti(L, -2, cap);
    add_word(L, name, userns_cap_bit(cap));
    add_word(L, full, userns_cap_bit(cap));
    make_upper(full);
    add_word(L, full, userns_cap_bit(cap));
}

static void register_names(lua_State *L)
{
    uint64_t all = 0;
    lua_newtable(L);
    for (int cap = 0; cap <= userns_last_cap(); cap++) {
        add_capability(L, cap);
        all |= userns_cap_bit(cap);
    }
    add_word(L, "all", all);
    add_word(L, "none", 0);
    lua_setfield(L, LUA_REGISTRYINDEX, NAMES);
}

const char *userns_push_cap_name(lua_State *L, int cap)
{
    lua_getfield(L, LUA_REGISTRYINDEX, NAMES);
    lua_rawgeti(L, -1, cap);
    lua_remove(L, -2);
    return lua_tostring(L, -1);
}

/* Raises an error about an argument, or about a field of it. */
static void refuse(lua_State *L, int arg, const char *field, const char *reason)
{
    if (field != NULL)
        reason = lua_pushfstring(L, "%s: %s", field, reason);
    luaL_argerror(L, arg, reason);
}

static uint64_t check_word(lua_State *L, int arg, const char *field, int index)
{
    index = lua_absindex(L, index);
    if (lua_type(L, index) != LUA_TSTRING)
        refuse(L, arg, field,
               lua_pushfstring(L, "capability expected, got %s",
                               luaL_typename(L, index)));
    lua_getfield(L, LUA_REGISTRYINDEX, NAMES);
    lua_pushvalue(L, index);
    if (lua_rawget(L, -2) == LUA_TNIL)
        refuse(L, arg, field,
               lua_pushfstring(L, "unknown capability '%s'",
                               lua_tostring(L, index)));
    uint64_t bits = (uint64_t)lua_tointeger(L, -1);
    lua_pop(L, 2);
    return bits;
}

uint64_t userns_check_caps_field(lua_State *L, int arg, const char *field,
                                 int index)
{
    uint64_t bits = 0;
    index = lua_absindex(L, index);
    if (!lua_istable(L, index))
        return check_word(L, arg, field, index);
    lua_Integer length = userns_list_length(L, index);
    if (length < 0)
        refuse(L, arg, field, "a list without holes expected");
    for (lua_Integer i = 1; i <= length; i++) {
        lua_geti(L, index, i);
        bits |= check_word(L, arg, field, -1);
        lua_pop(L, 1);
    }
    return bits;
}

uint64_t userns_check_caps(lua_State *L, int arg)
{
    return userns_check_caps_field(L, arg, NULL, arg);
}

void userns_push_caps(lua_State *L, uint64_t bits)
{
    lua_Integer count = 0;
    lua_newtable(L);
    for (int cap = 0; cap <= userns_last_cap(); cap++) {
        if ((bits & userns_cap_bit(cap)) != 0) {
            userns_push_cap_name(L, cap);
            lua_rawseti(L, -2, ++count);
        }
    }
}

/* The words of capabilities(7); the last two came with Linux 6.14, and older
   headers lack them. */
#define LOCKABLE(name, bits)                                                   \
    {name, bits},                                                              \
    {                                                                          \
        name "_locked", (bits) << 1                                            \
    }
const struct word userns_securebits[] = {
    LOCKABLE("noroot", SECBIT_NOROOT),
    LOCKABLE("no_setuid_fixup", SECBIT_NO_SETUID_FIXUP),
    LOCKABLE("keep_caps", SECBIT_KEEP_CAPS),
    LOCKABLE("no_cap_ambient_raise", SECBIT_NO_CAP_AMBIENT_RAISE),
    LOCKABLE("exec_restrict_file", 1 << 8),
    LOCKABLE("exec_deny_interactive", 1 << 10),
    {NULL, 0},
};
#undef LOCKABLE

/***
 * The name of a capability.
 * @param number integer 0 to last_cap()
 * @return string name as in "net_raw"
 * @source cap_to_name(3)
 */
static int sys_cap_name(lua_State *L)
{
    userns_push_cap_name(L,
                         (int)userns_check_integer(L, 1, 0, userns_last_cap()));
    return 1;
}

/***
 * The number of a capability.
 * @param name string "net_raw", "cap_net_raw" or "CAP_NET_RAW"
 * @return integer number
 * @source cap_from_name(3)
 */
static int sys_cap_number(lua_State *L)
{
    int cap = 0;
    uint64_t bits = check_word(L, 1, NULL, 1);
    while (cap <= userns_last_cap() && userns_cap_bit(cap) != bits)
        cap++;
    luaL_argcheck(L, cap <= userns_last_cap(), 1,
                  "a single capability expected");
    lua_pushinteger(L, cap);
    return 1;
}

/***
 * The number of the last capability that the running kernel knows.
 * @return integer number
 * @source cap_max_bits(3)
 */
static int sys_last_cap(lua_State *L)
{
    lua_pushinteger(L, userns_last_cap());
    return 1;
}

void userns_open_caps(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"cap_name", sys_cap_name},
        {"cap_number", sys_cap_number},
        {"last_cap", sys_last_cap},
        {NULL, NULL},
    };
    register_names(L);
    luaL_setfuncs(L, functions, 0);
}
