/* The kernels over one tensor for AVX-512: F, BW, DQ, VL, VBMI and VNNI. Numbers are loaded again, in
** narrower registers, where the alternative is to take a wide one apart: loads cost nothing here, what
** crosses lanes does. The instructions for BF16 and FP16 are of no use: their sums are rounded to 24 and
** 11 bits. */
#include "tensor/halves.h"
#include "tensor/kernels.h"

#if defined(__x86_64__)

#include <immintrin.h>
#include <math.h>
#include <string.h>

#define AVX512 \
  __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,avx512vnni,f16c")))
#define ALWAYS_INLINE inline __attribute__((always_inline))

enum { WIDTH = 16, DOUBLES = 8 };

static ALWAYS_INLINE const unsigned char *at(const void *data, uint64_t byte) {
  return (const unsigned char *)data + byte;
}

AVX512 static ALWAYS_INLINE __m128i load_16(const unsigned char *data) {
  return _mm_loadu_si128((const __m128i *)data);
}

AVX512 static ALWAYS_INLINE __m256i load_32(const unsigned char *data) {
  return _mm256_loadu_si256((const __m256i *)data);
}

AVX512 static ALWAYS_INLINE __m512d load_doubles(const void *data, uint64_t index) {
  return _mm512_loadu_pd(at(data, index * sizeof(double)));
}

/* ---- Sums ---- */

/* The lanes of a FloatScan, half in each register. */
typedef struct Sums {
  __m512d low, high, low_squares, high_squares;
} Sums;

AVX512 static ALWAYS_INLINE void add_up(Sums *sums, __m256 low, __m256 high) {
  __m512d low_numbers = _mm512_cvtps_pd(low), high_numbers = _mm512_cvtps_pd(high);
  sums->low = _mm512_add_pd(sums->low, low_numbers);
  sums->high = _mm512_add_pd(sums->high, high_numbers);
  sums->low_squares = _mm512_fmadd_pd(low_numbers, low_numbers, sums->low_squares);
  sums->high_squares = _mm512_fmadd_pd(high_numbers, high_numbers, sums->high_squares);
}

AVX512 static ALWAYS_INLINE Sums no_sums(void) {
  __m512d zero = _mm512_setzero_pd();
  return (Sums){zero, zero, zero, zero};
}

AVX512 static ALWAYS_INLINE void store_sums(const Sums *sums, FloatScan *out) {
  _mm512_storeu_pd(out->sum, sums->low);
  _mm512_storeu_pd(out->sum + DOUBLES, sums->high);
  _mm512_storeu_pd(out->squares, sums->low_squares);
  _mm512_storeu_pd(out->squares + DOUBLES, sums->high_squares);
}

/* ---- F32 ---- */

#define MAGNITUDE 0x7fffffff

AVX512 static void scan_F32(const unsigned char *data, uint64_t count, FloatScan *out) {
  const __m512i magnitude = _mm512_set1_epi32(MAGNITUDE), minus_one = _mm512_set1_epi32(-1);
  __m512 min = _mm512_set1_ps(INFINITY), max = _mm512_set1_ps(-INFINITY);
  __m512i below = minus_one; /* the least magnitude but 0, less 1 */
  Sums sums = no_sums();
  uint32_t zeros = 0;
  for (uint64_t i = 0; i < count; i += WIDTH, data += WIDTH * sizeof(float)) {
    __m512 numbers = _mm512_loadu_ps(data);
    __m512i bits = _mm512_castps_si512(numbers);
    zeros += (uint32_t)__builtin_popcount(_mm512_testn_epi32_mask(bits, magnitude));
    below = _mm512_min_epu32(below, _mm512_add_epi32(_mm512_and_si512(bits, magnitude), minus_one));
    min = _mm512_min_ps(numbers, min);
    max = _mm512_max_ps(numbers, max);
    add_up(&sums, _mm256_castsi256_ps(load_32(data)), _mm256_castsi256_ps(load_32(data + 32)));
  }
  uint32_t least = _mm512_reduce_min_epu32(below) + 1;
  store_sums(&sums, out);
  out->min = _mm512_reduce_min_ps(min);
  out->max = _mm512_reduce_max_ps(max);
  out->least = least == 0 ? INFINITY : float_from_bits(least);
  out->zeros = zeros;
}

AVX512 static void range_F32(const unsigned char *data, uint64_t count, FloatRange *out) {
  const __m512i magnitude = _mm512_set1_epi32(MAGNITUDE);
  __m512 min = _mm512_set1_ps(INFINITY), max = _mm512_set1_ps(-INFINITY);
  __m512i largest = _mm512_setzero_si512();
  uint32_t zeros = 0;
  for (uint64_t i = 0; i < count; i += WIDTH, data += WIDTH * sizeof(float)) {
    __m512 numbers = _mm512_loadu_ps(data);
    __m512i bits = _mm512_castps_si512(numbers);
    zeros += (uint32_t)__builtin_popcount(_mm512_testn_epi32_mask(bits, magnitude));
    largest = _mm512_max_epu32(largest, _mm512_and_si512(bits, magnitude));
    min = _mm512_min_ps(numbers, min);
    max = _mm512_max_ps(numbers, max);
  }
  out->min = _mm512_reduce_min_ps(min);
  out->max = _mm512_reduce_max_ps(max);
  out->finite = _mm512_reduce_max_epu32(largest) < 0x7f800000;
  out->zeros = zeros;
}

/* ---- F16 and BF16: the order is found in 16 bits ---- */

enum { HALVES = 32 };

/* As signed numbers, codes without a sign come in their order, behind those with one; as unsigned
** numbers those with a sign are the largest, the lowest value last. */
typedef struct HalfRange {
  __m512i most_signed, most_unsigned;
  uint32_t zeros;
} HalfRange;

AVX512 static ALWAYS_INLINE HalfRange no_range(void) {
  return (HalfRange){_mm512_set1_epi16(INT16_MIN), _mm512_setzero_si512(), 0};
}

/* Returns which elements are not 0. */
AVX512 static ALWAYS_INLINE __mmask32 add_to_range(HalfRange *range, __m512i codes) {
  __mmask32 not_zero = _mm512_test_epi16_mask(codes, _mm512_set1_epi16(0x7fff));
  range->zeros += HALVES - (uint32_t)__builtin_popcount(not_zero);
  range->most_signed = _mm512_max_epi16(range->most_signed, codes);
  range->most_unsigned = _mm512_max_epu16(range->most_unsigned, codes);
  return not_zero;
}

AVX512 static ALWAYS_INLINE uint16_t reduce_min(__m512i unsigned_halves) {
  __m256i half = _mm256_min_epu16(_mm512_castsi512_si256(unsigned_halves),
                                  _mm512_extracti64x4_epi64(unsigned_halves, 1));
  __m128i quarter = _mm_min_epu16(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
  return (uint16_t)_mm_cvtsi128_si32(_mm_minpos_epu16(quarter));
}

/* The least code as an unsigned number: the element nearest to 0, where all have the same sign. */
AVX512 static uint16_t least_unsigned(const unsigned char *data, uint64_t count) {
  __m512i least = _mm512_set1_epi16(-1);
  for (uint64_t i = 0; i < count; i += HALVES) {
    least = _mm512_min_epu16(least, _mm512_loadu_si512(data + 2 * i));
  }
  return reduce_min(least);
}

AVX512 static ALWAYS_INLINE FloatRange settle(Dtype dtype, const unsigned char *data,
                                              uint64_t count, const HalfRange *all) {
  const __m512i ones = _mm512_set1_epi16(-1), highest = _mm512_set1_epi16(INT16_MAX);
  unsigned max = reduce_min(_mm512_xor_si512(all->most_signed, highest)) ^ 0x7fffu;
  unsigned min = reduce_min(_mm512_xor_si512(all->most_unsigned, ones)) ^ 0xffffu;
  if (max >= 0x8000) max = least_unsigned(data, count);
  if (min < 0x8000) min = least_unsigned(data, count);
  return half_range(dtype, count, min, max, all->zeros);
}

AVX512 static void scan_F16(const unsigned char *data, uint64_t count, FloatScan *out) {
  HalfRange range = no_range();
  Sums sums = no_sums();
  for (uint64_t i = 0; i < count; i += HALVES) {
    const unsigned char *next = data + 2 * i;
    add_to_range(&range, _mm512_loadu_si512(next));
    add_up(&sums, _mm256_cvtph_ps(load_16(next)), _mm256_cvtph_ps(load_16(next + 16)));
    add_up(&sums, _mm256_cvtph_ps(load_16(next + 32)), _mm256_cvtph_ps(load_16(next + 48)));
  }
  store_sums(&sums, out);
  FloatRange settled = settle(DTYPE_F16, data, count, &range);
  half_scan(DTYPE_F16, &settled, 0, out);
}

/* 16 numbers: every first in the low lanes. */
AVX512 static ALWAYS_INLINE void add_up_BF16(Sums *sums, __m256i codes) {
  __m256i first = _mm256_slli_epi32(codes, 16);
  __m256i second = _mm256_and_si256(codes, _mm256_set1_epi32(-0x10000));
  add_up(sums, _mm256_castsi256_ps(first), _mm256_castsi256_ps(second));
}

AVX512 static void scan_BF16(const unsigned char *data, uint64_t count, FloatScan *out) {
  const __m512i magnitude = _mm512_set1_epi16(0x7fff);
  __m512i least = magnitude; /* magnitude but 0 */
  HalfRange range = no_range();
  Sums sums = no_sums();
  for (uint64_t i = 0; i < count; i += HALVES) {
    const unsigned char *next = data + 2 * i;
    __m512i codes = _mm512_loadu_si512(next);
    __mmask32 not_zero = add_to_range(&range, codes);
    least = _mm512_mask_min_epu16(least, not_zero, least, _mm512_and_si512(codes, magnitude));
    add_up_BF16(&sums, load_32(next));
    add_up_BF16(&sums, load_32(next + 32));
  }
  store_sums(&sums, out);
  FloatRange settled = settle(DTYPE_BF16, data, count, &range);
  half_scan(DTYPE_BF16, &settled, reduce_min(least), out);
}

AVX512 static ALWAYS_INLINE FloatRange range_halves(Dtype dtype, const unsigned char *data,
                                                    uint64_t count) {
  HalfRange range = no_range();
  for (uint64_t i = 0; i < count; i += HALVES) {
    add_to_range(&range, _mm512_loadu_si512(data + 2 * i));
  }
  return settle(dtype, data, count, &range);
}

AVX512 static void range_F16(const unsigned char *data, uint64_t count, FloatRange *out) {
  *out = range_halves(DTYPE_F16, data, count);
}

AVX512 static void range_BF16(const unsigned char *data, uint64_t count, FloatRange *out) {
  *out = range_halves(DTYPE_BF16, data, count);
}

/* ---- Bytes ---- */

AVX512 static ALWAYS_INLINE void scan_places(const unsigned char *data, uint64_t count,
                                             const ByteDigits *digits, unsigned places,
                                             ByteScan *out) {
  const __m512i magnitude = _mm512_set1_epi8(0x7f), one = _mm512_set1_epi8(1);
  __m512i tables[DIGIT_PLACES][2], sums[DIGIT_PLACES], squares[DIGIT_PLACES];
  __m512i min = _mm512_set1_epi8(INT8_MAX), max = _mm512_set1_epi8(INT8_MIN);
  __mmask64 minus_zeros = 0;
  uint64_t zeros = 0;
  KERNEL_UNROLL for (unsigned p = 0; p < places; p++) {
    tables[p][0] = _mm512_loadu_si512(digits->digit[p]);
    tables[p][1] = _mm512_loadu_si512(digits->digit[p] + 64);
    sums[p] = squares[p] = _mm512_setzero_si512();
  }
  for (uint64_t i = 0; i < count; i += BYTES_STEP) {
    __m512i codes = _mm512_loadu_si512(data + i);
    __mmask64 negative = _mm512_movepi8_mask(codes);
    __mmask64 zero = _mm512_testn_epi8_mask(codes, magnitude);
    __m512i signs = _mm512_mask_sub_epi8(one, negative, _mm512_setzero_si512(), one);
    __m512i keys = _mm512_xor_si512(codes, _mm512_maskz_mov_epi8(negative, magnitude));
    zeros += (uint64_t)__builtin_popcountll(zero);
    minus_zeros |= zero & negative;
    min = _mm512_min_epi8(min, keys);
    max = _mm512_max_epi8(max, keys);
    KERNEL_UNROLL for (unsigned p = 0; p < places; p++) {
      __m512i digit = _mm512_permutex2var_epi8(tables[p][0], codes, tables[p][1]);
      sums[p] = _mm512_dpbusd_epi32(sums[p], digit, signs);
      squares[p] = _mm512_dpbusd_epi32(squares[p], digit, digit);
    }
  }
  int8_t mins[64], maxes[64];
  _mm512_storeu_si512(mins, min);
  _mm512_storeu_si512(maxes, max);
  for (int j = 0; j < 32; j++) {
    if (mins[j + 32] < mins[j]) mins[j] = mins[j + 32];
    if (maxes[j + 32] > maxes[j]) maxes[j] = maxes[j + 32];
  }
  for (int j = 1; j < 32; j++) {
    if (mins[j] < mins[0]) mins[0] = mins[j];
    if (maxes[j] > maxes[0]) maxes[0] = maxes[j];
  }
  *out = (ByteScan){.zeros = zeros,
                    .minus_zero = minus_zeros != 0,
                    .min = byte_code(mins[0]),
                    .max = byte_code(maxes[0])};
  KERNEL_UNROLL for (unsigned p = 0; p < places; p++) {
    out->sums[p] = _mm512_reduce_add_epi32(sums[p]);
    out->squares[p] = (uint32_t)_mm512_reduce_add_epi32(squares[p]);
  }
}

/* The compiler makes a loop for each number of places, so that all is kept in registers. */
AVX512 static void scan_bytes(const unsigned char *data, uint64_t count, const ByteDigits *digits,
                              ByteScan *out) {
  switch (digits != NULL ? digits->places : 0) {
    case 0: scan_places(data, count, digits, 0, out); break;
    case 4: scan_places(data, count, digits, 4, out); break; /* F8_E4M3, F8_E4M3FNUZ */
    case 6: scan_places(data, count, digits, 6, out); break; /* F8_E5M2 */
    default: scan_places(data, count, digits, DIGIT_PLACES, out);
  }
}

/* ---- Doubles ---- */

AVX512 static void scan_doubles(const void *data, uint64_t count, DoubleScan *out) {
  __m512d min = _mm512_set1_pd(INFINITY), max = _mm512_set1_pd(-INFINITY);
  __m512d sum[2], lost[2];
  uint32_t zeros = 0;
  for (int p = 0; p < 2; p++) sum[p] = lost[p] = _mm512_setzero_pd();
  for (uint64_t i = 0; i < count; i += KERNEL_LANES) {
    for (int p = 0; p < 2; p++) {
      __m512d numbers = load_doubles(data, i + (uint64_t)p * DOUBLES);
      zeros += (uint32_t)__builtin_popcount(
          _mm512_cmp_pd_mask(numbers, _mm512_setzero_pd(), _CMP_EQ_OQ));
      min = _mm512_min_pd(numbers, min);
      max = _mm512_max_pd(numbers, max);
      __m512d before = sum[p];
      sum[p] = _mm512_add_pd(before, numbers);
      __m512d part = _mm512_sub_pd(sum[p], before);
      __m512d error = _mm512_add_pd(_mm512_sub_pd(before, _mm512_sub_pd(sum[p], part)),
                                    _mm512_sub_pd(numbers, part));
      lost[p] = _mm512_add_pd(lost[p], error);
    }
  }
  for (int p = 0; p < 2; p++) {
    _mm512_storeu_pd(out->sum_high + p * DOUBLES, sum[p]);
    _mm512_storeu_pd(out->sum_low + p * DOUBLES, lost[p]);
    _mm512_storeu_pd(out->min + p * DOUBLES, min);
    _mm512_storeu_pd(out->max + p * DOUBLES, max);
  }
  memset(out->zeros, 0, sizeof out->zeros);
  out->zeros[0] = zeros;
}

AVX512 static void deviations(const void *data, uint64_t count, double mean, double *out) {
  const __m512d means = _mm512_set1_pd(mean);
  __m512d squares[2];
  for (int p = 0; p < 2; p++) squares[p] = _mm512_setzero_pd();
  for (uint64_t i = 0; i < count; i += KERNEL_LANES) {
    for (int p = 0; p < 2; p++) {
      __m512d distance = _mm512_sub_pd(load_doubles(data, i + (uint64_t)p * DOUBLES), means);
      __m512d square = _mm512_mul_pd(distance, distance);
      __asm__("" : "+v"(square)); /* rounded: not to be fused with the addition */
      squares[p] = _mm512_add_pd(squares[p], square);
    }
  }
  for (int p = 0; p < 2; p++) _mm512_storeu_pd(out + p * DOUBLES, squares[p]);
}

const ScanKernels scan_kernels_avx512 = {
    .scan = {[DTYPE_F32] = scan_F32, [DTYPE_F16] = scan_F16, [DTYPE_BF16] = scan_BF16},
    .range = {[DTYPE_F32] = range_F32, [DTYPE_F16] = range_F16, [DTYPE_BF16] = range_BF16},
    .doubles = scan_doubles,
    .deviations = deviations,
    .bytes = scan_bytes,
};

#endif
