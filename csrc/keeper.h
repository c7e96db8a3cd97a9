/*
 * PR_SET_PDEATHSIG tells the death of the thread that cloned, not of its
 * process: in a host with threads the clone is made by a thread of its own,
 * which lives as long as the container.
 */
#ifndef USERNS_KEEPER_H
#define USERNS_KEEPER_H

#include <stdbool.h>
#include <stdint.h>

struct keeper;

/* Has the calling process other threads?  When in doubt, yes. */
bool userns_has_threads(void);

/* Runs run(arg) in a new thread, and returns when run has: the keeper, or NULL
   with errno and nothing run.  Until it is let go, *mark is a futex that the
   thread holds: FUTEX_OWNER_DIED there says that it ends. */
struct keeper *userns_keeper_start(void (*run)(void *), void *arg,
                                   uint32_t *mark);

/* Lets go of the keeper: its thread ends as soon as the process that pidfd is
   open on has, or at once when that is -1 or cannot be duplicated: then -1 with
   errno. */
int userns_keeper_leave(struct keeper *keeper, int pidfd);

#endif
