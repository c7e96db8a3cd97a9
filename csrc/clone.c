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
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "check.h"
#include "error.h"
#include "fd.h"
#include "keeper.h"
#include "process.h"
#include "sys.h"

#define GATE "userns.gate"

/* The child's end of the hand-shake. */
struct gate {
    int ready;   /* the child writes a byte when it is */
    int release; /* the parent writes one to let it go on */
    int host;    /* pidfd of the parent */
};

/* ---- the gate ---------------------------------------------------------- */

static struct gate *push_gate(lua_State *L)
{
    struct gate *gate = lua_newuserdatauv(L, sizeof *gate, 0);
    *gate = (struct gate){-1, -1, -1};
    luaL_setmetatable(L, GATE);
    return gate;
}

static void close_gate(struct gate *gate)
{
    userns_close_fd(&gate->ready);
    userns_close_fd(&gate->release);
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
 * @return userns.Error? err EPIPE when the parent has closed its handle
 */
static int gate_ready(lua_State *L)
{
    const struct gate *gate = luaL_checkudata(L, 1, GATE);
    return userns_result(L, userns_write_quietly(gate->ready, "r", 1), "ready",
                         "write", NULL);
}

/***
 * Waits until the parent releases the child.
 * @return true|nil ok
 * @return userns.Error? err ESRCH when the parent has ended; EPIPE when it has
 *   closed its handle
 */
static int gate_await(lua_State *L)
{
    const struct gate *gate = luaL_checkudata(L, 1, GATE);
    struct pollfd fds[] = {{gate->release, POLLIN, 0}, {gate->host, POLLIN, 0}};
    char byte;
    while (poll(fds, 2, -1) < 0)
        if (errno != EINTR)
            return userns_fail(L, "await", "poll", errno, NULL);
    if (fds[0].revents == 0)
        return userns_fail(L, "await", "poll", ESRCH, NULL);
    ssize_t n = read(gate->release, &byte, 1);
    if (n == 0)
        return userns_fail(L, "await", "read", EPIPE, NULL);
    return userns_result(L, n, "await", "read", NULL);
}

static int open_pipe(int *ret_reader, int *ret_writer)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return -1;
    *ret_writer = userns_above_stdio(ends[1]);
    *ret_reader = userns_above_stdio(ends[0]);
    return *ret_reader < 0 || *ret_writer < 0 ? -1 : 0;
}

static int open_gate(struct gate *gate, struct process *process)
{
    if (open_pipe(&process->ready, &gate->ready) != 0 ||
        open_pipe(&gate->release, &process->release) != 0)
        return -1;
    gate->host = userns_pidfd_open(getpid());
    return gate->host < 0 ? -1 : 0;
}

/* ---- the child --------------------------------------------------------- */

static int traceback(lua_State *L)
{
    luaL_traceback(L, L, luaL_tolstring(L, 1, NULL), 1);
    return 1;
}

/* What the function returned, as an exit code; -1 when it is none. */
static int exit_code(lua_State *L, int index)
{
    if (lua_isnil(L, index))
        return 0;
    if (lua_isboolean(L, index))
        return lua_toboolean(L, index) ? 0 : 1;
    lua_Integer code = lua_isinteger(L, index) ? lua_tointeger(L, index) : -1;
    return 0 <= code && code <= 255 ? (int)code : -1;
}

/* Runs the function below the gate, which is on top, and never returns: what
   the host has to run at its end is not the child's to run. */
_Noreturn static void run_child(lua_State *L)
{
    int code = 1;
    lua_gc(L, LUA_GCSTOP, 0);
    lua_pushcfunction(L, traceback);
    lua_insert(L, -3);
    if (lua_pcall(L, 1, 1, -3) != 0) {
        fprintf(stderr, "%s\n", lua_tostring(L, -1));
    } else {
        code = exit_code(L, -1);
        if (code < 0) {
            fprintf(stderr, "clone: an exit code is nil, a boolean or 0 to "
                            "255\n");
            code = 1;
        }
    }
    fflush(NULL);
    _exit(code);
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
    userns_fail(L, "clone", NULL, EBUSY, NULL);
    lua_pushliteral(L, "the host has other threads, and one of them may hold a "
                       "lock that the child would wait for");
    lua_setfield(L, -2, "message");
    lua_pushliteral(L, "multithreaded");
    lua_setfield(L, -2, "cause");
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

/***
 * Runs a Lua function in a child that has new namespaces, a copy of the host
 * as fork(2) makes it.  Only for a host without other threads.  The child's
 * collector is stopped and it leaves by _exit(2): no finaliser of the host's
 * runs in it.
 * @param namespaces string|string[] names of the namespaces to create, may be
 * {}
 * @param fn fun(gate: userns.sys.Gate?): any nil or true is exit code 0, false
 *   1, an integer itself; an error is printed with its traceback, exit code 1
 * @param options { handshake: boolean? }? with handshake the function gets a
 *   gate (ready, await), and the process has ready and release
 * @return userns.sys.Process? process
 * @return userns.Error? err EPERM, ENOSPC, EAGAIN ...; EBUSY: the host has
 * other threads
 * @source clone(2)
 */
static int sys_clone(lua_State *L)
{
    uint64_t namespaces = userns_check_namespaces(L, 1);
    luaL_checktype(L, 2, LUA_TFUNCTION);
    bool handshake = check_handshake(L, 3);
    lua_settop(L, 2);
    struct process *process = userns_push_process(L, 0);
    lua_pushvalue(L, 2);
    struct gate *gate = NULL;
    if (handshake)
        gate = push_gate(L);
    else
        lua_pushnil(L);
    luaL_checkstack(L, 8, "clone");
    if (userns_has_threads())
        return refuse_threads(L);
    if (gate != NULL && open_gate(gate, process) != 0)
        return userns_fail(L, "clone", "pipe2", errno, NULL);
    fflush(NULL);
    int pidfd = -1;
    long pid = clone_copy(namespaces, &pidfd);
    if (pid == 0)
        run_child(L);
    if (pid < 0)
        return userns_fail(L, "clone", "clone3", errno, NULL);
    process->pid = (pid_t)pid;
    process->pidfd = userns_above_stdio(pidfd);
    process->ours = true;
    if (gate != NULL)
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
    luaL_newmetatable(L, GATE);
    luaL_setfuncs(L, metamethods, 0);
    luaL_newlib(L, methods);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
    luaL_setfuncs(L, functions, 0);
}
