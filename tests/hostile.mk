# Targets that test the extension under hostile conditions. Included by ../Makefile.

.PHONY: fuzz fuzzers check-portable threads cost truncation coverage mutations kills faults

# ---- Fuzzing ----

FUZZ_SECONDS ?= 60
FUZZERS := $(patsubst tests/fuzz/%.c,$(BUILD)/fuzzers/%,$(sort $(wildcard tests/fuzz/*.c)))

# Replaying needs no feedback, so it shares the objects of `make sanitize`.
FUZZ_BUILD = $(BUILD)/$(if $(filter 0,$(FUZZ_SECONDS)),sanitize,fuzz)
FUZZ_FEEDBACK = $(if $(filter 0,$(FUZZ_SECONDS)),,-fsanitize=fuzzer-no-link)

fuzz: ## fuzz with clang's libFuzzer, FUZZ_SECONDS=60 for each target; 0 replays the corpus
	@.ci/deps check
	@$(PARALLEL_MAKE) fuzzers CC=clang BUILD='$(FUZZ_BUILD)' NO_UNDEFINED= \
		CFLAGS='$(SANITIZED) $(FUZZ_FEEDBACK)' LDFLAGS='-fsanitize=address,undefined'
	@BUILD='$(FUZZ_BUILD)' FUZZ_CORPUS='$(BUILD)/fuzz/corpus' $(AT_FIXED_ADDRESSES) tests/fuzz/run '$(FUZZ_SECONDS)'

fuzzers: $(FUZZERS) $(TEST_TOOLS)

$(BUILD)/fuzzers/%: tests/fuzz/%.c $(TEST_LIBRARY) $(STATIC_OBJECTS)
	@mkdir -p $(@D)
	$(COMPILE) -DSQLITE_CORE -Itests/lib $< $(TEST_LIBRARY) $(STATIC_OBJECTS) -o $@ $(LDFLAGS) -fsanitize=fuzzer $(TEST_LIBS)

# ---- Other machines ----

PARTS =

check-portable: ## test on s390x, i386, arm64, AVX-512, musl, with clang, Windows by wine, and SQLite 3.39 to the newest; PARTS=s390x for one
	@.ci/deps portable || .ci/deps check
	@BUILD='$(BUILD)' tests/portable/run $(PARTS)

# ---- Threads ----

THREAD_ROUNDS ?= 50

threads: ## run the threads of tests/unit/threads.c and of passes under ThreadSanitizer (clang)
	@.ci/deps check
	@$(PARALLEL_MAKE) BUILD='$(BUILD)/threads' CC=clang NO_UNDEFINED= \
		CFLAGS='-O1 -gline-tables-only -fsanitize=thread' LDFLAGS=-fsanitize=thread \
		'$(BUILD)/threads/safetensors.so' '$(BUILD)/threads/tests/unit/threads' '$(BUILD)/threads/tests/unit/pass'
	@BUILD='$(BUILD)/threads' TSAN_OPTIONS=halt_on_error=1 $(AT_FIXED_ADDRESSES) '$(BUILD)/threads/tests/unit/pass'
	@BUILD='$(BUILD)/threads' TSAN_OPTIONS=halt_on_error=1 $(AT_FIXED_ADDRESSES) \
		'$(BUILD)/threads/tests/unit/threads' '$(THREAD_ROUNDS)'

# ---- Cost ----

cost: ## measure the memory that hostile headers of up to 100 MB take, and how their time grows
	@.ci/deps check
	@$(PARALLEL_MAKE) '$(BUILD)/tests/faults/cost'
	@'$(BUILD)/tests/faults/cost' full
	@BUILD='$(BUILD)' tests/python tests/faults/cost.py 400000

# ---- Files that change ----

truncation: ## truncate files at 1,000 random moments under concurrent queries, mapped and read
	@.ci/deps test
	@$(PARALLEL_MAKE) '$(BUILD)/tests/faults/truncation'
	@'$(BUILD)/tests/faults/truncation' 1000

# ---- Mutations ----

MUTATIONS ?= 1000000

mutations: ## check MUTATIONS=1000000 damaged files, and compare with an independent reader
	@$(PARALLEL_MAKE) all
	@BUILD='$(BUILD)' tests/python tests/faults/mutations.py '$(MUTATIONS)' "$$(date +%s)"

# ---- Writers that are killed ----

kills: ## kill 500 writing processes at random moments; the old or the new file must be whole
	@.ci/deps test
	@$(PARALLEL_MAKE) all
	@BUILD='$(BUILD)' WRITE_KILLS=200 tests/python tests/faults/writing.py
	@BUILD='$(BUILD)' WRITE_KILLS=300 tests/python tests/faults/writers.py

# ---- Allocations that fail ----

faults: ## fail each allocation of each statement, and each system call; make test fails some
	@.ci/deps test
	@$(PARALLEL_MAKE) programs
	@'$(BUILD)/tests/faults/allocations' 1
	@'$(BUILD)/tests/faults/system_calls' 1
	@'$(BUILD)/tests/faults/placing' 1

# ---- Coverage ----

SUITES =

coverage: ## show which lines of ext/ the tests reach, and why they miss others (clang); SUITES=scripts for one suite
	@.ci/deps check
	@$(PARALLEL_MAKE) programs CC=clang BUILD='$(BUILD)/coverage' NO_UNDEFINED= \
		CFLAGS='-O1 -gline-tables-only -fprofile-instr-generate -fcoverage-mapping' \
		LDFLAGS=-fprofile-instr-generate
	@BUILD='$(BUILD)/coverage' tests/build/coverage $(SUITES)
