/* Integers of a few bits in words of 32, with a scale for each group of columns. */
#include <string.h>

#include "format/element.h"
#include "model/scheme_row.h"

/* columns * bits / 32, rounded up. False on overflow. */
static bool scheme_words(uint64_t columns, unsigned bits, uint64_t *words) {
  uint64_t total;
  if (__builtin_mul_overflow(columns, (uint64_t)bits, &total)) return false;
  *words = scheme_divide_up(total, 32);
  return true;
}

/* How many values of `bits` bits are in so many words; false if not a whole number. */
static bool scheme_values(uint64_t words, unsigned bits, uint64_t *values) {
  uint64_t total;
  if (bits == 0 || __builtin_mul_overflow(words, (uint64_t)32, &total)) return false;
  *values = total / bits;
  return total % bits == 0;
}

static bool scheme_is_table(SchemeRow *row, WeightSlot slot, const SchemePart *part) {
  if (part->rank == 2) return true;
  scheme_row_break(row, "expected %s of two dimensions, found %u", weight_slot_word(slot),
                   part->rank);
  return false;
}

/* ---- compressed-tensors: pack-quantized ---- */

/* Reads the logical shape, and checks the rows. */
static bool scheme_packed_shape(SchemeRow *row, const SchemePart *packed, uint64_t *dims) {
  SchemePart shape = scheme_row_part(row, WEIGHT_SLOT_WEIGHT_SHAPE);
  int64_t values[2] = {0};
  unsigned char bytes[sizeof values];
  const uint64_t two[] = {2};
  if (!scheme_row_needs(row, WEIGHT_SLOT_WEIGHT_SHAPE) ||
      !scheme_row_needs_dtype(row, WEIGHT_SLOT_WEIGHT_SHAPE, 1u << DTYPE_I64 | 1u << DTYPE_I32,
                              "I64") ||
      !scheme_row_needs_shape(row, WEIGHT_SLOT_WEIGHT_SHAPE, two, 1)) {
    return false;
  }
  unsigned size = dtype_bits(shape.dtype) / 8;
  if (!scheme_row_read(row, WEIGHT_SLOT_WEIGHT_SHAPE, bytes, 2 * size)) return false;
  for (unsigned i = 0; i < 2; i++)
    values[i] = size == 8 ? (int64_t)element_load_64(bytes + 8 * i)
                          : (int32_t)element_load_32(bytes + 4 * i);
  if (values[0] < 0 || values[1] < 0 || (uint64_t)values[0] != packed->dims[0]) {
    scheme_row_break(row,
                     "expected weight_shape to be of %llu rows, as weight_packed is, found "
                     "[%lld,%lld]",
                     (unsigned long long)packed->dims[0], (long long)values[0],
                     (long long)values[1]);
    return false;
  }
  dims[0] = (uint64_t)values[0];
  dims[1] = (uint64_t)values[1];
  return true;
}

static bool scheme_packed_fits(uint64_t columns, unsigned bits, uint64_t words) {
  uint64_t stream;
  if (!scheme_words(columns, bits, &stream)) return false;
  return stream == words || scheme_divide_up(columns, 32 / bits) == words; /* older versions */
}

/* The bits with which so many columns have so many words; 0 if there are none. */
static unsigned scheme_packed_bits(SchemeRow *row, uint64_t columns, uint64_t words) {
  static const unsigned candidates[] = {4, 8, 2, 3};
  uint32_t said = row->config->integer_bits;
  unsigned found = 0;
  for (size_t i = 0; i < sizeof candidates / sizeof candidates[0]; i++) {
    unsigned bits = candidates[i];
    if (!scheme_packed_fits(columns, bits, words)) continue;
    if ((said >> bits & 1) != 0) return bits;
    if (found == 0) found = bits;
  }
  if (found == 0) {
    scheme_row_break(row,
                     "expected weight_packed of 2, 3, 4 or 8 bits, found %llu words for %llu "
                     "columns, by weight_shape",
                     (unsigned long long)words, (unsigned long long)columns);
  } else if (said != 0) {
    scheme_row_note(row, "expected the bits that %s says, found %u", row->config->source, found);
  }
  return found;
}

static WeightScheme scheme_of_bits(unsigned bits) {
  switch (bits) {
    case 2: return WEIGHT_SCHEME_INT2;
    case 3: return WEIGHT_SCHEME_INT3;
    case 8: return WEIGHT_SCHEME_INT8_GROUP;
    default: return WEIGHT_SCHEME_INT4;
  }
}

/* The bits if weight_shape is not there: what the configuration says of all groups. */
static unsigned scheme_said_bits(const SchemeRow *row) {
  for (unsigned bits = 2; bits <= 8; bits++) {
    if (row->config->integer_bits == 1u << bits) return bits;
  }
  return 4;
}

static void scheme_packed_zero_point(SchemeRow *row, const uint64_t *dims, unsigned bits,
                                     uint64_t groups) {
  WeightSlot slot = WEIGHT_SLOT_WEIGHT_ZERO_POINT;
  const WeightConfig *config = row->config;
  SchemePart zero = scheme_row_part(row, slot);
  uint64_t expected[2] = {0, groups};
  if (!zero.there) {
    if (config->has_asymmetric && !config->has_symmetric) {
      scheme_row_needs(row, slot);
    } else if (!config->has_symmetric) {
      scheme_row_needs_as_others(row, slot);
    }
    return;
  }
  scheme_row_needs_dtype(row, slot, 1u << DTYPE_I32, "I32");
  uint64_t older = scheme_divide_up(dims[0], 32 / bits);
  if (zero.rank == 2 && zero.dims[0] == older && zero.dims[1] == groups) return;
  if (scheme_words(dims[0], bits, &expected[0])) scheme_row_needs_shape(row, slot, expected, 2);
}

static void scheme_packed_index(SchemeRow *row, const uint64_t *dims) {
  WeightSlot slot = WEIGHT_SLOT_WEIGHT_G_IDX;
  if (scheme_row_has(row, slot)) {
    scheme_row_needs_dtype(row, slot, 1u << DTYPE_I32 | 1u << DTYPE_I64, "I32");
    scheme_row_needs_shape(row, slot, &dims[1], 1);
  } else if (row->config->has_group_index) {
    scheme_row_needs(row, slot);
  } else {
    scheme_row_needs_as_others(row, slot);
  }
}

static void scheme_packed_groups(SchemeRow *row, const uint64_t *dims, unsigned bits) {
  SchemePart scale = scheme_row_part(row, WEIGHT_SLOT_WEIGHT_SCALE);
  if (!scheme_row_needs(row, WEIGHT_SLOT_WEIGHT_SCALE)) return;
  scheme_row_needs_dtype(row, WEIGHT_SLOT_WEIGHT_SCALE, SCHEME_FLOATS,
                         "a dtype of floating-point numbers");
  if (scale.rank != 2 || scale.dims[0] != dims[0]) {
    uint64_t expected[2] = {dims[0], scale.rank == 2 ? scale.dims[1] : 1};
    scheme_row_needs_shape(row, WEIGHT_SLOT_WEIGHT_SCALE, expected, 2);
    return;
  }
  int64_t size = scheme_row_group_size(row, dims[1], scale.dims[1], "weight_scale");
  scheme_row_option_integer(row, "group_size", size);
  scheme_packed_zero_point(row, dims, bits, scale.dims[1]);
  scheme_packed_index(row, dims);
}

/* Whether the bytes are pairs of 4-bit floats, and not integers of another dtype than they should
** be. */
static bool scheme_packs_floats(const SchemeRow *row, const SchemePart *packed,
                                const SchemePart *scale) {
  const uint32_t scales = 1u << DTYPE_U8 | 1u << DTYPE_F8_E8M0 | 1u << DTYPE_F8_E4M3;
  if (packed->dtype != DTYPE_U8 && packed->dtype != DTYPE_F4) return false;
  return (scale->there && (1u << scale->dtype & scales) != 0) ||
         scheme_row_has(row, WEIGHT_SLOT_WEIGHT_GLOBAL_SCALE) ||
         scheme_row_has(row, WEIGHT_SLOT_WEIGHT_SCALE_2) ||
         !scheme_row_has(row, WEIGHT_SLOT_WEIGHT_SHAPE);
}

void scheme_fill_packed(SchemeRow *row) {
  SchemePart packed = scheme_row_part(row, WEIGHT_SLOT_WEIGHT_PACKED);
  SchemePart scale = scheme_row_part(row, WEIGHT_SLOT_WEIGHT_SCALE);
  uint64_t dims[2];
  if (scheme_packs_floats(row, &packed, &scale)) {
    scheme_fill_float4(row, WEIGHT_SLOT_WEIGHT_PACKED);
    return;
  }
  row->basis = WEIGHT_SLOT_WEIGHT_PACKED;
  unsigned bits = scheme_said_bits(row);
  scheme_row_set(row, scheme_of_bits(bits), bits);
  scheme_row_set_dtype(row, scale.dtype);
  scheme_row_give(row, WEIGHT_SLOT_WEIGHT_PACKED, "weight_packed");
  scheme_row_give(row, WEIGHT_SLOT_WEIGHT_SCALE, "weight_scale");
  scheme_row_give(row, WEIGHT_SLOT_WEIGHT_ZERO_POINT, "weight_zero_point");
  scheme_row_give(row, WEIGHT_SLOT_WEIGHT_G_IDX, "weight_g_idx");
  scheme_row_needs_dtype(row, WEIGHT_SLOT_WEIGHT_PACKED, 1u << DTYPE_I32, "I32, U8 or F4");
  if (scheme_row_has(row, WEIGHT_SLOT_SCALE_PACKED) || scheme_row_has(row, WEIGHT_SLOT_META)) {
    scheme_row_set(row, WEIGHT_SCHEME_UNKNOWN, bits);
    scheme_row_break(row, "not decoded here: the tiles of marlin-24");
    return;
  }
  if (!scheme_is_table(row, WEIGHT_SLOT_WEIGHT_PACKED, &packed)) return;
  if (!scheme_packed_shape(row, &packed, dims)) {
    dims[0] = packed.dims[0];
    if (scheme_values(packed.dims[1], bits, &dims[1])) scheme_row_set_shape(row, dims, 2);
    scheme_row_needs(row, WEIGHT_SLOT_WEIGHT_SCALE);
    return;
  }
  scheme_row_set_shape(row, dims, 2);
  bits = scheme_packed_bits(row, dims[1], packed.dims[1]);
  if (bits == 0) return;
  scheme_row_set(row, scheme_of_bits(bits), bits);
  scheme_row_option_integer(row, "bits", bits);
  scheme_row_option_shape(row);
  scheme_packed_groups(row, dims, bits);
}

/* ---- GPTQ and AWQ ---- */

/* Which of the three layouts qweight has. */
typedef enum SchemeLayout { LAYOUT_GPTQ, LAYOUT_AWQ_GEMM, LAYOUT_AWQ_GEMV } SchemeLayout;

static SchemeLayout scheme_said_layout(const SchemeRow *row) {
  if (!weight_config_is(row->config, "awq")) return LAYOUT_GPTQ;
  bool gemv = row->config->format != NULL && sqlite3_strlike("%gemv%", row->config->format, 0) == 0;
  return gemv ? LAYOUT_AWQ_GEMV : LAYOUT_AWQ_GEMM;
}

static bool scheme_layout_fits(SchemeLayout layout, const SchemePart *qweight,
                               const SchemePart *scales, const SchemePart *qzeros) {
  if (scales->there && scales->rank == 2) {
    switch (layout) {
      case LAYOUT_GPTQ: return qweight->dims[1] == scales->dims[1];
      case LAYOUT_AWQ_GEMM: return scales->dims[1] == qweight->dims[1] * 8;
      default: return qweight->dims[0] == scales->dims[0];
    }
  }
  if (!qzeros->there || qzeros->rank != 2) return false;
  switch (layout) {
    case LAYOUT_GPTQ: return qzeros->dims[1] < qweight->dims[1];
    case LAYOUT_AWQ_GEMM: return qweight->dims[1] == qzeros->dims[1];
    default: return qweight->dims[0] == qzeros->dims[0];
  }
}

static SchemeLayout scheme_layout(SchemeRow *row, const SchemePart *qweight) {
  static const char *const names[] = {"GPTQ", "AWQ (gemm)", "AWQ (gemv)"};
  SchemePart scales = scheme_row_part(row, WEIGHT_SLOT_SCALES);
  SchemePart qzeros = scheme_row_part(row, WEIGHT_SLOT_QZEROS);
  bool has_config = weight_config_is(row->config, "gptq") || weight_config_is(row->config, "awq");
  bool indexed = scheme_row_has(row, WEIGHT_SLOT_G_IDX);
  SchemeLayout said = scheme_said_layout(row);
  if (has_config && scheme_layout_fits(said, qweight, &scales, &qzeros)) return said;
  for (SchemeLayout layout = LAYOUT_GPTQ; layout <= LAYOUT_AWQ_GEMV; layout++) {
    if (indexed && layout != LAYOUT_GPTQ) break;
    if (!scheme_layout_fits(layout, qweight, &scales, &qzeros)) continue;
    bool gemm_said_plain = said == LAYOUT_AWQ_GEMM && layout == LAYOUT_AWQ_GEMV;
    if (has_config && !gemm_said_plain) {
      scheme_row_note(row, "expected %s, as %s says, found %s", names[said], row->config->source,
                      names[layout]);
    }
    return layout;
  }
  return indexed ? LAYOUT_GPTQ : said;
}

/* GPTQ's bits: by the length of g_idx, else by qzeros and scales; 0 if neither tells. */
static unsigned scheme_gptq_bits(SchemeRow *row, const SchemePart *qweight) {
  SchemePart index = scheme_row_part(row, WEIGHT_SLOT_G_IDX);
  SchemePart qzeros = scheme_row_part(row, WEIGHT_SLOT_QZEROS);
  int64_t said = row->config->bits;
  uint64_t rows = index.rank == 1 ? index.dims[0] : 0;
  for (unsigned bits = 2; bits <= 8; bits++) {
    uint64_t words;
    if (rows > 0 && scheme_words(rows, bits, &words) && words == qweight->dims[0]) return bits;
  }
  for (unsigned bits = 2; bits <= 8; bits++) {
    uint64_t total;
    if (qzeros.rank == 2 && !__builtin_mul_overflow(qweight->dims[1], (uint64_t)bits, &total) &&
        total % 32 == 0 && total / 32 == qzeros.dims[1]) {
      return bits;
    }
  }
  return said >= 2 && said <= 8 ? (unsigned)said : 0;
}

/* Whether zero points are stored as they are, and not minus one. */
static bool scheme_zero_is_stored(SchemeRow *row, unsigned bits) {
  const WeightConfig *config = row->config;
  SchemePart qzeros = scheme_row_part(row, WEIGHT_SLOT_QZEROS);
  unsigned char word[4];
  if (config->format != NULL && sqlite3_stricmp(config->format, "gptq_v2") == 0) return true;
  if (config->quantization != NULL) return false;
  if (bits == 4 && qzeros.nbytes >= sizeof word && qzeros.dtype == DTYPE_I32 &&
      scheme_row_read(row, WEIGHT_SLOT_QZEROS, word, sizeof word)) {
    if (memcmp(word, "\x88\x88\x88\x88", sizeof word) == 0) return true;
    if (memcmp(word, "\x77\x77\x77\x77", sizeof word) == 0) return false;
  }
  scheme_row_note(row, "zero points are assumed to be stored minus one, as no configuration says");
  return false;
}

static void scheme_gptq_index(SchemeRow *row, uint64_t columns) {
  WeightSlot slot = WEIGHT_SLOT_G_IDX;
  if (scheme_row_has(row, slot)) {
    scheme_row_needs_dtype(row, slot, 1u << DTYPE_I32 | 1u << DTYPE_I64, "I32");
    scheme_row_needs_shape(row, slot, &columns, 1);
  } else if (row->config->sorts_columns) {
    scheme_row_needs(row, slot);
  } else {
    scheme_row_needs_as_others(row, slot);
  }
}

/* Checks scales [groups, n] and qzeros [groups, n * bits / 32], and sets the size of groups. */
static void scheme_gptq_groups(SchemeRow *row, uint64_t rows, uint64_t columns, unsigned bits) {
  SchemePart scales = scheme_row_part(row, WEIGHT_SLOT_SCALES);
  SchemePart qzeros = scheme_row_part(row, WEIGHT_SLOT_QZEROS);
  const SchemePart *known = scales.there ? &scales : &qzeros;
  uint64_t expected[2] = {known->rank == 2 ? known->dims[0] : 0, rows};
  if (scales.rank == 2 && qzeros.rank == 2 && scales.dims[0] != qzeros.dims[0]) {
    scheme_row_break(row, "expected scales and qzeros of as many groups, found %llu and %llu",
                     (unsigned long long)scales.dims[0], (unsigned long long)qzeros.dims[0]);
    return;
  }
  bool good = scheme_row_needs(row, WEIGHT_SLOT_SCALES) &&
              scheme_row_needs_dtype(row, WEIGHT_SLOT_SCALES, SCHEME_FLOATS,
                                     "a dtype of floating-point numbers") &&
              scheme_row_needs_shape(row, WEIGHT_SLOT_SCALES, expected, 2);
  if (scheme_row_needs(row, WEIGHT_SLOT_QZEROS) &&
      scheme_row_needs_dtype(row, WEIGHT_SLOT_QZEROS, 1u << DTYPE_I32, "I32") &&
      scheme_words(rows, bits, &expected[1])) {
    good = scheme_row_needs_shape(row, WEIGHT_SLOT_QZEROS, expected, 2) && good;
  }
  if (!good) return;
  scheme_row_option_integer(row, "group_size",
                            scheme_row_group_size(row, columns, expected[0], "scales"));
}

static void scheme_fill_gptq_layout(SchemeRow *row, const SchemePart *qweight) {
  uint64_t dims[2] = {qweight->dims[1], 0};
  unsigned bits = scheme_gptq_bits(row, qweight);
  scheme_row_set(row, WEIGHT_SCHEME_GPTQ, bits);
  if (bits == 0 || !scheme_values(qweight->dims[0], bits, &dims[1])) {
    scheme_row_break(row, "expected qweight of 2 to 8 bits, found none that fit");
    scheme_row_needs(row, WEIGHT_SLOT_SCALES);
    scheme_row_needs(row, WEIGHT_SLOT_QZEROS);
    return;
  }
  if (row->config->bits != 0 && row->config->bits != bits && !row->config->has_exceptions) {
    scheme_row_note(row, "expected %lld bits, as %s says, found %u", (long long)row->config->bits,
                    row->config->source, bits);
  }
  scheme_row_set_shape(row, dims, 2);
  scheme_row_option_integer(row, "bits", bits);
  scheme_row_option_text(row, "zero", scheme_zero_is_stored(row, bits) ? "stored" : "plus_one");
  scheme_gptq_groups(row, dims[0], dims[1], bits);
  scheme_gptq_index(row, dims[1]);
}

static void scheme_fill_gemm(SchemeRow *row, const SchemePart *qweight) {
  uint64_t dims[2] = {0, qweight->dims[0]};
  scheme_row_set(row, WEIGHT_SCHEME_AWQ, 4);
  if (__builtin_mul_overflow(qweight->dims[1], (uint64_t)8, &dims[0])) {
    scheme_row_break(row, "expected fewer than 2^64 rows, found more");
    return;
  }
  scheme_row_set_shape(row, dims, 2);
  scheme_row_option_integer(row, "bits", 4);
  scheme_row_option_text(row, "version", "gemm");
  scheme_gptq_groups(row, dims[0], dims[1], 4);
}

/* Scales [n, 8 p] and qzeros [n, p] are padded, so they do not tell how many groups there are. */
static void scheme_fill_gemv(SchemeRow *row, const SchemePart *qweight) {
  SchemePart qzeros = scheme_row_part(row, WEIGHT_SLOT_QZEROS);
  uint64_t dims[2] = {qweight->dims[0], 0}, expected[2] = {qweight->dims[0], 0};
  int64_t size = row->config->group_size != 0 ? row->config->group_size : 128;
  scheme_row_set(row, WEIGHT_SCHEME_AWQ, 4);
  if (!scheme_values(qweight->dims[1], 4, &dims[1])) {
    scheme_row_break(row, "expected fewer than 2^64 columns, found more");
    return;
  }
  scheme_row_set_shape(row, dims, 2);
  scheme_row_option_integer(row, "bits", 4);
  scheme_row_option_text(row, "version", "gemv");
  scheme_row_option_integer(row, "group_size", size);
  if (row->config->group_size == 0)
    scheme_row_note(row, "groups of 128 are assumed, as no configuration says");
  uint64_t groups = size > 0 ? scheme_divide_up(dims[1], (uint64_t)size) : 1;
  expected[1] = qzeros.rank == 2 ? qzeros.dims[1] : scheme_divide_up(groups, 8);
  if (expected[1] < scheme_divide_up(groups, 8)) expected[1] = scheme_divide_up(groups, 8);
  if (scheme_row_needs(row, WEIGHT_SLOT_QZEROS) &&
      scheme_row_needs_dtype(row, WEIGHT_SLOT_QZEROS, 1u << DTYPE_I32, "I32")) {
    scheme_row_needs_shape(row, WEIGHT_SLOT_QZEROS, expected, 2);
  }
  expected[1] = expected[1] <= UINT64_MAX / 8 ? expected[1] * 8 : 0;
  if (scheme_row_needs(row, WEIGHT_SLOT_SCALES) &&
      scheme_row_needs_dtype(row, WEIGHT_SLOT_SCALES, SCHEME_FLOATS,
                             "a dtype of floating-point numbers")) {
    scheme_row_needs_shape(row, WEIGHT_SLOT_SCALES, expected, 2);
  }
}

void scheme_fill_gptq(SchemeRow *row) {
  SchemePart qweight = scheme_row_part(row, WEIGHT_SLOT_QWEIGHT);
  row->basis = WEIGHT_SLOT_QWEIGHT;
  bool is_awq = weight_config_is(row->config, "awq");
  scheme_row_set(row, is_awq ? WEIGHT_SCHEME_AWQ : WEIGHT_SCHEME_GPTQ, 0);
  scheme_row_set_dtype(row, scheme_row_part(row, WEIGHT_SLOT_SCALES).dtype);
  scheme_row_give(row, WEIGHT_SLOT_QWEIGHT, "qweight");
  scheme_row_give(row, WEIGHT_SLOT_QZEROS, "qzeros");
  scheme_row_give(row, WEIGHT_SLOT_SCALES, "scales");
  if (!scheme_row_needs_dtype(row, WEIGHT_SLOT_QWEIGHT, 1u << DTYPE_I32, "I32")) return;
  if (!scheme_is_table(row, WEIGHT_SLOT_QWEIGHT, &qweight)) return;
  switch (scheme_layout(row, &qweight)) {
    case LAYOUT_GPTQ:
      scheme_row_give(row, WEIGHT_SLOT_G_IDX, "g_idx");
      scheme_fill_gptq_layout(row, &qweight);
      break;
    case LAYOUT_AWQ_GEMM: scheme_fill_gemm(row, &qweight); break;
    case LAYOUT_AWQ_GEMV: scheme_fill_gemv(row, &qweight); break;
  }
}

/* ---- MLX ---- */

/* What the configuration says about the module. */
typedef struct SchemeMlx {
  int64_t bits, group_size;
  const char *mode; /* a static string */
  bool is_said, is_plain;
} SchemeMlx;

static const char *scheme_mlx_mode(const char *text) {
  static const char *const modes[] = {"affine", "mxfp4", "mxfp8", "nvfp4"};
  for (size_t i = 0; text != NULL && i < sizeof modes / sizeof modes[0]; i++) {
    if (strcmp(text, modes[i]) == 0) return modes[i];
  }
  return "affine";
}

static SchemeMlx scheme_mlx_said(const SchemeRow *row) {
  const WeightConfig *config = row->config;
  SchemeMlx said = {.mode = "affine"};
  if (!weight_config_is(config, "mlx")) return said;
  const json_t *own = weight_config_mlx_module(config, row->module);
  said = (SchemeMlx){.bits = config->bits,
                     .group_size = config->group_size,
                     .mode = scheme_mlx_mode(config->format),
                     .is_said = true,
                     .is_plain = json_is_false(own)};
  if (!json_is_object(own)) return said;
  int64_t bits = json_integer_value(json_object_get(own, "bits"));
  int64_t size = json_integer_value(json_object_get(own, "group_size"));
  const char *mode = json_string_value(json_object_get(own, "mode"));
  if (bits != 0) said.bits = bits;
  if (size != 0) said.group_size = size;
  if (mode != NULL) said.mode = scheme_mlx_mode(mode);
  return said;
}

/* With `per_group` bits in a group; false if these cannot be they. */
static bool scheme_mlx_fits(int64_t bits, int64_t size, uint64_t words, uint64_t groups) {
  uint64_t stored, expected;
  if (bits < 2 || bits > 8 || bits == 7 || size <= 0 || groups == 0) return false;
  if (__builtin_mul_overflow(words, (uint64_t)32, &stored) ||
      __builtin_mul_overflow(groups, (uint64_t)bits * (uint64_t)size, &expected) ||
      size > UINT32_MAX) {
    return false;
  }
  return stored == expected;
}

static void scheme_mlx_set(SchemeRow *row, SchemeMlx said, SchemePart *weight) {
  uint64_t *last = &weight->dims[weight->rank - 1];
  if (!scheme_values(*last, (unsigned)said.bits, last)) return;
  scheme_row_set(row, WEIGHT_SCHEME_MLX, (unsigned)said.bits);
  scheme_row_set_shape(row, weight->dims, weight->rank);
  scheme_row_option_integer(row, "bits", said.bits);
  scheme_row_option_integer(row, "group_size", said.group_size);
  scheme_row_option_text(row, "mode", said.mode);
}

/* Scales in U8 are those of 4- and 8-bit floats: how many words a group has tells which. */
static bool scheme_mlx_float(SchemeMlx *said, uint64_t words, uint64_t groups) {
  static const SchemeMlx modes[] = {{.bits = 4, .group_size = 32, .mode = "mxfp4"},
                                    {.bits = 8, .group_size = 32, .mode = "mxfp8"},
                                    {.bits = 4, .group_size = 16, .mode = "nvfp4"}};
  for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
    if (!scheme_mlx_fits(modes[i].bits, modes[i].group_size, words, groups)) continue;
    *said = modes[i];
    return true;
  }
  return false;
}

static bool scheme_mlx_affine(SchemeMlx *said, uint64_t words, uint64_t groups) {
  static const int64_t sizes[] = {64, 32, 128}, all_bits[] = {4, 8, 3, 6, 5, 2};
  if (strcmp(said->mode, "affine") == 0 &&
      scheme_mlx_fits(said->bits, said->group_size, words, groups)) {
    return true;
  }
  for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
    for (size_t j = 0; j < sizeof all_bits / sizeof all_bits[0]; j++) {
      if (!scheme_mlx_fits(all_bits[j], sizes[i], words, groups)) continue;
      *said = (SchemeMlx){.bits = all_bits[j], .group_size = sizes[i], .mode = "affine"};
      return true;
    }
  }
  return false;
}

static void scheme_mlx_take(SchemeRow *row, SchemePart *weight, const SchemePart *scales) {
  SchemeMlx said = scheme_mlx_said(row), found = said;
  uint64_t words = weight->dims[weight->rank - 1], groups = scales->dims[scales->rank - 1];
  bool is_float = scales->dtype == DTYPE_U8 || scales->dtype == DTYPE_F8_E8M0;
  if (!(is_float ? scheme_mlx_float : scheme_mlx_affine)(&found, words, groups)) {
    uint64_t expected[WEIGHT_MAX_RANK];
    memcpy(expected, weight->dims, sizeof expected);
    if (said.bits > 0 && said.group_size > 0)
      expected[weight->rank - 1] = words * 32 / (uint64_t)said.bits / (uint64_t)said.group_size;
    scheme_row_needs_shape(row, WEIGHT_SLOT_SCALES, expected, weight->rank);
    if (!row->is_broken) scheme_row_break(row, "expected scales of other groups");
    return;
  }
  bool same = said.bits == found.bits && said.group_size == found.group_size &&
              strcmp(said.mode, found.mode) == 0;
  if (said.is_plain) {
    scheme_row_note(row, "expected a plain weight, as config.json says, found a packed one");
  } else if (said.is_said && !same) {
    scheme_row_note(row,
                    "expected %lld bits in groups of %lld (%s), as config.json says, found "
                    "%lld in groups of %lld (%s), by scales",
                    (long long)said.bits, (long long)said.group_size, said.mode,
                    (long long)found.bits, (long long)found.group_size, found.mode);
  } else if (!said.is_said && !is_float) {
    scheme_row_note(row, "%lld bits in groups of %lld are assumed, as no configuration says",
                    (long long)found.bits, (long long)found.group_size);
  }
  scheme_mlx_set(row, found, weight);
}

/* All dimensions but the last are the weight's. */
static void scheme_mlx_check(SchemeRow *row, SchemePart *weight, const SchemePart *scales) {
  SchemePart expected = *weight;
  bool alike = scales->rank == weight->rank;
  for (uint32_t i = 0; alike && i + 1 < weight->rank; i++)
    alike = scales->dims[i] == weight->dims[i];
  if (alike) {
    scheme_mlx_take(row, weight, scales);
    return;
  }
  if (scales->rank == weight->rank)
    expected.dims[weight->rank - 1] = scales->dims[weight->rank - 1];
  scheme_row_needs_shape(row, WEIGHT_SLOT_SCALES, expected.dims, weight->rank);
}

void scheme_fill_mlx(SchemeRow *row) {
  SchemePart weight = scheme_row_part(row, WEIGHT_SLOT_WEIGHT);
  SchemePart scales = scheme_row_part(row, WEIGHT_SLOT_SCALES);
  SchemeMlx said = scheme_mlx_said(row);
  bool is_float = scales.dtype == DTYPE_U8 || scales.dtype == DTYPE_F8_E8M0 ||
                  (!scales.there && strcmp(said.mode, "affine") != 0);
  row->basis = WEIGHT_SLOT_WEIGHT;
  scheme_row_set(row, WEIGHT_SCHEME_MLX, 0);
  scheme_row_set_dtype(row, scales.dtype);
  scheme_row_give(row, WEIGHT_SLOT_WEIGHT, "weight");
  scheme_row_give(row, WEIGHT_SLOT_SCALES, "scales");
  if (!is_float) scheme_row_give(row, WEIGHT_SLOT_BIASES, "biases");
  scheme_row_needs_dtype(row, WEIGHT_SLOT_WEIGHT, 1u << DTYPE_U32, "U32");
  if (weight.rank < 2 || weight.rank > WEIGHT_MAX_RANK) {
    scheme_row_break(row, "expected weight of two dimensions, found %u", weight.rank);
    return;
  }
  if (!scheme_row_needs(row, WEIGHT_SLOT_SCALES)) {
    if (said.bits >= 2 && said.bits <= 8) scheme_mlx_set(row, said, &weight);
  } else {
    scheme_row_needs_dtype(row, WEIGHT_SLOT_SCALES,
                           SCHEME_FLOATS | 1u << DTYPE_U8 | 1u << DTYPE_F8_E8M0,
                           "U8 or a dtype of floating-point numbers");
    scheme_mlx_check(row, &weight, &scales);
  }
  if (is_float && scheme_row_has(row, WEIGHT_SLOT_BIASES))
    scheme_row_break(row, "expected no biases, as scales are %s, found some",
                     dtype_name(scales.dtype));
  if (is_float || !scheme_row_needs(row, WEIGHT_SLOT_BIASES)) return;
  scheme_row_needs_dtype(row, WEIGHT_SLOT_BIASES, SCHEME_FLOATS,
                         "a dtype of floating-point numbers");
  if (scales.there) scheme_row_needs_shape(row, WEIGHT_SLOT_BIASES, scales.dims, scales.rank);
}
