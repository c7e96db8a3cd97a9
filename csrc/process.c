#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "error.h"
#include "fd.h"
#include "launch.h"
#include "pidfd.h"
#include "proc.h"
#include "process.h"
#include "sys.h"

#define METATABLE "userns.process"

/* The status that waitid gives, or what is known of it. */
struct status {
    bool known;
    bool measured; /* usage was given with it */
    int wait;      /* as wait(2) has it */
    struct rusage usage;
};

int userns_pidfd_open(pid_t pid)
{
    return userns_above_stdio((int)syscall(SYS_pidfd_open, pid, 0));
}

pid_t userns_pid_of(int pidfd)
{
    char path[64], line[128];
    int pid = -1;
    if (userns_check_proc() != 0)
        return -1;
    (void)snprintf(path, sizeof path, "/proc/self/fdinfo/%d", pidfd);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return -1;
    while (pid < 0 && fgets(line, sizeof line, file) != NULL)
        (void)sscanf(line, "Pid: %d", &pid);
    (void)fclose(file);
    return pid;
}

void userns_kill(int pidfd, int signum)
{
    (void)syscall(SYS_pidfd_send_signal, pidfd, signum, NULL, 0);
}

static int wait_status(const siginfo_t *info)
{
    switch (info->si_code) {
    case CLD_EXITED:
        return (info->si_status & 0xff) << 8;
    case CLD_DUMPED:
        return info->si_status | 0x80;
    default:
        return info->si_status;
    }
}

/* The host may reap all children on its own or ignore SIGCHLD: the kernel still
   tells the status through the pidfd, where it is new enough.  While the
   process is being reaped it may not tell it yet, and once say ESRCH for that.
 */
static bool status_of_stolen(int pidfd, int *ret_status)
{
    const struct timespec moment = {0, 1000000};
    for (int tries = 0, refusals = 0; tries < 100; tries++) {
        struct pidfd_info info = {.mask = PIDFD_INFO_EXIT};
        bool told = ioctl(pidfd, PIDFD_GET_INFO, &info) == 0;
        *ret_status = info.exit_code;
        if (told && (info.mask & PIDFD_INFO_EXIT) != 0)
            return true;
        if (!told && (errno != ESRCH || ++refusals > 1))
            return false;
        nanosleep(&moment, NULL);
    }
    return false;
}

/* 1: fetched; 0: still running (where not to hang); -1 with errno. */
static int fetch(int pidfd, int options, struct status *ret)
{
    siginfo_t info;
    int result;
    memset(ret, 0, sizeof *ret);
    do {
        info.si_pid = 0;
        result = (int)syscall(SYS_waitid, P_PIDFD, pidfd, &info,
                              WEXITED | __WALL | options, &ret->usage);
    } while (result != 0 && errno == EINTR);
    if (result == 0) {
        ret->known = ret->measured = info.si_pid != 0;
        ret->wait = ret->known ? wait_status(&info) : 0;
        return ret->known;
    }
    if (errno != ECHILD)
        return -1;
    ret->known = status_of_stolen(pidfd, &ret->wait);
    return 1;
}

int userns_reap(int pidfd, int *ret_status)
{
    struct status status;
    int result = fetch(pidfd, 0, &status);
    *ret_status = status.wait;
    return result < 0 ? -1 : 0;
}

struct process *userns_push_process(lua_State *L, int uservalues)
{
    struct process *p = lua_newuserdatauv(L, sizeof *p, uservalues);
    *p = (struct process){.pid = -1, .pidfd = -1, .gate = -1};
    luaL_setmetatable(L, METATABLE);
    return p;
}

struct process *userns_check_handle(lua_State *L, int arg)
{
    struct process *p = luaL_checkudata(L, arg, METATABLE);
    luaL_argcheck(L, p->pidfd >= 0, arg, "the process handle is closed");
    return p;
}

static void set_seconds(lua_State *L, const char *field, struct timeval t)
{
    lua_pushnumber(L, (lua_Number)t.tv_sec + (lua_Number)t.tv_usec / 1e6);
    lua_setfield(L, -2, field);
}

static void push_usage(lua_State *L, const struct rusage *usage)
{
    lua_createtable(L, 0, 2);
    set_seconds(L, "user_time", usage->ru_utime);
    set_seconds(L, "system_time", usage->ru_stime);
}

static void push_status(lua_State *L, const struct status *status)
{
    lua_createtable(L, 0, 4);
    if (status->known && WIFEXITED(status->wait)) {
        lua_pushinteger(L, WEXITSTATUS(status->wait));
        lua_setfield(L, -2, "exit_code");
    } else if (status->known) {
        userns_push_signal(L, WTERMSIG(status->wait));
        lua_setfield(L, -2, "signal");
    }
    lua_pushboolean(L, status->known && WCOREDUMP(status->wait));
    lua_setfield(L, -2, "core_dumped");
    if (status->measured) {
        push_usage(L, &status->usage);
        lua_setfield(L, -2, "usage");
    }
}

/***
 * Waits until the process has ended, and reaps it.
 * @param seconds number? how long at most; for ever when absent
 * @return table? status exit_code or signal (neither where the host's own
 * reaper took the status and the kernel is too old to tell it), core_dumped,
 * and usage (user_time, system_time in seconds) where it is known
 * @return userns.Error? err ETIMEDOUT; EINTR when a signal came: call again;
 *   ECHILD when the status has been fetched before
 * @source waitid(2)
 */
static int process_wait(lua_State *L)
{
    struct process *p = userns_check_handle(L, 1);
    struct pollfd fd = {p->pidfd, POLLIN, 0};
    struct status status;
    double seconds = userns_opt_seconds(L, 2);
    if (p->ended)
        return userns_fail(L, "wait", "waitid", ECHILD, NULL);
    int ready = poll(&fd, 1, userns_milliseconds(seconds));
    if (ready <= 0)
        return userns_fail(L, "wait", "poll", ready == 0 ? ETIMEDOUT : errno,
                           NULL);
    if (fetch(p->pidfd, 0, &status) < 0)
        return userns_fail(L, "wait", "waitid", errno, NULL);
    if (p->control != NULL && p->control->ended) {
        status.known = true;
        status.wait = p->control->status;
    }
    p->ended = true;
    push_status(L, &status);
    return 1;
}

/***
 * Sends a signal to the process; never to another that got its number.
 * @param signal string|integer? "TERM", "SIGTERM" or 15; SIGKILL when absent
 * @return true|nil ok
 * @return userns.Error? err ESRCH when it has ended; EPERM
 * @source pidfd_send_signal(2)
 */
static int process_kill(lua_State *L)
{
    struct process *p = userns_check_handle(L, 1);
    int signum = lua_isnoneornil(L, 2) ? SIGKILL : userns_check_signal(L, 2);
    return userns_result(
        L, syscall(SYS_pidfd_send_signal, p->pidfd, signum, NULL, 0), "kill",
        "pidfd_send_signal", NULL);
}

static int check_gate(lua_State *L, int arg)
{
    const struct process *p = userns_check_handle(L, arg);
    luaL_argcheck(L, p->gate >= 0, arg, "the process has no hand-shake");
    return p->gate;
}

/***
 * Waits until the child's gate says that it is ready.
 * @param seconds number? how long at most; for ever when absent
 * @return true|nil ok
 * @return userns.Error? err ETIMEDOUT; ESRCH when the child has ended; EINTR
 *   when a signal came: call again
 */
static int process_ready(lua_State *L)
{
    int gate = check_gate(L, 1);
    double seconds = userns_opt_seconds(L, 2);
    struct pollfd fds[] = {{gate, POLLIN, 0},
                           {userns_check_handle(L, 1)->pidfd, POLLIN, 0}};
    char byte;
    int count = poll(fds, 2, userns_milliseconds(seconds));
    if (count <= 0)
        return userns_fail(L, "ready", "poll", count == 0 ? ETIMEDOUT : errno,
                           NULL);
    /* What it said before it ended counts. */
    if (recv(gate, &byte, 1, MSG_DONTWAIT) != 1)
        return userns_fail(L, "ready", "poll", ESRCH, NULL);
    lua_pushboolean(L, true);
    return 1;
}

/***
 * Lets the child go on that waits at its gate.
 * @return true|nil ok
 * @return userns.Error? err EPIPE when the child has ended
 */
static int process_release(lua_State *L)
{
    return userns_result(L, send(check_gate(L, 1), "r", 1, MSG_NOSIGNAL),
                         "release", "send", NULL);
}

/***
 * The pidfd, readable once the process has ended.
 * @return integer fd
 * @source pidfd_open(2)
 */
static int process_fileno(lua_State *L)
{
    lua_pushinteger(L, userns_check_handle(L, 1)->pidfd);
    return 1;
}

/* Collection must not hang on a process that the kernel cannot end at once. */
#define PATIENCE_MS 1000

/* A copy of the host that somebody forked holds its handles too, but has no
   part in its children. */
bool userns_is_child(int pidfd)
{
    siginfo_t info;
    return waitid(P_PIDFD, (id_t)pidfd, &info,
                  WEXITED | WNOHANG | WNOWAIT | __WALL) == 0;
}

static void drop(struct process *p)
{
    userns_close_fd(&p->pidfd);
    userns_close_fd(&p->gate);
    userns_unmap_control(p->control);
    p->control = NULL;
}

static void finish(struct process *p, int patience)
{
    struct status status;
    if (p->ours && !p->ended && userns_is_child(p->pidfd)) {
        struct pollfd fd = {p->pidfd, POLLIN, 0};
        userns_kill(p->pidfd, SIGKILL);
        while (poll(&fd, 1, patience) < 0 && errno == EINTR) {
        }
        (void)fetch(p->pidfd, WNOHANG, &status);
        p->ended = true;
    }
    drop(p);
}

/* Pushes the program of a process 1 that stays; false where there is none. */
static bool push_program(lua_State *L, int arg)
{
    const struct process *p = lua_touserdata(L, arg);
    if (p->control != NULL && lua_getiuservalue(L, arg, 1) == LUA_TUSERDATA)
        return true;
    lua_settop(L, arg);
    return false;
}

static void finish_both(lua_State *L, int patience)
{
    struct process *p = luaL_checkudata(L, 1, METATABLE);
    lua_settop(L, 1);
    if (push_program(L, 1))
        drop(lua_touserdata(L, 2));
    finish(p, patience);
}

/***
 * Kills the process if it is a child that still runs, reaps it and closes the
 * handle.  Closing twice does nothing.
 */
static int process_close(lua_State *L)
{
    finish_both(L, -1);
    return 0;
}

static int process_gc(lua_State *L)
{
    finish_both(L, PATIENCE_MS);
    return 0;
}

/***
 * Lets the process go: the handle is closed and the process runs on.
 */
static int process_detach(lua_State *L)
{
    struct process *p = userns_check_handle(L, 1);
    /* Closing would not reach the child while forks of the host hold copies. */
    if (p->gate >= 0 && userns_is_child(p->pidfd))
        (void)shutdown(p->gate, SHUT_RDWR);
    if (push_program(L, 1))
        drop(lua_touserdata(L, -1));
    drop(p);
    return 0;
}

static int process_tostring(lua_State *L)
{
    const struct process *p = luaL_checkudata(L, 1, METATABLE);
    if (p->pidfd < 0)
        lua_pushliteral(L, "userns.process (closed)");
    else
        lua_pushfstring(L, "userns.process (%d)", (int)p->pid);
    return 1;
}

/* Methods, and the fields pid and program. */
static int process_index(lua_State *L)
{
    const struct process *p = luaL_checkudata(L, 1, METATABLE);
    const char *field = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "";
    if (strcmp(field, "pid") == 0) {
        lua_pushinteger(L, p->pid);
        return 1;
    }
    if (strcmp(field, "program") == 0)
        return push_program(L, 1);
    lua_pushvalue(L, 2);
    lua_rawget(L, lua_upvalueindex(1));
    return 1;
}

/***
 * A handle for a process by its number; it is not killed with the handle.
 * @param pid integer 1 or more
 * @return userns.sys.Process? process
 * @return userns.Error? err ESRCH; ENOSYS before Linux 5.3
 * @source pidfd_open(2)
 */
static int sys_pidfd_open(lua_State *L)
{
    pid_t pid = (pid_t)userns_check_integer(L, 1, 1, INT_MAX);
    struct process *p = userns_push_process(L, 0);
    p->pidfd = userns_pidfd_open(pid);
    if (p->pidfd < 0)
        return userns_refuse(L, "pidfd_open", "pidfd_open", errno, NULL);
    p->pid = pid;
    return 1;
}

/***
 * The environment as a map; of a variable given twice, the first value.
 * @return table<string, string> environment
 * @source environ(7)
 */
static int sys_environ(lua_State *L)
{
    lua_newtable(L);
    for (char **entry = environ; entry != NULL; entry++) {
        /* Read once: another thread of the host may set the variable. */
        const char *text = __atomic_load_n(entry, __ATOMIC_RELAXED);
        if (text == NULL)
            break;
        const char *equals = strchr(text, '=');
        if (equals == NULL)
            continue;
        lua_pushlstring(L, text, (size_t)(equals - text));
        lua_pushvalue(L, -1);
        if (lua_rawget(L, -3) == LUA_TNIL) {
            lua_pushlstring(L, text, (size_t)(equals - text));
            lua_pushstring(L, equals + 1);
            lua_rawset(L, -5);
        }
        lua_settop(L, -3);
    }
    return 1;
}

/***
 * Sends a signal to a process by its number, through a pidfd.
 * @param pid integer 1 or more
 * @param signal string|integer "TERM", "SIGTERM" or 15
 * @return true|nil ok
 * @return userns.Error? err ESRCH, EPERM
 * @source pidfd_send_signal(2)
 */
static int sys_kill(lua_State *L)
{
    pid_t pid = (pid_t)userns_check_integer(L, 1, 1, INT_MAX);
    int signum = userns_check_signal(L, 2);
    int pidfd = userns_pidfd_open(pid);
    if (pidfd < 0)
        return userns_refuse(L, "kill", "pidfd_open", errno, NULL);
    long result = syscall(SYS_pidfd_send_signal, pidfd, signum, NULL, 0);
    userns_close_fd(&pidfd);
    return userns_result(L, result, "kill", "pidfd_send_signal", NULL);
}

/***
 * Waits until a process has ended, and reaps it if it is a child.
 * @param process integer|userns.sys.Process a pid, or a handle
 * @param seconds number? how long at most; for ever when absent
 * @return table? status as a handle's wait gives it
 * @return userns.Error? err ESRCH where there is no such process; ETIMEDOUT;
 * EINTR when a signal came: call again
 * @source waitid(2)
 */
static int sys_wait(lua_State *L)
{
    if (lua_isuserdata(L, 1))
        return process_wait(L);
    pid_t pid = (pid_t)userns_check_integer(L, 1, 1, INT_MAX);
    (void)userns_opt_seconds(L, 2);
    struct process *p = userns_push_process(L, 0);
    p->pidfd = userns_pidfd_open(pid);
    if (p->pidfd < 0)
        return userns_fail(L, "wait", "pidfd_open", errno, NULL);
    p->pid = pid;
    lua_replace(L, 1);
    int results = process_wait(L);
    userns_close_fd(&p->pidfd);
    return results;
}

/***
 * The number of the calling process, in its pid namespace.
 * @return integer pid
 * @source getpid(2)
 */
static int sys_getpid(lua_State *L)
{
    lua_pushinteger(L, getpid());
    return 1;
}

/***
 * The number of the calling thread.
 * @return integer tid
 * @source gettid(2)
 */
static int sys_gettid(lua_State *L)
{
    lua_pushinteger(L, gettid());
    return 1;
}

void userns_open_process(lua_State *L)
{
    static const luaL_Reg methods[] = {
        {"wait", process_wait},     {"kill", process_kill},
        {"ready", process_ready},   {"release", process_release},
        {"fileno", process_fileno}, {"close", process_close},
        {"detach", process_detach}, {NULL, NULL},
    };
    static const luaL_Reg metamethods[] = {
        {"__gc", process_gc},
        {"__close", process_close},
        {"__tostring", process_tostring},
        {NULL, NULL},
    };
    static const luaL_Reg functions[] = {
        {"environ", sys_environ},
        {"getpid", sys_getpid},
        {"gettid", sys_gettid},
        {"kill", sys_kill},
        {"pidfd_open", sys_pidfd_open},
        {"wait", sys_wait},
        {NULL, NULL},
    };
    luaL_newmetatable(L, METATABLE);
    luaL_setfuncs(L, metamethods, 0);
    luaL_newlib(L, methods);
    lua_pushcclosure(L, process_index, 1);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
    luaL_setfuncs(L, functions, 0);
}
