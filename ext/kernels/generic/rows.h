/* Sums over the rows of a matrix and a vector. Included by kernels/NAME.c after pairs.h, once for each set: see
** kernels.h.
**
** Uses from the vocabulary: ROW_GROUP, how many rows are read side by side: the lanes of one row alone would wait
** for each other. What follows the group is fetched ahead, as short rows are too short for the machine to see where
** the next ones begin. */

enum { SET(ROW_PARTS) = PAIR_LANES / SET(DOUBLES) };

typedef struct {
  SET(Doubles) sum[SET(ROW_GROUP)][SET(ROW_PARTS)], squares[SET(ROW_GROUP)][SET(ROW_PARTS)];
} SET(RowLanes);

/* How the elements of rows are read, and what is summed. Constant for each function below. */
typedef struct {
  SET(Numbers) *numbers;
  uint64_t size;
  unsigned group; /* rows side by side */
  bool is_distance;
} SET(RowKind);

static SET(INLINE) void SET(add_to_row)(SET(RowLanes) *lanes, unsigned r, unsigned p,
                                        SET(Doubles) x, SET(Doubles) y, bool is_distance) {
  if (is_distance) {
    SET(Doubles) difference = SET(subtract_doubles)(x, y);
    lanes->sum[r][p] = SET(add_product)(lanes->sum[r][p], difference, difference);
  } else {
    lanes->sum[r][p] = SET(add_exact_product)(lanes->sum[r][p], x, y);
    lanes->squares[r][p] = SET(add_exact_product)(lanes->squares[r][p], x, x);
  }
}

/* Adds PAIR_LANES elements of each row. */
static SET(INLINE) void SET(add_to_rows)(SET(RowKind) kind, const unsigned char *data,
                                         uint64_t stride, const double *vector,
                                         SET(RowLanes) *lanes) {
  SET(UNROLL) for (unsigned p = 0; p < SET(ROW_PARTS); p++) {
    SET(Doubles) y = SET(doubles_F64)((const unsigned char *)vector, p);
    SET(UNROLL) for (unsigned r = 0; r < kind.group; r++) {
      SET(Doubles) x = kind.numbers(data + r * stride, p);
      SET(add_to_row)(lanes, r, p, x, y, kind.is_distance);
    }
  }
}

/* The last elements of each row, fewer than PAIR_LANES, as if zeros followed. */
static SET(INLINE) void SET(add_ends_of_rows)(SET(RowKind) kind, const unsigned char *data,
                                              uint64_t stride, const double *vector, uint64_t count,
                                              SET(RowLanes) *lanes) {
  enum { MAX_SIZE = PAIR_LANES * sizeof(double) };
  unsigned char ends[SET(ROW_GROUP) *MAX_SIZE] = {0};
  for (unsigned r = 0; r < kind.group; r++) {
    memcpy(ends + (uint64_t)r * MAX_SIZE, data + r * stride, (size_t)(count * kind.size));
  }
  SET(add_to_rows)(kind, ends, MAX_SIZE, vector, lanes);
}

static SET(INLINE) double SET(add_up_row)(const SET(Doubles) lanes[SET(ROW_PARTS)]) {
  double numbers[PAIR_LANES], sum = 0;
  SET(UNROLL) for (unsigned p = 0; p < SET(ROW_PARTS); p++) {
    SET(store_doubles)(numbers + p * SET(DOUBLES), lanes[p]);
  }
  for (unsigned j = 0; j < PAIR_LANES; j++) sum += numbers[j];
  return sum;
}

static SET(INLINE) void SET(sum_group)(SET(RowKind) kind, const unsigned char *data,
                                       uint64_t stride, const double *vector, uint64_t count,
                                       RowSums *out) {
  enum { LINE = 64 };
  SET(RowLanes) lanes;
  SET(UNROLL) for (unsigned r = 0; r < kind.group; r++) {
    SET(UNROLL) for (unsigned p = 0; p < SET(ROW_PARTS); p++) {
      lanes.sum[r][p] = lanes.squares[r][p] = SET(all_doubles)(0);
    }
  }
  uint64_t i = 0, whole = count - count % PAIR_LANES;
  for (; i < whole; i += PAIR_LANES) {
    const unsigned char *at = data + i * kind.size;
    SET(add_to_rows)(kind, at, stride, vector + i, &lanes);
    if (i * kind.size % LINE != 0) continue;
    SET(UNROLL) for (unsigned r = 0; r < kind.group; r++) {
      SET(prefetch)(at + (kind.group + r) * stride);
    }
  }
  if (i < count) {
    SET(add_ends_of_rows)(kind, data + i * kind.size, stride, vector + i, count - i, &lanes);
  }
  SET(UNROLL) for (unsigned r = 0; r < kind.group; r++) {
    out[r].sum = SET(add_up_row)(lanes.sum[r]);
    __asm__ volatile("" : : : "memory"); /* or else clang makes vectors of a sum and its squares */
    out[r].squares = SET(add_up_row)(lanes.squares[r]);
  }
}

static SET(INLINE) void SET(sum_rows)(SET(RowKind) kind, const unsigned char *data, uint64_t stride,
                                      uint64_t rows, const double *vector, uint64_t count,
                                      RowSums *out) {
  for (; rows >= kind.group; rows -= kind.group, data += kind.group * stride, out += kind.group) {
    SET(sum_group)(kind, data, stride, vector, count, out);
  }
  kind.group = 1;
  for (; rows > 0; rows--, data += stride, out++) {
    SET(sum_group)(kind, data, stride, vector, count, out);
  }
}

static SET(TARGET) void SET(row_products_F32)(const unsigned char *data, uint64_t stride,
                                              uint64_t rows, const double *vector, uint64_t count,
                                              RowSums *out) {
  SET(RowKind) kind = {SET(doubles_F32), sizeof(float), SET(ROW_GROUP), false};
  SET(sum_rows)(kind, data, stride, rows, vector, count, out);
}

static SET(TARGET) void SET(row_products_F16)(const unsigned char *data, uint64_t stride,
                                              uint64_t rows, const double *vector, uint64_t count,
                                              RowSums *out) {
  SET(RowKind) kind = {SET(doubles_F16), 2, SET(ROW_GROUP), false};
  SET(sum_rows)(kind, data, stride, rows, vector, count, out);
}

static SET(TARGET) void SET(row_products_BF16)(const unsigned char *data, uint64_t stride,
                                               uint64_t rows, const double *vector, uint64_t count,
                                               RowSums *out) {
  SET(RowKind) kind = {SET(doubles_BF16), 2, SET(ROW_GROUP), false};
  SET(sum_rows)(kind, data, stride, rows, vector, count, out);
}

static SET(TARGET) void SET(row_distances_F32)(const unsigned char *data, uint64_t stride,
                                               uint64_t rows, const double *vector, uint64_t count,
                                               RowSums *out) {
  SET(RowKind) kind = {SET(doubles_F32), sizeof(float), SET(ROW_GROUP), true};
  SET(sum_rows)(kind, data, stride, rows, vector, count, out);
}

static SET(TARGET) void SET(row_distances_F16)(const unsigned char *data, uint64_t stride,
                                               uint64_t rows, const double *vector, uint64_t count,
                                               RowSums *out) {
  SET(RowKind) kind = {SET(doubles_F16), 2, SET(ROW_GROUP), true};
  SET(sum_rows)(kind, data, stride, rows, vector, count, out);
}

static SET(TARGET) void SET(row_distances_BF16)(const unsigned char *data, uint64_t stride,
                                                uint64_t rows, const double *vector, uint64_t count,
                                                RowSums *out) {
  SET(RowKind) kind = {SET(doubles_BF16), 2, SET(ROW_GROUP), true};
  SET(sum_rows)(kind, data, stride, rows, vector, count, out);
}
