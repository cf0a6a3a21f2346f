/*
** Digests of models that are not those of files.
**
**   content   SHA-256 over the lines json_array(name, dtype, shape, sha256) and a LF, for all tensors,
**             sorted by the bytes of their names; JSON without spaces, non-ASCII characters as UTF-8. It is
**             the same however a model is sharded and ordered, and whatever its metadata says.
**   legacy    kohya's sshs_legacy_hash: autov1 (file_digest.h) of the file as the reference implementation
**             would write it with only the metadata whose keys begin with "ss_". Nothing is written
**             (sd-scripts, library/train_util.py, precalculate_safetensors_hashes()).
*/
#ifndef SAFETENSORS_CHECK_MODEL_DIGEST_H
#define SAFETENSORS_CHECK_MODEL_DIGEST_H

#include "base/digest.h"
#include "model/checkpoint.h"

/* Computes the digest of all members. Their tensors are read by several threads. */
bool model_digest_content(Checkpoint *checkpoint, const Host *host, unsigned char *out,
                          Error *error);

/* Computes the SHA-256 of which the legacy hash is the beginning, for an open member. */
bool model_digest_legacy(const Checkpoint *checkpoint, const Member *member, Cancel *cancel,
                         unsigned char *out, Error *error);

#endif
