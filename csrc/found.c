#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <string.h>

#include "error.h"
#include "file.h"
#include "found.h"

static const char *format_name(uint32_t format)
{
    static const char *const names[FORMAT_COUNT] = {
        NULL, "empty", "other", "script", "long_script", "elf"};
    return format < FORMAT_COUNT ? names[format] : NULL;
}

static void set_boolean(lua_State *L, const char *field, bool value)
{
    lua_pushboolean(L, value);
    lua_setfield(L, -2, field);
}

static void set_place(lua_State *L, const struct found *f)
{
    if (f->path[0] != '\0')
        userns_set_string(L, "path", f->path);
    userns_set_string(L, "code", userns_errno_name(f->error));
    if (f->mode == 0)
        return;
    userns_set_string(L, "type", userns_type_name(f->mode));
    userns_set_integer(L, "mode", f->mode & 07777);
    userns_set_integer(L, "uid", f->uid);
    userns_set_integer(L, "gid", f->gid);
    userns_set_integer(L, "magic", (lua_Integer)f->magic);
    set_boolean(L, "noexec", (f->mount & MOUNT_NOEXEC) != 0);
    set_boolean(L, "nosymfollow", (f->mount & MOUNT_NOSYMFOLLOW) != 0);
}

static void set_program(lua_State *L, const struct found *f)
{
    userns_set_integer(L, "item", f->item);
    userns_set_integer(L, "depth", f->depth);
    userns_set_string(L, "needed_by", format_name(f->needed_by));
    if (f->needed[0] != '\0')
        userns_set_string(L, "needed", f->needed);
    if (f->by[0] != '\0')
        userns_set_string(L, "by", f->by);
    userns_set_string(L, "access", userns_errno_name(f->access));
    userns_set_string(L, "format", format_name(f->format));
    if (f->format == FORMAT_ELF) {
        userns_set_integer(L, "bits", f->bits);
        userns_set_integer(L, "machine", f->machine);
        userns_set_integer(L, "elf_type", f->elf_type);
    }
    userns_set_integer(L, "caps", (lua_Integer)f->caps);
}

/* One entry without its level ("e ", "w " or "i "). */
static const char *add_entry(luaL_Buffer *b, const char *entry)
{
    size_t length = strcspn(entry, "\n");
    const char *end = entry + length;
    if (length > 2 && entry[1] == ' ') {
        entry += 2;
        length -= 2;
    }
    if (luaL_bufflen(b) > 0)
        luaL_addstring(b, "; ");
    luaL_addlstring(b, entry, length);
    return *end == '\n' ? end + 1 : end;
}

void userns_set_log(lua_State *L, const char *log)
{
    luaL_Buffer b;
    if (*log == '\0')
        return;
    luaL_buffinit(L, &b);
    while (*log != '\0')
        log = add_entry(&b, log);
    luaL_pushresult(&b);
    lua_setfield(L, -2, "detail");
}

void userns_set_found(lua_State *L, const struct found *found)
{
    userns_set_log(L, found->log);
    lua_createtable(L, 0, 16);
    set_place(L, found);
    if (found->item > 0)
        set_program(L, found);
    lua_setfield(L, -2, "found");
}
