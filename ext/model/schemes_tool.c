/* What bitsandbytes, HQQ, optimum-quanto and torchao write. */
#include <string.h>

#include "base/memory.h"
#include "format/element.h"
#include "json/json_load.h"
#include "model/scheme_row.h"

enum { SCHEME_MAX_TEXT = 64 << 10 }; /* of a tensor that is a text */

/* A part that is a text in U8. memory_free() releases it. NULL if it cannot be read; the row then
** says so. */
static char *scheme_read_text(SchemeRow *row, WeightSlot slot, uint64_t *length) {
  SchemePart part = scheme_row_part(row, slot);
  if (!scheme_row_needs_dtype(row, slot, 1u << DTYPE_U8 | 1u << DTYPE_I8, "U8")) return NULL;
  if (part.nbytes > SCHEME_MAX_TEXT) {
    scheme_row_break(row, "expected %s of at most %d bytes, found %llu", weight_slot_word(slot),
                     SCHEME_MAX_TEXT, (unsigned long long)part.nbytes);
    return NULL;
  }
  char *text = memory_zeroed(part.nbytes + 1, 1);
  if (text == NULL) {
    error_memory(row->error);
    return NULL;
  }
  *length = part.nbytes;
  if (part.nbytes == 0 || scheme_row_read(row, slot, text, part.nbytes)) return text;
  memory_free(text);
  return NULL;
}

/* A part that is a JSON object. json_decref() releases it. */
static json_t *scheme_read_json(SchemeRow *row, WeightSlot slot) {
  JsonDocument document = {0};
  Error problem = {0};
  uint64_t length;
  char *text = scheme_read_text(row, slot, &length);
  if (text == NULL) return NULL;
  while (length > 0 && text[length - 1] == '\0') length--;
  bool good = json_load_document(text, length, weight_slot_word(slot), &document, &problem);
  memory_free(text);
  if (good) return document.root;
  json_decref(document.root);
  if (error_forgive(row->error, &problem))
    scheme_row_break(row, "expected %s to be a JSON object, found something else",
                     weight_slot_word(slot));
  return NULL;
}

/* A list of sizes in JSON. */
static bool scheme_json_dims(const json_t *array, uint64_t *dims, uint32_t *rank) {
  if (!json_is_array(array) || json_array_size(array) > WEIGHT_MAX_RANK) return false;
  *rank = (uint32_t)json_array_size(array);
  for (uint32_t i = 0; i < *rank; i++) {
    const json_t *size = json_array_get(array, i);
    if (!json_is_integer(size) || json_integer_value(size) < 0) return false;
    dims[i] = (uint64_t)json_integer_value(size);
  }
  return true;
}

static Dtype scheme_dtype_of(const char *text) {
  if (text != NULL && strncmp(text, "torch.", 6) == 0) text += 6;
  if (text == NULL) return DTYPE_COUNT;
  if (strcmp(text, "bfloat16") == 0) return DTYPE_BF16;
  if (strcmp(text, "float16") == 0) return DTYPE_F16;
  return strcmp(text, "float32") == 0 ? DTYPE_F32 : DTYPE_COUNT;
}

/* ---- bitsandbytes, 4 bits ---- */

static WeightSlot scheme_bnb_weight(const SchemeRow *row) {
  return SCHEME_ROW_FIRST_OF(row, WEIGHT_SLOT_WEIGHT, WEIGHT_SLOT_BARE);
}

/* The first level of two: absmax is packed itself. */
static void scheme_bnb_nested(SchemeRow *row, const json_t *state, uint64_t blocks) {
  int64_t size = json_integer_value(json_object_get(state, "nested_blocksize"));
  const json_t *offset = json_object_get(state, "nested_offset");
  const uint64_t codes[] = {256};
  bool has_map = scheme_row_needs(row, WEIGHT_SLOT_NESTED_QUANT_MAP);
  scheme_row_give(row, WEIGHT_SLOT_NESTED_ABSMAX, "nested_absmax");
  scheme_row_give(row, WEIGHT_SLOT_NESTED_QUANT_MAP, "nested_quant_map");
  if (has_map) {
    scheme_row_needs_dtype(row, WEIGHT_SLOT_NESTED_QUANT_MAP, SCHEME_FLOATS, "F32");
    scheme_row_needs_shape(row, WEIGHT_SLOT_NESTED_QUANT_MAP, codes, 1);
  }
  if (size <= 0 || !json_is_number(offset)) {
    scheme_row_break(row, "expected nested_blocksize and nested_offset in quant_state, found none");
    return;
  }
  uint64_t count = scheme_divide_up(blocks, (uint64_t)size);
  if (scheme_row_needs(row, WEIGHT_SLOT_NESTED_ABSMAX)) {
    scheme_row_needs_dtype(row, WEIGHT_SLOT_NESTED_ABSMAX, SCHEME_FLOATS, "F32");
    scheme_row_needs_shape(row, WEIGHT_SLOT_NESTED_ABSMAX, &count, 1);
  }
  scheme_row_option_integer(row, "nested_blocksize", size);
  scheme_row_option_real(row, "nested_offset", json_number_value(offset));
}

static void scheme_bnb_blocks(SchemeRow *row, const json_t *state, uint64_t numel) {
  SchemePart absmax = scheme_row_part(row, WEIGHT_SLOT_ABSMAX);
  int64_t size = json_integer_value(json_object_get(state, "blocksize"));
  bool nested = absmax.dtype == DTYPE_U8 || json_object_get(state, "nested_blocksize") != NULL;
  if (size <= 0) {
    scheme_row_break(row, "expected a blocksize in quant_state, found none");
    return;
  }
  uint64_t blocks = scheme_divide_up(numel, (uint64_t)size);
  scheme_row_option_integer(row, "blocksize", size);
  if (scheme_row_needs(row, WEIGHT_SLOT_ABSMAX)) {
    scheme_row_needs_dtype(row, WEIGHT_SLOT_ABSMAX, nested ? 1u << DTYPE_U8 : SCHEME_FLOATS,
                           nested ? "U8" : "F32");
    scheme_row_needs_shape(row, WEIGHT_SLOT_ABSMAX, &blocks, 1);
  }
  if (nested) scheme_bnb_nested(row, state, blocks);
}

static void scheme_bnb_state(SchemeRow *row, const json_t *state, const SchemePart *weight) {
  uint64_t dims[WEIGHT_MAX_RANK];
  uint32_t rank;
  Dtype dtype = scheme_dtype_of(json_string_value(json_object_get(state, "dtype")));
  if (dtype != DTYPE_COUNT) scheme_row(row)->dtype = (uint8_t)dtype;
  if (!scheme_json_dims(json_object_get(state, "shape"), dims, &rank)) {
    scheme_row_break(row, "expected a shape in quant_state, found none");
    return;
  }
  scheme_row_set_shape(row, dims, rank);
  uint64_t numel = scheme_row(row)->numel;
  if (!scheme_row(row)->has_numel) return;
  uint64_t needed = scheme_divide_up(numel, 2), unit = dtype_bits(weight->dtype) / 8;
  if (weight->nbytes < needed || weight->nbytes - needed >= unit) {
    scheme_row_break(row, "expected weight of %llu bytes, by the shape in quant_state, found %llu",
                     (unsigned long long)needed, (unsigned long long)weight->nbytes);
  }
  scheme_row_option_shape(row);
  scheme_bnb_blocks(row, state, numel);
}

void scheme_fill_bnb4(SchemeRow *row) {
  WeightSlot slot = scheme_bnb_weight(row);
  WeightSlot state_slot =
      SCHEME_ROW_FIRST_OF(row, WEIGHT_SLOT_QUANT_STATE_NF4, WEIGHT_SLOT_QUANT_STATE_FP4);
  SchemePart weight = scheme_row_part(row, slot);
  const uint64_t codes[] = {16};
  const char *type = row->config->algorithm;
  bool is_fp4 = state_slot == WEIGHT_SLOT_QUANT_STATE_FP4 ||
                (state_slot == WEIGHT_SLOT_NONE && type != NULL && strcmp(type, "fp4") == 0);
  scheme_row_set(row, is_fp4 ? WEIGHT_SCHEME_BNB_FP4 : WEIGHT_SCHEME_BNB_NF4, 4);
  scheme_row_set_dtype(row, DTYPE_COUNT);
  scheme_row_give(row, slot, "weight");
  scheme_row_give(row, WEIGHT_SLOT_ABSMAX, "absmax");
  scheme_row_give(row, WEIGHT_SLOT_QUANT_MAP, "quant_map");
  if (scheme_row_needs(row, WEIGHT_SLOT_QUANT_MAP)) {
    scheme_row_needs_dtype(row, WEIGHT_SLOT_QUANT_MAP, SCHEME_FLOATS, "F32");
    scheme_row_needs_shape(row, WEIGHT_SLOT_QUANT_MAP, codes, 1);
  }
  if (state_slot == WEIGHT_SLOT_NONE) {
    scheme_row_break(row, "quant_state is missing");
    scheme_row_needs(row, WEIGHT_SLOT_ABSMAX);
    return;
  }
  json_t *state = scheme_read_json(row, state_slot);
  if (state != NULL) scheme_bnb_state(row, state, &weight);
  json_decref(state);
}

/* ---- bitsandbytes, 8 bits ---- */

void scheme_fill_bnb8(SchemeRow *row) {
  SchemePart weight = scheme_row_part(row, WEIGHT_SLOT_WEIGHT);
  SchemePart scb = scheme_row_part(row, WEIGHT_SLOT_SCB);
  int64_t format = 0;
  row->basis = WEIGHT_SLOT_WEIGHT;
  scheme_row_set(row, WEIGHT_SCHEME_BNB_INT8, 8);
  scheme_row_set_dtype(row, DTYPE_COUNT);
  scheme_row_give(row, WEIGHT_SLOT_WEIGHT, "weight");
  scheme_row_give(row, WEIGHT_SLOT_SCB, "SCB");
  scheme_row_needs_dtype(row, WEIGHT_SLOT_WEIGHT, 1u << DTYPE_I8, "I8");
  if (weight.rank != 2) {
    scheme_row_break(row, "expected weight of two dimensions, found %u", weight.rank);
    return;
  }
  scheme_row_set_shape(row, weight.dims, 2);
  if (scheme_row_needs(row, WEIGHT_SLOT_SCB)) {
    scheme_row_needs_dtype(row, WEIGHT_SLOT_SCB, SCHEME_FLOATS, "F32");
    if (scb.rank != 2 || scb.dims[0] != 1 || scb.dims[1] != weight.dims[0])
      scheme_row_needs_shape(row, WEIGHT_SLOT_SCB, weight.dims, 1);
  }
  if (!scheme_row_has(row, WEIGHT_SLOT_WEIGHT_FORMAT)) {
    scheme_row_needs_as_others(row, WEIGHT_SLOT_WEIGHT_FORMAT);
  } else if (!scheme_row_read_integer(row, WEIGHT_SLOT_WEIGHT_FORMAT, &format)) {
    scheme_row_break(row, "expected weight_format of one integer, found something else");
  } else if (format != 0) {
    scheme_row_break(row, "not decoded here: the tiles of weight_format %lld", (long long)format);
  }
}

/* ---- HQQ ---- */

static const char *scheme_hqq_packing(SchemeRow *row) {
  static const char *const packings[] = {"1bit_u8", "2bit_u8", "3bit_32", "4bit_u8", "8bit_u8"};
  uint64_t length;
  const char *found = NULL;
  char *text = scheme_read_text(row, WEIGHT_SLOT_PACKING, &length);
  for (size_t i = 0; text != NULL && i < sizeof packings / sizeof packings[0]; i++) {
    if (strcmp(text, packings[i]) == 0) found = packings[i];
  }
  if (text != NULL && found == NULL)
    scheme_row_break(row, "expected packing to be 4bit_u8 or the like, found another");
  memory_free(text);
  return found;
}

static bool scheme_hqq_shape(SchemeRow *row) {
  SchemePart part = scheme_row_part(row, WEIGHT_SLOT_SHAPE);
  unsigned char bytes[8 * WEIGHT_MAX_RANK];
  uint64_t sizes[WEIGHT_MAX_RANK];
  if (!scheme_row_needs(row, WEIGHT_SLOT_SHAPE) ||
      !scheme_row_needs_dtype(row, WEIGHT_SLOT_SHAPE, 1u << DTYPE_I64, "I64")) {
    return false;
  }
  if (part.rank != 1 || part.dims[0] == 0 || part.dims[0] > WEIGHT_MAX_RANK) {
    const uint64_t two[] = {2};
    scheme_row_needs_shape(row, WEIGHT_SLOT_SHAPE, two, 1);
    return false;
  }
  if (!scheme_row_read(row, WEIGHT_SLOT_SHAPE, bytes, part.nbytes)) return false;
  for (uint64_t i = 0; i < part.dims[0]; i++) {
    sizes[i] = element_load_64(bytes + 8 * i);
    if (sizes[i] > INT64_MAX) {
      scheme_row_break(row, "expected shape of positive numbers, found others");
      return false;
    }
  }
  scheme_row_set_shape(row, sizes, (uint32_t)part.dims[0]);
  return scheme_row(row)->has_numel;
}

/* An integer that HQQ keeps beside the weight. */
static bool scheme_hqq_integer(SchemeRow *row, WeightSlot slot, int64_t low, int64_t high,
                               int64_t *value) {
  if (!scheme_row_needs(row, slot)) return false;
  if (!scheme_row_read_integer(row, slot, value)) {
    scheme_row_break(row, "expected %s of one integer, found something else",
                     weight_slot_word(slot));
    return false;
  }
  if (*value >= low && *value <= high) return true;
  scheme_row_break(row, "expected %s from %lld to %lld, found %lld", weight_slot_word(slot),
                   (long long)low, (long long)high, (long long)*value);
  return false;
}

/* Scales and zeros that are packed themselves are not unpacked. */
static void scheme_hqq_levels(SchemeRow *row) {
  static const WeightSlot slots[] = {WEIGHT_SLOT_QUANT_SCALE, WEIGHT_SLOT_QUANT_ZERO};
  for (size_t i = 0; i < sizeof slots / sizeof slots[0]; i++) {
    int64_t packed = 0;
    if (scheme_row_read_integer(row, slots[i], &packed) && packed != 0)
      scheme_row_break(row, "not decoded here: %s", weight_slot_word(slots[i]));
  }
}

/* The shapes of W_q, scale and zero: per_group values in each of `groups` groups. */
static void scheme_hqq_groups(SchemeRow *row, int64_t bits, int64_t axis, uint64_t per_group) {
  static const WeightSlot slots[] = {WEIGHT_SLOT_SCALE, WEIGHT_SLOT_ZERO};
  SchemePart packed = scheme_row_part(row, WEIGHT_SLOT_W_Q);
  uint64_t groups = scheme_divide_up(scheme_row(row)->numel, per_group);
  uint64_t values[2] = {axis == 1 ? groups : per_group, axis == 1 ? per_group : groups};
  uint64_t expected[2] = {axis == 1 ? groups : 1, axis == 1 ? 1 : groups};
  uint64_t in_word = bits == 3 ? 10 : 8 / (uint64_t)bits;
  bool was_broken = row->is_broken;
  values[0] = scheme_divide_up(values[0], in_word);
  scheme_row_needs_dtype(row, WEIGHT_SLOT_W_Q, bits == 3 ? 1u << DTYPE_I32 : 1u << DTYPE_U8,
                         bits == 3 ? "I32" : "U8");
  if (packed.rank == 2 && packed.dims[1] == values[1] && packed.dims[0] > values[0]) {
    if (bits != 3) scheme_row_needs_shape(row, WEIGHT_SLOT_W_Q, values, 2);
  } else {
    scheme_row_needs_shape(row, WEIGHT_SLOT_W_Q, values, 2);
  }
  for (size_t i = 0; i < sizeof slots / sizeof slots[0]; i++) {
    if (!scheme_row_needs(row, slots[i])) continue;
    scheme_row_needs_dtype(row, slots[i], SCHEME_FLOATS, "a dtype of floating-point numbers");
    scheme_row_needs_shape(row, slots[i], expected, 2);
  }
  if (row->is_broken && !was_broken)
    scheme_row_note(row, "nbits is %lld, axis %lld, group_size %llu", (long long)bits,
                    (long long)axis, (unsigned long long)per_group);
}

/* The parts that only describe the weight are in all weights or in none. */
static void scheme_hqq_others(SchemeRow *row) {
  for (WeightSlot slot = WEIGHT_SLOT_CHANNEL_WISE; slot <= WEIGHT_SLOT_VIEW_AS_FLOAT; slot++) {
    if (!scheme_row_has(row, slot) && row->seen->slots[row->family][slot])
      scheme_row_note(row, "%s is missing", weight_slot_word(slot));
  }
}

void scheme_fill_hqq(SchemeRow *row) {
  int64_t bits = 0, axis = 1, size = 0, whole = 0;
  uint64_t length;
  Dtype dtype = DTYPE_COUNT;
  scheme_row_set(row, WEIGHT_SCHEME_HQQ, 0);
  if (scheme_row_has(row, WEIGHT_SLOT_COMPUTE_DTYPE)) {
    char *text = scheme_read_text(row, WEIGHT_SLOT_COMPUTE_DTYPE, &length);
    dtype = scheme_dtype_of(text);
    memory_free(text);
  }
  if (dtype == DTYPE_COUNT) dtype = scheme_row_part(row, WEIGHT_SLOT_SCALE).dtype;
  scheme_row_set_dtype(row, dtype);
  scheme_row_give(row, WEIGHT_SLOT_W_Q, "W_q");
  scheme_row_give(row, WEIGHT_SLOT_SCALE, "scale");
  scheme_row_give(row, WEIGHT_SLOT_ZERO, "zero");
  bool good = scheme_hqq_shape(row);
  good = scheme_hqq_integer(row, WEIGHT_SLOT_NBITS, 1, 8, &bits) && good;
  good = scheme_hqq_integer(row, WEIGHT_SLOT_AXIS, 0, 1, &axis) && good;
  bool grouped = scheme_row_has(row, WEIGHT_SLOT_GROUP_SIZE);
  if (grouped) good = scheme_hqq_integer(row, WEIGHT_SLOT_GROUP_SIZE, 1, UINT32_MAX, &size) && good;
  const char *packing = scheme_row_needs(row, WEIGHT_SLOT_PACKING) ? scheme_hqq_packing(row) : NULL;
  scheme_row(row)->bits = (uint8_t)bits;
  scheme_hqq_levels(row);
  scheme_hqq_others(row);
  bool is_usual = bits == 1 || bits == 2 || bits == 3 || bits == 4 || bits == 8;
  if (bits != 0 && !is_usual)
    scheme_row_break(row, "expected nbits of 1, 2, 3, 4 or 8, found %lld", (long long)bits);
  if (!grouped && (!scheme_row_read_integer(row, WEIGHT_SLOT_CHANNEL_WISE, &whole) || whole == 0 ||
                   row->seen->slots[row->family][WEIGHT_SLOT_GROUP_SIZE])) {
    scheme_row_needs(row, WEIGHT_SLOT_GROUP_SIZE);
    return;
  }
  if (!good || packing == NULL || !is_usual) return;
  if (packing[0] - '0' != bits) {
    scheme_row_break(row, "expected packing of %lld bits, as nbits says, found %s", (long long)bits,
                     packing);
    return;
  }
  SchemePart shape = scheme_row_part(row, WEIGHT_SLOT_W_Q);
  if (!grouped) size = shape.rank == 2 && shape.dims[1] > 0 ? (int64_t)shape.dims[1] : 1;
  scheme_row_option_integer(row, "bits", bits);
  scheme_row_option_integer(row, "axis", axis);
  scheme_row_option_text(row, "packing", packing);
  scheme_row_option_integer(row, "group_size", size);
  scheme_row_option_shape(row);
  scheme_hqq_groups(row, bits, axis, (uint64_t)size);
}

/* ---- optimum-quanto ---- */

/* The usual names of layers that lead back to the model's width. */
static bool scheme_quanto_leads_back(const char *module) {
  static const char *const names[] = {"down_proj", "o_proj",  "out_proj", "c_proj",
                                      "fc2",       "wo",      "w2",       "lin2",
                                      "dense",     "out_lin", "proj_out", "dense_4h_to_h"};
  const char *last = strrchr(module, '.');
  last = last != NULL ? last + 1 : module;
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    if (strcmp(last, names[i]) == 0) return true;
  }
  return false;
}

/* Whether optimum-quanto makes groups of this size for so many columns (nn/qmodule.py): 128, or
** else 96, 64 or 32, of those that divide them; all columns if they are at most 128. */
static bool scheme_quanto_groups_fit(uint64_t columns, uint64_t group) {
  uint64_t size = 128;
  if (columns == group) return true;
  if (columns <= 128) return false;
  while (columns % size != 0 && size > 32) size -= 32;
  return columns % size == 0 && size == group;
}

/* Finds the shape, which is not stored: by the configuration's sizes, those that the groups allow.
** The name decides where two do. */
static bool scheme_quanto_shape(const SchemeRow *row, uint64_t numel, uint64_t group,
                                uint64_t *dims) {
  static const char *const keys[] = {"hidden_size",       "d_model", "n_embd", "dim",
                                     "intermediate_size", "ffn_dim", "d_ff",   "vocab_size"};
  uint64_t sizes[10], heads = weight_config_model_size(row->config, "num_attention_heads");
  uint64_t head = weight_config_model_size(row->config, "head_dim");
  size_t count = 0, width = 0;
  for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
    uint64_t size = weight_config_model_size(row->config, keys[i]);
    if (size > 0) sizes[count++] = size;
    if (size > 0 && width == 0 && i < 4) width = (size_t)size;
  }
  if (heads > 0 && head > 0 && heads < UINT32_MAX && head < UINT32_MAX)
    sizes[count++] = heads * head;
  bool back = scheme_quanto_leads_back(row->module);
  uint32_t found = 0;
  for (size_t i = 0; i < count; i++) {
    uint64_t columns = sizes[i];
    if (columns == 0 || numel % columns != 0 || !scheme_quanto_groups_fit(columns, group)) continue;
    uint64_t rows = numel / columns;
    bool likely = back ? rows == width : columns == width;
    if (found > 0 && dims[1] == columns) continue;
    if (found > 0 && !likely) continue;
    dims[0] = rows;
    dims[1] = columns;
    found++;
    if (likely) return true;
  }
  return found == 1;
}

static void scheme_quanto_bits(SchemeRow *row, const SchemePart *data, const SchemePart *scale) {
  const char *type = weight_config_quanto_type(row->config, row->module);
  unsigned said = type != NULL && strcmp(type, "qint2") == 0   ? 2
                  : type != NULL && strcmp(type, "qint4") == 0 ? 4
                                                               : 0;
  bool two = scale->numel > 0 && scheme_divide_up(scale->numel, 4) == data->dims[0];
  bool four = scale->numel > 0 && scheme_divide_up(scale->numel, 2) == data->dims[0];
  unsigned bits = said;
  if (four && !(said == 2 && two)) bits = 4;
  if (two && !four) bits = 2;
  if (said != 0 && bits != said)
    scheme_row_note(row, "expected %u bits, as %s says, found %u", said, row->config->source, bits);
  scheme_row_set(row, WEIGHT_SCHEME_QUANTO, bits);
}

static void scheme_fill_quanto_groups(SchemeRow *row) {
  SchemePart data = scheme_row_part(row, WEIGHT_SLOT_DATA_DATA);
  SchemePart scale = scheme_row_part(row, WEIGHT_SLOT_DATA_SCALE);
  SchemePart shift = scheme_row_part(row, WEIGHT_SLOT_DATA_SHIFT);
  uint64_t dims[2] = {0, 0}, expected[2], numel;
  row->basis = WEIGHT_SLOT_DATA_DATA;
  scheme_row_give(row, WEIGHT_SLOT_DATA_DATA, "data");
  scheme_row_give(row, WEIGHT_SLOT_DATA_SCALE, "scale");
  scheme_row_give(row, WEIGHT_SLOT_DATA_SHIFT, "shift");
  scheme_row_needs_dtype(row, WEIGHT_SLOT_DATA_DATA, 1u << DTYPE_U8, "U8");
  if (data.rank != 2) {
    scheme_row_break(row, "expected _data._data of two dimensions, found %u", data.rank);
    return;
  }
  scheme_quanto_bits(row, &data, scale.there ? &scale : &shift);
  unsigned bits = scheme_row(row)->bits;
  if (bits == 0) {
    scheme_row_break(row, "expected _data._data of 2 or 4 bits, found none that fit _scale");
    return;
  }
  uint64_t groups = data.dims[0] <= UINT64_MAX / 4 ? data.dims[0] * (8 / bits) : 0;
  const SchemePart *known = scale.there ? &scale : &shift;
  if (known->rank == 2 && scheme_divide_up(known->dims[0], 8 / bits) == data.dims[0])
    groups = known->dims[0];
  expected[0] = groups;
  expected[1] = 1;
  const WeightSlot slots[] = {WEIGHT_SLOT_DATA_SCALE, WEIGHT_SLOT_DATA_SHIFT};
  for (size_t i = 0; i < 2; i++) {
    if (!scheme_row_needs(row, slots[i])) continue;
    scheme_row_needs_dtype(row, slots[i], SCHEME_FLOATS, "a dtype of floating-point numbers");
    scheme_row_needs_shape(row, slots[i], expected, 2);
  }
  if (__builtin_mul_overflow(groups, data.dims[1], &numel)) {
    scheme_row_break(row, "expected fewer than 2^64 elements, found more");
    return;
  }
  scheme_row(row)->numel = numel;
  scheme_row(row)->has_numel = true;
  if (scheme_quanto_shape(row, numel, data.dims[1], dims)) {
    scheme_row_set_shape(row, dims, 2);
    scheme_row_option_integer(row, "bits", bits);
    scheme_row_option_shape(row);
  } else {
    scheme_row_break(row,
                     "expected config.json to tell the shape, which is not stored, found that "
                     "it does not");
  }
}

void scheme_fill_quanto(SchemeRow *row) {
  SchemePart data = scheme_row_part(row, WEIGHT_SLOT_DATA);
  SchemePart scale = scheme_row_part(row, WEIGHT_SLOT_DATA_SCALE);
  scheme_row_set(row, WEIGHT_SCHEME_QUANTO, 8);
  scheme_row_set_dtype(row, scale.dtype);
  if (scheme_row_has(row, WEIGHT_SLOT_DATA_DATA)) {
    scheme_fill_quanto_groups(row);
    return;
  }
  row->basis = WEIGHT_SLOT_DATA;
  scheme_row_give(row, WEIGHT_SLOT_DATA, "weight");
  scheme_row_give(row, WEIGHT_SLOT_DATA_SCALE, "scale");
  scheme_row_option_integer(row, "bits", 8);
  scheme_row_needs_dtype(row, WEIGHT_SLOT_DATA, SCHEME_FLOATS8 | 1u << DTYPE_I8,
                         "I8 or 8-bit floats");
  if (data.rank == 0 || data.rank > WEIGHT_MAX_RANK) {
    scheme_row_break(row, "expected _data of more dimensions, found %u", data.rank);
    return;
  }
  scheme_row_set_shape(row, data.dims, data.rank);
  if (!scheme_row_needs(row, WEIGHT_SLOT_DATA_SCALE)) return;
  scheme_row_needs_dtype(row, WEIGHT_SLOT_DATA_SCALE, SCHEME_FLOATS,
                         "a dtype of floating-point numbers");
  bool fits = scale.rank == data.rank;
  for (uint32_t i = 0; fits && i < data.rank; i++)
    fits = scale.dims[i] == 1 || scale.dims[i] == data.dims[i];
  if (fits || (scale.numel == 1 && scale.rank <= WEIGHT_MAX_RANK)) return;
  for (uint32_t i = 1; i < data.rank; i++) data.dims[i] = 1;
  scheme_row_needs_shape(row, WEIGHT_SLOT_DATA_SCALE, data.dims, data.rank);
}

/* ---- torchao ---- */

/* Whether the blocks of qdata and of another part are whole. */
static bool scheme_torchao_fits(const SchemePart *qdata, const SchemePart *scale, uint64_t *block) {
  if (scale->rank != qdata->rank) return false;
  for (uint32_t i = 0; i < qdata->rank; i++) {
    if (scale->dims[i] == 0 || qdata->dims[i] % scale->dims[i] != 0) return false;
    block[i] = qdata->dims[i] / scale->dims[i];
  }
  return true;
}

static void scheme_torchao_scale(SchemeRow *row, const SchemePart *qdata) {
  SchemePart scale = scheme_row_part(row, WEIGHT_SLOT_QDATA_SCALE);
  SchemePart zero = scheme_row_part(row, WEIGHT_SLOT_QDATA_ZERO_POINT);
  uint64_t block[WEIGHT_MAX_RANK];
  if (!scheme_row_needs(row, WEIGHT_SLOT_QDATA_SCALE)) return;
  scheme_row_needs_dtype(row, WEIGHT_SLOT_QDATA_SCALE, SCHEME_FLOATS,
                         "a dtype of floating-point numbers");
  if (scale.numel == 1 && scale.rank <= WEIGHT_MAX_RANK) {
    block[0] = 0;
  } else if (!scheme_torchao_fits(qdata, &scale, block)) {
    uint64_t expected[WEIGHT_MAX_RANK];
    memcpy(expected, qdata->dims, sizeof expected);
    expected[qdata->rank - 1] = 1;
    scheme_row_needs_shape(row, WEIGHT_SLOT_QDATA_SCALE, expected, qdata->rank);
  } else if (qdata->rank >= 2) {
    scheme_row_option_dims(row, "block", block + qdata->rank - 2, 2);
  }
  if (!zero.there) {
    scheme_row_needs_as_others(row, WEIGHT_SLOT_QDATA_ZERO_POINT);
    return;
  }
  scheme_row_needs_dtype(row, WEIGHT_SLOT_QDATA_ZERO_POINT, SCHEME_INTEGERS, "a dtype of integers");
  scheme_row_needs_shape(row, WEIGHT_SLOT_QDATA_ZERO_POINT, scale.dims, scale.rank);
}

void scheme_fill_torchao(SchemeRow *row) {
  SchemePart qdata = scheme_row_part(row, WEIGHT_SLOT_QDATA);
  row->basis = WEIGHT_SLOT_QDATA;
  const Span *name = &scheme_row(row)->name;
  uint32_t bits =
      weight_list_said_bits(row->model->list, row->model->list->text + name->offset, name->length);
  scheme_row_set(row, WEIGHT_SCHEME_TORCHAO, bits > 0 ? bits : 8);
  scheme_row_set_dtype(row, scheme_row_part(row, WEIGHT_SLOT_QDATA_SCALE).dtype);
  scheme_row_give(row, WEIGHT_SLOT_QDATA, "qdata");
  scheme_row_give(row, WEIGHT_SLOT_QDATA_SCALE, "scale");
  scheme_row_give(row, WEIGHT_SLOT_QDATA_ZERO_POINT, "zero_point");
  bool is_other =
      SCHEME_ROW_FIRST_OF(row, WEIGHT_SLOT_QDATA_TENSOR_SCALE, WEIGHT_SLOT_QDATA_SCALE_AND_ZERO,
                          WEIGHT_SLOT_QDATA_PRE_SCALE) != WEIGHT_SLOT_NONE;
  if (is_other || qdata.dtype == DTYPE_I32 || qdata.dtype == DTYPE_U8) {
    scheme_row_break(row, "not decoded here: torchao's packing of several values in %s",
                     dtype_name(qdata.dtype));
    return;
  }
  scheme_row_needs_dtype(row, WEIGHT_SLOT_QDATA, SCHEME_FLOATS8 | 1u << DTYPE_I8,
                         "I8 or 8-bit floats");
  if (qdata.rank == 0 || qdata.rank > WEIGHT_MAX_RANK) {
    scheme_row_break(row, "expected _weight_qdata of more dimensions, found %u", qdata.rank);
    return;
  }
  scheme_row_set_shape(row, qdata.dims, qdata.rank);
  scheme_torchao_scale(row, &qdata);
}
