/*
** What the environment says about the hub, as huggingface_hub 2.4 reads it (constants.py, utils/_auth.py):
**
**   HF_ENDPOINT                      https://huggingface.co
**   HF_TOKEN, HUGGING_FACE_HUB_TOKEN the token; else the file HF_TOKEN_PATH, else HF_HOME/token, where HF_HOME is
**                                    XDG_CACHE_HOME/huggingface, else ~/.cache/huggingface
**   HF_HUB_DISABLE_IMPLICIT_TOKEN    send no token
**   HF_HUB_OFFLINE                   ask nobody
**   HF_HUB_ETAG_TIMEOUT              seconds until a connection is there (10)
**   HF_HUB_DOWNLOAD_TIMEOUT          seconds without a byte (10)
**
** A switch is on if it is 1, ON, YES or TRUE, in letters of any case.
*/
#ifndef SAFETENSORS_MODEL_HUB_SETTINGS_H
#define SAFETENSORS_MODEL_HUB_SETTINGS_H

#include <stdbool.h>

#include "base/error.h"

typedef struct HubSettings {
  char *endpoint; /* without a slash at its end */
  bool trusted;   /* the user has named it, so it may be a machine with a private address */
  char *secret;   /* "Authorization: Bearer TOKEN", or NULL if there is no token */
  bool offline;
  long connect_seconds, stall_seconds;
} HubSettings;

/* Reads them. hub_settings_clear() releases them, also after an error. */
bool hub_settings_read(HubSettings *settings, Error *error);
void hub_settings_clear(HubSettings *settings);

#endif
