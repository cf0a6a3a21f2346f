/* The kernels over pairs for AVX-512. */
#include "tensor/pair_kernels.h"

#if defined(__x86_64__)

#include <immintrin.h>
#include <stdbool.h>

#define AVX512        __attribute__((target("avx512f,avx2,f16c")))
#define ALWAYS_INLINE inline __attribute__((always_inline))

typedef struct Lanes {
  __m512d differences, squared_differences, largest, products, a_squares, b_squares;
  __m512i unequal;
} Lanes;

AVX512 static ALWAYS_INLINE __m512d floats_at(const void *data, uint64_t index) {
  return _mm512_cvtps_pd(_mm256_loadu_ps((const float *)data + index));
}

AVX512 static ALWAYS_INLINE __m512d doubles_at(const void *data, uint64_t index) {
  return _mm512_loadu_pd((const double *)data + index);
}

AVX512 static ALWAYS_INLINE __m128i load_halves(const void *data, uint64_t index) {
  return _mm_loadu_si128((const __m128i *)((const unsigned char *)data + 2 * index));
}

AVX512 static ALWAYS_INLINE __m512d F16_at(const void *data, uint64_t index) {
  return _mm512_cvtps_pd(_mm256_cvtph_ps(load_halves(data, index)));
}

AVX512 static ALWAYS_INLINE __m512d BF16_at(const void *data, uint64_t index) {
  __m256i bits = _mm256_slli_epi32(_mm256_cvtepu16_epi32(load_halves(data, index)), 16);
  return _mm512_cvtps_pd(_mm256_castsi256_ps(bits));
}

/* sum + x * y. The barrier keeps a compiler from making one instruction of the two. */
AVX512 static ALWAYS_INLINE __m512d add_product(__m512d sum, __m512d x, __m512d y, bool is_exact) {
  if (is_exact) return _mm512_fmadd_pd(x, y, sum);
  __m512d product = _mm512_mul_pd(x, y);
  __asm__("" : "+v"(product));
  return _mm512_add_pd(sum, product);
}

AVX512 static ALWAYS_INLINE void add(Lanes *lanes, __m512d x, __m512d y, bool is_exact) {
  __m512d difference = _mm512_abs_pd(_mm512_sub_pd(x, y));
  __mmask8 unequal = _mm512_cmp_pd_mask(x, y, _CMP_NEQ_UQ);
  lanes->unequal =
      _mm512_mask_sub_epi64(lanes->unequal, unequal, lanes->unequal, _mm512_set1_epi64(-1));
  lanes->largest = _mm512_max_pd(difference, lanes->largest);
  lanes->differences = _mm512_add_pd(lanes->differences, difference);
  lanes->squared_differences =
      add_product(lanes->squared_differences, difference, difference, false);
  lanes->products = add_product(lanes->products, x, y, is_exact);
  lanes->a_squares = add_product(lanes->a_squares, x, x, is_exact);
  lanes->b_squares = add_product(lanes->b_squares, y, y, is_exact);
}

AVX512 static double add_up(__m512d lanes) {
  double numbers[PAIR_LANES], sum = 0;
  _mm512_storeu_pd(numbers, lanes);
  for (unsigned j = 0; j < PAIR_LANES; j++) sum += numbers[j];
  return sum;
}

AVX512 static void put(const Lanes *lanes, PairSums *out) {
  *out = (PairSums){.unequal = (uint64_t)_mm512_reduce_add_epi64(lanes->unequal),
                    .largest = _mm512_reduce_max_pd(lanes->largest),
                    .differences = add_up(lanes->differences),
                    .squared_differences = add_up(lanes->squared_differences),
                    .products = add_up(lanes->products),
                    .a_squares = add_up(lanes->a_squares),
                    .b_squares = add_up(lanes->b_squares)};
}

/* Two functions of numbers that are loaded by `number##_at`. */
#define LOOPS(number, is_exact)                                                     \
  AVX512 static void sums_of_##number(const void *a, const void *b, uint64_t count, \
                                      PairSums *out) {                              \
    Lanes lanes = {0};                                                              \
    for (uint64_t i = 0; i < count; i += PAIR_LANES) {                              \
      add(&lanes, number##_at(a, i), number##_at(b, i), is_exact);                  \
    }                                                                               \
    put(&lanes, out);                                                               \
  }                                                                                 \
  AVX512 static double squares_of_##number(const void *data, uint64_t count) {      \
    __m512d sum = _mm512_setzero_pd();                                              \
    for (uint64_t i = 0; i < count; i += PAIR_LANES) {                              \
      __m512d x = number##_at(data, i);                                             \
      sum = add_product(sum, x, x, is_exact);                                       \
    }                                                                               \
    return add_up(sum);                                                             \
  }
LOOPS(floats, true)
LOOPS(doubles, false)
LOOPS(F16, true)
LOOPS(BF16, true)
#undef LOOPS

const PairKernels pair_kernels_avx512 = {
    .floats = sums_of_floats,
    .doubles = sums_of_doubles,
    .float_squares = squares_of_floats,
    .double_squares = squares_of_doubles,
    .stored = {[DTYPE_F16] = sums_of_F16, [DTYPE_BF16] = sums_of_BF16},
    .stored_squares = {[DTYPE_F16] = squares_of_F16, [DTYPE_BF16] = squares_of_BF16},
};

#endif
