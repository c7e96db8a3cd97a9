/*
 * Whether a system call is answered by the kernel or by a filter before it: the
 * call is made with arguments that the kernel refuses in a way of its own, in a
 * child, as a filter may kill who makes it.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "error.h"
#include "fd.h"
#include "nstype.h"
#include "raw.h"
#include "sys.h"

#define INVALID (-1L)

/* A bit that no namespace has, and for which the kernel refuses the call before
   it looks at any other: clone(2) without CLONE_SIGHAND, unshare(2) with a part
   of an exit signal. */
#define CLONE_REFUSED   CLONE_THREAD
#define UNSHARE_REFUSED 1L

/* More than any structure of the kernel's has; a process that is not there. */
#define TOO_BIG (1L << 20)
#define NOBODY  0x7fffffffL

#define OPEN_HOW 24L         /* bytes of struct open_how */
#define ACTION   2L          /* SECCOMP_GET_ACTION_AVAIL */
#define GET_NAME 16L         /* PR_GET_NAME */
#define AS_IT_IS 0xffffffffL /* personality(2) */

/* Who is not answered EPERM: anyone, root of namespaces that it has made, who
   has the capability where it is. */
enum whom { ANYONE, OWNER, PRIVILEGED };

/* Where there is a choice, what the kernel answers to these arguments is
   nothing that it says to those of anybody who means it. */
static const struct probe {
    const char *name;
    long number;
    long a, b, c, d, e; /* namespaces are added to a */
    int answer;         /* the kernel's errno; 0: it is done, without effect */
    enum whom whom;
} probes[] = {
    {"capset", SYS_capset, 0, 0, 0, 0, 0, EFAULT, ANYONE},
    {"chdir", SYS_chdir, 0, 0, 0, 0, 0, EFAULT, ANYONE},
    {"chroot", SYS_chroot, 0, 0, 0, 0, 0, EFAULT, ANYONE},
    {"clone", SYS_clone, CLONE_REFUSED, 0, 0, 0, 0, EINVAL, ANYONE},
    {"clone3", SYS_clone3, 0, TOO_BIG, 0, 0, 0, E2BIG, ANYONE},
    {"create", SYS_unshare, 0, 0, 0, 0, 0, 0, ANYONE},
    {"execve", SYS_execve, 0, 0, 0, 0, 0, EFAULT, ANYONE},
    {"execveat", SYS_execveat, INVALID, 0, 0, 0, 0, EFAULT, ANYONE},
    {"fchdir", SYS_fchdir, INVALID, 0, 0, 0, 0, EBADF, ANYONE},
    {"fchmod", SYS_fchmod, INVALID, 0, 0, 0, 0, EBADF, ANYONE},
    {"fchown", SYS_fchown, INVALID, 0, 0, 0, 0, EBADF, ANYONE},
    {"fsconfig", SYS_fsconfig, 0, INVALID, 0, 0, 0, EOPNOTSUPP, ANYONE},
    {"fsmount", SYS_fsmount, INVALID, 0, 0, 0, 0, EBADF, OWNER},
    {"fsopen", SYS_fsopen, 0, 0, 0, 0, 0, EFAULT, OWNER},
    {"fspick", SYS_fspick, INVALID, 0, 0, 0, 0, EFAULT, OWNER},
    {"getcwd", SYS_getcwd, 0, 0, 0, 0, 0, ERANGE, ANYONE},
    {"ioctl", SYS_ioctl, INVALID, 0, 0, 0, 0, EBADF, ANYONE},
    {"keyctl", SYS_keyctl, INVALID, 0, 0, 0, 0, EOPNOTSUPP, ANYONE},
    {"kill", SYS_kill, NOBODY, 0, 0, 0, 0, ESRCH, ANYONE},
    {"landlock_add_rule", SYS_landlock_add_rule, INVALID, 0, 0, INVALID, 0,
     EINVAL, ANYONE},
    {"landlock_create_ruleset", SYS_landlock_create_ruleset, 0, 0, 0, 0, 0,
     EFAULT, ANYONE},
    {"make_private", SYS_mount, 0, (long)(uintptr_t) "/", 0, MS_PRIVATE, 0, 0,
     OWNER},
    {"memfd_create", SYS_memfd_create, 0, 0, 0, 0, 0, EFAULT, ANYONE},
    {"mkdirat", SYS_mkdirat, INVALID, 0, 0, 0, 0, EFAULT, ANYONE},
    {"mknodat", SYS_mknodat, INVALID, 0, 0, 0, 0, EFAULT, ANYONE},
    {"mount", SYS_mount, 0, 0, 0, 0, 0, EFAULT, ANYONE},
    {"mount_setattr", SYS_mount_setattr, INVALID, 0, 0, 0, TOO_BIG, E2BIG,
     ANYONE},
    {"move_mount", SYS_move_mount, INVALID, 0, INVALID, 0, 0, EFAULT, OWNER},
    {"open_tree", SYS_open_tree, INVALID, 0, 0, 0, 0, EFAULT, ANYONE},
    {"openat", SYS_openat, INVALID, 0, 0, 0, 0, EFAULT, ANYONE},
    {"openat2", SYS_openat2, INVALID, 0, 0, OPEN_HOW, 0, EFAULT, ANYONE},
    {"personality", SYS_personality, AS_IT_IS, 0, 0, 0, 0, 0, ANYONE},
    {"pidfd_open", SYS_pidfd_open, NOBODY, 0, 0, 0, 0, ESRCH, ANYONE},
    {"pivot_root", SYS_pivot_root, 0, 0, 0, 0, 0, EFAULT, OWNER},
    {"prctl", SYS_prctl, GET_NAME, 0, 0, 0, 0, EFAULT, ANYONE},
    {"prlimit64", SYS_prlimit64, NOBODY, 0, 0, 0, 0, ESRCH, ANYONE},
    {"sched_setaffinity", SYS_sched_setaffinity, NOBODY, 0, 0, 0, 0, ESRCH,
     ANYONE},
    {"seccomp", SYS_seccomp, ACTION, 0, 0, 0, 0, EFAULT, ANYONE},
    {"sendto", SYS_sendto, INVALID, 0, 0, 0, 0, EBADF, ANYONE},
    {"setdomainname", SYS_setdomainname, 0, 1, 0, 0, 0, EFAULT, OWNER},
    {"setgroups", SYS_setgroups, 1, 0, 0, 0, 0, EFAULT, PRIVILEGED},
    {"sethostname", SYS_sethostname, 0, 1, 0, 0, 0, EFAULT, OWNER},
    {"setns", SYS_setns, INVALID, 0, 0, 0, 0, EBADF, ANYONE},
    {"setpriority", SYS_setpriority, 0, NOBODY, 0, 0, 0, ESRCH, ANYONE},
    {"setresgid", SYS_setresgid, INVALID, INVALID, INVALID, 0, 0, 0, ANYONE},
    {"setresuid", SYS_setresuid, INVALID, INVALID, INVALID, 0, 0, 0, ANYONE},
    {"setsid", SYS_setsid, 0, 0, 0, 0, 0, 0, ANYONE},
    {"socket", SYS_socket, INVALID, 0, 0, 0, 0, EAFNOSUPPORT, ANYONE},
    {"symlinkat", SYS_symlinkat, 0, INVALID, 0, 0, 0, EFAULT, ANYONE},
    {"umount2", SYS_umount2, 0, 0, 0, 0, 0, EFAULT, OWNER},
    {"unshare", SYS_unshare, UNSHARE_REFUSED, 0, 0, 0, 0, EINVAL, ANYONE},
    {"write", SYS_write, INVALID, 0, 0, 0, 0, EBADF, ANYONE},
};

static const struct probe *check_probe(lua_State *L, int arg)
{
    const char *name = luaL_checkstring(L, arg);
    for (size_t i = 0; i < sizeof probes / sizeof probes[0]; i++)
        if (strcmp(probes[i].name, name) == 0)
            return &probes[i];
    luaL_argerror(L, arg, "no system call that can be tried");
    return NULL;
}

/* A child that is root of namespaces of its own, where it has to be and may. */
static long clone_for(const struct probe *p, bool *ret_owner)
{
    long pid = -EPERM;
    if (p->whom == OWNER)
        pid = raw_syscall(SYS_clone, CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWUTS,
                          0, 0, 0, 0, 0);
    *ret_owner = pid >= 0;
    if (pid >= 0)
        return pid;
    return raw_syscall(SYS_clone,
                       p->answer == 0 && p->whom == OWNER ? CLONE_NEWNS : 0, 0,
                       0, 0, 0, 0);
}

/* The call in a child that shares nothing with the host, and takes none of its
   locks; what came of it as wait(2) has it. */
static int try_call(const struct probe *p, long flags, bool *ret_owner,
                    int *ret_status)
{
    long pid = clone_for(p, ret_owner);
    if (pid == 0) {
        long result =
            raw_syscall(p->number, p->a | flags, p->b, p->c, p->d, p->e, 0);
        for (;;)
            raw_syscall(SYS_exit_group, result < 0 ? -result : 0, 0, 0, 0, 0,
                        0);
    }
    if (pid < 0) {
        errno = (int)-pid;
        return -1;
    }
    while (waitpid((pid_t)pid, ret_status, __WALL) < 0)
        if (errno != EINTR)
            return -1;
    return 0;
}

static void push_answer(lua_State *L, int errnum)
{
    lua_pushstring(L, errnum == 0 ? "OK" : userns_errno_name(errnum));
}

/***
 * How a system call is answered that is made with arguments nobody could mean,
 * or has no effect on the caller.
 * @param name string "unshare", "mount" ...; "create": namespaces are created,
 *   and are gone again
 * @param namespaces string|string[]|nil for clone, unshare and create: with the
 *   flags of these
 * @return string|nil answer the errno's name, "EINVAL", or "OK"; the name of
 * the signal that ended who made it, "SIGSYS"
 * @return string|userns.Error expected what the kernel answers where no filter
 *   does; EAGAIN, ENOMEM: it could not be
 *   tried
 * @source seccomp(2)
 */
static int sys_probe(lua_State *L)
{
    const struct probe *p = check_probe(L, 1);
    long flags =
        lua_isnoneornil(L, 2) ? 0 : (long)userns_check_namespaces(L, 2);
    bool owner;
    int status;
    if (try_call(p, flags, &owner, &status) != 0)
        return userns_fail(L, "probe", "clone", errno, NULL);
    if (WIFSIGNALED(status))
        userns_push_signal(L, WTERMSIG(status));
    else
        push_answer(L, WEXITSTATUS(status));
    push_answer(L, p->answer);
    lua_pushboolean(L, p->whom != ANYONE && !owner);
    return 3;
}

/* ---- security modules -------------------------------------------------- */

#ifndef SYS_lsm_list_modules
#define SYS_lsm_list_modules 461 /* Linux 6.8 */
#endif

#define MODULES 32

/* Those that may refuse by rules of their own; linux/lsm.h has their numbers.
 */
static const struct {
    uint64_t id;
    const char *name;
} modules[] = {
    {101, "selinux"},  {102, "smack"}, {103, "tomoyo"},
    {104, "apparmor"}, {109, "bpf"},   {113, "ipe"},
};

/***
 * The security modules of the kernel that decide by rules which may be
 * anything: selinux, smack, tomoyo, apparmor, bpf, ipe.
 * @return string[]? names
 * @return userns.Error? err ENOSYS before Linux 6.8
 * @source lsm_list_modules(2)
 */
static int sys_security_modules(lua_State *L)
{
    uint64_t ids[MODULES];
    uint32_t size = sizeof ids;
    long count =
        raw_syscall(SYS_lsm_list_modules, (long)ids, (long)&size, 0, 0, 0, 0);
    if (count < 0)
        return userns_fail(L, "security_modules", "lsm_list_modules",
                           (int)-count, NULL);
    lua_Integer found = 0;
    lua_newtable(L);
    for (long i = 0; i < count; i++)
        for (size_t j = 0; j < sizeof modules / sizeof modules[0]; j++)
            if (ids[i] == modules[j].id) {
                lua_pushstring(L, modules[j].name);
                lua_rawseti(L, -2, ++found);
            }
    return 1;
}

void userns_open_probe(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"probe", sys_probe},
        {"security_modules", sys_security_modules},
        {NULL, NULL},
    };
    luaL_setfuncs(L, functions, 0);
}
