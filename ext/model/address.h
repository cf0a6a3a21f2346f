/* Addresses of the network and of object stores, given in place of a path: "https://...",
** "s3://...". */
#ifndef SAFETENSORS_MODEL_ADDRESS_H
#define SAFETENSORS_MODEL_ADDRESS_H

#include "base/error.h"

/* Whether the text starts like an address: SCHEME:// or file:/. */
bool address_is(const char *path);

/* Raises an error that says what to do instead of using this address. Returns false. */
bool address_refuse(const char *path, Error *error);

/* Decodes %XX in place, except for %00. */
void address_decode(char *text);

#endif
