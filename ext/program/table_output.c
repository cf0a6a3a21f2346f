#include "program/table_output.h"

#include <stdio.h>
#include <string.h>

#include "program/keep.h"
#include "program/message.h"
#include "program/printed.h"
#include "program/rows.h"
#include "program/sqlite_shell.h"

/* The shell's own format. */
static char *table_output_by_shell(const char *sql, const char *format) {
  char *output = NULL;
  sqlite_shell_format(format);
  char *fault = sqlite_shell_statements(sql, &output);
  if (output != NULL) fputs(output, printed_stream());
  sqlite3_free(output);
  return fault;
}

/* Every statement that returns rows is a table of its own. */
static char *table_output_by_rows(sqlite3 *db, const char *sql, const char *format) {
  int code = SQLITE_OK;
  while (code == SQLITE_OK && *sql != '\0') {
    sqlite3_stmt *statement = NULL;
    code = sqlite3_prepare_v2(db, sql, -1, &statement, &sql);
    if (code != SQLITE_OK || statement == NULL) continue;
    sqlite_shell_bind(statement);
    if (sqlite3_column_count(statement) > 0) {
      rows_print(printed_stream(), statement, format);
    } else {
      sqlite3_step(statement);
    }
    code = sqlite3_finalize(statement); /* returns what went wrong in a step, too */
  }
  return code == SQLITE_OK ? NULL : sqlite3_mprintf("%s", sqlite3_errmsg(db));
}

char *table_output_query(sqlite3 *db, const char *sql, const char *format) {
  if (rows_has_format(format)) return table_output_by_rows(db, sql, format);
  return table_output_by_shell(sql, format);
}

static char *table_output_one(sqlite3 *db, const ScriptTable *table, const char *format) {
  return table_output_query(
      db, keep_format("SELECT %s FROM temp.\"%s\"", table->columns, table->name), format);
}

/* An object with an array for each table. */
static char *table_output_json(sqlite3 *db, const ScriptHeader *verb) {
  char *fault = NULL;
  for (size_t i = 0; fault == NULL && i < verb->table_count; i++) {
    fprintf(printed_stream(), "%s\"%s\": ", i == 0 ? "{\n" : ",\n", verb->tables[i].name);
    fault = table_output_one(db, &verb->tables[i], "json");
  }
  fputs("}\n", printed_stream());
  return fault;
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
  if (strcmp(format, "json") == 0) return table_output_json(db, verb);
  if (strcmp(format, "csv") == 0) return table_output_one(db, &verb->tables[0], format);
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
