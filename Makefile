# SPDX-License-Identifier: Apache-2.0
# Martlet. `make help` lists what there is.

VARIANT ?= plain
PREFIX ?= /usr/local
DESTDIR ?=
V ?= 0

ifeq ($(filter $(VARIANT),plain asan tsan coverage),)
$(error VARIANT=$(VARIANT): choose plain, asan, tsan or coverage)
endif

# A build folder per variant and compiler, so that they live side by side.
CC_NAME := $(notdir $(firstword $(CC)))
B := build/$(VARIANT)$(if $(filter-out cc gcc,$(CC_NAME)),-$(CC_NAME))

PACKAGES := fuse3 libcurl sqlite3 libcrypto libssl jansson expat inih zlib
PKG_CFLAGS := $(shell pkg-config --cflags $(PACKAGES) 2>/dev/null)
WARNINGS := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith \
	-Wwrite-strings -Wundef -Wvla -Wformat=2 -Wno-format-nonliteral -Wno-unused-parameter \
	-Wno-missing-field-initializers
VERSION := $(shell git describe --always --dirty 2>/dev/null || echo unknown)
CPPFLAGS += -I. -Iserver -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -DFUSE_USE_VERSION=312
CFLAGS ?= -O2 -g
# Every C file: calls that must not compile.
BANNED := -include common/banned.h
ALL_CFLAGS = -std=gnu11 $(BANNED) $(WARNINGS) $(CFLAGS) $(VARIANT_CFLAGS) $(PKG_CFLAGS) -fno-strict-aliasing -fno-omit-frame-pointer -pthread -MMD -MP
ALL_LDFLAGS = $(LDFLAGS) $(VARIANT_CFLAGS) -pthread

# The server runs on coroutines; for the thread sanitizer the same code runs on plain threads.
RT := coro
ifeq ($(VARIANT),plain)
ALL_CFLAGS += -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2 -fstack-protector-strong
endif
ifeq ($(VARIANT),asan)
VARIANT_CFLAGS := -fsanitize=address,undefined -fno-sanitize-recover=undefined
endif
ifeq ($(VARIANT),tsan)
VARIANT_CFLAGS := -fsanitize=thread
RT := threads
endif
ifeq ($(VARIANT),coverage)
VARIANT_CFLAGS := --coverage -O0
endif

# --- what is built: every folder is an archive, found by name --------------------------------------------
PROGRAM_SOURCES := server/martletd.c ring/martlet-ring.c fs/martletfs.c
sources = $(filter-out $(PROGRAM_SOURCES),$(wildcard $(1)/*.c $(1)/*.S))
objects = $(patsubst %,$(B)/%.o,$(basename $(1)))

LIB_common := common
LIB_ring := ring
LIB_rt := server/rt
LIB_http := server/http
LIB_base := server/base
LIB_db := server/db
LIB_account := server/account
LIB_container := server/container
LIB_object := server/object
LIB_proxy := server/proxy
LIB_middleware := server/middleware
LIB_services := server
LIB_fs := fs
# Link order: a library may use only those to its right. This is the layering, enforced by the linker.
SERVER_LIBS := services account container object proxy middleware db base http rt ring common
LIBS := $(SERVER_LIBS) fs
ifeq ($(RT),threads)
EXCLUDED := $(wildcard server/rt/rt_coro*.c) server/rt/rt_switch.S
else
EXCLUDED := server/rt/rt_threads.c
endif

lib = $(B)/lib$(1).a
libs = $(foreach l,$(1),$(call lib,$(l)))

SYSTEM_LIBS_server := -lsqlite3 -lcrypto -lssl -ljansson -lexpat -linih -lz -lm -lerasurecode
SYSTEM_LIBS_ring := -lcrypto -ljansson -linih -lz -lm
SYSTEM_LIBS_fs := -lfuse3 -lcurl -lsqlite3 -lcrypto -ljansson -lexpat -linih -lz -lm

PROGRAMS := martletd martlet-ring martletfs
BIN := $(addprefix $(B)/bin/,$(PROGRAMS))

ifeq ($(V),0)
Q := @
say = @printf '  %-6s %s\n' $(1) $(patsubst $(B)/%,%,$@)
else
say = @:
endif
ifneq ($(findstring s,$(firstword -$(MAKEFLAGS))),)
say = @:
endif
MAKEFLAGS += --no-print-directory
ifeq ($(MAKELEVEL)$(filter -j%,$(MAKEFLAGS)),0)
MAKEFLAGS += -j$(shell nproc 2>/dev/null || echo 2)
endif

.PHONY: all
all: $(BIN) build/bin

# build/bin is the plain build, wherever README speaks of a program.
.PHONY: build/bin
build/bin: $(BIN)
ifeq ($(B),build/plain)
	@ln -sfn plain/bin build/bin
endif

define archive
$(call lib,$(1)): $(call objects,$(filter-out $(EXCLUDED),$(call sources,$(LIB_$(1)))))
endef
$(foreach l,$(LIBS),$(eval $(call archive,$(l))))
$(B)/lib%.a:
	$(call say,AR)
	@rm -f $@ && mkdir -p $(@D)
	$(Q)$(AR) rcsD $@ $(filter %.o,$^)

$(B)/%.o: %.c Makefile
	$(call say,CC)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -c -o $@ $<
$(B)/%.o: %.S Makefile
	$(call say,AS)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) -g -c -o $@ $<
$(B)/server/martletd.o $(B)/ring/martlet-ring.o $(B)/fs/martletfs.o $(B)/server/base/registry.o: CPPFLAGS += -DMARTLET_VERSION='"$(VERSION)"'

$(B)/bin/martletd: $(B)/server/martletd.o $(call libs,$(SERVER_LIBS))
	$(call say,LD)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(SYSTEM_LIBS_server)
$(B)/bin/martlet-ring: $(B)/ring/martlet-ring.o $(call libs,ring common)
	$(call say,LD)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(SYSTEM_LIBS_ring)
$(B)/bin/martletfs: $(B)/fs/martletfs.o $(call libs,fs common)
	$(call say,LD)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(SYSTEM_LIBS_fs)

# --- unit tests: tests/unit/<folder>/test_x.c, one program each ------------------------------------------
UNIT_SOURCES := $(wildcard tests/unit/*/test_*.c)
UNIT_BIN := $(UNIT_SOURCES:%.c=$(B)/%)
$(B)/tests/unit/fs/%: $(B)/tests/unit/fs/%.o $(call libs,fs common)
	$(call say,LD)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(SYSTEM_LIBS_fs) -lcmocka
$(B)/tests/unit/ring/%: $(B)/tests/unit/ring/%.o $(call libs,ring common)
	$(call say,LD)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(SYSTEM_LIBS_ring) -lcmocka
$(B)/tests/unit/common/%: $(B)/tests/unit/common/%.o $(call libs,common)
	$(call say,LD)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(SYSTEM_LIBS_ring) -lexpat -lcmocka
# A server test links what its folder may use: its own archive and those below it.
below_rt := rt common
below_http := http $(below_rt)
below_base := base http rt ring common
below_db := db $(below_base)
below_account := account $(below_db)
below_container := container $(below_db)
below_object := object $(below_base)
below_proxy := proxy $(below_base)
below_middleware := middleware $(below_base)
define unit_folder
$(B)/tests/unit/$(1)/%: $(B)/tests/unit/$(1)/%.o $(call libs,$(below_$(1)))
	$$(call say,LD)
	$$(Q)$$(CC) $$(ALL_LDFLAGS) -o $$@ $$^ $$(SYSTEM_LIBS_server) -lcmocka
endef
$(foreach d,rt http base db account container object proxy middleware,$(eval $(call unit_folder,$(d))))

# A program of a test in Python (test_db_python.py), which builds it.
$(B)/tests/lib/db_driver: $(B)/tests/lib/db_driver.o $(call libs,account container $(below_db))
	$(call say,LD)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(SYSTEM_LIBS_server)

.PHONY: unit
ifdef T
unit: $(B)/tests/unit/$(T)
	@$<
else
unit: $(UNIT_BIN)
	@tests/lib/run-unit $(UNIT_BIN)
endif

# --- fault: what is preloaded into servers by functional tests ---------------------------------------------
FAULT_LIBS := $(patsubst tests/fault/%.c,$(B)/tests/fault/%.so,$(wildcard tests/fault/*.c))
.PHONY: fault
fault: $(FAULT_LIBS)
$(B)/tests/fault/%.so: tests/fault/%.c
	$(call say,LD)
	@mkdir -p $(@D)
	$(Q)$(CC) -D_GNU_SOURCE -U_FILE_OFFSET_BITS -std=gnu11 -Wall -Wextra -Werror -O1 -fPIC -shared -o $@ $< -ldl

# --- fuzz targets: tests/fuzz/fuzz_x.c, built by clang with libFuzzer --------------------------------------
FUZZ_SOURCES := $(wildcard tests/fuzz/fuzz_*.c)
FUZZ_BIN := $(FUZZ_SOURCES:tests/fuzz/%.c=build/fuzz/%)
FUZZ_LIB_SOURCES := $(filter-out $(EXCLUDED),$(foreach l,$(filter-out services,$(LIBS)),$(call sources,$(LIB_$(l)))))
FUZZ_OBJECTS := $(patsubst %,build/fuzz/obj/%.o,$(basename $(FUZZ_LIB_SOURCES)))
build/fuzz/obj/%.o: %.c Makefile
	@mkdir -p $(@D)
	@printf '  %-6s %s\n' FUZZCC $<
	$(Q)clang $(CPPFLAGS) -std=gnu11 $(BANNED) -g -O1 $(PKG_CFLAGS) -fno-strict-aliasing -pthread -fsanitize=fuzzer-no-link,address,undefined -MMD -MP -c -o $@ $<
build/fuzz/obj/%.o: %.S Makefile
	@mkdir -p $(@D)
	$(Q)clang $(CPPFLAGS) -g -c -o $@ $<
build/fuzz/libfuzzed.a: $(FUZZ_OBJECTS)
	@rm -f $@
	$(Q)$(AR) rcsD $@ $^
build/fuzz/%: tests/fuzz/%.c build/fuzz/libfuzzed.a
	@printf '  %-6s %s\n' FUZZLD $@
	$(Q)clang $(CPPFLAGS) -std=gnu11 $(BANNED) -g -O1 $(PKG_CFLAGS) -fsanitize=fuzzer,address,undefined -pthread -o $@ $< build/fuzz/libfuzzed.a $(SYSTEM_LIBS_server) $(SYSTEM_LIBS_fs)
.PHONY: fuzz
fuzz: $(FUZZ_BIN)

-include $(shell find build -name '*.d' 2>/dev/null)
.SECONDARY:

# --- a cluster on this machine --------------------------------------------------------------------------------
DIR ?= $(CURDIR)/.stack
PORT ?=
MOUNT ?= yes
export MOUNT
.PHONY: up down wipe check bench soak install help clean packages
packages:
	@scripts/packages build run
up: packages
	@$(MAKE) all
	@BIN='$(CURDIR)/$(B)/bin' scripts/stack '$(DIR)' '$(PORT)'
down:
	@scripts/unstack '$(DIR)'
wipe:
	@scripts/clean '$(DIR)'

# --- tests ------------------------------------------------------------------------------------------------------
check:
	@scripts/check
bench:
	@scripts/packages build run bench
	@$(MAKE) all build/bench/durable_put_loop
	@tests/bench/run $(BENCH)
build/bench/bench_rt: tests/bench/bench_rt.c $(call libs,rt common)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) -std=gnu11 $(WARNINGS) -O2 -pthread -o $@ $^ $(SYSTEM_LIBS_ring) -lexpat
build/bench/%: tests/bench/%.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) -std=gnu11 $(WARNINGS) -O2 -pthread -o $@ $<

# --- install -----------------------------------------------------------------------------------------------------
MAN1 := server/martletd.1 ring/martlet-ring.1 fs/martletfs.1
MAN5 = $(wildcard server/*/*.conf.5)
SAMPLES = $(wildcard server/*/*.conf-sample)
install: all
	install -d '$(DESTDIR)$(PREFIX)/bin' '$(DESTDIR)$(PREFIX)/share/man/man1' '$(DESTDIR)$(PREFIX)/share/man/man5' '$(DESTDIR)$(PREFIX)/share/doc/martlet'
	install -m 755 $(BIN) '$(DESTDIR)$(PREFIX)/bin'
	ln -sf martletfs '$(DESTDIR)$(PREFIX)/bin/mount.martletfs'
	ln -sf martletfs '$(DESTDIR)$(PREFIX)/bin/mount.fuse.martletfs'
	install -m 644 $(MAN1) '$(DESTDIR)$(PREFIX)/share/man/man1'
	install -m 644 $(MAN5) '$(DESTDIR)$(PREFIX)/share/man/man5'
	install -m 644 README.md LICENSE $(SAMPLES) '$(DESTDIR)$(PREFIX)/share/doc/martlet'

clean:
	rm -rf build

help:
	@echo 'make                 build the programs into build/bin (VARIANT=plain|asan|tsan|coverage, CC=gcc|clang, V=1)'
	@echo 'make up              start a cluster on this machine and mount it (DIR=folder, PORT=8080, MOUNT=no)'
	@echo 'make down, make wipe stop it; remove it with its data (DIR=folder)'
	@echo 'make check           run every test'
	@echo 'make unit [T=x/test_y]  unit tests of a variant, or one of them'
	@echo 'make fuzz            build the fuzz targets into build/fuzz'
	@echo 'make bench           measure against nginx'
	@echo 'make install         DESTDIR=, PREFIX=/usr/local'
	@echo 'make clean           remove build/'
