/* Rounding floats to floats of 8 bits. Included by kernels/NAME.c, once for each set: see kernels.h. The compiler makes
** vectors of these loops, as wide as the set's. */

enum { SET(SHORTEN_BLOCK) = 64 };

static SET(INLINE) void SET(shorten_bytes)(FloatFormat format, const unsigned char *floats,
                                           uint64_t count, unsigned char *out) {
  for (; count >= SET(SHORTEN_BLOCK); count -= SET(SHORTEN_BLOCK)) {
    unsigned char codes[SET(SHORTEN_BLOCK)];
    ELEMENT_ROLLED for (unsigned i = 0; i < SET(SHORTEN_BLOCK); i++) {
      codes[i] = (unsigned char)small_float_narrow(float_at(floats, i), format);
    }
    memcpy(out, codes, sizeof codes);
    floats += SET(SHORTEN_BLOCK) *sizeof(float);
    out += SET(SHORTEN_BLOCK);
  }
  for (uint64_t i = 0; i < count; i++)
    out[i] = (unsigned char)small_float_narrow(float_at(floats, i), format);
}

#define SHORTEN(dtype)                                                                      \
  static SET(TARGET) void SET(shorten_##dtype)(const unsigned char *floats, uint64_t count, \
                                               unsigned char *out) {                        \
    SET(shorten_bytes)(float_format(DTYPE_##dtype), floats, count, out);                    \
  }
SHORTEN(F8_E4M3)
SHORTEN(F8_E5M2)
SHORTEN(F8_E4M3FNUZ)
SHORTEN(F8_E5M2FNUZ)
#undef SHORTEN
