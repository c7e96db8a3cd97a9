#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "check.h"
#include "error.h"
#include "sys.h"

static const char *type_name(mode_t mode)
{
    switch (mode & S_IFMT) {
    case S_IFREG:
        return "file";
    case S_IFDIR:
        return "directory";
    case S_IFLNK:
        return "symlink";
    case S_IFCHR:
        return "char";
    case S_IFBLK:
        return "block";
    case S_IFIFO:
        return "fifo";
    case S_IFSOCK:
        return "socket";
    default:
        return "unknown";
    }
}

/* As the engine has it, with statx(2)'s two halves. */
static lua_Integer device_number(dev_t device)
{
    return (lua_Integer)((uint64_t)major(device) << 32 | minor(device));
}

static void push_stat(lua_State *L, const struct stat *st)
{
    lua_createtable(L, 0, 7);
    lua_pushstring(L, type_name(st->st_mode));
    lua_setfield(L, -2, "type");
    userns_set_integer(L, "mode", st->st_mode & 07777);
    userns_set_integer(L, "uid", st->st_uid);
    userns_set_integer(L, "gid", st->st_gid);
    userns_set_integer(L, "size", (lua_Integer)st->st_size);
    userns_set_integer(L, "device", device_number(st->st_dev));
    userns_set_integer(L, "inode", (lua_Integer)st->st_ino);
}

static const struct word stat_words[] = {
    {"nofollow", AT_SYMLINK_NOFOLLOW},
    {NULL, 0},
};

/***
 * What a file is: its type (file, directory, symlink, char, block, fifo,
 * socket), mode, owner, size in bytes, and the two numbers that tell it from
 * all others.
 * @param file string|integer|file*|userns.Fd|{ fd: integer } a path, or what is
 *   open
 * @param how string|string[]? words: nofollow (a symbolic link itself)
 * @return { type: string, mode: integer, uid: integer, gid: integer, size:
 * integer, device: integer, inode: integer }? stat
 * @return userns.Error? err ENOENT, EACCES, EBADF
 * @source stat(2)
 */
static int sys_stat(lua_State *L)
{
    struct stat st;
    bool by_path = lua_type(L, 1) == LUA_TSTRING;
    const char *path = by_path ? userns_check_text(L, 1) : "";
    int fd = by_path ? AT_FDCWD : userns_check_fd(L, 1);
    int flags = lua_isnoneornil(L, 2)
                    ? 0
                    : (int)userns_check_words(L, 2, stat_words, "stat word");
    if (fstatat(fd, path, &st, flags | (by_path ? 0 : AT_EMPTY_PATH)) != 0)
        return userns_fail(L, "stat", "newfstatat", errno,
                           by_path ? path : NULL);
    push_stat(L, &st);
    return 1;
}

/***
 * What a symbolic link says.
 * @param path string
 * @return string? text
 * @return userns.Error? err EINVAL: it is no symbolic link
 * @source readlink(2)
 */
static int sys_readlink(lua_State *L)
{
    char text[PATH_MAX];
    const char *path = userns_check_text(L, 1);
    ssize_t length = readlink(path, text, sizeof text);
    if (length < 0)
        return userns_fail(L, "readlink", "readlink", errno, path);
    lua_pushlstring(L, text, (size_t)length);
    return 1;
}

void userns_open_file(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"readlink", sys_readlink},
        {"stat", sys_stat},
        {NULL, NULL},
    };
    luaL_setfuncs(L, functions, 0);
}
