/*
** tensor_stats(T): one row of statistics.
**
**     SELECT n_nan, n_inf, min, max, mean, std FROM tensor_stats('model.safetensors#lm_head.weight');
**
** n_nan and n_inf count what is not finite; all other columns are over the finite elements, C64 by
** magnitude, BOOL as 0 and 1. min, max and abs_max are INTEGER for integer dtypes (above 2^63-1
** REAL), else REAL; -0 is 0. std is the population's, as numpy.std(). Without finite elements, as in
** an empty tensor, min, max, mean, std and abs_max are NULL, and l2 is 0.0.
**
** One pass computes the columns that the query uses, when the first of them is asked for.
*/
#include "tensor/stats.h"
#include "func/value_result.h"
#include "vtab/modules.h"
#include "vtab/tensor_table.h"

static const char schema[] =
    "CREATE TABLE x(n_nan INTEGER, n_inf INTEGER, n_zero INTEGER, min, max, mean REAL, std REAL, "
    "abs_max, l2 REAL, " TENSOR_TABLE_3_ARGUMENTS ")";

enum Column {
  COLUMN_N_NAN,
  COLUMN_N_INF,
  COLUMN_N_ZERO,
  COLUMN_MIN,
  COLUMN_MAX,
  COLUMN_MEAN,
  COLUMN_STD,
  COLUMN_ABS_MAX,
  COLUMN_L2,
  COLUMN_ARGUMENTS
};

/* How much of the statistics the query uses: a StatsLevel, in these bits of idxNum. */
enum { PLAN_LEVEL = PLAN_OWN };

typedef struct StatsCursor {
  TensorCursor tensor;
  StatsLevel level; /* wanted, and, once computed, in: */
  bool computed;
  Stats stats;
} StatsCursor;

static const TensorTable table_template = {
    .name = "tensor_stats",
    .usage = "(ref) or (data, dtype [, shape])",
    .argument_column = COLUMN_ARGUMENTS,
    .argument_count = 3,
    .single_row = true,
};

static int connect(sqlite3 *db, void *store, int argc, const char *const *argv, sqlite3_vtab **out,
                   char **message) {
  (void)argc, (void)argv, (void)message;
  return tensor_table_connect(db, store, schema, &table_template, out);
}

static StatsLevel level_of(int column) {
  switch (column) {
    case COLUMN_MEAN: return STATS_MEAN;
    case COLUMN_STD:
    case COLUMN_L2: return STATS_SPREAD;
    default: return STATS_RANGE;
  }
}

static int best_index(sqlite3_vtab *table, sqlite3_index_info *info) {
  StatsLevel level = STATS_RANGE;
  for (int column = 0; column < COLUMN_ARGUMENTS; column++) {
    bool used = (info->colUsed >> column & 1) != 0;
    if (used && level_of(column) > level) level = level_of(column);
  }
  int code = tensor_table_best_index(table, info);
  info->idxNum += (int)level * PLAN_LEVEL;
  return code;
}

static int cursor_open(sqlite3_vtab *table, sqlite3_vtab_cursor **out) {
  (void)table;
  return tensor_cursor_open(out, sizeof(StatsCursor));
}

static int filter(sqlite3_vtab_cursor *base, int plan, const char *plan_text, int argc,
                  sqlite3_value **argv) {
  (void)plan_text, (void)argc;
  StatsCursor *cursor = (StatsCursor *)base;
  cursor->computed = false;
  cursor->level = (StatsLevel)(plan / PLAN_LEVEL);
  int code = tensor_cursor_filter(&cursor->tensor, plan, argv);
  if (code != SQLITE_OK || cursor->tensor.argument.is_null) return code;
  tensor_cursor_set_range(&cursor->tensor, 1, plan, argv);
  return SQLITE_OK;
}

static bool compute(StatsCursor *cursor, Error *error) {
  const TensorArgument *argument = &cursor->tensor.argument;
  Source source = tensor_argument_source(argument);
  Host host;
  tensor_cursor_host(&cursor->tensor, &host);
  cursor->computed = stats_run(&source, &argument->view, argument->dtype, cursor->level, &host.pass,
                               &cursor->stats, error);
  host_close(&host);
  return cursor->computed;
}

static void result_stats(sqlite3_context *context, const Stats *stats, int column) {
  if (stats->finite == 0 && column >= COLUMN_MIN && column <= COLUMN_ABS_MAX) return; /* NULL */
  switch (column) {
    case COLUMN_N_NAN: result_uint64(context, stats->nans); break;
    case COLUMN_N_INF: result_uint64(context, stats->infinities); break;
    case COLUMN_N_ZERO: result_uint64(context, stats->zeros); break;
    case COLUMN_MIN: value_result(context, &stats->min); break;
    case COLUMN_MAX: value_result(context, &stats->max); break;
    case COLUMN_MEAN: sqlite3_result_double(context, stats->mean); break;
    case COLUMN_STD: sqlite3_result_double(context, stats->std); break;
    case COLUMN_ABS_MAX: value_result(context, &stats->abs_max); break;
    case COLUMN_L2: sqlite3_result_double(context, stats->l2); break;
  }
}

static int column(sqlite3_vtab_cursor *base, sqlite3_context *context, int number) {
  StatsCursor *cursor = (StatsCursor *)base;
  Error error = {0};
  if (level_of(number) > cursor->level) {
    cursor->level = level_of(number);
    cursor->computed = false;
  }
  if (number >= COLUMN_ARGUMENTS) {
    tensor_cursor_result_argument(&cursor->tensor, context, number - COLUMN_ARGUMENTS);
  } else if (cursor->computed || compute(cursor, &error)) {
    result_stats(context, &cursor->stats, number);
  } else {
    result_error(context, &error);
  }
  return SQLITE_OK;
}

const sqlite3_module tensor_stats_module = {
    .xConnect = connect,
    .xBestIndex = best_index,
    .xDisconnect = tensor_table_disconnect,
    .xOpen = cursor_open,
    .xClose = tensor_cursor_close,
    .xFilter = filter,
    .xNext = tensor_cursor_next,
    .xEof = tensor_cursor_at_end,
    .xColumn = column,
    .xRowid = tensor_cursor_rowid,
};
