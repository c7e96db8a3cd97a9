/*
 * Process 1 of a container with init: what stays of the small executable once
 * the program runs.  It reaps, hands signals on, and ends as the program does.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <linux/errno.h>
#include <linux/mman.h>
#include <linux/prctl.h>
#include <linux/wait.h>
#include <string.h>
#include <sys/socket.h>

#include "step_ops.h"

/* More words than the frame of forget has. */
#define FRAME 64

long step_hand(struct child *c, enum hand what, long fd)
{
    char byte = (char)what;
    struct iovec data = {&byte, 1};
    int number = (int)fd;
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(sizeof number)];
    } rights = {.head = {.cmsg_len = CMSG_LEN(sizeof number),
                         .cmsg_level = SOL_SOCKET,
                         .cmsg_type = SCM_RIGHTS}};
    struct msghdr message = {
        .msg_iov = &data,
        .msg_iovlen = 1,
        .msg_control = &rights,
        .msg_controllen = sizeof rights,
    };
    memcpy(CMSG_DATA(&rights.head), &number, sizeof number);
    long sent = CALL(c, sendmsg, c->arena->hand, &message, MSG_NOSIGNAL);
    return sent < 0 ? sent : 0;
}

/* The host cannot look into process 1 as it can into the program, and knows the
   program's number only from here. */
static long hand_own(struct child *c)
{
    long self = CALL(c, pidfd_open, raw_syscall(SYS_getpid, 0, 0, 0, 0, 0, 0));
    if (self < 0)
        return self;
    long error = step_hand(c, HAND_PROGRAM, self);
    shut(self);
    return error;
}

static void run_program(void *child)
{
    struct child *c = child;
    long error = hand_own(c);
    if (error != 0)
        userns_give_up(c, c->control->step, error);
    userns_run_steps(c);
}

/* The plan goes, with the program's arguments and environment, and so does what
   earlier steps have left on this stack, below the frames in use.  Nothing is
   left but this executable and words for the host. */
__attribute__((noinline)) static void forget(struct child *c, char *stack)
{
    const char *frame = __builtin_frame_address(0);
    size_t unused = (size_t)(frame - c->stack) / sizeof(uint64_t) - FRAME;
    uint64_t *word = (uint64_t *)(void *)c->stack;
    size_t size = arena_room(c->arena);
    raw_syscall(SYS_munmap, (long)c->arena, (long)size, 0, 0, 0, 0);
    raw_syscall(SYS_munmap, (long)stack, STACK_SIZE, 0, 0, 0, 0);
    for (size_t i = 0; i < unused; i++)
        if (word[i] != 0) /* what was never touched takes no memory */
            word[i] = 0;
    step_close_range(c, 0, ~0U);
}

/* The host reads how the program ended in the words they share: process 1 can
   end by no signal of its own. */
_Noreturn static void end(struct control *control, int status)
{
    int signum = status & 0x7f;
    control->status = status;
    __atomic_store_n(&control->ended, 1, __ATOMIC_RELEASE);
    for (;;)
        raw_syscall(SYS_exit_group,
                    signum != 0 ? 128 + signum : status >> 8 & 0xff, 0, 0, 0, 0,
                    0);
}

static void reap(struct control *control, long program)
{
    int status;
    long pid;
    do {
        pid = raw_syscall(SYS_wait4, -1, (long)&status, WNOHANG, 0, 0, 0);
        if (pid == program)
            end(control, status);
    } while (pid > 0);
}

/* A signal from outside of the pid namespace has no sender here; those inside
   can reach the program themselves. */
_Noreturn static void attend(struct control *control, long program)
{
    const uint64_t every = EVERY_SIGNAL;
    for (;;) {
        siginfo_t info;
        long signum = raw_syscall(SYS_rt_sigtimedwait, (long)&every,
                                  (long)&info, 0, 8, 0, 0);
        if (signum == SIGCHLD)
            reap(control, program);
        else if (signum > 0 && info.si_pid == 0)
            raw_syscall(SYS_kill, program, signum, 0, 0, 0, 0);
    }
}

/* In a session of its own no terminal's keys reach process 1, which would hand
   them to the program a second time. */
_Noreturn static void stay(struct child *c, char *stack, long program)
{
    raw_syscall(SYS_setsid, 0, 0, 0, 0, 0, 0);
    raw_syscall(SYS_chdir, (long)"/", 0, 0, 0, 0, 0);
    forget(c, stack);
    attend(c->control, program);
}

/* The program's set-up goes on in a process that shares this one's memory until
   it executes: only then, or when it has failed, does this one run again.  Who
   sleeps for CLONE_VFORK is counted as load: not where that is for long. */
static long clone_program(struct child *c, char *stack)
{
    bool prepared = step_is_prepared(c);
    struct clone_args args = {
        .flags = CLONE_VM | CLONE_CHILD_CLEARTID |
                 (prepared ? 0 : (uint64_t)CLONE_VFORK),
        .child_tid = (uintptr_t)&c->control->tid,
        .exit_signal = SIGCHLD,
        .stack = (uintptr_t)stack,
        .stack_size = STACK_SIZE,
    };
    c->syscall = SYS_clone3;
    long program = raw_clone_any(&args, run_program, c);
    if (prepared && program >= 0)
        step_sleep_beside(c);
    return program;
}

long userns_do_init(struct child *c, const struct step_init *s)
{
    (void)s;
    long error = step_signals(c, EVERY_SIGNAL);
    if (error == 0)
        error = CALL(c, prctl, PR_SET_NAME, "userns-init");
    if (error != 0)
        return error;
    long stack = CALL(c, mmap, 0, STACK_SIZE, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (stack < 0 && stack > -4096)
        return stack;
    long program = clone_program(c, (char *)(uintptr_t)stack);
    if (program < 0)
        return program;
    stay(c, (char *)(uintptr_t)stack, program);
}
