#include "tensor/convert.h"

#include "kernels/kernels.h"
#include "tensor/decode.h"
#include "tensor/encode.h"
#include "tensor/gather.h"
#include "tensor/integers.h"

/* Elements that are converted at a time, through buffers on the stack. */
enum { CONVERT_BLOCK = 512 };

/* ---- Fast paths ---- */

static inline void convert_BF16_to_F32(const unsigned char *from, unsigned char *to) {
  element_store_32(to, (uint32_t)element_load_16(from) << 16);
}

static inline void convert_F16_to_F32(const unsigned char *from, unsigned char *to) {
  element_store_32(to, float_bits(float_widen(element_load_16(from), float_format(DTYPE_F16))));
}

/* Rounds as encode.c does. A carry out of the mantissa correctly increments the exponent, at the
** upper end to infinity. */
static inline void convert_F32_to_BF16(const unsigned char *from, unsigned char *to) {
  uint32_t bits = element_load_32(from);
  uint32_t rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
  uint32_t nan = (bits >> 16 & 0x8000) | float_format(DTYPE_BF16).nan;
  element_store_16(to, (uint16_t)choose((bits & 0x7fffffff) > 0x7f800000, nan, rounded));
}

/* The same for F16, whose range is narrower. */
static inline void convert_F32_to_F16(const unsigned char *from, unsigned char *to) {
  const uint32_t half = float_bits(0.5F), lowest = float_bits(0x1p-14F), infinity = 0x7c00;
  uint32_t bits = element_load_32(from), magnitude = bits & 0x7fffffff;
  uint32_t normal = (magnitude - (112u << 23) + 0xfff + (magnitude >> 13 & 1)) >> 13;
  /* Numbers from 0.5 to 1 are as far apart as the subnormal ones of F16, so that the addition rounds to these. */
  uint32_t subnormal =
      float_bits(float_from_bits(choose(magnitude < lowest, magnitude, 0)) + 0.5F) - half;
  uint32_t code = choose(magnitude < lowest, subnormal, normal);
  code = choose(magnitude >= float_bits(65536), infinity, code);
  code = choose(magnitude > 0x7f800000, float_format(DTYPE_F16).nan, code);
  element_store_16(to, (uint16_t)((bits >> 16 & 0x8000) | code));
}

/* At -O2, gcc only vectorises loops of a fixed length, and only if the output cannot overlap
** anything else. So elements are taken in blocks and written through a buffer. */
#define CONVERT_LOOP(from, to, from_size, to_size)                                              \
  static void convert_loop_##from##_##to(const unsigned char *in, uint64_t count,               \
                                         unsigned char *out) {                                  \
    unsigned char block[16 * to_size];                                                          \
    uint64_t at = 0;                                                                            \
    for (; count - at >= 16; at += 16) {                                                        \
      for (unsigned i = 0; i < 16; i++) {                                                       \
        convert_##from##_to_##to(in + (at + i) * from_size, block + i * to_size);               \
      }                                                                                         \
      memcpy(out + at * to_size, block, sizeof block);                                          \
    }                                                                                           \
    for (; at < count; at++) convert_##from##_to_##to(in + at * from_size, out + at * to_size); \
  }
CONVERT_LOOP(BF16, F32, 2, 4)
CONVERT_LOOP(F16, F32, 2, 4)
CONVERT_LOOP(F32, BF16, 4, 2)
CONVERT_LOOP(F32, F16, 4, 2)
#undef CONVERT_LOOP

/* With a kernel, where there is one. */
#define CONVERT_SHORTEN(to)                                                                       \
  static void convert_shorten_##to(const unsigned char *in, uint64_t count, unsigned char *out) { \
    bool native = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__;                                      \
    KernelShorten *shorten = native ? kernels_chosen()->shorten[DTYPE_##to] : NULL;               \
    (shorten != NULL ? shorten : convert_loop_F32_##to)(in, count, out);                          \
  }
CONVERT_SHORTEN(F16)
CONVERT_SHORTEN(BF16)
#undef CONVERT_SHORTEN

typedef void ConvertLoop(const unsigned char *in, uint64_t count, unsigned char *out);

/* Floats of 8 bits have only what kernels there are. */
static ConvertLoop *convert_find_bytes(Dtype to) {
  bool native = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ && dtype_bits(to) == 8;
  return native ? kernels_chosen()->shorten[to] : NULL;
}

static ConvertLoop *convert_find_loop(Dtype from, Dtype to) {
  if (from == DTYPE_F32 && dtype_bits(to) == 8) return convert_find_bytes(to);
  if (from == DTYPE_BF16 && to == DTYPE_F32) return convert_loop_BF16_F32;
  if (from == DTYPE_F16 && to == DTYPE_F32) return convert_loop_F16_F32;
  if (from == DTYPE_F32 && to == DTYPE_BF16) return convert_shorten_BF16;
  if (from == DTYPE_F32 && to == DTYPE_F16) return convert_shorten_F16;
  return NULL;
}

bool convert_fast(Dtype from, Dtype to, const unsigned char *in, uint64_t count,
                  unsigned char *out) {
  ConvertLoop *loop = convert_find_loop(from, to);
  if (loop != NULL) {
    loop(in, count, out);
    return true;
  }
  ConvertLoop *widen = convert_find_loop(from, DTYPE_F32),
              *narrow = convert_find_loop(DTYPE_F32, to);
  if (widen == NULL || narrow == NULL) return false;
  unsigned char
      floats[CONVERT_BLOCK * sizeof(float)]; /* exact, so that only the second one rounds */
  for (uint64_t done = 0; done < count; done += CONVERT_BLOCK) {
    uint64_t size = count - done < CONVERT_BLOCK ? count - done : CONVERT_BLOCK;
    widen(in + 2 * done, size, floats);
    narrow(floats, size, out + done * (dtype_bits(to) / 8));
  }
  return true;
}

/* ---- The general path ---- */

/* Where the elements are, and where they go. */
typedef struct ConvertMove {
  const unsigned char *data;
  uint64_t first, count, stride;
  unsigned char *out;
  uint64_t out_first;
} ConvertMove;

static bool convert_fast_kernels(Dtype from, Dtype to, const ConvertMove *move) {
  unsigned in_bits = dtype_bits(from), out_bits = dtype_bits(to);
  if (move->stride != 1 || in_bits % 8 != 0 || out_bits % 8 != 0) return false;
  return convert_fast(from, to, move->data + move->first * (in_bits / 8), move->count,
                      move->out + move->out_first * (out_bits / 8));
}

static void convert_integers(Dtype from, Dtype to, const ConvertMove *move) {
  unsigned in_bytes = dtype_bits(from) / 8, out_bytes = dtype_bits(to) / 8;
  unsigned char *out = move->out + move->out_first * out_bytes;
  if (move->stride == 1) {
    integers_convert(from, to, move->data + move->first * in_bytes, move->count, out);
    return;
  }
  unsigned char block[CONVERT_BLOCK * sizeof(uint64_t)];
  Chunk chunk = {move->data, move->first, 0, move->stride};
  for (uint64_t left = move->count; left > 0; left -= chunk.count) {
    chunk.count = left < CONVERT_BLOCK ? left : CONVERT_BLOCK;
    gather_chunk(&chunk, in_bytes * 8, block, 0);
    integers_convert(from, to, block, chunk.count, out);
    chunk.first += chunk.count * chunk.stride;
    out += chunk.count * out_bytes;
  }
}

/* From I64 and U64, for whose numbers a double between them and a smaller float has too few digits. */
static void convert_long_integers(Dtype from, Dtype to, const ConvertMove *move) {
  uint64_t block[CONVERT_BLOCK];
  for (uint64_t done = 0; done < move->count; done += CONVERT_BLOCK) {
    uint64_t size = move->count - done < CONVERT_BLOCK ? move->count - done : CONVERT_BLOCK;
    decode_integers(from, move->data, move->first + done * move->stride, size, move->stride, block);
    encode_integers(to, block, from == DTYPE_I64, move->out_first + done, size, move->out);
  }
}

/* Converts pairs of a real and an imaginary part to the numbers that encode_doubles() takes for
** `to`. */
static void convert_drop_imaginary(Dtype to, double *block, uint64_t count) {
  for (uint64_t i = 0; i < count; i++) {
    double real_part = block[2 * i], imaginary = block[2 * i + 1];
    block[i] = to == DTYPE_BOOL ? real_part != 0 || imaginary != 0 : real_part;
  }
}

static void convert_add_imaginary(double *block, uint64_t count) {
  for (uint64_t i = count; i-- > 0;) {
    block[2 * i] = block[i];
    block[2 * i + 1] = 0;
  }
}

/* Where F32 can be written as the machine's floats. NULL elsewhere. */
static float *convert_floats_in_place(Dtype to, const ConvertMove *move) {
  void *at = move->out + move->out_first * (dtype_bits(to) / 8);
  bool fits = to == DTYPE_F32 && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ &&
              (uintptr_t)at % _Alignof(float) == 0;
  return fits ? at : NULL;
}

static void convert_floats(Dtype from, Dtype to, const ConvertMove *move) {
  float block[CONVERT_BLOCK], *floats = convert_floats_in_place(to, move);
  if (floats != NULL) {
    decode_floats(from, move->data, move->first, move->count, move->stride, floats);
    return;
  }
  for (uint64_t done = 0; done < move->count; done += CONVERT_BLOCK) {
    uint64_t size = move->count - done < CONVERT_BLOCK ? move->count - done : CONVERT_BLOCK;
    decode_floats(from, move->data, move->first + done * move->stride, size, move->stride, block);
    encode_floats(to, block, move->out_first + done, size, move->out);
  }
}

static void convert_doubles(Dtype from, Dtype to, const ConvertMove *move) {
  double block[2 * CONVERT_BLOCK];
  for (uint64_t done = 0; done < move->count; done += CONVERT_BLOCK) {
    uint64_t size = move->count - done < CONVERT_BLOCK ? move->count - done : CONVERT_BLOCK;
    decode_doubles(from, move->data, move->first + done * move->stride, size, move->stride, block);
    if (from == DTYPE_C64) convert_drop_imaginary(to, block, size);
    if (to == DTYPE_C64) convert_add_imaginary(block, size);
    encode_doubles(to, block, move->out_first + done, size, move->out);
  }
}

void convert_elements(Dtype from, Dtype to, const unsigned char *data, uint64_t first,
                      uint64_t count, uint64_t stride, unsigned char *out, uint64_t out_first) {
  if (count == 0) return;
  ConvertMove move = {data, first, count, stride, out, out_first};
  if (from == to) {
    gather_chunk(&(Chunk){data, first, count, stride}, dtype_bits(from), out, out_first);
  } else if (convert_fast_kernels(from, to, &move)) {
    return;
  } else if (integers_are(from) && integers_are(to)) {
    convert_integers(from, to, &move);
  } else if ((from == DTYPE_I64 || from == DTYPE_U64) && to != DTYPE_F64) {
    convert_long_integers(from, to, &move);
  } else if (from != DTYPE_C64 && decode_gives_floats(from) && encode_takes_floats(to)) {
    convert_floats(from, to, &move);
  } else {
    convert_doubles(from, to, &move);
  }
}

bool convert_view(const View *view, Dtype from, Dtype to, Reader *reader, unsigned char *out,
                  const Host *host, Error *error) {
  Walk walk;
  Chunk chunk;
  uint64_t done = 0;
  if (!walk_open(&walk, view, dtype_bits(from), reader, error)) return false;
  while (host_go_on(host, done, error) && walk_next(&walk, UINT64_MAX, &chunk, error)) {
    convert_elements(from, to, chunk.data, chunk.first, chunk.count, chunk.stride, out, done);
    done += chunk.count;
  }
  walk_close(&walk);
  return error->code == ERROR_NONE;
}
