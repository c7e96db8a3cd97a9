/*
 * The words for what the settings of a process can be, once: for the packer,
 * and for the schema, which asks for them by sys.words.  Every table ends with
 * a NULL name.
 */
#ifndef USERNS_SETTINGWORDS_H
#define USERNS_SETTINGWORDS_H

#include "check.h"

extern const struct word userns_limits[];   /* RLIMIT_*, of prlimit(2) */
extern const struct word userns_personas[]; /* of personality(2) */
/* of landlock(7) */
extern const struct word userns_fs_rights[];
extern const struct word userns_net_rights[];
extern const struct word userns_scopes[];

#endif
