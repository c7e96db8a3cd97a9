/* What the two halves of a launch share: launch.c leads the parent through its
   steps, child.c makes the child. */
#ifndef USERNS_LAUNCHING_H
#define USERNS_LAUNCHING_H

#include <errno.h>

#include "launch.h"

/* What the memory of a launch holds before the arena. */
struct head {
    struct control control;
    struct child child;
    struct image image;
    char numbers[2][12];
    char *argv[4];
};

static inline union any_step *steps(const struct arena *arena)
{
    return (union any_step *)(void *)((char *)(uintptr_t)arena + arena->steps);
}

static inline const union any_step *find(const struct arena *arena, enum op op)
{
    uint32_t number = arena->first[op];
    return number == 0 ? NULL : &steps(arena)[number - 1];
}

static inline const char *text(const struct launch *l, at offset)
{
    return (const char *)l->arena + offset;
}

#define NO_SYSCALL (-1) /* 0 is one: read(2) */

/* Notes a failure of this side, from errno. */
static inline int fail(struct launch *l, uint32_t step, long syscall)
{
    l->failure = (struct report){step, errno, (uint32_t)syscall, 0};
    return -1;
}

/* The socket through which the child hands over what it makes, if it makes
   any. */
int userns_child_open_hand(struct launch *l);

/* Takes everything that was handed over before the program was executed. */
void userns_child_take_over(struct launch *l);

/* Has a descriptor stay open in the child. */
void userns_child_keep(struct launch *l, int fd);

/* Creates the child or, of a separate image, who creates it. */
int userns_child_create(struct launch *l);

#endif
