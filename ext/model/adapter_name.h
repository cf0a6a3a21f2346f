/*
** What the name of a tensor in an adapter's file says: which module it changes, and which part of the
** change it is. The namings are
**
**   PEFT       base_model.model.MODULE.lora_A.weight, with an adapter's name behind lora_A if several
**              were saved at once (peft 0.21, tuners/NAME/layer.py: adapter_layer_names)
**   diffusers  unet.MODULE.lora_A.weight, .lora.down.weight, .lora_linear_layer.down.weight; older
**              ATTENTION.processor.to_q_lora.down.weight (loaders/lora_conversion_utils.py)
**   kohya      lora_unet_MODULE_WITH_UNDERSCORES.lora_down.weight, .alpha, and LyCORIS's .hada_w1_a,
**              .lokr_w1, .diff, .diff_b, .dora_scale, .w_norm (LyCORIS 3, lycoris/modules)
**   XLabs      double_blocks.0.processor.qkv_lora1.down.weight
**   BFL        double_blocks.0.img_attn.qkv.lora_A.weight
**   ComfyUI    diffusion_model.MODULE.lora_A.weight
**
** What has none of these parts in its name is a tensor that was saved whole.
*/
#ifndef SAFETENSORS_MODEL_ADAPTER_NAME_H
#define SAFETENSORS_MODEL_ADAPTER_NAME_H

#include <stdbool.h>
#include <stdint.h>

/* What a tensor is to its module. The text is PEFT's name for it, whatever the naming. */
#define ADAPTER_ROLES(X)                              \
  X(LORA_A, "lora_A")                                 \
  X(LORA_B, "lora_B")                                 \
  X(LORA_B_BIAS, "lora_B.bias")                       \
  X(LORA_MID, "lora_mid")                             \
  X(LORA_E, "lora_E")                                 \
  X(LORA_EMBEDDING_A, "lora_embedding_A")             \
  X(LORA_EMBEDDING_B, "lora_embedding_B")             \
  X(LORA_MAGNITUDE, "lora_magnitude_vector")          \
  X(HADA_W1_A, "hada_w1_a")                           \
  X(HADA_W1_B, "hada_w1_b")                           \
  X(HADA_W2_A, "hada_w2_a")                           \
  X(HADA_W2_B, "hada_w2_b")                           \
  X(HADA_T1, "hada_t1")                               \
  X(HADA_T2, "hada_t2")                               \
  X(LOKR_W1, "lokr_w1")                               \
  X(LOKR_W1_A, "lokr_w1_a")                           \
  X(LOKR_W1_B, "lokr_w1_b")                           \
  X(LOKR_W2, "lokr_w2")                               \
  X(LOKR_W2_A, "lokr_w2_a")                           \
  X(LOKR_W2_B, "lokr_w2_b")                           \
  X(LOKR_T2, "lokr_t2")                               \
  X(OFT_R, "oft_R")                                   \
  X(OFT_EMBEDDING_R, "oft_embedding_R")               \
  X(BOFT_R, "boft_R")                                 \
  X(BOFT_S, "boft_s")                                 \
  X(IA3_L, "ia3_l")                                   \
  X(VERA_A, "vera_A")                                 \
  X(VERA_B, "vera_B")                                 \
  X(VERA_LAMBDA_B, "vera_lambda_b")                   \
  X(VERA_LAMBDA_D, "vera_lambda_d")                   \
  X(PVERA_A, "pvera_A")                               \
  X(PVERA_B, "pvera_B")                               \
  X(PVERA_LAMBDA_B, "pvera_lambda_b")                 \
  X(PVERA_LAMBDA_D, "pvera_lambda_d")                 \
  X(VBLORA_LOGITS_A, "vblora_logits_A")               \
  X(VBLORA_LOGITS_B, "vblora_logits_B")               \
  X(VBLORA_INDICES_A, "vblora_logits_A_topk_indices") \
  X(VBLORA_INDICES_B, "vblora_logits_B_topk_indices") \
  X(VBLORA_WEIGHTS_A, "vblora_logits_A_topk_weights") \
  X(VBLORA_WEIGHTS_B, "vblora_logits_B_topk_weights") \
  X(VBLORA_BANK, "vblora_vector_bank")                \
  X(FOURIERFT, "fourierft_spectrum")                  \
  X(HRA_U, "hra_u")                                   \
  X(MISS_BLOCK, "miss_block")                         \
  X(BONE_BLOCK, "bone_block")                         \
  X(RANDLORA_A, "randlora_A")                         \
  X(RANDLORA_B, "randlora_B")                         \
  X(RANDLORA_LAMBDA, "randlora_lambda")               \
  X(RANDLORA_GAMMA, "randlora_gamma")                 \
  X(SHIRA_WEIGHT, "shira_weight")                     \
  X(SHIRA_INDICES, "shira_indices")                   \
  X(C3A_KERNEL, "c3a_kernel")                         \
  X(HIRA_A, "hira_A")                                 \
  X(HIRA_B, "hira_B")                                 \
  X(HIRA_EMBEDDING_A, "hira_embedding_A")             \
  X(HIRA_EMBEDDING_B, "hira_embedding_B")             \
  X(DEFT_P, "deft_P")                                 \
  X(DEFT_R, "deft_R")                                 \
  X(DELORA_A, "delora_A")                             \
  X(DELORA_B, "delora_B")                             \
  X(DELORA_LAMBDA, "delora_lambda")                   \
  X(DELORA_NORM, "delora_w_norm")                     \
  X(GLORA_A_DOWN, "glora_A.Xd")                       \
  X(GLORA_A_UP, "glora_A.Xu")                         \
  X(GLORA_B_DOWN, "glora_B.Xd")                       \
  X(GLORA_B_UP, "glora_B.Xu")                         \
  X(GLORA_A_X, "glora_A.X")                           \
  X(GLORA_B_X, "glora_B.X")                           \
  X(GLORA_C_DOWN, "glora_C.Xd")                       \
  X(GLORA_C_UP, "glora_C.Xu")                         \
  X(GLORA_C_X, "glora_C.X")                           \
  X(GLORA_D_X, "glora_D.X")                           \
  X(GLORA_E_X, "glora_E.X")                           \
  X(GRALORA_A, "gralora_A")                           \
  X(GRALORA_B, "gralora_B")                           \
  X(GRALORA_A_GENERAL, "gralora_A_general")           \
  X(GRALORA_B_GENERAL, "gralora_B_general")           \
  X(ROAD_THETA, "road_theta")                         \
  X(ROAD_ALPHA, "road_alpha")                         \
  X(SUPERTUNING_A, "supertuning_lora_A")              \
  X(SUPERTUNING_B, "supertuning_lora_B")              \
  X(SUPERTUNING_VALUES, "supertuning_values")         \
  X(SUPERTUNING_INDICES, "supertuning_indices")       \
  X(TOKENS, "trainable_tokens_delta")                 \
  X(SAVED, "saved")       /* a whole tensor */        \
  X(CHANGE, "diff")       /* a change as it is */     \
  X(ALPHA, "alpha")       /* one number */            \
  X(ON_INPUT, "on_input") /* of LyCORIS's (IA)^3 */   \
  X(BASE_LAYER, "base_layer")                         \
  X(OTHER, "other") /* has a name of its own */

typedef enum AdapterRole {
#define X(name, text) ADAPTER_ROLE_##name,
  ADAPTER_ROLES(X)
#undef X
      ADAPTER_ROLE_COUNT
} AdapterRole;

/* Returns the role's text, a static string. */
const char *adapter_role_text(AdapterRole role);

/* The kinds. What the text of a kind's expression needs, and why some have none, is in
** adapter_kind.h. */
#define ADAPTER_KINDS(X)                    \
  X(LORA, "lora")                           \
  X(DORA, "dora")                           \
  X(ADALORA, "adalora")                     \
  X(LOHA, "loha")                           \
  X(LOKR, "lokr")                           \
  X(OFT, "oft")                             \
  X(BOFT, "boft")                           \
  X(IA3, "ia3")                             \
  X(VERA, "vera")                           \
  X(PVERA, "pvera")                         \
  X(VBLORA, "vblora")                       \
  X(FOURIERFT, "fourierft")                 \
  X(HRA, "hra")                             \
  X(MISS, "miss")                           \
  X(BONE, "bone")                           \
  X(RANDLORA, "randlora")                   \
  X(SHIRA, "shira")                         \
  X(C3A, "c3a")                             \
  X(HIRA, "hira")                           \
  X(DEFT, "deft")                           \
  X(DELORA, "delora")                       \
  X(GLORA, "glora")                         \
  X(GRALORA, "gralora")                     \
  X(ROAD, "road")                           \
  X(SUPERTUNING, "supertuning")             \
  X(TOKENS, "tokens")                       \
  X(FULL, "full")                           \
  X(DIFF, "diff")                           \
  X(PSOFT, "psoft")                         \
  X(UNILORA, "unilora")                     \
  X(TINYLORA, "tinylora")                   \
  X(WAVEFT, "waveft")                       \
  X(FROD, "frod")                           \
  X(LILY, "lily")                           \
  X(PEANUT, "peanut")                       \
  X(ADAMSS, "adamss")                       \
  X(OSF, "osf")                             \
  X(POLY, "poly")                           \
  X(SHADOW, "shadow")                       \
  X(BEFT, "beft")                           \
  X(LN_TUNING, "ln_tuning")                 \
  X(PROMPT, "prompt_tuning")                \
  X(PREFIX, "prefix_tuning")                \
  X(P_TUNING, "p_tuning")                   \
  X(MULTITASK, "multitask_prompt_tuning")   \
  X(CPT, "cpt")                             \
  X(CARTRIDGE, "cartridge")                 \
  X(ADAPTION_PROMPT, "adaption_prompt")     \
  X(XLORA, "xlora")                         \
  X(TEXTUAL_INVERSION, "textual_inversion") \
  X(CONTROL, "control")                     \
  X(IP_ADAPTER, "ip_adapter")               \
  X(UNKNOWN, "unknown")

typedef enum AdapterKind {
#define X(name, text) ADAPTER_KIND_##name,
  ADAPTER_KINDS(X)
#undef X
      ADAPTER_KIND_COUNT
} AdapterKind;

/* Returns the kind's text, a static string. */
const char *adapter_kind_text(AdapterKind kind);

/* How module and parts are written. */
typedef enum AdapterNaming {
  ADAPTER_NAMING_MODULES, /* the module's path with dots, perhaps behind a component */
  ADAPTER_NAMING_PEFT,    /* behind "base_model.model." */
  ADAPTER_NAMING_KOHYA    /* with underscores, behind "lora_unet_" or the like */
} AdapterNaming;

/* The texts are parts of the name, but for `renamed`, which is static. */
typedef struct AdapterName {
  AdapterNaming naming;
  AdapterKind kind; /* FULL if nothing in the name is a part of an adapter */
  AdapterRole role;
  bool is_shared;     /* it belongs to all modules of the file, and has no module */
  bool is_dora_scale; /* a lora_magnitude_vector as LyCORIS writes it */
  bool is_bias;       /* it is of the bias of the module */
  const char *module; /* without "base_model.model."; may be empty */
  uint64_t module_length;
  const char *renamed; /* to be appended to the module, "" or ".to_q" */
  const char *adapter; /* the adapter's name, if that is in the tensor's */
  uint64_t adapter_length;
  const char
      *parameter; /* the parameter of the module: weight, bias, gate_up_proj; of role OTHER the
                         ** part's name */
  uint64_t parameter_length;
} AdapterName;

/* The length of the first component of `parameter`, which stands for the module where that is empty. A whole
** tensor has one component. */
uint64_t adapter_name_word(const AdapterName *name);

/* Takes a tensor's name apart. */
void adapter_name_parse(const char *name, uint64_t length, AdapterName *out);

#endif
