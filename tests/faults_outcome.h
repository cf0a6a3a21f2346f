/*
** What the tests of faults share: running a script, what it gave, and what it left behind.
*/
#ifndef SAFETENSORS_TESTS_FAULTS_OUTCOME_H
#define SAFETENSORS_TESTS_FAULTS_OUTCOME_H

#include <dirent.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "faults_fixtures.h"
#include "faults_scripts.h"
#include "safetensors.h"

/* Above 0 while no fault is of interest. Besides stages, that is while SQLite tries what it can do
** without, such as to copy an error's message to the connection: it reports no failure there. */
static int sheltered;

static void shelter(void) {
  sheltered++;
}

static void expose(void) {
  sheltered--;
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

/* A connection with the extension, opened without faults before a script that has its own. */
static sqlite3 *open_loaded(void) {
  sqlite3 *db;
  if (sqlite3_open(":memory:", &db) != SQLITE_OK || load(db) != SQLITE_OK) stop(sqlite3_errmsg(db));
  return db;
}

static bool equal(const Outcome *left, const Outcome *right) {
  return left->code == right->code && strcmp(left->message, right->message) == 0 &&
         strcmp(left->rows, right->rows) == 0;
}

static bool is_start(const Outcome *part, const Outcome *whole) {
  return part->length <= whole->length && memcmp(part->rows, whole->rows, part->length) == 0;
}

static Outcome no_outcome(void) {
  return (Outcome){.code = SQLITE_OK, .message = "not an error"};
}

/* ---- What a run left behind ---- */

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

/* Whether a file that was to be temporary is still there. */
static bool has_temporary_file(void) {
  bool found = false;
  DIR *directory = opendir("w");
  if (directory == NULL) stop("w");
  for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
    found = found || strncmp(entry->d_name, ".safetensors-", 13) == 0;
  }
  closedir(directory);
  return found;
}

/* ---- All scripts ---- */

static void take_blobs(void) {
  for (size_t i = 0; i < sizeof fixtures / sizeof fixtures[0]; i++) {
    if (strcmp(fixtures[i].name, "tricky") == 0) {
      blob.bytes = fixture_bytes(&fixtures[i], &blob.size);
    } else if (strcmp(fixtures[i].name, "bad_entry") == 0) {
      bad_blob.bytes = fixture_bytes(&fixtures[i], &bad_blob.size);
    }
  }
}

static void free_blobs(void) {
  free(blob.bytes);
  free(bad_blob.bytes);
}

static void run_all_scripts(void (*run)(const Script *script)) {
  static const char *const tables[] = {"safetensors_tensors", "safetensors_check"};
  enum { FILES = sizeof files / sizeof files[0], TABLES = sizeof tables / sizeof tables[0] };
  for (size_t i = 0; i < sizeof scripts / sizeof scripts[0]; i++) run(&scripts[i]);
  for (size_t i = 0; i < FILES * TABLES; i++) {
    char sql[200];
    Script script = {files[i / TABLES], STAGE_STEPS, sql};
    snprintf(sql, sizeof sql, "SELECT * FROM %s('%s') t", tables[i % TABLES], files[i / TABLES]);
    run(&script);
  }
}

#endif
