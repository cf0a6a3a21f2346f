#include "faults_outcome.h"

#include <stdarg.h>
#include <stdint.h>

#include "faults_fixtures.h"
#include "program.h"
#include "safetensors.h"

int sheltered;

static struct {
  unsigned char *bytes;
  size_t size;
} blob, bad_blob;

void shelter(void) {
  sheltered++;
}

void expose(void) {
  sheltered--;
}

/* ---- Running a script ---- */

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

/* Returns false if memory ran out in the conversion, which SQLite does not report otherwise. */
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

static int bind_blobs(sqlite3_stmt *statement) {
  int good = sqlite3_bind_parameter_index(statement, ":blob"), code = SQLITE_OK;
  int bad = sqlite3_bind_parameter_index(statement, ":bad_blob");
  if (good > 0) code = sqlite3_bind_blob64(statement, good, blob.bytes, blob.size, SQLITE_STATIC);
  if (code == SQLITE_OK && bad > 0) {
    code = sqlite3_bind_blob64(statement, bad, bad_blob.bytes, bad_blob.size, SQLITE_STATIC);
  }
  return code;
}

void note_end(Outcome *outcome, sqlite3 *db, int code) {
  outcome->code = code;
  snprintf(outcome->message, sizeof outcome->message, "%s", sqlite3_errmsg(db));
}

static int run_statement(Outcome *outcome, sqlite3 *db, sqlite3_stmt *statement) {
  int code = bind_blobs(statement);
  while (code == SQLITE_OK && (code = sqlite3_step(statement)) == SQLITE_ROW) {
    code = put_row(outcome, statement);
  }
  if (code == SQLITE_DONE) code = SQLITE_OK;
  if (code != SQLITE_OK) note_end(outcome, db, code);
  sqlite3_finalize(statement);
  return code;
}

void run_sql(Outcome *outcome, sqlite3 *db, const Script *script) {
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

int load(sqlite3 *db) {
  char *message = NULL;
  int code = sqlite3_safetensors_init(db, &message, NULL);
  sqlite3_free(message);
  return code;
}

sqlite3 *open_loaded(void) {
  sqlite3 *db;
  if (sqlite3_open(":memory:", &db) != SQLITE_OK || load(db) != SQLITE_OK) stop(sqlite3_errmsg(db));
  return db;
}

bool equal(const Outcome *left, const Outcome *right) {
  return left->code == right->code && strcmp(left->message, right->message) == 0 &&
         strcmp(left->rows, right->rows) == 0;
}

bool is_start(const Outcome *part, const Outcome *whole) {
  return part->length <= whole->length && memcmp(part->rows, whole->rows, part->length) == 0;
}

Outcome no_outcome(void) {
  return (Outcome){.code = SQLITE_OK, .message = "not an error"};
}

/* ---- What a run left behind ---- */

bool has_temporary_file(void) {
  bool found = false;
  DIR *listing = opendir("w");
  if (listing == NULL) stop("w");
  for (struct dirent *entry; (entry = readdir(listing)) != NULL;) {
    found = found || strncmp(entry->d_name, ".safetensors-", 13) == 0;
  }
  closedir(listing);
  return found;
}

/* ---- The bytes that scripts are given ---- */

void take_blobs(void) {
  blob.bytes = fixture_bytes("tricky", &blob.size);
  bad_blob.bytes = fixture_bytes("bad_entry", &bad_blob.size);
}

void free_blobs(void) {
  free(blob.bytes);
  free(bad_blob.bytes);
}
