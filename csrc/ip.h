/* Internet addresses as Lua writes them. */
#ifndef USERNS_IP_H
#define USERNS_IP_H

#include <stdbool.h>

#include "compat.h"
#include "rtnl.h"

/* "10.0.0.2/24" or "fd00::2"; the prefix is all bits where none is told. */
bool userns_parse_ip(const char *text, struct ip *ret_ip);

/* The same, raised where it is none.  A word that stands for none may be
   given. */
struct ip userns_check_ip(lua_State *L, int arg, const char *word);

#endif
