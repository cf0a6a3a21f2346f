/*
** What is configured about an adapter: adapter_config.json beside its file, as PEFT writes it, and the
** metadata `lora_adapter_metadata` in the file, as diffusers writes it: one PEFT configuration for each
** component of a pipeline, with keys "unet.r", "text_encoder.lora_alpha".
**
** Both come from strangers. A configuration has at most 16 MB and 64 levels, is opened as a shard is
** (Settings.links), and names no file that is opened. One that cannot be read is not an error of the
** adapter, but a problem that the status of its rows mentions.
*/
#ifndef SAFETENSORS_MODEL_ADAPTER_CONFIG_H
#define SAFETENSORS_MODEL_ADAPTER_CONFIG_H

#include <jansson.h>

#include "base/name_pattern.h"
#include "model/checkpoint.h"

enum {
  ADAPTER_CONFIG_MAX_LENGTH = 16 << 20,
  ADAPTER_CONFIG_MAX_DEPTH = 64,
  ADAPTER_CONFIG_MAX_COMPONENTS = 16
};

/* A pattern for the names of modules, and what holds for those that match. */
typedef struct AdapterPattern {
  NamePattern *pattern; /* NULL for one that is outside the language */
  const char *problem;  /* then: why */
  const char *key;      /* of the JSON; ends with a NUL */
  double value;         /* NaN if it is not a number */
} AdapterPattern;

typedef struct AdapterPatterns {
  AdapterPattern *rows;
  uint64_t count, capacity, memory;
} AdapterPatterns;

/* The configuration of one component. */
typedef struct AdapterConfig {
  char *component; /* "" if it is for all modules */
  json_t *root;
  AdapterPatterns ranks, alphas; /* in the order of the file: the first that matches wins */
} AdapterConfig;

/* Those of one file. Starts as {0}. */
typedef struct AdapterConfigs {
  AdapterConfig rows[ADAPTER_CONFIG_MAX_COMPONENTS];
  uint32_t count;
  char *problem; /* why there is no configuration, although there is a text; else NULL */
  char *path;    /* of adapter_config.json, whether it exists or not; NULL for a BLOB */
  bool exists;
  bool is_shared;        /* it is that of the file before, and not loaded again */
  FileIdentity identity; /* of that file */
} AdapterConfigs;

/* Loads what is configured about a member, unless `before`, that of another member or NULL, is of the same
** adapter_config.json. adapter_configs_clear() releases it, also after an error.
** Returns false on an error that is not one of the configuration's text: memory, an interrupt, or that
** the file has changed since the statement saw it. */
bool adapter_configs_load(AdapterConfigs *configs, Session *session, const Member *member,
                          const AdapterConfigs *before, Error *error);

void adapter_configs_clear(AdapterConfigs *configs);

/* The configuration for a module, or NULL. Sets *component_length to the number of bytes with which the
** module's name begins with the component, including the dot. */
const AdapterConfig *adapter_configs_find(const AdapterConfigs *configs, const char *module,
                                          uint64_t length, uint64_t *component_length);

/* A member of the configuration, or NULL if there is none or it is null. Takes NULL. */
const json_t *adapter_config_get(const AdapterConfig *config, const char *key);

/* Returns whether it is a number, which *value is set to. */
bool adapter_config_number(const AdapterConfig *config, const char *key, double *value);
bool adapter_config_is_true(const AdapterConfig *config, const char *key);

/* Returns a string, or NULL. It belongs to the configuration. */
const char *adapter_config_text(const AdapterConfig *config, const char *key);

/* Finds the first pattern that matches the module's name, by PEFT's rule. NULL if there is none. A
** pattern outside the language may match or not, so it is returned, too. Adds to *steps, and gives up,
** with *exhausted set, when that is more than can be waited for. */
const AdapterPattern *adapter_patterns_find(const AdapterPatterns *patterns, const char *module,
                                            uint64_t length, uint64_t *steps, bool *exhausted);

#endif
