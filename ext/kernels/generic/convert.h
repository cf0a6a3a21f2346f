/* Conversion of 16-bit elements to floats. Included by kernels/NAME.c, once for each set: see
** kernels.h.
**
** Uses from the vocabulary: Floats, FLOATS (how many fit in a register), store_floats(out, floats),
** and for each dtype widen_DTYPE(data), which converts FLOATS elements. KERNEL_LANES elements are
** taken at a time, because compilers vectorise loops of a constant length. */

static SET(INLINE) void SET(convert)(SET(Floats) (*widen)(const unsigned char *data), uint64_t size,
                                     const unsigned char *data, uint64_t count, float *out) {
  for (; count >= KERNEL_LANES; count -= KERNEL_LANES, data += KERNEL_LANES * size) {
    SET(UNROLL) for (unsigned i = 0; i < KERNEL_LANES; i += SET(FLOATS)) {
      SET(store_floats)(out + i, widen(data + i * size));
    }
    out += KERNEL_LANES;
  }
  if (count > 0) {
    unsigned char last[KERNEL_LANES * sizeof(uint16_t)] = {0};
    float values[KERNEL_LANES];
    memcpy(last, data, (size_t)(count * size));
    SET(UNROLL) for (unsigned i = 0; i < KERNEL_LANES; i += SET(FLOATS)) {
      SET(store_floats)(values + i, widen(last + i * size));
    }
    memcpy(out, values, (size_t)count * sizeof(float));
  }
}

static SET(TARGET) void SET(convert_F16)(const unsigned char *data, uint64_t count, float *out) {
  SET(convert)(SET(widen_F16), 2, data, count, out);
}

static SET(TARGET) void SET(convert_BF16)(const unsigned char *data, uint64_t count, float *out) {
  SET(convert)(SET(widen_BF16), 2, data, count, out);
}

static SET(TARGET) void SET(convert_I16)(const unsigned char *data, uint64_t count, float *out) {
  SET(convert)(SET(widen_I16), 2, data, count, out);
}

static SET(TARGET) void SET(convert_U16)(const unsigned char *data, uint64_t count, float *out) {
  SET(convert)(SET(widen_U16), 2, data, count, out);
}
