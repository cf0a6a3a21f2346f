#include "tensor/numbers.h"

#include <math.h>

#include "tensor/decode.h"

void numbers_open(Numbers *numbers, Dtype dtype) {
  *numbers = (Numbers){.kernels = kernels_chosen(), .dtype = dtype};
  for (unsigned code = 0; dtype_bits(dtype) <= 8 && code < 1u << dtype_bits(dtype); code++) {
    unsigned char byte = (unsigned char)code;
    double value;
    decode_doubles(dtype, &byte, 0, 1, 1, &value);
    numbers->table.values[code] = (float)value;
    numbers->table.low[code] = (unsigned char)(float_bits((float)value) >> 16);
    numbers->table.high[code] = (unsigned char)(float_bits((float)value) >> 24);
  }
}

/* The codes of elements of at most 8 bits, one to a byte: where they lie, or in `out`. */
static const unsigned char *codes_of(const Numbers *numbers, const unsigned char *data,
                                     uint64_t first, uint64_t count, unsigned char *out) {
  unsigned bits = dtype_bits(numbers->dtype);
  if (bits == 8) return data + first;
  for (uint64_t i = 0; i < count; i++) {
    out[i] = (unsigned char)element_load(data, bits, first + i);
  }
  return out;
}

const void *numbers_floats(const Numbers *numbers, const unsigned char *data, uint64_t first,
                           uint64_t count, float *out) {
  unsigned bits = dtype_bits(numbers->dtype);
  KernelFloats *floats = numbers->kernels->floats[numbers->dtype];
  if (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ && numbers->dtype == DTYPE_F32) {
    return data + 4 * first;
  }
  if (floats != NULL) {
    floats(data + first * bits / 8, count, out);
  } else if (bits <= 8) {
    unsigned char codes[NUMBERS_GROUP];
    numbers->kernels->lookup(codes_of(numbers, data, first, count, codes), count, &numbers->table,
                             out);
  } else {
    return NULL;
  }
  return out;
}

static double magnitude_of(double real, double imaginary) {
  if (isinf(real) || isinf(imaginary)) return INFINITY;
  return sqrt(real * real + imaginary * imaginary); /* of floats: neither overflows nor vanishes */
}

void numbers_doubles(const Numbers *numbers, const unsigned char *data, uint64_t first,
                     uint64_t count, double *out) {
  float floats[NUMBERS_GROUP];
  if (numbers->dtype == DTYPE_C64) {
    for (uint64_t i = 0; i < count; i++) {
      uint64_t code = element_load_64(data + 8 * (first + i));
      out[i] =
          magnitude_of(float_from_bits((uint32_t)code), float_from_bits((uint32_t)(code >> 32)));
    }
  } else if (numbers->dtype != DTYPE_F32 &&
             numbers_floats(numbers, data, first, count, floats) != NULL) {
    for (uint64_t i = 0; i < count; i++) out[i] = floats[i];
  } else {
    decode_doubles(numbers->dtype, data, first, count, 1, out);
  }
}
