rockspec_format = "3.0"
package = "userns"
version = "scm-1"

source = {
  url = "git+https://example.org/userns.git",
  branch = "main",
}

description = {
  summary = "Start processes in Linux namespaces",
  detailed = [[
Runs a program in namespaces of its own, described by one Lua table: user ids,
mounts, host name, network, capabilities, resource limits. Beneath it, the
system calls themselves, one Lua function each. No daemon, no privilege needed,
and safe inside threaded programs that embed Lua.
]],
  license = "MIT",
  labels = { "container", "linux", "namespaces", "process", "sandbox" },
}

supported_platforms = { "linux" }

dependencies = {
  "lua >= 5.4, < 5.6",
}

-- libseccomp is used where the Makefile finds it.
external_dependencies = {
  LIBCAP = { header = "sys/capability.h", library = "cap" },
}

build = {
  type = "make",
  variables = {
    CFLAGS = "$(CFLAGS)",
    LIBCAP_INCDIR = "$(LIBCAP_INCDIR)",
    LIBCAP_LIBDIR = "$(LIBCAP_LIBDIR)",
    LIBFLAG = "$(LIBFLAG)",
    LUA_INCDIR = "$(LUA_INCDIR)",
  },
  install_variables = {
    INST_BINDIR = "$(BINDIR)",
    INST_LIBDIR = "$(LIBDIR)",
    INST_LUADIR = "$(LUADIR)",
    INST_MANDIR = "$(PREFIX)/man",
  },
}

test = {
  type = "command",
  command = "make test",
}
