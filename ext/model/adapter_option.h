/*
** The options of a module's expression: what is configured about its kind, by PEFT's names, and what
** the shapes of its parts and of the base say.
*/
#ifndef SAFETENSORS_MODEL_ADAPTER_OPTION_H
#define SAFETENSORS_MODEL_ADAPTER_OPTION_H

#include "model/adapter_group.h"
#include "model/adapter_scale.h"

/* Appends a member of a JSON object: a number, or a text that is JSON. */
void adapter_option_number(sqlite3_str *options, const char *name, double value);
void adapter_option_json(sqlite3_str *options, const char *name, const char *json);

/* Appends what is configured. What a kind needs and nothing says, or is of another type, is appended to
** `status`, and the result is false. */
bool adapter_option_append(sqlite3_str *options, AdapterKind kind, const AdapterGroup *group,
                           const AdapterConfig *config, const char *module, uint64_t module_length,
                           sqlite3_str *status);

/* Whether a module of MiSS or Bone is of the variant "bat", which needs the base. */
bool adapter_option_is_bat(const AdapterGroup *group, const AdapterConfig *config);

/* Why a configuration keeps a module's change from being what its parts say, or NULL: the base was
** changed first, or the change depends on the input. Appends it to `status`; false if there is such a
** reason. */
bool adapter_option_allows(AdapterKind kind, const AdapterConfig *config, sqlite3_str *status);

#endif
