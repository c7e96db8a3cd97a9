#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "check.h"
#include "error.h"
#include "fd.h"
#include "namespace.h"
#include "netlink.h"
#include "sys.h"

#define METATABLE "userns.netlink"

struct rtnl *userns_check_netlink(lua_State *L)
{
    struct rtnl *r = luaL_checkudata(L, 1, METATABLE);
    luaL_argcheck(L, r->fd >= 0, 1, "closed netlink handle");
    return r;
}

static const char *syscall_name(uint32_t number)
{
    switch (number) {
    case SYS_clone3:
        return "clone3";
    case SYS_ioctl:
        return "ioctl";
    case SYS_recvfrom:
        return "recvfrom";
    case SYS_sendto:
        return "sendto";
    case SYS_setns:
        return "setns";
    case SYS_socket:
    default:
        return "socket";
    }
}

const char *userns_check_interface(lua_State *L, int arg)
{
    const char *name = userns_check_text(L, arg);
    luaL_argcheck(L, 0 < strlen(name) && strlen(name) < IFNAMSIZ, arg,
                  "an interface's name has 1 to 15 bytes");
    return name;
}

void userns_set_attribute_text(lua_State *L, const char *field,
                               struct rtattr *a)
{
    const char *text = RTA_DATA(a);
    lua_pushlstring(L, text, strnlen(text, RTA_PAYLOAD(a)));
    lua_setfield(L, -2, field);
}

/* What the kernel says in words beside the number (NETLINK_EXT_ACK); the words
   are all that comes with an answer, since NETLINK_CAP_ACK leaves the request
   out. */
static void set_detail(lua_State *L, struct rtnl *r)
{
    size_t begin = NLMSG_LENGTH(sizeof(struct nlmsgerr));
    size_t left = r->length > begin ? r->length - begin : 0;
    struct rtattr *a = (struct rtattr *)(void *)(r->answer.data + begin);
    for (; RTA_OK(a, left); a = RTA_NEXT(a, left))
        if (a->rta_type == NLMSGERR_ATTR_MSG)
            userns_set_attribute_text(L, "detail", a);
}

int userns_netlink_fail(lua_State *L, struct rtnl *r, long error,
                        const char *op, const char *path)
{
    userns_fail(L, op, syscall_name(r->syscall), (int)-error, path);
    if (r->syscall == SYS_sendto)
        set_detail(L, r);
    return 2;
}

static void ask_for_words(const struct rtnl *r)
{
    const int on = 1;
    (void)setsockopt(r->fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on);
    (void)setsockopt(r->fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof on);
}

/***
 * A handle on the interfaces, addresses and routes of a net namespace, the
 * caller's own or another, which lives on while the handle is open.
 * @param target? integer|string|file*|table|userns.Process|userns.Namespace
 * @return userns.Netlink|nil netlink
 * @return userns.Error? err EPERM for a namespace that the caller may not join
 * @source rtnetlink(7)
 */
static int sys_netlink(lua_State *L)
{
    int netns = -1;
    lua_settop(L, 1);
    struct rtnl *r = lua_newuserdatauv(L, sizeof *r, 0);
    memset(r, 0, sizeof *r);
    r->fd = -1;
    luaL_setmetatable(L, METATABLE);
    if (!lua_isnil(L, 1)) {
        if (userns_push_namespace(L, "net", 1) != 1)
            return 2;
        netns = userns_namespace_fd(L, -1);
    }
    long error =
        netns < 0 ? userns_rtnl_open(r) : userns_rtnl_open_in(r, netns);
    if (error == 0 && userns_lift_fd(&r->fd) != 0)
        return userns_fail(L, "netlink", "fcntl", errno, /* path= */ NULL);
    if (error != 0)
        return userns_netlink_fail(L, r, error, "netlink", /* path= */ NULL);
    ask_for_words(r);
    lua_settop(L, 2);
    return 1;
}

/***
 * Closes the handle.
 * @return true
 * @source close(2)
 */
static int netlink_close(lua_State *L)
{
    struct rtnl *r = luaL_checkudata(L, 1, METATABLE);
    userns_close_fd(&r->fd);
    lua_pushboolean(L, true);
    return 1;
}

static int netlink_tostring(lua_State *L)
{
    const struct rtnl *r = luaL_checkudata(L, 1, METATABLE);
    lua_pushstring(L, r->fd < 0 ? METATABLE " (closed)" : METATABLE);
    return 1;
}

void userns_open_netlink(lua_State *L)
{
    static const luaL_Reg methods[] = {
        {"close", netlink_close},
        {NULL, NULL},
    };
    static const luaL_Reg metamethods[] = {
        {"__gc", netlink_close},
        {"__close", netlink_close},
        {"__tostring", netlink_tostring},
        {NULL, NULL},
    };
    static const luaL_Reg functions[] = {
        {"netlink", sys_netlink},
        {NULL, NULL},
    };
    userns_new_type(L, METATABLE, metamethods, methods);
    userns_add_methods(L, METATABLE, userns_netlink_changes);
    userns_add_methods(L, METATABLE, userns_netlink_getters);
    luaL_setfuncs(L, functions, 0);
}
