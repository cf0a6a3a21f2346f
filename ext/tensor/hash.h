/*
** A fingerprint of the bytes of a tensor: XXH3-128 with seed 0, the value of XXH3_128bits(), but
** computed on several threads. XXH3 consumes long input in blocks of KERNEL_HASH_BLOCK bytes. What
** a block adds to the accumulators does not depend on their state, so it can be computed in advance
** and in parallel. Only the scrambling after each block has to be done in order.
**
** Source: github.com/Cyan4973/xxHash, doc/xxhash_spec.md.
*/
#ifndef SAFETENSORS_TENSOR_HASH_H
#define SAFETENSORS_TENSOR_HASH_H

#include "tensor/pass.h"

/* 128 bits in the canonical form of XXH128: the high half first, big-endian. */
typedef struct Hash {
  unsigned char bytes[16];
} Hash;

/* Hashes the elements of the view, of `bits` bits each, as if they were gathered in row-major
** order. gather_is_whole_bytes() must be true. `host` may be NULL. Returns false on an error. */
bool hash_run(const Source *source, const View *view, unsigned bits, const Host *host, Hash *out,
              Error *error);

#endif
