/*
** Which instructions the processor has and the operating system lets programs use.
*/
#ifndef SAFETENSORS_BASE_CPU_H
#define SAFETENSORS_BASE_CPU_H

#include <stdbool.h>

/* Instruction sets, as bits, that not every processor of a kind has. */
enum {
  CPU_F16C = 1 << 0,
  CPU_FMA = 1 << 1,
  CPU_AVX2 = 1 << 2,
  CPU_AVX512F = 1 << 3,
  CPU_AVX512BW = 1 << 4,
  CPU_AVX512DQ = 1 << 5,
  CPU_AVX512VL = 1 << 6,
  CPU_AVX512VBMI = 1 << 7,
  CPU_AVX512VNNI = 1 << 8,
  CPU_POPCNT = 1 << 9
};

/* Whether programs can use all of these. It is true of no set, 0, on every machine. */
bool cpu_has(unsigned features);

#endif
