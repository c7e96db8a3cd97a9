/*
 * Requests of rtnetlink(7), built and sent without libc: the child's, about its
 * own interfaces, and Lua's, in any namespace.  What sends returns 0 or -errno.
 */
#ifndef USERNS_RTNL_H
#define USERNS_RTNL_H

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stddef.h>
#include <stdint.h>

/* linux/socket.h has no address families. */
enum { FAMILY_NETLINK = 16, FAMILY_INET = 2, FAMILY_INET6 = 10 };

/* An internet address, and how many of its bits name the network. */
struct ip {
    uint8_t family; /* 0: none */
    uint8_t prefix;
    uint8_t bytes[16];
};

/* A socket, and what came of the last request. */
struct rtnl {
    int fd;
    uint32_t syscall; /* the last one made */
    uint32_t sequence;
    uint32_t length; /* of the answer */
    union {
        struct nlmsghdr header;
        char data[1024];
    } answer;
};

struct request {
    size_t used;
    union {
        struct nlmsghdr header;
        char data[512];
    } message;
};

/* A socket in the caller's net namespace, or in that of a descriptor: made by a
   process that lives no longer than that, since a thread of the host's must not
   go there. */
long userns_rtnl_open(struct rtnl *r);
long userns_rtnl_open_in(struct rtnl *r, int netns);

/* The body is what a request of its type begins with; attributes follow.  What
   has no room is left out, and the request refused. */
void userns_rtnl_begin(struct request *q, uint16_t type, uint16_t flags,
                       const void *body, size_t size);
void userns_rtnl_append(struct request *q, const void *data, size_t size);
void userns_rtnl_add(struct request *q, uint16_t type, const void *data,
                     size_t size);
size_t userns_rtnl_nest(struct request *q, uint16_t type);
void userns_rtnl_end(struct request *q, size_t nest);

/* Sends a request, and waits for what the kernel says to it. */
long userns_rtnl_send(struct rtnl *r, struct request *q);
long userns_rtnl_receive(struct rtnl *r, void *data, size_t size);
long userns_rtnl_talk(struct rtnl *r, struct request *q);

/* The number of an interface. */
long userns_rtnl_index(struct rtnl *r, const char *name);

/* Brings an interface up; gives it an address; adds a route through it.  `to`
   without a family is the default route, `via` without one a network that is on
   the link. */
long userns_rtnl_up(struct rtnl *r, uint32_t index);
long userns_rtnl_address(struct rtnl *r, uint32_t index, const struct ip *ip);
long userns_rtnl_route(struct rtnl *r, uint32_t index, const struct ip *to,
                       const struct ip *via);

#endif
