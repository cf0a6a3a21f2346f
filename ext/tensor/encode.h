/*
** Conversion of numbers to stored elements: what a value becomes in a dtype that cannot hold it.
**
** The rule is that of PyTorch's tensor.to(dtype), where PyTorch has the dtype and defines the
** result. The other cases are defined here. All rounding is to nearest, ties to even, except that
** floats are truncated toward zero when they become integers.
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
** "Too large" means too large after rounding with an unbounded exponent. 464, which is halfway
** between the largest F8_E4M3 and the number that would come next, is still rounded (to even) to
** 448; 465 is NaN. The sign is kept, of zeros, infinities, saturated values and, where the format
** has a sign of NaN, of NaN. A negative number that rounds to 0 becomes what the column for -0
** says.
**
** F8_E8M0 has no sign, no 0, and only powers of two. The sign is dropped, and from 1.5 times a
** power of two upward a value is rounded up. The lower end is as in PyTorch, which works on the
** bits of a subnormal F32: values up to 2^-127, and 0, become 2^-127, and values between that and
** 2^-126 become 2^-126.
**
** (a) PyTorch has no cast to these. Rounding and saturation are those of torchao and of NVIDIA's
** conversions (cvt.rn.satfinite, cuda_fp4.h, cuda_fp6.h). The rule for NaN, which becomes the
** largest positive value, is NVIDIA's, too. The OCP MX specification leaves NaN to the
** implementation.
**
** (b) Undefined in C, on which PyTorch relies. The result is that of x86-64: I64 becomes the lowest
** I64; I32, I16 and I8 take the low bits of a truncation to I32, which is the lowest I32 for values
** outside its range. So 300 becomes 44 in I8, and 1e10 becomes 0.
**
** (c) The low bits of a truncation to I64, which is the lowest I64 for values outside its range: -1
** becomes 255 in U8. PyTorch defines U8 in this way; here it holds for all unsigned dtypes. U64
** also takes 2^63 to 2^64 - 1.
**
** Integers keep their low bits when they become integers, as in C. BOOL is 1 for everything but 0.
** Complex to real drops the imaginary part. Complex to BOOL is 1 if either part is not 0 (NaN is
** not 0).
**
** There is one deliberate difference from PyTorch. PyTorch converts F64, and integers, to F32 first
** and then to F16, BF16 or an 8-bit float, which rounds twice. Here they are rounded once, to the
** nearest value. The results differ if F32 cannot distinguish a number from the midpoint between
** two neighbours, and then in half of the cases: for random F64, one in 2^14 for F16 and one in
** 2^17 for BF16; for integers, only beyond 2^24 and for BF16.
**
** Sources: pytorch/pytorch, c10/util/Half.h, BFloat16.h, Float8_*.h, Float8_fnuz_cvt.h, TypeCast.h
** (in newer trees under torch/headeronly/util); pytorch/ao, torchao/prototype/custom_fp_utils.py.
*/
#ifndef SAFETENSORS_TENSOR_ENCODE_H
#define SAFETENSORS_TENSOR_ENCODE_H

#include "format/dtype.h"
#include "tensor/value.h"

/* Writes `count` numbers as the elements first, first + 1, ... of the tensor at `out`. For C64,
** `values` has two doubles for each element, the real and the imaginary part. If elements are
** smaller than a byte, `out` must be zero beforehand. */
void encode_doubles(Dtype dtype, const double *values, uint64_t first, uint64_t count,
                    unsigned char *out);

/* Whether encode_floats() writes the dtype: F32, or a smaller float. */
bool encode_takes_floats(Dtype dtype);

/* Writes floats in the same way. */
void encode_floats(Dtype dtype, const float *values, uint64_t first, uint64_t count,
                   unsigned char *out);

/* Writes 64-bit integers in the same way, from their exact values. They are int64_t in two's
** complement if `is_signed` is set, and uint64_t otherwise. */
void encode_integers(Dtype dtype, const uint64_t *values, bool is_signed, uint64_t first,
                     uint64_t count, unsigned char *out);

#endif
