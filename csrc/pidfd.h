/* What a pidfd tells: linux/pidfd.h of Linux 6.15, younger than the headers. */
#ifndef USERNS_PIDFD_H
#define USERNS_PIDFD_H

#include <stdint.h>
#include <sys/ioctl.h>

struct pidfd_info {
    uint64_t mask;
    uint64_t cgroup;
    uint32_t pid;
    uint32_t tgid;
    uint32_t ppid;
    uint32_t ruid;
    uint32_t rgid;
    uint32_t euid;
    uint32_t egid;
    uint32_t suid;
    uint32_t sgid;
    uint32_t fsuid;
    uint32_t fsgid;
    int32_t exit_code;
};

#define PIDFD_GET_INFO  _IOWR(0xff, 11, struct pidfd_info)
#define PIDFD_INFO_EXIT (1ULL << 3)

#endif
