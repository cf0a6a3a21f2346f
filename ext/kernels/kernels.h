/*
** The inner loops, each made for several instruction sets. The best set that the machine supports
** is chosen once, when the extension is loaded.
**
** All sets give the same results, to the last bit. Sums are accumulated in lanes. The number of
** lanes and the order in which they are folded are fixed here: element i goes to lane i modulo
** their number, whatever the width of a set's registers. A multiplication and an addition are fused
** into one instruction only if the product is exact. The minimum of two zeros of different signs
** may be either.
**
** The body of a function is written once, in kernels/generic/, over the vocabulary of a set. This
** is the header NAME.h, which defines what the registers of the set hold and the operations on
** them. NAME.c makes the functions from the bodies, adds those that only this set can have, and
** lists all of them in a `Kernels`. A set inherits the functions that it does not define from the
** next one in KERNEL_SETS, whose last entry defines them all.
**
** Elements are contiguous, at any alignment. Counts are in elements, and may be 0.
*/
#ifndef SAFETENSORS_KERNELS_KERNELS_H
#define SAFETENSORS_KERNELS_KERNELS_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/arithmetic.h"
#include "base/cpu.h"
#include "base/error.h"
#include "format/dtype.h"

/* ---- The sets, the best one first: one row for each, in the list for its architecture ---- */

#if defined(__x86_64__)
#define KERNEL_SETS(X) \
  X(avx512)            \
  X(avx2)              \
  X(portable)
#elif defined(__aarch64__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define KERNEL_SETS(X) \
  X(neon)              \
  X(portable)
#else
#define KERNEL_SETS(X) X(portable)
#endif

/* ---- Numbers of one dtype as floats ---- */

/* Converts elements to floats, for a dtype whose values are all floats. */
typedef void KernelConvert(const unsigned char *data, uint64_t count, float *out);

/* The value of each byte, as floats whose lower half is 0. `low` and `high` contain the two bytes
** of the upper half. */
typedef struct ByteValues {
  float values[256];
  unsigned char low[256], high[256];
} ByteValues;

typedef void KernelLookup(const unsigned char *data, uint64_t count, const ByteValues *table,
                          float *out);

/* The values of codes of four bits, two to a byte, the lower one first; there are 16 values. */
typedef void KernelNibbles(const unsigned char *data, uint64_t count, const float *values,
                           float *out);

/* Number `index` of an array of native floats, or of doubles, at any alignment. */
static inline float float_at(const void *data, uint64_t index) {
  float number;
  memcpy(&number, (const unsigned char *)data + index * sizeof number, sizeof number);
  return number;
}

static inline double double_at(const void *data, uint64_t index) {
  double number;
  memcpy(&number, (const unsigned char *)data + index * sizeof number, sizeof number);
  return number;
}

/* ---- Bins of equal width ---- */

/* How numbers are assigned to bins of equal width. */
typedef struct Binning {
  double unit, lo,
      scale;   /* the place of a number is (number * unit - lo) * scale; the places 0 to 1 are bin
               ** 0 */
  double bins; /* at most 2^30 */
} Binning;

/* A place as close as this to an integer may be on either side of it. */
#define BINNING_DOUBT 0x1p-16

/* Finds the bins of native floats or doubles, at any alignment. A number outside all bins, or a
** NaN, gets the number of bins; a number whose bin is in doubt gets -1, and so may any place beyond
** 2^51. Returns whether any bin is in doubt. */
typedef bool KernelBins(const void *numbers, uint64_t count, const Binning *binning, int32_t *out);

/* The same bins, with a slot for what lies below all of them before them, and one for what lies above, or
** is NaN, behind them. The place of a number is number * scale + offset, and it is in the slot with that number, except
** that a place as close as `doubt` to an integer may be on either side of it, and then the edges decide. */
typedef struct Slots {
  double scale, offset; /* the places 1 to 2 are bin 0 */
  double doubt;         /* covers the rounding of places to floats; less than 0.25 */
  const double *edges;  /* of the bins; the last bin contains the last one */
  const float *floats;  /* from 1 on, the smallest float of each slot; not for F64 */
  uint32_t bins;        /* at most SLOTS_MAX - 2 */
  bool paired;          /* there are at most SLOTS_PAIRED slots, and pairs of them are counted */
  uint32_t apart;       /* how far apart SLOTS_TURNS counters are that are used in turn, so that an
                        ** increment need not wait for the one before; 0 if it is the same one */
} Slots;

enum { SLOTS_MAX = 1 << 16, SLOTS_PAIRED = 128, SLOTS_TURNS = 4 };

/* What places are limited to: in the first and in the last slot, and far from integers. */
static inline double slots_first_place(void) {
  return 0.75;
}

static inline double slots_last_place(const Slots *slots) {
  return slots->bins + 1.25;
}

/* The slot of a number, from the edge that is nearest to it. */
static inline uint32_t slots_find(const Slots *slots, double number) {
  double place = number * slots->scale + slots->offset, last = slots_last_place(slots);
  place = place < last ? place : last;
  place = place > slots_first_place() ? place : slots_first_place();
  uint32_t slot = (uint32_t)(int32_t)(place + 0.5); /* that begins with the edge */
  double edge = slots->edges[slot - 1];
  return slot - ((number < edge) | ((number == edge) & (slot > slots->bins)));
}

/* Counts native floats or doubles, or elements of F16 or BF16 as stored, fewer than 2^31. Each slot has a counter; or,
** with `paired`, each pair of slots has, that of a and b at a * (bins + 2) + b. Pairs are those of any two elements, or of one
** and the last slot. With `apart` there are SLOTS_TURNS such counters, to be added up. */
typedef void KernelCountSlots(const unsigned char *data, uint64_t count, const Slots *slots,
                              uint32_t *counts);

/* ---- Hashing: XXH3 with its default secret ---- */

/* The bytes of a block, the number of accumulators, and the offset of the scrambling key in the
** secret. */
enum { KERNEL_HASH_BLOCK = 1024, KERNEL_HASH_LANES = 8, KERNEL_HASH_SCRAMBLE_KEY = 128 };
#define KERNEL_HASH_PRIME 0x9e3779b1u /* XXH_PRIME32_1 */

/* How many bytes ahead hashing and arithmetic prefetch, found by measurement. Tensors seldom start on a cache
** line, and without prefetching they are hashed at nine tenths of the speed, on some machines at
** two thirds. */
enum { KERNEL_AHEAD = 4096 };

/* The accumulation of XXH3. Writes what each of `count` blocks of KERNEL_HASH_BLOCK bytes adds to
** the accumulators, KERNEL_HASH_LANES numbers for each block. `secret` has 192 bytes. */
typedef void KernelHashBlocks(const unsigned char *data, uint64_t count,
                              const unsigned char *secret, uint64_t *out);

/* Adds these numbers to the accumulators, and scrambles the accumulators after each block. */
typedef void KernelHashMerge(const uint64_t *sums, uint64_t count, const unsigned char *secret,
                             uint64_t *accumulators);

/* ---- Statistics over one tensor ---- */

enum { KERNEL_LANES = 16, SCAN_STEP = 2 * KERNEL_LANES };

/* How many bytes ahead statistics prefetch: two pages of 4 kB, beyond which the processor does not by itself. */
enum { SCAN_AHEAD = 8192 };

/* The lane of element number `index`. In BF16 every second element is extracted from its pair with
** a mask instead of a shift, so those elements have the second half of the lanes, and the others
** the first half. */
static inline unsigned scan_lane(Dtype dtype, uint64_t index) {
  unsigned place = (unsigned)(index % KERNEL_LANES);
  return dtype == DTYPE_BF16 ? place / 2 + place % 2 * (KERNEL_LANES / 2) : place;
}

/* For F32, F16 and BF16. If an element is not finite, neither is the sum of the squares, and the
** other fields are not specified. */
typedef struct FloatScan {
  double sum[KERNEL_LANES], squares[KERNEL_LANES];
  float min, max;      /* infinity and -infinity if there is no element */
  float min_magnitude; /* of the elements other than 0; infinity if there are none, and always for
                       ** F16, whose sums are known to be exact without it */
  uint32_t zeros;
} FloatScan;

typedef struct FloatRange {
  float min, max; /* as in FloatScan */
  bool finite;    /* all elements are finite; otherwise the other fields are not specified */
  uint32_t zeros;
} FloatRange;

/* For F32 (native floats), F16 and BF16 (as stored). `count` is a multiple of SCAN_STEP, at most
** 2^16. */
typedef void KernelScan(const unsigned char *data, uint64_t count, FloatScan *out);
typedef void KernelRange(const unsigned char *data, uint64_t count, FloatRange *out);

/* For doubles. sum_low contains the rounding errors of sum_high. NaNs are ignored in min and max; a
** NaN or an infinity makes sum_high NaN or infinite. */
typedef struct DoubleScan {
  double sum_high[KERNEL_LANES], sum_low[KERNEL_LANES];
  double min[KERNEL_LANES], max[KERNEL_LANES]; /* infinity and -infinity if there is no number; only
                                               ** the result over all lanes is specified */
  uint32_t zeros[KERNEL_LANES];                /* only the sum over all lanes is specified */
} DoubleScan;

/* `data` are native doubles; `count` is a multiple of KERNEL_LANES. */
typedef void KernelScanDoubles(const void *data, uint64_t count, DoubleScan *out);

/* The sums, by lane, of the squared distances of doubles from `mean`. */
typedef void KernelDeviations(const void *data, uint64_t count, double mean, double *out);

/* For integers of 8 and 16 bits: exact. */
typedef struct IntegerScan {
  int64_t sum;
  uint64_t squares;
  int min, max; /* only set if there are elements */
  uint32_t zeros;
} IntegerScan;

/* For I8, U8, I16 and U16, as stored. `count` as for KernelScan. */
typedef void KernelScanIntegers(const unsigned char *data, uint64_t count, IntegerScan *out);

/* How the magnitudes of a dtype of a sign and 7 bits are composed of digits. The value of the 7
** bits is the only digit that is not 0, times 2^shift of its place, times a unit. In the first places these are the
** digits of codes below KERNEL_LOW_CODES, and in the others those of the codes from there on, so that a register can
** hold all that a place has. */
enum { DIGIT_PLACES = 7, KERNEL_MAGNITUDE_CODES = 128, KERNEL_LOW_CODES = 64 };
typedef struct ByteDigits {
  unsigned char digit[DIGIT_PLACES]
                     [KERNEL_MAGNITUDE_CODES]; /* at most 127; 0 for codes that are not finite */
  unsigned char shift[DIGIT_PLACES];
  unsigned places, low_places;
} ByteDigits;

enum { BYTES_STEP = 64 };
typedef struct ByteScan {
  int64_t sums[DIGIT_PLACES];     /* of the digits with their signs */
  uint64_t squares[DIGIT_PLACES]; /* of the digits */
  uint64_t zeros;                 /* codes whose 7 bits are 0 */
  bool minus_zero;                /* one of them has the sign */
  unsigned char min, max;         /* codes, in the order of their values; 0x7f and 0xff for no
                                  ** elements */
} ByteScan;

/* The code for `key`, the number of a code in the order of their values: those with a sign, which
** is the top bit, are in reverse order. */
static inline unsigned char byte_code(int8_t key) {
  return (unsigned char)(key < 0 ? key ^ 0x7f : key);
}

/* The number of a code in that order. */
static inline int8_t byte_key(unsigned char code) {
  return (int8_t)(code > INT8_MAX ? code ^ 0x7f : code);
}

/* `count` is a multiple of BYTES_STEP, at most 2^16. If `digits` is NULL, no sums are computed. */
typedef void KernelScanBytes(const unsigned char *data, uint64_t count, const ByteDigits *digits,
                             ByteScan *out);

/* Spreads codes of 4 or 6 bits to bytes, their top bit, the sign, to the top bit. `count` is a multiple of
** BYTES_STEP. */
typedef void KernelSpread(const unsigned char *data, uint64_t count, unsigned char *out);

/* Adds the number of occurrences of each code to `counts`. A group is the smallest number of
** elements that fill whole bytes: one of 8 bits, two of 4, four of 6. There are fewer than 2^32
** elements. */
enum { CODES = 256 };
typedef void KernelCount(const unsigned char *data, uint64_t groups, uint64_t counts[CODES]);

/* How often each code of 16 bits occurs. A code has two counters in turn, so that an increment need not wait for the
** one before; they are so small that those of usual tensors fit in the first-level cache. */
enum { HALF_CODES = 1 << 16, HALF_TURNS = 2 };
typedef struct HalfCounts {
  uint16_t turns[HALF_TURNS][HALF_CODES]; /* modulo 2^16 */
  uint32_t wraps[HALF_CODES];             /* how often one of them became 0 again */
} HalfCounts;

static inline uint64_t half_count(const HalfCounts *counts, unsigned code) {
  uint64_t wrapped = (uint64_t)counts->wraps[code] << 16;
  return wrapped + counts->turns[0][code] + counts->turns[1][code];
}

/* Adds the occurrences of codes, as stored. All calls together have fewer than 2^48. */
typedef void KernelCountHalves(const unsigned char *data, uint64_t count, HalfCounts *counts);

/* ---- Two tensors at a time ---- */

enum { PAIR_LANES = 8 };

/* Sums over pairs of numbers a, b. If a number is not finite, neither is the sum of its squares,
** and the other fields are not specified. */
typedef struct PairSums {
  uint64_t unequal;
  double largest;             /* of |a - b| */
  double differences;         /* the sum of |a - b| */
  double squared_differences; /* the sum of (a - b)^2 */
  double products;            /* the sum of a * b */
  double a_squares, b_squares;
} PairSums;

/* For native floats (F32) or doubles (F64), or elements of F16 or BF16 as stored, which give the
** same results as their conversions to floats. `count` is a multiple of PAIR_LANES. */
typedef void KernelPairs(const void *a, const void *b, uint64_t count, PairSums *out);

/* Only the sum of the squares, the same number as `a_squares`. */
typedef double KernelSquares(const void *data, uint64_t count);

/* ---- The rows of a matrix and a vector ---- */

/* Over a row and the vector: the sum of the products and of the squares of the row; or, of distances, of the
** squared differences, and 0. If a number of the row is not finite, neither is one of the sums. */
typedef struct RowSums {
  double sum, squares;
} RowSums;

/* Of rows of `count` native floats (F32), or elements of F16 or BF16 as stored, `stride` bytes apart. `vector` is
** `count` finite floats as doubles, and zeros up to a multiple of PAIR_LANES. The sums are those of KernelPairs, for
** a row that is followed by zeros like the vector. */
typedef void KernelRows(const unsigned char *data, uint64_t stride, uint64_t rows,
                        const double *vector, uint64_t count, RowSums *out);

/* ---- Arithmetic, element by element ---- */

/* a + b, a - b, a * b or a / b in floats, of native floats (F32), or elements of F16 or BF16 as stored.
** `out` overlaps nothing else, here and below. */
typedef void KernelFloats(const unsigned char *a, const unsigned char *b, uint64_t count,
                          float *out);

/* A KernelScan of the floats that `compute`, one of a set's own, makes of elements of `size` bytes. `count` as
** there. */
typedef void KernelScanComputed(KernelFloats *compute, const unsigned char *a,
                                const unsigned char *b, uint64_t size, uint64_t count,
                                FloatScan *out);

/* Groups of `size` native floats, which is a multiple of KERNEL_LANES, each times a factor of its own, in
** place. */
typedef void KernelScaleGroups(float *numbers, const float *factors, uint64_t groups,
                               uint64_t size);

/* In doubles, of native floats or doubles, or elements of F16 or BF16 as stored: of one tensor the
** doubles themselves (without t), t * a, or out + t * a; of two a + t * (b - a), or a + b to a / b
** (without t). */
typedef void KernelDoubles(const unsigned char *a, double t, uint64_t count, double *out);
typedef void KernelDoublesOfTwo(const unsigned char *a, const unsigned char *b, double t,
                                uint64_t count, double *out);

/* Rounds doubles to elements of a dtype, as tensor/encode.h says. */
typedef void KernelNarrow(const double *numbers, uint64_t count, unsigned char *out);

/* The same of native floats. */
typedef void KernelShorten(const unsigned char *floats, uint64_t count, unsigned char *out);

/* Adds the product of two matrices to KERNEL_TILE_COLUMNS columns of some rows, in doubles, in the order
** of `length`, or to zeros. */
enum { KERNEL_TILE_COLUMNS = 16, KERNEL_TILE_ROWS = 4 };
typedef struct KernelProduct {
  const double *left, *right; /* row after row; the rows of `right` are those of a tile */
  double *out;
  uint64_t rows, length; /* rows: a multiple of KERNEL_TILE_ROWS */
  uint64_t left_stride, out_stride;
  bool is_exact; /* the product of any two numbers is a double */
  bool begins;   /* `out` is not set yet: as if it were 0 */
} KernelProduct;
typedef void KernelMultiply(const KernelProduct *product);

/* ---- A set ---- */

/* All functions: those that exist for several dtypes, and those that exist once. The portable set
** defines all of them except for those marked *, which are no faster there than the alternative. */
#define KERNEL_FUNCTIONS(BY_DTYPE, ALONE)                                                         \
  BY_DTYPE(KernelConvert, convert) /* F16, BF16, I16, U16; F8_E5M2* and F8_E4M3*, where that is \
                                   ** faster than `lookup` */ \
  ALONE(KernelLookup, lookup)                                                                     \
  ALONE(KernelNibbles, lookup_nibbles)                                                            \
  BY_DTYPE(KernelBins, find_bins)         /* F32, F64 */                                          \
  BY_DTYPE(KernelCountSlots, count_slots) /* F32, F64, F16, BF16 */                               \
  ALONE(KernelHashBlocks, hash_blocks)                                                            \
  ALONE(KernelHashMerge, hash_merge)                                                              \
  BY_DTYPE(KernelScan, scan)                  /* F32, F16, BF16 */                                \
  BY_DTYPE(KernelRange, range)                /* F32, F16, BF16 */                                \
  BY_DTYPE(KernelScanIntegers, scan_integers) /* I8, U8, I16, U16 */                              \
  ALONE(KernelScanDoubles, scan_doubles)                                                          \
  ALONE(KernelDeviations, deviations)                                                             \
  ALONE(KernelScanBytes, scan_bytes)  /* * */                                                     \
  ALONE(KernelSpread, spread_nibbles) /* as `scan_bytes` */                                       \
  ALONE(KernelSpread, spread_sixes)   /* as `scan_bytes` */                                       \
  ALONE(KernelCount, count_bytes)                                                                 \
  ALONE(KernelCount, count_sixes)                                                                 \
  ALONE(KernelCount, count_nibbles)                                                               \
  ALONE(KernelCountHalves, count_halves)                                                          \
  BY_DTYPE(KernelPairs, pairs)       /* F32, F64, F16*, BF16* */                                  \
  BY_DTYPE(KernelSquares, squares)   /* as `pairs` */                                             \
  BY_DTYPE(KernelRows, row_products) /* F32, F16, BF16; as the next one */                        \
  BY_DTYPE(KernelRows, row_distances)                                                             \
  BY_DTYPE(KernelFloats, sum) /* F32, F16, BF16; as the next three */                             \
  BY_DTYPE(KernelFloats, difference)                                                              \
  BY_DTYPE(KernelFloats, product)                                                                 \
  BY_DTYPE(KernelFloats, quotient)                                                                \
  ALONE(KernelScanComputed, scan_computed)                                                        \
  ALONE(KernelScaleGroups, scale_groups)                                                          \
  BY_DTYPE(KernelDoubles, doubles) /* F32, F16, BF16 */                                           \
  BY_DTYPE(KernelDoubles, scale)   /* F32, F64, F16, BF16; as the next two */                     \
  BY_DTYPE(KernelDoubles, add_scaled)                                                             \
  BY_DTYPE(KernelDoublesOfTwo, lerp)                                                              \
  BY_DTYPE(KernelDoublesOfTwo, add) /* F64; as the next three */                                  \
  BY_DTYPE(KernelDoublesOfTwo, subtract)                                                          \
  BY_DTYPE(KernelDoublesOfTwo, multiply)                                                          \
  BY_DTYPE(KernelDoublesOfTwo, divide)                                                            \
  BY_DTYPE(KernelNarrow, narrow)   /* F32, F16*, BF16* */                                         \
  BY_DTYPE(KernelShorten, shorten) /* F16*, BF16*, F8* with digits */                             \
  ALONE(KernelMultiply, multiply_tile)

typedef struct Kernels {
  const char *name;
  unsigned needs; /* features of the processor, for cpu_has() */
#define KERNEL_BY_DTYPE(type, function) type *function[DTYPE_COUNT];
#define KERNEL_ALONE(type, function)    type *function;
  KERNEL_FUNCTIONS(KERNEL_BY_DTYPE, KERNEL_ALONE)
#undef KERNEL_BY_DTYPE
#undef KERNEL_ALONE
} Kernels;

/* What each set defines itself. Use kernels_find() to get a complete set. */
#define KERNEL_SET(set) extern const Kernels kernels_##set;
KERNEL_SETS(KERNEL_SET)
#undef KERNEL_SET

/* Before a loop of at most 8 iterations whose arrays should be kept in registers. */
#if defined(__clang__)
#define KERNEL_UNROLL _Pragma("unroll")
#else
#define KERNEL_UNROLL _Pragma("GCC unroll 8")
#endif

/* ---- Choosing ---- */

/* The name of set number `index`, the best one first, whether or not the machine supports it. NULL
** after the last one, which every machine supports and with which the others have to agree. */
const char *kernels_name(unsigned index);

/* The set of this name, completed with the functions that it inherits. NULL if there is none, or if
** the machine does not support it. */
const Kernels *kernels_find(const char *name);

/* Chooses the set of this name, or the best supported one for NULL and "", for all computations
** from now on. Returns false, with an error, if there is no such set or the machine does not
** support it. */
bool kernels_choose(const char *name, Error *error);

/* The chosen set, or the best supported one if none was chosen. */
const Kernels *kernels_chosen(void);

#endif
