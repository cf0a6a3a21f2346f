#include "tensor/exact_sum.h"

#include <math.h>
#include <stdbool.h>

#include "tensor/value.h"

enum { EXACT_SUM_LIMB_BITS = 32, EXACT_SUM_LOWEST = -1074, EXACT_SUM_LIMBS_OF_MEAN = 5 };

static void exact_sum_carry(ExactSum *sum) {
  for (unsigned i = 0; i + 1 < EXACT_SUM_LIMBS; i++) {
    int64_t rest = sum->limbs[i] & UINT32_MAX;
    sum->limbs[i + 1] += (sum->limbs[i] - rest) / ((int64_t)1 << EXACT_SUM_LIMB_BITS);
    sum->limbs[i] = rest;
  }
}

void exact_sum_add(ExactSum *sum, const double *numbers, uint64_t count) {
  for (uint64_t i = 0; i < count; i++) {
    uint64_t bits = double_bits(numbers[i]), mantissa = bits & (((uint64_t)1 << 52) - 1);
    unsigned exponent = (unsigned)(bits >> 52 & 0x7ff);
    if (exponent == 0x7ff) continue;
    if (exponent > 0) {
      mantissa |= (uint64_t)1 << 52;
      exponent--;
    }
    int64_t *limbs = sum->limbs + exponent / EXACT_SUM_LIMB_BITS;
    uint64_t low = (mantissa & UINT32_MAX) << exponent % EXACT_SUM_LIMB_BITS;
    uint64_t high = (mantissa >> EXACT_SUM_LIMB_BITS) << exponent % EXACT_SUM_LIMB_BITS;
    int64_t sign = bits >> 63 != 0 ? -1 : 1;
    limbs[0] += sign * (int64_t)(low & UINT32_MAX);
    limbs[1] += sign * (int64_t)((low >> EXACT_SUM_LIMB_BITS) + (high & UINT32_MAX));
    limbs[2] += sign * (int64_t)(high >> EXACT_SUM_LIMB_BITS);
  }
  exact_sum_carry(sum);
}

void exact_sum_merge(ExactSum *sum, const ExactSum *more) {
  for (unsigned i = 0; i < EXACT_SUM_LIMBS; i++) sum->limbs[i] += more->limbs[i];
  exact_sum_carry(sum);
}

double exact_sum_mean(const ExactSum *sum, uint64_t count) {
  ExactSum magnitude = *sum;
  bool negative = sum->limbs[EXACT_SUM_LIMBS - 1] < 0;
  for (unsigned i = 0; negative && i < EXACT_SUM_LIMBS; i++) magnitude.limbs[i] = -sum->limbs[i];
  exact_sum_carry(&magnitude);
  unsigned top = EXACT_SUM_LIMBS - 1;
  while (top > 0 && magnitude.limbs[top] == 0) top--;
  unsigned lowest = top < EXACT_SUM_LIMBS_OF_MEAN ? 0 : top - EXACT_SUM_LIMBS_OF_MEAN;
  DoubleDouble total = {0, 0};
  for (unsigned i = top + 1; i-- > lowest;) {
    DoubleDouble limb = {
        ldexp((double)magnitude.limbs[i], (int)(EXACT_SUM_LIMB_BITS * (i - lowest))), 0};
    total = double_double_add(total, limb);
  }
  double mean = ldexp(double_double_divide(total, (double)count),
                      (int)(EXACT_SUM_LIMB_BITS * lowest) + EXACT_SUM_LOWEST);
  return negative ? -mean : mean;
}
