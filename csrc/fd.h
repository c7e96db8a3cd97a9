/* A descriptor that Lua owns: userdata "userns.fd". */
#ifndef USERNS_FD_H
#define USERNS_FD_H

#include <stdbool.h>

#include "compat.h"

/* Pushes a closed handle; open into it at once: *slot = fd.  -1 is closed. */
int *userns_push_fd(lua_State *L);

/* Moves a descriptor out of the way of standard input, output and error, which
   a host may have closed.  Takes fd over; -1 with errno on failure. */
int userns_above_stdio(int fd);

/* A copy, above standard streams, closed on exec; -1 with errno. */
int userns_dup_fd(int fd);

/* The same for a descriptor that its slot goes on owning where it cannot be
   moved: 0, or -1 with errno. */
int userns_lift_fd(int *slot);

/* A bit for each standard stream that the host has closed: the program's
   becomes /dev/null. */
unsigned userns_closed_streams(void);

/* Whether a descriptor is one of these. */
bool userns_is_closed_stream(unsigned closed, int fd);

/* Closes *slot if it is open and marks it closed; keeps errno. */
void userns_close_fd(int *slot);

#endif
