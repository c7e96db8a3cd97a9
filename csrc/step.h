/*
 * The program that a child runs: an arena of steps, and the few words it
 * shares with the parent.  No Lua here, and nothing of libc's but types.
 */
#ifndef USERNS_STEP_H
#define USERNS_STEP_H

#include <linux/futex.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PARENT, CHILD, LUA };

enum op {
#define OP(name, side, doc) OP_##name,
#include "ops.def"
    OP_COUNT,
};

#define STACK_SIZE 65536 /* of a child */

/* Offsets from the start of the arena; 0 is "absent" (a header is there). */
typedef uint32_t at;

struct step {
    uint16_t op;
    uint16_t side;
    uint32_t number; /* in the plan as it is printed, from 1 */
};

/* Operands of variable size.  A list's strings are offsets until the executor
   makes them pointers, in place: execve wants pointers. */
struct list {
    uint32_t count;
    uint32_t ready;
    uint64_t items[];
};

struct bytes {
    uint32_t length;
    char data[];
};

struct ids {
    uint32_t count;
    uint32_t id[];
};

#define FROM_TERMINAL (-2) /* until the child has one */

/* from is -1 for "as the host has it" until launch binds it. */
struct descriptor {
    int32_t from;
    int32_t to;
};

struct descriptors {
    uint32_t count;
    struct descriptor fd[];
};

#define OP(name, side, doc)                                                    \
    struct step_##name {                                                       \
        struct step step;
#define END(name)                                                              \
    }                                                                          \
    ;
#define NUMBER(field)      int64_t field;
#define FLAG(field)        uint32_t field;
#define TEXT(field)        at field;
#define BYTES(field)       at field;
#define LIST(field)        at field;
#define IDS(field)         at field;
#define MAP(field)         at field;
#define NAMESPACES(field)  uint64_t field;
#define ATTRS(field)       uint64_t field;
#define PROPAGATION(field) uint64_t field;
#define CAPS(field)        uint64_t field;
#define SECUREBITS(field)  uint64_t field;
#define SIGNAL(field)      int64_t field;
#define LIMIT(field)       uint64_t field;
#define AMOUNT(field)      int64_t field;
#define PERSONA(field)     uint64_t field;
#define FS_RIGHTS(field)   uint64_t field;
#define NET_RIGHTS(field)  uint64_t field;
#define SCOPES(field)      uint64_t field;
#define ADDRESS(field)     at field;
#define DESCRIPTORS(field) at field;
#include "ops.def"

union any_step {
    struct step step;
#define OP(name, side, doc) struct step_##name name;
#include "ops.def"
};

#define EXCUSED 8 /* refusals that a set-up can survive and report */

/* The head of an arena. */
struct arena {
    uint32_t size;
    uint32_t count;           /* of steps */
    at steps;                 /* union any_step[count] */
    uint32_t first[OP_COUNT]; /* number of the first step of a kind; 0: none */
    at slots; /* int32_t[slot_count]: the sources that open opened */
    at modes; /* uint32_t[slot_count]: of those that it has looked at, or 0 */
    uint32_t slot_count;
    at owned; /* int64_t[]: devices of file systems of its own */
    uint32_t owned_count;
    at kept; /* int32_t[]: what stays open, ascending */
    uint32_t kept_count;
    at descriptors; /* the operand of the plan's descriptors step */
    int32_t host;   /* pidfd of the host */
    int32_t hand;   /* socket through which the host is handed descriptors */
    int32_t cgroup; /* directory of the one to clone into; -1: none */
    at late;        /* room for the program of who waits for one; 0: none */
};

/* What a child that waits gets: at most so many bytes, of an arena of its own
   with the steps descriptors and exec, and descriptors. */
#define LATE_SIZE 65536 /* a message on a socket takes more everywhere */
#define LATE_FDS  253   /* the kernel's SCM_MAX_FD */

/* The memory of an arena as a child has it. */
static inline size_t arena_room(const struct arena *arena)
{
    return arena->late == 0 ? arena->size : (size_t)arena->late + LATE_SIZE;
}

/* What went wrong: in which step, at which of its items, what said so. */
struct report {
    uint32_t step;
    int32_t error; /* a positive errno */
    uint32_t syscall;
    uint32_t item; /* from 1; 0 where the step has none */
};

enum format {
    FORMAT_UNKNOWN, /* it cannot be read */
    FORMAT_EMPTY,
    FORMAT_OTHER,
    FORMAT_SCRIPT,
    FORMAT_LONG_SCRIPT, /* the interpreter's name is not whole */
    FORMAT_ELF,
    FORMAT_COUNT,
};

/* Of a mount, in statfs(2). */
enum { MOUNT_NOEXEC = 0x8, MOUNT_NOSYMFOLLOW = 0x2000 };

/* What who was refused has found out about it afterwards. */
struct found {
    uint32_t step; /* in which it was refused; 0: nothing was looked at */

    /* a path: what is at its end or, with an error, the first part of it that
       stops whoever follows it */
    char path[4096];
    int32_t error; /* a positive errno */
    uint32_t mode; /* 0: nothing is there */
    uint32_t uid;
    uint32_t gid;
    uint64_t mount; /* flags, as statfs(2) shows them */
    uint64_t magic; /* of its file system */

    /* a program, or what that needs to be executed: the path is the last's */
    uint32_t item;      /* which candidate, from 1; 0: it is no program */
    uint32_t depth;     /* 0: the program itself */
    uint32_t needed_by; /* enum format */
    char needed[4096];  /* where it is to be, if it is not the program itself */
    char by[256];       /* what needs it, where it is not the program itself */
    int32_t access;     /* errno of access(2) */
    uint32_t format;    /* enum format */
    uint32_t bits;      /* of ELF */
    uint32_t machine;
    uint32_t elf_type;
    uint64_t caps; /* that the file must get */

    char log[512]; /* the kernel's words */
};

enum state { SETTING_UP, EXECUTING };

/* Shared by host and child until the program is executed. */
struct control {
    uint32_t tid;      /* the kernel clears it when the set-up is over, but
                          for bits beyond FUTEX_TID_MASK */
    uint32_t awaited;  /* how often the child has come to wait */
    uint32_t released; /* how often the parent has let it go on */
    uint32_t nested;   /* between lock_mounts and its helper */
    int32_t pid;       /* of the child, as the host's pid namespace has it */
    uint32_t state;    /* enum state */
    uint32_t step;     /* the one being done */
    struct report report;
    uint32_t excused_count;
    struct report excused[EXCUSED];
    struct found found;
    uint32_t ended;  /* process 1 has seen its program end */
    int32_t status;  /* how, as wait(2) has it */
    uint32_t served; /* who waits prepared has been given a program */
    uint32_t keeper; /* in a host with threads the one whose child this is: the
                        kernel marks the futex before it parts with the child */
};

/* What is handed to the host, with a byte that says what it is. */
enum hand { HAND_PROGRAM, HAND_TERMINAL, HAND_COUNT };

struct child {
    struct arena *arena;
    struct control *control;
    char *stack;      /* of the small executable's child, STACK_SIZE */
    uint32_t next;    /* index of the step to do */
    uint32_t syscall; /* the last one made */
    uint32_t item;    /* of the step's list, from 1 */
    int terminal;     /* the program's, once it is made */
    int root;         /* of the container's tree, once it is attached */
    int empty;        /* an empty read-only directory, once one is needed */
    int spare;        /* descriptors below it may be left to execve */
    uint64_t usual;   /* signals known to have no handler, nor be ignored */

    /* A directory of the container's own in which something has been made; its
       path is the beginning of a string of that length.  0: none. */
    int place;
    const char *place_path;
    size_t place_length;
    struct {
        struct robust_list_head head;
        struct robust_list tid; /* stands for the one in the control words */
    } locks;
};

/* Runs the steps of a struct child; returns only by execve and exit. */
_Noreturn void userns_run_child(void *child);

/* What comes before there is a child, in the process that makes it. */
void userns_run_until_clone(struct child *child);

/* The same from the next step on. */
_Noreturn void userns_run_steps(void *child);

/* How a shared child becomes the small executable that a descriptor is open
   on, which finds arena and control words in the memory files argv names. */
struct image {
    struct child *child;
    int executable;
    uint32_t step; /* number of the plan's image step */
    char **argv;
};

/* Runs a struct image; returns only by execveat and exit. */
_Noreturn void userns_run_image(void *image);

/* Tells the parent that the set-up is over, as the kernel does for memory that
   is shared. */
void userns_clear_tid(struct control *control);

/* Reports what this step was refused. */
void userns_report(struct child *child, uint32_t step, long error);

/* The same, and ends the set-up; for the small executable. */
_Noreturn void userns_give_up(struct child *child, uint32_t step, long error);

#endif
