#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "error.h"
#include "fd.h"
#include "idmap.h"
#include "sys.h"
#include "target.h"

size_t userns_idmap_format(const struct idrange *ranges, size_t count,
                           char ret_text[USERNS_IDMAP_SIZE])
{
    size_t length = 0;
    for (size_t i = 0; i < count; i++) {
        size_t room = USERNS_IDMAP_SIZE - length;
        int added = snprintf(
            ret_text + length, room, "%" PRIu32 " %" PRIu32 " %" PRIu32 "\n",
            ranges[i].inside, ranges[i].outside, ranges[i].count);
        if (added < 0 || (size_t)added >= room)
            return 0;
        length += (size_t)added;
    }
    return length;
}

/* first + count is at most UINT32_MAX, so that nothing wraps. */
static bool overlap(uint32_t a, uint32_t a_count, uint32_t b, uint32_t b_count)
{
    return a < b + b_count && b < a + a_count;
}

/* On which side two ranges have an id in common; NULL for neither. */
static const char *shared_side(const struct idrange *a, const struct idrange *b)
{
    if (overlap(a->inside, a->count, b->inside, b->count))
        return "inside";
    if (overlap(a->outside, a->count, b->outside, b->count))
        return "outside";
    return NULL;
}

/* Raises what is wrong with an entry of the map that is argument arg. */
static int bad_entry(lua_State *L, int arg, size_t entry, const char *format,
                     ...)
{
    va_list values;
    lua_pushfstring(L, "[%d]", (int)entry);
    va_start(values, format);
    lua_pushvfstring(L, format, values);
    va_end(values);
    lua_concat(L, 2);
    return luaL_argerror(L, arg, lua_tostring(L, -1));
}

/* Field of the entry on top of the stack. */
static uint32_t check_field(lua_State *L, int arg, size_t entry,
                            const char *field, lua_Integer min, lua_Integer max)
{
    if (lua_getfield(L, -1, field) == LUA_TNIL)
        bad_entry(L, arg, entry, ".%s is missing", field);
    if (!lua_isinteger(L, -1))
        bad_entry(L, arg, entry, ".%s: integer expected, got %s", field,
                  lua_type(L, -1) == LUA_TNUMBER ? "a number with a fraction"
                                                 : luaL_typename(L, -1));
    lua_Integer n = lua_tointeger(L, -1);
    if (n < min || n > max)
        bad_entry(L, arg, entry, ".%s: %I is out of range (%I to %I)", field,
                  (LUAI_UACINT)n, (LUAI_UACINT)min, (LUAI_UACINT)max);
    lua_pop(L, 1);
    return (uint32_t)n;
}

static bool is_known(const char *name)
{
    return strcmp(name, "inside") == 0 || strcmp(name, "outside") == 0 ||
           strcmp(name, "count") == 0;
}

static void check_names(lua_State *L, int arg, size_t entry)
{
    for (lua_pushnil(L); lua_next(L, -2) != 0; lua_pop(L, 1))
        if (lua_type(L, -2) != LUA_TSTRING || !is_known(lua_tostring(L, -2)))
            bad_entry(L, arg, entry, ": unknown field '%s'",
                      luaL_tolstring(L, -2, NULL));
}

/* The entry on top of the stack. */
static struct idrange check_range(lua_State *L, int arg, size_t entry)
{
    struct idrange range;
    if (!lua_istable(L, -1))
        bad_entry(L, arg, entry, ": table expected, got %s",
                  luaL_typename(L, -1));
    check_names(L, arg, entry);
    range.inside = check_field(L, arg, entry, "inside", 0, UINT32_MAX - 1);
    range.outside = check_field(L, arg, entry, "outside", 0, UINT32_MAX - 1);
    range.count = check_field(L, arg, entry, "count", 1, UINT32_MAX);
    if (range.count > UINT32_MAX - range.inside ||
        range.count > UINT32_MAX - range.outside)
        bad_entry(L, arg, entry, ": ids end at 4294967294");
    return range;
}

static size_t check_length(lua_State *L, int arg)
{
    size_t keys = 0;
    luaL_checktype(L, arg, LUA_TTABLE);
    for (lua_pushnil(L); lua_next(L, arg) != 0; lua_pop(L, 1))
        keys++;
    luaL_argcheck(L, keys > 0 && keys == lua_rawlen(L, arg), arg,
                  "list of { inside=, outside=, count= } expected");
    luaL_argcheck(L, keys <= USERNS_IDMAP_LINES, arg, "more than 340 entries");
    return keys;
}

static size_t check_map(lua_State *L, int arg,
                        struct idrange ret_ranges[USERNS_IDMAP_LINES])
{
    size_t count = check_length(L, arg);
    for (size_t i = 0; i < count; i++) {
        lua_rawgeti(L, arg, (lua_Integer)i + 1);
        ret_ranges[i] = check_range(L, arg, i + 1);
        lua_pop(L, 1);
        for (size_t j = 0; j < i; j++) {
            const char *side = shared_side(&ret_ranges[j], &ret_ranges[i]);
            if (side != NULL)
                bad_entry(L, arg, j + 1, " and [%d] overlap %s", (int)i + 1,
                          side);
        }
    }
    return count;
}

/* All in one write: the kernel takes a map once and as a whole. */
static int write_file(lua_State *L, struct target process, const char *file,
                      const char *text, size_t length)
{
    char path[USERNS_PROC_PATH];
    const char *call;
    userns_process_path(process, "self", file, path);
    int fd = userns_open_process_file(process, path, O_WRONLY, &call);
    if (fd < 0)
        return userns_refuse(L, file, call, errno, path);
    ssize_t written = write(fd, text, length);
    userns_close_fd(&fd);
    return userns_result(L, written, file, "write", path);
}

static int write_map(lua_State *L, const char *file)
{
    struct idrange ranges[USERNS_IDMAP_LINES];
    char text[USERNS_IDMAP_SIZE];
    struct target process = userns_check_process(L, 1);
    size_t count = check_map(L, 2, ranges);
    size_t length = userns_idmap_format(ranges, count, text);
    luaL_argcheck(L, length > 0, 2, "its text is longer than 4095 bytes");
    return write_file(L, process, file, text, length);
}

/***
 * count ids from inside on, and what they are called outside.
 * @class userns.IdRange
 * @field inside integer 0 to 4294967294
 * @field outside integer 0 to 4294967294, in the caller's user namespace
 * @field count integer 1 or more
 */

/***
 * Maps the user ids of a process's user namespace, once and for all.
 * @param target integer|"self"|userns.Process
 * @param map userns.IdRange[] at most 340, without overlap
 * @return true|nil ok
 * @return userns.Error? err EPERM for a second map and for ids of others
 * @source user_namespaces(7)
 */
static int sys_write_uid_map(lua_State *L)
{
    return write_map(L, "uid_map");
}

/***
 * Maps the group ids of a process's user namespace, once and for all.
 * @param target integer|"self"|userns.Process
 * @param map userns.IdRange[] at most 340, without overlap
 * @return true|nil ok
 * @return userns.Error? err EPERM too where setgroups should be denied first
 * @source user_namespaces(7)
 */
static int sys_write_gid_map(lua_State *L)
{
    return write_map(L, "gid_map");
}

/***
 * Says whether setgroups(2) will be possible in a process's user namespace.
 * @param target integer|"self"|userns.Process
 * @param word "deny"|"allow"
 * @return true|nil ok
 * @return userns.Error? err EPERM for "deny" after the gid_map, and for "allow"
 * after "deny"
 * @source user_namespaces(7)
 */
static int sys_write_setgroups(lua_State *L)
{
    static const char *const words[] = {"deny", "allow", NULL};
    struct target process = userns_check_process(L, 1);
    userns_check_text(L, 2);
    const char *word = words[luaL_checkoption(L, 2, /* def= */ NULL, words)];
    return write_file(L, process, "setgroups", word, strlen(word));
}

/* Three numbers right-justified in ten columns each, and a newline. */
enum { LINE_WIDTH = 33, MAP_SIZE = USERNS_IDMAP_LINES * LINE_WIDTH };

/* Until its end, which may take several reads.  -1 with errno. */
static ssize_t read_whole(int fd, char *text, size_t size)
{
    size_t length = 0;
    while (length < size) {
        ssize_t added = read(fd, text + length, size - length);
        if (added < 0)
            return -1;
        if (added == 0)
            break;
        length += (size_t)added;
    }
    return (ssize_t)length;
}

static void push_range(lua_State *L, const struct idrange *range)
{
    lua_createtable(L, 0, 3);
    lua_pushinteger(L, range->inside);
    lua_setfield(L, -2, "inside");
    lua_pushinteger(L, range->outside);
    lua_setfield(L, -2, "outside");
    lua_pushinteger(L, range->count);
    lua_setfield(L, -2, "count");
}

static void push_map(lua_State *L, const char *text)
{
    struct idrange range;
    int width = 0;
    lua_newtable(L);
    for (lua_Integer i = 1;
         sscanf(text, "%" SCNu32 " %" SCNu32 " %" SCNu32 " %n", &range.inside,
                &range.outside, &range.count, &width) == 3;
         i++) {
        push_range(L, &range);
        lua_rawseti(L, -2, i);
        text += width;
    }
}

static int read_map(lua_State *L, const char *file)
{
    char path[USERNS_PROC_PATH];
    char text[MAP_SIZE + 1];
    const char *call;
    struct target process = userns_check_process(L, 1);
    userns_process_path(process, "self", file, path);
    int fd = userns_open_process_file(process, path, O_RDONLY, &call);
    if (fd < 0)
        return userns_refuse(L, file, call, errno, path);
    ssize_t length = read_whole(fd, text, MAP_SIZE);
    userns_close_fd(&fd);
    if (length < 0)
        return userns_fail(L, file, "read", errno, path);
    text[length] = '\0';
    push_map(L, text);
    return 1;
}

/***
 * The map of a process's user ids; empty before it was written.  The outside
 * ids are those of the caller's user namespace, or of its parent where the
 * process is in the same; 4294967295 is one that has no name there.
 * @param target integer|"self"|userns.Process
 * @return userns.IdRange[]|nil map
 * @return userns.Error? err
 * @source user_namespaces(7)
 */
static int sys_read_uid_map(lua_State *L)
{
    return read_map(L, "uid_map");
}

/***
 * The map of a process's group ids; empty before it was written.  The outside
 * ids are those of the caller's user namespace, or of its parent where the
 * process is in the same; 4294967295 is one that has no name there.
 * @param target integer|"self"|userns.Process
 * @return userns.IdRange[]|nil map
 * @return userns.Error? err
 * @source user_namespaces(7)
 */
static int sys_read_gid_map(lua_State *L)
{
    return read_map(L, "gid_map");
}

void userns_open_idmap(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"write_uid_map", sys_write_uid_map},
        {"write_gid_map", sys_write_gid_map},
        {"write_setgroups", sys_write_setgroups},
        {"read_uid_map", sys_read_uid_map},
        {"read_gid_map", sys_read_gid_map},
        {NULL, NULL},
    };
    luaL_setfuncs(L, functions, 0);
}
