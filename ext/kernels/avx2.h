/* The vocabulary of AVX2 with FMA and F16C: see kernels.h. Instead of splitting a wide register,
** numbers are loaded again into narrower ones. */
#ifndef SAFETENSORS_KERNELS_AVX2_H
#define SAFETENSORS_KERNELS_AVX2_H

#include <immintrin.h>
#include <math.h>

#include "format/element.h"
#include "kernels/kernels.h"

#define avx2_TARGET __attribute__((target("avx2,f16c,fma,popcnt")))
#define avx2_INLINE avx2_TARGET inline __attribute__((always_inline))
#define avx2_UNROLL KERNEL_UNROLL
/* What comes before and after stays apart, and the constant in memory: otherwise compilers take more
** registers than there are, gcc only for the scan of floats. */
#define avx2_PART_FLOATS(a, b, c, d, constant) \
  __asm__ volatile("" : "+x"(a), "+x"(b), "+x"(c), "+x"(d), "+m"(constant) : : "memory")
#if defined(__clang__)
#define avx2_PART avx2_PART_FLOATS
/* Nothing that comes after is begun before the vector is computed. */
#define avx2_BEFORE_THE_NEXT(vector) __asm__ volatile("" : "+x"(vector) : : "memory")
/* Clang computes the vector as it stands, without regard to what becomes of it. */
#define avx2_AS_IT_STANDS(vector) __asm__("" : "+x"(vector))
#else
#define avx2_PART(a, b, c, d, constant)
#define avx2_BEFORE_THE_NEXT(vector)
#define avx2_AS_IT_STANDS(vector)
#endif

typedef __m256 avx2_Floats;
typedef __m256i avx2_Words;
typedef __m256i avx2_Halves;
typedef __m256d avx2_Doubles;
typedef __m256i avx2_Longs;
typedef __m256d avx2_Mask;
typedef __m256i avx2_Counts;
typedef __m256i avx2_DoubleCounts;

enum { avx2_FLOATS = 8, avx2_DOUBLES = 4, avx2_HALVES = 16, avx2_LONGS = 4 };
enum { avx2_RANGES = 1, avx2_HALF_RANGES = 1 };
enum { avx2_TILE_ROWS = 4, avx2_TILE_PARTS = 2 };
enum { avx2_PAIR_PASS = 8 };
enum { avx2_ROW_GROUP = 2 };

static avx2_INLINE __m128i avx2_load_8(const unsigned char *data) {
  return _mm_loadl_epi64((const __m128i *)data);
}

static avx2_INLINE __m128i avx2_load_16(const unsigned char *data) {
  return _mm_loadu_si128((const __m128i *)data);
}

static avx2_INLINE __m256i avx2_load_32(const unsigned char *data) {
  return _mm256_loadu_si256((const __m256i *)data);
}

/* ---- Floats and words ---- */

static avx2_INLINE __m256 avx2_load_floats(const unsigned char *data) {
  return _mm256_castsi256_ps(avx2_load_32(data));
}

static avx2_INLINE void avx2_store_floats(float *out, __m256 numbers) {
  _mm256_storeu_ps(out, numbers);
}

static avx2_INLINE __m256 avx2_all_floats(float number) {
  return _mm256_set1_ps(number);
}

static avx2_INLINE __m256 avx2_min_floats(__m256 a, __m256 b) {
  return _mm256_min_ps(a, b);
}

static avx2_INLINE __m256 avx2_max_floats(__m256 a, __m256 b) {
  return _mm256_max_ps(a, b);
}

static avx2_INLINE float avx2_fold_min_floats(__m256 numbers) {
  __m128 half = _mm_min_ps(_mm256_castps256_ps128(numbers), _mm256_extractf128_ps(numbers, 1));
  half = _mm_min_ps(half, _mm_movehl_ps(half, half));
  return _mm_cvtss_f32(_mm_min_ss(half, _mm_shuffle_ps(half, half, 1)));
}

static avx2_INLINE float avx2_fold_max_floats(__m256 numbers) {
  return -avx2_fold_min_floats(_mm256_xor_ps(numbers, _mm256_set1_ps(-0.0f)));
}

static avx2_INLINE __m256 avx2_add_floats(__m256 a, __m256 b) {
  return _mm256_add_ps(a, b);
}

static avx2_INLINE __m256 avx2_subtract_floats(__m256 a, __m256 b) {
  return _mm256_sub_ps(a, b);
}

static avx2_INLINE __m256 avx2_multiply_floats(__m256 a, __m256 b) {
  return _mm256_mul_ps(a, b);
}

static avx2_INLINE __m256 avx2_divide_floats(__m256 a, __m256 b) {
  return _mm256_div_ps(a, b);
}

static avx2_INLINE __m256i avx2_bits_of_floats(__m256 numbers) {
  return _mm256_castps_si256(numbers);
}

static avx2_INLINE __m256i avx2_all_words(uint32_t word) {
  return _mm256_set1_epi32((int)word);
}

static avx2_INLINE __m256i avx2_and_words(__m256i a, __m256i b) {
  return _mm256_and_si256(a, b);
}

/* Otherwise what is added would be left out of a comparison of the sum, for which another constant would
** take another register. */
static avx2_INLINE __m256i avx2_add_words(__m256i a, __m256i b) {
  __m256i sum = _mm256_add_epi32(a, b);
  avx2_AS_IT_STANDS(sum);
  return sum;
}

static avx2_INLINE __m256i avx2_min_words(__m256i a, __m256i b) {
  return _mm256_min_epu32(a, b);
}

static avx2_INLINE __m256i avx2_max_words(__m256i a, __m256i b) {
  return _mm256_max_epu32(a, b);
}

static avx2_INLINE uint32_t avx2_fold_min_words(__m256i words) {
  __m128i half = _mm_min_epu32(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
  half = _mm_min_epu32(half, _mm_shuffle_epi32(half, _MM_SHUFFLE(1, 0, 3, 2)));
  half = _mm_min_epu32(half, _mm_shuffle_epi32(half, _MM_SHUFFLE(2, 3, 0, 1)));
  return (uint32_t)_mm_cvtsi128_si32(half);
}

static avx2_INLINE uint32_t avx2_fold_max_words(__m256i words) {
  return ~avx2_fold_min_words(_mm256_xor_si256(words, _mm256_set1_epi32(-1)));
}

static avx2_INLINE __m256i avx2_no_counts(void) {
  return _mm256_setzero_si256();
}

static avx2_INLINE __m256i avx2_count_equal_words(__m256i counts, __m256i a, __m256i b) {
  return _mm256_sub_epi32(counts, _mm256_cmpeq_epi32(a, b));
}

static avx2_INLINE __m256i avx2_count_equal_floats(__m256i counts, __m256 a, __m256 b) {
  return _mm256_sub_epi32(counts, _mm256_castps_si256(_mm256_cmp_ps(a, b, _CMP_EQ_OQ)));
}

static avx2_INLINE uint32_t avx2_fold_counts(__m256i counts) {
  __m128i half = _mm_add_epi32(_mm256_castsi256_si128(counts), _mm256_extracti128_si256(counts, 1));
  half = _mm_add_epi32(half, _mm_shuffle_epi32(half, _MM_SHUFFLE(1, 0, 3, 2)));
  half = _mm_add_epi32(half, _mm_shuffle_epi32(half, _MM_SHUFFLE(2, 3, 0, 1)));
  return (uint32_t)_mm_cvtsi128_si32(half);
}

/* ---- Elements as floats ---- */

static avx2_INLINE __m256 avx2_widen_F16(const unsigned char *data) {
  return _mm256_cvtph_ps(avx2_load_16(data));
}

static avx2_INLINE __m256 avx2_widen_BF16(const unsigned char *data) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(avx2_load_16(data)), 16));
}

static avx2_INLINE __m256 avx2_widen_I16(const unsigned char *data) {
  return _mm256_cvtepi32_ps(_mm256_cvtepi16_epi32(avx2_load_16(data)));
}

static avx2_INLINE __m256 avx2_widen_U16(const unsigned char *data) {
  return _mm256_cvtepi32_ps(_mm256_cvtepu16_epi32(avx2_load_16(data)));
}

/* ---- Numbers of 16 bits ---- */

static avx2_INLINE __m256i avx2_load_halves(const unsigned char *data) {
  return avx2_load_32(data);
}

static avx2_INLINE __m256i avx2_all_halves(uint16_t half) {
  return _mm256_set1_epi16((short)half);
}

static avx2_INLINE __m256i avx2_and_halves(__m256i a, __m256i b) {
  return _mm256_and_si256(a, b);
}

static avx2_INLINE __m256i avx2_xor_halves(__m256i a, __m256i b) {
  return _mm256_xor_si256(a, b);
}

static avx2_INLINE __m256i avx2_add_halves(__m256i a, __m256i b) {
  return _mm256_add_epi16(a, b);
}

static avx2_INLINE __m256i avx2_signs_of_halves(__m256i halves) {
  return _mm256_srai_epi16(halves, 15);
}

static avx2_INLINE __m256i avx2_min_halves(__m256i a, __m256i b) {
  return _mm256_min_epu16(a, b);
}

static avx2_INLINE __m256i avx2_min_signed_halves(__m256i a, __m256i b) {
  return _mm256_min_epi16(a, b);
}

static avx2_INLINE __m256i avx2_max_signed_halves(__m256i a, __m256i b) {
  return _mm256_max_epi16(a, b);
}

static avx2_INLINE uint16_t avx2_fold_min_halves(__m256i halves) {
  __m128i half = _mm_min_epu16(_mm256_castsi256_si128(halves), _mm256_extracti128_si256(halves, 1));
  return (uint16_t)_mm_cvtsi128_si32(_mm_minpos_epu16(half));
}

static avx2_INLINE int16_t avx2_fold_min_signed_halves(__m256i halves) {
  __m256i lowest = _mm256_set1_epi16(INT16_MIN);
  return (int16_t)(avx2_fold_min_halves(_mm256_xor_si256(halves, lowest)) ^ 0x8000);
}

static avx2_INLINE int16_t avx2_fold_max_signed_halves(__m256i halves) {
  __m256i highest = _mm256_set1_epi16(INT16_MAX);
  return (int16_t)(avx2_fold_min_halves(_mm256_xor_si256(halves, highest)) ^ 0x7fff);
}

static avx2_INLINE __m256i avx2_count_zero_halves(__m256i counts, __m256i halves) {
  return _mm256_sub_epi16(counts, _mm256_cmpeq_epi16(halves, _mm256_setzero_si256()));
}

static avx2_INLINE __m256i avx2_count_equal_halves(__m256i counts, __m256i a, __m256i b) {
  __m256i magnitudes = _mm256_and_si256(_mm256_or_si256(a, b), _mm256_set1_epi16(0x7fff));
  __m256i zero = _mm256_cmpeq_epi16(magnitudes, _mm256_setzero_si256());
  return _mm256_sub_epi16(counts, _mm256_or_si256(_mm256_cmpeq_epi16(a, b), zero));
}

static avx2_INLINE uint32_t avx2_fold_half_counts(__m256i counts) {
  return avx2_fold_counts(_mm256_madd_epi16(counts, _mm256_set1_epi16(1)));
}

/* ---- Integers of 8 and 16 bits ---- */

typedef struct avx2_ShortSums {
  __m256i sum, squares; /* squares in 32 bits, if they are narrow, or in 64 */
} avx2_ShortSums;

static avx2_INLINE avx2_ShortSums avx2_no_short_sums(void) {
  return (avx2_ShortSums){_mm256_setzero_si256(), _mm256_setzero_si256()};
}

/* The sum of two squares has 32 bits, of which the first is no sign. */
static avx2_INLINE avx2_ShortSums avx2_add_shorts(avx2_ShortSums sums, __m256i numbers,
                                                  bool narrow) {
  __m256i squares = _mm256_madd_epi16(numbers, numbers);
  sums.sum = _mm256_add_epi32(sums.sum, _mm256_madd_epi16(numbers, _mm256_set1_epi16(1)));
  if (narrow) {
    sums.squares = _mm256_add_epi32(sums.squares, squares);
  } else {
    __m256i low = _mm256_and_si256(squares, _mm256_set1_epi64x(UINT32_MAX));
    __m256i both = _mm256_add_epi64(low, _mm256_srli_epi64(squares, 32));
    sums.squares = _mm256_add_epi64(sums.squares, both);
  }
  return sums;
}

static avx2_INLINE int64_t avx2_fold_short_sum(avx2_ShortSums sums) {
  int32_t lanes[8];
  int64_t sum = 0;
  _mm256_storeu_si256((__m256i *)lanes, sums.sum);
  for (unsigned j = 0; j < 8; j++) sum += lanes[j];
  return sum;
}

static avx2_INLINE uint64_t avx2_fold_short_squares(avx2_ShortSums sums, bool narrow) {
  uint64_t lanes[4], sum = 0;
  _mm256_storeu_si256((__m256i *)lanes, sums.squares);
  for (unsigned j = 0; j < 4; j++)
    sum += narrow ? (lanes[j] & UINT32_MAX) + (lanes[j] >> 32) : lanes[j];
  return sum;
}

/* Otherwise the bytes would be compared with 0, and the results be widened. */
static avx2_INLINE __m256i avx2_halves_I8(const unsigned char *data) {
  __m256i numbers = _mm256_cvtepi8_epi16(avx2_load_16(data));
  avx2_AS_IT_STANDS(numbers);
  return numbers;
}

static avx2_INLINE __m256i avx2_halves_U8(const unsigned char *data) {
  __m256i numbers = _mm256_cvtepu8_epi16(avx2_load_16(data));
  avx2_AS_IT_STANDS(numbers);
  return numbers;
}

static avx2_INLINE __m256i avx2_halves_16(const unsigned char *data) {
  return avx2_load_halves(data);
}

/* ---- Doubles ---- */

/* Otherwise comparisons of the doubles would become comparisons of what they were widened from, which
** would be widened twice. */
static avx2_INLINE __m256d avx2_doubles_F32(const unsigned char *data, unsigned part) {
  __m256d numbers = _mm256_cvtps_pd(_mm_castsi128_ps(avx2_load_16(data + 16 * part)));
  avx2_AS_IT_STANDS(numbers);
  return numbers;
}

static avx2_INLINE __m256d avx2_doubles_F64(const unsigned char *data, unsigned part) {
  return _mm256_castsi256_pd(avx2_load_32(data + 32 * part));
}

static avx2_INLINE __m256d avx2_doubles_F16(const unsigned char *data, unsigned part) {
  __m256d numbers = _mm256_cvtps_pd(_mm_cvtph_ps(avx2_load_8(data + 8 * part)));
  avx2_AS_IT_STANDS(numbers);
  return numbers;
}

static avx2_INLINE __m256d avx2_doubles_BF16(const unsigned char *data, unsigned part) {
  __m128i bits = _mm_slli_epi32(_mm_cvtepu16_epi32(avx2_load_8(data + 8 * part)), 16);
  __m256d numbers = _mm256_cvtps_pd(_mm_castsi128_ps(bits));
  avx2_AS_IT_STANDS(numbers);
  return numbers;
}

/* In the order of scan_lane(): parts 0 and 1 have the first number of every pair, 2 and 3 the
** second. */
/* Otherwise only what the mask leaves would be loaded, code by code. */
static avx2_INLINE __m256d avx2_lanes_BF16(const unsigned char *data, unsigned part) {
  __m128i codes = avx2_load_16(data + 16 * (part % 2));
  avx2_AS_IT_STANDS(codes);
  __m128i bits =
      part < 2 ? _mm_slli_epi32(codes, 16) : _mm_and_si128(codes, _mm_set1_epi32(-0x10000));
  return _mm256_cvtps_pd(_mm_castsi128_ps(bits));
}

static avx2_INLINE void avx2_store_doubles(double *out, __m256d numbers) {
  _mm256_storeu_pd(out, numbers);
}

static avx2_INLINE void avx2_store_F32(unsigned char *out, __m256d numbers) {
  _mm_storeu_ps((float *)(void *)out, _mm256_cvtpd_ps(numbers));
}

/* The lower halves of numbers of 64 bits. */
static avx2_INLINE __m128i avx2_lower_halves(__m256d numbers) {
  __m256i even = _mm256_setr_epi32(0, 2, 4, 6, 0, 2, 4, 6);
  avx2_AS_IT_STANDS(even); /* or else one permutation would become two instructions */
  return _mm256_castsi256_si128(_mm256_permutevar8x32_epi32(_mm256_castpd_si256(numbers), even));
}

/* Rounds to odd floats: to a neighbour whose last bit is set, unless the float is exact. Rounding that
** again to fewer bits gives the same as rounding once. The nearest float that is farther from 0 is one
** too far. */
static avx2_INLINE __m128i avx2_odd_floats(__m256d numbers) {
  const __m256d sign = _mm256_set1_pd(-0.0);
  __m128 nearest = _mm256_cvtpd_ps(numbers);
  __m256d back = _mm256_cvtps_pd(nearest);
  __m256d beyond =
      _mm256_cmp_pd(_mm256_andnot_pd(sign, back), _mm256_andnot_pd(sign, numbers), _CMP_GT_OQ);
  __m128i inexact = avx2_lower_halves(_mm256_cmp_pd(back, numbers, _CMP_NEQ_OQ));
  __m128i bits = _mm_add_epi32(_mm_castps_si128(nearest), avx2_lower_halves(beyond));
  return _mm_or_si128(bits, _mm_srli_epi32(inexact, 31));
}

/* Stores 4 numbers of 16 bits; where a float is NaN, its sign and `nan` instead. */
static avx2_INLINE void avx2_store_codes(unsigned char *out, __m128i codes, __m128i floats,
                                         int16_t nan) {
  __m128 numbers = _mm_castsi128_ps(floats);
  __m128i is_nan = _mm_castps_si128(_mm_cmpunord_ps(numbers, numbers));
  __m128i signs = _mm_and_si128(codes, _mm_set1_epi16(INT16_MIN));
  __m128i nans = _mm_or_si128(signs, _mm_set1_epi16(nan));
  _mm_storel_epi64((__m128i *)(void *)out,
                   _mm_blendv_epi8(codes, nans, _mm_packs_epi32(is_nan, is_nan)));
}

static avx2_INLINE void avx2_store_F16(unsigned char *out, __m256d numbers) {
  __m128i odd = avx2_odd_floats(numbers);
  __m128i codes = _mm_cvtps_ph(_mm_castsi128_ps(odd), _MM_FROUND_TO_NEAREST_INT);
  avx2_store_codes(out, codes, odd, 0x7e00);
}

/* A carry out of the mantissa correctly increments the exponent. */
static avx2_INLINE void avx2_store_BF16(unsigned char *out, __m256d numbers) {
  __m128i odd = avx2_odd_floats(numbers);
  __m128i last = _mm_and_si128(_mm_srli_epi32(odd, 16), _mm_set1_epi32(1));
  __m128i rounder = _mm_add_epi32(last, _mm_set1_epi32(0x7fff));
  /* A NaN may not lose its sign by a carry. */
  __m128 numbers_odd = _mm_castsi128_ps(odd);
  __m128i is_number = _mm_castps_si128(_mm_cmpord_ps(numbers_odd, numbers_odd));
  __m128i codes = _mm_srli_epi32(_mm_add_epi32(odd, _mm_and_si128(rounder, is_number)), 16);
  avx2_store_codes(out, _mm_packus_epi32(codes, codes), odd, 0x7fc0);
}

static avx2_INLINE void avx2_store_truncated(int32_t *out, __m256d numbers) {
  _mm_storeu_si128((__m128i *)out, _mm256_cvttpd_epi32(numbers));
}

static avx2_INLINE __m256d avx2_all_doubles(double number) {
  return _mm256_set1_pd(number);
}

static avx2_INLINE __m256d avx2_add_doubles(__m256d a, __m256d b) {
  return _mm256_add_pd(a, b);
}

static avx2_INLINE __m256d avx2_subtract_doubles(__m256d a, __m256d b) {
  return _mm256_sub_pd(a, b);
}

/* The barrier keeps the compiler from fusing the product with the addition. */
static avx2_INLINE __m256d avx2_multiply_doubles(__m256d a, __m256d b) {
  __m256d product = _mm256_mul_pd(a, b);
  __asm__("" : "+x"(product));
  return product;
}

static avx2_INLINE __m256d avx2_divide_doubles(__m256d a, __m256d b) {
  return _mm256_div_pd(a, b);
}

static avx2_INLINE __m256d avx2_add_product(__m256d sum, __m256d a, __m256d b) {
  return _mm256_add_pd(sum, avx2_multiply_doubles(a, b));
}

static avx2_INLINE __m256d avx2_add_exact_product(__m256d sum, __m256d a, __m256d b) {
  return _mm256_fmadd_pd(a, b, sum);
}

/* Otherwise clang keeps the numbers themselves, too, as their squares are the same, and has not enough
** registers. */
static avx2_INLINE __m256d avx2_absolute_doubles(__m256d numbers) {
  numbers = _mm256_andnot_pd(_mm256_set1_pd(-0.0), numbers);
  avx2_AS_IT_STANDS(numbers);
  return numbers;
}

static avx2_INLINE __m256d avx2_round_doubles(__m256d numbers) {
  return _mm256_round_pd(numbers, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

static avx2_INLINE __m256d avx2_min_doubles(__m256d a, __m256d b) {
  return _mm256_min_pd(a, b);
}

static avx2_INLINE __m256d avx2_max_doubles(__m256d a, __m256d b) {
  return _mm256_max_pd(a, b);
}

static avx2_INLINE __m256d avx2_less(__m256d a, __m256d b) {
  return _mm256_cmp_pd(a, b, _CMP_LT_OQ);
}

static avx2_INLINE __m256d avx2_greater_equal(__m256d a, __m256d b) {
  return _mm256_cmp_pd(a, b, _CMP_GE_OQ);
}

static avx2_INLINE __m256d avx2_equal(__m256d a, __m256d b) {
  return _mm256_cmp_pd(a, b, _CMP_EQ_OQ);
}

static avx2_INLINE __m256d avx2_unequal(__m256d a, __m256d b) {
  return _mm256_cmp_pd(a, b, _CMP_NEQ_UQ);
}

static avx2_INLINE __m256d avx2_both(__m256d a, __m256d b) {
  return _mm256_and_pd(a, b);
}

static avx2_INLINE __m256d avx2_either(__m256d a, __m256d b) {
  return _mm256_or_pd(a, b);
}

static avx2_INLINE bool avx2_any(__m256d mask) {
  return _mm256_movemask_pd(mask) != 0;
}

static avx2_INLINE __m256d avx2_select_doubles(__m256d mask, __m256d yes, __m256d no) {
  return _mm256_blendv_pd(no, yes, mask);
}

static avx2_INLINE __m256i avx2_no_double_counts(void) {
  return _mm256_setzero_si256();
}

/* In 64 bits: clang would count in fewer, as the mask has them, and shorten every mask for that. */
static avx2_INLINE __m256i avx2_count_doubles(__m256i counts, __m256d mask) {
  counts = _mm256_sub_epi64(counts, _mm256_castpd_si256(mask));
  avx2_AS_IT_STANDS(counts);
  return counts;
}

static avx2_INLINE uint64_t avx2_fold_double_counts(__m256i counts) {
  uint64_t lanes[4];
  _mm256_storeu_si256((__m256i *)lanes, counts);
  return lanes[0] + lanes[1] + lanes[2] + lanes[3];
}

/* ---- Numbers of 64 bits ---- */

static avx2_INLINE __m256i avx2_longs_at(const unsigned char *data, unsigned part) {
  return avx2_load_32(data + 32 * part);
}

static avx2_INLINE __m256i avx2_swapped_longs_at(const unsigned char *data, unsigned part) {
  return _mm256_shuffle_epi32(avx2_longs_at(data, part), _MM_SHUFFLE(1, 0, 3, 2));
}

static avx2_INLINE __m256i avx2_load_longs(const uint64_t *numbers) {
  return _mm256_loadu_si256((const __m256i *)numbers);
}

static avx2_INLINE void avx2_store_longs(uint64_t *out, __m256i numbers) {
  _mm256_storeu_si256((__m256i *)out, numbers);
}

static avx2_INLINE __m256i avx2_all_longs(uint64_t number) {
  return _mm256_set1_epi64x((long long)number);
}

static avx2_INLINE __m256i avx2_xor_longs(__m256i a, __m256i b) {
  return _mm256_xor_si256(a, b);
}

static avx2_INLINE __m256i avx2_add_longs(__m256i a, __m256i b) {
  return _mm256_add_epi64(a, b);
}

static avx2_INLINE __m256i avx2_shift_longs_47(__m256i numbers) {
  return _mm256_srli_epi64(numbers, 47);
}

static avx2_INLINE __m256i avx2_multiply_halves(__m256i numbers) {
  return _mm256_mul_epu32(numbers, _mm256_srli_epi64(numbers, 32));
}

static avx2_INLINE __m256i avx2_multiply_longs(__m256i numbers, uint32_t factor) {
  const __m256i factors = _mm256_set1_epi64x(factor);
  __m256i high = _mm256_mul_epu32(_mm256_srli_epi64(numbers, 32), factors);
  return _mm256_add_epi64(_mm256_mul_epu32(numbers, factors), _mm256_slli_epi64(high, 32));
}

/* ---- Places ---- */

static avx2_INLINE __m256 avx2_near_places(__m256 numbers, __m256 scale, __m256 offset) {
  return _mm256_fmadd_ps(numbers, scale, offset);
}

static avx2_INLINE __m256 avx2_near_places_F64(const unsigned char *data, double scale,
                                               double offset) {
  __m256d scales = _mm256_set1_pd(scale), offsets = _mm256_set1_pd(offset);
  __m256d low = _mm256_fmadd_pd(avx2_doubles_F64(data, 0), scales, offsets);
  __m256d high = _mm256_fmadd_pd(avx2_doubles_F64(data, 1), scales, offsets);
  return _mm256_set_m128(_mm256_cvtpd_ps(high), _mm256_cvtpd_ps(low));
}

static avx2_INLINE __m256 avx2_nearer_integers(__m256 distances, __m256 places) {
  __m256 nearest = _mm256_round_ps(places, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  __m256 away = _mm256_andnot_ps(_mm256_set1_ps(-0.0f), _mm256_sub_ps(places, nearest));
  return _mm256_min_ps(away, distances);
}

static avx2_INLINE bool avx2_any_float_less(__m256 a, __m256 b) {
  return _mm256_movemask_ps(_mm256_cmp_ps(a, b, _CMP_LT_OQ)) != 0;
}

static avx2_INLINE __m256i avx2_truncate_floats(__m256 numbers) {
  return _mm256_cvttps_epi32(numbers);
}

static avx2_INLINE __m256i avx2_round_floats(__m256 numbers) {
  return _mm256_cvtps_epi32(numbers);
}

static avx2_INLINE __m256 avx2_floats_at(const float *numbers, __m256i indexes) {
  return _mm256_i32gather_ps(numbers, indexes, sizeof(float));
}

static avx2_INLINE __m256i avx2_one_less_if(__m256i words, __m256 a, __m256 b) {
  return _mm256_add_epi32(words, _mm256_castps_si256(_mm256_cmp_ps(a, b, _CMP_LT_OQ)));
}

static avx2_INLINE __m256i avx2_join_words(__m256i a, __m256i b, __m256i stride) {
  return _mm256_add_epi32(_mm256_madd_epi16(a, stride), b);
}

static avx2_INLINE void avx2_store_short_words(uint16_t *out, __m256i a, __m256i b) {
  _mm256_storeu_si256((__m256i *)(void *)out, _mm256_packus_epi32(a, b));
}

static avx2_INLINE void avx2_prefetch(const unsigned char *data) {
  _mm_prefetch((const char *)data, _MM_HINT_T0);
}

#endif
