#include "program/run_script.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/terminal.h"
#include "program/dry_run.h"
#include "program/keep.h"
#include "program/message.h"
#include "program/printed.h"
#include "program/script_step.h"
#include "program/sqlite_shell.h"
#include "program/system.h"
#include "program/table_output.h"
#include "program/verb.h"

enum { RUN_SCRIPT_MAX_THREADS = 8 }; /* SQLite's own limit, unless it is compiled with another */

/* How a script went. */
typedef struct RunEnd {
  ExitStatus status;
  char *fault; /* its message, from sqlite3_malloc(), or NULL */
} RunEnd;

static ExitStatus run_script_fails(const char *verb, sqlite3 *db) {
  message(verb, "%s", sqlite3_errmsg(db));
  return EXIT_STATUS_FAILED;
}

/* The database of --database. One that is not there stays so in a dry run. */
static const char *run_script_database(const CommandLine *line) {
  const char *database = line->own[OWN_OPTION_DATABASE];
  if (database == NULL) return ":memory:";
  if (line->own[OWN_OPTION_DRY_RUN] == NULL) return database;
  FILE *file = system_open_to_read(database);
  if (file == NULL) return ":memory:";
  fclose(file);
  return database;
}

/* Threads and progress, as the user asks for them; by default all processors help, and a terminal sees
** the progress. A connection whose settings are locked stays as it is. */
static sqlite3 *run_script_open(const CommandLine *line) {
  const char *threads = line->own[OWN_OPTION_THREADS];
  sqlite3 *db = sqlite_shell_open(run_script_database(line));
  unsigned helping = system_processors() - 1;
  if (helping > RUN_SCRIPT_MAX_THREADS) helping = RUN_SCRIPT_MAX_THREADS;
  sqlite3_exec(db,
               threads != NULL ? keep_format("PRAGMA threads = %s", threads)
                               : keep_format("PRAGMA threads = %u", helping),
               NULL, NULL, NULL);
  if (terminal_is_there() && getenv("SAFETENSORS_PROGRESS") == NULL) {
    sqlite3_exec(db, "SELECT safetensors_config('progress', 1)", NULL, NULL, NULL);
  }
  return db;
}

/* The table of the shell, from which it binds parameters. A name that begins with sqlite_ needs the
** schema to be writable. */
static bool run_script_create_parameters(sqlite3 *db) {
  int defensive = 0;
  sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, -1, &defensive);
  sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 0, NULL);
  sqlite3_db_config(db, SQLITE_DBCONFIG_WRITABLE_SCHEMA, 1, NULL);
  int code = sqlite3_exec(db,
                          "CREATE TABLE IF NOT EXISTS temp.sqlite_parameters("
                          "key TEXT PRIMARY KEY, value) WITHOUT ROWID",
                          NULL, NULL, NULL);
  sqlite3_db_config(db, SQLITE_DBCONFIG_WRITABLE_SCHEMA, 0, NULL);
  sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, defensive, NULL);
  return code == SQLITE_OK;
}

/* Binds a value by its kind: a text that looks like a number stays a text. */
static int run_script_bind_value(sqlite3_stmt *insert, ParameterKind kind, const char *value) {
  switch (kind) {
    case PARAMETER_INTEGER:
    case PARAMETER_FLAG: return sqlite3_bind_int64(insert, 2, strtoll(value, NULL, 10));
    case PARAMETER_REAL: return sqlite3_bind_double(insert, 2, strtod(value, NULL));
    default: return sqlite3_bind_text(insert, 2, value, -1, SQLITE_STATIC);
  }
}

static bool run_script_set(sqlite3_stmt *insert, const char *name, ParameterKind kind,
                           const char *value) {
  return sqlite3_bind_text(insert, 1, keep_format(":%s", name), -1, SQLITE_STATIC) == SQLITE_OK &&
         run_script_bind_value(insert, kind, value) == SQLITE_OK &&
         sqlite3_step(insert) == SQLITE_DONE && sqlite3_reset(insert) == SQLITE_OK;
}

/* Parameters that are not given are not set: the script has their defaults. */
static bool run_script_set_all(sqlite3 *db, const ScriptHeader *verb, const CommandLine *line) {
  sqlite3_stmt *insert = NULL;
  bool good =
      run_script_create_parameters(db) &&
      sqlite3_prepare_v2(db, "INSERT OR REPLACE INTO temp.sqlite_parameters VALUES (?1, ?2)", -1,
                         &insert, NULL) == SQLITE_OK;
  for (size_t i = 0; good && verb != NULL && i < verb->parameter_count; i++) {
    const ScriptParameter *parameter = &verb->parameters[i];
    if (line->values[i] == NULL) continue;
    good = run_script_set(insert, parameter->name, parameter->kind, line->values[i]);
  }
  for (size_t i = 0; good && i < line->binding_count; i++) {
    const char *equals = strchr(line->bindings[i], '=');
    const char *name = keep_text(line->bindings[i], (size_t)(equals - line->bindings[i]));
    good = run_script_set(insert, name, PARAMETER_TEXT, equals + 1);
  }
  sqlite3_finalize(insert);
  return good;
}

/* What a failure means: see "Writing a script" in sql/README.md. */
static ExitStatus run_script_status(int code) {
  if (sqlite_shell_interrupted()) return EXIT_STATUS_INTERRUPTED;
  if (code == SQLITE_CONSTRAINT_CHECK || code == SQLITE_CONSTRAINT_FUNCTION) {
    return EXIT_STATUS_USAGE; /* a value that is refused, and a name (safetensors_parameters) */
  }
  if (code == SQLITE_CONSTRAINT_TRIGGER) return EXIT_STATUS_NO;
  return EXIT_STATUS_FAILED;
}

/* Runs one step. What it prints is shown, unless tables are printed in its place. */
static RunEnd run_script_step(sqlite3 *db, const ScriptStep *step, bool shown) {
  RunEnd end = {EXIT_STATUS_GOOD, NULL};
  char *output = NULL;
  if (step->is_command) {
    end.fault = sqlite_shell_command(step->text, &output);
    if (end.fault != NULL) end.status = EXIT_STATUS_FAILED;
  } else {
    end.fault = sqlite_shell_statements(step->text, &output);
    if (end.fault != NULL) end.status = run_script_status(sqlite3_extended_errcode(db));
  }
  if (shown && output != NULL) printed_text(output);
  sqlite3_free(output);
  return end;
}

static RunEnd run_script_steps(sqlite3 *db, const ScriptHeader *verb, bool shown) {
  EmbeddedText body = verb_body(verb);
  ScriptReader reader = {body.bytes, body.bytes + body.size};
  ScriptStep step;
  RunEnd end = {EXIT_STATUS_GOOD, NULL};
  while (end.status == EXIT_STATUS_GOOD && !sqlite_shell_interrupted() &&
         script_step_next(&reader, &step)) {
    end = run_script_step(db, &step, shown);
    free((char *)step.text);
  }
  if (end.status == EXIT_STATUS_GOOD && sqlite_shell_interrupted()) { /* between two steps */
    end = (RunEnd){EXIT_STATUS_INTERRUPTED, sqlite3_mprintf("interrupted")};
  }
  return end;
}

/* A name that begins with ':' in a sentence of the script is written as on the command line. */
static const char *run_script_typed(const ScriptHeader *verb, const char *sentence) {
  const char *text = "";
  while (*sentence != '\0') {
    size_t plain = strcspn(sentence, ":");
    text = keep_format("%s%.*s", text, (int)plain, sentence);
    sentence += plain;
    if (*sentence == '\0') break;
    size_t length = strspn(sentence + 1, "abcdefghijklmnopqrstuvwxyz0123456789_");
    const ScriptParameter *found = NULL;
    for (size_t i = 0; found == NULL && i < verb->parameter_count; i++) {
      const char *name = verb->parameters[i].name;
      if (strlen(name) == length && memcmp(sentence + 1, name, length) == 0) {
        found = &verb->parameters[i];
      }
    }
    if (found == NULL) length = 0;
    const char *name = found == NULL     ? ":"
                       : found->required ? command_line_placeholder(found->name)
                                         : keep_format("--%s", script_header_typed(found->name));
    text = keep_format("%s%s", text, name);
    sentence += length + 1;
  }
  return text;
}

/* One sentence about how the script ended. That of a CHECK constraint says what must hold, that of a
** verdict what does not. */
static void run_script_report(const ScriptHeader *verb, const RunEnd *end) {
  static const char check[] = "CHECK constraint failed: ", own[] = "safetensors: ";
  const char *fault = end->fault;
  size_t length = strlen(fault);
  if (end->status == EXIT_STATUS_INTERRUPTED) {
    message(verb->typed, "interrupted");
  } else if (end->status == EXIT_STATUS_USAGE && strncmp(fault, check, sizeof check - 1) == 0) {
    message(verb->typed, "expected that %s", run_script_typed(verb, fault + sizeof check - 1));
  } else if (end->status == EXIT_STATUS_NO || end->status == EXIT_STATUS_USAGE) {
    message(verb->typed, "%s", run_script_typed(verb, fault));
  } else if (strncmp(fault, own, sizeof own - 1) == 0) {
    message_alone(fault);
  } else {
    if (length > 0 && fault[length - 1] == '\n') length--;
    message(verb->typed, "%.*s", (int)length, fault);
  }
}

/* The format of the tables to print; NULL if what the script prints is shown, which may be a page. */
static const char *run_script_format(const ScriptHeader *verb, const CommandLine *line) {
  const char *format = line->own[OWN_OPTION_FORMAT];
  if (line->own[OWN_OPTION_TABLE] != NULL) return format != NULL ? format : "box";
  if (format != NULL && verb->prints_html && strcmp(format, "html") == 0) return NULL;
  return format;
}

static ExitStatus run_script_in(sqlite3 *db, const ScriptHeader *verb, const CommandLine *line) {
  const char *format = run_script_format(verb, line), *table = line->own[OWN_OPTION_TABLE];
  bool dry = line->own[OWN_OPTION_DRY_RUN] != NULL;
  if (!run_script_set_all(db, verb, line)) return run_script_fails(verb->typed, db);
  if (dry && !dry_run_begin(db)) return EXIT_STATUS_FAILED;
  RunEnd end = run_script_steps(db, verb, format == NULL);
  if (format != NULL && end.status <= EXIT_STATUS_NO &&
      !table_output_print(db, verb, table, format)) {
    end.status = EXIT_STATUS_FAILED;
  }
  if (dry && end.status <= EXIT_STATUS_NO && !dry_run_end(db, verb, line)) {
    end.status = EXIT_STATUS_FAILED;
  }
  if (end.fault != NULL) run_script_report(verb, &end);
  sqlite3_free(end.fault);
  if (end.status == EXIT_STATUS_FAILED && sqlite_shell_interrupted())
    return EXIT_STATUS_INTERRUPTED;
  return end.status;
}

/* Opens the page that a script has printed; without --output it is in a temporary file. */
static ExitStatus run_script_show(const ScriptHeader *verb, const char *path) {
  if (system_open_in_browser(path)) return EXIT_STATUS_GOOD;
  message(verb->typed, "the page is in %s; no browser could be opened here", path);
  return EXIT_STATUS_GOOD;
}

ExitStatus run_script(const ScriptHeader *verb, const CommandLine *line) {
  const char *output = line->own[OWN_OPTION_OUTPUT];
  bool opens = line->own[OWN_OPTION_OPEN] != NULL;
  if (opens && (output == NULL || strcmp(output, "-") == 0)) {
    output = system_temporary_file(".html");
    if (output == NULL) {
      message(verb->typed, "there is no directory for temporary files; give --output FILE");
      return EXIT_STATUS_FAILED;
    }
  }
  if (!printed_open(output)) return EXIT_STATUS_FAILED;
  sqlite3 *db = run_script_open(line);
  ExitStatus status = run_script_in(db, verb, line);
  sqlite_shell_close();
  if (!printed_close()) return EXIT_STATUS_FAILED;
  if (opens && status == EXIT_STATUS_GOOD) return run_script_show(verb, output);
  return status;
}

/* A text of queries. Rows are printed in the format, dot-commands print as they do. */
static char *run_queries_of(sqlite3 *db, const char *text, size_t length, const char *format) {
  ScriptReader reader = {text, text + length};
  ScriptStep step;
  char *fault = NULL;
  while (fault == NULL && !sqlite_shell_interrupted() && script_step_next(&reader, &step)) {
    if (step.is_command) {
      char *output = NULL;
      fault = sqlite_shell_command(step.text, &output);
      if (output != NULL) printed_text(output);
      sqlite3_free(output);
    } else {
      fault = table_output_query(db, step.text, format);
    }
    free((char *)step.text);
  }
  if (fault == NULL && sqlite_shell_interrupted()) return sqlite3_mprintf("interrupted");
  return fault;
}

ExitStatus run_queries(const CommandLine *line) {
  const char *format = line->own[OWN_OPTION_FORMAT];
  char *fault = NULL;
  if (!printed_open(line->own[OWN_OPTION_OUTPUT])) return EXIT_STATUS_FAILED;
  sqlite3 *db = run_script_open(line);
  if (!run_script_set_all(db, NULL, line)) return run_script_fails("sql", db);
  for (size_t i = 0; fault == NULL && i < line->word_count; i++) {
    const char *text = line->words[i];
    size_t length = strlen(text);
    if (strcmp(text, "-") == 0) text = keep_stream(stdin, &length);
    fault = run_queries_of(db, text, length, format != NULL ? format : "box");
  }
  ExitStatus status = fault == NULL                ? EXIT_STATUS_GOOD
                      : sqlite_shell_interrupted() ? EXIT_STATUS_INTERRUPTED
                                                   : EXIT_STATUS_FAILED;
  if (fault != NULL) {
    RunEnd end = {status, fault};
    run_script_report(&(ScriptHeader){.typed = "sql"}, &end);
  }
  sqlite3_free(fault);
  sqlite_shell_close();
  return printed_close() ? status : EXIT_STATUS_FAILED;
}
