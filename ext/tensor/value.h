/*
** The value of an element, which decoding and encoding share.
*/
#ifndef SAFETENSORS_TENSOR_VALUE_H
#define SAFETENSORS_TENSOR_VALUE_H

#include <stdbool.h>
#include <stdint.h>

#include "format/element.h"

typedef enum ValueKind {
  VALUE_INTEGER, /* in `integer` */
  VALUE_REAL,    /* in `real`; also a U64 above 2^63-1, rounded to the nearest double */
  VALUE_BOOLEAN, /* in `integer`, as 0 or 1 */
  VALUE_COMPLEX  /* in `real` and `imaginary` */
} ValueKind;

typedef struct Value {
  ValueKind kind;
  int64_t integer;
  double real;
  double imaginary;
} Value;

/* The value as a double, for every kind except VALUE_COMPLEX. */
static inline double value_double(const Value *value) {
  return value->kind == VALUE_REAL ? value->real : (double)value->integer;
}

#endif
