/* Steps that only formulas have: numbers out of packed words, scales spread over groups, tables. */
#include <string.h>

#include "expression/evaluate.h"
#include "expression/formula.h"
#include "format/element.h"

_Static_assert((int)FORMULA_MAX_GROUPS <= (int)EVALUATE_TILE, "a row of groups is a tile");

/* ---- Unpack ---- */

static inline double packed_value(const Unpack *unpack, uint64_t code) {
  return unpack->values != NULL ? unpack->values[code] : (double)code;
}

static inline uint64_t packed_word(const Unpack *unpack, const unsigned char *words, uint64_t at) {
  return unpack->word_bits == 8 ? words[at] : element_load_32(words + 4 * at);
}

/* Numbers `first` on of a row, of which `words` begins with those from word `begin` on. There are 8
** bytes behind them that may be read. */
static void packed_stream(const Unpack *unpack, const unsigned char *words, uint64_t begin,
                          uint64_t first, uint64_t count, double *out) {
  uint64_t mask = ((uint64_t)1 << unpack->bits) - 1;
  uint64_t bit = first * unpack->bits - begin * unpack->word_bits;
  for (uint64_t i = 0; i < count; i++, bit += unpack->bits) {
    uint64_t code = (uint64_t)words[bit / 8] | (uint64_t)words[bit / 8 + 1] << 8;
    out[i] = packed_value(unpack, code >> bit % 8 & mask);
  }
}

static void packed_words(const Unpack *unpack, const unsigned char *words, uint64_t begin,
                         uint64_t first, uint64_t count, double *out) {
  uint64_t mask = ((uint64_t)1 << unpack->bits) - 1;
  uint64_t at = first / unpack->per_word - begin, within = first % unpack->per_word;
  for (uint64_t i = 0; i < count; i++) {
    uint64_t word = packed_word(unpack, words, at);
    out[i] = packed_value(unpack, word >> unpack->shifts[within] & mask);
    if (++within < unpack->per_word) continue;
    within = 0;
    at++;
  }
}

/* The same number of each word. */
static void packed_across(const Unpack *unpack, const unsigned char *words, unsigned shift,
                          uint64_t count, double *out) {
  uint64_t mask = ((uint64_t)1 << unpack->bits) - 1;
  for (uint64_t i = 0; i < count; i++)
    out[i] = packed_value(unpack, packed_word(unpack, words, i) >> shift & mask);
}

/* Columns of a row whose bits may lie in two rows of words, each of `count`. */
static void packed_across_two(const Unpack *unpack, const unsigned char *low,
                              const unsigned char *high, unsigned shift, uint64_t count,
                              double *out) {
  uint64_t mask = ((uint64_t)1 << unpack->bits) - 1;
  for (uint64_t i = 0; i < count; i++) {
    uint64_t word = packed_word(unpack, low, i) | packed_word(unpack, high, i) << unpack->word_bits;
    out[i] = packed_value(unpack, word >> shift & mask);
  }
}

/* ---- Where the words of a row are ---- */

static bool packed_along(Evaluator *evaluator, const Step *step, StepState *state, uint64_t row,
                         uint64_t first, uint64_t count, double *out, Error *error) {
  const Unpack *unpack = step->unpack;
  bool stream = unpack->order == UNPACK_STREAM;
  uint64_t last = first + count - 1;
  uint64_t begin = stream ? first * unpack->bits / unpack->word_bits : first / unpack->per_word;
  uint64_t end = stream ? (last * unpack->bits + unpack->bits - 1) / unpack->word_bits
                        : last / unpack->per_word;
  const unsigned char *bytes = evaluate_argument_bytes(
      evaluator, state, step->args[0], row * step->length + begin, end + 1 - begin, error);
  if (bytes == NULL) return false;
  if (stream) {
    packed_stream(unpack, bytes, begin, first, count, out);
  } else {
    packed_words(unpack, bytes, begin, first, count, out);
  }
  return true;
}

/* Where words have 32 bits, the room of a step has that of two tiles of them. */
static bool packed_down_stream(Evaluator *evaluator, const Step *step, StepState *state,
                               uint64_t row, uint64_t first, uint64_t count, double *out,
                               Error *error) {
  const Unpack *unpack = step->unpack;
  uint64_t bit = row * unpack->bits, from = bit / unpack->word_bits;
  unsigned shift = (unsigned)(bit % unpack->word_bits), bytes = unpack->word_bits / 8;
  const unsigned char *low = evaluate_argument_bytes(evaluator, state, step->args[0],
                                                     from * step->length + first, count, error);
  if (low == NULL) return false;
  if (shift + unpack->bits <= unpack->word_bits) {
    packed_across(unpack, low, shift, count, out);
    return true;
  }
  unsigned char *high = state->bytes + count * bytes;
  if (!evaluate_bytes(evaluator, step->args[0], (from + 1) * step->length + first, count, high, 0,
                      error))
    return false;
  packed_across_two(unpack, low, high, shift, count, out);
  return true;
}

static bool packed_down(Evaluator *evaluator, const Step *step, StepState *state, uint64_t row,
                        uint64_t first, uint64_t count, double *out, Error *error) {
  const Unpack *unpack = step->unpack;
  bool slices = unpack->order == UNPACK_SLICES;
  uint64_t from = slices ? row % step->rows : row / unpack->per_word;
  uint64_t which = slices ? row / step->rows : row % unpack->per_word;
  const unsigned char *bytes = evaluate_argument_bytes(evaluator, state, step->args[0],
                                                       from * step->length + first, count, error);
  if (bytes == NULL) return false;
  packed_across(unpack, bytes, unpack->shifts[which], count, out);
  return true;
}

static bool packed_row(Evaluator *evaluator, uint32_t number, uint64_t row, uint64_t first,
                       uint64_t count, double *out, Error *error) {
  const Step *step = &evaluator->plan->steps[number];
  StepState *state = &evaluator->states[number];
  switch (step->unpack->order) {
    case UNPACK_STREAM:
    case UNPACK_WORDS: return packed_along(evaluator, step, state, row, first, count, out, error);
    case UNPACK_STREAM_DOWN:
      return packed_down_stream(evaluator, step, state, row, first, count, out, error);
    default: return packed_down(evaluator, step, state, row, first, count, out, error);
  }
}

bool evaluate_unpack(Evaluator *evaluator, uint32_t number, uint64_t begin, uint64_t count,
                     double *out, Error *error) {
  uint64_t columns = evaluator->plan->steps[number].inner;
  for (uint64_t done = 0, size; done < count; done += size) {
    uint64_t row = (begin + done) / columns, first = (begin + done) % columns;
    size = columns - first < count - done ? columns - first : count - done;
    if (!packed_row(evaluator, number, row, first, size, out + done, error)) return false;
  }
  return true;
}

/* ---- Spread ---- */

/* Elements of a row, by blocks of columns; `row` is where its groups begin. */
static bool spread_blocks(Evaluator *evaluator, const Step *step, uint64_t row, uint64_t first,
                          uint64_t count, double *out, Error *error) {
  uint64_t block = step->spread.block_columns, group = first / block;
  uint64_t groups = (first + count - 1) / block + 1 - group;
  const double *values = evaluate_numbers(evaluator, step->args[0], row + group, groups, error);
  if (values == NULL) return false;
  uint64_t left = block - first % block;
  for (uint64_t done = 0; done < count; values++) {
    uint64_t size = left < count - done ? left : count - done;
    for (uint64_t i = 0; i < size; i++) out[done + i] = *values;
    done += size;
    left = block;
  }
  return true;
}

/* The same, where the groups of the columns are a tensor. */
static bool spread_indexed(Evaluator *evaluator, const Step *step, uint64_t row, uint64_t first,
                           uint64_t count, double *out, Error *error) {
  uint64_t groups = step->spread.columns, block = step->spread.block_columns;
  const double *index = evaluate_numbers(evaluator, step->args[1], first, count, error);
  if (index == NULL) return false;
  memcpy(out, index, (size_t)count * sizeof *out);
  const double *values = evaluate_numbers(evaluator, step->args[0], row, groups, error);
  if (values == NULL) return false;
  for (uint64_t i = 0; i < count; i++) {
    uint64_t in_order = (first + i) / block;
    double group = out[i] == -1 ? (double)in_order : out[i];
    if (!(group >= 0 && group < (double)groups))
      return error_raise(error, ERROR_ARGUMENT, expression_name.subject,
                         "expected groups of columns below %llu, found %.0f",
                         (unsigned long long)groups, group);
    out[i] = values[(uint64_t)group];
  }
  return true;
}

bool evaluate_spread(Evaluator *evaluator, uint32_t number, uint64_t begin, uint64_t count,
                     double *out, Error *error) {
  const Step *step = &evaluator->plan->steps[number];
  const Spread *spread = &step->spread;
  for (uint64_t done = 0, size; done < count; done += size) {
    uint64_t row = (begin + done) / step->inner, first = (begin + done) % step->inner;
    size = step->inner - first < count - done ? step->inner - first : count - done;
    uint64_t group = row % step->rows / spread->block_rows;
    if (spread->per_batch) group += row / step->rows * spread->rows;
    group *= spread->columns;
    bool good = step->arg_count > 1
                    ? spread_indexed(evaluator, step, group, first, size, out + done, error)
                    : spread_blocks(evaluator, step, group, first, size, out + done, error);
    if (!good) return false;
  }
  return true;
}

/* ---- Lookup ---- */

bool evaluate_lookup(Evaluator *evaluator, uint32_t number, uint64_t begin, uint64_t count,
                     double *out, Error *error) {
  const Step *step = &evaluator->plan->steps[number];
  uint64_t size = evaluator->plan->steps[step->args[1]].shape.numel;
  const double *codes = evaluate_numbers(evaluator, step->args[0], begin, count, error);
  if (codes == NULL) return false;
  memcpy(out, codes, (size_t)count * sizeof *out);
  const double *table = evaluate_numbers(evaluator, step->args[1], 0, size, error);
  if (table == NULL) return false;
  for (uint64_t i = 0; i < count; i++) {
    if (!(out[i] >= 0 && out[i] < (double)size))
      return error_raise(error, ERROR_ARGUMENT, expression_name.subject,
                         "expected codes below %llu, the size of their table, found %.0f",
                         (unsigned long long)size, out[i]);
    out[i] = table[(uint64_t)out[i]];
  }
  return true;
}
