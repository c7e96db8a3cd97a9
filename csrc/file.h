/* What files are, in words (see file.c). */
#ifndef USERNS_FILE_H
#define USERNS_FILE_H

#include <sys/types.h>

/* "directory" for the type that a mode has. */
const char *userns_type_name(mode_t mode);

#endif
