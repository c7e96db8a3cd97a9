/* What the launches that Lua asks for have in common. */
#ifndef USERNS_SPAWN_H
#define USERNS_SPAWN_H

#include "compat.h"
#include "launch.h"

struct process;

/* What a launch fills in, pushed before it begins: nothing may raise an error
   once there is a child. */
struct handles {
    int at; /* on the stack */
    struct process *process;
    struct process *program; /* with init */
    int *terminal;
};

void userns_push_handles(lua_State *L, struct handles *ret);

/* Ends a launch that came to this result: the process, refusals that did not
   end it and, if there is one, the terminal; or nil and the error. */
int userns_return_launched(lua_State *L, const struct handles *h,
                           struct launch *l, int result);

/* Calls the function at index 3 that does Lua's steps: an integer that it
   returns is a descriptor for the child; what it returned besides nil, or
   raised, stays on the stack. */
int userns_call_step(struct launch *l, uint32_t step, int *ret_fd);

/* nil and the error of a launch that failed, and has not been ended yet: some
   of it stands in the control words. */
void userns_push_failure(lua_State *L, const struct launch *l);

/* Whether it is a step of Lua's that ended the launch: what that said is above
   the top of before.  What it was refused because the child had ended is not
   told, as the child has said why. */
bool userns_was_called(lua_State *L, const struct launch *l, int top);

/* The error of a step that was Lua's to do is on top of the stack. */
int userns_return_called(lua_State *L, const struct launch *l);

#endif
