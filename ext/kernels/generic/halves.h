/* Statistics over F16 and BF16, whose minimum and maximum are found in 16 bits. Included by
** kernels/NAME.c after scan.h, once for each set: see kernels.h.
**
** Uses from the vocabulary: Halves, 16-bit numbers, and HALVES, how many fit in a register;
** HALF_RANGES, like RANGES in scan.h; doubles_F16(data, part), and lanes_BF16(data, part) in the
** order of scan_lane(). */

typedef struct {
  SET(Halves)
  min[SET(HALF_RANGES)], max[SET(HALF_RANGES)]; /* codes in which all bits but the sign are inverted
                                                ** if there is a sign, which puts them in the order
                                                ** of their values */
  SET(Halves) zeros[SET(HALF_RANGES)];          /* at most 2^16 / HALVES for each */
} SET(HalfRange);

static SET(INLINE) SET(HalfRange) SET(no_half_range)(void) {
  SET(HalfRange) range;
  SET(UNROLL) for (unsigned r = 0; r < SET(HALF_RANGES); r++) {
    range.min[r] = SET(all_halves)(0x7fff);
    range.max[r] = SET(all_halves)(0x8000);
    range.zeros[r] = SET(all_halves)(0);
  }
  return range;
}

/* Returns the magnitudes. */
static SET(INLINE) SET(Halves)
    SET(add_to_half_range)(SET(HalfRange) *range, unsigned r, SET(Halves) codes) {
  const SET(Halves) mask = SET(all_halves)(0x7fff);
  SET(Halves) magnitudes = SET(and_halves)(codes, mask);
  SET(Halves) keys = SET(xor_halves)(codes, SET(and_halves)(SET(signs_of_halves)(codes), mask));
  range->zeros[r] = SET(count_zero_halves)(range->zeros[r], magnitudes);
  range->min[r] = SET(min_signed_halves)(range->min[r], keys);
  range->max[r] = SET(max_signed_halves)(range->max[r], keys);
  return magnitudes;
}

static SET(INLINE) FloatRange SET(settle_halves)(Dtype dtype, uint64_t count,
                                                 const SET(HalfRange) *all) {
  int min = INT16_MAX, max = INT16_MIN;
  uint32_t zeros = 0;
  SET(UNROLL) for (unsigned r = 0; r < SET(HALF_RANGES); r++) {
    int low = SET(fold_min_signed_halves)(all->min[r]);
    int high = SET(fold_max_signed_halves)(all->max[r]);
    min = low < min ? low : min;
    max = high > max ? high : max;
    zeros += SET(fold_half_counts)(all->zeros[r]);
  }
  return half_range(dtype, count, half_code(min), half_code(max), zeros);
}

static SET(TARGET) void SET(scan_F16)(const unsigned char *data, uint64_t count, FloatScan *out) {
  SET(HalfRange) range = SET(no_half_range)();
  SET(Sums) sums = SET(no_sums)();
  for (uint64_t i = 0; i < count; i += KERNEL_LANES, data += KERNEL_LANES * 2) {
    SET(prefetch)(data + SCAN_AHEAD);
    SET(UNROLL) for (unsigned h = 0; h < KERNEL_LANES / SET(HALVES); h++) {
      SET(Halves) codes = SET(load_halves)(data + h * SET(HALVES) * 2);
      SET(add_to_half_range)(&range, h % SET(HALF_RANGES), codes);
    }
    SET(UNROLL) for (unsigned p = 0; p < SET(SUMS); p++) {
      SET(add_to_sums)(&sums, p, SET(doubles_F16)(data, p));
    }
  }
  SET(store_sums)(&sums, out);
  FloatRange settled = SET(settle_halves)(DTYPE_F16, count, &range);
  half_scan(DTYPE_F16, &settled, 0, out);
}

static SET(TARGET) void SET(scan_BF16)(const unsigned char *data, uint64_t count, FloatScan *out) {
  SET(Halves) minus_one = SET(all_halves)(UINT16_MAX);
  SET(HalfRange) range = SET(no_half_range)();
  SET(Sums) sums = SET(no_sums)();
  SET(Halves) below[SET(HALF_RANGES)]; /* the smallest magnitude other than 0, minus 1 */
  SET(UNROLL) for (unsigned r = 0; r < SET(HALF_RANGES); r++) below[r] = minus_one;
  for (uint64_t i = 0; i < count; i += KERNEL_LANES, data += KERNEL_LANES * 2) {
    SET(prefetch)(data + SCAN_AHEAD);
    SET(UNROLL) for (unsigned h = 0; h < KERNEL_LANES / SET(HALVES); h++) {
      unsigned r = h % SET(HALF_RANGES);
      SET(Halves) codes = SET(load_halves)(data + h * SET(HALVES) * 2);
      SET(Halves) less = SET(add_halves)(SET(add_to_half_range)(&range, r, codes), minus_one);
      below[r] = SET(min_halves)(below[r], less);
      SET(PART)(range.min[r], range.max[r], range.zeros[r], below[r], minus_one);
    }
    SET(UNROLL) for (unsigned p = 0; p < SET(SUMS); p++) {
      SET(add_to_sums)(&sums, p, SET(lanes_BF16)(data, p));
    }
  }
  unsigned min = UINT16_MAX;
  SET(UNROLL) for (unsigned r = 0; r < SET(HALF_RANGES); r++) {
    unsigned lowest = SET(fold_min_halves)(below[r]);
    min = lowest < min ? lowest : min;
  }
  SET(store_sums)(&sums, out);
  FloatRange settled = SET(settle_halves)(DTYPE_BF16, count, &range);
  half_scan(DTYPE_BF16, &settled, (min + 1) & 0x7fff, out);
}

static SET(INLINE) FloatRange SET(range_halves)(Dtype dtype, const unsigned char *data,
                                                uint64_t count) {
  SET(HalfRange) range = SET(no_half_range)();
  for (uint64_t i = 0; i < count; i += KERNEL_LANES, data += KERNEL_LANES * 2) {
    SET(prefetch)(data + SCAN_AHEAD);
    SET(UNROLL) for (unsigned h = 0; h < KERNEL_LANES / SET(HALVES); h++) {
      SET(Halves) codes = SET(load_halves)(data + h * SET(HALVES) * 2);
      SET(add_to_half_range)(&range, h % SET(HALF_RANGES), codes);
    }
  }
  return SET(settle_halves)(dtype, count, &range);
}

static SET(TARGET) void SET(range_F16)(const unsigned char *data, uint64_t count, FloatRange *out) {
  *out = SET(range_halves)(DTYPE_F16, data, count);
}

static SET(TARGET) void SET(range_BF16)(const unsigned char *data, uint64_t count,
                                        FloatRange *out) {
  *out = SET(range_halves)(DTYPE_BF16, data, count);
}
