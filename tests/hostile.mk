# Targets that show that the extension holds under hostile conditions. Part of ../Makefile.

.PHONY: fuzz fuzzers check-portable threads cost truncation coverage mutations kills

# ---- Fuzzing ----

FUZZ_SECONDS ?= 60
FUZZERS := $(patsubst tests/fuzz/%.c,$(BUILD)/fuzzers/%, \
	$(filter-out %/corpus.c,$(sort $(wildcard tests/fuzz/*.c))))

fuzz: ## fuzz with clang's libFuzzer, FUZZ_SECONDS=60 for each target; 0 replays the corpus
	@.ci/deps check
	@$(PARALLEL_MAKE) fuzzers CC=clang BUILD='$(BUILD)/fuzz' NO_UNDEFINED= \
		CFLAGS='-O1 -g -fno-omit-frame-pointer -fsanitize=fuzzer-no-link $(SANITIZERS)' \
		LDFLAGS='-fsanitize=address,undefined'
	@BUILD='$(BUILD)/fuzz' tests/fuzz/run '$(FUZZ_SECONDS)'

fuzzers: $(FUZZERS) $(BUILD)/tests/corpus $(BUILD)/tests/fixtures

$(BUILD)/fuzzers/%: tests/fuzz/%.c $(STATIC_OBJECTS)
	@mkdir -p $(@D)
	$(COMPILE) -DSQLITE_CORE $< $(STATIC_OBJECTS) -o $@ $(LDFLAGS) -fsanitize=fuzzer $(TEST_LIBS)

$(BUILD)/tests/corpus: tests/fuzz/corpus.c $(STATIC_OBJECTS)
	@mkdir -p $(@D)
	$(COMPILE) -DSQLITE_CORE $< $(STATIC_OBJECTS) -o $@ $(LDFLAGS) $(TEST_LIBS)

# ---- Other machines ----

PARTS =

check-portable: ## test on s390x, i386, arm64, musl, with clang, and SQLite 3.39 to the newest; PARTS=s390x for one
	@.ci/deps portable || .ci/deps check
	@BUILD='$(BUILD)' tests/portable/run $(PARTS)

# ---- Threads ----

THREAD_ROUNDS ?= 50

threads: ## run the threads of tests/threads.c and of passes under ThreadSanitizer (clang)
	@.ci/deps check
	@$(PARALLEL_MAKE) BUILD='$(BUILD)/threads' CC=clang NO_UNDEFINED= \
		CFLAGS='-O1 -g -fsanitize=thread' LDFLAGS=-fsanitize=thread \
		'$(BUILD)/threads/safetensors.so' '$(BUILD)/threads/tests/threads' '$(BUILD)/threads/tests/pass'
	@BUILD='$(BUILD)/threads' TSAN_OPTIONS=halt_on_error=1 '$(BUILD)/threads/tests/pass'
	@BUILD='$(BUILD)/threads' TSAN_OPTIONS=halt_on_error=1 \
		'$(BUILD)/threads/tests/threads' '$(THREAD_ROUNDS)'

# ---- Cost ----

cost: ## measure what hostile headers up to the format's limit cost in memory, and how that grows in time
	@.ci/deps check
	@$(PARALLEL_MAKE) '$(BUILD)/tests/cost'
	@'$(BUILD)/tests/cost' full
	@BUILD='$(BUILD)' tests/python tests/cost.py 400000

# ---- Files that change ----

truncation: ## cut files short at 1,000 random moments under concurrent queries, reading and mapped
	@.ci/deps test
	@$(PARALLEL_MAKE) '$(BUILD)/tests/truncation'
	@'$(BUILD)/tests/truncation' 1000

# ---- Mutations ----

MUTATIONS ?= 1000000

mutations: ## compare the checks of MUTATIONS=1000000 damaged files with an independent reader's
	@$(PARALLEL_MAKE) all
	@BUILD='$(BUILD)' tests/python tests/check_mutations.py '$(MUTATIONS)' "$$(date +%s)"

# ---- Writers that are killed ----

kills: ## kill -9 200 writing processes at random moments: the old file or the new one, whole
	@.ci/deps test
	@$(PARALLEL_MAKE) all
	@BUILD='$(BUILD)' WRITE_KILLS=200 tests/python tests/write_faults.py

# ---- Coverage ----

SUITES =

coverage: ## which lines of ext/ the tests reach, and which not and why (clang); SUITES=scripts for some of them
	@.ci/deps check
	@$(PARALLEL_MAKE) programs CC=clang BUILD='$(BUILD)/coverage' NO_UNDEFINED= \
		CFLAGS='-O0 -g -fprofile-instr-generate -fcoverage-mapping' \
		LDFLAGS=-fprofile-instr-generate
	@BUILD='$(BUILD)/coverage' tests/coverage $(SUITES)
