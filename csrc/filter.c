/*
 * Filters of system calls, compiled by libseccomp.
 *
 * What libseccomp does with several rules for one system call depends on their
 * order and their conditions; here the first rule that matches has the say.  So
 * the rules of each architecture are cut into layers which have one rule for a
 * system call at most, each layer is compiled by itself, and the layers are put
 * behind each other: what a layer has no answer for falls through to the next.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "check.h"
#include "error.h"
#include "signals.h"
#include "sys.h"

#ifdef USERNS_LIBSECCOMP

#include <seccomp.h>

#define ARGUMENTS     6
#define ARCHITECTURES 8

/* Answers that no rule can give: on to what comes next. */
#define NEXT_LAYER        SCMP_ACT_TRACE(1)
#define NEXT_ARCHITECTURE SCMP_ACT_TRACE(2)

/* One system call of a rule; the name is a string of the caller's table. */
struct rule {
    const char *name;
    int call;
    uint32_t action;
    unsigned count;
    struct scmp_arg_cmp args[ARGUMENTS];
};

struct rules {
    struct rule *list;
    size_t count;
    uint32_t otherwise;
    uint32_t architectures[ARCHITECTURES];
    size_t architecture_count;
};

struct program {
    size_t count;
    struct sock_filter code[BPF_MAXINSNS];
};

/* ---- architectures ------------------------------------------------------- */

/* Several system calls behind one number, with arguments that a filter cannot
   see: 32-bit x86 has sockets (-101 to -120) and System V IPC (-201 to -224)
   so, and libseccomp these numbers for it. */
static bool is_multiplexed(int call)
{
    return (-120 <= call && call <= -101) || (-224 <= call && call <= -201);
}

static bool is_multiplexer(const struct rule *r)
{
    return strcmp(r->name, "socketcall") == 0 || strcmp(r->name, "ipc") == 0;
}

/* Whether an architecture has the system call at all. */
static bool has_call(uint32_t architecture, const struct rule *r)
{
    int call = seccomp_syscall_resolve_name_arch(architecture, r->name);
    return call >= 0 || (architecture == SCMP_ARCH_X86 && is_multiplexed(call));
}

/* ---- layers -------------------------------------------------------------- */

/* Could both match one system call? */
static bool overlap(const struct rule *a, const struct rule *b)
{
    return a->call == b->call || is_multiplexer(a) || is_multiplexer(b);
}

static size_t layer_end(const struct rules *rules, size_t start)
{
    size_t end = start;
    for (; end < rules->count; end++)
        for (size_t i = start; i < end; i++)
            if (overlap(&rules->list[i], &rules->list[end]))
                return end;
    return end;
}

/* Where the arguments cannot be seen libseccomp leaves the conditions out.
   Allowing would then be for all, and so is not done; denying is. */
static int add_unseen(scmp_filter_ctx filter, const struct rule *r)
{
    if (r->action == SCMP_ACT_ALLOW || r->action == SCMP_ACT_LOG)
        return 0;
    return seccomp_rule_add_array(filter, r->action, r->call, r->count,
                                  r->args);
}

static int add_rule(scmp_filter_ctx filter, uint32_t architecture,
                    const struct rule *r)
{
    if (!has_call(architecture, r))
        return 0;
    int error = seccomp_rule_add_exact_array(filter, r->action, r->call,
                                             r->count, r->args);
    if (error == -EINVAL && r->count > 0)
        error = add_unseen(filter, r);
    return error;
}

/* A filter for a single architecture. */
static int set_up(scmp_filter_ctx filter, uint32_t architecture)
{
    int error =
        seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, NEXT_ARCHITECTURE);
    if (error != 0 || architecture == seccomp_arch_native())
        return error;
    error = seccomp_arch_add(filter, architecture);
    return error != 0 ? error : seccomp_arch_remove(filter, SCMP_ARCH_NATIVE);
}

static scmp_filter_ctx new_layer(const struct rules *rules, size_t start,
                                 size_t end, uint32_t architecture,
                                 int *ret_error)
{
    scmp_filter_ctx filter = seccomp_init(NEXT_LAYER);
    *ret_error = filter == NULL ? -ENOMEM : set_up(filter, architecture);
    for (size_t i = start; i < end && *ret_error == 0; i++)
        *ret_error = add_rule(filter, architecture, &rules->list[i]);
    return filter;
}

/* ---- the program --------------------------------------------------------- */

static int add_code(struct program *p, struct sock_filter instruction)
{
    if (p->count == BPF_MAXINSNS)
        return -E2BIG;
    p->code[p->count++] = instruction;
    return 0;
}

static int add_answer(struct program *p, uint32_t action)
{
    return add_code(p, (struct sock_filter){BPF_RET | BPF_K, 0, 0, action});
}

/* An answer since some instruction becomes a jump to what comes next. */
static void resolve(struct program *p, size_t start, uint32_t action)
{
    for (size_t i = start; i < p->count; i++)
        if (p->code[i].code == (BPF_RET | BPF_K) && p->code[i].k == action)
            p->code[i] = (struct sock_filter){BPF_JMP | BPF_JA, 0, 0,
                                              (uint32_t)(p->count - i - 1)};
}

/* libseccomp writes to descriptors. */
static int read_code(struct program *p, int fd)
{
    off_t size = lseek(fd, 0, SEEK_END);
    size_t room = (BPF_MAXINSNS - p->count) * sizeof p->code[0];
    if (size < 0)
        return -errno;
    if ((size_t)size > room)
        return -E2BIG;
    ssize_t n = pread(fd, &p->code[p->count], (size_t)size, 0);
    if (n != size)
        return n < 0 ? -errno : -EIO;
    p->count += (size_t)n / sizeof p->code[0];
    return 0;
}

static int export_code(struct program *p, scmp_filter_ctx filter)
{
    int fd = memfd_create("userns seccomp", MFD_CLOEXEC);
    if (fd < 0)
        return -errno;
    bool held = userns_hold_xfsz();
    int error = seccomp_export_bpf(filter, fd);
    userns_drop_xfsz(held);
    if (error == -ECANCELED) /* what libseccomp calls errno */
        error = -errno;
    if (error == 0)
        error = read_code(p, fd);
    close(fd);
    return error;
}

/* Not left to libseccomp, which looks at the architecture only where it has a
   rule.  x32 has the architecture of x86-64, and a bit in its numbers; -1 is
   what a tracer has made of a call that is not to be done. */
static int add_prelude(struct program *p, uint32_t architecture)
{
    const struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, architecture, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, NEXT_ARCHITECTURE),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x40000000, 0, 2),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0xffffffff, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, NEXT_ARCHITECTURE),
    };
    size_t count = architecture == SCMP_ARCH_X86_64 ? 7 : 3;
    int error = 0;
    for (size_t i = 0; i < count && error == 0; i++)
        error = add_code(p, code[i]);
    return error;
}

static int add_layer(struct program *p, const struct rules *rules, size_t start,
                     size_t end, uint32_t architecture)
{
    int error;
    size_t first = p->count;
    scmp_filter_ctx filter = new_layer(rules, start, end, architecture, &error);
    if (error == 0)
        error = export_code(p, filter);
    if (filter != NULL)
        seccomp_release(filter);
    resolve(p, first, NEXT_LAYER);
    return error;
}

static int add_architecture(struct program *p, const struct rules *rules,
                            uint32_t architecture)
{
    size_t first = p->count;
    int error = add_prelude(p, architecture);
    for (size_t start = 0; start < rules->count && error == 0;) {
        size_t end = layer_end(rules, start);
        error = add_layer(p, rules, start, end, architecture);
        start = end;
    }
    if (error == 0)
        error = add_answer(p, rules->otherwise);
    resolve(p, first, NEXT_ARCHITECTURE);
    return error;
}

/* 0 or -errno.  What belongs to no architecture listed is the end of the
   process. */
static int compile(struct program *p, const struct rules *rules)
{
    int error = 0;
    p->count = 0;
    for (size_t i = 0; i < rules->architecture_count && error == 0; i++)
        error = add_architecture(p, rules, rules->architectures[i]);
    return error != 0 ? error : add_answer(p, SCMP_ACT_KILL_PROCESS);
}

/* ---- what the caller says ------------------------------------------------ */

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
    int error = compile(program, &rules);
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
