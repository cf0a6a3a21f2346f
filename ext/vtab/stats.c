/*
** tensor_stats(T): one row of statistics.
**
**     SELECT n_nan, n_inf, min, max, mean, std FROM tensor_stats('model.safetensors#lm_head.weight');
**
** n_nan and n_inf count the elements that are not finite; all other columns are about the finite
** ones, with C64 by magnitude and BOOL as 0 and 1. min, max and abs_max are INTEGER for integer
** dtypes (REAL above 2^63-1), else REAL; -0 is 0. std is that of the population, as in numpy.std().
** Without finite elements, as in an empty tensor, min, max, mean, std and abs_max are NULL, and l2
** is 0.0.
**
** One pass computes the columns that the query uses, when the first of them is read.
*/
#include "tensor/stats.h"
#include "sql/tensor_table.h"
#include "sql/value_result.h"
#include "vtab/modules.h"

static const char stats_schema[] =
    "CREATE TABLE x(n_nan INTEGER, n_inf INTEGER, n_zero INTEGER, min, max, mean REAL, std REAL, "
    "abs_max, l2 REAL, " TENSOR_TABLE_3_ARGUMENTS ")";

enum StatsColumn {
  STATS_COLUMN_N_NAN,
  STATS_COLUMN_N_INF,
  STATS_COLUMN_N_ZERO,
  STATS_COLUMN_MIN,
  STATS_COLUMN_MAX,
  STATS_COLUMN_MEAN,
  STATS_COLUMN_STD,
  STATS_COLUMN_ABS_MAX,
  STATS_COLUMN_L2,
  STATS_COLUMN_ARGUMENTS
};

/* How much of the statistics the query uses: a StatsLevel, in the upper bits of idxNum. */
enum { STATS_PLAN_LEVEL = TENSOR_PLAN_OWN };

typedef struct StatsCursor {
  TensorCursor tensor;
  StatsLevel level; /* wanted, and reached once `computed` */
  bool computed;
  Stats stats;
} StatsCursor;

static StatsLevel stats_level_of(int column) {
  switch (column) {
    case STATS_COLUMN_MEAN: return STATS_MEAN;
    case STATS_COLUMN_STD:
    case STATS_COLUMN_L2: return STATS_SPREAD;
    default: return STATS_RANGE;
  }
}

static int stats_best_index(sqlite3_vtab *table, sqlite3_index_info *info) {
  StatsLevel level = STATS_RANGE;
  for (int column = 0; column < STATS_COLUMN_ARGUMENTS; column++) {
    bool used = (info->colUsed >> column & 1) != 0;
    if (used && stats_level_of(column) > level) level = stats_level_of(column);
  }
  int code = tensor_table_best_index(table, info);
  info->idxNum += (int)level * STATS_PLAN_LEVEL;
  return code;
}

static int stats_filter(sqlite3_vtab_cursor *base, int plan, int argc, sqlite3_value **argv) {
  (void)argc;
  StatsCursor *cursor = (StatsCursor *)base;
  cursor->computed = false;
  cursor->level = (StatsLevel)((plan & ~LATE_PLAN_NO_COLUMNS) / STATS_PLAN_LEVEL);
  int code = tensor_cursor_filter(&cursor->tensor, plan, argv);
  if (code != SQLITE_OK || cursor->tensor.argument.is_null) return code;
  tensor_cursor_set_range(&cursor->tensor, 1, plan, argv);
  return SQLITE_OK;
}

static bool stats_compute(StatsCursor *cursor, Error *error) {
  const TensorArgument *argument = &cursor->tensor.argument;
  Source source = tensor_argument_source(argument);
  StatsOfTwo two;
  Host host = tensor_cursor_begin_work(&cursor->tensor);
  cursor->computed =
      argument->expression != NULL && expression_is_of_two(argument->expression, &two)
          ? stats_run_of_two(&two, cursor->level, &host, &cursor->stats, error)
          : stats_run(&source, &argument->view, argument->dtype, cursor->level, &host,
                      &cursor->stats, error);
  connection_end_work(&host);
  return cursor->computed;
}

static void stats_result_stats(sqlite3_context *context, const Stats *stats, int column) {
  if (stats->finite == 0 && column >= STATS_COLUMN_MIN && column <= STATS_COLUMN_ABS_MAX)
    return; /* NULL */
  switch (column) {
    case STATS_COLUMN_N_NAN: result_uint64(context, stats->nans); break;
    case STATS_COLUMN_N_INF: result_uint64(context, stats->infinities); break;
    case STATS_COLUMN_N_ZERO: result_uint64(context, stats->zeros); break;
    case STATS_COLUMN_MIN: value_result(context, &stats->min); break;
    case STATS_COLUMN_MAX: value_result(context, &stats->max); break;
    case STATS_COLUMN_MEAN: sqlite3_result_double(context, stats->mean); break;
    case STATS_COLUMN_STD: sqlite3_result_double(context, stats->std); break;
    case STATS_COLUMN_ABS_MAX: value_result(context, &stats->abs_max); break;
    case STATS_COLUMN_L2: sqlite3_result_double(context, stats->l2); break;
  }
}

static void stats_column(sqlite3_vtab_cursor *base, sqlite3_context *context, int number) {
  StatsCursor *cursor = (StatsCursor *)base;
  Error error = {0};
  if (stats_level_of(number) > cursor->level) {
    cursor->level = stats_level_of(number);
    cursor->computed = false;
  }
  if (number >= STATS_COLUMN_ARGUMENTS) {
    tensor_cursor_result_argument(&cursor->tensor, context, number - STATS_COLUMN_ARGUMENTS);
  } else if (cursor->computed || stats_compute(cursor, &error)) {
    stats_result_stats(context, &cursor->stats, number);
  } else {
    result_error(context, &error);
  }
}

/* ---- The table ---- */

static const TableRows stats_table_rows = {TENSOR_TABLE_ROWS, .cursor_size = sizeof(StatsCursor),
                                           .filter = stats_filter, .column = stats_column,
                                           .clear = tensor_cursor_clear};

static const TensorTable stats_table_template = {
    .name = "tensor_stats",
    .usage = "(ref) or (data, dtype [, shape])",
    .argument_column = STATS_COLUMN_ARGUMENTS,
    .argument_count = 3,
    .single_row = true,
    .rows = &stats_table_rows,
};

static int stats_connect(sqlite3 *db, void *session, int argc, const char *const *argv,
                         sqlite3_vtab **out, char **message) {
  (void)argc, (void)argv;
  return tensor_table_connect(db, session, stats_schema, &stats_table_template, out, message);
}

const sqlite3_module tensor_stats_module = {
    .xConnect = stats_connect,
    .xBestIndex = stats_best_index,
    .xDisconnect = tensor_table_disconnect,
    TABLE_METHODS,
};
