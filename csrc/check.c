#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <limits.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "check.h"
#include "nstype.h"

lua_Integer userns_check_integer(lua_State *L, int arg, lua_Integer min,
                                 lua_Integer max)
{
    if (!lua_isinteger(L, arg))
        luaL_argerror(L, arg,
                      lua_pushfstring(L, "integer expected, got %s",
                                      lua_type(L, arg) == LUA_TNUMBER
                                          ? "a number with a fraction"
                                          : luaL_typename(L, arg)));
    lua_Integer n = lua_tointeger(L, arg);
    if (n < min || n > max)
        luaL_argerror(L, arg,
                      lua_pushfstring(L, "%I is out of range (%I to %I)",
                                      (LUAI_UACINT)n, (LUAI_UACINT)min,
                                      (LUAI_UACINT)max));
    return n;
}

uint32_t userns_check_id(lua_State *L, int arg)
{
    return (uint32_t)userns_check_integer(L, arg, 0, UINT32_MAX - 1);
}

mode_t userns_check_mode(lua_State *L, int arg)
{
    if (lua_type(L, arg) != LUA_TSTRING)
        return (mode_t)userns_check_integer(L, arg, 0, 07777);
    const char *text = userns_check_text(L, arg);
    size_t length = strlen(text);
    unsigned mode = 0;
    luaL_argcheck(
        L, length > 0 && length <= 5 && strspn(text, "01234567") == length, arg,
        "octal digits expected, as in \"0755\"");
    for (const char *digit = text; *digit != '\0'; digit++)
        mode = mode * 8 + (unsigned)(*digit - '0');
    luaL_argcheck(L, mode <= 07777, arg, "permission bits end at 07777");
    return (mode_t)mode;
}

const char *userns_check_text(lua_State *L, int arg)
{
    size_t length;
    luaL_checktype(L, arg, LUA_TSTRING);
    const char *text = lua_tolstring(L, arg, &length);
    luaL_argcheck(L, memchr(text, '\0', length) == NULL, arg,
                  "the string has a NUL byte");
    return text;
}

const char *userns_opt_text(lua_State *L, int arg)
{
    return lua_isnoneornil(L, arg) ? NULL : userns_check_text(L, arg);
}

const char *userns_check_name(lua_State *L, int arg)
{
    const char *name = userns_check_text(L, arg);
    luaL_argcheck(L,
                  name[0] != '\0' && strchr(name, '/') == NULL &&
                      strcmp(name, ".") != 0 && strcmp(name, "..") != 0,
                  arg, "a name of one component expected");
    return name;
}

bool userns_is_fd(lua_State *L, int arg)
{
    if (lua_isinteger(L, arg) || luaL_testudata(L, arg, LUA_FILEHANDLE) != NULL)
        return true;
    if (lua_istable(L, arg)) {
        int type = lua_getfield(L, arg, "fd");
        lua_pop(L, 1);
        if (type != LUA_TNIL)
            return true;
    }
    if (luaL_getmetafield(L, arg, "__index") == LUA_TNIL)
        return false;
    lua_pop(L, 1);
    int type = lua_getfield(L, arg, "fileno");
    lua_pop(L, 1);
    return type == LUA_TFUNCTION;
}

static int check_number(lua_State *L, int arg, int index)
{
    luaL_argcheck(L, lua_isinteger(L, index), arg,
                  "a descriptor's number is an integer");
    lua_Integer n = lua_tointeger(L, index);
    luaL_argcheck(L, 0 <= n && n <= INT_MAX, arg,
                  "descriptor number out of range");
    return (int)n;
}

static int check_file(lua_State *L, int arg)
{
    const luaL_Stream *stream = lua_touserdata(L, arg);
    luaL_argcheck(L, stream->closef != NULL, arg, "closed file");
    int fd = fileno(stream->f);
    luaL_argcheck(L, fd >= 0, arg, "the file has no descriptor");
    return fd;
}

int userns_check_fd(lua_State *L, int arg)
{
    int fd;
    luaL_argexpected(L, userns_is_fd(L, arg), arg,
                     "descriptor (integer, io file, { fd = } or handle)");
    if (lua_isinteger(L, arg))
        return check_number(L, arg, arg);
    if (luaL_testudata(L, arg, LUA_FILEHANDLE) != NULL)
        return check_file(L, arg);
    if (lua_istable(L, arg) && lua_getfield(L, arg, "fd") != LUA_TNIL) {
        fd = check_number(L, arg, -1);
    } else {
        lua_getfield(L, arg, "fileno");
        lua_pushvalue(L, arg);
        lua_call(L, 1, 1);
        fd = check_number(L, arg, -1);
    }
    lua_pop(L, 1);
    return fd;
}

static const struct {
    const char *name;
    int number;
} signals[] = {
#define NAME(word) {#word, SIG##word},
#include "signals.def"
#undef NAME
};

#define SIGNALS (sizeof signals / sizeof signals[0])

int userns_check_signal(lua_State *L, int arg)
{
    if (lua_type(L, arg) != LUA_TSTRING)
        return (int)userns_check_integer(L, arg, 1, SIGRTMAX);
    const char *name = userns_check_text(L, arg);
    const char *word = strncmp(name, "SIG", 3) == 0 ? name + 3 : name;
    for (size_t i = 0; i < SIGNALS; i++)
        if (strcmp(signals[i].name, word) == 0)
            return signals[i].number;
    return luaL_argerror(L, arg,
                         lua_pushfstring(L, "unknown signal '%s'", name));
}

void userns_push_signal(lua_State *L, int signum)
{
    for (size_t i = 0; i < SIGNALS; i++) {
        if (signals[i].number == signum) {
            lua_pushfstring(L, "SIG%s", signals[i].name);
            return;
        }
    }
    lua_pushfstring(L, "SIG%d", signum);
}

lua_Integer userns_list_length(lua_State *L, int index)
{
    lua_Integer length = luaL_len(L, index);
    lua_Integer keys = 0;
    index = lua_absindex(L, index);
    for (lua_pushnil(L); lua_next(L, index) != 0; lua_pop(L, 1))
        keys++;
    return keys == length ? length : -1;
}

#define NO_HOLES "a list without holes expected"

lua_Integer userns_check_list(lua_State *L, int arg)
{
    luaL_checktype(L, arg, LUA_TTABLE);
    lua_Integer length = userns_list_length(L, arg);
    luaL_argcheck(L, length >= 0, arg, NO_HOLES);
    return length;
}

/* Is a word of ours what Lua's string says, to its last byte? */
static bool same(const char *word, const char *string, size_t length)
{
    return strlen(word) == length && memcmp(word, string, length) == 0;
}

static uint64_t check_word(lua_State *L, int arg, int index,
                           const struct word *words, const char *what)
{
    if (lua_type(L, index) != LUA_TSTRING)
        luaL_argerror(L, arg,
                      lua_pushfstring(L, "%s expected, got %s", what,
                                      luaL_typename(L, index)));
    size_t length;
    const char *name = lua_tolstring(L, index, &length);
    for (const struct word *w = words; w->name != NULL; w++)
        if (same(w->name, name, length))
            return w->value;
    luaL_argerror(L, arg, lua_pushfstring(L, "unknown %s '%s'", what, name));
    return 0;
}

uint64_t userns_check_words(lua_State *L, int arg, const struct word *words,
                            const char *what)
{
    uint64_t value = 0;
    if (!lua_istable(L, arg))
        return check_word(L, arg, arg, words, what);
    lua_Integer count = 0;
    for (lua_pushnil(L); lua_next(L, arg) != 0; lua_pop(L, 1), count++) {
        luaL_argcheck(L, lua_isinteger(L, -2), arg, NO_HOLES);
        value |= check_word(L, arg, -1, words, what);
    }
    luaL_argcheck(L, count == luaL_len(L, arg), arg, NO_HOLES);
    return value;
}

uint64_t userns_check_namespaces(lua_State *L, int arg)
{
    struct word words[9];
    size_t i = 0;
    for (; userns_nstypes[i].name != NULL; i++)
        words[i] =
            (struct word){userns_nstypes[i].name, userns_nstypes[i].flag};
    words[i] = (struct word){NULL, 0};
    return userns_check_words(L, arg, words, "namespace");
}

void userns_check_fields(lua_State *L, int arg, const char *const *known)
{
    luaL_checktype(L, arg, LUA_TTABLE);
    for (lua_pushnil(L); lua_next(L, arg) != 0; lua_pop(L, 1)) {
        const char *const *name = known;
        const char *key =
            lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : NULL;
        while (key != NULL && *name != NULL && strcmp(*name, key) != 0)
            name++;
        if (key == NULL || *name == NULL)
            luaL_argerror(L, arg,
                          lua_pushfstring(L, "unknown field '%s'",
                                          luaL_tolstring(L, -2, NULL)));
    }
}

double userns_opt_seconds(lua_State *L, int arg)
{
    if (lua_isnoneornil(L, arg))
        return -1;
    luaL_checktype(L, arg, LUA_TNUMBER);
    lua_Number seconds = lua_tonumber(L, arg);
    luaL_argcheck(L, isfinite(seconds) && seconds >= 0, arg,
                  "seconds, 0 or more");
    return seconds;
}

int userns_milliseconds(double seconds)
{
    double ms = ceil(seconds * 1000);
    return seconds < 0 ? -1 : ms > INT_MAX ? INT_MAX : (int)ms;
}
