/*
** What the name of a tensor says about packed weights: of which module it is a part, and which
** part; and whether it is a buffer or a marker.
**
** The module of "layers.0.q_proj.weight_scale" is "layers.0.q_proj". If the weight of a module is
** called something other than "weight", as "experts.down_proj", its whole name is the module, and
** "experts.down_proj_scale" is a part of it.
*/
#ifndef SAFETENSORS_MODEL_WEIGHT_NAMES_H
#define SAFETENSORS_MODEL_WEIGHT_NAMES_H

#include <stdbool.h>
#include <stdint.h>

#include "format/dtype.h"

/* The families of schemes that name their parts alike. The parts of a module are those of one. */
typedef enum WeightFamily {
  WEIGHT_FAMILY_SCALED, /* a weight and its scales */
  WEIGHT_FAMILY_PACKED, /* compressed-tensors */
  WEIGHT_FAMILY_GPTQ,   /* GPTQ, AWQ */
  WEIGHT_FAMILY_BNB4,
  WEIGHT_FAMILY_BNB8,
  WEIGHT_FAMILY_BLOCKS, /* gpt-oss */
  WEIGHT_FAMILY_HQQ,
  WEIGHT_FAMILY_QUANTO,
  WEIGHT_FAMILY_TORCHAO,
  WEIGHT_FAMILY_MLX,
  WEIGHT_FAMILY_EXL2,
  WEIGHT_FAMILY_EXL3,
  WEIGHT_FAMILY_AQLM,
  WEIGHT_FAMILY_SVDQUANT,
  WEIGHT_FAMILY_EETQ,
  WEIGHT_FAMILY_HIGGS,
  WEIGHT_FAMILY_COUNT
} WeightFamily;

/* X(identifier, suffix, families, sure): the parts. A suffix with a dot can also be a whole name.
** `sure` means that no other tensor is called so, so that it is left over if its weight is not
** there. The names are those of: compressed-tensors (compressors/), modelopt (export/),
** transformers (integrations/), ComfyUI (comfy/ops.py), AutoGPTQ and GPTQModel (nn_modules/qlinear),
** AutoAWQ (modules/linear), bitsandbytes (functional.py, QuantState.as_dict), HQQ (core/quantize.py),
** optimum-quanto (tensor/), torchao (prototype/safetensors), MLX (nn/layers/quantized.py),
** exllamav2, exllamav3, AQLM, nunchaku, EETQ. */
#define WEIGHT_SLOTS(X)                                                  \
  X(WEIGHT, ".weight", SCALED | BNB4 | BNB8 | MLX | EETQ | HIGGS, false) \
  X(BARE, "", SCALED | BNB4, false)                                      \
  X(WEIGHT_SCALE, ".weight_scale", SCALED | PACKED, true)                \
  X(BARE_WEIGHT_SCALE, "_weight_scale", SCALED, false)                   \
  X(BARE_SCALE, "_scale", SCALED, false)                                 \
  X(WEIGHT_SCALE_INV, ".weight_scale_inv", SCALED, true)                 \
  X(BARE_SCALE_INV, "_scale_inv", SCALED, false)                         \
  X(BARE_WEIGHT_SCALE_INV, "_weight_scale_inv", SCALED, false)           \
  X(SCALE_WEIGHT, ".scale_weight", SCALED, true)                         \
  X(COMFY_QUANT, ".comfy_quant", SCALED, false)                          \
  X(WEIGHT_ZERO_POINT, ".weight_zero_point", SCALED | PACKED, true)      \
  X(WEIGHT_SCALE_2, ".weight_scale_2", SCALED | PACKED, true)            \
  X(BARE_WEIGHT_SCALE_2, "_weight_scale_2", SCALED, false)               \
  X(WEIGHT_GLOBAL_SCALE, ".weight_global_scale", SCALED | PACKED, true)  \
  X(SCALE, ".scale", SCALED | HQQ, false)                                \
  X(WEIGHT_PACKED, ".weight_packed", PACKED, true)                       \
  X(WEIGHT_SHAPE, ".weight_shape", PACKED, true)                         \
  X(WEIGHT_G_IDX, ".weight_g_idx", PACKED, true)                         \
  X(SCALE_PACKED, ".scale_packed", PACKED, true)                         \
  X(META, ".meta", PACKED, false)                                        \
  X(QWEIGHT, ".qweight", GPTQ | SVDQUANT | EETQ, true)                   \
  X(QZEROS, ".qzeros", GPTQ, true)                                       \
  X(SCALES, ".scales", GPTQ | MLX | AQLM | HIGGS, true)                  \
  X(G_IDX, ".g_idx", GPTQ, true)                                         \
  X(ABSMAX, ".absmax", BNB4, true)                                       \
  X(QUANT_MAP, ".quant_map", BNB4, true)                                 \
  X(NESTED_ABSMAX, ".nested_absmax", BNB4, true)                         \
  X(NESTED_QUANT_MAP, ".nested_quant_map", BNB4, true)                   \
  X(QUANT_STATE_NF4, ".quant_state.bitsandbytes__nf4", BNB4, true)       \
  X(QUANT_STATE_FP4, ".quant_state.bitsandbytes__fp4", BNB4, true)       \
  X(SCB, ".SCB", BNB8, true)                                             \
  X(WEIGHT_FORMAT, ".weight_format", BNB8, true)                         \
  X(BLOCKS, "_blocks", BLOCKS, false)                                    \
  X(BLOCK_SCALES, "_scales", BLOCKS, false)                              \
  X(W_Q, ".W_q", HQQ, true)                                              \
  X(ZERO, ".zero", HQQ, false)                                           \
  X(NBITS, ".nbits", HQQ, false)                                         \
  X(GROUP_SIZE, ".group_size", HQQ, false)                               \
  X(AXIS, ".axis", HQQ, false)                                           \
  X(PACKING, ".packing", HQQ, false)                                     \
  X(SHAPE, ".shape", HQQ, false)                                         \
  X(CHANNEL_WISE, ".channel_wise", HQQ, false)                           \
  X(COMPUTE_DTYPE, ".compute_dtype", HQQ, false)                         \
  X(ENCODED_STATE_DICT, ".encoded_state_dict", HQQ, true)                \
  X(OFFLOAD_META, ".offload_meta", HQQ, true)                            \
  X(OPTIMIZE, ".optimize", HQQ, false)                                   \
  X(QUANT_SCALE, ".quant_scale", HQQ, false)                             \
  X(QUANT_ZERO, ".quant_zero", HQQ, false)                               \
  X(ROUND_ZERO, ".round_zero", HQQ, false)                               \
  X(STORES_QUANT_CONFIG, ".stores_quant_config", HQQ, true)              \
  X(UNPACK_VIEW_DTYPE, ".unpack_view_dtype", HQQ, true)                  \
  X(VIEW_AS_FLOAT, ".view_as_float", HQQ, false)                         \
  X(META_OFFLOADED, ".meta_offloaded", HQQ, false)                       \
  X(DATA, "._data", QUANTO, true)                                        \
  X(DATA_DATA, "._data._data", QUANTO, true)                             \
  X(DATA_SCALE, "._scale", QUANTO, true)                                 \
  X(DATA_SHIFT, "._shift", QUANTO, true)                                 \
  X(QDATA, "._weight_qdata", TORCHAO, true)                              \
  X(QDATA_SCALE, "._weight_scale", TORCHAO, true)                        \
  X(QDATA_ZERO_POINT, "._weight_zero_point", TORCHAO, true)              \
  X(QDATA_TENSOR_SCALE, "._weight_per_tensor_scale", TORCHAO, true)      \
  X(QDATA_SCALE_AND_ZERO, "._weight_scale_and_zero", TORCHAO, true)      \
  X(QDATA_PRE_SCALE, "._weight_act_pre_scale", TORCHAO, true)            \
  X(BIASES, ".biases", MLX, false)                                       \
  X(Q_WEIGHT, ".q_weight", EXL2, true)                                   \
  X(Q_GROUPS, ".q_groups", EXL2, true)                                   \
  X(Q_INVPERM, ".q_invperm", EXL2, true)                                 \
  X(Q_PERM, ".q_perm", EXL2, true)                                       \
  X(Q_SCALE, ".q_scale", EXL2, false)                                    \
  X(Q_SCALE_MAX, ".q_scale_max", EXL2, true)                             \
  X(Q_GROUP_MAP, ".q_group_map", EXL2, true)                             \
  X(TRELLIS, ".trellis", EXL3, true)                                     \
  X(SUH, ".suh", EXL3, true)                                             \
  X(SVH, ".svh", EXL3, true)                                             \
  X(SU, ".su", EXL3, false)                                              \
  X(SV, ".sv", EXL3, false)                                              \
  X(MCG, ".mcg", EXL3, false)                                            \
  X(MUL1, ".mul1", EXL3, false)                                          \
  X(CODES, ".codes", AQLM, false)                                        \
  X(CODEBOOKS, ".codebooks", AQLM, true)                                 \
  X(WSCALES, ".wscales", SVDQUANT, true)                                 \
  X(WZEROS, ".wzeros", SVDQUANT, true)                                   \
  X(WTSCALE, ".wtscale", SVDQUANT, true)                                 \
  X(WCSCALES, ".wcscales", SVDQUANT, true)                               \
  X(SMOOTH, ".smooth", SVDQUANT, false)                                  \
  X(SMOOTH_ORIG, ".smooth_orig", SVDQUANT, false)                        \
  X(SMOOTH_FACTOR, ".smooth_factor", SVDQUANT, false)                    \
  X(SMOOTH_FACTOR_ORIG, ".smooth_factor_orig", SVDQUANT, false)          \
  X(LORA_DOWN, ".lora_down", SVDQUANT, false)                            \
  X(LORA_UP, ".lora_up", SVDQUANT, false)                                \
  X(PROJ_DOWN, ".proj_down", SVDQUANT, false)                            \
  X(PROJ_UP, ".proj_up", SVDQUANT, false)                                \
  X(WEIGHT_SCALES, ".weight_scales", EETQ, true)                         \
  X(TABLES, ".tables", HIGGS, false)                                     \
  X(TABLES2, ".tables2", HIGGS, true)

typedef enum WeightSlot {
#define X(id, suffix, families, sure) WEIGHT_SLOT_##id,
  WEIGHT_SLOTS(X)
#undef X
      WEIGHT_SLOT_COUNT,
  WEIGHT_SLOT_NONE = WEIGHT_SLOT_COUNT
} WeightSlot;

/* The part that a name makes a tensor, and the length of its module's name, which is the beginning
** of the name. WEIGHT_SLOT_NONE for any other name, whose module would be the whole name. */
WeightSlot weight_name_slot(const char *name, uint64_t length, uint64_t *module_length);

/* Whether a tensor of that slot is a part of weights of that family. */
bool weight_slot_is_of(WeightSlot slot, WeightFamily family);

/* The bits of its families, 1 << WeightFamily. */
uint32_t weight_slot_families(WeightSlot slot);

/* Whether nothing but a part of a packed weight is called so. */
bool weight_slot_is_sure(WeightSlot slot);

/* What messages call the part: its suffix without the first dot. */
const char *weight_slot_word(WeightSlot slot);

/* Whether it is a number about activations or caches, which takes no part in a weight. */
bool weight_name_is_of_activation(const char *name, uint64_t length, Dtype dtype);

/* Whether it marks other tensors as packed, and has no meaning of its own. */
bool weight_name_is_marker(const char *name, uint64_t length);

/* Whether models keep it beside their parameters: running averages of normalisation, positions,
** masks, frequencies, noise schedules. */
bool weight_name_is_buffer(const char *name, uint64_t length);

/* Whether its last component is that of a scale, zero point or code book. */
bool weight_name_is_of_packing(const char *name, uint64_t length);

#endif
