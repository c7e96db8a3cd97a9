/* What was found out about a refusal, for diagnose.lua. */
#ifndef USERNS_FOUND_H
#define USERNS_FOUND_H

#include "compat.h"
#include "step.h"

/* Sets fields of the error on top of the stack: its detail, the entries in the
   log of a file system's context; these and the field found. */
void userns_set_log(lua_State *L, const char *log);
void userns_set_found(lua_State *L, const struct found *found);

#endif
