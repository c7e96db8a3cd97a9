#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <linux/personality.h>
#include <stddef.h>
#include <string.h>
#include <sys/resource.h>

#include "landlock.h"
#include "settingwords.h"
#include "sys.h"

const struct word userns_limits[] = {
    {"as", RLIMIT_AS},
    {"core", RLIMIT_CORE},
    {"cpu", RLIMIT_CPU},
    {"data", RLIMIT_DATA},
    {"fsize", RLIMIT_FSIZE},
    {"locks", RLIMIT_LOCKS},
    {"memlock", RLIMIT_MEMLOCK},
    {"msgqueue", RLIMIT_MSGQUEUE},
    {"nice", RLIMIT_NICE},
    {"nofile", RLIMIT_NOFILE},
    {"nproc", RLIMIT_NPROC},
    {"rss", RLIMIT_RSS},
    {"rtprio", RLIMIT_RTPRIO},
    {"rttime", RLIMIT_RTTIME},
    {"sigpending", RLIMIT_SIGPENDING},
    {"stack", RLIMIT_STACK},
    {NULL, 0},
};

/* The execution domains of the OCI's, and what can be added to one. */
const struct word userns_personas[] = {
    {"linux", PER_LINUX},
    {"linux32", PER_LINUX32},
    {"addr_compat_layout", ADDR_COMPAT_LAYOUT},
    {"addr_limit_32bit", ADDR_LIMIT_32BIT},
    {"addr_limit_3gb", ADDR_LIMIT_3GB},
    {"addr_no_randomize", ADDR_NO_RANDOMIZE},
    {"mmap_page_zero", MMAP_PAGE_ZERO},
    {"read_implies_exec", READ_IMPLIES_EXEC},
    {"short_inode", SHORT_INODE},
    {"sticky_timeouts", STICKY_TIMEOUTS},
    {"uname26", UNAME26},
    {"whole_seconds", WHOLE_SECONDS},
    {NULL, 0},
};

const struct word userns_fs_rights[] = {
    {"execute", FS_EXECUTE},
    {"write_file", FS_WRITE_FILE},
    {"read_file", FS_READ_FILE},
    {"read_dir", FS_READ_DIR},
    {"remove_dir", FS_REMOVE_DIR},
    {"remove_file", FS_REMOVE_FILE},
    {"make_char", FS_MAKE_CHAR},
    {"make_dir", FS_MAKE_DIR},
    {"make_reg", FS_MAKE_REG},
    {"make_sock", FS_MAKE_SOCK},
    {"make_fifo", FS_MAKE_FIFO},
    {"make_block", FS_MAKE_BLOCK},
    {"make_sym", FS_MAKE_SYM},
    {"refer", FS_REFER},
    {"truncate", FS_TRUNCATE},
    {"ioctl_dev", FS_IOCTL_DEV},
    {NULL, 0},
};

const struct word userns_net_rights[] = {
    {"bind_tcp", NET_BIND_TCP},
    {"connect_tcp", NET_CONNECT_TCP},
    {NULL, 0},
};

const struct word userns_scopes[] = {
    {"abstract_unix_socket", SCOPE_ABSTRACT_UNIX_SOCKET},
    {"signal", SCOPE_SIGNAL},
    {NULL, 0},
};

static const struct {
    const char *kind;
    const struct word *words;
} kinds[] = {
    {"limit", userns_limits},
    {"personality", userns_personas},
    {"scope", userns_scopes},
};

static const struct word *check_kind(lua_State *L, int arg)
{
    const char *kind = userns_check_text(L, arg);
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (strcmp(kinds[i].kind, kind) == 0)
            return kinds[i].words;
    luaL_argerror(L, arg, "unknown kind of words");
    return NULL;
}

/***
 * The words that there are for a setting of the kernel's, in order.
 * @param kind "limit"|"personality"|"scope"
 * @return string[] words
 */
static int sys_words(lua_State *L)
{
    const struct word *words = check_kind(L, 1);
    lua_newtable(L);
    for (lua_Integer i = 0; words[i].name != NULL; i++) {
        lua_pushstring(L, words[i].name);
        lua_seti(L, -2, i + 1);
    }
    return 1;
}

void userns_open_words(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"words", sys_words},
        {NULL, NULL},
    };
    luaL_setfuncs(L, functions, 0);
}
