#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "check.h"
#include "error.h"
#include "sys.h"

/***
 * Has a filter answer the system calls that the calling thread makes from now
 * on, and what it starts; there is no way back.
 * @param program string instructions of struct sock_filter, 1 to 4096, as
 *   seccomp_filter makes them
 * @return true|nil ok
 * @return userns.Error? err EACCES without no_new_privs and without
 *   CAP_SYS_ADMIN, EINVAL for a program that is no filter
 * @source seccomp(2)
 */
static int sys_seccomp(lua_State *L)
{
    size_t length;
    luaL_checktype(L, 1, LUA_TSTRING);
    const char *program = lua_tolstring(L, 1, &length);
    size_t count = length / sizeof(struct sock_filter);
    luaL_argcheck(L, length % sizeof(struct sock_filter) == 0, 1,
                  "an instruction has 8 bytes");
    luaL_argcheck(L, 1 <= count && count <= BPF_MAXINSNS, 1,
                  "a filter has 1 to 4096 instructions");
    /* only read: the kernel copies it */
    struct sock_fprog filter = {
        (unsigned short)count,
        (struct sock_filter *)(uintptr_t)(const void *)program};
    return userns_result(
        L, syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0UL, &filter),
        "seccomp", "seccomp", /* path= */ NULL);
}

void userns_open_seccomp(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"seccomp", sys_seccomp},
        {NULL, NULL},
    };
    luaL_setfuncs(L, functions, 0);
}
