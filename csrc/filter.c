#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "error.h"
#include "sys.h"

#ifdef USERNS_LIBSECCOMP

#include "bpf.h"

static void wrong(lua_State *L, const char *field, const char *why)
{
    luaL_argerror(L, 1, lua_pushfstring(L, "%s: %s", field, why));
}

/* Pushes a field and tells its type. */
static int push(lua_State *L, const char *field, int type, const char *what)
{
    int found = lua_getfield(L, -1, field);
    if (found != LUA_TNIL && found != type)
        wrong(L, field, lua_pushfstring(L, "%s expected", what));
    return found;
}

static int64_t integer_field(lua_State *L, const char *field, lua_Integer min,
                             lua_Integer max, lua_Integer otherwise)
{
    int64_t value = otherwise;
    if (push(L, field, LUA_TNUMBER, "an integer") != LUA_TNIL) {
        if (!lua_isinteger(L, -1))
            wrong(L, field, "an integer expected");
        value = lua_tointeger(L, -1);
        if (value < min || value > max)
            wrong(L, field, "out of range");
    }
    lua_pop(L, 1);
    return value;
}

/* The word of a field, which the table keeps. */
static const char *word_field(lua_State *L, const char *field)
{
    const char *word = NULL;
    if (push(L, field, LUA_TSTRING, "a word") != LUA_TNIL)
        word = lua_tostring(L, -1);
    else
        wrong(L, field, "missing");
    lua_pop(L, 1);
    return word;
}

static uint64_t look_up(lua_State *L, const char *field,
                        const struct word *words)
{
    const char *word = word_field(L, field);
    while (words->name != NULL && strcmp(words->name, word) != 0)
        words++;
    if (words->name == NULL)
        wrong(L, field, lua_pushfstring(L, "unknown word '%s'", word));
    return words->value;
}

static uint32_t errno_field(lua_State *L)
{
    int type = lua_getfield(L, -1, "errno");
    lua_pop(L, 1);
    if (type != LUA_TSTRING)
        return (uint32_t)integer_field(L, "errno", 1, 4095, EPERM);
    const char *name = word_field(L, "errno");
    int number = userns_errno_number(name);
    if (number == 0)
        wrong(L, "errno", lua_pushfstring(L, "unknown error '%s'", name));
    return (uint32_t)number;
}

static uint32_t action_field(lua_State *L, const char *field)
{
    static const struct word actions[] = {
        {"allow", SCMP_ACT_ALLOW},       {"errno", SCMP_ACT_ERRNO(0)},
        {"kill", SCMP_ACT_KILL_PROCESS}, {"log", SCMP_ACT_LOG},
        {"trap", SCMP_ACT_TRAP},         {NULL, 0},
    };
    uint32_t action = (uint32_t)look_up(L, field, actions);
    return action == SCMP_ACT_ERRNO(0) ? SCMP_ACT_ERRNO(errno_field(L))
                                       : action;
}

/* Fields that must be there. */
static void require(lua_State *L, const char *const *fields)
{
    for (; *fields != NULL; fields++) {
        if (lua_getfield(L, -1, *fields) == LUA_TNIL)
            wrong(L, *fields, "missing");
        lua_pop(L, 1);
    }
}

/* libseccomp has the mask of a masked comparison before the value. */
static struct scmp_arg_cmp condition(lua_State *L)
{
    static const char *const fields[] = {"index", "op", "value", "mask", NULL};
    static const char *const required[] = {"index", "op", "value", NULL};
    static const struct word ops[] = {
        {"eq", SCMP_CMP_EQ},
        {"ne", SCMP_CMP_NE},
        {"lt", SCMP_CMP_LT},
        {"le", SCMP_CMP_LE},
        {"ge", SCMP_CMP_GE},
        {"gt", SCMP_CMP_GT},
        {"masked_eq", SCMP_CMP_MASKED_EQ},
        {NULL, 0},
    };
    userns_check_fields(L, lua_gettop(L), fields);
    require(L, required);
    enum scmp_compare op = (enum scmp_compare)look_up(L, "op", ops);
    uint64_t value =
        (uint64_t)integer_field(L, "value", LUA_MININTEGER, LUA_MAXINTEGER, 0);
    uint64_t mask =
        (uint64_t)integer_field(L, "mask", LUA_MININTEGER, LUA_MAXINTEGER, -1);
    bool masked = op == SCMP_CMP_MASKED_EQ;
    return (struct scmp_arg_cmp){
        .arg = (unsigned)integer_field(L, "index", 0, ARGUMENTS - 1, 0),
        .op = op,
        .datum_a = masked ? mask : value,
        .datum_b = masked ? value & mask : 0,
    };
}

/* The list of a field on the stack, and its length; an empty one for none. */
static size_t push_list(lua_State *L, const char *field)
{
    if (push(L, field, LUA_TTABLE, "a list") == LUA_TNIL) {
        lua_pop(L, 1);
        lua_newtable(L);
    }
    lua_Integer count = userns_list_length(L, -1);
    if (count < 0)
        wrong(L, field, "a list without holes expected");
    return (size_t)count;
}

static void read_conditions(lua_State *L, struct rule *r)
{
    size_t count = push_list(L, "args");
    if (count > ARGUMENTS)
        wrong(L, "args", "a system call has 6 arguments at most");
    r->count = (unsigned)count;
    for (size_t i = 0; i < count; i++) {
        lua_rawgeti(L, -1, (lua_Integer)i + 1);
        luaL_argexpected(L, lua_istable(L, -1), 1, "conditions as tables");
        r->args[i] = condition(L);
        for (size_t j = 0; j < i; j++)
            if (r->args[j].arg == r->args[i].arg)
                wrong(L, "args", "one condition for an argument at most");
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

static void read_name(lua_State *L, struct rule *r)
{
    if (lua_type(L, -1) != LUA_TSTRING)
        wrong(L, "names", "a list of names expected");
    r->name = lua_tostring(L, -1);
    r->call = seccomp_syscall_resolve_name(r->name);
    if (r->call == __NR_SCMP_ERROR)
        wrong(L, "names",
              lua_pushfstring(L, "unknown system call '%s'", r->name));
}

/* The rule on top of the stack, once for each of its names; they stay in the
   argument: hence no lua_geti, which a metatable may answer with others. */
static void read_rule(lua_State *L, struct rules *rules)
{
    static const char *const fields[] = {"names", "action", "errno", "args",
                                         NULL};
    struct rule rule = {.action = 0};
    luaL_argexpected(L, lua_istable(L, -1), 1, "rules as tables");
    userns_check_fields(L, lua_gettop(L), fields);
    rule.action = action_field(L, "action");
    read_conditions(L, &rule);
    size_t count = push_list(L, "names");
    for (size_t i = 0; i < count; i++) {
        lua_rawgeti(L, -1, (lua_Integer)i + 1);
        read_name(L, &rule);
        rules->list[rules->count++] = rule;
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

/* How many names the rules of the list on top of the stack have. */
static size_t count_names(lua_State *L, size_t count)
{
    size_t names = 0;
    for (size_t i = 0; i < count; i++) {
        lua_rawgeti(L, -1, (lua_Integer)i + 1);
        luaL_argexpected(L, lua_istable(L, -1), 1, "rules as tables");
        names += push_list(L, "names");
        lua_pop(L, 2);
    }
    return names;
}

static void read_rules(lua_State *L, struct rules *rules)
{
    size_t count = push_list(L, "rules");
    size_t names = count_names(L, count);
    /* the collector's, and below what is read from now on */
    rules->list = lua_newuserdatauv(L, (names + 1) * sizeof *rules->list, 0);
    lua_insert(L, 1);
    for (size_t i = 0; i < count; i++) {
        lua_rawgeti(L, -1, (lua_Integer)i + 1);
        read_rule(L, rules);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

static void read_architectures(lua_State *L, struct rules *rules)
{
    size_t count = push_list(L, "architectures");
    if (count > ARCHITECTURES)
        wrong(L, "architectures", "too many");
    for (size_t i = 0; i < count; i++) {
        lua_rawgeti(L, -1, (lua_Integer)i + 1);
        const char *name = lua_tostring(L, -1);
        uint32_t token = name == NULL ? 0 : seccomp_arch_resolve_name(name);
        /* its numbers are x86-64's and its own, in one table */
        if (token == 0 || token == SCMP_ARCH_X32)
            wrong(L, "architectures",
                  lua_pushfstring(L, "no filter can be made for '%s'",
                                  name == NULL ? "?" : name));
        rules->architectures[i] = token;
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    rules->architecture_count = count;
    if (count == 0)
        rules->architectures[rules->architecture_count++] =
            seccomp_arch_native();
}

/***
 * Compiles rules to a filter of system calls.  The first rule that names a call
 * and whose conditions all hold has the answer: "allow", "errno" (that error,
 * EPERM if none is named), "kill" (the process), "trap" (SIGSYS) or "log"; what
 * no rule matches gets the default.  A call of any other architecture than
 * those listed ends the process, and so does any of x32.
 *
 * A rule is { names = { "ioctl" }, action = "errno", errno = "ENOTTY", args = {
 * { index = 1, op = "masked_eq", mask = 0xffffffff, value = 0x5412 } } }; the
 * ops are eq, ne, lt, le, ge, gt and masked_eq, all of unsigned 64-bit numbers.
 * 32-bit x86 has sockets and System V IPC behind one call each, whose arguments
 * no filter sees: there a rule with conditions on them does not allow, and
 * denies all.
 * @param rules table default (a word), errno, rules and architectures (names as
 *   "x86_64" and "x86"; the native one alone when absent)
 * @return string|nil program instructions of struct sock_filter
 * @return userns.Error? err ENOSYS where userns was built without libseccomp;
 *   E2BIG for more than the 4096 instructions that a kernel takes
 * @source seccomp_rule_add(3)
 */
static int sys_seccomp_filter(lua_State *L)
{
    static const char *const fields[] = {"default", "errno", "rules",
                                         "architectures", NULL};
    struct rules rules = {.count = 0};
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    luaL_checkstack(L, 16, "rules");
    userns_check_fields(L, 1, fields);
    rules.otherwise = action_field(L, "default");
    read_architectures(L, &rules);
    read_rules(L, &rules);
    struct program *program = lua_newuserdatauv(L, sizeof *program, 0);
    int error = userns_compile_rules(program, &rules);
    if (error != 0)
        return userns_fail(L, "seccomp", "seccomp_export_bpf", -error,
                           /* path= */ NULL);
    lua_pushlstring(L, (const char *)program->code,
                    program->count * sizeof program->code[0]);
    return 1;
}

/***
 * The name of a system call of this architecture.
 * @param number integer
 * @return string|nil name nil for a number that libseccomp does not know
 * @return userns.Error? err ENOSYS where userns was built without libseccomp
 * @source seccomp_syscall_resolve_num_arch(3)
 */
static int sys_syscall_name(lua_State *L)
{
    int number = (int)userns_check_integer(L, 1, 0, INT32_MAX);
    char name[64];
    char *found = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, number);
    bool fits = found != NULL && strlen(found) < sizeof name;
    if (fits)
        strcpy(name, found);
    free(found);
    if (fits)
        lua_pushstring(L, name);
    else
        lua_pushnil(L);
    return 1;
}

/***
 * The number of a system call.
 * @param name string
 * @return integer|nil number negative for one that only other architectures
 *   have; nil for a name that libseccomp does not know
 * @return userns.Error? err ENOSYS where userns was built without libseccomp
 * @source seccomp_syscall_resolve_name(3)
 */
static int sys_syscall_number(lua_State *L)
{
    int number = seccomp_syscall_resolve_name(userns_check_text(L, 1));
    if (number == __NR_SCMP_ERROR)
        lua_pushnil(L);
    else
        lua_pushinteger(L, number);
    return 1;
}

#else

static int refuse(lua_State *L)
{
    userns_fail(L, "seccomp", /* syscall= */ NULL, ENOSYS, /* path= */ NULL);
    lua_pushliteral(L, "userns was built without libseccomp");
    lua_setfield(L, -2, "message");
    lua_pushliteral(L, "install its header (Debian: libseccomp-dev), and build "
                       "userns again");
    lua_setfield(L, -2, "hint");
    return 2;
}

static int sys_seccomp_filter(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    return refuse(L);
}

static int sys_syscall_name(lua_State *L)
{
    userns_check_integer(L, 1, 0, INT32_MAX);
    return refuse(L);
}

static int sys_syscall_number(lua_State *L)
{
    userns_check_text(L, 1);
    return refuse(L);
}

#endif

void userns_open_filter(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"seccomp_filter", sys_seccomp_filter},
        {"syscall_name", sys_syscall_name},
        {"syscall_number", sys_syscall_number},
        {NULL, NULL},
    };
    luaL_setfuncs(L, functions, 0);
}
