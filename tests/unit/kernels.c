/*
** The kernels, every set that this machine can run: elements as numbers against the plain decoder,
** scans against plain loops, statistics, histogram and hash against themselves on other kernels,
** threads and alignments, and the hash against xxHash's own.
*/
#include "kernels/kernels.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "tensor/codes.h"
#include "tensor/decode.h"
#include "tensor/double_double.h"
#include "tensor/encode.h"
#include "tensor/hash.h"
#include "tensor/histogram.h"
#include "tensor/numbers.h"
#include "tensor/stats.h"

static int passed, failed;

static void check(bool good, const char *what, const char *kernels, const char *subject) {
  if (good) {
    passed++;
  } else {
    failed++;
    printf("FAIL %s: %s: %s\n", kernels, what, subject);
  }
}

/* The last set, which runs everywhere. */
static const Kernels *plain_kernels(void) {
  unsigned last = 0;
  while (kernels_name(last + 1) != NULL) last++;
  return kernels_find(kernels_name(last));
}

static uint64_t random_state = 88172645463325252u;

static uint64_t random_bits(void) {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  random_state ^= random_state << 17;
  return random_state * 0x2545f4914f6cdd1du;
}

static void fill_random(unsigned char *data, size_t size) {
  for (size_t i = 0; i < size; i++) data[i] = (unsigned char)(random_bits() >> 56);
}

/* ---- Elements as numbers ---- */

/* By decode_value(); C64 as C's hypot(). */
static double expected_number(Dtype dtype, const unsigned char *data, uint64_t index) {
  Value value;
  decode_value(dtype, data, index, &value);
  if (value.kind == VALUE_COMPLEX) return hypot(value.real, value.imaginary);
  if (dtype == DTYPE_I64) return (double)(int64_t)value.integer;
  return value.kind == VALUE_REAL ? value.real : (double)value.integer;
}

static bool same(double a, double b, double tolerance) {
  if (isnan(a) || isnan(b)) return isnan(a) && isnan(b);
  if (isinf(a) || isinf(b)) return a == b;
  return signbit(a) == signbit(b) && fabs(a - b) <= tolerance * fabs(b);
}

/* The numbers of `count` elements from `first` on, against the decoder. hypot() may be off by one
** unit in the last place. */
static bool numbers_agree(const Numbers *numbers, const unsigned char *data, uint64_t first,
                          uint64_t count) {
  static double doubles[NUMBERS_GROUP];
  static float floats[NUMBERS_GROUP];
  double tolerance = numbers->dtype == DTYPE_C64 ? 0x1p-52 : 0;
  numbers_doubles(numbers, data, first, count, doubles);
  const void *as_floats = numbers_floats(numbers, data, first, count, floats);
  for (uint64_t i = 0; i < count; i++) {
    double expected = expected_number(numbers->dtype, data, first + i);
    if (!same(doubles[i], expected, tolerance)) return false;
    if (as_floats != NULL && !same(float_at(as_floats, i), expected, 0)) return false;
  }
  return true;
}

/* Every code, every short length, at every alignment, in a block of just the size: what reads too
** far is seen by the sanitizer. */
static void test_numbers(const char *kernels, Dtype dtype) {
  Numbers numbers;
  numbers_open(&numbers, dtype);
  unsigned bits = dtype_bits(dtype);
  bool good = true;
  for (uint64_t count = 0; count < 140; count++) {
    for (uint64_t first = 0; first < 8; first++) {
      size_t size = (size_t)(((first + count) * bits + 7) / 8);
      for (size_t shift = 0; shift < 3; shift++) {
        unsigned char *block = malloc(size + shift + 1), *data = block + shift + 1;
        fill_random(data, size);
        good = good && numbers_agree(&numbers, data, first, count);
        free(block);
      }
    }
  }
  check(good, "numbers, short", kernels, dtype_name(dtype));
  static unsigned char data[65536 * 2 + 16];
  for (uint64_t code = 0; code < 65536; code++) element_store_16(data + 2 * code, (uint16_t)code);
  uint64_t count = bits <= 16 ? (uint64_t)1 << 17 : 0;
  for (uint64_t first = 0; first + NUMBERS_GROUP <= count * 8 / bits; first += NUMBERS_GROUP) {
    good = good && numbers_agree(&numbers, data, first, NUMBERS_GROUP);
  }
  check(good, "numbers, every code", kernels, dtype_name(dtype));
}

/* ---- Scans, lane by lane ---- */

enum { SCANNED = 4096 };

static const float special_floats[] = {0,     -0.0f,   1,        -1,        0x1p-149f, -0x1p-149f,
                                       1e30f, 3.4e38f, INFINITY, -INFINITY, NAN,       0x1p-126f};
enum { SPECIAL_FLOATS = sizeof special_floats / sizeof special_floats[0] };

/* Kinds of numbers: 0 usual, 1 of any magnitude, 2 with special ones among them. */
static double random_number(int kind) {
  double number = (double)(int64_t)random_bits() * 0x1p-63;
  if (kind > 0) number = ldexp(number, (int)(random_bits() % 200) - 100);
  if (kind > 1 && random_bits() % 8 == 0) {
    number = (double)special_floats[random_bits() % SPECIAL_FLOATS];
  }
  return number;
}

/* NaN equals NaN: which one comes out of a sum is the machine's choice. */
static bool same_lanes(const double *a, const double *b) {
  for (unsigned j = 0; j < KERNEL_LANES; j++) {
    if (isnan(a[j]) != isnan(b[j]) || (!isnan(a[j]) && double_bits(a[j]) != double_bits(b[j]))) {
      return false;
    }
  }
  return true;
}

/* Elements of F32, F16 or BF16, at an odd address, against plain loops. What is said of elements that
** are not all finite is not looked at. */
static bool float_scan_agrees(const Kernels *kernels, Dtype dtype, const unsigned char *data,
                              uint64_t count) {
  FloatScan scan;
  FloatRange range;
  double sum[KERNEL_LANES] = {0}, squares[KERNEL_LANES] = {0};
  float min = INFINITY, max = -INFINITY, least = INFINITY;
  uint64_t zeros = 0;
  bool finite = true, infinite_squares = false;
  for (uint64_t i = 0; i < count; i++) {
    double value = expected_number(dtype, data, i);
    float number = (float)value;
    sum[scan_lane(dtype, i)] += value;
    squares[scan_lane(dtype, i)] += value * value;
    finite = finite && isfinite(number);
    if (number < min) min = number;
    if (number > max) max = number;
    if (number != 0 && fabsf(number) < least) least = fabsf(number);
    zeros += number == 0;
  }
  size_t size = (size_t)count * dtype_bits(dtype) / 8;
  unsigned char *moved = malloc(size + 1);
  memcpy(moved + 1, data, size);
  for (uint64_t i = 0; i < count && dtype == DTYPE_F32; i++) { /* the machine's own floats */
    float number = (float)expected_number(dtype, data, i);
    memcpy(moved + 1 + i * sizeof number, &number, sizeof number);
  }
  kernels->scan[dtype](moved + 1, count, &scan);
  kernels->range[dtype](moved + 1, count, &range);
  free(moved);
  for (unsigned j = 0; j < KERNEL_LANES; j++) {
    infinite_squares = infinite_squares || !isfinite(scan.squares[j]);
  }
  if (range.finite != finite || infinite_squares != !finite) return false;
  return !finite ||
         (same_lanes(scan.sum, sum) && same_lanes(scan.squares, squares) && scan.min == min &&
          scan.max == max && scan.zeros == zeros && range.min == min && range.max == max &&
          range.zeros == zeros && (dtype == DTYPE_F16 || scan.min_magnitude == least));
}

/* Elements of 8 bits, all finite, against plain loops. */
static bool byte_scan_agrees(const Kernels *kernels, Dtype dtype, uint64_t count) {
  Numbers numbers;
  Codes codes;
  ByteScan scan;
  numbers_open(&numbers, dtype);
  if (!codes_open(&codes, kernels, dtype, &numbers.table)) return false;
  unsigned char *data = malloc(count + 1);
  double sum = 0, squares = 0, min = INFINITY, max = -INFINITY;
  uint64_t zeros = 0;
  for (uint64_t i = 1; i <= count; i++) {
    do {
      data[i] = (unsigned char)(random_bits() >> 56);
    } while (!isfinite(expected_number(dtype, data, i)));
    double value = expected_number(dtype, data, i);
    sum += value;
    squares += ldexp(value * value, -40);
    if (value < min) min = value;
    if (value > max) max = value;
    zeros += value == 0;
  }
  kernels->scan_bytes(data + 1, count, &codes.digits, &scan);
  free(data);
  double got_sum = 0, got_squares = 0;
  for (unsigned p = 0; p < codes.digits.places; p++) {
    int exponent = codes.unit + codes.digits.shift[p];
    got_sum += ldexp((double)scan.sums[p], exponent);
    got_squares += ldexp((double)scan.squares[p], 2 * exponent - 40);
  }
  return got_sum == sum && fabs(got_squares - squares) <= 1e-13 * squares && scan.zeros == zeros &&
         (count == 0 ||
          (numbers.table.values[scan.min] == min && numbers.table.values[scan.max] == max));
}

static bool double_scan_agrees(const Kernels *kernels, const double *data, uint64_t count) {
  DoubleScan scan;
  double high[KERNEL_LANES] = {0}, low[KERNEL_LANES] = {0}, squares[KERNEL_LANES] = {0};
  double got[KERNEL_LANES], min = INFINITY, max = -INFINITY, mean = 0.125;
  uint64_t zeros = 0, got_zeros = 0;
  for (uint64_t i = 0; i < count; i++) {
    DoubleDouble sum = double_two_sum(high[i % KERNEL_LANES], data[i]);
    high[i % KERNEL_LANES] = sum.high;
    low[i % KERNEL_LANES] += sum.low;
    squares[i % KERNEL_LANES] += (data[i] - mean) * (data[i] - mean);
    if (data[i] < min) min = data[i];
    if (data[i] > max) max = data[i];
    zeros += data[i] == 0;
  }
  unsigned char *moved = malloc(count * sizeof *data + 1);
  memcpy(moved + 1, data, count * sizeof *data);
  kernels->scan_doubles(moved + 1, count, &scan);
  kernels->deviations(moved + 1, count, mean, got);
  free(moved);
  double got_min = INFINITY, got_max = -INFINITY;
  for (unsigned j = 0; j < KERNEL_LANES; j++) {
    if (scan.min[j] < got_min) got_min = scan.min[j];
    if (scan.max[j] > got_max) got_max = scan.max[j];
    got_zeros += scan.zeros[j];
  }
  return same_lanes(scan.sum_high, high) && same_lanes(scan.sum_low, low) &&
         same_lanes(got, squares) && got_min == min && got_max == max && got_zeros == zeros;
}

/* Floats have the bins that they have as doubles. */
static bool float_bins_agree(const Kernels *kernels, const double *data, uint64_t count,
                             const Binning *binning) {
  static int32_t got[SCANNED], expected[SCANNED];
  static double doubles[SCANNED];
  unsigned char *floats = malloc(count * sizeof(float) + 1);
  for (uint64_t i = 0; i < count; i++) {
    float number = (float)data[i];
    memcpy(floats + 1 + i * sizeof number, &number, sizeof number);
    doubles[i] = (double)number;
  }
  bool any = kernels->find_bins[DTYPE_F32](floats + 1, count, binning, got);
  free(floats);
  return any == kernels->find_bins[DTYPE_F64](doubles, count, binning, expected) &&
         memcmp(got, expected, (size_t)count * sizeof *got) == 0;
}

/* Of special and of any numbers, against the plain kernel; and a bin, where there is no doubt, has the
** number between its ends. */
static bool bins_agree(const Kernels *kernels, const double *data, uint64_t count, double unit) {
  static int32_t got[SCANNED], expected[SCANNED];
  const Binning binning = {unit, -0.5 * unit, 7 / (1.25 * unit), 7};
  bool doubt = false, good = true;
  bool any = kernels->find_bins[DTYPE_F64](data, count, &binning, got);
  plain_kernels()->find_bins[DTYPE_F64](data, count, &binning, expected);
  good = float_bins_agree(kernels, data, count, &binning);
  for (uint64_t i = 0; i < count; i++) {
    double place = (data[i] + 0.5) * (7 / 1.25);
    doubt = doubt || got[i] < 0;
    if (fabs(place) < 1e9) good = good && got[i] == expected[i];
    if (got[i] == 7) good = good && !(place >= 1e-9 && place <= 7 - 1e-9);
    if (got[i] >= 0 && got[i] < 7)
      good = good && place > got[i] - 1e-9 && place < got[i] + 1 + 1e-9;
  }
  return good && any == doubt;
}

static void test_scans(const Kernels *kernels) {
  static double doubles[SCANNED];
  bool good_doubles = true, good_bins = true;
  for (int kind = 0; kind < 3; kind++) {
    for (uint64_t count = 0; count <= SCANNED; count += count < 160 ? KERNEL_LANES : 992) {
      for (uint64_t i = 0; i < count; i++) {
        doubles[i] = random_number(kind);
      }
      good_doubles = good_doubles && double_scan_agrees(kernels, doubles, count);
      uint64_t odd = count > 0 ? count - 1 : 0;
      good_bins = good_bins && bins_agree(kernels, doubles, odd, kind == 1 ? 0.5 : 1);
    }
  }
  check(good_doubles, "scans", kernels->name, "doubles");
  check(good_bins, "scans", kernels->name, "bins");
}

static const Dtype scanned_floats[] = {DTYPE_F32, DTYPE_F16, DTYPE_BF16};

/* Whether statistics of a dtype are taken by its codes, which have 8 bits. */
static bool is_byte_float(Dtype dtype) {
  Numbers numbers;
  Codes codes;
  numbers_open(&numbers, dtype);
  return dtype_bits(dtype) == 8 && codes_open(&codes, plain_kernels(), dtype, &numbers.table);
}

static void test_element_scans(const Kernels *kernels) {
  static unsigned char data[SCANNED * sizeof(float)];
  for (int d = 0; d < 3; d++) {
    Dtype dtype = scanned_floats[d];
    bool good = true;
    for (int kind = 0; kind < 6; kind++) { /* 4 and 5: all of one sign */
      for (uint64_t count = 0; count <= SCANNED; count += count < 320 ? SCAN_STEP : 992) {
        for (uint64_t i = 0; i < count; i++) {
          double number = random_number(kind < 4 ? kind : 0);
          if (kind > 3) number = copysign(i % 5 == 0 && count % 64 == 0 ? 0 : number, kind - 4.5);
          encode_doubles(dtype, &number, i, 1, data);
          if (kind == 3) element_store(data, dtype_bits(dtype), i, random_bits());
        }
        good = good && float_scan_agrees(kernels, dtype, data, count);
      }
    }
    check(good, "scans", kernels->name, dtype_name(dtype));
  }
  for (int d = 0; d < DTYPE_COUNT && kernels->scan_bytes != NULL; d++) {
    if (!is_byte_float((Dtype)d)) continue;
    bool good = true;
    for (uint64_t count = 0; count <= PASS_BLOCK; count += count < 1000 ? BYTES_STEP : 64512 / 8) {
      good = good && byte_scan_agrees(kernels, (Dtype)d, count);
    }
    check(good, "scans", kernels->name, dtype_name((Dtype)d));
  }
}

/* ---- Passes ---- */

typedef struct Case {
  unsigned char *data;
  uint64_t numel, stride;
  Dtype dtype;
} Case;

static View view_of(Case *what) {
  return (View){.rank = 1, .shape = &what->numel, .stride = &what->stride, .numel = what->numel};
}

static Source source_of(const Case *what) {
  uint64_t elements = what->numel == 0 ? 0 : (what->numel - 1) * what->stride + 1;
  return (Source){.memory = what->data, .nbytes = (elements * dtype_bits(what->dtype) + 7) / 8};
}

static Stats stats_at(Case *what, StatsLevel level, unsigned threads) {
  Stats stats;
  Error error = {0};
  Source source = source_of(what);
  View view = view_of(what);
  Host host = {.threads = threads};
  memset(&stats, 0, sizeof stats);
  if (!stats_run(&source, &view, what->dtype, level, &host, &stats, &error)) abort();
  return stats;
}

static Stats stats_of(Case *what, unsigned threads) {
  return stats_at(what, STATS_SPREAD, threads);
}

static bool same_value(const Value *a, const Value *b) {
  return a->kind == b->kind && a->integer == b->integer &&
         double_bits(a->real) == double_bits(b->real);
}

static bool same_range(const Stats *a, const Stats *b) {
  return a->nans == b->nans && a->infinities == b->infinities && a->zeros == b->zeros &&
         a->finite == b->finite && same_value(&a->min, &b->min) && same_value(&a->max, &b->max) &&
         same_value(&a->abs_max, &b->abs_max);
}

static bool same_stats(const Stats *a, const Stats *b) {
  return same_range(a, b) && double_bits(a->mean) == double_bits(b->mean) &&
         double_bits(a->std) == double_bits(b->std) && double_bits(a->l2) == double_bits(b->l2);
}

/* Not one bit depends on kernels, threads, or where the elements lie. */
static void test_stats(Dtype dtype, bool finite) {
  enum { NUMEL = 300001 };
  uint64_t nbytes = ((uint64_t)NUMEL * dtype_bits(dtype) + 7) / 8;
  unsigned char *block = malloc(nbytes + 1);
  Case what = {.data = block, .numel = NUMEL, .stride = 1, .dtype = dtype};
  fill_random(block, nbytes);
  for (uint64_t i = 0; finite && i < NUMEL; i++) {
    if (!isfinite(expected_number(dtype, block, i))) element_store(block, dtype_bits(dtype), i, 1);
  }
  kernels_choose(plain_kernels()->name, NULL);
  Stats expected = stats_of(&what, 0);
  for (unsigned n = 0; kernels_name(n) != NULL; n++) {
    const char *name = kernels_name(n);
    if (kernels_find(name) == NULL) continue;
    kernels_choose(name, NULL);
    for (unsigned threads = 0; threads < 4; threads++) {
      Stats got = stats_of(&what, threads);
      check(same_stats(&got, &expected), "statistics", name, dtype_name(dtype));
      got = stats_at(&what, STATS_RANGE, threads);
      check(same_range(&got, &expected), "counts and range", name, dtype_name(dtype));
    }
    memmove(block + 1, block, nbytes);
    what.data = block + 1;
    Stats moved = stats_of(&what, 1);
    check(same_stats(&moved, &expected), "statistics, moved", name, dtype_name(dtype));
    memmove(block, block + 1, nbytes);
    what.data = block;
  }
  free(block);
}

/* A slice has the statistics of its elements brought together. */
static void test_strided(Dtype dtype) {
  enum { NUMEL = 70001, STEP = 3 };
  unsigned bits = dtype_bits(dtype);
  uint64_t nbytes = ((uint64_t)NUMEL * STEP * bits + 7) / 8;
  unsigned char *all = malloc(nbytes), *together = calloc(nbytes, 1);
  fill_random(all, nbytes);
  for (uint64_t i = 0; i < NUMEL; i++) {
    element_store(together, bits, i, element_load(all, bits, i * STEP));
  }
  Case slice = {.data = all, .numel = NUMEL, .stride = STEP, .dtype = dtype};
  Case plain = {.data = together, .numel = NUMEL, .stride = 1, .dtype = dtype};
  Stats a = stats_of(&slice, 2), b = stats_of(&plain, 0);
  check(same_stats(&a, &b), "statistics of a slice", "", dtype_name(dtype));
  free(all);
  free(together);
}

static void test_histogram(Dtype dtype) {
  enum { NUMEL = 100003, BINS = 37 };
  uint64_t nbytes = ((uint64_t)NUMEL * dtype_bits(dtype) + 7) / 8;
  uint64_t expected[BINS] = {0};
  double edges[BINS + 1], lo = -3, hi = 250;
  Case what = {.data = malloc(nbytes), .numel = NUMEL, .stride = 1, .dtype = dtype};
  fill_random(what.data, nbytes);
  histogram_edges(lo, hi, BINS, edges);
  for (uint64_t i = 0; i < NUMEL; i++) {
    double number = expected_number(dtype, what.data, i);
    if (!(number >= lo && number <= hi)) continue;
    unsigned bin = 0;
    while (bin < BINS - 1 && number >= edges[bin + 1]) bin++;
    expected[bin]++;
  }
  for (unsigned n = 0; kernels_name(n) != NULL; n++) {
    const char *name = kernels_name(n);
    if (kernels_find(name) == NULL) continue;
    kernels_choose(name, NULL);
    for (unsigned threads = 0; threads < 3; threads++) {
      uint64_t counts[BINS] = {0};
      Source source = source_of(&what);
      View view = view_of(&what);
      Host host = {.threads = threads};
      Error error = {0};
      bool good = histogram_run(&source, &view, dtype, edges, BINS, &host, counts, &error);
      check(good && memcmp(counts, expected, sizeof counts) == 0, "histogram", name,
            dtype_name(dtype));
    }
  }
  free(what.data);
}

/* ---- Hashing ---- */

static bool hash_agrees(const unsigned char *data, uint64_t nbytes, unsigned threads) {
  Hash hash;
  Error error = {0};
  Host host = {.threads = threads};
  Case what = {.data = (unsigned char *)(uintptr_t)data, nbytes, 1, DTYPE_U8};
  Source source = source_of(&what);
  View view = view_of(&what);
  XXH128_canonical_t expected;
  XXH128_canonicalFromHash(&expected, XXH3_128bits(data, nbytes));
  return hash_run(&source, &view, 8, &host, &hash, &error) &&
         memcmp(hash.bytes, expected.digest, sizeof hash.bytes) == 0;
}

static void test_hash(const char *kernels) {
  enum { SIZE = 1200000 };
  unsigned char *data = malloc(SIZE + 8);
  bool good = true;
  fill_random(data, SIZE + 8);
  for (uint64_t nbytes = 0; nbytes < 5000; nbytes++) {
    good = good && hash_agrees(data + nbytes % 8, nbytes, 0);
  }
  check(good, "hash", kernels, "lengths to 5000");
  for (uint64_t block = PASS_BLOCK; block < SIZE; block += 3 * PASS_BLOCK) {
    for (uint64_t nbytes = block - 70; nbytes < block + 1100; nbytes += nbytes % 64 < 60 ? 13 : 1) {
      good = good && hash_agrees(data, nbytes, (unsigned)(nbytes % 3));
    }
  }
  check(good, "hash", kernels, "lengths about the blocks of a pass");
  good = hash_agrees(data, SIZE, 0) && hash_agrees(data + 1, SIZE, 1) &&
         hash_agrees(data + 3, SIZE, 7);
  check(good, "hash", kernels, "several threads");
  free(data);
}

int main(void) {
  for (unsigned n = 0; kernels_name(n) != NULL; n++) {
    const char *name = kernels_name(n);
    const Kernels *kernels = kernels_find(name);
    if (kernels == NULL) {
      printf("skipped: kernels %s (not for this machine)\n", name);
      continue;
    }
    kernels_choose(name, NULL);
    check(kernels_chosen() == kernels, "chosen", name, name);
    for (int dtype = 0; dtype < DTYPE_COUNT; dtype++) test_numbers(name, (Dtype)dtype);
    test_scans(kernels);
    test_element_scans(kernels);
    test_hash(name);
  }
  for (int dtype = 0; dtype < DTYPE_COUNT; dtype++) {
    test_stats((Dtype)dtype, false);
    if (dtype_bits((Dtype)dtype) == 8) test_stats((Dtype)dtype, true);
    test_strided((Dtype)dtype);
    test_histogram((Dtype)dtype);
  }
  check(kernels_find("sse9") == NULL, "found", "sse9", "no such kernels");
  printf("%d passed, %d failed\n", passed, failed);
  return failed > 0;
}
