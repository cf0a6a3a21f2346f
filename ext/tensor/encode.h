/*
** From numbers to stored elements: what a value becomes in a dtype that cannot hold it.
**
** The rule is PyTorch's tensor.to(dtype), where PyTorch has the dtype and defines the result; the
** rest is laid down here. All rounding is to nearest, ties to even, but for floats to integers,
** which are truncated toward zero.
**
**   dtype         too large              infinity        NaN       -0    largest   smallest
**   ------------  ---------------------  --------------  --------  ----  --------  -------------
**   F64, F32      infinity               infinity        NaN       -0
**   F16           infinity               infinity        NaN       -0    65504     2^-24
**   BF16          infinity               infinity        NaN       -0    3.39e38   2^-133
**   F8_E5M2       infinity               infinity        NaN 0x7f  -0    57344     2^-16
**   F8_E4M3       NaN 0x7f               NaN 0x7f        NaN 0x7f  -0    448       2^-9
**   F8_E5M2FNUZ   NaN 0x80               NaN 0x80        NaN 0x80  0     57344     2^-17
**   F8_E4M3FNUZ   NaN 0x80               NaN 0x80        NaN 0x80  0     240       2^-10
**   F8_E8M0       NaN 0xff               NaN 0xff        NaN 0xff  2^-127  2^127   2^-127
**   F6_E2M3 (a)   the largest            the largest     7.5       -0    7.5       2^-3
**   F6_E3M2 (a)   the largest            the largest     28        -0    28        2^-4
**   F4 (a)        the largest            the largest     6         -0    6         2^-1
**   I8 to I64     (b)                    (b)             (b)       0
**   U8 to U64     (c)                    (c)             (c)       0
**   BOOL          1                      1               1         0
**   C64           real and imaginary part as F32; the imaginary part of a real number is 0
**
** "Too large" means: after rounding, as if there were larger exponents. 464, halfway between the
** largest F8_E4M3 and what would come next, is still rounded (to even) to 448; 465 is NaN. Signs
** are kept, of zeros, infinities, saturated values and, where the format has one, of NaN; a
** negative number that is rounded to 0 becomes -0, or 0 where -0 would be.
**
** F8_E8M0 has no sign, no 0 and only powers of two: the sign is dropped, 1.5 times a power of two
** and what is above goes up. At the lower end as PyTorch does it, on the bits of a subnormal F32:
** what is at most 2^-127, 0 too, becomes 2^-127; what is above, and below 2^-126, becomes 2^-126.
**
** (a) PyTorch has no cast to these. Rounding and saturation as in torchao and as in NVIDIA's
** conversions (cvt.rn.satfinite, cuda_fp4.h, cuda_fp6.h), whose rule for NaN this is too: the
** largest positive value. The OCP MX specification leaves NaN to the implementation.
**
** (b) Undefined in C, on which PyTorch relies. Here as on x86-64: I64 the lowest I64; I32, I16 and
** I8 the low bits of a truncation to I32, which itself gives the lowest I32 for what is outside it.
** So 300 becomes 44 in I8, and 1e10 becomes 0.
**
** (c) The low bits of a truncation to I64, which gives the lowest I64 for what is outside it: -1
** becomes 255 in U8. PyTorch defines U8 so; here it holds for all. U64 takes 2^63 to 2^64 - 1 too.
**
** Integers to integers keep the low bits, as in C; BOOL is 1 for all but 0. Complex to real drops
** the imaginary part; complex to BOOL is 1 where either part is not 0 (a NaN is not 0).
**
** One difference from PyTorch is meant. PyTorch makes F64, and integers, into F32 first and that
** into F16, BF16 or an 8-bit float, which rounds twice; here they are rounded once, to the nearest
** value. The two differ where F32 cannot tell a number from the point halfway between neighbours,
** and then in half of the cases: one F64 in 2^14 at random for F16, in 2^17 for BF16; of integers
** only such as are beyond 2^24, for BF16.
**
** Sources: pytorch/pytorch, c10/util/Half.h, BFloat16.h, Float8_*.h, Float8_fnuz_cvt.h, TypeCast.h
** (in newer trees under torch/headeronly/util); pytorch/ao, torchao/prototype/custom_fp_utils.py.
*/
#ifndef SAFETENSORS_TENSOR_ENCODE_H
#define SAFETENSORS_TENSOR_ENCODE_H

#include "format/dtype.h"
#include "tensor/value.h"

/* Writes `count` numbers as the elements `first`, first + 1, ... of the tensor that starts at
 *`out`.
** For C64 `values` has two doubles for each element, real and imaginary part. Where elements are
** less than a byte, `out` must be zero before they are written. */
void encode_doubles(Dtype dtype, const double *values, uint64_t first, uint64_t count,
                    unsigned char *out);

/* The same of 64-bit integers, exactly: int64_t in two's complement if `is_signed`, else uint64_t.
 */
void encode_integers(Dtype dtype, const uint64_t *values, bool is_signed, uint64_t first,
                     uint64_t count, unsigned char *out);

#endif
