# sqlite-safetensors. `make help` lists the targets.
#
# Overridable: CC CFLAGS CPPFLAGS LDFLAGS PREFIX DESTDIR, and BUILD, the folder of all that is made.

BUILD  ?= build
PREFIX ?= /usr/local
CFLAGS ?= -O2 -g
OBJCOPY ?= objcopy
INTO = $(DESTDIR)$(PREFIX)
NO_UNDEFINED = -Wl,-z,defs

REQUIRES := sqlite3 >= 3.39 jansson >= 2.14 libxxhash >= 0.8
WARNINGS := -Wall -Wextra -Wpedantic -Wconversion -Wshadow
SANITIZERS := -fsanitize=address,undefined -fno-sanitize-recover=all
PKG_CFLAGS := $(shell pkg-config --cflags sqlite3 jansson libxxhash 2>/dev/null)
PKG_LIBS := $(shell pkg-config --libs jansson 2>/dev/null)
XXHASH_H := $(shell pkg-config --variable=includedir libxxhash 2>/dev/null)/xxhash.h
JANSSON_A := $(shell pkg-config --variable=libdir jansson 2>/dev/null)/libjansson.a
# For call_stack.c: not every machine has libgcc_s.
UNWINDER := -static-libgcc
TEST_LIBS := $(UNWINDER) $(PKG_LIBS) $(shell pkg-config --libs sqlite3 libmd 2>/dev/null) -lm -lpthread
PARALLEL_MAKE = $(MAKE) --no-print-directory -s -j "$$(nproc 2>/dev/null || echo 1)"
VERSION := $(shell sed -n 's/^\#define SAFETENSORS_VERSION "\(.*\)"/\1/p' ext/safetensors.h)

# The same sums everywhere: nothing is fused, nor computed with more digits than a double has, as
# 32-bit x86 does when it is let.
ARITHMETIC := -ffp-contract=off \
	$(if $(filter i386-% i486-% i586-% i686-%,$(shell $(CC) -dumpmachine)),-msse2 -mfpmath=sse)

COMPILE = $(CC) -std=c11 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 $(ARITHMETIC) -fPIC \
	-fvisibility=hidden $(WARNINGS) -MMD -MP -Iext \
	$(PKG_CFLAGS) $(CPPFLAGS) $(CFLAGS)

SOURCES := $(sort $(wildcard ext/*.c ext/*/*.c))
SHARED_OBJECTS := $(SOURCES:ext/%.c=$(BUILD)/shared/%.o)
STATIC_OBJECTS := $(SOURCES:ext/%.c=$(BUILD)/static/%.o)
TEST_PROGRAMS := $(patsubst tests/%.c,$(BUILD)/tests/%,$(sort $(wildcard tests/*.c)))

.DEFAULT_GOAL := all
.SECONDARY:
.PHONY: all exact picture static amalgamation bundled deb npm demo test check check-bare clients sanitize valgrind bench install \
	uninstall format lint clean help requirements programs

all: requirements $(BUILD)/safetensors.so ## build build/safetensors.so, the loadable extension

static: requirements $(BUILD)/libsafetensors.a ## build build/libsafetensors.a, to link into a program

amalgamation: requirements ## write build/amalgamation/safetensors.c and .h: all sources in one file
	@CC='$(CC)' .ci/deps test
	@CC='$(CC)' .package/amalgamate.py ext '$(XXHASH_H)' '$(BUILD)/amalgamation'

deb: bundled ## build build/packages/*.deb, with jansson linked in
	@.package/deb '$(BUILD)/bundled/safetensors.so' '$(BUILD)/packages'

npm: bundled ## build build/packages/*.tgz for npm, with jansson linked in
	@.package/npm/pack '$(BUILD)/bundled/safetensors.so' '$(BUILD)/packages'

bundled: requirements $(BUILD)/bundled/safetensors.so

requirements:
	@pkg-config --exists '$(REQUIRES)' 2>/dev/null || CC='$(CC)' .ci/deps --print build

$(BUILD)/shared/%.o: ext/%.c
	@mkdir -p $(@D)
	$(COMPILE) -c $< -o $@

$(BUILD)/static/%.o: ext/%.c
	@mkdir -p $(@D)
	$(COMPILE) -DSQLITE_CORE -c $< -o $@

# jansson goes into the library, its symbols hidden, where its archive is at hand: an extension that
# was loaded before and exports the same names would otherwise be called in its place. JANSSON_A= links
# with the shared library instead.
JANSSON := $(if $(wildcard $(JANSSON_A)),$(BUILD)/jansson/libjansson.a)

# Debian's archive is made for programs, into which stdin may be copied; a library has to name one
# of its own instead, for a function of jansson's that nothing calls.
$(BUILD)/jansson/libjansson.a: $(JANSSON_A)
	@mkdir -p $(@D)
	$(OBJCOPY) --redefine-sym stdin=jansson_stdin $< $@
	echo 'void *jansson_stdin;' | $(CC) -fPIC -fvisibility=hidden -x c -c - -o $(@D)/stdin.o
	$(AR) q $@ $(@D)/stdin.o

$(BUILD)/safetensors.so: $(SHARED_OBJECTS) $(JANSSON)
	$(CC) -shared $(CFLAGS) $(LDFLAGS) $(UNWINDER) -Wl,-z,relro,-z,now -Wl,--exclude-libs,ALL -o $@ \
		$(SHARED_OBJECTS) $(if $(JANSSON),$(JANSSON),$(PKG_LIBS)) -lm -lpthread $(NO_UNDEFINED)

# For other machines: without debugging information.
$(BUILD)/bundled/safetensors.so: $(BUILD)/safetensors.so $(JANSSON)
	@mkdir -p $(@D)
	$(OBJCOPY) --strip-all $< $@

# One object, in which all but the entry point is local: the library adds one name to a program.
$(BUILD)/libsafetensors.a: $(STATIC_OBJECTS)
	$(LD) -r -o $(BUILD)/libsafetensors.o $^
	$(OBJCOPY) --keep-global-symbol=sqlite3_safetensors_init $(BUILD)/libsafetensors.o
	rm -f $@
	$(AR) rcs $@ $(BUILD)/libsafetensors.o

# Test programs see the internals, so they link the objects, not the library.
$(BUILD)/tests/%: tests/%.c $(STATIC_OBJECTS)
	@mkdir -p $(@D)
	$(COMPILE) -DSQLITE_CORE $< $(STATIC_OBJECTS) -o $@ $(LDFLAGS) $(TEST_LIBS)

programs: all static $(TEST_PROGRAMS)

demo: ## show it: two small checkpoints, or MODEL=path [MODEL2=path], in the sqlite3 shell
	@CC='$(CC)' .ci/deps demo
	@$(PARALLEL_MAKE) all
	@BUILD='$(BUILD)' MODEL='$(MODEL)' MODEL2='$(MODEL2)' tests/demo

test: ## run the tests; the last line says how many passed and failed
	@CC='$(CC)' .ci/deps test
	@$(PARALLEL_MAKE) programs
	@BUILD='$(BUILD)' tests/run scripts programs files tools

check: ## run everything: test, demo, sanitizers, valgrind, lint, installation, benchmark (long ones in short)
	@CC='$(CC)' BUILD='$(BUILD)' .ci/deps check
	@$(PARALLEL_MAKE) programs
	@BUILD='$(BUILD)' CC='$(CC)' tests/run all

clients: npm ## test the clients in README, after installing them (Debian packages, npm)
	@CC='$(CC)' BUILD='$(BUILD)' .ci/deps clients
	@$(PARALLEL_MAKE) all
	@BUILD='$(BUILD)' tests/python tests/clients.py

check-bare: ## try README's ways from a bare Debian 12 to an answer, within a minute (debootstrap)
	@CC='$(CC)' .ci/deps test
	@$(PARALLEL_MAKE) all
	@BUILD='$(BUILD)' tests/bare

picture: all ## draw sql/report.png, README's picture (needs chromium)
	@BUILD='$(BUILD)' HEIGHT=1450 .package/picture

exact: all ## test statistics of 100,000,000 elements against exact arithmetic
	@EXACT_ELEMENTS=100000000 BUILD='$(BUILD)' tests/python tests/exact.py

sanitize: ## run scripts and test programs under AddressSanitizer and UBSan (clang)
	@.ci/deps check
	@$(PARALLEL_MAKE) programs CC=clang BUILD='$(BUILD)/sanitize' \
		CFLAGS='-O1 -g -fno-omit-frame-pointer $(SANITIZERS)' \
		LDFLAGS='-fsanitize=address,undefined' NO_UNDEFINED=
	@BUILD='$(BUILD)/sanitize' tests/run scripts programs

valgrind: ## run all scripts under valgrind
	@.ci/deps check
	@$(PARALLEL_MAKE) programs
	@BUILD='$(BUILD)' RUN_UNDER=valgrind tests/run scripts

bench: ## measure against other tools and the machine: BENCH_SCALE=0.01 for a short run, ONLY=subject
	@CC='$(CC)' .ci/deps test
	@$(PARALLEL_MAKE) programs
	@BUILD='$(BUILD)' tests/python tests/bench $(ONLY)

install: all static ## install library, header and SQL scripts under PREFIX (/usr/local), within DESTDIR
	install -d '$(INTO)/lib/pkgconfig' '$(INTO)/include' '$(INTO)/share/sqlite-safetensors/sql'
	install -m 755 $(BUILD)/safetensors.so '$(INTO)/lib/safetensors.so'
	install -m 644 $(BUILD)/libsafetensors.a '$(INTO)/lib/libsafetensors.a'
	install -m 644 ext/safetensors.h '$(INTO)/include/safetensors.h'
	sed 's|@PREFIX@|$(PREFIX)|; s|@VERSION@|$(VERSION)|' .package/sqlite-safetensors.pc.in \
		>'$(INTO)/lib/pkgconfig/sqlite-safetensors.pc'
	install -m 644 sql/*.sql '$(INTO)/share/sqlite-safetensors/sql/'

uninstall: ## remove what install put there
	rm -f '$(INTO)/lib/safetensors.so' '$(INTO)/lib/libsafetensors.a' '$(INTO)/include/safetensors.h' \
		'$(INTO)/lib/pkgconfig/sqlite-safetensors.pc'
	rm -rf '$(INTO)/share/sqlite-safetensors'

format: ## format the C sources in place
	@.ci/deps check
	clang-format -i $$(git ls-files 'ext/*.[ch]' 'tests/*.[ch]')

lint: ## check the format, and run clang-tidy and cppcheck
	@.ci/deps check
	@BUILD='$(BUILD)' CC='$(CC)' tests/lint

clean: ## remove the build folder
	rm -rf '$(BUILD)'

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 22

include tests/hostile.mk

-include $(shell find $(BUILD)/shared $(BUILD)/static $(BUILD)/tests $(BUILD)/fuzzers -type f -name '*.d' 2>/dev/null)
