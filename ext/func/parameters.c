/*
** The parameters of a script, against those that are set in SQLite's shell: a name that is mistyped sets
** nothing, so the script would run without it. And the sentence with which a script refuses a value.
*/
#include <string.h>

#include "base/memory.h"
#include "base/suggest.h"
#include "func/functions.h"
#include "sql/result.h"

/* A name without the character that makes it a parameter: ':', '@' or '$'. */
typedef struct ParameterName {
  const char *text;
  uint64_t length;
} ParameterName;

static ParameterName parameter_name(const char *text, uint64_t length) {
  bool marked = length > 0 && (text[0] == ':' || text[0] == '@' || text[0] == '$');
  return (ParameterName){text + marked, length - marked};
}

static bool parameter_is_swap(const ParameterName *a, const ParameterName *b) {
  uint64_t at = 0;
  if (a->length != b->length) return false;
  while (at < a->length && a->text[at] == b->text[at]) at++;
  return at + 1 < a->length && a->text[at] == b->text[at + 1] && a->text[at + 1] == b->text[at] &&
         memcmp(a->text + at + 2, b->text + at + 2, (size_t)(a->length - at - 2)) == 0;
}

/* Whether one is a slip of the other: the same but for the case of its letters, two letters that have
** changed places, or one letter too many, missing or wrong, of long names two. Parameters of other
** scripts, which may be set too, are farther apart. */
static bool parameter_is_slip(const ParameterName *typed, const ParameterName *known) {
  enum { SLIP_SHORT = 3, SLIP_LONG = 8 };
  uint64_t shorter = typed->length < known->length ? typed->length : known->length;
  uint32_t edits = shorter < SLIP_SHORT ? 0 : shorter < SLIP_LONG ? 1 : 2;
  if (shorter < SLIP_SHORT) return false;
  return parameter_is_swap(typed, known) ||
         suggest_is_near(typed->text, typed->length, known->text, known->length, edits);
}

/* The known name of which this one is a slip, or -1; -1 also if it is itself known. */
static int parameter_meant(const char *text, uint64_t length, int argc, sqlite3_value **argv) {
  ParameterName typed = parameter_name(text, length);
  int meant = -1;
  for (int i = 0; i < argc; i++) {
    const char *name = (const char *)sqlite3_value_text(argv[i]);
    uint64_t name_length = (uint64_t)sqlite3_value_bytes(argv[i]);
    if (name_length == length && memcmp(name, text, (size_t)length) == 0) return -1;
    ParameterName known = parameter_name(name, name_length);
    bool same = known.length == typed.length && typed.length > 0 &&
                sqlite3_strnicmp(known.text, typed.text, (int)known.length) == 0;
    if (meant < 0 && (same || parameter_is_slip(&typed, &known))) meant = i;
  }
  return meant;
}

/* The table of the shell, which need not be there. NULL if it is not, or has another form. */
static sqlite3_stmt *parameters_set(sqlite3 *db, int *code) {
  sqlite3_stmt *statement = NULL;
  *code = sqlite3_prepare_v2(
      db, "SELECT 1 FROM temp.sqlite_master WHERE name = 'sqlite_parameters' AND type = 'table'",
      -1, &statement, NULL);
  if (*code == SQLITE_OK) *code = sqlite3_step(statement);
  bool there = *code == SQLITE_ROW;
  sqlite3_finalize(statement);
  statement = NULL;
  if (!there) return NULL;
  *code = sqlite3_prepare_v2(db, "SELECT key FROM temp.sqlite_parameters ORDER BY key", -1,
                             &statement, NULL);
  return statement;
}

static void parameters_refuse(sqlite3_context *context, const char *typed, sqlite3_value *meant) {
  char *message = sqlite3_mprintf("there is no parameter %s; did you mean %s?", typed,
                                  (const char *)sqlite3_value_text(meant));
  if (message == NULL) {
    sqlite3_result_error_nomem(context);
    return;
  }
  sqlite3_result_error(context, message, -1);
  sqlite3_result_error_code(context, SQLITE_CONSTRAINT_FUNCTION);
  sqlite3_free(message);
}

/* Returns the code that ended it, and sets *refused after an error as the result. */
static int parameters_check(sqlite3_context *context, sqlite3_stmt *set, int argc,
                            sqlite3_value **argv, bool *refused) {
  int code;
  while ((code = sqlite3_step(set)) == SQLITE_ROW) {
    const char *key = (const char *)sqlite3_column_text(set, 0);
    if (key == NULL && sqlite3_column_type(set, 0) != SQLITE_NULL) return SQLITE_NOMEM;
    if (key == NULL) continue;
    int meant = parameter_meant(key, (uint64_t)sqlite3_column_bytes(set, 0), argc, argv);
    *refused = meant >= 0;
    if (meant >= 0) {
      parameters_refuse(context, key, argv[meant]);
      return SQLITE_OK;
    }
  }
  return code;
}

/*
** safetensors_parameters(':name', ...) -> 1
**
** Given all parameters that a script knows: an error (SQLITE_CONSTRAINT_FUNCTION) if one that is set in
** SQLite's shell is a slip of one of them. Names that resemble none of them are left alone: they may be
** of another script of the session. 1 where there is no shell.
*/
void function_safetensors_parameters(sqlite3_context *context, int argc, sqlite3_value **argv) {
  for (int i = 0; i < argc; i++) {
    if (sqlite3_value_type(argv[i]) == SQLITE_NULL) return;
    if (sqlite3_value_text(argv[i]) == NULL) {
      sqlite3_result_error_nomem(context);
      return;
    }
  }
  int code;
  bool refused = false;
  sqlite3_stmt *set = parameters_set(sqlite3_context_db_handle(context), &code);
  if (set != NULL) code = parameters_check(context, set, argc, argv, &refused);
  sqlite3_finalize(set);
  if (refused) return;
  if (code == SQLITE_NOMEM || code == SQLITE_INTERRUPT) {
    sqlite3_result_error_code(context, code);
  } else {
    sqlite3_result_int(context, 1);
  }
}

/*
** safetensors_refuse(sentence) -> NULL
**
** Ends a script with a sentence that it has made of what it found: an error
** (SQLITE_CONSTRAINT_FUNCTION) of that text. RAISE() takes only literals before SQLite 3.47. NULL for
** NULL, so that a query that finds nothing to say goes on.
*/
void function_safetensors_refuse(sqlite3_context *context, int argc, sqlite3_value **argv) {
  (void)argc;
  if (sqlite3_value_type(argv[0]) == SQLITE_NULL) return;
  const char *sentence = (const char *)sqlite3_value_text(argv[0]);
  if (sentence == NULL) {
    sqlite3_result_error_nomem(context);
    return;
  }
  sqlite3_result_error(context, sentence, -1);
  sqlite3_result_error_code(context, SQLITE_CONSTRAINT_FUNCTION);
}
