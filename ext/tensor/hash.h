/*
** A fingerprint of a tensor's bytes: XXH3-128 with seed 0, as XXH3_128bits() computes it, but on
** several threads. XXH3 takes long input in blocks of HASH_BLOCK bytes: what a block adds to the
** accumulators does not depend on what is in them, so that it can be had beside, and in advance;
** only the scrambling after each block has to be done in order.
**
** Source: github.com/Cyan4973/xxHash, doc/xxhash_spec.md.
*/
#ifndef SAFETENSORS_TENSOR_HASH_H
#define SAFETENSORS_TENSOR_HASH_H

#include "tensor/pass.h"

/* 128 bits in XXH128's canonical form: the high half first, big-endian. */
typedef struct Hash {
  unsigned char bytes[16];
} Hash;

/* The hash of the view's elements, of `bits` bits, brought together: gather_is_whole_bytes() is
** true. False on error. */
bool hash_run(const Source *source, const View *view, unsigned bits, const PassHost *host,
              Hash *out, Error *error);

#endif
