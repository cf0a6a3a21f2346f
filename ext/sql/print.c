#include "sql/print.h"

#include <string.h>

#include "sql/junit.h"
#include "sql/sarif.h"

#define PRINT_SUBJECT "safetensors_print"

bool print_has_format(const char *format) {
  static const char *const formats[] = {"json", "csv", "junit", "sarif"};
  for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++) {
    if (strcmp(format, formats[i]) == 0) return true;
  }
  return false;
}

bool print_rows(sqlite3 *db, RowsOutput *out, const char *format, const PrintTable *table,
                Error *error) {
  sqlite3_stmt *rows = NULL;
  char *sql = sqlite3_mprintf("SELECT %s FROM temp.\"%w\"",
                              table->columns != NULL ? table->columns : "*", table->name);
  if (sql == NULL) return error_memory(error);
  int code = sqlite3_prepare_v2(db, sql, -1, &rows, NULL);
  sqlite3_free(sql);
  if (code == SQLITE_OK) code = rows_print(out, rows, format);
  bool in_output = sqlite3_str_errcode(out->text) != SQLITE_OK; /* the caller reports it */
  bool good = code == SQLITE_OK || in_output || verdict_fails(db, code, error);
  sqlite3_finalize(rows);
  return good;
}

static bool print_json(sqlite3 *db, RowsOutput *out, const PrintTable *tables, size_t count,
                       Error *error) {
  for (size_t i = 0; i < count; i++) {
    sqlite3_str_appendall(out->text, i == 0 ? "{\n" : ",\n");
    rows_append_json(out->text, tables[i].name, (int)strlen(tables[i].name));
    sqlite3_str_appendall(out->text, ": ");
    if (!print_rows(db, out, "json", &tables[i], error)) return false;
  }
  sqlite3_str_appendall(out->text, "}\n");
  rows_end(out);
  return true;
}

bool print_tables(sqlite3 *db, RowsOutput *out, const char *format, const PrintTable *tables,
                  size_t count, Error *error) {
  if (strcmp(format, "json") == 0) return print_json(db, out, tables, count, error);
  if (strcmp(format, "csv") == 0) return print_rows(db, out, format, &tables[0], error);
  if (count != 1) {
    return error_raise(error, ERROR_ARGUMENT, PRINT_SUBJECT,
                       "expected one table as %s, found %llu of them", format,
                       (unsigned long long)count);
  }
  return strcmp(format, "junit") == 0 ? junit_print(db, out->text, tables[0].name, error)
                                      : sarif_print(db, out->text, tables[0].name, error);
}
