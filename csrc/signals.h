#ifndef USERNS_SIGNALS_H
#define USERNS_SIGNALS_H

#include <stdbool.h>

/* Who writes beyond RLIMIT_FSIZE, if only to memory, is sent SIGXFSZ, which
   ends the process.  While the calling thread holds it, all that comes of it is
   EFBIG. */
bool userns_hold_xfsz(void);

/* Lets it come as before; none that came meanwhile does.  Keeps errno. */
void userns_drop_xfsz(bool held);

#endif
