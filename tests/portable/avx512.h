/*
** The instructions of AVX-512 that kernels/avx512.c uses, lane by lane in plain C: for machines that do
** not have them. Included before all else; the registers of 256 bits and less are the machine's own.
**
** Source: Intel Intrinsics Guide (intel.com/content/www/us/en/docs/intrinsics-guide).
*/
#include <immintrin.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

typedef union Lanes512 {
  __m512i integer;
  __m512 single;
  __m512d real;
  __m256i half[2];
  __m128i quarter[4];
  int8_t i8[64];
  uint8_t u8[64];
  int16_t i16[32];
  uint16_t u16[32];
  int32_t i32[16];
  uint32_t u32[16];
  int64_t i64[8];
  uint64_t u64[8];
  float f32[16];
  double f64[8];
} Lanes512;

#define LANES(of)      ((int)(sizeof((Lanes512){0}.of) / sizeof(Lanes512){0}.of[0]))
#define EACH(of)       for (int j = 0; j < LANES(of); j++)
#define INTEGER(value) ((Lanes512){.integer = (value)})
#define SINGLE(value)  ((Lanes512){.single = (value)})
#define REAL(value)    ((Lanes512){.real = (value)})

/* ---- Two registers, lane by lane: x and y ---- */

#define BOTH(name, type, member, of, expression)                       \
  static inline type emulated_##name(type a, type b) {                 \
    Lanes512 first = {.member = a}, second = {.member = b};            \
    EACH(of) {                                                         \
      const __typeof__(first.of[0]) x = first.of[j], y = second.of[j]; \
      first.of[j] = (__typeof__(first.of[0]))(expression);             \
    }                                                                  \
    return first.member;                                               \
  }
BOTH(add_epi32, __m512i, integer, u32, x + y)
BOTH(and_si512, __m512i, integer, u64, x &y)
BOTH(xor_si512, __m512i, integer, u64, x ^ y)
BOTH(max_epi8, __m512i, integer, i8, x > y ? x : y)
BOTH(min_epi8, __m512i, integer, i8, x < y ? x : y)
BOTH(max_epi16, __m512i, integer, i16, x > y ? x : y)
BOTH(max_epu16, __m512i, integer, u16, x > y ? x : y)
BOTH(min_epu16, __m512i, integer, u16, x < y ? x : y)
BOTH(max_epu32, __m512i, integer, u32, x > y ? x : y)
BOTH(min_epu32, __m512i, integer, u32, x < y ? x : y)
BOTH(max_ps, __m512, single, f32, x > y ? x : y)
BOTH(min_ps, __m512, single, f32, x < y ? x : y)
BOTH(max_pd, __m512d, real, f64, x > y ? x : y)
BOTH(min_pd, __m512d, real, f64, x < y ? x : y)
BOTH(add_pd, __m512d, real, f64, x + y)
BOTH(sub_pd, __m512d, real, f64, x - y)
BOTH(mul_pd, __m512d, real, f64, x *y)

/* Of each 128 bits the lower, or the upper, half of the lanes of both, in turn. */
#define UNPACK(name, of, upper)                                         \
  static inline __m512i emulated_##name(__m512i a, __m512i b) {         \
    Lanes512 first = INTEGER(a), second = INTEGER(b), out;              \
    enum { GROUP = 16 / sizeof first.of[0] };                           \
    EACH(of) {                                                          \
      int from = j / GROUP * GROUP + (upper)*GROUP / 2 + j % GROUP / 2; \
      out.of[j] = j % 2 == 0 ? first.of[from] : second.of[from];        \
    }                                                                   \
    return out.integer;                                                 \
  }
UNPACK(unpacklo_epi8, u8, 0)
UNPACK(unpackhi_epi8, u8, 1)
UNPACK(unpacklo_epi16, u16, 0)
UNPACK(unpackhi_epi16, u16, 1)

static inline __m512i emulated_shuffle_i32x4(__m512i a, __m512i b, int control) {
  Lanes512 first = INTEGER(a), second = INTEGER(b), out;
  for (int q = 0; q < 4; q++) {
    int from = control >> 2 * q & 3;
    out.quarter[q] = q < 2 ? first.quarter[from] : second.quarter[from];
  }
  return out.integer;
}

static inline __m512i emulated_permutex2var_epi8(__m512i a, __m512i index, __m512i b) {
  Lanes512 first = INTEGER(a), places = INTEGER(index), second = INTEGER(b), out;
  EACH(u8) {
    int place = places.u8[j] & 127;
    out.u8[j] = place < 64 ? first.u8[place] : second.u8[place - 64];
  }
  return out.integer;
}

static inline __m512i emulated_dpbusd_epi32(__m512i sum, __m512i a, __m512i b) {
  Lanes512 out = INTEGER(sum), bytes = INTEGER(a), factors = INTEGER(b);
  EACH(u8) {
    out.i32[j / 4] += bytes.u8[j] * factors.i8[j];
  }
  return out.integer;
}

/* ---- One register ---- */

static inline __m512d emulated_abs_pd(__m512d a) {
  Lanes512 out = REAL(a);
  EACH(f64) {
    out.f64[j] = fabs(out.f64[j]);
  }
  return out.real;
}

static inline __m512d emulated_fmadd_pd(__m512d a, __m512d b, __m512d c) {
  Lanes512 out = REAL(a), factors = REAL(b), terms = REAL(c);
  EACH(f64) {
    out.f64[j] = fma(out.f64[j], factors.f64[j], terms.f64[j]);
  }
  return out.real;
}

/* To integers, to nearest. */
static inline __m512d emulated_roundscale_pd(__m512d a, int mode) {
  Lanes512 out = REAL(a);
  if (mode != (_MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)) __builtin_trap();
  EACH(f64) {
    out.f64[j] = nearbyint(out.f64[j]);
  }
  return out.real;
}

static inline __m512i emulated_slli_epi32(__m512i a, int bits) {
  Lanes512 out = INTEGER(a);
  EACH(u32) {
    out.u32[j] <<= bits;
  }
  return out.integer;
}

#define REDUCE(name, result, type, member, of, start, expression) \
  static inline result emulated_##name(type a) {                  \
    Lanes512 lanes = {.member = a};                               \
    result x = start;                                             \
    EACH(of) {                                                    \
      const __typeof__(lanes.of[0]) y = lanes.of[j];              \
      x = (result)(expression);                                   \
    }                                                             \
    return x;                                                     \
  }
REDUCE(reduce_add_epi32, int, __m512i, integer, u32, 0, (uint32_t)x + y)
REDUCE(reduce_add_epi64, long long, __m512i, integer, u64, 0, (uint64_t)x + y)
REDUCE(reduce_max_epu32, unsigned, __m512i, integer, u32, 0, x > y ? x : y)
REDUCE(reduce_min_epu32, unsigned, __m512i, integer, u32, UINT32_MAX, x < y ? x : y)
REDUCE(reduce_max_ps, float, __m512, single, f32, -INFINITY, x > y ? x : y)
REDUCE(reduce_min_ps, float, __m512, single, f32, INFINITY, x < y ? x : y)

/* ---- Masks ---- */

#define MASK(name, mask, of, condition)                                \
  static inline mask emulated_##name(__m512i a, __m512i b) {           \
    Lanes512 first = INTEGER(a), second = INTEGER(b);                  \
    uint64_t out = 0;                                                  \
    EACH(of) {                                                         \
      const __typeof__(first.of[0]) x = first.of[j], y = second.of[j]; \
      out |= (uint64_t)(condition) << j;                               \
    }                                                                  \
    return (mask)out;                                                  \
  }
MASK(cmpeq_epi32_mask, __mmask16, u32, x == y)
MASK(test_epi16_mask, __mmask32, u16, (x & y) != 0)
MASK(testn_epi8_mask, __mmask64, u8, (x & y) == 0)
MASK(sign_mask, __mmask64, i8, x < y)

static inline __mmask64 emulated_movepi8_mask(__m512i a) {
  return emulated_sign_mask(a, (Lanes512){.u8 = {0}}.integer);
}

static inline __mmask8 emulated_cmp_pd_mask(__m512d a, __m512d b, int predicate) {
  Lanes512 first = REAL(a), second = REAL(b);
  unsigned out = 0;
  EACH(f64) {
    double x = first.f64[j], y = second.f64[j];
    bool holds = false;
    switch (predicate) {
      case _CMP_LT_OQ: holds = x < y; break;
      case _CMP_GE_OQ: holds = x >= y; break;
      case _CMP_EQ_OQ: holds = x == y; break;
      case _CMP_NEQ_UQ: holds = x != y; break;
      default: __builtin_trap();
    }
    out |= (unsigned)holds << j;
  }
  return (__mmask8)out;
}

/* Lanes x and y where the mask is set, else those of `source`. */
#define MASKED(name, mask, of, expression)                                                  \
  static inline __m512i emulated_##name(__m512i source, mask where, __m512i a, __m512i b) { \
    Lanes512 out = INTEGER(source), first = INTEGER(a), second = INTEGER(b);                \
    EACH(of) {                                                                              \
      const __typeof__(out.of[0]) x = first.of[j], y = second.of[j];                        \
      if (where >> j & 1) out.of[j] = (__typeof__(out.of[0]))(expression);                  \
    }                                                                                       \
    return out.integer;                                                                     \
  }
MASKED(mask_min_epu16, __mmask32, u16, x < y ? x : y)
MASKED(mask_sub_epi64, __mmask8, u64, x - y)
MASKED(mask_sub_epi8, __mmask64, u8, x - y)
MASKED(mask_second_epi8, __mmask64, u8, ((void)x, y))
MASKED(mask_second_epi64, __mmask8, u64, ((void)x, y))

static inline __m512i emulated_mask_blend_epi8(__mmask64 where, __m512i a, __m512i b) {
  return emulated_mask_second_epi8(a, where, b, b);
}

static inline __m512d emulated_mask_blend_pd(__mmask8 where, __m512d a, __m512d b) {
  __m512i second = REAL(b).integer;
  return INTEGER(emulated_mask_second_epi64(REAL(a).integer, where, second, second)).real;
}

static inline __m512i emulated_maskz_mov_epi8(__mmask64 where, __m512i a) {
  return emulated_mask_second_epi8((Lanes512){.u8 = {0}}.integer, where, a, a);
}

/* ---- Conversions ---- */

#define WIDEN(name, from, of, result, member, to)  \
  static inline result emulated_##name(from a) {   \
    Lanes512 in = {{0}}, out;                      \
    memcpy(&in, &a, sizeof a);                     \
    EACH(to) {                                     \
      out.to[j] = (__typeof__(out.to[0]))in.of[j]; \
    }                                              \
    return out.member;                             \
  }
WIDEN(cvtepi16_epi32, __m256i, i16, __m512i, integer, i32)
WIDEN(cvtepu16_epi32, __m256i, u16, __m512i, integer, i32)
WIDEN(cvtepi32_ps, __m512i, i32, __m512, single, f32)
WIDEN(cvtps_pd, __m256, f32, __m512d, real, f64)

static inline __m512 emulated_cvtph_ps(__m256i a) {
  Lanes512 out;
  __m256 low = _mm256_cvtph_ps(_mm256_castsi256_si128(a));
  __m256 high = _mm256_cvtph_ps(_mm256_extracti128_si256(a, 1));
  memcpy(out.f32, &low, sizeof low);
  memcpy(out.f32 + 8, &high, sizeof high);
  return out.single;
}

static inline __m256i emulated_cvttpd_epi32(__m512d a) {
  Lanes512 in = REAL(a), out = {{0}};
  EACH(f64) {
    out.i32[j] = (int32_t)in.f64[j];
  }
  return out.half[0];
}

static inline __m512i emulated_castps_si512(__m512 a) {
  return SINGLE(a).integer;
}

static inline __m512 emulated_castsi512_ps(__m512i a) {
  return INTEGER(a).single;
}

static inline __m256i emulated_castsi512_si256(__m512i a) {
  return INTEGER(a).half[0];
}

static inline __m256i emulated_extracti64x4_epi64(__m512i a, int half) {
  return INTEGER(a).half[half];
}

/* ---- Constants, loads and stores ---- */

#define ALL(name, from, result, member, of)          \
  static inline result emulated_##name(from value) { \
    Lanes512 out;                                    \
    EACH(of) {                                       \
      out.of[j] = value;                             \
    }                                                \
    return out.member;                               \
  }
ALL(set1_epi8, char, __m512i, integer, i8)
ALL(set1_epi16, short, __m512i, integer, i16)
ALL(set1_epi32, int, __m512i, integer, i32)
ALL(set1_epi64, long long, __m512i, integer, i64)
ALL(set1_ps, float, __m512, single, f32)
ALL(set1_pd, double, __m512d, real, f64)

static inline __m512i emulated_setzero_si512(void) {
  return emulated_set1_epi64(0);
}

#define MEMORY(kind, type)                                          \
  static inline type emulated_loadu_##kind(const void *from) {      \
    type value;                                                     \
    memcpy(&value, from, sizeof value);                             \
    return value;                                                   \
  }                                                                 \
  static inline void emulated_storeu_##kind(void *to, type value) { \
    memcpy(to, &value, sizeof value);                               \
  }
MEMORY(si512, __m512i)
MEMORY(ps, __m512)
MEMORY(pd, __m512d)
