#include "model/scheme_row.h"

#include <string.h>

#include "base/memory.h"

uint64_t scheme_divide_up(uint64_t a, uint64_t b) {
  return a / b + (a % b != 0);
}

WeightRow *scheme_row(SchemeRow *row) {
  return &row->model->list->rows[row->row];
}

/* ---- Parts ---- */

bool scheme_row_has(const SchemeRow *row, WeightSlot slot) {
  return slot != WEIGHT_SLOT_NONE && row->parts->tensor[slot] != 0;
}

WeightSlot scheme_row_first_of(const SchemeRow *row, const WeightSlot *slots, size_t count) {
  for (size_t i = 0; i < count; i++) {
    if (scheme_row_has(row, slots[i])) return slots[i];
  }
  return WEIGHT_SLOT_NONE;
}

SchemePart scheme_row_part(const SchemeRow *row, WeightSlot slot) {
  SchemePart part = {.dtype = DTYPE_COUNT};
  if (!scheme_row_has(row, slot)) return part;
  const WeightTensor *tensor = &row->model->list->tensors[row->parts->tensor[slot] - 1];
  part.there = true;
  part.dtype = (Dtype)tensor->dtype;
  part.nbytes = tensor->end - tensor->begin;
  bool fits = weight_list_dims(row->model->list, &tensor->shape, part.dims, &part.rank) &&
              weight_dims_numel(part.dims, part.rank, &part.numel);
  if (!fits) part.rank = WEIGHT_MAX_RANK + 1;
  return part;
}

void scheme_row_give(SchemeRow *row, WeightSlot slot, const char *role) {
  if (!scheme_row_has(row, slot)) return;
  weight_list_add_part(row->model->list, role, row->parts->tensor[slot] - 1, true, row->error);
}

static bool scheme_row_is_given(SchemeRow *row, uint32_t tensor) {
  const WeightList *list = row->model->list;
  for (uint64_t i = scheme_row(row)->first_part; i < list->part_count; i++) {
    if (list->parts[i].tensor == tensor) return true;
  }
  return false;
}

void scheme_row_give_rest(SchemeRow *row) {
  for (WeightSlot slot = WEIGHT_SLOT_WEIGHT; slot < WEIGHT_SLOT_COUNT; slot++) {
    if (!scheme_row_has(row, slot) || !weight_slot_is_of(slot, row->family)) continue;
    uint32_t tensor = row->parts->tensor[slot] - 1;
    if (scheme_row_is_given(row, tensor)) continue;
    weight_list_add_part(row->model->list, weight_slot_word(slot), tensor, false, row->error);
  }
}

bool scheme_row_read(SchemeRow *row, WeightSlot slot, void *buffer, uint64_t size) {
  return row->error->code == ERROR_NONE &&
         row->model->read(row->model->context, row->parts->tensor[slot] - 1, buffer, size,
                          row->error);
}

bool scheme_row_read_integer(SchemeRow *row, WeightSlot slot, int64_t *value) {
  SchemePart part = scheme_row_part(row, slot);
  unsigned char bytes[8] = {0};
  if (!part.there || part.numel != 1 || (1u << part.dtype & SCHEME_INTEGERS) == 0) return false;
  if (!scheme_row_read(row, slot, bytes, part.nbytes)) return false;
  uint64_t word = 0;
  for (uint64_t i = 0; i < part.nbytes; i++) word |= (uint64_t)bytes[i] << 8 * i;
  bool is_signed = part.dtype == DTYPE_I8 || part.dtype == DTYPE_I16 || part.dtype == DTYPE_I32;
  if (is_signed && (bytes[part.nbytes - 1] & 0x80) != 0) word |= ~(uint64_t)0 << 8 * part.nbytes;
  memcpy(value, &word, sizeof word);
  return true;
}

/* ---- Problems ---- */

static void scheme_row_say(SchemeRow *row, const char *format, va_list arguments) {
  if (sqlite3_str_length(row->status) > 0) sqlite3_str_appendall(row->status, "; ");
  sqlite3_str_vappendf(row->status, format, arguments);
}

void scheme_row_note(SchemeRow *row, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  scheme_row_say(row, format, arguments);
  va_end(arguments);
}

void scheme_row_break(SchemeRow *row, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  scheme_row_say(row, format, arguments);
  va_end(arguments);
  row->is_broken = true;
}

bool scheme_row_needs(SchemeRow *row, WeightSlot slot) {
  if (scheme_row_has(row, slot)) return true;
  scheme_row_break(row, "%s is missing", weight_slot_word(slot));
  return false;
}

bool scheme_row_needs_as_others(SchemeRow *row, WeightSlot slot) {
  return slot == WEIGHT_SLOT_NONE || scheme_row_has(row, slot) ||
         !row->seen->slots[row->family][slot] || scheme_row_needs(row, slot);
}

bool scheme_row_needs_dtype(SchemeRow *row, WeightSlot slot, uint32_t dtypes, const char *words) {
  SchemePart part = scheme_row_part(row, slot);
  if (!part.there) return false;
  if ((1u << part.dtype & dtypes) != 0) return true;
  scheme_row_break(row, "expected %s of %s, found %s", weight_slot_word(slot), words,
                   dtype_name(part.dtype));
  return false;
}

static void scheme_row_append_dims(sqlite3_str *out, const uint64_t *dims, uint32_t rank) {
  sqlite3_str_appendchar(out, 1, '[');
  for (uint32_t i = 0; i < rank && i < WEIGHT_MAX_RANK; i++) {
    sqlite3_str_appendf(out, "%s%llu", i > 0 ? "," : "", (unsigned long long)dims[i]);
  }
  sqlite3_str_appendall(out, rank > WEIGHT_MAX_RANK ? ",...]" : "]");
}

bool scheme_row_needs_shape(SchemeRow *row, WeightSlot slot, const uint64_t *dims, uint32_t rank) {
  SchemePart part = scheme_row_part(row, slot);
  if (!part.there) return false;
  bool same = part.rank == rank && rank <= WEIGHT_MAX_RANK;
  for (uint32_t i = 0; same && i < rank; i++) same = part.dims[i] == dims[i];
  if (same) return true;
  scheme_row_break(row, "expected %s of shape ", weight_slot_word(slot));
  scheme_row_append_dims(row->status, dims, rank);
  sqlite3_str_appendall(row->status, ", found ");
  scheme_row_append_dims(row->status, part.dims, part.rank);
  if (row->basis != WEIGHT_SLOT_NONE && row->basis != slot) {
    SchemePart basis = scheme_row_part(row, row->basis);
    sqlite3_str_appendf(row->status, ", by %s of shape ", weight_slot_word(row->basis));
    scheme_row_append_dims(row->status, basis.dims, basis.rank);
  }
  return false;
}

/* ---- What it stands for ---- */

void scheme_row_set(SchemeRow *row, WeightScheme scheme, unsigned bits) {
  scheme_row(row)->scheme = (uint8_t)scheme;
  scheme_row(row)->bits = (uint8_t)bits;
}

void scheme_row_set_shape(SchemeRow *row, const uint64_t *dims, uint32_t rank) {
  WeightRow *out = scheme_row(row);
  if (!weight_dims_numel(dims, rank, &out->numel)) {
    scheme_row_break(row, "expected fewer than 2^64 elements, found more");
    return;
  }
  out->has_numel = true;
  weight_list_add_shape(row->model->list, dims, rank, &out->shape, row->error);
}

void scheme_row_set_dtype(SchemeRow *row, Dtype scales) {
  Dtype dtype = scales;
  if (dtype != DTYPE_F16 && dtype != DTYPE_BF16) dtype = row->config->dtype;
  scheme_row(row)->dtype = (uint8_t)(dtype == DTYPE_COUNT ? DTYPE_F32 : dtype);
}

static WeightOption *scheme_row_option(SchemeRow *row, const char *name, WeightOptionKind kind) {
  return weight_list_add_option(row->model->list, name, kind, row->error);
}

void scheme_row_option_integer(SchemeRow *row, const char *name, int64_t value) {
  WeightOption *option = scheme_row_option(row, name, WEIGHT_OPTION_INTEGER);
  if (option != NULL) option->value.integer = value;
}

void scheme_row_option_real(SchemeRow *row, const char *name, double value) {
  WeightOption *option = scheme_row_option(row, name, WEIGHT_OPTION_REAL);
  if (option != NULL) option->value.real = value;
}

void scheme_row_option_text(SchemeRow *row, const char *name, const char *value) {
  WeightOption *option = scheme_row_option(row, name, WEIGHT_OPTION_TEXT);
  if (option != NULL) option->value.text = value;
}

void scheme_row_option_dims(SchemeRow *row, const char *name, const uint64_t *dims, uint32_t rank) {
  Span json = {0};
  if (!weight_list_add_shape(row->model->list, dims, rank, &json, row->error)) return;
  WeightOption *option = scheme_row_option(row, name, WEIGHT_OPTION_JSON);
  if (option != NULL) option->value.json = json;
}

void scheme_row_option_shape(SchemeRow *row) {
  WeightOption *option = scheme_row_option(row, "shape", WEIGHT_OPTION_JSON);
  if (option != NULL) option->value.json = scheme_row(row)->shape;
}

/* ---- Groups ---- */

static bool scheme_group_fits(uint64_t columns, uint64_t groups, int64_t size) {
  if (size == -1) return groups == 1;
  return size > 0 && scheme_divide_up(columns, (uint64_t)size) == groups;
}

int64_t scheme_row_group_size(SchemeRow *row, uint64_t columns, uint64_t groups, const char *word) {
  static const int64_t usual[] = {-1, 128, 64, 32, 16, 256, 512, 1024};
  const WeightConfig *config = row->config;
  bool says = !config->has_exceptions && (config->group_size != 0 || config->group_size_count > 0);
  if (scheme_group_fits(columns, groups, config->group_size)) return config->group_size;
  for (uint32_t i = 0; i < config->group_size_count; i++) {
    if (scheme_group_fits(columns, groups, config->group_sizes[i])) return config->group_sizes[i];
  }
  int64_t found = 0;
  if (groups > 0 && columns % groups == 0 && columns / groups <= INT64_MAX)
    found = groups == 1 ? -1 : (int64_t)(columns / groups);
  for (size_t i = 0; found == 0 && i < sizeof usual / sizeof usual[0]; i++) {
    if (scheme_group_fits(columns, groups, usual[i])) found = usual[i];
  }
  if (found == 0) {
    scheme_row_break(row,
                     "expected %s of a number of groups that %llu columns can have, found %llu%s%s",
                     word, (unsigned long long)columns, (unsigned long long)groups,
                     row->basis != WEIGHT_SLOT_NONE ? ", by " : "",
                     row->basis != WEIGHT_SLOT_NONE ? weight_slot_word(row->basis) : "");
  } else if (says) {
    int64_t said = config->group_size != 0 ? config->group_size : config->group_sizes[0];
    scheme_row_note(row, "expected groups of %lld, as %s says, found %lld", (long long)said,
                    config->source, (long long)(found > 0 ? found : (int64_t)columns));
  }
  return found;
}
