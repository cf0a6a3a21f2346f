#include "tensor/lanes.h"

/* The first of all lanes in an order, by a tree of comparisons without branches, since those would
** be mispredicted. */
#define LANES_FIRST(type, name, before)                                  \
  type name(type lanes[KERNEL_LANES]) {                                  \
    for (unsigned j = 0; j < 8; j++) {                                   \
      lanes[j] = lanes[j + 8] before lanes[j] ? lanes[j + 8] : lanes[j]; \
    }                                                                    \
    for (unsigned j = 0; j < 4; j++) {                                   \
      lanes[j] = lanes[j + 4] before lanes[j] ? lanes[j + 4] : lanes[j]; \
    }                                                                    \
    type even = lanes[2] before lanes[0] ? lanes[2] : lanes[0];          \
    type odd = lanes[3] before lanes[1] ? lanes[3] : lanes[1];           \
    return odd before even ? odd : even;                                 \
  }
LANES_FIRST(double, lanes_min, <)
LANES_FIRST(double, lanes_max, >)
#undef LANES_FIRST

uint64_t lanes_count(const uint32_t *lanes) {
  uint64_t count = 0;
  for (unsigned j = 0; j < KERNEL_LANES; j++) count += lanes[j];
  return count;
}

DoubleDouble lanes_sum(const double *lanes) {
  double high[8], low[8];
  for (unsigned j = 0; j < 8; j++) {
    DoubleDouble sum = double_two_sum(lanes[j], lanes[j + 8]);
    high[j] = sum.high;
    low[j] = sum.low;
  }
  for (unsigned half = 4; half > 0; half /= 2) {
    for (unsigned j = 0; j < half; j++) {
      DoubleDouble sum = double_two_sum(high[j], high[j + half]);
      high[j] = sum.high;
      low[j] += low[j + half] + sum.low;
    }
  }
  return double_fast_two_sum(high[0], low[0]);
}

double lanes_rounded_sum(const double *lanes) {
  double eight[8], four[4];
  for (unsigned j = 0; j < 8; j++) eight[j] = lanes[j] + lanes[j + 8];
  for (unsigned j = 0; j < 4; j++) four[j] = eight[j] + eight[j + 4];
  return (four[0] + four[2]) + (four[1] + four[3]);
}
