/* The SHA-256 of the bytes of a tensor (FIPS 180-4). */
#ifndef SAFETENSORS_TENSOR_SHA256_H
#define SAFETENSORS_TENSOR_SHA256_H

#include "base/digest.h"
#include "tensor/pass.h"

/* Computes the digest of the elements of the view, of `bits` bits each, as if they were gathered in
** row-major order, into 32 bytes. gather_is_whole_bytes() must be true. One thread computes, others read.
** `host` may be NULL. Returns false on an error. */
bool sha256_run(const Source *source, const View *view, unsigned bits, const Host *host,
                unsigned char *out, Error *error);

#endif
