#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "check.h"
#include "error.h"
#include "sys.h"

#define METATABLE "userns.error"

#define ARGUMENTS 3 /* of a call that may say why it was refused */

const char *userns_errno_name(int errnum)
{
    switch (errnum) {
#define NAME(word)                                                             \
    case word:                                                                 \
        return #word;
#include "errnos.def"
#undef NAME
    default:
        return NULL;
    }
}

int userns_errno_number(const char *name)
{
#define NAME(word)                                                             \
    if (strcmp(name, #word) == 0)                                              \
        return word;
#include "errnos.def"
#undef NAME
    return 0;
}

void userns_set_string(lua_State *L, const char *field, const char *value)
{
    if (value != NULL) {
        lua_pushstring(L, value);
        lua_setfield(L, -2, field);
    }
}

void userns_set_integer(lua_State *L, const char *field, lua_Integer value)
{
    lua_pushinteger(L, value);
    lua_setfield(L, -2, field);
}

static void set_code(lua_State *L, int errnum)
{
    const char *name = userns_errno_name(errnum);
    if (name != NULL)
        lua_pushstring(L, name);
    else
        lua_pushfstring(L, "E%d", errnum);
    lua_setfield(L, -2, "code");
}

/* What errno itself tells, and what must be told without a file being opened:
   diagnose.lua could not even be loaded. */
static const struct reason {
    int errnum;
    const char *cause, *why, *hint;
} reasons[] = {
    {EMFILE, "rlimit_nofile",
     "the host program has as many descriptors open as its RLIMIT_NOFILE "
     "allows",
     "close some, or raise the soft limit (ulimit -n)"},
    {ENFILE, "file_max", "the machine has as many files open as fs.file-max",
     "end what holds them, or as root: sysctl fs.file-max"},
};

static void set_reason(lua_State *L, int errnum)
{
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
        if (reasons[i].errnum == errnum) {
            userns_set_string(L, "cause", reasons[i].cause);
            userns_set_string(L, "why", reasons[i].why);
            userns_set_string(L, "hint", reasons[i].hint);
        }
}

void userns_push_error(lua_State *L, const char *op, const char *syscall,
                       int errnum, const char *path)
{
    lua_createtable(L, 0, 8);
    luaL_setmetatable(L, METATABLE);
    userns_set_string(L, "op", op);
    userns_set_string(L, "syscall", syscall);
    userns_set_string(L, "path", path);
    userns_set_string(L, "message", strerror(errnum));
    set_code(L, errnum);
    userns_set_integer(L, "errno", errnum);
    set_reason(L, errnum);
}

int userns_fail(lua_State *L, const char *op, const char *syscall, int errnum,
                const char *path)
{
    lua_pushnil(L);
    userns_push_error(L, op, syscall, errnum, path);
    return 2;
}

/* error, argument... */
static int find_cause(lua_State *L)
{
    lua_getglobal(L, "require");
    lua_pushliteral(L, "userns.diagnose");
    lua_call(L, 1, 1);
    lua_getfield(L, -1, "refusal");
    lua_replace(L, -2);
    lua_insert(L, 1);
    lua_call(L, lua_gettop(L) - 1, 0);
    return 0;
}

/* Not where it will be looked for is what has never been loaded. */
static int load_diagnosis(lua_State *L)
{
    lua_getglobal(L, "require");
    lua_pushliteral(L, "userns.diagnose");
    lua_call(L, 1, 0);
    return 0;
}

void userns_load_diagnosis(lua_State *L)
{
    lua_pushcfunction(L, load_diagnosis);
    if (lua_pcall(L, 0, 0, 0) != 0)
        lua_pop(L, 1);
}

/* What goes wrong in the search is not the caller's: the error stays as it is.
   What the search itself is refused is not explained in turn. */
void userns_explain(lua_State *L)
{
    static const char searching;
    int top = lua_gettop(L), given = top - 2;
    if (!lua_checkstack(L, ARGUMENTS + 2))
        return;
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &searching) == LUA_TNIL) {
        lua_pushboolean(L, true);
        lua_rawsetp(L, LUA_REGISTRYINDEX, &searching);
        lua_pushcfunction(L, find_cause);
        lua_pushvalue(L, top);
        for (int arg = 1; arg <= ARGUMENTS && arg <= given; arg++)
            lua_pushvalue(L, arg);
        (void)lua_pcall(L, lua_gettop(L) - top - 2, 0, 0);
        lua_pushnil(L);
        lua_rawsetp(L, LUA_REGISTRYINDEX, &searching);
    }
    lua_settop(L, top);
}

int userns_refuse(lua_State *L, const char *op, const char *syscall, int errnum,
                  const char *path)
{
    userns_fail(L, op, syscall, errnum, path);
    userns_explain(L);
    return 2;
}

int userns_result(lua_State *L, long result, const char *op,
                  const char *syscall, const char *path)
{
    int errnum = errno;
    if (result < 0)
        return userns_refuse(L, op, syscall, errnum, path);
    lua_pushboolean(L, true);
    return 1;
}

/* One line stays one line: control bytes of a path are written as \xNN. */
static void add_escaped(luaL_Buffer *b, const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c >= 0x20 && c != 0x7f && c != '\\') {
            luaL_addchar(b, (char)c);
        } else {
            char escape[8];
            if (c == '\n')
                (void)snprintf(escape, sizeof escape, "\\n");
            else if (c == '\\')
                (void)snprintf(escape, sizeof escape, "\\\\");
            else
                (void)snprintf(escape, sizeof escape, "\\x%02x", c);
            luaL_addstring(b, escape);
        }
    }
}

/* Pushes the object's field as an escaped string; false when it has none. */
static bool push_field(lua_State *L, const char *field)
{
    luaL_Buffer b;
    size_t length;
    lua_getfield(L, 1, field);
    const char *text = lua_tolstring(L, -1, &length);
    if (text == NULL) {
        lua_pop(L, 1);
        return false;
    }
    luaL_buffinit(L, &b);
    add_escaped(&b, text, length);
    luaL_pushresult(&b);
    lua_remove(L, -2);
    return true;
}

/* Appends before..field..after to the string on top of the stack; false when
   the object has no such field. */
static bool append(lua_State *L, const char *before, const char *field,
                   const char *after)
{
    if (!push_field(L, field))
        return false;
    lua_pushfstring(L, "%s%s%s%s", lua_tostring(L, -2), before,
                    lua_tostring(L, -1), after);
    lua_replace(L, -3);
    lua_pop(L, 1);
    return true;
}

static void append_step(lua_State *L)
{
    if (!append(L, " (step ", "step", ""))
        return;
    append(L, ", ", "side", "");
    lua_pushliteral(L, ")");
    lua_concat(L, 2);
}

/***
 * An error as one line a person can act on: what was attempted, on what, what
 * the kernel said, where in the description and the plan, why, and what to do.
 * @source the conventions of lua(1)'s own messages
 */
static int error_tostring(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    lua_pushliteral(L, "userns: ");
    append(L, "", "op", "");
    append(L, " '", "path", "'");
    append(L, ": ", "message", "");
    append(L, " (", "field", ")");
    append_step(L);
    append(L, "; ", "why", "");
    append(L, "; ", "hint", "");
    return 1;
}

/* "could not start: " .. err, and err .. "\n". */
static int error_concat(lua_State *L)
{
    luaL_tolstring(L, 1, NULL);
    luaL_tolstring(L, 2, NULL);
    lua_concat(L, 2);
    return 1;
}

/***
 * Makes an error object of a table of fields.
 * @param fields table: op, code, message and the other fields of an error
 * @return userns.Error err the same table
 */
static int sys_error(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    luaL_setmetatable(L, METATABLE);
    return 1;
}

/***
 * The name of an error number.
 * @param number integer 1 to 4095
 * @return string|nil name "EPERM" for 1; nil for a number without a name here
 * @source errno(3)
 */
static int sys_errno_name(lua_State *L)
{
    int number = (int)userns_check_integer(L, 1, 1, 4095);
    lua_pushstring(L, userns_errno_name(number));
    return 1;
}

void userns_open_error(lua_State *L)
{
    static const luaL_Reg metamethods[] = {
        {"__tostring", error_tostring},
        {"__concat", error_concat},
        {NULL, NULL},
    };
    static const luaL_Reg functions[] = {
        {"error", sys_error},
        {"errno_name", sys_errno_name},
        {NULL, NULL},
    };
    userns_new_type(L, METATABLE, metamethods, NULL);
    luaL_setfuncs(L, functions, 0);
}
