#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/capability.h>

#include "caps.h"
#include "capsets.h"
#include "check.h"
#include "error.h"
#include "sys.h"

/* The metatable of a text that libcap allocated. */
#define TEXT_TYPE "userns.capability_text"

/* Takes caps over, which may be NULL with errno: the result is then too. */
static char *to_text(cap_t caps)
{
    char *text = caps == NULL ? NULL : cap_to_text(caps, NULL);
    userns_free_cap(caps);
    return text;
}

static cap_t make_caps(const struct change *change)
{
    cap_t caps = cap_init();
    if (caps != NULL)
        userns_set_cap_flags(caps, change);
    return caps;
}

/* libcap reads numbers too ("60=p"), also those that the kernel has not got. */
static bool read_text(const char *text, uint64_t ret_bits[SETTABLE])
{
    uint64_t all = 0;
    cap_t caps = cap_from_text(text);
    if (caps == NULL)
        return false;
    userns_get_cap_flags(caps, ret_bits);
    userns_free_cap(caps);
    for (int set = 0; set < SETTABLE; set++)
        all |= ret_bits[set];
    return all >> userns_last_cap() <= 1;
}

/* A file by its path, or by a descriptor where path is NULL. */
struct file {
    const char *path;
    int fd;
};

static cap_t read_file(const struct file *file)
{
    return file->path != NULL ? cap_get_file(file->path) : cap_get_fd(file->fd);
}

/* caps may be NULL: the file then has none. */
static int write_file(const struct file *file, cap_t caps)
{
    return file->path != NULL ? cap_set_file(file->path, caps)
                              : cap_set_fd(file->fd, caps);
}

static int set_file(const struct file *file, const char *text, uid_t rootid)
{
    cap_t caps = cap_from_text(text);
    if (caps == NULL)
        return -1;
    int result = cap_set_nsowner(caps, rootid);
    if (result == 0)
        result = write_file(file, caps);
    userns_free_cap(caps);
    return result;
}

static int clear_file(const struct file *file)
{
    int result = write_file(file, NULL);
    return result != 0 && errno == ENODATA ? 0 : result;
}

/* Pushes the place for a text of libcap's, which the collector frees. */
static char **push_text(lua_State *L)
{
    char **text = lua_newuserdatauv(L, sizeof *text, 0);
    *text = NULL;
    luaL_setmetatable(L, TEXT_TYPE);
    return text;
}

static int text_gc(lua_State *L)
{
    char **text = luaL_checkudata(L, 1, TEXT_TYPE);
    userns_free_cap(*text);
    *text = NULL;
    return 0;
}

/* Pushes a text as a string, and frees it. */
static void push_string(lua_State *L, char **text)
{
    lua_pushstring(L, *text);
    userns_free_cap(*text);
    *text = NULL;
}

static const char *check_caps_text(lua_State *L, int arg,
                                   uint64_t ret_bits[SETTABLE])
{
    const char *text = userns_check_text(L, arg);
    luaL_argcheck(L, read_text(text, ret_bits), arg,
                  "not a text of capabilities, as in \"cap_net_raw=ep\"");
    return text;
}

static struct file check_file(lua_State *L, int arg)
{
    struct file file = {NULL, -1};
    if (lua_type(L, arg) == LUA_TSTRING)
        file.path = userns_check_text(L, arg);
    else
        file.fd = userns_check_fd(L, arg);
    return file;
}

/***
 * Capability sets as libcap writes them: "cap_net_raw=ep".
 * @param whose? integer|"self"|table a process or thread (the calling thread if
 *   absent), or sets: effective, permitted, inheritable
 * @return string|nil text
 * @return userns.Error? err ESRCH where there is no such process
 * @source cap_to_text(3)
 */
static int sys_caps_text(lua_State *L)
{
    bool given = lua_istable(L, 1);
    struct change change = {{false}, {0}};
    pid_t pid = 0;
    if (given)
        change = userns_check_capsets(L, 1);
    else
        pid = userns_opt_thread(L, 1);
    char **text = push_text(L);
    *text = to_text(given ? make_caps(&change) : cap_get_pid(pid));
    if (*text == NULL)
        return userns_fail(L, "capabilities", "capget", errno, NULL);
    push_string(L, text);
    return 1;
}

/***
 * The sets that a text of capabilities describes.
 * @param text string as libcap reads it: "cap_net_raw=ep"
 * @return table sets effective, permitted, inheritable: a list of names each
 * @source cap_from_text(3)
 */
static int sys_caps_from_text(lua_State *L)
{
    uint64_t bits[SETTABLE];
    check_caps_text(L, 1, bits);
    userns_push_capsets(L, bits, SETTABLE);
    return 1;
}

/***
 * The capabilities that executing a file gives.
 * @param file string|integer|file* a path or a descriptor
 * @return string|false|nil text as in "cap_net_raw=ep"; false where it has none
 * @return integer|userns.Error? rootid the uid that must be the root of a user
 *   namespace for the file to mean anything there, where it names one
 * @source cap_get_file(3)
 */
static int sys_get_file_caps(lua_State *L)
{
    struct file file = check_file(L, 1);
    char **text = push_text(L);
    cap_t caps = read_file(&file);
    uid_t rootid = caps != NULL ? cap_get_nsowner(caps) : 0;
    *text = to_text(caps);
    if (*text == NULL && errno != ENODATA)
        return userns_fail(L, "file_caps", "getxattr", errno, file.path);
    if (*text == NULL) {
        lua_pushboolean(L, false);
        return 1;
    }
    push_string(L, text);
    if (rootid == 0)
        return 1;
    lua_pushinteger(L, rootid);
    return 2;
}

/***
 * Sets the capabilities that executing a file gives, or takes them away.
 * @param file string|integer|file* a path or a descriptor of a regular file
 * @param text string|false|nil as in "cap_net_raw=ep"; false or nil for none
 * @param rootid? integer makes them count only in user namespaces whose root
 *   this uid is
 * @return true|nil ok
 * @return userns.Error? err EPERM without CAP_SETFCAP
 * @source cap_set_file(3)
 */
static int sys_set_file_caps(lua_State *L)
{
    uint64_t bits[SETTABLE];
    struct file file = check_file(L, 1);
    luaL_checkany(L, 2);
    const char *text = lua_toboolean(L, 2) ? check_caps_text(L, 2, bits) : NULL;
    uid_t rootid = lua_isnoneornil(L, 3) ? 0 : userns_check_id(L, 3);
    int result =
        text != NULL ? set_file(&file, text, rootid) : clear_file(&file);
    return userns_result(L, result, "file_caps",
                         text != NULL ? "setxattr" : "removexattr", file.path);
}

void userns_open_captext(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"caps_text", sys_caps_text},
        {"caps_from_text", sys_caps_from_text},
        {"get_file_caps", sys_get_file_caps},
        {"set_file_caps", sys_set_file_caps},
        {NULL, NULL},
    };
    luaL_newmetatable(L, TEXT_TYPE);
    lua_pushcfunction(L, text_gc);
    lua_setfield(L, -2, "__gc");
    lua_pop(L, 1);
    luaL_setfuncs(L, functions, 0);
}
