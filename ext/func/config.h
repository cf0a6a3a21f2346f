/* The settings of a connection, from the environment. safetensors_config() changes them later. */
#ifndef SAFETENSORS_FUNC_CONFIG_H
#define SAFETENSORS_FUNC_CONFIG_H

#include "format/store.h"

/* SAFETENSORS_IO=map|pread and SAFETENSORS_PROGRESS=0|1; empty counts as not there. */
bool config_from_environment(Store *store, Error *error);

#endif
