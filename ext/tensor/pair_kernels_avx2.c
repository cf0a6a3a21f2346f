/* The kernels over pairs for AVX2 and FMA. */
#include "tensor/pair_kernels.h"

#if defined(__x86_64__)

#include <immintrin.h>
#include <stdbool.h>

#define AVX2          __attribute__((target("avx2,fma,f16c")))
#define ALWAYS_INLINE inline __attribute__((always_inline))

enum { WIDTH = 4 };

/* Half of the lanes. */
typedef struct Lanes {
  __m256d differences, squared_differences, largest, products, a_squares, b_squares;
  __m256i unequal;
} Lanes;

AVX2 static ALWAYS_INLINE __m256d floats_at(const void *data, uint64_t index) {
  return _mm256_cvtps_pd(_mm_loadu_ps((const float *)data + index));
}

AVX2 static ALWAYS_INLINE __m256d doubles_at(const void *data, uint64_t index) {
  return _mm256_loadu_pd((const double *)data + index);
}

AVX2 static ALWAYS_INLINE __m128i load_halves(const void *data, uint64_t index) {
  return _mm_loadl_epi64((const __m128i *)((const unsigned char *)data + 2 * index));
}

AVX2 static ALWAYS_INLINE __m256d F16_at(const void *data, uint64_t index) {
  return _mm256_cvtps_pd(_mm_cvtph_ps(load_halves(data, index)));
}

AVX2 static ALWAYS_INLINE __m256d BF16_at(const void *data, uint64_t index) {
  __m128i bits = _mm_slli_epi32(_mm_cvtepu16_epi32(load_halves(data, index)), 16);
  return _mm256_cvtps_pd(_mm_castsi128_ps(bits));
}

/* sum + x * y. The barrier keeps a compiler from making one instruction of the two. */
AVX2 static ALWAYS_INLINE __m256d add_product(__m256d sum, __m256d x, __m256d y, bool is_exact) {
  if (is_exact) return _mm256_fmadd_pd(x, y, sum);
  __m256d product = _mm256_mul_pd(x, y);
  __asm__("" : "+x"(product));
  return _mm256_add_pd(sum, product);
}

AVX2 static ALWAYS_INLINE void add(Lanes *lanes, __m256d x, __m256d y, bool is_exact) {
  __m256d difference = _mm256_andnot_pd(_mm256_set1_pd(-0.0), _mm256_sub_pd(x, y));
  __m256d unequal = _mm256_cmp_pd(x, y, _CMP_NEQ_UQ);
  lanes->unequal = _mm256_sub_epi64(lanes->unequal, _mm256_castpd_si256(unequal));
  lanes->largest = _mm256_max_pd(difference, lanes->largest);
  lanes->differences = _mm256_add_pd(lanes->differences, difference);
  lanes->squared_differences =
      add_product(lanes->squared_differences, difference, difference, false);
  lanes->products = add_product(lanes->products, x, y, is_exact);
  lanes->a_squares = add_product(lanes->a_squares, x, x, is_exact);
  lanes->b_squares = add_product(lanes->b_squares, y, y, is_exact);
}

AVX2 static double add_up(__m256d low, __m256d high) {
  double numbers[PAIR_LANES], sum = 0;
  _mm256_storeu_pd(numbers, low);
  _mm256_storeu_pd(numbers + WIDTH, high);
  for (unsigned j = 0; j < PAIR_LANES; j++) sum += numbers[j];
  return sum;
}

AVX2 static double find_largest(__m256d numbers) {
  double lanes[WIDTH], largest = 0;
  _mm256_storeu_pd(lanes, numbers);
  for (unsigned j = 0; j < WIDTH; j++) largest = lanes[j] > largest ? lanes[j] : largest;
  return largest;
}

AVX2 static uint64_t add_up_counts(__m256i counts) {
  uint64_t lanes[WIDTH], sum = 0;
  _mm256_storeu_si256((__m256i_u *)lanes, counts);
  for (unsigned j = 0; j < WIDTH; j++) sum += lanes[j];
  return sum;
}

AVX2 static void put(const Lanes *low, const Lanes *high, PairSums *out) {
  *out =
      (PairSums){.unequal = add_up_counts(_mm256_add_epi64(low->unequal, high->unequal)),
                 .largest = find_largest(_mm256_max_pd(low->largest, high->largest)),
                 .differences = add_up(low->differences, high->differences),
                 .squared_differences = add_up(low->squared_differences, high->squared_differences),
                 .products = add_up(low->products, high->products),
                 .a_squares = add_up(low->a_squares, high->a_squares),
                 .b_squares = add_up(low->b_squares, high->b_squares)};
}

/* Two functions of numbers that are loaded by `number##_at`. The first takes one half of the lanes after
** the other: the registers do not hold both. */
#define LOOPS(number, is_exact)                                                                    \
  AVX2 static void sums_of_##number(const void *a, const void *b, uint64_t count, PairSums *out) { \
    Lanes halves[2] = {0};                                                                         \
    for (unsigned half = 0; half < 2; half++) {                                                    \
      Lanes lanes = {0};                                                                           \
      for (uint64_t i = half * WIDTH; i < count; i += PAIR_LANES) {                                \
        add(&lanes, number##_at(a, i), number##_at(b, i), is_exact);                               \
      }                                                                                            \
      halves[half] = lanes;                                                                        \
    }                                                                                              \
    put(&halves[0], &halves[1], out);                                                              \
  }                                                                                                \
  AVX2 static double squares_of_##number(const void *data, uint64_t count) {                       \
    __m256d low = _mm256_setzero_pd(), high = low;                                                 \
    for (uint64_t i = 0; i < count; i += PAIR_LANES) {                                             \
      __m256d x = number##_at(data, i), y = number##_at(data, i + WIDTH);                          \
      low = add_product(low, x, x, is_exact);                                                      \
      high = add_product(high, y, y, is_exact);                                                    \
    }                                                                                              \
    return add_up(low, high);                                                                      \
  }
LOOPS(floats, true)
LOOPS(doubles, false)
LOOPS(F16, true)
LOOPS(BF16, true)
#undef LOOPS

const PairKernels pair_kernels_avx2 = {
    .floats = sums_of_floats,
    .doubles = sums_of_doubles,
    .float_squares = squares_of_floats,
    .double_squares = squares_of_doubles,
    .stored = {[DTYPE_F16] = sums_of_F16, [DTYPE_BF16] = sums_of_BF16},
    .stored_squares = {[DTYPE_F16] = squares_of_F16, [DTYPE_BF16] = squares_of_BF16},
};

#endif
