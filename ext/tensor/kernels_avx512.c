/* The kernels for AVX-512: F, BW, DQ, VL and VBMI. */
#include "tensor/kernels.h"

#if defined(__x86_64__)

#include <immintrin.h>
#include <string.h>

#define AVX512 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi")))

enum { WIDTH = 16, DOUBLES = 8 };

static inline const unsigned char *at(const void *data, uint64_t byte) {
  return (const unsigned char *)data + byte;
}

AVX512 static inline __m256i load_32(const unsigned char *data) {
  return _mm256_loadu_si256((const __m256i *)data);
}

AVX512 static inline __m512d load_doubles(const void *data, uint64_t index) {
  return _mm512_loadu_pd(at(data, index * sizeof(double)));
}

/* ---- Elements as floats ---- */

AVX512 static inline __m512 widen_F16(const unsigned char *data) {
  return _mm512_cvtph_ps(load_32(data));
}

AVX512 static inline __m512 widen_BF16(const unsigned char *data) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(load_32(data)), 16));
}

AVX512 static inline __m512 widen_I16(const unsigned char *data) {
  return _mm512_cvtepi32_ps(_mm512_cvtepi16_epi32(load_32(data)));
}

AVX512 static inline __m512 widen_U16(const unsigned char *data) {
  return _mm512_cvtepi32_ps(_mm512_cvtepu16_epi32(load_32(data)));
}

/* The body of a function of data, count and out, of elements of `size` bytes. */
#define WIDEN_ALL(widen, size)                                                   \
  for (; count >= WIDTH; count -= WIDTH, data += WIDTH * (size), out += WIDTH) { \
    _mm512_storeu_ps(out, widen(data));                                          \
  }                                                                              \
  if (count > 0) {                                                               \
    unsigned char last[WIDTH * (size)] = {0};                                    \
    float values[WIDTH];                                                         \
    memcpy(last, data, (size_t)count *(size));                                   \
    _mm512_storeu_ps(values, widen(last));                                       \
    memcpy(out, values, (size_t)count * sizeof(float));                          \
  }

AVX512 static void floats_F16(const unsigned char *data, uint64_t count,
                              float *out){WIDEN_ALL(widen_F16, 2)}

AVX512 static void floats_BF16(const unsigned char *data, uint64_t count,
                               float *out){WIDEN_ALL(widen_BF16, 2)}

AVX512 static void floats_I16(const unsigned char *data, uint64_t count,
                              float *out){WIDEN_ALL(widen_I16, 2)}

AVX512 static void floats_U16(const unsigned char *data, uint64_t count, float *out) {
  WIDEN_ALL(widen_U16, 2)
}

/* One byte for each of the 256 codes. */
typedef struct Plane {
  __m512i quarter[4];
} Plane;

AVX512 static inline Plane load_plane(const unsigned char *bytes) {
  Plane plane;
  for (unsigned q = 0; q < 4; q++) plane.quarter[q] = _mm512_loadu_si512(bytes + 64 * q);
  return plane;
}

AVX512 static inline __m512i look_up(const Plane *plane, __m512i codes, __mmask64 upper) {
  __m512i low = _mm512_permutex2var_epi8(plane->quarter[0], codes, plane->quarter[1]);
  __m512i high = _mm512_permutex2var_epi8(plane->quarter[2], codes, plane->quarter[3]);
  return _mm512_mask_blend_epi8(upper, low, high);
}

/* 64 values, of which `low` and `high` are the third and the fourth byte. */
AVX512 static inline void store_interleaved(float *out, __m512i low, __m512i high) {
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

AVX512 static void lookup(const unsigned char *data, uint64_t count, const ByteValues *table,
                          float *out) {
  Plane low = load_plane(table->low), high = load_plane(table->high);
  uint64_t whole = count - count % 64;
  for (uint64_t i = 0; i < whole; i += 64) {
    __m512i codes = _mm512_loadu_si512(data + i);
    __mmask64 upper = _mm512_movepi8_mask(codes);
    store_interleaved(out + i, look_up(&low, codes, upper), look_up(&high, codes, upper));
  }
  kernels_portable.lookup(data + whole, count - whole, table, out + whole);
}

/* ---- Bins ---- */

typedef struct Bins {
  __m512d unit, lo, scale, bins;
} Bins;

AVX512 static inline Bins load_binning(const Binning *binning) {
  return (Bins){_mm512_set1_pd(binning->unit), _mm512_set1_pd(binning->lo),
                _mm512_set1_pd(binning->scale), _mm512_set1_pd(binning->bins)};
}

/* Stores the bins of 8 numbers. Returns which are in doubt. */
AVX512 static inline unsigned store_bins(const Bins *all, __m512d numbers, int32_t *out) {
  __m512d scaled = _mm512_mul_pd(numbers, all->unit);
  __asm__("" : "+v"(scaled)); /* rounded: not to be fused with the subtraction */
  __m512d place = _mm512_mul_pd(_mm512_sub_pd(scaled, all->lo), all->scale);
  __mmask8 within = _mm512_cmp_pd_mask(place, _mm512_setzero_pd(), _CMP_GE_OQ) &
                    _mm512_cmp_pd_mask(place, all->bins, _CMP_LT_OQ);
  __m512d nearest = _mm512_roundscale_pd(place, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  __m512d away = _mm512_abs_pd(_mm512_sub_pd(place, nearest));
  __m512d bin = _mm512_mask_blend_pd(within, all->bins, place);
  __mmask8 unsure = _mm512_cmp_pd_mask(away, _mm512_set1_pd(BINNING_DOUBT), _CMP_LT_OQ);
  bin = _mm512_mask_blend_pd(unsure, bin, _mm512_set1_pd(-1));
  _mm256_storeu_si256((__m256i *)out, _mm512_cvttpd_epi32(bin));
  return unsure;
}

AVX512 static bool find_bins(const double *numbers, uint64_t count, const Binning *binning,
                             int32_t *out) {
  const Bins all = load_binning(binning);
  unsigned unsure = 0;
  uint64_t whole = count - count % DOUBLES;
  for (uint64_t i = 0; i < whole; i += DOUBLES) {
    unsure |= store_bins(&all, load_doubles(numbers, i), out + i);
  }
  bool rest = kernels_portable.find_bins(numbers + whole, count - whole, binning, out + whole);
  return rest || unsure != 0;
}

AVX512 static bool find_float_bins(const void *numbers, uint64_t count, const Binning *binning,
                                   int32_t *out) {
  const Bins all = load_binning(binning);
  unsigned unsure = 0;
  uint64_t whole = count - count % DOUBLES;
  for (uint64_t i = 0; i < whole; i += DOUBLES) {
    __m256 floats = _mm256_castsi256_ps(load_32(at(numbers, i * sizeof(float))));
    unsure |= store_bins(&all, _mm512_cvtps_pd(floats), out + i);
  }
  bool rest = kernels_portable.find_float_bins(at(numbers, whole * sizeof(float)), count - whole,
                                               binning, out + whole);
  return rest || unsure != 0;
}

/* ---- Hashing ---- */

/* With registers twice as wide it would take longer: most loads would be from two cache lines, since
** few tensors begin on one. */
static void hash_blocks(const unsigned char *data, uint64_t count, const unsigned char *secret,
                        uint64_t *out) {
  kernels_avx2.hash_blocks(data, count, secret, out);
}

AVX512 static void hash_merge(const uint64_t *sums, uint64_t count, const unsigned char *secret,
                              uint64_t *accumulators) {
  const __m512i key = _mm512_loadu_si512(secret + HASH_SCRAMBLE_KEY);
  const __m512i prime = _mm512_set1_epi64(HASH_PRIME);
  __m512i value = _mm512_loadu_si512(accumulators);
  for (uint64_t block = 0; block < count; block++, sums += HASH_LANES) {
    value = _mm512_add_epi64(value, _mm512_loadu_si512(sums));
    value = _mm512_xor_si512(_mm512_xor_si512(value, _mm512_srli_epi64(value, 47)), key);
    value = _mm512_mullo_epi64(value, prime);
  }
  _mm512_storeu_si512(accumulators, value);
}

const Kernels kernels_avx512 = {
    .name = "avx512",
    .pairs = &pair_kernels_avx512,
    .scans = &scan_kernels_avx512,
    .floats = {[DTYPE_F16] = floats_F16,
               [DTYPE_BF16] = floats_BF16,
               [DTYPE_I16] = floats_I16,
               [DTYPE_U16] = floats_U16},
    .lookup = lookup,
    .find_bins = find_bins,
    .find_float_bins = find_float_bins,
    .hash_blocks = hash_blocks,
    .hash_merge = hash_merge,
};

#endif
