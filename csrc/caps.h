/* Capabilities as words: a set of them is a bit for each by its number. */
#ifndef USERNS_CAPS_H
#define USERNS_CAPS_H

#include <stdint.h>

#include "check.h"

static inline uint64_t userns_cap_bit(int cap)
{
    return UINT64_C(1) << cap;
}

/* The number of the last one; libcap asks the kernel how many there are. */
int userns_last_cap(void);

/* A capability ("net_raw", "cap_net_raw" or "CAP_NET_RAW"), "all" that the
   kernel knows, "none", or a list of these, as a bit set. */
uint64_t userns_check_caps(lua_State *L, int arg);

/* The same for the value at an index, which is in a field of the argument. */
uint64_t userns_check_caps_field(lua_State *L, int arg, const char *field,
                                 int index);

/* "net_raw", or a list of such names. */
const char *userns_push_cap_name(lua_State *L, int cap);
void userns_push_caps(lua_State *L, uint64_t bits);

/* The words of the secure bits. */
extern const struct word userns_securebits[];

#endif
