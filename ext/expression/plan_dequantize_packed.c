/*
** Integers of 1 to 8 bits that are packed in words, with scales and zero points for groups of columns. The
** differences and products of these are exact in double.
*/
#include <string.h>

#include "expression/plan_dequantize.h"

/* Codes less a number, modulo their number if `wraps`. */
static const double *packed_shifted(Formula *formula, unsigned bits, int less, bool wraps) {
  double *values = formula_values(formula, bits);
  int count = 1 << bits;
  for (int code = 0; values != NULL && code < count; code++)
    values[code] = wraps ? (code - less + count) % count : code - less;
  return values;
}

static unsigned packed_bits(Formula *formula, unsigned usual) {
  return (unsigned)formula_integer(formula, "bits", 1, 8, (int64_t)usual);
}

/* Numbers in the order of their bits, each in one word. */
static Unpack packed_in_words(UnpackOrder order, unsigned bits) {
  Unpack unpack = {.order = order, .bits = bits, .word_bits = 32, .per_word = 32 / bits};
  for (unsigned i = 0; i < unpack.per_word; i++) unpack.shifts[i] = (uint8_t)(bits * i);
  return unpack;
}

/* The same without gaps. */
static Unpack packed_stream_of(UnpackOrder order, unsigned bits) {
  return (Unpack){.order = order, .bits = bits, .word_bits = 32};
}

/* Whether so many words have just the numbers of a stream, rounded up to a word. */
static bool packed_is_stream(uint64_t words, uint64_t numbers, unsigned bits) {
  uint64_t needed;
  return !__builtin_mul_overflow(numbers, bits, &needed) &&
         words == needed / 32 + (needed % 32 != 0);
}

static bool packed_are_words(uint64_t words, uint64_t numbers, unsigned bits) {
  uint64_t per = 32 / bits;
  return words == numbers / per + (numbers % per != 0);
}

/* ---- compressed-tensors: pack-quantized ---- */

/* A packed tensor as words without gaps, or of whole numbers. */
static Unpack packed_unpack(bool stream, bool along, unsigned bits) {
  if (stream) return packed_stream_of(along ? UNPACK_STREAM : UNPACK_STREAM_DOWN, bits);
  return packed_in_words(along ? UNPACK_WORDS : UNPACK_INTERLEAVED, bits);
}

/* The zero point of a weight of that shape: I32 [n * bits / 32, groups] packed down the rows, or I8 as it
** is. */
static uint32_t packed_group_zero(Formula *formula, uint32_t zero, const FormulaShape *shape,
                                  unsigned bits, bool stream) {
  static const char role[] = "weight_zero_point";
  FormulaShape own = *shape;
  uint64_t rows = shape->size[shape->rank - 2], words = formula_size(formula, zero, -2);
  bool one = shape->rank == 2; /* those of several experts are packed each on its own */
  own.size[own.rank - 1] = formula_size(formula, zero, -1);
  bool fits = stream ? packed_is_stream(words, rows, bits) && (one || rows % 32 == 0)
                     : packed_are_words(words, rows, bits) && (one || rows % (32 / bits) == 0);
  if (!fits || formula_rank(formula, zero) != shape->rank)
    return formula_refuse_shape(formula, role, "[n * bits / 32, groups]", zero);
  Unpack unpack = packed_unpack(stream, false, bits);
  return formula_unpack(formula, role, zero, &unpack, &own);
}

/* int2, int3, int4, int8-group: (code - zero) * weight_scale, by groups of columns; zero is 2^(bits - 1)
** without weight_zero_point. Both codes have the same offset, so it cancels. Older versions wrote 32 / bits
** codes to a word: the numbers of words tell, and where they fit both, it is the newer. Options bits,
** group_size, shape. */
static uint32_t packed_groups(Formula *formula, unsigned usual) {
  uint32_t packed = formula_part(formula, "weight_packed"), index = FORMULA_NONE;
  uint32_t scale = formula_part(formula, "weight_scale"), zero = FORMULA_NONE;
  uint64_t words = formula_size(formula, packed, -1);
  unsigned bits = packed_bits(formula, usual);
  FormulaShape shape;
  if (!formula_sizes(formula, "shape", &shape))
    shape = dequantize_columns(formula, packed, words * 32 / bits);
  if (formula_has(formula, "weight_zero_point")) zero = formula_part(formula, "weight_zero_point");
  if (formula->failed) return FORMULA_NONE;
  bool packed_zero = zero != FORMULA_NONE && formula_dtype(formula, zero) != DTYPE_I8;
  uint64_t columns = shape.rank >= 2 ? shape.size[shape.rank - 1] : 0;
  bool stream = shape.rank >= 2 && packed_is_stream(words, columns, bits) &&
                (!packed_zero || packed_is_stream(formula_size(formula, zero, -2),
                                                  shape.size[shape.rank - 2], bits));
  if (shape.rank < 2 || !(stream || packed_are_words(words, columns, bits)))
    return formula_refuse_shape(formula, "weight_packed", "[n, k * bits / 32]", packed);
  Unpack unpack = packed_unpack(stream, true, bits);
  if (packed_zero) {
    zero = packed_group_zero(formula, zero, &shape, bits, stream);
  } else {
    unpack.values = packed_shifted(formula, bits, 1 << (bits - 1), false);
  }
  uint32_t value = formula_unpack(formula, "weight_packed", packed, &unpack, &shape);
  uint64_t group = dequantize_group(formula, columns, formula_size(formula, scale, -1));
  if (formula_has(formula, "weight_g_idx")) index = formula_part(formula, "weight_g_idx");
  if (formula_has(formula, "weight_zero_point")) {
    zero = formula_spread(formula, "weight_zero_point", zero, &shape, 1, group, index);
    value = dequantize_sub(formula, value, zero);
  }
  scale = formula_spread(formula, "weight_scale", scale, &shape, 1, group, index);
  return dequantize_mul(formula, value, scale);
}

uint32_t dequantize_int2(Formula *formula) {
  return packed_groups(formula, 2);
}

uint32_t dequantize_int3(Formula *formula) {
  return packed_groups(formula, 3);
}

uint32_t dequantize_int4(Formula *formula) {
  return packed_groups(formula, 4);
}

uint32_t dequantize_int8_group(Formula *formula) {
  return packed_groups(formula, 8);
}

/* ---- GPTQ and AWQ: (q - z) * scale, by groups of columns, stored transposed ---- */

static uint32_t packed_grouped(Formula *formula, uint32_t q, uint32_t z, uint32_t scale,
                               const FormulaShape *shape, uint64_t group, uint32_t index) {
  z = formula_spread(formula, "qzeros", z, shape, 1, group, index);
  scale = formula_spread(formula, "scales", scale, shape, 1, group, index);
  return dequantize_mul(formula, dequantize_sub(formula, q, z), scale);
}

/* A part that must be a matrix. */
static uint32_t packed_matrix(Formula *formula, const char *role) {
  uint32_t part = formula_part(formula, role);
  if (formula->failed || formula_rank(formula, part) == 2) return part;
  return formula_refuse_shape(formula, role, "[n, m]", part);
}

/* gptq: qweight is I32 [k * bits / 32, n], without gaps down the columns, qzeros I32 [groups, n * bits / 32],
** scales [groups, n]; g_idx, if there is one, has the group of each of the k columns. Options bits,
** group_size, zero: "stored", or "plus_one" where it is one less than it means, modulo 2^bits. */
uint32_t dequantize_gptq(Formula *formula) {
  uint32_t qweight = packed_matrix(formula, "qweight"), qzeros = packed_matrix(formula, "qzeros");
  uint32_t scales = packed_matrix(formula, "scales"), index = FORMULA_NONE;
  unsigned bits = packed_bits(formula, 4);
  const char *zero = formula_word(formula, "zero", "stored");
  bool plus_one = strcmp(zero, "plus_one") == 0;
  uint64_t rows = formula_size(formula, qweight, 1), words = formula_size(formula, qweight, 0);
  if (!plus_one && strcmp(zero, "stored") != 0)
    return formula_refuse(formula, "\"stored\" or \"plus_one\" as option zero", zero);
  if (formula_has(formula, "g_idx")) index = formula_part(formula, "g_idx");
  uint64_t columns = index != FORMULA_NONE ? formula_numel(formula, index) : words * 32 / bits;
  if (!packed_is_stream(words, columns, bits))
    return formula_refuse_shape(formula, "qweight", "[k * bits / 32, n]", qweight);
  uint64_t groups = formula_size(formula, qzeros, 0);
  if (!packed_is_stream(formula_size(formula, qzeros, 1), rows, bits))
    return formula_refuse_shape(formula, "qzeros", "[groups, n * bits / 32]", qzeros);
  FormulaShape shape = {2, {rows, columns}}, of_zeros = {2, {rows, groups}};
  Unpack along = packed_stream_of(UNPACK_STREAM, bits);
  Unpack down = packed_stream_of(UNPACK_STREAM_DOWN, bits);
  if (plus_one) down.values = packed_shifted(formula, bits, -1, true);
  uint32_t q = formula_unpack(formula, "qweight", formula_turn(formula, qweight), &along, &shape);
  uint32_t z = formula_unpack(formula, "qzeros", formula_turn(formula, qzeros), &down, &of_zeros);
  uint64_t group = dequantize_group(formula, columns, groups);
  return packed_grouped(formula, q, z, formula_turn(formula, scales), &shape, group, index);
}

/* awq gemm: qweight I32 [k, n / 8], qzeros I32 [groups, n / 8], scales [groups, n]. Number i of a word is
** column 0, 2, 4, 6, 1, 3, 5, 7 of its eight. */
static uint32_t packed_awq_gemm(Formula *formula, uint32_t qweight, uint32_t qzeros,
                                uint32_t scales) {
  static const uint8_t SHIFTS[8] = {0, 16, 4, 20, 8, 24, 12, 28}; /* of the columns */
  uint64_t columns = formula_size(formula, qweight, 0), groups = formula_size(formula, qzeros, 0);
  uint64_t rows = formula_size(formula, scales, 1), words = formula_size(formula, qweight, 1);
  if (words != rows / 8 || rows % 8 != 0)
    return formula_refuse_shape(formula, "qweight", "[k, n / 8]", qweight);
  if (formula_size(formula, qzeros, 1) != words)
    return formula_refuse_shape(formula, "qzeros", "[groups, n / 8]", qzeros);
  FormulaShape shape = {2, {rows, columns}}, of_zeros = {2, {rows, groups}};
  Unpack unpack = packed_in_words(UNPACK_INTERLEAVED, 4);
  memcpy(unpack.shifts, SHIFTS, sizeof SHIFTS);
  uint32_t q = formula_unpack(formula, "qweight", formula_turn(formula, qweight), &unpack, &shape);
  uint32_t z = formula_unpack(formula, "qzeros", formula_turn(formula, qzeros), &unpack, &of_zeros);
  uint64_t group = dequantize_group(formula, columns, groups);
  return packed_grouped(formula, q, z, formula_turn(formula, scales), &shape, group, FORMULA_NONE);
}

/* awq gemv: qweight I32 [n, k / 8], qzeros I32 [n, p], scales [n, 8 * p], of which only the groups that the
** columns have are used. */
static uint32_t packed_awq_gemv(Formula *formula, uint32_t qweight, uint32_t qzeros,
                                uint32_t scales) {
  uint64_t rows = formula_size(formula, qweight, 0);
  uint64_t columns = formula_size(formula, qweight, 1) * 8; /* four bytes each, so it fits */
  int64_t given = formula_integer(formula, "group_size", -1, INT64_MAX, 128);
  uint64_t group = given > 0 ? (uint64_t)given : columns;
  uint64_t groups = group > 0 ? columns / group + (columns % group != 0) : 0;
  char slice[40];
  if (formula_size(formula, scales, 0) != rows || formula_size(formula, scales, 1) < groups)
    return formula_refuse_shape(formula, "scales", "[n, k / group_size] or more", scales);
  FormulaShape shape = {2, {rows, columns}}, of_zeros = {2, {rows, groups}};
  Unpack unpack = packed_stream_of(UNPACK_STREAM, 4);
  sqlite3_snprintf((int)sizeof slice, slice, ":, :%llu", (unsigned long long)groups);
  uint32_t q = formula_unpack(formula, "qweight", qweight, &unpack, &shape);
  uint32_t z = formula_unpack(formula, "qzeros", qzeros, &unpack, &of_zeros);
  return packed_grouped(formula, q, z, formula_slice(formula, scales, slice), &shape, group,
                        FORMULA_NONE);
}

/* awq: options bits (4), group_size, version: "gemm" or "gemv". */
uint32_t dequantize_awq(Formula *formula) {
  uint32_t qweight = packed_matrix(formula, "qweight"), qzeros = packed_matrix(formula, "qzeros");
  uint32_t scales = packed_matrix(formula, "scales");
  const char *version = formula_word(formula, "version", "gemm");
  formula_integer(formula, "bits", 4, 4, 4);
  if (formula->failed) return FORMULA_NONE;
  if (strcmp(version, "gemm") == 0) return packed_awq_gemm(formula, qweight, qzeros, scales);
  if (strcmp(version, "gemv") == 0) return packed_awq_gemv(formula, qweight, qzeros, scales);
  return formula_refuse(formula, "\"gemm\" or \"gemv\" as option version", version);
}

/* ---- HQQ ---- */

static const struct PackedHqq {
  const char *name;
  unsigned bits, word_bits, per_word;
} PACKED_HQQ[] = {{"8bit_u8", 8, 8, 1},
                  {"4bit_u8", 4, 8, 2},
                  {"3bit_32", 3, 32, 10},
                  {"2bit_u8", 2, 8, 4},
                  {"1bit_u8", 1, 8, 8}};

/* The packing of option packing, or else of option bits. */
static const struct PackedHqq *packed_hqq(Formula *formula) {
  int64_t bits = formula_integer(formula, "bits", 1, 8, 4);
  const char *name = formula_word(formula, "packing", NULL);
  for (size_t i = 0; i < sizeof PACKED_HQQ / sizeof PACKED_HQQ[0]; i++) {
    const struct PackedHqq *packing = &PACKED_HQQ[i];
    if (name != NULL ? strcmp(name, packing->name) == 0 : packing->bits == (unsigned)bits)
      return packing;
  }
  formula_refuse(formula, "8bit_u8, 4bit_u8, 3bit_32, 2bit_u8 or 1bit_u8 as option packing",
                 name != NULL ? name : "no packing of so many bits");
  return NULL;
}

/* hqq: (q - zero) * scale, then option shape. W_q has the numbers in slices of its rows, the highest bits first,
** and of 3bit_32 rows at the end that are not used. Option axis: 1, where a row is a group, or 0, where a column
** is. The zero is a float, so the difference is rounded to double. */
uint32_t dequantize_hqq(Formula *formula) {
  uint32_t words = formula_part(formula, "W_q"), scale = formula_part(formula, "scale");
  uint32_t zero = formula_part(formula, "zero");
  const struct PackedHqq *packing = packed_hqq(formula);
  bool by_rows = formula_integer(formula, "axis", 0, 1, 1) == 1;
  int64_t group = formula_integer(formula, "group_size", -1, INT64_MAX, -1);
  uint64_t numel, columns = formula_size(formula, words, -1);
  dequantize_shape(formula, &numel);
  if (formula->failed || packing == NULL) return FORMULA_NONE;
  if (columns == 0 || numel % columns != 0)
    return formula_refuse_shape(formula, "W_q", "[..., m], m a divisor of the elements", words);
  FormulaShape shape = {2, {numel / columns, columns}};
  if (group > 0 && shape.size[by_rows ? 1 : 0] != (uint64_t)group)
    return formula_refuse_shape(formula, "W_q", "that has groups of option group_size", words);
  Unpack unpack = {.order = UNPACK_SLICES,
                   .bits = packing->bits,
                   .word_bits = packing->word_bits,
                   .per_word = packing->per_word};
  for (unsigned i = 0; i < packing->per_word; i++)
    unpack.shifts[i] = (uint8_t)(packing->bits * (packing->per_word - 1 - i));
  uint32_t q = formula_unpack(formula, "W_q", words, &unpack, &shape);
  zero = formula_spread(formula, "zero", zero, &shape, 1, 1, FORMULA_NONE);
  scale = formula_spread(formula, "scale", scale, &shape, 1, 1, FORMULA_NONE);
  return dequantize_mul(formula, dequantize_sub(formula, q, zero), scale);
}
