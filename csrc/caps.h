/* Capabilities as words (see caps.c). */
#ifndef USERNS_CAPS_H
#define USERNS_CAPS_H

#include <stdint.h>

#include "check.h"

/* A capability ("net_raw", "cap_net_raw" or "CAP_NET_RAW"), "all" that the
   kernel knows, "none", or a list of these, as a bit set. */
uint64_t userns_check_caps(lua_State *L, int arg);

/* The words of the secure bits. */
extern const struct word userns_securebits[];

#endif
