/*
** Rank, alpha and scale of a module. PEFT: rank_pattern or r, alpha_pattern or lora_alpha, by the module's
** name without "base_model.model."; scale = alpha / r, or alpha / sqrt(r) with use_rslora (peft 0.21,
** tuners/lora/layer.py: update_layer); AdaLoRA alpha / (r + 1e-5) (tuners/adalora/layer.py); GraLoRA
** alpha / (r + hybrid_r). kohya and LyCORIS: a tensor `alpha`, scale = alpha / r (networks/lora.py).
** Without any alpha, scale is 1.
*/
#ifndef SAFETENSORS_MODEL_ADAPTER_SCALE_H
#define SAFETENSORS_MODEL_ADAPTER_SCALE_H

#include "model/adapter_config.h"
#include "model/adapter_kind.h"

typedef struct AdapterScaling {
  /* what is known before */
  AdapterKind kind;
  const AdapterConfig *config; /* NULL if there is none */
  const char *module;          /* without the component */
  uint64_t module_length;
  bool has_tensor,
      has_default; /* there is a tensor `alpha`; the metadata has one for all modules */
  double tensor, default_alpha;
  uint64_t found; /* the rank that the parts have; 0 if they don't say */
  bool is_stack;  /* the parts may be those of several experts, one after the other */

  /* what is found */
  uint64_t rank;    /* 0 if unknown */
  uint64_t experts; /* 0 if it is no stack */
  bool has_alpha, has_scale;
  double alpha, scale;
  bool fails; /* the scale is unknown, and `status` says why */
} AdapterScaling;

/* Finds them. Adds to *steps, the work that patterns have taken. */
void adapter_scale_find(AdapterScaling *scaling, uint64_t *steps, sqlite3_str *status);

#endif
