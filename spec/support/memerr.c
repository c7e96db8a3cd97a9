/*
 * A host that runs out of memory.  Put before the command line of an
 * interpreter it takes that one's place: memerr lua5.4 SCRIPT.  The script
 * returns a function, which is called once for each n with the n-th allocation
 * refused, always in a new state: until one call allocates less than that.  A
 * second value says how many calls are enough: then n grows in steps.  Whatever
 * a call leaves behind ends the program.  The script sees the global functions
 * `thread` and `spare_libc`.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <fcntl.h>
#include <lauxlib.h>
#include <limits.h>
#include <lua.h>
#include <lualib.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* ---- memory ------------------------------------------------------------ */

/* Who allocates; counts from the moment it is armed. */
struct customer {
    atomic_bool armed;
    atomic_ulong count;
    unsigned long first, last; /* refused, from 1 */
};

static struct customer lua, libc;

static bool is_refused(struct customer *customer)
{
    if (!atomic_load(&customer->armed))
        return false;
    unsigned long n = atomic_fetch_add(&customer->count, 1) + 1;
    return customer->first <= n && n <= customer->last;
}

static void arm(struct customer *customer, unsigned long n, unsigned long span)
{
    customer->first = n;
    customer->last = span > ULONG_MAX - n ? ULONG_MAX : n + span - 1;
    atomic_store(&customer->count, 0);
    atomic_store(&customer->armed, true);
}

/* Blocks that others than Lua have. */
static atomic_long blocks;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)

#define __libc_realloc realloc
#define __libc_free    free

#else

/* The C library's own allocator; what others know by these names is below. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *block, size_t size);
void __libc_free(void *block);

static void *counted(void *block)
{
    atomic_fetch_add(&blocks, block != NULL);
    return block;
}

void *malloc(size_t size)
{
    return is_refused(&libc) ? NULL : counted(__libc_malloc(size));
}

void *calloc(size_t count, size_t size)
{
    return is_refused(&libc) ? NULL : counted(__libc_calloc(count, size));
}

void *realloc(void *block, size_t size)
{
    if (is_refused(&libc))
        return NULL;
    void *grown = __libc_realloc(block, size);
    return block == NULL ? counted(grown) : grown;
}

void free(void *block)
{
    atomic_fetch_sub(&blocks, block != NULL);
    __libc_free(block);
}

#endif

static void *allocate(void *unused, void *block, size_t old, size_t new)
{
    (void)unused;
    if (new == 0) {
        __libc_free(block);
        return NULL;
    }
    bool grows = block == NULL || new > old;
    return grows && is_refused(&lua) ? NULL : __libc_realloc(block, new);
}

/* ---- what could be left behind ----------------------------------------- */

enum { DESCRIPTORS = 256 };

struct belongings {
    nlink_t threads;
    bool open[DESCRIPTORS];
    bool children; /* running or not reaped */
    long blocks;
};

static nlink_t threads = 1; /* the host's own */

static nlink_t count_threads(void)
{
    struct stat tasks;
    return stat("/proc/self/task", &tasks) == 0 ? tasks.st_nlink - 2 : 0;
}

/* A thread that has nothing left to do may take a moment to end. */
static nlink_t await_threads(void)
{
    const struct timespec nap = {0, 100000};
    for (int i = 0; i < 100000 && count_threads() > threads; i++)
        nanosleep(&nap, NULL);
    return count_threads();
}

static struct belongings look(void)
{
    siginfo_t info;
    struct belongings b;
    memset(&b, 0, sizeof b);
    b.threads = await_threads();
    for (int fd = 0; fd < DESCRIPTORS; fd++)
        b.open[fd] = fcntl(fd, F_GETFD) >= 0;
    b.children =
        waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT | __WALL) == 0;
    b.blocks = atomic_load(&blocks);
    return b;
}

static int count_mappings(void)
{
    int lines = 0;
    FILE *maps = fopen("/proc/self/maps", "re");
    for (int c; maps != NULL && (c = fgetc(maps)) != EOF;)
        lines += c == '\n';
    if (maps != NULL)
        fclose(maps);
    return lines;
}

static void expect(bool holds, const char *what, const char *mode,
                   unsigned long n)
{
    if (!holds) {
        (void)fprintf(stderr, "%s: %s after refusal %lu\n", mode, what, n);
        exit(1);
    }
}

/* ---- the calls --------------------------------------------------------- */

static void *idle(void *arg)
{
    for (;;)
        pause();
    return arg;
}

/* thread(): the host has a second one from now on. */
static int start_thread(lua_State *L)
{
    pthread_t thread;
    if (threads == 1 && pthread_create(&thread, NULL, idle, NULL) != 0)
        return luaL_error(L, "no thread");
    threads = 2;
    return 0;
}

static bool libc_is_spared;

/* spare_libc(): only Lua is refused anything.  For a library that cannot bear
   it, which is not ours to mend. */
static int spare_libc(lua_State *L)
{
    (void)L;
    libc_is_spared = true;
    return 0;
}

static const struct mode {
    const char *name;
    struct customer *customer;
    unsigned long span;
    const char *error; /* the only one there may be; NULL: any */
} modes[] = {
    /* Lua collects garbage and asks again, but for the buffers of lauxlib. */
    {"refused once", &lua, 1, "not enough memory"},
    {"refused twice", &lua, 2, NULL},
    {"refused from then on", &lua, ULONG_MAX, NULL},
    {"refused by libc once", &libc, 1, NULL},
    {"refused by libc from then on", &libc, ULONG_MAX, NULL},
};

static lua_State *load(const char *script, lua_Integer *ret_enough)
{
    lua_State *L = lua_newstate(allocate, NULL);
    if (L == NULL)
        abort();
    luaL_openlibs(L);
    lua_register(L, "thread", start_thread);
    lua_register(L, "spare_libc", spare_libc);
    if (luaL_loadfile(L, script) != LUA_OK || lua_pcall(L, 0, 2, 0) != LUA_OK) {
        (void)fprintf(stderr, "%s\n", lua_tostring(L, -1));
        exit(2);
    }
    *ret_enough = luaL_optinteger(L, -1, LUA_MAXINTEGER);
    lua_pop(L, 1);
    return L;
}

static bool may_raise(const struct mode *mode, const char *error)
{
    return mode->error == NULL || strcmp(mode->error, error) == 0;
}

/* Whether an allocation was refused; how many there were is counted. */
static bool call(const char *script, const struct mode *mode, unsigned long n,
                 lua_Integer *ret_enough)
{
    lua_State *L = load(script, ret_enough);
    arm(mode->customer, n, mode->span);
    int status = lua_pcall(L, 0, 0, 0);
    atomic_store(&mode->customer->armed, false);
    bool refused = atomic_load(&mode->customer->count) >= n;
    const char *error = status == LUA_OK ? NULL : luaL_tolstring(L, -1, NULL);
    expect(error == NULL || (refused && may_raise(mode, error)), error,
           mode->name, n);
    lua_close(L);
    return refused;
}

/* With the stack of a thread that has ended libc keeps a block, for the next.
 */
static bool is_leak(long grown)
{
    enum { STACKS = 8 };
    return threads == 1 ? grown != 0 : labs(grown) > STACKS;
}

static void check(const struct belongings *before, const struct mode *mode,
                  unsigned long n)
{
    struct belongings after = look();
    expect(after.threads == threads, "a thread", mode->name, n);
    expect(memcmp(before->open, after.open, sizeof after.open) == 0,
           "other descriptors", mode->name, n);
    expect(!after.children, "a child", mode->name, n);
    expect(!is_leak(after.blocks - before->blocks), "memory", mode->name, n);
}

/* The number of calls in which an allocation was refused. */
static unsigned long run(const char *script, const struct mode *mode)
{
    lua_Integer enough;
    call(script, mode, ULONG_MAX,
         &enough); /* what is initialised once, is now */
    unsigned long all = atomic_load(&mode->customer->count);
    unsigned long step = all / (unsigned long)enough + 1;
    struct belongings before = look();
    int mappings = count_mappings();
    unsigned long n = 1, calls = 0;
    for (; call(script, mode, n, &enough); n += step, calls++)
        check(&before, mode, n);
    check(&before, mode, n);
    /* What libc keeps for the next time is no leak. */
    expect(count_mappings() < mappings + 32, "mappings", mode->name, n);
    return calls;
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        (void)fprintf(stderr, "usage: %s INTERPRETER SCRIPT\n", argv[0]);
        return 2;
    }
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++)
        if (modes[i].customer != &libc || !libc_is_spared)
            printf("%s: %lu\n", modes[i].name, run(argv[2], &modes[i]));
    return 0;
}
