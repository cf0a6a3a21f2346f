/* The kernels for NEON, which every AArch64 processor has. */
#include "kernels/kernels.h"

#if defined(__aarch64__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__

#include "kernels/halves.h"
#include "kernels/neon.h"

#define SET(name) neon_##name

#include "kernels/generic/arithmetic.h"
#include "kernels/generic/bins.h"
#include "kernels/generic/convert.h"
#include "kernels/generic/hash.h"
#include "kernels/generic/integers.h"
#include "kernels/generic/pairs.h"
#include "kernels/generic/rows.h"
#include "kernels/generic/scan.h"
#include "kernels/generic/slots.h"
/* Needs the sums of scan.h. */
#include "kernels/generic/halves.h"

#undef SET

/* ---- 8-bit floats by way of F16 ---- */

/* Loads 4 bytes, each into the upper half of 16 bits. */
static neon_INLINE uint16x4_t neon_upper_halves(const unsigned char *data) {
  uint32_t four;
  memcpy(&four, data, sizeof four);
  return vget_low_u16(vshll_n_u8(vreinterpret_u8_u32(vdup_n_u32(four)), 8));
}

/* F8_E5M2 is the upper half of an F16. */
static neon_INLINE float32x4_t neon_widen_F8_E5M2(const unsigned char *data) {
  return vcvt_f32_f16(vreinterpret_f16_u16(neon_upper_halves(data)));
}

/* F8_E4M3 is an F16 whose exponent is too small by 8, except for the NaN. */
static neon_INLINE float32x4_t neon_widen_F8_E4M3(const unsigned char *data) {
  uint16x4_t codes = neon_upper_halves(data), sign = vand_u16(codes, vdup_n_u16(0x8000));
  uint16x4_t magnitude = vshr_n_u16(vshl_n_u16(codes, 1), 2);
  uint16x4_t nan = vceq_u16(magnitude, vdup_n_u16(0x3f80));
  uint16x4_t halves = vorr_u16(vorr_u16(sign, magnitude), nan);
  return vmulq_n_f32(vcvt_f32_f16(vreinterpret_f16_u16(halves)), 256);
}

static void neon_convert_F8_E5M2(const unsigned char *data, uint64_t count, float *out) {
  neon_convert(neon_widen_F8_E5M2, 1, data, count, out);
}

static void neon_convert_F8_E4M3(const unsigned char *data, uint64_t count, float *out) {
  neon_convert(neon_widen_F8_E4M3, 1, data, count, out);
}

/* ---- The set ---- */

const Kernels kernels_neon = {
    .name = "neon",
    .convert = {[DTYPE_F8_E5M2] = neon_convert_F8_E5M2,
                [DTYPE_F8_E4M3] = neon_convert_F8_E4M3,
                [DTYPE_F16] = neon_convert_F16,
                [DTYPE_BF16] = neon_convert_BF16,
                [DTYPE_I16] = neon_convert_I16,
                [DTYPE_U16] = neon_convert_U16},
    .find_bins = {[DTYPE_F32] = neon_find_bins_F32, [DTYPE_F64] = neon_find_bins_F64},
    .count_slots = {[DTYPE_F32] = neon_count_slots_F32,
                    [DTYPE_F64] = neon_count_slots_F64,
                    [DTYPE_F16] = neon_count_slots_F16,
                    [DTYPE_BF16] = neon_count_slots_BF16},
    .hash_blocks = neon_hash_blocks,
    .hash_merge = neon_hash_merge,
    .scan =
        {[DTYPE_F32] = neon_scan_F32, [DTYPE_F16] = neon_scan_F16, [DTYPE_BF16] = neon_scan_BF16},
    .range = {[DTYPE_F32] = neon_range_F32,
              [DTYPE_F16] = neon_range_F16,
              [DTYPE_BF16] = neon_range_BF16},
    .scan_integers = {[DTYPE_I8] = neon_scan_I8,
                      [DTYPE_U8] = neon_scan_U8,
                      [DTYPE_I16] = neon_scan_I16,
                      [DTYPE_U16] = neon_scan_U16},
    .scan_doubles = neon_scan_doubles,
    .deviations = neon_deviations,
    .pairs = {[DTYPE_F32] = neon_pairs_F32,
              [DTYPE_F64] = neon_pairs_F64,
              [DTYPE_F16] = neon_pairs_F16,
              [DTYPE_BF16] = neon_pairs_BF16},
    .squares = {[DTYPE_F32] = neon_squares_F32,
                [DTYPE_F64] = neon_squares_F64,
                [DTYPE_F16] = neon_squares_F16,
                [DTYPE_BF16] = neon_squares_BF16},
    .row_products = {[DTYPE_F32] = neon_row_products_F32,
                     [DTYPE_F16] = neon_row_products_F16,
                     [DTYPE_BF16] = neon_row_products_BF16},
    .row_distances = {[DTYPE_F32] = neon_row_distances_F32,
                      [DTYPE_F16] = neon_row_distances_F16,
                      [DTYPE_BF16] = neon_row_distances_BF16},
    .sum = {[DTYPE_F32] = neon_sum_F32, [DTYPE_F16] = neon_sum_F16, [DTYPE_BF16] = neon_sum_BF16},
    .difference = {[DTYPE_F32] = neon_difference_F32,
                   [DTYPE_F16] = neon_difference_F16,
                   [DTYPE_BF16] = neon_difference_BF16},
    .product = {[DTYPE_F32] = neon_product_F32,
                [DTYPE_F16] = neon_product_F16,
                [DTYPE_BF16] = neon_product_BF16},
    .quotient = {[DTYPE_F32] = neon_quotient_F32,
                 [DTYPE_F16] = neon_quotient_F16,
                 [DTYPE_BF16] = neon_quotient_BF16},
    .scan_computed = neon_scan_computed,
    .scale_groups = neon_scale_groups,
    .doubles = {[DTYPE_F32] = neon_doubles_of_F32,
                [DTYPE_F16] = neon_doubles_of_F16,
                [DTYPE_BF16] = neon_doubles_of_BF16},
    .scale = {[DTYPE_F32] = neon_scale_F32,
              [DTYPE_F64] = neon_scale_F64,
              [DTYPE_F16] = neon_scale_F16,
              [DTYPE_BF16] = neon_scale_BF16},
    .add_scaled = {[DTYPE_F32] = neon_add_scaled_F32,
                   [DTYPE_F64] = neon_add_scaled_F64,
                   [DTYPE_F16] = neon_add_scaled_F16,
                   [DTYPE_BF16] = neon_add_scaled_BF16},
    .lerp = {[DTYPE_F32] = neon_lerp_F32,
             [DTYPE_F64] = neon_lerp_F64,
             [DTYPE_F16] = neon_lerp_F16,
             [DTYPE_BF16] = neon_lerp_BF16},
    .add = {[DTYPE_F64] = neon_add_F64},
    .subtract = {[DTYPE_F64] = neon_subtract_F64},
    .multiply = {[DTYPE_F64] = neon_multiply_F64},
    .divide = {[DTYPE_F64] = neon_divide_F64},
    .narrow = {[DTYPE_F32] = neon_narrow_F32},
    .multiply_tile = neon_multiply_tile,
};

#endif
