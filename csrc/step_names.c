/* Names of users and groups, as the container's own files have them. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/openat2.h>

#include "step_ops.h"

static char *find_newline(struct lines *l, long from)
{
    for (long i = from; i < l->filled; i++)
        if (l->data[i] == '\n')
            return &l->data[i];
    return NULL;
}

static void drop_read(struct lines *l)
{
    for (long i = l->next; i < l->filled; i++)
        l->data[i - l->next] = l->data[i];
    l->filled -= l->next;
    l->next = 0;
}

/* A last line without an end is none; one that is too long is not passed over,
   nor what comes after it. */
long step_next_line(struct child *c, struct lines *l, char **ret_line)
{
    char *end = find_newline(l, l->next);
    while (end == NULL) {
        drop_read(l);
        long seen = l->filled;
        if (seen == (long)sizeof l->data)
            return -EOVERFLOW;
        long n =
            CALL(c, read, l->fd, l->data + seen, (long)sizeof l->data - seen);
        if (n <= 0)
            return n;
        l->filled += n;
        end = find_newline(l, seen);
    }
    *end = '\0';
    *ret_line = l->data + l->next;
    l->next = end + 1 - l->data;
    return 1;
}

const char *step_after(const char *text, const char *beginning)
{
    while (*beginning != '\0' && *text == *beginning) {
        text++;
        beginning++;
    }
    return *beginning == '\0' ? text : NULL;
}

/* The root is the container's by now; what is no file could keep us waiting. */
static long open_list(struct child *c, const char *path)
{
    struct open_how how = {
        .flags = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC,
        .resolve = RESOLVE_NO_MAGICLINKS,
    };
    struct statx st;
    long fd = CALL(c, openat2, AT_FDCWD, path, &how, sizeof how);
    long error = fd < 0 ? fd : step_stat(c, fd, &st);
    if (error == 0 && !S_ISREG(st.stx_mode))
        error = -EINVAL;
    if (error == 0)
        return fd;
    shut(fd);
    return error;
}

/* A line's first field, if it is the name. */
static bool is_of(const char *line, const char *name)
{
    const char *rest = step_after(line, name);
    return rest != NULL && *rest == ':';
}

/* A field of a line, counted from 0, as an id; -1 if it is none. */
static int64_t id_in(const char *line, int field)
{
    while (field > 0 && *line != '\0')
        field -= *line++ == ':';
    int64_t id = 0;
    const char *digit = line;
    for (; *digit >= '0' && *digit <= '9' && id < UINT32_MAX; digit++)
        id = id * 10 + (*digit - '0');
    bool whole = digit > line && (*digit == ':' || *digit == '\0');
    return whole && id < UINT32_MAX ? id : -1;
}

long step_find_id(struct child *c, const char *path, const char *name,
                  int field, uint32_t *ret_id)
{
    struct lines lines = {.fd = open_list(c, path)};
    char *line;
    if (lines.fd < 0)
        return lines.fd;
    int64_t id = -1;
    long more;
    while (id < 0 && (more = step_next_line(c, &lines, &line)) > 0)
        if (is_of(line, name))
            id = id_in(line, field);
    shut(lines.fd);
    c->syscall = SYS_read;
    if (id < 0)
        return -ENOENT;
    *ret_id = (uint32_t)id;
    return 0;
}
