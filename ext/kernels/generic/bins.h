/* The bins of numbers. Included by kernels/NAME.c, once for each set: see kernels.h.
**
** Uses from the vocabulary: Doubles, DOUBLES (how many fit in a register) and their arithmetic;
** Mask, the result of comparing Doubles; doubles_F32(data, part) and doubles_F64(data, part), the
** Doubles number `part` of native floats or doubles; store_truncated(out, numbers), as int32_t; and
** round_doubles(numbers), to the nearest integer for numbers below 2^51, and to any integer
** beyond. */

typedef struct {
  SET(Doubles) unit, lo, scale, bins;
} SET(Bins);

static SET(INLINE) SET(Bins) SET(load_binning)(const Binning *binning) {
  return (SET(Bins)){SET(all_doubles)(binning->unit), SET(all_doubles)(binning->lo),
                     SET(all_doubles)(binning->scale), SET(all_doubles)(binning->bins)};
}

/* Stores the bins of numbers. Returns which of them are in doubt. */
static SET(INLINE) SET(Mask)
    SET(store_bins)(const SET(Bins) *all, SET(Doubles) numbers, int32_t *out) {
  SET(Doubles) scaled = SET(multiply_doubles)(numbers, all->unit);
  SET(Doubles) place = SET(multiply_doubles)(SET(subtract_doubles)(scaled, all->lo), all->scale);
  SET(Mask) above = SET(greater_equal)(place, SET(all_doubles)(0));
  SET(Mask) within = SET(both)(above, SET(less)(place, all->bins));
  SET(Doubles) away = SET(subtract_doubles)(place, SET(round_doubles)(place));
  SET(Mask) unsure = SET(less)(SET(absolute_doubles)(away), SET(all_doubles)(BINNING_DOUBT));
  SET(Doubles) bin = SET(select_doubles)(within, place, all->bins);
  SET(store_truncated)(out, SET(select_doubles)(unsure, SET(all_doubles)(-1), bin));
  return unsure;
}

static SET(INLINE) bool SET(bins)(SET(Doubles) (*doubles)(const unsigned char *data, unsigned part),
                                  uint64_t size, const void *numbers, uint64_t count,
                                  const Binning *binning, int32_t *out) {
  const SET(Bins) all = SET(load_binning)(binning);
  const unsigned char *data = numbers;
  SET(Mask) unsure = SET(less)(SET(all_doubles)(0), SET(all_doubles)(0)); /* none */
  for (; count >= SET(DOUBLES); count -= SET(DOUBLES), data += size * SET(DOUBLES)) {
    unsure = SET(either)(unsure, SET(store_bins)(&all, doubles(data, 0), out));
    out += SET(DOUBLES);
  }
  if (count > 0) { /* the rest is filled up with its first number */
    unsigned char last[sizeof(double) * SET(DOUBLES)];
    int32_t bins[SET(DOUBLES)];
    for (unsigned i = 0; i < SET(DOUBLES); i++) {
      memcpy(last + i * size, data + (i < count ? i : 0) * size, (size_t)size);
    }
    unsure = SET(either)(unsure, SET(store_bins)(&all, doubles(last, 0), bins));
    memcpy(out, bins, (size_t)count * sizeof *out);
  }
  return SET(any)(unsure);
}

static SET(TARGET) bool SET(find_bins_F32)(const void *numbers, uint64_t count,
                                           const Binning *binning, int32_t *out) {
  return SET(bins)(SET(doubles_F32), sizeof(float), numbers, count, binning, out);
}

static SET(TARGET) bool SET(find_bins_F64)(const void *numbers, uint64_t count,
                                           const Binning *binning, int32_t *out) {
  return SET(bins)(SET(doubles_F64), sizeof(double), numbers, count, binning, out);
}
