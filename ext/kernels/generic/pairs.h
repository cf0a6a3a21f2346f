/* Sums over two tensors. Included by kernels/NAME.c, once for each set: see kernels.h.
**
** Uses from the vocabulary: PAIR_PASS, how many of the PAIR_LANES lanes are summed in one pass over
** the elements, which is as many as fit in the registers; and doubles_DTYPE(data, part), the
** Doubles number `part` from `data` on. */

enum { SET(PAIR_PARTS) = SET(PAIR_PASS) / SET(DOUBLES) };

typedef struct {
  SET(Doubles) differences[SET(PAIR_PARTS)], squared_differences[SET(PAIR_PARTS)];
  SET(Doubles) largest[SET(PAIR_PARTS)], products[SET(PAIR_PARTS)];
  SET(Doubles) a_squares[SET(PAIR_PARTS)], b_squares[SET(PAIR_PARTS)];
  SET(DoubleCounts) unequal[SET(PAIR_PARTS)];
} SET(PairLanes);

typedef SET(Doubles) SET(Numbers)(const unsigned char *data, unsigned part);

static SET(INLINE) SET(Doubles)
    SET(add_pair_product)(SET(Doubles) sum, SET(Doubles) x, SET(Doubles) y, bool is_exact) {
  return is_exact ? SET(add_exact_product)(sum, x, y) : SET(add_product)(sum, x, y);
}

static SET(INLINE) void SET(add_pair)(SET(PairLanes) *lanes, unsigned p, SET(Doubles) x,
                                      SET(Doubles) y, bool is_exact) {
  SET(Doubles) difference = SET(absolute_doubles)(SET(subtract_doubles)(x, y));
  lanes->unequal[p] = SET(count_doubles)(lanes->unequal[p], SET(unequal)(x, y));
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
    sums->unequal += SET(fold_double_counts)(lanes->unequal[p]);
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

static SET(INLINE) void SET(pairs)(SET(Numbers) *numbers, uint64_t size, bool is_exact,
                                   const unsigned char *a, const unsigned char *b, uint64_t count,
                                   PairSums *out) {
  *out = (PairSums){0};
  for (unsigned first = 0; first < PAIR_LANES; first += SET(PAIR_PASS)) {
    SET(PairLanes) lanes;
    SET(UNROLL) for (unsigned p = 0; p < SET(PAIR_PARTS); p++) {
      SET(Doubles) zero = SET(all_doubles)(0);
      lanes.differences[p] = lanes.squared_differences[p] = lanes.largest[p] = zero;
      lanes.products[p] = lanes.a_squares[p] = lanes.b_squares[p] = zero;
      lanes.unequal[p] = SET(no_double_counts)();
    }
    const unsigned char *x = a + first * size, *y = b + first * size;
    for (uint64_t i = 0; i < count;
         i += PAIR_LANES, x += PAIR_LANES * size, y += PAIR_LANES * size) {
      SET(UNROLL) for (unsigned p = 0; p < SET(PAIR_PARTS); p++) {
        SET(add_pair)(&lanes, p, numbers(x, p), numbers(y, p), is_exact);
      }
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
  SET(pairs)(SET(doubles_F32), sizeof(float), true, a, b, count, out);
}

static SET(TARGET) void SET(pairs_F64)(const void *a, const void *b, uint64_t count,
                                       PairSums *out) {
  SET(pairs)(SET(doubles_F64), sizeof(double), false, a, b, count, out);
}

static SET(TARGET) void SET(pairs_F16)(const void *a, const void *b, uint64_t count,
                                       PairSums *out) {
  SET(pairs)(SET(doubles_F16), 2, true, a, b, count, out);
}

static SET(TARGET) void SET(pairs_BF16)(const void *a, const void *b, uint64_t count,
                                        PairSums *out) {
  SET(pairs)(SET(doubles_BF16), 2, true, a, b, count, out);
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
