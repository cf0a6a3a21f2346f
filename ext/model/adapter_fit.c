#include "model/adapter_fit.h"

#include <string.h>

#include "base/memory.h"
#include "model/adapter_option.h"

/* ---- The weight ---- */

/* Takes the weight's name from the base. */
static bool adapter_fit_match(AdapterDraft *draft, Error *error) {
  const AdapterBase *base = draft->context->base;
  uint32_t number = 0;
  bool kohya = draft->group->name.naming == ADAPTER_NAMING_KOHYA;
  uint64_t length = (uint64_t)sqlite3_str_length(draft->weight);
  uint64_t suffix = draft->parameter_length + 1 <= length ? draft->parameter_length + 1 : length;
  const char *text = sqlite3_str_value(draft->weight);
  AdapterMatch match = adapter_base_find(base, text, length - suffix, text + length - suffix,
                                         suffix, kohya, &number);
  if (match == ADAPTER_MATCH_NO_MEMORY) return error_memory(error);
  if (match == ADAPTER_MATCH_AMBIGUOUS) {
    adapter_draft_refuse(draft, "ambiguous: ");
    sqlite3_str_appendf(draft->status, "%u weights of the base end with this name", number);
  } else if (match == ADAPTER_MATCH_NONE) {
    adapter_draft_remark(draft, "the base has no weight of this name");
  }
  sqlite3_str_reset(draft->weight);
  if (match != ADAPTER_MATCH_FOUND) return true;
  const Span *name = &base->list->rows[number].name;
  sqlite3_str_append(draft->weight, base->list->text + name->offset, (int)name->length);
  draft->is_matched = true;
  draft->match = number;
  return true;
}

bool adapter_fit_weight(AdapterDraft *draft, Error *error) {
  const AdapterName *name = &draft->group->name;
  sqlite3_str_reset(draft->weight);
  draft->is_matched = false;
  sqlite3_str_append(draft->weight, name->module, (int)adapter_draft_unwrapped(draft));
  sqlite3_str_appendall(draft->weight, name->renamed);
  if (sqlite3_str_length(draft->weight) > 0) sqlite3_str_appendchar(draft->weight, 1, '.');
  sqlite3_str_append(draft->weight, draft->parameter, (int)draft->parameter_length);
  if (sqlite3_str_errcode(draft->weight) != SQLITE_OK) return error_memory(error);
  return draft->context->base == NULL || adapter_fit_match(draft, error);
}

bool adapter_fit_base_shape(const AdapterDraft *draft, AdapterShape *shape) {
  *shape = (AdapterShape){0};
  if (!draft->is_matched) return false;
  const WeightList *list = draft->context->base->list;
  const Span *text = &list->rows[draft->match].shape;
  return text->length > 0 && adapter_shape_parse(list->text + text->offset, text->length, shape);
}

/* ---- Shape ---- */

static void adapter_fit_option_shape(AdapterDraft *draft, const AdapterShape *shape) {
  adapter_option_json(draft->options, "shape", "");
  adapter_shape_append(draft->options, shape);
}

void adapter_fit_refuse(AdapterDraft *draft, const AdapterShape *base) {
  adapter_draft_refuse(draft, "does not fit: expected ");
  if (draft->shape.known) {
    sqlite3_str_appendall(draft->status, "a weight of shape ");
    adapter_shape_append(draft->status, &draft->shape);
  } else {
    sqlite3_str_appendall(draft->status, "a weight of another shape");
  }
  sqlite3_str_appendall(draft->status, ", found ");
  adapter_shape_append(draft->status, base);
}

/* Whether both have as many rows and as many elements: a convolution counts as a matrix. */
static bool adapter_fit_is_matrix(const AdapterShape *change, const AdapterShape *base) {
  return change->rank > 0 && base->rank > 0 && change->sizes[0] == base->sizes[0] &&
         adapter_shape_numel(base) != 0 && adapter_shape_numel(change) == adapter_shape_numel(base);
}

/* How many columns a weight has as a matrix. */
static uint64_t adapter_fit_columns(const AdapterShape *shape) {
  AdapterShape rest = *shape;
  if (shape->rank == 0) return 0;
  rest.sizes[0] = 1;
  return adapter_shape_numel(&rest);
}

/* Whether a shape whose dimensions are not all known may be that of the weight. */
static bool adapter_fit_is_open_like(const AdapterShape *open, const AdapterShape *base) {
  if (base->rank < open->rank) return false;
  if (open->sizes[0] != 0 && open->sizes[0] != base->sizes[0]) return false;
  return open->rank < 2 || open->sizes[1] == 0 || adapter_fit_columns(base) == open->sizes[1];
}

/* A matrix that is stored transposed: fan_in_fan_out. Whether it is. */
static bool adapter_fit_turn(AdapterDraft *draft, const AdapterShape *base, bool has_base) {
  if (!adapter_config_is_true(draft->config, "fan_in_fan_out")) return false;
  AdapterShape turned = draft->shape;
  bool open = !turned.known || turned.open;
  if (!open && turned.rank != 2) return false;
  turned.sizes[0] = draft->shape.sizes[1];
  turned.sizes[1] = draft->shape.sizes[0];
  /* PEFT turns it off for modules whose weight is not stored like that. */
  if (!open && has_base && !adapter_shape_equal(&turned, base)) return false;
  if (!draft->traits->turns) {
    adapter_draft_refuse(draft,
                         "fan_in_fan_out is configured, which is not computed for this kind");
    return false;
  }
  if (turned.rank == 2) draft->shape = turned;
  adapter_option_json(draft->options, "fan_in_fan_out", "true");
  return true;
}

/* The shape of a stack of experts: lora_A [E*r,in], lora_B [out,E*r]. */
static void adapter_fit_experts(AdapterDraft *draft, const AdapterShape *base, bool has_base) {
  uint64_t experts = draft->scaling.experts, out = draft->shape.sizes[0],
           in = draft->shape.sizes[1];
  if (experts == 1 && (!has_base || base->rank == 2)) {
    if (has_base && !adapter_shape_equal(&draft->shape, base)) adapter_fit_refuse(draft, base);
    return;
  }
  draft->shape = (AdapterShape){.known = true, .rank = 3, .sizes = {experts, out, in}};
  sqlite3_str_appendf(draft->options, ",\"experts\":%llu", (unsigned long long)experts);
  if (!has_base) {
    adapter_draft_remark(draft, "assumed without the base: each expert is stored as [out,in]");
  } else if (adapter_shape_equal(&draft->shape, base)) {
    if (out == in) adapter_draft_remark(draft, "assumed: each expert is stored as [out,in]");
  } else {
    draft->shape.sizes[1] = in;
    draft->shape.sizes[2] = out;
    adapter_option_json(draft->options, "transposed", "true");
    if (!adapter_shape_equal(&draft->shape, base)) adapter_fit_refuse(draft, base);
  }
}

/* Blocks of `size` inputs each. */
static bool adapter_fit_has_inputs(const AdapterShape *base, uint64_t blocks, uint64_t size) {
  uint64_t all;
  return !__builtin_mul_overflow(blocks, size, &all) && all == adapter_fit_columns(base);
}

/* What the parts of OFT say about the weight: a triangle for each block, or one for all. */
static bool adapter_fit_has_triangles(const AdapterShape *oft, const AdapterShape *base) {
  uint64_t size = 2, columns = adapter_fit_columns(base);
  if (base->rank == 2 && oft->rank != 2) return false;
  while (size * (size - 1) / 2 < oft->sizes[1] && size < 65536) size++;
  if (size * (size - 1) / 2 != oft->sizes[1]) return false;
  return oft->sizes[0] == 1 ? columns % size == 0
                            : adapter_fit_has_inputs(base, oft->sizes[0], size);
}

/* What the parts of kinds whose change has no shape of its own say about the weight. */
static bool adapter_fit_kind(const AdapterDraft *draft, const AdapterShape *base) {
  const AdapterPiecePart *parts = draft->group->parts;
  uint64_t rows = base->rank > 0 ? base->sizes[0] : 0;
  switch (draft->kind) {
    case ADAPTER_KIND_OFT: return adapter_fit_has_triangles(&parts[ADAPTER_ROLE_OFT_R].shape, base);
    case ADAPTER_KIND_BOFT: {
      const AdapterShape *shape = &parts[ADAPTER_ROLE_BOFT_R].shape;
      return parts[ADAPTER_ROLE_BOFT_S].shape.sizes[0] == rows &&
             adapter_fit_has_inputs(base, shape->sizes[1], shape->sizes[2]);
    }
    case ADAPTER_KIND_IA3: {
      AdapterRole role =
          parts[ADAPTER_ROLE_IA3_L].is_there ? ADAPTER_ROLE_IA3_L : ADAPTER_ROLE_SAVED;
      uint64_t numel = adapter_shape_numel(&parts[role].shape);
      return numel == rows || (base->rank >= 2 && numel == base->sizes[1]);
    }
    case ADAPTER_KIND_RANDLORA: {
      uint64_t columns = adapter_fit_columns(base);
      return parts[ADAPTER_ROLE_RANDLORA_GAMMA].shape.sizes[1] == (rows < columns ? rows : columns);
    }
    default: return true;
  }
}

static void adapter_fit_base(AdapterDraft *draft, const AdapterShape *base) {
  bool whole = draft->shape.known && !draft->shape.open;
  bool is_set = false;
  if (whole && !adapter_shape_equal(&draft->shape, base)) {
    if (!adapter_fit_is_matrix(&draft->shape, base)) {
      adapter_fit_refuse(draft, base);
      return;
    }
    adapter_fit_option_shape(draft, base);
    is_set = true;
  }
  if (!whole && ((draft->shape.known && !adapter_fit_is_open_like(&draft->shape, base)) ||
                 !adapter_fit_kind(draft, base))) {
    adapter_fit_refuse(draft, base);
    return;
  }
  bool is_flat = draft->kind == ADAPTER_KIND_SUPERTUNING; /* its indices are of the flat weight */
  if ((draft->traits->needs_shape || is_flat) && !is_set) adapter_fit_option_shape(draft, base);
  draft->shape = *base;
}

/* DoRA's magnitudes: one for each row, or in LyCORIS's dora_scale [1,in] one for each column. */
static void adapter_fit_magnitudes(AdapterDraft *draft, bool turned) {
  const AdapterPiecePart *part = &draft->group->parts[ADAPTER_ROLE_LORA_MAGNITUDE];
  if (!part->is_there || !draft->shape.known || draft->shape.open) return;
  bool embedding = draft->group->parts[ADAPTER_ROLE_LORA_EMBEDDING_A].is_there;
  uint64_t numel = adapter_shape_numel(&part->shape);
  uint32_t axis = turned || embedding ? 1 : 0;
  if (draft->group->is_dora_scale && part->shape.rank > 1 && part->shape.sizes[0] == 1 &&
      numel > 1) {
    axis = 1;
    adapter_option_json(draft->options, "axis", "1");
  }
  if (axis < draft->shape.rank && draft->shape.sizes[axis] == numel) return;
  adapter_draft_refuse(draft, "lora_magnitude_vector: expected ");
  sqlite3_str_appendf(draft->status, "%llu elements, found %llu",
                      (unsigned long long)draft->shape.sizes[axis], (unsigned long long)numel);
}

void adapter_fit_shape(AdapterDraft *draft) {
  AdapterShape base;
  bool has_base = adapter_fit_base_shape(draft, &base);
  draft->shape = draft->fit.shape;
  if (!draft->fit.fits) return;
  if (draft->scaling.experts > 0) {
    adapter_fit_experts(draft, &base, has_base);
    return;
  }
  if (draft->kind == ADAPTER_KIND_BEFT) adapter_fit_option_shape(draft, &draft->shape);
  bool turned = adapter_fit_turn(draft, &base, has_base);
  if (has_base && !(turned && !draft->shape.known)) {
    adapter_fit_base(draft, &base);
  } else if (has_base) {
    draft->shape = base;
    if (draft->traits->needs_shape) adapter_fit_option_shape(draft, &base);
  } else if (draft->traits->needs_shape ||
             (draft->kind == ADAPTER_KIND_SUPERTUNING && !draft->shape.known)) {
    adapter_draft_refuse(draft, "the base is needed, for the shape of the weight");
  } else if (draft->kind == ADAPTER_KIND_SUPERTUNING) {
    adapter_fit_option_shape(draft, &draft->shape);
  }
  adapter_fit_magnitudes(draft, turned);
}
