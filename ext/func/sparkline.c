#include <math.h>
#include <string.h>

#include "func/functions.h"
#include "sql/connection.h"
#include "sql/lease.h"
#include "sql/tensor_argument.h"
#include "sql/tensor_result.h"
#include "tensor/histogram.h"
#include "tensor/stats.h"

enum { SPARKLINE_CELLS = 16, SPARKLINE_LEVELS = 8, SPARKLINE_LEVEL_BYTES = 3 };

/* Half of the values of a tensor may lie within a hundredth of its range, so the cells leave out
** values that are farther from the mean than this many standard deviations. */
static const double sparkline_reach = 4;

/* Counts the elements of each cell in two passes. The counts stay 0 if no element is finite. */
static bool sparkline_count_cells(const TensorArgument *argument, sqlite3 *db, Session *session,
                                  uint64_t *counts, Error *error) {
  const View *view = &argument->view;
  uint64_t nbytes = view->numel * dtype_bits(argument->dtype) / 8;
  Source source = tensor_argument_source(argument);
  Stats stats;
  Host host = connection_begin_work(db, session, &argument->tensor, view->numel, nbytes);
  bool good = stats_run(&source, view, argument->dtype, STATS_SPREAD, &host, &stats, error);
  connection_end_work(&host);
  if (!good || stats.finite == 0) return good;

  double lo = value_double(&stats.min), hi = value_double(&stats.max);
  double near_lo = stats.mean - sparkline_reach * stats.std,
         near_hi = stats.mean + sparkline_reach * stats.std;
  if (isfinite(near_lo) && near_lo > lo) lo = near_lo;
  if (isfinite(near_hi) && near_hi < hi) hi = near_hi;
  double edges[SPARKLINE_CELLS + 1];
  histogram_edges(lo, lo <= hi ? hi : lo, SPARKLINE_CELLS, edges);
  host = connection_begin_work(db, session, &argument->tensor, view->numel, nbytes);
  good =
      histogram_run(&source, view, argument->dtype, edges, SPARKLINE_CELLS, &host, counts, error);
  connection_end_work(&host);
  return good;
}

/* Draws one character for each cell, from U+2581 (an eighth) to U+2588 (the largest count), or a
** space for an empty cell. Returns the number of bytes. */
static size_t sparkline_draw_cells(const uint64_t *counts, char *out) {
  uint64_t largest = 0;
  size_t used = 0;
  for (int i = 0; i < SPARKLINE_CELLS; i++) largest = counts[i] > largest ? counts[i] : largest;
  for (int i = 0; i < SPARKLINE_CELLS && largest > 0; i++) {
    if (counts[i] == 0) {
      out[used++] = ' ';
      continue;
    }
    int level = (int)ceil((double)SPARKLINE_LEVELS * ((double)counts[i] / (double)largest));
    if (level < 1) level = 1;
    memcpy(out + used, "\xe2\x96\x80", SPARKLINE_LEVEL_BYTES); /* U+2580, the character before
                                                               ** them */
    out[used + SPARKLINE_LEVEL_BYTES - 1] = (char)(out[used + SPARKLINE_LEVEL_BYTES - 1] + level);
    used += SPARKLINE_LEVEL_BYTES;
  }
  return used;
}

/*
** tensor_sparkline(ref) -> TEXT
** tensor_sparkline(data, dtype [, shape]) -> TEXT
**
** The distribution of the finite elements, drawn for a terminal: 16 block characters, one for each
** bin of equal width, whose height shows how many elements the bin has. The bins go from the
** smallest to the largest element, but no farther from the mean than four standard deviations;
** elements outside are not counted. The text is empty if no element is finite. Takes two passes.
** NULL for NULL.
*/
void function_tensor_sparkline(sqlite3_context *context, int argc, sqlite3_value **argv) {
  Session *session = lease_session(context);
  TensorArgument argument;
  Error error = {0};
  uint64_t counts[SPARKLINE_CELLS] = {0};
  char text[SPARKLINE_CELLS * SPARKLINE_LEVEL_BYTES];
  if (!tensor_argument_open_alone(&argument, "tensor_sparkline", session, argc, argv, &error)) {
    tensor_result_error(context, &error);
  } else if (argument.is_null) {
    /* the result stays NULL */
  } else if (!sparkline_count_cells(&argument, sqlite3_context_db_handle(context), session, counts,
                                    &error)) {
    tensor_result_error(context, &error);
  } else {
    sqlite3_result_text(context, text, (int)sparkline_draw_cells(counts, text), SQLITE_TRANSIENT);
  }
  tensor_argument_close(&argument);
}
