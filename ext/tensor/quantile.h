/*
** Quantiles of the elements of a tensor: the element at a place of all finite ones in order, or a number
** between two of them, as numpy.quantile() has it for float64.
**
** The elements are not sorted. They are counted by the upper 16 bits of codes in their order; then those of the
** one count that the place is in by the next 16 bits, and so on. A dtype of up to 16 bits takes one pass, one of
** 32 bits two, one of 64 bits four; C64 takes four, as its magnitudes are doubles. The memory is a table of
** 512 kB for each thread and a few more, whatever the tensor. The session keeps these, so that other quantiles of the
** tensor take fewer passes: none if it has up to 16 bits.
**
** NaN and infinities are left out; numbers.h says which number an element counts as.
*/
#ifndef SAFETENSORS_TENSOR_QUANTILE_H
#define SAFETENSORS_TENSOR_QUANTILE_H

#include "base/key.h"
#include "format/dtype.h"
#include "tensor/pass.h"
#include "tensor/value.h"

/* What to take if the place lies between two elements. */
typedef enum QuantileMethod {
  QUANTILE_LINEAR, /* a number in proportion to its distance from both */
  QUANTILE_LOWER,
  QUANTILE_HIGHER,
  QUANTILE_NEAREST /* of the two; in the middle that with an even number, counted from 0 */
} QuantileMethod;

/* Finds the method of a name: "linear", "lower", "higher" or "nearest". False if there is none. */
bool quantile_find_method(const char *name, uint64_t length, QuantileMethod *method);

/* The number of passes over the elements. */
unsigned quantile_passes(Dtype dtype);

/* A view on the tensor in `source`. */
typedef struct QuantileOf {
  const Source *source;
  const View *view;
  Dtype dtype;
  Session *session;
  Key identity; /* what its elements depend on, the view included; empty: nothing is remembered */
} QuantileOf;

/* Finds the quantile `q`, from 0 to 1, of the elements. *found is whether any element is finite; if none is, *out is not
** set. With QUANTILE_LINEAR *out is VALUE_REAL, otherwise a value of the dtype (for C64 VALUE_REAL, its magnitude); a
** zero is never negative. QUANTILE_LINEAR computes with doubles, and so rounds 64-bit integers. `host` may be NULL; the
** bytes that it counts are those of all passes. Returns false on an error. */
bool quantile_run(const QuantileOf *of, double q, QuantileMethod method, const Host *host,
                  bool *found, Value *out, Error *error);

#endif
