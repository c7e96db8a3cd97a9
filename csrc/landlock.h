/*
 * Landlock as the newest kernel has it, whatever the headers here know: see
 * landlock(7) for the ABI that each constant came with.
 */
#ifndef USERNS_LANDLOCK_H
#define USERNS_LANDLOCK_H

#include <stdint.h>

#define LANDLOCK_VERSION                                                       \
    (1U << 0) /* asks landlock_create_ruleset for the ABI */

enum { LANDLOCK_PATH_BENEATH = 1, LANDLOCK_NET_PORT = 2 };

/* ABI 1, and as marked. */
#define FS_EXECUTE     (UINT64_C(1) << 0)
#define FS_WRITE_FILE  (UINT64_C(1) << 1)
#define FS_READ_FILE   (UINT64_C(1) << 2)
#define FS_READ_DIR    (UINT64_C(1) << 3)
#define FS_REMOVE_DIR  (UINT64_C(1) << 4)
#define FS_REMOVE_FILE (UINT64_C(1) << 5)
#define FS_MAKE_CHAR   (UINT64_C(1) << 6)
#define FS_MAKE_DIR    (UINT64_C(1) << 7)
#define FS_MAKE_REG    (UINT64_C(1) << 8)
#define FS_MAKE_SOCK   (UINT64_C(1) << 9)
#define FS_MAKE_FIFO   (UINT64_C(1) << 10)
#define FS_MAKE_BLOCK  (UINT64_C(1) << 11)
#define FS_MAKE_SYM    (UINT64_C(1) << 12)
#define FS_REFER       (UINT64_C(1) << 13) /* 2 */
#define FS_TRUNCATE    (UINT64_C(1) << 14) /* 3 */
#define FS_IOCTL_DEV   (UINT64_C(1) << 15) /* 5 */

/* ABI 4 */
#define NET_BIND_TCP    (UINT64_C(1) << 0)
#define NET_CONNECT_TCP (UINT64_C(1) << 1)

/* ABI 6 */
#define SCOPE_ABSTRACT_UNIX_SOCKET (UINT64_C(1) << 0)
#define SCOPE_SIGNAL               (UINT64_C(1) << 1)

/* What a file can have that is no directory. */
#define FS_OF_FILES                                                            \
    (FS_EXECUTE | FS_WRITE_FILE | FS_READ_FILE | FS_TRUNCATE | FS_IOCTL_DEV)

/* Longer than an older kernel's, which takes it as long as what it does not
   know is 0. */
struct landlock_ruleset {
    uint64_t fs;
    uint64_t net;
    uint64_t scope;
};

struct landlock_path {
    uint64_t allow;
    int32_t fd;
} __attribute__((packed));

struct landlock_port {
    uint64_t allow;
    uint64_t port;
};

#endif
