/*
** "delta": what an adapter changes about a weight: W' - W, where W is the base model's weight and W'
** that of the merged model. The result is F32, laid out as the weight is stored.
**
** A role is PEFT's name of the parameter, without the module's name before it and ".weight" behind it,
** whatever the file calls it (lora_down is lora_A, lora_up lora_B, dora_scale lora_magnitude_vector).
** An option means what it means in PEFT's config, resolved for the module. ? = may be absent; what holds
** for an absent option is in brackets.
**
** In all kinds:
**   base?   part: the weight as stored. Where it is not needed it only tells the shape
**   shape?  option [..]: the weight's shape as stored, where neither base nor the other parts tell it
**   fan_in_fan_out [false]  option of the kinds marked F: the weight is stored as [in, out], not
**           [out, in] (GPT-2's Conv1D)
** A convolution's weight [out, in, k..] counts as a matrix [out, in * k..].
**
** lora F      lora_A [r, in, k..], lora_B [out, r, 1..], lora_mid? [r, r, k..]
**             : scale [1]
**             or of experts in one tensor (target_parameters): lora_A [E * r, in], lora_B [out, E * r]
**             : scale [1], experts (E), transposed [false]: the result is [E, in, out], not [E, out, in]
**             or lora_embedding_A [r, vocab], lora_embedding_B [dim, r]; the result is [vocab, dim]
**             : scale [1]
** dora F      as lora, lora_magnitude_vector, base
**             : scale [1], axis: the dimension of the stored weight along which the magnitudes lie [0; 1
**               with fan_in_fan_out, or for an embedding]
** adalora F   lora_A [r, in, k..], lora_B [out, r, 1..], lora_E [r, 1]
**             : scale [1], which is alpha / (r + 1e-5)
** loha        hada_w1_a, hada_w1_b, hada_w2_a, hada_w2_b, hada_t1?, hada_t2? [r, r, k..],
**             lora_magnitude_vector? (with base, as dora)
**             : scale [1], axis [0]
** lokr        lokr_w1 | lokr_w1_a, lokr_w1_b;  lokr_w2 | lokr_w2_a, lokr_w2_b, lokr_t2?;
**             lora_magnitude_vector? (with base, as dora)
**             : scale [1], axis [0], trailing [false]: to a lokr_w2 of three dimensions lokr_w1 gets its
**               third one behind, as in LyCORIS, not in front, as in PEFT
** full        saved, base: a module that is saved whole, or a bias
** diff        diff: added as it is (kohya's .diff, .diff_b, w_norm, b_norm; lora_B.bias; beft_bias)
**             : scale [1]
** tokens      trainable_tokens_delta [n, dim], base [vocab, dim]: rows that are replaced
**             : indices [..], n of them
** ia3 F       ia3_l, base: a weight, or its bias
**             : feedforward [false] and groups [1], for convolutions; offset [false]: 1 is to be added to
**               the numbers, as in LyCORIS
** vera F      vera_A [r, in or more], vera_B [out or more, r], vera_lambda_b [out], vera_lambda_d [r]
**             : shape, unless vera_A is for this module alone
** pvera F     pvera_A [2 r, in or more], pvera_B [out or more, r], pvera_lambda_b [out],
**             pvera_lambda_d [2 r]
**             : shape, as vera
** vblora F    vblora_vector_bank, and for X of A and B: vblora_logits_X |
**             vblora_logits_X_topk_indices, vblora_logits_X_topk_weights
**             : topk [2]
** randlora F  randlora_A [r, 1, ..], randlora_B [.., bases, r], randlora_lambda [r, bases],
**             randlora_gamma [bases, min(in, out)]
**             : scale [1], shape
** fourierft F fourierft_spectrum [n]
**             : scaling [150], random_loc_seed [777], shape
** c3a         c3a_kernel [m, n, b]
** oft         oft_R [blocks, b (b - 1) / 2] (one block: for all), of an embedding oft_embedding_R;  base
**             : use_cayley_neumann [true], num_cayley_neumann_terms [5], coft [false], eps [6e-5]
** boft        boft_R [factors, blocks, b, b], boft_s?, base
** hra         hra_u [in, r], base
**             : apply_GS [false]
** miss, bone  miss_block or bone_block [r, out]; mini: [r, mini_r]; bat: [out / r, r, r], with base
**             : variant ["standard" | "bat" | "mini"], shape for the other two
** shira       shira_weight [n], shira_indices [2, n]
**             : scale [1], shape
** supertuning supertuning_values [n], supertuning_indices [n], of the flat weight,
**             supertuning_lora_A? [r, in], supertuning_lora_B? [out, r]
**             : scale [1] of the two factors, shape, unless these tell it
** road        road_theta, road_alpha, base: a weight, or its bias
**             : variant ["road_1" | "road_2" | "road_4"], group_size [64]
** hira F      hira_A, hira_B, as lora's, or hira_embedding_A, hira_embedding_B;  base
** deft F      deft_P [out, r], deft_R? [r, in] (absent with para), base
**             : scale [1], decomposition_method ["relu" | "qr"]
** delora      delora_A [r, in], delora_B [out, r], delora_lambda [1], delora_w_norm [in]
** glora       base, and for X of A and B: glora_X.Xd, glora_X.Xu | glora_X.X | nothing
** glora_bias  base: the bias;  weight: the base's, for C;  glora_C.Xd, glora_C.Xu | glora_C.X | nothing,
**             glora_D.X?, glora_E.X?
** gralora F   gralora_A [k, in / k, r], gralora_B [k, r, out / k], gralora_A_general? [h, in],
**             gralora_B_general? [out, h]
**             : scale [1], which is alpha / (r + h)
**
** Sources: PEFT 0.21.2, get_delta_weight() and merge() in peft/tuners/KIND/layer.py (dora: lora/
** variants.py; tokens: trainable_tokens; loha, lokr also lycoris_utils.py; bone: PEFT 0.14). lora_mid,
** trailing and offset are LyCORIS's (modules/locon.py, functional/lokr.py, modules/ia3.py).
*/
#ifndef SAFETENSORS_EXPRESSION_PLAN_DELTA_H
#define SAFETENSORS_EXPRESSION_PLAN_DELTA_H

#include "expression/formula.h"

/* Adds the steps of one kind. Returns its result, or FORMULA_NONE with an error. */
typedef uint32_t Delta(Formula *formula);

Delta delta_lora, delta_dora, delta_adalora, delta_loha, delta_lokr; /* plan_delta_lora.c */
Delta delta_oft, delta_boft, delta_hra, delta_road;                  /* plan_delta_rotation.c */
Delta delta_vera, delta_pvera, delta_vblora, delta_randlora;         /* plan_delta_shared.c */
Delta delta_gralora, delta_fourierft, delta_c3a, delta_miss, delta_bone, delta_shira,
    delta_supertuning; /* plan_delta_pattern.c */
Delta delta_ia3, delta_hira, delta_deft, delta_delora, delta_glora,
    delta_glora_bias; /* plan_delta_weight.c */

/* ---- What kinds share ---- */

/* The shape of the weight as it is stored: option shape, else that of base. False if there is neither, or
** after an error. */
bool delta_shape(Formula *formula, FormulaShape *shape);

/* The rows and columns of the weight as [out, in * k..]; false if they are not known. */
bool delta_sizes(Formula *formula, uint64_t *out, uint64_t *in);

/* Option fan_in_fan_out: the weight is stored as [in, out]. */
bool delta_is_turned(Formula *formula);

/* A step, or a part, as two dimensions: the first, and the product of all others. */
uint32_t delta_as_matrix(Formula *formula, uint32_t step);
uint32_t delta_matrix(Formula *formula, const char *role);

/* A part of `count` elements as [rows, columns]; one of both is 1, or all are. */
uint32_t delta_vector(Formula *formula, const char *role, uint64_t rows, uint64_t columns);

/* base as [out, in * k..], also if it is stored as [in, out]. */
uint32_t delta_base(Formula *formula);

/* b a, of [out, r] and [r, in], laid out as the weight is stored. */
uint32_t delta_product(Formula *formula, uint32_t b, uint32_t a);

/* Times option scale, or what another step is times a number. */
uint32_t delta_scaled(Formula *formula, uint32_t delta);
uint32_t delta_times(Formula *formula, uint32_t step, double factor);

/* lora's product, or that of other names, without the scale: of convolutions in the shape that the factors have. */
uint32_t delta_factors(Formula *formula, const char *role_a, const char *role_b);

/* The change in the shape of the weight, if that is known: an error if it does not have it. */
uint32_t delta_fit(Formula *formula, uint32_t delta);

/* Memory of the graph for `count` indices; NULL after an error. */
int64_t *delta_indices(Formula *formula, uint64_t count);

#endif
