#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fd.h"
#include "keeper.h"
#include "launching.h"
#include "proc.h"
#include "process.h"
#include "raw.h"

#define GUARD_SIZE 65536 /* as large as the largest page */

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

/* Of the stack, what every child uses. */
#define STACK_USUAL 8192

static size_t round_up(size_t size, size_t unit)
{
    return (size + unit - 1) / unit * unit;
}

void userns_launch_init(struct launch *l)
{
    *l = (struct launch){.host = -1,
                         .executable = -1,
                         .arena_fd = -1,
                         .control_fd = -1,
                         .image_pidfd = -1,
                         .pidfd = -1,
                         .interrupt = -1,
                         .hand = {-1, -1}};
    for (int what = 0; what < HAND_COUNT; what++)
        l->handed[what] = -1;
}

/* Below the stack lies the guard; above it, at once, what is copied in: that
   and the stack's upper end are sure to be touched, here and by the child. */
static int map_room(struct room *room, size_t data)
{
    size_t stack = GUARD_SIZE + STACK_SIZE;
    char *memory = mmap(NULL, stack + data, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return -1;
    *room = (struct room){memory, stack + data};
    (void)madvise(memory + stack - STACK_USUAL, STACK_USUAL + data,
                  MADV_POPULATE_WRITE);
    return mprotect(memory, GUARD_SIZE, PROT_NONE);
}

void userns_free_room(struct room *room)
{
    if (room->memory != NULL)
        munmap(room->memory, room->size);
    *room = (struct room){NULL, 0};
}

int userns_launch_begin(struct launch *l, const struct arena *program,
                        struct room *home)
{
    size_t front = round_up(sizeof(struct head), 64);
    l->home = home;
    if (home != NULL) {
        l->room = *home;
        *home = (struct room){NULL, 0};
    }
    if (l->room.memory == NULL &&
        map_room(&l->room, front + program->size) != 0)
        return -1;
    char *memory = l->room.memory;
    struct head *head = (void *)(memory + GUARD_SIZE + STACK_SIZE);
    l->arena = (struct arena *)(void *)((char *)head + front);
    l->head = head;
    l->control = &head->control;
    l->child = &head->child;
    l->stack = memory + GUARD_SIZE;
    head->control = (struct control){0};
    memcpy(l->arena, program, program->size);
    return 0;
}

/* ---- waiting ----------------------------------------------------------- */

static bool has_ended(int pidfd)
{
    struct pollfd fd = {pidfd, POLLIN, 0};
    return pidfd >= 0 && poll(&fd, 1, 0) == 1;
}

/* Process 1 tells how its program ended, if it is given the time. */
static void let_end(int pidfd)
{
    struct pollfd fd = {pidfd, POLLIN, 0};
    (void)poll(&fd, 1, 1000);
}

static int64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * INT64_C(1000000000) + time.tv_nsec;
}

void userns_launch_within(struct launch *l, int64_t nanoseconds)
{
    l->deadline = now() + nanoseconds;
}

void userns_launch_linger(struct launch *l, int fd)
{
    l->lingers = true;
    l->interrupt = fd;
}

static bool is_late(const struct launch *l)
{
    return l->deadline != 0 && now() >= l->deadline;
}

/* The child will not come to where it is waited for, if it has begun at all. */
static int miss(struct launch *l)
{
    uint32_t step = l->control->step;
    if (step == 0)
        step = find(l->arena, OP_clone)->step.number;
    l->failure = (struct report){.step = step};
    if (!is_late(l))
        return -1;
    errno = ETIMEDOUT;
    return fail(l, step, NO_SYSCALL);
}

/* Sleeps while *word is value, but no longer than it takes to notice that a
   process on the way has ended, or that it takes too long. */
static void sleep_while(uint32_t *word, uint32_t value)
{
    const struct timespec nap = {0, 50000000};
    raw_syscall(SYS_futex, (long)word, FUTEX_WAIT, value, (long)&nap, 0, 0);
}

static uint32_t load(const uint32_t *word)
{
    return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

/* The child's number, when the executable has made it; 0 if it could not. */
static int await_pid(struct launch *l)
{
    uint32_t *pid = (uint32_t *)(void *)&l->control->pid;
    while (load(pid) == 0 && !has_ended(l->image_pidfd) && !is_late(l))
        sleep_while(pid, 0);
    return (int)load(pid);
}

static bool has_tid(const struct control *control)
{
    return (load(&control->tid) & FUTEX_TID_MASK) != 0;
}

/* Until the child's tid is cleared: at execve as at exit.  The kernel does so
   as long as somebody shares the child's memory, or else the executable, which
   outlives both; hence the second look. */
static bool is_over(const struct launch *l)
{
    int witness = l->image_pidfd >= 0 ? l->image_pidfd : l->pidfd;
    return !has_tid(l->control) || has_ended(witness);
}

/* This thread need not be woken for the program's execution, which would have
   it sleep again at once. */
static void linger(struct launch *l)
{
    struct pollfd fds[] = {{l->pidfd, POLLIN, 0}, {l->interrupt, POLLIN, 0}};
    if (!l->lingers || l->image != NULL || l->hand[0] >= 0 || l->deadline != 0)
        return;
    l->ended = poll(fds, 2, -1) > 0 && fds[1].revents == 0;
}

static void await_end(struct launch *l)
{
    linger(l);
    while (has_tid(l->control)) {
        sleep_while(&l->control->tid, load(&l->control->tid));
        if (is_over(l) || is_late(l))
            break;
    }
}

/* Until the child has come to its next wait; -1 if it has ended instead. */
static int meet(struct launch *l)
{
    uint32_t *awaited = &l->control->awaited;
    uint32_t passed = l->control->released, seen;
    while ((seen = load(awaited)) <= passed && !is_over(l) && !is_late(l))
        sleep_while(awaited, seen);
    return load(awaited) > passed ? 0 : miss(l);
}

/* ---- the parent's steps ------------------------------------------------ */

static int write_proc(struct launch *l, const struct step *s, const char *file,
                      const char *content)
{
    char path[64];
    size_t length = strlen(content);
    if (userns_check_proc() != 0)
        return fail(l, s->number, SYS_readlinkat);
    (void)snprintf(path, sizeof path, "/proc/%d/%s", l->pid, file);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return fail(l, s->number, SYS_openat);
    ssize_t n = write(fd, content, length);
    int errnum = n >= 0 ? EIO : errno;
    close(fd);
    errno = errnum;
    return n == (ssize_t)length ? 0 : fail(l, s->number, SYS_write);
}

static int raise_limit(struct launch *l, const struct step_raise_limit *s)
{
    const uint64_t limit[] = {(uint64_t)s->hard, (uint64_t)s->hard};
    long error = raw_syscall(SYS_prlimit64, l->pid, (long)s->resource,
                             (long)limit, 0, 0, 0);
    errno = (int)-error;
    return error == 0 ? 0 : fail(l, s->step.number, SYS_prlimit64);
}

static int release(struct launch *l)
{
    uint32_t *released = &l->control->released;
    __atomic_add_fetch(released, 1, __ATOMIC_RELEASE);
    raw_syscall(SYS_futex, (long)released, FUTEX_WAKE, 1, 0, 0, 0);
    return 0;
}

static int run_parent_step(struct launch *l, const union any_step *s)
{
    switch ((enum op)s->step.op) {
    case OP_setgroups:
        return write_proc(l, &s->step, "setgroups",
                          text(l, s->setgroups.value));
    case OP_uid_map:
        return write_proc(l, &s->step, "uid_map", text(l, s->uid_map.map));
    case OP_gid_map:
        return write_proc(l, &s->step, "gid_map", text(l, s->gid_map.map));
    case OP_meet:
        return meet(l);
    case OP_raise_limit:
        return raise_limit(l, &s->raise_limit);
    case OP_release:
        return release(l);
    default:
        return 0; /* image and clone came first */
    }
}

/* The slot of what Lua opens for the child, before there is one. */
static int64_t taken_slot(const union any_step *s)
{
    switch ((enum op)s->step.op) {
    case OP_idmap:
        return s->idmap.slot;
    case OP_take:
        return s->take.slot;
    case OP_namespace:
        return s->namespace.slot;
    default:
        return -1;
    }
}

static int call_lua_step(struct launch *l, const union any_step *s)
{
    int fd = -1;
    int64_t slot = taken_slot(s);
    l->failure = (struct report){.step = s->step.number};
    if (l->call(l, s->step.number, &fd) != 0)
        return -1;
    if (s->step.op == OP_cgroup && fd >= 0)
        l->arena->cgroup = fd;
    if (slot < 0)
        return 0;
    if (fd < 0) {
        errno = EBADF;
        return fail(l, s->step.number, NO_SYSCALL);
    }
    ((int32_t *)(void *)((char *)l->arena + l->arena->slots))[slot] = fd;
    userns_child_keep(l, fd);
    return 0;
}

/* The parent's steps from one of the plan's to another, which is not done. */
static int run_parent(struct launch *l, uint32_t from, uint32_t to)
{
    int result = 0;
    for (uint32_t i = from; i < to && result == 0; i++) {
        const union any_step *s = &steps(l->arena)[i];
        if (s->step.side == LUA)
            result = call_lua_step(l, s);
        else if (s->step.side == PARENT)
            result = run_parent_step(l, s);
    }
    return result;
}

/* ---- the launch -------------------------------------------------------- */

static void reap(int *pidfd, int *ret_status)
{
    if (*pidfd < 0)
        return;
    (void)userns_reap(*pidfd, ret_status);
    userns_close_fd(pidfd);
}

static void end(int *pidfd, int *ret_status)
{
    if (*pidfd >= 0)
        userns_kill(*pidfd, SIGKILL);
    reap(pidfd, ret_status);
}

/* A child that there was no descriptor for: the number is its own as long as
   its status is there to be fetched. */
static void end_by_number(pid_t pid, int *ret_status)
{
    siginfo_t info;
    if (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT | __WALL))
        return;
    kill(pid, SIGKILL);
    while (waitpid(pid, ret_status, __WALL) < 0 && errno == EINTR) {
    }
}

/* Once the executable is gone it makes no child any more. */
static void dispose(struct launch *l)
{
    int status;
    end(&l->image_pidfd, &status);
    pid_t pid = l->image != NULL ? l->control->pid : 0;
    if (l->pidfd < 0 && pid != 0)
        end_by_number(pid, &l->status);
    end(&l->pidfd, &l->status);
    if (l->control->ended)
        l->status = l->control->status;
    if (l->keeper != NULL)
        (void)userns_keeper_leave(l->keeper, -1);
    l->keeper = NULL;
    l->running = false;
}

void userns_unmap_control(struct control *control)
{
    if (control != NULL)
        munmap(control, sizeof *control);
}

/* Lets go of what only the set-up needs. */
static void shed(struct launch *l)
{
    userns_close_fd(&l->host);
    userns_close_fd(&l->executable);
    userns_close_fd(&l->arena_fd);
    userns_close_fd(&l->control_fd);
    userns_close_fd(&l->image_pidfd);
    userns_close_fd(&l->hand[1]);
    if (l->head != NULL && l->control == &l->head->control)
        l->control = NULL;
    l->head = NULL;
    if (l->home != NULL && l->home->memory == NULL) {
        *l->home = l->room;
        l->room = (struct room){NULL, 0};
    }
    userns_free_room(&l->room);
}

void userns_launch_end(struct launch *l)
{
    int errnum = errno;
    if (l->running)
        dispose(l);
    if (l->keeper != NULL)
        (void)userns_keeper_leave(l->keeper, -1);
    l->keeper = NULL;
    shed(l);
    userns_close_fd(&l->pidfd);
    userns_close_fd(&l->hand[0]);
    for (int what = 0; what < HAND_COUNT; what++)
        userns_close_fd(&l->handed[what]);
    userns_unmap_control(l->control);
    l->control = NULL;
    errno = errnum;
}

/* The executable has ended without a child.  It says why in its report or,
   where it could not map that, with its exit status. */
static int explain_image(struct launch *l)
{
    uint32_t step = find(l->arena, OP_image)->step.number;
    reap(&l->image_pidfd, &l->status);
    l->failure = (struct report){.step = step};
    if (!WIFEXITED(l->status) || WEXITSTATUS(l->status) == 0)
        return -1;
    errno = WEXITSTATUS(l->status);
    return fail(l, step, SYS_mmap);
}

/* The executable creates the child as this process's own (CLONE_PARENT). */
static int adopt(struct launch *l)
{
    if (l->image == NULL)
        return 0;
    uint32_t step = find(l->arena, OP_clone)->step.number;
    l->pid = await_pid(l);
    if (l->pid == 0)
        return has_ended(l->image_pidfd) ? explain_image(l) : miss(l);
    l->pidfd = userns_pidfd_open(l->pid);
    if (l->pidfd < 0)
        return fail(l, step, SYS_pidfd_open);
    /* It waits for no child that stays. */
    if (l->init || find(l->arena, OP_ready) != NULL)
        reap(&l->image_pidfd, &l->status);
    return 0;
}

static int finish(struct launch *l)
{
    const struct control *control = l->control;
    int status;
    await_end(l);
    if (control->report.error != 0 || control->state != EXECUTING ||
        has_tid(control)) {
        if (control->report.error == 0 && l->init)
            let_end(l->pidfd);
        return miss(l);
    }
    reap(&l->image_pidfd, &status);
    if (l->hand[0] >= 0)
        userns_child_take_over(l);
    for (int what = 0; what < HAND_COUNT; what++)
        if (l->handed[what] >= 0 && userns_lift_fd(&l->handed[what]) != 0)
            return fail(l, control->step, SYS_fcntl);
    struct keeper *keeper = l->keeper;
    l->keeper = NULL;
    if (keeper == NULL || userns_keeper_leave(keeper, l->pidfd) == 0)
        return 0;
    return fail(l, control->step, SYS_fcntl);
}

static int open_host(struct launch *l)
{
    l->host = userns_pidfd_open(l->owner);
    return l->host < 0 ? fail(l, 1, SYS_pidfd_open) : 0;
}

/* Has the child made. */
static int start(struct launch *l)
{
    uint32_t clone = find(l->arena, OP_clone)->step.number;
    l->init = find(l->arena, OP_init) != NULL;
    l->owner = getpid();
    l->running = true;
    int result = open_host(l);
    if (result == 0)
        result = userns_child_open_hand(l);
    if (result == 0)
        result = run_parent(l, 0, clone - 1);
    return result == 0 ? userns_child_create(l) : result;
}

/* Goes through the parent's steps after the clone and before this one. */
static int lead(struct launch *l, uint32_t until)
{
    uint32_t clone = find(l->arena, OP_clone)->step.number;
    int result = adopt(l);
    return result == 0 ? run_parent(l, clone, until) : result;
}

/* There is a program, or no child. */
static int conclude(struct launch *l, int result)
{
    l->running = false;
    if (result != 0) {
        dispose(l);
        /* What the child reports came first: the parent merely noticed. */
        if (l->control->report.error != 0)
            l->failure = l->control->report;
    }
    return result;
}

int userns_launch_run(struct launch *l)
{
    int result = start(l);
    if (result == 0)
        result = lead(l, l->arena->count);
    return conclude(l, result == 0 ? finish(l) : result);
}

bool userns_is_prepared(const struct arena *program)
{
    return find(program, OP_ready) != NULL && find(program, OP_image) != NULL;
}

int userns_launch_prepare(struct launch *l)
{
    int result = start(l);
    return result == 0 ? 0 : conclude(l, result);
}

int userns_launch_lead(struct launch *l)
{
    int result = lead(l, find(l->arena, OP_ready)->step.number);
    if (result != 0)
        return conclude(l, result);
    shed(l);
    return 0;
}

int userns_launch_meet(struct launch *l)
{
    return meet(l) == 0 ? 0 : conclude(l, -1);
}

int userns_launch_finish(struct launch *l)
{
    return conclude(l, finish(l));
}
