/* The vocabulary of plain C: see kernels.h. A "register" holds one number, so the bodies become
** loops of a constant length over arrays of numbers, which the compiler vectorises as well as it
** can. */
#ifndef SAFETENSORS_KERNELS_PORTABLE_H
#define SAFETENSORS_KERNELS_PORTABLE_H

#include <math.h>

#include "format/element.h"
#include "kernels/kernels.h"

#define portable_TARGET
#define portable_INLINE inline __attribute__((always_inline))
#define portable_UNROLL
#define portable_PART(a, b, c, d, constant)
#define portable_BEFORE_THE_NEXT(vector)
#define portable_PART_FLOATS(a, b, c, d, constant)

typedef float portable_Floats;
typedef uint32_t portable_Words;
typedef uint16_t portable_Halves;
typedef double portable_Doubles;
typedef uint64_t portable_Longs;
typedef bool portable_Mask;
typedef uint32_t portable_Counts;
typedef uint64_t portable_DoubleCounts;

enum { portable_FLOATS = 1, portable_DOUBLES = 1, portable_HALVES = 1, portable_LONGS = 1 };
enum { portable_RANGES = KERNEL_LANES, portable_HALF_RANGES = KERNEL_LANES };
enum { portable_TILE_ROWS = 1, portable_TILE_PARTS = 16 };
enum { portable_PAIR_PASS = PAIR_LANES };
enum { portable_ROW_GROUP = 1 };

/* ---- Floats and words ---- */

static portable_INLINE float portable_load_floats(const unsigned char *data) {
  return float_at(data, 0);
}

static portable_INLINE void portable_store_floats(float *out, float number) {
  *out = number;
}

static portable_INLINE float portable_all_floats(float number) {
  return number;
}

static portable_INLINE float portable_min_floats(float a, float b) {
  return a < b ? a : b;
}

static portable_INLINE float portable_max_floats(float a, float b) {
  return a > b ? a : b;
}

static portable_INLINE float portable_fold_min_floats(float number) {
  return number;
}

static portable_INLINE float portable_fold_max_floats(float number) {
  return number;
}

static portable_INLINE float portable_add_floats(float a, float b) {
  return a + b;
}

static portable_INLINE float portable_subtract_floats(float a, float b) {
  return a - b;
}

static portable_INLINE float portable_multiply_floats(float a, float b) {
  return a * b;
}

static portable_INLINE float portable_divide_floats(float a, float b) {
  return a / b;
}

static portable_INLINE uint32_t portable_bits_of_floats(float number) {
  return float_bits(number);
}

static portable_INLINE uint32_t portable_all_words(uint32_t word) {
  return word;
}

static portable_INLINE uint32_t portable_and_words(uint32_t a, uint32_t b) {
  return a & b;
}

static portable_INLINE uint32_t portable_add_words(uint32_t a, uint32_t b) {
  return a + b;
}

static portable_INLINE uint32_t portable_min_words(uint32_t a, uint32_t b) {
  return a < b ? a : b;
}

static portable_INLINE uint32_t portable_max_words(uint32_t a, uint32_t b) {
  return a > b ? a : b;
}

static portable_INLINE uint32_t portable_fold_min_words(uint32_t word) {
  return word;
}

static portable_INLINE uint32_t portable_fold_max_words(uint32_t word) {
  return word;
}

static portable_INLINE uint32_t portable_no_counts(void) {
  return 0;
}

static portable_INLINE uint32_t portable_count_equal_words(uint32_t count, uint32_t a, uint32_t b) {
  return count + (a == b);
}

static portable_INLINE uint32_t portable_count_equal_floats(uint32_t count, float a, float b) {
  return count + (a == b);
}

static portable_INLINE uint32_t portable_fold_counts(uint32_t count) {
  return count;
}

/* ---- Elements as floats ---- */

static portable_INLINE float portable_widen_F16(const unsigned char *data) {
  return float_widen(element_load_16(data), float_format(DTYPE_F16));
}

static portable_INLINE float portable_widen_BF16(const unsigned char *data) {
  return float_from_bits((uint32_t)element_load_16(data) << 16);
}

static portable_INLINE float portable_widen_I16(const unsigned char *data) {
  return (int16_t)element_load_16(data);
}

static portable_INLINE float portable_widen_U16(const unsigned char *data) {
  return element_load_16(data);
}

/* ---- Numbers of 16 bits ---- */

static portable_INLINE uint16_t portable_load_halves(const unsigned char *data) {
  return element_load_16(data);
}

static portable_INLINE uint16_t portable_all_halves(uint16_t half) {
  return half;
}

static portable_INLINE uint16_t portable_and_halves(uint16_t a, uint16_t b) {
  return a & b;
}

static portable_INLINE uint16_t portable_xor_halves(uint16_t a, uint16_t b) {
  return a ^ b;
}

static portable_INLINE uint16_t portable_add_halves(uint16_t a, uint16_t b) {
  return (uint16_t)(a + b);
}

/* All ones if there is a sign. */
static portable_INLINE uint16_t portable_signs_of_halves(uint16_t half) {
  return (uint16_t) - (half >> 15);
}

static portable_INLINE uint16_t portable_min_halves(uint16_t a, uint16_t b) {
  return a < b ? a : b;
}

static portable_INLINE uint16_t portable_min_signed_halves(uint16_t a, uint16_t b) {
  return (int16_t)a < (int16_t)b ? a : b;
}

static portable_INLINE uint16_t portable_max_signed_halves(uint16_t a, uint16_t b) {
  return (int16_t)a > (int16_t)b ? a : b;
}

static portable_INLINE uint16_t portable_fold_min_halves(uint16_t half) {
  return half;
}

static portable_INLINE int16_t portable_fold_min_signed_halves(uint16_t half) {
  return (int16_t)half;
}

static portable_INLINE int16_t portable_fold_max_signed_halves(uint16_t half) {
  return (int16_t)half;
}

static portable_INLINE uint16_t portable_count_zero_halves(uint16_t count, uint16_t half) {
  return (uint16_t)(count + (half == 0));
}

static portable_INLINE uint16_t portable_count_equal_halves(uint16_t count, uint16_t a,
                                                            uint16_t b) {
  return (uint16_t)(count + ((a == b) | (((a | b) & 0x7fff) == 0)));
}

static portable_INLINE uint32_t portable_fold_half_counts(uint16_t count) {
  return count;
}

/* ---- Integers of 8 and 16 bits ---- */

typedef struct portable_ShortSums {
  int64_t sum;
  uint64_t squares;
} portable_ShortSums;

static portable_INLINE portable_ShortSums portable_no_short_sums(void) {
  return (portable_ShortSums){0, 0};
}

static portable_INLINE portable_ShortSums portable_add_shorts(portable_ShortSums sums,
                                                              uint16_t number, bool narrow) {
  int value = (int16_t)number;
  (void)narrow;
  return (portable_ShortSums){sums.sum + value, sums.squares + (uint64_t)((int64_t)value * value)};
}

static portable_INLINE int64_t portable_fold_short_sum(portable_ShortSums sums) {
  return sums.sum;
}

static portable_INLINE uint64_t portable_fold_short_squares(portable_ShortSums sums, bool narrow) {
  (void)narrow;
  return sums.squares;
}

static portable_INLINE uint16_t portable_halves_I8(const unsigned char *data) {
  return (uint16_t)(int8_t)data[0];
}

static portable_INLINE uint16_t portable_halves_U8(const unsigned char *data) {
  return data[0];
}

static portable_INLINE uint16_t portable_halves_16(const unsigned char *data) {
  return portable_load_halves(data);
}

/* ---- Doubles ---- */

static portable_INLINE double portable_doubles_F32(const unsigned char *data, unsigned part) {
  return (double)float_at(data, part);
}

static portable_INLINE double portable_doubles_F64(const unsigned char *data, unsigned part) {
  return double_at(data, part);
}

static portable_INLINE double portable_doubles_F16(const unsigned char *data, unsigned part) {
  return (double)portable_widen_F16(data + 2 * part);
}

static portable_INLINE double portable_doubles_BF16(const unsigned char *data, unsigned part) {
  return (double)portable_widen_BF16(data + 2 * part);
}

/* In the order of scan_lane(). */
static portable_INLINE double portable_lanes_BF16(const unsigned char *data, unsigned part) {
  unsigned half = KERNEL_LANES / 2;
  return portable_doubles_BF16(data, part % half * 2 + part / half);
}

static portable_INLINE void portable_store_doubles(double *out, double number) {
  *out = number;
}

static portable_INLINE void portable_store_F32(unsigned char *out, double number) {
  element_store_32(out, float_bits((float)number));
}

static portable_INLINE void portable_store_truncated(int32_t *out, double number) {
  *out = (int32_t)number;
}

static portable_INLINE double portable_all_doubles(double number) {
  return number;
}

static portable_INLINE double portable_add_doubles(double a, double b) {
  return a + b;
}

static portable_INLINE double portable_subtract_doubles(double a, double b) {
  return a - b;
}

static portable_INLINE double portable_multiply_doubles(double a, double b) {
  return a * b;
}

static portable_INLINE double portable_divide_doubles(double a, double b) {
  return a / b;
}

static portable_INLINE double portable_add_product(double sum, double a, double b) {
  return sum + a * b;
}

static portable_INLINE double portable_add_exact_product(double sum, double a, double b) {
  return sum + a * b;
}

static portable_INLINE double portable_absolute_doubles(double number) {
  return fabs(number);
}

static portable_INLINE double portable_round_doubles(double number) {
  const double rounder = 0x1.8p52; /* once it is added, there is no room for a fraction */
  return (number + rounder) - rounder;
}

static portable_INLINE double portable_min_doubles(double a, double b) {
  return a < b ? a : b;
}

static portable_INLINE double portable_max_doubles(double a, double b) {
  return a > b ? a : b;
}

static portable_INLINE bool portable_less(double a, double b) {
  return a < b;
}

static portable_INLINE bool portable_greater_equal(double a, double b) {
  return a >= b;
}

static portable_INLINE bool portable_equal(double a, double b) {
  return a == b;
}

static portable_INLINE bool portable_unequal(double a, double b) {
  return a != b;
}

static portable_INLINE bool portable_both(bool a, bool b) {
  return a & b;
}

static portable_INLINE bool portable_either(bool a, bool b) {
  return b ? true : a;
}

static portable_INLINE bool portable_any(bool mask) {
  return mask;
}

static portable_INLINE double portable_select_doubles(bool mask, double yes, double no) {
  return mask ? yes : no;
}

static portable_INLINE uint64_t portable_no_double_counts(void) {
  return 0;
}

static portable_INLINE uint64_t portable_count_doubles(uint64_t count, bool mask) {
  return count + mask;
}

static portable_INLINE uint64_t portable_fold_double_counts(uint64_t count) {
  return count;
}

/* ---- Numbers of 64 bits ---- */

static portable_INLINE uint64_t portable_longs_at(const unsigned char *data, unsigned part) {
  return element_load_64(data + 8 * part);
}

static portable_INLINE uint64_t portable_swapped_longs_at(const unsigned char *data,
                                                          unsigned part) {
  return element_load_64(data + 8 * (part ^ 1));
}

static portable_INLINE uint64_t portable_load_longs(const uint64_t *numbers) {
  return *numbers;
}

static portable_INLINE void portable_store_longs(uint64_t *out, uint64_t number) {
  *out = number;
}

static portable_INLINE uint64_t portable_all_longs(uint64_t number) {
  return number;
}

static portable_INLINE uint64_t portable_xor_longs(uint64_t a, uint64_t b) {
  return a ^ b;
}

static portable_INLINE uint64_t portable_add_longs(uint64_t a, uint64_t b) {
  return a + b;
}

static portable_INLINE uint64_t portable_shift_longs_47(uint64_t number) {
  return number >> 47;
}

/* The product of the upper and the lower half of a number. */
static portable_INLINE uint64_t portable_multiply_halves(uint64_t number) {
  return (number & UINT32_MAX) * (number >> 32);
}

static portable_INLINE uint64_t portable_multiply_longs(uint64_t number, uint32_t factor) {
  return number * factor;
}

/* ---- Places ---- */

static portable_INLINE float portable_near_places(float number, float scale, float offset) {
  return number * scale + offset;
}

static portable_INLINE float portable_near_places_F64(const unsigned char *data, double scale,
                                                      double offset) {
  return (float)(double_at(data, 0) * scale + offset);
}

static portable_INLINE float portable_nearer_integers(float distance, float place) {
  const float rounder = 0x1.8p23f; /* once it is added, there is no room for a fraction */
  float away = fabsf(place - ((place + rounder) - rounder));
  return away < distance ? away : distance;
}

static portable_INLINE bool portable_any_float_less(float a, float b) {
  return a < b;
}

static portable_INLINE uint32_t portable_truncate_floats(float number) {
  return (uint32_t)(int32_t)number;
}

/* For numbers that are not negative. */
static portable_INLINE uint32_t portable_round_floats(float number) {
  return (uint32_t)(int32_t)(number + 0.5f);
}

static portable_INLINE float portable_floats_at(const float *numbers, uint32_t index) {
  return numbers[index];
}

static portable_INLINE uint32_t portable_one_less_if(uint32_t word, float a, float b) {
  return word - (a < b);
}

static portable_INLINE uint32_t portable_join_words(uint32_t a, uint32_t b, uint32_t stride) {
  return a * stride + b;
}

static portable_INLINE void portable_store_short_words(uint16_t *out, uint32_t a, uint32_t b) {
  out[0] = (uint16_t)a;
  out[1] = (uint16_t)b;
}

static portable_INLINE void portable_prefetch(const unsigned char *data) {
  (void)data;
}

#endif
