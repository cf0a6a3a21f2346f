#include "tensor/numbers.h"

#include <string.h>

#include "tensor/decode.h"
#include "tensor/magnitude.h"

enum { NUMBERS_AT_ONCE = 512 }; /* floats on the stack */

void numbers_open(Numbers *numbers, Dtype dtype) {
  *numbers = (Numbers){.kernels = kernels_chosen(), .dtype = dtype};
  unsigned bits = dtype_bits(dtype);
  if (bits > 8) return;
  unsigned char codes[CODES] = {0};
  for (unsigned code = 0; code < 1u << bits; code++) element_store(codes, bits, code, code);
  decode_floats(dtype, codes, 0, 1u << bits, 1, numbers->table.values);
  for (unsigned code = 0; code < 1u << bits; code++) {
    uint32_t value = float_bits(numbers->table.values[code]);
    numbers->table.low[code] = (unsigned char)(value >> 16);
    numbers->table.high[code] = (unsigned char)(value >> 24);
  }
}

/* The codes of elements of at most 8 bits, one to a byte: in place if they are bytes, otherwise in
** `out`. */
static const unsigned char *numbers_codes_of(const Numbers *numbers, const unsigned char *data,
                                             uint64_t first, uint64_t count, unsigned char *out) {
  unsigned bits = dtype_bits(numbers->dtype);
  if (bits == 8) return data + first;
  decode_small_codes(bits, data, first, count, 1, out);
  return out;
}

const void *numbers_floats(const Numbers *numbers, const unsigned char *data, uint64_t first,
                           uint64_t count, float *out) {
  unsigned bits = dtype_bits(numbers->dtype);
  KernelConvert *convert = numbers->kernels->convert[numbers->dtype];
  if (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ && numbers->dtype == DTYPE_F32) {
    return data + 4 * first;
  }
  if (convert != NULL) {
    convert(data + first * bits / 8, count, out);
  } else if (bits <= 8) {
    unsigned char codes[NUMBERS_GROUP];
    numbers->kernels->lookup(numbers_codes_of(numbers, data, first, count, codes), count,
                             &numbers->table, out);
  } else {
    return NULL;
  }
  return out;
}

bool numbers_are_floats(const Numbers *numbers) {
  return numbers->dtype == DTYPE_F32 || numbers->kernels->convert[numbers->dtype] != NULL ||
         dtype_bits(numbers->dtype) <= 8;
}

void numbers_magnitudes(const unsigned char *data, uint64_t first, uint64_t count, double *high,
                        double *low) {
  double real[MAGNITUDES], imaginary[MAGNITUDES], highs[MAGNITUDES], lows[MAGNITUDES];
  for (uint64_t done = 0, size; done < count; done += size) {
    size = count - done < MAGNITUDES ? count - done : MAGNITUDES;
    const unsigned char *at = data + 8 * (first + done);
    for (unsigned i = 0; i < MAGNITUDES; i++) {
      uint64_t code = i < size ? element_load_64(at + 8 * (uint64_t)i) : 0x3f800000; /* the float
                                                                                     ** 1 */
      real[i] = float_from_bits((uint32_t)code);
      imaginary[i] = float_from_bits((uint32_t)(code >> 32));
    }
    magnitudes_of(real, imaginary, highs, lows);
    memcpy(high + done, highs, (size_t)size * sizeof *high);
    if (low != NULL) memcpy(low + done, lows, (size_t)size * sizeof *low);
  }
}

/* Converts what floats hold, or returns false. */
static bool numbers_widen(const Numbers *numbers, const unsigned char *data, uint64_t first,
                          uint64_t count, double *out) {
  KernelDoubles *const *widen = numbers->kernels->doubles;
  bool native = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ || numbers->dtype != DTYPE_F32;
  if (native && widen[numbers->dtype] != NULL) {
    widen[numbers->dtype](data + first * (dtype_bits(numbers->dtype) / 8), 0, count, out);
    return true;
  }
  if (numbers->dtype == DTYPE_F32 || !numbers_are_floats(numbers)) return false;
  float floats[NUMBERS_AT_ONCE];
  for (uint64_t done = 0, size; done < count; done += size) {
    size = count - done < NUMBERS_AT_ONCE ? count - done : NUMBERS_AT_ONCE;
    numbers_floats(numbers, data, first + done, size, floats);
    widen[DTYPE_F32]((const unsigned char *)floats, 0, size, out + done);
  }
  return true;
}

void numbers_doubles(const Numbers *numbers, const unsigned char *data, uint64_t first,
                     uint64_t count, double *out) {
  if (numbers->dtype == DTYPE_C64) {
    numbers_magnitudes(data, first, count, out, NULL);
  } else if (!numbers_widen(numbers, data, first, count, out)) {
    decode_doubles(numbers->dtype, data, first, count, 1, out);
  }
}
