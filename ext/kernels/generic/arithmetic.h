/* Arithmetic, element by element, and products of matrices. Included by kernels/NAME.c, once for each
** set: see kernels.h.
**
** Uses from the vocabulary: add_floats() to divide_floats(), load_floats(data), all_floats(number), widen_DTYPE(data);
** add_doubles() to divide_doubles(), doubles_DTYPE(data, part) and store_F32(out, doubles); prefetch(data);
** and TILE_ROWS and TILE_PARTS, how many rows of how many registers of doubles are multiplied at once. KERNEL_LANES
** elements are taken at a time, because compilers vectorise loops of a constant length. */

/* ---- In floats ---- */

typedef SET(Floats) SET(Widen)(const unsigned char *data);
typedef SET(Floats) SET(OfFloats)(SET(Floats) a, SET(Floats) b);

static SET(INLINE) void SET(compute_floats)(SET(OfFloats) *operation, SET(Widen) *widen,
                                            uint64_t size, const unsigned char *a,
                                            const unsigned char *b, float *restrict out) {
  SET(UNROLL) for (unsigned i = 0; i < KERNEL_LANES; i += SET(FLOATS)) {
    SET(store_floats)(out + i, operation(widen(a + i * size), widen(b + i * size)));
  }
}

static SET(INLINE) void SET(all_floats_of)(SET(OfFloats) *operation, SET(Widen) *widen,
                                           uint64_t size, const unsigned char *a,
                                           const unsigned char *b, uint64_t count, float *out) {
  for (; count >= KERNEL_LANES; count -= KERNEL_LANES, out += KERNEL_LANES) {
    SET(prefetch)(a + KERNEL_AHEAD);
    SET(prefetch)(b + KERNEL_AHEAD);
    SET(compute_floats)(operation, widen, size, a, b, out);
    a += KERNEL_LANES * size;
    b += KERNEL_LANES * size;
  }
  if (count > 0) {
    unsigned char last_a[KERNEL_LANES * sizeof(float)] = {0}, last_b[sizeof last_a] = {0};
    float values[KERNEL_LANES];
    memcpy(last_a, a, (size_t)(count * size));
    memcpy(last_b, b, (size_t)(count * size));
    SET(compute_floats)(operation, widen, size, last_a, last_b, values);
    memcpy(out, values, (size_t)count * sizeof *out);
  }
}

#define ARITHMETIC_FLOATS(name, operation)                                                 \
  static SET(TARGET) void SET(name##_F32)(const unsigned char *a, const unsigned char *b,  \
                                          uint64_t count, float *out) {                    \
    SET(all_floats_of)(SET(operation), SET(load_floats), 4, a, b, count, out);             \
  }                                                                                        \
  static SET(TARGET) void SET(name##_F16)(const unsigned char *a, const unsigned char *b,  \
                                          uint64_t count, float *out) {                    \
    SET(all_floats_of)(SET(operation), SET(widen_F16), 2, a, b, count, out);               \
  }                                                                                        \
  static SET(TARGET) void SET(name##_BF16)(const unsigned char *a, const unsigned char *b, \
                                           uint64_t count, float *out) {                   \
    SET(all_floats_of)(SET(operation), SET(widen_BF16), 2, a, b, count, out);              \
  }
ARITHMETIC_FLOATS(sum, add_floats)
ARITHMETIC_FLOATS(difference, subtract_floats)
ARITHMETIC_FLOATS(product, multiply_floats)
ARITHMETIC_FLOATS(quotient, divide_floats)
#undef ARITHMETIC_FLOATS

static SET(TARGET) void SET(scale_groups)(float *numbers, const float *factors, uint64_t groups,
                                          uint64_t size) {
  for (uint64_t g = 0; g < groups; g++) {
    SET(Floats) factor = SET(all_floats)(factors[g]);
    for (uint64_t done = 0; done < size; done += KERNEL_LANES, numbers += KERNEL_LANES) {
      SET(UNROLL) for (unsigned i = 0; i < KERNEL_LANES; i += SET(FLOATS)) {
        SET(Floats) values = SET(load_floats)((const unsigned char *)(numbers + i));
        SET(store_floats)(numbers + i, SET(multiply_floats)(values, factor));
      }
    }
  }
}

/* ---- In doubles ---- */

/* The doubles number `part` from `data` on. */
typedef SET(Doubles) SET(DoublesOf)(const unsigned char *data, unsigned part);

/* Of what is in `out`, a, b and t. */
typedef SET(Doubles)
    SET(OfDoubles)(SET(Doubles) out, SET(Doubles) a, SET(Doubles) b, SET(Doubles) t);

static SET(INLINE) SET(Doubles)
    SET(as_it_is)(SET(Doubles) out, SET(Doubles) a, SET(Doubles) b, SET(Doubles) t) {
  (void)out, (void)b, (void)t;
  return a;
}

static SET(INLINE) SET(Doubles)
    SET(scaled)(SET(Doubles) out, SET(Doubles) a, SET(Doubles) b, SET(Doubles) t) {
  (void)out, (void)b;
  return SET(multiply_doubles)(t, a);
}

static SET(INLINE) SET(Doubles)
    SET(plus_scaled)(SET(Doubles) out, SET(Doubles) a, SET(Doubles) b, SET(Doubles) t) {
  (void)b;
  return SET(add_product)(out, t, a);
}

static SET(INLINE) SET(Doubles)
    SET(between)(SET(Doubles) out, SET(Doubles) a, SET(Doubles) b, SET(Doubles) t) {
  (void)out;
  return SET(add_product)(a, t, SET(subtract_doubles)(b, a));
}

static SET(INLINE) SET(Doubles)
    SET(a_plus_b)(SET(Doubles) out, SET(Doubles) a, SET(Doubles) b, SET(Doubles) t) {
  (void)out, (void)t;
  return SET(add_doubles)(a, b);
}

static SET(INLINE) SET(Doubles)
    SET(a_minus_b)(SET(Doubles) out, SET(Doubles) a, SET(Doubles) b, SET(Doubles) t) {
  (void)out, (void)t;
  return SET(subtract_doubles)(a, b);
}

static SET(INLINE) SET(Doubles)
    SET(a_times_b)(SET(Doubles) out, SET(Doubles) a, SET(Doubles) b, SET(Doubles) t) {
  (void)out, (void)t;
  return SET(multiply_doubles)(a, b);
}

static SET(INLINE) SET(Doubles)
    SET(a_by_b)(SET(Doubles) out, SET(Doubles) a, SET(Doubles) b, SET(Doubles) t) {
  (void)out, (void)t;
  return SET(divide_doubles)(a, b);
}

static SET(INLINE) SET(Doubles) SET(load_doubles)(const double *numbers) {
  return SET(doubles_F64)((const unsigned char *)numbers, 0);
}

static SET(INLINE) void SET(compute_doubles)(SET(OfDoubles) *operation, SET(DoublesOf) *numbers,
                                             const unsigned char *a, const unsigned char *b,
                                             double t, double *restrict out) {
  SET(UNROLL) for (unsigned p = 0; p < KERNEL_LANES / SET(DOUBLES); p++) {
    double *at = out + p * SET(DOUBLES);
    SET(Doubles) result =
        operation(SET(load_doubles)(at), numbers(a, p), numbers(b, p), SET(all_doubles)(t));
    SET(store_doubles)(at, result);
  }
}

static SET(INLINE) void SET(all_doubles_of)(SET(OfDoubles) *operation, SET(DoublesOf) *numbers,
                                            uint64_t size, const unsigned char *a,
                                            const unsigned char *b, double t, uint64_t count,
                                            double *out) {
  const bool is_stored = size < sizeof(double); /* else it is in the cache */
  for (; count >= KERNEL_LANES; count -= KERNEL_LANES, out += KERNEL_LANES) {
    if (is_stored) SET(prefetch)(a + KERNEL_AHEAD);
    if (is_stored) SET(prefetch)(b + KERNEL_AHEAD);
    SET(compute_doubles)(operation, numbers, a, b, t, out);
    a += KERNEL_LANES * size;
    b += KERNEL_LANES * size;
  }
  if (count > 0) {
    unsigned char last_a[KERNEL_LANES * sizeof(double)] = {0}, last_b[sizeof last_a] = {0};
    double values[KERNEL_LANES] = {0};
    memcpy(last_a, a, (size_t)(count * size));
    memcpy(last_b, b, (size_t)(count * size));
    memcpy(values, out, (size_t)count * sizeof *out);
    SET(compute_doubles)(operation, numbers, last_a, last_b, t, values);
    memcpy(out, values, (size_t)count * sizeof *out);
  }
}

/* What takes one tensor takes it twice. */
#define ARITHMETIC_OF_ONE(name, operation, dtype, size)                                         \
  static SET(TARGET) void SET(name##_##dtype)(const unsigned char *a, double t, uint64_t count, \
                                              double *out) {                                    \
    SET(all_doubles_of)(SET(operation), SET(doubles_##dtype), size, a, a, t, count, out);       \
  }
#define ARITHMETIC_OF_TWO(name, operation, dtype, size)                                       \
  static SET(TARGET) void SET(name##_##dtype)(const unsigned char *a, const unsigned char *b, \
                                              double t, uint64_t count, double *out) {        \
    SET(all_doubles_of)(SET(operation), SET(doubles_##dtype), size, a, b, t, count, out);     \
  }
#define ARITHMETIC_BY_DTYPE(KIND, name, operation) \
  KIND(name, operation, F32, 4)                    \
  KIND(name, operation, F64, 8)                    \
  KIND(name, operation, F16, 2)                    \
  KIND(name, operation, BF16, 2)
ARITHMETIC_OF_ONE(doubles_of, as_it_is, F32, 4)
ARITHMETIC_OF_ONE(doubles_of, as_it_is, F16, 2)
ARITHMETIC_OF_ONE(doubles_of, as_it_is, BF16, 2)
ARITHMETIC_BY_DTYPE(ARITHMETIC_OF_ONE, scale, scaled)
ARITHMETIC_BY_DTYPE(ARITHMETIC_OF_ONE, add_scaled, plus_scaled)
ARITHMETIC_BY_DTYPE(ARITHMETIC_OF_TWO, lerp, between)
ARITHMETIC_OF_TWO(add, a_plus_b, F64, 8)
ARITHMETIC_OF_TWO(subtract, a_minus_b, F64, 8)
ARITHMETIC_OF_TWO(multiply, a_times_b, F64, 8)
ARITHMETIC_OF_TWO(divide, a_by_b, F64, 8)
#undef ARITHMETIC_OF_ONE
#undef ARITHMETIC_OF_TWO
#undef ARITHMETIC_BY_DTYPE

/* ---- Rounding ---- */

typedef void SET(StoreNarrow)(unsigned char *out, SET(Doubles) numbers);

static SET(INLINE) void SET(narrow)(SET(StoreNarrow) *store, uint64_t size, const double *numbers,
                                    uint64_t count, unsigned char *restrict out) {
  for (; count >= KERNEL_LANES; count -= KERNEL_LANES, numbers += KERNEL_LANES) {
    SET(UNROLL) for (unsigned i = 0; i < KERNEL_LANES; i += SET(DOUBLES)) {
      store(out + i * size, SET(load_doubles)(numbers + i));
    }
    out += KERNEL_LANES * size;
  }
  if (count > 0) {
    double last[KERNEL_LANES] = {0};
    unsigned char values[KERNEL_LANES * sizeof(float)];
    memcpy(last, numbers, (size_t)count * sizeof *numbers);
    SET(UNROLL) for (unsigned i = 0; i < KERNEL_LANES; i += SET(DOUBLES)) {
      store(values + i * size, SET(load_doubles)(last + i));
    }
    memcpy(out, values, (size_t)(count * size));
  }
}

static SET(TARGET) void SET(narrow_F32)(const double *numbers, uint64_t count, unsigned char *out) {
  SET(narrow)(SET(store_F32), 4, numbers, count, out);
}

/* ---- Products of matrices ---- */

/* Some columns of some rows, at most TILE_ROWS. */
static SET(INLINE) void SET(multiply_part)(const KernelProduct *product, bool is_exact,
                                           unsigned rows, const double *left, const double *right,
                                           double *out) {
  SET(Doubles) sums[SET(TILE_ROWS)][SET(TILE_PARTS)];
  const uint64_t length = product->length, stride = product->left_stride;
  const uint64_t out_stride = product->out_stride;
  SET(UNROLL) for (unsigned r = 0; r < rows; r++) {
    SET(UNROLL) for (unsigned p = 0; p < SET(TILE_PARTS); p++) {
      sums[r][p] = product->begins ? SET(all_doubles)(0)
                                   : SET(load_doubles)(out + r * out_stride + p * SET(DOUBLES));
    }
  }
  for (uint64_t k = 0; k < length; k++, left++, right += KERNEL_TILE_COLUMNS) {
    SET(UNROLL) for (unsigned r = 0; r < rows; r++) {
      SET(Doubles) factor = SET(all_doubles)(left[r * stride]);
      SET(UNROLL) for (unsigned p = 0; p < SET(TILE_PARTS); p++) {
        SET(Doubles) number = SET(load_doubles)(right + p * SET(DOUBLES));
        sums[r][p] = is_exact ? SET(add_exact_product)(sums[r][p], factor, number)
                              : SET(add_product)(sums[r][p], factor, number);
      }
    }
  }
  SET(UNROLL) for (unsigned r = 0; r < rows; r++) {
    SET(UNROLL) for (unsigned p = 0; p < SET(TILE_PARTS); p++) {
      SET(store_doubles)(out + r * out_stride + p * SET(DOUBLES), sums[r][p]);
    }
  }
}

/* The columns of some rows, `count` of them at once. */
static SET(INLINE) void SET(multiply_columns)(const KernelProduct *product, bool is_exact,
                                              unsigned count, uint64_t row) {
  for (unsigned c = 0; c < KERNEL_TILE_COLUMNS; c += SET(TILE_PARTS) *SET(DOUBLES)) {
    SET(multiply_part)(product, is_exact, count, product->left + row * product->left_stride,
                       product->right + c, product->out + row * product->out_stride + c);
  }
}

static SET(INLINE) void SET(multiply_rows)(const KernelProduct *product, bool is_exact) {
  uint64_t r = 0;
  for (; r + SET(TILE_ROWS) <= product->rows; r += SET(TILE_ROWS))
    SET(multiply_columns)(product, is_exact, SET(TILE_ROWS), r);
  const unsigned least = KERNEL_TILE_ROWS, few = SET(TILE_ROWS) < least ? SET(TILE_ROWS) : least;
  for (; r < product->rows; r += few) SET(multiply_columns)(product, is_exact, few, r);
}

static SET(TARGET) void SET(multiply_tile)(const KernelProduct *product) {
  if (product->is_exact) {
    SET(multiply_rows)(product, true);
  } else {
    SET(multiply_rows)(product, false);
  }
}
