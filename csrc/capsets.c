#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "caps.h"
#include "capsets.h"
#include "check.h"
#include "error.h"
#include "proc.h"
#include "sys.h"

/* How many capabilities a set has room for. */
#define ROOM 64

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

struct change userns_check_capsets(lua_State *L, int arg)
{
    const char *known[SETTABLE + 1] = {NULL};
    struct change change = {{false}, {0}};
    for (int set = 0; set < SETTABLE; set++)
        known[set] = sets[set].name;
    userns_check_fields(L, arg, known);
    for (int set = 0; set < SETTABLE; set++) {
        change.given[set] = lua_getfield(L, arg, sets[set].name) != LUA_TNIL;
        if (change.given[set])
            change.bits[set] =
                userns_check_caps_field(L, arg, sets[set].name, -1);
        lua_pop(L, 1);
    }
    return change;
}

pid_t userns_opt_thread(lua_State *L, int arg)
{
    if (lua_isnoneornil(L, arg) || (lua_type(L, arg) == LUA_TSTRING &&
                                    strcmp(lua_tostring(L, arg), "self") == 0))
        return 0;
    return (pid_t)userns_check_integer(L, arg, 1, INT_MAX);
}

void userns_push_capsets(lua_State *L, const uint64_t *bits, int count)
{
    lua_createtable(L, 0, count);
    for (int set = 0; set < count; set++) {
        userns_push_caps(L, bits[set]);
        lua_setfield(L, -2, sets[set].name);
    }
}

/* The operand of the error is the capability that was refused. */
static int fail_at(lua_State *L, const char *op, int errnum, int cap)
{
    return userns_refuse(L, op, "prctl", errnum, userns_push_cap_name(L, cap));
}

void userns_get_cap_flags(cap_t caps, uint64_t ret_bits[SETTABLE])
{
    for (int set = 0; set < SETTABLE; set++) {
        ret_bits[set] = 0;
        for (int cap = 0; cap < ROOM; cap++) {
            cap_flag_value_t value = CAP_CLEAR;
            (void)cap_get_flag(caps, cap, (cap_flag_t)set, &value);
            if (value == CAP_SET)
                ret_bits[set] |= userns_cap_bit(cap);
        }
    }
}

void userns_set_cap_flags(cap_t caps, const struct change *change)
{
    for (int set = 0; set < SETTABLE; set++) {
        for (int cap = 0; cap <= userns_last_cap() && change->given[set];
             cap++) {
            bool raised = (change->bits[set] & userns_cap_bit(cap)) != 0;
            (void)cap_set_flag(caps, (cap_flag_t)set, 1, &cap,
                               raised ? CAP_SET : CAP_CLEAR);
        }
    }
}

void userns_free_cap(void *object)
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
    userns_set_cap_flags(caps, change);
    int result = cap_set_proc(caps);
    userns_free_cap(caps);
    return result;
}

static uint64_t bits_where(int (*is_set)(cap_value_t))
{
    uint64_t bits = 0;
    for (int cap = 0; cap <= userns_last_cap(); cap++)
        if (is_set(cap) > 0)
            bits |= userns_cap_bit(cap);
    return bits;
}

/* The first capability for which change fails with errno, or -1. */
static int change_each(uint64_t bits, int (*change)(cap_value_t))
{
    for (int cap = 0; cap <= userns_last_cap(); cap++)
        if ((bits & userns_cap_bit(cap)) != 0 && change(cap) != 0)
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
    userns_get_cap_flags(caps, ret_bits);
    userns_free_cap(caps);
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
    pid_t pid = userns_opt_thread(L, 1);
    (void)snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    if (pid == 0 && read_own(bits) != 0)
        return userns_fail(L, "capabilities", "capget", errno, NULL);
    if (pid != 0 && userns_check_proc() != 0)
        return userns_refuse(L, "capabilities", "readlink", errno, path);
    if (pid != 0 && read_status(path, bits) != 0)
        return userns_fail(L, "capabilities", "openat", errno, path);
    userns_push_capsets(L, bits, SETS);
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
    struct change change = userns_check_capsets(L, 1);
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

void userns_open_capsets(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"getcaps", sys_getcaps},
        {"setcaps", sys_setcaps},
        {"drop_bounding", sys_drop_bounding},
        {"set_ambient", sys_set_ambient},
        {"get_securebits", sys_get_securebits},
        {"set_securebits", sys_set_securebits},
        {NULL, NULL},
    };
    luaL_setfuncs(L, functions, 0);
}
