#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "check.h"
#include "error.h"
#include "file.h"
#include "sys.h"

const char *userns_type_name(mode_t mode)
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
    userns_set_string(L, "type", userns_type_name(st->st_mode));
    userns_set_integer(L, "mode", st->st_mode & 07777);
    userns_set_integer(L, "uid", st->st_uid);
    userns_set_integer(L, "gid", st->st_gid);
    userns_set_integer(L, "size", (lua_Integer)st->st_size);
    userns_set_integer(L, "device", device_number(st->st_dev));
    userns_set_integer(L, "inode", (lua_Integer)st->st_ino);
}

/* A path's descriptor is AT_FDCWD, a descriptor's path "". */
struct file {
    int fd;
    const char *path;
    bool by_path;
};

static struct file check_file(lua_State *L, int arg)
{
    bool by_path = lua_type(L, arg) == LUA_TSTRING;
    return (struct file){by_path ? AT_FDCWD : userns_check_fd(L, arg),
                         by_path ? userns_check_text(L, arg) : "", by_path};
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
    struct file file = check_file(L, 1);
    int flags = lua_isnoneornil(L, 2)
                    ? 0
                    : (int)userns_check_words(L, 2, stat_words, "stat word");
    if (fstatat(file.fd, file.path, &st,
                flags | (file.by_path ? 0 : AT_EMPTY_PATH)) != 0)
        return userns_fail(L, "stat", "newfstatat", errno,
                           file.by_path ? file.path : NULL);
    push_stat(L, &st);
    return 1;
}

/***
 * Which mount a file is on, and whether it is that mount's own root.
 * @param file string|integer|file*|userns.Fd|{ fd: integer } a path, or what is
 *   open
 * @return { id: integer, root: boolean? }? mount root is nil before Linux 5.8
 * @return userns.Error? err ENOENT, EACCES, EBADF
 * @source statx(2)
 */
static int sys_mount_of(lua_State *L)
{
    struct statx st;
    struct file file = check_file(L, 1);
    if (statx(file.fd, file.path,
              AT_NO_AUTOMOUNT | (file.by_path ? 0 : AT_EMPTY_PATH),
              STATX_MNT_ID, &st) != 0)
        return userns_fail(L, "stat", "statx", errno,
                           file.by_path ? file.path : NULL);
    lua_createtable(L, 0, 2);
    userns_set_integer(L, "id", (lua_Integer)st.stx_mnt_id);
    if ((st.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT) != 0) {
        lua_pushboolean(L, (st.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0);
        lua_setfield(L, -2, "root");
    }
    return 1;
}

/* Those that a set-up meets, and whose being met explains a refusal. */
static const struct word file_systems[] = {
    {"btrfs", BTRFS_SUPER_MAGIC},
    {"cgroup", CGROUP_SUPER_MAGIC},
    {"cgroup2", CGROUP2_SUPER_MAGIC},
    {"devpts", DEVPTS_SUPER_MAGIC},
    {"ext4", EXT4_SUPER_MAGIC},
    {"fuse", FUSE_SUPER_MAGIC},
    {"nfs", NFS_SUPER_MAGIC},
    {"nsfs", NSFS_MAGIC},
    {"overlay", OVERLAYFS_SUPER_MAGIC},
    {"proc", PROC_SUPER_MAGIC},
    {"ramfs", RAMFS_MAGIC},
    {"squashfs", SQUASHFS_MAGIC},
    {"sysfs", SYSFS_MAGIC},
    {"tmpfs", TMPFS_MAGIC},
    {"xfs", XFS_SUPER_MAGIC},
    {NULL, 0},
};

#ifndef ST_NOSYMFOLLOW /* since Linux 5.10 */
#define ST_NOSYMFOLLOW 0x2000
#endif

static const struct word mount_flags[] = {
    {"ro", ST_RDONLY},
    {"nosuid", ST_NOSUID},
    {"nodev", ST_NODEV},
    {"noexec", ST_NOEXEC},
    {"noatime", ST_NOATIME},
    {"nodiratime", ST_NODIRATIME},
    {"relatime", ST_RELATIME},
    {"nosymfollow", ST_NOSYMFOLLOW},
    {NULL, 0},
};

static void push_file_system(lua_State *L, uint64_t magic)
{
    char number[24];
    for (const struct word *w = file_systems; w->name != NULL; w++)
        if (w->value == magic) {
            lua_pushstring(L, w->name);
            return;
        }
    (void)snprintf(number, sizeof number, "0x%llx", (unsigned long long)magic);
    lua_pushstring(L, number);
}

/***
 * What file system a file is on, and the flags of its mount.
 * @param file string|integer|file*|userns.Fd|{ fd: integer } a path, or what is
 *   open
 * @return { type: string, flags: table<string, boolean> }? file_system its
 * name, or the magic number in hexadecimal ("0x1021997"); ro, nosuid, nodev,
 * noexec, noatime, nodiratime, relatime, nosymfollow
 * @return userns.Error? err ENOENT, EACCES, EBADF
 * @source statfs(2)
 */
static int sys_statfs(lua_State *L)
{
    struct statfs fs;
    struct file file = check_file(L, 1);
    int result = file.by_path ? statfs(file.path, &fs) : fstatfs(file.fd, &fs);
    if (result != 0)
        return userns_fail(L, "stat", "statfs", errno,
                           file.by_path ? file.path : NULL);
    lua_createtable(L, 0, 2);
    push_file_system(L, (uint64_t)fs.f_type);
    lua_setfield(L, -2, "type");
    lua_newtable(L);
    for (const struct word *w = mount_flags; w->name != NULL; w++)
        if (((uint64_t)fs.f_flags & w->value) != 0) {
            lua_pushboolean(L, true);
            lua_setfield(L, -2, w->name);
        }
    lua_setfield(L, -2, "flags");
    return 1;
}

static const struct word access_words[] = {
    {"read", R_OK},
    {"write", W_OK},
    {"execute", X_OK}, /* of a directory: search */
    {NULL, 0},
};

/***
 * Whether the caller may use a file, by its effective ids and capabilities.
 * @param path string
 * @param how string|string[]? words: read, write, execute (of a directory:
 *   search); whether it is there when absent
 * @return true|nil ok
 * @return userns.Error? err ENOENT, EACCES, EROFS, ENOTDIR
 * @source access(2)
 */
static int sys_access(lua_State *L)
{
    const char *path = userns_check_text(L, 1);
    int mode = lua_isnoneornil(L, 2)
                   ? F_OK
                   : (int)userns_check_words(L, 2, access_words, "access word");
    if (faccessat(AT_FDCWD, path, mode, AT_EACCESS) != 0)
        return userns_fail(L, "access", "faccessat2", errno, path);
    lua_pushboolean(L, true);
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
        {"access", sys_access},     {"mount_of", sys_mount_of},
        {"readlink", sys_readlink}, {"stat", sys_stat},
        {"statfs", sys_statfs},     {NULL, NULL},
    };
    luaL_setfuncs(L, functions, 0);
}
