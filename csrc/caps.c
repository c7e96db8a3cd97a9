#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <limits.h>
#include <linux/securebits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>

#include "caps.h"
#include "check.h"
#include "error.h"
#include "proc.h"
#include "sys.h"

/* In the registry, made once: under every accepted word its bits, and under
   every number the name that the library gives it. */
#define NAMES "userns.capabilities"

/* The metatable of a text that libcap allocated. */
#define TEXT_TYPE "userns.capability_text"

/* How many capabilities a set has room for. */
#define ROOM 64

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

static const struct {
    const char *name;
    const char *label; /* in /proc/PID/status */
} sets[] = {
    [EFFECTIVE] = {"effective", "CapEff:"},
    [PERMITTED] = {"permitted", "CapPrm:"},
    [INHERITABLE] = {"inheritable", "CapInh:"},
    [BOUNDING] = {"bounding", "CapBnd:"},
    [AMBIENT] = {"ambient", "CapAmb:"},
};

/* What is to be laid over sets: those that are not given stay. */
struct change {
    bool given[SETTABLE];
    uint64_t bits[SETTABLE];
};

static uint64_t bit(int cap)
{
    return UINT64_C(1) << cap;
}

/* libcap asks the kernel how many there are. */
static int last_cap(void)
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
    add_word(L, name, bit(cap));
    add_word(L, full, bit(cap));
    make_upper(full);
    add_word(L, full, bit(cap));
}

static void register_names(lua_State *L)
{
    uint64_t all = 0;
    lua_newtable(L);
    for (int cap = 0; cap <= last_cap(); cap++) {
        add_capability(L, cap);
        all |= bit(cap);
    }
    add_word(L, "all", all);
    add_word(L, "none", 0);
    lua_setfield(L, LUA_REGISTRYINDEX, NAMES);
}

static const char *push_name(lua_State *L, int cap)
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

static uint64_t check_caps(lua_State *L, int arg, const char *field, int index)
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
    return check_caps(L, arg, NULL, arg);
}

/* A table with any of effective, permitted and inheritable. */
static struct change check_change(lua_State *L, int arg)
{
    const char *known[SETTABLE + 1] = {NULL};
    struct change change = {{false}, {0}};
    for (int set = 0; set < SETTABLE; set++)
        known[set] = sets[set].name;
    userns_check_fields(L, arg, known);
    for (int set = 0; set < SETTABLE; set++) {
        change.given[set] = lua_getfield(L, arg, sets[set].name) != LUA_TNIL;
        if (change.given[set])
            change.bits[set] = check_caps(L, arg, sets[set].name, -1);
        lua_pop(L, 1);
    }
    return change;
}

/* 0 is the calling thread. */
static pid_t opt_pid(lua_State *L, int arg)
{
    if (lua_isnoneornil(L, arg) || (lua_type(L, arg) == LUA_TSTRING &&
                                    strcmp(lua_tostring(L, arg), "self") == 0))
        return 0;
    return (pid_t)userns_check_integer(L, arg, 1, INT_MAX);
}

static void push_list(lua_State *L, uint64_t bits)
{
    lua_Integer count = 0;
    lua_newtable(L);
    for (int cap = 0; cap <= last_cap(); cap++) {
        if ((bits & bit(cap)) != 0) {
            push_name(L, cap);
            lua_rawseti(L, -2, ++count);
        }
    }
}

static void push_sets(lua_State *L, const uint64_t *bits, int count)
{
    lua_createtable(L, 0, count);
    for (int set = 0; set < count; set++) {
        push_list(L, bits[set]);
        lua_setfield(L, -2, sets[set].name);
    }
}

/* The operand of the error is the capability that was refused. */
static int fail_at(lua_State *L, const char *op, int errnum, int cap)
{
    return userns_refuse(L, op, "prctl", errnum, push_name(L, cap));
}

/*
 * Plain C around libcap's objects: from a cap_get_ to its cap_free nothing
 * touches Lua.
 */

static void get_flags(cap_t caps, uint64_t ret_bits[SETTABLE])
{
    for (int set = 0; set < SETTABLE; set++) {
        ret_bits[set] = 0;
        for (int cap = 0; cap < ROOM; cap++) {
            cap_flag_value_t value = CAP_CLEAR;
            (void)cap_get_flag(caps, cap, (cap_flag_t)set, &value);
            if (value == CAP_SET)
                ret_bits[set] |= bit(cap);
        }
    }
}

static void set_flags(cap_t caps, const struct change *change)
{
    for (int set = 0; set < SETTABLE; set++) {
        for (int cap = 0; cap <= last_cap() && change->given[set]; cap++) {
            bool raised = (change->bits[set] & bit(cap)) != 0;
            (void)cap_set_flag(caps, (cap_flag_t)set, 1, &cap,
                               raised ? CAP_SET : CAP_CLEAR);
        }
    }
}

/* Frees libcap's object and keeps errno. */
static void release(void *object)
{
    int errnum = errno;
    (void)cap_free(object);
    errno = errnum;
}

static int apply(const struct change *change)
{
    cap_t caps = cap_get_proc();
    if (caps == NULL)
        return -1;
    set_flags(caps, change);
    int result = cap_set_proc(caps);
    release(caps);
    return result;
}

static uint64_t bits_where(int (*is_set)(cap_value_t))
{
    uint64_t bits = 0;
    for (int cap = 0; cap <= last_cap(); cap++)
        if (is_set(cap) > 0)
            bits |= bit(cap);
    return bits;
}

/* The first capability for which change fails with errno, or -1. */
static int change_each(uint64_t bits, int (*change)(cap_value_t))
{
    for (int cap = 0; cap <= last_cap(); cap++)
        if ((bits & bit(cap)) != 0 && change(cap) != 0)
            return cap;
    return -1;
}

static int raise_ambient(cap_value_t cap)
{
    return cap_set_ambient(cap, CAP_SET);
}

static int lower_ambient(cap_value_t cap)
{
    return cap_set_ambient(cap, CAP_CLEAR);
}

static int read_own(uint64_t ret_bits[SETS])
{
    cap_t caps = cap_get_proc();
    if (caps == NULL)
        return -1;
    get_flags(caps, ret_bits);
    release(caps);
    ret_bits[BOUNDING] = bits_where(cap_get_bound);
    ret_bits[AMBIENT] = bits_where(cap_get_ambient);
    return 0;
}

static void read_line(const char *line, uint64_t ret_bits[SETS])
{
    for (int set = 0; set < SETS; set++) {
        size_t length = strlen(sets[set].label);
        if (strncmp(line, sets[set].label, length) == 0)
            ret_bits[set] = strtoull(line + length, NULL, 16);
    }
}

/* All five as they are at one moment: capget(2) tells three of another process.
   A line that is too long (the groups') is read in pieces, all of digits. */
static int read_status(const char *path, uint64_t ret_bits[SETS])
{
    char line[256];
    FILE *status = fopen(path, "re");
    if (status == NULL)
        return -1;
    while (fgets(line, sizeof line, status) != NULL)
        read_line(line, ret_bits);
    int errnum = errno;
    bool failed = ferror(status);
    (void)fclose(status);
    errno = errnum;
    return failed ? -1 : 0;
}

/* Takes caps over, which may be NULL with errno: the result is then too. */
static char *to_text(cap_t caps)
{
    char *text = caps == NULL ? NULL : cap_to_text(caps, NULL);
    release(caps);
    return text;
}

static cap_t make_caps(const struct change *change)
{
    cap_t caps = cap_init();
    if (caps != NULL)
        set_flags(caps, change);
    return caps;
}

/* libcap reads numbers too ("60=p"), also those that the kernel has not got. */
static bool read_text(const char *text, uint64_t ret_bits[SETTABLE])
{
    uint64_t all = 0;
    cap_t caps = cap_from_text(text);
    if (caps == NULL)
        return false;
    get_flags(caps, ret_bits);
    release(caps);
    for (int set = 0; set < SETTABLE; set++)
        all |= ret_bits[set];
    return all >> last_cap() <= 1;
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
    release(caps);
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
    release(*text);
    *text = NULL;
    return 0;
}

/* Pushes a text as a string, and frees it. */
static void push_string(lua_State *L, char **text)
{
    lua_pushstring(L, *text);
    release(*text);
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
 * The capability sets of the calling thread or of another process.
 * @param pid? integer|"self" a process or thread; the calling thread if absent
 * @return table|nil sets effective, permitted, inheritable, bounding, ambient:
 *   a list of names each ("net_raw")
 * @return userns.Error? err ENOENT where there is no such process in /proc
 * @source capabilities(7)
 */
static int sys_getcaps(lua_State *L)
{
    uint64_t bits[SETS] = {0};
    char path[sizeof "/proc//status" + 3 * sizeof(pid_t)];
    pid_t pid = opt_pid(L, 1);
    (void)snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    if (pid == 0 && read_own(bits) != 0)
        return userns_fail(L, "capabilities", "capget", errno, NULL);
    if (pid != 0 && userns_check_proc() != 0)
        return userns_refuse(L, "capabilities", "readlink", errno, path);
    if (pid != 0 && read_status(path, bits) != 0)
        return userns_fail(L, "capabilities", "openat", errno, path);
    push_sets(L, bits, SETS);
    return 1;
}

/***
 * Sets capability sets of the calling thread; those not given stay as they are.
 * @param sets table effective, permitted, inheritable: a list of names
 *   ("net_raw", "cap_net_raw" or "CAP_NET_RAW"), "all" or "none"
 * @return true|nil ok
 * @return userns.Error? err EPERM for more than is permitted; nothing is
 *   changed then
 * @source capset(2)
 */
static int sys_setcaps(lua_State *L)
{
    struct change change = check_change(L, 1);
    return userns_result(L, apply(&change), "capabilities", "capset", NULL);
}

/***
 * Takes capabilities out of the calling thread's bounding set, for good: no
 * execve will give them to it or its descendants in this user namespace.
 * @param caps string|string[] names, "all" or "none"
 * @return true|nil ok
 * @return userns.Error? err EPERM without CAP_SETPCAP; its path names the
 *   capability that was refused
 * @source capabilities(7)
 */
static int sys_drop_bounding(lua_State *L)
{
    uint64_t bits = userns_check_caps(L, 1);
    int refused = change_each(bits, cap_drop_bound);
    if (refused >= 0)
        return fail_at(L, "bounding", errno, refused);
    lua_pushboolean(L, true);
    return 1;
}

/***
 * Makes these the calling thread's ambient set: what survives the execve of an
 * ordinary program by a uid other than 0.
 * @param caps string|string[] names, "all" or "none"
 * @return true|nil ok
 * @return userns.Error? err EPERM for one that is not both permitted and
 *   inheritable (its path names it); nothing is changed then
 * @source capabilities(7)
 */
static int sys_set_ambient(lua_State *L)
{
    uint64_t wanted = userns_check_caps(L, 1);
    uint64_t present = bits_where(cap_get_ambient);
    uint64_t missing = wanted & ~present;
    int refused = change_each(missing, raise_ambient);
    int errnum = errno;
    /* To lower is always allowed. */
    (void)change_each(refused < 0 ? present & ~wanted : missing, lower_ambient);
    if (refused >= 0)
        return fail_at(L, "ambient", errnum, refused);
    lua_pushboolean(L, true);
    return 1;
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
        change = check_change(L, 1);
    else
        pid = opt_pid(L, 1);
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
    push_sets(L, bits, SETTABLE);
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

/***
 * The name of a capability.
 * @param number integer 0 to last_cap()
 * @return string name as in "net_raw"
 * @source cap_to_name(3)
 */
static int sys_cap_name(lua_State *L)
{
    push_name(L, (int)userns_check_integer(L, 1, 0, last_cap()));
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
    while (cap <= last_cap() && bit(cap) != bits)
        cap++;
    luaL_argcheck(L, cap <= last_cap(), 1, "a single capability expected");
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
    lua_pushinteger(L, last_cap());
    return 1;
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
 * The secure bits of the calling thread.
 * @return string[]|nil words of noroot, no_setuid_fixup, keep_caps,
 *   no_cap_ambient_raise, exec_restrict_file, exec_deny_interactive, and the
 *   same with _locked
 * @return userns.Error? err
 * @source capabilities(7)
 */
static int sys_get_securebits(lua_State *L)
{
    int bits = (int)cap_get_secbits();
    if (bits < 0)
        return userns_fail(L, "securebits", "prctl", errno, NULL);
    lua_Integer count = 0;
    lua_newtable(L);
    for (const struct word *word = userns_securebits; word->name != NULL;
         word++) {
        if (((uint64_t)bits & word->value) != 0) {
            lua_pushstring(L, word->name);
            lua_rawseti(L, -2, ++count);
        }
    }
    return 1;
}

/***
 * Makes these the secure bits of the calling thread, and no others.
 * @param words string|string[] as get_securebits returns them
 * @return true|nil ok
 * @return userns.Error? err EPERM without CAP_SETPCAP, or against a lock
 * @source capabilities(7)
 */
static int sys_set_securebits(lua_State *L)
{
    uint64_t bits = userns_check_words(L, 1, userns_securebits, "secure bit");
    return userns_result(L, cap_set_secbits((unsigned)bits), "securebits",
                         "prctl", NULL);
}

void userns_open_caps(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"getcaps", sys_getcaps},
        {"setcaps", sys_setcaps},
        {"drop_bounding", sys_drop_bounding},
        {"set_ambient", sys_set_ambient},
        {"caps_text", sys_caps_text},
        {"caps_from_text", sys_caps_from_text},
        {"get_file_caps", sys_get_file_caps},
        {"set_file_caps", sys_set_file_caps},
        {"cap_name", sys_cap_name},
        {"cap_number", sys_cap_number},
        {"last_cap", sys_last_cap},
        {"get_securebits", sys_get_securebits},
        {"set_securebits", sys_set_securebits},
        {NULL, NULL},
    };
    register_names(L);
    luaL_newmetatable(L, TEXT_TYPE);
    lua_pushcfunction(L, text_gc);
    lua_setfield(L, -2, "__gc");
    lua_pop(L, 1);
    luaL_setfuncs(L, functions, 0);
}
