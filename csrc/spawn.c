#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "check.h"
#include "error.h"
#include "fd.h"
#include "found.h"
#include "launch.h"
#include "pack.h"
#include "process.h"
#include "spawn.h"
#include "sys.h"

#define METATABLE "userns.launch"

/* Seconds; what is longer is for ever. */
#define LONGEST 1e9

static const char *syscall_name(uint32_t number)
{
    switch (number) {
#define NAME(word)                                                             \
    case SYS_##word:                                                           \
        return #word;
#include "syscalls.def"
#undef NAME
    default:
        return NULL;
    }
}

/* The child ended before it had a program, and not by a step's failure. */
static void explain_end(lua_State *L, int status)
{
    lua_pushliteral(L, "EKILLED");
    lua_setfield(L, -2, "code");
    lua_pushnil(L);
    lua_setfield(L, -2, "errno");
    if (WIFSIGNALED(status))
        userns_push_signal(L, WTERMSIG(status));
    else
        lua_pushliteral(L, "somebody");
    lua_pushfstring(L, "the child was ended by %s while it was set up",
                    lua_tostring(L, -1));
    lua_setfield(L, -3, "message");
    lua_pop(L, 1);
}

/* Pushes an error object with the step's number, and its item if it has any. */
static void push_report(lua_State *L, const struct report *report)
{
    bool refused = report->error != 0;
    userns_push_error(L, "launch",
                      refused ? syscall_name(report->syscall) : NULL,
                      report->error, NULL);
    if (report->step > 0)
        userns_set_integer(L, "step", report->step);
    if (report->item > 0)
        userns_set_integer(L, "item", report->item);
}

void userns_push_failure(lua_State *L, const struct launch *l)
{
    lua_pushnil(L);
    push_report(L, &l->failure);
    if (l->failure.error == 0)
        explain_end(L, l->status);
    else if (l->control->found.step == l->failure.step)
        userns_set_found(L, &l->control->found);
}

bool userns_was_called(lua_State *L, const struct launch *l, int top)
{
    return lua_gettop(L) > top &&
           (l->failure.error == 0 || !lua_istable(L, -1));
}

int userns_return_called(lua_State *L, const struct launch *l)
{
    if (!lua_istable(L, -1))
        return lua_error(L);
    userns_set_integer(L, "step", l->failure.step);
    lua_pushnil(L);
    lua_insert(L, -2);
    return 2;
}

static void push_excused(lua_State *L, const struct report *excused,
                         uint32_t count)
{
    lua_createtable(L, (int)count, 0);
    for (uint32_t i = 0; i < count; i++) {
        push_report(L, &excused[i]);
        lua_seti(L, -2, (lua_Integer)i + 1);
    }
}

/* Where each of the program's descriptors comes from, in the plan's order. */
static void bind_descriptors(lua_State *L, int arg, const struct launch *l)
{
    if (l->arena->descriptors == 0)
        return;
    struct descriptors *fds =
        (struct descriptors *)(void *)((char *)l->arena +
                                       l->arena->descriptors);
    for (uint32_t i = 0; i < fds->count; i++) {
        lua_geti(L, arg, (lua_Integer)i + 1);
        fds->fd[i].from = (int32_t)userns_check_integer(L, lua_gettop(L),
                                                        FROM_TERMINAL, INT_MAX);
        lua_pop(L, 1);
    }
}

static int launch_gc(lua_State *L)
{
    struct launch *l = luaL_checkudata(L, 1, METATABLE);
    l->home = NULL; /* may have been collected */
    userns_launch_end(l);
    return 0;
}

int userns_call_step(struct launch *l, uint32_t step, int *ret_fd)
{
    lua_State *L = l->context;
    lua_pushvalue(L, 3);
    lua_pushinteger(L, step);
    lua_pushinteger(L, l->pid);
    if (lua_pcall(L, 2, 2, 0) != 0)
        return -1;
    bool done = lua_toboolean(L, -2);
    lua_Integer fd = lua_isinteger(L, -2) ? lua_tointeger(L, -2) : -1;
    if (0 <= fd && fd <= INT_MAX)
        *ret_fd = (int)fd;
    lua_remove(L, -2);
    if (done)
        lua_pop(L, 1);
    return done ? 0 : -1;
}

/* With init, the child is process 1: the program is another, and how it ended
   will stand in the control words. */
static void take_init(struct process *init, struct process *program,
                      struct launch *l)
{
    int *pidfd = &l->handed[HAND_PROGRAM];
    if (*pidfd < 0)
        return;
    init->control = l->control;
    l->control = NULL;
    program->pid = userns_pid_of(*pidfd);
    program->pidfd = *pidfd;
    *pidfd = -1;
}

void userns_push_handles(lua_State *L, struct handles *ret)
{
    ret->at = lua_gettop(L) + 1;
    ret->process = userns_push_process(L, 1);
    ret->program = userns_push_process(L, 0);
    lua_pushvalue(L, -1);
    lua_setiuservalue(L, -3, 1);
    ret->terminal = userns_push_fd(L);
}

static void take(const struct handles *h, struct launch *l)
{
    h->process->pid = l->pid;
    h->process->pidfd = l->pidfd;
    h->process->ours = true;
    l->pidfd = -1;
    take_init(h->process, h->program, l);
    *h->terminal = l->handed[HAND_TERMINAL];
    l->handed[HAND_TERMINAL] = -1;
}

int userns_return_launched(lua_State *L, const struct handles *h,
                           struct launch *l, int result)
{
    struct report excused[EXCUSED];
    uint32_t count = 0;
    bool ended = l->ended;
    if (result == 0) {
        count = l->control->excused_count;
        memcpy(excused, l->control->excused, sizeof excused);
        take(h, l);
    } else {
        userns_push_failure(L, l);
    }
    userns_launch_end(l);
    if (result != 0)
        return 2;
    lua_settop(L, h->at + 2);
    push_excused(L, excused, count);
    lua_replace(L, h->at + 1);
    if (*h->terminal >= 0)
        return 3;
    lua_pop(L, 1);
    if (!ended)
        return 2;
    lua_pushnil(L);
    lua_pushboolean(L, true);
    return 4;
}

/***
 * Runs a packed plan: returns as soon as the child executes its program, or
 * with the step that failed and nothing left behind.
 * @param program userdata what pack returned
 * @param descriptors integer[] for each entry of the plan's descriptors step
 *   the number of the descriptor it comes from, -1 for the host's own
 * @param parent_step (fun(step: integer, pid: integer): true|integer|nil,
 *   userns.Error?)? does the parent's steps that are not C's; of one that opens
 *   something for the child, or a v2 cgroup for it to be created in, it is the
 *   descriptor's number that is returned
 * @param seconds number? how long the set-up may take; for ever when absent
 * @param linger userns.sys.SignalHold|true|nil the caller would wait for the
 *   program's end, or a signal here, anyway: launch may return only then
 * @return userns.sys.Process? process
 * @return userns.Error|userns.Error[] err step, syscall, errno and item, or
 *   ETIMEDOUT; beside a process the refusals that did not end the set-up
 * @return userns.Fd? terminal the host's side of the program's
 * @return true? ended with linger: the program has, and no signal came
 * @source clone(2)
 */
static int sys_launch(lua_State *L)
{
    struct room *room;
    const struct arena *program = userns_check_program(L, 1, &room);
    luaL_checktype(L, 2, LUA_TTABLE);
    if (!lua_isnoneornil(L, 3))
        luaL_checktype(L, 3, LUA_TFUNCTION);
    lua_Number seconds = luaL_optnumber(L, 4, 0);
    luaL_argcheck(L, seconds >= 0, 4, "seconds, 0 or more");
    bool lingers = lua_toboolean(L, 5);
    int interrupt = userns_is_fd(L, 5) ? userns_check_fd(L, 5) : -1;
    lua_settop(L, 3);
    luaL_checkstack(L, LUA_MINSTACK, "launch");
    luaL_argcheck(L, program->late == 0, 1, "the plan waits for its program");
    struct handles handles;
    userns_push_handles(L, &handles);
    struct launch *l = lua_newuserdatauv(L, sizeof *l, 0);
    userns_launch_init(l);
    luaL_setmetatable(L, METATABLE);
    if (userns_launch_begin(l, program, room) != 0)
        return userns_fail(L, "launch", "mmap", errno, NULL);
    bind_descriptors(L, 2, l);
    if (0 < seconds && seconds <= LONGEST)
        userns_launch_within(l, (int64_t)(seconds * 1e9));
    if (lingers)
        userns_launch_linger(l, interrupt);
    l->call = userns_call_step;
    l->context = L;
    int top = lua_gettop(L);
    int result = userns_launch_run(l);
    if (result == 0 || !userns_was_called(L, l, top))
        return userns_return_launched(L, &handles, l, result);
    userns_launch_end(l);
    return userns_return_called(L, l);
}

/* Beside this module, wherever the host's working directory goes later. */
static void push_image_path(lua_State *L)
{
    char path[PATH_MAX];
    Dl_info info;
    if (dladdr((void *)(uintptr_t)push_image_path, &info) == 0 ||
        realpath(info.dli_fname, path) == NULL)
        path[0] = '\0';
    char *slash = strrchr(path, '/');
    lua_pushlstring(L, path, slash == NULL ? 0 : (size_t)(slash - path) + 1);
    lua_pushliteral(L, "userns-init");
    lua_concat(L, 2);
}

/***
 * The path of the small executable that a separate image runs, as it was when
 * the module was loaded.
 * @return string path
 */
static int sys_image_path(lua_State *L)
{
    lua_pushvalue(L, lua_upvalueindex(1));
    return 1;
}

void userns_open_launch(lua_State *L)
{
    static const luaL_Reg metamethods[] = {
        {"__gc", launch_gc},
        {NULL, NULL},
    };
    static const luaL_Reg functions[] = {
        {"launch", sys_launch},
        {NULL, NULL},
    };
    userns_new_type(L, METATABLE, metamethods, NULL);
    luaL_setfuncs(L, functions, 0);
    push_image_path(L);
    lua_pushcclosure(L, sys_image_path, 1);
    lua_setfield(L, -2, "image_path");
}
