/*
** Random numbers that depend on a seed and a place alone: Philox 4x32-10 with the counter in its first two words.
**
** Source: Salmon, Moraes, Dror and Shaw, Parallel random numbers: as easy as 1, 2, 3 (2011).
*/
#ifndef SAFETENSORS_BASE_PHILOX_H
#define SAFETENSORS_BASE_PHILOX_H

#include <stdint.h>

enum { PHILOX_WORDS = 4 };

/* The words of a counter. */
void philox_words(uint64_t seed, uint64_t counter, uint32_t word[PHILOX_WORDS]);

/* A word as a number of [0, 1), a multiple of 2^-24. */
static inline double philox_share(uint32_t word) {
  return (word >> 8) * 0x1p-24;
}

/* The number at a place: that of word place mod 4 of the counter place div 4. */
double philox_uniform(uint64_t seed, uint64_t place);

#endif
