#include "expression/whole.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"

bool whole_go_on(const WholeCall *call, Error *error) {
  return call->asking->go_on(call->asking->context, error);
}

static bool tables_refuse(Error *error, const char *expected, double found) {
  return error_raise(error, ERROR_ARGUMENT, expression_name.subject, "expected %s, found %.17g",
                     expected, found);
}

static bool tables_is_index(double number, double end) {
  return number >= 0 && number < end && number == floor(number);
}

/* ---- VB-LoRA ---- */

/* Sets out[i] to 1 for the greatest numbers of a row, the first among equals; NaN is the greatest, as it is for
** PyTorch. */
static bool tables_pick(const WholeCall *call, const double *row, uint64_t size, double *out,
                        double *greatest, Error *error) {
  uint64_t count = (uint64_t)call->parameters[0];
  *greatest = -INFINITY;
  for (uint64_t c = 0; c < count && c < size; c++) {
    uint64_t best = size;
    for (uint64_t i = 0; i < size; i++) {
      bool better = best == size || row[i] > row[best] || (isnan(row[i]) && !isnan(row[best]));
      if (out[i] == 0 && better) best = i;
    }
    out[best] = 1;
    if (c == 0) *greatest = row[best];
    if (!whole_go_on(call, error)) return false;
  }
  return true;
}

bool whole_softmax(const WholeCall *call, Error *error) {
  uint64_t size = call->shapes[0]->shape[1];
  for (uint64_t r = 0; r < call->shapes[0]->shape[0]; r++) {
    const double *row = call->args[0] + r * size;
    double *out = call->out + r * size, sum = 0, greatest;
    if (!tables_pick(call, row, size, out, &greatest, error)) return false;
    for (uint64_t i = 0; i < size; i++) {
      if (out[i] == 0) continue;
      out[i] = exp(row[i] - greatest);
      sum += out[i];
    }
    for (uint64_t i = 0; i < size; i++) {
      if (out[i] != 0) out[i] /= sum;
    }
  }
  return true;
}

bool whole_weights(const WholeCall *call, Error *error) {
  uint64_t rows = call->shapes[0]->shape[0], count = call->shapes[0]->shape[1];
  uint64_t size = (uint64_t)call->parameters[0];
  for (uint64_t r = 0; r < rows; r++) {
    double left = 1;
    for (uint64_t c = 0; c < count; c++) {
      double index = call->args[0][r * count + c];
      double weight = c + 1 < count ? call->args[1][r * (count - 1) + c] : left;
      if (!tables_is_index(index, (double)size))
        return tables_refuse(error, "indices of the vectors in the bank", index);
      left -= weight;
      call->out[r * size + (uint64_t)index] += weight;
    }
    if (!whole_go_on(call, error)) return false;
  }
  return true;
}

/* ---- Values by place ---- */

typedef struct TablesPair {
  double place, value;
} TablesPair;

/* Merges two sorted runs, of which the second begins at `middle`. */
static void tables_merge(const TablesPair *from, uint64_t begin, uint64_t middle, uint64_t end,
                         TablesPair *to) {
  uint64_t a = begin, b = middle;
  for (uint64_t i = begin; i < end; i++) {
    bool first = b == end || (a < middle && from[a].place <= from[b].place);
    to[i] = from[first ? a++ : b++];
  }
}

/* Sorts by merging longer and longer runs. Returns where the result is: in one of both; NULL on an error. */
static TablesPair *tables_sort(const WholeCall *call, TablesPair *pairs, TablesPair *room,
                               uint64_t count, Error *error) {
  for (uint64_t run = 1; run < count; run *= 2) {
    for (uint64_t begin = 0; begin < count; begin += 2 * run) {
      uint64_t middle = begin + run < count ? begin + run : count;
      uint64_t end = middle + run < count ? middle + run : count;
      tables_merge(pairs, begin, middle, end, room);
      bool asks = run >= 4096 || begin / (2 * run) % 4096 == 0;
      if (asks && !whole_go_on(call, error)) return NULL;
    }
    TablesPair *held = pairs;
    pairs = room;
    room = held;
  }
  return pairs;
}

/* The flat place of value number i. */
static bool tables_place(const WholeCall *call, uint64_t i, uint64_t count, double *place,
                         Error *error) {
  double columns = call->parameters[1];
  *place = call->args[0][i];
  if (columns > 0) {
    double column = call->args[0][count + i], rows = call->parameters[0] / columns;
    if (!tables_is_index(column, columns) || !tables_is_index(*place, rows))
      return tables_refuse(error, "rows and columns of the weight",
                           tables_is_index(column, columns) ? *place : column);
    *place = *place * columns + column;
  }
  return tables_is_index(*place, call->parameters[0]) ||
         tables_refuse(error, "places within the weight", *place);
}

bool whole_pairs(const WholeCall *call, Error *error) {
  uint64_t count = call->numel / 2;
  TablesPair *pairs = memory_zeroed(count, sizeof *pairs), *out = (TablesPair *)(void *)call->out;
  if (pairs == NULL) return error_memory(error);
  bool good = true;
  for (uint64_t i = 0; good && i < count; i++) {
    good = tables_place(call, i, count, &pairs[i].place, error) &&
           (i % 4096 != 0 || whole_go_on(call, error));
    pairs[i].value = call->args[1][i];
  }
  const TablesPair *sorted = good ? tables_sort(call, pairs, out, count, error) : NULL;
  if (sorted != NULL && sorted == out) memcpy(pairs, out, (size_t)count * sizeof *pairs);
  for (uint64_t i = 0; sorted != NULL && i < count; i++) {
    call->out[i] = pairs[i].place;
    call->out[count + i] = pairs[i].value;
  }
  memory_free(pairs);
  return sorted != NULL;
}
