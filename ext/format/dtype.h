/*
** The dtype table: the 22 dtypes of the reference implementation, in its order, which is ascending
** by alignment and determines the order of tensors in a written file. Everything that depends on a
** dtype is derived from this table. A new dtype is one new row of DTYPES, unless it also needs a
** new kind.
**
** Source: safetensors/src/tensor.rs, enum Dtype (github.com/huggingface/safetensors).
*/
#ifndef SAFETENSORS_FORMAT_DTYPE_H
#define SAFETENSORS_FORMAT_DTYPE_H

#include <stdbool.h>
#include <stdint.h>

/* X(name as in the file, bits of one element as stored, kind). The kind says what an element stands
** for, and is all that decoders and encoders are made from:
**
**   BOOLEAN          0 is false, all else true
**   INTEGER(type)    C's type of as many bits
**   FLOAT(exponent bits, mantissa bits, bias, codes that are not finite numbers, NaN's code)
**                    sign, exponent and mantissa: see FloatFormat in format/element.h
**   BFLOAT           the upper half of a SINGLE
**   SINGLE, DOUBLE   IEEE 754-2008 binary32 and binary64, which are C's own
**   EXPONENT         8 bits of exponent and nothing else
**   COMPLEX          two SINGLE: the real and the imaginary part
**
** Sources of the floats: for F16 IEEE 754-2008, 3.6, binary16. For F8_E5M2 and F8_E4M3 the OCP
** 8-bit Floating Point Specification (OFP8) 1.0 and Micikevicius et al., arXiv:2209.05433; PyTorch
** calls E4M3 float8_e4m3fn. For the FNUZ formats Noune et al., arXiv:2206.02915. For F6, F4 and
** F8_E8M0 the OCP Microscaling Formats (MX) Specification 1.0, 5.3 and 5.4.1. */
#define DTYPES(X)                                \
  X(BOOL, 8, BOOLEAN)                            \
  X(F4, 4, FLOAT(2, 1, 1, NONE, 0x7))            \
  X(F6_E2M3, 6, FLOAT(2, 3, 1, NONE, 0x1f))      \
  X(F6_E3M2, 6, FLOAT(3, 2, 3, NONE, 0x1f))      \
  X(U8, 8, INTEGER(uint8_t))                     \
  X(I8, 8, INTEGER(int8_t))                      \
  X(F8_E5M2, 8, FLOAT(5, 2, 15, IEEE, 0x7f))     \
  X(F8_E4M3, 8, FLOAT(4, 3, 7, FN, 0x7f))        \
  X(F8_E8M0, 8, EXPONENT)                        \
  X(F8_E4M3FNUZ, 8, FLOAT(4, 3, 8, FNUZ, 0x80))  \
  X(F8_E5M2FNUZ, 8, FLOAT(5, 2, 16, FNUZ, 0x80)) \
  X(I16, 16, INTEGER(int16_t))                   \
  X(U16, 16, INTEGER(uint16_t))                  \
  X(F16, 16, FLOAT(5, 10, 15, IEEE, 0x7e00))     \
  X(BF16, 16, BFLOAT)                            \
  X(I32, 32, INTEGER(int32_t))                   \
  X(U32, 32, INTEGER(uint32_t))                  \
  X(F32, 32, SINGLE)                             \
  X(C64, 64, COMPLEX)                            \
  X(F64, 64, DOUBLE)                             \
  X(I64, 64, INTEGER(int64_t))                   \
  X(U64, 64, INTEGER(uint64_t))

typedef enum Dtype {
#define X(name, bits, kind) DTYPE_##name,
  DTYPES(X)
#undef X
      DTYPE_COUNT
} Dtype;

/* Returns the dtype's name, a static string. */
const char *dtype_name(Dtype dtype);

/* Returns the number of bits of one stored element: 4 to 64. */
unsigned dtype_bits(Dtype dtype);

/* Finds a dtype by its exact name. Upper and lower case differ, as in the format. */
bool dtype_find(const char *name, uint64_t length, Dtype *dtype);

/* Computes the number of bytes of `numel` elements. Returns false with *overflow set if the number
** of bits does not fit 64 bits, and with *overflow clear if it is not a multiple of 8. */
bool dtype_nbytes(Dtype dtype, uint64_t numel, uint64_t *nbytes, bool *overflow);

/* The fewest elements that of `bits` bits that fill whole bytes: 2 for F4, 4 for F6, 1 otherwise. */
unsigned dtype_byte_group(unsigned bits);

#endif
