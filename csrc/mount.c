#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "check.h"
#include "error.h"
#include "fd.h"
#include "mountwords.h"
#include "sys.h"
#include "target.h"

#define OF_MOUNT                                                               \
    (MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOSYMFOLLOW |           \
     MS_NOATIME | MS_NODIRATIME | MS_RELATIME | MS_STRICTATIME)
#define OF_FILESYSTEM (MS_SYNCHRONOUS | MS_DIRSYNC | MS_LAZYTIME)

/* mount(2) is six operations.  The kernel does the first of these whose flags
   are all given, and passes over whatever else it is told: a bind with
   "readonly" is writable, a remount with "recursive" stops at the top.  Here
   such a call is refused. */
struct operation {
    const char *name;
    uint64_t flags; /* what selects it */
    uint64_t heard; /* what else it obeys */
    bool data;      /* whether it reads the data */
};

static const struct operation operations[] = {
    {"a remount with 'bind'", MS_REMOUNT | MS_BIND, OF_MOUNT, false},
    {"a remount", MS_REMOUNT, OF_MOUNT | OF_FILESYSTEM, true},
    {"a bind", MS_BIND, MS_REC, false},
    {"a change of propagation", MS_SHARED, MS_REC, false},
    {"a change of propagation", MS_PRIVATE, MS_REC, false},
    {"a change of propagation", MS_SLAVE, MS_REC, false},
    {"a change of propagation", MS_UNBINDABLE, MS_REC, false},
    {"a move", MS_MOVE, 0, false},
    {"a new mount", 0, OF_MOUNT | OF_FILESYSTEM, true},
};

static const struct operation *find_operation(uint64_t flags)
{
    const struct operation *o = operations;
    while ((flags & o->flags) != o->flags)
        o++;
    return o;
}

static void check_heard(lua_State *L, const struct operation *o, uint64_t flags)
{
    uint64_t ignored = flags & ~(o->flags | o->heard | MS_SILENT);
    for (const struct word *w = userns_mount_flags; w->name != NULL; w++)
        if ((w->value & ignored) == w->value)
            luaL_argerror(L, 1,
                          lua_pushfstring(L, "%s takes no option '%s'", o->name,
                                          w->name));
}

/* The kernel reads one page and ends the string there. */
static void check_data(lua_State *L, const struct operation *o,
                       const char *data)
{
    if (data == NULL)
        return;
    if (!o->data)
        luaL_argerror(L, 1, lua_pushfstring(L, "%s takes no data", o->name));
    luaL_argcheck(L, strlen(data) < (size_t)sysconf(_SC_PAGESIZE), 1,
                  "field 'data' does not fit in a page of memory");
}

/* A string of the table that is argument 1, or NULL.  It stays on the stack. */
static const char *text_field(lua_State *L, const char *field)
{
    size_t length;
    int type = lua_getfield(L, 1, field);
    if (type == LUA_TNIL)
        return NULL;
    if (type != LUA_TSTRING)
        luaL_argerror(L, 1,
                      lua_pushfstring(L, "field '%s': string expected, got %s",
                                      field, lua_typename(L, type)));
    const char *text = lua_tolstring(L, -1, &length);
    if (strlen(text) != length)
        luaL_argerror(
            L, 1,
            lua_pushfstring(L, "field '%s': the string has a NUL byte", field));
    return text;
}

/* Which of two paths the kernel could not walk: it tells only why.  It walks
   the first one first. */
static const char *blame(const char *first, const char *second, int errnum)
{
    struct stat st;
    bool found = stat(first, &st) == 0;
    return found && stat(second, &st) < 0 && errno == errnum ? second : first;
}

/***
 * Makes a mount, or changes one: binds, moves, remounts it, or says what it
 * shares with its copies in other namespaces.
 *
 * The options are words: readonly (ro), nosuid, nodev, noexec, nosymfollow,
 * noatime, nodiratime, relatime, strictatime; sync, dirsync, lazytime; silent;
 * remount, bind, move, private, slave, shared, unbindable, and with these
 * recursive (rec), or in one word rbind, rprivate, rslave, rshared,
 * runbindable.  Options that the kernel would pass over in silence are refused:
 * to make a bind read-only, bind first, then remount with bind and readonly, or
 * use mount_setattr, which can do it to a whole tree.
 * @param mount table: target, and by operation source, type, options, data
 * @return true|nil ok
 * @return userns.Error? err EPERM without CAP_SYS_ADMIN over the mount
 *   namespace, or where a remount drops an option that a more privileged
 *   namespace locked; its path is that of source and target which failed
 * @source mount(2)
 */
static int sys_mount(lua_State *L)
{
    static const char *const fields[] = {"source",  "target", "type",
                                         "options", "data",   NULL};
    lua_settop(L, 1);
    userns_check_fields(L, 1, fields);
    uint64_t flags =
        userns_words_field(L, 1, "options", userns_mount_flags, "mount option");
    const char *source = text_field(L, "source");
    const char *target = text_field(L, "target");
    const char *type = text_field(L, "type");
    const char *data = text_field(L, "data");
    const struct operation *o = find_operation(flags);
    luaL_argcheck(L, target != NULL, 1, "field 'target' is missing");
    check_heard(L, o, flags);
    check_data(L, o, data);
    if (mount(source, target, type, (unsigned long)flags, data) == 0) {
        lua_pushboolean(L, true);
        return 1;
    }
    int errnum = errno;
    bool two_paths = source != NULL && (o->flags & (MS_BIND | MS_MOVE)) != 0;
    return userns_refuse(L, "mount", "mount", errnum,
                         two_paths ? blame(target, source, errnum) : target);
}

/***
 * Takes away what is mounted last on a path.
 * @param target string the mount point
 * @param flags? string|string[] force, detach, expire, nofollow
 * @return true|nil ok
 * @return userns.Error? err EINVAL where nothing is mounted or the mount is
 *   locked (it came from a more privileged namespace), EBUSY while it is in use
 *   (detach takes it out of sight at once), EAGAIN when expire first marks it
 * @source umount2(2)
 */
static int sys_umount(lua_State *L)
{
    const char *target = userns_check_text(L, 1);
    uint64_t flags =
        lua_isnoneornil(L, 2)
            ? 0
            : userns_check_words(L, 2, userns_umount_flags, "umount flag");
    return userns_result(L, umount2(target, (int)flags), "umount", "umount2",
                         target);
}

/***
 * Makes a mount the root of the mount namespace and puts the old root below it.
 * With "." twice the old root lies on top of the new one, to be unmounted with
 * umount(".", "detach").  The caller's working directory does not change.
 * @param new string the new root: a mount point, neither locked nor below a
 *   shared mount
 * @param old string a directory below the new root
 * @return true|nil ok
 * @return userns.Error? err EINVAL where one of these does not hold, or the
 *   present root is no mount point (as after chroot)
 * @source pivot_root(2)
 */
static int sys_pivot_root(lua_State *L)
{
    const char *new_root = userns_check_text(L, 1);
    const char *put_old = userns_check_text(L, 2);
    userns_load_diagnosis(L);
    long result = syscall(SYS_pivot_root, new_root, put_old);
    int errnum = errno;
    if (result < 0)
        return userns_refuse(L, "pivot_root", "pivot_root", errnum,
                             blame(new_root, put_old, errnum));
    lua_pushboolean(L, true);
    return 1;
}

/***
 * Changes the directory that the caller's absolute paths start from.  This is
 * not a boundary: open descriptors, the working directory and CAP_SYS_CHROOT
 * lead out again, and mounts stay what they are.  To shut the old tree out, use
 * pivot_root and unmount it.
 * @param path string the directory
 * @return true|nil ok
 * @return userns.Error? err EPERM without CAP_SYS_CHROOT
 * @source chroot(2)
 */
static int sys_chroot(lua_State *L)
{
    const char *path = userns_check_text(L, 1);
    userns_load_diagnosis(L);
    return userns_result(L, chroot(path), "chroot", "chroot", path);
}

/* Adds a file's bytes to the buffer; -1 with errno on failure. */
static ssize_t add_file(luaL_Buffer *b, int fd)
{
    /* The larger the pieces, the fewer changes can come between two. */
    static const size_t piece = 64 * 1024;
    ssize_t length;
    while ((length = read(fd, luaL_prepbuffsize(b, piece), piece)) > 0)
        luaL_addsize(b, (size_t)length);
    return length;
}

/***
 * The text of a process's table of mounts, which userns.mountinfo parses.
 * @param process integer|"self"|userns.Process self is the calling thread
 * @return string|nil text
 * @return userns.Error? err ENOENT where there is no such process, EINVAL where
 *   it has ended
 * @source proc_pid_mountinfo(5)
 */
static int sys_read_mountinfo(lua_State *L)
{
    char path[USERNS_PROC_PATH];
    const char *syscall_name;
    luaL_Buffer b;
    struct target process = userns_check_process(L, 1);
    userns_process_path(process, "thread-self", "mountinfo", path);
    int *slot = userns_push_fd(L);
    *slot = userns_open_process_file(process, path, O_RDONLY, &syscall_name);
    int errnum = errno;
    if (*slot < 0)
        return userns_refuse(L, "mountinfo", syscall_name, errnum, path);
    luaL_buffinit(L, &b);
    ssize_t result = add_file(&b, *slot);
    errnum = errno;
    userns_close_fd(slot);
    luaL_pushresult(&b);
    return result == 0 ? 1 : userns_fail(L, "mountinfo", "read", errnum, path);
}

void userns_open_mount(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"mount", sys_mount},
        {"umount", sys_umount},
        {"pivot_root", sys_pivot_root},
        {"chroot", sys_chroot},
        {"read_mountinfo", sys_read_mountinfo},
        {NULL, NULL},
    };
    luaL_setfuncs(L, functions, 0);
}
