#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "keeper.h"
#include "raw.h"

/* Enough for run, which has little on its stack. */
#define STACK_SIZE (65536 + (size_t)PTHREAD_STACK_MIN)

struct keeper {
    void (*run)(void *);
    void *arg;
    sem_t done; /* run has returned */
    sem_t left; /* pidfd says what to wait for */
    int pidfd;
    uint32_t *mark;
    struct robust_list_head
        held;                 /* by the thread: the mark, until it is let go */
    struct robust_list entry; /* stands for the mark */
};

bool userns_has_threads(void)
{
    struct stat tasks;
    /* "." and "..", and a directory for each thread. */
    return stat("/proc/self/task", &tasks) != 0 || tasks.st_nlink != 3;
}

static void wait_for(sem_t *sem)
{
    while (sem_wait(sem) != 0 && errno == EINTR) {
    }
}

/* What a thread holds in its list of robust futexes the kernel marks as soon as
   it ends, before anybody else hears of that.  libc's list is of no use to this
   thread: it locks nothing. */
static void hold_mark(struct keeper *keeper)
{
    keeper->entry.next = &keeper->held.list;
    keeper->held = (struct robust_list_head){
        .list = {&keeper->entry},
        .futex_offset =
            (long)((uintptr_t)keeper->mark - (uintptr_t)&keeper->entry),
    };
    *keeper->mark = (uint32_t)raw_syscall(SYS_gettid, 0, 0, 0, 0, 0, 0);
    raw_syscall(SYS_set_robust_list, (long)&keeper->held, sizeof keeper->held,
                0, 0, 0, 0);
}

static void drop_list(struct keeper *keeper)
{
    raw_syscall(SYS_set_robust_list, 0, sizeof keeper->held, 0, 0, 0, 0);
}

static void *keep(void *arg)
{
    struct keeper *keeper = arg;
    hold_mark(keeper);
    keeper->run(keeper->arg);
    sem_post(&keeper->done);
    wait_for(&keeper->left);
    if (keeper->pidfd >= 0) {
        struct pollfd child = {keeper->pidfd, POLLIN, 0};
        while (poll(&child, 1, -1) < 0 && errno == EINTR) {
        }
        close(keeper->pidfd);
    }
    drop_list(keeper);
    sem_destroy(&keeper->done);
    sem_destroy(&keeper->left);
    free(keeper);
    return NULL;
}

/* libc refuses a stack that does not hold all thread-local variables of the
   host; its own default does. */
static int start_thread(struct keeper *keeper)
{
    pthread_attr_t attr;
    pthread_t thread;
    size_t usual;
    int error = pthread_attr_init(&attr);
    if (error != 0)
        return error;
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_attr_getstacksize(&attr, &usual);
    pthread_attr_setstacksize(&attr, STACK_SIZE);
    error = pthread_create(&thread, &attr, keep, keeper);
    if (error == EINVAL) {
        pthread_attr_setstacksize(&attr, usual);
        error = pthread_create(&thread, &attr, keep, keeper);
    }
    pthread_attr_destroy(&attr);
    return error;
}

/* The host's handlers are not for the keeper to run.  The signals that libc
   keeps to itself stay open, and must: setuid(3) waits until every thread has
   answered one, holding what pthread_create(3) waits for. */
static int start_quietly(struct keeper *keeper)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = start_thread(keeper);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error;
}

struct keeper *userns_keeper_start(void (*run)(void *), void *arg,
                                   uint32_t *mark)
{
    struct keeper *keeper = malloc(sizeof *keeper);
    if (keeper == NULL)
        return NULL;
    *keeper =
        (struct keeper){.run = run, .arg = arg, .pidfd = -1, .mark = mark};
    sem_init(&keeper->done, 0, 0);
    sem_init(&keeper->left, 0, 0);
    int error = start_quietly(keeper);
    if (error != 0) {
        free(keeper);
        errno = error;
        return NULL;
    }
    wait_for(&keeper->done);
    return keeper;
}

int userns_keeper_leave(struct keeper *keeper, int pidfd)
{
    int own = pidfd < 0 ? -1 : fcntl(pidfd, F_DUPFD_CLOEXEC, 3);
    int errnum = errno;
    keeper->pidfd = own;
    /* the mark's memory is soon another's */
    __atomic_store_n(&keeper->held.list.next, &keeper->held.list,
                     __ATOMIC_SEQ_CST);
    sem_post(&keeper->left);
    errno = errnum;
    return own < 0 && pidfd >= 0 ? -1 : 0;
}
