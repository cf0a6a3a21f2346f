/* The kernels for AVX-512: Ice Lake, Zen 4 and later. Hashing is inherited from AVX2. With
** registers twice as wide it would be slower, since few tensors begin on a cache line, and most
** loads would touch two lines. */
#include "kernels/kernels.h"

#if defined(__x86_64__)

#include "format/small_float.h"
#include "kernels/avx512.h"
#include "kernels/halves.h"

#define SET(name) avx512_##name

#include "kernels/generic/arithmetic.h"
#include "kernels/generic/bins.h"
#include "kernels/generic/convert.h"
#include "kernels/generic/integers.h"
#include "kernels/generic/pairs.h"
#include "kernels/generic/rows.h"
#include "kernels/generic/scan.h"
#include "kernels/generic/shorten.h"
#include "kernels/generic/slots.h"

#undef SET
#undef SCAN_OWN_MAGNITUDES

/* ---- Lookup of bytes in a table ---- */

/* One byte for each of the 256 codes. */
typedef struct avx512_Plane {
  __m512i quarter[4];
} avx512_Plane;

static avx512_INLINE avx512_Plane avx512_load_plane(const unsigned char *bytes) {
  avx512_Plane plane;
  for (unsigned q = 0; q < 4; q++) plane.quarter[q] = _mm512_loadu_si512(bytes + 64 * q);
  return plane;
}

static avx512_INLINE __m512i avx512_look_up(const avx512_Plane *plane, __m512i codes,
                                            __mmask64 upper) {
  __m512i low = _mm512_permutex2var_epi8(plane->quarter[0], codes, plane->quarter[1]);
  __m512i high = _mm512_permutex2var_epi8(plane->quarter[2], codes, plane->quarter[3]);
  return _mm512_mask_blend_epi8(upper, low, high);
}

/* Stores 64 floats, whose third and fourth bytes are in `low` and `high`. */
static avx512_INLINE void avx512_store_interleaved(float *out, __m512i low, __m512i high) {
  __m512i zero = _mm512_setzero_si512();
  __m512i first = _mm512_unpacklo_epi8(low, high), second = _mm512_unpackhi_epi8(low, high);
  /* Each has four values from each quarter of the 64. */
  __m512i a = _mm512_unpacklo_epi16(zero, first), b = _mm512_unpackhi_epi16(zero, first);
  __m512i c = _mm512_unpacklo_epi16(zero, second), d = _mm512_unpackhi_epi16(zero, second);
  __m512i ab_01 = _mm512_shuffle_i32x4(a, b, 0x44), cd_01 = _mm512_shuffle_i32x4(c, d, 0x44);
  __m512i ab_23 = _mm512_shuffle_i32x4(a, b, 0xee), cd_23 = _mm512_shuffle_i32x4(c, d, 0xee);
  _mm512_storeu_si512(out, _mm512_shuffle_i32x4(ab_01, cd_01, 0x88));
  _mm512_storeu_si512(out + 16, _mm512_shuffle_i32x4(ab_01, cd_01, 0xdd));
  _mm512_storeu_si512(out + 32, _mm512_shuffle_i32x4(ab_23, cd_23, 0x88));
  _mm512_storeu_si512(out + 48, _mm512_shuffle_i32x4(ab_23, cd_23, 0xdd));
}

static avx512_TARGET void avx512_lookup(const unsigned char *data, uint64_t count,
                                        const ByteValues *table, float *out) {
  avx512_Plane low = avx512_load_plane(table->low), high = avx512_load_plane(table->high);
  uint64_t whole = count - count % 64;
  for (uint64_t i = 0; i < whole; i += 64) {
    __m512i codes = _mm512_loadu_si512(data + i);
    __mmask64 upper = _mm512_movepi8_mask(codes);
    avx512_store_interleaved(out + i, avx512_look_up(&low, codes, upper),
                             avx512_look_up(&high, codes, upper));
  }
  kernels_portable.lookup(data + whole, count - whole, table, out + whole);
}

static avx512_TARGET void avx512_lookup_nibbles(const unsigned char *data, uint64_t count,
                                                const float *values, float *out) {
  const __m512i word = _mm512_setr_epi32(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1);
  const __m512i shift = _mm512_setr_epi32(0, 4, 8, 12, 16, 20, 24, 28, 0, 4, 8, 12, 16, 20, 24, 28);
  __m512 table = _mm512_loadu_ps(values);
  uint64_t whole = count - count % 16;
  for (uint64_t i = 0; i < whole; i += 16) {
    __m128i words = _mm_loadl_epi64((const __m128i *)(const void *)(data + i / 2));
    __m512i spread = _mm512_permutexvar_epi32(word, _mm512_castsi128_si512(words));
    __m512i codes = _mm512_srlv_epi32(spread, shift); /* only the lower four bits are looked at */
    _mm512_storeu_ps(out + i, _mm512_permutexvar_ps(codes, table));
  }
  kernels_portable.lookup_nibbles(data + whole / 2, count - whole, values, out + whole);
}

/* ---- F16 and BF16: minimum and maximum in 16 bits ---- */

/* As signed numbers, codes without a sign are in the order of their values, above all codes with a
** sign. As unsigned numbers, codes with a sign are the largest, and the one with the lowest value
** is the maximum. */
typedef struct avx512_HalfRange {
  __m512i max_signed, max_unsigned;
  uint32_t zeros;
} avx512_HalfRange;

static avx512_INLINE avx512_HalfRange avx512_no_half_range(void) {
  return (avx512_HalfRange){_mm512_set1_epi16(INT16_MIN), _mm512_setzero_si512(), 0};
}

/* Returns which elements are not 0. */
static avx512_INLINE __mmask32 avx512_add_to_half_range(avx512_HalfRange *range, __m512i codes) {
  __mmask32 not_zero = _mm512_test_epi16_mask(codes, _mm512_set1_epi16(0x7fff));
  range->zeros += avx512_HALVES - (uint32_t)__builtin_popcount(not_zero);
  range->max_signed = _mm512_max_epi16(range->max_signed, codes);
  range->max_unsigned = _mm512_max_epu16(range->max_unsigned, codes);
  return not_zero;
}

/* The smallest code as an unsigned number: the element closest to 0, if all have the same sign. */
static avx512_TARGET uint16_t avx512_min_unsigned(const unsigned char *data, uint64_t count) {
  __m512i min = _mm512_set1_epi16(-1);
  for (uint64_t i = 0; i < count; i += avx512_HALVES) {
    min = _mm512_min_epu16(min, _mm512_loadu_si512(data + 2 * i));
  }
  return avx512_fold_min_halves(min);
}

static avx512_INLINE FloatRange avx512_settle_halves(Dtype dtype, const unsigned char *data,
                                                     uint64_t count, const avx512_HalfRange *all) {
  const __m512i ones = _mm512_set1_epi16(-1), highest = _mm512_set1_epi16(INT16_MAX);
  unsigned max = avx512_fold_min_halves(_mm512_xor_si512(all->max_signed, highest)) ^ 0x7fffu;
  unsigned min = avx512_fold_min_halves(_mm512_xor_si512(all->max_unsigned, ones)) ^ 0xffffu;
  if (max >= 0x8000) max = avx512_min_unsigned(data, count);
  if (min < 0x8000) min = avx512_min_unsigned(data, count);
  return half_range(dtype, count, min, max, all->zeros);
}

/* As avx512_add_to_sums(), with a product of its own, which is exact: then the sums of squares of two steps in a
** row wait for one fused multiplication and one addition, and not for two multiplications. */
static avx512_INLINE void avx512_add_to_sums_apart(avx512_Sums *sums, unsigned part,
                                                   __m512d numbers) {
  sums->numbers[part] = avx512_add_doubles(sums->numbers[part], numbers);
  sums->squares[part] = avx512_add_product(sums->squares[part], numbers, numbers);
}

static avx512_TARGET void avx512_scan_F16(const unsigned char *data, uint64_t count,
                                          FloatScan *out) {
  avx512_HalfRange range = avx512_no_half_range();
  avx512_Sums sums = avx512_no_sums();
  for (uint64_t i = 0; i < count; i += avx512_HALVES) {
    const unsigned char *next = data + 2 * i;
    avx512_prefetch(next + SCAN_AHEAD);
    avx512_add_to_half_range(&range, _mm512_loadu_si512(next));
    avx512_add_to_sums_apart(&sums, 0, avx512_doubles_F16(next, 0));
    avx512_add_to_sums_apart(&sums, 1, avx512_doubles_F16(next, 1));
    avx512_add_to_sums(&sums, 0, avx512_doubles_F16(next, 2));
    avx512_add_to_sums(&sums, 1, avx512_doubles_F16(next, 3));
  }
  avx512_store_sums(&sums, out);
  FloatRange settled = avx512_settle_halves(DTYPE_F16, data, count, &range);
  half_scan(DTYPE_F16, &settled, 0, out);
}

static avx512_TARGET void avx512_scan_BF16(const unsigned char *data, uint64_t count,
                                           FloatScan *out) {
  const __m512i magnitude = _mm512_set1_epi16(0x7fff);
  __m512i min = magnitude; /* of the magnitudes other than 0 */
  avx512_HalfRange range = avx512_no_half_range();
  avx512_Sums sums = avx512_no_sums();
  for (uint64_t i = 0; i < count; i += avx512_HALVES) {
    const unsigned char *next = data + 2 * i;
    avx512_prefetch(next + SCAN_AHEAD);
    __m512i codes = _mm512_loadu_si512(next);
    __mmask32 not_zero = avx512_add_to_half_range(&range, codes);
    min = _mm512_mask_min_epu16(min, not_zero, min, _mm512_and_si512(codes, magnitude));
    avx512_add_to_sums_apart(&sums, 0, avx512_lanes_BF16(next, 0));
    avx512_add_to_sums_apart(&sums, 1, avx512_lanes_BF16(next, 1));
    avx512_add_to_sums(&sums, 0, avx512_lanes_BF16(next + 32, 0));
    avx512_add_to_sums(&sums, 1, avx512_lanes_BF16(next + 32, 1));
  }
  avx512_store_sums(&sums, out);
  FloatRange settled = avx512_settle_halves(DTYPE_BF16, data, count, &range);
  half_scan(DTYPE_BF16, &settled, avx512_fold_min_halves(min), out);
}

static avx512_INLINE FloatRange avx512_range_halves(Dtype dtype, const unsigned char *data,
                                                    uint64_t count) {
  avx512_HalfRange range = avx512_no_half_range();
  for (uint64_t i = 0; i < count; i += avx512_HALVES) {
    avx512_prefetch(data + 2 * i + SCAN_AHEAD);
    avx512_add_to_half_range(&range, _mm512_loadu_si512(data + 2 * i));
  }
  return avx512_settle_halves(dtype, data, count, &range);
}

static avx512_TARGET void avx512_range_F16(const unsigned char *data, uint64_t count,
                                           FloatRange *out) {
  *out = avx512_range_halves(DTYPE_F16, data, count);
}

static avx512_TARGET void avx512_range_BF16(const unsigned char *data, uint64_t count,
                                            FloatRange *out) {
  *out = avx512_range_halves(DTYPE_BF16, data, count);
}

/* ---- Bytes ---- */

/* The smallest of signed bytes. */
static avx512_INLINE int8_t avx512_fold_min_bytes(__m512i bytes) {
  __m256i half =
      _mm256_min_epi8(_mm512_castsi512_si256(bytes), _mm512_extracti64x4_epi64(bytes, 1));
  __m128i quarter = _mm_min_epi8(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
  __m128i above = _mm_xor_si128(quarter, _mm_set1_epi8(INT8_MIN)); /* as unsigned numbers */
  __m128i words = _mm_min_epu8(above, _mm_srli_epi16(above, 8));
  int smallest = _mm_cvtsi128_si32(_mm_minpos_epu16(words)) & 0xff;
  return (int8_t)(smallest - 128);
}

/* Codes are looked up by their lower six bits, and the seventh says which places they are in. */
static avx512_INLINE void avx512_scan_places(const unsigned char *data, uint64_t count,
                                             const ByteDigits *digits, unsigned low_places,
                                             unsigned places, ByteScan *out) {
  const __m512i magnitude = _mm512_set1_epi8(0x7f), one = _mm512_set1_epi8(1);
  const __m512i seventh = _mm512_set1_epi8(KERNEL_LOW_CODES), zero = _mm512_setzero_si512();
  __m512i tables[DIGIT_PLACES], sums[DIGIT_PLACES], squares[DIGIT_PLACES];
  __m512i min = _mm512_set1_epi8(INT8_MAX), max = _mm512_set1_epi8(INT8_MIN);
  __mmask64 minus_zeros = 0;
  uint64_t zeros = 0;
  KERNEL_UNROLL for (unsigned p = 0; p < places; p++) {
    tables[p] = _mm512_loadu_si512(digits->digit[p] + (p < low_places ? 0 : KERNEL_LOW_CODES));
    sums[p] = squares[p] = zero;
  }
  for (uint64_t i = 0; i < count; i += BYTES_STEP) {
    avx512_prefetch(data + i + SCAN_AHEAD);
    __m512i codes = _mm512_loadu_si512(data + i);
    __mmask64 negative = _mm512_movepi8_mask(codes);
    __mmask64 none = _mm512_testn_epi8_mask(codes, magnitude);
    __mmask64 high = _mm512_test_epi8_mask(codes, seventh), low = _knot_mask64(high);
    avx512_MASK_AS_IT_STANDS(low); /* or else clang permutes without a mask, and then blends */
    __m512i signs = _mm512_mask_sub_epi8(one, negative, zero, one);
    __m512i keys = _mm512_mask_sub_epi8(codes, negative, magnitude, codes); /* see byte_code() */
    zeros += (uint64_t)__builtin_popcountll(none);
    minus_zeros |= none & negative;
    min = _mm512_min_epi8(min, keys);
    max = _mm512_max_epi8(max, keys);
    KERNEL_UNROLL for (unsigned p = 0; p < places; p++) {
      __m512i digit = _mm512_maskz_permutexvar_epi8(p < low_places ? low : high, codes, tables[p]);
      sums[p] = _mm512_dpbusd_epi32(sums[p], digit, signs);
      squares[p] = _mm512_dpbusd_epi32(squares[p], digit, digit);
    }
  }
  int8_t last = (int8_t)~avx512_fold_min_bytes(_mm512_xor_si512(max, _mm512_set1_epi8(-1)));
  *out = (ByteScan){.zeros = zeros,
                    .minus_zero = minus_zeros != 0,
                    .min = byte_code(avx512_fold_min_bytes(min)),
                    .max = byte_code(last)};
  KERNEL_UNROLL for (unsigned p = 0; p < places; p++) {
    out->sums[p] = _mm512_reduce_add_epi32(sums[p]);
    out->squares[p] = (uint32_t)_mm512_reduce_add_epi32(squares[p]);
  }
}

/* The compiler makes a loop for each number of places, so that everything is kept in registers. */
static avx512_TARGET void avx512_scan_bytes(const unsigned char *data, uint64_t count,
                                            const ByteDigits *digits, ByteScan *out) {
  unsigned low = digits != NULL ? digits->low_places : 0, all = digits != NULL ? digits->places : 0;
  if (all == 0) {
    avx512_scan_places(data, count, digits, 0, 0, out);
  } else if (low == 1 && all == 1) { /* F4, F6_E2M3 */
    avx512_scan_places(data, count, digits, 1, 1, out);
  } else if (low == 2 && all == 2) { /* F6_E3M2 */
    avx512_scan_places(data, count, digits, 2, 2, out);
  } else if (low == 2 && all == 4) { /* F8_E4M3, F8_E4M3FNUZ */
    avx512_scan_places(data, count, digits, 2, 4, out);
  } else if (low == 3 && all == 6) { /* F8_E5M2 */
    avx512_scan_places(data, count, digits, 3, 6, out);
  } else if (low == 3 && all == 7) { /* F8_E5M2FNUZ */
    avx512_scan_places(data, count, digits, 3, 7, out);
  } else {
    avx512_scan_places(data, count, digits, low, DIGIT_PLACES, out);
  }
}

/* ---- Codes of 4 and 6 bits ---- */

static avx512_TARGET void avx512_spread_nibbles(const unsigned char *data, uint64_t count,
                                                unsigned char *out) {
  const __m512i nibbles = _mm512_set1_epi8(0xf);
  const __m512i codes = _mm512_broadcast_i32x4(
      _mm_setr_epi8(0, 1, 2, 3, 4, 5, 6, 7, -128, -127, -126, -125, -124, -123, -122, -121));
  for (uint64_t i = 0; i < count; i += BYTES_STEP) {
    avx512_prefetch(data + i / 2 + SCAN_AHEAD);
    __m512i bytes = _mm512_cvtepu8_epi16(avx512_load_32(data + i / 2));
    __m512i both = _mm512_or_si512(bytes, _mm512_slli_epi16(bytes, 4));
    both = _mm512_and_si512(both, nibbles);
    _mm512_storeu_si512(out + i, _mm512_shuffle_epi8(codes, both));
  }
}

/* Six bytes, which have eight codes, go to 64 bits, and from there to eight bytes. */
static avx512_TARGET void avx512_spread_sixes(const unsigned char *data, uint64_t count,
                                              unsigned char *out) {
  const __mmask64 part = ((__mmask64)1 << (BYTES_STEP * 6 / 8)) - 1;
  const __m512i shifts = _mm512_set1_epi64(0x2a241e18120c0600); /* 42, 36, ..., 6, 0 */
  unsigned char spread[BYTES_STEP], codes[BYTES_STEP];
  for (unsigned i = 0; i < BYTES_STEP; i++) {
    spread[i] = (unsigned char)(i % 8 < 6 ? i / 8 * 6 + i % 8 : BYTES_STEP - 1); /* or a 0 */
    codes[i] = (unsigned char)(i < 32 ? i : i - 32 + 128);
  }
  const __m512i from = _mm512_loadu_si512(spread), table = _mm512_loadu_si512(codes);
  for (uint64_t i = 0; i < count; i += BYTES_STEP, data += BYTES_STEP * 6 / 8) {
    avx512_prefetch(data + SCAN_AHEAD);
    __m512i eights = _mm512_permutexvar_epi8(from, _mm512_maskz_loadu_epi8(part, data));
    __m512i sixes = _mm512_multishift_epi64_epi8(shifts, eights);
    _mm512_storeu_si512(out + i, _mm512_permutexvar_epi8(sixes, table)); /* by the lower 6 bits */
  }
}

/* ---- Rounding doubles to 16 bits ---- */

static avx512_TARGET void avx512_narrow_F16(const double *numbers, uint64_t count,
                                            unsigned char *out) {
  avx512_narrow(avx512_store_F16, 2, numbers, count, out);
}

static avx512_TARGET void avx512_narrow_BF16(const double *numbers, uint64_t count,
                                             unsigned char *out) {
  avx512_narrow(avx512_store_BF16, 2, numbers, count, out);
}

/* ---- Rounding floats to 16 bits ---- */

/* 16 numbers; where one is NaN, its sign and `nan`. */
static avx512_INLINE void avx512_store_short(unsigned char *out, __m256i codes, __m512i floats,
                                             int16_t nan) {
  __m512 numbers = _mm512_castsi512_ps(floats);
  __mmask16 is_nan = _mm512_cmp_ps_mask(numbers, numbers, _CMP_UNORD_Q);
  __m256i signs = _mm512_cvtepi32_epi16(_mm512_srli_epi32(floats, 16));
  signs = _mm256_and_si256(signs, _mm256_set1_epi16(INT16_MIN));
  codes = _mm256_mask_blend_epi16(is_nan, codes, _mm256_or_si256(signs, _mm256_set1_epi16(nan)));
  _mm256_storeu_si256((__m256i *)(void *)out, codes);
}

static avx512_INLINE void avx512_shorten_16_to_F16(const void *data, unsigned char *out) {
  __m512i floats = _mm512_loadu_si512(data);
  __m256i codes = _mm512_cvtps_ph(_mm512_castsi512_ps(floats), _MM_FROUND_TO_NEAREST_INT);
  avx512_store_short(out, codes, floats, 0x7e00);
}

/* A carry out of the mantissa correctly increments the exponent. */
static avx512_INLINE void avx512_shorten_16_to_BF16(const void *data, unsigned char *out) {
  __m512i floats = _mm512_loadu_si512(data);
  __m512i last = _mm512_and_si512(_mm512_srli_epi32(floats, 16), _mm512_set1_epi32(1));
  __m512i rounded = _mm512_add_epi32(_mm512_add_epi32(floats, last), _mm512_set1_epi32(0x7fff));
  avx512_store_short(out, _mm512_cvtepi32_epi16(_mm512_srli_epi32(rounded, 16)), floats, 0x7fc0);
}

#define AVX512_SHORTEN(dtype)                                                                   \
  static avx512_TARGET void avx512_shorten_##dtype(const unsigned char *floats, uint64_t count, \
                                                   unsigned char *out) {                        \
    for (; count >= 16; count -= 16, floats += 64, out += 32)                                   \
      avx512_shorten_16_to_##dtype(floats, out);                                                \
    if (count == 0) return;                                                                     \
    unsigned char last[64] = {0}, codes[32];                                                    \
    memcpy(last, floats, (size_t)count * 4);                                                    \
    avx512_shorten_16_to_##dtype(last, codes);                                                  \
    memcpy(out, codes, (size_t)count * 2);                                                      \
  }
AVX512_SHORTEN(F16)
AVX512_SHORTEN(BF16)
#undef AVX512_SHORTEN

/* ---- The set ---- */

const Kernels kernels_avx512 = {
    .name = "avx512",
    .needs = CPU_F16C | CPU_FMA | CPU_AVX2 | CPU_AVX512F | CPU_AVX512BW | CPU_AVX512DQ |
             CPU_AVX512VL | CPU_AVX512VBMI | CPU_AVX512VNNI | CPU_POPCNT,
    .convert = {[DTYPE_F16] = avx512_convert_F16,
                [DTYPE_BF16] = avx512_convert_BF16,
                [DTYPE_I16] = avx512_convert_I16,
                [DTYPE_U16] = avx512_convert_U16},
    .lookup = avx512_lookup,
    .lookup_nibbles = avx512_lookup_nibbles,
    .find_bins = {[DTYPE_F32] = avx512_find_bins_F32, [DTYPE_F64] = avx512_find_bins_F64},
    .count_slots = {[DTYPE_F32] = avx512_count_slots_F32,
                    [DTYPE_F64] = avx512_count_slots_F64,
                    [DTYPE_F16] = avx512_count_slots_F16,
                    [DTYPE_BF16] = avx512_count_slots_BF16},
    .scan = {[DTYPE_F32] = avx512_scan_F32,
             [DTYPE_F16] = avx512_scan_F16,
             [DTYPE_BF16] = avx512_scan_BF16},
    .range = {[DTYPE_F32] = avx512_range_F32,
              [DTYPE_F16] = avx512_range_F16,
              [DTYPE_BF16] = avx512_range_BF16},
    .scan_integers = {[DTYPE_I8] = avx512_scan_I8,
                      [DTYPE_U8] = avx512_scan_U8,
                      [DTYPE_I16] = avx512_scan_I16,
                      [DTYPE_U16] = avx512_scan_U16},
    .scan_doubles = avx512_scan_doubles,
    .deviations = avx512_deviations,
    .scan_bytes = avx512_scan_bytes,
    .spread_nibbles = avx512_spread_nibbles,
    .spread_sixes = avx512_spread_sixes,
    .pairs = {[DTYPE_F32] = avx512_pairs_F32,
              [DTYPE_F64] = avx512_pairs_F64,
              [DTYPE_F16] = avx512_pairs_F16,
              [DTYPE_BF16] = avx512_pairs_BF16},
    .squares = {[DTYPE_F32] = avx512_squares_F32,
                [DTYPE_F64] = avx512_squares_F64,
                [DTYPE_F16] = avx512_squares_F16,
                [DTYPE_BF16] = avx512_squares_BF16},
    .row_products = {[DTYPE_F32] = avx512_row_products_F32,
                     [DTYPE_F16] = avx512_row_products_F16,
                     [DTYPE_BF16] = avx512_row_products_BF16},
    .row_distances = {[DTYPE_F32] = avx512_row_distances_F32,
                      [DTYPE_F16] = avx512_row_distances_F16,
                      [DTYPE_BF16] = avx512_row_distances_BF16},
    .sum = {[DTYPE_F32] = avx512_sum_F32,
            [DTYPE_F16] = avx512_sum_F16,
            [DTYPE_BF16] = avx512_sum_BF16},
    .difference = {[DTYPE_F32] = avx512_difference_F32,
                   [DTYPE_F16] = avx512_difference_F16,
                   [DTYPE_BF16] = avx512_difference_BF16},
    .product = {[DTYPE_F32] = avx512_product_F32,
                [DTYPE_F16] = avx512_product_F16,
                [DTYPE_BF16] = avx512_product_BF16},
    .quotient = {[DTYPE_F32] = avx512_quotient_F32,
                 [DTYPE_F16] = avx512_quotient_F16,
                 [DTYPE_BF16] = avx512_quotient_BF16},
    .scan_computed = avx512_scan_computed,
    .scale_groups = avx512_scale_groups,
    .doubles = {[DTYPE_F32] = avx512_doubles_of_F32,
                [DTYPE_F16] = avx512_doubles_of_F16,
                [DTYPE_BF16] = avx512_doubles_of_BF16},
    .scale = {[DTYPE_F32] = avx512_scale_F32,
              [DTYPE_F64] = avx512_scale_F64,
              [DTYPE_F16] = avx512_scale_F16,
              [DTYPE_BF16] = avx512_scale_BF16},
    .add_scaled = {[DTYPE_F32] = avx512_add_scaled_F32,
                   [DTYPE_F64] = avx512_add_scaled_F64,
                   [DTYPE_F16] = avx512_add_scaled_F16,
                   [DTYPE_BF16] = avx512_add_scaled_BF16},
    .lerp = {[DTYPE_F32] = avx512_lerp_F32,
             [DTYPE_F64] = avx512_lerp_F64,
             [DTYPE_F16] = avx512_lerp_F16,
             [DTYPE_BF16] = avx512_lerp_BF16},
    .add = {[DTYPE_F64] = avx512_add_F64},
    .subtract = {[DTYPE_F64] = avx512_subtract_F64},
    .multiply = {[DTYPE_F64] = avx512_multiply_F64},
    .divide = {[DTYPE_F64] = avx512_divide_F64},
    .narrow = {[DTYPE_F32] = avx512_narrow_F32,
               [DTYPE_F16] = avx512_narrow_F16,
               [DTYPE_BF16] = avx512_narrow_BF16},
    .shorten = {[DTYPE_F16] = avx512_shorten_F16,
                [DTYPE_BF16] = avx512_shorten_BF16,
                [DTYPE_F8_E4M3] = avx512_shorten_F8_E4M3,
                [DTYPE_F8_E5M2] = avx512_shorten_F8_E5M2,
                [DTYPE_F8_E4M3FNUZ] = avx512_shorten_F8_E4M3FNUZ,
                [DTYPE_F8_E5M2FNUZ] = avx512_shorten_F8_E5M2FNUZ},
    .multiply_tile = avx512_multiply_tile,
};

#endif
