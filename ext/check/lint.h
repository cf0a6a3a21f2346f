/*
** The check of a checkpoint, which finds everything that is wrong with it, one finding at a time.
** It reads headers and indexes but no tensors, and holds only one file's header at a time.
**
** Every file is checked by itself (lint_header.h). A model with an index is also checked for
** contradictions between the index and its shards (lint_index.h). Several files, including those
** beside an index that the index does not name, are checked for what they have in common
** (lint_directory.h). The check opens no file that an index must not name.
*/
#ifndef SAFETENSORS_CHECK_LINT_H
#define SAFETENSORS_CHECK_LINT_H

#include "base/error.h"
#include "check/findings.h"
#include "model/session.h"

typedef struct Lint Lint;

/* Starts the check of what a path names, with the settings of the Session. A path that names
** nothing good is a finding. Returns NULL if memory runs out, or if the text cannot be a path. */
Lint *lint_path(Session *session, const char *path, uint64_t length, Error *error);

/* Starts the check of the bytes of a whole file, which must outlive it. `blob` must not be NULL,
** even if there are no bytes. */
Lint *lint_blob(Session *session, const unsigned char *blob, uint64_t size, Error *error);

/* Does a small part of the check. Sets *finding to a finding that is valid until the next call, or
** to NULL, and sets *done if the check is complete. Returns false if memory runs out or the
** connection is interrupted. */
bool lint_step(Lint *lint, const Finding **finding, bool *done, Error *error);

void lint_close(Lint *lint);

#endif
