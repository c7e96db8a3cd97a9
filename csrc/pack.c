#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "caps.h"
#include "check.h"
#include "idmap.h"
#include "ip.h"
#include "mountwords.h"
#include "pack.h"
#include "settingwords.h"
#include "sys.h"

#define METATABLE "userns.program"

/* The arena as it grows, owned by a userdata: any line below may raise. */
struct program {
    char *data;
    size_t used;
    size_t size;
    struct room room;
};

struct packer {
    lua_State *L;
    struct program *program;
    uint32_t slots;
    uint32_t owned;
    uint32_t taken; /* descriptors that steps get from Lua */
    bool waits;     /* for its program */
    at descriptors;
    lua_Integer operand; /* of the step, from 1: the one that is being packed */
};

/* What sys_pack has on Lua's stack, and what lies on it in each step's turn. */
enum { PLAN = 1, PROGRAM, STEP, OPERANDS };

#define ROOM_AHEAD 4096 /* what most plans need besides their steps */

static at reserve(struct packer *p, size_t size)
{
    struct program *program = p->program;
    size_t start = (program->used + 7) & ~(size_t)7;
    if (size > INT_MAX || start + size > INT_MAX)
        luaL_error(p->L, "the plan is larger than 2 GiB");
    if (start + size > program->size) {
        size_t grown = start + size + program->size / 2 + ROOM_AHEAD;
        char *data = realloc(program->data, grown);
        if (data == NULL)
            luaL_error(p->L, "not enough memory for the plan");
        program->data = data;
        program->size = grown;
    }
    memset(program->data + program->used, 0, start + size - program->used);
    program->used = start + size;
    return (at)start;
}

static void *at_offset(const struct packer *p, at offset)
{
    return p->program->data + offset;
}

static at copy(struct packer *p, const void *data, size_t size)
{
    at offset = reserve(p, size);
    memcpy(at_offset(p, offset), data, size);
    return offset;
}

/* Pushes the step's next operand, which stays where it is until the step is
   done; false when the step has none.  Its name is a string of Lua's already,
   which lua_getfield would have to look for. */
static bool push(struct packer *p)
{
    lua_rawgeti(p->L, OPERANDS, ++p->operand);
    return lua_rawget(p->L, STEP) != LUA_TNIL;
}

/* Where the operand is that has been pushed last. */
static int here(const struct packer *p)
{
    return OPERANDS + (int)p->operand;
}

static void refuse(struct packer *p, const char *why)
{
    lua_rawgeti(p->L, OPERANDS, p->operand);
    luaL_error(p->L, "%s: %s", lua_tostring(p->L, -1), why);
}

/* Pushes the next operand, a list, and tells its length. */
static lua_Integer push_list(struct packer *p)
{
    if (!push(p))
        return 0;
    luaL_checktype(p->L, here(p), LUA_TTABLE);
    lua_Integer count = luaL_len(p->L, here(p));
    if (count > INT_MAX / 16)
        refuse(p, "too many entries");
    return count;
}

static int64_t pack_number(struct packer *p)
{
    return push(p) ? luaL_checkinteger(p->L, here(p)) : -1;
}

static uint32_t pack_flag(struct packer *p)
{
    return push(p) && lua_toboolean(p->L, here(p));
}

static at pack_string(struct packer *p, int arg)
{
    const char *string = userns_check_text(p->L, arg);
    return copy(p, string, strlen(string) + 1);
}

static at pack_text(struct packer *p)
{
    return push(p) ? pack_string(p, here(p)) : 0;
}

static at pack_bytes(struct packer *p)
{
    size_t length = 0;
    const char *data = push(p) ? luaL_checklstring(p->L, here(p), &length) : "";
    if (length > INT_MAX)
        refuse(p, "too long");
    at offset = reserve(p, sizeof(struct bytes) + length);
    struct bytes *bytes = at_offset(p, offset);
    bytes->length = (uint32_t)length;
    memcpy(bytes->data, data, length);
    return offset;
}

/* One item more than counted stays 0: the NULL that ends the strings. */
static at pack_list(struct packer *p)
{
    lua_Integer count = push_list(p);
    at offset = reserve(p, sizeof(struct list) +
                               ((size_t)count + 1) * sizeof(uint64_t));
    for (lua_Integer i = 0; i < count; i++) {
        lua_geti(p->L, here(p), i + 1);
        at item = pack_string(p, lua_gettop(p->L));
        ((struct list *)at_offset(p, offset))->items[i] = item;
        lua_pop(p->L, 1);
    }
    ((struct list *)at_offset(p, offset))->count = (uint32_t)count;
    return offset;
}

static at pack_ids(struct packer *p)
{
    lua_Integer count = push_list(p);
    at offset =
        reserve(p, sizeof(struct ids) + (size_t)count * sizeof(uint32_t));
    struct ids *ids = at_offset(p, offset);
    ids->count = (uint32_t)count;
    for (lua_Integer i = 0; i < count; i++) {
        lua_geti(p->L, here(p), i + 1);
        ids->id[i] = userns_check_id(p->L, lua_gettop(p->L));
        lua_pop(p->L, 1);
    }
    return offset;
}

static uint32_t range_field(lua_State *L, const char *field)
{
    lua_getfield(L, -1, field);
    lua_Integer value = userns_check_integer(L, lua_gettop(L), 0, UINT32_MAX);
    lua_pop(L, 1);
    return (uint32_t)value;
}

/* The text of a map file, as the kernel wants it in one write. */
static at pack_map(struct packer *p)
{
    struct idrange ranges[USERNS_IDMAP_LINES];
    char lines[USERNS_IDMAP_SIZE];
    lua_Integer count = push_list(p);
    luaL_argcheck(p->L, count <= USERNS_IDMAP_LINES, 1, "too many lines");
    for (lua_Integer i = 0; i < count; i++) {
        lua_geti(p->L, here(p), i + 1);
        ranges[i] = (struct idrange){range_field(p->L, "inside"),
                                     range_field(p->L, "outside"),
                                     range_field(p->L, "count")};
        lua_pop(p->L, 1);
    }
    size_t length = userns_idmap_format(ranges, (size_t)count, lines);
    luaL_argcheck(p->L, length > 0, 1, "the map's text is too long");
    return copy(p, lines, length + 1);
}

static uint64_t pack_words(struct packer *p,
                           uint64_t (*check)(lua_State *L, int arg))
{
    return push(p) ? check(p->L, here(p)) : 0;
}

static uint64_t check_attrs(lua_State *L, int arg)
{
    return userns_check_words(L, arg, userns_mount_attrs, "mount attribute");
}

static uint64_t check_securebits(lua_State *L, int arg)
{
    return userns_check_words(L, arg, userns_securebits, "secure bit");
}

static uint64_t check_propagation(lua_State *L, int arg)
{
    return userns_check_words(L, arg, userns_propagations, "propagation");
}

static int64_t pack_signal(struct packer *p)
{
    return push(p) ? userns_check_signal(p->L, here(p)) : 0;
}

static uint64_t check_limit(lua_State *L, int arg)
{
    return userns_check_words(L, arg, userns_limits, "resource limit");
}

static uint64_t check_persona(lua_State *L, int arg)
{
    return userns_check_words(L, arg, userns_personas, "personality");
}

static uint64_t check_fs_rights(lua_State *L, int arg)
{
    return userns_check_words(L, arg, userns_fs_rights, "Landlock right");
}

static uint64_t check_net_rights(lua_State *L, int arg)
{
    return userns_check_words(L, arg, userns_net_rights, "Landlock right");
}

static uint64_t check_scopes(lua_State *L, int arg)
{
    return userns_check_words(L, arg, userns_scopes, "Landlock scope");
}

/* What there is no limit to is the kernel's RLIM_INFINITY. */
static int64_t pack_amount(struct packer *p)
{
    bool unlimited = push(p) && lua_type(p->L, here(p)) == LUA_TSTRING &&
                     strcmp(lua_tostring(p->L, here(p)), "unlimited") == 0;
    return unlimited ? -1
                     : userns_check_integer(p->L, here(p), 0, LUA_MAXINTEGER);
}

/* All zero for none. */
static at pack_address(struct packer *p)
{
    struct ip ip = {0};
    if (push(p))
        ip = userns_check_ip(p->L, here(p), "default");
    return copy(p, &ip, sizeof ip);
}

/* Where each descriptor comes from is known only at launch. */
static at pack_descriptors(struct packer *p)
{
    lua_Integer count = push_list(p);
    at offset = reserve(p, sizeof(struct descriptors) +
                               (size_t)count * sizeof(struct descriptor));
    struct descriptors *fds = at_offset(p, offset);
    fds->count = (uint32_t)count;
    for (lua_Integer i = 0; i < count; i++) {
        lua_geti(p->L, here(p), i + 1);
        lua_getfield(p->L, -1, "target");
        fds->fd[i] = (struct descriptor){
            -1, (int32_t)userns_check_integer(p->L, lua_gettop(p->L), 0,
                                              INT_MAX - 1)};
        lua_pop(p->L, 2);
    }
    p->descriptors = offset;
    return offset;
}

/* One packing function for each op. */
#define OP(name, side, doc)                                                    \
    static void pack_step_##name(struct packer *p, struct step_##name *s)      \
    {                                                                          \
        (void)p;                                                               \
        (void)s;
#define END(name)          }
#define NUMBER(field)      s->field = pack_number(p);
#define FLAG(field)        s->field = pack_flag(p);
#define TEXT(field)        s->field = pack_text(p);
#define BYTES(field)       s->field = pack_bytes(p);
#define LIST(field)        s->field = pack_list(p);
#define IDS(field)         s->field = pack_ids(p);
#define MAP(field)         s->field = pack_map(p);
#define NAMESPACES(field)  s->field = pack_words(p, userns_check_namespaces);
#define ATTRS(field)       s->field = pack_words(p, check_attrs);
#define PROPAGATION(field) s->field = pack_words(p, check_propagation);
#define CAPS(field)        s->field = pack_words(p, userns_check_caps);
#define SECUREBITS(field)  s->field = pack_words(p, check_securebits);
#define SIGNAL(field)      s->field = pack_signal(p);
#define LIMIT(field)       s->field = pack_words(p, check_limit);
#define PERSONA(field)     s->field = pack_words(p, check_persona);
#define AMOUNT(field)      s->field = pack_amount(p);
#define FS_RIGHTS(field)   s->field = pack_words(p, check_fs_rights);
#define NET_RIGHTS(field)  s->field = pack_words(p, check_net_rights);
#define SCOPES(field)      s->field = pack_words(p, check_scopes);
#define ADDRESS(field)     s->field = pack_address(p);
#define DESCRIPTORS(field) s->field = pack_descriptors(p);
#include "ops.def"

#define OPERANDS_MAX 12

static const struct {
    const char *name;
    const char *doc;
    uint16_t side;
    const char *operands[OPERANDS_MAX + 1]; /* as the listing has them */
} ops[] = {
/* clang-format off */
#define OP(name, side, doc) {#name, doc, side, {
#define NUMBER(field)      #field,
#define FLAG(field)        #field,
#define TEXT(field)        #field,
#define BYTES(field)       #field,
#define LIST(field)        #field,
#define IDS(field)         #field,
#define MAP(field)         #field,
#define NAMESPACES(field)  #field,
#define ATTRS(field)       #field,
#define PROPAGATION(field) #field,
#define CAPS(field)        #field,
#define SECUREBITS(field)  #field,
#define SIGNAL(field)      #field,
#define LIMIT(field)       #field,
#define ADDRESS(field)     #field,
#define AMOUNT(field)      #field,
#define PERSONA(field)     #field,
#define FS_RIGHTS(field) #field,
#define NET_RIGHTS(field) #field,
#define SCOPES(field) #field,
#define DESCRIPTORS(field) #field,
#define END(name)          NULL}},
#include "ops.def"
    /* clang-format on */
};

static void push_operand_names(lua_State *L, unsigned op)
{
    lua_newtable(L);
    for (lua_Integer i = 0; ops[op].operands[i] != NULL; i++) {
        lua_pushstring(L, ops[op].operands[i]);
        lua_rawseti(L, -2, i + 1);
    }
}

/* The steps by name, for push_operands: of each its operands' names, and its
   number at 0. */
static void push_ops(lua_State *L)
{
    lua_createtable(L, 0, OP_COUNT);
    for (unsigned op = 0; op < OP_COUNT; op++) {
        push_operand_names(L, op);
        lua_pushinteger(L, (lua_Integer)op);
        lua_rawseti(L, -2, 0);
        lua_setfield(L, -2, ops[op].name);
    }
}

/* Pushes the names of the operands of the step on the top, and tells its op. */
static enum op push_operands(lua_State *L)
{
    if (lua_getfield(L, STEP, "op") != LUA_TSTRING)
        luaL_error(L, "a step's op is a string");
    if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TTABLE) {
        lua_getfield(L, STEP, "op");
        luaL_error(L, "unknown step '%s'", lua_tostring(L, -1));
    }
    lua_rawgeti(L, OPERANDS, 0);
    enum op op = (enum op)lua_tointeger(L, -1);
    lua_pop(L, 1);
    return op;
}

static void pack_operands(struct packer *p, union any_step *s)
{
    switch ((enum op)s->step.op) {
#define OP(name, side, doc)                                                    \
    case OP_##name:                                                            \
        pack_step_##name(p, &s->name);                                         \
        break;
#include "ops.def"
    default:
        break;
    }
}

static int64_t slot_of(const union any_step *s)
{
    switch ((enum op)s->step.op) {
    case OP_open:
        return s->open.slot;
    case OP_mount:
        return s->mount.slot;
    case OP_overlay:
        return s->overlay.slot;
    case OP_idmap:
        return s->idmap.slot;
    case OP_take:
        return s->take.slot;
    case OP_namespace:
        return s->namespace.slot;
    case OP_ruleset:
        return s->ruleset.slot;
    default:
        return -1;
    }
}

/* What a step adds at most to what is known as the container's own. */
static uint32_t own_file_systems(enum op op)
{
    switch (op) {
    case OP_mount:
    case OP_root_tmpfs:
    case OP_mask: /* one for all its directories */
        return 1;
    case OP_overlay:
    case OP_root_overlay:
        return 3; /* by device and by mount, and what keeps in memory */
    default:
        return 0;
    }
}

/* What the executor needs room for. */
static void count_room(struct packer *p, const union any_step *s)
{
    int64_t slot = slot_of(s);
    if (slot >= INT_MAX)
        luaL_error(p->L, "a slot is out of range");
    if (slot >= (int64_t)p->slots)
        p->slots = (uint32_t)slot + 1;
    p->owned += own_file_systems((enum op)s->step.op);
    p->taken += s->step.side == LUA && slot >= 0;
    p->waits |= s->step.op == OP_ready;
}

static struct arena *arena_of(const struct packer *p)
{
    return (struct arena *)(void *)p->program->data;
}

static void pack_step(struct packer *p, at steps, uint32_t i)
{
    union any_step s;
    memset(&s, 0, sizeof s);
    lua_geti(p->L, PLAN, (lua_Integer)i + 1);
    luaL_checktype(p->L, STEP, LUA_TTABLE);
    enum op op = push_operands(p->L);
    s.step = (struct step){(uint16_t)op, ops[op].side, i + 1};
    p->operand = 0;
    pack_operands(p, &s);
    /* a kind of operand that `ops` does not name would shift the others */
    if ((size_t)p->operand != lua_rawlen(p->L, OPERANDS))
        luaL_error(p->L, "step '%s' has operands without a name", ops[op].name);
    lua_settop(p->L, PROGRAM);
    count_room(p, &s);
    ((union any_step *)at_offset(p, steps))[i] = s;
    if (arena_of(p)->first[op] == 0)
        arena_of(p)->first[op] = i + 1;
}

static uint32_t descriptor_count(const struct packer *p)
{
    return p->descriptors == 0
               ? 0
               : ((const struct descriptors *)at_offset(p, p->descriptors))
                     ->count;
}

/* Kept besides the program's own: 0 to 2, the host's pidfd, a socket and, on
   the way to a separate image, the executable, two memory files and the
   cgroup. */
#define KEPT_BESIDES 9

#define LARGEST_PAGE 65536

/* Behind the arena, from a page on. */
static at late_room(const struct packer *p)
{
    size_t start =
        (p->program->used + LARGEST_PAGE - 1) & -(size_t)LARGEST_PAGE;
    if (start + LATE_SIZE > INT_MAX)
        luaL_error(p->L, "the plan is larger than 2 GiB");
    return (at)start;
}

static void pack_plan(struct packer *p)
{
    uint32_t count = (uint32_t)luaL_len(p->L, PLAN);
    (void)reserve(p, sizeof(struct arena)); /* the head: all 0 */
    at steps = reserve(p, (size_t)count * sizeof(union any_step));
    for (uint32_t i = 0; i < count; i++)
        pack_step(p, steps, i);
    at slots = reserve(p, (size_t)p->slots * sizeof(int32_t));
    at modes = reserve(p, (size_t)p->slots * sizeof(uint32_t));
    at owned = reserve(p, (size_t)p->owned * sizeof(int64_t));
    at kept = reserve(p, (descriptor_count(p) + p->taken + KEPT_BESIDES) *
                             sizeof(int32_t));
    struct arena *arena = arena_of(p);
    arena->size = (uint32_t)p->program->used;
    arena->count = count;
    arena->steps = steps;
    arena->slots = slots;
    arena->modes = modes;
    arena->slot_count = p->slots;
    arena->owned = owned;
    arena->kept = kept;
    arena->descriptors = p->descriptors;
    arena->host = arena->hand = arena->cgroup = -1;
    arena->late = p->waits ? late_room(p) : 0;
}

/***
 * Packs a plan into one block of memory that launch can execute, any number of
 * times.
 * @param plan userns.Step[] as container:plan() returns it
 * @return userdata program
 */
static int sys_pack(lua_State *L)
{
    luaL_checktype(L, PLAN, LUA_TTABLE);
    lua_settop(L, PLAN);
    struct program *program = lua_newuserdatauv(L, sizeof *program, 0);
    *program = (struct program){0};
    luaL_setmetatable(L, METATABLE);
    struct packer packer = {.L = L, .program = program};
    luaL_checkstack(L, OPERANDS_MAX + 16, "plan");
    pack_plan(&packer);
    return 1;
}

static void push_op(lua_State *L, unsigned op)
{
    lua_createtable(L, 0, 3);
    lua_pushstring(L, ops[op].doc);
    lua_setfield(L, -2, "doc");
    lua_pushstring(L, ops[op].side == CHILD ? "child" : "parent");
    lua_setfield(L, -2, "side");
    push_operand_names(L, op);
    lua_setfield(L, -2, "operands");
}

/***
 * The steps that a plan can have: by name, what each does (doc), who runs it
 * (side) and its operands in order.
 * @return table<string, { doc: string, side: string, operands: string[] }> ops
 */
static int sys_ops(lua_State *L)
{
    lua_createtable(L, 0, OP_COUNT);
    for (unsigned op = 0; op < OP_COUNT; op++) {
        push_op(L, op);
        lua_setfield(L, -2, ops[op].name);
    }
    return 1;
}

static int program_gc(lua_State *L)
{
    struct program *program = luaL_checkudata(L, 1, METATABLE);
    free(program->data);
    userns_free_room(&program->room);
    *program = (struct program){0};
    return 0;
}

const struct arena *userns_check_program(lua_State *L, int arg,
                                         struct room **ret_room)
{
    struct program *program = luaL_checkudata(L, arg, METATABLE);
    if (ret_room != NULL)
        *ret_room = &program->room;
    return (const struct arena *)(const void *)program->data;
}

void userns_open_pack(lua_State *L)
{
    static const luaL_Reg metamethods[] = {
        {"__gc", program_gc},
        {NULL, NULL},
    };
    static const luaL_Reg functions[] = {
        {"ops", sys_ops},
        {NULL, NULL},
    };
    userns_new_type(L, METATABLE, metamethods, NULL);
    luaL_setfuncs(L, functions, 0);
    push_ops(L);
    lua_pushcclosure(L, sys_pack, 1);
    lua_setfield(L, -2, "pack");
}
