/* The settings of a connection, as the environment sets them. safetensors_config() can change
** them. */
#ifndef SAFETENSORS_FUNC_CONFIG_H
#define SAFETENSORS_FUNC_CONFIG_H

#include "model/session.h"

/* Reads SAFETENSORS_IO=map|pread, SAFETENSORS_PROGRESS=0|1, SAFETENSORS_LINKS=follow|within,
** SAFETENSORS_ERRORS=stop|skip, SAFETENSORS_WRITING=on|off and SAFETENSORS_LOCKED=off|on. An empty
** variable counts as unset. Returns false, with an error, for any other value. */
bool config_from_environment(Session *session, Error *error);

#endif
