#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <linux/if_link.h>
#include <linux/veth.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "check.h"
#include "error.h"
#include "fd.h"
#include "ip.h"
#include "sys.h"
#include "target.h"

#define METATABLE "userns.netlink"

enum { MAC_SIZE = 6 };

/* ---- addresses --------------------------------------------------------- */

/* The bits of a network's name: "24" of "10.0.0.0/24". */
static int parse_prefix(const char *text, int most)
{
    if (!isdigit((unsigned char)text[0]) || strlen(text) > 3)
        return -1;
    for (const char *c = text; *c != '\0'; c++)
        if (!isdigit((unsigned char)*c))
            return -1;
    int prefix = atoi(text);
    return prefix <= most ? prefix : -1;
}

bool userns_parse_ip(const char *text, struct ip *ret_ip)
{
    char address[INET6_ADDRSTRLEN];
    const char *slash = strchr(text, '/');
    size_t length = slash == NULL ? strlen(text) : (size_t)(slash - text);
    if (length >= sizeof address)
        return false;
    memcpy(address, text, length);
    address[length] = '\0';
    bool is_v6 = strchr(address, ':') != NULL;
    int bits = is_v6 ? 128 : 32;
    memset(ret_ip, 0, sizeof *ret_ip);
    ret_ip->family = is_v6 ? FAMILY_INET6 : FAMILY_INET;
    if (inet_pton(ret_ip->family, address, ret_ip->bytes) != 1)
        return false;
    int prefix = slash == NULL ? bits : parse_prefix(slash + 1, bits);
    ret_ip->prefix = (uint8_t)prefix;
    return prefix >= 0;
}

struct ip userns_check_ip(lua_State *L, int arg, const char *word)
{
    struct ip ip = {0};
    const char *text = userns_check_text(L, arg);
    luaL_argcheck(L,
                  (word != NULL && strcmp(text, word) == 0) ||
                      userns_parse_ip(text, &ip),
                  arg, "no internet address");
    return ip;
}

static bool has_host_bits(const struct ip *ip)
{
    size_t size = ip->family == FAMILY_INET ? 4 : 16;
    for (size_t bit = ip->prefix; bit < size * 8; bit++)
        if ((ip->bytes[bit / 8] >> (7 - bit % 8) & 1) != 0)
            return true;
    return false;
}

static void push_ip(lua_State *L, const struct ip *ip)
{
    char text[INET6_ADDRSTRLEN];
    (void)inet_ntop(ip->family, ip->bytes, text, sizeof text);
    lua_pushstring(L, text);
}

/***
 * What the text of an internet address says: family is "inet" or "inet6",
 * prefix the bits that name the network (all, where none are told), network
 * whether the others are 0.
 * @param text string "10.0.0.2/24", "fd00::2"
 * @return { family: string, address: string, prefix: integer, network: boolean
 * }? address nil for what is none
 * @source inet_pton(3)
 */
static int sys_parse_address(lua_State *L)
{
    struct ip ip;
    if (!userns_parse_ip(userns_check_text(L, 1), &ip))
        return 0;
    lua_createtable(L, 0, 4);
    lua_pushstring(L, ip.family == FAMILY_INET ? "inet" : "inet6");
    lua_setfield(L, -2, "family");
    push_ip(L, &ip);
    lua_setfield(L, -2, "address");
    lua_pushinteger(L, ip.prefix);
    lua_setfield(L, -2, "prefix");
    lua_pushboolean(L, !has_host_bits(&ip));
    lua_setfield(L, -2, "network");
    return 1;
}

/* ---- the socket -------------------------------------------------------- */

static struct rtnl *check_socket(lua_State *L)
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

static void set_string(lua_State *L, const char *field, struct rtattr *a)
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
            set_string(L, "detail", a);
}

static int fail(lua_State *L, struct rtnl *r, long error, const char *op,
                const char *path)
{
    userns_fail(L, op, syscall_name(r->syscall), (int)-error, path);
    if (r->syscall == SYS_sendto)
        set_detail(L, r);
    return 2;
}

static int answer(lua_State *L, struct rtnl *r, long result, const char *op,
                  const char *path)
{
    if (result < 0)
        return fail(L, r, result, op, path);
    lua_pushboolean(L, true);
    return 1;
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
        return fail(L, r, error, "netlink", /* path= */ NULL);
    ask_for_words(r);
    lua_settop(L, 2);
    return 1;
}

/* ---- interfaces -------------------------------------------------------- */

static const char *check_name(lua_State *L, int arg)
{
    const char *name = userns_check_text(L, arg);
    luaL_argcheck(L, 0 < strlen(name) && strlen(name) < IFNAMSIZ, arg,
                  "an interface's name has 1 to 15 bytes");
    return name;
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
    return userns_rtnl_index(r, check_name(L, arg));
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
    const char *name = check_name(L, lua_gettop(L));
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
    const char *name = check_name(L, lua_gettop(L));
    long index = userns_rtnl_index(r, name);
    if (index < 0)
        return fail(L, r, index, op, name);
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
    const char *kind = check_name(L, lua_gettop(L));
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
    struct rtnl *r = check_socket(L);
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
    struct rtnl *r = check_socket(L);
    luaL_checktype(L, 3, LUA_TTABLE);
    userns_check_fields(L, 3, LINK_FIELDS);
    lua_settop(L, 3);
    long index = check_index(L, r, 2);
    const char *name = name_of(L, 2);
    if (index < 0)
        return fail(L, r, index, "link_set", name);
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
    struct rtnl *r = check_socket(L);
    long index = check_index(L, r, 2);
    const char *name = name_of(L, 2);
    if (index < 0)
        return fail(L, r, index, "link_del", name);
    struct ifinfomsg body = {.ifi_index = (int)index};
    userns_rtnl_begin(&q, RTM_DELLINK, 0, &body, sizeof body);
    return answer(L, r, userns_rtnl_talk(r, &q), "link_del", name);
}

/***
 * The index of an interface, which no other gets when it is gone.
 * @param name string
 * @return integer|nil index
 * @return userns.Error? err ENODEV
 * @source netdevice(7)
 */
static int netlink_link_index(lua_State *L)
{
    struct rtnl *r = check_socket(L);
    const char *name = check_name(L, 2);
    long index = userns_rtnl_index(r, name);
    if (index < 0)
        return fail(L, r, index, "link_index", name);
    lua_pushinteger(L, index);
    return 1;
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
    struct rtnl *r = check_socket(L);
    struct ip ip = userns_check_ip(L, 3, /* word= */ NULL);
    long index = check_index(L, r, 2);
    if (index < 0)
        return fail(L, r, index, "address_add", name_of(L, 2));
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
    struct rtnl *r = check_socket(L);
    luaL_checktype(L, 2, LUA_TTABLE);
    userns_check_fields(L, 2, fields);
    lua_settop(L, 2);
    lua_getfield(L, 2, "dev");
    const char *dev = check_name(L, 3);
    struct ip to = check_ip_field(L, "to", "default");
    struct ip via = check_ip_field(L, "via", /* word= */ NULL);
    luaL_argcheck(L, to.family != 0 || via.family != 0, 2,
                  "the default route needs via");
    luaL_argcheck(L,
                  to.family == 0 || via.family == 0 || to.family == via.family,
                  2, "to and via are of two families");
    long index = userns_rtnl_index(r, dev);
    if (index < 0)
        return fail(L, r, index, "route_add", dev);
    lua_getfield(L, 2, "to");
    return answer(L, r, userns_rtnl_route(r, (uint32_t)index, &to, &via),
                  "route_add", lua_tostring(L, -1));
}

/* ---- what there is ----------------------------------------------------- */

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
            set_string(L, "type", a);
}

static void set_attribute(lua_State *L, struct rtattr *a)
{
    switch (a->rta_type) {
    case IFLA_IFNAME:
        set_string(L, "name", a);
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
    struct rtnl *r = check_socket(L);
    userns_rtnl_begin(&q, RTM_GETLINK, NLM_F_DUMP, &body, sizeof body);
    long result = userns_rtnl_send(r, &q);
    lua_newtable(L);
    while (result == 0) {
        result = userns_rtnl_receive(r, data, sizeof data);
        if (result > 0)
            result = add_links(L, r, data, (size_t)result);
    }
    return result < 0 ? fail(L, r, result, "links", /* path= */ NULL) : 1;
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
        {"link_add", netlink_link_add},
        {"link_set", netlink_link_set},
        {"link_del", netlink_link_del},
        {"link_index", netlink_link_index},
        {"links", netlink_links},
        {"address_add", netlink_address_add},
        {"route_add", netlink_route_add},
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
        {"parse_address", sys_parse_address},
        {NULL, NULL},
    };
    userns_new_type(L, METATABLE, metamethods, methods);
    luaL_setfuncs(L, functions, 0);
}
