#include "program/table_output.h"

#include <stdio.h>
#include <string.h>

#include "program/keep.h"
#include "program/message.h"
#include "program/printed.h"
#include "program/sqlite_shell.h"
#include "sql/print.h"

/* The shell's own format. */
static char *table_output_by_shell(const char *sql, const char *format) {
  char *output = NULL;
  sqlite_shell_format(format);
  char *fault = sqlite_shell_statements(sql, &output);
  if (output != NULL) fputs(output, printed_stream());
  sqlite3_free(output);
  return fault;
}

/* Prints what has been collected, so that no table has to fit in memory. */
static void table_output_flush(sqlite3_str *text) {
  int length = sqlite3_str_length(text);
  if (length > 0) fwrite(sqlite3_str_value(text), 1, (size_t)length, printed_stream());
  sqlite3_str_reset(text);
}

/* Prints what is left, and releases the output. The error, or the output's own, as a message. */
static char *table_output_end(RowsOutput *out, Error *error) {
  int code = rows_end(out);
  sqlite3_free(sqlite3_str_finish(out->text));
  if (error->code == ERROR_NONE && code == SQLITE_OK) return NULL;
  char *message = error->code != ERROR_NONE ? error_take(error) : NULL;
  return message != NULL ? message : sqlite3_mprintf("%s", sqlite3_errstr(code));
}

/* Every statement that returns rows is a table of its own. */
static char *table_output_by_rows(sqlite3 *db, const char *sql, const char *format) {
  RowsOutput out = {sqlite3_str_new(NULL), table_output_flush};
  int code = SQLITE_OK;
  while (code == SQLITE_OK && *sql != '\0') {
    sqlite3_stmt *statement = NULL;
    code = sqlite3_prepare_v2(db, sql, -1, &statement, &sql);
    if (code != SQLITE_OK || statement == NULL) continue;
    sqlite_shell_bind(statement);
    if (sqlite3_column_count(statement) > 0) {
      rows_print(&out, statement, format);
    } else {
      sqlite3_step(statement);
    }
    code = sqlite3_finalize(statement); /* returns what went wrong in a step, too */
  }
  char *message = code == SQLITE_OK ? NULL : sqlite3_mprintf("%s", sqlite3_errmsg(db));
  char *unprinted = table_output_end(&out, &(Error){0});
  if (message == NULL) return unprinted;
  sqlite3_free(unprinted);
  return message;
}

char *table_output_query(sqlite3 *db, const char *sql, const char *format) {
  if (rows_has_format(format)) return table_output_by_rows(db, sql, format);
  return table_output_by_shell(sql, format);
}

static char *table_output_one(sqlite3 *db, const ScriptTable *table, const char *format) {
  if (!rows_has_format(format)) {
    return table_output_by_shell(
        keep_format("SELECT %s FROM temp.\"%s\"", table->columns, table->name), format);
  }
  RowsOutput out = {sqlite3_str_new(NULL), table_output_flush};
  Error error = {0};
  print_rows(db, &out, format, &(PrintTable){table->name, table->columns}, &error);
  return table_output_end(&out, &error);
}

static char *table_output_machine(sqlite3 *db, const ScriptHeader *verb, const char *format) {
  PrintTable *tables = keep(verb->table_count * sizeof *tables);
  for (size_t i = 0; i < verb->table_count; i++) {
    tables[i] = (PrintTable){verb->tables[i].name, verb->tables[i].columns};
  }
  RowsOutput out = {sqlite3_str_new(NULL), table_output_flush};
  Error error = {0};
  print_tables(db, &out, format, tables, verb->table_count, &error);
  return table_output_end(&out, &error);
}

static void table_output_heading(const ScriptTable *table, const char *format, bool first) {
  FILE *file = printed_stream();
  if (!first) putc('\n', file);
  if (strcmp(format, "markdown") == 0) {
    fprintf(file, "## %s\n\n", table->name);
  } else if (strcmp(format, "html") == 0) {
    fprintf(file, "<h2>%s</h2>\n", table->name);
  } else {
    fprintf(file, "%s\n", table->name);
  }
}

static char *table_output_all(sqlite3 *db, const ScriptHeader *verb, const char *format) {
  char *fault = NULL;
  if (print_has_format(format)) return table_output_machine(db, verb, format);
  for (size_t i = 0; fault == NULL && i < verb->table_count; i++) {
    table_output_heading(&verb->tables[i], format, i == 0);
    fault = table_output_one(db, &verb->tables[i], format);
  }
  return fault;
}

bool table_output_print(sqlite3 *db, const ScriptHeader *verb, const char *table,
                        const char *format) {
  char *fault = NULL;
  bool page = strcmp(format, "html") == 0;
  if (page) {
    fprintf(printed_stream(),
            "<!DOCTYPE html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>%s</title>\n",
            verb->name);
  }
  if (table == NULL) fault = table_output_all(db, verb, format);
  for (size_t i = 0; table != NULL && i < verb->table_count; i++) {
    if (strcmp(verb->tables[i].name, table) != 0) continue;
    fault = table_output_one(db, &verb->tables[i], format);
  }
  if (page) fputs("</html>\n", printed_stream());
  if (fault == NULL) return true;
  message(verb->typed, "%s", fault);
  sqlite3_free(fault);
  return false;
}
