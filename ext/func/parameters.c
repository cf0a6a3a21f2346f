/*
** The parameters of a script, against those that are set in SQLite's shell: a name that is mistyped sets
** nothing, so the script would run without it. And the sentence with which a script refuses a value.
*/
#include <string.h>

#include "base/memory.h"
#include "base/suggest.h"
#include "func/functions.h"
#include "sql/result.h"

enum { PARAMETERS_MAX = 127 }; /* a function has no more arguments */

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

/* Whether one is the other with a letter typed twice. */
static bool parameter_is_doubled(const ParameterName *typed, const ParameterName *known) {
  uint64_t at = 0;
  if (typed->length != known->length + 1) return false;
  while (at < known->length && typed->text[at] == known->text[at]) at++;
  return at > 0 && typed->text[at] == typed->text[at - 1] &&
         memcmp(typed->text + at + 1, known->text + at, (size_t)(known->length - at)) == 0;
}

/* How much one looks like a slip of the other. Other words than the known ones, which may be parameters
** of another script, are only doubtful: path and patch. */
typedef enum Slip { SLIP_NONE, SLIP_DOUBTFUL, SLIP_CERTAIN } Slip;

static Slip parameter_slip(const ParameterName *typed, const ParameterName *known) {
  enum { PARAMETERS_SHORT = 3, PARAMETERS_LONG = 8 };
  uint64_t shorter = typed->length < known->length ? typed->length : known->length;
  if (known->length == typed->length && typed->length > 0 &&
      sqlite3_strnicmp(known->text, typed->text, (int)known->length) == 0) {
    return SLIP_CERTAIN;
  }
  if (shorter < PARAMETERS_SHORT) return SLIP_NONE;
  if (parameter_is_swap(typed, known) || parameter_is_doubled(typed, known)) return SLIP_CERTAIN;
  bool near = suggest_is_near(typed->text, typed->length, known->text, known->length,
                              shorter < PARAMETERS_LONG ? 1 : 2);
  return near ? SLIP_DOUBTFUL : SLIP_NONE;
}

/* The known names, and which of them are set. */
typedef struct ParametersKnown {
  sqlite3_value **names;
  int count;
  bool set[PARAMETERS_MAX];
} ParametersKnown;

static int parameters_find(const ParametersKnown *known, const char *text, uint64_t length) {
  for (int i = 0; i < known->count; i++) {
    const char *name = (const char *)sqlite3_value_text(known->names[i]);
    uint64_t name_length = (uint64_t)sqlite3_value_bytes(known->names[i]);
    if (name_length == length && memcmp(name, text, (size_t)length) == 0) return i;
  }
  return -1;
}

/* The known name of which this one, which is not known, is a slip, or -1. A doubtful one is none of a name
** that is set itself. */
static int parameters_meant(const ParametersKnown *known, const char *text, uint64_t length) {
  ParameterName typed = parameter_name(text, length);
  for (int i = 0; i < known->count; i++) {
    const char *name = (const char *)sqlite3_value_text(known->names[i]);
    ParameterName of = parameter_name(name, (uint64_t)sqlite3_value_bytes(known->names[i]));
    Slip slip = parameter_slip(&typed, &of);
    if (slip == SLIP_CERTAIN || (slip == SLIP_DOUBTFUL && !known->set[i])) return i;
  }
  return -1;
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

/* The next key of the table. Returns the code of the step, and NULL for what is no text. */
static int parameters_next(sqlite3_stmt *set, const char **key, uint64_t *length) {
  int code = sqlite3_step(set);
  *key = NULL;
  if (code != SQLITE_ROW) return code;
  *key = (const char *)sqlite3_column_text(set, 0);
  *length = (uint64_t)sqlite3_column_bytes(set, 0);
  return *key == NULL && sqlite3_column_type(set, 0) != SQLITE_NULL ? SQLITE_NOMEM : code;
}

/* Returns the code that ended it, and sets *refused after an error as the result. */
static int parameters_check(sqlite3_context *context, sqlite3_stmt *set, ParametersKnown *known,
                            bool *refused) {
  const char *key;
  uint64_t length;
  int code;
  while ((code = parameters_next(set, &key, &length)) == SQLITE_ROW) {
    int found = key == NULL ? -1 : parameters_find(known, key, length);
    if (found >= 0) known->set[found] = true;
  }
  if (code != SQLITE_DONE) return code;
  sqlite3_reset(set);
  while ((code = parameters_next(set, &key, &length)) == SQLITE_ROW) {
    if (key == NULL || parameters_find(known, key, length) >= 0) continue;
    int meant = parameters_meant(known, key, length);
    *refused = meant >= 0;
    if (*refused) {
      parameters_refuse(context, key, known->names[meant]);
      return SQLITE_OK;
    }
  }
  return code;
}

/*
** safetensors_parameters(':name', ...) -> 1
**
** Given all parameters that a script knows: an error (SQLITE_CONSTRAINT_FUNCTION) if one that is set in
** SQLite's shell is a slip of one of them. Other names are left alone, as they may be of another script of
** the session: those that resemble none, and other words, like :patch beside a :path that is set. 1 where
** there is no shell.
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
  ParametersKnown known = {argv, argc, {false}};
  sqlite3_stmt *set = parameters_set(sqlite3_context_db_handle(context), &code);
  if (set != NULL) code = parameters_check(context, set, &known, &refused);
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
