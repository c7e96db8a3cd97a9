/* The parent's half of a launch, without Lua. */
#ifndef USERNS_LAUNCH_H
#define USERNS_LAUNCH_H

#include <stddef.h>

#include "step.h"

struct keeper;

/* Everything that one launch holds; userns_launch_end gives it back. */
struct launch {
    void *memory; /* arena, control words, the child's stack */
    size_t size;
    struct arena *arena;
    struct control *control;
    struct child *child;
    char *stack;
    struct image *image; /* NULL: the child shares the host's memory */
    struct keeper *keeper;
    int host;        /* pidfd of this process */
    int executable;  /* of the separate image */
    int arena_fd;    /* the arena in a sealed memory file */
    int control_fd;  /* the control words in another */
    int image_pidfd; /* of the process that runs the executable */
    int pidfd;       /* of the child */
    int hand[2];     /* sockets: this end, and the child's */
    int handed[HAND_COUNT];
    int pid;
    int status; /* of a child that did not get as far as its program */
    struct report failure;
    int owner;    /* process whose child it is */
    bool running; /* there may be a child without a program */
    bool init;    /* one that stays as process 1 */

    /* Does a parent's step that needs Lua, which may open a descriptor for the
       child; not 0: it failed, and says why itself. */
    int (*call)(struct launch *l, uint32_t step, int *ret_fd);
    void *context;
};

/* Nothing is open, nothing mapped. */
void userns_launch_init(struct launch *l);

/* Copies the program's arena and maps what the launch needs; -1 with errno. */
int userns_launch_begin(struct launch *l, const struct arena *program);

/* Creates the child and goes through the parent's steps until the program is
   executed: 0.  Else -1, with the failure filled in, and no child left. */
int userns_launch_run(struct launch *l);

/* Is the plan one for prepare? */
bool userns_is_prepared(const struct arena *program);

/* Has a child made that is to wait for its program; as run, but without waiting
   for anything. */
int userns_launch_prepare(struct launch *l);

/* Goes through the parent's steps up to where a prepared child goes on alone;
   of what the launch holds, nothing stays that only the set-up needs.  As run.
 */
int userns_launch_lead(struct launch *l);

/* Waits until a prepared child waits: 0.  Else as run. */
int userns_launch_meet(struct launch *l);

/* After a prepared child has been given its program: as run. */
int userns_launch_finish(struct launch *l);

/* Gives back everything but what has been taken out of pidfd, handed and
   control; a prepared child ends.  Accepts what begin left half done. */
void userns_launch_end(struct launch *l);

/* For who has taken the control words: NULL is none. */
void userns_unmap_control(struct control *control);

#endif
