/*
** Every allocation fails once.
**
** SQL scripts that together touch all of the extension are run with a fault at their first, second,
** third, ... allocation, until a run gets through without meeting it. The fault is in SQLite's
** allocator, which the extension uses too, or in jansson's; it strikes once, or from there on. Each
** run must
**
**   - give the rows or the error message of a run without faults, or SQLITE_NOMEM, with no wrong
**   row
**     before it: "out of memory" is the only new thing that a fault may bring;
**   - leave the connection usable: the same script, run again on it without faults, is right;
**   - leave nothing behind: no memory of either allocator, no file descriptor, no mapping.
**
** Lookaside memory is off, so that SQLite asks its allocator for everything. What the C library
** takes for itself (qsort) is out of reach here.
*/
#include <dirent.h>
#include <inttypes.h>
#include <jansson.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "safetensors.h"

/* ---- Fixtures ---- */

#define ENTRY(name, dtype, shape, offsets) \
  "\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":" offsets "}"

/* Longer than any buffer that jansson's lexer starts with. */
#define LONG_WORD "a_word_that_is_a_good_deal_longer_than_sixty_four_bytes_so_buffers_have_to_grow"

typedef struct Fixture {
  const char *name, *header;
  unsigned data_size;
} Fixture;

static const Fixture fixtures[] = {
    {"plain",
     "{\"__metadata__\":{\"format\":\"pt\",\"author\":\"nobody\"}," ENTRY(
         "model.layers.3.weight", "F32", "[3,2]",
         "[0,24]") "," ENTRY("bias", "U8", "[4]", "[24,28]") "," ENTRY("none", "F16", "[0]",
                                                                       "[28,28]"
                                                                       "") "}",
     28},
    {"other",
     "{" ENTRY("bias", "U8", "[2]", "[0,2]") "," ENTRY("extra", "U8", "[2,2]", "[2,6]") "}", 6},
    {"tricky",
     "{\"a\\u0062\":{\"dtype\":\"U8\",\"shape\":[ 2 ],\"data_offsets\":[0,2],\"comment\":{\"long\":"
     "[\"" LONG_WORD "\",1.5,null,{\"" LONG_WORD
     "\":true}]}},\"\\ud83d\\ude00\":{\"\\u0064type\":\"I\\u0038\",\"shape\":[2],\"data_offsets\":"
     "[2,4]},\"__metadata__\":{\"quote\\\"\":\"line\\nbreak\",\"nul\":\"a\\u0000b\",\"" LONG_WORD
     "\":\"\\u00e9 " LONG_WORD LONG_WORD "\"},\"" LONG_WORD
     "\":{\"dtype\":\"F4\",\"shape\":[2,4],\"data_offsets\":[4,8],\"x\":[]}}",
     8},
    {"not_json", "{\"a\":[1", 0},
    {"bad_entry", "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],,\"data_offsets\":[0,1]}}", 1},
    {"bad_long_entry",
     "{\"a\":{\"x\":\"" LONG_WORD "\",\"dtype\":\"U8\",\"" LONG_WORD
     "\":truly,\"shape\":[1],\"data_offsets\":[0,1]}}",
     1},
    {"bad_long_token", "{\"a\":{\"dtype\":\"" LONG_WORD "\",\"shape\":[1],\"data_offsets\":[0,1]}}",
     1},
    {"bad_escape", "{\"a\":{\"x\":\"" LONG_WORD "\\ud800\"}}", 1},
    {"bad_dtype", "{" ENTRY("a", "F31", "[1]", "[0,1]") "}", 1},
    {"bad_shape", "{" ENTRY("a", "U8", "[1.0]", "[0,1]") "}", 1},
    {"bad_offsets", "{" ENTRY("a", "U8", "[1]", "[0,1,2]") "}", 1},
    {"bad_size", "{" ENTRY("a", "F32", "[3]", "[0,4]") "}", 4},
    {"overflow", "{" ENTRY("a", "F32", "[9223372036854775807,9]", "[0,4]") "}", 4},
    {"hole", "{" ENTRY("a", "U8", "[1]", "[1,2]") "}", 2},
    {"cut_data", "{" ENTRY("a", "U8", "[9]", "[0,9]") "}", 2},
    {"deep_entry",
     "{\"a\":{\"x\":"
     "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["
     "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["
     "]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]"
     "]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]"
     "}}",
     0},
    {"duplicate_key",
     "{\"a\":{\"dtype\":\"U8\",\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1},
    {"duplicate_name",
     "{" ENTRY("a", "U8", "[1]", "[0,1]") "," ENTRY("a", "U8", "[1]", "[1,2]") "}", 2},
    {"duplicate_metadata", "{\"__metadata__\":{\"k\":\"1\",\"k\":\"2\"}}", 0},
    {"bad_metadata", "{\"__metadata__\":{\"k\":1}}", 0},
    {"bad_utf8", "{\"\xff\":{}}", 0},
};

static const char lfs_pointer[] =
    "version https://git-lfs.github.com/spec/v1\noid sha256:0123456789abcdef\nsize 1234567\n";

static void stop(const char *what) {
  perror(what);
  exit(1);
}

static void write_file(const char *name, const void *bytes, size_t size) {
  FILE *file = fopen(name, "wb");
  if (file == NULL || fwrite(bytes, 1, size, file) != size || fclose(file) != 0) stop(name);
}

/* The bytes of a fixture's file, which the caller frees. */
static unsigned char *fixture_bytes(const Fixture *fixture, size_t *size) {
  size_t length = strlen(fixture->header);
  *size = 8 + length + fixture->data_size;
  unsigned char *bytes = calloc(1, *size);
  if (bytes == NULL) stop("calloc");
  for (int i = 0; i < 8; i++) bytes[i] = (unsigned char)((uint64_t)length >> (8 * i));
  memcpy(bytes + 8, fixture->header, length);
  for (unsigned i = 0; i < fixture->data_size; i++) bytes[8 + length + i] = (unsigned char)i;
  return bytes;
}

static char folder[] = "/tmp/faults.XXXXXX";

static void write_fixtures(void) {
  if (mkdtemp(folder) == NULL || chdir(folder) != 0) stop(folder);
  for (size_t i = 0; i < sizeof fixtures / sizeof fixtures[0]; i++) {
    size_t size;
    unsigned char *bytes = fixture_bytes(&fixtures[i], &size);
    write_file(fixtures[i].name, bytes, size);
    if (strcmp(fixtures[i].name, "plain") == 0) write_file("cut_header", bytes, 40);
    free(bytes);
  }
  write_file("pointer", lfs_pointer, sizeof lfs_pointer - 1);
  write_file("empty", "", 0);
}

static void remove_fixtures(void) {
  DIR *directory = opendir(".");
  if (directory == NULL) stop(folder);
  for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
    if (entry->d_name[0] != '.') unlink(entry->d_name);
  }
  closedir(directory);
  if (chdir("/") != 0 || rmdir(folder) != 0) stop(folder);
}

/* ---- Scripts ---- */

/* Which part of a run the faults are for. */
typedef enum Stage {
  STAGE_STEPS,  /* the statements' steps; of preparing them, other scripts see enough */
  STAGE_SCRIPT, /* the SQL */
  STAGE_LOAD,   /* the extension's entry point, and the SQL */
  STAGE_AUTO,   /* opening, with the extension as an automatic one, and the SQL */
} Stage;

/* Every script can be run again on the same connection. :blob is the bytes of the fixture "tricky",
** :bad_blob of "bad_entry". */
typedef struct Script {
  const char *name;
  Stage stage;
  const char *sql;
} Script;

#define ALL_COLUMNS                                                                          \
  "name, dtype, shape, numel, nbytes, offset, file, rank, layer, pattern, ref, data, path, " \
  "t.rowid"

static const Script scripts[] = {
    {"load", STAGE_LOAD, "SELECT tensor_shape('plain#bias'), length(safetensors_version()) > 0"},
    {"load automatically", STAGE_AUTO, "SELECT count(*) FROM safetensors_tensors('plain')"},
    {"load again", STAGE_LOAD, "SELECT name FROM safetensors_tensors('tricky')"},
    {"version", STAGE_SCRIPT, "SELECT safetensors_version() LIKE 'safetensors %jansson%'"},
    {"list", STAGE_SCRIPT, "SELECT * FROM safetensors_tensors('plain')"},
    {"all columns", STAGE_SCRIPT, "SELECT " ALL_COLUMNS " FROM safetensors_tensors('plain') t"},
    {"all columns, tricky", STAGE_SCRIPT,
     "SELECT " ALL_COLUMNS " FROM safetensors_tensors('tricky') t ORDER BY offset"},
    {"order by name", STAGE_SCRIPT, "SELECT name FROM safetensors_tensors('tricky') ORDER BY 1"},
    {"name lookup", STAGE_SCRIPT,
     "SELECT shape FROM safetensors_tensors('plain') WHERE name = 'bias';"
     "SELECT name FROM safetensors_tensors('plain') WHERE name IN ('bias', 'none', 'x');"
     "SELECT count(*) FROM safetensors_tensors('plain') WHERE name = 7"},
    {"lookup join", STAGE_SCRIPT,
     "SELECT a.name, b.offset, b.data FROM safetensors_tensors('plain') a "
     "JOIN safetensors_tensors('other') b ON b.name = a.name"},
    {"full join", STAGE_SCRIPT,
     "SELECT a.name, b.name, a.data = b.data FROM safetensors_tensors('plain') a "
     "FULL JOIN safetensors_tensors('other') b ON b.name = a.name"},
    {"path from a table", STAGE_SCRIPT,
     "WITH paths(p) AS (VALUES ('plain'), ('tricky'), (NULL)) "
     "SELECT p, name FROM paths, safetensors_tensors(p)"},
    {"metadata", STAGE_SCRIPT, "SELECT *, rowid, path FROM safetensors_metadata('plain')"},
    {"metadata, tricky", STAGE_SCRIPT,
     "SELECT *, length(value) FROM safetensors_metadata('tricky')"},
    {"files", STAGE_SCRIPT, "SELECT *, data_offset, path FROM safetensors_files('tricky')"},
    {"files, bad", STAGE_SCRIPT,
     "WITH paths(p) AS (VALUES ('missing'), ('pointer'), ('bad_long_entry'), ('plain'), ('hole')) "
     "SELECT f.* FROM paths, safetensors_files(p) f"},
    {"named table", STAGE_SCRIPT,
     "DROP TABLE IF EXISTS m; CREATE VIRTUAL TABLE m USING safetensors('tricky');"
     "SELECT name, data, path FROM m; SELECT dtype FROM m WHERE name = 'ab'; DROP TABLE m"},
    {"named table of a bad file", STAGE_SCRIPT,
     "DROP TABLE IF EXISTS m; CREATE VIRTUAL TABLE m USING safetensors(\"bad_long_entry\")"},
    {"named table without a path", STAGE_SCRIPT,
     "DROP TABLE IF EXISTS m; CREATE VIRTUAL TABLE m USING safetensors"},
    {"stored refs", STAGE_SCRIPT,
     "DROP TABLE IF EXISTS r; CREATE TEMP TABLE r AS "
     "SELECT ref FROM safetensors_tensors('tricky'); "
     "SELECT tensor_dtype(ref), tensor_shape(ref), tensor_numel(ref), tensor_nbytes(ref), "
     "tensor_data(ref) FROM r; DROP TABLE r"},
    {"tensor_ref", STAGE_SCRIPT,
     "SELECT tensor_ref('a%b?c#d', 'name'), tensor_ref('p', 'n', '::2'), tensor_ref(NULL, 'n')"},
    {"describe a slice", STAGE_SCRIPT,
     "SELECT tensor_shape('plain?slice=1:3#model.layers.3.weight'), "
     "tensor_nbytes(tensor_ref('plain', 'bias', '::2'))"},
    {"tensor_data", STAGE_SCRIPT, "SELECT tensor_data('plain#model.layers.3.weight')"},
    {"tensor_data, contiguous slice", STAGE_SCRIPT,
     "SELECT tensor_data('plain#model.layers.3.weight', '1:3'), tensor_data('plain#bias', '2')"},
    {"tensor_data, strided slices", STAGE_SCRIPT,
     "SELECT tensor_data('plain#model.layers.3.weight', '::2'), "
     "tensor_data('plain#model.layers.3.weight', ':, 1'), "
     "tensor_data('plain?slice=::2#model.layers.3.weight', '..., 0')"},
    {"tensor_data of raw bytes", STAGE_SCRIPT,
     "SELECT tensor_data(x'000102030405', 'U8', '[3,2]', ':,0'), tensor_data(x'0001', 'I16'), "
     "tensor_data(x'00010203', 'U8', '1:3'), tensor_data(x'00', NULL)"},
    {"aggregates of data", STAGE_SCRIPT,
     "SELECT max(data), group_concat(length(data)) FROM safetensors_tensors('plain');"
     "SELECT name, (SELECT data FROM safetensors_tensors('other') b WHERE b.name = a.name) "
     "FROM safetensors_tensors('plain') a ORDER BY data"},
    {"elements", STAGE_SCRIPT,
     "SELECT * FROM tensor_elements('plain#model.layers.3.weight', ':, ::2') WHERE idx >= 1;"
     "SELECT coord, value FROM tensor_elements(x'0000803f00000040', 'C64') ORDER BY idx DESC"},
    {"rows", STAGE_SCRIPT,
     "SELECT i, data, ref, tensor_json(ref) FROM tensor_rows('plain#model.layers.3.weight');"
     "SELECT i, data FROM tensor_rows('plain?slice=:,1#model.layers.3.weight') WHERE i > 0"},
    {"values", STAGE_SCRIPT,
     "SELECT tensor_json('plain#model.layers.3.weight', '::2'), tensor_item('plain#bias', -1), "
     "tensor_json(x'0000803f00000040', 'C64'), tensor_item(x'0000803f00000040', 'C64', 0), "
     "tensor_cast('plain#model.layers.3.weight', 'BF16'), tensor_cast(x'0102', 'U8', 'F32')"},
    {"blob", STAGE_SCRIPT,
     "SELECT " ALL_COLUMNS " FROM safetensors_tensors(:blob) t;"
     "SELECT name FROM safetensors_tensors(:blob) WHERE name = 'ab';"
     "SELECT key, value FROM safetensors_metadata(:blob); SELECT * FROM safetensors_files(:blob)"},
    {"bad blob", STAGE_SCRIPT, "SELECT * FROM safetensors_tensors(:bad_blob)"},
    {"short blob", STAGE_SCRIPT, "SELECT * FROM safetensors_tensors(x'0102')"},
    {"UTF-16", STAGE_SCRIPT,
     "PRAGMA encoding='UTF-16le'; CREATE TABLE IF NOT EXISTS n(name); DELETE FROM n;"
     "INSERT INTO n SELECT name FROM safetensors_tensors('tricky');"
     "SELECT n.name, t.pattern, t.ref, tensor_data(t.ref), key, value FROM n "
     "JOIN safetensors_tensors('tricky') t ON t.name = n.name, safetensors_metadata('tricky');"
     "SELECT tensor_data(x'0001', 'U8', '[2]', '1'), tensor_ref('p#', 'n'); "
     "SELECT tensor_data(x'0001', 'U8', '[3]')"},
    {"unlike UTF-16", STAGE_SCRIPT,
     "PRAGMA encoding='UTF-16le'; CREATE TABLE IF NOT EXISTS n(name); "
     "SELECT * FROM safetensors_tensors('missing')"},
    {"missing file in metadata", STAGE_STEPS, "SELECT * FROM safetensors_metadata('missing')"},
    {"path with NUL", STAGE_STEPS, "SELECT * FROM safetensors_tensors('a' || char(0))"},
    {"number as path", STAGE_STEPS, "SELECT * FROM safetensors_tensors(1)"},
    {"no path", STAGE_SCRIPT, "SELECT * FROM safetensors_tensors"},
    {"two paths", STAGE_SCRIPT, "SELECT * FROM safetensors_tensors('plain', 'other')"},
    {"bad ref", STAGE_STEPS, "SELECT tensor_data('plain')"},
    {"bad escape in a ref", STAGE_STEPS, "SELECT tensor_shape('100%#x')"},
    {"bad query in a ref", STAGE_STEPS, "SELECT tensor_shape('plain?x=1#bias')"},
    {"ref to a missing file", STAGE_STEPS, "SELECT tensor_dtype('missing#x')"},
    {"unknown tensor", STAGE_STEPS, "SELECT tensor_numel('plain#unknown')"},
    {"bad slice", STAGE_STEPS, "SELECT tensor_data('plain#bias', 'x')"},
    {"index out of range", STAGE_STEPS, "SELECT tensor_data('plain#bias', '4')"},
    {"slice inside a byte", STAGE_STEPS, "SELECT tensor_data('tricky#" LONG_WORD "', ':,1:2')"},
    {"unknown dtype of raw bytes", STAGE_STEPS, "SELECT tensor_data(x'00', 'F31')"},
    {"bad shape of raw bytes", STAGE_STEPS, "SELECT tensor_data(x'00', 'U8', '[1,2]')"},
    {"number as tensor", STAGE_STEPS, "SELECT tensor_data(1)"},
    {"bad index of an item", STAGE_STEPS, "SELECT tensor_item('plain#bias', 'x')"},
    {"bad dtype to cast to", STAGE_STEPS, "SELECT tensor_cast('plain#bias', 'F31')"},
    {"elements of no tensor", STAGE_STEPS, "SELECT * FROM tensor_elements('plain#unknown')"},
    {"rows of a scalar", STAGE_STEPS, "SELECT * FROM tensor_rows(x'00', 'U8', '[]')"},
    {"tensor_ref of a blob", STAGE_STEPS, "SELECT tensor_ref(x'00', 'n')"},
};

/* Also listed, each by itself: what is no good, or not plain. */
static const char *const files[] = {
    "missing",
    ".",
    "empty",
    "pointer",
    "cut_header",
    "cut_data",
    "not_json",
    "bad_entry",
    "bad_long_entry",
    "bad_long_token",
    "bad_escape",
    "bad_dtype",
    "bad_shape",
    "bad_offsets",
    "bad_size",
    "overflow",
    "hole",
    "deep_entry",
    "duplicate_key",
    "duplicate_name",
    "bad_utf8",
    "bad_metadata",
    "duplicate_metadata",
    "tricky",
};

/* ---- The two allocators ---- */

typedef struct Allocator {
  const char *name;
  uint64_t calls;   /* since arm() */
  uint64_t fail_at; /* the number of the call that fails; 0: none */
  bool forever;     /* and all after it */
  bool struck;
  int64_t live; /* blocks */
} Allocator;

static Allocator of_sqlite = {.name = "SQLite"}, of_jansson = {.name = "jansson"};

static void arm(Allocator *allocator, uint64_t fail_at, bool forever) {
  allocator->calls = 0;
  allocator->fail_at = fail_at;
  allocator->forever = forever;
  allocator->struck = false;
}

static void disarm(Allocator *allocator) {
  allocator->fail_at = 0;
}

/* Above 0 while no fault is of interest. Besides stages, that is while SQLite tries what it can do
** without, such as to copy an error's message to the connection: it reports no failure there. */
static int sheltered;

static void shelter(void) {
  sheltered++;
}

static void expose(void) {
  sheltered--;
}

static bool fails(Allocator *allocator) {
  if (sheltered > 0) return false;
  uint64_t call = ++allocator->calls, at = allocator->fail_at;
  bool now = at != 0 && (call == at || (allocator->forever && call > at));
  allocator->struck = allocator->struck || now;
  return now;
}

static void *sqlite_malloc(int size) {
  if (fails(&of_sqlite)) return NULL;
  void *block = malloc((size_t)size);
  of_sqlite.live += block != NULL;
  return block;
}

static void *sqlite_realloc(void *block, int size) {
  return fails(&of_sqlite) ? NULL : realloc(block, (size_t)size);
}

static void sqlite_free(void *block) {
  of_sqlite.live -= block != NULL;
  free(block);
}

static int sqlite_size(void *block) {
  return (int)malloc_usable_size(block);
}

static int sqlite_roundup(int size) {
  return size;
}

static int sqlite_init(void *unused) {
  (void)unused;
  return SQLITE_OK;
}

static void sqlite_shutdown(void *unused) {
  (void)unused;
}

static void *jansson_malloc(size_t size) {
  if (fails(&of_jansson)) return NULL;
  void *block = malloc(size);
  of_jansson.live += block != NULL;
  return block;
}

static void jansson_free(void *block) {
  of_jansson.live -= block != NULL;
  free(block);
}

static void install_allocators(void) {
  static const sqlite3_mem_methods methods = {
      sqlite_malloc,  sqlite_free, sqlite_realloc,  sqlite_size,
      sqlite_roundup, sqlite_init, sqlite_shutdown, NULL};
  sqlite3_config(SQLITE_CONFIG_MALLOC, &methods);
  sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 1);
  sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 0, 0);
  json_set_alloc_funcs(jansson_malloc, jansson_free);
  sqlite3_test_control(SQLITE_TESTCTRL_BENIGN_MALLOC_HOOKS, shelter, expose);
  if (sqlite3_initialize() != SQLITE_OK) stop("sqlite3_initialize");
}

/* ---- Running a script ---- */

/* What a run gave: the rows of all statements as text, then the code and message of the end. */
typedef struct Outcome {
  char rows[16384];
  size_t length;
  int code;
  char message[1024];
} Outcome;

__attribute__((format(printf, 2, 3))) static void put(Outcome *outcome, const char *format, ...) {
  size_t left = sizeof outcome->rows - outcome->length;
  va_list arguments;
  va_start(arguments, format);
  int length = vsnprintf(outcome->rows + outcome->length, left, format, arguments);
  va_end(arguments);
  if (length < 0 || (size_t)length >= left) {
    fprintf(stderr, "the rows of a script do not fit\n");
    exit(1);
  }
  outcome->length += (size_t)length;
}

/* False when memory ran out in the conversion, which SQLite tells only so. */
static bool put_column(Outcome *outcome, sqlite3_stmt *statement, int column) {
  static const char kinds[] = "?IRTBN"; /* by SQLITE_INTEGER ... SQLITE_NULL */
  int type = sqlite3_column_type(statement, column);
  const unsigned char *bytes = type == SQLITE_BLOB ? sqlite3_column_blob(statement, column)
                                                   : sqlite3_column_text(statement, column);
  int size = sqlite3_column_bytes(statement, column);
  if (bytes == NULL && type != SQLITE_NULL && (type != SQLITE_BLOB || size > 0)) return false;
  put(outcome, " %c", kinds[type]);
  for (int i = 0; i < size; i++) {
    bool printable = bytes[i] > 0x20 && bytes[i] < 0x7f;
    put(outcome, printable ? "%c" : "\\%02x", bytes[i]);
  }
  return true;
}

static int put_row(Outcome *outcome, sqlite3_stmt *statement) {
  size_t start = outcome->length;
  for (int i = 0; i < sqlite3_column_count(statement); i++) {
    if (put_column(outcome, statement, i)) continue;
    outcome->length = start;
    return SQLITE_NOMEM;
  }
  put(outcome, "\n");
  return SQLITE_OK;
}

static struct {
  unsigned char *bytes;
  size_t size;
} blob, bad_blob;

static int bind(sqlite3_stmt *statement) {
  int good = sqlite3_bind_parameter_index(statement, ":blob"), code = SQLITE_OK;
  int bad = sqlite3_bind_parameter_index(statement, ":bad_blob");
  if (good > 0) code = sqlite3_bind_blob64(statement, good, blob.bytes, blob.size, SQLITE_STATIC);
  if (code == SQLITE_OK && bad > 0) {
    code = sqlite3_bind_blob64(statement, bad, bad_blob.bytes, bad_blob.size, SQLITE_STATIC);
  }
  return code;
}

static void note_end(Outcome *outcome, sqlite3 *db, int code) {
  outcome->code = code;
  snprintf(outcome->message, sizeof outcome->message, "%s", sqlite3_errmsg(db));
}

static int run_statement(Outcome *outcome, sqlite3 *db, sqlite3_stmt *statement) {
  int code = bind(statement);
  while (code == SQLITE_OK && (code = sqlite3_step(statement)) == SQLITE_ROW) {
    code = put_row(outcome, statement);
  }
  if (code == SQLITE_DONE) code = SQLITE_OK;
  if (code != SQLITE_OK) note_end(outcome, db, code);
  sqlite3_finalize(statement);
  return code;
}

static void run_sql(Outcome *outcome, sqlite3 *db, const Script *script) {
  const char *sql = script->sql;
  int code = SQLITE_OK;
  while (code == SQLITE_OK && *sql != '\0') {
    sqlite3_stmt *statement = NULL;
    if (script->stage == STAGE_STEPS) shelter();
    code = sqlite3_prepare_v2(db, sql, -1, &statement, &sql);
    if (script->stage == STAGE_STEPS) expose();
    if (code != SQLITE_OK) {
      note_end(outcome, db, code);
    } else if (statement != NULL) {
      code = run_statement(outcome, db, statement);
    }
  }
}

static int load(sqlite3 *db) {
  char *message = NULL;
  int code = sqlite3_safetensors_init(db, &message, NULL);
  sqlite3_free(message);
  return code;
}

/* sqlite3_auto_extension() takes functions of every signature as this one. */
typedef void (*AnyFunction)(void);

static int open_with_auto_extension(sqlite3 **db) {
  AnyFunction init = (AnyFunction)sqlite3_safetensors_init;
  int code = sqlite3_auto_extension(init);
  if (code == SQLITE_OK) code = sqlite3_open(":memory:", db);
  sqlite3_reset_auto_extension();
  return code;
}

static int open_database(const Script *script, sqlite3 **db) {
  *db = NULL;
  return script->stage == STAGE_AUTO ? open_with_auto_extension(db) : sqlite3_open(":memory:", db);
}

/* A connection with the extension, opened without faults before a script that has its own. */
static sqlite3 *open_loaded(void) {
  sqlite3 *db;
  if (sqlite3_open(":memory:", &db) != SQLITE_OK || load(db) != SQLITE_OK) stop(sqlite3_errmsg(db));
  return db;
}

/* The whole of a run whose faults begin with opening or loading. Returns the connection, or NULL.
 */
static sqlite3 *run_from_start(const Script *script, Outcome *outcome) {
  sqlite3 *db;
  int code = open_database(script, &db);
  if (code == SQLITE_OK) code = load(db);
  if (code == SQLITE_OK) code = load(db);
  if (code == SQLITE_OK) {
    run_sql(outcome, db, script);
  } else {
    note_end(outcome, db, code);
  }
  return db;
}

/* ---- Judging a run ---- */

static struct { uint64_t passed, failed; } total;

enum { SHOWN_FAILURES = 20 };

typedef struct Run {
  const Script *script;
  Allocator *allocator;
  uint64_t fault;
  bool forever;
  Outcome right, outcome;
} Run;

static void fail_run(const Run *run, const char *what, const Outcome *outcome) {
  if (total.failed++ >= SHOWN_FAILURES) return;
  printf("FAILED: script \"%s\", %s allocation %" PRIu64 " fails %s: %s\n", run->script->name,
         run->allocator->name, run->fault, run->forever ? "and all after it" : "once", what);
  printf("  expected: code %d, %s; rows:\n%s", run->right.code, run->right.message,
         run->right.rows);
  if (outcome != NULL) {
    printf("  found: code %d, %s; rows:\n%s", outcome->code, outcome->message, outcome->rows);
  }
}

static bool check(const Run *run, bool good, const char *what, const Outcome *outcome) {
  if (good) return true;
  fail_run(run, what, outcome);
  return false;
}

static bool equal(const Outcome *left, const Outcome *right) {
  return left->code == right->code && strcmp(left->message, right->message) == 0 &&
         strcmp(left->rows, right->rows) == 0;
}

static bool is_start(const Outcome *part, const Outcome *whole) {
  return part->length <= whole->length && memcmp(part->rows, whole->rows, part->length) == 0;
}

static bool check_outcome(const Run *run) {
  const Outcome *outcome = &run->outcome;
  if (outcome->code != SQLITE_NOMEM) {
    return check(run, equal(outcome, &run->right), "another result", outcome);
  }
  return check(run, run->allocator->struck, "out of memory without a fault", outcome) &&
         check(run, is_start(outcome, &run->right), "wrong rows before the fault", outcome);
}

static Outcome no_outcome(void) {
  return (Outcome){.code = SQLITE_OK, .message = "not an error"};
}

/* After the fault: what it left of the connection must do. */
static bool check_again(Run *run, sqlite3 *db) {
  if (db == NULL) return true;
  Outcome again = no_outcome();
  if (!check(run, load(db) == SQLITE_OK, "loading again fails", NULL)) return false;
  run_sql(&again, db, run->script);
  return check(run, equal(&again, &run->right), "another result when run again", &again);
}

static bool check_closing(const Run *run, sqlite3 *db, int64_t jansson_before) {
  return check(run, sqlite3_close(db) == SQLITE_OK, "closing fails", NULL) &&
         check(run, sqlite3_memory_used() == 0, "memory that is counted as used", NULL) &&
         check(run, of_sqlite.live == 0, "blocks of SQLite's allocator left", NULL) &&
         check(run, of_jansson.live == jansson_before, "blocks of jansson's allocator left", NULL);
}

/* Runs the script with the fault. Returns whether it struck. */
static bool run_with_fault(Run *run) {
  int64_t jansson_before = of_jansson.live;
  bool loaded = run->script->stage <= STAGE_SCRIPT;
  sqlite3 *db = loaded ? open_loaded() : NULL;
  run->outcome = no_outcome();
  arm(run->allocator, run->fault, run->forever);
  if (loaded) {
    run_sql(&run->outcome, db, run->script);
  } else {
    db = run_from_start(run->script, &run->outcome);
  }
  disarm(run->allocator);
  bool opened = db != NULL && sqlite3_exec(db, "SELECT 1", NULL, NULL, NULL) == SQLITE_OK;
  bool good = check_outcome(run) && check_again(run, opened ? db : NULL);
  good = check_closing(run, db, jansson_before) && good;
  total.passed += good;
  return run->allocator->struck;
}

static void run_faults(Run *run) {
  enum { TOO_MANY = 100000, SHOWN_PER_SCRIPT = 3 };
  uint64_t failed_before = total.failed;
  for (run->fault = 1; run_with_fault(run); run->fault++) {
    if (run->fault > TOO_MANY || total.failed > failed_before + SHOWN_PER_SCRIPT) return;
  }
}

/* ---- What a process has open ---- */

static int count_descriptors(void) {
  int count = 0;
  DIR *directory = opendir("/proc/self/fd");
  if (directory == NULL) stop("/proc/self/fd");
  while (readdir(directory) != NULL) count++;
  closedir(directory);
  return count;
}

static bool has_mapping(void) {
  char line[8192];
  bool found = false;
  FILE *maps = fopen("/proc/self/maps", "r");
  if (maps == NULL) stop("/proc/self/maps");
  while (fgets(line, sizeof line, maps) != NULL) found = found || strstr(line, folder) != NULL;
  fclose(maps);
  return found;
}

/* ---- All runs ---- */

static void run_script(const Script *script) {
  static Run run; /* large */
  Allocator *const allocators[] = {&of_sqlite, &of_jansson};
  int descriptors = count_descriptors();
  run = (Run){.script = script, .allocator = &of_sqlite, .right = no_outcome()};
  sqlite3 *db = run_from_start(script, &run.right);
  check_closing(&run, db, of_jansson.live);
  if (run.right.code == SQLITE_NOMEM) fail_run(&run, "out of memory without a fault", NULL);
  for (int i = 0; i < 4; i++) {
    run.allocator = allocators[i / 2];
    run.forever = i % 2 == 1;
    run_faults(&run);
  }
  if (count_descriptors() != descriptors) fail_run(&run, "file descriptors left open", NULL);
  if (has_mapping()) fail_run(&run, "files left mapped", NULL);
}

static void list_file(const char *file) {
  char sql[200];
  Script script = {file, STAGE_STEPS, sql};
  snprintf(sql, sizeof sql, "SELECT * FROM safetensors_tensors('%s') t", file);
  run_script(&script);
}

static void take_blobs(void) {
  for (size_t i = 0; i < sizeof fixtures / sizeof fixtures[0]; i++) {
    if (strcmp(fixtures[i].name, "tricky") == 0) {
      blob.bytes = fixture_bytes(&fixtures[i], &blob.size);
    } else if (strcmp(fixtures[i].name, "bad_entry") == 0) {
      bad_blob.bytes = fixture_bytes(&fixtures[i], &bad_blob.size);
    }
  }
}

int main(void) {
  install_allocators();
  write_fixtures();
  take_blobs();
  for (size_t i = 0; i < sizeof scripts / sizeof scripts[0]; i++) run_script(&scripts[i]);
  for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) list_file(files[i]);
  free(blob.bytes);
  free(bad_blob.bytes);
  remove_fixtures();
  printf("%" PRIu64 " passed, %" PRIu64 " failed\n", total.passed, total.failed);
  return total.failed > 0;
}
