/* The vocabulary of NEON, which every AArch64 processor has: see kernels.h. */
#ifndef SAFETENSORS_KERNELS_NEON_H
#define SAFETENSORS_KERNELS_NEON_H

#include <arm_neon.h>
#include <math.h>

#include "format/element.h"
#include "kernels/kernels.h"

#define neon_TARGET
#define neon_INLINE inline __attribute__((always_inline))
#define neon_UNROLL KERNEL_UNROLL
#define neon_PART(a, b, c, d, constant)
#define neon_BEFORE_THE_NEXT(vector)
#define neon_PART_FLOATS(a, b, c, d, constant)
#if defined(__clang__)
/* Clang computes the vector as it stands, without regard to what becomes of it. */
#define neon_AS_IT_STANDS(vector) __asm__("" : "+w"(vector))
#else
#define neon_AS_IT_STANDS(vector)
#endif

typedef float32x4_t neon_Floats;
typedef uint32x4_t neon_Words;
typedef uint16x8_t neon_Halves;
typedef float64x2_t neon_Doubles;
typedef uint64x2_t neon_Longs;
typedef uint64x2_t neon_Mask;
typedef uint32x4_t neon_Counts;
typedef uint64x2_t neon_DoubleCounts;

enum { neon_FLOATS = 4, neon_DOUBLES = 2, neon_HALVES = 8, neon_LONGS = 2 };
enum { neon_RANGES = 1, neon_HALF_RANGES = 1 };
enum { neon_TILE_ROWS = 4, neon_TILE_PARTS = 4 };
enum { neon_PAIR_PASS = 4 };
enum { neon_ROW_GROUP = 2 };

/* ---- Floats and words ---- */

static neon_INLINE float32x4_t neon_load_floats(const unsigned char *data) {
  return vreinterpretq_f32_u8(vld1q_u8(data));
}

static neon_INLINE void neon_store_floats(float *out, float32x4_t numbers) {
  vst1q_f32(out, numbers);
}

static neon_INLINE float32x4_t neon_all_floats(float number) {
  return vdupq_n_f32(number);
}

/* vminq_f32() is not used, because a NaN in `a` has to give `b`. */
static neon_INLINE float32x4_t neon_min_floats(float32x4_t a, float32x4_t b) {
  return vbslq_f32(vcltq_f32(a, b), a, b);
}

static neon_INLINE float32x4_t neon_max_floats(float32x4_t a, float32x4_t b) {
  return vbslq_f32(vcgtq_f32(a, b), a, b);
}

static neon_INLINE float neon_fold_min_floats(float32x4_t numbers) {
  return vminvq_f32(numbers);
}

static neon_INLINE float neon_fold_max_floats(float32x4_t numbers) {
  return vmaxvq_f32(numbers);
}

static neon_INLINE float32x4_t neon_add_floats(float32x4_t a, float32x4_t b) {
  return vaddq_f32(a, b);
}

static neon_INLINE float32x4_t neon_subtract_floats(float32x4_t a, float32x4_t b) {
  return vsubq_f32(a, b);
}

static neon_INLINE float32x4_t neon_multiply_floats(float32x4_t a, float32x4_t b) {
  return vmulq_f32(a, b);
}

static neon_INLINE float32x4_t neon_divide_floats(float32x4_t a, float32x4_t b) {
  return vdivq_f32(a, b);
}

static neon_INLINE uint32x4_t neon_bits_of_floats(float32x4_t numbers) {
  return vreinterpretq_u32_f32(numbers);
}

static neon_INLINE uint32x4_t neon_all_words(uint32_t word) {
  return vdupq_n_u32(word);
}

static neon_INLINE uint32x4_t neon_and_words(uint32x4_t a, uint32x4_t b) {
  return vandq_u32(a, b);
}

static neon_INLINE uint32x4_t neon_add_words(uint32x4_t a, uint32x4_t b) {
  return vaddq_u32(a, b);
}

static neon_INLINE uint32x4_t neon_min_words(uint32x4_t a, uint32x4_t b) {
  return vminq_u32(a, b);
}

static neon_INLINE uint32x4_t neon_max_words(uint32x4_t a, uint32x4_t b) {
  return vmaxq_u32(a, b);
}

static neon_INLINE uint32_t neon_fold_min_words(uint32x4_t words) {
  return vminvq_u32(words);
}

static neon_INLINE uint32_t neon_fold_max_words(uint32x4_t words) {
  return vmaxvq_u32(words);
}

static neon_INLINE uint32x4_t neon_no_counts(void) {
  return vdupq_n_u32(0);
}

static neon_INLINE uint32x4_t neon_count_equal_words(uint32x4_t counts, uint32x4_t a,
                                                     uint32x4_t b) {
  return vsubq_u32(counts, vceqq_u32(a, b));
}

static neon_INLINE uint32x4_t neon_count_equal_floats(uint32x4_t counts, float32x4_t a,
                                                      float32x4_t b) {
  return vsubq_u32(counts, vceqq_f32(a, b));
}

static neon_INLINE uint32_t neon_fold_counts(uint32x4_t counts) {
  return vaddvq_u32(counts);
}

/* ---- Elements as floats ---- */

static neon_INLINE uint16x4_t neon_load_4_halves(const unsigned char *data) {
  return vreinterpret_u16_u8(vld1_u8(data));
}

static neon_INLINE float32x4_t neon_widen_F16(const unsigned char *data) {
  return vcvt_f32_f16(vreinterpret_f16_u16(neon_load_4_halves(data)));
}

static neon_INLINE float32x4_t neon_widen_BF16(const unsigned char *data) {
  return vreinterpretq_f32_u32(vshll_n_u16(neon_load_4_halves(data), 16));
}

static neon_INLINE float32x4_t neon_widen_I16(const unsigned char *data) {
  return vcvtq_f32_s32(vmovl_s16(vreinterpret_s16_u16(neon_load_4_halves(data))));
}

static neon_INLINE float32x4_t neon_widen_U16(const unsigned char *data) {
  return vcvtq_f32_u32(vmovl_u16(neon_load_4_halves(data)));
}

/* ---- Numbers of 16 bits ---- */

static neon_INLINE uint16x8_t neon_load_halves(const unsigned char *data) {
  return vreinterpretq_u16_u8(vld1q_u8(data));
}

static neon_INLINE uint16x8_t neon_all_halves(uint16_t half) {
  return vdupq_n_u16(half);
}

static neon_INLINE uint16x8_t neon_and_halves(uint16x8_t a, uint16x8_t b) {
  return vandq_u16(a, b);
}

static neon_INLINE uint16x8_t neon_xor_halves(uint16x8_t a, uint16x8_t b) {
  return veorq_u16(a, b);
}

static neon_INLINE uint16x8_t neon_add_halves(uint16x8_t a, uint16x8_t b) {
  return vaddq_u16(a, b);
}

static neon_INLINE uint16x8_t neon_signs_of_halves(uint16x8_t halves) {
  return vreinterpretq_u16_s16(vshrq_n_s16(vreinterpretq_s16_u16(halves), 15));
}

static neon_INLINE uint16x8_t neon_min_halves(uint16x8_t a, uint16x8_t b) {
  return vminq_u16(a, b);
}

static neon_INLINE uint16x8_t neon_min_signed_halves(uint16x8_t a, uint16x8_t b) {
  return vreinterpretq_u16_s16(vminq_s16(vreinterpretq_s16_u16(a), vreinterpretq_s16_u16(b)));
}

static neon_INLINE uint16x8_t neon_max_signed_halves(uint16x8_t a, uint16x8_t b) {
  return vreinterpretq_u16_s16(vmaxq_s16(vreinterpretq_s16_u16(a), vreinterpretq_s16_u16(b)));
}

static neon_INLINE uint16_t neon_fold_min_halves(uint16x8_t halves) {
  return vminvq_u16(halves);
}

static neon_INLINE int16_t neon_fold_min_signed_halves(uint16x8_t halves) {
  return vminvq_s16(vreinterpretq_s16_u16(halves));
}

static neon_INLINE int16_t neon_fold_max_signed_halves(uint16x8_t halves) {
  return vmaxvq_s16(vreinterpretq_s16_u16(halves));
}

static neon_INLINE uint16x8_t neon_count_zero_halves(uint16x8_t counts, uint16x8_t halves) {
  return vsubq_u16(counts, vceqzq_u16(halves));
}

static neon_INLINE uint16x8_t neon_count_equal_halves(uint16x8_t counts, uint16x8_t a,
                                                      uint16x8_t b) {
  uint16x8_t zero = vceqq_u16(vandq_u16(vorrq_u16(a, b), vdupq_n_u16(0x7fff)), vdupq_n_u16(0));
  return vsubq_u16(counts, vorrq_u16(vceqq_u16(a, b), zero));
}

static neon_INLINE uint32_t neon_fold_half_counts(uint16x8_t counts) {
  return vaddlvq_u16(counts);
}

/* ---- Integers of 8 and 16 bits ---- */

typedef struct neon_ShortSums {
  int32x4_t sum;
  uint64x2_t squares;
} neon_ShortSums;

static neon_INLINE neon_ShortSums neon_no_short_sums(void) {
  return (neon_ShortSums){vdupq_n_s32(0), vdupq_n_u64(0)};
}

static neon_INLINE neon_ShortSums neon_add_shorts(neon_ShortSums sums, uint16x8_t codes,
                                                  bool narrow) {
  int16x8_t numbers = vreinterpretq_s16_u16(codes);
  int32x4_t low = vmull_s16(vget_low_s16(numbers), vget_low_s16(numbers));
  int32x4_t high = vmull_high_s16(numbers, numbers);
  (void)narrow;
  sums.sum = vpadalq_s16(sums.sum, numbers);
  sums.squares =
      vpadalq_u32(sums.squares, vaddq_u32(vreinterpretq_u32_s32(low), vreinterpretq_u32_s32(high)));
  return sums;
}

static neon_INLINE int64_t neon_fold_short_sum(neon_ShortSums sums) {
  return vaddlvq_s32(sums.sum);
}

static neon_INLINE uint64_t neon_fold_short_squares(neon_ShortSums sums, bool narrow) {
  (void)narrow;
  return vaddvq_u64(sums.squares);
}

static neon_INLINE uint16x8_t neon_halves_I8(const unsigned char *data) {
  return vreinterpretq_u16_s16(vmovl_s8(vld1_s8((const int8_t *)data)));
}

static neon_INLINE uint16x8_t neon_halves_U8(const unsigned char *data) {
  return vmovl_u8(vld1_u8(data));
}

static neon_INLINE uint16x8_t neon_halves_16(const unsigned char *data) {
  return neon_load_halves(data);
}

/* ---- Doubles ---- */

/* Half of four floats. The compiler converts them once for both halves. Comparisons of the doubles
** would otherwise become comparisons of the floats, whose results would have to be widened. */
static neon_INLINE float64x2_t neon_doubles_of(float32x4_t floats, unsigned half) {
  float64x2_t numbers = half == 0 ? vcvt_f64_f32(vget_low_f32(floats)) : vcvt_high_f64_f32(floats);
  neon_AS_IT_STANDS(numbers);
  return numbers;
}

static neon_INLINE float64x2_t neon_doubles_F32(const unsigned char *data, unsigned part) {
  float64x2_t numbers = vcvt_f64_f32(vreinterpret_f32_u8(vld1_u8(data + 8 * part)));
  neon_AS_IT_STANDS(numbers);
  return numbers;
}

static neon_INLINE float64x2_t neon_doubles_F64(const unsigned char *data, unsigned part) {
  return vreinterpretq_f64_u8(vld1q_u8(data + 16 * part));
}

static neon_INLINE float64x2_t neon_doubles_F16(const unsigned char *data, unsigned part) {
  return neon_doubles_of(neon_widen_F16(data + 8 * (part / 2)), part % 2);
}

static neon_INLINE float64x2_t neon_doubles_BF16(const unsigned char *data, unsigned part) {
  return neon_doubles_of(neon_widen_BF16(data + 8 * (part / 2)), part % 2);
}

/* In the order of scan_lane(): parts 0 to 3 have the first number of every pair, 4 to 7 the
** second. */
static neon_INLINE float64x2_t neon_lanes_BF16(const unsigned char *data, unsigned part) {
  uint32x4_t codes = vreinterpretq_u32_u8(vld1q_u8(data + 16 * (part % 4 / 2)));
  uint32x4_t bits = part < 4 ? vshlq_n_u32(codes, 16) : vandq_u32(codes, vdupq_n_u32(0xffff0000));
  return neon_doubles_of(vreinterpretq_f32_u32(bits), part % 2);
}

static neon_INLINE void neon_store_doubles(double *out, float64x2_t numbers) {
  vst1q_f64(out, numbers);
}

static neon_INLINE void neon_store_F32(unsigned char *out, float64x2_t numbers) {
  vst1_u8(out, vreinterpret_u8_f32(vcvt_f32_f64(numbers)));
}

static neon_INLINE void neon_store_truncated(int32_t *out, float64x2_t numbers) {
  vst1_s32(out, vmovn_s64(vcvtq_s64_f64(numbers)));
}

static neon_INLINE float64x2_t neon_all_doubles(double number) {
  return vdupq_n_f64(number);
}

static neon_INLINE float64x2_t neon_add_doubles(float64x2_t a, float64x2_t b) {
  return vaddq_f64(a, b);
}

static neon_INLINE float64x2_t neon_subtract_doubles(float64x2_t a, float64x2_t b) {
  return vsubq_f64(a, b);
}

/* The barrier keeps the compiler from fusing the product with the addition. */
static neon_INLINE float64x2_t neon_multiply_doubles(float64x2_t a, float64x2_t b) {
  float64x2_t product = vmulq_f64(a, b);
  __asm__("" : "+w"(product));
  return product;
}

static neon_INLINE float64x2_t neon_divide_doubles(float64x2_t a, float64x2_t b) {
  return vdivq_f64(a, b);
}

static neon_INLINE float64x2_t neon_add_product(float64x2_t sum, float64x2_t a, float64x2_t b) {
  return vaddq_f64(sum, neon_multiply_doubles(a, b));
}

static neon_INLINE float64x2_t neon_add_exact_product(float64x2_t sum, float64x2_t a,
                                                      float64x2_t b) {
  return vfmaq_f64(sum, a, b);
}

/* Otherwise what is squared later would be computed twice, with its sign and without it. */
static neon_INLINE float64x2_t neon_absolute_doubles(float64x2_t numbers) {
  float64x2_t absolute = vabsq_f64(numbers);
  neon_AS_IT_STANDS(absolute);
  return absolute;
}

static neon_INLINE float64x2_t neon_round_doubles(float64x2_t numbers) {
  return vrndnq_f64(numbers);
}

static neon_INLINE float64x2_t neon_min_doubles(float64x2_t a, float64x2_t b) {
  return vbslq_f64(vcltq_f64(a, b), a, b);
}

static neon_INLINE float64x2_t neon_max_doubles(float64x2_t a, float64x2_t b) {
  return vbslq_f64(vcgtq_f64(a, b), a, b);
}

static neon_INLINE uint64x2_t neon_less(float64x2_t a, float64x2_t b) {
  return vcltq_f64(a, b);
}

static neon_INLINE uint64x2_t neon_greater_equal(float64x2_t a, float64x2_t b) {
  return vcgeq_f64(a, b);
}

static neon_INLINE uint64x2_t neon_equal(float64x2_t a, float64x2_t b) {
  return vceqq_f64(a, b);
}

static neon_INLINE uint64x2_t neon_unequal(float64x2_t a, float64x2_t b) {
  return veorq_u64(vceqq_f64(a, b), vdupq_n_u64(UINT64_MAX));
}

static neon_INLINE uint64x2_t neon_both(uint64x2_t a, uint64x2_t b) {
  return vandq_u64(a, b);
}

static neon_INLINE uint64x2_t neon_either(uint64x2_t a, uint64x2_t b) {
  return vorrq_u64(a, b);
}

static neon_INLINE bool neon_any(uint64x2_t mask) {
  return vmaxvq_u32(vreinterpretq_u32_u64(mask)) != 0;
}

static neon_INLINE float64x2_t neon_select_doubles(uint64x2_t mask, float64x2_t yes,
                                                   float64x2_t no) {
  return vbslq_f64(mask, yes, no);
}

static neon_INLINE uint64x2_t neon_no_double_counts(void) {
  return vdupq_n_u64(0);
}

static neon_INLINE uint64x2_t neon_count_doubles(uint64x2_t counts, uint64x2_t mask) {
  return vsubq_u64(counts, mask);
}

static neon_INLINE uint64_t neon_fold_double_counts(uint64x2_t counts) {
  return vaddvq_u64(counts);
}

/* ---- Numbers of 64 bits ---- */

static neon_INLINE uint64x2_t neon_longs_at(const unsigned char *data, unsigned part) {
  return vreinterpretq_u64_u8(vld1q_u8(data + 16 * part));
}

static neon_INLINE uint64x2_t neon_swapped_longs_at(const unsigned char *data, unsigned part) {
  uint64x2_t numbers = neon_longs_at(data, part);
  return vextq_u64(numbers, numbers, 1);
}

static neon_INLINE uint64x2_t neon_load_longs(const uint64_t *numbers) {
  return vld1q_u64(numbers);
}

static neon_INLINE void neon_store_longs(uint64_t *out, uint64x2_t numbers) {
  vst1q_u64(out, numbers);
}

static neon_INLINE uint64x2_t neon_all_longs(uint64_t number) {
  return vdupq_n_u64(number);
}

static neon_INLINE uint64x2_t neon_xor_longs(uint64x2_t a, uint64x2_t b) {
  return veorq_u64(a, b);
}

static neon_INLINE uint64x2_t neon_add_longs(uint64x2_t a, uint64x2_t b) {
  return vaddq_u64(a, b);
}

static neon_INLINE uint64x2_t neon_shift_longs_47(uint64x2_t numbers) {
  return vshrq_n_u64(numbers, 47);
}

static neon_INLINE uint64x2_t neon_multiply_halves(uint64x2_t numbers) {
  return vmull_u32(vmovn_u64(numbers), vshrn_n_u64(numbers, 32));
}

static neon_INLINE uint64x2_t neon_multiply_longs(uint64x2_t numbers, uint32_t factor) {
  const uint32x2_t factors = vdup_n_u32(factor);
  uint64x2_t high = vmull_u32(vshrn_n_u64(numbers, 32), factors);
  return vaddq_u64(vmull_u32(vmovn_u64(numbers), factors), vshlq_n_u64(high, 32));
}

/* ---- Places ---- */

static neon_INLINE float32x4_t neon_near_places(float32x4_t numbers, float32x4_t scale,
                                                float32x4_t offset) {
  return vfmaq_f32(offset, numbers, scale);
}

static neon_INLINE float32x4_t neon_near_places_F64(const unsigned char *data, double scale,
                                                    double offset) {
  float64x2_t scales = vdupq_n_f64(scale), offsets = vdupq_n_f64(offset);
  float64x2_t low = vfmaq_f64(offsets, neon_doubles_F64(data, 0), scales);
  float64x2_t high = vfmaq_f64(offsets, neon_doubles_F64(data, 1), scales);
  return vcvt_high_f32_f64(vcvt_f32_f64(low), high);
}

static neon_INLINE float32x4_t neon_nearer_integers(float32x4_t distances, float32x4_t places) {
  return vminq_f32(distances, vabdq_f32(places, vrndnq_f32(places)));
}

static neon_INLINE bool neon_any_float_less(float32x4_t a, float32x4_t b) {
  return vmaxvq_u32(vcltq_f32(a, b)) != 0;
}

static neon_INLINE uint32x4_t neon_truncate_floats(float32x4_t numbers) {
  return vcvtq_u32_f32(numbers);
}

static neon_INLINE uint32x4_t neon_round_floats(float32x4_t numbers) {
  return vcvtnq_u32_f32(numbers);
}

static neon_INLINE float32x4_t neon_floats_at(const float *numbers, uint32x4_t indexes) {
  float32x4_t found = vld1q_dup_f32(numbers + vgetq_lane_u32(indexes, 0));
  found = vld1q_lane_f32(numbers + vgetq_lane_u32(indexes, 1), found, 1);
  found = vld1q_lane_f32(numbers + vgetq_lane_u32(indexes, 2), found, 2);
  return vld1q_lane_f32(numbers + vgetq_lane_u32(indexes, 3), found, 3);
}

static neon_INLINE uint32x4_t neon_one_less_if(uint32x4_t words, float32x4_t a, float32x4_t b) {
  return vaddq_u32(words, vcltq_f32(a, b));
}

static neon_INLINE uint32x4_t neon_join_words(uint32x4_t a, uint32x4_t b, uint32x4_t stride) {
  return vmlaq_u32(b, a, stride);
}

static neon_INLINE void neon_store_short_words(uint16_t *out, uint32x4_t a, uint32x4_t b) {
  vst1q_u16(out, vmovn_high_u32(vmovn_u32(a), b));
}

static neon_INLINE void neon_prefetch(const unsigned char *data) {
  __builtin_prefetch(data);
}

#endif
