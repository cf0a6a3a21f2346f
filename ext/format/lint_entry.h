/* The check of a tensor's entry, {"dtype": ..., "shape": [...], "data_offsets": [begin, end]}. */
#ifndef SAFETENSORS_FORMAT_LINT_ENTRY_H
#define SAFETENSORS_FORMAT_LINT_ENTRY_H

#include "format/lint_json.h"

/* Takes the entry that the walk is before; `entry` has its name. What cannot be known of it is
** DTYPE_COUNT and an empty shape; *placed says whether begin and end are known, begin <= end. False
** when the JSON cannot be followed. */
bool lint_entry(JsonWalk *walk, TensorEntry *entry, bool *placed);

#endif
