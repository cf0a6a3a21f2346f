#include "tensor/code_counts.h"

#include <math.h>
#include <string.h>

#include "format/element.h"
#include "tensor/codes.h"

/* Of so many elements or more, words of 16 bits are counted, whatever an element has: several at a time. Words have
** many counters, which take as long to clear and to add up as some 10^5 elements to count. */
enum { CODE_COUNTS_MANY = 1 << 18 };

/* What a thread has counted. */
typedef struct CodeCounts {
  uint64_t elements[CODES]; /* that are not in words */
  HalfCounts words;         /* not there if no words are counted */
} CodeCounts;

typedef struct CodeCountsTask {
  const Kernels *kernels;
  unsigned bits;
  bool words;
  uint64_t *counts;
} CodeCountsTask;

static void code_counts_take(const void *context, const PassElements *elements, uint64_t position,
                             uint64_t count, void *scratch, void *state) {
  const CodeCountsTask *task = context;
  CodeCounts *counts = state;
  const unsigned bits = task->bits, together = CODE_COUNTS_BITS / bits;
  const unsigned char *data = elements->data;
  uint64_t first = elements->first, words = 0;
  (void)position, (void)scratch;
  if (task->words && first == 0) {
    words = count / together;
    task->kernels->count_halves(data, words, &counts->words);
    data += 2 * words;
    count -= words * together;
  }
  if (count > 0) codes_count(task->kernels, bits, data, first, count, counts->elements);
}

/* A word has one element or several. */
static void code_counts_add_words(const CodeCountsTask *task, const HalfCounts *words) {
  const unsigned mask = (1u << task->bits) - 1;
  for (unsigned word = 0; word < HALF_CODES; word++) {
    uint64_t count = half_count(words, word);
    if (count == 0) continue;
    for (unsigned bit = 0; bit < CODE_COUNTS_BITS; bit += task->bits) {
      task->counts[word >> bit & mask] += count;
    }
  }
}

static bool code_counts_merge(void *context, const void *state) {
  const CodeCountsTask *task = context;
  const CodeCounts *counts = state;
  for (unsigned code = 0; code < CODES && code < 1u << task->bits; code++)
    task->counts[code] += counts->elements[code];
  if (task->words) code_counts_add_words(task, &counts->words);
  return true;
}

bool code_counts_run(const PassInput *input, const Host *host, uint64_t *counts, Error *error) {
  const unsigned bits = input->bits;
  CodeCountsTask task = {kernels_chosen(), bits, false, counts};
  task.words = bits == CODE_COUNTS_BITS ||
               (CODE_COUNTS_BITS % bits == 0 && input->view->numel >= CODE_COUNTS_MANY);
  Pass pass = {.input_count = 1,
               .inputs = {*input},
               .task = &task,
               .any_order = true,
               .maps_windows = true,
               .state_size = task.words ? sizeof(CodeCounts) : offsetof(CodeCounts, words),
               .block = code_counts_take,
               .merge = code_counts_merge};
  memset(counts, 0, ((size_t)1 << bits) * sizeof *counts);
  return pass_run(&pass, host, error);
}

static bool code_counts_occur(const uint64_t *counts, unsigned count) {
  uint64_t any = 0;
  for (unsigned i = 0; i < count; i++) any |= counts[i];
  return any != 0;
}

bool code_counts_next(const Numbers *numbers, const uint64_t *counts, unsigned *first,
                      CodeNumbers *out) {
  const unsigned bits = dtype_bits(numbers->dtype), all = 1u << bits;
  unsigned char elements[CODE_NUMBERS * CODE_COUNTS_BITS / 8] = {0};
  unsigned count = all < CODE_NUMBERS ? all : CODE_NUMBERS, begin = *first;
  while (begin < all && !code_counts_occur(counts + begin, count)) begin += count;
  *first = begin + count;
  if (begin >= all) return false;
  for (unsigned i = 0; i < count; i++) element_store(elements, bits, i, begin + i);
  numbers_doubles(numbers, elements, 0, count, out->numbers);
  out->counts = counts + begin;
  out->count = count;
  return true;
}

bool code_counts_range(const Numbers *numbers, const uint64_t *counts, double *min, double *max) {
  CodeNumbers codes;
  double lo = INFINITY, hi = -INFINITY;
  for (unsigned first = 0; code_counts_next(numbers, counts, &first, &codes);) {
    for (unsigned i = 0; i < codes.count; i++) {
      if (codes.counts[i] == 0 || !isfinite(codes.numbers[i])) continue;
      lo = fmin(lo, codes.numbers[i]);
      hi = fmax(hi, codes.numbers[i]);
    }
  }
  *min = lo + 0.0; /* turns -0 into 0 */
  *max = hi + 0.0;
  return lo <= hi;
}
