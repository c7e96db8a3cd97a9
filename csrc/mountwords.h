/*
 * The words for the flags of mounts, once.  A word that is not given is off;
 * none asks for what is so anyway ("rw", "exec").  Every table ends with a
 * NULL name.
 */
#ifndef USERNS_MOUNTWORDS_H
#define USERNS_MOUNTWORDS_H

#include "check.h"

extern const struct word userns_mount_flags[];  /* MS_*, of mount(2) */
extern const struct word userns_umount_flags[]; /* MNT_*, of umount2(2) */
extern const struct word userns_propagations[]; /* MS_*, of mount_setattr(2) */

/* MOUNT_ATTR_*, and by the same words the bits that each decides: the three
   ways to keep access times are values of one field, and relatime is its 0. */
extern const struct word userns_mount_attrs[];
extern const struct word userns_mount_attr_masks[];

/* The words in a field of the table that is argument arg; 0 where the field is
   nil. */
uint64_t userns_words_field(lua_State *L, int arg, const char *field,
                            const struct word *words, const char *what);

#endif
