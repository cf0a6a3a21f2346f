/* Statistics over floats and doubles. Included by kernels/NAME.c, once for each set: see kernels.h.
**
** Uses from the vocabulary: prefetch(data); Floats, Words (of 32 bits) and FLOATS, how many fit in a register;
** Doubles and DOUBLES; Counts and DoubleCounts, which count in how many of them a condition holds;
** and RANGES, how many registers of each kind are used for the minimum and the maximum: as many as
** there is room for, up to the number that the lanes fill. */

/* The analyzer of gcc loses sight of arrays of vectors within a struct that is copied: it takes what no_scan() sets for
** uninitialized, or not, as the code around changes. */
#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 12
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wanalyzer-use-of-uninitialized-value"
#endif

/* ---- Sums, by lane ---- */

enum { SET(SUMS) = KERNEL_LANES / SET(DOUBLES) };

typedef struct {
  SET(Doubles) numbers[SET(SUMS)], squares[SET(SUMS)];
} SET(Sums);

static SET(INLINE) SET(Sums) SET(no_sums)(void) {
  SET(Sums) sums;
  SET(UNROLL) for (unsigned p = 0; p < SET(SUMS); p++) {
    sums.numbers[p] = sums.squares[p] = SET(all_doubles)(0);
  }
  return sums;
}

static SET(INLINE) void SET(add_to_sums)(SET(Sums) *sums, unsigned part, SET(Doubles) numbers) {
  sums->numbers[part] = SET(add_doubles)(sums->numbers[part], numbers);
  sums->squares[part] = SET(add_exact_product)(sums->squares[part], numbers, numbers);
}

static SET(INLINE) void SET(store_sums)(const SET(Sums) *sums, FloatScan *out) {
  SET(UNROLL) for (unsigned p = 0; p < SET(SUMS); p++) {
    SET(store_doubles)(out->sum + p * SET(DOUBLES), sums->numbers[p]);
    SET(store_doubles)(out->squares + p * SET(DOUBLES), sums->squares[p]);
  }
}

/* ---- F32 ---- */

enum { SET(MAGNITUDE) = 0x7fffffff, SET(INFINITE) = 0x7f800000 };

typedef struct {
  SET(Floats) min[SET(RANGES)], max[SET(RANGES)];
  SET(Counts) zeros[SET(RANGES)];
} SET(Range);

static SET(INLINE) SET(Range) SET(no_range)(void) {
  SET(Range) range;
  SET(UNROLL) for (unsigned r = 0; r < SET(RANGES); r++) {
    range.min[r] = SET(all_floats)(INFINITY);
    range.max[r] = SET(all_floats)(-INFINITY);
    range.zeros[r] = SET(no_counts)();
  }
  return range;
}

static SET(INLINE) void SET(add_to_range)(SET(Range) *range, unsigned r, SET(Floats) numbers) {
  range->min[r] = SET(min_floats)(numbers, range->min[r]);
  range->max[r] = SET(max_floats)(numbers, range->max[r]);
}

static SET(INLINE) uint32_t SET(store_range)(const SET(Range) *range, float *min, float *max) {
  uint32_t zeros = 0;
  *min = INFINITY;
  *max = -INFINITY;
  SET(UNROLL) for (unsigned r = 0; r < SET(RANGES); r++) {
    float low = SET(fold_min_floats)(range->min[r]);
    float high = SET(fold_max_floats)(range->max[r]);
    *min = low < *min ? low : *min;
    *max = high > *max ? high : *max;
    zeros += SET(fold_counts)(range->zeros[r]);
  }
  return zeros;
}

#if !defined(SCAN_OWN_MAGNITUDES)

/* The smallest magnitude other than 0, minus 1. */
typedef SET(Words) SET(Least);

static SET(INLINE) SET(Words) SET(no_least)(void) {
  return SET(all_words)(UINT32_MAX);
}

static SET(INLINE) void SET(add_to_least)(SET(Least) *least, SET(Counts) *zeros,
                                          SET(Floats) numbers, SET(Words) magnitude) {
  const SET(Words) minus_one = SET(all_words)(UINT32_MAX);
  SET(Words) bits = SET(and_words)(SET(bits_of_floats)(numbers), magnitude);
  SET(Words) less = SET(add_words)(bits, minus_one); /* 0 wraps around */
  *zeros = SET(count_equal_words)(*zeros, less, minus_one);
  *least = SET(min_words)(*least, less);
}

/* Infinite if all are 0. */
static SET(INLINE) float SET(fold_least)(SET(Least) least) {
  uint32_t below = SET(fold_min_words)(least);
  return below == UINT32_MAX ? INFINITY : float_from_bits(below + 1);
}

#endif

/* What is known of the floats that have been scanned. */
typedef struct {
  SET(Range) range;
  SET(Sums) sums;
  SET(Least) least[SET(RANGES)];
} SET(Scan);

static SET(INLINE) SET(Scan) SET(no_scan)(void) {
  SET(Scan) scan = {.range = SET(no_range)()};
  SET(UNROLL) for (unsigned p = 0; p < SET(SUMS); p++) {
    scan.sums.numbers[p] = scan.sums.squares[p] = SET(all_doubles)(0);
  }
  SET(UNROLL) for (unsigned r = 0; r < SET(RANGES); r++) scan.least[r] = SET(no_least)();
  return scan;
}

/* Prefetches so many bytes ahead; 0 for what is in the cache. */
static SET(INLINE) void SET(add_to_scan)(SET(Scan) *all, const unsigned char *data, uint64_t count,
                                         uint64_t ahead) {
  SET(Words) magnitude = SET(all_words)(SET(MAGNITUDE));
  SET(Scan) scan = *all;
  for (uint64_t i = 0; i < count; i += KERNEL_LANES, data += KERNEL_LANES * sizeof(float)) {
    if (ahead > 0) SET(prefetch)(data + ahead);
    SET(UNROLL) for (unsigned f = 0; f < KERNEL_LANES / SET(FLOATS); f++) {
      unsigned r = f % SET(RANGES);
      SET(Floats) numbers = SET(load_floats)(data + sizeof(float) * SET(FLOATS) *f);
      SET(add_to_least)(&scan.least[r], &scan.range.zeros[r], numbers, magnitude);
      SET(add_to_range)(&scan.range, r, numbers);
      SET(PART_FLOATS)(scan.range.min[r], scan.range.max[r], scan.range.zeros[r], scan.least[r],
                       magnitude);
    }
    SET(UNROLL) for (unsigned p = 0; p < SET(SUMS); p++) {
      SET(add_to_sums)(&scan.sums, p, SET(doubles_F32)(data, p));
    }
  }
  *all = scan;
}

static SET(INLINE) void SET(store_scan)(const SET(Scan) *scan, FloatScan *out) {
  out->min_magnitude = INFINITY;
  SET(UNROLL) for (unsigned r = 0; r < SET(RANGES); r++) {
    float least = SET(fold_least)(scan->least[r]);
    if (least < out->min_magnitude) out->min_magnitude = least;
  }
  SET(store_sums)(&scan->sums, out);
  out->zeros = SET(store_range)(&scan->range, &out->min, &out->max);
}

static SET(TARGET) void SET(scan_F32)(const unsigned char *data, uint64_t count, FloatScan *out) {
  SET(Scan) scan = SET(no_scan)();
  SET(add_to_scan)(&scan, data, count, SCAN_AHEAD);
  SET(store_scan)(&scan, out);
}

/* Pieces so small that the next ones come from memory while these are scanned. */
enum { SET(COMPUTED) = 256 };

/* Apart, so that all registers are its own. */
static SET(TARGET)
    __attribute__((noinline)) void SET(scan_piece)(SET(Scan) *scan, const float *piece,
                                                   uint64_t count) {
  SET(add_to_scan)(scan, (const unsigned char *)piece, count, 0);
}

static SET(TARGET) void SET(scan_computed)(KernelFloats *compute, const unsigned char *a,
                                           const unsigned char *b, uint64_t size, uint64_t count,
                                           FloatScan *out) {
  float piece[SET(COMPUTED)];
  SET(Scan) scan = SET(no_scan)();
  for (uint64_t part; count > 0; count -= part, a += part * size, b += part * size) {
    part = count < SET(COMPUTED) ? count : SET(COMPUTED);
    compute(a, b, part, piece);
    SET(scan_piece)(&scan, piece, part);
  }
  SET(store_scan)(&scan, out);
}

static SET(TARGET) void SET(range_F32)(const unsigned char *data, uint64_t count, FloatRange *out) {
  const SET(Words) magnitude = SET(all_words)(SET(MAGNITUDE)), zero = SET(all_words)(0);
  SET(Range) range = SET(no_range)();
  SET(Words) largest[SET(RANGES)];
  SET(UNROLL) for (unsigned r = 0; r < SET(RANGES); r++) largest[r] = zero;
  for (uint64_t i = 0; i < count; i += KERNEL_LANES, data += KERNEL_LANES * sizeof(float)) {
    SET(prefetch)(data + SCAN_AHEAD);
    SET(UNROLL) for (unsigned f = 0; f < KERNEL_LANES / SET(FLOATS); f++) {
      unsigned r = f % SET(RANGES);
      SET(Floats) numbers = SET(load_floats)(data + sizeof(float) * SET(FLOATS) *f);
      SET(Words) bits = SET(and_words)(SET(bits_of_floats)(numbers), magnitude);
      range.zeros[r] = SET(count_equal_words)(range.zeros[r], bits, zero);
      largest[r] = SET(max_words)(largest[r], bits);
      SET(add_to_range)(&range, r, numbers);
    }
  }
  out->finite = true;
  SET(UNROLL) for (unsigned r = 0; r < SET(RANGES); r++) {
    out->finite = out->finite && SET(fold_max_words)(largest[r]) < SET(INFINITE);
  }
  out->zeros = SET(store_range)(&range, &out->min, &out->max);
}

/* ---- Doubles ---- */

static SET(TARGET) void SET(scan_doubles)(const void *numbers, uint64_t count, DoubleScan *out) {
  const unsigned char *data = numbers;
  SET(Doubles) sum[SET(SUMS)], lost[SET(SUMS)], min[SET(RANGES)], max[SET(RANGES)];
  SET(DoubleCounts) zeros[SET(RANGES)];
  SET(UNROLL) for (unsigned p = 0; p < SET(SUMS); p++) sum[p] = lost[p] = SET(all_doubles)(0);
  SET(UNROLL) for (unsigned r = 0; r < SET(RANGES); r++) {
    min[r] = SET(all_doubles)((double)INFINITY);
    max[r] = SET(all_doubles)((double)-INFINITY);
    zeros[r] = SET(no_double_counts)();
  }
  for (uint64_t i = 0; i < count; i += KERNEL_LANES, data += KERNEL_LANES * sizeof(double)) {
    SET(UNROLL) for (unsigned p = 0; p < SET(SUMS); p++) {
      unsigned r = p % SET(RANGES);
      SET(Doubles) next = SET(doubles_F64)(data, p), before = sum[p];
      zeros[r] = SET(count_doubles)(zeros[r], SET(equal)(next, SET(all_doubles)(0)));
      min[r] = SET(min_doubles)(next, min[r]);
      max[r] = SET(max_doubles)(next, max[r]);
      /* double_two_sum() in each lane */
      sum[p] = SET(add_doubles)(before, next);
      SET(Doubles) part = SET(subtract_doubles)(sum[p], before);
      SET(Doubles) from_sum = SET(subtract_doubles)(before, SET(subtract_doubles)(sum[p], part));
      SET(Doubles) error = SET(add_doubles)(from_sum, SET(subtract_doubles)(next, part));
      lost[p] = SET(add_doubles)(lost[p], error);
    }
  }
  memset(out->zeros, 0, sizeof out->zeros);
  SET(UNROLL) for (unsigned p = 0; p < SET(SUMS); p++) {
    SET(store_doubles)(out->sum_high + p * SET(DOUBLES), sum[p]);
    SET(store_doubles)(out->sum_low + p * SET(DOUBLES), lost[p]);
    SET(store_doubles)(out->min + p * SET(DOUBLES), min[p % SET(RANGES)]);
    SET(store_doubles)(out->max + p * SET(DOUBLES), max[p % SET(RANGES)]);
  }
  SET(UNROLL) for (unsigned r = 0; r < SET(RANGES); r++) {
    out->zeros[0] += (uint32_t)SET(fold_double_counts)(zeros[r]);
  }
}

static SET(TARGET) void SET(deviations)(const void *numbers, uint64_t count, double mean,
                                        double *out) {
  const SET(Doubles) means = SET(all_doubles)(mean);
  const unsigned char *data = numbers;
  SET(Doubles) squares[SET(SUMS)];
  SET(UNROLL) for (unsigned p = 0; p < SET(SUMS); p++) squares[p] = SET(all_doubles)(0);
  for (uint64_t i = 0; i < count; i += KERNEL_LANES, data += KERNEL_LANES * sizeof(double)) {
    SET(UNROLL) for (unsigned p = 0; p < SET(SUMS); p++) {
      SET(Doubles) distance = SET(subtract_doubles)(SET(doubles_F64)(data, p), means);
      squares[p] = SET(add_product)(squares[p], distance, distance);
    }
  }
  SET(UNROLL) for (unsigned p = 0; p < SET(SUMS); p++) {
    SET(store_doubles)(out + p * SET(DOUBLES), squares[p]);
  }
}

#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 12
#pragma GCC diagnostic pop
#endif
