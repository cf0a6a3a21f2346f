/* Parses the addresses of a hub: hf://... and https://huggingface.co/... */
#ifndef SAFETENSORS_MODEL_HUB_ADDRESS_H
#define SAFETENSORS_MODEL_HUB_ADDRESS_H

#include "base/error.h"

#define HUB_PREFIX "hf://"

/* An interpretation of an address. All texts are NUL-terminated. `revision` is "main" if none is
** given, and `file` is "" if there is none. */
typedef struct HubPlace {
  char *name; /* "ORG/NAME" or "NAME" */
  char *revision, *file;
} HubPlace;

typedef struct HubAddress {
  const char *kind; /* "models", "datasets", "spaces" or "kernels" */
  HubPlace places[2];
  int count; /* of places; the first that is in the cache is the one that is meant */
} HubAddress;

bool hub_is_web_address(const char *path);

/* Parses an address. hub_address_clear() releases the result, also after an error. */
bool hub_address_parse(const char *path, HubAddress *address, Error *error);

void hub_address_clear(HubAddress *address);

/* The kinds of repositories by number, beginning with "models". NULL after the last. */
const char *hub_address_kind(int number);

#endif
