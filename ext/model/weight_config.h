/*
** What the configuration files beside a model say about its packed weights. The files are those of
** the tools that pack: config.json (transformers' quantization_config, MLX's quantization),
** hf_quant_config.json (modelopt), quantize_config.json (AutoGPTQ, GPTQModel), quant_config.json
** (AutoAWQ), quanto_qmap.json and quantization_map.json (optimum-quanto).
**
** They are read as config_file.h says. A file that cannot be read is as if it were absent; `problem`
** says why.
*/
#ifndef SAFETENSORS_MODEL_WEIGHT_CONFIG_H
#define SAFETENSORS_MODEL_WEIGHT_CONFIG_H

#include <jansson.h>

#include "format/dtype.h"
#include "model/session.h"

enum {
  WEIGHT_CONFIG_FILES = 6, /* the files named above */
  WEIGHT_CONFIG_MAX_GROUPS = 8
};

/* What a configuration says that holds for all weights of a model. Numbers are 0 if it does not say
** them, and texts NULL; they belong to the WeightConfigs. */
typedef struct WeightConfig {
  json_t *files[WEIGHT_CONFIG_FILES];
  char *problem;              /* what is wrong with a file; else NULL */
  const json_t *quantization; /* the object that announces packed weights; NULL if none does */
  const char *source;         /* its file */
  const char *method;         /* the tool: "gptq", "compressed-tensors", "mlx", ... */
  Dtype dtype;                /* that the model computes in; DTYPE_COUNT if unknown */

  int64_t bits, group_size; /* group_size is -1 for whole rows */
  uint64_t block[2];        /* of a scale */
  const char *format;       /* GPTQ's checkpoint_format, AWQ's version, MLX's mode */
  const char *algorithm;    /* modelopt's quant_algo, bitsandbytes' bnb_4bit_quant_type */
  bool sorts_columns;       /* GPTQ's desc_act */
  bool has_exceptions;      /* some modules are packed otherwise */
  bool has_only_blocks;     /* all packed weights have scales for blocks */

  /* compressed-tensors, and those who write like it: over all its groups of modules */
  uint32_t integer_bits, float_bits; /* bit b is set if there is a group of b bits */
  int64_t group_sizes[WEIGHT_CONFIG_MAX_GROUPS];
  uint32_t group_size_count;
  bool has_symmetric, has_asymmetric; /* there are groups without and with zero points */
  bool has_group_index;               /* there are groups with a g_idx */
  bool has_floats;                    /* weights of 8-bit floats are announced */
  bool has_only_exponents;            /* all scales are powers of two, in a byte */
} WeightConfig;

/* Which state a file was in when it was looked for. */
typedef struct WeightConfigFile {
  char *path;
  FileIdentity identity; /* all zero if it was not there */
  bool recent;           /* another write might not change its times */
  uint64_t looked_at;    /* the period of the session */
} WeightConfigFile;

/* The configurations that were looked for. Starts as {0}; weight_configs_clear() releases it. */
typedef struct WeightConfigs {
  WeightConfigFile *files;
  uint64_t file_count, file_size;
  char *directory; /* the one that `config` is from */
  WeightConfig config;
} WeightConfigs;

/* Sets *config to the configuration in a directory, "" for the current one. It is valid until the
** next call. Returns false, with an error, if memory runs out. */
bool weight_configs_read(WeightConfigs *configs, Session *session, const char *directory,
                         const WeightConfig **config, Error *error);

/* Whether all files are in the states in which they were. */
bool weight_configs_are_current(const WeightConfigs *configs, Session *session);

/* Releases what was read, and keeps the states. */
void weight_configs_forget(WeightConfigs *configs);
void weight_configs_clear(WeightConfigs *configs);

/* Whether the method is this one. */
bool weight_config_is(const WeightConfig *config, const char *method);

/* What MLX's configuration says about a module by itself: an object, false, or NULL. */
const json_t *weight_config_mlx_module(const WeightConfig *config, const char *module);

/* The type of a module's weights in a map of optimum-quanto, as "qint4"; NULL if there is none. */
const char *weight_config_quanto_type(const WeightConfig *config, const char *module);

/* A number of the model itself, such as "hidden_size"; 0 if there is none. */
uint64_t weight_config_model_size(const WeightConfig *config, const char *key);

#endif
