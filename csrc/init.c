/*
 * userns-init: the small executable that makes a child outside the host's
 * memory.  Started with nothing but descriptors: argv names the memory files of
 * the arena and of the control words.  Freestanding, so that it is all there is
 * to start and, for a container, all there is to find.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <linux/errno.h>
#include <linux/futex.h>
#include <linux/mman.h>
#include <stddef.h>

#include "raw.h"
#include "step.h"

/* What the compiler may call without being asked. */
void *memset(void *data, int byte, size_t size);
void *memcpy(void *restrict to, const void *restrict from, size_t size);
size_t strlen(const char *string);

void *memset(void *data, int byte, size_t size)
{
    for (char *p = data; size > 0; size--)
        *p++ = (char)byte;
    return data;
}

void *memcpy(void *restrict to, const void *restrict from, size_t size)
{
    char *p = to;
    for (const char *q = from; size > 0; size--)
        *p++ = *q++;
    return to;
}

size_t strlen(const char *string)
{
    const char *end = string;
    while (*end != '\0')
        end++;
    return (size_t)(end - string);
}

static int number(const char *digits)
{
    int value = 0;
    while (*digits >= '0' && *digits <= '9')
        value = value * 10 + *digits++ - '0';
    return value;
}

_Noreturn static void leave(int status)
{
    for (;;)
        raw_syscall(SYS_exit_group, status, 0, 0, 0, 0, 0);
}

/* What cannot be reported yet is told with the exit status. */
static void *map_at(void *place, int fd, size_t size, int flags)
{
    long memory = raw_syscall(SYS_mmap, (long)place, (long)size,
                              PROT_READ | PROT_WRITE, flags, fd, 0);
    if (memory < 0 && memory > -4096)
        leave((int)-memory);
    return (void *)(uintptr_t)memory;
}

static void *map(int fd, size_t size, int flags)
{
    return map_at(NULL, fd, size, flags);
}

/* At once with its pages: a fault each would cost more. */
static void *map_file(int fd, int flags)
{
    long size = raw_syscall(SYS_lseek, fd, 0, 2 /* SEEK_END */, 0, 0, 0);
    return map(fd, (size_t)size, flags | MAP_POPULATE);
}

static struct arena *map_arena(int fd)
{
    struct arena *arena = map_file(fd, MAP_PRIVATE);
    size_t size = arena->size, room = arena_room(arena);
    if (room == size)
        return arena;
    raw_syscall(SYS_munmap, (long)arena, (long)size, 0, 0, 0, 0);
    return map_at(map(-1, room, MAP_PRIVATE | MAP_ANONYMOUS), fd, size,
                  MAP_PRIVATE | MAP_FIXED);
}

static const union any_step *find(const struct arena *arena, enum op op)
{
    const union any_step *s =
        (const void *)((const char *)arena + arena->steps);
    for (uint32_t i = 0; i < arena->count; i++)
        if (s[i].step.op == op)
            return &s[i];
    return NULL;
}

/* A directory of the host's: not for the child to have. */
static void drop_cgroup(struct arena *arena)
{
    int32_t *kept = (void *)((char *)arena + arena->kept);
    uint32_t count = 0;
    for (uint32_t i = 0; i < arena->kept_count; i++)
        if (kept[i] != arena->cgroup)
            kept[count++] = kept[i];
    arena->kept_count = count;
}

/* The kernel has noted the child's number before the child runs. */
static void run(void *child)
{
    const struct control *control = ((struct child *)child)->control;
    drop_cgroup(((struct child *)child)->arena);
    raw_syscall(SYS_futex, (long)&control->pid, FUTEX_WAKE, 1, 0, 0, 0);
    userns_run_child(child);
}

/* Only who is alone in its memory may enter a user or a time namespace
   (unshare(2), setns(2)). */
static uint64_t sharing(const struct arena *arena)
{
    const union any_step *join = find(arena, OP_join);
    bool alone = find(arena, OP_lock_mounts) != NULL ||
                 find(arena, OP_time) != NULL ||
                 (join != NULL && (join->join.namespaces & CLONE_NEWTIME) != 0);
    return alone ? 0 : CLONE_VM;
}

/* Who stays as process 1 and who waits prepared get the memory to themselves.
 */
static bool stays(const struct arena *arena)
{
    return find(arena, OP_init) != NULL || find(arena, OP_ready) != NULL;
}

/* The child becomes the host's (CLONE_PARENT).  One that is to execute the
   program at once has this process sleep until it has, or has ended
   (CLONE_VFORK), and only then give up the memory that they share: the kernel
   clears no tid otherwise. */
static long create(struct child *child)
{
    const struct step_clone *s = &find(child->arena, OP_clone)->clone;
    struct clone_args args = {
        .flags = sharing(child->arena) | CLONE_PARENT | CLONE_PARENT_SETTID |
                 s->namespaces,
        .parent_tid = (uintptr_t)&child->control->pid,
        .child_tid = (uintptr_t)&child->control->tid,
        .stack = (uintptr_t)child->stack,
        .stack_size = STACK_SIZE,
    };
    if (!stays(child->arena))
        args.flags |= CLONE_VFORK | CLONE_CHILD_CLEARTID;
    return raw_clone_into(child->arena->cgroup, &args, run, child);
}

/* /proc/1/cmdline is for everybody to read. */
static int take_number(char *digits)
{
    int value = number(digits);
    memset(digits, 0, strlen(digits));
    return value;
}

_Noreturn void userns_main(char **argv);

_Noreturn void userns_main(char **argv)
{
    struct child child = {.terminal = -1, .root = -1, .empty = -1};
    child.arena = map_arena(take_number(argv[1]));
    child.control = map_file(take_number(argv[2]), MAP_SHARED);
    child.stack = map(-1, STACK_SIZE, MAP_PRIVATE | MAP_ANONYMOUS);
    userns_run_until_clone(&child);
    long pid = create(&child);
    if (pid >= 0 && !stays(child.arena))
        userns_clear_tid(child.control);
    if (pid >= 0)
        leave(0);
    child.syscall = SYS_clone3;
    userns_give_up(&child, find(child.arena, OP_clone)->step.number, pid);
}

/* The kernel starts a program with argc and argv on the stack. */
#if defined(__x86_64__)
__asm__(".globl _start\n"
        "_start:\n"
        "\txor %ebp, %ebp\n"
        "\tlea 8(%rsp), %rdi\n"
        "\tand $-16, %rsp\n"
        "\tcall userns_main\n"
        "\thlt\n");
#elif defined(__aarch64__)
__asm__(".globl _start\n"
        "_start:\n"
        "\tmov x29, #0\n"
        "\tadd x0, sp, #8\n"
        "\tbl userns_main\n"
        "\tbrk #0\n");
#endif
