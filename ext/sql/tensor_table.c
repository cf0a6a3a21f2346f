#include "sql/tensor_table.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "sql/argument.h"
#include "sql/number_argument.h"

int tensor_table_connect(sqlite3 *db, Session *session, const char *schema,
                         const TensorTable *table, sqlite3_vtab **out, char **message) {
  int code = table_declare(db, table->name, schema, SQLITE_VTAB_DIRECTONLY, message);
  if (code != SQLITE_OK) return code;
  TensorTable *made = memory_zeroed(1, sizeof *made);
  if (made == NULL) return SQLITE_NOMEM;
  *made = *table;
  made->db = db;
  made->session = session;
  *out = &made->base;
  return SQLITE_OK;
}

int tensor_table_disconnect(sqlite3_vtab *table) {
  memory_free(table);
  return SQLITE_OK;
}

/* ---- Planning ---- */

static int tensor_table_raise(TensorTable *table, const char *found, const char *advice) {
  Error error = {0};
  error_fill(&error, ERROR_ARGUMENT, table->name, "expected %s, found %s%s", table->usage, found,
             advice);
  return result_vtab_error(&table->base, &error);
}

static int tensor_table_plan_arguments(TensorTable *table, sqlite3_index_info *info,
                                       int *next_argv) {
  bool unusable = false;
  *next_argv = 1;
  int guard = table->argument_column + table->argument_count;
  if (argument_find_eq(info, guard, &unusable) >= 0 || unusable)
    return tensor_table_raise(table, "more arguments", "");
  for (int i = 0; i < table->argument_count; i++) {
    int found = argument_find_eq(info, table->argument_column + i, &unusable);
    if (unusable) return SQLITE_CONSTRAINT;
    if (found < 0) break;
    info->aConstraintUsage[found].argvIndex = (*next_argv)++;
    info->aConstraintUsage[found].omit = 1;
    info->idxNum++;
  }
  return SQLITE_OK;
}

static const struct {
  unsigned char op;
  TensorPlan plan;
} tensor_table_position_operators[] = {
    {SQLITE_INDEX_CONSTRAINT_EQ, TENSOR_PLAN_EQ}, {SQLITE_INDEX_CONSTRAINT_GT, TENSOR_PLAN_GT},
    {SQLITE_INDEX_CONSTRAINT_GE, TENSOR_PLAN_GE}, {SQLITE_INDEX_CONSTRAINT_LT, TENSOR_PLAN_LT},
    {SQLITE_INDEX_CONSTRAINT_LE, TENSOR_PLAN_LE},
};
enum {
  TENSOR_TABLE_OPERATOR_COUNT =
      sizeof tensor_table_position_operators / sizeof tensor_table_position_operators[0]
};

/* Returns the number of the next argument. */
static int tensor_table_plan_positions(sqlite3_index_info *info, int next_argv) {
  for (int o = 0; o < TENSOR_TABLE_OPERATOR_COUNT; o++) {
    for (int i = 0; i < info->nConstraint; i++) {
      const struct sqlite3_index_constraint *constraint = &info->aConstraint[i];
      if (constraint->iColumn != TENSOR_TABLE_POSITION || !constraint->usable ||
          constraint->op != tensor_table_position_operators[o].op) {
        continue;
      }
      info->aConstraintUsage[i].argvIndex = next_argv++;
      info->idxNum |= (int)tensor_table_position_operators[o].plan;
      break;
    }
  }
  return next_argv;
}

/* The estimated costs of plans, by which SQLite orders the tables of a join. SQLite adds costs
** as logarithms, and loses what is 30 times smaller. So a pass over bytes is estimated to have
** as many rows as it costs, far more than it returns: then a plan that puts other tables after
** the pass costs more than the pass itself, and SQLite puts them before it. */
static const struct {
  double cost;
  sqlite3_int64 rows;
} tensor_table_pass_estimate = {1e6, 1000000}, tensor_table_all_estimate = {1e7, 10000000},
  tensor_table_range_estimate = {1e5, 100000}, tensor_table_one_estimate = {100, 1};

/* If the arguments are in the branches of an OR, SQLite also asks for plans with only those
** arguments that all branches have, and NULL for the rest. Such a plan must never win. */
enum { TENSOR_TABLE_ARGUMENT_COST = 16, TENSOR_TABLE_USUAL_ARGUMENTS = 6 };

static void tensor_table_estimate(const TensorTable *table, sqlite3_index_info *info) {
  bool one = (info->idxNum & TENSOR_PLAN_EQ) != 0;
  bool range =
      (info->idxNum & (TENSOR_PLAN_GT | TENSOR_PLAN_GE | TENSOR_PLAN_LT | TENSOR_PLAN_LE)) != 0;
  int given = info->idxNum & TENSOR_PLAN_ARGUMENT_COUNT;
  info->idxStr = table->single_row ? "one row"
                 : table->ranked   ? "ranked rows"
                 : one             ? "one position"
                 : range           ? "range of positions"
                                   : "all positions";
  if (one && !table->single_row) info->idxFlags = SQLITE_INDEX_SCAN_UNIQUE;
  bool passes = table->single_row || table->ranked || table->passes;
  double cost = passes  ? tensor_table_pass_estimate.cost
                : one   ? tensor_table_one_estimate.cost
                : range ? tensor_table_range_estimate.cost
                        : tensor_table_all_estimate.cost;
  sqlite3_int64 rows = passes  ? tensor_table_pass_estimate.rows
                       : one   ? tensor_table_one_estimate.rows
                       : range ? tensor_table_range_estimate.rows
                               : tensor_table_all_estimate.rows;
  for (int missing = TENSOR_TABLE_USUAL_ARGUMENTS - given; missing > 0; missing--) {
    cost *= (double)TENSOR_TABLE_ARGUMENT_COST;
    if (rows > 1) rows *= TENSOR_TABLE_ARGUMENT_COST;
  }
  info->estimatedCost = given > 0 ? cost : 1e99; /* it fails when it runs */
  info->estimatedRows = rows;
}

/* No two rows have the same position, so what follows in ORDER BY has no effect. */
static void tensor_table_plan_order(sqlite3_index_info *info) {
  if (info->nOrderBy == 0 || info->aOrderBy[0].iColumn > TENSOR_TABLE_POSITION) return;
  info->orderByConsumed = 1;
  if (info->aOrderBy[0].desc) info->idxNum |= TENSOR_PLAN_DESCENDING;
}

/* OFFSET can skip rows without visiting them if everything else that selects rows is done here,
** in one xFilter. Before 3.46, SQLite also offers the OFFSET of a compound SELECT, which counts
** the rows of all its parts. */
static void tensor_table_plan_offset(sqlite3_index_info *info, int next_argv) {
  enum { TENSOR_TABLE_OFFSET_OF_PARTS_IS_KEPT = 3046000 };
  int offset = -1;
  if (info->nOrderBy > 0 && !info->orderByConsumed) return;
  for (int i = 0; i < info->nConstraint; i++) {
    const struct sqlite3_index_constraint *constraint = &info->aConstraint[i];
    if (constraint->op == SQLITE_INDEX_CONSTRAINT_LIMIT) continue;
    if (constraint->op == SQLITE_INDEX_CONSTRAINT_OFFSET && constraint->usable) {
      offset = i;
    } else if (info->aConstraintUsage[i].argvIndex == 0 || sqlite3_vtab_in(info, i, -1)) {
      return;
    }
  }
  if (offset < 0 || sqlite3_libversion_number() < TENSOR_TABLE_OFFSET_OF_PARTS_IS_KEPT) return;
  info->aConstraintUsage[offset].argvIndex = next_argv;
  for (int i = 0; i < info->nConstraint; i++) {
    if (info->aConstraintUsage[i].argvIndex > 0) info->aConstraintUsage[i].omit = 1;
  }
  info->idxNum |= TENSOR_PLAN_OFFSET;
}

int tensor_table_best_index(sqlite3_vtab *base, sqlite3_index_info *info) {
  TensorTable *table = (TensorTable *)base;
  int next_argv;
  int code = tensor_table_plan_arguments(table, info, &next_argv);
  if (code != SQLITE_OK) return code;
  if (!table->single_row && !table->ranked) {
    next_argv = tensor_table_plan_positions(info, next_argv);
    tensor_table_plan_order(info);
    tensor_table_plan_offset(info, next_argv);
  }
  late_plan(info, table->argument_column, table->argument_count);
  tensor_table_estimate(table, info);
  return SQLITE_OK;
}

/* ---- Scanning ---- */

static void tensor_table_forget_arguments(TensorCursor *cursor) {
  if (cursor->reading) reader_close(&cursor->reader);
  cursor->reading = false;
  tensor_argument_close(&cursor->argument);
  cursor->argument = (TensorArgument){0};
  for (int i = 0; i < cursor->value_count; i++) sqlite3_value_free(cursor->values[i]);
  cursor->value_count = 0;
  cursor->rows = (RowIdentity){0};
}

void tensor_cursor_clear(sqlite3_vtab_cursor *cursor) {
  tensor_table_forget_arguments((TensorCursor *)cursor);
}

/* The inner loop of a join asks for the same tensor again and again. */
static bool tensor_table_still_wanted(const TensorCursor *cursor, int count, sqlite3_value **argv) {
  if (cursor->value_count != count || count == 0) return false;
  for (int i = 0; i < count; i++) {
    if (!argument_same(cursor->values[i], argv[i])) return false;
  }
  return true;
}

static bool tensor_table_open_argument(TensorCursor *cursor, TensorTable *table, int count,
                                       Error *error) {
  TensorArgument *argument = &cursor->argument;
  if (table->trailing == TRAILING_OWN) return true;
  if (table->trailing == TRAILING_SLICE) {
    return tensor_argument_open_sliced(argument, table->name, table->session, count, cursor->values,
                                       error);
  }
  if (!tensor_argument_open(argument, table->session, count, cursor->values, error)) return false;
  return table->trailing == TRAILING_VALUES || argument->is_null || argument->used == count ||
         error_raise(error, ERROR_ARGUMENT, table->name, "expected %s, found more arguments",
                     table->usage);
}

int tensor_cursor_filter(TensorCursor *cursor, int plan, sqlite3_value **argv) {
  TensorTable *table = (TensorTable *)cursor->base.pVtab;
  int count = plan & TENSOR_PLAN_ARGUMENT_COUNT;
  cursor->begin = cursor->end = 0;
  if (count == 0) return tensor_table_raise(table, "none", argument_missing_advice(table->db));
  if (tensor_table_still_wanted(cursor, count, argv)) {
    if (cursor->reading) reader_forget(&cursor->reader);
    return SQLITE_OK;
  }
  tensor_table_forget_arguments(cursor);
  for (int i = 0; i < count; i++) {
    cursor->values[i] = sqlite3_value_dup(argv[i]);
    if (cursor->values[i] == NULL) {
      tensor_table_forget_arguments(cursor);
      return SQLITE_NOMEM;
    }
    cursor->value_count++;
  }
  Error error = {0};
  if (tensor_table_open_argument(cursor, table, count, &error)) return SQLITE_OK;
  tensor_table_forget_arguments(cursor);
  return result_vtab_error(&table->base, &error);
}

/* The smallest position that is >= bound, or > bound when `after`. */
static uint64_t tensor_table_first_position(const NumberArgument *bound, bool after) {
  if (bound->type == SQLITE_INTEGER) {
    return bound->integer < 0 ? 0 : (uint64_t)bound->integer + after;
  }
  double value = after ? floor(bound->real) + 1 : ceil(bound->real);
  return value <= 0 ? 0 : value >= 9.2e18 ? (uint64_t)INT64_MAX : (uint64_t)value;
}

static void tensor_table_narrow(TensorCursor *cursor, TensorPlan comparison, sqlite3_value *value) {
  NumberArgument bound = number_argument_read(value);
  bool at_most = comparison == TENSOR_PLAN_LE || comparison == TENSOR_PLAN_LT;
  if (bound.type != SQLITE_INTEGER && bound.type != SQLITE_FLOAT) {
    /* No comparison with NULL is true, and every number is less than a text or BLOB. */
    if (bound.type == SQLITE_NULL || !at_most) cursor->end = 0;
    return;
  }
  uint64_t at_least = tensor_table_first_position(&bound, false),
           above = tensor_table_first_position(&bound, true);
  if (comparison == TENSOR_PLAN_EQ || comparison == TENSOR_PLAN_GE ||
      comparison == TENSOR_PLAN_GT) {
    uint64_t begin = comparison == TENSOR_PLAN_GT ? above : at_least;
    if (begin > cursor->begin) cursor->begin = begin;
  }
  if (comparison == TENSOR_PLAN_EQ || at_most) {
    uint64_t end = comparison == TENSOR_PLAN_LT ? at_least : above;
    if (end < cursor->end) cursor->end = end;
  }
}

static void tensor_table_skip(TensorCursor *cursor, sqlite3_int64 offset) {
  uint64_t left = cursor->end - cursor->begin, skipped = offset > 0 ? (uint64_t)offset : 0;
  if (skipped > left) skipped = left;
  if (cursor->descending) {
    cursor->end -= skipped;
  } else {
    cursor->begin += skipped;
  }
}

void tensor_cursor_set_range(TensorCursor *cursor, uint64_t count, int plan, sqlite3_value **argv) {
  sqlite3_value **bound = argv + (plan & TENSOR_PLAN_ARGUMENT_COUNT);
  cursor->begin = 0;
  cursor->end = cursor->row_count = count;
  cursor->descending = (plan & TENSOR_PLAN_DESCENDING) != 0;
  for (int o = 0; o < TENSOR_TABLE_OPERATOR_COUNT; o++) {
    if ((plan & (int)tensor_table_position_operators[o].plan) != 0) {
      tensor_table_narrow(cursor, tensor_table_position_operators[o].plan, *bound++);
    }
  }
  if (cursor->begin > cursor->end) cursor->begin = cursor->end;
  if ((plan & TENSOR_PLAN_OFFSET) != 0) tensor_table_skip(cursor, sqlite3_value_int64(*bound));
}

/* Where the bytes of a slice end, if its elements are in order. */
static uint64_t tensor_table_last_byte(const TensorArgument *argument) {
  const View *view = &argument->view;
  if (view->numel == 0) return UINT64_MAX;
  uint64_t last = view_element(view, view->numel - 1), first = view_element(view, 0);
  return ((last > first ? last : first) + 1) * dtype_bits(argument->dtype) / 8 + 1;
}

Reader *tensor_cursor_reader(TensorCursor *cursor, Error *error) {
  if (cursor->reading) return &cursor->reader;
  cursor->source = tensor_argument_source(&cursor->argument);
  cursor->reading = reader_open(&cursor->reader, &cursor->source, error);
  if (!cursor->reading) reader_close(&cursor->reader);
  cursor->reader.until = tensor_table_last_byte(&cursor->argument);
  return cursor->reading ? &cursor->reader : NULL;
}

Host tensor_cursor_begin_work(const TensorCursor *cursor) {
  const TensorTable *table = (const TensorTable *)cursor->base.pVtab;
  const TensorArgument *argument = &cursor->argument;
  uint64_t numel = argument->view.numel;
  return connection_begin_work(table->db, table->session, &argument->tensor, numel,
                               numel * dtype_bits(argument->dtype) / 8);
}

int tensor_cursor_next(sqlite3_vtab_cursor *base) {
  TensorCursor *cursor = (TensorCursor *)base;
  if (cursor->descending) {
    cursor->end--;
  } else {
    cursor->begin++;
  }
  return SQLITE_OK;
}

bool tensor_cursor_at_end(const sqlite3_vtab_cursor *base) {
  const TensorCursor *cursor = (const TensorCursor *)base;
  return cursor->begin >= cursor->end;
}

uint64_t tensor_cursor_position(const TensorCursor *cursor) {
  return cursor->descending ? cursor->end - 1 : cursor->begin;
}

int tensor_cursor_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *out) {
  TensorCursor *cursor = (TensorCursor *)base;
  TensorTable *table = (TensorTable *)base->pVtab;
  const RowArguments arguments = {&table->base, table->session, table->name, cursor->value_count,
                                  cursor->values};
  return row_identity_rowid(&cursor->rows, &arguments, 0, cursor->row_count,
                            tensor_cursor_position(cursor), out);
}

void tensor_cursor_result_argument(const TensorCursor *cursor, sqlite3_context *context,
                                   int number) {
  if (number < cursor->value_count) result_argument(context, cursor->values[number]);
}
