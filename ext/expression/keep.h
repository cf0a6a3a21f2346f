/* Where the elements of a step are kept: in memory if they are few, else in a temporary file. */
#ifndef SAFETENSORS_EXPRESSION_KEEP_H
#define SAFETENSORS_EXPRESSION_KEEP_H

#include "model/source.h"

typedef struct Keep Keep;

/* Room for that many bytes. `in_memory` is how many may be in memory. NULL on an error. */
Keep *keep_new(uint64_t nbytes, uint64_t in_memory, Error *error);
void keep_free(Keep *keep); /* may be NULL */

/* Several threads may write, each its own bytes. */
bool keep_write(Keep *keep, const void *bytes, uint64_t size, uint64_t offset, Error *error);

/* The bytes as a source, valid as long as the keep, once all are written. */
Source keep_source(Keep *keep);

#endif
