#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "check.h"
#include "error.h"
#include "fd.h"
#include "keeper.h"
#include "process.h"
#include "sys.h"

#define GATE "userns.gate"

/* The child's end of the hand-shake.  The child goes on holding a copy of the
   parent's end: the parent's death is to show on the pidfd only. */
struct gate {
    int socket; /* a byte out is "ready", a byte in "go on" */
    int host;   /* pidfd of the parent */
};

/* ---- the gate ---------------------------------------------------------- */

static struct gate *push_gate(lua_State *L)
{
    struct gate *gate = lua_newuserdatauv(L, sizeof *gate, 0);
    *gate = (struct gate){-1, -1};
    luaL_setmetatable(L, GATE);
    return gate;
}

static void close_gate(struct gate *gate)
{
    userns_close_fd(&gate->socket);
    userns_close_fd(&gate->host);
}

static int gate_gc(lua_State *L)
{
    close_gate(luaL_checkudata(L, 1, GATE));
    return 0;
}

/***
 * Tells the parent that the child is ready.
 * @return true|nil ok
 * @return userns.Error? err EPIPE when the parent has let go of the child
 */
static int gate_ready(lua_State *L)
{
    const struct gate *gate = luaL_checkudata(L, 1, GATE);
    return userns_result(L, send(gate->socket, "r", 1, MSG_NOSIGNAL), "ready",
                         "send", NULL);
}

/***
 * Waits until the parent releases the child.
 * @return true|nil ok
 * @return userns.Error? err ESRCH when the parent has ended; EPIPE when it has
 *   let go of the child
 */
static int gate_await(lua_State *L)
{
    const struct gate *gate = luaL_checkudata(L, 1, GATE);
    struct pollfd fds[] = {{gate->socket, POLLIN, 0}, {gate->host, POLLIN, 0}};
    char byte;
    while (poll(fds, 2, -1) < 0)
        if (errno != EINTR)
            return userns_fail(L, "await", "poll", errno, NULL);
    if (fds[0].revents == 0)
        return userns_refuse(L, "await", "poll", ESRCH, NULL);
    ssize_t n = recv(gate->socket, &byte, 1, 0);
    if (n == 0)
        return userns_fail(L, "await", "recv", EPIPE, NULL);
    return userns_result(L, n, "await", "recv", NULL);
}

/* -1 with errno and the call that failed. */
static int open_gate(struct gate *gate, int *ret_parent,
                     const char **ret_syscall)
{
    int ends[2];
    *ret_syscall = "socketpair";
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        return -1;
    *ret_syscall = "fcntl";
    *ret_parent = ends[0];
    gate->socket = userns_above_stdio(ends[1]);
    if (gate->socket >= 0)
        *ret_parent = userns_above_stdio(ends[0]);
    if (gate->socket < 0 || *ret_parent < 0)
        return -1;
    *ret_syscall = "pidfd_open";
    gate->host = userns_pidfd_open(getpid());
    return gate->host < 0 ? -1 : 0;
}

/* ---- the child --------------------------------------------------------- */

static int traceback(lua_State *L)
{
    luaL_traceback(L, L, luaL_tolstring(L, 1, NULL), 1);
    return 1;
}

static const char what_is_code[] = "an exit code is nil, a boolean or 0 to 255";

/* A value as an exit code; -1 when it is none. */
static int exit_code(lua_State *L, int index)
{
    if (lua_isnoneornil(L, index))
        return 0;
    if (lua_isboolean(L, index))
        return lua_toboolean(L, index) ? 0 : 1;
    lua_Integer code = lua_isinteger(L, index) ? lua_tointeger(L, index) : -1;
    return 0 <= code && code <= 255 ? (int)code : -1;
}

/* What the host has to run at its end is not the child's to run. */
_Noreturn static void leave(int code)
{
    fflush(NULL);
    _exit(code);
}

/* os.exit in the child, which closes no state. */
static int child_exit(lua_State *L)
{
    int code = exit_code(L, 1);
    luaL_argcheck(L, code >= 0, 1, what_is_code);
    leave(code);
}

/* Calls the function at 1 with the gate at 2. */
static int child_main(lua_State *L)
{
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    if (lua_getfield(L, -1, "os") == LUA_TTABLE) {
        lua_pushcfunction(L, child_exit);
        lua_setfield(L, -2, "exit");
    }
    lua_settop(L, 2);
    lua_call(L, 1, 1);
    return 1;
}

/* Runs the function below the gate, which is on top, and never returns. */
_Noreturn static void run_child(lua_State *L)
{
    lua_gc(L, LUA_GCSTOP, 0);
    lua_pushcfunction(L, traceback);
    lua_insert(L, -3);
    lua_pushcfunction(L, child_main);
    lua_insert(L, -3);
    bool failed = lua_pcall(L, 2, 1, -4) != LUA_OK;
    int code = failed ? -1 : exit_code(L, -1);
    if (code < 0)
        fprintf(stderr, "%s\n", failed ? lua_tostring(L, -1) : what_is_code);
    leave(code < 0 ? 1 : code);
}

/* ---- the call ---------------------------------------------------------- */

/* As fork(2), in new namespaces: 0 in the child. */
static long clone_copy(uint64_t namespaces, int *ret_pidfd)
{
    struct clone_args args = {
        .flags = CLONE_PIDFD | namespaces,
        .pidfd = (uintptr_t)ret_pidfd,
        .exit_signal = SIGCHLD,
    };
    long pid = syscall(SYS_clone3, &args, sizeof args);
    /* Container runtimes stub clone3 with either of these; what does not fit
       clone's flags cannot fall back. */
    if (pid < 0 && (errno == ENOSYS || errno == EPERM) &&
        (args.flags & CSIGNAL) == 0)
        pid = syscall(SYS_clone, (long)(args.flags | SIGCHLD), 0, ret_pidfd, 0,
                      0);
    return pid;
}

static int refuse_threads(lua_State *L)
{
    userns_refuse(L, "clone", NULL, EBUSY, NULL);
    lua_pushliteral(L, "another thread of the host may hold a lock that the "
                       "child would wait for");
    lua_setfield(L, -2, "message");
    return 2;
}

static bool check_handshake(lua_State *L, int arg)
{
    static const char *const known[] = {"handshake", NULL};
    if (lua_isnoneornil(L, arg))
        return false;
    userns_check_fields(L, arg, known);
    lua_getfield(L, arg, "handshake");
    luaL_argcheck(L, lua_isnil(L, -1) || lua_isboolean(L, -1), arg,
                  "handshake is a boolean");
    bool wanted = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return wanted;
}

/* Where the child's pidfd cannot be kept there is no child: -1 with errno. */
static int hold(struct process *process, pid_t pid, int pidfd)
{
    int status;
    if (userns_lift_fd(&pidfd) != 0) {
        int errnum = errno;
        userns_kill(pidfd, SIGKILL);
        (void)userns_reap(pidfd, &status);
        close(pidfd);
        errno = errnum;
        return -1;
    }
    process->pid = pid;
    process->pidfd = pidfd;
    process->ours = true;
    return 0;
}

static int refuse(lua_State *L, struct process *process, struct gate *gate,
                  const char *call)
{
    int errnum = errno;
    userns_close_fd(&process->gate);
    close_gate(gate);
    return userns_refuse(L, "clone", call, errnum, NULL);
}

/***
 * Runs a Lua function in a child that has new namespaces and a copy of the
 * host, as fork(2) makes it.  Only for a host without other threads.  The
 * child's collector is stopped, and it leaves by _exit(2), also by os.exit:
 * nothing that the host would run at its end runs in it.
 * @param namespaces string|string[] the namespaces to create; may be empty
 * @param fn fun(gate: userns.sys.Gate?): any nil or true is exit code 0, false
 *   1, an integer itself; an error is printed with its traceback, exit code 1
 * @param options { handshake: boolean? }? with handshake the function gets a
 *   gate (ready, await), and the process has ready and release
 * @return userns.sys.Process? process
 * @return userns.Error? err EPERM, ENOSPC, EAGAIN ...; EBUSY where the host has
 *   other threads
 * @source clone(2)
 */
static int sys_clone(lua_State *L)
{
    uint64_t namespaces = userns_check_namespaces(L, 1);
    luaL_checktype(L, 2, LUA_TFUNCTION);
    bool handshake = check_handshake(L, 3);
    lua_settop(L, 2);
    struct process *process = userns_push_process(L, 0);
    struct gate *gate = push_gate(L);
    lua_pushvalue(L, 2);
    if (handshake)
        lua_pushvalue(L, 4);
    else
        lua_pushnil(L);
    luaL_checkstack(L, 8, "clone");
    if (userns_has_threads())
        return refuse_threads(L);
    const char *call;
    if (handshake && open_gate(gate, &process->gate, &call) != 0)
        return refuse(L, process, gate, call);
    fflush(NULL);
    int pidfd = -1;
    long pid = clone_copy(namespaces, &pidfd);
    if (pid == 0)
        run_child(L);
    if (pid < 0)
        return refuse(L, process, gate, "clone3");
    if (hold(process, (pid_t)pid, pidfd) != 0)
        return refuse(L, process, gate, "fcntl");
    close_gate(gate);
    lua_settop(L, 3);
    return 1;
}

void userns_open_clone(lua_State *L)
{
    static const luaL_Reg methods[] = {
        {"ready", gate_ready},
        {"await", gate_await},
        {NULL, NULL},
    };
    static const luaL_Reg metamethods[] = {
        {"__gc", gate_gc},
        {NULL, NULL},
    };
    static const luaL_Reg functions[] = {
        {"clone", sys_clone},
        {NULL, NULL},
    };
    userns_new_type(L, GATE, metamethods, methods);
    luaL_setfuncs(L, functions, 0);
}
