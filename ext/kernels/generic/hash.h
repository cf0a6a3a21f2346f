/* The accumulation of whole blocks by XXH3. Included by kernels/NAME.c, once for each set: see
** kernels.h.
**
** Source: github.com/Cyan4973/xxHash, doc/xxhash_spec.md, "XXH3 Algorithm Overview", inputs of more
** than 240 bytes: accumulation of a stripe, and scrambling.
**
** Uses from the vocabulary: Longs, LONGS (how many 64-bit numbers fit in a register),
** longs_at(data, part), and swapped_longs_at(data, part), where the numbers 2i and 2i + 1 are
** swapped. */

enum { SET(HASH_PARTS) = KERNEL_HASH_LANES / SET(LONGS) };

static SET(TARGET) void SET(hash_blocks)(const unsigned char *data, uint64_t count,
                                         const unsigned char *secret, uint64_t *out) {
  enum { STRIPE = 8 * KERNEL_HASH_LANES };
  for (uint64_t block = 0; block < count; block++, out += KERNEL_HASH_LANES) {
    SET(Longs) sums[SET(HASH_PARTS)];
    SET(UNROLL) for (unsigned p = 0; p < SET(HASH_PARTS); p++) sums[p] = SET(all_longs)(0);
    for (unsigned stripe = 0; stripe < KERNEL_HASH_BLOCK / STRIPE; stripe++, data += STRIPE) {
      const unsigned char *key = secret + 8 * stripe;
      SET(prefetch)(data + KERNEL_AHEAD);
      SET(UNROLL) for (unsigned p = 0; p < SET(HASH_PARTS); p++) {
        SET(Longs) mixed = SET(xor_longs)(SET(longs_at)(data, p), SET(longs_at)(key, p));
        SET(Longs)
        more = SET(add_longs)(SET(multiply_halves)(mixed), SET(swapped_longs_at)(data, p));
        sums[p] = SET(add_longs)(sums[p], more);
      }
    }
    SET(UNROLL) for (unsigned p = 0; p < SET(HASH_PARTS); p++) {
      SET(store_longs)(out + p * SET(LONGS), sums[p]);
    }
  }
}

static SET(TARGET) void SET(hash_merge)(const uint64_t *sums, uint64_t count,
                                        const unsigned char *secret, uint64_t *accumulators) {
  SET(Longs) keys[SET(HASH_PARTS)], values[SET(HASH_PARTS)];
  SET(UNROLL) for (unsigned p = 0; p < SET(HASH_PARTS); p++) {
    keys[p] = SET(longs_at)(secret + KERNEL_HASH_SCRAMBLE_KEY, p);
    values[p] = SET(load_longs)(accumulators + p * SET(LONGS));
  }
  for (uint64_t block = 0; block < count; block++, sums += KERNEL_HASH_LANES) {
    SET(UNROLL) for (unsigned p = 0; p < SET(HASH_PARTS); p++) {
      SET(Longs) value = SET(add_longs)(values[p], SET(load_longs)(sums + p * SET(LONGS)));
      value = SET(xor_longs)(SET(xor_longs)(value, SET(shift_longs_47)(value)), keys[p]);
      values[p] = SET(multiply_longs)(value, KERNEL_HASH_PRIME);
    }
  }
  SET(UNROLL) for (unsigned p = 0; p < SET(HASH_PARTS); p++) {
    SET(store_longs)(accumulators + p * SET(LONGS), values[p]);
  }
}
