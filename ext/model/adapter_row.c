#include "model/adapter_row.h"

#include <string.h>

#include "base/memory.h"
#include "model/adapter_fit.h"
#include "model/adapter_option.h"

/* ---- Parts ---- */

static Span adapter_row_text(AdapterList *list, const char *text, uint64_t length, Error *error) {
  Span span = {0};
  adapter_list_add_text(list, text, length, &span, error);
  return span;
}

static bool adapter_row_add_part(AdapterDraft *draft, AdapterRole role, AdapterTensor tensor,
                                 bool is_read, Error *error) {
  AdapterContext *context = draft->context;
  const char *name = context->files[tensor.file].member.header->text + tensor.entry->name.offset;
  AdapterPart part = {.role = adapter_role_text(role), .is_read = is_read};
  part.tensor.file = tensor.file;
  part.tensor.name = adapter_row_text(context->list, name, tensor.entry->name.length, error);
  if (role == ADAPTER_ROLE_OTHER) {
    AdapterName taken;
    adapter_name_parse(name, tensor.entry->name.length, &taken);
    part.role = NULL;
    part.name = adapter_row_text(context->list, taken.parameter, taken.parameter_length, error);
  }
  if (error->code != ERROR_NONE) return false;
  AdapterPart *added = adapter_list_add_part(context->list, error);
  if (added != NULL) *added = part;
  return added != NULL;
}

static bool adapter_row_is_of_bias(AdapterRole role) {
  return role == ADAPTER_ROLE_LORA_B_BIAS ||
         (role >= ADAPTER_ROLE_GLORA_C_DOWN && role <= ADAPTER_ROLE_GLORA_E_X);
}

static bool adapter_row_is_read(AdapterRole role) {
  return role != ADAPTER_ROLE_ALPHA && role != ADAPTER_ROLE_BASE_LAYER &&
         role != ADAPTER_ROLE_OTHER && role != ADAPTER_ROLE_ON_INPUT;
}

/* Adds the parts of the weight, or of the bias. */
static bool adapter_row_add_parts(AdapterDraft *draft, bool of_bias, Error *error) {
  const AdapterGroup *group = draft->group;
  bool lycoris_ia3 = group->parts[ADAPTER_ROLE_ON_INPUT].is_there, good = true;
  for (int number = 0; good && number < ADAPTER_ROLE_OTHER; number++) {
    AdapterRole role = (AdapterRole)number;
    if (!group->parts[role].is_there || adapter_row_is_of_bias(role) != of_bias) continue;
    good =
        adapter_row_add_part(draft, role, group->tensors[role], adapter_row_is_read(role), error);
    if (good && lycoris_ia3 && role == ADAPTER_ROLE_SAVED)
      draft->context->list->parts[draft->context->list->part_count - 1].role =
          adapter_role_text(ADAPTER_ROLE_IA3_L);
  }
  for (uint64_t i = 0; good && !of_bias && i < group->other_count; i++)
    good = adapter_row_add_part(draft, ADAPTER_ROLE_OTHER, group->others[i], false, error);
  return good;
}

/* ---- The base as a part ---- */

static bool adapter_row_needs_base(const AdapterDraft *draft) {
  if (draft->traits->needs_base) return true;
  if (draft->group->parts[ADAPTER_ROLE_LORA_MAGNITUDE].is_there) return true;
  bool miss = draft->kind == ADAPTER_KIND_MISS || draft->kind == ADAPTER_KIND_BONE;
  return miss && adapter_option_is_bat(draft->group, draft->config);
}

static bool adapter_row_take_base(AdapterDraft *draft, AdapterRow *row, Error *error) {
  AdapterContext *context = draft->context;
  const AdapterGroup *group = draft->group;
  if (!draft->computes || !adapter_row_needs_base(draft)) return true;
  const WeightRow *weight = draft->is_matched ? &context->base->list->rows[draft->match] : NULL;
  if (weight != NULL && weight->is_packed && !weight->decodes) {
    adapter_draft_refuse(draft, "the base's weight cannot be unpacked: see safetensors_weights");
  } else if (weight != NULL && !context->base_has_path) {
    adapter_draft_refuse(draft, "the base is a BLOB, which has no path that a ref could name");
  } else if (weight != NULL) {
    row->base = ADAPTER_ROW_BASE_WEIGHT;
    row->base_row = draft->match;
  } else if (group->parts[ADAPTER_ROLE_BASE_LAYER].is_there && context->base == NULL) {
    AdapterTensor tensor = group->tensors[ADAPTER_ROLE_BASE_LAYER];
    const char *text = context->files[tensor.file].member.header->text;
    row->base = ADAPTER_ROW_BASE_LAYER;
    row->base_layer.file = tensor.file;
    row->base_layer.name = adapter_row_text(context->list, text + tensor.entry->name.offset,
                                            tensor.entry->name.length, error);
  } else if (context->base == NULL) {
    adapter_draft_refuse(draft, "the base is needed: safetensors_adapter(path, base)");
  } else {
    draft->computes = false;
  }
  return error->code == ERROR_NONE;
}

/* ---- All of a row ---- */

static bool adapter_row_finish(AdapterDraft *draft, AdapterRow *row, Error *error) {
  AdapterList *list = draft->context->list;
  const AdapterName *name = &draft->group->name;
  bool has_path = draft->context->files[draft->group->file].member.path != NULL;
  if (draft->computes && !has_path)
    adapter_draft_refuse(draft, "a BLOB has no path that a ref could name");
  row->kind = draft->kind;
  row->delta = draft->computes ? draft->traits->delta : NULL;
  row->rank = draft->scaling.rank;
  row->has_alpha = draft->scaling.has_alpha;
  row->alpha = draft->scaling.alpha;
  row->has_scale = draft->scaling.has_scale;
  row->scale = draft->scaling.scale;
  sqlite3_str *text = sqlite3_str_new(NULL);
  sqlite3_str_append(text, name->module, (int)name->module_length);
  sqlite3_str_appendall(text, name->renamed);
  if (sqlite3_str_length(text) == 0)
    sqlite3_str_append(text, name->parameter, (int)adapter_name_word(name));
  bool good = adapter_list_take_text(list, text, &row->module, error);
  if (good && draft->shape.known && !draft->shape.open) {
    adapter_shape_append(text, &draft->shape);
    good = adapter_list_take_text(list, text, &row->shape, error);
  }
  memory_free(sqlite3_str_finish(text));
  return good && adapter_list_take_text(list, draft->weight, &row->weight, error) &&
         adapter_list_take_text(list, draft->options, &row->options, error) &&
         adapter_list_take_text(list, draft->status, &row->status, error);
}

static bool adapter_row_work_out(AdapterDraft *draft, Error *error) {
  if (!adapter_draft_begin(draft, error)) return false;
  if (draft->traits->delta == NULL) return true;
  if (!adapter_fit_weight(draft, error)) return false;
  adapter_fit_shape(draft);
  if (!adapter_option_append(draft->options, draft->kind, draft->group, draft->config,
                             draft->module, draft->module_length, draft->status)) {
    draft->computes = false;
  }
  return true;
}

static bool adapter_row_make_main(AdapterDraft *draft, Error *error) {
  AdapterRow *row = adapter_list_add_row(draft->context->list, error);
  if (row == NULL || !adapter_row_work_out(draft, error) ||
      !adapter_row_take_base(draft, row, error) || !adapter_row_add_parts(draft, false, error)) {
    return false;
  }
  row->part_count = (uint32_t)draft->context->list->part_count - row->first_part;
  return adapter_row_finish(draft, row, error);
}

/* ---- The bias ---- */

/* How a module's bias changes with its weight. */
typedef enum AdapterBias {
  ADAPTER_BIAS_NONE,
  ADAPTER_BIAS_PART, /* lora_B has one */
  ADAPTER_BIAS_LIKE, /* as the weight, as if it were its last column */
  ADAPTER_BIAS_PATHS /* GLoRA's C, D and E */
} AdapterBias;

static AdapterBias adapter_row_bias(const AdapterDraft *main) {
  const AdapterPiecePart *parts = main->group->parts;
  if (parts[ADAPTER_ROLE_LORA_B_BIAS].is_there) return ADAPTER_BIAS_PART;
  if (main->kind == ADAPTER_KIND_GLORA) {
    for (int role = ADAPTER_ROLE_GLORA_C_DOWN; role <= ADAPTER_ROLE_GLORA_E_X; role++) {
      if (parts[role].is_there) return ADAPTER_BIAS_PATHS;
    }
  }
  bool multiplied = main->kind == ADAPTER_KIND_IA3 && parts[ADAPTER_ROLE_IA3_L].is_there &&
                    parts[ADAPTER_ROLE_IA3_L].shape.sizes[0] != 1;
  return multiplied || main->kind == ADAPTER_KIND_ROAD ? ADAPTER_BIAS_LIKE : ADAPTER_BIAS_NONE;
}

/* The row of a bias that lora_B has: it is added. */
static void adapter_row_add_bias(AdapterDraft *draft) {
  AdapterShape base;
  draft->shape = draft->group->parts[ADAPTER_ROLE_LORA_B_BIAS].shape;
  draft->traits = adapter_kind_traits(ADAPTER_KIND_DIFF);
  draft->computes = draft->scaling.has_scale;
  if (draft->scaling.has_scale)
    adapter_option_number(draft->options, "scale", draft->scaling.scale);
  if (adapter_fit_base_shape(draft, &base) && !adapter_shape_equal(&base, &draft->shape))
    adapter_fit_refuse(draft, &base);
}

static bool adapter_row_make_bias(AdapterDraft *main, Error *error) {
  AdapterBias bias = adapter_row_bias(main);
  if (bias == ADAPTER_BIAS_NONE) return true;
  AdapterDraft draft = *main;
  draft.parameter = "bias";
  draft.parameter_length = 4;
  if (!adapter_fit_weight(&draft, error)) return false;
  if (bias != ADAPTER_BIAS_PART &&
      !draft.is_matched) { /* the module has none, as far as is known */
    sqlite3_str_reset(draft.status);
    return true;
  }
  if (bias == ADAPTER_BIAS_PART) {
    adapter_row_add_bias(&draft);
  } else {
    adapter_fit_base_shape(&draft, &draft.shape);
    if (bias == ADAPTER_BIAS_PATHS)
      adapter_draft_refuse(
          &draft, "the change of a bias by glora_C, glora_D and glora_E is not computed here");
    else if (!adapter_option_append(draft.options, draft.kind, draft.group, draft.config,
                                    draft.module, draft.module_length, draft.status))
      draft.computes = false;
  }
  AdapterRow *row = adapter_list_add_row(draft.context->list, error);
  if (row == NULL || !adapter_row_take_base(&draft, row, error) ||
      !adapter_row_add_parts(&draft, bias != ADAPTER_BIAS_LIKE, error)) {
    return false;
  }
  row->part_count = (uint32_t)draft.context->list->part_count - row->first_part;
  if (bias == ADAPTER_BIAS_PART)
    draft.context->list->parts[row->first_part].role = adapter_role_text(ADAPTER_ROLE_CHANGE);
  return adapter_row_finish(&draft, row, error);
}

bool adapter_row_make(AdapterContext *context, AdapterGroup *group, Error *error) {
  AdapterDraft draft = {.context = context,
                        .group = group,
                        .status = sqlite3_str_new(NULL),
                        .options = sqlite3_str_new(NULL),
                        .weight = sqlite3_str_new(NULL)};
  bool good = adapter_row_make_main(&draft, error) && adapter_row_make_bias(&draft, error);
  memory_free(sqlite3_str_finish(draft.status));
  memory_free(sqlite3_str_finish(draft.options));
  memory_free(sqlite3_str_finish(draft.weight));
  return good;
}

bool adapter_row_make_unknown(AdapterList *list, uint32_t tensors, Error *error) {
  AdapterRow *row = adapter_list_add_row(list, error);
  if (row == NULL) return false;
  row->kind = ADAPTER_KIND_UNKNOWN;
  sqlite3_str *status = sqlite3_str_new(NULL);
  sqlite3_str_appendf(status,
                      "expected the parts of an adapter, found %u tensors without one in their "
                      "names, and no adapter_config.json; known are ",
                      tensors);
  adapter_kind_append_known(status);
  bool good = adapter_list_take_text(list, status, &row->status, error);
  memory_free(sqlite3_str_finish(status));
  return good;
}
