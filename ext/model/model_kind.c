#include "model/model_kind.h"

#include <string.h>

#include "base/memory.h"
#include "base/sqlite.h"
#include "model/adapter_name.h"

enum { MODEL_KIND_SAMPLE = 32 }; /* tensors that are looked at */

const char *model_kind_text(ModelKind kind) {
  static const char *const texts[] = {"unknown",   "model",     "adapter",
                                      "component", "embedding", "optimizer"};
  return texts[kind];
}

/* ---- Names of files ---- */

typedef struct ModelKindWord {
  const char *text;
  ModelKind kind;
} ModelKindWord;

ModelKind model_kind_of_file(const char *name) {
  /* torch and accelerate; PEFT, MLX and diffusers; diffusers; transformers, diffusers, Mistral, open_clip */
  static const ModelKindWord starts[] = {
      {"optimizer", MODEL_KIND_OPTIMIZER},
      {"adapter_model", MODEL_KIND_ADAPTER},
      {"adapters.safetensors", MODEL_KIND_ADAPTER},
      {"pytorch_lora_weights", MODEL_KIND_ADAPTER},
      {"learned_embeds", MODEL_KIND_EMBEDDING},
      {"model.", MODEL_KIND_MODEL},
      {"model-0", MODEL_KIND_MODEL},
      {"pytorch_model", MODEL_KIND_MODEL},
      {"diffusion_pytorch_model", MODEL_KIND_MODEL},
      {"consolidated", MODEL_KIND_MODEL},
      {"open_clip_model", MODEL_KIND_MODEL},
  };
  for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++) {
    if (strncmp(name, starts[i].text, strlen(starts[i].text)) == 0) return starts[i].kind;
  }
  return MODEL_KIND_UNKNOWN;
}

static bool model_kind_has(const char *text, uint64_t length, const char *part) {
  return memory_find(text, length, part, strlen(part)) != NULL;
}

ModelKind model_kind_of_words(const char *name) {
  static const ModelKindWord words[] = {
      {"%optimizer%", MODEL_KIND_OPTIMIZER}, {"%lora%", MODEL_KIND_ADAPTER},
      {"%lycoris%", MODEL_KIND_ADAPTER},     {"%locon%", MODEL_KIND_ADAPTER},
      {"%loha%", MODEL_KIND_ADAPTER},        {"%lokr%", MODEL_KIND_ADAPTER},
      {"%adapter%", MODEL_KIND_ADAPTER},     {"%textual%inversion%", MODEL_KIND_EMBEDDING},
      {"%embedding%", MODEL_KIND_EMBEDDING}, {"%model%", MODEL_KIND_MODEL},
  };
  ModelKind kind = model_kind_of_file(name);
  for (size_t i = 0; kind == MODEL_KIND_UNKNOWN && i < sizeof words / sizeof words[0]; i++) {
    if (sqlite3_strlike(words[i].text, name, 0) == 0) kind = words[i].kind;
  }
  return kind;
}

/* ---- Names of tensors ---- */

/* torch's, as accelerate and Megatron write them, and optax's. */
static bool model_kind_is_of_optimizer(const char *name, uint64_t length) {
  static const char *const parts[] = {"exp_avg",         "momentum_buffer", "optimizer.state",
                                      "optimizer_state", "opt_state",       "master_weights"};
  for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
    if (model_kind_has(name, length, parts[i])) return true;
  }
  return false;
}

/* A1111's, ComfyUI's and diffusers' names for a token's rows. */
static bool model_kind_is_of_embedding(const char *name, uint64_t length) {
  static const char *const names[] = {"emb_params", "clip_l", "clip_g", "t5xxl"};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    if (length == strlen(names[i]) && memcmp(name, names[i], (size_t)length) == 0) return true;
  }
  if (length > 2 && name[0] == '<' && name[length - 1] == '>') return true;
  return model_kind_has(name, length, "string_to_param");
}

/* Whether it is a parameter of a module: MODULE.weight, MODULE/kernel. */
static bool model_kind_is_of_module(const char *name, uint64_t length) {
  static const char *const ends[] = {"weight",         "bias",
                                     "kernel",         "scale",
                                     "embedding",      "gamma",
                                     "beta",           "qweight",
                                     "weight_scale",   "weight_packed",
                                     "scales",         "running_mean",
                                     "in_proj_weight", "weight_scale_inv",
                                     "pos_embed",      "cls_token"};
  uint64_t start = length;
  while (start > 0 && name[start - 1] != '.' && name[start - 1] != '/') start--;
  for (size_t i = 0; i < sizeof ends / sizeof ends[0] && start > 0; i++) {
    uint64_t size = strlen(ends[i]);
    if (length - start == size && memcmp(name + start, ends[i], (size_t)size) == 0) return true;
  }
  return false;
}

static bool model_kind_is_of_adapter(const char *name, uint64_t length) {
  AdapterName parsed;
  adapter_name_parse(name, length, &parsed);
  return parsed.kind != ADAPTER_KIND_FULL || parsed.naming != ADAPTER_NAMING_MODULES;
}

ModelKind model_kind_of_header(const Header *header) {
  uint32_t count = header->tensor_count, sample = MODEL_KIND_SAMPLE;
  uint32_t optimizer = 0, embedding = 0, adapter = 0, module = 0;
  if (sample > count) sample = count;
  for (uint32_t i = 0; i < sample; i++) {
    const TensorEntry *entry = &header->tensors[(uint64_t)i * count / sample];
    const char *name = header->text + entry->name.offset;
    uint64_t length = entry->name.length;
    optimizer += model_kind_is_of_optimizer(name, length);
    embedding += model_kind_is_of_embedding(name, length);
    adapter += model_kind_is_of_adapter(name, length);
    module += model_kind_is_of_module(name, length);
  }
  if (sample == 0) return MODEL_KIND_UNKNOWN;
  if (optimizer * 4 >= sample) return MODEL_KIND_OPTIMIZER;
  if (embedding == sample) return MODEL_KIND_EMBEDDING;
  if (adapter * 2 >= sample) return MODEL_KIND_ADAPTER;
  return module > 0 ? MODEL_KIND_MODEL : MODEL_KIND_UNKNOWN;
}
