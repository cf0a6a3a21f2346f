/* The kernels for AVX2 with FMA and F16C: Haswell, Zen and later. */
#include "kernels/kernels.h"

#if defined(__x86_64__)

#include "format/small_float.h"
#include "kernels/avx2.h"
#include "kernels/halves.h"

#define SET(name) avx2_##name

#include "kernels/generic/arithmetic.h"
#include "kernels/generic/bins.h"
#include "kernels/generic/convert.h"
#include "kernels/generic/hash.h"
#include "kernels/generic/integers.h"
#include "kernels/generic/pairs.h"
#include "kernels/generic/rows.h"
#include "kernels/generic/scan.h"
#include "kernels/generic/shorten.h"
#include "kernels/generic/slots.h"
/* Needs the sums of scan.h. */
#include "kernels/generic/halves.h"

#undef SET

/* ---- 8-bit floats through F16, which is faster than scalar table lookups and gathers ---- */

/* Loads 8 bytes, each into the upper half of 16 bits. */
static avx2_INLINE __m128i avx2_upper_halves(const unsigned char *data) {
  return _mm_unpacklo_epi8(_mm_setzero_si128(), avx2_load_8(data));
}

/* F8_E5M2 is the upper half of an F16. */
static avx2_INLINE __m256 avx2_widen_F8_E5M2(const unsigned char *data) {
  return _mm256_cvtph_ps(avx2_upper_halves(data));
}

/* F8_E4M3 is an F16 whose exponent is too small by 8, except for the NaN. */
static avx2_INLINE __m256 avx2_widen_F8_E4M3(const unsigned char *data) {
  __m128i codes = avx2_upper_halves(data), sign = _mm_and_si128(codes, _mm_set1_epi16(-0x8000));
  __m128i magnitude = _mm_srli_epi16(_mm_slli_epi16(codes, 1), 2);
  __m128i nan = _mm_cmpeq_epi16(magnitude, _mm_set1_epi16(0x3f80));
  __m128i halves = _mm_or_si128(_mm_or_si128(sign, magnitude), nan);
  return _mm256_mul_ps(_mm256_cvtph_ps(halves), _mm256_set1_ps(256));
}

static avx2_TARGET void avx2_convert_F8_E5M2(const unsigned char *data, uint64_t count,
                                             float *out) {
  avx2_convert(avx2_widen_F8_E5M2, 1, data, count, out);
}

static avx2_TARGET void avx2_convert_F8_E4M3(const unsigned char *data, uint64_t count,
                                             float *out) {
  avx2_convert(avx2_widen_F8_E4M3, 1, data, count, out);
}

/* ---- Rounding doubles to 16 bits ---- */

static avx2_TARGET void avx2_narrow_F16(const double *numbers, uint64_t count, unsigned char *out) {
  avx2_narrow(avx2_store_F16, 2, numbers, count, out);
}

static avx2_TARGET void avx2_narrow_BF16(const double *numbers, uint64_t count,
                                         unsigned char *out) {
  avx2_narrow(avx2_store_BF16, 2, numbers, count, out);
}

/* ---- Rounding floats to 16 bits ---- */

/* 8 numbers; where one is NaN, its sign and `nan`. */
static avx2_INLINE void avx2_store_short(unsigned char *out, __m128i codes, __m256i floats,
                                         int16_t nan) {
  __m256 numbers = _mm256_castsi256_ps(floats);
  __m256i nans = _mm256_castps_si256(_mm256_cmp_ps(numbers, numbers, _CMP_UNORD_Q));
  __m128i is_nan = _mm_packs_epi32(_mm256_castsi256_si128(nans), _mm256_extracti128_si256(nans, 1));
  __m256i signs = _mm256_srai_epi32(floats, 31); /* all bits of it */
  __m128i negative =
      _mm_packs_epi32(_mm256_castsi256_si128(signs), _mm256_extracti128_si256(signs, 1));
  __m128i code =
      _mm_or_si128(_mm_and_si128(negative, _mm_set1_epi16(INT16_MIN)), _mm_set1_epi16(nan));
  _mm_storeu_si128((__m128i *)(void *)out, _mm_blendv_epi8(codes, code, is_nan));
}

static avx2_INLINE void avx2_shorten_8_to_F16(const void *data, unsigned char *out) {
  __m256i floats = _mm256_loadu_si256((const __m256i *)data);
  __m128i codes = _mm256_cvtps_ph(_mm256_castsi256_ps(floats), _MM_FROUND_TO_NEAREST_INT);
  avx2_store_short(out, codes, floats, 0x7e00);
}

/* A carry out of the mantissa correctly increments the exponent. */
static avx2_INLINE void avx2_shorten_8_to_BF16(const void *data, unsigned char *out) {
  __m256i floats = _mm256_loadu_si256((const __m256i *)data);
  __m256i last = _mm256_and_si256(_mm256_srli_epi32(floats, 16), _mm256_set1_epi32(1));
  __m256i rounded = _mm256_add_epi32(_mm256_add_epi32(floats, last), _mm256_set1_epi32(0x7fff));
  __m256i codes = _mm256_srli_epi32(rounded, 16);
  avx2_store_short(
      out, _mm_packus_epi32(_mm256_castsi256_si128(codes), _mm256_extracti128_si256(codes, 1)),
      floats, 0x7fc0);
}

#define AVX2_SHORTEN(dtype)                                                                 \
  static avx2_TARGET void avx2_shorten_##dtype(const unsigned char *floats, uint64_t count, \
                                               unsigned char *out) {                        \
    for (; count >= 8; count -= 8, floats += 32, out += 16)                                 \
      avx2_shorten_8_to_##dtype(floats, out);                                               \
    if (count == 0) return;                                                                 \
    unsigned char last[32] = {0}, codes[16];                                                \
    memcpy(last, floats, (size_t)count * 4);                                                \
    avx2_shorten_8_to_##dtype(last, codes);                                                 \
    memcpy(out, codes, (size_t)count * 2);                                                  \
  }
AVX2_SHORTEN(F16)
AVX2_SHORTEN(BF16)
#undef AVX2_SHORTEN

/* ---- Lookup of four bits in a table ---- */

static avx2_TARGET void avx2_lookup_nibbles(const unsigned char *data, uint64_t count,
                                            const float *values, float *out) {
  const __m256i shift = _mm256_setr_epi32(0, 4, 8, 12, 16, 20, 24, 28);
  __m256 low = _mm256_loadu_ps(values), high = _mm256_loadu_ps(values + 8);
  uint64_t whole = count - count % 8;
  for (uint64_t i = 0; i < whole; i += 8) {
    int word;
    memcpy(&word, data + i / 2, sizeof word);
    __m256i codes = _mm256_srlv_epi32(_mm256_set1_epi32(word), shift);
    /* The lower three bits choose a value, the fourth one of the halves. */
    __m256 first = _mm256_permutevar8x32_ps(low, codes);
    __m256 second = _mm256_permutevar8x32_ps(high, codes);
    __m256 half = _mm256_castsi256_ps(_mm256_slli_epi32(codes, 28));
    _mm256_storeu_ps(out + i, _mm256_blendv_ps(first, second, half));
  }
  kernels_portable.lookup_nibbles(data + whole / 2, count - whole, values, out + whole);
}

/* ---- The set ---- */

const Kernels kernels_avx2 = {
    .name = "avx2",
    .needs = CPU_AVX2 | CPU_FMA | CPU_F16C | CPU_POPCNT,
    .convert = {[DTYPE_F8_E5M2] = avx2_convert_F8_E5M2,
                [DTYPE_F8_E4M3] = avx2_convert_F8_E4M3,
                [DTYPE_F16] = avx2_convert_F16,
                [DTYPE_BF16] = avx2_convert_BF16,
                [DTYPE_I16] = avx2_convert_I16,
                [DTYPE_U16] = avx2_convert_U16},
    .lookup_nibbles = avx2_lookup_nibbles,
    .find_bins = {[DTYPE_F32] = avx2_find_bins_F32, [DTYPE_F64] = avx2_find_bins_F64},
    .count_slots = {[DTYPE_F32] = avx2_count_slots_F32,
                    [DTYPE_F64] = avx2_count_slots_F64,
                    [DTYPE_F16] = avx2_count_slots_F16,
                    [DTYPE_BF16] = avx2_count_slots_BF16},
    .hash_blocks = avx2_hash_blocks,
    .hash_merge = avx2_hash_merge,
    .scan =
        {[DTYPE_F32] = avx2_scan_F32, [DTYPE_F16] = avx2_scan_F16, [DTYPE_BF16] = avx2_scan_BF16},
    .range = {[DTYPE_F32] = avx2_range_F32,
              [DTYPE_F16] = avx2_range_F16,
              [DTYPE_BF16] = avx2_range_BF16},
    .scan_integers = {[DTYPE_I8] = avx2_scan_I8,
                      [DTYPE_U8] = avx2_scan_U8,
                      [DTYPE_I16] = avx2_scan_I16,
                      [DTYPE_U16] = avx2_scan_U16},
    .scan_doubles = avx2_scan_doubles,
    .deviations = avx2_deviations,
    .pairs = {[DTYPE_F32] = avx2_pairs_F32,
              [DTYPE_F64] = avx2_pairs_F64,
              [DTYPE_F16] = avx2_pairs_F16,
              [DTYPE_BF16] = avx2_pairs_BF16},
    .squares = {[DTYPE_F32] = avx2_squares_F32,
                [DTYPE_F64] = avx2_squares_F64,
                [DTYPE_F16] = avx2_squares_F16,
                [DTYPE_BF16] = avx2_squares_BF16},
    .row_products = {[DTYPE_F32] = avx2_row_products_F32,
                     [DTYPE_F16] = avx2_row_products_F16,
                     [DTYPE_BF16] = avx2_row_products_BF16},
    .row_distances = {[DTYPE_F32] = avx2_row_distances_F32,
                      [DTYPE_F16] = avx2_row_distances_F16,
                      [DTYPE_BF16] = avx2_row_distances_BF16},
    .sum = {[DTYPE_F32] = avx2_sum_F32, [DTYPE_F16] = avx2_sum_F16, [DTYPE_BF16] = avx2_sum_BF16},
    .difference = {[DTYPE_F32] = avx2_difference_F32,
                   [DTYPE_F16] = avx2_difference_F16,
                   [DTYPE_BF16] = avx2_difference_BF16},
    .product = {[DTYPE_F32] = avx2_product_F32,
                [DTYPE_F16] = avx2_product_F16,
                [DTYPE_BF16] = avx2_product_BF16},
    .quotient = {[DTYPE_F32] = avx2_quotient_F32,
                 [DTYPE_F16] = avx2_quotient_F16,
                 [DTYPE_BF16] = avx2_quotient_BF16},
    .scan_computed = avx2_scan_computed,
    .scale_groups = avx2_scale_groups,
    .doubles = {[DTYPE_F32] = avx2_doubles_of_F32,
                [DTYPE_F16] = avx2_doubles_of_F16,
                [DTYPE_BF16] = avx2_doubles_of_BF16},
    .scale = {[DTYPE_F32] = avx2_scale_F32,
              [DTYPE_F64] = avx2_scale_F64,
              [DTYPE_F16] = avx2_scale_F16,
              [DTYPE_BF16] = avx2_scale_BF16},
    .add_scaled = {[DTYPE_F32] = avx2_add_scaled_F32,
                   [DTYPE_F64] = avx2_add_scaled_F64,
                   [DTYPE_F16] = avx2_add_scaled_F16,
                   [DTYPE_BF16] = avx2_add_scaled_BF16},
    .lerp = {[DTYPE_F32] = avx2_lerp_F32,
             [DTYPE_F64] = avx2_lerp_F64,
             [DTYPE_F16] = avx2_lerp_F16,
             [DTYPE_BF16] = avx2_lerp_BF16},
    .add = {[DTYPE_F64] = avx2_add_F64},
    .subtract = {[DTYPE_F64] = avx2_subtract_F64},
    .multiply = {[DTYPE_F64] = avx2_multiply_F64},
    .divide = {[DTYPE_F64] = avx2_divide_F64},
    .narrow = {[DTYPE_F32] = avx2_narrow_F32,
               [DTYPE_F16] = avx2_narrow_F16,
               [DTYPE_BF16] = avx2_narrow_BF16},
    .shorten = {[DTYPE_F16] = avx2_shorten_F16,
                [DTYPE_BF16] = avx2_shorten_BF16,
                [DTYPE_F8_E4M3] = avx2_shorten_F8_E4M3,
                [DTYPE_F8_E5M2] = avx2_shorten_F8_E5M2,
                [DTYPE_F8_E4M3FNUZ] = avx2_shorten_F8_E4M3FNUZ,
                [DTYPE_F8_E5M2FNUZ] = avx2_shorten_F8_E5M2FNUZ},
    .multiply_tile = avx2_multiply_tile,
};

#endif
