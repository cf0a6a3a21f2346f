/* The vocabulary of AVX-512 with F, BW, DQ, VL, VBMI and VNNI: see kernels.h. Instead of splitting
** a wide register, numbers are loaded again into narrower ones, because loads are cheap and lane
** crossings are not. The instructions for BF16 and FP16 are of no use, because they round sums to
** 24 and 11 bits. */
#ifndef SAFETENSORS_KERNELS_AVX512_H
#define SAFETENSORS_KERNELS_AVX512_H

#include <immintrin.h>
#include <math.h>

#include "format/element.h"
#include "kernels/kernels.h"

/* Versions 18 to 21 of clang have a word of its own for the registers of 512 bits, without which
** assembly may not use them. */
#if defined(__clang__) && __clang_major__ >= 18 && __clang_major__ < 22
#define avx512_REGISTERS ",evex512"
#else
#define avx512_REGISTERS ""
#endif
#define avx512_TARGET    \
  __attribute__((target( \
      "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,avx512vnni,f16c,popcnt" avx512_REGISTERS)))
#define avx512_INLINE avx512_TARGET inline __attribute__((always_inline))
#define avx512_UNROLL KERNEL_UNROLL
#define avx512_PART(a, b, c, d, constant)
#define avx512_BEFORE_THE_NEXT(vector)
#define avx512_PART_FLOATS(a, b, c, d, constant)
#if defined(__clang__)
/* Clang computes the vector as it stands, without regard to what becomes of it. */
#define avx512_AS_IT_STANDS(vector) __asm__("" : "+v"(vector))
/* What is loaded from the address has nothing to do with what else is loaded from there. */
#define avx512_APART(address) __asm__("" : "+r"(address))
/* Nor does it make a slower instruction of a permutation under a mask, since it does not know the mask. */
#define avx512_MASK_AS_IT_STANDS(mask) __asm__("" : "+Yk"(mask))
#else
#define avx512_AS_IT_STANDS(vector)
#define avx512_MASK_AS_IT_STANDS(mask)
#define avx512_APART(address)
#endif

typedef __m512 avx512_Floats;
typedef __m512i avx512_Words;
typedef __m512i avx512_Halves;
typedef __m512d avx512_Doubles;
typedef __mmask8 avx512_Mask;
typedef uint32_t avx512_Counts;
typedef __m512i avx512_DoubleCounts;

enum { avx512_FLOATS = 16, avx512_DOUBLES = 8, avx512_HALVES = 32 };
enum { avx512_RANGES = 1, avx512_HALF_RANGES = 1 };
enum { avx512_TILE_ROWS = 8, avx512_TILE_PARTS = 2 };
enum { avx512_PAIR_PASS = PAIR_LANES };
enum { avx512_ROW_GROUP = 4 };

static avx512_INLINE __m128i avx512_load_16(const unsigned char *data) {
  return _mm_loadu_si128((const __m128i *)data);
}

static avx512_INLINE __m256i avx512_load_32(const unsigned char *data) {
  return _mm256_loadu_si256((const __m256i *)data);
}

/* ---- Floats and words ---- */

static avx512_INLINE __m512 avx512_load_floats(const unsigned char *data) {
  return _mm512_loadu_ps(data);
}

static avx512_INLINE void avx512_store_floats(float *out, __m512 numbers) {
  _mm512_storeu_ps(out, numbers);
}

static avx512_INLINE __m512 avx512_all_floats(float number) {
  return _mm512_set1_ps(number);
}

static avx512_INLINE __m512 avx512_min_floats(__m512 a, __m512 b) {
  return _mm512_min_ps(a, b);
}

static avx512_INLINE __m512 avx512_max_floats(__m512 a, __m512 b) {
  return _mm512_max_ps(a, b);
}

static avx512_INLINE float avx512_fold_min_floats(__m512 numbers) {
  return _mm512_reduce_min_ps(numbers);
}

static avx512_INLINE float avx512_fold_max_floats(__m512 numbers) {
  return _mm512_reduce_max_ps(numbers);
}

static avx512_INLINE __m512 avx512_add_floats(__m512 a, __m512 b) {
  return _mm512_add_ps(a, b);
}

static avx512_INLINE __m512 avx512_subtract_floats(__m512 a, __m512 b) {
  return _mm512_sub_ps(a, b);
}

static avx512_INLINE __m512 avx512_multiply_floats(__m512 a, __m512 b) {
  return _mm512_mul_ps(a, b);
}

static avx512_INLINE __m512 avx512_divide_floats(__m512 a, __m512 b) {
  return _mm512_div_ps(a, b);
}

static avx512_INLINE __m512i avx512_bits_of_floats(__m512 numbers) {
  return _mm512_castps_si512(numbers);
}

static avx512_INLINE __m512i avx512_all_words(uint32_t word) {
  return _mm512_set1_epi32((int)word);
}

static avx512_INLINE __m512i avx512_and_words(__m512i a, __m512i b) {
  return _mm512_and_si512(a, b);
}

static avx512_INLINE __m512i avx512_add_words(__m512i a, __m512i b) {
  return _mm512_add_epi32(a, b);
}

static avx512_INLINE __m512i avx512_min_words(__m512i a, __m512i b) {
  return _mm512_min_epu32(a, b);
}

static avx512_INLINE __m512i avx512_max_words(__m512i a, __m512i b) {
  return _mm512_max_epu32(a, b);
}

static avx512_INLINE uint32_t avx512_fold_min_words(__m512i words) {
  return _mm512_reduce_min_epu32(words);
}

static avx512_INLINE uint32_t avx512_fold_max_words(__m512i words) {
  return _mm512_reduce_max_epu32(words);
}

static avx512_INLINE uint32_t avx512_no_counts(void) {
  return 0;
}

static avx512_INLINE uint32_t avx512_count_equal_words(uint32_t count, __m512i a, __m512i b) {
  return count + (uint32_t)__builtin_popcount(_mm512_cmpeq_epi32_mask(a, b));
}

static avx512_INLINE uint32_t avx512_count_equal_floats(uint32_t count, __m512 a, __m512 b) {
  return count + (uint32_t)__builtin_popcount(_mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ));
}

static avx512_INLINE uint32_t avx512_fold_counts(uint32_t count) {
  return count;
}

/* The smallest magnitude other than 0: in half of the instructions that it takes with words. */
#define SCAN_OWN_MAGNITUDES
typedef __m512 avx512_Least;

static avx512_INLINE __m512 avx512_no_least(void) {
  return _mm512_set1_ps(INFINITY);
}

static avx512_INLINE void avx512_add_to_least(__m512 *least, uint32_t *zeros, __m512 numbers,
                                              __m512i magnitude) {
  enum { LESS_MAGNITUDE_WITHOUT_SIGN = 10 };
  __mmask16 not_zero = _mm512_test_epi32_mask(_mm512_castps_si512(numbers), magnitude);
  *zeros += 16 - (uint32_t)__builtin_popcount(not_zero);
  *least = _mm512_mask_range_ps(*least, not_zero, *least, numbers, LESS_MAGNITUDE_WITHOUT_SIGN);
}

static avx512_INLINE float avx512_fold_least(__m512 least) {
  return _mm512_reduce_min_ps(least);
}

/* ---- Elements as floats ---- */

static avx512_INLINE __m512 avx512_widen_F16(const unsigned char *data) {
  return _mm512_cvtph_ps(avx512_load_32(data));
}

/* Each code to the upper half of a word, in one instruction: byte by byte, as Intel's processors take two steps for
** codes of 16 bits. Word i takes the bytes 2 i and 2 i + 1. */
static avx512_INLINE __m512 avx512_widen_BF16(const unsigned char *data) {
  const __m512i words = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
  const __m512i from = _mm512_add_epi32(_mm512_set1_epi32(0x01000000),
                                        _mm512_mullo_epi32(words, _mm512_set1_epi32(0x02020000)));
  __m512i codes = _mm512_castsi256_si512(avx512_load_32(data));
  __mmask64 upper = UINT64_C(0xcccccccccccccccc);
  avx512_MASK_AS_IT_STANDS(upper);
  return _mm512_castsi512_ps(_mm512_maskz_permutexvar_epi8(upper, from, codes));
}

static avx512_INLINE __m512 avx512_widen_I16(const unsigned char *data) {
  return _mm512_cvtepi32_ps(_mm512_cvtepi16_epi32(avx512_load_32(data)));
}

static avx512_INLINE __m512 avx512_widen_U16(const unsigned char *data) {
  return _mm512_cvtepi32_ps(_mm512_cvtepu16_epi32(avx512_load_32(data)));
}

/* ---- Numbers of 16 bits ---- */

static avx512_INLINE __m512i avx512_load_halves(const unsigned char *data) {
  return _mm512_loadu_si512(data);
}

static avx512_INLINE __m512i avx512_all_halves(uint16_t half) {
  return _mm512_set1_epi16((int16_t)half);
}

static avx512_INLINE __m512i avx512_xor_halves(__m512i a, __m512i b) {
  return _mm512_xor_si512(a, b);
}

static avx512_INLINE __m512i avx512_min_signed_halves(__m512i a, __m512i b) {
  return _mm512_min_epi16(a, b);
}

static avx512_INLINE __m512i avx512_max_signed_halves(__m512i a, __m512i b) {
  return _mm512_max_epi16(a, b);
}

static avx512_INLINE uint16_t avx512_fold_min_halves(__m512i unsigned_halves) {
  __m256i half = _mm256_min_epu16(_mm512_castsi512_si256(unsigned_halves),
                                  _mm512_extracti64x4_epi64(unsigned_halves, 1));
  __m128i quarter = _mm_min_epu16(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
  return (uint16_t)_mm_cvtsi128_si32(_mm_minpos_epu16(quarter));
}

static avx512_INLINE int16_t avx512_fold_min_signed_halves(__m512i halves) {
  __m512i above = _mm512_xor_si512(halves, _mm512_set1_epi16(INT16_MIN));
  return (int16_t)(avx512_fold_min_halves(above) ^ 0x8000);
}

static avx512_INLINE int16_t avx512_fold_max_signed_halves(__m512i halves) {
  __m512i below = _mm512_xor_si512(halves, _mm512_set1_epi16(INT16_MAX));
  return (int16_t)(avx512_fold_min_halves(below) ^ 0x7fff);
}

static avx512_INLINE __m512i avx512_count_zero_halves(__m512i counts, __m512i halves) {
  __mmask32 zero = _mm512_testn_epi16_mask(halves, halves);
  return _mm512_mask_sub_epi16(counts, zero, counts, _mm512_set1_epi16(-1));
}

static avx512_INLINE __m512i avx512_count_equal_halves(__m512i counts, __m512i a, __m512i b) {
  __mmask32 zero = _mm512_testn_epi16_mask(_mm512_or_si512(a, b), avx512_all_halves(0x7fff));
  __mmask32 equal = _mm512_cmpeq_epi16_mask(a, b) | zero;
  return _mm512_mask_sub_epi16(counts, equal, counts, avx512_all_halves(UINT16_MAX));
}

static avx512_INLINE uint32_t avx512_fold_half_counts(__m512i counts) {
  return (uint32_t)_mm512_reduce_add_epi32(_mm512_madd_epi16(counts, _mm512_set1_epi16(1)));
}

/* ---- Integers of 8 and 16 bits ---- */

typedef struct avx512_ShortSums {
  __m512i sum, squares; /* squares in 32 bits, if they are narrow, or in 64 */
} avx512_ShortSums;

static avx512_INLINE avx512_ShortSums avx512_no_short_sums(void) {
  return (avx512_ShortSums){_mm512_setzero_si512(), _mm512_setzero_si512()};
}

/* The sum of two squares has 32 bits, of which the first is no sign. */
static avx512_INLINE avx512_ShortSums avx512_add_shorts(avx512_ShortSums sums, __m512i numbers,
                                                        bool narrow) {
  sums.sum = _mm512_dpwssd_epi32(sums.sum, numbers, _mm512_set1_epi16(1));
  if (narrow) {
    sums.squares = _mm512_dpwssd_epi32(sums.squares, numbers, numbers);
  } else {
    __m512i squares = _mm512_madd_epi16(numbers, numbers);
    __m512i low = _mm512_and_si512(squares, _mm512_set1_epi64(UINT32_MAX));
    __m512i both = _mm512_add_epi64(low, _mm512_srli_epi64(squares, 32));
    sums.squares = _mm512_add_epi64(sums.squares, both);
  }
  return sums;
}

static avx512_INLINE int64_t avx512_fold_short_sum(avx512_ShortSums sums) {
  __m512i halves = _mm512_add_epi64(_mm512_cvtepi32_epi64(_mm512_castsi512_si256(sums.sum)),
                                    _mm512_cvtepi32_epi64(_mm512_extracti64x4_epi64(sums.sum, 1)));
  return _mm512_reduce_add_epi64(halves);
}

static avx512_INLINE uint64_t avx512_fold_short_squares(avx512_ShortSums sums, bool narrow) {
  __m512i squares = sums.squares;
  if (narrow) {
    __m512i low = _mm512_and_si512(squares, _mm512_set1_epi64(UINT32_MAX));
    squares = _mm512_add_epi64(low, _mm512_srli_epi64(squares, 32));
  }
  return (uint64_t)_mm512_reduce_add_epi64(squares);
}

static avx512_INLINE __m512i avx512_halves_I8(const unsigned char *data) {
  return _mm512_cvtepi8_epi16(avx512_load_32(data));
}

static avx512_INLINE __m512i avx512_halves_U8(const unsigned char *data) {
  return _mm512_cvtepu8_epi16(avx512_load_32(data));
}

static avx512_INLINE __m512i avx512_halves_16(const unsigned char *data) {
  return _mm512_loadu_si512(data);
}

/* ---- Doubles ---- */

/* Otherwise half of a register that was loaded before would be put together from single floats, and
** comparisons of the doubles would become comparisons of the floats, whose results would be
** widened. */
static avx512_INLINE __m512d avx512_doubles_F32(const unsigned char *data, unsigned part) {
  data += 32 * part;
  avx512_APART(data);
  __m512d numbers = _mm512_cvtps_pd(_mm256_castsi256_ps(avx512_load_32(data)));
  avx512_AS_IT_STANDS(numbers);
  return numbers;
}

static avx512_INLINE __m512d avx512_doubles_F64(const unsigned char *data, unsigned part) {
  return _mm512_loadu_pd(data + 64 * part);
}

static avx512_INLINE __m512d avx512_doubles_F16(const unsigned char *data, unsigned part) {
  __m512d numbers = _mm512_cvtps_pd(_mm256_cvtph_ps(avx512_load_16(data + 16 * part)));
  avx512_AS_IT_STANDS(numbers);
  return numbers;
}

static avx512_INLINE __m512d avx512_doubles_BF16(const unsigned char *data, unsigned part) {
  const __m256i from = _mm256_set_epi8(15, 14, 0, 0, 13, 12, 0, 0, 11, 10, 0, 0, 9, 8, 0, 0, 7, 6,
                                       0, 0, 5, 4, 0, 0, 3, 2, 0, 0, 1, 0, 0, 0);
  __m256i codes = _mm256_castsi128_si256(avx512_load_16(data + 16 * part));
  __mmask32 upper = 0xcccccccc;
  avx512_MASK_AS_IT_STANDS(upper);
  codes = _mm256_maskz_permutexvar_epi8(upper, from, codes);
  __m512d numbers = _mm512_cvtps_pd(_mm256_castsi256_ps(codes));
  avx512_AS_IT_STANDS(numbers);
  return numbers;
}

/* In the order of scan_lane(): part 0 has the first number of every pair, part 1 the second. */
/* Otherwise only what the mask leaves would be loaded, code by code. */
static avx512_INLINE __m512d avx512_lanes_BF16(const unsigned char *data, unsigned part) {
  avx512_APART(data);
  __m256i codes = avx512_load_32(data);
  avx512_AS_IT_STANDS(codes);
  __m256i bits = part == 0 ? _mm256_slli_epi32(codes, 16)
                           : _mm256_and_si256(codes, _mm256_set1_epi32(-0x10000));
  return _mm512_cvtps_pd(_mm256_castsi256_ps(bits));
}

static avx512_INLINE void avx512_store_doubles(double *out, __m512d numbers) {
  _mm512_storeu_pd(out, numbers);
}

static avx512_INLINE void avx512_store_F32(unsigned char *out, __m512d numbers) {
  _mm256_storeu_ps((float *)(void *)out, _mm512_cvtpd_ps(numbers));
}

/* Rounds to odd floats: toward 0, and if that is not exact, with the last bit set. Rounding that again
** to fewer bits gives the same as rounding once. */
static avx512_INLINE __m256i avx512_odd_floats(__m512d numbers) {
  __m256 floats = _mm512_cvt_roundpd_ps(numbers, _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC);
  __mmask8 inexact = _mm512_cmp_pd_mask(_mm512_cvtps_pd(floats), numbers, _CMP_NEQ_OQ);
  __m256i bits = _mm256_castps_si256(floats), last = _mm256_set1_epi32(1);
  avx512_AS_IT_STANDS(last); /* or else the mask would become words, and these the last bits */
  return _mm256_mask_or_epi32(bits, inexact, bits, last);
}

/* Stores 8 numbers of 16 bits; where the number is NaN, the sign and `nan` instead. */
static avx512_INLINE void avx512_store_codes(unsigned char *out, __m128i codes, __m512d numbers,
                                             int16_t nan) {
  __mmask8 is_nan = _mm512_cmp_pd_mask(numbers, numbers, _CMP_UNORD_Q);
  __m128i signs = _mm_and_si128(codes, _mm_set1_epi16(INT16_MIN));
  __m128i nans = _mm_or_si128(signs, _mm_set1_epi16(nan));
  _mm_storeu_si128((__m128i *)(void *)out, _mm_mask_blend_epi16(is_nan, codes, nans));
}

static avx512_INLINE void avx512_store_F16(unsigned char *out, __m512d numbers) {
  __m256i odd = avx512_odd_floats(numbers);
  __m128i codes = _mm256_cvtps_ph(_mm256_castsi256_ps(odd), _MM_FROUND_TO_NEAREST_INT);
  avx512_store_codes(out, codes, numbers, 0x7e00);
}

/* A carry out of the mantissa correctly increments the exponent, but that of a NaN may be lost. */
static avx512_INLINE void avx512_store_BF16(unsigned char *out, __m512d numbers) {
  __m256i odd = avx512_odd_floats(numbers);
  __m256i last = _mm256_and_si256(_mm256_srli_epi32(odd, 16), _mm256_set1_epi32(1));
  __m256i rounder = _mm256_add_epi32(last, _mm256_set1_epi32(0x7fff));
  __mmask8 is_number = _mm512_cmp_pd_mask(numbers, numbers, _CMP_ORD_Q);
  __m256i rounded = _mm256_mask_add_epi32(odd, is_number, odd, rounder);
  avx512_store_codes(out, _mm256_cvtepi32_epi16(_mm256_srli_epi32(rounded, 16)), numbers, 0x7fc0);
}

static avx512_INLINE void avx512_store_truncated(int32_t *out, __m512d numbers) {
  _mm256_storeu_si256((__m256i *)out, _mm512_cvttpd_epi32(numbers));
}

/* ---- Places ---- */

static avx512_INLINE __m512 avx512_near_places(__m512 numbers, __m512 scale, __m512 offset) {
  return _mm512_fmadd_ps(numbers, scale, offset);
}

static avx512_INLINE __m512 avx512_near_places_F64(const unsigned char *data, double scale,
                                                   double offset) {
  __m512d scales = _mm512_set1_pd(scale), offsets = _mm512_set1_pd(offset);
  __m512d low = _mm512_fmadd_pd(_mm512_loadu_pd(data), scales, offsets);
  __m512d high = _mm512_fmadd_pd(_mm512_loadu_pd(data + 64), scales, offsets);
  return _mm512_insertf32x8(_mm512_castps256_ps512(_mm512_cvtpd_ps(low)), _mm512_cvtpd_ps(high), 1);
}

static avx512_INLINE __m512 avx512_nearer_integers(__m512 distances, __m512 places) {
  enum { FROM_NEAREST = 8, LESS_WITHOUT_SIGN = 10 };
  return _mm512_range_ps(distances, _mm512_reduce_ps(places, FROM_NEAREST), LESS_WITHOUT_SIGN);
}

static avx512_INLINE bool avx512_any_float_less(__m512 a, __m512 b) {
  return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ) != 0;
}

static avx512_INLINE __m512i avx512_truncate_floats(__m512 numbers) {
  return _mm512_cvttps_epi32(numbers);
}

static avx512_INLINE __m512i avx512_round_floats(__m512 numbers) {
  return _mm512_cvtps_epi32(numbers);
}

static avx512_INLINE __m512 avx512_floats_at(const float *numbers, __m512i indexes) {
  return _mm512_i32gather_ps(indexes, numbers, sizeof(float));
}

static avx512_INLINE __m512i avx512_one_less_if(__m512i words, __m512 a, __m512 b) {
  __mmask16 less = _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ);
  __m512i one = _mm512_set1_epi32(1);
  avx512_AS_IT_STANDS(one);
  return _mm512_mask_sub_epi32(words, less, words, one);
}

static avx512_INLINE __m512i avx512_join_words(__m512i a, __m512i b, __m512i stride) {
  return _mm512_add_epi32(_mm512_madd_epi16(a, stride), b);
}

static avx512_INLINE void avx512_store_short_words(uint16_t *out, __m512i a, __m512i b) {
  _mm512_storeu_si512(out, _mm512_packus_epi32(a, b));
}

static avx512_INLINE void avx512_prefetch(const unsigned char *data) {
  _mm_prefetch((const char *)data, _MM_HINT_T0);
}

static avx512_INLINE __m512d avx512_all_doubles(double number) {
  return _mm512_set1_pd(number);
}

static avx512_INLINE __m512d avx512_add_doubles(__m512d a, __m512d b) {
  return _mm512_add_pd(a, b);
}

static avx512_INLINE __m512d avx512_subtract_doubles(__m512d a, __m512d b) {
  return _mm512_sub_pd(a, b);
}

/* The barrier keeps the compiler from fusing the product with the addition. */
static avx512_INLINE __m512d avx512_multiply_doubles(__m512d a, __m512d b) {
  __m512d product = _mm512_mul_pd(a, b);
  __asm__("" : "+v"(product));
  return product;
}

static avx512_INLINE __m512d avx512_divide_doubles(__m512d a, __m512d b) {
  return _mm512_div_pd(a, b);
}

static avx512_INLINE __m512d avx512_add_product(__m512d sum, __m512d a, __m512d b) {
  return _mm512_add_pd(sum, avx512_multiply_doubles(a, b));
}

static avx512_INLINE __m512d avx512_add_exact_product(__m512d sum, __m512d a, __m512d b) {
  return _mm512_fmadd_pd(a, b, sum);
}

static avx512_INLINE __m512d avx512_absolute_doubles(__m512d numbers) {
  return _mm512_abs_pd(numbers);
}

static avx512_INLINE __m512d avx512_round_doubles(__m512d numbers) {
  return _mm512_roundscale_pd(numbers, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

static avx512_INLINE __m512d avx512_min_doubles(__m512d a, __m512d b) {
  return _mm512_min_pd(a, b);
}

static avx512_INLINE __m512d avx512_max_doubles(__m512d a, __m512d b) {
  return _mm512_max_pd(a, b);
}

static avx512_INLINE __mmask8 avx512_less(__m512d a, __m512d b) {
  return _mm512_cmp_pd_mask(a, b, _CMP_LT_OQ);
}

static avx512_INLINE __mmask8 avx512_greater_equal(__m512d a, __m512d b) {
  return _mm512_cmp_pd_mask(a, b, _CMP_GE_OQ);
}

static avx512_INLINE __mmask8 avx512_equal(__m512d a, __m512d b) {
  return _mm512_cmp_pd_mask(a, b, _CMP_EQ_OQ);
}

static avx512_INLINE __mmask8 avx512_unequal(__m512d a, __m512d b) {
  return _mm512_cmp_pd_mask(a, b, _CMP_NEQ_UQ);
}

static avx512_INLINE __mmask8 avx512_both(__mmask8 a, __mmask8 b) {
  return a & b;
}

static avx512_INLINE __mmask8 avx512_either(__mmask8 a, __mmask8 b) {
  return a | b;
}

static avx512_INLINE bool avx512_any(__mmask8 mask) {
  return mask != 0;
}

static avx512_INLINE __m512d avx512_select_doubles(__mmask8 mask, __m512d yes, __m512d no) {
  return _mm512_mask_blend_pd(mask, no, yes);
}

static avx512_INLINE __m512i avx512_no_double_counts(void) {
  return _mm512_setzero_si512();
}

static avx512_INLINE __m512i avx512_count_doubles(__m512i counts, __mmask8 mask) {
  return _mm512_mask_sub_epi64(counts, mask, counts, _mm512_set1_epi64(-1));
}

static avx512_INLINE uint64_t avx512_fold_double_counts(__m512i counts) {
  return (uint64_t)_mm512_reduce_add_epi64(counts);
}

#endif
