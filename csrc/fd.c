#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "error.h"
#include "fd.h"
#include "sys.h"

#define METATABLE "userns.fd"

int userns_lift_fd(int *slot)
{
    int moved = *slot > 2 ? *slot : fcntl(*slot, F_DUPFD_CLOEXEC, 3);
    if (moved < 0) {
        /* no number above the standard ones is allowed at all */
        errno = errno == EINVAL ? EMFILE : errno;
        return -1;
    }
    if (moved != *slot)
        close(*slot);
    *slot = moved;
    return 0;
}

int userns_above_stdio(int fd)
{
    if (fd >= 0 && userns_lift_fd(&fd) != 0)
        userns_close_fd(&fd);
    return fd;
}

unsigned userns_closed_streams(void)
{
    struct pollfd streams[] = {
        {.fd = STDIN_FILENO}, {.fd = STDOUT_FILENO}, {.fd = STDERR_FILENO}};
    unsigned closed = 0;
    (void)poll(streams, 3, 0);
    for (unsigned fd = 0; fd < 3; fd++)
        if ((streams[fd].revents & POLLNVAL) != 0)
            closed |= 1U << fd;
    return closed;
}

bool userns_is_closed_stream(unsigned closed, int fd)
{
    return fd >= 0 && fd < 3 && (closed >> fd & 1) != 0;
}

void userns_close_fd(int *slot)
{
    int errnum = errno;
    if (*slot >= 0)
        close(*slot);
    *slot = -1;
    errno = errnum;
}

int *userns_push_fd(lua_State *L)
{
    int *slot = lua_newuserdatauv(L, sizeof *slot, 0);
    *slot = -1;
    luaL_setmetatable(L, METATABLE);
    return slot;
}

static int *check_open(lua_State *L, int arg)
{
    int *slot = luaL_checkudata(L, arg, METATABLE);
    luaL_argcheck(L, *slot >= 0, arg, "the descriptor is closed");
    return slot;
}

/***
 * The descriptor's number; the handle goes on owning it.
 * @return integer fd
 */
static int fd_fileno(lua_State *L)
{
    lua_pushinteger(L, *check_open(L, 1));
    return 1;
}

/***
 * Closes the descriptor.  Closing twice does nothing.
 */
static int fd_close(lua_State *L)
{
    userns_close_fd(luaL_checkudata(L, 1, METATABLE));
    return 0;
}

static int fd_tostring(lua_State *L)
{
    int fd = *(int *)luaL_checkudata(L, 1, METATABLE);
    if (fd < 0)
        lua_pushliteral(L, "userns.fd (closed)");
    else
        lua_pushfstring(L, "userns.fd (%d)", fd);
    return 1;
}

/***
 * Reads what there is, up to 64 KiB.
 * @return string? data empty at the end of the file
 * @return userns.Error? err EAGAIN where a read would wait; EINTR
 * @source read(2)
 */
static int fd_read(lua_State *L)
{
    char data[65536];
    ssize_t n = read(*check_open(L, 1), data, sizeof data);
    if (n < 0)
        return userns_fail(L, "read", "read", errno, NULL);
    lua_pushlstring(L, data, (size_t)n);
    return 1;
}

/* SIGPIPE is for the host's own writes: here it is held back, and taken away if
   this write raised it. */
static ssize_t write_quietly(int fd, const char *data, size_t size)
{
    const struct timespec now = {0, 0};
    sigset_t sigpipe, pending, before;
    sigemptyset(&sigpipe);
    sigaddset(&sigpipe, SIGPIPE);
    sigpending(&pending);
    pthread_sigmask(SIG_BLOCK, &sigpipe, &before);
    ssize_t n = write(fd, data, size);
    int errnum = errno;
    if (n < 0 && errnum == EPIPE && !sigismember(&pending, SIGPIPE))
        (void)sigtimedwait(&sigpipe, NULL, &now);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = errnum;
    return n;
}

/***
 * Writes a string, from a position on; a broken pipe is an error, not a signal.
 * @param data string
 * @param first integer? position of the first byte to write, 1 when absent
 * @return integer? count of bytes written, at most those given
 * @return userns.Error? err EAGAIN, EPIPE, EINTR ...
 * @source write(2)
 */
static int fd_write(lua_State *L)
{
    size_t size;
    int fd = *check_open(L, 1);
    const char *data = luaL_checklstring(L, 2, &size);
    size_t first =
        lua_isnoneornil(L, 3)
            ? 1
            : (size_t)userns_check_integer(L, 3, 1, (lua_Integer)size + 1);
    ssize_t n = write_quietly(fd, data + first - 1, size - first + 1);
    if (n < 0)
        return userns_fail(L, "write", "write", errno, NULL);
    lua_pushinteger(L, n);
    return 1;
}

static int close_stream(lua_State *L)
{
    luaL_Stream *stream = luaL_checkudata(L, 1, LUA_FILEHANDLE);
    return luaL_fileresult(L, fclose(stream->f) == 0, NULL);
}

/***
 * Makes the descriptor a file of the io library, which owns it from then on.
 * @param mode "r"|"w"|"r+"|"a"
 * @return file*? file
 * @return userns.Error? err
 * @source fdopen(3)
 */
static int fd_file(lua_State *L)
{
    static const char *const modes[] = {"r", "w", "r+", "a", NULL};
    int *slot = check_open(L, 1);
    const char *mode = modes[luaL_checkoption(L, 2, NULL, modes)];
    luaL_Stream *stream = lua_newuserdatauv(L, sizeof *stream, 0);
    stream->closef = NULL;
    luaL_setmetatable(L, LUA_FILEHANDLE);
    stream->f = fdopen(*slot, mode);
    if (stream->f == NULL)
        return userns_fail(L, "fdopen", "fcntl", errno, NULL);
    stream->closef = close_stream;
    *slot = -1;
    return 1;
}

int userns_dup_fd(int fd)
{
    return fcntl(fd, F_DUPFD_CLOEXEC, 3);
}

/***
 * Makes reads and writes of the descriptor's open file give EAGAIN rather than
 * wait, for every descriptor that shares it; or wait again.
 * @param on boolean? true when absent
 * @return true|nil ok
 * @return userns.Error? err
 * @source fcntl(2)
 */
static int fd_nonblock(lua_State *L)
{
    int fd = *check_open(L, 1);
    bool on = lua_isnoneornil(L, 2) || lua_toboolean(L, 2);
    int flags = fcntl(fd, F_GETFL);
    int wanted = on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
    int result = flags < 0 ? -1 : fcntl(fd, F_SETFL, wanted);
    return userns_result(L, result, "nonblock", "fcntl", NULL);
}

/***
 * Gives the file that the descriptor is open on to another owner.
 * @param uid integer
 * @param gid integer
 * @return true|nil ok
 * @return userns.Error? err EPERM
 * @source fchown(2)
 */
static int fd_chown(lua_State *L)
{
    int fd = *check_open(L, 1);
    uid_t uid = userns_check_id(L, 2);
    gid_t gid = userns_check_id(L, 3);
    return userns_result(L, fchown(fd, uid, gid), "chown", "fchown", NULL);
}

/***
 * A pipe.  Both ends are closed on exec and lie above the standard streams.
 * @return userns.Fd? read
 * @return userns.Fd|userns.Error write the error when the first is nil
 * @source pipe(2)
 */
static int sys_pipe(lua_State *L)
{
    int ends[2];
    int *reader = userns_push_fd(L);
    int *writer = userns_push_fd(L);
    if (pipe2(ends, O_CLOEXEC) != 0)
        return userns_fail(L, "pipe", "pipe2", errno, NULL);
    *writer = ends[1];
    *reader = userns_above_stdio(ends[0]);
    if (*reader >= 0)
        *writer = userns_above_stdio(*writer);
    if (*reader < 0 || *writer < 0)
        return userns_fail(L, "pipe", "fcntl", errno, NULL);
    return 2;
}

/* O_RDONLY is no bit: what the words say of access is kept above the flags. */
#define READ  (UINT64_C(1) << 32)
#define WRITE (UINT64_C(1) << 33)

static const struct word open_words[] = {
    {"read", READ},
    {"write", WRITE},
    {"readwrite", READ | WRITE},
    {"create", O_CREAT},
    {"excl", O_EXCL},
    {"truncate", O_TRUNC},
    {"append", O_APPEND},
    {"path", O_PATH},
    {"directory", O_DIRECTORY},
    {"nofollow", O_NOFOLLOW},
    {"nonblock", O_NONBLOCK},
    {NULL, 0},
};

static int open_flags(uint64_t words)
{
    int flags = (int)(words & INT_MAX) | O_CLOEXEC | O_NOCTTY;
    switch (words & (READ | WRITE)) {
    case READ | WRITE:
        return flags | O_RDWR;
    case WRITE:
        return flags | O_WRONLY;
    default:
        return flags | O_RDONLY;
    }
}

/***
 * Opens a file; the descriptor is closed on exec and lies above the standard
 * streams.
 * @param path string
 * @param how string|string[]? words: read (when absent), write, readwrite
 *   (or both), create, excl, truncate, append, path, directory, nofollow,
 *   nonblock
 * @return userns.Fd? fd
 * @return userns.Error? err
 * @source open(2)
 */
static int sys_open(lua_State *L)
{
    const char *path = userns_check_text(L, 1);
    uint64_t words = lua_isnoneornil(L, 2)
                         ? READ
                         : userns_check_words(L, 2, open_words, "open word");
    int *slot = userns_push_fd(L);
    *slot = userns_above_stdio(open(path, open_flags(words), 0666));
    if (*slot >= 0)
        return 1;
    int errnum = errno;
    /* what is not there, or is there already, tells all by itself */
    return errnum == EACCES || errnum == EOVERFLOW || errnum == ELOOP
               ? userns_refuse(L, "open", "open", errnum, path)
               : userns_fail(L, "open", "open", errnum, path);
}

/***
 * Opens what a directory has under a name, whatever became of the directory's
 * path; closed on exec and above the standard streams.
 * @param directory integer|file*|userns.Fd
 * @param name string of one component: no symbolic link is followed
 * @param how string|string[]? words as open takes
 * @return userns.Fd? fd
 * @return userns.Error? err
 * @source openat(2)
 */
static int sys_openat(lua_State *L)
{
    int directory = userns_check_fd(L, 1);
    const char *name = userns_check_name(L, 2);
    uint64_t words = lua_isnoneornil(L, 3)
                         ? READ
                         : userns_check_words(L, 3, open_words, "open word");
    int *slot = userns_push_fd(L);
    int flags = open_flags(words) | O_NOFOLLOW;
    *slot = userns_above_stdio(openat(directory, name, flags, 0666));
    if (*slot < 0)
        return userns_fail(L, "openat", "openat", errno, name);
    return 1;
}

/* The entry on top of the stack, which is popped.  Each value is checked in the
   list's place: errors name that argument. */
static struct pollfd check_entry(lua_State *L)
{
    static const char *const fields[] = {"fd", "events", NULL};
    static const struct word words[] = {
        {"r", POLLIN}, {"w", POLLOUT}, {NULL, 0}};
    struct pollfd entry = {-1, POLLIN, 0};
    lua_copy(L, -1, 1);
    userns_check_fields(L, 1, fields);
    if (lua_getfield(L, -1, "events") != LUA_TNIL) {
        lua_copy(L, -1, 1);
        entry.events = (short)userns_check_words(L, 1, words, "event");
    }
    lua_getfield(L, -2, "fd");
    lua_replace(L, 1);
    entry.fd = userns_check_fd(L, 1);
    lua_pop(L, 2);
    return entry;
}

/***
 * Waits until one of several descriptors is ready, hung up or in error.
 * @param list { fd: integer|file*|userns.Fd, events: string|string[]? }[]
 *   events is "r" (when absent), "w" or both
 * @param seconds number? how long at most; for ever when absent
 * @return boolean[]? ready for each entry; all false when the time is over
 * @return userns.Error? err EINTR when a signal came: call again
 * @source poll(2)
 */
static int sys_poll(lua_State *L)
{
    lua_Integer count = userns_check_list(L, 1);
    double seconds = userns_opt_seconds(L, 2);
    luaL_argcheck(L, count < INT_MAX / (int)sizeof(struct pollfd), 1,
                  "too many descriptors");
    lua_settop(L, 1);
    lua_pushvalue(L, 1);
    struct pollfd *fds =
        lua_newuserdatauv(L, ((size_t)count + 1) * sizeof *fds, 0);
    for (lua_Integer i = 0; i < count; i++) {
        lua_geti(L, 2, i + 1);
        fds[i] = check_entry(L);
    }
    if (poll(fds, (nfds_t)count, userns_milliseconds(seconds)) < 0)
        return userns_fail(L, "poll", "poll", errno, NULL);
    lua_createtable(L, (int)count, 0);
    for (lua_Integer i = 0; i < count; i++) {
        lua_pushboolean(L, fds[i].revents != 0);
        lua_seti(L, -2, i + 1);
    }
    return 1;
}

/***
 * The number of a descriptor that is open, given in any form.
 * @param fd integer|file*|userns.Fd|{ fd: integer }
 * @return integer? number
 * @return userns.Error? err EBADF
 * @source fcntl(2)
 */
static int sys_fileno(lua_State *L)
{
    int fd = userns_check_fd(L, 1);
    if (fcntl(fd, F_GETFD) < 0)
        return userns_fail(L, "fileno", "fcntl", errno, NULL);
    lua_pushinteger(L, fd);
    return 1;
}

/***
 * Another descriptor of the same open file, closed on exec and above the
 * standard streams.
 * @param fd integer|file*|userns.Fd|{ fd: integer }
 * @return userns.Fd? copy
 * @return userns.Error? err EBADF, EMFILE
 * @source fcntl(2)
 */
static int sys_dup(lua_State *L)
{
    int fd = userns_check_fd(L, 1);
    int *slot = userns_push_fd(L);
    *slot = userns_dup_fd(fd);
    if (*slot < 0)
        return userns_fail(L, "dup", "fcntl", errno, NULL);
    return 1;
}

/***
 * Seconds on a clock that nobody sets.
 * @return number seconds
 * @source clock_gettime(2)
 */
static int sys_clock(lua_State *L)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    lua_pushnumber(L, (lua_Number)now.tv_sec + (lua_Number)now.tv_nsec / 1e9);
    return 1;
}

void userns_open_fd(lua_State *L)
{
    static const luaL_Reg methods[] = {
        {"fileno", fd_fileno}, {"close", fd_close}, {"read", fd_read},
        {"write", fd_write},   {"file", fd_file},   {"nonblock", fd_nonblock},
        {"chown", fd_chown},   {NULL, NULL},
    };
    static const luaL_Reg metamethods[] = {
        {"__gc", fd_close},
        {"__close", fd_close},
        {"__tostring", fd_tostring},
        {NULL, NULL},
    };
    static const luaL_Reg functions[] = {
        {"pipe", sys_pipe},   {"open", sys_open},     {"openat", sys_openat},
        {"poll", sys_poll},   {"fileno", sys_fileno}, {"dup", sys_dup},
        {"clock", sys_clock}, {NULL, NULL},
    };
    userns_new_type(L, METATABLE, metamethods, methods);
    luaL_setfuncs(L, functions, 0);
}
