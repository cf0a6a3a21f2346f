#include "tensor/quantile.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "tensor/code_counts.h"
#include "tensor/decode.h"
#include "tensor/quantile_kept.h"

/*
** A key is a number of 64 bits for an element, in the order of the elements. That of a dtype with more than 8
** bits begins with the element's code, changed so that codes are in order; the rest of the bits is 0. For a
** smaller dtype it begins with the place of the code among all codes of finite numbers in order.
*/

/* Magnitudes that are taken at a time, so that they stay in the cache. */
enum { QUANTILE_GROUP = 1024 };

/* How elements become keys. */
typedef struct QuantileOrder {
  Numbers numbers; /* of the tensor */
  Dtype dtype; /* of the elements in order: that of the tensor, or F64 for the magnitudes of C64 */
  unsigned bits;
  uint64_t sign;              /* the sign bit; 0 if there is none */
  bool by_magnitude;          /* what is negative has its magnitude in the other bits */
  unsigned first, last;       /* the first digits of finite elements */
  unsigned char codes[CODES]; /* of finite numbers in order, if elements have at most 8 bits */
} QuantileOrder;

typedef struct QuantileTask {
  const QuantileOf *of;
  QuantileOrder order;
  QuantileRange range;
  QuantileCounts *all; /* the elements of the range */
} QuantileTask;

typedef struct QuantileScratch {
  double magnitudes[QUANTILE_GROUP];
  unsigned char codes[QUANTILE_GROUP * sizeof(double)]; /* as stored elements of F64 */
} QuantileScratch;

/* Two keys that follow each other in the order of the elements, and where between them the quantile is. */
typedef struct QuantilePlace {
  uint64_t low, high;
  double share; /* 0 is at `low` */
} QuantilePlace;

/* ---- Methods ---- */

static const struct {
  const char *name;
  QuantileMethod method;
} quantile_methods[] = {{"linear", QUANTILE_LINEAR},
                        {"lower", QUANTILE_LOWER},
                        {"higher", QUANTILE_HIGHER},
                        {"nearest", QUANTILE_NEAREST}};

bool quantile_find_method(const char *name, uint64_t length, QuantileMethod *method) {
  for (size_t i = 0; i < sizeof quantile_methods / sizeof quantile_methods[0]; i++) {
    const char *known = quantile_methods[i].name;
    *method = quantile_methods[i].method;
    if (strlen(known) == length && memcmp(known, name, (size_t)length) == 0) return true;
  }
  return false;
}

/* ---- Order ---- */

static bool quantile_is_small(const QuantileOrder *order) {
  return order->bits <= 8;
}

/* Sorts the codes of a dtype of at most 8 bits by their numbers. */
static void quantile_sort_codes(QuantileOrder *order) {
  const float *values = order->numbers.table.values;
  unsigned count = 0;
  for (unsigned code = 0; code < 1u << order->bits; code++) {
    if (!isfinite(values[code])) continue;
    unsigned place = count++;
    for (; place > 0 && values[order->codes[place - 1]] > values[code]; place--) {
      order->codes[place] = order->codes[place - 1];
    }
    order->codes[place] = (unsigned char)code;
  }
  order->first = 0;
  order->last = count - 1;
}

static void quantile_order_floats(QuantileOrder *order, unsigned infinity) {
  const unsigned middle = COUNTED_DIGITS / 2;
  order->by_magnitude = true;
  order->first = middle - infinity;
  order->last = middle + infinity - 1;
}

static void quantile_order_open(QuantileOrder *order, Dtype dtype) {
  *order = (QuantileOrder){.dtype = dtype == DTYPE_C64 ? DTYPE_F64 : dtype,
                           .bits = dtype_bits(dtype),
                           .last = COUNTED_DIGITS - 1};
  numbers_open(&order->numbers, dtype);
  order->sign = (uint64_t)1 << (order->bits - 1);
  switch (order->dtype) { /* the upper 16 bits of infinity */
    case DTYPE_F16: quantile_order_floats(order, 0x7c00); break;
    case DTYPE_BF16:
    case DTYPE_F32: quantile_order_floats(order, 0x7f80); break;
    case DTYPE_F64: quantile_order_floats(order, 0x7ff0); break;
    case DTYPE_U16:
    case DTYPE_U32:
    case DTYPE_U64: order->sign = 0; break;
    default:
      if (quantile_is_small(order)) quantile_sort_codes(order);
      break;
  }
}

/* The key of a code of more than 8 bits. */
static inline uint64_t quantile_key(uint64_t code, unsigned bits, uint64_t sign,
                                    bool by_magnitude) {
  uint64_t negative = by_magnitude ? 0 - (code >> (bits - 1)) : 0;
  return (code ^ (negative | sign)) << (64 - bits);
}

static uint64_t quantile_code(const QuantileOrder *order, uint64_t key) {
  uint64_t code = key >> (64 - order->bits);
  if (quantile_is_small(order)) return order->codes[key >> (64 - COUNTED_BITS)];
  bool was_negative = order->by_magnitude && (code & order->sign) == 0;
  return was_negative ? ~code & (UINT64_MAX >> (64 - order->bits)) : code ^ order->sign;
}

static Value quantile_value(const QuantileOrder *order, uint64_t key) {
  unsigned char element[sizeof(uint64_t)] = {0};
  Value value;
  element_store(element, order->bits, 0, quantile_code(order, key));
  decode_value(order->dtype, element, 0, &value);
  if (value.kind == VALUE_REAL) value.real += 0.0; /* turns -0 into 0, to which it is equal */
  return value;
}

/* ---- A pass ---- */

/* Counts codes of one width, which the compiler knows, by their upper bits as they are. */
static inline void quantile_count_first_of(unsigned bits, const unsigned char *data, uint64_t count,
                                           uint64_t *counts) {
  for (uint64_t i = 0; i < count; i++) {
    counts[element_load(data, bits, i) >> (bits - COUNTED_BITS)]++;
  }
}

/* Counts those of the range by their next digit. What is not in it only meets branches that are predicted. */
static inline void quantile_count_next_of(const QuantileTask *task, unsigned bits,
                                          const unsigned char *data, uint64_t count,
                                          QuantileCounts *counts) {
  const unsigned known = task->range.digits * COUNTED_BITS;
  const uint64_t begin = task->range.key, size = UINT64_MAX >> known; /* of the range, less 1 */
  const uint64_t sign = task->order.sign;
  const bool by_magnitude = task->order.by_magnitude;
  uint64_t above = counts->above;
  for (uint64_t i = 0; i < count; i++) {
    uint64_t key = quantile_key(element_load(data, bits, i), bits, sign, by_magnitude);
    uint64_t place = key - begin, from_end = size - place; /* backwards, and so large if above */
    above = from_end > above ? from_end : above;
    if (place <= size) counts->counts[place >> (64 - COUNTED_BITS - known)]++;
  }
  counts->above = above;
}

/* Counts elements of more than 16 bits: codes of `bits` bits. */
static void quantile_count_codes(const QuantileTask *task, const unsigned char *data,
                                 uint64_t count, QuantileCounts *counts) {
  const bool is_first = task->range.digits == 0;
  switch (task->order.bits) {
    case 32:
      if (is_first) {
        quantile_count_first_of(32, data, count, counts->counts);
      } else {
        quantile_count_next_of(task, 32, data, count, counts);
      }
      break;
    default:
      if (is_first) {
        quantile_count_first_of(64, data, count, counts->counts);
      } else {
        quantile_count_next_of(task, 64, data, count, counts);
      }
      break;
  }
}

/* Counts the magnitudes of C64. */
static void quantile_count_magnitudes(const QuantileTask *task, const PassElements *elements,
                                      uint64_t count, QuantileScratch *scratch,
                                      QuantileCounts *counts) {
  for (uint64_t done = 0; done < count; done += QUANTILE_GROUP) {
    uint64_t left = count - done, size = left < QUANTILE_GROUP ? left : QUANTILE_GROUP;
    numbers_magnitudes(elements->data, elements->first + done, size, scratch->magnitudes, NULL);
    for (uint64_t i = 0; i < size; i++) {
      element_store_64(scratch->codes + 8 * i, double_bits(scratch->magnitudes[i]));
    }
    quantile_count_codes(task, scratch->codes, size, counts);
  }
}

static void quantile_take_block(const void *context, const PassElements *elements,
                                uint64_t position, uint64_t count, void *scratch, void *state) {
  const QuantileTask *task = context;
  const QuantileOrder *order = &task->order;
  (void)position;
  if (order->numbers.dtype == DTYPE_C64) {
    quantile_count_magnitudes(task, elements, count, scratch, state);
  } else {
    quantile_count_codes(task, elements->data + elements->first * (order->bits / 8), count, state);
  }
}

/* Where a digit is in order: the first are counted as they are stored. */
static unsigned quantile_place_of(const QuantileTask *task, unsigned digit) {
  if (task->range.digits > 0) return digit;
  unsigned sign = task->order.sign != 0 ? COUNTED_DIGITS / 2 : 0;
  uint64_t key = quantile_key(digit, COUNTED_BITS, sign, task->order.by_magnitude);
  return (unsigned)(key >> (64 - COUNTED_BITS));
}

static bool quantile_merge_counts(void *context, const void *state) {
  const QuantileTask *task = context;
  const QuantileCounts *counts = state;
  for (unsigned digit = 0; digit < COUNTED_DIGITS; digit++) {
    task->all->counts[quantile_place_of(task, digit)] += counts->counts[digit];
  }
  if (counts->above > task->all->above) task->all->above = counts->above;
  return true;
}

/* Counts elements of at most 16 bits, which have one digit. */
static bool quantile_count_all(QuantileTask *task, const PassInput *input, const Host *host,
                               Error *error) {
  const QuantileOrder *order = &task->order;
  uint64_t *codes = memory_alloc(((uint64_t)1 << input->bits) * sizeof *codes);
  if (codes == NULL) return error_memory(error);
  bool good = code_counts_run(input, host, codes, error);
  for (unsigned digit = order->first; good && digit <= order->last; digit++) {
    uint64_t key = (uint64_t)digit << (64 - COUNTED_BITS);
    task->all->counts[digit] = codes[quantile_code(order, key)];
  }
  memory_free(codes);
  return good;
}

/* Counts the elements of the range by their next digit. */
static bool quantile_count(QuantileTask *task, const Host *host, Error *error) {
  const QuantileOf *of = task->of;
  Pass pass = {.input_count = 1,
               .inputs = {{of->source, of->view, dtype_bits(of->dtype)}},
               .task = task,
               .any_order = true,
               .state_size = sizeof(QuantileCounts),
               .scratch_size = sizeof(QuantileScratch),
               .block = quantile_take_block,
               .merge = quantile_merge_counts};
  if (pass.inputs[0].bits <= CODE_COUNTS_BITS)
    return quantile_count_all(task, &pass.inputs[0], host, error);
  return pass_run(&pass, host, error);
}

/* The same, unless that was done before. */
static bool quantile_find_counts(QuantileTask *task, const Host *host, Error *error) {
  const QuantileOf *of = task->of;
  QuantileTable *table = quantile_kept_find(of->session, &of->identity, task->range);
  bool known = table != NULL;
  if (!known) table = quantile_kept_new(of->session);
  if (table == NULL) return error_memory(error);
  task->all = &table->counts;
  if (known) return true;
  if (!quantile_count(task, host, error)) return false;
  quantile_kept_keep(table, &of->identity, task->range);
  return true;
}

/* ---- The place ---- */

/* Where the quantile is among `count` elements, which are numbered from 0: the number of the one below it,
** and *share of the way to the next. The formulas are NumPy's, the product and its rounding included. */
static uint64_t quantile_find_number(uint64_t count, double q, QuantileMethod method,
                                     double *share) {
  uint64_t last = count - 1;
  double place = (double)last * q;
  switch (method) {
    case QUANTILE_HIGHER: place = ceil(place); break;
    case QUANTILE_LOWER: place = floor(place); break;
    case QUANTILE_NEAREST: place = rint(place); break;
    case QUANTILE_LINEAR: break;
  }
  double below = floor(place);
  *share = place - below;
  if (place < (double)last) return (uint64_t)below;
  *share = 0;
  return last;
}

static uint64_t quantile_count_finite(const QuantileTask *task) {
  uint64_t count = 0;
  for (unsigned digit = task->order.first; digit <= task->order.last; digit++) {
    count += task->all->counts[digit];
  }
  return count;
}

/* Narrows the range to the digit in which element number *number of it is, and makes *number the number there. */
static void quantile_narrow(QuantileTask *task, uint64_t *number) {
  QuantileRange *range = &task->range;
  unsigned digit = range->digits == 0 ? task->order.first : 0;
  for (; *number >= task->all->counts[digit]; digit++) *number -= task->all->counts[digit];
  range->digits++;
  range->key |= (uint64_t)digit << (64 - COUNTED_BITS * range->digits);
}

/* The key that follows the only one in the range, of which element number `number` is one. There must be a finite
** element after that. */
static uint64_t quantile_next_key(const QuantileTask *task, uint64_t number) {
  const QuantileRange *range = &task->range;
  const unsigned shift = 64 - COUNTED_BITS * range->digits;
  unsigned digit = (unsigned)(range->key >> shift) % COUNTED_DIGITS;
  if (number + 1 < task->all->counts[digit]) return range->key;
  for (unsigned next = digit + 1; next < COUNTED_DIGITS; next++) {
    if (task->all->counts[next] > 0) return range->key + ((uint64_t)(next - digit) << shift);
  }
  uint64_t end = range->key | UINT64_MAX >> (COUNTED_BITS * (range->digits - 1));
  return end - task->all->above;
}

static Host quantile_host_of_pass(const Host *host, unsigned pass, unsigned passes) {
  Host part = *host;
  part.nbytes = host->nbytes / passes;
  part.before = host->before + pass * part.nbytes;
  return part;
}

/* *found is whether there is a finite element. */
static bool quantile_find_place(QuantileTask *task, double q, QuantileMethod method,
                                const Host *host, bool *found, QuantilePlace *place, Error *error) {
  uint64_t number = 0;
  unsigned passes = quantile_passes(task->order.numbers.dtype);
  for (unsigned pass = 0; pass < passes; pass++) {
    Host part = host != NULL ? quantile_host_of_pass(host, pass, passes) : (Host){0};
    if (!quantile_find_counts(task, host != NULL ? &part : NULL, error)) return false;
    if (pass == 0) {
      uint64_t finite = quantile_count_finite(task);
      *found = finite > 0;
      if (!*found) return true;
      number = quantile_find_number(finite, q, method, &place->share);
    }
    quantile_narrow(task, &number);
  }
  place->low = task->range.key;
  place->high = place->share > 0 ? quantile_next_key(task, number) : place->low;
  return true;
}

/* ---- Results ---- */

/* NumPy's formula; but where the difference of two doubles overflows, it has NaN or infinity. */
static double quantile_between(double low, double high, double share) {
  double distance = high - low;
  if (!isfinite(distance)) return low * (1 - share) + high * share;
  return share < 0.5 ? low + distance * share : high - distance * (1 - share);
}

static Value quantile_result(const QuantileOrder *order, const QuantilePlace *place,
                             QuantileMethod method) {
  Value low = quantile_value(order, place->low), high = quantile_value(order, place->high);
  if (method != QUANTILE_LINEAR) return low;
  double between = quantile_between(value_double(&low), value_double(&high), place->share);
  return (Value){.kind = VALUE_REAL, .real = between};
}

unsigned quantile_passes(Dtype dtype) {
  return (dtype_bits(dtype) + COUNTED_BITS - 1) / COUNTED_BITS;
}

bool quantile_run(const QuantileOf *of, double q, QuantileMethod method, const Host *host,
                  bool *found, Value *out, Error *error) {
  QuantileTask task = {.of = of};
  QuantilePlace place = {0};
  quantile_order_open(&task.order, of->dtype);
  bool good = quantile_find_place(&task, q, method, host, found, &place, error);
  if (good && *found) *out = quantile_result(&task.order, &place, method);
  return good;
}
