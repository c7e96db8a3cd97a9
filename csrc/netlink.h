/*
 * A socket of rtnetlink(7) in a net namespace: userdata "userns.netlink", made
 * in netlink.c.  What can be changed there is in netchange.c, what is to be
 * asked in netget.c.
 */
#ifndef USERNS_NETLINK_H
#define USERNS_NETLINK_H

#include "compat.h"
#include "rtnl.h"

enum { MAC_SIZE = 6 };

/* The socket of the method's object, which must be open. */
struct rtnl *userns_check_netlink(lua_State *L);

/* The name of an interface. */
const char *userns_check_interface(lua_State *L, int arg);

/* Sets a field of the table on top of the stack to an attribute's text. */
void userns_set_attribute_text(lua_State *L, const char *field,
                               struct rtattr *a);

/* Fails as userns_fail does, with -errno of a request; the error's detail is
   what the kernel says of it. */
int userns_netlink_fail(lua_State *L, struct rtnl *r, long error,
                        const char *op, const char *path);

/* The methods of either kind. */
extern const luaL_Reg userns_netlink_changes[];
extern const luaL_Reg userns_netlink_getters[];

#endif
