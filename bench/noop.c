/*
 * The program of the standard job: static, does nothing, so that a measured
 * launch is all launching.
 */
#include <unistd.h>

_Noreturn void _start(void);

void _start(void)
{
    _exit(0);
}
