/* What the machine can do: plain loops, which the compiler turns into the machine's widest instructions. The benchmark
** compiles them for the machine it runs on (peers_limits.py), and measures the extension by them. */

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <stddef.h>
#include <stdint.h>
#include <string.h>

uint64_t limit_read(const unsigned char *data, size_t size);
uint64_t limit_read_both(const unsigned char *a, const unsigned char *b, size_t size);
uint64_t limit_count(const unsigned char *data, size_t size);
void limit_to_bf16(const unsigned char *from, size_t count, unsigned char *to);
void limit_hash(const unsigned char *data, size_t size, unsigned char hash[16]);

/* Every word used, and nothing more done. */
uint64_t limit_read(const unsigned char *data, size_t size) {
  uint64_t sum = 0, word;
  for (size_t i = 0; i + sizeof word <= size; i += sizeof word) {
    memcpy(&word, data + i, sizeof word);
    sum += word;
  }
  return sum;
}

uint64_t limit_read_both(const unsigned char *a, const unsigned char *b, size_t size) {
  uint64_t sum = 0, x, y;
  for (size_t i = 0; i + sizeof x <= size; i += sizeof x) {
    memcpy(&x, a + i, sizeof x);
    memcpy(&y, b + i, sizeof y);
    sum += x ^ y;
  }
  return sum;
}

/* A counter of each code of 16 bits incremented, and nothing more done. Without fetching ahead it takes twice as long. */
uint64_t limit_count(const unsigned char *data, size_t size) {
  enum { AHEAD = 4096, LINE = 64 };
  static uint32_t counts[2][1 << 16];
  for (size_t i = 0; i + LINE <= size; i += LINE, data += LINE) {
    __builtin_prefetch(data + AHEAD);
    for (size_t j = 0; j < LINE; j += 4) {
      uint16_t a, b;
      memcpy(&a, data + j, sizeof a);
      memcpy(&b, data + j + 2, sizeof b);
      counts[0][a]++;
      counts[1][b]++;
    }
  }
  return counts[0][0];
}

/* Rounded to nearest, ties to even; NaN becomes the quiet NaN of its sign. */
void limit_to_bf16(const unsigned char *from, size_t count, unsigned char *to) {
  for (size_t i = 0; i < count; i++) {
    uint32_t bits;
    memcpy(&bits, from + 4 * i, sizeof bits);
    uint32_t rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
    uint32_t quiet = (bits >> 16 & 0x8000) | 0x7fc0;
    uint16_t code = (uint16_t)((bits & 0x7fffffff) > 0x7f800000 ? quiet : rounded);
    memcpy(to + 2 * i, &code, sizeof code);
  }
}

/* xxHash itself, compiled here. */
void limit_hash(const unsigned char *data, size_t size, unsigned char hash[16]) {
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, XXH3_128bits(data, size));
  memcpy(hash, canonical.digest, 16);
}
