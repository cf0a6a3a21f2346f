/*
** tensor_histogram(T [, bins [, lo, hi]]): one row per bin.
**
**     SELECT bin, lo, hi, count FROM tensor_histogram('model.safetensors#lm_head.weight', 20);
**
** The bins, 10 by default, have equal width, as in numpy.histogram(): a bin counts the elements
** that are at least its `lo` and below its `hi`, the last bin also those that equal `hi`. They
** range from the smallest to the largest finite element, unless lo and hi are given. Elements
** outside, NaN and infinities are in no bin. If all elements are equal, the bins range from 0.5
** below to 0.5 above. Without finite elements, and without lo and hi, there are no rows. C64 counts
** by magnitude, BOOL as 0 and 1.
**
** `count` takes one pass, and another one comes before it unless lo and hi are given; or there is only that one,
** which counts codes, if elements have at most 16 bits.
*/
#include <math.h>

#include "base/memory.h"
#include "sql/number_argument.h"
#include "sql/tensor_table.h"
#include "tensor/histogram.h"
#include "tensor/stats.h"
#include "vtab/modules.h"

static const char histogram_name[] = "tensor_histogram";
static const char histogram_usage[] =
    "(ref [, bins [, lo, hi]]) or (data, dtype [, shape] [, bins [, lo, hi]])";
static const char histogram_schema[] =
    "CREATE TABLE x(bin INTEGER, lo REAL, hi REAL, count INTEGER, " TENSOR_TABLE_6_ARGUMENTS ")";

enum HistogramColumn {
  HISTOGRAM_COLUMN_BIN,
  HISTOGRAM_COLUMN_LO,
  HISTOGRAM_COLUMN_HI,
  HISTOGRAM_COLUMN_COUNT,
  HISTOGRAM_COLUMN_ARGUMENTS
};

/* The values that follow T. */
enum HistogramTrailing {
  HISTOGRAM_VALUE_BINS,
  HISTOGRAM_VALUE_LO,
  HISTOGRAM_VALUE_HI,
  HISTOGRAM_VALUE_COUNT
};

enum { HISTOGRAM_DEFAULT_BINS = 10 };

typedef struct HistogramCursor {
  TensorCursor tensor;
  uint32_t bins;
  double *edges;    /* bins + 1 */
  uint64_t *codes;  /* counts of codes, if they were counted to find the range */
  uint64_t *counts; /* of each bin; NULL until it is read */
} HistogramCursor;

static void histogram_forget_bins(HistogramCursor *cursor) {
  memory_free(cursor->edges);
  memory_free(cursor->codes);
  memory_free(cursor->counts);
  cursor->edges = NULL;
  cursor->codes = cursor->counts = NULL;
}

static void histogram_clear(sqlite3_vtab_cursor *base) {
  histogram_forget_bins((HistogramCursor *)base);
  tensor_cursor_clear(base);
}

/* ---- Arguments ---- */

static bool histogram_take_bins(sqlite3_value *value, uint32_t *bins, Error *error) {
  NumberArgument count = number_argument_read(value);
  if (count.type != SQLITE_INTEGER || count.integer < 1 || count.integer > HISTOGRAM_MAX_BINS) {
    return error_raise(
        error, ERROR_ARGUMENT, histogram_name, "expected 1 to %d bins, found \"%.*s\"",
        HISTOGRAM_MAX_BINS,
        ERROR_NAME((const char *)sqlite3_value_text(value), (uint64_t)sqlite3_value_bytes(value)));
  }
  *bins = (uint32_t)count.integer;
  return true;
}

static bool histogram_take_limit(sqlite3_value *value, double *limit, Error *error) {
  NumberArgument number = number_argument_read(value);
  *limit = number.real;
  if ((number.type == SQLITE_INTEGER || number.type == SQLITE_FLOAT) && isfinite(*limit))
    return true;
  return error_raise(
      error, ERROR_ARGUMENT, histogram_name, "expected finite numbers as lo and hi, found \"%.*s\"",
      ERROR_NAME((const char *)sqlite3_value_text(value), (uint64_t)sqlite3_value_bytes(value)));
}

typedef struct HistogramRange {
  bool given;
  double lo, hi;
} HistogramRange;

/* Takes the `count` values that follow the tensor. */
static bool histogram_take_values(sqlite3_value **values, int count, uint32_t *bins,
                                  HistogramRange *range, Error *error) {
  *bins = HISTOGRAM_DEFAULT_BINS;
  range->given = count == HISTOGRAM_VALUE_COUNT;
  if (count > HISTOGRAM_VALUE_BINS &&
      !histogram_take_bins(values[HISTOGRAM_VALUE_BINS], bins, error))
    return false;
  if (count == HISTOGRAM_VALUE_HI || count > HISTOGRAM_VALUE_COUNT) {
    return error_raise(error, ERROR_ARGUMENT, histogram_name, "expected %s, found %s",
                       histogram_usage,
                       count == HISTOGRAM_VALUE_HI ? "lo without hi" : "more arguments");
  }
  if (!range->given) return true;
  if (!histogram_take_limit(values[HISTOGRAM_VALUE_LO], &range->lo, error) ||
      !histogram_take_limit(values[HISTOGRAM_VALUE_HI], &range->hi, error)) {
    return false;
  }
  return range->lo <= range->hi ||
         error_raise(error, ERROR_ARGUMENT, histogram_name,
                     "expected lo <= hi, found %.15g and %.15g", range->lo, range->hi);
}

static bool histogram_any_null(sqlite3_value **values, int count) {
  for (int i = 0; i < count; i++) {
    if (sqlite3_value_type(values[i]) == SQLITE_NULL) return true;
  }
  return false;
}

/* ---- Passes ---- */

/* Counts the codes, and finds the range by them. */
static bool histogram_count_codes(HistogramCursor *cursor, HistogramRange *range, Error *error) {
  const TensorArgument *argument = &cursor->tensor.argument;
  Source source = tensor_argument_source(argument);
  const PassInput input = {&source, &argument->view, dtype_bits(argument->dtype)};
  Numbers numbers;
  cursor->codes = memory_alloc(((uint64_t)1 << input.bits) * sizeof *cursor->codes);
  if (cursor->codes == NULL) return error_memory(error);
  Host host = tensor_cursor_begin_work(&cursor->tensor);
  bool good = code_counts_run(&input, &host, cursor->codes, error);
  connection_end_work(&host);
  if (!good) return false;
  numbers_open(&numbers, argument->dtype);
  range->given = code_counts_range(&numbers, cursor->codes, &range->lo, &range->hi);
  return true;
}

/* Finds the smallest and the largest element; range->given is false if there are none. */
static bool histogram_find_range(HistogramCursor *cursor, HistogramRange *range, Error *error) {
  const TensorArgument *argument = &cursor->tensor.argument;
  if (histogram_counts_codes(argument->dtype, argument->view.numel))
    return histogram_count_codes(cursor, range, error);
  Source source = tensor_argument_source(argument);
  Stats stats;
  Host host = tensor_cursor_begin_work(&cursor->tensor);
  bool good =
      stats_run(&source, &argument->view, argument->dtype, STATS_RANGE, &host, &stats, error);
  connection_end_work(&host);
  if (!good) return false;
  if (stats.finite > 0)
    *range = (HistogramRange){true, value_double(&stats.min), value_double(&stats.max)};
  return true;
}

static void histogram_count_elements(HistogramCursor *cursor, Error *error) {
  const TensorArgument *argument = &cursor->tensor.argument;
  Source source = tensor_argument_source(argument);
  uint64_t *counts = memory_zeroed(cursor->bins, sizeof *counts);
  if (counts == NULL) {
    error_memory(error);
    return;
  }
  if (cursor->codes != NULL) {
    histogram_of_codes(argument->dtype, cursor->codes, cursor->edges, cursor->bins, counts);
    cursor->counts = counts;
    return;
  }
  Host host = tensor_cursor_begin_work(&cursor->tensor);
  bool good = histogram_run(&source, &argument->view, argument->dtype, cursor->edges, cursor->bins,
                            &host, counts, error);
  connection_end_work(&host);
  if (good) {
    cursor->counts = counts;
  } else {
    memory_free(counts);
  }
}

static bool histogram_open_bins(HistogramCursor *cursor, Error *error) {
  const TensorCursor *tensor = &cursor->tensor;
  HistogramRange range = {0};
  if (!histogram_take_values((sqlite3_value **)tensor->values + tensor->argument.used,
                             tensor->value_count - tensor->argument.used, &cursor->bins, &range,
                             error) ||
      (!range.given && !histogram_find_range(cursor, &range, error))) {
    return false;
  }
  if (!range.given) return true;
  cursor->edges = memory_alloc((cursor->bins + 1) * sizeof *cursor->edges);
  if (cursor->edges == NULL) return error_memory(error);
  histogram_edges(range.lo, range.hi, cursor->bins, cursor->edges);
  return true;
}

static int histogram_filter(sqlite3_vtab_cursor *base, int plan, int argc, sqlite3_value **argv) {
  (void)argc;
  HistogramCursor *cursor = (HistogramCursor *)base;
  TensorCursor *tensor = &cursor->tensor;
  histogram_forget_bins(cursor);
  int code = tensor_cursor_filter(tensor, plan, argv);
  if (code != SQLITE_OK || tensor->argument.is_null ||
      histogram_any_null(tensor->values, tensor->value_count)) {
    return code;
  }
  Error error = {0};
  if (!histogram_open_bins(cursor, &error)) return result_vtab_error(base->pVtab, &error);
  tensor_cursor_set_range(tensor, cursor->edges != NULL ? cursor->bins : 0, plan, argv);
  return SQLITE_OK;
}

static void histogram_result_count(sqlite3_context *context, HistogramCursor *cursor,
                                   uint64_t bin) {
  Error error = {0};
  if (cursor->counts == NULL) histogram_count_elements(cursor, &error);
  if (cursor->counts != NULL) {
    result_uint64(context, cursor->counts[bin]);
  } else {
    result_error(context, &error);
  }
}

static void histogram_column(sqlite3_vtab_cursor *base, sqlite3_context *context, int number) {
  HistogramCursor *cursor = (HistogramCursor *)base;
  uint64_t bin = tensor_cursor_position(&cursor->tensor);
  switch (number) {
    case HISTOGRAM_COLUMN_BIN: result_uint64(context, bin); break;
    case HISTOGRAM_COLUMN_LO: sqlite3_result_double(context, cursor->edges[bin]); break;
    case HISTOGRAM_COLUMN_HI: sqlite3_result_double(context, cursor->edges[bin + 1]); break;
    case HISTOGRAM_COLUMN_COUNT: histogram_result_count(context, cursor, bin); break;
    default:
      tensor_cursor_result_argument(&cursor->tensor, context, number - HISTOGRAM_COLUMN_ARGUMENTS);
      break;
  }
}

/* ---- The table ---- */

static const TableRows histogram_table_rows = {
    TENSOR_TABLE_ROWS, .cursor_size = sizeof(HistogramCursor), .filter = histogram_filter,
    .column = histogram_column, .clear = histogram_clear};

static const TensorTable histogram_table_template = {
    .name = histogram_name,
    .usage = histogram_usage,
    .argument_column = HISTOGRAM_COLUMN_ARGUMENTS,
    .argument_count = 6,
    .trailing = TRAILING_VALUES,
    .passes = true,
    .rows = &histogram_table_rows,
};

static int histogram_connect(sqlite3 *db, void *session, int argc, const char *const *argv,
                             sqlite3_vtab **out, char **message) {
  (void)argc, (void)argv;
  return tensor_table_connect(db, session, histogram_schema, &histogram_table_template, out,
                              message);
}

const sqlite3_module tensor_histogram_module = {
    .xConnect = histogram_connect,
    .xBestIndex = tensor_table_best_index,
    .xDisconnect = tensor_table_disconnect,
    TABLE_METHODS,
};
