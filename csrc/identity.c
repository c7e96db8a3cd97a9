#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <linux/capability.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "check.h"
#include "error.h"
#include "sys.h"

/* What the kernel takes for "leave unchanged". */
#define UNCHANGED UINT32_MAX

/* Groups of most users; of more, credentials tells only that there are. */
#define NGROUPS_SMALL 64

static uint32_t opt_id(lua_State *L, int arg)
{
    return lua_isnoneornil(L, arg) ? UNCHANGED : userns_check_id(L, arg);
}

static int push_ids(lua_State *L, uint32_t real, uint32_t effective,
                    uint32_t saved)
{
    lua_pushinteger(L, real);
    lua_pushinteger(L, effective);
    lua_pushinteger(L, saved);
    return 3;
}

/***
 * The caller's user ids, as its user namespace numbers them.
 * @return integer|nil real 65534 (the overflow id) where it is not mapped
 * @return integer|userns.Error effective
 * @return integer? saved
 * @source getresuid(2)
 */
static int sys_getresuid(lua_State *L)
{
    uid_t real, effective, saved;
    if (getresuid(&real, &effective, &saved) != 0)
        return userns_fail(L, "setuid", "getresuid", errno, NULL);
    return push_ids(L, real, effective, saved);
}

/***
 * The caller's group ids, as its user namespace numbers them.
 * @return integer|nil real 65534 (the overflow id) where it is not mapped
 * @return integer|userns.Error effective
 * @return integer? saved
 * @source getresgid(2)
 */
static int sys_getresgid(lua_State *L)
{
    gid_t real, effective, saved;
    if (getresgid(&real, &effective, &saved) != 0)
        return userns_fail(L, "setgid", "getresgid", errno, NULL);
    return push_ids(L, real, effective, saved);
}

/***
 * Sets the user ids of the whole process: libc carries the call out in every
 * thread.  A change of the effective id clears "dumpable" and "pdeathsig", and
 * leaving uid 0 clears capabilities (see "keep_caps").
 * @param real? integer 0 to 4294967294; nil leaves it unchanged
 * @param effective? integer
 * @param saved? integer
 * @return true|nil ok
 * @return userns.Error? err EPERM without CAP_SETUID in the user namespace,
 *   EINVAL for an id that is not mapped there
 * @source setresuid(2)
 */
static int sys_setresuid(lua_State *L)
{
    uid_t real = opt_id(L, 1);
    uid_t effective = opt_id(L, 2);
    uid_t saved = opt_id(L, 3);
    return userns_result(L, setresuid(real, effective, saved), "setuid",
                         "setresuid", NULL);
}

/***
 * Sets the group ids of the whole process: libc carries the call out in every
 * thread.
 * @param real? integer 0 to 4294967294; nil leaves it unchanged
 * @param effective? integer
 * @param saved? integer
 * @return true|nil ok
 * @return userns.Error? err EPERM without CAP_SETGID in the user namespace,
 *   EINVAL for an id that is not mapped there
 * @source setresgid(2)
 */
static int sys_setresgid(lua_State *L)
{
    gid_t real = opt_id(L, 1);
    gid_t effective = opt_id(L, 2);
    gid_t saved = opt_id(L, 3);
    return userns_result(L, setresgid(real, effective, saved), "setgid",
                         "setresgid", NULL);
}

/***
 * The caller's supplementary groups.
 * @return integer[]|nil groups 65534 stands for each that is not mapped
 * @return userns.Error? err
 * @source getgroups(2)
 */
static int sys_getgroups(lua_State *L)
{
    gid_t *groups;
    int count;
    do { /* another thread may make the list longer in between */
        count = getgroups(0, NULL);
        groups = lua_newuserdatauv(L, ((size_t)count + 1) * sizeof *groups, 0);
        count = getgroups(count, groups);
    } while (count < 0 && errno == EINVAL);
    if (count < 0)
        return userns_fail(L, "groups", "getgroups", errno, NULL);
    lua_createtable(L, count, 0);
    for (int i = 0; i < count; i++) {
        lua_pushinteger(L, groups[i]);
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}

static gid_t check_group(lua_State *L, int arg, lua_Integer i)
{
    lua_geti(L, arg, i);
    lua_Integer gid = lua_isinteger(L, -1) ? lua_tointeger(L, -1) : -1;
    if (gid < 0 || gid >= UNCHANGED)
        luaL_argerror(L, arg,
                      lua_pushfstring(L, "item %I is no integer from 0 to %I",
                                      (LUAI_UACINT)i,
                                      (LUAI_UACINT)UNCHANGED - 1));
    lua_pop(L, 1);
    return (gid_t)gid;
}

/***
 * Sets the supplementary groups of the whole process: libc carries the call
 * out in every thread.
 * @param groups integer[] up to 65536 group ids; an empty list drops all
 * @return true|nil ok
 * @return userns.Error? err EPERM without CAP_SETGID, or in a user namespace
 *   where setgroups is denied or gid_map not yet written; EINVAL for an id that
 *   is not mapped
 * @source setgroups(2)
 */
static int sys_setgroups(lua_State *L)
{
    lua_Integer count = userns_check_list(L, 1);
    luaL_argcheck(L, count <= NGROUPS_MAX, 1, "too many groups");
    gid_t *groups = lua_newuserdatauv(L, (size_t)count * sizeof *groups, 0);
    for (lua_Integer i = 0; i < count; i++)
        groups[i] = check_group(L, 1, i + 1);
    return userns_result(L, setgroups((size_t)count, groups), "groups",
                         "setgroups", NULL);
}

static const char status_path[] = "/proc/thread-self/status";

/* The mask without the moment at 0 that umask(2) would need, in which files of
   other threads would be open to all; -1 with errno where /proc does not tell
   (the line is there since Linux 4.7). */
static long read_umask(void)
{
    static const char label[] = "Umask:";
    char line[80];
    long mask = -1;
    FILE *status = fopen(status_path, "re");
    if (status == NULL)
        return -1;
    errno = ENODATA;
    while (mask < 0 && fgets(line, sizeof line, status) != NULL)
        if (strncmp(line, label, sizeof label - 1) == 0)
            mask = strtol(line + sizeof label - 1, NULL, 8);
    int errnum = errno;
    (void)fclose(status);
    errno = errnum;
    return mask;
}

/***
 * Sets the file mode creation mask, or reads it without ever changing it.
 * @param mask? integer|string permission bits to withhold, up to 0777: an
 *   integer, or octal digits ("022")
 * @return integer|nil old the mask so far
 * @return userns.Error? err ENOENT where the mask is only read and no /proc is
 *   mounted
 * @source umask(2)
 */
static int sys_umask(lua_State *L)
{
    long old;
    if (lua_isnoneornil(L, 1)) {
        old = read_umask();
        if (old < 0)
            return userns_fail(L, "umask", "openat", errno, status_path);
    } else {
        mode_t mask = userns_check_mode(L, 1);
        luaL_argcheck(L, mask <= 0777, 1, "a mask ends at 0777");
        old = umask(mask);
    }
    lua_pushinteger(L, old);
    return 1;
}

/* What the identity of a process consists of, without padding in between. */
struct credentials {
    char userns[32]; /* "user:[4026531837]" */
    uint64_t open_files[2];
    struct __user_cap_data_struct caps[2];
    uint32_t ids[6];
    int32_t group_count;
    gid_t groups[NGROUPS_SMALL];
};

/***
 * What a plan's host facts depend on, as a string to compare: it changes with
 * the ids, the groups, the capabilities, the user namespace and the limit of
 * open files of the calling thread.
 * @return string credentials
 * @source credentials(7)
 */
static int sys_credentials(lua_State *L)
{
    struct credentials c;
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct rlimit limit = {0, 0};
    memset(&c, 0, sizeof c);
    if (readlink("/proc/thread-self/ns/user", c.userns, sizeof c.userns) < 0)
        c.userns[0] = '\0';
    (void)getrlimit(RLIMIT_NOFILE, &limit);
    c.open_files[0] = limit.rlim_cur;
    c.open_files[1] = limit.rlim_max;
    (void)syscall(SYS_capget, &header, c.caps);
    (void)getresuid(&c.ids[0], &c.ids[1], &c.ids[2]);
    (void)getresgid(&c.ids[3], &c.ids[4], &c.ids[5]);
    c.group_count = getgroups(NGROUPS_SMALL, c.groups);
    lua_pushlstring(L, (const char *)&c, sizeof c);
    return 1;
}

void userns_open_identity(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"credentials", sys_credentials},
        {"getresuid", sys_getresuid},
        {"setresuid", sys_setresuid},
        {"getresgid", sys_getresgid},
        {"setresgid", sys_setresgid},
        {"getgroups", sys_getgroups},
        {"setgroups", sys_setgroups},
        {"umask", sys_umask},
        {NULL, NULL},
    };
    luaL_setfuncs(L, functions, 0);
}
