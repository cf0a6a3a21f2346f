/* Converts the JSON text of an object of strings, as users write metadata, to its normal form in
** one pass. */
#ifndef SAFETENSORS_FORMAT_METADATA_JSON_H
#define SAFETENSORS_FORMAT_METADATA_JSON_H

#include "base/cancel.h"
#include "base/sqlite.h"

/* Appends the object to `out`, with its keys in their order. *taken is set if the text is such an
** object and has each key once; otherwise nothing is appended, and *at is the offset of the fault.
** Returns false with an error if memory runs out or `cancel` says so. */
bool metadata_json_append(sqlite3_str *out, const char *json, uint64_t length, bool *taken,
                          uint64_t *at, Cancel *cancel, Error *error);

#endif
