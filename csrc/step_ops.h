/*
 * What the files of the child's half have in common: raw system calls that are
 * noted for the report, and the operands in the arena.  See step.c for what a
 * child may do.
 */
#ifndef USERNS_STEP_OPS_H
#define USERNS_STEP_OPS_H

#include <stddef.h>
#include <sys/stat.h>

#include "raw.h"
#include "step.h"

/* Makes a system call and notes which, for the report. */
#define CALL(c, name, ...) CALL6(c, SYS_##name, __VA_ARGS__, 0, 0, 0, 0, 0)
#define CALL6(c, nr, a1, a2, a3, a4, a5, a6, ...)                              \
    ((c)->syscall = (nr),                                                      \
     raw_syscall((nr), (long)(a1), (long)(a2), (long)(a3), (long)(a4),         \
                 (long)(a5), (long)(a6)))

#define MNT_DETACH 2 /* of umount2(2), which no header of the kernel's has */

/* The kernel's struct rlimit64, whose header does not go with libc's. */
struct limit {
    uint64_t soft;
    uint64_t hard;
};

static inline void shut(long fd)
{
    if (fd >= 0)
        raw_syscall(SYS_close, fd, 0, 0, 0, 0, 0);
}

/* The same for what execve would close as well, if that comes soon. */
static inline void part_with(const struct child *c, long fd)
{
    if (fd >= c->spare)
        shut(fd);
}

static inline void *in_arena(const struct child *c, at offset)
{
    return offset == 0 ? NULL : (char *)c->arena + offset;
}

static inline char *text(const struct child *c, at offset)
{
    return in_arena(c, offset);
}

static inline int32_t *slot(const struct child *c, int64_t number)
{
    return (int32_t *)in_arena(c, c->arena->slots) + number;
}

static inline uint32_t *mode_of(const struct child *c, int64_t number)
{
    return (uint32_t *)in_arena(c, c->arena->modes) + number;
}

/* The strings of a list, ended by NULL. */
char **step_strings(const struct child *c, at offset);

/* Every byte, or a refusal. */
long step_write(struct child *c, long fd, const char *data, size_t size);

/* A value into a file of the kernel's, from a directory. */
long step_write_file(struct child *c, long dir, const char *path,
                     const char *value);

/* step_signals.c: bit 0 of a set is signal 1.  Finds out which signals have no
   handler, and are not ignored either: while the host's /proc is in sight. */
#define EVERY_SIGNAL (~(uint64_t)0)
void step_look_at_signals(struct child *c);

/* Every handler gone, none ignored, and these blocked. */
long step_signals(struct child *c, uint64_t blocked);

/* Closes the descriptors from one to another. */
long step_close_range(struct child *c, unsigned first, unsigned last);

/* Closes all but those that the arena says are kept. */
long step_close_others(struct child *c);

/* Tells the host that this process waits now. */
void step_announce(struct child *c);

/* Gives the host a descriptor, which this process keeps. */
long step_hand(struct child *c, enum hand what, long fd);

/* The type and identity of what a descriptor is open on. */
long step_stat(struct child *c, long fd, struct statx *st);

/* A refusal that weakens or lacks something without ending the set-up. */
void step_excuse(struct child *c, long error);

/* A file, line by line, in a buffer that is large enough for any line of
   mountinfo: it has two paths of 4095 bytes, some of them escaped. */
struct lines {
    long fd;
    long filled;
    long next;
    char data[16384];
};

/* 1 and the next line without its end; 0 after the last; or a refusal. */
long step_next_line(struct child *c, struct lines *lines, char **ret_line);

/* What follows in a text that begins so; NULL where it does not. */
const char *step_after(const char *text, const char *beginning);

/* step_names.c: the id of a name in /etc/passwd or /etc/group, out of one of
   its line's fields; ENOENT of read(2): the file does not have it. */
enum { PASSWD_UID = 2, PASSWD_GID = 3, GROUP_GID = 2 };
long step_find_id(struct child *c, const char *path, const char *name,
                  int field, uint32_t *ret_id);

/* step_ready.c: is the program to be waited for?  Sleeps beside the one who
   does, in the same memory, until that executes or ends. */
bool step_is_prepared(const struct child *c);
void step_sleep_beside(struct child *c);

/* step_attrs.c: attributes of mounts. */
#define FD_PATH_SIZE 32
struct mount_attr;
struct mount_attr step_attr(uint64_t attrs);
long step_set_attrs(struct child *c, long fd, struct mount_attr attr,
                    bool recursive);
long step_set_attrs_early(struct child *c, long fd, struct mount_attr attr,
                          bool recursive, bool *ret_late);
void step_fd_path(char *path, long fd);

/* step_mount.c: mounts that are not attached yet, and where they go. */
long step_new_mount(struct child *c, const char *type, char **options,
                    uint64_t attrs);
long step_move_to(struct child *c, long mount, long target);
long step_attach(struct child *c, long mount, char *path, unsigned mode);
long step_attach_root(struct child *c, long fd);

/* step_path.c: paths inside the container's root. */
int64_t step_device(const struct statx *st);
long step_own(struct child *c, long fd);
long step_own_overlay(struct child *c, long fd);
bool step_is_owned(struct child *c, long fd);
long step_resolve(struct child *c, const char *path, uint64_t flags);
long step_resolve_in(struct child *c, long root, const char *path,
                     uint64_t flags);
long step_make_here(struct child *c, char *path, unsigned mode,
                    const char **ret_name);
long step_reach(struct child *c, char *path, unsigned mode, bool *ret_made);
long step_make(struct child *c, char *path, unsigned mode, bool *ret_made);
void step_remember_place(struct child *c, long fd, const char *path);
void step_forget_place(struct child *c);
long step_is_inside(struct child *c);

/* step_found.c: what a refusal is about, in the control words; none of these
   changes what is reported.  The place that a path leads to, from a root or
   AT_FDCWD; a program, and what it needs to be executed; that one of its
   candidates which the item tells or, where it tells none, the first that is
   there; what the context of a file system has to say.  The last is for a
   trial. */
void step_find_place(struct child *c, long root, const char *path);
void step_find_program(struct found *f, const char *path);
void step_find_candidate(struct child *c, char **paths);
void step_find_log(struct child *c, long fs);
long step_judge_needed(struct child *c, const char *path);

/* step_self.c: the program, and what is tried with each of its candidates; the
   one that was refused for good is the item. */
struct command {
    char **paths;
    char **argv;
    char **env;
};
typedef long step_attempt(struct child *c, const char *path,
                          const struct command *p);
long step_try_paths(struct child *c, const struct command *p,
                    step_attempt *attempt);

/* One function for each op: 0 or -errno. */
#define DECLARE_PARENT(name)
#define DECLARE_LUA(name)
#define DECLARE_CHILD(name)                                                    \
    long userns_do_##name(struct child *c, const struct step_##name *s);
#define OP(name, side, doc) DECLARE_##side(name)
#include "ops.def"

#endif
