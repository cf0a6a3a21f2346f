/*
** The tables that a script leaves, as one text for machines.
*/
#include "sql/print.h"

#include <string.h>

#include "func/functions.h"
#include "sql/result.h"
#include "sql/verdict.h"

#define PRINT_FUNCTION "safetensors_print"

/* Views are tables, too. */
static bool print_check_table(sqlite3 *db, const char *table, Error *error) {
  sqlite3_stmt *found = NULL;
  int code = sqlite3_prepare_v2(db,
                                "SELECT 1 FROM temp.sqlite_master WHERE name = ?1 COLLATE NOCASE "
                                "AND type IN ('table', 'view')",
                                -1, &found, NULL);
  if (code == SQLITE_OK) code = sqlite3_bind_text(found, 1, table, -1, SQLITE_STATIC);
  if (code == SQLITE_OK) code = sqlite3_step(found);
  bool good =
      code == SQLITE_ROW ||
      (code == SQLITE_DONE ? error_raise(error, ERROR_ARGUMENT, PRINT_FUNCTION,
                                         "expected a table of the temp schema, found \"%.*s\"",
                                         ERROR_NAME(table, strlen(table)))
                           : verdict_fails(db, code, error));
  sqlite3_finalize(found);
  return good;
}

/* All texts are without a NUL: a name in SQL has none. */
static bool print_take(sqlite3_value *value, const char **text, Error *error) {
  *text = (const char *)sqlite3_value_text(value);
  if (*text == NULL) return error_memory(error);
  return strlen(*text) == (size_t)sqlite3_value_bytes(value) ||
         error_raise(error, ERROR_ARGUMENT, PRINT_FUNCTION,
                     "expected a text without NUL characters");
}

static bool print_take_format(sqlite3_value *value, const char **format, Error *error) {
  return print_take(value, format, error) &&
         (print_has_format(*format) ||
          error_raise(error, ERROR_ARGUMENT, PRINT_FUNCTION,
                      "expected json, csv, junit or sarif as format, found \"%.*s\"",
                      ERROR_NAME(*format, strlen(*format))));
}

/* Without the newline at the end, which the shell adds. */
static void print_result(sqlite3_context *context, sqlite3_str *out) {
  int code = sqlite3_str_errcode(out), length = sqlite3_str_length(out);
  sqlite3 *db = sqlite3_context_db_handle(context);
  char *text = sqlite3_str_finish(out);
  if (code == SQLITE_OK && text != NULL) {
    sqlite3_result_text(context, text, length - (text[length - 1] == '\n'), sqlite3_free);
    return;
  }
  Error error = {0};
  if (code == SQLITE_TOOBIG) {
    error_fill(&error, ERROR_TOO_BIG, PRINT_FUNCTION,
               "expected at most %d bytes, this connection's length limit (SQLITE_LIMIT_LENGTH), "
               "found a longer text; query the tables themselves",
               sqlite3_limit(db, SQLITE_LIMIT_LENGTH, -1));
  } else {
    error_memory(&error);
  }
  sqlite3_free(text);
  result_error(context, &error);
}

/*
** safetensors_print(format, table, ...) -> TEXT
**
** All columns of tables (or views) of the temp schema, as `json`: an object with an array of objects for
** each table; `csv`: the first table; `junit` or `sarif`: one table with the columns rule, level, file,
** tensor and message. The program prints tables in the same way. NULL if an argument is NULL.
*/
void function_safetensors_print(sqlite3_context *context, int argc, sqlite3_value **argv) {
  sqlite3 *db = sqlite3_context_db_handle(context);
  PrintTable tables[127] = {{0}}; /* a function has no more arguments */
  const char *format = NULL;
  Error error = {0};
  for (int i = 0; i < argc; i++) {
    if (sqlite3_value_type(argv[i]) == SQLITE_NULL) return;
  }
  bool good = argc >= 2 || error_raise(&error, ERROR_ARGUMENT, PRINT_FUNCTION,
                                       "expected (format, table, ...), found %d argument%s", argc,
                                       argc == 1 ? "" : "s");
  good = good && print_take_format(argv[0], &format, &error);
  for (int i = 1; good && i < argc; i++) {
    good = print_take(argv[i], &tables[i - 1].name, &error) &&
           print_check_table(db, tables[i - 1].name, &error);
  }
  sqlite3_str *out = sqlite3_str_new(db);
  good = good &&
         print_tables(db, &(RowsOutput){.text = out}, format, tables, (size_t)argc - 1, &error);
  if (good) {
    print_result(context, out);
    return;
  }
  sqlite3_free(sqlite3_str_finish(out));
  result_error(context, &error);
}
