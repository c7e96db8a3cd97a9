/* Steps that set up the network inside, and what they share with Lua. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/sockios.h>
#include <string.h>

#include "rtnl.h"
#include "step_ops.h"

/* ---- requests ---------------------------------------------------------- */

/* A place for size bytes, or NULL; `used` counts on, so that what had no room
   is noticed. */
static char *reserve(struct request *q, size_t size)
{
    size_t begin = q->used;
    q->used = begin + NLMSG_ALIGN(size);
    return q->used <= sizeof q->message ? q->message.data + begin : NULL;
}

void userns_rtnl_append(struct request *q, const void *data, size_t size)
{
    char *place = reserve(q, size);
    if (place != NULL)
        memcpy(place, data, size);
}

void userns_rtnl_begin(struct request *q, uint16_t type, uint16_t flags,
                       const void *body, size_t size)
{
    memset(q, 0, sizeof *q);
    q->used = NLMSG_HDRLEN;
    q->message.header.nlmsg_type = type;
    q->message.header.nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
    userns_rtnl_append(q, body, size);
}

void userns_rtnl_add(struct request *q, uint16_t type, const void *data,
                     size_t size)
{
    struct rtattr head = {(uint16_t)RTA_LENGTH(size), type};
    char *place = reserve(q, RTA_LENGTH(size));
    if (place == NULL)
        return;
    memcpy(place, &head, sizeof head);
    if (size > 0)
        memcpy(place + RTA_LENGTH(0), data, size);
}

size_t userns_rtnl_nest(struct request *q, uint16_t type)
{
    size_t nest = q->used;
    userns_rtnl_add(q, type, NULL, 0);
    return nest;
}

void userns_rtnl_end(struct request *q, size_t nest)
{
    if (q->used > sizeof q->message)
        return;
    struct rtattr *head = (struct rtattr *)(void *)(q->message.data + nest);
    head->rta_len = (uint16_t)(q->used - nest);
}

/* ---- the socket -------------------------------------------------------- */

static long new_socket(uint32_t *ret_syscall)
{
    *ret_syscall = SYS_socket;
    return raw_syscall(SYS_socket, FAMILY_NETLINK, 3 /* SOCK_RAW */ | O_CLOEXEC,
                       NETLINK_ROUTE, 0, 0, 0);
}

static long keep(struct rtnl *r, long fd)
{
    r->fd = (int)fd;
    return fd < 0 ? fd : 0;
}

long userns_rtnl_open(struct rtnl *r)
{
    memset(r, 0, sizeof *r);
    return keep(r, new_socket(&r->syscall));
}

struct visit {
    int netns;
    uint32_t syscall;
    long result;
};

/* A process of its own, in the host's memory and with its descriptors. */
_Noreturn static void visit(void *arg)
{
    struct visit *v = arg;
    v->syscall = SYS_setns;
    v->result = raw_syscall(SYS_setns, v->netns, CLONE_NEWNET, 0, 0, 0, 0);
    if (v->result == 0)
        v->result = new_socket(&v->syscall);
    for (;;)
        raw_syscall(SYS_exit_group, 0, 0, 0, 0, 0, 0);
}

/* The caller waits until it has ended (CLONE_VFORK), and no handler of the
   host's runs in it. */
static long clone_visit(struct visit *v, void *stack, size_t size)
{
    const uint64_t all = ~(uint64_t)0;
    uint64_t before;
    struct clone_args args = {
        .flags = CLONE_VM | CLONE_VFORK | CLONE_FILES,
        .stack = (uintptr_t)stack,
        .stack_size = size,
    };
    raw_syscall(SYS_rt_sigprocmask, 2 /* SIG_SETMASK */, (long)&all,
                (long)&before, 8, 0, 0);
    long pid = raw_clone_any(&args, visit, v);
    if (pid > 0)
        raw_syscall(SYS_wait4, pid, 0, 0x40000000 /* __WALL */, 0, 0, 0);
    raw_syscall(SYS_rt_sigprocmask, 2, (long)&before, 0, 8, 0, 0);
    return pid;
}

long userns_rtnl_open_in(struct rtnl *r, int netns)
{
    _Alignas(16) char stack[8192];
    struct visit v = {netns, SYS_clone3, 0};
    memset(r, 0, sizeof *r);
    long pid = clone_visit(&v, stack, sizeof stack);
    r->syscall = v.syscall;
    return keep(r, pid < 0 ? pid : v.result);
}

/* ---- asking ------------------------------------------------------------ */

long userns_rtnl_send(struct rtnl *r, struct request *q)
{
    if (q->used > sizeof q->message)
        return -EMSGSIZE;
    q->message.header.nlmsg_len = (uint32_t)q->used;
    q->message.header.nlmsg_seq = ++r->sequence;
    long sent = CALL(r, sendto, r->fd, &q->message, q->used, 0, NULL, 0);
    return sent < 0 ? sent : 0;
}

/* The number of bytes.  A signal's handler is no reason to leave an answer
   behind, where the next request would find it. */
long userns_rtnl_receive(struct rtnl *r, void *data, size_t size)
{
    long received;
    do
        received = CALL(r, recvfrom, r->fd, data, size, 0, NULL, NULL);
    while (received == -EINTR);
    return received;
}

/* The kernel has answered by the time that sendto returns. */
long userns_rtnl_talk(struct rtnl *r, struct request *q)
{
    q->message.header.nlmsg_flags |= NLM_F_ACK;
    r->length = 0;
    long result = userns_rtnl_send(r, q);
    if (result != 0)
        return result;
    do {
        result = userns_rtnl_receive(r, &r->answer, sizeof r->answer);
        if (result < 0)
            return result;
        if (result < (long)NLMSG_LENGTH(sizeof(struct nlmsgerr)))
            return -EBADMSG;
    } while (r->answer.header.nlmsg_seq != r->sequence);
    const struct nlmsgerr *said = NLMSG_DATA(&r->answer.header);
    r->length = (uint32_t)result;
    r->syscall = SYS_sendto;
    return r->answer.header.nlmsg_type == NLMSG_ERROR ? said->error : -EBADMSG;
}

long userns_rtnl_index(struct rtnl *r, const char *name)
{
    struct ifreq request = {.ifr_ifindex = 0};
    size_t length = strlen(name);
    if (length >= sizeof request.ifr_name)
        return -ENODEV;
    memcpy(request.ifr_name, name, length);
    long error = CALL(r, ioctl, r->fd, SIOCGIFINDEX, &request);
    return error != 0 ? error : request.ifr_ifindex;
}

long userns_rtnl_up(struct rtnl *r, uint32_t index)
{
    struct request q;
    struct ifinfomsg body = {
        .ifi_index = (int)index, .ifi_flags = IFF_UP, .ifi_change = IFF_UP};
    userns_rtnl_begin(&q, RTM_NEWLINK, 0, &body, sizeof body);
    return userns_rtnl_talk(r, &q);
}

static size_t ip_size(const struct ip *ip)
{
    return ip->family == FAMILY_INET ? 4 : 16;
}

/* Nobody else can have the address: it is not tentative for a second. */
long userns_rtnl_address(struct rtnl *r, uint32_t index, const struct ip *ip)
{
    struct request q;
    struct ifaddrmsg body = {
        .ifa_family = ip->family,
        .ifa_prefixlen = ip->prefix,
        .ifa_flags = ip->family == FAMILY_INET6 ? IFA_F_NODAD : 0,
        .ifa_index = index,
    };
    userns_rtnl_begin(&q, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, &body,
                      sizeof body);
    userns_rtnl_add(&q, IFA_LOCAL, ip->bytes, ip_size(ip));
    userns_rtnl_add(&q, IFA_ADDRESS, ip->bytes, ip_size(ip));
    return userns_rtnl_talk(r, &q);
}

long userns_rtnl_route(struct rtnl *r, uint32_t index, const struct ip *to,
                       const struct ip *via)
{
    struct request q;
    struct rtmsg body = {
        .rtm_family = to->family != 0 ? to->family : via->family,
        .rtm_dst_len = to->prefix,
        .rtm_table = RT_TABLE_MAIN,
        .rtm_protocol = RTPROT_STATIC,
        .rtm_scope = via->family != 0 ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK,
        .rtm_type = RTN_UNICAST,
    };
    userns_rtnl_begin(&q, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, &body,
                      sizeof body);
    if (to->family != 0)
        userns_rtnl_add(&q, RTA_DST, to->bytes, ip_size(to));
    if (via->family != 0)
        userns_rtnl_add(&q, RTA_GATEWAY, via->bytes, ip_size(via));
    userns_rtnl_add(&q, RTA_OIF, &index, sizeof index);
    return userns_rtnl_talk(r, &q);
}

/* ---- steps ------------------------------------------------------------- */

/* Steps are few, and each has a socket of its own. */
static long with_interface(struct child *c, at name,
                           long (*act)(struct rtnl *r, uint32_t index,
                                       const void *step, struct child *c),
                           const void *step)
{
    struct rtnl r;
    long result = userns_rtnl_open(&r);
    if (result == 0)
        result = userns_rtnl_index(&r, text(c, name));
    if (result > 0)
        result = act(&r, (uint32_t)result, step, c);
    shut(r.fd);
    c->syscall = r.syscall;
    return result;
}

static long bring_up(struct rtnl *r, uint32_t index, const void *step,
                     struct child *c)
{
    (void)step;
    (void)c;
    return userns_rtnl_up(r, index);
}

long userns_do_link_up(struct child *c, const struct step_link_up *s)
{
    return with_interface(c, s->name, bring_up, s);
}

static long add_address(struct rtnl *r, uint32_t index, const void *step,
                        struct child *c)
{
    const struct step_address *s = step;
    return userns_rtnl_address(r, index, in_arena(c, s->address));
}

long userns_do_address(struct child *c, const struct step_address *s)
{
    return with_interface(c, s->dev, add_address, s);
}

static long add_route(struct rtnl *r, uint32_t index, const void *step,
                      struct child *c)
{
    const struct step_route *s = step;
    return userns_rtnl_route(r, index, in_arena(c, s->to), in_arena(c, s->via));
}

long userns_do_route(struct child *c, const struct step_route *s)
{
    return with_interface(c, s->dev, add_route, s);
}
