#include <math.h>
#include <string.h>

#include "func/functions.h"
#include "func/host.h"
#include "func/tensor_argument.h"
#include "tensor/histogram.h"
#include "tensor/stats.h"

enum { CELLS = 16, LEVELS = 8, LEVEL_BYTES = 3 };

/* Half of a tensor's values may lie within a hundredth of its range: the cells leave out what is
** farther from the mean than this many standard deviations. */
static const double reach = 4;

/* Two passes. The counts stay 0 without finite elements. */
static bool count_cells(const TensorArgument *argument, sqlite3 *db, Store *store, uint64_t *counts,
                        Error *error) {
  const View *view = &argument->view;
  uint64_t nbytes = view->numel * dtype_bits(argument->dtype) / 8;
  Source source = tensor_argument_source(argument);
  Stats stats;
  Host host;
  host_open(&host, db, store, &argument->tensor, view->numel, nbytes);
  bool good = stats_run(&source, view, argument->dtype, STATS_SPREAD, &host.pass, &stats, error);
  host_close(&host);
  if (!good || stats.finite == 0) return good;

  double lo = value_double(&stats.min), hi = value_double(&stats.max);
  double near_lo = stats.mean - reach * stats.std, near_hi = stats.mean + reach * stats.std;
  if (isfinite(near_lo) && near_lo > lo) lo = near_lo;
  if (isfinite(near_hi) && near_hi < hi) hi = near_hi;
  double edges[CELLS + 1];
  histogram_edges(lo, lo <= hi ? hi : lo, CELLS, edges);
  host_open(&host, db, store, &argument->tensor, view->numel, nbytes);
  good = histogram_run(&source, view, argument->dtype, edges, CELLS, &host.pass, counts, error);
  host_close(&host);
  return good;
}

/* One character a cell, from U+2581 (an eighth) to U+2588 (the largest count); a space for none. */
static size_t draw_cells(const uint64_t *counts, char *out) {
  uint64_t largest = 0;
  size_t used = 0;
  for (int i = 0; i < CELLS; i++) largest = counts[i] > largest ? counts[i] : largest;
  for (int i = 0; i < CELLS && largest > 0; i++) {
    if (counts[i] == 0) {
      out[used++] = ' ';
      continue;
    }
    int level = (int)ceil((double)LEVELS * ((double)counts[i] / (double)largest));
    if (level < 1) level = 1;
    memcpy(out + used, "\xe2\x96\x80", LEVEL_BYTES); /* U+2580, just before them */
    out[used + LEVEL_BYTES - 1] = (char)(out[used + LEVEL_BYTES - 1] + level);
    used += LEVEL_BYTES;
  }
  return used;
}

/*
** tensor_sparkline(ref) -> TEXT
** tensor_sparkline(data, dtype [, shape]) -> TEXT
**
** How the finite elements are distributed, for a cell of a terminal: 16 block characters, one a bin
** of equal width, as high as many elements it has. The bins go from the smallest to the largest
** element, but no farther from the mean than four standard deviations; what is outside is in none.
** Without finite elements the text is empty. Two passes.
*/
void function_tensor_sparkline(sqlite3_context *context, int argc, sqlite3_value **argv) {
  Store *store = sqlite3_user_data(context);
  TensorArgument argument;
  Error error = {0};
  uint64_t counts[CELLS] = {0};
  char text[CELLS * LEVEL_BYTES];
  if (!tensor_argument_open_alone(&argument, "tensor_sparkline", store, argc, argv, &error)) {
    result_error(context, &error);
  } else if (argument.is_null) {
    /* NULL in, NULL out */
  } else if (!count_cells(&argument, sqlite3_context_db_handle(context), store, counts, &error)) {
    result_error(context, &error);
  } else {
    sqlite3_result_text(context, text, (int)draw_cells(counts, text), SQLITE_TRANSIENT);
  }
  tensor_argument_close(&argument);
}
