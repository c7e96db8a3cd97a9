/* A terminal for the program: made inside, its other side for the host. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <asm/ioctls.h>
#include <asm/termbits.h>
#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/openat2.h>

#include "step_ops.h"

/* Whatever lies at a path is not waited for, and no terminal but this kind will
   do: /dev/ptmx is 5:2 everywhere. */
static long open_master(struct child *c, const char *path)
{
    struct open_how how = {
        .flags = O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC,
        .resolve = RESOLVE_NO_MAGICLINKS,
    };
    struct statx st;
    long fd = CALL(c, openat2, AT_FDCWD, path, &how, sizeof how);
    if (fd < 0)
        return fd;
    long error =
        CALL(c, statx, fd, "", AT_EMPTY_PATH, STATX_TYPE | STATX_INO, &st);
    if (error == 0 && ((st.stx_mode & S_IFMT) != S_IFCHR ||
                       st.stx_rdev_major != 5 || st.stx_rdev_minor != 2))
        error = -ENODEV;
    if (error == 0)
        error = CALL(c, fcntl, fd, F_SETFL, O_RDWR);
    if (error == 0)
        return fd;
    shut(fd);
    return error;
}

/* The slave by its master: no path of the container's has a say. */
static long open_slave(struct child *c, long master, const struct step_pty *s,
                       int64_t uid)
{
    struct winsize {
        uint16_t rows, cols, unused[2];
    } size = {(uint16_t)s->rows, (uint16_t)s->cols, {0, 0}};
    int unlocked = 0;
    long error = CALL(c, ioctl, master, TIOCSPTLCK, &unlocked);
    if (error == 0)
        error = CALL(c, ioctl, master, TIOCSWINSZ, &size);
    if (error != 0)
        return error;
    long slave =
        CALL(c, ioctl, master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (slave < 0 || uid < 0)
        return slave;
    error = CALL(c, fchownat, slave, "", uid, -1, AT_EMPTY_PATH);
    if (error == 0)
        return slave;
    shut(slave);
    return error;
}

/* The master; the slave is given to uid, or else is who opens it. */
static long open_pair(struct child *c, const struct step_pty *s, int64_t uid,
                      long *ret_slave)
{
    long master = open_master(c, text(c, s->path));
    if (master < 0)
        return master;
    *ret_slave = open_slave(c, master, s, uid);
    if (*ret_slave >= 0)
        return master;
    shut(master);
    return *ret_slave;
}

/* A group that is nobody here, as the host's "tty" on its terminals, keeps even
   root from giving them away. */
static long open_pair_as(struct child *c, const struct step_pty *s,
                         long *ret_slave)
{
    long before = CALL(c, setfsuid, s->uid);
    long master = open_pair(c, s, -1, ret_slave);
    uint32_t noted = c->syscall;
    bool was_set = CALL(c, setfsuid, before) == s->uid;
    if (was_set || master < 0) {
        c->syscall = noted;
        return master;
    }
    shut(*ret_slave);
    shut(master);
    return -EPERM;
}

long userns_do_pty(struct child *c, const struct step_pty *s)
{
    long slave = -1;
    long master = open_pair(c, s, s->uid, &slave);
    if (master == -EPERM && s->uid >= 0)
        master = open_pair_as(c, s, &slave);
    if (master < 0)
        return master;
    long error = step_hand(c, HAND_TERMINAL, master);
    shut(master);
    c->terminal = (int)slave;
    return error;
}

long userns_do_terminal(struct child *c, const struct step_terminal *s)
{
    struct descriptors *fds = in_arena(c, c->arena->descriptors);
    (void)s;
    for (uint32_t i = 0; i < fds->count; i++)
        if (fds->fd[i].from == FROM_TERMINAL)
            fds->fd[i].from = c->terminal;
    return CALL(c, ioctl, c->terminal, TIOCSCTTY, 0);
}
