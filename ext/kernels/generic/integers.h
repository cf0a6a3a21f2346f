/* Statistics over integers of 8 and 16 bits, in integers. Included by kernels/NAME.c, once for each set: see
** kernels.h.
**
** Uses from the vocabulary: Halves and HALF_RANGES, as halves.h; halves_DTYPE(data), which loads HALVES elements as
** 16-bit numbers; ShortSums, which add such numbers up with their signs, and their squares. */

/* U16 is taken as what is 2^15 less, which has a sign. Numbers are `narrow` if their squares have at most 16 bits. */
static SET(INLINE) void SET(scan_shorts)(SET(Halves) (*load)(const unsigned char *data),
                                         uint64_t size, bool has_offset, bool narrow,
                                         const unsigned char *data, uint64_t count,
                                         IntegerScan *out) {
  const SET(Halves) flip = SET(all_halves)(has_offset ? 0x8000 : 0);
  SET(Halves) min[SET(HALF_RANGES)], max[SET(HALF_RANGES)], zeros[SET(HALF_RANGES)];
  SET(ShortSums) sums = SET(no_short_sums)();
  SET(UNROLL) for (unsigned r = 0; r < SET(HALF_RANGES); r++) {
    min[r] = SET(all_halves)(0x7fff);
    max[r] = SET(all_halves)(0x8000);
    zeros[r] = SET(all_halves)(0);
  }
  for (uint64_t i = 0; i < count; i += SCAN_STEP, data += SCAN_STEP * size) {
    SET(prefetch)(data + SCAN_AHEAD);
    SET(UNROLL) for (unsigned h = 0; h < SCAN_STEP / SET(HALVES); h++) {
      unsigned r = h % SET(HALF_RANGES);
      SET(Halves) codes = load(data + h * SET(HALVES) *size);
      SET(Halves) numbers = SET(xor_halves)(codes, flip);
      zeros[r] = SET(count_zero_halves)(zeros[r], codes);
      min[r] = SET(min_signed_halves)(min[r], numbers);
      max[r] = SET(max_signed_halves)(max[r], numbers);
      sums = SET(add_shorts)(sums, numbers, narrow);
    }
  }
  const int64_t offset = has_offset ? 0x8000 : 0;
  int64_t sum = SET(fold_short_sum)(sums);
  *out = (IntegerScan){.min = INT16_MAX, .max = INT16_MIN};
  out->sum = sum + offset * (int64_t)count;
  out->squares = SET(fold_short_squares)(sums, narrow) +
                 (uint64_t)(2 * offset * sum + offset * offset * (int64_t)count);
  SET(UNROLL) for (unsigned r = 0; r < SET(HALF_RANGES); r++) {
    int low = SET(fold_min_signed_halves)(min[r]), high = SET(fold_max_signed_halves)(max[r]);
    out->min = low < out->min ? low : out->min;
    out->max = high > out->max ? high : out->max;
    out->zeros += SET(fold_half_counts)(zeros[r]);
  }
  out->min += (int)offset;
  out->max += (int)offset;
}

static SET(TARGET) void SET(scan_I8)(const unsigned char *data, uint64_t count, IntegerScan *out) {
  SET(scan_shorts)(SET(halves_I8), 1, false, true, data, count, out);
}

static SET(TARGET) void SET(scan_U8)(const unsigned char *data, uint64_t count, IntegerScan *out) {
  SET(scan_shorts)(SET(halves_U8), 1, false, true, data, count, out);
}

static SET(TARGET) void SET(scan_I16)(const unsigned char *data, uint64_t count, IntegerScan *out) {
  SET(scan_shorts)(SET(halves_16), 2, false, false, data, count, out);
}

static SET(TARGET) void SET(scan_U16)(const unsigned char *data, uint64_t count, IntegerScan *out) {
  SET(scan_shorts)(SET(halves_16), 2, true, false, data, count, out);
}
