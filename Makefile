LUA_VERSION ?= 5.4
LUA ?= lua$(LUA_VERSION)
LUA_INCDIR ?= /usr/include/lua$(LUA_VERSION)
LIBCAP_INCDIR ?=
LIBCAP_LIBDIR ?=
LIBSECCOMP_INCDIR ?=
LIBSECCOMP_LIBDIR ?=

PREFIX ?= /usr/local
INST_BINDIR ?= $(PREFIX)/bin
INST_LIBDIR ?= $(PREFIX)/lib/lua/$(LUA_VERSION)
INST_LUADIR ?= $(PREFIX)/share/lua/$(LUA_VERSION)
INST_MANDIR ?= $(PREFIX)/share/man

BUILD := build
CFLAGS ?= -O2 -g
LIBFLAG ?= -shared

WARNINGS := \
	-Wall \
	-Wextra \
	-Wconversion \
	-Wshadow \
	-Wstrict-prototypes \
	-Wmissing-prototypes \
	-Wvla \
	-Wpointer-arith \
	-Wcast-qual \
	-Wundef \
	-Werror=implicit-function-declaration

supported = $(shell $(CC) -Werror $(1) -x c -c /dev/null -o /dev/null \
	2>/dev/null && echo $(1))

HARDENING := \
	-D_FORTIFY_SOURCE=2 \
	-fstack-protector-strong \
	$(call supported,-fstack-clash-protection) \
	$(call supported,-fcf-protection) \
	$(call supported,-mbranch-protection=standard)

# What the child runs has no runtime of its own: it shares the host's memory
# between clone and exec, and userns-init has no libc at all.  Freestanding, the
# compiler calls nothing but what csrc/step.allow lists; sanitizers and the
# stack protector would call into the host's.
CHILD := \
	-ffreestanding \
	-fno-lto \
	-fno-sanitize=all \
	-fno-stack-protector \
	-U_FORTIFY_SOURCE \
	$(call supported,-mno-outline-atomics)

INCLUDES := $(addprefix -I,csrc $(LUA_INCDIR) $(LIBCAP_INCDIR) \
	$(LIBSECCOMP_INCDIR))

# yes or no: without its header, rules for system calls answer with an error.
LIBSECCOMP ?= $(if $(call supported,$(INCLUDES) -include seccomp.h),yes,no)
LIBSECCOMP := $(LIBSECCOMP)
WITH_LIBSECCOMP := $(filter yes,$(LIBSECCOMP))

COMPILE = $(CC) -std=c11 $(WARNINGS) $(HARDENING) $(INCLUDES) $(CPPFLAGS) \
	$(CFLAGS) -MMD -MP

# nodelete: a keeper thread may outlive the Lua state that loaded the module.
# now: the child must not enter the dynamic linker to resolve a symbol.
MODULE_LDFLAGS := -Wl,-z,nodelete -Wl,-z,relro -Wl,-z,now
MODULE_LDLIBS := $(addprefix -L,$(LIBCAP_LIBDIR) $(LIBSECCOMP_LIBDIR)) -lcap \
	$(if $(WITH_LIBSECCOMP),-lseccomp)

MODULE := $(BUILD)/userns/sys.so
INIT := $(BUILD)/userns/userns-init

NOT_IN_MODULE := csrc/init.c $(if $(WITH_LIBSECCOMP),,csrc/bpf.c)
MODULE_OBJECTS := $(patsubst csrc/%.c,$(BUILD)/obj/%.o, \
	$(filter-out $(NOT_IN_MODULE),$(wildcard csrc/*.c)))
STEP_FILES := $(notdir $(basename $(wildcard csrc/step*.c)))
STEP_OBJECTS := $(STEP_FILES:%=$(BUILD)/obj/%.o)
INIT_OBJECTS := $(BUILD)/init/init.o $(STEP_FILES:%=$(BUILD)/init/%.o)
PROGRAMS := $(patsubst spec/support/%.c,$(BUILD)/spec/%, \
	$(wildcard spec/support/*.c)) $(BUILD)/spec/floor

C_FILES := $(wildcard csrc/*.[ch] bench/*.[ch] spec/support/*.[ch])
LUA_FILES := $(shell find lua -name '*.lua')
BIN_FILES := $(wildcard bin/*)
MAN_PAGES := $(wildcard doc/*.1)
SCRIPTS := .ci/run $(wildcard spec/support/*.sh)

WITH_LUA_PATH = LUA_PATH='$(CURDIR)/lua/?.lua;$(CURDIR)/lua/?/init.lua;;' \
	LUA_CPATH='$(CURDIR)/$(BUILD)/?.so;;'
NEED = @CC='$(CC)' LUA_INCDIR='$(LUA_INCDIR)' spec/support/need.sh
QUIETLY := --silent --no-print-directory

.DELETE_ON_ERROR:
.SUFFIXES:
.PHONY: all asan bench check-child clean completion-check demo doc \
	format-check install lint programs test test-kernels

all: $(MODULE) $(INIT) check-child

$(MODULE): $(MODULE_OBJECTS) | $(BUILD)/userns
	$(CC) $(CFLAGS) $(LIBFLAG) $(LDFLAGS) $(MODULE_LDFLAGS) -pthread -o $@ \
		$^ $(MODULE_LDLIBS)

$(INIT): $(INIT_OBJECTS) | $(BUILD)/userns
	$(CC) $(CFLAGS) $(CHILD) -static -nostdlib -nostartfiles \
		-Wl,-z,noexecstack -Wl,-z,noseparate-code -o $@ $^

$(BUILD)/obj/%.o: csrc/%.c Makefile | $(BUILD)/obj
	$(COMPILE) -fPIC -fvisibility=hidden -pthread $(MODE) -c -o $@ $<

$(STEP_OBJECTS): MODE := $(CHILD)

# Built anew when the library has come or gone.
$(BUILD)/obj/filter.o: MODE := $(if $(WITH_LIBSECCOMP),-DUSERNS_LIBSECCOMP)
$(BUILD)/obj/filter.o: $(BUILD)/obj/libseccomp.$(LIBSECCOMP)

$(BUILD)/obj/libseccomp.$(LIBSECCOMP): | $(BUILD)/obj
	@rm -f $(BUILD)/obj/libseccomp.*
	@touch $@

$(BUILD)/init/%.o: csrc/%.c Makefile | $(BUILD)/init
	$(COMPILE) -fno-pic $(CHILD) -c -o $@ $<

$(BUILD)/spec/%: spec/support/%.c Makefile | $(BUILD)/spec
	$(COMPILE) -MF $@.d -MT $@ -pthread -o $@ $< $(LDFLAGS) -llua$(LUA_VERSION)

# Its child, too, may share the parent's memory.
$(BUILD)/spec/floor: $(wildcard bench/floor*.[ch]) bench/clock.h Makefile \
		| $(BUILD)/spec
	$(COMPILE) -fno-sanitize=all -fno-stack-protector -MF $@.d -MT $@ -o $@ \
		$(filter bench/%.c,$^)

$(BUILD)/obj $(BUILD)/init $(BUILD)/spec $(BUILD)/userns:
	mkdir -p $@

-include $(wildcard $(BUILD)/*/*.d)

check-child: $(BUILD)/step.checked

$(BUILD)/step.checked: $(STEP_OBJECTS) csrc/step.allow csrc/syscalls.def
	@$(LD) -r -o $(BUILD)/step.o $(STEP_OBJECTS)
	@if nm -u $(BUILD)/step.o | awk '{ print $$NF }' | grep -vxFf csrc/step.allow; then \
		echo 'csrc/step*.c must not call these: see csrc/step.allow' >&2; \
		exit 1; \
	fi
	@if grep -oh 'CALL(c, [a-z]\w*' csrc/step*.c | sed 's/.* \(.*\)/NAME(\1)/' | sort -u | \
			grep -vxFf csrc/syscalls.def; then \
		echo 'csrc/syscalls.def must have these, which a report may be about' >&2; \
		exit 1; \
	fi
	@touch $@

programs: $(PROGRAMS)

demo:
	$(NEED) build run
	@$(MAKE) $(QUIETLY) all
	@$(WITH_LUA_PATH) $(LUA) examples/container.lua

test:
	$(NEED) build optional run test
	@$(MAKE) $(QUIETLY) all programs
	@BUILD='$(BUILD)' LUA='$(LUA)' SPEC='$(SPEC)' WAY='$(WAY)' \
		spec/support/test.sh

test-kernels:
	$(NEED) build run test
	@$(MAKE) $(QUIETLY) all programs
	@BUILD='$(BUILD)' KERNELS='$(KERNELS)' SPEC='$(SPEC)' WAY='$(WAY)' \
		spec/support/guest.sh

asan:
	$(NEED) build optional run test
	@$(MAKE) $(QUIETLY) all programs BUILD=build-asan CC=gcc HARDENING= \
		CFLAGS='-O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined'
	@BUILD=build-asan LUA='$(LUA)' SPEC='$(SPEC)' WAY='$(or $(WAY),root)' \
		PRELOAD="$$(gcc -print-file-name=libasan.so)" spec/support/test.sh

bench:
	$(NEED) build run
	$(NEED) --try bench
	@$(MAKE) $(QUIETLY) all
	@$(WITH_LUA_PATH) $(LUA) bench/run.lua

doc: all
	@$(WITH_LUA_PATH) $(LUA) doc/render.lua

lint:
	$(NEED) build optional run format lint
	@$(MAKE) $(QUIETLY) format-check
	luacheck --quiet --no-color .
	shellcheck $(SCRIPTS)
	mandoc -T lint -W warning $(MAN_PAGES)
	for rockspec in rockspec/*.rockspec; do \
		luarocks --lua-version $(LUA_VERSION) lint $$rockspec || exit 1; \
	done
	cppcheck --quiet --enable=warning,performance,portability \
		--inline-suppr --suppress='*:/usr/include/*' --error-exitcode=1 \
		-D_GNU_SOURCE -D__x86_64__ $(INCLUDES) csrc spec/support
	@$(MAKE) $(QUIETLY) all programs completion-check BUILD=build-lint/gcc CC=gcc \
		CFLAGS='-O2 -Werror'
	@$(MAKE) $(QUIETLY) all programs BUILD=build-lint/clang CC=clang CFLAGS='-O2 -Werror'

format-check:
	$(NEED) format
	clang-format --dry-run -Werror $(C_FILES)

# What the command prints for a shell, that shell must be able to read.
completion-check: all
	for shell in bash zsh fish; do \
		$(WITH_LUA_PATH) $(LUA) bin/userns completion $$shell | $$shell -n || exit 1; \
	done

install: all
	install -D -m 755 $(MODULE) $(DESTDIR)$(INST_LIBDIR)/userns/sys.so
	install -D -m 755 $(INIT) $(DESTDIR)$(INST_LIBDIR)/userns/userns-init
	for file in $(LUA_FILES:lua/%=%); do \
		install -D -m 644 lua/$$file $(DESTDIR)$(INST_LUADIR)/$$file || exit 1; \
	done
	for file in $(BIN_FILES:bin/%=%); do \
		install -D -m 755 bin/$$file $(DESTDIR)$(INST_BINDIR)/$$file || exit 1; \
		sed -i '1s|lua5.4|$(LUA)|' $(DESTDIR)$(INST_BINDIR)/$$file || exit 1; \
	done
	for page in $(MAN_PAGES:doc/%=%); do \
		install -D -m 644 doc/$$page $(DESTDIR)$(INST_MANDIR)/man1/$$page || exit 1; \
	done

clean:
	rm -rf $(BUILD) build-asan build-kernels build-lint
