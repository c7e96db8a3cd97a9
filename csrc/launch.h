/* The parent's half of a launch, without Lua. */
#ifndef USERNS_LAUNCH_H
#define USERNS_LAUNCH_H

#include <stddef.h>

#include "step.h"

struct head;
struct keeper;

/* Memory for a launch - the child's stack, control words, the arena - which the
   next one of the same program has again: mapping it and touching it the first
   time costs more than all that is done in it. */
struct room {
    void *memory; /* NULL: none yet, or a launch has it */
    size_t size;
};

void userns_free_room(struct room *room);

/* Everything that one launch holds; userns_launch_end gives it back. */
struct launch {
    struct room room;
    struct room
        *home; /* for who does not know whether it is there still: NULL */
    struct head *head; /* in the room, as are the next four */
    struct arena *arena;
    struct control *control; /* or, of a separate image, in a file */
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
    int owner;        /* process whose child it is */
    bool running;     /* there may be a child without a program */
    bool init;        /* one that stays as process 1 */
    bool lingers;     /* run may return as late as the program has ended */
    int interrupt;    /* or, where it is not -1, this is readable */
    bool ended;       /* it has, and the other is not */
    int64_t deadline; /* nanoseconds of the monotonic clock; 0: never */

    /* Does a parent's step that needs Lua, which may open a descriptor for the
       child; not 0: it failed, and says why itself. */
    int (*call)(struct launch *l, uint32_t step, int *ret_fd);
    void *context;
};

/* Nothing is open, nothing mapped. */
void userns_launch_init(struct launch *l);

/* Copies the program's arena into the room it finds at home, or else a new one,
   which goes there in the end; NULL: nowhere.  -1 with errno. */
int userns_launch_begin(struct launch *l, const struct arena *program,
                        struct room *home);

/* The set-up may take so many nanoseconds from now. */
void userns_launch_within(struct launch *l, int64_t nanoseconds);

/* For who would wait for the program's end, or this descriptor (or -1) to be
   readable, and nothing else: run may return only then. */
void userns_launch_linger(struct launch *l, int fd);

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
