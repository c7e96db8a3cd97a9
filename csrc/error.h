/* The one error object: made here and nowhere else (see error.c). */
#ifndef USERNS_ERROR_H
#define USERNS_ERROR_H

#include "compat.h"

/* "EPERM" for 1; NULL for a number that names no error. */
const char *userns_errno_name(int errnum);

/* 1 for "EPERM"; 0 for a word that names no error. */
int userns_errno_number(const char *name);

/* Pushes an error object; path may be NULL.  May raise when memory is short:
   call it only when every resource is owned by a userdata or released. */
void userns_push_error(lua_State *L, const char *op, const char *syscall,
                       int errnum, const char *path);

/* A field of the table on top of the stack; a string that is NULL is none. */
void userns_set_string(lua_State *L, const char *field, const char *value);
void userns_set_integer(lua_State *L, const char *field, lua_Integer value);

/* Pushes nil and an error object, and returns 2: `return userns_fail(...)`. */
int userns_fail(lua_State *L, const char *op, const char *syscall, int errnum,
                const char *path);

/* As fail, for what is refused for reasons that errno does not tell: the error
   gets its cause (diagnose.lua), which may be looked for in the arguments of
   the calling function, still the first ones on the stack. */
int userns_refuse(lua_State *L, const char *op, const char *syscall, int errnum,
                  const char *path);

/* Has diagnose.lua find the cause of the error on top of the stack, above the
   nil that it is returned with. */
void userns_explain(lua_State *L);

/* Loads diagnose.lua, for who is about to leave the tree that it lies in. */
void userns_load_diagnosis(lua_State *L);

/* true when result is 0 or more, else nil and the refusal that errno tells. */
int userns_result(lua_State *L, long result, const char *op,
                  const char *syscall, const char *path);

#endif
