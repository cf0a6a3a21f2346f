#include "tensor/shorts.h"

#include "format/element.h"

bool shorts_are(Dtype dtype) {
  return dtype == DTYPE_I8 || dtype == DTYPE_U8 || dtype == DTYPE_I16 || dtype == DTYPE_U16;
}

static int shorts_number(Dtype dtype, const unsigned char *data) {
  switch (dtype) {
    case DTYPE_I8: return (int8_t)data[0];
    case DTYPE_U8: return data[0];
    case DTYPE_I16: return (int16_t)element_load_16(data);
    default: return element_load_16(data);
  }
}

static void shorts_add(IntegerScan *scan, int number) {
  scan->sum += number;
  scan->squares += (uint64_t)((int64_t)number * number);
  scan->zeros += number == 0;
  if (number < scan->min) scan->min = number;
  if (number > scan->max) scan->max = number;
}

void shorts_take(const Kernels *kernels, Dtype dtype, const unsigned char *data, uint64_t first,
                 uint64_t count, bool with_moments, Found *all) {
  IntegerScan scan = {0};
  uint64_t size = dtype_bits(dtype) / 8, whole = count - count % SCAN_STEP;
  if (count == 0) return;
  data += first * size;
  kernels->scan_integers[dtype](data, whole, &scan);
  if (whole == 0) scan.min = scan.max = shorts_number(dtype, data);
  for (uint64_t i = whole; i < count; i++) shorts_add(&scan, shorts_number(dtype, data + i * size));
  Found found = {
      .finite = count, .zeros = scan.zeros, .min = (double)scan.min, .max = (double)scan.max};
  if (with_moments) {
    found.moments =
        moments_of_sums(count, (double)scan.sum, (DoubleDouble){(double)scan.squares, 0});
  }
  found_merge(all, &found);
}
