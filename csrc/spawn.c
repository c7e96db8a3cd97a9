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
#include "sys.h"

#define METATABLE "userns.launch"

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

static void push_failure(lua_State *L, const struct launch *l)
{
    lua_pushnil(L);
    push_report(L, &l->failure);
    if (l->failure.error == 0)
        explain_end(L, l->status);
    else if (l->control->found.step == l->failure.step)
        userns_set_found(L, &l->control->found);
}

/* The error of a step that was Lua's to do is on top of the stack. */
static int return_called(lua_State *L, const struct launch *l)
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
    userns_launch_end(luaL_checkudata(L, 1, METATABLE), NULL);
    return 0;
}

/* Calls the function that does Lua's steps: an integer that it returns is a
   descriptor for the child; what it returned besides nil, or raised, stays on
   the stack. */
static int call_lua(struct launch *l, uint32_t step, int *ret_fd)
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
 * @return userns.sys.Process? process
 * @return userns.Error|userns.Error[] err step, syscall, errno and item; beside
 *   a process the refusals that did not end the set-up
 * @return userns.Fd? terminal the host's side of the program's
 * @source clone(2)
 */
static int sys_launch(lua_State *L)
{
    struct room *room;
    const struct arena *program = userns_check_program(L, 1, &room);
    luaL_checktype(L, 2, LUA_TTABLE);
    if (!lua_isnoneornil(L, 3))
        luaL_checktype(L, 3, LUA_TFUNCTION);
    lua_settop(L, 3);
    luaL_checkstack(L, LUA_MINSTACK, "launch");
    struct report excused[EXCUSED];
    struct process *process = userns_push_process(L, 1);
    struct process *program_of_init = userns_push_process(L, 0);
    lua_pushvalue(L, -1);
    lua_setiuservalue(L, -3, 1);
    int *terminal = userns_push_fd(L);
    struct launch *l = lua_newuserdatauv(L, sizeof *l, 0);
    userns_launch_init(l);
    luaL_setmetatable(L, METATABLE);
    if (userns_launch_begin(l, program, room) != 0)
        return userns_fail(L, "launch", "mmap", errno, NULL);
    bind_descriptors(L, 2, l);
    l->call = call_lua;
    l->context = L;
    int top = lua_gettop(L);
    int result = userns_launch_run(l);
    uint32_t count = 0;
    if (result == 0) {
        process->pid = l->pid;
        process->pidfd = l->pidfd;
        process->ours = true;
        count = l->control->excused_count;
        memcpy(excused, l->control->excused, sizeof excused);
        take_init(process, program_of_init, l);
        *terminal = l->handed[HAND_TERMINAL];
        l->handed[HAND_TERMINAL] = -1;
    }
    bool called = result != 0 && lua_gettop(L) > top;
    if (result != 0 && !called)
        push_failure(L,
                     l); /* of the control words, which end with the launch */
    userns_launch_end(l, room);
    if (result != 0)
        return called ? return_called(L, l) : 2;
    lua_settop(L, top - 1); /* process, its program, terminal */
    push_excused(L, excused, count);
    lua_replace(L, top - 2);
    if (*terminal < 0)
        lua_pop(L, 1);
    return *terminal < 0 ? 2 : 3;
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
    luaL_newmetatable(L, METATABLE);
    luaL_setfuncs(L, metamethods, 0);
    lua_pop(L, 1);
    luaL_setfuncs(L, functions, 0);
    push_image_path(L);
    lua_pushcclosure(L, sys_image_path, 1);
    lua_setfield(L, -2, "image_path");
}
