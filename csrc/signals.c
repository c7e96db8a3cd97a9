#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "error.h"
#include "fd.h"
#include "signals.h"
#include "sys.h"

#define METATABLE "userns.signalhold"

/* A mask is a thread's: only the one that blocked the signal may unblock it,
   and a copy of the host that somebody forked is another. */
struct signalhold {
    int fd; /* -1: closed */
    int signum;
    pid_t thread;
    bool owed; /* taken, and not settled */
};

static sigset_t set_of(int signum)
{
    sigset_t set;
    sigemptyset(&set);
    (void)sigaddset(&set, signum);
    return set;
}

static void change_mask(const struct signalhold *hold, int how)
{
    sigset_t set = set_of(hold->signum);
    if (hold->thread == gettid())
        pthread_sigmask(how, &set, NULL);
}

static bool is_ignored(int signum)
{
    struct sigaction action;
    return sigaction(signum, NULL, &action) == 0 &&
           (action.sa_flags & SA_SIGINFO) == 0 && action.sa_handler == SIG_IGN;
}

/* False where it was blocked already. */
static bool block(int signum)
{
    sigset_t set = set_of(signum), before;
    pthread_sigmask(SIG_BLOCK, &set, &before);
    return sigismember(&before, signum) == 0;
}

bool userns_hold_xfsz(void)
{
    return block(SIGXFSZ);
}

void userns_drop_xfsz(bool held)
{
    const struct timespec at_once = {0, 0};
    sigset_t set = set_of(SIGXFSZ);
    int before = errno;
    if (!held)
        return;
    (void)sigtimedwait(&set, NULL, &at_once);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    errno = before;
}

static int check_holdable(lua_State *L, int arg)
{
    int signum = userns_check_signal(L, arg);
    sigset_t set;
    sigemptyset(&set);
    luaL_argcheck(L,
                  signum != SIGKILL && signum != SIGSTOP &&
                      sigaddset(&set, signum) == 0,
                  arg, "the signal cannot be held");
    return signum;
}

/***
 * Keeps a signal from the calling thread, to be taken from a handle; other
 * threads get it as before.  Closing the handle, or losing it, ends that: what
 * has come and was not taken, or not settled, comes then.
 * @param signal string|integer "INT", "SIGINT" or 2
 * @return userns.sys.SignalHold|false|nil hold false where the host ignores the
 *   signal or the thread has it blocked already
 * @return userns.Error? err EMFILE
 * @source signalfd(2)
 */
static int sys_hold_signal(lua_State *L)
{
    int signum = check_holdable(L, 1);
    struct signalhold *hold = lua_newuserdatauv(L, sizeof *hold, 0);
    *hold = (struct signalhold){.fd = -1, .signum = signum, .thread = gettid()};
    luaL_setmetatable(L, METATABLE);
    if (is_ignored(signum)) {
        lua_pushboolean(L, false);
        return 1;
    }
    sigset_t set = set_of(signum);
    hold->fd =
        userns_above_stdio(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
    if (hold->fd < 0)
        return userns_fail(L, "hold_signal", "signalfd", errno, NULL);
    if (!block(signum)) {
        userns_close_fd(&hold->fd);
        lua_pushboolean(L, false);
    }
    return 1;
}

/***
 * The number of a signal, which differs between architectures.
 * @param signal string|integer "TERM", "SIGTERM" or 15
 * @return integer number
 * @source signal(7)
 */
static int sys_signal_number(lua_State *L)
{
    lua_pushinteger(L, userns_check_signal(L, 1));
    return 1;
}

static struct signalhold *check_open(lua_State *L)
{
    struct signalhold *hold = luaL_checkudata(L, 1, METATABLE);
    luaL_argcheck(L, hold->fd >= 0, 1, "the hold is closed");
    return hold;
}

/***
 * The signalfd: readable when the signal has come.
 * @return integer fd
 * @source signalfd(2)
 */
static int signalhold_fileno(lua_State *L)
{
    lua_pushinteger(L, check_open(L)->fd);
    return 1;
}

/***
 * Takes the signal, if it has come.
 * @return "kernel"|"process"|false from who sent it: the kernel does for a key
 *   of the terminal's
 */
static int signalhold_take(lua_State *L)
{
    struct signalhold *hold = check_open(L);
    struct signalfd_siginfo info;
    if (read(hold->fd, &info, sizeof info) != sizeof info) {
        lua_pushboolean(L, false);
        return 1;
    }
    hold->owed = true;
    lua_pushstring(L, info.ssi_code == SI_KERNEL ? "kernel" : "process");
    return 1;
}

/***
 * What was taken is done with: it does not come again when the handle is
 * closed.
 */
static int signalhold_settle(lua_State *L)
{
    check_open(L)->owed = false;
    return 0;
}

/***
 * Lets the signal come as before, until it is held again.
 */
static int signalhold_release(lua_State *L)
{
    change_mask(check_open(L), SIG_UNBLOCK);
    return 0;
}

/***
 * Holds the signal again.
 */
static int signalhold_hold(lua_State *L)
{
    change_mask(check_open(L), SIG_BLOCK);
    return 0;
}

/***
 * Lets the signal come as before; first what is owed.  Closing twice does
 * nothing.
 */
static int signalhold_close(lua_State *L)
{
    struct signalhold *hold = luaL_checkudata(L, 1, METATABLE);
    if (hold->fd < 0)
        return 0;
    userns_close_fd(&hold->fd);
    if (hold->owed && hold->thread == gettid())
        (void)raise(hold->signum);
    change_mask(hold, SIG_UNBLOCK);
    return 0;
}

void userns_open_signals(lua_State *L)
{
    static const luaL_Reg methods[] = {
        {"fileno", signalhold_fileno},
        {"take", signalhold_take},
        {"settle", signalhold_settle},
        {"release", signalhold_release},
        {"hold", signalhold_hold},
        {"close", signalhold_close},
        {NULL, NULL},
    };
    static const luaL_Reg metamethods[] = {
        {"__gc", signalhold_close},
        {"__close", signalhold_close},
        {NULL, NULL},
    };
    static const luaL_Reg functions[] = {
        {"hold_signal", sys_hold_signal},
        {"signal_number", sys_signal_number},
        {NULL, NULL},
    };
    userns_new_type(L, METATABLE, metamethods, methods);
    luaL_setfuncs(L, functions, 0);
}
