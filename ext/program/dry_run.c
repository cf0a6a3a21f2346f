#include "program/dry_run.h"

#include <stdio.h>
#include <string.h>

#include "program/keep.h"
#include "program/message.h"
#include "program/printed.h"

/* The sentences about what would be written. */
static const char **dry_run_lines;
static size_t dry_run_count;

static void dry_run_note(const char *path, const char *what) {
  dry_run_lines = keep_row(dry_run_lines, dry_run_count, sizeof *dry_run_lines);
  dry_run_lines[dry_run_count++] = keep_format("Would write %s%s", path, what);
}

/* writefile(FILE, DATA, ...) */
static void dry_run_writefile(sqlite3_context *context, int count, sqlite3_value **values) {
  const char *path = count >= 2 ? (const char *)sqlite3_value_text(values[0]) : NULL;
  if (path == NULL) {
    sqlite3_result_error(context, "wrong number of arguments to function writefile()", -1);
    return;
  }
  (void)sqlite3_value_blob(values[1]); /* so that bytes are counted as they would be written */
  int size = sqlite3_value_bytes(values[1]);
  dry_run_note(path, keep_format(": %d bytes", size));
  sqlite3_result_int(context, size);
}

bool dry_run_begin(sqlite3 *db) {
  if (sqlite3_create_function(db, "writefile", -1, SQLITE_UTF8 | SQLITE_DIRECTONLY, NULL,
                              dry_run_writefile, NULL, NULL) == SQLITE_OK &&
      sqlite3_create_function(db, "writefile", 2, SQLITE_UTF8 | SQLITE_DIRECTONLY, NULL,
                              dry_run_writefile, NULL, NULL) == SQLITE_OK &&
      sqlite3_exec(db, "BEGIN", NULL, NULL, NULL) == SQLITE_OK) {
    return true;
  }
  message(NULL, "%s", sqlite3_errmsg(db));
  return false;
}

/* What the transaction has for the table that writes new files. */
static bool dry_run_collect(sqlite3 *db) {
  sqlite3_stmt *statement = NULL;
  int code = sqlite3_prepare_v2(db, "SELECT path, count(name) FROM safetensors_write GROUP BY path",
                                -1, &statement, NULL);
  while (code == SQLITE_OK && (code = sqlite3_step(statement)) == SQLITE_ROW) {
    const char *path = (const char *)sqlite3_column_text(statement, 0);
    long long tensors = sqlite3_column_int64(statement, 1);
    if (path == NULL) break;
    dry_run_note(path, keep_format(": %lld tensor%s", tensors, tensors == 1 ? "" : "s"));
    code = SQLITE_OK;
  }
  sqlite3_finalize(statement);
  return code == SQLITE_DONE;
}

/* Files that are edited in place, if the script has tables for that: no table lists them. */
static void dry_run_collect_edited(sqlite3 *db, const ScriptHeader *verb, const CommandLine *line) {
  sqlite3_stmt *statement = NULL;
  bool edits = sqlite3_prepare_v2(db,
                                  "SELECT 1 FROM temp.sqlite_master WHERE type = 'table' "
                                  "AND sql LIKE '%USING safetensors%' "
                                  "AND sql NOT LIKE '%USING safetensors_write%'",
                                  -1, &statement, NULL) == SQLITE_OK &&
               sqlite3_step(statement) == SQLITE_ROW;
  sqlite3_finalize(statement);
  if (!edits) return;
  for (size_t i = 0; i < verb->write_count; i++) {
    for (size_t k = 0; k < verb->parameter_count; k++) {
      if (strcmp(verb->parameters[k].name, verb->writes[i].word) != 0) continue;
      if (line->values[k] != NULL) dry_run_note(line->values[k], "");
    }
  }
}

bool dry_run_end(sqlite3 *db, const ScriptHeader *verb, const CommandLine *line) {
  bool collected = dry_run_collect(db);
  if (collected && dry_run_count == 0) dry_run_collect_edited(db, verb, line);
  if (!collected || sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL) != SQLITE_OK) {
    message(verb->typed, "%s", sqlite3_errmsg(db));
    return false;
  }
  if (dry_run_count == 0 && verb->database != NULL) dry_run_note("the database", "");
  if (dry_run_count == 0) dry_run_note("nothing", "");
  FILE *file = line->own[OWN_OPTION_FORMAT] != NULL ? stderr : printed_stream();
  for (size_t i = 0; i < dry_run_count; i++) fprintf(file, "%s\n", dry_run_lines[i]);
  return true;
}
