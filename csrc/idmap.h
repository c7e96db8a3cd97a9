/* The lines of /proc/PID/uid_map and gid_map, and their text.  No Lua here. */
#ifndef USERNS_IDMAP_H
#define USERNS_IDMAP_H

#include <stddef.h>
#include <stdint.h>

/* count ids: inside, inside + 1 ... are outside, outside + 1 ... */
struct idrange {
    uint32_t inside;
    uint32_t outside;
    uint32_t count;
};

/* The kernel takes 340 lines since 4.15 (5 before), in one write of less than a
   page, of which 4096 bytes are the smallest. */
enum { USERNS_IDMAP_LINES = 340, USERNS_IDMAP_SIZE = 4096 };

/* Writes the lines as the kernel reads them.  Returns the text's length, or 0
   when it is more than the kernel takes. */
size_t userns_idmap_format(const struct idrange *ranges, size_t count,
                           char ret_text[USERNS_IDMAP_SIZE]);

#endif
