#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "ip.h"
#include "sys.h"

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

void userns_open_ip(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"parse_address", sys_parse_address},
        {NULL, NULL},
    };
    luaL_setfuncs(L, functions, 0);
}
