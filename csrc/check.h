/*
 * Arguments checked on their way from Lua to the kernel.  A check_ function
 * raises a Lua error that names the argument and the reason; none returns a
 * value that was cut to fit.
 */
#ifndef USERNS_CHECK_H
#define USERNS_CHECK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "compat.h"

/* A word of the library's and what it means to the kernel. */
struct word {
    const char *name;
    uint64_t value;
};

/* An integer (never a float or a string that looks like one) in a range. */
lua_Integer userns_check_integer(lua_State *L, int arg, lua_Integer min,
                                 lua_Integer max);

/* A user or group id, 0 to 4294967294: the kernel reads 4294967295 as -1,
   "leave unchanged". */
uint32_t userns_check_id(lua_State *L, int arg);

/* Permission bits, 0 to 07777, as an integer or an octal string ("0755"). */
mode_t userns_check_mode(lua_State *L, int arg);

/* A string without NUL bytes, or NULL where nil is allowed. */
const char *userns_check_text(lua_State *L, int arg);
const char *userns_opt_text(lua_State *L, int arg);

/* A name in a directory: no slash, not empty, neither "." nor "..". */
const char *userns_check_name(lua_State *L, int arg);

/* A descriptor's number, given as an integer, an io file, { fd = 5 } or an
   object of ours that has a fileno method.  The caller of the library goes on
   owning it.  is_fd tells beforehand whether the value is one of these. */
bool userns_is_fd(lua_State *L, int arg);
int userns_check_fd(lua_State *L, int arg);

/* A signal as "TERM", "SIGTERM" or 15. */
int userns_check_signal(lua_State *L, int arg);

/* "SIGTERM" for 15; "SIG34" for what has no name of its own. */
void userns_push_signal(lua_State *L, int signum);

/* A list's length; -1 for a table with holes or other keys.  Read as an empty
   list, { net_raw = true } would change nothing and say nothing. */
lua_Integer userns_list_length(lua_State *L, int index);
lua_Integer userns_check_list(lua_State *L, int arg);

/* A word, or a list of words, as the or of their values.  The table of words
   ends with a NULL name. */
uint64_t userns_check_words(lua_State *L, int arg, const struct word *words,
                            const char *what);

/* A namespace name, or a list of them, as CLONE_NEW* bits; may be empty. */
uint64_t userns_check_namespaces(lua_State *L, int arg);

/* A table without keys other than the known ones (ends with NULL). */
void userns_check_fields(lua_State *L, int arg, const char *const *known);

/* Seconds, 0 or more and finite; -1 where nil is given ("for ever"). */
double userns_opt_seconds(lua_State *L, int arg);

/* The same for poll(2), rounded up. */
int userns_milliseconds(double seconds);

#endif
