/*
** The dtype table: the 22 dtypes of the reference implementation, in its order, which is the order
** of increasing alignment that a writer sorts by. All that depends on a dtype starts from here: a
** new dtype is one row of DTYPES and its decoder.
**
** Source: safetensors/src/tensor.rs, enum Dtype (github.com/huggingface/safetensors).
*/
#ifndef SAFETENSORS_FORMAT_DTYPE_H
#define SAFETENSORS_FORMAT_DTYPE_H

#include <stdbool.h>
#include <stdint.h>

/* X(name as in the file, bits of one element as stored) */
#define DTYPES(X)   \
  X(BOOL, 8)        \
  X(F4, 4)          \
  X(F6_E2M3, 6)     \
  X(F6_E3M2, 6)     \
  X(U8, 8)          \
  X(I8, 8)          \
  X(F8_E5M2, 8)     \
  X(F8_E4M3, 8)     \
  X(F8_E8M0, 8)     \
  X(F8_E4M3FNUZ, 8) \
  X(F8_E5M2FNUZ, 8) \
  X(I16, 16)        \
  X(U16, 16)        \
  X(F16, 16)        \
  X(BF16, 16)       \
  X(I32, 32)        \
  X(U32, 32)        \
  X(F32, 32)        \
  X(C64, 64)        \
  X(F64, 64)        \
  X(I64, 64)        \
  X(U64, 64)

typedef enum Dtype {
#define X(name, bits) DTYPE_##name,
  DTYPES(X)
#undef X
      DTYPE_COUNT
} Dtype;

/* The dtype's name, NUL-terminated, valid for ever. */
const char *dtype_name(Dtype dtype);

/* Bits of one element as stored: 4 to 64. */
unsigned dtype_bits(Dtype dtype);

/* Finds a dtype by its exact name (case matters, as in the format). */
bool dtype_find(const char *name, uint64_t length, Dtype *dtype);

/* The bytes that `numel` elements take. False when the number of bits overflows 64 bits, or is not
** a whole number of bytes (then *overflow is false). */
bool dtype_nbytes(Dtype dtype, uint64_t numel, uint64_t *nbytes, bool *overflow);

#endif
