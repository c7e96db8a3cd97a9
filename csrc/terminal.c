#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <termios.h>

#include "check.h"
#include "error.h"
#include "fd.h"
#include "sys.h"

#define METATABLE "userns.rawmode"

/* How a terminal was, and a descriptor of our own to set it so again. */
struct rawmode {
    int fd; /* -1: nothing to restore */
    struct termios before;
};

/***
 * The size of a terminal.
 * @param fd integer|file*|userns.Fd either side of it
 * @return integer? rows
 * @return integer|userns.Error cols the error when the first is nil: ENOTTY
 * @source ioctl_tty(2)
 */
static int sys_terminal_size(lua_State *L)
{
    struct winsize size;
    if (ioctl(userns_check_fd(L, 1), TIOCGWINSZ, &size) != 0)
        return userns_fail(L, "terminal_size", "ioctl", errno, NULL);
    lua_pushinteger(L, size.ws_row);
    lua_pushinteger(L, size.ws_col);
    return 2;
}

/***
 * Sets the size of a terminal; its foreground programs get SIGWINCH.
 * @param fd integer|file*|userns.Fd either side of it
 * @param rows integer 0 to 65535
 * @param cols integer 0 to 65535
 * @return true|nil ok
 * @return userns.Error? err ENOTTY
 * @source ioctl_tty(2)
 */
static int sys_set_terminal_size(lua_State *L)
{
    int fd = userns_check_fd(L, 1);
    struct winsize size = {
        .ws_row = (unsigned short)userns_check_integer(L, 2, 0, USHRT_MAX),
        .ws_col = (unsigned short)userns_check_integer(L, 3, 0, USHRT_MAX),
    };
    return userns_result(L, ioctl(fd, TIOCSWINSZ, &size), "set_terminal_size",
                         "ioctl", NULL);
}

/***
 * Makes a terminal pass everything on as it is typed: no echo, no lines, no
 * signals.  Closing the handle, or losing it, sets the terminal as it was.
 * @param fd integer|file*|userns.Fd
 * @return userns.sys.RawMode? mode
 * @return userns.Error? err ENOTTY
 * @source cfmakeraw(3)
 */
static int sys_raw_mode(lua_State *L)
{
    int fd = userns_check_fd(L, 1);
    struct rawmode *mode = lua_newuserdatauv(L, sizeof *mode, 0);
    mode->fd = -1;
    luaL_setmetatable(L, METATABLE);
    if (tcgetattr(fd, &mode->before) != 0)
        return userns_fail(L, "raw_mode", "tcgetattr", errno, NULL);
    int own = userns_dup_fd(fd);
    if (own < 0)
        return userns_fail(L, "raw_mode", "fcntl", errno, NULL);
    struct termios raw = mode->before;
    cfmakeraw(&raw);
    mode->fd = own;
    if (tcsetattr(own, TCSANOW, &raw) != 0)
        return userns_fail(L, "raw_mode", "tcsetattr", errno, NULL);
    return 1;
}

/***
 * Sets the terminal as it was.  Closing twice does nothing.
 */
static int rawmode_close(lua_State *L)
{
    struct rawmode *mode = luaL_checkudata(L, 1, METATABLE);
    if (mode->fd >= 0)
        (void)tcsetattr(mode->fd, TCSANOW, &mode->before);
    userns_close_fd(&mode->fd);
    return 0;
}

void userns_open_terminal(lua_State *L)
{
    static const luaL_Reg methods[] = {
        {"close", rawmode_close},
        {NULL, NULL},
    };
    static const luaL_Reg metamethods[] = {
        {"__gc", rawmode_close},
        {"__close", rawmode_close},
        {NULL, NULL},
    };
    static const luaL_Reg functions[] = {
        {"terminal_size", sys_terminal_size},
        {"set_terminal_size", sys_set_terminal_size},
        {"raw_mode", sys_raw_mode},
        {NULL, NULL},
    };
    userns_new_type(L, METATABLE, metamethods, methods);
    luaL_setfuncs(L, functions, 0);
}
