#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "check.h"
#include "error.h"
#include "fd.h"
#include "found.h"
#include "mountwords.h"
#include "sys.h"

#ifndef MOVE_MOUNT_SET_GROUP
#define MOVE_MOUNT_SET_GROUP 0x100
#endif
#ifndef MOVE_MOUNT_BENEATH
#define MOVE_MOUNT_BENEATH 0x200
#endif

#define CONTEXT "userns.fscontext"

/* No call has more switches than these. */
#define SWITCHES 4

/* A mount, or a place to mount on: a path, or where that is NULL a descriptor
   itself. */
struct place {
    int fd;
    const char *path;
};

static struct place check_place(lua_State *L, int arg)
{
    if (lua_type(L, arg) == LUA_TSTRING)
        return (struct place){AT_FDCWD, userns_check_text(L, arg)};
    luaL_argexpected(L, userns_is_fd(L, arg), arg, "path or descriptor");
    return (struct place){userns_check_fd(L, arg), NULL};
}

static const char *path_of(struct place place)
{
    return place.path != NULL ? place.path : "";
}

/* The flag where the place is a descriptor itself. */
static unsigned if_empty(struct place place, unsigned flag)
{
    return place.path == NULL ? flag : 0;
}

/* The boolean fields of the table that is argument arg. */
static unsigned check_switches(lua_State *L, int arg,
                               const struct word *switches)
{
    uint64_t flags = 0;
    for (const struct word *s = switches; s->name != NULL; s++) {
        int type = lua_getfield(L, arg, s->name);
        if (type != LUA_TNIL && type != LUA_TBOOLEAN)
            luaL_argerror(
                L, arg,
                lua_pushfstring(L, "field '%s': boolean expected, got %s",
                                s->name, lua_typename(L, type)));
        flags |= lua_toboolean(L, -1) ? s->value : 0;
        lua_pop(L, 1);
    }
    return (unsigned)flags;
}

/* The same for a table that has no other fields and may be absent. */
static unsigned opt_switches(lua_State *L, int arg, const struct word *switches)
{
    const char *fields[SWITCHES + 1] = {NULL};
    if (lua_isnoneornil(L, arg))
        return 0;
    for (size_t i = 0; switches[i].name != NULL; i++)
        fields[i] = switches[i].name;
    userns_check_fields(L, arg, fields);
    return check_switches(L, arg, switches);
}

/* What a call that filled the handle on top of the stack returns to Lua. */
static int push_opened(lua_State *L, const int *slot, const char *syscall,
                       const char *path)
{
    int errnum = errno;
    return *slot >= 0 ? 1 : userns_refuse(L, syscall, syscall, errnum, path);
}

/***
 * Opens a mount, or takes a detached copy of it (clone) that nobody sees until
 * move_mount attaches it and that ends with its last descriptor if none does.
 * @param place string|integer|file*|table|userns.Fd a path, or a descriptor
 *   itself
 * @param options? table of booleans: clone, recursive (with clone: the mounts
 *   below too), nofollow, no_automount
 * @return userns.Fd|nil mount
 * @return userns.Error? err EPERM for a clone without CAP_SYS_ADMIN over the
 *   mount namespace, EINVAL for a clone without recursive of what has locked
 *   mounts below it
 * @source open_tree(2)
 */
static int sys_open_tree(lua_State *L)
{
    static const struct word switches[SWITCHES + 1] = {
        {"clone", OPEN_TREE_CLONE},
        {"recursive", AT_RECURSIVE},
        {"nofollow", AT_SYMLINK_NOFOLLOW},
        {"no_automount", AT_NO_AUTOMOUNT},
        {NULL, 0},
    };
    struct place place = check_place(L, 1);
    unsigned flags = opt_switches(L, 2, switches) | OPEN_TREE_CLOEXEC |
                     if_empty(place, AT_EMPTY_PATH);
    int *slot = userns_push_fd(L);
    *slot = userns_above_stdio(open_tree(place.fd, path_of(place), flags));
    return push_opened(L, slot, "open_tree", place.path);
}

/***
 * Attaches a detached mount, or moves an attached one.
 * @param from string|integer|file*|table|userns.Fd the mount: a handle of
 *   open_tree or of a file system context, or a path
 * @param to string|integer|file*|table|userns.Fd the place to mount it on
 * @param options? table of booleans: follow_from, follow_to (where a path ends
 *   in a symbolic link, else the link itself is meant), beneath (below what is
 *   mounted there), set_group (move nothing, give `to` what `from` shares)
 * @return true|nil ok
 * @return userns.Error? err EINVAL for a locked mount, for one out of a shared
 *   mount, and for a file on a directory or the reverse
 * @source move_mount(2)
 */
static int sys_move_mount(lua_State *L)
{
    static const struct word switches[SWITCHES + 1] = {
        {"follow_from", MOVE_MOUNT_F_SYMLINKS},
        {"follow_to", MOVE_MOUNT_T_SYMLINKS},
        {"beneath", MOVE_MOUNT_BENEATH},
        {"set_group", MOVE_MOUNT_SET_GROUP},
        {NULL, 0},
    };
    struct place from = check_place(L, 1);
    struct place to = check_place(L, 2);
    unsigned flags = opt_switches(L, 3, switches) |
                     if_empty(from, MOVE_MOUNT_F_EMPTY_PATH) |
                     if_empty(to, MOVE_MOUNT_T_EMPTY_PATH);
    int result = move_mount(from.fd, path_of(from), to.fd, path_of(to), flags);
    return userns_result(L, result, "move_mount", "move_mount",
                         to.path != NULL ? to.path : from.path);
}

/* The descriptor in the field userns, or -1. */
static int userns_field(lua_State *L, int arg)
{
    if (lua_getfield(L, arg, "userns") == LUA_TNIL) {
        lua_pop(L, 1);
        return -1;
    }
    /* The value stands in the argument's place, so that an error names it. */
    lua_insert(L, arg);
    luaL_argexpected(L, userns_is_fd(L, arg), arg,
                     "user namespace as handle or descriptor");
    int fd = userns_check_fd(L, arg);
    lua_remove(L, arg);
    return fd;
}

static struct mount_attr check_changes(lua_State *L, int arg)
{
    static const char attribute[] = "mount attribute";
    struct mount_attr attr = {0};
    int userns = userns_field(L, arg);
    attr.attr_set =
        userns_words_field(L, arg, "set", userns_mount_attrs, attribute);
    attr.attr_clr =
        userns_words_field(L, arg, "clear", userns_mount_attr_masks, attribute);
    attr.propagation = userns_words_field(L, arg, "propagation",
                                          userns_propagations, "propagation");
    /* To choose how access times are kept, the choice there was is cleared. */
    attr.attr_clr |=
        userns_words_field(L, arg, "set", userns_mount_attr_masks, attribute) &
        MOUNT_ATTR__ATIME;
    if (userns >= 0) {
        attr.attr_set |= MOUNT_ATTR_IDMAP;
        attr.userns_fd = (unsigned)userns;
    }
    return attr;
}

/***
 * Changes a mount, or with recursive a whole tree of mounts, at once or not at
 * all: first the words in clear are taken off, then those in set are put on.
 *
 * The words are readonly (ro), nosuid, nodev, noexec, nosymfollow, nodiratime,
 * and of noatime, relatime, strictatime one (cleared, they fall back to
 * relatime).  A user namespace makes the mount show its owners through that
 * namespace's maps: only for a detached mount, and for good.
 * @param place string|integer|file*|table|userns.Fd a mount
 * @param changes table: set, clear (words), propagation (private, slave,
 *   shared, unbindable), userns (a descriptor), recursive, nofollow,
 *   no_automount (booleans)
 * @return true|nil ok
 * @return userns.Error? err EPERM where a word to clear is locked by a more
 *   privileged namespace, EINVAL where nothing is mounted there, EBUSY for
 *   readonly while a file is open for writing
 * @source mount_setattr(2)
 */
static int sys_mount_setattr(lua_State *L)
{
    static const struct word switches[SWITCHES + 1] = {
        {"recursive", AT_RECURSIVE},
        {"nofollow", AT_SYMLINK_NOFOLLOW},
        {"no_automount", AT_NO_AUTOMOUNT},
        {NULL, 0},
    };
    static const char *const fields[] = {
        "set",       "clear",    "propagation",  "userns",
        "recursive", "nofollow", "no_automount", NULL};
    lua_settop(L, 2);
    struct place place = check_place(L, 1);
    userns_check_fields(L, 2, fields);
    struct mount_attr attr = check_changes(L, 2);
    unsigned flags =
        check_switches(L, 2, switches) | if_empty(place, AT_EMPTY_PATH);
    int result =
        mount_setattr(place.fd, path_of(place), flags, &attr, sizeof attr);
    return userns_result(L, result, "mount_setattr", "mount_setattr",
                         place.path);
}

/* Pushes a closed context of a type that may be NULL; open into it at once. */
static int *push_context(lua_State *L, const char *type)
{
    int *slot = lua_newuserdatauv(L, sizeof *slot, 1);
    *slot = -1;
    luaL_setmetatable(L, CONTEXT);
    lua_pushstring(L, type);
    lua_setiuservalue(L, -2, 1);
    return slot;
}

/***
 * Starts the set-up of a new file system: a context that takes its parameters
 * one by one, says of each what is wrong with it, makes the file system and
 * mounts it.
 * @param type string as in /proc/filesystems
 * @return userns.FsContext|nil context
 * @return userns.Error? err ENODEV for a type this kernel has not, EPERM
 *   without CAP_SYS_ADMIN over the mount namespace
 * @source fsopen(2)
 */
static int sys_fsopen(lua_State *L)
{
    const char *type = userns_check_text(L, 1);
    int *slot = push_context(L, type);
    *slot = userns_above_stdio(fsopen(type, FSOPEN_CLOEXEC));
    return push_opened(L, slot, "fsopen", type);
}

/***
 * Starts the change of a mounted file system: a context that takes the new
 * parameters and is ended by reconfigure.
 * @param place string|integer|file*|table|userns.Fd a mount
 * @param options? table of booleans: nofollow, no_automount
 * @return userns.FsContext|nil context
 * @return userns.Error? err EPERM without CAP_SYS_ADMIN over the mount
 *   namespace, EINVAL where nothing is mounted there
 * @source fspick(2)
 */
static int sys_fspick(lua_State *L)
{
    static const struct word switches[SWITCHES + 1] = {
        {"nofollow", FSPICK_SYMLINK_NOFOLLOW},
        {"no_automount", FSPICK_NO_AUTOMOUNT},
        {NULL, 0},
    };
    struct place place = check_place(L, 1);
    unsigned flags = opt_switches(L, 2, switches) | FSPICK_CLOEXEC |
                     if_empty(place, FSPICK_EMPTY_PATH);
    int *slot = push_context(L, NULL);
    *slot = userns_above_stdio(fspick(place.fd, path_of(place), flags));
    return push_opened(L, slot, "fspick", place.path);
}

static int check_context(lua_State *L)
{
    const int *slot = luaL_checkudata(L, 1, CONTEXT);
    luaL_argcheck(L, *slot >= 0, 1, "closed file system context");
    return *slot;
}

/* Fails as userns_refuse does; the error's detail is what the kernel wrote into
   the context's log.  A read takes one entry, and fails with ENODATA after the
   last and EMSGSIZE for one that is too long and lost. */
static int fail_with_log(lua_State *L, int fd, const char *syscall, int errnum,
                         const char *operand)
{
    char log[4096];
    size_t filled = 0;
    ssize_t length;
    do {
        length = read(fd, log + filled, sizeof log - 1 - filled);
        filled += length > 0 ? (size_t)length : 0;
    } while (length > 0 || (length < 0 && errno == EMSGSIZE));
    log[filled] = '\0';
    userns_fail(L, syscall, syscall, errnum, operand);
    userns_set_log(L, log);
    userns_explain(L);
    return 2;
}

static int configure(lua_State *L, int fd, unsigned command, const char *key,
                     const char *value, int aux)
{
    int result = fsconfig(fd, command, key, value, aux);
    int errnum = errno;
    if (result < 0)
        return fail_with_log(L, fd, "fsconfig", errnum, key);
    lua_pushboolean(L, true);
    return 1;
}

/***
 * Sets a parameter, one the kernel checks at once.
 * @param key string as in the options of mount(8): "size"
 * @param value string|file*|table|userns.Fd text of at most 255 bytes, or a
 *   descriptor: no plain integer, which would look like a value
 * @return true|nil ok
 * @return userns.Error? err its path is the key, its detail the kernel's reason
 * @source fsconfig(2)
 */
static int context_set(lua_State *L)
{
    int fd = check_context(L);
    const char *key = userns_check_text(L, 2);
    if (lua_type(L, 3) == LUA_TSTRING)
        return configure(L, fd, FSCONFIG_SET_STRING, key,
                         userns_check_text(L, 3), 0);
    luaL_argexpected(L, !lua_isnumber(L, 3) && userns_is_fd(L, 3), 3,
                     "string, io file, { fd = } or handle");
    return configure(L, fd, FSCONFIG_SET_FD, key, NULL, userns_check_fd(L, 3));
}

/***
 * Sets a parameter that has no value.
 * @param key string as in the options of mount(8): "ro"
 * @return true|nil ok
 * @return userns.Error? err its path is the key, its detail the kernel's reason
 * @source fsconfig(2)
 */
static int context_flag(lua_State *L)
{
    int fd = check_context(L);
    return configure(L, fd, FSCONFIG_SET_FLAG, userns_check_text(L, 2), NULL,
                     0);
}

/***
 * Makes the file system that the parameters describe.
 * @return true|nil ok
 * @return userns.Error? err its detail is the kernel's reason; EPERM where the
 *   type is not for user namespaces; EBUSY when it is made already
 * @source fsconfig(2)
 */
static int context_create(lua_State *L)
{
    return configure(L, check_context(L), FSCONFIG_CMD_CREATE, NULL, NULL, 0);
}

/***
 * Gives the mounted file system the parameters set since.
 * @return true|nil ok
 * @return userns.Error? err its detail is the kernel's reason; EPERM where the
 *   file system belongs to another user namespace
 * @source fsconfig(2)
 */
static int context_reconfigure(lua_State *L)
{
    return configure(L, check_context(L), FSCONFIG_CMD_RECONFIGURE, NULL, NULL,
                     0);
}

/***
 * Makes a detached mount of the file system, for move_mount.
 * @param attributes? string|string[] the words of mount_setattr
 * @return userns.Fd|nil mount
 * @return userns.Error? err EPERM where mounts of this type in sight show less
 *   (proc and sysfs in a container), EINVAL before create
 * @source fsmount(2)
 */
static int context_mount(lua_State *L)
{
    int fd = check_context(L);
    uint64_t attrs =
        lua_isnoneornil(L, 2)
            ? 0
            : userns_check_words(L, 2, userns_mount_attrs, "mount attribute");
    int *slot = userns_push_fd(L);
    *slot = userns_above_stdio(fsmount(fd, FSMOUNT_CLOEXEC, (unsigned)attrs));
    int errnum = errno;
    return *slot >= 0 ? 1 : fail_with_log(L, fd, "fsmount", errnum, NULL);
}

/***
 * The number of the context's descriptor, which the context goes on owning.
 * @return integer fd
 * @source fsopen(2)
 */
static int context_fileno(lua_State *L)
{
    lua_pushinteger(L, check_context(L));
    return 1;
}

/***
 * The type of the file system that fsopen was given.
 * @return string|nil type nil for a context of fspick
 * @source fsopen(2)
 */
static int context_type(lua_State *L)
{
    luaL_checkudata(L, 1, CONTEXT);
    lua_getiuservalue(L, 1, 1);
    return 1;
}

/***
 * Lets go of the context; its mounts stay.  A second call does nothing.
 * @source close(2)
 */
static int context_close(lua_State *L)
{
    userns_close_fd(luaL_checkudata(L, 1, CONTEXT));
    return 0;
}

static int context_tostring(lua_State *L)
{
    const int *slot = luaL_checkudata(L, 1, CONTEXT);
    if (*slot >= 0)
        lua_pushfstring(L, CONTEXT " (%d)", *slot);
    else
        lua_pushliteral(L, CONTEXT " (closed)");
    return 1;
}

static void open_context(lua_State *L)
{
    static const luaL_Reg methods[] = {
        {"set", context_set},
        {"flag", context_flag},
        {"create", context_create},
        {"reconfigure", context_reconfigure},
        {"mount", context_mount},
        {"fileno", context_fileno},
        {"close", context_close},
        {"type", context_type},
        {NULL, NULL},
    };
    static const luaL_Reg metamethods[] = {
        {"__gc", context_close},
        {"__close", context_close},
        {"__tostring", context_tostring},
        {NULL, NULL},
    };
    userns_new_type(L, CONTEXT, metamethods, methods);
}

void userns_open_mountfd(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"open_tree", sys_open_tree},
        {"move_mount", sys_move_mount},
        {"mount_setattr", sys_mount_setattr},
        {"fsopen", sys_fsopen},
        {"fspick", sys_fspick},
        {NULL, NULL},
    };
    open_context(L);
    luaL_setfuncs(L, functions, 0);
}
