/* Sums over two tensors. Included by kernels/NAME.c, once for each set: see kernels.h.
**
** Uses from the vocabulary: PAIR_PASS, how many of the PAIR_LANES lanes are summed in one pass over
** the elements, which is as many as fit in the registers; doubles_DTYPE(data, part), the Doubles number
** `part` from `data` on; Floats, Halves and Doubles, which are compared as they are stored, and Counts,
** Halves and DoubleCounts, which count in how many of them the numbers are equal; and prefetch(data). */

enum { SET(PAIR_PARTS) = SET(PAIR_PASS) / SET(DOUBLES) };

/* How many pairs are taken at a time, so that they are in the first-level cache when they are counted. */
enum { SET(PAIR_PIECE) = 512, SET(PAIR_LINE) = 64 };

/* ---- How many are unequal ---- */

typedef uint64_t SET(CountEqual)(const unsigned char *a, const unsigned char *b, uint64_t count);

/* As many as fit in any register. */
enum { SET(EQUAL_STEP) = 4 * PAIR_LANES };

/* Functions of their own, whose constants take no registers from the sums. `count` is a multiple of EQUAL_STEP,
** at most PAIR_PIECE, which 16 bits can count. */
#define PAIR_EQUAL(dtype, Numbers, NUMBERS, size, Counts, zero, load, count_equal, fold)        \
  static SET(TARGET) __attribute__((noinline))                                                  \
  uint64_t SET(equal_##dtype)(const unsigned char *a, const unsigned char *b, uint64_t count) { \
    enum { PARTS = SET(EQUAL_STEP) / SET(NUMBERS) };                                            \
    SET(Counts) counts[PARTS];                                                                  \
    uint64_t equal = 0;                                                                         \
    SET(UNROLL) for (unsigned p = 0; p < PARTS; p++) counts[p] = zero;                          \
    for (uint64_t i = 0; i < count; i += SET(EQUAL_STEP)) {                                     \
      SET(UNROLL) for (unsigned p = 0; p < PARTS; p++) {                                        \
        SET(Numbers) x = load(a + (i + p * SET(NUMBERS))*(size));                               \
        SET(Numbers) y = load(b + (i + p * SET(NUMBERS))*(size));                               \
        counts[p] = count_equal(counts[p], x, y);                                               \
      }                                                                                         \
    }                                                                                           \
    SET(UNROLL) for (unsigned p = 0; p < PARTS; p++) equal += fold(counts[p]);                  \
    return equal;                                                                               \
  }

static SET(INLINE) SET(DoubleCounts)
    SET(count_equal_doubles)(SET(DoubleCounts) counts, SET(Doubles) a, SET(Doubles) b) {
  return SET(count_doubles)(counts, SET(equal)(a, b));
}

static SET(INLINE) SET(Doubles) SET(first_doubles)(const unsigned char *data) {
  return SET(doubles_F64)(data, 0);
}

PAIR_EQUAL(F32, Floats, FLOATS, 4, Counts, SET(no_counts)(), SET(load_floats),
           SET(count_equal_floats), SET(fold_counts))
PAIR_EQUAL(F64, Doubles, DOUBLES, 8, DoubleCounts, SET(no_double_counts)(), SET(first_doubles),
           SET(count_equal_doubles), SET(fold_double_counts))
/* F16 and BF16: of equal bits, or both 0. */
PAIR_EQUAL(halves, Halves, HALVES, 2, Halves, SET(all_halves)(0), SET(load_halves),
           SET(count_equal_halves), SET(fold_half_counts))
#undef PAIR_EQUAL

static SET(INLINE) uint64_t SET(count_unequal)(SET(CountEqual) *equal, uint64_t size,
                                               const unsigned char *a, const unsigned char *b,
                                               uint64_t count) {
  const uint64_t step = SET(EQUAL_STEP);
  uint64_t rest = count % step, whole = count - rest;
  uint64_t unequal = whole - equal(a, b, whole);
  if (rest > 0) {
    unsigned char last_a[SET(EQUAL_STEP) *sizeof(double)] = {0}, last_b[sizeof last_a] = {0};
    memcpy(last_a, a + whole * size, (size_t)(rest * size));
    memcpy(last_b, b + whole * size, (size_t)(rest * size));
    unequal += step - equal(last_a, last_b, step);
  }
  return unequal;
}

/* ---- Sums ---- */

typedef struct {
  SET(Doubles) differences[SET(PAIR_PARTS)], squared_differences[SET(PAIR_PARTS)];
  SET(Doubles) largest[SET(PAIR_PARTS)], products[SET(PAIR_PARTS)];
  SET(Doubles) a_squares[SET(PAIR_PARTS)], b_squares[SET(PAIR_PARTS)];
} SET(PairLanes);

typedef SET(Doubles) SET(Numbers)(const unsigned char *data, unsigned part);

static SET(INLINE) SET(Doubles)
    SET(add_pair_product)(SET(Doubles) sum, SET(Doubles) x, SET(Doubles) y, bool is_exact) {
  return is_exact ? SET(add_exact_product)(sum, x, y) : SET(add_product)(sum, x, y);
}

static SET(INLINE) void SET(add_pair)(SET(PairLanes) *lanes, unsigned p, SET(Doubles) x,
                                      SET(Doubles) y, bool is_exact) {
  SET(Doubles) difference = SET(absolute_doubles)(SET(subtract_doubles)(x, y));
  lanes->largest[p] = SET(max_doubles)(difference, lanes->largest[p]);
  lanes->differences[p] = SET(add_doubles)(lanes->differences[p], difference);
  lanes->squared_differences[p] =
      SET(add_product)(lanes->squared_differences[p], difference, difference);
  lanes->products[p] = SET(add_pair_product)(lanes->products[p], x, y, is_exact);
  lanes->a_squares[p] = SET(add_pair_product)(lanes->a_squares[p], x, x, is_exact);
  lanes->b_squares[p] = SET(add_pair_product)(lanes->b_squares[p], y, y, is_exact);
}

/* Adds the lanes to a sum, in their order. */
static SET(INLINE) double SET(add_up)(double sum, const SET(Doubles) lanes[SET(PAIR_PARTS)]) {
  double numbers[SET(PAIR_PASS)];
  SET(UNROLL) for (unsigned p = 0; p < SET(PAIR_PARTS); p++) {
    SET(store_doubles)(numbers + p * SET(DOUBLES), lanes[p]);
  }
  for (unsigned j = 0; j < SET(PAIR_PASS); j++) sum += numbers[j];
  return sum;
}

static SET(INLINE) void SET(add_lanes)(PairSums *sums, const SET(PairLanes) *lanes) {
  double largest[SET(PAIR_PASS)] = {0};
  SET(UNROLL) for (unsigned p = 0; p < SET(PAIR_PARTS); p++) {
    SET(store_doubles)(largest + p * SET(DOUBLES), lanes->largest[p]);
  }
  for (unsigned j = 0; j < SET(PAIR_PASS); j++) {
    if (largest[j] > sums->largest) sums->largest = largest[j];
  }
  sums->differences = SET(add_up)(sums->differences, lanes->differences);
  sums->squared_differences = SET(add_up)(sums->squared_differences, lanes->squared_differences);
  sums->products = SET(add_up)(sums->products, lanes->products);
  sums->a_squares = SET(add_up)(sums->a_squares, lanes->a_squares);
  sums->b_squares = SET(add_up)(sums->b_squares, lanes->b_squares);
}

/* Adds up to PAIR_PIECE pairs. */
static SET(INLINE) void SET(add_piece)(SET(PairLanes) *lanes, SET(Numbers) *numbers, uint64_t size,
                                       bool is_exact, const unsigned char *a,
                                       const unsigned char *b, uint64_t count) {
  for (uint64_t i = 0; i < count; i += PAIR_LANES) {
    if (i * size % SET(PAIR_LINE) == 0) {
      SET(prefetch)(a + KERNEL_AHEAD);
      SET(prefetch)(b + KERNEL_AHEAD);
    }
    SET(UNROLL) for (unsigned p = 0; p < SET(PAIR_PARTS); p++) {
      SET(add_pair)(lanes, p, numbers(a, p), numbers(b, p), is_exact);
      SET(BEFORE_THE_NEXT)(lanes->products[p]);
    }
    a += PAIR_LANES * size;
    b += PAIR_LANES * size;
  }
}

static SET(INLINE) void SET(pairs)(SET(Numbers) *numbers, SET(CountEqual) *equal, uint64_t size,
                                   bool is_exact, const unsigned char *a, const unsigned char *b,
                                   uint64_t count, PairSums *out) {
  *out = (PairSums){0};
  for (unsigned first = 0; first < PAIR_LANES; first += SET(PAIR_PASS)) {
    SET(PairLanes) lanes;
    SET(UNROLL) for (unsigned p = 0; p < SET(PAIR_PARTS); p++) {
      SET(Doubles) zero = SET(all_doubles)(0);
      lanes.differences[p] = lanes.squared_differences[p] = lanes.largest[p] = zero;
      lanes.products[p] = lanes.a_squares[p] = lanes.b_squares[p] = zero;
    }
    for (uint64_t done = 0, part; done < count; done += part) {
      const unsigned char *x = a + done * size, *y = b + done * size;
      part = count - done < SET(PAIR_PIECE) ? count - done : SET(PAIR_PIECE);
      SET(add_piece)(&lanes, numbers, size, is_exact, x + first * size, y + first * size, part);
      if (first == 0) out->unequal += SET(count_unequal)(equal, size, x, y, part);
    }
    SET(add_lanes)(out, &lanes);
  }
}

static SET(INLINE) double SET(squares)(SET(Numbers) *numbers, uint64_t size, bool is_exact,
                                       const unsigned char *data, uint64_t count) {
  enum { PARTS = PAIR_LANES / SET(DOUBLES) };
  SET(Doubles) lanes[PARTS];
  double squares[PAIR_LANES], sum = 0;
  SET(UNROLL) for (unsigned p = 0; p < PARTS; p++) lanes[p] = SET(all_doubles)(0);
  for (uint64_t i = 0; i < count; i += PAIR_LANES, data += PAIR_LANES * size) {
    if (i * size % SET(PAIR_LINE) == 0) SET(prefetch)(data + KERNEL_AHEAD);
    SET(UNROLL) for (unsigned p = 0; p < PARTS; p++) {
      SET(Doubles) x = numbers(data, p);
      lanes[p] = SET(add_pair_product)(lanes[p], x, x, is_exact);
    }
  }
  SET(UNROLL) for (unsigned p = 0; p < PARTS; p++) {
    SET(store_doubles)(squares + p * SET(DOUBLES), lanes[p]);
  }
  for (unsigned j = 0; j < PAIR_LANES; j++) sum += squares[j];
  return sum;
}

static SET(TARGET) void SET(pairs_F32)(const void *a, const void *b, uint64_t count,
                                       PairSums *out) {
  SET(pairs)(SET(doubles_F32), SET(equal_F32), sizeof(float), true, a, b, count, out);
}

static SET(TARGET) void SET(pairs_F64)(const void *a, const void *b, uint64_t count,
                                       PairSums *out) {
  SET(pairs)(SET(doubles_F64), SET(equal_F64), sizeof(double), false, a, b, count, out);
}

static SET(TARGET) void SET(pairs_F16)(const void *a, const void *b, uint64_t count,
                                       PairSums *out) {
  SET(pairs)(SET(doubles_F16), SET(equal_halves), 2, true, a, b, count, out);
}

static SET(TARGET) void SET(pairs_BF16)(const void *a, const void *b, uint64_t count,
                                        PairSums *out) {
  SET(pairs)(SET(doubles_BF16), SET(equal_halves), 2, true, a, b, count, out);
}

static SET(TARGET) double SET(squares_F32)(const void *data, uint64_t count) {
  return SET(squares)(SET(doubles_F32), sizeof(float), true, data, count);
}

static SET(TARGET) double SET(squares_F64)(const void *data, uint64_t count) {
  return SET(squares)(SET(doubles_F64), sizeof(double), false, data, count);
}

static SET(TARGET) double SET(squares_F16)(const void *data, uint64_t count) {
  return SET(squares)(SET(doubles_F16), 2, true, data, count);
}

static SET(TARGET) double SET(squares_BF16)(const void *data, uint64_t count) {
  return SET(squares)(SET(doubles_BF16), 2, true, data, count);
}
