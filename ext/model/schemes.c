#include "model/schemes.h"

#include <string.h>

#include "base/memory.h"

/* What has parts with a known name, or a weight that may be packed. */
typedef struct SchemeModule {
  Span name;        /* first: NameTable reads it there; the beginning of a tensor's name */
  uint32_t first;   /* the number plus one of its first tensor; WeightTensor.next leads on */
  uint32_t primary; /* the number plus one of the tensor that has the numbers; 0 if there is none */
  uint8_t family;
  bool has_sure; /* a part is called as only parts are */
} SchemeModule;

typedef struct Schemes {
  const SchemeModel *model;
  const WeightConfig *config;
  WeightList *list;
  Error *error;
  SchemeModule *modules;
  uint64_t module_count, module_size;
  NameTable names;     /* of modules */
  uint32_t *module_of; /* for each tensor of the model, the number of its module plus one, or 0 */
  bool has_candidates; /* there are tables of numbers that may be packed */
  SchemeSeen seen;
  char *module_name; /* room for the longest */
  NameTable packing; /* the modules of scales and the like, whatever they are called */
  SchemeModule *packing_rows;
} Schemes;

static const char *schemes_name(const Schemes *schemes, const WeightTensor *tensor) {
  return schemes->list->text + tensor->name.offset;
}

static WeightTensor *schemes_tensor(const Schemes *schemes, uint64_t i) {
  return &schemes->list->tensors[schemes->model->tensors[i]];
}

static bool schemes_go_on(const Schemes *schemes, uint64_t i) {
  return cancel_go_on_row(schemes->model->cancel, i, "safetensors_weights", schemes->error);
}

/* ---- Modules ---- */

/* Whether a weight of this dtype may be packed, though no part of it may be there. */
static bool schemes_may_be_packed(Dtype dtype) {
  const uint32_t packed = SCHEME_FLOATS8 | 1u << DTYPE_I8 | 1u << DTYPE_U8 | 1u << DTYPE_I32 |
                          1u << DTYPE_U32 | 1u << DTYPE_F4 | 1u << DTYPE_F6_E2M3 |
                          1u << DTYPE_F6_E3M2;
  return (1u << dtype & packed) != 0;
}

/* The number of dimensions, of which only two matter. */
static bool schemes_is_table(const Schemes *schemes, const WeightTensor *tensor) {
  return memchr(schemes->list->text + tensor->shape.offset, ',', tensor->shape.length) != NULL;
}

static bool schemes_starts_module(const Schemes *schemes, const WeightTensor *tensor) {
  if (tensor->slot == WEIGHT_SLOT_NONE) return false;
  if (tensor->slot != WEIGHT_SLOT_WEIGHT) return true;
  return schemes_may_be_packed((Dtype)tensor->dtype) && schemes_is_table(schemes, tensor);
}

/* Finds out what the names say, and how many modules there can be. */
static bool schemes_read_names(Schemes *schemes, uint64_t *count, uint64_t *longest) {
  *count = *longest = 0;
  for (uint64_t i = 0; i < schemes->model->count; i++) {
    WeightTensor *tensor = schemes_tensor(schemes, i);
    const char *name = schemes_name(schemes, tensor);
    uint64_t length;
    if (!schemes_go_on(schemes, i)) return false;
    bool other = weight_name_is_of_activation(name, tensor->name.length, (Dtype)tensor->dtype);
    tensor->slot =
        (uint8_t)(other ? WEIGHT_SLOT_NONE : weight_name_slot(name, tensor->name.length, &length));
    if (!other && weight_name_is_marker(name, tensor->name.length) &&
        tensor->slot == WEIGHT_SLOT_NONE) {
      schemes->seen.scaled_fp8 = true;
    }
    *count += schemes_starts_module(schemes, tensor);
    schemes->has_candidates |=
        schemes_may_be_packed((Dtype)tensor->dtype) && schemes_is_table(schemes, tensor);
    if (tensor->name.length > *longest) *longest = tensor->name.length;
  }
  return true;
}

/* Appends a tensor to a module. */
static void schemes_join(Schemes *schemes, uint64_t i, uint32_t module) {
  WeightTensor *tensor = schemes_tensor(schemes, i);
  tensor->next = schemes->modules[module].first;
  schemes->modules[module].first = schemes->model->tensors[i] + 1;
  schemes->modules[module].has_sure |= weight_slot_is_sure((WeightSlot)tensor->slot);
  schemes->module_of[i] = module + 1;
}

static bool schemes_add_module(Schemes *schemes, uint64_t i) {
  WeightTensor *tensor = schemes_tensor(schemes, i);
  const char *name = schemes_name(schemes, tensor);
  uint64_t length;
  uint32_t module;
  weight_name_slot(name, tensor->name.length, &length);
  if (!name_table_find(&schemes->names, name, length, &module)) {
    module = (uint32_t)schemes->module_count++;
    schemes->modules[module] = (SchemeModule){.name = {tensor->name.offset, (uint32_t)length},
                                              .family = WEIGHT_FAMILY_COUNT};
    uint32_t earlier;
    name_table_add(&schemes->names, module, &earlier);
  }
  schemes_join(schemes, i, module);
  return true;
}

/* Finds the module of a tensor whose name is that of any weight: the part before ".weight", or all
** of it. */
static void schemes_find_module(Schemes *schemes, uint64_t i) {
  WeightTensor *tensor = schemes_tensor(schemes, i);
  const char *name = schemes_name(schemes, tensor);
  uint64_t length;
  uint32_t module;
  if (schemes->module_of[i] != 0) return;
  weight_name_slot(name, tensor->name.length, &length);
  if (tensor->slot == WEIGHT_SLOT_WEIGHT &&
      name_table_find(&schemes->names, name, length, &module)) {
    schemes_join(schemes, i, module);
  } else if (name_table_find(&schemes->names, name, tensor->name.length, &module)) {
    tensor->slot = WEIGHT_SLOT_BARE;
    schemes_join(schemes, i, module);
  }
}

static bool schemes_find_modules(Schemes *schemes) {
  uint64_t count, longest;
  if (!schemes_read_names(schemes, &count, &longest)) return false;
  schemes->modules = memory_zeroed(count, sizeof(SchemeModule));
  schemes->module_of = memory_zeroed(schemes->model->count, sizeof(uint32_t));
  schemes->module_name = memory_alloc(longest + 1);
  if (schemes->modules == NULL || schemes->module_of == NULL || schemes->module_name == NULL ||
      !name_table_start(&schemes->names, schemes->list->text, schemes->modules,
                        sizeof(SchemeModule), (uint32_t)count)) {
    return error_memory(schemes->error);
  }
  for (uint64_t i = 0; i < schemes->model->count; i++) {
    if (!schemes_go_on(schemes, i)) return false;
    if (schemes_starts_module(schemes, schemes_tensor(schemes, i))) schemes_add_module(schemes, i);
  }
  for (uint64_t i = 0; count > 0 && i < schemes->model->count; i++) {
    if (!schemes_go_on(schemes, i)) return false;
    schemes_find_module(schemes, i);
  }
  return true;
}

/* ---- Which family ---- */

static void schemes_gather(const Schemes *schemes, const SchemeModule *module, SchemeParts *parts) {
  memset(parts, 0, sizeof *parts);
  for (uint32_t at = module->first; at != 0; at = schemes->list->tensors[at - 1].next) {
    parts->tensor[schemes->list->tensors[at - 1].slot] = at; /* the first of the file remains */
  }
}

static Dtype schemes_dtype(const Schemes *schemes, const SchemeParts *parts, WeightSlot slot) {
  if (parts->tensor[slot] == 0) return DTYPE_COUNT;
  return (Dtype)schemes->list->tensors[parts->tensor[slot] - 1].dtype;
}

static bool schemes_has_scale(const SchemeParts *parts) {
  static const WeightSlot slots[] = {WEIGHT_SLOT_WEIGHT_SCALE,
                                     WEIGHT_SLOT_BARE_WEIGHT_SCALE,
                                     WEIGHT_SLOT_BARE_SCALE,
                                     WEIGHT_SLOT_WEIGHT_SCALE_INV,
                                     WEIGHT_SLOT_BARE_WEIGHT_SCALE_INV,
                                     WEIGHT_SLOT_BARE_SCALE_INV,
                                     WEIGHT_SLOT_SCALE_WEIGHT,
                                     WEIGHT_SLOT_SCALE,
                                     WEIGHT_SLOT_WEIGHT_SCALE_2,
                                     WEIGHT_SLOT_BARE_WEIGHT_SCALE_2,
                                     WEIGHT_SLOT_WEIGHT_GLOBAL_SCALE};
  for (size_t i = 0; i < sizeof slots / sizeof slots[0]; i++) {
    if (parts->tensor[slots[i]] != 0) return true;
  }
  return false;
}

static bool schemes_config_has(const WeightConfig *config, const char *pattern) {
  return (config->algorithm != NULL && sqlite3_strlike(pattern, config->algorithm, 0) == 0) ||
         (config->method != NULL && sqlite3_strlike(pattern, config->method, 0) == 0);
}

/* Whether the model announces that such a weight is packed, so that it lacks its scale. */
static bool schemes_is_announced(const Schemes *schemes, Dtype dtype) {
  const WeightConfig *config = schemes->config;
  if ((1u << dtype & SCHEME_FLOATS8) != 0)
    return config->has_floats || schemes->seen.scaled_fp8 || schemes->seen.scaled_floats ||
           schemes_config_has(config, "%mxfp8%");
  if (dtype == DTYPE_I8) return (config->integer_bits & 1u << 8) != 0;
  bool is_nibbles = dtype == DTYPE_U8 || dtype == DTYPE_F4;
  return is_nibbles && ((config->float_bits & 1u << 4) != 0 || schemes_config_has(config, "%fp4%"));
}

static bool schemes_is_bnb(const WeightConfig *config, const char *key) {
  return weight_config_is(config, "bitsandbytes") &&
         json_is_true(json_object_get(config->quantization, key));
}

/* The family of a module whose weight is called "weight", or anything. */
static WeightFamily schemes_family_of_weight(const Schemes *schemes, const SchemeParts *parts) {
  bool bare = parts->tensor[WEIGHT_SLOT_WEIGHT] == 0;
  Dtype dtype = schemes_dtype(schemes, parts, bare ? WEIGHT_SLOT_BARE : WEIGHT_SLOT_WEIGHT);
  const uint32_t *tensor = parts->tensor;
  if (tensor[WEIGHT_SLOT_ABSMAX] != 0 || tensor[WEIGHT_SLOT_QUANT_STATE_NF4] != 0 ||
      tensor[WEIGHT_SLOT_QUANT_STATE_FP4] != 0) {
    return WEIGHT_FAMILY_BNB4;
  }
  if (!bare && tensor[WEIGHT_SLOT_TABLES2] != 0) return WEIGHT_FAMILY_HIGGS;
  if (!bare && (tensor[WEIGHT_SLOT_SCB] != 0 || tensor[WEIGHT_SLOT_WEIGHT_FORMAT] != 0) &&
      (1u << dtype & SCHEME_INTEGERS) != 0) {
    return WEIGHT_FAMILY_BNB8;
  }
  if (!bare && tensor[WEIGHT_SLOT_WEIGHT_SCALES] != 0 && dtype == DTYPE_I8)
    return WEIGHT_FAMILY_EETQ;
  bool mlx_parts = tensor[WEIGHT_SLOT_SCALES] != 0 || tensor[WEIGHT_SLOT_BIASES] != 0;
  if (!bare && (dtype == DTYPE_U32 || (dtype == DTYPE_I32 && mlx_parts)) &&
      (mlx_parts || weight_config_is(schemes->config, "mlx"))) {
    return WEIGHT_FAMILY_MLX;
  }
  bool is_small = (1u << dtype & SCHEME_FLOATS8) != 0 || dtype == DTYPE_I8 || dtype == DTYPE_U8 ||
                  dtype == DTYPE_F4;
  if (is_small && (schemes_has_scale(parts) || tensor[WEIGHT_SLOT_WEIGHT_ZERO_POINT] != 0))
    return WEIGHT_FAMILY_SCALED;
  if (!bare && dtype == DTYPE_I8 && schemes_is_bnb(schemes->config, "load_in_8bit"))
    return WEIGHT_FAMILY_BNB8;
  if (!bare && dtype == DTYPE_U8 && schemes_is_bnb(schemes->config, "load_in_4bit"))
    return WEIGHT_FAMILY_BNB4;
  if (!bare && is_small && schemes_is_announced(schemes, dtype)) return WEIGHT_FAMILY_SCALED;
  return WEIGHT_FAMILY_COUNT;
}

/* Whether it is a table of bytes in blocks of 16, as gpt-oss keeps 4-bit floats. */
static bool schemes_is_blocks(const Schemes *schemes, const SchemeParts *parts) {
  if (parts->tensor[WEIGHT_SLOT_BLOCKS] == 0) return false;
  if (parts->tensor[WEIGHT_SLOT_BLOCK_SCALES] != 0) return true;
  const WeightTensor *tensor = &schemes->list->tensors[parts->tensor[WEIGHT_SLOT_BLOCKS] - 1];
  uint64_t dims[WEIGHT_MAX_RANK];
  uint32_t rank;
  return tensor->dtype == DTYPE_U8 &&
         weight_list_dims(schemes->list, &tensor->shape, dims, &rank) && rank == 4 && dims[3] == 16;
}

/* Finds the family of a module, and the part that has the numbers. WEIGHT_FAMILY_COUNT if it is not
** packed, or its weight is not there. */
static WeightFamily schemes_family(const Schemes *schemes, const SchemeParts *parts,
                                   WeightSlot *primary) {
  static const struct {
    WeightSlot slot;
    WeightFamily family;
  } names[] = {{WEIGHT_SLOT_W_Q, WEIGHT_FAMILY_HQQ},
               {WEIGHT_SLOT_DATA_DATA, WEIGHT_FAMILY_QUANTO},
               {WEIGHT_SLOT_DATA, WEIGHT_FAMILY_QUANTO},
               {WEIGHT_SLOT_QDATA, WEIGHT_FAMILY_TORCHAO},
               {WEIGHT_SLOT_WEIGHT_PACKED, WEIGHT_FAMILY_PACKED},
               {WEIGHT_SLOT_Q_WEIGHT, WEIGHT_FAMILY_EXL2},
               {WEIGHT_SLOT_TRELLIS, WEIGHT_FAMILY_EXL3}};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    *primary = names[i].slot;
    if (parts->tensor[names[i].slot] != 0) return names[i].family;
  }
  *primary = WEIGHT_SLOT_QWEIGHT;
  if (parts->tensor[WEIGHT_SLOT_QWEIGHT] != 0) {
    if (parts->tensor[WEIGHT_SLOT_WSCALES] != 0) return WEIGHT_FAMILY_SVDQUANT;
    if (parts->tensor[WEIGHT_SLOT_WEIGHT_SCALES] != 0) return WEIGHT_FAMILY_EETQ;
    return WEIGHT_FAMILY_GPTQ;
  }
  *primary = WEIGHT_SLOT_CODES;
  if (parts->tensor[WEIGHT_SLOT_CODES] != 0 && parts->tensor[WEIGHT_SLOT_CODEBOOKS] != 0)
    return WEIGHT_FAMILY_AQLM;
  *primary = WEIGHT_SLOT_BLOCKS;
  if (schemes_is_blocks(schemes, parts)) return WEIGHT_FAMILY_BLOCKS;
  *primary = parts->tensor[WEIGHT_SLOT_WEIGHT] != 0 ? WEIGHT_SLOT_WEIGHT : WEIGHT_SLOT_BARE;
  if (parts->tensor[*primary] == 0) return WEIGHT_FAMILY_COUNT;
  return schemes_family_of_weight(schemes, parts);
}

/* Finds out whether a weight of 8-bit floats has a scale: what is merely cast has none anywhere. */
static bool schemes_find_scaled_floats(Schemes *schemes) {
  SchemeParts parts;
  for (uint64_t i = 0; i < schemes->module_count && !schemes->seen.scaled_floats; i++) {
    if (!schemes_go_on(schemes, i)) return false;
    schemes_gather(schemes, &schemes->modules[i], &parts);
    Dtype dtype = schemes_dtype(schemes, &parts, WEIGHT_SLOT_WEIGHT);
    schemes->seen.scaled_floats =
        dtype != DTYPE_COUNT && (1u << dtype & SCHEME_FLOATS8) != 0 && schemes_has_scale(&parts);
  }
  return true;
}

/* Decides about each module, marks the tensors of packed weights as used, and records which parts
** the weights of a family have. */
static bool schemes_decide(Schemes *schemes) {
  SchemeParts parts;
  if (!schemes_find_scaled_floats(schemes)) return false;
  for (uint64_t i = 0; i < schemes->module_count; i++) {
    SchemeModule *module = &schemes->modules[i];
    WeightSlot primary;
    if (!schemes_go_on(schemes, i)) return false;
    schemes_gather(schemes, module, &parts);
    WeightFamily family = schemes_family(schemes, &parts, &primary);
    if (family == WEIGHT_FAMILY_COUNT) continue;
    module->family = (uint8_t)family;
    module->primary = parts.tensor[primary];
    for (WeightSlot slot = WEIGHT_SLOT_WEIGHT; slot < WEIGHT_SLOT_COUNT; slot++) {
      if (parts.tensor[slot] == 0 || !weight_slot_is_of(slot, family)) continue;
      schemes->list->tensors[parts.tensor[slot] - 1].used = true;
      schemes->seen.slots[family][slot] = true;
    }
  }
  return true;
}

/* ---- Rows of packed weights ---- */

static void schemes_fill(SchemeRow *row) {
  switch (row->family) {
    case WEIGHT_FAMILY_SCALED: scheme_fill_scaled(row); break;
    case WEIGHT_FAMILY_PACKED: scheme_fill_packed(row); break;
    case WEIGHT_FAMILY_GPTQ: scheme_fill_gptq(row); break;
    case WEIGHT_FAMILY_BNB4: scheme_fill_bnb4(row); break;
    case WEIGHT_FAMILY_BNB8: scheme_fill_bnb8(row); break;
    case WEIGHT_FAMILY_BLOCKS: scheme_fill_blocks(row); break;
    case WEIGHT_FAMILY_HQQ: scheme_fill_hqq(row); break;
    case WEIGHT_FAMILY_QUANTO: scheme_fill_quanto(row); break;
    case WEIGHT_FAMILY_TORCHAO: scheme_fill_torchao(row); break;
    case WEIGHT_FAMILY_MLX: scheme_fill_mlx(row); break;
    default: scheme_fill_named(row); break;
  }
}

/* The name that the unpacked model has. */
static bool schemes_add_name(Schemes *schemes, const SchemeModule *module, Span *name) {
  const WeightTensor *primary = &schemes->list->tensors[module->primary - 1];
  WeightSlot slot = (WeightSlot)primary->slot;
  if (slot == WEIGHT_SLOT_WEIGHT || slot == WEIGHT_SLOT_BARE) {
    *name = primary->name;
    return true;
  }
  uint64_t length = module->name.length;
  memcpy(schemes->module_name, schemes->list->text + module->name.offset, (size_t)length);
  if (slot == WEIGHT_SLOT_BLOCKS)
    return weight_list_add_text(schemes->list, schemes->module_name, length, name, schemes->error);
  char *text = memory_alloc(length + sizeof ".weight");
  if (text == NULL) return error_memory(schemes->error);
  memcpy(text, schemes->module_name, (size_t)length);
  memcpy(text + length, length > 0 ? ".weight" : "weight", length > 0 ? 7 : 6);
  bool good = weight_list_add_text(schemes->list, text, length + (length > 0 ? 7 : 6), name,
                                   schemes->error);
  memory_free(text);
  return good;
}

static bool schemes_finish_row(Schemes *schemes, SchemeRow *fill) {
  WeightList *list = schemes->list;
  WeightRow *row = scheme_row(fill);
  bool whole = sqlite3_str_errcode(fill->status) == SQLITE_OK;
  uint64_t length = (uint64_t)sqlite3_str_length(fill->status);
  char *status = sqlite3_str_finish(fill->status);
  bool good =
      ((whole && (length == 0 || status != NULL)) || error_memory(schemes->error)) &&
      schemes->error->code == ERROR_NONE &&
      (length == 0 || weight_list_add_text(list, status, length, &row->status, schemes->error));
  memory_free(status);
  row->part_count = (uint32_t)list->part_count - row->first_part;
  row->option_count = (uint32_t)list->option_count - row->first_option;
  row->decodes = !fill->is_broken;
  for (uint32_t i = 0; i < row->part_count; i++) {
    const WeightTensor *tensor = &list->tensors[list->parts[row->first_part + i].tensor];
    row->nbytes += tensor->end - tensor->begin;
  }
  return good;
}

static bool schemes_add_packed(Schemes *schemes, const SchemeModule *module) {
  SchemeParts parts;
  Span name;
  schemes_gather(schemes, module, &parts);
  if (!schemes_add_name(schemes, module, &name)) return false;
  WeightRow *row = weight_list_add_row(schemes->list, schemes->error);
  if (row == NULL) return false;
  row->name = name;
  row->tensor = module->primary - 1;
  row->dtype = DTYPE_F32;
  row->is_packed = true;
  memcpy(schemes->module_name, schemes->list->text + module->name.offset, module->name.length);
  schemes->module_name[module->name.length] = '\0';
  SchemeRow fill = {.model = schemes->model,
                    .config = schemes->config,
                    .seen = &schemes->seen,
                    .parts = &parts,
                    .family = (WeightFamily)module->family,
                    .module = schemes->module_name,
                    .row = (uint32_t)schemes->list->row_count - 1,
                    .basis = WEIGHT_SLOT_NONE,
                    .status = sqlite3_str_new(NULL),
                    .error = schemes->error};
  schemes_fill(&fill);
  scheme_row_give_rest(&fill);
  return schemes_finish_row(schemes, &fill);
}

/* ---- Rows of other tensors ---- */

/* The scheme of a family, unless more is known, and the part that has the numbers. */
static const struct {
  uint8_t scheme, primary;
} SCHEMES_OF_FAMILY[] = {
    [WEIGHT_FAMILY_SCALED] = {WEIGHT_SCHEME_FP8, WEIGHT_SLOT_WEIGHT},
    [WEIGHT_FAMILY_PACKED] = {WEIGHT_SCHEME_INT4, WEIGHT_SLOT_WEIGHT_PACKED},
    [WEIGHT_FAMILY_GPTQ] = {WEIGHT_SCHEME_GPTQ, WEIGHT_SLOT_QWEIGHT},
    [WEIGHT_FAMILY_BNB4] = {WEIGHT_SCHEME_BNB_NF4, WEIGHT_SLOT_WEIGHT},
    [WEIGHT_FAMILY_BNB8] = {WEIGHT_SCHEME_BNB_INT8, WEIGHT_SLOT_WEIGHT},
    [WEIGHT_FAMILY_BLOCKS] = {WEIGHT_SCHEME_MXFP4, WEIGHT_SLOT_BLOCKS},
    [WEIGHT_FAMILY_HQQ] = {WEIGHT_SCHEME_HQQ, WEIGHT_SLOT_W_Q},
    [WEIGHT_FAMILY_QUANTO] = {WEIGHT_SCHEME_QUANTO, WEIGHT_SLOT_DATA},
    [WEIGHT_FAMILY_TORCHAO] = {WEIGHT_SCHEME_TORCHAO, WEIGHT_SLOT_QDATA},
    [WEIGHT_FAMILY_MLX] = {WEIGHT_SCHEME_MLX, WEIGHT_SLOT_WEIGHT},
    [WEIGHT_FAMILY_EXL2] = {WEIGHT_SCHEME_EXL2, WEIGHT_SLOT_Q_WEIGHT},
    [WEIGHT_FAMILY_EXL3] = {WEIGHT_SCHEME_EXL3, WEIGHT_SLOT_TRELLIS},
    [WEIGHT_FAMILY_AQLM] = {WEIGHT_SCHEME_AQLM, WEIGHT_SLOT_CODES},
    [WEIGHT_FAMILY_SVDQUANT] = {WEIGHT_SCHEME_SVDQUANT, WEIGHT_SLOT_QWEIGHT},
    [WEIGHT_FAMILY_EETQ] = {WEIGHT_SCHEME_EETQ, WEIGHT_SLOT_WEIGHT},
    [WEIGHT_FAMILY_HIGGS] = {WEIGHT_SCHEME_HIGGS, WEIGHT_SLOT_WEIGHT},
};

static WeightScheme schemes_scheme_of(WeightFamily family, const WeightConfig *config) {
  if (family == WEIGHT_FAMILY_GPTQ && weight_config_is(config, "awq")) return WEIGHT_SCHEME_AWQ;
  return (WeightScheme)SCHEMES_OF_FAMILY[family].scheme;
}

static WeightSlot schemes_primary_of(WeightFamily family) {
  return (WeightSlot)SCHEMES_OF_FAMILY[family].primary;
}

/* Whether nothing but a part is called so; in a model with gpt-oss's blocks also their scales. */
static bool schemes_is_sure(const Schemes *schemes, uint32_t number) {
  const WeightTensor *tensor = &schemes->list->tensors[number];
  bool blocks = schemes->seen.slots[WEIGHT_FAMILY_BLOCKS][WEIGHT_SLOT_BLOCKS] ||
                weight_config_is(schemes->config, "mxfp4");
  return weight_slot_is_sure((WeightSlot)tensor->slot) ||
         (blocks && tensor->slot == WEIGHT_SLOT_BLOCK_SCALES && tensor->dtype == DTYPE_U8);
}

/* The family that the parts of a module without its weight can be of: the one that is in all of
** them, if there is one, and that the model has. */
static WeightFamily schemes_family_of_rest(const Schemes *schemes, const SchemeModule *module,
                                           const SchemeParts *parts) {
  uint32_t common = ~0u, any = 0;
  for (WeightSlot slot = WEIGHT_SLOT_WEIGHT_SCALE; slot < WEIGHT_SLOT_COUNT; slot++) {
    bool is_part = module->primary != 0 && weight_slot_is_of(slot, (WeightFamily)module->family);
    if (parts->tensor[slot] == 0 || is_part) continue;
    uint32_t families = weight_slot_families(slot);
    if (!schemes_is_sure(schemes, parts->tensor[slot] - 1)) continue;
    any |= families;
    common &= families;
  }
  if (parts->tensor[WEIGHT_SLOT_SCALES] != 0 && parts->tensor[WEIGHT_SLOT_BIASES] != 0)
    return WEIGHT_FAMILY_MLX;
  if ((common & any) != 0) any &= common;
  WeightFamily first = WEIGHT_FAMILY_COUNT;
  for (WeightFamily family = WEIGHT_FAMILY_SCALED; family < WEIGHT_FAMILY_COUNT; family++) {
    if ((any >> family & 1) == 0) continue;
    if (first == WEIGHT_FAMILY_COUNT) first = family;
    if (schemes->seen.slots[family][schemes_primary_of(family)]) return family;
  }
  if (weight_config_is(schemes->config, "mlx") && (any >> WEIGHT_FAMILY_MLX & 1) != 0)
    return WEIGHT_FAMILY_MLX;
  return first;
}

/* A part of a packed weight that is not there. */
static bool schemes_add_rest(Schemes *schemes, uint32_t number, const SchemeModule *module) {
  SchemeParts parts;
  char status[128];
  if (!weight_list_add_plain(schemes->list, number, WEIGHT_ROLE_SCALE, schemes->error))
    return false;
  WeightRow *row = &schemes->list->rows[schemes->list->row_count - 1];
  schemes_gather(schemes, module, &parts);
  WeightFamily family = schemes_family_of_rest(schemes, module, &parts);
  if (family == WEIGHT_FAMILY_COUNT) return true;
  WeightSlot primary = schemes_primary_of(family);
  row->scheme = (uint8_t)schemes_scheme_of(family, schemes->config);
  row->numel = 0;
  if (module->primary != 0) {
    sqlite3_snprintf(sizeof status, status, "left over: no part of %s",
                     weight_scheme_name((WeightScheme)schemes_scheme_of(
                         (WeightFamily)module->family, schemes->config)));
  } else if (parts.tensor[primary] != 0) {
    Dtype dtype = schemes_dtype(schemes, &parts, primary);
    sqlite3_snprintf(sizeof status, status, "left over: %s is not packed, but %s",
                     weight_slot_word(primary), dtype_name(dtype));
  } else {
    sqlite3_snprintf(sizeof status, status, "%s is missing", weight_slot_word(primary));
  }
  return weight_list_add_text(schemes->list, status, strlen(status), &row->status, schemes->error);
}

/* GPT's causal masks: bias [1, 1, n, n]. */
static bool schemes_is_mask(const Schemes *schemes, const WeightTensor *tensor) {
  static const char suffix[] = ".bias";
  const char *name = schemes_name(schemes, tensor);
  uint64_t length = tensor->name.length, dims[WEIGHT_MAX_RANK];
  uint32_t rank;
  if (length < sizeof suffix || strcmp(name + length - sizeof suffix + 1, suffix) != 0)
    return false;
  return weight_list_dims(schemes->list, &tensor->shape, dims, &rank) && rank == 4 &&
         dims[0] == 1 && dims[1] == 1 && dims[2] == dims[3];
}

static WeightRole schemes_role(const Schemes *schemes, const WeightTensor *tensor) {
  const char *name = schemes_name(schemes, tensor);
  uint64_t length = tensor->name.length;
  if (weight_name_is_of_activation(name, length, (Dtype)tensor->dtype)) return WEIGHT_ROLE_MARKER;
  if (weight_name_is_marker(name, length)) return WEIGHT_ROLE_MARKER;
  if (weight_name_is_buffer(name, length) || schemes_is_mask(schemes, tensor))
    return WEIGHT_ROLE_BUFFER;
  return WEIGHT_ROLE_WEIGHT;
}

/* ---- Weights that look packed ---- */

/* Makes the table of modules with a scale or the like, by what is before the last dot. */
static bool schemes_find_packing(Schemes *schemes) {
  uint32_t count = 0, earlier;
  schemes->packing_rows = memory_zeroed(schemes->model->count, sizeof(SchemeModule));
  if (schemes->packing_rows == NULL ||
      !name_table_start(&schemes->packing, schemes->list->text, schemes->packing_rows,
                        sizeof(SchemeModule), (uint32_t)schemes->model->count)) {
    return error_memory(schemes->error);
  }
  for (uint64_t i = 0; i < schemes->model->count; i++) {
    const WeightTensor *tensor = schemes_tensor(schemes, i);
    const char *name = schemes_name(schemes, tensor);
    uint32_t length = tensor->name.length;
    if (!schemes_go_on(schemes, i)) return false;
    if (weight_name_is_of_activation(name, length, (Dtype)tensor->dtype) ||
        !weight_name_is_of_packing(name, length)) {
      continue;
    }
    while (length > 0 && name[length - 1] != '.') length--;
    schemes->packing_rows[count].name = (Span){tensor->name.offset, length};
    name_table_add(&schemes->packing, count++, &earlier);
  }
  return true;
}

/* Whether a plain tensor looks packed, but is of no scheme that is known. */
static bool schemes_is_unknown(Schemes *schemes, const WeightTensor *tensor, bool *unknown) {
  const uint32_t packed = 1u << DTYPE_I8 | 1u << DTYPE_U8 | 1u << DTYPE_I32 | 1u << DTYPE_U32 |
                          1u << DTYPE_F4 | 1u << DTYPE_F6_E2M3 | 1u << DTYPE_F6_E3M2;
  const char *name = schemes_name(schemes, tensor);
  uint64_t length = tensor->name.length;
  uint32_t row;
  *unknown = false;
  if ((1u << tensor->dtype & packed) == 0 || !schemes_is_table(schemes, tensor)) return true;
  *unknown = schemes->config->quantization != NULL;
  if (*unknown) return true;
  if (schemes->packing_rows == NULL && !schemes_find_packing(schemes)) return false;
  schemes->packing.text = schemes->list->text;
  char *own = schemes->module_name; /* "NAME." has the parts of NAME itself */
  memcpy(own, name, (size_t)length);
  own[length] = '.';
  while (length > 0 && name[length - 1] != '.') length--;
  *unknown = name_table_find(&schemes->packing, own, tensor->name.length + 1, &row) ||
             name_table_find(&schemes->packing, name, length, &row);
  return true;
}

static bool schemes_add_plain(Schemes *schemes, uint32_t number) {
  static const char status[] = "packed in a way that is not known here";
  const WeightTensor *tensor = &schemes->list->tensors[number];
  WeightRole role = schemes_role(schemes, tensor);
  bool unknown = false;
  if (role == WEIGHT_ROLE_WEIGHT && !schemes_is_unknown(schemes, tensor, &unknown)) return false;
  if (!weight_list_add_plain(schemes->list, number, role, schemes->error)) return false;
  if (!unknown) return true;
  WeightRow *row = &schemes->list->rows[schemes->list->row_count - 1];
  row->scheme = WEIGHT_SCHEME_UNKNOWN;
  row->is_packed = true;
  return weight_list_add_text(schemes->list, status, sizeof status - 1, &row->status,
                              schemes->error);
}

/* ---- All rows ---- */

static bool schemes_add_rows(Schemes *schemes) {
  for (uint64_t i = 0; i < schemes->model->count; i++) {
    uint32_t number = schemes->model->tensors[i];
    const SchemeModule *module =
        schemes->module_of[i] != 0 ? &schemes->modules[schemes->module_of[i] - 1] : NULL;
    WeightSlot slot = (WeightSlot)schemes->list->tensors[number].slot;
    bool good = true;
    if (!schemes_go_on(schemes, i)) return false;
    if (module != NULL && module->primary == number + 1) {
      good = schemes_add_packed(schemes, module);
    } else if (!schemes->list->tensors[number].used) {
      bool rest = module != NULL && slot != WEIGHT_SLOT_WEIGHT && slot != WEIGHT_SLOT_BARE &&
                  (module->has_sure || schemes_is_sure(schemes, number)) &&
                  slot != WEIGHT_SLOT_COMFY_QUANT;
      good = rest ? schemes_add_rest(schemes, number, module) : schemes_add_plain(schemes, number);
    }
    if (!good) return false;
  }
  return true;
}

/* Reads the configuration, if anything may depend on it. */
static bool schemes_read_config(Schemes *schemes) {
  const SchemeModel *model = schemes->model;
  bool matters = schemes->module_count > 0 || schemes->has_candidates;
  return weight_configs_read(model->configs, model->session, matters ? model->directory : NULL,
                             &schemes->config, schemes->error);
}

bool schemes_recognise(const SchemeModel *model, Error *error) {
  Schemes schemes = {.model = model, .list = model->list, .error = error};
  bool good = schemes_find_modules(&schemes) && schemes_read_config(&schemes) &&
              schemes_decide(&schemes) && schemes_add_rows(&schemes);
  name_table_free(&schemes.names);
  name_table_free(&schemes.packing);
  memory_free(schemes.packing_rows);
  memory_free(schemes.modules);
  memory_free(schemes.module_of);
  memory_free(schemes.module_name);
  return good;
}
