/* The kernels over one tensor for AVX2, with FMA and F16C. Numbers are loaded again, in narrower
** registers, where the alternative is to take a wide one apart. */
#include "tensor/halves.h"
#include "tensor/kernels.h"

#if defined(__x86_64__)

#include <immintrin.h>
#include <math.h>
#include <string.h>

/* Without FMA where a product is not exact: a compiler must not fuse it. */
#define AVX2          __attribute__((target("avx2,f16c")))
#define FMA           __attribute__((target("avx2,f16c,fma")))
#define ALWAYS_INLINE inline __attribute__((always_inline))

enum { WIDTH = 8, DOUBLES = 4, PARTS = KERNEL_LANES / DOUBLES };

static ALWAYS_INLINE const unsigned char *at(const void *data, uint64_t byte) {
  return (const unsigned char *)data + byte;
}

FMA static ALWAYS_INLINE __m128i load_8(const unsigned char *data) {
  return _mm_loadl_epi64((const __m128i *)data);
}

FMA static ALWAYS_INLINE __m128i load_16(const unsigned char *data) {
  return _mm_loadu_si128((const __m128i *)data);
}

FMA static ALWAYS_INLINE __m256i load_32(const unsigned char *data) {
  return _mm256_loadu_si256((const __m256i *)data);
}

AVX2 static inline __m256d load_doubles(const void *data, uint64_t index) {
  return _mm256_castsi256_pd(_mm256_loadu_si256((const __m256i *)at(data, index * sizeof(double))));
}

/* ---- Sums ---- */

/* The lanes of a FloatScan, a quarter in each register. */
typedef struct Sums {
  __m256d numbers[PARTS], squares[PARTS];
} Sums;

FMA static ALWAYS_INLINE void add_up(Sums *sums, unsigned part, __m128 floats) {
  __m256d numbers = _mm256_cvtps_pd(floats);
  sums->numbers[part] = _mm256_add_pd(sums->numbers[part], numbers);
  sums->squares[part] = _mm256_fmadd_pd(numbers, numbers, sums->squares[part]);
}

FMA static ALWAYS_INLINE Sums no_sums(void) {
  __m256d zero = _mm256_setzero_pd();
  return (Sums){{zero, zero, zero, zero}, {zero, zero, zero, zero}};
}

FMA static ALWAYS_INLINE void store_sums(const Sums *sums, FloatScan *out) {
  KERNEL_UNROLL for (int p = 0; p < PARTS; p++) {
    _mm256_storeu_pd(out->sum + p * DOUBLES, sums->numbers[p]);
    _mm256_storeu_pd(out->squares + p * DOUBLES, sums->squares[p]);
  }
}

/* ---- F32 ---- */

#define MAGNITUDE 0x7fffffff

FMA static ALWAYS_INLINE float reduce_min(__m256 floats) {
  __m128 half = _mm_min_ps(_mm256_castps256_ps128(floats), _mm256_extractf128_ps(floats, 1));
  half = _mm_min_ps(half, _mm_movehl_ps(half, half));
  return _mm_cvtss_f32(_mm_min_ss(half, _mm_shuffle_ps(half, half, 1)));
}

FMA static ALWAYS_INLINE float reduce_max(__m256 floats) {
  return -reduce_min(_mm256_xor_ps(floats, _mm256_set1_ps(-0.0f)));
}

FMA static ALWAYS_INLINE uint32_t reduce_min_bits(__m256i bits) {
  __m128i half = _mm_min_epu32(_mm256_castsi256_si128(bits), _mm256_extracti128_si256(bits, 1));
  half = _mm_min_epu32(half, _mm_shuffle_epi32(half, _MM_SHUFFLE(1, 0, 3, 2)));
  half = _mm_min_epu32(half, _mm_shuffle_epi32(half, _MM_SHUFFLE(2, 3, 0, 1)));
  return (uint32_t)_mm_cvtsi128_si32(half);
}

FMA static ALWAYS_INLINE uint32_t add_lanes(__m256i counts) {
  __m128i half = _mm_add_epi32(_mm256_castsi256_si128(counts), _mm256_extracti128_si256(counts, 1));
  half = _mm_add_epi32(half, _mm_shuffle_epi32(half, _MM_SHUFFLE(1, 0, 3, 2)));
  half = _mm_add_epi32(half, _mm_shuffle_epi32(half, _MM_SHUFFLE(2, 3, 0, 1)));
  return (uint32_t)_mm_cvtsi128_si32(half);
}

FMA static void scan_F32(const unsigned char *data, uint64_t count, FloatScan *out) {
  const __m256i magnitude = _mm256_set1_epi32(MAGNITUDE), minus_one = _mm256_set1_epi32(-1);
  __m256 min = _mm256_set1_ps(INFINITY), max = _mm256_set1_ps(-INFINITY);
  __m256i below = minus_one, zeros = _mm256_setzero_si256(); /* the least magnitude but 0, less 1 */
  Sums sums = no_sums();
  for (uint64_t i = 0; i < count; i += 2 * WIDTH) {
    KERNEL_UNROLL for (unsigned half = 0; half < 2; half++, data += WIDTH * sizeof(float)) {
      __m256i bits = load_32(data);
      __m256 numbers = _mm256_castsi256_ps(bits);
      __m256i less = _mm256_add_epi32(_mm256_and_si256(bits, magnitude), minus_one);
      zeros = _mm256_sub_epi32(zeros, _mm256_cmpeq_epi32(less, minus_one));
      below = _mm256_min_epu32(below, less);
      min = _mm256_min_ps(numbers, min);
      max = _mm256_max_ps(numbers, max);
      add_up(&sums, 2 * half, _mm_castsi128_ps(load_16(data)));
      add_up(&sums, 2 * half + 1, _mm_castsi128_ps(load_16(data + 16)));
    }
  }
  uint32_t least = reduce_min_bits(below) + 1;
  store_sums(&sums, out);
  out->min = reduce_min(min);
  out->max = reduce_max(max);
  out->least = least == 0 ? INFINITY : float_from_bits(least);
  out->zeros = add_lanes(zeros);
}

FMA static void range_F32(const unsigned char *data, uint64_t count, FloatRange *out) {
  const __m256i magnitude = _mm256_set1_epi32(MAGNITUDE), zero = _mm256_setzero_si256();
  __m256 min = _mm256_set1_ps(INFINITY), max = _mm256_set1_ps(-INFINITY);
  __m256i largest = zero, zeros = zero;
  for (uint64_t i = 0; i < count; i += WIDTH, data += WIDTH * sizeof(float)) {
    __m256 numbers = _mm256_castsi256_ps(load_32(data));
    __m256i bits = _mm256_and_si256(_mm256_castps_si256(numbers), magnitude);
    zeros = _mm256_sub_epi32(zeros, _mm256_cmpeq_epi32(bits, zero));
    largest = _mm256_max_epu32(largest, bits);
    min = _mm256_min_ps(numbers, min);
    max = _mm256_max_ps(numbers, max);
  }
  out->min = reduce_min(min);
  out->max = reduce_max(max);
  out->finite = ~reduce_min_bits(_mm256_xor_si256(largest, _mm256_set1_epi32(-1))) < 0x7f800000;
  out->zeros = add_lanes(zeros);
}

/* ---- F16 and BF16: the order is found in 16 bits ---- */

enum { HALVES = 16 };

typedef struct HalfRange {
  __m256i min, max; /* codes, all but the sign of those with one inverted: in the order of values */
  __m256i zeros;    /* in 16 lanes of 16 bits: at most 2^16 / HALVES in each */
} HalfRange;

FMA static ALWAYS_INLINE HalfRange no_range(void) {
  return (HalfRange){_mm256_set1_epi16(INT16_MAX), _mm256_set1_epi16(INT16_MIN),
                     _mm256_setzero_si256()};
}

/* Returns the magnitudes. */
FMA static ALWAYS_INLINE __m256i add_to_range(HalfRange *range, __m256i codes) {
  const __m256i mask = _mm256_set1_epi16(0x7fff);
  __m256i magnitudes = _mm256_and_si256(codes, mask);
  __m256i is_zero = _mm256_cmpeq_epi16(magnitudes, _mm256_setzero_si256());
  __m256i sign = _mm256_srai_epi16(codes, 15);
  __m256i keys = _mm256_xor_si256(codes, _mm256_and_si256(sign, mask));
  range->zeros = _mm256_sub_epi16(range->zeros, is_zero);
  range->min = _mm256_min_epi16(range->min, keys);
  range->max = _mm256_max_epi16(range->max, keys);
  return magnitudes;
}

FMA static ALWAYS_INLINE uint16_t reduce_min_halves(__m256i halves) {
  __m128i half = _mm_min_epu16(_mm256_castsi256_si128(halves), _mm256_extracti128_si256(halves, 1));
  return (uint16_t)_mm_cvtsi128_si32(_mm_minpos_epu16(half));
}

FMA static ALWAYS_INLINE uint32_t count_zeros(const HalfRange *all) {
  return add_lanes(_mm256_madd_epi16(all->zeros, _mm256_set1_epi16(1)));
}

FMA static ALWAYS_INLINE FloatRange settle(Dtype dtype, uint64_t count, const HalfRange *all) {
  const __m256i lowest = _mm256_set1_epi16(INT16_MIN), highest = _mm256_set1_epi16(INT16_MAX);
  unsigned least = reduce_min_halves(_mm256_xor_si256(all->min, lowest)) ^ 0x8000u;
  unsigned greatest = reduce_min_halves(_mm256_xor_si256(all->max, highest)) ^ 0x7fffu;
  least ^= least & 0x8000 ? 0x7fff : 0;
  greatest ^= greatest & 0x8000 ? 0x7fff : 0;
  return half_range(dtype, count, least, greatest, count_zeros(all));
}

FMA static void scan_F16(const unsigned char *data, uint64_t count, FloatScan *out) {
  HalfRange range = no_range();
  Sums sums = no_sums();
  for (uint64_t i = 0; i < count; i += HALVES, data += 2 * HALVES) {
    add_to_range(&range, load_32(data));
    add_up(&sums, 0, _mm_cvtph_ps(load_8(data)));
    add_up(&sums, 1, _mm_cvtph_ps(load_8(data + 8)));
    add_up(&sums, 2, _mm_cvtph_ps(load_8(data + 16)));
    add_up(&sums, 3, _mm_cvtph_ps(load_8(data + 24)));
  }
  store_sums(&sums, out);
  FloatRange settled = settle(DTYPE_F16, count, &range);
  half_scan(DTYPE_F16, &settled, 0, out);
}

/* 8 numbers: every first, and every second. */
FMA static ALWAYS_INLINE void add_up_BF16(Sums *sums, unsigned part, __m128i codes) {
  __m128i second = _mm_and_si128(codes, _mm_set1_epi32(-0x10000));
  add_up(sums, part, _mm_castsi128_ps(_mm_slli_epi32(codes, 16)));
  add_up(sums, part + PARTS / 2, _mm_castsi128_ps(second));
}

FMA static void scan_BF16(const unsigned char *data, uint64_t count, FloatScan *out) {
  const __m256i minus_one = _mm256_set1_epi16(-1);
  __m256i below = minus_one; /* the least magnitude but 0, less 1 */
  HalfRange range = no_range();
  Sums sums = no_sums();
  for (uint64_t i = 0; i < count; i += HALVES, data += 2 * HALVES) {
    __m256i magnitudes = add_to_range(&range, load_32(data));
    below = _mm256_min_epu16(below, _mm256_add_epi16(magnitudes, minus_one));
    add_up_BF16(&sums, 0, load_16(data));
    add_up_BF16(&sums, 1, load_16(data + 16));
  }
  store_sums(&sums, out);
  FloatRange settled = settle(DTYPE_BF16, count, &range);
  half_scan(DTYPE_BF16, &settled, (reduce_min_halves(below) + 1u) & 0x7fff, out);
}

FMA static ALWAYS_INLINE FloatRange range_halves(Dtype dtype, const unsigned char *data,
                                                 uint64_t count) {
  HalfRange range = no_range();
  for (uint64_t i = 0; i < count; i += HALVES) add_to_range(&range, load_32(data + 2 * i));
  return settle(dtype, count, &range);
}

FMA static void range_F16(const unsigned char *data, uint64_t count, FloatRange *out) {
  *out = range_halves(DTYPE_F16, data, count);
}

FMA static void range_BF16(const unsigned char *data, uint64_t count, FloatRange *out) {
  *out = range_halves(DTYPE_BF16, data, count);
}

/* ---- Doubles ---- */

AVX2 static void scan_doubles(const void *data, uint64_t count, DoubleScan *out) {
  __m256d min = _mm256_set1_pd(INFINITY), max = _mm256_set1_pd(-INFINITY);
  __m256i zeros = _mm256_setzero_si256();
  __m256d sum[PARTS], lost[PARTS];
  for (int p = 0; p < PARTS; p++) sum[p] = lost[p] = _mm256_setzero_pd();
  for (uint64_t i = 0; i < count; i += KERNEL_LANES) {
    for (int p = 0; p < PARTS; p++) {
      __m256d numbers = load_doubles(data, i + (uint64_t)p * DOUBLES);
      __m256d is_zero = _mm256_cmp_pd(numbers, _mm256_setzero_pd(), _CMP_EQ_OQ);
      zeros = _mm256_sub_epi64(zeros, _mm256_castpd_si256(is_zero));
      min = _mm256_min_pd(numbers, min);
      max = _mm256_max_pd(numbers, max);
      __m256d before = sum[p];
      sum[p] = _mm256_add_pd(before, numbers);
      __m256d part = _mm256_sub_pd(sum[p], before);
      __m256d error = _mm256_add_pd(_mm256_sub_pd(before, _mm256_sub_pd(sum[p], part)),
                                    _mm256_sub_pd(numbers, part));
      lost[p] = _mm256_add_pd(lost[p], error);
    }
  }
  for (int p = 0; p < PARTS; p++) {
    _mm256_storeu_pd(out->sum_high + p * DOUBLES, sum[p]);
    _mm256_storeu_pd(out->sum_low + p * DOUBLES, lost[p]);
    _mm256_storeu_pd(out->min + p * DOUBLES, min);
    _mm256_storeu_pd(out->max + p * DOUBLES, max);
  }
  memset(out->zeros, 0, sizeof out->zeros);
  _mm256_storeu_si256((__m256i *)out->zeros, zeros); /* 64 bits each: little-endian */
}

AVX2 static void deviations(const void *data, uint64_t count, double mean, double *out) {
  const __m256d means = _mm256_set1_pd(mean);
  __m256d squares[PARTS];
  for (int p = 0; p < PARTS; p++) squares[p] = _mm256_setzero_pd();
  for (uint64_t i = 0; i < count; i += KERNEL_LANES) {
    for (int p = 0; p < PARTS; p++) {
      __m256d distance = _mm256_sub_pd(load_doubles(data, i + (uint64_t)p * DOUBLES), means);
      squares[p] = _mm256_add_pd(squares[p], _mm256_mul_pd(distance, distance));
    }
  }
  for (int p = 0; p < PARTS; p++) _mm256_storeu_pd(out + p * DOUBLES, squares[p]);
}

const ScanKernels scan_kernels_avx2 = {
    .scan = {[DTYPE_F32] = scan_F32, [DTYPE_F16] = scan_F16, [DTYPE_BF16] = scan_BF16},
    .range = {[DTYPE_F32] = range_F32, [DTYPE_F16] = range_F16, [DTYPE_BF16] = range_BF16},
    .doubles = scan_doubles,
    .deviations = deviations,
};

#endif
