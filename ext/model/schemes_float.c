/* Weights with scales: 8-bit floats and integers, 4-bit floats. */
#include <string.h>

#include "model/scheme_row.h"

static WeightSlot scheme_scaled_weight(const SchemeRow *row) {
  return SCHEME_ROW_FIRST_OF(row, WEIGHT_SLOT_WEIGHT, WEIGHT_SLOT_BARE);
}

static WeightSlot scheme_scaled_scale(const SchemeRow *row) {
  return SCHEME_ROW_FIRST_OF(row, WEIGHT_SLOT_WEIGHT_SCALE, WEIGHT_SLOT_WEIGHT_SCALE_INV,
                             WEIGHT_SLOT_SCALE_WEIGHT, WEIGHT_SLOT_BARE_WEIGHT_SCALE,
                             WEIGHT_SLOT_BARE_WEIGHT_SCALE_INV, WEIGHT_SLOT_BARE_SCALE,
                             WEIGHT_SLOT_BARE_SCALE_INV, WEIGHT_SLOT_SCALE);
}

/* The name by which the model's other weights, or its tool, would have called a missing scale. */
static WeightSlot scheme_scaled_missing(const SchemeRow *row) {
  static const WeightSlot slots[] = {WEIGHT_SLOT_WEIGHT_SCALE,   WEIGHT_SLOT_WEIGHT_SCALE_INV,
                                     WEIGHT_SLOT_SCALE_WEIGHT,   WEIGHT_SLOT_BARE_WEIGHT_SCALE,
                                     WEIGHT_SLOT_BARE_SCALE_INV, WEIGHT_SLOT_BARE_SCALE};
  const bool *seen = row->seen->slots[row->family];
  if (weight_config_is(row->config, "fp8") && !seen[WEIGHT_SLOT_WEIGHT_SCALE])
    return WEIGHT_SLOT_WEIGHT_SCALE_INV;
  for (size_t i = 0; i < sizeof slots / sizeof slots[0]; i++) {
    if (seen[slots[i]]) return slots[i];
  }
  return row->seen->scaled_fp8 ? WEIGHT_SLOT_SCALE_WEIGHT : WEIGHT_SLOT_WEIGHT_SCALE;
}

/* ---- Blocks ---- */

/* The block along a dimension of `length` that has `count` scales; 0 if there can be none. */
static uint64_t scheme_block_size(uint64_t said, uint64_t length, uint64_t count) {
  static const uint64_t usual[] = {128, 64, 32, 256, 16, 512, 1024};
  if (said > 0 && scheme_divide_up(length, said) == count) return said;
  for (size_t i = 0; i < sizeof usual / sizeof usual[0]; i++) {
    if (scheme_divide_up(length, usual[i]) == count) return usual[i];
  }
  return count > 0 && length % count == 0 ? length / count : 0;
}

/* Whether the dimensions of a scale are those of the weight, from the last one on: 1, equal, or one
** for each block of the last two. Sets block[] to the sizes of blocks, 0 where there are none. */
static bool scheme_scale_fits(const SchemeRow *row, const SchemePart *weight,
                              const SchemePart *scale, uint64_t *block) {
  block[0] = block[1] = 0;
  if (scale->rank > weight->rank) return false;
  for (uint32_t back = 1; back <= scale->rank; back++) {
    uint64_t length = weight->dims[weight->rank - back], count = scale->dims[scale->rank - back];
    if (count == 1 || count == length) continue;
    if (back > 2 || scale->rank < 2 || count == 0 || count > length) return false;
    block[2 - back] = scheme_block_size(row->config->block[2 - back], length, count);
    if (block[2 - back] == 0) return false;
  }
  return true;
}

static void scheme_expect_scale(SchemeRow *row, WeightSlot slot, const SchemePart *weight) {
  uint64_t dims[2] = {0, 1};
  const uint64_t *block = row->config->block;
  if (weight->rank != 2) {
    scheme_row_break(row, "expected %s of a shape that fits the weight, found another",
                     weight_slot_word(slot));
    return;
  }
  dims[0] = weight->dims[0];
  if (block[0] > 0) {
    dims[0] = scheme_divide_up(weight->dims[0], block[0]);
    dims[1] = scheme_divide_up(weight->dims[1], block[1]);
  }
  scheme_row_needs_shape(row, slot, dims, 2);
}

/* How many scales a dimension has that the scale may not have. */
static uint64_t scheme_scale_count(const SchemePart *weight, const SchemePart *scale, uint32_t i) {
  return scale->rank + i >= weight->rank ? scale->dims[scale->rank + i - weight->rank] : 1;
}

/* Adds the option `block`: 1 where each has its own scale, and the whole length where all share
** one. */
static void scheme_add_block(SchemeRow *row, const SchemePart *weight, const SchemePart *scale,
                             const uint64_t *block) {
  uint64_t dims[2];
  if (block[0] == 0 && block[1] == 0) return;
  for (uint32_t i = 0; i < 2; i++) {
    uint32_t dim = weight->rank - 2 + i;
    uint64_t length = weight->dims[dim], said = row->config->block[i];
    uint64_t count = scheme_scale_count(weight, scale, dim);
    dims[i] = block[i] > 0 ? block[i] : count == length ? 1 : length;
    if (block[i] == 0 && said > 0 && count == scheme_divide_up(length, said)) dims[i] = said;
  }
  scheme_row_option_dims(row, "block", dims, 2);
}

/* Notes where the configuration has all weights in blocks, and other ones. */
static void scheme_check_blocks(SchemeRow *row, WeightSlot slot, const SchemePart *weight,
                                const SchemePart *scale) {
  const uint64_t *said = row->config->block;
  if (!row->config->has_only_blocks || said[0] == 0 || weight->rank < 2) return;
  uint32_t last = weight->rank - 1;
  uint64_t rows = scheme_divide_up(weight->dims[last - 1], said[0]);
  uint64_t columns = scheme_divide_up(weight->dims[last], said[1]);
  uint64_t found[2] = {scheme_scale_count(weight, scale, last - 1),
                       scheme_scale_count(weight, scale, last)};
  if (found[0] == rows && found[1] == columns) return;
  scheme_row_note(row,
                  "expected [%llu,%llu] scales in %s, as %s has blocks of [%llu,%llu], found "
                  "[%llu,%llu], by %s",
                  (unsigned long long)rows, (unsigned long long)columns, weight_slot_word(slot),
                  row->config->source, (unsigned long long)said[0], (unsigned long long)said[1],
                  (unsigned long long)found[0], (unsigned long long)found[1],
                  weight_slot_word(row->basis));
}

/* Checks the scale, and sets the options. */
static void scheme_take_scale(SchemeRow *row, WeightSlot slot, const SchemePart *weight) {
  SchemePart scale = scheme_row_part(row, slot);
  uint64_t block[2];
  bool one = scale.numel == 1 && scale.rank <= WEIGHT_MAX_RANK;
  bool rows = scale.rank == 1 && weight->rank > 0 && scale.dims[0] == weight->dims[0];
  scheme_row_needs_dtype(row, slot, SCHEME_FLOATS | 1u << DTYPE_F8_E8M0,
                         "a dtype of floating-point numbers");
  if (rows) scale = (SchemePart){.rank = 2, .dims = {scale.dims[0], 1}};
  if (one || rows) {
    scheme_check_blocks(row, slot, weight, &scale);
    return;
  }
  if (!scheme_scale_fits(row, weight, &scale, block)) {
    scheme_expect_scale(row, slot, weight);
  } else if (weight->rank >= 2) {
    scheme_add_block(row, weight, &scale, block);
    scheme_check_blocks(row, slot, weight, &scale);
  }
}

/* ---- Weights ---- */

static void scheme_fill_mxfp8(SchemeRow *row, WeightSlot slot, const SchemePart *weight) {
  uint64_t dims[WEIGHT_MAX_RANK];
  scheme_row_set(row, WEIGHT_SCHEME_MXFP8, 8);
  scheme_row_needs_dtype(row, slot, 1u << DTYPE_U8 | 1u << DTYPE_F8_E8M0, "U8 or F8_E8M0");
  memcpy(dims, weight->dims, sizeof dims);
  if (weight->rank < 2) {
    scheme_row_break(row, "expected weight of two dimensions, found fewer");
    return;
  }
  dims[weight->rank - 1] = scheme_divide_up(dims[weight->rank - 1], 32);
  scheme_row_needs_shape(row, slot, dims, weight->rank);
  scheme_row_option_integer(row, "group_size", 32);
}

/* Whether a scale in powers of two is that of groups of 32 columns, as MX has them. */
static bool scheme_is_mxfp8(const SchemePart *weight, const SchemePart *scale) {
  if (weight->dtype != DTYPE_F8_E4M3) return false;
  if (scale->dtype == DTYPE_U8) return true;
  if (scale->dtype != DTYPE_F8_E8M0 || weight->rank < 2 || scale->rank != weight->rank)
    return false;
  for (uint32_t i = 0; i + 1 < weight->rank; i++) {
    if (scale->dims[i] != weight->dims[i]) return false;
  }
  return scale->dims[scale->rank - 1] == scheme_divide_up(weight->dims[weight->rank - 1], 32);
}

static unsigned scheme_integer_bits(const SchemeRow *row) {
  for (unsigned bits = 1; bits < 8; bits++) {
    if (row->config->integer_bits == 1u << bits) return bits;
  }
  return 8;
}

static void scheme_set_scaled(SchemeRow *row, const SchemePart *weight, WeightSlot scale) {
  bool is_comfy = scale == WEIGHT_SLOT_SCALE_WEIGHT || row->seen->scaled_fp8 ||
                  scheme_row_has(row, WEIGHT_SLOT_COMFY_QUANT);
  bool is_float = (1u << weight->dtype & SCHEME_FLOATS8) != 0 ||
                  (weight->dtype != DTYPE_I8 && row->config->has_floats);
  if (!is_float) {
    scheme_row_set(row, WEIGHT_SCHEME_INT8, scheme_integer_bits(row));
  } else {
    scheme_row_set(row, is_comfy ? WEIGHT_SCHEME_FP8_SCALED : WEIGHT_SCHEME_FP8, 8);
  }
}

static void scheme_take_zero_point(SchemeRow *row, const SchemePart *scale) {
  WeightSlot slot = WEIGHT_SLOT_WEIGHT_ZERO_POINT;
  const WeightConfig *config = row->config;
  if (scheme_row_has(row, slot)) {
    scheme_row_needs_dtype(row, slot, SCHEME_FLOATS | SCHEME_FLOATS8 | SCHEME_INTEGERS,
                           "a dtype of numbers");
    if (scale->there) scheme_row_needs_shape(row, slot, scale->dims, scale->rank);
  } else if (config->has_asymmetric && !config->has_symmetric) {
    scheme_row_needs(row, slot);
  } else if (!config->has_symmetric) {
    scheme_row_needs_as_others(row, slot);
  }
}

void scheme_fill_scaled(SchemeRow *row) {
  WeightSlot slot = scheme_scaled_weight(row), scale_slot = scheme_scaled_scale(row);
  SchemePart weight = scheme_row_part(row, slot), scale = scheme_row_part(row, scale_slot);
  bool fp4_scale = scale.there && (1u << scale.dtype & SCHEME_FLOATS) == 0;
  if (weight.dtype == DTYPE_U8 || weight.dtype == DTYPE_F4 ||
      (weight.dtype == DTYPE_I8 && scale.dtype == DTYPE_F8_E8M0)) {
    bool second =
        SCHEME_ROW_FIRST_OF(row, WEIGHT_SLOT_WEIGHT_SCALE_2, WEIGHT_SLOT_BARE_WEIGHT_SCALE_2,
                            WEIGHT_SLOT_WEIGHT_GLOBAL_SCALE) != WEIGHT_SLOT_NONE;
    if (!scale.there || fp4_scale || second || weight.dtype == DTYPE_F4) {
      scheme_fill_float4(row, slot);
      return;
    }
  }
  row->basis = slot;
  scheme_row_set_dtype(row, scale.dtype);
  scheme_row_give(row, slot, "weight");
  scheme_row_give(row, scale_slot, "scale");
  if (weight.rank > WEIGHT_MAX_RANK) {
    scheme_set_scaled(row, &weight, scale_slot);
    scheme_row_break(row, "expected weight of at most %d dimensions, found more", WEIGHT_MAX_RANK);
    return;
  }
  scheme_row_set_shape(row, weight.dims, weight.rank);
  bool is_mxfp8 = scale.there && weight.dtype == DTYPE_F8_E4M3 && row->config->has_only_exponents;
  if (is_mxfp8 || scheme_is_mxfp8(&weight, &scale)) {
    scheme_fill_mxfp8(row, scale_slot, &weight);
    return;
  }
  scheme_set_scaled(row, &weight, scale_slot);
  scheme_row_needs_dtype(row, slot, SCHEME_FLOATS8 | 1u << DTYPE_I8, "8-bit floats or I8");
  if (!scale.there) {
    scheme_row_needs(row, scheme_scaled_missing(row));
    return;
  }
  scheme_row_give(row, WEIGHT_SLOT_WEIGHT_ZERO_POINT, "zero_point");
  scheme_take_scale(row, scale_slot, &weight);
  if (weight.dtype == DTYPE_I8 || scheme_row_has(row, WEIGHT_SLOT_WEIGHT_ZERO_POINT))
    scheme_take_zero_point(row, &scale);
}

/* ---- 4-bit floats ---- */

static bool scheme_format_has(const SchemeRow *row, const char *word) {
  const char *const texts[] = {row->config->algorithm, row->config->method};
  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
    if (texts[i] != NULL && sqlite3_strlike(word, texts[i], 0) == 0) return true;
  }
  return false;
}

/* Whether the scales are NVIDIA's, of 16 columns with a second level, and not MX's, of 32. */
static bool scheme_is_nvfp4(const SchemeRow *row, const SchemePart *scale, WeightSlot second) {
  if (scale->dtype == DTYPE_F8_E4M3) return true;
  if (scale->dtype == DTYPE_U8 || scale->dtype == DTYPE_F8_E8M0) return false;
  if (second != WEIGHT_SLOT_NONE || scheme_format_has(row, "%NVFP4%")) return true;
  const int64_t *sizes = row->config->group_sizes;
  for (uint32_t i = 0; i < row->config->group_size_count; i++) {
    if (sizes[i] == 16) return true;
  }
  const bool *seen = row->seen->slots[row->family];
  return seen[WEIGHT_SLOT_WEIGHT_SCALE_2] || seen[WEIGHT_SLOT_WEIGHT_GLOBAL_SCALE];
}

static void scheme_take_second_level(SchemeRow *row, WeightSlot slot, const SchemePart *weight,
                                     WeightSlot weight_slot) {
  SchemePart second = scheme_row_part(row, slot);
  bool divides = slot == WEIGHT_SLOT_WEIGHT_GLOBAL_SCALE;
  if (slot == WEIGHT_SLOT_NONE) {
    scheme_row_needs(row, weight_slot == WEIGHT_SLOT_WEIGHT_PACKED ? WEIGHT_SLOT_WEIGHT_GLOBAL_SCALE
                                                                   : WEIGHT_SLOT_WEIGHT_SCALE_2);
    return;
  }
  scheme_row_give(row, slot, divides ? "divide" : "multiply");
  scheme_row_needs_dtype(row, slot, SCHEME_FLOATS, "a dtype of floating-point numbers");
  bool each = weight->rank > 2 && second.rank > 0 && second.rank <= WEIGHT_MAX_RANK &&
              second.dims[0] == weight->dims[0] && second.numel == second.dims[0];
  if (second.numel != 1 && !each) {
    const uint64_t one = 1;
    scheme_row_needs_shape(row, slot, &one, 1);
  }
}

void scheme_fill_float4(SchemeRow *row, WeightSlot slot) {
  WeightSlot scale_slot = scheme_scaled_scale(row);
  WeightSlot second =
      SCHEME_ROW_FIRST_OF(row, WEIGHT_SLOT_WEIGHT_GLOBAL_SCALE, WEIGHT_SLOT_WEIGHT_SCALE_2,
                          WEIGHT_SLOT_BARE_WEIGHT_SCALE_2);
  SchemePart weight = scheme_row_part(row, slot), scale = scheme_row_part(row, scale_slot);
  bool is_nvfp4 = scheme_is_nvfp4(row, &scale, second);
  uint64_t *last =
      &weight.dims[weight.rank > 0 && weight.rank <= WEIGHT_MAX_RANK ? weight.rank - 1 : 0];
  scheme_row_set(row, is_nvfp4 ? WEIGHT_SCHEME_NVFP4 : WEIGHT_SCHEME_MXFP4, 4);
  row->basis = slot;
  scheme_row_set_dtype(row, DTYPE_COUNT);
  scheme_row_give(row, slot, "weight");
  scheme_row_give(row, scale_slot, "scale");
  if (weight.rank < 2 || weight.rank > WEIGHT_MAX_RANK) {
    scheme_row_break(row, "expected %s of two dimensions, found %u", weight_slot_word(slot),
                     weight.rank);
    return;
  }
  if (weight.dtype != DTYPE_F4 && __builtin_mul_overflow(*last, (uint64_t)2, last)) {
    scheme_row_break(row, "expected fewer than 2^64 columns, found more");
    return;
  }
  scheme_row_set_shape(row, weight.dims, weight.rank);
  if (scheme_row_has(row, WEIGHT_SLOT_COMFY_QUANT))
    scheme_row_break(row, "not decoded here: ComfyUI keeps the scales in tiles");
  if (scale_slot == WEIGHT_SLOT_NONE) {
    scheme_row_needs(row, slot == WEIGHT_SLOT_WEIGHT_PACKED ? WEIGHT_SLOT_WEIGHT_SCALE
                                                            : scheme_scaled_missing(row));
  } else {
    uint64_t columns = *last;
    *last = scheme_divide_up(columns, is_nvfp4 ? 16 : 32);
    if (is_nvfp4)
      scheme_row_needs_dtype(row, scale_slot, 1u << DTYPE_F8_E4M3, "F8_E4M3");
    else
      scheme_row_needs_dtype(row, scale_slot, 1u << DTYPE_U8 | 1u << DTYPE_F8_E8M0,
                             "U8 or F8_E8M0");
    scheme_row_needs_shape(row, scale_slot, weight.dims, weight.rank);
    *last = columns;
  }
  if (is_nvfp4) scheme_take_second_level(row, second, &weight, slot);
}

/* ---- gpt-oss: blocks [E, out, in/32, 16], scales [E, out, in/32]; the weight is [E, in, out] ---- */

void scheme_fill_blocks(SchemeRow *row) {
  SchemePart blocks = scheme_row_part(row, WEIGHT_SLOT_BLOCKS);
  row->basis = WEIGHT_SLOT_BLOCKS;
  scheme_row_set(row, WEIGHT_SCHEME_MXFP4, 4);
  scheme_row_set_dtype(row, DTYPE_COUNT);
  scheme_row_give(row, WEIGHT_SLOT_BLOCKS, "weight");
  scheme_row_give(row, WEIGHT_SLOT_BLOCK_SCALES, "scale");
  scheme_row_option_text(row, "layout", "gpt-oss");
  scheme_row_needs_dtype(row, WEIGHT_SLOT_BLOCKS, 1u << DTYPE_U8, "U8");
  if (blocks.rank != 4 || blocks.dims[3] != 16) {
    scheme_row_break(row, "expected blocks of four dimensions, the last of 16 bytes, found others");
    return;
  }
  uint64_t dims[] = {blocks.dims[0], 0, blocks.dims[1]};
  if (__builtin_mul_overflow(blocks.dims[2], (uint64_t)32, &dims[1])) {
    scheme_row_break(row, "expected fewer than 2^64 columns, found more");
    return;
  }
  scheme_row_set_shape(row, dims, 3);
  if (!scheme_row_needs(row, WEIGHT_SLOT_BLOCK_SCALES)) return;
  scheme_row_needs_dtype(row, WEIGHT_SLOT_BLOCK_SCALES, 1u << DTYPE_U8 | 1u << DTYPE_F8_E8M0,
                         "U8 or F8_E8M0");
  scheme_row_needs_shape(row, WEIGHT_SLOT_BLOCK_SCALES, blocks.dims, 3);
}
