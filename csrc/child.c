/* The making of a child: what it is given, what it becomes, what it hands over.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fd.h"
#include "keeper.h"
#include "launching.h"
#include "process.h"
#include "raw.h"
#include "signals.h"

/* A datagram for each descriptor: its byte says what it is. */
int userns_child_open_hand(struct launch *l)
{
    const union any_step *s = find(l->arena, OP_init);
    if (s == NULL)
        s = find(l->arena, OP_pty);
    if (s == NULL)
        s = find(l->arena, OP_ready);
    if (s == NULL)
        return 0;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, l->hand) != 0)
        return fail(l, s->step.number, SYS_socketpair);
    for (int i = 0; i < 2; i++)
        if (userns_lift_fd(&l->hand[i]) != 0)
            return fail(l, s->step.number, SYS_fcntl);
    return 0;
}

/* -1 where there is no (further) descriptor. */
static int receive(int socket, enum hand *ret_what)
{
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(sizeof(int))];
    } control;
    char what = HAND_COUNT;
    struct iovec data = {&what, 1};
    struct msghdr message = {.msg_iov = &data,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof control};
    int fd = -1;
    ssize_t n = recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    const struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    if (n == 1 && head != NULL && head->cmsg_type == SCM_RIGHTS)
        memcpy(&fd, CMSG_DATA(head), sizeof fd);
    *ret_what = (enum hand)what;
    return fd;
}

void userns_child_take_over(struct launch *l)
{
    enum hand what;
    int fd;
    while (l->hand[0] >= 0 && (fd = receive(l->hand[0], &what)) >= 0) {
        if (what < HAND_COUNT && l->handed[what] < 0)
            l->handed[what] = fd;
        else
            close(fd);
    }
}

/* ---- what stays open --------------------------------------------------- */

static int compare(const void *a, const void *b)
{
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

void userns_child_keep(struct launch *l, int fd)
{
    struct arena *arena = l->arena;
    int32_t *kept = (int32_t *)(void *)((char *)arena + arena->kept);
    for (uint32_t i = 0; i < arena->kept_count; i++)
        if (kept[i] == fd)
            return;
    kept[arena->kept_count++] = fd;
    qsort(kept, arena->kept_count, sizeof *kept, compare);
}

/* What has a closed stream's number by the time the child looks is not meant
   for the child. */
static void keep_unless(unsigned closed, struct launch *l, int fd)
{
    if (!userns_is_closed_stream(closed, fd))
        userns_child_keep(l, fd);
}

/* Who is prepared gets the program's with the program. */
static void keep_descriptors(struct launch *l)
{
    unsigned closed = userns_closed_streams();
    for (int fd = 0; fd <= 2; fd++)
        keep_unless(closed, l, fd);
    userns_child_keep(l, l->host);
    l->arena->host = l->host;
    l->arena->hand = l->hand[1];
    if (l->hand[1] >= 0)
        userns_child_keep(l, l->hand[1]);
    if (l->arena->descriptors == 0 || l->arena->late != 0)
        return;
    struct descriptors *fds =
        (struct descriptors *)(void *)((char *)l->arena +
                                       l->arena->descriptors);
    for (uint32_t i = 0; i < fds->count; i++) {
        if (fds->fd[i].from == FROM_TERMINAL)
            continue;
        if (fds->fd[i].from < 0)
            fds->fd[i].from = fds->fd[i].to;
        keep_unless(closed, l, fds->fd[i].from);
    }
}

/* ---- the separate image ------------------------------------------------ */

static int memory_file(const char *name)
{
    return userns_above_stdio(
        memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING));
}

static int fill_arena_file(struct launch *l, uint32_t step)
{
    const char *data = (const char *)l->arena;
    size_t size = l->arena->size;
    while (size > 0) {
        ssize_t n = write(l->arena_fd, data, size);
        if (n < 0)
            return fail(l, step, SYS_write);
        data += n;
        size -= (size_t)n;
    }
    if (fcntl(l->arena_fd, F_ADD_SEALS,
              F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
        return fail(l, step, SYS_fcntl);
    return 0;
}

static int share_control(struct launch *l, uint32_t step)
{
    if (ftruncate(l->control_fd, sizeof *l->control) != 0)
        return fail(l, step, SYS_ftruncate);
    void *control = mmap(NULL, sizeof *l->control, PROT_READ | PROT_WRITE,
                         MAP_SHARED | MAP_POPULATE, l->control_fd, 0);
    if (control == MAP_FAILED)
        return fail(l, step, SYS_mmap);
    l->control = control;
    return 0;
}

static int fill_files(struct launch *l, uint32_t step)
{
    bool held = userns_hold_xfsz();
    int result = fill_arena_file(l, step);
    if (result == 0)
        result = share_control(l, step);
    userns_drop_xfsz(held);
    return result;
}

static int prepare_image(struct launch *l, const struct step_image *s)
{
    struct head *head = l->head;
    uint32_t step = s->step.number;
    l->executable =
        userns_above_stdio(open(text(l, s->path), O_PATH | O_CLOEXEC));
    if (l->executable < 0)
        return fail(l, step, SYS_openat);
    l->arena_fd = memory_file("userns-plan");
    l->control_fd = memory_file("userns-control");
    if (l->arena_fd < 0 || l->control_fd < 0)
        return fail(l, step, SYS_memfd_create);
    if (fill_files(l, step) != 0)
        return -1;
    if (l->arena->cgroup >= 0)
        userns_child_keep(l, l->arena->cgroup);
    userns_child_keep(l, l->executable);
    userns_child_keep(l, l->arena_fd);
    userns_child_keep(l, l->control_fd);
    (void)snprintf(head->numbers[0], sizeof head->numbers[0], "%d",
                   l->arena_fd);
    (void)snprintf(head->numbers[1], sizeof head->numbers[1], "%d",
                   l->control_fd);
    head->argv[0] = (char *)(uintptr_t) "userns-init";
    head->argv[1] = head->numbers[0];
    head->argv[2] = head->numbers[1];
    l->image = &head->image;
    *l->image = (struct image){l->child, l->executable, step, head->argv};
    return 0;
}

/* ---- cloning ----------------------------------------------------------- */

struct cloning {
    struct launch *launch;
    uint64_t namespaces;
    long result;
};

static void clone_child(void *arg)
{
    struct cloning *cloning = arg;
    struct launch *l = cloning->launch;
    int *pidfd = l->image != NULL ? &l->image_pidfd : &l->pidfd;
    struct clone_args args = {
        .flags = CLONE_VM | CLONE_FILES | CLONE_PIDFD,
        .pidfd = (uintptr_t)pidfd,
        .exit_signal = SIGCHLD,
        .stack = (uintptr_t)l->stack,
        .stack_size = STACK_SIZE,
    };
    if (l->image != NULL) {
        cloning->result = raw_clone_any(&args, userns_run_image, l->image);
        return;
    }
    args.flags |= CLONE_CHILD_CLEARTID | cloning->namespaces;
    args.child_tid = (uintptr_t)&l->control->tid;
    cloning->result =
        raw_clone_into(l->arena->cgroup, &args, userns_run_child, l->child);
}

/* No handler of the host's may run in a child that shares its memory: signals
   wait until the child has reset them, and come to the host right after.  Also
   those that libc keeps to itself, hence no call of libc's in between. */
static void clone_quietly(void *cloning)
{
    const uint64_t all = ~(uint64_t)0;
    uint64_t before;
    raw_syscall(SYS_rt_sigprocmask, SIG_SETMASK, (long)&all, (long)&before, 8,
                0, 0);
    clone_child(cloning);
    raw_syscall(SYS_rt_sigprocmask, SIG_SETMASK, (long)&before, 0, 8, 0, 0);
}

static int make_child(struct launch *l, struct cloning *cloning)
{
    if (find(l->arena, OP_pdeathsig) == NULL || !userns_has_threads()) {
        clone_quietly(cloning);
    } else {
        l->keeper =
            userns_keeper_start(clone_quietly, cloning, &l->control->keeper);
        if (l->keeper == NULL)
            cloning->result = -errno;
    }
    return cloning->result < 0 ? -1 : 0;
}

static int create(struct launch *l)
{
    const union any_step *s = find(l->arena, OP_clone);
    struct cloning cloning = {l, s->clone.namespaces, 0};
    *l->child = (struct child){.arena = l->arena,
                               .control = l->control,
                               .terminal = -1,
                               .root = -1,
                               .empty = -1};
    l->control->tid = 1;
    if (make_child(l, &cloning) != 0) {
        errno = (int)-cloning.result;
        return fail(l, s->step.number, SYS_clone3);
    }
    if (l->image == NULL)
        l->pid = (int)cloning.result;
    if (userns_lift_fd(l->image != NULL ? &l->image_pidfd : &l->pidfd) != 0)
        return fail(l, s->step.number, SYS_fcntl);
    return 0;
}

int userns_child_create(struct launch *l)
{
    const union any_step *s = find(l->arena, OP_image);
    keep_descriptors(l);
    if (s != NULL && prepare_image(l, &s->image) != 0)
        return -1;
    return create(l);
}
