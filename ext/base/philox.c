#include "base/philox.h"

enum { PHILOX_ROUNDS = 10 };

void philox_words(uint64_t seed, uint64_t counter, uint32_t word[PHILOX_WORDS]) {
  uint32_t key_0 = (uint32_t)seed, key_1 = (uint32_t)(seed >> 32);
  word[0] = (uint32_t)counter;
  word[1] = (uint32_t)(counter >> 32);
  word[2] = word[3] = 0;
  for (unsigned round = 0; round < PHILOX_ROUNDS; round++) {
    uint64_t a = (uint64_t)0xd2511f53 * word[0], b = (uint64_t)0xcd9e8d57 * word[2];
    uint32_t next_0 = (uint32_t)(b >> 32) ^ word[1] ^ key_0;
    uint32_t next_2 = (uint32_t)(a >> 32) ^ word[3] ^ key_1;
    word[0] = next_0;
    word[1] = (uint32_t)b;
    word[2] = next_2;
    word[3] = (uint32_t)a;
    key_0 += 0x9e3779b9;
    key_1 += 0xbb67ae85;
  }
}

double philox_uniform(uint64_t seed, uint64_t place) {
  uint32_t word[PHILOX_WORDS];
  philox_words(seed, place / PHILOX_WORDS, word);
  return philox_share(word[place % PHILOX_WORDS]);
}
