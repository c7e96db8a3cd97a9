#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <fcntl.h>
#include <stddef.h>
#include <sys/mount.h>

#include "mountwords.h"

#define PROPAGATIONS(ROW)                                                      \
    ROW("private", MS_PRIVATE)                                                 \
    ROW("slave", MS_SLAVE)                                                     \
    ROW("shared", MS_SHARED)                                                   \
    ROW("unbindable", MS_UNBINDABLE)

/* Word, value, and the mask of the bits it decides. */
#define ATTRS(ROW)                                                             \
    ROW("readonly", MOUNT_ATTR_RDONLY, MOUNT_ATTR_RDONLY)                      \
    ROW("ro", MOUNT_ATTR_RDONLY, MOUNT_ATTR_RDONLY)                            \
    ROW("nosuid", MOUNT_ATTR_NOSUID, MOUNT_ATTR_NOSUID)                        \
    ROW("nodev", MOUNT_ATTR_NODEV, MOUNT_ATTR_NODEV)                           \
    ROW("noexec", MOUNT_ATTR_NOEXEC, MOUNT_ATTR_NOEXEC)                        \
    ROW("nosymfollow", MOUNT_ATTR_NOSYMFOLLOW, MOUNT_ATTR_NOSYMFOLLOW)         \
    ROW("noatime", MOUNT_ATTR_NOATIME, MOUNT_ATTR__ATIME)                      \
    ROW("relatime", MOUNT_ATTR_RELATIME, MOUNT_ATTR__ATIME)                    \
    ROW("strictatime", MOUNT_ATTR_STRICTATIME, MOUNT_ATTR__ATIME)              \
    ROW("nodiratime", MOUNT_ATTR_NODIRATIME, MOUNT_ATTR_NODIRATIME)

#define PLAIN(word, flag)       {word, flag},
#define RECURSIVE(word, flag)   {"r" word, flag | MS_REC},
#define VALUE(word, attr, mask) {word, attr},
#define MASK(word, attr, mask)  {word, mask},

const struct word userns_mount_flags[] = {
    {"readonly", MS_RDONLY},
    {"ro", MS_RDONLY},
    {"nosuid", MS_NOSUID},
    {"nodev", MS_NODEV},
    {"noexec", MS_NOEXEC},
    {"nosymfollow", MS_NOSYMFOLLOW},
    {"noatime", MS_NOATIME},
    {"nodiratime", MS_NODIRATIME},
    {"relatime", MS_RELATIME},
    {"strictatime", MS_STRICTATIME},
    {"sync", MS_SYNCHRONOUS},
    {"dirsync", MS_DIRSYNC},
    {"lazytime", MS_LAZYTIME},
    {"silent", MS_SILENT},
    {"remount", MS_REMOUNT},
    {"bind", MS_BIND},
    {"move", MS_MOVE},
    {"recursive", MS_REC},
    {"rec", MS_REC},
    /* mount(8) and OCI have the recursive ones in one word */
    {"rbind", MS_BIND | MS_REC},
    PROPAGATIONS(PLAIN) PROPAGATIONS(RECURSIVE){NULL, 0},
};

const struct word userns_umount_flags[] = {
    {"force", MNT_FORCE},
    {"detach", MNT_DETACH},
    {"expire", MNT_EXPIRE},
    {"nofollow", UMOUNT_NOFOLLOW},
    {NULL, 0},
};

const struct word userns_propagations[] = {PROPAGATIONS(PLAIN){NULL, 0}};

const struct word userns_mount_attrs[] = {ATTRS(VALUE){NULL, 0}};

const struct word userns_mount_attr_masks[] = {ATTRS(MASK){NULL, 0}};

uint64_t userns_words_field(lua_State *L, int arg, const char *field,
                            const struct word *words, const char *what)
{
    if (lua_getfield(L, arg, field) == LUA_TNIL) {
        lua_pop(L, 1);
        return 0;
    }
    /* The value stands in the argument's place, so that an error names it. */
    lua_insert(L, arg);
    uint64_t value = userns_check_words(L, arg, words, what);
    lua_remove(L, arg);
    return value;
}
