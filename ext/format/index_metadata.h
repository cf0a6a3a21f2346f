/* The "metadata" of an index, which a new index of the model keeps. */
#ifndef SAFETENSORS_FORMAT_INDEX_METADATA_H
#define SAFETENSORS_FORMAT_INDEX_METADATA_H

#include "format/index.h"

/* Returns the members of "metadata" except "total_size" as they are written in the file: JSON text
** without braces, or "" if there are none. The index must be valid. memory_free() releases the
** text. Returns NULL on error. */
char *index_metadata(const IndexInput *input, Cancel *cancel, Error *error);

#endif
