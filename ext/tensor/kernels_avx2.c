/* The kernels for AVX2, with FMA and F16C. */
#include "tensor/kernels.h"

#if defined(__x86_64__)

#include <immintrin.h>
#include <string.h>

/* Without FMA: a compiler must not fuse what is rounded in between. */
#define AVX2 __attribute__((target("avx2,f16c")))

enum { WIDTH = 8, DOUBLES = 4 };

static inline const unsigned char *at(const void *data, uint64_t byte) {
  return (const unsigned char *)data + byte;
}

AVX2 static inline __m128i load_16(const unsigned char *data) {
  return _mm_loadu_si128((const __m128i *)data);
}

AVX2 static inline __m256i load_32(const unsigned char *data) {
  return _mm256_loadu_si256((const __m256i *)data);
}

AVX2 static inline __m256d load_doubles(const void *data, uint64_t index) {
  return _mm256_castsi256_pd(load_32(at(data, index * sizeof(double))));
}

/* ---- Elements as floats ---- */

AVX2 static inline __m256 widen_F16(const unsigned char *data) {
  return _mm256_cvtph_ps(load_16(data));
}

AVX2 static inline __m256 widen_BF16(const unsigned char *data) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(load_16(data)), 16));
}

/* 8 bytes, each as the upper half of 16 bits. */
AVX2 static inline __m128i upper_halves(const unsigned char *data) {
  return _mm_unpacklo_epi8(_mm_setzero_si128(), _mm_loadl_epi64((const __m128i *)data));
}

/* The upper half of an F16. */
AVX2 static inline __m256 widen_F8_E5M2(const unsigned char *data) {
  return _mm256_cvtph_ps(upper_halves(data));
}

/* An F16 whose exponent is 8 too small, but for the NaN. */
AVX2 static inline __m256 widen_F8_E4M3(const unsigned char *data) {
  __m128i codes = upper_halves(data), sign = _mm_and_si128(codes, _mm_set1_epi16(-0x8000));
  __m128i magnitude = _mm_srli_epi16(_mm_slli_epi16(codes, 1), 2);
  __m128i nan = _mm_cmpeq_epi16(magnitude, _mm_set1_epi16(0x3f80));
  __m128i halves = _mm_or_si128(_mm_or_si128(sign, magnitude), nan);
  return _mm256_mul_ps(_mm256_cvtph_ps(halves), _mm256_set1_ps(256));
}

AVX2 static inline __m256 widen_I16(const unsigned char *data) {
  return _mm256_cvtepi32_ps(_mm256_cvtepi16_epi32(load_16(data)));
}

AVX2 static inline __m256 widen_U16(const unsigned char *data) {
  return _mm256_cvtepi32_ps(_mm256_cvtepu16_epi32(load_16(data)));
}

/* The body of a function of data, count and out, of elements of `size` bytes. */
#define WIDEN_ALL(widen, size)                                                   \
  for (; count >= WIDTH; count -= WIDTH, data += WIDTH * (size), out += WIDTH) { \
    _mm256_storeu_ps(out, widen(data));                                          \
  }                                                                              \
  if (count > 0) {                                                               \
    unsigned char last[WIDTH * (size)] = {0};                                    \
    float values[WIDTH];                                                         \
    memcpy(last, data, (size_t)count *(size));                                   \
    _mm256_storeu_ps(values, widen(last));                                       \
    memcpy(out, values, (size_t)count * sizeof(float));                          \
  }

AVX2 static void floats_F8_E5M2(const unsigned char *data, uint64_t count,
                                float *out){WIDEN_ALL(widen_F8_E5M2, 1)}

AVX2 static void floats_F8_E4M3(const unsigned char *data, uint64_t count,
                                float *out){WIDEN_ALL(widen_F8_E4M3, 1)}

AVX2 static void floats_F16(const unsigned char *data, uint64_t count,
                            float *out){WIDEN_ALL(widen_F16, 2)}

AVX2 static void floats_BF16(const unsigned char *data, uint64_t count,
                             float *out){WIDEN_ALL(widen_BF16, 2)}

AVX2 static void floats_I16(const unsigned char *data, uint64_t count,
                            float *out){WIDEN_ALL(widen_I16, 2)}

AVX2 static void floats_U16(const unsigned char *data, uint64_t count, float *out) {
  WIDEN_ALL(widen_U16, 2)
}

/* A loop of scalar loads: the gathers of these machines are no faster. */
static void lookup(const unsigned char *data, uint64_t count, const ByteValues *table, float *out) {
  kernels_portable.lookup(data, count, table, out);
}

/* ---- Bins ---- */

typedef struct Bins {
  __m256d unit, lo, scale, bins;
} Bins;

AVX2 static inline Bins load_binning(const Binning *binning) {
  return (Bins){_mm256_set1_pd(binning->unit), _mm256_set1_pd(binning->lo),
                _mm256_set1_pd(binning->scale), _mm256_set1_pd(binning->bins)};
}

/* Stores the bins of 4 numbers. Returns which are in doubt. */
AVX2 static inline __m256d store_bins(const Bins *all, __m256d numbers, int32_t *out) {
  const __m256d sign = _mm256_set1_pd(-0.0), doubt = _mm256_set1_pd(BINNING_DOUBT);
  __m256d scaled = _mm256_mul_pd(numbers, all->unit);
  __m256d place = _mm256_mul_pd(_mm256_sub_pd(scaled, all->lo), all->scale);
  __m256d within = _mm256_and_pd(_mm256_cmp_pd(place, _mm256_setzero_pd(), _CMP_GE_OQ),
                                 _mm256_cmp_pd(place, all->bins, _CMP_LT_OQ));
  __m256d nearest = _mm256_round_pd(place, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  __m256d away = _mm256_andnot_pd(sign, _mm256_sub_pd(place, nearest));
  __m256d bin = _mm256_blendv_pd(all->bins, place, within);
  __m256d unsure = _mm256_cmp_pd(away, doubt, _CMP_LT_OQ);
  bin = _mm256_blendv_pd(bin, _mm256_set1_pd(-1), unsure);
  _mm_storeu_si128((__m128i *)out, _mm256_cvttpd_epi32(bin));
  return unsure;
}

AVX2 static bool find_bins(const double *numbers, uint64_t count, const Binning *binning,
                           int32_t *out) {
  const Bins all = load_binning(binning);
  __m256d unsure = _mm256_setzero_pd();
  uint64_t whole = count - count % DOUBLES;
  for (uint64_t i = 0; i < whole; i += DOUBLES) {
    unsure = _mm256_or_pd(unsure, store_bins(&all, load_doubles(numbers, i), out + i));
  }
  bool rest = kernels_portable.find_bins(numbers + whole, count - whole, binning, out + whole);
  return rest || _mm256_movemask_pd(unsure) != 0;
}

AVX2 static bool find_float_bins(const void *numbers, uint64_t count, const Binning *binning,
                                 int32_t *out) {
  const Bins all = load_binning(binning);
  __m256d unsure = _mm256_setzero_pd();
  uint64_t whole = count - count % DOUBLES;
  for (uint64_t i = 0; i < whole; i += DOUBLES) {
    __m128 floats = _mm_castsi128_ps(load_16(at(numbers, i * sizeof(float))));
    unsure = _mm256_or_pd(unsure, store_bins(&all, _mm256_cvtps_pd(floats), out + i));
  }
  bool rest = kernels_portable.find_float_bins(at(numbers, whole * sizeof(float)), count - whole,
                                               binning, out + whole);
  return rest || _mm256_movemask_pd(unsure) != 0;
}

/* ---- Hashing ---- */

AVX2 static inline __m256i hash_half(__m256i sums, const unsigned char *data,
                                     const unsigned char *secret) {
  __m256i value = load_32(data), mixed = _mm256_xor_si256(value, load_32(secret));
  __m256i product = _mm256_mul_epu32(mixed, _mm256_srli_epi64(mixed, 32));
  __m256i swapped = _mm256_shuffle_epi32(value, _MM_SHUFFLE(1, 0, 3, 2)); /* lanes j ^ 1 */
  return _mm256_add_epi64(sums, _mm256_add_epi64(product, swapped));
}

AVX2 static void hash_blocks(const unsigned char *data, uint64_t count, const unsigned char *secret,
                             uint64_t *out) {
  enum { HALF = 32, STRIPE = 64 };
  for (uint64_t block = 0; block < count; block++, out += HASH_LANES) {
    __m256i low = _mm256_setzero_si256(), high = low;
    for (unsigned stripe = 0; stripe < HASH_BLOCK / STRIPE; stripe++, data += STRIPE) {
      const unsigned char *key = secret + 8 * stripe;
      _mm_prefetch((const char *)data + HASH_AHEAD, _MM_HINT_T0);
      low = hash_half(low, data, key);
      high = hash_half(high, data + HALF, key + HALF);
    }
    _mm256_storeu_si256((__m256i *)out, low);
    _mm256_storeu_si256((__m256i *)out + 1, high);
  }
}

AVX2 static inline __m256i scramble(__m256i value, __m256i key) {
  const __m256i prime = _mm256_set1_epi64x(HASH_PRIME);
  value = _mm256_xor_si256(_mm256_xor_si256(value, _mm256_srli_epi64(value, 47)), key);
  __m256i high = _mm256_mul_epu32(_mm256_srli_epi64(value, 32), prime);
  return _mm256_add_epi64(_mm256_mul_epu32(value, prime), _mm256_slli_epi64(high, 32));
}

AVX2 static void hash_merge(const uint64_t *sums, uint64_t count, const unsigned char *secret,
                            uint64_t *accumulators) {
  __m256i *both = (__m256i *)accumulators;
  __m256i low = _mm256_loadu_si256(both), high = _mm256_loadu_si256(both + 1);
  const __m256i low_key = load_32(secret + HASH_SCRAMBLE_KEY);
  const __m256i high_key = load_32(secret + HASH_SCRAMBLE_KEY + 32);
  for (uint64_t block = 0; block < count; block++, sums += HASH_LANES) {
    low = scramble(_mm256_add_epi64(low, load_32(at(sums, 0))), low_key);
    high = scramble(_mm256_add_epi64(high, load_32(at(sums, 32))), high_key);
  }
  _mm256_storeu_si256(both, low);
  _mm256_storeu_si256(both + 1, high);
}

const Kernels kernels_avx2 = {
    .name = "avx2",
    .pairs = &pair_kernels_avx2,
    .scans = &scan_kernels_avx2,
    .floats = {[DTYPE_F8_E5M2] = floats_F8_E5M2,
               [DTYPE_F8_E4M3] = floats_F8_E4M3,
               [DTYPE_F16] = floats_F16,
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
