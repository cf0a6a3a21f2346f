#include "tensor/convert.h"

#include "tensor/decode.h"
#include "tensor/encode.h"
#include "tensor/gather.h"

/* Elements taken at a time, through buffers on the stack. */
enum { BLOCK = 256 };

/* ---- Short ways ---- */

static inline void BF16_to_F32(const unsigned char *from, unsigned char *to) {
  element_store_32(to, (uint32_t)element_load_16(from) << 16);
}

static inline void F16_to_F32(const unsigned char *from, unsigned char *to) {
  element_store_32(to, float_bits(float_widen(element_load_16(from), format_F16)));
}

/* Rounds as encode.c does. A carry out of the mantissa goes up into the exponent, at the upper end
** to infinity, which is right. */
static inline void F32_to_BF16(const unsigned char *from, unsigned char *to) {
  uint32_t bits = element_load_32(from);
  uint32_t rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
  uint32_t nan = (bits >> 16 & 0x8000) | format_BF16.nan;
  element_store_16(to, (uint16_t)choose((bits & 0x7fffffff) > 0x7f800000, nan, rounded));
}

/* In blocks of a fixed size, and through a buffer that nothing else can overlap: gcc vectorises no
** other loops at -O2. */
#define LOOP(from, to, from_size, to_size)                                                      \
  static void loop_##from##_##to(const unsigned char *in, uint64_t count, unsigned char *out) { \
    unsigned char block[16 * to_size];                                                          \
    uint64_t at = 0;                                                                            \
    for (; count - at >= 16; at += 16) {                                                        \
      for (unsigned i = 0; i < 16; i++) {                                                       \
        from##_to_##to(in + (at + i) * from_size, block + i * to_size);                         \
      }                                                                                         \
      memcpy(out + at * to_size, block, sizeof block);                                          \
    }                                                                                           \
    for (; at < count; at++) from##_to_##to(in + at * from_size, out + at * to_size);           \
  }
LOOP(BF16, F32, 2, 4)
LOOP(F16, F32, 2, 4)
LOOP(F32, BF16, 4, 2)
#undef LOOP

bool convert_fast(Dtype from, Dtype to, const unsigned char *in, uint64_t count,
                  unsigned char *out) {
  if (from == DTYPE_BF16 && to == DTYPE_F32) {
    loop_BF16_F32(in, count, out);
  } else if (from == DTYPE_F16 && to == DTYPE_F32) {
    loop_F16_F32(in, count, out);
  } else if (from == DTYPE_F32 && to == DTYPE_BF16) {
    loop_F32_BF16(in, count, out);
  } else {
    return false;
  }
  return true;
}

/* ---- The general way ---- */

/* Where elements lie, and where they go. */
typedef struct Move {
  const unsigned char *data;
  uint64_t first, count, step;
  unsigned char *out;
  uint64_t out_first;
} Move;

static bool fast(Dtype from, Dtype to, const Move *move) {
  unsigned in_bits = dtype_bits(from), out_bits = dtype_bits(to);
  if (move->step != 1 || in_bits % 8 != 0 || out_bits % 8 != 0) return false;
  return convert_fast(from, to, move->data + move->first * (in_bits / 8), move->count,
                      move->out + move->out_first * (out_bits / 8));
}

static bool is_signed(Dtype dtype) {
  return dtype == DTYPE_I8 || dtype == DTYPE_I16 || dtype == DTYPE_I32 || dtype == DTYPE_I64;
}

static void integers(Dtype from, Dtype to, const Move *move) {
  uint64_t block[BLOCK];
  for (uint64_t done = 0; done < move->count; done += BLOCK) {
    uint64_t size = move->count - done < BLOCK ? move->count - done : BLOCK;
    decode_integers(from, move->data, move->first + done * move->step, size, move->step, block);
    encode_integers(to, block, is_signed(from), move->out_first + done, size, move->out);
  }
}

/* From pairs of a real and an imaginary part to what encode_doubles() takes for `to`. */
static void drop_imaginary(Dtype to, double *block, uint64_t count) {
  for (uint64_t i = 0; i < count; i++) {
    double real_part = block[2 * i], imaginary = block[2 * i + 1];
    block[i] = to == DTYPE_BOOL ? real_part != 0 || imaginary != 0 : real_part;
  }
}

static void add_imaginary(double *block, uint64_t count) {
  for (uint64_t i = count; i-- > 0;) {
    block[2 * i] = block[i];
    block[2 * i + 1] = 0;
  }
}

static void doubles(Dtype from, Dtype to, const Move *move) {
  double block[2 * BLOCK];
  for (uint64_t done = 0; done < move->count; done += BLOCK) {
    uint64_t size = move->count - done < BLOCK ? move->count - done : BLOCK;
    decode_doubles(from, move->data, move->first + done * move->step, size, move->step, block);
    if (from == DTYPE_C64) drop_imaginary(to, block, size);
    if (to == DTYPE_C64) add_imaginary(block, size);
    encode_doubles(to, block, move->out_first + done, size, move->out);
  }
}

void convert_elements(Dtype from, Dtype to, const unsigned char *data, uint64_t first,
                      uint64_t count, uint64_t step, unsigned char *out, uint64_t out_first) {
  if (count == 0) return;
  Move move = {data, first, count, step, out, out_first};
  ValueKind kind = decode_kind(from);
  if (from == to) {
    gather_chunk(&(Chunk){data, first, count, step}, dtype_bits(from), out, out_first);
  } else if (fast(from, to, &move)) {
    return;
  } else if (kind == VALUE_INTEGER || kind == VALUE_BOOLEAN) {
    integers(from, to, &move);
  } else {
    doubles(from, to, &move);
  }
}

bool convert_view(const View *view, Dtype from, Dtype to, Reader *reader, unsigned char *out,
                  const PassHost *host, Error *error) {
  Asking asking = asking_begin(host);
  Walk walk;
  Chunk chunk;
  uint64_t done = 0;
  if (!walk_open(&walk, view, dtype_bits(from), reader, error)) return false;
  while (asking_go_on(&asking, done, error) && walk_next(&walk, UINT64_MAX, &chunk, error)) {
    convert_elements(from, to, chunk.data, chunk.first, chunk.count, chunk.step, out, done);
    done += chunk.count;
  }
  walk_close(&walk);
  return error->code == ERROR_NONE;
}
