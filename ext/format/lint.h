/*
** The check of a checkpoint: everything that is wrong with it, a finding at a time. It reads
** headers and indexes, not tensors, and holds those of one file at a time.
**
** Every file is checked by itself (lint_header.h); a model with an index also for whether index and
** shards agree (lint_index.h), and for files beside them that the index does not name; several
** files without an index for tensors that more than one has. Nothing is opened that an index must
** not name.
*/
#ifndef SAFETENSORS_FORMAT_LINT_H
#define SAFETENSORS_FORMAT_LINT_H

#include "base/error.h"
#include "format/findings.h"

typedef struct Lint Lint;

/* Starts the check of what a path names. That it names nothing good is a finding: NULL is for want
** of memory and for what is no path at all. */
Lint *lint_path(const char *path, uint64_t length, Error *error);

/* Starts the check of the bytes of a whole file, which must outlive it; not NULL if there are none.
 */
Lint *lint_blob(const unsigned char *blob, uint64_t size, Error *error);

/* Does a little of the check. Afterwards *finding is one, valid until the next call, or NULL: then
** the check is done if *done. False when memory has run out. */
bool lint_step(Lint *lint, const Finding **finding, bool *done, Error *error);

void lint_close(Lint *lint);

#endif
