#include "tensor/integers.h"

#include <string.h>

#include "format/element.h"

/* A loop for each way to read an element and to write it. They take blocks of a fixed size, because
** compilers vectorise no others, and keep to the sizes of the elements, because through 64 bits it
** would be slower. `value` is an expression over `code`. */
enum { INTEGERS_BLOCK = 16 };

typedef void IntegersLoop(const unsigned char *restrict in, uint64_t blocks,
                          unsigned char *restrict out);

#define INTEGERS_LOOP(name, from_bits, to_bits, value)                                          \
  static void integers_##name##_to_##to_bits(const unsigned char *restrict in, uint64_t blocks, \
                                             unsigned char *restrict out) {                     \
    ELEMENT_ROLLED for (; blocks > 0; blocks--) {                                               \
      ELEMENT_ROLLED for (unsigned i = 0; i < INTEGERS_BLOCK; i++) {                            \
        uint64_t code = element_load(in, from_bits, i);                                         \
        element_store(out, to_bits, i, (uint64_t)(value));                                      \
      }                                                                                         \
      in += INTEGERS_BLOCK * (from_bits) / 8;                                                   \
      out += INTEGERS_BLOCK * (to_bits) / 8;                                                    \
    }                                                                                           \
  }
INTEGERS_LOOP(truth_8, 8, 8, code != 0)
INTEGERS_LOOP(truth_8, 8, 16, code != 0)
INTEGERS_LOOP(truth_8, 8, 32, code != 0)
INTEGERS_LOOP(truth_8, 8, 64, code != 0)
INTEGERS_LOOP(truth_16, 16, 8, code != 0)
INTEGERS_LOOP(truth_32, 32, 8, code != 0)
INTEGERS_LOOP(truth_64, 64, 8, code != 0)
INTEGERS_LOOP(signed_8, 8, 16, (int8_t)code)
INTEGERS_LOOP(signed_8, 8, 32, (int8_t)code)
INTEGERS_LOOP(signed_8, 8, 64, (int8_t)code)
INTEGERS_LOOP(signed_16, 16, 32, (int16_t)code)
INTEGERS_LOOP(signed_16, 16, 64, (int16_t)code)
INTEGERS_LOOP(signed_32, 32, 64, (int32_t)code)
INTEGERS_LOOP(bits_8, 8, 8, code)
INTEGERS_LOOP(bits_8, 8, 16, code)
INTEGERS_LOOP(bits_8, 8, 32, code)
INTEGERS_LOOP(bits_8, 8, 64, code)
INTEGERS_LOOP(bits_16, 16, 8, code)
INTEGERS_LOOP(bits_16, 16, 16, code)
INTEGERS_LOOP(bits_16, 16, 32, code)
INTEGERS_LOOP(bits_16, 16, 64, code)
INTEGERS_LOOP(bits_32, 32, 8, code)
INTEGERS_LOOP(bits_32, 32, 16, code)
INTEGERS_LOOP(bits_32, 32, 32, code)
INTEGERS_LOOP(bits_32, 32, 64, code)
INTEGERS_LOOP(bits_64, 64, 8, code)
INTEGERS_LOOP(bits_64, 64, 16, code)
INTEGERS_LOOP(bits_64, 64, 32, code)
INTEGERS_LOOP(bits_64, 64, 64, code)
#undef INTEGERS_LOOP

/* The loops for a dtype: those that write BOOL and integers of 8, 16, 32 and 64 bits. */
static IntegersLoop *const *integers_loops_from(Dtype from) {
#define INTEGERS_ROW(a, b, c, d, e)                                                       \
  {                                                                                       \
    integers_##a##_to_8, integers_##b##_to_8, integers_##c##_to_16, integers_##d##_to_32, \
        integers_##e##_to_64                                                              \
  }
  static IntegersLoop *const loops[][5] = {
      INTEGERS_ROW(truth_8, truth_8, truth_8, truth_8, truth_8),
      INTEGERS_ROW(truth_8, bits_8, bits_8, bits_8, bits_8),
      INTEGERS_ROW(truth_8, bits_8, signed_8, signed_8, signed_8),
      INTEGERS_ROW(truth_16, bits_16, bits_16, bits_16, bits_16),
      INTEGERS_ROW(truth_16, bits_16, bits_16, signed_16, signed_16),
      INTEGERS_ROW(truth_32, bits_32, bits_32, bits_32, bits_32),
      INTEGERS_ROW(truth_32, bits_32, bits_32, bits_32, signed_32),
      INTEGERS_ROW(truth_64, bits_64, bits_64, bits_64, bits_64),
  };
#undef INTEGERS_ROW
  switch (from) {
    case DTYPE_BOOL: return loops[0];
    case DTYPE_U8: return loops[1];
    case DTYPE_I8: return loops[2];
    case DTYPE_U16: return loops[3];
    case DTYPE_I16: return loops[4];
    case DTYPE_U32: return loops[5];
    case DTYPE_I32: return loops[6];
    case DTYPE_U64:
    case DTYPE_I64: return loops[7];
    default: return NULL;
  }
}

static IntegersLoop *integers_loop(Dtype from, Dtype to) {
  IntegersLoop *const *loops = integers_loops_from(from);
  if (loops == NULL) return NULL;
  if (to == DTYPE_BOOL) return loops[0];
  switch (dtype_bits(to)) {
    case 8: return loops[1];
    case 16: return loops[2];
    case 32: return loops[3];
    default: return loops[4];
  }
}

bool integers_are(Dtype dtype) {
  return integers_loops_from(dtype) != NULL;
}

void integers_convert(Dtype from, Dtype to, const unsigned char *in, uint64_t count,
                      unsigned char *out) {
  IntegersLoop *loop = integers_loop(from, to);
  if (loop == NULL) return;
  unsigned char last[INTEGERS_BLOCK * sizeof(uint64_t)] = {0}, converted[sizeof last];
  unsigned in_size = dtype_bits(from) / 8, out_size = dtype_bits(to) / 8;
  uint64_t rest = count % INTEGERS_BLOCK, whole = count - rest;
  loop(in, whole / INTEGERS_BLOCK, out);
  if (rest == 0) return;
  memcpy(last, in + whole * in_size, (size_t)(rest * in_size));
  loop(last, 1, converted);
  memcpy(out + whole * out_size, converted, (size_t)(rest * out_size));
}
