/* What a refusal is about, looked at by who was refused: nobody else sees the
   container's tree. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <asm/statfs.h>
#include <linux/capability.h>
#include <linux/elf.h>
#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/openat2.h>
#include <string.h>

#include "step_ops.h"

#define PATH_SIZE sizeof((struct found *)0)->path
#define EXECUTE   1     /* of access(2) */
#define EFFECTIVE 0x200 /* AT_EACCESS, which no header of the kernel's has */
#define DEPTH     6     /* a script, five interpreters */

/* A step has made its report: these calls are not in it. */
#define LOOK(name, ...) LOOK6(SYS_##name, __VA_ARGS__, 0, 0, 0, 0, 0)
#define LOOK6(nr, a1, a2, a3, a4, a5, a6, ...)                                 \
    raw_syscall((nr), (long)(a1), (long)(a2), (long)(a3), (long)(a4),          \
                (long)(a5), (long)(a6))

static void copy_text(char *to, size_t size, const char *from)
{
    size_t i = 0;
    for (; i + 1 < size && from[i] != '\0'; i++)
        to[i] = from[i];
    to[i] = '\0';
}

/* What was found for another step is of no use. */
static struct found *begin(struct child *c)
{
    struct found *f = &c->control->found;
    f->step = c->control->step;
    return f;
}

/* ---- places ------------------------------------------------------------ */

struct view {
    long root; /* AT_FDCWD: paths are what they are to this process */
    uint64_t resolve;
};

struct place {
    struct statx st;
    struct statfs fs;
};

static long open_at(const struct view *v, const char *path, uint64_t flags)
{
    struct open_how how = {.flags = O_PATH | O_CLOEXEC | flags,
                           .resolve = v->resolve};
    return LOOK(openat2, v->root, path, &how, sizeof how);
}

static long stat_at(const struct view *v, const char *path, uint64_t flags,
                    struct place *ret_place)
{
    long fd = open_at(v, path, flags);
    if (fd < 0)
        return fd;
    long error =
        LOOK(statx, fd, "", AT_EMPTY_PATH,
             STATX_TYPE | STATX_MODE | STATX_UID | STATX_GID, &ret_place->st);
    (void)LOOK(fstatfs, fd, &ret_place->fs);
    shut(fd);
    return error;
}

static bool is_there(const struct view *v, const char *path)
{
    long fd = open_at(v, path, O_NOFOLLOW);
    if (fd >= 0)
        shut(fd);
    return fd >= 0;
}

static void note(struct found *f, const char *path, const struct place *seen)
{
    copy_text(f->path, sizeof f->path, path);
    f->mode = seen->st.stx_mode;
    f->uid = seen->st.stx_uid;
    f->gid = seen->st.stx_gid;
    f->mount = (uint64_t)seen->fs.f_flags;
    f->magic = (uint64_t)seen->fs.f_type;
}

static char *end_of_name(char *p)
{
    while (*p == '/')
        p++;
    while (*p != '/' && *p != '\0')
        p++;
    return p;
}

/* A link that leads nowhere stops by itself, and so does what is there but does
   not tell what it is (FUSE); what is below a directory that may not be
   searched, or below no directory, is stopped by that. */
static void note_obstacle(struct found *f, const struct view *v, char *part,
                          char *before, long error)
{
    struct place seen = {0};
    if (is_there(v, part) || (error != -EACCES && error != -ENOTDIR)) {
        (void)stat_at(v, part, O_NOFOLLOW, &seen);
    } else {
        *before = '\0';
        part = before > part ? part : (char[]){v->root < 0 ? '.' : '/', '\0'};
        (void)stat_at(v, part, 0, &seen);
    }
    note(f, part, &seen);
}

/* Stops at the first part of the path that cannot be reached. */
static void walk(struct found *f, const struct view *v, const char *path)
{
    char part[PATH_SIZE];
    struct place seen;
    copy_text(part, sizeof part, path);
    char *before = *part == '/' ? part + 1 : part;
    for (char *end = end_of_name(part); end > before; end = end_of_name(end)) {
        char cut = *end;
        *end = '\0';
        long error = stat_at(v, part, 0, &seen);
        if (error != 0) {
            note_obstacle(f, v, part, before, error);
            return;
        }
        *end = cut;
        before = end;
    }
}

static void find_place(struct found *f, const struct view *v, const char *path)
{
    struct place seen = {0};
    long error = stat_at(v, path, 0, &seen);
    f->error = (int32_t)-error;
    f->mode = 0;
    f->path[0] = '\0';
    if (error == 0)
        note(f, path, &seen);
    else if (strlen(path) < sizeof f->path)
        walk(f, v, path);
}

void step_find_place(struct child *c, long root, const char *path)
{
    const uint64_t inside = RESOLVE_NO_MAGICLINKS | RESOLVE_IN_ROOT;
    const struct view v = {root, root < 0 ? 0 : inside};
    find_place(begin(c), &v, path);
}

/* ---- programs ---------------------------------------------------------- */

#define HEAD_SIZE 256 /* as many bytes as the kernel looks at */

union elf {
    struct elf64_hdr wide;
    struct elf32_hdr narrow;
    char bytes[HEAD_SIZE + 1];
};

#if defined(__x86_64__)
static const uint16_t machines[] = {EM_X86_64, EM_386};
#else
static const uint16_t machines[] = {EM_AARCH64, EM_ARM};
#endif

static bool is_own_machine(uint32_t machine)
{
    for (unsigned i = 0; i < sizeof machines / sizeof machines[0]; i++)
        if (machine == machines[i])
            return true;
    return false;
}

static long read_at(long fd, void *data, size_t size, uint64_t offset)
{
    return LOOK(pread64, fd, data, size, offset);
}

static bool ends_name(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\0';
}

/* The name after "#!", as the kernel takes it: one whose end it does not see it
   does not take. */
static void read_script(struct found *f, const char *head, char *interpreter)
{
    const char *from = head + 2;
    while (*from == ' ' || *from == '\t')
        from++;
    const char *end = from;
    while (!ends_name(*end))
        end++;
    bool is_whole = end < head + HEAD_SIZE;
    f->format = is_whole || end == from ? FORMAT_SCRIPT : FORMAT_LONG_SCRIPT;
    if (is_whole)
        copy_text(interpreter, (size_t)(end - from) + 1, from);
}

/* Where the n-th program header says that the loader's path is. */
static bool find_interp(long fd, const union elf *head, unsigned n,
                        uint64_t *ret_offset, uint64_t *ret_size)
{
    if (head->bytes[EI_CLASS] == ELFCLASS64) {
        struct elf64_phdr p = {0};
        (void)read_at(fd, &p, sizeof p, head->wide.e_phoff + n * sizeof p);
        *ret_offset = p.p_offset;
        *ret_size = p.p_filesz;
        return p.p_type == PT_INTERP;
    }
    struct elf32_phdr p = {0};
    (void)read_at(fd, &p, sizeof p, head->narrow.e_phoff + n * sizeof p);
    *ret_offset = p.p_offset;
    *ret_size = p.p_filesz;
    return p.p_type == PT_INTERP;
}

static void read_loader(long fd, const union elf *head, char *loader)
{
    bool wide = head->bytes[EI_CLASS] == ELFCLASS64;
    unsigned count = wide ? head->wide.e_phnum : head->narrow.e_phnum;
    uint64_t offset, size;
    for (unsigned n = 0; n < count && n < 64; n++) {
        if (!find_interp(fd, head, n, &offset, &size) || size > PATH_SIZE)
            continue;
        if (read_at(fd, loader, size, offset) < 1)
            size = 1;
        loader[size - 1] = '\0';
        return;
    }
}

/* The words of the other byte order are those of another machine. */
static void read_elf(struct found *f, const union elf *head)
{
    uint16_t machine = head->wide.e_machine; /* in one place in both classes */
    bool swapped = head->bytes[EI_DATA] == ELFDATA2MSB;
    f->format = FORMAT_ELF;
    f->bits = head->bytes[EI_CLASS] == ELFCLASS64 ? 64 : 32;
    f->machine = swapped ? (uint16_t)(machine << 8 | machine >> 8) : machine;
    f->elf_type = swapped ? 0 : head->wide.e_type;
}

static bool is_elf(const char *head)
{
    return head[0] == ELFMAG0 && head[1] == ELFMAG1 && head[2] == ELFMAG2 &&
           head[3] == ELFMAG3;
}

/* What the file is, and what it needs to be executed: "" is nothing. */
static void read_head(struct found *f, long fd, char *needed)
{
    union elf head = {.bytes = {0}};
    long n = read_at(fd, &head, HEAD_SIZE, 0);
    if (n < 0)
        return;
    f->format = n == 0 ? FORMAT_EMPTY : FORMAT_OTHER;
    if (head.bytes[0] == '#' && head.bytes[1] == '!') {
        read_script(f, head.bytes, needed);
    } else if (is_elf(head.bytes)) {
        read_elf(f, &head);
        bool is_program = f->elf_type == ET_EXEC || f->elf_type == ET_DYN;
        if (is_own_machine(f->machine) && is_program &&
            f->needed_by != FORMAT_ELF)
            read_loader(fd, &head, needed);
    }
}

/* Capabilities that the file insists on being executed with. */
static uint64_t forced_caps(long fd)
{
    struct vfs_ns_cap_data data;
    long n = LOOK(fgetxattr, fd, "security.capability", &data, sizeof data);
    if (n < (long)sizeof(struct vfs_cap_data) ||
        (data.magic_etc & VFS_CAP_FLAGS_EFFECTIVE) == 0)
        return 0;
    return (uint64_t)data.data[1].permitted << 32 | data.data[0].permitted;
}

static void look_inside(struct found *f, const char *path, char *needed)
{
    long fd = LOOK(openat, AT_FDCWD, path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return;
    read_head(f, fd, needed);
    if (f->needed_by != FORMAT_ELF)
        f->caps = forced_caps(fd);
    shut(fd);
}

static bool is_noexec(const struct found *f)
{
    return (f->mount & MOUNT_NOEXEC) != 0;
}

/* One program: whether it is there, and may be executed. */
static void look_at(struct found *f, const char *path, char *needed)
{
    static const struct view here = {AT_FDCWD, 0};
    *needed = '\0';
    f->format = FORMAT_UNKNOWN;
    find_place(f, &here, path);
    if (f->error != 0)
        return;
    f->access = (int32_t)-LOOK(faccessat2, AT_FDCWD, path, EXECUTE, EFFECTIVE);
    if (S_ISREG(f->mode))
        look_inside(f, path, needed);
}

/* From a program to what it needs, and what that needs: the last that is looked
   at, where nothing stops it before, is what the kernel would load. */
void step_find_program(struct found *f, const char *path)
{
    char needed[PATH_SIZE];
    f->needed_by = FORMAT_UNKNOWN;
    f->by[0] = f->needed[0] = '\0';
    look_at(f, path, needed);
    for (f->depth = 0; f->depth < DEPTH && *needed != '\0'; f->depth++) {
        if (f->access != 0 || is_noexec(f))
            return;
        if (f->depth > 0)
            copy_text(f->by, sizeof f->by, f->path);
        f->needed_by = f->format;
        copy_text(f->needed, sizeof f->needed, needed);
        look_at(f, f->needed, needed);
    }
}

/* Where none was refused for good none was found: then the first that is there
   lacks what it needs. */
void step_find_candidate(struct child *c, char **paths)
{
    struct found *f = begin(c);
    if (c->item > 0 || (paths[0] != NULL && paths[1] == NULL)) {
        f->item = c->item > 0 ? c->item : 1;
        step_find_program(f, paths[f->item - 1]);
        return;
    }
    for (uint32_t i = 0; paths[i] != NULL; i++) {
        step_find_program(f, paths[i]);
        f->item = i + 1;
        if (f->error == 0 || f->depth > 0)
            return;
    }
    f->item = 0;
}

/* What execve(2) would answer for want of what a program needs, which the
   kernel looks at only when it executes; a file that cannot be read tells of
   nothing. */
long step_judge_needed(struct child *c, const char *path)
{
    struct found *f = begin(c);
    step_find_program(f, path);
    if (f->needed_by == FORMAT_UNKNOWN)
        return 0;
    if (f->error != 0)
        return -f->error;
    return f->access == EACCES || is_noexec(f) ? -EACCES : 0;
}

/* ---- the kernel's own words -------------------------------------------- */

/* What the context of a file system has to say: an entry for each read, which
   begins with its level and a space. */
void step_find_log(struct child *c, long fs)
{
    struct found *f = begin(c);
    char *end = f->log;
    size_t room = sizeof f->log;
    long n;
    *end = '\0';
    while (room > 1 && (n = LOOK(read, fs, end, room - 1)) > 0) {
        end += n;
        room -= (size_t)n;
        *end = '\0';
    }
}
