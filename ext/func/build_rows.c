/*
** The aggregates that build an expression of the tensors of many rows. The arguments of the
** expression are gathered as one text, of which each row has a part.
*/
#include "base/memory.h"
#include "base/sort.h"
#include "base/span.h"
#include "expression/node.h"
#include "func/functions.h"
#include "sql/expression_text.h"
#include "sql/number_argument.h"
#include "sql/result.h"

typedef struct BuildRow {
  int64_t position; /* of a stack */
  Span text;
} BuildRow;

/* The rows of a group. */
typedef struct BuildRows {
  Operator op;
  char subject[EXPRESSION_TEXT_SUBJECT];
  sqlite3_str *text;
  BuildRow *rows;
  uint64_t count, capacity;
  Members members; /* the weights */
} BuildRows;

static BuildRows *build_rows_new(sqlite3_context *context) {
  const OperatorTraits *traits = sqlite3_user_data(context);
  BuildRows *group = memory_zeroed(1, sizeof *group);
  if (group == NULL) return NULL;
  group->op = (Operator)(traits - OPERATOR_TRAITS);
  sqlite3_snprintf((int)sizeof group->subject, group->subject, "tensors_%s", traits->name);
  group->text = sqlite3_str_new(sqlite3_context_db_handle(context));
  return group;
}

static void build_rows_free(BuildRows *group) {
  sqlite3_free(sqlite3_str_finish(group->text));
  members_clear(&group->members);
  memory_free(group->rows);
  memory_free(group);
}

/* ---- Rows ---- */

static bool build_rows_weight(BuildRows *group, sqlite3_value *value, Error *error) {
  double weight;
  char buffer[EXPRESSION_TEXT_FOUND_SIZE];
  if (!expression_text_number(value, &weight)) {
    return error_raise(error, ERROR_ARGUMENT, group->subject,
                       "expected a number as weight, found %s",
                       expression_text_found(value, buffer));
  }
  return members_add_weight(&group->members, weight, error);
}

static bool build_rows_position(BuildRows *group, sqlite3_value *value, int64_t *position,
                                Error *error) {
  NumberArgument read = number_argument_read(value);
  char buffer[EXPRESSION_TEXT_FOUND_SIZE];
  *position = read.integer;
  return read.type == SQLITE_INTEGER || error_raise(error, ERROR_ARGUMENT, group->subject,
                                                    "expected an integer as position, found %s",
                                                    expression_text_found(value, buffer));
}

static bool build_rows_add(BuildRows *group, int argc, sqlite3_value **argv, Error *error) {
  BuildRow row = {.text = {.offset = (uint32_t)sqlite3_str_length(group->text)}};
  bool is_number;
  if (!expression_text_argument(group->text, group->op, argv[0], group->subject, &is_number,
                                error) ||
      (group->op == OPERATOR_IS_STACK ? !build_rows_position(group, argv[1], &row.position, error)
                                      : argc > 1 && !build_rows_weight(group, argv[1], error))) {
    return false;
  }
  int length = sqlite3_str_length(group->text);
  if (sqlite3_str_errcode(group->text) == SQLITE_NOMEM) return error_memory(error);
  if (length > EXPRESSION_MAX_LENGTH || sqlite3_str_errcode(group->text) != SQLITE_OK) {
    return error_raise(error, ERROR_ARGUMENT, group->subject,
                       "expected an expression of at most 1 MB of text (1048576 bytes), found more "
                       "in %llu rows",
                       (unsigned long long)group->count + 1);
  }
  row.text.length = (uint32_t)length - row.text.offset;
  if (!memory_reserve((void **)&group->rows, &group->capacity, group->count, sizeof row)) {
    return error_memory(error);
  }
  group->rows[group->count++] = row;
  return true;
}

/* A row of which the tensor is NULL counts nothing, nor does one with the weight NULL. */
static bool build_rows_is_left_out(Operator op, int argc, sqlite3_value **argv) {
  return sqlite3_value_type(argv[0]) == SQLITE_NULL ||
         (op != OPERATOR_IS_STACK && argc > 1 && sqlite3_value_type(argv[1]) == SQLITE_NULL);
}

/*
** tensors_sum(T [, weight]) -> TEXT, an expression
** tensors_average(T [, weight]) -> TEXT, an expression
** tensors_stack(T, position) -> TEXT, an expression
**
** NULL if there are no rows, or all are left out.
*/
void aggregate_build_step(sqlite3_context *context, int argc, sqlite3_value **argv) {
  BuildRows **group = sqlite3_aggregate_context(context, (int)sizeof(void *));
  Error error = {0};
  if (group != NULL && *group == NULL) *group = build_rows_new(context);
  if (group == NULL || *group == NULL) {
    sqlite3_result_error_nomem(context);
  } else if (!build_rows_is_left_out((*group)->op, argc, argv) &&
             !build_rows_add(*group, argc, argv, &error)) {
    result_error(context, &error);
  }
}

/* ---- The end ---- */

static int build_rows_compare(const void *a, const void *b) {
  int64_t first = ((const BuildRow *)a)->position, second = ((const BuildRow *)b)->position;
  return (first > second) - (first < second);
}

static bool build_rows_sort(BuildRows *group, Error *error) {
  if (!sort_rows(group->rows, group->count, sizeof *group->rows, build_rows_compare, NULL,
                 group->subject, error)) {
    return false;
  }
  for (uint64_t i = 1; i < group->count; i++) {
    if (group->rows[i].position == group->rows[i - 1].position) {
      return error_raise(error, ERROR_ARGUMENT, group->subject,
                         "expected each position once, found %lld again",
                         (long long)group->rows[i].position);
    }
  }
  return true;
}

static void build_rows_result(sqlite3_context *context, const BuildRows *group) {
  const char *text = sqlite3_str_value(group->text);
  if (text == NULL) { /* no row is without a text */
    sqlite3_result_error_nomem(context);
    return;
  }
  sqlite3_str *out = sqlite3_str_new(sqlite3_context_db_handle(context));
  sqlite3_str_appendf(out, "{\"op\":\"%s\",\"args\":[", OPERATOR_TRAITS[group->op].name);
  for (uint64_t i = 0; i < group->count; i++) {
    if (i > 0) sqlite3_str_appendchar(out, 1, ',');
    sqlite3_str_append(out, text + group->rows[i].text.offset, (int)group->rows[i].text.length);
  }
  sqlite3_str_appendchar(out, 1, ']');
  members_append(out, &group->members);
  sqlite3_str_appendchar(out, 1, '}');
  expression_text_result(context, out, group->subject);
}

/* SQLite also calls this to clean up after a failed statement, and then ignores the result. */
void aggregate_build_final(sqlite3_context *context) {
  BuildRows **slot = sqlite3_aggregate_context(context, 0);
  BuildRows *group = slot != NULL ? *slot : NULL;
  Error error = {0};
  if (group == NULL) return;
  bool good = group->op != OPERATOR_IS_STACK || build_rows_sort(group, &error);
  good = good && (group->count == 0 ||
                  members_check(&group->members, group->op, group->count, group->subject, &error));
  if (!good) {
    result_error(context, &error);
  } else if (group->count > 0) {
    build_rows_result(context, group);
  }
  build_rows_free(group);
  *slot = NULL;
}
