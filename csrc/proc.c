#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/types.h>
#include <unistd.h>

#include "proc.h"

/* A procfs keeps the numbers of the pid namespace it was mounted in: after
   unshare --pid --fork it is another's, and each number a stranger's. */
int userns_check_proc(void)
{
    char own[16]; /* the ten digits of a pid, and what ends them */
    ssize_t n = readlinkat(AT_FDCWD, "/proc/self", own, sizeof own - 1);
    if (n < 0)
        return -1;
    own[n] = '\0';
    errno = ESRCH;
    return strtol(own, /* end= */ NULL, 10) == getpid() ? 0 : -1;
}
