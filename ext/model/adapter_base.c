#include "model/adapter_base.h"

#include <string.h>

#include "base/memory.h"

/* Ends that begin at one of the last components; a name is always its own end, too. */
enum { ADAPTER_BASE_COMPONENTS = 32 };

/* The end of one name or of several. */
typedef struct AdapterEnd {
  Span text; /* of `folded`; first: NameTable reads it there */
  uint32_t tensor, count;
  uint32_t whole;       /* the number plus one of the tensor that has this name */
  uint32_t whole_count; /* how many have it: files of a directory may have the same */
} AdapterEnd;

/* ---- Building ---- */

static bool adapter_base_add_end(AdapterBase *base, Span text, uint32_t tensor, bool whole,
                                 Error *error) {
  void *rows = base->ends;
  if (base->end_count >= UINT32_MAX / 2 ||
      !memory_reserve(&rows, &base->end_capacity, base->end_count, sizeof *base->ends)) {
    return error_memory(error);
  }
  base->ends = rows;
  base->ends[base->end_count++] = (AdapterEnd){text, tensor, 1, whole ? tensor + 1 : 0, whole};
  return true;
}

/* Adds the ends of a name, and folds it. Its text is at the same place of `folded` as of the list. */
static bool adapter_base_add_ends(AdapterBase *base, uint32_t tensor, Error *error) {
  Span name = base->list->rows[tensor].name;
  char *text = base->folded + name.offset;
  int components = 0;
  for (uint32_t i = name.length; i-- > 1;) {
    if (text[i] != '.') continue;
    text[i] = '_';
    if (++components < ADAPTER_BASE_COMPONENTS &&
        !adapter_base_add_end(base, (Span){name.offset + i + 1, name.length - i - 1}, tensor, false,
                              error)) {
      return false;
    }
  }
  if (name.length > 0 && text[0] == '.') text[0] = '_';
  return adapter_base_add_end(base, name, tensor, true, error);
}

/* Makes one row of those that are equal. */
static void adapter_base_merge(AdapterBase *base, uint32_t row, uint32_t earlier) {
  AdapterEnd *now = &base->ends[row];
  const AdapterEnd *before = &base->ends[earlier];
  now->count += before->count;
  now->whole_count += before->whole_count;
  if (before->whole != 0) now->whole = before->whole;
}

/* Scales whose weight is missing, and markers, are no weights. */
static bool adapter_base_is_weight(const WeightRow *row) {
  return row->role == WEIGHT_ROLE_WEIGHT || row->role == WEIGHT_ROLE_BUFFER;
}

bool adapter_base_build(AdapterBase *base, const WeightList *list, Cancel *cancel, Error *error) {
  static const char subject[] = "safetensors_adapter";
  base->list = list;
  base->folded = memory_alloc(list->text_used);
  if (base->folded == NULL) return error_memory(error);
  if (list->text_used > 0) memcpy(base->folded, list->text, (size_t)list->text_used);
  for (uint64_t i = 0; i < list->row_count; i++) {
    if (!cancel_go_on_row(cancel, i, subject, error) ||
        (adapter_base_is_weight(&list->rows[i]) &&
         !adapter_base_add_ends(base, (uint32_t)i, error))) {
      return false;
    }
  }
  if (!name_table_start(&base->table, base->folded, base->ends, sizeof *base->ends,
                        (uint32_t)base->end_count)) {
    return error_memory(error);
  }
  for (uint64_t i = 0; i < base->end_count; i++) {
    uint32_t earlier;
    if (!cancel_go_on_row(cancel, i, subject, error)) return false;
    if (!name_table_add(&base->table, (uint32_t)i, &earlier))
      adapter_base_merge(base, (uint32_t)i, earlier);
  }
  return true;
}

void adapter_base_clear(AdapterBase *base) {
  name_table_free(&base->table);
  memory_free(base->ends);
  memory_free(base->folded);
  *base = (AdapterBase){0};
}

/* ---- Finding ---- */

static const char *const adapter_base_wrappers[] = {
    "base_model", "model",        "module", "transformer",     "language_model",
    "text_model", "vision_model", "unet",   "diffusion_model", "text_encoders",
    "clip_l",     "clip_g",       "t5xxl",  "text_encoder_2",  "text_encoder_3",
    "backbone",   "text_encoder", "llm",    "_orig_mod",       "net",
    "prior",      "decoder_model"};

static const char *const adapter_base_kohya[] = {
    "lora_unet_",        "lora_te1_",      "lora_te2_", "lora_te3_",     "lora_te_",
    "lora_transformer_", "lora_prior_te_", "lora_",     "lycoris_unet_", "lycoris_"};

/* Whether a component between '_' is a number. */
static bool adapter_base_has_number(const char *text, uint64_t length) {
  for (uint64_t start = 0; start < length;) {
    uint64_t end = start;
    while (end < length && text[end] >= '0' && text[end] <= '9') end++;
    if (end > start && (end == length || text[end] == '_')) return true;
    while (end < length && text[end] != '_') end++;
    start = end + 1;
  }
  return false;
}

/* Whether a beginning, up to a '_', consists of wrappers' names. */
static bool adapter_base_is_wrapper(const char *text, uint64_t length) {
  while (length > 0) {
    uint64_t longest = 0;
    for (size_t i = 0; i < sizeof adapter_base_wrappers / sizeof adapter_base_wrappers[0]; i++) {
      size_t size = strlen(adapter_base_wrappers[i]);
      if (size > longest && size < length && text[size] == '_' &&
          memcmp(text, adapter_base_wrappers[i], size) == 0) {
        longest = size;
      }
    }
    if (longest == 0) return false;
    text += longest + 1;
    length -= longest + 1;
  }
  return true;
}

/* Whether the tensor whose name ends with the last bytes of `text`, from `start` on, is meant. */
static bool adapter_base_accepts(const AdapterBase *base, const AdapterEnd *end, const char *text,
                                 uint64_t start, uint64_t length) {
  bool numbered = adapter_base_has_number(text + start, length - start);
  bool wrapped = start == 0 || adapter_base_is_wrapper(text, start);
  if (end->whole != 0) return numbered || wrapped;
  Span name = base->list->rows[end->tensor].name;
  uint64_t before = name.length - (length - start);
  return wrapped && (numbered || !adapter_base_has_number(base->folded + name.offset, before));
}

/* `module` is the length of the module's name in the text: of that, something must be left. */
static AdapterMatch adapter_base_find_folded(const AdapterBase *base, const char *text,
                                             uint64_t length, uint64_t module,
                                             const char *boundaries, uint32_t *number) {
  int tries = ADAPTER_BASE_COMPONENTS; /* a name may have millions of components */
  for (uint64_t start = 0; (start == 0 || start < module) && tries-- > 0;) {
    uint32_t row;
    if (name_table_find(&base->table, text + start, length - start, &row)) {
      const AdapterEnd *end = &base->ends[row];
      bool one = end->whole_count == 1 || (end->whole_count == 0 && end->count == 1);
      uint32_t several = end->whole_count > 1 ? end->whole_count : end->count;
      *number = !one ? several : end->whole != 0 ? end->whole - 1 : end->tensor;
      if (!one) {
        return adapter_base_is_wrapper(text, start) ? ADAPTER_MATCH_AMBIGUOUS : ADAPTER_MATCH_NONE;
      }
      return adapter_base_accepts(base, end, text, start, length) ? ADAPTER_MATCH_FOUND
                                                                  : ADAPTER_MATCH_NONE;
    }
    uint64_t next = start;
    while (next < length && boundaries[next] == 0) next++;
    if (next == length || adapter_base_has_number(text + start, next - start))
      return ADAPTER_MATCH_NONE;
    start = next + 1;
  }
  return ADAPTER_MATCH_NONE;
}

AdapterMatch adapter_base_find(const AdapterBase *base, const char *module, uint64_t length,
                               const char *suffix, uint64_t suffix_length, bool kohya,
                               uint32_t *number) {
  for (size_t i = 0; kohya && i < sizeof adapter_base_kohya / sizeof adapter_base_kohya[0]; i++) {
    size_t size = strlen(adapter_base_kohya[i]);
    if (length <= size || memcmp(module, adapter_base_kohya[i], size) != 0) continue;
    module += size;
    length -= size;
    break;
  }
  uint64_t total = length + suffix_length;
  char *text = memory_alloc(2 * total);
  if (text == NULL) return ADAPTER_MATCH_NO_MEMORY;
  memcpy(text, module, (size_t)length);
  memcpy(text + length, suffix, (size_t)suffix_length);
  char *boundaries = text + total; /* where a component ends */
  for (uint64_t i = 0; i < total; i++) {
    boundaries[i] = text[i] == '.' || (kohya && text[i] == '_');
    if (text[i] == '.') text[i] = '_';
  }
  AdapterMatch match = adapter_base_find_folded(base, text, total, length, boundaries, number);
  memory_free(text);
  return match;
}
