/*
** tensor_histogram(T [, bins [, lo, hi]]): one row per bin.
**
**     SELECT bin, lo, hi, count FROM tensor_histogram('model.safetensors#lm_head.weight', 20);
**
** `bins` of equal width (10 unless given), as numpy.histogram(): bin i counts what is at least `lo`
** and below `hi`, the last bin what is `hi` too. They go from the smallest to the largest finite
** element, unless lo and hi are given; what is outside, NaN and infinities are in no bin. If all
** elements are equal, the bins go from 0.5 below to 0.5 above. Without finite elements, and without
** lo and hi, there are no rows. C64 counts by magnitude, BOOL as 0 and 1.
**
** One pass for `count`, one before it where lo and hi are not given.
*/
#include <math.h>

#include "base/memory.h"
#include "tensor/histogram.h"
#include "tensor/stats.h"
#include "vtab/modules.h"
#include "vtab/tensor_table.h"

static const char schema[] =
    "CREATE TABLE x(bin INTEGER, lo REAL, hi REAL, count INTEGER, " TENSOR_TABLE_6_ARGUMENTS ")";

enum Column { COLUMN_BIN, COLUMN_LO, COLUMN_HI, COLUMN_COUNT, COLUMN_ARGUMENTS };

/* What follows T. */
enum Trailing { VALUE_BINS, VALUE_LO, VALUE_HI, VALUE_COUNT };

enum { DEFAULT_BINS = 10 };

typedef struct HistogramCursor {
  TensorCursor tensor;
  uint32_t bins;
  double *edges;    /* bins + 1 */
  uint64_t *counts; /* of each bin; NULL until asked for */
} HistogramCursor;

static const TensorTable table_template = {
    .name = "tensor_histogram",
    .usage = "(ref [, bins [, lo, hi]]) or (data, dtype [, shape] [, bins [, lo, hi]])",
    .argument_column = COLUMN_ARGUMENTS,
    .argument_count = 6,
    .trailing = TRAILING_VALUES,
};

static int connect(sqlite3 *db, void *store, int argc, const char *const *argv, sqlite3_vtab **out,
                   char **message) {
  (void)argc, (void)argv, (void)message;
  return tensor_table_connect(db, store, schema, &table_template, out);
}

static int cursor_open(sqlite3_vtab *table, sqlite3_vtab_cursor **out) {
  (void)table;
  return tensor_cursor_open(out, sizeof(HistogramCursor));
}

static void forget_bins(HistogramCursor *cursor) {
  memory_free(cursor->edges);
  memory_free(cursor->counts);
  cursor->edges = NULL;
  cursor->counts = NULL;
}

static int cursor_close(sqlite3_vtab_cursor *base) {
  forget_bins((HistogramCursor *)base);
  return tensor_cursor_close(base);
}

/* ---- Arguments ---- */

static bool take_bins(sqlite3_value *value, uint32_t *bins, Error *error) {
  sqlite3_int64 count = sqlite3_value_int64(value);
  if (sqlite3_value_numeric_type(value) != SQLITE_INTEGER || count < 1 ||
      count > HISTOGRAM_MAX_BINS) {
    return error_raise(
        error, ERROR_ARGUMENT, table_template.name, "expected 1 to %d bins, found \"%.*s\"",
        HISTOGRAM_MAX_BINS,
        ERROR_NAME((const char *)sqlite3_value_text(value), (uint64_t)sqlite3_value_bytes(value)));
  }
  *bins = (uint32_t)count;
  return true;
}

static bool take_limit(sqlite3_value *value, double *limit, Error *error) {
  int type = sqlite3_value_numeric_type(value);
  *limit = sqlite3_value_double(value);
  if ((type == SQLITE_INTEGER || type == SQLITE_FLOAT) && isfinite(*limit)) return true;
  return error_raise(
      error, ERROR_ARGUMENT, table_template.name,
      "expected finite numbers as lo and hi, found \"%.*s\"",
      ERROR_NAME((const char *)sqlite3_value_text(value), (uint64_t)sqlite3_value_bytes(value)));
}

typedef struct Range {
  bool given;
  double lo, hi;
} Range;

/* Takes what follows the tensor: `count` values. */
static bool take_values(sqlite3_value **values, int count, uint32_t *bins, Range *range,
                        Error *error) {
  *bins = DEFAULT_BINS;
  range->given = count == VALUE_COUNT;
  if (count > VALUE_BINS && !take_bins(values[VALUE_BINS], bins, error)) return false;
  if (count == VALUE_HI || count > VALUE_COUNT) {
    return error_raise(error, ERROR_ARGUMENT, table_template.name, "expected %s, found %s",
                       table_template.usage,
                       count == VALUE_HI ? "lo without hi" : "more arguments");
  }
  if (!range->given) return true;
  if (!take_limit(values[VALUE_LO], &range->lo, error) ||
      !take_limit(values[VALUE_HI], &range->hi, error)) {
    return false;
  }
  return range->lo <= range->hi ||
         error_raise(error, ERROR_ARGUMENT, table_template.name,
                     "expected lo <= hi, found %.15g and %.15g", range->lo, range->hi);
}

static bool any_null(sqlite3_value **values, int count) {
  for (int i = 0; i < count; i++) {
    if (sqlite3_value_type(values[i]) == SQLITE_NULL) return true;
  }
  return false;
}

/* ---- Passes ---- */

/* From the smallest to the largest element; range->given is false if there are none. */
static bool find_range(const HistogramCursor *cursor, Range *range, Error *error) {
  const TensorArgument *argument = &cursor->tensor.argument;
  Source source = tensor_argument_source(argument);
  Stats stats;
  Host host;
  tensor_cursor_host(&cursor->tensor, &host);
  bool good =
      stats_run(&source, &argument->view, argument->dtype, STATS_RANGE, &host.pass, &stats, error);
  host_close(&host);
  if (!good) return false;
  if (stats.finite > 0) *range = (Range){true, value_double(&stats.min), value_double(&stats.max)};
  return true;
}

static void count_elements(HistogramCursor *cursor, Error *error) {
  const TensorArgument *argument = &cursor->tensor.argument;
  Source source = tensor_argument_source(argument);
  Host host;
  uint64_t *counts = memory_zeroed(cursor->bins, sizeof *counts);
  if (counts == NULL) {
    error_memory(error);
    return;
  }
  tensor_cursor_host(&cursor->tensor, &host);
  bool good = histogram_run(&source, &argument->view, argument->dtype, cursor->edges, cursor->bins,
                            &host.pass, counts, error);
  host_close(&host);
  if (good) {
    cursor->counts = counts;
  } else {
    memory_free(counts);
  }
}

static bool open_bins(HistogramCursor *cursor, Error *error) {
  const TensorCursor *tensor = &cursor->tensor;
  Range range = {0};
  if (!take_values((sqlite3_value **)tensor->values + tensor->argument.used,
                   tensor->value_count - tensor->argument.used, &cursor->bins, &range, error) ||
      (!range.given && !find_range(cursor, &range, error))) {
    return false;
  }
  if (!range.given) return true;
  cursor->edges = memory_alloc((cursor->bins + 1) * sizeof *cursor->edges);
  if (cursor->edges == NULL) return error_memory(error);
  histogram_edges(range.lo, range.hi, cursor->bins, cursor->edges);
  return true;
}

static int filter(sqlite3_vtab_cursor *base, int plan, const char *plan_text, int argc,
                  sqlite3_value **argv) {
  (void)plan_text, (void)argc;
  HistogramCursor *cursor = (HistogramCursor *)base;
  TensorCursor *tensor = &cursor->tensor;
  forget_bins(cursor);
  int code = tensor_cursor_filter(tensor, plan, argv);
  if (code != SQLITE_OK || tensor->argument.is_null ||
      any_null(tensor->values, tensor->value_count)) {
    return code;
  }
  Error error = {0};
  if (!open_bins(cursor, &error)) return result_vtab_error(base->pVtab, &error);
  tensor_cursor_set_range(tensor, cursor->edges != NULL ? cursor->bins : 0, plan, argv);
  return SQLITE_OK;
}

static void result_count(sqlite3_context *context, HistogramCursor *cursor, uint64_t bin) {
  Error error = {0};
  if (cursor->counts == NULL) count_elements(cursor, &error);
  if (cursor->counts != NULL) {
    result_uint64(context, cursor->counts[bin]);
  } else {
    result_error(context, &error);
  }
}

static int column(sqlite3_vtab_cursor *base, sqlite3_context *context, int number) {
  HistogramCursor *cursor = (HistogramCursor *)base;
  uint64_t bin = tensor_cursor_position(&cursor->tensor);
  switch (number) {
    case COLUMN_BIN: result_uint64(context, bin); break;
    case COLUMN_LO: sqlite3_result_double(context, cursor->edges[bin]); break;
    case COLUMN_HI: sqlite3_result_double(context, cursor->edges[bin + 1]); break;
    case COLUMN_COUNT: result_count(context, cursor, bin); break;
    default:
      tensor_cursor_result_argument(&cursor->tensor, context, number - COLUMN_ARGUMENTS);
      break;
  }
  return SQLITE_OK;
}

const sqlite3_module tensor_histogram_module = {
    .xConnect = connect,
    .xBestIndex = tensor_table_best_index,
    .xDisconnect = tensor_table_disconnect,
    .xOpen = cursor_open,
    .xClose = cursor_close,
    .xFilter = filter,
    .xNext = tensor_cursor_next,
    .xEof = tensor_cursor_at_end,
    .xColumn = column,
    .xRowid = tensor_cursor_rowid,
};
