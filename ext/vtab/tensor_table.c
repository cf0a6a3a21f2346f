#include "vtab/tensor_table.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"

int tensor_table_connect(sqlite3 *db, Store *store, const char *schema, const TensorTable *table,
                         sqlite3_vtab **out) {
  int code = sqlite3_declare_vtab(db, schema);
  if (code == SQLITE_OK) code = sqlite3_vtab_config(db, SQLITE_VTAB_DIRECTONLY);
  if (code != SQLITE_OK) return code;
  TensorTable *made = memory_zeroed(1, sizeof *made);
  if (made == NULL) return SQLITE_NOMEM;
  *made = *table;
  made->db = db;
  made->store = store;
  *out = &made->base;
  return SQLITE_OK;
}

int tensor_table_disconnect(sqlite3_vtab *table) {
  memory_free(table);
  return SQLITE_OK;
}

/* ---- Planning ---- */

static int raise(TensorTable *table, const char *found) {
  Error error = {0};
  error_fill(&error, ERROR_ARGUMENT, table->name, "expected %s, found %s", table->usage, found);
  return result_vtab_error(&table->base, &error);
}

/* The usable EQ on a column, or -1; *unusable says whether there is one that cannot be used here.
 */
static int find_eq(const sqlite3_index_info *info, int column, bool *unusable) {
  int found = -1;
  for (int i = 0; i < info->nConstraint; i++) {
    const struct sqlite3_index_constraint *constraint = &info->aConstraint[i];
    if (constraint->iColumn != column || constraint->op != SQLITE_INDEX_CONSTRAINT_EQ) continue;
    if (!constraint->usable) {
      *unusable = true;
    } else if (found < 0) {
      found = i;
    }
  }
  return found;
}

static int plan_arguments(TensorTable *table, sqlite3_index_info *info, int *next_argv) {
  bool unusable = false;
  *next_argv = 1;
  int guard = table->argument_column + table->argument_count;
  if (find_eq(info, guard, &unusable) >= 0 || unusable) return raise(table, "more arguments");
  for (int i = 0; i < table->argument_count; i++) {
    int found = find_eq(info, table->argument_column + i, &unusable);
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
} position_operators[] = {
    {SQLITE_INDEX_CONSTRAINT_EQ, PLAN_EQ}, {SQLITE_INDEX_CONSTRAINT_GT, PLAN_GT},
    {SQLITE_INDEX_CONSTRAINT_GE, PLAN_GE}, {SQLITE_INDEX_CONSTRAINT_LT, PLAN_LT},
    {SQLITE_INDEX_CONSTRAINT_LE, PLAN_LE},
};
enum { OPERATOR_COUNT = sizeof position_operators / sizeof position_operators[0] };

static void plan_positions(sqlite3_index_info *info, int next_argv) {
  for (int o = 0; o < OPERATOR_COUNT; o++) {
    for (int i = 0; i < info->nConstraint; i++) {
      const struct sqlite3_index_constraint *constraint = &info->aConstraint[i];
      if (constraint->iColumn != TENSOR_TABLE_POSITION || !constraint->usable ||
          constraint->op != position_operators[o].op) {
        continue;
      }
      info->aConstraintUsage[i].argvIndex = next_argv++;
      info->idxNum |= (int)position_operators[o].plan;
      break;
    }
  }
}

static void plan_scan(sqlite3_index_info *info) {
  bool one = (info->idxNum & PLAN_EQ) != 0;
  bool range = (info->idxNum & (PLAN_GT | PLAN_GE | PLAN_LT | PLAN_LE)) != 0;
  info->estimatedRows = one ? 1 : range ? 10000 : 1000000;
  info->estimatedCost = one ? 10 : range ? 1e5 : 1e7;
  info->idxStr = one ? "one position" : range ? "range of positions" : "all positions";
  if (one) info->idxFlags = SQLITE_INDEX_SCAN_UNIQUE;
  /* No two rows have the same position: what the order has behind it decides nothing. */
  if (info->nOrderBy > 0 && info->aOrderBy[0].iColumn <= TENSOR_TABLE_POSITION) {
    info->orderByConsumed = 1;
    if (info->aOrderBy[0].desc) info->idxNum |= PLAN_DESCENDING;
  }
}

static void plan_single_row(sqlite3_index_info *info) {
  info->estimatedRows = 1;
  info->estimatedCost = 1e6;
  info->idxStr = "one row";
  info->idxFlags = SQLITE_INDEX_SCAN_UNIQUE;
}

int tensor_table_best_index(sqlite3_vtab *base, sqlite3_index_info *info) {
  TensorTable *table = (TensorTable *)base;
  int next_argv;
  int code = plan_arguments(table, info, &next_argv);
  if (code != SQLITE_OK) return code;
  if (table->single_row) {
    plan_single_row(info);
  } else {
    plan_positions(info, next_argv);
    plan_scan(info);
  }
  if ((info->idxNum & PLAN_ARGUMENT_COUNT) == 0) info->estimatedCost = 1e99; /* fails when run */
  return SQLITE_OK;
}

/* ---- Scanning ---- */

int tensor_cursor_open(sqlite3_vtab_cursor **out, uint64_t size) {
  TensorCursor *cursor = memory_zeroed(1, size);
  if (cursor == NULL) return SQLITE_NOMEM;
  *out = &cursor->base;
  return SQLITE_OK;
}

static void forget_arguments(TensorCursor *cursor) {
  if (cursor->reading) reader_close(&cursor->reader);
  cursor->reading = false;
  tensor_argument_close(&cursor->argument);
  cursor->argument = (TensorArgument){0};
  for (int i = 0; i < cursor->value_count; i++) sqlite3_value_free(cursor->values[i]);
  cursor->value_count = 0;
}

int tensor_cursor_close(sqlite3_vtab_cursor *base) {
  TensorCursor *cursor = (TensorCursor *)base;
  forget_arguments(cursor);
  memory_free(cursor);
  return SQLITE_OK;
}

static bool same_value(sqlite3_value *a, sqlite3_value *b) {
  if (sqlite3_value_type(a) != sqlite3_value_type(b)) return false;
  int size = sqlite3_value_bytes(a);
  if (sqlite3_value_bytes(b) != size) return false;
  return size == 0 || memcmp(sqlite3_value_blob(a), sqlite3_value_blob(b), (size_t)size) == 0;
}

/* The inner loop of a join asks for the same tensor again and again. */
static bool still_wanted(const TensorCursor *cursor, int count, sqlite3_value **argv) {
  if (cursor->value_count != count || count == 0) return false;
  for (int i = 0; i < count; i++) {
    if (!same_value(cursor->values[i], argv[i])) return false;
  }
  return true;
}

static bool open_argument(TensorCursor *cursor, TensorTable *table, int count, Error *error) {
  TensorArgument *argument = &cursor->argument;
  if (table->trailing == TRAILING_OWN) return true;
  if (table->trailing == TRAILING_SLICE) {
    return tensor_argument_open_sliced(argument, table->name, table->store, count, cursor->values,
                                       error);
  }
  if (!tensor_argument_open(argument, table->store, count, cursor->values, error)) return false;
  return table->trailing == TRAILING_VALUES || argument->is_null || argument->used == count ||
         error_raise(error, ERROR_ARGUMENT, table->name, "expected %s, found more arguments",
                     table->usage);
}

int tensor_cursor_filter(TensorCursor *cursor, int plan, sqlite3_value **argv) {
  TensorTable *table = (TensorTable *)cursor->base.pVtab;
  int count = plan & PLAN_ARGUMENT_COUNT;
  cursor->begin = cursor->end = 0;
  if (count == 0) return raise(table, "none");
  if (still_wanted(cursor, count, argv)) {
    if (cursor->reading) reader_forget(&cursor->reader);
    return SQLITE_OK;
  }
  forget_arguments(cursor);
  for (int i = 0; i < count; i++) {
    cursor->values[i] = sqlite3_value_dup(argv[i]);
    if (cursor->values[i] == NULL) {
      forget_arguments(cursor);
      return SQLITE_NOMEM;
    }
    cursor->value_count++;
  }
  Error error = {0};
  if (open_argument(cursor, table, count, &error)) return SQLITE_OK;
  forget_arguments(cursor);
  return result_vtab_error(&table->base, &error);
}

/* The smallest position that is >= bound, or > bound when `after`. */
static uint64_t first_position(sqlite3_value *bound, bool after) {
  if (sqlite3_value_type(bound) == SQLITE_INTEGER) {
    sqlite3_int64 value = sqlite3_value_int64(bound);
    return value < 0 ? 0 : (uint64_t)value + after;
  }
  double value = sqlite3_value_double(bound);
  value = after ? floor(value) + 1 : ceil(value);
  return value <= 0 ? 0 : value >= 9.2e18 ? (uint64_t)INT64_MAX : (uint64_t)value;
}

static void narrow(TensorCursor *cursor, TensorPlan comparison, sqlite3_value *bound) {
  int type = sqlite3_value_numeric_type(bound);
  if (type == SQLITE_NULL) cursor->end = 0;                   /* no comparison with NULL holds */
  if (type != SQLITE_INTEGER && type != SQLITE_FLOAT) return; /* SQLite compares text and blobs */
  uint64_t at_least = first_position(bound, false), above = first_position(bound, true);
  if (comparison == PLAN_EQ || comparison == PLAN_GE || comparison == PLAN_GT) {
    uint64_t begin = comparison == PLAN_GT ? above : at_least;
    if (begin > cursor->begin) cursor->begin = begin;
  }
  if (comparison == PLAN_EQ || comparison == PLAN_LE || comparison == PLAN_LT) {
    uint64_t end = comparison == PLAN_LT ? at_least : above;
    if (end < cursor->end) cursor->end = end;
  }
}

void tensor_cursor_set_range(TensorCursor *cursor, uint64_t count, int plan, sqlite3_value **argv) {
  sqlite3_value **bound = argv + (plan & PLAN_ARGUMENT_COUNT);
  cursor->begin = 0;
  cursor->end = count;
  cursor->descending = (plan & PLAN_DESCENDING) != 0;
  for (int o = 0; o < OPERATOR_COUNT; o++) {
    if ((plan & (int)position_operators[o].plan) != 0) {
      narrow(cursor, position_operators[o].plan, *bound++);
    }
  }
  if (cursor->begin > cursor->end) cursor->begin = cursor->end;
}

Reader *tensor_cursor_reader(TensorCursor *cursor, Error *error) {
  if (cursor->reading) return &cursor->reader;
  cursor->source = tensor_argument_source(&cursor->argument);
  cursor->reading = reader_open(&cursor->reader, &cursor->source, error);
  if (!cursor->reading) reader_close(&cursor->reader);
  return cursor->reading ? &cursor->reader : NULL;
}

void tensor_cursor_host(const TensorCursor *cursor, Host *host) {
  const TensorTable *table = (const TensorTable *)cursor->base.pVtab;
  const TensorArgument *argument = &cursor->argument;
  uint64_t numel = argument->view.numel;
  host_open(host, table->db, table->store, &argument->tensor, numel,
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

int tensor_cursor_at_end(sqlite3_vtab_cursor *base) {
  const TensorCursor *cursor = (const TensorCursor *)base;
  return cursor->begin >= cursor->end;
}

uint64_t tensor_cursor_position(const TensorCursor *cursor) {
  return cursor->descending ? cursor->end - 1 : cursor->begin;
}

int tensor_cursor_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *out) {
  *out = (sqlite3_int64)tensor_cursor_position((const TensorCursor *)base);
  return SQLITE_OK;
}

void tensor_cursor_result_argument(const TensorCursor *cursor, sqlite3_context *context,
                                   int number) {
  if (number < cursor->value_count) sqlite3_result_value(context, cursor->values[number]);
}
