/* Children that wait prepared for their program: userdata "userns.prepared". */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "check.h"
#include "error.h"
#include "fd.h"
#include "pack.h"
#include "process.h"
#include "spawn.h"
#include "sys.h"

#define METATABLE "userns.prepared"

/* What the steps descriptors and exec are, of an arena that has no others. */
static struct descriptors *late_descriptors(const struct arena *late)
{
    const union any_step *s = (const void *)((const char *)late + late->steps);
    if (late->count != 2 || s[0].step.op != OP_descriptors ||
        s[1].step.op != OP_exec)
        return NULL;
    return (struct descriptors *)(void *)((char *)(uintptr_t)late +
                                          s[0].descriptors.fds);
}

/* ---- the message ------------------------------------------------------- */

/* A program on its way: where each descriptor comes from is a number of the
   host's, and in the message its place among those sent. */
struct message {
    const struct arena *late;
    struct {
        uint32_t count;
        struct descriptor fd[LATE_FDS];
    } fds; /* as struct descriptors has it */
    int sent[LATE_FDS];
    uint32_t sent_count;
};

static void number_descriptors(struct message *m)
{
    unsigned closed = userns_closed_streams();
    for (uint32_t i = 0; i < m->fds.count; i++) {
        struct descriptor *d = &m->fds.fd[i];
        int from = d->from < 0 ? d->to : d->from;
        bool none = userns_is_closed_stream(closed, from);
        d->from = none ? -1 : (int32_t)m->sent_count;
        if (!none)
            m->sent[m->sent_count++] = from;
    }
}

/* The arena with the descriptors in place of its own: one datagram, which finds
   room or does not. */
static int send_message(int socket, const struct message *m)
{
    char *late = (char *)(uintptr_t)m->late;
    char *own = (char *)late_descriptors(m->late);
    size_t before = (size_t)(own - late);
    size_t length =
        sizeof(struct descriptors) + m->fds.count * sizeof *m->fds.fd;
    struct iovec data[] = {
        {late, before},
        {(void *)(uintptr_t)&m->fds, length},
        {own + length, m->late->size - before - length},
    };
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(sizeof m->sent)];
    } control;
    size_t rights = m->sent_count * sizeof *m->sent;
    struct msghdr message = {.msg_iov = data, .msg_iovlen = 3};
    if (rights > 0) {
        message.msg_control = &control;
        message.msg_controllen = CMSG_SPACE(rights);
        memset(&control, 0, sizeof control);
        control.head = (struct cmsghdr){.cmsg_len = CMSG_LEN(rights),
                                        .cmsg_level = SOL_SOCKET,
                                        .cmsg_type = SCM_RIGHTS};
        memcpy(CMSG_DATA(&control.head), m->sent, rights);
    }
    ssize_t n;
    do
        n = sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -1 : 0;
}

/* From the program and the table of numbers at these arguments; false: it has
   more of either than a message takes. */
static bool read_message(lua_State *L, int program, int numbers,
                         struct message *ret)
{
    memset(ret, 0, sizeof *ret);
    ret->late = userns_check_program(L, program, NULL);
    const struct descriptors *fds = late_descriptors(ret->late);
    luaL_argcheck(L, fds != NULL, program, "descriptors and exec expected");
    luaL_checktype(L, numbers, LUA_TTABLE);
    if (ret->late->size > LATE_SIZE || fds->count > LATE_FDS)
        return false;
    ret->fds.count = fds->count;
    for (uint32_t i = 0; i < fds->count; i++) {
        lua_geti(L, numbers, (lua_Integer)i + 1);
        ret->fds.fd[i] = (struct descriptor){
            (int32_t)userns_check_integer(L, lua_gettop(L), -1, INT_MAX),
            fds->fd[i].to};
        lua_pop(L, 1);
    }
    number_descriptors(ret);
    return true;
}

/* ---- the handle -------------------------------------------------------- */

/* A copy of the host that somebody forked holds its handles too, but has no
   part in its children. */
static void let_go(struct launch *l)
{
    if (l->owner != getpid())
        l->running = false;
    userns_launch_end(l);
}

/* Neither reaped by somebody else nor, in a copy of the host, that one's. */
static bool is_ours(const struct launch *l)
{
    return l->running && l->owner == getpid() && userns_is_child(l->pidfd);
}

/* One for which the parent's part is done, or that is gone. */
static struct launch *check_led(lua_State *L, int arg)
{
    struct launch *l = luaL_checkudata(L, arg, METATABLE);
    luaL_argcheck(L, l->head == NULL, arg, "the child has not been led");
    return l;
}

static struct launch *check_new(lua_State *L, int arg)
{
    struct launch *l = luaL_checkudata(L, arg, METATABLE);
    luaL_argcheck(L, l->head != NULL, arg, "the child has been led");
    return l;
}

/* Of a step that was Lua's, what that said is above the top of before. */
static int return_failed(lua_State *L, struct launch *l, int top)
{
    bool called = userns_was_called(L, l, top);
    if (!called)
        userns_push_failure(L, l);
    userns_launch_end(l);
    return called ? userns_return_called(L, l) : 2;
}

/***
 * Starts a child that does all of a plan up to its step ready, and there waits
 * for its program. Returns at once; what is the parent's to do is done by lead.
 * @param program userdata what pack returned, of a plan with the step ready
 * @param parent_step (fun(step: integer, pid: integer): true|integer|nil,
 *   userns.Error?)? as launch's
 * @return userns.sys.Prepared? prepared
 * @return userns.Error? err step, syscall, errno and item
 * @source clone(2)
 */
static int sys_prepare(lua_State *L)
{
    const struct arena *program = userns_check_program(L, 1, NULL);
    luaL_argcheck(L, userns_is_prepared(program), 1,
                  "the plan does not wait for its program");
    if (!lua_isnoneornil(L, 2))
        luaL_checktype(L, 2, LUA_TFUNCTION);
    lua_settop(L, 2);
    struct launch *l = lua_newuserdatauv(L, sizeof *l, 0);
    userns_launch_init(l);
    luaL_setmetatable(L, METATABLE);
    lua_insert(L, 2); /* the function is third, as in launch */
    if (userns_launch_begin(l, program, NULL) != 0)
        return userns_fail(L, "launch", "mmap", errno, NULL);
    l->call = userns_call_step;
    l->context = L;
    if (userns_launch_prepare(l) != 0)
        return return_failed(L, l, 3);
    lua_settop(L, 2);
    return 1;
}

/***
 * A descriptor that is readable from when the child has been made, so that lead
 * need not wait; for one that has not been led.
 * @return integer fd
 */
static int prepared_fileno(lua_State *L)
{
    lua_pushinteger(L, check_new(L, 1)->image_pidfd);
    return 1;
}

/***
 * Does the parent's steps, waiting for the child to be made; once.
 * @param parent_step (fun(step: integer, pid: integer): true|integer|nil,
 *   userns.Error?)? as launch's
 * @return true|nil ok
 * @return userns.Error? err of the step that failed, or ESRCH: the child is
 * gone
 */
static int prepared_lead(lua_State *L)
{
    struct launch *l = check_new(L, 1);
    if (!lua_isnoneornil(L, 2))
        luaL_checktype(L, 2, LUA_TFUNCTION);
    lua_settop(L, 2);
    lua_pushnil(L);
    lua_insert(L, 2); /* the function is third, as in launch */
    if (l->owner != getpid()) {
        let_go(l);
        return userns_fail(L, "lead", NULL, ESRCH, NULL);
    }
    l->context = L;
    if (userns_launch_lead(l) != 0)
        return return_failed(L, l, 3);
    lua_pushboolean(L, true);
    return 1;
}

/***
 * Waits until the child, which has been led, waits.
 * @return true|nil ok
 * @return userns.Error? err of its step that failed, or ESRCH: it is gone
 */
static int prepared_ready(lua_State *L)
{
    struct launch *l = check_led(L, 1);
    if (!is_ours(l))
        return userns_fail(L, "ready", NULL, ESRCH, NULL);
    if (userns_launch_meet(l) == 0) {
        lua_pushboolean(L, true);
        return 1;
    }
    userns_push_failure(L, l);
    userns_launch_end(l);
    return 2;
}

/* Once for ever, also where the host has been forked. */
static bool is_first(struct launch *l)
{
    return __atomic_exchange_n(&l->control->served, 1, __ATOMIC_ACQ_REL) == 0;
}

static int refuse(lua_State *L, const char *syscall, int errnum)
{
    lua_pushboolean(L, false);
    userns_push_error(L, "serve", syscall, errnum, NULL);
    return 2;
}

/***
 * Gives the child, which has been led, its program: returns as soon as it
 * executes that. A child takes one program only, and is gone for this handle
 * afterwards.
 * @param program userdata what pack returned, of the steps descriptors and exec
 * @param descriptors integer[] as launch's
 * @return userns.sys.Process|nil|false process false: it was not given; without
 *   an error the child is gone, else it waits on
 * @return userns.Error|userns.Error[] err as launch's
 * @source unix(7)
 */
static int prepared_serve(lua_State *L)
{
    struct launch *l = check_led(L, 1);
    struct message message;
    struct handles handles;
    lua_settop(L, 3);
    if (!read_message(L, 2, 3, &message))
        return refuse(L, "sendmsg", EMSGSIZE);
    userns_push_handles(L, &handles);
    if (!is_ours(l) || userns_launch_meet(l) != 0 || !is_first(l)) {
        let_go(l);
        lua_pushboolean(L, false);
        return 1;
    }
    if (send_message(l->hand[0], &message) == 0)
        return userns_return_launched(L, &handles, l, userns_launch_finish(l));
    int errnum = errno;
    l->control->served = 0;
    if (errnum != EPIPE && errnum != ECONNRESET)
        return refuse(L, "sendmsg", errnum);
    let_go(l);
    lua_pushboolean(L, false);
    return 1;
}

/***
 * Ends a child that has no program. Closing twice does nothing.
 */
static int prepared_close(lua_State *L)
{
    let_go(luaL_checkudata(L, 1, METATABLE));
    return 0;
}

void userns_open_prepared(lua_State *L)
{
    static const luaL_Reg methods[] = {
        {"fileno", prepared_fileno}, {"lead", prepared_lead},
        {"ready", prepared_ready},   {"serve", prepared_serve},
        {"close", prepared_close},   {NULL, NULL},
    };
    static const luaL_Reg metamethods[] = {
        {"__gc", prepared_close},
        {"__close", prepared_close},
        {NULL, NULL},
    };
    static const luaL_Reg functions[] = {
        {"prepare", sys_prepare},
        {NULL, NULL},
    };
    userns_new_type(L, METATABLE, metamethods, methods);
    luaL_setfuncs(L, functions, 0);
}
