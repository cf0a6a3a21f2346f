#include "format/dtype.h"

#include <string.h>

static const struct {
  const char *name;
  unsigned char length, bits;
} dtype_table[DTYPE_COUNT] = {
#define DTYPE_X(name, bits, kind) {#name, sizeof #name - 1, bits},
    DTYPES(DTYPE_X)
#undef DTYPE_X
};

const char *dtype_name(Dtype dtype) {
  return dtype_table[dtype].name;
}

unsigned dtype_bits(Dtype dtype) {
  return dtype_table[dtype].bits;
}

bool dtype_find(const char *name, uint64_t length, Dtype *dtype) {
  for (int i = 0; i < DTYPE_COUNT; i++) {
    if (dtype_table[i].length == length && memcmp(dtype_table[i].name, name, (size_t)length) == 0) {
      *dtype = (Dtype)i;
      return true;
    }
  }
  return false;
}

bool dtype_nbytes(Dtype dtype, uint64_t numel, uint64_t *nbytes, bool *overflow) {
  uint64_t bits;
  *overflow = __builtin_mul_overflow(numel, (uint64_t)dtype_bits(dtype), &bits);
  *nbytes = bits / 8;
  return !*overflow && bits % 8 == 0;
}

unsigned dtype_byte_group(unsigned bits) {
  unsigned group = 1;
  while (group * bits % 8 != 0) group *= 2;
  return group;
}
