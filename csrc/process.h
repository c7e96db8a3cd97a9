/* A process held by a pidfd: userdata "userns.process". */
#ifndef USERNS_PROCESS_H
#define USERNS_PROCESS_H

#include <stdbool.h>
#include <sys/types.h>

#include "compat.h"

struct control;

struct process {
    pid_t pid;
    int pidfd;  /* -1: closed */
    bool ours;  /* a child of ours: killed when the handle goes, and reaped */
    bool ended; /* its status has been fetched */
    int gate;   /* this end of a hand-shake's socket; -1 without one */

    /* Of a process 1 that stays: the words in which it tells how its program
       ended; else NULL.  The program is the first user value. */
    struct control *control;
};

/* Pushes a closed handle; fill it at once.  `uservalues` slots are free for the
   caller's use. */
struct process *userns_push_process(lua_State *L, int uservalues);

/* The handle at arg, which must be open. */
struct process *userns_check_handle(lua_State *L, int arg);

/* pidfd_open(2) and waitid(2) without Lua; -1 with errno. */
int userns_pidfd_open(pid_t pid);

/* The number of a pidfd's process in this pid namespace; -1 when it is gone,
   or /proc is of another. */
pid_t userns_pid_of(int pidfd);

/* Is it a child of the calling process, that has not been reaped? */
bool userns_is_child(int pidfd);
int userns_reap(int pidfd, int *ret_status);
void userns_kill(int pidfd, int signum);

#endif
