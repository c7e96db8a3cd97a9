/* A plan of Lua's, packed into one arena that refers to nothing of Lua's. */
#ifndef USERNS_PACK_H
#define USERNS_PACK_H

#include "compat.h"
#include "launch.h"
#include "step.h"

/* The arena of the program at arg and, unless NULL is given, the memory for its
   launches; valid as long as that value is alive. */
const struct arena *userns_check_program(lua_State *L, int arg,
                                         struct room **ret_room);

#endif
