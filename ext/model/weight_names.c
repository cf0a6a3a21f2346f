#include "model/weight_names.h"

#include <string.h>

#include "base/memory.h"

enum WeightNamesFamily {
  SCALED = 1 << WEIGHT_FAMILY_SCALED,
  PACKED = 1 << WEIGHT_FAMILY_PACKED,
  GPTQ = 1 << WEIGHT_FAMILY_GPTQ,
  BNB4 = 1 << WEIGHT_FAMILY_BNB4,
  BNB8 = 1 << WEIGHT_FAMILY_BNB8,
  BLOCKS = 1 << WEIGHT_FAMILY_BLOCKS,
  HQQ = 1 << WEIGHT_FAMILY_HQQ,
  QUANTO = 1 << WEIGHT_FAMILY_QUANTO,
  TORCHAO = 1 << WEIGHT_FAMILY_TORCHAO,
  MLX = 1 << WEIGHT_FAMILY_MLX,
  EXL2 = 1 << WEIGHT_FAMILY_EXL2,
  EXL3 = 1 << WEIGHT_FAMILY_EXL3,
  AQLM = 1 << WEIGHT_FAMILY_AQLM,
  SVDQUANT = 1 << WEIGHT_FAMILY_SVDQUANT,
  EETQ = 1 << WEIGHT_FAMILY_EETQ,
  HIGGS = 1 << WEIGHT_FAMILY_HIGGS
};

typedef struct WeightSlotName {
  const char *suffix;
  uint32_t length, families;
  bool sure;
} WeightSlotName;

static const WeightSlotName weight_slot_names[] = {
#define X(id, suffix, families, sure) {suffix, sizeof suffix - 1, families, sure},
    WEIGHT_SLOTS(X)
#undef X
};

static bool weight_name_ends(const char *name, uint64_t length, const char *suffix, uint64_t size) {
  return length >= size && memcmp(name + length - size, suffix, (size_t)size) == 0;
}

/* Whether the slot's suffix ends the name, or is all of it but for the dot. */
static bool weight_name_has_suffix(const char *name, uint64_t length, const WeightSlotName *slot) {
  if (weight_name_ends(name, length, slot->suffix, slot->length)) return true;
  return slot->suffix[0] == '.' && length == slot->length - 1 &&
         memcmp(name, slot->suffix + 1, (size_t)length) == 0;
}

/* Parts of parts: the weight of ".weight.absmax" is called ".weight", too. */
static uint64_t weight_name_without_weight(const char *name, uint64_t length, uint32_t families) {
  static const char weight[] = ".weight";
  if ((families & (BNB4 | QUANTO)) == 0) return length;
  if (weight_name_ends(name, length, weight, sizeof weight - 1)) return length - sizeof weight + 1;
  return length == sizeof weight - 2 && memcmp(name, weight + 1, (size_t)length) == 0 ? 0 : length;
}

WeightSlot weight_name_slot(const char *name, uint64_t length, uint64_t *module_length) {
  WeightSlot found = WEIGHT_SLOT_NONE;
  for (WeightSlot slot = WEIGHT_SLOT_WEIGHT; slot < WEIGHT_SLOT_COUNT; slot++) {
    const WeightSlotName *candidate = &weight_slot_names[slot];
    bool longer = found == WEIGHT_SLOT_NONE || candidate->length > weight_slot_names[found].length;
    if (candidate->length == 0 || length == 0 || !longer) continue;
    if (candidate->suffix[candidate->length - 1] != name[length - 1]) continue;
    if (weight_name_has_suffix(name, length, candidate)) found = slot;
  }
  *module_length = length;
  if (found == WEIGHT_SLOT_NONE) return found;
  const WeightSlotName *slot = &weight_slot_names[found];
  *module_length = length < slot->length ? 0 : length - slot->length;
  if (found != WEIGHT_SLOT_WEIGHT)
    *module_length = weight_name_without_weight(name, *module_length, slot->families);
  return found;
}

uint32_t weight_slot_families(WeightSlot slot) {
  return slot == WEIGHT_SLOT_NONE ? 0 : weight_slot_names[slot].families;
}

bool weight_slot_is_of(WeightSlot slot, WeightFamily family) {
  return (weight_slot_families(slot) >> family & 1) != 0;
}

bool weight_slot_is_sure(WeightSlot slot) {
  return slot != WEIGHT_SLOT_NONE && weight_slot_names[slot].sure;
}

const char *weight_slot_word(WeightSlot slot) {
  const char *suffix = weight_slot_names[slot].suffix;
  return *suffix == '.' || *suffix == '_' ? suffix + 1 : "weight";
}

/* ---- Other names ---- */

/* The last component of a name. */
static const char *weight_name_last(const char *name, uint64_t length, uint64_t *size) {
  uint64_t start = length;
  while (start > 0 && name[start - 1] != '.') start--;
  *size = length - start;
  return name + start;
}

static bool weight_name_is_among(const char *name, uint64_t length, const char *const *names,
                                 size_t count) {
  for (size_t i = 0; i < count; i++) {
    if (strlen(names[i]) == length && memcmp(name, names[i], (size_t)length) == 0) return true;
  }
  return false;
}

#define WEIGHT_NAME_IS_AMONG(name, length, names) \
  weight_name_is_among(name, length, names, sizeof(names) / sizeof((names)[0]))

static bool weight_name_ends_with_any(const char *name, uint64_t length, const char *const *endings,
                                      size_t count) {
  for (size_t i = 0; i < count; i++) {
    if (weight_name_ends(name, length, endings[i], strlen(endings[i]))) return true;
  }
  return false;
}

bool weight_name_is_of_activation(const char *name, uint64_t length, Dtype dtype) {
  static const char *const names[] = {"input_scale",
                                      "output_scale",
                                      "input_global_scale",
                                      "output_global_scale",
                                      "scale_input",
                                      "scale_output",
                                      "k_scale",
                                      "v_scale",
                                      "kv_scale",
                                      "q_scale",
                                      "prob_scale",
                                      "input_scale_ub",
                                      "input_zero_point",
                                      "output_zero_point",
                                      "k_zero_point",
                                      "v_zero_point",
                                      "q_zero_point",
                                      "input_scale_inv",
                                      "activation_scale",
                                      "input_amax",
                                      "weight_amax",
                                      "output_amax",
                                      "k_global_scale",
                                      "v_global_scale"};
  static const char *const endings[] = {"_input_scale", "_input_global_scale"};
  uint64_t size;
  const char *last = weight_name_last(name, length, &size);
  if (dtype == DTYPE_I32 || dtype == DTYPE_U32) return false; /* exllamav2's q_scale */
  return WEIGHT_NAME_IS_AMONG(last, size, names) ||
         weight_name_ends_with_any(last, size, endings, sizeof endings / sizeof endings[0]);
}

bool weight_name_is_marker(const char *name, uint64_t length) {
  static const char *const names[] = {"scaled_fp8", "comfy_quant", "__index_timestep_zero__"};
  uint64_t size;
  const char *last = weight_name_last(name, length, &size);
  return WEIGHT_NAME_IS_AMONG(last, size, names);
}

bool weight_name_is_buffer(const char *name, uint64_t length) {
  static const char *const names[] = {"running_mean",
                                      "running_var",
                                      "num_batches_tracked",
                                      "position_ids",
                                      "token_type_ids",
                                      "inv_freq",
                                      "original_inv_freq",
                                      "freqs_cis",
                                      "masked_bias",
                                      "final_logits_bias",
                                      "e_score_correction_bias",
                                      "pe",
                                      "attn_mask",
                                      "causal_mask",
                                      "relative_position_index",
                                      "relative_coords_table",
                                      "betas",
                                      "alphas_cumprod",
                                      "alphas_cumprod_prev",
                                      "sqrt_alphas_cumprod",
                                      "sqrt_one_minus_alphas_cumprod",
                                      "log_one_minus_alphas_cumprod",
                                      "sqrt_recip_alphas_cumprod",
                                      "sqrt_recipm1_alphas_cumprod",
                                      "posterior_variance",
                                      "posterior_log_variance_clipped",
                                      "posterior_mean_coef1",
                                      "posterior_mean_coef2",
                                      "sigmas",
                                      "log_sigmas",
                                      "data_mean",
                                      "data_std"};
  static const char *const endings[] = {"pos_embed.pos_embed", "model_ema.decay",
                                        "model_ema.num_updates"};
  uint64_t size;
  const char *last = weight_name_last(name, length, &size);
  return WEIGHT_NAME_IS_AMONG(last, size, names) ||
         weight_name_ends_with_any(name, length, endings, sizeof endings / sizeof endings[0]);
}

bool weight_name_is_of_packing(const char *name, uint64_t length) {
  static const char *const words[] = {"scale", "zero", "absmax", "codebook"};
  uint64_t size;
  const char *last = weight_name_last(name, length, &size);
  for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
    if (size > 0 && memory_find(last, size, words[i], strlen(words[i])) != NULL) return true;
  }
  return false;
}
