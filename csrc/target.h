/*
 * What an operation acts on, as Lua names it: a process, an open descriptor or
 * a path.  An integer is a pid and "self" the caller, any other string a path;
 * an object with a pid is a process, one with a descriptor its descriptor.
 */
#ifndef USERNS_TARGET_H
#define USERNS_TARGET_H

#include <sys/types.h>

#include "compat.h"

enum target_kind { TARGET_PROCESS, TARGET_DESCRIPTOR, TARGET_PATH };

/* Owns nothing; good as long as the argument stays on the stack. */
struct target {
    enum target_kind kind;
    pid_t pid;        /* of a process; 0 is the caller */
    int fd;           /* the descriptor, or a process's pidfd; else -1 */
    const char *path; /* NULL but for a path */
};

/* Any of the three, or a process only. */
struct target userns_check_target(lua_State *L, int arg);
struct target userns_check_process(lua_State *L, int arg);

/* Room for /proc/PID/FILE with any pid and any file asked for here. */
enum { USERNS_PROC_PATH = 64 };

/* The path of a process's file in /proc.  The caller's own directory there is
   self: "self" for what all its threads share, else "thread-self". */
void userns_process_path(struct target process, const char *self,
                         const char *file, char ret_path[USERNS_PROC_PATH]);

/* Opens such a path; -1 with errno, and the call that failed.  Where
   /proc is of another pid namespace, none is opened; where the process has a
   pidfd, a later process of the same number is never taken for it. */
int userns_open_process_file(struct target process, const char *path, int flags,
                             const char **ret_syscall);

#endif
