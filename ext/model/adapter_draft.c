#include "model/adapter_draft.h"

#include <string.h>

#include "model/adapter_option.h"

int adapter_draft_shared(AdapterRole role) {
  switch (role) {
    case ADAPTER_ROLE_VERA_A: return 0;
    case ADAPTER_ROLE_VERA_B: return 1;
    case ADAPTER_ROLE_PVERA_A: return 2;
    case ADAPTER_ROLE_PVERA_B: return 3;
    case ADAPTER_ROLE_RANDLORA_A: return 4;
    case ADAPTER_ROLE_RANDLORA_B: return 5;
    case ADAPTER_ROLE_VBLORA_BANK: return 6;
    default: return -1;
  }
}

void adapter_draft_remark(AdapterDraft *draft, const char *text) {
  adapter_status_next(draft->status);
  sqlite3_str_appendall(draft->status, text);
}

void adapter_draft_refuse(AdapterDraft *draft, const char *text) {
  draft->computes = false;
  adapter_draft_remark(draft, text);
}

/* ---- Kind ---- */

static const AdapterKind adapter_draft_shared_kinds[ADAPTER_SHARED_ROLES] = {
    ADAPTER_KIND_VERA,     ADAPTER_KIND_VERA,     ADAPTER_KIND_PVERA, ADAPTER_KIND_PVERA,
    ADAPTER_KIND_RANDLORA, ADAPTER_KIND_RANDLORA, ADAPTER_KIND_VBLORA};

static const AdapterRole adapter_draft_shared_roles[ADAPTER_SHARED_ROLES] = {
    ADAPTER_ROLE_VERA_A,     ADAPTER_ROLE_VERA_B,     ADAPTER_ROLE_PVERA_A,    ADAPTER_ROLE_PVERA_B,
    ADAPTER_ROLE_RANDLORA_A, ADAPTER_ROLE_RANDLORA_B, ADAPTER_ROLE_VBLORA_BANK};

static AdapterKind adapter_draft_kind(const AdapterDraft *draft) {
  const AdapterGroup *group = draft->group;
  const char *type = adapter_config_text(draft->config, "peft_type");
  AdapterKind configured = type != NULL ? adapter_kind_of_type(type) : ADAPTER_KIND_UNKNOWN;
  AdapterKind kind = group->name.kind;
  if (draft->context->is_control) return ADAPTER_KIND_CONTROL;
  if (kind == ADAPTER_KIND_PROMPT && type != NULL && configured != ADAPTER_KIND_UNKNOWN)
    return configured;
  if (kind == ADAPTER_KIND_FULL && type != NULL && configured == ADAPTER_KIND_UNKNOWN)
    return ADAPTER_KIND_UNKNOWN;
  if (group->parts[ADAPTER_ROLE_ON_INPUT].is_there) return ADAPTER_KIND_IA3;
  if (kind != ADAPTER_KIND_LORA) return kind;
  if (group->parts[ADAPTER_ROLE_LORA_E].is_there || configured == ADAPTER_KIND_ADALORA)
    return ADAPTER_KIND_ADALORA;
  bool dora = group->parts[ADAPTER_ROLE_LORA_MAGNITUDE].is_there ||
              adapter_config_is_true(draft->config, "use_dora");
  return dora ? ADAPTER_KIND_DORA : ADAPTER_KIND_LORA;
}

/* Adds what the file has for all modules to the parts of this one. */
static void adapter_draft_add_shared(AdapterDraft *draft) {
  AdapterGroup *group = draft->group;
  const AdapterTensor *shared = draft->context->shared[draft->context->is_one ? 0 : group->file];
  for (int i = 0; i < ADAPTER_SHARED_ROLES; i++) {
    AdapterRole role = adapter_draft_shared_roles[i];
    if (adapter_draft_shared_kinds[i] != draft->kind || group->parts[role].is_there ||
        shared[i].entry == NULL) {
      continue;
    }
    const TensorEntry *entry = shared[i].entry;
    const char *text = draft->context->files[shared[i].file].member.header->text;
    AdapterPiecePart *part = &group->parts[role];
    *part = (AdapterPiecePart){.is_there = true, .dtype = entry->dtype};
    adapter_shape_parse(text + entry->shape.offset, entry->shape.length, &part->shape);
    group->tensors[role] = shared[i];
  }
}

/* ---- Parameters of experts ---- */

enum { ADAPTER_ROW_MAX_PARAMETERS = 256 /* that target_parameters may have */ };

/* Takes the ".base_layer" off the end of a module. Returns how many there were. */
static uint32_t adapter_draft_unwrap(const char *module, uint64_t *length) {
  static const char wrapper[] = ".base_layer";
  uint32_t depth = 0;
  for (uint64_t size = sizeof wrapper - 1;
       *length > size && memcmp(module + *length - size, wrapper, (size_t)size) == 0; depth++) {
    *length -= size;
  }
  return depth;
}

uint64_t adapter_draft_unwrapped(const AdapterDraft *draft) {
  uint64_t length = draft->group->name.module_length;
  if (draft->scaling.is_stack) adapter_draft_unwrap(draft->group->name.module, &length);
  return length;
}

/* Whether the entry of target_parameters is a parameter of the module. */
static const char *adapter_draft_parameter_of(const char *entry, const char *module,
                                              uint64_t length) {
  const char *dot = strrchr(entry, '.');
  uint64_t size = dot != NULL ? (uint64_t)(dot - entry) : 0;
  if (size == 0 || size > length || memcmp(module + length - size, entry, (size_t)size) != 0)
    return NULL;
  return size == length || module[length - size - 1] == '.' ? dot + 1 : NULL;
}

/* PEFT wraps a module once for each of its parameters in target_parameters; the innermost is the
** first of them (peft 0.21, tuners/lora/layer.py: ParamWrapper). */
static void adapter_draft_find_parameter(AdapterDraft *draft) {
  const json_t *entries = adapter_config_get(draft->config, "target_parameters");
  uint64_t length = draft->module_length, count = json_array_size(entries);
  if (!json_is_array(entries) || count == 0) return;
  uint32_t depth = adapter_draft_unwrap(draft->module, &length), found = 0;
  const char *names[ADAPTER_ROW_MAX_PARAMETERS];
  for (size_t i = 0; i < count && i < ADAPTER_ROW_MAX_PARAMETERS; i++) {
    const char *entry = json_string_value(json_array_get(entries, i));
    const char *name =
        entry != NULL ? adapter_draft_parameter_of(entry, draft->module, length) : NULL;
    if (name != NULL) names[found++] = name;
  }
  if (found == 0 && depth == 0) return;
  if (depth >= found) {
    adapter_draft_refuse(draft,
                         "target_parameters of the configuration does not have this parameter");
    return;
  }
  draft->scaling.is_stack = true;
  draft->parameter = names[found - 1 - depth];
  draft->parameter_length = strlen(draft->parameter);
}

/* ---- Rank and scale ---- */

static bool adapter_draft_default_alpha(const Header *header, double *alpha) {
  static const char key[] = "ss_network_alpha";
  for (uint32_t i = 0; i < header->metadata_count; i++) {
    const MetadataEntry *entry = &header->metadata[i];
    if (entry->key.length != sizeof key - 1 ||
        memcmp(header->text + entry->key.offset, key, sizeof key - 1) != 0) {
      continue;
    }
    json_error_t ignored;
    json_t *value = json_loadb(header->text + entry->value.offset, entry->value.length,
                               JSON_DECODE_ANY, &ignored);
    bool is_number = json_is_number(value);
    if (is_number) *alpha = json_number_value(value);
    json_decref(value);
    return is_number;
  }
  return false;
}

static bool adapter_draft_find_scale(AdapterDraft *draft, Error *error) {
  AdapterContext *context = draft->context;
  AdapterGroup *group = draft->group;
  AdapterScaling *scaling = &draft->scaling;
  scaling->kind = draft->kind;
  scaling->config = draft->config;
  scaling->module = draft->module;
  scaling->module_length = draft->module_length;
  scaling->found = draft->fit.rank;
  if (group->parts[ADAPTER_ROLE_ALPHA].is_there) {
    const char *problem;
    scaling->has_tensor = adapter_group_read_number(context->checkpoint, context->files,
                                                    group->tensors[ADAPTER_ROLE_ALPHA],
                                                    &scaling->tensor, &problem, error);
    if (!scaling->has_tensor && problem == NULL) return false;
    if (!scaling->has_tensor) {
      adapter_draft_refuse(draft, "alpha: ");
      sqlite3_str_appendall(draft->status, problem);
    }
  }
  if (group->name.naming == ADAPTER_NAMING_KOHYA) {
    scaling->has_default = adapter_draft_default_alpha(context->files[group->file].member.header,
                                                       &scaling->default_alpha);
  }
  bool has_factors =
      draft->kind != ADAPTER_KIND_SUPERTUNING || group->parts[ADAPTER_ROLE_SUPERTUNING_A].is_there;
  if (has_factors) adapter_scale_find(scaling, &context->steps, draft->status);
  if (scaling->fails) draft->computes = false;
  if (scaling->has_scale) adapter_option_number(draft->options, "scale", scaling->scale);
  return true;
}

/* ---- All of it ---- */

static void adapter_draft_start(AdapterDraft *draft) {
  const AdapterName *name = &draft->group->name;
  uint64_t component;
  const AdapterConfigs *configs = draft->context->files[draft->group->file].configs;
  draft->config = adapter_configs_find(configs, name->module, name->module_length, &component);
  draft->module = name->module + component;
  draft->module_length = name->module_length - component;
  draft->kind = adapter_draft_kind(draft);
  draft->traits = adapter_kind_traits(draft->kind);
  draft->computes = draft->traits->delta != NULL;
  draft->parameter = "weight";
  draft->parameter_length = 6;
  if (name->kind == ADAPTER_KIND_FULL && name->role == ADAPTER_ROLE_SAVED) {
    draft->parameter = name->parameter;
    draft->parameter_length = name->parameter_length;
  } else if (name->is_bias && name->role == ADAPTER_ROLE_CHANGE) {
    draft->parameter = "bias";
    draft->parameter_length = 4;
  }
}

static void adapter_draft_check_group(AdapterDraft *draft) {
  const AdapterGroup *group = draft->group;
  const AdapterConfigs *configs = draft->context->files[group->file].configs;
  if (draft->traits->reason != NULL) {
    adapter_draft_remark(draft, draft->traits->reason);
    if (draft->kind == ADAPTER_KIND_UNKNOWN) {
      const char *type = adapter_config_text(draft->config, "peft_type");
      sqlite3_str_appendf(draft->status, ": peft_type is \"%.*s\"; known are ",
                          ERROR_NAME(type, strlen(type)));
      adapter_kind_append_known(draft->status);
    }
  }
  if (configs->problem != NULL) adapter_draft_refuse(draft, configs->problem);
  if (group->doubled.entry != NULL) {
    adapter_draft_refuse(draft, adapter_role_text(group->doubled_role));
    sqlite3_str_appendall(draft->status, ": expected one tensor, found two");
  }
}

/* Kinds of one tensor that have no form. */
static void adapter_draft_fit_whole(AdapterDraft *draft) {
  const AdapterPiecePart *parts = draft->group->parts;
  AdapterRole role = parts[ADAPTER_ROLE_SAVED].is_there ? ADAPTER_ROLE_SAVED : ADAPTER_ROLE_CHANGE;
  if (!parts[role].is_there) {
    if (parts[ADAPTER_ROLE_BASE_LAYER].is_there)
      adapter_draft_refuse(draft, "a base_layer without the parts of an adapter");
    return;
  }
  draft->fit.shape = parts[role].shape;
  if (draft->kind != ADAPTER_KIND_BEFT) return;
  draft->fit.shape =
      (AdapterShape){.known = true, .rank = 1, .sizes = {adapter_shape_numel(&parts[role].shape)}};
}

static bool adapter_draft_is_whole(AdapterKind kind) {
  return kind == ADAPTER_KIND_FULL || kind == ADAPTER_KIND_DIFF || kind == ADAPTER_KIND_BEFT ||
         kind == ADAPTER_KIND_LN_TUNING;
}

static bool adapter_draft_fit(AdapterDraft *draft) {
  AdapterGroup *group = draft->group;
  draft->fit.fits = true;
  if (group->parts[ADAPTER_ROLE_ON_INPUT].is_there) { /* LyCORIS's (IA)^3: see adapter_fit.c */
    if (group->parts[ADAPTER_ROLE_SAVED].is_there) return true;
    adapter_draft_remark(draft, "weight is missing");
    draft->fit.fits = false;
  } else if (adapter_draft_is_whole(draft->kind)) {
    adapter_draft_fit_whole(draft);
  } else {
    adapter_kind_fit(draft->kind, group->parts, &draft->fit, draft->status);
  }
  return draft->fit.fits;
}

bool adapter_draft_begin(AdapterDraft *draft, Error *error) {
  adapter_draft_start(draft);
  adapter_draft_add_shared(draft);
  adapter_draft_check_group(draft);
  if (draft->kind == ADAPTER_KIND_LORA) adapter_draft_find_parameter(draft);
  if (!adapter_draft_fit(draft)) draft->computes = false;
  if (!adapter_option_allows(draft->kind, draft->config, draft->status)) draft->computes = false;
  return adapter_draft_find_scale(draft, error);
}
