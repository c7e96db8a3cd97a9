#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <linux/if_link.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "netlink.h"

/***
 * The index of an interface, which no other gets when it is gone.
 * @param name string
 * @return integer|nil index
 * @return userns.Error? err ENODEV
 * @source netdevice(7)
 */
static int netlink_link_index(lua_State *L)
{
    struct rtnl *r = userns_check_netlink(L);
    const char *name = userns_check_interface(L, 2);
    long index = userns_rtnl_index(r, name);
    if (index < 0)
        return userns_netlink_fail(L, r, index, "link_index", name);
    lua_pushinteger(L, index);
    return 1;
}

static void set_number(lua_State *L, const char *field, struct rtattr *a)
{
    uint32_t number;
    if (RTA_PAYLOAD(a) < sizeof number)
        return;
    memcpy(&number, RTA_DATA(a), sizeof number);
    lua_pushinteger(L, number);
    lua_setfield(L, -2, field);
}

static void set_mac(lua_State *L, struct rtattr *a)
{
    const uint8_t *mac = RTA_DATA(a);
    char text[MAC_SIZE * 3];
    if (RTA_PAYLOAD(a) != MAC_SIZE)
        return;
    (void)snprintf(text, sizeof text, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0],
                   mac[1], mac[2], mac[3], mac[4], mac[5]);
    lua_pushstring(L, text);
    lua_setfield(L, -2, "mac");
}

static void set_kind(lua_State *L, struct rtattr *info)
{
    struct rtattr *a = RTA_DATA(info);
    for (size_t left = RTA_PAYLOAD(info); RTA_OK(a, left);
         a = RTA_NEXT(a, left))
        if (a->rta_type == IFLA_INFO_KIND)
            userns_set_attribute_text(L, "type", a);
}

static void set_attribute(lua_State *L, struct rtattr *a)
{
    switch (a->rta_type) {
    case IFLA_IFNAME:
        userns_set_attribute_text(L, "name", a);
        break;
    case IFLA_MTU:
        set_number(L, "mtu", a);
        break;
    case IFLA_ADDRESS:
        set_mac(L, a);
        break;
    case IFLA_MASTER:
        set_number(L, "master", a);
        break;
    case IFLA_LINKINFO:
        set_kind(L, a);
        break;
    default:
        break;
    }
}

static void push_link(lua_State *L, struct nlmsghdr *message)
{
    struct ifinfomsg *body = NLMSG_DATA(message);
    struct rtattr *a = IFLA_RTA(body);
    lua_createtable(L, 0, 8);
    lua_pushinteger(L, body->ifi_index);
    lua_setfield(L, -2, "index");
    lua_pushboolean(L, (body->ifi_flags & IFF_UP) != 0);
    lua_setfield(L, -2, "up");
    for (size_t left = IFLA_PAYLOAD(message); RTA_OK(a, left);
         a = RTA_NEXT(a, left))
        set_attribute(L, a);
}

/* Adds the interfaces of one message of a dump to the list on top of the stack;
   true when it was the last, or -errno. */
static long add_links(lua_State *L, const struct rtnl *r, char *data,
                      size_t size)
{
    struct nlmsghdr *m = (struct nlmsghdr *)(void *)data;
    for (; NLMSG_OK(m, size); m = NLMSG_NEXT(m, size)) {
        if (m->nlmsg_seq != r->sequence)
            continue;
        if (m->nlmsg_type == NLMSG_DONE)
            return 1;
        if (m->nlmsg_type == NLMSG_ERROR)
            return ((const struct nlmsgerr *)NLMSG_DATA(m))->error;
        push_link(L, m);
        lua_rawseti(L, -2, luaL_len(L, -2) + 1);
    }
    return 0;
}

/***
 * The interfaces that there are. master is the index of the bridge that one is
 * a port of.
 * @return { index: integer, name: string, type: string?, up: boolean, mtu:
 * integer, mac: string?, master: integer? }[]|nil list
 * @return userns.Error? err
 * @source rtnetlink(7)
 */
static int netlink_links(lua_State *L)
{
    _Alignas(struct nlmsghdr) char data[32768];
    struct request q;
    struct ifinfomsg body = {0};
    struct rtnl *r = userns_check_netlink(L);
    userns_rtnl_begin(&q, RTM_GETLINK, NLM_F_DUMP, &body, sizeof body);
    long result = userns_rtnl_send(r, &q);
    lua_newtable(L);
    while (result == 0) {
        result = userns_rtnl_receive(r, data, sizeof data);
        if (result > 0)
            result = add_links(L, r, data, (size_t)result);
    }
    return result < 0
               ? userns_netlink_fail(L, r, result, "links", /* path= */ NULL)
               : 1;
}

const luaL_Reg userns_netlink_getters[] = {
    {"link_index", netlink_link_index},
    {"links", netlink_links},
    {NULL, NULL},
};
