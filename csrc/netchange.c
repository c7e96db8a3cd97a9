#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <ctype.h>
#include <limits.h>
#include <linux/if_link.h>
#include <linux/veth.h>
#include <net/if.h>
#include <stdbool.h>
#include <string.h>

#include "check.h"
#include "ip.h"
#include "namespace.h"
#include "netlink.h"

static int answer(lua_State *L, struct rtnl *r, long result, const char *op,
                  const char *path)
{
    if (result < 0)
        return userns_netlink_fail(L, r, result, op, path);
    lua_pushboolean(L, true);
    return 1;
}

/* Pushes a field; false, and nothing, where the table has none. */
static bool push(lua_State *L, int table, const char *field)
{
    if (lua_getfield(L, table, field) != LUA_TNIL)
        return true;
    lua_pop(L, 1);
    return false;
}

static int hex(char c)
{
    return isdigit((unsigned char)c) ? c - '0' : tolower(c) - 'a' + 10;
}

static void check_mac(lua_State *L, int arg, uint8_t ret_mac[MAC_SIZE])
{
    const char *text = userns_check_text(L, arg);
    bool good = strlen(text) == MAC_SIZE * 3 - 1;
    for (size_t i = 0; good && i < MAC_SIZE; i++) {
        const char *byte = text + i * 3;
        good = isxdigit((unsigned char)byte[0]) &&
               isxdigit((unsigned char)byte[1]) &&
               (byte[2] == ':' || i == MAC_SIZE - 1);
        ret_mac[i] = (uint8_t)(good ? hex(byte[0]) << 4 | hex(byte[1]) : 0);
    }
    luaL_argcheck(L, good, arg, "no hardware address (\"02:00:00:00:00:01\")");
}

/* The number of the interface that arg names, or has the number of; -errno. */
static long check_index(lua_State *L, struct rtnl *r, int arg)
{
    if (lua_isinteger(L, arg))
        return userns_check_integer(L, arg, 1, INT_MAX);
    return userns_rtnl_index(r, userns_check_interface(L, arg));
}

/* The name, or the number in words. */
static const char *name_of(lua_State *L, int arg)
{
    return luaL_tolstring(L, arg, /* len= */ NULL);
}

static void add_name(lua_State *L, struct request *q, int table)
{
    if (!push(L, table, "name"))
        return;
    const char *name = userns_check_interface(L, lua_gettop(L));
    userns_rtnl_add(q, IFLA_IFNAME, name, strlen(name) + 1);
    lua_pop(L, 1);
}

static void add_mtu(lua_State *L, struct request *q, int table)
{
    if (!push(L, table, "mtu"))
        return;
    uint32_t mtu =
        (uint32_t)userns_check_integer(L, lua_gettop(L), 0, UINT16_MAX);
    userns_rtnl_add(q, IFLA_MTU, &mtu, sizeof mtu);
    lua_pop(L, 1);
}

static void add_mac(lua_State *L, struct request *q, int table)
{
    uint8_t mac[MAC_SIZE];
    if (!push(L, table, "mac"))
        return;
    check_mac(L, lua_gettop(L), mac);
    userns_rtnl_add(q, IFLA_ADDRESS, mac, sizeof mac);
    lua_pop(L, 1);
}

/* 0, or 2 with nil and an error on the stack. */
static int add_master(lua_State *L, struct rtnl *r, struct request *q,
                      int table, const char *op)
{
    if (!push(L, table, "master"))
        return 0;
    const char *name = userns_check_interface(L, lua_gettop(L));
    long index = userns_rtnl_index(r, name);
    if (index < 0)
        return userns_netlink_fail(L, r, index, op, name);
    uint32_t master = (uint32_t)index;
    userns_rtnl_add(q, IFLA_MASTER, &master, sizeof master);
    lua_pop(L, 1);
    return 0;
}

/* The same.  The handle stays on the stack, as the request has its number, and
   is closed when the function returns. */
static int add_netns(lua_State *L, struct request *q, int table)
{
    if (!push(L, table, "netns"))
        return 0;
    if (userns_push_namespace(L, "net", lua_gettop(L)) != 1)
        return 2;
    lua_toclose(L, -1);
    int fd = userns_namespace_fd(L, -1);
    userns_rtnl_add(q, IFLA_NET_NS_FD, &fd, sizeof fd);
    return 0;
}

static int add_link(lua_State *L, struct rtnl *r, struct request *q, int table,
                    const char *op)
{
    add_name(L, q, table);
    add_mtu(L, q, table);
    add_mac(L, q, table);
    int failed = add_master(L, r, q, table, op);
    return failed != 0 ? failed : add_netns(L, q, table);
}

static struct ifinfomsg link_body(lua_State *L, int table, uint32_t index)
{
    struct ifinfomsg body = {.ifi_index = (int)index};
    if (push(L, table, "up")) {
        luaL_argcheck(L, lua_isboolean(L, -1), table, "up is no boolean");
        body.ifi_change = IFF_UP;
        body.ifi_flags = lua_toboolean(L, -1) ? IFF_UP : 0;
        lua_pop(L, 1);
    }
    return body;
}

static const char *const LINK_FIELDS[] = {
    "name", "mtu", "mac", "master", "netns", "up", NULL,
};

/* veth(4) cannot bring the peer up before there is the other end. */
static const char *const PEER_FIELDS[] = {
    "name", "mtu", "mac", "master", "netns", NULL,
};

static const char *const NEW_LINK_FIELDS[] = {
    "name", "mtu", "mac", "master", "netns", "up", "type", "peer", NULL,
};

static int add_peer(lua_State *L, struct rtnl *r, struct request *q)
{
    size_t data = userns_rtnl_nest(q, IFLA_INFO_DATA);
    int peer = lua_gettop(L);
    luaL_checktype(L, peer, LUA_TTABLE);
    userns_check_fields(L, peer, PEER_FIELDS);
    struct ifinfomsg body = {0};
    size_t nest = userns_rtnl_nest(q, VETH_INFO_PEER);
    userns_rtnl_append(q, &body, sizeof body);
    int failed = add_link(L, r, q, peer, "link_add");
    userns_rtnl_end(q, nest);
    userns_rtnl_end(q, data);
    return failed;
}

static int add_kind(lua_State *L, struct rtnl *r, struct request *q)
{
    lua_getfield(L, 2, "type");
    const char *kind = userns_check_interface(L, lua_gettop(L));
    size_t info = userns_rtnl_nest(q, IFLA_LINKINFO);
    userns_rtnl_add(q, IFLA_INFO_KIND, kind, strlen(kind));
    int failed = push(L, 2, "peer") ? add_peer(L, r, q) : 0;
    userns_rtnl_end(q, info);
    return failed;
}

/***
 * Makes an interface.  A pair of them is made at once: what peer says is about
 * the other end.
 * @param link { type: string, name: string?, mtu: integer?, mac: string?,
 * master: string?, netns: any, up: boolean?, peer: table? } type as "veth" or
 * "bridge"; master the bridge that it is a port of; netns the target whose net
 * namespace it is put into
 * @return true|nil ok
 * @return userns.Error? err EPERM without CAP_NET_ADMIN over each namespace
 * that takes part
 * @source rtnetlink(7)
 */
static int netlink_link_add(lua_State *L)
{
    struct request q;
    struct rtnl *r = userns_check_netlink(L);
    luaL_checktype(L, 2, LUA_TTABLE);
    userns_check_fields(L, 2, NEW_LINK_FIELDS);
    lua_settop(L, 2);
    struct ifinfomsg body = link_body(L, 2, 0);
    userns_rtnl_begin(&q, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &body,
                      sizeof body);
    int failed = add_link(L, r, &q, 2, "link_add");
    if (failed == 0)
        failed = add_kind(L, r, &q);
    if (failed != 0)
        return failed;
    lua_getfield(L, 2, "name");
    return answer(L, r, userns_rtnl_talk(r, &q), "link_add",
                  lua_tostring(L, -1));
}

/***
 * Changes an interface: its name, mtu and mac, whether it is up, the bridge
 * that it is a port of, and the namespace it is in.
 * @param interface string|integer its name or its index
 * @param link { name: string?, mtu: integer?, mac: string?, master: string?,
 * netns: any, up: boolean? }
 * @return true|nil ok
 * @return userns.Error? err ENODEV where there is none of the name; EPERM
 * @source rtnetlink(7)
 */
static int netlink_link_set(lua_State *L)
{
    struct request q;
    struct rtnl *r = userns_check_netlink(L);
    luaL_checktype(L, 3, LUA_TTABLE);
    userns_check_fields(L, 3, LINK_FIELDS);
    lua_settop(L, 3);
    long index = check_index(L, r, 2);
    const char *name = name_of(L, 2);
    if (index < 0)
        return userns_netlink_fail(L, r, index, "link_set", name);
    struct ifinfomsg body = link_body(L, 3, (uint32_t)index);
    userns_rtnl_begin(&q, RTM_NEWLINK, 0, &body, sizeof body);
    int failed = add_link(L, r, &q, 3, "link_set");
    if (failed != 0)
        return failed;
    return answer(L, r, userns_rtnl_talk(r, &q), "link_set", name);
}

/***
 * Removes an interface, and with it the other end of a pair.
 * @param interface string|integer its name or its index
 * @return true|nil ok
 * @return userns.Error? err ENODEV, EPERM; EOPNOTSUPP for hardware
 * @source rtnetlink(7)
 */
static int netlink_link_del(lua_State *L)
{
    struct request q;
    struct rtnl *r = userns_check_netlink(L);
    long index = check_index(L, r, 2);
    const char *name = name_of(L, 2);
    if (index < 0)
        return userns_netlink_fail(L, r, index, "link_del", name);
    struct ifinfomsg body = {.ifi_index = (int)index};
    userns_rtnl_begin(&q, RTM_DELLINK, 0, &body, sizeof body);
    return answer(L, r, userns_rtnl_talk(r, &q), "link_del", name);
}

/***
 * Gives an interface an address.
 * @param interface string|integer its name or its index
 * @param address string with the bits that name its network: "10.0.0.1/24"
 * @return true|nil ok
 * @return userns.Error? err ENODEV, EEXIST, EPERM
 * @source rtnetlink(7)
 */
static int netlink_address_add(lua_State *L)
{
    struct rtnl *r = userns_check_netlink(L);
    struct ip ip = userns_check_ip(L, 3, /* word= */ NULL);
    long index = check_index(L, r, 2);
    if (index < 0)
        return userns_netlink_fail(L, r, index, "address_add", name_of(L, 2));
    return answer(L, r, userns_rtnl_address(r, (uint32_t)index, &ip),
                  "address_add", lua_tostring(L, 3));
}

static struct ip check_ip_field(lua_State *L, const char *field,
                                const char *word)
{
    struct ip none = {0};
    if (!push(L, 2, field))
        return none;
    return userns_check_ip(L, lua_gettop(L), word);
}

/***
 * Adds a route.
 * @param route { to: string, dev: string, via: string? } to a network or
 *   "default"; without via what it leads to is on the link
 * @return true|nil ok
 * @return userns.Error? err ENODEV, EEXIST, EPERM; ENETUNREACH for a via that
 * no address of the interface's leads to
 * @source rtnetlink(7)
 */
static int netlink_route_add(lua_State *L)
{
    static const char *const fields[] = {"to", "dev", "via", NULL};
    struct rtnl *r = userns_check_netlink(L);
    luaL_checktype(L, 2, LUA_TTABLE);
    userns_check_fields(L, 2, fields);
    lua_settop(L, 2);
    lua_getfield(L, 2, "dev");
    const char *dev = userns_check_interface(L, 3);
    struct ip to = check_ip_field(L, "to", "default");
    struct ip via = check_ip_field(L, "via", /* word= */ NULL);
    luaL_argcheck(L, to.family != 0 || via.family != 0, 2,
                  "the default route needs via");
    luaL_argcheck(L,
                  to.family == 0 || via.family == 0 || to.family == via.family,
                  2, "to and via are of two families");
    long index = userns_rtnl_index(r, dev);
    if (index < 0)
        return userns_netlink_fail(L, r, index, "route_add", dev);
    lua_getfield(L, 2, "to");
    return answer(L, r, userns_rtnl_route(r, (uint32_t)index, &to, &via),
                  "route_add", lua_tostring(L, -1));
}

const luaL_Reg userns_netlink_changes[] = {
    {"link_add", netlink_link_add},   {"link_set", netlink_link_set},
    {"link_del", netlink_link_del},   {"address_add", netlink_address_add},
    {"route_add", netlink_route_add}, {NULL, NULL},
};
