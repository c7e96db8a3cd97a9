/*
 * A host with threads, each with a Lua state of its own.  Put before the
 * command line of an interpreter it takes that one's place: threads lua5.4
 * SCRIPT. The script and every thread it starts see the global table `threads`.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <pthread.h>
#include <pwd.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define METATABLE "threads.thread"

static void open_threads(lua_State *L);

/* ---- threads ----------------------------------------------------------- */

struct thread {
    pthread_t id;
    lua_State *L; /* NULL: closed */
    bool joined;
    int status; /* of the script */
};

static int traceback(lua_State *L)
{
    luaL_traceback(L, L, luaL_tolstring(L, 1, NULL), 1);
    return 1;
}

static int run(lua_State *L)
{
    lua_pushcfunction(L, traceback);
    lua_insert(L, 1);
    return lua_pcall(L, 0, 0, 1);
}

static void *run_thread(void *arg)
{
    struct thread *thread = arg;
    thread->status = run(thread->L);
    return NULL;
}

static lua_State *new_state(void)
{
    lua_State *L = luaL_newstate();
    if (L == NULL)
        abort();
    luaL_openlibs(L);
    open_threads(L);
    return L;
}

/* start(source): a thread that runs the source in a state of its own. */
static int threads_start(lua_State *L)
{
    const char *source = luaL_checkstring(L, 1);
    struct thread *thread = lua_newuserdatauv(L, sizeof *thread, 0);
    *thread = (struct thread){.joined = true};
    luaL_setmetatable(L, METATABLE);
    thread->L = new_state();
    if (luaL_loadstring(thread->L, source) != LUA_OK)
        return luaL_error(L, "%s", lua_tostring(thread->L, -1));
    int error = pthread_create(&thread->id, NULL, run_thread, thread);
    if (error != 0)
        return luaL_error(L, "pthread_create: %s", strerror(error));
    thread->joined = false;
    return 1;
}

static struct thread *join(lua_State *L)
{
    struct thread *thread = luaL_checkudata(L, 1, METATABLE);
    if (!thread->joined)
        pthread_join(thread->id, NULL);
    thread->joined = true;
    return thread;
}

/* join(): returns when the script has, and raises what it raised.  The state
   stays open until close. */
static int thread_join(lua_State *L)
{
    const struct thread *thread = join(L);
    if (thread->status != LUA_OK)
        return luaL_error(L, "%s", lua_tostring(thread->L, -1));
    return 0;
}

static int thread_close(lua_State *L)
{
    struct thread *thread = join(L);
    if (thread->L != NULL)
        lua_close(thread->L);
    thread->L = NULL;
    return 0;
}

/* ---- noise ------------------------------------------------------------- */

/* What takes locks that a forked child would find taken, moves memory about, or
   speaks to all threads at once. */

static void noise_malloc(void)
{
    void *blocks[64];
    for (size_t i = 0; i < 64; i++)
        blocks[i] = malloc(i * i * 16 + 1);
    for (size_t i = 0; i < 64; i++)
        free(blocks[i]);
}

static void noise_realloc(void)
{
    char *block = NULL;
    for (size_t size = 16; size < 1 << 20; size *= 2) {
        char *grown = realloc(block, size);
        if (grown == NULL)
            break;
        block = grown;
    }
    free(block);
}

/* The variable exists: no other thread sees the list itself move. */
static void noise_environment(void)
{
    setenv("NOISE", getenv("NOISE")[0] == 'a' ? "b" : "a", 1);
}

static void noise_files(void)
{
    char line[64];
    FILE *file = fopen("/proc/self/stat", "re");
    if (file != NULL) {
        (void)!fgets(line, sizeof line, file);
        fclose(file);
    }
}

static void noise_time(void)
{
    time_t now = time(NULL);
    struct tm local;
    char text[64];
    tzset();
    localtime_r(&now, &local);
    (void)strftime(text, sizeof text, "%c", &local);
}

/* libc has every thread make the call and lets none start meanwhile, hence the
   pause. */
static void noise_ids(void)
{
    const struct timespec pause_between = {0, 1000000};
    nanosleep(&pause_between, NULL);
    (void)!seteuid(geteuid());
}

static void *nothing(void *arg)
{
    return arg;
}

static void noise_threads(void)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, nothing, NULL) == 0)
        pthread_join(thread, NULL);
}

static void noise_users(void)
{
    struct passwd entry, *found;
    char data[4096];
    (void)getpwuid_r(getuid(), &entry, data, sizeof data, &found);
}

static void (*const noises[])(void) = {
    noise_malloc, noise_realloc, noise_environment, noise_files,
    noise_time,   noise_ids,     noise_threads,     noise_users,
};

enum { NOISES = sizeof noises / sizeof noises[0] };

static pthread_t noisy[NOISES];
static atomic_bool quiet;

static void *make_noise(void *arg)
{
    void (*const *noise)(void) = arg;
    while (!atomic_load(&quiet))
        (*noise)();
    return NULL;
}

/* noise(): a thread for each kind, until quiet(). */
static int threads_noise(lua_State *L)
{
    atomic_store(&quiet, false);
    setenv("NOISE", "a", 1);
    for (int i = 0; i < NOISES; i++)
        if (pthread_create(&noisy[i], NULL, make_noise,
                           (void *)(uintptr_t)&noises[i]) != 0)
            return luaL_error(L, "no thread for the noise");
    return 0;
}

static int threads_quiet(lua_State *L)
{
    (void)L;
    atomic_store(&quiet, true);
    for (int i = 0; i < NOISES; i++)
        pthread_join(noisy[i], NULL);
    return 0;
}

/* ---- waiting for one another ------------------------------------------- */

enum { SEMAPHORES = 8 };

static sem_t semaphores[SEMAPHORES];

static sem_t *check_semaphore(lua_State *L)
{
    lua_Integer i = luaL_checkinteger(L, 1);
    luaL_argcheck(L, 0 <= i && i < SEMAPHORES, 1, "no such semaphore");
    return &semaphores[i];
}

static int threads_post(lua_State *L)
{
    sem_post(check_semaphore(L));
    return 0;
}

static int threads_await(lua_State *L)
{
    sem_t *semaphore = check_semaphore(L);
    while (sem_wait(semaphore) != 0 && errno == EINTR) {
    }
    return 0;
}

/* ---- a program that cannot be opened for now --------------------------- */

/* lease(path): whoever opens or executes the file sleeps until release().
   Returns the lease's descriptor. */
static int threads_lease(lua_State *L)
{
    int fd = open(luaL_checkstring(L, 1), O_RDWR | O_CLOEXEC);
    if (fd < 0 || fcntl(fd, F_SETLEASE, F_WRLCK) != 0)
        return luaL_error(L, "lease: %s", strerror(errno));
    lua_pushinteger(L, fd);
    return 1;
}

/* Until somebody sleeps. */
static int threads_await_opener(lua_State *L)
{
    sigset_t set;
    int signum;
    (void)L;
    sigemptyset(&set);
    sigaddset(&set, SIGIO);
    sigwait(&set, &signum);
    return 0;
}

static int threads_release(lua_State *L)
{
    close((int)luaL_checkinteger(L, 1));
    return 0;
}

/* ---- signals ----------------------------------------------------------- */

static pid_t host;
static atomic_int received;
static atomic_int strayed; /* handled by a child that shares our memory */

static void count_signal(int signum)
{
    (void)signum;
    atomic_fetch_add(getpid() == host ? &received : &strayed, 1);
}

/* kill(n): n signals to the process, none of which is merged with another. */
static int threads_kill(lua_State *L)
{
    const union sigval nothing_else = {0};
    const struct timespec nap = {0, 200000};
    for (lua_Integer n = luaL_checkinteger(L, 1); n > 0; n--) {
        while (sigqueue(getpid(), SIGRTMIN, nothing_else) != 0)
            nanosleep(&nap, NULL);
        nanosleep(&nap, NULL);
    }
    return 0;
}

/* kill_group(n): the same to the host's process group, which is made its own.
 */
static int threads_kill_group(lua_State *L)
{
    const struct timespec nap = {0, 200000};
    setpgid(0, 0);
    for (lua_Integer n = luaL_checkinteger(L, 1); n > 0; n--) {
        kill(0, SIGUSR1);
        nanosleep(&nap, NULL);
    }
    return 0;
}

/* How many signals the host has handled, and how many a child of it. */
static int threads_signals(lua_State *L)
{
    lua_pushinteger(L, atomic_load(&received));
    lua_pushinteger(L, atomic_load(&strayed));
    return 2;
}

/* Children that run or were not reaped. */
static int threads_has_children(lua_State *L)
{
    siginfo_t info;
    lua_pushboolean(
        L, waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT | __WALL) == 0);
    return 1;
}

/* ---- the host ---------------------------------------------------------- */

static void open_threads(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"start", threads_start},
        {"noise", threads_noise},
        {"quiet", threads_quiet},
        {"post", threads_post},
        {"await", threads_await},
        {"lease", threads_lease},
        {"await_opener", threads_await_opener},
        {"release", threads_release},
        {"kill", threads_kill},
        {"kill_group", threads_kill_group},
        {"signals", threads_signals},
        {"has_children", threads_has_children},
        {NULL, NULL},
    };
    static const luaL_Reg methods[] = {
        {"join", thread_join},
        {"close", thread_close},
        {"__gc", thread_close},
        {NULL, NULL},
    };
    luaL_newmetatable(L, METATABLE);
    luaL_setfuncs(L, methods, 0);
    lua_pushvalue(L, -1);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
    luaL_newlib(L, functions);
    lua_setglobal(L, "threads");
}

static void prepare_signals(void)
{
    struct sigaction action = {.sa_handler = count_signal,
                               .sa_flags = SA_RESTART};
    sigset_t sigio;
    sigaction(SIGRTMIN, &action, NULL);
    sigaction(SIGUSR1, &action, NULL);
    sigemptyset(&sigio);
    sigaddset(&sigio, SIGIO);
    pthread_sigmask(SIG_BLOCK, &sigio, NULL);
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        (void)fprintf(stderr, "usage: %s INTERPRETER SCRIPT\n", argv[0]);
        return 2;
    }
    host = getpid();
    prepare_signals();
    for (int i = 0; i < SEMAPHORES; i++)
        sem_init(&semaphores[i], 0, 0);
    lua_State *L = new_state();
    if (luaL_loadfile(L, argv[2]) != LUA_OK || run(L) != LUA_OK) {
        (void)fprintf(stderr, "%s\n", lua_tostring(L, -1));
        return 1; /* what other threads wait for may never come */
    }
    lua_close(L);
    return 0;
}
