# sqlite-safetensors. `make help` lists the targets.
#
# You can override CC CFLAGS CPPFLAGS LDFLAGS PREFIX DESTDIR, and BUILD, the directory for everything that is built.

BUILD  ?= build
PREFIX ?= /usr/local
CFLAGS ?= -O2 -g
OBJCOPY ?= objcopy
INTO = $(DESTDIR)$(PREFIX)
NO_UNDEFINED = -Wl,-z,defs

REQUIRES := sqlite3 >= 3.39 jansson >= 2.14 libxxhash >= 0.8
WARNINGS := -Wall -Wextra -Wpedantic -Wconversion -Wshadow
# With -g, which has what variables are, clang takes minutes for the kernels.
SANITIZED := -O1 -gline-tables-only -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
PKG_CFLAGS := $(shell pkg-config --cflags sqlite3 jansson libxxhash 2>/dev/null)
PKG_LIBS := $(shell pkg-config --libs jansson 2>/dev/null)
JANSSON_A := $(shell pkg-config --variable=libdir jansson 2>/dev/null)/libjansson.a
TEST_LIBS := $(PKG_LIBS) $(shell pkg-config --libs sqlite3 libmd 2>/dev/null) -lm -lpthread -ldl
PARALLEL_MAKE = $(MAKE) --no-print-directory -s -j "$$(nproc 2>/dev/null || echo 1)"
VERSION := $(shell sed -n 's/^\#define SAFETENSORS_VERSION "\(.*\)"/\1/p' ext/safetensors.h)

# For the same sums everywhere, the compiler must neither fuse operations nor compute with more digits than a double
# has, as it does by default on 32-bit x86.
ARITHMETIC := -ffp-contract=off \
	$(if $(filter i386-% i486-% i586-% i686-%,$(shell $(CC) -dumpmachine)),-msse2 -mfpmath=sse)

COMPILE = $(CC) -std=c11 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 $(ARITHMETIC) -fPIC \
	-fvisibility=hidden $(WARNINGS) -MMD -MP -Iext -ffile-prefix-map='$(CURDIR)'=. \
	$(PKG_CFLAGS) $(CPPFLAGS) $(CFLAGS)

# The program is above the library, which has nothing of it. Its file with SQLite's shell needs sources that are fetched.
PROGRAM_SHELL := ext/program/sqlite_shell.c
PROGRAM_SOURCES := $(filter-out $(PROGRAM_SHELL),$(sort $(wildcard ext/program/*.c)))
SCRIPTS := $(sort $(wildcard sql/*.sql sql/*/*.sql))
PROGRAM_OBJECTS := $(PROGRAM_SOURCES:ext/%.c=$(BUILD)/static/%.o)
SOURCES := $(filter-out ext/program/%,$(sort $(wildcard ext/*.c ext/*/*.c)))
SHARED_OBJECTS := $(SOURCES:ext/%.c=$(BUILD)/shared/%.o)
STATIC_OBJECTS := $(SOURCES:ext/%.c=$(BUILD)/static/%.o)

# C files directly in tests/lib are modules for all test programs, and a directory in it is one program that tests use.
# A C file in another room is a test, unless the room has a driver of its own.
TEST_MODULES := $(sort $(wildcard tests/lib/*.c))
TEST_TOOLS := $(patsubst tests/lib/%/,$(BUILD)/tests/%,$(sort $(dir $(wildcard tests/lib/*/*.c))))
TEST_SOURCES := $(filter-out tests/lib/% $(patsubst %/run,%/%,$(wildcard tests/*/run)),$(sort $(wildcard tests/*/*.c)))
TEST_PROGRAMS := $(TEST_TOOLS) $(TEST_SOURCES:%.c=$(BUILD)/%)
TEST_LIBRARY := $(BUILD)/tests/lib.a

.DEFAULT_GOAL := all
.PHONY: check-fleet all exact picture static amalgamation program demo test check check-bare interop sanitize valgrind bench install \
	uninstall format lint clean help requirements programs

all: requirements $(BUILD)/safetensors.so ## build build/safetensors.so, the loadable extension

static: requirements $(BUILD)/libsafetensors.a ## build build/libsafetensors.a, to link into a program

amalgamation: $(BUILD)/amalgamation/safetensors.c $(BUILD)/amalgamation/safetensors-sql.c ## write build/amalgamation/safetensors.c and .h, all sources in one file, and those of the program

$(BUILD)/amalgamation/safetensors.c: $(wildcard ext/*.[ch] ext/*/*.[ch] ext/*/*/*.h) $(wildcard .package/jansson/*) \
		.package/amalgamate.py .package/versions
	@BUILD='$(BUILD)' .package/fetch jansson xxhash
	@.package/amalgamate.py ext '$(BUILD)/fetched' '$(BUILD)/amalgamation'

$(BUILD)/amalgamation/safetensors-sql.c: $(wildcard ext/program/*) $(SCRIPTS) .package/SKILL.md .package/program.py \
		.package/pack_texts.py .package/amalgamate.py
	@.package/program.py amalgamate '$(BUILD)/amalgamation'

requirements:
	@pkg-config --exists '$(REQUIRES)' 2>/dev/null || CC='$(CC)' .ci/deps --print build

$(BUILD)/shared/%.o: ext/%.c
	@mkdir -p $(@D)
	$(COMPILE) -c $< -o $@

$(BUILD)/static/%.o: ext/%.c
	@mkdir -p $(@D)
	$(COMPILE) -DSQLITE_CORE -c $< -o $@

# If jansson's archive is installed, it is linked into the library with its symbols hidden. Otherwise an extension that
# was loaded before and exports the same names would be called in its place. JANSSON_A= links with the shared library
# instead.
JANSSON := $(if $(wildcard $(JANSSON_A)),$(BUILD)/jansson/libjansson.a)

# Debian's archive is compiled for programs, where stdin can be a copy relocation. A library cannot have that, so here
# the function of jansson that refers to stdin, which nothing calls, refers to a dummy of our own.
$(BUILD)/jansson/libjansson.a: $(JANSSON_A)
	@mkdir -p $(@D)
	$(OBJCOPY) --redefine-sym stdin=jansson_stdin $< $@
	echo 'void *jansson_stdin;' | $(CC) -fPIC -fvisibility=hidden -x c -c - -o $(@D)/stdin.o
	$(AR) q $@ $(@D)/stdin.o

$(BUILD)/safetensors.so: $(SHARED_OBJECTS) $(JANSSON)
	$(CC) -shared $(CFLAGS) $(LDFLAGS) -Wl,-z,relro,-z,now -Wl,--exclude-libs,ALL -o $@ \
		$(SHARED_OBJECTS) $(if $(JANSSON),$(JANSSON),$(PKG_LIBS)) -lm -lpthread -ldl $(NO_UNDEFINED)

# A single object in which everything but the entry point is local, so that the library adds one symbol to a program.
$(BUILD)/libsafetensors.a: $(STATIC_OBJECTS)
	$(LD) -r -o $(BUILD)/libsafetensors.o $^
	$(OBJCOPY) --keep-global-symbol=sqlite3_safetensors_init $(BUILD)/libsafetensors.o
	rm -f $@
	$(AR) rcs $@ $(BUILD)/libsafetensors.o

# Test programs call internal functions, so they link the objects and not the library, and of the program what they use.
PROGRAM_LIBRARY := $(BUILD)/tests/program.a
$(BUILD)/tests/%: tests/%.c $(TEST_LIBRARY) $(PROGRAM_LIBRARY) $(STATIC_OBJECTS)
	@mkdir -p $(@D)
	$(COMPILE) -DSQLITE_CORE -Itests/lib $< $(TEST_LIBRARY) $(PROGRAM_LIBRARY) $(STATIC_OBJECTS) -o $@ $(LDFLAGS) $(TEST_LIBS)

$(BUILD)/tests/lib/%.o: tests/lib/%.c
	@mkdir -p $(@D)
	$(COMPILE) -DSQLITE_CORE -Itests/lib -c $< -o $@

$(TEST_LIBRARY): $(TEST_MODULES:%.c=$(BUILD)/%.o)
	rm -f $@
	$(AR) rcs $@ $^

$(PROGRAM_LIBRARY): $(filter-out %/main.o,$(PROGRAM_OBJECTS))
	@mkdir -p $(@D)
	rm -f $@
	$(AR) rcs $@ $^

.SECONDEXPANSION:
$(TEST_TOOLS): $(BUILD)/tests/%: $$(addprefix $(BUILD)/,$$(addsuffix .o,$$(basename $$(wildcard tests/lib/$$*/*.c)))) $(STATIC_OBJECTS)
	$(CC) $(CFLAGS) $^ -o $@ $(LDFLAGS) $(TEST_LIBS)

programs: all static $(PROGRAM_OBJECTS) $(TEST_PROGRAMS)

program: requirements ## build build/safetensors-sql, whose verbs are the scripts, with SQLite's shell (fetched)
	@BUILD='$(BUILD)' .package/fetch sqlite
	@$(PARALLEL_MAKE) $(BUILD)/safetensors-sql

# What .package/program.list says of a file.
PROGRAM_FLAGS = $(shell sed -n 's/^$(1)	//p' .package/program.list)

$(BUILD)/program/sqlite3.o: $(BUILD)/fetched/sqlite/sqlite3.c .package/program.list
	@mkdir -p $(@D)
	$(CC) -ffile-prefix-map='$(CURDIR)'=. $(CPPFLAGS) $(CFLAGS) -w $(call PROGRAM_FLAGS,sqlite3.c) -c $< -o $@

$(BUILD)/program/shell.o: $(PROGRAM_SHELL) $(BUILD)/fetched/sqlite/shell.c .package/program.list
	@mkdir -p $(@D)
	$(CC) $(WARNINGS) -MMD -MP -Iext -isystem $(BUILD)/fetched/sqlite -ffile-prefix-map='$(CURDIR)'=. $(CPPFLAGS) $(CFLAGS) \
		$(call PROGRAM_FLAGS,safetensors-shell.c) $(call PROGRAM_FLAGS,sqlite3.c) -c $< -o $@

$(BUILD)/program/embedded.c: $(SCRIPTS) .package/SKILL.md .package/program.py .package/pack_texts.py
	@mkdir -p $(@D)
	.package/program.py embed $@

$(BUILD)/program/embedded.o: $(BUILD)/program/embedded.c
	$(COMPILE) -c $< -o $@

$(BUILD)/safetensors-sql: $(STATIC_OBJECTS) $(PROGRAM_OBJECTS) $(BUILD)/program/sqlite3.o $(BUILD)/program/shell.o \
		$(BUILD)/program/embedded.o
	$(CC) $(CFLAGS) $(LDFLAGS) -Wl,-z,relro,-z,now -o $@ $^ $(if $(wildcard $(JANSSON_A)),$(JANSSON_A),$(PKG_LIBS)) \
		$(call PROGRAM_FLAGS,link)
	ln -sf safetensors-sql $(BUILD)/hf-safetensors-sql

demo: ## query two small checkpoints, or MODEL=path [MODEL2=path], in the sqlite3 shell
	@CC='$(CC)' .ci/deps demo
	@test -e '$(BUILD)/safetensors.so' || echo 'Building $(BUILD)/safetensors.so'
	@$(PARALLEL_MAKE) all
	@BUILD='$(BUILD)' MODEL='$(MODEL)' MODEL2='$(MODEL2)' tests/demo

test: ## run the tests; the last line says how many passed and failed
	@CC='$(CC)' .ci/deps test
	@$(PARALLEL_MAKE) programs
	@BUILD='$(BUILD)' tests/run scripts programs files tools

check: ## run all tests and checks: also sanitizers, valgrind, lint, installation, a short benchmark
	@CC='$(CC)' BUILD='$(BUILD)' .ci/deps check
	@$(PARALLEL_MAKE) programs
	@BUILD='$(BUILD)' CC='$(CC)' tests/run all

interop: ## compare with the reference implementation, ml_dtypes and apsw, from PyPI; skipped where pip reaches nothing
	@CC='$(CC)' BUILD='$(BUILD)' .ci/deps interop
	@$(PARALLEL_MAKE) programs
	@BUILD='$(BUILD)' PYTHON='$(BUILD)/interop/bin/python' tests/run interop

check-fleet: all ## catalogue four nodes with Ray, from PyPI, of which some are killed; minutes; says when it cannot
	@python3 -m venv '$(BUILD)/fleet' && { '$(BUILD)/fleet/bin/python' -c 'import ray' 2>/dev/null || \
		'$(BUILD)/fleet/bin/pip' install -q 'ray>=2.40' || true; }
	@BUILD='$(BUILD)' PYTHON='$(BUILD)/fleet/bin/python' tests/run fleet

check-bare: ## follow README on a bare Debian 12 to an answer within a minute (debootstrap)
	@CC='$(CC)' .ci/deps test
	@$(PARALLEL_MAKE) all
	@BUILD='$(BUILD)' tests/build/bare

picture: all ## draw the pictures of the documents, ext/docs/images (needs chromium)
	@BUILD='$(BUILD)' .package/picture

exact: all ## test statistics of 100,000,000 elements against exact arithmetic
	@EXACT_ELEMENTS=100000000 BUILD='$(BUILD)' tests/python tests/sql/exact.py

# Before a program with a sanitizer: with addresses as random as some kernels make them (vm.mmap_rnd_bits
# 32), the sanitizers of clang 14 find their shadow memory taken.
AT_FIXED_ADDRESSES = $(shell setarch "$$(uname -m)" -R true 2>/dev/null && echo setarch "$$(uname -m)" -R)

sanitize: ## run scripts and test programs under AddressSanitizer and UBSan (clang)
	@.ci/deps check
	@$(PARALLEL_MAKE) programs CC=clang BUILD='$(BUILD)/sanitize' \
		CFLAGS='$(SANITIZED)' LDFLAGS='-fsanitize=address,undefined' NO_UNDEFINED=
	@BUILD='$(BUILD)/sanitize' $(AT_FIXED_ADDRESSES) tests/run scripts programs

valgrind: ## run all scripts under valgrind
	@.ci/deps check
	@$(PARALLEL_MAKE) programs
	@BUILD='$(BUILD)' RUN_UNDER=valgrind tests/run scripts

bench: ## measure the speed; BENCH_SCALE=0.01 for a short run, ONLY=stats for one subject, PEERS=1 beside other programs
	@CC='$(CC)' .ci/deps test
	@$(PARALLEL_MAKE) programs
	@$(if $(PEERS),BUILD='$(BUILD)' .ci/deps peers || true)
	@BUILD='$(BUILD)' $(if $(PEERS),$(WITH_PEERS)) tests/python tests/bench $(or $(ONLY),$(if $(PEERS),peers))

# The peers' Python, and one thread for its libraries, as the extension uses.
WITH_PEERS = PEERS=1 PYTHON='$(BUILD)/peers/python/bin/python' OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1

install: all static ## install library, header and SQL scripts under PREFIX (/usr/local), staged in DESTDIR
	install -d '$(INTO)/lib/pkgconfig' '$(INTO)/include' '$(INTO)/share/sqlite-safetensors/sql'
	install -m 755 $(BUILD)/safetensors.so '$(INTO)/lib/safetensors.so'
	install -m 644 $(BUILD)/libsafetensors.a '$(INTO)/lib/libsafetensors.a'
	install -m 644 ext/safetensors.h '$(INTO)/include/safetensors.h'
	sed 's|@PREFIX@|$(PREFIX)|; s|@VERSION@|$(VERSION)|' .package/sqlite-safetensors.pc.in \
		>'$(INTO)/lib/pkgconfig/sqlite-safetensors.pc'
	install -m 644 sql/*.sql '$(INTO)/share/sqlite-safetensors/sql/'
	install -d '$(INTO)/share/sqlite-safetensors/sql/fleet'
	install -m 644 sql/fleet/*.sql '$(INTO)/share/sqlite-safetensors/sql/fleet/'
	install -m 755 sql/fleet/*.sh sql/fleet/*.py '$(INTO)/share/sqlite-safetensors/sql/fleet/'

uninstall: ## remove what install put there
	rm -f '$(INTO)/lib/safetensors.so' '$(INTO)/lib/libsafetensors.a' '$(INTO)/include/safetensors.h' \
		'$(INTO)/lib/pkgconfig/sqlite-safetensors.pc'
	rm -rf '$(INTO)/share/sqlite-safetensors'

format: ## format the C sources in place
	@.ci/deps check
	clang-format -i $$(git ls-files 'ext/*.[ch]' 'tests/*.[ch]')

lint: ## check the formatting and the layers, and run clang-tidy and cppcheck
	@.ci/deps check
	@$(PARALLEL_MAKE) programs
	@BUILD='$(BUILD)' CC='$(CC)' tests/build/lint

clean: ## remove the build directory
	rm -rf '$(BUILD)'

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 22

include tests/hostile.mk
include .package/packages.mk

-include $(shell find $(BUILD)/shared $(BUILD)/static $(BUILD)/program $(BUILD)/tests $(BUILD)/fuzzers -type f -name '*.d' 2>/dev/null)
