/* The procfs at /proc, where a process is known by its number. */
#ifndef USERNS_PROC_H
#define USERNS_PROC_H

/* 0 where the numbers in there are those of the caller's pid namespace, so that
   it finds who it means; else -1 with readlinkat(2)'s errno, or ESRCH. */
int userns_check_proc(void);

#endif
