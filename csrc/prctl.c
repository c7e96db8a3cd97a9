#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>

#include "check.h"
#include "error.h"
#include "sys.h"

/* TASK_COMM_LEN, as prctl(2) gives it: 15 bytes and a NUL. */
#define NAME_SIZE 16

/*
 * How an attribute's value is read and written.  get pushes the present value,
 * or returns -1 with errno and pushes nothing; check makes a value that may be
 * set the argument of prctl(2).
 */
struct kind {
    int (*get)(lua_State *L, int option);
    unsigned long (*check)(lua_State *L, int arg);
};

struct attribute {
    const char *name;
    int get;
    int set;
    const struct kind *kind;
};

static int push_switch(lua_State *L, int value)
{
    /* "dumpable" has a third value, 2 (/proc/sys/fs/suid_dumpable): such a
       process is as closed to its user as one with 0. */
    if (value >= 0)
        lua_pushboolean(L, value == 1);
    return value;
}

static int get_switch(lua_State *L, int option)
{
    return push_switch(L, prctl(option, 0UL, 0UL, 0UL, 0UL));
}

static int get_stored_switch(lua_State *L, int option)
{
    int value = 0;
    int result = prctl(option, &value, 0UL, 0UL, 0UL);
    return result < 0 ? result : push_switch(L, value);
}

static unsigned long check_switch(lua_State *L, int arg)
{
    luaL_checktype(L, arg, LUA_TBOOLEAN);
    return (unsigned long)lua_toboolean(L, arg);
}

/* The mode of seccomp(2): none, strict or by filters. */
static int get_mode(lua_State *L, int option)
{
    int mode = prctl(option, 0UL, 0UL, 0UL, 0UL);
    if (mode >= 0)
        lua_pushboolean(L, mode != 0);
    return mode;
}

static unsigned long check_nothing(lua_State *L, int arg)
{
    luaL_argerror(L, arg, "it can only be read");
    return 0;
}

static unsigned long check_ratchet(lua_State *L, int arg)
{
    unsigned long on = check_switch(L, arg);
    luaL_argcheck(L, on, arg, "once set, it stays: only true can be set");
    return on;
}

static int get_signal(lua_State *L, int option)
{
    int signum = 0;
    int result = prctl(option, &signum, 0UL, 0UL, 0UL);
    if (result >= 0 && signum != 0)
        userns_push_signal(L, signum);
    else if (result >= 0)
        lua_pushboolean(L, false);
    return result;
}

static unsigned long check_signal(lua_State *L, int arg)
{
    if (lua_isboolean(L, arg) && !lua_toboolean(L, arg))
        return 0;
    return (unsigned long)userns_check_signal(L, arg);
}

static int get_text(lua_State *L, int option)
{
    char text[NAME_SIZE];
    int result = prctl(option, text, 0UL, 0UL, 0UL);
    if (result >= 0)
        lua_pushstring(L, text);
    return result;
}

static unsigned long check_text(lua_State *L, int arg)
{
    const char *text = userns_check_text(L, arg);
    luaL_argcheck(L, strlen(text) < NAME_SIZE, arg, "longer than 15 bytes");
    return (unsigned long)(uintptr_t)text;
}

static const struct kind a_switch = {get_switch, check_switch};
static const struct kind stored_switch = {get_stored_switch, check_switch};
static const struct kind ratchet = {get_switch, check_ratchet};
static const struct kind a_signal = {get_signal, check_signal};
static const struct kind a_mode = {get_mode, check_nothing};
static const struct kind a_text = {get_text, check_text};

static const struct attribute attributes[] = {
    {"no_new_privs", PR_GET_NO_NEW_PRIVS, PR_SET_NO_NEW_PRIVS, &ratchet},
    {"dumpable", PR_GET_DUMPABLE, PR_SET_DUMPABLE, &a_switch},
    {"pdeathsig", PR_GET_PDEATHSIG, PR_SET_PDEATHSIG, &a_signal},
    {"child_subreaper", PR_GET_CHILD_SUBREAPER, PR_SET_CHILD_SUBREAPER,
     &stored_switch},
    {"keep_caps", PR_GET_KEEPCAPS, PR_SET_KEEPCAPS, &a_switch},
    {"name", PR_GET_NAME, PR_SET_NAME, &a_text},
    {"seccomp", PR_GET_SECCOMP, PR_SET_SECCOMP, &a_mode},
};

#define ATTRIBUTES (sizeof attributes / sizeof attributes[0])

static const struct attribute *check_attribute(lua_State *L, int arg)
{
    const char *name = userns_check_text(L, arg);
    for (size_t i = 0; i < ATTRIBUTES; i++)
        if (strcmp(attributes[i].name, name) == 0)
            return &attributes[i];
    luaL_argerror(L, arg,
                  lua_pushfstring(L, "unknown process attribute '%s'", name));
    return NULL;
}

/***
 * Reads an attribute of the caller, or sets it where a value is given.
 *
 * "no_new_privs" (true; never to be undone), "pdeathsig" (a signal, or false:
 * sent when the thread that created the caller ends; cleared by a change of
 * ids and by executing a file that gives privilege), "keep_caps" (a boolean:
 * the permitted set outlasts leaving uid 0; cleared by exec), "name" (up to 15
 * bytes) and "seccomp" (only to be read: whether filters hold it) are the
 * calling thread's own.  "dumpable" (a boolean: false closes
 * the process to tracing, core dumps and its own user's eyes in /proc) and
 * "child_subreaper" (a boolean: orphaned descendants become its children)
 * belong to the whole process.
 * @param attribute string one of these seven words
 * @param value? boolean|string|integer
 * @return boolean|string|nil value the present one, a signal as "SIGTERM"; true
 *   where one was set
 * @return userns.Error? err EPERM for "keep_caps" where a secure bit locks it
 * @source prctl(2)
 */
static int sys_prctl(lua_State *L)
{
    const struct attribute *attribute = check_attribute(L, 1);
    const struct kind *kind = attribute->kind;
    if (!lua_isnoneornil(L, 2)) {
        unsigned long value = kind->check(L, 2);
        return userns_result(L, prctl(attribute->set, value, 0UL, 0UL, 0UL),
                             attribute->name, "prctl", NULL);
    }
    if (kind->get(L, attribute->get) < 0)
        return userns_fail(L, attribute->name, "prctl", errno, NULL);
    return 1;
}

void userns_open_prctl(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"prctl", sys_prctl},
        {NULL, NULL},
    };
    luaL_setfuncs(L, functions, 0);
}
