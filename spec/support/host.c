/*
 * A program that embeds Lua and treats its children as some do: it ignores or
 * blocks SIGCHLD, reaps whatever it finds, has closed its standard streams,
 * holds much memory.  Put before the command line of an interpreter it takes
 * that one's place: host lua5.4 SCRIPT.  The script sees the global table
 * `host`.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static lua_State *new_state(void);

/* ---- children ---------------------------------------------------------- */

static volatile sig_atomic_t reaped;

static void reap(int signum)
{
    int errnum = errno;
    (void)signum;
    while (waitpid(-1, NULL, WNOHANG) > 0)
        reaped++;
    errno = errnum;
}

static void handle(int signum, void (*handler)(int))
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
    sigaction(signum, &action, NULL);
}

/* sigchld(what): "ignore" it, "block" it, or "reap" every child when it comes.
 */
static int host_sigchld(lua_State *L)
{
    static const char *const words[] = {"ignore", "block", "reap", NULL};
    sigset_t set;
    switch (luaL_checkoption(L, 1, NULL, words)) {
    case 0:
        handle(SIGCHLD, SIG_IGN);
        break;
    case 1:
        sigemptyset(&set);
        sigaddset(&set, SIGCHLD);
        sigprocmask(SIG_BLOCK, &set, NULL);
        break;
    default:
        handle(SIGCHLD, reap);
    }
    return 0;
}

/* How many children the handler has reaped. */
static int host_reaped(lua_State *L)
{
    lua_pushinteger(L, reaped);
    return 1;
}

/* libc puts it on the stack of every thread. */
static __thread volatile char scratch[1 << 20];

static void *reap_all(void *unused)
{
    scratch[0] = 1;
    for (;;)
        if (waitpid(-1, NULL, __WALL) < 0)
            usleep(1000);
    return unused;
}

/* A thread that waits for any child, always. */
static int host_reaper(lua_State *L)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, reap_all, NULL) != 0)
        return luaL_error(L, "no thread");
    pthread_detach(thread);
    return 0;
}

/* Children that run or were not reaped. */
static int host_has_children(lua_State *L)
{
    siginfo_t info;
    lua_pushboolean(
        L, waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT | __WALL) == 0);
    return 1;
}

/* Whether the kernel tells the status of a process that somebody reaped. */
static int host_tells(lua_State *L)
{
    struct {
        uint64_t mask;
        uint32_t unused[14];
    } info = {.mask = 1 << 3};
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    waitpid(pid, NULL, 0);
    bool told = ioctl(fd, _IOWR(0xff, 11, info), &info) == 0;
    close(fd);
    lua_pushboolean(L, told && (info.mask & 1 << 3) != 0);
    return 1;
}

/* ---- descriptors ------------------------------------------------------- */

/* close(fd): the number, whatever stands on it. */
static int host_close(lua_State *L)
{
    close((int)luaL_checkinteger(L, 1));
    return 0;
}

/* ---- memory ------------------------------------------------------------ */

static char *memory;
static size_t size;

/* One write to each page: the page faults that it took. */
static int host_touch(lua_State *L)
{
    struct rusage before, after;
    getrusage(RUSAGE_SELF, &before);
    for (size_t i = 0; i < size; i += 4096)
        memory[i]++;
    getrusage(RUSAGE_SELF, &after);
    lua_pushinteger(L, after.ru_minflt - before.ru_minflt);
    return 1;
}

/* grow(bytes): memory of small pages, all of them in use. */
static int host_grow(lua_State *L)
{
    size = (size_t)luaL_checkinteger(L, 1);
    void *mapped = mmap(NULL, size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapped == MAP_FAILED)
        return luaL_error(L, "mmap: %s", strerror(errno));
    madvise(mapped, size, MADV_NOHUGEPAGE);
    memory = mapped;
    return host_touch(L);
}

/* fork(how): a child that has a copy of everything, and ends: at once ("exit")
   or as interpreters do ("close"). */
static int host_fork(lua_State *L)
{
    static const char *const words[] = {"exit", "close", NULL};
    int how = luaL_checkoption(L, 1, NULL, words);
    pid_t pid = fork();
    if (pid == 0) {
        if (how == 1)
            lua_close(L);
        _exit(0);
    }
    if (pid < 0 || waitpid(pid, NULL, 0) != pid)
        return luaL_error(L, "fork: %s", strerror(errno));
    return 0;
}

/* ---- states ------------------------------------------------------------ */

/* state(source): runs the source in another state, and closes that. */
static int host_state(lua_State *L)
{
    const char *source = luaL_checkstring(L, 1);
    lua_State *other = new_state();
    bool failed = luaL_dostring(other, source);
    lua_pushstring(L, failed ? lua_tostring(other, -1) : "");
    lua_close(other);
    return failed ? lua_error(L) : 0;
}

static lua_State *new_state(void)
{
    static const luaL_Reg functions[] = {
        {"sigchld", host_sigchld},
        {"reaped", host_reaped},
        {"reaper", host_reaper},
        {"has_children", host_has_children},
        {"close", host_close},
        {"grow", host_grow},
        {"touch", host_touch},
        {"fork", host_fork},
        {"state", host_state},
        {"tells", host_tells},
        {NULL, NULL},
    };
    lua_State *L = luaL_newstate();
    luaL_openlibs(L);
    luaL_newlib(L, functions);
    lua_setglobal(L, "host");
    return L;
}

static int traceback(lua_State *L)
{
    luaL_traceback(L, L, luaL_tolstring(L, 1, NULL), 1);
    return 1;
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        (void)fprintf(stderr, "usage: %s INTERPRETER SCRIPT\n", argv[0]);
        return 2;
    }
    lua_State *L = new_state();
    lua_pushcfunction(L, traceback);
    bool failed =
        luaL_loadfile(L, argv[2]) != LUA_OK || lua_pcall(L, 0, 0, 1) != LUA_OK;
    if (failed)
        (void)fprintf(stderr, "%s\n", lua_tostring(L, -1));
    lua_close(L);
    return failed ? 1 : 0;
}
