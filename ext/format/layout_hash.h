/*
** A fingerprint of what a header says of the tensors, without their bytes and the metadata: equal for
** all checkpoints of one architecture that were saved in one order.
**
** It is the XXH3-128 hash, with seed 0, of one line for each tensor, in the order of Header.tensors,
** with a line feed between two lines: the JSON array [NAME,DTYPE,SHAPE,BEGIN] without spaces, as
** SQLite's json_array() writes it. BEGIN is the offset of the tensor from the end of the header.
*/
#ifndef SAFETENSORS_FORMAT_LAYOUT_HASH_H
#define SAFETENSORS_FORMAT_LAYOUT_HASH_H

#include "format/header.h"

enum { LAYOUT_HASH_SIZE = 16 };

/* Computes it, the high half first, big-endian. `cancel`, which may be NULL, is asked whether to
** continue, and `subject` names the file in messages. Returns false on an error. */
bool layout_hash(const Header *header, const char *subject, Cancel *cancel, unsigned char *out,
                 Error *error);

#endif
