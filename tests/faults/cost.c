/*
** What hostile headers and indexes cost: the memory is bounded by a multiple of their size, below;
** that time is linear, cost.py finds out by counting instructions of this program.
**
**     cost                 all attacks, with inputs of a megabyte; none where RUN_UNDER is set: an
**                          emulator takes an hour for them
**     cost full            with inputs just under the format's limit of 100,000,000 bytes
**     cost ATTACK SIZE     one attack with an input of about SIZE bytes, for cost.py
**     cost list            the attacks' names
**
** What counts is what SQLite's allocator and jansson's hand out at a time, at most.
*/
#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdint.h>
#include <time.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "program.h"

/* Bytes of memory for each byte of a header, or of an index (which is a tree of jansson's first); and
** of a header with one tensor that is looked into, of which a dimension takes two bytes. */
enum { HEADER_MULTIPLE = 5, INDEX_MULTIPLE = 16, DIMENSIONS_MULTIPLE = 55, FIXED = 200000 };

/* ---- Time ---- */

/* The program's own clock, in place of the C library's: it stands still but for sleeps. What is asked for from
** time to time would cost more instructions the busier the machine is. */
static int64_t slept;

int clock_gettime(clockid_t clock, struct timespec *now) {
  (void)clock;
  *now = (struct timespec){.tv_sec = time(NULL) / 1000 * 1000 + 1000 + slept / 1000000000,
                           .tv_nsec = slept % 1000000000};
  return 0;
}

int nanosleep(const struct timespec *duration, struct timespec *left) {
  (void)left;
  slept += duration->tv_sec * INT64_C(1000000000) + duration->tv_nsec;
  return 0;
}

/* ---- Making inputs ---- */

static char *input;
static size_t input_size, input_capacity;
static size_t data_size; /* of what follows a header, all of it zeros */

__attribute__((format(printf, 1, 2))) static void put(const char *format, ...) {
  va_list arguments;
  if (input_capacity - input_size < 4096) {
    input_capacity = 2 * input_capacity + 65536;
    input = realloc(input, input_capacity);
    if (input == NULL) stop("realloc");
  }
  va_start(arguments, format);
  input_size += (size_t)vsnprintf(input + input_size, 4096, format, arguments);
  va_end(arguments);
}

static void put_repeated(const char *text, size_t until) {
  while (input_size < until) put("%s", text);
}

#define EMPTY "{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}"

static const char *comma(uint64_t i) {
  return i > 0 ? "," : "";
}

static void make_many_tensors(size_t size) {
  for (uint64_t i = 0; input_size < size; i++) put("%s\"%" PRIx64 "\":" EMPTY, comma(i), i);
}

/* Each the last of what is left: the reader has to sort. */
static void make_unordered_tensors(size_t size) {
  uint64_t count = size / 80;
  for (uint64_t i = 0; i < count; i++) {
    uint64_t at = i * 7919 % count;
    put("%s\"%" PRIx64 "\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[%" PRIu64 ",%" PRIu64
        "]}",
        comma(i), at, at, at + 1);
  }
  data_size = count;
}

/* Names whose hashes agree in their low bits, if the hash were not seeded. They take long to find. */
static void make_colliding_names(size_t size) {
  uint64_t made = 0;
  if (size > 2000000) size = 2000000;
  for (uint64_t i = 0; input_size < size; i++) {
    char name[300]; /* more than any branch of the hash reads */
    int length = snprintf(name, sizeof name, "%" PRIu64, i);
    if ((XXH3_64bits(name, (size_t)length) & 0xfff) == 0)
      put("%s\"%s\":" EMPTY, comma(made++), name);
  }
}

/* Names that differ at their ends. */
static void make_long_names(size_t size) {
  for (uint64_t i = 0; input_size < size; i++) put("%s\"%01000" PRIu64 "\":" EMPTY, comma(i), i);
}

static void make_one_name(size_t size) {
  put("\"");
  put_repeated("model.layers.0.name", size);
  put("\":" EMPTY);
}

static void make_one_escaped_name(size_t size) {
  put("\"");
  put_repeated("\\u0061\\n", size);
  put("\":" EMPTY);
}

static void make_whitespace(size_t size) {
  put("\"a\":");
  put_repeated(" \n\t  ", size / 3);
  put("{\"dtype\":\"U8\",\"shape\":[");
  put_repeated("       ", 2 * size / 3);
  put("0],\"data_offsets\":[0,0]}");
  put_repeated("    ", size);
}

/* The scanner gives up late, so all of it is looked at again. */
static void make_whitespace_then_unknown_key(size_t size) {
  put("\"a\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0],");
  put_repeated("      ", size);
  put("\"x\":1}");
}

static void make_unknown_keys(size_t size) {
  for (uint64_t i = 0; input_size < size; i++) {
    put("%s\"%" PRIx64 "\":{\"x\":null,\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}",
        comma(i), i);
  }
}

static void make_deep_nesting(size_t size) {
  for (uint64_t i = 0; input_size < size; i++) {
    put("%s\"%" PRIx64 "\":{\"x\":", comma(i), i);
    for (int depth = 0; depth < 100; depth++) put("[");
    for (int depth = 0; depth < 100; depth++) put("]");
    put(",\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}");
  }
}

static void make_endless_nesting(size_t size) {
  put("\"a\":{\"x\":");
  put_repeated("[[[[[[[[[[", size);
}

static void make_unclosed_objects(size_t size) {
  put("\"a\":{\"x\":1,");
  put_repeated("\"y\":{", size);
}

static void make_many_dimensions(size_t size) {
  put("\"a\":{\"dtype\":\"U8\",\"shape\":[0");
  put_repeated(",1", size);
  put("],\"data_offsets\":[0,0]}");
}

/* Most dimensions are between two that a walk over a slice goes through. */
static void make_dimensions_between(size_t size) {
  if (size > 2000000) size = 2000000;
  size_t rows = size / 8;
  data_size = rows * 6;
  put("\"a\":{\"dtype\":\"U8\",\"data_offsets\":[0,%zu],\"shape\":[%zu", data_size, rows);
  put_repeated(",1", size);
  put(",2,3]}");
}

/* Each of 1,000 dimensions. */
static void make_many_shapes(size_t size) {
  for (uint64_t i = 0; input_size < size; i++) {
    put("%s\"%" PRIx64 "\":{\"dtype\":\"U8\",\"shape\":[0", comma(i), i);
    for (int d = 1; d < 1000; d++) put(",1");
    put("],\"data_offsets\":[0,0]}");
  }
}

static void make_metadata(size_t size) {
  put("\"__metadata__\":{");
  for (uint64_t i = 0; input_size < size; i++) put("%s\"%" PRIx64 "\":\"\"", comma(i), i);
  put("}");
}

static void make_metadata_value(size_t size) {
  put("\"__metadata__\":{\"k\":\"");
  put_repeated("text text text ", size);
  put("\"}");
}

/* What a check goes on after. */
static void make_same_keys_inside(size_t size) {
  put("\"a\":{\"b\":0");
  put_repeated(",\"c\":{\"d\":1,\"d\":2}", size);
  put("}");
}

static void make_broken_entries(size_t size) {
  for (uint64_t i = 0; input_size < size; i++) put("%s\"%" PRIx64 "\":{[[1}", comma(i), i);
}

static void make_short_entries(size_t size) {
  for (uint64_t i = 0; input_size < size; i++) put("%s\"\":1", comma(i));
}

static void make_commas(size_t size) {
  put_repeated(", ,\n,", size);
}

static void make_overlaps(size_t size) {
  for (uint64_t i = 0; input_size < size; i++) {
    put("%s\"%" PRIx64 "\":{\"dtype\":\"U8\",\"shape\":[9],\"data_offsets\":[%" PRIu64 ",9]}",
        comma(i), i, i % 7);
  }
}

static void make_index(size_t size) {
  for (uint64_t i = 0; input_size < size; i++) put("%s\"%" PRIx64 "\":\"1\"", comma(i), i);
}

/* As many shards as tensors, whose names differ at their ends, not in order. */
static void make_index_of_shards(size_t size) {
  uint64_t count = size / 130;
  for (uint64_t i = 0; i < count; i++) {
    put("%s\"%" PRIx64 "\":\"%0100" PRIu64 "\"", comma(i), i, i * 7919 % count);
  }
}

/* ---- The attacks ---- */

typedef struct Attack {
  const char *name;
  void (*make)(size_t size);
  const char *before, *after; /* of what it makes */
  const char *sql;
} Attack;

#define LIST                                                                                      \
  "SELECT count(*), sum(nbytes), sum(length(name)), sum(rank), max(layer), sum(length(pattern)) " \
  "FROM safetensors_tensors(:path)"
#define METADATA \
  "SELECT count(*), sum(length(key) + length(value)) FROM safetensors_metadata(:path)"
#define FILES "SELECT count(*), max(status) FROM safetensors_files(:path)"
#define JOINED                                                                  \
  "SELECT count(*), count(b.name) FROM safetensors_tensors(:path) a LEFT JOIN " \
  "safetensors_tensors(:path) b USING (name)"

#define STATISTICS "SELECT mean FROM tensor_stats(:path || '?slice=...,:2#a')"
#define JSON       "SELECT length(tensor_json(:path || '#a', ':2,...,:2'))"
#define ELEMENTS   "SELECT sum(value) FROM tensor_elements(:path || '#a', '...,:2') WHERE idx < 20"

#define HEADER(name, sql) \
  { #name, make_##name, "{", "}", sql }
#define CHECK "SELECT count(*), sum(length(message)) FROM safetensors_check(:path)"
#define CHECK_OF(name) \
  { "check_of_" #name, make_##name, "{", "}", CHECK }
#define SALVAGE                                                                                   \
  "SELECT count(*), sum(length(message)), sum(length(name)), sum(offset), count(DISTINCT rowid) " \
  "FROM safetensors_salvage(:path)"
#define SALVAGE_JOINED                                                            \
  "SELECT count(*), count(b.status) FROM safetensors_salvage(:path) a LEFT JOIN " \
  "safetensors_salvage(:path) b USING (name)"
#define SALVAGE_OF(name) \
  { "salvage_of_" #name, make_##name, "{", "}", SALVAGE }
#define INDEX(name) \
  { #name, make_##name, "{\"weight_map\":{", "}}", FILES }

static const Attack attacks[] = {
    HEADER(many_tensors, LIST),
    {"join_of_many_tensors", make_many_tensors, "{", "}", JOINED},
    HEADER(unordered_tensors, LIST),
    HEADER(colliding_names, JOINED),
    HEADER(long_names, JOINED),
    HEADER(one_name, LIST),
    HEADER(one_escaped_name, LIST),
    HEADER(whitespace, LIST),
    HEADER(whitespace_then_unknown_key, LIST),
    HEADER(unknown_keys, LIST),
    HEADER(deep_nesting, LIST),
    HEADER(endless_nesting, FILES),
    HEADER(unclosed_objects, FILES),
    HEADER(many_dimensions, LIST),
    HEADER(many_shapes, LIST),
    HEADER(dimensions_between, STATISTICS),
    {"json_of_dimensions_between", make_dimensions_between, "{", "}", JSON},
    {"elements_of_dimensions_between", make_dimensions_between, "{", "}", ELEMENTS},
    HEADER(metadata, METADATA),
    HEADER(metadata_value, METADATA),
    CHECK_OF(many_tensors),
    CHECK_OF(endless_nesting),
    CHECK_OF(unclosed_objects),
    CHECK_OF(metadata),
    CHECK_OF(same_keys_inside),
    CHECK_OF(broken_entries),
    CHECK_OF(commas),
    CHECK_OF(overlaps),
    SALVAGE_OF(many_tensors),
    SALVAGE_OF(unordered_tensors),
    SALVAGE_OF(one_escaped_name),
    SALVAGE_OF(deep_nesting),
    SALVAGE_OF(unclosed_objects),
    SALVAGE_OF(metadata),
    SALVAGE_OF(broken_entries),
    SALVAGE_OF(short_entries),
    SALVAGE_OF(commas),
    SALVAGE_OF(overlaps),
    {"join_of_salvage_of_overlaps", make_overlaps, "{", "}", SALVAGE_JOINED},
    {"join_of_salvage_of_long_names", make_long_names, "{", "}", SALVAGE_JOINED},
    {"check_of_index", make_index, "{\"weight_map\":{", "}}", CHECK},
    {"check_of_index_of_shards", make_index_of_shards, "{\"weight_map\":{", "}}", CHECK},
    INDEX(index),
    INDEX(index_of_shards),
};
enum { ATTACK_COUNT = sizeof attacks / sizeof attacks[0] };

static bool is_index(const Attack *attack) {
  return attack->before[1] != '\0';
}

static uint64_t most_memory(const Attack *attack) {
  unsigned multiple = is_index(attack)                          ? INDEX_MULTIPLE
                      : attack->make == make_dimensions_between ? DIMENSIONS_MULTIPLE
                                                                : HEADER_MULTIPLE;
  return input_size * multiple + FIXED;
}

/* ---- Measuring ---- */

static char path[80];

static void write_input(const Attack *attack, size_t size) {
  input_size = data_size = 0;
  put("%s", attack->before);
  attack->make(size);
  put("%s", attack->after);
  snprintf(path, sizeof path, "%s/%s", directory,
           is_index(attack) ? "model.safetensors.index.json" : "model.safetensors");
  FILE *file = fopen(path, "wb");
  if (file == NULL) stop(path);
  if (!is_index(attack)) {
    for (int i = 0; i < 8; i++) fputc((int)((uint64_t)input_size >> (8 * i) & 0xff), file);
  }
  fwrite(input, 1, input_size, file);
  for (size_t i = 0; i < data_size; i++) fputc(0, file);
  if (fclose(file) != 0) stop(path);
}

/* By this name callgrind finds it. */
__attribute__((noinline)) int measured(sqlite3_stmt *statement) {
  int code;
  while ((code = sqlite3_step(statement)) == SQLITE_ROW) sqlite3_column_text(statement, 0);
  return code;
}

/* Runs the attack. Returns the most memory that it took. */
static uint64_t run(const Attack *attack, size_t size) {
  write_input(attack, size);
  sqlite3 *db = new_connection();
  sqlite3_stmt *statement = NULL;
  sqlite3_exec(db, "SELECT safetensors_config('io', 'pread')", NULL, NULL, NULL);
  sqlite3_prepare_v2(db, attack->sql, -1, &statement, NULL);
  sqlite3_bind_text(statement, 1, path, -1, SQLITE_STATIC);
  sqlite3_int64 before = sqlite3_memory_used();
  sqlite3_memory_highwater(1);
  check(measured(statement) == SQLITE_DONE, sqlite3_errmsg(db));
  uint64_t memory = (uint64_t)(sqlite3_memory_highwater(0) - before);
  sqlite3_finalize(statement);
  check(sqlite3_close(db) == SQLITE_OK && sqlite3_memory_used() == 0, "no memory is left");
  unlink(path);
  return memory;
}

static void check_memory(const Attack *attack, size_t size) {
  uint64_t memory = run(attack, size);
  printf("%-30s %10zu bytes, %5.2f times that of memory\n", attack->name, input_size,
         (double)memory / (double)input_size);
  check(memory <= most_memory(attack), attack->name);
}

static void *jansson_malloc(size_t size) {
  return sqlite3_malloc64(size);
}

int main(int argc, char **argv) {
  if (argc == 1 && getenv("RUN_UNDER") != NULL) {
    puts("skipped: the cost of hostile files, under an emulator");
    return finish();
  }
  json_set_alloc_funcs(jansson_malloc, sqlite3_free);
  make_directory();
  bool full = argc == 2 && strcmp(argv[1], "full") == 0;
  for (int i = 0; i < ATTACK_COUNT; i++) {
    if (argc == 3) {
      if (strcmp(attacks[i].name, argv[1]) == 0) run(&attacks[i], strtoull(argv[2], NULL, 10));
    } else if (argc == 2 && !full) {
      puts(attacks[i].name);
    } else {
      check_memory(&attacks[i], full ? 99900000 : 1000000);
    }
  }
  free(input);
  rmdir(directory);
  return argc == 1 || full ? finish() : failed > 0;
}
